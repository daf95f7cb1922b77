//! A smaller box in the course of a search, with the leaves that it leaves alive and the best sum that it could still reach (T5).

use super::local::{Local, ROOT};

/// A box.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// First and last cell of each open column.
    pub(super) cells: Vec<(u32, u32)>,
    /// Live leaves of all open trees.
    live: Vec<u64>,
    /// The best live leaf of each tree.
    best: Vec<u32>,
    /// No row of the box has a greater sum, times sign; minus infinity where no row is left that could reach the target.
    pub(super) bound: f64,
}

/// A split that somebody needs on one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) column: u32,
    pub(super) rank: u32,
    pub(super) right: bool,
    /// What the tree loses at least if it does not get it.
    pub(super) loss: f64,
}

impl State {
    /// The whole region.
    pub(super) fn whole(local: &Local) -> Self {
        let mut live = vec![u64::MAX; local.words];
        let mut bound = local.constant;
        for (at, tree) in local.trees.iter().enumerate() {
            let leaves = leaves(local, at);
            if !leaves.is_multiple_of(64) {
                live[(tree.word + tree.words) as usize - 1] = (1 << (leaves % 64)) - 1;
            }
            bound += local.values[tree.leaf as usize];
        }
        Self { cells: local.columns.iter().map(|column| column.cells).collect(), live, best: vec![0; local.trees.len()], bound }
    }

    /// Becomes a copy of another state without new memory.
    pub(super) fn copy(&mut self, other: &Self) {
        self.cells.clone_from(&other.cells);
        self.live.clone_from(&other.live);
        self.best.clone_from(&other.best);
        self.bound = other.bound;
    }

    /// Holds a column to the cells from `low` to `high`, which lie within those that it has.
    pub(super) fn narrow(&mut self, local: &Local, column: u32, low: u32, high: u32) {
        let open = &local.columns[column as usize];
        let (old_low, old_high) = self.cells[column as usize];
        let place = |rank: u32| open.starts[(rank - open.cells.0) as usize] as usize;
        self.cells[column as usize] = (low, high);
        for &fork in &local.order[place(old_low)..place(low)] {
            self.kill(local, fork, 0);
        }
        for &fork in &local.order[place(high)..place(old_high)] {
            self.kill(local, fork, 1);
        }
    }

    /// Leaves on that side of the fork (0 left, 1 right) cannot be reached any more.
    fn kill(&mut self, local: &Local, fork: u32, side: u32) {
        let fork = &local.forks[fork as usize];
        let tree = &local.trees[fork.tree as usize];
        let mask = (fork.mask + side * tree.words) as usize;
        let words = &mut self.live[tree.word as usize..(tree.word + tree.words) as usize];
        for (word, mask) in words.iter_mut().zip(&local.masks[mask..]) {
            *word &= !mask;
        }
        self.best_again(local, fork.tree as usize);
    }

    /// Finds the best live leaf, which only ever becomes worse.
    #[inline(always)]
    fn best_again(&mut self, local: &Local, at: usize) {
        let tree = &local.trees[at];
        let old = self.best[at];
        let words = &self.live[tree.word as usize..(tree.word + tree.words) as usize];
        let Some(new) = next_live(words, old) else {
            self.bound = f64::NEG_INFINITY;
            return;
        };
        if new != old {
            self.bound += local.values[(tree.leaf + new) as usize] - local.values[(tree.leaf + old) as usize];
            self.best[at] = new;
        }
    }

    /// Takes leaves away that no sum of at least `target` can use, and narrows columns to what the others need, until nothing
    /// changes. `passed` rises to the best sum that was taken away. Answers whether the box may still reach the target.
    pub(super) fn tighten(&mut self, local: &Local, target: f64, passed: &mut f64) -> bool {
        loop {
            if self.bound < target {
                *passed = passed.max(self.bound);
                return false;
            }
            let mut narrowed = false;
            for at in 0..local.trees.len() {
                self.drop_hopeless(local, at, target, passed);
                narrowed |= self.forced(local, at);
                if self.bound < target {
                    break;
                }
            }
            if !narrowed {
                return if self.bound < target {
                    *passed = passed.max(self.bound);
                    false
                } else {
                    true
                };
            }
        }
    }

