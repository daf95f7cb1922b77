//! Cuts columns into bins so that a split knows which rows an outsider can carry across it (T5).
//!
//! A row has three bins in a column that an outsider can move: of its value, of the lowest and of the highest value that he can give
//! it. A cut parts rows exactly, not up to a bin: a row is surely left of a cut if its highest bin is, surely right if its lowest is.

use rayon::prelude::*;

use super::reach::Reach;
use crate::preprocess::Matrix;

/// Most cuts of a column; one bin more, and [`MISSING`], fit 8 bits.
pub(super) const CUTS_MAX: usize = 254;
/// The bin of a missing value.
pub(super) const MISSING: u8 = u8::MAX;

/// One column in bins: bin `b` holds values that at least `b` cuts do not exceed.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Rising; a value below the cut goes left.
    pub(super) cuts: Vec<f32>,
    /// Bin of each row's value.
    pub(super) at: Vec<u8>,
    /// Bins of the lowest and highest value; empty where nobody moves the column.
    box_: Vec<(u8, u8)>,
}

impl Column {
    fn new(rows: &Matrix, at: usize, reach: Option<&Reach>, shares: &[f32], cuts_most: usize) -> Self {
        let values = rows.values().iter().skip(at).step_by(rows.columns()).copied();
        let edges = match reach {
            // Only where a row's box ends does a cut change what an outsider can do.
            Some(reach) => values.zip(shares).flat_map(|(value, &share)| <[f32; 2]>::from(reach.bounds(value, share))).collect(),
            None => values.collect(),
        };
        Self::with(cuts(edges, cuts_most), rows, at, reach, shares)
    }

    /// The column of these rows at given cuts.
    fn with(cuts: Vec<f32>, rows: &Matrix, at: usize, reach: Option<&Reach>, shares: &[f32]) -> Self {
        let values = || rows.values().iter().skip(at).step_by(rows.columns()).copied();
        let bounds = |(value, &share): (f32, &f32), reach: &Reach| {
            let (low, high) = reach.bounds(value, share);
            (bin(&cuts, low), bin(&cuts, high))
        };
        let box_ = reach.map_or(Vec::new(), |reach| values().zip(shares).map(|pair| bounds(pair, reach)).collect());
        Self { at: values().map(|value| bin(&cuts, value)).collect(), box_, cuts }
    }

    /// Whether an outsider can move it.
    pub(super) fn moves(&self) -> bool {
        !self.box_.is_empty()
    }

    /// Bins of the lowest and highest value of a row; equal where nobody moves the column. Both are [`MISSING`] if the value is.
    pub(super) fn bounds(&self, row: usize) -> (u8, u8) {
        self.box_.get(row).copied().unwrap_or((self.at[row], self.at[row]))
    }
}

/// The bin of a value.
fn bin(cuts: &[f32], value: f32) -> u8 {
    // INVARIANT: at most `CUTS_MAX` cuts, so the bin is below `MISSING`.
    if value.is_nan() { MISSING } else { cuts.partition_point(|&cut| cut <= value) as u8 }
}

/// Rising cuts between distinct values; where there are too many, between those at even ranks.
fn cuts(mut sorted: Vec<f32>, most: usize) -> Vec<f32> {
    sorted.retain(|value| !value.is_nan());
    sorted.sort_unstable_by(f32::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    let between = |low: f32, high: f32| {
        let middle = low / 2.0 + high / 2.0;
        if middle > low && middle <= high { middle } else { high }
    };
    if distinct.len() <= most + 1 {
        return distinct.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    }
    let mut out: Vec<f32> = Vec::new();
    for step in 1..=most {
        let low = sorted[step * sorted.len() / (most + 1)];
        let after = distinct.partition_point(|&value| value <= low);
        if let Some(&high) = distinct.get(after)
            && out.last().is_none_or(|&last| last < between(low, high))
        {
            out.push(between(low, high));
        }
    }
    out
}

/// Binned training rows.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
}

impl Table {
    /// Cuts every column into at most `bins` bins. Shares, one a row, say how much of its reach counts for the row.
    pub(super) fn new(rows: &Matrix, reach: &[Option<Reach>], shares: &[f32], bins: usize) -> Self {
        let cuts_most = bins.saturating_sub(1).clamp(1, CUTS_MAX);
        let column = |at: usize| Column::new(rows, at, reach.get(at).and_then(Option::as_ref), shares, cuts_most);
        Self { columns: (0..rows.columns()).into_par_iter().map(column).collect(), rows: rows.rows() }
    }

    /// Other rows at the cuts of this table, each with its whole reach.
    pub(super) fn of(&self, rows: &Matrix, reach: &[Option<Reach>]) -> Self {
        let shares = vec![1.0; rows.rows()];
        let column = |(at, column): (usize, &Column)| {
            Column::with(column.cuts.clone(), rows, at, reach.get(at).and_then(Option::as_ref), &shares)
        };
        Self { columns: self.columns.par_iter().enumerate().map(column).collect(), rows: rows.rows() }
    }

    /// Bins of all rows, row after row.
    pub(super) fn grid(&self) -> Vec<u8> {
        let width = self.columns.len();
        let mut out = vec![MISSING; self.rows * width];
        for (at, column) in self.columns.iter().enumerate() {
            out.iter_mut().skip(at).step_by(width).zip(&column.at).for_each(|(to, &from)| *to = from);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_separate_distinct_values() {
        assert_eq!(cuts(vec![3.0, 1.0, 1.0, 2.0, f32::NAN], 9), [1.5, 2.5]);
        assert!(cuts(vec![1.0, 1.0], 9).is_empty());
        assert_eq!(cuts(vec![1.0, 1.0f32.next_up()], 9), [1.0f32.next_up()]);
        let found = cuts((0..10_000).map(|value| value as f32).collect(), CUTS_MAX);
        assert_eq!(found.len(), CUTS_MAX);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_box_reaches_as_far_as_its_reach() {
        let rows = Matrix::new(vec![0.0, 1.0, 2.0, f32::NAN], 4, 1).unwrap();
        let table = Table::new(&rows, &[Some(Reach::both(0.75, false))], &[1.0, 1.0, 0.0, 1.0], 256);
        let column = &table.columns[0];
        let edges = |row: usize| column.bounds(row);
        // Ends in order: -0.75, 0.25, 0.75, 1.75, 2: four cuts.
        assert_eq!(column.cuts.len(), 4);
        assert_eq!([edges(0), edges(1), edges(2), edges(3)], [(0, 2), (1, 3), (4, 4), (MISSING, MISSING)]);
    }
}
