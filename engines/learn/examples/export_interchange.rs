//! Writes models in the formats of ONNX, XGBoost and libsvm, rows with holes and unseen levels, and our answers to them, so that
//! `checks/peers/interchange_peer.py` can let the originals answer the same rows (T4).
//!
//! `cargo run -p learn --example export_interchange -- OUTDIR`; with a second argument `answer` it reads what XGBoost and libsvm
//! trained there (`theirs.json`, `theirs.ubj`, `theirs.libsvm`), and answers in their place into `theirs.f64`. Public churn data are taken from `$STAYWARD_DATA` if they are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use frame::{Categories, Column, Frame, MISSING};
use learn::calibrate::logistic;
use learn::explain::treeshap::Explainer;
use learn::interchange::xgboost::{self, Encoding};
use learn::interchange::{libsvm, onnx};
use learn::rng::Rng;
use learn::{BoosterSpec, Calibration, Ensemble, ForestSpec, Kernel, Matrix, SegmentSpec, Segments, SvmSpec, TrainSpec, Weights};
use serde_json::{Value as Json, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Rows that are explained: exact values of a forest take a tenth of a second each.
const EXPLAINED: usize = 200;
/// Of a case that is there for something else.
const EXPLAINED_FEW: usize = 10;

/// What is made of one table.
struct Case {
    name: String,
    frame: Frame,
    labels: Vec<bool>,
    segment_columns: &'static [&'static str],
    log_columns: &'static [&'static str],
    spec: TrainSpec,
    explained: usize,
}

fn main() -> Outcome<()> {
    let out = PathBuf::from(std::env::args().nth(1).ok_or("say where to write: export_interchange OUTDIR")?);
    if std::env::args().nth(2).is_some_and(|word| word == "answer") {
        return answer(&out);
    }
    let mut cases = crossed()?;
    let whole = |calibration, weights| TrainSpec { calibration, weights, inner_folds: 2, ..TrainSpec::default() };
    if let Some((frame, labels)) = table("telco_ibm.csv", &["customerID"], "Churn")? {
        let (segment_columns, log_columns) = (&["tenure", "MonthlyCharges"][..], &["TotalCharges"][..]);
        let spec = whole(Calibration::Platt, Weights::Stacked);
        let name = "telco".to_owned();
        cases.push(Case { name, frame, labels, segment_columns, log_columns, spec, explained: EXPLAINED });
    }
    if let Some((frame, labels)) = table("mlc_churn.csv", &[], "churn")? {
        let segment_columns = &["total_day_minutes", "total_eve_minutes", "number_customer_service_calls"][..];
        let spec = whole(Calibration::None, Weights::Equal);
        let name = "mlc".to_owned();
        cases.push(Case { name, frame, labels, segment_columns, log_columns: &[], spec, explained: EXPLAINED });
    }
    for case in &cases {
        export(&out.join(&case.name), case)?;
    }
    Ok(())
}

/// Every kernel with every calibration and every way to vote, on generated rows; few trees but in the first.
fn crossed() -> Outcome<Vec<Case>> {
    let mut out = Vec::new();
    for (kernel, word) in [(Kernel::Rbf, "exact"), (Kernel::Nystroem, "landmarks"), (Kernel::Linear, "plane")] {
        for (calibration, ending) in
            [(Calibration::Isotonic, "isotonic"), (Calibration::Platt, "platt"), (Calibration::None, "plain")]
        {
            for (weights, vote) in [(Weights::OutOfFold, "mixed"), (Weights::Stacked, "stacked")] {
                let (frame, labels) = generated(2_000)?;
                let svm = SvmSpec { kernel, ..SvmSpec::default() };
                let (booster, forest) = (BoosterSpec::default(), ForestSpec::default());
                let spec = if out.is_empty() {
                    TrainSpec { booster, forest, ..TrainSpec::default() }
                } else {
                    let (booster, forest) = (BoosterSpec { trees: 60, ..booster }, ForestSpec { trees: 60, ..forest });
                    TrainSpec { booster, forest, ..TrainSpec::default() }
                };
                out.push(Case {
                    name: format!("generated-{word}-{ending}-{vote}"),
                    frame,
                    labels,
                    segment_columns: &["spend", "visits"],
                    log_columns: &["spend"],
                    explained: if out.is_empty() { EXPLAINED } else { EXPLAINED_FEW },
                    spec: TrainSpec { svm, calibration, weights, inner_folds: 2, ..spec },
                });
            }
        }
    }
    Ok(out)
}

