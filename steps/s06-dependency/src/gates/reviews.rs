//! Refuses a critical part that nobody reviewed in exactly this version: the booster and the crypto are trusted by name and byte (T7).

use artifact::{Dependencies, Parts};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Reviews;

impl Gate<Dependencies, Facts> for Reviews {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "dependency-review",
            clauses: &[Clause::ManualReview],
            about: "refuses a critical package without an unexpired review of exactly its version and checksum",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, parts: Parts, facts: &Facts) -> Verdict<Parts> {
        let unread = facts.critical.iter().find(|(package, version, checksum)| {
            !facts.reviews.iter().any(|review| {
                (&review.package, &review.version, &review.checksum) == (package, version, checksum) && review.expires > facts.now
            })
        });
        let Some((package, version, _)) = unread else { return Pass(parts) };
        let why = format!("no review of `{package} {version}` with this checksum is on record, or it is expired");
        Refuse(Finding::seen(why, "read the change, then record the review in reviews.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Review;
    use crate::facts::parts;

    fn check(change: impl Fn(&mut Review)) -> Verdict<Parts> {
        let mut facts = Facts::ordinary();
        facts.reviews.iter_mut().for_each(change);
        Reviews.judge(parts(), &facts)
    }

    #[test]
    fn a_reviewed_part_passes() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn a_review_of_another_version_is_refused() {
        assert!(check(|review| review.version = "1.0.1".into()).refuses());
    }
    #[test]
    fn a_review_of_other_bytes_is_refused() {
        assert!(check(|review| review.checksum = "cd".into()).refuses());
    }
    #[test]
    fn an_expired_review_is_refused() {
        assert!(check(|review| review.expires = 1_000_000).refuses());
    }
}
