//! Looks for settings that suit the data, and keeps every trial, so that a pinned setting has a record of where it came from (T4)
//! and nobody need believe a number that was tuned by hand on the test rows.
//!
//! Random draws first (Bergstra and Bengio 2012), then successive halving (Jamieson and Talwalkar 2016): all trials run on a small
//! budget, the best share of them on the next, the last on all. The caller's folds are the only rows that are trained and tested on,
//! each trial on the training part of a fold alone. Same trials and same answer on any number of threads. The best score of many
//! is flattered by its luck: measure the answer again, on other rows, before a gate believes it.

use frame::Frame;
use serde::{Deserialize, Serialize};

use crate::ensemble::{Ensemble, check_rows};
use crate::error::{LearnError, in_range};
use crate::metrics;
use crate::preprocess::Preprocess;
use crate::rng::{Rng, derive};
use crate::spec::{Gamma, TREES_MAX, TrainSpec};
use crate::split::Fold;

/// Most trials of one search.
pub const TRIALS_MAX: u32 = 1_000;
/// Most rungs.
pub const RUNGS_MAX: u32 = 6;
/// A rung trains on at least so many rows, or on all.
pub const RUNG_ROWS_MIN: usize = 200;
/// A rung grows at least so many trees.
const RUNG_TREES_MIN: u32 = 10;
/// The uses of the search's seed.
const SEED_TRIAL: u64 = 0x71;
const SEED_ROWS: u64 = 0x72;

/// What is made small or large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The vote's log loss; lower is better.
    LogLoss,
    /// The vote's area under the ROC curve; higher is better.
    Auc,
}

impl Objective {
    /// Orders scores, the best first; what is no number comes last.
    fn order(self, left: f64, right: f64) -> std::cmp::Ordering {
        let loss = |score: f64| match self {
            Self::LogLoss => score,
            Self::Auc => -score,
        };
        let key = |score: f64| if score.is_nan() { f64::INFINITY } else { loss(score) };
        key(left).total_cmp(&key(right))
    }

    fn of(self, votes: &[f64], labels: &[bool]) -> f64 {
        match self {
            Self::LogLoss => metrics::log_loss(votes, labels),
            Self::Auc => metrics::roc_auc(votes, labels),
        }
    }
}

/// What early rungs have less of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// Rows to train on, drawn so that each rung has those of the one before, with the classes' shares kept.
    Rows,
    /// Trees of booster and forest; the booster's rate is raised by as much, to 1 at most, so that its steps add up to the same.
    Trees,
}

/// Where a setting is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// Evenly, from the first to the second.
    Even(f64, f64),
    /// Evenly on a logarithmic scale; both above 0.
    Log(f64, f64),
}

impl Span {
    /// The value for a draw of 0 to 1, with four digits: short to write down, and the same when read again.
    fn at(self, draw: f64) -> f64 {
        let value = match self {
            Self::Even(least, most) => least + (most - least) * draw,
            Self::Log(least, most) => libm::exp(libm::log(least) + (libm::log(most) - libm::log(least)) * draw),
        };
        let scale = libm::pow(10.0, 3.0 - libm::floor(libm::log10(value.abs().max(1e-9))));
        // Digits are cut in decimal text, so that no binary rest stays.
        let digits = libm::round(value * scale) / scale;
        format!("{digits:.9}").parse().unwrap_or(digits)
    }

    fn check(self, name: &'static str) -> Result<(), LearnError> {
        let (least, most, from) = match self {
            Self::Even(least, most) => (least, most, 0.0),
            Self::Log(least, most) => (least, most, 1e-9),
        };
        in_range(name, least, from, most, "a rising pair, above 0 where logarithmic")?;
        in_range(name, most, least, 1e6, "a rising pair up to 1000000")
    }
}

/// Where settings are drawn from; those without a span stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Space {
    /// Trees of the booster.
    pub trees: Option<Span>,
    /// Their depth.
    pub depth: Option<Span>,
    /// Their shrinkage.
    pub learning_rate: Option<Span>,
    /// Share of rows a tree sees.
    pub subsample: Option<Span>,
    /// Share of columns a tree sees.
    pub colsample: Option<Span>,
    /// Least sum of second derivatives in a child.
    pub min_child_weight: Option<Span>,
    /// Penalty on squared leaf values.
    pub lambda: Option<Span>,
    /// Fewest rows in a leaf of the forest.
    pub min_leaf: Option<Span>,
    /// Price of a violated margin.
    pub cost: Option<Span>,
    /// Width of the kernel, as a multiple of `1 / encoded columns`, which is about [`Gamma::Scale`].
    pub gamma: Option<Span>,
}

