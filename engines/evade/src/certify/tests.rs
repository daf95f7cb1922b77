//! Holds certificates against every cell of small regions (T5): a proof that one row contradicts is worse than none.

use super::*;
use crate::nearest::nearest;
use crate::region::distance;
use crate::trees::{Node, Sum, cell};
use learn::rng::Rng;
use proptest::prelude::*;

/// A tree of random splits at cuts that are multiples of 1/8, leaves of very different sizes.
fn tree(rng: &mut Rng, columns: usize, depth: usize) -> Vec<Node> {
    fn grow(rng: &mut Rng, columns: usize, depth: usize, out: &mut Vec<Node>) -> u32 {
        let here = out.len();
        out.push(Node::Leaf(0.0));
        if depth == 0 || rng.below(6) == 0 {
            let size = [1.0, 0.1, 1e-6, 30.0][rng.below(4)];
            let value = if rng.below(8) == 0 { 0.25 } else { (rng.unit() as f32 - 0.5) * size };
            out[here] = Node::Leaf(value);
        } else {
            let (column, cut) = (rng.below(columns) as u32, rng.below(17) as f32 / 8.0 - 1.0);
            let left = grow(rng, columns, depth - 1, out);
            let right = grow(rng, columns, depth - 1, out);
            out[here] = Node::Split { column, cut, left, right, missing_left: rng.below(2) == 0 };
        }
        here as u32
    }
    let mut out = Vec::new();
    grow(rng, columns, depth, &mut out);
    out
}

struct Case {
    trees: Trees,
    row: Vec<f32>,
    scales: Vec<f64>,
    radius: f64,
    threshold: f64,
}

fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let columns = 1 + rng.below(4);
    let sum = if rng.below(3) == 0 { Sum::Mean } else { Sum::Margin };
    let count = 1 + rng.below(9);
    let depth = 1 + rng.below(4);
    let all: Vec<Vec<Node>> = (0..count).map(|_| tree(&mut rng, columns, depth)).collect();
    let trees = Trees::new(columns, if sum == Sum::Mean { 0.0 } else { rng.unit() as f32 }, sum, &all).unwrap();
    let row: Vec<f32> =
        (0..columns).map(|_| if rng.below(6) == 0 { f32::NAN } else { rng.below(33) as f32 / 16.0 - 1.0 }).collect();
    let scales = (0..columns).map(|_| [0.0, 1.0, 1.0, 0.5][rng.below(4)]).collect();
    let radius = rng.below(9) as f64 / 8.0;
    let mut out = Case { trees, row, scales, radius, threshold: 0.0 };
    // Often exactly a score of the region, where rounding decides.
    let scores = out.scores();
    out.threshold = if rng.below(3) == 0 { 0.25 } else { scores[rng.below(scores.len())] };
    out
}

impl Case {
    fn region(&self) -> Region {
        Region::around(&self.row, &self.scales, self.radius).unwrap()
    }

    /// Scores of all cells of the region.
    fn scores(&self) -> Vec<f64> {
        let region = self.region();
        let values: Vec<Vec<f32>> = (0..self.row.len())
            .map(|column| {
                let (low, high) = region.interval(column);
                let inside = self.trees.cuts(column).iter().copied().filter(|&cut| low < cut && cut <= high);
                std::iter::once(low).chain(inside).collect()
            })
            .collect();
        let mut scores = Vec::new();
        let mut at = vec![0; values.len()];
        loop {
            let point: Vec<f32> = at.iter().zip(&values).map(|(&at, values)| values[at]).collect();
            scores.push(self.trees.score(&point));
            let Some(next) = (0..at.len()).find(|&column| at[column] + 1 < values[column].len()) else { return scores };
            at[next] += 1;
            at[..next].fill(0);
        }
    }

    fn certificate(&self) -> Certificate {
        certify(&self.trees, &self.row, &self.region(), self.threshold, Counts::default()).unwrap()
    }

    /// Every cell agrees with the certificate.
    fn check(&self) {
        let (certificate, scores, region) = (self.certificate(), self.scores(), self.region());
        let flips = scores.iter().any(|&score| (score >= self.threshold) != certificate.positive);
        match &certificate.verdict {
            Verdict::Robust { bound } => {
                assert!(!flips);
                let beyond = |score: f64| if certificate.positive { score < *bound } else { score > *bound };
                assert!(!scores.iter().any(|&score| beyond(score)), "{bound}");
                assert_eq!(certificate.positive, *bound >= self.threshold);
            }
            Verdict::Broken { row, score } => {
                assert!(flips && region.contains(row));
                assert_eq!(self.trees.score(row), *score);
                assert_ne!(*score >= self.threshold, certificate.positive);
            }
            Verdict::Unknown { .. } => panic!("a small case was not decided"),
        }
    }

