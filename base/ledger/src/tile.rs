//! The log as plain files: C2SP tlog-tiles, so that any web server can publish it and any auditor can read it (T4, T6).
//!
//! Tiles have height 8: 256 hashes, 8,192 bytes. Layout and names are c2sp.org/tlog-tiles, sections "Merkle Tree" and "Log entries".
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use std::fmt;

use crate::tree::{Edge, Hash, node_hash};

/// Levels of the Merkle tree in one tile.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes in a full tile, and entries in a full entry bundle.
pub const TILE_WIDTH: u64 = 256;
/// Bytes of one hash in a tile.
pub const HASH_BYTES: usize = 32;
/// The length prefix of an entry is 16 bits.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Which kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes; level 0 holds leaf hashes, level n the roots of full tiles of level n - 1.
    Hashes(u8),
    /// Entries with a length prefix each.
    Entries,
}

/// The name of a tile or entry bundle. Displayed, it is the path below the folder of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileName {
    /// Hashes of a level, or entries.
    pub kind: TileKind,
    /// Index of the tile within its level.
    pub index: u64,
    /// 1 to 255 for a partial tile, 256 for a full one.
    pub width: u16,
}

impl TileName {
    /// The same tile, full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { kind: self.kind, index: self.index, width: TILE_WIDTH as u16 }
    }

    /// Whether all 256 places are taken.
    pub const fn is_full(self) -> bool {
        self.width as u64 == TILE_WIDTH
    }

    /// Parses a path as `Display` writes it; anything else is `None`.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("tile/")?.split('/');
        let kind = match parts.next()? {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().ok().filter(|level| *level < 64)?),
        };
        let mut index: u64 = 0;
        let mut width = TILE_WIDTH as u16;
        loop {
            let part = parts.next()?;
            let (digits, more, partial) = match (part.strip_prefix('x'), part.strip_suffix(".p")) {
                (Some(digits), _) => (digits, true, false),
                (None, Some(digits)) => (digits, false, true),
                (None, None) => (part, false, false),
            };
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
            if partial {
                width = parts.next()?.parse().ok()?;
            }
            if !more {
                break;
            }
        }
        let name = Self { kind, index, width };
        // Leading zeroes, plus signs and the like parse, but do not print back.
        (parts.next().is_none() && width >= 1 && name.to_string() == path).then_some(name)
    }
}

impl fmt::Display for TileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(out, "tile/{level}/")?,
            TileKind::Entries => out.write_str("tile/entries/")?,
        }
        let (mut groups, mut rest) = (vec![self.index % 1000], self.index / 1000);
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            if place > 0 {
                write!(out, "x{group:03}/")?;
            } else {
                write!(out, "{group:03}")?;
            }
        }
        if self.is_full() { Ok(()) } else { write!(out, ".p/{}", self.width) }
    }
}

/// Why a tile could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The source has no such tile, or could not read it.
    #[error("`{name}` cannot be read: {why}")]
    Unreadable {
        /// The tile.
        name: TileName,
        /// What the source says.
        why: String,
    },
    /// The tile has the wrong number of bytes.
    #[error("`{name}` has `{got}` bytes instead of `{wanted}`")]
    Length {
        /// The tile.
        name: TileName,
        /// Bytes found.
        got: usize,
        /// Bytes of that width.
        wanted: usize,
    },
    /// An entry bundle does not divide into its entries.
    #[error("`{name}` breaks off in entry `{entry}` of the file")]
    Entries {
        /// The tile.
        name: TileName,
        /// Place within the file, from 0.
        entry: usize,
    },
    /// The question lies outside the tree.
    #[error("position `{position}` does not lie in a tree of `{size}` entries")]
    OutOfTree {
        /// The index or old size asked for.
        position: u64,
        /// The size of the tree.
        size: u64,
    },
}

/// Where tiles come from: a folder, a server, a map in a test.
pub trait TileSource {
    /// The bytes of exactly this tile. A source that has dropped a partial tile answers from the full one.
    fn tile(&self, name: TileName) -> Result<Vec<u8>, TileError>;
}

/// The hash tiles that a tree of `size` entries has at `level`: full ones, then the partial one.
pub fn tiles_of_level(kind: TileKind, size: u64) -> impl Iterator<Item = TileName> {
    let level = match kind {
        TileKind::Hashes(level) => u32::from(level),
        TileKind::Entries => 0,
    };
    let hashes = hashes_at(level, size);
    let rest = (hashes % TILE_WIDTH) as u16;
    let full = (0..hashes / TILE_WIDTH).map(move |index| TileName { kind, index, width: TILE_WIDTH as u16 });
    full.chain((rest > 0).then_some(TileName { kind, index: hashes / TILE_WIDTH, width: rest }))
}

/// Hashes that a tree of `size` entries has at a tile level: `floor(size / 256^level)`.
pub fn hashes_at(level: u32, size: u64) -> u64 {
    size.checked_shr(level.saturating_mul(TILE_HEIGHT)).unwrap_or(0)
}

