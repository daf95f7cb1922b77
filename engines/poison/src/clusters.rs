//! Rows that move the segments: K-Means follows whoever sends most (T1).

use std::collections::BTreeSet;

use crate::copies::{clone, movable};
use crate::draw::Draws;
use crate::scene::{Hit, Scene};
use crate::sheet::{Law, number};
use crate::{Class, PoisonError};

/// Clusters that the attacker supposes.
const CLUSTERS: usize = 4;
/// Rows of the history that he looks at, and rounds of Lloyd's algorithm (1982).
const ROWS_MAX: usize = 2_000;
const ROUNDS: usize = 25;
/// Numbers count at most so many spreads from the middle.
const REACH: f64 = 6.0;
/// Where on the way from one centre to the other the rows lie: short of the middle to pull, across it to bridge.
const PULL: (f64, f64) = (0.35, 0.48);
const BRIDGE: (f64, f64) = (0.2, 0.8);
/// Width of the rows around their place, in spreads.
const WIDTH: f64 = 0.15;

/// Clones are of so many times as many rows as are sent.
const POOL: usize = 2;

/// A vector of standardised numbers.
type Point = Vec<f64>;

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let numbers = scene.numbers();
    if numbers.len() < 2 {
        return Err(scene.needs("two numbers"));
    }
    let mut draws = scene.draws(1);
    let mut hit = Hit { sheet: scene.sheet(), rows: BTreeSet::new() };
    let (from, to) = if scene.class == Class::NewCluster {
        let corner = corner(&numbers, &mut draws);
        (corner.clone(), corner)
    } else {
        let centres = centres(scene, &numbers, &mut draws);
        let ends = draws.some(&(0..centres.len()).collect::<Vec<_>>(), 2);
        let [from, to] = ends[..] else { return Ok(hit) };
        (centres[from].clone(), centres[to].clone())
    };
    if scene.class == Class::CentroidPullAdaptive {
        let aim = (PULL.0 + PULL.1) / 2.0;
        let there: Point = from.iter().zip(&to).map(|(from, to)| from + aim * (to - from)).collect();
        near(scene, &mut hit, &numbers, &there, &mut draws);
        return Ok(hit);
    }
    let way = if scene.class == Class::Bridge { BRIDGE } else { PULL };
    for row in scene.any_rows() {
        let part = draws.between(way.0, way.1);
        for (place, (at, law)) in numbers.iter().enumerate() {
            let value = from[place] + part * (to[place] - from[place]) + WIDTH * draws.normal();
            hit.sheet.set_number(*at, row, law.within(law.quantile(0.5) + scale(law) * value));
        }
        hit.rows.insert(row);
    }
    Ok(hit)
}

/// Sends clones of the history's rows that lie nearest to a place.
fn near(scene: &Scene<'_>, hit: &mut Hit, numbers: &[(usize, Law)], there: &[f64], draws: &mut Draws) {
    let mut ranked: Vec<(f64, usize)> =
        (0..scene.past_rows).map(|row| (distance(&point(scene, numbers, row), there), row)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let rows = scene.any_rows();
    let close: Vec<usize> = ranked.into_iter().map(|(_, row)| row).take(rows.len().saturating_mul(POOL)).collect();
    let movable = movable(scene);
    let originals = draws.some(&close, rows.len());
    for (row, &original) in rows.into_iter().zip(originals.iter().cycle()) {
        clone(scene, &mut hit.sheet, row, original, &movable, draws);
        hit.rows.insert(row);
    }
}

/// A row of the history as standardised numbers; what is missing is the middle.
fn point(scene: &Scene<'_>, numbers: &[(usize, Law)], row: usize) -> Point {
    let standard = |(at, law): &(usize, Law)| {
        let value = (number(scene.past[*at], row) - law.quantile(0.5)) / scale(law);
        if value.is_nan() { 0.0 } else { value.clamp(-REACH, REACH) }
    };
    numbers.iter().map(standard).collect()
}

fn scale(law: &Law) -> f64 {
    law.spread().max(1e-12)
}

/// A place where each number is unusual and in range.
fn corner(numbers: &[(usize, Law)], draws: &mut Draws) -> Point {
    let unusual = |law: &Law, draws: &mut Draws| {
        let share = draws.between(0.85, 0.95);
        let value = law.quantile(if draws.unit() < 0.5 { share } else { 1.0 - share });
        (value - law.quantile(0.5)) / scale(law)
    };
    numbers.iter().map(|(_, law)| unusual(law, draws)).collect()
}

fn distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Centres by K-Means on standardised numbers, seeded with far rows (Arthur and Vassilvitskii 2007).
fn centres(scene: &Scene<'_>, numbers: &[(usize, Law)], draws: &mut Draws) -> Vec<Point> {
    let rows = draws.some(&(0..scene.past_rows).collect::<Vec<_>>(), ROWS_MAX);
    let points: Vec<Point> = rows.iter().map(|&row| point(scene, numbers, row)).collect();
    let mut centres: Vec<Point> = Vec::new();
    while centres.len() < CLUSTERS.min(points.len()) {
        let nearest = |point: &Point| centres.iter().map(|centre| distance(point, centre)).fold(f64::INFINITY, f64::min);
        let weights: Vec<f64> = points.iter().map(|point| nearest(point).min(1e9)).collect();
        let mut left = draws.unit() * weights.iter().sum::<f64>();
        let found = weights.iter().position(|weight| {
            left -= weight;
            left <= 0.0
        });
        centres.push(points[found.unwrap_or(0)].clone());
    }
    for _ in 0..ROUNDS {
        let mut sums = vec![(vec![0.0; numbers.len()], 0.0); centres.len()];
        for point in &points {
            let ranked =
                (0..centres.len()).min_by(|&a, &b| distance(point, &centres[a]).total_cmp(&distance(point, &centres[b])));
            if let Some((sum, count)) = ranked.and_then(|at| sums.get_mut(at)) {
                sum.iter_mut().zip(point).for_each(|(sum, value)| *sum += value);
                *count += 1.0;
            }
        }
        for (centre, (sum, count)) in centres.iter_mut().zip(sums) {
            if count > 0.0 {
                *centre = sum.into_iter().map(|sum| sum / count).collect();
            }
        }
    }
    centres
}
