//! Reads a frame through what the trusted rows taught: the same scale, the same levels, and what is new stays visible as new.

use std::collections::BTreeMap;

use frame::{Column, Frame, MISSING};
use serde::{Deserialize, Serialize};

use crate::stats::{Curve, quantile, sorted_finite};
use crate::{LEVELS_MAX, OutlierError};

/// Standardised values are cut here, so that no product of two of them overflows.
pub(crate) const Z_MAX: f32 = 1e6;
/// Columns skewed more than this are read as signed logarithms.
const SKEW_FOR_LOG: f64 = 1.0;

/// How one column is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reading {
    /// `(value - centre) / scale`, after the signed logarithm where `log`.
    Number {
        log: bool,
        centre: f32,
        scale: f32,
        /// Surprise of large values, in standardised units.
        upper: Curve,
        /// Surprise of small values: the curve of the negated values.
        lower: Curve,
        /// Surprise of a missing value.
        missing: f32,
    },
    /// Codes by frequency: 0 is the commonest level. A new level is one beyond the rarest.
    Category {
        levels: BTreeMap<String, u32>,
        /// Surprise of each level, by code.
        rarity: Vec<f32>,
        missing: f32,
    },
}

/// The columns of the trusted frame, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Encoder {
    pub(crate) names: Vec<String>,
    pub(crate) readings: Vec<Reading>,
}

/// A frame as plain numbers, row after row: standardised numbers and codes; `NaN` is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) width: usize,
    #[serde(with = "with_missing")]
    pub(crate) values: Vec<f32>,
}

/// JSON has no `NaN`: a missing value is stored as the largest number, which no encoded value reaches ([`Z_MAX`]).
mod with_missing {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f32], out: S) -> Result<S::Ok, S::Error> {
        values.iter().map(|value| if value.is_nan() { f32::MAX } else { *value }).collect::<Vec<_>>().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
        let stored = Vec::<f32>::deserialize(from)?;
        Ok(stored.into_iter().map(|value| if value.abs() > super::Z_MAX { f32::NAN } else { value }).collect())
    }
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        self.values.get(row * self.width..(row + 1) * self.width).unwrap_or(&[])
    }

    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            values.extend_from_slice(self.row(row));
        }
        Self { width: self.width, values }
    }

    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = f32> + '_ {
        (0..self.rows()).map(move |row| self.values[row * self.width + column])
    }
}

/// The signed logarithm: odd, finite for every finite number.
fn signed_log(value: f64) -> f64 {
    value.signum() * value.abs().ln_1p()
}

/// The surprise of a share of `count` rows in `rows`, one counted in.
fn share_surprise(count: usize, rows: usize) -> f32 {
    -(((count + 1) as f64 / (rows + 1) as f64).ln()) as f32
}

impl Encoder {
    pub(crate) fn fit(trusted: &Frame) -> Result<Self, OutlierError> {
        let mut names = Vec::new();
        let mut readings = Vec::new();
        for (name, column) in trusted.iter() {
            names.push(name.to_owned());
            readings.push(match column {
                Column::Number(values) => number(values),
                Column::Category(categories) => {
                    if categories.levels.len() > LEVELS_MAX {
                        return Err(OutlierError::Levels { column: name.to_owned(), found: categories.levels.len() });
                    }
                    category(categories)
                }
            });
        }
        Ok(Self { names, readings })
    }

    /// Reads a frame; its columns may stand in another order and have levels in another order, further columns are ignored.
    pub(crate) fn encode(&self, frame: &Frame) -> Result<Table, OutlierError> {
        let width = self.names.len();
        let rows = frame.rows();
        let mut values = vec![f32::NAN; rows * width];
        for (at, (name, reading)) in self.names.iter().zip(&self.readings).enumerate() {
            let column = frame.column(name).ok_or_else(|| OutlierError::ColumnMissing(name.clone()))?;
            match (reading, column) {
                (Reading::Number { .. }, Column::Number(numbers)) => {
                    for (row, &number) in numbers.iter().enumerate() {
                        values[row * width + at] = reading.number(number);
                    }
                }
                (Reading::Category { .. }, Column::Category(categories)) => {
                    let known: Vec<f32> = categories.levels.iter().map(|level| reading.level(level)).collect();
                    for (row, &code) in categories.codes.iter().enumerate() {
                        values[row * width + at] = known.get(code as usize).copied().unwrap_or(f32::NAN);
                    }
                }
                (Reading::Number { .. }, Column::Category(_)) | (Reading::Category { .. }, Column::Number(_)) => {
                    return Err(OutlierError::ColumnKind(name.clone()));
                }
            }
        }
        Ok(Table { width, values })
    }

    pub(crate) fn is_number(&self, column: usize) -> bool {
        matches!(self.readings.get(column), Some(Reading::Number { .. }))
    }

