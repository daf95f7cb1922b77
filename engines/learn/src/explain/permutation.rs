//! Measures how much the vote leans on a column: the AUC that is lost when its values are dealt out at random (Breiman 2001), many
//! times, with the spread (T4, T5: a model that leans on one column is fooled by that column).
//!
//! Columns that say the same stand in for each other, so each of them may look as if it did not matter.

use frame::{Column, Frame};

use crate::ensemble::Ensemble;
use crate::error::{LearnError, in_range};
use crate::metrics::roc_auc;
use crate::rng::{Rng, derive};

/// Most rows that are dealt out; others are drawn from.
pub const ROWS_MAX: usize = 2_000;
/// The use of the seed.
const SEED_USE: u64 = 0x9E;

/// What one column is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The column.
    pub column: String,
    /// Mean loss of the vote's AUC.
    pub drop: f64,
    /// Its standard deviation over the repetitions.
    pub deviation: f64,
}

/// The loss of each of the model's columns, largest first, and the AUC without any loss. Same figures for any number of threads.
///
/// # Errors
/// Other than 2 to 100 repetitions, rows that do not fit the model, labels of one class.
pub fn permutation(
    model: &Ensemble,
    rows: &Frame,
    labels: &[bool],
    repetitions: usize,
    seed: u64,
) -> Result<(Vec<Importance>, f64), LearnError> {
    in_range("repetitions", repetitions as f64, 2.0, 100.0, "2 to 100")?;
    if labels.len() != rows.rows() {
        return Err(LearnError::Count { what: "labels", expected: rows.rows(), seen: labels.len() });
    }
    let mut drawn: Vec<usize> = (0..rows.rows()).collect();
    if drawn.len() > ROWS_MAX {
        Rng::new(derive(seed, SEED_USE, u64::MAX)).shuffle(&mut drawn);
        drawn.truncate(ROWS_MAX);
        drawn.sort_unstable();
    }
    let labels: Vec<bool> = drawn.iter().map(|&row| labels[row]).collect();
    if !labels.contains(&true) || !labels.contains(&false) {
        return Err(LearnError::OneClass { where_: "the rows to explain by" });
    }
    let rows = rows.take(&drawn);
    let auc = |rows: &Frame| -> Result<f64, LearnError> {
        Ok(roc_auc(&model.predict(rows)?.iter().map(|scores| scores.vote).collect::<Vec<_>>(), &labels))
    };
    let whole = auc(&rows)?;
    let mut out = Vec::new();
    for (at, spec) in model.columns().iter().enumerate() {
        let mut drops = Vec::with_capacity(repetitions);
        for turn in 0..repetitions {
            let mut order: Vec<usize> = (0..rows.rows()).collect();
            Rng::new(derive(seed, SEED_USE, (at * 100 + turn) as u64)).shuffle(&mut order);
            drops.push(whole - auc(&dealt(&rows, &spec.name, &order)?)?);
        }
        let mean = drops.iter().sum::<f64>() / repetitions as f64;
        let square = drops.iter().map(|drop| (drop - mean) * (drop - mean)).sum::<f64>() / (repetitions - 1) as f64;
        out.push(Importance { column: spec.name.clone(), drop: mean, deviation: square.sqrt() });
    }
    out.sort_by(|left, right| right.drop.total_cmp(&left.drop).then_with(|| left.column.cmp(&right.column)));
    Ok((out, whole))
}

/// The rows with one column in another order.
fn dealt(rows: &Frame, column: &str, order: &[usize]) -> Result<Frame, LearnError> {
    let mut out = Frame::new(rows.rows());
    for (name, values) in rows.iter() {
        let values: Column = if name == column { values.take(order) } else { values.clone() };
        out.push(name, values).map_err(|error| LearnError::Write(error.to_string()))?;
    }
    Ok(out)
}
