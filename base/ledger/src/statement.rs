//! in-toto Statement v1: what is claimed, about which bytes, in one canonical form that outside verifiers read (T4).
//!
//! Form: github.com/in-toto/attestation, spec/v1/statement.md. Written as canonical JSON (RFC 8785), so that equal claims are equal bytes.

use gate::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Payload type of a statement in a DSSE envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Longest statement that is written or read.
pub const STATEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most subjects in one statement.
pub const SUBJECTS_MAX: usize = 10_000;
/// Integers above 2^53 - 1 change in canonical JSON (RFC 8785, section 3.2.2.3; RFC 7493, section 2.2).
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// What a statement is about: a name and the SHA-256 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// A name for people; the digest decides.
    pub name: String,
    /// Written as `{"sha256": "<hex>"}`.
    #[serde(with = "digest_set")]
    pub digest: Digest,
}

/// A claim about subjects.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// At least one.
    pub subject: Vec<Subject>,
    /// URI that says how to read the predicate.
    pub predicate_type: String,
    /// The claim.
    pub predicate: Value,
}

/// Why a statement cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Over a limit.
    #[error("statement is longer than `{STATEMENT_BYTES_MAX}` bytes or has more than `{SUBJECTS_MAX}` subjects")]
    TooLong,
    /// Not the JSON of a statement.
    #[error("statement does not parse: {0}")]
    Json(String),
    /// `_type` is another.
    #[error("statement has type `{0}` instead of `{STATEMENT_TYPE}`")]
    Type(String),
    /// Nothing is claimed about nothing.
    #[error("statement has no subject")]
    NoSubject,
    /// An integer that JSON numbers cannot carry exactly.
    #[error("integer `{0}` cannot be carried exactly in JSON, write it as text")]
    Integer(String),
    /// The predicate is of another kind.
    #[error("predicate type is `{seen}`, not `{wanted}`")]
    PredicateType {
        /// What the statement says.
        seen: String,
        /// What the reader wants.
        wanted: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

impl Statement {
    /// Canonical JSON.
    pub fn to_canonical_json(&self) -> Result<Vec<u8>, StatementError> {
        if self.subject.is_empty() {
            return Err(StatementError::NoSubject);
        }
        check_integers(&self.predicate)?;
        let wire = Wire {
            kind: STATEMENT_TYPE.into(),
            subject: self.subject.clone(),
            predicate_type: self.predicate_type.clone(),
            predicate: self.predicate.clone(),
        };
        let bytes = serde_json_canonicalizer::to_vec(&wire).map_err(|error| StatementError::Json(error.to_string()))?;
        if bytes.len() > STATEMENT_BYTES_MAX || self.subject.len() > SUBJECTS_MAX {
            Err(StatementError::TooLong)
        } else {
            Ok(bytes)
        }
    }

    /// Parses JSON in any layout; other programs' statements are seldom canonical. Call this on verified bytes only.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(StatementError::TooLong);
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| StatementError::Json(error.to_string()))?;
        if wire.kind != STATEMENT_TYPE {
            return Err(StatementError::Type(wire.kind));
        }
        if wire.subject.is_empty() {
            return Err(StatementError::NoSubject);
        }
        if wire.subject.len() > SUBJECTS_MAX {
            return Err(StatementError::TooLong);
        }
        Ok(Self { subject: wire.subject, predicate_type: wire.predicate_type, predicate: wire.predicate })
    }

    /// Reads the predicate as `T`, after checking its type.
    pub fn predicate_as<T: serde::de::DeserializeOwned>(&self, wanted: &str) -> Result<T, StatementError> {
        if self.predicate_type != wanted {
            return Err(StatementError::PredicateType { seen: self.predicate_type.clone(), wanted: wanted.to_owned() });
        }
        T::deserialize(&self.predicate).map_err(|error| StatementError::Json(error.to_string()))
    }
}

fn check_integers(value: &Value) -> Result<(), StatementError> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_some_and(|magnitude| magnitude > SAFE_INTEGER_MAX) {
                return Err(StatementError::Integer(number.to_string()));
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(check_integers),
        Value::Object(members) => members.values().try_for_each(check_integers),
    }
}

/// A digest set with the one member `sha256`.
pub(crate) mod digest_set {
    use super::{Deserialize, Deserializer, Digest, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct DigestSet {
        sha256: String,
    }

    pub(crate) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        DigestSet { sha256: digest.hex() }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let set = DigestSet::deserialize(deserializer)?;
        Digest::from_hex(&set.sha256).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn statement(predicate: Value) -> Statement {
        Statement {
            subject: vec![Subject { name: "a".into(), digest: Digest::of(b"a") }],
            predicate_type: "https://example.com/p".into(),
            predicate,
        }
    }

    #[test]
    fn the_bytes_are_canonical_and_parse_back() {
        let made = statement(json!({ "z": 1, "a": { "é": 1.50, "b": null } }));
        let text = String::from_utf8(made.to_canonical_json().unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"a":{"b":null,"é":1.5},"z":1},"predicateType":"https://example.com/p","subject":[{"digest":{"sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},"name":"a"}]}"#
        );
        assert_eq!(Statement::parse(text.as_bytes()).unwrap(), made);
    }

    #[test]
    fn what_would_change_in_canonical_form_is_refused() {
        assert_eq!(
            statement(json!([{ "n": 9_007_199_254_740_993u64 }])).to_canonical_json(),
            Err(StatementError::Integer("9007199254740993".into()))
        );
        statement(json!([{ "n": 9_007_199_254_740_991u64 }])).to_canonical_json().unwrap();
        assert_eq!(Statement { subject: vec![], ..statement(json!(1)) }.to_canonical_json(), Err(StatementError::NoSubject));
    }

    #[test]
    fn another_type_is_refused() {
        let text = String::from_utf8(statement(json!({})).to_canonical_json().unwrap()).unwrap().replace("/v1\"", "/v0.1\"");
        assert!(matches!(Statement::parse(text.as_bytes()), Err(StatementError::Type(_))));
        assert!(statement(json!({})).predicate_as::<Value>("https://example.com/q").is_err());
        assert!(statement(json!({})).predicate_as::<Value>("https://example.com/p").is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in r#"(\{|\}|"_type"|"subject"|:|,|\[|\]|"a"|1){0,60}"#) {
            let _ = Statement::parse(&bytes);
            let _ = Statement::parse(text.as_bytes());
        }
    }
}
