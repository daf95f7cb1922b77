//! Scores a batch against a reference: a p-value per row, and one verdict on the batch that is right about clean batches
//! ninety-nine times in a hundred.

use drift::ColumnShift;
use frame::Frame;
use serde::{Deserialize, Serialize};

use crate::conditional::Scratch;
use crate::density::{BLOCK_ROWS_MAX, BLOCK_ROWS_MIN, Points};
use crate::reference::{Model, Reference, combine};
use crate::stats::{Curve, Mix, benjamini_hochberg, conformal, exceedance_tail};
use crate::{BATCH_FALSE_ALARM, BATCH_ROWS_MAX, Method, OutlierError, ROW_METHODS};

/// Marks of the batch test: the score that so small a share of held-back rows passes. The first sees many mild rows, the
/// second few wild ones.
const MARK_SHARES: [f64; 2] = [0.01, 0.001];
/// Smallest scale of the tail of the density curve, a log-ratio of distances.
const CROWDING_TAIL_FLOOR: f64 = 0.05;

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowScore {
    /// Conformal p-value of the row: small is strange. Its least value is one over the held-back rows plus one.
    pub p_value: f64,
    /// `-ln p` extrapolated beyond the held-back rows, to rank rows of equal p-value; larger is stranger.
    pub strangeness: f64,
    /// The method that drove it.
    pub method: Method,
    /// The column that drove it, by its place in [`BatchScore::columns`]; none for [`Method::Density`].
    pub column: Option<usize>,
    /// Surprise by each method: threshold, covariance, conditional, pair, density.
    pub surprises: [f32; 5],
}

/// One count of rows beyond a mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareTest {
    /// Whose scores.
    pub method: Method,
    /// Share of trusted rows beyond the mark.
    pub share: f64,
    /// Rows of the batch beyond the mark.
    pub rows_seen: usize,
    /// Rows that a clean batch would have there, on average.
    pub rows_expected: f64,
    /// P(a clean batch has at least so many).
    pub p_value: f64,
}

/// The verdict on a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchTest {
    /// Each count.
    pub tests: Vec<ShareTest>,
    /// The smallest p-value times the number of tests (Bonferroni), at most 1.
    pub p_value: f64,
    /// Whether `p_value` is at most [`BATCH_FALSE_ALARM`].
    pub alarm: bool,
    /// Columns against the fixed reference; advisory, no part of the alarm (an honest season moves them too).
    pub shifts: Vec<ColumnShift>,
}

/// A scored batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchScore {
    /// Names of the judged columns.
    pub columns: Vec<String>,
    /// One per row, in order.
    pub rows: Vec<RowScore>,
    /// The batch as a whole.
    pub batch: BatchTest,
}

impl BatchScore {
    /// Rows to set aside at a false discovery rate (for instance 0.05), by Benjamini and Hochberg's rule. With few strange rows
    /// in a large batch the p-values of a small reference cannot reach the rule; `batch` still sees them.
    pub fn flags(&self, rate: f64) -> Vec<bool> {
        benjamini_hochberg(&self.rows.iter().map(|row| row.p_value).collect::<Vec<_>>(), rate)
    }

    /// The name of the column that drove a row's score.
    pub fn column_name(&self, row: &RowScore) -> Option<&str> {
        self.columns.get(row.column?).map(String::as_str)
    }
}

/// Crowding of the batch's rows and, in blocks of the same size, of held-back rows.
struct Crowding {
    batch: Vec<f64>,
    /// Held-back rows (the first so many) that were dealt into whole blocks.
    held: Vec<f64>,
}

impl Reference {
    /// Scores a batch of up to [`BATCH_ROWS_MAX`] rows: time grows with rows x columns x 1,000 at most. An empty batch has no
    /// rows and no alarm.
    ///
    /// # Errors
    /// Too many rows, or a column that is missing or of another kind. Columns that the reference does not know are ignored.
    pub fn score(&self, batch: &Frame) -> Result<BatchScore, OutlierError> {
        if batch.rows() > BATCH_ROWS_MAX {
            return Err(OutlierError::TooManyRows(batch.rows()));
        }
        let model = &self.model;
        let table = model.encoder.encode(batch)?;
        let rows = batch.rows();
        let mut scratch = Scratch::default();
        let raw: Vec<_> = (0..rows).map(|row| model.raw_scores(table.row(row), &mut scratch)).collect();
        let crowding = crowding(model, &Points::new(&model.encoder, &table));
        let curve = crowding.as_ref().map(|known| Curve::fit(known.held.iter().copied(), CROWDING_TAIL_FLOOR));
        let crowded = |score: Option<&f64>| curve.as_ref().zip(score).map_or(0.0, |(curve, score)| curve.surprise(*score));

        let held_rows = crowding.as_ref().map_or(model.held.rows(), |known| known.held.len());
        let held: Vec<f64> = (0..held_rows)
            .map(|row| {
                let mut surprises: Vec<f64> = (0..ROW_METHODS.len())
                    .map(|method| model.surprise(method, f64::from(model.held_scores[method][row])))
                    .collect();
                surprises.push(crowded(crowding.as_ref().and_then(|known| known.held.get(row))));
                combine(&surprises)
            })
            .collect();
        let mut sorted = held;
        sorted.sort_by(f64::total_cmp);
        let scored: Vec<RowScore> = raw
            .iter()
            .enumerate()
            .map(|(row, raw)| {
                let density = crowded(crowding.as_ref().and_then(|known| known.batch.get(row)));
                let mut surprises = [0.0; 5];
                for (at, score) in raw.scores.iter().enumerate() {
                    // Through `f32` like the held-back scores, so that equal rows are ties.
                    surprises[at] = model.surprise(at, f64::from(*score as f32));
                }
                surprises[4] = density;
                row_score(&surprises, &raw.columns, &sorted)
            })
            .collect();
        let tests = share_tests(model, &raw.iter().map(|raw| raw.scores).collect::<Vec<_>>(), crowding.as_ref());
        let smallest = tests.iter().map(|test| test.p_value).fold(1.0, f64::min);
        // No test of an empty batch: no alarm.
        let p_value = (smallest * tests.len().max(1) as f64).min(1.0);
        let shifts = model.marginals.compare(batch);
        let batch = BatchTest { tests, p_value, alarm: p_value <= BATCH_FALSE_ALARM, shifts };
        Ok(BatchScore { columns: model.encoder.names.clone(), rows: scored, batch })
    }
}

