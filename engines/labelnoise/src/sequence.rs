//! Watches one labeller, approver or terminal for as long as it works, and may be asked at any time: an insider who turns a few labels a
//! day is found when the evidence suffices, and an honest one is ever accused with a stated probability only (T6).
//!
//! Period by period his labels are held against the others' labels of the same period in layers of about the same chance. While they are
//! exchangeable within a layer of a period, the number of his "churned" ones follows the hypergeometric law, whatever the model, the
//! season or the market do; so `w^found / E(w^found)` is an e-value for any odds ratio `w` that was chosen before (the conditional
//! e-value of a 2x2 table; Turner, Ly and Grünwald 2024), and the product over layers and periods is a test martingale. By Ville's inequality
//! (1939) it ever passes `1 / rate` with probability at most `rate`, at any stopping time. Nine odds ratios are bet on, and none; wealth
//! moves between them by a small share each period (tracking the best expert; Herbster and Warmuth 1998), so that a change after years
//! is followed.

use serde::{Deserialize, Serialize};

use crate::LabelError;
use crate::error::{chances, same};
use crate::law::{Urn, count, length};

/// Layers of rows with about the same chance: of equal width in log odds, from 1 % to 99 %.
const LAYERS: usize = 12;
/// Log odds of the outermost ends: those of 1 % and 99 %.
const ENDS: f64 = 4.595;
/// Chances of a layer are kept away from 0 and 1, so that no bet stakes all.
const CHANCE_FLOOR: f64 = 0.005;
/// Shares of a labeller's labels that bets reckon with to be turned, among those that can be.
const SHARES: [f64; 3] = [0.1, 0.2, 0.4];
/// Bets: each share for hidden churners, invented ones, and both; and none, the last.
const BETS: usize = 3 * SHARES.len() + 1;
/// Share of each bet's wealth that is laid anew over all bets after each period.
const REDISTRIBUTED: f64 = 1e-3;

/// Labels of one period with their chances by a model that did not see them. The bound on false alarms is exact where the model learned
/// from earlier periods, or a golden set; where each labeller is judged by a model of the others' labels ([`crate::without_labeller`])
/// it was kept on public data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labels<'a> {
    /// The probability that each customer churns, 0 to 1.
    pub chances: &'a [f64],
    /// What the labels say.
    pub labels: &'a [bool],
}

/// Watches one labeller's labels against the others'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Share of the wealth on each bet.
    shares: [f64; BETS],
    log_wealth: f64,
    log_wealth_max: f64,
    rows: u64,
    periods: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { shares: [1.0 / length(BETS); BETS], log_wealth: 0.0, log_wealth_max: 0.0, rows: 0, periods: 0 }
    }
}

impl Watch {
    /// Takes the labels of one period, a day or a week: his and the others'. No label may be given in two periods. A period without
    /// others, or without him, says nothing.
    ///
    /// # Errors
    /// Lists of different lengths, a chance that is none; the watch is then as it was.
    pub fn period(&mut self, own: Labels<'_>, others: Labels<'_>) -> Result<(), LabelError> {
        for part in [own, others] {
            same("labels", part.chances.len(), part.labels.len())?;
            chances(part.chances)?;
        }
        let mut gains = [0.0; BETS];
        for (own, others) in layered(own).iter().zip(&layered(others)) {
            let (drawn, found) = (own.rows, own.churned);
            let urn = Urn { rows: drawn + others.rows, marked: own.churned + others.churned, drawn };
            if urn.marked == 0 || urn.marked == urn.rows || drawn == 0 || drawn == urn.rows {
                continue;
            }
            // Of chances alone, which hold nothing of these labels: so the odds ratios are chosen before.
            let usual = ((own.chances + others.chances) / count(urn.rows)).clamp(CHANCE_FLOOR, 1.0 - CHANCE_FLOOR);
            for (bet, gain) in gains.iter_mut().enumerate() {
                *gain += urn.log_e_value(found, odds_ratio(bet, usual));
            }
            self.rows += drawn;
        }
        self.periods += 1;
        self.settle(gains);
        Ok(())
    }

