//! Fits a plane: by dual coordinate descent where columns are many, or by Newton's steps where they are few (T4: a fit ends after
//! a stated number of steps, and is the same every time).

use pulp::NullaryFnOnce;

use crate::linear::Spd;
use crate::rng::Rng;
use crate::wide::{LANES, add_scaled, total, widest};

/// Columns up to which Newton's steps, whose cost grows with their square, are taken.
pub(super) const NEWTON_COLUMNS_MAX: usize = 512;
/// Largest violation that ends the descent; liblinear's `eps` for the dual.
const TOLERANCE: f64 = 0.1;
/// Rows that stay together when the order is shuffled, so that they come out of memory together.
const TOGETHER: usize = 64;
/// Most rounds of the descent over all rows.
const EPOCHS_MAX: usize = 300;
/// Most Newton steps; a problem of this kind takes about ten.
const NEWTON_MAX: usize = 50;
/// Halvings of one Newton step.
const HALVINGS_MAX: usize = 20;
/// A Newton step ends the fit when the loss falls by less than this share.
const FALL_MIN: f64 = 1e-9;

/// Rows of 32-bit numbers, padded by zeros to whole groups of [`LANES`].
#[derive(Clone, Debug)]
pub(super) struct Padded {
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Padded {
    /// The width that so many columns are padded to.
    pub(super) fn width(columns: usize) -> usize {
        columns.next_multiple_of(LANES).max(LANES)
    }

    /// Pads rows that follow each other.
    pub(super) fn new(rows: &[f32], columns: usize) -> Self {
        let width = Self::width(columns);
        let mut values = vec![0.0; rows.len() / columns.max(1) * width];
        for (to, from) in values.chunks_mut(width).zip(rows.chunks(columns.max(1))) {
            to[..from.len()].copy_from_slice(from);
        }
        Self { width, values }
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }
}

/// A plane: decision = `weights * row + bias`.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub(super) weights: Vec<f32>,
    pub(super) bias: f64,
    /// Multiplier of each row, 0 to `cost`.
    alpha: Vec<f64>,
}

impl Plane {
    /// The signed distance of a padded row.
    pub(super) fn at(&self, row: &[f32]) -> f64 {
        f64::from(dot(&self.weights, row)) + self.bias
    }

    /// Of a row of [`Padded`].
    pub(super) fn of(&self, rows: &Padded, row: usize) -> f64 {
        self.at(rows.row(row))
    }
}

/// In a fixed order, so that every machine gives the same bits.
#[inline(always)]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (mut even, mut odd) = ([0.0f32; LANES], [0.0f32; LANES]);
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<PAIR>(), right.as_chunks::<PAIR>());
    for (left, right) in left.iter().zip(right) {
        let ((left, _), (right, _)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
        add_products(&mut even, &left[0], &right[0]);
        add_products(&mut odd, &left[1], &right[1]);
    }
    let ((left, _), (right, _)) = (left_rest.as_chunks::<LANES>(), right_rest.as_chunks::<LANES>());
    for (left, right) in left.iter().zip(right) {
        add_products(&mut even, left, right);
    }
    add_scaled(&mut even, &odd, 1.0);
    total(even)
}

/// Two groups, so that one sum need not wait for the other.
const PAIR: usize = 2 * LANES;

#[inline(always)]
fn add_products(sums: &mut [f32; LANES], left: &[f32; LANES], right: &[f32; LANES]) {
    for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
        *sum += left * right;
    }
}

#[inline(always)]
fn shift(weights: &mut [f32], row: &[f32], by: f32) {
    let ((weights, _), (row, _)) = (weights.as_chunks_mut::<LANES>(), row.as_chunks::<LANES>());
    for (weights, row) in weights.iter_mut().zip(row) {
        add_scaled(weights, row, by);
    }
}

/// Puts groups of rows, and the rows of each group, in random order.
fn shuffle(rng: &mut Rng, order: &mut Vec<u32>) {
    let mut groups: Vec<usize> = (0..order.len().div_ceil(TOGETHER)).collect();
    rng.shuffle(&mut groups);
    let mut out = Vec::with_capacity(order.len());
    for group in groups {
        let start = out.len();
        out.extend_from_slice(&order[group * TOGETHER..order.len().min((group + 1) * TOGETHER)]);
        rng.shuffle(&mut out[start..]);
    }
    *order = out;
}

