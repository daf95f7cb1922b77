//! One synthetic customer in one month: the hidden segment, the traits and what the customer did.
//!
//! An account that leaves is replaced by one like it, so every month follows the same law unless a dial moves it; tenure is
//! therefore drawn as at the cutoff and does not count up from month to month.

use crate::calendar::{MONTHS, week_at_cutoff};
use crate::config::Config;
use crate::draw::{Stream, sigmoid};
use crate::market::{Market, cents};
use crate::rows::{Contract, REGIONS, REGIONS_AT_START};
use crate::text::Decimals;

/// Hidden segments.
pub(crate) const SEGMENTS: usize = 6;
/// Months of the longest tenure, exclusive.
pub(crate) const TENURE_MONTHS: usize = 72;
/// Days since the last transaction at most; the law's tail beyond is less than one in a million.
const RECENCY_DAYS_MAX: f64 = 730.0;
/// Tickets of one customer in one month at most (less than one in a million has more).
pub(crate) const TICKETS_MAX: u32 = 32;

/// The segment mix of the still world.
const MIX: [f64; SEGMENTS] = [0.24, 0.20, 0.18, 0.16, 0.13, 0.09];
/// Where the covariate drift leads: towards the price-sensitive and the complaining.
const MIX_DRIFTED: [f64; SEGMENTS] = [0.42, 0.12, 0.10, 0.06, 0.27, 0.03];

/// Loadings of a segment.
struct Loading {
    usage: f64,
    spend: f64,
    support: f64,
    loyalty: f64,
}

const fn loading(usage: f64, spend: f64, support: f64, loyalty: f64) -> Loading {
    Loading { usage, spend, support, loyalty }
}

/// Fitted so that K-Means on log recency, frequency and money finds clusters as blurred as those of a real retailer.
const LOADINGS: [Loading; SEGMENTS] = [
    loading(-0.9, -0.9, -0.2, -0.5),
    loading(0.1, -0.2, -0.3, 0.2),
    loading(0.9, 0.3, 0.1, 0.1),
    loading(0.3, 0.9, 0.2, 0.6),
    loading(-0.3, 0.1, 1.2, -0.9),
    loading(1.3, 1.6, 0.4, 0.9),
];

/// The draws of the customers' table. The first are fixed for a customer, those from [`FIRST_MONTHLY`] on change every month.
#[derive(Clone, Copy)]
pub(crate) enum Draw {
    Segment,
    Region,
    NewRegion,
    Age,
    Channel,
    Tenure,
    Products,
    Autopay,
    Contract,
    Fibre,
    Charge,
    Discounted,
    Discount,
    Usage,
    NpsMissing,
    Nps,
    Frailty,
    SignupDay,
    Tickets,
    OpenCount,
    OpenAny,
    Trend,
    Frequency,
    Recency,
    Monetary,
    Late,
    Churn,
    ChurnTime,
    Delay,
    Misreported,
    CorrectionDelay,
}
const DRAWS: usize = Draw::CorrectionDelay as usize + 1;
const FIRST_MONTHLY: usize = Draw::Tickets as usize;
/// The number of the customers' table among the streams.
const CUSTOMERS: u64 = 1;
/// The number of the ticket table among the streams.
const TICKETS: u64 = 2;

/// What depends on the segment alone.
#[derive(Debug, Clone, Copy)]
struct SegmentConstants {
    tenure_power: f64,
    autopay_chance: f64,
    fibre_chance: f64,
    ticket_scale: f64,
}

/// What is the same for all customers of one month.
#[derive(Debug, Clone)]
pub(crate) struct MonthLaw {
    pub(crate) month: u32,
    /// The yearly wave, -1..=1.
    pub(crate) season: f64,
    streams: [Stream; DRAWS],
    pub(crate) ticket_hours: Stream,
    pub(crate) ticket_csat: Stream,
    pub(crate) ticket_time: Stream,
    mix_cumulative: [f64; SEGMENTS],
    segments: [SegmentConstants; SEGMENTS],
    /// Log of the lowest competitor price at the cutoff.
    market_low_log: [f64; REGIONS],
    new_region_open: bool,
}

