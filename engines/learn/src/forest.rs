//! A random forest whose leaves hold shares, never counts (T2: counts give the training rows back, Ferry 2024), and whose bytes
//! do not depend on the number of threads.
//!
//! Breiman (2001) with scikit-learn's choices: bootstrap rows, the square root of the columns at each split, Gini, and a least
//! number of *distinct* rows in a leaf. Columns are cut into at most 255 bins, so splits are found from histograms.

mod grow;

use rayon::prelude::*;

use crate::error::{LearnError, ModelError};
use crate::fast::Found;
use crate::fast::walk::{Grove, Step as Cut};
use crate::modelfile::FOREST_FILE;
use crate::preprocess::{COLUMNS_MAX, Matrix};
use crate::rng::derive;
use crate::robust::{self, Reach};
use crate::spec::{ForestSpec, ROWS_MAX, TREES_MAX};
use crate::tensors::{Pack, Unpack};

/// Marks a leaf in [`Node::column`].
const LEAF: u32 = u32::MAX;
/// Most nodes of all trees together.
const NODES_MAX: usize = 50_000_000;
/// Most rows that trees draw from, at most [`ROWS_MAX`] each: numbers of rows have 32 bits.
const DRAWN_FROM_MAX: usize = 100_000_000;
/// The use of the run's seed.
const SEED_USE: u64 = 0xF0;

/// A split or a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    /// Column of the split, or [`LEAF`].
    column: u32,
    /// Rows with at most this go left; in a leaf, the share of positives.
    value: f32,
    /// The left child, counted from the tree's first node; the right child follows it.
    left: u32,
}

/// A node as other formats read and write it, apart from how it is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Rows whose value in `column` is at most `most` go to the node `left` of the tree, others to the node after that.
    Split {
        /// The filled column.
        column: u32,
        /// The highest value that goes left.
        most: f32,
        /// The left child, counted from the tree's first node.
        left: u32,
    },
    /// The share of positives.
    Leaf(f32),
}

/// A trained forest.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    columns: usize,
    /// First node of each tree, then the number of nodes.
    starts: Vec<u32>,
    nodes: Vec<Node>,
    /// The same trees, ready to answer.
    fast: Grove,
}

impl Forest {
    /// Grows trees on filled rows. Same forest for any number of threads.
    pub fn fit(rows: &Matrix, labels: &[bool], spec: &ForestSpec, seed: u64) -> Result<Self, LearnError> {
        let Some(heavy) = spec.positive_weight else { return Self::grow(rows, labels, None, spec, seed) };
        let weights: Vec<f64> = labels.iter().map(|&label| if label { heavy } else { 1.0 }).collect();
        Self::grow(rows, labels, Some(&weights), spec, seed)
    }

    /// The same where rows count more or less, in place of `spec.positive_weight`: each tree draws as many rows as there are, each as often, on average, as its
    /// weight asks for; a row of weight 0 takes no part. Leaves need the same number of distinct rows. (scikit-learn draws evenly
    /// and weighs afterwards: equal on average, with more chance in it for heavy rows.)
    ///
    /// # Errors
    /// Weights that are not as many as rows, negative, not finite, or all 0.
    pub fn fit_weighted(
        rows: &Matrix,
        labels: &[bool],
        weights: &[f64],
        spec: &ForestSpec,
        seed: u64,
    ) -> Result<Self, LearnError> {
        if weights.len() != labels.len() {
            return Err(LearnError::Count { what: "weights of rows", expected: labels.len(), seen: weights.len() });
        }
        let sum: f64 = weights.iter().sum();
        let wrong = weights.iter().find(|weight| !(0.0..=f64::MAX).contains(*weight));
        if wrong.is_some() || !(sum > 0.0) || !sum.is_finite() {
            let seen = wrong.unwrap_or(&sum).to_string();
            return Err(LearnError::Setting { name: "weights of rows", seen, allowed: "0 and above, finite, not all 0" });
        }
        Self::grow(rows, labels, Some(weights), spec, seed)
    }

    /// The same where `spec.robust` may ask to reckon with an outsider; reaches are one an encoded column
    /// ([`crate::Preprocess::reach`]).
    ///
    /// # Errors
    /// Reaches of another number.
    pub fn fit_within(
        rows: &Matrix,
        labels: &[bool],
        reach: &[Option<Reach>],
        spec: &ForestSpec,
        seed: u64,
    ) -> Result<Self, LearnError> {
        match &spec.robust {
            Some(robust) => robust::forest::fit(rows, labels, reach, robust, spec, seed),
            None => Self::fit(rows, labels, spec, seed),
        }
    }

