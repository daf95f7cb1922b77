//! Reads a table through what trusted history taught: the same bins, the same levels; what is new stays visible as new (T1).

use std::collections::BTreeMap;

use frame::{Column, Frame};
use outlier::stats::{Curve, quantile, sorted_finite};
use serde::{Deserialize, Serialize};

use crate::{COLUMNS_MAX, LEVELS_MAX, ScreenError};

/// Bins of a number, by rank: a power of two times the coarse bins that trees see.
pub(crate) const BINS: usize = 248;
/// Coarse bins: fine bins by four.
pub(crate) const COARSE: usize = 64;
/// Coarse code of the rarer levels, which share one.
pub(crate) const RARE: u8 = 61;
/// Fine code of a level that history does not hold.
pub(crate) const NEW: u8 = 248;
/// Fine code of a missing value.
pub(crate) const MISSING: u8 = 252;
/// Inputs of predictors are cut here (standard deviations), so that one wild value does not make every other column look wrong.
pub(crate) const Z_MAX: f32 = 8.0;
/// Decimal places beyond which a column counts as having none.
const DECIMALS_MAX: i32 = 4;
/// Skew from which a number is also read as a logarithm.
const SKEW_FOR_LOG: f64 = 0.5;

/// How a number is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Number {
    /// Upper edges of the bins, half way between known values.
    pub(crate) edges: Vec<f64>,
    /// The rank of each bin, 0 to 247: what distances are measured in.
    pub(crate) places: Vec<u8>,
    pub(crate) centre: f64,
    pub(crate) scale: f64,
    /// The logarithm, where the column has one: what is added first, its centre and scale.
    pub(crate) log: Option<(f64, f64, f64)>,
    /// Surprise of large values and of small ones, in standard deviations.
    upper: Curve,
    lower: Curve,
    missing: f32,
    /// Decimal places of all values, if they have so few.
    pub(crate) decimals: Option<i32>,
    off_grid: f32,
    pub(crate) median: f64,
}

/// How a category is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Levels {
    /// Coarse code by level, 0 the commonest.
    pub(crate) codes: BTreeMap<String, u8>,
    /// Surprise by coarse code.
    rarity: Vec<f32>,
}

/// How one column is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reading {
    Number(Box<Number>),
    Levels(Levels),
}

/// All columns that are judged, in the order of history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Encoder {
    pub(crate) names: Vec<String>,
    pub(crate) readings: Vec<Reading>,
    /// Columns that are numbers, in order; features of the linear part stand in this order.
    pub(crate) numbers: Vec<u16>,
}

/// One column of a table, ready to be read row by row.
pub(crate) enum Source<'a> {
    Number(&'a [f64]),
    /// Numbers that were written as texts.
    Parsed(Vec<f64>),
    /// Codes, and the fine code of each.
    Levels(&'a [u32], Vec<u8>),
    /// Fine codes row by row: numbers where history has levels.
    Coded(Vec<u8>),
    Absent,
}

/// Rows of a chunk: fine codes column by column, and plain values of the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) rows: usize,
    /// `fine[column * rows + row]`.
    pub(crate) fine: Vec<u8>,
    /// `values[number * rows + row]`, not standardised; `NaN` is missing.
    pub(crate) values: Vec<f64>,
}

impl Chunk {
    pub(crate) fn column(&self, at: usize) -> &[u8] {
        &self.fine[at * self.rows..(at + 1) * self.rows]
    }

    pub(crate) fn number(&self, at: usize) -> &[f64] {
        &self.values[at * self.rows..(at + 1) * self.rows]
    }

    /// The chosen rows, in the chosen order.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        let gather = |all: usize| all.checked_div(self.rows.max(1)).unwrap_or(0);
        let (width, numbers) = (gather(self.fine.len()), gather(self.values.len()));
        Self {
            rows: rows.len(),
            fine: (0..width).flat_map(|at| rows.iter().map(move |&row| self.column(at)[row as usize])).collect(),
            values: (0..numbers).flat_map(|at| rows.iter().map(move |&row| self.number(at)[row as usize])).collect(),
        }
    }
}

/// The surprise of a share of `count` in `rows`, the new one counted in.
pub(crate) fn share_surprise(count: usize, rows: usize) -> f32 {
    -(((count + 1) as f64 / (rows + 1) as f64).ln()) as f32
}

