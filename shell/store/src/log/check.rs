//! Compares the whole log with its signed head and names the first thing that is broken (T4, T6).

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use gate::Digest;
use ledger::bundle::{BUNDLE_BYTES_MAX, Bundle, digest_of_entry};
use ledger::checkpoint::Checkpoint;
use ledger::keys::P256Verifier;
use ledger::tile::{TILE_WIDTH, TileKind, TileName, TileSource, TiledTree, hashes_at, parse_entries, tiles_of_level};
use ledger::tree::{Edge, Hash, leaf_hash, verify_inclusion};

use super::files::{FolderTiles, TEMPORARY, bundle_file, list, prefix_bytes};
use super::{BUNDLES_PER_FILE, LogError};

/// The first thing that is not what was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`{}: {what}", .index.map(|index| format!(", entry {index}")).unwrap_or_default())]
pub struct Damage {
    /// File below the folder of the log.
    pub file: String,
    /// Entry of the log, where one entry is to blame.
    pub index: Option<u64>,
    /// What is wrong with it.
    pub what: String,
}

impl Damage {
    pub(super) fn new(file: impl Into<String>, index: impl Into<Option<u64>>, what: impl Into<String>) -> Self {
        Self { file: file.into(), index: index.into(), what: what.into() }
    }
}

/// What was looked at, when nothing was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// The head that everything was compared with.
    pub head: Checkpoint,
    /// Tile files that were read.
    pub tiles: u64,
    /// Bundles whose digest and signature were verified.
    pub bundles: u64,
}

/// How much to look at.
#[derive(Clone, Copy)]
pub(super) enum Depth<'a> {
    /// All tiles and entries, and the bundles of the last file: what a crash can touch.
    Start,
    /// Every bundle too, with its signature under one of these keys.
    Everything(&'a [P256Verifier]),
}

/// What the check learnt on its way.
pub(super) struct Checked {
    /// The right edge of the tree.
    pub(super) edge: Edge,
    /// Hashes in the partial tile of every level, from level 0.
    pub(super) partial: Vec<Vec<Hash>>,
    /// Entries in the partial entry bundle.
    pub(super) partial_entries: Vec<Vec<u8>>,
    pub(super) tiles: u64,
    pub(super) bundles: u64,
}

/// Compares the folder with a head whose signature was verified. Files beyond the head are passed over.
pub(super) fn check(root: &Path, head: &Checkpoint, depth: Depth<'_>) -> Result<Checked, LogError> {
    let source = FolderTiles::new(root, head.size);
    let mut checked = Checked { edge: Edge::new(), partial: Vec::new(), partial_entries: Vec::new(), tiles: 0, bundles: 0 };
    let digests = check_entries(&source, head, &mut checked)?;
    let computed = checked.edge.root();
    if computed != head.root {
        let what = format!("entries lead to root `{}`, the signed head says `{}`", computed.to_base64(), head.root.to_base64());
        return Err(Damage::new("tile/entries", None, what).into());
    }
    checked.tiles += check_older_tiles(root, &source, head.size)?;
    checked.bundles = check_bundles(root, &digests, depth)?;
    Ok(checked)
}

fn broken(name: TileName, index: impl Into<Option<u64>>, what: impl std::fmt::Display) -> LogError {
    Damage::new(name.to_string(), index, what.to_string()).into()
}

