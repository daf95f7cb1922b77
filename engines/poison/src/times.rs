//! Times that cannot be, or that are not the row's own: they decide which rows train and which test (T1).

use std::collections::BTreeSet;

use frame::Column;

use crate::scene::{Hit, Scene};
use crate::sheet::categories;
use crate::{Class, PoisonError};

/// Days by which dates are moved beyond the honest ones.
const DAYS: (f64, f64) = (30.0, 400.0);
/// The same for numbers, in parts of the history's range.
const RANGE_PART: (f64, f64) = (0.3, 1.5);

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let at = scene.time.ok_or_else(|| scene.needs("a time"))?;
    let column = scene.column(at);
    let here: Vec<Option<f64>> = (0..scene.batch.rows()).map(|row| moment(column, row)).collect();
    let all = here.iter().copied().chain((0..scene.past_rows).map(|row| moment(scene.past[at], row))).flatten();
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), time| (low.min(time), high.max(time)));
    if !low.is_finite() {
        return Err(scene.needs("a time that can be read"));
    }
    let mut draws = scene.draws(1);
    let timed: Vec<usize> = (0..here.len()).filter(|&row| here[row].is_some()).collect();
    let rows = scene.chosen(&timed);
    let is_number = matches!(column, Column::Number(_));
    // Steps of the column: whole days and whole numbers stay whole.
    let reach = (high - low).max(1.0);
    let mut away = || {
        if is_number { (reach * draws.between(RANGE_PART.0, RANGE_PART.1)).ceil() } else { draws.between(DAYS.0, DAYS.1).round() }
    };
    let mut sheet = scene.sheet();
    let mut others: Vec<usize> = rows.clone();
    scene.draws(2).shuffle(&mut others);
    for (&row, &other) in rows.iter().zip(&others) {
        if scene.class == Class::TimeShuffled {
            sheet.copy(at, row, column, other);
            continue;
        }
        let time = if scene.class == Class::TimeFuture {
            high + away()
        } else if scene.class == Class::TimeBackdated {
            low - away()
        } else {
            // One row's time for all; the first's own does not change.
            rows.first().and_then(|&first| here[first]).unwrap_or(high)
        };
        match column {
            Column::Number(_) => sheet.set_number(at, row, time),
            Column::Category(known) => {
                let rest = known.text(row).and_then(|text| text.get(DATE.len()..)).unwrap_or_default().to_owned();
                sheet.set_text(at, row, Some(&format!("{}{rest}", date(time as i64))));
            }
        }
    }
    Ok(Hit { sheet, rows: BTreeSet::from_iter(rows) })
}

const DATE: &str = "YYYY-MM-DD";

/// A time as a number: the number itself, or days since 1970-01-01.
pub(crate) fn moment(column: &Column, row: usize) -> Option<f64> {
    match column {
        Column::Number(values) => values.get(row).copied().filter(|value| value.is_finite()),
        Column::Category(_) => {
            let text = categories(column)?.text(row)?.get(..DATE.len())?;
            let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
            let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
            let fits = (1..=12).contains(&month) && (1..=31).contains(&day) && (0..=9999).contains(&year);
            fits.then(|| days(year, month, day) as f64)
        }
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days`], as text.
fn date(days: i64) -> String {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_and_back() {
        assert_eq!((days(1970, 1, 1), days(2000, 3, 1), days(2026, 11, 23)), (0, 11_017, 20_780));
        assert_eq!((date(0), date(11_016), date(20_780)), ("1970-01-01".into(), "2000-02-29".into(), "2026-11-23".into()));
        (-200_000..200_000).step_by(37).for_each(|day| {
            let text = date(day);
            let parts: Vec<i64> = text.split('-').map(|part| part.parse().unwrap()).collect();
            assert_eq!(days(parts[0], parts[1], parts[2]), day, "{text}");
        });
    }
}
