//! Certifies rows against a model in XGBoost's JSON, so that `checks/peers/certificate_peer.py` can hold the verdicts against
//! Veritas and the examples against XGBoost (T5: a proof that nobody else can check is a claim). One thread.
//!
//! `cargo run -p evade --example certify_for_peers -- MODEL.json ROWS.csv OUT.csv RADIUS..`
//!
//! ROWS.csv: the first line holds the scale of each column (0: fixed), every other line a row; empty cells are missing. OUT.csv: one
//! line per radius and row: radius, row, verdict, score, bound or score found, steps, nanoseconds, and the row found, if any.

use std::fmt::Write;

use evade::{Counts, Region, Trees, Verdict, certify};
use learn::interchange::xgboost::{Encoding, read_booster};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[expect(clippy::disallowed_methods, reason = "an example that exports reads and writes files")]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, out, radii @ ..] = arguments.as_slice() else {
        return Err("say what to certify: certify_for_peers MODEL.json ROWS.csv OUT.csv RADIUS..".into());
    };
    let table = numbers(&std::fs::read_to_string(rows)?)?;
    let (scales, rows) = table.split_first().ok_or("there are no rows")?;
    let booster = read_booster(&std::fs::read(model)?, Encoding::Json, scales.len())?;
    let trees = Trees::from_booster(&booster)?;
    let mut text = String::new();
    for radius in radii {
        let radius: f64 = radius.parse()?;
        for (at, row) in rows.iter().enumerate() {
            let row: Vec<f32> = row.iter().map(|&value| value as f32).collect();
            one(&trees, &row, scales, radius, at, &mut text)?;
        }
    }
    Ok(std::fs::write(out, text)?)
}

#[expect(clippy::disallowed_methods, reason = "an example that measures needs the clock")]
fn one(trees: &Trees, row: &[f32], scales: &[f64], radius: f64, at: usize, text: &mut String) -> Outcome<()> {
    let start = std::time::Instant::now();
    let region = Region::around(row, scales, radius)?;
    let seen = certify(trees, row, &region, 0.0, Counts::default())?;
    let took = start.elapsed().as_nanos();
    let (verdict, end, found) = match &seen.verdict {
        Verdict::Robust { bound } => ("robust", *bound, &[][..]),
        Verdict::Broken { row, score } => ("broken", *score, row.as_slice()),
        Verdict::Unknown { bound, .. } => ("unknown", *bound, &[][..]),
    };
    write!(text, "{radius},{at},{verdict},{},{end},{},{took}", seen.score, seen.steps)?;
    for value in found {
        if value.is_nan() { text.push(',') } else { write!(text, ",{value}")? }
    }
    text.push('\n');
    Ok(())
}

fn numbers(text: &str) -> Outcome<Vec<Vec<f64>>> {
    let cell = |cell: &str| if cell.is_empty() { Ok(f64::NAN) } else { cell.parse() };
    let row = |line: &str| line.split(',').map(cell).collect::<Result<Vec<f64>, _>>();
    Ok(text.lines().map(row).collect::<Result<_, _>>()?)
}
