//! What our training and prediction cost in CPU seconds: one half of a comparison with XGBoost and scikit-learn, whose half is
//! `peer.py`. A model that is too slow to be trained again is not trained again after an attack (T5).
//!
//! usage: bench FOLDER. Writes the rows there (`rows.csv`: numbers, then the label; the first half trains, the second tests) and
//! `ours.json`: for each task `[CPU seconds, quality]`, the quality being the ROC AUC on the second half, or for the segments the
//! sum of squared distances.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use frame::{Column, Frame};
use learn::forest::Forest;
use learn::gbm::Booster;
use learn::kmeans::{self, Points};
use learn::rng::Rng;
use learn::svm::Svm;
use learn::{Matrix, Preprocess, TrainSpec, metrics};

/// Rows to train on, and as many to test on: the size of the larger public churn table.
const ROWS: usize = 7_000;
const COLUMNS: usize = 20;
const CENTRES: usize = 8;
const STARTS: usize = 10;
const SEED: u64 = 7;
/// Linux counts CPU time of processes in hundredths of a second (`sysconf(_SC_CLK_TCK)`, the same on every common kernel).
const TICKS_PER_SECOND: f64 = 100.0;
/// A prediction is repeated so often, to be long enough for the clock.
const REPEATS: u32 = 10;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: bench FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let mut rng = Rng::new(SEED);
    let (train, known) = drawn(&mut rng)?;
    let (test, truth) = drawn(&mut rng)?;
    save_rows(&folder, [(&train, &known), (&test, &truth)])?;
    let mut text = String::from("{\n");
    members(&train, &known, &test, &truth, &mut text)?;
    segments(&train, &mut text)?;
    writeln!(text, "  \"rows\": {ROWS}\n}}")?;
    std::fs::write(folder.join("ours.json"), text)?;
    Ok(())
}

/// CPU seconds of this process so far, on all its threads (proc(5): fields 14 and 15 of `stat`).
fn cpu_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("/proc/self/stat has another form")?;
    let ticks: Result<Vec<u64>, _> = after_name.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

fn timed<T>(work: impl FnOnce() -> T) -> Outcome<(T, f64)> {
    let start = cpu_seconds()?;
    let made = work();
    Ok((made, cpu_seconds()? - start))
}

/// Customers whose odds are partly straight, partly crooked.
fn drawn(rng: &mut Rng) -> Outcome<(Frame, Vec<bool>)> {
    let mut columns: Vec<Vec<f64>> = (0..COLUMNS).map(|_| Vec::with_capacity(ROWS)).collect();
    let mut labels = Vec::with_capacity(ROWS);
    for _ in 0..ROWS {
        let row: Vec<f64> = (0..COLUMNS).map(|_| rng.unit() * 4.0 - 2.0).collect();
        let straight: f64 = row.iter().take(5).sum();
        let crooked = row[5] * row[6] + (row[7].abs() - 1.0) * 1.5 + if row[8] > 0.5 && row[9] < 0.0 { 2.0 } else { 0.0 };
        let odds = 0.5 * straight + 0.6 * crooked - 1.0;
        labels.push(rng.unit() < 1.0 / (1.0 + (-odds).exp()));
        for (column, value) in columns.iter_mut().zip(row) {
            // As a file would hold it, so that both sides have the same numbers.
            column.push((value * 1e4).round() / 1e4);
        }
    }
    let mut frame = Frame::new(ROWS);
    for (at, column) in columns.into_iter().enumerate() {
        frame.push(&format!("x{at}"), Column::Number(column))?;
    }
    Ok((frame, labels))
}

fn save_rows(folder: &Path, halves: [(&Frame, &Vec<bool>); 2]) -> Outcome<()> {
    let mut text = String::new();
    for (frame, labels) in halves {
        for (row, label) in labels.iter().enumerate() {
            for (_, column) in frame.iter() {
                match column {
                    Column::Number(numbers) => write!(text, "{},", numbers[row])?,
                    Column::Category(_) => return Err("all columns are numbers".into()),
                }
            }
            writeln!(text, "{}", u8::from(*label))?;
        }
    }
    Ok(std::fs::write(folder.join("rows.csv"), text)?)
}

/// One task: its name, what it took, and how good its outcome is.
fn line(text: &mut String, name: &str, seconds: f64, quality: f64) -> Outcome<()> {
    Ok(writeln!(text, "  \"{name}\": [{seconds}, {quality}],")?)
}

fn members(train: &Frame, known: &[bool], test: &Frame, truth: &[bool], text: &mut String) -> Outcome<()> {
    let spec = TrainSpec::default();
    let encoding = Preprocess::fit(train, &[])?;
    let (rows, others) = (encoding.encode(train)?, encoding.encode(test)?);
    let (near, far) = (encoding.scaled(&encoding.filled(&rows)), encoding.scaled(&encoding.filled(&others)));

    let (booster, took) = timed(|| Booster::fit(&rows, known, &spec.booster, SEED))?;
    let booster = booster?;
    let chances =
        |rows: &Matrix| -> Vec<f64> { booster.margins(rows).unwrap_or_default().into_iter().map(Booster::chance).collect() };
    line(text, "booster fit", took, metrics::roc_auc(&chances(&others), truth))?;
    predicting(text, "booster predict", truth, || chances(&others))?;

    let (forest, took) = timed(|| Forest::fit(&rows, known, &spec.forest, SEED))?;
    let forest = forest?;
    line(text, "forest fit", took, metrics::roc_auc(&forest.chances(&others), truth))?;
    predicting(text, "forest predict", truth, || forest.chances(&others))?;

    let (svm, took) = timed(|| Svm::fit(&near, known, &spec.svm, SEED))?;
    let svm = svm?;
    line(text, "svm fit", took, metrics::roc_auc(&svm.chances(&far), truth))?;
    predicting(text, "svm predict", truth, || svm.chances(&far))
}

fn predicting(text: &mut String, name: &str, truth: &[bool], work: impl Fn() -> Vec<f64>) -> Outcome<()> {
    let (last, took) = timed(|| (0..REPEATS).map(|_| std::hint::black_box(work())).last())?;
    line(text, name, took / f64::from(REPEATS), metrics::roc_auc(&last.unwrap_or_default(), truth))
}

fn segments(train: &Frame, text: &mut String) -> Outcome<()> {
    let encoding = Preprocess::fit(train, &[])?;
    let scaled = encoding.scaled(&encoding.filled(&encoding.encode(train)?));
    let points = Points::new(scaled.values().iter().map(|value| f64::from(*value)).collect(), COLUMNS);
    let ((_, spread), took) = timed(|| kmeans::fit(&points, CENTRES, STARTS, SEED))?;
    line(text, "k-means fit", took, spread)
}
