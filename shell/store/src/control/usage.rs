//! How much each application asked, by day (T2: "limit and track use per application"; T3): calls, and distinct customers.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use super::row::{FromRow, all, check_text, count, text};
use super::{Control, ControlError, LIST_ROWS_MAX};

/// Customers of one call at most.
pub const CUSTOMERS_PER_CALL_MAX: usize = 10_000;

/// What an application has used on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Calls.
    pub calls_today: u64,
    /// Distinct customers.
    pub distinct_today: u64,
}

/// What one application has used on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppUsage {
    /// The application.
    pub app: String,
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    /// How much.
    #[serde(flatten)]
    pub used: Used,
}

impl FromRow for Used {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        Ok(Self { calls_today: count(row, "calls")?, distinct_today: count(row, "customers")? })
    }
}

impl FromRow for AppUsage {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        let day = sqlx::Row::try_get(row, "day")?;
        Ok(Self { app: text(row, "app")?, day, used: Used::from_row(row)? })
    }
}

impl Control {
    /// Counts one call and its customers, in one transaction; what is used then, this call included. `day` counts days since
    /// 1970-01-01, UTC; `customers` are salted hashes, so that the file does not say who was asked for.
    ///
    /// # Errors
    /// [`ControlError::Limit`] beyond [`CUSTOMERS_PER_CALL_MAX`], [`ControlError::Text`], a database error.
    pub async fn track(&self, app: &str, day: i64, customers: &[[u8; 32]]) -> Result<Used, ControlError> {
        self.reserve(app, day, customers, u64::MAX).await
    }

    /// The same, but nothing is kept where the day's customers would be more than `distinct_max`: what is refused costs nothing.
    /// What is returned is what would have been used then.
    ///
    /// # Errors
    /// As [`Control::track`].
    pub async fn reserve(&self, app: &str, day: i64, customers: &[[u8; 32]], distinct_max: u64) -> Result<Used, ControlError> {
        check_text("application's name", app)?;
        if customers.len() > CUSTOMERS_PER_CALL_MAX {
            let limit = u64::try_from(CUSTOMERS_PER_CALL_MAX).unwrap_or(u64::MAX);
            return Err(ControlError::Limit { what: "customers of one call", limit });
        }
        // One statement for all customers: each statement is a turn of the database's thread.
        let list =
            format!("[{}]", customers.iter().map(|hash| format!("\"{}\"", HEXLOWER.encode(hash))).collect::<Vec<_>>().join(","));
        let mut transaction = self.begin().await?;
        let fresh = sqlx::query(
            "INSERT INTO usage_customers (app, day, customer) SELECT ?1, ?2, unhex(value) FROM json_each(?3) WHERE true \
             ON CONFLICT DO NOTHING",
        )
        .bind(app)
        .bind(day)
        .bind(list)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        let row = sqlx::query(
            "INSERT INTO usage_days (app, day, calls, customers) VALUES (?, ?, 1, ?) ON CONFLICT (app, day) \
             DO UPDATE SET calls = calls + 1, customers = customers + excluded.customers RETURNING calls, customers",
        )
        .bind(app)
        .bind(day)
        .bind(super::row::as_sql("customers", fresh)?)
        .fetch_one(&mut *transaction)
        .await?;
        let used = Used::from_row(&row)?;
        if used.distinct_today > distinct_max {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
        Ok(used)
    }

    /// What an application has used on a day.
    ///
    /// # Errors
    /// A database error.
    pub async fn usage(&self, app: &str, day: i64) -> Result<Used, ControlError> {
        let query = sqlx::query("SELECT calls, customers FROM usage_days WHERE app = ? AND day = ?");
        let row = query.bind(app).bind(day).fetch_optional(&self.pool).await?;
        row.as_ref().map_or(Ok(Used::default()), Used::from_row)
    }

    /// What all applications have used on a day, by name.
    ///
    /// # Errors
    /// A database error.
    pub async fn usage_all(&self, day: i64) -> Result<Vec<AppUsage>, ControlError> {
        let query = sqlx::query("SELECT * FROM usage_days WHERE day = ? ORDER BY app LIMIT ?");
        all(&query.bind(day).bind(LIST_ROWS_MAX).fetch_all(&self.pool).await?)
    }

    /// Forgets which customers were asked for before `day`; the counts stay. How many entries were forgotten.
    ///
    /// # Errors
    /// A database error.
    pub async fn forget_customers_before(&self, day: i64) -> Result<u64, ControlError> {
        let gone = sqlx::query("DELETE FROM usage_customers WHERE day < ?").bind(day).execute(&self.pool).await?;
        Ok(gone.rows_affected())
    }
}