/// A level as text: numbers as they would be written.
fn written(value: f64) -> String {
    format!("{value}")
}

impl Encoder {
    /// Learns how to read the columns that `judged` wants; those that `as_levels` names are categories whatever they hold.
    pub(crate) fn fit(golden: &Frame, judged: impl Fn(&str) -> bool, as_levels: &[String]) -> Result<Self, ScreenError> {
        let (mut names, mut readings, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for (name, column) in golden.iter().filter(|(name, _)| judged(name)) {
            let forced = as_levels.iter().any(|known| known == name);
            let reading = match column {
                Column::Number(values) if !forced => {
                    numbers.push(u16::try_from(names.len()).unwrap_or(u16::MAX));
                    Reading::Number(Box::new(number(values)))
                }
                Column::Number(values) => {
                    let texts: Vec<String> = values.iter().map(|value| written(*value)).collect();
                    let known = texts.iter().zip(values).map(|(text, value)| (!value.is_nan()).then_some(text.as_str()));
                    Reading::Levels(levels(name, known)?)
                }
                Column::Category(known) => Reading::Levels(levels(name, (0..known.codes.len()).map(|row| known.text(row)))?),
            };
            names.push(name.to_owned());
            readings.push(reading);
        }
        if names.is_empty() || names.len() > COLUMNS_MAX {
            return Err(ScreenError::Columns(names.len()));
        }
        Ok(Self { names, readings, numbers })
    }

    pub(crate) fn width(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn number(&self, column: usize) -> Option<&Number> {
        match self.readings.get(column) {
            Some(Reading::Number(number)) => Some(number),
            Some(Reading::Levels(_)) | None => None,
        }
    }

    /// The place of a column among the numbers.
    pub(crate) fn number_at(&self, column: usize) -> Option<usize> {
        self.numbers.iter().position(|&known| usize::from(known) == column)
    }

    /// Opens the columns of a table; what history has and the table lacks is [`Source::Absent`].
    pub(crate) fn open<'a>(&self, frame: &'a Frame) -> Vec<Source<'a>> {
        self.names
            .iter()
            .zip(&self.readings)
            .map(|(name, reading)| match (reading, frame.column(name)) {
                (_, None) => Source::Absent,
                (Reading::Number(_), Some(Column::Number(values))) => Source::Number(values),
                (Reading::Number(_), Some(Column::Category(known))) => {
                    let by_level: Vec<f64> = known.levels.iter().map(|text| text.trim().parse().unwrap_or(f64::NAN)).collect();
                    let of = |code: &u32| by_level.get(*code as usize).copied().unwrap_or(f64::NAN);
                    Source::Parsed(known.codes.iter().map(of).collect())
                }
                (Reading::Levels(levels), Some(Column::Category(known))) => {
                    Source::Levels(&known.codes, known.levels.iter().map(|level| levels.fine(level)).collect())
                }
                (Reading::Levels(levels), Some(Column::Number(values))) => Source::Coded(
                    values.iter().map(|value| if value.is_nan() { MISSING } else { levels.fine(&written(*value)) }).collect(),
                ),
            })
            .collect()
    }

    /// Reads rows `from..to` into `chunk`, whose space is used again.
    pub(crate) fn read(&self, sources: &[Source<'_>], from: usize, to: usize, chunk: &mut Chunk) {
        chunk.rows = to - from;
        chunk.fine.clear();
        chunk.values.clear();
        for (reading, source) in self.readings.iter().zip(sources) {
            match (reading, source) {
                (Reading::Number(number), Source::Number(values)) => number.read(&values[from..to], chunk),
                (Reading::Number(number), Source::Parsed(values)) => number.read(&values[from..to], chunk),
                (Reading::Number(_), _) => {
                    chunk.fine.resize(chunk.fine.len() + chunk.rows, MISSING);
                    chunk.values.resize(chunk.values.len() + chunk.rows, f64::NAN);
                }
                (Reading::Levels(_), Source::Levels(codes, fine)) => {
                    chunk.fine.extend(codes[from..to].iter().map(|&code| fine.get(code as usize).copied().unwrap_or(MISSING)));
                }
                (Reading::Levels(_), Source::Coded(fine)) => chunk.fine.extend_from_slice(&fine[from..to]),
                (Reading::Levels(_), _) => chunk.fine.resize(chunk.fine.len() + chunk.rows, MISSING),
            }
        }
    }
}

impl Number {
    fn read(&self, values: &[f64], chunk: &mut Chunk) {
        chunk.fine.extend(values.iter().map(|&value| self.bin(value)));
        chunk.values.extend_from_slice(values);
    }

