//! Tables that only grow (T6, T1): the label archive and the data source. Rows are appended, never changed or taken out, and
//! whoever reads gets the very bytes that were appended, or an error that names the file.
//!
//! The format is Delta Lake, protocol reader 1 and writer 2, with `delta.appendOnly`: pandas, Spark and others read it. That
//! property alone would not keep rows (`restore`, `vacuum` and unsetting the property get past it), so a table here may hold only
//! commits that this program writes, byte for byte; they are chained, and the address of a version goes into the ledger.
//!
//! ```text
//! DIR/_delta_log/00000000000000000000.json   CREATE TABLE: protocol, schema, properties
//! DIR/_delta_log/00000000000000000001.json   WRITE: one data file, the delivery's digest, the receipt
//! DIR/<SHA-256>.parquet                      the rows of one append
//! DIR/.lock                                  one writer at a time
//! ```
//!
//! An append writes the data file first and the commit last ([`crate::disk`] has the order of each). A crash before the commit's
//! name exists leaves the version before, and perhaps an orphan, which [`Table::orphans`] lists, which no reader looks at and
//! which the next append removes. A crash after it leaves the new version. There is nothing between.
//!
//! What it does not do: keep somebody with the right to write this folder from replacing all of it, or cutting off the last
//! versions, by a chain that is sound in itself. That is seen by comparing [`Table::version_digest`] with the ledger.

mod chain;
mod commit;
mod data;
mod schema;
#[cfg(test)]
mod tests;
mod violation;

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use gate::Digest;

use crate::disk::{self, DiskError};
use crate::parquet_in::ParquetError;
use chain::{Chain, Link, commit_name};
use commit::{Body, Commit, Data, digest_of_name};

pub use chain::VERSIONS_MAX;
pub use commit::{COMMIT_BYTES_MAX, COMMIT_LINES_MAX, INFO_TEXT_BYTES_MAX, JSON_INTEGER_MAX};
pub use data::{APPEND_ROWS_MAX, DATA_FILE_BYTES_MAX, READ_ROWS_MAX};
pub use schema::{COLUMN_NAME_BYTES_MAX, COLUMNS_MAX};
pub use violation::{TableViolation, ViolationKind};

/// Bytes of a table's name at most.
pub const TABLE_NAME_BYTES_MAX: usize = 128;
/// How long a writer waits for another one.
pub const LOCK_WAIT_SECONDS: u64 = 30;

const LOG_FOLDER: &str = "_delta_log";
const LOCK_FILE: &str = ".lock";

/// Why a table does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file is not as our writer left it: nothing is read or written until people have looked.
    #[error("the table was tampered with: {0}")]
    Violated(#[from] TableViolation),
    /// Columns that a table cannot keep, or that are not the table's.
    #[error("{0}")]
    Schema(String),
    /// There is a table already.
    #[error("there is a table in `{}` already", .0.display())]
    Exists(PathBuf),
    /// There is no table.
    #[error("there is no table in `{}`", .0.display())]
    NoTable(PathBuf),
    /// A version that the table does not have.
    #[error("there is no version {version}: the table has {versions} versions, from 0")]
    NoVersion {
        /// Asked for.
        version: u64,
        /// How many there are.
        versions: u64,
    },
    /// A name, time or text of the caller's that cannot be written down.
    #[error("the {what} is empty, too long, or not printable")]
    Text {
        /// Which.
        what: &'static str,
    },
    /// Beyond a limit.
    #[error("{what}: {found} is more than {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// As found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A data file whose digest is right is not readable.
    #[error("the rows of version {version} cannot be read: {cause}")]
    Rows {
        /// Of which version.
        version: u64,
        /// Why.
        cause: ParquetError,
    },
    /// Rows cannot be written.
    #[error("the rows cannot be written: {0}")]
    Encode(String),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What goes with appended rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Digest of the delivery that the rows came in.
    pub content: Digest,
    /// The ledger's entry that let them in.
    pub receipt: String,
    /// Where they came from, in words.
    pub origin: String,
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// A version that was just appended: what the ledger should keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// 0 is the empty table, 1 the first append.
    pub number: u64,
    /// Its address, see [`Table::version_digest`].
    pub digest: Digest,
    /// SHA-256 of its data file.
    pub data: Digest,
    /// Rows that it added.
    pub rows: u64,
}

