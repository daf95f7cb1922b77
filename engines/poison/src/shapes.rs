//! Rows that are wrong as a whole though most cells look right: wild, torn from their relations, or too many of a kind (T1).

use std::collections::BTreeSet;

use crate::laws::Laws;
use crate::scene::{Hit, Scene};
use crate::{Class, PoisonError};

/// Share of a row's numbers that go beyond, one at least.
const BEYOND_CHANCE: f64 = 0.5;
/// Jitter of near copies, in spreads of the column.
const JITTER: f64 = 0.01;

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let rows = scene.any_rows();
    let mut hit = Hit { sheet: scene.sheet(), rows: BTreeSet::new() };
    if scene.past_rows == 0 {
        return Ok(hit);
    }
    if scene.class == Class::Beyond {
        beyond(scene, &mut hit, &rows)?;
    } else if scene.class == Class::DenseBlock {
        block(scene, &mut hit, &rows);
    } else {
        mimic(scene, &mut hit, &rows);
    }
    hit.rows = BTreeSet::from_iter(rows);
    Ok(hit)
}

/// Columns drawn by themselves, or as far as the relations leave them free.
fn mimic(scene: &Scene<'_>, hit: &mut Hit, rows: &[usize]) {
    let laws = (scene.class == Class::MimicAdaptive).then(|| Laws::find(scene));
    let mut draws = scene.draws(1);
    for &row in rows {
        if let Some(laws) = &laws {
            laws.draw(scene, &mut hit.sheet, row, &mut draws);
        }
        let alone = scene.features.iter().copied().filter(|_| laws.is_none());
        for at in alone.chain(scene.label) {
            hit.sheet.copy(at, row, scene.past[at], draws.below(scene.past_rows));
        }
    }
}

fn beyond(scene: &Scene<'_>, hit: &mut Hit, rows: &[usize]) -> Result<(), PoisonError> {
    let numbers = scene.numbers();
    if numbers.is_empty() {
        return Err(scene.needs("a number"));
    }
    let mut draws = scene.draws(1);
    for &row in rows {
        let must = draws.below(numbers.len());
        for (place, (at, law)) in numbers.iter().enumerate() {
            if place == must || draws.unit() < BEYOND_CHANCE {
                let (edge, top) = (law.quantile(0.99), law.quantile(1.0));
                let far = (top - edge).max(0.1 * (edge - law.quantile(0.5))).max(law.step());
                // A step at least, so that it lies beyond as it is written.
                hit.sheet.set_number(*at, row, law.written(edge + (far * draws.unit()).max(law.step())));
            }
        }
    }
    Ok(())
}

/// Near copies of one seeded row of the history.
fn block(scene: &Scene<'_>, hit: &mut Hit, rows: &[usize]) {
    let mut draws = scene.draws(1);
    let template = draws.below(scene.past_rows);
    let numbers = scene.numbers();
    for &row in rows {
        for at in scene.features.iter().copied().chain(scene.label) {
            hit.sheet.copy(at, row, scene.past[at], template);
        }
        for (at, law) in &numbers {
            let value = hit.sheet.number(*at, row);
            if value.is_finite() {
                hit.sheet.set_number(*at, row, law.written(value + JITTER * law.spread() * draws.normal()));
            }
        }
    }
}
