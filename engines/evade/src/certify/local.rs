//! The part of the trees that a region leaves open: what a certificate searches (T5).
//!
//! Trees that the region decides become a constant. Of the others, each keeps its reachable leaves, best first, as bits; each open
//! split knows which leaves die if it is decided (the bit vectors of QuickScorer, Lucchese and others 2015), so that narrowing one
//! column narrows all trees at once.

use crate::region::Region;
use crate::trees::{Knot, LEAF, Trees, cell};

/// No parent.
pub(super) const ROOT: u32 = u32::MAX;

/// A tree with at least two reachable leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// First word of its live leaves.
    pub(super) word: u32,
    /// How many words.
    pub(super) words: u32,
    /// First of its leaves.
    pub(super) leaf: u32,
    /// The split that all others are below.
    pub(super) top: u32,
}

/// A split both of whose sides are reachable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fork {
    /// Which open tree.
    pub(super) tree: u32,
    /// Which open column.
    pub(super) column: u32,
    /// Rank of its cut in the column: cells up to it are left.
    pub(super) rank: u32,
    /// Words of the leaves on its left, then those on its right.
    pub(super) mask: u32,
    /// The fork above, times two, plus one if this is to its right.
    pub(super) parent: u32,
    /// Forks directly below, or [`ROOT`].
    pub(super) below: [u32; 2],
}

/// A column that some fork reads.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its number in a row.
    pub(super) id: u32,
    /// Cells that the region reaches, first and last.
    pub(super) cells: (u32, u32),
    /// Per rank from the first cell on: where its forks start in `forks`; one more at the end.
    pub(super) starts: Vec<u32>,
}

/// What is open.
#[derive(Clone, Debug, Default)]
pub(super) struct Local {
    /// 1 to search upwards, -1 to search downwards: leaves are multiplied by it.
    pub(super) sign: f64,
    /// Sum of the base and of all leaves that are decided, times sign.
    pub(super) constant: f64,
    /// Sum of the largest sizes of leaves and base: what rounding is measured by.
    pub(super) size: f64,
    pub(super) trees: Vec<Open>,
    pub(super) forks: Vec<Fork>,
    pub(super) columns: Vec<Column>,
    /// Forks by column and rank.
    pub(super) order: Vec<u32>,
    /// Bits of forks.
    pub(super) masks: Vec<u64>,
    /// Leaves of open trees, best first within a tree, times sign.
    pub(super) values: Vec<f64>,
    /// The fork above each leaf, times two, plus one if it is to its right.
    pub(super) parents: Vec<u32>,
    /// Words of live leaves of all open trees.
    pub(super) words: usize,
}

/// What a walk through one tree found, leaves from left to right.
#[derive(Default)]
struct Walk {
    leaves: Vec<(f32, u32)>,
    /// Knot, parent, and the leaves where its left side starts, its right side starts and its right side ends.
    forks: Vec<(u32, u32, [u32; 3])>,
    stack: Vec<Todo>,
}

enum Todo {
    Visit(u32, u32),
    Right(u32, u32),
    End(u32),
}

impl Walk {
    /// Reachable leaves and forks of the tree.
    fn tree(&mut self, trees: &Trees, root: u32, region: &Region) {
        let Self { leaves, forks, stack } = self;
        leaves.clear();
        forks.clear();
        stack.push(Todo::Visit(root, ROOT));
        while let Some(todo) = stack.pop() {
            let (mut at, parent) = match todo {
                Todo::Visit(at, parent) => (at, parent),
                Todo::Right(fork, at) => {
                    forks[fork as usize].2[1] = leaves.len() as u32;
                    (at, fork * 2 + 1)
                }
                Todo::End(fork) => {
                    forks[fork as usize].2[2] = leaves.len() as u32;
                    continue;
                }
            };
            // Down as far as the region decides.
            loop {
                let knot: &Knot = &trees.knots[at as usize];
                if knot.column == LEAF {
                    leaves.push((knot.value, parent));
                    break;
                }
                let (low, high) = region.interval(knot.column as usize);
                at = if low.is_nan() {
                    if knot.missing_left { knot.left } else { knot.right }
                } else if high < knot.value {
                    knot.left
                } else if low >= knot.value {
                    knot.right
                } else {
                    let fork = forks.len() as u32;
                    forks.push((at, parent, [leaves.len() as u32; 3]));
                    stack.extend([Todo::End(fork), Todo::Right(fork, knot.right), Todo::Visit(knot.left, fork * 2)]);
                    break;
                };
            }
        }
    }
}

