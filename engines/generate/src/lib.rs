//! A synthetic churn world, so that every defence can be tried at any size without a real customer's data.
//!
//! Seeded and counter-based: the same configuration gives the same bytes on any platform, for any thread count and any split of
//! rows. Profiles behave like real sets (same rate, same reachable AUC), drift is a dial, and [`poison`] makes hostile versions.
//!
//! Order of reading: [`Config`] → [`Generator`] → [`Month`] and [`Table`] → [`Manifest`].

mod calendar;
mod churn;
mod config;
mod delivery;
mod draw;
mod generator;
mod manifest;
mod market;
mod person;
pub mod poison;
mod rows;
mod text;

#[cfg(test)]
mod tests;

pub use calendar::{
    DAY_SECONDS, HORIZON_DAYS, MONTHS, WEEKS, cutoff_day, date_of, day_of, first_week_of, week_at_cutoff, week_start,
};
pub use churn::{Moments, PILOT_MONTH, PILOT_ROWS, Pilot, expected_auc};
pub use config::{CUSTOMERS_MAX, Config, ConfigError, Dials, PriceWar, Profile, RateStep, Target};
pub use delivery::{DELIVERY_HEADER, company_csv, corrected, delivery_csv, delivery_line};
pub use generator::{CHUNK_SLOTS, Chunks, GenerateError, Generator, MISREPORTED_SHARE, Month, Table};
pub use manifest::{LAWS, Manifest, TableShape};
pub use person::price_gap;
pub use rows::{
    BehaviourRow, COMPETITORS, Contract, CustomerRow, LabelRow, MarketRow, REGIONS, REGIONS_AT_START, SnapshotRow, TicketRow,
    channel_name, competitor_name, region_index, region_name,
};
pub use text::{Format, date_text};
