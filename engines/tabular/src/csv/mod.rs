//! Reads delimited text of any sane dialect, and loses no clean record to a broken neighbour.
//!
//! A supplier (or who speaks in his name) who can make a reader swallow records by one stray quote decides which customers a
//! model sees (T1). So a record that cannot be read is reported with its line and bytes, and reading goes on at the next
//! physical line. Base: RFC 4180, widened to other delimiters, quotes and line ends.

mod inflate;
mod scan;
mod sniff;
#[cfg(test)]
mod tests;
mod text;

use crate::number::Decimal;
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use scan::{Scanner, Span};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Bytes after inflation that one table may have: 4 GiB.
pub const BYTES_MAX: u64 = 4 << 30;
/// How many times larger than the gzip file its content may be (deflate itself cannot pass 1,032).
pub const INFLATE_RATIO_MAX: u64 = 200;
/// Columns of one table.
pub const COLUMNS_MAX: usize = 4_096;
/// Bytes of one field.
pub const FIELD_BYTES_MAX: usize = 64 << 10;
/// Physical lines that one quoted field may span; it also bounds how often a byte is scanned again.
pub const QUOTED_LINES_MAX: usize = 64;
/// Records of one table.
pub const RECORDS_MAX: u64 = 1_000_000_000;
/// Records of one batch.
pub const BATCH_RECORDS: usize = 8_192;
/// Broken records that are kept with their place; further ones are only counted.
pub const ERRORS_KEPT_MAX: usize = 1_000;

/// What a table may cost at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, after inflation.
    pub bytes: u64,
    /// Content bytes per gzip byte.
    pub inflate_ratio: u64,
    /// Columns.
    pub columns: usize,
    /// Bytes of a field.
    pub field_bytes: usize,
    /// Lines of a quoted field.
    pub quoted_lines: usize,
    /// Records.
    pub records: u64,
    /// Records of a batch, at least 1.
    pub batch_records: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: BYTES_MAX,
            inflate_ratio: INFLATE_RATIO_MAX,
            columns: COLUMNS_MAX,
            field_bytes: FIELD_BYTES_MAX,
            quoted_lines: QUOTED_LINES_MAX,
            records: RECORDS_MAX,
            batch_records: BATCH_RECORDS,
        }
    }
}

/// Whether the first record names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Header {
    /// The first record holds names.
    Present,
    /// The first record holds values; columns are called `column_1`, `column_2`, ..
    Absent,
}

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Newline {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r` alone, as on old Macintosh systems
    Cr,
}

/// How letters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8 throughout.
    Utf8,
    /// Some bytes are not UTF-8; records that hold them were read as Windows-1252 (the WHATWG reading of Latin-1).
    Latin1Recovered,
}

/// What is known before the reading; what is `None` is found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The delimiter.
    pub delimiter: Option<u8>,
    /// The quote.
    pub quote: Option<u8>,
    /// Whether there is a header.
    pub header: Option<Header>,
    /// Limits.
    pub limits: Limits,
}

/// How the table is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// Between fields: one of `,` `;` tab `|` unless the caller said otherwise.
    pub delimiter: u8,
    /// Around fields: `"` or `'`.
    pub quote: u8,
    /// Whether the first record holds names.
    pub header: Header,
    /// How the first line ends.
    pub newline: Newline,
    /// Whether a byte order mark stood first.
    pub byte_order_mark: bool,
    /// Whether Latin-1 was recovered.
    pub encoding: Encoding,
    /// How fractions seem to be written.
    pub decimal: Decimal,
    /// Whether the bytes were inflated.
    pub gzip: bool,
}

