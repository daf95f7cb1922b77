//! A support vector machine with a Gaussian kernel and calibrated probabilities: the member whose errors are smooth where trees
//! jump (T5). Its file holds rows of training customers, scaled: treat it as personal data (T3).
//!
//! Sequential minimal optimisation with second-order working sets (Fan, Chen and Lin 2005), as libsvm, without shrinking: the
//! kernel matrix is kept whole (`4 * rows^2` bytes) and serves the final fit and every calibration fold.

mod kernel;
mod solve;

use rayon::prelude::*;

use crate::calibrate::Sigmoid;
use crate::error::{LearnError, ModelError};
use crate::modelfile::SVM_FILE;
use crate::preprocess::{COLUMNS_MAX, Matrix};
use crate::rng::{Rng, derive};
use crate::spec::{Gamma, SVM_ROWS_MAX, SvmSpec};
use crate::tensors::{Pack, Unpack};
use kernel::Packed;

/// The uses of the run's seed.
const SEED_THIN: u64 = 0x51;
const SEED_FOLDS: u64 = 0x52;

/// A trained machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Svm {
    columns: usize,
    gamma: f32,
    bias: f64,
    sigmoid: Sigmoid,
    /// Weight of each support vector, signed.
    weights: Vec<f32>,
    vectors: Packed,
}

/// At most so many rows, with the classes' shares kept; sorted.
fn thin(labels: &[bool], most: usize, seed: u64) -> Vec<usize> {
    if labels.len() <= most {
        return (0..labels.len()).collect();
    }
    let positives = labels.iter().filter(|&&label| label).count();
    let keep = (positives as f64 * most as f64 / labels.len() as f64).round().max(1.0) as usize;
    let mut rng = Rng::new(seed);
    let mut out = Vec::with_capacity(most);
    for (class, count) in [(true, keep), (false, most - keep)] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        rng.shuffle(&mut rows);
        out.extend(rows.into_iter().take(count));
    }
    out.sort_unstable();
    out
}

/// The fold of each row, each class dealt out in random order.
fn folds(labels: &[bool], folds: usize, seed: u64) -> Vec<usize> {
    let mut rng = Rng::new(seed);
    let mut out = vec![0; labels.len()];
    for class in [true, false] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        rng.shuffle(&mut rows);
        for (at, row) in rows.into_iter().enumerate() {
            out[row] = at % folds;
        }
    }
    out
}

impl Svm {
    /// Trains on scaled rows: the machine on all of them, the sigmoid on decision values of held-out folds. Same machine for any
    /// number of threads.
    pub fn fit(rows: &Matrix, labels: &[bool], spec: &SvmSpec, seed: u64) -> Result<Self, LearnError> {
        if rows.rows() != labels.len() {
            return Err(LearnError::Count { what: "labels", expected: rows.rows(), seen: labels.len() });
        }
        let chosen = thin(labels, spec.rows_max.min(SVM_ROWS_MAX), derive(seed, SEED_THIN, 0));
        let rows = rows.take(&chosen);
        let labels: Vec<bool> = chosen.iter().map(|&row| labels[row]).collect();
        if !labels.contains(&true) || !labels.contains(&false) {
            return Err(LearnError::OneClass { where_: "the training data" });
        }
        let gamma = match spec.gamma {
            Gamma::Value(gamma) => gamma as f32,
            Gamma::Scale => scale(&rows),
        };
        let packed = Packed::new(rows.values(), rows.columns());
        let kernel = kernel::matrix(&packed, &rows, gamma);
        let count = spec.platt_folds as usize;
        let fold = folds(&labels, count, derive(seed, SEED_FOLDS, 0));
        // Task `count` is the final fit; the others each leave one fold out.
        let solved: Vec<solve::Solution> = (0..=count)
            .into_par_iter()
            .map(|task| {
                let cost: Vec<f64> = fold.iter().map(|&fold| if fold == task { 0.0 } else { spec.cost }).collect();
                solve::solve(&kernel, &labels, &cost)
            })
            .collect();
        let decisions: Vec<f64> = fold.iter().enumerate().map(|(row, &fold)| solved[fold].decisions[row]).collect();
        let sigmoid = Sigmoid::fit(&decisions, &labels);
        let last = &solved[count];
        let support: Vec<usize> = (0..labels.len()).filter(|&row| last.weights[row] != 0.0).collect();
        Ok(Self {
            columns: rows.columns(),
            gamma,
            bias: last.bias,
            sigmoid,
            weights: support.iter().map(|&row| last.weights[row] as f32).collect(),
            vectors: Packed::new(rows.take(&support).values(), rows.columns()),
        })
    }

    /// How many support vectors.
    pub fn support(&self) -> usize {
        self.weights.len()
    }

    /// Signed distance of a scaled row from the boundary, in units of the margin.
    pub fn decision(&self, row: &[f32]) -> f64 {
        let mut sum = self.bias;
        let mut near = [0.0f32; kernel::LANES];
        for (block, weights) in self.weights.chunks(kernel::LANES).enumerate() {
            self.vectors.block(block, row, self.gamma, &mut near);
            sum += weights.iter().zip(&near).map(|(&weight, &near)| f64::from(weight) * f64::from(near)).sum::<f64>();
        }
        sum
    }

