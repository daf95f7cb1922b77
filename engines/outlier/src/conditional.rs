//! Judges each value by what the other columns say it should be: rows whose every value is ordinary but whose combination
//! is not, which is how a row of high value is disguised as one of low value (T1).

use serde::{Deserialize, Serialize};

use crate::encode::{Encoder, Table};
use crate::forest::Forest;
use crate::linear::Linear;
use crate::stats::Curve;
use crate::{CLASSES_MAX, CONDITIONAL_COLUMNS_MAX, OutlierError};

/// Residuals are read as logarithms; this is the smallest one that counts, in standard deviations.
const RESIDUAL_FLOOR: f64 = 1e-4;
/// The least probability that a class model may give.
const PROBABILITY_FLOOR: f64 = 1e-6;
/// Smallest scale of the tail of a log-residual or log-probability curve.
const TAIL_FLOOR: f64 = 0.1;
/// Pairs of categories are tabulated up to so many levels each.
const PAIR_LEVELS_MAX: usize = 64;
/// Pairs of categories that are tabulated.
const PAIRS_MAX: usize = 1_000;
/// A pair scores from here on: `e` times rarer than under independence.
const PAIR_FROM: f64 = 1.0;

/// What predicts one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Predictor {
    /// A number: its place in the linear part, and trees on what the linear part leaves.
    Number { place: u32, trees: Forest },
    /// A declared critical category: class probabilities.
    Class { classes: u32, trees: Forest },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Conditional {
    column: u32,
    predictor: Predictor,
    curve: Curve,
}

/// All predicted columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conditionals {
    columns: Vec<Conditional>,
}

/// Scratch space of one row, so that the serving path allocates nothing.
#[derive(Default)]
pub(crate) struct Scratch {
    row: Vec<f32>,
    pub(crate) centred: Vec<f32>,
    margins: Vec<f32>,
}

impl Conditionals {
    /// Trains on `fit` rows, calibrates each column on `curve` rows.
    pub(crate) fn fit(
        encoder: &Encoder,
        linear: &Linear,
        critical: &[usize],
        fit: &Table,
        curve: &Table,
        seed: u64,
    ) -> Result<Self, OutlierError> {
        let mut out = Self { columns: Vec::new() };
        let numbers = linear.numbers().iter().enumerate().map(|(place, &column)| (column as usize, Some(place)));
        let classes = critical.iter().filter(|&&column| !encoder.is_number(column)).map(|&column| (column, None));
        for (column, place) in classes.chain(numbers).take(CONDITIONAL_COLUMNS_MAX) {
            if let Some(predictor) = train_one(encoder, linear, fit, column, place, seed)? {
                out.columns.push(Conditional { column: column as u32, predictor, curve: Curve::fit([], 1.0) });
            }
        }
        let mut scratch = Scratch::default();
        for at in 0..out.columns.len() {
            let scores: Vec<f64> = (0..curve.rows())
                .filter_map(|row| {
                    linear.centred(curve.row(row), &mut scratch.centred);
                    out.columns[at].raw(linear, curve.row(row), &mut scratch)
                })
                .collect();
            out.columns[at].curve = Curve::fit(scores, TAIL_FLOOR);
        }
        Ok(out)
    }

    /// `sum + 2 x max` of the columns' surprises, the largest surprise, and its column. `scratch.centred` must hold the row.
    pub(crate) fn score(&self, linear: &Linear, row: &[f32], scratch: &mut Scratch) -> (f64, f64, Option<usize>) {
        let (mut total, mut worst, mut column) = (0.0, 0.0, None);
        for one in &self.columns {
            let Some(raw) = one.raw(linear, row, scratch) else { continue };
            let surprise = one.curve.surprise(raw);
            total += surprise;
            if surprise > worst {
                (worst, column) = (surprise, Some(one.column as usize));
            }
        }
        (total + 2.0 * worst, worst, column)
    }

    /// Whether every column stands in a row of that width.
    pub(crate) fn is_sound(&self, width: usize) -> bool {
        self.columns.iter().all(|one| (one.column as usize) < width)
    }
}

fn train_one(
    encoder: &Encoder,
    linear: &Linear,
    fit: &Table,
    column: usize,
    place: Option<usize>,
    seed: u64,
) -> Result<Option<Predictor>, OutlierError> {
    let usable: Vec<usize> = (0..fit.rows()).filter(|&row| !fit.row(row)[column].is_nan()).collect();
    if usable.len() < crate::CONDITIONAL_ROWS_MIN {
        return Ok(None);
    }
    let mut inputs = fit.take(&usable);
    let mut targets: Vec<f32> = inputs.column(column).collect();
    let mut classes = 1;
    if let Some(place) = place {
        let mut centred = Vec::new();
        for (row, target) in targets.iter_mut().enumerate() {
            linear.centred(inputs.row(row), &mut centred);
            // Far values are cut: one wild trusted row must not spend the trees.
            *target = (*target - linear.predict(place, &centred)).clamp(-8.0, 8.0);
        }
    } else {
        classes = encoder.readings[column].levels();
        if !(2..=CLASSES_MAX).contains(&classes) {
            return Ok(None);
        }
        // A level that only calibration rows hold cannot come here: the encoder saw both parts.
        targets.iter_mut().for_each(|target| *target = target.min((classes - 1) as f32));
    }
    for row in 0..inputs.rows() {
        inputs.values[row * inputs.width + column] = f32::NAN;
    }
    let trees = Forest::fit(&inputs, &targets, classes, seed)?;
    Ok(Some(match place {
        Some(place) => Predictor::Number { place: place as u32, trees },
        None => Predictor::Class { classes: classes as u32, trees },
    }))
}

