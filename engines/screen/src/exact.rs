//! Tails of counts and means: small, exact where counts are small, so that one honest delivery in a hundred means just that.

/// Terms of a tail that are summed.
const TERMS_MAX: u64 = 200_000;
/// Terms of a predicted tail that are summed; the rest of a longer one is left out.
const PREDICTED_TERMS_MAX: u32 = 20_000;

/// P(X >= `seen`) of a binomial of `rows` draws at `share`.
pub(crate) fn binomial_upper(seen: u64, rows: u64, share: f64) -> f64 {
    if seen == 0 {
        return 1.0;
    }
    if seen > rows || !(share > 0.0) {
        return 0.0;
    }
    if share >= 1.0 {
        return 1.0;
    }
    let (n, q) = (rows as f64, share);
    let at = |k: u64| {
        let k = k as f64;
        (libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0) + k * q.ln() + (n - k) * (-q).ln_1p()).exp()
    };
    // The shorter side is summed, from its largest term outwards.
    if seen as f64 > n * q {
        let (mut term, mut total, mut k) = (at(seen), 0.0, seen);
        for _ in 0..TERMS_MAX {
            total += term;
            if k >= rows || term < total * 1e-14 {
                break;
            }
            term *= (n - k as f64) / (k as f64 + 1.0) * q / (1.0 - q);
            k += 1;
        }
        return total.min(1.0);
    }
    let mut k = seen - 1;
    let (mut term, mut total) = (at(k), 0.0);
    for _ in 0..TERMS_MAX {
        total += term;
        if k == 0 || term < total * 1e-14 {
            break;
        }
        term *= k as f64 / (n - k as f64 + 1.0) * (1.0 - q) / q;
        k -= 1;
    }
    (1.0 - total).max(0.0)
}

/// P(X >= `seen`) of `rows` draws whose share is beta distributed: the beta-binomial law, exact.
pub(crate) fn predicted_upper(seen: u32, rows: u32, alpha: f64, beta: f64) -> f64 {
    if seen == 0 {
        return 1.0;
    }
    let ln_beta = |a: f64, b: f64| libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let (n, base) = (f64::from(rows), ln_beta(alpha, beta));
    let mut total = 0.0;
    for k in seen..=rows.min(seen.saturating_add(PREDICTED_TERMS_MAX)) {
        let k = f64::from(k);
        let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
        total += (ways + ln_beta(k + alpha, n - k + beta) - base).exp();
    }
    total.clamp(0.0, 1.0)
}

/// Two counts of two samples: P(a split of `ours + theirs` as uneven as this), given the samples' sizes; both sides.
pub(crate) fn uneven(ours: u64, rows: u64, theirs: u64, trusted_rows: u64) -> f64 {
    let share = rows as f64 / (rows + trusted_rows).max(1) as f64;
    let total = ours + theirs;
    let upper = binomial_upper(ours, total, share);
    let lower = binomial_upper(theirs, total, 1.0 - share);
    (2.0 * upper.min(lower)).min(1.0)
}

/// P(|Z| >= |z|) of a standard normal.
pub(crate) fn normal_two_sided(z: f64) -> f64 {
    if z.is_nan() { 1.0 } else { libm::erfc(z.abs() / std::f64::consts::SQRT_2) }
}

/// P(Z >= z) of a standard normal.
pub(crate) fn normal_upper(z: f64) -> f64 {
    if z.is_nan() { 1.0 } else { 0.5 * libm::erfc(z / std::f64::consts::SQRT_2) }
}

/// One p-value of two independent ones: Fisher's rule (1932) in closed form.
pub(crate) fn fisher(one: f64, two: f64) -> f64 {
    let product = (one * two).clamp(0.0, 1.0);
    if product > 0.0 { (product * (1.0 - product.ln())).min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        assert!((binomial_upper(8, 10, 0.5) - 0.054_687_5).abs() < 1e-9);
        assert!((binomial_upper(2, 10, 0.5) - 0.989_257_812_5).abs() < 1e-9);
        assert!((binomial_upper(20, 1000, 0.01) - 0.003_32).abs() < 1e-4);
        assert!((normal_two_sided(1.959_964) - 0.05).abs() < 1e-6);
        assert!((predicted_upper(1, 1, 1.0, 3.0) - 0.25).abs() < 1e-9 && (predicted_upper(3, 3, 1.0, 1.0) - 0.25).abs() < 1e-9);
        assert!((fisher(0.05, 0.05) - 0.017_478).abs() < 1e-5);
        assert!(uneven(10, 1000, 10, 1000) > 0.9 && uneven(30, 1000, 5, 1000) < 1e-3);
        assert!(binomial_upper(0, 0, 0.5) >= 1.0 && binomial_upper(1, 0, 0.5) <= 0.0);
    }
}
