//! The attacker who has the model (T5): moves columns just across the cuts of the trees, and all of them along the slope of the
//! support vector machine.

use learn::rng::Rng;
use learn::{ColumnKind, Ensemble};

use super::{Attacked, Oracle};
use crate::space::{Cell, Space};
use crate::trees::{EvadeError, Trees};

/// Cuts of one column that are tried in one round: the nearest on both sides, and some of the others.
const CUTS_TRIED: usize = 12;
/// Steps along the slope, as shares of what each column can be moved.
const STRIDES: [f64; 4] = [0.1, 0.3, 0.6, 1.0];
/// How far the slope is looked at, in deviations of the column.
const SLOPE_STEP: f32 = 0.05;

/// Attacks one row with so many questions to the vote; looking into the model costs none.
///
/// # Errors
/// A row or space of another width than the model.
pub fn attack(model: &Ensemble, space: &Space, row: &[Cell], budget: u64, seed: u64) -> Result<Attacked, EvadeError> {
    let mut oracle = Oracle::new(model, space, row, budget)?;
    let mut rng = Rng::new(seed);
    let trees = [Trees::from_booster(model.booster())?, Trees::from_forest(model.forest())?];
    let movable = space.movable(row);
    let mut here = row.to_vec();
    let mut progress = f64::NEG_INFINITY;
    if let Some(first) = oracle.progress(&here)? {
        progress = first;
    }
    // Downhill for as long as a round helps, then cheaper.
    while !oracle.spent() {
        let mut wishes = slope(&oracle, &here, &movable)?;
        for &column in &movable {
            wishes.extend(across(&oracle, &trees, &here, column, &mut rng));
        }
        let mut best: Option<(f64, Vec<Cell>)> = None;
        for wish in wishes {
            let wish = space.project(row, &wish);
            if wish == here {
                continue;
            }
            if let Some(seen) = oracle.progress(&wish)?
                && seen > progress
                && best.as_ref().is_none_or(|best| seen > best.0)
            {
                best = Some((seen, wish));
            }
        }
        let Some(found) = best else { break };
        (progress, here) = found;
        if oracle.best().is_some() {
            break;
        }
    }
    oracle.refine()?;
    Ok(oracle.done())
}

/// The row with one column moved across some of its cuts, or to another level.
fn across(oracle: &Oracle<'_>, trees: &[Trees], here: &[Cell], column: usize, rng: &mut Rng) -> Vec<Vec<Cell>> {
    let with = |cell: Cell| {
        let mut row = here.to_vec();
        row[column] = cell;
        row
    };
    let (space, from) = (oracle.space(), oracle.from());
    let Cell::Number(now) = here[column] else {
        return space.choices(from, column).into_iter().map(|level| with(Cell::Text(level.to_owned()))).collect();
    };
    let Some((low, high)) = space.ends(from, column) else { return Vec::new() };
    let encoded = encoded(oracle.model(), column);
    let log = matches!(oracle.model().columns()[column].kind, ColumnKind::Number { log: true });
    let mut values: Vec<f64> = trees
        .iter()
        .flat_map(|trees| trees.cuts(encoded))
        .map(|&cut| if f64::from(cut) > encode(now, log) { raw(cut, log, true) } else { raw(cut.next_down(), log, false) })
        .filter(|value| (low..=high).contains(value))
        .collect();
    values.extend([low, high].into_iter().filter(|end| end.is_finite()));
    values.sort_unstable_by(|one, two| (one - now).abs().total_cmp(&(two - now).abs()));
    values.dedup();
    // A third of the nearest, and of the others whatever chance brings.
    let near = values.len().min(CUTS_TRIED / 3);
    rng.shuffle(&mut values[near..]);
    values.truncate(CUTS_TRIED);
    values.into_iter().map(|value| with(Cell::Number(value))).collect()
}

/// The first encoded column of a raw one.
fn encoded(model: &Ensemble, column: usize) -> usize {
    let width = |kind: &ColumnKind| match kind {
        ColumnKind::Number { .. } => 1,
        ColumnKind::Category { levels } => levels.len(),
    };
    model.columns().iter().take(column).map(|column| width(&column.kind)).sum()
}

fn encode(value: f64, log: bool) -> f64 {
    if log { libm::copysign(libm::log1p(value.abs()), value) } else { value }
}

/// A raw value that is encoded as the given one, or lies next to it on the side that is asked for.
fn raw(value: f32, log: bool, up: bool) -> f64 {
    let wide = f64::from(value);
    if !log {
        return wide;
    }
    let raw = libm::copysign(libm::expm1(wide.abs()), wide);
    // Rounding on the way there and back: a few units of the 32 bits that the model reads.
    let aside = raw.abs() * 4.0 * f64::from(f32::EPSILON) * wide.abs().max(1.0);
    if up { raw + aside } else { raw - aside }
}

/// Rows along the slope of the machine's decision, towards the other answer.
fn slope(oracle: &Oracle<'_>, here: &[Cell], movable: &[usize]) -> Result<Vec<Vec<Cell>>, EvadeError> {
    let (model, space, from) = (oracle.model(), oracle.space(), oracle.from());
    let values: Vec<learn::Value<'_>> = here.iter().map(Cell::value).collect();
    let mut point = model.preprocess().encode_row(&values);
    model.preprocess().fill(&mut point);
    model.preprocess().scale(&mut point);
    let sign = if oracle.positive { -1.0 } else { 1.0 };
    let mut slopes = Vec::new();
    for &column in movable.iter().filter(|&&column| matches!(here[column], Cell::Number(_))) {
        let at = encoded(model, column);
        let mut decide = |step: f32| {
            let kept = point[at];
            point[at] = kept + step;
            let decision = model.svm().decision(&point);
            point[at] = kept;
            decision
        };
        slopes.push((column, sign * (decide(SLOPE_STEP) - decide(-SLOPE_STEP))));
    }
    let steepest = slopes.iter().map(|slope| slope.1.abs()).fold(0.0, f64::max);
    if !(steepest > 0.0) {
        return Ok(Vec::new());
    }
    let along = |stride: f64| {
        let mut row = here.to_vec();
        for &(column, slope) in &slopes {
            if let (Cell::Number(now), Some((low, high))) = (&here[column], space.proposals(from, column)) {
                let room = if slope > 0.0 { high - now } else { now - low };
                row[column] = Cell::Number(now + room * stride * slope / steepest);
            }
        }
        row
    };
    Ok(STRIDES.into_iter().map(along).collect())
}
