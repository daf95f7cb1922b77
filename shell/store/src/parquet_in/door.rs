//! Looks at a Parquet file's footer and page headers before its reader does (T1): a few bytes may not ask for much memory.
//!
//! What the reader of the `parquet` crate (60.1) does with such files, were they not refused here: a schema nested a million deep
//! overflows its stack, and a group that claims two thousand million children makes it ask for 16 GiB; both end the process, and no
//! `catch_unwind` helps. A page that claims to unpack to 2 GiB gets that room before it is unpacked, and codes that share prefixes
//! turn a kilobyte into gigabytes.
//!
//! Source of the layout: Apache Parquet, `parquet.thrift`.

#![deny(clippy::indexing_slicing)]

use super::thrift::{I32, LIST, Malformed, Reader, STRUCT};
use super::{ParquetError, ParquetLimits};

/// Bytes of a footer at most.
pub const FOOTER_BYTES_MAX: usize = 16 << 20;
/// Row groups of a file at most.
pub const ROW_GROUPS_MAX: usize = 16_384;
/// Pages of a file at most.
pub const PAGES_MAX: usize = 1_000_000;
/// Bytes of one unpacked page at most; writers aim at 1 MiB.
pub const PAGE_BYTES_MAX: u64 = 256 << 20;

const MAGIC: &[u8; 4] = b"PAR1";
/// The last bytes of a file: length of the footer, magic.
const TAIL_BYTES: usize = 8;

/// `Encoding` numbers that Parquet gives.
const DELTA_BYTE_ARRAY: i32 = 7;

impl From<Malformed> for ParquetError {
    fn from(_: Malformed) -> Self {
        Self::Malformed("its headers are broken".to_owned())
    }
}

fn malformed<T>(why: &str) -> Result<T, ParquetError> {
    Err(ParquetError::Malformed(why.to_owned()))
}

fn limit<T>(what: &'static str, found: u64, limit: u64) -> Result<T, ParquetError> {
    Err(ParquetError::Limit { what, found, limit })
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Checks the footer: a flat list of columns, few row groups.
pub(super) fn check_footer(bytes: &[u8], limits: &ParquetLimits) -> Result<(), ParquetError> {
    if wide(bytes.len()) > limits.bytes_max {
        return limit("bytes of the file", wide(bytes.len()), limits.bytes_max);
    }
    let Some((before, tail)) = bytes.len().checked_sub(TAIL_BYTES).map(|at| bytes.split_at(at)) else {
        return malformed("it is too short");
    };
    let (Some(length), Some(magic), Some(head)) = (tail.first_chunk::<4>(), tail.last_chunk::<4>(), before.first_chunk::<4>())
    else {
        return malformed("it is too short");
    };
    if head != MAGIC || magic != MAGIC {
        return malformed("it is no Parquet file, or an encrypted one");
    }
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > FOOTER_BYTES_MAX {
        return limit("bytes of the footer", wide(length), wide(FOOTER_BYTES_MAX));
    }
    let Some(footer) = before.len().checked_sub(length).and_then(|at| before.get(at..)) else {
        return malformed("its footer is longer than the file");
    };
    let (mut columns, mut groups) = (None, 0);
    Reader::new(footer).fields(0, |reader, number, kind| match (number, kind) {
        (2, LIST) => {
            columns = Some(flat_columns(reader)?);
            Ok(true)
        }
        (4, LIST) => {
            groups = reader.clone().list()?.1;
            Ok(false)
        }
        _ => Ok(false),
    })?;
    match columns {
        None => return malformed("it has no schema"),
        Some(Columns::Nested) => return Err(ParquetError::Nested),
        Some(Columns::Flat(0)) => return malformed("it has no columns"),
        Some(Columns::Flat(count)) if count > limits.columns_max => {
            return limit("columns", wide(count), wide(limits.columns_max));
        }
        Some(Columns::Flat(_)) => {}
    }
    if groups > ROW_GROUPS_MAX {
        return limit("row groups", wide(groups), wide(ROW_GROUPS_MAX));
    }
    Ok(())
}

enum Columns {
    Flat(usize),
    Nested,
}

/// Reads `schema: list<SchemaElement>`: flat, if only the first has children and these are all the others.
fn flat_columns(reader: &mut Reader<'_>) -> Result<Columns, Malformed> {
    let (kind, size) = reader.list()?;
    if kind != STRUCT {
        return Err(Malformed);
    }
    let mut columns = Columns::Flat(size.saturating_sub(1));
    for at in 0..size {
        let mut children = 0;
        reader.fields(1, |reader, number, kind| {
            if (number, kind) == (5, I32) {
                children = reader.i32()?;
                return Ok(true);
            }
            Ok(false)
        })?;
        let wanted = if at == 0 { i32::try_from(size - 1).map_err(|_| Malformed)? } else { 0 };
        if children != wanted {
            columns = Columns::Nested;
        }
    }
    Ok(columns)
}

/// What the page headers of a file add up to.
#[derive(Default)]
pub(super) struct Pages {
    count: usize,
    unpacked: u64,
}

struct PageHeader {
    unpacked: u64,
    packed: u64,
    encoding: i32,
}

fn page_header(reader: &mut Reader<'_>) -> Result<PageHeader, Malformed> {
    let (mut unpacked, mut packed, mut encoding) = (None, None, 0);
    reader.fields(0, |reader, number, kind| {
        match (number, kind) {
            (2, I32) => unpacked = u64::try_from(reader.i32()?).ok(),
            (3, I32) => packed = u64::try_from(reader.i32()?).ok(),
            // The encoding is the second field of a data page's header, the fourth of one of the second version.
            (5 | 8, STRUCT) => {
                let wanted = if number == 5 { 2 } else { 4 };
                reader.fields(1, |reader, number, kind| {
                    if (number, kind) == (wanted, I32) {
                        encoding = reader.i32()?;
                        return Ok(true);
                    }
                    Ok(false)
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(PageHeader { unpacked: unpacked.ok_or(Malformed)?, packed: packed.ok_or(Malformed)?, encoding })
}

impl Pages {
    /// Walks the pages of one column of one row group, which are `chunk`.
    pub(super) fn walk(&mut self, chunk: &[u8], limits: &ParquetLimits) -> Result<(), ParquetError> {
        let mut reader = Reader::new(chunk);
        while reader.left() > 0 {
            let page = page_header(&mut reader)?;
            reader.skip_bytes(page.packed)?;
            self.count += 1;
            self.unpacked = self.unpacked.saturating_add(page.unpacked);
            if self.count > PAGES_MAX {
                return limit("pages", wide(self.count), wide(PAGES_MAX));
            }
            if page.unpacked > PAGE_BYTES_MAX {
                return limit("bytes of one page", page.unpacked, PAGE_BYTES_MAX);
            }
            if self.unpacked > limits.unpacked_bytes_max {
                return limit("bytes of all pages", self.unpacked, limits.unpacked_bytes_max);
            }
            if page.encoding == DELTA_BYTE_ARRAY {
                return Err(ParquetError::Encoding("DELTA_BYTE_ARRAY"));
            }
        }
        Ok(())
    }
}
