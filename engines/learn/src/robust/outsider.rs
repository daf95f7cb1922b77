//! A cheap outsider who attacks the training rows themselves: he moves one column after the other to where the trees so far are
//! most wrong, and never leaves the box that he may move in (T5: adversarial training).

use rayon::prelude::*;

use super::bins::{MISSING, Table};
use super::grow::{LEAF, Node};
use super::reach::Reach;
use crate::error::LearnError;
use crate::preprocess::Matrix;

/// Most depth of a tree.
const DEPTH_MAX: usize = 16;
/// Rows of one task.
const ROWS: usize = 64;
/// Margins that differ by less are equal, so that the outsider comes to rest.
const ROUNDING: f64 = 1e-9;
/// How often the outsider goes over the columns, at most.
const SWEEPS: usize = 4;

/// Where an outsider has brought every row, in bins, row after row, and what the trees add up to there.
pub(super) struct Moved {
    places: Vec<u8>,
    pub(super) margins: Vec<f64>,
}

impl Moved {
    /// Moves every row of a table as far against its label as the search finds.
    pub(super) fn new(table: &Table, labels: &[bool], trees: &[Vec<Node>]) -> Self {
        let width = table.columns.len();
        let mut readers: Vec<Vec<&[Node]>> = vec![Vec::new(); width];
        for (column, readers) in readers.iter_mut().enumerate().filter(|(column, _)| table.columns[*column].moves()) {
            let reads = |tree: &&Vec<Node>| tree.iter().any(|node| node.column as usize == column);
            readers.extend(trees.iter().filter(reads).map(Vec::as_slice));
        }
        let mut out = Self { places: table.grid(), margins: vec![0.0; table.rows] };
        let parts = out.places.par_chunks_mut(ROWS * width).zip(out.margins.par_chunks_mut(ROWS)).enumerate();
        parts.for_each(|(part, (places, margins))| {
            let mut profile = Vec::new();
            for (at, (place, margin)) in places.chunks_mut(width).zip(margins).enumerate() {
                let row = part * ROWS + at;
                *margin = trees.iter().map(|tree| f64::from(leaf(tree, place))).sum();
                for _ in 0..SWEEPS {
                    if !sweep(table, &readers, (row, labels[row]), place, margin, &mut profile) {
                        break;
                    }
                }
            }
        });
        out
    }

    /// The rows at their worst places: of each bin that a value was brought to, the value farthest from where it was, so that the
    /// next booster cannot answer by moving its cut a little.
    pub(super) fn rows(&self, table: &Table, rows: &Matrix, reach: &[Option<Reach>]) -> Result<Matrix, LearnError> {
        let mut values = rows.values().to_vec();
        for (at, (value, &bin)) in values.iter_mut().zip(&self.places).enumerate() {
            let (row, column) = (at / rows.columns(), at % rows.columns());
            let (column, Some(reach)) = (&table.columns[column], &reach[column]) else { continue };
            let (low, high) = reach.bounds(*value, 1.0);
            if bin > column.at[row] {
                *value = column.cuts.get(usize::from(bin)).map_or(high, |cut| cut.next_down().min(high));
            } else if bin < column.at[row] {
                *value = if bin == 0 { low } else { column.cuts[usize::from(bin) - 1].max(low) };
            }
        }
        Matrix::new(values, rows.rows(), rows.columns())
    }
}

/// A tree's answer at a place.
pub(super) fn leaf(nodes: &[Node], place: &[u8]) -> f32 {
    let mut at = 0;
    loop {
        let node = nodes[at];
        if node.column == LEAF {
            return node.value;
        }
        let bin = place[node.column as usize];
        let goes_left = if bin == MISSING { node.missing_left } else { bin <= node.cut };
        at = node.left as usize + usize::from(!goes_left);
    }
}

/// Moves each column to where the trees are most wrong, the others held; says whether anything moved.
fn sweep(
    table: &Table,
    readers: &[Vec<&[Node]>],
    (row, label): (usize, bool),
    place: &mut [u8],
    margin: &mut f64,
    profile: &mut Vec<f64>,
) -> bool {
    let mut moved = false;
    for (column, readers) in readers.iter().enumerate().filter(|(_, readers)| !readers.is_empty()) {
        let (low, high) = table.columns[column].bounds(row);
        if low == high {
            continue;
        }
        profile.clear();
        profile.resize(usize::from(high - low) + 2, 0.0);
        readers.iter().for_each(|tree| add(tree, column, (low, high), place, profile));
        // What was added at the first bin of a leaf's stretch and taken off behind its last adds up to the trees' sum at each bin.
        let mut sum = 0.0;
        for value in profile.iter_mut() {
            sum += *value;
            *value = sum;
        }
        let stay = usize::from(place[column] - low);
        let start = usize::from(table.columns[column].at[row] - low);
        // Of places that are equally bad, the farthest.
        let worse = |one: usize, other: usize| {
            let more = if label { profile[one] - profile[other] } else { profile[other] - profile[one] };
            more > ROUNDING || more > -ROUNDING && other.abs_diff(start) > one.abs_diff(start)
        };
        let worst = (0..=usize::from(high - low)).fold(stay, |one, other| if worse(one, other) { other } else { one });
        if worst != stay {
            place[column] = low + worst as u8;
            *margin += profile[worst] - profile[stay];
            moved = true;
        }
    }
    moved
}

/// Adds a tree's answers, as differences, over the bins of one column.
fn add(nodes: &[Node], column: usize, (low, high): (u8, u8), place: &[u8], profile: &mut [f64]) {
    let mut open = [(0u32, 0u8, 0u8); DEPTH_MAX + 2];
    let mut count = 1;
    open[0] = (0, low, high);
    while count > 0 {
        // INVARIANT: one node of each depth at most waits, beside the two that were put down last.
        count -= 1;
        let (at, from, to) = open[count];
        let node = nodes[at as usize];
        if node.column == LEAF {
            profile[usize::from(from - low)] += f64::from(node.value);
            profile[usize::from(to - low) + 1] -= f64::from(node.value);
        } else if node.column as usize == column {
            if to > node.cut {
                open[count] = (node.left + 1, from.max(node.cut + 1), to);
                count += 1;
            }
            if from <= node.cut {
                open[count] = (node.left, from, to.min(node.cut));
                count += 1;
            }
        } else {
            let bin = place[node.column as usize];
            let goes_left = if bin == MISSING { node.missing_left } else { bin <= node.cut };
            open[count] = (node.left + u32::from(!goes_left), from, to);
            count += 1;
        }
    }
}
