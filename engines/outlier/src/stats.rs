//! The small statistics that the detectors share, so that "one row in a hundred" means the same in every one of them.

use serde::{Deserialize, Serialize};

/// A surprise is `-ln p`; beyond this the tail model says nothing more.
pub const SURPRISE_MAX: f64 = 60.0;
/// Below this quantile a curve interpolates, above it extrapolates an exponential tail.
const TAIL_FROM: f64 = 0.95;
/// Grid points of a curve, from quantile 0 to [`TAIL_FROM`].
const GRID: usize = 20;

/// A counter-based generator (SplitMix64, Steele and others 2014): the same seed gives the same choices everywhere.
pub struct Mix(u64);

impl Mix {
    /// A stream of its own for each purpose of a seed.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(seed ^ purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// 64 even bits.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends: an iterator's `Option` would have to be taken apart everywhere"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit` (0 where `limit` is 0). The bias of the remainder is below 2^-40 for our sizes.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit as u64;
        if limit == 0 { 0 } else { (self.next() % limit) as usize }
    }

    /// `0..rows` in random order, cut to `keep`.
    pub fn choose(&mut self, rows: usize, keep: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows).collect();
        for at in 0..keep.min(rows) {
            let other = at + self.below(rows - at);
            order.swap(at, other);
        }
        order.truncate(keep);
        order
    }
}

/// The value at quantile `share` of a sorted list, linear between neighbours; `NaN` of nothing.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = share.clamp(0.0, 1.0) * last as f64;
    let low = position.floor() as usize;
    let high = (low + 1).min(last);
    let part = position - low as f64;
    // Between neighbours, whatever rounding says: quantiles of equal values are equal.
    (sorted[low] * (1.0 - part) + sorted[high] * part).max(sorted[low]).min(sorted[high])
}

/// Sorts numbers and drops those that are not finite.
pub fn sorted_finite(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut out: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    out.sort_by(f64::total_cmp);
    out
}

/// Turns a score into a surprise (`-ln` of the share of trusted rows with at least that score): quantiles inside, an
/// exponential tail beyond the 95th percentile, so that more extreme stays more surprising (peaks over threshold; Pickands 1975).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    grid: Vec<f32>,
    excess_mean: f32,
}

impl Curve {
    /// Learns from trusted scores; `excess_floor` is the smallest scale of the tail, in units of the score.
    pub fn fit(scores: impl IntoIterator<Item = f64>, excess_floor: f64) -> Self {
        let sorted = sorted_finite(scores);
        if sorted.is_empty() {
            return Self { grid: Vec::new(), excess_mean: 1.0 };
        }
        let grid: Vec<f32> = (0..GRID).map(|at| quantile(&sorted, TAIL_FROM * at as f64 / (GRID - 1) as f64) as f32).collect();
        let start = grid.last().map_or(0.0, |&value| f64::from(value));
        let beyond: Vec<f64> = sorted.iter().filter(|&&value| value > start).map(|value| value - start).collect();
        let mean = if beyond.is_empty() { 0.0 } else { beyond.iter().sum::<f64>() / beyond.len() as f64 };
        Self { grid, excess_mean: mean.max(excess_floor) as f32 }
    }

    /// Whether the score lies beyond the 95th percentile, or nothing was learnt; any other has a surprise of at most `-ln 0.05`.
    pub fn is_tail(&self, score: f64) -> bool {
        self.grid.last().is_none_or(|&last| score > f64::from(last))
    }

    /// `-ln p`, from 0 to [`SURPRISE_MAX`]; 0 for `NaN`.
    pub fn surprise(&self, score: f64) -> f64 {
        let Some(&last) = self.grid.last() else { return 0.0 };
        if score.is_nan() {
            return 0.0;
        }
        let last = f64::from(last);
        if score > last {
            let tail = (score - last) / f64::from(self.excess_mean).max(1e-12);
            return (tail - (1.0 - TAIL_FROM).ln()).min(SURPRISE_MAX);
        }
        // The grid is sorted and short: counting all of it is quicker than a search that branches.
        let above = self.grid.iter().map(|&point| usize::from(f64::from(point) < score)).sum::<usize>();
        let Some(below) = above.checked_sub(1) else { return 0.0 };
        let (low, high) = (f64::from(self.grid[below]), f64::from(self.grid[above.min(self.grid.len() - 1)]));
        let part = if high > low { (score - low) / (high - low) } else { 0.0 };
        let share = TAIL_FROM * (below as f64 + part) / (GRID - 1) as f64;
        -(1.0 - share).ln()
    }
}

/// The conformal p-value of a score against sorted trusted scores: the share, the new row counted in, of scores at least
/// as large (Vovk and others 2005). Valid for exchangeable rows whatever the score.
pub fn conformal(sorted: &[f64], score: f64) -> f64 {
    let below = sorted.partition_point(|&known| known < score);
    (sorted.len() - below + 1) as f64 / (sorted.len() + 1) as f64
}

