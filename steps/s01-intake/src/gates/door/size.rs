//! Refuses a delivery that is empty or too large to be looked at: unread bytes are unjudged bytes (T1).

use artifact::{Door, Feed};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::DoorFacts;

pub(crate) struct Size;

impl Gate<Door, DoorFacts> for Size {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "feed-size",
            clauses: &[Clause::SignedFeeds],
            about: "refuses a delivery that is empty or larger than the policy allows to be read",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, feed: Feed, facts: &DoorFacts) -> Verdict<Feed> {
        if feed.size_bytes == 0 {
            return Refuse(Finding::seen("the delivery is empty", "ask the supplier to deliver again"));
        }
        if feed.size_bytes > facts.size_max_bytes {
            let why = format!("the delivery has `{}` bytes, `{}` are allowed", feed.size_bytes, facts.size_max_bytes);
            return Refuse(Finding::seen(why, "ask for smaller deliveries, or raise `feeds.size_max_bytes` in stayward.toml"));
        }
        Pass(feed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], size_max_bytes: u64) -> Verdict<Feed> {
        Size.judge(Feed::new("market", "acme", bytes.to_vec()), &DoorFacts { size_max_bytes, ..DoorFacts::ordinary() })
    }

    #[test]
    fn a_full_one_passes() {
        assert!(check(b"abc", 3).passes());
    }
    #[test]
    fn an_empty_one_is_refused() {
        assert!(check(b"", 3).refuses());
    }
    #[test]
    fn a_large_one_is_refused() {
        assert!(check(b"abcd", 3).refuses());
    }
}
