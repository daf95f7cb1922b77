//! Whether a vote of 0.3 means that three of ten leave (T4): sabotaged or overfitted models rank well and promise wrongly.

use serde::{Deserialize, Serialize};

use crate::Scored;

/// Bins of equal size.
const BINS: usize = 10;

/// Rows of alike votes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Rows.
    pub rows: u64,
    /// Mean vote.
    pub predicted: f64,
    /// Share of positives.
    pub observed: f64,
}

/// How far votes are from the shares that came true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// By rising vote.
    pub bins: Vec<Bin>,
    /// Expected calibration error: mean of `|predicted - observed|` over rows (Naeini 2015). Not a number without rows.
    pub expected_error: f64,
    /// Root of the mean squared difference with what chance alone would make of it taken off (Kumar, Liang and Ma 2019, debiased
    /// plug-in estimator); 0 where chance explains all. Not a number without rows.
    pub error: f64,
}

/// Measures the calibration of votes in ten bins of equal size.
pub fn calibration(rows: &[Scored]) -> Calibration {
    let mut sorted: Vec<(f64, bool)> = rows.iter().map(|row| (row.vote, row.label)).collect();
    // Equal votes by label would put one label first: the sort is by vote alone, and stable.
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let count = sorted.len();
    let parts = BINS.min(count);
    let mut bins = Vec::with_capacity(parts);
    for at in 0..parts {
        let part = &sorted[at * count / parts..(at + 1) * count / parts];
        let size = part.len() as f64;
        bins.push(Bin {
            rows: part.len() as u64,
            predicted: part.iter().map(|(vote, _)| vote).sum::<f64>() / size,
            observed: part.iter().filter(|(_, label)| *label).count() as f64 / size,
        });
    }
    let weighted = |of: &dyn Fn(&Bin) -> f64| bins.iter().map(|bin| of(bin) * bin.rows as f64).sum::<f64>() / count as f64;
    let squared = |bin: &Bin| {
        let chance = bin.observed * (1.0 - bin.observed) / (bin.rows as f64 - 1.0).max(1.0);
        (bin.predicted - bin.observed).powi(2) - chance
    };
    let expected_error = weighted(&|bin: &Bin| (bin.predicted - bin.observed).abs());
    // `max` would turn a figure that is no number into 0.
    let debiased = weighted(&squared);
    let error = if debiased < 0.0 { 0.0 } else { debiased.sqrt() };
    Calibration { bins, expected_error, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use learn::rng::Rng;

    /// Labels drawn with the chance `truth(vote)`.
    fn drawn(rows: usize, truth: impl Fn(f64) -> f64) -> Vec<Scored> {
        let mut rng = Rng::new(3);
        (0..rows)
            .map(|row| {
                let vote = rng.unit();
                Scored { row, label: rng.unit() < truth(vote), vote }
            })
            .collect()
    }

    #[test]
    fn honest_votes_have_next_to_no_error_at_any_size() {
        for rows in [200, 2_000, 50_000] {
            let found = calibration(&drawn(rows, |vote| vote));
            assert!(found.error < 0.04, "{rows}: {}", found.error);
            assert_eq!(found.bins.iter().map(|bin| bin.rows).sum::<u64>(), rows as u64);
        }
    }

    #[test]
    fn votes_that_promise_too_much_are_seen() {
        let found = calibration(&drawn(3_000, |vote| vote * 0.5));
        assert!((found.error - 0.29).abs() < 0.04, "{}", found.error);
        assert!(found.expected_error > 0.2);
    }

    #[test]
    fn nothing_measured_is_no_number() {
        let found = calibration(&[]);
        assert!(found.error.is_nan() && found.expected_error.is_nan());
        let broken = [Scored { row: 0, label: true, vote: f64::NAN }; 4];
        assert!(calibration(&broken).error.is_nan());
    }
}
