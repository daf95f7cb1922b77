//! Finds rows that lie too near each other or too near history: blocks of near-copies, replays, clones; and rows that lie far from
//! all of history. Neighbours are sought beside each row in several sorted orders, so that the work grows as `n log n` (T1).

use outlier::stats::Mix;

use crate::encode::{Chunk, Encoder, MISSING, Reading};

/// The neighbour in the batch whose distance is taken: a block of six copies is seen.
const NEIGHBOUR: usize = 5;
/// The neighbour in history that it is compared with. Nearer than in the batch, because honest rows have pockets: six in the
/// batch where history has four is chance, where it has one is not.
const NEIGHBOUR_TRUSTED: usize = 2;
/// Sorted orders.
const ORDERS: usize = 4;
/// Bytes that are compared at once.
const LANE: usize = 16;
/// Rows looked at on each side of a row in each order.
const REACH: usize = 5;
/// Distance of two different levels: a quarter of a number's whole range of ranks.
const LEVEL_STEP: u32 = 62;
/// Added to distances, in ranks of 248: copies closer than this in all are equal.
const FLOOR: f32 = 2.0;
/// Bytes of a row: numbers' places, then codes.
pub(crate) const WIDTH_MAX: usize = 512;
/// Block sizes for which crowding is calibrated; a batch is dealt into the largest that it fills.
pub(crate) const BLOCKS: [usize; 3] = [64, 250, 1_000];

/// How rows become points, and the random orders.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    numbers: Vec<u16>,
    levels: Vec<u16>,
    /// Place by fine code, one table a number.
    places: Vec<[u8; 256]>,
    /// One weight a coordinate, per order.
    weights: Vec<Vec<i32>>,
    /// Coordinates that are levels and stand before the projection in the key, per order.
    leading: Vec<Vec<bool>>,
    /// Lanes of numbers and of levels in a point; what is left of a lane is 0 in every point.
    lanes: (usize, usize),
}

/// Rows as points: `width` bytes a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    width: usize,
    bytes: Vec<u8>,
}

impl Points {
    pub(crate) fn rows(&self) -> usize {
        self.bytes.len().checked_div(self.width).unwrap_or(0)
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.bytes[row * self.width..(row + 1) * self.width]
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.width = other.width;
        self.bytes.extend_from_slice(&other.bytes);
    }

    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        let mut bytes = Vec::with_capacity(rows.len() * self.width);
        rows.iter().for_each(|&row| bytes.extend_from_slice(self.row(row as usize)));
        Self { width: self.width, bytes }
    }
}

/// Points in the order of their keys, so that neighbours stand side by side in memory too.
#[derive(Clone, Debug, Default)]
struct Order {
    keys: Vec<(u64, u32)>,
    points: Points,
}

/// Points of history, sorted in every order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    orders: Vec<Order>,
}

/// What the neighbours of one row say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Nearness {
    /// How much nearer the neighbours in the batch are than those in history, a logarithm.
    pub(crate) crowding: f32,
    /// How much nearer the nearest row of history is than the next ones, a logarithm.
    pub(crate) clone: f32,
    /// How far history is, a logarithm.
    pub(crate) isolation: f32,
}

/// The `K` nearest seen so far, each row once.
struct Nearest<const K: usize> {
    distance: [u32; K],
    row: [u32; K],
}

impl<const K: usize> Nearest<K> {
    fn new() -> Self {
        Self { distance: [u32::MAX; K], row: [u32::MAX; K] }
    }

    #[inline]
    fn offer(&mut self, distance: u32, row: u32) {
        if distance >= self.distance[K - 1] || self.row.contains(&row) {
            return;
        }
        let mut at = K - 1;
        while at > 0 && self.distance[at - 1] > distance {
            (self.distance[at], self.row[at]) = (self.distance[at - 1], self.row[at - 1]);
            at -= 1;
        }
        (self.distance[at], self.row[at]) = (distance, row);
    }

    /// The distance of the `k`-th, counted from 1; far where fewer were seen.
    fn at(&self, k: usize) -> f32 {
        let found = self.distance[k - 1];
        if found == u32::MAX { (WIDTH_MAX * 64) as f32 } else { found as f32 }
    }
}

impl Space {
    pub(crate) fn new(encoder: &Encoder, seed: u64) -> Self {
        let mut out = Self {
            numbers: Vec::new(),
            levels: Vec::new(),
            places: Vec::new(),
            weights: Vec::new(),
            leading: Vec::new(),
            lanes: (0, 0),
        };
        for (column, reading) in encoder.readings.iter().enumerate().take(WIDTH_MAX) {
            match reading {
                Reading::Number(number) => {
                    out.numbers.push(column as u16);
                    let mut table = [124_u8; 256];
                    for (code, place) in table.iter_mut().enumerate().take(usize::from(MISSING)) {
                        *place = number.places.get(code.min(number.places.len().saturating_sub(1))).copied().unwrap_or(124);
                    }
                    out.places.push(table);
                }
                Reading::Levels(_) => out.levels.push(column as u16),
            }
        }
        let mut mix = Mix::new(seed, 31);
        out.lanes = (out.numbers.len().div_ceil(LANE), out.levels.len().div_ceil(LANE));
        let (width, from) = (out.width(), out.lanes.0 * LANE);
        for order in 0..ORDERS {
            out.weights.push((0..width).map(|_| (mix.below(401) as i32) - 200).collect());
            // Half of the orders put a random half of the levels first, the others mix everything into one projection.
            out.leading.push((0..width).map(|at| order % 2 == 0 && at >= from && mix.below(2) == 0).collect());
        }
        out
    }

