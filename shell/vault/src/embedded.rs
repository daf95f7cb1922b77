//! The embedded vault as a store of secrets like any other (T4).

use crate::index::{Index, VersionInfo};
use crate::store::{Secret, SecretStore, StoredVersion, Wanted, check_token};
use crate::{Stage, Vault, VaultError, check_name};

/// The id of a version: its token, or its number where it has none.
fn id_of(record: &VersionInfo) -> String {
    record.token.clone().unwrap_or_else(|| record.version.to_string())
}

fn records<'a>(index: &'a Index, name: &str) -> Result<&'a [VersionInfo], VaultError> {
    index.secrets.get(name).map(Vec::as_slice).ok_or_else(|| VaultError::NoSecret(name.to_owned()))
}

/// The version that is meant and can be read.
fn find<'a>(records: &'a [VersionInfo], name: &str, wanted: Wanted<'_>) -> Result<&'a VersionInfo, VaultError> {
    let meant = |record: &&VersionInfo| match wanted {
        Wanted::Version(id) => record.stage != Stage::Erased && id_of(record) == id,
        Wanted::Current | Wanted::Previous | Wanted::Pending => Some(record.stage) == wanted.stage(),
    };
    records.iter().find(meant).ok_or_else(|| wanted.absent(name))
}

impl Vault {
    /// What a put with this token finds: `true` if the same value stands there already.
    fn stands_already(&self, records: &[VersionInfo], name: &str, token: &str, value: &[u8]) -> Result<bool, VaultError> {
        let Some(record) = records.iter().find(|record| record.token.as_deref() == Some(token)) else { return Ok(false) };
        let other = || VaultError::OtherValue { name: name.to_owned(), token: token.to_owned() };
        if record.stage == Stage::Erased {
            return Err(other());
        }
        let bytes = self.get_version(name, record.version)?;
        if (Secret { version: id_of(record), bytes }).is(value) { Ok(true) } else { Err(other()) }
    }
}

impl SecretStore for Vault {
    fn place(&self) -> String {
        "the embedded vault".to_owned()
    }

    fn names(&self) -> Result<Vec<String>, VaultError> {
        Self::names(self)
    }

    fn versions(&self, name: &str) -> Result<Vec<StoredVersion>, VaultError> {
        let stored =
            |record: VersionInfo| StoredVersion { id: id_of(&record), stage: record.stage, created_at: record.created_at };
        Ok(Self::versions(self, name)?.into_iter().map(stored).collect())
    }

    fn get(&self, name: &str, wanted: Wanted<'_>) -> Result<Secret, VaultError> {
        let records = Self::versions(self, name)?;
        let record = find(&records, name, wanted)?;
        Ok(Secret { version: id_of(record), bytes: self.get_version(name, record.version)? })
    }

    fn create(&self, name: &str, token: &str, value: &[u8], now: i64) -> Result<(), VaultError> {
        check_token(token)?;
        self.change_if(|vault, index| {
            if let Some(records) = index.secrets.get(name) {
                let same = vault.stands_already(records, name, token, value);
                return if same? { Ok(false) } else { Err(VaultError::SecretExists(name.to_owned())) };
            }
            vault.add(index, name, value, now)?;
            index.name_newest(name, token);
            Ok(true)
        })?;
        Ok(())
    }

    fn put_pending(&self, name: &str, token: &str, value: &[u8], now: i64) -> Result<(), VaultError> {
        check_token(token)?;
        check_name(name)?;
        self.change_if(|vault, index| {
            let records = records(index, name)?;
            if vault.stands_already(records, name, token, value)? {
                return Ok(false);
            }
            if records.iter().any(|record| record.stage == Stage::Pending) {
                return Err(VaultError::Pending(name.to_owned()));
            }
            let (version, sealed) = vault.seal_next(index, name, value)?;
            index.add_pending(name, version, now, &sealed);
            index.name_newest(name, token);
            Ok(true)
        })?;
        Ok(())
    }

    fn promote(&self, name: &str, token: &str) -> Result<(), VaultError> {
        self.change_if(|_, index| {
            let record = find(records(index, name)?, name, Wanted::Version(token))?;
            if record.stage == Stage::Current {
                return Ok(false);
            }
            let version = record.version;
            index.promote(name, version);
            Ok(true)
        })?;
        Ok(())
    }

    fn discard_pending(&self, name: &str) -> Result<(), VaultError> {
        let mut dropped = None;
        self.change_if(|_, index| {
            let versions = index.secrets.get_mut(name).ok_or_else(|| VaultError::NoSecret(name.to_owned()))?;
            let Some(record) = versions.iter_mut().find(|record| record.stage == Stage::Pending) else { return Ok(false) };
            record.stage = Stage::Erased;
            dropped = Some(record.version);
            Ok(true)
        })?;
        dropped.map_or(Ok(()), |version| self.remove_sealed(name, version))
    }
}
