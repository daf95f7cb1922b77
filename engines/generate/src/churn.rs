//! Who leaves: the churn score, and the calibration that gives a profile its rate and its best possible AUC.
//!
//! Standardisation uses the means and deviations of one pilot, stored in the manifest, never those of the rows at hand: otherwise
//! a row's label would depend on which rows are made with it.

use crate::config::{Config, ConfigError};
use crate::draw::{Stream, sigmoid};
use crate::market::Market;
use crate::person::{Activity, MonthLaw, TENURE_MONTHS, Traits, years_since};
use crate::rows::Contract;
use serde::{Deserialize, Serialize};

/// Rows of the pilot.
pub const PILOT_ROWS: u64 = 65_536;
/// The month of the pilot; its world is without drift.
pub const PILOT_MONTH: u32 = 30;
/// The pilot's rows lie beyond any customer, so that no customer was used to calibrate.
const PILOT_FIRST_ROW: u64 = 1 << 40;
/// Deviation of the log odds that no column explains.
pub(crate) const FRAILTY: f64 = 0.35;
/// Entries of the table of log(1 + recency); larger values are computed.
const LOG_TABLE: usize = 256;

/// Mean and standard deviation of one part of the score over the pilot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation (divided by the number of rows).
    pub sd: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Moments {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        Moments { mean: stored(mean), sd: stored(variance.sqrt().max(1e-9)) }
    }

    fn z(self, value: f64) -> f64 {
        (value - self.mean) / self.sd
    }
}

/// Rounds a constant to 9 decimals before use, so that the constants in a manifest are those that were used.
fn stored(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// The constants of a calibrated profile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pilot {
    /// Of log(1 + tenure).
    pub log_tenure: Moments,
    /// Of log(1 + recency).
    pub log_recency: Moments,
    /// Of the price gap.
    pub price_gap: Moments,
    /// Of the linear part of the score.
    pub linear: Moments,
    /// Of the non-linear part.
    pub nonlinear: Moments,
    /// Of their weighted sum.
    pub mixed: Moments,
    /// Strength of the score: log odds a standard deviation.
    pub kappa: f64,
    /// Log odds of churn at score 0.
    pub intercept: f64,
    /// Share of churners in the pilot.
    pub rate: f64,
    /// Expected AUC of the score in the pilot.
    pub auc: f64,
}

/// log(1 + n) for the small whole numbers of tenure and recency.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    table: Vec<f64>,
}

impl Logs {
    pub(crate) fn new() -> Logs {
        Logs { table: (0..LOG_TABLE).map(|n| libm::log1p(n as f64)).collect() }
    }

    fn log1p(&self, n: u32) -> f64 {
        self.table.get(n as usize).copied().unwrap_or_else(|| libm::log1p(f64::from(n)))
    }
}

/// The parts of the score that the pilot standardises first.
struct Parts {
    log_tenure: f64,
    log_recency: f64,
    price_gap: f64,
}

impl Parts {
    fn of(law: &MonthLaw, logs: &Logs, traits: &Traits, activity: &Activity) -> Parts {
        Parts {
            log_tenure: logs.log1p(traits.tenure),
            log_recency: logs.log1p(activity.recency_days),
            price_gap: traits.price_gap(law),
        }
    }
}

fn when(condition: bool, weight: f64) -> f64 {
    if condition { weight } else { 0.0 }
}

/// The part that a logistic regression can learn. `drift` is added to the price gap's coefficient.
fn linear(pilot: &Pilot, parts: &Parts, traits: &Traits, activity: &Activity, drift: f64) -> f64 {
    when(traits.contract == Contract::Month, 1.05)
        - when(traits.contract == Contract::TwoYears, 0.75)
        - 0.55 * pilot.log_tenure.z(parts.log_tenure)
        + (0.45 + drift) * pilot.price_gap.z(parts.price_gap)
        + when(traits.fibre, 0.35)
        + 0.38 * f64::from(activity.open_tickets)
        + 0.30 * pilot.log_recency.z(parts.log_recency)
        - 0.40 / 0.35 * 0.5 * activity.usage_trend
        - when(traits.autopay, 0.25)
        + 0.25 * f64::from(activity.late_payments)
}

/// The part that needs trees: both ends of age, product counts, and conditions that meet.
fn nonlinear(parts: &Parts, traits: &Traits, activity: &Activity) -> f64 {
    1.1 * ((f64::from(traits.age) - 45.0).abs() / 15.0 - 0.8) + when(traits.products >= 3, 1.2) - when(traits.products == 2, 0.5)
        + when(activity.open_tickets > 0 && traits.contract == Contract::Month, 0.9)
        + when(parts.price_gap > 0.1 && traits.tenure < 24, 0.7)
        - when(activity.frequency > 20 && activity.recency_days < 5, 0.6)
}

