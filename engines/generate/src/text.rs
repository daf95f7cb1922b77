//! Writes rows as CSV and NDJSON with fixed decimals, so that equal rows are equal bytes on every platform.

use crate::calendar::{DAY_SECONDS, date_of};
use crate::rows::Row;
use serde::{Deserialize, Serialize};

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated, line feeds, missing is empty, no header inside chunks.
    Csv,
    /// One JSON object a line, missing is `null`.
    Ndjson,
}

/// Digits after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimals {
    /// Money, hours, means.
    Two,
    /// Ratios.
    Four,
}

impl Decimals {
    fn scale(self) -> u64 {
        match self {
            Decimals::Two => 100,
            Decimals::Four => 10_000,
        }
    }

    /// `value` rounded to these decimals: what is written reads back as this number.
    pub(crate) fn round(self, value: f64) -> f64 {
        nearest(value * self.scale() as f64) as f64 / self.scale() as f64
    }
}

/// The nearest whole number, halves away from zero.
fn nearest(value: f64) -> i64 {
    (if value < 0.0 { value - 0.5 } else { value + 0.5 }) as i64
}

/// Where the fields of a row go; `column` is the index of the field in the row's list of columns.
pub(crate) trait Sink {
    fn whole(&mut self, column: usize, value: u64);
    fn fixed(&mut self, column: usize, value: f64, decimals: Decimals);
    fn text(&mut self, column: usize, value: &str);
    fn date(&mut self, column: usize, day: i32);
    fn moment(&mut self, column: usize, seconds: i64);
    fn missing(&mut self, column: usize);

    fn maybe_whole(&mut self, column: usize, value: Option<u64>) {
        match value {
            Some(value) => self.whole(column, value),
            None => self.missing(column),
        }
    }
    fn maybe_fixed(&mut self, column: usize, value: Option<f64>, decimals: Decimals) {
        match value {
            Some(value) => self.fixed(column, value, decimals),
            None => self.missing(column),
        }
    }
    fn maybe_moment(&mut self, column: usize, seconds: Option<i64>) {
        match seconds {
            Some(seconds) => self.moment(column, seconds),
            None => self.missing(column),
        }
    }
}

/// Room made for a row at once; longer rows (none are known) only cost another growth.
const ROW_BYTES: usize = 512;

/// Appends `row` in `format`, with its line end.
pub(crate) fn write_row<R: Row>(row: &R, format: Format, out: &mut Vec<u8>) {
    out.reserve(ROW_BYTES);
    match format {
        Format::Csv => {
            row.write(&mut Csv { out });
            out.push(b'\n');
        }
        Format::Ndjson => {
            out.push(b'{');
            row.write(&mut Json { out, columns: R::COLUMNS });
            out.extend_from_slice(b"}\n");
        }
    }
}

struct Csv<'a> {
    out: &'a mut Vec<u8>,
}

impl Csv<'_> {
    fn separate(&mut self, column: usize) {
        if column > 0 {
            self.out.push(b',');
        }
    }
}

impl Sink for Csv<'_> {
    fn whole(&mut self, column: usize, value: u64) {
        self.separate(column);
        put_whole(self.out, value);
    }
    fn fixed(&mut self, column: usize, value: f64, decimals: Decimals) {
        self.separate(column);
        put_fixed(self.out, value, decimals);
    }
    // Texts are names from this crate's own lists: no commas, quotes or line ends, and none that a spreadsheet takes for a formula.
    fn text(&mut self, column: usize, value: &str) {
        self.separate(column);
        self.out.extend_from_slice(value.as_bytes());
    }
    fn date(&mut self, column: usize, day: i32) {
        self.separate(column);
        put_date(self.out, day);
    }
    fn moment(&mut self, column: usize, seconds: i64) {
        self.separate(column);
        put_moment(self.out, seconds);
    }
    fn missing(&mut self, column: usize) {
        self.separate(column);
    }
}

struct Json<'a> {
    out: &'a mut Vec<u8>,
    columns: &'static [&'static str],
}

impl Json<'_> {
    fn name(&mut self, column: usize) {
        self.out.extend_from_slice(if column > 0 { b",\"" } else { b"\"" });
        self.out.extend_from_slice(self.columns[column].as_bytes());
        self.out.extend_from_slice(b"\":");
    }
    fn quoted(&mut self, column: usize, put: impl FnOnce(&mut Vec<u8>)) {
        self.name(column);
        self.out.push(b'"');
        put(self.out);
        self.out.push(b'"');
    }
}

