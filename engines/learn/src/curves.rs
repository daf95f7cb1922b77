//! Draws what one figure hides: where a model is sure and wrong (T5). Points are thinned for a page; areas are never taken from them.

use serde::{Deserialize, Serialize};

use crate::metrics::ranking;

/// Most points of a curve.
pub const POINTS_MAX: usize = 200;
/// Parts of the lift and bins of the calibration.
pub const PARTS: usize = 10;

/// A point of a curve, both 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// False positive rate (ROC) or recall (precision and recall).
    pub x: f64,
    /// True positive rate (ROC) or precision.
    pub y: f64,
    /// The score from which rows are called positive.
    pub threshold: f64,
}

/// One tenth of the rows by falling score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lift {
    /// Rows of this tenth.
    pub rows: usize,
    /// Share of positives in this tenth.
    pub rate: f64,
    /// That share over the share of all rows.
    pub lift: f64,
    /// Share of all positives in this tenth and those before.
    pub gain: f64,
}

/// Rows whose scores fall into one tenth of 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Rows in it.
    pub rows: usize,
    /// Mean score, 0 without rows.
    pub predicted: f64,
    /// Share of positives, 0 without rows.
    pub observed: f64,
}

/// Curves of one set of scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// From (0, 0) to (1, 1).
    pub roc: Vec<Point>,
    /// By rising recall.
    pub precision_recall: Vec<Point>,
    /// Ten parts, highest scores first.
    pub lift: Vec<Lift>,
    /// Ten bins of equal width.
    pub calibration: Vec<Bin>,
    /// Mean over rows of the distance between predicted and observed of their bin.
    pub calibration_error: f64,
}

/// Keeps the ends and at most [`POINTS_MAX`] points at even distances.
fn thin<T: Copy>(points: &[T]) -> Vec<T> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    (0..POINTS_MAX).map(|at| points[at * (points.len() - 1) / (POINTS_MAX - 1)]).collect()
}

/// Draws all curves; empty ones where a class is absent.
pub fn curves(scores: &[f64], labels: &[bool]) -> Curves {
    let rows = scores.len().min(labels.len());
    let (scores, labels) = (&scores[..rows], &labels[..rows]);
    let ranks = ranking(scores, labels);
    let Some(&(_, hits, alarms)) = ranks.last() else { return Curves::default() };
    let (positives, negatives) = (hits as f64, alarms as f64);
    if hits == 0 || alarms == 0 {
        return Curves::default();
    }
    // Above every score nothing is called positive; a finite number, so that it can be written as JSON.
    let mut roc = vec![Point { x: 0.0, y: 0.0, threshold: 1.0 + ranks[0].0.max(0.0) }];
    roc.extend(ranks.iter().map(|&(threshold, hits, alarms)| Point {
        x: alarms as f64 / negatives,
        y: hits as f64 / positives,
        threshold,
    }));
    let precision = |&(threshold, hits, alarms): &(f64, u64, u64)| Point {
        x: hits as f64 / positives,
        y: hits as f64 / (hits + alarms) as f64,
        threshold,
    };
    let calibration = bins(scores, labels);
    let rows = labels.len() as f64;
    Curves {
        roc: thin(&roc),
        precision_recall: thin(&ranks.iter().map(precision).collect::<Vec<_>>()),
        lift: lift(scores, labels, positives),
        calibration_error: calibration.iter().map(|bin| bin.rows as f64 / rows * (bin.predicted - bin.observed).abs()).sum(),
        calibration,
    }
}

fn lift(scores: &[f64], labels: &[bool], positives: f64) -> Vec<Lift> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    // Equal scores keep the order of their rows.
    order.sort_by(|&left, &right| scores[right].total_cmp(&scores[left]));
    let overall = positives / labels.len() as f64;
    let mut found = 0;
    (0..PARTS)
        .map(|part| {
            let rows = &order[part * order.len() / PARTS..(part + 1) * order.len() / PARTS];
            let hits = rows.iter().filter(|&&row| labels[row]).count();
            found += hits;
            let rate = hits as f64 / rows.len().max(1) as f64;
            Lift { rows: rows.len(), rate, lift: rate / overall, gain: f64::from(found as u32) / positives }
        })
        .collect()
}

fn bins(scores: &[f64], labels: &[bool]) -> Vec<Bin> {
    let mut out = vec![Bin { rows: 0, predicted: 0.0, observed: 0.0 }; PARTS];
    for (&score, &label) in scores.iter().zip(labels) {
        let bin = &mut out[((score * PARTS as f64) as usize).min(PARTS - 1)];
        bin.rows += 1;
        bin.predicted += score;
        bin.observed += f64::from(u8::from(label));
    }
    for bin in out.iter_mut().filter(|bin| bin.rows > 0) {
        bin.predicted /= bin.rows as f64;
        bin.observed /= bin.rows as f64;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<f64>, Vec<bool>) {
        (0..1000).map(|row| (f64::from(row) / 1000.0, row % 10 < row / 100)).unzip()
    }

    #[test]
    fn curves_run_from_corner_to_corner() {
        let (scores, labels) = sample();
        let found = curves(&scores, &labels);
        assert_eq!(found.roc.len(), POINTS_MAX);
        let (first, last) = (found.roc[0], found.roc[POINTS_MAX - 1]);
        assert_eq!((first.x, first.y, last.x, last.y), (0.0, 0.0, 1.0, 1.0));
        assert!(found.roc.windows(2).all(|pair| pair[0].x <= pair[1].x && pair[0].y <= pair[1].y));
        assert_eq!(found.precision_recall.last().unwrap().x, 1.0);
    }

    #[test]
    fn the_lift_gains_all_positives() {
        let (scores, labels) = sample();
        let found = curves(&scores, &labels).lift;
        assert_eq!(found.iter().map(|part| part.rows).sum::<usize>(), 1000);
        assert_eq!(found[9].gain, 1.0);
        assert!((found[0].lift - 2.0).abs() < 1e-12, "{:?}", found[0]);
    }

    #[test]
    fn calibration_compares_what_was_said_with_what_was() {
        let found = curves(&[0.25, 0.25, 0.25, 0.25, 1.0], &[true, false, false, false, true]);
        assert_eq!(found.calibration[2], Bin { rows: 4, predicted: 0.25, observed: 0.25 });
        assert_eq!(found.calibration[9], Bin { rows: 1, predicted: 1.0, observed: 1.0 });
        assert_eq!(found.calibration_error, 0.0);
    }

    #[test]
    fn one_class_has_no_curves() {
        assert_eq!(curves(&[0.5], &[true]), Curves::default());
        assert_eq!(curves(&[], &[]), Curves::default());
    }
}
