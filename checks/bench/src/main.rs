//! What our training and prediction cost in CPU seconds: one half of a comparison with XGBoost and scikit-learn, whose half is
//! `peer.py`. A model that is too slow to be trained again is not trained again after an attack (T5).
//!
//! usage: bench FOLDER [large | intake | intake-large [ROWS]]. Writes for each size of [`SIZES`] the rows (`rows-SIZE.f32`: 32-bit numbers, row after row, the label
//! last; rows to train on, then rows to test on) and, all in one, `ours.json`: for each size and task `[CPU seconds, quality]`.
//! The quality is the ROC AUC on the rows to test, or for K-Means the sum of squared distances. The others: see [`large`], [`intake`].

mod intake;
mod large;
mod rows;

use std::fmt::Write;
use std::path::PathBuf;

use learn::forest::Forest;
use learn::gbm::Booster;
use learn::kmeans::{self, Points};
use learn::svm::Svm;
use learn::{BoosterSpec, Ensemble, ForestSpec, Kernel, Matrix, Scratch, SvmSpec, TrainSpec, Value, metrics};
use rows::{COLUMNS, Drawn};

/// Rows to train on and to test on: the size of the larger public churn table, and a large one.
const SIZES: [(usize, usize); 2] = [(7_000, 7_000), (200_000, 100_000)];
/// Above this, scikit-learn's exact support vector machine takes hours and its forest minutes a tree.
const SMALL: usize = 20_000;
const CENTRES: usize = 8;
const STARTS: usize = 3;
const LANDMARKS: usize = 300;
const SEED: u64 = 7;
/// Linux counts CPU time of processes in hundredths of a second (`sysconf(_SC_CLK_TCK)`, the same on every common kernel).
const TICKS_PER_SECOND: f64 = 100.0;
/// A prediction is repeated until it took so many CPU seconds, to be long enough for the clock.
const LONG_ENOUGH: f64 = 0.5;
/// Rows that leave the machine of the ensemble about 3,000 support vectors.
const FEWER_ROWS: usize = 4_475;
/// Rows of the largest delivery that is measured.
const LARGE_ROWS: usize = 100_000_000;
/// Single rows between two looks at the clock.
const SINGLE_ROWS: usize = 2_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: bench FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    match std::env::args().nth(2).as_deref() {
        Some("large") => return large::run(&folder),
        Some("intake") => return intake::run(&folder),
        Some("intake-large") => {
            let rows = std::env::args().nth(3).map_or(Ok(LARGE_ROWS), |rows| rows.parse())?;
            return intake::large(rows);
        }
        _ => {}
    }
    let mut parts = Vec::new();
    for (train, test) in SIZES {
        let drawn = Drawn::new(train, test, SEED)?;
        std::fs::write(folder.join(format!("rows-{train}.f32")), drawn.bytes()?)?;
        let mut found = Found::default();
        trees(&drawn, &mut found)?;
        machines(&drawn, &mut found)?;
        groups(&drawn, &mut found)?;
        if train <= SMALL {
            ensemble(&drawn, &mut found)?;
        }
        parts.push(format!("\"{train}\": {{\n  \"test\": [{test}, 0],\n{}\n}}", found.0.join(",\n")));
    }
    Ok(std::fs::write(folder.join("ours.json"), format!("{{\n{}\n}}\n", parts.join(",\n")))?)
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

/// Seconds of one call of what is too short for the clock.
fn repeated(mut work: impl FnMut()) -> Outcome<f64> {
    let mut calls = 0u32;
    let start = cpu_seconds()?;
    loop {
        work();
        calls += 1;
        let took = cpu_seconds()? - start;
        if took >= LONG_ENOUGH {
            return Ok(took / f64::from(calls));
        }
    }
}

/// Lines of the outcome.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    /// One task: its name, what it took, and how good its outcome is.
    fn line(&mut self, name: &str, seconds: f64, quality: f64) -> Outcome<()> {
        let mut text = String::new();
        write!(text, "  \"{name}\": [{seconds}, {quality}]")?;
        println!("{text}");
        self.0.push(text);
        Ok(())
    }

    /// A prediction of many rows.
    fn batch(&mut self, name: &str, truth: &[bool], work: impl Fn() -> Vec<f64>) -> Outcome<()> {
        let quality = metrics::roc_auc(&work(), truth);
        let seconds = repeated(|| {
            std::hint::black_box(work());
        })?;
        self.line(name, seconds, quality)
    }

    /// A prediction of one row, over and over.
    fn single(&mut self, name: &str, rows: &Matrix, work: impl Fn(&[f32]) -> f64) -> Outcome<()> {
        let seconds = repeated(|| {
            for row in 0..SINGLE_ROWS {
                std::hint::black_box(work(rows.row(row % rows.rows())));
            }
        })?;
        self.line(name, seconds / SINGLE_ROWS as f64, 0.0)
    }
}

