//! A random forest whose splits reckon with an outsider (T5): the booster's split under squared loss, which is Gini's.
//!
//! Half the squared distance of a leaf's share from the labels falls by a split as Gini's impurity does, and its worst case is the same:
//! positives are carried to the lower share, negatives to the higher. So trees are grown by [`grow::tree`], on a bootstrap each.

use rayon::prelude::*;

use super::RobustSpec;
use super::bins::Table;
use super::grow::{self, Columns, Data, LEAF, Rule, Slope};
use super::reach::{self, Reach};
use crate::error::LearnError;
use crate::forest::{Forest, Step};
use crate::preprocess::Matrix;
use crate::rng::{Rng, derive};
use crate::spec::{ForestSpec, ROWS_MAX};

/// The uses of the run's seed.
const SEED_ROWS: u64 = 0xF1;
const SEED_COLUMNS: u64 = 0xF2;

/// Grows a forest on filled rows; `spec.min_leaf` is the least weight of drawn rows in a leaf, and `spec.positive_weight` counts after
/// the draw. Of `robust`, `clean` and `splits` are read.
pub(crate) fn fit(
    rows: &Matrix,
    labels: &[bool],
    reach: &[Option<Reach>],
    robust: &RobustSpec,
    spec: &ForestSpec,
    seed: u64,
) -> Result<Forest, LearnError> {
    robust.check()?;
    reach::check(reach, rows.columns())?;
    let all = labels.len();
    if rows.rows() != all {
        return Err(LearnError::Count { what: "labels", expected: rows.rows(), seen: all });
    }
    if all == 0 || all > ROWS_MAX {
        return Err(LearnError::Size { what: "training rows", seen: all, least: 1, most: ROWS_MAX });
    }
    // Every row twice: within reach, and out of it.
    let twice: Vec<usize> = (0..all).chain(0..all).collect();
    let shares: Vec<f32> = (0..2 * all).map(|at| f32::from(u8::from(at < all && robust.splits))).collect();
    let table = Table::new(&rows.take(&twice), reach, &shares, usize::from(u8::MAX));
    let doubled: Vec<bool> = twice.iter().map(|&row| labels[row]).collect();
    let tries = (rows.columns() as f64).sqrt().floor().max(1.0) as usize;
    let rule = Rule { depth: spec.depth_max, lambda: 0.0, min_child_weight: f64::from(spec.min_leaf), learning_rate: 1.0 };
    let tree = |tree: u64| {
        let mut rng = Rng::new(derive(seed, SEED_ROWS, tree));
        let mut drawn = vec![0.0f64; all];
        (0..((all as f64 * spec.subsample).round() as usize).clamp(1, all)).for_each(|_| drawn[rng.below(all)] += 1.0);
        let slope = |at: usize| {
            let (row, part) = if at < all { (at, 1.0 - robust.clean) } else { (at - all, robust.clean) };
            let heavy = if labels[row] { spec.positive_weight.unwrap_or(1.0) } else { 1.0 };
            let weight = drawn[row] * part * heavy;
            Slope { first: if labels[row] { -weight } else { 0.0 }, second: weight }
        };
        let slopes: Vec<Slope> = (0..2 * all).map(slope).collect();
        let some = (0..2 * all as u32).filter(|&at| slopes[at as usize].second > 0.0).collect();
        let columns = Columns::Drawn { tries, seed: derive(seed, SEED_COLUMNS, tree) };
        let nodes = grow::tree(Data { table: &table, labels: &doubled, slopes: &slopes }, some, &columns, &rule);
        let step = |node: &grow::Node| match node.column {
            LEAF => Step::Leaf(node.value.clamp(0.0, 1.0)),
            // Below the cut goes left there; at most the number before it, here.
            column => Step::Split {
                column,
                most: table.columns[column as usize].cuts[usize::from(node.cut)].next_down(),
                left: node.left,
            },
        };
        nodes.iter().map(step).collect::<Vec<Step>>()
    };
    let trees: Vec<Vec<Step>> = (0..u64::from(spec.trees)).into_par_iter().map(tree).collect();
    Forest::from_steps(rows.columns(), &trees).map_err(|why| LearnError::Write(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{reach, sample};
    use super::*;

    /// Balanced share of rows that the forest has right after the outsider moved both columns as far as he can against the label.
    fn withstood(forest: &Forest, rows: &Matrix, labels: &[bool], reach: &[Option<Reach>]) -> f64 {
        let mut right = [0.0; 2];
        for (row, &label) in labels.iter().enumerate() {
            let mut moved = rows.row(row).to_vec();
            for (value, reach) in moved.iter_mut().zip(reach).take(2) {
                let (low, high) = reach.map_or((*value, *value), |reach| reach.bounds(*value, 1.0));
                *value = if label { low } else { high };
            }
            right[usize::from(label)] += f64::from(u8::from((forest.chance(&moved) >= 0.5) == label));
        }
        let of = |class: bool| labels.iter().filter(|label| **label == class).count() as f64;
        (right[0] / of(false) + right[1] / of(true)) / 2.0
    }

    #[test]
    fn a_forest_that_reckons_with_an_outsider_leans_on_what_he_cannot_reach() {
        let ((rows, labels), (test, truth)) = (sample(1_000, 1), sample(500, 2));
        let filled = |rows: &Matrix| {
            let values = rows.values().iter().map(|value| if value.is_nan() { -1.0 } else { *value }).collect();
            Matrix::new(values, rows.rows(), rows.columns()).unwrap()
        };
        let (rows, test) = (filled(&rows), filled(&test));
        let spec = ForestSpec { trees: 40, min_leaf: 5, ..ForestSpec::default() };
        let robust = |clean| RobustSpec { clean, ..RobustSpec::default() };
        let forest = fit(&rows, &labels, &reach(), &robust(0.0), &spec, 1).unwrap();
        let plain = fit(&rows, &labels, &[None; 4], &robust(0.0), &spec, 1).unwrap();
        let ordinary = Forest::fit(&rows, &labels, &spec, 1).unwrap();
        let figures = [&forest, &plain, &ordinary].map(|forest| withstood(forest, &test, &truth, &reach()));
        assert!(figures[0] > 0.75 && figures[1] < 0.4 && figures[2] < 0.4, "{figures:?}");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| fit(&rows, &labels, &reach(), &robust(0.0), &spec, 1).unwrap()), forest);
        assert!(fit(&rows, &labels[1..], &reach(), &robust(0.5), &spec, 1).is_err());
    }
}
