//! The shell's half of the ledger trait: archive what was judged, sign what was ruled, append it, and only then say that it was decided.

use gate::{Archived, Digest, Ledger, LedgerError, Receipt, Ruling, RulingOutcome, Tray};
use ledger::Bundle;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statement::{Links, StaywardPart, provenance, summary};
use crate::PipelineError;
use crate::desk::{Desk, now, random_hex};

/// Subjects and facts of one statement, as they stand in the archive. The salt keeps the digest from telling the content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ArchiveFile {
    pub(crate) salt: String,
    /// One per ruling, in order: subject and facts.
    pub(crate) judged: Vec<(Value, Value)>,
}

/// Records rulings of one step.
pub struct Recorder<'a> {
    desk: &'a Desk,
    links: Links,
    name: String,
    /// The last ruling that was recorded.
    pub last: Option<Ruling>,
}

/// The entry of an answered (or refused) request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The sealed receipt.
    pub receipt: Receipt,
}

impl<'a> Recorder<'a> {
    /// `name` says what is judged, for people: `feed market`, `labels v2`.
    pub fn new(desk: &'a Desk, name: &str, links: Links) -> Self {
        Self { desk, links, name: name.to_owned(), last: None }
    }
}

impl Ledger for Recorder<'_> {
    fn record(&mut self, ruling: Ruling, archived: Archived) -> Result<Receipt, LedgerError> {
        let refuse = |error: PipelineError| LedgerError(error.to_string());
        let passed = ruling.outcome == RulingOutcome::Cleared;
        let resource = format!("{}/{}", ruling.step, self.name);
        let archive = archive(&[(ruling.clone(), archived)]).map_err(refuse)?;
        let archive = self.desk.objects.put_json(&archive).map_err(|error| refuse(error.into()))?;
        let subject = ruling.cleared.unwrap_or(ruling.subject);
        self.last = Some(ruling.clone());
        let part = StaywardPart {
            rulings: vec![ruling],
            archive: Some(archive),
            artefacts: self.links.artefacts.clone(),
            ..StaywardPart::default()
        };
        let statement = summary(&self.desk.project, ("ruling", resource, subject), passed, part, &self.links.parents, now());
        let bundle = statement.and_then(|statement| self.desk.sign(&statement)).map_err(refuse)?;
        let appended = self.desk.log.append(&bundle).map_err(|error| LedgerError(error.to_string()))?;
        Ok(receipt(&appended))
    }
}

pub(super) fn receipt(appended: &store::log::Appended) -> Receipt {
    Receipt { id: appended.id.to_string(), statement: appended.digest, index: Some(appended.index) }
}

fn archive(judged: &[(Ruling, Archived)]) -> Result<ArchiveFile, PipelineError> {
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(PipelineError::internal);
    let judged: Result<Vec<(Value, Value)>, PipelineError> =
        judged.iter().map(|(_, archived)| Ok((parse(&archived.subject)?, parse(&archived.facts)?))).collect();
    Ok(ArchiveFile { salt: random_hex(16)?, judged: judged? })
}

impl Desk {
    pub(crate) fn sign(&self, statement: &ledger::Statement) -> Result<Bundle, PipelineError> {
        Bundle::sign(statement, &self.signer).map_err(PipelineError::internal)
    }

    /// Signs a model directory in OpenSSF Model Signing form; the bundle's bytes.
    pub(crate) fn sign_model(
        &self,
        name: &str,
        files: &ledger::modelsig::ModelFiles,
        extra: &serde_json::Map<String, Value>,
    ) -> Result<Vec<u8>, PipelineError> {
        let bundle = ledger::modelsig::sign(name, files, extra, &self.signer).map_err(PipelineError::internal)?;
        bundle.to_canonical_json().map_err(PipelineError::internal)
    }

    /// Signs and appends the provenance of something that was made.
    pub fn record_made(
        &self,
        (kind, name, digest): (&str, &str, Digest),
        parameters: serde_json::Map<String, Value>,
        links: &Links,
        run: &str,
        started: i64,
    ) -> Result<Receipt, PipelineError> {
        let statement = provenance((kind, name, digest), parameters, links, None, (run, started, now()))?;
        let appended = self.log.append(&self.sign(&statement)?)?;
        Ok(receipt(&appended))
    }

    /// Seals the rulings of one request as one statement; resolves when statement and archive are durable, for which requests that
    /// come together wait together. The request's random id is not in the statement: it salts the digests of query and answer, and
    /// stands only in the archive.
    pub async fn seal_request(&self, tray: Tray, parents: &[Receipt]) -> Result<Answered, PipelineError> {
        let Some((last, _)) = tray.rulings.last() else {
            return Err(PipelineError::Internal("a request without a ruling".into()));
        };
        let passed = tray.rulings.iter().all(|(ruling, _)| ruling.outcome == RulingOutcome::Cleared);
        let subject = last.cleared.unwrap_or(last.subject);
        let archive = self.objects.put_json_aside(&archive(&tray.rulings)?)?;
        let rulings = tray.rulings.into_iter().map(|(ruling, _)| ruling).collect();
        let part = StaywardPart { rulings, archive: Some(archive.digest()), ..StaywardPart::default() };
        let kind = if passed { "answer" } else { "refusal" };
        let statement = summary(&self.project, (kind, kind.to_owned(), subject), passed, part, parents, now())?;
        let appended = self.log.append_beside(&self.sign(&statement)?, archive).await?;
        Ok(Answered { receipt: receipt(&appended) })
    }
}