    /// Takes leaves away that are so much worse than the best of their tree that the target is lost with them.
    fn drop_hopeless(&mut self, local: &Local, at: usize, target: f64, passed: &mut f64) {
        let tree = &local.trees[at];
        let values = &local.values[tree.leaf as usize..tree.leaf as usize + leaves(local, at)];
        let best = values[self.best[at] as usize];
        let least = best - (self.bound - target);
        let keep = values.partition_point(|&value| value >= least);
        let words = &mut self.live[tree.word as usize..(tree.word + tree.words) as usize];
        if let Some(first) = next_live(words, keep as u32) {
            *passed = passed.max(self.bound - best + values[first as usize]);
            words[keep / 64] &= (1u64 << (keep % 64)) - 1;
            words[keep / 64 + 1..].fill(0);
        }
    }

    /// Decides forks of a tree of which one side is dead, from the top. Answers whether a column was narrowed.
    fn forced(&mut self, local: &Local, at: usize) -> bool {
        let tree = &local.trees[at];
        let (mut fork, mut narrowed) = (tree.top, false);
        while fork != ROOT {
            let here = &local.forks[fork as usize];
            let (low, high) = self.cells[here.column as usize];
            let side = if here.rank < low {
                1
            } else if here.rank >= high {
                0
            } else {
                let words = &self.live[tree.word as usize..(tree.word + tree.words) as usize];
                let masks = &local.masks[here.mask as usize..(here.mask + 2 * tree.words) as usize];
                let (left, right) = masks.split_at(words.len());
                let alive = |mask: &[u64]| words.iter().zip(mask).any(|(word, mask)| word & mask != 0);
                match (alive(left), alive(right)) {
                    (true, true) => break,
                    (false, false) => {
                        self.bound = f64::NEG_INFINITY;
                        break;
                    }
                    (true, false) => {
                        self.narrow(local, here.column, low, here.rank);
                        narrowed = true;
                        0
                    }
                    (false, true) => {
                        self.narrow(local, here.column, here.rank + 1, high);
                        narrowed = true;
                        1
                    }
                }
            };
            fork = here.below[side];
        }
        narrowed
    }

    /// What the best leaves of all trees need of splits that are still open; nothing if every tree is down to one leaf. The box
    /// must have been tightened.
    pub(super) fn needs(&self, local: &Local, needs: &mut Vec<Need>) {
        needs.clear();
        for (at, tree) in local.trees.iter().enumerate() {
            let best = self.best[at];
            let words = &self.live[tree.word as usize..(tree.word + tree.words) as usize];
            let values = &local.values[tree.leaf as usize..];
            let Some(second) = next_live(words, best + 1) else { continue };
            let loss = values[best as usize] - values[second as usize];
            let mut parent = local.parents[(tree.leaf + best) as usize];
            while parent != ROOT {
                let fork = &local.forks[parent as usize / 2];
                let (low, high) = self.cells[fork.column as usize];
                if (low..high).contains(&fork.rank) {
                    needs.push(Need { column: fork.column, rank: fork.rank, right: parent % 2 == 1, loss });
                }
                parent = fork.parent;
            }
        }
    }
}

/// How many leaves an open tree has.
fn leaves(local: &Local, at: usize) -> usize {
    let end = local.trees.get(at + 1).map_or(local.values.len(), |next| next.leaf as usize);
    end - local.trees[at].leaf as usize
}

/// The first live leaf from that one on.
#[inline(always)]
fn next_live(words: &[u64], from: u32) -> Option<u32> {
    let first = (from / 64) as usize;
    let mut word = *words.get(first)? & (u64::MAX << (from % 64));
    let mut at = first;
    while word == 0 {
        at += 1;
        word = *words.get(at)?;
    }
    Some(at as u32 * 64 + word.trailing_zeros())
}
