//! A support vector machine with calibrated probabilities: the member whose errors are smooth where trees jump (T5).
//!
//! [`SvmSpec::chosen`] says which machine is fitted to so many rows. Exact: sequential minimal optimisation with second-order
//! working sets (Fan, Chen and Lin 2005), as libsvm, without shrinking; the kernel matrix is kept whole and serves the final fit
//! and every calibration fold. Its file holds rows of training customers, scaled: treat it as personal data (T3). With landmarks:
//! a plane in the space of kernel values with centres of groups, written as weights of those centres, so that it is served like the
//! exact one. Linear: a plane.

mod kernel;
mod landmarks;
mod serve;
mod slope;
mod solve;
mod straight;

use rayon::prelude::*;

use crate::calibrate::Sigmoid;
use crate::error::{LearnError, ModelError};
use crate::modelfile::SVM_FILE;
use crate::preprocess::{COLUMNS_MAX, Matrix};
use crate::rng::{Rng, derive};
use crate::spec::{Gamma, Kernel, SVM_ROWS_MAX, SvmSpec};
use crate::tensors::{Pack, Unpack};
use kernel::Packed;
use landmarks::Space;
use serve::Support;
use straight::{Padded, Plane};

/// The uses of the run's seed.
const SEED_THIN: u64 = 0x51;
const SEED_FOLDS: u64 = 0x52;
const SEED_LANDMARKS: u64 = 0x53;
const SEED_DESCENT: u64 = 0x54;

/// A trained machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Svm {
    columns: usize,
    /// Width of the kernel; 0 for a plane.
    gamma: f32,
    bias: f64,
    sigmoid: Sigmoid,
    /// Weight of each support vector or landmark, signed; of each column for a plane.
    weights: Vec<f32>,
    /// None for a plane.
    vectors: Support,
}

/// What a machine consists of, as other formats read and write it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    pub(crate) columns: usize,
    /// Width of the kernel; 0 for a plane.
    pub(crate) gamma: f32,
    pub(crate) bias: f64,
    pub(crate) sigmoid: Sigmoid,
    /// Weight of each support vector, signed; of each column for a plane.
    pub(crate) weights: Vec<f32>,
    /// Support vectors, row after row; none for a plane.
    pub(crate) vectors: Vec<f32>,
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
        Self::fit_moved(rows, None, labels, spec, seed)
    }

    /// The same where the machine learns rows that were moved, and the sigmoid what decisions on rows as they are mean.
    pub(crate) fn fit_moved(
        rows: &Matrix,
        still: Option<&Matrix>,
        labels: &[bool],
        spec: &SvmSpec,
        seed: u64,
    ) -> Result<Self, LearnError> {
        if let Some(wrong) = [Some(rows), still].into_iter().flatten().find(|rows| rows.rows() != labels.len()) {
            return Err(LearnError::Count { what: "labels", expected: wrong.rows(), seen: labels.len() });
        }
        let (kernel, most) = spec.chosen(labels.len());
        let chosen = thin(labels, most, derive(seed, SEED_THIN, 0));
        let (rows, still) = (rows.take(&chosen), still.map(|still| still.take(&chosen)));
        let labels: Vec<bool> = chosen.iter().map(|&row| labels[row]).collect();
        if !labels.contains(&true) || !labels.contains(&false) {
            return Err(LearnError::OneClass { where_: "the training data" });
        }
        let gamma = match spec.gamma {
            Gamma::Value(gamma) => gamma as f32,
            Gamma::Scale => scale(&rows),
        };
        let fold = folds(&labels, spec.platt_folds as usize, derive(seed, SEED_FOLDS, 0));
        let parts = match kernel {
            Kernel::Linear => linear((&rows, still.as_ref()), &labels, &fold, spec, seed),
            Kernel::Nystroem => {
                let count = spec.landmarks.unwrap_or_else(|| landmarks::count(labels.len()));
                match Space::new(&rows, count, gamma, derive(seed, SEED_LANDMARKS, 0)) {
                    Some(space) => spanned(&space, (&rows, still.as_ref()), &labels, &fold, spec, gamma, seed),
                    None => return Err(LearnError::Write("landmarks that are too much alike".to_owned())),
                }
            }
            Kernel::Auto | Kernel::Rbf => exact((&rows, still.as_ref()), &labels, &fold, spec, gamma),
        };
        Self::from_parts(parts).map_err(|why| LearnError::Write(why.to_owned()))
    }

    /// How many support vectors, or landmarks; for a plane, how many columns.
    pub fn support(&self) -> usize {
        self.weights.len()
    }

    /// Whether it has no support vectors: the weights are those of the columns.
    pub fn is_plane(&self) -> bool {
        self.gamma == 0.0
    }

    pub(crate) fn parts(&self) -> Parts {
        Parts {
            columns: self.columns,
            gamma: self.gamma,
            bias: self.bias,
            sigmoid: self.sigmoid,
            weights: self.weights.clone(),
            vectors: self.vectors(),
        }
    }

    fn vectors(&self) -> Vec<f32> {
        if self.is_plane() { Vec::new() } else { self.vectors.rows(self.weights.len()) }
    }

    /// A machine of given parts; says why it would be none.
    pub(crate) fn from_parts(parts: Parts) -> Result<Self, &'static str> {
        let Parts { columns, gamma, bias, sigmoid, weights, vectors } = parts;
        if columns > COLUMNS_MAX || weights.is_empty() || weights.len() > SVM_ROWS_MAX {
            return Err("support vectors are none or too many");
        }
        let plane = gamma == 0.0;
        if plane && (weights.len() != columns || !vectors.is_empty()) || !plane && vectors.len() != weights.len() * columns {
            return Err("support vectors do not fit the encoding");
        }
        let finite = vectors.iter().chain(&weights).all(|value| value.is_finite())
            && [bias, sigmoid.slope, sigmoid.offset].iter().all(|fact| fact.is_finite());
        if !finite || !gamma.is_finite() || gamma < 0.0 {
            return Err("a number is not finite, or the width of the kernel is not positive");
        }
        let vectors = Support::new(&vectors, if plane { &[] } else { &weights }, columns);
        Ok(Self { columns, gamma, bias, sigmoid, weights, vectors })
    }

    /// Signed distance of a scaled row from the boundary, in units of the margin; `NaN` for another number of columns.
    pub fn decision(&self, row: &[f32]) -> f64 {
        if row.len() != self.columns {
            return f64::NAN;
        }
        let mut out = [0.0];
        self.decisions(row, &mut out);
        out[0]
    }

    /// Of a few rows that follow each other.
    fn decisions(&self, rows: &[f32], out: &mut [f64]) {
        if self.is_plane() {
            for (out, row) in out.iter_mut().zip(rows.chunks(self.columns.max(1))) {
                *out = row.iter().zip(&self.weights).map(|(value, weight)| f64::from(*value) * f64::from(*weight)).sum();
            }
        } else {
            self.vectors.sums(self.gamma, rows, out);
        }
        out.iter_mut().for_each(|out| *out += self.bias);
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
        let mut out = vec![0.0; rows.rows()];
        let parts = out.par_chunks_mut(serve::ROWS).zip(rows.values().par_chunks(serve::ROWS * self.columns.max(1)));
        parts.with_min_len(8).for_each(|(out, rows)| {
            self.decisions(rows, out);
            out.iter_mut().for_each(|out| *out = self.sigmoid.at(*out));
        });
        out
    }

    /// The machine as safetensors: `weights`, `vectors` (row after row), `facts` (gamma or 0 for a plane, bias, slope, offset),
    /// `shape`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LearnError> {
        Pack::default()
            .f64("facts", &[f64::from(self.gamma), self.bias, self.sigmoid.slope, self.sigmoid.offset])
            .u32("shape", &[self.weights.len() as u32, self.columns as u32])
            .f32("vectors", &self.vectors())
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
        let narrow = gamma as f32;
        if shape != [weights.len() as u32, columns as u32] || f64::from(narrow) != gamma {
            return Err(wrong("support vectors do not fit the encoding, or the width of the kernel is no number of 32 bits"));
        }
        Self::from_parts(Parts { columns, gamma: narrow, bias, sigmoid: Sigmoid { slope, offset }, weights, vectors })
            .map_err(wrong)
    }
}

