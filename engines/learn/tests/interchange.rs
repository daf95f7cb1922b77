//! What goes out in other people's formats says the same as the model, comes back the same, and hostile bytes are refused (T3, T4).

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod common;

use std::sync::OnceLock;

use common::{generated, small};
use learn::forest::Forest;
use learn::interchange::xgboost::{self, Encoding};
use learn::interchange::{libsvm, onnx};
use learn::svm::Svm;
use learn::{Calibration, Ensemble, LearnError, Matrix, ModelError, SegmentSpec, Segments, TrainSpec, Weights};
use proptest::prelude::*;

fn model() -> &'static Ensemble {
    static MODEL: OnceLock<Ensemble> = OnceLock::new();
    MODEL.get_or_init(|| {
        let (frame, labels) = generated(500, 1);
        Ensemble::fit(&frame, &labels, &small()).unwrap()
    })
}

fn raw() -> Matrix {
    model().preprocess().encode(&generated(400, 2).0).unwrap()
}

fn filled() -> Matrix {
    model().preprocess().filled(&raw())
}

fn width() -> usize {
    model().preprocess().width()
}

#[test]
fn a_booster_comes_back_bit_for_bit_from_both_encodings() {
    for encoding in [Encoding::Json, Encoding::Ubj] {
        let bytes = xgboost::booster(model().booster(), encoding).unwrap();
        let again = xgboost::read_booster(&bytes, encoding, width()).unwrap();
        assert_eq!(again.margins(&raw()).unwrap(), model().booster().margins(&raw()).unwrap());
        assert!(xgboost::read_booster(&bytes, encoding, width() + 1).is_err());
        assert!(xgboost::read_booster(&bytes[..bytes.len() / 2], encoding, width()).is_err());
    }
}

#[test]
fn a_foreign_booster_is_read_without_its_statistics() {
    let ours = String::from_utf8(model().booster().to_json().to_vec()).unwrap();
    let theirs = ours.replacen("\"sum_hessian\":[0.0", "\"sum_hessian\":[7.0", 1);
    assert_ne!(ours, theirs);
    let again = xgboost::read_booster(theirs.as_bytes(), Encoding::Json, width()).unwrap();
    assert_eq!(again.margins(&raw()).unwrap(), model().booster().margins(&raw()).unwrap());
    assert!(!String::from_utf8_lossy(again.to_json()).contains("\"sum_hessian\":[7.0"));
}

#[test]
fn a_forest_comes_back_within_rounding() {
    let forest = model().forest();
    let bytes = xgboost::forest(forest).unwrap();
    let again = xgboost::read_forest(&bytes, Encoding::Json, width()).unwrap();
    let rows = filled();
    for row in 0..rows.rows() {
        let (ours, theirs) = (forest.chance(rows.row(row)), again.chance(rows.row(row)));
        assert!((ours - theirs).abs() < 1e-7, "{ours} {theirs}");
        let margin = xgboost::forest_margin(forest, rows.row(row));
        assert!((ours - f64::from(margin)).abs() < 1e-6, "{ours} {margin}");
    }
    assert_eq!(again.trees(), forest.trees());
    assert!(xgboost::read_forest(&bytes, Encoding::Json, width() + 1).is_err());
}

#[test]
fn a_forest_that_adds_log_odds_is_refused() {
    let text = String::from_utf8(xgboost::forest(model().forest()).unwrap()).unwrap();
    let logistic = text.replace("reg:squarederror", "binary:logistic");
    assert!(xgboost::read_forest(logistic.as_bytes(), Encoding::Json, width()).is_err());
    let steps: Vec<String> = (0..=30).map(|step| step.to_string()).collect();
    let rounds = text.replacen("\"num_parallel_tree\":\"30\"", "\"num_parallel_tree\":\"1\"", 1);
    let rounds = rounds.replacen("\"iteration_indptr\":[0,30]", &format!("\"iteration_indptr\":[{}]", steps.join(",")), 1);
    assert!(xgboost::read_forest(rounds.as_bytes(), Encoding::Json, width()).is_err());
    let high = text.replacen("\"base_score\":\"[0E0]\"", "\"base_score\":\"[9E-1]\"", 1);
    assert!(xgboost::read_forest(high.as_bytes(), Encoding::Json, width()).is_err());
    let booster = model().booster().to_json();
    assert!(xgboost::read_forest(booster, Encoding::Json, width()).is_err());
}

