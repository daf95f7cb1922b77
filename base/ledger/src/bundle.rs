//! Sigstore bundles v0.3 with a plain key: one file that carries a statement, its signature, and the name of the key (T4).
//!
//! Form: sigstore/protobuf-specs, `sigstore_bundle.proto`, JSON mapping. `model_signing`, `@sigstore/verify` and cosign read it.

use std::fmt;
use std::str::FromStr;

use gate::Digest;
use serde::{Deserialize, Serialize};

use crate::dsse::{Envelope, EnvelopeError};
use crate::keys::{P256Signer, P256Verifier};
use crate::statement::{PAYLOAD_TYPE, Statement, StatementError};

/// The media type that we write and read.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Longest bundle that is read: the longest statement in base64 and some room.
pub const BUNDLE_BYTES_MAX: usize = crate::statement::STATEMENT_BYTES_MAX / 3 * 4 + 16 * 1024;
/// Hex digits of an evidence id.
pub const EVIDENCE_ID_DIGITS: usize = 16;
/// Fewest hex digits by which people may name an entry.
pub const PREFIX_DIGITS_MIN: usize = 4;

/// A signed statement with the name of the key that signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    hint: String,
    envelope: Envelope,
}

/// Why a bundle was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Over a limit.
    #[error("bundle has `{0}` bytes, more than `{BUNDLE_BYTES_MAX}`")]
    TooLong(usize),
    /// Not the JSON of a bundle with a key.
    #[error("bundle does not parse: {0}")]
    Json(String),
    /// Another version.
    #[error("bundle has media type `{0}` instead of `{BUNDLE_MEDIA_TYPE}`")]
    MediaType(String),
    /// The key is not among the trusted ones.
    #[error("bundle was signed by key `{0}`, which is not trusted here")]
    UnknownKey(String),
    /// The envelope does not hold.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The payload is no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    public_key: KeyHint,
    /// Always empty here: our log's proof travels beside the bundle, as a `.tlog-proof`.
    #[serde(default)]
    tlog_entries: Vec<serde_json::Value>,
    /// Time stamps that another program may have added; we write none and rely on none.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "named so that bundles with it parse although unknown members are refused")]
    timestamp_verification_data: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyHint {
    hint: String,
}

impl Bundle {
    /// Signs a statement.
    pub fn sign(statement: &Statement, signer: &P256Signer) -> Result<Self, BundleError> {
        let envelope = Envelope::sign(PAYLOAD_TYPE, statement.to_canonical_json()?, signer)?;
        Ok(Self { hint: signer.verifier().hint().to_owned(), envelope })
    }

    /// Parses JSON in any layout, ours or another program's; a member that we do not know is refused, since it may mean something.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLong(bytes.len()));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| BundleError::Json(error.to_string()))?;
        if wire.media_type != BUNDLE_MEDIA_TYPE {
            return Err(BundleError::MediaType(wire.media_type));
        }
        Ok(Self { hint: wire.verification_material.public_key.hint, envelope: wire.dsse_envelope })
    }

    /// Canonical JSON on one line, without a newline.
    pub fn to_canonical_json(&self) -> Result<Vec<u8>, BundleError> {
        let wire = Wire {
            media_type: BUNDLE_MEDIA_TYPE.into(),
            verification_material: Material {
                public_key: KeyHint { hint: self.hint.clone() },
                tlog_entries: Vec::new(),
                timestamp_verification_data: None,
            },
            dsse_envelope: self.envelope.clone(),
        };
        let bytes = serde_json_canonicalizer::to_vec(&wire).map_err(|error| BundleError::Json(error.to_string()))?;
        if bytes.len() > BUNDLE_BYTES_MAX { Err(BundleError::TooLong(bytes.len())) } else { Ok(bytes) }
    }

    /// The key's name as the bundle gives it: hex SHA-256 of its PEM text. Not verified.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Verifies with that one of the trusted keys which the hint names; then parses the statement.
    pub fn verify(&self, trusted: &[P256Verifier]) -> Result<Statement, BundleError> {
        let key = trusted.iter().find(|key| key.hint() == self.hint).ok_or_else(|| BundleError::UnknownKey(self.hint.clone()))?;
        Ok(Statement::parse(self.envelope.verify(PAYLOAD_TYPE, key)?)?)
    }

    /// SHA-256 of the envelope's canonical JSON.
    pub fn digest(&self) -> Digest {
        self.envelope.digest()
    }

    /// The bytes of this bundle's entry in the log: `sha256:<hex>` in ASCII, 71 bytes.
    pub fn entry(&self) -> Vec<u8> {
        entry_of(&self.digest())
    }

    /// The short name for people.
    pub fn id(&self) -> EvidenceId {
        EvidenceId::of(&self.digest())
    }
}

/// The entry of the log for the digest of an envelope.
pub fn entry_of(envelope: &Digest) -> Vec<u8> {
    envelope.to_string().into_bytes()
}

/// Reads an entry of the log back; `None` for anything that [`entry_of`] does not write.
pub fn digest_of_entry(entry: &[u8]) -> Option<Digest> {
    std::str::from_utf8(entry).ok()?.parse().ok()
}