/// What turns a customer's month into log odds.
#[derive(Debug, Clone)]
pub(crate) struct ChurnLaw {
    pilot: Pilot,
    rho: f64,
    drift: f64,
    seasonal: f64,
    shift: f64,
    frailty: Stream,
}

impl ChurnLaw {
    pub(crate) fn new(config: &Config, pilot: &Pilot, law: &MonthLaw) -> ChurnLaw {
        let dials = &config.dials;
        ChurnLaw {
            pilot: *pilot,
            rho: config.profile.target().rho,
            drift: dials.coefficient * years_since(dials.drift_start_month, law.month),
            seasonal: dials.seasonal_amplitude * law.season,
            shift: dials.rate_step.map_or(0.0, |step| when(law.month >= step.month, step.log_odds)),
            frailty: law.stream(crate::person::Draw::Frailty),
        }
    }

    /// The score: what the best possible model would rank by.
    pub(crate) fn eta(&self, law: &MonthLaw, logs: &Logs, traits: &Traits, activity: &Activity) -> f64 {
        let parts = Parts::of(law, logs, traits, activity);
        let linear = self.pilot.linear.z(linear(&self.pilot, &parts, traits, activity, self.drift));
        let nonlinear = self.pilot.nonlinear.z(nonlinear(&parts, traits, activity));
        self.pilot.mixed.z((1.0 - self.rho) * linear + self.rho * nonlinear) + self.seasonal
    }

    /// The true chance of churn of customer `row` with score `eta`.
    pub(crate) fn probability(&self, eta: f64, row: u64) -> f64 {
        sigmoid(self.pilot.intercept + self.shift + self.pilot.kappa * eta + FRAILTY * self.frailty.normal(row))
    }
}

/// Measures the pilot's moments and finds `kappa` and `intercept`.
pub(crate) fn calibrate(config: &Config) -> Result<Pilot, ConfigError> {
    let still = Config { dials: crate::config::Dials::default(), ..*config };
    let market = Market::new(&still);
    let law = MonthLaw::new(&still, &market, PILOT_MONTH);
    let logs = Logs::new();
    let rows = PILOT_FIRST_ROW..PILOT_FIRST_ROW + PILOT_ROWS;
    let people: Vec<(Traits, Activity)> = rows
        .map(|row| {
            let traits = Traits::draw(&law, row);
            (traits, Activity::draw(&law, &traits, row))
        })
        .collect();
    let parts: Vec<Parts> = people.iter().map(|(traits, activity)| Parts::of(&law, &logs, traits, activity)).collect();
    let unit = Moments { mean: 0.0, sd: 1.0 };
    let moments = |of: &dyn Fn(&Parts) -> f64| Moments::of(&parts.iter().map(of).collect::<Vec<f64>>());
    let mut pilot = Pilot {
        log_tenure: moments(&|p| p.log_tenure),
        log_recency: moments(&|p| p.log_recency),
        price_gap: moments(&|p| p.price_gap),
        linear: unit,
        nonlinear: unit,
        mixed: unit,
        kappa: 0.0,
        intercept: 0.0,
        rate: 0.0,
        auc: 0.0,
    };
    let straight: Vec<f64> = people.iter().zip(&parts).map(|((t, a), p)| linear(&pilot, p, t, a, 0.0)).collect();
    let bent: Vec<f64> = people.iter().zip(&parts).map(|((t, a), p)| nonlinear(p, t, a)).collect();
    (pilot.linear, pilot.nonlinear) = (Moments::of(&straight), Moments::of(&bent));
    let rho = config.profile.target().rho;
    let mixed: Vec<f64> =
        straight.iter().zip(&bent).map(|(l, n)| (1.0 - rho) * pilot.linear.z(*l) + rho * pilot.nonlinear.z(*n)).collect();
    pilot.mixed = Moments::of(&mixed);

    let seasonal = still.dials.seasonal_amplitude * law.season;
    let frailty = law.stream(crate::person::Draw::Frailty);
    let mut scored: Vec<Scored> = mixed
        .iter()
        .zip(PILOT_FIRST_ROW..)
        .map(|(value, row)| Scored { eta: pilot.mixed.z(*value) + seasonal, frailty: FRAILTY * frailty.normal(row) })
        .collect();
    // The order by score does not change with its strength, so one sort serves the whole search.
    scored.sort_by(|a, b| a.eta.total_cmp(&b.eta));
    search(&scored, config, pilot)
}

/// One pilot row: score and frailty in log odds.
struct Scored {
    eta: f64,
    frailty: f64,
}

