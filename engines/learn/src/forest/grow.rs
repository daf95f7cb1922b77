//! Grows one tree of the forest from binned columns: seeded, without shared state, so that trees can grow on any thread (T4).

use super::{LEAF, Node};
use crate::preprocess::Matrix;
use crate::rng::Rng;
use crate::spec::ForestSpec;

/// Most cuts of a column, so that a bin fits 8 bits.
const CUTS_MAX: usize = 255;
/// Below this many rows a node sorts its bins rather than clear a histogram (measured: notes on the prototype's 48).
const SORT_BELOW: usize = 48;
/// Bits of each of the three counters in one histogram cell: rows, weight, weight of positives. `ROWS_MAX` fits.
const BITS: u32 = 21;
/// One counter.
const MASK: u64 = (1 << BITS) - 1;

/// Binned training rows, column after column.
pub(super) struct Table {
    bins: Vec<Vec<u8>>,
    cuts: Vec<Vec<f32>>,
    labels: Vec<bool>,
    /// Sums of the rows' weights up to each row; empty where all count the same.
    reach: Vec<f64>,
}

impl Table {
    /// Cuts every column. Weights, where there are any, are as many as rows, finite, not negative, and not all 0.
    pub(super) fn new(rows: &Matrix, labels: &[bool], weights: Option<&[f64]>) -> Self {
        let mut sum = 0.0;
        let reach = weights.unwrap_or_default().iter().map(|weight| {
            sum += weight;
            sum
        });
        let mut out = Self { bins: Vec::new(), cuts: Vec::new(), labels: labels.to_vec(), reach: reach.collect() };
        for at in 0..rows.columns() {
            let column: Vec<f32> = rows.values().iter().skip(at).step_by(rows.columns()).copied().collect();
            let cuts = cuts(&column);
            // INVARIANT: at most `CUTS_MAX` cuts, so the bin fits 8 bits.
            out.bins.push(column.iter().map(|&value| cuts.partition_point(|&cut| cut < value) as u8).collect());
            out.cuts.push(cuts);
        }
        out
    }

    /// A row, drawn by its weight.
    fn draw(&self, rng: &mut Rng) -> usize {
        let Some(&all) = self.reach.last() else { return rng.below(self.labels.len()) };
        let at = rng.unit() * all;
        // The first row beyond: one of weight 0 ends where the row before it ends. Rounding up to the end gives the last with weight.
        let row = self.reach.partition_point(|&sum| sum <= at);
        if row < self.reach.len() { row } else { self.reach.partition_point(|&sum| sum < all) }
    }
}

/// Rising cuts between distinct values; where there are too many, between those at even ranks.
fn cuts(column: &[f32]) -> Vec<f32> {
    let mut sorted: Vec<f32> = column.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    let between = |low: f32, high: f32| {
        let middle = low / 2.0 + high / 2.0;
        if middle >= low && middle < high { middle } else { low }
    };
    if distinct.len() <= CUTS_MAX + 1 {
        return distinct.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    }
    let mut out: Vec<f32> = Vec::new();
    for step in 1..=CUTS_MAX {
        let low = sorted[step * sorted.len() / (CUTS_MAX + 1)];
        let after = distinct.partition_point(|&value| value <= low);
        if let Some(&high) = distinct.get(after)
            && out.last().is_none_or(|&last| last < between(low, high))
        {
            out.push(between(low, high));
        }
    }
    out
}

/// The best split of a node so far.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    column: usize,
    bin: u8,
}

/// Counters of rows, weight and weight of positives, unpacked.
fn counters(cell: u64) -> (u64, f64, f64) {
    (cell & MASK, ((cell >> BITS) & MASK) as f64, (cell >> (2 * BITS)) as f64)
}

/// What one tree needs while it grows.
struct Growth<'a> {
    table: &'a Table,
    /// Per row: 1 row, its bootstrap weight, and the weight again where it is positive.
    cells: Vec<u64>,
    order: Vec<usize>,
    histogram: Vec<u64>,
    sorted: Vec<(u8, u64)>,
    least: u64,
    tries: usize,
    rng: Rng,
}

