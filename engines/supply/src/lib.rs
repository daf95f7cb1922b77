//! Facts about dependencies, from texts alone: what is locked, what is reviewed, what is known to be vulnerable, and which names
//! only look like well-known ones (T7).

#![deny(clippy::indexing_slicing)]

pub mod advisories;
pub mod lockfile;
pub mod names;
pub mod requirements;
pub mod reviews;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// Longest text that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Packages of one file.
pub const PACKAGES_MAX: usize = 50_000;

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupplyError {
    /// Longer than [`TEXT_BYTES_MAX`].
    #[error("text has {0} bytes, at most {TEXT_BYTES_MAX} are read")]
    TooLong(usize),
    /// More packages than [`PACKAGES_MAX`].
    #[error("{0} packages, at most {PACKAGES_MAX} are read")]
    TooMany(usize),
    /// Not in the expected form.
    #[error("cannot be read: {0}")]
    Form(String),
}

/// Something about a dependency that a gate should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The package.
    pub package: String,
    /// Its version as written; empty where there is none.
    pub version: String,
    /// What it is.
    pub kind: Kind,
    /// What was seen, in words.
    pub detail: String,
}

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// From a registry, but without a checksum.
    ChecksumMissing,
    /// A checksum of another form than its algorithm's.
    ChecksumMalformed,
    /// From a git repository.
    GitSource,
    /// From another registry than the allowed ones.
    ForeignRegistry,
    /// From a direct URL.
    DirectUrl,
    /// No exact version.
    Unpinned,
    /// An option that changes where packages come from (extra index, links, trusted host).
    IndexOption,
    /// Installed from a folder, editable or not.
    LocalPath,
    /// A line that was not understood: it may install anything.
    Unread,
    /// The same package and version twice with different checksums.
    Contradiction,
    /// No review of this version and checksum.
    Unreviewed,
    /// Reviewed, but another checksum.
    ReviewedOtherBytes,
    /// The review has expired.
    ReviewExpired,
    /// A critical package with one reviewer only, or the same one twice.
    SecondReviewerMissing,
    /// A known vulnerability.
    Vulnerable,
    /// An advisory names the package, and whether the version is affected cannot be told.
    VulnerableUnknown,
    /// The name is one edit from a well-known one.
    NameNearby,
    /// The name uses letters that look like others.
    NameHomoglyph,
    /// The words of a well-known name in another order.
    NameSwapped,
}

pub(crate) fn bounded(text: &str) -> Result<&str, SupplyError> {
    if text.len() > TEXT_BYTES_MAX { Err(SupplyError::TooLong(text.len())) } else { Ok(text) }
}

pub(crate) fn finding(package: &str, version: &str, kind: Kind, detail: impl Into<String>) -> Finding {
    Finding { package: package.to_owned(), version: version.to_owned(), kind, detail: detail.into() }
}

/// Whether a text is so many hexadecimal digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
