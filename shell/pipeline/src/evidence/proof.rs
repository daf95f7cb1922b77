//! What the log proves of an earlier step (T1, T4, T6): the subject that was cleared, as it was archived, not as a database says.

use gate::{Digest, Receipt, RulingOutcome, Step, Subject};
use ledger::{EvidenceId, IdPrefix, P256Verifier, Statement};
use serde::de::DeserializeOwned;
use store::log::LogReader;
use store::objects::Objects;

use super::deed::{Deed, DeedKind};
use super::record::ArchiveFile;
use super::statement::StaywardPart;
use super::walk;
use crate::PipelineError;
use crate::desk::Desk;
use crate::run::Deployed;

/// An entry whose signature and inclusion were checked.
pub(crate) struct Entry {
    /// Which one.
    pub(crate) receipt: Receipt,
    /// As it was signed.
    pub(crate) statement: Statement,
    /// Our member of its predicate.
    pub(crate) part: StaywardPart,
}

impl Entry {
    /// What stands outside of the log about it.
    pub(crate) fn archive<T: DeserializeOwned>(&self, desk: &Desk) -> Result<T, String> {
        self.archive_in(&desk.objects)
    }

    /// The same, for who only reads.
    pub(crate) fn archive_in<T: DeserializeOwned>(&self, objects: &Objects) -> Result<T, String> {
        let id = &self.receipt.id;
        let archive = self.part.archive.ok_or_else(|| format!("evidence {id} names no archive"))?;
        let bytes = objects.get(&archive).map_err(|error| format!("the archive of evidence {id}: {error}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("the archive of evidence {id}: {error}"))
    }

    /// Whether it is of this kind and about these bytes.
    pub(crate) fn is_about(&self, kind: &str, digest: Digest) -> bool {
        self.part.kind == kind && self.statement.subject.first().is_some_and(|subject| subject.digest == digest)
    }

    /// Subject and facts that a step judged last.
    fn judged<S: DeserializeOwned, F: DeserializeOwned>(&self, desk: &Desk) -> Result<(S, F), String> {
        let file: ArchiveFile = self.archive(desk)?;
        let (subject, facts) = file.judged.into_iter().next_back().ok_or("the archive is empty")?;
        let subject = serde_json::from_value(subject).map_err(|error| error.to_string())?;
        Ok((subject, serde_json::from_value(facts).map_err(|error| error.to_string())?))
    }

    /// Whether step `S` ruled here, and cleared.
    fn clears<S: Step>(&self) -> bool {
        self.part.rulings.last().is_some_and(|ruling| ruling.step == S::ID && ruling.outcome == RulingOutcome::Cleared)
    }

    /// The subject that step `S` cleared.
    fn cleared<S: Step>(&self, desk: &Desk) -> Result<S::Subject, String> {
        let id = &self.receipt.id;
        if !self.clears::<S>() {
            return Err(format!("evidence {id} is no clearance of step `{}`", S::ID));
        }
        let (subject, _) = self.judged::<S::Subject, serde_json::Value>(desk)?;
        // The archive holds the subject as it arrived; a step that changes its subjects cannot be proved this way.
        let cleared = self.part.rulings.last().and_then(|ruling| ruling.cleared);
        if cleared == Some(subject.digest()) { Ok(subject) } else { Err(format!("evidence {id} cleared something else")) }
    }

    /// The first entry that this one rests on.
    pub(crate) fn parent(&self, desk: &Desk) -> Result<Self, String> {
        entry_of(desk, self.part.parents.first().ok_or_else(|| format!("evidence {} rests on nothing", self.receipt.id))?)
    }
}

fn at(desk: &Desk, index: u64) -> Result<Entry, String> {
    read(&desk.reader, &desk.statement_keys(), index)
}

fn read(reader: &LogReader, keys: &[P256Verifier], index: u64) -> Result<Entry, String> {
    let (statement, part) = walk::read(reader, keys, index)?;
    let digest = reader.digest(index).map_err(|error| error.to_string())?;
    let receipt = Receipt { id: EvidenceId::of(&digest).to_string(), statement: digest, index: Some(index) };
    Ok(Entry { receipt, statement, part })
}

/// That this model was deployed, by the log's own entry: the control database says only where to look.
pub(crate) fn deployment(reader: &LogReader, keys: &[P256Verifier], deployed: &Deployed) -> Result<(), PipelineError> {
    let broken = |why: String| PipelineError::broken(format!("deployment {}: {why}", deployed.deployment.id));
    let prefix: IdPrefix = deployed.deployment.statement.hex().parse().map_err(|error| broken(format!("{error}")))?;
    let found = reader.find(&prefix).map_err(|error| broken(error.to_string()))?;
    let Entry { statement, part, .. } = read(reader, keys, found.index).map_err(broken)?;
    let subject = statement.subject.first().map(|subject| subject.digest);
    if part.kind != "deployment" || subject != Some(deployed.model) || !part.parents.contains(&deployed.receipt.statement) {
        return Err(broken("its evidence is about something else".to_owned()));
    }
    Ok(())
}

/// The entry that an evidence id, or the whole digest of its statement in hex, names.
pub(crate) fn entry(desk: &Desk, id: &str) -> Result<Entry, String> {
    entry_in(&desk.reader, &desk.statement_keys(), id)
}

/// The same, for who only reads.
pub(crate) fn entry_in(reader: &LogReader, keys: &[P256Verifier], id: &str) -> Result<Entry, String> {
    let prefix: IdPrefix = id.parse().map_err(|error| format!("{error}"))?;
    read(reader, keys, reader.find(&prefix).map_err(|error| error.to_string())?.index)
}

/// The entry of a statement.
pub(crate) fn entry_of(desk: &Desk, statement: &Digest) -> Result<Entry, String> {
    entry(desk, &statement.hex())
}

/// The subject that step `S` cleared under a receipt.
pub(crate) fn cleared<S: Step>(desk: &Desk, receipt: &Receipt) -> Result<S::Subject, String> {
    entry_of(desk, &receipt.statement)?.cleared::<S>(desk)
}

/// The same, for a receipt that is known by its evidence id alone; with the whole receipt.
pub(crate) fn cleared_by_id<S: Step>(desk: &Desk, id: &str) -> Result<(Receipt, S::Subject), String> {
    let entry = entry(desk, id)?;
    let subject = entry.cleared::<S>(desk)?;
    Ok((entry.receipt, subject))
}

/// The last subject that step `S` cleared, found from the log's end: takes longer the more was logged since.
pub(crate) fn last_cleared<S: Step>(desk: &Desk) -> Result<Option<(Receipt, S::Subject)>, String> {
    let keys = desk.statement_keys();
    let size = desk.reader.head().map_err(|error| error.to_string())?.size;
    for index in (0..size).rev() {
        let bundle = desk.reader.bundle(index).map_err(|error| error.to_string())?;
        // Only what may be it is proved: an inclusion proof for every entry on the way would take long.
        let part = bundle.verify(&keys).ok().and_then(|statement| StaywardPart::of(&statement));
        let ruled = part.as_ref().and_then(|part| part.rulings.last());
        if ruled.is_some_and(|ruling| ruling.step == S::ID && ruling.outcome == RulingOutcome::Cleared) {
            let entry = at(desk, index)?;
            let subject = entry.cleared::<S>(desk)?;
            return Ok(Some((entry.receipt, subject)));
        }
    }
    Ok(None)
}

/// What the last deed of a kind was about, among those that `wanted` names; found from the log's end.
pub(crate) fn last_deed(
    desk: &Desk,
    kind: DeedKind,
    wanted: &dyn Fn(&Digest) -> Result<bool, String>,
) -> Result<Option<Digest>, String> {
    let keys = desk.statement_keys();
    let size = desk.reader.head().map_err(|error| error.to_string())?.size;
    for index in (0..size).rev() {
        let bundle = desk.reader.bundle(index).map_err(|error| error.to_string())?;
        let Ok(statement) = bundle.verify(&keys) else { continue };
        if StaywardPart::of(&statement).is_none_or(|part| part.kind != kind.as_str()) {
            continue;
        }
        if let Some(subject) = statement.subject.first()
            && wanted(&subject.digest)?
        {
            return Ok(Some(subject.digest));
        }
    }
    Ok(None)
}

/// The deeds of a kind that answer an entry, in the order in which the log has them. What cannot be read is an error: it could be the
/// first, which counts.
pub(crate) fn deeds_about(desk: &Desk, kind: DeedKind, about: &Receipt) -> Result<Vec<(Receipt, Deed)>, String> {
    let keys = desk.statement_keys();
    let size = desk.reader.head().map_err(|error| error.to_string())?.size;
    let mut found = Vec::new();
    for index in about.index.ok_or("an entry without a place in the log")?..size {
        let bundle = desk.reader.bundle(index).map_err(|error| error.to_string())?;
        let statement = bundle.verify(&keys).map_err(|error| format!("entry {index} of the log: {error}"))?;
        let part = StaywardPart::of(&statement);
        if part.is_some_and(|part| part.kind == kind.as_str() && part.parents.first() == Some(&about.statement)) {
            let content = statement.subject.first().map(|subject| subject.digest).ok_or("a deed about nothing")?;
            found.push(desk.proved_deed(&at(desk, index)?.receipt.id, kind, content)?);
        }
    }
    Ok(found)
}

/// Whether the log has a deployment of any model.
pub(crate) fn any_deployment(desk: &Desk) -> Result<bool, String> {
    let keys = desk.statement_keys();
    let size = desk.reader.head().map_err(|error| error.to_string())?.size;
    for index in (0..size).rev() {
        let bundle = desk.reader.bundle(index).map_err(|error| error.to_string())?;
        let part = bundle.verify(&keys).ok().and_then(|statement| StaywardPart::of(&statement));
        if part.is_some_and(|part| part.kind == "deployment") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Subject and facts that a step judged, from the archive of a proved entry.
pub(crate) fn judged<S: DeserializeOwned, F: DeserializeOwned>(desk: &Desk, statement: &Digest) -> Result<(S, F), String> {
    entry_of(desk, statement)?.judged(desk)
}

/// The first two entries on the way back: what this one rests on, and what that one rests on.
pub(crate) fn before(desk: &Desk, receipt: &Receipt) -> Result<(Receipt, Receipt), String> {
    let first = entry_of(desk, &receipt.statement)?.parent(desk)?;
    let second = first.parent(desk)?;
    Ok((first.receipt, second.receipt))
}
