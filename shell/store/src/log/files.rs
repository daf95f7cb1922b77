//! Files that are either there and whole or not there: write aside, fsync, rename, fsync the folder (T4, T6).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use ledger::tile::{TILE_WIDTH, TileError, TileKind, TileName, TileSource, hashes_at};

use super::{BUNDLES_PER_FILE, LogError};

/// Where the head is.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// Where the writer's lock is.
pub(super) const LOCK: &str = "lock";
/// Ending of files that are being written.
pub(super) const TEMPORARY: &str = ".tmp";
/// Longest tile file that is read: 256 entries of 64 kB with their lengths.
const TILE_BYTES_MAX: u64 = TILE_WIDTH * (u16::MAX as u64 + 2);

/// Path of the file that holds bundle `index`, below the folder of the log.
pub(super) fn bundle_file(index: u64) -> String {
    format!("bundles/{:06}.ndjson", index / BUNDLES_PER_FILE)
}

pub(super) fn disk(file: &str, action: &'static str) -> impl Fn(std::io::Error) -> LogError {
    move |error| LogError::Disk { file: file.to_owned(), action, why: error.to_string() }
}

/// Makes what happened in a folder durable.
pub(super) fn sync_folder(root: &Path, relative: &str) -> Result<(), LogError> {
    let folder = root.join(relative);
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(disk(relative, "flushed"))
}

pub(super) fn parent_of(relative: &str) -> &str {
    relative.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Makes a folder below `root` with its parents, durably.
pub(super) fn ensure_folder(root: &Path, relative: &str) -> Result<(), LogError> {
    if relative.is_empty() || root.join(relative).is_dir() {
        return Ok(());
    }
    let parent = parent_of(relative);
    ensure_folder(root, parent)?;
    match fs::create_dir(root.join(relative)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(disk(relative, "made")(error)),
        _ => {}
    }
    sync_folder(root, parent)
}

/// Writes a file aside, durably: the first half of writing it whole or not at all. Its folder must be there.
pub(super) fn write_aside(root: &Path, relative: &str, bytes: &[u8]) -> Result<(), LogError> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(root.join(format!("{relative}{TEMPORARY}")))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(disk(relative, "written"))
}

/// Puts a file that was written aside in its place: the second half, durable after [`sync_folder`].
pub(super) fn put_in_place(root: &Path, relative: &str) -> Result<(), LogError> {
    fs::rename(root.join(format!("{relative}{TEMPORARY}")), root.join(relative)).map_err(disk(relative, "put in place"))
}

/// A write that may wait for the disk beside others.
pub(super) type Job<'a> = Box<dyn FnOnce() -> Result<(), LogError> + Send + 'a>;

/// Runs the jobs beside each other, so that they wait for the disk together, and returns the first error.
pub(super) fn at_once(mut jobs: Vec<Job<'_>>) -> Result<(), LogError> {
    let mine = jobs.pop();
    thread::scope(|scope| {
        let mut results = Vec::new();
        let mut running = Vec::new();
        for job in jobs {
            match thread::Builder::new().spawn_scoped(scope, job) {
                Ok(thread) => running.push(thread),
                Err(error) => results.push(Err(LogError::Stopped(error.to_string()))),
            }
        }
        results.extend(mine.map(|job| job()));
        results.extend(
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(LogError::Stopped("a write panicked".into())))),
        );
        results.into_iter().collect()
    })
}

/// Appends to a file and makes it durable, with its place in the folder when the file is new. The folder must be there.
pub(super) fn append_durably(root: &Path, relative: &str, bytes: &[u8]) -> Result<(), LogError> {
    let path = root.join(relative);
    let is_new = !path.exists();
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(disk(relative, "written"))?;
    if is_new { sync_folder(root, parent_of(relative)) } else { Ok(()) }
}

/// Reads a file of at most `limit` bytes; `None` when there is none.
pub(super) fn read_up_to(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Tiles in a folder. A partial tile may be gone when a wider one took its place; then the wider one answers.
pub(super) struct FolderTiles {
    root: PathBuf,
    /// Size of the signed head: says which partial tiles must be there.
    size: u64,
}

impl FolderTiles {
    pub(super) fn new(root: &Path, size: u64) -> Self {
        Self { root: root.to_path_buf(), size }
    }

    /// The file of exactly this name.
    pub(super) fn exactly(&self, name: TileName) -> Result<Option<Vec<u8>>, TileError> {
        let path = self.root.join(name.to_string());
        read_up_to(&path, TILE_BYTES_MAX).map_err(|error| TileError::Unreadable { name, why: error.to_string() })
    }

    /// The name that this tile has under the head.
    fn at_head(&self, name: TileName) -> TileName {
        let level = match name.kind {
            TileKind::Hashes(level) => u32::from(level),
            TileKind::Entries => 0,
        };
        let width = hashes_at(level, self.size)
            .saturating_sub(name.index.saturating_mul(TILE_WIDTH))
            .clamp(u64::from(name.width), TILE_WIDTH);
        TileName { width: u16::try_from(width).unwrap_or(name.width), ..name }
    }
}

impl TileSource for FolderTiles {
    fn tile(&self, name: TileName) -> Result<Vec<u8>, TileError> {
        let mut candidates = vec![name, self.at_head(name), name.full()];
        candidates.dedup();
        for candidate in candidates {
            if let Some(mut bytes) = self.exactly(candidate)? {
                if candidate != name {
                    bytes.truncate(prefix_bytes(name, &bytes));
                }
                return Ok(bytes);
            }
        }
        Err(TileError::Unreadable { name, why: "there is no such file".into() })
    }
}

/// How many bytes of a wider tile belong to `name`.
pub(super) fn prefix_bytes(name: TileName, wider: &[u8]) -> usize {
    match name.kind {
        TileKind::Hashes(_) => usize::from(name.width) * ledger::tile::HASH_BYTES,
        TileKind::Entries => {
            let mut at = 0usize;
            for _ in 0..name.width {
                let Some(prefix) = wider.get(at..).and_then(|rest| rest.first_chunk::<2>()) else { return wider.len() };
                at = at.saturating_add(2).saturating_add(usize::from(u16::from_be_bytes(*prefix)));
            }
            at.min(wider.len())
        }
    }
}

/// All files below `folder`, as paths below the folder of the log, sorted. A folder that is not there has none.
pub(super) fn list(root: &Path, folder: &str) -> Result<Vec<String>, LogError> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(current) = open.pop() {
        let entries = match fs::read_dir(root.join(&current)) {
            Ok(entries) => entries,
            // A writer removes folders of partial tiles while others read.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(disk(&current, "listed")(error)),
        };
        for entry in entries {
            let entry = entry.map_err(disk(&current, "listed"))?;
            let path = format!("{current}/{}", entry.file_name().to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(_) => files.push(path),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(disk(&path, "listed")(error)),
            }
        }
    }
    files.sort();
    Ok(files)
}