/// Reads all entries, and compares the tiles of all levels with them.
fn check_entries(source: &FolderTiles, head: &Checkpoint, checked: &mut Checked) -> Result<Vec<Digest>, LogError> {
    let mut digests = Vec::new();
    let mut hashes: Vec<Hash> = Vec::new();
    let mut level_up: Vec<Hash> = Vec::new();
    let mut level: u8 = 0;
    for name in tiles_of_level(TileKind::Entries, head.size) {
        let bytes = source.tile(name).map_err(|error| broken(name, None, error))?;
        let entries = parse_entries(name, &bytes).map_err(|error| broken(name, None, error))?;
        let first = name.index * TILE_WIDTH;
        hashes.clear();
        for (index, entry) in (first..).zip(&entries) {
            let digest = digest_of_entry(entry).ok_or_else(|| broken(name, index, "entry is not `sha256:` and 64 hex digits"))?;
            digests.push(digest);
            let leaf = leaf_hash(entry);
            hashes.push(leaf);
            checked.edge.append(leaf);
        }
        let leaves = TileName { kind: TileKind::Hashes(0), ..name };
        compare_tile(source, leaves, &hashes).map_err(|error| blame(source, head, name, &hashes).unwrap_or(error))?;
        checked.tiles += 2;
        if name.is_full() {
            level_up.push(root_of(&hashes));
        } else {
            checked.partial_entries = entries.iter().map(|entry| entry.to_vec()).collect();
        }
    }
    checked.partial.push(if head.size.is_multiple_of(TILE_WIDTH) { Vec::new() } else { hashes });
    while hashes_at(u32::from(level) + 1, head.size) > 0 {
        level += 1;
        let (mut next, mut partial) = (Vec::new(), Vec::new());
        // INVARIANT: `level_up` has the root of every full tile below, which are the hashes of this level.
        for (name, hashes) in tiles_of_level(TileKind::Hashes(level), head.size).zip(level_up.chunks(TILE_WIDTH as usize)) {
            compare_tile(source, name, hashes)?;
            checked.tiles += 1;
            if name.is_full() {
                next.push(root_of(hashes));
            } else {
                partial = hashes.to_vec();
            }
        }
        checked.partial.push(partial);
        level_up = next;
    }
    Ok(digests)
}

/// An entry and the hash in its tile disagree. Where the signed root vouches for the tile, the entry is to blame.
fn blame(source: &FolderTiles, head: &Checkpoint, entries: TileName, computed: &[Hash]) -> Option<LogError> {
    let tree = TiledTree::new(source, head.size);
    for (index, leaf) in (entries.index * TILE_WIDTH..).zip(computed) {
        let in_tile = tree.leaf(index).ok()?;
        if in_tile != *leaf {
            let proof = tree.inclusion(index).ok()?;
            verify_inclusion(&in_tile, index, head.size, &proof, &head.root).ok()?;
            return Some(broken(entries, index, "entry is not the one that was signed"));
        }
    }
    None
}

/// Root of the hashes of a full tile.
pub(super) fn root_of(hashes: &[Hash]) -> Hash {
    let mut edge = Edge::new();
    hashes.iter().for_each(|hash| edge.append(*hash));
    edge.root()
}

fn compare_tile(source: &FolderTiles, name: TileName, expected: &[Hash]) -> Result<(), LogError> {
    let bytes = source.tile(name).map_err(|error| broken(name, None, error))?;
    let found = ledger::tile::parse_hashes(name, &bytes).map_err(|error| broken(name, None, error))?;
    match found.iter().zip(expected).position(|(found, expected)| found != expected) {
        None => Ok(()),
        Some(place) => {
            let leaf = (name.kind == TileKind::Hashes(0)).then_some(name.index * TILE_WIDTH + place as u64);
            Err(broken(name, leaf, format!("hash {place} of the tile is not that of what it stands for")))
        }
    }
}

/// Partial tiles that a wider one replaced are still published: they must be beginnings of it. Nothing else may lie in `tile/`.
fn check_older_tiles(root: &Path, source: &FolderTiles, size: u64) -> Result<u64, LogError> {
    let mut seen = 0;
    for path in list(root, "tile")? {
        let name = match TileName::parse(&path) {
            Some(name) => name,
            None if path.ends_with(TEMPORARY) => continue,
            None => return Err(Damage::new(path, None, "file does not belong to the log").into()),
        };
        if lies_beyond(name, size) || name.is_full() {
            continue;
        }
        let Some(bytes) = source.exactly(name)? else { continue };
        let current = FolderTiles::tile(source, at_head(name, size))?;
        if current.get(..prefix_bytes(name, &current)) != Some(bytes.as_slice()) {
            return Err(broken(name, None, "older partial tile is not the beginning of the current one"));
        }
        seen += 1;
    }
    Ok(seen)
}

/// Whether a tile holds anything that the head does not cover.
pub(super) fn lies_beyond(name: TileName, size: u64) -> bool {
    name.index.saturating_mul(TILE_WIDTH).saturating_add(u64::from(name.width)) > hashes_at(level_of(name), size)
}

