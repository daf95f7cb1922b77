//! Prints how often outsiders turn right answers of the whole vote, without and with training against them (T5: adversarial training
//! of all three members): three attackers that no training uses, each within what a declared space allows.
//!
//! `cargo run -p evade --example evasion_table -- DATA [ROWS|curve] [SPECS] [half]`, DATA one of `telco_ibm`, `mlc_churn`,
//! `iranian_churn`, `online_retail`; public files are found by the variable `STAYWARD_DATA`.
//!
//! The model learns 70 in 100 rows; of the others, ROWS (300) are attacked, if the model is right on them, as they come. Each model calls
//! as many churners as there are in the data, so that none seems robust by calling nobody; with `half` each calls whom its vote gives
//! one half. SPECS: a file of settings, one `{"name": .., "spec": {..}}` a line, in the place of ours; the first is what the others are
//! compared with. With `curve`: what more strength costs, measured within the 70 in 100 rows, and what a policy would choose.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that measures reads files, the clock, and prints"
)]

mod table;

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Instant;

use evade::{Campaign, Knowledge, Moves, Plan, Point, Reach, Relation, Rule, Space, Tally, campaign, cells, choose, point};
use frame::{Column, Frame};
use learn::interval::clopper_pearson;
use learn::{Ensemble, Split, TrainSpec, metrics};

/// Of so many parts of the data, the first three are judged.
const PARTS: usize = 10;
/// Seed of the parts.
const SEED: u64 = 7;
/// Questions of an attacker for each row.
const QUERIES: u64 = 300;
/// Rows that an attacker who sees answers alone has of his own.
const KNOWN: usize = 200;
/// Rows that are attacked unless told otherwise.
const ROWS: usize = 300;
/// What training reckons with: how far a column is moved, as a share of its range, and how much that counts.
const EPS: f64 = 0.1;
const STRENGTH: f64 = 1.0;
/// Strengths of the curve, and rows that are attacked at each.
const STRENGTHS: [f64; 6] = [0.0, 0.5, 0.75, 1.0, 1.5, 2.0];
const CURVE_ROWS: usize = 600;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A public file, and what outsiders can do to its rows.
struct Data {
    file: &'static str,
    label: &'static str,
    dropped: &'static [&'static str],
    /// Only rows with this value, where rows are of several moments.
    only: Option<(&'static str, &'static str)>,
    /// Number columns that he moves by a share of their range.
    movable: &'static [&'static str],
    /// What he can really do.
    real: fn() -> (Vec<Rule>, Vec<Relation>),
}

const ALL: [(&str, Data); 4] = [
    (
        "telco_ibm",
        Data {
            file: "telco_ibm.csv",
            label: "Churn",
            dropped: &["customerID"],
            only: None,
            movable: &["tenure", "MonthlyCharges", "TotalCharges"],
            real: telco,
        },
    ),
    (
        "mlc_churn",
        Data {
            file: "mlc_churn.csv",
            label: "churn",
            dropped: &[],
            only: None,
            movable: &[
                "account_length",
                "number_vmail_messages",
                "total_day_minutes",
                "total_day_calls",
                "total_day_charge",
                "total_eve_minutes",
                "total_eve_calls",
                "total_eve_charge",
                "total_night_minutes",
                "total_night_calls",
                "total_night_charge",
                "total_intl_minutes",
                "total_intl_calls",
                "total_intl_charge",
            ],
            real: mlc,
        },
    ),
    (
        "iranian_churn",
        Data {
            file: "iranian_churn.csv",
            label: "Churn",
            dropped: &[],
            only: None,
            movable: &[
                "Call Failure",
                "Charge Amount",
                "Seconds of Use",
                "Frequency of use",
                "Frequency of SMS",
                "Distinct Called Numbers",
                "Customer Value",
            ],
            real: iranian,
        },
    ),
    (
        "online_retail",
        Data {
            file: "online_retail_snapshots.csv.gz",
            label: "churn",
            dropped: &["CustomerID", "cutoff", "future_spend_90d"],
            only: Some(("cutoff", "2011-09-01")),
            movable: &[
                "recency_days",
                "frequency",
                "monetary",
                "tenure_days",
                "avg_basket",
                "avg_items",
                "avg_skus",
                "spend_0_30",
                "spend_31_60",
                "spend_61_90",
                "gap_mean_days",
                "return_rate",
                "return_value",
                "distinct_skus",
                "avg_unit_price",
            ],
            real: retail,
        },
    ),
];

