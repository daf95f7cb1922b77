//! Between our types and SQLite's columns (T6): what a column cannot hold is refused, what it should not hold is damage.

use gate::Digest;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::ControlError;

/// Bytes of a name at most.
pub const TEXT_BYTES_MAX: usize = 512;
/// Bytes of a summary, receipt, finding or pointer at most, as JSON.
pub const JSON_BYTES_MAX: usize = 1 << 20;

/// A struct that is one row.
pub(super) trait FromRow: Sized {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError>;
}

pub(super) fn all<T: FromRow>(rows: &[SqliteRow]) -> Result<Vec<T>, ControlError> {
    rows.iter().map(T::from_row).collect()
}

pub(super) fn text(row: &SqliteRow, column: &'static str) -> Result<String, ControlError> {
    Ok(row.try_get(column)?)
}

pub(super) fn text_or_none(row: &SqliteRow, column: &'static str) -> Result<Option<String>, ControlError> {
    Ok(row.try_get(column)?)
}

pub(super) fn moment(row: &SqliteRow, column: &'static str) -> Result<i64, ControlError> {
    Ok(row.try_get(column)?)
}

pub(super) fn count(row: &SqliteRow, column: &'static str) -> Result<u64, ControlError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| ControlError::Corrupt(format!("`{column}` is {value}")))
}

pub(super) fn digest(row: &SqliteRow, column: &'static str) -> Result<Digest, ControlError> {
    parse_digest(&text(row, column)?)
}

pub(super) fn parse_digest(text: &str) -> Result<Digest, ControlError> {
    text.parse().map_err(|error: gate::DigestError| ControlError::Corrupt(error.to_string()))
}

pub(super) fn json(row: &SqliteRow, column: &'static str) -> Result<Value, ControlError> {
    parse_json(&text(row, column)?, column)
}

pub(super) fn json_or_none(row: &SqliteRow, column: &'static str) -> Result<Option<Value>, ControlError> {
    text_or_none(row, column)?.map(|text| parse_json(&text, column)).transpose()
}

fn parse_json(text: &str, column: &'static str) -> Result<Value, ControlError> {
    serde_json::from_str(text).map_err(|error| ControlError::Corrupt(format!("`{column}`: {error}")))
}

/// A word of one of our enums.
pub(super) fn word<T>(row: &SqliteRow, column: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, ControlError> {
    let text = text(row, column)?;
    read(&text).ok_or_else(|| ControlError::Corrupt(format!("`{column}` is `{}`", text.escape_debug())))
}

/// A count as SQLite holds it.
pub(super) fn as_sql(what: &'static str, count: u64) -> Result<i64, ControlError> {
    i64::try_from(count).map_err(|_| ControlError::Limit { what, limit: i64::MAX.unsigned_abs() })
}

pub(super) fn check_text(what: &'static str, text: &str) -> Result<(), ControlError> {
    let good = !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    if good { Ok(()) } else { Err(ControlError::Text { what, limit: TEXT_BYTES_MAX }) }
}

pub(super) fn to_json(what: &'static str, value: &Value) -> Result<String, ControlError> {
    let text = value.to_string();
    if text.len() > JSON_BYTES_MAX {
        return Err(ControlError::Limit { what, limit: u64::try_from(JSON_BYTES_MAX).unwrap_or(u64::MAX) });
    }
    Ok(text)
}

/// Gives an enum its words in the database, which are also its words in JSON.
macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $name {
            /// Its word, as in the database.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            fn from_word(word: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|one| one.word() == word)
            }
        }
    };
}
pub(super) use words;
