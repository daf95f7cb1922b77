//! The one writer of the log: commits a group of entries, survives a crash at any point of it (T4, T6).

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions as FileOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ledger::bundle::{Bundle, EvidenceId, entry_of};
use ledger::checkpoint::Checkpoint;
use ledger::note::{NOTE_BYTES_MAX, NoteSigner, NoteVerifier};
use ledger::tile::{TILE_WIDTH, TileKind, TileName, TiledTree, encode_entries, hashes_at};
use ledger::tree::{Edge, Hash, leaf_hash};

use super::check::{Checked, Damage, Depth, Line, Lines, check, lies_beyond, root_of};
use super::files::{
    CHECKPOINT, FolderTiles, Job, LOCK, TEMPORARY, append_durably, at_once, bundle_file, disk, ensure_folder, list, parent_of,
    put_in_place, read_up_to, sync_folder, write_aside,
};
use crate::objects::Aside;

use super::{Appended, BUNDLES_PER_FILE, ENTRIES_MAX, GROUP_ENTRIES_MAX, LogError};

/// Threads that wait for the objects of one group at most.
const BESIDE_JOBS_MAX: usize = 32;

/// Called with the name of every point at which a crash is worth trying; the product passes nothing.
pub type CrashHook = Box<dyn Fn(&str) + Send + Sync>;

/// What a caller may add when opening.
#[derive(Default)]
pub struct OpenOptions {
    /// A head that was kept elsewhere: the log must contain it, or it was put back or rewritten.
    pub floor: Option<Checkpoint>,
    /// Keys that signed heads until the last rotation: a head that only they signed is taken, and signed anew at once.
    pub earlier: Vec<NoteVerifier>,
    /// For tests: kills the process at a named point.
    pub crash_hook: Option<CrashHook>,
}

/// A bundle that is ready to be written.
pub(super) struct Pending {
    pub(super) line: Vec<u8>,
    pub(super) digest: gate::Digest,
    /// What the bundle rests on: kept before the head that covers it.
    pub(super) beside: Option<Aside>,
}

impl Pending {
    pub(super) fn of(bundle: &Bundle) -> Result<Self, LogError> {
        Ok(Self { line: bundle.to_canonical_json()?, digest: bundle.digest(), beside: None })
    }
}

/// The one writer of a log. Dropping it releases the lock.
pub struct LogWriter {
    root: PathBuf,
    origin: String,
    signers: Vec<Box<dyn NoteSigner>>,
    edge: Edge,
    /// Hashes in the partial tile of every level, from level 0.
    partial: Vec<Vec<Hash>>,
    partial_entries: Vec<Vec<u8>>,
    crash_hook: Option<CrashHook>,
    stopped: Option<String>,
    _lock: File,
}

impl LogWriter {
    /// Opens or founds the log in `folder`. All `signers` sign every head; one of them must be Ed25519 for other programs to read it.
    pub fn open(folder: &Path, origin: &str, signers: Vec<Box<dyn NoteSigner>>) -> Result<Self, LogError> {
        Self::open_with(folder, origin, signers, OpenOptions::default())
    }

