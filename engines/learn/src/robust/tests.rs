//! What an outsider can do is reckoned with as said, and the booster that comes out answers as it was trained (T5).

use super::outsider::{Moved, leaf};
use super::*;

/// Rows whose label hangs on a narrow gap in column 0 (95 in 100), on a wide one in column 1 (85 in 100), and on a flag; with holes.
pub(super) fn sample(rows: usize, seed: u64) -> (Matrix, Vec<bool>) {
    let mut rng = Rng::new(seed);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let label = rng.unit() < 0.4;
        let side = |rng: &mut Rng, sure: f64| if (rng.unit() < sure) == label { 1.0f32 } else { -1.0 };
        let narrow = side(&mut rng, 0.95) * (0.01 + rng.unit() as f32 * 0.05);
        let wide = side(&mut rng, 0.85) * (0.6 + rng.unit() as f32 * 0.4);
        let flag = f32::from(u8::from(rng.unit() < if label { 0.6 } else { 0.4 }));
        let hole = rng.unit() < if label { 0.2 } else { 0.02 };
        values.extend([narrow, wide, flag, if hole { f32::NAN } else { rng.unit() as f32 }]);
        labels.push(label);
    }
    (Matrix::new(values, rows, 4).unwrap(), labels)
}

fn spec(trees: u32) -> BoosterSpec {
    BoosterSpec { trees, depth: 3, learning_rate: 0.2, ..BoosterSpec::default() }
}

pub(super) fn reach() -> Vec<Option<Reach>> {
    vec![Some(Reach::both(0.2, false)), Some(Reach::both(0.2, false)), None, Some(Reach::both(0.05, false))]
}

fn terms<'a>(reach: &'a [Option<Reach>], spec: &'a BoosterSpec, robust: &'a RobustSpec) -> Terms<'a> {
    Terms { reach, spec, robust, seed: 5 }
}

fn all(values: &Matrix, labels: &[bool]) -> Rows {
    let count = labels.len();
    Rows { values: values.clone(), labels: labels.to_vec(), weights: vec![1.0; count], shares: vec![1.0; count] }
}

fn trained_on(
    rows: &Matrix,
    labels: &[bool],
    weights: Option<&[f64]>,
    reach: &[Option<Reach>],
    spec: BoosterSpec,
    robust: RobustSpec,
    seed: u64,
) -> Result<Booster, LearnError> {
    let aids = Aids { weights, reach, ..Aids::default() };
    Booster::fit_with(rows, labels, &aids, &BoosterSpec { robust: Some(robust), ..spec }, seed)
}

/// The mean over classes of rows that are right at every corner and many points of their box.
fn withstood(booster: &Booster, rows: &Matrix, labels: &[bool], reach: &[Option<Reach>]) -> f64 {
    let mut rng = Rng::new(9);
    let mut right = vec![true; labels.len()];
    for _ in 0..60 {
        let mut values = rows.values().to_vec();
        for (at, value) in values.iter_mut().enumerate() {
            if let Some(reach) = &reach[at % rows.columns()] {
                let (low, high) = reach.bounds(*value, 1.0);
                *value = match rng.below(4) {
                    0 => low,
                    1 => high,
                    _ => low + (high - low) * rng.unit() as f32,
                };
            }
        }
        let margins = booster.margins(&Matrix::new(values, rows.rows(), rows.columns()).unwrap()).unwrap();
        right.iter_mut().zip(margins).zip(labels).for_each(|((right, margin), label)| *right &= (margin >= 0.0) == *label);
    }
    let rate = |class: bool| {
        let of: Vec<bool> = right.iter().zip(labels).filter(|(_, label)| **label == class).map(|(right, _)| *right).collect();
        of.iter().filter(|right| **right).count() as f64 / of.len() as f64
    };
    (rate(true) + rate(false)) / 2.0
}

