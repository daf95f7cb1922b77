//! The calendar of the synthetic world, without a clock: 48 months from January 2022 and the 208 weeks inside them.

/// Months that can be generated: month 0 is January 2022, month 47 December 2025.
pub const MONTHS: u32 = 48;
/// Weeks of the market feed; week 0 starts on Monday, 3 January 2022.
pub const WEEKS: u32 = 208;
/// Days of the label horizon: a customer churns if he leaves within this many days after the cutoff.
pub const HORIZON_DAYS: u32 = 90;
/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// Day number (days since 1970-01-01) of the start of week 0.
const FIRST_WEEK_DAY: i32 = 18_995;
const FIRST_YEAR: i32 = 2022;
const YEAR_MAX: i32 = 9999;
/// Day numbers of the years 0 and 9999.
const DAYS: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;

/// Days since 1970-01-01 of a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms"). Years are
/// clamped to 0..=9999, months to 1..=12, days to 1..=31.
pub fn day_of(year: i32, month: u32, day: u32) -> i32 {
    let (year, month, day) = (year.clamp(0, YEAR_MAX), month.clamp(1, 12), day.clamp(1, 31));
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = (month as i32 + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The year, month and day of a day number; the inverse of [`day_of`], clamped to the same years.
pub fn date_of(day: i32) -> (i32, u32, u32) {
    let z = day.clamp(*DAYS.start(), *DAYS.end()) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i32::from(month <= 2), month, day)
}

/// The first day of month `month` (months before January 2022 are negative).
pub(crate) fn month_start(month: i32) -> i32 {
    day_of(FIRST_YEAR + month.div_euclid(12), month.rem_euclid(12) as u32 + 1, 1)
}

/// The cutoff of a month: its last day. Features look back from it, labels look forward. Months past the
/// last are taken for the last.
pub fn cutoff_day(month: u32) -> i32 {
    month_start(month.min(MONTHS - 1) as i32 + 1) - 1
}

/// The first day (a Monday) of a week of the market feed; weeks past the last are taken for the one after it.
pub fn week_start(week: u32) -> i32 {
    FIRST_WEEK_DAY + 7 * week.min(WEEKS) as i32
}

/// The last week of the market feed that has ended at the cutoff of `month`: the one whose prices decide.
pub fn week_at_cutoff(month: u32) -> u32 {
    let ended = (cutoff_day(month) + 1 - FIRST_WEEK_DAY) / 7;
    (ended - 1).clamp(0, WEEKS as i32 - 1) as u32
}

/// The first week that starts in `month` or later.
pub fn first_week_of(month: u32) -> u32 {
    let days = month_start(month.min(MONTHS) as i32) - FIRST_WEEK_DAY;
    (days.max(0) as u32).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_are_inverse() {
        for day in -200_000..200_000 {
            let (y, m, d) = date_of(day);
            assert_eq!(day_of(y, m, d), day);
        }
        assert_eq!((day_of(0, 1, 1), day_of(YEAR_MAX, 12, 31)), (*DAYS.start(), *DAYS.end()));
        assert_eq!((date_of(i32::MAX), date_of(i32::MIN)), ((9999, 12, 31), (0, 1, 1)));
        assert_eq!(day_of(1970, 1, 1), 0);
        assert_eq!(date_of(19_782), (2024, 2, 29));
    }

    #[test]
    fn weeks_cover_the_months() {
        assert_eq!(date_of(week_start(0)), (2022, 1, 3));
        assert_eq!((week_at_cutoff(0), week_at_cutoff(MONTHS - 1)), (3, WEEKS - 1));
        assert_eq!(date_of(cutoff_day(25)), (2024, 2, 29));
        for month in 0..MONTHS {
            assert!(week_start(week_at_cutoff(month)) + 6 <= cutoff_day(month));
            assert!(week_start(first_week_of(month)) >= month_start(month as i32));
        }
    }
}
