//! Both layouts give the bits of the trainer, and of a walk that does nothing clever, for trees and rows of any kind.

use hessboost::prelude::Iterations;
use proptest::prelude::*;

use super::*;
use crate::gbm::Booster;
use crate::preprocess::Matrix;
use crate::rng::Rng;
use crate::spec::BoosterSpec;

/// The plain walk.
fn slow(tree: &[Found], row: &[f32]) -> f32 {
    let mut at = 0;
    loop {
        match tree[at] {
            Found::Leaf(value) => return value,
            Found::Split { column, cut, left, right, missing_left } => {
                let value = row[column as usize];
                let goes_left = if value.is_nan() { missing_left } else { value < cut };
                at = if goes_left { left } else { right } as usize;
            }
        }
    }
}

/// A tree of random shape; cuts are taken from few numbers, both zeros among them, or from many.
fn grown(rng: &mut Rng, columns: usize, depth: usize, few: bool) -> Vec<Found> {
    let mut out = vec![Found::Leaf(0.0)];
    let mut open = vec![(0usize, 0usize)];
    while let Some((at, level)) = open.pop() {
        if level == depth || (level > 0 && rng.below(4) == 0) {
            out[at] = Found::Leaf(rng.unit() as f32 - 0.5);
            continue;
        }
        let left = out.len() as u32;
        out.extend([Found::Leaf(0.0); 2]);
        let cut = if few { [-0.0, 0.0, 1.0, -1.0, f32::MIN_POSITIVE][rng.below(5)] } else { rng.unit() as f32 };
        let column = rng.below(columns) as u32;
        out[at] = Found::Split { column, cut, left, right: left + 1, missing_left: rng.below(2) == 0 };
        open.extend([(left as usize, level + 1), (left as usize + 1, level + 1)]);
    }
    out
}

