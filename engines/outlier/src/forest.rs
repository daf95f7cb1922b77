//! Small boosted trees, trained by hessboost and kept as flat arrays: a few microseconds a row, and no bytes that could
//! lead a reader out of bounds (a loaded tree of any content ends in a leaf).

use hessboost::objective::Multiclass;
use hessboost::prelude::{DMatrix, Objective, RegLoss, TrainingParams, TreeMethod, train};
use hessboost::tree::RegTree;
use serde::{Deserialize, Serialize};

use crate::OutlierError;
use crate::encode::Table;

/// Depth of a tree; its arrays have `2^3 - 1` splits and `2^3` leaves.
const DEPTH: usize = 3;
const SPLITS: usize = 7;
const LEAVES: usize = 8;
/// Boosting rounds.
const ROUNDS: usize = 40;
/// Learning rate: 40 rounds at 0.2 reach the level of a long run at 0.05 on both test sets.
const ETA: f64 = 0.2;
/// Trees that a stored forest may have: rounds times classes.
const TREES_MAX: usize = ROUNDS * crate::CLASSES_MAX;

/// A complete tree of depth 3. A value below `cut` goes left; missing goes left where the bit is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tree {
    feature: [u16; SPLITS],
    cut: [f32; SPLITS],
    missing_left: u8,
    leaf: [f32; LEAVES],
}

/// Trees of one or more outputs, in turn (round by round).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub(crate) struct Forest {
    outputs: usize,
    base: Vec<f32>,
    trees: Vec<Tree>,
}

impl Tree {
    fn from_boosted(tree: &RegTree) -> Self {
        let mut out = Self { feature: [0; SPLITS], cut: [f32::MAX; SPLITS], missing_left: u8::MAX, leaf: [0.0; LEAVES] };
        let nodes = tree.nodes();
        // (node of the boosted tree, place in the complete tree); a leaf above the bottom fills all leaves below it.
        let mut open = vec![(0_usize, 0_usize, 0_usize)];
        while let Some((id, place, depth)) = open.pop() {
            let Some(node) = nodes.get(id) else { continue };
            if node.is_leaf() || depth == DEPTH {
                let span = LEAVES >> depth;
                let first = (place + 1 - (1 << depth)) * span;
                out.leaf[first..first + span].fill(node.leaf_value);
                continue;
            }
            out.feature[place] = u16::try_from(node.split_feature).unwrap_or(u16::MAX);
            out.cut[place] = node.split_cond;
            if !node.default_left {
                out.missing_left &= !(1 << place);
            }
            open.push((usize::try_from(node.left).unwrap_or(usize::MAX), 2 * place + 1, depth + 1));
            open.push((usize::try_from(node.right).unwrap_or(usize::MAX), 2 * place + 2, depth + 1));
        }
        out
    }

    fn value(&self, row: &[f32]) -> f32 {
        let mut place = 0;
        for _ in 0..DEPTH {
            let value = row.get(usize::from(self.feature[place])).copied().unwrap_or(f32::NAN);
            let left = if value.is_nan() { self.missing_left >> place & 1 == 1 } else { value < self.cut[place] };
            place = 2 * place + if left { 1 } else { 2 };
        }
        self.leaf[place - SPLITS]
    }
}

impl Forest {
    /// Trains on rows of `inputs` (row-major, `width` a row). `classes` 1: squared error; else class codes with softmax.
    pub(crate) fn fit(inputs: &Table, targets: &[f32], classes: usize, seed: u64) -> Result<Self, OutlierError> {
        let wrong = |error: hessboost::error::HessboostError| OutlierError::Training(error.to_string());
        let objective = if classes > 1 {
            Objective::Softprob(Multiclass::new(classes).map_err(wrong)?)
        } else {
            Objective::SquaredError(RegLoss::default())
        };
        let params = TrainingParams::builder()
            .objective(objective)
            .tree_method(TreeMethod::Hist)
            .max_depth(DEPTH)
            .eta(ETA)
            .seed(seed)
            .nthread(1)
            .build()
            .map_err(wrong)?;
        let data = DMatrix::from_dense(&inputs.values, inputs.rows(), inputs.width)
            .and_then(|data| data.with_labels(targets))
            .map_err(wrong)?;
        let model = train(&params, &data, ROUNDS).map_err(wrong)?;
        let trees = model.trees().iter().map(Tree::from_boosted).collect();
        // The stored intercept is a margin for both objectives here: squared error and softmax use the identity link.
        let base = model.base_scores().to_vec();
        Ok(Self { outputs: classes.max(1), base, trees })
    }

    /// The margin of each output for one row, with the intercept.
    pub(crate) fn margins(&self, row: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend((0..self.outputs).map(|at| self.base.get(at).or(self.base.first()).copied().unwrap_or(0.0)));
        for (at, tree) in self.trees.iter().enumerate() {
            out[at % self.outputs] += tree.value(row);
        }
    }
}

/// A forest as bytes hold it, before its counts are judged.
#[derive(Deserialize)]
struct Stored {
    outputs: usize,
    base: Vec<f32>,
    trees: Vec<Tree>,
}

impl TryFrom<Stored> for Forest {
    type Error = OutlierError;

    fn try_from(Stored { outputs, base, trees }: Stored) -> Result<Self, OutlierError> {
        if (1..=crate::CLASSES_MAX).contains(&outputs) && trees.len() <= TREES_MAX {
            Ok(Self { outputs, base, trees })
        } else {
            Err(OutlierError::Stored(format!("{outputs} outputs of {} trees", trees.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Mix;

    #[test]
    fn flat_trees_answer_as_the_library_does() {
        let mut mix = Mix::new(7, 1);
        let values: Vec<f32> =
            (0..500 * 4).map(|_| if mix.below(10) == 0 { f32::NAN } else { mix.below(1000) as f32 / 100.0 }).collect();
        let inputs = Table { width: 4, values };
        let targets: Vec<f32> = (0..500).map(|row| inputs.row(row).iter().filter(|v| !v.is_nan()).sum()).collect();
        for classes in [1, 3] {
            let labels: Vec<f32> =
                if classes == 1 { targets.clone() } else { targets.iter().map(|t| (t / 12.0).floor().min(2.0)).collect() };
            let forest = Forest::fit(&inputs, &labels, classes, 3).unwrap();
            let objective = if classes == 1 {
                Objective::SquaredError(RegLoss::default())
            } else {
                Objective::Softprob(Multiclass::new(classes).unwrap())
            };
            let params = TrainingParams::builder().objective(objective).max_depth(3).eta(ETA).seed(3).nthread(1);
            let params = params.tree_method(TreeMethod::Hist).build().unwrap();
            let data = DMatrix::from_dense(&inputs.values, 500, 4).unwrap().with_labels(&labels).unwrap();
            let model = train(&params, &data, ROUNDS).unwrap();
            let (mut ours, mut theirs) = (Vec::new(), vec![0.0; classes]);
            for row in 0..500 {
                forest.margins(inputs.row(row), &mut ours);
                model.predict_margin_row_into(inputs.row(row), hessboost::prelude::Iterations::Best, &mut theirs).unwrap();
                for (a, b) in ours.iter().zip(&theirs) {
                    assert!((a - b).abs() < 1e-4, "{classes}: {a} {b}");
                }
            }
        }
    }
}
