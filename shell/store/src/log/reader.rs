//! Reads the log and believes nothing that its signed head does not cover; a head that goes back or forks is refused (T4, T6).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gate::Digest;
use ledger::bundle::{Bundle, EvidenceId, IdPrefix, digest_of_entry, entry_of};
use ledger::checkpoint::Checkpoint;
use ledger::keys::P256Verifier;
use ledger::note::{NOTE_BYTES_MAX, Note, NoteVerifier};
use ledger::proof::TlogProof;
use ledger::tile::{TILE_WIDTH, TileKind, TileSource, TiledTree, parse_entries, tiles_of_level};
use ledger::tree::{Edge, Hash, verify_consistency};

use super::check::{CheckReport, Damage, Depth, Line, Lines, check, check_line};
use super::files::{CHECKPOINT, FolderTiles, bundle_file, disk, read_up_to};
use super::{BUNDLES_PER_FILE, LogError};

/// An entry that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Position in the log, from 0; the first, if the same bundle was appended twice.
    pub index: u64,
    /// Short name.
    pub id: EvidenceId,
    /// SHA-256 of the envelope's canonical JSON.
    pub digest: Digest,
}

/// Reads a log, beside its writer or without one. Every call first looks whether the head has moved on.
/// Keeps 32 bytes for every entry and an index over them in memory.
pub struct LogReader {
    root: PathBuf,
    origin: String,
    verifiers: Vec<NoteVerifier>,
    state: Mutex<State>,
}

struct State {
    note: Vec<u8>,
    head: Checkpoint,
    digests: Vec<Digest>,
    by_digest: BTreeMap<Digest, u64>,
    /// For every bundle file that was looked into: where its lines begin.
    offsets: BTreeMap<u64, Vec<u64>>,
}

impl LogReader {
    /// Opens the log of `origin` with the note keys that the reader trusts, one of which must have signed the head.
    pub fn open(folder: &Path, origin: &str, verifiers: Vec<NoteVerifier>) -> Result<Self, LogError> {
        let head = Checkpoint::of(origin, &Edge::new());
        let state = State { note: Vec::new(), head, digests: Vec::new(), by_digest: BTreeMap::new(), offsets: BTreeMap::new() };
        let reader = Self { root: folder.to_path_buf(), origin: origin.to_owned(), verifiers, state: Mutex::new(state) };
        drop(reader.fresh()?);
        Ok(reader)
    }

    /// The current head, verified, and a continuation of every head that this reader has seen.
    pub fn head(&self) -> Result<Checkpoint, LogError> {
        Ok(self.fresh()?.head.clone())
    }

    /// The current head as it was signed: a text for other programs.
    pub fn head_note(&self) -> Result<String, LogError> {
        Ok(String::from_utf8_lossy(&self.fresh()?.note).into_owned())
    }

