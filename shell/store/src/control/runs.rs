//! Runs of the pipeline and their steps (T1, T4): a run ends once, its steps are written down as they happen and stay.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::row::{FromRow, all, as_sql, check_text, count, json_or_none, moment, text, text_or_none, to_json, word, words};
use super::{Control, ControlError, LIST_ROWS_MAX};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It has not ended.
    Running,
    /// It came to its end.
    Done,
    /// A gate refused.
    Refused,
    /// It waits for people.
    Held,
    /// It broke.
    Failed,
    /// The program died meanwhile.
    Interrupted,
}

words!(RunState: Running = "running", Done = "done", Refused = "refused", Held = "held", Failed = "failed",
    Interrupted = "interrupted");

/// How a step of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// All its gates passed.
    Passed,
    /// It waits for people.
    Held,
    /// A gate refused.
    Refused,
    /// It broke.
    Failed,
    /// There was nothing to do.
    Skipped,
}

words!(StepState: Passed = "passed", Held = "held", Refused = "refused", Failed = "failed", Skipped = "skipped");

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name, given by the caller.
    pub id: String,
    /// Unix milliseconds.
    pub started_ms: i64,
    /// Unix milliseconds; none while it runs.
    pub finished_ms: Option<i64>,
    /// How far it is.
    pub state: RunState,
    /// What came of it.
    pub summary: Option<Value>,
}

/// A step to write down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewRunStep {
    /// Which step, for instance `s01-intake`.
    pub step: String,
    /// How it ended.
    pub state: StepState,
    /// Unix milliseconds.
    pub started_ms: i64,
    /// Unix milliseconds.
    pub ended_ms: i64,
    /// Rows that came.
    pub rows_in: u64,
    /// Rows that went on.
    pub rows_out: u64,
    /// Rows that wait for people.
    pub rows_quarantined: u64,
    /// The ledger's entry.
    pub evidence: Option<String>,
    /// Why it was held or refused.
    pub finding: Option<Value>,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStep {
    /// Its run.
    pub run: String,
    /// 1, 2, 3 ... within the run.
    pub ordinal: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: NewRunStep,
}

impl FromRow for Run {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        Ok(Self {
            id: text(row, "id")?,
            started_ms: moment(row, "started_ms")?,
            finished_ms: sqlx::Row::try_get(row, "finished_ms")?,
            state: word(row, "state", RunState::from_word)?,
            summary: json_or_none(row, "summary")?,
        })
    }
}

impl FromRow for RunStep {
    fn from_row(row: &SqliteRow) -> Result<Self, ControlError> {
        let what = NewRunStep {
            step: text(row, "step")?,
            state: word(row, "state", StepState::from_word)?,
            started_ms: moment(row, "started_ms")?,
            ended_ms: moment(row, "ended_ms")?,
            rows_in: count(row, "rows_in")?,
            rows_out: count(row, "rows_out")?,
            rows_quarantined: count(row, "rows_quarantined")?,
            evidence: text_or_none(row, "evidence")?,
            finding: json_or_none(row, "finding")?,
        };
        Ok(Self { run: text(row, "run")?, ordinal: count(row, "ordinal")?, what })
    }
}