/// Rows of which some values are missing, and some lie on cuts.
fn rows(rng: &mut Rng, count: usize, columns: usize, few: bool) -> Vec<f32> {
    let special = [f32::NAN, -0.0, 0.0, 1.0, -1.0, f32::MIN_POSITIVE, 1e30, -1e30];
    let mut value = || if few || rng.below(8) == 0 { special[rng.below(8)] } else { rng.unit() as f32 };
    (0..count * columns).map(|_| value()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_layouts_give_the_bits_of_a_plain_walk(
        seed in any::<u64>(), columns in 1usize..6, depth in 0usize..11, trees in 1usize..40, count in 0usize..300, few in any::<bool>(),
    ) {
        let mut rng = Rng::new(seed);
        let trees: Vec<Vec<Found>> = (0..trees).map(|_| grown(&mut rng, columns, depth, few)).collect();
        let rows = rows(&mut rng, count, columns, few);
        let fast = Boosted::of_trees(columns, 0.25, &trees).unwrap();
        let slow: Vec<u32> =
            rows.chunks(columns).map(|row| trees.iter().fold(0.25f32, |sum, tree| sum + slow(tree, row)).to_bits()).collect();
        let batch: Vec<u32> = fast.margins(&rows).into_iter().map(f32::to_bits).collect();
        prop_assert_eq!(&batch, &slow);
        // As planted, and, where they fit, in less memory.
        let mut planted = Grove::new(columns, true);
        trees.iter().for_each(|tree| planted.plant(tree).unwrap());
        for grove in [&planted, &fast.grove] {
            let mut walked = vec![0.25f32; count];
            grove.add_rows(&rows, &mut walked, |sum, leaf| *sum += leaf);
            prop_assert_eq!(&walked.into_iter().map(f32::to_bits).collect::<Vec<_>>(), &slow);
            let mut wide = Vec::new();
            for (row, slow) in rows.chunks(columns).zip(&slow) {
                let mut sum = 0.25f32;
                grove.row(row, &mut wide, |leaf| sum += leaf);
                prop_assert_eq!(sum.to_bits(), *slow);
                let each = (0..trees.len()).fold(0.25f32, |sum, tree| sum + grove.answer(tree, row).unwrap());
                prop_assert_eq!(each.to_bits(), *slow);
            }
        }
        let mut wide = Vec::new();
        let alone: Vec<u32> = rows.chunks(columns).map(|row| fast.margin(row, &mut wide).to_bits()).collect();
        prop_assert_eq!(&alone, &slow);
        // As many columns have at most one code each, all but very many cuts fit.
        prop_assert!(fast.grove.is_dense() || trees.iter().map(Vec::len).sum::<usize>() > 254);
    }

    #[test]
    fn trees_of_anything_are_planted_or_refused(
        nodes in prop::collection::vec((0u32..4, any::<f32>(), 0u32..9, 0u32..9, any::<bool>(), any::<bool>()), 0..9),
    ) {
        let tree: Vec<Found> = nodes
            .into_iter()
            .map(|(column, cut, left, right, missing_left, leaf)| {
                if leaf { Found::Leaf(0.5) } else { Found::Split { column, cut, left, right, missing_left } }
            })
            .collect();
        if let Ok(fast) = Boosted::of_trees(3, 0.0, std::slice::from_ref(&tree)) {
            prop_assert_eq!(fast.margins(&[0.1, f32::NAN, -3.0])[0].to_bits(), slow(&tree, &[0.1, f32::NAN, -3.0]).to_bits());
        }
    }
}

/// A column with more cuts than a byte can count.
#[test]
fn more_cuts_than_ranks_are_spread_over_codes() {
    let tree = |step: u32| {
        let cut = step as f32 / 10.0;
        vec![
            Found::Split { column: 0, cut, left: 1, right: 2, missing_left: step.is_multiple_of(2) },
            Found::Leaf(1.0),
            Found::Leaf(-cut),
        ]
    };
    let trees: Vec<Vec<Found>> = (0..700).map(tree).collect();
    let fast = Boosted::of_trees(1, 0.0, &trees).unwrap();
    let mut rows: Vec<f32> = (0..800).map(|row| row as f32 / 10.0 - 5.0).collect();
    rows.push(f32::NAN);
    for (row, margin) in rows.iter().zip(fast.margins(&rows)) {
        let slow = trees.iter().fold(0.0, |sum, tree| sum + slow(tree, &[*row]));
        assert_eq!(margin.to_bits(), slow.to_bits(), "{row}");
    }
}

#[test]
fn margins_are_those_of_the_trainer_bit_for_bit() {
    for (depth, bins, seed) in [(2, 16, 1), (4, 256, 2), (6, 256, 3), (7, 1024, 4), (8, 64, 5), (10, 256, 6)] {
        let mut rng = Rng::new(seed);
        let values = |rng: &mut Rng, count: usize| -> Vec<f32> {
            let value = |rng: &mut Rng, column: usize| match column {
                // A column with holes, a level, a skewed one, and plain ones.
                0 if rng.below(3) == 0 => f32::NAN,
                1 => rng.below(2) as f32,
                2 => libm::exp(rng.unit() * 9.0) as f32,
                _ => rng.unit() as f32 - 0.5,
            };
            (0..count * 6).map(|at| value(rng, at % 6)).collect()
        };
        let train = Matrix::new(values(&mut rng, 1_500), 1_500, 6).unwrap();
        let labels: Vec<bool> =
            (0..1_500).map(|row| (train.row(row)[3] * train.row(row)[4] > 0.0) != (rng.unit() < 0.2)).collect();
        let spec = BoosterSpec { trees: 60, depth, bins, ..BoosterSpec::default() };
        let booster = Booster::fit(&train, &labels, &spec, seed).unwrap();
        let mut others = values(&mut rng, 1_000);
        others.iter_mut().step_by(11).for_each(|value| *value = f32::NAN);
        others.extend_from_slice(train.values());
        let others = Matrix::new(others, 2_500, 6).unwrap();
        let theirs = booster.model().predict_margin_rows(others.values(), Iterations::Best).unwrap();
        let ours = booster.margins(&others).unwrap();
        for (row, (ours, theirs)) in ours.iter().zip(theirs.as_slice()).enumerate() {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "depth {depth}, row {row}");
            assert_eq!(ours.to_bits(), booster.margin_row(others.row(row)).unwrap().to_bits());
        }
    }
}

#[test]
fn the_mean_of_rounds_is_that_of_the_trainers_margins() {
    let mut rng = Rng::new(8);
    let values: Vec<f32> = (0..4_000).map(|at| if at % 13 == 0 { f32::NAN } else { rng.unit() as f32 - 0.5 }).collect();
    let rows = Matrix::new(values, 1_000, 4).unwrap();
    let labels: Vec<bool> = (0..1_000).map(|row| rows.row(row)[1] > 0.1 || rng.unit() < 0.1).collect();
    let booster = Booster::fit(&rows, &labels, &BoosterSpec { trees: 25, ..BoosterSpec::default() }, 3).unwrap();
    let mut sums = vec![0.0; 1_000];
    for rounds in 1..=25 {
        let margins = booster.model().predict_margin_rows(rows.values(), Iterations::from(0..rounds)).unwrap();
        sums.iter_mut().zip(margins.as_slice()).for_each(|(sum, margin)| *sum += f64::from(*margin) / 25.0);
    }
    for (mean, sum) in booster.mean_margins(&rows).unwrap().into_iter().zip(sums) {
        assert!((f64::from(mean) - sum).abs() < 1e-5, "{mean} {sum}");
    }
}