    /// Takes over a newer head, if there is one.
    fn fresh(&self) -> Result<MutexGuard<'_, State>, LogError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let note = read_up_to(&self.root.join(CHECKPOINT), NOTE_BYTES_MAX as u64).map_err(disk(CHECKPOINT, "read"))?;
        let note = note.ok_or_else(|| LogError::HeadMissing(CHECKPOINT.into()))?;
        if note == state.note {
            return Ok(state);
        }
        let head = Checkpoint::open(&note, &self.origin, &self.verifiers)?.checkpoint;
        let old = &state.head;
        if head.size < old.size {
            return Err(LogError::WentBack { head: head.size, seen: format!("this reader has seen `{}`", old.size) });
        }
        let source = FolderTiles::new(&self.root, head.size);
        let tree = TiledTree::new(&source, head.size);
        if old.size > 0 {
            let proof = tree.consistency(old.size)?;
            let forked = LogError::Forked { old: old.size, new: head.size };
            verify_consistency(old.size, &old.root, head.size, &head.root, &proof).map_err(|_| forked)?;
        } else if tree.root()? != head.root {
            return Err(Damage::new("tile", None, "tiles do not lead to the signed root").into());
        }
        load_digests(&source, &head, &mut state)?;
        (state.note, state.head) = (note, head);
        Ok(state)
    }

    /// Finds the one entry whose digest begins with these digits.
    pub fn find(&self, prefix: &IdPrefix) -> Result<Found, LogError> {
        let state = self.fresh()?;
        let mut matching = state.by_digest.range(prefix.lowest()..).take_while(|(digest, _)| prefix.matches(digest));
        match (matching.next(), matching.next()) {
            (None, _) => Err(LogError::UnknownId(prefix.to_string())),
            (Some((digest, index)), None) => Ok(Found { index: *index, id: EvidenceId::of(digest), digest: *digest }),
            (Some(_), Some(_)) => Err(LogError::AmbiguousId(prefix.to_string())),
        }
    }

    /// The digest that entry `index` logs.
    pub fn digest(&self, index: u64) -> Result<Digest, LogError> {
        let state = self.fresh()?;
        let digest = usize::try_from(index).ok().and_then(|index| state.digests.get(index)).copied();
        digest.ok_or(LogError::NoEntry { index, size: state.head.size })
    }

    /// The bundle of entry `index`: canonical, and with the logged digest. Its signature is the caller's to verify.
    pub fn bundle(&self, index: u64) -> Result<Bundle, LogError> {
        let digest = self.digest(index)?;
        let line = self.bundle_line(index)?;
        Ok(check_line(&line, &digest).map_err(|what| Damage::new(bundle_file(index), index, what))?)
    }

    /// The stored bytes of a bundle, without the newline; not compared with the log.
    fn bundle_line(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let file = bundle_file(index);
        let place = usize::try_from(index % BUNDLES_PER_FILE).unwrap_or(usize::MAX);
        let missing = || LogError::from(Damage::new(file.clone(), index, "bundle is missing or not ended by a newline"));
        let mut state = self.fresh()?;
        let offsets = state.offsets.entry(index / BUNDLES_PER_FILE).or_default();
        // Line n lies between offsets n and n + 1.
        if offsets.len() < place.saturating_add(2) {
            *offsets = line_offsets(&self.root, &file)?;
        }
        let (Some(start), Some(end)) = (offsets.get(place), offsets.get(place + 1)) else { return Err(missing()) };
        let mut line = vec![0; usize::try_from(end - start).map_err(|_| missing())?];
        let mut opened = File::open(self.root.join(&file)).map_err(disk(&file, "read"))?;
        opened.seek(SeekFrom::Start(*start)).map_err(disk(&file, "read"))?;
        opened.read_exact(&mut line).map_err(|_| missing())?;
        if line.pop() == Some(b'\n') { Ok(line) } else { Err(missing()) }
    }

    /// Inclusion proof of an entry in the first `size` entries.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        let head = self.head()?.size;
        if size > head {
            return Err(LogError::NoEntry { index: size, size: head });
        }
        Ok(TiledTree::new(&FolderTiles::new(&self.root, head), size).inclusion(index)?)
    }

    /// A proof file for an entry under the current head, verified before it is handed out.
    pub fn tlog_proof(&self, index: u64) -> Result<TlogProof, LogError> {
        let (checkpoint, size) = {
            let state = self.fresh()?;
            (String::from_utf8_lossy(&state.note).into_owned(), state.head.size)
        };
        let entry = entry_of(&self.digest(index)?);
        let hashes = TiledTree::new(&FolderTiles::new(&self.root, size), size).inclusion(index)?;
        let proof = TlogProof { extra: None, index, hashes, checkpoint };
        proof.verify(&entry, &self.origin, &self.verifiers).map_err(|why| LogError::Proof { index, why })?;
        Ok(proof)
    }

    /// Proof that the first `old` entries are the beginning of the first `new`.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        let head = self.head()?.size;
        if new > head {
            return Err(LogError::NoEntry { index: new, size: head });
        }
        Ok(TiledTree::new(&FolderTiles::new(&self.root, head), new).consistency(old)?)
    }

    /// The root of the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, LogError> {
        let head = self.head()?.size;
        if size > head {
            return Err(LogError::NoEntry { index: size, size: head });
        }
        Ok(TiledTree::new(&FolderTiles::new(&self.root, head), size).root()?)
    }

    /// Refuses a log that does not contain a head which was kept elsewhere.
    pub fn check_contains(&self, kept: &Checkpoint) -> Result<(), LogError> {
        let head = self.head()?;
        if kept.size > head.size {
            return Err(LogError::WentBack { head: head.size, seen: format!("a kept head has `{}`", kept.size) });
        }
        let same = kept.origin == head.origin && self.root_at(kept.size)? == kept.root;
        if same { Ok(()) } else { Err(LogError::Forked { old: kept.size, new: head.size }) }
    }

    /// Reads everything: the head, every tile, every entry, every bundle with its signature under one of the keys. The first
    /// broken thing is the error. Files beyond the head belong to a running commit and are passed over.
    pub fn check_all(&self, bundle_keys: &[P256Verifier]) -> Result<CheckReport, LogError> {
        let (note, head) = {
            let state = self.fresh()?;
            (state.note.clone(), state.head.clone())
        };
        let lines = Note::parse(&note)?.signatures().len();
        let known = Note::parse(&note)?.open(&self.verifiers)?.signed_by.len();
        if lines != known {
            let what = format!("`{}` of its signatures are of keys that are not trusted here", lines - known);
            return Err(Damage::new(CHECKPOINT, None, what).into());
        }
        let checked = check(&self.root, &head, Depth::Everything(bundle_keys))?;
        Ok(CheckReport { head, tiles: checked.tiles, bundles: checked.bundles })
    }
}

/// Reads the digests of the entries that the state does not know yet.
fn load_digests(source: &FolderTiles, head: &Checkpoint, state: &mut State) -> Result<(), LogError> {
    let known = state.digests.len() as u64;
    let skip = usize::try_from(known / TILE_WIDTH).unwrap_or(usize::MAX);
    let mut fresh = Vec::new();
    for name in tiles_of_level(TileKind::Entries, head.size).skip(skip) {
        let bytes = source.tile(name)?;
        for (index, entry) in (name.index * TILE_WIDTH..).zip(parse_entries(name, &bytes)?) {
            let damage = || Damage::new(name.to_string(), index, "entry is not `sha256:` and 64 hex digits");
            let digest = digest_of_entry(entry).ok_or_else(damage)?;
            if index >= known {
                fresh.push(digest);
            }
        }
    }
    for (index, digest) in (known..).zip(&fresh) {
        state.by_digest.entry(*digest).or_insert(index);
    }
    state.digests.extend(fresh);
    Ok(())
}

/// Where the whole lines of a file begin, and where the last one ends.
fn line_offsets(root: &Path, file: &str) -> Result<Vec<u64>, LogError> {
    let mut lines = Lines::open(root, file)?;
    let mut offsets = vec![0];
    while offsets.len() as u64 <= BUNDLES_PER_FILE {
        match lines.next().map_err(disk(file, "read"))? {
            Line::Whole(_) => offsets.push(lines.bytes),
            Line::Torn | Line::End => break,
        }
    }
    Ok(offsets)
}
