//! What a table looks like, in one pass and bounded memory: the ground on which a person writes its contract.
//!
//! Everything is a function of the rows and their order alone: the sample takes rows by a hash of their number, so that the same
//! table has the same profile on every run and for every size of batch.

mod column;
mod sketch;
#[cfg(test)]
mod tests;

use crate::bridge::{self, BridgeError};
use crate::contract::MISSING_MARKS;
use crate::marks::Marks;
use crate::number::{self, Decimal};
use arrow_array::RecordBatch;
use column::Gather;
use serde::{Deserialize, Serialize};
pub(crate) use sketch::Cell;
use sketch::Sampler;

/// Distinct values that are counted exactly; more are estimated, with a standard error below 1 %.
pub const DISTINCT_EXACT_MAX: usize = 65_536;
/// Levels that are counted one by one; a column with more is no category.
pub const PROFILE_LEVELS_MAX: usize = 1_000;
/// Bytes of a level; a column with longer ones is no category.
pub const LEVEL_BYTES_MAX: usize = 256;
/// Rows of the sample from which quantiles and relations to the label are taken. A table of no more rows is its own sample.
pub const SAMPLE_ROWS_MAX: usize = 65_536;
/// Cells of the sample, which bounds its rows where there are many columns.
pub const SAMPLE_CELLS_MAX: usize = 2_000_000;
/// Quantiles that are taken.
pub const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// What the numbers of a column look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// How many there are.
    pub count: u64,
    /// Whether all are whole.
    pub whole: bool,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with `count - 1`; 0 for one number.
    pub sd: f64,
    /// Values at [`QUANTILES`] (the nearest rank), of the sample.
    pub quantiles: [f64; 7],
}

/// What the moments of a column look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeProfile {
    /// The first format of our list that reads every value.
    pub format: String,
    /// Further formats that do so too: day and month may be exchanged.
    pub also: Vec<String>,
    /// The first moment, in seconds since 1970, UTC.
    pub min: i64,
    /// The last.
    pub max: i64,
}

/// What a column looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Missing values.
    pub missing: u64,
    /// Distinct values that are not missing.
    pub distinct: u64,
    /// Whether `distinct` is exact.
    pub distinct_exact: bool,
    /// Levels with their counts, the most frequent first, then by name; empty if there are more than [`PROFILE_LEVELS_MAX`].
    pub levels: Vec<(String, u64)>,
    /// Values that are numbers.
    pub numbers: Option<NumberProfile>,
    /// Set if every value that is not missing is a moment.
    pub time: Option<TimeProfile>,
    /// One value that is not missing.
    pub example: String,
    /// One value that is neither missing nor a number.
    pub odd: String,
}

impl ColumnProfile {
    /// Values that are not missing.
    pub fn present(&self) -> u64 {
        self.rows - self.missing
    }

    /// The share of missing values, 0..=1.
    pub fn missing_share(&self) -> f64 {
        share(self.missing, self.rows)
    }

    /// The share of values that are numbers, among those not missing.
    pub fn number_share(&self) -> f64 {
        share(self.numbers.as_ref().map_or(0, |numbers| numbers.count), self.present())
    }
}

/// What a table looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows.
    pub rows: u64,
    /// How fractions were taken to be written.
    pub decimal: Decimal,
    /// Columns, in the table's order.
    pub columns: Vec<ColumnProfile>,
    /// Rows of the sample.
    pub sample_rows: usize,
    /// The sample, column by column; not written.
    #[serde(skip)]
    pub(crate) sample: Vec<Vec<Cell>>,
}

impl Profile {
    /// The profile of the column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Makes a [`Profile`], batch by batch.
#[derive(Clone, Debug)]
pub struct Profiler {
    decimal: Decimal,
    gathers: Vec<Gather>,
    sampler: Sampler,
    rows: u64,
}

/// The profile of whole batches; without batches it has no columns.
pub fn profile(batches: &[RecordBatch], decimal: Decimal) -> Result<Profile, BridgeError> {
    let names = batches.first().map_or_else(Vec::new, names_of);
    let mut profiler = Profiler::new(&names, decimal);
    for batch in batches {
        profiler.push(batch)?;
    }
    Ok(profiler.finish())
}

fn names_of(batch: &RecordBatch) -> Vec<String> {
    batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
}

impl Profiler {
    /// Begins a table of these columns. [`MISSING_MARKS`] are taken as missing.
    pub fn new(names: &[String], decimal: Decimal) -> Self {
        let rows_max = (SAMPLE_CELLS_MAX / names.len().max(1)).clamp(1, SAMPLE_ROWS_MAX);
        Self {
            decimal,
            gathers: names.iter().map(|name| Gather::new(name)).collect(),
            sampler: Sampler::new(names.len(), rows_max),
            rows: 0,
        }
    }

    /// Takes a batch of any types that [`bridge::plain`] knows, with the columns that the table began with.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), BridgeError> {
        let fields = batch.schema_ref().fields();
        if fields.len() != self.gathers.len()
            || fields.iter().zip(&self.gathers).any(|(field, gather)| *field.name() != gather.name)
        {
            return Err(BridgeError::Arrow("a batch has other columns than the first".to_owned()));
        }
        let plain = bridge::plain(batch)?;
        let rows = plain.num_rows();
        let marks = Marks::new(&MISSING_MARKS);
        let chosen = self.sampler.choose(self.rows, rows);
        for (place, (cells, gather)) in bridge::cells(&plain)?.into_iter().zip(&mut self.gathers).enumerate() {
            let mut next = chosen.iter().copied().peekable();
            for row in 0..rows {
                let cell = Cell::of(cells, row, &marks);
                gather.push(&cell, self.decimal);
                if next.next_if_eq(&row).is_some() {
                    self.sampler.keep(place, cell.owned());
                }
            }
        }
        self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        self.sampler.thin();
        Ok(())
    }

    /// Ends the table.
    pub fn finish(self) -> Profile {
        let sample = self.sampler.finish();
        let sample_rows = sample.first().map_or(0, Vec::len);
        let columns = self.gathers.into_iter().zip(&sample).map(|(gather, cells)| {
            let mut numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.number(self.decimal)).collect();
            numbers.sort_unstable_by(f64::total_cmp);
            gather.finish(quantiles(&numbers))
        });
        Profile { rows: self.rows, decimal: self.decimal, columns: columns.collect(), sample_rows, sample }
    }
}

/// Values at [`QUANTILES`] of sorted numbers, by the nearest rank; `NaN` where there are none.
fn quantiles(sorted: &[f64]) -> [f64; 7] {
    QUANTILES.map(|quantile| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank of at most 65,536"
        )]
        let rank = (quantile * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    })
}

impl Cell {
    /// The number that a cell holds.
    pub(crate) fn number(&self, decimal: Decimal) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => number::parse(text, decimal),
            Self::Missing | Self::Moment(_) => None,
        }
    }
}