/// One tree on a bootstrap of the rows, or on a smaller draw.
pub(super) fn tree(table: &Table, spec: &ForestSpec, seed: u64) -> Vec<Node> {
    let mut rng = Rng::new(seed);
    let all = table.labels.len();
    let mut weights = vec![0u64; all];
    for _ in 0..((all as f64 * spec.subsample).round() as usize).clamp(1, all) {
        weights[table.draw(&mut rng)] += 1;
    }
    let cell = |(&weight, &label): (&u64, &bool)| 1 | (weight << BITS) | (if label { weight } else { 0 } << (2 * BITS));
    let columns = table.bins.len();
    let mut growth = Growth {
        table,
        cells: weights.iter().zip(&table.labels).map(cell).collect(),
        order: (0..columns).collect(),
        histogram: vec![0; CUTS_MAX + 1],
        sorted: Vec::with_capacity(SORT_BELOW),
        least: u64::from(spec.min_leaf.max(1)),
        tries: (columns as f64).sqrt().floor().max(1.0) as usize,
        rng,
    };
    let mut rows: Vec<u32> = (0..all as u32).filter(|&row| weights[row as usize] > 0).collect();
    let mut nodes = vec![Node { column: LEAF, value: 0.0, left: 0 }];
    let mut open = vec![(0usize, 0usize, rows.len(), 0u32)];
    while let Some((at, start, end, depth)) = open.pop() {
        let here = &mut rows[start..end];
        let total: u64 = here.iter().map(|&row| growth.cells[row as usize]).sum();
        let (_, weight, positive) = counters(total);
        let found = if depth < spec.depth_max { growth.best(here, total) } else { None };
        let Some(split) = found else {
            nodes[at].value = (positive / weight) as f32;
            continue;
        };
        let middle = start + part(here, &table.bins[split.column], split.bin);
        let left = nodes.len();
        nodes[at] =
            Node { column: split.column as u32, value: table.cuts[split.column][usize::from(split.bin)], left: left as u32 };
        nodes.extend([Node { column: LEAF, value: 0.0, left: 0 }; 2]);
        open.push((left + 1, middle, end, depth + 1));
        open.push((left, start, middle, depth + 1));
    }
    nodes
}

/// Brings rows of at most a bin to the front; says how many.
fn part(rows: &mut [u32], bins: &[u8], bin: u8) -> usize {
    let mut front = 0;
    for at in 0..rows.len() {
        if bins[rows[at] as usize] <= bin {
            rows.swap(front, at);
            front += 1;
        }
    }
    front
}

impl Growth<'_> {
    /// Looks at random columns until enough were seen, of which one can split (scikit-learn's rule); `None` makes a leaf.
    fn best(&mut self, rows: &[u32], total: u64) -> Option<Split> {
        let (count, weight, positive) = counters(total);
        if count < 2 * self.least || positive == 0.0 || positive == weight {
            return None;
        }
        let negative = weight - positive;
        let mut best = None;
        let (mut seen, mut useful) = (0, false);
        while seen < self.order.len() && (seen < self.tries || !useful) {
            let draw = seen + self.rng.below(self.order.len() - seen);
            self.order.swap(seen, draw);
            let column = self.order[seen];
            seen += 1;
            if self.table.cuts[column].is_empty() {
                continue;
            }
            useful |= if rows.len() < SORT_BELOW && self.table.cuts[column].len() > 1 {
                self.by_sorting(rows, column, total, &mut best)
            } else {
                self.by_histogram(rows, column, total, &mut best)
            };
        }
        // A split that does not lower the impurity (up to rounding) is none.
        let parent = (positive * positive + negative * negative) / weight;
        best.filter(|split: &Split| split.gain > parent * (1.0 + 1e-12))
    }

    fn by_histogram(&mut self, rows: &[u32], column: usize, total: u64, best: &mut Option<Split>) -> bool {
        let bins = &self.table.bins[column];
        let cells = &mut self.histogram[..=self.table.cuts[column].len()];
        cells.fill(0);
        for &row in rows {
            cells[usize::from(bins[row as usize])] += self.cells[row as usize];
        }
        scan(
            cells.iter().enumerate().filter(|(_, cell)| **cell != 0).map(|(bin, &cell)| (bin as u8, cell)),
            column,
            total,
            self.least,
            best,
        )
    }

    fn by_sorting(&mut self, rows: &[u32], column: usize, total: u64, best: &mut Option<Split>) -> bool {
        let bins = &self.table.bins[column];
        self.sorted.clear();
        self.sorted.extend(rows.iter().map(|&row| (bins[row as usize], self.cells[row as usize])));
        self.sorted.sort_unstable_by_key(|&(bin, _)| bin);
        let merged = self.sorted.chunk_by(|left, right| left.0 == right.0);
        scan(merged.map(|group| (group[0].0, group.iter().map(|&(_, cell)| cell).sum())), column, total, self.least, best)
    }
}