/// Which p-values the step-up rule of Benjamini and Hochberg (1995) rejects at a false discovery rate; for conformal
/// p-values the rate is proven (Bates and others 2023).
pub fn benjamini_hochberg(p_values: &[f64], rate: f64) -> Vec<bool> {
    let mut sorted: Vec<f64> = p_values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let total = sorted.len() as f64;
    let cut = sorted.iter().enumerate().rev().find(|(at, p)| **p <= rate * (*at + 1) as f64 / total).map(|(_, p)| *p);
    p_values.iter().map(|p| cut.is_some_and(|cut| *p <= cut)).collect()
}

/// P(at least `seen` of `rows` new scores exceed the `rank`-th largest of `trusted` trusted scores): the beta-binomial law
/// of exceedances (Sarkadi 1957), exact at any size for exchangeable rows.
pub fn exceedance_tail(seen: usize, rows: usize, rank: usize, trusted: usize) -> f64 {
    if seen == 0 {
        return 1.0;
    }
    if rank == 0 || rank > trusted || seen > rows {
        return if seen > rows { 0.0 } else { 1.0 };
    }
    let (rows, alpha, beta) = (rows as f64, rank as f64, (trusted + 1 - rank) as f64);
    let ln_beta = |a: f64, b: f64| libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let ln_choose = |k: f64| libm::lgamma(rows + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(rows - k + 1.0);
    let base = ln_beta(alpha, beta);
    let mut total = 0.0;
    for count in seen..=rows as usize {
        let k = count as f64;
        let term = (ln_choose(k) + ln_beta(k + alpha, rows - k + beta) - base).exp();
        total += term;
        if term < total * 1e-12 && k > rows * alpha / (alpha + beta) {
            break;
        }
    }
    total.min(1.0)
}

/// The inverse of a symmetric positive definite matrix (row-major, `size` a row) by Gauss-Jordan; `None` if it is not.
pub fn inverse(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut left = matrix.to_vec();
    let mut right = vec![0.0; size * size];
    for at in 0..size {
        right[at * size + at] = 1.0;
    }
    for pivot in 0..size {
        // A positive definite matrix needs no exchange of rows.
        let value = left[pivot * size + pivot];
        if !(value > 1e-12) {
            return None;
        }
        for column in 0..size {
            left[pivot * size + column] /= value;
            right[pivot * size + column] /= value;
        }
        let (left_pivot, right_pivot) =
            (left[pivot * size..(pivot + 1) * size].to_vec(), right[pivot * size..(pivot + 1) * size].to_vec());
        for row in (0..size).filter(|&row| row != pivot) {
            let factor = left[row * size + pivot];
            if factor == 0.0 {
                continue;
            }
            for column in 0..size {
                left[row * size + column] -= factor * left_pivot[column];
                right[row * size + column] -= factor * right_pivot[column];
            }
        }
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_equal_values_are_equal() {
        let value = -117.726_075_370_548_77;
        for share in 0..=1_000 {
            assert_eq!(quantile(&[value; 27], f64::from(share) / 1_000.0).to_bits(), value.to_bits());
        }
    }

    #[test]
    fn exceedances_follow_the_binomial_where_the_reference_is_large() {
        // 1 % of 1,000 with a million trusted rows: P(X >= 20) of a binomial is 0.00332.
        let p = exceedance_tail(20, 1000, 10_000, 1_000_000);
        assert!((p - 0.003_32).abs() < 0.0002, "{p}");
        assert!(exceedance_tail(20, 1000, 12, 1200) > p);
        assert!((exceedance_tail(0, 1000, 12, 1200) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_curve_grows_and_its_tail_goes_on() {
        let curve = Curve::fit((0..1000).map(f64::from), 1e-3);
        assert!((curve.surprise(500.0) - 0.693).abs() < 0.02);
        assert!((curve.surprise(950.0) - 3.0).abs() < 0.05);
        assert!(curve.surprise(1200.0) > curve.surprise(1100.0));
        assert!(curve.surprise(f64::NAN).abs() < 1e-12);
        assert!((curve.surprise(f64::INFINITY) - SURPRISE_MAX).abs() < 1e-12);
        assert!(Curve::fit([], 1.0).surprise(3.0).abs() < 1e-12);
        assert!(Curve::fit([1.0; 50], 1e-3).surprise(1.0).abs() < 1e-9, "a tie with every trusted row is no surprise");
    }

    #[test]
    fn the_step_up_rule_takes_the_largest_fitting_rank() {
        assert_eq!(benjamini_hochberg(&[0.01, 0.5, 0.03, 0.04], 0.06), [true, false, true, true]);
        assert_eq!(benjamini_hochberg(&[], 0.1), Vec::<bool>::new());
    }
}
