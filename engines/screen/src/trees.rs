//! Boosted symmetric trees over coarse codes: every row of a tree passes the same few tests, so that rows are judged together,
//! a nanosecond a tree (Prokhorenkova and others 2018 on symmetric trees). Any stored content ends in a leaf.

use outlier::stats::Mix;
use serde::{Deserialize, Serialize};

use crate::encode::COARSE;

/// Deepest tree.
pub(crate) const DEPTH_MAX: usize = 5;
/// Rows that a leaf is pulled to 0 by.
const LEAF_PULL: f32 = 5.0;
/// Trees that are passed together, and rows at a time: their leaves' places fit into the processor's nearest cache.
const TOGETHER: usize = 4;
const BLOCK: usize = 512;

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Squared,
    Logistic,
}

/// How much is fitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) depth: usize,
    pub(crate) rate: f32,
    /// Share of the columns that a tree may ask about.
    pub(crate) columns: f64,
}

/// One test: the coarse code is at most `cut`, or equals it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Split {
    column: u16,
    cut: u8,
    equal: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tree {
    splits: Vec<Split>,
    /// `2^splits` values.
    leaves: Vec<f32>,
}

/// A sum of trees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Boost {
    pub(crate) base: f32,
    trees: Vec<Tree>,
}

/// Rows to learn from: fine codes column by column.
pub(crate) struct Learn<'a> {
    pub(crate) fine: &'a [u8],
    pub(crate) rows: usize,
    /// Columns that hold levels: tested by equality.
    pub(crate) levels: &'a [bool],
    /// Columns that may not be asked about.
    pub(crate) without: &'a [usize],
}

struct Fitting<'a> {
    learn: &'a Learn<'a>,
    gradients: Vec<[f32; 2]>,
    node: Vec<u8>,
    histogram: Vec<[f32; 2]>,
}

impl Boost {
    /// Fits `targets` (0 or 1 for [`Loss::Logistic`]).
    pub(crate) fn fit(learn: &Learn<'_>, targets: &[f32], loss: Loss, effort: Effort, seed: u64) -> Self {
        let count = targets.len().max(1) as f32;
        let mean = targets.iter().sum::<f32>() / count;
        let base = match loss {
            Loss::Squared => mean,
            Loss::Logistic => {
                let p = mean.clamp(1e-4, 1.0 - 1e-4);
                (p / (1.0 - p)).ln()
            }
        };
        let mut out = Self { base, trees: Vec::with_capacity(effort.rounds) };
        let mut margins = vec![base; learn.rows];
        let open: Vec<usize> = (0..learn.levels.len()).filter(|at| !learn.without.contains(at)).collect();
        if open.is_empty() || learn.rows == 0 {
            return out;
        }
        let wanted = ((open.len() as f64 * effort.columns).ceil() as usize).clamp(1, open.len());
        let mut mix = Mix::new(seed, 21);
        let mut fitting = Fitting {
            learn,
            gradients: vec![[0.0; 2]; learn.rows],
            node: vec![0; learn.rows],
            histogram: vec![[0.0; 2]; COARSE << DEPTH_MAX],
        };
        for _ in 0..effort.rounds {
            for ((pair, &margin), &target) in fitting.gradients.iter_mut().zip(&margins).zip(targets) {
                *pair = match loss {
                    Loss::Squared => [target - margin, 1.0],
                    Loss::Logistic => {
                        let p = 1.0 / (1.0 + (-margin).exp());
                        [target - p, (p * (1.0 - p)).max(1e-6)]
                    }
                };
            }
            let columns: Vec<usize> = mix.choose(open.len(), wanted).into_iter().map(|at| open[at]).collect();
            let Some(tree) = fitting.tree(&columns, effort) else { break };
            for (margin, &node) in margins.iter_mut().zip(&fitting.node) {
                *margin += tree.leaves[usize::from(node)];
            }
            out.trees.push(tree);
        }
        out
    }

