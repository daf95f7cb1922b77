//! The Merkle tree of RFC 6962: who changes one old entry changes the root, and a root is signed (T4, T6).
//!
//! Hashing is section 2.1 of RFC 6962 with SHA-256; proofs are sections 2.1.1 and 2.1.2, verified as in RFC 9162,
//! sections 2.1.3.2 and 2.1.4.2. `spec.rs` beside this file is the naive twin that the tests compare with.

use std::fmt;

use aws_lc_rs::digest;

/// Domain byte of a leaf (RFC 6962, section 2.1).
const LEAF_PREFIX: u8 = 0x00;
/// Domain byte of an inner node (RFC 6962, section 2.1).
const NODE_PREFIX: u8 = 0x01;
/// A proof has at most one hash a level at either side, and sizes are 64 bits.
pub const PROOF_HASHES_MAX: usize = 128;

/// One SHA-256 node of the tree: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Takes the 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Takes 32 bytes of outside input; any other length is `None`.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Standard base64, 44 characters, as checkpoints and proofs write it.
    pub fn to_base64(&self) -> String {
        data_encoding::BASE64.encode(&self.0)
    }

    /// Strict standard base64 of exactly 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        data_encoding::BASE64.decode(text.as_bytes()).ok().and_then(|bytes| Self::from_slice(&bytes))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.to_base64())
    }
}

/// SHA-256 of the bytes, as this crate uses it for everything.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    finish(digest::digest(&digest::SHA256, bytes))
}

fn finish(digest: digest::Digest) -> [u8; 32] {
    let mut out = [0; 32];
    // INVARIANT: a SHA-256 digest has 32 bytes; zip takes all of them.
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

/// `SHA-256(0x00 || data)`: the leaf of an entry.
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[LEAF_PREFIX]);
    context.update(data);
    Hash(finish(context.finish()))
}

/// `SHA-256(0x01 || left || right)`: an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[NODE_PREFIX]);
    context.update(&left.0);
    context.update(&right.0);
    Hash(finish(context.finish()))
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(sha256(&[]))
}

/// The right edge of a tree: the roots of its complete subtrees, from the largest (left) to the smallest (right).
/// One for every bit that is set in the size, so at most 64 hashes whatever the size of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    peaks: Vec<Hash>,
}

impl Default for Edge {
    fn default() -> Self {
        Self::new()
    }
}

impl Edge {
    /// The edge of the empty tree.
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Rebuilds an edge from its parts; `None` when the number of peaks does not fit the size.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == usize::try_from(size.count_ones()).ok()?).then_some(Self { size, peaks })
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The complete subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends one leaf. The size of a log stays below 2^63 by [`crate::checkpoint::SIZE_MAX`], so the count cannot overflow.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            // INVARIANT: a set bit of the size has its peak, and trailing ones are the last peaks.
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root at this size.
    pub fn root(&self) -> Hash {
        let mut from_right = self.peaks.iter().rev();
        match from_right.next() {
            None => empty_root(),
            Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index is not below the size, or the old size is above the new one.
    #[error("position `{position}` does not lie in a tree of `{size}` entries")]
    OutOfTree {
        /// The index or old size asked for.
        position: u64,
        /// The size of the tree.
        size: u64,
    },
    /// Too many or too few hashes for that position and size.
    #[error("proof has `{got}` hashes, which does not fit its position")]
    Length {
        /// Number of hashes in the proof.
        got: usize,
    },
    /// The hashes do not lead to the root.
    #[error("proof leads to root `{computed:?}`, not to the signed `{signed:?}`")]
    Root {
        /// What the proof leads to.
        computed: Hash,
        /// What was signed.
        signed: Hash,
    },
}

/// Verifies that `leaf` is entry `index` of the tree of `size` entries under `root` (RFC 9162, section 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfTree { position: index, size });
    }
    let wrong_length = ProofError::Length { got: proof.len() };
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // Levels where the last node has no right sibling have no hash in the proof.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same_root(hash, root)
}

