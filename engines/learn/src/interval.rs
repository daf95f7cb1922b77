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

/// The least share that so many wins leave possible at a one-sided `miss` (Clopper and Pearson 1934): a true share above it gives as
/// few wins with probability at most `miss`. 1 where nothing was tried.
pub fn share_at_most(won: u64, tried: u64, miss: f64) -> f64 {
    if won >= tried || !(miss > 0.0 && miss < 1.0) {
        return 1.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "tries stay far below 2^53")]
    let (won, lost) = (won as f64, (tried - won) as f64);
    quantile(1.0 - miss, won + 1.0, lost)
}

/// Probability of at least `won` wins of `tried`, each with chance `share` (the binomial law by the incomplete beta function,
/// Abramowitz and Stegun 26.5.24).
pub fn at_least(won: u64, tried: u64, share: f64) -> f64 {
    if won == 0 {
        return 1.0;
    }
    if won > tried {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "tries stay far below 2^53")]
    let (won, rest) = (won as f64, (tried - won) as f64 + 1.0);
    beta_share(share, won, rest)
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

    // Expected: scipy.stats.beta.ppf(1 - miss, won + 1, tried - won).
    #[test]
    fn known_upper_bounds() {
        for (won, tried, miss, expected) in [(0, 59, 0.05, 0.049_507), (0, 299, 0.05, 0.009_969), (3, 100, 0.01, 0.096_971)] {
            assert!((share_at_most(won, tried, miss) - expected).abs() < 1e-4, "{won} of {tried}");
        }
        assert_eq!(share_at_most(0, 0, 0.05), 1.0);
        assert_eq!(share_at_most(5, 5, 0.05), 1.0);
        assert_eq!(share_at_most(0, 9, f64::NAN), 1.0);
    }

    // The sum of the law's terms.
    #[test]
    fn tails_are_those_of_the_law() {
        for (tried, share) in [(12_u64, 0.3), (40, 0.02), (7, 0.95)] {
            let term = |won: u64| {
                let ways = (0..won).map(|at| (tried - at) as f64 / (at + 1) as f64).product::<f64>();
                ways * f64::powi(share, won as i32) * f64::powi(1.0 - share, (tried - won) as i32)
            };
            for won in 0..=tried {
                let sum: f64 = (won..=tried).map(term).sum();
                assert!((at_least(won, tried, share) - sum).abs() < 1e-10, "{won} of {tried}");
            }
        }
        assert_eq!(at_least(4, 3, 0.5), 0.0);
        assert_eq!((at_least(2, 9, 0.0), at_least(2, 9, 1.0)), (0.0, 1.0));
    }

    #[test]
    fn nothing_tried_says_nothing() {
        assert_eq!(clopper_pearson(0, 0), (0.0, 1.0));
    }
}
