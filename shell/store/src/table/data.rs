//! The data files of a table (T6): named by their SHA-256, which is checked before a parser sees their bytes.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use gate::Digest;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::chain::unreadable;
use super::commit::{Data, Info, digest_of_name};
use super::violation::{TableViolation, ViolationKind};
use super::{AppendInfo, COLUMNS_MAX, TableError, schema};
use crate::disk;
use crate::parquet_in::{self, ParquetLimits};

/// Rows of one append at most.
pub const APPEND_ROWS_MAX: u64 = 10_000_000;
/// Rows that one read gives at most.
pub const READ_ROWS_MAX: u64 = 50_000_000;
/// Bytes of one data file at most.
pub const DATA_FILE_BYTES_MAX: u64 = 1 << 30;
/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 131_072;
/// Zstandard's own default level.
const ZSTD_LEVEL: i32 = 3;

/// Our own files: the digest was right, yet whoever can rewrite the whole folder chooses the digests, too.
const LIMITS: ParquetLimits = ParquetLimits {
    bytes_max: DATA_FILE_BYTES_MAX,
    unpacked_bytes_max: 8 << 30,
    decoded_bytes_max: 8 << 30,
    rows_max: APPEND_ROWS_MAX,
    columns_max: COLUMNS_MAX,
    cells_max: 1_000_000_000,
};

const VERSION_KEY: &str = "stayward.version";
const CONTENT_KEY: &str = "stayward.content";
const RECEIPT_KEY: &str = "stayward.receipt";

/// What a data file says of itself: two appends of the same rows are two files, and a file belongs to one commit.
fn marks(version: u64, content: Option<&Digest>, receipt: Option<&str>) -> BTreeMap<String, String> {
    BTreeMap::from([
        (VERSION_KEY.to_owned(), version.to_string()),
        (CONTENT_KEY.to_owned(), content.map(Digest::to_string).unwrap_or_default()),
        (RECEIPT_KEY.to_owned(), receipt.unwrap_or_default().to_owned()),
    ])
}

/// The bytes of a data file, and its rows. Equal inputs, equal bytes.
pub(super) fn encode(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    version: u64,
    info: &AppendInfo,
) -> Result<(Vec<u8>, u64), TableError> {
    let rows = batches.iter().fold(0_u64, |sum, batch| sum.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)));
    if rows > APPEND_ROWS_MAX {
        return Err(TableError::Limit { what: "rows appended at once", found: rows, limit: APPEND_ROWS_MAX });
    }
    let failed = |error: parquet::errors::ParquetError| TableError::Encode(error.to_string());
    let pairs = marks(version, Some(&info.content), Some(&info.receipt));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(failed)?))
        .set_created_by(concat!("stayward ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_key_value_metadata(Some(pairs.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()))
        .build();
    let stored = schema::stored(schema);
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, std::sync::Arc::clone(&stored), options).map_err(failed)?;
    for batch in batches {
        writer.write(&schema::to_stored(batch, &stored)?).map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > DATA_FILE_BYTES_MAX {
        return Err(TableError::Limit { what: "bytes of a data file", found: size, limit: DATA_FILE_BYTES_MAX });
    }
    Ok((bytes, rows))
}

/// The bytes of a data file, of the size and digest that its commit says.
fn bytes_of(dir: &Path, file: &Data) -> Result<Bytes, ViolationKind> {
    let bytes = disk::read_limited(&dir.join(file.file_name()), DATA_FILE_BYTES_MAX).map_err(|error| unreadable(&error))?;
    let found = Digest::of(&bytes);
    if found != file.digest {
        return Err(ViolationKind::Changed(found));
    }
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size != file.size {
        return Err(ViolationKind::Count { what: "bytes", found: size, said: file.size });
    }
    Ok(bytes.into())
}

/// The rows of one version.
pub(super) fn read(dir: &Path, schema: &SchemaRef, version: u64, file: &Data) -> Result<Vec<RecordBatch>, TableError> {
    let violated = |kind: ViolationKind| {
        TableError::Violated(TableViolation { file: file.file_name().into(), version: Some(version), kind })
    };
    let bytes = bytes_of(dir, file).map_err(violated)?;
    let batches = parquet_in::read_as(bytes, &LIMITS, Some(&schema::stored(schema)))
        .map_err(|cause| TableError::Rows { version, cause })?;
    let found = batches.iter().fold(0_u64, |sum, batch| sum.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)));
    if found != file.rows {
        return Err(violated(ViolationKind::Count { what: "rows", found, said: file.rows }));
    }
    batches.iter().map(|batch| schema::from_stored(batch, schema)).collect()
}

/// Checks a data file against its commit without decoding its rows.
pub(super) fn verify(dir: &Path, version: u64, info: &Info, file: &Data) -> Result<(), ViolationKind> {
    let bytes = bytes_of(dir, file)?;
    let facts = parquet_in::footer_facts(&bytes, &LIMITS).map_err(|error| ViolationKind::Unreadable(error.to_string()))?;
    if facts.rows != file.rows {
        return Err(ViolationKind::Count { what: "rows", found: facts.rows, said: file.rows });
    }
    let found: BTreeMap<String, String> = facts.pairs.into_iter().collect();
    if found != marks(version, info.stayward_content.as_ref(), info.stayward_receipt.as_deref()) {
        return Err(ViolationKind::Unlike("it says that it belongs to another append".to_owned()));
    }
    Ok(())
}

/// Looks at a file that no commit names: fine, if a crash of ours can have left it, that is if its name is its digest.
pub(super) fn look_at_unnamed(dir: &Path, name: &str) -> Option<ViolationKind> {
    let Some(promised) = digest_of_name(name) else { return Some(ViolationKind::Foreign) };
    match disk::read_limited(&dir.join(name), DATA_FILE_BYTES_MAX) {
        Ok(bytes) => {
            let found = Digest::of(&bytes);
            (found != promised).then_some(ViolationKind::Changed(found))
        }
        Err(error) => Some(unreadable(&error)),
    }
}
