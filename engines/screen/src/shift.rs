//! Asks a small classifier to tell the delivery from history (a classifier two-sample test; Lopez-Paz and Oquab 2017): it sees
//! shifts that no single column shows. It may only hold a file: an honest season is told apart as well (T1).

use outlier::stats::Mix;

use crate::exact::normal_upper;
use crate::expect::level_columns;
use crate::profile::Model;
use crate::trees::{Boost, Effort, Learn, Loss};
use crate::{BatchFinding, Layer};

/// Rows of each side.
pub(crate) const ROWS_MAX: usize = 4_000;
/// Fewest rows of each side.
const ROWS_MIN: usize = 60;
const EFFORT: Effort = Effort { rounds: 30, depth: 3, rate: 0.2, columns: 0.5 };

/// The test; `codes` are kept rows of the delivery, column by column. Each half is judged by what the other half taught, and ranked
/// by Mann and Whitney's test, whose null does not depend on the classifier.
pub(crate) fn test(model: &Model, (rows, codes): (usize, &[u8])) -> Option<BatchFinding> {
    let trusted_rows = model.sample_rows();
    let ours = rows.min(ROWS_MAX);
    let theirs = trusted_rows.min(ROWS_MAX.min(ours * 2));
    if ours < ROWS_MIN || theirs < ROWS_MIN {
        return None;
    }
    let width = model.encoder.width();
    let mut mix = Mix::new(model.spec.seed, 51);
    let mine = mix.choose(rows, ours);
    let known = mix.choose(trusted_rows, theirs);
    let half = |fold: usize| -> (usize, Vec<u8>, Vec<f32>) {
        let mine: Vec<usize> = mine.iter().copied().skip(fold).step_by(2).collect();
        let known: Vec<usize> = known.iter().copied().skip(fold).step_by(2).collect();
        let mut fine = Vec::with_capacity((mine.len() + known.len()) * width);
        for column in 0..width {
            fine.extend(mine.iter().map(|&row| codes[column * rows + row]));
            fine.extend(known.iter().map(|&row| model.sample[column * trusted_rows + row]));
        }
        let targets = mine.iter().map(|_| 1.0).chain(known.iter().map(|_| 0.0)).collect();
        (mine.len() + known.len(), fine, targets)
    };
    let halves = [half(0), half(1)];
    let levels = level_columns(&model.encoder);
    let mut total = 0.0;
    for fold in 0..2 {
        let (count, fine, targets) = &halves[1 - fold];
        let learn = Learn { fine, rows: *count, levels: &levels, without: &[] };
        let boost = Boost::fit(&learn, targets, Loss::Logistic, EFFORT, model.spec.seed);
        let (count, fine, targets) = &halves[fold];
        let mut margins = vec![boost.base; *count];
        boost.add(fine, &mut margins);
        total += ranked(&margins, targets);
    }
    let z = total / std::f64::consts::SQRT_2;
    Some(BatchFinding {
        layer: Layer::Shift,
        what: "a classifier of delivery against history".to_owned(),
        p_value: normal_upper(z),
        seen: format!("it tells them apart by {z:+.1} standard errors"),
        alarm: false,
    })
}

/// Mann and Whitney's statistic in standard errors, corrected for ties.
fn ranked(scores: &[f32], targets: &[f32]) -> f64 {
    let mut order: Vec<(f32, f32)> = scores.iter().copied().zip(targets.iter().copied()).collect();
    order.sort_by(|one, two| one.0.total_cmp(&two.0));
    let (mut before, mut ranks, mut ties) = (0.0, 0.0, 0.0);
    for run in order.chunk_by(|one, two| one.0.total_cmp(&two.0).is_eq()) {
        let size = run.len() as f64;
        let positive: f64 = run.iter().map(|(_, target)| f64::from(*target)).sum();
        ranks += positive * (before + (size + 1.0) / 2.0);
        ties += size * (size * size - 1.0);
        before += size;
    }
    let positive: f64 = targets.iter().map(|target| f64::from(*target)).sum();
    let negative = before - positive;
    let mean = positive * (before + 1.0) / 2.0;
    let variance = positive * negative / 12.0 * ((before + 1.0) - ties / (before * (before - 1.0)).max(1.0));
    if variance > 0.0 { (ranks - mean) / variance.sqrt() } else { 0.0 }
}
