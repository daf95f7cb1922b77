//! Shares an answer of trees out among its columns, exactly: the path-dependent values of TreeSHAP (Lundberg, Erion and Lee 2018,
//! "Consistent Individualized Feature Attribution for Tree Ensembles").
//!
//! Their algorithm 2 takes columns out of a sum of sets again by differences, which cost all digits on ways of more than fifty
//! columns. Shapley's value is also an integral, over the probability `t` that each other column is known (Owen 1972); along the
//! way to a leaf it is that of a product of `share * (1 - t) + goes * t`, a polynomial, so that a Gauss rule of half as many points
//! as the way has columns gives it exactly, by sums of positive terms, in `nodes * depth / 2` steps a tree.
//!
//! Path-dependent values need to know how many rows went each way. Our model files do not tell (T2: such counts give training rows
//! back), so the covers are counted anew from rows that the asker may read, and are kept in memory only.

use rayon::prelude::*;

use crate::error::LearnError;
use crate::forest::Forest;
use crate::gbm::Booster;
use crate::interchange::{Knot, Plain};
use crate::preprocess::Matrix;

/// Deepest tree that is explained; ours have a depth of at most this.
pub const DEPTH_MAX: usize = 64;
/// Most rows that are explained at once.
pub const ROWS_MAX: usize = 10_000;
/// Rows that every leaf is given beyond those that reached it, so that no way has a share of zero. A power of two: sums are exact.
const LEAF_ROWS: f64 = 1.0 / 1_024.0;

/// What each column adds to the answer of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The mean answer over the rows that covers were counted from, each leaf held to be a little fuller than it is.
    pub base: f64,
    /// One part per encoded column; with the base they add up to the answer.
    pub columns: Vec<f64>,
}

/// One node with what a walk and a share need.
#[derive(Clone, Copy, Debug)]
struct Node {
    knot: Knot,
    cover: f64,
}

/// Trees with covers.
#[derive(Clone, Debug)]
pub struct Explainer {
    columns: usize,
    strict: bool,
    /// What each leaf is multiplied by.
    scale: f64,
    base: f64,
    /// Points and weights of the integral over `t`.
    rule: Vec<(f64, f64)>,
    trees: Vec<Vec<Node>>,
    covers: Vec<Vec<f64>>,
}

/// What the splits by one column say of the leaves below them: the share of rows that come there if the column is not known, and
/// whether (1 or 0) this row does.
#[derive(Clone, Copy, Debug)]
struct Way {
    zero: f64,
    one: f64,
}

impl Way {
    const ABSENT: Self = Self { zero: 1.0, one: 1.0 };

    /// The share if the column is known with this probability.
    fn at(self, known: f64) -> f64 {
        self.zero * (1.0 - known) + self.one * known
    }
}

impl Explainer {
    /// Explains margins, in log odds. Covers are counted from encoded rows.
    ///
    /// # Errors
    /// Rows of another width or none, trees deeper than [`DEPTH_MAX`].
    pub fn booster(booster: &Booster, background: &Matrix) -> Result<Self, LearnError> {
        Self::new(Plain::booster(booster)?, 1.0, background)
    }

    /// Explains the forest's probability. Covers are counted from filled rows.
    ///
    /// # Errors
    /// Rows of another width or none, trees deeper than [`DEPTH_MAX`].
    pub fn forest(forest: &Forest, background: &Matrix) -> Result<Self, LearnError> {
        Self::new(Plain::forest(forest), 1.0 / forest.trees() as f64, background)
    }

