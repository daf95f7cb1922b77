//! How sure a share of wins is: exact binomial intervals, because most counts here are 0 or all (every threat).

/// Probability outside of the interval.
const ALPHA: f64 = 0.05;
/// Halvings: enough for the last bit of an `f64`.
const HALVINGS: u32 = 60;
/// Terms of the continued fraction; it converges in far fewer.
const TERMS_MAX: u32 = 500;

/// The 95 % interval of a binomial share (Clopper and Pearson 1934); (0, 1) where nothing was tried.
pub fn clopper_pearson(won: u64, tried: u64) -> (f64, f64) {
    if tried == 0 || won > tried {
        return (0.0, 1.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "tries stay far below 2^53")]
    let (won, lost) = (won as f64, (tried - won) as f64);
    let low = if won == 0.0 { 0.0 } else { quantile(ALPHA / 2.0, won, lost + 1.0) };
    let high = if lost == 0.0 { 1.0 } else { quantile(1.0 - ALPHA / 2.0, won + 1.0, lost) };
    (low, high)
}

/// The quantile of the beta law, by halving.
fn quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if beta_share(middle, a, b) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8, modified Lentz).
fn beta_share(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share(1.0 - x, b, a);
    }
    let front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let tiny = 1e-300;
    let floored = |value: f64| if value.abs() < tiny { tiny } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / floored(1.0 - (a + b) * x / (a + 1.0));
    let mut sum = d;
    for term in 1..TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / floored(1.0 + even * d);
        c = floored(1.0 + even / c);
        sum *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / floored(1.0 + odd * d);
        c = floored(1.0 + odd / c);
        sum *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    libm::exp(front) * sum / a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(won: u64, tried: u64, low: f64, high: f64) {
        let (seen_low, seen_high) = clopper_pearson(won, tried);
        assert!((seen_low - low).abs() < 1e-4 && (seen_high - high).abs() < 1e-4, "{won}/{tried}: {seen_low} {seen_high}");
    }

    // Expected: scipy.stats.binomtest(k, n).proportion_ci(method="exact").
    #[test]
    fn known_intervals() {
        check(0, 10, 0.0, 0.3085);
        check(10, 10, 0.6915, 1.0);
        check(1, 20, 0.0013, 0.2487);
        check(50, 100, 0.3983, 0.6017);
        check(3, 1000, 0.0006, 0.0087);
    }

    #[test]
    fn nothing_tried_says_nothing() {
        assert_eq!(clopper_pearson(0, 0), (0.0, 1.0));
    }
}
