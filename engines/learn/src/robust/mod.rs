//! Trains a booster that an outsider cannot easily push across its threshold (T5: adversarial training of the ensemble).
//!
//! The outside trainer knows no splits that reckon with an opponent, so this is a trainer of our own, small, for this case only: the
//! second-order logistic loss of XGBoost on at most 255 bins a column, depth by depth, with the split of [`grow`]. What comes out
//! is an ordinary booster in XGBoost's JSON: answers, exports, explanations and certificates do not know the difference.
//!
//! What was tried and what it is worth is printed by the example `robust_table` of the evasion engine: the bound of Andriushchenko and
//! Hein, summed over the trees, is what a tree is fitted to; a part of the loss stays with the rows as they are, for the AUC. Perturbed
//! copies alone withstand little, and beside such splits they add nothing.
//!
//! Same rows, settings and seed give the same bytes on any number of threads: every sum is taken in the order of the rows.

mod augment;
mod bins;
pub(crate) mod forest;
mod grow;
mod outsider;
mod reach;
mod svm;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::calibrate::logistic;
use crate::error::{LearnError, in_range};
use crate::gbm::{Aids, Booster};
use crate::preprocess::Matrix;
use crate::rng::{Rng, derive};
use crate::spec::{BoosterSpec, ROWS_MAX};
use bins::Table;
use grow::{Columns, Data, LEAF, Node, Rule, Slope};
pub use reach::Reach;
pub(crate) use svm::fit as fit_svm;
pub use svm::{ROUNDS_MAX, RobustSvm};

/// Most rounds of perturbed copies.
pub const AUGMENT_MAX: u32 = 10;
/// The use of the run's seed.
const SEED_TREE: u64 = 0xB0;
/// Least second derivative of a row of weight 1 (XGBoost's).
const LEAST: f64 = 1e-16;

/// What an outsider can do, and how the booster reckons with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RobustSpec {
    /// How far an outsider moves a column: share of the range of its training values, as delivered, 0 to 1.
    pub eps: f64,
    /// Columns that an outsider can move; categories to any level.
    pub columns: Vec<String>,
    /// Share of the loss that is taken at the rows as they are, out of reach: 0 trains for the outsider alone, 1 for none.
    pub clean: f64,
    /// Whether splits and leaves reckon with the outsider; without, only `augment` does.
    pub splits: bool,
    /// Most rounds of perturbed copies, 0 to [`AUGMENT_MAX`].
    pub augment: u32,
}

impl Default for RobustSpec {
    fn default() -> Self {
        Self { eps: 0.1, columns: Vec::new(), clean: 0.85, splits: true, augment: 0 }
    }
}

impl RobustSpec {
    /// Refuses settings outside their ranges.
    pub(crate) fn check(&self) -> Result<(), LearnError> {
        in_range("booster.robust.eps", self.eps, 0.0, 1.0, "0 to 1")?;
        in_range("booster.robust.clean", self.clean, 0.0, 1.0, "0 to 1")?;
        in_range("booster.robust.augment", f64::from(self.augment), 0.0, f64::from(AUGMENT_MAX), "0 to 10")
    }
}

/// Training rows.
#[derive(Clone, Debug)]
struct Rows {
    values: Matrix,
    labels: Vec<bool>,
    weights: Vec<f64>,
    /// How much of its reach counts for a row.
    shares: Vec<f32>,
}

impl Rows {
    fn take(&self, rows: &[usize]) -> Self {
        Self {
            values: self.values.take(rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            weights: rows.iter().map(|&row| self.weights[row]).collect(),
            shares: rows.iter().map(|&row| self.shares[row]).collect(),
        }
    }

    /// These rows, then others.
    fn and(&self, other: &Self) -> Result<Self, LearnError> {
        let values = [self.values.values(), other.values.values()].concat();
        Ok(Self {
            values: Matrix::new(values, self.labels.len() + other.labels.len(), self.values.columns())?,
            labels: [&self.labels[..], &other.labels].concat(),
            weights: [&self.weights[..], &other.weights].concat(),
            shares: [&self.shares[..], &other.shares].concat(),
        })
    }

    /// The same rows that nobody moves, each counted by a factor.
    fn still(&self, factor: f64) -> Self {
        let weights = self.weights.iter().map(|weight| weight * factor).collect();
        Self { weights, shares: vec![0.0; self.shares.len()], ..self.clone() }
    }
}

/// What is trained on which terms.
#[derive(Clone, Copy)]
struct Terms<'a> {
    reach: &'a [Option<Reach>],
    spec: &'a BoosterSpec,
    robust: &'a RobustSpec,
    seed: u64,
}

