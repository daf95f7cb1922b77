//! Certificates against the models that are served (T5): scores are theirs to the last bit, and what is called broken breaks them.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use evade::{Counts, Region, Sum, Trees, Verdict, certified, certify, certify_rows, nearest, worst};
use learn::forest::Forest;
use learn::gbm::Booster;
use learn::rng::Rng;
use learn::{BoosterSpec, ForestSpec, Matrix};

const COLUMNS: usize = 6;

/// Rows with holes, whose labels depend on some of the columns.
fn rows(count: usize, seed: u64, holes: bool) -> (Matrix, Vec<bool>) {
    let mut rng = Rng::new(seed);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let point: [f32; COLUMNS] = std::array::from_fn(|_| rng.unit() as f32);
        let odds = point[0] * point[1] * 4.0 + (point[2] - 0.5).abs() * 2.0 - point[3] - 0.8;
        labels.push((odds > 0.0) != (rng.unit() < 0.1));
        values.extend(point.map(|value| if holes && rng.unit() < 0.08 { f32::NAN } else { value }));
    }
    (Matrix::new(values, count, COLUMNS).unwrap(), labels)
}

fn booster(train: &Matrix, labels: &[bool]) -> Booster {
    Booster::fit(train, labels, &BoosterSpec { trees: 60, depth: 4, ..BoosterSpec::default() }, 1).unwrap()
}

#[test]
fn scores_are_the_served_ones_bit_for_bit() {
    let (train, labels) = rows(800, 1, true);
    let (test, _) = rows(300, 2, true);
    let booster = booster(&train, &labels);
    let trees = Trees::from_booster(&booster).unwrap();
    let margins = booster.margins(&test).unwrap();
    assert!((0..300).all(|row| trees.score(test.row(row)).to_bits() == f64::from(margins[row]).to_bits()));
    let (train, labels) = rows(800, 1, false);
    let forest = Forest::fit(&train, &labels, &ForestSpec { trees: 40, ..ForestSpec::default() }, 1).unwrap();
    let trees = Trees::from_forest(&forest).unwrap();
    assert_eq!((trees.sum(), trees.trees()), (Sum::Mean, 40));
    assert!((0..300).all(|row| trees.score(test.row(row)).to_bits() == forest.chance(test.row(row)).to_bits()));
}

#[test]
fn what_is_broken_breaks_the_booster_and_what_is_robust_withstands() {
    let (train, labels) = rows(1_000, 1, true);
    let (test, truth) = rows(150, 2, true);
    let booster = booster(&train, &labels);
    let trees = Trees::from_booster(&booster).unwrap();
    let scales = [1.0, 1.0, 1.0, 1.0, 0.5, 0.0];
    let mut rng = Rng::new(9);
    let mut shares = Vec::new();
    for radius in [0.0, 0.02, 0.1] {
        let all = certify_rows(&trees, &test, &scales, radius, 0.0, Counts::default()).unwrap();
        for (row, seen) in all.iter().enumerate() {
            let region = Region::around(test.row(row), &scales, radius).unwrap();
            let positive = |row: &[f32]| booster.margins(&Matrix::new(row.to_vec(), 1, COLUMNS).unwrap()).unwrap()[0] >= 0.0;
            assert_eq!(positive(test.row(row)), seen.positive);
            match &seen.verdict {
                Verdict::Broken { row, .. } => assert!(region.contains(row) && positive(row) != seen.positive),
                Verdict::Robust { .. } => {
                    for _ in 0..40 {
                        let moved: Vec<f32> = (0..COLUMNS)
                            .map(|column| {
                                let (low, high) = region.interval(column);
                                if rng.below(2) == 0 { low } else { low + (high - low) * rng.unit() as f32 }
                            })
                            .collect();
                        assert_eq!(positive(&moved), seen.positive);
                    }
                }
                Verdict::Unknown { .. } => panic!("row {row} was not decided"),
            }
        }
        let summary = certified(&all, &truth).unwrap();
        assert!(radius > 0.0 || summary.certified_accuracy == summary.accuracy);
        shares.push(summary.balanced_certified_accuracy);
    }
    assert!(shares[0] > 0.75 && shares[0] > shares[1] && shares[1] > shares[2], "{shares:?}");
}

#[test]
fn forests_are_certified_too() {
    let (train, labels) = rows(800, 1, false);
    let (test, _) = rows(60, 2, false);
    let forest = Forest::fit(&train, &labels, &ForestSpec { trees: 50, ..ForestSpec::default() }, 1).unwrap();
    let trees = Trees::from_forest(&forest).unwrap();
    let all = certify_rows(&trees, &test, &[1.0; COLUMNS], 0.01, 0.5, Counts::default()).unwrap();
    let mut kinds = [0; 2];
    for seen in &all {
        match &seen.verdict {
            Verdict::Broken { row, score } => {
                kinds[0] += 1;
                assert_eq!(forest.chance(row), *score);
                assert_ne!(*score >= 0.5, seen.positive);
            }
            Verdict::Robust { .. } => kinds[1] += 1,
            Verdict::Unknown { .. } => panic!("a row was not decided"),
        }
    }
    assert!(kinds[0] > 0 && kinds[1] > 20, "{kinds:?}");
}

#[test]
fn a_certificate_does_not_depend_on_the_number_of_threads() {
    let (train, labels) = rows(600, 1, true);
    let trees = Trees::from_booster(&booster(&train, &labels)).unwrap();
    let (test, _) = rows(40, 2, true);
    let alone = |row: usize| {
        let region = Region::around(test.row(row), &[1.0; COLUMNS], 0.1).unwrap();
        certify(&trees, test.row(row), &region, 0.0, Counts::default()).unwrap()
    };
    let all = certify_rows(&trees, &test, &[1.0; COLUMNS], 0.1, 0.0, Counts::default()).unwrap();
    // As texts: rows with missing values differ from themselves.
    assert_eq!(format!("{all:?}"), format!("{:?}", (0..40).map(alone).collect::<Vec<_>>()));
}

#[test]
fn the_nearest_flip_and_the_worst_score_agree_with_certificates() {
    let (train, labels) = rows(600, 1, true);
    let trees = Trees::from_booster(&booster(&train, &labels)).unwrap();
    let (test, _) = rows(25, 2, true);
    for row in 0..25 {
        let row = test.row(row);
        let seen = nearest(&trees, row, &[1.0; COLUMNS], 0.3, 0.0, Counts::default()).unwrap();
        assert!(seen.exact);
        let verdict = |radius| {
            let region = Region::around(row, &[1.0; COLUMNS], radius).unwrap();
            let far = worst(&trees, row, &region, trees.score(row) < 0.0, Counts::default()).unwrap();
            let certificate = certify(&trees, row, &region, 0.0, Counts::default()).unwrap();
            let broken = matches!(certificate.verdict, Verdict::Broken { .. });
            assert_eq!(broken, (far.score >= 0.0) != certificate.positive);
            broken
        };
        assert!(!verdict(seen.robust));
        if let Some((radius, found, score)) = seen.broken {
            assert!(verdict(radius) && trees.score(&found) == score);
        }
    }
}