    fn check_worst(&self) {
        let (scores, region) = (self.scores(), self.region());
        let size: f64 = 40.0 * self.trees.trees() as f64;
        for upwards in [true, false] {
            let seen = worst(&self.trees, &self.row, &region, upwards, Counts::default()).unwrap();
            let true_one = if upwards { f64::max } else { f64::min };
            let truth = scores.iter().copied().fold(self.trees.score(&self.row), true_one);
            assert!(region.contains(&seen.row) && !seen.cut_short);
            assert_eq!(self.trees.score(&seen.row), seen.score);
            assert!(if upwards { truth <= seen.bound } else { truth >= seen.bound }, "{truth} {}", seen.bound);
            assert!((truth - seen.score).abs() <= size * 1e-6 && (seen.bound - seen.score).abs() <= size * 1e-6);
        }
    }

    fn check_nearest(&self) {
        let seen = nearest(&self.trees, &self.row, &self.scales, 1.0, self.threshold, Counts::default()).unwrap();
        assert!(seen.exact);
        let at = |radius| Self { trees: self.trees.clone(), row: self.row.clone(), scales: self.scales.clone(), radius, ..*self };
        assert!(matches!(at(seen.robust).certificate().verdict, Verdict::Robust { .. }));
        match seen.broken {
            None => assert_eq!(seen.robust, 1.0),
            Some((radius, row, score)) => {
                assert_eq!(seen.robust, radius.next_down().max(0.0));
                assert!(at(radius).region().contains(&row));
                assert_eq!(self.trees.score(&row), score);
                let far = |(column, &to): (usize, &f32)| distance(self.row[column], to, self.scales[column]);
                let moved = row.iter().enumerate().filter(|(column, to)| **to != self.row[*column] && !to.is_nan());
                assert!(moved.map(far).all(|far| far <= radius));
                at(radius).check();
            }
        }
    }
}

#[test]
fn no_cell_contradicts_a_certificate() {
    (0..3_000).for_each(|seed| case(seed).check());
}

#[test]
fn worst_scores_are_those_of_the_worst_cell() {
    (0..1_000).for_each(|seed| case(seed).check_worst());
}

#[test]
fn the_nearest_flip_is_the_nearest() {
    (0..600).for_each(|seed| case(seed).check_nearest());
}

#[test]
fn no_radius_is_always_robust() {
    for seed in 0..300 {
        let seen = Case { radius: 0.0, ..case(seed) }.certificate();
        assert_eq!(seen.verdict, Verdict::Robust { bound: seen.score });
    }
}

#[test]
fn bounds_grow_with_the_radius() {
    for seed in 0..200 {
        let mut before = f64::NEG_INFINITY;
        let mut broken = false;
        for eighths in 0..9 {
            let case = Case { radius: f64::from(eighths) / 8.0, ..case(seed) };
            let bound = worst(&case.trees, &case.row, &case.region(), true, Counts::default()).unwrap().bound;
            assert!(bound >= before - 1e-4, "{bound} after {before}");
            before = bound;
            let now = matches!(case.certificate().verdict, Verdict::Broken { .. });
            assert!(now || !broken);
            broken = now;
        }
    }
}

#[test]
fn a_budget_ends_the_search_with_a_bound() {
    let mut cut = 0;
    for seed in 0..400 {
        let case = case(seed);
        let seen = certify(&case.trees, &case.row, &case.region(), case.threshold, Counts { steps: 0 }).unwrap();
        if let Verdict::Unknown { bound, found } = seen.verdict {
            cut += 1;
            let beyond = |score: f64| if seen.positive { score < bound } else { score > bound };
            assert!(!case.scores().into_iter().any(beyond));
            assert!(!beyond(found));
        }
    }
    assert!(cut > 100);
}

#[test]
fn wrong_shapes_are_refused() {
    let case = case(1);
    let region = case.region();
    assert!(certify(&case.trees, &[], &region, 0.0, Counts::default()).is_err());
    assert!(certify(&case.trees, &case.row, &region, f64::NAN, Counts::default()).is_err());
    let other = Region::new(vec![9.0; case.row.len()], vec![9.0; case.row.len()]).unwrap();
    assert!(certify(&case.trees, &case.row, &other, 0.0, Counts::default()).is_err());
    assert!(Trees::new(1, 0.0, Sum::Margin, &[]).is_err());
    let split = |left, right| Node::Split { column: 0, cut: 0.0, left, right, missing_left: true };
    let leaf = Node::Leaf(1.0);
    assert!(Trees::new(1, 0.0, Sum::Margin, &[vec![split(1, 2), leaf, leaf]]).is_ok());
    assert!(Trees::new(1, 0.0, Sum::Margin, &[vec![split(0, 1), leaf, leaf]]).is_err());
    assert!(Trees::new(1, 0.0, Sum::Margin, &[vec![split(1, 3), leaf, leaf]]).is_err());
    assert!(Trees::new(0, 0.0, Sum::Margin, &[vec![split(1, 2), leaf, leaf]]).is_err());
    assert!(Trees::new(1, 0.0, Sum::Margin, &[vec![Node::Leaf(f32::NAN)]]).is_err());
}

#[test]
fn cells_count_the_cuts_below() {
    assert_eq!([-1.0, 0.0, 0.5, 1.0, 2.0].map(|value| cell(&[0.0, 1.0], value)), [0, 1, 1, 2, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn certificates_hold_for_any_trees(seed: u64) {
        let case = case(seed);
        case.check();
        case.check_worst();
    }
}
