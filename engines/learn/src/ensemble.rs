//! Lets a booster, a support vector machine and a random forest vote, so that an input made to fool one of them meets two others
//! (T5). The answer of one row takes no thread, allocates nothing and never panics.

use std::collections::BTreeMap;

use frame::Frame;

use crate::calibrate::{Isotonic, VoteMap, mixture_weights};
use crate::conformal::Conformal;
use crate::error::LearnError;
use crate::fast::Scratch;
use crate::forest::Forest;
use crate::gbm::{Aids, Booster, directions};
use crate::preprocess::{ColumnSpec, Matrix, Preprocess, Value};
use crate::rng::derive;
use crate::robust::{RobustSpec, fit_svm};
use crate::segments::Segments;
use crate::spec::{Calibration, ROWS_MAX, ROWS_MIN, TrainSpec, Weights};
use crate::split::Split;
use crate::stack::Stack;
use crate::svm::Svm;

/// Rows that are answered at once.
const PREDICTED_ROWS: usize = 65_536;
/// The uses of the run's seed.
const SEED_BOOSTER: u64 = 1;
const SEED_FOREST: u64 = 2;
const SEED_SVM: u64 = 3;
const SEED_FOLDS: u64 = 4;
const SEED_DISTIL: u64 = 5;

/// Probabilities of one row, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// The booster's.
    pub booster: f64,
    /// The support vector machine's.
    pub svm: f64,
    /// The forest's.
    pub forest: f64,
    /// The weighted and, where asked for, stacked or calibrated mean.
    pub vote: f64,
}

/// Three trained members and how they vote.
#[derive(Clone, Debug)]
pub struct Ensemble {
    pub(crate) spec: TrainSpec,
    pub(crate) preprocess: Preprocess,
    pub(crate) booster: Booster,
    pub(crate) forest: Forest,
    pub(crate) svm: Svm,
    /// Of booster, machine and forest; sum 1. Where they are stacked, the stack's as shares.
    pub(crate) weights: [f64; 3],
    /// In place of the weighted mean.
    pub(crate) stack: Option<Stack>,
    pub(crate) map: VoteMap,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) segments: Option<Segments>,
    pub(crate) conformal: Option<Conformal>,
}

/// Refuses labels that nothing can be learned from.
pub(crate) fn check_rows(frame: &Frame, labels: &[bool]) -> Result<(), LearnError> {
    if labels.len() != frame.rows() {
        return Err(LearnError::Count { what: "labels", expected: frame.rows(), seen: labels.len() });
    }
    if !(ROWS_MIN..=ROWS_MAX).contains(&labels.len()) {
        return Err(LearnError::Size { what: "training rows", seen: labels.len(), least: ROWS_MIN, most: ROWS_MAX });
    }
    let positives = labels.iter().filter(|&&label| label).count();
    if positives < 2 || labels.len() - positives < 2 {
        return Err(LearnError::OneClass { where_: "the training data" });
    }
    Ok(())
}

impl Ensemble {
    /// Trains all members on every column of the frame. Same model, byte for byte, for any number of threads.
    ///
    /// # Errors
    /// Settings outside their ranges, labels of one class, too few or too many rows, identifiers given as categories.
    pub fn fit(train: &Frame, labels: &[bool], spec: &TrainSpec) -> Result<Self, LearnError> {
        if let Some(distil) = &spec.distil {
            spec.check()?;
            check_rows(train, labels)?;
            let (train, labels) = distil.taught(train, labels, &spec.log_columns, derive(spec.seed, SEED_DISTIL, 0))?;
            let mut out = Self::fit(&train, &labels, &TrainSpec { distil: None, ..spec.clone() })?;
            out.spec = spec.clone();
            return Ok(out);
        }
        let mut out = Self::fit_members(train, labels, spec)?;
        if spec.weights == Weights::Equal && spec.calibration == Calibration::None {
            return Ok(out);
        }
        let seed = derive(spec.seed, SEED_FOLDS, 0);
        let mut members: [Vec<f64>; 3] = std::array::from_fn(|_| vec![0.0; labels.len()]);
        for fold in (Split::Stratified { folds: spec.inner_folds as usize, seed }).folds(train, labels)? {
            let known: Vec<bool> = fold.train.iter().map(|&row| labels[row]).collect();
            let part = Self::fit_members(&train.take(&fold.train), &known, spec)?;
            for (&row, scores) in fold.test.iter().zip(part.predict(&train.take(&fold.test))?) {
                (members[0][row], members[1][row], members[2][row]) = (scores.booster, scores.svm, scores.forest);
            }
        }
        let views = [&members[0][..], &members[1][..], &members[2][..]];
        match spec.weights {
            Weights::Equal => (),
            Weights::OutOfFold => out.weights = mixture_weights(views, labels),
            Weights::Stacked => {
                let stack = Stack::fit(views, labels);
                (out.weights, out.stack) = (stack.shares(), Some(stack));
            }
        }
        let votes: Vec<f64> = (0..labels.len()).map(|row| out.mix([views[0][row], views[1][row], views[2][row]])).collect();
        out.map = match spec.calibration {
            Calibration::None => VoteMap::Identity,
            Calibration::Platt => VoteMap::platt(&votes, labels),
            Calibration::Isotonic => VoteMap::Isotonic(Isotonic::fit(&votes, labels)),
        };
        Ok(out)
    }

