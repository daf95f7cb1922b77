//! The only way in which the store writes (T1, T4, T6): after a crash a file is the old one or the new one, never half of one;
//! what shall stay cannot be overwritten; and nobody else may read.
//!
//! The order in which things happen, and what a crash between two of them leaves:
//!
//! 1. a temporary file in the same folder, named `.tmp-...`: a crash leaves a temporary, which no reader looks at;
//! 2. `fsync` of that file, so that its bytes are on the disk before its name is;
//! 3. rename (replaces) or hard link (never replaces) to the final name: the one moment at which the file comes to be;
//! 4. removal of the temporary name, after a hard link: a crash leaves a second name for good bytes;
//! 5. `fsync` of the folder, so that the name outlives a loss of power.
//!
//! A call that returned `Ok` has done all five.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Mode of every folder that the store makes.
pub const FOLDER_MODE: u32 = 0o700;
/// Mode of files that may be replaced.
pub const FILE_MODE: u32 = 0o600;
/// Mode of files that shall stay as they are.
pub const READ_ONLY_MODE: u32 = 0o400;
/// With what the name of a temporary file begins.
pub const TEMPORARY_PREFIX: &str = ".tmp-";
/// Entries of one folder that [`list`] reads at most.
pub const FOLDER_ENTRIES_MAX: usize = 1_000_000;
/// Files of another writer cannot stand in the way for longer than so many names.
const TEMPORARY_NAMES_MAX: u32 = 1_000;
const LOCK_POLL_MILLISECONDS: u64 = 10;

/// Bytes that are hashed at once.
const PIECE_BYTES: usize = 1 << 20;

/// Why the disk did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system refused.
    #[error("cannot {doing} `{}`: {cause}", path.display())]
    System {
        /// What was tried: a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// [`create_new_atomic`] found a file of that name.
    #[error("`{}` exists and is never overwritten", .0.display())]
    Exists(PathBuf),
    /// There is no such file.
    #[error("`{}` is missing", .0.display())]
    Missing(PathBuf),
    /// Longer than the caller is ready to read.
    #[error("`{}` is larger than {bytes_max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// More than [`FOLDER_ENTRIES_MAX`] names in a folder.
    #[error("the folder `{}` holds more than {FOLDER_ENTRIES_MAX} files", .0.display())]
    TooMany(PathBuf),
    /// A link, folder, pipe or device where a plain file should be.
    #[error("`{}` is not a plain file", .0.display())]
    NotAFile(PathBuf),
    /// Another writer held the lock until the waiting time was over.
    #[error("`{}` is locked by another writer", .0.display())]
    Locked(PathBuf),
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> DiskError {
    let path = path.to_owned();
    move |cause| {
        if cause.kind() == ErrorKind::NotFound { DiskError::Missing(path) } else { DiskError::System { doing, path, cause } }
    }
}

/// Makes a folder, and those above it, that only its owner may enter (mode 0700; those that exist keep their mode).
///
/// # Errors
/// [`DiskError::System`].
pub fn make_folder(path: &Path) -> Result<(), DiskError> {
    if path.is_dir() {
        return Ok(());
    }
    // From the top down, each name made to last before something is put below it.
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(cause) => Err(failed("make the folder", path)(cause)),
        Ok(()) => sync_folder(parent(path)),
    }
}

/// Makes those of the named folders that are missing in `folder` (mode 0700), with one `fsync` for all.
///
/// # Errors
/// [`DiskError::System`], [`DiskError::Missing`].
pub fn make_folders_in(folder: &Path, names: impl IntoIterator<Item = String>) -> Result<(), DiskError> {
    for name in names {
        let path = folder.join(name);
        match DirBuilder::new().mode(FOLDER_MODE).create(&path) {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made.map_err(failed("make the folder", &path))?,
        }
    }
    sync_folder(folder)
}

/// Replaces `path` with `bytes` at once (mode 0600): readers see the old bytes or the new ones.
///
/// # Errors
/// [`DiskError::System`], [`DiskError::Missing`] for the folder.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let (folder, temporary) = write_temporary(path, bytes, FILE_MODE)?;
    if let Err(cause) = fs::rename(&temporary, path) {
        remove_quietly(&temporary);
        return Err(failed("rename to", path)(cause));
    }
    sync_folder(&folder)
}

/// Makes `path` with `bytes` at once (mode 0400), unless something of that name exists: of several writers, one wins.
///
/// # Errors
/// [`DiskError::Exists`], [`DiskError::System`], [`DiskError::Missing`] for the folder.
pub fn create_new_atomic(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let (folder, temporary) = write_temporary(path, bytes, READ_ONLY_MODE)?;
    put_in_place(&temporary, path)?;
    sync_folder(&folder)
}

