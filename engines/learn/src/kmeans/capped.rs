//! Centres that rows of others may move, but only so far: poison that looks like customers passes every check of single rows, so
//! what all such rows together can do is bounded instead (T1; our notes on clustering poisoning).
//!
//! The proof, for one centre. Trusted rows alone, grouped until they rest, give the centre `c` of `n` rows. Rows of others take
//! part where they are at most `r` away from the nearest such centre, `r` being a quantile of the trusted rows' own distances;
//! each counts by a weight of at most 1, so chosen that all of one centre together weigh `w <= share * n`. The centre becomes
//! `(n c + sum of w_i x_i) / (n + w)`, which is `w / (n + w) * |mean of the others - c|` away from `c`. That mean lies within `r`,
//! since a ball has no hollows; and `w / (n + w)` rises with `w`. So the centre moves by at most `share / (1 + share) * r`,
//! whatever the rows of others are, and however many.

use super::{Points, far, fit, nearest};

/// How much rows of others count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    /// Most weight of all rows of others at one centre, as a share of its trusted rows; 0 to 1.
    pub share: f64,
    /// Quantile of the trusted rows' distances beyond which rows of others take no part, above 0 to 1.
    pub quantile: f64,
}

impl Default for Cap {
    /// The setting that kept 0.97 to 0.99 of the groups under poison of up to 30 % in our notes.
    fn default() -> Self {
        Self { share: 0.10, quantile: 0.95 }
    }
}

/// One centre, and what others did to it.
#[derive(Clone, Debug, PartialEq)]
pub struct CappedCentre {
    /// Where trusted rows alone put it.
    pub trusted: Vec<f64>,
    /// Where it is with the others' rows.
    pub centre: Vec<f64>,
    /// How far rows of others can move it at most, whatever they are.
    pub bound: f64,
    /// How far these rows have moved it.
    pub moved: f64,
    /// Trusted rows.
    pub rows: usize,
    /// Rows of others that took part.
    pub taken: usize,
    /// The weight of each of them.
    pub weight: f64,
}

/// Centres of trusted rows, moved by rows of others within bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Capped {
    /// One for each group of trusted rows.
    pub centres: Vec<CappedCentre>,
    /// Rows of others that were too far from every centre, or no numbers.
    pub left_out: usize,
}

