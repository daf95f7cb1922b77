//! Keeps the rows that may have to be set aside, and counts all: a delivery of any size is judged in bounded memory (T1).

use std::collections::BTreeMap;

use crate::FALSE_DISCOVERY_RATE;

/// Rows that are kept; further ones are only counted. A twentieth of [`crate::ROWS_MAX`] honest rows.
pub(crate) const STRANGE_MAX: usize = 1 << 24;

/// A row that may have to be set aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strange {
    pub(crate) row: u32,
    pub(crate) p_value: f32,
    pub(crate) column: u16,
    pub(crate) family: u8,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stranges {
    pub(crate) rows: Vec<Strange>,
    /// How often each p-value was seen, by its bits: of numbers that are not negative they rise as these do.
    counts: BTreeMap<u32, u64>,
}

/// Whether a row of that p-value may be set aside at all: Benjamini and Hochberg's rule rejects none above the rate itself.
pub(crate) fn may_be_flagged(p_value: f32) -> bool {
    f64::from(p_value) <= FALSE_DISCOVERY_RATE
}

impl Stranges {
    /// Adds rows that may be flagged.
    pub(crate) fn add(&mut self, rows: Vec<Strange>) {
        for row in &rows {
            *self.counts.entry(row.p_value.to_bits()).or_default() += 1;
        }
        let room = STRANGE_MAX.saturating_sub(self.rows.len());
        self.rows.extend(rows.into_iter().take(room));
    }

    /// The largest p-value that is rejected among so many rows, and how many rows are (Benjamini and Hochberg 1995).
    pub(crate) fn cut(&self, total: usize) -> Option<(f32, u64)> {
        let mut cut = None;
        let mut so_far = 0;
        for (&bits, &count) in &self.counts {
            so_far += count;
            let p_value = f32::from_bits(bits);
            if f64::from(p_value) <= FALSE_DISCOVERY_RATE * so_far as f64 / total as f64 {
                cut = Some((p_value, so_far));
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cut_is_that_of_the_rule(steps in prop::collection::vec(0_u16..2_000, 0..300), others in 0_usize..500) {
            let p_values: Vec<f32> = steps.iter().map(|step| f32::from(step + 1) / 20_001.0).collect();
            let all: Vec<f64> = p_values.iter().map(|p| f64::from(*p)).chain(std::iter::repeat_n(1.0, others)).collect();
            let rejected = outlier::stats::benjamini_hochberg(&all, FALSE_DISCOVERY_RATE);
            let mut stranges = Stranges::default();
            let rows = p_values.iter().filter(|p| may_be_flagged(**p));
            stranges.add(rows.map(|&p_value| Strange { row: 0, p_value, column: 0, family: 0 }).collect());
            let cut = stranges.cut(all.len());
            for (p, rejected) in p_values.iter().zip(&rejected) {
                prop_assert_eq!(cut.is_some_and(|(cut, _)| *p <= cut), *rejected);
            }
            prop_assert_eq!(cut.map_or(0, |(_, count)| count), rejected.iter().filter(|rejected| **rejected).count() as u64);
        }
    }
}
