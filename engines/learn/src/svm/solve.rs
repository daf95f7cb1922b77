//! Solves the support vector machine's dual problem, always by the same steps, so that a fit can be repeated (T4).

use pulp::NullaryFnOnce;

use crate::wide::widest;

/// Largest violation of the optimality conditions that ends the fit; libsvm's and scikit-learn's `tol`.
const TOLERANCE: f64 = 1e-3;
/// Least curvature of a pair; libsvm's `TAU`.
const CURVATURE_MIN: f64 = 1e-12;
/// Most steps; a fit that needs more is used as it stands, as libsvm does.
const STEPS_MAX: usize = 2_000_000;
/// Values compared together, so that the search becomes vector instructions.
const LANES: usize = 8;
/// Values that are searched together.
const GROUP: usize = 32;

/// A solved machine.
pub(super) struct Solution {
    /// Signed weight of each row; 0 where it does not support the boundary.
    pub(super) weights: Vec<f64>,
    /// Added to the weighted kernel sums.
    pub(super) bias: f64,
    /// Decision value of every row, of those with cost 0 too, which took no part: these are held-out decisions.
    pub(super) decisions: Vec<f64>,
}

/// State of the fit. Signs are folded into `alpha`: positives live in `0..=cost`, negatives in `-cost..=0`.
struct State {
    alpha: Vec<f64>,
    /// Target (1 or -1) minus the weighted kernel sum.
    miss: Vec<f64>,
    /// 0 where a row's `alpha` may rise, minus infinity where not.
    rise: Vec<f64>,
    /// 0 where a row's `alpha` may fall, minus infinity where not.
    fall: Vec<f64>,
}

/// Solves for a kernel matrix, row after row; rows with cost 0 are left out.
pub(super) fn solve(kernel: &[f32], labels: &[bool], cost: &[f64]) -> Solution {
    widest(Solve { kernel, labels, cost })
}

struct Solve<'a> {
    kernel: &'a [f32],
    labels: &'a [bool],
    cost: &'a [f64],
}

impl NullaryFnOnce for Solve<'_> {
    type Output = Solution;

    #[inline(always)]
    fn call(self) -> Solution {
        let Self { kernel, labels, cost } = self;
        let count = labels.len();
        let mut state = State {
            alpha: vec![0.0; count],
            miss: labels.iter().map(|&label| if label { 1.0 } else { -1.0 }).collect(),
            rise: vec![0.0; count],
            fall: vec![0.0; count],
        };
        for row in 0..count {
            state.bound(row, labels, cost);
        }
        let most = |row: usize| if labels[row] { cost[row] } else { 0.0 };
        let least = |row: usize| if labels[row] { 0.0 } else { -cost[row] };
        let mut ends = state.ends();
        for _ in 0..STEPS_MAX {
            let (high, low) = ends;
            // `low` is the largest of minus the misses; both are infinite where no row may move.
            if !(high + low > TOLERANCE) {
                break;
            }
            let Some(up) = place(&state.miss, &state.rise, high) else { break };
            let up_row = &kernel[up * count..(up + 1) * count];
            let Some(down) = partner(&state.miss, &state.fall, up_row, high) else { break };
            let down_row = &kernel[down * count..(down + 1) * count];
            let curvature = (2.0 - 2.0 * f64::from(up_row[down])).max(CURVATURE_MIN);
            let (room_up, room_down) = (most(up) - state.alpha[up], state.alpha[down] - least(down));
            let step = ((high - state.miss[down]) / curvature).min(room_up).min(room_down);
            // Landing exactly on a bound keeps the row out of the next search.
            state.alpha[up] = if step < room_up { state.alpha[up] + step } else { most(up) };
            state.alpha[down] = if step < room_down { state.alpha[down] - step } else { least(down) };
            state.bound(up, labels, cost);
            state.bound(down, labels, cost);
            ends = state.step(up_row, down_row, step);
        }
        state.finish(labels)
    }
}

