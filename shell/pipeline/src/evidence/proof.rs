//! What the log proves of an earlier step (T1, T4, T6): the subject that was cleared, as it was archived, not as a database says.

use gate::{Receipt, RulingOutcome, Step, Subject};
use ledger::{IdPrefix, Statement};
use serde::de::DeserializeOwned;

use super::record::ArchiveFile;
use super::statement::StaywardPart;
use super::walk;
use crate::desk::Desk;

/// An entry whose signature and inclusion were checked.
pub(crate) fn entry(desk: &Desk, index: u64) -> Result<(Statement, StaywardPart), String> {
    walk::read(&desk.reader, &desk.statement_keys(), index)
}

/// The entry of a receipt, proved.
pub(crate) fn of_receipt(desk: &Desk, receipt: &Receipt) -> Result<(Statement, StaywardPart), String> {
    let prefix: IdPrefix = receipt.statement.hex().parse().map_err(|error| format!("{error}"))?;
    let found = desk.reader.find(&prefix).map_err(|error| error.to_string())?;
    entry(desk, found.index)
}

/// The subject that step `S` cleared under a receipt.
pub(crate) fn cleared<S: Step>(desk: &Desk, receipt: &Receipt) -> Result<S::Subject, String> {
    let prefix: IdPrefix = receipt.statement.hex().parse().map_err(|error| format!("{error}"))?;
    let found = desk.reader.find(&prefix).map_err(|error| error.to_string())?;
    of_entry::<S>(desk, found.index)
}

/// The same, for a receipt that is known by its evidence id alone; with the whole receipt.
pub(crate) fn cleared_by_id<S: Step>(desk: &Desk, id: &str) -> Result<(Receipt, S::Subject), String> {
    let prefix: IdPrefix = id.parse().map_err(|error| format!("{error}"))?;
    let found = desk.reader.find(&prefix).map_err(|error| error.to_string())?;
    let receipt = Receipt { id: id.to_owned(), statement: found.digest, index: Some(found.index) };
    Ok((receipt, of_entry::<S>(desk, found.index)?))
}

/// The last subject that step `S` cleared, found from the log's end: takes longer the more was logged since.
pub(crate) fn last_cleared<S: Step>(desk: &Desk) -> Result<Option<(Receipt, S::Subject)>, String> {
    let keys = desk.statement_keys();
    let size = desk.reader.head().map_err(|error| error.to_string())?.size;
    for index in (0..size).rev() {
        let bundle = desk.reader.bundle(index).map_err(|error| error.to_string())?;
        let part = bundle.verify(&keys).ok().and_then(|statement| StaywardPart::of(&statement));
        let ruled = part.as_ref().and_then(|part| part.rulings.last());
        if ruled.is_some_and(|ruling| ruling.step == S::ID && ruling.outcome == RulingOutcome::Cleared) {
            let digest = desk.reader.digest(index).map_err(|error| error.to_string())?;
            let id: String = digest.hex().chars().take(16).collect();
            let receipt = Receipt { id, statement: digest, index: Some(index) };
            return of_entry::<S>(desk, index).map(|subject| Some((receipt, subject)));
        }
    }
    Ok(None)
}

fn of_entry<S: Step>(desk: &Desk, index: u64) -> Result<S::Subject, String> {
    let (_, part) = entry(desk, index)?;
    let ruling = part.rulings.last().ok_or("the entry rules nothing")?;
    if ruling.step != S::ID || ruling.outcome != RulingOutcome::Cleared {
        return Err(format!("entry {index} is no clearance of step `{}`", S::ID));
    }
    let archive = part.archive.ok_or_else(|| format!("entry {index} names no archive"))?;
    let bytes = desk.objects.get(&archive).map_err(|error| format!("the archive of entry {index}: {error}"))?;
    let file: ArchiveFile = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let (subject, _) = file.judged.into_iter().next_back().ok_or("the archive is empty")?;
    let subject: S::Subject = serde_json::from_value(subject).map_err(|error| error.to_string())?;
    // The archive holds the subject as it arrived; a step that changes its subjects cannot be proved this way.
    if ruling.cleared == Some(subject.digest()) { Ok(subject) } else { Err(format!("entry {index} cleared something else")) }
}

/// Subject and facts that a step judged, from the archive of a proved entry.
pub(crate) fn judged<S: DeserializeOwned, F: DeserializeOwned>(desk: &Desk, receipt: &Receipt) -> Result<(S, F), String> {
    let prefix: IdPrefix = receipt.statement.hex().parse().map_err(|error| format!("{error}"))?;
    let found = desk.reader.find(&prefix).map_err(|error| error.to_string())?;
    let (_, part) = entry(desk, found.index)?;
    let archive = part.archive.ok_or("the entry names no archive")?;
    let bytes = desk.objects.get(&archive).map_err(|error| error.to_string())?;
    let file: ArchiveFile = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let (subject, facts) = file.judged.into_iter().next_back().ok_or("the archive is empty")?;
    let subject = serde_json::from_value(subject).map_err(|error| error.to_string())?;
    Ok((subject, serde_json::from_value(facts).map_err(|error| error.to_string())?))
}

/// The first two entries on the way back: what this one rests on, and what that one rests on.
pub(crate) fn before(desk: &Desk, receipt: &Receipt) -> Result<(Receipt, Receipt), String> {
    let first = parent(desk, receipt)?;
    let second = parent(desk, &first)?;
    Ok((first, second))
}

fn parent(desk: &Desk, receipt: &Receipt) -> Result<Receipt, String> {
    let find = |digest: &gate::Digest| {
        let prefix: IdPrefix = digest.hex().parse().map_err(|error| format!("{error}"))?;
        desk.reader.find(&prefix).map_err(|error| error.to_string())
    };
    let (_, part) = entry(desk, find(&receipt.statement)?.index)?;
    let found = find(part.parents.first().ok_or("the entry rests on nothing")?)?;
    Ok(Receipt { id: found.id.to_string(), statement: found.digest, index: Some(found.index) })
}
