//! The server's text of a value as the contract writes it, or why that cannot be: nothing is rounded, cut or guessed on the way (T1).

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use tabular::Decimal;
use tabular::contract::{ColumnRule, Kind};

use crate::columns::ColumnType;

/// The largest whole number up to which every whole number is an exact `f64` (2^53).
const EXACT_MAX: u128 = 1 << 53;
/// The contract's name for seconds since 1970.
const UNIX: &str = "unix";
/// How people write yes and no in levels, the most usual first.
const PAIRS: [(&str, &str); 9] = [
    ("true", "false"),
    ("t", "f"),
    ("yes", "no"),
    ("Yes", "No"),
    ("1", "0"),
    ("True", "False"),
    ("TRUE", "FALSE"),
    ("Y", "N"),
    ("y", "n"),
];

/// A value's text for the contract's column.
///
/// # Errors
/// What is wrong with the value, as a sentence.
pub(crate) fn rendered<'a>(
    rule: &ColumnRule,
    decimal: Decimal,
    kind: &ColumnType,
    text: &'a str,
) -> Result<Cow<'a, str>, String> {
    match (kind, &rule.kind) {
        (ColumnType::Boolean, _) => boolean(&rule.kind, text).map(Cow::Owned),
        (ColumnType::Whole | ColumnType::Number, Kind::Number { .. }) => number(decimal, text),
        (ColumnType::Date | ColumnType::Timestamp, Kind::Time { format }) => moment(format, text).map(Cow::Owned),
        (ColumnType::Other(name), _) => Err(format!("its type `{name}` cannot be read")),
        (ColumnType::Whole | ColumnType::Number | ColumnType::Text | ColumnType::Date | ColumnType::Timestamp, _) => {
            Ok(Cow::Borrowed(text))
        }
    }
}

fn boolean(kind: &Kind, text: &str) -> Result<String, String> {
    let yes = match text {
        "t" => true,
        "f" => false,
        other => return Err(format!("`{other}` is no boolean")),
    };
    let pair = match kind {
        Kind::Number { .. } => Some(("1", "0")),
        Kind::Text | Kind::Time { .. } => Some(("true", "false")),
        Kind::Category { levels } => {
            let has = |word: &str| levels.iter().any(|level| level == word);
            let both = PAIRS.into_iter().find(|(yes, no)| has(yes) && has(no));
            both.or_else(|| PAIRS.into_iter().find(|(yes, no)| has(yes) || has(no)))
        }
    };
    let (word, other) = pair.ok_or_else(|| "it is a boolean, and no level of the contract is a word for yes or no".to_owned())?;
    Ok(if yes { word } else { other }.to_owned())
}

/// A number keeps its digits; what `f64` cannot hold (`NaN`, `Infinity`, whole numbers above 2^53) is refused.
fn number(decimal: Decimal, text: &str) -> Result<Cow<'_, str>, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!("`{text}` is no number that can be learnt from"));
    }
    let whole = digits.split(['.', 'e']).next().unwrap_or_default();
    if !digits.contains('e') && whole.parse::<u128>().map_or(true, |whole| whole > EXACT_MAX) {
        return Err(format!("`{text}` has more digits than a number can hold exactly; read it as text, or scale it in a view"));
    }
    Ok(match decimal {
        Decimal::Point => Cow::Borrowed(text),
        Decimal::Comma => Cow::Owned(text.replace('.', ",")),
    })
}

