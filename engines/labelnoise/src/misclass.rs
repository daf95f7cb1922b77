//! How many labels were turned around, and which: a logistic model of the true label seen through a channel that turns some of either
//! kind around (Hausman, Abrevaya and Scott-Morton 1998). It tells an insider who hides churners from labels that are wrong at random,
//! which no threshold on a model's confidence does (T6).
//!
//! P(label = 1 | x) = invented + (1 - invented - hidden) * logistic(x'b). Where no row is sure to churn, `hidden` rests on the logistic
//! form alone; it is an estimate for ranking, and no test.

use learn::calibrate::logistic;
use serde::{Deserialize, Serialize};

use crate::law::length;

/// Most rows that the channel is fitted to; of more, every n-th in their order.
const ROWS_MAX: usize = 20_000;
/// Rounds of expectation and maximisation (Dempster, Laird and Rubin 1977).
const ROUNDS_MAX: u32 = 400;
/// A round that moves both shares by less ends them.
const SETTLED: f64 = 1e-6;
/// Newton's steps of the first fit, which takes labels as they are.
const FIRST_STEPS: u32 = 12;
/// Starts: shares of (hidden, invented); the likeliest end is taken, as there may be several.
const STARTS: [(f64, f64); 4] = [(0.02, 0.02), (0.1, 0.002), (0.25, 0.002), (0.002, 0.1)];
/// Limits of either share. The lower end keeps rows of a class in order where none of it seems wrong.
const SHARES: (f64, f64) = (1e-4, 0.45);
/// Penalty on squared slopes, per row, so that like columns share theirs.
const RIDGE: f64 = 1e-6;
/// Farthest that a slope moves in one step.
const STEP_MAX: f64 = 2.0;
/// Columns, the constant included.
const COLUMNS_MAX: usize = 4;

/// Shares of true labels that were turned around, as far as the labels themselves tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turned {
    /// Of true churners, those whose label says "stayed".
    pub hidden: f64,
    /// Of those who stayed, those whose label says "churned".
    pub invented: f64,
}

/// The fitted channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Channel {
    pub(crate) turned: Turned,
    slopes: [f64; COLUMNS_MAX],
    /// What is subtracted from each column, and what it is divided by.
    scales: [(f64, f64); COLUMNS_MAX],
}

/// A row: a constant and up to three scores; unused places hold 0.
pub(crate) type Row = [f64; COLUMNS_MAX];

impl Channel {
    /// Fits the channel to scores of rows that the labels did not teach.
    pub(crate) fn fit(rows: &[Row], labels: &[bool]) -> Self {
        let step = rows.len().div_ceil(ROWS_MAX).max(1);
        let scales = scales(rows);
        let known: Vec<(Row, bool)> =
            rows.iter().zip(labels).step_by(step).map(|(row, label)| (scaled(row, &scales), *label)).collect();
        let mut first = [0.0; COLUMNS_MAX];
        let plain: Vec<f64> = known.iter().map(|(_, label)| f64::from(u8::from(*label))).collect();
        (0..FIRST_STEPS).for_each(|_| newton(&mut first, &known, &plain));
        let ends = STARTS.map(|(hidden, invented)| climbed(Turned { hidden, invented }, first, &known));
        let best = ends.into_iter().fold(None, |best: Option<(f64, Turned, Row)>, end| match best {
            Some(best) if best.0 >= end.0 => Some(best),
            _ => Some(end),
        });
        let (_, turned, slopes) = best.unwrap_or_default();
        Self { turned, slopes, scales }
    }

    /// The probability that the true label is 1, without a look at the given one.
    pub(crate) fn chance(&self, row: &Row) -> f64 {
        chance(&self.slopes, &scaled(row, &self.scales))
    }

    /// The probability that the given label is not the true one.
    pub(crate) fn wrong(&self, row: &Row, label: bool) -> f64 {
        let chance = self.chance(row);
        let truth = truth(chance, label, self.turned);
        if label { 1.0 - truth } else { truth }
    }
}