/// Why no table can be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// No record at all.
    #[error("the table is empty")]
    Empty,
    /// UTF-16 or UTF-32.
    #[error("the table is written in {0}\nhelp: write it in UTF-8")]
    Encoding(&'static str),
    /// Bad gzip.
    #[error("the gzip file is broken: {0}")]
    Gzip(String),
    /// A limit was passed.
    #[error("the table has more than {max} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// Two columns of one name: which one a reader takes would decide what the model sees.
    #[error("the header names the column `{0}` twice")]
    NameTwice(String),
    /// The first record cannot be read.
    #[error("the first record cannot be read: {0}")]
    FirstRecord(What),
    /// The options do not fit together.
    #[error("delimiter and quote must be two different ASCII characters, not line ends")]
    Options,
    /// Columns could not be put together.
    #[error("records could not be put together: {0}")]
    Batch(String),
}

/// What is wrong with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum What {
    /// Fewer fields than columns.
    #[error("has {found} fields, the table has {columns} columns")]
    TooFew {
        /// Fields of the record.
        found: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// More fields than columns.
    #[error("has more fields than the {columns} columns of the table")]
    TooMany {
        /// Columns of the table.
        columns: usize,
    },
    /// A quote opens and does not close.
    #[error("opens a quote that does not close")]
    QuoteOpen,
    /// A quoted field spans lines that are records of their own.
    #[error("opens a quote that would swallow whole records")]
    QuoteSwallows,
    /// Text follows a closing quote.
    #[error("has text after a closing quote")]
    TextAfterQuote,
    /// A control byte.
    #[error("holds the control byte 0x{0:02x}")]
    ControlByte(u8),
    /// Bytes that are neither UTF-8 nor Windows-1252.
    #[error("holds bytes that are no letters in UTF-8 or Latin-1")]
    Letters,
    /// A field is too long.
    #[error("has a field of more than {max} bytes")]
    FieldLong {
        /// The limit.
        max: usize,
    },
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordError {
    /// The physical line, from 1.
    pub line: u64,
    /// Its bytes in the inflated table.
    pub bytes: Range<usize>,
    /// What is wrong.
    pub what: What,
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "line {} {}", self.line, self.what)
    }
}

/// A whole table.
#[derive(Clone, Debug)]
pub struct Table {
    /// How it was written.
    pub dialect: Dialect,
    /// Names; every column is `Utf8`.
    pub schema: SchemaRef,
    /// Records.
    pub batches: Vec<RecordBatch>,
    /// The physical line at which each record starts.
    pub lines: Vec<u64>,
    /// Broken records, at most [`ERRORS_KEPT_MAX`].
    pub errors: Vec<RecordError>,
    /// How many records were broken.
    pub errors_count: u64,
}

impl Table {
    /// How many records were read.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }
}

/// Records in batches of bounded size, one after the other.
#[derive(Debug)]
pub struct Batches<'a> {
    bytes: Cow<'a, [u8]>,
    at: usize,
    line: u64,
    scanner: Scanner,
    dialect: Dialect,
    schema: SchemaRef,
    limits: Limits,
    records: u64,
    lines: Vec<u64>,
    errors: Vec<RecordError>,
    errors_count: u64,
    spans: Vec<Span>,
    /// Bytes of a column in the last batch, on the mean.
    column_bytes: usize,
    ended: bool,
}

/// Opens a table: inflates it, finds its dialect, reads its header.
pub fn open<'a>(bytes: &'a [u8], options: &Options) -> Result<Batches<'a>, CsvError> {
    let limits = Limits { batch_records: options.limits.batch_records.max(1), ..options.limits };
    let (bytes, gzip) = inflate::inflate(bytes, &limits)?;
    let (start, byte_order_mark) = sniff::mark(&bytes)?;
    let body = bytes.get(start..).unwrap_or_default();
    let found = sniff::sniff(body, options, &limits)?;
    let encoding = if std::str::from_utf8(body).is_ok() { Encoding::Utf8 } else { Encoding::Latin1Recovered };
    let scanner = Scanner::new(found.delimiter, found.quote, found.newline, found.columns, &limits);
    let dialect = Dialect {
        delimiter: found.delimiter,
        quote: found.quote,
        header: found.header,
        newline: found.newline,
        byte_order_mark,
        encoding,
        decimal: found.decimal,
        gzip,
    };
    let fields: Vec<Field> = found.names.iter().map(|name| Field::new(name, DataType::Utf8, false)).collect();
    Ok(Batches {
        bytes,
        at: start + found.first,
        line: found.first_line,
        scanner,
        dialect,
        schema: Arc::new(Schema::new(fields)),
        limits,
        records: 0,
        lines: Vec::new(),
        errors: Vec::new(),
        errors_count: 0,
        spans: Vec::new(),
        column_bytes: 0,
        ended: false,
    })
}

