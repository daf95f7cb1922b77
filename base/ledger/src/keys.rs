//! Signing and verification keys from bytes that the shell brings; nothing here makes or stores a key (T4).
//!
//! ECDSA P-256 with SHA-256 signs attestations and models, because the OpenSSF model-signing program reads nothing smaller.
//! Ed25519 (and ML-DSA-44 beside it) sign the heads of the log: see `note.rs`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey};
use gate::Digest;

/// SubjectPublicKeyInfo of an uncompressed P-256 point up to the point itself (RFC 5480, section 2; OIDs 1.2.840.10045.2.1 and 3.1.7).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point: 0x04 and two coordinates of 32 bytes.
const P256_POINT_BYTES: usize = 65;
/// Characters in a line of PEM (RFC 7468, section 2).
const PEM_LINE_CHARACTERS: usize = 64;
/// Longest PEM text that is looked at; a P-256 key needs 178 bytes.
pub const PEM_BYTES_MAX: usize = 4096;
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// Why a key was not accepted. Never carries bytes of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM of the right label.
    #[error("key is not PEM text between `{PEM_BEGIN}` and `{PEM_END}`")]
    Pem,
    /// Not the DER of a P-256 public key.
    #[error("key is not an uncompressed P-256 public key")]
    NotP256,
    /// The private key does not parse, or does not match its public half.
    #[error("private key was rejected: `{0}`")]
    Rejected(String),
    /// The name cannot stand in a signed note.
    #[error("key name `{0}` is empty or has a space, a plus sign or a control character")]
    Name(String),
    /// The text is not a verifier key.
    #[error("text is not a verifier key of the form <name>+<8 hex digits>+<base64>")]
    VerifierText,
    /// The crypto library failed.
    #[error("signing failed inside the crypto library")]
    Signing,
}

/// A P-256 private key that signs SHA-256 digests.
pub struct P256Signer {
    pair: EcdsaKeyPair,
    verifier: P256Verifier,
}

impl fmt::Debug for P256Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "P256Signer({})", self.verifier.hint())
    }
}

impl P256Signer {
    /// Loads PKCS#8 DER (RFC 5208 or 5958).
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|error| KeyError::Rejected(error.to_string()))?;
        let verifier = P256Verifier::from_point(pair.public_key().as_ref())?;
        Ok(Self { pair, verifier })
    }

    /// The public half.
    pub fn verifier(&self) -> &P256Verifier {
        &self.verifier
    }

    /// Signs `SHA-256(message)`; the answer is ASN.1 DER. ECDSA signatures of one message differ from each other.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let hash = digest::digest(&digest::SHA256, message);
        self.pair.sign_digest(&hash).map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Signing)
    }
}

/// A P-256 public key.
#[derive(Clone)]
pub struct P256Verifier {
    point: [u8; P256_POINT_BYTES],
    hint: String,
    key: ParsedPublicKey,
}

impl fmt::Debug for P256Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "P256Verifier({})", self.hint)
    }
}

impl PartialEq for P256Verifier {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for P256Verifier {}

impl P256Verifier {
    /// Takes an uncompressed point (SEC 1, section 2.3.3): 65 bytes, on the curve.
    pub fn from_point(bytes: &[u8]) -> Result<Self, KeyError> {
        let point: [u8; P256_POINT_BYTES] = bytes.try_into().map_err(|_| KeyError::NotP256)?;
        if point.first() != Some(&0x04) {
            return Err(KeyError::NotP256);
        }
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).map_err(|_| KeyError::NotP256)?;
        let hint = Digest::of(pem(&point).as_bytes()).hex();
        Ok(Self { point, hint, key })
    }

