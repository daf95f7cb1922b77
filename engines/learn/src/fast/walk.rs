//! Goes down trees of any depth, several at once, so that the processor need not wait for one node to know the next (T7).
//! [`super::dense`] does the same for all but the largest trees.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::Found;
use super::dense::{Dense, Sparse};

/// Walks at once.
const LANES: usize = 16;
/// Rows that go through one tree before the next: rows and tree fit the second cache.
const BLOCK: usize = 4_096;

/// A split or a leaf. A row goes from here to `left`, or to the step after that if `wide[slot] >= key`. A leaf leads to itself: its
/// slot holds 0, which no key is at most. Its `key` is that of the tree's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    key: u32,
    left: u32,
    slot: u32,
}

/// A whole number that orders as the given one does, never 0: whole numbers are compared without regard to what is no number.
#[inline(always)]
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    bits ^ ((bits as i32 >> 31) as u32 | 0x8000_0000)
}

/// The number of a key.
fn value(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 0x8000_0000 } else { !key })
}

/// A key of a value that is compared: both zeros are one.
#[inline(always)]
fn compared(value: f32) -> u32 {
    key(value + 0.0)
}

/// Trees one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grove {
    columns: usize,
    /// Whether rows without a value may go left; else all go right.
    both_ways: bool,
    /// Roots.
    roots: Vec<u32>,
    steps: Vec<Step>,
    /// In place of the steps, where they fit.
    dense: Option<Dense>,
}

impl Grove {
    /// No trees yet.
    pub(crate) fn new(columns: usize, both_ways: bool) -> Self {
        Self { columns, both_ways, roots: Vec::new(), steps: Vec::new(), dense: None }
    }

