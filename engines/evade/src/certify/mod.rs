//! Says for a row whether any input near it would get another answer, and proves it (T5): an exact certificate for additive trees.
//!
//! The answer holds for the score as the served model computes it, 32-bit rounding and order of summation included: bounds are
//! widened by a proven limit of the rounding, and what lies within that limit is computed as the model does.

mod local;
mod search;
mod state;

use rayon::prelude::*;
use serde::Serialize;

use crate::region::Region;
use crate::trees::{EvadeError, Trees};
use learn::Matrix;
use search::{Goal, Search};

/// Steps of one certificate where nothing else is asked for: far more than any row of our tests needs.
pub const STEPS: u64 = 200_000;

/// How much a search may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Boxes that are looked at. Each costs some microseconds.
    pub steps: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { steps: STEPS }
    }
}

/// Whether the answer can change in the region. Scores are log odds or chances, see [`crate::Sum`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It cannot.
    Robust {
        /// No score of the region goes further towards the threshold than this.
        bound: f64,
    },
    /// It can.
    Broken {
        /// A row of the region that gets the other answer.
        row: Vec<f32>,
        /// Its score.
        score: f64,
    },
    /// The budget was used up.
    Unknown {
        /// No score of the region goes further than this.
        bound: f64,
        /// The score that went furthest of those that were looked at.
        found: f64,
    },
}

/// What is known of one row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// Whether the row itself is positive: its score is at least the threshold.
    pub positive: bool,
    /// Its score.
    pub score: f64,
    /// Whether that can change in the region.
    pub verdict: Verdict,
    /// Boxes that were looked at.
    pub steps: u64,
}

/// The score that is furthest from the row's own in one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// A row of the region.
    pub row: Vec<f32>,
    /// Its score.
    pub score: f64,
    /// No score of the region goes further than this. Within the rounding of the sum of `score`, unless the search was cut short.
    pub bound: f64,
    /// Whether the budget was used up.
    pub cut_short: bool,
}

fn check(trees: &Trees, row: &[f32], region: &Region) -> Result<(), EvadeError> {
    if row.len() != trees.columns() {
        return Err(EvadeError::Count { what: "values of the row", expected: trees.columns(), seen: row.len() });
    }
    if region.columns() != trees.columns() {
        return Err(EvadeError::Count { what: "intervals of the region", expected: trees.columns(), seen: region.columns() });
    }
    if !region.contains(row) {
        let seen = "outside".to_owned();
        return Err(EvadeError::Number { what: "the row", seen, allowed: "the region that is to be searched" });
    }
    Ok(())
}

/// Decides whether any row of the region gets another answer than the row, where rows with a score of at least the threshold are
/// positive. The region contains the row. Takes no thread.
///
/// # Errors
/// Another number of columns, a row outside of the region, a threshold that is not finite.
pub fn certify(trees: &Trees, row: &[f32], region: &Region, threshold: f64, counts: Counts) -> Result<Certificate, EvadeError> {
    check(trees, row, region)?;
    if !threshold.is_finite() {
        let seen = threshold.to_string();
        return Err(EvadeError::Number { what: "the threshold", seen, allowed: "finite numbers" });
    }
    let score = trees.score(row);
    let positive = score >= threshold;
    let ended = Search::new(trees, row, region, Goal::Flip(threshold), !positive).run(counts);
    let verdict = match ended.found {
        Some((row, score)) if ended.flipped => Verdict::Broken { row, score },
        found if ended.cut_short => Verdict::Unknown { bound: ended.bound, found: found.map_or(score, |found| found.1) },
        Some(_) | None => Verdict::Robust { bound: ended.bound },
    };
    Ok(Certificate { positive, score, verdict, steps: ended.steps })
}

/// The highest score of the region, or the lowest. Takes no thread.
///
/// # Errors
/// As [`certify`].
pub fn worst(trees: &Trees, row: &[f32], region: &Region, upwards: bool, counts: Counts) -> Result<Worst, EvadeError> {
    check(trees, row, region)?;
    let ended = Search::new(trees, row, region, Goal::Worst, upwards).run(counts);
    let (found, score) = ended.found.unwrap_or_else(|| (row.to_vec(), trees.score(row)));
    Ok(Worst { row: found, score, bound: ended.bound, cut_short: ended.cut_short })
}

/// Certificates of many encoded rows, each in the box of that radius and those scales around it, in parallel. Same result for any
/// number of threads.
///
/// # Errors
/// As [`certify`] and [`Region::around`].
pub fn certify_rows(
    trees: &Trees,
    rows: &Matrix,
    scales: &[f64],
    radius: f64,
    threshold: f64,
    counts: Counts,
) -> Result<Vec<Certificate>, EvadeError> {
    let one = |row: usize| {
        let row = rows.row(row);
        certify(trees, row, &Region::around(row, scales, radius)?, threshold, counts)
    };
    (0..rows.rows()).into_par_iter().map(one).collect()
}

#[cfg(test)]
mod tests;
