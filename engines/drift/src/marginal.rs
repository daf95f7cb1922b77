//! Compares each column with a *fixed* reference: a drift that creeps in window by window is invisible to a comparison with
//! the window before, and plain against the reference (T5).

use std::collections::BTreeMap;

use frame::{Column, Frame};
use serde::{Deserialize, Serialize};

/// Quantile bins of the population stability index.
const BINS: usize = 10;
/// Trusted values kept per number for the Kolmogorov-Smirnov test: the distance is then known to about 0.01.
const SAMPLE_MAX: usize = 5_000;
/// Levels kept per category; the rest count as one.
const LEVELS_MAX: usize = 200;
/// Added to shares, so that an empty bin has a finite index.
const SHARE_FLOOR: f64 = 1e-4;
/// The index of a column that the window lacks: above all that shares cut at the floor can give (about 18).
pub const PSI_ABSENT: f64 = 100.0;
/// Terms of the Kolmogorov series.
const SERIES_TERMS: usize = 100;

/// What the reference holds of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Marginal {
    /// Sorted values and the edges between bins.
    Number { sorted: Vec<f32>, edges: Vec<f32>, shares: Vec<f32>, rows: u64 },
    /// Share of each level.
    Category { shares: BTreeMap<String, f32>, other: f32, missing: f32, rows: u64 },
}

/// Trusted columns, kept once and compared for ever.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FixedReference {
    columns: Vec<(String, Marginal)>,
}

/// How far one column of a window lies from the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnShift {
    /// The column's name.
    pub column: String,
    /// Population stability index over ten quantile bins and the missing values (levels for categories); below 0.1 is
    /// usually called stable, above 0.25 moved (Siddiqi 2006). [`PSI_ABSENT`] where the window lacks the column.
    pub psi: f64,
    /// Largest distance of the two distribution functions, 0 to 1 (for categories: total variation).
    pub distance: f64,
    /// P-value of the two-sample Kolmogorov-Smirnov test (for categories: the same tail at the largest gap of a level);
    /// asymptotic, advisory.
    pub p_value: f64,
}

fn index(expected: impl Iterator<Item = f64>, seen: impl Iterator<Item = f64>) -> f64 {
    expected
        .zip(seen)
        .map(|(expected, seen)| {
            let (expected, seen) = (expected.max(SHARE_FLOOR), seen.max(SHARE_FLOOR));
            (seen - expected) * (seen / expected).ln()
        })
        .sum()
}

/// P(the Kolmogorov distribution exceeds `statistic`), the series of Kolmogorov (1933).
fn kolmogorov_tail(statistic: f64) -> f64 {
    if statistic < 0.2 {
        return 1.0;
    }
    let mut total = 0.0;
    let mut sign = 1.0;
    for term in 1..=SERIES_TERMS {
        let value = (-2.0 * (term as f64 * statistic).powi(2)).exp();
        total += sign * value;
        sign = -sign;
        if value < 1e-12 {
            break;
        }
    }
    (2.0 * total).clamp(0.0, 1.0)
}

/// The two-sample Kolmogorov-Smirnov distance of two sorted lists and its asymptotic p-value; `(0, 1)` if one is empty.
/// Values must be sorted and without `NaN`.
pub fn kolmogorov_smirnov(first: &[f64], second: &[f64]) -> (f64, f64) {
    if first.is_empty() || second.is_empty() {
        return (0.0, 1.0);
    }
    let (n, m) = (first.len() as f64, second.len() as f64);
    let (mut i, mut j, mut distance) = (0, 0, 0.0_f64);
    while i < first.len() && j < second.len() {
        let value = first[i].min(second[j]);
        while i < first.len() && first[i] <= value {
            i += 1;
        }
        while j < second.len() && second[j] <= value {
            j += 1;
        }
        distance = distance.max((i as f64 / n - j as f64 / m).abs());
    }
    let size = (n * m / (n + m)).sqrt();
    (distance, kolmogorov_tail((size + 0.12 + 0.11 / size) * distance))
}

fn sorted_numbers(values: &[f64]) -> Vec<f64> {
    // Cut to what `f32` holds: the reference is kept in that width, and JSON has no infinity.
    let (least, most) = (f64::from(f32::MIN), f64::from(f32::MAX));
    let mut out: Vec<f64> = values.iter().filter(|value| !value.is_nan()).map(|value| value.clamp(least, most)).collect();
    out.sort_by(f64::total_cmp);
    out
}

/// Shares of each bin and, last, of the missing values. A bin holds the values above its lower edge up to its upper edge.
fn bin_shares(values: &[f64], edges: &[f32]) -> Vec<f64> {
    let mut counts = vec![0.0; edges.len() + 2];
    for value in values {
        let bin = if value.is_nan() { edges.len() + 1 } else { edges.partition_point(|&edge| f64::from(edge) < *value) };
        counts[bin] += 1.0;
    }
    let rows = values.len().max(1) as f64;
    counts.into_iter().map(|count| count / rows).collect()
}

