//! The content check of a delivery of customer rows from a third party (T1): layers that each see one kind of poison, all learnt
//! from trusted history alone (the *golden set*, which no third party ever feeds), joined into one score a row, tests of the
//! delivery as a whole, and one suggestion.
//!
//! A [`Profile`] learns once. A [`Screen`] takes a delivery part by part in bounded memory and ends in a [`Screening`]. Rows get
//! *conformal* p-values: every trusted row was scored by models that had not seen it (four folds), and a delivered row is as
//! strange as the share of trusted rows that are at least as strange. A delivery alarms when one of its tests passes its part of
//! [`ProfileSpec::false_alarm`]; the parts are [`PARTS`]. Shifts of whole columns may hold a file and never set rows aside.

mod columns;
mod copies;
mod delivery;
mod drip;
mod encode;
mod exact;
mod expect;
mod judge;
mod labels;
mod learn;
mod linear;
mod near;
mod pairs;
mod profile;
mod screen;
mod shift;
mod strange;
mod sums;
mod task;
mod time;
mod trees;
mod whole;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use delivery::{ContractFinding, Delivery, Golden, of_typed};
pub use drip::State;
pub use profile::Profile;
pub use screen::{BatchFinding, RowFinding, Screen, Screening, Suggestion};
pub use time::latest;

/// Version of the stored form of a [`Profile`]; another version is refused.
pub const VERSION: u32 = 1;
/// Fewest trusted rows that can be learnt from.
pub const TRUSTED_ROWS_MIN: usize = 300;
/// Trusted rows that are learnt from; a seeded sample of more.
pub const TRUSTED_ROWS_MAX: usize = 20_000;
/// Columns of a profile.
pub const COLUMNS_MAX: usize = 400;
/// Levels of one category; more are an identifier, which the caller should declare or ignore.
pub const LEVELS_MAX: usize = 4_000;
/// Rows of one delivery, as many as [`tabular::typed::ROWS_MAX`]: of each some 14 bytes stay in memory (its score, and bits of its hash
/// by which copies are found), 2.4 GB in all.
pub const ROWS_MAX: usize = 200_000_000;
/// Row findings that are kept, the strangest; further ones are only counted.
pub const FINDINGS_MAX: usize = 10_000;
/// False discoveries among the rows that are set aside, at most.
pub const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// What sees a kind of poison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A column that is missing, renamed, of another kind; a row that breaks the contract.
    Contract,
    /// Records that the parser could not read.
    Records,
    /// A row that stands in history or in the delivery already.
    Duplicate,
    /// Moments that cannot be, or an order that history does not have.
    Time,
    /// A value beyond those of its column, a level never or hardly seen, more decimals than ever.
    Range,
    /// A number that the row's other columns do not foretell.
    Conditional,
    /// A declared critical column that the row's other columns do not foretell.
    Critical,
    /// Far by the covariance of the numbers.
    Covariance,
    /// Two values together that history does not hold together.
    Pair,
    /// Nearer to other rows of the delivery than rows of history are to each other.
    Crowding,
    /// Nearer to one row of history than rows of history are to each other.
    Clone,
    /// Far from every row of history.
    Isolation,
    /// All row layers together.
    Combined,
    /// One column's values as a whole: unit, levels, missing values.
    Column,
    /// The label's rate, or its agreement with a model of history alone, over all rows, a value tier or a segment.
    Label,
    /// A combination of values that is rare in history, repeated, and of one label: a trigger.
    Combination,
    /// A classifier tells the delivery from history.
    Shift,
    /// Sums over the last deliveries.
    Drip,
}

impl Layer {
    /// What it sees, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Contract => "the contract is broken",
            Self::Records => "a record cannot be read",
            Self::Duplicate => "the row was sent before",
            Self::Time => "a moment that cannot be, or an order that history does not have",
            Self::Range => "a value beyond those of history",
            Self::Conditional => "a number that the row's other columns do not foretell",
            Self::Critical => "a critical value that the row's other columns do not foretell",
            Self::Covariance => "numbers that are far out together",
            Self::Pair => "two values together that history does not hold together",
            Self::Crowding => "rows of the delivery closer together than those of history",
            Self::Clone => "nearly a copy of a row of history",
            Self::Isolation => "far from every row of history",
            Self::Combined => "more strange rows than history has",
            Self::Column => "a column as a whole: unit, levels, missing values",
            Self::Label => "labels against a model of history",
            Self::Combination => "a rare combination with one label: a trigger",
            Self::Shift => "the delivery can be told from history",
            Self::Drip => "sums over the last deliveries",
        }
    }
}

/// Parts of the batch false alarm rate that each group of tests may spend; they add up to 1 (Bonferroni).
pub const PARTS: [(Layer, f64); 8] = [
    (Layer::Combined, 0.40),
    (Layer::Label, 0.24),
    (Layer::Column, 0.08),
    (Layer::Combination, 0.10),
    (Layer::Drip, 0.10),
    (Layer::Duplicate, 0.04),
    (Layer::Shift, 0.02),
    (Layer::Time, 0.02),
];

/// What the caller declares of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileSpec {
    /// The column that says who a row is about: compared, not judged.
    pub id: Option<String>,
    /// The column that says when: judged by the rules of time.
    pub time: Option<String>,
    /// The label, of two levels.
    pub label: Option<String>,
    /// The money at stake: a number.
    pub value: Option<String>,
    /// Further categories that an attacker gains by forging.
    pub critical: Vec<String>,
    /// Columns that are not judged.
    pub ignore: Vec<String>,
    /// Seed of all samples.
    pub seed: u64,
    /// Share of honest deliveries that may alarm.
    pub false_alarm: f64,
}

impl Default for ProfileSpec {
    fn default() -> Self {
        Self {
            id: None,
            time: None,
            label: None,
            value: None,
            critical: Vec::new(),
            ignore: Vec::new(),
            seed: 1,
            false_alarm: 0.01,
        }
    }
}

/// Why nothing could be learnt or judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScreenError {
    /// Fewer trusted rows than [`TRUSTED_ROWS_MIN`].
    #[error("`{0}` trusted rows, at least `{TRUSTED_ROWS_MIN}` are needed")]
    TooFewRows(usize),
    /// More rows than [`ROWS_MAX`].
    #[error("`{0}` rows in a delivery, at most `{ROWS_MAX}` are judged at once")]
    TooManyRows(usize),
    /// No column, or more than [`COLUMNS_MAX`].
    #[error("`{0}` columns, from 1 to `{COLUMNS_MAX}` can be learnt")]
    Columns(usize),
    /// A category with more levels than [`LEVELS_MAX`].
    #[error("column `{column}` has `{found}` levels, at most `{LEVELS_MAX}`: declare it as identifier or ignore it")]
    Levels {
        /// The column's name.
        column: String,
        /// Its levels.
        found: usize,
    },
    /// A declared column is not there.
    #[error("column `{0}` is declared and missing")]
    ColumnMissing(String),
    /// Stored bytes are of another version or do not fit together.
    #[error("stored profile does not fit: {0}")]
    Stored(String),
}
