//! Groups points around k centres, repeatably: k-means++ (Arthur and Vassilvitskii 2007) with several starts, Lloyd's steps, and
//! two measures of whether the groups are there at all (T1: poison that moves a segment must show in its stability).

pub mod capped;
pub(crate) mod lanes;

use rayon::prelude::*;

use crate::metrics::adjusted_rand;
use crate::rng::{Rng, derive};
use lanes::{Blocks, LANES};

/// Most steps of one start; scikit-learn's number.
const STEPS_MAX: usize = 300;
/// Centres that move less than this share of the mean variance, squared, have come to rest; scikit-learn's `tol`.
const REST: f64 = 1e-4;
/// Most points that the silhouette is measured on: it needs every pair.
pub const SILHOUETTE_ROWS_MAX: usize = 3_000;
/// Most points of one bootstrap.
pub const BOOTSTRAP_ROWS_MAX: usize = 5_000;
/// The uses of the seed.
const SEED_START: u64 = 0xC0;
const SEED_SAMPLE: u64 = 0xC1;
const SEED_BOOTSTRAP: u64 = 0xC2;

/// Points that follow each other, `columns` numbers each.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    columns: usize,
    values: Vec<f64>,
}

impl Points {
    /// Takes whole points; a broken last one is left out.
    pub fn new(mut values: Vec<f64>, columns: usize) -> Self {
        let columns = columns.max(1);
        values.truncate(values.len() / columns * columns);
        Self { columns, values }
    }

    /// How many points.
    pub fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One point; empty beyond the end.
    pub fn at(&self, point: usize) -> &[f64] {
        self.values.get(point * self.columns..(point + 1) * self.columns).unwrap_or(&[])
    }

    fn take(&self, points: &[usize]) -> Self {
        Self { columns: self.columns, values: points.iter().flat_map(|&point| self.at(point)).copied().collect() }
    }

    /// Mean of each column.
    fn means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.columns];
        for point in self.values.chunks(self.columns) {
            sums.iter_mut().zip(point).for_each(|(sum, value)| *sum += value);
        }
        sums.into_iter().map(|sum| sum / self.len().max(1) as f64).collect()
    }

    /// Mean variance of the columns.
    fn spread(&self) -> f64 {
        let means = self.means();
        let squares = |point: &[f64]| far(point, &means);
        self.values.chunks(self.columns).map(squares).sum::<f64>() / self.values.len().max(1) as f64
    }
}

/// Squared distance.
pub(crate) fn far(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| (left - right) * (left - right)).sum()
}

/// The nearest centre and its squared distance; the first of equals.
pub(crate) fn nearest(centres: &[Vec<f64>], point: &[f64]) -> (u32, f64) {
    let mut best = (0, f64::INFINITY);
    for (centre, place) in centres.iter().enumerate() {
        let distance = far(place, point);
        if distance < best.1 {
            best = (centre as u32, distance);
        }
    }
    best
}

/// The nearest centre of each point.
pub fn assign(points: &Points, centres: &[Vec<f64>]) -> Vec<u32> {
    (0..points.len()).map(|point| nearest(centres, points.at(point)).0).collect()
}

/// The best of several starts: centres and the sum of squared distances. Same result for any number of threads.
///
/// Nearest centres are found in 32 bits, sixteen points at a time, after the columns' means are taken off; sums and the result are
/// in 64 bits.
pub fn fit(points: &Points, k: usize, starts: usize, seed: u64) -> (Vec<Vec<f64>>, f64) {
    if points.is_empty() {
        return (Vec::new(), f64::INFINITY);
    }
    let rest = REST * points.spread();
    let means = points.means();
    let (values, columns) = (&points.values, points.columns);
    let blocks = Blocks::new(|point, column| (values[point * columns + column] - means[column]) as f32, points.len(), columns);
    let tried: Vec<(Vec<f64>, f64)> = (0..starts.max(1) as u64)
        .into_par_iter()
        .map(|start| {
            let mut centres = plus_plus(&blocks, k, derive(seed, SEED_START, start));
            let own = lanes::lloyd(&blocks, &mut centres, STEPS_MAX, rest);
            for centre in centres.chunks_mut(columns) {
                centre.iter_mut().zip(&means).for_each(|(value, mean)| *value += mean);
            }
            let home = |point: usize| own[point / LANES][point % LANES] as usize * columns;
            let inertia =
                (0..points.len()).map(|point| far(points.at(point), &centres[home(point)..home(point) + columns])).sum();
            (centres, inertia)
        })
        .collect();
    let (centres, inertia) = tried.into_iter().reduce(|best, next| if next.1 < best.1 { next } else { best }).unwrap_or_default();
    (centres.chunks(columns).map(<[f64]>::to_vec).collect(), inertia)
}

