//! LiRA: compares a model's confidence in a row with that of models that were, and that were not, trained on it (T2; Carlini et al.,
//! "Membership Inference Attacks From First Principles", 2022, algorithm 1, online).

use crate::attacks::Settings;
use crate::panel::Panel;

/// Whose spread the Gaussians have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Each row's own, trained and not trained apart: needs many models (64 and more in the paper).
    Apart,
    /// Each row's own, one for both: half as much to estimate.
    Row,
    /// One of all trained, one of all not trained (the paper's fixed variance, for few models).
    Fixed,
}

/// A row's own spread is at least this share of that of all rows: with few models a spread can be 0 by chance.
const FLOOR: f64 = 1e-2;
/// A spread of 0 in all rows: every model answers alike.
const TINY: f64 = 1e-12;

/// How many, their mean, and the sum of their squared distances from it.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Welford's step.
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let gap = value - self.mean;
        self.mean += gap / self.count;
        self.squares += gap * (value - self.mean);
    }

    fn variance(&self) -> Option<f64> {
        (self.count > 1.0).then(|| self.squares / (self.count - 1.0))
    }
}

/// Log odds of all models: model after model, as the scores.
pub(crate) fn log_odds(panel: &Panel, clip: f64) -> Vec<f64> {
    let rows = panel.rows();
    (0..panel.models() * rows).map(|at| panel.log_odds(at / rows, at % rows, clip)).collect()
}

/// For each row: log of how much likelier the target's confidence is if it was trained on the row. 0 where no model tells.
pub(crate) fn signals(panel: &Panel, odds: &[f64], target: usize, spread: Spread) -> Vec<f64> {
    let rows = panel.rows();
    let mut facts = vec![(Moments::default(), Moments::default()); rows];
    for model in (0..panel.models()).filter(|&model| model != target) {
        let trained = panel.trained(model);
        for (row, (inside, outside)) in facts.iter_mut().enumerate() {
            let side = if trained[row] { inside } else { outside };
            side.add(odds[model * rows + row]);
        }
    }
    // Spread of all rows, each around its own means.
    let pooled = |side: fn(&(Moments, Moments)) -> Moments| {
        let (squares, free) = facts
            .iter()
            .map(side)
            .fold((0.0, 0.0), |(squares, free), moments| (squares + moments.squares, free + (moments.count - 1.0).max(0.0)));
        if free > 0.0 { (squares / free).max(TINY) } else { TINY }
    };
    let (all_inside, all_outside) = (pooled(|sides| sides.0), pooled(|sides| sides.1));
    facts
        .iter()
        .zip(&odds[target * rows..])
        .map(|((inside, outside), &seen)| {
            if inside.count == 0.0 || outside.count == 0.0 {
                return 0.0;
            }
            let own = |side: &Moments, all: f64| side.variance().unwrap_or(all).max(all * FLOOR);
            let (within, without) = match spread {
                Spread::Apart => (own(inside, all_inside), own(outside, all_outside)),
                Spread::Row => {
                    let free = (inside.count + outside.count - 2.0).max(1.0);
                    let both = ((inside.squares + outside.squares) / free).max(all_outside * FLOOR);
                    (both, both)
                }
                Spread::Fixed => (all_inside, all_outside),
            };
            log_density(seen, inside.mean, within) - log_density(seen, outside.mean, without)
        })
        .collect()
}

/// Of a Gaussian, without the constant.
fn log_density(value: f64, mean: f64, variance: f64) -> f64 {
    let gap = value - mean;
    -0.5 * (gap * gap / variance + libm::log(variance))
}

/// For each row: the same for the label alone, by the share of models that get the row right (add-one smoothing). The caller sees
/// no score, only which side of `threshold` it is on.
pub(crate) fn label_signals(panel: &Panel, target: usize, settings: &Settings) -> Vec<f64> {
    let right = |model: usize, row: usize| (panel.scores(model)[row] >= settings.threshold) == panel.labels()[row];
    (0..panel.rows())
        .map(|row| {
            let (mut inside, mut outside) = ([1.0, 1.0], [1.0, 1.0]);
            for model in (0..panel.models()).filter(|&model| model != target) {
                let side = if panel.trained(model)[row] { &mut inside } else { &mut outside };
                side[usize::from(right(model, row))] += 1.0;
            }
            let seen = usize::from(right(target, row));
            libm::log(inside[seen] / (inside[0] + inside[1])) - libm::log(outside[seen] / (outside[0] + outside[1]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_textbook() {
        let mut found = Moments::default();
        [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().for_each(|value| found.add(value));
        assert!((found.mean - 5.0).abs() < 1e-12 && (found.variance().unwrap() - 32.0 / 7.0).abs() < 1e-12);
        assert_eq!(Moments::default().variance(), None);
    }

    #[test]
    fn a_confidence_like_that_of_trained_models_counts_for_membership() {
        // Row 0: models that hold it (0, 1) are sure of it, others are not; model 4 is the target.
        let check = |score: f64| {
            let scores = vec![0.9, 0.92, 0.6, 0.62, score];
            let panel = Panel::new(scores, vec![true, true, false, false, false], vec![true]).unwrap();
            let odds = log_odds(&panel, 1e-6);
            [Spread::Apart, Spread::Row, Spread::Fixed].map(|spread| signals(&panel, &odds, 4, spread)[0])
        };
        assert!(check(0.91).iter().all(|&signal| signal > 1.0));
        assert!(check(0.61).iter().all(|&signal| signal < -1.0));
    }

    #[test]
    fn a_row_that_no_model_held_says_nothing() {
        let panel = Panel::new(vec![0.9, 0.8, 0.7], vec![false; 3], vec![true]).unwrap();
        let odds = log_odds(&panel, 1e-6);
        assert_eq!(signals(&panel, &odds, 2, Spread::Apart), [0.0]);
        assert_eq!(label_signals(&panel, 2, &Settings::default()).len(), 1);
    }
}
