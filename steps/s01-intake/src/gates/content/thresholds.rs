//! Sets aside rows with values beyond what trusted history shows: the sanity check on behaviour thresholds (T1).

use artifact::{Batch, Content};
use gate::Verdict::Pass;
use gate::{Card, Clause, Gate, Maturity, Verdict};

use super::schema::rows_with;
use crate::{ContentFacts, RowReason};

pub(crate) struct Thresholds;

impl Gate<Content, ContentFacts> for Thresholds {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "behaviour-thresholds",
            clauses: &[Clause::SanityChecks],
            about: "sets aside rows with a value beyond the thresholds learnt from trusted history; how many may be is feed-quarantine's to say",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, mut batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        if facts.released.is_some() {
            return Pass(batch);
        }
        batch.hold_rows(rows_with(facts, RowReason::Threshold));
        batch.hold_rows(rows_with(facts, RowReason::Duplicate));
        Pass(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::tests::{batch, flags};

    #[test]
    fn ordinary_rows_pass_unchanged() {
        assert_eq!(Thresholds.judge(batch(9), &ContentFacts::ordinary()), Pass(batch(9)));
    }
    #[test]
    fn extreme_rows_are_set_aside() {
        let facts = ContentFacts { flags: flags(2, RowReason::Threshold), ..ContentFacts::ordinary() };
        assert_eq!(Thresholds.judge(batch(9), &facts), Pass(Batch { held: vec![0, 1], ..batch(9) }));
    }
    #[test]
    fn repeated_rows_are_set_aside() {
        let facts = ContentFacts { flags: flags(1, RowReason::Duplicate), ..ContentFacts::ordinary() };
        assert_eq!(Thresholds.judge(batch(9), &facts), Pass(Batch { held: vec![0], ..batch(9) }));
    }
}
