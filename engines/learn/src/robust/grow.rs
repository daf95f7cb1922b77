//! Grows one tree whose splits count what an outsider can do: rows that he can carry across a cut count on the worse side (T5).
//!
//! A split has two leaf values, and an outsider wants the lower one for positives and the higher one for negatives. So there are two
//! cases, the higher value left or right, and in each it is known where every row within reach of the cut ends: the least loss under
//! the worst moves is found by two scans of the histogram (the exact answer for one split of the min-max problem of Andriushchenko
//! and Hein 2019, "Provably robust boosted decision stumps and trees"; Vos and Verwer 2021, GROOT, send rows the same way). The bound
//! of Chen and others 2019, the minimum of four cases with all rows on one side, can only be looser. Rows then grow on where the worst
//! move leads them.

use rayon::prelude::*;

use super::bins::{MISSING, Table};
use crate::rng::{Rng, derive};

/// Marks a leaf in [`Node::column`].
pub(super) const LEAF: u32 = u32::MAX;
/// Least gain of a split, and least sum of second derivatives of a child: below it lies rounding (XGBoost's `kRtEps`).
const TINY: f64 = 1e-6;
/// Rounds in which leaf values are fitted again to the rows that are worst for them.
const REFITS: usize = 8;

/// A split, or a leaf where `column` is [`LEAF`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) column: u32,
    /// Rows of at most this bin go left.
    pub(super) cut: u8,
    pub(super) missing_left: bool,
    /// The left child; the right one follows it.
    pub(super) left: u32,
    /// What a leaf adds.
    pub(super) value: f32,
}

impl Node {
    fn leaf() -> Self {
        Self { column: LEAF, cut: 0, missing_left: false, left: 0, value: 0.0 }
    }
}

/// First and second derivative of the loss, of one row or summed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slope {
    pub(super) first: f64,
    pub(super) second: f64,
}

impl std::ops::AddAssign for Slope {
    fn add_assign(&mut self, other: Self) {
        self.first += other.first;
        self.second += other.second;
    }
}

impl std::ops::Add for Slope {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl std::ops::Sub for Slope {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { first: self.first - other.first, second: self.second - other.second }
    }
}

impl Slope {
    /// The best leaf value.
    fn step(self, lambda: f64) -> f64 {
        -self.first / (self.second + lambda).max(TINY)
    }

    /// Twice the loss that the best leaf value saves.
    fn saved(self, lambda: f64) -> f64 {
        self.first * self.first / (self.second + lambda).max(TINY)
    }
}

/// What trees are grown by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) depth: u32,
    pub(super) lambda: f64,
    pub(super) min_child_weight: f64,
    pub(super) learning_rate: f64,
}

/// Rows, their labels and what they ask for.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) table: &'a Table,
    pub(super) labels: &'a [bool],
    pub(super) slopes: &'a [Slope],
}

/// The best split so far.
#[derive(Clone, Copy, Debug)]
struct Split {
    gain: f64,
    column: usize,
    cut: usize,
    missing_left: bool,
    /// Whether the left value is the higher one: an outsider carries positives right and negatives left, where he can.
    left_higher: bool,
}

/// A node that may split.
struct Open {
    node: usize,
    rows: Vec<u32>,
    sum: Slope,
    /// Cuts that lie within the node, for columns that were split above it.
    spans: Vec<(usize, usize, usize)>,
}

/// Which columns a node looks at.
pub(super) enum Columns {
    /// The same for all nodes.
    These(Vec<usize>),
    /// So many of all, drawn for each node, and then so many more until one can split.
    Drawn { tries: usize, seed: u64 },
}

impl Columns {
    /// The best split of a node.
    fn best(&self, data: Data<'_>, open: &Open, rule: &Rule) -> Option<Split> {
        let better = |best: Option<Split>, split: Split| {
            if best.is_none_or(|best| split.gain > best.gain) { Some(split) } else { best }
        };
        let among = |columns: &[usize]| {
            let found: Vec<Option<Split>> = columns.par_iter().map(|&column| search(data, open, column, rule)).collect();
            found.into_iter().flatten().fold(None, better)
        };
        match self {
            Self::These(columns) => among(columns),
            Self::Drawn { tries, seed } => {
                let mut all: Vec<usize> = (0..data.table.columns.len()).collect();
                Rng::new(derive(*seed, 0, open.node as u64)).shuffle(&mut all);
                all.chunks((*tries).max(1)).find_map(among)
            }
        }
    }
}

