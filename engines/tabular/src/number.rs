//! Numbers written as text. `1e999`, `nan`, `inf` and `0x10` are not numbers of a table: each has smuggled values past a range check.

use serde::{Deserialize, Serialize};

/// How a decimal fraction is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decimal {
    /// `1.5`
    #[default]
    Point,
    /// `1,5`
    Comma,
}

/// The largest whole number up to which every whole number is an exact `f64` (2^53).
pub(crate) const EXACT_MAX: u64 = 1 << 53;

/// Powers of ten that are exact in `f64`.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
    1e22,
];

/// The number that `text` writes, blanks around it apart; `None` if it writes none. The result is finite and correctly rounded.
///
/// The short way is Clinger's (1990): a mantissa below 2^53 divided by a power of ten up to 10^22 is one exact rounding.
pub fn parse(text: &str, decimal: Decimal) -> Option<f64> {
    let text = text.trim_ascii();
    let mark = match decimal {
        Decimal::Point => b'.',
        Decimal::Comma => b',',
    };
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (mut mantissa, mut seen, mut after) = (0_u64, 0_usize, None::<usize>);
    for &byte in digits {
        if byte.is_ascii_digit() {
            if seen == 18 {
                return slow(text, mark);
            }
            mantissa = mantissa * 10 + u64::from(byte - b'0');
            seen += 1;
            after = after.map(|count| count + 1);
        } else if byte == mark && after.is_none() {
            after = Some(0);
        } else if matches!(byte, b'e' | b'E') {
            return slow(text, mark);
        } else {
            return None;
        }
    }
    if seen == 0 {
        return None;
    }
    if mantissa > EXACT_MAX {
        return slow(text, mark);
    }
    let ten = TENS.get(after.unwrap_or(0))?;
    #[expect(clippy::cast_precision_loss, reason = "the mantissa is at most 2^53")]
    let value = mantissa as f64 / ten;
    Some(if negative { -value } else { value })
}

/// The long way, for many digits and exponents.
fn slow(text: &str, mark: u8) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == mark || matches!(byte, b'+' | b'-' | b'e' | b'E'));
    if !plain {
        return None;
    }
    let value: f64 = if mark == b'.' { text.parse().ok()? } else { text.replace(char::from(mark), ".").parse().ok()? };
    value.is_finite().then_some(value)
}

/// A number as a person writes it: whole numbers without a fraction.
pub(crate) fn show(value: f64) -> String {
    // Beyond 2^53 plain digits would read as an integer that no TOML reader can hold.
    if value.abs() >= 1e15 { format!("{value:e}") } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_shown_reads_back_as_toml() {
        for value in [0.0, -1.5, 1e14, 1e15, 1e19, -1e34, f64::MAX] {
            let table: toml::Table = toml::from_str(&format!("x = {}", show(value))).unwrap();
            let back = table["x"].as_float().or_else(|| table["x"].as_integer().map(|whole| whole as f64));
            assert_eq!(back, Some(value), "{}", show(value));
        }
    }

    #[test]
    fn what_is_and_is_not_a_number() {
        for (text, value) in [("1", 1.0), (" -1.50 ", -1.5), ("+.5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("007", 7.0)] {
            assert_eq!(parse(text, Decimal::Point), Some(value), "{text}");
        }
        for text in ["", " ", ".", "-", "nan", "inf", "1e999", "0x10", "1,5", "1 000", "--1", "1.2.3", "1e", "e5", "١"] {
            assert_eq!(parse(text, Decimal::Point), None, "{text}");
        }
        assert_eq!(parse("1,5", Decimal::Comma), Some(1.5));
        assert_eq!(parse("1.5", Decimal::Comma), None);
    }

    proptest! {
        #[test]
        fn every_float_reads_back(value in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
            prop_assert_eq!(parse(&format!("{value}"), Decimal::Point), Some(value));
            prop_assert_eq!(parse(&format!("{value:e}"), Decimal::Point), Some(value));
        }

        #[test]
        fn short_decimals_equal_the_standard_parser(whole in 0_u64..10_000_000, part in 0_u32..1_000_000) {
            let text = format!("{whole}.{part:06}");
            prop_assert_eq!(parse(&text, Decimal::Point), text.parse().ok());
        }
    }
}
