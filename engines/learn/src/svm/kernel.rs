//! Gaussian kernel values, sixteen at a time in plain arithmetic, so that they are equal on every machine (T4). Training and
//! serving use the same functions; [`exp`] is within 3e-7 of the exact value, relatively.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::preprocess::Matrix;
use crate::wide::widest;

pub(super) use crate::wide::LANES;

/// Vectors in blocks of [`LANES`], within a block column after column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Packed {
    columns: usize,
    blocks: Vec<[f32; LANES]>,
}

impl Packed {
    /// Packs rows that follow each other.
    pub(super) fn new(rows: &[f32], columns: usize) -> Self {
        let mut blocks = Vec::new();
        for group in rows.chunks(LANES * columns.max(1)) {
            for column in 0..columns {
                blocks.push(std::array::from_fn(|lane| group.get(lane * columns + column).copied().unwrap_or(0.0)));
            }
        }
        Self { columns, blocks }
    }

    /// Weights as [`Self::sums`] takes them.
    pub(super) fn weights(weights: &[f32]) -> Vec<[f32; LANES]> {
        let group = |group: &[f32]| std::array::from_fn(|lane| group.get(lane).copied().unwrap_or(0.0));
        weights.chunks(LANES).map(group).collect()
    }

    /// The first rows again, row after row.
    pub(super) fn rows(&self, count: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(count * self.columns);
        for row in 0..count {
            for column in 0..self.columns {
                out.push(self.blocks[row / LANES * self.columns + column][row % LANES]);
            }
        }
        out
    }

    /// The vectors of a block, column after column.
    pub(super) fn block(&self, block: usize) -> &[[f32; LANES]] {
        &self.blocks[block * self.columns..(block + 1) * self.columns]
    }

    /// Kernel values of one row with the vectors of a block.
    #[inline(always)]
    pub(super) fn near(&self, block: usize, row: &[f32], gamma: f32, out: &mut [f32; LANES]) {
        let mut far = [0.0f32; LANES];
        for (lanes, &value) in self.block(block).iter().zip(row) {
            add_gaps(&mut far, lanes, value);
        }
        for lane in 0..LANES {
            out[lane] = exp(-gamma * far[lane]);
        }
    }

    /// Weighted sums of kernel values, one for each of at most [`ROWS`] rows that follow each other. `weights` are as many as
    /// vectors, padded to whole blocks by zeros.
    pub(super) fn sums(&self, weights: &[[f32; LANES]], gamma: f32, rows: &[f32], out: &mut [f64]) {
        widest(Sums { packed: self, weights, gamma, rows, out });
    }
}

/// Rows that meet a block of vectors together, to load it once.
pub(super) const ROWS: usize = 4;

struct Sums<'a> {
    packed: &'a Packed,
    weights: &'a [[f32; LANES]],
    gamma: f32,
    rows: &'a [f32],
    out: &'a mut [f64],
}

impl NullaryFnOnce for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { packed, weights, gamma, rows, out } = self;
        let columns = packed.columns;
        if out.len() == ROWS {
            let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &rows[row * columns..(row + 1) * columns]);
            out.copy_from_slice(&sums(packed, weights, gamma, rows));
        } else {
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(columns.max(1))) {
                *out = sums(packed, weights, gamma, [row])[0];
            }
        }
    }
}

/// Each row's sum is taken in the same order, however many rows there are.
#[inline(always)]
fn sums<const COUNT: usize>(packed: &Packed, weights: &[[f32; LANES]], gamma: f32, rows: [&[f32]; COUNT]) -> [f64; COUNT] {
    let columns = packed.columns;
    let mut totals = [[0.0f64; LANES]; COUNT];
    let (pairs, rest) = weights.as_chunks::<2>();
    let (first, second) = packed.blocks.split_at((pairs.len() * 2 * columns).min(packed.blocks.len()));
    // Two blocks at once, so that one sum need not wait for the other; all rows while they are near.
    for (blocks, weights) in first.chunks_exact((2 * columns).max(1)).zip(pairs) {
        let (left, right) = blocks.split_at(columns);
        for (total, row) in totals.iter_mut().zip(rows) {
            let (mut far, mut further) = ([0.0f32; LANES], [0.0f32; LANES]);
            for ((left, right), &value) in left.iter().zip(right).zip(row) {
                add_gaps(&mut far, left, value);
                add_gaps(&mut further, right, value);
            }
            add_near(total, &weights[0], &far, gamma);
            add_near(total, &weights[1], &further, gamma);
        }
    }
    for (block, weights) in second.chunks_exact(columns.max(1)).zip(rest) {
        for (total, row) in totals.iter_mut().zip(rows) {
            let mut far = [0.0f32; LANES];
            block.iter().zip(row).for_each(|(lanes, &value)| add_gaps(&mut far, lanes, value));
            add_near(total, weights, &far, gamma);
        }
    }
    totals.map(sum)
}

