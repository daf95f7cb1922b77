//! Which model serves, and which did (T4, T7): a rollback is a further entry, never the removal of one.

use gate::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::row::{FromRow, all, check_text, count, digest, json, moment, parse_digest, text, text_or_none, to_json, word, words};
use super::{Control, ControlError, LIST_ROWS_MAX};

/// Forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentKind {
    /// A model that was released.
    Deploy,
    /// One that had served before.
    Rollback,
}

words!(DeploymentKind: Deploy = "deploy", Rollback = "rollback");

/// A deployment to write down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDeployment {
    /// Digest of the model's bytes.
    pub model: Digest,
    /// The receipt of its release.
    pub receipt: Value,
    /// Forward or back.
    pub kind: DeploymentKind,
    /// Who did it.
    pub by: String,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// 1, 2, 3 ...
    pub seq: u64,
    /// The model that served until then.
    pub previous: Option<Digest>,
    /// What was deployed.
    #[serde(flatten)]
    pub what: NewDeployment,
}

impl FromRow for Deployment {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        let what = NewDeployment {
            model: digest(row, "model")?,
            receipt: json(row, "receipt")?,
            kind: word(row, "kind", DeploymentKind::from_word)?,
            by: text(row, "by")?,
            at_ms: moment(row, "at_ms")?,
        };
        let previous = text_or_none(row, "previous")?.map(|text| parse_digest(&text)).transpose()?;
        Ok(Self { seq: count(row, "seq")?, previous, what })
    }
}

impl Control {
    /// Writes a deployment down: from now on its model is the current one. The previous one is filled in.
    ///
    /// # Errors
    /// [`ControlError::NeverDeployed`] for a rollback to a model that never served, [`ControlError::Text`], [`ControlError::Limit`],
    /// a database error.
    pub async fn deploy(&self, new: &NewDeployment) -> Result<Deployment, ControlError> {
        check_text("name of who deploys", &new.by)?;
        let receipt = to_json("receipt", &new.receipt)?;
        let model = new.model.to_string();
        let mut transaction = self.begin().await?;
        if new.kind == DeploymentKind::Rollback {
            let known = sqlx::query("SELECT 1 FROM deployments WHERE model = ?").bind(&model).fetch_optional(&mut *transaction);
            if known.await?.is_none() {
                return Err(ControlError::NeverDeployed(new.model));
            }
        }
        let row = sqlx::query(
            "INSERT INTO deployments (seq, model, receipt, previous, kind, by, at_ms) SELECT coalesce(max(seq), 0) + 1, ?, ?, \
             (SELECT model FROM deployments ORDER BY seq DESC LIMIT 1), ?, ?, ? FROM deployments RETURNING *",
        )
        .bind(model)
        .bind(receipt)
        .bind(new.kind.word())
        .bind(&new.by)
        .bind(new.at_ms)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Deployment::from_row(&row)
    }

    /// The newest deployment: the model that serves.
    ///
    /// # Errors
    /// A database error.
    pub async fn current_deployment(&self) -> Result<Option<Deployment>, ControlError> {
        let row = sqlx::query("SELECT * FROM deployments ORDER BY seq DESC LIMIT 1").fetch_optional(&self.pool).await?;
        row.as_ref().map(Deployment::from_row).transpose()
    }

    /// Deployments, newest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn deployments(&self) -> Result<Vec<Deployment>, ControlError> {
        let rows =
            sqlx::query("SELECT * FROM deployments ORDER BY seq DESC LIMIT ?").bind(LIST_ROWS_MAX).fetch_all(&self.pool).await?;
        all(&rows)
    }
}
