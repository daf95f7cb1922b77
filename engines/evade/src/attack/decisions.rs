//! The attacker who sees answers alone (T5): from a row of the other class, as far as the space lets him go there, back to the boundary
//! by halving, then along it where it comes nearer, by the slope that random steps show (HopSkipJump, Chen, Jordan and Wainwright
//! 2020).

use learn::Ensemble;
use learn::rng::Rng;

use super::scores::moved;
use super::{Attacked, Oracle};
use crate::space::{Cell, Space};
use crate::trees::EvadeError;

/// Rows of his own that he starts from, at most.
const STARTS: usize = 20;
/// Random rows that he tries where none of his own gets the other answer.
const RANDOM_STARTS: usize = 60;
/// Halvings between the row and one of the other class.
const HALVINGS: usize = 14;
/// Random steps of the first round; more in later ones, by the root of their number.
const PROBES: usize = 16;
/// How long random steps are, as shares of what a column can be moved.
const PROBE_LENGTH: f64 = 0.05;

/// Attacks one row with so many questions. `known`: rows that the attacker has; those of the other class are of use.
///
/// # Errors
/// A row or space of another width than the model.
pub fn attack(
    model: &Ensemble,
    space: &Space,
    row: &[Cell],
    known: &[Vec<Cell>],
    budget: u64,
    seed: u64,
) -> Result<Attacked, EvadeError> {
    let mut oracle = Oracle::new(model, space, row, budget)?;
    let mut rng = Rng::new(seed);
    let movable = space.movable(row);
    if movable.is_empty() {
        return Ok(oracle.done());
    }
    let Some(start) = start(&mut oracle, known, &movable, &mut rng)? else { return Ok(oracle.done()) };
    let mut here = back(&mut oracle, &start)?;
    let mut round = 1;
    while !oracle.spent() {
        let before = space.cost(row, &here);
        let slope = slope(&mut oracle, &here, &movable, round, &mut rng)?;
        if let Some(next) = stride(&mut oracle, &here, &slope, round)? {
            let next = back(&mut oracle, &next)?;
            if space.cost(row, &next) <= before {
                here = next;
            }
        }
        round += 1;
        if round > ROUNDS_MAX {
            break;
        }
    }
    oracle.refine()?;
    Ok(oracle.done())
}

/// Rounds along the boundary.
const ROUNDS_MAX: usize = 12;

/// A row that gets the other answer: one of his own, as near as the space lets him come, or a random one.
fn start(
    oracle: &mut Oracle<'_>,
    known: &[Vec<Cell>],
    movable: &[usize],
    rng: &mut Rng,
) -> Result<Option<Vec<Cell>>, EvadeError> {
    let (space, from) = (oracle.space(), oracle.from());
    for _ in 0..STARTS.min(known.len()) {
        let wish = space.project(from, &known[rng.below(known.len())]);
        if oracle.flips(&wish)? {
            return Ok(Some(wish));
        }
    }
    for _ in 0..RANDOM_STARTS {
        let wish = space.project(from, &moved(space, from, from, movable, 1 + rng.below(movable.len()), rng));
        if oracle.flips(&wish)? {
            return Ok(Some(wish));
        }
    }
    Ok(None)
}

/// The last row with the other answer on the straight way back; levels go back first, one by one.
fn back(oracle: &mut Oracle<'_>, start: &[Cell]) -> Result<Vec<Cell>, EvadeError> {
    let (space, from) = (oracle.space(), oracle.from());
    let mut here = start.to_vec();
    for column in 0..here.len() {
        if matches!(here[column], Cell::Text(_)) && here[column] != from[column] {
            let mut wish = here.clone();
            wish[column] = from[column].clone();
            let wish = space.project(from, &wish);
            if oracle.flips(&wish)? {
                here = wish;
            }
        }
    }
    let far = here.clone();
    let (mut outside, mut inside) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(outside, inside);
        let wish = space.project(from, &between(from, &far, middle));
        if wish == here || oracle.spent() {
            break;
        }
        if oracle.flips(&wish)? {
            inside = middle;
            here = wish;
        } else {
            outside = middle;
        }
    }
    Ok(here)
}

/// So much of the way from one row to the other; levels are the other's.
fn between(from: &[Cell], to: &[Cell], share: f64) -> Vec<Cell> {
    let one = |(from, to): (&Cell, &Cell)| match (from, to) {
        (Cell::Number(from), Cell::Number(to)) => Cell::Number(from + (to - from) * share),
        (_, to) => to.clone(),
    };
    from.iter().zip(to).map(one).collect()
}

/// Which way each number leads further into the other class, by random steps whose answers are counted.
fn slope(
    oracle: &mut Oracle<'_>,
    here: &[Cell],
    movable: &[usize],
    round: usize,
    rng: &mut Rng,
) -> Result<Vec<(usize, f64)>, EvadeError> {
    let (space, from) = (oracle.space(), oracle.from());
    let room = |&column: &usize| space.proposals(from, column).map(|(low, high)| (column, high - low));
    let rooms: Vec<(usize, f64)> = movable.iter().filter_map(room).collect();
    let probes = (PROBES as f64 * (round as f64).sqrt()) as usize;
    let (mut steps, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..probes {
        let step: Vec<f64> = rooms.iter().map(|_| rng.unit() * 2.0 - 1.0).collect();
        let mut wish = here.to_vec();
        for (&(column, room), step) in rooms.iter().zip(&step) {
            if let Cell::Number(value) = &mut wish[column] {
                *value += step * room * PROBE_LENGTH;
            }
        }
        let wish = space.project(from, &wish);
        answers.push(if oracle.flips(&wish)? { 1.0 } else { -1.0 });
        steps.push(step);
    }
    // Less the mean answer, as HopSkipJump does: the boundary is seldom in the middle.
    let mean = answers.iter().sum::<f64>() / probes.max(1) as f64;
    let towards = |at: usize| steps.iter().zip(&answers).map(|(step, answer)| step[at] * (answer - mean)).sum::<f64>();
    Ok(rooms.iter().enumerate().map(|(at, &(column, room))| (column, towards(at) * room)).collect())
}

/// A step along the slope that still gets the other answer, shorter and shorter; `None` where there is none.
fn stride(oracle: &mut Oracle<'_>, here: &[Cell], slope: &[(usize, f64)], round: usize) -> Result<Option<Vec<Cell>>, EvadeError> {
    let (space, from) = (oracle.space(), oracle.from());
    let size = slope.iter().map(|slope| slope.1.abs()).fold(0.0, f64::max);
    if !(size > 0.0) {
        return Ok(None);
    }
    let widest =
        slope.iter().filter_map(|&(column, _)| space.proposals(from, column)).map(|(low, high)| high - low).fold(0.0, f64::max);
    let mut length = widest / (round as f64).sqrt() / 2.0;
    for _ in 0..HALVINGS / 2 {
        let mut wish = here.to_vec();
        for &(column, slope) in slope {
            if let Cell::Number(value) = &mut wish[column] {
                *value += slope / size * length;
            }
        }
        let wish = space.project(from, &wish);
        if wish != here && oracle.flips(&wish)? {
            return Ok(Some(wish));
        }
        length /= 2.0;
    }
    Ok(None)
}
