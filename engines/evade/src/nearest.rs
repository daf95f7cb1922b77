//! The least effort after which the answer changes (T5): an attacker pays for distance, so the distance is the price of an evasion.

use serde::Serialize;

use crate::certify::{Counts, Verdict, certify};
use crate::region::{Region, distance};
use crate::trees::{EvadeError, Trees};

/// How far a row is from another answer. Radii as of [`Region::around`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nearest {
    /// Up to this radius no row gets another answer.
    pub robust: f64,
    /// The least radius at which one was found, with the row and its score; `None`: not up to the radius that was asked for.
    pub broken: Option<(f64, Vec<f32>, f64)>,
    /// Whether nothing lies between the two: false if a budget was used up.
    pub exact: bool,
}

/// The least radius, up to `most`, at which the answer changes. Answers only change at cuts of the trees, so the radii at which a
/// cut comes within reach are all that need be tried, by halving.
///
/// # Errors
/// As [`certify`] and [`Region::around`].
pub fn nearest(
    trees: &Trees,
    row: &[f32],
    scales: &[f64],
    most: f64,
    threshold: f64,
    counts: Counts,
) -> Result<Nearest, EvadeError> {
    Region::around(row, scales, most)?;
    let radii = radii(trees, row, scales, most);
    // Before `low` all are robust; from `high` on all are broken.
    let (mut low, mut high, mut exact) = (0, radii.len(), true);
    let mut broken = None;
    let mut unknown = radii.len();
    while low < high.min(unknown) {
        // Once from the far end, so that a row that cannot be moved costs one certificate.
        let at = if broken.is_none() && unknown == radii.len() { radii.len() - 1 } else { low.midpoint(high.min(unknown) - 1) };
        let certificate = certify(trees, row, &Region::around(row, scales, radii[at])?, threshold, counts)?;
        match certificate.verdict {
            Verdict::Robust { .. } => low = at + 1,
            Verdict::Broken { row: found, score } => {
                let far = reach(row, &found, scales);
                high = radii.partition_point(|&radius| radius < far).min(at);
                broken = Some((radii[high], found, score));
            }
            Verdict::Unknown { .. } => {
                exact = false;
                unknown = at;
            }
        }
    }
    // A radius that is not decided leaves a gap; below it everything is.
    let robust = if low == radii.len() { most } else { radii[low].next_down().max(0.0) };
    Ok(Nearest { robust, broken, exact: exact && low == high })
}

/// The largest distance of any column.
fn reach(from: &[f32], to: &[f32], scales: &[f64]) -> f64 {
    from.iter()
        .zip(to)
        .zip(scales)
        .map(|((&from, &to), &scale)| if from.is_nan() { 0.0 } else { distance(from, to, scale) })
        .fold(0.0, f64::max)
}

/// Radii up to `most` at which a cut comes within reach, ascending.
fn radii(trees: &Trees, row: &[f32], scales: &[f64], most: f64) -> Vec<f64> {
    let mut radii = Vec::new();
    for (column, (&value, &scale)) in
        row.iter().zip(scales).enumerate().filter(|(_, (value, scale))| !value.is_nan() && **scale > 0.0)
    {
        let to = |&cut: &f32| if value < cut { cut } else { cut.next_down() };
        radii.extend(trees.cuts(column).iter().map(to).map(|to| distance(value, to, scale)).filter(|&far| far <= most));
    }
    radii.sort_unstable_by(f64::total_cmp);
    radii.dedup();
    radii
}
