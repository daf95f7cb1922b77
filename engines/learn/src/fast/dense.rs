//! Goes down trees of any depth, many at once: four bytes a node, nodes that are near in the tree near in memory, and a loop over
//! trees that the compiler turns into vector instructions which gather. A forest of full depth is otherwise the slowest part of an
//! answer, and what is slow is left out (T7).

use std::collections::VecDeque;

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::ranks::{Code, Cuts};
use crate::wide::widest;

/// Walks at once: enough for the processor to be busy, few enough that most end at the same time.
const WALKS: usize = 64;
/// Rows of one task.
const BLOCK: usize = 256;
/// Nodes of a cache line, of 64 bytes.
const LINE: usize = 16;
/// The rank of a missing value that goes right: above every place of a cut.
const ALL: u32 = 255;
/// Most slots of a row, so that a slot is a byte.
const SLOTS_MAX: usize = 256;

/// A split or a leaf in one number: `least << 24 | slot << 16 | ahead`. A row goes `ahead` so many nodes, and one more if its rank in
/// `slot` is at least `least`. A leaf leads to itself: it goes 0 ahead, its slot holds 0, and `least` is 1.
type Hop = u32;

/// A node as it is found: children side by side.
pub(super) enum Sparse {
    /// Rows with at least `cut` in `column` go to the node after `left`.
    Split { column: u32, cut: f32, missing_left: bool, left: u32 },
    /// The tree's answer.
    Leaf(f32),
}

/// Trees one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dense {
    columns: usize,
    /// Whether rows without a value may go left; else all go right.
    both_ways: bool,
    codes: Vec<Code>,
    roots: Vec<u32>,
    hops: Vec<Hop>,
    /// Of leaves; one for each node.
    answers: Vec<f32>,
}

impl Dense {
    /// Takes whole, checked trees of a grove; `None` where they have too many cuts or nodes.
    pub(super) fn new(
        columns: usize,
        both_ways: bool,
        roots: &[u32],
        count: usize,
        node: impl Fn(u32) -> Sparse,
    ) -> Option<Self> {
        let mut cuts: Vec<Vec<f32>> = vec![Vec::new(); columns];
        for at in 0..count {
            if let Sparse::Split { column, cut, .. } = node(at as u32) {
                cuts[column as usize].push(cut);
            }
        }
        let cuts = Cuts::new(cuts);
        let slots = if both_ways { 2 * cuts.count() + 1 } else { cuts.count() + 1 };
        if slots > SLOTS_MAX {
            return None;
        }
        let codes = cuts.codes();
        let rest = codes.len();
        let slot = |column: u32, cut: f32, missing_left: bool| {
            let (code, place) = cuts.place(column, cut);
            let slot = if missing_left { rest + 1 + code } else { code };
            (u32::from(place) + 1) << 24 | (slot as u32) << 16
        };
        let leaf = 1 << 24 | (rest as u32) << 16;
        let mut growing = Growing { leaf, hops: Vec::with_capacity(count + roots.len() * LINE), answers: Vec::new() };
        let mut starts = Vec::with_capacity(roots.len());
        for &root in roots {
            starts.push(growing.tree(root, &node, &slot)?);
        }
        let Growing { hops, answers, .. } = growing;
        Some(Self { columns, both_ways, codes, roots: starts, hops, answers })
    }

    /// The answers of all trees to one row, in their order.
    pub(super) fn row(&self, values: &[f32], add: impl FnMut(f32)) {
        widest(Walk { dense: self, roots: &self.roots, values, add });
    }

    /// The answer of one tree to one row.
    pub(super) fn answer(&self, tree: usize, values: &[f32]) -> Option<f32> {
        let mut out = None;
        Walk { dense: self, roots: self.roots.get(tree..=tree)?, values, add: |answer| out = Some(answer) }.call();
        out
    }

    /// Adds the answers of all trees, in their order, to the sum of each row, in parallel. Rows follow each other.
    pub(super) fn add_rows<S: Send>(&self, rows: &[f32], sums: &mut [S], add: &(impl Fn(&mut S, f32) + Sync)) {
        let rows = rows.par_chunks(self.columns.max(1));
        sums.par_iter_mut().zip(rows).with_min_len(BLOCK).for_each(|(sum, row)| self.row(row, |answer| add(sum, answer)));
    }