    /// Bytes of a point: whole lanes of numbers, then whole lanes of levels.
    fn width(&self) -> usize {
        (self.lanes.0 + self.lanes.1) * LANE
    }

    /// Rows of a chunk as points.
    pub(crate) fn points(&self, rows: &Chunk) -> Points {
        let width = self.width();
        let mut bytes = vec![0; width * rows.rows];
        for (at, (&column, table)) in self.numbers.iter().zip(&self.places).enumerate() {
            for (row, &code) in rows.column(usize::from(column)).iter().enumerate() {
                bytes[row * width + at] = table[usize::from(code)];
            }
        }
        for (at, &column) in self.levels.iter().enumerate() {
            for (row, &code) in rows.column(usize::from(column)).iter().enumerate() {
                bytes[row * width + self.lanes.0 * LANE + at] = code;
            }
        }
        Points { width, bytes }
    }

    fn key(&self, order: usize, point: &[u8]) -> u64 {
        let (mut sum, mut lead) = (0_i32, 0_u64);
        for ((&byte, &weight), &leads) in point.iter().zip(&self.weights[order]).zip(&self.leading[order]) {
            if leads {
                lead = (lead ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
            } else {
                sum += i32::from(byte) * weight;
            }
        }
        (lead >> 40 << 32) | u64::from((sum ^ i32::MIN) as u32)
    }

    #[inline]
    fn distance(&self, one: &[u8], two: &[u8]) -> u32 {
        let split = self.lanes.0 * LANE;
        let (one_number, one_level) = one.split_at(split.min(one.len()));
        let (two_number, two_level) = two.split_at(split.min(two.len()));
        let (mut numbers, mut levels) = (0_u32, 0_u32);
        for (a, b) in one_number.as_chunks::<LANE>().0.iter().zip(two_number.as_chunks::<LANE>().0) {
            // Wrapping, so that the processor may add sixteen at once; the sum of a row stays far below the limit.
            numbers =
                numbers.wrapping_add(a.iter().zip(b).fold(0, |sum: u32, (a, b)| sum.wrapping_add(u32::from(a.abs_diff(*b)))));
        }
        for (a, b) in one_level.as_chunks::<LANE>().0.iter().zip(two_level.as_chunks::<LANE>().0) {
            levels = levels.wrapping_add(a.iter().zip(b).fold(0, |sum: u32, (a, b)| sum.wrapping_add(u32::from(a != b))));
        }
        numbers + LEVEL_STEP * levels
    }

    /// The chosen rows by their keys; what stands behind each key is its place among those chosen.
    fn sorted(&self, order: usize, points: &Points, rows: &[u32]) -> Order {
        let key = |(at, &row): (usize, &u32)| (self.key(order, points.row(row as usize)), at as u32);
        let mut keys: Vec<(u64, u32)> = rows.iter().enumerate().map(key).collect();
        keys.sort_unstable();
        let places: Vec<u32> = keys.iter().map(|&(_, at)| rows[at as usize]).collect();
        Order { keys, points: points.take(&places) }
    }

    pub(crate) fn pool(&self, points: Points) -> Pool {
        let all: Vec<u32> = (0..points.rows() as u32).collect();
        Pool { orders: (0..ORDERS).map(|order| self.sorted(order, &points, &all)).collect() }
    }

    /// Judges one block of rows (`rows` point into `points`) against each other and against the pool; answers in their order.
    pub(crate) fn judge(&self, points: &Points, rows: &[u32], pool: &Pool) -> Vec<Nearness> {
        let count = rows.len();
        let mut inside: Vec<Nearest<NEIGHBOUR>> = (0..count).map(|_| Nearest::new()).collect();
        let mut outside: Vec<Nearest<NEIGHBOUR>> = (0..count).map(|_| Nearest::new()).collect();
        for (order, known) in pool.orders.iter().enumerate() {
            let ours = self.sorted(order, points, rows);
            let mut there = 0;
            for (at, &(key, own)) in ours.keys.iter().enumerate() {
                let point = ours.points.row(at);
                for next in at + 1..count.min(at + 1 + REACH) {
                    let other = ours.keys[next].1;
                    let distance = self.distance(point, ours.points.row(next));
                    inside[own as usize].offer(distance, other);
                    inside[other as usize].offer(distance, own);
                }
                there += known.keys[there..].iter().take_while(|(other, _)| *other < key).count();
                for near in there.saturating_sub(REACH)..known.keys.len().min(there + REACH) {
                    outside[own as usize].offer(self.distance(point, known.points.row(near)), known.keys[near].1);
                }
            }
        }
        inside
            .iter()
            .zip(&outside)
            .map(|(inside, outside)| Nearness {
                crowding: ((outside.at(NEIGHBOUR_TRUSTED) + FLOOR) / (inside.at(NEIGHBOUR) + FLOOR)).ln(),
                clone: ((outside.at(NEIGHBOUR) + FLOOR) / (outside.at(1) + FLOOR)).ln(),
                isolation: (outside.at(NEIGHBOUR_TRUSTED) + FLOOR).ln(),
            })
            .collect()
    }
}

/// The largest calibrated block that so many rows fill.
pub(crate) fn block_of(rows: usize, largest: usize) -> Option<usize> {
    BLOCKS.iter().copied().rev().find(|&size| size <= rows && size <= largest)
}
