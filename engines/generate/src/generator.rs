//! The generator: tables by row range and as ordered chunks made in parallel, byte-identical however the work is split.

use crate::calendar::{DAY_SECONDS, HORIZON_DAYS, MONTHS, WEEKS, cutoff_day, month_start};
use crate::churn::{ChurnLaw, Logs, Pilot, calibrate};
use crate::config::{Config, ConfigError};
use crate::draw::mix;
use crate::manifest::Manifest;
use crate::market::{Market, SLOTS_PER_WEEK};
use crate::person::{Activity, Draw, MonthLaw, TICKETS_MAX, Traits};
use crate::rows::{BehaviourRow, CustomerRow, LabelRow, MarketRow, Row, SnapshotRow, TicketRow};
use crate::text::{Format, write_row};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Slots of one chunk of [`Generator::chunks`]: about 2 MB of text.
pub const CHUNK_SLOTS: u64 = 16_384;
/// Chunks that [`Generator::chunks`] holds ready for each thread.
const CHUNKS_PER_THREAD: usize = 2;

/// A table of the synthetic world. All but the feed are cut by month; month 0 is January 2022.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "table")]
pub enum Table {
    /// The internal customer list as at a month's cutoff.
    Customers {
        /// 0..48.
        month: u32,
    },
    /// What customers did in a month.
    Behaviour {
        /// 0..48.
        month: u32,
    },
    /// Tickets opened in a month.
    Tickets {
        /// 0..48.
        month: u32,
    },
    /// The third party's prices, all weeks.
    MarketFeed,
    /// Labels for a month's cutoff.
    Labels {
        /// 0..48.
        month: u32,
    },
    /// Everything internal at a month's cutoff, joined.
    Snapshot {
        /// 0..48.
        month: u32,
    },
}

impl Table {
    /// The table's name, without its month.
    pub fn name(self) -> &'static str {
        match self {
            Table::Customers { .. } => "customers",
            Table::Behaviour { .. } => "behaviour",
            Table::Tickets { .. } => "tickets",
            Table::MarketFeed => "market_feed",
            Table::Labels { .. } => "labels",
            Table::Snapshot { .. } => "snapshot",
        }
    }

    /// The month that the table is cut by; `None` for the feed.
    pub fn month(self) -> Option<u32> {
        match self {
            Table::Customers { month }
            | Table::Behaviour { month }
            | Table::Tickets { month }
            | Table::Labels { month }
            | Table::Snapshot { month } => Some(month),
            Table::MarketFeed => None,
        }
    }

    /// Column names in the order written.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Table::Customers { .. } => CustomerRow::COLUMNS,
            Table::Behaviour { .. } => BehaviourRow::COLUMNS,
            Table::Tickets { .. } => TicketRow::COLUMNS,
            Table::MarketFeed => MarketRow::COLUMNS,
            Table::Labels { .. } => LabelRow::COLUMNS,
            Table::Snapshot { .. } => SnapshotRow::COLUMNS,
        }
    }

    /// The CSV header line with its line end.
    pub fn csv_header(self) -> String {
        format!("{}\n", self.columns().join(","))
    }
}

/// Why rows are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The world ends before this month.
    #[error("month `{0}` is past the last month `47`")]
    MonthTooLate(u32),
    /// The range ends behind the table.
    #[error("rows `{start}` to `{end}` are outside a table of `{slots}`")]
    RangePastEnd {
        /// First slot asked for.
        start: u64,
        /// One past the last slot asked for.
        end: u64,
        /// Slots of the table.
        slots: u64,
    },
}

/// A calibrated synthetic world.
#[derive(Debug, Clone)]
pub struct Generator {
    config: Config,
    pilot: Pilot,
    market: Market,
    logs: Logs,
}

impl Generator {
    /// Checks the configuration and calibrates it on the pilot (a fraction of a second).
    pub fn new(config: Config) -> Result<Generator, ConfigError> {
        config.check()?;
        let pilot = calibrate(&config)?;
        Ok(Generator { config, pilot, market: Market::new(&config), logs: Logs::new() })
    }