    fn grow(rows: &Matrix, labels: &[bool], weights: Option<&[f64]>, spec: &ForestSpec, seed: u64) -> Result<Self, LearnError> {
        if spec.robust.is_some() {
            let seen = "without reaches of columns".to_owned();
            return Err(LearnError::Setting { name: "forest.robust", seen, allowed: "what `Forest::fit_within` takes" });
        }
        if rows.rows() != labels.len() {
            return Err(LearnError::Count { what: "labels", expected: rows.rows(), seen: labels.len() });
        }
        // What a tree draws must fit its counters; the rest lies in memory.
        let drawn = (rows.rows() as f64 * spec.subsample).round() as usize;
        if rows.rows() == 0 || drawn > ROWS_MAX || rows.rows() > DRAWN_FROM_MAX {
            return Err(LearnError::Size { what: "training rows of a tree", seen: drawn, least: 1, most: ROWS_MAX });
        }
        let table = grow::Table::new(rows, labels, weights);
        let trees: Vec<Vec<Node>> = (0..u64::from(spec.trees))
            .into_par_iter()
            .map(|tree| grow::tree(&table, spec, derive(seed, SEED_USE, tree)))
            .collect();
        let all = trees.iter().map(Vec::len).fold(0, usize::saturating_add);
        if all > NODES_MAX {
            return Err(LearnError::Size { what: "nodes of the forest", seen: all, least: 1, most: NODES_MAX });
        }
        let (mut starts, mut nodes) = (vec![0], Vec::with_capacity(all));
        for tree in trees {
            nodes.extend(tree);
            starts.push(nodes.len() as u32);
        }
        Self::of(rows.columns(), starts, nodes).map_err(|why| LearnError::Write(why.to_owned()))
    }

