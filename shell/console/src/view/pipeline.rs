//! What the Pipeline page and the Run page are told: the steps of the threat model's diagram and the gates in them.

use serde::{Deserialize, Serialize};

use super::{Chrome, FindingView, State};

/// A step of the threat model's diagram, by its place in it. The serialised name is the name of the step's crate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// Between the third-party data source and the machine learning data source (T1).
    #[default]
    #[serde(rename = "s01-intake")]
    Intake,
    /// Between internal customer data and the machine learning data source (T1).
    #[serde(rename = "s02-source")]
    Source,
    /// Before labels are ingested into the training environment (T6).
    #[serde(rename = "s03-label-qa")]
    LabelQa,
    /// K-Means segmentation.
    #[serde(rename = "s04-segment")]
    Segment,
    /// Model training with adversarial training (T5).
    #[serde(rename = "s05-train")]
    Train,
    /// In staging (T7).
    #[serde(rename = "s06-dependency")]
    Dependency,
    /// Between training and deployment (T4).
    #[serde(rename = "s07-release")]
    Release,
    /// Between deployment and the prediction service (T2, T3).
    #[serde(rename = "s08-api-guard")]
    ApiGuard,
    /// Between the incoming data flow and the prediction service (T5).
    #[serde(rename = "s09-input-guard")]
    InputGuard,
    /// The customer churn prediction service.
    #[serde(rename = "s10-predict")]
    Predict,
    /// Monitoring, alerting and drift (T3, T5).
    #[serde(rename = "s11-monitor")]
    Monitor,
}

impl Place {
    /// Every place, in the order of the diagram.
    pub const ALL: [Place; 11] = [
        Place::Intake,
        Place::Source,
        Place::LabelQa,
        Place::Segment,
        Place::Train,
        Place::Dependency,
        Place::Release,
        Place::ApiGuard,
        Place::InputGuard,
        Place::Predict,
        Place::Monitor,
    ];

    /// The name of the step's crate: `s01-intake`.
    pub fn id(self) -> &'static str {
        match self {
            Place::Intake => "s01-intake",
            Place::Source => "s02-source",
            Place::LabelQa => "s03-label-qa",
            Place::Segment => "s04-segment",
            Place::Train => "s05-train",
            Place::Dependency => "s06-dependency",
            Place::Release => "s07-release",
            Place::ApiGuard => "s08-api-guard",
            Place::InputGuard => "s09-input-guard",
            Place::Predict => "s10-predict",
            Place::Monitor => "s11-monitor",
        }
    }

    /// The step's number: `s01`.
    pub fn number(self) -> &'static str {
        self.id().split('-').next().unwrap_or("")
    }

    /// The step's name in the threat model's words, in at most two lines for a box of the diagram.
    pub fn lines(self) -> &'static [&'static str] {
        match self {
            Place::Intake => &["Data validation &", "anomaly detection"],
            Place::Source => &["Database access", "controls"],
            Place::LabelQa => &["Label QA & approval"],
            Place::Segment => &["K-Means segmentation"],
            Place::Train => &["Model training +", "adversarial training"],
            Place::Dependency => &["Dependency security", "(staging)"],
            Place::Release => &["Secure orchestration", "& repository"],
            Place::ApiGuard => &["API security controls"],
            Place::InputGuard => &["Input validation"],
            Place::Predict => &["Customer churn", "prediction service"],
            Place::Monitor => &["Monitoring, alerting,", "drift"],
        }
    }

    /// The step's name in the threat model's words.
    pub fn name(self) -> String {
        self.lines().join(" ")
    }

    /// The step with this crate name.
    pub fn from_id(id: &str) -> Option<Self> {
        Place::ALL.into_iter().find(|place| place.id() == id)
    }
}

/// One gate of a step and its last verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateView {
    /// The card's id, kebab-case.
    pub id: String,
    /// The card's one sentence about the gate.
    pub about: String,
    /// The clauses of the threat model that it answers.
    pub clauses: Vec<String>,
    /// The last verdict.
    pub state: State,
    /// Why, if it was not a pass.
    pub finding: Option<FindingView>,
    /// The ledger entry of the verdict.
    pub evidence: Option<String>,
}

/// Rows that went through a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowCounts {
    /// Rows that came in.
    pub taken: u64,
    /// Rows that went on.
    pub passed: u64,
    /// Rows that wait for people.
    pub quarantined: u64,
}

/// A clause of the threat model that no gate of its step keeps yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenClause {
    /// The clause's id.
    pub id: String,
    /// Why no gate keeps it.
    pub reason: String,
}

/// One step of the diagram with its gates, in the order in which they judge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepView {
    /// Where it stands in the diagram.
    pub place: Place,
    /// What it judged: a delivery, a table, a version; empty where that goes without saying.
    pub about: String,
    /// How it stands.
    pub state: State,
    /// Its gates, in order.
    pub gates: Vec<GateView>,
    /// Rows, where the step counts any.
    pub rows: Option<RowCounts>,
    /// How long the last run of the step took, in seconds.
    pub seconds: Option<f64>,
    /// The ledger entry of the step's receipt.
    pub evidence: Option<String>,
    /// Clauses that belong here and that no gate keeps: what the step's name promises and its state does not cover.
    pub open: Vec<OpenClause>,
}

/// One run of the pipeline, in a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunBrief {
    /// The run's id.
    pub id: String,
    /// When it started, in RFC 3339 (UTC).
    pub started_at: String,
    /// How long it took, in seconds; none while it runs.
    pub seconds: Option<f64>,
    /// The worst state of its steps.
    pub state: State,
    /// Who or what started it.
    pub started_by: String,
}

/// The Pipeline page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PipelineView {
    /// Around the page.
    pub chrome: Chrome,
    /// The run that the states come from; none before the first run.
    pub run: Option<RunBrief>,
    /// The steps, in any order; a step that is missing here is drawn as not run.
    pub steps: Vec<StepView>,
}

/// The Run page: one run, or, without one, the list of runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunView {
    /// Around the page.
    pub chrome: Chrome,
    /// The run that is shown.
    pub run: Option<RunBrief>,
    /// The steps that it went through, in order.
    pub steps: Vec<StepView>,
    /// Other runs, newest first.
    pub others: Vec<RunBrief>,
}
