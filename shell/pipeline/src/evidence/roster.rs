//! Who is who, outside of the database (T4, T6): every change of people, roles, keys and suppliers is signed and written down before the
//! database has it. Whoever edits the file has no key to sign with: he is found out by [`check_roster`], gets no session, and no
//! further change is made until an admin has looked.
//!
//! ```text
//! evidence/roster/00000012.json   DSSE envelope of a record; its `previous` is the digest of 00000011.json
//! ```
//!
//! Administration works while a server holds the log, so the records stand beside it; whoever opens the log next writes the digest of
//! the newest into it (`kind` `roster`), and with the chain those of all before. Names stand in the records only, never in the log.
//!
//! A kill between the record and the commit leaves a record more than the database has: that cannot be told from somebody who set the
//! file back, so it is for an admin to look at, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gate::Digest;
use identity::{Roster, RosterChange, Witness};
use ledger::dsse::Envelope;
use ledger::keys::{P256Signer, P256Verifier};
use serde::{Deserialize, Serialize};
use vault::Vault;

use super::proof;
use super::statement::{Artefact, Links};
use super::walk::Chain;
use crate::desk::{Desk, STATEMENT_KEY, now, published};
use crate::{PipelineError, Project, crash, keys};

/// Where the records are, below the project.
const FOLDER: &str = "evidence/roster";
/// DSSE payload type of a record.
const RECORD_TYPE: &str = "application/vnd.stayward.roster+json";
/// Bytes of a record at most: a first one names every row.
const RECORD_BYTES_MAX: u64 = 64 << 20;
/// The control plane's hint where the log has the newest record.
const WITNESSED: &str = "roster-witnessed";
/// The kind of the log's entries.
pub(super) const KIND: &str = "roster";

/// A change, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    number: u64,
    /// Digest of the file before; none for the first.
    previous: Option<Digest>,
    /// Unix seconds.
    at: i64,
    /// In whose session, where somebody was logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Who took what was found for right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reconciled_by: Option<String>,
    /// What the database says of it: subject, event, detail.
    events: Vec<(String, String, String)>,
    /// Digest of the whole roster after it.
    after: Digest,
    /// Rows that came or changed, with the SHA-256 of their columns; none for those that went.
    rows: BTreeMap<String, Option<Digest>>,
}

/// What the records read so far come to.
#[derive(Clone, Default)]
struct Folded {
    number: u64,
    last: Option<Digest>,
    roster: Arc<Roster>,
    /// What turns the roster back into the one before the last record.
    back: BTreeMap<String, Option<[u8; 32]>>,
    reconciled: Vec<(u64, String, Vec<String>)>,
}

impl Folded {
    /// Takes the next file in.
    fn take(&mut self, bytes: &[u8], keys: &[P256Verifier]) -> Result<(), String> {
        let number = self.number + 1;
        let record = open(bytes, keys).map_err(|why| format!("record {number}: {why}"))?;
        if record.number != number || record.previous != self.last {
            return Err(format!("record {number} does not follow the one before"));
        }
        let before = record.reconciled_by.is_some().then(|| Roster::clone(&self.roster));
        let back = apply(Arc::make_mut(&mut self.roster), record.rows.iter().map(|(key, to)| (key, to.map(|to| *to.as_bytes()))));
        if Digest::from_bytes(self.roster.digest()) != record.after {
            return Err(format!("record {number} does not come to what it says"));
        }
        if let (Some(person), Some(before)) = (record.reconciled_by, before) {
            self.reconciled.push((number, person, before.differences_to(&self.roster)));
        }
        (self.number, self.last, self.back) = (number, Some(Digest::of(bytes)), back);
        Ok(())
    }

    /// Reads the files that came since.
    fn catch_up(&mut self, folder: &Path, keys: &[P256Verifier]) -> Result<(), String> {
        while let Some(bytes) = read(folder, self.number + 1)? {
            self.take(&bytes, keys)?;
        }
        Ok(())
    }
}

