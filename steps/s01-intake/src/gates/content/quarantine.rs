//! Refuses a delivery of which too much is in quarantine: what is left would no longer be what the supplier meant to say (T1).

use artifact::{Batch, Content};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::schema::share;
use crate::ContentFacts;

pub(crate) struct Quarantine;

impl Gate<Content, ContentFacts> for Quarantine {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "feed-quarantine",
            clauses: &[Clause::AnomalyDetection],
            about: "refuses a delivery when the share of rows in quarantine is above the policy",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        if share(batch.held.len(), batch.rows) <= facts.policy.quarantine_share_max {
            return Pass(batch);
        }
        let why = format!("`{}` of `{}` rows are in quarantine", batch.held.len(), batch.rows);
        Refuse(Finding::seen(why, "look at them with `stayward validate FILE`; have the supplier mend the delivery"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::tests::batch;

    #[test]
    fn a_few_pass() {
        assert!(Quarantine.judge(Batch { held: vec![1, 2, 3, 4, 5], ..batch(100) }, &ContentFacts::ordinary()).passes());
    }
    #[test]
    fn too_many_are_refused() {
        assert!(Quarantine.judge(Batch { held: vec![1, 2, 3, 4, 5, 6], ..batch(100) }, &ContentFacts::ordinary()).refuses());
    }
}
