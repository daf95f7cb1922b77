//! Turns scores into probabilities that come true as often as they say, on scores that training did not see (T2: an overconfident
//! score tells members from strangers).

use serde::{Deserialize, Serialize};

use crate::metrics;

/// Most Newton steps of the sigmoid's fit; libsvm's number.
const STEPS_MAX: usize = 100;
/// Smallest step of the line search; libsvm's number.
const STEP_MIN: f64 = 1e-10;
/// Added to the diagonal of the second derivatives; libsvm's number.
const RIDGE: f64 = 1e-12;
/// A gradient below this ends the fit; libsvm's number.
const GRADIENT_MIN: f64 = 1e-5;
/// Votes are held this far from 0 and 1 before their log odds are taken.
pub(crate) const ODDS_CLIP: f64 = 1e-6;
/// Steps of the mixture weights' fit.
const MIXTURE_STEPS: usize = 200;

/// The sigmoid `1 / (1 + exp(slope * value + offset))`; the slope of a useful score is negative.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {
    /// Factor of the value.
    pub slope: f64,
    /// Added after.
    pub offset: f64,
}

impl Sigmoid {
    /// Fits by Newton's method with a line search (Lin, Lin and Weng 2007, algorithm 1), with Platt's targets
    /// `(positives + 1) / (positives + 2)` and `1 / (negatives + 2)`.
    pub fn fit(values: &[f64], labels: &[bool]) -> Self {
        let positives = labels.iter().filter(|&&label| label).count() as f64;
        let negatives = labels.len() as f64 - positives;
        let high = (positives + 1.0) / (positives + 2.0);
        let low = 1.0 / (negatives + 2.0);
        let rows: Vec<(f64, f64)> =
            values.iter().zip(labels).map(|(&value, &label)| (value, if label { high } else { low })).collect();
        let mut now = Self { slope: 0.0, offset: libm::log((negatives + 1.0) / (positives + 1.0)) };
        let mut loss = now.loss(&rows);
        for _ in 0..STEPS_MAX {
            let (gradient, second) = now.derivatives(&rows);
            if gradient.0.abs() < GRADIENT_MIN && gradient.1.abs() < GRADIENT_MIN {
                break;
            }
            let determinant = second.0 * second.2 - second.1 * second.1;
            let slope = -(second.2 * gradient.0 - second.1 * gradient.1) / determinant;
            let offset = -(second.0 * gradient.1 - second.1 * gradient.0) / determinant;
            let fall = gradient.0 * slope + gradient.1 * offset;
            let mut step = 1.0;
            while step >= STEP_MIN {
                let next = Self { slope: now.slope + step * slope, offset: now.offset + step * offset };
                let next_loss = next.loss(&rows);
                if next_loss < loss + 1e-4 * step * fall {
                    (now, loss) = (next, next_loss);
                    break;
                }
                step /= 2.0;
            }
            if step < STEP_MIN {
                break;
            }
        }
        now
    }

    fn loss(self, rows: &[(f64, f64)]) -> f64 {
        let term = |&(value, target): &(f64, f64)| {
            let logit = value * self.slope + self.offset;
            let weight = if logit >= 0.0 { target } else { target - 1.0 };
            weight * logit + libm::log1p(libm::exp(-logit.abs()))
        };
        rows.iter().map(term).sum()
    }

    fn derivatives(self, rows: &[(f64, f64)]) -> ((f64, f64), (f64, f64, f64)) {
        let (mut gradient, mut second) = ((0.0, 0.0), (RIDGE, 0.0, RIDGE));
        for &(value, target) in rows {
            let chance = self.at(value);
            let spread = chance * (1.0 - chance);
            second = (second.0 + value * value * spread, second.1 + value * spread, second.2 + spread);
            let miss = target - chance;
            gradient = (gradient.0 + value * miss, gradient.1 + miss);
        }
        (gradient, second)
    }

    /// The probability of a value.
    pub fn at(self, value: f64) -> f64 {
        logistic(-(self.slope * value + self.offset))
    }
}

/// `1 / (1 + exp(-value))` without overflow.
pub fn logistic(value: f64) -> f64 {
    if value >= 0.0 {
        1.0 / (1.0 + libm::exp(-value))
    } else {
        let small = libm::exp(value);
        small / (1.0 + small)
    }
}

