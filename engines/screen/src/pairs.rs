//! Counts values two by two: pairs that history does not hold together, and pairs that a delivery holds far more often than
//! history and with one label, as the trigger of a backdoor is (T1).

use outlier::stats::Mix;
use serde::{Deserialize, Serialize};

use crate::encode::{COARSE, Chunk, Encoder, MISSING, NEW, Reading};
use crate::exact::{binomial_upper, fisher, predicted_upper};

/// Groups of values of one column.
pub(crate) const GROUPS: usize = 8;
const CELLS: usize = GROUPS * GROUPS;
/// Pairs of columns that are counted.
pub(crate) const PAIRS_MAX: usize = 600;
/// A pair of values scores from here on: `e` times rarer than if they were independent.
const RARITY_FROM: f32 = 1.0;
/// Fewest rows of a delivery that make a combination.
const ROWS_MIN: u32 = 4;

/// Groups of values, and how often history holds two of them together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pairs {
    /// Group by fine code, one table of 256 a column.
    groups: Vec<Vec<u8>>,
    columns: Vec<(u16, u16)>,
    /// `ln(expected + 1) - ln(seen + 1)`, at least 0; [`CELLS`] a pair.
    rarity: Vec<f32>,
    /// Rows of history in each cell: of the label's first class or unlabelled, and of the second.
    pub(crate) counts: Vec<[u32; 2]>,
}

/// Rows of a delivery in each cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PairCounts {
    pub(crate) counts: Vec<[u32; 2]>,
}

/// A combination that a delivery holds too often.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Combination {
    pub(crate) columns: (u16, u16),
    pub(crate) groups: (u8, u8),
    pub(crate) rows: u32,
    pub(crate) trusted_rows: u32,
    pub(crate) positive: u32,
    pub(crate) p_value: f64,
}

impl Pairs {
    /// Learns groups from `rows`; the label takes no part in pairs. `positive` says which rows are of the label's second class.
    pub(crate) fn fit(encoder: &Encoder, rows: &Chunk, label: Option<usize>) -> Self {
        let groups: Vec<Vec<u8>> = (0..encoder.width()).map(|column| group_table(encoder, rows, column)).collect();
        let mut columns = Vec::new();
        for a in 0..encoder.width() {
            for b in a + 1..encoder.width() {
                if columns.len() < PAIRS_MAX && Some(a) != label && Some(b) != label {
                    columns.push((a as u16, b as u16));
                }
            }
        }
        let mut out = Self { groups, columns, rarity: Vec::new(), counts: Vec::new() };
        let mut counted = PairCounts::default();
        out.count(rows, label, &mut counted);
        out.counts = counted.counts;
        let total = rows.rows as f32;
        out.rarity = out
            .counts
            .chunks_exact(CELLS)
            .flat_map(|cells| {
                let seen = |a: usize, b: usize| (cells[a * GROUPS + b][0] + cells[a * GROUPS + b][1]) as f32;
                let of_a: Vec<f32> = (0..GROUPS).map(|a| (0..GROUPS).map(|b| seen(a, b)).sum()).collect();
                let of_b: Vec<f32> = (0..GROUPS).map(|b| (0..GROUPS).map(|a| seen(a, b)).sum()).collect();
                (0..CELLS)
                    .map(|at| {
                        let (a, b) = (at / GROUPS, at % GROUPS);
                        let expected = of_a[a] * of_b[b] / total.max(1.0);
                        ((expected + 1.0).ln() - (seen(a, b) + 1.0).ln()).max(0.0)
                    })
                    .collect::<Vec<f32>>()
            })
            .collect();
        out
    }

    /// The groups of a column of a chunk.
    pub(crate) fn grouped(&self, rows: &Chunk, column: usize, out: &mut Vec<u8>) {
        out.clear();
        let table = &self.groups[column];
        out.extend(rows.column(column).iter().map(|&code| table[usize::from(code)]));
    }

    fn all_grouped(&self, rows: &Chunk) -> Vec<u8> {
        let mut out = Vec::with_capacity(rows.fine.len());
        for (column, table) in self.groups.iter().enumerate() {
            out.extend(rows.column(column).iter().map(|&code| table[usize::from(code)] & 7));
        }
        out
    }

