//! What the Controls page is told: every clause of the threat model, who keeps it, and the last proof.

use serde::{Deserialize, Serialize};

use super::pipeline::Place;
use super::{Chrome, FindingView, State};

/// A requirement of OWASP AISVS 1.0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AisvsRef {
    /// Its id: `C1.3.1`.
    pub id: String,
    /// Its level, 1 to 3.
    pub level: u8,
}

/// A gate that keeps a clause, and its last verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClauseGate {
    /// The card's id.
    pub id: String,
    /// The last verdict.
    pub state: State,
    /// The ledger entry of the verdict.
    pub evidence: Option<String>,
    /// Why, if it was not a pass.
    pub finding: Option<FindingView>,
}

/// One clause of the threat model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClauseView {
    /// The clause's id, kebab-case.
    pub id: String,
    /// The sentence of the threat model that it comes from.
    pub sentence: String,
    /// The step that it belongs to.
    pub place: Place,
    /// The gates that keep it.
    pub gates: Vec<ClauseGate>,
    /// Why no gate keeps it yet; read only where `gates` is empty.
    pub reason: String,
    /// The requirements of AISVS 1.0 that it meets.
    pub aisvs: Vec<AisvsRef>,
    /// The worst last verdict of its gates.
    pub state: State,
}

/// What an attack measured, with its defence off and on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttackMeasure {
    /// The attack's id.
    pub id: String,
    /// What is measured, with its unit.
    pub measure: String,
    /// With the defence off.
    pub off: String,
    /// With the defence on.
    pub on: String,
    /// The ledger entry of the measurement.
    pub evidence: Option<String>,
}

/// One threat of the threat model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThreatView {
    /// Its id: `T1`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its clauses.
    pub clauses: Vec<ClauseView>,
    /// The last measured attacks on it.
    pub attacks: Vec<AttackMeasure>,
}

/// The Controls page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlsView {
    /// Around the page.
    pub chrome: Chrome,
    /// The threats, in order.
    pub threats: Vec<ThreatView>,
}
