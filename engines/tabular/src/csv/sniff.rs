//! Finds out how a table is written from its first bytes: a feed that is read in the wrong dialect passes no later check in earnest.
#![deny(clippy::indexing_slicing)]

use super::scan::{Scanner, Span};
use super::text::{letter, single};
use super::{CsvError, Header, Limits, Newline, Options};
use crate::number::{self, Decimal};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that are looked at.
const SAMPLE_BYTES: usize = 64 << 10;
/// Records that are looked at.
const SAMPLE_RECORDS: usize = 200;
/// Delimiters that are tried; the earlier wins a tie.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Quotes that are tried.
const QUOTES: [u8; 2] = [b'"', b'\''];

/// What was found out.
pub(super) struct Found {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) newline: Newline,
    pub(super) header: Header,
    pub(super) decimal: Decimal,
    pub(super) columns: Option<usize>,
    pub(super) names: Vec<String>,
    /// The place of the first record of values.
    pub(super) first: usize,
    /// Its line, from 1.
    pub(super) first_line: u64,
}

/// One try.
struct Try {
    delimiter: u8,
    quote: u8,
    records: Vec<Vec<String>>,
    quoted: usize,
    columns: usize,
    score: f64,
}

/// Length of the byte order mark of UTF-8; other marks are refused.
pub(super) fn mark(bytes: &[u8]) -> Result<(usize, bool), CsvError> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Ok((3, true)),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(CsvError::Encoding("UTF-32")),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(CsvError::Encoding("UTF-16")),
        _ => Ok((0, false)),
    }
}

/// Finds delimiter, quote, line end, header, names and decimal mark.
pub(super) fn sniff(body: &[u8], options: &Options, limits: &Limits) -> Result<Found, CsvError> {
    let newline = newline(body);
    let (start, line) = skip_blank(body);
    let body = body.get(start..).unwrap_or_default();
    if body.is_empty() {
        return Err(CsvError::Empty);
    }
    let known = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0));
    if !known(options.delimiter) || !known(options.quote) || (options.delimiter.is_some() && options.delimiter == options.quote) {
        return Err(CsvError::Options);
    }
    let found = best(sample(body), newline, options, limits);
    let scanner = Scanner::new(found.delimiter, found.quote, newline, None, limits);
    let mut spans = Vec::new();
    let first = scanner.record(body, 0, &mut spans);
    let cells: Vec<String> = spans.iter().map(|span| cell(body, span, found.quote)).collect();
    let header = options.header.unwrap_or_else(|| header(&cells, found.records.get(1..).unwrap_or_default()));
    let decimal = decimal(&found.records);
    let (names, next, lines) = match header {
        Header::Present => {
            let end = first.map_err(CsvError::FirstRecord)?;
            (names(&cells)?, end.next, end.lines)
        }
        Header::Absent => ((1..=found.columns.max(1)).map(|at| format!("column_{at}")).collect(), 0, 0),
    };
    Ok(Found {
        delimiter: found.delimiter,
        quote: found.quote,
        newline,
        header,
        decimal,
        columns: Some(names.len()),
        names,
        first: start + next,
        first_line: line + lines,
    })
}

/// How the first line ends. `\r` counts alone only if no `\n` stands in the sample.
fn newline(body: &[u8]) -> Newline {
    let sample = body.get(..SAMPLE_BYTES).unwrap_or(body);
    match sample.iter().position(|&byte| byte == b'\n') {
        None if sample.contains(&b'\r') && body.len() <= SAMPLE_BYTES => Newline::Cr,
        None if sample.contains(&b'\r') && !body.contains(&b'\n') => Newline::Cr,
        None => Newline::Lf,
        Some(at) if at > 0 && sample.get(at - 1) == Some(&b'\r') => Newline::CrLf,
        Some(_) => Newline::Lf,
    }
}

/// Bytes of blank lines at the start, and the line, from 1, that follows them.
fn skip_blank(body: &[u8]) -> (usize, u64) {
    let (mut at, mut line) = (0, 1);
    loop {
        match (body.get(at), body.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => at += 2,
            (Some(b'\r' | b'\n'), _) => at += 1,
            _ => return (at, line),
        }
        line += 1;
    }
}

/// The first bytes, whole lines only where there is more.
fn sample(body: &[u8]) -> &[u8] {
    let Some(cut) = body.get(..SAMPLE_BYTES) else { return body };
    let whole = cut.iter().rposition(|&byte| matches!(byte, b'\n' | b'\r'));
    cut.get(..=whole.unwrap_or(cut.len())).unwrap_or(cut)
}

