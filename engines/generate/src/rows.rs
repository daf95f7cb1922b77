//! The typed rows of the synthetic tables: other crates read these values, the text formats write the same ones.
//!
//! Every number is rounded to the decimals that are written, so a row read back from text equals the row in memory.

use crate::calendar::DAY_SECONDS;
use crate::text::{Decimals, Sink};
use serde::{Deserialize, Serialize};

/// Regions at month 0.
pub const REGIONS_AT_START: usize = 12;
/// Regions with the one that a drift dial may open.
pub const REGIONS: usize = 13;
/// Competitors in the market feed.
pub const COMPETITORS: usize = 6;

const REGION_NAMES: [&str; REGIONS] =
    ["alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow", "yew"];
const COMPETITOR_NAMES: [&str; COMPETITORS] = ["c1", "c2", "c3", "c4", "c5", "c6"];
const CHANNEL_NAMES: [&str; 5] = ["web", "store", "phone", "partner", "referral"];
const CONTRACT_NAMES: [&str; 3] = ["month", "1y", "2y"];

/// The name of region `index` as written; an index outside is named `unknown`.
pub fn region_name(index: u8) -> &'static str {
    REGION_NAMES.get(usize::from(index)).copied().unwrap_or("unknown")
}
/// The index of a region by its name.
pub fn region_index(name: &str) -> Option<u8> {
    REGION_NAMES.iter().position(|known| *known == name).map(|index| index as u8)
}
/// The name of competitor `index` as written.
pub fn competitor_name(index: u8) -> &'static str {
    COMPETITOR_NAMES.get(usize::from(index)).copied().unwrap_or("unknown")
}
/// The name of acquisition channel `index` as written.
pub fn channel_name(index: u8) -> &'static str {
    CHANNEL_NAMES.get(usize::from(index)).copied().unwrap_or("unknown")
}

/// How long a customer is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Contract {
    /// Month to month.
    #[serde(rename = "month")]
    Month,
    /// One year.
    #[serde(rename = "1y")]
    OneYear,
    /// Two years.
    #[serde(rename = "2y")]
    TwoYears,
}

impl Contract {
    /// The name as written.
    pub fn name(self) -> &'static str {
        CONTRACT_NAMES[self as usize]
    }
}

/// A row that can be written as text.
pub(crate) trait Row {
    /// Names in the order written.
    const COLUMNS: &'static [&'static str];
    /// Writes every field in the order of [`Row::COLUMNS`].
    fn write<S: Sink>(&self, sink: &mut S);
}

/// One customer of the internal system, as at an extract date. The hidden segment is not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerRow {
    /// 1..=customers.
    pub customer_id: u64,
    /// Day number (since 1970-01-01) of the extract: a month's cutoff.
    pub extract_day: i32,
    /// Day number of the signup.
    pub signup_day: i32,
    /// Region index, see [`region_name`].
    pub region: u8,
    /// Years, 18..=92.
    pub age: u32,
    /// Acquisition channel index, see [`channel_name`].
    pub acquisition_channel: u8,
    /// Products held, 1..=4.
    pub products: u32,
    /// Pays by direct debit.
    pub autopay: bool,
    /// Contract term.
    pub contract: Contract,
    /// Has fibre.
    pub fibre: bool,
    /// Money a month, 2 decimals.
    pub monthly_charge: f64,
    /// Discount in percent, 0..=30.
    pub discount_pct: u32,
    /// Net promoter answer 0..=10; 40 % did not answer.
    pub nps: Option<u32>,
}

impl Row for CustomerRow {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "extract_date",
        "signup_date",
        "region",
        "age",
        "acquisition_channel",
        "products",
        "autopay",
        "contract",
        "fibre",
        "monthly_charge",
        "discount_pct",
        "nps",
    ];
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.whole(0, self.customer_id);
        sink.date(1, self.extract_day);
        sink.date(2, self.signup_day);
        sink.text(3, region_name(self.region));
        sink.whole(4, u64::from(self.age));
        sink.text(5, channel_name(self.acquisition_channel));
        sink.whole(6, u64::from(self.products));
        sink.whole(7, u64::from(self.autopay));
        sink.text(8, self.contract.name());
        sink.whole(9, u64::from(self.fibre));
        sink.fixed(10, self.monthly_charge, Decimals::Two);
        sink.whole(11, u64::from(self.discount_pct));
        sink.maybe_whole(12, self.nps.map(u64::from));
    }
}