/// The tile that holds hash `place` of `level` in a tree of `size` entries.
fn tile_holding(level: u32, place: u64, size: u64) -> TileName {
    let index = place / TILE_WIDTH;
    let width = hashes_at(level, size).saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
    TileName { kind: TileKind::Hashes(level as u8), index, width: width as u16 }
}

/// Splits a hash tile into its hashes, after checking its length.
pub fn parse_hashes(name: TileName, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    let wanted = usize::from(name.width).saturating_mul(HASH_BYTES);
    if bytes.len() != wanted {
        return Err(TileError::Length { name, got: bytes.len(), wanted });
    }
    Ok(bytes.chunks_exact(HASH_BYTES).filter_map(Hash::from_slice).collect())
}

/// Writes entries with their 16-bit length prefix; `None` when one is longer than [`ENTRY_BYTES_MAX`].
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).ok()?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Some(out)
}

/// Splits an entry bundle into exactly as many entries as its name says.
pub fn parse_entries(name: TileName, bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(usize::from(name.width));
    let mut rest = bytes;
    for entry in 0..usize::from(name.width) {
        let broken = TileError::Entries { name, entry };
        let Some((prefix, after)) = rest.split_first_chunk::<2>() else { return Err(broken) };
        let Some((data, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*prefix))) else { return Err(broken) };
        entries.push(data);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(TileError::Length { name, got: bytes.len(), wanted: bytes.len() - rest.len() });
    }
    Ok(entries)
}

/// Root of `2^height` hashes; the caller passes a power of two of them.
fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [only] => Some(*only),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Some(node_hash(&perfect_root(left)?, &perfect_root(right)?))
        }
    }
}

/// A tree of `size` entries, read through tiles.
pub struct TiledTree<'a> {
    source: &'a dyn TileSource,
    size: u64,
}

impl<'a> TiledTree<'a> {
    /// Looks at the first `size` entries of the source.
    pub fn new(source: &'a dyn TileSource, size: u64) -> Self {
        Self { source, size }
    }

    /// The root of the complete subtree number `index` at `level` (leaves are level 0). It must lie within the tree.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TileError> {
        let (tile_level, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << height;
        let name = tile_holding(tile_level, first, self.size);
        let hashes = parse_hashes(name, &self.source.tile(name)?)?;
        let offset = (first % TILE_WIDTH) as usize;
        let root = hashes.get(offset..offset.saturating_add(1 << height)).and_then(perfect_root);
        root.ok_or(TileError::OutOfTree { position: first, size: self.size })
    }

    /// Root of the entries `start..end`, where `start` is a multiple of the largest power of two below `end - start`.
    fn range(&self, start: u64, end: u64) -> Result<Hash, TileError> {
        let mut at = start;
        let mut peaks = Vec::new();
        while at < end {
            let level = 63 - (end - at).leading_zeros();
            peaks.push(self.subtree(level, at >> level)?);
            at += 1 << level;
        }
        Edge::from_peaks(end - start, peaks)
            .map(|edge| edge.root())
            .ok_or(TileError::OutOfTree { position: end, size: self.size })
    }

    /// The right edge, for appending more.
    pub fn edge(&self) -> Result<Edge, TileError> {
        let mut at = 0;
        let mut peaks = Vec::new();
        while at < self.size {
            let level = 63 - (self.size - at).leading_zeros();
            peaks.push(self.subtree(level, at >> level)?);
            at += 1 << level;
        }
        Edge::from_peaks(self.size, peaks).ok_or(TileError::OutOfTree { position: at, size: self.size })
    }

    /// The root of the first `size` entries.
    pub fn root(&self) -> Result<Hash, TileError> {
        self.edge().map(|edge| edge.root())
    }

    /// The leaf hash of one entry.
    pub fn leaf(&self, index: u64) -> Result<Hash, TileError> {
        if index >= self.size {
            return Err(TileError::OutOfTree { position: index, size: self.size });
        }
        self.subtree(0, index)
    }

