//! Goes down trees of any depth, several at once, so that the processor need not wait for one node to know the next.

use rayon::prelude::*;

use super::Found;

/// Walks at once.
const LANES: usize = 16;
/// Rows that go through one tree before the next: rows and tree fit the second cache.
const BLOCK: usize = 4_096;

/// A split or a leaf. A row goes from here to `left`, or to the node after that if `wide[slot] >= cut`. A leaf leads to itself:
/// its slot holds minus infinity. Its `cut` is the tree's answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    cut: f32,
    slot: u32,
    left: u32,
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
}

impl Grove {
    /// No trees yet.
    pub(crate) fn new(columns: usize, both_ways: bool) -> Self {
        Self { columns, both_ways, roots: Vec::new(), steps: Vec::new() }
    }

    /// Adds a tree whose first node is the root; says why it is none.
    pub(crate) fn plant(&mut self, tree: &[Found]) -> Result<(), &'static str> {
        let root = u32::try_from(self.steps.len()).map_err(|_| "trees have too many nodes")?;
        let rest = self.columns as u32;
        let mut open = vec![0u32];
        let mut next = 0;
        // Breadth first. Every node is asked for at most once, so that nothing goes round in circles.
        let mut placed = Vec::with_capacity(tree.len());
        while let Some(&at) = open.get(next) {
            let here = root.checked_add(next as u32).ok_or("trees have too many nodes")?;
            next += 1;
            placed.push(match tree.get(at as usize).ok_or("a child is not there")? {
                Found::Leaf(value) => Step { cut: *value, slot: rest, left: here },
                Found::Split { column, cut, left, right, missing_left } => {
                    if *column >= rest || !cut.is_finite() || (*missing_left && !self.both_ways) {
                        return Err("a split reads a column that is not there");
                    }
                    if open.len() + 2 > tree.len() {
                        return Err("a node has two parents");
                    }
                    let first = root.checked_add(open.len() as u32).ok_or("trees have too many nodes")?;
                    open.extend([*left, *right]);
                    Step { cut: *cut, slot: if *missing_left { rest + 1 + column } else { *column }, left: first }
                }
            });
        }
        self.roots.push(root);
        self.steps.extend(placed);
        Ok(())
    }

    /// Numbers of a widened row.
    fn width(&self) -> usize {
        if self.both_ways { 2 * self.columns + 1 } else { self.columns + 1 }
    }

    /// The row as it is walked with: missing values as plus infinity, so that they go right; minus infinity for leaves; and, where
    /// they may go left, all again with missing values as minus infinity.
    pub(crate) fn widen(&self, row: &[f32], wide: &mut Vec<f32>) {
        wide.clear();
        self.widen_more(row, wide);
    }

    fn widen_more(&self, row: &[f32], wide: &mut Vec<f32>) {
        let value = |at: usize, missing: f32| match row.get(at) {
            Some(value) if !value.is_nan() => *value,
            Some(_) | None => missing,
        };
        wide.extend((0..self.columns).map(|at| value(at, f32::INFINITY)));
        wide.push(f32::NEG_INFINITY);
        if self.both_ways {
            wide.extend((0..self.columns).map(|at| value(at, f32::NEG_INFINITY)));
        }
    }

    // INVARIANT: `plant` gives every step a slot below `width` and children below the number of steps, later than itself; so that
    // no index is out of bounds for a row from `widen`, and every walk ends at a leaf.
    fn next(&self, at: u32, wide: &[f32]) -> u32 {
        let step = self.steps[at as usize];
        step.left.wrapping_add(u32::from(wide[step.slot as usize] >= step.cut))
    }

    /// The answers of all trees to one widened row, in their order.
    pub(crate) fn row(&self, wide: &[f32], mut add: impl FnMut(f32)) {
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
            at.iter().for_each(|&at| add(self.steps[at as usize].cut));
        }
        for &root in rest {
            add(self.alone(root, wide));
        }
    }

    fn alone(&self, root: u32, wide: &[f32]) -> f32 {
        let mut at = root;
        loop {
            let next = self.next(at, wide);
            if next == at {
                return self.steps[at as usize].cut;
            }
            at = next;
        }
    }

    /// The answer of one tree to one widened row.
    pub(crate) fn answer(&self, tree: usize, wide: &[f32]) -> Option<f32> {
        self.roots.get(tree).map(|&root| self.alone(root, wide))
    }

    /// Adds the answers of all trees, in their order, to the sum of each row, in parallel. Rows follow each other.
    pub(crate) fn add_rows<S: Send>(&self, rows: &[f32], sums: &mut [S], add: impl Fn(&mut S, f32) + Sync) {
        let columns = self.columns.max(1);
        sums.par_chunks_mut(BLOCK).zip(rows.par_chunks(BLOCK * columns)).for_each_init(Vec::new, |wide, (sums, rows)| {
            wide.clear();
            rows.chunks(columns).for_each(|row| self.widen_more(row, wide));
            for &root in &self.roots {
                self.add_block(root, wide, sums, &add);
            }
        });
    }

    fn add_block<S>(&self, root: u32, wide: &[f32], sums: &mut [S], add: &impl Fn(&mut S, f32)) {
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
            group.iter_mut().zip(at).for_each(|(sum, at)| add(sum, self.steps[at as usize].cut));
        }
        for (sum, wide) in rest.iter_mut().zip(wide[done * width..].chunks(width)) {
            add(sum, self.alone(root, wide));
        }
    }
}