    fn new(plain: Plain, scale: f64, background: &Matrix) -> Result<Self, LearnError> {
        if background.columns() != plain.columns {
            let (expected, seen) = (plain.columns, background.columns());
            return Err(LearnError::Count { what: "columns of the rows to explain by", expected, seen });
        }
        if background.rows() == 0 {
            return Err(LearnError::Size { what: "rows to explain by", seen: 0, least: 1, most: usize::MAX });
        }
        let strict = plain.strict;
        let found: Vec<(Vec<Node>, usize)> =
            plain.trees.into_par_iter().map(|knots| covered(&knots, strict, background)).collect::<Result<_, _>>()?;
        // A way of `depth` columns makes a polynomial of degree `depth - 1` for each of them.
        let depth = found.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        let trees: Vec<Vec<Node>> = found.into_iter().map(|(tree, _)| tree).collect();
        let mean = |tree: &Vec<Node>| {
            let leaves = tree.iter().filter_map(|node| match node.knot {
                Knot::Leaf(value) => Some(f64::from(value) * node.cover),
                Knot::Split { .. } => None,
            });
            leaves.sum::<f64>() / tree[0].cover
        };
        let base = f64::from(plain.base) + trees.iter().map(mean).sum::<f64>() * scale;
        let covers = trees.iter().map(|tree| tree.iter().map(|node| node.cover).collect()).collect();
        Ok(Self { columns: plain.columns, strict, scale, base, rule: rule(depth.div_ceil(2).max(1)), trees, covers })
    }

    /// How many rows reached each node of a tree, in the order of its nodes, with what every leaf is given; none beyond the end.
    pub fn covers(&self, tree: usize) -> &[f64] {
        self.covers.get(tree).map_or(&[], Vec::as_slice)
    }

    /// The mean answer.
    pub fn base(&self) -> f64 {
        self.base
    }

    /// Explains rows, in parallel; rows as the trees read them: encoded for a booster, filled for a forest.
    ///
    /// # Errors
    /// Another number of columns, more than [`ROWS_MAX`] rows, shares too small for 64 bits.
    pub fn explain(&self, rows: &Matrix) -> Result<Vec<Explanation>, LearnError> {
        if rows.columns() != self.columns {
            return Err(LearnError::Count { what: "columns", expected: self.columns, seen: rows.columns() });
        }
        if rows.rows() > ROWS_MAX {
            return Err(LearnError::Size { what: "rows to explain", seen: rows.rows(), least: 0, most: ROWS_MAX });
        }
        (0..rows.rows()).into_par_iter().map(|row| self.explain_row(rows.row(row))).collect()
    }

    /// Explains one row.
    ///
    /// # Errors
    /// Another number of columns, shares too small for 64 bits.
    pub fn explain_row(&self, row: &[f32]) -> Result<Explanation, LearnError> {
        if row.len() != self.columns {
            return Err(LearnError::Count { what: "columns", expected: self.columns, seen: row.len() });
        }
        let mut parts = vec![0.0; self.columns];
        let mut ways = vec![Way::ABSENT; self.columns];
        let room = (DEPTH_MAX + 2) * self.rule.len();
        let (mut products, mut sums) = (vec![1.0; room], vec![0.0; room]);
        for tree in &self.trees {
            // The products of the first level stay 1: nothing is split above it.
            let (ways, products, sums, parts) = (&mut ways[..], &mut products[..], &mut sums[..], &mut parts[..]);
            Walk { tree, strict: self.strict, row, rule: &self.rule, ways, products, sums, parts }.down(0, 0);
        }
        parts.iter_mut().for_each(|part| *part *= self.scale);
        if !parts.iter().all(|part| part.is_finite()) {
            return Err(LearnError::Booster("shares of its leaves are too small to be told apart".to_owned()));
        }
        Ok(Explanation { base: self.base, columns: parts })
    }
}

/// Whether a row goes left.
fn goes_left(strict: bool, value: f32, cut: f32, missing_left: bool) -> bool {
    if value.is_nan() {
        return missing_left;
    }
    if strict { value < cut } else { value <= cut }
}

