//! Refuses a vault that is older than the ledger knows it (T4): who puts last month's copy back would bring a leaked key to life again.
//!
//! The ledger keeps counter and digest of the vault's index. Whoever opens the project with its log looks for the last such entry and
//! compares; what moved on since is recorded then. How far entries were looked through stands in the control plane, sealed by the
//! vault: a copy of it that is put back is older too, and so only makes the search longer.
//!
//! A log has a hundred thousand answers and a handful of states. So every entry is held against the signed head, by its hash, and only
//! the signature of a state is verified.

use gate::Digest;
use ledger::bundle::entry_of;
use ledger::checkpoint::Checkpoint;
use ledger::keys::P256Verifier;
use ledger::tree::{Edge, Hash, leaf_hash};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::control::Control;
use store::log::LogReader;
use vault::{Vault, VaultState};

use crate::PipelineError;
use crate::desk::{Desk, Published, now};
use crate::evidence::Links;

/// The kind of entry.
pub(crate) const STATE_KIND: &str = "vault-state";
/// The control plane's name of how far the log was looked through.
const SEEN_POINTER: &str = "vault-state-seen";
const SEEN_CONTEXT: &str = "how far the log was searched for states of the vault";
/// So many entries are rather looked through again than that their end is noted.
const ENTRIES_UNNOTED_MAX: u64 = 256;

/// What the search of the log found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Entries that were looked through.
    entries: u64,
    /// The last state among them.
    state: Option<VaultState>,
    /// The tree over them: its complete subtrees in base64, largest first. With it the entries that follow lead to the signed head, or
    /// the log is another one.
    edge: Vec<String>,
}

impl Seen {
    fn edge(&self) -> Option<Edge> {
        Edge::from_peaks(self.entries, self.edge.iter().map(|peak| Hash::from_base64(peak)).collect::<Option<_>>()?)
    }
}

/// The one member of an entry's payload that says of what kind it is.
#[derive(Deserialize)]
struct Payload {
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Predicate {
    stayward: Part,
}

#[derive(Deserialize)]
struct Part {
    kind: String,
}

/// Whether an entry says of itself that it is a state of the vault.
fn is_state(payload: &[u8]) -> bool {
    serde_json::from_slice::<Payload>(payload).is_ok_and(|payload| payload.predicate.stayward.kind == STATE_KIND)
}

/// What to do with a vault that is older than the ledger's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Older {
    /// The rule.
    Refuse,
    /// People know that it came from a backup.
    Accept,
}