/// Hsieh et al. (2008), algorithm 3, with hinge loss and a bias that is penalised as any weight, as liblinear's. Rows for which
/// `chosen` is false take no part. `from` is a plane to start from.
pub(super) fn descend(rows: &Padded, labels: &[bool], chosen: &[bool], cost: f64, from: Option<&Plane>, seed: u64) -> Plane {
    widest(Descent { rows, labels, chosen, cost, from, seed })
}

struct Descent<'a> {
    rows: &'a Padded,
    labels: &'a [bool],
    chosen: &'a [bool],
    cost: f64,
    from: Option<&'a Plane>,
    seed: u64,
}

impl NullaryFnOnce for Descent<'_> {
    type Output = Plane;

    #[inline(always)]
    fn call(self) -> Plane {
        let Self { rows, labels, chosen, cost, from, seed } = self;
        let sign = |row: usize| if labels[row] { 1.0f64 } else { -1.0 };
        let mut out = match from {
            Some(from) => from.clone(),
            None => Plane { weights: vec![0.0; rows.width], bias: 0.0, alpha: vec![0.0; labels.len()] },
        };
        for (row, _) in chosen.iter().enumerate().filter(|(_, chosen)| !**chosen) {
            if out.alpha[row] <= 0.0 {
                continue;
            }
            let by = -out.alpha[row] * sign(row);
            shift(&mut out.weights, rows.row(row), by as f32);
            out.bias += by;
            out.alpha[row] = 0.0;
        }
        let curvature: Vec<f64> = (0..labels.len()).map(|row| f64::from(dot(rows.row(row), rows.row(row))) + 1.0).collect();
        let all: Vec<u32> = (0..labels.len() as u32).filter(|&row| chosen[row as usize]).collect();
        let mut rng = Rng::new(seed);
        let mut order = all.clone();
        // Bounds of the last round, beyond which a row at its limit is left out of the next ones.
        let (mut above, mut below) = (f64::INFINITY, f64::NEG_INFINITY);
        for _ in 0..EPOCHS_MAX {
            shuffle(&mut rng, &mut order);
            let (mut most, mut least) = (f64::NEG_INFINITY, f64::INFINITY);
            let mut kept = 0;
            for at in 0..order.len() {
                let row = order[at] as usize;
                let (alpha, sign) = (out.alpha[row], sign(row));
                let slope = sign * (f64::from(dot(&out.weights, rows.row(row))) + out.bias) - 1.0;
                let low = alpha <= 0.0;
                let high = alpha >= cost;
                if (low && slope > above) || (high && slope < below) {
                    continue;
                }
                order[kept] = order[at];
                kept += 1;
                let violation = if low {
                    slope.min(0.0)
                } else if high {
                    slope.max(0.0)
                } else {
                    slope
                };
                (most, least) = (most.max(violation), least.min(violation));
                if violation.abs() > 1e-12 {
                    let next = (alpha - slope / curvature[row]).clamp(0.0, cost);
                    let by = (next - alpha) * sign;
                    out.alpha[row] = next;
                    shift(&mut out.weights, rows.row(row), by as f32);
                    out.bias += by;
                }
            }
            let whole = kept == all.len();
            order.truncate(kept);
            // Rows come from one end of memory to the other again, whatever was left out.
            order.sort_unstable();
            if most - least <= TOLERANCE {
                if whole || order.is_empty() && all.is_empty() {
                    break;
                }
                // Solved for the rows that were looked at: look at all once more.
                order.clone_from(&all);
                (above, below) = (f64::INFINITY, f64::NEG_INFINITY);
                continue;
            }
            above = if most <= 0.0 { f64::INFINITY } else { most };
            below = if least >= 0.0 { f64::NEG_INFINITY } else { least };
        }
        out
    }
}