fn row_score(surprises: &[f64; 5], columns: &[Option<usize>], sorted: &[f64]) -> RowScore {
    let strangeness = combine(surprises);
    let mut driver = 0;
    for at in 1..surprises.len() {
        if surprises[at] > surprises[driver] {
            driver = at;
        }
    }
    RowScore {
        p_value: conformal(sorted, strangeness),
        strangeness,
        method: ROW_METHODS.get(driver).copied().unwrap_or(Method::Density),
        column: columns.get(driver).copied().flatten(),
        surprises: surprises.map(|surprise| surprise as f32),
    }
}

/// Deals the batch into equal blocks of at most [`BLOCK_ROWS_MAX`] rows in seeded order, and held-back rows into blocks of the
/// same size; each row is compared with the pool.
fn crowding(model: &Model, batch: &Points) -> Option<Crowding> {
    let pool = Points::new(&model.encoder, &model.pool);
    let held = Points::new(&model.encoder, &model.held);
    let most = BLOCK_ROWS_MAX.min(held.rows());
    if batch.rows() < BLOCK_ROWS_MIN || most < BLOCK_ROWS_MIN || pool.rows() < BLOCK_ROWS_MIN {
        return None;
    }
    let blocks = batch.rows().div_ceil(most);
    let size = batch.rows() / blocks;
    let order = Mix::new(model.seed, 3).choose(batch.rows(), batch.rows());
    let mut out = vec![0.0; batch.rows()];
    for block in 0..blocks {
        let dealt: Vec<usize> = order.iter().copied().skip(block).step_by(blocks).collect();
        for (&row, value) in dealt.iter().zip(batch.crowding(&dealt, &pool)) {
            out[row] = value;
        }
    }
    let mut held_out = Vec::new();
    for block in 0..held.rows() / size {
        let dealt: Vec<usize> = (block * size..(block + 1) * size).collect();
        held_out.extend(held.crowding(&dealt, &pool));
    }
    Some(Crowding { batch: out, held: held_out })
}

/// Counts rows beyond each mark of each method. Rows are scored one by one except for the density: honest crowding comes in
/// pockets, so its law is wider than the one used here, and its false alarms are measured (`tests/measured.rs`), not proven.
fn share_tests(model: &Model, raw: &[[f64; ROW_METHODS.len()]], crowding: Option<&Crowding>) -> Vec<ShareTest> {
    let mut out = Vec::new();
    if raw.is_empty() {
        return out;
    }
    let mut count = |method: Method, trusted: &[f64], scores: &[f64]| {
        for share in MARK_SHARES {
            let rank = ((trusted.len() + 1) as f64 * share) as usize;
            let rank = rank.max(1);
            let Some(mark) = trusted.len().checked_sub(rank).and_then(|at| trusted.get(at)) else { continue };
            let seen = scores.iter().filter(|score| *score > mark).count();
            let share = rank as f64 / (trusted.len() + 1) as f64;
            out.push(ShareTest {
                method,
                share,
                rows_seen: seen,
                rows_expected: share * scores.len() as f64,
                p_value: exceedance_tail(seen, scores.len(), rank, trusted.len()),
            });
        }
    };
    for (at, method) in ROW_METHODS.into_iter().enumerate() {
        let mut trusted: Vec<f64> = model.held_scores[at].iter().map(|&score| f64::from(score)).collect();
        trusted.sort_by(f64::total_cmp);
        let scores: Vec<f64> = raw.iter().map(|scores| f64::from(scores[at] as f32)).collect();
        count(method, &trusted, &scores);
    }
    if let Some(crowding) = crowding {
        let mut trusted = crowding.held.clone();
        trusted.sort_by(f64::total_cmp);
        count(Method::Density, &trusted, &crowding.batch);
    }
    // Without the density, so that rows stay independent and every held-back row counts.
    let together = |scores: &dyn Fn(usize) -> f64| combine(&[0, 1, 2, 3].map(|at| model.surprise(at, scores(at))));
    let mut trusted: Vec<f64> = (0..model.held.rows()).map(|row| together(&|at| f64::from(model.held_scores[at][row]))).collect();
    trusted.sort_by(f64::total_cmp);
    let scores: Vec<f64> = raw.iter().map(|raw| together(&|at| f64::from(raw[at] as f32))).collect();
    count(Method::Combined, &trusted, &scores);
    out
}
