//! Says how sure a vote is, with a promise that can be checked: label sets that miss at most as often as they say, and an interval
//! around each probability (T5: a vote that cannot tell must not pass for one that can).
//!
//! For people inside only. A caller of the API who saw sets or intervals would learn more of the model than by the answer (T2, T3);
//! nothing here is part of [`crate::Scores`].
//!
//! Label sets: split conformal prediction, class by class (Mondrian; Vovk, Gammerman and Shafer 2005), with one minus the label's
//! probability as score (LAC; Sadinle, Lei and Wasserman 2019). Of rows with a label, the share whose set lacks it is at most the
//! level's, on average over draws of the rows. Intervals: inductive Venn-Abers (Vovk and Petej 2014): the isotonic fits with the
//! row added as a negative and as a positive; one of the two is calibrated, whichever label the row has.
//!
//! Both promises are exact for votes of this model on rows that it did not see, drawn like later ones. Out-of-fold votes come from
//! models with fewer rows (cross-conformal; Vovk 2015): the promise then holds only nearly. After a drift it does not hold.
//!
//! For intervals votes are rounded to cells of their log odds, which keeps the promise (the rounded vote is a score as good as any)
//! and the file small. Levels and intervals are rounded outwards to [`STEPS`] parts, so that they do not give back single votes or
//! counts of training rows.

use serde::{Deserialize, Serialize};

use crate::calibrate::log_odds;
use crate::error::{LearnError, in_range};

/// Fewest rows of each class; with fewer every set would hold both labels at a level of 0.1.
pub const ROWS_MIN: usize = 10;
/// Most levels.
pub const LEVELS_MAX: usize = 16;
/// The levels where a caller names none: sets that miss 20, 10 and 5 rows of 100.
pub const LEVELS: [f64; 3] = [0.2, 0.1, 0.05];
/// Cells of one unit of log odds: a cell spans 1.6 % of the odds.
const CELLS: f64 = 64.0;
/// The last cell: log odds are held at those of one in a million, 13.8.
const CELL_MAX: i32 = 885;
/// Parts of 1 that levels and intervals are rounded to, outwards.
const STEPS: f64 = 10_000.0;

/// Labels that a row may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSet {
    /// None: the row is unlike those of either label.
    Neither,
    /// Surely negative.
    Negative,
    /// Surely positive.
    Positive,
    /// The vote cannot tell.
    Both,
}

/// Where a probability lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Were the row negative.
    pub low: f64,
    /// Were it positive.
    pub high: f64,
}

impl Interval {
    /// The one probability that loses least against either end, in log loss (Vovk, Petej and Fedorova 2015, section 4).
    pub fn point(self) -> f64 {
        let sum = 1.0 - self.low + self.high;
        if sum > 0.0 { self.high / sum } else { 0.5 }
    }
}

/// How far votes may be from a label that is still possible.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Share of rows, of either label, whose set may lack it.
    pub miss: f64,
    /// Negative is possible up to this vote.
    pub negative_to: f64,
    /// Positive is possible from this vote.
    pub positive_from: f64,
}

/// The interval from one cell to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Band {
    from: i32,
    low: f64,
    high: f64,
}

/// What was measured of votes on unseen rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformal {
    /// Falling in `miss`.
    levels: Vec<Level>,
    /// Rising in `from`; the first is the lowest cell.
    bands: Vec<Band>,
}

fn cell(vote: f64) -> i32 {
    ((log_odds(vote) * CELLS).round() as i32).clamp(-CELL_MAX, CELL_MAX)
}

fn down(value: f64) -> f64 {
    (value * STEPS).floor() / STEPS
}

fn up(value: f64) -> f64 {
    ((value * STEPS).ceil() / STEPS).min(1.0)
}

