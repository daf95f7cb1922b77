//! Finds rows and batches of a third-party feed that do not belong among trusted rows: out of range, out of covariance, out
//! of step with their other columns, or too many of a kind (T1, T5).
//!
//! A [`Reference`] learns from trusted rows alone. Half of them teach the detectors; the other half is held back, so that every
//! row of a batch gets a *conformal* p-value: if the row is exchangeable with the trusted rows, P(p <= a) <= a, whatever the
//! detectors are. A batch is tested by how many of its rows pass the marks that few held-back rows pass.

mod conditional;
mod density;
mod encode;
mod forest;
mod guard;
mod linear;
pub mod market;
mod reference;
mod score;
pub mod stats;

#[cfg(test)]
mod tests;

pub use guard::{GuardSpec, InputGuard, RowCheck, RowFlag, Value};
pub use reference::{Reference, Spec};
pub use score::{BatchScore, BatchTest, RowScore, ShareTest};

use serde::{Deserialize, Serialize};

/// Version of the stored form of a [`Reference`]; another version is refused.
pub const VERSION: u32 = 1;
/// Fewest trusted rows that can be learnt from: the held-back part must show one row in a hundred.
pub const TRUSTED_ROWS_MIN: usize = 300;
/// Trusted rows that are learnt from; a seeded sample of more.
pub const TRUSTED_ROWS_MAX: usize = 40_000;
/// Rows of one batch.
pub const BATCH_ROWS_MAX: usize = 200_000;
/// Columns of a reference.
pub const COLUMNS_MAX: usize = 500;
/// Levels of one category; more are an identifier, which the caller should ignore.
pub const LEVELS_MAX: usize = 2_000;
/// Columns that are predicted from the others: critical ones first, then numbers in order.
pub const CONDITIONAL_COLUMNS_MAX: usize = 64;
/// Rows with a value that a predictor needs.
pub const CONDITIONAL_ROWS_MIN: usize = 50;
/// Classes of a critical category.
pub const CLASSES_MAX: usize = 32;
/// Held-back rows kept in a reference.
pub const CALIBRATION_ROWS_MAX: usize = 4_000;
/// False alarms of [`BatchTest::alarm`] on batches exchangeable with the trusted rows: proven for the methods that score rows
/// one by one; the density's own were measured at about one in a hundred on top (`false_alarms_at_length`).
pub const BATCH_FALSE_ALARM: f64 = 0.01;

/// The detectors, by what they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// A value beyond the learnt quantiles of its column, or a level never or hardly seen.
    Threshold,
    /// Far by the shrunk covariance of the numbers (Mahalanobis).
    Covariance,
    /// A number, or a declared critical category, that the row's other columns do not foretell.
    Conditional,
    /// Two levels together that trusted rows do not hold together.
    Pair,
    /// Closer to other rows of the batch than trusted rows are to each other.
    Density,
    /// All row methods together (the row's p-value adds the density).
    Combined,
}

/// Detectors that score single rows; [`Method::Density`] needs the batch.
pub(crate) const ROW_METHODS: [Method; 4] = [Method::Threshold, Method::Covariance, Method::Conditional, Method::Pair];

/// Why nothing could be learnt or scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutlierError {
    /// Fewer trusted rows than [`TRUSTED_ROWS_MIN`].
    TooFewRows(usize),
    /// More rows than [`BATCH_ROWS_MAX`].
    TooManyRows(usize),
    /// No column, or more than [`COLUMNS_MAX`].
    Columns(usize),
    /// A category with more levels than [`LEVELS_MAX`].
    Levels {
        /// The column's name.
        column: String,
        /// Its levels.
        found: usize,
    },
    /// The frame lacks a column of the reference (or of the spec).
    ColumnMissing(String),
    /// A column is a number where the reference has a category, or the other way round.
    ColumnKind(String),
    /// The trees could not be trained.
    Training(String),
    /// Stored bytes are of another version or do not fit together.
    Stored(String),
}

impl std::fmt::Display for OutlierError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFewRows(rows) => write!(out, "{rows} trusted rows, at least {TRUSTED_ROWS_MIN} are needed"),
            Self::TooManyRows(rows) => write!(out, "{rows} rows in a batch, at most {BATCH_ROWS_MAX} are scored at once"),
            Self::Columns(columns) => write!(out, "{columns} columns, from 1 to {COLUMNS_MAX} can be learnt"),
            Self::Levels { column, found } => {
                write!(out, "column `{column}` has {found} levels, at most {LEVELS_MAX}: ignore it if it is an identifier")
            }
            Self::ColumnMissing(column) => write!(out, "column `{column}` is missing"),
            Self::ColumnKind(column) => write!(out, "column `{column}` is of another kind than in the trusted rows"),
            Self::Training(why) => write!(out, "the predictor of a column could not be trained: {why}"),
            Self::Stored(why) => write!(out, "stored reference does not fit: {why}"),
        }
    }
}

impl std::error::Error for OutlierError {}