    /// Adds a chunk's rows to the counts.
    pub(crate) fn count(&self, rows: &Chunk, label: Option<usize>, out: &mut PairCounts) {
        out.counts.resize(self.columns.len() * CELLS, [0; 2]);
        let grouped = self.all_grouped(rows);
        let positive: Vec<u8> = match label {
            Some(label) => rows.column(label).iter().map(|&code| u8::from(code >> 2 == 1)).collect(),
            None => vec![0; rows.rows],
        };
        for (&(a, b), cells) in self.columns.iter().zip(out.counts.chunks_exact_mut(CELLS)) {
            let a = &grouped[usize::from(a) * rows.rows..(usize::from(a) + 1) * rows.rows];
            let b = &grouped[usize::from(b) * rows.rows..(usize::from(b) + 1) * rows.rows];
            // Counted in a table of fixed size first: no check of bounds inside the loop.
            let mut local = [0_u32; CELLS * 2];
            for ((&a, &b), &positive) in a.iter().zip(b).zip(&positive) {
                let cell = &mut local[(usize::from(a << 4) | usize::from(b << 1) | usize::from(positive)) & (CELLS * 2 - 1)];
                *cell = cell.wrapping_add(1);
            }
            for (cell, pair) in cells.iter_mut().zip(local.chunks_exact(2)) {
                cell[0] += pair[0];
                cell[1] += pair[1];
            }
        }
    }

    /// The summed and the largest rarity of each row, and the first column of the rarest pair.
    pub(crate) fn judge(&self, rows: &Chunk, out: &mut crate::expect::Tally) {
        out.start(rows.rows);
        let grouped = self.all_grouped(rows);
        for (&(a, b), rarity) in self.columns.iter().zip(self.rarity.chunks_exact(CELLS)) {
            if rarity.iter().all(|rarity| *rarity <= RARITY_FROM) {
                continue;
            }
            let mut local = [0.0_f32; CELLS];
            local.copy_from_slice(rarity);
            let ours = &grouped[usize::from(a) * rows.rows..(usize::from(a) + 1) * rows.rows];
            let theirs = &grouped[usize::from(b) * rows.rows..(usize::from(b) + 1) * rows.rows];
            for (row, (&x, &y)) in ours.iter().zip(theirs).enumerate() {
                let rarity = local[usize::from((x << 3) | y) & (CELLS - 1)];
                if rarity > RARITY_FROM {
                    out.add(row, rarity - RARITY_FROM, a);
                }
            }
        }
    }

    /// The combination whose frequency and label speak most against chance, its p-value corrected for all that were looked at.
    pub(crate) fn scan(&self, found: &PairCounts, rows: u64, trusted_rows: u64, rate: f64) -> Option<Combination> {
        let share = rows as f64 / (rows + trusted_rows).max(1) as f64;
        let mut best: Option<Combination> = None;
        let mut looked = 0_u64;
        for (at, (cell, known)) in found.counts.iter().zip(&self.counts).enumerate() {
            let (seen, trusted) = (cell[0] + cell[1], known[0] + known[1]);
            if seen + trusted < ROWS_MIN {
                continue;
            }
            looked += 1;
            if seen < ROWS_MIN || f64::from(seen) <= share * f64::from(seen + trusted) {
                continue;
            }
            let often = binomial_upper(u64::from(seen), u64::from(seen + trusted), share);
            if often > 1e-3 {
                continue;
            }
            let one_label = label_tail(cell, known, rate);
            let p_value = fisher(often, one_label);
            if best.as_ref().is_none_or(|best| p_value < best.p_value) {
                let (pair, inside) = (at / CELLS, at % CELLS);
                best = Some(Combination {
                    columns: self.columns[pair],
                    groups: ((inside / GROUPS) as u8, (inside % GROUPS) as u8),
                    rows: seen,
                    trusted_rows: trusted,
                    positive: cell[1],
                    p_value,
                });
            }
        }
        best.map(|best| Combination { p_value: (best.p_value * looked.max(1) as f64).min(1.0), ..best })
    }

