//! What the gates of s11 are told.

use serde::{Deserialize, Serialize};

/// How one application asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// The application.
    pub application: String,
    /// Requests in the window.
    pub requests: u64,
    /// Different customers, as a share of all.
    pub coverage: f64,
    /// Share of what-if rows that nearly repeat an earlier one.
    pub near_pairs: f64,
    /// Requests that were refused.
    pub refused: u64,
}

/// Limits that the project's policy sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Evidence against "no drift" above which people are called: 1/alpha of Ville's inequality.
    pub drift_evidence_max: f64,
    /// Largest share of customers that one application may cover.
    pub coverage_max: f64,
    /// Largest share of near pairs.
    pub near_pairs_max: f64,
    /// Largest share of refused requests.
    pub refused_share_max: f64,
    /// Requests below which no pattern is judged.
    pub requests_min: u64,
}

/// Facts of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Largest value of the test martingale against "scores are as in the reference"; absent where it could not be computed.
    pub drift_evidence: Option<f64>,
    /// How each application asks.
    pub patterns: Vec<Pattern>,
    /// The policy.
    pub policy: Policy,
}

impl Facts {
    /// A quiet window.
    pub fn ordinary() -> Self {
        let crm = Pattern { application: "crm".into(), requests: 200, coverage: 0.02, near_pairs: 0.0, refused: 1 };
        let policy = Policy {
            drift_evidence_max: 100.0,
            coverage_max: 0.3,
            near_pairs_max: 0.05,
            refused_share_max: 0.2,
            requests_min: 50,
        };
        Self { drift_evidence: Some(1.3), patterns: vec![crm], policy }
    }
}

#[cfg(test)]
pub(crate) fn window() -> artifact::Window {
    artifact::Window { from: 0, to: 3600, requests: 200, model: gate::Digest::of(b"model") }
}