/// Rows that a machine learns, and those that its sigmoid does, where they are others.
type Pair<'a> = (&'a Matrix, Option<&'a Matrix>);

/// The exact machine.
fn exact((rows, still): Pair<'_>, labels: &[bool], fold: &[usize], spec: &SvmSpec, gamma: f32) -> Parts {
    let packed = Packed::new(rows.values(), rows.columns());
    let kernel = kernel::matrix(&packed, rows, gamma);
    let count = spec.platt_folds as usize;
    // Task `count` is the final fit; the others each leave one fold out.
    let solved: Vec<solve::Solution> = (0..=count)
        .into_par_iter()
        .map(|task| {
            let cost: Vec<f64> = fold.iter().map(|&fold| if fold == task { 0.0 } else { spec.cost }).collect();
            solve::solve(&kernel, labels, &cost)
        })
        .collect();
    let decisions: Vec<f64> = match still {
        None => fold.iter().enumerate().map(|(row, &fold)| solved[fold].decisions[row]).collect(),
        Some(still) => {
            let narrow = |weights: &[f64]| weights.iter().map(|&weight| weight as f32).collect::<Vec<f32>>();
            let support = |one: &solve::Solution| Support::new(rows.values(), &narrow(&one.weights), rows.columns());
            let machines: Vec<Support> = solved[..count].iter().map(support).collect();
            let one = |(row, &fold): (usize, &usize)| {
                let mut out = [0.0];
                machines[fold].sums(gamma, still.row(row), &mut out);
                out[0] + solved[fold].bias
            };
            fold.par_iter().enumerate().map(one).collect()
        }
    };
    let last = &solved[count];
    let support: Vec<usize> = (0..labels.len()).filter(|&row| last.weights[row] != 0.0).collect();
    Parts {
        columns: rows.columns(),
        gamma,
        bias: last.bias,
        sigmoid: Sigmoid::fit(&decisions, labels),
        weights: support.iter().map(|&row| last.weights[row] as f32).collect(),
        vectors: rows.take(&support).values().to_vec(),
    }
}

