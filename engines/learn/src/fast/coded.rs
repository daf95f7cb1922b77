//! Answers many rows by trees of little depth: each value becomes the number of cuts that it reaches, one byte, and each node one
//! comparison of a block of bytes, which the compiler turns into vector instructions. Exact: `value < cut` is `rank <= place of cut`.
//!
//! The idea is RapidScorer's (Ye et al. 2018) and that of bit-sliced prototypes; here trees are complete and choices are made by
//! masks, so that the code stays safe, and equal on every machine.

use pulp::NullaryFnOnce;

use super::Found;
use crate::wide::widest;

/// Rows of a block: ranks of 40 columns take 10 KiB of the first cache.
pub(crate) const ROWS: usize = 128;
/// Deepest tree; one level more doubles the work of every tree.
const DEPTH_MAX: usize = 8;
/// Most cuts of one code, so that ranks and a mark for missing values fit a byte. Columns with more get more codes.
const CUTS_MAX: usize = 254;
/// Room for the cuts, with plus infinity behind them; a power of two, so that no index is out of bounds.
const ROOM: usize = 256;
/// The rank of a value that reaches no cut; ranks are shifted, since signed bytes compare in one instruction.
const NONE: i8 = i8::MIN;
/// Above every place of a cut: a missing value where it goes right, or the place that no value is above.
const ALL: i8 = i8::MAX;

/// Ranks of a block's rows.
type Plane = [i8; ROWS];

/// Cuts of one column, or some of them.
#[derive(Clone, Debug, PartialEq)]
struct Code {
    column: usize,
    /// Steps of the search: `2^halvings` is above the number of cuts.
    halvings: u32,
    cuts: Box<[f32; ROOM]>,
}

/// A row goes right if its rank in the plane is above the place.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// Twice the code, and one more where missing values go left.
    plane: u32,
    place: i8,
}

/// Complete trees of one depth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coded {
    columns: usize,
    depth: usize,
    codes: Vec<Code>,
    /// `2^depth - 1` a tree, level after level.
    nodes: Vec<Node>,
    /// `2^depth` a tree.
    leaves: Vec<f32>,
}

/// How many splits are at most between the root and a leaf; `None` beyond [`DEPTH_MAX`].
fn depth(tree: &[Found], at: u32, left: usize) -> Option<usize> {
    match tree.get(at as usize)? {
        Found::Leaf(_) => Some(0),
        Found::Split { left: low, right: high, .. } => {
            let left = left.checked_sub(1)?;
            Some(1 + depth(tree, *low, left)?.max(depth(tree, *high, left)?))
        }
    }
}

impl Coded {
    /// The trees, whose nodes [`super::walk::Grove::plant`] has checked; `None` where one is too deep.
    pub(crate) fn new(trees: &[Vec<Found>], columns: usize) -> Option<Self> {
        let mut deepest = 1;
        let mut cuts: Vec<Vec<f32>> = vec![Vec::new(); columns];
        for tree in trees {
            deepest = deepest.max(depth(tree, 0, DEPTH_MAX)?);
            for node in tree {
                if let Found::Split { column, cut, .. } = node {
                    cuts.get_mut(*column as usize)?.push(*cut);
                }
            }
        }
        let mut out = Self { columns, depth: deepest, codes: Vec::new(), nodes: Vec::new(), leaves: Vec::new() };
        let mut firsts = Vec::new();
        for (column, cuts) in cuts.iter_mut().enumerate() {
            // Both zeros are one cut, since no value lies between them.
            cuts.sort_unstable_by(f32::total_cmp);
            cuts.dedup_by(|left, right| left == right);
            firsts.push(out.codes.len());
            for some in cuts.chunks(CUTS_MAX) {
                let mut room = Box::new([f32::INFINITY; ROOM]);
                room[..some.len()].copy_from_slice(some);
                out.codes.push(Code { column, halvings: usize::BITS - some.len().leading_zeros(), cuts: room });
            }
        }
        let place = |column: u32, cut: f32, missing_left: bool| {
            let at = cuts[column as usize].partition_point(|other| *other < cut);
            let code = firsts[column as usize] + at / CUTS_MAX;
            let place = (at % CUTS_MAX) as i16 + i16::from(NONE);
            Node { plane: (2 * code + usize::from(missing_left)) as u32, place: place as i8 }
        };
        for tree in trees {
            out.complete(tree, &place);
        }
        Some(out)
    }