impl Default for Space {
    fn default() -> Self {
        Self {
            trees: Some(Span::Log(100.0, 600.0)),
            depth: Some(Span::Even(2.0, 7.0)),
            learning_rate: Some(Span::Log(0.01, 0.2)),
            subsample: Some(Span::Even(0.5, 1.0)),
            colsample: Some(Span::Even(0.3, 1.0)),
            min_child_weight: Some(Span::Log(0.5, 30.0)),
            lambda: Some(Span::Log(0.1, 30.0)),
            min_leaf: Some(Span::Log(1.0, 30.0)),
            cost: Some(Span::Log(0.03, 30.0)),
            gamma: Some(Span::Log(0.05, 3.0)),
        }
    }
}

/// Name, span and where the value goes.
type Setting = (&'static str, Option<Span>, fn(&mut TrainSpec, f64));

impl Space {
    /// Each setting once.
    fn settings(&self) -> [Setting; 10] {
        fn count(value: f64) -> u32 {
            value.round().clamp(1.0, f64::from(TREES_MAX)) as u32
        }
        [
            ("search.space.trees", self.trees, |spec, value| spec.booster.trees = count(value)),
            ("search.space.depth", self.depth, |spec, value| spec.booster.depth = count(value)),
            ("search.space.learning_rate", self.learning_rate, |spec, value| spec.booster.learning_rate = value),
            ("search.space.subsample", self.subsample, |spec, value| spec.booster.subsample = value),
            ("search.space.colsample", self.colsample, |spec, value| spec.booster.colsample = value),
            ("search.space.min_child_weight", self.min_child_weight, |spec, value| spec.booster.min_child_weight = value),
            ("search.space.lambda", self.lambda, |spec, value| spec.booster.lambda = value),
            ("search.space.min_leaf", self.min_leaf, |spec, value| spec.forest.min_leaf = count(value)),
            ("search.space.cost", self.cost, |spec, value| spec.svm.cost = value),
            ("search.space.gamma", self.gamma, |spec, value| spec.svm.gamma = Gamma::Value(value)),
        ]
    }

    /// The settings of one trial. A setting has its own draw whatever else is drawn.
    fn draw(&self, base: &TrainSpec, width: usize, seed: u64) -> TrainSpec {
        let mut rng = Rng::new(seed);
        let mut out = base.clone();
        for (name, span, put) in self.settings() {
            let draw = rng.unit();
            if let Some(span) = span {
                let unit = if name == "search.space.gamma" { 1.0 / width.max(1) as f64 } else { 1.0 };
                let value = match span {
                    Span::Even(least, most) => Span::Even(least * unit, most * unit),
                    Span::Log(least, most) => Span::Log(least * unit, most * unit),
                };
                put(&mut out, value.at(draw));
            }
        }
        out
    }
}

/// What is searched, and how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSpec {
    /// The seed of all draws.
    pub seed: u64,
    /// Trials, 1 to [`TRIALS_MAX`]; the first has the settings of `base`.
    pub trials: u32,
    /// Rungs, 1 to [`RUNGS_MAX`].
    pub rungs: u32,
    /// One trial of so many climbs on, 2 to 10; a rung has as many times the budget of the one below.
    pub one_of: u32,
    /// What is made small or large.
    pub objective: Objective,
    /// What early rungs have less of.
    pub budget: Budget,
    /// What the search starts from.
    pub base: TrainSpec,
    /// Where settings are drawn from.
    pub space: Space,
}

impl Default for SearchSpec {
    fn default() -> Self {
        Self {
            seed: 20_261_122,
            trials: 27,
            rungs: 3,
            one_of: 3,
            objective: Objective::LogLoss,
            budget: Budget::Rows,
            base: TrainSpec::default(),
            space: Space::default(),
        }
    }
}