/// Grows a tree on some rows.
pub(super) fn tree(data: Data<'_>, rows: Vec<u32>, columns: &Columns, rule: &Rule) -> Vec<Node> {
    let mut nodes = vec![Node::leaf()];
    let sum = sum(data.slopes, &rows);
    let sampled = rows.clone();
    let mut level = vec![Open { node: 0, rows, sum, spans: Vec::new() }];
    for _ in 0..rule.depth {
        let found: Vec<Option<Split>> = level.par_iter().map(|open| columns.best(data, open, rule)).collect();
        let mut next = Vec::new();
        for (open, found) in level.into_iter().zip(found) {
            match found {
                Some(split) => next.extend(divided(data, open, split, &mut nodes)),
                None => set(&mut nodes, &open, rule),
            }
        }
        level = next;
    }
    level.iter().for_each(|open| set(&mut nodes, open, rule));
    if data.table.columns.iter().any(super::bins::Column::moves) {
        refit(data, &sampled, rule, &mut nodes);
    }
    nodes
}

fn sum(slopes: &[Slope], rows: &[u32]) -> Slope {
    let mut sum = Slope::default();
    rows.iter().for_each(|&row| sum += slopes[row as usize]);
    sum
}

fn set(nodes: &mut [Node], open: &Open, rule: &Rule) {
    nodes[open.node].value = scaled(open.sum.step(rule.lambda), rule);
}

/// A leaf value; never a negative zero, so that sums of leaves do not depend on what they start from.
fn scaled(step: f64, rule: &Rule) -> f32 {
    (step * rule.learning_rate) as f32 + 0.0
}

/// Sums of one node's rows in a column, per class: by the lowest bin that a row can have, by the highest, and of missing values.
struct Histogram {
    lowest: Vec<[Slope; 2]>,
    /// Empty where lowest and highest are the same.
    highest: Vec<[Slope; 2]>,
    missing: Slope,
}

impl Histogram {
    fn new(data: Data<'_>, rows: &[u32], column: usize) -> Self {
        let column = &data.table.columns[column];
        let bins = column.cuts.len() + 1;
        let mut lowest = vec![[Slope::default(); 2]; bins];
        let mut highest = vec![[Slope::default(); 2]; if column.moves() { bins } else { 0 }];
        let mut missing = Slope::default();
        for &row in rows {
            let row = row as usize;
            let (class, slope) = (usize::from(data.labels[row]), data.slopes[row]);
            let (low, high) = column.bounds(row);
            if low == MISSING {
                missing += slope;
                continue;
            }
            lowest[usize::from(low)][class] += slope;
            if let Some(cell) = highest.get_mut(usize::from(high)) {
                cell[class] += slope;
            }
        }
        Self { lowest, highest, missing }
    }
}

/// The best cut of a column.
fn search(data: Data<'_>, open: &Open, column: usize, rule: &Rule) -> Option<Split> {
    let cuts = data.table.columns[column].cuts.len();
    let (from, to) = open.spans.iter().find(|span| span.0 == column).map_or((0, cuts), |&(_, from, to)| (from, to));
    if from >= to {
        return None;
    }
    let histogram = Histogram::new(data, &open.rows, column);
    let moves = !histogram.highest.is_empty();
    let before = open.sum.saved(rule.lambda);
    let least = rule.min_child_weight.max(TINY);
    let (mut can, mut sure) = ([Slope::default(); 2], [Slope::default(); 2]);
    let mut best: Option<Split> = None;
    for cut in 0..to {
        for class in 0..2 {
            can[class] += histogram.lowest[cut][class];
            sure[class] += if moves { histogram.highest[cut][class] } else { histogram.lowest[cut][class] };
        }
        if cut < from {
            continue;
        }
        for left_higher in [true, false] {
            let known = if left_higher { can[0] + sure[1] } else { sure[0] + can[1] };
            for missing_left in [true, false] {
                let left = if missing_left { known + histogram.missing } else { known };
                let right = open.sum - left;
                let ordered = (left.step(rule.lambda) >= right.step(rule.lambda)) == left_higher;
                if left.second < least || right.second < least || !ordered && moves {
                    continue;
                }
                let gain = left.saved(rule.lambda) + right.saved(rule.lambda) - before;
                if gain > best.map_or(TINY, |best| best.gain) {
                    best = Some(Split { gain, column, cut, missing_left, left_higher });
                }
            }
            if !moves {
                break;
            }
        }
    }
    // Without missing rows to learn from, missing values go where most rows go.
    best.map(|split| {
        if histogram.missing == Slope::default() { Split { missing_left: heavier(data, open, split), ..split } } else { split }
    })
}