    /// How many groups a column has, over all columns.
    pub(crate) fn slices(&self) -> usize {
        self.groups.len() * GROUPS
    }

    pub(crate) fn is_sound(&self, width: usize) -> bool {
        self.groups.len() == width
            && self.groups.iter().all(|table| table.len() == 256)
            && self.columns.len() <= PAIRS_MAX
            && self.columns.iter().all(|(a, b)| usize::from(*a) < width && usize::from(*b) < width)
            && self.rarity.len() == self.columns.len() * CELLS
            && self.counts.len() == self.columns.len() * CELLS
    }
}

/// P(labels as one-sided as these), by what history holds of the cell: its rate is not known but estimated, from few rows badly
/// (a beta-binomial prediction; a prior of two rows at the whole's rate).
fn label_tail(cell: &[u32; 2], known: &[u32; 2], rate: f64) -> f64 {
    const DRAWN: f64 = 2.0;
    let alpha = f64::from(known[1]) + DRAWN * rate;
    let beta = f64::from(known[0]) + DRAWN * (1.0 - rate);
    let positive = predicted_upper(cell[1], cell[0] + cell[1], alpha, beta);
    let negative = predicted_upper(cell[0], cell[0] + cell[1], beta, alpha);
    (2.0 * positive.min(negative)).min(1.0)
}

/// Numbers: seven groups of equal share and the missing ones. Categories: the six commonest levels, the others, and what is
/// missing or new.
fn group_table(encoder: &Encoder, rows: &Chunk, column: usize) -> Vec<u8> {
    let mut out = vec![7_u8; 256];
    match encoder.readings.get(column) {
        Some(Reading::Number(_)) => {
            let mut counts = [0_u32; 256];
            rows.column(column).iter().for_each(|&code| counts[usize::from(code)] += 1);
            let total: u32 = counts[..usize::from(NEW)].iter().sum();
            let mut before = 0;
            for (code, group) in out.iter_mut().enumerate().take(usize::from(NEW)) {
                let middle = f64::from(before) + f64::from(counts[code]) / 2.0;
                *group = (7.0 * middle / f64::from(total.max(1))).clamp(0.0, 6.0) as u8;
                before += counts[code];
            }
        }
        Some(Reading::Levels(_)) => {
            for (code, group) in out.iter_mut().enumerate().take(usize::from(NEW)) {
                *group = (code >> 2).min(6) as u8;
            }
        }
        None => {}
    }
    out
}

/// A part of a delivery's rows, kept for scans that look at exact values: the rows with the smallest hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) width: usize,
    heap: std::collections::BinaryHeap<(u64, Vec<u8>)>,
    most: usize,
    /// Keys from here on are not kept.
    below: u64,
}

impl Kept {
    pub(crate) fn new(width: usize, most: usize) -> Self {
        Self::below(width, most, u64::MAX)
    }

    /// The same of a part of the rows, of which none is kept that others have driven out already.
    pub(crate) fn below(width: usize, most: usize, below: u64) -> Self {
        Self { width, heap: std::collections::BinaryHeap::new(), most, below }
    }

    /// The key from which on rows are not kept any more.
    pub(crate) fn limit(&self) -> u64 {
        let largest = self.heap.peek().filter(|_| self.heap.len() >= self.most);
        largest.map_or(self.below, |(largest, _)| *largest)
    }

