//! Trees whose leaves are added up, in the one form that this engine searches (T5): the booster's and the forest's, with the sums
//! that they are served with, so that what is proven here holds there to the last bit.

use learn::forest::{Forest, Step};
use learn::gbm::Booster;

/// Most nodes of all trees together.
pub const NODES_MAX: usize = 1 << 23;
/// Most trees.
pub const TREES_MAX: usize = 100_000;

/// Why trees cannot be searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvadeError {
    /// The trees are not trees.
    #[error("the trees cannot be searched: {0}")]
    Trees(&'static str),
    /// Values, scales or labels are not as many as needed.
    #[error("{what}: `{seen}` were given where `{expected}` are needed")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many are needed.
        expected: usize,
        /// How many came.
        seen: usize,
    },
    /// A number is outside of its range.
    #[error("{what} is `{seen}`, outside {allowed}")]
    Number {
        /// Which number.
        what: &'static str,
        /// What was given.
        seen: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A column that a space or relation names is not there, or is of the other kind.
    #[error("column `{0}` is not among the columns of the model, or of another kind")]
    Column(String),
    /// The learner refused.
    #[error(transparent)]
    Learn(#[from] learn::LearnError),
}

/// A split or a leaf; the first node of a tree is its root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Rows with `value < cut` in `column` go to `left`, others to `right`; rows without the value as `missing_left` says.
    Split {
        /// The encoded column.
        column: u32,
        /// The least value that goes right; finite.
        cut: f32,
        /// The lower child, counted from the tree's first node.
        left: u32,
        /// The other child.
        right: u32,
        /// Where `NaN` goes.
        missing_left: bool,
    },
    /// What the tree answers; finite.
    Leaf(f32),
}

/// How leaves become a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// Added to the base in 32 bits, in the order of the trees: a booster's margin, in log odds.
    Margin,
    /// Added in 64 bits in the order of the trees and divided by their number: a forest's chance, 0 to 1.
    Mean,
}

/// A node with the rank of its cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Knot {
    /// Column, or [`LEAF`].
    pub(crate) column: u32,
    /// Rank of the cut among all distinct cuts of the column.
    pub(crate) rank: u32,
    /// The cut, or what the leaf answers.
    pub(crate) value: f32,
    /// Counted from the first node of all.
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) missing_left: bool,
}

/// Marks a leaf in [`Knot::column`].
pub(crate) const LEAF: u32 = u32::MAX;

/// Additive trees, ready to be searched.
#[derive(Clone, Debug, PartialEq)]
pub struct Trees {
    columns: usize,
    base: f32,
    sum: Sum,
    pub(crate) roots: Vec<u32>,
    pub(crate) knots: Vec<Knot>,
    /// Distinct cuts of each column, ascending.
    pub(crate) cuts: Vec<Vec<f32>>,
    /// Splits by column and rank.
    pub(crate) order: Vec<u32>,
    /// Per column and rank: where its splits start in `order`; one more at each column's end.
    pub(crate) starts: Vec<Vec<u32>>,
}

impl Trees {
    /// Takes trees. Nodes may stand in any order as long as every split has two children of its own.
    ///
    /// # Errors
    /// No trees, too many, a child that is not there or has two parents, a column that is not there, numbers that are not finite.
    pub fn new(columns: usize, base: f32, sum: Sum, trees: &[Vec<Node>]) -> Result<Self, EvadeError> {
        let wrong = |why| Err(EvadeError::Trees(why));
        if trees.is_empty() || trees.len() > TREES_MAX || columns > learn::preprocess::COLUMNS_MAX {
            return wrong("trees or columns are none or too many");
        }
        if trees.iter().map(Vec::len).fold(0, usize::saturating_add) > NODES_MAX {
            return wrong("nodes are too many");
        }
        if !base.is_finite() {
            return wrong("the base is not finite");
        }
        let mut out = Self {
            columns,
            base,
            sum,
            roots: Vec::with_capacity(trees.len()),
            knots: Vec::new(),
            cuts: vec![Vec::new(); columns],
            order: Vec::new(),
            starts: Vec::new(),
        };
        for tree in trees {
            if let Err(why) = out.plant(tree) {
                return wrong(why);
            }
        }
        out.rank();
        Ok(out)
    }

