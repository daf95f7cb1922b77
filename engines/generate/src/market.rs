//! The third party's market feed: the data that an outsider can poison, with the lateness and corrections that honest feeds have.

use crate::calendar::{WEEKS, first_week_of, week_start};
use crate::config::{Config, PriceWar};
use crate::draw::Stream;
use crate::rows::{COMPETITORS, MarketRow, REGIONS, REGIONS_AT_START};
use crate::text::Decimals;

/// Rows that a week may have, before corrections.
pub(crate) const SLOTS_PER_WEEK: u64 = (REGIONS * COMPETITORS) as u64;
/// The number of the market table among the streams.
const MARKET: u64 = 9;
/// Weeks in which a price war reaches its depth.
const WAR_RAMP_WEEKS: f64 = 26.0;

/// Share of rows that come 8 to 20 days late instead of 0 to 3.
const LATE_SHARE: f64 = 0.015;
/// Share of rows that were wrong at first and are superseded 7 to 21 days later.
const CORRECTED_SHARE: f64 = 0.003;
/// Chance of a promotion.
const PROMO_SHARE: f64 = 0.08;

/// True prices of every week, region and competitor, made once: random walks need their past.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    /// Money, rounded to cents: `[week][region][competitor]`.
    prices: Vec<[[f64; COMPETITORS]; REGIONS]>,
    /// The first week with a thirteenth region.
    new_region_week: Option<u32>,
    late: Stream,
    days: Stream,
    promo: Stream,
    share: Stream,
    corrected: Stream,
    mistake: Stream,
}

impl Market {
    pub(crate) fn new(config: &Config) -> Market {
        let stream = |column| Stream::new(config.seed, MARKET, column, 0);
        let (national, regional, own, noise) = (stream(0), stream(1), stream(2), stream(3));
        let mut level = 0.0;
        let mut region_level = [0.0; REGIONS];
        let mut own_level = [[0.0; COMPETITORS]; REGIONS];
        let mut prices = Vec::with_capacity(WEEKS as usize);
        for week in 0..WEEKS {
            level += 0.004 * national.normal(u64::from(week));
            let common = level + 0.03 * libm::sin(core::f64::consts::TAU * f64::from(week) / 52.0);
            let mut of_week = [[0.0; COMPETITORS]; REGIONS];
            for region in 0..REGIONS {
                region_level[region] += 0.003 * regional.normal(u64::from(week) * REGIONS as u64 + region as u64);
                let war = config.dials.price_war.map_or(0.0, |war| war_at(&war, week, region));
                for competitor in 0..COMPETITORS {
                    let slot = slot_of(week, region, competitor);
                    own_level[region][competitor] += 0.003 * own.normal(slot);
                    let start = libm::log(45.0 + 5.0 * competitor as f64);
                    let log_price =
                        start + common + region_level[region] + own_level[region][competitor] + 0.006 * noise.normal(slot) - war;
                    of_week[region][competitor] = cents(libm::exp(log_price));
                }
            }
            prices.push(of_week);
        }
        Market {
            prices,
            new_region_week: config.dials.new_region_month.map(first_week_of),
            late: stream(4),
            days: stream(5),
            promo: stream(6),
            share: stream(7),
            corrected: stream(8),
            mistake: stream(9),
        }
    }

    /// The lowest true price of any competitor in `region` and `week`, money.
    pub(crate) fn lowest(&self, week: u32, region: usize) -> f64 {
        self.prices[week as usize][region].iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Appends the rows of slot `slot`: none (the region is not open yet), one, or two (a mistake and its correction).
    pub(crate) fn rows_of(&self, slot: u64, mut put: impl FnMut(&MarketRow)) {
        let week = (slot / SLOTS_PER_WEEK) as u32;
        let region = (slot % SLOTS_PER_WEEK) as usize / COMPETITORS;
        let competitor = slot as usize % COMPETITORS;
        if region >= REGIONS_AT_START && self.new_region_week.is_none_or(|first| week < first) {
            return;
        }
        let delay = if self.late.uniform(slot) < LATE_SHARE {
            8.0 + 13.0 * self.days.uniform(slot)
        } else {
            4.0 * self.days.uniform(slot)
        };
        // A week is reported after it has ended.
        let arrived_day = week_start(week) + 7 + delay as i32;
        let price = self.prices[week as usize][region][competitor];
        let mut row = MarketRow {
            week,
            week_start_day: week_start(week),
            region: region as u8,
            competitor: competitor as u8,
            price,
            promo: self.promo.uniform(slot) < PROMO_SHARE,
            est_share: self.shares(week, region)[competitor],
            revision: 0,
            arrived_day,
        };
        if self.corrected.uniform(slot) >= CORRECTED_SHARE {
            put(&row);
            return;
        }
        row.price = cents(price * libm::exp(0.15 * self.mistake.normal(slot)));
        put(&row);
        row.price = price;
        row.revision = 1;
        row.arrived_day = arrived_day + 7 + (self.corrected.bits(slot) % 15) as i32;
        put(&row);
    }

    /// Estimated shares: a dearer competitor has less; the six sum to 1 but for the estimate's noise.
    fn shares(&self, week: u32, region: usize) -> [f64; COMPETITORS] {
        let logs = self.prices[week as usize][region].map(libm::log);
        let mean = logs.iter().sum::<f64>() / COMPETITORS as f64;
        let raw = logs.map(|log| (0.16 - 0.3 * (log - mean)).max(0.01));
        let sum: f64 = raw.iter().sum();
        let mut out = [0.0; COMPETITORS];
        for competitor in 0..COMPETITORS {
            let noise = 0.002 * self.share.normal(slot_of(week, region, competitor));
            out[competitor] = Decimals::Four.round((raw[competitor] / sum + noise).max(0.0));
        }
        out
    }
}

fn slot_of(week: u32, region: usize, competitor: usize) -> u64 {
    u64::from(week) * SLOTS_PER_WEEK + (region * COMPETITORS + competitor) as u64
}

fn war_at(war: &PriceWar, week: u32, region: usize) -> f64 {
    if usize::from(war.region) != region {
        return 0.0;
    }
    let weeks = f64::from(week.saturating_sub(first_week_of(war.month)));
    war.depth * (weeks / WAR_RAMP_WEEKS).min(1.0)
}

/// Rounds money to cents.
pub(crate) fn cents(money: f64) -> f64 {
    Decimals::Two.round(money)
}
