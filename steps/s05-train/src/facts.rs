//! What the gates of s05 are told.

use std::collections::BTreeMap;

use gate::Digest;
use serde::{Deserialize, Serialize};

/// Something that a model was made from, with what the log proves of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// `source`, `labels` or `segments`.
    pub what: String,
    /// Digest that the log proves to have been cleared; absent where it proves nothing.
    pub cleared: Option<Digest>,
}

/// A column that tells the label too well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// The column.
    pub column: String,
    /// Its AUC alone.
    pub auc: f64,
}

/// Limits that the project's policy sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Smallest AUC of the vote on the test folds.
    pub auc_min: f64,
    /// Largest Brier score of the vote.
    pub brier_max: f64,
    /// A single column with an AUC above it is taken for a leak.
    pub leak_auc: f64,
    /// Columns that people looked at and found to be no leak.
    pub leak_accepted: Vec<String>,
}

/// Facts of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What it was made from.
    pub lineage: Vec<Lineage>,
    /// Digest of the hyperparameters that stayward.toml asks for; absent where it cannot be read.
    pub parameters_agreed: Option<Digest>,
    /// Digest of stayward.toml when the run began, and now.
    pub policy_digest: (Digest, Digest),
    /// Versions of what trained it, as recorded in the model.
    pub environment: BTreeMap<String, String>,
    /// The same, of this program.
    pub environment_agreed: BTreeMap<String, String>,
    /// Columns that tell the label too well.
    pub leaks: Vec<Leak>,
    /// Rows that stand on both sides of a split.
    pub duplicates_across: u64,
    /// The policy.
    pub policy: Policy,
}

impl Facts {
    /// An honest candidate.
    pub fn ordinary() -> Self {
        let digest = Digest::of(b"ordinary");
        let lineage = ["source", "labels", "segments"];
        let environment: BTreeMap<String, String> = [("stayward".to_owned(), "1".to_owned())].into();
        Self {
            lineage: lineage.iter().map(|what| Lineage { what: (*what).to_owned(), cleared: Some(digest) }).collect(),
            parameters_agreed: Some(digest),
            policy_digest: (digest, digest),
            environment_agreed: environment.clone(),
            environment,
            leaks: Vec::new(),
            duplicates_across: 0,
            policy: Policy { auc_min: 0.65, brier_max: 0.25, leak_auc: 0.98, leak_accepted: Vec::new() },
        }
    }
}

#[cfg(test)]
pub(crate) fn candidate() -> artifact::Candidate {
    let digest = Digest::of(b"ordinary");
    artifact::Candidate {
        files: [("booster.json".to_owned(), digest)].into(),
        source: digest,
        labels: digest,
        segments: digest,
        parameters: digest,
        figures: artifact::Figures { auc: 0.84, auc_sd: 0.01, pr_auc: 0.66, log_loss: 0.42, brier: 0.135, accuracy: 0.8 },
    }
}
