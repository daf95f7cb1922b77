//! Watches a stream for ever with one bounded chance of a false alarm: a conformal test martingale (Vovk and others 2003) on
//! p-values or scores. By Ville's inequality P(it ever passes 1/alpha while the stream stays exchangeable) <= alpha (T5).

use serde::{Deserialize, Serialize};

/// Calibration scores kept.
pub const CALIBRATION_MAX: usize = 20_000;
/// Bets: densities `e p^(e-1)` on small p-values, the same on large ones, and on both ends.
const EXPONENTS: [f64; 3] = [0.2, 0.5, 0.8];
/// Betting strategies: three exponents, three shapes.
const BETS: usize = 9;
/// Share of each bet's wealth that is laid anew over all bets at each step, so that a change after a long calm is followed
/// (tracking the best expert; Herbster and Warmuth 1998).
const REDISTRIBUTED: f64 = 1e-3;
/// p-values are kept away from 0 and 1, so that one row cannot break the bank.
const P_FLOOR: f64 = 1e-9;

/// A p-value in the open interval.
fn open(p: f64) -> f64 {
    if p.is_nan() { 0.5 } else { p.clamp(P_FLOOR, 1.0 - P_FLOOR) }
}

/// What one bet pays for a p-value that is even on (0, 1): each has mean 1.
fn payoff(bet: usize, p: f64) -> f64 {
    let exponent = EXPONENTS[bet / 3];
    let small = |p: f64| exponent * p.powf(exponent - 1.0);
    match bet % 3 {
        0 => small(p),
        1 => small(1.0 - p),
        _ => f64::midpoint(small(p), small(1.0 - p)),
    }
}

/// A test martingale over p-values that are even on (0, 1) while nothing changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Martingale {
    /// Logarithm of the wealth.
    log_wealth: f64,
    /// Highest `log_wealth` so far.
    log_wealth_max: f64,
    /// Share of the wealth on each bet.
    shares: [f64; BETS],
    rows: u64,
}

impl Default for Martingale {
    fn default() -> Self {
        Self { log_wealth: 0.0, log_wealth_max: 0.0, shares: [1.0 / BETS as f64; BETS], rows: 0 }
    }
}

impl Martingale {
    /// Takes one p-value; it must not be used twice.
    pub fn update(&mut self, p: f64) {
        let p = open(p);
        let mut total = 0.0;
        for (bet, share) in self.shares.iter_mut().enumerate() {
            *share *= payoff(bet, p);
            total += *share;
        }
        // INVARIANT: every payoff is positive and the shares stay above `REDISTRIBUTED / BETS`, so the total is positive.
        self.log_wealth += total.ln();
        for share in &mut self.shares {
            *share = (1.0 - REDISTRIBUTED) * *share / total + REDISTRIBUTED / BETS as f64;
        }
        self.log_wealth_max = self.log_wealth_max.max(self.log_wealth);
        self.rows += 1;
    }

    /// Natural logarithm of the evidence against "nothing changed" (the e-value) now.
    pub fn log_wealth(&self) -> f64 {
        self.log_wealth
    }

    /// P-values taken.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// An anytime-valid p-value: one over the highest wealth so far.
    pub fn p_value(&self) -> f64 {
        (-self.log_wealth_max).exp().min(1.0)
    }

    /// Whether the wealth ever passed `1 / alpha`: a stream without change does that with probability at most `alpha`, ever.
    pub fn alarm(&self, alpha: f64) -> bool {
        self.log_wealth_max >= -alpha.max(f64::MIN_POSITIVE).ln()
    }
}

/// Scores against a fixed reference, as an exact conformal martingale: the p-value of each score is its randomised rank among the
/// calibration scores *and* all scores of the stream before it, which makes the p-values independent and even (Vovk 2003).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreDrift {
    /// Sorted calibration scores, then every score of the stream, up to [`CALIBRATION_MAX`].
    known: Vec<f64>,
    martingale: Martingale,
    seed: u64,
}

/// SplitMix64 of a counter: the randomness of ties, drawn in advance by the seed.
fn even(seed: u64, at: u64) -> f64 {
    let mut mixed = seed ^ at.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Why a stream cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftError {
    /// No finite calibration score.
    NoCalibration,
}

impl std::fmt::Display for DriftError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoCalibration => write!(out, "no finite calibration score, at least one is needed"),
        }
    }
}

impl std::error::Error for DriftError {}

impl ScoreDrift {
    /// Starts from scores of rows that did not teach the model. The more (a few thousand), the earlier a change is seen.
    /// The first [`CALIBRATION_MAX`] are kept. Keep `seed` from who makes the stream.
    ///
    /// # Errors
    /// No finite score.
    pub fn new(calibration: &[f64], seed: u64) -> Result<Self, DriftError> {
        let mut known: Vec<f64> = calibration.iter().copied().filter(|score| score.is_finite()).take(CALIBRATION_MAX).collect();
        if known.is_empty() {
            return Err(DriftError::NoCalibration);
        }
        known.sort_by(f64::total_cmp);
        Ok(Self { known, martingale: Martingale::default(), seed })
    }

    /// Takes a window of scores; a score that is no number counts as the largest. Once [`CALIBRATION_MAX`] scores are known, new
    /// ones are no longer learnt: their p-values are those of a fixed reference, even only up to its sampling error, so the
    /// bound is exact up to there and approximate beyond (start anew with each released model).
    pub fn update(&mut self, window: &[f64]) {
        for &score in window {
            let score = if score.is_finite() { score } else { f64::MAX };
            let below = self.known.partition_point(|&known| known < score);
            let upto = self.known.partition_point(|&known| known <= score);
            let above = (self.known.len() - upto) as f64;
            let ties = (upto - below + 1) as f64;
            let p = (above + even(self.seed, self.martingale.rows) * ties) / (self.known.len() + 1) as f64;
            self.martingale.update(p);
            if self.known.len() < CALIBRATION_MAX {
                self.known.insert(upto, score);
            }
        }
    }

    /// The evidence so far.
    pub fn martingale(&self) -> &Martingale {
        &self.martingale
    }
}
