//! Reads one entry of the log, with its signature: what the console believes (T6).

use gate::Digest;
use ledger::{IdPrefix, Statement};

use crate::Desk;
use crate::evidence::StaywardPart;

/// An entry whose signature holds.
pub(super) struct Entry {
    /// Evidence id.
    pub(super) id: String,
    /// Our part of the statement.
    pub(super) part: StaywardPart,
    /// When it was made, RFC 3339; empty for what was judged.
    pub(super) made_at: String,
    /// The run that made it; empty for what was judged.
    pub(super) run: String,
}

impl Entry {
    /// The digest of the file that this entry answers for at a path.
    pub(super) fn digest_of(&self, path: &str) -> Option<Digest> {
        self.part.artefacts.iter().find(|artefact| artefact.path == path).map(|artefact| artefact.digest)
    }
}

/// The entry with an evidence id, or why it cannot be believed.
pub(super) fn by_id(desk: &Desk, id: &str) -> Result<Entry, String> {
    let prefix: IdPrefix = id.parse().map_err(|error| format!("`{id}` is no evidence id: {error}"))?;
    let found = desk.reader.find(&prefix).map_err(|error| error.to_string())?;
    at(desk, found.index)
}

/// The entry of a statement.
pub(super) fn by_statement(desk: &Desk, statement: &Digest) -> Result<Entry, String> {
    by_id(desk, &statement.hex())
}

/// The entry at a position of the log.
pub(super) fn at(desk: &Desk, index: u64) -> Result<Entry, String> {
    let bundle = desk.reader.bundle(index).map_err(|error| error.to_string())?;
    let statement = bundle.verify(&desk.statement_keys()).map_err(|error| error.to_string())?;
    let part = StaywardPart::of(&statement).ok_or("the statement is not one of this program's")?;
    let made_at = text(&statement, "/runDetails/metadata/finishedOn");
    let run = text(&statement, "/runDetails/metadata/invocationId");
    Ok(Entry { id: bundle.id().to_string(), part, made_at, run })
}

fn text(statement: &Statement, pointer: &str) -> String {
    statement.predicate.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}
