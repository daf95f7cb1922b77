//! What the pages are told: plain data, filled by the server from the ledger and the store. No page reads anything else,
//! so a page can show an operator only what the server chose to put into its view (T2, T3: restricted debugging info).
//!
//! Every text here is taken as hostile: it may come from a feed, a label or a name, and is escaped where it is drawn.

pub mod controls;
pub mod entry;
pub mod evidence;
pub mod model;
pub mod passkeys;
pub mod pipeline;

use serde::{Deserialize, Serialize};

/// What stands around every page for a person who is signed in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chrome {
    /// The name of the person who is signed in.
    pub person: String,
    /// Their role, as access control names it.
    pub role: String,
    /// The token that the sign-out form sends back in the field `csrf`.
    pub csrf: String,
    /// The version of the program.
    pub version: String,
    /// When the view was read, in RFC 3339 (UTC).
    pub read_at: String,
}

/// How a step, a gate or a clause stands, by its last evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Everything passed.
    Pass,
    /// Waiting for people to decide.
    Hold,
    /// A gate said no.
    Refuse,
    /// Could not be judged; treated as no.
    Inconclusive,
    /// There is no evidence yet.
    #[default]
    NotRun,
}

impl State {
    /// Every state, in the order of the legend.
    pub const ALL: [State; 5] = [State::Pass, State::Hold, State::Refuse, State::Inconclusive, State::NotRun];

    /// The word that stands beside the colour.
    pub fn word(self) -> &'static str {
        match self {
            State::Pass => "pass",
            State::Hold => "hold",
            State::Refuse => "refuse",
            State::Inconclusive => "inconclusive",
            State::NotRun => "not run",
        }
    }

    /// The state's class in the stylesheet.
    pub fn class(self) -> &'static str {
        match self {
            State::Pass => "is-pass",
            State::Hold => "is-hold",
            State::Refuse => "is-refuse",
            State::Inconclusive => "is-inconclusive",
            State::NotRun => "is-not-run",
        }
    }

    /// Whether a person decides whether the subject goes on; a refusal is decided.
    pub fn waits(self) -> bool {
        self == State::Hold
    }

    /// Whether its reader is owed a reason and a next command: all but a pass, and what has not run.
    pub fn needs_a_person(self) -> bool {
        matches!(self, State::Hold | State::Refuse | State::Inconclusive)
    }
}

/// Why a gate held or refused, and what to do next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingView {
    /// The rule that spoke: a gate's card id.
    pub rule: String,
    /// What was seen.
    pub why: String,
    /// What to do about it.
    pub help: String,
    /// The next command, ready to paste.
    pub command: String,
    /// The role or the people who can release the subject; empty if nobody can.
    pub release_by: String,
}

/// A name and its value, for lists of facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What it was.
    pub value: String,
}

impl Fact {
    /// A fact from anything that reads as text.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Fact { name: name.into(), value: value.into() }
    }
}

/// A mean and its standard deviation over folds or repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeanSd {
    /// The mean, in the unit of its column.
    pub mean: f64,
    /// The standard deviation, in the same unit; not a number where there was one measurement only.
    pub sd: f64,
}