    /// The members with equal weights.
    fn fit_members(train: &Frame, labels: &[bool], spec: &TrainSpec) -> Result<Self, LearnError> {
        spec.check()?;
        check_rows(train, labels)?;
        let mut preprocess = Preprocess::fit(train, &spec.log_columns)?;
        if let Some(robust) = &spec.svm.robust {
            preprocess = preprocess.shrunk(&robust.columns, robust.spread);
        }
        let raw = preprocess.encode(train)?;
        let filled = preprocess.filled(&raw);
        let directions = directions(&preprocess, &spec.booster)?;
        let within = |robust: &Option<RobustSpec>| match robust {
            Some(robust) => preprocess.reach(&raw, &robust.columns, robust.eps),
            None => Ok(Vec::new()),
        };
        let (reach, reach_of_forest) = (within(&spec.booster.robust)?, within(&spec.forest.robust)?);
        let aids = Aids { directions: &directions, reach: &reach, ..Aids::default() };
        let (svm, (forest, booster)) = rayon::join(
            || fit_svm(&preprocess, &raw, labels, &spec.svm, derive(spec.seed, SEED_SVM, 0)),
            || {
                rayon::join(
                    || Forest::fit_within(&filled, labels, &reach_of_forest, &spec.forest, derive(spec.seed, SEED_FOREST, 0)),
                    || Booster::fit_with(&raw, labels, &aids, &spec.booster, derive(spec.seed, SEED_BOOSTER, 0)),
                )
            },
        );
        Ok(Self {
            spec: spec.clone(),
            preprocess,
            booster: booster?,
            forest: forest?,
            svm: svm?,
            weights: [1.0 / 3.0; 3],
            stack: None,
            map: VoteMap::Identity,
            environment: BTreeMap::new(),
            segments: None,
            conformal: None,
        })
    }

    /// Booster, machine and forest stacked, or their weighted mean.
    fn mix(&self, members: [f64; 3]) -> f64 {
        if let Some(stack) = &self.stack {
            return stack.at(members);
        }
        let sum: f64 = members.iter().zip(self.weights).map(|(member, weight)| member * weight).sum();
        sum.clamp(0.0, 1.0)
    }

    fn combined(&self, booster: f64, svm: f64, forest: f64) -> Scores {
        Scores { booster, svm, forest, vote: self.map.at(self.mix([booster, svm, forest])) }
    }

    /// Scores of every row, in parallel. Further columns of the frame are not read.
    ///
    /// # Errors
    /// A column of the model that is absent, or of the other kind.
    pub fn predict(&self, rows: &Frame) -> Result<Vec<Scores>, LearnError> {
        // Part by part, so that beside the answers no copy of all rows is made.
        let mut out = Vec::with_capacity(rows.rows());
        for first in (0..rows.rows()).step_by(PREDICTED_ROWS) {
            let part: Vec<usize> = (first..rows.rows().min(first + PREDICTED_ROWS)).collect();
            out.extend(self.predict_encoded(&self.preprocess.encode(&rows.take(&part))?)?);
        }
        Ok(out)
    }

    /// Scores of rows that [`Preprocess::encode`] made, for engines that search in the encoded space.
    ///
    /// # Errors
    /// Another number of columns, or infinite values.
    pub fn predict_encoded(&self, raw: &Matrix) -> Result<Vec<Scores>, LearnError> {
        let margins = self.booster.margins(raw)?;
        let filled = self.preprocess.filled(raw);
        let forest = self.forest.chances(&filled);
        let svm = self.svm.chances(&self.preprocess.scaled(&filled));
        let members = margins.into_iter().zip(svm).zip(forest);
        Ok(members.map(|((margin, svm), forest)| self.combined(Booster::chance(margin), svm, forest)).collect())
    }