    /// Adds the trees' values to `out`, one per row of a chunk. Some trees at a time pass a few rows, so that sums stay at hand; each
    /// row's values are added in the order of the trees.
    pub(crate) fn add(&self, fine: &[u8], out: &mut [f32]) {
        let rows = out.len();
        for trees in self.trees.chunks(TOGETHER) {
            // Tables of full size need no check of bounds inside the loop; a tree that is not there adds nothing.
            let mut leaves = [[0.0_f32; 1 << DEPTH_MAX]; TOGETHER];
            for (to, tree) in leaves.iter_mut().zip(trees) {
                to.iter_mut().zip(&tree.leaves).for_each(|(to, from)| *to = *from);
            }
            for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                let mut nodes = [[0_u8; BLOCK]; TOGETHER];
                for (node, tree) in nodes.iter_mut().zip(trees) {
                    tree.pass(fine, rows, block * BLOCK, &mut node[..out.len()]);
                }
                let leaf = |tree: usize, row: usize| leaves[tree][usize::from(nodes[tree][row % BLOCK]) & ((1 << DEPTH_MAX) - 1)];
                if trees.len() == TOGETHER {
                    for (row, out) in out.iter_mut().enumerate() {
                        *out = (((*out + leaf(0, row)) + leaf(1, row)) + leaf(2, row)) + leaf(3, row);
                    }
                } else {
                    for tree in 0..trees.len() {
                        out.iter_mut().enumerate().for_each(|(row, out)| *out += leaf(tree, row));
                    }
                }
            }
        }
    }

    /// Whether every tree asks about columns that are there and is no deeper than trees are.
    pub(crate) fn is_sound(&self, width: usize) -> bool {
        self.trees.iter().all(|tree| {
            tree.splits.len() <= DEPTH_MAX
                && tree.leaves.len() == 1 << tree.splits.len()
                && tree.splits.iter().all(|split| usize::from(split.column) < width && usize::from(split.cut) < COARSE)
        })
    }
}

impl Tree {
    /// The leaf of each of some rows, the first of them `from`, of a chunk of so many `rows`; `node` is 0.
    fn pass(&self, fine: &[u8], rows: usize, from: usize, node: &mut [u8]) {
        for (level, split) in self.splits.iter().enumerate() {
            let from = usize::from(split.column) * rows + from;
            let Some(column) = fine.get(from..from + node.len()) else { continue };
            let bit = 1_u8 << level;
            // Fine codes are coarse ones by four, and the rest: the first and the last of the cut.
            let (least, most) = (split.cut << 2, split.cut << 2 | 3);
            if split.equal {
                node.iter_mut().zip(column).for_each(|(node, &code)| *node |= if code & !3 == least { bit } else { 0 });
            } else {
                node.iter_mut().zip(column).for_each(|(node, &code)| *node |= if code <= most { bit } else { 0 });
            }
        }
    }
}

