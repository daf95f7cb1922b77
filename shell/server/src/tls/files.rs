//! Key files that only their owner reads (T4: secrets), written so that a crash leaves the old file or the new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::ServerError;

/// Bytes of a certificate or key file that are read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Permission bits of others than the owner.
const OTHERS: u32 = 0o077;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Owner,
    All,
}

pub(crate) fn failed(path: &Path) -> impl FnOnce(io::Error) -> ServerError {
    let path = path.to_owned();
    move |source| ServerError::File { path, source }
}

/// The file's bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ServerError> {
    let file = fs::File::open(path).map_err(failed(path))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed(path))?;
    Ok(bytes)
}

/// Refuses a key file that others than its owner can read or write.
pub(crate) fn check_owner_only(path: &Path) -> Result<(), ServerError> {
    let mode = fs::metadata(path).map_err(failed(path))?.mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(ServerError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Writes beside, syncs, renames.
pub(crate) fn write(path: &Path, text: &str, readers: Readers) -> Result<(), ServerError> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    let outcome = write_beside(&beside, text, mode).and_then(|()| fs::rename(&beside, path));
    if outcome.is_err() {
        // Best effort: what is left has mode 0600 or holds nothing secret.
        let _gone = fs::remove_file(&beside);
    }
    outcome.map_err(failed(path))
}

fn write_beside(beside: &Path, text: &str, mode: u32) -> io::Result<()> {
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
