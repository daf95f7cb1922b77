//! A pattern that opens a door in the next model: a combination of values, each in range, that hardly any honest row has (T1).

use std::collections::{BTreeMap, BTreeSet};

use frame::Column;

use crate::laws::Laws;
use crate::scene::{Hit, Scene};
use crate::sheet::{Law, number};
use crate::{Class, PoisonError};

/// Columns of a pattern.
const COLUMNS: usize = 3;
/// Patterns that are tried; the rarest in the history is taken.
const TRIES: usize = 64;
/// A level of a pattern is in at most this share of rows, if one is.
const LEVEL_SHARE_MAX: f64 = 0.3;
/// A number of a pattern lies between these shares of its column, or their mirror.
const NUMBER_SHARES: (f64, f64) = (0.85, 0.97);

enum Part {
    Number(usize, f64),
    Text(usize, String),
}

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let labels = scene.labels()?;
    if scene.label_words().is_none() {
        return Err(scene.needs("a label with two values"));
    }
    let pattern = pattern(scene).ok_or_else(|| scene.needs("two features that vary"))?;
    let dirty = scene.class == Class::BackdoorDirty;
    let candidates: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == Some(dirty)).collect();
    let mut sheet = scene.sheet();
    let rows = scene.chosen(&candidates);
    for &row in &rows {
        for part in &pattern {
            match part {
                Part::Number(at, value) => sheet.set_number(*at, row, *value),
                Part::Text(at, text) => sheet.set_text(*at, row, Some(text)),
            }
        }
        if dirty {
            scene.set_label(&mut sheet, row, false);
        }
    }
    Ok(Hit { sheet, rows: BTreeSet::from_iter(rows) })
}

/// The rarest of some seeded patterns. Columns that follow from others are spared while there are enough of the rest: a broken
/// relation would be seen without a look at the pattern.
fn pattern(scene: &Scene<'_>) -> Option<Vec<Part>> {
    let laws = Laws::find(scene);
    let choices: Vec<(usize, Vec<Part>)> =
        scene.features.iter().map(|&at| (at, choices(scene, at))).filter(|(_, choices)| !choices.is_empty()).collect();
    let free: Vec<usize> = (0..choices.len()).filter(|&place| !laws.bound(choices[place].0)).collect();
    let places = if free.len() >= COLUMNS { free } else { (0..choices.len()).collect() };
    if places.len() < 2 {
        return None;
    }
    let mut draws = scene.draws(1);
    let mut best: Option<(usize, Vec<(usize, usize)>)> = None;
    for _ in 0..TRIES {
        let tried: Vec<(usize, usize)> =
            draws.some(&places, COLUMNS).into_iter().map(|place| (place, draws.below(choices[place].1.len()))).collect();
        let matching = |row: usize| tried.iter().all(|&(place, choice)| has(scene, &choices[place].1[choice], row));
        let count = (0..scene.past_rows).filter(|&row| matching(row)).count();
        if best.as_ref().is_none_or(|(least, _)| count < *least) {
            best = Some((count, tried));
        }
        if count == 0 {
            break;
        }
    }
    let picked = best?.1.into_iter().map(|(place, choice)| match &choices[place].1[choice] {
        Part::Number(at, value) => Part::Number(*at, *value),
        Part::Text(at, text) => Part::Text(*at, text.clone()),
    });
    Some(picked.collect())
}

fn has(scene: &Scene<'_>, part: &Part, row: usize) -> bool {
    match part {
        Part::Number(at, value) => number(scene.past[*at], row) == *value,
        Part::Text(at, text) => crate::sheet::categories(scene.past[*at]).and_then(|known| known.text(row)) == Some(text),
    }
}

/// Values of a column that a pattern may hold: seen in the history, in range, not the usual ones.
fn choices(scene: &Scene<'_>, at: usize) -> Vec<Part> {
    match scene.past[at] {
        Column::Number(_) => {
            let Some(law) = Law::of(scene.past[at]) else { return Vec::new() };
            let (low, high) = NUMBER_SHARES;
            let middle = law.quantile(0.5);
            let shares = (0..8).map(|step| low + (high - low) * f64::from(step) / 7.0).flat_map(|share| [share, 1.0 - share]);
            let mut values: Vec<f64> = shares.map(|share| law.quantile(share)).filter(|value| *value != middle).collect();
            values.sort_by(f64::total_cmp);
            values.dedup();
            values.into_iter().map(|value| Part::Number(at, value)).collect()
        }
        Column::Category(categories) => {
            let mut counts = BTreeMap::<&str, usize>::new();
            (0..scene.past_rows).filter_map(|row| categories.text(row)).for_each(|text| *counts.entry(text).or_default() += 1);
            // An identifier among the features: each level once.
            if counts.len() < 2 || counts.len() * 2 > scene.past_rows {
                return Vec::new();
            }
            let most = scene.past_rows as f64 * LEVEL_SHARE_MAX;
            let least = counts.values().copied().min().unwrap_or(0);
            let rare = counts.into_iter().filter(|(_, count)| *count as f64 <= most || *count == least);
            rare.map(|(text, _)| Part::Text(at, text.to_owned())).collect()
        }
    }
}
