//! What the pipeline did and decided (T4, T6, T2): one private SQLite file with strict tables that only grow, so that neither a
//! deployment nor an approval nor a delivery can be rewritten by a statement.
//!
//! The ledger is the proof, this file the register: an entry here carries the receipt or evidence it stands for. Somebody with the
//! right to write the file can drop its triggers; that is seen by comparing it with the ledger. The crate `identity` keeps its own
//! tables in the same file. Times are Unix milliseconds and come from the caller.

mod deliveries;
mod deployments;
mod error;
mod labels;
mod pointers;
mod quarantine;
mod row;
mod runs;
#[cfg(test)]
mod tests;
mod usage;

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use gate::Digest;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::disk;

pub use deliveries::{Acceptance, Delivery, DeliveryOutcome, NewDelivery};
pub use deployments::{Deployment, DeploymentKind, NewDeployment};
pub use error::ControlError;
pub use labels::{Approval, LabelVersion, NewApproval, NewLabelVersion};
pub use pointers::Pointer;
pub use quarantine::{DecisionKind, QuarantineDecision};
pub use row::{JSON_BYTES_MAX, TEXT_BYTES_MAX};
pub use runs::{NewRunStep, Run, RunState, RunStep, StepState};
pub use usage::{AppUsage, CUSTOMERS_PER_CALL_MAX, Reservation, Used};

/// Connections to the file at most.
pub const CONNECTIONS_MAX: u32 = 4;
/// How long a connection waits for another one's write.
pub const BUSY_SECONDS: u64 = 10;
/// Rows that one call of a list answers at most.
pub const LIST_ROWS_MAX: i64 = 10_000;

const OTHERS_ANY: u32 = 0o077;

/// Schema steps in order; each is applied once, in one transaction, and its text may never change afterwards.
const SCHEMAS: &[&str] =
    &[include_str!("schema-1.sql"), include_str!("schema-2.sql"), include_str!("schema-3.sql"), include_str!("schema-4.sql")];

/// The control database. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Control {
    pool: SqlitePool,
}

impl Control {
    /// Opens or makes the database file (mode 0600; its folder 0700 where that is missing).
    ///
    /// # Errors
    /// [`ControlError::OpenToOthers`], [`ControlError::Schema`], a disk or database error.
    pub async fn open(path: &Path) -> Result<Self, ControlError> {
        prepare_file(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(BUSY_SECONDS))
            // Without it INSERT OR REPLACE deletes a row without firing its delete trigger.
            .pragma("recursive_triggers", "ON")
            .pragma("trusted_schema", "OFF");
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        let control = Self { pool };
        control.apply_schemas().await?;
        Ok(control)
    }

    /// Opens the file to read it only: nothing is made or changed, and other readers and the writer are not kept waiting.
    ///
    /// # Errors
    /// A file that is not there or no database; [`ControlError::Schema`] where this program has not written to it yet, or a later one has.
    pub async fn open_read_only(path: &Path) -> Result<Self, ControlError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(BUSY_SECONDS))
            .pragma("trusted_schema", "OFF");
        let control = Self { pool: SqlitePoolOptions::new().max_connections(1).connect_with(options).await? };
        let steps = known_steps(&mut *control.pool.acquire().await?).await?;
        if steps < SCHEMAS.len() {
            return Err(ControlError::Schema { found: steps.to_string(), known: SCHEMAS.len() });
        }
        Ok(control)
    }

    /// Waits for open work and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that holds the write lock from its start: what it reads stays true until it commits.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, ControlError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn apply_schemas(&self) -> Result<(), ControlError> {
        let mut transaction = self.begin().await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS control_schema (step INTEGER NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL) STRICT")
            .execute(&mut *transaction)
            .await?;
        let known = known_steps(&mut transaction).await?;
        for (at, schema) in SCHEMAS.iter().enumerate().skip(known) {
            let (step, digest) = step(at, schema);
            sqlx::raw_sql(*schema).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO control_schema (step, sha256) VALUES (?, ?)")
                .bind(step)
                .bind(digest)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Number and digest of a schema step.
fn step(at: usize, schema: &str) -> (i64, String) {
    (i64::try_from(at + 1).unwrap_or(i64::MAX), Digest::of(schema.as_bytes()).to_string())
}

/// How many of our schema steps the file has, each with the text that this program knows.
async fn known_steps(connection: &mut SqliteConnection) -> Result<usize, ControlError> {
    let rows = sqlx::query("SELECT step, sha256 FROM control_schema ORDER BY step").fetch_all(connection).await?;
    let unknown = |found: String| ControlError::Schema { found, known: SCHEMAS.len() };
    if rows.len() > SCHEMAS.len() {
        return Err(unknown(rows.len().to_string()));
    }
    for ((at, schema), row) in SCHEMAS.iter().enumerate().zip(&rows) {
        let (step, digest) = step(at, schema);
        if row.try_get::<String, _>("sha256")? != digest || row.try_get::<i64, _>("step")? != step {
            return Err(unknown(format!("{step} with other text")));
        }
    }
    Ok(rows.len())
}

fn prepare_file(path: &Path) -> Result<(), ControlError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        disk::make_folder(folder)?;
    }
    let failed = |cause| ControlError::Open { path: path.to_owned(), cause };
    match OpenOptions::new().write(true).create_new(true).mode(disk::FILE_MODE).open(path) {
        Ok(_) => return Ok(()),
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed(cause)),
    }
    // SQLite gives its side files the mode of the database file.
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & OTHERS_ANY != 0 {
        return Err(ControlError::OpenToOthers { path: path.to_owned(), mode });
    }
    Ok(())
}
