//! Weighted sums of kernel values with all support vectors: what one answer costs must not tempt anybody to leave a check out (T7).
//!
//! Vectors of the processor's width are written out, since the compiler does not find them everywhere; without branches on data, in an
//! order that depends neither on the machine nor on how many rows are asked for together (T4). Multiplying and adding in one step
//! has one exact result, too. Processors that cannot (x86 before 2013) do it in software: the same bits, many times slower.

use pulp::{Arch, Simd, WithSimd};

/// Sums that each row keeps: those of vectors whose numbers differ by a multiple of this are added up first.
const LANES: usize = 16;
/// Vectors that are worked on together.
pub(super) const TILE: usize = 4 * LANES;
/// Rows that meet the same vectors together, to load them once.
pub(super) const ROWS: usize = 4;

/// One number of each vector of a tile.
pub(super) type Tile = [f32; TILE];

/// Support vectors and their weights in tiles, within a tile column after column; the last is filled up by weights of 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Support {
    columns: usize,
    vectors: Vec<Tile>,
    weights: Vec<Tile>,
}

impl Support {
    /// Takes vectors that follow each other, one for each weight.
    pub(super) fn new(vectors: &[f32], weights: &[f32], columns: usize) -> Self {
        let tiles = weights.len().div_ceil(TILE);
        let mut out = Self { columns, vectors: vec![[0.0; TILE]; tiles * columns], weights: vec![[0.0; TILE]; tiles] };
        for (at, (&weight, vector)) in weights.iter().zip(vectors.chunks(columns.max(1))).enumerate() {
            let (tile, place) = (at / TILE, at % TILE);
            out.weights[tile][place] = weight;
            for (column, &value) in vector.iter().enumerate() {
                out.vectors[tile * columns + column][place] = value;
            }
        }
        out
    }

    /// The first vectors again, one after the other.
    pub(super) fn rows(&self, count: usize) -> Vec<f32> {
        let row = |at: usize| {
            let tile = at / TILE * self.columns;
            self.vectors[tile..tile + self.columns].iter().map(move |values| values[at % TILE])
        };
        (0..count).flat_map(row).collect()
    }

    /// Vectors of each tile, column after column, and their weights.
    pub(super) fn tiles(&self) -> impl Iterator<Item = (&[Tile], &Tile)> {
        self.vectors.chunks_exact(self.columns.max(1)).zip(&self.weights)
    }

    /// One sum for each of a few rows that follow each other.
    pub(super) fn sums(&self, gamma: f32, rows: &[f32], out: &mut [f64]) {
        Arch::new().dispatch(Sums { support: self, gamma, rows, out });
    }
}

struct Sums<'a> {
    support: &'a Support,
    gamma: f32,
    rows: &'a [f32],
    out: &'a mut [f64],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { support, gamma, rows, out } = self;
        let columns = support.columns;
        if out.len() == ROWS {
            let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &rows[row * columns..(row + 1) * columns]);
            out.copy_from_slice(&sums(simd, support, gamma, rows));
        } else {
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(columns.max(1))) {
                *out = sums(simd, support, gamma, [row])[0];
            }
        }
    }
}

/// Each row's sum is taken in the same order, however many rows there are.
#[inline(always)]
fn sums<S: Simd, const COUNT: usize>(simd: S, support: &Support, gamma: f32, rows: [&[f32]; COUNT]) -> [f64; COUNT] {
    let mut totals = [[0.0f64; LANES]; COUNT];
    for (vectors, weights) in support.tiles() {
        for (total, row) in totals.iter_mut().zip(rows) {
            let mut near = [0.0f32; TILE];
            let wide = 4 * S::F32_LANES;
            for from in (0..TILE).step_by(wide) {
                fill(simd, vectors, gamma, row, from, &mut near[from..from + wide]);
            }
            add(&near, weights, total);
        }
    }
    totals.map(sum)
}

/// Kernel values of one row with the vectors of a tile from the given one on, four vectors of the processor at once, so that one
/// sum need not wait for the other.
#[inline(always)]
fn fill<S: Simd>(simd: S, vectors: &[Tile], gamma: f32, row: &[f32], from: usize, near: &mut [f32]) {
    let none = simd.splat_f32s(0.0);
    let mut far = [none; 4];
    let upto = from + near.len();
    for (values, &value) in vectors.iter().zip(row) {
        let value = simd.splat_f32s(value);
        let [first, second, third, fourth] = S::as_simd_f32s(&values[from..upto]).0 else { return };
        let gap = |of: &S::f32s| simd.sub_f32s(*of, value);
        let gaps = [gap(first), gap(second), gap(third), gap(fourth)];
        far = std::array::from_fn(|at| simd.mul_add_f32s(gaps[at], gaps[at], far[at]));
    }
    let minus = simd.splat_f32s(-gamma);
    for (near, far) in S::as_mut_simd_f32s(near).0.iter_mut().zip(far) {
        *near = exp(simd, simd.mul_f32s(minus, far));
    }
}

