//! Samples and counts whose size does not grow with the table.

use crate::bridge::Cells;
use crate::marks::Marks;
use crate::number::show;
use arrow_array::Array;
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// Bytes of a text that a sample keeps.
const SAMPLE_TEXT_BYTES_MAX: usize = 64;

/// One value of the sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Missing,
    Number(f64),
    Moment(i64),
    Text(Box<str>),
}

/// One value on its way.
#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    Missing,
    Number(f64),
    Moment(i64),
    Text(&'a str),
}

impl Cell {
    /// The value of a row; blanks around a text do not count.
    pub(super) fn of<'a>(cells: Cells<'a>, row: usize, marks: &Marks) -> View<'a> {
        match cells {
            Cells::Text(all) if all.is_valid(row) => marks.present(all.value(row)).map_or(View::Missing, View::Text),
            Cells::Number(all) if all.is_valid(row) && !all.value(row).is_nan() => View::Number(all.value(row)),
            Cells::Moment(all) if all.is_valid(row) => View::Moment(all.value(row)),
            Cells::Text(_) | Cells::Number(_) | Cells::Moment(_) => View::Missing,
        }
    }

    /// As text, whole numbers without a fraction; `None` is missing.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Missing => None,
            Self::Number(value) => Some(Cow::Owned(show(*value))),
            Self::Moment(value) => Some(Cow::Owned(value.to_string())),
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }
}

impl View<'_> {
    pub(super) fn owned(&self) -> Cell {
        match *self {
            View::Missing => Cell::Missing,
            View::Number(value) => Cell::Number(value),
            View::Moment(value) => Cell::Moment(value),
            View::Text(text) => Cell::Text(text.get(..text.floor_char_boundary(SAMPLE_TEXT_BYTES_MAX)).unwrap_or(text).into()),
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of the number.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A uniform sample of rows: those whose hashed number is below a bound, which is halved whenever there are too many.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    bound: u64,
    rows_max: usize,
    rows: Vec<u64>,
    columns: Vec<Vec<Cell>>,
}

impl Sampler {
    pub(super) fn new(columns: usize, rows_max: usize) -> Self {
        Self { bound: u64::MAX, rows_max, rows: Vec::new(), columns: vec![Vec::new(); columns] }
    }

    /// Which rows of a batch, of which `first` is the first row's number, are taken.
    pub(super) fn choose(&mut self, first: u64, rows: usize) -> Vec<usize> {
        let taken: Vec<usize> = (0..rows).zip(first..).filter(|&(_, row)| mixed(row) <= self.bound).map(|(at, _)| at).collect();
        self.rows.extend(taken.iter().map(|&at| first + u64::try_from(at).unwrap_or(0)));
        taken
    }

    pub(super) fn keep(&mut self, column: usize, cell: Cell) {
        if let Some(cells) = self.columns.get_mut(column) {
            cells.push(cell);
        }
    }

    /// Drops rows until there are not too many.
    pub(super) fn thin(&mut self) {
        while self.rows.len() > self.rows_max && self.bound > 0 {
            self.bound /= 2;
            let keep: Vec<bool> = self.rows.iter().map(|&row| mixed(row) <= self.bound).collect();
            for cells in &mut self.columns {
                let mut kept = keep.iter();
                cells.retain(|_| kept.next() == Some(&true));
            }
            let mut kept = keep.iter();
            self.rows.retain(|_| kept.next() == Some(&true));
        }
    }

    pub(super) fn finish(self) -> Vec<Vec<Cell>> {
        self.columns
    }
}

/// Passes on numbers that are hashes already; the product brings their low bits up, since an adaptive sample keeps small ones.
#[derive(Clone, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// Counts distinct values: exactly up to a limit, then by adaptive sampling (Flajolet 1990), of which the standard error is about
/// `1.2 / sqrt(limit)`.
#[derive(Clone, Debug)]
pub(super) struct Distinct {
    bound: u64,
    halvings: u32,
    max: usize,
    hashes: HashSet<u64, BuildHasherDefault<Hashed>>,
}

impl Distinct {
    pub(super) fn new(max: usize) -> Self {
        Self { bound: u64::MAX, halvings: 0, max, hashes: HashSet::default() }
    }

    pub(super) fn push(&mut self, value: impl Hash) {
        // The hasher's keys are fixed: the same values are sampled on every run.
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if hash > self.bound {
            return;
        }
        self.hashes.insert(hash);
        while self.hashes.len() > self.max && self.bound > 0 {
            self.bound /= 2;
            self.halvings += 1;
            self.hashes.retain(|&hash| hash <= self.bound);
        }
    }

    /// The count, and whether it is exact.
    pub(super) fn count(&self) -> (u64, bool) {
        let kept = u64::try_from(self.hashes.len()).unwrap_or(u64::MAX);
        (kept.saturating_mul(1_u64.checked_shl(self.halvings).unwrap_or(u64::MAX)), self.halvings == 0)
    }
}