/// What the sealed note says; nothing, where there is none that this vault sealed.
async fn noted(vault: &Vault, control: &Control) -> Result<Seen, PipelineError> {
    let pointer = control.pointer(SEEN_POINTER).await.map_err(PipelineError::internal)?;
    let sealed = pointer
        .as_ref()
        .and_then(|pointer| pointer.value.as_str())
        .and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
    // A note that does not open costs a search from the log's beginning, and nothing else.
    let opened = sealed.and_then(|sealed| vault.open_bytes(SEEN_CONTEXT, &sealed).ok());
    Ok(opened.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Looks through the entries that were not looked through yet.
fn search(reader: &LogReader, keys: &[P256Verifier], seen: &Seen) -> Result<Seen, PipelineError> {
    let head = reader.head()?;
    if let Some(found) = search_after(reader, keys, &head, seen)? {
        return Ok(found);
    }
    // The note is of another log, or of one that was longer.
    let found = search_after(reader, keys, &head, &Seen::default())?;
    found.ok_or_else(|| PipelineError::broken("the entries of the log do not lead to its signed head"))
}

/// The same from a note on; nothing where the entries after it do not lead to the signed head.
fn search_after(
    reader: &LogReader,
    keys: &[P256Verifier],
    head: &Checkpoint,
    seen: &Seen,
) -> Result<Option<Seen>, PipelineError> {
    let Some(mut edge) = seen.edge() else { return Ok(None) };
    let mut state = seen.state.clone();
    for index in edge.size()..head.size {
        let bundle = reader.bundle(index)?;
        edge.append(leaf_hash(&entry_of(&reader.digest(index)?)));
        if is_state(bundle.envelope().payload_unverified()) {
            let Ok(statement) = bundle.verify(keys) else {
                return Err(PipelineError::broken(format!("entry {index} was not signed here")));
            };
            let recorded = statement.predicate.pointer("/buildDefinition/externalParameters").cloned();
            let recorded = recorded.and_then(|value| serde_json::from_value(value).ok());
            state = Some(recorded.ok_or_else(|| PipelineError::broken(format!("entry {index} tells no state of the vault")))?);
        }
    }
    if edge.size() != head.size || edge.root() != head.root {
        return Ok(None);
    }
    Ok(Some(Seen { entries: head.size, state, edge: edge.peaks().iter().map(Hash::to_base64).collect() }))
}

fn refuse_older(vault: &Vault, seen: &Seen) -> Result<(), PipelineError> {
    let Some(recorded) = &seen.state else { return Ok(()) };
    vault.expect_at_least(recorded).map_err(|error| PipelineError::Broken {
        why: error.to_string(),
        help: format!("{}; a backup that was put back on purpose is taken with `stayward vault accept-older`", error.help()),
    })
}

/// Refuses a vault older than the log's last state; for those who may not write the log.
pub(crate) async fn look(vault: &Vault, log: &Published, control: &Control) -> Result<(), PipelineError> {
    let seen = search(&log.reader, &log.statements, &noted(vault, control).await?)?;
    refuse_older(vault, &seen)
}

/// The same, and records what moved on since.
pub(crate) async fn keep(desk: &Desk, older: Older) -> Result<(), PipelineError> {
    let before = noted(&desk.vault, &desk.control).await?;
    let mut seen = search(&desk.reader, &desk.statement_keys(), &before)?;
    let refused = refuse_older(&desk.vault, &seen);
    if older == Older::Refuse {
        refused?;
    }
    // The note is sealed by a key that is made at first use: before the state is read, so that it is in it.
    desk.vault.prepare_sealing(now())?;
    let state = desk.vault.state()?;
    if seen.state.as_ref() != Some(&state) {
        record(desk, &state, older)?;
        seen = search(&desk.reader, &desk.statement_keys(), &seen)?;
    } else if seen.entries.saturating_sub(before.entries) < ENTRIES_UNNOTED_MAX {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&seen).map_err(PipelineError::internal)?;
    let sealed = desk.vault.seal_bytes(SEEN_CONTEXT, &bytes, now())?;
    desk.set_pointer(SEEN_POINTER, &Value::from(data_encoding::HEXLOWER.encode(&sealed))).await
}

fn record(desk: &Desk, state: &VaultState, older: Older) -> Result<(), PipelineError> {
    let mut parameters = json!({ "counter": state.counter, "digest": state.digest });
    if older == Older::Accept {
        parameters["acceptedOlder"] = Value::from(true);
    }
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    let digest = Digest::from_hex(&state.digest).map_err(PipelineError::internal)?;
    desk.record_made((STATE_KIND, "vault", digest), parameters, &Links::default(), "", now())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::{Call, Service};
    use crate::view::tests::Small;

    /// A call that is refused leaves an entry.
    async fn refused(service: &Service, calls: u64) {
        let call = || Call { key: Some("nobody".to_owned()), customers: vec!["c0007".into()], ..Call::default() };
        let asked: Vec<_> = (0..calls)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { service.ask(call()).await })
            })
            .collect();
        for one in asked {
            one.await.unwrap();
        }
    }

    fn found_again(desk: &Desk, whole: &Seen) {
        let keys = desk.statement_keys();
        let search = |seen: &Seen| search(&desk.reader, &keys, seen);
        assert_eq!(search(whole).unwrap(), *whole);
        // From every note that a log can leave, and from one that is of no log.
        let head = desk.reader.head().unwrap();
        let mut edge = Edge::new();
        for index in 0..head.size {
            edge.append(leaf_hash(&entry_of(&desk.reader.digest(index).unwrap())));
        }
        assert_eq!(edge.peaks().iter().map(Hash::to_base64).collect::<Vec<_>>(), whole.edge);
        let other = whole.edge.iter().map(|_| Hash::from_bytes([7; 32]).to_base64()).collect();
        assert_eq!(search(&Seen { edge: other, ..whole.clone() }).unwrap(), *whole);
        assert_eq!(search(&Seen { entries: whole.entries + 1, ..whole.clone() }).unwrap(), *whole);
        assert_eq!(search(&Seen { edge: vec!["no hash".into()], ..whole.clone() }).unwrap(), *whole);
        // What the head did not sign is not believed.
        let forged = Checkpoint { root: Hash::from_bytes([7; 32]), ..head };
        assert_eq!(search_after(&desk.reader, &keys, &forged, &Seen::default()).unwrap(), None);
        // A state by somebody else's hand is refused.
        assert!(search_after(&desk.reader, &[], &desk.reader.head().unwrap(), &Seen::default()).is_err());
    }

    #[test]
    fn a_watch_notes_how_far_the_log_was_searched_and_finds_an_older_vault() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let small = Small::make().await;
            let project = small.project();
            let service = Service::open(&project).await.unwrap();
            let desk = service.desk();
            let note = async || noted(&desk.vault, &desk.control).await.unwrap();
            service.watch().await.unwrap();
            let before = note().await;
            assert_eq!(before.state, Some(desk.vault.state().unwrap()));
            refused(&service, ENTRIES_UNNOTED_MAX).await;
            assert_eq!(note().await, before);
            service.watch().await.unwrap();
            let after = note().await;
            assert!(after.entries >= before.entries + ENTRIES_UNNOTED_MAX, "{} and {}", before.entries, after.entries);
            assert_eq!(after.state, before.state);
            found_again(desk, &search(&desk.reader, &desk.statement_keys(), &after).unwrap());

            // What moved on while it serves is recorded; what was put back is found.
            let index = project.path("vault/index");
            let old = std::fs::read(&index).unwrap();
            desk.vault.put("another", b"value", now()).unwrap();
            service.watch().await.unwrap();
            assert_eq!(note().await.state, Some(desk.vault.state().unwrap()));
            std::fs::write(&index, old).unwrap();
            assert!(service.watch().await.is_err());
            let log = crate::desk::published(&project).unwrap();
            let put_back = Vault::open(&project.path("vault")).unwrap();
            assert!(matches!(look(&put_back, &log, &desk.control).await, Err(PipelineError::Broken { .. })));
        });
    }
}
