//! Writes the model in other people's formats and reads theirs without trust, so that somebody else's program can answer in our
//! place and show that we answer right (T4: a model that only its maker can run is no evidence).
//!
//! Nothing here opens a file: bytes come and go. Check digests and signatures before a parser sees the bytes.

pub mod libsvm;
pub mod onnx;
mod proto;
pub mod xgboost;

use crate::error::LearnError;
use crate::forest::{Forest, Step};
use crate::gbm::Booster;

/// A node of a tree as every format needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Knot {
    /// Where rows part.
    Split {
        /// The encoded column.
        column: u32,
        /// Rows on the lower side of this go left.
        cut: f32,
        /// Whether rows without the value go left.
        missing_left: bool,
        left: u32,
        right: u32,
    },
    /// What is added to the sum.
    Leaf(f32),
}

/// Trees whose leaves are added up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) columns: usize,
    /// Whether the lower side is `value < cut`; else it is `value <= cut`.
    pub(crate) strict: bool,
    /// What the sum starts from.
    pub(crate) base: f32,
    /// Nodes of each tree; the first is the root.
    pub(crate) trees: Vec<Vec<Knot>>,
}

impl Plain {
    /// Trees whose leaves add up to the booster's margin.
    pub(crate) fn booster(booster: &Booster) -> Result<Self, LearnError> {
        let model = booster.model();
        let plain = model.best_iteration().is_none() && model.tree_weights().all(|weight| weight == 1.0);
        let &[base] = model.base_scores() else {
            return Err(LearnError::Booster("it has not one base score".to_owned()));
        };
        if !plain || model.shrinkage().is_some() {
            return Err(LearnError::Booster("its trees do not count equally".to_owned()));
        }
        let knot = |node: &hessboost::tree::Node| match (u32::try_from(node.left), u32::try_from(node.right)) {
            (Ok(left), Ok(right)) => {
                Knot::Split { column: node.split_feature, cut: node.split_cond, missing_left: node.default_left, left, right }
            }
            (Err(_), _) | (_, Err(_)) => Knot::Leaf(node.leaf_value),
        };
        let trees = model.trees().iter().map(|tree| tree.nodes().iter().map(knot).collect()).collect();
        Ok(Self { columns: model.n_features(), strict: true, base, trees })
    }

    /// Trees whose leaves are shares of positives: the mean over the trees is the forest's probability.
    pub(crate) fn forest(forest: &Forest) -> Self {
        let knot = |step: Step| match step {
            Step::Split { column, most, left } => {
                Knot::Split { column, cut: most, missing_left: false, left, right: left.saturating_add(1) }
            }
            Step::Leaf(share) => Knot::Leaf(share),
        };
        let trees = (0..forest.trees()).map(|tree| forest.steps(tree).into_iter().map(knot).collect()).collect();
        Self { columns: forest.columns(), strict: false, base: 0.0, trees }
    }
}