    /// Pays the bets: each is multiplied by an e-value, whose logarithm is given.
    fn settle(&mut self, gains: [f64; BETS]) {
        // Taken out, so that nothing overflows.
        let most = gains.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for (share, gain) in self.shares.iter_mut().zip(gains) {
            *share *= libm::exp(gain - most);
            total += *share;
        }
        // INVARIANT: every share is at least `REDISTRIBUTED / BETS`, and one gain is the most, so the total is positive.
        self.log_wealth += libm::log(total) + most;
        self.log_wealth_max = self.log_wealth_max.max(self.log_wealth);
        for share in &mut self.shares {
            *share = (1.0 - REDISTRIBUTED) * *share / total + REDISTRIBUTED / length(BETS);
        }
    }

    /// Labels of the watched labeller that could be compared so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Periods so far.
    pub fn periods(&self) -> u64 {
        self.periods
    }

    /// Natural logarithm of the evidence now.
    pub fn log_wealth(&self) -> f64 {
        self.log_wealth
    }

    /// A p-value that may be read at any time, and as often as one likes: one over the highest wealth so far.
    pub fn p_value(&self) -> f64 {
        libm::exp(-self.log_wealth_max).min(1.0)
    }

    /// Whether the wealth ever passed `watched / rate`: of so many labellers that are watched for ever, any honest one is accused with
    /// probability at most `rate`.
    pub fn alarm(&self, rate: f64, watched: u32) -> bool {
        let least = rate.max(f64::MIN_POSITIVE) / f64::from(watched.max(1));
        self.log_wealth_max >= -libm::log(least)
    }
}

/// What is counted of one layer of chance.
#[derive(Clone, Copy, Default)]
struct Layer {
    rows: u64,
    churned: u64,
    /// Sum.
    chances: f64,
}

fn layered(part: Labels<'_>) -> [Layer; LAYERS] {
    let mut out = [Layer::default(); LAYERS];
    for (chance, label) in part.chances.iter().zip(part.labels) {
        let log_odds = libm::log(chance.max(1e-9)) - libm::log((1.0 - chance).max(1e-9));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "negative numbers become 0, which is meant")]
        let layer = ((log_odds + ENDS) / (2.0 * ENDS) * length(LAYERS)) as usize;
        let layer = &mut out[layer.min(LAYERS - 1)];
        layer.rows += 1;
        layer.churned += u64::from(*label);
        layer.chances += chance;
    }
    out
}

/// The odds of "churned" that a bet reckons with against the odds of everybody, where a share `usual` of a layer should say so.
fn odds_ratio(bet: usize, usual: f64) -> f64 {
    let Some(share) = SHARES.get(bet / 3) else { return 1.0 };
    let unusual = match bet % 3 {
        0 => usual * (1.0 - share),
        1 => usual + (1.0 - usual) * share,
        _ => usual * (1.0 - share) + (1.0 - usual) * share,
    };
    unusual / (1.0 - unusual) * ((1.0 - usual) / usual)
}

#[cfg(test)]
mod tests {
    use learn::calibrate::logistic;
    use learn::rng::Rng;

    use super::*;

    /// Days of 40 labels of the watched one and 360 of others; how many of 100 watched ones raise the alarm at 1 %. `off` is what the
    /// model makes of the true chance, `season` what all chances are multiplied by on a day, `turn` what he does from a day on.
    fn alarms(
        (days, from): (u32, u32),
        off: impl Fn(f64) -> f64,
        season: impl Fn(u32) -> f64,
        turn: impl Fn(bool) -> f64,
    ) -> usize {
        (0..100)
            .filter(|seed| {
                let mut rng = Rng::new(9_000 + *seed);
                let mut watch = Watch::default();
                for day in 0..days {
                    let mut rows = |rows: usize, turns: bool| -> (Vec<f64>, Vec<bool>) {
                        let one = |rng: &mut Rng| {
                            let chance = 0.02 + 0.88 * rng.unit().powi(3);
                            let label = rng.unit() < chance * season(day);
                            (off(chance), label ^ (turns && rng.unit() < turn(label)))
                        };
                        (0..rows).map(|_| one(&mut rng)).unzip()
                    };
                    let (own, others) = (rows(40, day >= from), rows(360, false));
                    let (own, others) =
                        (Labels { chances: &own.0, labels: &own.1 }, Labels { chances: &others.0, labels: &others.1 });
                    watch.period(own, others).unwrap();
                }
                watch.alarm(0.01, 1)
            })
            .count()
    }