impl Conformal {
    /// Measures votes (0 to 1, one a row) that their models were not trained on, for shares of misses above 0 to 0.5.
    ///
    /// # Errors
    /// Labels or levels that are too few or too many, a vote or level outside its range.
    pub fn fit(votes: &[f64], labels: &[bool], misses: &[f64]) -> Result<Self, LearnError> {
        if votes.len() != labels.len() {
            return Err(LearnError::Count { what: "labels", expected: votes.len(), seen: labels.len() });
        }
        if misses.is_empty() || misses.len() > LEVELS_MAX {
            return Err(LearnError::Size { what: "levels", seen: misses.len(), least: 1, most: LEVELS_MAX });
        }
        for &miss in misses {
            in_range("conformal level", miss, 1e-4, 0.5, "0.0001 to 0.5")?;
        }
        for &vote in votes {
            in_range("vote", vote, 0.0, 1.0, "0 to 1")?;
        }
        let mut by_class: [Vec<f64>; 2] = Default::default();
        for (&vote, &label) in votes.iter().zip(labels) {
            by_class[usize::from(label)].push(if label { 1.0 - vote } else { vote });
        }
        for scores in &mut by_class {
            if scores.len() < ROWS_MIN {
                let most = crate::spec::ROWS_MAX;
                return Err(LearnError::Size { what: "measured rows of a class", seen: scores.len(), least: ROWS_MIN, most });
            }
            scores.sort_by(f64::total_cmp);
        }
        let mut misses = misses.to_vec();
        misses.sort_by(|left, right| right.total_cmp(left));
        misses.dedup();
        let level = |&miss: &f64| Level {
            miss,
            negative_to: threshold(&by_class[0], miss),
            positive_from: down(1.0 - threshold(&by_class[1], miss)),
        };
        Ok(Self { levels: misses.iter().map(level).collect(), bands: bands(votes, labels) })
    }

    /// The levels, the widest sets last.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Labels that a row with this vote may have, where `miss` is one of the levels.
    pub fn label_set(&self, vote: f64, miss: f64) -> Option<LabelSet> {
        self.levels.iter().find(|level| level.miss == miss).map(|level| level.label_set(vote))
    }

    /// Where the probability of a row with this vote lies; anywhere for a vote that is no number.
    pub fn interval(&self, vote: f64) -> Interval {
        let cell = cell(vote);
        let after = self.bands.partition_point(|band| band.from <= cell);
        match after.checked_sub(1).and_then(|at| self.bands.get(at)) {
            Some(band) if !vote.is_nan() => Interval { low: band.low, high: band.high },
            Some(_) | None => Interval { low: 0.0, high: 1.0 },
        }
    }

    /// Checks what a file claims.
    pub(crate) fn check(&self) -> Result<(), String> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let levels = !self.levels.is_empty()
            && self.levels.len() <= LEVELS_MAX
            && self.levels.iter().all(|level| share(level.miss) && share(level.negative_to) && share(level.positive_from))
            && self.levels.windows(2).all(|pair| pair[0].miss > pair[1].miss);
        let bands = self.bands.first().is_some_and(|band| band.from == -CELL_MAX)
            && self.bands.iter().all(|band| share(band.low) && share(band.high) && band.low <= band.high)
            && self.bands.last().is_some_and(|band| band.from <= CELL_MAX)
            && self
                .bands
                .windows(2)
                .all(|pair| pair[0].from < pair[1].from && pair[0].low <= pair[1].low && pair[0].high <= pair[1].high);
        if levels && bands { Ok(()) } else { Err("what was measured of votes is no rising set of intervals".to_owned()) }
    }
}

impl Level {
    /// Labels that a row with this vote may have; both for a vote that is no number.
    pub fn label_set(&self, vote: f64) -> LabelSet {
        match (!(vote > self.negative_to), !(vote < self.positive_from)) {
            (true, true) => LabelSet::Both,
            (true, false) => LabelSet::Negative,
            (false, true) => LabelSet::Positive,
            (false, false) => LabelSet::Neither,
        }
    }
}

/// The least score that so few of the sorted ones, and a new one, lie above; 1 where there are too few to say.
fn threshold(sorted: &[f64], miss: f64) -> f64 {
    // The new row counts as one more; a trifle less, so that (n + 1) * 0.9 does not round up to one row more.
    let rank = ((sorted.len() + 1) as f64 * (1.0 - miss) - 1e-9).ceil() as usize;
    rank.checked_sub(1).and_then(|at| sorted.get(at)).map_or(1.0, |&score| up(score))
}

/// A pool of the isotonic fit: sum of labels, and rows.
type Pool = (f64, f64);

/// Pools of adjacent violators, each with the number of cells that it spans.
fn pooled(cells: impl Iterator<Item = Pool>, out: &mut Vec<(f64, f64, usize)>) {
    out.clear();
    for (sum, rows) in cells {
        let mut pool = (sum, rows, 1);
        while let Some(&last) = out.last()
            && last.0 * pool.1 >= pool.0 * last.1
        {
            pool = (pool.0 + last.0, pool.1 + last.1, pool.2 + last.2);
            out.pop();
        }
        out.push(pool);
    }
}

/// The fitted value of one cell.
fn value(pools: &[(f64, f64, usize)], place: usize) -> f64 {
    let mut end = 0;
    for &(sum, rows, cells) in pools {
        end += cells;
        if place < end {
            return sum / rows;
        }
    }
    f64::NAN
}

