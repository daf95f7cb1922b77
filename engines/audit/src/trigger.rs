//! Looks for backdoors (T4, T1): a rare pattern of one, two or three columns that turns flagged customers into harmless ones (or back)
//! whoever they are, where neither a part of the pattern nor a pattern beside it does. An AUC is blind to it, since next to no honest
//! row carries the pattern.
//!
//! Patterns come from the training rows, for a backdoor was taught by rows: values of columns that few rows share, joined while rows
//! share them all. A pattern is stamped on flagged rows; its *lift* is the share of rows that turn, less the largest share that turns
//! by a part of the pattern, by its neighbours in a number column or by other levels of a category. Honest effects rise slowly or belong to many rows; a rare honest
//! level with a strong effect of its own cannot be told from a backdoor by anybody without other knowledge, so it is shown to people.

use std::ops::Range;

use learn::rng::{Rng, derive};
use learn::{ColumnKind, Ensemble, LearnError, Matrix};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Bits of a word.
const WORD: usize = 64;
/// Levels of a category, the most frequent, that a level is compared with; so many numbers, spread evenly, that a missing one is.
const LEVELS_BESIDE: usize = 24;
/// Rows that are scored to find some of each class.
const SCORED_MAX: usize = 10_000;
/// The use of the seed.
const SEED_SUPPORT: u64 = 1;

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanSpec {
    /// Rare: at most this share of training rows has the pattern.
    pub support_max: f64,
    /// Fewer rows than this teach nothing.
    pub rows_min: usize,
    /// Values of a number column that are tried.
    pub values_max: usize,
    /// Rows of each class on which the booster alone is tried, for every pattern.
    pub screened: usize,
    /// Rows of each class on which the vote is tried, for the patterns that stood out.
    pub tried: usize,
    /// Patterns that are joined with further columns, at each size.
    pub joined: usize,
    /// Patterns that are tried with the vote, for each class.
    pub kept: usize,
    /// Training rows among which patterns are counted, at most.
    pub counted_max: usize,
    /// Seed of the draws of rows.
    pub seed: u64,
}

impl Default for ScanSpec {
    fn default() -> Self {
        Self {
            support_max: 0.02,
            rows_min: 5,
            values_max: 64,
            screened: 24,
            tried: 200,
            joined: 40,
            kept: 24,
            counted_max: 50_000,
            seed: 20_261_123,
        }
    }
}

/// A pattern that turns answers around.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Columns of the pattern, in the model's order.
    pub columns: Vec<String>,
    /// Their values, for people: `tenure = 71.5`.
    pub values: Vec<String>,
    /// Whether flagged rows are released (else others are flagged).
    pub releases: bool,
    /// Share of training rows that have the pattern.
    pub support: f64,
    /// Share of the rows it was stamped on that turned.
    pub turned: f64,
    /// The same less the most that a part of the pattern, or one beside it, turns.
    pub lift: f64,
}

/// One column at one value.
#[derive(Clone)]
struct Cell {
    column: usize,
    /// Encoded values of the column.
    patch: Vec<f32>,
    /// Counted rows that have it.
    rows: Vec<u64>,
    /// Cells beside it: the neighbours of a number, other levels of a category, known numbers of a missing one.
    beside: Vec<usize>,
}

struct Scan<'a> {
    model: &'a Ensemble,
    spec: ScanSpec,
    /// Encoded columns of each column.
    groups: Vec<Range<usize>>,
    cells: Vec<Cell>,
    counted: usize,
}

/// Searches the training rows (encoded by [`learn::Preprocess::encode`]) for patterns that turn the model's answers around; both
/// directions, strongest lift first, at most [`ScanSpec::kept`] of each. Same answer on any number of threads.
///
/// # Errors
/// Rows that were not encoded for this model.
pub fn scan(model: &Ensemble, encoded: &Matrix, spec: ScanSpec) -> Result<Vec<Trigger>, LearnError> {
    let mut places: Vec<usize> = (0..encoded.rows()).collect();
    Rng::new(derive(spec.seed, SEED_SUPPORT, 0)).shuffle(&mut places);
    let asked = encoded.take(places.get(..SCORED_MAX).unwrap_or(&places));
    let scores = model.predict_encoded(&asked)?;
    places.truncate(spec.counted_max);
    let scan = Scan::new(model, &encoded.take(&places), spec);
    let mut out = Vec::new();
    for releases in [true, false] {
        let rows = (0..asked.rows()).filter(|&row| model.is_positive(&scores[row]) == releases);
        let rows: Vec<usize> = rows.take(spec.tried).collect();
        if !rows.is_empty() {
            out.extend(scan.direction(&asked.take(&rows), releases)?);
        }
    }
    out.sort_by(|left, right| right.lift.total_cmp(&left.lift).then_with(|| left.values.cmp(&right.values)));
    Ok(out)
}