    fn hides(churned: bool) -> f64 {
        if churned { 0.4 } else { 0.0 }
    }

    #[test]
    fn honest_labellers_are_almost_never_accused() {
        // 1 of 100 at most on average; 5 or more then come in less than 1 of 250 runs.
        assert!(alarms((100, 100), |chance| chance, |_| 1.0, hides) <= 4);
    }
    #[test]
    fn nor_are_they_where_the_model_is_wrong() {
        assert!(alarms((60, 60), |chance| chance * chance, |_| 1.0, hides) <= 4);
        assert!(alarms((60, 60), |_| 0.5, |_| 1.0, hides) <= 4);
    }
    #[test]
    fn nor_where_everything_changes_for_everybody() {
        assert!(alarms((60, 60), |chance| chance, |day| if day % 20 < 10 { 0.4 } else { 1.0 }, hides) <= 4);
    }
    #[test]
    fn who_hides_churners_is_found() {
        let found = alarms((13, 0), |chance| chance, |_| 1.0, hides);
        assert!(found >= 95, "{found}");
    }
    #[test]
    fn who_turns_labels_at_random_is_found() {
        let found = alarms((13, 0), |chance| chance, |_| 1.0, |_| 0.2);
        assert!(found >= 95, "{found}");
    }
    #[test]
    fn who_begins_after_years_is_found() {
        let found = alarms((100, 80), |chance| chance, |_| 1.0, hides);
        assert!(found >= 95, "{found}");
    }

    #[test]
    fn bets_are_fair() {
        for (rows, marked, drawn) in [(10, 3, 4), (50, 20, 7), (400, 30, 390), (30, 29, 15)] {
            let urn = Urn { rows, marked, drawn };
            for bet in 0..BETS {
                let ratio = odds_ratio(bet, marked as f64 / rows as f64);
                let (mut mean, mut all) = (0.0, 0.0);
                for found in 0..=drawn.min(marked) {
                    let chance = urn.at_least(found) - urn.at_least(found + 1);
                    all += chance;
                    if chance > 1e-12 {
                        mean += chance * libm::exp(urn.log_e_value(found, ratio));
                    }
                }
                assert!((mean - 1.0).abs() < 1e-6 && (all - 1.0).abs() < 1e-9, "{urn:?} {ratio} {mean}");
            }
        }
    }

    #[test]
    fn days_that_say_nothing_change_nothing() {
        let mut watch = Watch::default();
        let none = Labels { chances: &[], labels: &[] };
        let some = Labels { chances: &[0.1, 0.9, 0.0, 1.0], labels: &[false, true, true, false] };
        for (own, others) in [(none, none), (none, some), (some, none)] {
            watch.period(own, others).unwrap();
        }
        assert!(watch.rows() == 0 && watch.periods() == 3 && watch.log_wealth().abs() < 1e-12 && watch.p_value() >= 0.999);
        assert!(watch.period(some, Labels { chances: &[0.5], labels: &[] }).is_err());
        assert_eq!(watch.period(Labels { chances: &[1.5], labels: &[true] }, some), Err(LabelError::Chance(0)));
        assert!(!watch.alarm(0.0, 0) && watch.periods() == 3);
        // One day of very many labels, all turned around: the evidence stays a number.
        let chances: Vec<f64> = (0..20_000).map(|row| logistic(f64::from(row % 9) - 4.0)).collect();
        let mut rng = Rng::new(1);
        let labels: Vec<bool> = chances.iter().map(|chance| rng.unit() < *chance).collect();
        let opposite: Vec<bool> = labels.iter().map(|label| !label).collect();
        watch.period(Labels { chances: &chances, labels: &opposite }, Labels { chances: &chances, labels: &labels }).unwrap();
        assert!(watch.log_wealth().is_finite() && watch.alarm(1e-9, 100));
    }
}
