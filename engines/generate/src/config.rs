//! What may be asked of the generator, and the refusal of what makes no sense before a single row is written.

use crate::calendar::MONTHS;
use crate::rows::REGIONS_AT_START;
use serde::{Deserialize, Serialize};

/// Customers at most: beyond it a run would take days, so it is more likely a slip of the keyboard.
pub const CUSTOMERS_MAX: u64 = 1_000_000_000;

/// Which real data set the synthetic one behaves like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Mostly linear, 26.5 % churn, Bayes AUC 0.854: like the IBM telco set.
    TelcoLike,
    /// Strongly non-linear, 20.4 % churn, Bayes AUC 0.872: like the bank-churn set; linear models lose 0.11 of AUC.
    BankLike,
    /// Noisy, 40 % churn, Bayes AUC 0.752: like the online-retail set.
    NoisyRetail,
    /// Any other target.
    Custom(Target),
}

/// What the calibration aims at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Share of customers who churn in the horizon at the pilot month, 0.01..=0.60.
    pub rate: f64,
    /// AUC of the best possible score that does not know the frailty, 0.55..=0.97.
    pub auc: f64,
    /// Weight of the non-linear part of the churn score, 0..=1.
    pub rho: f64,
}

impl Profile {
    /// The target of the profile; the figures are measured on the real counterparts.
    pub fn target(self) -> Target {
        match self {
            Profile::TelcoLike => Target { rate: 0.265, auc: 0.854, rho: 0.04 },
            Profile::BankLike => Target { rate: 0.204, auc: 0.872, rho: 0.68 },
            Profile::NoisyRetail => Target { rate: 0.40, auc: 0.752, rho: 0.08 },
            Profile::Custom(target) => target,
        }
    }
}

/// A lasting change of the label rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateStep {
    /// The first month with the new rate.
    pub month: u32,
    /// Added to the log odds of churn, -3..=3.
    pub log_odds: f64,
}

/// Competitors cut their prices in one region.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceWar {
    /// The region's index, 0..12.
    pub region: u8,
    /// The month in which prices begin to fall.
    pub month: u32,
    /// How far the log price falls, reached after 26 weeks, 0..=1.
    pub depth: f64,
}

/// The ways in which the world may change under a model. All are still by default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dials {
    /// The month at which the coefficient and covariate drifts begin.
    pub drift_start_month: u32,
    /// Growth of the price gap's coefficient in each 12 months after the start, 0..=5. In a year 0.8 costs
    /// the best frozen score 0.015 of AUC, 1.6 costs 0.06.
    pub coefficient: f64,
    /// Share of the segment mix that has moved to the price-sensitive segments 12 months after the start, 0..=1.
    pub covariate: f64,
    /// Weight of the yearly wave in the churn score, 0..=2.
    pub seasonal_amplitude: f64,
    /// A lasting change of the label rate.
    pub rate_step: Option<RateStep>,
    /// The month in which a thirteenth region opens.
    pub new_region_month: Option<u32>,
    /// A price war in one region.
    pub price_war: Option<PriceWar>,
}

impl Default for Dials {
    fn default() -> Self {
        Dials {
            drift_start_month: 30,
            coefficient: 0.0,
            covariate: 0.0,
            seasonal_amplitude: 0.10,
            rate_step: None,
            new_region_month: None,
            price_war: None,
        }
    }
}

/// All that decides the bytes of a synthetic data set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Same seed, same bytes.
    pub seed: u64,
    /// Customers, 1..=[`CUSTOMERS_MAX`].
    pub customers: u64,
    /// Which real data set to resemble.
    pub profile: Profile,
    /// The changes over time.
    #[serde(default)]
    pub dials: Dials,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number lies outside the range in which the generator was measured.
    #[error("`{name}` is `{seen}`, which is outside {low} to {high}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// Its value.
        seen: f64,
        /// The least allowed.
        low: f64,
        /// The most allowed.
        high: f64,
    },
    /// No strength of the churn score reaches the wanted AUC.
    #[error("an AUC of `{wanted}` cannot be reached, the pilot reaches `{reached}` at most")]
    AucOutOfReach {
        /// The AUC asked for.
        wanted: f64,
        /// The AUC at the end of the search.
        reached: f64,
    },
    /// A manifest's pilot constants do not belong to its configuration.
    #[error("the pilot constants of the manifest are not those of its configuration")]
    ForeignPilot,
}

