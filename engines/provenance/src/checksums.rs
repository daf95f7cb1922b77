//! Lists of checksums, `SHA256SUMS` and its kin: one signature over a small text stands for all the files that it names (T1).
//!
//! Two forms of line: GNU coreutils (`<hex>  name`, `<hex> *name`) and BSD (`SHA256 (name) = <hex>`). The list is believed only when its
//! own bytes were verified with a registered key. Names are plain relative paths: a list must not be able to name a file outside.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::crypto::Hash;
use crate::{PublicKey, Refusal, Signature, Signed, bounded};

const LIST: &str = "the checksum list";
/// Longest list that is read.
pub const LIST_BYTES_MAX: usize = 1 << 20;
/// Lines of one list.
pub const ENTRIES_MAX: usize = 10_000;
/// Longest name of a file.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a SHA-256 and of a SHA-512.
const SHA256_BYTES: usize = 32;
const SHA512_BYTES: usize = 64;

/// A list that was read; nothing says yet who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksumList {
    entries: BTreeMap<String, Vec<u8>>,
}

/// A list whose bytes a registered key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedList {
    list: ChecksumList,
    /// Who signed it.
    pub signed: Signed,
}

impl ChecksumList {
    /// Reads a list: every line must be an entry.
    ///
    /// # Errors
    /// Too long, too many lines, a line of another form, a name that could lead elsewhere, a name twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        bounded(LIST, bytes.len(), LIST_BYTES_MAX)?;
        let form = |why| Refusal::Form { what: LIST, why };
        let text = std::str::from_utf8(bytes).map_err(|_| form("it is not text"))?;
        // A last line without its end may be the first half of one.
        let text = text.strip_suffix('\n').ok_or(Refusal::Truncated { what: LIST })?;
        let mut entries = BTreeMap::new();
        for (number, line) in text.split('\n').enumerate() {
            bounded(LIST, number + 1, ENTRIES_MAX)?;
            let (name, digest) = gnu(line).or_else(|| bsd(line)).ok_or_else(|| form("a line is of neither form of checksum"))?;
            if entries.insert(plain(name)?.to_owned(), digest).is_some() {
                return Err(form("a name stands in it twice"));
            }
        }
        Ok(Self { entries })
    }

    /// Names with their digests (32 bytes of SHA-256 or 64 of SHA-512), by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|(name, digest)| (name.as_str(), digest.as_slice()))
    }

    /// Checks the bytes of one file.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::DigestMismatch`].
    pub fn check(&self, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let wanted = self.entries.get(name).ok_or(Refusal::Missing { what: LIST, wanted: "the file" })?;
        let (hash, algorithm) = if wanted.len() == SHA256_BYTES { (Hash::Sha256, "SHA-256") } else { (Hash::Sha512, "SHA-512") };
        if hash.of(&[bytes]).as_ref() == wanted.as_slice() { Ok(()) } else { Err(Refusal::DigestMismatch { algorithm }) }
    }

    /// Verifies the list's bytes, then reads them.
    ///
    /// # Errors
    /// As [`PublicKey::verify`] and [`ChecksumList::parse`].
    pub fn verify(bytes: &[u8], key: &PublicKey, signature: &Signature, now: i64) -> Result<SignedList, Refusal> {
        bounded(LIST, bytes.len(), LIST_BYTES_MAX)?;
        let signed = key.verify(signature, bytes, now)?;
        Ok(SignedList { list: Self::parse(bytes)?, signed })
    }
}

impl std::ops::Deref for SignedList {
    type Target = ChecksumList;

    fn deref(&self) -> &ChecksumList {
        &self.list
    }
}

fn digest(hex: &str) -> Option<Vec<u8>> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    matches!(bytes.len(), SHA256_BYTES | SHA512_BYTES).then_some(bytes)
}

/// `<hex>  name` (text) or `<hex> *name` (binary): sha256sum(1). A line with escaped characters begins with a backslash, which is no hex.
fn gnu(line: &str) -> Option<(&str, Vec<u8>)> {
    let (hex, name) = line.split_once(' ')?;
    let name = name.strip_prefix([' ', '*'])?;
    Some((name, digest(hex)?))
}

/// `SHA256 (name) = <hex>`: sha256sum --tag, and sha256(1) of the BSDs.
fn bsd(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, hex) = line.rsplit_once(") = ")?;
    let (name, bytes) = match (name.strip_prefix("SHA256 ("), name.strip_prefix("SHA512 (")) {
        (Some(name), _) => (name, SHA256_BYTES),
        (None, Some(name)) => (name, SHA512_BYTES),
        (None, None) => return None,
    };
    Some((name, digest(hex).filter(|digest| digest.len() == bytes)?))
}

/// A relative path without tricks; a leading `./` is dropped.
fn plain(name: &str) -> Result<&str, Refusal> {
    let name = name.strip_prefix("./").unwrap_or(name);
    bounded("a name of the checksum list", name.len(), NAME_BYTES_MAX)?;
    if name.chars().any(|character| character.is_control() || matches!(character, '\\' | ':')) {
        return Err(Refusal::Form { what: LIST, why: "a name has a control character, a backslash or a colon" });
    }
    // An empty part is a leading, a double or a trailing slash.
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Refusal::Form { what: LIST, why: "a name is not a plain relative path" });
    }
    Ok(name)
}