impl MonthLaw {
    pub(crate) fn new(config: &Config, market: &Market, month: u32) -> MonthLaw {
        let month = month.min(MONTHS - 1);
        let streams = core::array::from_fn(|column| {
            let of_month = if column < FIRST_MONTHLY { 0 } else { u64::from(month) + 1 };
            Stream::new(config.seed, CUSTOMERS, column as u64, of_month)
        });
        let of_tickets = |column| Stream::new(config.seed, TICKETS, column, u64::from(month) + 1);
        let week = week_at_cutoff(month);
        MonthLaw {
            month,
            season: libm::sin(core::f64::consts::TAU * f64::from(month % 12) / 12.0),
            streams,
            ticket_hours: of_tickets(0),
            ticket_csat: of_tickets(1),
            ticket_time: of_tickets(2),
            mix_cumulative: cumulative_mix(config, month),
            segments: core::array::from_fn(|segment| {
                let z = &LOADINGS[segment];
                SegmentConstants {
                    tenure_power: 1.5 - 0.45 * z.loyalty,
                    autopay_chance: sigmoid(0.3 + 0.7 * z.loyalty),
                    fibre_chance: sigmoid(0.2 + 0.5 * z.usage + 0.3 * z.spend),
                    ticket_scale: libm::exp(0.1 + 0.55 * z.support),
                }
            }),
            market_low_log: core::array::from_fn(|region| libm::log(market.lowest(week, region))),
            new_region_open: config.dials.new_region_month.is_some_and(|first| month >= first),
        }
    }

    pub(crate) fn stream(&self, draw: Draw) -> Stream {
        self.streams[draw as usize]
    }

    fn uniform(&self, draw: Draw, row: u64) -> f64 {
        self.stream(draw).uniform(row)
    }

    fn normal(&self, draw: Draw, row: u64) -> f64 {
        self.stream(draw).normal(row)
    }
}

fn cumulative_mix(config: &Config, month: u32) -> [f64; SEGMENTS] {
    let moved = (config.dials.covariate * years_since(config.dials.drift_start_month, month)).min(1.0);
    let mut sum = 0.0;
    core::array::from_fn(|segment| {
        sum += MIX[segment] + moved * (MIX_DRIFTED[segment] - MIX[segment]);
        sum
    })
}

/// Years from `start` to `month`, 0 before the start.
pub(crate) fn years_since(start: u32, month: u32) -> f64 {
    f64::from(month.saturating_sub(start)) / 12.0
}

/// What does not change with the month (but for tenure, see the head of the file).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    pub(crate) segment: usize,
    pub(crate) region: u8,
    pub(crate) age: u32,
    pub(crate) channel: u8,
    pub(crate) tenure: u32,
    pub(crate) products: u32,
    pub(crate) autopay: bool,
    pub(crate) contract: Contract,
    pub(crate) fibre: bool,
    pub(crate) monthly_charge: f64,
    pub(crate) discount_pct: u32,
}

/// What the customer did in the month.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activity {
    pub(crate) tickets: u32,
    pub(crate) open_tickets: u32,
    pub(crate) usage: f64,
    pub(crate) usage_trend: f64,
    pub(crate) frequency: u32,
    pub(crate) recency_days: u32,
    pub(crate) late_payments: u32,
}

impl Traits {
    pub(crate) fn draw(law: &MonthLaw, row: u64) -> Traits {
        let segment = law.stream(Draw::Segment).category(row, &law.mix_cumulative);
        let (z, constants) = (&LOADINGS[segment], &law.segments[segment]);
        let tenure =
            (TENURE_MONTHS as f64 * libm::exp(constants.tenure_power * libm::log(law.uniform(Draw::Tenure, row)))).floor();
        let score = 0.02 * (tenure - 30.0) + 0.5 * z.loyalty + 0.9 * law.normal(Draw::Contract, row);
        let fibre = law.uniform(Draw::Fibre, row) < constants.fibre_chance;
        let products = 1 + law.stream(Draw::Products).category(row, &[0.45, 0.83, 0.96, 1.0]) as u32;
        let log_charge = 3.75
            + 0.22 * f64::from(u8::from(fibre))
            + 0.13 * f64::from(products)
            + 0.22 * z.spend
            + 0.16 * law.normal(Draw::Charge, row);
        let discounted = law.uniform(Draw::Discounted, row) < 0.25;
        Traits {
            segment,
            region: region_of(law, row),
            age: (44.0 + 13.0 * law.normal(Draw::Age, row) + 4.0 * z.loyalty).round().clamp(18.0, 92.0) as u32,
            channel: law.stream(Draw::Channel).category(row, &[0.34, 0.58, 0.76, 0.90, 1.0]) as u8,
            tenure: tenure.min(TENURE_MONTHS as f64 - 1.0) as u32,
            products,
            autopay: law.uniform(Draw::Autopay, row) < constants.autopay_chance,
            contract: match score {
                high if high > 0.85 => Contract::TwoYears,
                middle if middle > 0.1 => Contract::OneYear,
                _ => Contract::Month,
            },
            fibre,
            monthly_charge: cents(libm::exp(log_charge)),
            discount_pct: if discounted { (30.0 * law.uniform(Draw::Discount, row)).round() as u32 } else { 0 },
        }
    }

