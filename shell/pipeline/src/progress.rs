//! What a run tells while it works: one report per step, for screen, console and record.

use gate::{Decision, Finding};
use serde::{Deserialize, Serialize};

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Every gate passed.
    Pass,
    /// People must decide.
    Held,
    /// A gate said no.
    Refused,
    /// Nothing was new.
    Unchanged,
}

/// One gate's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// The gate's id.
    pub gate: String,
    /// What it said.
    pub decision: Decision,
}

/// One step's report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's id.
    pub step: String,
    /// What it was about: a feed's file, a table, a label version.
    pub about: String,
    /// How it ended.
    pub state: StepState,
    /// Milliseconds.
    pub milliseconds: u64,
    /// Rows that came in.
    pub rows_in: u64,
    /// Rows that went on.
    pub rows_out: u64,
    /// Rows in quarantine.
    pub rows_quarantined: u64,
    /// Evidence id.
    pub evidence: String,
    /// Gates that were asked, in order.
    pub gates: Vec<GateReport>,
    /// The gate that did not pass, why, and what to do.
    pub finding: Option<(String, Finding)>,
    /// A further word for people.
    pub note: String,
}

/// Who listens.
pub trait Progress: Send {
    /// A step begins.
    fn begin(&mut self, step: &str, about: &str);
    /// What will stop this run later, said while there is time to mend it.
    fn warn(&mut self, _words: &str) {}
    /// A word on the way through a long step.
    fn on_the_way(&mut self, _words: &str) {}
    /// It ended.
    fn end(&mut self, report: &StepReport);
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str, _: &str) {}
    fn end(&mut self, _: &StepReport) {}
}
