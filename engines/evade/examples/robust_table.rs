//! Prints what a booster or a forest that reckons with an outsider is worth (T5: adversarial training of the ensemble): AUC, balanced accuracy,
//! and how much of that an exact certificate leaves if he moves every number column by a share of its range.
//!
//! `cargo run -p evade --example robust_table -- DATA.csv LABEL COLUMN,COLUMN.. [DROPPED,..] [SPECS]`
//!
//! Each row of the table is trained on three quarters of the data and judged on the fourth, four times for each of three seeds, so that
//! every customer is judged three times; positives weigh as much as negatives. SPECS: a file of settings, one
//! `{"name": .., "booster": {..}}` or `{"name": .., "forest": {..}}` a line, in the place of ours.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that measures reads files, the clock, and prints"
)]

mod table;

use std::time::Instant;

use evade::{Counts, Trees, certified, certify_rows};
use frame::Frame;
use learn::forest::Forest;
use learn::gbm::{Aids, Booster};
use learn::{BoosterSpec, ForestSpec, Matrix, Preprocess, Reach, RobustSpec, Split, metrics};

/// Parts of the data, each judged once.
const FOLDS: usize = 4;
/// Seeds of the parts and of the training.
const SEEDS: [u64; 3] = [7, 8, 9];
/// Steps of one certificate: a forest's may need more than all others' together.
const COUNTS: Counts = Counts { steps: 20_000 };
/// How far the outsider moves, as shares of the range of a column.
const RADII: [f64; 3] = [0.02, 0.05, 0.1];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Settings under a name.
#[derive(serde::Deserialize)]
struct Line {
    name: String,
    #[serde(flatten)]
    member: Member,
}

#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Member {
    Booster(BoosterSpec),
    Forest(ForestSpec),
}

impl Member {
    /// The same with what an outsider moves, where it reckons with one, and weights of positives.
    fn with(&self, columns: &[String], positive: f64) -> Self {
        let named = |robust: &Option<RobustSpec>| {
            robust.as_ref().map(|robust| RobustSpec { columns: columns.to_vec(), ..robust.clone() })
        };
        match self {
            Self::Booster(spec) => {
                Self::Booster(BoosterSpec { positive_weight: Some(positive), robust: named(&spec.robust), ..spec.clone() })
            }
            Self::Forest(spec) => {
                Self::Forest(ForestSpec { positive_weight: Some(positive), robust: named(&spec.robust), ..spec.clone() })
            }
        }
    }

    fn robust(&self) -> Option<&RobustSpec> {
        match self {
            Self::Booster(spec) => spec.robust.as_ref(),
            Self::Forest(spec) => spec.robust.as_ref(),
        }
    }
}

/// Scores of the judged rows, 0 to 1, the trees, and from which of their scores on a row is positive.
type Fitted = (Vec<f64>, Trees, f64);

fn fitted(member: &Member, rows: &Matrix, labels: &[bool], reach: &[Option<Reach>], seen: &Matrix, seed: u64) -> Outcome<Fitted> {
    match member {
        Member::Booster(spec) => {
            let booster = Booster::fit_with(rows, labels, &Aids { reach, ..Aids::default() }, spec, seed)?;
            let scores = booster.margins(seen)?.into_iter().map(Booster::chance).collect();
            Ok((scores, Trees::from_booster(&booster)?, 0.0))
        }
        Member::Forest(spec) => {
            let forest = Forest::fit_within(rows, labels, reach, spec, seed)?;
            Ok((forest.chances(seen), Trees::from_forest(&forest)?, 0.5))
        }
    }
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
    println!("| trees | AUC | balanced | certified at 0.02 | 0.05 | 0.10 | unknown | fit s |");
    println!("|---|---|---|---|---|---|---|---|");
    for line in lines {
        row(&line.name, &frame, &labels, &movable, &line.member)?;
    }
    Ok(())
}

