//! A random forest whose leaves hold shares, never counts (T2: counts give the training rows back, Ferry 2024), and whose bytes
//! do not depend on the number of threads.
//!
//! Breiman (2001) with scikit-learn's choices: bootstrap rows, the square root of the columns at each split, Gini, and a least
//! number of *distinct* rows in a leaf. Columns are cut into at most 255 bins, so splits are found from histograms.

mod grow;

use rayon::prelude::*;

use crate::error::{LearnError, ModelError};
use crate::modelfile::FOREST_FILE;
use crate::preprocess::{COLUMNS_MAX, Matrix};
use crate::rng::derive;
use crate::spec::{ForestSpec, ROWS_MAX, TREES_MAX};
use crate::tensors::{Pack, Unpack};

/// Marks a leaf in [`Node::column`].
const LEAF: u32 = u32::MAX;
/// Most nodes of all trees together.
const NODES_MAX: usize = 50_000_000;
/// Rows that walk through one tree before the next tree is fetched: they fit the second cache.
const BLOCK: usize = 2_048;
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

/// A trained forest.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    columns: usize,
    /// First node of each tree, then the number of nodes.
    starts: Vec<u32>,
    nodes: Vec<Node>,
}

impl Forest {
    /// Grows trees on filled rows. Same forest for any number of threads.
    pub fn fit(rows: &Matrix, labels: &[bool], spec: &ForestSpec, seed: u64) -> Result<Self, LearnError> {
        if rows.rows() != labels.len() {
            return Err(LearnError::Count { what: "labels", expected: rows.rows(), seen: labels.len() });
        }
        if rows.rows() == 0 || rows.rows() > ROWS_MAX {
            return Err(LearnError::Size { what: "training rows", seen: rows.rows(), least: 1, most: ROWS_MAX });
        }
        let table = grow::Table::new(rows, labels);
        let trees: Vec<Vec<Node>> = (0..u64::from(spec.trees))
            .into_par_iter()
            .map(|tree| grow::tree(&table, spec, derive(seed, SEED_USE, tree)))
            .collect();
        let all = trees.iter().map(Vec::len).fold(0, usize::saturating_add);
        if all > NODES_MAX {
            return Err(LearnError::Size { what: "nodes of the forest", seen: all, least: 1, most: NODES_MAX });
        }
        let mut out = Self { columns: rows.columns(), starts: vec![0], nodes: Vec::with_capacity(all) };
        for tree in trees {
            out.nodes.extend(tree);
            out.starts.push(out.nodes.len() as u32);
        }
        Ok(out)
    }

    /// How many trees.
    pub fn trees(&self) -> usize {
        self.starts.len() - 1
    }

    /// The mean share of positives of a filled row's leaves.
    pub fn chance(&self, row: &[f32]) -> f64 {
        let sum: f64 = (0..self.trees()).map(|tree| f64::from(self.leaf(tree, row))).sum();
        sum / self.trees() as f64
    }

    /// The same for many rows, in parallel; equal to [`Self::chance`] bit for bit.
    pub fn chances(&self, rows: &Matrix) -> Vec<f64> {
        if rows.columns() != self.columns {
            return vec![f64::NAN; rows.rows()];
        }
        let mut out = vec![0.0; rows.rows()];
        out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sums)| {
            for tree in 0..self.trees() {
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum += f64::from(self.leaf(tree, rows.row(block * BLOCK + at)));
                }
            }
            sums.iter_mut().for_each(|sum| *sum /= self.trees() as f64);
        });
        out
    }

    // INVARIANT: every split has `column < self.columns`, both children inside its own tree and after itself, so that the walk
    // ends; `fit` builds nothing else and `from_bytes` refuses everything else.
    fn leaf(&self, tree: usize, row: &[f32]) -> f32 {
        let nodes = &self.nodes[self.starts[tree] as usize..self.starts[tree + 1] as usize];
        let mut node = nodes[0];
        while node.column != LEAF {
            let value = row.get(node.column as usize).copied().unwrap_or(f32::NAN);
            let right = usize::from(value > node.value || value.is_nan());
            node = nodes[node.left as usize + right];
        }
        node.value
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
        for pair in starts.windows(2) {
            let Some(tree) = nodes.get(pair[0] as usize..pair[1] as usize) else {
                return wrong("trees do not follow each other");
            };
            if let Err(why) = check_tree(tree, columns) {
                return wrong(why);
            }
        }
        Ok(Self { columns, starts, nodes })
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