/// A rising function through fitted points, linear between them and flat outside, as scikit-learn's isotonic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    /// Rising scores.
    pub scores: Vec<f64>,
    /// Probability at each, not falling.
    pub chances: Vec<f64>,
}

impl Isotonic {
    /// Fits by pooling adjacent violators.
    pub fn fit(scores: &[f64], labels: &[bool]) -> Self {
        let mut points: Vec<(f64, f64)> =
            scores.iter().zip(labels).map(|(&score, &label)| (score, f64::from(u8::from(label)))).collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        // A pool: sum of labels, rows, lowest and highest score.
        let mut pools: Vec<(f64, f64, f64, f64)> = Vec::new();
        for (score, label) in points {
            match pools.last_mut() {
                Some(pool) if pool.2 == score && pool.3 == score => (pool.0, pool.1) = (pool.0 + label, pool.1 + 1.0),
                _ => pools.push((label, 1.0, score, score)),
            }
        }
        let mut merged: Vec<(f64, f64, f64, f64)> = Vec::new();
        for mut pool in pools {
            while let Some(last) = merged.pop() {
                if last.0 * pool.1 < pool.0 * last.1 {
                    merged.push(last);
                    break;
                }
                pool = (pool.0 + last.0, pool.1 + last.1, last.2, pool.3);
            }
            merged.push(pool);
        }
        let mut out = Self { scores: Vec::new(), chances: Vec::new() };
        for (sum, rows, low, high) in merged {
            for score in [low, high] {
                if out.scores.last() != Some(&score) {
                    out.scores.push(score);
                    out.chances.push(sum / rows);
                }
            }
        }
        out
    }

    /// The probability of a score.
    pub fn at(&self, score: f64) -> f64 {
        let after = self.scores.partition_point(|&known| known < score);
        let Some(right) = self.chances.get(after) else { return self.chances.last().copied().unwrap_or(score) };
        let Some(before) = after.checked_sub(1) else { return *right };
        let (low, high) = (self.scores[before], self.scores[after]);
        let left = self.chances[before];
        left + (right - left) * ((score - low) / (high - low))
    }
}

/// What is done to the vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum VoteMap {
    /// Nothing.
    Identity,
    /// A sigmoid of the log odds.
    Platt(Sigmoid),
    /// A rising function.
    Isotonic(Isotonic),
}

/// Log odds of a probability.
pub(crate) fn log_odds(score: f64) -> f64 {
    let clipped = score.clamp(ODDS_CLIP, 1.0 - ODDS_CLIP);
    libm::log(clipped / (1.0 - clipped))
}

impl VoteMap {
    /// Fits a sigmoid to out-of-fold votes.
    pub fn platt(votes: &[f64], labels: &[bool]) -> Self {
        let odds: Vec<f64> = votes.iter().map(|&vote| log_odds(vote)).collect();
        Self::Platt(Sigmoid::fit(&odds, labels))
    }

    /// The calibrated vote, 0 to 1.
    pub fn at(&self, vote: f64) -> f64 {
        match self {
            Self::Identity => vote,
            Self::Platt(sigmoid) => sigmoid.at(log_odds(vote)),
            Self::Isotonic(isotonic) => isotonic.at(vote),
        }
    }

    /// Checks what a file claims: finite numbers, rising scores, probabilities.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fine = match self {
            Self::Identity => true,
            Self::Platt(sigmoid) => sigmoid.slope.is_finite() && sigmoid.offset.is_finite(),
            Self::Isotonic(map) => {
                map.scores.len() == map.chances.len()
                    && !map.scores.is_empty()
                    && map.scores.iter().all(|score| score.is_finite())
                    && map.scores.windows(2).all(|pair| pair[0] < pair[1])
                    && map.chances.iter().all(|chance| (0.0..=1.0).contains(chance))
                    && map.chances.windows(2).all(|pair| pair[0] <= pair[1])
            }
        };
        if fine { Ok(()) } else { Err("the calibration of the vote is not a rising function".to_owned()) }
    }
}