    /// Offers rows of a chunk; `first` is the row's number in the delivery.
    pub(crate) fn offer(&mut self, rows: &Chunk, first: u64, seed: u64) {
        for row in 0..rows.rows {
            let key = Mix::new(seed ^ (first + row as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93), 41).next();
            if key >= self.limit() {
                continue;
            }
            self.heap.push((key, (0..self.width).map(|column| rows.fine[column * rows.rows + row]).collect()));
            if self.heap.len() > self.most {
                self.heap.pop();
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for entry in other.heap {
            self.heap.push(entry);
            if self.heap.len() > self.most {
                self.heap.pop();
            }
        }
    }

    /// The kept rows as fine codes, column by column, in an order that depends on nothing but the rows.
    pub(crate) fn codes(&self) -> (usize, Vec<u8>) {
        let mut rows: Vec<&(u64, Vec<u8>)> = self.heap.iter().collect();
        rows.sort();
        let fine = (0..self.width).flat_map(|column| rows.iter().map(move |(_, codes)| codes[column])).collect();
        (rows.len(), fine)
    }
}

/// Exact values two by two in kept rows: the rarest combination of two uncommon values that a delivery repeats with one label.
pub(crate) fn exact_scan(
    ours: (usize, &[u8]),
    trusted: (usize, &[u8]),
    label: Option<usize>,
    rate: f64,
    is_level: &[bool],
) -> Option<Combination> {
    /// A value is uncommon up to this share of history.
    const COMMON: f64 = 0.1;
    let (rows, codes) = ours;
    let (trusted_rows, known) = trusted;
    let width = is_level.len();
    let share = rows as f64 / (rows + trusted_rows).max(1) as f64;
    let mut frequency = vec![[0_u32; 256]; width];
    for (column, counts) in frequency.iter_mut().enumerate() {
        known[column * trusted_rows..(column + 1) * trusted_rows].iter().for_each(|&code| counts[usize::from(code)] += 1);
    }
    let uncommon = |column: usize, code: u8| {
        code != MISSING && f64::from(frequency[column][usize::from(code)]) <= COMMON * trusted_rows as f64
    };
    let mut best: Option<Combination> = None;
    let mut looked = 0.0_f64;
    let mut keys: Vec<(u16, u8)> = Vec::new();
    for a in (0..width).filter(|a| Some(*a) != label) {
        for b in (a + 1..width).filter(|b| Some(*b) != label) {
            keys.clear();
            for row in 0..rows {
                let (x, y) = (codes[a * rows + row], codes[b * rows + row]);
                if uncommon(a, x) && uncommon(b, y) {
                    let positive = label.is_some_and(|label| codes[label * rows + row] >> 2 == 1);
                    keys.push((u16::from(x) << 8 | u16::from(y), u8::from(positive)));
                }
            }
            keys.sort_unstable();
            // Cells of which delivery and history together might hold enough rows: more were looked at than those the delivery fills.
            looked += keys.len() as f64 * (1.0 + trusted_rows as f64 / rows.max(1) as f64) / f64::from(ROWS_MIN);
            for run in keys.chunk_by(|one, two| one.0 == two.0).filter(|run| run.len() >= ROWS_MIN as usize) {
                let (x, y) = ((run[0].0 >> 8) as u8, (run[0].0 & 255) as u8);
                let chance = f64::from(frequency[a][usize::from(x)] + 1) * f64::from(frequency[b][usize::from(y)] + 1)
                    / (trusted_rows as f64 + 1.0).powi(2);
                // Cheap first: no more often than if the two were independent cannot be remarkable.
                if (run.len() as f64) < 3.0 * chance * rows as f64 {
                    continue;
                }
                let mut there = [0_u32; 2];
                for row in 0..trusted_rows {
                    if known[a * trusted_rows + row] == x && known[b * trusted_rows + row] == y {
                        there[usize::from(label.is_some_and(|label| known[label * trusted_rows + row] >> 2 == 1))] += 1;
                    }
                }
                let positive: u32 = run.iter().map(|(_, positive)| u32::from(*positive)).sum();
                let seen = run.len() as u32;
                let trusted = there[0] + there[1];
                let often = binomial_upper(u64::from(seen), u64::from(seen + trusted), share);
                let p_value = fisher(often, label_tail(&[seen - positive, positive], &there, rate));
                if best.as_ref().is_none_or(|best| p_value < best.p_value) {
                    let (columns, groups) = ((a as u16, b as u16), (x, y));
                    best = Some(Combination { columns, groups, rows: seen, trusted_rows: trusted, positive, p_value });
                }
            }
        }
    }
    best.map(|best| Combination { p_value: (best.p_value * looked.max(1.0)).min(1.0), ..best })
}

const _: () = assert!(COARSE == 64, "groups of levels are coarse codes");
