//! Writes a trained model, its encoded rows and our figures, so that `checks/peers/learn_peer.py` can hold them against XGBoost and
//! scikit-learn (T4: a model that only its maker can check is no evidence). Prints fit times.
//!
//! `cargo run -p learn --example export_for_peers -- OUTDIR`

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frame::{Categories, Column, Frame};
use learn::calibrate::logistic;
use learn::forest::Forest;
use learn::gbm::Booster;
use learn::kmeans::{self, Points, Silhouettes};
use learn::rng::Rng;
use learn::svm::Svm;
use learn::{Ensemble, LearnError, Matrix, Member, TrainSpec, Value, metrics};

/// Rows to train on; the size of the smaller public churn data.
const TRAIN_ROWS: usize = 5_600;
/// Rows to test on.
const TEST_ROWS: usize = 4_000;
/// Number columns.
const NUMBERS: usize = 8;
/// Category columns.
const CATEGORIES: usize = 8;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let out = PathBuf::from(std::env::args().nth(1).ok_or("say where to write: export_for_peers OUTDIR")?);
    let (train, labels) = generated(TRAIN_ROWS, 1)?;
    let (test, truth) = generated(TEST_ROWS, 2)?;
    let spec = TrainSpec::default();
    let (model, took) = timed(|| Ensemble::fit(&train, &labels, &spec));
    let model = model?;
    let mut facts = String::from("{\n");
    writeln!(facts, "  \"fit_seconds\": {},", took.as_secs_f64())?;
    time_members(&model, &train, &labels, &spec, &mut facts)?;

    let files = model.to_files()?;
    for (name, bytes) in &files {
        save(&out, name, bytes)?;
    }
    let raw = model.preprocess().encode(&test)?;
    let encoded_train = model.preprocess().encode(&train)?;
    save(&out, "train.csv", table(&model, &encoded_train, &labels)?.as_bytes())?;
    save(&out, "test.csv", table(&model, &raw, &truth)?.as_bytes())?;

    let scores = model.predict(&test)?;
    let margins = model.booster().margins(&raw)?;
    let scaled = model.preprocess().scaled(&model.preprocess().filled(&raw));
    let mut text = String::from("margin_bits,decision,booster,svm,forest,vote\n");
    for (row, score) in scores.iter().enumerate() {
        let (bits, decision) = (margins[row].to_bits(), model.svm().decision(scaled.row(row)));
        writeln!(text, "{bits},{decision},{},{},{},{}", score.booster, score.svm, score.forest, score.vote)?;
    }
    save(&out, "scores.csv", text.as_bytes())?;
    for member in Member::ALL {
        let own: Vec<f64> = scores.iter().map(|score| member.of(score)).collect();
        let figures = [
            metrics::roc_auc(&own, &truth),
            metrics::average_precision(&own, &truth),
            metrics::log_loss(&own, &truth),
            metrics::brier(&own, &truth),
            metrics::accuracy(&own, &truth, 0.5),
        ];
        writeln!(facts, "  \"{}\": {figures:?},", format!("{member:?}").to_lowercase())?;
    }
    time_row(&model, &test, &mut facts);
    export_segments(&out, &mut facts)?;
    facts.push_str("}\n");
    save(&out, "facts.json", facts.as_bytes())
}

/// Times each member alone, on as many threads as there are.
fn time_members(model: &Ensemble, train: &Frame, labels: &[bool], spec: &TrainSpec, facts: &mut String) -> Outcome<()> {
    let raw = model.preprocess().encode(train)?;
    let filled = model.preprocess().filled(&raw);
    let scaled = model.preprocess().scaled(&filled);
    let booster = timed(|| Booster::fit(&raw, labels, &spec.booster, 1)).1;
    let forest = timed(|| Forest::fit(&filled, labels, &spec.forest, 1)).1;
    let svm = timed(|| Svm::fit(&scaled, labels, &spec.svm, 1)).1;
    for (name, took) in [("booster", booster), ("forest", forest), ("svm", svm)] {
        writeln!(facts, "  \"{name}_fit_seconds\": {},", took.as_secs_f64())?;
    }
    Ok(())
}

