//! The vault's table of contents (T4): which versions exist, which is current, and a counter that only grows, so that an old copy shows.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::seal::Keys;

/// Bytes of an index file at most; 10,000 secrets of a few versions fit.
pub(crate) const INDEX_BYTES_MAX: usize = 16 * 1024 * 1024;
/// States before the current one that an index tells.
const RECENT_STATES_MAX: usize = 64;
const FORMAT: &str = "stayward-vault-index-v1";
const TAG_HEX_BYTES: usize = 64;

/// Where a version stands, in the words of AWS Secrets Manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Stage {
    /// The value that `get` answers.
    Current,
    /// The value before; still readable, so that a rotation needs no pause.
    Previous,
    /// The value to come: put by a rotation that is not finished; nobody is answered with it yet.
    Pending,
    /// Older; readable by version until it is erased.
    Retired,
    /// Its bytes are gone; the record stays.
    Erased,
}

/// One version of a secret; never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// 1, 2, 3 ...
    pub version: u32,
    /// Where it stands.
    pub stage: Stage,
    /// When it was put, in Unix seconds.
    pub created_at: i64,
    /// SHA-256 of the sealed file, in hex: says nothing of the value, and shows a swapped file.
    pub sealed_sha256: String,
    /// The name that the rotation gave it (`ClientRequestToken` in the words of AWS); absent where nobody gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// What the ledger keeps of the vault after each change: enough to recognise an older copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultState {
    /// Grows by one with each change.
    pub counter: u64,
    /// SHA-256 of the index, in hex.
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    format: String,
    pub(crate) vault_id: String,
    pub(crate) counter: u64,
    pub(crate) secrets: BTreeMap<String, Vec<VersionInfo>>,
    /// The states before this one, oldest first: who goes on from an older copy has another history than the ledger knows.
    #[serde(default)]
    pub(crate) recent: Vec<VaultState>,
}

impl Index {
    pub(crate) fn empty(vault_id: &str) -> Self {
        Self {
            format: FORMAT.to_owned(),
            vault_id: vault_id.to_owned(),
            counter: 0,
            secrets: BTreeMap::new(),
            recent: Vec::new(),
        }
    }

    /// The file's bytes (tag in hex, newline, JSON) and the state they stand for.
    pub(crate) fn encode(&self, keys: &Keys) -> Option<(Vec<u8>, VaultState)> {
        let json = serde_json::to_vec(self).ok()?;
        let mut bytes = HEXLOWER.encode(&keys.index_tag(&json)).into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        Some((bytes, state_of(self.counter, &json)))
    }

    /// `None` when the tag, the format or the vault's id is not ours.
    pub(crate) fn decode(bytes: &[u8], keys: &Keys, vault_id: &str) -> Option<(Self, VaultState)> {
        let (tag, rest) = bytes.split_at_checked(TAG_HEX_BYTES)?;
        let json = rest.strip_prefix(b"\n")?;
        let tag = HEXLOWER.decode(tag).ok()?;
        // Authenticated before it is parsed.
        if !keys.index_tag_holds(json, &tag) {
            return None;
        }
        let index: Self = serde_json::from_slice(json).ok()?;
        let state = state_of(index.counter, json);
        (index.format == FORMAT && index.vault_id == vault_id).then_some((index, state))
    }

    /// The next state, after `before`.
    pub(crate) fn step(&mut self, before: VaultState) {
        self.counter += 1;
        self.recent.push(before);
        let spare = self.recent.len().saturating_sub(RECENT_STATES_MAX);
        self.recent.drain(..spare);
    }

    /// Adds a current version; the current one becomes previous, the previous one retired.
    pub(crate) fn add_version(&mut self, name: &str, version: u32, created_at: i64, sealed: &[u8]) {
        let versions = self.secrets.entry(name.to_owned()).or_default();
        move_along(versions);
        let sealed_sha256 = sha256_hex(sealed);
        versions.push(VersionInfo { version, stage: Stage::Current, created_at, sealed_sha256, token: None });
    }

    /// Adds a version that nobody is answered with yet.
    pub(crate) fn add_pending(&mut self, name: &str, version: u32, created_at: i64, sealed: &[u8]) {
        let sealed_sha256 = sha256_hex(sealed);
        let record = VersionInfo { version, stage: Stage::Pending, created_at, sealed_sha256, token: None };
        self.secrets.entry(name.to_owned()).or_default().push(record);
    }

    /// Names the newest version.
    pub(crate) fn name_newest(&mut self, name: &str, token: &str) {
        if let Some(record) = self.secrets.get_mut(name).and_then(|versions| versions.last_mut()) {
            record.token = Some(token.to_owned());
        }
    }

    /// Makes a version current; the current one becomes previous, the previous one retired.
    pub(crate) fn promote(&mut self, name: &str, version: u32) {
        let Some(versions) = self.secrets.get_mut(name) else { return };
        move_along(versions);
        if let Some(record) = versions.iter_mut().find(|record| record.version == version) {
            record.stage = Stage::Current;
        }
    }
}

/// Every version a stage down, to make room for another current one. What is pending stays so: only its rotation moves it.
fn move_along(versions: &mut [VersionInfo]) {
    for record in versions {
        record.stage = match record.stage {
            Stage::Current => Stage::Previous,
            Stage::Previous | Stage::Retired => Stage::Retired,
            Stage::Pending => Stage::Pending,
            Stage::Erased => Stage::Erased,
        };
    }
}

fn state_of(counter: u64, json: &[u8]) -> VaultState {
    VaultState { counter, digest: sha256_hex(json) }
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn keys() -> Keys {
        Keys::derive(&Zeroizing::new([1; 32]), "a").unwrap()
    }

    #[test]
    fn stages_move_along() {
        let mut index = Index::empty("a");
        for version in 1..=3 {
            index.add_version("x", version, 0, b"");
        }
        let stages: Vec<_> = index.secrets["x"].iter().map(|v| v.stage).collect();
        assert_eq!(stages, [Stage::Retired, Stage::Previous, Stage::Current]);
    }

    #[test]
    fn an_index_of_another_vault_does_not_decode() {
        let (bytes, state) = Index::empty("a").encode(&keys()).unwrap();
        assert_eq!(Index::decode(&bytes, &keys(), "a").unwrap().1, state);
        assert!(Index::decode(&bytes, &keys(), "b").is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_decode(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Index::decode(&bytes, &keys(), "a").is_none());
        }

        #[test]
        fn one_changed_bit_does_not_decode(at in 0_usize..4096, bit in 0_u8..8) {
            let mut index = Index::empty("a");
            index.add_version("x", 1, 0, b"");
            let (mut bytes, _) = index.encode(&keys()).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(Index::decode(&bytes, &keys(), "a").is_none());
        }
    }
}