    /// The row's ranks; of missing values the highest, so that they go right; 0 for leaves; and all again with 0 for missing values.
    #[inline(always)]
    fn rank(&self, values: &[f32], ranks: &mut [u32; SLOTS_MAX]) {
        let rest = self.codes.len();
        for (slot, code) in self.codes.iter().enumerate() {
            let value = values.get(code.column).copied().unwrap_or(f32::NAN);
            let rank = code.rank(value);
            ranks[slot % SLOTS_MAX] = if value.is_nan() { ALL } else { rank };
            if self.both_ways {
                ranks[(rest + 1 + slot) % SLOTS_MAX] = rank;
            }
        }
    }
}

/// Walks down some trees.
struct Walk<'a, Add> {
    dense: &'a Dense,
    roots: &'a [u32],
    values: &'a [f32],
    add: Add,
}

impl<Add: FnMut(f32)> NullaryFnOnce for Walk<'_, Add> {
    type Output = ();

    // INVARIANT: `Growing::tree` lets every node lead to later nodes of its tree or, a leaf, to itself; so that every walk ends.
    #[inline(always)]
    fn call(self) {
        let Self { dense, roots, values, mut add } = self;
        // Buffers of this function, which nothing else can point to: else the compiler may not gather.
        let (mut ranks, mut walks) = ([0; SLOTS_MAX], [0; WALKS]);
        dense.rank(values, &mut ranks);
        let hops = &dense.hops[..];
        for roots in roots.chunks(WALKS) {
            let walks = &mut walks[..roots.len()];
            walks.copy_from_slice(roots);
            loop {
                let mut moved = 0;
                for at in walks.iter_mut() {
                    // Written without a way out; there is no node that is not there.
                    let hop = if (*at as usize) < hops.len() { hops[*at as usize] } else { 0 };
                    let rank = ranks[(hop >> 16) as usize % SLOTS_MAX];
                    let step = (hop & 0xFFFF) + u32::from(rank >= hop >> 24);
                    moved |= step;
                    *at = at.wrapping_add(step);
                }
                if moved == 0 {
                    break;
                }
            }
            walks.iter().for_each(|&at| add(dense.answers[at as usize]));
        }
    }
}

/// Nodes in the order in which they will lie in memory.
struct Growing {
    leaf: Hop,
    hops: Vec<Hop>,
    answers: Vec<f32>,
}

impl Growing {
    /// Appends a node; says where it is.
    fn push(&mut self, node: &Sparse, slot: &impl Fn(u32, f32, bool) -> Hop) -> usize {
        let (hop, answer) = match node {
            Sparse::Split { column, cut, missing_left, .. } => (slot(*column, *cut, *missing_left), 0.0),
            Sparse::Leaf(answer) => (self.leaf, *answer),
        };
        self.hops.push(hop);
        self.answers.push(answer);
        self.hops.len() - 1
    }

    fn align(&mut self) {
        while !self.hops.len().is_multiple_of(LINE) {
            self.hops.push(self.leaf);
            self.answers.push(0.0);
        }
    }

    /// Appends a tree; says where its root is. Each line is filled with what is next below one node, level after level; what does
    /// not fit begins lines of its own, first what is left.
    fn tree(&mut self, root: u32, node: &impl Fn(u32) -> Sparse, slot: &impl Fn(u32, f32, bool) -> Hop) -> Option<u32> {
        self.align();
        let start = u32::try_from(self.hops.len()).ok()?;
        // The root's neighbour stays blank, so that children share a line.
        let first = node(root);
        let at = self.push(&first, slot);
        self.push(&Sparse::Leaf(0.0), slot);
        let mut open = Vec::new();
        if let Sparse::Split { left, .. } = first {
            open.push((left, at));
        }
        while let Some(top) = open.pop() {
            let mut near = VecDeque::from([top]);
            let room = LINE - self.hops.len() % LINE;
            for _ in 0..room / 2 {
                let Some((left, parent)) = near.pop_front() else { break };
                self.hops[parent] |= u32::from(u16::try_from(self.hops.len() - parent).ok()?);
                for child in [left, left + 1] {
                    let child = node(child);
                    let at = self.push(&child, slot);
                    if let Sparse::Split { left, .. } = child {
                        near.push_back((left, at));
                    }
                }
            }
            open.extend(near.into_iter().rev());
        }
        self.align();
        Some(start)
    }
}
