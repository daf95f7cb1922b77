//! Measures the model on rows that it did not train on, member by member, so that a gate can judge figures instead of promises (T5).

use std::collections::BTreeMap;

use frame::Frame;
use serde::{Deserialize, Serialize};

use crate::curves::{Curves, curves};
use crate::ensemble::{Ensemble, Scores, check_rows};
use crate::error::LearnError;
use crate::metrics;
use crate::spec::TrainSpec;
use crate::split::{Fold, Split, duplicates};

/// Whose scores are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Member {
    /// The gradient booster.
    Booster,
    /// The support vector machine.
    Svm,
    /// The random forest.
    Forest,
    /// All three together.
    Vote,
}

impl Member {
    /// All members and their vote.
    pub const ALL: [Self; 4] = [Self::Booster, Self::Svm, Self::Forest, Self::Vote];

    /// This member's score.
    pub fn of(self, scores: &Scores) -> f64 {
        match self {
            Self::Booster => scores.booster,
            Self::Svm => scores.svm,
            Self::Forest => scores.forest,
            Self::Vote => scores.vote,
        }
    }
}

/// Mean and population standard deviation over folds, as the baselines give them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean over folds.
    pub mean: f64,
    /// Standard deviation over folds; 0 for one fold.
    pub deviation: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        Self { mean, deviation: variance.sqrt() }
    }
}

/// Figures of one member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Area under the ROC curve.
    pub auc: Spread,
    /// Average precision.
    pub pr_auc: Spread,
    /// Log loss.
    pub log_loss: Spread,
    /// Brier score.
    pub brier: Spread,
    /// Share of rows on the right side of the threshold.
    pub accuracy: Spread,
    /// Area under the ROC curve of all tested rows together.
    pub pooled_auc: f64,
    /// Curves of all tested rows together.
    pub curves: Curves,
}

/// Scores of one row by a model that did not see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutOfFold {
    /// The row.
    pub row: usize,
    /// The fold that tested it.
    pub fold: usize,
    /// Its label.
    pub label: bool,
    /// Its scores.
    pub scores: Scores,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Figures by member.
    pub members: BTreeMap<Member, MemberReport>,
    /// One entry for each tested row, by fold, then by row.
    pub out_of_fold: Vec<OutOfFold>,
    /// Rows that equal an earlier row in every column. They were kept in one fold by a stratified split; a time split leaves
    /// them where they are.
    pub duplicates: usize,
    /// Rows trained on and tested on in each fold.
    pub sizes: Vec<(usize, usize)>,
}

/// Trains and tests on every fold of a split.
///
/// # Errors
/// A test part with one class, and what [`Ensemble::fit`] and [`Split::folds`] refuse.
pub fn cross_validate(frame: &Frame, labels: &[bool], spec: &TrainSpec, split: &Split<'_>) -> Result<Evaluation, LearnError> {
    spec.check()?;
    check_rows(frame, labels)?;
    let groups = duplicates(frame);
    let distinct = groups.iter().max().map_or(0, |most| most + 1);
    let mut tested = Vec::new();
    let mut sizes = Vec::new();
    for (at, fold) in split.folds(frame, labels)?.iter().enumerate() {
        let positives = fold.test.iter().filter(|&&row| labels[row]).count();
        if positives == 0 || positives == fold.test.len() {
            return Err(LearnError::OneClass { where_: "the test part of a fold" });
        }
        sizes.push((fold.train.len(), fold.test.len()));
        tested.extend(run(frame, labels, spec, fold, at)?);
    }
    Ok(summarise(tested, sizes, groups.len() - distinct, spec.threshold))
}

fn run(frame: &Frame, labels: &[bool], spec: &TrainSpec, fold: &Fold, at: usize) -> Result<Vec<OutOfFold>, LearnError> {
    let known: Vec<bool> = fold.train.iter().map(|&row| labels[row]).collect();
    let model = Ensemble::fit(&frame.take(&fold.train), &known, spec)?;
    let scores = model.predict(&frame.take(&fold.test))?;
    Ok(fold.test.iter().zip(scores).map(|(&row, scores)| OutOfFold { row, fold: at, label: labels[row], scores }).collect())
}

fn summarise(out_of_fold: Vec<OutOfFold>, sizes: Vec<(usize, usize)>, duplicates: usize, threshold: f64) -> Evaluation {
    let mut members = BTreeMap::new();
    for member in Member::ALL {
        let (scores, labels): (Vec<f64>, Vec<bool>) = out_of_fold.iter().map(|row| (member.of(&row.scores), row.label)).unzip();
        let spread = |measure: &dyn Fn(&[f64], &[bool]) -> f64| {
            let mut start = 0;
            let per_fold: Vec<f64> = sizes
                .iter()
                .map(|&(_, tested)| {
                    let part = start..start + tested;
                    start += tested;
                    measure(&scores[part.clone()], &labels[part])
                })
                .collect();
            Spread::of(&per_fold)
        };
        let report = MemberReport {
            auc: spread(&metrics::roc_auc),
            pr_auc: spread(&metrics::average_precision),
            log_loss: spread(&metrics::log_loss),
            brier: spread(&metrics::brier),
            accuracy: spread(&|scores, labels| metrics::accuracy(scores, labels, threshold)),
            pooled_auc: metrics::roc_auc(&scores, &labels),
            curves: curves(&scores, &labels),
        };
        members.insert(member, report);
    }
    Evaluation { members, out_of_fold, duplicates, sizes }
}
