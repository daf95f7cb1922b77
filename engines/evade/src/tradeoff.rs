//! What it costs to withstand an outsider (T5: the trade-off between clean and robust answers is a curve, and a policy chooses on it).
//!
//! For each strength of [`TrainSpec::hardened`] a model learns three quarters of the rows; the others say how well it ranks them as they
//! are, and how many right answers are left when a simple attacker has been there. That attacker goes from column to column; he is for
//! choosing only, so that the attackers of [`crate::attack`] still meet every model for the first time.

use learn::interval::clopper_pearson;
use learn::{Ensemble, LearnError, Split, TrainSpec, metrics};
use rayon::prelude::*;
use serde::Serialize;

use frame::{Column, Frame};

use crate::attack::Oracle;
use crate::space::{Cell, Moves, Reach, Rule, Space, cells};
use crate::trees::EvadeError;

/// Most strengths of a curve: each costs a training.
pub const STRENGTHS_MAX: usize = 32;
/// One of so many parts of the rows is judged.
const PARTS: usize = 4;
/// Places of one number column that are tried: its ends, and some between.
const PLACES: usize = 5;
/// How often the attacker goes over the columns.
const SWEEPS: usize = 3;
/// Questions for each row: more than he can ask at most of 800 columns.
const QUERIES: u64 = 20_000;

/// What is tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Columns that an outsider can move; categories to any level.
    pub columns: Vec<String>,
    /// How far he moves numbers: share of the range of the learned rows, 0 to 1.
    pub eps: f64,
    /// Most rows that are attacked.
    pub rows_max: usize,
    /// Seed of the parts.
    pub seed: u64,
}

/// What a model of one strength is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The strength, 0 and above.
    pub strength: f64,
    /// AUC of the vote on judged rows as they are.
    pub auc: f64,
    /// Mean over both classes of the share of attacked rows that are right as they are, 0 to 1.
    pub balanced_accuracy: f64,
    /// The same of those that are still right after the attack.
    pub balanced_withstood: f64,
    /// Right answers that were attacked.
    pub tried: u64,
    /// Those that were turned.
    pub won: u64,
    /// 95 % interval of the share that was turned (Clopper and Pearson 1934).
    pub interval: (f64, f64),
}

impl Point {
    /// Share of right answers that were turned, 0 to 1; 0 where nothing was tried.
    pub fn success(&self) -> f64 {
        if self.tried == 0 { 0.0 } else { self.won as f64 / self.tried as f64 }
    }
}

/// Why there is no point.
#[derive(Debug, thiserror::Error)]
pub enum TradeoffError {
    /// Nothing could be trained.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// Nothing could be attacked.
    #[error(transparent)]
    Evade(#[from] EvadeError),
}

/// The point of one strength: one training and one attack. A pure function; same point for any number of threads.
///
/// The vote is read at the threshold where it calls as many of the judged rows positive as are among the learned ones, so that no
/// model seems robust because it calls nobody.
///
/// # Errors
/// Columns that are not there, rows that nothing can be learned from, settings outside their ranges.
pub fn point(frame: &Frame, labels: &[bool], spec: &TrainSpec, plan: &Plan, strength: f64) -> Result<Point, TradeoffError> {
    let folds = (Split::Stratified { folds: PARTS, seed: plan.seed }).folds(frame, labels)?;
    let Some(fold) = folds.first() else { return Err(LearnError::OneClass { where_: "the training data" }.into()) };
    let of = |rows: &[usize]| rows.iter().filter_map(|&row| labels.get(row).copied()).collect::<Vec<bool>>();
    let (train, known) = (frame.take(&fold.train), of(&fold.train));
    let (test, truth) = (frame.take(&fold.test), of(&fold.test));
    let model = Ensemble::fit(&train, &known, &spec.hardened(&plan.columns, plan.eps, strength))?;
    let votes: Vec<f64> = model.predict(&test)?.iter().map(|scores| scores.vote).collect();
    let auc = metrics::roc_auc(&votes, &truth);
    let model = calling_as_many(model, votes, &known)?;
    let space = Space::new(model.columns(), rules(&train, plan), &[], f64::INFINITY)?;
    let some: Vec<usize> =
        (0..truth.len().min(plan.rows_max)).map(|at| at * truth.len() / truth.len().min(plan.rows_max)).collect();
    let rows = cells(&model, &test.take(&some));
    let truth: Vec<bool> = some.iter().filter_map(|&row| truth.get(row).copied()).collect();
    let turned: Vec<Option<bool>> =
        rows.par_iter().zip(&truth).map(|(row, label)| turned(&model, &space, row, *label)).collect::<Result<_, EvadeError>>()?;
    let tried = turned.iter().flatten().count() as u64;
    let won = turned.iter().flatten().filter(|turned| **turned).count() as u64;
    Ok(Point {
        strength,
        auc,
        balanced_accuracy: balanced(&turned, &truth, |turned| turned.is_some()),
        balanced_withstood: balanced(&turned, &truth, |turned| turned == Some(false)),
        tried,
        won,
        interval: clopper_pearson(won, tried),
    })
}

/// Points one after the other, each when it is asked for, so that the caller can tell how far it is.
///
/// # Errors
/// More than [`STRENGTHS_MAX`] strengths; then as [`point`].
pub fn curve<'a>(
    frame: &'a Frame,
    labels: &'a [bool],
    spec: &'a TrainSpec,
    plan: &'a Plan,
    strengths: &'a [f64],
) -> Result<impl Iterator<Item = Result<Point, TradeoffError>> + 'a, TradeoffError> {
    if strengths.len() > STRENGTHS_MAX {
        return Err(EvadeError::Count { what: "strengths", expected: STRENGTHS_MAX, seen: strengths.len() }.into());
    }
    Ok(strengths.iter().map(move |&strength| point(frame, labels, spec, plan, strength)))
}

