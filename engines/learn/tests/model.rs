//! A model is the same on any number of threads, comes back from its files bit for bit, and hostile files are refused (T3, T4).

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod common;

use std::collections::BTreeMap;

use common::{generated, small};
use frame::{Categories, Column, Frame};
use learn::modelfile::{BOOSTER_FILE, FOREST_FILE, MANIFEST_FILE, SEGMENTS_FILE, SVM_FILE};
use learn::{
    Calibration, Ensemble, LearnError, Member, ModelError, Scores, SegmentSpec, Segments, Split, TrainSpec, Value, Weights,
    cross_validate,
};
use proptest::prelude::*;

type Files = BTreeMap<String, Vec<u8>>;

fn model() -> Ensemble {
    let (frame, labels) = generated(300, 1);
    let spec = SegmentSpec { columns: vec!["spend".to_owned()], most: 4, bootstraps: 4, ..SegmentSpec::default() };
    let spend = match frame.column("spend") {
        Some(Column::Number(numbers)) => numbers.clone(),
        Some(Column::Category(_)) | None => Vec::new(),
    };
    let segments = Segments::fit(&frame, &spend, Some(&labels), &spec).unwrap();
    let pins = BTreeMap::from([("compiler".to_owned(), "1.95.0".to_owned())]);
    Ensemble::fit(&frame, &labels, &small()).unwrap().with_segments(segments).with_environment(pins)
}

fn files() -> &'static Files {
    static FILES: std::sync::OnceLock<Files> = std::sync::OnceLock::new();
    FILES.get_or_init(|| model().to_files().unwrap())
}

#[test]
fn files_do_not_depend_on_the_number_of_threads() {
    let (frame, labels) = generated(900, 3);
    let spec = TrainSpec { weights: Weights::OutOfFold, calibration: Calibration::Isotonic, inner_folds: 2, ..small() };
    let columns =
        SegmentSpec { columns: vec!["spend".to_owned(), "tenure".to_owned()], most: 4, bootstraps: 5, ..SegmentSpec::default() };
    let values = vec![1.0; 900];
    let runs: Vec<(Files, Vec<u64>)> = [1, 2, 5]
        .into_iter()
        .map(|threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let model = Ensemble::fit(&frame, &labels, &spec).unwrap();
                let model = model.with_segments(Segments::fit(&frame, &values, Some(&labels), &columns).unwrap());
                let votes = model.predict(&frame).unwrap().iter().map(|scores| scores.vote.to_bits()).collect();
                (model.to_files().unwrap(), votes)
            })
        })
        .collect();
    assert!(runs[0] == runs[1] && runs[0] == runs[2]);
    let other = Ensemble::fit(&frame, &labels, &TrainSpec { seed: 9, ..spec }).unwrap().to_files().unwrap();
    for file in [BOOSTER_FILE, FOREST_FILE, SVM_FILE] {
        assert_ne!(runs[0].0[file], other[file], "the seed does not reach {file}");
    }
}

#[test]
fn a_loaded_model_answers_bit_for_bit() {
    let model = model();
    let loaded = Ensemble::from_files(&model.to_files().unwrap()).unwrap();
    let (frame, _) = generated(500, 2);
    let (before, after) = (model.predict(&frame).unwrap(), loaded.predict(&frame).unwrap());
    assert_eq!(before, after);
    assert_eq!(loaded.to_files().unwrap(), model.to_files().unwrap());
    assert_eq!(loaded.environment()["compiler"], "1.95.0");
    for row in 0..frame.rows() {
        let cell = |name: &str| match frame.column(name).unwrap() {
            Column::Number(numbers) => Value::Number(numbers[row]),
            Column::Category(categories) => categories.text(row).map_or(Value::Missing, Value::Text),
        };
        let values: Vec<Value<'_>> = loaded.columns().iter().map(|column| cell(&column.name)).collect();
        assert_eq!(loaded.predict_row(&values).unwrap(), before[row]);
    }
}

#[test]
fn many_rows_are_answered_part_by_part_as_one_by_one() {
    let (frame, labels) = generated(500, 1);
    let model = Ensemble::fit(&frame, &labels, &small()).unwrap();
    let (many, _) = generated(65_540, 2);
    let all = model.predict(&many).unwrap();
    assert_eq!(all.len(), 65_540);
    for row in [0, 65_535, 65_536, 65_539] {
        assert_eq!(model.predict(&many.take(&[row])).unwrap(), [all[row]]);
    }
}