fn within(name: &'static str, seen: f64, low: f64, high: f64) -> Result<(), ConfigError> {
    // A NaN fails both comparisons and is refused.
    if seen >= low && seen <= high { Ok(()) } else { Err(ConfigError::OutOfRange { name, seen, low, high }) }
}

impl Config {
    /// A still world (no drift) of `customers` customers.
    pub fn new(seed: u64, customers: u64, profile: Profile) -> Config {
        Config { seed, customers, profile, dials: Dials::default() }
    }

    /// Refuses settings outside the measured ranges.
    pub fn check(&self) -> Result<(), ConfigError> {
        let last_month = f64::from(MONTHS - 1);
        let (target, dials) = (self.profile.target(), self.dials);
        within("customers", self.customers as f64, 1.0, CUSTOMERS_MAX as f64)?;
        within("rate", target.rate, 0.01, 0.60)?;
        within("auc", target.auc, 0.55, 0.97)?;
        within("rho", target.rho, 0.0, 1.0)?;
        within("drift_start_month", f64::from(dials.drift_start_month), 0.0, last_month)?;
        within("coefficient", dials.coefficient, 0.0, 5.0)?;
        within("covariate", dials.covariate, 0.0, 1.0)?;
        within("seasonal_amplitude", dials.seasonal_amplitude, 0.0, 2.0)?;
        if let Some(step) = dials.rate_step {
            within("rate_step.month", f64::from(step.month), 0.0, last_month)?;
            within("rate_step.log_odds", step.log_odds, -3.0, 3.0)?;
        }
        if let Some(month) = dials.new_region_month {
            within("new_region_month", f64::from(month), 0.0, last_month)?;
        }
        if let Some(war) = dials.price_war {
            within("price_war.region", f64::from(war.region), 0.0, REGIONS_AT_START as f64 - 1.0)?;
            within("price_war.month", f64::from(war.month), 0.0, last_month)?;
            within("price_war.depth", war.depth, 0.0, 1.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut Config), refused: Option<&str>) {
        let mut config = Config::new(1, 10, Profile::TelcoLike);
        change(&mut config);
        match (config.check(), refused) {
            (Ok(()), None) => {}
            (Err(ConfigError::OutOfRange { name, .. }), Some(wanted)) => assert_eq!(name, wanted),
            (seen, wanted) => panic!("saw {seen:?}, wanted {wanted:?}"),
        }
    }

    fn custom(rate: f64, auc: f64, rho: f64) -> Profile {
        Profile::Custom(Target { rate, auc, rho })
    }

    #[test]
    fn an_ordinary_world_passes() {
        check(|_| {}, None);
    }
    #[test]
    fn no_customers_are_refused() {
        check(|c| c.customers = 0, Some("customers"));
    }
    #[test]
    fn a_rate_that_is_no_number_is_refused() {
        check(|c| c.profile = custom(f64::NAN, 0.8, 0.1), Some("rate"));
    }
    #[test]
    fn a_perfect_auc_is_refused() {
        check(|c| c.profile = custom(0.2, 1.0, 0.1), Some("auc"));
    }
    #[test]
    fn a_custom_target_passes() {
        check(|c| c.profile = custom(0.2, 0.9, 0.1), None);
    }
    #[test]
    fn a_war_in_an_unknown_region_is_refused() {
        check(|c| c.dials.price_war = Some(PriceWar { region: 12, month: 30, depth: 0.2 }), Some("price_war.region"));
    }
    #[test]
    fn a_war_in_a_known_region_passes() {
        check(|c| c.dials.price_war = Some(PriceWar { region: 11, month: 30, depth: 0.2 }), None);
    }
    #[test]
    fn a_region_after_the_end_is_refused() {
        check(|c| c.dials.new_region_month = Some(48), Some("new_region_month"));
    }

    #[test]
    fn the_configuration_reads_from_text() {
        let text = r#"{"seed":7,"customers":10,"profile":"bank-like","dials":{"covariate":0.5}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!((config.profile, config.dials.covariate, config.dials.seasonal_amplitude), (Profile::BankLike, 0.5, 0.10));
        assert!(serde_json::from_str::<Config>(r#"{"seed":7,"customers":10,"profile":"bank-like","dails":{}}"#).is_err());
    }
}
