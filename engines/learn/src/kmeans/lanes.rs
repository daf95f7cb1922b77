//! The nearest of a few centres for many points, sixteen points at a time, without branches.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::wide::{add_scaled, widest};

pub(crate) use crate::wide::LANES;

/// Blocks of one task: sums are added task by task, in order, on any number of threads.
const TASK: usize = 256;
/// Numbers beyond this are cut, so that squares and their sums stay finite.
const NUMBER_MAX: f32 = 1e15;

/// Points in blocks of [`LANES`], within a block column after column; the last block is filled up by its last point.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    columns: usize,
    count: usize,
    values: Vec<[f32; LANES]>,
}

/// Distances of a block's points to the nearest centre, and which that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Nearest {
    /// Squared distance less the point's squared length, which does not change from centre to centre.
    pub(crate) far: [f32; LANES],
    pub(crate) centre: [u32; LANES],
}

impl Nearest {
    #[inline(always)]
    fn lower(&mut self, pull: &[f32; LANES], length: f32, next: u32) {
        for ((best, centre), pull) in self.far.iter_mut().zip(&mut self.centre).zip(pull) {
            let far = pull + length;
            let nearer = far < *best;
            *best = if nearer { far } else { *best };
            *centre = if nearer { next } else { *centre };
        }
    }
}

impl Blocks {
    /// Packs points that follow each other.
    pub(crate) fn new(values: impl Fn(usize, usize) -> f32 + Sync, count: usize, columns: usize) -> Self {
        let blocks = count.div_ceil(LANES);
        let mut out = vec![[0.0; LANES]; blocks * columns];
        out.par_chunks_mut(columns.max(1)).enumerate().for_each(|(block, lanes)| {
            for (column, lanes) in lanes.iter_mut().enumerate() {
                for (lane, value) in lanes.iter_mut().enumerate() {
                    *value = values((block * LANES + lane).min(count - 1), column).clamp(-NUMBER_MAX, NUMBER_MAX);
                }
            }
        });
        Self { columns, count, values: out }
    }

    /// How many points.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The nearest of each point's centres, into `out`, one a block; runs on this thread.
    fn nearest(&self, first: usize, centres: &Centres, out: &mut [Nearest]) {
        widest(Search { blocks: &self.values[first * self.columns..(first + out.len()) * self.columns], centres, out });
    }

    /// One step of Lloyd's: the nearest centre of each point, and per centre the sums of the points that came, less those that
    /// went, and how many came. Same bits on any number of threads.
    pub(crate) fn step(&self, centres: &Centres, own: &mut [[u32; LANES]], change: &mut Change) {
        let size = centres.count * self.columns;
        let parts: Vec<Change> = own
            .par_chunks_mut(TASK)
            .enumerate()
            .map(|(task, own)| {
                let mut found = vec![Nearest { far: [0.0; LANES], centre: [0; LANES] }; own.len()];
                self.nearest(task * TASK, centres, &mut found);
                let mut change = Change::none(centres.count, size);
                for (at, (own, found)) in own.iter_mut().zip(&found).enumerate() {
                    if *own != found.centre {
                        self.moved(task * TASK + at, own, &found.centre, &mut change);
                        *own = found.centre;
                    }
                }
                change
            })
            .collect();
        for part in parts {
            change.add(&part);
        }
    }

    fn moved(&self, block: usize, own: &[u32; LANES], next: &[u32; LANES], change: &mut Change) {
        let lanes = &self.values[block * self.columns..(block + 1) * self.columns];
        let known = self.count - block * LANES;
        for lane in (0..LANES.min(known)).filter(|&lane| own[lane] != next[lane]) {
            change.moves += 1;
            for (centre, sign) in [(own[lane], -1.0), (next[lane], 1.0)] {
                let centre = centre as usize;
                // A point that had no centre yet comes from beyond the last.
                if let Some(count) = change.counts.get_mut(centre) {
                    *count += sign as i64;
                    let sums = &mut change.sums[centre * self.columns..(centre + 1) * self.columns];
                    sums.iter_mut().zip(lanes).for_each(|(sum, lanes)| *sum += sign * f64::from(lanes[lane]));
                }
            }
        }
    }

    /// Lowers each point's squared distance to that from a new centre; for the choice of starting centres.
    pub(crate) fn lower(&self, centre: &[f32], distance: &mut [[f32; LANES]]) {
        distance
            .par_chunks_mut(TASK)
            .zip(self.values.par_chunks(TASK * self.columns.max(1)))
            .for_each(|(distance, blocks)| widest(Lower { columns: self.columns, blocks, centre, distance }));
    }

    /// One point.
    pub(crate) fn at(&self, point: usize) -> Vec<f32> {
        let lanes = &self.values[point / LANES * self.columns..(point / LANES + 1) * self.columns];
        lanes.iter().map(|lanes| lanes[point % LANES]).collect()
    }
}

/// What one step changes.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Per centre, column after column.
    pub(crate) sums: Vec<f64>,
    pub(crate) counts: Vec<i64>,
    /// Points that changed their centre.
    pub(crate) moves: usize,
}

impl Change {
    /// None, for so many centres and numbers of centres.
    pub(crate) fn none(centres: usize, size: usize) -> Self {
        Self { sums: vec![0.0; size], counts: vec![0; centres], moves: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum += other);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.moves += other.moves;
    }
}

