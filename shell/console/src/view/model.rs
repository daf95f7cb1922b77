//! What the Model page is told: how well each member and the vote predict, on what they were trained, and the proof of it.

use serde::{Deserialize, Serialize};

use super::{Chrome, Fact, FindingView, MeanSd, State};

/// Which way a metric is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

/// One column of a metric table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricColumn {
    /// The metric's name.
    pub name: String,
    /// Its unit; empty for a plain number.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
}

/// What a row of a metric table stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricOf {
    /// One member of the ensemble.
    #[default]
    Member,
    /// The members' vote: what is served.
    Vote,
    /// Something to compare with that is not served.
    Baseline,
}

/// One row of a metric table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricRow {
    /// The member's name.
    pub name: String,
    /// What the row stands for.
    pub of: MetricOf,
    /// One value a column; none where it was not measured.
    pub values: Vec<Option<MeanSd>>,
}

/// Metrics by member: mean and standard deviation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricTable {
    /// What the means are taken over, for the caption: `5 folds, 3 repeats`.
    pub over: String,
    /// The metrics.
    pub columns: Vec<MetricColumn>,
    /// The members, then the vote.
    pub rows: Vec<MetricRow>,
}

/// One line of a plot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// Whose it is.
    pub name: String,
    /// The points as `[x, y]`, in the order in which they are joined.
    pub points: Vec<[f64; 2]>,
}

/// One K-Means segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SegmentView {
    /// A name that people can read: `new, month to month`.
    pub name: String,
    /// Customers in it.
    pub customers: u64,
    /// Share of all customers, 0 to 1.
    pub share: f64,
    /// Share of them that left, 0 to 1.
    pub churn_rate: f64,
    /// Mean value of a customer, in `value_unit` of the model.
    pub value: Option<f64>,
    /// Stability across resamples: mean Jaccard similarity, 0 to 1 (Hennig 2007).
    pub stability: Option<f64>,
}

/// One input of the training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainedOn {
    /// What it was: `labels, version 7`.
    pub what: String,
    /// Rows used.
    pub rows: u64,
    /// The digest of the bytes.
    pub digest: String,
    /// The ledger entry that cleared it.
    pub evidence: Option<String>,
}

/// A ledger entry and what it proves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceRef {
    /// What it proves: `trained`, `released`.
    pub proves: String,
    /// The entry's id.
    pub id: String,
}

/// One model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelDetail {
    /// The model's id.
    pub id: String,
    /// The digest of its bytes.
    pub digest: String,
    /// How its release stands.
    pub state: State,
    /// Why it is held or refused.
    pub finding: Option<FindingView>,
    /// When it was trained, in RFC 3339 (UTC).
    pub trained_at: String,
    /// The run that trained it.
    pub run: String,
    /// Its ledger entries.
    pub evidence: Vec<EvidenceRef>,
    /// How well it predicts.
    pub metrics: MetricTable,
    /// What the defences cost: the same metrics with each defence off and on.
    pub defences: MetricTable,
    /// Receiver operating characteristic: x false positive rate, y true positive rate.
    pub roc: Vec<Curve>,
    /// Precision and recall: x recall, y precision.
    pub precision_recall: Vec<Curve>,
    /// Lift: x share of customers contacted, y times better than chance.
    pub lift: Vec<Curve>,
    /// Calibration: x predicted, y observed share.
    pub calibration: Vec<Curve>,
    /// What the AUC does not see: calibration, the most valuable customers, groups of people, rare patterns, changed decisions.
    pub audit: Vec<Fact>,
    /// The segments.
    pub segments: Vec<SegmentView>,
    /// The churn rate over all customers, 0 to 1.
    pub churn_rate: Option<f64>,
    /// The unit of `SegmentView::value`.
    pub value_unit: String,
    /// Hyperparameters, seed, environment: what was pinned.
    pub spec: Vec<Fact>,
    /// What it was trained on.
    pub trained_on: Vec<TrainedOn>,
}

/// The Model page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelView {
    /// Around the page.
    pub chrome: Chrome,
    /// The model that is shown; none before the first training.
    pub model: Option<ModelDetail>,
    /// The ids of other models, newest first.
    pub others: Vec<String>,
}
