//! The naive twin of `tree` and `tile`: RFC 6962 read aloud, recomputed from all leaves, so that a clever mistake shows (T4, T6).
//!
//! Slow on purpose. Tests compare the real code with it; nothing else may use it.

use crate::tree::{Hash, empty_root, node_hash};

/// Merkle tree hash over leaf hashes (RFC 6962, section 2.1).
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        more => {
            let (left, right) = more.split_at(split_point(more.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// `PATH(index, leaves)` of section 2.1.1; empty for an index outside the tree.
pub fn inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 || index >= leaves.len() {
        return Vec::new();
    }
    let at = split_point(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut path, sibling) =
        if index < at { (inclusion(index, left), root(right)) } else { (inclusion(index - at, right), root(left)) };
    path.push(sibling);
    path
}

/// `PROOF(old_size, leaves)` of section 2.1.2; empty for the empty and for the whole tree.
pub fn consistency(old_size: usize, leaves: &[Hash]) -> Vec<Hash> {
    if old_size == 0 || old_size >= leaves.len() {
        return Vec::new();
    }
    subproof(old_size, leaves, true)
}

fn subproof(old_size: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old_size == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let at = split_point(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut path, sibling) = if old_size <= at {
        (subproof(old_size, left, whole), root(right))
    } else {
        (subproof(old_size - at, right, false), root(left))
    };
    path.push(sibling);
    path
}

/// The largest power of two below `count`; `count` is at least 2.
fn split_point(count: usize) -> usize {
    let mut power = 1;
    while power * 2 < count {
        power *= 2;
    }
    power
}