/// Reads a whole table.
pub fn read(bytes: &[u8], options: &Options) -> Result<Table, CsvError> {
    let mut stream = open(bytes, options)?;
    let mut batches = Vec::new();
    let mut lines = Vec::new();
    while let Some(batch) = stream.next() {
        batches.push(batch?);
        lines.extend_from_slice(stream.lines());
    }
    Ok(Table {
        dialect: stream.dialect,
        schema: stream.schema,
        batches,
        lines,
        errors: stream.errors,
        errors_count: stream.errors_count,
    })
}

impl Batches<'_> {
    /// How the table is written.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Names; every column is `Utf8`.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Records read so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The physical line of each record of the last batch.
    pub fn lines(&self) -> &[u64] {
        &self.lines
    }

    /// Broken records so far, at most [`ERRORS_KEPT_MAX`].
    pub fn errors(&self) -> &[RecordError] {
        &self.errors
    }

    /// How many records were broken so far.
    pub fn errors_count(&self) -> u64 {
        self.errors_count
    }

    fn broken(&mut self, end: usize, what: What) {
        self.errors_count += 1;
        if self.errors.len() < ERRORS_KEPT_MAX {
            self.errors.push(RecordError { line: self.line, bytes: self.at..end, what });
        }
    }

    /// Reads one record into the builders; whether there was one.
    fn step(&mut self, builders: &mut [StringBuilder]) -> bool {
        let read = self.scanner.record(&self.bytes, self.at, &mut self.spans);
        let appended = read.and_then(|end| {
            let record = self.bytes.get(self.at..end.next).unwrap_or_default();
            text::append(record, self.at, &self.spans, self.scanner.quote(), builders).map(|()| end)
        });
        match appended {
            Ok(end) => {
                self.lines.push(self.line);
                self.line += end.lines;
                self.at = end.next;
                true
            }
            Err(what) => {
                let next = self.scanner.line_end(&self.bytes, self.at);
                self.broken(next, what);
                self.line += 1;
                self.at = next;
                false
            }
        }
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, CsvError> {
        let columns = self.schema.fields().len();
        // Room for as much as the last batch had; a small table does not pay for a large batch.
        let records = self.limits.batch_records.min(self.bytes.len().saturating_sub(self.at) / columns.max(1) + 1);
        let mut builders: Vec<StringBuilder> =
            (0..columns).map(|_| StringBuilder::with_capacity(records, self.column_bytes)).collect();
        let begun = self.at;
        self.lines.clear();
        while self.lines.len() < self.limits.batch_records {
            if let Some(next) = self.scanner.blank(&self.bytes, self.at) {
                self.at = next;
                self.line += 1;
                continue;
            }
            if self.at >= self.bytes.len() {
                break;
            }
            if self.step(&mut builders) {
                self.records += 1;
                if self.records > self.limits.records {
                    return Err(CsvError::Limit { what: "records", max: self.limits.records });
                }
            }
        }
        self.column_bytes = (self.at - begun) / columns.max(1);
        if self.lines.is_empty() {
            return Ok(None);
        }
        let arrays = builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        let rows = RecordBatchOptions::new().with_row_count(Some(self.lines.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &rows)
            .map(Some)
            .map_err(|error| CsvError::Batch(error.to_string()))
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<RecordBatch, CsvError>;

    /// The next batch. After an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batch().transpose();
        self.ended = !matches!(batch, Some(Ok(_)));
        batch
    }
}