impl Fitting<'_> {
    fn tree(&mut self, columns: &[usize], effort: Effort) -> Option<Tree> {
        self.node.fill(0);
        let mut splits = Vec::new();
        for depth in 0..effort.depth.min(DEPTH_MAX) {
            let Some(split) = self.best(columns, 1 << depth) else { break };
            let column = &self.learn.fine[usize::from(split.column) * self.learn.rows..];
            let bit = 1_u8 << depth;
            for (node, &code) in self.node.iter_mut().zip(column) {
                let coarse = code >> 2;
                *node |= if (split.equal && coarse == split.cut) || (!split.equal && coarse <= split.cut) { bit } else { 0 };
            }
            splits.push(split);
        }
        if splits.is_empty() {
            return None;
        }
        let mut sums = vec![[0.0_f64; 2]; 1 << splits.len()];
        for (&node, pair) in self.node.iter().zip(&self.gradients) {
            let sum = &mut sums[usize::from(node)];
            sum[0] += f64::from(pair[0]);
            sum[1] += f64::from(pair[1]);
        }
        let leaves = sums.iter().map(|sum| (sum[0] / (sum[1] + f64::from(LEAF_PULL))) as f32 * effort.rate).collect();
        Some(Tree { splits, leaves })
    }

    /// The test that gains most over all nodes together.
    fn best(&mut self, columns: &[usize], nodes: usize) -> Option<Split> {
        let mut best = (1e-6_f32, None);
        for &column in columns {
            let codes = &self.learn.fine[column * self.learn.rows..(column + 1) * self.learn.rows];
            let histogram = &mut self.histogram[..nodes * COARSE];
            histogram.fill([0.0; 2]);
            for ((&code, &node), pair) in codes.iter().zip(&self.node).zip(&self.gradients) {
                let cell = &mut histogram[usize::from(node) * COARSE + usize::from(code >> 2)];
                cell[0] += pair[0];
                cell[1] += pair[1];
            }
            let (mut at_most, mut equal) = ([0.0_f32; COARSE], [0.0_f32; COARSE]);
            let part = |sum: [f32; 2]| sum[0] * sum[0] / (sum[1] + LEAF_PULL);
            for cells in histogram.chunks_exact(COARSE) {
                let all = cells.iter().fold([0.0; 2], |sum, cell| [sum[0] + cell[0], sum[1] + cell[1]]);
                let before = part(all);
                let mut left = [0.0_f32; 2];
                for (cut, cell) in cells.iter().enumerate() {
                    if cell[1] == 0.0 {
                        // No row here: as the cut before.
                        let rest = [all[0] - left[0], all[1] - left[1]];
                        at_most[cut] += part(left) + part(rest) - before;
                        continue;
                    }
                    left = [left[0] + cell[0], left[1] + cell[1]];
                    let rest = [all[0] - left[0], all[1] - left[1]];
                    at_most[cut] += part(left) + part(rest) - before;
                    let others = [all[0] - cell[0], all[1] - cell[1]];
                    equal[cut] += part(*cell) + part(others) - before;
                }
            }
            let is_level = self.learn.levels[column];
            let gains = if is_level { &equal } else { &at_most };
            for (cut, &gain) in gains.iter().enumerate() {
                if gain > best.0 {
                    best = (gain, Some(Split { column: column as u16, cut: cut as u8, equal: is_level }));
                }
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: Effort = Effort { rounds: 60, depth: 4, rate: 0.2, columns: 1.0 };

    #[test]
    fn trees_learn_an_interaction_and_answer_chunk_by_chunk() {
        let rows = 2000;
        let mut mix = Mix::new(3, 1);
        let fine: Vec<u8> = (0..rows * 3).map(|_| mix.below(248) as u8).collect();
        let target: Vec<f32> = (0..rows)
            .map(|row| {
                f32::from((fine[row] > 120) ^ (fine[rows + row] > 120)) + if fine[2 * rows + row] >> 2 == 7 { 3.0 } else { 0.0 }
            })
            .collect();
        let learn = Learn { fine: &fine, rows, levels: &[false, false, true], without: &[] };
        let boost = Boost::fit(&learn, &target, Loss::Squared, EFFORT, 1);
        let mut out = vec![boost.base; rows];
        boost.add(&fine, &mut out);
        let error: f32 = out.iter().zip(&target).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / rows as f32;
        assert!(error < 0.05, "{error}");
        assert!(boost.is_sound(3) && !boost.is_sound(2));
    }

    #[test]
    fn a_column_that_is_closed_is_not_asked_about() {
        let fine: Vec<u8> = (0..400).map(|at| (at % 248) as u8).collect();
        let target: Vec<f32> = fine[..200].iter().map(|&code| f32::from(code)).collect();
        let learn = Learn { fine: &fine, rows: 200, levels: &[false, false], without: &[0, 1] };
        let boost = Boost::fit(&learn, &target, Loss::Squared, EFFORT, 1);
        assert!(boost.trees.is_empty());
    }
}