    /// The same with a head that must be contained, and with crash points.
    pub fn open_with(
        folder: &Path,
        origin: &str,
        signers: Vec<Box<dyn NoteSigner>>,
        options: OpenOptions,
    ) -> Result<Self, LogError> {
        let shown = folder.display().to_string();
        fs::create_dir_all(folder).map_err(disk(&shown, "made"))?;
        let lock =
            FileOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK)).map_err(disk(LOCK, "opened"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::Locked(shown)),
            Err(TryLockError::Error(error)) => return Err(disk(LOCK, "locked")(error)),
        }
        let mut writer = Self {
            root: folder.to_path_buf(),
            origin: origin.to_owned(),
            signers,
            edge: Edge::new(),
            partial: Vec::new(),
            partial_entries: Vec::new(),
            crash_hook: options.crash_hook,
            stopped: None,
            _lock: lock,
        };
        match read_up_to(&folder.join(CHECKPOINT), NOTE_BYTES_MAX as u64).map_err(disk(CHECKPOINT, "read"))? {
            None => writer.found()?,
            Some(note) => writer.recover(&note, options.earlier)?,
        }
        writer.check_floor(options.floor.as_ref())?;
        Ok(writer)
    }

    /// The first start: an empty log gets a signed head at once, so that a head that is missing later was deleted.
    fn found(&mut self) -> Result<(), LogError> {
        for folder in ["bundles", "tile"] {
            if let Some(file) = list(&self.root, folder)?.into_iter().next() {
                return Err(LogError::HeadMissing(file));
            }
        }
        self.write_head(&Edge::new())
    }

    fn recover(&mut self, note: &[u8], earlier: Vec<NoteVerifier>) -> Result<(), LogError> {
        let mut verifiers: Vec<NoteVerifier> = self.signers.iter().map(|signer| signer.verifier().clone()).collect();
        let (current, head) = match Checkpoint::open(note, &self.origin, &verifiers) {
            Ok(signed) => (true, signed.checkpoint),
            Err(_) if !earlier.is_empty() => {
                verifiers.extend(earlier);
                (false, Checkpoint::open(note, &self.origin, &verifiers)?.checkpoint)
            }
            Err(error) => return Err(error.into()),
        };
        let Checked { edge, partial, partial_entries, .. } = check(&self.root, &head, Depth::Start)?;
        self.drop_unsigned_bundles(head.size)?;
        self.point("bundles-truncated");
        self.drop_unsigned_tiles(head.size)?;
        self.point("tiles-dropped");
        (self.edge, self.partial, self.partial_entries) = (edge, partial, partial_entries);
        // After a rotation the head is signed by the new key before anything is appended: readers need not trust the old one.
        if current { Ok(()) } else { self.write_head(&self.edge) }
    }

    fn check_floor(&self, floor: Option<&Checkpoint>) -> Result<(), LogError> {
        let Some(floor) = floor else { return Ok(()) };
        let size = self.edge.size();
        if floor.size > size {
            return Err(LogError::WentBack { head: size, seen: format!("a kept head has `{}`", floor.size) });
        }
        let root = TiledTree::new(&FolderTiles::new(&self.root, size), floor.size).root()?;
        if root == floor.root && floor.origin == self.origin {
            Ok(())
        } else {
            Err(LogError::Forked { old: floor.size, new: size })
        }
    }

    /// Cuts bundle lines beyond the head. A crash leaves at most one group there; more means that the head was put back.
    fn drop_unsigned_bundles(&self, size: u64) -> Result<(), LogError> {
        let file = bundle_file(size);
        let later: Vec<String> = list(&self.root, "bundles")?.into_iter().filter(|path| *path > file).collect();
        let (mut extra, mut keep) = (0u64, 0u64);
        for path in std::iter::once(&file).filter(|path| self.root.join(path.as_str()).exists()).chain(&later) {
            let signed_lines = if *path == file { size % BUNDLES_PER_FILE } else { 0 };
            let mut lines = Lines::open(&self.root, path)?;
            for _ in 0..signed_lines {
                if !matches!(lines.next().map_err(disk(path, "read"))?, Line::Whole(_)) {
                    return Err(Damage::new(path.as_str(), None, "a signed bundle is missing").into());
                }
            }
            if *path == file {
                keep = lines.bytes;
            }
            while !matches!(lines.next().map_err(disk(path, "read"))?, Line::End) {
                extra += 1;
                if extra > GROUP_ENTRIES_MAX as u64 {
                    let seen = format!("more than `{GROUP_ENTRIES_MAX}` bundles lie beyond it, which no crash leaves");
                    return Err(LogError::WentBack { head: size, seen });
                }
            }
        }
        for path in later.iter().rev() {
            fs::remove_file(self.root.join(path)).map_err(disk(path, "removed"))?;
        }
        if self.root.join(&file).exists() {
            let cut = || -> std::io::Result<()> {
                let opened = FileOptions::new().write(true).open(self.root.join(&file))?;
                opened.set_len(keep)?;
                opened.sync_all()
            };
            cut().map_err(disk(&file, "cut"))?;
            sync_folder(&self.root, "bundles")?;
        }
        Ok(())
    }

    /// Removes tiles beyond the head and files that were being written.
    fn drop_unsigned_tiles(&self, size: u64) -> Result<(), LogError> {
        for path in list(&self.root, "tile")? {
            if path.ends_with(TEMPORARY) || TileName::parse(&path).is_some_and(|name| lies_beyond(name, size)) {
                fs::remove_file(self.root.join(&path)).map_err(disk(&path, "removed"))?;
            }
        }
        Ok(())
    }

    /// Entries under the last signed head.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The last head.
    pub fn head(&self) -> Checkpoint {
        Checkpoint::of(&self.origin, &self.edge)
    }

    /// Appends one bundle and returns when it is durable under a signed head.
    pub fn append(&mut self, bundle: &Bundle) -> Result<Appended, LogError> {
        let appended = self.commit(&[Pending::of(bundle)?])?;
        // INVARIANT: a commit of one returns one.
        appended.into_iter().next().ok_or_else(|| LogError::Stopped("a commit returned nothing".into()))
    }

    /// Appends a group under one head. After a failure the writer takes nothing more: what is on disk is uncertain until the
    /// log is opened again.
    pub(super) fn commit(&mut self, group: &[Pending]) -> Result<Vec<Appended>, LogError> {
        if let Some(why) = &self.stopped {
            return Err(LogError::Stopped(why.clone()));
        }
        if group.is_empty() {
            return Ok(Vec::new());
        }
        let result = self.try_commit(group);
        if let Err(error) = &result {
            self.stopped = Some(error.to_string());
        }
        result
    }

    fn try_commit(&mut self, group: &[Pending]) -> Result<Vec<Appended>, LogError> {
        let first = self.edge.size();
        if group.len() > GROUP_ENTRIES_MAX || first.saturating_add(group.len() as u64) > ENTRIES_MAX {
            return Err(LogError::Full);
        }
        let mut edge = self.edge.clone();
        let mut appended = Vec::with_capacity(group.len());
        let mut tiles = Vec::new();
        for (index, pending) in (first..).zip(group) {
            let entry = entry_of(&pending.digest);
            let leaf = leaf_hash(&entry);
            edge.append(leaf);
            self.partial_entries.push(entry);
            self.push_hash(0, index, leaf, &mut tiles);
            if self.partial_entries.len() as u64 == TILE_WIDTH {
                tiles.push(self.entries_tile(index / TILE_WIDTH));
                self.partial_entries.clear();
            }
            appended.push(Appended { index, id: EvidenceId::of(&pending.digest), digest: pending.digest });
        }
        self.partial_tiles(first, edge.size(), &mut tiles);
        let beside: Vec<&Aside> = group.iter().filter_map(|pending| pending.beside.as_ref()).collect();
        self.write_files(&bundle_lines(first, group), &tiles, &beside)?;
        self.point("before-checkpoint");
        self.write_head(&edge)?;
        self.point("checkpoint-written");
        self.edge = edge;
        for (name, _) in tiles.iter().filter(|(name, _)| name.is_full()) {
            // A partial tile may go when its full tile is published (tlog-tiles, "Partial Tiles"); one that stays does no harm.
            let _ = fs::remove_dir_all(self.root.join(format!("{name}.p")));
        }
        Ok(appended)
    }

    /// Makes bundles, tiles and the objects beside them durable, waiting for the disk twice: once for the bytes, once for the names.
    fn write_files(
        &self,
        bundles: &[(String, Vec<u8>)],
        tiles: &[(TileName, Vec<u8>)],
        beside: &[&Aside],
    ) -> Result<(), LogError> {
        let names: Vec<String> = tiles.iter().map(|(name, _)| name.to_string()).collect();
        let folders: BTreeSet<&str> = names.iter().map(|name| parent_of(name)).collect();
        ensure_folder(&self.root, "bundles")?;
        folders.iter().try_for_each(|folder| ensure_folder(&self.root, folder))?;
        let mut jobs: Vec<Job<'_>> = Vec::new();
        for (file, bytes) in bundles {
            jobs.push(Box::new(move || append_durably(&self.root, file, bytes).inspect(|()| self.point("bundle-file-written"))));
        }
        for (name, (_, bytes)) in names.iter().zip(tiles) {
            jobs.push(Box::new(move || write_aside(&self.root, name, bytes).inspect(|()| self.point("tile-aside"))));
        }
        jobs.extend(shared(beside, |aside: &&Aside| aside.sync().map_err(object)));
        at_once(jobs)?;
        self.point("all-bytes-written");
        for aside in beside {
            aside.put_in_place().map_err(object)?;
            self.point("object-in-place");
        }
        for name in &names {
            put_in_place(&self.root, name)?;
            self.point("tile-in-place");
        }
        let kept: Vec<&Path> = beside.iter().map(|aside| aside.folder()).collect::<BTreeSet<_>>().into_iter().collect();
        let tiles = folders.iter().map(|folder| -> Job<'_> { Box::new(move || sync_folder(&self.root, folder)) });
        at_once(tiles.chain(shared(&kept, |folder: &&Path| crate::disk::sync_folder(folder).map_err(object))).collect())
    }

    /// Adds a hash to its level; a tile that becomes full is set down to be written, and its root goes one level up.
    fn push_hash(&mut self, level: u8, place: u64, hash: Hash, tiles: &mut Vec<(TileName, Vec<u8>)>) {
        let depth = usize::from(level);
        if self.partial.len() <= depth {
            self.partial.resize_with(depth + 1, Vec::new);
        }
        let Some(hashes) = self.partial.get_mut(depth) else { return };
        hashes.push(hash);
        if (hashes.len() as u64) < TILE_WIDTH {
            return;
        }
        let full = std::mem::take(hashes);
        tiles.push(hashes_tile(level, place / TILE_WIDTH, &full));
        self.push_hash(level + 1, place / TILE_WIDTH, root_of(&full), tiles);
    }

    fn entries_tile(&self, index: u64) -> (TileName, Vec<u8>) {
        let name = TileName { kind: TileKind::Entries, index, width: self.partial_entries.len() as u16 };
        // INVARIANT: an entry has 71 bytes, so its length fits in 16 bits.
        (name, encode_entries(self.partial_entries.iter().map(Vec::as_slice)).unwrap_or_default())
    }

    /// The partial tile of every level that this group changed.
    fn partial_tiles(&self, old_size: u64, new_size: u64, tiles: &mut Vec<(TileName, Vec<u8>)>) {
        if !self.partial_entries.is_empty() {
            tiles.push(self.entries_tile(new_size / TILE_WIDTH));
        }
        for (level, hashes) in (0u8..).zip(&self.partial) {
            let count = |size| hashes_at(u32::from(level), size);
            if !hashes.is_empty() && count(old_size) != count(new_size) {
                tiles.push(hashes_tile(level, count(new_size) / TILE_WIDTH, hashes));
            }
        }
    }

    fn write_head(&self, edge: &Edge) -> Result<(), LogError> {
        let signers: Vec<&dyn NoteSigner> = self.signers.iter().map(AsRef::as_ref).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let note = Checkpoint::of(&self.origin, edge).sign(&signers, now)?;
        write_aside(&self.root, CHECKPOINT, note.as_bytes())?;
        self.point("checkpoint-aside");
        put_in_place(&self.root, CHECKPOINT)?;
        sync_folder(&self.root, "")
    }

    fn point(&self, name: &str) {
        if let Some(hook) = &self.crash_hook {
            hook(name);
        }
    }
}