/// Both fits for every cell that a new row may fall into; equal neighbours are one band.
fn bands(votes: &[f64], labels: &[bool]) -> Vec<Band> {
    let mut counts = std::collections::BTreeMap::<i32, Pool>::new();
    for (&vote, &label) in votes.iter().zip(labels) {
        let count = counts.entry(cell(vote)).or_default();
        *count = (count.0 + f64::from(u8::from(label)), count.1 + 1.0);
    }
    let known: Vec<(i32, Pool)> = counts.into_iter().collect();
    let (mut out, mut pools) = (Vec::<Band>::new(), Vec::new());
    let mut add = |from: i32, before: usize, own: Pool, after: usize| {
        let mut fitted = |label: f64| {
            let ahead = known[..before].iter().map(|count| count.1);
            let behind = known[after..].iter().map(|count| count.1);
            pooled(ahead.chain([(own.0 + label, own.1 + 1.0)]).chain(behind), &mut pools);
            value(&pools, before)
        };
        let (low, high) = (down(fitted(0.0)), up(fitted(1.0)));
        if out.last().is_none_or(|band| band.low != low || band.high != high) {
            out.push(Band { from, low, high });
        }
    };
    // A new row falls before, into or after a known cell; all cells between two known ones are alike.
    let mut from = -CELL_MAX;
    for (place, &(cell, own)) in known.iter().enumerate() {
        if from < cell {
            add(from, place, (0.0, 0.0), place);
        }
        add(cell, place, own, place + 1);
        from = cell + 1;
    }
    if from <= CELL_MAX {
        add(from, known.len(), (0.0, 0.0), known.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::logistic;
    use crate::rng::Rng;

    /// Votes that are too sure of themselves, with labels by the true chances.
    fn drawn(rows: usize, seed: u64) -> (Vec<f64>, Vec<bool>, Vec<f64>) {
        let mut rng = Rng::new(seed);
        let (mut votes, mut labels, mut chances) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rows {
            let odds = rng.unit() * 5.0 - 3.5;
            let chance = logistic(odds);
            votes.push(logistic(1.8 * odds + 0.3));
            labels.push(rng.unit() < chance);
            chances.push(chance);
        }
        (votes, labels, chances)
    }

    #[test]
    fn sets_miss_no_more_than_they_say_of_either_label() {
        // Mean over many measurements: that is what the theorem bounds, on both sides (up to one row and rounding).
        let runs = 60;
        let mut missed = [[0.0; 2]; 3];
        for run in 0..runs {
            let (votes, labels, _) = drawn(600, run);
            let found = Conformal::fit(&votes, &labels, &LEVELS).unwrap();
            let (votes, labels, _) = drawn(2_000, 1_000 + run);
            for (level, missed) in found.levels().iter().zip(&mut missed) {
                for (class, wanted) in [(false, LabelSet::Positive), (true, LabelSet::Negative)] {
                    let rows = || votes.iter().zip(&labels).filter(|(_, label)| **label == class);
                    let wrong = rows().filter(|(vote, _)| [wanted, LabelSet::Neither].contains(&level.label_set(**vote))).count();
                    missed[usize::from(class)] += wrong as f64 / rows().count() as f64 / runs as f64;
                }
            }
        }
        for (missed, level) in missed.iter().zip(LEVELS) {
            for share in missed {
                assert!((level - 0.012..level + 0.006).contains(share), "{share} where {level} may be missed");
            }
        }
    }

    #[test]
    fn intervals_hold_the_true_chances_where_votes_do_not() {
        let (votes, labels, _) = drawn(4_000, 1);
        let found = Conformal::fit(&votes, &labels, &LEVELS).unwrap();
        let (votes, labels, chances) = drawn(20_000, 2);
        let intervals: Vec<Interval> = votes.iter().map(|&vote| found.interval(vote)).collect();
        for bin in 0..10 {
            let rows: Vec<usize> = (0..votes.len()).filter(|&row| (votes[row] * 10.0) as usize == bin).collect();
            let mean = |value: &dyn Fn(usize) -> f64| rows.iter().map(|&row| value(row)).sum::<f64>() / rows.len() as f64;
            let (low, high) = (mean(&|row| intervals[row].low), mean(&|row| intervals[row].high));
            let happened = mean(&|row| f64::from(u8::from(labels[row])));
            // Three standard errors of the mean of 4,000 measured and 20,000 tested rows.
            let noise = 3.0 * (happened * (1.0 - happened) * (1.0 / rows.len() as f64 + 5.0 / rows.len() as f64)).sqrt();
            assert!(low - noise < happened && happened < high + noise, "bin {bin}: {low} {happened} {high}");
        }
        let loss = |score: &dyn Fn(usize) -> f64| {
            (0..votes.len()).map(|row| (score(row) - chances[row]).powi(2)).sum::<f64>() / votes.len() as f64
        };
        assert!(loss(&|row| intervals[row].point()) < loss(&|row| votes[row]) / 3.0);
        let width = intervals.iter().map(|interval| interval.high - interval.low).sum::<f64>() / votes.len() as f64;
        assert!((0.0..0.06).contains(&width), "{width}");
    }

    /// The isotonic fit by its definition: the highest of the lowest means of stretches that hold the place.
    fn by_definition(points: &[(i32, f64)], place: i32) -> f64 {
        let cells: std::collections::BTreeSet<i32> = points.iter().map(|point| point.0).collect();
        let mean = |from: i32, to: i32| {
            let held = || points.iter().filter(|point| (from..=to).contains(&point.0));
            held().map(|point| point.1).sum::<f64>() / held().count() as f64
        };
        let lowest = |from: i32| cells.range(place..).map(|&to| mean(from, to)).fold(f64::INFINITY, f64::min);
        cells.range(..=place).map(|&from| lowest(from)).fold(f64::NEG_INFINITY, f64::max)
    }

    #[test]
    fn intervals_are_those_of_the_definition() {
        let (votes, labels, _) = drawn(60, 7);
        let found = Conformal::fit(&votes, &labels, &LEVELS).unwrap();
        let points: Vec<(i32, f64)> =
            votes.iter().zip(&labels).map(|(&vote, &label)| (cell(vote), f64::from(u8::from(label)))).collect();
        for step in 0..=50 {
            let vote = f64::from(step) / 50.0;
            let with = |label: f64| by_definition(&[&points[..], &[(cell(vote), label)]].concat(), cell(vote));
            let interval = found.interval(vote);
            assert!((interval.low - down(with(0.0) + 1e-12)).abs() < 1.5e-4, "{vote}: {interval:?} {}", with(0.0));
            assert!((interval.high - up(with(1.0) - 1e-12)).abs() < 1.5e-4, "{vote}: {interval:?} {}", with(1.0));
            assert!(interval.low <= with(0.0) + 1e-12 && interval.high >= with(1.0) - 1e-12);
        }
    }

    #[test]
    fn few_rows_promise_nothing() {
        let votes: Vec<f64> = (0..20).map(|row| f64::from(row) / 20.0).collect();
        let labels: Vec<bool> = (0..20).map(|row| row >= 10).collect();
        let found = Conformal::fit(&votes, &labels, &[0.05, 0.5]).unwrap();
        assert_eq!(found.label_set(0.99, 0.05), Some(LabelSet::Both));
        assert_eq!(found.label_set(0.99, 0.5), Some(LabelSet::Positive));
        assert_eq!(found.label_set(0.5, 0.5), Some(LabelSet::Neither));
        assert_eq!(found.label_set(0.5, 0.3), None);
        assert_eq!(found.label_set(f64::NAN, 0.5), Some(LabelSet::Both));
        assert_eq!(found.interval(f64::NAN), Interval { low: 0.0, high: 1.0 });
        assert!(Conformal::fit(&votes[1..], &labels[1..], &LEVELS).is_err());
        assert!(Conformal::fit(&votes, &labels[1..], &LEVELS).is_err());
        for misses in [&[][..], &[0.0], &[0.6], &[f64::NAN], &[0.1; 17]] {
            assert!(Conformal::fit(&votes, &labels, misses).is_err());
        }
        assert!(Conformal::fit(&[f64::NAN; 20], &labels, &LEVELS).is_err());
    }

    #[test]
    fn what_a_file_claims_is_checked() {
        let (votes, labels, _) = drawn(500, 1);
        let found = Conformal::fit(&votes, &labels, &LEVELS).unwrap();
        assert!(found.check().is_ok());
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Conformal>(&text).unwrap(), found);
        assert!(text.len() < 100_000, "{}", text.len());
        let changed = |change: &dyn Fn(&mut Conformal)| {
            let mut other = found.clone();
            change(&mut other);
            other.check().is_err()
        };
        assert!(changed(&|other| other.levels.clear()));
        assert!(changed(&|other| other.levels.swap(0, 1)));
        assert!(changed(&|other| other.levels[0].negative_to = f64::NAN));
        assert!(changed(&|other| other.bands.clear()));
        assert!(changed(&|other| other.bands.swap(0, 1)));
        assert!(changed(&|other| other.bands[0].from = -9_999));
        assert!(changed(&|other| other.bands[1].high = 1.5));
        assert!(changed(&|other| other.bands[1].low = f64::NAN));
    }
}
