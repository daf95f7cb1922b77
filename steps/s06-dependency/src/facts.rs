//! What the gates of s06 are told.

use serde::{Deserialize, Serialize};

/// A security review on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The package.
    pub package: String,
    /// The version that was read.
    pub version: String,
    /// The checksum of what was read.
    pub checksum: String,
    /// Who read it.
    pub reviewer: String,
    /// First moment at which the review no longer counts, Unix seconds.
    pub expires: i64,
}

/// Facts of the parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The shell's clock, Unix seconds.
    pub now: i64,
    /// Packages without an exact version or without a checksum, with the reason.
    pub unpinned: Vec<String>,
    /// Packages with a name like a well-known one's, or from a place that is no registry, with the reason.
    pub suspicious: Vec<String>,
    /// Packages that must be reviewed before use: name, version and checksum in the lock file.
    pub critical: Vec<(String, String, String)>,
    /// Reviews on record.
    pub reviews: Vec<Review>,
}

impl Facts {
    /// Pinned and reviewed parts.
    pub fn ordinary() -> Self {
        let review = Review {
            package: "booster".into(),
            version: "1.0.0".into(),
            checksum: "ab".into(),
            reviewer: "ann".into(),
            expires: 2_000_000,
        };
        Self {
            now: 1_000_000,
            unpinned: Vec::new(),
            suspicious: Vec::new(),
            critical: vec![("booster".into(), "1.0.0".into(), "ab".into())],
            reviews: vec![review],
        }
    }
}

#[cfg(test)]
pub(crate) fn parts() -> artifact::Parts {
    let digest = gate::Digest::of(b"lock");
    artifact::Parts { locks: [("Cargo.lock".to_owned(), digest)].into(), packages: 3, reviews: digest }
}
