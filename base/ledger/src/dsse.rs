//! DSSE envelopes: the signature covers the payload's bytes and its type, so neither can be swapped (T4).
//!
//! Protocol: github.com/secure-systems-lab/dsse, protocol.md v1.0. The payload is kept byte for byte; it is verified first and parsed after.

use gate::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::keys::{KeyError, P256Signer, P256Verifier};

/// Longest payload that is signed or read.
pub const PAYLOAD_BYTES_MAX: usize = crate::statement::STATEMENT_BYTES_MAX;

/// A payload with one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The signed bytes, private until [`Envelope::verify`].
    #[serde(with = "base64")]
    payload: Vec<u8>,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: [EnvelopeSignature; 1],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    #[serde(with = "base64")]
    sig: Vec<u8>,
    /// Unauthenticated and not needed: the bundle's hint names the key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
}

/// Why an envelope was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Over a limit.
    #[error("payload has `{0}` bytes, more than `{PAYLOAD_BYTES_MAX}`")]
    TooLong(usize),
    /// The signature does not hold under this key.
    #[error("envelope is not signed by key `{hint}`")]
    BadSignature {
        /// The key that was tried.
        hint: String,
    },
    /// Verified, but of another type.
    #[error("payload has type `{seen}`, not `{wanted}`")]
    PayloadType {
        /// What the envelope says.
        seen: String,
        /// What the reader wants.
        wanted: String,
    },
    /// Signing failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Pre-authentication encoding: `DSSEv1 <len> <type> <len> <payload>`, lengths in bytes as decimals.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Signs a payload.
    pub fn sign(payload_type: &str, payload: Vec<u8>, signer: &P256Signer) -> Result<Self, EnvelopeError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EnvelopeError::TooLong(payload.len()));
        }
        let sig = signer.sign(&pae(payload_type, &payload))?;
        let signatures = [EnvelopeSignature { sig, keyid: String::new() }];
        Ok(Self { payload, payload_type: payload_type.to_owned(), signatures })
    }

    /// Verifies the signature, then the type, then hands out the payload.
    pub fn verify(&self, payload_type: &str, verifier: &P256Verifier) -> Result<&[u8], EnvelopeError> {
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EnvelopeError::TooLong(self.payload.len()));
        }
        let [signature] = &self.signatures;
        if !verifier.verify(&pae(&self.payload_type, &self.payload), &signature.sig) {
            return Err(EnvelopeError::BadSignature { hint: verifier.hint().to_owned() });
        }
        if self.payload_type != payload_type {
            return Err(EnvelopeError::PayloadType { seen: self.payload_type.clone(), wanted: payload_type.to_owned() });
        }
        Ok(&self.payload)
    }

    /// The payload as it came, believed by nobody: for readers who only look which envelopes they have to verify, or who hold the
    /// envelope's digest against a signed log.
    pub fn payload_unverified(&self) -> &[u8] {
        &self.payload
    }

    /// SHA-256 of the envelope's canonical JSON: what the log writes down.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }
}

/// Standard base64 with padding, strictly.
pub(crate) mod base64 {
    use super::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ptr_arg, reason = "serde's `with` passes the field's own type")]
    pub(crate) fn serialize<S: Serializer>(bytes: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::BASE64.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        data_encoding::BASE64.decode(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{other_signer, signer};
    use proptest::prelude::*;

    #[test]
    fn pae_is_the_example_of_the_protocol() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("é", b""), "DSSEv1 2 é 0 ".as_bytes());
    }

    #[test]
    fn the_signature_covers_payload_type_and_key() {
        let envelope = Envelope::sign("t", b"payload".to_vec(), &signer()).unwrap();
        assert_eq!(envelope.verify("t", signer().verifier()).unwrap(), b"payload");
        let bad =
            |envelope: Envelope| matches!(envelope.verify("t", signer().verifier()), Err(EnvelopeError::BadSignature { .. }));
        assert!(bad(Envelope { payload: b"payloae".to_vec(), ..envelope.clone() }));
        assert!(bad(Envelope { payload_type: "u".into(), ..envelope.clone() }));
        assert!(matches!(envelope.verify("t", other_signer().verifier()), Err(EnvelopeError::BadSignature { .. })));
        assert!(matches!(envelope.verify("u", signer().verifier()), Err(EnvelopeError::PayloadType { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_json_never_panics(text in r#"(\{|\}|"payload"|"payloadType"|"signatures"|"sig"|:|,|\[|\]|"YQ=="){0,40}"#, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            for input in [text.as_bytes(), &bytes] {
                if let Ok(envelope) = serde_json::from_slice::<Envelope>(input) {
                    prop_assert!(envelope.verify("t", signer().verifier()).is_err());
                }
            }
        }
    }
}
