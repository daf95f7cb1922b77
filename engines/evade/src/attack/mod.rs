//! Attackers on the whole vote that keep to what an outsider can do (T5): a certificate speaks of one member, the served answer is
//! that of three.
//!
//! Three kinds of knowledge, each a seeded pure function with a budget of questions: the whole model ([`white`]), its scores
//! ([`scores`]), its answers alone ([`decisions`]). All first look for a row with another answer and then make it cheaper.

pub mod decisions;
pub mod scores;
pub mod white;

use learn::interval::clopper_pearson;
use learn::rng::derive;
use learn::{Ensemble, Scratch, Value};
use rayon::prelude::*;
use serde::Serialize;

use crate::space::{Cell, Space};
use crate::trees::EvadeError;

/// The use of a campaign's seed.
const SEED_ROWS: u64 = 0xEA;

/// What an attacker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knowledge {
    /// Every member and every number in it.
    Model,
    /// The vote of any row that he asks about.
    Scores,
    /// Only whether a row is called positive, and some rows of his own.
    Decisions,
}

/// A row that gets another answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evasion {
    /// The row.
    pub row: Vec<Cell>,
    /// What it costs, by the space.
    pub cost: f64,
}

/// How an attack on one row ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attacked {
    /// The cheapest row with another answer, if one was found.
    pub evasion: Option<Evasion>,
    /// Questions that were asked.
    pub queries: u64,
}

/// Many rows together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tally {
    /// Rows that the model got right, and that were attacked.
    pub tried: u64,
    /// Rows that then got another answer.
    pub won: u64,
    /// The share of wins, 0 to 1; 0 where nothing was tried.
    pub share: f64,
    /// Its 95 % interval (Clopper and Pearson 1934).
    pub interval: (f64, f64),
    /// Mean cost of the wins; `None` where there are none.
    pub cost: Option<f64>,
    /// Mean questions of a row.
    pub queries: f64,
}

/// A model that is asked, and that counts.
pub(crate) struct Oracle<'a> {
    model: &'a Ensemble,
    space: &'a Space,
    from: &'a [Cell],
    positive: bool,
    scratch: Scratch,
    left: u64,
    asked: u64,
    best: Option<Evasion>,
}

impl<'a> Oracle<'a> {
    /// A model that answers so many questions about what can be made of a row.
    pub(crate) fn new(model: &'a Ensemble, space: &'a Space, from: &'a [Cell], budget: u64) -> Result<Self, EvadeError> {
        let columns = model.columns().len();
        for (what, seen) in [("values of the row", from.len()), ("columns of the space", space.columns())] {
            if seen != columns {
                return Err(EvadeError::Count { what, expected: columns, seen });
            }
        }
        let mut out =
            Self { model, space, from, positive: false, scratch: Scratch::default(), left: budget, asked: 0, best: None };
        // The row's own answer is known to its owner.
        out.positive = out.vote(from)? >= model.threshold();
        Ok(out)
    }

    fn vote(&mut self, row: &[Cell]) -> Result<f64, EvadeError> {
        let values: Vec<Value<'_>> = row.iter().map(Cell::value).collect();
        Ok(self.model.scores(&values, &mut self.scratch)?.vote)
    }

    /// How far the vote of a row is on the way to the other answer: above 0 (or at 0, towards positive) it is there. `None` where the
    /// row is not allowed or the budget is used up.
    pub(crate) fn progress(&mut self, row: &[Cell]) -> Result<Option<f64>, EvadeError> {
        if self.left == 0 || !self.space.allows(self.from, row) {
            return Ok(None);
        }
        self.left -= 1;
        self.asked += 1;
        let vote = self.vote(row)?;
        let flipped = (vote >= self.model.threshold()) != self.positive;
        let cost = self.space.cost(self.from, row);
        if flipped && self.best.as_ref().is_none_or(|best| cost < best.cost) {
            self.best = Some(Evasion { row: row.to_vec(), cost });
        }
        let gap = vote - self.model.threshold();
        Ok(Some(if self.positive { -gap } else { gap }))
    }

    /// Whether the row gets another answer; false where it is not allowed or the budget is used up.
    pub(crate) fn flips(&mut self, row: &[Cell]) -> Result<bool, EvadeError> {
        let progress = self.progress(row)?;
        Ok(progress.is_some_and(|gap| if self.positive { gap > 0.0 } else { gap >= 0.0 }))
    }

    /// The row's own answer.
    pub(crate) fn positive(&self) -> bool {
        self.positive
    }