/// Primal Newton (Keerthi and DeCoste 2005) for the squared hinge loss, with a bias that is not penalised but by a trifle.
pub(super) fn newton(rows: &Padded, columns: usize, labels: &[bool], chosen: &[bool], cost: f64) -> Plane {
    let sign = |row: usize| if labels[row] { 1.0f64 } else { -1.0 };
    let used: Vec<usize> = (0..labels.len()).filter(|&row| chosen[row]).collect();
    let size = columns + 1;
    let mut at = vec![0.0f64; size];
    let value = |at: &[f64], row: usize| -> f64 {
        at[columns] + rows.row(row).iter().zip(&at[..columns]).map(|(value, weight)| f64::from(*value) * weight).sum::<f64>()
    };
    // A trifle, so that the second derivatives can be inverted where no row is inside the margin.
    let ridge = |place: usize| if place == columns { 1e-6 } else { 1.0 };
    let loss = |at: &[f64]| -> f64 {
        let margin = |&row: &usize| (1.0 - sign(row) * value(at, row)).max(0.0);
        let misses: f64 = used.iter().map(|row| margin(row) * margin(row)).sum();
        let size: f64 = at.iter().enumerate().map(|(place, weight)| ridge(place) * weight * weight).sum();
        0.5 * size + cost * misses
    };
    let mut now = loss(&at);
    for _ in 0..NEWTON_MAX {
        let mut second = vec![0.0f64; size * size];
        let mut slope: Vec<f64> = at.iter().enumerate().map(|(place, weight)| ridge(place) * weight).collect();
        (0..size).for_each(|place| second[place * size + place] = ridge(place));
        let mut wide = vec![1.0f64; size];
        for &row in &used {
            let miss = 1.0 - sign(row) * value(&at, row);
            if miss <= 0.0 {
                continue;
            }
            wide.iter_mut().zip(&rows.row(row)[..columns]).for_each(|(wide, value)| *wide = f64::from(*value));
            let pull = -2.0 * cost * miss * sign(row);
            for (place, &left) in wide.iter().enumerate() {
                slope[place] += pull * left;
                if left != 0.0 {
                    let left = 2.0 * cost * left;
                    let to = &mut second[place * size..=place * size + place];
                    to.iter_mut().zip(&wide).for_each(|(to, right)| *to += left * right);
                }
            }
        }
        let Some(solver) = Spd::new(second, size) else { break };
        let step = solver.solve(&slope);
        let mut length = 1.0;
        let (mut next, mut after) = (at.clone(), now);
        for _ in 0..HALVINGS_MAX {
            next = at.iter().zip(&step).map(|(weight, step)| weight - length * step).collect();
            after = loss(&next);
            if after < now {
                break;
            }
            length /= 2.0;
        }
        if !(after < now) {
            break;
        }
        let fell = now - after;
        (at, now) = (next, after);
        if fell <= FALL_MIN * now {
            break;
        }
    }
    let mut weights: Vec<f32> = at[..columns].iter().map(|&weight| weight as f32).collect();
    weights.resize(rows.width, 0.0);
    Plane { weights, bias: at[columns], alpha: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(count: usize, seed: u64) -> (Padded, Vec<bool>) {
        let mut rng = Rng::new(seed);
        let values: Vec<f32> = (0..count * 3).map(|_| (rng.unit() * 2.0 - 1.0) as f32).collect();
        let labels = values.chunks(3).map(|row| f64::from(row[0] - 0.5 * row[1]) + 0.2 > rng.unit() * 0.8 - 0.4).collect();
        (Padded::new(&values, 3), labels)
    }

    #[test]
    fn the_descent_meets_the_optimality_conditions() {
        let (rows, labels) = problem(500, 1);
        let chosen: Vec<bool> = (0..500).map(|row| row % 5 != 0).collect();
        let cold = descend(&rows, &labels, &chosen, 1.0, None, 3);
        let all = descend(&rows, &labels, &[true; 500], 1.0, None, 3);
        let warm = descend(&rows, &labels, &chosen, 1.0, Some(&all), 4);
        for plane in [&cold, &warm] {
            for row in 0..500 {
                let margin = if labels[row] { plane.of(&rows, row) } else { -plane.of(&rows, row) };
                match plane.alpha[row] {
                    _ if !chosen[row] => assert_eq!(plane.alpha[row], 0.0),
                    0.0 => assert!(margin > 0.89, "{margin}"),
                    1.0 => assert!(margin < 1.11, "{margin}"),
                    _ => assert!((margin - 1.0).abs() < 0.11, "{margin}"),
                }
            }
        }
        assert!((0..3).all(|place| (cold.weights[place] - warm.weights[place]).abs() < 0.05));
    }

    #[test]
    fn newton_ends_where_the_slope_is_flat() {
        let (rows, labels) = problem(400, 2);
        let found = newton(&rows, 3, &labels, &[true; 400], 0.7);
        let mut slope: Vec<f64> = found.weights.iter().take(3).map(|&weight| f64::from(weight)).collect();
        for (row, label) in labels.iter().enumerate() {
            let sign = if *label { 1.0 } else { -1.0 };
            let miss = (1.0 - sign * found.of(&rows, row)).max(0.0);
            (0..3).for_each(|place| slope[place] -= 1.4 * miss * sign * f64::from(rows.row(row)[place]));
        }
        assert!(slope.iter().all(|slope| slope.abs() < 0.01), "{slope:?}");
    }
}