/// Times the answer of one row: the mean over a thousand.
fn time_row(model: &Ensemble, test: &Frame, facts: &mut String) {
    let cell = |name: &str, row: usize| match test.column(name) {
        Some(Column::Number(numbers)) => Value::Number(numbers[row]),
        Some(Column::Category(categories)) => categories.text(row).map_or(Value::Missing, Value::Text),
        None => Value::Missing,
    };
    let rows: Vec<Vec<Value<'_>>> =
        (0..1000).map(|row| model.columns().iter().map(|column| cell(&column.name, row)).collect()).collect();
    let (sum, took) = timed(|| rows.iter().filter_map(|row| model.predict_row(row).ok()).map(|scores| scores.vote).sum::<f64>());
    facts.push_str(&format!("  \"row_microseconds\": {},\n  \"row_vote_sum\": {sum},\n", took.as_secs_f64() * 1e3));
}

/// Points, two partitions and what we measure of them.
fn export_segments(out: &Path, facts: &mut String) -> Outcome<()> {
    let mut rng = Rng::new(5);
    let values: Vec<f64> = (0..2_500 * 3).map(|at| (at / 3 % 4) as f64 + rng.unit() * 3.0).collect();
    let points = Points::new(values, 3);
    let (four, inertia) = kmeans::fit(&points, 4, 10, 1);
    let (own, other) = (kmeans::assign(&points, &four), kmeans::assign(&points, &kmeans::fit(&points, 3, 10, 1).0));
    let mut text = String::from("x,y,z,four,three\n");
    for row in 0..points.len() {
        let point = points.at(row);
        writeln!(text, "{},{},{},{},{}", point[0], point[1], point[2], own[row], other[row])?;
    }
    save(out, "points.csv", text.as_bytes())?;
    let silhouette = Silhouettes::new(&points, 1).mean(&own);
    writeln!(facts, "  \"inertia\": {inertia},\n  \"silhouette\": {silhouette},")?;
    writeln!(facts, "  \"rand\": {}", metrics::adjusted_rand(&own, &other))?;
    Ok(())
}

/// Customers whose odds are partly straight, partly crooked, with holes.
fn generated(rows: usize, seed: u64) -> Outcome<(Frame, Vec<bool>)> {
    let mut rng = Rng::new(seed);
    let mut numbers = vec![Vec::new(); NUMBERS];
    let mut texts = vec![Vec::new(); CATEGORIES];
    let mut labels = Vec::new();
    const LEVELS: [&str; 4] = ["north", "south", "east", "west"];
    for _ in 0..rows {
        let mut odds = -1.6;
        let mut drawn = [0.0; NUMBERS];
        for (at, column) in numbers.iter_mut().enumerate() {
            drawn[at] = rng.unit() * 4.0 - 2.0;
            odds += if at < 4 { 0.5 * drawn[at] } else { 0.0 };
            let value = if at % 2 == 0 { (drawn[at] * 10.0).round() } else { drawn[at] };
            column.push(if rng.unit() < 0.04 { f64::NAN } else { value });
        }
        odds += drawn[4] * drawn[5] * 0.6 + (drawn[6].abs() - 1.0) * 0.8;
        for (at, column) in texts.iter_mut().enumerate() {
            let level = rng.below(2 + at % 3);
            odds += if at < 3 && level == 0 { 0.7 } else { 0.0 };
            column.push(LEVELS[level]);
        }
        labels.push(rng.unit() < logistic(odds));
    }
    let mut frame = Frame::new(rows);
    for (at, column) in numbers.into_iter().enumerate() {
        frame.push(&format!("number{at}"), Column::Number(column))?;
    }
    for (at, column) in texts.into_iter().enumerate() {
        frame.push(&format!("kind{at}"), Column::Category(Categories::from_texts(column.into_iter().map(Some))))?;
    }
    Ok((frame, labels))
}

/// Encoded rows with a header; missing values are empty, the label is last.
fn table(model: &Ensemble, rows: &Matrix, labels: &[bool]) -> Result<String, LearnError> {
    let mut text = model.preprocess().encoded_names().join(",");
    text.push_str(",label\n");
    for (row, label) in labels.iter().enumerate() {
        for value in rows.row(row) {
            if value.is_nan() { text.push(',') } else { text.push_str(&format!("{value},")) }
        }
        text.push_str(if *label { "1\n" } else { "0\n" });
    }
    Ok(text)
}

#[expect(clippy::disallowed_methods, reason = "an example that measures needs the clock")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let done = work();
    (done, start.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "an example that exports writes files")]
fn save(folder: &Path, name: &str, bytes: &[u8]) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join(name), bytes)?)
}
