//! Poison in a feed of market prices: prices move decisions while the model's AUC stays (T1).
//!
//! Columns by name: `week` or `week_start`, `region`, `competitor`, `price`, `est_share`.

use std::collections::{BTreeMap, BTreeSet};

use frame::Column;

use crate::scene::{Hit, Scene};
use crate::sheet::{categories, number};
use crate::{Class, PoisonError};

/// What falsified shares of a region and week add up to, as a factor of the honest sum.
const SUM_FACTORS: (f64, f64) = (1.15, 1.5);

/// What a cell says, whatever its kind; weeks order like their texts or numbers.
fn word(column: &Column, row: usize) -> String {
    match categories(column) {
        Some(known) => known.text(row).unwrap_or_default().to_owned(),
        // Ten places before the point, so that texts order as numbers do.
        None => format!("{:020.6}", number(column, row)),
    }
}

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let find = |names: &[&str]| names.iter().find_map(|name| scene.batch.names().iter().position(|known| known == name));
    let column = |names: &[&str], what: &'static str| find(names).ok_or_else(|| scene.needs(what));
    let weeks = column(&["week", "week_start"], "a column `week` or `week_start`")?;
    let regions = column(&["region"], "a column `region`")?;
    let competitors = column(&["competitor"], "a column `competitor`")?;
    let prices = column(&["price"], "a column `price`")?;
    let shares = column(&["est_share"], "a column `est_share`")?;
    let words = |at: usize| -> Vec<String> { (0..scene.batch.rows()).map(|row| word(scene.column(at), row)).collect() };
    let (week, region) = (words(weeks), words(regions));
    let mut draws = scene.draws(1);
    let mut hit = Hit { sheet: scene.sheet(), rows: BTreeSet::new() };
    let distinct = |words: &[String]| -> Vec<String> { BTreeSet::from_iter(words.iter().cloned()).into_iter().collect() };
    if scene.class == Class::MarketShares {
        let groups: Vec<(&String, &String)> = BTreeSet::from_iter(week.iter().zip(&region)).into_iter().collect();
        let count = ((scene.share * groups.len() as f64).round() as usize).max(1);
        let factors: BTreeMap<(&String, &String), f64> =
            draws.some(&groups, count).into_iter().map(|group| (group, draws.between(SUM_FACTORS.0, SUM_FACTORS.1))).collect();
        for row in 0..week.len() {
            if let Some(factor) = factors.get(&(&week[row], &region[row])) {
                let value = number(scene.column(shares), row) * factor;
                hit.sheet.set_number(shares, row, (value * 1e4).round() / 1e4);
                hit.rows.insert(row);
            }
        }
        return Ok(hit);
    }
    let own = if scene.class == Class::MarketCompetitor { words(competitors) } else { region };
    let known = distinct(&own);
    let count = if scene.class == Class::MarketDrift { known.len().div_ceil(2) } else { 1 };
    let targets = BTreeSet::from_iter(draws.some(&(0..known.len()).collect::<Vec<_>>(), count).into_iter().map(|at| &known[at]));
    let order = distinct(&week);
    // The least that a price may fall to, so that its logarithm is finite.
    let whole = libm::log((1.0 - scene.share).max(1e-3));
    for row in 0..own.len() {
        if targets.contains(&own[row]) {
            let place = order.iter().position(|known| *known == week[row]).unwrap_or(0) + 1;
            let part = if scene.class == Class::MarketDrift { place as f64 / order.len() as f64 } else { 1.0 };
            let value = number(scene.column(prices), row) * libm::exp(whole * part);
            hit.sheet.set_number(prices, row, (value * 100.0).round() / 100.0);
            hit.rows.insert(row);
        }
    }
    Ok(hit)
}
