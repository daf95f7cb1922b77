//! Laws of chance that need no model and no assumption but a fair draw: what they say about labels is proof, not opinion (T6).

/// Probability that a standard normal number is at least `z`; 1 where `z` is no number.
pub(crate) fn normal_at_least(z: f64) -> f64 {
    if z.is_nan() { 1.0 } else { 0.5 * libm::erfc(z / std::f64::consts::SQRT_2) }
}

/// A term of a falling series that adds nothing more.
const NEGLIGIBLE: f64 = 1e-18;

/// A draw of some rows without replacement, of which some are marked (the hypergeometric law).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Urn {
    /// All rows.
    pub(crate) rows: u64,
    /// Marked ones among them.
    pub(crate) marked: u64,
    /// Rows drawn.
    pub(crate) drawn: u64,
}

impl Urn {
    /// The fewest and the most marked rows that can be drawn.
    fn range(self) -> (u64, u64) {
        ((self.drawn + self.marked).saturating_sub(self.rows), self.drawn.min(self.marked))
    }

    /// Probability of exactly `found` marked rows among the drawn.
    fn exactly(self, found: u64) -> f64 {
        libm::exp(self.log_exactly(found))
    }

    fn log_exactly(self, found: u64) -> f64 {
        let Self { rows, marked, drawn } = self;
        ln_choose(marked, found) + ln_choose(rows - marked, drawn - found) - ln_choose(rows, drawn)
    }

    /// Logarithm of `ratio^found / E(ratio^X)`, `X` being the marked ones of such a draw: an e-value, whose mean is 1.
    pub(crate) fn log_e_value(self, found: u64, ratio: f64) -> f64 {
        let log_ratio = libm::log(ratio);
        let (least, most) = self.range();
        let terms = || (least..=most).map(|other| self.log_exactly(other) + count(other) * log_ratio);
        let largest = terms().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = terms().map(|term| libm::exp(term - largest)).sum();
        count(found) * log_ratio - largest - libm::log(sum)
    }

    /// Sum of the probabilities from a count above the mean on, by the ratio of neighbours.
    fn from(self, first: u64) -> f64 {
        let Self { rows, marked, drawn } = self;
        let mut term = self.exactly(first);
        let mut sum = 0.0;
        for found in first..=self.range().1 {
            sum += term;
            if term <= sum * NEGLIGIBLE {
                break;
            }
            term *= count(marked - found) * count(drawn - found) / (count(found + 1) * count(rows + found + 1 - marked - drawn));
        }
        sum
    }

    /// The same from a count below the mean downwards.
    fn down_from(self, last: u64) -> f64 {
        let Self { rows, marked, drawn } = self;
        let mut term = self.exactly(last);
        let mut sum = 0.0;
        for found in (self.range().0..=last).rev() {
            sum += term;
            if term <= sum * NEGLIGIBLE {
                break;
            }
            term *= count(found) * count(rows + found - marked - drawn) / (count(marked + 1 - found) * count(drawn + 1 - found));
        }
        sum
    }

    /// Probability of at least `found` marked rows among the drawn.
    pub(crate) fn at_least(self, found: u64) -> f64 {
        let (least, most) = self.range();
        if self.marked > self.rows || self.drawn > self.rows || found <= least {
            return 1.0;
        }
        if found > most {
            return 0.0;
        }
        // The tail away from the mean is summed, so that small probabilities keep their digits and none is lost below the least number.
        let mean = count(self.drawn) * count(self.marked) / count(self.rows);
        let share = if count(found) > mean { self.from(found) } else { 1.0 - self.down_from(found - 1) };
        share.clamp(0.0, 1.0)
    }

    /// Probability of at most `found` marked rows among the drawn.
    pub(crate) fn at_most(self, found: u64) -> f64 {
        let (least, most) = self.range();
        if self.marked > self.rows || self.drawn > self.rows || found >= most {
            return 1.0;
        }
        if found < least {
            return 0.0;
        }
        let mean = count(self.drawn) * count(self.marked) / count(self.rows);
        let share = if count(found) < mean { self.down_from(found) } else { 1.0 - self.from(found + 1) };
        share.clamp(0.0, 1.0)
    }
}

fn ln_choose(all: u64, some: u64) -> f64 {
    if some > all {
        return f64::NEG_INFINITY;
    }
    libm::lgamma(count(all) + 1.0) - libm::lgamma(count(some) + 1.0) - libm::lgamma(count(all - some) + 1.0)
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
pub(crate) fn count(rows: u64) -> f64 {
    rows as f64
}

/// The same of a length.
#[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
pub(crate) fn length(rows: usize) -> f64 {
    rows as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_law_has_its_known_tails() {
        for (z, tail) in [(0.0, 0.5), (1.959_964, 0.025), (2.326_348, 0.01), (-1.281_552, 0.9)] {
            assert!((normal_at_least(z) - tail).abs() < 1e-6, "{z}");
        }
        assert_eq!(normal_at_least(f64::NAN), 1.0);
    }

    /// Every draw counted: `marked` of `rows` rows are the first ones.
    fn counted(urn: Urn, at_least: u64) -> f64 {
        let (mut hits, mut all) = (0.0, 0.0);
        for set in 0..1_u64 << urn.rows {
            if u64::from(set.count_ones()) == urn.drawn {
                all += 1.0;
                let found = (set & ((1 << urn.marked) - 1)).count_ones();
                hits += f64::from(u8::from(u64::from(found) >= at_least));
            }
        }
        hits / all
    }

    #[test]
    fn draws_are_those_that_can_be_counted() {
        for (rows, marked, drawn) in [(10, 3, 4), (12, 12, 5), (9, 0, 3), (11, 7, 9), (8, 4, 0), (6, 5, 6)] {
            let urn = Urn { rows, marked, drawn };
            for found in 0..=rows {
                let expected = counted(urn, found);
                assert!((urn.at_least(found) - expected).abs() < 1e-12, "{urn:?} {found}");
                let below = if found == rows { 1.0 } else { 1.0 - counted(urn, found + 1) };
                assert!((urn.at_most(found) - below).abs() < 1e-12, "{urn:?} {found}");
            }
        }
    }

    #[test]
    fn large_urns_do_not_break() {
        let urn = Urn { rows: 2_000_000, marked: 20_000, drawn: 299 };
        assert!((urn.at_most(0) - 0.0495).abs() < 1e-3, "{}", urn.at_most(0));
        let far = Urn { rows: 2_000_000, marked: 100_000, drawn: 100_000 };
        assert!(far.at_least(5_000) > 0.4 && far.at_least(5_000) < 0.6);
        assert!(far.at_least(6_000) < 1e-20);
    }
}