/// Starting centres, which follow each other: each next one drawn by squared distance from those before.
fn plus_plus(points: &Blocks, k: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    let mut last = points.at(rng.below(points.len()));
    let mut centres: Vec<f64> = last.iter().map(|&value| f64::from(value)).collect();
    let mut distance = vec![[f32::INFINITY; LANES]; points.len().div_ceil(LANES)];
    for _ in 1..k.min(points.len()) {
        points.lower(&last, &mut distance);
        let known = || distance.iter().flatten().take(points.len()).map(|&distance| f64::from(distance));
        let mut left = rng.unit() * known().sum::<f64>();
        let chosen = known().position(|distance| {
            left -= distance;
            left < 0.0
        });
        last = points.at(chosen.unwrap_or(points.len() - 1));
        centres.extend(last.iter().map(|&value| f64::from(value)));
    }
    centres
}

/// A seeded draw of distinct points, sorted; all of them where there are few.
fn sample(count: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if count > most {
        Rng::new(seed).shuffle(&mut order);
        order.truncate(most);
        order.sort_unstable();
    }
    order
}

/// Distances of a sample of points, to measure silhouettes of several partitions.
#[derive(Clone, Debug)]
pub struct Silhouettes {
    chosen: Vec<usize>,
    distances: Vec<f32>,
}

impl Silhouettes {
    /// Measures every pair of at most [`SILHOUETTE_ROWS_MAX`] points.
    pub fn new(points: &Points, seed: u64) -> Self {
        let chosen = sample(points.len(), SILHOUETTE_ROWS_MAX, derive(seed, SEED_SAMPLE, 0));
        let row =
            |&left: &usize| chosen.iter().map(|&right| far(points.at(left), points.at(right)).sqrt() as f32).collect::<Vec<_>>();
        let distances = chosen.par_iter().flat_map_iter(row).collect();
        Self { chosen, distances }
    }

    /// Mean silhouette (Rousseeuw 1987) of a partition of all points; points alone in their group count 0. `NaN` for one group.
    pub fn mean(&self, labels: &[u32]) -> f64 {
        let groups = labels.iter().max().map_or(0, |most| *most as usize + 1);
        let own: Vec<usize> = self.chosen.iter().map(|&point| labels.get(point).map_or(0, |&label| label as usize)).collect();
        let mut sizes = vec![0usize; groups];
        own.iter().for_each(|&group| sizes[group] += 1);
        if sizes.iter().filter(|&&size| size > 0).count() < 2 {
            return f64::NAN;
        }
        let count = own.len();
        let one = |point: usize| {
            let mut sums = vec![0.0f64; groups];
            for (&group, &distance) in own.iter().zip(&self.distances[point * count..(point + 1) * count]) {
                sums[group] += f64::from(distance);
            }
            let home = own[point];
            if sizes[home] < 2 {
                return 0.0;
            }
            let within = sums[home] / (sizes[home] - 1) as f64;
            let others = (0..groups).filter(|&group| group != home && sizes[group] > 0);
            let between = others.map(|group| sums[group] / sizes[group] as f64).fold(f64::INFINITY, f64::min);
            let most = within.max(between);
            if most > 0.0 { (between - within) / most } else { 0.0 }
        };
        let all: Vec<f64> = (0..count).into_par_iter().map(one).collect();
        all.iter().sum::<f64>() / count as f64
    }
}

/// How well a partition comes back from resampled points.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// Mean adjusted Rand index over the bootstraps, 1 is perfect.
    pub rand: f64,
    /// The least of them.
    pub least: f64,
    /// Per group: mean over the bootstraps of the best Jaccard overlap (Hennig 2007), below 0.6 is not to be trusted.
    pub jaccard: Vec<f64>,
}