/// Trains on encoded rows, `NaN` for missing; see [`Booster::fit_with`].
pub(crate) fn fit(
    rows: &Matrix,
    labels: &[bool],
    aids: &Aids<'_>,
    spec: &BoosterSpec,
    robust: &RobustSpec,
    seed: u64,
) -> Result<Booster, LearnError> {
    robust.check()?;
    check(rows, labels, aids)?;
    let positive = spec.positive_weight.unwrap_or(1.0);
    let weight =
        |(row, &label): (usize, &bool)| aids.weights.map_or(1.0, |weights| weights[row]) * if label { positive } else { 1.0 };
    let rows = Rows {
        values: rows.clone(),
        labels: labels.to_vec(),
        weights: labels.iter().enumerate().map(weight).collect(),
        shares: vec![if robust.splits { 1.0 } else { 0.0 }; labels.len()],
    };
    let terms = Terms { reach: aids.reach, spec, robust, seed };
    let (trees, table) = augment::best(&rows, terms)?;
    written(&trees, &table, rows.values.columns())
}

/// Refuses rows, labels, weights and reaches that do not fit each other.
fn check(rows: &Matrix, labels: &[bool], aids: &Aids<'_>) -> Result<(), LearnError> {
    reach::check(aids.reach, rows.columns())?;
    if rows.rows() != labels.len() {
        return Err(LearnError::Count { what: "labels", expected: rows.rows(), seen: labels.len() });
    }
    if rows.rows() == 0 || rows.rows() > ROWS_MAX {
        return Err(LearnError::Size { what: "training rows", seen: rows.rows(), least: 1, most: ROWS_MAX });
    }
    if rows.values().iter().any(|value| value.is_infinite()) {
        return Err(LearnError::Booster("values of rows must be finite or missing".to_owned()));
    }
    let Some(weights) = aids.weights else { return Ok(()) };
    if weights.len() != labels.len() {
        return Err(LearnError::Count { what: "weights of rows", expected: labels.len(), seen: weights.len() });
    }
    match weights.iter().find(|weight| !(0.0..=1e12).contains(*weight)) {
        Some(wrong) => Err(LearnError::Setting { name: "weights of rows", seen: wrong.to_string(), allowed: "0 to 1e12" }),
        None => Ok(()),
    }
}

/// Trees on rows, and on the same rows out of the outsider's reach where `clean` asks for it.
fn trained(rows: &Rows, terms: Terms<'_>) -> Result<(Vec<Vec<Node>>, Table), LearnError> {
    let clean = terms.robust.clean;
    if clean == 0.0 {
        return Ok(boost(rows, terms));
    }
    let weights = rows.weights.iter().map(|weight| weight * (1.0 - clean)).collect();
    let moved = Rows { weights, ..rows.clone() };
    Ok(boost(&moved.and(&rows.still(clean))?, terms))
}

/// Grows one tree after the other.
fn boost(rows: &Rows, Terms { reach, spec, seed, .. }: Terms<'_>) -> (Vec<Vec<Node>>, Table) {
    let table = Table::new(&rows.values, reach, &rows.shares, spec.bins as usize);
    let rule = Rule {
        depth: spec.depth,
        lambda: spec.lambda,
        min_child_weight: spec.min_child_weight,
        learning_rate: spec.learning_rate,
    };
    // The worst that each tree can say of a row anywhere in its reach, summed: no place is worse, so what is trained against is a bound.
    let mut margins = vec![f64::from(prior(rows)); table.rows];
    let mut trees: Vec<Vec<Node>> = Vec::new();
    for round in 0..u64::from(spec.trees) {
        let slope = |((&margin, &label), &weight): ((&f64, &bool), &f64)| {
            let chance = logistic(margin);
            Slope { first: weight * (chance - f64::from(u8::from(label))), second: weight * (chance * (1.0 - chance)).max(LEAST) }
        };
        let slopes: Vec<Slope> = margins.iter().zip(&rows.labels).zip(&rows.weights).map(slope).collect();
        let mut rng = Rng::new(derive(seed, SEED_TREE, round));
        let columns = Columns::These(drawn(table.columns.len(), spec.colsample, &mut rng));
        let some = drawn(table.rows, spec.subsample, &mut rng).into_iter().map(|row| row as u32).collect();
        let data = Data { table: &table, labels: &rows.labels, slopes: &slopes };
        let mut tree = grow::tree(data, some, &columns, &rule);
        if round == 0 {
            // The sum of the trees starts from 0, so the first one carries the odds of the training rows. Never a negative zero.
            tree.iter_mut().filter(|node| node.column == LEAF).for_each(|node| node.value += prior(rows) + 0.0);
            margins.fill(0.0);
        }
        margins.par_iter_mut().enumerate().for_each(|(row, margin)| *margin += worst(&table, &tree, row, rows.labels[row]));
        trees.push(tree);
    }
    (trees, table)
}

