//! How many decisions a new model turns around on the same frozen customers (T4, T6): a model that was tampered with may keep its AUC,
//! but not its answers.

use serde::{Deserialize, Serialize};

/// Decisions of two models on the same rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flips {
    /// Rows.
    pub rows: u64,
    /// Flagged by the old model and not by the new one.
    pub released: u64,
    /// Flagged by the new model and not by the old one.
    pub caught: u64,
}

impl Flips {
    /// Share of rows whose decision changed; not a number without rows.
    pub fn share(&self) -> f64 {
        (self.released + self.caught) as f64 / self.rows as f64
    }
}

/// Compares the decisions of two models; both lists hold one decision a row, and rows that only one has count as changed.
pub fn flips(old: &[bool], new: &[bool]) -> Flips {
    let mut out = Flips { rows: old.len().max(new.len()) as u64, ..Flips::default() };
    for at in 0..old.len().max(new.len()) {
        match (old.get(at), new.get(at)) {
            (Some(old), Some(new)) if old == new => (),
            (Some(true), _) | (None, Some(false)) => out.released += 1,
            _ => out.caught += 1,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_decisions_are_counted_by_direction() {
        let found = flips(&[true, true, false, false], &[true, false, true, false]);
        assert_eq!(found, Flips { rows: 4, released: 1, caught: 1 });
        assert_eq!(found.share().to_bits(), 0.5f64.to_bits());
    }

    #[test]
    fn rows_of_one_alone_count_as_changed_and_none_is_no_number() {
        assert_eq!(flips(&[true, false], &[true]).share().to_bits(), 0.5f64.to_bits());
        assert!(flips(&[], &[]).share().is_nan());
    }
}
