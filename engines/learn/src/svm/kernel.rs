//! Gaussian kernel values, sixteen at a time in plain arithmetic, so that they are equal on every machine (T4). For training;
//! [`super::serve`] answers. [`exp`] is within 3e-7 of the exact value, relatively.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::preprocess::Matrix;
use crate::wide::{LANES, widest};

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

    /// Kernel values of one row with the vectors of a block.
    #[inline(always)]
    pub(super) fn near(&self, block: usize, row: &[f32], gamma: f32, out: &mut [f32; LANES]) {
        let mut far = [0.0f32; LANES];
        for (lanes, &value) in self.blocks[block * self.columns..(block + 1) * self.columns].iter().zip(row) {
            add_gaps(&mut far, lanes, value);
        }
        for lane in 0..LANES {
            out[lane] = exp(-gamma * far[lane]);
        }
    }
}

#[inline(always)]
fn add_gaps(far: &mut [f32; LANES], lanes: &[f32; LANES], value: f32) {
    for lane in 0..LANES {
        let gap = lanes[lane] - value;
        far[lane] += gap * gap;
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
pub(super) fn exp(value: f32) -> f32 {
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
        let found = matrix(&packed, &rows, 0.4);
        for left in 0..19 {
            for right in 0..19 {
                let far: f64 = rows.row(left).iter().zip(rows.row(right)).map(|(a, b)| f64::from(a - b).powi(2)).sum();
                assert!((f64::from(found[left * 19 + right]) - libm::exp(-0.4 * far)).abs() < 1e-6);
            }
        }
    }
}