    /// Appends a tree, with leaves of less depth repeated at the bottom.
    fn complete(&mut self, tree: &[Found], place: &impl Fn(u32, f32, bool) -> Node) {
        let mut level = vec![0u32];
        for _ in 0..self.depth {
            let mut below = Vec::with_capacity(level.len() * 2);
            for at in level {
                match tree[at as usize] {
                    Found::Leaf(_) => {
                        self.nodes.push(Node { plane: 0, place: ALL });
                        below.extend([at, at]);
                    }
                    Found::Split { column, cut, left, right, missing_left } => {
                        self.nodes.push(place(column, cut, missing_left));
                        below.extend([left, right]);
                    }
                }
            }
            level = below;
        }
        self.leaves.extend(level.into_iter().map(|at| match tree[at as usize] {
            Found::Leaf(value) => value,
            // `depth` has counted the levels.
            Found::Split { .. } => f32::NAN,
        }));
    }

    /// A buffer for [`Self::add`].
    pub(crate) fn planes(&self) -> Vec<Plane> {
        // One at least: nodes that never go right read the first.
        vec![[NONE; ROWS]; (2 * self.codes.len()).max(1)]
    }

    /// Adds the trees' answers to at most [`ROWS`] rows, which follow each other, in the order of the trees.
    pub(crate) fn add(&self, rows: &[f32], planes: &mut [Plane], sums: &mut [f32]) {
        let mut all = [0.0; ROWS];
        let count = sums.len().min(ROWS);
        all[..count].copy_from_slice(&sums[..count]);
        widest(AddBlock { coded: self, rows, planes, sums: &mut all });
        sums[..count].copy_from_slice(&all[..count]);
    }
}

/// The work on one block.
struct AddBlock<'a> {
    coded: &'a Coded,
    rows: &'a [f32],
    planes: &'a mut [Plane],
    sums: &'a mut [f32; ROWS],
}

impl NullaryFnOnce for AddBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { coded, rows, planes, sums } = self;
        for (code, pair) in coded.codes.iter().zip(planes.chunks_exact_mut(2)) {
            rank(code, rows, coded.columns, pair);
        }
        let mut found = [[0u8; ROWS]; 1 << (DEPTH_MAX - 3)];
        let leaves = 1 << coded.depth;
        for (nodes, leaves) in coded.nodes.chunks_exact(leaves - 1).zip(coded.leaves.chunks_exact(leaves)) {
            descend(coded.depth, nodes, planes, &mut found);
            match coded.depth {
                1 => collect::<2>(leaves, &found[0], sums),
                2 => collect::<4>(leaves, &found[0], sums),
                3 => collect::<8>(leaves, &found[0], sums),
                4 => collect::<16>(leaves, &found[0], sums),
                5 => collect::<32>(leaves, &found[0], sums),
                6 => collect::<64>(leaves, &found[0], sums),
                7 => collect::<128>(leaves, &found[0], sums),
                _ => collect::<256>(leaves, &found[0], sums),
            }
        }
    }
}

/// The number of cuts that each row's value reaches, by halving all rows' ranges together.
#[inline(always)]
fn rank(code: &Code, rows: &[f32], columns: usize, planes: &mut [Plane]) {
    let mut values = [0.0f32; ROWS];
    for (value, row) in values.iter_mut().zip(rows.chunks_exact(columns)) {
        *value = row[code.column];
    }
    let mut ranks = [0u32; ROWS];
    for halving in (0..code.halvings).rev() {
        let half = 1u32 << halving;
        for (rank, value) in ranks.iter_mut().zip(&values) {
            let probe = code.cuts[((*rank + half - 1) as usize) & (ROOM - 1)];
            *rank += if probe <= *value { half } else { 0 };
        }
    }
    let [right, left] = planes else { return };
    for lane in 0..ROWS {
        // A missing value reaches no cut.
        let rank = (ranks[lane] as u8).wrapping_add(NONE as u8) as i8;
        left[lane] = rank;
        right[lane] = if values[lane].is_nan() { ALL } else { rank };
    }
}

