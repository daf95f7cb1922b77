//! Refuses rows out of quarantine unless one person proposed exactly them and another one signed with a second factor: a single insider
//! who could release rows would walk around every other gate of the content (T1, T6).

use artifact::{Batch, Content};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{ContentFacts, RowReason};

pub(crate) struct Release;

impl Gate<Content, ContentFacts> for Release {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "quarantine-release",
            clauses: &[Clause::AnomalyDetection, Clause::SecondFactor],
            about: "refuses rows out of quarantine unless one person proposed exactly them and another signed with a second factor, and every row that breaks the contract; silent for deliveries",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        let Some(released) = &facts.released else { return Pass(batch) };
        let again = "propose the rows again with `stayward quarantine propose release`, and have another person sign";
        if released.proposed_by == released.approved_by && !released.own_allowed {
            let why = format!("`{}` signed what he proposed himself for rows in quarantine", released.proposed_by);
            return Refuse(Finding::seen(why, again));
        }
        if !released.may_approve {
            let why = format!("`{}` signed for rows in quarantine and may not, by the rules of now", released.approved_by);
            return Refuse(Finding::seen(why, again));
        }
        if !released.second_factor {
            let why = format!("`{}` signed for rows in quarantine without a second factor", released.approved_by);
            return Refuse(Finding::seen(why, again));
        }
        if u64::try_from(released.rows.len()).ok() != Some(batch.rows) {
            let why = format!("`{}` rows were signed for, and the contract lets `{}` in", released.rows.len(), batch.rows);
            return Refuse(Finding::seen(why, "discard those that break the contract, and propose the others again"));
        }
        if let Some(flag) = facts.flags.iter().find(|flag| flag.reason == RowReason::Contract) {
            let why = format!("a row in quarantine breaks the contract: {}", flag.seen);
            return Refuse(Finding::seen(why, "discard it, and have the supplier deliver it mended"));
        }
        Pass(batch)
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::work::tests::{batch, flags};
    use crate::{CONTENT, Released};

    fn released() -> Released {
        Released {
            delivery: Digest::of(b"delivery"),
            rows: vec![3, 9],
            proposed_by: "ada".into(),
            approved_by: "ben".into(),
            second_factor: true,
            may_approve: true,
            because: "checked with the supplier".into(),
            own_allowed: false,
        }
    }

    fn facts(released: Released, reason: RowReason) -> ContentFacts {
        ContentFacts { released: Some(released), flags: flags(2, reason), tests: Vec::new(), ..ContentFacts::ordinary() }
    }

    fn check(released: Released, reason: RowReason) -> Verdict<Batch> {
        Release.judge(batch(2), &facts(released, reason))
    }

    /// What is left of the rows behind all gates.
    fn behind_all(facts: &ContentFacts) -> Option<Batch> {
        CONTENT.iter().try_fold(batch(2), |batch, gate| match gate.judge(batch, facts) {
            Pass(batch) => Some(batch),
            Verdict::Hold(..) | Refuse(_) => None,
        })
    }

    #[test]
    fn what_two_people_signed_passes_every_gate() {
        for reason in [RowReason::Joint, RowReason::Threshold, RowReason::Duplicate] {
            assert_eq!(behind_all(&facts(released(), reason)), Some(batch(2)), "{reason:?}");
        }
    }
    #[test]
    fn one_person_is_refused() {
        let one = Released { approved_by: "ada".into(), ..released() };
        assert!(check(one.clone(), RowReason::Joint).refuses());
        assert!(check(Released { own_allowed: true, ..one }, RowReason::Joint).passes());
    }
    #[test]
    fn a_password_alone_is_refused() {
        assert!(check(Released { second_factor: false, ..released() }, RowReason::Joint).refuses());
    }
    #[test]
    fn somebody_who_may_no_longer_sign_is_refused() {
        assert!(check(Released { may_approve: false, ..released() }, RowReason::Joint).refuses());
    }
    #[test]
    fn other_rows_are_refused() {
        assert!(check(Released { rows: vec![3], ..released() }, RowReason::Joint).refuses());
    }
    #[test]
    fn rows_that_break_the_contract_are_refused_whoever_signs() {
        assert!(check(released(), RowReason::Contract).refuses());
    }
    #[test]
    fn a_delivery_is_not_asked() {
        assert!(Release.judge(batch(9), &ContentFacts::ordinary()).passes());
    }
}