/// First 16 hex digits of an envelope's digest: how people and receipts name an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvidenceId([u8; EVIDENCE_ID_DIGITS / 2]);

impl EvidenceId {
    /// The id of a digest.
    pub fn of(envelope: &Digest) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *envelope.as_bytes();
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for EvidenceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for EvidenceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A text that cannot name an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not {PREFIX_DIGITS_MIN} to 64 lower-case hex digits")]
pub struct PrefixError(String);

impl FromStr for EvidenceId {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(|| PrefixError(text.chars().take(80).collect()))
    }
}

impl Serialize for EvidenceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EvidenceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The beginning of an evidence id or of a whole digest, as people type it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPrefix(String);

impl FromStr for IdPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let good = (PREFIX_DIGITS_MIN..=64).contains(&digits.len())
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if good { Ok(Self(digits.to_owned())) } else { Err(PrefixError(text.chars().take(80).collect())) }
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl IdPrefix {
    /// Whether the digest begins so.
    pub fn matches(&self, envelope: &Digest) -> bool {
        envelope.hex().starts_with(&self.0)
    }

    /// The smallest digest that begins so: where to start in a sorted list.
    pub fn lowest(&self) -> Digest {
        let padded = format!("{:0<64}", self.0);
        // INVARIANT: the prefix is hex and at most 64 digits, so the padded text is a digest.
        Digest::from_hex(&padded).unwrap_or_else(|_| Digest::from_bytes([0; 32]))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keys::tests::{other_signer, signer};
    use crate::statement::Subject;
    use proptest::prelude::*;
    use serde_json::json;

    pub(crate) fn statement() -> Statement {
        let subject = vec![Subject { name: "a".into(), digest: Digest::of(b"a") }];
        Statement { subject, predicate_type: "https://example.com/p".into(), predicate: json!({ "said": "yes" }) }
    }

    #[test]
    fn a_bundle_is_read_back_and_verified_by_its_key() {
        let bundle = Bundle::sign(&statement(), &signer()).unwrap();
        let bytes = bundle.to_canonical_json().unwrap();
        let read = Bundle::parse(&bytes).unwrap();
        assert_eq!(read, bundle);
        let trusted = [other_signer().verifier().clone(), signer().verifier().clone()];
        assert_eq!(read.verify(&trusted).unwrap(), statement());
        assert!(matches!(read.verify(&trusted[..1]), Err(BundleError::UnknownKey(_))));
        let swapped = Bundle { hint: other_signer().verifier().hint().into(), ..bundle };
        assert!(matches!(swapped.verify(&trusted), Err(BundleError::Envelope(EnvelopeError::BadSignature { .. }))));
    }

    #[test]
    fn layout_does_not_change_the_entry() {
        let bundle = Bundle::sign(&statement(), &signer()).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bundle.to_canonical_json().unwrap()).unwrap();
        let pretty = Bundle::parse(serde_json::to_string_pretty(&value).unwrap().as_bytes()).unwrap();
        assert_eq!(pretty.entry(), bundle.entry());
        assert_eq!(digest_of_entry(&bundle.entry()), Some(bundle.digest()));
        let envelope = serde_json_canonicalizer::to_vec(&value["dsseEnvelope"]).unwrap();
        assert_eq!(bundle.digest(), Digest::of(&envelope));
        assert_eq!(bundle.entry().len(), 71);
    }

    #[test]
    fn prefixes_name_a_digest() {
        let digest = Digest::of(b"");
        let matches = |text: &str| text.parse::<IdPrefix>().map(|prefix| prefix.matches(&digest));
        assert_eq!(EvidenceId::of(&digest).to_string(), "e3b0c44298fc1c14");
        assert_eq!(EvidenceId::of(&digest).to_string().parse(), Ok(EvidenceId::of(&digest)));
        assert_eq!(matches("e3b0"), Ok(true));
        assert_eq!(matches("sha256:e3b0c"), Ok(true));
        assert_eq!(matches("e3b1"), Ok(false));
        assert!(matches("e3b").is_err() && matches("E3B0").is_err() && matches("e3bz").is_err());
        assert!("e3b0".parse::<IdPrefix>().unwrap().lowest() <= digest);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), text in ".{0,70}") {
            let _ = Bundle::parse(&bytes);
            let _ = text.parse::<IdPrefix>().map(|prefix| prefix.lowest());
            let _ = text.parse::<EvidenceId>();
            let _ = digest_of_entry(&bytes);
            let mut bent = Bundle::sign(&statement(), &signer()).unwrap().to_canonical_json().unwrap();
            let place = at.index(bent.len());
            bent[place] ^= bytes.first().copied().unwrap_or(1).max(1);
            // Either it does not parse, or does not verify; nothing about a good bundle may change.
            let verified = Bundle::parse(&bent).and_then(|bundle| bundle.verify(&[signer().verifier().clone()]));
            if let Ok(statement_read) = verified {
                prop_assert_eq!(statement_read, statement());
                prop_assert_eq!(bent.get(place), Some(&b' '));
            }
        }
    }
}
