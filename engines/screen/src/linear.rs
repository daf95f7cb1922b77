//! Linear prediction of each number from all other columns, and the covariance distance, both from one shrunk inverse: sums and
//! (on logarithms) products hold in trusted rows and break in forged ones.

use outlier::stats::inverse;
use serde::{Deserialize, Serialize};

use crate::encode::{Chunk, Encoder, Reading, Z_MAX};

/// Levels of a category that the linear part sees, the commonest.
const LEVELS: usize = 12;
/// Features of the linear part.
pub(crate) const FEATURES_MAX: usize = 200;
/// Share of the identity in the inverse: the smallest that keeps `f32` coefficients exact to 1e-4.
const RIDGE: f64 = 1e-4;

/// Predictions of every number on every scale that it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Linear {
    /// Numbers that are read, by their place among the numbers, and whether as logarithm.
    pub(crate) inputs: Vec<(u16, bool)>,
    /// Categories: column, first feature, how many levels.
    levels: Vec<(u16, u16, u8)>,
    mean: Vec<f32>,
    /// One row a feature, one entry an input: what it adds to the prediction.
    weights: Vec<f32>,
    /// Inverse covariance of the plain numbers, row-major.
    precision: Vec<f32>,
    /// Places of the plain numbers among the inputs.
    plain: Vec<u16>,
}

impl Linear {
    pub(crate) fn fit(encoder: &Encoder, rows: &Chunk) -> Self {
        let mut inputs: Vec<(u16, bool)> = (0..encoder.numbers.len() as u16).map(|at| (at, false)).collect();
        for (place, &column) in encoder.numbers.iter().enumerate() {
            if encoder.number(usize::from(column)).is_some_and(|number| number.log.is_some()) {
                inputs.push((place as u16, true));
            }
        }
        inputs.truncate(FEATURES_MAX);
        let (mut levels, mut size) = (Vec::new(), inputs.len());
        for (column, reading) in encoder.readings.iter().enumerate() {
            if let Reading::Levels(known) = reading {
                let count = known.codes.len().min(LEVELS);
                if size + count <= FEATURES_MAX {
                    levels.push((column as u16, size as u16, count as u8));
                    size += count;
                }
            }
        }
        let plain = (0..inputs.len() as u16).filter(|&at| !inputs[usize::from(at)].1).collect();
        let mut out = Self { inputs, levels, mean: vec![0.0; size], weights: Vec::new(), precision: Vec::new(), plain };
        out.regress(encoder, rows, size);
        out
    }

    pub(crate) fn targets(&self) -> usize {
        self.inputs.len()
    }

    /// Standardised inputs of a chunk, one column an input, cut and 0 where missing.
    pub(crate) fn standardise(&self, encoder: &Encoder, rows: &Chunk, out: &mut Vec<f32>) {
        out.clear();
        for &(place, log) in &self.inputs {
            let values = rows.number(usize::from(place));
            let Some(number) = encoder.numbers.get(usize::from(place)).and_then(|&column| encoder.number(usize::from(column)))
            else {
                out.resize(out.len() + rows.rows, 0.0);
                continue;
            };
            let cut = |z: f32| if z.is_nan() { 0.0 } else { z.clamp(-Z_MAX, Z_MAX) };
            if log {
                out.extend(values.iter().map(|&value| cut(number.standard_log(value).unwrap_or(0.0))));
            } else {
                out.extend(values.iter().map(|&value| cut(number.standard(value))));
            }
        }
    }