    /// Scores of one row, values in the order of [`Self::columns`], equal to [`Self::predict`] bit for bit. Takes no thread, and
    /// allocates nothing once the buffers have grown. Values that are absent, of the other kind or no finite numbers count as
    /// missing; levels that training did not see as none.
    ///
    /// # Errors
    /// More values than columns.
    pub fn scores(&self, row: &[Value<'_>], scratch: &mut Scratch) -> Result<Scores, LearnError> {
        if row.len() > self.columns().len() {
            return Err(LearnError::Count { what: "values of the row", expected: self.columns().len(), seen: row.len() });
        }
        self.preprocess.encode_row_into(row, &mut scratch.raw);
        self.scores_of(scratch)
    }

    /// [`Self::scores`] with buffers of its own.
    ///
    /// # Errors
    /// More values than columns.
    pub fn predict_row(&self, row: &[Value<'_>]) -> Result<Scores, LearnError> {
        self.scores(row, &mut Scratch::default())
    }

    /// Scores of one encoded row. Takes no thread.
    ///
    /// # Errors
    /// Another number of columns, or infinite values.
    pub fn predict_encoded_row(&self, raw: &[f32]) -> Result<Scores, LearnError> {
        self.scores_of(&mut Scratch { raw: raw.to_vec(), wide: Vec::new() })
    }

    /// Scores of the encoded row in the buffer, which is filled and scaled there.
    fn scores_of(&self, scratch: &mut Scratch) -> Result<Scores, LearnError> {
        let Scratch { raw, wide } = scratch;
        let margin = self.booster.margin_with(raw, wide)?;
        self.preprocess.fill(raw);
        let forest = self.forest.chance_with(raw, wide);
        self.preprocess.scale(raw);
        Ok(self.combined(Booster::chance(margin), self.svm.chance(raw), forest))
    }

    /// Whether the vote calls a row positive.
    pub fn is_positive(&self, scores: &Scores) -> bool {
        scores.vote >= self.spec.threshold
    }

    /// Columns that the model reads, in the order of a row's values.
    pub fn columns(&self) -> &[ColumnSpec] {
        self.preprocess.columns()
    }

    /// The encoding.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// What the model was trained by.
    pub fn spec(&self) -> &TrainSpec {
        &self.spec
    }

    /// The vote from which a row is called positive.
    pub fn threshold(&self) -> f64 {
        self.spec.threshold
    }

    /// The same model with another threshold, 0 to 1.
    pub fn with_threshold(mut self, threshold: f64) -> Result<Self, LearnError> {
        self.spec.threshold = threshold;
        self.spec.check()?;
        Ok(self)
    }

    /// Weights of booster, machine and forest; sum 1. Where there is a [`Self::stack`], the vote is not their mean.
    pub fn weights(&self) -> [f64; 3] {
        self.weights
    }

    /// How the members are stacked, where they are.
    pub fn stack(&self) -> Option<&Stack> {
        self.stack.as_ref()
    }

    /// What is done to the weighted mean, or to what the members were stacked to.
    pub fn calibration(&self) -> &VoteMap {
        &self.map
    }

    /// The booster.
    pub fn booster(&self) -> &Booster {
        &self.booster
    }

    /// The forest.
    pub fn forest(&self) -> &Forest {
        &self.forest
    }

    /// The support vector machine.
    pub fn svm(&self) -> &Svm {
        &self.svm
    }

    /// The caller's pins of the environment (versions, digests).
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The same model with pins of the environment, to be written into the manifest.
    pub fn with_environment(mut self, environment: BTreeMap<String, String>) -> Self {
        self.environment = environment;
        self
    }

    /// The segments, where there are any.
    pub fn segments(&self) -> Option<&Segments> {
        self.segments.as_ref()
    }

    /// The same model with segments beside it.
    pub fn with_segments(mut self, segments: Segments) -> Self {
        self.segments = Some(segments);
        self
    }

    /// How sure a vote is, where it was measured. For people who may read the data; no answer to a caller shows it.
    pub fn conformal(&self) -> Option<&Conformal> {
        self.conformal.as_ref()
    }

    /// The same model with what was measured of its votes.
    pub fn with_conformal(mut self, conformal: Conformal) -> Self {
        self.conformal = Some(conformal);
        self
    }
}
