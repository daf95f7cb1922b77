//! A second person labels some random rows without seeing the first label: the one check of labels that no model can be fooled into
//! passing, with its power known beforehand (T6).
//!
//! The draw must be made after the labels are bound (from a seed that the author could not know, such as a digest that the log gave
//! later): who knows which rows are drawn leaves those alone.

use learn::interval::share_at_most;
use learn::rng::Rng;
use serde::{Deserialize, Serialize};

use crate::LabelError;
use crate::error::same;
use crate::law::{Urn, count};

/// How many random rows must be labelled again so that, if `share` of all `rows` are wrong, no wrong one among them has probability at
/// most `miss`: exact, by the hypergeometric law. At least one row counts as wrong.
///
/// # Errors
/// No rows, a share that is not above 0 and up to 1, a `miss` that is not between 0 and 1.
pub fn rows_needed(rows: u64, share: f64, miss: f64) -> Result<u64, LabelError> {
    if rows == 0 {
        return Err(LabelError::Count { what: "rows to draw from", expected: 1, seen: 0 });
    }
    if !(share > 0.0 && share <= 1.0) {
        return Err(LabelError::Setting { name: "share", seen: share, allowed: "above 0 to 1" });
    }
    within(miss)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the rows, at most all of them")]
    let wrong = ((share * count(rows)).ceil() as u64).clamp(1, rows);
    let (mut low, mut high) = (1, rows);
    while low < high {
        let middle = low + (high - low) / 2;
        if (Urn { rows, marked: wrong, drawn: middle }).at_most(0) <= miss { high = middle } else { low = middle + 1 }
    }
    Ok(low)
}

fn within(miss: f64) -> Result<(), LabelError> {
    if miss > 0.0 && miss < 1.0 {
        return Ok(());
    }
    Err(LabelError::Setting { name: "miss", seen: miss, allowed: "between 0 and 1" })
}

/// Rows to label again: `wanted` of `0..rows` without replacement, every set of rows equally likely, rising; all rows where there are
/// fewer. The same seed gives the same rows (Fisher and Yates, as far as needed).
pub fn draw(rows: usize, wanted: usize, seed: u64) -> Vec<usize> {
    let mut rng = Rng::new(seed);
    let mut order: Vec<usize> = (0..rows).collect();
    let wanted = wanted.min(rows);
    for at in 0..wanted {
        order.swap(at, at + rng.below(rows - at));
    }
    order.truncate(wanted);
    order.sort_unstable();
    order
}

/// What the second labels say of all labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Rows that were drawn.
    pub drawn: u64,
    /// Of these, rows for which no second label came; they count as wrong.
    pub missing: u64,
    /// Labels that say "stayed" where the second says "churned".
    pub hidden: u64,
    /// Labels that say "churned" where the second says "stayed".
    pub invented: u64,
    /// Upper end of the share of wrong labels, as if rows were drawn from endlessly many (Clopper and Pearson 1934).
    pub share_at_most: f64,
    /// Upper end of the number of wrong labels among all rows, exact for a draw without replacement, so never above the share's.
    pub wrong_at_most: u64,
}

/// Holds second labels of drawn rows against the given ones. `given[i]` and `second[i]` are of the `i`-th drawn row of all `rows`. Each
/// upper end is passed by the truth with probability at most `miss`.
///
/// # Errors
/// Lists of different lengths, more drawn than there are, a `miss` that is not between 0 and 1.
pub fn judge(rows: u64, given: &[bool], second: &[Option<bool>], miss: f64) -> Result<Second, LabelError> {
    same("second labels", given.len(), second.len())?;
    within(miss)?;
    let drawn = given.len() as u64;
    if drawn > rows {
        return Err(LabelError::Count {
            what: "drawn rows",
            expected: usize::try_from(rows).unwrap_or(usize::MAX),
            seen: given.len(),
        });
    }
    let tally = |wanted: &dyn Fn(bool, Option<bool>) -> bool| {
        given.iter().zip(second).filter(|(given, second)| wanted(**given, **second)).count() as u64
    };
    let missing = tally(&|_, second| second.is_none());
    let hidden = tally(&|given, second| !given && second == Some(true));
    let invented = tally(&|given, second| given && second == Some(false));
    let wrong = missing + hidden + invented;
    Ok(Second {
        drawn,
        missing,
        hidden,
        invented,
        share_at_most: share_at_most(wrong, drawn, miss),
        wrong_at_most: wrong_at_most(rows, drawn, wrong, miss),
    })
}

