//! Refuses a feed whose number does not grow, or that is past its expiry: an old, validly signed feed is still an attack (T1).

use artifact::{Door, Feed};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{DoorFacts, read_claim};

/// A supplier's clock may be ahead of ours by so much.
const CLOCK_SKEW_SECONDS: i64 = 300;

pub(crate) struct Sequence;

impl Gate<Door, DoorFacts> for Sequence {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "feed-sequence",
            clauses: &[Clause::SignedFeeds],
            about: "refuses a delivery that is not newer than the last accepted one, is expired, or comes from the future",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, feed: Feed, facts: &DoorFacts) -> Verdict<Feed> {
        let claim = match read_claim(facts, &feed.supplier) {
            Ok(signed) => signed.claim,
            Err(finding) => return Refuse(finding),
        };
        if let Some(last) = facts.last_sequence
            && claim.sequence <= last
            && !facts.accepted_late
        {
            let why = if claim.sequence == last {
                format!("delivery `{last}` is not newer than `{last}`, which was accepted before")
            } else {
                format!("delivery `{}` is out of sequence: `{last}` was accepted before", claim.sequence)
            };
            return Refuse(Finding::seen(why, "a replay, or a supplier who lost count: ask for a delivery with a higher number"));
        }
        if claim.expires <= facts.now {
            return Refuse(Finding::seen("the delivery is past the expiry that its supplier signed", "ask for a fresh delivery"));
        }
        if claim.created > facts.now.saturating_add(CLOCK_SKEW_SECONDS) {
            return Refuse(Finding::seen(
                "the delivery was signed in the future",
                "set the clock of this machine or of the supplier",
            ));
        }
        Pass(feed)
    }
}

#[cfg(test)]
mod tests {
    use artifact::FeedClaim;

    use super::*;
    use crate::work::tests::{claim, facts_with, feed, signed};

    fn check(claim: &FeedClaim, last_sequence: Option<u64>) -> Verdict<Feed> {
        Sequence.judge(feed(), &DoorFacts { last_sequence, ..facts_with(signed(claim, &feed())) })
    }

    #[test]
    fn the_next_number_passes() {
        assert!(check(&claim(), Some(6)).passes());
    }
    #[test]
    fn the_first_ever_passes() {
        assert!(check(&claim(), None).passes());
    }
    #[test]
    fn a_replay_is_refused() {
        assert!(check(&claim(), Some(7)).refuses());
    }
    #[test]
    fn one_that_was_held_and_accepted_since_passes() {
        let facts = DoorFacts { last_sequence: Some(9), accepted_late: true, ..facts_with(signed(&claim(), &feed())) };
        assert!(Sequence.judge(feed(), &facts).passes());
    }
    #[test]
    fn an_older_one_is_refused() {
        assert!(check(&claim(), Some(9)).refuses());
    }
    #[test]
    fn an_expired_one_is_refused() {
        assert!(check(&FeedClaim { expires: DoorFacts::ordinary().now, ..claim() }, Some(6)).refuses());
    }
    #[test]
    fn one_from_the_future_is_refused() {
        assert!(check(&FeedClaim { created: DoorFacts::ordinary().now + 301, ..claim() }, Some(6)).refuses());
    }
}