    fn regress(&mut self, encoder: &Encoder, rows: &Chunk, size: usize) {
        let mut columns = Vec::new();
        self.standardise(encoder, rows, &mut columns);
        let count = rows.rows.max(1) as f64;
        for &(column, first, levels) in &self.levels {
            for level in 0..levels {
                columns.extend(rows.column(usize::from(column)).iter().map(|&fine| f32::from(fine >> 2 == level)));
            }
            debug_assert!(usize::from(first) + usize::from(levels) <= size);
        }
        for (at, column) in columns.chunks_exact_mut(rows.rows.max(1)).enumerate() {
            let mean = (column.iter().map(|&value| f64::from(value)).sum::<f64>() / count) as f32;
            self.mean[at] = mean;
            column.iter_mut().for_each(|value| *value -= mean);
        }
        let column = |at: usize| &columns[at * rows.rows..(at + 1) * rows.rows];
        let mut gram = vec![0.0; size * size];
        for a in 0..size {
            for b in a..size {
                let sum: f64 = column(a)
                    .chunks(256)
                    .zip(column(b).chunks(256))
                    .map(|(a, b)| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>()))
                    .sum();
                gram[a * size + b] = sum / count;
                gram[b * size + a] = sum / count;
            }
            gram[a * size + a] += RIDGE;
        }
        let plain: Vec<usize> = self.plain.iter().map(|&at| usize::from(at)).collect();
        let narrow: Vec<f64> =
            plain.iter().flat_map(|&a| plain.iter().map(move |&b| (a, b))).map(|(a, b)| gram[a * size + b]).collect();
        self.precision = inverse(&narrow, plain.len()).unwrap_or_default().into_iter().map(|value| value as f32).collect();
        let targets = self.targets();
        self.weights = vec![0.0; size * targets];
        let Some(precision) = inverse(&gram, size) else { return };
        for target in 0..targets {
            let twin = (0..targets).find(|&at| at != target && self.inputs[at].0 == self.inputs[target].0);
            let own = precision[target * size + target];
            for at in (0..size).filter(|&at| at != target && Some(at) != twin) {
                let pull = -precision[target * size + at];
                // Both scales of a number are kept out of its own prediction: the two rows of the inverse are solved together.
                let weight = match twin {
                    None => pull / own,
                    Some(twin) => {
                        let (cross, other) = (precision[target * size + twin], precision[twin * size + twin]);
                        (pull * other + precision[twin * size + at] * cross) / (own * other - cross * cross).max(1e-12)
                    }
                };
                self.weights[at * targets + target] = weight as f32;
            }
        }
    }

    /// Predictions of every input of a chunk (`out[input * rows + row]`), and the squared covariance distance of each row.
    /// `inputs` are the standardised inputs.
    pub(crate) fn predict(&self, rows: &Chunk, inputs: &[f32], out: &mut Vec<f32>, distance: &mut Vec<f32>) {
        let (count, targets) = (rows.rows, self.targets());
        out.clear();
        out.resize(targets * count, 0.0);
        distance.clear();
        distance.resize(count, 0.0);
        if self.weights.is_empty() {
            return;
        }
        let mut sums = [0.0_f32; FEATURES_MAX];
        let sums = &mut sums[..targets];
        let mut centred = [0.0_f32; FEATURES_MAX];
        let plain = self.plain.len();
        // What the means alone add, once: levels that are absent then cost nothing.
        let mut always = [0.0_f32; FEATURES_MAX];
        for (at, mean) in self.mean.iter().enumerate() {
            let weights = &self.weights[at * targets..(at + 1) * targets];
            always.iter_mut().zip(weights).for_each(|(sum, weight)| *sum -= mean * weight);
        }
        for row in 0..count {
            for (at, value) in centred[..targets].iter_mut().enumerate() {
                *value = inputs[at * count + row];
            }
            sums.copy_from_slice(&always[..targets]);
            for (at, value) in centred[..targets].iter().enumerate() {
                let weights = &self.weights[at * targets..(at + 1) * targets];
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            for &(column, first, levels) in &self.levels {
                let level = rows.fine[usize::from(column) * count + row] >> 2;
                if level < levels {
                    let at = usize::from(first) + usize::from(level);
                    let weights = &self.weights[at * targets..(at + 1) * targets];
                    sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
                }
            }
            for (at, sum) in sums.iter().enumerate() {
                out[at * count + row] = self.mean[at] + sum;
            }
            // The plain numbers stand first.
            centred[..plain].iter_mut().zip(&self.mean).for_each(|(value, mean)| *value -= mean);
            for (at, weights) in self.precision.chunks_exact(plain.max(1)).enumerate() {
                let pull: f32 = weights.iter().zip(&centred[..plain]).map(|(a, b)| a * b).sum();
                distance[row] += pull * centred[at];
            }
        }
    }

    /// Whether its parts fit together and into columns of that width.
    pub(crate) fn is_sound(&self, encoder: &Encoder) -> bool {
        let size = self.mean.len();
        size <= FEATURES_MAX
            && self.inputs.len() <= size
            && self.inputs.iter().all(|(place, _)| usize::from(*place) < encoder.numbers.len())
            && self.plain.iter().enumerate().all(|(at, &place)| at == usize::from(place))
            && self.plain.len() <= self.inputs.len()
            && (self.weights.is_empty() || self.weights.len() == size * self.inputs.len())
            && (self.precision.is_empty() || self.precision.len() == self.plain.len() * self.plain.len())
            && self.levels.iter().all(|&(column, first, levels)| {
                usize::from(column) < encoder.width() && usize::from(first) + usize::from(levels) <= size
            })
    }
}
