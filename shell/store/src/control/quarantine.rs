//! What people proposed for rows in quarantine, and who signed it (T1, T6).

use gate::Digest;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use super::row::{FromRow, all, check_text, count, digest, moment, text, word, words};
use super::{Control, ControlError};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecisionKind {
    /// Somebody proposed it.
    Proposal,
    /// Somebody signed it.
    Approval,
}

words!(DecisionKind: Proposal = "proposal", Approval = "approval");

/// A proposal, or the signature under one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineDecision {
    /// Which of the two.
    pub kind: DecisionKind,
    /// Digest of what was proposed.
    pub content: Digest,
    /// Who.
    pub person: String,
    /// The evidence that proves it.
    pub evidence: String,
    /// Unix milliseconds.
    pub at_ms: i64,
}

impl FromRow for (u64, QuarantineDecision) {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        let what = QuarantineDecision {
            kind: word(row, "kind", DecisionKind::from_word)?,
            content: digest(row, "content")?,
            person: text(row, "person")?,
            evidence: text(row, "evidence")?,
            at_ms: moment(row, "at_ms")?,
        };
        Ok((count(row, "seq")?, what))
    }
}

impl Control {
    /// Writes a proposal or a signature down.
    ///
    /// # Errors
    /// [`ControlError::Exists`] where it is there already, [`ControlError::Text`], a database error.
    pub async fn add_quarantine_decision(&self, new: &QuarantineDecision) -> Result<(), ControlError> {
        check_text("person's name", &new.person)?;
        check_text("evidence", &new.evidence)?;
        let content = new.content.to_string();
        let mut transaction = self.begin().await?;
        let known = sqlx::query("SELECT 1 FROM quarantine_decisions WHERE kind = ? AND content = ?");
        if known.bind(new.kind.word()).bind(&content).fetch_optional(&mut *transaction).await?.is_some() {
            return Err(ControlError::Exists { what: "decision", name: new.content.short() });
        }
        sqlx::query(
            "INSERT INTO quarantine_decisions (seq, kind, content, person, evidence, at_ms) \
             SELECT coalesce(max(seq), 0) + 1, ?, ?, ?, ?, ? FROM quarantine_decisions",
        )
        .bind(new.kind.word())
        .bind(content)
        .bind(&new.person)
        .bind(&new.evidence)
        .bind(new.at_ms)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Every proposal and every signature with its number, oldest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn quarantine_decisions(&self) -> Result<Vec<(u64, QuarantineDecision)>, ControlError> {
        all(&sqlx::query("SELECT * FROM quarantine_decisions ORDER BY seq").fetch_all(&self.pool).await?)
    }
}