impl Conditional {
    /// Log-residual of a number, or `-ln p` of the class; `None` where the value is missing.
    fn raw(&self, linear: &Linear, row: &[f32], scratch: &mut Scratch) -> Option<f64> {
        let column = self.column as usize;
        let value = row.get(column).copied().filter(|value| !value.is_nan())?;
        scratch.row.clear();
        scratch.row.extend_from_slice(row);
        scratch.row[column] = f32::NAN;
        match &self.predictor {
            Predictor::Number { place, trees } => {
                trees.margins(&scratch.row, &mut scratch.margins);
                let expected =
                    linear.predict(*place as usize, &scratch.centred) + scratch.margins.first().copied().unwrap_or(0.0);
                Some((f64::from((value - expected).abs()) + RESIDUAL_FLOOR).ln())
            }
            Predictor::Class { classes, trees } => {
                trees.margins(&scratch.row, &mut scratch.margins);
                let largest = scratch.margins.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let total: f64 = scratch.margins.iter().map(|&margin| f64::from(margin - largest).exp()).sum();
                let own = scratch.margins.get(value as usize).filter(|_| (value as u32) < *classes);
                let p = own.map_or(0.0, |&margin| f64::from(margin - largest).exp() / total);
                Some(-p.max(PROBABILITY_FLOOR).ln())
            }
        }
    }
}

/// Counts of pairs of levels in trusted rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pairs {
    tables: Vec<PairTable>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PairTable {
    columns: (u32, u32),
    levels: (u32, u32),
    /// `ln(expected + 1) - ln(seen + 1)` per pair of codes, cut at 0.
    rarity: Vec<f32>,
}

impl Pairs {
    pub(crate) fn fit(encoder: &Encoder, table: &Table) -> Self {
        let categories: Vec<(usize, usize)> = encoder
            .readings
            .iter()
            .enumerate()
            .map(|(at, reading)| (at, reading.levels()))
            .filter(|&(_, levels)| (2..=PAIR_LEVELS_MAX).contains(&levels))
            .collect();
        let mut tables = Vec::new();
        for (at, &(a, a_levels)) in categories.iter().enumerate() {
            for &(b, b_levels) in &categories[at + 1..] {
                if tables.len() < PAIRS_MAX {
                    tables.push(pair_table(table, (a, a_levels), (b, b_levels)));
                }
            }
        }
        Self { tables }
    }

    /// The largest and the summed rarity of the row's pairs, and a column of the rarest.
    pub(crate) fn score(&self, row: &[f32]) -> (f64, Option<usize>) {
        let (mut total, mut worst, mut column) = (0.0, 0.0, None);
        for table in &self.tables {
            let (a, b) = (row.get(table.columns.0 as usize), row.get(table.columns.1 as usize));
            let (Some(&a), Some(&b)) = (a, b) else { continue };
            if a.is_nan() || b.is_nan() || a >= table.levels.0 as f32 || b >= table.levels.1 as f32 {
                continue;
            }
            let at = a as usize * table.levels.1 as usize + b as usize;
            let rarity = f64::from(table.rarity.get(at).copied().unwrap_or(0.0));
            total += (rarity - PAIR_FROM).max(0.0);
            if rarity > worst {
                (worst, column) = (rarity, Some(table.columns.0 as usize));
            }
        }
        (total + worst, column)
    }
}

fn pair_table(table: &Table, (a, a_levels): (usize, usize), (b, b_levels): (usize, usize)) -> PairTable {
    let mut counts = vec![0.0_f64; a_levels * b_levels];
    let (mut a_counts, mut b_counts, mut rows) = (vec![0.0; a_levels], vec![0.0; b_levels], 0.0_f64);
    for row in 0..table.rows() {
        let (x, y) = (table.row(row)[a], table.row(row)[b]);
        if x.is_nan() || y.is_nan() || x as usize >= a_levels || y as usize >= b_levels {
            continue;
        }
        counts[x as usize * b_levels + y as usize] += 1.0;
        a_counts[x as usize] += 1.0;
        b_counts[y as usize] += 1.0;
        rows += 1.0;
    }
    let rarity = (0..a_levels * b_levels)
        .map(|at| {
            let expected: f64 = a_counts[at / b_levels] * b_counts[at % b_levels] / rows.max(1.0);
            ((expected + 1.0).ln() - (counts[at] + 1.0).ln()).max(0.0) as f32
        })
        .collect();
    PairTable { columns: (a as u32, b as u32), levels: (a_levels as u32, b_levels as u32), rarity }
}
