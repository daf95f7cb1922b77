//! Finds columns that know what nobody can know yet, and columns that name a customer instead of describing one: a model that reads
//! them looks good in every test and fails in service (T4; Kaufman, Rosset and Perlich 2012).
//!
//! Pure looks at a frame; whoever calls decides what a finding means. A column with a contract's end date may rightly hold moments
//! to come, so each finding says what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use frame::{Categories, Column, Frame};
use serde::{Deserialize, Serialize};

use crate::metrics;

/// A finding about missing values needs a chance below this that as many rows of one label came together by luck.
pub const CHANCE_MAX: f64 = 1e-6;
/// Share of known values that must be moments before a column is one of moments.
pub const MOMENTS_MIN: f64 = 0.9;
/// Share of distinct values from which a column names its rows.
pub const DISTINCT_MIN: f64 = 0.95;
/// Rank correlation with time or order, of either sign, from which whole numbers count rows.
pub const ORDER_MIN: f64 = 0.95;
/// Fewest known values that tell anything.
pub const ROWS_MIN: usize = 30;
/// Whole numbers that use at least this share of their range were dealt out one by one.
pub const DENSE_MIN: f64 = 0.25;
/// Parts of the rows by which levels are counted.
const LEVEL_FOLDS: usize = 5;
/// First and last moment that is taken for one: the years 1990 and 2099, seconds since 1970 in UTC.
const SECONDS: (f64, f64) = (631_152_000.0, 4_102_444_799.0);
const DAY_SECONDS: f64 = 86_400.0;

/// Why a column should not be learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leak {
    /// It holds moments after the row's own.
    After {
        /// Rows whose moment comes later.
        rows: usize,
        /// Rows with both moments.
        of: usize,
    },
    /// It holds moments: a model would learn when, not who.
    Moments,
    /// It is known for rows of one label only.
    KnownForOneLabel {
        /// The label.
        label: bool,
        /// Rows that have a value.
        rows: usize,
    },
    /// It is missing for rows of one label only.
    MissingForOneLabel {
        /// The label.
        label: bool,
        /// Rows that have none.
        rows: usize,
    },
    /// Almost every row has its own value.
    Identifier {
        /// Distinct values as a share of those known, within one moment where rows have moments.
        distinct: f64,
    },
    /// Its numbers rise or fall with time, or with the order of the rows.
    Sequence {
        /// Spearman's rank correlation.
        correlation: f64,
    },
}

/// A column and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakFinding {
    /// The column.
    pub column: String,
    /// What was seen.
    pub leak: Leak,
}

impl Display for LeakFinding {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        let word = |label: &bool| if *label { "positive" } else { "negative" };
        match &self.leak {
            Leak::After { rows, of } => {
                write!(text, "column `{column}` holds moments later than the row's in `{rows}` of `{of}` rows")
            }
            Leak::Moments => write!(text, "column `{column}` holds moments, not what a customer is like"),
            Leak::KnownForOneLabel { label, rows } => {
                write!(text, "column `{column}` has values in `{rows}` rows, all of them {}", word(label))
            }
            Leak::MissingForOneLabel { label, rows } => {
                write!(text, "column `{column}` lacks values in `{rows}` rows, all of them {}", word(label))
            }
            Leak::Identifier { distinct } => {
                write!(text, "column `{column}` has its own value in almost every row (`{distinct:.3}` of them differ)")
            }
            Leak::Sequence { correlation } => {
                write!(text, "column `{column}` counts rows: its rank correlation with time or order is `{correlation:.3}`")
            }
        }
    }
}

/// Columns that know the future: moments after the row's own (seconds since 1970, where given), and values that are there, or
/// missing, for one label only.
///
/// Moments are texts that begin with a date (`2026-11-22`, `20261122`), whole numbers of that form, and seconds or milliseconds
/// since 1970, of the years 1990 to 2099. Rows beyond the shorter of frame and labels are left out.
pub fn future(frame: &Frame, labels: &[bool], moments: Option<&[f64]>) -> Vec<LeakFinding> {
    let mut out = Vec::new();
    for (name, column) in frame.iter() {
        let mut add = |leak| out.push(LeakFinding { column: name.to_owned(), leak });
        if let Some(values) = as_moments(column) {
            let both =
                || values.iter().zip(moments.unwrap_or_default()).filter(|(value, moment)| !value.is_nan() && !moment.is_nan());
            // A date without a time of day may be any moment of that day.
            let rows = both().filter(|(value, moment)| **value >= **moment + DAY_SECONDS).count();
            add(if rows > 0 { Leak::After { rows, of: both().count() } } else { Leak::Moments });
        }
        one_label(column, labels).into_iter().for_each(&mut add);
    }
    out
}