/// Fits again on bootstraps of the points and compares how all points (at most [`BOOTSTRAP_ROWS_MAX`] of them) are grouped.
pub fn stability(points: &Points, centres: &[Vec<f64>], bootstraps: usize, starts: usize, seed: u64) -> Stability {
    if points.is_empty() || centres.is_empty() {
        return Stability { rand: f64::NAN, least: f64::NAN, jaccard: Vec::new() };
    }
    let chosen = sample(points.len(), BOOTSTRAP_ROWS_MAX, derive(seed, SEED_SAMPLE, 1));
    let base = points.take(&chosen);
    let own = assign(&base, centres);
    let one = |round: u64| {
        let mut rng = Rng::new(derive(seed, SEED_BOOTSTRAP, round));
        let drawn: Vec<usize> = (0..base.len()).map(|_| rng.below(base.len())).collect();
        let (again, _) = fit(&base.take(&drawn), centres.len(), starts, derive(seed, SEED_BOOTSTRAP, round));
        let other = assign(&base, &again);
        (adjusted_rand(&own, &other), overlaps(&own, &other, centres.len()))
    };
    let rounds: Vec<(f64, Vec<f64>)> = (0..bootstraps.max(1) as u64).into_par_iter().map(one).collect();
    let count = rounds.len() as f64;
    let jaccard = (0..centres.len()).map(|group| rounds.iter().map(|(_, overlap)| overlap[group]).sum::<f64>() / count).collect();
    let least = rounds.iter().map(|(rand, _)| *rand).fold(f64::INFINITY, f64::min);
    Stability { least, rand: rounds.iter().map(|(rand, _)| rand).sum::<f64>() / count, jaccard }
}

/// Per group of the first partition: the largest Jaccard overlap with a group of the second.
fn overlaps(own: &[u32], other: &[u32], k: usize) -> Vec<f64> {
    let mut cells = vec![vec![0usize; k]; k];
    for (&own, &other) in own.iter().zip(other) {
        cells[own as usize][other as usize] += 1;
    }
    let column = |group: usize| cells.iter().map(|row| row[group]).sum::<usize>();
    let best = |row: &Vec<usize>| {
        let size: usize = row.iter().sum();
        (0..k).map(|group| row[group] as f64 / (size + column(group) - row[group]).max(1) as f64).fold(0.0, f64::max)
    };
    cells.iter().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn blobs(rows: usize, k: usize, seed: u64) -> Points {
        let mut rng = Rng::new(seed);
        let mut values = Vec::new();
        for row in 0..rows {
            let centre = (row % k) as f64;
            values.extend([centre * 6.0 + rng.unit() + rng.unit(), (centre * 2.5).sin() * 6.0 + rng.unit() + rng.unit()]);
        }
        Points::new(values, 2)
    }

    #[test]
    fn groups_that_are_there_are_found() {
        let points = blobs(400, 4, 1);
        let (centres, inertia) = fit(&points, 4, 10, 2);
        let truth: Vec<u32> = (0..400).map(|row| row % 4).collect();
        assert_eq!(adjusted_rand(&assign(&points, &centres), &truth), 1.0);
        assert!(inertia < 400.0);
    }

    #[test]
    fn the_right_number_of_groups_has_the_best_silhouette_and_is_stable() {
        let points = blobs(400, 4, 1);
        let silhouettes = Silhouettes::new(&points, 3);
        let measured: Vec<f64> = (2..8).map(|k| silhouettes.mean(&assign(&points, &fit(&points, k, 10, 2).0))).collect();
        let best = (0..6).max_by(|&left, &right| measured[left].total_cmp(&measured[right])).unwrap();
        assert_eq!(best + 2, 4, "{measured:?}");
        let right = stability(&points, &fit(&points, 4, 10, 2).0, 10, 3, 5);
        assert!(right.rand > 0.999 && right.jaccard.iter().all(|&overlap| overlap > 0.999));
        let wrong = stability(&points, &fit(&points, 7, 10, 2).0, 10, 3, 5);
        assert!(wrong.rand < 0.95, "{wrong:?}");
    }

    #[test]
    fn the_silhouette_is_that_of_its_definition() {
        // Points 0, 1 and 5 on a line in groups a, a, b: a(0) = 1, b(0) = 5; a(1) = 1, b(1) = 4; the lone point counts 0.
        let points = Points::new(vec![0.0, 1.0, 5.0], 1);
        let found = Silhouettes::new(&points, 0).mean(&[0, 0, 1]);
        assert!((found - (0.8 + 0.75) / 3.0).abs() < 1e-12);
        assert!(Silhouettes::new(&points, 0).mean(&[0, 0, 0]).is_nan());
    }

    #[test]
    fn fewer_points_than_groups_do_no_harm() {
        let points = Points::new(vec![1.0, 2.0], 1);
        assert_eq!(fit(&points, 5, 2, 1).0.len(), 2);
        assert!(fit(&Points::new(Vec::new(), 3), 2, 2, 1).0.is_empty());
        assert!(stability(&points, &[], 2, 2, 1).rand.is_nan());
        assert!(Silhouettes::new(&points, 0).mean(&[1]).is_finite());
    }
}
