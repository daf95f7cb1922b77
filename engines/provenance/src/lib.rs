//! Who signed these bytes, in the formats that suppliers already use: minisign, SSH signatures, OpenPGP, signed checksum lists, and
//! the digest fields of HTTP (T1). A supplier who cannot sign our way can still sign, and everybody can send a file.
//!
//! Nothing here decides whom to trust: a caller brings [`PublicKey`]s and the time. Each parser is strict: what it does not know, it
//! refuses, since an unread part of a signature may mean something. All comparisons are with keys that the caller registered; a key
//! that travels with a signature is never believed.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod checksums;
mod crypto;
pub mod http_digest;
mod keys;
pub mod minisign;
pub mod openpgp;
mod reader;
pub mod ssh;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use keys::{PublicKey, Signature};

/// Longest signature file that is looked at. An OpenPGP signature by RSA with 8192 bits has 1.5 KiB in ASCII armour.
pub const SIGNATURE_BYTES_MAX: usize = 16 * 1024;
/// Longest public key that is looked at: an OpenPGP certificate with some user IDs and subkeys.
pub const KEY_BYTES_MAX: usize = 256 * 1024;
/// A signer's clock may be ahead of ours by so much.
pub const CLOCK_SKEW_SECONDS: i64 = 300;

/// The format of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// minisign: Ed25519 with a trusted comment.
    Minisign,
    /// `ssh-keygen -Y sign`: Ed25519 or ECDSA P-256 with a namespace.
    Ssh,
    /// OpenPGP detached signatures: Ed25519, ECDSA P-256, RSA of at least 2048 bits.
    Openpgp,
}

impl Scheme {
    /// All, in the order of their names in settings.
    pub const ALL: [Self; 3] = [Self::Minisign, Self::Ssh, Self::Openpgp];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minisign => "minisign",
            Self::Ssh => "ssh",
            Self::Openpgp => "openpgp",
        }
    }

    /// What follows the name of a signed file, by the habit of the scheme's own program.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Minisign => ".minisig",
            Self::Ssh => ".sig",
            Self::Openpgp => ".asc",
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// What a verified signature says. Made only by a verification that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The format.
    pub scheme: Scheme,
    /// The key, by the name that the scheme's own program shows: a key ID, a fingerprint.
    pub key: String,
    /// The hash of the message that was checked: `sha512`, `blake2b-512`; `none` where Ed25519 signed the message itself.
    pub digest: &'static str,
    /// What else was signed: minisign's trusted comment, SSH's namespace.
    pub comment: Option<String>,
    /// When the signature says that it was made, Unix seconds, where its format says so.
    pub created: Option<i64>,
}

/// Why something was not accepted. Each way to be wrong has its own variant, so that a caller can tell people what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Over a limit; it was not parsed.
    #[error("{what} has `{bytes}` bytes or entries, at most `{max}` are read")]
    Oversized {
        /// What was read.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It ends too early.
    #[error("{what} was cut short")]
    Truncated {
        /// What was read.
        what: &'static str,
    },
    /// Not in the format.
    #[error("{what} cannot be read: {why}")]
    Form {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// In the format, but with an algorithm, a version or a part that is not accepted.
    #[error("{what} uses `{seen}`, which is not accepted")]
    Unsupported {
        /// What was read.
        what: &'static str,
        /// What it uses.
        seen: String,
    },
    /// The key is not among those that were given.
    #[error("the signature is by key `{key}`, which is not trusted here")]
    UnknownKey {
        /// The key as the signature names it, which nothing proves.
        key: String,
    },
    /// The signature does not hold: other bytes, or made by somebody else.
    #[error("the signature does not hold under key `{key}`: the bytes were changed, or somebody else signed")]
    WrongSignature {
        /// The key that was tried.
        key: String,
    },
    /// Signed for another purpose.
    #[error("the signature is for namespace `{seen}`")]
    Namespace {
        /// The namespace that was signed.
        seen: String,
    },
    /// The key does not count yet.
    #[error("key `{key}` is not valid yet")]
    KeyNotYetValid {
        /// The key.
        key: String,
    },
    /// The key counts no more.
    #[error("key `{key}` has expired")]
    KeyExpired {
        /// The key.
        key: String,
    },
    /// Its owner withdrew the key.
    #[error("key `{key}` was revoked")]
    KeyRevoked {
        /// The key.
        key: String,
    },
    /// The key is not for signatures of data.
    #[error("key `{key}` is not one that may sign: {why}")]
    KeyNotForSigning {
        /// The key.
        key: String,
        /// What is missing.
        why: &'static str,
    },
    /// The signature itself says that it counts no more.
    #[error("the signature by key `{key}` has expired")]
    SignatureExpired {
        /// The key.
        key: String,
    },
    /// The signature says that it was made in the future, or before its key.
    #[error("the signature by key `{key}` says a time of making that cannot be")]
    SignatureTime {
        /// The key.
        key: String,
    },
    /// The bytes have another digest than the one that was signed or sent.
    #[error("the bytes have another {algorithm} than the one given for them")]
    DigestMismatch {
        /// Which digest.
        algorithm: &'static str,
    },
    /// A list, or a header, does not name it.
    #[error("{what} does not name {wanted}")]
    Missing {
        /// What was read.
        what: &'static str,
        /// What was looked for.
        wanted: &'static str,
    },
}

/// Refuses what is over a limit before anything looks at it.
pub(crate) fn bounded(what: &'static str, bytes: usize, max: usize) -> Result<(), Refusal> {
    if bytes > max { Err(Refusal::Oversized { what, bytes, max }) } else { Ok(()) }
}

/// A word from outside, cut to what fits a message.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    text.chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect()
}