/// Columns that name rows: almost every row has its own text, or its own whole number of a dense range, or whole numbers that go
/// with time (or with the rows' order, where there is no time).
pub fn identifiers(frame: &Frame, moments: Option<&[f64]>) -> Vec<LeakFinding> {
    let mut out = Vec::new();
    for (name, column) in frame.iter() {
        let mut add = |leak| out.push(LeakFinding { column: name.to_owned(), leak });
        match column {
            Column::Category(categories) => {
                let codes = (0..categories.codes.len()).filter(|&row| categories.text(row).is_some());
                let keys: Vec<(usize, u64)> = codes.map(|row| (row, u64::from(categories.codes[row]))).collect();
                if let Some(distinct) = distinct(&keys, moments).filter(|share| *share >= DISTINCT_MIN) {
                    add(Leak::Identifier { distinct });
                }
            }
            Column::Number(numbers) => {
                if let Some(leak) = numbered(numbers, moments) {
                    add(leak);
                }
            }
        }
    }
    out
}

/// How well a column alone ranks the label: the AUC of its numbers, either way round, or of its levels; 0.5 where it says nothing.
pub fn alone(column: &Column, labels: &[bool]) -> f64 {
    match column {
        Column::Number(values) => {
            let known = values.iter().zip(labels).filter(|(value, _)| value.is_finite());
            let (scores, labels): (Vec<f64>, Vec<bool>) = known.map(|(value, label)| (*value, *label)).unzip();
            let auc = metrics::roc_auc(&scores, &labels);
            if auc.is_finite() { auc.max(1.0 - auc) } else { 0.5 }
        }
        Column::Category(levels) => level_auc(levels, labels),
    }
}

/// The AUC of a category alone: each row is scored by the share of churners that its level has among the rows of other parts.
fn level_auc(levels: &Categories, labels: &[bool]) -> f64 {
    let mut counts: BTreeMap<(usize, u32), (f64, f64)> = BTreeMap::new();
    for (row, (code, label)) in levels.codes.iter().zip(labels).enumerate() {
        let count = counts.entry((row % LEVEL_FOLDS, *code)).or_default();
        *count = (count.0 + f64::from(u8::from(*label)), count.1 + 1.0);
    }
    let score = |row: usize, code: u32| {
        let others = (0..LEVEL_FOLDS).filter(|fold| *fold != row % LEVEL_FOLDS).filter_map(|fold| counts.get(&(fold, code)));
        let (churned, all) = others.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        // A level that the others do not have says nothing.
        (churned + 0.5) / (all + 1.0)
    };
    let scores: Vec<f64> = levels.codes.iter().enumerate().map(|(row, code)| score(row, *code)).collect();
    metrics::roc_auc(&scores, labels)
}

/// What numbers say of their rows.
fn numbered(numbers: &[f64], moments: Option<&[f64]>) -> Option<Leak> {
    let known: Vec<(usize, f64)> = numbers.iter().copied().enumerate().filter(|(_, value)| value.is_finite()).collect();
    if known.iter().any(|(_, value)| value.fract() != 0.0) {
        return None;
    }
    let keys: Vec<(usize, u64)> = known.iter().map(|&(row, value)| (row, (value + 0.0).to_bits())).collect();
    let share = distinct(&keys, moments)?;
    if share < DISTINCT_MIN {
        return None;
    }
    let order = |row: usize| moments.and_then(|all| all.get(row).copied()).unwrap_or(row as f64);
    let (times, values): (Vec<f64>, Vec<f64>) =
        known.iter().map(|&(row, value)| (order(row), value)).filter(|(time, _)| time.is_finite()).unzip();
    let correlation = spearman(&times, &values);
    if correlation.abs() >= ORDER_MIN {
        return Some(Leak::Sequence { correlation });
    }
    let ends =
        known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &(_, value)| (low.min(value), high.max(value)));
    let different: BTreeSet<u64> = keys.iter().map(|key| key.1).collect();
    let dense = different.len() as f64 >= DENSE_MIN * (ends.1 - ends.0 + 1.0);
    // Numbers of six digits and more that all have the same number of them are no amounts.
    let digits = |value: f64| libm::log10(value.abs().max(1.0)).floor();
    let coded = ends.0 >= 1e5 && digits(ends.0) == digits(ends.1);
    (dense || coded).then_some(Leak::Identifier { distinct: share })
}