    /// Checks every tree and makes it ready to answer.
    fn of(columns: usize, starts: Vec<u32>, nodes: Vec<Node>) -> Result<Self, &'static str> {
        let mut fast = Grove::new(columns, false);
        let mut found = Vec::new();
        for pair in starts.windows(2) {
            let tree = nodes.get(pair[0] as usize..pair[1] as usize).ok_or("trees do not follow each other")?;
            check_tree(tree, columns)?;
            found.clear();
            found.extend(tree.iter().map(|node| match node.column {
                LEAF => Found::Leaf(node.value),
                // Rows above the split's value go right, and so do missing values.
                column => Found::Split {
                    column,
                    cut: Cut::above(node.value),
                    left: node.left,
                    right: node.left + 1,
                    missing_left: false,
                },
            }));
            fast.plant(&found)?;
        }
        fast.settle();
        Ok(Self { columns, starts, nodes, fast })
    }

    /// How many trees.
    pub fn trees(&self) -> usize {
        self.starts.len() - 1
    }

    /// The mean share of positives of a filled row's leaves.
    pub fn chance(&self, row: &[f32]) -> f64 {
        self.chance_with(row, &mut Vec::new())
    }

    /// The same with a buffer of the caller.
    pub(crate) fn chance_with(&self, row: &[f32], wide: &mut Vec<u32>) -> f64 {
        let mut sum = 0.0;
        self.fast.row(row, wide, |share| sum += f64::from(share));
        sum / self.trees() as f64
    }

    /// The same for many rows, in parallel; equal to [`Self::chance`] bit for bit.
    pub fn chances(&self, rows: &Matrix) -> Vec<f64> {
        if rows.columns() != self.columns {
            return vec![f64::NAN; rows.rows()];
        }
        let mut out = vec![0.0; rows.rows()];
        self.fast.add_rows(rows.values(), &mut out, |sum, share| *sum += f64::from(share));
        out.iter_mut().for_each(|sum| *sum /= self.trees() as f64);
        out
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The nodes of a tree, children after their parents; none beyond the end.
    pub fn steps(&self, tree: usize) -> Vec<Step> {
        let (Some(&start), Some(&end)) = (self.starts.get(tree), self.starts.get(tree + 1)) else { return Vec::new() };
        let step = |node: &Node| match node.column {
            LEAF => Step::Leaf(node.value),
            column => Step::Split { column, most: node.value, left: node.left },
        };
        self.nodes[start as usize..end as usize].iter().map(step).collect()
    }

    /// The share of one tree for a filled row.
    pub(crate) fn share(&self, tree: usize, row: &[f32]) -> f32 {
        self.fast.answer(tree, row).unwrap_or(f32::NAN)
    }

    /// A forest of given trees; says why it would be none.
    pub(crate) fn from_steps(columns: usize, trees: &[Vec<Step>]) -> Result<Self, &'static str> {
        if trees.is_empty() || trees.len() > TREES_MAX as usize || columns > COLUMNS_MAX {
            return Err("trees or columns are none or too many");
        }
        if trees.iter().map(Vec::len).fold(0, usize::saturating_add) > NODES_MAX {
            return Err("nodes are too many");
        }
        let (mut starts, mut all) = (vec![0], Vec::new());
        for tree in trees {
            let node = |step: &Step| match *step {
                Step::Leaf(value) => Node { column: LEAF, value, left: 0 },
                Step::Split { column, most, left } => Node { column, value: most, left },
            };
            let nodes: Vec<Node> = tree.iter().map(node).collect();
            if nodes.is_empty() {
                return Err("a tree has no node");
            }
            all.extend(nodes);
            starts.push(all.len() as u32);
        }
        Self::of(columns, starts, all)
    }

    /// The forest as safetensors: `starts`, `column`, `value`, `left`, and the number of columns in `shape`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LearnError> {
        let column: Vec<u32> = self.nodes.iter().map(|node| node.column).collect();
        let value: Vec<f32> = self.nodes.iter().map(|node| node.value).collect();
        let left: Vec<u32> = self.nodes.iter().map(|node| node.left).collect();
        Pack::default()
            .u32("column", &column)
            .u32("left", &left)
            .u32("shape", &[self.columns as u32])
            .u32("starts", &self.starts)
            .f32("value", &value)
            .bytes()
    }

    /// Loads a forest of so many columns. Never panics; refuses walks that would not end or leave their tree.
    pub fn from_bytes(bytes: &[u8], columns: usize) -> Result<Self, ModelError> {
        let file = Unpack::new(FOREST_FILE, bytes, &["column", "left", "shape", "starts", "value"])?;
        let (column, left, value) = (file.u32("column")?, file.u32("left")?, file.f32("value")?);
        let (shape, starts) = (file.u32("shape")?, file.u32("starts")?);
        let wrong = |why: &str| Err(ModelError::malformed(FOREST_FILE, why));
        if column.len() != left.len() || column.len() != value.len() || column.len() > NODES_MAX {
            return wrong("nodes are not as many as their parts");
        }
        if shape != [columns as u32] || columns > COLUMNS_MAX {
            return wrong("it reads another number of columns than the encoding makes");
        }
        let trees = starts.len().saturating_sub(1);
        let spans_all = starts.first() == Some(&0) && starts.last().is_some_and(|&end| end as usize == column.len());
        if trees == 0 || trees > TREES_MAX as usize || !spans_all || !starts.windows(2).all(|pair| pair[0] < pair[1]) {
            return wrong("trees do not follow each other");
        }
        let nodes: Vec<Node> =
            column.into_iter().zip(value).zip(left).map(|((column, value), left)| Node { column, value, left }).collect();
        Self::of(columns, starts, nodes).map_err(|why| ModelError::malformed(FOREST_FILE, why))
    }
}