    /// Per column: the surprise of the value by itself. `NaN` in, the surprise of a missing value out.
    pub(crate) fn marginal(&self, column: usize, value: f32) -> f64 {
        match &self.readings[column] {
            Reading::Number { upper, lower, missing, .. } => {
                if value.is_nan() {
                    return f64::from(*missing);
                }
                // Two tails: a surprise of one is halved in probability.
                let value = f64::from(value);
                (upper.surprise(value).max(lower.surprise(-value)) - std::f64::consts::LN_2).max(0.0)
            }
            Reading::Category { rarity, missing, .. } => {
                if value.is_nan() {
                    return f64::from(*missing);
                }
                f64::from(rarity.get(value as usize).copied().unwrap_or(0.0))
            }
        }
    }
}

impl Reading {
    /// The standardised value; infinities become the largest value, so that they are seen as far out.
    pub(crate) fn number(&self, value: f64) -> f32 {
        match self {
            Self::Number { log, centre, scale, .. } => {
                if value.is_nan() {
                    return f32::NAN;
                }
                let read = if *log { signed_log(value) } else { value };
                (((read - f64::from(*centre)) / f64::from(*scale)) as f32).clamp(-Z_MAX, Z_MAX)
            }
            Self::Category { .. } => f32::NAN,
        }
    }

    /// The code of a level; a new level is one beyond the rarest.
    pub(crate) fn level(&self, level: &str) -> f32 {
        match self {
            Self::Number { .. } => f32::NAN,
            Self::Category { levels, .. } => levels.get(level).map_or(levels.len() as f32, |&code| code as f32),
        }
    }

    /// How many levels the trusted rows had; 0 for numbers.
    pub(crate) fn levels(&self) -> usize {
        match self {
            Self::Number { .. } => 0,
            Self::Category { levels, .. } => levels.len(),
        }
    }
}

fn moments(values: &[f64]) -> (f64, f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let third = values.iter().map(|value| (value - mean).powi(3)).sum::<f64>() / count;
    let skew = if deviation > 0.0 { third / deviation.powi(3) } else { 0.0 };
    (mean, deviation, skew)
}

fn number(values: &[f64]) -> Reading {
    let plain = sorted_finite(values.iter().copied());
    let (_, _, skew) = moments(&plain);
    let logs: Vec<f64> = plain.iter().map(|&value| signed_log(value)).collect();
    let (_, _, log_skew) = moments(&logs);
    // `NaN` skew (overflow of huge values) takes the logarithm.
    let log = skew.is_nan() || (skew.abs() > SKEW_FOR_LOG && log_skew.abs() < skew.abs());
    let read = if log { logs } else { plain };
    // Winsorised moments: one row in a hundred on either side cannot move them far.
    let (low, high) = (quantile(&read, 0.01), quantile(&read, 0.99));
    // Two quantiles between the same neighbours may cross by a rounding, for which `clamp` would panic.
    let cut: Vec<f64> = read.iter().map(|value| value.max(low).min(high)).collect();
    let (mean, deviation, _) = moments(&cut);
    let centre = if mean.is_finite() { mean as f32 } else { 0.0 };
    let floor = (f64::from(centre).abs() * 1e-6).max(1e-9);
    let scale = if deviation.is_finite() { deviation.max(floor) as f32 } else { 1.0 };
    let blank = Reading::Number {
        log,
        centre,
        scale,
        upper: Curve::fit([], 1.0),
        lower: Curve::fit([], 1.0),
        missing: share_surprise(values.iter().filter(|value| value.is_nan()).count(), values.len()),
    };
    let standard: Vec<f64> = values.iter().map(|&value| f64::from(blank.number(value))).collect();
    // A twentieth of a deviation: beyond a hard edge (tenure 72) the tail is that short.
    let upper = Curve::fit(standard.iter().copied(), 0.05);
    let lower = Curve::fit(standard.iter().map(|value| -value), 0.05);
    match blank {
        Reading::Number { log, centre, scale, missing, .. } => Reading::Number { log, centre, scale, upper, lower, missing },
        Reading::Category { .. } => blank,
    }
}

fn category(categories: &frame::Categories) -> Reading {
    let mut counts = vec![0_usize; categories.levels.len()];
    let mut missing = 0;
    for &code in &categories.codes {
        match counts.get_mut(code as usize) {
            Some(count) if code != MISSING => *count += 1,
            Some(_) | None => missing += 1,
        }
    }
    let rows = categories.codes.len();
    let mut order: Vec<(usize, &String)> =
        counts.iter().copied().zip(&categories.levels).filter(|(count, _)| *count > 0).collect();
    order.sort_by(|(a, x), (b, y)| b.cmp(a).then(x.cmp(y)));
    let mut rarity: Vec<f32> = order
        .iter()
        .map(|(count, _)| share_surprise(order.iter().map(|(other, _)| *other).filter(|other| other <= count).sum(), rows))
        .collect();
    // A level never seen is as surprising as two independent events that were never seen.
    rarity.push(2.0 * share_surprise(0, rows));
    let levels =
        order.iter().enumerate().map(|(code, (_, level))| ((*level).clone(), u32::try_from(code).unwrap_or(MISSING))).collect();
    Reading::Category { levels, rarity, missing: share_surprise(missing, rows) }
}