    /// Adds a tree, parents before children.
    fn plant(&mut self, tree: &[Node]) -> Result<(), &'static str> {
        let root = self.knots.len();
        let blank = Knot { column: LEAF, rank: 0, value: 0.0, left: 0, right: 0, missing_left: false };
        self.knots.push(blank);
        let mut open = vec![(0u32, root)];
        while let Some((at, here)) = open.pop() {
            let knot = match *tree.get(at as usize).ok_or("a child is not there")? {
                Node::Leaf(value) if value.is_finite() => Knot { value, ..blank },
                Node::Split { column, cut, left, right, missing_left } if cut.is_finite() && (column as usize) < self.columns => {
                    let first = self.knots.len();
                    // Every node is asked for at most once, so that nothing goes round in circles.
                    if first - root + 2 > tree.len() {
                        return Err("a node has two parents");
                    }
                    self.knots.extend([blank; 2]);
                    open.extend([(right, first + 1), (left, first)]);
                    Knot { column, rank: 0, value: cut, left: first as u32, right: first as u32 + 1, missing_left }
                }
                Node::Leaf(_) | Node::Split { .. } => return Err("a number is not finite, or a column is not there"),
            };
            self.knots[here] = knot;
        }
        self.roots.push(root as u32);
        Ok(())
    }

    /// Ranks the cuts of every column, and sorts the splits by them.
    fn rank(&mut self) {
        for knot in self.knots.iter().filter(|knot| knot.column != LEAF) {
            self.cuts[knot.column as usize].push(knot.value);
        }
        for cuts in &mut self.cuts {
            // Both zeros are one cut: comparisons do not tell them apart.
            cuts.iter_mut().for_each(|cut| *cut += 0.0);
            cuts.sort_unstable_by(f32::total_cmp);
            cuts.dedup();
        }
        for knot in self.knots.iter_mut().filter(|knot| knot.column != LEAF) {
            knot.rank = cell(&self.cuts[knot.column as usize], knot.value) - 1;
        }
        let knots = &self.knots;
        self.order = (0..knots.len() as u32).filter(|&at| knots[at as usize].column != LEAF).collect();
        self.order.sort_unstable_by_key(|&at| {
            let knot = &knots[at as usize];
            (knot.column, knot.rank, at)
        });
        let mut at = 0;
        for (column, cuts) in self.cuts.iter().enumerate() {
            let mut starts = vec![at as u32];
            for rank in 0..cuts.len() {
                let here = |&&at: &&u32| knots[at as usize].column as usize == column && knots[at as usize].rank as usize == rank;
                at += self.order[at..].iter().take_while(here).count();
                starts.push(at as u32);
            }
            self.starts.push(starts);
        }
    }

    /// The booster's trees: [`Self::score`] is [`Booster::margins`] bit for bit.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_booster(booster: &Booster) -> Result<Self, EvadeError> {
        let model = booster.model();
        // As the booster itself: early stopping names the last round that counts.
        let rounds = model.best_iteration().map_or(usize::MAX, |best| best.saturating_add(1));
        let node = |node: &hessboost::tree::Node| match (u32::try_from(node.left), u32::try_from(node.right)) {
            (Ok(left), Ok(right)) => {
                Node::Split { column: node.split_feature, cut: node.split_cond, left, right, missing_left: node.default_left }
            }
            (Err(_), _) | (_, Err(_)) => Node::Leaf(node.leaf_value),
        };
        let trees: Vec<Vec<Node>> =
            model.trees().iter().take(rounds).map(|tree| tree.nodes().iter().map(node).collect()).collect();
        Self::new(model.n_features(), model.base_score(), Sum::Margin, &trees)
    }

    /// The forest's trees, for *filled* rows: [`Self::score`] is [`Forest::chance`] bit for bit.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_forest(forest: &Forest) -> Result<Self, EvadeError> {
        let node = |step: Step| match step {
            // The forest sends `value <= most` left, and rows without the value right.
            Step::Split { column, most, left } => {
                Node::Split { column, cut: most.next_up(), left, right: left.saturating_add(1), missing_left: false }
            }
            Step::Leaf(share) => Node::Leaf(share),
        };
        let trees: Vec<Vec<Node>> = (0..forest.trees()).map(|tree| forest.steps(tree).into_iter().map(node).collect()).collect();
        Self::new(forest.columns(), 0.0, Sum::Mean, &trees)
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many trees.
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// How leaves become a score.
    pub fn sum(&self) -> Sum {
        self.sum
    }

    /// What a sum starts from.
    pub(crate) fn base(&self) -> f32 {
        self.base
    }

    /// Distinct cuts of a column, ascending; none beyond the last column. A value goes right of a cut that is at most the value.
    pub fn cuts(&self, column: usize) -> &[f32] {
        self.cuts.get(column).map_or(&[], Vec::as_slice)
    }

    /// The score of an encoded row as the served model computes it; log odds or chance, see [`Sum`]. Values beyond the row are
    /// missing.
    pub fn score(&self, row: &[f32]) -> f64 {
        self.add(self.roots.iter().map(|&root| self.leaf(root, row)))
    }

    /// Leaves of all trees, in their order, as a score.
    pub(crate) fn add(&self, leaves: impl Iterator<Item = f32>) -> f64 {
        match self.sum {
            Sum::Margin => f64::from(leaves.fold(self.base, |sum, leaf| sum + leaf)),
            Sum::Mean => leaves.fold(0.0, |sum, leaf| sum + f64::from(leaf)) / self.trees() as f64,
        }
    }

    fn leaf(&self, root: u32, row: &[f32]) -> f32 {
        let mut knot = &self.knots[root as usize];
        while knot.column != LEAF {
            let value = row.get(knot.column as usize).copied().unwrap_or(f32::NAN);
            let left = if value.is_nan() { knot.missing_left } else { value < knot.value };
            knot = &self.knots[if left { knot.left } else { knot.right } as usize];
        }
        knot.value
    }
}

/// How many of the cuts are at most the value: the cell of the column that it lies in.
pub(crate) fn cell(cuts: &[f32], value: f32) -> u32 {
    cuts.partition_point(|&cut| cut <= value) as u32
}