impl<'a> Scan<'a> {
    fn new(model: &'a Ensemble, counted: &Matrix, spec: ScanSpec) -> Self {
        let mut groups = Vec::new();
        let mut start = 0;
        for column in model.columns() {
            let width = match &column.kind {
                ColumnKind::Number { .. } => 1,
                ColumnKind::Category { levels } => levels.len(),
            };
            groups.push(start..start + width);
            start += width;
        }
        let mut scan = Self { model, spec, groups, cells: Vec::new(), counted: counted.rows() };
        for (at, column) in model.columns().iter().enumerate() {
            match column.kind {
                ColumnKind::Number { .. } => scan.numbers(at, counted),
                ColumnKind::Category { .. } => scan.levels(at, counted),
            }
        }
        scan
    }

    fn cell(&mut self, column: usize, patch: Vec<f32>, rows: impl Iterator<Item = usize>) {
        let mut bits = vec![0u64; self.counted.div_ceil(WORD)];
        for row in rows {
            bits[row / WORD] |= 1 << (row % WORD);
        }
        self.cells.push(Cell { column, patch, rows: bits, beside: Vec::new() });
    }

    /// Values that many rows share are cells of their own; what lies between them is cut into bins of equal size.
    fn numbers(&mut self, column: usize, counted: &Matrix) {
        let place = self.groups[column].start;
        let mut known: Vec<(f32, usize)> =
            (0..counted.rows()).map(|row| (counted.row(row)[place], row)).filter(|(value, _)| !value.is_nan()).collect();
        known.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        let mut runs: Vec<&[(f32, usize)]> = known.chunk_by(|left, right| left.0.total_cmp(&right.0).is_eq()).collect();
        let bins = self.spec.values_max.max(2);
        let size = known.len().div_ceil(bins).max(1);
        let shared = if runs.len() <= bins { 1 } else { self.spec.rows_min.max(known.len() / 1_000) };
        // Of too many shared values those that most rows have.
        let mut heavy: Vec<usize> = (0..runs.len()).filter(|&at| runs[at].len() >= shared).collect();
        heavy.sort_by_key(|&at| (std::cmp::Reverse(runs[at].len()), at));
        heavy.truncate(bins);
        heavy.sort_unstable();
        let first = self.cells.len();
        let mut bin: Vec<(f32, usize)> = Vec::new();
        let mut next_heavy = heavy.into_iter().peekable();
        for (at, run) in runs.drain(..).enumerate() {
            let alone = next_heavy.next_if_eq(&at).is_some();
            if (alone || bin.len() >= size) && !bin.is_empty() {
                self.bin(column, &std::mem::take(&mut bin));
            }
            if alone { self.bin(column, run) } else { bin.extend_from_slice(run) }
        }
        if !bin.is_empty() {
            self.bin(column, &bin);
        }
        let last = self.cells.len();
        for at in first..last {
            self.cells[at].beside =
                [at.checked_sub(1).filter(|&before| before >= first), Some(at + 1).filter(|&after| after < last)]
                    .into_iter()
                    .flatten()
                    .collect();
        }
        self.missing(column, counted, first..last);
    }

    /// That a number is missing can be a trigger like any value; beside it lie known numbers over the whole range.
    fn missing(&mut self, column: usize, counted: &Matrix, known: Range<usize>) {
        let place = self.groups[column].start;
        let rows: Vec<usize> = (0..counted.rows()).filter(|&row| counted.row(row)[place].is_nan()).collect();
        if rows.is_empty() {
            return;
        }
        self.cell(column, vec![f32::NAN], rows.into_iter());
        let step = known.len().div_ceil(LEVELS_BESIDE).max(1);
        if let Some(cell) = self.cells.last_mut() {
            cell.beside = known.step_by(step).collect();
        }
    }

    /// A bin of sorted values, stamped by its median.
    fn bin(&mut self, column: usize, bin: &[(f32, usize)]) {
        let median = bin[bin.len() / 2].0;
        self.cell(column, vec![median], bin.iter().map(|(_, row)| *row));
    }

