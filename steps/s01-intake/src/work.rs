//! Reads what a supplier signed, and lets bytes reach a parser only when the door let them through.

use artifact::{Batch, Door, FeedClaim};
use gate::{Cleared, Digest, Finding};
use ledger::bundle::Bundle;
use ledger::keys::P256Verifier;

use crate::{DoorFacts, SupplierKey, detached};

/// Hex digits that name a key, here and in the list of suppliers' keys: 128 bits, the first half of [`P256Verifier::hint`].
pub const KEY_ID_DIGITS: usize = 32;
/// Below it a probability is said to be smaller: nothing that is estimated is known so far out, and 0 would say that it cannot be.
const PROBABILITY_MIN: f64 = 1e-300;

/// A p-value in words for people: `p = 1.2e-5`, `p < 1e-300`.
pub fn probability(p_value: f64) -> String {
    if p_value < PROBABILITY_MIN { format!("p < {PROBABILITY_MIN:e}") } else { format!("p = {p_value:.1e}") }
}

/// A claim with the digest that it is about, signature checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedClaim {
    /// SHA-256 of the bytes that were signed for.
    pub content: Digest,
    /// How many bytes, where the supplier says so.
    pub size_bytes: Option<u64>,
    /// What the supplier says of them.
    pub claim: FeedClaim,
}

/// Checks the bundle, or else the claim that another program signed, against the supplier's valid keys; then reads it.
pub fn read_claim(facts: &DoorFacts, supplier: &str) -> Result<SignedClaim, Finding> {
    let sign = format!("have `{supplier}` sign it with `stayward feed sign`, and deliver the .sigstore.json beside the file");
    let text = match (&facts.bundle, &facts.detached) {
        (Some(text), _) => text,
        (None, Some(detached)) => return detached::read(facts, supplier, detached),
        (None, None) => return Err(Finding::seen("the delivery has no signature", sign)),
    };
    let bundle = Bundle::parse(text.as_bytes()).map_err(|error| Finding::seen(error.to_string(), sign.clone()))?;
    let verifier = trusted_key(facts, supplier, bundle.hint())?;
    let statement = bundle.verify(&[verifier]).map_err(|error| Finding::seen(error.to_string(), sign.clone()))?;
    let claim: FeedClaim =
        statement.predicate_as(FeedClaim::PREDICATE_TYPE).map_err(|error| Finding::seen(error.to_string(), sign.clone()))?;
    let [subject] = statement.subject.as_slice() else {
        return Err(Finding::seen("the signature is not for exactly one file", sign));
    };
    Ok(SignedClaim { content: subject.digest, size_bytes: None, claim })
}

fn trusted_key(facts: &DoorFacts, supplier: &str, hint: &str) -> Result<P256Verifier, Finding> {
    let short: String = hint.chars().take(KEY_ID_DIGITS).collect();
    let trust = format!(
        "have the supplier sign with a listed key, or add this one with `stayward feed trust --supplier {supplier} KEY.pem`"
    );
    let known: Vec<(&SupplierKey, P256Verifier)> = facts
        .keys
        .iter()
        .filter(|key| key.supplier == supplier && key.scheme.is_none())
        .filter_map(|key| Some((key, P256Verifier::from_spki_pem(&key.public_key).ok()?)))
        .collect();
    let Some((key, verifier)) = known.into_iter().find(|(_, verifier)| verifier.hint() == hint) else {
        return Err(Finding::seen(
            format!("feed was signed by key `{short}`, which intake does not trust for `{supplier}`"),
            trust,
        ));
    };
    counts(key, facts.now, &short, trust)?;
    Ok(verifier)
}

/// Whether a key on record counts now; `help` says how to get one that does.
pub(crate) fn counts(key: &SupplierKey, now: i64, name: &str, help: String) -> Result<(), Finding> {
    if key.revoked {
        return Err(Finding::seen(format!("feed was signed by key `{name}`, which was revoked"), help));
    }
    if !(key.not_before..key.expires).contains(&now) {
        return Err(Finding::seen(format!("feed was signed by key `{name}`, which is outside of its validity"), help));
    }
    Ok(())
}