/// Distinct keys as a share of the rows; counted moment by moment where rows have moments, so that a customer may come again.
fn distinct(keys: &[(usize, u64)], moments: Option<&[f64]>) -> Option<f64> {
    if keys.len() < ROWS_MIN {
        return None;
    }
    let moment = |row: usize| moments.and_then(|all| all.get(row)).map_or(0, |moment| moment.to_bits());
    let different: BTreeSet<(u64, u64)> = keys.iter().map(|&(row, key)| (moment(row), key)).collect();
    // Where each moment has one row, nothing can come twice: such moments tell nothing of who comes again.
    let many: BTreeSet<u64> = keys.iter().map(|&(row, _)| moment(row)).collect();
    if many.len() * 2 > keys.len() {
        let all: BTreeSet<u64> = keys.iter().map(|key| key.1).collect();
        return Some(all.len() as f64 / keys.len() as f64);
    }
    Some(different.len() as f64 / keys.len() as f64)
}

/// Values that are there, or missing, for one label only, where that is no luck.
fn one_label(column: &Column, labels: &[bool]) -> Vec<Leak> {
    let rows = column.rows().min(labels.len());
    let share = |label: bool| labels[..rows].iter().filter(|&&one| one == label).count() as f64 / rows.max(1) as f64;
    let mut counts = BTreeMap::<(bool, bool), usize>::new();
    for (row, &label) in labels[..rows].iter().enumerate() {
        *counts.entry((column.is_missing(row), label)).or_default() += 1;
    }
    let count = |missing: bool, label: bool| counts.get(&(missing, label)).copied().unwrap_or(0);
    let mut out = Vec::new();
    for label in [true, false] {
        for missing in [false, true] {
            let (here, there) = (count(missing, label), count(missing, !label));
            let luck = libm::pow(share(label), here as f64);
            // Where no value is missing, or all are, the column says nothing by being there.
            let both_states = count(!missing, true) + count(!missing, false) > 0;
            if here > 0 && there == 0 && luck < CHANCE_MAX && both_states {
                out.push(if missing {
                    Leak::MissingForOneLabel { label, rows: here }
                } else {
                    Leak::KnownForOneLabel { label, rows: here }
                });
            }
        }
    }
    out
}

/// Seconds since 1970 of a column that holds moments, `NaN` where missing; `None` for other columns.
fn as_moments(column: &Column) -> Option<Vec<f64>> {
    let read: Vec<Option<f64>> = match column {
        Column::Number(numbers) => numbers.iter().filter(|value| !value.is_nan()).map(|&value| number_moment(value)).collect(),
        Column::Category(Categories { levels, codes }) => {
            let read: Vec<Option<f64>> = levels.iter().map(|level| text_moment(level)).collect();
            codes.iter().filter_map(|&code| read.get(code as usize).copied()).collect()
        }
    };
    let moments = read.iter().flatten().count();
    if read.len() < ROWS_MIN || (moments as f64) < MOMENTS_MIN * read.len() as f64 {
        return None;
    }
    let mut read = read.into_iter();
    let of = |row: usize| if column.is_missing(row) { f64::NAN } else { read.next().flatten().unwrap_or(f64::NAN) };
    Some((0..column.rows()).map(of).collect())
}

/// Seconds since 1970 of a number that is a date, seconds or milliseconds.
fn number_moment(value: f64) -> Option<f64> {
    if value.fract() != 0.0 {
        return None;
    }
    let inside = |seconds: f64| (SECONDS.0..=SECONDS.1).contains(&seconds).then_some(seconds);
    if (19_900_101.0..=20_991_231.0).contains(&value) {
        let whole = value as i64;
        return date(whole / 10_000, whole / 100 % 100, whole % 100);
    }
    inside(value).or_else(|| inside((value / 1000.0).floor()))
}