fn scales(rows: &[Row]) -> [(f64, f64); COLUMNS_MAX] {
    let all = length(rows.len()).max(1.0);
    // The constant stays what it is.
    std::array::from_fn(|column| {
        if column == 0 {
            return (0.0, 1.0);
        }
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / all;
        let deviation = (rows.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / all).sqrt();
        (mean, if deviation > 1e-9 { deviation } else { 1.0 })
    })
}

fn scaled(row: &Row, scales: &[(f64, f64); COLUMNS_MAX]) -> Row {
    std::array::from_fn(|column| (row[column] - scales[column].0) / scales[column].1)
}

fn chance(slopes: &Row, row: &Row) -> f64 {
    logistic(slopes.iter().zip(row).map(|(slope, value)| slope * value).sum())
}

/// The probability that the true label is 1 where the given one is known.
fn truth(chance: f64, label: bool, turned: Turned) -> f64 {
    let (one, zero) = if label {
        ((1.0 - turned.hidden) * chance, turned.invented * (1.0 - chance))
    } else {
        (turned.hidden * chance, (1.0 - turned.invented) * (1.0 - chance))
    };
    if one + zero > 0.0 { one / (one + zero) } else { chance }
}

/// From a start to where the likelihood rises no more: its logarithm, the shares, the slopes.
fn climbed(mut turned: Turned, mut slopes: Row, known: &[(Row, bool)]) -> (f64, Turned, Row) {
    for _ in 0..ROUNDS_MAX {
        let truths: Vec<f64> = known.iter().map(|(row, label)| truth(chance(&slopes, row), *label, turned)).collect();
        let share = |wanted: bool| {
            let of = |truth: f64| if wanted { truth } else { 1.0 - truth };
            let all: f64 = truths.iter().map(|truth| of(*truth)).sum();
            let gone = known.iter().zip(&truths).filter(|((_, label), _)| *label != wanted);
            (gone.map(|(_, truth)| of(*truth)).sum::<f64>() / all.max(1e-9)).clamp(SHARES.0, SHARES.1)
        };
        let next = Turned { hidden: share(true), invented: share(false) };
        newton(&mut slopes, known, &truths);
        let moved = (next.hidden - turned.hidden).abs().max((next.invented - turned.invented).abs());
        turned = next;
        if moved < SETTLED {
            break;
        }
    }
    let likelihood = known.iter().map(|(row, label)| {
        let chance = chance(&slopes, row);
        let one = turned.invented * (1.0 - chance) + (1.0 - turned.hidden) * chance;
        libm::log(if *label { one } else { 1.0 - one }.max(1e-300))
    });
    (likelihood.sum(), turned, slopes)
}

/// One of Newton's steps of a logistic regression on soft labels.
fn newton(slopes: &mut Row, known: &[(Row, bool)], truths: &[f64]) {
    let mut gradient = [0.0; COLUMNS_MAX];
    let mut bend = [[0.0; COLUMNS_MAX]; COLUMNS_MAX];
    for ((row, _), truth) in known.iter().zip(truths) {
        let chance = chance(slopes, row);
        let weight = (chance * (1.0 - chance)).max(1e-9);
        for column in 0..COLUMNS_MAX {
            gradient[column] += (truth - chance) * row[column];
            for other in 0..=column {
                bend[column][other] += weight * row[column] * row[other];
            }
        }
    }
    let ridge = RIDGE * length(known.len()).max(1.0);
    for column in 0..COLUMNS_MAX {
        gradient[column] -= ridge * slopes[column];
        bend[column][column] += ridge;
    }
    let step = solved(bend, gradient);
    slopes.iter_mut().zip(step).for_each(|(slope, step)| {
        if step.is_finite() {
            *slope += step.clamp(-STEP_MAX, STEP_MAX);
        }
    });
}