/// Changes rows, and answers what would change them back.
fn apply<'a>(
    roster: &mut Roster,
    rows: impl Iterator<Item = (&'a String, Option<[u8; 32]>)>,
) -> BTreeMap<String, Option<[u8; 32]>> {
    let one = |(key, to): (&String, Option<[u8; 32]>)| {
        let was = match to {
            Some(digest) => roster.rows.insert(key.clone(), digest),
            None => roster.rows.remove(key),
        };
        (key.clone(), was)
    };
    rows.map(one).collect()
}

/// Keeps the records; the database's witness.
pub struct Journal {
    folder: PathBuf,
    vault: Arc<Vault>,
    by: Mutex<Option<String>>,
    folded: Mutex<Folded>,
}

impl Journal {
    /// Opens the records of a project.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(project: &Project, vault: &Arc<Vault>) -> Result<Arc<Self>, PipelineError> {
        let folder = project.path(FOLDER);
        store::disk::make_folder(&project.path("evidence"))?;
        store::disk::make_folder(&folder)?;
        let (by, folded) = (Mutex::new(None), Mutex::new(Folded::default()));
        Ok(Arc::new(Self { folder, vault: Arc::clone(vault), by, folded }))
    }

    /// Whose the changes are from now on.
    pub fn in_the_name_of(&self, person: &str) {
        *self.by.lock().unwrap_or_else(PoisonError::into_inner) = Some(person.to_owned());
    }

    fn signer(&self) -> Result<P256Signer, String> {
        let key = self.vault.get(STATEMENT_KEY).map_err(|error| error.to_string())?;
        P256Signer::from_pkcs8_der(&key).map_err(|error| error.to_string())
    }

    fn folded(&self) -> Result<Folded, String> {
        let mut folded = self.folded.lock().unwrap_or_else(PoisonError::into_inner);
        if self.folder.join(name(folded.number + 1)).exists() {
            let keys = keys::all_statement_keys(&self.vault, &self.signer()?).map_err(|error| error.to_string())?;
            folded.catch_up(&self.folder, &keys).map_err(|why| format!("`{FOLDER}`: {why}"))?;
        }
        Ok(folded.clone())
    }
}

impl Witness for Journal {
    fn known(&self) -> Result<Option<Arc<Roster>>, String> {
        let folded = self.folded()?;
        Ok((folded.number > 0).then_some(folded.roster))
    }

    fn changed(&self, change: &RosterChange) -> Result<(), String> {
        let signer = self.signer()?;
        let folded = self.folded()?;
        // Before the first record there was nothing: that one names every row.
        let rows = folded.roster.changes_to(&change.after);
        let record = Record {
            number: folded.number + 1,
            previous: folded.last,
            at: now(),
            by: self.by.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            reconciled_by: change.reconciled_by.clone(),
            events: change.events.iter().map(|one| (one.subject.clone(), one.event.clone(), one.detail.clone())).collect(),
            after: Digest::from_bytes(change.after.digest()),
            rows: rows.into_iter().map(|(key, digest)| (key, digest.map(Digest::from_bytes))).collect(),
        };
        let payload = serde_json::to_vec(&record).map_err(|error| error.to_string())?;
        let envelope = Envelope::sign(RECORD_TYPE, payload, &signer).map_err(|error| error.to_string())?;
        let bytes = serde_json::to_vec(&envelope).map_err(|error| error.to_string())?;
        crash::point("roster:signed");
        store::disk::create_new_atomic(&self.folder.join(name(record.number)), &bytes).map_err(|error| error.to_string())?;
        crash::point("roster:written");
        Ok(())
    }
}

