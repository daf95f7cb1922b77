//! Reads a claim that a supplier signed with a program of another: the claim file says what a bundle would say, so that a replay, a
//! delivery that was kept back, and bytes of another feed are seen whatever the format of the signature (T1).
//!
//! One rule for all formats: what is signed is the claim file `NAME.claim.json`, or a checksum list that names the claim file and, beside
//! it, the delivery. So the signature binds feed, supplier, number, times and the SHA-256 of the bytes.

use artifact::FeedClaim;
use gate::{Digest, Finding};
use provenance::checksums::ChecksumList;
use provenance::{PublicKey, Refusal, Scheme, Signature};
use serde::{Deserialize, Serialize};

use crate::work::{SignedClaim, counts};
use crate::{Detached, DoorFacts, SupplierKey};

/// What follows a delivery's name in that of its claim file.
pub const CLAIM_SUFFIX: &str = ".claim.json";
/// Longest claim file; one has about 250 bytes.
pub const CLAIM_BYTES_MAX: usize = 4096;
/// Bytes of a SHA-256.
const SHA256_BYTES: usize = 32;

/// The claim file: [`FeedClaim`], its type, and what it is for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClaimFile {
    #[serde(rename = "type")]
    kind: String,
    feed: String,
    supplier: String,
    sequence: u64,
    created: i64,
    expires: i64,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
}

/// The text of a claim file: what a supplier signs with a program of their own.
///
/// # Errors
/// None that a claim can cause; the writer of JSON may fail in principle.
pub fn claim_file(claim: &FeedClaim, content: Digest, size_bytes: u64) -> Result<String, serde_json::Error> {
    let FeedClaim { feed, supplier, sequence, created, expires } = claim.clone();
    let (kind, sha256) = (FeedClaim::PREDICATE_TYPE.to_owned(), content.hex());
    let file = ClaimFile { kind, feed, supplier, sequence, created, expires, sha256, size_bytes: Some(size_bytes) };
    serde_json::to_string_pretty(&file).map(|text| text + "\n")
}

/// Checks the signature, then reads what was signed.
pub(crate) fn read(facts: &DoorFacts, supplier: &str, detached: &Detached) -> Result<SignedClaim, Finding> {
    let refused = |refusal: Refusal| finding(&refusal, supplier, detached.scheme);
    let claim = detached.claim.as_bytes();
    if claim.len() > CLAIM_BYTES_MAX {
        return Err(refused(Refusal::Oversized { what: "the claim file", bytes: claim.len(), max: CLAIM_BYTES_MAX }));
    }
    let signature = Signature::parse(detached.scheme, detached.signature.as_bytes()).map_err(refused)?;
    let key = trusted_key(facts, supplier, &signature, detached.scheme)?;
    let Some(list) = &detached.list else {
        key.verify(&signature, claim, facts.now).map_err(refused)?;
        return parse(&detached.claim, supplier);
    };
    let list = ChecksumList::verify(list.as_bytes(), &key, &signature, facts.now).map_err(refused)?;
    // Its digest first: a claim that the list does not name is not looked at.
    let named = list.entries().find_map(|(name, _)| {
        let delivery = name.strip_suffix(CLAIM_SUFFIX)?;
        list.check(name, claim).is_ok().then(|| delivery.to_owned())
    });
    let help =
        format!("have `{supplier}` list the delivery and its {CLAIM_SUFFIX} together, with SHA-256, and sign the list again");
    let Some(delivery) = named else {
        return Err(Finding::seen("the signed checksum list does not name this claim file with its digest", help));
    };
    let signed = parse(&detached.claim, supplier)?;
    let listed = list.entries().find(|(name, _)| *name == delivery).map(|(_, digest)| digest);
    match listed {
        Some(digest) if digest.len() == SHA256_BYTES && digest == signed.content.as_bytes() => Ok(signed),
        Some(_) => Err(Finding::seen("the signed checksum list and the claim file name other digests of the delivery", help)),
        None => Err(Finding::seen("the signed checksum list names the claim file, but not the delivery beside it", help)),
    }
}

/// The registered key of that scheme which the signature names, if it counts now.
fn trusted_key(facts: &DoorFacts, supplier: &str, signature: &Signature, scheme: Scheme) -> Result<PublicKey, Finding> {
    let name = signature.key_name();
    let trust = format!(
        "have the supplier sign with a listed key, or add this one with `stayward feed trust --supplier {supplier} --scheme {scheme} KEY`"
    );
    let mut refused = Finding::seen(
        format!("feed was signed by {scheme} key `{name}`, which intake does not trust for `{supplier}`"),
        trust.clone(),
    );
    for known in facts.keys.iter().filter(|known| known.supplier == supplier && known.scheme == Some(scheme)) {
        // A key on record that cannot be read any more signs for nobody.
        let Some(key) = named_key(known, signature) else { continue };
        match counts(known, facts.now, &name, trust.clone()) {
            Ok(()) => return Ok(key),
            // The same key may be on record twice: an older record, and the one that follows it.
            Err(finding) => refused = finding,
        }
    }
    Err(refused)
}