/// Verifies that the tree of `old_size` under `old_root` is a prefix of the tree of `new_size` under `new_root`
/// (RFC 9162, section 2.1.4.2). Every tree is consistent with the empty one.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::OutOfTree { position: old_size, size: new_size });
    }
    let wrong_length = ProofError::Length { got: proof.len() };
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(wrong_length);
        }
        let expected = if old_size == 0 { empty_root() } else { *new_root };
        return same_root(expected, old_root);
    }
    let mut hashes = proof.iter();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let Some(first) = first else { return Err(wrong_length) };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same_root(old_hash, old_root)?;
    same_root(new_hash, new_root)
}

fn same_root(computed: Hash, signed: &Hash) -> Result<(), ProofError> {
    if computed == *signed { Ok(()) } else { Err(ProofError::Root { computed, signed: *signed }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec;
    use proptest::prelude::*;

    fn hex(hash: &Hash) -> String {
        data_encoding::HEXLOWER.encode(hash.as_bytes())
    }

    /// The eight inputs of the test vectors that Certificate Transparency published for RFC 6962.
    pub(crate) fn rfc_leaves() -> Vec<Vec<u8>> {
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
            .iter()
            .map(|text| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap())
            .collect()
    }

    #[test]
    fn roots_equal_the_published_vectors() {
        // google/certificate-transparency, merkletree tests: roots after each of the eight leaves.
        let expected = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let mut edge = Edge::new();
        for (leaf, root) in rfc_leaves().iter().zip(expected) {
            edge.append(leaf_hash(leaf));
            assert_eq!(hex(&edge.root()), root);
        }
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_every_change_breaks_it() {
        let leaves: Vec<Hash> = (0u8..40).map(|n| leaf_hash(&[n])).collect();
        for size in 1..=leaves.len() {
            let tree = &leaves[..size];
            let root = spec::root(tree);
            for index in 0..size {
                let proof = spec::inclusion(index, tree);
                verify_inclusion(&tree[index], index as u64, size as u64, &proof, &root).unwrap();
                assert!(verify_inclusion(&leaf_hash(b"other"), index as u64, size as u64, &proof, &root).is_err());
                let other = (index + 1) % size;
                if other != index {
                    assert!(verify_inclusion(&tree[index], other as u64, size as u64, &proof, &root).is_err());
                }
                let mut long = proof.clone();
                long.push(root);
                assert!(verify_inclusion(&tree[index], index as u64, size as u64, &long, &root).is_err());
            }
            for old in 0..=size {
                let proof = spec::consistency(old, tree);
                let old_root = spec::root(&leaves[..old]);
                verify_consistency(old as u64, &old_root, size as u64, &root, &proof).unwrap();
                let strange = leaf_hash(b"strange");
                assert!(verify_consistency(old as u64, &strange, size as u64, &root, &proof).is_err());
                if old != 0 {
                    assert!(verify_consistency(old as u64, &old_root, size as u64, &strange, &proof).is_err());
                }
                for at in 0..proof.len() {
                    let mut bent = proof.clone();
                    bent[at] = strange;
                    assert!(verify_consistency(old as u64, &old_root, size as u64, &root, &bent).is_err());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_edge_agrees_with_the_recursive_definition(leaves in prop::collection::vec(any::<[u8; 4]>(), 0..600)) {
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            let mut edge = Edge::new();
            hashes.iter().for_each(|hash| edge.append(*hash));
            prop_assert_eq!(edge.root(), spec::root(&hashes));
            prop_assert_eq!(Edge::from_peaks(edge.size(), edge.peaks().to_vec()), Some(edge));
        }

        #[test]
        fn verification_of_anything_never_panics(
            index in any::<u64>(), size in any::<u64>(), old in any::<u64>(),
            proof in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 0..130),
        ) {
            let root = leaf_hash(b"root");
            prop_assert!(verify_inclusion(&leaf_hash(b"leaf"), index, size, &proof, &root).is_err());
            let other = leaf_hash(b"other");
            prop_assert!(verify_consistency(old, &other, size, &root, &proof).is_err());
        }
    }
}
