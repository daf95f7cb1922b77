//! The vault's way to write (T4): a file is either the old one or the new one, never half, and never readable by others.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::VaultError;

const PRIVATE_FILE_MODE: u32 = 0o600;
const PRIVATE_FOLDER_MODE: u32 = 0o700;
const OTHERS_ANY: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> VaultError {
    let path = path.to_owned();
    move |cause| VaultError::Disk { doing, path, cause }
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_folder(path: &Path) -> Result<(), VaultError> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER_MODE).create(path).map_err(failed("make the folder", path))
}

/// Refuses a folder in which others may place or replace files.
pub(crate) fn refuse_writable_by_others(folder: &Path) -> Result<(), VaultError> {
    let mode = fs::metadata(folder).map_err(failed("look at", folder))?.permissions().mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        return Err(VaultError::OpenToOthers { path: folder.to_owned(), mode });
    }
    Ok(())
}

/// Reads a file that only its owner may read; refuses links, and files that group or others can touch.
pub(crate) fn read_private(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let facts = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    if !facts.is_file() {
        return Err(VaultError::Tampered(path.to_owned()));
    }
    let mode = facts.permissions().mode() & 0o7777;
    if mode & OTHERS_ANY != 0 {
        return Err(VaultError::OpenToOthers { path: path.to_owned(), mode });
    }
    read_limited(path, bytes_max)
}

/// Reads at most `bytes_max` bytes; a longer file counts as tampered with.
pub(crate) fn read_limited(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let file = File::open(path).map_err(failed("open", path))?;
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() > bytes_max {
        return Err(VaultError::Tampered(path.to_owned()));
    }
    Ok(bytes)
}

/// Replaces `folder/name` at once: temporary file, fsync, rename, fsync of the folder.
/// Callers hold the vault's lock, so one temporary name is enough.
pub(crate) fn write_atomic(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
    let temporary = folder.join(format!(".{name}.new"));
    let target = folder.join(name);
    // A crash may have left the temporary file; it was never part of the vault.
    match fs::remove_file(&temporary) {
        Ok(()) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
        Err(cause) => return Err(failed("remove", &temporary)(cause)),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE_MODE)
        .open(&temporary)
        .map_err(failed("create", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, &target).map_err(failed("rename to", &target))?;
    sync_folder(folder)
}

/// Makes renames and removals in `folder` survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), VaultError> {
    File::open(folder).and_then(|handle| handle.sync_all()).map_err(failed("sync", folder))
}

/// Holds the vault's lock until dropped: one writer at a time, over processes too.
pub(crate) fn lock(folder: &Path) -> Result<File, VaultError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE_MODE)
        .open(&path)
        .map_err(failed("open", &path))?;
    file.lock().map_err(failed("lock", &path))?;
    Ok(file)
}