fn at_head(name: TileName, size: u64) -> TileName {
    let width = hashes_at(level_of(name), size).saturating_sub(name.index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
    TileName { width: u16::try_from(width).unwrap_or(name.width), ..name }
}

fn level_of(name: TileName) -> u32 {
    match name.kind {
        TileKind::Hashes(level) => u32::from(level),
        TileKind::Entries => 0,
    }
}

fn check_bundles(root: &Path, digests: &[Digest], depth: Depth<'_>) -> Result<u64, LogError> {
    let mut seen = 0;
    let files = digests.chunks(BUNDLES_PER_FILE as usize);
    let last = files.len().saturating_sub(1);
    for (number, expected) in files.enumerate() {
        let first = number as u64 * BUNDLES_PER_FILE;
        let file = bundle_file(first);
        let whole = matches!(depth, Depth::Everything(_)) || number == last;
        if whole {
            check_bundle_file(root, &file, first, expected, depth)?;
            seen += expected.len() as u64;
        } else if !root.join(&file).is_file() {
            return Err(Damage::new(file, first, "there is no such file").into());
        }
    }
    for path in list(root, "bundles")? {
        let number =
            path.strip_prefix("bundles/").and_then(|name| name.strip_suffix(".ndjson")).and_then(|name| name.parse::<u64>().ok());
        if number.is_none_or(|number| bundle_file(number.saturating_mul(BUNDLES_PER_FILE)) != path) {
            return Err(Damage::new(path, None, "file does not belong to the log").into());
        }
    }
    Ok(seen)
}

fn check_bundle_file(root: &Path, file: &str, first: u64, expected: &[Digest], depth: Depth<'_>) -> Result<(), LogError> {
    let mut lines = Lines::open(root, file)?;
    for (index, digest) in (first..).zip(expected) {
        let damage = |what: String| LogError::from(Damage::new(file, index, what));
        let line = match lines.next().map_err(|error| damage(error.to_string()))? {
            Line::Whole(line) => line,
            Line::Torn | Line::End => return Err(damage("bundle is missing or not ended by a newline".into())),
        };
        let bundle = check_line(&line, digest).map_err(&damage)?;
        if let Depth::Everything(keys) = depth {
            bundle.verify(keys).map_err(|error| damage(error.to_string()))?;
        }
    }
    Ok(())
}

/// A stored line must be the canonical form of a bundle whose envelope has the logged digest.
pub(super) fn check_line(line: &[u8], digest: &Digest) -> Result<Bundle, String> {
    let bundle = Bundle::parse(line).map_err(|error| error.to_string())?;
    if bundle.to_canonical_json().map_err(|error| error.to_string())? != line {
        return Err("bundle is not in canonical form".into());
    }
    let seen = bundle.digest();
    if seen == *digest { Ok(bundle) } else { Err(format!("bundle has digest `{seen}`, the log says `{digest}`")) }
}

/// One line of a file.
pub(super) enum Line {
    /// With its newline, which is cut off here.
    Whole(Vec<u8>),
    /// The file ends, or the limit is reached, within the line.
    Torn,
    /// The file ends.
    End,
}

/// Lines of a bundle file, none of them longer than a bundle may be.
pub(super) struct Lines {
    reader: BufReader<File>,
    /// Bytes of the whole lines that were read, newlines included.
    pub(super) bytes: u64,
}

impl Lines {
    pub(super) fn open(root: &Path, file: &str) -> Result<Self, LogError> {
        match File::open(root.join(file)) {
            Ok(opened) => Ok(Self { reader: BufReader::new(opened), bytes: 0 }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Damage::new(file, None, "there is no such file").into()),
            Err(error) => Err(super::files::disk(file, "read")(error)),
        }
    }

    pub(super) fn next(&mut self) -> std::io::Result<Line> {
        let mut line = Vec::new();
        let limit = BUNDLE_BYTES_MAX as u64 + 1;
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(Line::End);
        }
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            return Ok(Line::Torn);
        }
        self.bytes += read as u64;
        Ok(Line::Whole(line))
    }
}