    /// Inclusion proof of entry `index`, from the sibling of the leaf to the child of the root (RFC 6962, section 2.1.1).
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, TileError> {
        if index >= self.size {
            return Err(TileError::OutOfTree { position: index, size: self.size });
        }
        let (mut start, mut end) = (0, self.size);
        let mut path = Vec::new();
        while end - start > 1 {
            let at = start + split_point(end - start);
            if index < at {
                path.push(self.range(at, end)?);
                end = at;
            } else {
                path.push(self.range(start, at)?);
                start = at;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// Proof that the first `old_size` entries are a prefix of this tree (RFC 6962, section 2.1.2).
    pub fn consistency(&self, old_size: u64) -> Result<Vec<Hash>, TileError> {
        if old_size > self.size {
            return Err(TileError::OutOfTree { position: old_size, size: self.size });
        }
        if old_size == 0 || old_size == self.size {
            return Ok(Vec::new());
        }
        let (mut start, mut end, mut path) = (0, self.size, Vec::new());
        while end != old_size {
            let at = start + split_point(end - start);
            if old_size <= at {
                path.push(self.range(at, end)?);
                end = at;
            } else {
                path.push(self.range(start, at)?);
                start = at;
            }
        }
        if start != 0 {
            path.push(self.range(start, end)?);
        }
        path.reverse();
        Ok(path)
    }
}

/// The largest power of two below `count`, which is at least 2.
fn split_point(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec;
    use crate::tree::{leaf_hash, verify_consistency, verify_inclusion};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// All tiles of a tree, made the naive way.
    struct Map(BTreeMap<TileName, Vec<u8>>);

    impl TileSource for Map {
        fn tile(&self, name: TileName) -> Result<Vec<u8>, TileError> {
            self.0.get(&name).cloned().ok_or(TileError::Unreadable { name, why: "not in the map".into() })
        }
    }

    fn tiles(leaves: &[Hash]) -> Map {
        let mut map = BTreeMap::new();
        for level in 0..4u8 {
            let span = 256usize.pow(u32::from(level));
            let hashes: Vec<Hash> = leaves.chunks_exact(span).map(spec::root).collect();
            for name in tiles_of_level(TileKind::Hashes(level), leaves.len() as u64) {
                let start = (name.index * TILE_WIDTH) as usize;
                let bytes = hashes[start..start + usize::from(name.width)].iter().flat_map(|hash| *hash.as_bytes()).collect();
                map.insert(name, bytes);
            }
        }
        Map(map)
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    #[test]
    fn names_are_those_of_the_specification() {
        let name = |kind, index, width| TileName { kind, index, width }.to_string();
        assert_eq!(name(TileKind::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(name(TileKind::Hashes(2), 0, 1), "tile/2/000.p/1");
        assert_eq!(name(TileKind::Entries, 273, 112), "tile/entries/273.p/112");
        // The example of 70,000 entries in the specification.
        let widths = |level| tiles_of_level(TileKind::Hashes(level), 70_000).map(|tile| tile.width).collect::<Vec<_>>();
        assert_eq!((widths(0).len(), widths(0).last().copied()), (274, Some(112)));
        assert_eq!(widths(1), [256, 17]);
        assert_eq!(widths(2), [1]);
        assert!(widths(3).is_empty());
        for bad in [
            "tile/0/1",
            "tile/0/0001",
            "tile/00/001",
            "tile/0/x001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/07",
            "tile/0/001/2",
            "tile/0/x000/001",
            "entries/001",
            "tile/64/001",
        ] {
            assert_eq!(TileName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn proofs_through_tiles_equal_the_recursive_definition() {
        for size in [1usize, 2, 3, 255, 256, 257, 511, 700, 65_536 + 300] {
            let leaves = leaves(size);
            let map = tiles(&leaves);
            let tree = TiledTree::new(&map, size as u64);
            let root = spec::root(&leaves);
            assert_eq!(tree.root().unwrap(), root, "size {size}");
            for index in [0, 1, 2, 127, 255, 256, 300, size / 2, size - 1].into_iter().filter(|index| *index < size) {
                let proof = tree.inclusion(index as u64).unwrap();
                assert_eq!(proof, spec::inclusion(index, &leaves), "entry {index} of {size}");
                verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root).unwrap();
                let old = index + 1;
                let proof = tree.consistency(old as u64).unwrap();
                assert_eq!(proof, spec::consistency(old, &leaves), "{old} in {size}");
                verify_consistency(old as u64, &spec::root(&leaves[..old]), size as u64, &root, &proof).unwrap();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_size_and_index_agree_with_the_twin(size in 1usize..2000, at in any::<prop::sample::Index>()) {
            let leaves = leaves(size);
            let map = tiles(&leaves);
            let tree = TiledTree::new(&map, size as u64);
            let index = at.index(size);
            prop_assert_eq!(tree.inclusion(index as u64).unwrap(), spec::inclusion(index, &leaves));
            prop_assert_eq!(tree.consistency(index as u64).unwrap(), spec::consistency(index, &leaves));
            let mut edge = tree.edge().unwrap();
            edge.append(leaf_hash(b"next"));
            let mut longer = leaves.clone();
            longer.push(leaf_hash(b"next"));
            prop_assert_eq!(edge.root(), spec::root(&longer));
        }

        #[test]
        fn names_survive_a_round_trip(level in 0u8..64, index in any::<u64>(), width in 1u16..=256, entries in any::<bool>()) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let name = TileName { kind, index, width };
            prop_assert_eq!(TileName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn arbitrary_names_and_bundles_never_panic(text in ".{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..600), width in 1u16..=256) {
            let _ = TileName::parse(&text);
            let name = TileName { kind: TileKind::Entries, index: 0, width };
            if let Ok(entries) = parse_entries(name, &bytes) {
                prop_assert_eq!(encode_entries(entries).unwrap(), bytes);
            }
        }
    }
}
