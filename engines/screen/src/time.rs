//! Rules of time: moments that lie ahead, before all of history, all at once, or in another order than history arrives in (T1).

use frame::{Column, Frame};
use serde::{Deserialize, Serialize};

use crate::exact::{binomial_upper, uneven};
use crate::{BatchFinding, Layer};

/// Share of neighbouring rows that must not go back in time for history to count as ordered.
const ORDERED: f64 = 0.99;
/// Moments of history from which one single moment in a delivery is remarkable.
const MOMENTS_MANY: usize = 50;
const DAY_SECONDS: i64 = 86_400;

/// What history says of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimeReference {
    least: i64,
    rows: u64,
    missing: u64,
    ordered: bool,
    /// The largest share of one moment; 1 where history has few moments.
    share: f64,
}

/// What a delivery says of time, part by part.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeSums {
    rows: u64,
    missing: u64,
    ahead: u64,
    before: u64,
    backwards: u64,
    last: Option<i64>,
    /// Moments and how often each was seen, until there are many.
    moments: std::collections::BTreeMap<i64, u64>,
    /// Rows ahead of arrival or before history, the first of them.
    pub(crate) rows_wrong: Vec<(u64, i64, bool)>,
}

/// Moments that are counted one by one.
const MOMENTS_MAX: usize = 10_000;
/// Wrong rows that are named.
const WRONG_MAX: usize = 1_000;

/// Seconds since 1970 of a text such as `2011-03-01`, `2011-03-01 10:20:30` or `2011-03-01T10:20:30Z`.
pub(crate) fn moment(text: &str) -> Option<i64> {
    let bytes = text.trim().as_bytes();
    let part = |from: usize, to: usize| -> Option<i64> { std::str::from_utf8(bytes.get(from..to)?).ok()?.parse().ok() };
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let clock = match bytes.len() {
        10 => 0,
        _ => part(11, 13)? * 3600 + part(14, 16)? * 60 + part(17, 19).unwrap_or(0),
    };
    // Days since 1970 by eras of 400 years that begin in March (Hinnant 2013).
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * DAY_SECONDS + clock)
}

/// Moments of a column; numbers count as seconds (or whatever history counts in).
pub(crate) fn moments<'a>(column: &'a Column) -> Box<dyn Iterator<Item = Option<i64>> + 'a> {
    match column {
        Column::Number(values) => Box::new(values.iter().map(|value| (value.is_finite()).then_some(*value as i64))),
        Column::Category(known) => {
            let by_level: Vec<Option<i64>> = known.levels.iter().map(|level| moment(level)).collect();
            Box::new(known.codes.iter().map(move |&code| by_level.get(code as usize).copied().flatten()))
        }
    }
}

/// The latest moment of a column: seconds since 1970 (numbers as they are).
pub fn latest(frame: &Frame, name: &str) -> Option<i64> {
    moments(frame.column(name)?).flatten().max()
}

impl TimeReference {
    pub(crate) fn learn(frame: &Frame, name: &str) -> Option<Self> {
        let mut sums = TimeSums::default();
        sums.add(moments(frame.column(name)?), None, None, 0);
        let least = *sums.moments.keys().next()?;
        let most = sums.moments.values().copied().max().unwrap_or(0);
        let known = (sums.rows - sums.missing).max(1);
        Some(Self {
            least,
            rows: sums.rows,
            missing: sums.missing,
            ordered: sums.backwards as f64 <= (1.0 - ORDERED) * known as f64 && sums.moments.len() >= MOMENTS_MANY,
            share: if sums.moments.len() >= MOMENTS_MANY { most as f64 / known as f64 } else { 1.0 },
        })
    }

    /// The tests, of a delivery that holds rows with a time.
    pub(crate) fn tests(&self, sums: &TimeSums) -> BatchFinding {
        let mut all: Vec<(f64, String)> = vec![
            (uneven(sums.missing, sums.rows, self.missing, self.rows), format!("{} rows have no time", sums.missing)),
            (uneven(sums.ahead, sums.rows, 0, self.rows), format!("{} rows lie ahead of their arrival", sums.ahead)),
            (uneven(sums.before, sums.rows, 0, self.rows), format!("{} rows lie before all of history", sums.before)),
        ];
        let most = sums.moments.values().copied().max().unwrap_or(0);
        if self.share < 1.0 {
            // Twice history's largest share: honest moments come in bursts.
            let p =
                binomial_upper(most, sums.rows - sums.missing, (2.0 * self.share).min(1.0)) * sums.moments.len().max(1) as f64;
            all.push((p.min(1.0), format!("{most} rows of {} have one and the same time", sums.rows)));
        }
        if self.ordered && sums.rows > 20 {
            let p = binomial_upper(sums.backwards, sums.rows, 2.0 * (1.0 - ORDERED));
            all.push((p, format!("{} rows lie before the row ahead of them, history comes in order", sums.backwards)));
        }
        let count = all.len() as f64;
        all.sort_by(|one, two| one.0.total_cmp(&two.0));
        let (p, seen) = all.into_iter().next().unwrap_or((1.0, String::new()));
        let what = "moments against history".to_owned();
        BatchFinding { layer: Layer::Time, what, p_value: (p * count).min(1.0), seen, alarm: false }
    }
}

impl TimeSums {
    /// Adds moments of rows from number `first` on.
    pub(crate) fn add(
        &mut self,
        moments: impl Iterator<Item = Option<i64>>,
        reference: Option<&TimeReference>,
        now: Option<i64>,
        first: u64,
    ) {
        for (row, moment) in moments.enumerate() {
            self.rows += 1;
            let Some(at) = moment else {
                self.missing += 1;
                continue;
            };
            let ahead = now.is_some_and(|now| at > now);
            let before = reference.is_some_and(|known| at < known.least);
            self.ahead += u64::from(ahead);
            self.before += u64::from(before);
            if (ahead || before) && self.rows_wrong.len() < WRONG_MAX {
                self.rows_wrong.push((first + row as u64, at, ahead));
            }
            self.backwards += u64::from(self.last.is_some_and(|last| at < last));
            self.last = Some(at);
            if self.moments.len() < MOMENTS_MAX || self.moments.contains_key(&at) {
                *self.moments.entry(at).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        assert_eq!(moment("1970-01-01"), Some(0));
        assert_eq!(moment("2011-03-01"), Some(1_298_937_600));
        assert_eq!(moment("2024-02-29 12:00:01"), Some(1_709_208_001));
        for text in ["", "2011", "2011-13-01", "2011-03-0", "x011-03-01", "2011-03-01T"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
