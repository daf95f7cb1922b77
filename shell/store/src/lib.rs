//! The only crate that keeps things on disk (T1, T4, T6): what it gives back is what was put in, or an error that names the file.
//!
//! - [`disk`]: how files are written, so that a crash leaves the old file or the new one;
//! - [`objects`]: deliveries, models and evidence by their digest;
//! - [`table`]: append-only tables that other programs can read, and no one can change unseen;
//! - [`parquet_in`]: Parquet files from outside, within limits;
//! - [`parquet_out`]: text tables as Parquet for other programs, batch by batch;
//! - [`control`]: runs, deployments, approvals and counts in one SQLite file;
//! - [`log`]: the ledger's files.

pub mod control;
pub mod disk;
pub mod log;
pub mod objects;
pub mod parquet_in;
pub mod parquet_out;
pub mod table;
