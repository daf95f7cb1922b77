//! Parts add up to the answers of the trained members, and a column that says nothing is worth nothing (T4, T5).

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod common;

use common::{generated, small};
use frame::Column;
use learn::explain::by_column;
use learn::explain::permutation::permutation;
use learn::explain::treeshap::Explainer;
use learn::rng::Rng;
use learn::{Ensemble, LearnError, Matrix};

#[test]
fn parts_add_up_to_the_answers() {
    let (frame, labels) = generated(600, 1);
    let model = Ensemble::fit(&frame, &labels, &small()).unwrap();
    let preprocess = model.preprocess();
    let (background, rows) = (preprocess.encode(&frame).unwrap(), preprocess.encode(&generated(100, 2).0).unwrap());
    let booster = Explainer::booster(model.booster(), &background).unwrap();
    let margins = model.booster().margins(&rows).unwrap();
    for (found, margin) in booster.explain(&rows).unwrap().iter().zip(margins) {
        let sum = found.base + found.columns.iter().sum::<f64>();
        assert!((sum - f64::from(margin)).abs() < 1e-5, "{sum} {margin}");
        let whole = by_column(preprocess, &found.columns);
        assert_eq!(whole.len(), 3);
        assert!((found.base + whole.iter().sum::<f64>() - sum).abs() < 1e-12);
    }
    let filled = preprocess.filled(&rows);
    let forest = Explainer::forest(model.forest(), &preprocess.filled(&background)).unwrap();
    for (found, chance) in forest.explain(&filled).unwrap().iter().zip(model.forest().chances(&filled)) {
        assert!((found.base + found.columns.iter().sum::<f64>() - chance).abs() < 1e-10);
    }
    // The base is the mean answer over the rows that were counted, up to the little that leaves are given.
    let answers = model.forest().chances(&preprocess.filled(&background));
    assert!((forest.base() - answers.iter().sum::<f64>() / answers.len() as f64).abs() < 1e-3);
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let (frame, labels) = generated(100, 1);
    let model = Ensemble::fit(&frame, &labels, &small()).unwrap();
    let background = model.preprocess().encode(&frame).unwrap();
    let explainer = Explainer::booster(model.booster(), &background).unwrap();
    let narrow = Matrix::new(vec![0.0; 4], 2, 2).unwrap();
    assert!(matches!(explainer.explain(&narrow), Err(LearnError::Count { .. })));
    assert!(matches!(Explainer::booster(model.booster(), &narrow), Err(LearnError::Count { .. })));
    let none = Matrix::new(Vec::new(), 0, background.columns()).unwrap();
    assert!(matches!(Explainer::booster(model.booster(), &none), Err(LearnError::Size { .. })));
    assert!(explainer.explain_row(&[f32::NAN]).is_err());
}

#[test]
fn noise_is_worth_nothing_and_what_matters_comes_first() {
    let with_noise = |rows: usize, seed: u64| {
        let (mut frame, labels) = generated(rows, seed);
        let mut rng = Rng::new(seed + 100);
        frame.push("noise", Column::Number((0..rows).map(|_| rng.unit()).collect())).unwrap();
        (frame, labels)
    };
    let (train, labels) = with_noise(1_200, 1);
    let (test, truth) = with_noise(2_500, 2);
    let model = Ensemble::fit(&train, &labels, &small()).unwrap();
    let (found, auc) = permutation(&model, &test, &truth, 5, 7).unwrap();
    let noise = found.iter().find(|one| one.column == "noise").unwrap();
    assert!(noise.drop < 0.02, "{noise:?}");
    assert!(found[0].drop > 0.05 && found[0].column != "noise", "{found:?}");
    assert!(found.iter().all(|one| one.deviation > 0.0 && one.deviation < 0.05) && auc > 0.7);
    assert!(found.windows(2).all(|pair| pair[0].drop >= pair[1].drop));
    assert_eq!(permutation(&model, &test, &truth, 5, 7).unwrap(), (found, auc));
    assert!(matches!(permutation(&model, &test, &truth, 1, 7), Err(LearnError::Setting { .. })));
    assert!(matches!(permutation(&model, &test, &vec![true; 2_500], 5, 7), Err(LearnError::OneClass { .. })));
}
