//! The identity database (T1, T6): one private SQLite file, strict tables, full sync, and a log of logins that only grows.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::error::IdentityError;
use crate::password::Passwords;
use crate::roster::Witness;
use crate::second_factor::Sealer;
use crate::token::hash;

const CONNECTIONS_MAX: u32 = 4;
const BUSY_SECONDS: u64 = 10;
const OTHERS_ANY: u32 = 0o077;
/// Rows that one call of a list answers at most.
pub const LIST_ROWS_MAX: i64 = 10_000;
/// Bytes of a name at most.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a display name or team at most.
pub const TEXT_BYTES_MAX: usize = 128;

/// Schema steps in order; each is applied once, in one transaction, and its text may never change afterwards.
pub(crate) const SCHEMAS: &[&str] = &[
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
];

/// People, sessions, components, applications and suppliers; one database file.
#[derive(Clone)]
pub struct Identity {
    pub(crate) pool: SqlitePool,
    pub(crate) sealer: Arc<dyn Sealer>,
    pub(crate) passwords: Passwords,
    pub(crate) witness: Option<Arc<dyn Witness>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// One entry of the log of logins and changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 1, 2, 3 ...
    pub seq: i64,
    /// Unix seconds.
    pub at: i64,
    /// Person, application, component or supplier.
    pub subject: String,
    /// What happened, for example `login-attempt`, `login`, `step-up`, `key-created`; an attempt without its login was refused.
    pub event: String,
    /// More, never a secret.
    pub detail: String,
}

impl Event {
    pub(crate) fn of(row: &SqliteRow) -> Result<Self, IdentityError> {
        Ok(Self {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            subject: row.try_get("subject")?,
            event: row.try_get("event")?,
            detail: row.try_get("detail")?,
        })
    }
}

impl Identity {
    /// Opens or makes the database at `path` (mode 0600). `sealer` keeps the second factors' secrets, see [`Sealer`].
    ///
    /// # Errors
    /// [`IdentityError::OpenToOthers`], [`IdentityError::Schema`], or a disk or database error.
    pub async fn open(path: &Path, sealer: Arc<dyn Sealer>) -> Result<Self, IdentityError> {
        prepare_file(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(BUSY_SECONDS))
            // Without it INSERT OR REPLACE deletes a row without firing its delete trigger.
            .pragma("recursive_triggers", "ON")
            .pragma("trusted_schema", "OFF")
            .pragma("secure_delete", "ON");
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        let identity = Self { pool, sealer, passwords: Passwords::new().await?, witness: None };
        identity.apply_schemas().await?;
        Ok(identity)
    }

    /// Waits for open work and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Entries of the log after `seq`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// A database error.
    pub async fn events_after(&self, seq: i64, limit: i64) -> Result<Vec<Event>, IdentityError> {
        let rows = sqlx::query("SELECT seq, at, subject, event, detail FROM events WHERE seq > ? ORDER BY seq LIMIT ?")
            .bind(seq)
            .bind(limit.clamp(0, LIST_ROWS_MAX))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(Event::of).collect()
    }

    /// A transaction that holds the write lock from its start: what it reads stays true until it commits.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, IdentityError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn apply_schemas(&self) -> Result<(), IdentityError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS identity_schema (step INTEGER NOT NULL PRIMARY KEY, sha256 BLOB NOT NULL) STRICT",
        )
        .execute(&mut *transaction)
        .await?;
        let rows = sqlx::query("SELECT step, sha256 FROM identity_schema ORDER BY step").fetch_all(&mut *transaction).await?;
        let unknown = |found: String| IdentityError::Schema { found, known: SCHEMAS.len().to_string() };
        if rows.len() > SCHEMAS.len() {
            return Err(unknown(rows.len().to_string()));
        }
        for (at, schema) in SCHEMAS.iter().enumerate() {
            let digest = hash(schema);
            let step = i64::try_from(at + 1).unwrap_or(i64::MAX);
            if let Some(row) = rows.get(at) {
                if row.try_get::<Vec<u8>, _>("sha256")? != digest || row.try_get::<i64, _>("step")? != step {
                    return Err(unknown(format!("{step} with other text")));
                }
                continue;
            }
            sqlx::raw_sql(*schema).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO identity_schema (step, sha256) VALUES (?, ?)")
                .bind(step)
                .bind(digest.as_slice())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Adds to the log, in the transaction of what it tells about.
pub(crate) async fn log(
    connection: &mut SqliteConnection,
    at: i64,
    subject: &str,
    event: &'static str,
    detail: &str,
) -> Result<(), IdentityError> {
    sqlx::query("INSERT INTO events (at, subject, event, detail) VALUES (?, ?, ?, ?)")
        .bind(at)
        .bind(subject)
        .bind(event)
        .bind(detail)
        .execute(connection)
        .await?;
    Ok(())
}

fn prepare_file(path: &Path) -> Result<(), IdentityError> {
    let failed = |cause| IdentityError::Disk { path: path.to_owned(), cause };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed(cause)),
    }
    // SQLite gives its side files the mode of the database file.
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & OTHERS_ANY != 0 {
        return Err(IdentityError::OpenToOthers { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Names go into texts, addresses and file names: a small alphabet.
pub(crate) fn check_name(name: &str) -> Result<(), IdentityError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = name.bytes().next().is_some_and(plain);
    if first && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_' | b'.')) {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
    Err(IdentityError::Name(shown.escape_debug().to_string()))
}

pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), IdentityError> {
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(IdentityError::Text { what, limit: TEXT_BYTES_MAX });
    }
    Ok(())
}

/// A hash column; 32 bytes or a corrupt file.
pub(crate) fn hash_column(row: &sqlx::sqlite::SqliteRow, column: &'static str) -> Result<[u8; 32], IdentityError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| IdentityError::Corrupt("a hash of other length"))
}

/// Whether the error is "this key exists".
pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