/// Solves `bend * x = gradient` by Cholesky's factors, of which the lower half is given.
fn solved(mut bend: [[f64; COLUMNS_MAX]; COLUMNS_MAX], mut out: Row) -> Row {
    for column in 0..COLUMNS_MAX {
        for row in column..COLUMNS_MAX {
            let inner: f64 = (0..column).map(|at| bend[row][at] * bend[column][at]).sum();
            let value = bend[row][column] - inner;
            bend[row][column] = if row == column { value.max(1e-300).sqrt() } else { value / bend[column][column] };
        }
    }
    for row in 0..COLUMNS_MAX {
        let inner: f64 = (0..row).map(|at| bend[row][at] * out[at]).sum();
        out[row] = (out[row] - inner) / bend[row][row];
    }
    for row in (0..COLUMNS_MAX).rev() {
        let inner: f64 = (row + 1..COLUMNS_MAX).map(|at| bend[at][row] * out[at]).sum();
        out[row] = (out[row] - inner) / bend[row][row];
    }
    out
}

#[cfg(test)]
mod tests {
    use learn::rng::Rng;

    use super::*;

    /// Rows with a score, a copy of it, and labels through a channel.
    fn drawn(rows: usize, turned: Turned, seed: u64) -> (Vec<Row>, Vec<bool>) {
        let mut rng = Rng::new(seed);
        let one = |rng: &mut Rng| {
            let score = (0..6).map(|_| rng.unit()).sum::<f64>() * 3.0 - 10.5;
            let truth = rng.unit() < logistic(1.3 * score + 0.2);
            let away = rng.unit() < if truth { turned.hidden } else { turned.invented };
            ([1.0, score, 2.0 * score - 1.0, 0.0], truth ^ away)
        };
        (0..rows).map(|_| one(&mut rng)).unzip()
    }

    #[test]
    fn the_channel_is_found() {
        for (hidden, invented) in [(0.0, 0.0), (0.05, 0.05), (0.2, 0.0), (0.0, 0.1)] {
            let (rows, labels) = drawn(8_000, Turned { hidden, invented }, 5);
            let found = Channel::fit(&rows, &labels);
            assert!((found.turned.hidden - hidden).abs() < 0.04, "{hidden} {invented}: {:?}", found.turned);
            assert!((found.turned.invented - invented).abs() < 0.02, "{hidden} {invented}: {:?}", found.turned);
            let expected = logistic(1.3 * -2.0 + 0.2);
            assert!((found.chance(&[1.0, -2.0, -5.0, 0.0]) - expected).abs() < 0.03);
        }
    }

    #[test]
    fn wrong_labels_stand_out_in_the_class_where_they_are() {
        let (rows, labels) = drawn(8_000, Turned { hidden: 0.2, invented: 0.0 }, 6);
        let found = Channel::fit(&rows, &labels);
        let (sure, unsure) = ([1.0, 3.0, 5.0, 0.0], [1.0, -3.0, -7.0, 0.0]);
        assert!(found.wrong(&sure, false) > 0.5, "{}", found.wrong(&sure, false));
        assert!(found.wrong(&unsure, true) < 0.35, "{}", found.wrong(&unsure, true));
    }

    #[test]
    fn rows_without_any_use_do_no_harm() {
        for (rows, labels) in [
            (vec![], vec![]),
            (vec![[1.0, 0.0, 0.0, 0.0]; 9], vec![true; 9]),
            (vec![[1.0, 5.0, 5.0, 5.0]; 50], (0..50).map(|row| row % 3 == 0).collect()),
            (
                (0..60).map(|row| [1.0, if row < 30 { -9.0 } else { 9.0 }, 0.0, 0.0]).collect(),
                (0..60).map(|row| row >= 30).collect(),
            ),
        ] {
            let found = Channel::fit(&rows, &labels);
            for (row, label) in rows.iter().zip(labels) {
                assert!((0.0..=1.0).contains(&found.wrong(row, label)));
            }
        }
    }
}