impl SearchSpec {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), LearnError> {
        in_range("search.trials", f64::from(self.trials), 1.0, f64::from(TRIALS_MAX), "1 to 1000")?;
        in_range("search.rungs", f64::from(self.rungs), 1.0, f64::from(RUNGS_MAX), "1 to 6")?;
        in_range("search.one_of", f64::from(self.one_of), 2.0, 10.0, "2 to 10")?;
        for (name, span, put) in self.space.settings() {
            let Some(span) = span else { continue };
            span.check(name)?;
            // Both ends must be settings that training takes.
            let mut ends = self.base.clone();
            for draw in [0.0, 1.0] {
                put(&mut ends, span.at(draw));
                ends.check()?;
            }
        }
        self.base.check()
    }

    /// Share of the whole budget on a rung.
    fn share(&self, rung: u32) -> f64 {
        libm::pow(f64::from(self.one_of), -f64::from(self.rungs - 1 - rung))
    }
}

/// One run of one set of settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Which settings: 0 is the base.
    pub trial: u32,
    /// The rung, from 0.
    pub rung: u32,
    /// Share of the whole budget.
    pub share: f64,
    /// The settings, at their whole budget.
    pub spec: TrainSpec,
    /// The objective, fold by fold.
    pub scores: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Rows trained on in the first fold.
    pub rows: usize,
    /// How long it took; no part of [`Searched::record`].
    pub seconds: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Searched {
    /// The best settings on the last rung.
    pub best: TrainSpec,
    /// Their trial.
    pub best_trial: u32,
    /// Their mean score on the last rung.
    pub best_mean: f64,
    /// Mean score of the base on the last rung.
    pub base_mean: f64,
    /// What was searched.
    pub search: SearchSpec,
    /// Every run, in the order in which it ran.
    pub trials: Vec<Trial>,
}

impl Searched {
    /// The bytes to take a digest of: everything but the seconds, so that the same search has the same digest elsewhere.
    ///
    /// # Errors
    /// A record that is no JSON; scores are numbers, so there is none.
    pub fn record(&self) -> Result<Vec<u8>, LearnError> {
        let mut timeless = self.clone();
        timeless.trials.iter_mut().for_each(|trial| trial.seconds = 0.0);
        serde_json::to_vec(&timeless).map_err(|error| LearnError::Write(error.to_string()))
    }
}

/// Who looks on. A search has no clock of its own.
pub trait Watch {
    /// Seconds since any moment.
    fn seconds(&mut self) -> f64;
    /// A run has ended; so many are still to come.
    fn ran(&mut self, trial: &Trial, left: usize);
}

/// Searches. Folds need not cover all rows.
///
/// # Errors
/// Settings outside their ranges; no fold; a fold with a row that is not there or on both sides, or with a part of one class; and
/// what [`Ensemble::fit`] refuses.
pub fn search(
    frame: &Frame,
    labels: &[bool],
    folds: &[Fold],
    spec: &SearchSpec,
    watch: &mut dyn Watch,
) -> Result<Searched, LearnError> {
    spec.check()?;
    check_rows(frame, labels)?;
    check_folds(folds, labels)?;
    let width = Preprocess::fit(&frame.take(&folds[0].train), &spec.base.log_columns)?.width();
    let settings: Vec<TrainSpec> = (0..spec.trials)
        .map(|trial| match trial {
            0 => spec.base.clone(),
            drawn => spec.space.draw(&spec.base, width, derive(spec.seed, SEED_TRIAL, u64::from(drawn))),
        })
        .collect();
    let mut left = planned(spec);
    let (mut trials, mut here) = (Vec::new(), (0..spec.trials).collect::<Vec<u32>>());
    for rung in 0..spec.rungs {
        let mut scores: Vec<(f64, u32)> = Vec::new();
        for &number in &here {
            left = left.saturating_sub(1);
            let trial = run(frame, labels, folds, spec, (number, rung, &settings[number as usize]), watch)?;
            watch.ran(&trial, left);
            scores.push((trial.mean, number));
            trials.push(trial);
        }
        scores.sort_by(|left, right| spec.objective.order(left.0, right.0).then(left.1.cmp(&right.1)));
        if rung + 1 == spec.rungs {
            return answer(spec, scores, &settings, trials);
        }
        here = climbers(&scores, spec.one_of);
    }
    Err(LearnError::Size { what: "rungs", seen: 0, least: 1, most: RUNGS_MAX as usize })
}

