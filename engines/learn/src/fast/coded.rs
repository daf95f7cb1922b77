//! Answers many rows by trees of little depth: each value becomes the number of cuts that it reaches, one byte, and each node one
//! comparison of a block of bytes, which the compiler turns into vector instructions. Exact: `value < cut` is `rank <= place of cut`.
//!
//! The idea is RapidScorer's (Ye et al. 2018) and that of bit-sliced prototypes; here trees are complete and choices are made by
//! masks, so that the code stays safe, and equal on every machine.

use pulp::NullaryFnOnce;

use super::Found;
use super::ranks::{Code, Cuts, ROOM};
use crate::wide::widest;

/// Rows of a block: enough that a node is read once for many, few enough that the ranks of 30 columns take 30 KiB.
pub(crate) const ROWS: usize = 512;
/// Deepest tree; one level more doubles the work of every tree.
const DEPTH_MAX: usize = 8;
/// The rank of a value that reaches no cut; ranks are shifted, since signed bytes compare in one instruction.
const NONE: i8 = i8::MIN;
/// Above every place of a cut: a missing value where it goes right, or the place that no value is above.
const ALL: i8 = i8::MAX;

/// Ranks of a block's rows.
type Plane = [i8; ROWS];

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
        let cuts = Cuts::new(cuts);
        let mut out = Self { columns, depth: deepest, codes: cuts.codes(), nodes: Vec::new(), leaves: Vec::new() };
        let place = |column: u32, cut: f32, missing_left: bool| {
            let (code, place) = cuts.place(column, cut);
            Node { plane: (2 * code + usize::from(missing_left)) as u32, place: (i16::from(place) + i16::from(NONE)) as i8 }
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
        let mut found = Buffers { from: [[0; ROWS]; WIDEST], to: [[0; ROWS]; WIDEST] };
        let leaves = 1 << coded.depth;
        for (nodes, leaves) in coded.nodes.chunks_exact(leaves - 1).zip(coded.leaves.chunks_exact(leaves)) {
            let found = descend(coded.depth, nodes, planes, &mut found);
            match coded.depth {
                1 => collect::<2>(leaves, found, sums),
                2 => collect::<4>(leaves, found, sums),
                3 => collect::<8>(leaves, found, sums),
                4 => collect::<16>(leaves, found, sums),
                5 => collect::<32>(leaves, found, sums),
                6 => collect::<64>(leaves, found, sums),
                7 => collect::<128>(leaves, found, sums),
                _ => collect::<256>(leaves, found, sums),
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
            let probe = code.cuts[(rank.wrapping_add(half - 1) as usize) & (ROOM - 1)];
            *rank = rank.wrapping_add(if probe <= *value { half } else { 0 });
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

/// Leaves of each row, below a node.
type Leaves = [u8; ROWS];

/// Most groups of one depth: at the bottom, three levels together.
const WIDEST: usize = 1 << (DEPTH_MAX - 3);

/// Leaves below the nodes of one level, and those below the next level that is looked at.
struct Buffers {
    from: [Leaves; WIDEST],
    to: [Leaves; WIDEST],
}

/// The leaf of each row. Levels are worked on in threes, from the bottom.
#[inline(always)]
fn descend<'a>(depth: usize, nodes: &[Node], planes: &[Plane], buffers: &'a mut Buffers) -> &'a Leaves {
    let Buffers { from, to } = buffers;
    let (mut from, mut to) = (from, to);
    let mut below = 0;
    while below < depth {
        // 3 at the bottom and above; what is left over, at the top. 4 levels are 2 and 2.
        let left = depth - below;
        let size = if left == 4 || left == 2 { 2 } else { left.min(3) };
        let tops = 1usize << (left - size);
        for (top, out) in to.iter_mut().enumerate().take(tops) {
            let root = tops - 1 + top;
            let kids = from.get(top << size..).unwrap_or_default();
            match (size, below) {
                (1, 0) => one(nodes, planes, root, |kid, _| kid as u8, out),
                (2, 0) => two(nodes, planes, root, |kid, _| kid as u8, out),
                (3, 0) => three(nodes, planes, root, |kid, _| kid as u8, out),
                (1, _) => one(nodes, planes, root, marked::<2>(kids, below), out),
                (2, _) => two(nodes, planes, root, marked::<4>(kids, below), out),
                _ => three(nodes, planes, root, marked::<8>(kids, below), out),
            }
        }
        (from, to) = (to, from);
        below += size;
    }
    &from[0]
}

/// Says a row's leaf below one of the children, counted from the first child's first leaf.
#[inline(always)]
fn marked<const KIDS: usize>(kids: &[Leaves], below: usize) -> impl Fn(usize, usize) -> u8 {
    // Always so many: `descend` asks for the children of one node.
    let kids: [&Leaves; KIDS] = std::array::from_fn(|kid| &kids[kid]);
    let marks: [u8; KIDS] = std::array::from_fn(|kid| (kid << below) as u8);
    move |kid, row| kids[kid][row] | marks[kid]
}

/// Ranks that a node compares, and its place.
#[inline(always)]
fn side<'a>(nodes: &[Node], planes: &'a [Plane], at: usize) -> (&'a Plane, i8) {
    let node = nodes[at];
    (&planes[node.plane as usize], node.place)
}

#[inline(always)]
fn one(nodes: &[Node], planes: &[Plane], root: usize, kid: impl Fn(usize, usize) -> u8, out: &mut Leaves) {
    let (plane, place) = side(nodes, planes, root);
    for row in 0..ROWS {
        out[row] = if plane[row] > place { kid(1, row) } else { kid(0, row) };
    }
}

#[inline(always)]
fn two(nodes: &[Node], planes: &[Plane], root: usize, kid: impl Fn(usize, usize) -> u8, out: &mut Leaves) {
    let (a, b, c) = (side(nodes, planes, root), side(nodes, planes, 2 * root + 1), side(nodes, planes, 2 * root + 2));
    for row in 0..ROWS {
        let pick = |(plane, place): (&Plane, i8), low: u8, high: u8| if plane[row] > place { high } else { low };
        let low = pick(b, kid(0, row), kid(1, row));
        let high = pick(c, kid(2, row), kid(3, row));
        out[row] = pick(a, low, high);
    }
}

#[inline(always)]
fn three(nodes: &[Node], planes: &[Plane], root: usize, kid: impl Fn(usize, usize) -> u8, out: &mut Leaves) {
    let at = |place: usize| side(nodes, planes, place);
    let (a, b, c) = (at(root), at(2 * root + 1), at(2 * root + 2));
    let (d, e, f, g) = (at(4 * root + 3), at(4 * root + 4), at(4 * root + 5), at(4 * root + 6));
    for row in 0..ROWS {
        let pick = |(plane, place): (&Plane, i8), low: u8, high: u8| if plane[row] > place { high } else { low };
        let low = pick(b, pick(d, kid(0, row), kid(1, row)), pick(e, kid(2, row), kid(3, row)));
        let high = pick(c, pick(f, kid(4, row), kid(5, row)), pick(g, kid(6, row), kid(7, row)));
        out[row] = pick(a, low, high);
    }
}

/// Adds the leaves' answers.
#[inline(always)]
fn collect<const LEAVES: usize>(leaves: &[f32], found: &[u8; ROWS], sums: &mut [f32; ROWS]) {
    let Ok(leaves) = <&[f32; LEAVES]>::try_from(leaves) else { return };
    for (sum, at) in sums.iter_mut().zip(found) {
        *sum += leaves[usize::from(*at) & (LEAVES - 1)];
    }
}
