//! Parquet files that ask for too much, and those of honest suppliers.

use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array, LargeStringArray, ListArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use proptest::prelude::*;

use super::*;

const LIMITS: ParquetLimits = ParquetLimits {
    bytes_max: 8 << 20,
    unpacked_bytes_max: 64 << 20,
    decoded_bytes_max: 64 << 20,
    rows_max: 100_000,
    columns_max: 8,
    cells_max: 200_000,
};

fn a_batch(rows: usize) -> RecordBatch {
    let numbers = || 0..i64::try_from(rows).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("customer", Arc::new(numbers().map(|at| Some(format!("c{at}"))).collect::<StringArray>())),
        (
            "plan",
            Arc::new(
                numbers()
                    .map(|at| (at % 5 > 0).then_some(["gold", "basic"][usize::from(at % 2 == 0)]))
                    .collect::<LargeStringArray>(),
            ),
        ),
        ("charges", Arc::new(numbers().map(|at| (at % 3 > 0).then_some(at as f64 / 8.0)).collect::<Float64Array>())),
        ("calls", Arc::new(numbers().map(Some).collect::<Int64Array>())),
        ("churned", Arc::new(numbers().map(|at| Some(at % 4 == 0)).collect::<BooleanArray>())),
        ("since", Arc::new(numbers().map(Some).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
        ("token", Arc::new(numbers().map(|at| Some(at.to_be_bytes())).collect::<BinaryArray>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(batches: &[RecordBatch], set: impl FnOnce(WriterPropertiesBuilder) -> WriterPropertiesBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    let properties = set(WriterProperties::builder()).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn plain(rows: usize) -> Vec<u8> {
    write(&[a_batch(rows)], |properties| properties)
}

fn check(bytes: Vec<u8>, limits: ParquetLimits, wanted: fn(&ParquetError) -> bool) {
    let error = read_parquet(bytes, &limits).unwrap_err();
    assert!(wanted(&error), "{error:?}");
}

#[test]
fn files_of_every_usual_kind_are_read() {
    let files = [
        plain(20_000),
        write(&[a_batch(20_000)], |with| with.set_compression(Compression::ZSTD(ZstdLevel::default()))),
        write(&[a_batch(20_000)], |with| with.set_compression(Compression::SNAPPY)),
        write(&[a_batch(20_000)], |with| with.set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(true)),
        write(&[a_batch(20_000)], |with| with.set_dictionary_enabled(false).set_data_page_size_limit(1_000)),
        write(&[a_batch(20_000)], |with| with.set_max_row_group_row_count(Some(700))),
        write(&[a_batch(20_000)], |with| with.set_bloom_filter_enabled(true)),
    ];
    for bytes in files {
        let batches = read_parquet(bytes, &LIMITS).unwrap();
        let (mut from, whole) = (0, a_batch(20_000));
        for batch in &batches {
            let wanted = whole.slice(from, batch.num_rows());
            from += batch.num_rows();
            for (column, wanted) in batch.columns().iter().zip(wanted.columns()) {
                // What the writer called a large text is a text to Parquet.
                match wanted.as_string_opt::<i64>() {
                    Some(texts) => assert!(column.as_string::<i32>().iter().eq(texts.iter())),
                    None => assert_eq!(column, wanted),
                }
            }
        }
        assert_eq!(from, 20_000);
    }
}

#[test]
fn a_file_without_rows_is_read() {
    let batches = read_parquet(plain(0), &LIMITS).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[test]
fn each_limit_is_kept() {
    let refused = |limits: ParquetLimits, what: &str| {
        let error = read_parquet(plain(1_000), &limits).unwrap_err();
        assert!(matches!(error, ParquetError::Limit { what: found, .. } if found == what), "{error:?}");
    };
    assert!(read_parquet(plain(1_000), &LIMITS).is_ok());
    refused(ParquetLimits { bytes_max: 1_000, ..LIMITS }, "bytes of the file");
    refused(ParquetLimits { rows_max: 999, ..LIMITS }, "rows");
    refused(ParquetLimits { columns_max: 6, ..LIMITS }, "columns");
    refused(ParquetLimits { cells_max: 6_999, ..LIMITS }, "cells");
    refused(ParquetLimits { unpacked_bytes_max: 1_000, ..LIMITS }, "bytes of all pages");
    refused(ParquetLimits { decoded_bytes_max: 1_000, ..LIMITS }, "bytes of values");
    let exact = ParquetLimits { rows_max: 1_000, columns_max: 7, cells_max: 7_000, ..LIMITS };
    assert!(read_parquet(plain(1_000), &exact).is_ok());
}

#[test]
fn a_long_text_told_a_thousand_times_is_refused_before_it_unfolds() {
    // 3,000 rows of 100,000 bytes: 300 MB in a file of less than 1 MB.
    let text = "x".repeat(100_000);
    let batch = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec![text.as_str(); 100])) as ArrayRef)]).unwrap();
    let bytes = write(&vec![batch; 30], |with| with.set_compression(Compression::SNAPPY));
    assert!(bytes.len() < 1 << 20, "{}", bytes.len());
    check(bytes, LIMITS, |error| matches!(error, ParquetError::Limit { what: "bytes of values", .. }));
}

#[test]
fn codes_that_unfold_prefixes_are_refused() {
    let bytes = write(&[a_batch(100)], |with| {
        with.set_dictionary_enabled(false).set_column_encoding("customer".into(), Encoding::DELTA_BYTE_ARRAY)
    });
    check(bytes, LIMITS, |error| *error == ParquetError::Encoding("DELTA_BYTE_ARRAY"));
}

#[test]
fn columns_in_columns_are_refused() {
    let list = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([Some([Some(1)])]);
    let batch = RecordBatch::try_from_iter([("a", Arc::new(list) as ArrayRef)]).unwrap();
    check(write(&[batch], |with| with), LIMITS, |error| *error == ParquetError::Nested);
}

#[test]
fn what_is_no_parquet_is_malformed() {
    let malformed: fn(&ParquetError) -> bool = |error| matches!(error, ParquetError::Malformed(_));
    check(Vec::new(), LIMITS, malformed);
    check(b"PAR1".to_vec(), LIMITS, malformed);
    check(b"PAR1PAR1".to_vec(), LIMITS, malformed);
    check(b"customer,plan\nc1,gold\n".to_vec(), LIMITS, malformed);
    let good = plain(100);
    for length in 0..good.len() {
        assert!(read_parquet(good[..length].to_vec(), &LIMITS).is_err());
    }
    let mut encrypted = good.clone();
    let length = encrypted.len();
    encrypted[length - 4..].copy_from_slice(b"PARE");
    check(encrypted, LIMITS, malformed);
}

/// A file of nothing but a footer.
fn with_footer(footer: &[u8]) -> Vec<u8> {
    let mut bytes = b"PAR1".to_vec();
    bytes.extend_from_slice(footer);
    bytes.extend_from_slice(&u32::try_from(footer.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(b"PAR1");
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A `SchemaElement` that is a group: repetition, name `a`, children.
fn group(children: u64) -> Vec<u8> {
    let mut bytes = vec![0x35, 0, 0x18, 1, b'a', 0x15];
    bytes.extend(varint(children * 2));
    bytes.push(0);
    bytes
}

/// `FileMetaData` with this schema, no rows and no row groups.
fn footer(schema: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0x15, 2, 0x19, 0xfc];
    bytes.extend(varint(u64::try_from(schema.len()).unwrap()));
    bytes.extend(schema.concat());
    bytes.extend([0x16, 0, 0x19, 0x0c, 0]);
    bytes
}

#[test]
fn a_schema_nested_a_million_deep_does_not_use_up_the_stack() {
    let schema = vec![group(1); 1_000_000];
    check(with_footer(&footer(&schema)), LIMITS, |error| *error == ParquetError::Nested);
}

#[test]
fn a_group_with_two_thousand_million_children_gets_no_memory() {
    check(with_footer(&footer(&[group(2_147_483_647)])), LIMITS, |error| *error == ParquetError::Nested);
}

#[test]
fn lists_and_texts_longer_than_the_file_are_refused() {
    for footer in [
        [vec![0x15, 2, 0x19, 0xfc], varint(2_000_000_000)].concat(),
        [vec![0x15, 2, 0x19, 0xfc], varint(u64::MAX)].concat(),
        [vec![0x38], varint(1 << 60)].concat(),
        vec![0x0c; 100_000],
        vec![0x19; 100_000],
        vec![0x1b, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x33],
        vec![0xff; 100],
    ] {
        check(with_footer(&footer), LIMITS, |error| matches!(error, ParquetError::Malformed(_)));
    }
}

#[test]
fn a_page_that_claims_too_much_is_refused() {
    let page = |unpacked: u64, packed: u64| {
        [vec![0x15, 0, 0x15], varint(unpacked * 2), vec![0x15], varint(packed * 2), vec![0, 1, 2, 3]].concat()
    };
    let walk = |bytes: &[u8]| door::Pages::default().walk(bytes, &ParquetLimits::USER);
    assert_eq!(walk(&page(1_000, 3)), Ok(()));
    assert!(matches!(walk(&page(PAGE_BYTES_MAX + 1, 3)), Err(ParquetError::Limit { what: "bytes of one page", .. })));
    assert!(matches!(walk(&page(1_000, 4)), Err(ParquetError::Malformed(_))));
    // 200 pages of almost 256 MiB.
    let many = page(PAGE_BYTES_MAX, 3).repeat(200);
    assert!(matches!(walk(&many), Err(ParquetError::Limit { what: "bytes of all pages", .. })));
    // A statistic of 2^60 bytes in a page's header.
    let text = [vec![0x15, 0, 0x15, 2, 0x15, 2, 0x2c, 0x15, 2, 0x15, 0, 0x15, 0, 0x15, 0, 0x1c, 0x18], varint(1 << 60)].concat();
    assert!(matches!(walk(&text), Err(ParquetError::Malformed(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(read_parquet(bytes.clone(), &LIMITS).is_err());
        prop_assert!(read_parquet(with_footer(&bytes), &LIMITS).is_err());
    }

    #[test]
    fn a_damaged_file_is_an_error_or_rows_within_limits(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        in_footer in any::<bool>(),
        packed in any::<bool>(),
    ) {
        let packing = if packed { Compression::SNAPPY } else { Compression::UNCOMPRESSED };
        let mut bytes = write(&[a_batch(300)], |with| with.set_compression(packing));
        let length = bytes.len();
        let footer = usize::try_from(u32::from_le_bytes(bytes[length - 8..length - 4].try_into().unwrap())).unwrap();
        for (at, value) in damage {
            let at = if in_footer { length - 8 - footer + at.index(footer) } else { at.index(length) };
            bytes[at] = value;
        }
        if let Ok(batches) = read_parquet(bytes, &LIMITS) {
            prop_assert!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() <= 100_000);
        }
    }
}
