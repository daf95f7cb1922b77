//! Learns from votes on unseen rows how far each member is to be believed, so that a member which was fooled or is weak cannot
//! pull the others along (T5).
//!
//! Logistic regression on the members' log odds (Wolpert 1992; Ting and Witten 1999, with their rule that no member counts
//! against itself: weights are not negative).

use serde::{Deserialize, Serialize};

use crate::calibrate::{log_odds, logistic};
use crate::linear::Spd;

/// Penalty on half the squared weights, as scikit-learn's `C = 1`: members that agree share their weight, and nothing runs away.
const PENALTY: f64 = 1.0;
/// Added to the intercept's second derivative, as in the sigmoid's fit.
const RIDGE: f64 = 1e-12;
/// Most Newton steps of one fit.
const STEPS_MAX: usize = 100;
/// A gradient below this ends the fit.
const GRADIENT_MIN: f64 = 1e-6;
/// Smallest step of the line search.
const STEP_MIN: f64 = 1e-10;
/// Largest weight that a file may have. The penalty keeps fitted ones below the square root of 1.4 times the rows.
const WEIGHT_MAX: f64 = 1e6;

/// `1 / (1 + exp(-(intercept + sum of weight * log odds)))` of booster, machine and forest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Of booster, machine and forest; 0 or above.
    pub weights: [f64; 3],
    /// Added to their sum.
    pub intercept: f64,
}

/// Log odds of the members, and the target.
type Row = ([f64; 3], f64);
/// Gradient and second derivatives, row after row; the intercept comes last.
type Slopes = ([f64; 4], [f64; 16]);

impl Stack {
    /// The best weights for out-of-fold scores of booster, machine and forest (0 to 1, one a row), with Platt's targets. Rows that
    /// one of the slices lacks are left out.
    pub fn fit(members: [&[f64]; 3], labels: &[bool]) -> Self {
        let positives = labels.iter().filter(|&&label| label).count() as f64;
        let negatives = labels.len() as f64 - positives;
        let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
        let row = |(((&booster, &svm), &forest), &label): (((&f64, &f64), &f64), &bool)| {
            ([booster, svm, forest].map(log_odds), if label { high } else { low })
        };
        let rows: Vec<Row> = members[0].iter().zip(members[1]).zip(members[2]).zip(labels).map(row).collect();
        let start = libm::log((positives + 1.0) / (negatives + 1.0));
        let (all, _) = newton(&rows, [true; 3], start);
        if all.weights.iter().all(|&weight| weight >= 0.0) {
            return all;
        }
        // The best point of a convex loss over weights from 0 upwards is the best over the members that it uses: try all sets.
        let sets = (0..7).map(|set| newton(&rows, std::array::from_fn(|member| set >> member & 1 == 1), start));
        let sound = sets.filter(|(stack, _)| stack.weights.iter().all(|&weight| weight >= 0.0));
        let best = sound.min_by(|left, right| left.1.total_cmp(&right.1));
        best.map_or(Self { weights: [0.0; 3], intercept: start }, |(stack, _)| stack)
    }

    /// The probability for scores of booster, machine and forest.
    pub fn at(&self, members: [f64; 3]) -> f64 {
        logistic(self.sum(members.map(log_odds)))
    }

    fn sum(&self, odds: [f64; 3]) -> f64 {
        let [booster, svm, forest] = self.weights;
        self.intercept + booster * odds[0] + svm * odds[1] + forest * odds[2]
    }

    /// The weights as shares of 1; equal where all are 0.
    pub fn shares(&self) -> [f64; 3] {
        let sum: f64 = self.weights.iter().sum();
        if sum > 0.0 { self.weights.map(|weight| weight / sum) } else { [1.0 / 3.0; 3] }
    }

    /// Checks what a file claims.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fine = self.weights.iter().all(|weight| (0.0..=WEIGHT_MAX).contains(weight))
            && (-WEIGHT_MAX..=WEIGHT_MAX).contains(&self.intercept);
        if fine { Ok(()) } else { Err("weights of the stacked vote are negative or too large".to_owned()) }
    }

    fn loss(&self, rows: &[Row]) -> f64 {
        let term = |&(odds, target): &Row| {
            let sum = self.sum(odds);
            // ln(1 + exp(sum)) - target * sum, without overflow.
            sum.max(0.0) + libm::log1p(libm::exp(-sum.abs())) - target * sum
        };
        let squares: f64 = self.weights.iter().map(|weight| weight * weight).sum();
        rows.iter().map(term).sum::<f64>() + PENALTY / 2.0 * squares
    }

    /// Where a member takes no part its gradient is 0 and its second derivative 1: a step leaves it where it is.
    fn slopes(&self, rows: &[Row], active: [bool; 3]) -> Slopes {
        let (mut gradient, mut second) = ([0.0; 4], [0.0; 16]);
        for &(odds, target) in rows {
            let chance = logistic(self.sum(odds));
            let (miss, spread) = (chance - target, chance * (1.0 - chance));
            let facts: [f64; 4] = std::array::from_fn(|at| match active.get(at) {
                Some(true) => odds[at],
                Some(false) => 0.0,
                None => 1.0,
            });
            for (row, left) in facts.iter().enumerate() {
                gradient[row] += miss * left;
                for (column, right) in facts.iter().enumerate() {
                    second[row * 4 + column] += spread * left * right;
                }
            }
        }
        for (at, on) in active.into_iter().enumerate() {
            gradient[at] += if on { PENALTY * self.weights[at] } else { 0.0 };
            second[at * 4 + at] += if on { PENALTY } else { 1.0 };
        }
        second[15] += RIDGE;
        (gradient, second)
    }
}

