//! Refuses a vault that is older than the ledger knows it (T4): who puts last month's copy back would bring a leaked key to life again.
//!
//! The ledger keeps counter and digest of the vault's index. Whoever opens the project with its log looks for the last such entry and
//! compares; what moved on since is recorded then. How far entries were looked through stands in the control plane, sealed by the
//! vault: a copy of it that is put back is older too, and so only makes the search longer.

use gate::Digest;
use ledger::keys::P256Verifier;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::control::Control;
use store::log::LogReader;
use vault::{Vault, VaultState};

use crate::PipelineError;
use crate::desk::{Desk, Published, now};
use crate::evidence::{Links, StaywardPart};

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
fn search(reader: &LogReader, keys: &[P256Verifier], mut seen: Seen) -> Result<Seen, PipelineError> {
    let head = reader.head()?.size;
    if seen.entries > head {
        seen = Seen::default();
    }
    for index in seen.entries..head {
        let statement = reader.bundle(index)?.verify(keys);
        let Ok(statement) = statement else { return Err(PipelineError::broken(format!("entry {index} was not signed here"))) };
        if StaywardPart::of(&statement).is_some_and(|part| part.kind == STATE_KIND) {
            let recorded = statement.predicate.pointer("/buildDefinition/externalParameters").cloned();
            let state = recorded.and_then(|value| serde_json::from_value(value).ok());
            seen.state = Some(state.ok_or_else(|| PipelineError::broken(format!("entry {index} tells no state of the vault")))?);
        }
    }
    seen.entries = head;
    Ok(seen)
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
    let seen = search(&log.reader, &log.statements, noted(vault, control).await?)?;
    refuse_older(vault, &seen)
}

/// The same, and records what moved on since.
pub(crate) async fn keep(desk: &Desk, older: Older) -> Result<(), PipelineError> {
    let before = noted(&desk.vault, &desk.control).await?;
    let mut seen = search(&desk.reader, &desk.statement_keys(), before.clone())?;
    let refused = refuse_older(&desk.vault, &seen);
    if older == Older::Refuse {
        refused?;
    }
    // The note is sealed by a key that the first sealing makes: before the state is read, so that it is in it.
    desk.vault.seal_bytes(SEEN_CONTEXT, b"", now())?;
    let state = desk.vault.state()?;
    if seen.state.as_ref() != Some(&state) {
        record(desk, &state, older)?;
        seen = Seen { entries: desk.reader.head()?.size, state: Some(state) };
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