/// Every node but the first is the child of exactly one earlier split.
fn check_tree(tree: &[Node], columns: usize) -> Result<(), &'static str> {
    let mut reached = vec![false; tree.len()];
    for (at, node) in tree.iter().enumerate() {
        if node.column == LEAF {
            if !(0.0..=1.0).contains(&node.value) || node.left != 0 {
                return Err("a leaf is not a share");
            }
            continue;
        }
        let left = node.left as usize;
        if !node.value.is_finite() || node.column as usize >= columns {
            return Err("a split reads a column that is not there");
        }
        if left <= at || left + 1 >= tree.len() || reached[left] || reached[left + 1] {
            return Err("a child is not a later node of its tree");
        }
        (reached[left], reached[left + 1]) = (true, true);
    }
    let orphans = reached.iter().skip(1).any(|reached| !reached);
    if orphans { Err("a node has no parent") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::roc_auc;
    use crate::rng::Rng;

    pub(super) fn ring(rows: usize, seed: u64) -> (Matrix, Vec<bool>) {
        let mut rng = Rng::new(seed);
        let mut values = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..rows {
            let point: [f32; 5] = std::array::from_fn(|_| rng.unit() as f32 * 2.0 - 1.0);
            let radius = point[0] * point[0] + point[1] * point[1];
            labels.push((radius > 0.5) != (rng.unit() < 0.05));
            values.extend(point);
        }
        (Matrix::new(values, rows, 5).unwrap(), labels)
    }

    #[test]
    fn a_forest_learns_a_ring() {
        let (train, labels) = ring(1_500, 1);
        let (test, truth) = ring(1_500, 2);
        let forest = Forest::fit(&train, &labels, &ForestSpec { trees: 100, ..ForestSpec::default() }, 7).unwrap();
        let auc = roc_auc(&forest.chances(&test), &truth);
        assert!(auc > 0.92, "{auc}");
    }

    #[test]
    fn rows_and_batches_agree_and_files_come_back() {
        let (train, labels) = ring(400, 1);
        let forest = Forest::fit(&train, &labels, &ForestSpec { trees: 20, ..ForestSpec::default() }, 7).unwrap();
        let batch = forest.chances(&train);
        assert!((0..400).all(|row| forest.chance(train.row(row)).to_bits() == batch[row].to_bits()));
        assert_eq!(Forest::from_bytes(&forest.to_bytes().unwrap(), 5).unwrap(), forest);
        assert!(Forest::from_bytes(&forest.to_bytes().unwrap(), 6).is_err());
    }

    #[test]
    fn heavy_rows_decide() {
        let (rows, labels) = ring(600, 1);
        // Labels of the second half are turned round, but weigh nothing.
        let turned: Vec<bool> = labels.iter().enumerate().map(|(row, label)| *label != (row >= 300)).collect();
        let spec = ForestSpec { trees: 60, ..ForestSpec::default() };
        let weigh = |second: f64| -> Vec<f64> { (0..600).map(|row| if row < 300 { 2.5 } else { second }).collect() };
        let (test, truth) = ring(1_000, 2);
        let auc = |second: f64| {
            let forest = Forest::fit_weighted(&rows, &turned, &weigh(second), &spec, 7).unwrap();
            roc_auc(&forest.chances(&test), &truth)
        };
        assert!(auc(0.0) > 0.9 && auc(25.0) < 0.2, "{} {}", auc(0.0), auc(25.0));
        let mean = |positive_weight| {
            let forest = Forest::fit(&rows, &labels, &ForestSpec { positive_weight, ..spec.clone() }, 7).unwrap();
            forest.chances(&test).iter().sum::<f64>() / 1_000.0
        };
        assert!(mean(Some(4.0)) > mean(None) + 0.05, "{} {}", mean(Some(4.0)), mean(None));
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Forest::fit_weighted(&rows, &labels, &weigh(wrong), &spec, 7), Err(LearnError::Setting { .. })));
        }
        assert!(matches!(Forest::fit_weighted(&rows, &labels, &[0.0; 600], &spec, 7), Err(LearnError::Setting { .. })));
        assert!(matches!(Forest::fit_weighted(&rows, &labels, &[1.0], &spec, 7), Err(LearnError::Count { .. })));
    }

    #[test]
    fn a_walk_in_circles_is_refused() {
        let split = |left| Node { column: 0, value: 0.0, left };
        let leaf = Node { column: LEAF, value: 0.5, left: 0 };
        assert!(check_tree(&[split(1), leaf, leaf], 1).is_ok());
        assert!(check_tree(&[split(0), leaf, leaf], 1).is_err());
        assert!(check_tree(&[split(2), leaf, leaf], 1).is_err());
        assert!(check_tree(&[split(1), split(1), leaf], 1).is_err());
        assert!(check_tree(&[split(1), leaf, leaf, leaf], 1).is_err());
        assert!(check_tree(&[leaf], 1).is_ok());
        assert!(check_tree(&[split(1), leaf, leaf], 0).is_err());
        assert!(check_tree(&[Node { value: f32::NAN, ..leaf }], 1).is_err());
    }
}
