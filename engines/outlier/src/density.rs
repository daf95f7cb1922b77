//! Finds blocks of near-copies: rows that lie closer to each other than trusted rows lie there. Each copy looks ordinary by
//! itself, so only the batch as a whole shows them (T1).

use crate::encode::{Encoder, Table};

/// The neighbour in the batch whose distance is taken: a block of six copies is seen.
pub(crate) const NEIGHBOUR: usize = 5;
/// The neighbour in the pool that it is compared with. Nearer than in the batch, because honest rows have pockets (equal in all
/// categories): six in the batch where the pool has four is chance, where it has one is not.
const NEIGHBOUR_TRUSTED: usize = 2;
/// Rows of the pool.
pub(crate) const POOL_ROWS_MAX: usize = 2_000;
/// Rows that are compared with each other at once; larger batches are dealt into blocks.
pub(crate) const BLOCK_ROWS_MAX: usize = 1_000;
/// Smaller batches have no density.
pub(crate) const BLOCK_ROWS_MIN: usize = 50;
/// Added to distances: copies closer than this are equal.
const DISTANCE_FLOOR: f64 = 0.1;
/// Standardised numbers are cut here, so that one far value does not hide a copy.
const Z_MAX: f32 = 4.0;

/// Rows ready to be compared: cut numbers, then codes.
pub(crate) struct Points {
    numbers: usize,
    width: usize,
    values: Vec<f32>,
}

impl Points {
    pub(crate) fn new(encoder: &Encoder, table: &Table) -> Self {
        let (numbers, codes): (Vec<usize>, Vec<usize>) = (0..table.width).partition(|&at| encoder.is_number(at));
        let mut values = Vec::with_capacity(table.values.len());
        for row in 0..table.rows() {
            let row = table.row(row);
            values.extend(numbers.iter().map(|&at| if row[at].is_nan() { 0.0 } else { row[at].clamp(-Z_MAX, Z_MAX) }));
            values.extend(codes.iter().map(|&at| if row[at].is_nan() { -1.0 } else { row[at] }));
        }
        Self { numbers: numbers.len(), width: table.width, values }
    }

    pub(crate) fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// The distance of a point to its `K`th neighbour among `rows` of `others`, itself left out.
    fn reach<const K: usize>(&self, row: usize, others: &Self, rows: impl Iterator<Item = usize>, itself: Option<usize>) -> f64 {
        let point = self.row(row);
        let mut nearest = [f32::INFINITY; K];
        for other in rows {
            if itself == Some(other) {
                continue;
            }
            let there = others.row(other);
            let limit = nearest[K - 1];
            let mut square: f32 = point[..self.numbers].iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum();
            if square >= limit {
                continue;
            }
            square += point[self.numbers..].iter().zip(&there[self.numbers..]).map(|(a, b)| f32::from(a != b)).sum::<f32>();
            if square < limit {
                let at = nearest.partition_point(|&known| known <= square);
                nearest[at..].rotate_right(1);
                nearest[at] = square;
            }
        }
        f64::from(nearest[K - 1]).sqrt()
    }

    /// For each of `rows` (one block): how much closer its neighbours in the block are than those in the pool.
    pub(crate) fn crowding(&self, rows: &[usize], pool: &Self) -> Vec<f64> {
        let pool_rows = pool.rows().min(POOL_ROWS_MAX);
        rows.iter()
            .map(|&row| {
                let inside = self.reach::<NEIGHBOUR>(row, self, rows.iter().copied(), Some(row));
                let outside = self.reach::<NEIGHBOUR_TRUSTED>(row, pool, 0..pool_rows, None);
                ((outside + DISTANCE_FLOOR) / (inside + DISTANCE_FLOOR)).ln()
            })
            .collect()
    }
}