/// The best weights of the active members, of any sign, and their loss.
fn newton(rows: &[Row], active: [bool; 3], start: f64) -> (Stack, f64) {
    let mut now = Stack { weights: [0.0; 3], intercept: start };
    let mut loss = now.loss(rows);
    for _ in 0..STEPS_MAX {
        let (gradient, second) = now.slopes(rows, active);
        if gradient.iter().all(|slope| slope.abs() < GRADIENT_MIN) {
            break;
        }
        let Some(factor) = Spd::new(second.to_vec(), 4) else { break };
        let step = factor.solve(&gradient);
        let fall: f64 = gradient.iter().zip(&step).map(|(slope, step)| slope * step).sum();
        let mut length = 1.0;
        let moved = loop {
            let next = Stack {
                weights: std::array::from_fn(|at| now.weights[at] - length * step[at]),
                intercept: now.intercept - length * step[3],
            };
            let next_loss = next.loss(rows);
            if next_loss < loss - 1e-4 * length * fall {
                break Some((next, next_loss));
            }
            length /= 2.0;
            if length < STEP_MIN {
                break None;
            }
        };
        let Some(moved) = moved else { break };
        (now, loss) = moved;
    }
    (now, loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::log_loss;
    use crate::rng::Rng;

    /// Scores of three members of which two know something, and labels.
    fn drawn(rows: usize, signs: [f64; 3]) -> ([Vec<f64>; 3], Vec<bool>) {
        let mut rng = Rng::new(11);
        let mut members: [Vec<f64>; 3] = Default::default();
        let mut labels = Vec::new();
        for _ in 0..rows {
            let odds: [f64; 3] = std::array::from_fn(|_| rng.unit() * 4.0 - 2.0);
            let sum: f64 = -0.4 + odds.iter().zip(signs).map(|(odds, sign)| odds * sign).sum::<f64>();
            labels.push(rng.unit() < logistic(sum));
            for (member, odds) in members.iter_mut().zip(odds) {
                member.push(logistic(odds));
            }
        }
        (members, labels)
    }

    fn fit(members: &[Vec<f64>; 3], labels: &[bool]) -> Stack {
        Stack::fit([&members[0], &members[1], &members[2]], labels)
    }

    #[test]
    fn the_law_of_the_labels_is_found() {
        let (members, labels) = drawn(20_000, [1.5, 0.5, 0.0]);
        let found = fit(&members, &labels);
        for (weight, law) in found.weights.iter().zip([1.5, 0.5, 0.0]) {
            assert!((weight - law).abs() < 0.1, "{found:?}");
        }
        assert!((found.intercept + 0.4).abs() < 0.1, "{found:?}");
        assert!((found.shares().iter().sum::<f64>() - 1.0).abs() < 1e-12 && found.check().is_ok());
    }

    #[test]
    fn a_member_that_says_the_opposite_counts_nothing() {
        let (members, labels) = drawn(5_000, [1.0, -0.8, 0.6]);
        let found = fit(&members, &labels);
        assert!(found.weights[1] == 0.0 && found.weights[0] > 0.5 && found.weights[2] > 0.3, "{found:?}");
        // No weights from 0 upwards near it are better: the constrained optimum.
        let rows: Vec<Row> = (0..labels.len())
            .map(|row| (std::array::from_fn(|at| log_odds(members[at][row])), f64::from(u8::from(labels[row]))))
            .collect();
        let least = found.loss(&rows);
        for at in 0..3 {
            let mut other = found;
            other.weights[at] += 0.02;
            assert!(other.loss(&rows) > least - 1e-3, "{other:?}");
        }
    }

    #[test]
    fn a_stack_loses_less_than_the_mean() {
        let (members, labels) = drawn(5_000, [1.5, 0.0, 0.0]);
        let found = fit(&members, &labels);
        let scores = |row: usize| [members[0][row], members[1][row], members[2][row]];
        let votes: Vec<f64> = (0..labels.len()).map(|row| found.at(scores(row))).collect();
        let means: Vec<f64> = (0..labels.len()).map(|row| scores(row).iter().sum::<f64>() / 3.0).collect();
        assert!(log_loss(&votes, &labels) < log_loss(&means, &labels) - 0.02);
    }

    #[test]
    fn extremes_stay_finite() {
        for scores in [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]] {
            let member = vec![scores[0], scores[1]];
            let found = fit(&[member.clone(), member.clone(), member], &[false, true]);
            assert!(found.check().is_ok() && (0.0..=1.0).contains(&found.at([0.0, 1.0, f64::MIN_POSITIVE])), "{found:?}");
        }
        assert!(Stack { weights: [0.5, -0.1, 0.0], intercept: 0.0 }.check().is_err());
        assert!(Stack { weights: [0.5; 3], intercept: f64::NAN }.check().is_err());
    }
}