    /// The probability of a scaled row.
    pub fn chance(&self, row: &[f32]) -> f64 {
        self.sigmoid.at(self.decision(row))
    }

    /// The same for many rows, in parallel; equal to [`Self::chance`] bit for bit.
    pub fn chances(&self, rows: &Matrix) -> Vec<f64> {
        if rows.columns() != self.columns {
            return vec![f64::NAN; rows.rows()];
        }
        (0..rows.rows()).into_par_iter().with_min_len(16).map(|row| self.chance(rows.row(row))).collect()
    }

    /// The machine as safetensors: `weights`, `vectors` (row after row), `facts` (gamma, bias, slope, offset), `shape`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LearnError> {
        Pack::default()
            .f64("facts", &[f64::from(self.gamma), self.bias, self.sigmoid.slope, self.sigmoid.offset])
            .u32("shape", &[self.weights.len() as u32, self.columns as u32])
            .f32("vectors", &self.vectors.rows(self.weights.len()))
            .f32("weights", &self.weights)
            .bytes()
    }

    /// Loads a machine of so many columns. Never panics.
    pub fn from_bytes(bytes: &[u8], columns: usize) -> Result<Self, ModelError> {
        let file = Unpack::new(SVM_FILE, bytes, &["facts", "shape", "vectors", "weights"])?;
        let (facts, shape) = (file.f64("facts")?, file.u32("shape")?);
        let (vectors, weights) = (file.f32("vectors")?, file.f32("weights")?);
        let wrong = |why: &str| ModelError::malformed(SVM_FILE, why);
        let &[gamma, bias, slope, offset] = facts.as_slice() else { return Err(wrong("it has not four facts")) };
        if columns > COLUMNS_MAX || weights.is_empty() || weights.len() > SVM_ROWS_MAX {
            return Err(wrong("support vectors are none or too many"));
        }
        if shape != [weights.len() as u32, columns as u32] || vectors.len() != weights.len() * columns {
            return Err(wrong("support vectors do not fit the encoding"));
        }
        let finite = vectors.iter().chain(&weights).all(|value| value.is_finite()) && facts.iter().all(|fact| fact.is_finite());
        let narrow = gamma as f32;
        if !finite || narrow <= 0.0 || f64::from(narrow) != gamma {
            return Err(wrong("a number is not finite, or the width of the kernel is not positive"));
        }
        let vectors = Packed::new(&vectors, columns);
        Ok(Self { columns, gamma: narrow, bias, sigmoid: Sigmoid { slope, offset }, weights, vectors })
    }
}

/// scikit-learn's `scale`: one over columns times the variance of all values.
fn scale(rows: &Matrix) -> f32 {
    let count = rows.values().len().max(1) as f64;
    let mean = rows.values().iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = rows.values().iter().map(|&value| (f64::from(value) - mean) * (f64::from(value) - mean)).sum::<f64>() / count;
    let gamma = 1.0 / (rows.columns().max(1) as f64 * variance);
    if gamma.is_finite() && (1e-30..1e30).contains(&gamma) { gamma as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{log_loss, roc_auc};

    fn moons(rows: usize, seed: u64) -> (Matrix, Vec<bool>) {
        let mut rng = Rng::new(seed);
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let label = row % 3 == 0;
            let turn = rng.unit() * std::f64::consts::PI;
            let (x, y) = if label { (1.0 - libm::cos(turn), 0.5 - libm::sin(turn)) } else { (libm::cos(turn), libm::sin(turn)) };
            values.extend([(x + rng.unit() * 0.6 - 0.3) as f32, (y + rng.unit() * 0.6 - 0.3) as f32]);
            labels.push(label);
        }
        (Matrix::new(values, rows, 2).unwrap(), labels)
    }

    #[test]
    fn a_machine_separates_moons_with_fair_probabilities() {
        let (train, labels) = moons(600, 1);
        let (test, truth) = moons(600, 2);
        let machine = Svm::fit(&train, &labels, &SvmSpec::default(), 3).unwrap();
        let chances = machine.chances(&test);
        assert!(roc_auc(&chances, &truth) > 0.97);
        assert!(log_loss(&chances, &truth) < 0.2);
        assert!(machine.support() < 300);
    }

    #[test]
    fn a_file_comes_back_bit_for_bit() {
        let (train, labels) = moons(200, 1);
        let machine = Svm::fit(&train, &labels, &SvmSpec::default(), 3).unwrap();
        let loaded = Svm::from_bytes(&machine.to_bytes().unwrap(), 2).unwrap();
        assert_eq!(loaded, machine);
        assert_eq!(loaded.chances(&train), machine.chances(&train));
        assert!(Svm::from_bytes(&machine.to_bytes().unwrap(), 3).is_err());
    }

    #[test]
    fn thinning_keeps_the_shares() {
        let labels: Vec<bool> = (0..1000).map(|row| row % 4 == 0).collect();
        let kept = thin(&labels, 100, 9);
        assert_eq!(kept.len(), 100);
        assert_eq!(kept.iter().filter(|&&row| labels[row]).count(), 25);
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn one_class_is_refused() {
        let (train, _) = moons(30, 1);
        assert!(matches!(Svm::fit(&train, &[true; 30], &SvmSpec::default(), 3), Err(LearnError::OneClass { .. })));
    }
}
