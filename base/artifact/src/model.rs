//! Segments, trained models, what they are made of, releases.

use std::collections::BTreeMap;

use gate::{Digest, Subject};
use serde::{Deserialize, Serialize};

/// K-Means segments of one version of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segmentation {
    /// Digest of the segments file.
    pub content: Digest,
    /// Digest of the data that was segmented.
    pub source: Digest,
    /// Names of the segments.
    pub names: Vec<String>,
    /// Customers in each.
    pub sizes: Vec<u64>,
}

impl Subject for Segmentation {}

/// What the test folds say of a model; every field is a mean over folds or the figure of the time split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Its standard deviation over folds; 0 where there is one split.
    pub auc_sd: f64,
    /// Average precision.
    pub pr_auc: f64,
    /// Mean negative log likelihood, nats.
    pub log_loss: f64,
    /// Mean squared error of the probability.
    pub brier: f64,
    /// Share of right answers at the threshold.
    pub accuracy: f64,
}

/// A trained ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Digest of every file of the model directory, by name.
    pub files: BTreeMap<String, Digest>,
    /// Digest of the data (tables and versions) that it was trained on.
    pub source: Digest,
    /// Digest of the labels.
    pub labels: Digest,
    /// Digest of the segments.
    pub segments: Digest,
    /// Digest of the hyperparameters that were used.
    pub parameters: Digest,
    /// What the test folds say of the vote.
    pub figures: Figures,
}

impl Candidate {
    /// Names the model: the digest of its files.
    pub fn model(&self) -> Digest {
        Digest::of_json(&self.files)
    }
}

impl Subject for Candidate {}

/// What the program and the pipeline are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Digest of every lock file, by name.
    pub locks: BTreeMap<String, Digest>,
    /// How many packages they name.
    pub packages: u64,
    /// Digest of the reviews on record.
    pub reviews: Digest,
}

impl Subject for Parts {}

/// What is offered for deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Digest of every file of the model directory, by name.
    pub files: BTreeMap<String, Digest>,
    /// Digest of the lock files of the program that will serve it.
    pub parts: Digest,
    /// Digest of the contract that its inputs must keep.
    pub contract: Digest,
}

impl Release {
    /// Names the model: the digest of its files.
    pub fn model(&self) -> Digest {
        Digest::of_json(&self.files)
    }
}

impl Subject for Release {}