#[test]
fn a_row_of_anything_gets_scores() {
    let model = model();
    for row in [
        vec![],
        vec![Value::Text("?"); 3],
        vec![Value::Number(f64::INFINITY); 3],
        vec![Value::Number(-1e300); 3],
        vec![Value::Number(3.4e38); 3],
        vec![Value::Number(-3.4e38); 3],
        vec![Value::Missing; 3],
    ] {
        let scores = model.predict_row(&row).unwrap();
        assert!(Member::ALL.iter().all(|member| (0.0..=1.0).contains(&member.of(&scores))), "{scores:?}");
    }
    assert!(matches!(model.predict_row(&[Value::Missing; 4]), Err(LearnError::Count { .. })));
    let (frame, _) = generated(30, 2);
    assert_eq!(model.predict(&frame.only(|name| name != "plan")), Err(LearnError::NoColumn("plan".to_owned())));
}

#[test]
fn leaves_do_not_tell_how_many_rows_they_hold() {
    let json: serde_json::Value = serde_json::from_slice(&files()[BOOSTER_FILE]).unwrap();
    let trees = json.pointer("/learner/gradient_booster/model/trees").unwrap().as_array().unwrap();
    assert_eq!(trees.len(), 30);
    for tree in trees {
        for statistic in ["sum_hessian", "loss_changes"] {
            assert!(tree[statistic].as_array().unwrap().iter().all(|value| value.as_f64() == Some(0.0)));
        }
    }
    let counted =
        String::from_utf8(files()[BOOSTER_FILE].clone()).unwrap().replacen("\"sum_hessian\":[0.0", "\"sum_hessian\":[7.0", 1);
    let mut changed = files().clone();
    changed.insert(BOOSTER_FILE.to_owned(), counted.into_bytes());
    assert!(Ensemble::from_files(&changed).unwrap_err().to_string().contains("how many rows"));
    // Neither said a second time, nor in another way than as numbers.
    let text = String::from_utf8(files()[BOOSTER_FILE].clone()).unwrap();
    for told in ["\"sum_hessian\":[7.0],\"sum_hessian\":", "\"loss_changes\":\"7\",\"sum_hessian\":", "\"sum_hessian\":7,\"x\":"]
    {
        changed.insert(BOOSTER_FILE.to_owned(), text.replacen("\"sum_hessian\":", told, 1).into_bytes());
        assert!(Ensemble::from_files(&changed).is_err(), "{told}");
    }
}

/// Replaces text in one file of a sound model and expects a refusal of that file.
fn refuses(file: &str, from: &str, to: &str) {
    let text = String::from_utf8(files()[file].clone()).unwrap();
    assert!(text.contains(from), "`{from}` is not in {file}");
    let mut changed = files().clone();
    changed.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    assert!(Ensemble::from_files(&changed).is_err(), "{file}: {from} -> {to}");
}

/// Changes one place of the booster's first tree.
fn booster_with(field: &str, node: usize, value: serde_json::Value) -> Files {
    let mut json: serde_json::Value = serde_json::from_slice(&files()[BOOSTER_FILE]).unwrap();
    *json.pointer_mut(&format!("/learner/gradient_booster/model/trees/0/{field}/{node}")).unwrap() = value;
    let mut changed = files().clone();
    changed.insert(BOOSTER_FILE.to_owned(), serde_json::to_vec(&json).unwrap());
    changed
}

#[test]
fn a_tree_in_circles_or_beyond_its_columns_is_refused() {
    assert!(Ensemble::from_files(&booster_with("split_conditions", 0, 1.5.into())).is_ok());
    for (field, value) in [("left_children", 0), ("right_children", 0), ("left_children", 9_999), ("split_indices", 9_999)] {
        assert!(Ensemble::from_files(&booster_with(field, 0, value.into())).is_err(), "{field} {value}");
    }
    assert!(Ensemble::from_files(&booster_with("split_conditions", 0, "NaN".into())).is_err());
    let mut deep = files().clone();
    deep.insert(BOOSTER_FILE.to_owned(), vec![b'['; 1_000_000]);
    assert!(Ensemble::from_files(&deep).is_err());
}

#[test]
fn a_manifest_that_does_not_fit_is_refused() {
    assert!(Ensemble::from_files(files()).is_ok());
    refuses(MANIFEST_FILE, "\"format\": 1", "\"format\": 2");
    refuses(MANIFEST_FILE, "\"threshold\": 0.5,\n", "\"threshold\": 0.4,\n");
    refuses(MANIFEST_FILE, "0.3333333333333333", "0.4333333333333333");
    refuses(MANIFEST_FILE, "\"spend\"", "\"spent\"");
    refuses(MANIFEST_FILE, "\"segments\": true", "\"segments\": false");
    refuses(MANIFEST_FILE, "\"trees\": 30", "\"trees\": 0");
    refuses(MANIFEST_FILE, "{\n", "{\n\"extra\": 1,");
    refuses(SEGMENTS_FILE, "\"deviation\": ", "\"deviation\": -");
    refuses(BOOSTER_FILE, "binary:logistic", "reg:squarederror");
}

