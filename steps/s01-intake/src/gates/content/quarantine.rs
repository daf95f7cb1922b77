//! Stops a delivery of which too much is in quarantine: what is left would no longer be what the supplier meant to say (T1).
//!
//! Rows that cannot be are refused with the delivery. Rows that are only strange together may be a market that changed its ways:
//! people look at them, or no later week would ever come through.

use artifact::{Batch, Content};
use gate::Verdict::{Hold, Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::schema::share;
use crate::{ContentFacts, RowReason};

pub(crate) struct Quarantine;

impl Gate<Content, ContentFacts> for Quarantine {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "feed-quarantine",
            clauses: &[Clause::AnomalyDetection],
            about: "refuses a delivery when the share of rows that cannot be is above the policy, holds it when that takes rows that are only strange together",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        if facts.unlisted > 0 {
            // They cannot be set aside, and nobody can accept what nobody can name.
            let why = format!("`{}` rows stand out beyond those that can be set aside one by one", facts.unlisted);
            return Refuse(Finding::seen(why, "have the supplier deliver it in smaller files, or mend it"));
        }
        let most = facts.policy.quarantine_share_max;
        if share(batch.held.len(), batch.rows) <= most {
            return Pass(batch);
        }
        let why = format!("`{}` of `{}` rows are in quarantine", batch.held.len(), batch.rows);
        let mut broken: Vec<u32> =
            facts.flags.iter().filter(|flag| flag.reason != RowReason::Joint).map(|flag| flag.row).collect();
        broken.sort_unstable();
        broken.dedup();
        // A row that no flag explains counts as broken.
        let joint = super::schema::rows_with(facts, RowReason::Joint);
        let unexplained = batch.held.iter().filter(|row| broken.binary_search(row).is_err() && !joint.contains(row)).count();
        if share(broken.len() + unexplained, batch.rows) > most {
            return Refuse(Finding::seen(why, "look at them with `stayward validate FILE`; have the supplier mend the delivery"));
        }
        // Who accepts the delivery takes the others in.
        if facts.delivery_accepted {
            return Pass(batch);
        }
        Hold(
            batch,
            Finding::seen(
                why,
                "look at them with `stayward quarantine ls`; `stayward feed accept` takes the other rows in, and these wait for two people",
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::tests::{batch, flags};

    fn check(held: u32, reason: RowReason) -> Verdict<Batch> {
        let facts = ContentFacts { flags: flags(held, reason), ..ContentFacts::ordinary() };
        Quarantine.judge(Batch { held: (0..held).collect(), ..batch(100) }, &facts)
    }

    #[test]
    fn rows_that_could_not_be_listed_are_refused() {
        let facts = |unlisted| ContentFacts { unlisted, delivery_accepted: true, ..ContentFacts::ordinary() };
        assert!(Quarantine.judge(batch(100), &facts(0)).passes());
        assert!(Quarantine.judge(batch(100), &facts(1)).refuses());
    }
    #[test]
    fn a_few_pass() {
        assert!(check(5, RowReason::Threshold).passes());
        assert!(check(5, RowReason::Joint).passes());
    }
    #[test]
    fn too_many_broken_rows_are_refused() {
        for reason in [RowReason::Contract, RowReason::Threshold, RowReason::Duplicate] {
            assert!(check(6, reason).refuses());
        }
        assert!(Quarantine.judge(Batch { held: (0..6).collect(), ..batch(100) }, &ContentFacts::ordinary()).refuses());
    }
    #[test]
    fn too_many_strange_rows_wait_for_a_person() {
        assert!(check(6, RowReason::Joint).holds());
    }
    #[test]
    fn who_accepts_the_delivery_takes_the_others_in() {
        let judge = |reason| {
            let facts = ContentFacts { flags: flags(6, reason), delivery_accepted: true, ..ContentFacts::ordinary() };
            Quarantine.judge(Batch { held: (0..6).collect(), ..batch(100) }, &facts)
        };
        assert!(judge(RowReason::Joint).passes());
        assert!(judge(RowReason::Threshold).refuses());
    }
}
