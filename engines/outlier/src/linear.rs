//! Covariance distance and linear prediction of each column from the others, both from one shrunk inverse: relations that
//! hold in trusted rows (`charge = rate x minutes`) and break in forged ones.

use crate::stats::inverse;
use serde::{Deserialize, Serialize};

use crate::encode::{Encoder, Table};

/// Levels of a category that the linear part sees (the commonest); trees see all.
const LEVELS_LINEAR: usize = 12;
/// Features of the linear part.
pub(crate) const FEATURES_MAX: usize = 256;
/// Share of the identity in the correlation matrix: the smallest that keeps `f32` coefficients exact to 1e-4.
const SHRINKAGE_MIN: f64 = 1e-4;
/// Standardised values are cut here while learning, so that one wild row cannot set the covariance.
const Z_LEARN_MAX: f32 = 8.0;

/// One input of the linear part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Feature {
    Number(u32),
    Level(u32, u32),
}

/// Inverse of the shrunk covariance, as its Cholesky factor and as regressions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Linear {
    features: Vec<Feature>,
    mean: Vec<f32>,
    /// Rows of the precision matrix of the numbers alone, row-major.
    precision: Vec<f32>,
    /// Columns of the numbers, in the order of `precision`.
    numbers: Vec<u32>,
    /// For each number, one coefficient per feature (0 for itself).
    coefficients: Vec<Vec<f32>>,
}

/// Covariance of centred rows, shrunk to the identity by the share of Ledoit and Wolf (2004), at least [`SHRINKAGE_MIN`].
fn shrunk_covariance(rows: &[Vec<f64>], size: usize) -> Vec<f64> {
    let count = rows.len().max(1) as f64;
    let mut out = vec![0.0; size * size];
    for row in rows {
        for a in 0..size {
            for b in 0..size {
                out[a * size + b] += row[a] * row[b] / count;
            }
        }
    }
    let norm: f64 = out.iter().map(|value| value * value).sum();
    let trace: f64 = (0..size).map(|at| out[at * size + at]).sum();
    let target = trace / size.max(1) as f64;
    let spread = (norm - trace * trace / size.max(1) as f64).max(1e-12);
    let noise: f64 =
        rows.iter().map(|row| row.iter().map(|v| v * v).sum::<f64>().powi(2)).sum::<f64>() / (count * count) - norm / count;
    let share = (noise / spread).clamp(SHRINKAGE_MIN, 1.0);
    for value in &mut out {
        *value *= 1.0 - share;
    }
    for at in 0..size {
        out[at * size + at] += share * target.max(1e-6);
    }
    out
}

impl Linear {
    pub(crate) fn fit(encoder: &Encoder, table: &Table) -> Self {
        let numbers: Vec<u32> =
            (0..table.width).filter(|&at| encoder.is_number(at)).take(FEATURES_MAX).map(|at| at as u32).collect();
        let mut features: Vec<Feature> = numbers.iter().map(|&at| Feature::Number(at)).collect();
        for (at, reading) in encoder.readings.iter().enumerate() {
            let levels = reading.levels().min(LEVELS_LINEAR);
            features.extend((0..levels).map(|level| Feature::Level(at as u32, level as u32)));
        }
        features.truncate(FEATURES_MAX);
        let mut out =
            Self { mean: vec![0.0; features.len()], features, precision: Vec::new(), numbers, coefficients: Vec::new() };
        let mut rows: Vec<Vec<f64>> = (0..table.rows())
            .map(|row| out.inputs(table.row(row)).map(|value| f64::from(value.clamp(-Z_LEARN_MAX, Z_LEARN_MAX))).collect())
            .collect();
        let size = out.features.len();
        let count = rows.len().max(1) as f64;
        for at in 0..size {
            let mean = rows.iter().map(|row| row[at]).sum::<f64>() / count;
            out.mean[at] = mean as f32;
            rows.iter_mut().for_each(|row| row[at] -= mean);
        }
        let known = out.numbers.len();
        let narrow: Vec<Vec<f64>> = rows.iter().map(|row| row[..known].to_vec()).collect();
        if let Some(precision) = inverse(&shrunk_covariance(&narrow, known), known) {
            out.precision = precision.iter().map(|&value| value as f32).collect();
        }
        out.regress(&rows, size, known);
        out
    }

    /// Ridge regressions of every number on all other features, read off one inverse: `b_jk = -P_jk / P_jj`.
    fn regress(&mut self, rows: &[Vec<f64>], size: usize, known: usize) {
        let count = rows.len().max(1) as f64;
        let mut gram = vec![0.0; size * size];
        for row in rows {
            for a in 0..size {
                if row[a] != 0.0 {
                    for b in 0..size {
                        gram[a * size + b] += row[a] * row[b] / count;
                    }
                }
            }
        }
        for at in 0..size {
            gram[at * size + at] += SHRINKAGE_MIN;
        }
        let Some(precision) = inverse(&gram, size) else { return };
        self.coefficients = (0..known)
            .map(|target| {
                let own = precision[target * size + target];
                (0..size).map(|at| if at == target { 0.0 } else { (-precision[target * size + at] / own) as f32 }).collect()
            })
            .collect();
    }

    fn inputs<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.features.iter().map(|feature| match feature {
            Feature::Number(at) => row.get(*at as usize).copied().filter(|value| !value.is_nan()).unwrap_or(0.0),
            Feature::Level(at, level) => f32::from(row.get(*at as usize).is_some_and(|code| *code == *level as f32)),
        })
    }

    /// The features of one row, centred.
    pub(crate) fn centred(&self, row: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.inputs(row).zip(&self.mean).map(|(value, mean)| value - mean));
    }

    /// Columns that can be predicted.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// The prediction of a number (by its place in [`Self::numbers`]) from centred features.
    pub(crate) fn predict(&self, number: usize, centred: &[f32]) -> f32 {
        let mean = self.mean.get(number).copied().unwrap_or(0.0);
        let Some(coefficients) = self.coefficients.get(number) else { return mean };
        mean + coefficients.iter().zip(centred).map(|(a, b)| a * b).sum::<f32>()
    }

    /// The squared Mahalanobis distance over the numbers, and the column that adds most to it.
    pub(crate) fn distance(&self, centred: &[f32]) -> (f64, Option<usize>) {
        let size = self.numbers.len();
        let mut total = 0.0;
        let mut worst = (0.0, None);
        for (at, row) in self.precision.chunks_exact(size.max(1)).enumerate() {
            let pull: f64 = row.iter().zip(centred).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let part = pull * f64::from(centred.get(at).copied().unwrap_or(0.0));
            total += part;
            if part > worst.0 {
                worst = (part, self.numbers.get(at).map(|&column| column as usize));
            }
        }
        (total.max(0.0), worst.1)
    }
}