#[test]
fn missing_and_unknown_files_are_refused() {
    for name in files().keys() {
        let mut fewer = files().clone();
        fewer.remove(name);
        assert!(matches!(Ensemble::from_files(&fewer), Err(ModelError::Missing(_))), "{name}");
    }
    let mut more = files().clone();
    more.insert("run.sh".to_owned(), Vec::new());
    assert_eq!(Ensemble::from_files(&more).unwrap_err(), ModelError::Unknown("run.sh".to_owned()));
}

/// A damaged model is refused, or it answers every row by probabilities, without a panic.
fn survives(files: &Files) {
    if let Ok(model) = Ensemble::from_files(files) {
        let (frame, _) = generated(20, 5);
        let mut scores = model.predict(&frame).unwrap_or_default();
        scores.extend(model.predict_row(&[Value::Number(3.0), Value::Text("trial"), Value::Number(9.5)]));
        let sound = |scores: &Scores| Member::ALL.iter().all(|member| (0.0..=1.0).contains(&member.of(scores)));
        assert!(scores.iter().all(sound), "{scores:?}");
        if let Some(segments) = model.segments() {
            let _ = segments.assign(&[Value::Number(3.0)]);
        }
        model.to_files().unwrap();
    }
}

fn extreme() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(3.4e38), Just(1e-300), -5.0f64..5.0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_anything_are_learned_or_refused(
        numbers in prop::collection::vec(extreme(), 60),
        codes in prop::collection::vec(prop_oneof![0u32..4, Just(u32::MAX)], 30),
        labels in prop::collection::vec(any::<bool>(), 30),
        log in any::<bool>(),
    ) {
        let mut frame = Frame::new(30);
        frame.push("one", Column::Number(numbers[..30].to_vec())).unwrap();
        frame.push("two", Column::Number(numbers[30..].to_vec())).unwrap();
        let levels = ["a", "b", "c"].map(str::to_owned).to_vec();
        frame.push("kind", Column::Category(Categories { levels, codes })).unwrap();
        let log_columns = if log { vec!["one".to_owned()] } else { Vec::new() };
        let fitted = Ensemble::fit(&frame, &labels, &TrainSpec { log_columns, ..small() });
        let positives = labels.iter().filter(|&&label| label).count();
        prop_assert_eq!(fitted.is_ok(), (2..=28).contains(&positives), "{:?}", fitted.err());
        if let Ok(model) = fitted {
            let before = model.predict(&frame).unwrap();
            prop_assert!(before.iter().all(|scores| Member::ALL.iter().all(|member| (0.0..=1.0).contains(&member.of(scores)))));
            let loaded = Ensemble::from_files(&model.to_files().unwrap()).unwrap();
            prop_assert_eq!(loaded.predict(&frame).unwrap(), before);
        }
        let spec = SegmentSpec { columns: vec!["one".to_owned(), "two".to_owned()], most: 3, bootstraps: 2, ..SegmentSpec::default() };
        if let Ok(segments) = Segments::fit(&frame, &numbers[..30], Some(&labels), &spec) {
            prop_assert!(segments.assign_all(&frame).unwrap().iter().all(|&at| at < segments.segments().len()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_do_no_harm(file in 0usize..6, place in 0.0f64..1.0, bit in 0u8..8, cut in prop::bool::weighted(0.3)) {
        let mut damaged = files().clone();
        let bytes = damaged.values_mut().nth(file).unwrap();
        let at = (place * bytes.len() as f64) as usize;
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        survives(&damaged);
    }

    #[test]
    fn trees_of_anything_do_no_harm(
        field in prop::sample::select(vec!["left_children", "right_children", "parents", "split_indices", "split_type", "default_left", "split_conditions"]),
        node in 0usize..9,
        number in prop_oneof![(-3i64..40).prop_map(serde_json::Value::from), any::<i64>().prop_map(Into::into), any::<f64>().prop_map(Into::into)],
    ) {
        survives(&booster_with(field, node, number));
    }

    #[test]
    fn headers_are_where_damage_hurts(file in 1usize..6, at in 0usize..400, byte in any::<u8>()) {
        let mut damaged = files().clone();
        let bytes = damaged.values_mut().nth(file).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        survives(&damaged);
    }

    #[test]
    fn arbitrary_bytes_are_no_model(file in 0usize..6, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut damaged = files().clone();
        *damaged.values_mut().nth(file).unwrap() = bytes;
        prop_assert!(Ensemble::from_files(&damaged).is_err());
    }
}

#[test]
fn weights_and_calibration_lower_the_log_loss() {
    let (frame, labels) = generated(900, 4);
    let (test, truth) = generated(3_000, 5);
    let loss = |spec: &TrainSpec| {
        let model = Ensemble::fit(&frame, &labels, spec).unwrap();
        let votes: Vec<f64> = model.predict(&test).unwrap().iter().map(|scores| scores.vote).collect();
        assert!(votes.iter().all(|vote| (0.0..=1.0).contains(vote)));
        (learn::metrics::log_loss(&votes, &truth), model)
    };
    let (plain, equal) = loss(&small());
    assert_eq!(equal.weights(), [1.0 / 3.0; 3]);
    let (tuned, weighted) = loss(&TrainSpec { weights: Weights::OutOfFold, calibration: Calibration::Platt, ..small() });
    assert_ne!(weighted.weights(), equal.weights());
    assert!(tuned < plain + 0.003, "{tuned} is not below {plain}");
    let again = Ensemble::from_files(&weighted.to_files().unwrap()).unwrap();
    assert_eq!(again.predict(&test).unwrap(), weighted.predict(&test).unwrap());
}

#[test]
fn a_stacked_vote_comes_back_bit_for_bit() {
    let (frame, labels) = generated(600, 4);
    let (test, truth) = generated(3_000, 5);
    let loss = |model: &Ensemble| {
        let votes: Vec<f64> = model.predict(&test).unwrap().iter().map(|scores| scores.vote).collect();
        learn::metrics::log_loss(&votes, &truth)
    };
    let equal = Ensemble::fit(&frame, &labels, &small()).unwrap();
    for calibration in [Calibration::None, Calibration::Isotonic] {
        let spec = TrainSpec { weights: Weights::Stacked, calibration, inner_folds: 3, ..small() };
        let model = Ensemble::fit(&frame, &labels, &spec).unwrap();
        assert!(model.stack().unwrap().weights.iter().all(|&weight| weight >= 0.0));
        if calibration == Calibration::None {
            assert!(loss(&model) < loss(&equal) + 0.003, "{} {}", loss(&model), loss(&equal));
        }
        let files = model.to_files().unwrap();
        let again = Ensemble::from_files(&files).unwrap();
        let before = model.predict(&test).unwrap();
        assert_eq!(again.predict(&test).unwrap(), before);
        let raw = again.preprocess().encode(&test).unwrap();
        for (row, scores) in before.iter().enumerate().step_by(7) {
            assert_eq!(again.predict_encoded_row(raw.row(row)).unwrap(), *scores);
        }
        let text = String::from_utf8(files[MANIFEST_FILE].clone()).unwrap();
        for (from, to) in [("\"intercept\": ", "\"intercept\": 1e9"), ("\"stacked\"", "\"equal\""), ("\"stack\"", "\"stick\"")] {
            assert!(text.contains(from), "{from}");
            let mut changed = files.clone();
            changed.insert(MANIFEST_FILE.to_owned(), text.replacen(from, to, 1).into_bytes());
            assert!(Ensemble::from_files(&changed).is_err(), "{from} -> {to}");
        }
    }
}

#[test]
fn a_monotone_booster_never_rises_with_its_column() {
    let (frame, labels) = generated(600, 4);
    let mut spec = small();
    spec.booster.monotone = BTreeMap::from([("tenure".to_owned(), learn::Direction::Falling)]);
    let model = Ensemble::fit(&frame, &labels, &spec).unwrap();
    for plan in ["monthly", "yearly", "trial"] {
        for spend in [5.0, 20.0, 40.0] {
            let at = |tenure: u32| {
                let row = [Value::Number(f64::from(tenure)), Value::Text(plan), Value::Number(spend)];
                model.predict_row(&row).unwrap().booster
            };
            assert!((0..60).all(|tenure| at(tenure + 1) <= at(tenure)) && at(60) < at(0));
        }
    }
    spec.booster.monotone = BTreeMap::from([("plan".to_owned(), learn::Direction::Rising)]);
    assert!(matches!(Ensemble::fit(&frame, &labels, &spec), Err(LearnError::Kind { .. })));
    spec.booster.monotone = BTreeMap::from([("age".to_owned(), learn::Direction::Rising)]);
    assert_eq!(Ensemble::fit(&frame, &labels, &spec).err(), Some(LearnError::NoColumn("age".to_owned())));
}

#[test]
fn an_evaluation_tests_every_row_once() {
    let (frame, labels) = generated(400, 6);
    let found = cross_validate(&frame, &labels, &small(), &Split::Stratified { folds: 4, seed: 1 }).unwrap();
    let mut rows: Vec<usize> = found.out_of_fold.iter().map(|row| row.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..400).collect::<Vec<_>>());
    assert_eq!(found.sizes.len(), 4);
    for (member, report) in &found.members {
        assert!(report.auc.mean > 0.65, "{member:?}: {:?}", report.auc);
        assert!(report.auc.deviation > 0.0 && report.curves.lift.len() == 10);
        assert!((report.pooled_auc - report.auc.mean).abs() < 0.05);
    }
}
