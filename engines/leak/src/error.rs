//! Says why nothing could be measured, in words for the operator (T2: a leak that was not measured is not absent).

use learn::LearnError;

/// Why nothing was measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeakError {
    /// A setting is outside its range.
    #[error("leak setting `{name}` is `{seen}`, outside {allowed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What was given.
        seen: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Scores, memberships and labels do not fit each other.
    #[error("{what}: `{seen}` were given where `{expected}` are needed")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many are needed.
        expected: usize,
        /// How many came.
        seen: usize,
    },
    /// A score is no probability.
    #[error("score `{seen}` of row `{row}` is no probability")]
    Score {
        /// The row.
        row: usize,
        /// What was given.
        seen: String,
    },
    /// The sensitive column cannot be guessed.
    #[error("sensitive column `{column}` {why}")]
    Sensitive {
        /// The column.
        column: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A reference model could not be trained.
    #[error("a reference model could not be trained: {0}")]
    Learn(#[from] LearnError),
}
