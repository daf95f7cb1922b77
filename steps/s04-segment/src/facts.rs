//! What the gates of s04 are told.

use serde::{Deserialize, Serialize};

/// Facts of a segmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Mean adjusted Rand index between the segments and those of bootstrap samples; 1 is perfectly stable.
    pub stability: f64,
    /// Smallest allowed stability.
    pub stability_min: f64,
    /// Smallest allowed segment, in customers.
    pub customers_min: u64,
}

impl Facts {
    /// Stable segments.
    pub fn ordinary() -> Self {
        Self { stability: 0.9, stability_min: 0.5, customers_min: 20 }
    }
}

#[cfg(test)]
pub(crate) fn segmentation() -> artifact::Segmentation {
    let digest = gate::Digest::of(b"segments");
    artifact::Segmentation { content: digest, source: digest, names: vec!["a".into(), "b".into()], sizes: vec![600, 400] }
}