/// The work on many things as few jobs.
fn shared<'a, T: Sync>(things: &'a [T], work: impl Fn(&T) -> Result<(), LogError> + Copy + Send + 'a) -> Vec<Job<'a>> {
    let each = things.len().div_ceil(BESIDE_JOBS_MAX).max(1);
    things.chunks(each).map(|some| -> Job<'a> { Box::new(move || some.iter().try_for_each(work)) }).collect()
}

fn object(error: impl std::fmt::Display) -> LogError {
    LogError::Disk { file: "objects".into(), action: "kept", why: error.to_string() }
}

fn hashes_tile(level: u8, index: u64, hashes: &[Hash]) -> (TileName, Vec<u8>) {
    let name = TileName { kind: TileKind::Hashes(level), index, width: hashes.len() as u16 };
    (name, hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
}

/// What a group adds to each bundle file; a group is smaller than a file, so it touches two at most.
fn bundle_lines(first: u64, group: &[Pending]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (index, pending) in (first..).zip(group) {
        if files.is_empty() || index % BUNDLES_PER_FILE == 0 {
            files.push((bundle_file(index), Vec::new()));
        }
        // INVARIANT: the line above made the list not empty.
        let Some((_, bytes)) = files.last_mut() else { continue };
        bytes.extend_from_slice(&pending.line);
        bytes.push(b'\n');
    }
    files
}