/// The rows of our own table.
fn ours() -> Vec<Line> {
    let plain = BoosterSpec { trees: 80, depth: 4, learning_rate: 0.1, ..BoosterSpec::default() };
    let forest = ForestSpec { trees: 50, depth_max: 6, min_leaf: 5, ..ForestSpec::default() };
    let robust = |eps: f64, clean: f64| Some(RobustSpec { eps, clean, ..RobustSpec::default() });
    let booster = |robust: Option<RobustSpec>| Member::Booster(BoosterSpec { robust, ..plain.clone() });
    let copies = |splits: bool| Some(RobustSpec { splits, augment: 5, ..RobustSpec::default() });
    let mut lines = vec![
        ("plain".to_owned(), booster(None)),
        ("augment 5, plain splits".to_owned(), booster(copies(false))),
        ("eps 0.1, clean 0.85, augment 5".to_owned(), booster(copies(true))),
    ];
    for (eps, clean) in [(0.05, 0.0), (0.05, 0.5), (0.05, 0.8), (0.1, 0.0), (0.1, 0.5), (0.1, 0.8), (0.1, 0.85), (0.1, 0.9)] {
        lines.push((format!("eps {eps}, clean {clean}"), booster(robust(eps, clean))));
    }
    lines.push(("forest, plain".to_owned(), Member::Forest(forest.clone())));
    for clean in [0.5, 0.85] {
        let member = Member::Forest(ForestSpec { robust: robust(0.1, clean), ..forest.clone() });
        lines.push((format!("forest, eps 0.1, clean {clean}"), member));
    }
    lines.into_iter().map(|(name, member)| Line { name, member }).collect()
}

/// One row of the table: means over folds and seeds, and how many certificates were not decided.
fn row(name: &str, frame: &Frame, labels: &[bool], movable: &[String], member: &Member) -> Outcome<()> {
    let mut sums = [0.0; 7];
    for seed in SEEDS {
        for fold in (Split::Stratified { folds: FOLDS, seed }).folds(frame, labels)? {
            let of = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<bool>>();
            let parts = [(frame.take(&fold.train), of(&fold.train)), (frame.take(&fold.test), of(&fold.test))];
            sums.iter_mut().zip(figures(&parts, movable, member, seed)?).for_each(|(sum, figure)| *sum += figure);
        }
    }
    let [auc, balanced, near, middle, far, took] = [0, 1, 2, 3, 4, 6].map(|at| sums[at] / (FOLDS * SEEDS.len()) as f64);
    let unknown = sums[5];
    println!("| {name} | {auc:.4} | {balanced:.3} | {near:.3} | {middle:.3} | {far:.3} | {unknown} | {took:.1} |");
    Ok(())
}

/// The figures of one training and one judged part.
fn figures(
    [(train, known), (test, truth)]: &[(Frame, Vec<bool>); 2],
    movable: &[String],
    member: &Member,
    seed: u64,
) -> Outcome<[f64; 7]> {
    let positives = known.iter().filter(|label| **label).count();
    let member = member.with(movable, (known.len() - positives) as f64 / positives.max(1) as f64);
    let preprocess = Preprocess::fit(train, &[])?;
    let encode = |frame: &Frame| -> Outcome<Matrix> {
        let raw = preprocess.encode(frame)?;
        Ok(if matches!(member, Member::Forest(_)) { preprocess.filled(&raw) } else { raw })
    };
    let (rows, seen) = (encode(train)?, encode(test)?);
    let whole = preprocess.reach(&rows, movable, 1.0)?;
    let scales: Vec<f64> = whole.iter().map(|reach| reach.map_or(0.0, |reach| reach.up)).collect();
    let reach = preprocess.reach(&rows, movable, member.robust().map_or(0.0, |robust| robust.eps))?;
    let start = Instant::now();
    let (scores, trees, threshold) = fitted(&member, &rows, known, &reach, &seen, seed)?;
    let mut out = [metrics::roc_auc(&scores, truth), 0.0, 0.0, 0.0, 0.0, 0.0, start.elapsed().as_secs_f64()];
    for (at, radius) in RADII.into_iter().enumerate() {
        let found = certified(&certify_rows(&trees, &seen, &scales, radius, threshold, COUNTS)?, truth)?;
        (out[1], out[2 + at]) = (found.balanced_accuracy, found.balanced_certified_accuracy);
        out[5] += found.unknown * found.rows as f64;
    }
    Ok(out)
}

/// Frame and labels; columns that are all numbers (or empty) become numbers. Quoted commas are not read.
fn read(text: &str, label: &str, dropped: &[String]) -> Outcome<(Frame, Vec<bool>)> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("there are no rows")?.split(',').map(str::trim).collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').map(str::trim).collect()).collect();
    table::typed(&names, &rows, label, |name| dropped.iter().any(|drop| drop == name))
}