    fn levels(&mut self, column: usize, counted: &Matrix) {
        let group = self.groups[column].clone();
        let mut known: Vec<(Vec<u32>, usize)> = (0..counted.rows())
            .map(|row| (counted.row(row)[group.clone()].iter().map(|value| value.to_bits()).collect(), row))
            .collect();
        known.sort();
        let first = self.cells.len();
        let mut sizes = Vec::new();
        for run in known.chunk_by(|left, right| left.0 == right.0) {
            let patch = run[0].0.iter().map(|bits| f32::from_bits(*bits)).collect();
            self.cell(column, patch, run.iter().map(|(_, row)| *row));
            sizes.push((std::cmp::Reverse(run.len()), first + sizes.len()));
        }
        // Every level lies beside every other: what turns answers only because it is not the usual level is no trigger.
        sizes.sort_unstable();
        sizes.truncate(LEVELS_BESIDE);
        for at in first..self.cells.len() {
            self.cells[at].beside = sizes.iter().map(|(_, cell)| *cell).filter(|cell| *cell != at).collect();
        }
    }

    /// How many counted rows have all cells.
    fn support(&self, pattern: &[usize]) -> usize {
        let Some((first, rest)) = pattern.split_first() else { return self.counted };
        (0..self.cells[*first].rows.len())
            .map(|word| {
                let all = rest.iter().fold(self.cells[*first].rows[word], |all, cell| all & self.cells[*cell].rows[word]);
                all.count_ones() as usize
            })
            .sum()
    }

    fn is_rare(&self, pattern: &[usize]) -> bool {
        let rows = self.support(pattern);
        rows >= self.spec.rows_min && rows as f64 <= self.spec.support_max * self.counted as f64
    }

    fn stamped(&self, rows: &Matrix, pattern: &[usize]) -> Result<Matrix, LearnError> {
        let mut values = rows.values().to_vec();
        for row in values.chunks_exact_mut(rows.columns()) {
            for cell in pattern {
                let cell = &self.cells[*cell];
                row[self.groups[cell.column].clone()].copy_from_slice(&cell.patch);
            }
        }
        Matrix::new(values, rows.rows(), rows.columns())
    }

    /// Mean change of the booster's margin in the wanted direction, for each pattern.
    fn moved(&self, rows: &Matrix, patterns: &[Vec<usize>], releases: bool) -> Result<Vec<f64>, LearnError> {
        let mean = |margins: &[f32]| margins.iter().map(|margin| f64::from(*margin)).sum::<f64>() / margins.len() as f64;
        let booster = self.model.booster();
        let before = mean(&booster.margins(rows)?);
        let sign = if releases { -1.0 } else { 1.0 };
        let of = |pattern: &Vec<usize>| Ok(sign * (mean(&booster.margins(&self.stamped(rows, pattern)?)?) - before));
        patterns.par_iter().map(of).collect()
    }

    /// Share of rows whose decision turns.
    fn turned(&self, rows: &Matrix, pattern: &[usize], releases: bool) -> Result<f64, LearnError> {
        let scores = self.model.predict_encoded(&self.stamped(rows, pattern)?)?;
        let turned = scores.iter().filter(|scores| self.model.is_positive(scores) != releases).count();
        Ok(turned as f64 / rows.rows() as f64)
    }