/// The distance that a share of the sorted distances does not exceed.
fn at_quantile(sorted: &[f64], quantile: f64) -> f64 {
    let place = (quantile.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Groups trusted rows (`k` groups, the best of several starts) and lets rows of others, of the same columns, move the centres.
/// Same result on any number of threads, and for any order of the others' rows but for rounding.
pub fn fit_capped(trusted: &Points, others: &Points, k: usize, starts: usize, seed: u64, cap: Cap) -> Capped {
    let (centres, _) = fit(trusted, k, starts, seed);
    let share = if cap.share.is_finite() { cap.share.clamp(0.0, 1.0) } else { 0.0 };
    let mut distances: Vec<Vec<f64>> = vec![Vec::new(); centres.len()];
    for point in 0..trusted.len() {
        let (centre, squared) = nearest(&centres, trusted.at(point));
        distances[centre as usize].push(squared.sqrt());
    }
    distances.iter_mut().for_each(|distances| distances.sort_unstable_by(f64::total_cmp));
    let reach: Vec<f64> = distances.iter().map(|distances| at_quantile(distances, cap.quantile)).collect();
    let mut sums = vec![vec![0.0; trusted.columns]; centres.len()];
    let mut taken = vec![0usize; centres.len()];
    let mut left_out = 0;
    for point in 0..others.len() {
        let row = others.at(point);
        let (centre, squared) = nearest(&centres, row);
        let home = centre as usize;
        // Distances that are no numbers are not within reach.
        if row.len() != trusted.columns || home >= centres.len() || !(squared.sqrt() <= reach[home]) {
            left_out += 1;
            continue;
        }
        taken[home] += 1;
        // Differences, so that rounding does not grow with the centre's own size.
        for ((sum, value), own) in sums[home].iter_mut().zip(row).zip(&centres[home]) {
            *sum += value - own;
        }
    }
    let one = |(at, trusted): (usize, Vec<f64>)| {
        let rows = distances[at].len();
        let most = share * rows as f64;
        let weight = if taken[at] > 0 { (most / taken[at] as f64).min(1.0) } else { 0.0 };
        let all = rows as f64 + weight * taken[at] as f64;
        let centre: Vec<f64> =
            trusted.iter().zip(&sums[at]).map(|(own, sum)| if all > 0.0 { own + weight * sum / all } else { *own }).collect();
        let moved = far(&centre, &trusted).sqrt();
        CappedCentre { bound: share / (1.0 + share) * reach[at], moved, rows, taken: taken[at], weight, trusted, centre }
    };
    Capped { centres: centres.into_iter().enumerate().map(one).collect(), left_out }
}

#[cfg(test)]
mod tests {
    use super::super::tests::blobs;
    use super::*;
    use proptest::prelude::*;

    /// Trusted rows and hostile ones behind each other.
    fn both(trusted: &Points, hostile: &[f64]) -> Points {
        Points::new([&trusted.values, hostile].concat(), trusted.columns)
    }

    /// How far the nearest centre of a second fit is from each of the first.
    fn shifts(before: &[Vec<f64>], after: &[Vec<f64>]) -> Vec<f64> {
        before.iter().map(|centre| nearest(after, centre).1.sqrt()).collect()
    }

    #[test]
    fn the_worst_place_moves_a_centre_to_its_bound_and_no_further() {
        let trusted = blobs(400, 4, 1);
        let (centres, _) = fit(&trusted, 4, 10, 2);
        let cap = Cap { share: 0.25, quantile: 0.95 };
        let clean = fit_capped(&trusted, &Points::new(Vec::new(), 2), 4, 10, 2, cap);
        assert!(clean.centres.iter().all(|centre| centre.moved == 0.0 && centre.bound > 0.0));
        // As many hostile rows as trusted ones, all at the edge of what the first centre reaches, or just beyond.
        for (at, shares) in [(0.999_999, 0.99..=1.0), (1.000_001, 0.0..=0.0)] {
            let reach = clean.centres[0].bound * 1.25 / 0.25;
            let place = [centres[0][0] + reach * at, centres[0][1]];
            let hostile: Vec<f64> = std::iter::repeat_n(place, 400).flatten().collect();
            let found = fit_capped(&trusted, &Points::new(hostile.clone(), 2), 4, 10, 2, cap);
            let first = &found.centres[0];
            assert!(shares.contains(&(first.moved / first.bound)), "{first:?}");
            assert!(found.centres[1..].iter().all(|centre| centre.moved == 0.0));
            // Plain K-Means on the same rows goes further.
            let (plain, _) = fit(&both(&trusted, &hostile), 4, 10, 2);
            assert!(shifts(&centres, &plain)[0] > 1.5 * first.bound);
        }
    }

    #[test]
    fn far_rows_pull_plain_centres_away_and_capped_ones_not_at_all() {
        let trusted = blobs(400, 4, 1);
        let (centres, _) = fit(&trusted, 4, 10, 2);
        let hostile: Vec<f64> = (0..120).flat_map(|_| [60.0, -60.0]).collect();
        let found = fit_capped(&trusted, &Points::new(hostile.clone(), 2), 4, 10, 2, Cap::default());
        assert_eq!(found.left_out, 120);
        assert!(found.centres.iter().all(|centre| centre.moved == 0.0));
        let (plain, _) = fit(&both(&trusted, &hostile), 4, 10, 2);
        assert!(shifts(&centres, &plain).into_iter().fold(0.0, f64::max) > 1.0);
    }

    #[test]
    fn honest_rows_are_taken() {
        let found = fit_capped(&blobs(400, 4, 1), &blobs(40, 4, 9), 4, 10, 2, Cap { share: 0.1, quantile: 1.0 });
        assert!(found.left_out <= 4 && found.centres.iter().map(|centre| centre.taken).sum::<usize>() >= 36);
        assert!(found.centres.iter().all(|centre| centre.weight == 1.0 && centre.moved > 0.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_rows_of_any_kind_move_a_centre_beyond_its_bound(
            hostile in prop::collection::vec(prop_oneof![-15.0f64..25.0, any::<f64>(), Just(f64::NAN)], 0..300),
            share in prop_oneof![0.0f64..1.0, Just(f64::NAN), Just(7.0)],
            quantile in -0.5f64..1.5,
            k in 1usize..6,
        ) {
            let found = fit_capped(&blobs(60, 4, 1), &Points::new(hostile, 2), k, 2, 2, Cap { share, quantile });
            for centre in found.centres {
                prop_assert!(centre.moved <= centre.bound * (1.0 + 1e-9) + 1e-12, "{centre:?}");
            }
        }
    }
}