#[test]
fn the_written_booster_answers_as_the_trained_trees_bit_for_bit() {
    let ((rows, labels), reach, robust) = (sample(600, 1), reach(), RobustSpec::default());
    let (trees, table) = boost(&all(&rows, &labels), terms(&reach, &spec(25), &robust));
    let booster = written(&trees, &table, 4).unwrap();
    let margins = booster.margins(&rows).unwrap();
    for (place, margin) in table.grid().chunks(4).zip(&margins) {
        assert_eq!(trees.iter().fold(0.0f32, |sum, tree| sum + leaf(tree, place)).to_bits(), margin.to_bits());
    }
    assert!(margins.iter().any(|margin| *margin > 0.5) && margins.iter().any(|margin| *margin < -0.5));
    let back = Booster::from_json(booster.to_json(), 4).unwrap();
    assert_eq!(back.margins(&rows).unwrap(), margins);
}

#[test]
fn a_booster_that_reckons_with_an_outsider_leans_on_what_he_cannot_reach() {
    let ((rows, labels), (test, truth), reach) = (sample(2_000, 1), sample(1_000, 2), reach());
    let trained =
        |robust: RobustSpec, reach: &[Option<Reach>]| trained_on(&rows, &labels, None, reach, spec(30), robust, 1).unwrap();
    let plain = trained(RobustSpec::default(), &[None; 4]);
    let robust = trained(RobustSpec { clean: 0.0, ..RobustSpec::default() }, &reach);
    let both = trained(RobustSpec { clean: 0.0, augment: 2, ..RobustSpec::default() }, &reach);
    let [plain, robust, both] = [plain, robust, both].map(|booster| withstood(&booster, &test, &truth, &reach));
    assert!(plain < 0.3, "{plain}");
    assert!(robust > 0.75, "{robust}");
    assert!(both > 0.75, "{both}");
}

#[test]
fn the_same_bytes_come_from_any_number_of_threads() {
    let ((rows, labels), reach) = (sample(500, 3), reach());
    let robust = RobustSpec { augment: 1, ..RobustSpec::default() };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained_on(&rows, &labels, None, &reach, spec(8), robust.clone(), 1).unwrap().to_json().to_vec())
    };
    assert_eq!(on(1), on(3));
    assert_ne!(on(1), trained_on(&rows, &labels, None, &reach, spec(8), robust.clone(), 2).unwrap().to_json());
}

#[test]
fn a_weight_counts_as_so_many_rows() {
    let ((rows, labels), reach, robust) = (sample(300, 4), reach(), RobustSpec::default());
    let weights: Vec<f64> = (0..300).map(|row| f64::from(row as u8 % 3)).collect();
    let copied: Vec<usize> = (0..300).flat_map(|row| vec![row; row as u8 as usize % 3]).collect();
    let spec = BoosterSpec { subsample: 1.0, ..spec(10) };
    let table = Table::new(&rows, &reach, &[1.0; 300], 256);
    let slopes: Vec<Slope> = weights.iter().map(|weight| Slope { first: 0.3 * weight, second: 0.2 * weight }).collect();
    let signed = |label: bool, slope: Slope| if label { Slope { first: -slope.first, ..slope } } else { slope };
    let slopes: Vec<Slope> = slopes.iter().zip(&labels).map(|(slope, label)| signed(*label, *slope)).collect();
    let rule = Rule { depth: 3, lambda: 1.0, min_child_weight: 1.0, learning_rate: 0.3 };
    let one = grow::tree(
        Data { table: &table, labels: &labels, slopes: &slopes },
        (0..300).collect(),
        &grow::Columns::These(vec![0, 1, 2, 3]),
        &rule,
    );
    let single: Vec<Slope> = labels.iter().map(|label| signed(*label, Slope { first: 0.3, second: 0.2 })).collect();
    let list = copied.iter().map(|&row| row as u32).collect();
    let other = grow::tree(
        Data { table: &table, labels: &labels, slopes: &single },
        list,
        &grow::Columns::These(vec![0, 1, 2, 3]),
        &rule,
    );
    assert_eq!(one.len(), other.len());
    assert!(
        one.iter()
            .zip(&other)
            .all(|(one, other)| (one.column, one.cut) == (other.column, other.cut) && (one.value - other.value).abs() < 1e-5)
    );
    assert!(trained_on(&rows, &labels, Some(&weights), &reach, spec, robust, 1).is_ok());
}