    /// Takes up a run by its manifest; refuses one whose constants are not those of its configuration.
    pub fn from_manifest(manifest: &Manifest) -> Result<Generator, ConfigError> {
        let generator = Generator::new(manifest.config)?;
        if generator.pilot == manifest.pilot { Ok(generator) } else { Err(ConfigError::ForeignPilot) }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The calibrated constants.
    pub fn pilot(&self) -> &Pilot {
        &self.pilot
    }

    /// Seed, dials, pilot constants and the shape of every table; the shell adds the digests of the files it writes.
    pub fn manifest(&self) -> Manifest {
        Manifest::of(self)
    }

    /// Slots of a table: the unit of row ranges. A slot is one customer (tickets: none or several rows) or, in the feed, one week,
    /// region and competitor (none, one or two rows).
    pub fn slots(&self, table: Table) -> u64 {
        if table == Table::MarketFeed { u64::from(WEEKS) * SLOTS_PER_WEEK } else { self.config.customers }
    }

    /// All customers at the cutoff of `month`, by typed row.
    pub fn month(&self, month: u32) -> Result<Month<'_>, GenerateError> {
        if month >= MONTHS {
            return Err(GenerateError::MonthTooLate(month));
        }
        let law = MonthLaw::new(&self.config, &self.market, month);
        let churn = ChurnLaw::new(&self.config, &self.pilot, &law);
        Ok(Month { generator: self, law, churn, cutoff_day: cutoff_day(month), start_day: month_start(month as i32) })
    }

    /// The third party's rows for one week, corrections included; empty past the last week.
    pub fn market_week(&self, week: u32) -> Vec<MarketRow> {
        let mut rows = Vec::with_capacity(SLOTS_PER_WEEK as usize + 1);
        if week < WEEKS {
            let first = u64::from(week) * SLOTS_PER_WEEK;
            (first..first + SLOTS_PER_WEEK).for_each(|slot| self.market.rows_of(slot, |row| rows.push(row.clone())));
        }
        rows
    }

    /// The true lowest competitor price (money) of each region at the cutoff of `month`: what an honest, complete feed joins to.
    pub fn market_lowest(&self, month: u32) -> Result<[f64; crate::rows::REGIONS], GenerateError> {
        if month >= MONTHS {
            return Err(GenerateError::MonthTooLate(month));
        }
        let week = crate::calendar::week_at_cutoff(month);
        Ok(core::array::from_fn(|region| self.market.lowest(week, region)))
    }

    fn check(&self, table: Table, range: &Range<u64>) -> Result<(), GenerateError> {
        let slots = self.slots(table);
        if range.start > range.end || range.end > slots {
            return Err(GenerateError::RangePastEnd { start: range.start, end: range.end, slots });
        }
        match table.month() {
            Some(month) if month >= MONTHS => Err(GenerateError::MonthTooLate(month)),
            Some(_) | None => Ok(()),
        }
    }

    /// Appends the rows of `range` of `table` to `out`, without header.
    pub fn write(&self, table: Table, format: Format, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), GenerateError> {
        self.check(table, &range)?;
        let Some(month) = table.month() else {
            range.for_each(|slot| self.market.rows_of(slot, |row| write_row(row, format, out)));
            return Ok(());
        };
        let of_month = self.month(month)?;
        match table {
            Table::Customers { .. } => range.for_each(|row| write_row(&of_month.customer(row), format, out)),
            Table::Behaviour { .. } => range.for_each(|row| write_row(&of_month.behaviour(row), format, out)),
            Table::Tickets { .. } => range.for_each(|row| of_month.each_ticket(row, |ticket| write_row(ticket, format, out))),
            Table::Labels { .. } => range.for_each(|row| write_row(&of_month.label(row), format, out)),
            Table::Snapshot { .. } => range.for_each(|row| write_row(&of_month.snapshot(row), format, out)),
            Table::MarketFeed => {}
        }
        Ok(())
    }

    /// The rows of `range` as CSV, without header (see [`Table::csv_header`]).
    pub fn csv(&self, table: Table, range: Range<u64>) -> Result<Vec<u8>, GenerateError> {
        let mut out = Vec::new();
        self.write(table, Format::Csv, range, &mut out).map(|()| out)
    }

    /// The rows of `range` as one JSON object a line.
    pub fn ndjson(&self, table: Table, range: Range<u64>) -> Result<Vec<u8>, GenerateError> {
        let mut out = Vec::new();
        self.write(table, Format::Ndjson, range, &mut out).map(|()| out)
    }

    /// The rows of `range` as chunks in order, made in parallel on the current rayon pool; joined, they equal [`Generator::write`].
    /// Holds at most two chunks a thread in memory. No header.
    pub fn chunks(&self, table: Table, format: Format, range: Range<u64>) -> Result<Chunks<'_>, GenerateError> {
        self.check(table, &range)?;
        Ok(Chunks { generator: self, table, format, next: range.start, end: range.end, ready: Vec::new().into_iter() })
    }
}