/// Step 1 of [`create_new_atomic`] alone: bytes (mode 0400) under a temporary name beside `path`, which is said; not on the disk yet.
///
/// # Errors
/// [`DiskError::System`], [`DiskError::Missing`] for the folder.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> Result<PathBuf, DiskError> {
    let (temporary, mut file) = open_temporary(parent(path))?;
    let written = file.write_all(bytes).and_then(|()| file.set_permissions(fs::Permissions::from_mode(READ_ONLY_MODE)));
    written.map_err(|cause| {
        remove_quietly(&temporary);
        failed("write", &temporary)(cause)
    })?;
    Ok(temporary)
}

/// Step 2: the bytes of a file that was written by [`write_aside`] are on the disk.
///
/// # Errors
/// [`DiskError::System`], [`DiskError::Missing`].
pub(crate) fn sync_file(path: &Path) -> Result<(), DiskError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed("sync", path))
}

/// Steps 3 and 4: gives the temporary its final name, unless something has that name. Step 5 is [`sync_folder`].
///
/// # Errors
/// [`DiskError::Exists`], [`DiskError::System`], [`DiskError::Missing`].
pub(crate) fn put_in_place(temporary: &Path, path: &Path) -> Result<(), DiskError> {
    let linked = fs::hard_link(temporary, path);
    remove_quietly(temporary);
    match linked {
        Ok(()) => Ok(()),
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Err(DiskError::Exists(path.to_owned())),
        Err(cause) => Err(failed("link to", path)(cause)),
    }
}

