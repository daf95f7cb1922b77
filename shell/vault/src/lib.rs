//! The central vault of keys and tokens (T4): every secret of the pipeline lies in one folder, sealed, versioned and rotated,
//! and an old, swapped or edited file is recognised.
//!
//! ```text
//! DIR/vault.json            id, and the master key wrapped by the key-encryption key
//! DIR/kek                   key-encryption key, 32 random bytes, mode 0600 (absent when a passphrase is used)
//! DIR/index                 versions, stages, counter; authenticated
//! DIR/secrets/NAME.V.sealed one version of one secret
//! DIR/lock                  one writer at a time
//! ```
//!
//! What it does not do: protect against somebody who can read `kek` or this process's memory. Put `kek` on another volume or use
//! a passphrase when backups of the folder go elsewhere. Rollback of the *whole* folder is seen by comparing with the
//! [`VaultState`] that the ledger keeps ([`Vault::expect_at_least`]); within one process it is seen without the ledger.

#[cfg(feature = "aws")]
mod aws;
mod disk;
mod embedded;
mod error;
mod generate;
mod handout;
#[cfg(any(feature = "openbao", feature = "aws"))]
mod http;
mod index;
mod master;
#[cfg(feature = "openbao")]
mod openbao;
mod rotation;
mod seal;
mod store;
#[cfg(any(feature = "openbao", feature = "aws"))]
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

#[cfg(feature = "aws")]
pub use aws::{AwsConfig, AwsLogin, AwsSecrets};
pub use error::VaultError;
pub use generate::{RANDOM_BYTES_MAX, generate_ed25519_pkcs8, generate_p256_pkcs8, random_bytes};
pub use handout::{CREDENTIALS_VARIABLE, HANDOUT_SECRETS_MAX, Handout};
pub use index::{Stage, VaultState, VersionInfo};
pub use master::{PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN};
#[cfg(feature = "openbao")]
pub use openbao::{OpenBao, OpenBaoConfig, OpenBaoLogin};
pub use rotation::{Replacement, Rotated, Rotator, Step, rotate};
pub use store::{Secret, SecretStore, StoredVersion, TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, Wanted, fresh_token};

use index::{INDEX_BYTES_MAX, Index, sha256_hex};
use master::{Header, NewKey, Unlock};
use seal::{Key, Keys, SEALED_OVERHEAD_BYTES};

/// Bytes of a secret at most: keys and tokens, not files.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a secret's name at most.
pub const NAME_BYTES_MAX: usize = 64;
/// Secrets in one vault at most.
pub const SECRETS_MAX: usize = 10_000;
/// Versions of one secret at most, erased ones included.
pub const VERSIONS_MAX: usize = 10_000;
/// The secret under which [`Vault::seal_bytes`] seals for other parts of the program; rotated like any other.
pub const SEALING_KEY_NAME: &str = "vault-sealing-key";

const INDEX_FILE: &str = "index";
const SECRETS_FOLDER: &str = "secrets";

/// An open vault. Shared by reference; every call looks at the disk, so that several processes may use one folder.
pub struct Vault {
    folder: PathBuf,
    id: String,
    master: Key,
    keys: Keys,
    /// The newest state that this process has seen: the disk may never show an older one.
    seen: Mutex<Option<VaultState>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vault").field("folder", &self.folder).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Vault {
    /// Makes a vault in `folder` (made when missing) whose key-encryption key is the file `kek` in it.
    ///
    /// # Errors
    /// [`VaultError::Exists`], [`VaultError::OpenToOthers`] or a disk error.
    pub fn create(folder: &Path) -> Result<Self, VaultError> {
        Self::create_with(folder, NewKey::File)
    }

    /// Makes a vault that is opened by a passphrase (argon2id, 64 MiB, 3 passes).
    ///
    /// # Errors
    /// As [`Vault::create`], and [`VaultError::PassphraseLength`].
    pub fn create_with_passphrase(folder: &Path, passphrase: &str) -> Result<Self, VaultError> {
        Self::create_with(folder, NewKey::Passphrase(passphrase))
    }

