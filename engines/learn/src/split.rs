//! Deals rows into training and test parts so that a test tells the truth: by time where there is a time, and never with the same
//! row on both sides (T5: duplicates across folds flatter a model).

use std::collections::BTreeMap;

use frame::{Column, Frame, MISSING};

use crate::error::LearnError;
use crate::rng::Rng;

/// Most folds.
pub const FOLDS_MAX: usize = 20;

/// How rows are dealt.
#[derive(Clone, Debug, PartialEq)]
pub enum Split<'a> {
    /// Folds with equal shares of positives; rows that are equal in every column stay together.
    Stratified {
        /// 2 to [`FOLDS_MAX`].
        folds: usize,
        /// Seed of the order.
        seed: u64,
    },
    /// One fold: train on rows up to and with one time, test on rows from another. Rows between, or without a time, are in
    /// neither, which leaves room for labels that come late.
    Time {
        /// Time of each row, in any unit that rises.
        times: &'a [f64],
        /// Last time to train on.
        train_to: f64,
        /// First time to test on, later than `train_to`.
        test_from: f64,
    },
}

/// Rows to train on and rows to test on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    /// Rows to train on, rising.
    pub train: Vec<usize>,
    /// Rows to test on, rising.
    pub test: Vec<usize>,
}

impl Split<'_> {
    /// Deals the rows of a frame.
    pub fn folds(&self, frame: &Frame, labels: &[bool]) -> Result<Vec<Fold>, LearnError> {
        if labels.len() != frame.rows() {
            return Err(LearnError::Count { what: "labels", expected: frame.rows(), seen: labels.len() });
        }
        match self {
            Self::Stratified { folds, seed } => stratified(&duplicates(frame), labels, *folds, *seed),
            Self::Time { times, train_to, test_from } => by_time(times, *train_to, *test_from, frame.rows()),
        }
    }
}

fn by_time(times: &[f64], train_to: f64, test_from: f64, rows: usize) -> Result<Vec<Fold>, LearnError> {
    if times.len() != rows {
        return Err(LearnError::Count { what: "times", expected: rows, seen: times.len() });
    }
    if train_to.partial_cmp(&test_from) != Some(std::cmp::Ordering::Less) {
        return Err(LearnError::Setting {
            name: "split.test_from",
            seen: test_from.to_string(),
            allowed: "times after `train_to`",
        });
    }
    let pick = |wanted: &dyn Fn(f64) -> bool| (0..rows).filter(|&row| wanted(times[row])).collect::<Vec<_>>();
    let fold = Fold { train: pick(&|time| time <= train_to), test: pick(&|time| time >= test_from) };
    if fold.train.is_empty() || fold.test.is_empty() {
        return Err(LearnError::Size { what: "rows of a part of the time split", seen: 0, least: 1, most: rows });
    }
    Ok(vec![fold])
}

/// The group of each row: rows equal in every column share one. Groups are numbered by first appearance.
pub fn duplicates(frame: &Frame) -> Vec<usize> {
    let mut known = BTreeMap::<Vec<u8>, usize>::new();
    (0..frame.rows())
        .map(|row| {
            let mut key = Vec::with_capacity(frame.columns().len() * 8);
            for column in frame.columns() {
                match column {
                    Column::Number(numbers) => {
                        let number = numbers.get(row).copied().unwrap_or(f64::NAN);
                        // All `NaN`s are one, and so are both zeros.
                        let number = if number.is_nan() { f64::NAN } else { number + 0.0 };
                        key.extend(number.to_bits().to_le_bytes());
                    }
                    Column::Category(categories) => {
                        key.extend(categories.codes.get(row).copied().unwrap_or(MISSING).to_le_bytes());
                    }
                }
            }
            let next = known.len();
            *known.entry(key).or_insert(next)
        })
        .collect()
}