impl State {
    /// Largest miss of a row that may rise, and largest negative miss of one that may fall.
    fn ends(&self) -> (f64, f64) {
        let most = |sign: f64, penalty: &[f64]| {
            self.miss.iter().zip(penalty).map(|(miss, penalty)| sign * miss + penalty).fold(f64::NEG_INFINITY, f64::max)
        };
        (most(1.0, &self.rise), most(-1.0, &self.fall))
    }

    /// Changes all misses after a step, and says [`Self::ends`] on the way.
    #[inline(always)]
    fn step(&mut self, up: &[f32], down: &[f32], step: f64) -> (f64, f64) {
        let (mut high, mut low) = ([f64::NEG_INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        let (misses, miss_rest) = self.miss.as_chunks_mut::<LANES>();
        let ((rises, rise_rest), (falls, fall_rest)) = (self.rise.as_chunks::<LANES>(), self.fall.as_chunks::<LANES>());
        let ((ups, up_rest), (downs, down_rest)) = (up.as_chunks::<LANES>(), down.as_chunks::<LANES>());
        for ((((miss, up), down), rise), fall) in misses.iter_mut().zip(ups).zip(downs).zip(rises).zip(falls) {
            for lane in 0..LANES {
                let now = miss[lane] - step * (f64::from(up[lane]) - f64::from(down[lane]));
                miss[lane] = now;
                let (rising, falling) = (now + rise[lane], fall[lane] - now);
                high[lane] = if rising > high[lane] { rising } else { high[lane] };
                low[lane] = if falling > low[lane] { falling } else { low[lane] };
            }
        }
        for ((((miss, up), down), rise), fall) in miss_rest.iter_mut().zip(up_rest).zip(down_rest).zip(rise_rest).zip(fall_rest) {
            *miss -= step * (f64::from(*up) - f64::from(*down));
            high[0] = high[0].max(*miss + rise);
            low[0] = low[0].max(fall - *miss);
        }
        (high.into_iter().fold(f64::NEG_INFINITY, f64::max), low.into_iter().fold(f64::NEG_INFINITY, f64::max))
    }

    fn bound(&mut self, row: usize, labels: &[bool], cost: &[f64]) {
        let (least, most) = if labels[row] { (0.0, cost[row]) } else { (-cost[row], 0.0) };
        self.rise[row] = if self.alpha[row] < most { 0.0 } else { f64::NEG_INFINITY };
        self.fall[row] = if self.alpha[row] > least { 0.0 } else { f64::NEG_INFINITY };
    }

    /// The bias is the mean miss of rows between their bounds, or the middle of what the bounds allow.
    fn finish(self, labels: &[bool]) -> Solution {
        let free: Vec<f64> =
            (0..labels.len()).filter(|&row| self.rise[row] == 0.0 && self.fall[row] == 0.0).map(|row| self.miss[row]).collect();
        let bias = if free.is_empty() {
            let (high, low) = self.ends();
            let known = |value: f64| if value.is_finite() { value } else { 0.0 };
            f64::midpoint(known(high), -known(low))
        } else {
            free.iter().sum::<f64>() / free.len() as f64
        };
        let target = |row: usize| if labels[row] { 1.0 } else { -1.0 };
        let decisions = self.miss.iter().enumerate().map(|(row, miss)| target(row) - miss + bias).collect();
        Solution { weights: self.alpha, bias, decisions }
    }
}

/// First place where `value + penalty` is a given number.
#[inline(always)]
fn place(values: &[f64], penalty: &[f64], wanted: f64) -> Option<usize> {
    let ((groups, _), (penalties, _)) = (values.as_chunks::<GROUP>(), penalty.as_chunks::<GROUP>());
    let here = |(values, penalties): (&[f64; GROUP], &[f64; GROUP])| {
        let mut found = false;
        for lane in 0..GROUP {
            found |= values[lane] + penalties[lane] == wanted;
        }
        found
    };
    let start = groups.iter().zip(penalties).position(here).unwrap_or(groups.len()) * GROUP;
    (start..values.len()).find(|&row| values[row] + penalty[row] == wanted)
}

/// Largest gain of the pair with a row whose miss is `high` (second-order choice of Fan, Chen and Lin 2005, equation 9).
#[inline(always)]
fn partner(miss: &[f64], fall: &[f64], near: &[f32], high: f64) -> Option<usize> {
    let gain = |miss: f64, fall: f64, near: f32| {
        let gap = high - miss;
        let curvature = 2.0 - 2.0 * f64::from(near);
        let curvature = if curvature > CURVATURE_MIN { curvature } else { CURVATURE_MIN };
        let gain = gap * gap / curvature + fall;
        if gap > 0.0 { gain } else { f64::NEG_INFINITY }
    };
    let mut best = [f64::NEG_INFINITY; LANES];
    let (miss_groups, miss_rest) = miss.as_chunks::<LANES>();
    let (fall_groups, fall_rest) = fall.as_chunks::<LANES>();
    let (near_groups, near_rest) = near.as_chunks::<LANES>();
    for ((misses, falls), nears) in miss_groups.iter().zip(fall_groups).zip(near_groups) {
        for lane in 0..LANES {
            let score = gain(misses[lane], falls[lane], nears[lane]);
            best[lane] = if score > best[lane] { score } else { best[lane] };
        }
    }
    let rest = miss_rest.iter().zip(fall_rest).zip(near_rest).map(|((&miss, &fall), &near)| gain(miss, fall, near));
    let most = best.into_iter().chain(rest).fold(f64::NEG_INFINITY, |left, right| if right > left { right } else { left });
    if most == f64::NEG_INFINITY {
        return None;
    }
    let group = (0..miss_groups.len()).find(|&group| {
        let mut found = false;
        for lane in 0..LANES {
            found |= gain(miss_groups[group][lane], fall_groups[group][lane], near_groups[group][lane]) == most;
        }
        found
    });
    let start = group.unwrap_or(miss_groups.len()) * LANES;
    (start..miss.len()).find(|&row| gain(miss[row], fall[row], near[row]) == most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn problem(count: usize) -> (Vec<f32>, Vec<bool>) {
        let mut rng = Rng::new(11);
        let points: Vec<f64> = (0..count).map(|_| rng.unit() * 4.0).collect();
        let labels = points.iter().map(|point| (libm::sin(*point * 2.0) > 0.0) != (rng.unit() < 0.1)).collect();
        let near = |left: f64, right: f64| libm::exp(-(left - right) * (left - right)) as f32;
        let kernel = points.iter().flat_map(|&left| points.iter().map(move |&right| near(left, right))).collect();
        (kernel, labels)
    }

    #[test]
    fn the_solution_meets_the_optimality_conditions() {
        let (kernel, labels) = problem(203);
        let found = solve(&kernel, &labels, &[1.0; 203]);
        assert!(found.weights.iter().sum::<f64>().abs() < 1e-9);
        for row in 0..203 {
            let sum: f64 = (0..203).map(|other| found.weights[other] * f64::from(kernel[row * 203 + other])).sum();
            assert!((sum + found.bias - found.decisions[row]).abs() < 1e-6);
            let margin = if labels[row] { found.decisions[row] } else { -found.decisions[row] };
            match found.weights[row].abs() {
                0.0 => assert!(margin > 1.0 - 2e-3),
                1.0 => assert!(margin < 1.0 + 2e-3),
                _ => assert!((margin - 1.0).abs() < 2e-3),
            }
        }
    }

    #[test]
    fn rows_without_cost_take_no_part() {
        let (kernel, labels) = problem(60);
        let cost: Vec<f64> = (0..60).map(|row| if row < 20 { 0.0 } else { 1.0 }).collect();
        let found = solve(&kernel, &labels, &cost);
        assert!(found.weights[..20].iter().all(|&weight| weight == 0.0));
        assert!(found.weights[20..].iter().any(|&weight| weight != 0.0));
        let sum: f64 = (0..60).map(|other| found.weights[other] * f64::from(kernel[other])).sum();
        assert!((sum + found.bias - found.decisions[0]).abs() < 1e-6);
    }
}