/// Centres that meet a block's numbers together.
const TOGETHER: usize = 4;

/// Centres as the search reads them, in groups of [`TOGETHER`]; the last is filled up by centres at infinity.
#[derive(Clone, Debug)]
pub(crate) struct Centres {
    count: usize,
    columns: usize,
    /// Minus twice each number, group after group, column after column.
    pulls: Vec<[f32; TOGETHER]>,
    /// Squared lengths, a group each.
    lengths: Vec<[f32; TOGETHER]>,
}

impl Centres {
    /// Prepares centres that follow each other.
    pub(crate) fn new(values: &[f64], columns: usize) -> Self {
        let count = values.len() / columns.max(1);
        let value = |centre: usize, column: usize| {
            if centre < count { (values[centre * columns + column] as f32).clamp(-NUMBER_MAX, NUMBER_MAX) } else { 0.0 }
        };
        let length = |centre: usize| match centre < count {
            true => (0..columns).map(|column| f64::from(value(centre, column)).powi(2)).sum::<f64>() as f32,
            false => f32::INFINITY,
        };
        let (mut pulls, mut lengths) = (Vec::new(), Vec::new());
        for first in (0..count).step_by(TOGETHER) {
            pulls.extend((0..columns).map(|column| std::array::from_fn(|at| -2.0 * value(first + at, column))));
            lengths.push(std::array::from_fn(|at| length(first + at)));
        }
        Self { count, columns, pulls, lengths }
    }
}

struct Search<'a> {
    blocks: &'a [[f32; LANES]],
    centres: &'a Centres,
    out: &'a mut [Nearest],
}

impl NullaryFnOnce for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { blocks, centres, out } = self;
        let columns = centres.columns;
        for (block, out) in blocks.chunks_exact(columns).zip(out) {
            let mut best = Nearest { far: [f32::INFINITY; LANES], centre: [0; LANES] };
            for (group, (pulls, lengths)) in centres.pulls.chunks_exact(columns).zip(&centres.lengths).enumerate() {
                let (mut first, mut second) = ([0.0f32; LANES], [0.0f32; LANES]);
                let (mut third, mut fourth) = ([0.0f32; LANES], [0.0f32; LANES]);
                for (lanes, pulls) in block.iter().zip(pulls) {
                    add_scaled(&mut first, lanes, pulls[0]);
                    add_scaled(&mut second, lanes, pulls[1]);
                    add_scaled(&mut third, lanes, pulls[2]);
                    add_scaled(&mut fourth, lanes, pulls[3]);
                }
                let next = (group * TOGETHER) as u32;
                best.lower(&first, lengths[0], next);
                best.lower(&second, lengths[1], next + 1);
                best.lower(&third, lengths[2], next + 2);
                best.lower(&fourth, lengths[3], next + 3);
            }
            *out = best;
        }
    }
}

struct Lower<'a> {
    columns: usize,
    blocks: &'a [[f32; LANES]],
    centre: &'a [f32],
    distance: &'a mut [[f32; LANES]],
}

impl NullaryFnOnce for Lower<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { columns, blocks, centre, distance } = self;
        for (block, distance) in blocks.chunks_exact(columns).zip(distance) {
            let mut far = [0.0f32; LANES];
            for (lanes, &value) in block.iter().zip(centre) {
                for lane in 0..LANES {
                    let gap = lanes[lane] - value;
                    far[lane] += gap * gap;
                }
            }
            for lane in 0..LANES {
                distance[lane] = if far[lane] < distance[lane] { far[lane] } else { distance[lane] };
            }
        }
    }
}

/// The centre of each point, block by block.
pub(crate) type Owners = Vec<[u32; LANES]>;

/// Lloyd's steps on given centres, which follow each other; then the nearest centre of each point. Centres without points stay.
pub(crate) fn lloyd(points: &Blocks, centres: &mut [f64], steps: usize, rest: f64) -> Owners {
    let columns = points.columns;
    let count = centres.len() / columns.max(1);
    let mut own = vec![[u32::MAX; LANES]; points.count.div_ceil(LANES)];
    let mut now = Change::none(count, centres.len());
    for _ in 0..steps {
        now.moves = 0;
        points.step(&Centres::new(centres, columns), &mut own, &mut now);
        let mut moved = 0.0;
        for (at, centre) in centres.chunks_mut(columns.max(1)).enumerate() {
            if now.counts[at] > 0 {
                for (value, sum) in centre.iter_mut().zip(&now.sums[at * columns..]) {
                    let next = sum / now.counts[at] as f64;
                    moved += (next - *value) * (next - *value);
                    *value = next;
                }
            }
        }
        if now.moves == 0 {
            return own;
        }
        if moved <= rest {
            break;
        }
    }
    points.step(&Centres::new(centres, columns), &mut own, &mut now);
    own
}

/// Moves centres towards the middles of their groups by a few steps.
pub(crate) fn improve(points: &[f32], columns: usize, centres: &mut [f32], steps: usize) {
    if columns == 0 || points.is_empty() {
        return;
    }
    let blocks = Blocks::new(|point, column| points[point * columns + column], points.len() / columns, columns);
    let mut places: Vec<f64> = centres.iter().map(|&value| f64::from(value)).collect();
    lloyd(&blocks, &mut places, steps, 0.0);
    centres.iter_mut().zip(places).for_each(|(centre, place)| *centre = place as f32);
}