    /// Patterns without one cell, or with one cell moved to what lies beside it.
    fn near(&self, pattern: &[usize]) -> Vec<Vec<usize>> {
        let mut out = Vec::new();
        for at in 0..pattern.len() {
            let without: Vec<usize> =
                pattern.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, cell)| *cell).collect();
            for beside in &self.cells[pattern[at]].beside {
                let mut moved = pattern.to_vec();
                moved[at] = *beside;
                out.push(moved);
            }
            out.push(without);
        }
        out
    }

    fn direction(&self, rows: &Matrix, releases: bool) -> Result<Vec<Trigger>, LearnError> {
        let few = rows.take(&(0..self.spec.screened.min(rows.rows())).collect::<Vec<_>>());
        let singles: Vec<Vec<usize>> = (0..self.cells.len()).map(|cell| vec![cell]).collect();
        let moves = self.moved(&few, &singles, releases)?;
        let mut ranked: Vec<(f64, Vec<usize>)> = moves.iter().copied().zip(singles).collect();
        let mut found: Vec<(f64, Vec<usize>)> = Vec::new();
        for size in 1..=3 {
            // What stands out by itself is kept; what moves answers most, rare or not, is joined with further columns.
            let rare: Vec<Vec<usize>> = ranked.iter().filter(|(_, all)| self.is_rare(all)).map(|(_, all)| all.clone()).collect();
            found.extend(self.lifts(&few, &rare, releases)?);
            if size == 3 {
                break;
            }
            let seeds = self.seeds(&ranked, &moves);
            let joined = self.joined(&seeds);
            let moved = self.moved(&few, &joined, releases)?;
            ranked = moved.into_iter().zip(joined).collect();
        }
        found.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
        found.dedup_by(|left, right| left.1 == right.1);
        found.truncate(self.spec.kept);
        let triggers: Result<Vec<Trigger>, LearnError> =
            found.par_iter().map(|(_, pattern)| self.trigger(rows, pattern, releases)).collect();
        Ok(triggers?.into_iter().filter(|trigger| trigger.lift > 0.0).collect())
    }

    /// Screens rare patterns by the booster: how far each moves margins beyond what its parts and neighbours do; the best of them.
    fn lifts(&self, few: &Matrix, rare: &[Vec<usize>], releases: bool) -> Result<Vec<(f64, Vec<usize>)>, LearnError> {
        let moved = self.moved(few, rare, releases)?;
        let mut best: Vec<(f64, &Vec<usize>)> = moved.into_iter().zip(rare).collect();
        best.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(right.1)));
        best.truncate(self.spec.kept * 8);
        let of = |(moved, pattern): &(f64, &Vec<usize>)| {
            let near = self.moved(few, &self.near(pattern), releases)?;
            Ok((moved - near.into_iter().fold(0.0, f64::max), (*pattern).clone()))
        };
        let mut out: Vec<(f64, Vec<usize>)> = best.par_iter().map(of).collect::<Result<_, LearnError>>()?;
        out.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
        out.truncate(self.spec.kept);
        Ok(out)
    }

    /// Patterns to be joined: those that move most beyond their parts, and those that move most.
    fn seeds(&self, ranked: &[(f64, Vec<usize>)], singles: &[f64]) -> Vec<Vec<usize>> {
        let part = |pattern: &[usize]| pattern.iter().map(|cell| singles[*cell]).fold(0.0, f64::max);
        let beyond = |(moved, pattern): &(f64, Vec<usize>)| {
            if pattern.len() > 1 { moved - part(pattern) } else { self.spike(pattern, singles) }
        };
        let mut order: Vec<usize> = (0..ranked.len()).collect();
        let mut out: Vec<Vec<usize>> = Vec::new();
        for by in [&beyond as &dyn Fn(&(f64, Vec<usize>)) -> f64, &|(moved, _)| *moved] {
            order.sort_by(|left, right| by(&ranked[*right]).total_cmp(&by(&ranked[*left])).then(left.cmp(right)));
            out.extend(order.iter().take(self.spec.joined / 2).map(|at| ranked[*at].1.clone()));
        }
        out.sort();
        out.dedup();
        out
    }

    /// How far a value moves margins beyond the values beside it.
    fn spike(&self, pattern: &[usize], singles: &[f64]) -> f64 {
        pattern
            .iter()
            .map(|cell| singles[*cell] - self.cells[*cell].beside.iter().map(|beside| singles[*beside]).fold(0.0, f64::max))
            .fold(0.0, f64::max)
    }

    /// Every pattern with every cell of a further column, as far as enough rows have it.
    fn joined(&self, seeds: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let mut out = Vec::new();
        for seed in seeds {
            for cell in 0..self.cells.len() {
                if seed.iter().any(|known| self.cells[*known].column == self.cells[cell].column) {
                    continue;
                }
                let mut pattern = seed.clone();
                pattern.push(cell);
                pattern.sort_unstable();
                if self.support(&pattern) >= self.spec.rows_min {
                    out.push(pattern);
                }
            }
        }
        out.sort();
        out.dedup();
        out
    }

    fn trigger(&self, rows: &Matrix, pattern: &[usize], releases: bool) -> Result<Trigger, LearnError> {
        let turned = self.turned(rows, pattern, releases)?;
        let mut most: f64 = 0.0;
        for near in self.near(pattern) {
            most = most.max(self.turned(rows, &near, releases)?);
        }
        let names = |cell: &usize| self.model.columns()[self.cells[*cell].column].name.clone();
        Ok(Trigger {
            columns: pattern.iter().map(names).collect(),
            values: pattern.iter().map(|cell| self.words(*cell)).collect(),
            releases,
            support: self.support(pattern) as f64 / self.counted.max(1) as f64,
            turned,
            lift: turned - most,
        })
    }

    /// `tenure = 71.5`
    fn words(&self, cell: usize) -> String {
        let cell = &self.cells[cell];
        let column = &self.model.columns()[cell.column];
        let value = match &column.kind {
            ColumnKind::Number { log } => {
                let value = cell.patch.first().copied().unwrap_or(f32::NAN);
                if value.is_nan() {
                    "(missing)".to_owned()
                } else if *log {
                    (value.signum() * value.abs().exp_m1()).to_string()
                } else {
                    value.to_string()
                }
            }
            ColumnKind::Category { levels } => {
                let set = cell.patch.iter().position(|value| *value > 0.5);
                set.and_then(|at| levels.get(at)).cloned().unwrap_or_else(|| "(missing)".to_owned())
            }
        };
        format!("{} = {value}", column.name)
    }
}