/// Seconds since 1970 of a text that begins with a date; the time of day is left out.
fn text_moment(text: &str) -> Option<f64> {
    let text = text.trim().as_bytes();
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.iter().try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let ends = |at: usize| text.get(at).is_none_or(|byte| !byte.is_ascii_digit());
    match text.get(4) {
        Some(mark @ (b'-' | b'/' | b'.')) if text.get(7) == Some(mark) && ends(10) => {
            date(number(0, 4)?, number(5, 7)?, number(8, 10)?)
        }
        Some(b'0'..=b'9') if ends(8) => date(number(0, 4)?, number(4, 6)?, number(6, 8)?),
        Some(_) | None => None,
    }
}

/// Seconds since 1970 at the begin of a day (days from civil, Hinnant 2013).
fn date(year: i64, month: i64, day: i64) -> Option<f64> {
    if !(1990..=2099).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + of_year - 719_468;
    Some(days as f64 * DAY_SECONDS)
}

/// Rank correlation, ties at their middle; 0 where one side does not vary.
fn spearman(left: &[f64], right: &[f64]) -> f64 {
    let (left, right) = (ranks(left), ranks(right));
    let mean = (left.len() as f64 - 1.0) / 2.0;
    let sums = left.iter().zip(&right).fold((0.0, 0.0, 0.0), |sums, (left, right)| {
        let (left, right) = (left - mean, right - mean);
        (sums.0 + left * right, sums.1 + left * left, sums.2 + right * right)
    });
    let scale = (sums.1 * sums.2).sqrt();
    if scale > 0.0 { sums.0 / scale } else { 0.0 }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&left, &right| values[left].total_cmp(&values[right]));
    let mut out = vec![0.0; values.len()];
    for equal in order.chunk_by(|&left, &right| values[left] == values[right]) {
        let first = equal.first().map_or(0, |row| order.partition_point(|other| values[*other] < values[*row]));
        let middle = first as f64 + (equal.len() as f64 - 1.0) / 2.0;
        equal.iter().for_each(|&row| out[row] = middle);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const ROWS: usize = 400;
    /// 2026-03-01, in seconds.
    const MOMENT: f64 = 1_772_323_200.0;

    fn labels() -> Vec<bool> {
        (0..ROWS).map(|row| row % 4 == 1).collect()
    }

    fn texts(of: impl Fn(usize) -> Option<String>) -> Column {
        let texts: Vec<Option<String>> = (0..ROWS).map(of).collect();
        Column::Category(Categories::from_texts(texts.iter().map(Option::as_deref)))
    }

    fn numbers(of: impl FnMut(usize) -> f64) -> Column {
        Column::Number((0..ROWS).map(of).collect())
    }

    fn frame(column: Column) -> Frame {
        let mut frame = Frame::new(ROWS);
        frame.push("x", column).unwrap();
        frame
    }

    #[test]
    fn a_column_that_tells_the_label_ranks_it_alone() {
        let labels = labels();
        let ranked = |column: Column| alone(&column, &labels);
        let told = |row: usize| labels[row];
        assert!(ranked(texts(|row| Some(if told(row) { "closed" } else { "open" }.to_owned()))) > 0.99);
        assert!(ranked(numbers(|row| if told(row) { -3.0 } else { 5.0 + row as f64 })) > 0.99);
        assert!(ranked(texts(|row| Some((row % 3).to_string()))) < 0.6);
        // A level of its own for each row says nothing of other rows, and neither does nothing.
        assert!((ranked(texts(|row| Some(row.to_string()))) - 0.5).abs() < 1e-9);
        assert_eq!(ranked(numbers(|_| f64::NAN)), 0.5);
    }

    fn check_future(column: Column, expected: Option<Leak>) {
        let found = future(&frame(column), &labels(), Some(&[MOMENT; ROWS]));
        assert_eq!(found.first().map(|found| found.leak.clone()), expected);
        assert!(found.iter().all(|found| found.to_string().contains("column `x`")));
    }

    fn check_identifier(column: Column, moments: Option<&[f64]>, named: bool) {
        let found = identifiers(&frame(column), moments);
        assert_eq!(!found.is_empty(), named, "{found:?}");
        assert!(found.iter().all(|found| found.to_string().contains("column `x`")));
    }

    #[test]
    fn dates_are_days_since_1970() {
        assert_eq!(text_moment("2026-03-01"), Some(MOMENT));
        assert_eq!(text_moment(" 2026/03/01 23:59"), Some(MOMENT));
        assert_eq!(text_moment("20260301"), Some(MOMENT));
        assert_eq!(number_moment(20_260_301.0), Some(MOMENT));
        assert_eq!(number_moment(MOMENT), Some(MOMENT));
        assert_eq!(number_moment(MOMENT * 1000.0), Some(MOMENT));
        assert_eq!(text_moment("2000-02-29"), Some(951_782_400.0));
        for text in ["", "2026", "2026-13-01", "1826-03-01", "2026-03/01", "2026-03-011", "202603011", "yes", "area_code_415"] {
            assert_eq!(text_moment(text), None, "{text}");
        }
        assert_eq!(number_moment(20_269_901.0), None);
        assert_eq!(number_moment(12.5), None);
    }

    #[test]
    fn moments_after_the_row_are_found() {
        check_future(texts(|row| Some(format!("2026-0{}-11", 1 + row % 4))), Some(Leak::After { rows: 200, of: ROWS }));
        check_future(numbers(|row| MOMENT - 5e6 + row as f64 * 2e4), Some(Leak::After { rows: 145, of: ROWS }));
        check_future(texts(|row| Some(format!("2025-0{}-11", 1 + row % 4))), Some(Leak::Moments));
        // A day of the row's own date is not after it.
        check_future(texts(|_| Some("2026-03-01".to_owned())), Some(Leak::Moments));
        check_future(numbers(|row| row as f64 * 17.0), None);
        check_future(texts(|row| Some(format!("plan {}", row % 3))), None);
    }

    #[test]
    fn values_of_one_label_are_found() {
        let reason = |row: usize| (row % 4 == 1).then(|| "moved".to_owned());
        check_future(texts(reason), Some(Leak::KnownForOneLabel { label: true, rows: 100 }));
        check_future(
            numbers(|row| if row % 8 == 1 { 2.0 } else { f64::NAN }),
            Some(Leak::KnownForOneLabel { label: true, rows: 50 }),
        );
        check_future(
            numbers(|row| if row % 8 == 1 { f64::NAN } else { 2.0 }),
            Some(Leak::MissingForOneLabel { label: true, rows: 50 }),
        );
        // Holes that fall where they like, holes too few to tell, and no holes at all.
        check_future(numbers(|row| if row % 5 == 1 { f64::NAN } else { 2.0 }), None);
        check_future(numbers(|row| if row % 100 == 2 { f64::NAN } else { 2.0 }), None);
        check_future(numbers(|_| 2.0), None);
        check_future(numbers(|_| f64::NAN), None);
    }

    #[test]
    fn names_of_rows_are_found() {
        let mut rng = Rng::new(3);
        check_identifier(texts(|row| Some(format!("{:05}-X", row * 7919 % 100_003))), None, true);
        let mut dealt: Vec<usize> = (0..ROWS).collect();
        rng.shuffle(&mut dealt);
        check_identifier(numbers(|row| 1_000.0 + dealt[row] as f64), None, true);
        check_identifier(numbers(|_| 4e9 + rng.below(1_000_000_000) as f64), None, true);
        check_identifier(numbers(|row| 5.0 + 1_000.0 * row as f64), None, true);
        check_identifier(numbers(|row| 9e7 - 1_000.0 * row as f64), None, true);
        // Amounts, ages, levels, and a column that rows are sorted by.
        check_identifier(numbers(|_| (rng.unit() * 1e7).round() / 100.0), None, false);
        check_identifier(numbers(|_| (libm::exp(rng.unit() * 12.0) * 7.0).round()), None, false);
        check_identifier(numbers(|_| 18.0 + rng.below(70) as f64), None, false);
        check_identifier(numbers(|row| (row / 6) as f64), None, false);
        check_identifier(texts(|row| Some(format!("level {}", row % 20))), None, false);
    }

    #[test]
    fn a_customer_who_comes_again_is_still_named() {
        let moments: Vec<f64> = (0..ROWS).map(|row| MOMENT + (row / 100) as f64 * DAY_SECONDS).collect();
        check_identifier(texts(|row| Some(format!("customer {}", row % 100))), Some(&moments), true);
        check_identifier(texts(|row| Some(format!("customer {}", row % 100))), None, false);
        // With a moment of its own for every row nothing could come twice.
        let single: Vec<f64> = (0..ROWS).map(|row| MOMENT + row as f64).collect();
        check_identifier(texts(|row| Some(format!("plan {}", row % 3))), Some(&single), false);
    }
}