/// The outer search, over `kappa`: the AUC grows with it.
fn search(scored: &[Scored], config: &Config, mut pilot: Pilot) -> Result<Pilot, ConfigError> {
    const KAPPA_MAX: f64 = 12.0;
    let target = config.profile.target();
    let (mut low, mut high) = (0.0, KAPPA_MAX);
    let mut intercept = 0.0;
    // 36 halvings of 12 leave 2e-10, less than the 9 decimals kept.
    for _ in 0..36 {
        let kappa = (low + high) / 2.0;
        intercept = intercept_for(scored, kappa, target.rate, intercept);
        if auc_at(scored, kappa, intercept) < target.auc { low = kappa } else { high = kappa }
    }
    pilot.kappa = stored((low + high) / 2.0);
    pilot.intercept = stored(intercept_for(scored, pilot.kappa, target.rate, intercept));
    pilot.auc = stored(auc_at(scored, pilot.kappa, pilot.intercept));
    pilot.rate = stored(rate_at(scored, pilot.kappa, pilot.intercept).0);
    if (pilot.auc - target.auc).abs() > 0.001 {
        return Err(ConfigError::AucOutOfReach { wanted: target.auc, reached: pilot.auc });
    }
    Ok(pilot)
}

/// Mean churn and its derivative in the intercept.
fn rate_at(scored: &[Scored], kappa: f64, intercept: f64) -> (f64, f64) {
    let (mut sum, mut slope) = (0.0, 0.0);
    for row in scored {
        let p = sigmoid(intercept + kappa * row.eta + row.frailty);
        sum += p;
        slope += p * (1.0 - p);
    }
    (sum / scored.len() as f64, slope / scored.len() as f64)
}

/// The inner search: Newton steps from the last intercept, kept inside a bracket that each step halves at worst.
fn intercept_for(scored: &[Scored], kappa: f64, rate: f64, start: f64) -> f64 {
    let (mut low, mut high) = (-60.0, 60.0);
    let mut intercept = start;
    for _ in 0..60 {
        let (mean, slope) = rate_at(scored, kappa, intercept);
        if (mean - rate).abs() < 1e-11 {
            break;
        }
        if mean < rate {
            low = intercept
        } else {
            high = intercept
        }
        let step = intercept - (mean - rate) / slope.max(1e-12);
        intercept = if step > low && step < high { step } else { (low + high) / 2.0 };
    }
    intercept
}

/// The expected AUC of ranking by the score, over rows already sorted by it.
fn auc_at(scored: &[Scored], kappa: f64, intercept: f64) -> f64 {
    let (mut stayers, mut churners, mut pairs) = (0.0, 0.0, 0.0);
    for row in scored {
        let p = sigmoid(intercept + kappa * row.eta + row.frailty);
        pairs += p * (stayers + (1.0 - p) / 2.0);
        stayers += 1.0 - p;
        churners += p;
    }
    pairs / (stayers * churners)
}

/// The expected AUC of ranking rows by `scores` if row `i` churns with chance `probabilities[i]`; ties count half, the shorter
/// slice decides the length, and 0.5 is returned where churners or stayers are absent.
pub fn expected_auc(scores: &[f64], probabilities: &[f64]) -> f64 {
    let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(probabilities.iter().copied()).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut stayers, mut churners, mut pairs) = (0.0, 0.0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let p: f64 = tied.iter().map(|row| row.1).sum();
        let q = tied.len() as f64 - p;
        pairs += p * (stayers + q / 2.0);
        stayers += q;
        churners += p;
    }
    if stayers * churners > 0.0 { pairs / (stayers * churners) } else { 0.5 }
}

// The table of logs must at least cover every tenure.
const _: () = assert!(TENURE_MONTHS <= LOG_TABLE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_auc_of_certain_labels_is_the_auc() {
        assert_eq!(expected_auc(&[0.1, 0.4, 0.35, 0.8], &[0.0, 0.0, 1.0, 1.0]), 0.75);
        assert_eq!(expected_auc(&[1.0, 1.0], &[0.0, 1.0]), 0.5);
        assert_eq!(expected_auc(&[1.0, 2.0], &[1.0, 1.0]), 0.5);
        assert_eq!(expected_auc(&[], &[]), 0.5);
    }

    #[test]
    fn strengths_are_near_the_prototypes() {
        // The prototype found 1.825 and -1.626; it left the frailty out of the AUC, which makes its kappa a little smaller.
        let pilot = calibrate(&Config::new(7, 1, crate::config::Profile::TelcoLike)).unwrap();
        assert!((pilot.kappa - 1.86).abs() < 0.06, "{}", pilot.kappa);
        assert!((pilot.intercept + 1.63).abs() < 0.06, "{}", pilot.intercept);
    }
}