/// Weights, 0 to 1 with sum 1, of the members' mixture with the least log loss: expectation-maximisation of mixture proportions,
/// which is convex and cannot leave the simplex. Falls back to equal weights where the data say nothing.
pub fn mixture_weights(members: [&[f64]; 3], labels: &[bool]) -> [f64; 3] {
    let mut weights = [1.0 / 3.0; 3];
    let chance = |member: usize, row: usize| {
        let score = members[member].get(row).copied().unwrap_or(0.5).clamp(ODDS_CLIP, 1.0 - ODDS_CLIP);
        if labels[row] { score } else { 1.0 - score }
    };
    for _ in 0..MIXTURE_STEPS {
        let mut shares = [0.0; 3];
        for row in 0..labels.len() {
            let parts: [f64; 3] = std::array::from_fn(|member| weights[member] * chance(member, row));
            let sum: f64 = parts.iter().sum();
            for (share, part) in shares.iter_mut().zip(parts) {
                *share += part / sum;
            }
        }
        let sum: f64 = shares.iter().sum();
        if !(sum.is_finite() && sum > 0.0) {
            return [1.0 / 3.0; 3];
        }
        weights = shares.map(|share| share / sum);
    }
    weights
}

/// Log loss of a mixture, to compare weights.
pub fn mixture_loss(members: [&[f64]; 3], weights: [f64; 3], labels: &[bool]) -> f64 {
    let votes: Vec<f64> = (0..labels.len())
        .map(|row| (0..3).map(|member| weights[member] * members[member].get(row).copied().unwrap_or(0.5)).sum())
        .collect();
    metrics::log_loss(&votes, labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn drawn(rows: usize, slope: f64, offset: f64) -> (Vec<f64>, Vec<bool>) {
        let mut rng = Rng::new(5);
        (0..rows)
            .map(|_| {
                let value = rng.unit() * 6.0 - 3.0;
                (value, rng.unit() < logistic(slope * value + offset))
            })
            .unzip()
    }

    #[test]
    fn a_sigmoid_finds_the_law_of_its_labels() {
        let (values, labels) = drawn(20_000, 1.5, -0.5);
        let fitted = Sigmoid::fit(&values, &labels);
        assert!((fitted.slope + 1.5).abs() < 0.06, "{fitted:?}");
        assert!((fitted.offset - 0.5).abs() < 0.06, "{fitted:?}");
    }

    #[test]
    fn a_sigmoid_of_separable_values_stays_finite() {
        let fitted = Sigmoid::fit(&[-1.0, -2.0, 1.0, 2.0], &[false, false, true, true]);
        assert!(fitted.slope.is_finite() && fitted.at(3.0) < 1.0 && fitted.at(-3.0) > 0.0);
    }

    #[test]
    fn isotonic_pools_violators_as_scikit_learn_does() {
        // IsotonicRegression().fit([1, 2, 3, 4, 5], [0, 1, 0, 1, 1]).predict([0, 2, 2.5, 3.5, 9]) = [0, .5, .5, .75, 1]
        let fitted = Isotonic::fit(&[1.0, 2.0, 3.0, 4.0, 5.0], &[false, true, false, true, true]);
        let found: Vec<f64> = [0.0, 2.0, 2.5, 3.5, 9.0].iter().map(|&score| fitted.at(score)).collect();
        assert_eq!(found, [0.0, 0.5, 0.5, 0.75, 1.0]);
        assert!(VoteMap::Isotonic(fitted).check().is_ok());
    }

    #[test]
    fn isotonic_does_not_raise_the_brier_score_of_its_own_rows() {
        let (values, labels) = drawn(500, 3.0, 0.0);
        let scores: Vec<f64> = values.iter().map(|&value| logistic(value)).collect();
        let fitted = Isotonic::fit(&scores, &labels);
        let mapped: Vec<f64> = scores.iter().map(|&score| fitted.at(score)).collect();
        assert!(metrics::brier(&mapped, &labels) < metrics::brier(&scores, &labels));
        assert!(fitted.chances.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn the_mixture_prefers_the_member_that_knows() {
        let (values, labels) = drawn(2_000, 2.0, 0.0);
        let good: Vec<f64> = values.iter().map(|&value| logistic(2.0 * value)).collect();
        let noise = vec![0.5; labels.len()];
        let weights = mixture_weights([&good, &noise, &noise], &labels);
        assert!(weights[0] > 0.9, "{weights:?}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let members = [&good[..], &noise[..], &noise[..]];
        assert!(mixture_loss(members, weights, &labels) < mixture_loss(members, [1.0 / 3.0; 3], &labels));
    }
}
