//! Finds rows that are equal: copies inflate scores if a split parts them, and cheaply multiply a poisoned customer (T1).

use frame::Column;
use std::hash::{DefaultHasher, Hash, Hasher};

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

    /// For each row the first row equal to it.
    pub(super) fn groups(&self, rows: usize) -> Vec<usize> {
        let mut hashes: Vec<(u64, usize)> = (0..rows).map(|row| (self.hash(row), row)).collect();
        hashes.sort_unstable();
        let mut out: Vec<usize> = (0..rows).collect();
        let mut firsts: Vec<usize> = Vec::new();
        for run in hashes.chunk_by(|one, two| one.0 == two.0).filter(|run| run.len() > 1) {
            firsts.clear();
            for &(_, row) in run {
                match firsts.iter().find(|&&first| self.equal(first, row)) {
                    Some(&first) => out[row] = first,
                    None => firsts.push(row),
                }
            }
        }
        out
    }
}
