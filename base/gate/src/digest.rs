//! Content addresses: full SHA-256 (FIPS 180-4) of every byte, never a prefix or a sample, so that two artefacts cannot share a name.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The SHA-256 of some bytes; written as `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestError(String);

impl fmt::Display for DigestError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is not a digest of the form sha256:<64 hex digits>", self.0)
    }
}

impl std::error::Error for DigestError {}

impl Digest {
    /// Hashes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut out = [0; 32];
        out.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(out)
    }

    /// Hashes several parts as one text, each preceded by its length, so that parts cannot run into each other.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            all.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            all.extend_from_slice(part);
        }
        Self::of(&all)
    }

    /// Hashes the canonical JSON (RFC 8785) of a value. A value that JSON cannot hold (a map with keys that are no strings)
    /// hashes as its error text, which equals no other value's.
    pub fn of_json<T: Serialize>(value: &T) -> Self {
        match serde_json_canonicalizer::to_vec(value) {
            Ok(bytes) => Self::of(&bytes),
            Err(error) => Self::of_parts([b"not json".as_slice(), error.to_string().as_bytes()]),
        }
    }

    /// From 32 raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits, without the prefix.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// The first hex digits, for people to read.
    pub fn short(&self) -> String {
        self.hex().chars().take(12).collect()
    }

    /// Reads 64 hex digits, without the prefix.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|_| DigestError(hex.to_owned()))?;
        bytes.try_into().map(Self).map_err(|_| DigestError(hex.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::from_hex(text.strip_prefix("sha256:").ok_or_else(|| DigestError(text.to_owned()))?)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_text_hashes_as_fips_180_4_says() {
        assert_eq!(Digest::of(b"").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn text_and_back() {
        let digest = Digest::of(b"a");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("sha256:12".parse::<Digest>().is_err());
        assert!("md5:12".parse::<Digest>().is_err());
        assert!(Digest::from_hex(&digest.hex().to_uppercase()).is_err());
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Digest::of_parts([b"ab".as_slice(), b"c"]), Digest::of_parts([b"a".as_slice(), b"bc"]));
    }
}