/// The point that withstands most of those whose AUC is at most so much below that of the least strength; of equals, the weaker.
/// `None` where there are no points.
pub fn choose(points: &[Point], auc_loss_max: f64) -> Option<&Point> {
    let least = points.iter().min_by(|one, two| one.strength.total_cmp(&two.strength))?;
    let mut within: Vec<&Point> = points.iter().filter(|point| point.auc >= least.auc - auc_loss_max).collect();
    within.sort_by(|one, two| one.strength.total_cmp(&two.strength));
    // The reference itself stays in, whatever loss is allowed.
    Some(
        within
            .into_iter()
            .fold(least, |best, point| if point.balanced_withstood > best.balanced_withstood { point } else { best }),
    )
}

/// The model with the threshold at which it calls as many judged rows as there are positives among the learned ones.
fn calling_as_many(model: Ensemble, mut votes: Vec<f64>, known: &[bool]) -> Result<Ensemble, LearnError> {
    votes.sort_unstable_by(|one, two| two.total_cmp(one));
    let share = known.iter().filter(|label| **label).count() as f64 / known.len().max(1) as f64;
    let last = ((votes.len() as f64 * share).round() as usize).clamp(1, votes.len().max(1)) - 1;
    let threshold = votes.get(last).copied().unwrap_or(model.threshold());
    model.with_threshold(threshold)
}

fn rules(train: &Frame, plan: &Plan) -> Vec<Rule> {
    let rule = |name: &String| {
        let reach = match train.column(name) {
            Some(Column::Number(values)) => {
                let known = || values.iter().copied().filter(|value| value.is_finite());
                let range = known().fold(f64::NEG_INFINITY, f64::max) - known().fold(f64::INFINITY, f64::min);
                Reach::Absolute(if range > 0.0 { plan.eps * range } else { 0.0 })
            }
            Some(Column::Category(_)) | None => Reach::Any,
        };
        Rule { column: name.clone(), moves: Moves::Free, reach, ..Rule::default() }
    };
    plan.columns.iter().map(rule).collect()
}

/// Whether a right answer is turned; `None` where it was not right.
fn turned(model: &Ensemble, space: &Space, row: &[Cell], label: bool) -> Result<Option<bool>, EvadeError> {
    let mut oracle = Oracle::new(model, space, row, QUERIES)?;
    if oracle.positive() != label {
        return Ok(None);
    }
    let movable = space.movable(row);
    let mut here = row.to_vec();
    let mut progress = oracle.progress(&here)?.unwrap_or(f64::NEG_INFINITY);
    for _ in 0..SWEEPS {
        let mut moved = false;
        for &column in &movable {
            for place in places(space, row, column) {
                let mut wish = here.clone();
                wish[column] = place;
                let wish = space.project(row, &wish);
                if let Some(seen) = oracle.progress(&wish)?
                    && seen > progress
                {
                    (here, progress, moved) = (wish, seen, true);
                }
                if oracle.best().is_some() {
                    return Ok(Some(true));
                }
            }
        }
        if !moved {
            break;
        }
    }
    Ok(Some(false))
}

/// Places of one column, ends first.
fn places(space: &Space, row: &[Cell], column: usize) -> Vec<Cell> {
    let Some((low, high)) = space.proposals(row, column) else {
        return space.choices(row, column).into_iter().map(|level| Cell::Text(level.to_owned())).collect();
    };
    let between = |at: usize| low + (high - low) * at as f64 / (PLACES - 1) as f64;
    [low, high].into_iter().chain((1..PLACES - 1).map(between)).map(Cell::Number).collect()
}

/// Mean over both classes of the share of rows of which something holds; of the one class where the other has no rows.
fn balanced(turned: &[Option<bool>], truth: &[bool], holds: impl Fn(Option<bool>) -> bool) -> f64 {
    let share = |class: bool| {
        let rows: Vec<bool> =
            turned.iter().zip(truth).filter(|(_, label)| **label == class).map(|(one, _)| holds(*one)).collect();
        (!rows.is_empty()).then(|| rows.iter().filter(|holds| **holds).count() as f64 / rows.len() as f64)
    };
    match (share(false), share(true)) {
        (Some(one), Some(two)) => f64::midpoint(one, two),
        (one, two) => one.or(two).unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests;