    /// The fine code of a value.
    pub(crate) fn bin(&self, value: f64) -> u8 {
        if value.is_nan() { MISSING } else { self.edges.partition_point(|&edge| edge < value).min(BINS - 1) as u8 }
    }

    /// Standard deviations from the centre, not cut; `NaN` is missing.
    pub(crate) fn standard(&self, value: f64) -> f32 {
        (((value - self.centre) / self.scale) as f32).clamp(-1e6, 1e6)
    }

    /// The same of the logarithm.
    pub(crate) fn standard_log(&self, value: f64) -> Option<f32> {
        let (shift, centre, scale) = self.log?;
        Some((((logarithm(value, shift) - centre) / scale) as f32).clamp(-1e6, 1e6))
    }

    /// Whether the value has more decimal places than any of history.
    pub(crate) fn is_off_grid(&self, value: f64) -> bool {
        self.decimals.is_some_and(|decimals| !on_grid(value, decimals))
    }

    /// Whether the value is there, in the middle nine tenths of history, and no more exact: then its surprise is below 3 (`-ln 0.05`),
    /// and this is quicker to see.
    pub(crate) fn is_ordinary(&self, value: f64) -> bool {
        let z = f64::from(self.standard(value));
        !(value.is_nan() || self.upper.is_tail(z) || self.lower.is_tail(-z) || self.is_off_grid(value))
    }

    /// The surprise of the value by itself.
    pub(crate) fn surprise(&self, value: f64) -> f64 {
        if value.is_nan() {
            return f64::from(self.missing);
        }
        let z = f64::from(self.standard(value));
        let tail = if z > 0.0 { self.upper.surprise(z) } else { self.lower.surprise(-z) };
        let own = (tail - std::f64::consts::LN_2).max(0.0);
        if self.is_off_grid(value) { own.max(f64::from(self.off_grid)) } else { own }
    }
}

impl Levels {
    pub(crate) fn fine(&self, level: &str) -> u8 {
        self.codes.get(level).map_or(NEW, |&code| code * 4)
    }

    /// The surprise of a level by itself, by its fine code.
    pub(crate) fn surprise(&self, fine: u8) -> f64 {
        f64::from(self.rarity.get(usize::from(fine >> 2)).copied().unwrap_or(0.0))
    }

