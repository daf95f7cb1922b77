//! Answers by trained trees without the trainer: no parser and no training code stands between a request and its score (T4), and
//! a score costs so little that nobody is tempted to leave a check out (T7).
//!
//! Safe code without branches on data, which replaces values by their [`ranks`] among the cuts. [`dense`] goes down many trees at
//! once and serves one row, and deep trees; [`coded`] serves many rows of trees of little depth; [`walk`] takes trees that are too
//! large for either. Sums are taken in the order of the trees, so that all give the trainer's margins bit for bit.

pub(crate) mod coded;
mod dense;
mod ranks;
pub(crate) mod walk;

use hessboost::prelude::BoostedModel;
use rayon::prelude::*;

use coded::Coded;
use walk::{Grove, Step};

/// Buffers of [`crate::Ensemble::scores`], to be kept from row to row: once they have grown, a row allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The encoded row.
    pub(crate) raw: Vec<f32>,
    /// What [`Grove::widen`] makes of it.
    pub(crate) wide: Vec<u32>,
}

/// One node of a tree as a loader finds it, children after their parents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    /// Rows with at least `cut` in `column` go to node `right`, others to `left`; rows without a value as `missing_left` says.
    Split { column: u32, cut: f32, left: u32, right: u32, missing_left: bool },
    /// The tree's answer.
    Leaf(f32),
}

/// A booster's trees, ready to answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Boosted {
    columns: usize,
    base: f32,
    grove: Grove,
    /// `None` where a tree is too deep.
    coded: Option<Coded>,
}

impl Boosted {
    /// Takes the trees that the model answers by; says why they are none. The caller has checked that cuts and leaves are finite.
    pub(crate) fn new(model: &BoostedModel, columns: usize) -> Result<Self, String> {
        Self::weighted(model, columns, |_, _| 1.0)
    }

    /// The mean of the margins after the first tree, the second, and so on to the last: a tree that came `at` as one of `all` is
    /// part of `all - at` of these sums, so that one walk with lesser leaves gives the mean of all rounds.
    pub(crate) fn mean_of_rounds(model: &BoostedModel, columns: usize) -> Result<Self, String> {
        Self::weighted(model, columns, |at, all| ((all - at) as f64 / all as f64) as f32)
    }

    /// The model's trees with leaves times `weight(tree, of trees)`.
    fn weighted(model: &BoostedModel, columns: usize, weight: impl Fn(usize, usize) -> f32) -> Result<Self, String> {
        if model.shrinkage().is_some() || model.tree_weights().any(|weight| weight != 1.0) {
            return Err("its trees are weighted".to_owned());
        }
        // As the trainer's own answers: early stopping names the last round that counts.
        let rounds = model.best_iteration().map_or(usize::MAX, |best| best.saturating_add(1));
        let mut trees = Vec::new();
        let all = rounds.min(model.trees().len());
        for (at, tree) in model.trees().iter().take(rounds).enumerate() {
            let weight = weight(at, all);
            let node = |at: usize| tree.nodes().get(at);
            let found = |at: usize| {
                let node = node(at).ok_or("a child is not there")?;
                if node.is_leaf() {
                    return Ok(Found::Leaf(node.leaf_value * weight));
                }
                let child = |at: i32| u32::try_from(at).map_err(|_| "a child is not there");
                let (left, right) = (child(node.left)?, child(node.right)?);
                Ok(Found::Split {
                    column: node.split_feature,
                    cut: node.split_cond,
                    left,
                    right,
                    missing_left: node.default_left,
                })
            };
            let nodes: Result<Vec<Found>, &str> = (0..tree.nodes().len()).map(found).collect();
            trees.push(nodes?);
        }
        Self::of_trees(columns, model.base_score(), &trees).map_err(str::to_owned)
    }

    /// A booster of given trees.
    pub(crate) fn of_trees(columns: usize, base: f32, trees: &[Vec<Found>]) -> Result<Self, &'static str> {
        let mut grove = Grove::new(columns, true);
        for tree in trees {
            grove.plant(tree)?;
        }
        grove.settle();
        Ok(Self { columns, base, coded: Coded::new(trees, columns), grove })
    }

    /// The margin of one encoded row of the right length.
    pub(crate) fn margin(&self, row: &[f32], wide: &mut Vec<u32>) -> f32 {
        let mut sum = self.base;
        self.grove.row(row, wide, |leaf| sum += leaf);
        sum
    }

    /// Margins of encoded rows that follow each other, in parallel; equal to [`Self::margin`] bit for bit.
    pub(crate) fn margins(&self, rows: &[f32]) -> Vec<f32> {
        let columns = self.columns.max(1);
        let mut out = vec![self.base; rows.len() / columns];
        match &self.coded {
            Some(coded) => {
                let parts = out.par_chunks_mut(coded::ROWS).zip(rows.par_chunks(coded::ROWS * columns));
                parts.with_min_len(2).for_each_init(|| coded.planes(), |planes, (sums, rows)| coded.add(rows, planes, sums));
            }
            None => self.grove.add_rows(rows, &mut out, |sum, leaf| *sum += leaf),
        }
        out
    }
}

impl Step {
    /// The smallest number above a finite one: `value > cut` is `value >= above(cut)`.
    pub(crate) fn above(cut: f32) -> f32 {
        cut.next_up()
    }
}

#[cfg(test)]
mod tests;