/// Whether more rows go left.
fn heavier(data: Data<'_>, open: &Open, split: Split) -> bool {
    let left = open.rows.iter().filter(|&&row| data.table.columns[split.column].at[row as usize] <= split.cut as u8).count();
    2 * left >= open.rows.len()
}

/// The children of a node.
fn divided(data: Data<'_>, open: Open, split: Split, nodes: &mut Vec<Node>) -> [Open; 2] {
    let column = &data.table.columns[split.column];
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for row in open.rows {
        let (low, high) = column.bounds(row as usize);
        let goes_left = if low == MISSING {
            split.missing_left
        } else if usize::from(high) <= split.cut {
            true
        } else if usize::from(low) > split.cut {
            false
        } else {
            data.labels[row as usize] != split.left_higher
        };
        if goes_left { left.push(row) } else { right.push(row) }
    }
    let child = nodes.len();
    nodes[open.node] = Node {
        column: split.column as u32,
        // INVARIANT: at most `CUTS_MAX` cuts.
        cut: split.cut as u8,
        missing_left: split.missing_left,
        left: child as u32,
        value: 0.0,
    };
    nodes.extend([Node::leaf(); 2]);
    let span = |from: usize, to: usize| {
        let mut spans: Vec<_> = open.spans.iter().copied().filter(|span| span.0 != split.column).collect();
        spans.push((split.column, from, to));
        spans
    };
    let (from, to) =
        open.spans.iter().find(|span| span.0 == split.column).map_or((0, column.cuts.len()), |span| (span.1, span.2));
    let (low_sum, high_sum) = (sum(data.slopes, &left), sum(data.slopes, &right));
    [
        Open { node: child, rows: left, sum: low_sum, spans: span(from, split.cut) },
        Open { node: child + 1, rows: right, sum: high_sum, spans: span(split.cut + 1, to) },
    ]
}

/// Leaves that an outsider can bring a row to.
pub(super) fn reached(table: &Table, nodes: &[Node], row: usize, out: &mut Vec<u32>) {
    let mut open = vec![0u32];
    while let Some(at) = open.pop() {
        let node = nodes[at as usize];
        if node.column == LEAF {
            out.push(at);
            continue;
        }
        let (low, high) = table.columns[node.column as usize].bounds(row);
        if low == MISSING {
            open.push(node.left + u32::from(!node.missing_left));
            continue;
        }
        if low <= node.cut {
            open.push(node.left);
        }
        if high > node.cut {
            open.push(node.left + 1);
        }
    }
}

/// Fits the leaf values again, each row counted in the leaf that is worst for it among all that it can be brought to (the leaves of
/// a tree that was grown greedily are not the best for it; Vos and Verwer 2023 relabel whole forests so). Keeps the best values seen.
fn refit(data: Data<'_>, rows: &[u32], rule: &Rule, nodes: &mut [Node]) {
    let lists: Vec<Vec<u32>> = rows
        .par_iter()
        .map(|&row| {
            let mut leaves = Vec::new();
            reached(data.table, nodes, row as usize, &mut leaves);
            leaves
        })
        .collect();
    let mut steps: Vec<f64> = nodes.iter().map(|node| f64::from(node.value) / rule.learning_rate).collect();
    let mut best = (loss(data, rows, &lists, &steps, nodes, rule), steps.clone());
    let mut damping = 1.0;
    for _ in 0..REFITS {
        let mut sums = vec![Slope::default(); nodes.len()];
        for (&row, leaves) in rows.iter().zip(&lists) {
            let row = row as usize;
            sums[worst(leaves, &steps, data.labels[row]) as usize] += data.slopes[row];
        }
        for (at, step) in steps.iter_mut().enumerate().filter(|(at, _)| nodes[*at].column == LEAF) {
            *step += damping * (sums[at].step(rule.lambda) - *step);
        }
        let now = loss(data, rows, &lists, &steps, nodes, rule);
        if now < best.0 {
            best = (now, steps.clone());
        } else {
            damping *= 0.5;
            steps.clone_from(&best.1);
        }
    }
    for (node, step) in nodes.iter_mut().zip(best.1).filter(|(node, _)| node.column == LEAF) {
        node.value = scaled(step, rule);
    }
}