/// Reads a plain file of at most `bytes_max` bytes; links are not followed, pipes not opened.
///
/// # Errors
/// [`DiskError::Missing`], [`DiskError::NotAFile`], [`DiskError::TooLarge`], [`DiskError::System`].
pub fn read_limited(path: &Path, bytes_max: u64) -> Result<Vec<u8>, DiskError> {
    let bytes = read_beginning(path, bytes_max.saturating_add(1))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(DiskError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(bytes)
}

/// The first bytes of a plain file: for one whose length is judged, which must not end the judge.
///
/// # Errors
/// As [`read_limited`], but no limit.
pub fn read_beginning(path: &Path, bytes: u64) -> Result<Vec<u8>, DiskError> {
    // Looked at before it is opened, because opening a pipe waits for its writer.
    if !fs::symlink_metadata(path).map_err(failed("look at", path))?.is_file() {
        return Err(DiskError::NotAFile(path.to_owned()));
    }
    let mut read = Vec::new();
    File::open(path).map_err(failed("open", path))?.take(bytes).read_to_end(&mut read).map_err(failed("read", path))?;
    Ok(read)
}

/// SHA-256 and size of a plain file of any length, read in pieces.
///
/// # Errors
/// As [`read_limited`], but no limit.
pub fn digest_of(path: &Path) -> Result<(gate::Digest, u64), DiskError> {
    if !fs::symlink_metadata(path).map_err(failed("look at", path))?.is_file() {
        return Err(DiskError::NotAFile(path.to_owned()));
    }
    let mut file = File::open(path).map_err(failed("open", path))?;
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let (mut piece, mut size) = (vec![0_u8; PIECE_BYTES], 0_u64);
    loop {
        let read = file.read(&mut piece).map_err(failed("read", path))?;
        let Some(part) = piece.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    Ok((gate::Digest::from_bytes(bytes), size))
}

/// The names in a folder, sorted; at most [`FOLDER_ENTRIES_MAX`]. Names that are not UTF-8 come with replacement characters.
///
/// # Errors
/// [`DiskError::Missing`], [`DiskError::System`], [`DiskError::TooMany`].
pub fn list(folder: &Path) -> Result<Vec<String>, DiskError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        if names.len() == FOLDER_ENTRIES_MAX {
            return Err(DiskError::TooMany(folder.to_owned()));
        }
        let entry = entry.map_err(failed("list", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes the temporary files that a crash left in a folder, and says their names. Only who holds the folder's lock may call it:
/// another writer's work in progress looks just the same.
///
/// # Errors
/// [`DiskError::Missing`], [`DiskError::System`].
pub fn remove_temporaries(folder: &Path) -> Result<Vec<String>, DiskError> {
    let names: Vec<String> = list(folder)?.into_iter().filter(|name| name.starts_with(TEMPORARY_PREFIX)).collect();
    for name in &names {
        remove(&folder.join(name))?;
    }
    Ok(names)
}

/// Removes one file and makes that last.
///
/// # Errors
/// [`DiskError::Missing`], [`DiskError::System`].
pub fn remove(path: &Path) -> Result<(), DiskError> {
    fs::remove_file(path).map_err(failed("remove", path))?;
    sync_folder(parent(path))
}

/// `fsync` of a folder: names made, replaced or removed in it outlive a loss of power.
///
/// # Errors
/// [`DiskError::System`].
pub fn sync_folder(folder: &Path) -> Result<(), DiskError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(failed("sync", folder))
}

/// The right to write, as long as it lives. The system gives it back when its holder dies, however that happens.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not used: closing it gives the lock back")] File);

/// Waits up to `wait` for the exclusive lock on the file `path`, which is made where it is missing and stays.
///
/// # Errors
/// [`DiskError::Locked`], [`DiskError::System`].
pub fn lock(path: &Path, wait: Duration) -> Result<Lock, DiskError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(failed("open", path))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() < wait => {
                std::thread::sleep(Duration::from_millis(LOCK_POLL_MILLISECONDS));
            }
            Err(TryLockError::WouldBlock) => return Err(DiskError::Locked(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(failed("lock", path)(cause)),
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Steps 1 and 2: bytes on the disk under a name of their own.
fn write_temporary(path: &Path, bytes: &[u8], mode: u32) -> Result<(PathBuf, PathBuf), DiskError> {
    let folder = parent(path).to_owned();
    let (temporary, mut file) = open_temporary(&folder)?;
    let written = file
        .write_all(bytes)
        // The mode last, past the process's mask.
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok((folder, temporary)),
        Err(cause) => {
            remove_quietly(&temporary);
            Err(failed("write", &temporary)(cause))
        }
    }
}

/// A name that nobody uses: process, counter; a leftover of a dead process with the same number is stepped over.
fn open_temporary(folder: &Path) -> Result<(PathBuf, File), DiskError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    for _ in 0..TEMPORARY_NAMES_MAX {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{TEMPORARY_PREFIX}{}-{count}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(failed("create", &path)(cause)),
        }
    }
    Err(DiskError::Exists(folder.join(TEMPORARY_PREFIX)))
}

/// A temporary that cannot be removed does no harm: no reader looks at it, and the next writer under the lock removes it.
pub(crate) fn remove_quietly(temporary: &Path) {
    let _ = fs::remove_file(temporary);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_read_in_pieces_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let bytes: Vec<u8> = (0..=PIECE_BYTES).map(|at| at.to_le_bytes()[0]).collect();
        write_atomic(&path, &bytes).unwrap();
        assert_eq!(digest_of(&path).unwrap(), (gate::Digest::of(&bytes), bytes.len() as u64));
        assert!(digest_of(folder.path()).is_err());
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(mode(&path), FILE_MODE);
        assert_eq!(list(folder.path()).unwrap(), ["a"]);
    }

    #[test]
    fn a_new_file_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        create_new_atomic(&path, b"one").unwrap();
        assert!(matches!(create_new_atomic(&path, b"two"), Err(DiskError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(mode(&path), READ_ONLY_MODE);
        assert_eq!(list(folder.path()).unwrap(), ["a"]);
    }

    #[test]
    fn of_many_writers_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let wins: Vec<u8> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|me| {
                    let path = &path;
                    scope.spawn(move || create_new_atomic(path, &[me; 1000]).is_ok().then_some(me))
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(wins.len(), 1);
        assert_eq!(fs::read(&path).unwrap(), [wins[0]; 1000]);
    }

    #[test]
    fn a_leftover_of_a_crash_is_stepped_over_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        for count in 0..50 {
            fs::write(folder.path().join(format!("{TEMPORARY_PREFIX}{}-{count}", std::process::id())), b"half").unwrap();
        }
        write_atomic(&folder.path().join("a"), b"one").unwrap();
        assert!(!remove_temporaries(folder.path()).unwrap().is_empty());
        assert_eq!(list(folder.path()).unwrap(), ["a"]);
    }

    #[test]
    fn only_plain_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomic(&path, b"four").unwrap();
        assert_eq!(read_limited(&path, 4).unwrap(), b"four");
        assert!(matches!(read_limited(&path, 3), Err(DiskError::TooLarge { .. })));
        assert!(matches!(read_limited(&folder.path().join("b"), 3), Err(DiskError::Missing(_))));
        assert!(matches!(read_limited(folder.path(), 3), Err(DiskError::NotAFile(_))));
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        assert!(matches!(read_limited(&folder.path().join("link"), 9), Err(DiskError::NotAFile(_))));
    }

    #[test]
    fn folders_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        make_folder(&deep).unwrap();
        assert_eq!((mode(&deep), mode(&folder.path().join("a"))), (FOLDER_MODE, FOLDER_MODE));
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path, Duration::ZERO).unwrap();
        assert!(matches!(lock(&path, Duration::from_millis(30)), Err(DiskError::Locked(_))));
        drop(held);
        assert!(lock(&path, Duration::ZERO).is_ok());
    }
}
