//! Versions of the labels and who signed them off (T6): nobody counts twice, and nothing is taken back unseen.

use gate::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::row::{FromRow, all, as_sql, check_text, count, digest, json, moment, text, to_json};
use super::{Control, ControlError, LIST_ROWS_MAX};

/// A version of the labels to write down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewLabelVersion {
    /// Digest of the label set.
    pub content: Digest,
    /// Who wrote it.
    pub author: String,
    /// Labels in it.
    pub rows: u64,
    /// Labels that say churned; at most `rows`.
    pub positives: u64,
    /// The receipt that let it in.
    pub receipt: Value,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// A version of the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelVersion {
    /// 1, 2, 3 ...
    pub version: u64,
    /// What is in it.
    #[serde(flatten)]
    pub what: NewLabelVersion,
}

/// A sign-off to write down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewApproval {
    /// Digest of what is signed off.
    pub content: Digest,
    /// Who signs.
    pub person: String,
    /// That person's team.
    pub team: String,
    /// How the person had logged in (RFC 8176, for instance `["pwd", "otp"]`).
    pub amr: Vec<String>,
    /// The ledger's entry.
    pub evidence: String,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// A sign-off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// 1, 2, 3 ...
    pub seq: u64,
    /// Of what, by whom.
    #[serde(flatten)]
    pub what: NewApproval,
}

impl FromRow for LabelVersion {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        let what = NewLabelVersion {
            content: digest(row, "content")?,
            author: text(row, "author")?,
            rows: count(row, "rows")?,
            positives: count(row, "positives")?,
            receipt: json(row, "receipt")?,
            at_ms: moment(row, "at_ms")?,
        };
        Ok(Self { version: count(row, "version")?, what })
    }
}

impl FromRow for Approval {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        let what = NewApproval {
            content: digest(row, "content")?,
            person: text(row, "person")?,
            team: text(row, "team")?,
            amr: serde_json::from_str(&text(row, "amr")?).map_err(|error| ControlError::Corrupt(error.to_string()))?,
            evidence: text(row, "evidence")?,
            at_ms: moment(row, "at_ms")?,
        };
        Ok(Self { seq: count(row, "seq")?, what })
    }
}

impl Control {
    /// Writes a version of the labels down and numbers it.
    ///
    /// # Errors
    /// [`ControlError::Text`], [`ControlError::Limit`], a database error.
    pub async fn add_label_version(&self, new: &NewLabelVersion) -> Result<LabelVersion, ControlError> {
        check_text("author's name", &new.author)?;
        if new.positives > new.rows {
            return Err(ControlError::Limit { what: "positive labels", limit: new.rows });
        }
        let receipt = to_json("receipt", &new.receipt)?;
        let mut transaction = self.begin().await?;
        let row = sqlx::query(
            "INSERT INTO label_versions (version, content, author, rows, positives, receipt, at_ms) \
             SELECT coalesce(max(version), 0) + 1, ?, ?, ?, ?, ?, ? FROM label_versions RETURNING *",
        )
        .bind(new.content.to_string())
        .bind(&new.author)
        .bind(as_sql("rows", new.rows)?)
        .bind(as_sql("rows", new.positives)?)
        .bind(receipt)
        .bind(new.at_ms)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        LabelVersion::from_row(&row)
    }

    /// The newest version of the labels.
    ///
    /// # Errors
    /// A database error.
    pub async fn latest_label_version(&self) -> Result<Option<LabelVersion>, ControlError> {
        let row = sqlx::query("SELECT * FROM label_versions ORDER BY version DESC LIMIT 1").fetch_optional(&self.pool).await?;
        row.as_ref().map(LabelVersion::from_row).transpose()
    }

    /// The versions of the labels, newest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn label_versions(&self) -> Result<Vec<LabelVersion>, ControlError> {
        let query = sqlx::query("SELECT * FROM label_versions ORDER BY version DESC LIMIT ?");
        all(&query.bind(LIST_ROWS_MAX).fetch_all(&self.pool).await?)
    }

    /// Writes a sign-off down.
    ///
    /// # Errors
    /// [`ControlError::Exists`] when the person has signed this already, [`ControlError::Text`], [`ControlError::Limit`], a database
    /// error.
    pub async fn add_approval(&self, new: &NewApproval) -> Result<Approval, ControlError> {
        check_text("person's name", &new.person)?;
        check_text("team's name", &new.team)?;
        check_text("evidence", &new.evidence)?;
        let amr = to_json("authentication methods", &Value::from(new.amr.clone()))?;
        let content = new.content.to_string();
        let mut transaction = self.begin().await?;
        let known = sqlx::query("SELECT 1 FROM approvals WHERE content = ? AND person = ?").bind(&content).bind(&new.person);
        if known.fetch_optional(&mut *transaction).await?.is_some() {
            return Err(ControlError::Exists { what: "approval of", name: new.person.clone() });
        }
        let row = sqlx::query(
            "INSERT INTO approvals (seq, content, person, team, amr, evidence, at_ms) \
             SELECT coalesce(max(seq), 0) + 1, ?, ?, ?, ?, ?, ? FROM approvals RETURNING *",
        )
        .bind(content)
        .bind(&new.person)
        .bind(&new.team)
        .bind(amr)
        .bind(&new.evidence)
        .bind(new.at_ms)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Approval::from_row(&row)
    }

    /// Every signature, oldest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn all_approvals(&self) -> Result<Vec<Approval>, ControlError> {
        all(&sqlx::query("SELECT * FROM approvals ORDER BY seq").fetch_all(&self.pool).await?)
    }

    /// Who signed some content off, oldest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn approvals(&self, content: &Digest) -> Result<Vec<Approval>, ControlError> {
        let query = sqlx::query("SELECT * FROM approvals WHERE content = ? ORDER BY seq LIMIT ?");
        all(&query.bind(content.to_string()).bind(LIST_ROWS_MAX).fetch_all(&self.pool).await?)
    }
}
