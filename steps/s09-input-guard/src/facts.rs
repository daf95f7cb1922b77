//! What the gates of s09 are told.

use serde::{Deserialize, Serialize};

/// Facts of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Rules of the contract that the row breaks, for people inside.
    pub violations: Vec<String>,
    /// Probability of a row so far from trusted customers; absent where it could not be computed.
    pub outlier_p_value: Option<f64>,
    /// The smallest probability that could have been computed: few trusted customers cannot show that a row is very rare.
    pub p_value_least: f64,
    /// Probability below which a row is refused.
    pub alpha: f64,
}

impl Facts {
    /// An ordinary customer.
    pub fn ordinary() -> Self {
        Self { violations: Vec::new(), outlier_p_value: Some(0.4), p_value_least: 0.0005, alpha: 0.001 }
    }
}

#[cfg(test)]
pub(crate) fn input() -> artifact::Input {
    let values = [("tenure".to_owned(), Some("3".to_owned()))].into();
    artifact::Input { request: "00ff".into(), asking: artifact::Asking::WhatIf, values }
}
