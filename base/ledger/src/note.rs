//! Signed notes (c2sp.org/signed-note): the text form in which a head of the log is signed, so that Go, Rust and witnesses read the same (T4, T6).
//!
//! Signature types: Ed25519 (0x01) over the text, and ML-DSA-44 cosignatures (0x06, c2sp.org/tlog-cosignature) over the binary
//! structure that `cosign.rs` builds. Signatures of keys that the reader does not know are passed over, as the specification demands.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use std::fmt;

use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::checkpoint::CheckpointError;
use crate::cosign;
use crate::keys::KeyError;
use crate::tree::sha256;

/// Longest note that is read: 32 post-quantum signatures of 3.3 kB in base64 and a text.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;
/// Signature lines that are read; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 32;
/// Names longer than this do not fit into a cosigned message.
pub const KEY_NAME_BYTES_MAX: usize = 255;
const SIGNATURE_START: &str = "\u{2014} ";

/// What a key signs with; the number is the type byte of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Ed25519 (RFC 8032) over the text of the note.
    Ed25519,
    /// ML-DSA-44 (FIPS 204) with a timestamp over the cosigned message.
    MlDsa44Cosignature,
}

impl KeyKind {
    const fn type_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::MlDsa44Cosignature => 0x06,
        }
    }

    const fn public_key_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::MlDsa44Cosignature => 1312,
        }
    }
}

/// Why a note was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Over a limit.
    #[error("note is longer than `{NOTE_BYTES_MAX}` bytes or has more than `{SIGNATURES_MAX}` signatures")]
    TooLong,
    /// Not a note.
    #[error("note is malformed: {0}")]
    Malformed(&'static str),
    /// A known key's signature does not hold.
    #[error("signature of `{name}` does not hold")]
    BadSignature {
        /// The key's name.
        name: String,
    },
    /// No signature by a known key.
    #[error("note carries no signature of a key that the reader trusts")]
    Unsigned,
    /// The text is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A public key that verifies notes.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    kind: KeyKind,
    key_id: u32,
    public_key: Vec<u8>,
}

impl fmt::Debug for NoteVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NoteVerifier({}+{:08x})", self.name, self.key_id)
    }
}

impl NoteVerifier {
    /// Takes a name and raw key bytes: 32 for Ed25519, 1,312 for ML-DSA-44.
    pub fn new(name: &str, kind: KeyKind, public_key: &[u8]) -> Result<Self, KeyError> {
        check_name(name)?;
        if public_key.len() != kind.public_key_bytes() {
            return Err(KeyError::VerifierText);
        }
        // Key ID: SHA-256(name, newline, type byte, key), first four bytes (c2sp.org/signed-note, "Signatures").
        let hash = sha256(&[name.as_bytes(), b"\n", &[kind.type_byte()], public_key].concat());
        let key_id = hash.first_chunk::<4>().map_or(0, |first| u32::from_be_bytes(*first));
        Ok(Self { name: name.to_owned(), kind, key_id, public_key: public_key.to_vec() })
    }

    /// Parses a verifier key `<name>+<8 hex digits>+<base64 of type byte and key>` and checks that its key ID fits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::VerifierText);
        };
        let bytes = data_encoding::BASE64.decode(key.as_bytes()).map_err(|_| KeyError::VerifierText)?;
        let (kind, key) = match bytes.split_first() {
            Some((0x01, key)) => (KeyKind::Ed25519, key),
            Some((0x06, key)) => (KeyKind::MlDsa44Cosignature, key),
            _ => return Err(KeyError::VerifierText),
        };
        let verifier = Self::new(name, kind, key)?;
        if format!("{:08x}", verifier.key_id) == id { Ok(verifier) } else { Err(KeyError::VerifierText) }
    }

    /// The text form that [`NoteVerifier::parse`] reads; Go's `note.NewVerifier` reads the Ed25519 ones.
    pub fn to_text(&self) -> String {
        let key = [&[self.kind.type_byte()], self.public_key.as_slice()].concat();
        format!("{}+{:08x}+{}", self.name, self.key_id, data_encoding::BASE64.encode(&key))
    }

    /// The key's name; the origin, for the log's own keys.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The four bytes that a signature line starts with.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What it signs with.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The raw key.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Verifies one signature (without its key ID) over the text. Some kinds say when they signed, in seconds since 1970.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let bad = NoteError::BadSignature { name: self.name.clone() };
        match self.kind {
            KeyKind::Ed25519 => {
                if holds(&ED25519, &self.public_key, text.as_bytes(), signature) {
                    Ok(None)
                } else {
                    Err(bad)
                }
            }
            KeyKind::MlDsa44Cosignature => {
                let Some((timestamp, signature)) = signature.split_first_chunk::<8>() else { return Err(bad) };
                let posix_seconds = u64::from_be_bytes(*timestamp);
                let message = cosign::message(&self.name, posix_seconds, text)?;
                if holds(&ML_DSA_44, &self.public_key, &message, signature) { Ok(Some(posix_seconds)) } else { Err(bad) }
            }
        }
    }
}

