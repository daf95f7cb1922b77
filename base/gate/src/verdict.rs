//! What a gate answers.

use serde::{Deserialize, Serialize};

/// Whether the gate saw something wrong or could not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// The gate looked and saw what it says.
    Seen,
    /// The gate could not look; that counts as no.
    Inconclusive,
}

/// Why a subject was held or refused, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was seen, in backticks, lower case, no full stop.
    pub why: String,
    /// What to do next.
    pub help: String,
    /// Whether the gate could look at all.
    pub certainty: Certainty,
}

impl Finding {
    /// Something was seen.
    pub fn seen(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { why: why.into(), help: help.into(), certainty: Certainty::Seen }
    }

    /// The check could not be made.
    pub fn inconclusive(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { why: why.into(), help: help.into(), certainty: Certainty::Inconclusive }
    }
}

/// A gate's answer. `Refuse` stops the subject; `Hold` lets the other gates speak too and then waits for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// The subject goes on, perhaps changed.
    Pass(T),
    /// People decide.
    Hold(T, Finding),
    /// The subject stops here.
    Refuse(Finding),
}

impl<T> Verdict<T> {
    /// Whether the subject goes on.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Pass(_))
    }
    /// Whether people must decide.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Hold(..))
    }
    /// Whether the subject stops.
    pub fn refuses(&self) -> bool {
        matches!(self, Self::Refuse(_))
    }
}
