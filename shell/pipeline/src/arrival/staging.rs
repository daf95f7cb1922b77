//! A file that is still coming (T1): in a hidden file of the inbox, hashed as it comes, and gone again unless it is put in place.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use gate::Digest;
use s01_intake::ContentDigest;
use store::disk;

use super::ArrivalError;
use crate::desk::random_hex;

/// Random bytes in the name of a hidden file.
const NAME_BYTES: usize = 8;

/// A file that is coming.
pub struct Staging {
    file: File,
    /// Removed with this.
    staged: Staged,
    sha256: Context,
    sha512: Context,
    bytes_max: u64,
}

/// A file that came whole. Its hidden copy goes with this.
#[derive(Debug)]
pub struct Staged {
    /// The name that it shall have.
    pub name: String,
    /// SHA-256.
    pub sha256: Digest,
    /// How many bytes.
    pub bytes: u64,
    pub(super) path: PathBuf,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Best effort: what is left is hidden, counts as nothing, and the next start removes it.
        let _gone = std::fs::remove_file(&self.path);
    }
}

impl std::fmt::Debug for Staging {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Staging").field("staged", &self.staged).finish_non_exhaustive()
    }
}

impl Staging {
    pub(super) fn new(folder: &Path, name: &str, bytes_max: u64) -> Result<Self, ArrivalError> {
        let random = random_hex(NAME_BYTES).map_err(|error| ArrivalError::Internal(error.to_string()))?;
        let path = folder.join(format!("{}{random}", disk::TEMPORARY_PREFIX));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(disk::FILE_MODE)
            .open(&path)
            .map_err(|error| ArrivalError::Internal(format!("no file can be made in the inbox: {error}")))?;
        let staged = Staged { name: name.to_owned(), sha256: Digest::from_bytes([0; 32]), bytes: 0, path };
        Ok(Self { file, staged, sha256: Context::new(&SHA256), sha512: Context::new(&SHA512), bytes_max })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`ArrivalError::TooLarge`] at the first byte that is too much, or a disk error.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), ArrivalError> {
        self.staged.bytes = self.staged.bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if self.staged.bytes > self.bytes_max {
            return Err(ArrivalError::TooLarge { bytes_max: self.bytes_max });
        }
        self.sha256.update(piece);
        self.sha512.update(piece);
        self.file.write_all(piece).map_err(|error| ArrivalError::Internal(format!("the inbox cannot be written: {error}")))
    }

    /// The whole file, on the disk, if its bytes are those that were said.
    ///
    /// # Errors
    /// [`ArrivalError::Empty`], [`ArrivalError::Changed`], or a disk error.
    pub fn finish(self, said: Option<&ContentDigest>) -> Result<Staged, ArrivalError> {
        let Self { file, mut staged, sha256, sha512, .. } = self;
        if staged.bytes == 0 {
            return Err(ArrivalError::Empty);
        }
        let (sha256, sha512) = (sha256.finish(), sha512.finish());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(sha256.as_ref()).for_each(|(to, from)| *to = *from);
        staged.sha256 = Digest::from_bytes(bytes);
        if said.is_some_and(|said| !said.holds(sha256.as_ref(), sha512.as_ref())) {
            return Err(ArrivalError::Changed { found: staged.sha256.short() });
        }
        file.sync_all().map_err(|error| ArrivalError::Internal(format!("the inbox cannot be written: {error}")))?;
        Ok(staged)
    }
}