/// The best share of a rung, and the base, which all others are held against to the end; by number.
fn climbers(scores: &[(f64, u32)], one_of: u32) -> Vec<u32> {
    let keep = scores.len().div_ceil(one_of as usize);
    let mut out: Vec<u32> = scores.iter().take(keep).map(|score| score.1).chain([0]).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// How many runs there are at most: where the base does not climb by itself it comes on top.
fn planned(spec: &SearchSpec) -> usize {
    let (mut here, mut all) = (spec.trials as usize, 0);
    for _ in 0..spec.rungs {
        all += here;
        here = (here.div_ceil(spec.one_of as usize) + 1).min(here);
    }
    all
}

fn answer(
    spec: &SearchSpec,
    scores: Vec<(f64, u32)>,
    settings: &[TrainSpec],
    trials: Vec<Trial>,
) -> Result<Searched, LearnError> {
    let base = scores.iter().find(|score| score.1 == 0).map_or(f64::NAN, |score| score.0);
    let Some(&(best_mean, best_trial)) = scores.first() else {
        return Err(LearnError::Size { what: "trials", seen: 0, least: 1, most: TRIALS_MAX as usize });
    };
    let best = settings.get(best_trial as usize).cloned().unwrap_or_else(|| spec.base.clone());
    Ok(Searched { best, best_trial, best_mean, base_mean: base, search: spec.clone(), trials })
}

fn check_folds(folds: &[Fold], labels: &[bool]) -> Result<(), LearnError> {
    if folds.is_empty() {
        return Err(LearnError::Size { what: "folds", seen: 0, least: 1, most: crate::split::FOLDS_MAX });
    }
    for fold in folds {
        let mut trained = vec![false; labels.len()];
        for (rows, test) in [(&fold.train, false), (&fold.test, true)] {
            let mut classes = [false; 2];
            for &row in rows {
                let Some(trained) = trained.get_mut(row) else {
                    return Err(LearnError::Count { what: "rows of a fold", expected: labels.len(), seen: row + 1 });
                };
                if test && *trained {
                    return Err(LearnError::Setting {
                        name: "folds",
                        seen: format!("row {row} is trained and tested on"),
                        allowed: "rows on one side",
                    });
                }
                *trained |= !test;
                classes[usize::from(labels[row])] = true;
            }
            if classes != [true; 2] {
                return Err(LearnError::OneClass { where_: "a part of a fold" });
            }
        }
    }
    Ok(())
}

/// One set of settings on one rung: trained and tested on every fold.
fn run(
    frame: &Frame,
    labels: &[bool],
    folds: &[Fold],
    spec: &SearchSpec,
    (trial, rung, settings): (u32, u32, &TrainSpec),
    watch: &mut dyn Watch,
) -> Result<Trial, LearnError> {
    let began = watch.seconds();
    let share = spec.share(rung);
    let (used, rows_share) = match spec.budget {
        Budget::Rows => (settings.clone(), share),
        Budget::Trees => (fewer_trees(settings, share), 1.0),
    };
    let mut scores = Vec::with_capacity(folds.len());
    let mut rows = None;
    for fold in folds {
        let train = part(&fold.train, labels, rows_share, derive(spec.seed, SEED_ROWS, 0));
        rows.get_or_insert(train.len());
        let known: Vec<bool> = train.iter().map(|&row| labels[row]).collect();
        let model = Ensemble::fit(&frame.take(&train), &known, &used)?;
        let votes: Vec<f64> = model.predict(&frame.take(&fold.test))?.iter().map(|scores| scores.vote).collect();
        let truth: Vec<bool> = fold.test.iter().map(|&row| labels[row]).collect();
        scores.push(spec.objective.of(&votes, &truth));
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let seconds = watch.seconds() - began;
    Ok(Trial { trial, rung, share, spec: settings.clone(), scores, mean, rows: rows.unwrap_or(0), seconds })
}

fn fewer_trees(settings: &TrainSpec, share: f64) -> TrainSpec {
    let fewer = |trees: u32| ((f64::from(trees) * share).round() as u32).clamp(RUNG_TREES_MIN.min(trees), trees);
    let mut out = settings.clone();
    out.booster.trees = fewer(settings.booster.trees);
    let ratio = f64::from(settings.booster.trees) / f64::from(out.booster.trees);
    out.booster.learning_rate = (settings.booster.learning_rate * ratio).min(1.0);
    out.forest.trees = fewer(settings.forest.trees);
    out
}

/// A share of the rows, class by class, by each row's lot: a larger share has all of a smaller one's. Rising.
fn part(rows: &[usize], labels: &[bool], share: f64, seed: u64) -> Vec<usize> {
    let share = share.max(RUNG_ROWS_MIN as f64 / rows.len().max(1) as f64);
    if share >= 1.0 {
        return rows.to_vec();
    }
    let mut out = Vec::new();
    for class in [true, false] {
        let mut of: Vec<usize> = rows.iter().copied().filter(|&row| labels[row] == class).collect();
        of.sort_by_key(|&row| (derive(seed, SEED_ROWS, row as u64), row));
        let keep = ((of.len() as f64 * share).ceil() as usize).max(2);
        out.extend(of.into_iter().take(keep));
    }
    out.sort_unstable();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_short_stay_inside_and_depend_on_the_seed() {
        let space = Space::default();
        let base = TrainSpec::default();
        let mut seen = std::collections::BTreeSet::new();
        for trial in 0..200 {
            let spec = space.draw(&base, 45, derive(1, SEED_TRIAL, trial));
            spec.check().unwrap();
            assert!((2..=7).contains(&spec.booster.depth) && (0.01..=0.2).contains(&spec.booster.learning_rate), "{spec:?}");
            assert!(spec.booster.learning_rate.to_string().len() <= 7, "{}", spec.booster.learning_rate);
            let Gamma::Value(gamma) = spec.svm.gamma else { panic!("{spec:?}") };
            assert!((0.0011..=0.0667).contains(&gamma) && gamma.to_string().len() <= 9, "{gamma}");
            seen.insert(serde_json::to_string(&spec).unwrap());
        }
        assert_eq!(seen.len(), 200);
        let few = Space { cost: None, ..Space::default() };
        let (all, less) = (space.draw(&base, 45, 9), few.draw(&base, 45, 9));
        assert_eq!(less.svm.cost, base.svm.cost);
        assert_eq!((all.booster, all.svm.gamma), (less.booster, less.svm.gamma));
    }

    #[test]
    fn spans_are_checked() {
        let check = |space: Space, sound: bool| {
            assert_eq!(SearchSpec { space, ..SearchSpec::default() }.check().is_ok(), sound);
        };
        check(Space::default(), true);
        check(Space { depth: Some(Span::Even(3.0, 2.0)), ..Space::default() }, false);
        check(Space { depth: Some(Span::Even(3.0, 99.0)), ..Space::default() }, false);
        check(Space { lambda: Some(Span::Log(0.0, 2.0)), ..Space::default() }, false);
        check(Space { lambda: Some(Span::Even(0.0, 2.0)), ..Space::default() }, true);
        check(Space { cost: Some(Span::Even(f64::NAN, 2.0)), ..Space::default() }, false);
        assert!(SearchSpec { trials: 0, ..SearchSpec::default() }.check().is_err());
        assert!(SearchSpec { one_of: 1, ..SearchSpec::default() }.check().is_err());
    }

    #[test]
    fn larger_parts_hold_smaller_ones_and_keep_the_classes() {
        let labels: Vec<bool> = (0..3_000).map(|row| row % 5 == 0).collect();
        let rows: Vec<usize> = (0..3_000).filter(|row| row % 3 != 0).collect();
        let (small, large) = (part(&rows, &labels, 0.2, 4), part(&rows, &labels, 0.5, 4));
        assert!(small.iter().all(|row| large.contains(row)) && large.iter().all(|row| rows.contains(row)));
        assert!((400..=402).contains(&small.len()) && (1_000..=1_002).contains(&large.len()), "{} {}", small.len(), large.len());
        let positives = large.iter().filter(|&&row| labels[row]).count();
        assert!((199..=201).contains(&positives), "{positives}");
        assert_eq!(part(&rows, &labels, 0.001, 4).len(), 200);
        assert_eq!(part(&rows, &labels, 1.0, 4), rows);
    }

    #[test]
    fn the_base_climbs_to_the_end() {
        assert_eq!(climbers(&[(0.1, 4), (0.2, 3), (0.3, 0), (0.4, 1), (0.5, 2)], 3), [0, 3, 4]);
        assert_eq!(climbers(&[(0.1, 0), (0.2, 1)], 3), [0]);
        assert_eq!(planned(&SearchSpec::default()), 27 + 10 + 5);
        let trees = fewer_trees(&TrainSpec::default(), 1.0 / 9.0);
        assert_eq!((trees.booster.trees, trees.forest.trees), (33, 33));
        assert!((trees.booster.learning_rate * 33.0 - 15.0).abs() < 1e-9);
    }
}