/// Planes of all rows but each fold's: decisions of held-out rows.
fn held_out(
    rows: &Padded,
    labels: &[bool],
    fold: &[usize],
    folds: usize,
    fit: impl Fn(&[bool], usize) -> Plane + Sync,
) -> Vec<f64> {
    let planes: Vec<Plane> = (0..folds)
        .into_par_iter()
        .map(|task| {
            let chosen: Vec<bool> = fold.iter().map(|&fold| fold != task).collect();
            fit(&chosen, task)
        })
        .collect();
    (0..labels.len()).into_par_iter().with_min_len(1_024).map(|row| planes[fold[row]].of(rows, row)).collect()
}

/// A plane on the columns.
fn linear((rows, still): Pair<'_>, labels: &[bool], fold: &[usize], spec: &SvmSpec, seed: u64) -> Parts {
    let padded = Padded::new(rows.values(), rows.columns());
    let few = rows.columns() <= straight::NEWTON_COLUMNS_MAX;
    let fit = |chosen: &[bool], task: usize| {
        if few {
            straight::newton(&padded, rows.columns(), labels, chosen, spec.cost)
        } else {
            straight::descend(&padded, labels, chosen, spec.cost, None, derive(seed, SEED_DESCENT, task as u64))
        }
    };
    let folds = spec.platt_folds as usize;
    let last = fit(&vec![true; labels.len()], folds);
    let aside = still.map(|still| Padded::new(still.values(), still.columns()));
    let decisions = held_out(aside.as_ref().unwrap_or(&padded), labels, fold, folds, fit);
    let weights = last.weights[..rows.columns()].to_vec();
    Parts {
        columns: rows.columns(),
        gamma: 0.0,
        bias: last.bias,
        sigmoid: Sigmoid::fit(&decisions, labels),
        weights,
        vectors: Vec::new(),
    }
}

/// A plane in the space of the landmarks.
fn spanned(
    space: &Space,
    (rows, still): Pair<'_>,
    labels: &[bool],
    fold: &[usize],
    spec: &SvmSpec,
    gamma: f32,
    seed: u64,
) -> Parts {
    let places = space.places(rows, gamma);
    let draws = |task: usize| derive(seed, SEED_DESCENT, task as u64);
    let folds = spec.platt_folds as usize;
    let last = straight::descend(&places, labels, &vec![true; labels.len()], spec.cost, None, draws(folds));
    // Each fold starts from the plane of all rows without the fold's part of it, which is near its own.
    let fit = |chosen: &[bool], task: usize| straight::descend(&places, labels, chosen, spec.cost, Some(&last), draws(task));
    let aside = still.map(|still| space.places(still, gamma));
    let decisions = held_out(aside.as_ref().unwrap_or(&places), labels, fold, folds, fit);
    Parts {
        columns: rows.columns(),
        gamma,
        bias: last.bias,
        sigmoid: Sigmoid::fit(&decisions, labels),
        weights: space.back(&last.weights),
        vectors: space.landmarks.clone(),
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
    fn landmarks_do_nearly_what_all_rows_do() {
        let (train, labels) = moons(3_000, 1);
        let (test, truth) = moons(1_000, 2);
        let fitted = |kernel| Svm::fit(&train, &labels, &SvmSpec { kernel, ..SvmSpec::default() }, 3).unwrap();
        let (exact, few, plane) = (fitted(Kernel::Rbf), fitted(Kernel::Nystroem), fitted(Kernel::Linear));
        let auc = |machine: &Svm| roc_auc(&machine.chances(&test), &truth);
        assert!((auc(&exact) - auc(&few)).abs() < 0.01, "{} {}", auc(&exact), auc(&few));
        assert!(log_loss(&few.chances(&test), &truth) < log_loss(&exact.chances(&test), &truth) + 0.02);
        assert!(auc(&plane) < auc(&few) - 0.03 && auc(&plane) > 0.8, "{}", auc(&plane));
        assert_eq!((few.support(), plane.support(), plane.is_plane()), (256, 2, true));
        for machine in [&exact, &few, &plane] {
            assert_eq!(&Svm::from_bytes(&machine.to_bytes().unwrap(), 2).unwrap(), machine);
            let batch = machine.chances(&test);
            assert!((0..1_000).all(|row| machine.chance(test.row(row)).to_bits() == batch[row].to_bits()));
            assert!(machine.decision(&[1.0]).is_nan());
        }
    }

    #[test]
    fn machines_do_not_depend_on_the_number_of_threads() {
        let (train, labels) = moons(1_500, 1);
        for kernel in [Kernel::Linear, Kernel::Rbf, Kernel::Nystroem] {
            let spec = SvmSpec { kernel, ..SvmSpec::default() };
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| Svm::fit(&train, &labels, &spec, 3).unwrap().to_bytes().unwrap())
            };
            assert!(on(1) == on(2) && on(1) == on(5), "{kernel:?}");
        }
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