impl Desk {
    /// Writes the newest record's digest into the log, if it is not there yet.
    pub async fn witness_roster(&self) -> Result<(), PipelineError> {
        let folded = self.journal.folded().map_err(PipelineError::broken)?;
        let Some(digest) = folded.last else { return Ok(()) };
        let resource = format!("roster {}", folded.number);
        // The hint alone counts for nothing: one that does not prove costs an entry more.
        if let Some(hint) = self.pointer(WITNESSED).await?.as_ref().and_then(|hint| hint.as_str())
            && let Ok(entry) = proof::entry(self, hint)
            && entry.is_about(KIND, digest)
        {
            return Ok(());
        }
        let artefacts = vec![Artefact { role: KIND.into(), path: format!("{FOLDER}/{}", name(folded.number)), digest }];
        let links = Links { parents: Vec::new(), artefacts };
        let receipt = self.record_made((KIND, &resource, digest), serde_json::Map::new(), &links, "", now())?;
        self.set_pointer(WITNESSED, &serde_json::Value::String(receipt.id)).await
    }
}

/// What the records and the database say of who is who.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RosterState {
    /// Signed changes.
    pub changes: u64,
    /// Everything that does not hold.
    pub broken: Vec<String>,
    /// Signed changes that the log does not have yet: whoever opens it next writes them.
    pub unlogged: u64,
    /// What people have looked at and taken for right.
    pub reconciled: Vec<String>,
}

/// Compares the database with the signed changes, and these with the log; with published keys alone.
///
/// # Errors
/// Published keys that cannot be read.
pub async fn check_roster(project: &Project, chain: &Chain) -> Result<RosterState, PipelineError> {
    let keys = published(project)?.statements;
    let mut folded = Folded::default();
    let mut broken: Vec<String> = folded.catch_up(&project.path(FOLDER), &keys).err().into_iter().collect();
    let logged = chain.links.iter().filter(|link| link.kind == KIND);
    let logged = logged.filter_map(|link| link.name.strip_prefix("roster ")?.parse::<u64>().ok()).max().unwrap_or(0);
    if logged > folded.number && broken.is_empty() {
        broken.push(format!("the log has {logged} changes of who is who, and `{FOLDER}` only {}", folded.number));
    }
    let state = |folded: Folded, broken| RosterState {
        changes: folded.number,
        broken,
        unlogged: folded.number.saturating_sub(logged),
        reconciled: folded.reconciled.into_iter().map(spell).collect(),
    };
    let found = match identity::read_roster(&project.path("control.db")).await {
        Ok(found) => found,
        Err(error) => {
            broken.push(format!("who is who cannot be read from `control.db`: {error}"));
            return Ok(state(folded, broken));
        }
    };
    if broken.is_empty() && folded.number > 0 && found != *folded.roster {
        let mut before = Roster::clone(&folded.roster);
        apply(&mut before, folded.back.iter().map(|(key, to)| (key, *to)));
        if found == before {
            let number = folded.number;
            broken.push(format!(
                "change {number} of who is who was signed, and the database does not have it: set back, or killed"
            ));
        }
        let differences = folded.roster.differences_to(&found);
        broken.extend(differences.into_iter().map(|what| format!("{what} in `control.db`, and no signed change says so")));
    }
    if folded.number == 0 && found.rows.keys().any(|key| key.starts_with("person ")) && broken.is_empty() {
        broken.push(format!("there are people in `control.db`, and no signed change in `{FOLDER}`"));
    }
    Ok(state(folded, broken))
}

fn spell((number, person, what): (u64, String, Vec<String>)) -> String {
    format!("change {number}, `{person}`: {}", what.join("; "))
}

fn name(number: u64) -> String {
    format!("{number:08}.json")
}

fn read(folder: &Path, number: u64) -> Result<Option<Vec<u8>>, String> {
    let path = folder.join(name(number));
    if !path.exists() {
        return Ok(None);
    }
    store::disk::read_limited(&path, RECORD_BYTES_MAX).map(Some).map_err(|error| error.to_string())
}

fn open(bytes: &[u8], keys: &[P256Verifier]) -> Result<Record, String> {
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let payload = keys.iter().find_map(|key| envelope.verify(RECORD_TYPE, key).ok()).ok_or("no key of this project signed it")?;
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}