fn holds(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

fn check_name(name: &str) -> Result<(), KeyError> {
    let bad = |character: char| character.is_whitespace() || character.is_control() || character == '+';
    if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || name.contains(bad) {
        Err(KeyError::Name(name.to_owned()))
    } else {
        Ok(())
    }
}

/// Signs notes. The private key stays with whoever implements this.
pub trait NoteSigner: Send + Sync {
    /// The public half, with name and key ID.
    fn verifier(&self) -> &NoteVerifier;
    /// The signature bytes without the key ID. `posix_seconds` is the time that kinds with a timestamp write down.
    fn sign(&self, text: &str, posix_seconds: u64) -> Result<Vec<u8>, NoteError>;
}

/// An Ed25519 note key.
pub struct Ed25519NoteSigner {
    pair: Ed25519KeyPair,
    verifier: NoteVerifier,
}

impl Ed25519NoteSigner {
    /// Loads PKCS#8 DER, version 1 or 2.
    pub fn from_pkcs8_der(name: &str, der: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|error| KeyError::Rejected(error.to_string()))?;
        let verifier = NoteVerifier::new(name, KeyKind::Ed25519, pair.public_key().as_ref())?;
        Ok(Self { pair, verifier })
    }
}

impl NoteSigner for Ed25519NoteSigner {
    fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    fn sign(&self, text: &str, _posix_seconds: u64) -> Result<Vec<u8>, NoteError> {
        Ok(self.pair.try_sign(text.as_bytes()).map_err(|_| KeyError::Signing)?.as_ref().to_vec())
    }
}

/// An ML-DSA-44 cosigning key: signs checkpoints alone, since its message is built from one.
pub struct MlDsa44NoteSigner {
    pair: PqdsaKeyPair,
    verifier: NoteVerifier,
}

impl MlDsa44NoteSigner {
    /// Loads PKCS#8 DER (RFC 9881), seed or expanded form.
    pub fn from_pkcs8_der(name: &str, der: &[u8]) -> Result<Self, KeyError> {
        let pair = PqdsaKeyPair::from_pkcs8(&ML_DSA_44_SIGNING, der).map_err(|error| KeyError::Rejected(error.to_string()))?;
        let verifier = NoteVerifier::new(name, KeyKind::MlDsa44Cosignature, pair.public_key().as_ref())?;
        Ok(Self { pair, verifier })
    }
}

impl NoteSigner for MlDsa44NoteSigner {
    fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    fn sign(&self, text: &str, posix_seconds: u64) -> Result<Vec<u8>, NoteError> {
        let message = cosign::message(self.verifier.name(), posix_seconds, text)?;
        let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
        let length = self.pair.sign(&message, &mut signature).map_err(|_| KeyError::Signing)?;
        signature.truncate(length);
        Ok([posix_seconds.to_be_bytes().as_slice(), &signature].concat())
    }
}

/// One signature line, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's ID.
    pub key_id: u32,
    /// The signature without the key ID.
    pub bytes: Vec<u8>,
}

/// A note that was parsed and not verified: the text is private until [`Note::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// Which key signed, and when if it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// The key's name.
    pub name: String,
    /// What it signed with.
    pub kind: KeyKind,
    /// Seconds since 1970, for kinds with a timestamp.
    pub posix_seconds: Option<u64>,
}

/// A note with at least one verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedNote {
    /// The text with its final newline.
    pub text: String,
    /// The trusted keys that signed it.
    pub signed_by: Vec<SignedBy>,
}

impl Note {
    /// Parses the form; checks no signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("it is not UTF-8"))?;
        if whole.chars().any(|character| character < ' ' && character != '\n') {
            return Err(NoteError::Malformed("it has a control character"));
        }
        let split = whole.rfind("\n\n").ok_or(NoteError::Malformed("it has no blank line before the signatures"))?;
        let (text, lines) = (whole.get(..=split).unwrap_or(""), whole.get(split + 2..).unwrap_or(""));
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("it does not end in a signature line"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::TooLong);
            }
            signatures.push(parse_signature(line).ok_or(NoteError::Malformed("a signature line is not `\u{2014} name base64`"))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The signature lines, not verified.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Verifies every signature of a known key: one that fails spoils the note, and at least one must hold.
    pub fn open(self, verifiers: &[NoteVerifier]) -> Result<OpenedNote, NoteError> {
        let mut signed_by: Vec<SignedBy> = Vec::new();
        for signature in &self.signatures {
            let known = verifiers.iter().find(|key| key.key_id == signature.key_id && key.name == signature.name);
            let Some(key) = known else { continue };
            let posix_seconds = key.verify(&self.text, &signature.bytes)?;
            signed_by.push(SignedBy { name: key.name.clone(), kind: key.kind, posix_seconds });
        }
        if signed_by.is_empty() { Err(NoteError::Unsigned) } else { Ok(OpenedNote { text: self.text, signed_by }) }
    }
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, base64) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
    check_name(name).ok()?;
    let raw = data_encoding::BASE64.decode(base64.as_bytes()).ok()?;
    let (key_id, bytes) = raw.split_first_chunk::<4>()?;
    (!bytes.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        key_id: u32::from_be_bytes(*key_id),
        bytes: bytes.to_vec(),
    })
}