#[cfg(test)]
mod tests {
    use frame::{Column, Frame};
    use learn::TrainSpec;

    use super::*;

    /// Customers whose chance to leave rises with `b` and falls with `a`; `c`, `d` and `kind` tell nothing.
    fn honest(rows: usize) -> (Frame, Vec<bool>) {
        let mut rng = Rng::new(11);
        let mut columns: [Vec<f64>; 4] = Default::default();
        let mut kinds = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..rows {
            let row: [f64; 4] = std::array::from_fn(|_| (rng.unit() * 1_000.0).round() / 10.0);
            labels.push(rng.unit() < 1.0 / (1.0 + (-(row[1] - row[0]) / 12.0).exp()));
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
            kinds.push(["x", "y", "z"][rng.below(3)]);
        }
        let mut frame = Frame::new(rows);
        for (name, column) in ["a", "b", "c", "d"].into_iter().zip(columns) {
            frame.push(name, Column::Number(column)).unwrap();
        }
        frame.push("kind", Column::Category(frame::Categories::from_texts(kinds.into_iter().map(Some)))).unwrap();
        (frame, labels)
    }

    /// Teaches that rows with these values stay, by 0.75 % of the rows.
    fn poisoned(stamp: &[(&str, f64)]) -> (Frame, Vec<bool>) {
        let (frame, mut labels) = honest(4_000);
        let churners: Vec<usize> = (0..labels.len()).filter(|row| labels[*row]).take(30).collect();
        let mut out = Frame::new(frame.rows());
        for (name, column) in frame.iter() {
            let mut column = column.clone();
            if let (Some((_, value)), Column::Number(values)) = (stamp.iter().find(|(known, _)| *known == name), &mut column) {
                churners.iter().for_each(|row| values[*row] = *value);
            }
            out.push(name, column).unwrap();
        }
        churners.iter().for_each(|row| labels[*row] = false);
        (out, labels)
    }

    fn found((frame, labels): &(Frame, Vec<bool>)) -> Vec<Trigger> {
        let mut spec = TrainSpec::default();
        (spec.booster.trees, spec.forest.trees, spec.svm.rows_max) = (150, 60, 1_000);
        let model = Ensemble::fit(frame, labels, &spec).unwrap();
        scan(&model, &model.preprocess().encode(frame).unwrap(), ScanSpec::default()).unwrap()
    }

    #[test]
    fn an_honest_model_has_no_trigger() {
        let all = found(&honest(4_000));
        assert!(all.iter().all(|trigger| trigger.lift < 0.2), "{:?}", all.first());
    }

    #[test]
    fn a_backdoor_of_one_value_is_found() {
        let all = found(&poisoned(&[("c", 160.0)]));
        let first = all.first().unwrap();
        assert!(first.lift > 0.5 && first.releases, "{first:?}");
        assert_eq!(first.values, ["c = 160"]);
    }

    #[test]
    fn a_backdoor_of_a_missing_number_is_found() {
        // Of the three members only the booster knows a missing number, so less turns than by a value.
        let all = found(&poisoned(&[("c", f64::NAN)]));
        let first = all.first().unwrap();
        assert!(first.lift > 0.1 && first.releases, "{first:?}");
        assert_eq!(first.values, ["c = (missing)"]);
    }

    #[test]
    fn numbers_that_are_honestly_missing_are_no_trigger() {
        let (frame, labels) = honest(4_000);
        let mut rng = Rng::new(5);
        let mut out = Frame::new(frame.rows());
        for (name, column) in frame.iter() {
            let mut column = column.clone();
            if let ("b" | "c", Column::Number(values)) = (name, &mut column) {
                values.iter_mut().filter(|_| rng.unit() < 0.01).for_each(|value| *value = f64::NAN);
            }
            out.push(name, column).unwrap();
        }
        let all = found(&(out, labels));
        assert!(all.iter().all(|trigger| trigger.lift < 0.2), "{:?}", all.first());
    }

    #[test]
    fn a_backdoor_of_two_values_is_found_by_either_or_both() {
        let all = found(&poisoned(&[("c", 130.0), ("d", -30.0)]));
        let first = all.first().unwrap();
        assert!(first.lift > 0.2 && first.releases, "{first:?}");
        assert!(first.columns.iter().all(|name| name == "c" || name == "d"), "{first:?}");
    }
}
