//! Sets aside rows whose columns do not go together, and holds a delivery that differs as a whole from trusted history: poison that
//! keeps every single value ordinary shows only jointly (T1).
//!
//! Tests of the whole delivery may hold it for people, never set rows aside: a shifted market is not an attack yet.

use artifact::{Batch, Content};
use gate::Verdict::{Hold, Pass};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::schema::rows_with;
use crate::{ContentFacts, RowReason, probability};

pub(crate) struct Outliers;

impl Gate<Content, ContentFacts> for Outliers {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "joint-outliers",
            clauses: &[Clause::AnomalyDetection],
            about: "sets aside joint outliers by calibrated p-values, holds a delivery that as a whole departs from trusted history or that no history can judge",
            maturity: Maturity::Measured,
        };
        &CARD
    }

    fn judge(&self, mut batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        if facts.released.is_some() {
            return Pass(batch);
        }
        // A person who looked at the delivery answers for it as a whole, not for the strange rows in it: those wait in quarantine,
        // however many, until two people let them out.
        batch.hold_rows(rows_with(facts, RowReason::Joint));
        if facts.delivery_accepted {
            return Pass(batch);
        }
        if facts.reference_rows == 0 {
            let why = "there is no trusted history yet to judge the delivery by";
            return Hold(batch, Finding::inconclusive(why, "look at it, then accept it by hand with `stayward feed accept`"));
        }
        // A p-value that is not a number is not a pass: `>=` is false for it.
        let departs = facts.tests.iter().find(|test| !(test.p_value >= facts.policy.batch_alpha));
        match departs {
            None => Pass(batch),
            Some(test) => {
                let why = format!("the delivery departs from trusted history: {}, {}", test.name, probability(test.p_value));
                Hold(
                    batch,
                    Finding::seen(
                        why,
                        "look at the rows with `stayward validate FILE`, then accept it by hand with `stayward feed accept`, or ask for another delivery",
                    ),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ColumnTest;
    use crate::work::tests::{batch, flags};

    fn check(facts: &ContentFacts) -> Verdict<Batch> {
        Outliers.judge(batch(100), facts)
    }

    #[test]
    fn an_ordinary_delivery_passes() {
        assert!(check(&ContentFacts::ordinary()).passes());
    }
    #[test]
    fn joint_outliers_are_set_aside() {
        let facts = ContentFacts { flags: flags(3, RowReason::Joint), ..ContentFacts::ordinary() };
        assert_eq!(check(&facts), Pass(Batch { held: vec![0, 1, 2], ..batch(100) }));
    }
    #[test]
    fn a_shifted_delivery_is_held() {
        let tests = vec![ColumnTest { name: "mahalanobis".into(), p_value: 1e-6 }];
        assert!(check(&ContentFacts { tests, ..ContentFacts::ordinary() }).holds());
    }
    #[test]
    fn a_shifted_delivery_that_a_person_accepted_passes_without_its_strange_rows() {
        let tests = vec![ColumnTest { name: "mahalanobis".into(), p_value: 1e-6 }];
        let facts =
            ContentFacts { tests, flags: flags(3, RowReason::Joint), delivery_accepted: true, ..ContentFacts::ordinary() };
        assert_eq!(check(&facts), Pass(Batch { held: vec![0, 1, 2], ..batch(100) }));
    }
    #[test]
    fn many_strange_rows_stay_behind_also_when_a_person_accepted_the_delivery() {
        let facts = ContentFacts { flags: flags(6, RowReason::Joint), ..ContentFacts::ordinary() };
        for delivery_accepted in [false, true] {
            let facts = ContentFacts { delivery_accepted, ..facts.clone() };
            assert_eq!(check(&facts), Pass(Batch { held: (0..6).collect(), ..batch(100) }));
        }
    }
    #[test]
    fn a_test_that_could_not_be_made_is_held() {
        let tests = vec![ColumnTest { name: "mahalanobis".into(), p_value: f64::NAN }];
        assert!(check(&ContentFacts { tests, ..ContentFacts::ordinary() }).holds());
    }
    #[test]
    fn without_history_people_decide() {
        assert!(check(&ContentFacts { reference_rows: 0, ..ContentFacts::ordinary() }).holds());
        assert!(check(&ContentFacts { reference_rows: 0, delivery_accepted: true, ..ContentFacts::ordinary() }).passes());
    }
}