/// Counts the rows of each node; says how deep the tree is.
fn covered(knots: &[Knot], strict: bool, rows: &Matrix) -> Result<(Vec<Node>, usize), LearnError> {
    let mut nodes: Vec<Node> = knots.iter().map(|&knot| Node { knot, cover: 0.0 }).collect();
    // Parents before children; refuses a tree that is none, whoever made it.
    let mut order = vec![(0usize, 0usize)];
    let mut seen = 0;
    while let Some(&(at, depth)) = order.get(seen) {
        seen += 1;
        match nodes.get(at).map(|node| node.knot) {
            None => return Err(LearnError::Booster("a child is not there".to_owned())),
            Some(Knot::Leaf(_)) => (),
            Some(Knot::Split { column, left, right, .. }) => {
                if depth >= DEPTH_MAX || order.len() + 2 > nodes.len() || column as usize >= rows.columns() {
                    return Err(LearnError::Booster(format!("a tree is deeper than `{DEPTH_MAX}`, or none")));
                }
                order.extend([(left as usize, depth + 1), (right as usize, depth + 1)]);
            }
        }
    }
    for row in 0..rows.rows() {
        let mut at = 0;
        while let Knot::Split { column, cut, missing_left, left, right } = nodes[at].knot {
            let value = rows.row(row)[column as usize];
            at = if goes_left(strict, value, cut, missing_left) { left } else { right } as usize;
        }
        nodes[at].cover += 1.0;
    }
    for &(at, _) in order.iter().rev() {
        nodes[at].cover = match nodes[at].knot {
            Knot::Leaf(_) => nodes[at].cover + LEAF_ROWS,
            Knot::Split { left, right, .. } => nodes[left as usize].cover + nodes[right as usize].cover,
        };
    }
    Ok((nodes, order.iter().map(|(_, depth)| *depth).max().unwrap_or(0)))
}

/// Shares of one row in one tree.
struct Walk<'a> {
    tree: &'a [Node],
    strict: bool,
    row: &'a [f32],
    rule: &'a [(f64, f64)],
    /// What each column's splits on the way say; `Way::ABSENT` for a column without any.
    ways: &'a mut [Way],
    /// Products of the ways' factors at each point, level after level.
    products: &'a mut [f64],
    /// Sums over the leaves below, of value times product, at each point, level after level.
    sums: &'a mut [f64],
    parts: &'a mut [f64],
}

impl Walk<'_> {
    /// Leaves the sums of a node's leaves at its level, and adds to the parts of the columns that are split below it.
    // INVARIANT: `level` is at most `DEPTH_MAX`, which `covered` checked, so that the stack and the buffers suffice.
    fn down(&mut self, at: usize, level: usize) {
        let points = self.rule.len();
        let (here, below) = (level * points, (level + 1) * points);
        let Knot::Split { column, cut, missing_left, left, right } = self.tree[at].knot else {
            let Knot::Leaf(value) = self.tree[at].knot else { return };
            for point in here..below {
                self.sums[point] = self.products[point] * f64::from(value);
            }
            return;
        };
        self.sums[here..below].fill(0.0);
        let column = column as usize;
        let to_left = goes_left(self.strict, self.row[column], cut, missing_left);
        let old = self.ways[column];
        for (child, goes) in [(left as usize, to_left), (right as usize, !to_left)] {
            let share = self.tree[child].cover / self.tree[at].cover;
            let new = Way { zero: old.zero * share, one: if goes { old.one } else { 0.0 } };
            for (point, (place, _)) in self.rule.iter().enumerate() {
                self.products[below + point] = self.products[here + point] * (new.at(*place) / old.at(*place));
            }
            self.ways[column] = new;
            self.down(child, level + 1);
            let mut part = 0.0;
            for (point, (place, weight)) in self.rule.iter().enumerate() {
                let sum = self.sums[below + point];
                // The leaves below count by what the column says now, no more by what it said further up.
                part += weight * sum * ((new.one - new.zero) / new.at(*place) - (old.one - old.zero) / old.at(*place));
                self.sums[here + point] += sum;
            }
            self.parts[column] += part;
        }
        self.ways[column] = old;
    }
}

