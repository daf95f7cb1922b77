//! What the gates of s04 are told.

use serde::{Deserialize, Serialize};

/// How far segments are those of the last version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Continuity {
    /// There is no last version, or the policy asked for new segments.
    First,
    /// Customers that are known to both were sorted by both.
    Compared {
        /// Adjusted Rand index of the two.
        rand: f64,
        /// The least that bootstrap samples of the same customers give.
        least: f64,
        /// Customers.
        rows: u64,
        /// How far new customers can move a centre at most, in standard deviations of the columns; absent where all count alike.
        bound: Option<f64>,
    },
    /// Could not be compared, and why.
    Broken(String),
    /// Was not tried.
    #[default]
    Unknown,
}

/// Facts of a segmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Mean adjusted Rand index between the segments and those of bootstrap samples; 1 is perfectly stable.
    pub stability: f64,
    /// Smallest allowed stability.
    pub stability_min: f64,
    /// How far they are those of the last version.
    #[serde(default)]
    pub continuity: Continuity,
    /// Smallest agreement with the last version, unless chance alone does more.
    #[serde(default)]
    pub continuity_min: f64,
    /// Smallest allowed segment, in customers.
    pub customers_min: u64,
}

impl Facts {
    /// Stable segments.
    pub fn ordinary() -> Self {
        let continuity = Continuity::Compared { rand: 0.95, least: 0.85, rows: 900, bound: Some(0.1) };
        Self { stability: 0.9, stability_min: 0.5, continuity, continuity_min: 0.5, customers_min: 20 }
    }
}

#[cfg(test)]
pub(crate) fn segmentation() -> artifact::Segmentation {
    let digest = gate::Digest::of(b"segments");
    artifact::Segmentation { content: digest, source: digest, names: vec!["a".into(), "b".into()], sizes: vec![600, 400] }
}