fn rule(column: &str, moves: Moves, reach: Reach) -> Rule {
    Rule { column: column.to_owned(), moves, reach, min: Some(0.0), ..Rule::default() }
}

/// Years stay; how he pays and a tenth of the monthly price are his to choose; the total grows by this month's difference.
fn telco() -> (Vec<Rule>, Vec<Relation>) {
    let free = |column: &str| Rule { column: column.to_owned(), moves: Moves::Free, ..Rule::default() };
    let rules = vec![rule("MonthlyCharges", Moves::Free, Reach::Relative(0.1)), free("PaymentMethod"), free("PaperlessBilling")];
    let sum = Relation::Sum { total: "TotalCharges".to_owned(), parts: vec!["MonthlyCharges".to_owned()] };
    (rules, vec![sum])
}

/// He calls a tenth more or less, and has a few messages more; the account's age, its plans and its complaints stay. Charges move apart
/// from minutes here, which is more than he can do: no relation says that one is a multiple of the other.
fn mlc() -> (Vec<Rule>, Vec<Relation>) {
    let mut rules = Vec::new();
    for part in ["day", "eve", "night", "intl"] {
        for what in ["minutes", "charge"] {
            rules.push(rule(&format!("total_{part}_{what}"), Moves::Free, Reach::Relative(0.1)));
        }
        let calls = rule(&format!("total_{part}_calls"), Moves::Free, Reach::Relative(0.1));
        rules.push(Rule { integer: true, ..calls });
    }
    let messages = rule("number_vmail_messages", Moves::IncreaseOnly, Reach::Absolute(5.0));
    rules.push(Rule { integer: true, ..messages });
    (rules, Vec::new())
}

/// He uses a tenth more or less, whole units; what he is and how long he is there stays.
fn iranian() -> (Vec<Rule>, Vec<Relation>) {
    let used = ["Seconds of Use", "Frequency of use", "Frequency of SMS", "Distinct Called Numbers", "Call Failure"];
    let whole = |name: &&str| Rule { integer: true, ..rule(name, Moves::Free, Reach::Relative(0.1)) };
    (used.iter().map(whole).collect(), Vec::new())
}

/// Orders that are placed now: one or two more, of up to 50 each, which shows in what was spent last, and how long ago that was.
fn retail() -> (Vec<Rule>, Vec<Relation>) {
    let more = |name: &str, by: f64| rule(name, Moves::IncreaseOnly, Reach::Absolute(by));
    let less = rule("recency_days", Moves::DecreaseOnly, Reach::Absolute(7.0));
    let orders = Rule { integer: true, ..more("frequency", 2.0) };
    let skus = Rule { integer: true, ..more("distinct_skus", 5.0) };
    let sum = Relation::Sum { total: "monetary".to_owned(), parts: vec!["spend_0_30".to_owned()] };
    (vec![Rule { integer: true, ..less }, orders, skus, more("spend_0_30", 50.0)], vec![sum])
}

/// Settings under a name.
#[derive(serde::Deserialize)]
struct Line {
    name: String,
    spec: TrainSpec,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, data)) = arguments.first().and_then(|name| ALL.iter().find(|(known, _)| known == name)) else {
        return Err("say what to attack: evasion_table telco_ibm|mlc_churn|iranian_churn|online_retail [ROWS] [SPECS]".into());
    };
    let (frame, labels) = read(data)?;
    let folds = (Split::Stratified { folds: PARTS, seed: SEED }).folds(&frame, &labels)?;
    let test: Vec<usize> = folds.iter().take(3).flat_map(|fold| fold.test.iter().copied()).collect();
    let judged: BTreeSet<usize> = test.iter().copied().collect();
    let train: Vec<usize> = (0..labels.len()).filter(|row| !judged.contains(row)).collect();
    let test: Vec<usize> = judged.into_iter().collect();
    let of = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<bool>>();
    let (train, test) = ((frame.take(&train), of(&train)), (frame.take(&test), of(&test)));
    if arguments.get(1).is_some_and(|text| text == "curve") {
        return curve(data, &train);
    }
    let rows = arguments.get(1).map_or(Ok(ROWS), |text| text.parse())?;
    println!("{name}: {} rows learned, {} judged, of which {rows} are attacked", train.1.len(), test.1.len());
    let lines: Vec<Line> = match arguments.get(2) {
        Some(file) => {
            let text = std::fs::read_to_string(file)?.replace("\"MOVABLE\"", &serde_json::to_string(data.movable)?);
            text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?
        }
        None => ours(data),
    };
    let mut first: Option<Vec<f64>> = None;
    for line in lines {
        let shares = judged_by(&line, data, &train, &test, rows, first.as_deref())?;
        first.get_or_insert(shares);
    }
    Ok(())
}