    /// Opens the vault in `folder` by its `kek` file.
    ///
    /// # Errors
    /// [`VaultError::Missing`], [`VaultError::OpenToOthers`], [`VaultError::WrongKey`], [`VaultError::Tampered`].
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        Self::open_with(folder, Unlock::File)
    }

    /// Opens the vault in `folder` by its passphrase.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_with_passphrase(folder: &Path, passphrase: &str) -> Result<Self, VaultError> {
        Self::open_with(folder, Unlock::Passphrase(passphrase))
    }

    fn create_with(folder: &Path, key: NewKey<'_>) -> Result<Self, VaultError> {
        disk::make_folder(folder)?;
        disk::refuse_writable_by_others(folder)?;
        let lock = disk::lock(folder)?;
        if Header::path(folder).exists() {
            return Err(VaultError::Exists(folder.to_owned()));
        }
        disk::make_folder(&folder.join(SECRETS_FOLDER))?;
        let master = seal::random_key()?;
        let id = data_encoding::HEXLOWER.encode(&seal::random_key()?[..16]);
        let keys = Keys::derive(&master, &id)?;
        let vault = Self { folder: folder.to_owned(), id: id.clone(), master, keys, seen: Mutex::new(None) };
        vault.store_index(&Index::empty(&id))?;
        // The header comes last: a folder without it is no vault, so a crash half-way leaves nothing to repair.
        Header::write(folder, &id, &vault.master, key)?;
        drop(lock);
        Ok(vault)
    }

    fn open_with(folder: &Path, unlock: Unlock<'_>) -> Result<Self, VaultError> {
        if !Header::path(folder).exists() {
            return Err(VaultError::Missing(folder.to_owned()));
        }
        disk::refuse_writable_by_others(folder)?;
        let (id, master) = Header::unlock(folder, unlock)?;
        let keys = Keys::derive(&master, &id)?;
        let vault = Self { folder: folder.to_owned(), id, master, keys, seen: Mutex::new(None) };
        vault.load_index()?;
        Ok(vault)
    }

    /// Gives the vault a fresh `kek` file; the secrets stay as they are.
    ///
    /// # Errors
    /// A disk error; the old key stays valid then.
    pub fn renew_key(&self) -> Result<(), VaultError> {
        let _lock = disk::lock(&self.folder)?;
        Header::write(&self.folder, &self.id, &self.master, NewKey::File)
    }

    /// Puts the vault under a new passphrase; a `kek` file is removed.
    ///
    /// # Errors
    /// [`VaultError::PassphraseLength`] or a disk error.
    pub fn renew_passphrase(&self, passphrase: &str) -> Result<(), VaultError> {
        let _lock = disk::lock(&self.folder)?;
        Header::write(&self.folder, &self.id, &self.master, NewKey::Passphrase(passphrase))
    }

    /// The vault's random id, in hex.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Stores the first version of a new secret and answers the state for the ledger. `now` in Unix seconds.
    ///
    /// # Errors
    /// [`VaultError::SecretExists`] (rotate it instead), [`VaultError::Name`], [`VaultError::Limit`].
    pub fn put(&self, name: &str, bytes: &[u8], now: i64) -> Result<VaultState, VaultError> {
        self.change(|vault, index| {
            if index.secrets.contains_key(name) {
                return Err(VaultError::SecretExists(name.to_owned()));
            }
            vault.add(index, name, bytes, now)
        })
    }

    /// Stores a new version, which becomes current; the one before stays readable as previous. `now` in Unix seconds.
    ///
    /// # Errors
    /// [`VaultError::NoSecret`], [`VaultError::Limit`].
    pub fn rotate(&self, name: &str, new: &[u8], now: i64) -> Result<VaultState, VaultError> {
        self.change(|vault, index| {
            if !index.secrets.contains_key(name) {
                return Err(VaultError::NoSecret(name.to_owned()));
            }
            vault.add(index, name, new, now)
        })
    }

    /// Erases the bytes of a retired version; its record stays.
    ///
    /// # Errors
    /// [`VaultError::VersionInUse`] for the current and the previous one, [`VaultError::NoVersion`].
    pub fn erase(&self, name: &str, version: u32) -> Result<VaultState, VaultError> {
        let state = self.change(|_, index| {
            let versions = index.secrets.get_mut(name).ok_or_else(|| VaultError::NoSecret(name.to_owned()))?;
            let absent = || VaultError::NoVersion { name: name.to_owned(), version };
            let record = versions.iter_mut().find(|record| record.version == version).ok_or_else(absent)?;
            match record.stage {
                Stage::Current | Stage::Previous | Stage::Pending => {
                    Err(VaultError::VersionInUse { name: name.to_owned(), version })
                }
                Stage::Erased => Err(absent()),
                Stage::Retired => {
                    record.stage = Stage::Erased;
                    Ok(())
                }
            }
        })?;
        self.remove_sealed(name, version)?;
        Ok(state)
    }

    fn remove_sealed(&self, name: &str, version: u32) -> Result<(), VaultError> {
        let path = self.secret_path(name, version);
        fs::remove_file(&path).map_err(disk::failed("remove", &path))?;
        disk::sync_folder(&self.folder.join(SECRETS_FOLDER))
    }

    /// The current value.
    ///
    /// # Errors
    /// [`VaultError::NoSecret`], [`VaultError::Tampered`], [`VaultError::RolledBack`].
    pub fn get(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.read_record(name, |record| record.stage == Stage::Current)
    }

    /// The current value, made and put at first use. Where another process is quicker, its value is taken. `now` in Unix seconds.
    ///
    /// # Errors
    /// As [`Vault::get`] and [`Vault::put`], and what `make` says.
    pub fn get_or_put(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, VaultError>,
        now: i64,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match self.get(name) {
            Err(VaultError::NoSecret(_)) => {}
            found => return found,
        }
        match self.put(name, &make()?, now) {
            Ok(_) | Err(VaultError::SecretExists(_)) => self.get(name),
            Err(refusal) => Err(refusal),
        }
    }

    /// The value before the current one: for checking what was made before a rotation.
    ///
    /// # Errors
    /// As [`Vault::get`]; [`VaultError::NoVersion`] when it was never rotated.
    pub fn get_previous(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.read_record(name, |record| record.stage == Stage::Previous)
    }

    /// One version's value.
    ///
    /// # Errors
    /// As [`Vault::get`]; [`VaultError::NoVersion`] for an unknown or erased version.
    pub fn get_version(&self, name: &str, version: u32) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.read_record(name, |record| record.version == version)
    }

    /// All versions, oldest first; never values.
    ///
    /// # Errors
    /// [`VaultError::NoSecret`].
    pub fn versions(&self, name: &str) -> Result<Vec<VersionInfo>, VaultError> {
        let (mut index, _) = self.load_index()?;
        index.secrets.remove(name).ok_or_else(|| VaultError::NoSecret(name.to_owned()))
    }

    /// The names of all secrets, sorted.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn names(&self) -> Result<Vec<String>, VaultError> {
        Ok(self.load_index()?.0.secrets.into_keys().collect())
    }

    /// Counter and digest of the vault now, for the ledger.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn state(&self) -> Result<VaultState, VaultError> {
        Ok(self.load_index()?.1)
    }

    /// SHA-256 of the index in hex: changes with every put, rotation and erasure.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn state_digest(&self) -> Result<String, VaultError> {
        Ok(self.state()?.digest)
    }

    /// Refuses a vault that is older than, or differs from, the last state in the ledger.
    ///
    /// # Errors
    /// [`VaultError::RolledBack`], [`VaultError::Forked`].
    pub fn expect_at_least(&self, recorded: &VaultState) -> Result<(), VaultError> {
        let (index, state) = self.load_index()?;
        refuse_older(&state, recorded)?;
        // A copy that was put back and changed since has a counter as high, and another past.
        let then = index.recent.iter().find(|then| then.counter == recorded.counter);
        match then {
            Some(then) if then.digest != recorded.digest => Err(VaultError::Forked(recorded.counter)),
            Some(_) | None => Ok(()),
        }
    }

    /// Seals bytes for another part of the program (for example a second factor's secret in a database) under the vault's
    /// sealing key, which is made at first use. `context` says what the bytes are and is needed again to open them.
    ///
    /// # Errors
    /// [`VaultError::Limit`] or as [`Vault::get`].
    pub fn seal_bytes(&self, context: &str, plain: &[u8], now: i64) -> Result<Vec<u8>, VaultError> {
        if plain.len() > SECRET_BYTES_MAX {
            return Err(VaultError::Limit { what: "text to seal", limit: SECRET_BYTES_MAX });
        }
        let version = self.sealing_version(now)?;
        let keys = self.sealing_keys(version)?;
        let mut sealed = version.to_be_bytes().to_vec();
        sealed.extend_from_slice(&keys.seal(&self.additional("bytes", context, version), plain)?);
        Ok(sealed)
    }

    /// Opens what [`Vault::seal_bytes`] made with the same context, under any version of the sealing key that still exists.
    ///
    /// # Errors
    /// [`VaultError::Tampered`] for other bytes or another context.
    pub fn open_bytes(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let tampered = || VaultError::Tampered(PathBuf::from(context));
        if sealed.len() > SECRET_BYTES_MAX + SEALED_OVERHEAD_BYTES + 4 {
            return Err(tampered());
        }
        let (version, rest) = sealed.split_first_chunk::<4>().ok_or_else(tampered)?;
        let version = u32::from_be_bytes(*version);
        let keys = self.sealing_keys(version).map_err(|refusal| {
            let unknown = matches!(refusal, VaultError::NoVersion { .. } | VaultError::NoSecret(_));
            if unknown { tampered() } else { refusal }
        })?;
        keys.open(&self.additional("bytes", context, version), rest).ok_or_else(tampered)
    }

    /// Makes the sealing key where there is none yet: who seals later then changes nothing in the vault. `now` in Unix seconds.
    ///
    /// # Errors
    /// As [`Vault::get_or_put`].
    pub fn prepare_sealing(&self, now: i64) -> Result<(), VaultError> {
        self.get_or_put(SEALING_KEY_NAME, || random_bytes(seal::KEY_BYTES), now).map(drop)
    }

    /// Version of the sealing key to use, made at first use.
    fn sealing_version(&self, now: i64) -> Result<u32, VaultError> {
        self.prepare_sealing(now)?;
        let versions = self.versions(SEALING_KEY_NAME)?;
        let current = versions.iter().find(|record| record.stage == Stage::Current);
        current.map(|record| record.version).ok_or_else(|| VaultError::NoSecret(SEALING_KEY_NAME.to_owned()))
    }

    fn sealing_keys(&self, version: u32) -> Result<Keys, VaultError> {
        let bytes = self.get_version(SEALING_KEY_NAME, version)?;
        let mut key: Key = Zeroizing::new([0_u8; seal::KEY_BYTES]);
        if bytes.len() != seal::KEY_BYTES {
            return Err(VaultError::Tampered(self.secret_path(SEALING_KEY_NAME, version)));
        }
        key.copy_from_slice(&bytes);
        Keys::derive(&key, &self.id)
    }

    fn read_record(&self, name: &str, wanted: impl Fn(&VersionInfo) -> bool) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (index, _) = self.load_index()?;
        let versions = index.secrets.get(name).ok_or_else(|| VaultError::NoSecret(name.to_owned()))?;
        let record = versions
            .iter()
            .find(|record| record.stage != Stage::Erased && wanted(record))
            .ok_or_else(|| VaultError::NoVersion { name: name.to_owned(), version: 0 })?;
        let path = self.secret_path(name, record.version);
        let sealed = disk::read_limited(&path, SECRET_BYTES_MAX + SEALED_OVERHEAD_BYTES)?;
        let tampered = || VaultError::Tampered(path.clone());
        if sha256_hex(&sealed) != record.sealed_sha256 {
            return Err(tampered());
        }
        self.keys.open(&self.additional("secret", name, record.version), &sealed).ok_or_else(tampered)
    }

    /// Runs one change under the lock; the index is written once, at the end.
    fn change(&self, edit: impl FnOnce(&Self, &mut Index) -> Result<(), VaultError>) -> Result<VaultState, VaultError> {
        self.change_if(|vault, index| edit(vault, index).map(|()| true))
    }

    /// The same, where the edit may find that there is nothing to change.
    fn change_if(&self, edit: impl FnOnce(&Self, &mut Index) -> Result<bool, VaultError>) -> Result<VaultState, VaultError> {
        let _lock = disk::lock(&self.folder)?;
        let (mut index, state) = self.load_index()?;
        if !edit(self, &mut index)? {
            return Ok(state);
        }
        index.step(state);
        self.store_index(&index)
    }

    fn add(&self, index: &mut Index, name: &str, bytes: &[u8], now: i64) -> Result<(), VaultError> {
        let (version, sealed) = self.seal_next(index, name, bytes)?;
        index.add_version(name, version, now, &sealed);
        Ok(())
    }

    /// Writes the sealed file of the next version of a secret; the index is the caller's to change.
    fn seal_next(&self, index: &Index, name: &str, bytes: &[u8]) -> Result<(u32, Vec<u8>), VaultError> {
        check_name(name)?;
        if bytes.len() > SECRET_BYTES_MAX {
            return Err(VaultError::Limit { what: "secret", limit: SECRET_BYTES_MAX });
        }
        let versions = index.secrets.get(name).map_or(0, Vec::len);
        if versions >= VERSIONS_MAX {
            return Err(VaultError::Limit { what: "number of versions", limit: VERSIONS_MAX });
        }
        if versions == 0 && index.secrets.len() >= SECRETS_MAX {
            return Err(VaultError::Limit { what: "number of secrets", limit: SECRETS_MAX });
        }
        // Versions are never removed from the index, so their number is the last version.
        let version = u32::try_from(versions + 1).unwrap_or(u32::MAX);
        let sealed = self.keys.seal(&self.additional("secret", name, version), bytes)?;
        // The file comes before the index: a crash between leaves a file that no index names, which the next put replaces.
        disk::write_atomic(&self.folder.join(SECRETS_FOLDER), &secret_file(name, version), &sealed)?;
        Ok((version, sealed))
    }

    /// What a ciphertext belongs to. The parts before the last `|` contain none, so two lists never give one text.
    fn additional(&self, kind: &str, name: &str, version: u32) -> Vec<u8> {
        format!("stayward vault v1|{kind}|{}|{version}|{name}", self.id).into_bytes()
    }

    fn secret_path(&self, name: &str, version: u32) -> PathBuf {
        self.folder.join(SECRETS_FOLDER).join(secret_file(name, version))
    }

    fn load_index(&self) -> Result<(Index, VaultState), VaultError> {
        let path = self.folder.join(INDEX_FILE);
        // The lock on `seen` spans the read: two readers cannot see two states in the wrong order.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = disk::read_private(&path, INDEX_BYTES_MAX)?;
        let (index, state) = Index::decode(&bytes, &self.keys, &self.id).ok_or(VaultError::Tampered(path))?;
        if let Some(seen) = seen.as_ref() {
            refuse_older(&state, seen)?;
        }
        *seen = Some(state.clone());
        Ok((index, state))
    }

    fn store_index(&self, index: &Index) -> Result<VaultState, VaultError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, state) = index.encode(&self.keys).ok_or(VaultError::Crypto("write the index"))?;
        if bytes.len() > INDEX_BYTES_MAX {
            return Err(VaultError::Limit { what: "index", limit: INDEX_BYTES_MAX });
        }
        disk::write_atomic(&self.folder, INDEX_FILE, &bytes)?;
        *seen = Some(state.clone());
        Ok(state)
    }
}

fn secret_file(name: &str, version: u32) -> String {
    format!("{name}.{version}.sealed")
}

fn refuse_older(found: &VaultState, recorded: &VaultState) -> Result<(), VaultError> {
    if found.counter < recorded.counter {
        return Err(VaultError::RolledBack { seen: found.counter, expected: recorded.counter });
    }
    if found.counter == recorded.counter && found.digest != recorded.digest {
        return Err(VaultError::Forked(found.counter));
    }
    Ok(())
}

/// Names become file names: a small alphabet, no dot, no slash.
fn check_name(name: &str) -> Result<(), VaultError> {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()].iter().all(|end| end.is_some_and(plain));
    let inside = bytes.iter().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'));
    if bytes.len() <= NAME_BYTES_MAX && ends && inside {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
    Err(VaultError::Name(shown.escape_debug().to_string()))
}
