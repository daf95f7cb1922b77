//! What the gates of s05 are told.

use std::collections::BTreeMap;

use gate::{Digest, Finding};
use serde::{Deserialize, Serialize};

use crate::measured::{Audit, Measured};

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

/// A column that knows what nobody can know yet, or names a customer instead of describing one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telltale {
    /// The column.
    pub column: String,
    /// What was seen of it, for people.
    pub seen: String,
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
    /// Largest calibration error.
    #[serde(default)]
    pub calibration_max: f64,
    /// By how much the AUC among the most valuable may be below that of all.
    #[serde(default)]
    pub tier_gap_max: f64,
    /// Largest gap in recall between groups of people.
    #[serde(default)]
    pub recall_gap_max: f64,
    /// Largest lift of a rare pattern.
    #[serde(default)]
    pub trigger_lift_max: f64,
    /// Columns of patterns that people looked at and found to be true: `a+b`.
    #[serde(default)]
    pub triggers_accepted: Vec<String>,
    /// Largest share of frozen customers whose decision changes.
    #[serde(default)]
    pub canary_flips_max: f64,
    /// Smallest certified balanced accuracy of the booster.
    #[serde(default)]
    pub certified_min: f64,
    /// Largest share of right answers that an attacker turns.
    #[serde(default)]
    pub evasion_max: f64,
    /// Largest share of people that may be found in training at one false alarm in a thousand.
    #[serde(default)]
    pub memory_tpr_max: f64,
    /// By how much answers may help to guess a sensitive column (AUC beyond imputation).
    #[serde(default)]
    pub attribute_gain_max: f64,
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
    /// Columns that know the future, or name customers.
    #[serde(default)]
    pub telltales: Vec<Telltale>,
    /// Rows that stand on both sides of a split.
    pub duplicates_across: u64,
    /// What was measured of it.
    #[serde(flatten)]
    pub measured: Measured,
    /// The policy.
    pub policy: Policy,
}

impl Facts {
    /// What the AUC does not see, or the finding that it was not measured.
    pub(crate) fn audited(&self) -> Result<&Audit, Finding> {
        let missing = || Finding::seen("the model was not audited", "train again with `stayward train`");
        self.measured.audit.as_ref().ok_or_else(missing)
    }

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
            telltales: Vec::new(),
            duplicates_across: 0,
            measured: Measured::ordinary(),
            policy: Policy {
                auc_min: 0.65,
                brier_max: 0.25,
                leak_auc: 0.98,
                leak_accepted: Vec::new(),
                calibration_max: 0.12,
                tier_gap_max: 0.15,
                recall_gap_max: 0.25,
                trigger_lift_max: 0.3,
                triggers_accepted: Vec::new(),
                canary_flips_max: 0.2,
                certified_min: 0.3,
                evasion_max: 0.9,
                memory_tpr_max: 0.01,
                attribute_gain_max: 0.02,
            },
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

/// The verdict on an ordinary candidate whose audit is changed so; makes sure that the gate refuses one that was not audited.
#[cfg(test)]
pub(crate) fn judge_audited(
    gate: &dyn gate::Gate<artifact::Training, Facts>,
    change: impl Fn(&mut Audit),
) -> gate::Verdict<artifact::Candidate> {
    let mut facts = Facts::ordinary();
    facts.measured.audit.iter_mut().for_each(&change);
    let missing = Facts { measured: Measured { audit: None, ..facts.measured.clone() }, ..facts.clone() };
    assert!(gate.judge(candidate(), &missing).refuses());
    gate.judge(candidate(), &facts)
}
