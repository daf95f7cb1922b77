//! Prints our figures beside those of XGBoost and scikit-learn on public churn data, by the same protocol, so that "as good as" is
//! a table that anybody can run and not a claim (T5).
//!
//! `cargo run -p learn --example quality_table [DATA SET] [SETTINGS AS JSON]`
//!
//! The peers' figures stand in `baselines.csv` beside the data. Five stratified folds, or a split by time; figures are means over
//! folds, a peer's deviation is over its folds. A split by time has one fold: there the deviation of the folds is taken. Our folds
//! keep equal rows together, the peers' do not, which makes ours a little harder. Verdicts: `above`, `within` one deviation of the
//! peer's, `short`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the reader of `tests` is shared, and stops at what it does not expect"
)]

#[path = "../tests/common/data.rs"]
mod data;

use std::collections::BTreeMap;

use frame::Frame;
use learn::evaluate::Spread;
use learn::{Evaluation, Member, MemberReport, Split, TrainSpec, cross_validate, split};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
/// Columns of texts, by name.
type Table = BTreeMap<String, Vec<String>>;
/// Mean and deviation by data set, protocol (`cv5` or `time`), model and metric.
type Peers = BTreeMap<(String, &'static str, String, String), (f64, Option<f64>)>;

/// The seed of the protocol.
const SEED: u64 = 20_261_122;

/// A figure's name in the peers' file, whether more is better, and where ours stands.
type Metric = (&'static str, bool, fn(&MemberReport) -> Spread);
/// Time of each chosen row, last to train on and first to test on; `None` for folds.
type Times = Option<(Vec<f64>, f64, f64)>;

/// What is measured.
const METRICS: [Metric; 5] = [
    ("auc", true, |report| report.auc),
    ("prauc", true, |report| report.pr_auc),
    ("logloss", false, |report| report.log_loss),
    ("brier", false, |report| report.brier),
    ("acc", true, |report| report.accuracy),
];

/// A data set and how it is split.
struct Case {
    name: &'static str,
    protocol: &'static str,
    file: &'static str,
    drop: &'static [&'static str],
    label: &'static str,
    rows: fn(&Table, &Frame) -> Vec<usize>,
    times: fn(&Table) -> Times,
}

fn all(_: &Table, frame: &Frame) -> Vec<usize> {
    (0..frame.rows()).collect()
}

/// The first of each set of equal rows.
fn distinct(_: &Table, frame: &Frame) -> Vec<usize> {
    let mut next = 0;
    let first = |(row, group): (usize, usize)| {
        let new = group == next;
        next += usize::from(new);
        new.then_some(row)
    };
    split::duplicates(frame).into_iter().enumerate().filter_map(first).collect()
}

fn september(table: &Table, frame: &Frame) -> Vec<usize> {
    (0..frame.rows()).filter(|&row| table["cutoff"][row] == "2011-09-01").collect()
}

fn folds(_: &Table) -> Times {
    None
}

/// Cutoffs of March to June train, September tests.
fn months(table: &Table) -> Times {
    Some((table["cutoff"].iter().map(|cutoff| cutoff[5..7].parse().unwrap()).collect(), 6.0, 9.0))
}

/// The rows stand in the order of time: the first 80 of 100 train.
fn order(table: &Table) -> Times {
    let rows = table["y"].len();
    let cut = (rows as f64 * 0.8).floor();
    Some(((0..rows).map(|row| row as f64).collect(), cut - 1.0, cut))
}

const SHOP: &[&str] = &["CustomerID", "cutoff", "future_spend_90d"];
const CASES: [Case; 9] = [
    Case {
        name: "telco_ibm",
        protocol: "cv5",
        file: "telco_ibm.csv",
        drop: &["customerID"],
        label: "Churn",
        rows: all,
        times: folds,
    },
    Case { name: "iranian", protocol: "cv5", file: "iranian_churn.csv", drop: &[], label: "Churn", rows: all, times: folds },
    Case {
        name: "iranian_dedup",
        protocol: "cv5",
        file: "iranian_churn.csv",
        drop: &[],
        label: "Churn",
        rows: distinct,
        times: folds,
    },
    Case { name: "mlc_churn", protocol: "cv5", file: "mlc_churn.csv", drop: &[], label: "churn", rows: all, times: folds },
    Case {
        name: "retail_sep",
        protocol: "cv5",
        file: "online_retail_snapshots.csv.gz",
        drop: SHOP,
        label: "churn",
        rows: september,
        times: folds,
    },
    Case {
        name: "retail_sep",
        protocol: "time",
        file: "online_retail_snapshots.csv.gz",
        drop: SHOP,
        label: "churn",
        rows: all,
        times: months,
    },
    Case {
        name: "shoppers",
        protocol: "cv5",
        file: "online_shoppers.csv.gz",
        drop: &[],
        label: "Revenue",
        rows: all,
        times: folds,
    },
    Case {
        name: "bank_mkt",
        protocol: "cv5",
        file: "bank_marketing_macro.csv.gz",
        drop: &["duration"],
        label: "y",
        rows: all,
        times: folds,
    },
    Case {
        name: "bank_mkt",
        protocol: "time",
        file: "bank_marketing_macro.csv.gz",
        drop: &["duration"],
        label: "y",
        rows: all,
        times: order,
    },
];

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_default();
    let spec = arguments.next().map_or(Ok(TrainSpec::default()), |text| serde_json::from_str(&text))?;
    let Some(text) = data::text("baselines.csv") else { return Ok(()) };
    let peers = peers(&text);
    println!(
        "{:<14} {:<5} {:<8} {:<8} {:>8} {:>8} {:>8}  verdict",
        "data set", "split", "member", "figure", "ours", "peer", "peer sd"
    );
    let mut counts = BTreeMap::<&str, usize>::new();
    for case in CASES.iter().filter(|case| case.name.starts_with(&wanted)) {
        let Some(found) = measured(case, &spec)? else { continue };
        for (member, report) in &found.members {
            for (metric, rising, pick) in METRICS {
                let verdict = line(case, *member, metric, rising, pick(report), &peers);
                *counts.entry(verdict).or_default() += 1;
            }
        }
    }
    println!("{counts:?}");
    Ok(())
}