/// What one customer did in one month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BehaviourRow {
    /// 1..=customers.
    pub customer_id: u64,
    /// Day number of the month's last day.
    pub month_end_day: i32,
    /// Use of the service, arbitrary units, 2 decimals.
    pub usage: f64,
    /// Transactions in the month.
    pub frequency: u32,
    /// Days since the last transaction.
    pub recency_days: u32,
    /// Money spent, 2 decimals.
    pub monetary: f64,
    /// Log change of use, 4 decimals.
    pub usage_trend: f64,
    /// Late payments.
    pub late_payments: u32,
}

impl Row for BehaviourRow {
    const COLUMNS: &'static [&'static str] =
        &["customer_id", "month_end", "usage", "frequency", "recency_days", "monetary", "usage_trend", "late_payments"];
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.whole(0, self.customer_id);
        sink.date(1, self.month_end_day);
        sink.fixed(2, self.usage, Decimals::Two);
        sink.whole(3, u64::from(self.frequency));
        sink.whole(4, u64::from(self.recency_days));
        sink.fixed(5, self.monetary, Decimals::Two);
        sink.fixed(6, self.usage_trend, Decimals::Four);
        sink.whole(7, u64::from(self.late_payments));
    }
}

/// One support ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketRow {
    /// Unique over all months.
    pub ticket_id: u64,
    /// 1..=customers.
    pub customer_id: u64,
    /// Seconds since 1970-01-01 UTC.
    pub opened_at: i64,
    /// Hours until the first answer, 2 decimals; lognormal(1.6, 0.8).
    pub first_response_hours: f64,
    /// Still open at the month's end.
    pub open: bool,
    /// Satisfaction 1..=5; only closed tickets have one.
    pub csat: Option<u32>,
}

impl Row for TicketRow {
    const COLUMNS: &'static [&'static str] = &["ticket_id", "customer_id", "opened_at", "first_response_hours", "open", "csat"];
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.whole(0, self.ticket_id);
        sink.whole(1, self.customer_id);
        sink.moment(2, self.opened_at);
        sink.fixed(3, self.first_response_hours, Decimals::Two);
        sink.whole(4, u64::from(self.open));
        sink.maybe_whole(5, self.csat.map(u64::from));
    }
}

/// One price of one competitor in one region and week, from the third party. The highest revision of a key is the valid one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarketRow {
    /// Week index, 0..208.
    pub week: u32,
    /// Day number of the week's Monday.
    pub week_start_day: i32,
    /// Region index, see [`region_name`].
    pub region: u8,
    /// Competitor index, 0..6.
    pub competitor: u8,
    /// List price, money, 2 decimals.
    pub price: f64,
    /// A promotion runs.
    pub promo: bool,
    /// Estimated market share, 4 decimals; the six of a region and week sum to about 1.
    pub est_share: f64,
    /// 0 for the first report, 1 for a correction that supersedes it.
    pub revision: u32,
    /// Day number on which the row reached us.
    pub arrived_day: i32,
}

impl Row for MarketRow {
    const COLUMNS: &'static [&'static str] =
        &["week_start", "region", "competitor", "price", "promo", "est_share", "revision", "arrived_date"];
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.date(0, self.week_start_day);
        sink.text(1, region_name(self.region));
        sink.text(2, competitor_name(self.competitor));
        sink.fixed(3, self.price, Decimals::Two);
        sink.whole(4, u64::from(self.promo));
        sink.fixed(5, self.est_share, Decimals::Four);
        sink.whole(6, u64::from(self.revision));
        sink.date(7, self.arrived_day);
    }
}

/// The label of one customer at one cutoff: does he leave within 90 days?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelRow {
    /// 1..=customers.
    pub customer_id: u64,
    /// Day number of the cutoff.
    pub cutoff_day: i32,
    /// The truth, after any correction.
    pub churned: bool,
    /// Seconds since 1970-01-01 UTC at which the customer left; only for churners.
    pub churn_ts: Option<i64>,
    /// Seconds since 1970-01-01 UTC at which the first report became known.
    pub available_ts: i64,
    /// What was first reported; differs from `churned` in 1.5 % of rows.
    pub reported: bool,
    /// When the first report was corrected; only where it was wrong.
    pub corrected_ts: Option<i64>,
}

