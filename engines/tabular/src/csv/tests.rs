//! Cases of dialects and of resynchronisation: what a supplier can write, and what he can break.

use super::*;
use arrow_array::cast::AsArray;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

fn rows(table: &Table) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    for batch in &table.batches {
        for row in 0..batch.num_rows() {
            out.push(batch.columns().iter().map(|column| column.as_string::<i32>().value(row).to_owned()).collect());
        }
    }
    out
}

fn names(table: &Table) -> Vec<String> {
    table.schema.fields().iter().map(|field| field.name().clone()).collect()
}

fn plain(bytes: &[u8]) -> Table {
    read(bytes, &Options::default()).unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A table of the rows `a,b` and `1,x` `2,y` in some dialect.
fn check(bytes: &[u8], delimiter: u8, newline: Newline) {
    let table = plain(bytes);
    assert_eq!(names(&table), ["a", "b"]);
    assert_eq!(rows(&table), [["1", "x"], ["2", "y"]]);
    assert_eq!((table.dialect.delimiter, table.dialect.newline, table.errors_count), (delimiter, newline, 0));
    assert_eq!(table.lines.len(), 2);
}

#[test]
fn dialects() {
    check(b"a,b\n1,x\n2,y\n", b',', Newline::Lf);
    check(b"a,b\n1,x\n2,y", b',', Newline::Lf);
    check(b"a;b\r\n1;x\r\n2;y\r\n", b';', Newline::CrLf);
    check(b"a\tb\r1\tx\r2\ty", b'\t', Newline::Cr);
    check(b"a|b\n1|x\n\n2|y\n", b'|', Newline::Lf);
    check(b"\xef\xbb\xbfa,b\n1,x\n2,y\n", b',', Newline::Lf);
    check(b"\"a\",\"b\"\n\"1\",\"x\"\n\"2\", \"y\" \n", b',', Newline::Lf);
    check(b"'a','b'\n'1','x'\n'2','y'\n", b',', Newline::Lf);
    check(b"\n\n a , b\n1,x\n2,y\n", b',', Newline::Lf);
    check(&gz(b"a,b\n1,x\n2,y\n"), b',', Newline::Lf);
}

#[test]
fn quotes_doubled_quotes_and_newlines_inside() {
    let table = plain(b"a,b\n1,\"x, \"\"y\"\"\nz\"\n2,5\" pipe\n");
    assert_eq!(rows(&table), [["1", "x, \"y\"\nz"], ["2", "5\" pipe"]]);
    assert_eq!(table.lines, [2, 4]);
    assert_eq!(table.errors_count, 0);
}

#[test]
fn headers_are_told_from_values() {
    assert_eq!(plain(b"1,x\n2,y\n").dialect.header, Header::Absent);
    assert_eq!(names(&plain(b"1,x\n2,y\n")), ["column_1", "column_2"]);
    assert_eq!(plain(b"yes,no\nno,no\nyes,yes\n").dialect.header, Header::Absent);
    assert_eq!(plain(b"plan,bill\nno,no\nyes,yes\n").dialect.header, Header::Present);
    assert_eq!(names(&plain(b",b\n1,x\n")), ["column_1", "b"]);
    assert_eq!(read(b"a,a\n1,2\n", &Options::default()).unwrap_err(), CsvError::NameTwice("a".to_owned()));
}

#[test]
fn decimal_commas_are_flagged() {
    let table = plain(b"a;b\n1,5;x\n2,25;y\n");
    assert_eq!((table.dialect.delimiter, table.dialect.decimal), (b';', Decimal::Comma));
    assert_eq!(plain(b"a;b\n1,500;x\n2,250;y\n").dialect.decimal, Decimal::Point);
}

#[test]
fn latin_1_is_recovered_and_flagged() {
    let table = plain(b"name,n\nJos\xe9,1\nZo\xc3\xab,2\n\x80,3\n");
    assert_eq!(rows(&table), [["José", "1"], ["Zoë", "2"], ["€", "3"]]);
    assert_eq!(table.dialect.encoding, Encoding::Latin1Recovered);
    assert_eq!(plain("name,n\nZoë,2\n".as_bytes()).dialect.encoding, Encoding::Utf8);
    assert_eq!(read(b"\xff\xfea\0", &Options::default()).unwrap_err(), CsvError::Encoding("UTF-16"));
}

/// Records of three columns with one broken place among them: `what` at `line`, and all the others stay.
fn broken(garbage: &[u8], line: u64, what: What) {
    let bytes = [b"a,b,c\n1,2,3\n", garbage, b"\n4,5,6\n7,\"8\",9\n"].concat();
    let table = plain(&bytes);
    assert_eq!(rows(&table), [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"]]);
    assert_eq!((table.errors[0].line, table.errors[0].what), (line, what));
    assert_eq!(table.errors[0].bytes.start, 12);
}

#[test]
fn a_broken_record_takes_no_neighbour_with_it() {
    broken(b"x,y", 3, What::TooFew { found: 2, columns: 3 });
    broken(b"x,y,z,w", 3, What::TooMany { columns: 3 });
    // The stray quote runs on to the next quote of the file, after which text follows.
    broken(b"x,\"y,z", 3, What::TextAfterQuote);
    broken(b"x,\"y\"y,z", 3, What::TextAfterQuote);
    broken(b"x,\0,z", 3, What::ControlByte(0));
    broken(b"x,\x81,z", 3, What::Letters);
    broken(b"x,y\rw,z", 3, What::ControlByte(b'\r'));
    broken(&[b"x,".as_slice(), &[b'w'; FIELD_BYTES_MAX + 1], b",z"].concat(), 3, What::FieldLong { max: FIELD_BYTES_MAX });
}

#[test]
fn two_stray_quotes_do_not_swallow_what_stands_between() {
    let table = plain(b"a,b,c\nx,\"y,z\n1,2,3\n4,5,6\nx,y\",z\n7,8,9\n");
    assert_eq!(rows(&table), [["1", "2", "3"], ["4", "5", "6"], ["x", "y\"", "z"], ["7", "8", "9"]]);
    assert_eq!(table.errors[0].what, What::QuoteSwallows);
}

#[test]
fn a_quote_open_to_the_end_costs_one_record() {
    let many = (0..1000).map(|n| format!("{n},b\n")).collect::<String>();
    let table = plain(format!("a,b\n\"x,y\n{many}").as_bytes());
    assert_eq!((table.rows(), table.errors_count), (1000, 1));
    assert_eq!(table.errors[0].what, What::QuoteOpen);
}

#[test]
fn limits_hold() {
    let bomb = gz(&vec![b'a'; 64 << 20]);
    assert!(matches!(read(&bomb, &Options::default()), Err(CsvError::Limit { .. })));
    assert!(matches!(read(b"\x1f\x8b\x08rest", &Options::default()), Err(CsvError::Gzip(_))));
    let few = Limits { records: 1, ..Limits::default() };
    assert!(read(b"a,b\n1,x\n", &Options { limits: few, ..Options::default() }).is_ok());
    let over = read(b"a,b\n1,x\n2,y\n", &Options { limits: few, ..Options::default() });
    assert_eq!(over.unwrap_err(), CsvError::Limit { what: "records", max: 1 });
    let bytes = Limits { bytes: 4, ..Limits::default() };
    assert!(read(b"a,b\n1,x\n", &Options { limits: bytes, ..Options::default() }).is_err());
    assert_eq!(read(b"\r\n", &Options::default()).unwrap_err(), CsvError::Empty);
    let same = Options { delimiter: Some(b','), quote: Some(b','), ..Options::default() };
    assert_eq!(read(b"a,b\n", &same).unwrap_err(), CsvError::Options);
}

#[test]
fn batches_are_bounded_and_cover_all() {
    let text: String = std::iter::once("a,b\n".to_owned()).chain((0..25).map(|n| format!("{n},x\n"))).collect();
    let options = Options { limits: Limits { batch_records: 10, ..Limits::default() }, ..Options::default() };
    let sizes: Vec<usize> = open(text.as_bytes(), &options).unwrap().map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(sizes, [10, 10, 5]);
}

/// Fields of one record. A record whose inner lines are records by themselves is refused by design, so that commas inside fields and
/// line ends inside fields come in different records here.
fn fields() -> impl Strategy<Value = Vec<String>> {
    let on_one_line = prop::collection::vec("[a-zéß0-9 .;|',\"]{0,8}", 3);
    let on_many_lines = prop::collection::vec("[a-zé0-9 .;|'\"\n\r]{0,8}", 3);
    prop_oneof![on_one_line, on_many_lines]
}

/// A field as RFC 4180 writes it.
fn written(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn line(fields: &[String]) -> String {
    fields.iter().map(|field| written(field)).collect::<Vec<_>>().join(",")
}

const FIXED: Options = Options {
    delimiter: Some(b','),
    quote: Some(b'"'),
    header: Some(Header::Present),
    limits: Limits {
        bytes: BYTES_MAX,
        inflate_ratio: INFLATE_RATIO_MAX,
        columns: COLUMNS_MAX,
        field_bytes: 256,
        quoted_lines: 8,
        records: RECORDS_MAX,
        batch_records: 3,
    },
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(table) = read(&bytes, &Options::default()) {
            for error in &table.errors {
                prop_assert!(error.bytes.start < error.bytes.end && error.bytes.end <= bytes.len());
            }
        }
    }

    #[test]
    fn arbitrary_table_letters_never_panic(text in "[ab1,;\"'\n\r\t| .\u{e9}]{0,300}", fixed in any::<bool>()) {
        let options = if fixed { FIXED } else { Options::default() };
        if let Ok(table) = read(text.as_bytes(), &options) {
            prop_assert_eq!(table.rows(), table.batches.iter().map(RecordBatch::num_rows).sum::<usize>());
        }
    }

    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(fields(), 1..20)) {
        let text: String = std::iter::once("a,b,c".to_owned()).chain(records.iter().map(|r| line(r))).map(|l| l + "\n").collect();
        let table = read(text.as_bytes(), &FIXED).unwrap();
        prop_assert_eq!(rows(&table), records);
        prop_assert_eq!(table.errors_count, 0);
    }

    #[test]
    fn clean_records_survive_garbage(
        parts in prop::collection::vec((prop::collection::vec("[a-z0-9 .\u{e9}]{1,6}|\"[a-z]{0,3}\"", 3), prop::collection::vec(any::<u8>(), 0..40)), 1..20),
        letters in prop::collection::vec("[a,\"\n]{0,12}", 20),
    ) {
        let mut bytes = b"a,b,c\n".to_vec();
        for ((fields, garbage), letters) in parts.iter().zip(&letters) {
            bytes.extend_from_slice(garbage);
            bytes.push(b'\n');
            bytes.extend_from_slice(letters.as_bytes());
            bytes.push(b'\n');
            bytes.extend_from_slice(fields.join(",").as_bytes());
            bytes.push(b'\n');
        }
        let table = read(&bytes, &FIXED).unwrap();
        let found = rows(&table);
        let mut found = found.iter();
        for (fields, _) in &parts {
            let clean: Vec<String> = fields.iter().map(|field| field.trim_matches('"').to_owned()).collect();
            prop_assert!(found.any(|row| *row == clean), "lost {clean:?}");
        }
    }
}