/// Tries every cut between filled bins; says whether there was more than one filled bin.
fn scan(cells: impl Iterator<Item = (u8, u64)>, column: usize, total: u64, least: u64, best: &mut Option<Split>) -> bool {
    let mut left = 0;
    let mut filled = 0;
    for (bin, cell) in cells {
        filled += 1;
        left += cell;
        let right = total - left;
        let ((left_rows, left_weight, left_yes), (right_rows, right_weight, right_yes)) = (counters(left), counters(right));
        if left_rows < least || right_rows < least {
            continue;
        }
        let (left_no, right_no) = (left_weight - left_yes, right_weight - right_yes);
        let gain = (left_yes * left_yes + left_no * left_no) / left_weight
            + (right_yes * right_yes + right_no * right_no) / right_weight;
        if best.is_none_or(|best| gain > best.gain) {
            *best = Some(Split { gain, column, bin });
        }
    }
    filled > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_separate_distinct_values() {
        assert_eq!(cuts(&[3.0, 1.0, 1.0, 2.0]), [1.5, 2.5]);
        assert!(cuts(&[1.0, 1.0]).is_empty());
        let many: Vec<f32> = (0..10_000).map(|value| value as f32).collect();
        let found = cuts(&many);
        assert_eq!(found.len(), CUTS_MAX);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        assert_eq!(cuts(&[1.0, next]), [1.0]);
    }

    #[test]
    fn rows_are_drawn_by_their_weight() {
        let (rows, labels) = super::super::tests::ring(4, 4);
        let mut rng = Rng::new(2);
        let mut seen = [0u32; 4];
        let table = Table::new(&rows, &labels, Some(&[0.0, 3.0, 1.0, 0.0]));
        (0..4_000).for_each(|_| seen[table.draw(&mut rng)] += 1);
        assert_eq!((seen[0], seen[3]), (0, 0));
        assert!((2_850..3_150).contains(&seen[1]), "{seen:?}");
    }

    #[test]
    fn leaves_hold_enough_distinct_rows() {
        let (rows, labels) = super::super::tests::ring(300, 4);
        let table = Table::new(&rows, &labels, None);
        let nodes = tree(&table, &ForestSpec { min_leaf: 10, ..ForestSpec::default() }, 1);
        let mut rng = Rng::new(1);
        let mut drawn = vec![false; 300];
        for _ in 0..300 {
            drawn[rng.below(300)] = true;
        }
        let mut counts = std::collections::BTreeMap::<usize, u32>::new();
        for row in (0..300).filter(|&row| drawn[row]) {
            let mut at = 0;
            while nodes[at].column != LEAF {
                at = nodes[at].left as usize + usize::from(rows.row(row)[nodes[at].column as usize] > nodes[at].value);
            }
            *counts.entry(at).or_default() += 1;
        }
        assert_eq!(counts.len(), nodes.iter().filter(|node| node.column == LEAF).count());
        assert!(counts.values().all(|&count| count >= 10), "{counts:?}");
        assert!(counts.len() > 5);
    }
}