fn number(values: &[f64]) -> Marginal {
    let sorted = sorted_numbers(values);
    let last = sorted.len().saturating_sub(1);
    let keep = sorted.len().min(SAMPLE_MAX);
    let sample = (0..keep).map(|at| sorted[at * last / keep.saturating_sub(1).max(1)] as f32).collect();
    let mut edges: Vec<f32> =
        if sorted.is_empty() { Vec::new() } else { (1..BINS).map(|bin| sorted[last * bin / BINS] as f32).collect() };
    edges.dedup();
    let shares = bin_shares(values, &edges).into_iter().map(|share| share as f32).collect();
    Marginal::Number { sorted: sample, edges, shares, rows: values.len() as u64 }
}

fn level_shares(categories: &frame::Categories) -> (BTreeMap<&str, f64>, f64) {
    let rows = categories.codes.len().max(1) as f64;
    let mut counts = vec![0.0_f64; categories.levels.len()];
    let mut missing = 0.0_f64;
    for &code in &categories.codes {
        match counts.get_mut(code as usize) {
            Some(count) => *count += 1.0,
            None => missing += 1.0,
        }
    }
    let mut shares = BTreeMap::new();
    for (level, count) in categories.levels.iter().zip(counts) {
        *shares.entry(level.as_str()).or_insert(0.0) += count / rows;
    }
    (shares, missing / rows)
}

fn category(categories: &frame::Categories) -> Marginal {
    let (shares, missing) = level_shares(categories);
    let mut order: Vec<(&str, f64)> = shares.into_iter().filter(|(_, share)| *share > 0.0).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let other: f64 = order.iter().skip(LEVELS_MAX).map(|(_, share)| share).sum();
    let shares = order.into_iter().take(LEVELS_MAX).map(|(level, share)| (level.to_owned(), share as f32)).collect();
    Marginal::Category { shares, other: other as f32, missing: missing as f32, rows: categories.codes.len() as u64 }
}

impl FixedReference {
    /// Learns the columns of trusted rows.
    pub fn fit(trusted: &Frame) -> Self {
        let columns = trusted
            .iter()
            .map(|(name, column)| {
                let marginal = match column {
                    Column::Number(values) => number(values),
                    Column::Category(categories) => category(categories),
                };
                (name.to_owned(), marginal)
            })
            .collect();
        Self { columns }
    }

    /// Compares a window with the reference, column by column in the order of the reference. A column that the window lacks
    /// or holds in another kind has `psi` [`PSI_ABSENT`], `distance` 1 and `p_value` 0; an empty window has no shift.
    pub fn compare(&self, window: &Frame) -> Vec<ColumnShift> {
        if window.rows() == 0 {
            return Vec::new();
        }
        self.columns
            .iter()
            .map(|(name, marginal)| {
                let (psi, distance, p_value) = match (marginal, window.column(name)) {
                    (Marginal::Number { sorted, edges, shares, rows }, Some(Column::Number(values))) => {
                        number_shift(sorted, edges, shares, *rows, values)
                    }
                    (Marginal::Category { shares, other, missing, rows }, Some(Column::Category(categories))) => {
                        category_shift(shares, *other, *missing, *rows, categories)
                    }
                    (Marginal::Number { .. } | Marginal::Category { .. }, _) => (PSI_ABSENT, 1.0, 0.0),
                };
                ColumnShift { column: name.clone(), psi, distance, p_value }
            })
            .collect()
    }
}

fn number_shift(sorted: &[f32], edges: &[f32], shares: &[f32], rows: u64, values: &[f64]) -> (f64, f64, f64) {
    let psi = index(shares.iter().map(|&share| f64::from(share)), bin_shares(values, edges).into_iter());
    let known: Vec<f64> = sorted.iter().map(|&value| f64::from(value)).collect();
    // The window's values pass through `f32` as the reference's did, so that equal values stay equal.
    let seen =
        sorted_numbers(&values.iter().map(|&value| f64::from((value as f32).clamp(f32::MIN, f32::MAX))).collect::<Vec<_>>());
    let (distance, p_value) = kolmogorov_smirnov(&known, &seen);
    // All values missing on one side is the largest shift there is.
    if known.is_empty() != seen.is_empty() && rows > 0 { (psi, 1.0, 0.0) } else { (psi, distance, p_value) }
}

fn category_shift(
    shares: &BTreeMap<String, f32>,
    other: f32,
    missing: f32,
    rows: u64,
    categories: &frame::Categories,
) -> (f64, f64, f64) {
    let (seen, seen_missing) = level_shares(categories);
    let seen_other: f64 = seen.iter().filter(|(level, _)| !shares.contains_key(**level)).map(|(_, share)| share).sum();
    let expected: Vec<f64> = shares.values().copied().chain([other, missing]).map(f64::from).collect();
    let found: Vec<f64> =
        shares.keys().map(|level| seen.get(level.as_str()).copied().unwrap_or(0.0)).chain([seen_other, seen_missing]).collect();
    let psi = index(expected.iter().copied(), found.iter().copied());
    let distance = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
    let largest = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let (n, m) = (rows as f64, categories.codes.len() as f64);
    let size = if n + m > 0.0 { (n * m / (n + m)).sqrt() } else { 0.0 };
    (psi, distance, kolmogorov_tail(size * largest))
}
