//! What a synthetic data set says of itself, so that anyone can make the same bytes again and none can pass one off as another.

use crate::calendar::{MONTHS, WEEKS};
use crate::churn::{PILOT_MONTH, PILOT_ROWS, Pilot};
use crate::config::{Config, Target};
use crate::generator::{Generator, Table};
use serde::{Deserialize, Serialize};

/// The version of the generator's laws; any change of bytes for the same configuration raises it.
pub const LAWS: u32 = 1;

/// Seed, dials and pilot constants of a data set, and the shape of its tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`LAWS`] at the time of writing.
    pub laws: u32,
    /// Seed, customers, profile and dials.
    pub config: Config,
    /// The target of the profile.
    pub target: Target,
    /// Months that can be cut, from January 2022.
    pub months: u32,
    /// Weeks of the market feed, from 3 January 2022.
    pub weeks: u32,
    /// Rows of the pilot.
    pub pilot_rows: u64,
    /// Month of the pilot.
    pub pilot_month: u32,
    /// The calibrated constants.
    pub pilot: Pilot,
    /// Every table, monthly ones with the shape that they have in each month.
    pub tables: Vec<TableShape>,
}

/// Columns and size of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// The table's name.
    pub name: String,
    /// Column names in order.
    pub columns: Vec<String>,
    /// Slots: rows, but for tickets and corrections.
    pub slots: u64,
}

impl Manifest {
    pub(crate) fn of(generator: &Generator) -> Manifest {
        let month = 0;
        let tables = [
            Table::Customers { month },
            Table::Behaviour { month },
            Table::Tickets { month },
            Table::MarketFeed,
            Table::Labels { month },
            Table::Snapshot { month },
        ];
        let shape = |table: Table| TableShape {
            name: table.name().to_owned(),
            columns: table.columns().iter().map(|name| (*name).to_owned()).collect(),
            slots: generator.slots(table),
        };
        Manifest {
            laws: LAWS,
            config: *generator.config(),
            target: generator.config().profile.target(),
            months: MONTHS,
            weeks: WEEKS,
            pilot_rows: PILOT_ROWS,
            pilot_month: PILOT_MONTH,
            pilot: *generator.pilot(),
            tables: tables.into_iter().map(shape).collect(),
        }
    }
}