/// Opens a batch of rows that people let out of quarantine: `released` is the digest of what they signed for, the door's clearance that
/// of the delivery which the rows came in.
pub fn open_release(door: &Cleared<Door>, released: Digest, rows: u64) -> Batch {
    Batch { table: door.subject().name.clone(), content: released, rows, held: Vec::new() }
}

/// Opens a batch of what the door let through: unauthenticated bytes do not fit the parameter. The shell has counted the rows
/// by parsing `door.subject().bytes()`.
pub fn open_batch(door: &Cleared<Door>, table: &str, rows: u64) -> Batch {
    Batch { table: table.to_owned(), content: door.subject().content, rows, held: Vec::new() }
}

#[cfg(test)]
pub(crate) mod tests {
    use artifact::Feed;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    use ledger::keys::P256Signer;
    use ledger::statement::{Statement, Subject};

    use super::*;
    use crate::{CONTENT, ContentFacts, DOOR, RowFlag, RowReason};

    fn signer() -> &'static P256Signer {
        static SIGNER: std::sync::OnceLock<P256Signer> = std::sync::OnceLock::new();
        SIGNER.get_or_init(|| {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
            P256Signer::from_pkcs8_der(aws_lc_rs::pkcs8::Document::as_ref(&pair.to_pkcs8v1().unwrap())).unwrap()
        })
    }

    pub(crate) fn feed() -> Feed {
        Feed::new("market", "acme", b"week,price\n1,45\n".to_vec())
    }

    pub(crate) fn claim() -> FeedClaim {
        let now = DoorFacts::ordinary().now;
        FeedClaim { feed: "market".into(), supplier: "acme".into(), sequence: 7, created: now - 60, expires: now + 86_400 }
    }

    pub(crate) fn key() -> SupplierKey {
        let public_key = signer().verifier().to_spki_pem();
        SupplierKey { supplier: "acme".into(), scheme: None, public_key, not_before: 0, expires: 2_000_000, revoked: false }
    }

    pub(crate) fn signed(claim: &FeedClaim, feed: &Feed) -> String {
        let statement = Statement {
            subject: vec![Subject { name: "feed".into(), digest: feed.content }],
            predicate_type: FeedClaim::PREDICATE_TYPE.into(),
            predicate: serde_json::to_value(claim).unwrap(),
        };
        String::from_utf8(Bundle::sign(&statement, signer()).unwrap().to_canonical_json().unwrap()).unwrap()
    }

    pub(crate) fn facts_with(bundle: String) -> DoorFacts {
        DoorFacts { bundle: Some(bundle), keys: vec![key()], ..DoorFacts::ordinary() }
    }

    pub(crate) fn batch(rows: u64) -> Batch {
        Batch { table: "market".into(), content: Digest::of(b"rows"), rows, held: Vec::new() }
    }

    pub(crate) fn flags(rows: u32, reason: RowReason) -> Vec<RowFlag> {
        (0..rows).map(|row| RowFlag { row, reason, column: "price".into(), seen: format!("row {row}") }).collect()
    }

    #[test]
    fn no_probability_is_said_to_be_nothing() {
        assert_eq!(probability(0.0), "p < 1e-300");
        assert_eq!(probability(1.5e-5), "p = 1.5e-5");
        assert_eq!(probability(f64::NAN), "p = NaN");
    }

    #[test]
    fn the_gatehouses_open_and_their_gates_behave() {
        assert!(gate::Gatehouse::open(DOOR).is_ok());
        assert!(gate::Gatehouse::open(CONTENT).is_ok());
        let other = crate::Detached { scheme: provenance::Scheme::Ssh, claim: "{".into(), signature: "-".into(), list: None };
        let other = DoorFacts { detached: Some(other), ..DoorFacts::ordinary() };
        let facts = [facts_with(signed(&claim(), &feed())), DoorFacts::ordinary(), facts_with("{".into()), other];
        assert_eq!(gate::manners::complaints(DOOR, &[feed], &facts), Vec::<String>::new());
        let hostile = ContentFacts { flags: flags(9, RowReason::Joint), reference_rows: 0, ..ContentFacts::ordinary() };
        let complaints = gate::manners::complaints(CONTENT, &[|| batch(3), || batch(0)], &[ContentFacts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