impl Sink for Json<'_> {
    fn whole(&mut self, column: usize, value: u64) {
        self.name(column);
        put_whole(self.out, value);
    }
    fn fixed(&mut self, column: usize, value: f64, decimals: Decimals) {
        self.name(column);
        put_fixed(self.out, value, decimals);
    }
    fn text(&mut self, column: usize, value: &str) {
        self.quoted(column, |out| out.extend_from_slice(value.as_bytes()));
    }
    fn date(&mut self, column: usize, day: i32) {
        self.quoted(column, |out| put_date(out, day));
    }
    fn moment(&mut self, column: usize, seconds: i64) {
        self.quoted(column, |out| put_moment(out, seconds));
    }
    fn missing(&mut self, column: usize) {
        self.name(column);
        self.out.extend_from_slice(b"null");
    }
}

/// Decimal digits of `value`. Short numbers are the rule, and bytes pushed one by one are faster than a copied slice.
fn put_whole(out: &mut Vec<u8>, value: u64) {
    match value {
        0..10 => out.push(digit(value)),
        10..100 => put_two(out, value),
        100..1000 => {
            out.push(digit(value / 100));
            put_two(out, value % 100);
        }
        1000.. => {
            put_whole(out, value / 1000);
            out.push(digit(value / 100));
            put_two(out, value % 100);
        }
    }
}

/// The last decimal digit of `value`.
fn digit(value: u64) -> u8 {
    b'0' + (value % 10) as u8
}

/// The last two decimal digits of `value`.
fn put_two(out: &mut Vec<u8>, value: u64) {
    out.push(digit(value / 10));
    out.push(digit(value));
}

/// The last four decimal digits of `value`.
fn put_four(out: &mut Vec<u8>, value: u64) {
    put_two(out, value / 100);
    put_two(out, value);
}

/// `value` with exactly the decimals asked for; minus zero is written as zero.
fn put_fixed(out: &mut Vec<u8>, value: f64, decimals: Decimals) {
    let scale = decimals.scale();
    let scaled = nearest(value * scale as f64);
    if scaled < 0 {
        out.push(b'-');
    }
    let size = scaled.unsigned_abs();
    put_whole(out, size / scale);
    out.push(b'.');
    match decimals {
        Decimals::Two => put_two(out, size % scale),
        Decimals::Four => put_four(out, size % scale),
    }
}

/// `2024-02-29`.
fn put_date(out: &mut Vec<u8>, day: i32) {
    let (year, month, day) = date_of(day);
    put_four(out, u64::from(year.unsigned_abs()));
    out.push(b'-');
    put_two(out, u64::from(month));
    out.push(b'-');
    put_two(out, u64::from(day));
}

/// `2024-02-29T13:05:09Z`.
fn put_moment(out: &mut Vec<u8>, seconds: i64) {
    put_date(out, seconds.div_euclid(DAY_SECONDS) as i32);
    let second = seconds.rem_euclid(DAY_SECONDS) as u64;
    out.push(b'T');
    put_two(out, second / 3600);
    out.push(b':');
    put_two(out, second / 60 % 60);
    out.push(b':');
    put_two(out, second % 60);
    out.push(b'Z');
}

/// `day` as `2024-02-29`, for callers that show a day number.
pub fn date_text(day: i32) -> String {
    let mut out = Vec::with_capacity(10);
    put_date(&mut out, day);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_have_fixed_decimals() {
        assert_eq!(written(|o| put_whole(o, 0)), "0");
        assert_eq!(written(|o| put_whole(o, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|o| put_fixed(o, 12.3, Decimals::Two)), "12.30");
        assert_eq!(written(|o| put_fixed(o, -0.0, Decimals::Four)), "0.0000");
        assert_eq!(written(|o| put_fixed(o, -0.0421, Decimals::Four)), "-0.0421");
        assert_eq!(written(|o| put_fixed(o, 0.07, Decimals::Two)), "0.07");
    }

    #[test]
    fn moments_are_iso_8601() {
        assert_eq!(written(|o| put_moment(o, 1_709_211_909)), "2024-02-29T13:05:09Z");
        assert_eq!(date_text(19_782), "2024-02-29");
    }

    proptest::proptest! {
        #[test]
        fn fixed_numbers_read_back(cents in -1_000_000_000_i64..1_000_000_000) {
            let value = cents as f64 / 100.0;
            proptest::prop_assert_eq!(written(|o| put_fixed(o, value, Decimals::Two)).parse::<f64>().unwrap(), value);
        }
    }
}
