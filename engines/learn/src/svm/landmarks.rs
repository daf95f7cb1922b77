//! Puts rows into the space that a few landmarks span (Nyström; Williams and Seeger 2001), so that many rows can be learned from
//! by a plane (T5). The landmarks are centres of groups of rows (Zhang and Kwok 2008): no customer's row is kept (T3).

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::kernel::{self, Packed};
use super::straight::Padded;
use crate::kmeans::lanes;
use crate::linear::Spd;
use crate::preprocess::Matrix;
use crate::rng::Rng;
use crate::spec::NYSTROEM_LANDMARKS;
use crate::wide::{LANES, add_scaled, widest};

/// Rows that the landmarks are looked for in.
const SAMPLE: usize = 20_000;
/// Steps of the grouping; more improve the landmarks little.
const STEPS: usize = 5;
/// Added to the diagonal of the landmarks' kernel matrix, whose diagonal is 1: keeps weights within a hundred times their size in
/// the space, so that they fit 32 bits.
const RIDGE: f64 = 1e-4;

/// Where rows are put.
pub(super) struct Space {
    /// Landmarks, row after row.
    pub(super) landmarks: Vec<f32>,
    pub(super) count: usize,
    factor: Spd,
}

/// How many landmarks for so many rows: the square root, within [`NYSTROEM_LANDMARKS`].
pub(super) fn count(rows: usize) -> usize {
    let (least, most) = NYSTROEM_LANDMARKS;
    ((rows as f64).sqrt().ceil() as usize).next_multiple_of(LANES).clamp(least, most)
}

impl Space {
    /// Finds landmarks among scaled rows; `None` where their kernel matrix cannot be factored.
    pub(super) fn new(rows: &Matrix, count: usize, gamma: f32, seed: u64) -> Option<Self> {
        let mut rng = Rng::new(seed);
        let mut order: Vec<usize> = (0..rows.rows()).collect();
        rng.shuffle(&mut order);
        order.truncate(SAMPLE.max(count));
        let sample = rows.take(&order);
        let count = count.min(sample.rows());
        let mut landmarks = sample.values()[..count * rows.columns()].to_vec();
        lanes::improve(sample.values(), rows.columns(), &mut landmarks, STEPS);
        let matrix = Matrix::new(landmarks.clone(), count, rows.columns()).ok()?;
        let near = kernel::matrix(&Packed::new(&landmarks, rows.columns()), &matrix, gamma);
        let mut near: Vec<f64> = near.into_iter().map(f64::from).collect();
        (0..count).for_each(|at| near[at * count + at] += RIDGE);
        Some(Self { landmarks, count, factor: Spd::new(near, count)? })
    }

    /// The rows' places: kernel values with the landmarks, times the inverse of the factor.
    pub(super) fn places(&self, rows: &Matrix, gamma: f32) -> Padded {
        let width = Padded::width(self.count);
        let columns = rows.columns();
        let mut values = vec![0.0f32; rows.rows() * width];
        let factor: Vec<Vec<f32>> =
            (0..self.count).map(|row| self.factor.row(row).iter().map(|&value| value as f32).collect()).collect();
        let (group, rows) = (LANES * columns.max(1), rows.values());
        values.par_chunks_mut(LANES * width).zip(rows.par_chunks(group)).for_each_init(
            || vec![[0.0f32; LANES]; self.count],
            |near, (out, rows)| {
                widest(Place { space: self, factor: &factor, rows, columns, gamma, near, out, width });
            },
        );
        Padded { width, values }
    }

    /// Weights of the landmarks' kernel values that say the same as weights in the space.
    pub(super) fn back(&self, weights: &[f32]) -> Vec<f32> {
        let mut out: Vec<f64> = weights[..self.count].iter().map(|&weight| f64::from(weight)).collect();
        self.factor.solve_upper(&mut out);
        out.into_iter().map(|weight| weight as f32).collect()
    }
}

struct Place<'a> {
    space: &'a Space,
    factor: &'a [Vec<f32>],
    rows: &'a [f32],
    columns: usize,
    gamma: f32,
    near: &'a mut [[f32; LANES]],
    out: &'a mut [f32],
    width: usize,
}

impl NullaryFnOnce for Place<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { space, factor, rows, columns, gamma, near, out, width } = self;
        let packed = Packed::new(rows, columns);
        for (near, landmark) in near.iter_mut().zip(space.landmarks.chunks_exact(columns.max(1))) {
            packed.near(0, landmark, gamma, near);
        }
        // Forward substitution of all lanes together.
        for at in 0..space.count {
            let (done, rest) = near.split_at_mut(at);
            let row = &factor[at];
            let (mut first, mut second) = ([0.0f32; LANES], [0.0f32; LANES]);
            let (mut third, mut fourth) = ([0.0f32; LANES], [0.0f32; LANES]);
            let ((quads, quad_rest), (factors, factor_rest)) = (done.as_chunks::<4>(), row[..at].as_chunks::<4>());
            for (quad, factors) in quads.iter().zip(factors) {
                add_scaled(&mut first, &quad[0], factors[0]);
                add_scaled(&mut second, &quad[1], factors[1]);
                add_scaled(&mut third, &quad[2], factors[2]);
                add_scaled(&mut fourth, &quad[3], factors[3]);
            }
            for (done, factor) in quad_rest.iter().zip(factor_rest) {
                add_scaled(&mut first, done, *factor);
            }
            add_scaled(&mut first, &second, 1.0);
            add_scaled(&mut third, &fourth, 1.0);
            add_scaled(&mut first, &third, 1.0);
            for (near, sum) in rest[0].iter_mut().zip(first) {
                *near = (*near - sum) / row[at];
            }
        }
        for (lane, out) in out.chunks_exact_mut(width).enumerate() {
            out.iter_mut().zip(near.iter()).for_each(|(out, near)| *out = near[lane]);
        }
    }
}