    /// The name of a coarse code; `None` where several share it.
    pub(crate) fn name(&self, coarse: u8) -> Option<&str> {
        self.codes.iter().find(|(_, code)| **code == coarse && coarse < RARE).map(|(level, _)| level.as_str())
    }
}

fn logarithm(value: f64, shift: f64) -> f64 {
    (value + shift).max(shift.max(1e-12) / 2.0).ln()
}

fn on_grid(value: f64, decimals: i32) -> bool {
    let scaled = value * 10_f64.powi(decimals);
    // What is written with a few decimals is read back to within some units in the last place of an `f64`.
    !scaled.is_finite() || (scaled - scaled.round()).abs() <= scaled.abs().max(1.0) * 1e-9
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let deviation = (values.clone().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let third = values.map(|value| (value - mean).powi(3)).sum::<f64>() / count;
    (mean, deviation, if deviation > 0.0 { third / deviation.powi(3) } else { 0.0 })
}

/// Winsorised centre and scale: one row in a hundred on either side cannot move them far.
fn location(sorted: &[f64]) -> (f64, f64) {
    let (low, high) = (quantile(sorted, 0.01), quantile(sorted, 0.99));
    let (mut mean, mut deviation, _) = moments(sorted.iter().map(|value| value.max(low).min(high)));
    if !(deviation > 0.0) {
        (mean, deviation, _) = moments(sorted.iter().copied());
    }
    let mean = if mean.is_finite() { mean } else { 0.0 };
    let floor = (mean.abs() * 1e-6).max(1e-9);
    (mean, if deviation.is_finite() { deviation.max(floor) } else { 1.0 })
}

fn number(values: &[f64]) -> Number {
    let sorted = sorted_finite(values.iter().copied());
    let (centre, scale) = location(&sorted);
    let mut distinct = sorted.clone();
    distinct.dedup();
    let mut edges: Vec<f64> = if distinct.len() <= BINS {
        distinct.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect()
    } else {
        (1..BINS).map(|bin| sorted[sorted.len() * bin / BINS]).collect()
    };
    edges.dedup();
    let rank = |bin: usize| {
        let from = bin.checked_sub(1).map_or(0, |at| sorted.partition_point(|value| *value <= edges[at]));
        let to = edges.get(bin).map_or(sorted.len(), |edge| sorted.partition_point(|value| value <= edge));
        ((from + to) * (BINS - 1) / (2 * sorted.len()).max(1)) as u8
    };
    let places = (0..=edges.len()).map(rank).collect();
    let decimals = (0..=DECIMALS_MAX).find(|&decimals| sorted.iter().all(|&value| on_grid(value, decimals)));
    let (_, _, skew) = moments(sorted.iter().copied());
    let least = sorted.first().copied().unwrap_or(0.0);
    // Logarithms need numbers that are not negative; the shift is half the least step above 0 where 0 itself is there.
    let positive = sorted.iter().copied().find(|value| *value > 0.0).unwrap_or(1.0);
    let shift = if least > 0.0 { 0.0 } else { positive / 2.0 };
    let log = (least >= 0.0 && (skew.abs() > SKEW_FOR_LOG || least > 0.0) && distinct.len() > 2).then(|| {
        let logs: Vec<f64> = sorted.iter().map(|&value| logarithm(value, shift)).collect();
        let (centre, scale) = location(&logs);
        (shift, centre, scale)
    });
    let blank = sorted.iter().map(|value| ((value - centre) / scale).clamp(-1e6, 1e6)).filter(|z| !z.is_nan());
    Number {
        edges,
        places,
        centre,
        scale,
        log,
        // A twentieth of a deviation: beyond a hard edge the tail is that short.
        upper: Curve::fit(blank.clone(), 0.05),
        lower: Curve::fit(blank.map(|value| -value), 0.05),
        missing: share_surprise(values.iter().filter(|value| value.is_nan()).count(), values.len()),
        decimals,
        off_grid: share_surprise(0, values.len()),
        median: if sorted.is_empty() { 0.0 } else { quantile(&sorted, 0.5) },
    }
}

fn levels<'a>(name: &str, texts: impl Iterator<Item = Option<&'a str>>) -> Result<Levels, ScreenError> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut missing, mut rows) = (0, 0);
    for text in texts {
        rows += 1;
        match text {
            Some(text) => *counts.entry(text).or_default() += 1,
            None => missing += 1,
        }
    }
    if counts.len() > LEVELS_MAX {
        return Err(ScreenError::Levels { column: name.to_owned(), found: counts.len() });
    }
    let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
    order.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
    let codes: BTreeMap<String, u8> =
        order.iter().enumerate().map(|(at, (level, _))| ((*level).to_owned(), at.min(usize::from(RARE)) as u8)).collect();
    // A level is as surprising as the share of levels that are at most as common.
    let at_most = |count: usize| order.iter().map(|(_, other)| *other).filter(|other| *other <= count).sum::<usize>();
    let mut rarity = vec![0.0; COARSE];
    for (at, (_, count)) in order.iter().enumerate().rev() {
        rarity[at.min(usize::from(RARE))] = share_surprise(at_most(*count), rows);
    }
    // A level never seen is as surprising as two independent events that were never seen.
    rarity[usize::from(NEW >> 2)] = 2.0 * share_surprise(0, rows);
    rarity[usize::from(MISSING >> 2)] = share_surprise(missing, rows);
    Ok(Levels { codes, rarity })
}

impl Encoder {
    /// Whether stored readings can be used without leaving a table.
    pub(crate) fn is_sound(&self) -> bool {
        self.readings.iter().all(|reading| match reading {
            Reading::Number(number) => {
                number.edges.len() < BINS
                    && number.places.len() == number.edges.len() + 1
                    && number.scale > 0.0
                    && number.log.is_none_or(|(_, _, scale)| scale > 0.0)
            }
            Reading::Levels(levels) => levels.rarity.len() == COARSE && levels.codes.values().all(|code| *code <= RARE),
        }) && self.numbers.iter().all(|&column| self.number(usize::from(column)).is_some())
            && self.numbers.len() == self.readings.iter().filter(|reading| matches!(reading, Reading::Number(_))).count()
            && self.numbers.windows(2).all(|pair| pair[0] < pair[1])
    }
}
