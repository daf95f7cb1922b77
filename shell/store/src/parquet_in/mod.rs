//! Reads a Parquet file from outside (T1): bounded in rows, columns and memory, errors in place of panics.
//!
//! The bytes' digest or signature is to be checked before; here is what protects from a supplier whose signature is good.
//! First `door.rs` looks at all headers; then the reader of the `parquet` crate decodes in small batches, texts as views (a
//! dictionary entry repeated a million times is kept once) that are counted before they are copied out.

mod door;
#[cfg(test)]
mod tests;
mod thrift;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

pub use door::{FOOTER_BYTES_MAX, PAGE_BYTES_MAX, PAGES_MAX, ROW_GROUPS_MAX};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8_192;
/// Bytes of a fixed-length value at most: a UUID or a decimal of 256 bits.
const FIXED_BYTES_MAX: i32 = 32;

/// How much of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParquetLimits {
    /// Bytes of the file.
    pub bytes_max: u64,
    /// Bytes of all pages, unpacked.
    pub unpacked_bytes_max: u64,
    /// Bytes of all values, decoded.
    pub decoded_bytes_max: u64,
    /// Rows.
    pub rows_max: u64,
    /// Columns.
    pub columns_max: usize,
    /// Rows times columns.
    pub cells_max: u64,
}

impl ParquetLimits {
    /// For files that people bring: 256 MiB, 5 million rows, 1,024 columns, 200 million cells, 2 GiB of values.
    pub const USER: Self = Self {
        bytes_max: 256 << 20,
        unpacked_bytes_max: 2 << 30,
        decoded_bytes_max: 2 << 30,
        rows_max: 5_000_000,
        columns_max: 1_024,
        cells_max: 200_000_000,
    };
}

/// Why a Parquet file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParquetError {
    /// Not a Parquet file, or a broken one.
    #[error("the Parquet file cannot be read: {0}")]
    Malformed(String),
    /// Beyond a limit.
    #[error("the Parquet file has too many {what}: {found}, at most {limit} are read")]
    Limit {
        /// Of what.
        what: &'static str,
        /// As found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Lists, maps or groups.
    #[error("the Parquet file has columns inside columns; a table of plain columns is needed")]
    Nested,
    /// A type of column that a table has no use for.
    #[error("the column `{column}` has the type `{kind}`, which is not read")]
    Type {
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
    /// A code that unfolds without bound.
    #[error("the Parquet file uses the encoding `{0}`, which is not read")]
    Encoding(&'static str),
    /// A compression that is not built in.
    #[error("the Parquet file is packed by `{0}`; `ZSTD`, `SNAPPY` and none are read")]
    Compression(String),
}

fn malformed(error: impl std::fmt::Display) -> ParquetError {
    // The reader's words about outside bytes: short, printable.
    ParquetError::Malformed(error.to_string().chars().take(200).flat_map(char::escape_debug).collect())
}

/// Reads all rows. Types of columns: text, truth, whole and decimal numbers, dates, moments, bytes.
///
/// # Errors
/// [`ParquetError`]; no input makes it panic or take more memory than the limits say.
pub fn read_parquet(bytes: impl Into<Bytes>, limits: &ParquetLimits) -> Result<Vec<RecordBatch>, ParquetError> {
    read_as(bytes.into(), limits, None)
}

/// As [`read_parquet`], into given types.
pub(crate) fn read_as(
    bytes: Bytes,
    limits: &ParquetLimits,
    schema: Option<&SchemaRef>,
) -> Result<Vec<RecordBatch>, ParquetError> {
    guarded(|| {
        let metadata = open(&bytes, limits)?;
        let wanted = match schema {
            Some(schema) => Arc::clone(schema),
            None => natural_schema(&metadata)?,
        };
        decode(bytes.clone(), metadata, &wanted, limits)
    })
}

/// What a file's footer says.
pub(crate) struct FooterFacts {
    pub(crate) rows: u64,
    /// Key-value pairs, in the file's order.
    pub(crate) pairs: Vec<(String, String)>,
}

/// Reads the footer, without decoding rows.
pub(crate) fn footer_facts(bytes: &Bytes, limits: &ParquetLimits) -> Result<FooterFacts, ParquetError> {
    guarded(|| {
        let metadata = open(bytes, limits)?;
        let facts = metadata.file_metadata();
        let rows = u64::try_from(facts.num_rows()).map_err(malformed)?;
        let pairs = facts.key_value_metadata().into_iter().flatten();
        let pairs = pairs.map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default())).collect();
        Ok(FooterFacts { rows, pairs })
    })
}

/// The `parquet` crate says that it may panic on malformed files. Nothing is shared with the work that is cut short.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(malformed("its reader gave up")))
}

/// Footer and page headers, all held against the limits.
fn open(bytes: &Bytes, limits: &ParquetLimits) -> Result<Arc<ParquetMetaData>, ParquetError> {
    door::check_footer(bytes, limits)?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(bytes, options).map_err(malformed)?;
    let metadata = Arc::clone(metadata.metadata());
    let columns = metadata.file_metadata().schema_descr().num_columns();
    let mut rows = 0_u64;
    let mut pages = door::Pages::default();
    for group in metadata.row_groups() {
        let group_rows = u64::try_from(group.num_rows()).map_err(malformed)?;
        rows = rows.saturating_add(group_rows);
        if group.columns().len() != columns {
            return Err(malformed("a row group lacks columns"));
        }
        for column in group.columns() {
            if u64::try_from(column.num_values()).ok() != Some(group_rows) {
                return Err(malformed("a column is longer or shorter than its row group"));
            }
            pages.walk(chunk_bytes(bytes, column)?, limits)?;
        }
    }
    let limit = |what, found, limit| if found > limit { Err(ParquetError::Limit { what, found, limit }) } else { Ok(()) };
    limit("rows", rows, limits.rows_max)?;
    limit("cells", rows.saturating_mul(u64::try_from(columns).unwrap_or(u64::MAX)), limits.cells_max)?;
    if u64::try_from(metadata.file_metadata().num_rows()).ok() != Some(rows) {
        return Err(malformed("its row groups do not add up"));
    }
    Ok(metadata)
}