fn export(out: &Path, case: &Case) -> Outcome<()> {
    let rows = case.frame.rows();
    let (train, test): (Vec<usize>, Vec<usize>) = (0..rows).partition(|row| row % 4 != 0);
    let known: Vec<bool> = train.iter().map(|&row| case.labels[row]).collect();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let spec = TrainSpec { log_columns: names(case.log_columns), ..case.spec.clone() };
    let train = case.frame.take(&train);
    let segments = SegmentSpec { columns: names(case.segment_columns), bootstraps: 3, most: 5, ..SegmentSpec::default() };
    let segments = Segments::fit(&train, &vec![1.0; train.rows()], Some(&known), &segments)?;
    let model = Ensemble::fit(&train, &known, &spec)?.with_segments(segments);

    save(out, "model.onnx", &onnx::write(&model)?)?;
    save(out, "booster.json", &xgboost::booster(model.booster(), Encoding::Json)?)?;
    save(out, "booster.ubj", &xgboost::booster(model.booster(), Encoding::Ubj)?)?;
    save(out, "forest.json", &xgboost::forest(model.forest())?)?;
    if !model.svm().is_plane() {
        save(out, "machine.libsvm", libsvm::write(model.svm())?.as_bytes())?;
    }

    let truth: Vec<bool> = test.iter().map(|&row| case.labels[row]).collect();
    let test = damaged(&case.frame.take(&test));
    let (raw, mut texts) = (model.preprocess().encode(&test)?, BTreeMap::new());
    let filled = model.preprocess().filled(&raw);
    let scaled = model.preprocess().scaled(&filled);
    for (name, matrix) in [("raw.f32", &raw), ("filled.f32", &filled), ("scaled.f32", &scaled)] {
        save(out, name, &matrix.values().iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())?;
    }
    for (name, column) in test.iter() {
        texts.insert(name, written(column));
    }
    let scores = model.predict(&test)?;
    let segments = model.segments().ok_or("no segments")?;
    let placed = segments.assign_all(&test)?;
    let margins = model.booster().margins(&raw)?;
    let each = |of: &dyn Fn(usize) -> Json| (0..test.rows()).map(of).collect::<Vec<_>>();
    let bytes = serde_json::to_vec(&json!({
        "rows": test.rows(),
        "label": truth,
        "weights": model.weights(),
        "stack": model.stack(),
        "calibration": model.calibration(),
        "width": model.preprocess().width(),
        "columns": texts,
        "booster": each(&|row| json!(scores[row].booster)),
        "svm": each(&|row| json!(scores[row].svm)),
        "forest": each(&|row| json!(scores[row].forest)),
        "vote": each(&|row| json!(scores[row].vote)),
        "positive": each(&|row| json!(model.is_positive(&scores[row]))),
        "segment": placed,
        "segment_name": each(&|row| json!(segments.segments()[placed[row]].name)),
        "margin_bits": each(&|row| json!(margins[row].to_bits())),
        "forest_margin_bits": each(&|row| json!(xgboost::forest_margin(model.forest(), filled.row(row)).to_bits())),
        "decision": each(&|row| json!(model.svm().decision(scaled.row(row)))),
    }))?;
    save(out, "answers.json", &bytes)?;
    explain(out, &model, &train, &test, case.explained)
}