/// One version of a table's history.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CommitInfo {
    /// 0, 1, 2 ...
    pub version: u64,
    /// `CREATE TABLE` or `WRITE`.
    pub operation: String,
    /// Unix milliseconds, as the writer said.
    pub timestamp_ms: i64,
    /// Digest of the delivery; none in version 0.
    pub content: Option<Digest>,
    /// The ledger's entry; none in version 0.
    pub receipt: Option<String>,
    /// Where the rows came from; none in version 0.
    pub origin: Option<String>,
    /// Rows that this version added.
    pub rows: u64,
    /// Its data file's digest, and size in bytes.
    pub data: Option<(Digest, u64)>,
    /// The version's address.
    pub digest: Digest,
}

/// An append-only table in a folder. Every call looks at the disk, so that several processes may use one table.
#[derive(Clone, Debug)]
pub struct Table {
    dir: PathBuf,
    name: String,
    schema: SchemaRef,
}

impl Table {
    /// Makes an empty table: version 0. `now_ms` is the time in Unix milliseconds.
    ///
    /// # Errors
    /// [`TableError::Exists`], [`TableError::Schema`], [`TableError::Text`], a disk error.
    pub fn create(dir: &Path, name: &str, schema: &Schema, now_ms: i64) -> Result<Self, TableError> {
        check_text("table's name", name, TABLE_NAME_BYTES_MAX)?;
        check_time(now_ms)?;
        let commit = commit::create(name, schema::to_delta(schema)?, now_ms);
        let log = dir.join(LOG_FOLDER);
        disk::make_folder(&log)?;
        let lock = lock(dir)?;
        if !disk::list(&log)?.iter().all(|name| name.starts_with(disk::TEMPORARY_PREFIX)) {
            return Err(TableError::Exists(dir.to_owned()));
        }
        write_commit(dir, 0, &commit)?;
        drop(lock);
        Self::open(dir)
    }

    /// Opens a table. Only version 0 must be sound: with a later one that is not, [`Table::check`] says what is wrong, and reading
    /// and appending refuse.
    ///
    /// # Errors
    /// [`TableError::NoTable`], [`TableError::Violated`], a disk error.
    pub fn open(dir: &Path) -> Result<Self, TableError> {
        if !dir.join(LOG_FOLDER).is_dir() {
            return Err(TableError::NoTable(dir.to_owned()));
        }
        let chain = Chain::load(dir)?;
        let first = chain.up_to(Some(0))?.first().map(|link| &link.commit.body);
        let Some(Body::Create(metadata)) = first else { return Err(TableError::NoTable(dir.to_owned())) };
        Ok(Self { dir: dir.to_owned(), name: metadata.name.clone(), schema: schema::from_delta(&metadata.schema_string)? })
    }

