//! The vault's outer door (T4): the master key lies wrapped in `vault.json`; a private file or a passphrase unwraps it.

use std::fs;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::disk;
use crate::error::VaultError;
use crate::seal::{self, KEY_BYTES, Key};

/// Bytes of a passphrase at least.
pub const PASSPHRASE_BYTES_MIN: usize = 16;
/// Bytes of a passphrase at most.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// argon2id costs: RFC 9106 section 4, second recommended option (64 MiB, 3 passes); one lane, as the library has one thread.
const ARGON2_MEMORY_KIB: u32 = 64 * 1024;
const ARGON2_PASSES: u32 = 3;
const ARGON2_SALT_BYTES: usize = 16;
const HEADER_BYTES_MAX: usize = 4096;
const HEADER_FILE: &str = "vault.json";
const KEY_FILE: &str = "kek";
/// A key file on its way in: written before the header names it, renamed after.
const NEXT_KEY_FILE: &str = "kek-next";
const FORMAT: &str = "stayward-vault-v1";

/// How a vault is opened.
#[derive(Clone, Copy)]
pub(crate) enum Unlock<'a> {
    File,
    Passphrase(&'a str),
}

/// What a vault is put under.
#[derive(Clone, Copy)]
pub(crate) enum NewKey<'a> {
    File,
    Passphrase(&'a str),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum Slot {
    KeyFile { wrapped: String },
    Passphrase { wrapped: String, salt: String },
}

/// The file `vault.json`. Not secret; a change to it makes the vault not open.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    format: String,
    id: String,
    slot: Slot,
}

impl Header {
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(HEADER_FILE)
    }

    /// Writes the header that puts `master` under `key`. A crash at any point leaves a vault that the old or the new key opens.
    pub(crate) fn write(folder: &Path, id: &str, master: &Key, key: NewKey<'_>) -> Result<(), VaultError> {
        let (slot, kek_in_file) = match key {
            NewKey::File => {
                let kek = seal::random_key()?;
                disk::write_atomic(folder, NEXT_KEY_FILE, kek.as_slice())?;
                (Slot::KeyFile { wrapped: HEXLOWER.encode(&seal::wrap_key(&kek, master)?) }, true)
            }
            NewKey::Passphrase(passphrase) => {
                let salt = seal::random_key()?;
                let salt = salt.get(..ARGON2_SALT_BYTES).unwrap_or_default();
                let kek = stretch(passphrase, salt)?;
                let wrapped = HEXLOWER.encode(&seal::wrap_key(&kek, master)?);
                (Slot::Passphrase { wrapped, salt: HEXLOWER.encode(salt) }, false)
            }
        };
        let header = Self { format: FORMAT.to_owned(), id: id.to_owned(), slot };
        let json = serde_json::to_vec_pretty(&header).map_err(|_| VaultError::Crypto("write the header"))?;
        disk::write_atomic(folder, HEADER_FILE, &json)?;
        if kek_in_file {
            return adopt_next_key(folder);
        }
        let old = folder.join(KEY_FILE);
        if old.exists() {
            fs::remove_file(&old).map_err(disk::failed("remove", &old))?;
        }
        disk::sync_folder(folder)
    }

    /// The vault's id and master key.
    pub(crate) fn unlock(folder: &Path, unlock: Unlock<'_>) -> Result<(String, Key), VaultError> {
        let path = Self::path(folder);
        let tampered = || VaultError::Tampered(path.clone());
        let bytes = disk::read_private(&path, HEADER_BYTES_MAX)?;
        let header: Self = serde_json::from_slice(&bytes).map_err(|_| tampered())?;
        if header.format != FORMAT {
            return Err(tampered());
        }
        let decode = |text: &str| HEXLOWER.decode(text.as_bytes()).map_err(|_| tampered());
        let master = match (&header.slot, unlock) {
            (Slot::KeyFile { wrapped }, Unlock::File) => unlock_by_file(folder, &decode(wrapped)?)?,
            (Slot::Passphrase { wrapped, salt }, Unlock::Passphrase(passphrase)) => {
                let (wrapped, salt) = (decode(wrapped)?, decode(salt)?);
                if salt.len() != ARGON2_SALT_BYTES {
                    return Err(tampered());
                }
                seal::unwrap_key(&stretch(passphrase, &salt)?, &wrapped).ok_or(VaultError::WrongKey)?
            }
            (Slot::KeyFile { .. }, Unlock::Passphrase(_)) => return Err(VaultError::OtherKeyKind("key file")),
            (Slot::Passphrase { .. }, Unlock::File) => return Err(VaultError::OtherKeyKind("passphrase")),
        };
        Ok((header.id, master))
    }
}

fn unlock_by_file(folder: &Path, wrapped: &[u8]) -> Result<Key, VaultError> {
    let current = folder.join(KEY_FILE);
    let next = folder.join(NEXT_KEY_FILE);
    if current.exists()
        && let Some(master) = seal::unwrap_key(&read_key(&current)?, wrapped)
    {
        return Ok(master);
    }
    // The program stopped between writing the header and renaming the key.
    if next.exists() {
        let master = seal::unwrap_key(&read_key(&next)?, wrapped).ok_or(VaultError::WrongKey)?;
        adopt_next_key(folder)?;
        return Ok(master);
    }
    Err(VaultError::WrongKey)
}

fn adopt_next_key(folder: &Path) -> Result<(), VaultError> {
    let next = folder.join(NEXT_KEY_FILE);
    fs::rename(&next, folder.join(KEY_FILE)).map_err(disk::failed("rename", &next))?;
    disk::sync_folder(folder)
}

fn read_key(path: &Path) -> Result<Key, VaultError> {
    let bytes = disk::read_private(path, KEY_BYTES)?;
    let mut key: Key = Zeroizing::new([0_u8; KEY_BYTES]);
    if bytes.len() != KEY_BYTES {
        return Err(VaultError::WrongKey);
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

fn stretch(passphrase: &str, salt: &[u8]) -> Result<Key, VaultError> {
    if !(PASSPHRASE_BYTES_MIN..=PASSPHRASE_BYTES_MAX).contains(&passphrase.len()) {
        return Err(VaultError::PassphraseLength(passphrase.len()));
    }
    let failed = |_| VaultError::Crypto("stretch the passphrase");
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, 1, Some(KEY_BYTES)).map_err(failed)?;
    let mut key: Key = Zeroizing::new([0_u8; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .map_err(failed)?;
    Ok(key)
}