    /// Log of own price over the lowest competitor's price for the same products: the one place where the outside meets the inside.
    pub(crate) fn price_gap(&self, law: &MonthLaw) -> f64 {
        price_gap_from_log(
            law.market_low_log[usize::from(self.region)],
            self.monthly_charge,
            self.discount_pct,
            self.products,
            self.fibre,
        )
    }

    /// The promoter answer, which follows the month's tickets; `None` for the 40 % who did not answer.
    pub(crate) fn nps(&self, law: &MonthLaw, row: u64, tickets: u32) -> Option<u32> {
        if law.uniform(Draw::NpsMissing, row) < 0.4 {
            return None;
        }
        let score = 7.0 + 0.9 * LOADINGS[self.segment].loyalty - 0.5 * f64::from(tickets) + 1.6 * law.normal(Draw::Nps, row);
        Some(score.round().clamp(0.0, 10.0) as u32)
    }

    /// Mean satisfaction of one ticket, before noise.
    pub(crate) fn csat_level(&self) -> f64 {
        3.6 + 0.6 * LOADINGS[self.segment].loyalty
    }
}

fn region_of(law: &MonthLaw, row: u64) -> u8 {
    if law.new_region_open && law.uniform(Draw::NewRegion, row) < 1.0 / REGIONS as f64 {
        return REGIONS_AT_START as u8;
    }
    (law.uniform(Draw::Region, row) * REGIONS_AT_START as f64) as u8
}

pub(crate) fn price_gap_from_log(market_low_log: f64, monthly_charge: f64, discount_pct: u32, products: u32, fibre: bool) -> f64 {
    let own = libm::log(monthly_charge * (1.0 - f64::from(discount_pct) / 100.0));
    own - market_low_log - 0.13 * (f64::from(products) - 1.0) - 0.22 * f64::from(u8::from(fibre))
}

impl Activity {
    pub(crate) fn draw(law: &MonthLaw, traits: &Traits, row: u64) -> Activity {
        let (z, constants) = (&LOADINGS[traits.segment], &law.segments[traits.segment]);
        let tickets = ((law.stream(Draw::Tickets).exponential(row) * constants.ticket_scale) as u32).min(TICKETS_MAX);
        let open = if tickets > 0 && law.uniform(Draw::OpenAny, row) < 0.5 {
            (2.2 * law.uniform(Draw::OpenCount, row)) as u32
        } else {
            0
        };
        let disloyal = if z.loyalty < 0.0 { 0.12 } else { 0.0 };
        let usage_trend = Decimals::Four.round(0.35 * law.normal(Draw::Trend, row) - disloyal);
        let usage = libm::exp(2.6 + 0.6 * z.usage + 0.35 * law.normal(Draw::Usage, row) + 0.12 * law.season + 0.5 * usage_trend);
        let frequency = (usage * (0.6 + 0.3 * law.uniform(Draw::Frequency, row))).floor();
        let recency = law.stream(Draw::Recency).exponential(row) * 260.0 / (frequency + 4.0);
        // The chance of trouble with payment: 0.231 with direct debit, 0.354 without.
        let late_scale = 1.6 * if traits.autopay { 0.231_475_216_500_982_35 } else { 0.354_343_693_774_204_6 };
        Activity {
            tickets,
            open_tickets: open.min(tickets),
            usage: cents(usage),
            usage_trend,
            frequency: frequency as u32,
            recency_days: recency.min(RECENCY_DAYS_MAX) as u32,
            late_payments: (law.stream(Draw::Late).exponential(row) * late_scale) as u32,
        }
    }

    /// Money spent in the month.
    pub(crate) fn monetary(&self, law: &MonthLaw, traits: &Traits, row: u64) -> f64 {
        let noise = libm::exp(0.25 * law.normal(Draw::Monetary, row));
        cents(f64::from(self.frequency) * traits.monthly_charge * 0.11 * noise)
    }
}

/// Log of a customer's own price over the lowest competitor price (money) for the same products and fibre: the column that the
/// outside feed decides. `None` where a price is not positive.
pub fn price_gap(row: &crate::rows::SnapshotRow, competitor_lowest: f64) -> Option<f64> {
    if competitor_lowest > 0.0 && row.monthly_charge > 0.0 && row.discount_pct < 100 {
        let low = libm::log(competitor_lowest);
        return Some(price_gap_from_log(low, row.monthly_charge, row.discount_pct, row.products, row.fibre));
    }
    None
}