fn best(sample: &[u8], newline: Newline, options: &Options, limits: &Limits) -> Try {
    let mut best: Option<Try> = None;
    for quote in QUOTES.into_iter().filter(|&quote| options.quote.is_none_or(|wanted| wanted == quote)).chain(options.quote) {
        for delimiter in DELIMITERS.into_iter().filter(|&d| options.delimiter.is_none_or(|w| w == d)).chain(options.delimiter) {
            if delimiter == quote {
                continue;
            }
            let this = attempt(sample, delimiter, quote, newline, limits);
            // A quote other than the usual one must have been used, and more than once.
            if quote != b'"' && options.quote.is_none() && this.quoted < 2 {
                continue;
            }
            let better = best.as_ref().is_none_or(|best| {
                let tie = (this.score - best.score).abs() <= 1e-9;
                let used = this.columns == best.columns && best.quoted == 0 && this.quoted > 0 && this.quote != best.quote;
                this.score > best.score + 1e-9 || (tie && (this.columns > best.columns || used))
            });
            if better {
                best = Some(this);
            }
        }
    }
    best.unwrap_or(Try { delimiter: b',', quote: b'"', records: Vec::new(), quoted: 0, columns: 1, score: 0.0 })
}

/// Reads the sample one way. The score is the share of records with the commonest number of fields, and 1 more if the first record
/// has that number too; a table of one column scores 0, so that any delimiter that divides is preferred.
fn attempt(sample: &[u8], delimiter: u8, quote: u8, newline: Newline, limits: &Limits) -> Try {
    let scanner = Scanner::new(delimiter, quote, newline, None, limits);
    let (mut at, mut total, mut quoted) = (0, 0_usize, 0);
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let mut records = Vec::new();
    let mut spans: Vec<Span> = Vec::new();
    let mut first = None;
    while at < sample.len() && total < SAMPLE_RECORDS {
        if let Some(next) = scanner.blank(sample, at) {
            at = next;
            continue;
        }
        total += 1;
        match scanner.record(sample, at, &mut spans) {
            Ok(end) => {
                *counts.entry(spans.len()).or_default() += 1;
                first.get_or_insert(spans.len());
                quoted += spans.iter().filter(|span| span.quoted).count();
                records.push(spans.iter().map(|span| cell(sample, span, quote)).collect());
                at = end.next;
            }
            Err(_) => {
                first.get_or_insert(0);
                at = scanner.line_end(sample, at);
            }
        }
    }
    let (columns, count) = counts.into_iter().max_by_key(|&(fields, count)| (count, fields)).unwrap_or((1, 0));
    #[expect(clippy::cast_precision_loss, reason = "at most 200 records")]
    let share = count as f64 / total.max(1) as f64;
    let score = if columns > 1 { share + f64::from(u8::from(first == Some(columns))) } else { 0.0 };
    Try { delimiter, quote, records, quoted, columns, score }
}

fn cell(bytes: &[u8], span: &Span, quote: u8) -> String {
    let bytes = bytes.get(span.start..span.end).unwrap_or_default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| letter(byte).unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
    };
    if span.doubled { single(&text, quote) } else { text }
}

/// Whether a cell is made of digits and the marks of numbers, dates and times only.
fn is_value(cell: &str) -> bool {
    cell.bytes().any(|byte| byte.is_ascii_digit())
        && cell.bytes().all(|byte| byte.is_ascii_digit() || b"+-.,:/ eETZ".contains(&byte))
        && !cell.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// A first record with a number or date in it holds values. Else it holds names, if a column below is all numbers, or if none of
/// its cells comes again in its own column.
fn header(first: &[String], below: &[Vec<String>]) -> Header {
    if first.iter().any(|cell| is_value(cell)) {
        return Header::Absent;
    }
    let column = |at: usize| below.iter().filter_map(move |record| record.get(at)).filter(|cell| !cell.trim().is_empty());
    let numbers = (0..first.len()).any(|at| column(at).next().is_some() && column(at).all(|cell| is_value(cell)));
    let again = first.iter().enumerate().any(|(at, name)| !name.is_empty() && column(at).any(|cell| cell == name));
    if numbers || !again { Header::Present } else { Header::Absent }
}

/// Names of columns, blanks around them apart; empty ones are called by their place.
fn names(cells: &[String]) -> Result<Vec<String>, CsvError> {
    let mut known = BTreeSet::new();
    let mut out = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let cell = cell.trim();
        let name = if cell.is_empty() { format!("column_{}", at + 1) } else { cell.to_owned() };
        if !known.insert(name.clone()) {
            return Err(CsvError::NameTwice(name));
        }
        out.push(name);
    }
    Ok(out)
}

/// A comma is the decimal mark if more cells can only be read so than can only be read with a point.
fn decimal(records: &[Vec<String>]) -> Decimal {
    let (mut points, mut commas) = (0_usize, 0_usize);
    for cell in records.iter().skip(1).flatten() {
        if cell.contains('.') && number::parse(cell, Decimal::Point).is_some() {
            points += 1;
        } else if let Some((whole, part)) = cell.trim().split_once(',') {
            // `1,234` may be a thousand and more; it proves nothing.
            let thousands = part.len() == 3 && whole.trim_start_matches(['-', '+']).len() <= 3;
            commas += usize::from(!thousands && number::parse(cell, Decimal::Comma).is_some());
        }
    }
    if commas > points { Decimal::Comma } else { Decimal::Point }
}