/// The worst that a tree says of a row anywhere in reach.
fn worst(table: &Table, tree: &[Node], row: usize, label: bool) -> f64 {
    let mut leaves = Vec::new();
    grow::reached(table, tree, row, &mut leaves);
    let values = leaves.iter().map(|&leaf| f64::from(tree[leaf as usize].value));
    if label { values.fold(f64::INFINITY, f64::min) } else { values.fold(f64::NEG_INFINITY, f64::max) }
}

/// Log odds of the weighted labels.
fn prior(rows: &Rows) -> f32 {
    let all: f64 = rows.weights.iter().sum();
    let yes: f64 = rows.weights.iter().zip(&rows.labels).filter(|(_, label)| **label).map(|(weight, _)| weight).sum();
    let share = (yes / all.max(f64::MIN_POSITIVE)).clamp(1e-6, 1.0 - 1e-6);
    libm::log(share / (1.0 - share)) as f32
}

/// A share of the numbers below an end, at least one, in order.
fn drawn(end: usize, share: f64, rng: &mut Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..end).collect();
    let count = ((end as f64 * share).round() as usize).clamp(1, end.max(1));
    if count < end {
        // The first steps of Fisher and Yates.
        for at in 0..count {
            let other = at + rng.below(end - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all.sort_unstable();
    }
    all
}

/// The trees as a booster: written as XGBoost's JSON and read again, so that nothing differs from a booster that was loaded.
fn written(trees: &[Vec<Node>], table: &Table, columns: usize) -> Result<Booster, LearnError> {
    let documents: Vec<_> = trees.iter().enumerate().map(|(id, tree)| document(id, tree, table, columns)).collect();
    let count = trees.len();
    let whole = json!({
        "learner": {
            "attributes": {}, "feature_names": [], "feature_types": [],
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "gbtree_model_param": { "num_parallel_tree": "1", "num_trees": count.to_string() },
                    "iteration_indptr": (0..=count).collect::<Vec<_>>(),
                    "tree_info": vec![0; count],
                    "trees": documents,
                },
            },
            "learner_model_param": {
                "base_score": "[5E-1]", "boost_from_average": "1", "num_class": "0", "num_feature": columns.to_string(),
                "num_target": "1",
            },
            "objective": { "name": "binary:logistic", "reg_loss_param": { "scale_pos_weight": "1" } },
        },
        "version": [3, 2, 0],
    });
    let refused = |error: &dyn std::fmt::Display| LearnError::Booster(error.to_string());
    let bytes = serde_json::to_vec(&whole).map_err(|error| refused(&error))?;
    Booster::canonical(&bytes, columns)
}

/// One tree in XGBoost's JSON, without statistics of training rows (T2).
fn document(id: usize, tree: &[Node], table: &Table, columns: usize) -> serde_json::Value {
    // XGBoost's mark of a root's parent.
    let mut parents = vec![i32::MAX; tree.len()];
    let (mut conditions, mut indices, mut lefts, mut rights, mut defaults) = (vec![], vec![], vec![], vec![], vec![]);
    for (at, node) in tree.iter().enumerate() {
        let leaf = node.column == LEAF;
        let (left, right) = if leaf { (-1, -1) } else { (node.left as i32, node.left as i32 + 1) };
        if !leaf {
            parents[node.left as usize] = at as i32;
            parents[node.left as usize + 1] = at as i32;
        }
        conditions.push(if leaf { node.value } else { table.columns[node.column as usize].cuts[usize::from(node.cut)] });
        indices.push(if leaf { 0 } else { node.column });
        lefts.push(left);
        rights.push(right);
        defaults.push(u8::from(node.missing_left));
    }
    let zeros = vec![0.0; tree.len()];
    json!({
        "base_weights": zeros, "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
        "default_left": defaults, "id": id, "left_children": lefts, "loss_changes": zeros, "parents": parents,
        "right_children": rights, "split_conditions": conditions, "split_indices": indices, "split_type": vec![0; tree.len()],
        "sum_hessian": zeros,
        "tree_param": {
            "num_deleted": "0", "num_feature": columns.to_string(), "num_nodes": tree.len().to_string(), "size_leaf_vector": "1",
        },
    })
}

#[cfg(test)]
mod tests;