/// The most wrong rows among all that give so few in the draw with a probability above `miss`.
fn wrong_at_most(rows: u64, drawn: u64, wrong: u64, miss: f64) -> u64 {
    // Rows that were drawn and found right are right.
    let (mut low, mut high) = (wrong, rows - (drawn - wrong));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if (Urn { rows, marked: middle, drawn }).at_most(wrong) > miss { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_rows_need_what_the_power_law_says() {
        // ln(0.05) / ln(1 - share): 299 for 1 %, 59 for 5 %, 29 for 10 %.
        for (share, needed) in [(0.01, 299), (0.05, 59), (0.1, 29)] {
            let found = rows_needed(100_000_000, share, 0.05).unwrap();
            assert!(found.abs_diff(needed) <= 1, "{share}: {found}");
        }
    }

    #[test]
    fn one_row_less_would_miss_more() {
        for (rows, share, miss) in [(200, 0.05, 0.05), (7_043, 0.01, 0.01), (50, 0.02, 0.1), (5, 1.0, 0.5), (1, 0.1, 0.1)] {
            let needed = rows_needed(rows, share, miss).unwrap();
            let marked = ((share * rows as f64).ceil() as u64).max(1);
            assert!(Urn { rows, marked, drawn: needed }.at_most(0) <= miss);
            assert!(needed == 1 || Urn { rows, marked, drawn: needed - 1 }.at_most(0) > miss, "{rows} {share} {miss}");
        }
    }

    #[test]
    fn senseless_questions_are_refused() {
        assert!(rows_needed(0, 0.1, 0.1).is_err());
        for wrong in [0.0, -1.0, 1.5, f64::NAN] {
            assert!(rows_needed(10, wrong, 0.1).is_err());
        }
        assert!(rows_needed(10, 0.1, 0.0).is_err());
        assert!(rows_needed(10, 0.1, 1.0).is_err());
        assert!(judge(10, &[true], &[], 0.05).is_err());
        assert!(judge(1, &[true; 2], &[None; 2], 0.05).is_err());
    }

    #[test]
    fn a_draw_is_fair_and_repeatable() {
        assert_eq!(draw(1_000, 50, 7), draw(1_000, 50, 7));
        assert_ne!(draw(1_000, 50, 7), draw(1_000, 50, 8));
        assert_eq!(draw(5, 9, 1), [0, 1, 2, 3, 4]);
        assert!(draw(0, 3, 1).is_empty());
        let mut times = [0_u32; 20];
        for seed in 0..4_000 {
            let rows = draw(20, 5, seed);
            assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
            rows.into_iter().for_each(|row| times[row] += 1);
        }
        // 1,000 times each, deviation 27.
        assert!(times.iter().all(|&times| times.abs_diff(1_000) < 140), "{times:?}");
    }

    #[test]
    fn the_upper_end_holds_as_often_as_it_says() {
        // 40 of 400 rows are wrong; the upper end of a draw of 60 is below the truth in at most 5 of 100 draws.
        let wrong = |row: usize| row.is_multiple_of(10);
        let (mut low, mut low_share) = (0, 0);
        for seed in 0..2_000 {
            let rows = draw(400, 60, seed);
            let given = vec![false; rows.len()];
            let second: Vec<Option<bool>> = rows.iter().map(|&row| Some(wrong(row))).collect();
            let found = judge(400, &given, &second, 0.05).unwrap();
            low += u32::from(found.wrong_at_most < 40);
            low_share += u32::from(found.share_at_most < 0.1);
            assert!(found.wrong_at_most as f64 <= found.share_at_most * 400.0 + 1.0);
        }
        assert!(low <= 120 && low > 10, "{low}");
        assert!(low_share <= low, "{low_share} {low}");
    }

    #[test]
    fn what_did_not_come_counts_as_wrong() {
        let given = [true, true, false, false];
        let all = judge(4, &given, &[Some(true), Some(true), Some(false), Some(false)], 0.05).unwrap();
        assert_eq!((all.wrong_at_most, all.missing, all.hidden, all.invented), (0, 0, 0, 0));
        let some = judge(4, &given, &[None, Some(false), Some(true), Some(false)], 0.05).unwrap();
        assert_eq!((some.wrong_at_most, some.missing, some.hidden, some.invented), (3, 1, 1, 1));
        assert!(judge(9, &[], &[], 0.05).unwrap().wrong_at_most == 9);
    }
}
