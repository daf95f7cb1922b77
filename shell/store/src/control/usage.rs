//! How much each application asked, by day (T2: "limit and track use per application"; T3): calls, and distinct customers.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sqlx::Row;
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

/// What one call put on the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// What is used then.
    pub used: Used,
    /// The customers that were not on the day's account before.
    pub fresh: BTreeSet<[u8; 32]>,
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
        let distinct_today = count(row, "customers")?.saturating_sub(count(row, "given_back")?);
        Ok(Self { calls_today: count(row, "calls")?, distinct_today })
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
        Ok(self.reserve(app, day, customers, u64::MAX).await?.used)
    }

    /// The same, but nothing is kept where the day's customers would be more than `distinct_max`: what is refused costs nothing.
    /// What is returned is what would have been used then.
    ///
    /// # Errors
    /// As [`Control::track`].
    pub async fn reserve(
        &self,
        app: &str,
        day: i64,
        customers: &[[u8; 32]],
        distinct_max: u64,
    ) -> Result<Reservation, ControlError> {
        check_text("application's name", app)?;
        let list = as_list(customers)?;
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(
            "INSERT INTO usage_customers (app, day, customer) SELECT ?1, ?2, unhex(value) FROM json_each(?3) WHERE true \
             ON CONFLICT DO NOTHING RETURNING customer",
        )
        .bind(app)
        .bind(day)
        .bind(list)
        .fetch_all(&mut *transaction)
        .await?;
        let fresh: BTreeSet<[u8; 32]> = rows.iter().map(hash_of).collect::<Result<_, _>>()?;
        let row = sqlx::query(
            "INSERT INTO usage_days (app, day, calls, customers) VALUES (?, ?, 1, ?) ON CONFLICT (app, day) \
             DO UPDATE SET calls = calls + 1, customers = customers + excluded.customers RETURNING calls, customers, given_back",
        )
        .bind(app)
        .bind(day)
        .bind(super::row::as_sql("customers", fresh.len() as u64)?)
        .fetch_one(&mut *transaction)
        .await?;
        let used = Used::from_row(&row)?;
        if used.distinct_today > distinct_max {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
        Ok(Reservation { used, fresh })
    }

    /// Takes customers off the day's account again; how many. All of them or, where the day would have given back more than
    /// `given_back_max`, none: who is refused on purpose, to learn what is refused, pays from then on. The call stays counted.
    ///
    /// # Errors
    /// As [`Control::track`].
    pub async fn give_back(&self, app: &str, day: i64, customers: &[[u8; 32]], given_back_max: u64) -> Result<u64, ControlError> {
        let list = as_list(customers)?;
        let mut transaction = self.begin().await?;
        let gone = sqlx::query(
            "DELETE FROM usage_customers WHERE app = ?1 AND day = ?2 AND customer IN (SELECT unhex(value) FROM json_each(?3))",
        )
        .bind(app)
        .bind(day)
        .bind(list)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        let counted = sqlx::query(
            "UPDATE usage_days SET given_back = given_back + ?1 WHERE app = ?2 AND day = ?3 AND given_back + ?1 <= ?4",
        )
        .bind(super::row::as_sql("customers", gone)?)
        .bind(app)
        .bind(day)
        .bind(i64::try_from(given_back_max).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
        if counted.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(0);
        }
        transaction.commit().await?;
        Ok(gone)
    }

    /// What an application has used on a day.
    ///
    /// # Errors
    /// A database error.
    pub async fn usage(&self, app: &str, day: i64) -> Result<Used, ControlError> {
        let query = sqlx::query("SELECT calls, customers, given_back FROM usage_days WHERE app = ? AND day = ?");
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

fn hash_of(row: &SqliteRow) -> Result<[u8; 32], ControlError> {
    let bytes: Vec<u8> = row.try_get("customer")?;
    bytes.try_into().map_err(|_| ControlError::Corrupt("a customer's hash has another length than 32 bytes".to_owned()))
}

/// One text for all customers, as each statement is a turn of the database's thread.
fn as_list(customers: &[[u8; 32]]) -> Result<String, ControlError> {
    if customers.len() > CUSTOMERS_PER_CALL_MAX {
        let limit = u64::try_from(CUSTOMERS_PER_CALL_MAX).unwrap_or(u64::MAX);
        return Err(ControlError::Limit { what: "customers of one call", limit });
    }
    Ok(format!("[{}]", customers.iter().map(|hash| format!("\"{}\"", HEXLOWER.encode(hash))).collect::<Vec<_>>().join(",")))
}