impl Local {
    /// What the region leaves open of the trees.
    pub(super) fn new(trees: &Trees, region: &Region, upwards: bool) -> Self {
        let sign = if upwards { 1.0 } else { -1.0 };
        let base = f64::from(trees.base());
        let mut out = Self { sign, constant: sign * base, size: base.abs(), ..Self::default() };
        let mut local_of = vec![ROOT; trees.columns()];
        let mut fork_of = vec![ROOT; trees.knots.len()];
        let mut walk = Walk::default();
        let mut sorted = Vec::new();
        for &root in &trees.roots {
            walk.tree(trees, root, region);
            let first = walk.leaves.first().map_or(0.0, |leaf| leaf.0);
            out.size += walk.leaves.iter().map(|leaf| f64::from(leaf.0).abs()).fold(0.0, f64::max);
            if walk.leaves.iter().all(|leaf| leaf.0 == first) {
                out.constant += sign * f64::from(first);
            } else {
                out.open(trees, region, &walk, &mut sorted, &mut local_of, &mut fork_of);
            }
        }
        for column in &mut out.columns {
            let starts = &trees.starts[column.id as usize];
            let (first, last) = column.cells;
            for rank in first..last {
                column.starts.push(out.order.len() as u32);
                let splits = starts[rank as usize] as usize..starts[rank as usize + 1] as usize;
                let forks = trees.order[splits].iter().map(|&at| fork_of[at as usize]).filter(|&fork| fork != ROOT);
                out.order.extend(forks);
            }
            column.starts.push(out.order.len() as u32);
        }
        out
    }

    /// Adds a tree that is open.
    fn open(
        &mut self,
        trees: &Trees,
        region: &Region,
        walk: &Walk,
        sorted: &mut Vec<u32>,
        local_of: &mut [u32],
        fork_of: &mut [u32],
    ) {
        let leaves = &walk.leaves;
        sorted.clear();
        sorted.extend(0..leaves.len() as u32);
        let value = |at: u32| self.sign * f64::from(leaves[at as usize].0);
        sorted.sort_unstable_by(|&one, &two| value(two).total_cmp(&value(one)).then(one.cmp(&two)));
        let mut places = vec![0u32; leaves.len()];
        sorted.iter().zip(0..).for_each(|(&leaf, place)| places[leaf as usize] = place);
        let words = leaves.len().div_ceil(64);
        let (tree, offset) = (self.trees.len() as u32, self.forks.len() as u32);
        let below = |parent: u32| if parent == ROOT { ROOT } else { parent + offset * 2 };
        self.trees.push(Open { word: self.words as u32, words: words as u32, leaf: self.values.len() as u32, top: offset });
        self.words += words;
        for &at in sorted.iter() {
            self.values.push(self.sign * f64::from(leaves[at as usize].0));
            self.parents.push(below(leaves[at as usize].1));
        }
        for &(at, parent, [start, middle, end]) in &walk.forks {
            let knot = &trees.knots[at as usize];
            let local = &mut local_of[knot.column as usize];
            if *local == ROOT {
                *local = self.columns.len() as u32;
                let (cuts, (low, high)) = (trees.cuts(knot.column as usize), region.interval(knot.column as usize));
                self.columns.push(Column { id: knot.column, cells: (cell(cuts, low), cell(cuts, high)), starts: Vec::new() });
            }
            let mask = self.masks.len();
            self.masks.resize(mask + 2 * words, 0);
            for leaf in start..end {
                let (bit, side) = (places[leaf as usize] as usize, usize::from(leaf >= middle) * words);
                self.masks[mask + side + bit / 64] |= 1 << (bit % 64);
            }
            let parent = below(parent);
            let here = self.forks.len() as u32;
            if parent != ROOT {
                self.forks[parent as usize / 2].below[parent as usize % 2] = here;
            }
            fork_of[at as usize] = here;
            let (column, rank, mask) = (*local, knot.rank, mask as u32);
            self.forks.push(Fork { tree, column, rank, mask, parent, below: [ROOT; 2] });
        }
    }
}