fn named_key(known: &SupplierKey, signature: &Signature) -> Option<PublicKey> {
    let key = PublicKey::parse(known.scheme?, &known.public_key).ok()?;
    key.is_named_by(signature).then_some(key)
}

fn parse(text: &str, supplier: &str) -> Result<SignedClaim, Finding> {
    let help = format!("have `{supplier}` write the claim file with `stayward feed claim`, then sign that file");
    let wrong = |why: String| Finding::seen(format!("the claim file cannot be read: {why}"), help.clone());
    let file: ClaimFile = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let ClaimFile { kind, feed, supplier, sequence, created, expires, sha256, size_bytes } = file;
    if kind != FeedClaim::PREDICATE_TYPE {
        return Err(wrong(format!("its type is not `{}`", FeedClaim::PREDICATE_TYPE)));
    }
    let content = Digest::from_hex(&sha256).map_err(|error| wrong(error.to_string()))?;
    Ok(SignedClaim { content, size_bytes, claim: FeedClaim { feed, supplier, sequence, created, expires } })
}

/// What to do about a refusal.
fn finding(refusal: &Refusal, supplier: &str, scheme: Scheme) -> Finding {
    let help = match refusal {
        Refusal::Truncated { .. } | Refusal::Oversized { .. } | Refusal::Form { .. } => {
            format!("deliver the claim file and its signature again, byte for byte as `{supplier}`'s {scheme} program wrote them")
        }
        Refusal::Unsupported { .. } => {
            format!("have `{supplier}` sign with Ed25519, ECDSA P-256 or RSA of 2048 bits or more, and SHA-256 or SHA-512")
        }
        Refusal::WrongSignature { .. } | Refusal::DigestMismatch { .. } => {
            "the claim was changed after it was signed, or somebody else signed it: ask the supplier to deliver again".to_owned()
        }
        Refusal::Namespace { .. } => format!(
            "have `{supplier}` sign with `ssh-keygen -Y sign -n {}`",
            provenance::ssh::NAMESPACES.first().copied().unwrap_or_default()
        ),
        Refusal::KeyExpired { .. }
        | Refusal::KeyNotYetValid { .. }
        | Refusal::KeyRevoked { .. }
        | Refusal::KeyNotForSigning { .. } => {
            format!("have `{supplier}` sign with a key that counts, or send the newest form of this key to `stayward feed trust`")
        }
        Refusal::SignatureExpired { .. } | Refusal::SignatureTime { .. } => {
            "have the claim signed again, with the right time".to_owned()
        }
        Refusal::UnknownKey { .. } | Refusal::Missing { .. } => format!("have `{supplier}` sign it again with a listed key"),
    };
    Finding::seen(refusal.to_string(), help)
}

#[cfg(test)]
mod tests {
    use artifact::Feed;
    use gate::{Gate, Verdict};

    use super::*;
    use crate::gates::door::sequence::Sequence;
    use crate::gates::door::signature::Signature as SignatureGate;