impl LabelRow {
    /// The label as it is known at `now` (seconds since 1970-01-01 UTC); `None` before its first report.
    pub fn known_at(&self, now: i64) -> Option<bool> {
        if now < self.available_ts {
            return None;
        }
        Some(if self.corrected_ts.is_some_and(|at| now < at) { self.reported } else { self.churned })
    }

    /// Days from cutoff to the first report.
    pub fn delay_days(&self) -> f64 {
        (self.available_ts - i64::from(self.cutoff_day) * DAY_SECONDS) as f64 / DAY_SECONDS as f64
    }
}

impl Row for LabelRow {
    const COLUMNS: &'static [&'static str] =
        &["customer_id", "cutoff", "churned", "churn_ts", "available_ts", "reported", "corrected_ts"];
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.whole(0, self.customer_id);
        sink.date(1, self.cutoff_day);
        sink.whole(2, u64::from(self.churned));
        sink.maybe_moment(3, self.churn_ts);
        sink.moment(4, self.available_ts);
        sink.whole(5, u64::from(self.reported));
        sink.maybe_moment(6, self.corrected_ts);
    }
}

/// All that is known inside the company of one customer at one cutoff, joined: ready to train but for market prices and label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// 1..=customers.
    pub customer_id: u64,
    /// Day number of the cutoff.
    pub cutoff_day: i32,
    /// Region index, see [`region_name`].
    pub region: u8,
    /// Years, 18..=92.
    pub age: u32,
    /// Acquisition channel index, see [`channel_name`].
    pub acquisition_channel: u8,
    /// Whole months as a customer, 0..=71.
    pub tenure: u32,
    /// Products held, 1..=4.
    pub products: u32,
    /// Pays by direct debit.
    pub autopay: bool,
    /// Contract term.
    pub contract: Contract,
    /// Has fibre.
    pub fibre: bool,
    /// Money a month, 2 decimals.
    pub monthly_charge: f64,
    /// Discount in percent, 0..=30.
    pub discount_pct: u32,
    /// Tickets opened in the cutoff's month.
    pub tickets: u32,
    /// Of these, still open.
    pub open_tickets: u32,
    /// Mean satisfaction of the closed tickets, 2 decimals.
    pub csat_mean: Option<f64>,
    /// Transactions in the cutoff's month.
    pub frequency: u32,
    /// Days since the last transaction.
    pub recency_days: u32,
    /// Money spent in the cutoff's month, 2 decimals.
    pub monetary: f64,
    /// Log change of use, 4 decimals.
    pub usage_trend: f64,
    /// Late payments in the cutoff's month.
    pub late_payments: u32,
    /// Net promoter answer 0..=10; 40 % did not answer.
    pub nps: Option<u32>,
}

impl Row for SnapshotRow {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "cutoff",
        "region",
        "age",
        "acquisition_channel",
        "tenure",
        "products",
        "autopay",
        "contract",
        "fibre",
        "monthly_charge",
        "discount_pct",
        "tickets",
        "open_tickets",
        "csat_mean",
        "frequency",
        "recency_days",
        "monetary",
        "usage_trend",
        "late_payments",
        "nps",
    ];
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.whole(0, self.customer_id);
        sink.date(1, self.cutoff_day);
        sink.text(2, region_name(self.region));
        sink.whole(3, u64::from(self.age));
        sink.text(4, channel_name(self.acquisition_channel));
        sink.whole(5, u64::from(self.tenure));
        sink.whole(6, u64::from(self.products));
        sink.whole(7, u64::from(self.autopay));
        sink.text(8, self.contract.name());
        sink.whole(9, u64::from(self.fibre));
        sink.fixed(10, self.monthly_charge, Decimals::Two);
        sink.whole(11, u64::from(self.discount_pct));
        sink.whole(12, u64::from(self.tickets));
        sink.whole(13, u64::from(self.open_tickets));
        sink.maybe_fixed(14, self.csat_mean, Decimals::Two);
        sink.whole(15, u64::from(self.frequency));
        sink.whole(16, u64::from(self.recency_days));
        sink.fixed(17, self.monetary, Decimals::Two);
        sink.fixed(18, self.usage_trend, Decimals::Four);
        sink.whole(19, u64::from(self.late_payments));
        sink.maybe_whole(20, self.nps.map(u64::from));
    }
}