    /// Takes SubjectPublicKeyInfo DER.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        der.strip_prefix(&P256_SPKI_PREFIX).ok_or(KeyError::NotP256).and_then(Self::from_point)
    }

    /// Takes PEM text (RFC 7468). Line lengths and line ends may differ from ours; the label may not.
    pub fn from_spki_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > PEM_BYTES_MAX {
            return Err(KeyError::Pem);
        }
        let body = text.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END)).ok_or(KeyError::Pem)?;
        let base64: String = body.split_ascii_whitespace().collect();
        let der = data_encoding::BASE64.decode(base64.as_bytes()).map_err(|_| KeyError::Pem)?;
        Self::from_spki_der(&der)
    }

    /// SubjectPublicKeyInfo DER: 91 bytes.
    pub fn to_spki_der(&self) -> Vec<u8> {
        spki(&self.point)
    }

    /// PEM text with its final newline, byte for byte as OpenSSL writes it.
    pub fn to_spki_pem(&self) -> String {
        pem(&self.point)
    }

    /// Names the key in a bundle: hex SHA-256 of the PEM text with its final newline, as OpenSSF model-signing 1.1 computes it.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// Whether `signature` (ASN.1 DER) is this key's over `SHA-256(message)`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

fn spki(point: &[u8; P256_POINT_BYTES]) -> Vec<u8> {
    [P256_SPKI_PREFIX.as_slice(), point].concat()
}

fn pem(point: &[u8; P256_POINT_BYTES]) -> String {
    let base64 = data_encoding::BASE64.encode(&spki(point));
    let mut text = format!("{PEM_BEGIN}\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so any place is a character boundary.
        let (line, after) = rest.split_at_checked(PEM_LINE_CHARACTERS.min(rest.len())).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(PEM_END);
    text.push('\n');
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    static KEYS: std::sync::OnceLock<[Vec<u8>; 2]> = std::sync::OnceLock::new();

    fn test_key(number: usize) -> P256Signer {
        let make = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap().to_pkcs8v1().unwrap().as_ref().to_vec();
        P256Signer::from_pkcs8_der(&KEYS.get_or_init(|| [make(), make()])[number]).unwrap()
    }

    /// One fresh key for a run of the tests.
    pub(crate) fn signer() -> P256Signer {
        test_key(0)
    }

    /// Another one.
    pub(crate) fn other_signer() -> P256Signer {
        test_key(1)
    }

    // Made by `openssl genpkey` and `openssl pkey -pubout`; the hint by `sha256sum` over that file.
    const TEST_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDqeFhfvrtKsC7T0KrL6sAiAZujSz\n1g6VUFBu58tiYd0POFxftckB1GN9qM9iK1T+7+mE8OCbsHvCn5FnkrJjmQ==\n-----END PUBLIC KEY-----\n";
    const TEST_HINT: &str = "1191187c16cfedd9ab1b3bde2ccbb256ff9c50adf15eb14432b83fce9f090185";

    #[test]
    fn the_pem_equals_openssl() {
        let read = P256Verifier::from_spki_pem(TEST_PEM).unwrap();
        assert_eq!(read.to_spki_pem(), TEST_PEM);
        assert_eq!(read.hint(), TEST_HINT);
        assert_eq!(P256Verifier::from_spki_der(&read.to_spki_der()).unwrap(), read);
        assert_eq!(P256Verifier::from_spki_pem(&TEST_PEM.replace('\n', "\r\n")).unwrap(), read);
    }

    #[test]
    fn a_signature_holds_for_its_message_and_key_alone() {
        let signature = signer().sign(b"message").unwrap();
        assert!(signer().verifier().verify(b"message", &signature));
        assert!(!signer().verifier().verify(b"massage", &signature));
        assert!(!other_signer().verifier().verify(b"message", &signature));
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let mut der = signer().verifier().to_spki_der();
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(P256Verifier::from_spki_der(&der), Err(KeyError::NotP256));
        assert_eq!(P256Verifier::from_spki_pem("-----BEGIN CERTIFICATE-----"), Err(KeyError::Pem));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
            let _ = P256Verifier::from_point(&bytes);
            let _ = P256Verifier::from_spki_der(&bytes);
            let _ = P256Verifier::from_spki_pem(&text);
            let _ = P256Verifier::from_spki_pem(&format!("{PEM_BEGIN}{text}{PEM_END}"));
            prop_assert!(P256Signer::from_pkcs8_der(&bytes).is_err());
        }
    }
}