fn measured(case: &Case, spec: &TrainSpec) -> Outcome<Option<Evaluation>> {
    let Some(table) = data::table(case.file) else { return Ok(None) };
    let (frame, labels) = data::rows(&table, case.drop, case.label);
    let rows = (case.rows)(&table, &frame);
    let (frame, labels) = (frame.take(&rows), rows.iter().map(|&row| labels[row]).collect::<Vec<bool>>());
    let times = (case.times)(&table);
    let split = match &times {
        Some((times, train_to, test_from)) => Split::Time { times, train_to: *train_to, test_from: *test_from },
        None => Split::Stratified { folds: 5, seed: SEED },
    };
    Ok(Some(cross_validate(&frame, &labels, spec, &split)?))
}

/// Prints one line; says its verdict.
fn line(case: &Case, member: Member, metric: &str, rising: bool, ours: Spread, peers: &Peers) -> &'static str {
    let (word, model) = match member {
        Member::Booster => ("booster", "xgboost"),
        Member::Svm => ("svm", "svc_rbf"),
        Member::Forest => ("forest", "rforest"),
        Member::Vote => ("vote", "soft_vote"),
    };
    let peer = |protocol| peers.get(&(case.name.to_owned(), protocol, model.to_owned(), metric.to_owned())).copied();
    let (Some((theirs, own)), Some((_, folds))) = (peer(case.protocol), peer("cv5")) else { return "no peer" };
    let deviation = own.or(folds).unwrap_or(0.0);
    let gain = if rising { ours.mean - theirs } else { theirs - ours.mean };
    let verdict = match gain {
        gain if gain >= 0.0 => "above",
        gain if gain >= -deviation => "within",
        _ => "short",
    };
    let (name, protocol) = (case.name, case.protocol);
    println!("{name:<14} {protocol:<5} {word:<8} {metric:<8} {:>8.4} {theirs:>8.4} {deviation:>8.4}  {verdict}", ours.mean);
    verdict
}

/// Reads the peers' file; protocols that are neither folds nor a split by time are left out.
fn peers(text: &str) -> Peers {
    let mut out = Peers::new();
    for line in text.lines().skip(1) {
        // The protocol is the one cell that is quoted, and that may hold a comma.
        let cells: Vec<&str> = match line.split('"').collect::<Vec<_>>()[..] {
            [before, quoted, after] => {
                before.trim_end_matches(',').split(',').chain([quoted]).chain(after.trim_start_matches(',').split(',')).collect()
            }
            _ => line.split(',').collect(),
        };
        let &[name, protocol, _, _, _, model, metric, mean, deviation] = &cells[..] else { continue };
        let protocol = match protocol {
            "cv5" => "cv5",
            other if other.starts_with("temporal") => "time",
            _ => continue,
        };
        let Ok(mean) = mean.parse() else { continue };
        out.insert((name.to_owned(), protocol, model.to_owned(), metric.to_owned()), (mean, deviation.parse().ok()));
    }
    out
}