/// Points between 0 and 1 and their weights: Gauss and Legendre's rule, exact for polynomials of degree `2 * points - 1`. The
/// points are the zeros of Legendre's polynomial, by Newton's method.
fn rule(points: usize) -> Vec<(f64, f64)> {
    // Newton's method doubles the digits: from the known start four steps give 64 bits.
    const STEPS: usize = 8;
    let point = |at: usize| {
        let mut x = libm::cos(std::f64::consts::PI * (at as f64 + 0.75) / (points as f64 + 0.5));
        let mut slope = 1.0;
        for _ in 0..STEPS {
            let (mut last, mut now) = (1.0, x);
            for degree in 2..=points {
                let degree = degree as f64;
                (last, now) = (now, ((2.0 * degree - 1.0) * x * now - (degree - 1.0) * last) / degree);
            }
            slope = points as f64 * (x * now - last) / (x * x - 1.0);
            x -= now / slope;
        }
        (f64::midpoint(x, 1.0), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..points).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    /// A tree of random cuts on few columns, so that a column stands more than once on a way.
    fn tree(rng: &mut Rng, columns: usize, depth: usize) -> Vec<Knot> {
        let mut out = vec![Knot::Leaf(0.0)];
        let mut open = vec![(0usize, 0usize)];
        while let Some((at, level)) = open.pop() {
            if level == depth || (level > 0 && rng.unit() < 0.2) {
                out[at] = Knot::Leaf(rng.unit() as f32 * 4.0 - 2.0);
                continue;
            }
            let (left, cut) = (out.len() as u32, rng.unit() as f32);
            let missing_left = rng.unit() < 0.5;
            out[at] = Knot::Split { column: rng.below(columns) as u32, cut, missing_left, left, right: left + 1 };
            out.extend([Knot::Leaf(0.0); 2]);
            open.extend([(left as usize, level + 1), (left as usize + 1, level + 1)]);
        }
        out
    }

    fn rows(rng: &mut Rng, rows: usize, columns: usize) -> Matrix {
        let value = |rng: &mut Rng| if rng.unit() < 0.1 { f32::NAN } else { rng.unit() as f32 };
        Matrix::new((0..rows * columns).map(|_| value(rng)).collect(), rows, columns).unwrap()
    }

    /// EXPVALUE of algorithm 1: the mean answer when only some columns are known.
    fn expected(tree: &[Node], strict: bool, row: &[f32], known: u32, at: usize) -> f64 {
        match tree[at].knot {
            Knot::Leaf(value) => f64::from(value),
            Knot::Split { column, cut, missing_left, left, right } => {
                let below = |child: u32| expected(tree, strict, row, known, child as usize);
                if known >> column & 1 == 1 {
                    let to_left = goes_left(strict, row[column as usize], cut, missing_left);
                    return below(if to_left { left } else { right });
                }
                let share = tree[left as usize].cover / tree[at].cover;
                share * below(left) + (1.0 - share) * below(right)
            }
        }
    }

    /// Shapley's own formula, over all sets of columns.
    fn by_force(explainer: &Explainer, row: &[f32], column: usize) -> f64 {
        let factorial = |count: usize| (1..=count).map(|number| number as f64).product::<f64>();
        let columns = explainer.columns;
        let answer =
            |known: u32| -> f64 { explainer.trees.iter().map(|tree| expected(tree, explainer.strict, row, known, 0)).sum() };
        let mut sum = 0.0;
        for set in (0..1u32 << columns).filter(|set| set >> column & 1 == 0) {
            let size = set.count_ones() as usize;
            let weight = factorial(size) * factorial(columns - size - 1) / factorial(columns);
            sum += weight * (answer(set | 1 << column) - answer(set));
        }
        sum * explainer.scale
    }

    fn check(seed: u64, columns: usize, depth: usize, strict: bool) {
        let mut rng = Rng::new(seed);
        let trees: Vec<Vec<Knot>> = (0..3).map(|_| tree(&mut rng, columns, depth)).collect();
        let plain = Plain { columns, strict, base: 0.25, trees };
        let background = rows(&mut rng, 40, columns);
        let explainer = Explainer::new(plain, 0.5, &background).unwrap();
        for found in rows(&mut rng, 5, columns).values().chunks(columns) {
            let Explanation { base, columns: parts } = explainer.explain_row(found).unwrap();
            for (column, part) in parts.iter().enumerate() {
                let truth = by_force(&explainer, found, column);
                assert!((part - truth).abs() < 1e-9, "column {column}: {part} {truth}");
            }
            let all = (1u32 << columns) - 1;
            let answer: f64 = explainer.trees.iter().map(|tree| expected(tree, strict, found, all, 0)).sum();
            assert!((base + parts.iter().sum::<f64>() - (0.25 + 0.5 * answer)).abs() < 1e-9);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parts_are_those_of_shapleys_formula(seed in any::<u64>(), columns in 1usize..7, depth in 0usize..7, strict in any::<bool>()) {
            check(seed, columns, depth, strict);
        }
    }

    #[test]
    fn the_rule_is_exact_for_polynomials() {
        for points in 1..=DEPTH_MAX / 2 {
            for power in 0..2 * points {
                let found: f64 = rule(points).iter().map(|(place, weight)| weight * place.powi(power as i32)).sum();
                assert!((found * (power + 1) as f64 - 1.0).abs() < 1e-12, "{points} points, power {power}: {found}");
            }
        }
    }

    #[test]
    fn a_tree_in_circles_or_too_deep_is_refused() {
        let split = |left, right| Knot::Split { column: 0, cut: 0.5, missing_left: false, left, right };
        let background = Matrix::new(vec![0.5], 1, 1).unwrap();
        let build = |knots: Vec<Knot>| {
            Explainer::new(Plain { columns: 1, strict: true, base: 0.0, trees: vec![knots] }, 1.0, &background)
        };
        assert!(build(vec![split(1, 2), Knot::Leaf(1.0), Knot::Leaf(2.0)]).is_ok());
        assert!(build(vec![split(0, 2), Knot::Leaf(1.0), Knot::Leaf(2.0)]).is_err());
        assert!(build(vec![split(1, 9), Knot::Leaf(1.0), Knot::Leaf(2.0)]).is_err());
        assert!(build(vec![]).is_err());
        let chain = |depth: u32| {
            let mut knots: Vec<Knot> = (0..depth).flat_map(|at| [split(2 * at + 1, 2 * at + 2), Knot::Leaf(1.0)]).collect();
            // Split 0 at 0, its leaf at 1, the next split at 2.
            knots.push(Knot::Leaf(0.0));
            knots
        };
        assert!(build(chain(DEPTH_MAX as u32)).is_ok());
        assert!(build(chain(DEPTH_MAX as u32 + 1)).is_err());
    }

    #[test]
    fn the_deepest_tree_is_explained() {
        let mut knots = Vec::new();
        for at in 0..DEPTH_MAX as u32 {
            knots.extend([
                Knot::Split { column: at, cut: 0.5, missing_left: false, left: 2 * at + 1, right: 2 * at + 2 },
                Knot::Leaf(at as f32),
            ]);
        }
        knots.push(Knot::Leaf(100.0));
        let plain = Plain { columns: DEPTH_MAX, strict: true, base: 0.0, trees: vec![knots] };
        let explainer = Explainer::new(plain, 1.0, &Matrix::new(vec![1.0; DEPTH_MAX], 1, DEPTH_MAX).unwrap()).unwrap();
        let found = explainer.explain_row(&[1.0; DEPTH_MAX]).unwrap();
        assert!((found.base + found.columns.iter().sum::<f64>() - 100.0).abs() < 1e-9);
    }
}
