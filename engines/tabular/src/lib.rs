//! From outside bytes to typed columns: a table is where poison comes in (T1), so nothing here trusts its input.
//!
//! The way of a feed: [`csv`] (or Parquet read elsewhere and brought here by [`bridge`]) gives raw records, [`profile`] looks
//! at them in one pass, [`contract`] says what was agreed, and [`typed`] turns records into numbers and categories and lists
//! every row that breaks the contract. All is pure: bytes in, values out.

pub mod bridge;
pub mod contract;
pub mod csv;
mod marks;
pub mod number;
pub mod profile;
pub mod typed;

pub use contract::{Contract, ContractError};
pub use number::Decimal;
pub use profile::{Profile, Profiler};
pub use typed::{TypedTable, Typer, Violation};