fn trees(drawn: &Drawn, found: &mut Found) -> Outcome<()> {
    let (train, test, known, truth) = (&drawn.train, &drawn.test, &drawn.known, &drawn.truth);
    let spec = BoosterSpec { depth: 6, subsample: 1.0, colsample: 1.0, ..BoosterSpec::default() };
    let (booster, took) = timed(|| Booster::fit(train, known, &spec, SEED))?;
    let booster = booster?;
    let chances =
        |rows: &Matrix| -> Vec<f64> { booster.margins(rows).unwrap_or_default().into_iter().map(Booster::chance).collect() };
    found.line("booster fit", took, metrics::roc_auc(&chances(test), truth))?;
    found.batch("booster predict", truth, || booster.margins(test).unwrap_or_default().into_iter().map(f64::from).collect())?;
    found.single("booster one row", test, |row| booster.margin_row(row).map_or(f64::NAN, f64::from))?;

    let spec = ForestSpec { trees: if drawn.known.len() <= SMALL { 300 } else { 30 }, ..ForestSpec::default() };
    let (forest, took) = timed(|| Forest::fit(train, known, &spec, SEED))?;
    let forest = forest?;
    found.line("forest fit", took, metrics::roc_auc(&forest.chances(test), truth))?;
    found.batch("forest predict", truth, || forest.chances(test))?;
    found.single("forest one row", test, |row| forest.chance(row))
}

fn machines(drawn: &Drawn, found: &mut Found) -> Outcome<()> {
    let (near, far) = (&drawn.near, &drawn.far);
    let mut one = |name: &str, kernel: Kernel| -> Outcome<()> {
        let spec = SvmSpec { kernel, landmarks: Some(LANDMARKS), ..SvmSpec::default() };
        let (machine, took) = timed(|| Svm::fit(near, &drawn.known, &spec, SEED))?;
        let machine = machine?;
        found.line(&format!("{name} fit"), took, metrics::roc_auc(&machine.chances(far), &drawn.truth))?;
        found.batch(&format!("{name} predict"), &drawn.truth, || machine.chances(far))?;
        found.single(&format!("{name} one row"), far, |row| machine.chance(row))
    };
    if drawn.known.len() <= SMALL {
        one("rbf", Kernel::Rbf)?;
    }
    one("nystroem", Kernel::Nystroem)?;
    one("linear", Kernel::Linear)
}

fn groups(drawn: &Drawn, found: &mut Found) -> Outcome<()> {
    let points = Points::new(drawn.near.values().iter().map(|value| f64::from(*value)).collect(), COLUMNS);
    let ((_, spread), took) = timed(|| kmeans::fit(&points, CENTRES, STARTS, SEED))?;
    found.line("k-means fit", took, spread)
}

/// The whole vote, as the service asks for it: of all rows, and with a machine of fewer support vectors.
fn ensemble(drawn: &Drawn, found: &mut Found) -> Outcome<()> {
    let whole = TrainSpec { booster: BoosterSpec { depth: 6, ..BoosterSpec::default() }, ..TrainSpec::default() };
    let fewer = TrainSpec { svm: SvmSpec { rows_max: FEWER_ROWS, ..whole.svm.clone() }, ..whole.clone() };
    for (name, spec) in [("ensemble", whole), ("ensemble, fewer vectors:", fewer)] {
        let (model, took) = timed(|| Ensemble::fit(&drawn.frame, &drawn.known, &spec))?;
        let model = model?;
        let votes = |rows: &Matrix| -> Vec<f64> {
            model.predict_encoded(rows).unwrap_or_default().iter().map(|scores| scores.vote).collect()
        };
        found.line(&format!("{name} fit"), took, metrics::roc_auc(&votes(&drawn.test), &drawn.truth))?;
        found.line(&format!("{name} support vectors"), 0.0, model.svm().support() as f64)?;
        found.batch(&format!("{name} predict"), &drawn.truth, || votes(&drawn.test))?;
        let values =
            |row: usize| -> Vec<Value<'_>> { drawn.test.row(row).iter().map(|value| Value::Number(f64::from(*value))).collect() };
        let rows: Vec<Vec<Value<'_>>> = (0..SINGLE_ROWS).map(values).collect();
        let mut scratch = Scratch::default();
        let seconds = repeated(|| {
            for row in &rows {
                std::hint::black_box(model.scores(row, &mut scratch).map_or(f64::NAN, |scores| scores.vote));
            }
        })?;
        found.line(&format!("{name} one row"), seconds / SINGLE_ROWS as f64, 0.0)?;
    }
    Ok(())
}
