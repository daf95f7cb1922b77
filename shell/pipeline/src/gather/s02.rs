//! Facts of a write to the data source.

use arrow_array::RecordBatch;
use artifact::Content;
use gate::{Cleared, RulingOutcome, Subject, Witness};
use identity::{Action, Component};
use s02_source::{Facts, Writer};
use store::table::{AppendInfo, Table, Version};

use crate::access::component_may;
use crate::desk::now;
use crate::evidence::LogWitness;
use crate::run::Run;
use crate::{PipelineError, access};

impl Run<'_> {
    /// `content` is what s01 let through, for third-party rows.
    pub(crate) fn source_facts(
        &self,
        table: &str,
        columns: Vec<String>,
        content: Option<&Cleared<Content>>,
    ) -> Result<Facts, PipelineError> {
        let component = Component::SourceWriter;
        let rules = access::rules(&self.desk.project)?;
        let session = &self.session;
        let writer = Writer {
            component: component.as_str().to_owned(),
            may_write: component_may(&rules, component, Action::WriteSource, session.second_factor_at),
            person: session.person.clone(),
            amr: session.amr.iter().map(|factor| factor.as_str().to_owned()).collect(),
            authenticated_at: session.second_factor_at.unwrap_or(session.auth_time),
        };
        let dir = self.desk.project.path("source").join(table);
        let (mut contents_present, mut log_violations) = (Vec::new(), Vec::new());
        if dir.is_dir() {
            let found = Table::check_folder(&dir).map_err(|error| PipelineError::broken(error.to_string()))?;
            log_violations = found.iter().map(ToString::to_string).collect();
            if log_violations.is_empty() {
                let table = Table::open(&dir).map_err(|error| PipelineError::broken(error.to_string()))?;
                let history = table.history().map_err(|error| PipelineError::broken(error.to_string()))?;
                contents_present = history.into_iter().filter_map(|commit| commit.content).collect();
            }
        }
        Ok(Facts {
            now: now(),
            writer: Some(writer),
            session_seconds_max: self.desk.project.policy.secrets.session_hours.saturating_mul(3600),
            cleared_content: content.map(|content| self.cleared_content(content)).transpose()?.flatten(),
            connectors_allowed: self.desk.project.policy.source.connectors.clone(),
            columns_allowed: columns,
            contents_present,
            log_violations,
            database: None,
        })
    }

    /// What s01 let through, as the log proves it: the batch must be the one under the logged ruling.
    fn cleared_content(&self, content: &Cleared<Content>) -> Result<Option<(gate::Digest, u64)>, PipelineError> {
        let keys = self.desk.statement_keys();
        let witness = LogWitness { reader: &self.desk.reader, keys: &keys };
        let ruling = witness.ruling(content.receipt())?;
        let batch = content.subject();
        let proved = ruling.outcome == RulingOutcome::Cleared && ruling.cleared == Some(batch.digest());
        Ok(proved.then(|| (batch.content, batch.rows_clean())))
    }

    /// Appends rows that s02 let through; what was not cleared does not fit the parameter.
    pub(crate) fn append_table(
        &self,
        cleared: &Cleared<artifact::Source>,
        rows: &[RecordBatch],
    ) -> Result<Version, PipelineError> {
        let append = cleared.subject();
        let internal = |error: store::table::TableError| PipelineError::broken(error.to_string());
        let Some(first) = rows.first() else {
            return Err(PipelineError::Internal("nothing to append".into()));
        };
        store::disk::make_folder(&self.desk.project.path("source"))?;
        let dir = self.desk.project.path("source").join(&append.table);
        let now_ms = now().saturating_mul(1000);
        let mut table = Table::open_or_create(&dir, &append.table, first.schema_ref(), now_ms).map_err(internal)?;
        let origin = serde_json::to_string(&append.origin).map_err(PipelineError::internal)?;
        let info = AppendInfo { content: append.content, receipt: cleared.receipt().id.clone(), origin, now_ms };
        table.append(rows, info).map_err(internal)
    }
}