/// Signs a text that ends in a newline, with every signer in turn, and returns the whole note.
pub fn sign(text: &str, signers: &[&dyn NoteSigner], posix_seconds: u64) -> Result<String, NoteError> {
    if !text.ends_with('\n') || text.chars().any(|character| character < ' ' && character != '\n') {
        return Err(NoteError::Malformed("its text does not end in a newline, or has a control character"));
    }
    if signers.is_empty() {
        return Err(NoteError::Unsigned);
    }
    let mut note = format!("{text}\n");
    for signer in signers {
        let key = signer.verifier();
        let raw = [key.key_id.to_be_bytes().as_slice(), &signer.sign(text, posix_seconds)?].concat();
        note.push_str(&format!("{SIGNATURE_START}{} {}\n", key.name, data_encoding::BASE64.encode(&raw)));
    }
    Ok(note)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const ORIGIN: &str = "example.com/log";

    pub(crate) fn ed25519(name: &str) -> Ed25519NoteSigner {
        let pair = Ed25519KeyPair::from_seed_unchecked(&sha256(name.as_bytes())).unwrap();
        Ed25519NoteSigner::from_pkcs8_der(name, pair.to_pkcs8().unwrap().as_ref()).unwrap()
    }

    pub(crate) fn ml_dsa(name: &str) -> MlDsa44NoteSigner {
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &sha256(name.as_bytes())).unwrap();
        MlDsa44NoteSigner::from_pkcs8_der(name, pair.to_pkcs8v1().unwrap().as_ref()).unwrap()
    }

    // The note and the key of the documentation of golang.org/x/mod/sumdb/note.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_note_of_gos_documentation_verifies() {
        let key = NoteVerifier::parse(GO_KEY).unwrap();
        assert_eq!(key.to_text(), GO_KEY);
        let opened = Note::parse(GO_NOTE.as_bytes()).unwrap().open(std::slice::from_ref(&key)).unwrap();
        assert!(opened.text.ends_with("problem is.\n"));
        let bent = GO_NOTE.replace("your problem is", "my problem is");
        let error = Note::parse(bent.as_bytes()).unwrap().open(&[key]).unwrap_err();
        assert_eq!(error, NoteError::BadSignature { name: "PeterNeumann".into() });
    }

    #[test]
    fn a_key_id_that_does_not_fit_is_refused() {
        assert_eq!(NoteVerifier::parse(&GO_KEY.replace("c74f20a3", "c74f20a4")), Err(KeyError::VerifierText));
        assert_eq!(NoteVerifier::parse(&GO_KEY.replace("c74f20a3", "C74F20A3")), Err(KeyError::VerifierText));
        assert!(matches!(NoteVerifier::new("two words", KeyKind::Ed25519, &[0; 32]), Err(KeyError::Name(_))));
    }

    #[test]
    fn strangers_are_passed_over_but_one_known_key_must_sign() {
        let (known, stranger) = (ed25519("known"), ed25519("stranger"));
        let note = sign("text\n\nmore\n", &[&stranger, &known], 0).unwrap();
        let opened = Note::parse(note.as_bytes()).unwrap().open(&[known.verifier().clone()]).unwrap();
        assert_eq!((opened.text.as_str(), opened.signed_by.len()), ("text\n\nmore\n", 1));
        let alone = sign("text\n", &[&stranger], 0).unwrap();
        let error = Note::parse(alone.as_bytes()).unwrap().open(&[known.verifier().clone()]).unwrap_err();
        assert_eq!(error, NoteError::Unsigned);
    }

    #[test]
    fn a_broken_known_signature_spoils_the_note_in_spite_of_a_good_one() {
        let (first, second) = (ed25519("first"), ed25519("second"));
        let note = sign("text\n", &[&first, &second], 0).unwrap();
        let forged = sign("other\n", &[&second], 0).unwrap();
        let (head, _) = note.rsplit_once('\u{2014}').unwrap();
        let mixed = format!("{head}\u{2014}{}", forged.split_once('\u{2014}').unwrap().1);
        let verifiers = [first.verifier().clone(), second.verifier().clone()];
        let error = Note::parse(mixed.as_bytes()).unwrap().open(&verifiers).unwrap_err();
        assert_eq!(error, NoteError::BadSignature { name: "second".into() });
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(\u{2014}|a|\n| |=|[A-Z]){0,60}") {
            let key = ed25519("known");
            for input in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(note) = Note::parse(input) {
                    prop_assert!(note.open(&[key.verifier().clone()]).is_err());
                }
            }
            let _ = NoteVerifier::parse(&text);
            let _ = NoteVerifier::parse(&format!("a+{text}"));
        }
    }
}
