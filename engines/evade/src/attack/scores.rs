//! The attacker who sees scores (T5): moves random columns by random amounts, keeps what helps, begins again where nothing does.
//! Fewer columns at once as he goes, in the manner of Square (Andriushchenko and others 2020), one at a time at last, as ZOO does
//! (Chen and others 2017).

use learn::Ensemble;
use learn::rng::Rng;

use super::{Attacked, Oracle};
use crate::space::{Cell, Space};
use crate::trees::EvadeError;

/// Moves without success after which he begins again, for each movable column.
const PATIENCE: usize = 12;

/// Attacks one row with so many questions.
///
/// # Errors
/// A row or space of another width than the model.
pub fn attack(model: &Ensemble, space: &Space, row: &[Cell], budget: u64, seed: u64) -> Result<Attacked, EvadeError> {
    let mut oracle = Oracle::new(model, space, row, budget)?;
    let mut rng = Rng::new(seed);
    let movable = space.movable(row);
    if movable.is_empty() {
        return Ok(oracle.done());
    }
    'again: while !oracle.spent() && oracle.best().is_none() {
        let mut here = row.to_vec();
        let Some(mut progress) = oracle.progress(&here)? else { break };
        let (mut idle, mut together) = (0, movable.len());
        while idle < PATIENCE * movable.len() {
            let wish = space.project(row, &moved(space, row, &here, &movable, together, &mut rng));
            match oracle.progress(&wish)? {
                Some(seen) if seen > progress => {
                    (here, progress, idle) = (wish, seen, 0);
                }
                Some(_) | None => {
                    idle += 1;
                    together = (together - together.div_ceil(8).min(together - 1)).max(1);
                }
            }
            if oracle.spent() || oracle.best().is_some() {
                break 'again;
            }
        }
    }
    oracle.refine()?;
    Ok(oracle.done())
}

/// The row with so many of its columns moved at random.
pub(super) fn moved(space: &Space, from: &[Cell], here: &[Cell], movable: &[usize], together: usize, rng: &mut Rng) -> Vec<Cell> {
    let mut out = here.to_vec();
    let mut columns = movable.to_vec();
    rng.shuffle(&mut columns);
    for &column in columns.iter().take(together) {
        out[column] = anything(space, from, column, rng);
    }
    out
}

/// Any value that the column can be given; ends and the row's own a little more often.
fn anything(space: &Space, from: &[Cell], column: usize, rng: &mut Rng) -> Cell {
    if let Some((low, high)) = space.proposals(from, column) {
        return match rng.below(8) {
            0 => Cell::Number(low),
            1 => Cell::Number(high),
            2 => from[column].clone(),
            _ => Cell::Number(low + (high - low) * rng.unit()),
        };
    }
    let choices = space.choices(from, column);
    match choices.get(rng.below(choices.len() + 1)) {
        Some(level) => Cell::Text((*level).to_owned()),
        None => from[column].clone(),
    }
}