/// Deals groups of one row like cards, class by class; larger groups go first, each to the fold that has least of its class.
fn stratified(groups: &[usize], labels: &[bool], folds: usize, seed: u64) -> Result<Vec<Fold>, LearnError> {
    if !(2..=FOLDS_MAX).contains(&folds) {
        return Err(LearnError::Size { what: "folds", seen: folds, least: 2, most: FOLDS_MAX });
    }
    let count = groups.iter().max().map_or(0, |most| most + 1);
    let mut members = vec![Vec::new(); count];
    for (row, &group) in groups.iter().enumerate() {
        members[group].push(row);
    }
    let mut order: Vec<usize> = (0..count).collect();
    Rng::new(seed).shuffle(&mut order);
    order.sort_by_key(|&group| std::cmp::Reverse(members[group].len()));
    let mut held = vec![[0usize; 2]; folds];
    let mut fold_of = vec![0; groups.len()];
    for group in order {
        let positives = members[group].iter().filter(|&&row| labels[row]).count();
        let class = usize::from(positives * 2 > members[group].len());
        let to = (0..folds).min_by_key(|&fold| (held[fold][class], held[fold][0] + held[fold][1])).unwrap_or(0);
        held[to][1] += positives;
        held[to][0] += members[group].len() - positives;
        for &row in &members[group] {
            fold_of[row] = to;
        }
    }
    if held.iter().any(|held| held.contains(&0)) {
        return Err(LearnError::OneClass { where_: "a fold" });
    }
    let part = |fold: usize, test: bool| (0..groups.len()).filter(|&row| (fold_of[row] == fold) == test).collect();
    Ok((0..folds).map(|fold| Fold { train: part(fold, false), test: part(fold, true) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(values: Vec<f64>) -> Frame {
        let mut frame = Frame::new(values.len());
        frame.push("x", Column::Number(values)).unwrap();
        frame
    }

    #[test]
    fn every_row_is_tested_once_with_equal_shares() {
        let frame = frame((0..103).map(f64::from).collect());
        let labels: Vec<bool> = (0..103).map(|row| row % 4 == 0).collect();
        let folds = Split::Stratified { folds: 5, seed: 1 }.folds(&frame, &labels).unwrap();
        let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..103).collect::<Vec<_>>());
        for fold in &folds {
            let positives = fold.test.iter().filter(|&&row| labels[row]).count();
            assert!((5..=6).contains(&positives) && (20..=21).contains(&fold.test.len()), "{positives}, {}", fold.test.len());
            assert_eq!(fold.train.len() + fold.test.len(), 103);
        }
    }

    #[test]
    fn duplicates_stay_together() {
        let values: Vec<f64> = (0..90).map(|row| if row % 9 == 0 { f64::NAN } else { f64::from(row / 3) }).collect();
        let frame = frame(values.clone());
        let labels: Vec<bool> = (0..90).map(|row| row % 2 == 0).collect();
        for fold in (Split::Stratified { folds: 3, seed: 2 }).folds(&frame, &labels).unwrap() {
            let test: Vec<u64> = fold.test.iter().map(|&row| values[row].to_bits()).collect();
            assert!(fold.train.iter().all(|&row| !test.contains(&values[row].to_bits())));
        }
    }

    #[test]
    fn a_time_split_leaves_the_gap_out() {
        let frame = frame(vec![0.0; 5]);
        let times = [1.0, 2.0, 3.0, 4.0, f64::NAN];
        let split = |train_to, test_from| Split::Time { times: &times, train_to, test_from }.folds(&frame, &[true; 5]);
        assert_eq!(split(2.0, 4.0).unwrap(), [Fold { train: vec![0, 1], test: vec![3] }]);
        assert!(split(4.0, 2.0).is_err());
        assert!(split(2.0, 9.0).is_err());
        assert!(split(2.0, f64::NAN).is_err());
    }

    #[test]
    fn a_fold_without_positives_is_refused() {
        let frame = frame((0..30).map(f64::from).collect());
        let labels: Vec<bool> = (0..30).map(|row| row == 3).collect();
        assert_eq!(
            Split::Stratified { folds: 5, seed: 1 }.folds(&frame, &labels),
            Err(LearnError::OneClass { where_: "a fold" })
        );
    }
}