#[test]
fn a_machine_comes_back_from_libsvms_text() {
    let svm = model().svm();
    let text = libsvm::write(svm).unwrap();
    let again = libsvm::read(text.as_bytes(), width()).unwrap();
    let scaled = model().preprocess().scaled(&filled());
    for row in 0..scaled.rows() {
        // Vectors stand in another order, so that sums are rounded in another order.
        assert!((svm.decision(scaled.row(row)) - again.decision(scaled.row(row))).abs() < 1e-12);
        assert!((svm.chance(scaled.row(row)) - again.chance(scaled.row(row))).abs() < 1e-12);
    }
    assert_eq!(again.support(), svm.support());
    assert!(libsvm::write(&again).unwrap() == text);
}

#[test]
fn a_machine_whose_first_label_is_negative_is_turned_round() {
    let text = "svm_type c_svc\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 2\nrho 0.25\nlabel -1 1\nprobA -2\nprobB 0.5\nnr_sv 1 1\nSV\n1 1:1 \n-1 2:1 \n";
    let svm = libsvm::read(text.as_bytes(), 2).unwrap();
    // By hand: near the first vector libsvm's decision is 1 - exp(-1) - 0.25 for label -1, so ours is its negative.
    let theirs = 1.0 - libm::exp(-1.0) - 0.25;
    assert!((svm.decision(&[1.0, 0.0]) + theirs).abs() < 1e-6);
    let of_first = 1.0 / (1.0 + libm::exp(-2.0 * theirs + 0.5));
    assert!((svm.chance(&[1.0, 0.0]) - (1.0 - of_first)).abs() < 1e-6);
}

#[test]
fn texts_that_are_no_machine_are_refused() {
    let text = "svm_type c_svc\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 2\nrho 0.25\nlabel 1 0\nprobA -2\nprobB 0.5\nnr_sv 1 1\nSV\n1 1:1 \n-1 2:1 \n";
    assert!(libsvm::read(text.as_bytes(), 2).is_ok());
    for (from, to) in [
        ("c_svc", "nu_svc"),
        ("rbf", "linear"),
        ("gamma 0.5", "gamma -1"),
        ("gamma 0.5", "gamma nan"),
        ("gamma 0.5", "gamma 0.5 1"),
        ("nr_class 2", "nr_class 3"),
        ("total_sv 2", "total_sv 3"),
        ("total_sv 2", "total_sv 1"),
        ("total_sv 2", "total_sv 99999999"),
        ("rho 0.25\n", ""),
        ("label 1 0", "label 1 2"),
        ("probA -2\n", ""),
        ("SV\n", ""),
        ("2:1", "3:1"),
        ("2:1", "0:1"),
        ("2:1", "2:1 1:1"),
        ("2:1", "2:inf"),
        ("2:1", "2"),
        ("svm_type", "exec"),
    ] {
        assert!(text.contains(from));
        assert!(libsvm::read(text.replacen(from, to, 1).as_bytes(), 2).is_err(), "{from} -> {to}");
    }
}

#[test]
fn a_graph_is_written_for_every_calibration_and_for_segments() {
    let (frame, labels) = generated(300, 4);
    let spec = SegmentSpec { columns: vec!["spend".to_owned()], most: 3, bootstraps: 3, ..SegmentSpec::default() };
    let segments = Segments::fit(&frame, &vec![1.0; 300], Some(&labels), &spec).unwrap();
    let mut sizes = Vec::new();
    for calibration in [Calibration::None, Calibration::Platt, Calibration::Isotonic] {
        let spec =
            TrainSpec { calibration, weights: Weights::Equal, inner_folds: 2, log_columns: vec!["spend".into()], ..small() };
        let fitted = Ensemble::fit(&frame, &labels, &spec).unwrap();
        let plain = onnx::write(&fitted).unwrap();
        let whole = onnx::write(&fitted.with_segments(segments.clone())).unwrap();
        assert!(whole.len() > plain.len());
        sizes.push(plain.len());
    }
    assert!(sizes[0] < sizes[1] && sizes[0] < sizes[2], "{sizes:?}");
}