fn chunk_bytes<'a>(bytes: &'a Bytes, column: &ColumnChunkMetaData) -> Result<&'a [u8], ParquetError> {
    let packed = column.compression();
    if !matches!(packed, Compression::UNCOMPRESSED | Compression::ZSTD(_) | Compression::SNAPPY) {
        return Err(ParquetError::Compression(packed.to_string()));
    }
    let kind = column.column_descr();
    if kind.max_rep_level() > 0 || kind.max_def_level() > 1 {
        return Err(ParquetError::Nested);
    }
    if kind.physical_type() == parquet::basic::Type::FIXED_LEN_BYTE_ARRAY && !(1..=FIXED_BYTES_MAX).contains(&kind.type_length())
    {
        let kind = format!("fixed bytes of length {}", column.column_descr().type_length());
        return Err(ParquetError::Type { column: column.column_path().string(), kind });
    }
    // The same range as the reader of the crate takes (its `byte_range` panics on negative numbers).
    let start = usize::try_from(column.dictionary_page_offset().unwrap_or(column.data_page_offset())).map_err(malformed)?;
    let length = usize::try_from(column.compressed_size()).map_err(malformed)?;
    let end = start.checked_add(length).ok_or_else(|| malformed("a column lies outside of it"))?;
    bytes.get(start..end).ok_or_else(|| malformed("a column lies outside of it"))
}

/// The Arrow types that the file's own types stand for; what a writer noted of Arrow is not believed.
fn natural_schema(metadata: &Arc<ParquetMetaData>) -> Result<SchemaRef, ParquetError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let natural = ArrowReaderMetadata::try_new(Arc::clone(metadata), options).map_err(malformed)?;
    let schema = natural.schema();
    for field in schema.fields() {
        if !is_read(field.data_type()) {
            return Err(ParquetError::Type { column: field.name().clone(), kind: field.data_type().to_string() });
        }
    }
    Ok(Arc::new(Schema::new(schema.fields().iter().map(plain_field).collect::<Vec<_>>())))
}

fn plain_field(field: &Arc<Field>) -> Field {
    Field::new(field.name(), field.data_type().clone(), field.is_nullable())
}

fn is_read(kind: &DataType) -> bool {
    kind.is_numeric()
        || kind.is_temporal()
        || matches!(kind, DataType::Utf8 | DataType::Binary | DataType::Boolean | DataType::Null | DataType::FixedSizeBinary(_))
}

/// Decodes with texts and bytes as views, then takes them out of the views.
fn decode(
    bytes: Bytes,
    metadata: Arc<ParquetMetaData>,
    wanted: &SchemaRef,
    limits: &ParquetLimits,
) -> Result<Vec<RecordBatch>, ParquetError> {
    let views = wanted.fields().iter().map(|field| Field::new(field.name(), view_of(field.data_type()), field.is_nullable()));
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(views.collect::<Vec<_>>())));
    let known = ArrowReaderMetadata::try_new(metadata, options).map_err(malformed)?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, known).with_batch_size(BATCH_ROWS).build();
    let mut decoded = 0_u64;
    let mut batches = Vec::new();
    for batch in reader.map_err(malformed)? {
        let batch = batch.map_err(malformed)?;
        for column in batch.columns() {
            decoded = decoded.saturating_add(decoded_bytes(column));
        }
        if decoded > limits.decoded_bytes_max {
            return Err(ParquetError::Limit { what: "bytes of values", found: decoded, limit: limits.decoded_bytes_max });
        }
        let columns = batch.columns().iter().map(out_of_views).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        batches.push(RecordBatch::try_new_with_options(Arc::clone(wanted), columns, &options).map_err(malformed)?);
    }
    Ok(batches)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other types of Arrow stay as they are")]
fn view_of(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        other => other.clone(),
    }
}

/// Bytes of a column's values once they are taken out of its views.
fn decoded_bytes(column: &ArrayRef) -> u64 {
    let lengths =
        |lengths: &mut dyn Iterator<Item = u32>| lengths.fold(0_u64, |sum, length| sum.saturating_add(u64::from(length)));
    // INVARIANT: the low 32 bits of a view are its length (Arrow columnar format, "Variable-size Binary View Layout").
    let view_length = |view: &u128| u32::try_from(view & u128::from(u32::MAX)).unwrap_or(u32::MAX);
    if let Some(texts) = column.as_string_view_opt() {
        return lengths(&mut texts.views().iter().map(view_length));
    }
    if let Some(all) = column.as_binary_view_opt() {
        return lengths(&mut all.views().iter().map(view_length));
    }
    u64::try_from(column.get_array_memory_size()).unwrap_or(u64::MAX)
}

fn out_of_views(column: &ArrayRef) -> ArrayRef {
    if let Some(texts) = column.as_string_view_opt() {
        return Arc::new(texts.iter().collect::<StringArray>());
    }
    if let Some(all) = column.as_binary_view_opt() {
        return Arc::new(all.iter().collect::<BinaryArray>());
    }
    Arc::clone(column)
}
