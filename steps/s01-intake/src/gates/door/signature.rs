//! Refuses bytes that no trusted supplier signed: everybody can send a file, only the supplier can sign it (T1).
//!
//! The supplier signs an in-toto statement that names the SHA-256 of the file, the feed, a sequence number and an expiry, in a
//! Sigstore bundle, with ECDSA P-256; or a claim file that says the same, with minisign, SSH or OpenPGP, directly or through a checksum
//! list. A key counts for one supplier and one format only, inside its validity, until it is revoked.

use artifact::{Door, Feed};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{DoorFacts, read_claim};

pub(crate) struct Signature;

impl Gate<Door, DoorFacts> for Signature {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "feed-signature",
            clauses: &[Clause::SignedFeeds],
            about: "refuses bytes whose digest is not in a statement signed by a registered, valid key of that supplier",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, feed: Feed, facts: &DoorFacts) -> Verdict<Feed> {
        let signed = match read_claim(facts, &feed.supplier) {
            Ok(signed) => signed,
            Err(finding) => return Refuse(finding),
        };
        if let Some(size_bytes) = signed.size_bytes.filter(|size_bytes| *size_bytes != feed.size_bytes) {
            let cut = if feed.size_bytes < size_bytes { "it was cut short" } else { "something was added" };
            let why = format!("the delivery has `{}` bytes, the signed claim says `{size_bytes}`: {cut}", feed.size_bytes);
            return Refuse(Finding::seen(why, "deliver the file again; if it stays so, ask the supplier"));
        }
        if signed.content != feed.content {
            let why = format!("the signature is for `{}`, the bytes are `{}`", signed.content.short(), feed.content.short());
            return Refuse(Finding::seen(why, "the file was changed after it was signed: ask the supplier to deliver again"));
        }
        if signed.claim.feed != feed.name || signed.claim.supplier != feed.supplier {
            let why = format!("the signature is for feed `{}` of `{}`", signed.claim.feed, signed.claim.supplier);
            return Refuse(Finding::seen(why, format!("deliver it as that feed, or have `{}` sign this one", feed.supplier)));
        }
        Pass(feed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::tests::{claim, facts_with, feed, key, signed};

    #[test]
    fn a_trusted_key_passes() {
        assert!(Signature.judge(feed(), &facts_with(signed(&claim(), &feed()))).passes());
    }
    #[test]
    fn no_signature_is_refused() {
        let facts = DoorFacts { bundle: None, ..facts_with(signed(&claim(), &feed())) };
        assert!(Signature.judge(feed(), &facts).refuses());
    }
    #[test]
    fn a_stranger_is_refused() {
        let facts = DoorFacts { keys: Vec::new(), ..facts_with(signed(&claim(), &feed())) };
        assert!(Signature.judge(feed(), &facts).refuses());
    }
    #[test]
    fn a_revoked_an_expired_and_a_future_key_are_refused() {
        let good = facts_with(signed(&claim(), &feed()));
        for bad in [
            crate::SupplierKey { revoked: true, ..key() },
            crate::SupplierKey { expires: good.now, ..key() },
            crate::SupplierKey { not_before: good.now + 1, ..key() },
            crate::SupplierKey { supplier: "mallory".into(), ..key() },
        ] {
            assert!(Signature.judge(feed(), &DoorFacts { keys: vec![bad], ..good.clone() }).refuses());
        }
    }
    #[test]
    fn changed_bytes_are_refused() {
        let other = Feed::new("market", "acme", b"week,price\n1,1\n".to_vec());
        assert!(Signature.judge(other, &facts_with(signed(&claim(), &feed()))).refuses());
    }
    #[test]
    fn another_feeds_signature_is_refused() {
        let claim = artifact::FeedClaim { feed: "weather".into(), ..claim() };
        assert!(Signature.judge(feed(), &facts_with(signed(&claim, &feed()))).refuses());
    }
    #[test]
    fn garbage_is_refused() {
        for garbage in ["", "{}", "[1]", "\u{0}"] {
            assert!(Signature.judge(feed(), &facts_with(garbage.to_owned())).refuses());
        }
    }
}