#[test]
fn a_stacked_vote_is_written_with_its_weights() {
    let (frame, labels) = generated(300, 4);
    let written = |weights: Weights| {
        let spec = TrainSpec { weights, inner_folds: 2, ..small() };
        let model = Ensemble::fit(&frame, &labels, &spec).unwrap();
        (onnx::write(&model).unwrap(), model)
    };
    let (plain, _) = written(Weights::Equal);
    let (stacked, model) = written(Weights::Stacked);
    assert!(stacked.len() > plain.len());
    let stack = model.stack().unwrap();
    for number in stack.weights.into_iter().chain([stack.intercept]) {
        assert!(stacked.windows(8).any(|bytes| bytes == number.to_le_bytes()), "{number}");
    }
}

#[test]
fn a_column_with_the_name_of_an_output_is_refused() {
    let (frame, labels) = generated(100, 4);
    let mut renamed = frame::Frame::new(100);
    for (name, column) in frame.iter() {
        renamed.push(if name == "spend" { "churn_vote" } else { name }, column.clone()).unwrap();
    }
    let fitted = Ensemble::fit(&renamed, &labels, &small()).unwrap();
    assert!(matches!(onnx::write(&fitted), Err(LearnError::Write(_))));
}

/// What is read answers every row by probabilities, or is refused; never a panic.
fn survives(forest: Result<Forest, ModelError>, svm: Result<Svm, ModelError>) {
    let row = vec![0.5f32; width()];
    if let Ok(forest) = forest {
        assert!((0.0..=1.0).contains(&forest.chance(&row)));
    }
    if let Ok(svm) = svm {
        assert!((0.0..=1.0).contains(&svm.chance(&row)));
    }
}

fn sound(kind: usize) -> &'static [u8] {
    static SOUND: OnceLock<[Vec<u8>; 4]> = OnceLock::new();
    let all = SOUND.get_or_init(|| {
        let mut forest = small().forest;
        (forest.trees, forest.depth_max) = (2, 3);
        let (frame, labels) = generated(200, 8);
        let spec = TrainSpec { forest, ..small() };
        let spec = TrainSpec { booster: learn::BoosterSpec { trees: 2, depth: 2, ..spec.booster.clone() }, ..spec };
        let model = Ensemble::fit(&frame, &labels, &spec).unwrap();
        [
            xgboost::forest(model.forest()).unwrap(),
            libsvm::write(model.svm()).unwrap().into_bytes(),
            xgboost::booster(model.booster(), Encoding::Json).unwrap(),
            xgboost::booster(model.booster(), Encoding::Ubj).unwrap(),
        ]
    });
    &all[kind]
}

fn read_all(bytes: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Ubj] {
        survives(xgboost::read_forest(bytes, encoding, width()), libsvm::read(bytes, width()));
        if let Ok(booster) = xgboost::read_booster(bytes, encoding, width()) {
            assert!(booster.margin_row(&vec![0.5; width()]).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn damaged_bytes_do_no_harm(kind in 0usize..4, place in 0.0f64..1.0, byte in any::<u8>(), cut in prop::bool::weighted(0.2)) {
        let mut bytes = sound(kind).to_vec();
        let at = (place * bytes.len() as f64) as usize;
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        read_all(&bytes);
    }

    #[test]
    fn texts_of_libsvms_words_do_no_harm(lines in prop::collection::vec(prop::sample::select(vec![
        "svm_type c_svc", "kernel_type rbf", "gamma 1e-3", "gamma 1e300", "nr_class 2", "total_sv 1", "total_sv 2", "rho 0", "rho 1e308",
        "label 1 0", "label 0 1", "probA -1", "probB 1e308", "nr_sv 1 0", "SV", "1 1:1", "-1e40 1:1", "1 1:1 2:-0 3:1e-50", "1", ""]), 0..14)) {
        read_all(lines.join("\n").as_bytes());
    }
}

#[test]
fn deep_nests_are_refused() {
    for byte in *b"[{" {
        let mut nest = vec![byte; 100_000];
        read_all(&nest);
        nest.insert(0, b'{');
        read_all(&nest);
    }
}
