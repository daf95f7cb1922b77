//! Prints what a booster that reckons with an outsider is worth (T5: adversarial training of the ensemble): AUC, balanced accuracy,
//! and how much of that an exact certificate leaves if he moves every number column by a share of its range.
//!
//! `cargo run -p evade --example robust_table -- DATA.csv LABEL COLUMN,COLUMN.. [DROPPED,..] [SPECS]`
//!
//! Each row of the table is trained on three quarters of the data and judged on the fourth, four times, so that every customer is
//! judged once; positives weigh as much as negatives. SPECS: a file of settings, one `{"name": .., "booster": {..}}` a line, in the
//! place of ours.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that measures reads files, the clock, and prints"
)]

use std::time::Instant;

use evade::{Counts, Trees, certified, certify_rows};
use frame::{Categories, Column, Frame};
use learn::gbm::{Aids, Booster};
use learn::{BoosterSpec, Preprocess, RobustSpec, Split, metrics};

/// Parts of the data, each judged once.
const FOLDS: usize = 4;
/// The seed of the parts and of the training.
const SEED: u64 = 7;
/// How far the outsider moves, as shares of the range of a column.
const RADII: [f64; 3] = [0.02, 0.05, 0.1];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Settings under a name.
#[derive(serde::Deserialize)]
struct Line {
    name: String,
    booster: BoosterSpec,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, label, movable, further @ ..] = arguments.as_slice() else {
        return Err("say what to train on: robust_table DATA.csv LABEL COLUMN,COLUMN.. [DROPPED,..] [SPECS]".into());
    };
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<String>>();
    let dropped = further.first().map_or(Vec::new(), |text| list(text));
    let (frame, labels) = read(&std::fs::read_to_string(data)?, label, &dropped)?;
    let movable = list(movable);
    let lines = match further.get(1) {
        Some(file) => std::fs::read_to_string(file)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?,
        None => ours(),
    };
    println!("| booster | AUC | balanced | certified at 0.02 | 0.05 | 0.10 | unknown | fit s |");
    println!("|---|---|---|---|---|---|---|---|");
    for line in lines {
        let booster = BoosterSpec {
            robust: line.booster.robust.map(|robust| RobustSpec { columns: movable.clone(), ..robust }),
            ..line.booster
        };
        row(&line.name, &frame, &labels, &movable, &booster)?;
    }
    Ok(())
}

/// The rows of our own table.
fn ours() -> Vec<Line> {
    let plain = BoosterSpec { trees: 80, depth: 4, learning_rate: 0.1, ..BoosterSpec::default() };
    let line = |name: &str, robust: RobustSpec| Line {
        name: name.to_owned(),
        booster: BoosterSpec { robust: Some(robust), ..plain.clone() },
    };
    let robust = |eps: f64, clean: f64| RobustSpec { eps, clean, ..RobustSpec::default() };
    vec![
        Line { name: "plain".to_owned(), booster: plain.clone() },
        line("augment 5, plain splits, eps 0.1", RobustSpec { splits: false, augment: 5, ..robust(0.1, 0.0) }),
        line("eps 0.05, clean 0", robust(0.05, 0.0)),
        line("eps 0.05, clean 0.5", robust(0.05, 0.5)),
        line("eps 0.05, clean 0.8", robust(0.05, 0.8)),
        line("eps 0.1, clean 0", robust(0.1, 0.0)),
        line("eps 0.1, clean 0.5", robust(0.1, 0.5)),
        line("eps 0.1, clean 0.8", robust(0.1, 0.8)),
        line("eps 0.1, clean 0.85", robust(0.1, 0.85)),
        line("eps 0.1, clean 0.9", robust(0.1, 0.9)),
        line("eps 0.1, clean 0.8, augment 5", RobustSpec { augment: 5, ..robust(0.1, 0.8) }),
    ]
}

/// One row of the table.
fn row(name: &str, frame: &Frame, labels: &[bool], movable: &[String], spec: &BoosterSpec) -> Outcome<()> {
    let mut sums = [0.0; 7];
    for fold in (Split::Stratified { folds: FOLDS, seed: SEED }).folds(frame, labels)? {
        let (train, test) = (frame.take(&fold.train), frame.take(&fold.test));
        let of = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<bool>>();
        let (known, truth) = (of(&fold.train), of(&fold.test));
        let positives = known.iter().filter(|label| **label).count();
        let spec =
            BoosterSpec { positive_weight: Some((known.len() - positives) as f64 / positives.max(1) as f64), ..spec.clone() };
        let preprocess = Preprocess::fit(&train, &[])?;
        let (rows, seen) = (preprocess.encode(&train)?, preprocess.encode(&test)?);
        let eps = spec.robust.as_ref().map_or(0.0, |robust| robust.eps);
        let reach = preprocess.reach(&rows, movable, eps)?;
        let start = Instant::now();
        let booster = Booster::fit_with(&rows, &known, &Aids { reach: &reach, ..Aids::default() }, &spec, SEED)?;
        let took = start.elapsed().as_secs_f64();
        let scores: Vec<f64> = booster.margins(&seen)?.into_iter().map(Booster::chance).collect();
        let scales: Vec<f64> =
            preprocess.reach(&rows, movable, 1.0)?.iter().map(|reach| reach.map_or(0.0, |reach| reach.up)).collect();
        let trees = Trees::from_booster(&booster)?;
        let mut figures = [metrics::roc_auc(&scores, &truth), 0.0, 0.0, 0.0, 0.0, 0.0, took];
        for (at, radius) in RADII.into_iter().enumerate() {
            let found = certified(&certify_rows(&trees, &seen, &scales, radius, 0.0, Counts::default())?, &truth)?;
            (figures[1], figures[2 + at]) = (found.balanced_accuracy, found.balanced_certified_accuracy);
            figures[5] += found.unknown * found.rows as f64;
        }
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    let [auc, balanced, near, middle, far, unknown, took] = sums;
    let mean = |sum: f64| sum / FOLDS as f64;
    println!(
        "| {name} | {:.4} | {:.3} | {:.3} | {:.3} | {:.3} | {unknown} | {:.1} |",
        mean(auc),
        mean(balanced),
        mean(near),
        mean(middle),
        mean(far),
        mean(took)
    );
    Ok(())
}

/// Frame and labels; columns that are all numbers (or empty) become numbers. Quoted commas are not read.
fn read(text: &str, label: &str, dropped: &[String]) -> Outcome<(Frame, Vec<bool>)> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("there are no rows")?.split(',').map(str::trim).collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').map(str::trim).collect()).collect();
    let cells = |at: usize| rows.iter().map(move |row| row.get(at).copied().unwrap_or_default());
    let at = names.iter().position(|name| *name == label).ok_or("the label is no column")?;
    let labels = cells(at).map(|cell| matches!(cell.to_lowercase().as_str(), "1" | "yes" | "true")).collect();
    let mut frame = Frame::new(rows.len());
    for (at, name) in names.iter().enumerate().filter(|(_, name)| **name != label && !dropped.iter().any(|drop| drop == *name)) {
        let number = |cell: &str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() };
        let column = match cells(at).map(number).collect::<Option<Vec<f64>>>() {
            Some(numbers) => Column::Number(numbers),
            None => Column::Category(Categories::from_texts(cells(at).map(|cell| Some(cell).filter(|cell| !cell.is_empty())))),
        };
        frame.push(name, column)?;
    }
    Ok((frame, labels))
}
