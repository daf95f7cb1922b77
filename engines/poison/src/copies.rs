//! Rows that were there before: sent twice, sent again, or sent again in disguise. Each is honest by itself (T1).

use std::collections::BTreeSet;

use crate::Class;
use crate::draw::Draws;
use crate::laws::Laws;
use crate::scene::{Hit, Scene};
use crate::sheet::{Law, Sheet};

/// How far a clone's numbers are moved, in spreads of the column.
const MOVE: f64 = 0.02;

pub(crate) fn poison(scene: &Scene<'_>) -> Hit {
    if scene.class == Class::ExactDuplicates {
        return duplicates(scene);
    }
    let rows = scene.any_rows();
    let mut sheet = scene.sheet();
    let mut draws = scene.draws(1);
    let touched = BTreeSet::from_iter(rows.iter().copied());
    if scene.past_rows == 0 {
        return Hit { sheet, rows: BTreeSet::new() };
    }
    let numbers = if scene.class == Class::NearClones { movable(scene) } else { Vec::new() };
    let originals = draws.some(&(0..scene.past_rows).collect::<Vec<_>>(), rows.len());
    // Where the history is shorter than what is wanted, its rows come again.
    for (&row, &original) in rows.iter().zip(originals.iter().cycle()) {
        if scene.class == Class::Replay {
            (0..scene.past.len()).for_each(|at| sheet.copy(at, row, scene.past[at], original));
            continue;
        }
        clone(scene, &mut sheet, row, original, &numbers, &mut draws);
    }
    Hit { sheet, rows: touched }
}

/// The copy stands after its original: of two equal rows, the later one is the one too many.
fn duplicates(scene: &Scene<'_>) -> Hit {
    let rows = BTreeSet::from_iter(scene.chosen(&(1..scene.batch.rows()).collect::<Vec<_>>()));
    let honest: Vec<usize> = (0..scene.batch.rows()).filter(|row| !rows.contains(row)).collect();
    let mut sheet = scene.sheet();
    let mut draws = scene.draws(1);
    for &row in &rows {
        // The first row is always honest.
        let before = honest.partition_point(|&other| other < row);
        if let Some(original) = draws.pick(&honest[..before]) {
            (0..scene.past.len()).for_each(|at| sheet.copy(at, row, scene.column(at), original));
        }
    }
    Hit { sheet, rows }
}

/// Takes a row of the history but for its identifier and time, and moves these numbers a little, one of them by a step at least.
pub(crate) fn clone(
    scene: &Scene<'_>,
    sheet: &mut Sheet,
    row: usize,
    original: usize,
    numbers: &[(usize, Law)],
    draws: &mut Draws,
) {
    for at in scene.features.iter().copied().chain(scene.label) {
        sheet.copy(at, row, scene.past[at], original);
    }
    let must = draws.below(numbers.len());
    for (place, (at, law)) in numbers.iter().enumerate() {
        let value = sheet.number(*at, row);
        let mut moved = law.within(value + MOVE * law.spread() * draws.normal());
        if place == must && moved == value {
            moved = law.within(value + law.step());
        }
        if place == must && moved == value {
            moved = law.within(value - law.step());
        }
        if moved.is_finite() {
            sheet.set_number(*at, row, moved);
        }
    }
}

/// Numbers that can be moved without breaking a relation; all of them where none is free.
pub(crate) fn movable(scene: &Scene<'_>) -> Vec<(usize, Law)> {
    let (numbers, laws) = (scene.numbers(), Laws::find(scene));
    let free: Vec<(usize, Law)> = numbers.iter().filter(|(at, _)| !laws.bound(*at)).cloned().collect();
    if free.is_empty() { numbers } else { free }
}