/// A moment in the contract's format, which must keep all of it.
fn moment(format: &str, text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no moment of the calendar");
    let parsed = match text.parse::<Date>() {
        Ok(day) if text.len() == "2026-01-01".len() => day.at(0, 0, 0, 0),
        Ok(_) | Err(_) => {
            // `2026-01-01 10:00:00.5+00`: the session is in UTC, so the offset is always zero.
            text.strip_suffix("+00").unwrap_or(text).parse::<DateTime>().map_err(|_| wrong())?
        }
    };
    let at = TimeZone::UTC.to_timestamp(parsed).map_err(|_| wrong())?;
    let kept = |back: Option<i64>| back == Some(at.as_second()) && at.subsec_nanosecond() == 0;
    let lossy = || format!("`{text}` does not fit the format `{format}` of the contract");
    if format == UNIX {
        return if kept(Some(at.as_second())) { Ok(at.as_second().to_string()) } else { Err(lossy()) };
    }
    let zoned = at.to_zoned(TimeZone::UTC);
    let written = strtime::format(format, &zoned).map_err(|_| lossy())?;
    let parts = strtime::parse(format, &written).map_err(|_| lossy())?;
    let back = if parts.offset().is_some() {
        parts.to_timestamp().ok()
    } else {
        let civil =
            if parts.hour().is_some() { parts.to_datetime().ok() } else { parts.to_date().ok().map(|day| day.at(0, 0, 0, 0)) };
        civil.and_then(|civil| TimeZone::UTC.to_timestamp(civil).ok())
    };
    // A fraction of a second is kept only by a format that writes it.
    if back == Some(at) { Ok(written) } else { Err(lossy()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tabular::contract::Role;

    use super::*;

    fn number_kind() -> Kind {
        Kind::Number { integer: false, min: None, max: None, unit: None }
    }

    fn levels(all: &[&str]) -> Kind {
        Kind::Category { levels: all.iter().map(|level| (*level).to_owned()).collect() }
    }

    fn check(kind: Kind, of: &ColumnType, text: &str, expected: Option<&str>) {
        let rule = ColumnRule::new("x", Role::Feature, kind);
        let found = rendered(&rule, Decimal::Point, of, text);
        assert_eq!(found.as_deref().ok(), expected, "{text}: {found:?}");
    }

    #[test]
    fn booleans_take_the_words_of_the_contract() {
        check(levels(&["no", "yes"]), &ColumnType::Boolean, "t", Some("yes"));
        check(levels(&["f", "t"]), &ColumnType::Boolean, "f", Some("f"));
        check(levels(&["0", "1"]), &ColumnType::Boolean, "t", Some("1"));
        check(levels(&["false"]), &ColumnType::Boolean, "t", Some("true"));
        check(levels(&["gold"]), &ColumnType::Boolean, "t", None);
        check(number_kind(), &ColumnType::Boolean, "f", Some("0"));
        check(Kind::Text, &ColumnType::Boolean, "t", Some("true"));
        check(Kind::Text, &ColumnType::Boolean, "x", None);
    }

    #[test]
    fn numbers_keep_their_digits_or_are_refused() {
        for text in ["0", "-12.50", "9007199254740992", "0.1000000000000000055511151231257827", "1e+30", "-1.5e-07"] {
            check(number_kind(), &ColumnType::Number, text, Some(text));
        }
        for text in ["NaN", "Infinity", "-Infinity", "9007199254740993", "1234567890123456789012.5", ""] {
            check(number_kind(), &ColumnType::Number, text, None);
        }
        check(Kind::Text, &ColumnType::Whole, "9223372036854775807", Some("9223372036854775807"));
        let rule = ColumnRule::new("x", Role::Feature, number_kind());
        assert_eq!(rendered(&rule, Decimal::Comma, &ColumnType::Number, "1.5").unwrap(), "1,5");
    }

    #[test]
    fn moments_are_written_as_the_contract_says_and_lose_nothing() {
        let time = |format: &str| Kind::Time { format: format.to_owned() };
        check(time("%Y-%m-%d"), &ColumnType::Date, "2026-03-01", Some("2026-03-01"));
        check(time("%d.%m.%Y"), &ColumnType::Date, "2026-03-01", Some("01.03.2026"));
        check(time("%Y-%m-%d"), &ColumnType::Timestamp, "2026-03-01 00:00:00", Some("2026-03-01"));
        check(time("%Y-%m-%d"), &ColumnType::Timestamp, "2026-03-01 10:00:00", None);
        check(time("%Y-%m-%d %H:%M:%S"), &ColumnType::Timestamp, "2026-03-01 10:00:01+00", Some("2026-03-01 10:00:01"));
        check(time("%Y-%m-%d %H:%M:%S"), &ColumnType::Timestamp, "2026-03-01 10:00:01.5+00", None);
        check(time("%Y-%m-%d %H:%M:%S%.f"), &ColumnType::Timestamp, "2026-03-01 10:00:01.5", Some("2026-03-01 10:00:01.5"));
        check(time("%Y-%m-%dT%H:%M:%S%:z"), &ColumnType::Timestamp, "2026-03-01 10:00:01+00", Some("2026-03-01T10:00:01+00:00"));
        check(time("unix"), &ColumnType::Timestamp, "1970-01-02 00:00:00+00", Some("86400"));
        check(time("unix"), &ColumnType::Timestamp, "1970-01-02 00:00:00.25", None);
        for text in ["infinity", "-infinity", "0044-03-15 BC", "2026-02-30", "10000-01-01", "", "2026-03-01 10:00:00+02"] {
            check(time("%Y-%m-%d"), &ColumnType::Date, text, None);
        }
        check(Kind::Text, &ColumnType::Date, "infinity", Some("infinity"));
    }

    #[test]
    fn a_type_that_is_not_agreed_is_refused() {
        check(Kind::Text, &ColumnType::Other("json".into()), "{}", None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in any::<String>(), format in "[%YmdHMSz.:f -]{0,12}") {
            for kind in [number_kind(), Kind::Time { format }, levels(&["t"])] {
                let rule = ColumnRule::new("x", Role::Feature, kind);
                for of in [ColumnType::Boolean, ColumnType::Number, ColumnType::Timestamp, ColumnType::Date] {
                    let _ = rendered(&rule, Decimal::Point, &of, &text);
                }
            }
        }

        #[test]
        fn every_number_that_passes_is_the_same_number(value in -9.0e15_f64..9.0e15) {
            let text = format!("{value}");
            let found = number(Decimal::Point, &text).unwrap();
            prop_assert_eq!(tabular::number::parse(&found, Decimal::Point), Some(value));
        }
    }
}