/// Ordered chunks of text; made by [`Generator::chunks`].
#[derive(Debug)]
pub struct Chunks<'g> {
    generator: &'g Generator,
    table: Table,
    format: Format,
    next: u64,
    end: u64,
    ready: std::vec::IntoIter<Vec<u8>>,
}

impl Iterator for Chunks<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(chunk) = self.ready.next() {
            return Some(chunk);
        }
        let mut ranges = Vec::new();
        while self.next < self.end && ranges.len() < CHUNKS_PER_THREAD * rayon::current_num_threads() {
            let end = self.end.min(self.next.saturating_add(CHUNK_SLOTS));
            ranges.push(self.next..end);
            self.next = end;
        }
        // INVARIANT: `chunks` has checked table, month and range, so no part is refused.
        let made: Vec<Vec<u8>> = ranges
            .into_par_iter()
            .map(|range| {
                let mut out = Vec::new();
                self.generator.write(self.table, self.format, range, &mut out).map_or_else(|_| Vec::new(), |()| out)
            })
            .collect();
        self.ready = made.into_iter();
        self.ready.next()
    }
}

/// The customers of one month, by typed row. `row` is 0-based; `customer_id` is `row + 1`. Rows past the configured number of
/// customers are drawn too: they are customers that no table lists.
#[derive(Debug, Clone)]
pub struct Month<'g> {
    generator: &'g Generator,
    law: MonthLaw,
    churn: ChurnLaw,
    cutoff_day: i32,
    start_day: i32,
}