impl Control {
    /// Begins a run.
    ///
    /// # Errors
    /// [`ControlError::Exists`], [`ControlError::Text`], a database error.
    pub async fn start_run(&self, id: &str, started_ms: i64) -> Result<(), ControlError> {
        check_text("run's name", id)?;
        let mut transaction = self.begin().await?;
        if sqlx::query("SELECT 1 FROM runs WHERE id = ?").bind(id).fetch_optional(&mut *transaction).await?.is_some() {
            return Err(ControlError::Exists { what: "run", name: id.to_owned() });
        }
        sqlx::query("INSERT INTO runs (seq, id, started_ms, state) SELECT coalesce(max(seq), 0) + 1, ?, ?, 'running' FROM runs")
            .bind(id)
            .bind(started_ms)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Ends a run, once. `state` must not be [`RunState::Running`].
    ///
    /// # Errors
    /// [`ControlError::Missing`], [`ControlError::Ended`], [`ControlError::NoEnd`], [`ControlError::Limit`], a database error.
    pub async fn finish_run(
        &self,
        id: &str,
        state: RunState,
        finished_ms: i64,
        summary: Option<&Value>,
    ) -> Result<(), ControlError> {
        if state == RunState::Running {
            return Err(ControlError::NoEnd);
        }
        let summary = summary.map(|value| to_json("summary", value)).transpose()?;
        let mut transaction = self.begin().await?;
        match state_of(&mut transaction, id).await? {
            RunState::Running => {}
            RunState::Done | RunState::Refused | RunState::Held | RunState::Failed | RunState::Interrupted => {
                return Err(ControlError::Ended(id.to_owned()));
            }
        }
        sqlx::query("UPDATE runs SET state = ?, finished_ms = ?, summary = ? WHERE id = ?")
            .bind(state.word())
            .bind(finished_ms)
            .bind(summary)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The newest runs, newest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn list_runs(&self, limit: i64) -> Result<Vec<Run>, ControlError> {
        let rows = sqlx::query("SELECT * FROM runs ORDER BY seq DESC LIMIT ?")
            .bind(limit.clamp(0, LIST_ROWS_MAX))
            .fetch_all(&self.pool)
            .await?;
        all(&rows)
    }

    /// One run, if there is one of that name.
    ///
    /// # Errors
    /// A database error.
    pub async fn run(&self, id: &str) -> Result<Option<Run>, ControlError> {
        let row = sqlx::query("SELECT * FROM runs WHERE id = ?").bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(Run::from_row).transpose()
    }

    /// At the program's start: runs that say they run are of a program that died. They become [`RunState::Interrupted`]; their names,
    /// oldest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn recover_runs(&self, now_ms: i64) -> Result<Vec<String>, ControlError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query("SELECT id FROM runs WHERE state = 'running' ORDER BY seq").fetch_all(&mut *transaction).await?;
        sqlx::query("UPDATE runs SET state = 'interrupted', finished_ms = ? WHERE state = 'running'")
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        rows.iter().map(|row| text(row, "id")).collect()
    }

    /// Writes a step down; its ordinal.
    ///
    /// # Errors
    /// [`ControlError::Missing`] or [`ControlError::Ended`] for the run, [`ControlError::Text`], [`ControlError::Limit`], a database error.
    pub async fn add_step(&self, run: &str, step: &NewRunStep) -> Result<u64, ControlError> {
        check_text("step's name", &step.step)?;
        let finding = step.finding.as_ref().map(|value| to_json("finding", value)).transpose()?;
        let mut transaction = self.begin().await?;
        if state_of(&mut transaction, run).await? != RunState::Running {
            return Err(ControlError::Ended(run.to_owned()));
        }
        let row = sqlx::query(
            "INSERT INTO run_steps (run, ordinal, step, state, started_ms, ended_ms, rows_in, rows_out, rows_quarantined, evidence, \
             finding) SELECT ?1, coalesce(max(ordinal), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM run_steps WHERE run = ?1 \
             RETURNING ordinal",
        )
        .bind(run)
        .bind(&step.step)
        .bind(step.state.word())
        .bind(step.started_ms)
        .bind(step.ended_ms)
        .bind(as_sql("rows", step.rows_in)?)
        .bind(as_sql("rows", step.rows_out)?)
        .bind(as_sql("rows", step.rows_quarantined)?)
        .bind(&step.evidence)
        .bind(finding)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        count(&row, "ordinal")
    }

    /// The steps of a run, in order.
    ///
    /// # Errors
    /// A database error.
    pub async fn steps(&self, run: &str) -> Result<Vec<RunStep>, ControlError> {
        let rows = sqlx::query("SELECT * FROM run_steps WHERE run = ? ORDER BY ordinal LIMIT ?")
            .bind(run)
            .bind(LIST_ROWS_MAX)
            .fetch_all(&self.pool)
            .await?;
        all(&rows)
    }
}

async fn state_of(connection: &mut sqlx::SqliteConnection, run: &str) -> Result<RunState, ControlError> {
    let row = sqlx::query("SELECT state FROM runs WHERE id = ?").bind(run).fetch_optional(connection).await?;
    let row = row.ok_or_else(|| ControlError::Missing { what: "run", name: run.to_owned() })?;
    word(&row, "state", RunState::from_word)
}