/// Adds a tile's kernel values, weighted, in 64 bits.
#[inline(always)]
fn add(near: &Tile, weights: &Tile, total: &mut [f64; LANES]) {
    for (near, weights) in near.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            total[lane] += f64::from(near[lane]) * f64::from(weights[lane]);
        }
    }
}

/// `exp` for numbers of at most 0, within 2 units of the last place: Cephes' `expf` without branches.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "Cephes' constants as published")]
fn exp<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    // Below this the result is under the smallest normal number; rounding to a whole number is by adding 1.5 * 2^23.
    const LEAST: f32 = -87.0;
    const ROUND: f32 = 12_582_912.0;
    let all = |number: f32| simd.splat_f32s(number);
    let value = simd.max_f32s(value, all(LEAST));
    let shifted = simd.mul_add_f32s(value, all(std::f32::consts::LOG2_E), all(ROUND));
    let whole = simd.sub_f32s(shifted, all(ROUND));
    let rest = simd.mul_add_f32s(whole, all(-0.693_359_375), value);
    let rest = simd.mul_add_f32s(whole, all(2.121_944_4e-4), rest);
    let mut sum = all(1.987_569_15e-4);
    for factor in [1.398_199_95e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 5.000_000_120_1e-1] {
        sum = simd.mul_add_f32s(sum, rest, all(factor));
    }
    let part = simd.mul_add_f32s(sum, simd.mul_f32s(rest, rest), simd.add_f32s(rest, all(1.0)));
    let whole = simd.sub_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(ROUND.to_bits() - 127));
    simd.mul_f32s(part, simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(whole, simd.splat_u32s(23))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    struct Exp<'a>(&'a mut [f32]);

    impl WithSimd for Exp<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            S::as_mut_simd_f32s(self.0).0.iter_mut().for_each(|value| *value = exp(simd, *value));
        }
    }

    #[test]
    fn exp_is_near_the_exact_one() {
        let asked: Vec<f32> = (0..80_000).map(|step| -(step as f32) * 0.001).collect();
        let mut found = asked.clone();
        Arch::new().dispatch(Exp(&mut found));
        for (found, asked) in found.into_iter().zip(asked) {
            assert!((f64::from(found) / libm::exp(f64::from(asked)) - 1.0).abs() < 2.4e-7, "{asked}");
        }
        let mut ends = [0.0; TILE];
        ends[1] = -1e9;
        Arch::new().dispatch(Exp(&mut ends));
        assert!(ends[0] == 1.0 && ends[1] < 1e-37);
    }

    #[test]
    fn sums_are_those_of_the_formula_and_the_same_bits_with_every_set_of_instructions() {
        let mut rng = Rng::new(3);
        let mut drawn = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.unit() as f32 * 4.0 - 2.0).collect() };
        for (count, columns) in [(1, 1), (63, 5), (64, 2), (65, 7), (500, 33)] {
            let (vectors, weights, rows) = (drawn(count * columns), drawn(count), drawn(7 * columns));
            let support = Support::new(&vectors, &weights, columns);
            assert_eq!(support.rows(count), vectors);
            let gamma = 0.3 / columns as f32;
            let mut plain = [0.0; 7];
            Sums { support: &support, gamma, rows: &rows, out: &mut plain }.with_simd(pulp::Scalar);
            for (sum, row) in plain.iter().zip(rows.chunks(columns)) {
                let near = |vector: &[f32]| {
                    let far: f64 = vector.iter().zip(row).map(|(one, other)| (f64::from(*one) - f64::from(*other)).powi(2)).sum();
                    libm::exp(f64::from(-gamma) * far)
                };
                let exact: f64 =
                    vectors.chunks(columns).zip(&weights).map(|(vector, weight)| near(vector) * f64::from(*weight)).sum();
                assert!((sum - exact).abs() < 2e-7 * count as f64, "{sum} {exact}");
            }
            for together in [1, 3, ROWS, 7] {
                let mut found = [0.0; 7];
                for (found, rows) in found.chunks_mut(together).zip(rows.chunks(together * columns)) {
                    support.sums(gamma, rows, found);
                }
                assert_eq!(found.map(f64::to_bits), plain.map(f64::to_bits), "{count} vectors, {together} rows");
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(narrow) = pulp::x86::V3::try_new() {
                let mut found = [0.0; 7];
                Simd::vectorize(narrow, Sums { support: &support, gamma, rows: &rows, out: &mut found });
                assert_eq!(found.map(f64::to_bits), plain.map(f64::to_bits));
            }
        }
    }
}