    /// Adds a tree whose first node is the root; says why it is none. Children stand side by side, and what is below the left one
    /// follows them: who goes left stays near.
    pub(crate) fn plant(&mut self, tree: &[Found]) -> Result<(), &'static str> {
        let many = "trees have too many nodes";
        let root = u32::try_from(self.steps.len()).map_err(|_| many)?;
        let rest = self.columns as u32;
        let blank = Step { key: 0, left: 0, slot: 0 };
        self.steps.push(blank);
        let mut open = vec![(0u32, root)];
        while let Some((at, here)) = open.pop() {
            let step = match tree.get(at as usize).ok_or("a child is not there")? {
                Found::Leaf(value) => Step { key: key(*value), left: here, slot: rest },
                Found::Split { column, cut, left, right, missing_left } => {
                    if *column >= rest || !cut.is_finite() || (*missing_left && !self.both_ways) {
                        return Err("a split reads a column that is not there");
                    }
                    let first = u32::try_from(self.steps.len()).map_err(|_| many)?;
                    // Every node is asked for at most once, so that nothing goes round in circles.
                    if (first - root) as usize + 2 > tree.len() {
                        return Err("a node has two parents");
                    }
                    let next = first.checked_add(1).ok_or(many)?;
                    self.steps.extend([blank; 2]);
                    open.extend([(*right, next), (*left, first)]);
                    Step { key: compared(*cut), left: first, slot: if *missing_left { rest + 1 + column } else { *column } }
                }
            };
            self.steps[here as usize] = step;
        }
        self.roots.push(root);
        Ok(())
    }

    /// All trees are there: puts them into less memory, where they fit.
    pub(crate) fn settle(&mut self) {
        let node = |at: u32| {
            let Step { key, left, slot } = self.steps[at as usize];
            let (slot, rest) = (slot, self.columns as u32);
            match slot.cmp(&rest) {
                Ordering::Equal => Sparse::Leaf(value(key)),
                Ordering::Less => Sparse::Split { column: slot, cut: value(key), missing_left: false, left },
                Ordering::Greater => Sparse::Split { column: slot - rest - 1, cut: value(key), missing_left: true, left },
            }
        };
        self.dense = Dense::new(self.columns, self.both_ways, &self.roots, self.steps.len(), node);
        if self.dense.is_some() {
            (self.roots, self.steps) = (Vec::new(), Vec::new());
        }
    }

    #[cfg(test)]
    pub(super) fn is_dense(&self) -> bool {
        self.dense.is_some()
    }

    /// Numbers of a widened row.
    fn width(&self) -> usize {
        if self.both_ways { 2 * self.columns + 1 } else { self.columns + 1 }
    }

    /// The row as it is walked with: keys, of missing values the highest, so that they go right; 0 for leaves; and, where they may
    /// go left, all again with 0 for missing values.
    fn widen(&self, row: &[f32], wide: &mut Vec<u32>) {
        wide.clear();
        self.widen_more(row, wide);
    }

    fn widen_more(&self, row: &[f32], wide: &mut Vec<u32>) {
        let one = |at: usize, missing: u32| match row.get(at) {
            Some(value) if !value.is_nan() => compared(*value),
            Some(_) | None => missing,
        };
        wide.extend((0..self.columns).map(|at| one(at, u32::MAX)));
        wide.push(0);
        if self.both_ways {
            wide.extend((0..self.columns).map(|at| one(at, 0)));
        }
    }

    // INVARIANT: `plant` gives every step a slot below `width`, and every split children in its tree that no other has; so that no
    // index is out of bounds for a row from `widen`, and every walk ends at a leaf.
    #[inline(always)]
    fn next(&self, at: u32, wide: &[u32]) -> u32 {
        let Step { key, left, slot } = self.steps[at as usize];
        left.wrapping_add(u32::from(wide[slot as usize] >= key))
    }

    /// The answers of all trees to one row, in their order; the buffer is for the row as it is walked with.
    pub(crate) fn row(&self, row: &[f32], wide: &mut Vec<u32>, mut add: impl FnMut(f32)) {
        if let Some(dense) = &self.dense {
            return dense.row(row, add);
        }
        self.widen(row, wide);
        let (groups, rest) = self.roots.as_chunks::<LANES>();
        for group in groups {
            let mut at = *group;
            loop {
                let before = at;
                for at in &mut at {
                    *at = self.next(*at, wide);
                }
                if at == before {
                    break;
                }
            }
            at.iter().for_each(|&at| add(value(self.steps[at as usize].key)));
        }
        for &root in rest {
            add(self.alone(root, wide));
        }
    }

    fn alone(&self, root: u32, wide: &[u32]) -> f32 {
        let mut at = root;
        loop {
            let next = self.next(at, wide);
            if next == at {
                return value(self.steps[at as usize].key);
            }
            at = next;
        }
    }

    /// The answer of one tree to one row.
    pub(crate) fn answer(&self, tree: usize, row: &[f32]) -> Option<f32> {
        if let Some(dense) = &self.dense {
            return dense.answer(tree, row);
        }
        let mut wide = Vec::new();
        self.widen(row, &mut wide);
        self.roots.get(tree).map(|&root| self.alone(root, &wide))
    }

    /// Adds the answers of all trees, in their order, to the sum of each row, in parallel. Rows follow each other.
    pub(crate) fn add_rows<S: Send>(&self, rows: &[f32], sums: &mut [S], add: impl Fn(&mut S, f32) + Sync) {
        if let Some(dense) = &self.dense {
            return dense.add_rows(rows, sums, &add);
        }
        let columns = self.columns.max(1);
        sums.par_chunks_mut(BLOCK).zip(rows.par_chunks(BLOCK * columns)).for_each_init(Vec::new, |wide, (sums, rows)| {
            wide.clear();
            rows.chunks(columns).for_each(|row| self.widen_more(row, wide));
            for &root in &self.roots {
                self.add_block(root, wide, sums, &add);
            }
        });
    }

    fn add_block<S>(&self, root: u32, wide: &[u32], sums: &mut [S], add: &impl Fn(&mut S, f32)) {
        let width = self.width();
        let (groups, rest) = sums.as_chunks_mut::<LANES>();
        let done = groups.len() * LANES;
        for (group, wide) in groups.iter_mut().zip(wide.chunks(LANES * width)) {
            let mut at = [root; LANES];
            loop {
                let before = at;
                for (lane, at) in at.iter_mut().enumerate() {
                    *at = self.next(*at, &wide[lane * width..]);
                }
                if at == before {
                    break;
                }
            }
            group.iter_mut().zip(at).for_each(|(sum, at)| add(sum, value(self.steps[at as usize].key)));
        }
        for (sum, wide) in rest.iter_mut().zip(wide[done * width..].chunks(width)) {
            add(sum, self.alone(root, wide));
        }
    }
}
