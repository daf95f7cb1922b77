//! Small state by name, changed only by who has seen its last value (T4): two writers cannot both win.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::row::{FromRow, all, as_sql, check_text, count, json, text, to_json};
use super::{Control, ControlError, LIST_ROWS_MAX};

/// A named value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointer {
    /// Its name.
    pub name: String,
    /// 1 when it was made, and one more with each change.
    pub revision: u64,
    /// Its value.
    pub value: Value,
}

impl FromRow for Pointer {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        Ok(Self { name: text(row, "name")?, revision: count(row, "revision")?, value: json(row, "value")? })
    }
}

impl Control {
    /// A pointer, if there is one of that name.
    ///
    /// # Errors
    /// A database error.
    pub async fn pointer(&self, name: &str) -> Result<Option<Pointer>, ControlError> {
        let row = sqlx::query("SELECT * FROM pointers WHERE name = ?").bind(name).fetch_optional(&self.pool).await?;
        row.as_ref().map(Pointer::from_row).transpose()
    }

    /// All pointers, by name.
    ///
    /// # Errors
    /// A database error.
    pub async fn pointers(&self) -> Result<Vec<Pointer>, ControlError> {
        all(&sqlx::query("SELECT * FROM pointers ORDER BY name LIMIT ?").bind(LIST_ROWS_MAX).fetch_all(&self.pool).await?)
    }

    /// Sets a pointer if its revision is still `seen` (0: there is none yet); its new revision.
    ///
    /// # Errors
    /// [`ControlError::Moved`] if somebody else was faster, [`ControlError::Text`], [`ControlError::Limit`], a database error.
    pub async fn set_pointer(&self, name: &str, seen: u64, value: &Value) -> Result<u64, ControlError> {
        check_text("pointer's name", name)?;
        let value = to_json("pointer", value)?;
        let mut transaction = self.begin().await?;
        let row =
            sqlx::query("SELECT revision FROM pointers WHERE name = ?").bind(name).fetch_optional(&mut *transaction).await?;
        let found = row.as_ref().map_or(Ok(0), |row| count(row, "revision"))?;
        if found != seen {
            return Err(ControlError::Moved { name: name.to_owned(), found, expected: seen });
        }
        let next = found.saturating_add(1);
        sqlx::query(
            "INSERT INTO pointers (name, revision, value) VALUES (?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, value = excluded.value",
        )
        .bind(name)
        .bind(as_sql("revision", next)?)
        .bind(value)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(next)
    }
}