impl Month<'_> {
    fn person(&self, row: u64) -> (Traits, Activity) {
        let traits = Traits::draw(&self.law, row);
        let activity = Activity::draw(&self.law, &traits, row);
        (traits, activity)
    }

    /// The customer as at the cutoff.
    pub fn customer(&self, row: u64) -> CustomerRow {
        let (traits, activity) = self.person(row);
        let signup_month = self.law.month as i32 - traits.tenure as i32;
        let day_of_month = (self.law.stream(Draw::SignupDay).uniform(row) * 28.0) as i32;
        CustomerRow {
            customer_id: row.saturating_add(1),
            extract_day: self.cutoff_day,
            signup_day: month_start(signup_month) + day_of_month,
            region: traits.region,
            age: traits.age,
            acquisition_channel: traits.channel,
            products: traits.products,
            autopay: traits.autopay,
            contract: traits.contract,
            fibre: traits.fibre,
            monthly_charge: traits.monthly_charge,
            discount_pct: traits.discount_pct,
            nps: traits.nps(&self.law, row, activity.tickets),
        }
    }

    /// What the customer did in the month.
    pub fn behaviour(&self, row: u64) -> BehaviourRow {
        let (traits, activity) = self.person(row);
        BehaviourRow {
            customer_id: row.saturating_add(1),
            month_end_day: self.cutoff_day,
            usage: activity.usage,
            frequency: activity.frequency,
            recency_days: activity.recency_days,
            monetary: activity.monetary(&self.law, &traits, row),
            usage_trend: activity.usage_trend,
            late_payments: activity.late_payments,
        }
    }

    /// The tickets that the customer opened in the month, oldest number first.
    pub fn tickets(&self, row: u64) -> Vec<TicketRow> {
        let mut out = Vec::new();
        self.each_ticket(row, |ticket| out.push(ticket.clone()));
        out
    }

    fn each_ticket(&self, row: u64, mut put: impl FnMut(&TicketRow)) {
        let (traits, activity) = self.person(row);
        let days = i64::from(self.cutoff_day - self.start_day + 1);
        let serial = u64::from(self.law.month) * crate::config::CUSTOMERS_MAX;
        let first_id = serial.wrapping_add(row).wrapping_mul(u64::from(TICKETS_MAX));
        for number in 0..activity.tickets {
            let slot = ticket_slot(row, number);
            let open = number < activity.open_tickets;
            let second = (self.law.ticket_time.uniform(slot) * (days * DAY_SECONDS) as f64) as i64;
            put(&TicketRow {
                ticket_id: first_id.wrapping_add(u64::from(number)),
                customer_id: row.saturating_add(1),
                opened_at: i64::from(self.start_day) * DAY_SECONDS + second,
                first_response_hours: crate::market::cents(libm::exp(1.6 + 0.8 * self.law.ticket_hours.normal(slot))),
                open,
                csat: (!open).then(|| self.csat(&traits, slot)),
            });
        }
    }

    fn csat(&self, traits: &Traits, slot: u64) -> u32 {
        (traits.csat_level() + self.law.ticket_csat.normal(slot)).round().clamp(1.0, 5.0) as u32
    }

    fn csat_mean(&self, traits: &Traits, activity: &Activity, row: u64) -> Option<f64> {
        let closed = activity.tickets - activity.open_tickets;
        if closed == 0 {
            return None;
        }
        let sum: u32 = (activity.open_tickets..activity.tickets).map(|number| self.csat(traits, ticket_slot(row, number))).sum();
        Some(crate::market::cents(f64::from(sum) / f64::from(closed)))
    }

    /// All internal columns at the cutoff, joined.
    pub fn snapshot(&self, row: u64) -> SnapshotRow {
        let (traits, activity) = self.person(row);
        SnapshotRow {
            customer_id: row.saturating_add(1),
            cutoff_day: self.cutoff_day,
            region: traits.region,
            age: traits.age,
            acquisition_channel: traits.channel,
            tenure: traits.tenure,
            products: traits.products,
            autopay: traits.autopay,
            contract: traits.contract,
            fibre: traits.fibre,
            monthly_charge: traits.monthly_charge,
            discount_pct: traits.discount_pct,
            tickets: activity.tickets,
            open_tickets: activity.open_tickets,
            csat_mean: self.csat_mean(&traits, &activity, row),
            frequency: activity.frequency,
            recency_days: activity.recency_days,
            monetary: activity.monetary(&self.law, &traits, row),
            usage_trend: activity.usage_trend,
            late_payments: activity.late_payments,
            nps: traits.nps(&self.law, row, activity.tickets),
        }
    }

    /// The hidden segment, 0..6: in no table, for checks of a segmentation against the truth.
    pub fn hidden_segment(&self, row: u64) -> usize {
        Traits::draw(&self.law, row).segment
    }

    /// The score that the best possible model would rank by (standard deviations).
    pub fn churn_score(&self, row: u64) -> f64 {
        let (traits, activity) = self.person(row);
        self.churn.eta(&self.law, &self.generator.logs, &traits, &activity)
    }

    /// The true chance of churn in the horizon, frailty included.
    pub fn churn_probability(&self, row: u64) -> f64 {
        self.churn.probability(self.churn_score(row), row)
    }

    /// The label at the cutoff.
    pub fn label(&self, row: u64) -> LabelRow {
        let uniform = |draw| self.law.stream(draw).uniform(row);
        let churned = uniform(Draw::Churn) < self.churn_probability(row);
        let misreported = uniform(Draw::Misreported) < MISREPORTED_SHARE;
        let reported = churned != misreported;
        // The horizon begins when the cutoff's day has ended.
        let start = i64::from(self.cutoff_day + 1) * DAY_SECONDS;
        let horizon = i64::from(HORIZON_DAYS) * DAY_SECONDS;
        let left_at = start + (uniform(Draw::ChurnTime) * horizon as f64) as i64;
        let available_ts = if reported {
            let days =
                (REPORT_DELAY_MEDIAN_DAYS * libm::exp(0.6 * self.law.stream(Draw::Delay).normal(row))).min(REPORT_DELAY_DAYS_MAX);
            left_at + (days * DAY_SECONDS as f64) as i64
        } else {
            start + horizon + STAYER_DELAY_DAYS * DAY_SECONDS
        };
        let correction = (uniform(Draw::CorrectionDelay) * 53.0 * DAY_SECONDS as f64) as i64 + 7 * DAY_SECONDS;
        // A churn that was missed at first cannot be corrected before it happened: the first report came after the horizon.
        LabelRow {
            customer_id: row.saturating_add(1),
            cutoff_day: self.cutoff_day,
            churned,
            churn_ts: churned.then_some(left_at),
            available_ts,
            reported,
            corrected_ts: misreported.then_some(available_ts + correction),
        }
    }
}

/// Labels that are wrong at first and corrected 7 to 60 days later.
pub const MISREPORTED_SHARE: f64 = 0.015;
/// Median days from a churn to its report.
const REPORT_DELAY_MEDIAN_DAYS: f64 = 21.0;
/// Days from a churn to its report at most.
const REPORT_DELAY_DAYS_MAX: f64 = 90.0;
/// Days from the horizon's end to the report that a customer stayed.
const STAYER_DELAY_DAYS: i64 = 7;

/// Where ticket `number` of customer `row` stands in the ticket streams.
fn ticket_slot(row: u64, number: u32) -> u64 {
    mix(row.wrapping_mul(u64::from(TICKETS_MAX)).wrapping_add(u64::from(number)))
}