/// The leaf of each row, into the first of the buffers. Levels are worked on in threes, from the bottom.
#[inline(always)]
fn descend(depth: usize, nodes: &[Node], planes: &[Plane], found: &mut [[u8; ROWS]; 1 << (DEPTH_MAX - 3)]) {
    let mut below = 0;
    while below < depth {
        // 3 at the bottom and above; what is left over, at the top. 4 levels are 2 and 2.
        let left = depth - below;
        let size = if left == 4 || left == 2 { 2 } else { left.min(3) };
        let tops = 1usize << (left - size);
        for top in 0..tops {
            let root = tops - 1 + top;
            let first = top << size;
            found[top] = match (size, below) {
                (1, 0) => one(nodes, planes, root, |kid, _| kid),
                (2, 0) => two(nodes, planes, root, |kid, _| kid),
                (3, 0) => three(nodes, planes, root, |kid, _| kid),
                (1, _) => one(nodes, planes, root, |kid, row| found[first + usize::from(kid)][row] | (kid << below)),
                (2, _) => two(nodes, planes, root, |kid, row| found[first + usize::from(kid)][row] | (kid << below)),
                _ => three(nodes, planes, root, |kid, row| found[first + usize::from(kid)][row] | (kid << below)),
            };
        }
        below += size;
    }
}

/// Which rows go right at a node.
#[inline(always)]
fn side<'a>(nodes: &[Node], planes: &'a [Plane], at: usize) -> (&'a Plane, i8) {
    let node = nodes[at];
    (&planes[node.plane as usize], node.place)
}

#[inline(always)]
fn one(nodes: &[Node], planes: &[Plane], root: usize, kid: impl Fn(u8, usize) -> u8) -> [u8; ROWS] {
    let (plane, place) = side(nodes, planes, root);
    let mut out = [0; ROWS];
    for row in 0..ROWS {
        out[row] = if plane[row] > place { kid(1, row) } else { kid(0, row) };
    }
    out
}

#[inline(always)]
fn two(nodes: &[Node], planes: &[Plane], root: usize, kid: impl Fn(u8, usize) -> u8) -> [u8; ROWS] {
    let (a, b, c) = (side(nodes, planes, root), side(nodes, planes, 2 * root + 1), side(nodes, planes, 2 * root + 2));
    let mut out = [0; ROWS];
    for row in 0..ROWS {
        let goes = |(plane, place): (&Plane, i8)| plane[row] > place;
        let low = if goes(b) { kid(1, row) } else { kid(0, row) };
        let high = if goes(c) { kid(3, row) } else { kid(2, row) };
        out[row] = if goes(a) { high } else { low };
    }
    out
}

#[inline(always)]
fn three(nodes: &[Node], planes: &[Plane], root: usize, kid: impl Fn(u8, usize) -> u8) -> [u8; ROWS] {
    let at = |place: usize| side(nodes, planes, place);
    let (a, b, c) = (at(root), at(2 * root + 1), at(2 * root + 2));
    let (d, e, f, g) = (at(4 * root + 3), at(4 * root + 4), at(4 * root + 5), at(4 * root + 6));
    let mut out = [0; ROWS];
    for row in 0..ROWS {
        let goes = |(plane, place): (&Plane, i8)| plane[row] > place;
        let first = if goes(d) { kid(1, row) } else { kid(0, row) };
        let second = if goes(e) { kid(3, row) } else { kid(2, row) };
        let third = if goes(f) { kid(5, row) } else { kid(4, row) };
        let fourth = if goes(g) { kid(7, row) } else { kid(6, row) };
        let low = if goes(b) { second } else { first };
        let high = if goes(c) { fourth } else { third };
        out[row] = if goes(a) { high } else { low };
    }
    out
}

/// Adds the leaves' answers.
#[inline(always)]
fn collect<const LEAVES: usize>(leaves: &[f32], found: &[u8; ROWS], sums: &mut [f32; ROWS]) {
    let Ok(leaves) = <&[f32; LEAVES]>::try_from(leaves) else { return };
    for (sum, at) in sums.iter_mut().zip(found) {
        *sum += leaves[usize::from(*at) & (LEAVES - 1)];
    }
}