    pub(crate) fn space(&self) -> &'a Space {
        self.space
    }

    pub(crate) fn from(&self) -> &'a [Cell] {
        self.from
    }

    pub(crate) fn model(&self) -> &'a Ensemble {
        self.model
    }

    pub(crate) fn spent(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn best(&self) -> Option<&Evasion> {
        self.best.as_ref()
    }

    /// Takes back what is not needed of the cheapest evasion: each column altogether, and else by halves, dearest first.
    pub(crate) fn refine(&mut self) -> Result<(), EvadeError> {
        let Some(Evasion { row, .. }) = self.best.clone() else { return Ok(()) };
        let mut row = row;
        let mut moved: Vec<usize> = self.space.movable(self.from).into_iter().filter(|&at| row[at] != self.from[at]).collect();
        let price = |row: &[Cell], at: usize| {
            let mut alone = self.from.to_vec();
            alone[at] = row[at].clone();
            self.space.cost(self.from, &alone)
        };
        moved.sort_by(|&one, &two| price(&row, two).total_cmp(&price(&row, one)).then(one.cmp(&two)));
        for at in moved {
            let mut back = row.clone();
            back[at] = self.from[at].clone();
            let back = self.space.project(self.from, &back);
            if self.flips(&back)? {
                row = back;
                continue;
            }
            let (Cell::Number(mut inside), Cell::Number(mut outside)) = (row[at].clone(), self.from[at].clone()) else {
                continue;
            };
            for _ in 0..HALVINGS {
                let mut half = row.clone();
                let middle = f64::midpoint(inside, outside);
                half[at] = Cell::Number(middle);
                let half = self.space.project(self.from, &half);
                if half[at] == row[at] || half[at] == self.from[at] {
                    break;
                }
                if self.flips(&half)? {
                    row = half;
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn done(self) -> Attacked {
        Attacked { evasion: self.best, queries: self.asked }
    }
}

/// Halvings of one column on the way back to the row.
const HALVINGS: usize = 12;

/// How many rows are attacked.
#[derive(Clone, Copy, Debug)]
pub struct Campaign<'a> {
    /// What the attacker knows.
    pub knowledge: Knowledge,
    /// Rows that an attacker with [`Knowledge::Decisions`] has of his own.
    pub known: &'a [Vec<Cell>],
    /// Questions for each row.
    pub budget: u64,
    /// Seed of the whole campaign.
    pub seed: u64,
}

/// Attacks every row that the model gets right, in parallel; `None` for the others. Same result for any number of threads.
///
/// # Errors
/// Labels that are not as many as rows; rows that are not as wide as the model or the space.
pub fn campaign(
    model: &Ensemble,
    space: &Space,
    rows: &[Vec<Cell>],
    labels: &[bool],
    plan: &Campaign<'_>,
) -> Result<(Tally, Vec<Option<Attacked>>), EvadeError> {
    let Campaign { knowledge, known, budget, seed } = *plan;
    if rows.len() != labels.len() {
        return Err(EvadeError::Count { what: "labels", expected: rows.len(), seen: labels.len() });
    }
    let one = |(at, (row, &label)): (usize, (&Vec<Cell>, &bool))| {
        let oracle = Oracle::new(model, space, row, budget)?;
        if oracle.positive != label {
            return Ok(None);
        }
        let seed = derive(seed, SEED_ROWS, at as u64);
        let attacked = match knowledge {
            Knowledge::Model => white::attack(model, space, row, budget, seed),
            Knowledge::Scores => scores::attack(model, space, row, budget, seed),
            Knowledge::Decisions => decisions::attack(model, space, row, known, budget, seed),
        };
        attacked.map(Some)
    };
    let all: Vec<Option<Attacked>> = rows.par_iter().zip(labels).enumerate().map(one).collect::<Result<_, EvadeError>>()?;
    Ok((tally(&all), all))
}

/// Sums attacks up; `None`: a row that was not attacked.
fn tally(all: &[Option<Attacked>]) -> Tally {
    let tried = all.iter().flatten().count() as u64;
    let costs: Vec<f64> = all.iter().flatten().filter_map(|one| one.evasion.as_ref().map(|evasion| evasion.cost)).collect();
    let won = costs.len() as u64;
    let mean = |sum: f64, count: u64| if count == 0 { 0.0 } else { sum / count as f64 };
    let queries = all.iter().flatten().map(|one| one.queries as f64).sum();
    Tally {
        tried,
        won,
        share: mean(won as f64, tried),
        interval: clopper_pearson(won, tried),
        cost: (won > 0).then(|| mean(costs.iter().sum(), won)),
        queries: mean(queries, tried),
    }
}

#[cfg(test)]
mod tests;