#[test]
fn reached_leaves_are_those_of_all_places_in_the_box() {
    let ((rows, labels), reach, robust) = (sample(200, 6), reach(), RobustSpec::default());
    let (trees, table) = boost(&all(&rows, &labels), terms(&reach, &spec(6), &robust));
    let mut rng = Rng::new(1);
    for tree in &trees {
        for row in 0..200 {
            let mut leaves = Vec::new();
            grow::reached(&table, tree, row, &mut leaves);
            let values: Vec<f32> = leaves.iter().map(|&leaf| tree[leaf as usize].value).collect();
            for _ in 0..30 {
                let place: Vec<u8> = table
                    .columns
                    .iter()
                    .map(|column| {
                        let (low, high) = column.bounds(row);
                        low + rng.below(usize::from(high - low) + 1) as u8
                    })
                    .collect();
                assert!(values.contains(&leaf(tree, &place)));
            }
        }
    }
}

#[test]
fn an_outsider_stays_in_his_box_and_says_what_the_booster_says() {
    let ((rows, labels), reach, robust) = (sample(300, 7), reach(), RobustSpec::default());
    let (trees, table) = boost(&all(&rows, &labels), terms(&reach, &spec(20), &robust));
    let booster = written(&trees, &table, 4).unwrap();
    let whole = table.of(&rows, &reach);
    let found = Moved::new(&whole, &labels, &trees);
    let moved = found.rows(&whole, &rows, &reach).unwrap();
    let (before, after) = (booster.margins(&rows).unwrap(), booster.margins(&moved).unwrap());
    for row in 0..300 {
        assert!((f64::from(after[row]) - found.margins[row]).abs() < 1e-4);
        assert!(if labels[row] { after[row] <= before[row] + 1e-4 } else { after[row] >= before[row] - 1e-4 });
        for (at, (&from, &to)) in rows.row(row).iter().zip(moved.row(row)).enumerate() {
            let (low, high) = reach[at].map_or((from, from), |reach| reach.bounds(from, 1.0));
            assert!(from.is_nan() && to.is_nan() || low <= to && to <= high);
        }
    }
    assert!((0..300).filter(|&row| moved.row(row)[1] != rows.row(row)[1]).count() > 50);
}

#[test]
fn what_does_not_fit_is_refused() {
    let ((rows, labels), reach) = (sample(50, 8), reach());
    let found = |labels: &[bool], weights: Option<&[f64]>, reach: &[Option<Reach>], robust: RobustSpec| {
        trained_on(&rows, labels, weights, reach, spec(2), robust, 1).map(|_| ()).err()
    };
    assert_eq!(found(&labels, Some(&[1.0; 50]), &reach, RobustSpec::default()), None);
    assert!(found(&labels[1..], None, &reach, RobustSpec::default()).is_some());
    assert!(found(&labels, Some(&[1.0; 49]), &reach, RobustSpec::default()).is_some());
    assert!(found(&labels, Some(&[f64::NAN; 50]), &reach, RobustSpec::default()).is_some());
    assert!(found(&labels, None, &reach[1..], RobustSpec::default()).is_some());
    assert!(found(&labels, None, &[Some(Reach::both(-1.0, false)); 4], RobustSpec::default()).is_some());
    assert!(found(&labels, None, &reach, RobustSpec { eps: f64::NAN, ..RobustSpec::default() }).is_some());
    assert!(found(&labels, None, &reach, RobustSpec { augment: 11, ..RobustSpec::default() }).is_some());
}