/// Contributions of booster and forest, and both models with the covers that they were reckoned from.
fn explain(out: &Path, model: &Ensemble, train: &Frame, test: &Frame, most: usize) -> Outcome<()> {
    let chosen: Vec<usize> = (0..test.rows().min(most)).collect();
    let (background, rows) = (model.preprocess().encode(train)?, model.preprocess().encode(&test.take(&chosen))?);
    let booster = Explainer::booster(model.booster(), &background)?;
    let (background, filled) = (model.preprocess().filled(&background), model.preprocess().filled(&rows));
    let forest = Explainer::forest(model.forest(), &background)?;
    let json = [xgboost::booster(model.booster(), Encoding::Json)?, xgboost::forest(model.forest())?];
    for (name, explainer, json, rows) in [("booster", &booster, &json[0], &rows), ("forest", &forest, &json[1], &filled)] {
        let mut document: Json = serde_json::from_slice(json)?;
        let trees =
            document.pointer_mut("/learner/gradient_booster/model/trees").and_then(Json::as_array_mut).ok_or("no trees")?;
        for (at, tree) in trees.iter_mut().enumerate() {
            tree["sum_hessian"] = json!(explainer.covers(at).iter().map(|&cover| cover as f32).collect::<Vec<_>>());
        }
        save(out, &format!("{name}_covered.json"), &serde_json::to_vec(&document)?)?;
        let found = explainer.explain(rows)?;
        let all = found.iter().flat_map(|row| row.columns.iter().copied().chain([row.base]));
        save(out, &format!("{name}_contributions.f64"), &all.flat_map(f64::to_le_bytes).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Forest, booster and machine that others trained: our three answers to each row.
#[expect(clippy::disallowed_methods, reason = "an example reads files")]
fn answer(out: &Path) -> Outcome<()> {
    let read = |name: &str| std::fs::read(out.join(name));
    let answers: Json = serde_json::from_slice(&read("answers.json")?)?;
    let size = |name: &str| answers[name].as_u64().and_then(|size| usize::try_from(size).ok()).ok_or("no size");
    let (rows, width) = (size("rows")?, size("width")?);
    let matrix = |name: &str| -> Outcome<Matrix> {
        let bytes = read(name)?;
        let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Matrix::new(values, rows, width)?)
    };
    let (raw, filled, scaled) = (matrix("raw.f32")?, matrix("filled.f32")?, matrix("scaled.f32")?);
    let forest = xgboost::read_forest(&read("theirs.json")?, Encoding::Json, width)?.chances(&filled);
    let booster = xgboost::read_booster(&read("theirs.ubj")?, Encoding::Ubj, width)?.margins(&raw)?;
    let machine = libsvm::read(&read("theirs.libsvm")?, width)?.chances(&scaled);
    let all = (0..rows).flat_map(|row| [forest[row], f64::from(booster[row]), machine[row]]);
    save(out, "theirs.f64", &all.flat_map(f64::to_le_bytes).collect::<Vec<_>>())
}

/// Numbers, `null` where missing; texts, empty where missing.
fn written(column: &Column) -> Json {
    match column {
        Column::Number(numbers) => json!(numbers.iter().map(|number| number.is_finite().then_some(*number)).collect::<Vec<_>>()),
        Column::Category(levels) => {
            json!((0..levels.codes.len()).map(|row| levels.text(row).unwrap_or("")).collect::<Vec<_>>())
        }
    }
}

/// Rows with holes, and with levels that no training row had.
fn damaged(test: &Frame) -> Frame {
    let mut rng = Rng::new(17);
    let mut out = Frame::new(test.rows());
    for (name, column) in test.iter() {
        let column = match column {
            Column::Number(numbers) => {
                let hole = |number: &f64| if rng.unit() < 0.05 { f64::NAN } else { *number };
                Column::Number(numbers.iter().map(hole).collect())
            }
            Column::Category(Categories { levels, codes }) => {
                let levels: Vec<String> = levels.iter().cloned().chain(["never seen".to_owned()]).collect();
                let unseen = levels.len() as u32 - 1;
                let draw = |code: &u32| match rng.unit() {
                    share if share < 0.03 => unseen,
                    share if share < 0.06 => MISSING,
                    _ => *code,
                };
                Column::Category(Categories { codes: codes.iter().map(draw).collect(), levels })
            }
        };
        // INVARIANT: same rows, and no name twice in `test`.
        let _ = out.push(name, column);
    }
    out
}

fn generated(rows: usize) -> Outcome<(Frame, Vec<bool>)> {
    let mut rng = Rng::new(3);
    let (mut spend, mut visits, mut plan, mut labels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let (money, count) = (libm::exp(rng.unit() * 8.0 - 4.0), (rng.unit() * 9.0).floor());
        let kind = ["monthly", "yearly", "trial", "naïve \"quoted\", with comma"][rng.below(4)];
        let odds = 1.0 - count / 3.0 + if kind == "trial" { 1.5 } else { 0.0 } - libm::log(money) / 3.0;
        labels.push(rng.unit() < logistic(odds));
        spend.push(if rng.unit() < 0.3 { -money } else { money });
        visits.push(count);
        plan.push(Some(kind));
    }
    let mut frame = Frame::new(rows);
    frame.push("spend", Column::Number(spend))?;
    frame.push("visits", Column::Number(visits))?;
    frame.push("plan", Column::Category(Categories::from_texts(plan)))?;
    Ok((frame, labels))
}

/// A public table, `None` where it is not there. None of these files quotes a comma.
#[expect(clippy::disallowed_methods, reason = "an example finds its data by the environment, and reads files")]
fn table(file: &str, drop: &[&str], label: &str) -> Outcome<Option<(Frame, Vec<bool>)>> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let folder = std::env::var("STAYWARD_DATA").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join(file)) else { return Ok(None) };
    let mut lines = text.lines().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let names = lines.next().ok_or("no header")?;
    let rows: Vec<Vec<&str>> = lines.filter(|cells| cells.len() == names.len()).collect();
    let (mut frame, mut labels) = (Frame::new(rows.len()), Vec::new());
    for (at, name) in names.iter().enumerate() {
        let cells = || rows.iter().map(|cells| cells[at]);
        let numbers: Option<Vec<f64>> =
            cells().map(|cell| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() }).collect();
        match numbers {
            _ if drop.contains(name) => (),
            _ if *name == label => {
                labels = cells().map(|cell| matches!(cell.to_lowercase().as_str(), "1" | "yes" | "true")).collect()
            }
            Some(numbers) => frame.push(name, Column::Number(numbers))?,
            None => {
                let texts = cells().map(|cell| Some(cell).filter(|cell| !cell.is_empty()));
                frame.push(name, Column::Category(Categories::from_texts(texts)))?;
            }
        }
    }
    Ok(Some((frame, labels)))
}

#[expect(clippy::disallowed_methods, reason = "an example that exports writes files")]
fn save(folder: &Path, name: &str, bytes: &[u8]) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join(name), bytes)?)
}