    /// What minisign, ssh-keygen and GnuPG signed: engines/provenance/fixtures/make.sh.
    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../../engines/provenance/fixtures/", $name))
        };
    }
    const CLAIM: &str = fixture!("market.csv.claim.json");
    const LIST: &str = fixture!("SHA256SUMS");
    /// A minute after the claim was signed.
    const NOW: i64 = 1_769_904_060;

    fn feed() -> Feed {
        Feed::new("market", "acme", fixture!("message").into())
    }

    fn key(scheme: Scheme) -> SupplierKey {
        let public_key = match scheme {
            Scheme::Minisign => fixture!("minisign.pub"),
            Scheme::Ssh => fixture!("ssh-ed25519.pub"),
            Scheme::Openpgp => fixture!("openpgp-ed25519.pub"),
        };
        let (supplier, public_key) = ("acme".to_owned(), public_key.to_owned());
        SupplierKey { supplier, scheme: Some(scheme), public_key, not_before: 0, expires: i64::MAX, revoked: false }
    }

    fn direct(scheme: Scheme) -> Detached {
        let signature = match scheme {
            Scheme::Minisign => fixture!("market.csv.claim.json.minisig"),
            Scheme::Ssh => fixture!("market.csv.claim.json.sig"),
            Scheme::Openpgp => fixture!("market.csv.claim.json.asc"),
        };
        Detached { scheme, claim: CLAIM.into(), signature: signature.into(), list: None }
    }

    fn listed(scheme: Scheme) -> Detached {
        let signature = if scheme == Scheme::Openpgp { fixture!("SHA256SUMS.asc") } else { fixture!("SHA256SUMS.minisig") };
        Detached { scheme, claim: CLAIM.into(), signature: signature.into(), list: Some(LIST.into()) }
    }

    fn facts(detached: Detached) -> DoorFacts {
        let keys = Scheme::ALL.map(key).to_vec();
        DoorFacts { now: NOW, detached: Some(detached), keys, last_sequence: Some(6), ..DoorFacts::ordinary() }
    }

    fn judge(feed: Feed, facts: &DoorFacts) -> Verdict<Feed> {
        match SignatureGate.judge(feed, facts) {
            Verdict::Pass(feed) => Sequence.judge(feed, facts),
            stopped @ (Verdict::Hold(..) | Verdict::Refuse(_)) => stopped,
        }
    }

    /// It is refused, and why begins or goes on with these words.
    fn refused(feed: Feed, facts: &DoorFacts, words: &str) {
        match judge(feed, facts) {
            Verdict::Refuse(finding) => assert!(finding.why.contains(words), "{}", finding.why),
            other @ (Verdict::Pass(_) | Verdict::Hold(..)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_claim_signed_by_another_program_passes() {
        for scheme in Scheme::ALL {
            assert!(judge(feed(), &facts(direct(scheme))).passes(), "{scheme}");
        }
        for scheme in [Scheme::Minisign, Scheme::Openpgp] {
            assert!(judge(feed(), &facts(listed(scheme))).passes(), "{scheme}");
        }
    }

    #[test]
    fn an_unsigned_claim_is_refused() {
        refused(feed(), &DoorFacts { detached: None, ..facts(direct(Scheme::Ssh)) }, "no signature");
        refused(feed(), &facts(Detached { signature: String::new(), ..direct(Scheme::Ssh) }), "cannot be read");
    }

    #[test]
    fn a_changed_claim_is_wrongly_signed() {
        for scheme in Scheme::ALL {
            for (from, to) in [("7,", "8,"), ("market", "makret"), ("acme", "akme"), ("1770508800", "1970508800"), ("16", "17")] {
                let claim = CLAIM.replace(from, to);
                refused(feed(), &facts(Detached { claim, ..direct(scheme) }), "does not hold");
            }
        }
    }

    #[test]
    fn a_key_must_be_listed_for_the_supplier_and_the_scheme_and_count_now() {
        for scheme in Scheme::ALL {
            let with = |change: fn(&mut SupplierKey)| {
                let mut known = key(scheme);
                change(&mut known);
                DoorFacts { keys: vec![known], ..facts(direct(scheme)) }
            };
            refused(feed(), &with(|key| key.supplier = "mallory".into()), "does not trust");
            refused(feed(), &with(|key| key.scheme = None), "does not trust");
            refused(feed(), &with(|key| key.public_key = "?".into()), "does not trust");
            refused(feed(), &with(|key| key.revoked = true), "revoked");
            refused(feed(), &with(|key| key.expires = NOW), "outside of its validity");
            refused(feed(), &with(|key| key.not_before = NOW + 1), "outside of its validity");
            assert!(judge(feed(), &with(|key| key.not_before = NOW)).passes());
        }
        // Prolonged: the same key on record twice.
        let old = SupplierKey { expires: NOW, ..key(Scheme::Minisign) };
        assert!(judge(feed(), &DoorFacts { keys: vec![old, key(Scheme::Minisign)], ..facts(direct(Scheme::Minisign)) }).passes());
    }

    #[test]
    fn a_key_that_its_owner_limits_is_limited() {
        let line = |options: &str| format!("acme {options} {}", fixture!("ssh-ed25519.pub"));
        let with = |options: &str| {
            let known = SupplierKey { public_key: line(options), ..key(Scheme::Ssh) };
            DoorFacts { keys: vec![known], ..facts(direct(Scheme::Ssh)) }
        };
        assert!(judge(feed(), &with("valid-before=\"20270101Z\"")).passes());
        refused(feed(), &with("valid-before=\"20260101Z\""), "has expired");
        refused(feed(), &with("valid-after=\"20270101Z\""), "not valid yet");
        refused(feed(), &with("namespaces=\"file\""), "namespace");
    }

    #[test]
    fn replays_freezes_and_numbers_out_of_sequence_are_seen() {
        let at = |last: u64, now: i64| DoorFacts { last_sequence: Some(last), now, ..facts(direct(Scheme::Minisign)) };
        refused(feed(), &at(7, NOW), "`7` is not newer than `7`");
        refused(feed(), &at(8, NOW), "out of sequence");
        refused(feed(), &at(6, 1_770_508_800), "past the expiry");
        refused(feed(), &at(6, 1_769_904_000 - 301), "in the future");
    }

    #[test]
    fn other_bytes_are_refused_by_length_or_digest() {
        let other = |bytes: &[u8]| Feed::new("market", "acme", bytes.to_vec());
        let facts = facts(direct(Scheme::Openpgp));
        refused(other(b"week,price\n1,45"), &facts, "cut short");
        refused(other(b"week,price\n1,45\n2,1\n"), &facts, "something was added");
        refused(other(b"week,price\n1,46\n"), &facts, "the bytes are");
        refused(Feed::new("weather", "acme", fixture!("message").into()), &facts, "for feed `market`");
    }

    #[test]
    fn files_cut_short_or_too_long_say_so() {
        let cut = |text: &str| text.get(..text.len() / 2).unwrap().to_owned();
        for scheme in Scheme::ALL {
            let signature = cut(&direct(scheme).signature);
            assert!(judge(feed(), &facts(Detached { signature, ..direct(scheme) })).refuses());
            let signature = "a".repeat(provenance::SIGNATURE_BYTES_MAX + 1);
            refused(feed(), &facts(Detached { signature, ..direct(scheme) }), "at most");
        }
        refused(feed(), &facts(Detached { signature: cut(&direct(Scheme::Ssh).signature), ..direct(Scheme::Ssh) }), "cut short");
        refused(feed(), &facts(Detached { claim: " ".repeat(CLAIM_BYTES_MAX + 1), ..direct(Scheme::Ssh) }), "at most");
    }

    #[test]
    fn a_list_binds_the_claim_and_the_delivery() {
        let with = |list: &str| Detached { list: Some(list.into()), ..listed(Scheme::Minisign) };
        refused(feed(), &facts(with(&LIST.replace("market", "markat"))), "does not hold");
        // A claim that the list does not name, though its supplier signed it for itself.
        let other_claim = Detached { claim: CLAIM.replace("7,", "8,"), ..listed(Scheme::Minisign) };
        refused(feed(), &facts(other_claim), "does not name this claim file");
        // A signed list that names no claim at all: engines/provenance/fixtures/list.
        let no_claim = Detached { signature: fixture!("list.minisig").into(), ..with(fixture!("list")) };
        refused(feed(), &facts(no_claim), "does not name this claim file");
    }

    #[test]
    fn a_claim_file_reads_back_and_others_are_refused() {
        let claim = FeedClaim {
            feed: "market".into(),
            supplier: "acme".into(),
            sequence: 7,
            created: 1_769_904_000,
            expires: 1_770_508_800,
        };
        let text = claim_file(&claim, feed().content, 16).unwrap();
        assert_eq!(text, CLAIM, "as the fixture, which was written by hand");
        let signed = SignedClaim { content: feed().content, size_bytes: Some(16), claim };
        assert_eq!(parse(&text, "acme").unwrap(), signed);
        let without = text.replace(",\n  \"sizeBytes\": 16", "");
        assert_eq!(parse(&without, "acme").unwrap(), SignedClaim { size_bytes: None, ..signed });
        for wrong in [
            text.replace("feed/v1", "feed/v2"),
            text.replace("sequence", "sequense"),
            text.replace("\"sequence\": 7,", "\"sequence\": 7, \"sequence\": 8,"),
            text.replace("\"sequence\": 7", "\"sequence\": -7"),
            text.replace("\"sha256\": \"", "\"sha256\": \"0"),
            format!("{text}{text}"),
            String::new(),
        ] {
            assert!(parse(&wrong, "acme").is_err(), "{wrong}");
        }
    }

    #[test]
    fn facts_of_before_are_read() {
        let old = r#"{"now":5,"arrival":"tls","bundle":"{}","keys":[{"supplier":"acme","public_key_pem":"P","not_before":0,"expires":9,"revoked":false}],"last_sequence":6,"size_max_bytes":7}"#;
        let read: DoorFacts = serde_json::from_str(old).unwrap();
        let known = SupplierKey {
            supplier: "acme".into(),
            scheme: None,
            public_key: "P".into(),
            not_before: 0,
            expires: 9,
            revoked: false,
        };
        assert_eq!((read.detached.clone(), read.keys.as_slice()), (None, [known].as_slice()));
        let again: DoorFacts = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }
}
