//! Finds rows that are equal: copies inflate scores if a split parts them, and cheaply multiply a poisoned customer (T1).

use frame::Column;
use rayon::slice::ParallelSliceMut;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Different rows of one quick hash from which on they are hashed again.
const FIRSTS_MAX: usize = 16;

/// What rows are compared by.
pub(super) struct Parts<'a> {
    pub(super) ids: &'a [String],
    pub(super) columns: Vec<&'a Column>,
    pub(super) label: Option<&'a [Option<bool>]>,
    pub(super) time: Option<&'a [Option<i64>]>,
    pub(super) value: Option<&'a [f64]>,
}

/// A number such that equal numbers, and all missing ones, have equal bits.
fn bits(value: f64) -> u64 {
    if value.is_nan() { u64::MAX } else { (value + 0.0).to_bits() }
}

impl Parts<'_> {
    fn hash(&self, row: usize) -> u64 {
        // The hasher's keys are fixed, so that groups are the same on every run; equal hashes are compared in full below.
        let mut hasher = DefaultHasher::new();
        self.ids.get(row).hash(&mut hasher);
        self.label.map(|all| all.get(row)).hash(&mut hasher);
        self.time.map(|all| all.get(row)).hash(&mut hasher);
        self.value.and_then(|all| all.get(row)).map(|&value| bits(value)).hash(&mut hasher);
        for column in &self.columns {
            match column {
                Column::Number(values) => values.get(row).map(|&value| bits(value)).hash(&mut hasher),
                Column::Category(categories) => categories.codes.get(row).hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    fn equal(&self, one: usize, two: usize) -> bool {
        let same = |values: &[f64]| values.get(one).map(|&value| bits(value)) == values.get(two).map(|&value| bits(value));
        self.ids.get(one) == self.ids.get(two)
            && self.label.is_none_or(|all| all.get(one) == all.get(two))
            && self.time.is_none_or(|all| all.get(one) == all.get(two))
            && self.value.is_none_or(same)
            && self.columns.iter().all(|column| match column {
                Column::Number(values) => same(values),
                Column::Category(categories) => categories.codes.get(one) == categories.codes.get(two),
            })
    }

    /// A quick hash of every row, column by column.
    fn quick(&self, rows: usize) -> Vec<u64> {
        let mut out = vec![0; rows];
        let mut mix =
            |bits: &mut dyn Iterator<Item = u64>| out.iter_mut().zip(bits).for_each(|(hash, bits)| *hash = mixed(*hash ^ bits));
        for column in &self.columns {
            match column {
                Column::Number(values) => mix(&mut values.iter().map(|&value| bits(value))),
                Column::Category(categories) => mix(&mut categories.codes.iter().map(|&code| u64::from(code))),
            }
        }
        if let Some(values) = self.value {
            mix(&mut values.iter().map(|&value| bits(value)));
        }
        if let Some(times) = self.time {
            mix(&mut times.iter().map(|time| time.map_or(u64::MAX, i64::cast_unsigned)));
        }
        mix(&mut self.ids.iter().map(|id| if id.is_empty() { 0 } else { hashed(id) }));
        out
    }

    /// For each row the first row equal to it.
    pub(super) fn groups(&self, rows: usize) -> Vec<usize> {
        let mut hashes: Vec<(u64, usize)> = self.quick(rows).into_iter().zip(0..).collect();
        hashes.par_sort_unstable();
        let mut out: Vec<usize> = (0..rows).collect();
        for run in hashes.chunk_by(|one, two| one.0 == two.0).filter(|run| run.len() > 1) {
            if self.part(run, FIRSTS_MAX, &mut out) {
                continue;
            }
            // Many different rows under one quick hash were made to collide, or have no columns: a stronger hash parts them.
            let mut strong: Vec<(u64, usize)> = run.iter().map(|&(_, row)| (self.hash(row), row)).collect();
            strong.sort_unstable();
            for run in strong.chunk_by(|one, two| one.0 == two.0) {
                self.part(run, usize::MAX, &mut out);
            }
        }
        out
    }

    /// Groups the rows of one hash, in their order; gives up if more than `firsts_max` of them differ.
    fn part(&self, run: &[(u64, usize)], firsts_max: usize, out: &mut [usize]) -> bool {
        let mut firsts: Vec<usize> = Vec::new();
        for &(_, row) in run {
            match firsts.iter().find(|&&first| self.equal(first, row)) {
                Some(&first) => out[row] = first,
                None => {
                    out[row] = row;
                    firsts.push(row);
                }
            }
            if firsts.len() > firsts_max {
                return false;
            }
        }
        true
    }
}

/// SplitMix64's finisher.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn hashed(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