/// The leaf that is worst for a row of the class: the lowest for positives, the highest for negatives.
fn worst(leaves: &[u32], steps: &[f64], label: bool) -> u32 {
    let worse = |one: u32, other: u32| {
        (steps[other as usize] < steps[one as usize]) == label && steps[other as usize] != steps[one as usize]
    };
    leaves.iter().copied().reduce(|one, other| if worse(one, other) { other } else { one }).unwrap_or(0)
}

/// The second-order loss under the worst moves.
fn loss(data: Data<'_>, rows: &[u32], lists: &[Vec<u32>], steps: &[f64], nodes: &[Node], rule: &Rule) -> f64 {
    let of = |(&row, leaves): (&u32, &Vec<u32>)| {
        let (step, slope) = (steps[worst(leaves, steps, data.labels[row as usize]) as usize], data.slopes[row as usize]);
        step * (slope.first + 0.5 * step * slope.second)
    };
    let all: f64 = rows.iter().zip(lists).map(of).sum();
    let leaves = steps.iter().zip(nodes).filter(|(_, node)| node.column == LEAF);
    all + 0.5 * rule.lambda * leaves.map(|(step, _)| step * step).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::super::reach::Reach;
    use super::*;
    use crate::preprocess::Matrix;

    /// The loss of a cut under the worst moves, by trying all values of both leaves on a grid.
    fn naive(boxes: &[(f32, f32)], labels: &[bool], slopes: &[Slope], cut: f32, lambda: f64) -> f64 {
        let grid: Vec<f64> = (-120..=120).map(|at| f64::from(at) / 60.0).collect();
        let mut best = f64::INFINITY;
        for &left in &grid {
            for &right in &grid {
                let mut loss = 0.5 * lambda * (left * left + right * right);
                for ((&(low, high), &label), slope) in boxes.iter().zip(labels).zip(slopes) {
                    let at = |step: f64| step * (slope.first + 0.5 * step * slope.second);
                    loss += match (low < cut, high >= cut) {
                        (true, false) => at(left),
                        (false, _) => at(right),
                        (true, true) => at(if label { left.min(right) } else { left.max(right) }),
                    };
                }
                best = best.min(loss);
            }
        }
        best
    }

    #[test]
    fn the_gain_of_a_split_is_what_it_saves_under_the_worst_moves() {
        let mut rng = Rng::new(3);
        for _ in 0..20 {
            let values: Vec<f32> = (0..14).map(|_| rng.below(12) as f32).collect();
            let labels: Vec<bool> = values.iter().map(|&value| rng.unit() < if value > 5.0 { 0.8 } else { 0.2 }).collect();
            let sign = |label: bool| if label { -1.0 } else { 1.0 };
            let slopes: Vec<Slope> =
                labels.iter().map(|&label| Slope { first: sign(label) * (0.2 + rng.unit() * 0.6), second: 0.25 }).collect();
            let reach = Reach::both(1.3, false);
            let boxes: Vec<(f32, f32)> = values.iter().map(|&value| reach.bounds(value, 1.0)).collect();
            let table = Table::new(&Matrix::new(values, 14, 1).unwrap(), &[Some(reach)], &[1.0; 14], 256);
            let rule = Rule { depth: 1, lambda: 1.0, min_child_weight: 0.0, learning_rate: 1.0 };
            let data = Data { table: &table, labels: &labels, slopes: &slopes };
            let rows: Vec<u32> = (0..14).collect();
            let open = Open { node: 0, sum: sum(&slopes, &rows), rows, spans: Vec::new() };
            let best = table.columns[0].cuts.iter().map(|&cut| naive(&boxes, &labels, &slopes, cut, 1.0));
            let best = best.fold(f64::INFINITY, f64::min);
            let before = -0.5 * open.sum.saved(1.0);
            // One leaf pays its penalty once, two equal leaves twice: a split that saves nothing may be naively worse.
            match search(data, &open, 0, &rule) {
                Some(split) => assert!((before - 0.5 * split.gain - best).abs() < 0.02, "{split:?} {before} {best}"),
                None => assert!(best > before - 0.02, "{before} {best}"),
            }
        }
    }
}