    /// Opens the table, or makes it where there is none; an existing one must have the same schema.
    ///
    /// # Errors
    /// Those of [`Table::open`] and [`Table::create`]; [`TableError::Schema`] if the schema differs.
    pub fn open_or_create(dir: &Path, name: &str, schema: &Schema, now_ms: i64) -> Result<Self, TableError> {
        match Self::create(dir, name, schema, now_ms) {
            Err(TableError::Exists(_)) => {}
            made => return made,
        }
        let table = Self::open(dir)?;
        if schema::to_delta(schema)? == schema::to_delta(&table.schema)? {
            return Ok(table);
        }
        Err(TableError::Schema(format!("the table `{}` has other columns", table.name)))
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The newest version; 0 is the empty table.
    ///
    /// # Errors
    /// [`TableError::Violated`], a disk error.
    pub fn latest(&self) -> Result<u64, TableError> {
        let chain = Chain::load(&self.dir)?;
        Ok(u64::try_from(chain.up_to(None)?.len()).unwrap_or(u64::MAX).saturating_sub(1))
    }

    /// Appends rows as one new version. When it returns, they are on the disk; when it fails, the version before stands. Orphans of
    /// a crash are removed on the way.
    ///
    /// # Errors
    /// [`TableError::Schema`] for other columns, [`TableError::Limit`], [`TableError::Text`], [`TableError::Violated`] for a table that
    /// was tampered with, [`DiskError::Locked`] after [`LOCK_WAIT_SECONDS`], a disk error.
    pub fn append(&mut self, batches: &[RecordBatch], info: AppendInfo) -> Result<Version, TableError> {
        check_text("receipt", &info.receipt, INFO_TEXT_BYTES_MAX)?;
        check_text("origin", &info.origin, INFO_TEXT_BYTES_MAX)?;
        check_time(info.now_ms)?;
        for batch in batches {
            schema::check_batch(&self.schema, batch)?;
        }
        let lock = lock(&self.dir)?;
        let chain = Chain::load(&self.dir)?;
        let links = chain.up_to(None)?;
        let Some(last) = links.last() else { return Err(TableError::NoTable(self.dir.clone())) };
        let number = u64::try_from(links.len()).unwrap_or(u64::MAX);
        if number >= VERSIONS_MAX {
            return Err(TableError::Limit { what: "versions of a table", found: number, limit: VERSIONS_MAX });
        }
        self.remove_orphans(&chain)?;
        let (bytes, rows) = data::encode(&self.schema, batches, number, &info)?;
        let file = Data { digest: Digest::of(&bytes), size: u64::try_from(bytes.len()).unwrap_or(u64::MAX), rows };
        disk::create_new_atomic(&self.dir.join(file.file_name()), &bytes)?;
        write_commit(&self.dir, number, &commit::write(&info, last.address, file))?;
        drop(lock);
        // Read back: what is said to be appended is what a reader will find.
        let digest = self.version_digest(number)?;
        Ok(Version { number, digest, data: file.digest, rows })
    }

    /// All rows of a version, or of the newest; in the order in which they were appended. The SHA-256 of every data file is checked
    /// before its bytes are parsed.
    ///
    /// # Errors
    /// [`TableError::Violated`] names the file that was changed; [`TableError::NoVersion`], [`TableError::Limit`], a disk error.
    pub fn read(&self, version: Option<u64>) -> Result<Vec<RecordBatch>, TableError> {
        let chain = Chain::load(&self.dir)?;
        let links = chain.up_to(version)?;
        let rows = links.iter().filter_map(Link::data).fold(0_u64, |sum, file| sum.saturating_add(file.rows));
        if rows > READ_ROWS_MAX {
            return Err(TableError::Limit { what: "rows read at once", found: rows, limit: READ_ROWS_MAX });
        }
        let mut batches = Vec::new();
        for (version, link) in (0..).zip(links) {
            if let Some(file) = link.data() {
                batches.extend(data::read(&self.dir, &self.schema, version, &file)?);
            }
        }
        Ok(batches)
    }

    /// Only the rows that one version added; none for version 0.
    ///
    /// # Errors
    /// Those of [`Table::read`].
    pub fn read_appended(&self, version: u64) -> Result<Vec<RecordBatch>, TableError> {
        let chain = Chain::load(&self.dir)?;
        match chain.up_to(Some(version))?.last().and_then(Link::data) {
            Some(file) => data::read(&self.dir, &self.schema, version, &file),
            None => Ok(Vec::new()),
        }
    }

    /// What happened, oldest first.
    ///
    /// # Errors
    /// [`TableError::Violated`], a disk error.
    pub fn history(&self) -> Result<Vec<CommitInfo>, TableError> {
        let chain = Chain::load(&self.dir)?;
        let described = (0..).zip(chain.up_to(None)?).map(|(version, link)| {
            let (info, data) = (&link.commit.info, link.data());
            CommitInfo {
                version,
                operation: info.operation.clone(),
                timestamp_ms: info.timestamp,
                content: info.stayward_content,
                receipt: info.stayward_receipt.clone(),
                origin: info.stayward_origin.clone(),
                rows: data.map_or(0, |file| file.rows),
                data: data.map(|file| (file.digest, file.size)),
                digest: link.address,
            }
        });
        Ok(described.collect())
    }

    /// The versions that hold rows of a delivery: after a crash the caller learns whether its append took place.
    ///
    /// # Errors
    /// Those of [`Table::history`].
    pub fn versions_of(&self, content: &Digest) -> Result<Vec<u64>, TableError> {
        Ok(self.history()?.into_iter().filter(|one| one.content.as_ref() == Some(content)).map(|one| one.version).collect())
    }

    /// The content address of a version: it covers every commit, and the digest of every data file, up to that version. That the
    /// data files have those digests, [`Table::read`] and [`Table::check`] say.
    ///
    /// # Errors
    /// [`TableError::NoVersion`], [`TableError::Violated`], a disk error.
    pub fn version_digest(&self, version: u64) -> Result<Digest, TableError> {
        let chain = Chain::load(&self.dir)?;
        let link = chain.up_to(Some(version))?.last().map(|link| link.address);
        link.ok_or(TableError::NoVersion { version, versions: 0 })
    }

    /// Everything that is wrong with the table; empty when it is as our writer left it. Reads every byte of it.
    ///
    /// # Errors
    /// Only when the folder itself cannot be read.
    pub fn check(&self) -> Result<Vec<TableViolation>, TableError> {
        Self::check_folder(&self.dir)
    }

    /// As [`Table::check`], for a folder whose version 0 may be broken.
    ///
    /// # Errors
    /// Only when the folder itself cannot be read.
    pub fn check_folder(dir: &Path) -> Result<Vec<TableViolation>, TableError> {
        let chain = Chain::load(dir)?;
        let mut violations = chain.violations.clone();
        for (version, link) in (0..).zip(&chain.links) {
            if let Some(file) = link.data()
                && let Err(kind) = data::verify(dir, version, &link.commit.info, &file)
            {
                violations.push(TableViolation { file: file.file_name().into(), version: Some(version), kind });
            }
        }
        let named = chain.data_digests();
        for name in disk::list(dir)? {
            let known = name == LOG_FOLDER || name == LOCK_FILE || name.starts_with(disk::TEMPORARY_PREFIX);
            if known || digest_of_name(&name).is_some_and(|digest| named.contains(&digest)) {
                continue;
            }
            if let Some(kind) = data::look_at_unnamed(dir, &name) {
                violations.push(TableViolation { file: name.into(), version: None, kind });
            }
        }
        Ok(violations)
    }

    /// What a crash left: temporary files, and data files that no commit names. Nobody reads them; the next append removes them.
    /// Waits for a writer at work.
    ///
    /// # Errors
    /// [`TableError::Violated`], [`DiskError::Locked`], a disk error.
    pub fn orphans(&self) -> Result<Vec<PathBuf>, TableError> {
        let _lock = lock(&self.dir)?;
        let chain = Chain::load(&self.dir)?;
        // Of a broken chain nobody can say which files are left over.
        chain.up_to(None)?;
        self.list_orphans(&chain)
    }

    fn list_orphans(&self, chain: &Chain) -> Result<Vec<PathBuf>, TableError> {
        let mut orphans = Vec::new();
        for name in disk::list(&self.dir.join(LOG_FOLDER))? {
            if name.starts_with(disk::TEMPORARY_PREFIX) {
                orphans.push(self.dir.join(LOG_FOLDER).join(name));
            }
        }
        let named = chain.data_digests();
        for name in disk::list(&self.dir)? {
            let unnamed = digest_of_name(&name).is_some_and(|digest| !named.contains(&digest));
            if (unnamed && data::look_at_unnamed(&self.dir, &name).is_none()) || name.starts_with(disk::TEMPORARY_PREFIX) {
                orphans.push(self.dir.join(name));
            }
        }
        Ok(orphans)
    }

    /// Only what a crash of ours can leave is removed; what is foreign stays, for people to look at.
    fn remove_orphans(&self, chain: &Chain) -> Result<(), TableError> {
        for orphan in self.list_orphans(chain)? {
            disk::remove(&orphan)?;
        }
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<disk::Lock, TableError> {
    Ok(disk::lock(&dir.join(LOCK_FILE), Duration::from_secs(LOCK_WAIT_SECONDS))?)
}

fn write_commit(dir: &Path, version: u64, commit: &Commit) -> Result<(), TableError> {
    let bytes = commit.encode().map_err(|error| TableError::Encode(error.to_string()))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > COMMIT_BYTES_MAX {
        return Err(TableError::Limit { what: "bytes of a commit", found: size, limit: COMMIT_BYTES_MAX });
    }
    Ok(disk::create_new_atomic(&dir.join(LOG_FOLDER).join(commit_name(version)), &bytes)?)
}

fn check_text(what: &'static str, text: &str, bytes_max: usize) -> Result<(), TableError> {
    let good = !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control);
    if good { Ok(()) } else { Err(TableError::Text { what }) }
}

fn check_time(now_ms: i64) -> Result<(), TableError> {
    if (0..=JSON_INTEGER_MAX).contains(&now_ms) { Ok(()) } else { Err(TableError::Text { what: "time" }) }
}
