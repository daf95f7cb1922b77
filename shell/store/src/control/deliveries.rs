//! What suppliers delivered and what became of it (T1), and which held deliveries people have accepted.

use gate::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::row::{FromRow, all, as_sql, check_text, count, digest, json_or_none, moment, text, to_json, word, words};
use super::{Control, ControlError, LIST_ROWS_MAX};

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryOutcome {
    /// It came in.
    Cleared,
    /// It waits for people.
    Held,
    /// It did not.
    Refused,
}

words!(DeliveryOutcome: Cleared = "cleared", Held = "held", Refused = "refused");

/// A delivery to write down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDelivery {
    /// The feed's name.
    pub feed: String,
    /// Who delivered.
    pub supplier: String,
    /// Digest of the bytes.
    pub content: Digest,
    /// The supplier's number.
    pub sequence: u64,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// Rows in it.
    pub rows: u64,
    /// Rows of it that wait for people.
    pub rows_held: u64,
    /// The receipt, if it came in.
    pub receipt: Option<Value>,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// 1, 2, 3 ...
    pub seq: u64,
    /// What was delivered.
    #[serde(flatten)]
    pub what: NewDelivery,
}

/// A person's acceptance of a held delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The feed's name.
    pub feed: String,
    /// Digest of the delivery's bytes.
    pub content: Digest,
    /// Who accepted.
    pub person: String,
    /// The evidence that proves it.
    pub evidence: String,
    /// Unix milliseconds.
    pub at_ms: i64,
}

impl FromRow for Delivery {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        let what = NewDelivery {
            feed: text(row, "feed")?,
            supplier: text(row, "supplier")?,
            content: digest(row, "content")?,
            sequence: count(row, "sequence")?,
            outcome: word(row, "outcome", DeliveryOutcome::from_word)?,
            rows: count(row, "rows")?,
            rows_held: count(row, "rows_held")?,
            receipt: json_or_none(row, "receipt")?,
            at_ms: moment(row, "at_ms")?,
        };
        Ok(Self { seq: count(row, "seq")?, what })
    }
}

impl FromRow for Acceptance {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        Ok(Self {
            feed: text(row, "feed")?,
            content: digest(row, "content")?,
            person: text(row, "person")?,
            evidence: text(row, "evidence")?,
            at_ms: moment(row, "at_ms")?,
        })
    }
}

impl Control {
    /// Writes a delivery down.
    ///
    /// # Errors
    /// [`ControlError::Text`], [`ControlError::Limit`], a database error.
    pub async fn add_delivery(&self, new: &NewDelivery) -> Result<Delivery, ControlError> {
        check_text("feed's name", &new.feed)?;
        check_text("supplier's name", &new.supplier)?;
        let receipt = new.receipt.as_ref().map(|value| to_json("receipt", value)).transpose()?;
        let mut transaction = self.begin().await?;
        let row = sqlx::query(
            "INSERT INTO deliveries (seq, feed, supplier, content, sequence, outcome, rows, rows_held, receipt, at_ms) \
             SELECT coalesce(max(seq), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM deliveries RETURNING *",
        )
        .bind(&new.feed)
        .bind(&new.supplier)
        .bind(new.content.to_string())
        .bind(as_sql("sequence", new.sequence)?)
        .bind(new.outcome.word())
        .bind(as_sql("rows", new.rows)?)
        .bind(as_sql("rows", new.rows_held)?)
        .bind(receipt)
        .bind(new.at_ms)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Delivery::from_row(&row)
    }

    /// The deliveries of a feed, newest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn deliveries(&self, feed: &str) -> Result<Vec<Delivery>, ControlError> {
        let query = sqlx::query("SELECT * FROM deliveries WHERE feed = ? ORDER BY seq DESC LIMIT ?");
        all(&query.bind(feed).bind(LIST_ROWS_MAX).fetch_all(&self.pool).await?)
    }

    /// Every delivery of every feed, oldest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn all_deliveries(&self) -> Result<Vec<Delivery>, ControlError> {
        all(&sqlx::query("SELECT * FROM deliveries ORDER BY seq").fetch_all(&self.pool).await?)
    }

    /// Every acceptance, oldest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn all_acceptances(&self) -> Result<Vec<Acceptance>, ControlError> {
        all(&sqlx::query("SELECT * FROM acceptances ORDER BY seq").fetch_all(&self.pool).await?)
    }

    /// Writes down that a person accepts a delivery that was held.
    ///
    /// # Errors
    /// [`ControlError::Exists`] when the person has accepted it already, [`ControlError::Text`], a database error.
    pub async fn accept_delivery(&self, acceptance: &Acceptance) -> Result<(), ControlError> {
        check_text("feed's name", &acceptance.feed)?;
        check_text("person's name", &acceptance.person)?;
        check_text("evidence", &acceptance.evidence)?;
        let content = acceptance.content.to_string();
        let mut transaction = self.begin().await?;
        let known = sqlx::query("SELECT 1 FROM acceptances WHERE feed = ? AND content = ? AND person = ?");
        let known = known.bind(&acceptance.feed).bind(&content).bind(&acceptance.person);
        if known.fetch_optional(&mut *transaction).await?.is_some() {
            return Err(ControlError::Exists { what: "acceptance of", name: acceptance.person.clone() });
        }
        sqlx::query(
            "INSERT INTO acceptances (seq, feed, content, person, evidence, at_ms) \
             SELECT coalesce(max(seq), 0) + 1, ?, ?, ?, ?, ? FROM acceptances",
        )
        .bind(&acceptance.feed)
        .bind(content)
        .bind(&acceptance.person)
        .bind(&acceptance.evidence)
        .bind(acceptance.at_ms)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Who accepted a delivery of a feed, oldest first; empty if nobody did.
    ///
    /// # Errors
    /// A database error.
    pub async fn acceptances(&self, feed: &str, content: &Digest) -> Result<Vec<Acceptance>, ControlError> {
        let query = sqlx::query("SELECT * FROM acceptances WHERE feed = ? AND content = ? ORDER BY seq LIMIT ?");
        all(&query.bind(feed).bind(content.to_string()).bind(LIST_ROWS_MAX).fetch_all(&self.pool).await?)
    }
}