/// The rows of our own table.
fn ours(data: &Data) -> Vec<Line> {
    let plain = TrainSpec::default();
    let hardened = plain.hardened(&reckoned(data), EPS, STRENGTH);
    vec![Line { name: "off".to_owned(), spec: plain }, Line { name: format!("strength {STRENGTH}"), spec: hardened }]
}

/// Columns that training reckons with: all that any of our spaces lets him move.
fn reckoned(data: &Data) -> Vec<String> {
    let real = (data.real)().0.into_iter().map(|rule| rule.column);
    data.movable.iter().map(|name| (*name).to_owned()).chain(real).collect::<BTreeSet<String>>().into_iter().collect()
}

/// Prints what more strength costs, on the learned rows alone.
fn curve(data: &Data, (train, known): &(Frame, Vec<bool>)) -> Outcome<()> {
    let plan = Plan { columns: reckoned(data), eps: EPS, rows_max: CURVE_ROWS, seed: SEED };
    let mut points: Vec<Point> = Vec::new();
    println!("| strength | AUC | balanced | withstood | turned | 95 % | s |");
    println!("|---|---|---|---|---|---|---|");
    for strength in STRENGTHS {
        let start = Instant::now();
        let point = point(train, known, &TrainSpec::default(), &plan, strength)?;
        println!(
            "| {strength} | {:.4} | {:.3} | {:.3} | {:.3} | {:.3} to {:.3} | {:.0} |",
            point.auc,
            point.balanced_accuracy,
            point.balanced_withstood,
            point.success(),
            point.interval.0,
            point.interval.1,
            start.elapsed().as_secs_f64()
        );
        points.push(point);
    }
    for loss in [0.005, 0.01, 0.02] {
        let chosen = choose(&points, loss).ok_or("there are no points")?;
        println!("a loss of {loss} of AUC buys strength {}", chosen.strength);
    }
    Ok(())
}

/// Trains, attacks and prints; the shares of wins, in the order of the printed rows.
fn judged_by(
    line: &Line,
    data: &Data,
    (train, known): &(Frame, Vec<bool>),
    (test, truth): &(Frame, Vec<bool>),
    rows: usize,
    first: Option<&[f64]>,
) -> Outcome<Vec<f64>> {
    let start = Instant::now();
    let model = Ensemble::fit(train, known, &line.spec)?;
    let took = start.elapsed().as_secs_f64();
    let scores = model.predict(test)?;
    let model = if std::env::args().any(|one| one == "half") { model } else { calling_as_many(model, &scores, known)? };
    let auc = |of: &dyn Fn(&learn::Scores) -> f64| metrics::roc_auc(&scores.iter().map(of).collect::<Vec<f64>>(), truth);
    let right = |class: bool| {
        let all = scores.iter().zip(truth).filter(|(_, label)| **label == class);
        all.clone().filter(|(scores, label)| model.is_positive(scores) == **label).count() as f64 / all.count() as f64
    };
    println!(
        "{}: AUC {:.4} (booster {:.4}, machine {:.4}, forest {:.4}), churners found {:.3}, stayers found {:.3}, fit {took:.0} s",
        line.name,
        auc(&|one| one.vote),
        auc(&|one| one.booster),
        auc(&|one| one.svm),
        auc(&|one| one.forest),
        right(true),
        right(false)
    );
    let some: Vec<usize> = (0..rows.min(truth.len())).map(|at| at * truth.len() / rows.min(truth.len())).collect();
    let labels: Vec<bool> = some.iter().map(|&row| truth[row]).collect();
    let attacked = cells(&model, &test.take(&some));
    let own: Vec<usize> = (0..KNOWN.min(train.rows())).collect();
    let own = cells(&model, &train.take(&own));
    let mut shares = Vec::new();
    for (what, space) in spaces(&model, data, train)? {
        for (knows, knowledge) in [("model", Knowledge::Model), ("scores", Knowledge::Scores), ("answers", Knowledge::Decisions)]
        {
            let start = Instant::now();
            let plan = Campaign { knowledge, known: &own, budget: QUERIES, seed: SEED };
            let (tally, all) = campaign(&model, &space, &attacked, &labels, &plan)?;
            let won: Vec<Option<bool>> = all.iter().map(|one| one.as_ref().map(|one| one.evasion.is_some())).collect();
            let ratio = first.and_then(|first| first.get(shares.len())).map(|first| tally.share / first);
            let ratio = ratio.map_or(String::new(), |ratio| format!(" | ratio {ratio:.2}"));
            let took = start.elapsed().as_secs_f64();
            println!("  {what:<5} {knows:<8} {}{ratio} ({took:.0} s)", in_words(&tally, &won, &labels));
            shares.push(tally.share);
        }
    }
    Ok(shares)
}

