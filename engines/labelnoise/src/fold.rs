//! What models that did not see a label say of it: whoever asks a model about the labels that it learned hears its own words (T6).

use frame::Frame;
use learn::gbm::Booster;
use learn::rng::{Rng, derive};
use learn::split::Fold;
use learn::{BoosterSpec, LearnError, Preprocess, Split};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::LabelError;
use crate::error::same;
use crate::law::length;

/// Most times that rows are dealt into folds anew.
pub const DEALS_MAX: u32 = 50;
/// Parts of the labellers, each judged by a model of the others.
const LABELLER_FOLDS: usize = 10;
/// Uses of the seed.
const SEED_DEAL: u64 = 1;
const SEED_FIT: u64 = 2;

/// How labels are judged out of fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BeliefSpec {
    /// The judge.
    pub booster: BoosterSpec,
    /// Folds of one deal, 2 to 20.
    pub folds: u32,
    /// How often rows are dealt into folds anew, 1 to [`DEALS_MAX`]; judgements are averaged.
    pub deals: u32,
    /// The seed of all draws.
    pub seed: u64,
}

impl Default for BeliefSpec {
    /// Settings that were best on public data (`cargo run -p labelnoise --example label_table`).
    fn default() -> Self {
        let booster = BoosterSpec { trees: 150, ..BoosterSpec::default() };
        Self { booster, folds: 5, deals: 3, seed: 20_261_123 }
    }
}

/// What a model that did not see a row's label says of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// Its probability that the row churned, 0 to 1, mean over deals.
    pub chance: f64,
    /// The mean over boosting rounds of its log odds that the row churned, mean over deals (the margin of Pleiss and others 2020,
    /// out of fold).
    pub margin: f64,
}

/// Judges every row by models of the other folds, `spec.deals` times. Same bytes for any number of threads.
///
/// # Errors
/// Labels of another number than rows, a fold with one class, settings outside their ranges, rows that cannot be learned from.
pub fn out_of_fold(frame: &Frame, labels: &[bool], spec: &BeliefSpec) -> Result<Vec<Belief>, LabelError> {
    same("labels", frame.rows(), labels.len())?;
    if !(1..=DEALS_MAX).contains(&spec.deals) {
        return Err(LabelError::Setting { name: "deals", seen: f64::from(spec.deals), allowed: "1 to 50" });
    }
    let mut out = vec![Belief::default(); labels.len()];
    for deal in 0..u64::from(spec.deals) {
        let split = Split::Stratified { folds: spec.folds as usize, seed: derive(spec.seed, SEED_DEAL, deal) };
        let seed = derive(spec.seed, SEED_FIT, deal);
        for (row, belief) in judged(frame, labels, &split.folds(frame, labels)?, &spec.booster, seed)? {
            out[row].chance += belief.chance / f64::from(spec.deals);
            out[row].margin += belief.margin / f64::from(spec.deals);
        }
    }
    Ok(out)
}

/// Each labeller's rows judged by a model of everyone else's labels: labellers are dealt into at most ten folds, the busiest first, none
/// into two. Rows without a labeller stand for themselves.
///
/// # Errors
/// As [`out_of_fold`]; fewer than two labellers (a row without one counts as one); others' labels of one class.
pub fn without_labeller(
    frame: &Frame,
    labels: &[bool],
    labellers: &[Option<u32>],
    spec: &BeliefSpec,
) -> Result<Vec<Belief>, LabelError> {
    same("labels", frame.rows(), labels.len())?;
    same("labellers", labels.len(), labellers.len())?;
    let mut out = vec![Belief::default(); labels.len()];
    for (row, belief) in judged(frame, labels, &apart(labellers, spec.seed)?, &spec.booster, derive(spec.seed, SEED_FIT, 0))? {
        out[row] = belief;
    }
    Ok(out)
}

/// Folds that no labeller is in two of.
fn apart(labellers: &[Option<u32>], seed: u64) -> Result<Vec<Fold>, LabelError> {
    let mut members: Vec<(Option<u32>, usize)> = labellers.iter().copied().zip(0..).collect();
    members.sort_unstable();
    let mut groups: Vec<Vec<usize>> = members
        .chunk_by(|left, right| left.0 == right.0 && left.0.is_some())
        .map(|part| part.iter().map(|(_, row)| *row).collect())
        .collect();
    if groups.len() < 2 {
        return Err(LabelError::Labellers(groups.len()));
    }
    Rng::new(derive(seed, SEED_DEAL, 0)).shuffle(&mut groups);
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut fold_of = vec![0; labellers.len()];
    let mut held = vec![0; LABELLER_FOLDS.min(groups.len())];
    for group in &groups {
        let to = (0..held.len()).min_by_key(|fold| held[*fold]).unwrap_or(0);
        held[to] += group.len();
        group.iter().for_each(|row| fold_of[*row] = to);
    }
    let part = |fold: usize, test: bool| (0..fold_of.len()).filter(|row| (fold_of[*row] == fold) == test).collect();
    Ok((0..held.len()).map(|fold| Fold { train: part(fold, false), test: part(fold, true) }).collect())
}

/// The beliefs of each fold's model in the rows that it did not see.
fn judged(
    frame: &Frame,
    labels: &[bool],
    folds: &[Fold],
    booster: &BoosterSpec,
    seed: u64,
) -> Result<Vec<(usize, Belief)>, LabelError> {
    let parts: Result<Vec<Vec<(usize, Belief)>>, LabelError> = folds
        .par_iter()
        .map(|fold| {
            let known: Vec<bool> = fold.train.iter().map(|row| labels[*row]).collect();
            let judge = Judge::fit(&frame.take(&fold.train), &known, booster, seed)?;
            Ok(fold.test.iter().copied().zip(judge.beliefs(&frame.take(&fold.test))?).collect())
        })
        .collect();
    Ok(parts?.into_iter().flatten().collect())
}

/// A model of labels that are believed, such as those of a golden set, or of everyone but those who are judged.
#[derive(Clone, Debug)]
pub struct Judge {
    preprocess: Preprocess,
    booster: Booster,
}

impl Judge {
    /// Learns the labels of a frame.
    ///
    /// # Errors
    /// Labels of another number than rows or of one class, rows that cannot be learned from.
    pub fn fit(frame: &Frame, labels: &[bool], spec: &BoosterSpec, seed: u64) -> Result<Self, LabelError> {
        same("labels", frame.rows(), labels.len())?;
        if !labels.contains(&true) || !labels.contains(&false) {
            return Err(LearnError::OneClass { where_: "the rows that a judge of labels learns from" }.into());
        }
        let preprocess = Preprocess::fit(frame, &[])?;
        let booster = Booster::fit(&preprocess.encode(frame)?, labels, spec, seed)?;
        Ok(Self { preprocess, booster })
    }

    /// What it says of rows, which should not be those that it learned from.
    ///
    /// # Errors
    /// A column that it learned from is not there.
    pub fn beliefs(&self, frame: &Frame) -> Result<Vec<Belief>, LabelError> {
        let rows = self.preprocess.encode(frame)?;
        let (last, mean) = (self.booster.margins(&rows)?, self.booster.mean_margins(&rows)?);
        Ok(last
            .into_iter()
            .zip(mean)
            .map(|(last, mean)| Belief { chance: Booster::chance(last), margin: f64::from(mean) })
            .collect())
    }
}

/// The mean of beliefs by the rows, for callers that judge a part of them only.
pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let rows = length(values.len());
    values.sum::<f64>() / rows.max(1.0)
}