/// Of all lanes, halves first; not inlined, as [`crate::wide::total`].
#[inline(never)]
fn sum(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn add_gaps(far: &mut [f32; LANES], lanes: &[f32; LANES], value: f32) {
    for lane in 0..LANES {
        let gap = lanes[lane] - value;
        far[lane] += gap * gap;
    }
}

#[inline(always)]
fn add_near(total: &mut [f64; LANES], weights: &[f32; LANES], far: &[f32; LANES], gamma: f32) {
    for lane in 0..LANES {
        total[lane] += f64::from(weights[lane]) * f64::from(exp(-gamma * far[lane]));
    }
}

/// The whole kernel matrix of the rows that were packed, row after row. 32-bit values: half the memory, libsvm's choice too.
pub(super) fn matrix(packed: &Packed, rows: &Matrix, gamma: f32) -> Vec<f32> {
    let count = rows.rows();
    let mut out = vec![0.0f32; count * count];
    out.par_chunks_mut(count.max(1))
        .enumerate()
        .for_each(|(row, values)| widest(Nears { packed, row: rows.row(row), gamma, values }));
    out
}

struct Nears<'a> {
    packed: &'a Packed,
    row: &'a [f32],
    gamma: f32,
    values: &'a mut [f32],
}

impl NullaryFnOnce for Nears<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut near = [0.0f32; LANES];
        for (block, part) in self.values.chunks_mut(LANES).enumerate() {
            self.packed.near(block, self.row, self.gamma, &mut near);
            part.copy_from_slice(&near[..part.len()]);
        }
    }
}

/// `exp` for numbers of at most 0, within 2 units of the last place: Cephes' `expf` without branches.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "Cephes' constants as published")]
fn exp(value: f32) -> f32 {
    // Below this the result is under the smallest normal number; rounding to a whole number is by adding 1.5 * 2^23.
    const LEAST: f32 = -87.0;
    const ROUND: f32 = 12_582_912.0;
    let value = if value < LEAST { LEAST } else { value };
    let whole = (value * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let rest = value - whole * 0.693_359_375 + whole * 2.121_944_4e-4;
    let mut sum = 1.987_569_15e-4;
    for factor in [1.398_199_95e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 5.000_000_120_1e-1] {
        sum = sum * rest + factor;
    }
    let part = sum * rest * rest + rest + 1.0;
    part * f32::from_bits(((whole + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_near_the_exact_one() {
        for step in 0..80_000 {
            let value = -(step as f32) * 0.001;
            let exact = libm::exp(f64::from(value));
            assert!((f64::from(exp(value)) / exact - 1.0).abs() < 3e-7, "{value}");
        }
        assert!(exp(-1e9) < 1e-37);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn the_matrix_is_that_of_the_formula() {
        let values: Vec<f32> = (0..19 * 3).map(|at| (at * 7 % 11) as f32 / 5.0).collect();
        let rows = Matrix::new(values.clone(), 19, 3).unwrap();
        let packed = Packed::new(&values, 3);
        assert_eq!(packed.rows(19), values);
        let found = matrix(&packed, &rows, 0.4);
        for left in 0..19 {
            for right in 0..19 {
                let far: f64 = rows.row(left).iter().zip(rows.row(right)).map(|(a, b)| f64::from(a - b).powi(2)).sum();
                assert!((f64::from(found[left * 19 + right]) - libm::exp(-0.4 * far)).abs() < 1e-6);
            }
        }
    }
}