/// Wins among right answers, among those of churners, and the mean of churners' and stayers' shares; 95 % intervals.
fn in_words(tally: &Tally, won: &[Option<bool>], labels: &[bool]) -> String {
    let of = |class: bool| {
        let tried = won.iter().zip(labels).filter(|(_, label)| **label == class).filter_map(|(won, _)| *won);
        let (won, all) = tried.fold((0u64, 0u64), |(wins, all), won| (wins + u64::from(won), all + 1));
        (won, all, won as f64 / all.max(1) as f64)
    };
    let ((won, all, share), (_, _, stayers)) = (of(true), of(false));
    let ((low, high), (least, most)) = (tally.interval, clopper_pearson(won, all));
    let balanced = f64::midpoint(share, stayers);
    format!(
        "{:>3}/{:<4} {:.3} [{low:.3}, {high:.3}] churners {won:>3}/{all:<4} {share:.3} [{least:.3}, {most:.3}] balanced {balanced:.3}",
        tally.won, tally.tried, tally.share
    )
}

/// The model with the threshold at which it calls as many of the judged rows as there are churners in the learned ones: none is to seem
/// robust because it calls nobody.
fn calling_as_many(model: Ensemble, scores: &[learn::Scores], known: &[bool]) -> Outcome<Ensemble> {
    let mut votes: Vec<f64> = scores.iter().map(|one| one.vote).collect();
    votes.sort_unstable_by(|one, two| two.total_cmp(one));
    let share = known.iter().filter(|label| **label).count() as f64 / known.len() as f64;
    let last = ((votes.len() as f64 * share).round() as usize).clamp(1, votes.len()) - 1;
    Ok(model.with_threshold(votes[last])?)
}

/// Every number column by a share of its range, and what he can really do.
fn spaces(model: &Ensemble, data: &Data, train: &Frame) -> Outcome<Vec<(String, Space)>> {
    let mut out = Vec::new();
    for eps in [0.05, 0.1] {
        let wide = |name: &&str| -> Rule {
            let Some(Column::Number(values)) = train.column(name) else { return Rule::default() };
            let known = || values.iter().copied().filter(|value| value.is_finite());
            let range = known().fold(f64::NEG_INFINITY, f64::max) - known().fold(f64::INFINITY, f64::min);
            Rule {
                column: (*name).to_owned(),
                moves: Moves::Free,
                reach: Reach::Absolute(eps * range),
                cost: if range > 0.0 { 1.0 / range } else { 0.0 },
                ..Rule::default()
            }
        };
        let rules = data.movable.iter().map(wide).collect();
        out.push((format!("{eps:.2}"), Space::new(model.columns(), rules, &[], f64::INFINITY)?));
    }
    let (rules, relations) = (data.real)();
    out.push(("real".to_owned(), Space::new(model.columns(), rules, &relations, f64::INFINITY)?));
    Ok(out)
}

/// Frame and labels, equal rows once; columns that are all numbers (or empty) become numbers.
fn read(data: &Data) -> Outcome<(Frame, Vec<bool>)> {
    let folder = std::env::var("STAYWARD_DATA").map_err(|_| "STAYWARD_DATA names no folder of public data")?;
    let bytes = std::fs::read(std::path::Path::new(&folder).join(data.file))?;
    let mut text = String::new();
    if data.file.ends_with(".gz") {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text)?;
    } else {
        text = String::from_utf8(bytes)?;
    }
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("there are no rows")?.split(',').map(str::trim).collect();
    let mut seen = BTreeSet::new();
    let mut rows: Vec<Vec<&str>> =
        lines.filter(|line| seen.insert(*line)).map(|line| line.split(',').map(str::trim).collect()).collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    if let Some((column, value)) = data.only {
        let at = place(column).ok_or("the column of moments is not there")?;
        rows.retain(|row| row.get(at) == Some(&value));
    }
    table::typed(&names, &rows, data.label, |name| data.dropped.contains(&name))
}
