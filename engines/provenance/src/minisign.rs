//! minisign (and signify's kind of Ed25519): one signature of the file, one of that signature together with a trusted comment (T1).
//!
//! Format: jedisct1.github.io/minisign, "Signature format" and "Public key format"; program minisign 0.11. `ED` signs BLAKE2b-512 of
//! the file, `Ed` (legacy) the file itself. The untrusted comment is not signed and is never handed out.

use crate::{KEY_BYTES_MAX, Refusal, SIGNATURE_BYTES_MAX, Scheme, Signed, bounded, crypto, reader::Reader};

const KEY: &str = "the minisign key";
const SIGNATURE: &str = "the minisign signature";
/// A comment that is longer is no comment: minisign 0.11 writes at most 8192 bytes.
pub const COMMENT_BYTES_MAX: usize = 8192;
const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
const KEY_ID_BYTES: usize = 8;
/// Algorithm of a key, and of a signature of the file itself.
const PLAIN: [u8; 2] = *b"Ed";
/// Algorithm of a signature of the file's BLAKE2b-512.
const HASHED: [u8; 2] = *b"ED";

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinisignKey {
    id: [u8; KEY_ID_BYTES],
    key: [u8; crypto::ED25519_KEY_BYTES],
}

/// A signature file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinisignSignature {
    hashed: bool,
    id: [u8; KEY_ID_BYTES],
    signature: [u8; crypto::ED25519_SIGNATURE_BYTES],
    trusted: String,
    global: [u8; crypto::ED25519_SIGNATURE_BYTES],
}

/// A key ID as minisign prints it: a number, least byte first.
fn name(id: [u8; KEY_ID_BYTES]) -> String {
    format!("{:016X}", u64::from_le_bytes(id))
}

impl MinisignKey {
    /// Reads a key file (a comment and a line of base64), or the line alone as `minisign -P` takes it.
    ///
    /// # Errors
    /// Another form, another algorithm, too long, no key of the curve.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        bounded(KEY, text.len(), KEY_BYTES_MAX)?;
        let line = match text.trim_end().split_once('\n') {
            Some((comment, line)) if comment.starts_with(UNTRUSTED) => line,
            Some(_) => return Err(Refusal::Form { what: KEY, why: "it is not a comment and one line" }),
            None => text.trim_end(),
        };
        let bytes = crypto::base64(line).ok_or(Refusal::Form { what: KEY, why: "it is not base64" })?;
        let mut reader = Reader::new(KEY, &bytes);
        let algorithm: [u8; 2] = reader.array()?;
        let (id, key) = (reader.array()?, reader.array()?);
        reader.end()?;
        if algorithm != PLAIN {
            return Err(reader.unsupported(String::from_utf8_lossy(&algorithm).escape_debug()));
        }
        if crypto::is_ed25519_key(&key) { Ok(Self { id, key }) } else { Err(reader.form("it is no Ed25519 key")) }
    }

    /// The key ID as minisign prints it: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        name(self.id)
    }

    /// SHA-256 of key ID and key, in hexadecimal digits: the ID alone is chosen by whoever makes the key.
    pub fn fingerprint(&self) -> String {
        data_encoding::HEXLOWER.encode(crypto::Hash::Sha256.of(&[&self.id, &self.key]).as_ref())
    }

    /// Whether the signature names this key.
    pub fn is_named_by(&self, signature: &MinisignSignature) -> bool {
        self.id == signature.id
    }

    /// Checks both signatures. Time is the caller's: minisign keys have no validity.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`], [`Refusal::WrongSignature`].
    pub fn verify(&self, signature: &MinisignSignature, message: &[u8]) -> Result<Signed, Refusal> {
        if !self.is_named_by(signature) {
            return Err(Refusal::UnknownKey { key: signature.key_name() });
        }
        let whole = if signature.hashed {
            crypto::ed25519(&self.key, &crypto::blake2b_512(message), &signature.signature)
        } else {
            crypto::ed25519(&self.key, message, &signature.signature)
        };
        let with_comment = [signature.signature.as_slice(), signature.trusted.as_bytes()].concat();
        if !whole || !crypto::ed25519(&self.key, &with_comment, &signature.global) {
            return Err(Refusal::WrongSignature { key: self.id() });
        }
        Ok(Signed {
            scheme: Scheme::Minisign,
            key: self.id(),
            digest: if signature.hashed { "blake2b-512" } else { "none" },
            comment: Some(signature.trusted.clone()),
            created: None,
        })
    }
}

impl MinisignSignature {
    /// Reads a signature file: four lines.
    ///
    /// # Errors
    /// Too long, cut short, another form, another algorithm.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        bounded(SIGNATURE, bytes.len(), SIGNATURE_BYTES_MAX)?;
        let form = |why| Refusal::Form { what: SIGNATURE, why };
        let cut = || Refusal::Truncated { what: SIGNATURE };
        let text = std::str::from_utf8(bytes).map_err(|_| form("it is not text"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let untrusted = lines.next().unwrap_or_default();
        if !untrusted.starts_with(UNTRUSTED) {
            return Err(form("it does not begin with an untrusted comment"));
        }
        let first = lines.next().ok_or_else(cut)?;
        let trusted = lines.next().ok_or_else(cut)?.strip_prefix(TRUSTED).ok_or_else(|| form("it has no trusted comment"))?;
        let last = lines.next().ok_or_else(cut)?;
        if lines.next().is_some() {
            return Err(form("something follows its end"));
        }
        bounded("the trusted comment", trusted.len(), COMMENT_BYTES_MAX)?;
        // Minisign's own comment has tabs between its parts.
        if trusted.chars().any(|character| character.is_control() && character != '\t') {
            return Err(form("its trusted comment has a control character"));
        }
        let first = crypto::base64(first).ok_or_else(|| form("its signature is not base64"))?;
        let mut reader = Reader::new(SIGNATURE, &first);
        let algorithm: [u8; 2] = reader.array()?;
        let (id, signature) = (reader.array()?, reader.array()?);
        reader.end()?;
        let hashed = match algorithm {
            HASHED => true,
            PLAIN => false,
            other => return Err(reader.unsupported(String::from_utf8_lossy(&other).escape_debug())),
        };
        let last = crypto::base64(last).ok_or_else(|| form("its second signature is not base64"))?;
        let mut reader = Reader::new(SIGNATURE, &last);
        let global = reader.array()?;
        reader.end()?;
        Ok(Self { hashed, id, signature, trusted: trusted.to_owned(), global })
    }

    /// The key that it names; nothing proves that it signed.
    pub fn key_name(&self) -> String {
        name(self.id)
    }
}
