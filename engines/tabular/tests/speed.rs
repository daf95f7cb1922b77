//! Measures how fast a table goes through; run by hand: `cargo test -p tabular --test speed -- --ignored --nocapture`.

use std::fmt::Write;
use tabular::contract::Contract;
use tabular::csv::{Options, open};
use tabular::{Profiler, Typer};

/// Rows of the measured table.
const ROWS: u32 = 1_000_000;
/// Columns of numbers; as many again are categories.
const NUMBERS: u32 = 10;

/// A table of 1,000,000 rows and 20 columns with a fixed content.
fn table() -> String {
    let mut out: String = (0..NUMBERS).map(|at| format!("n{at},c{at},")).collect();
    out.pop();
    out.push('\n');
    for row in 0..ROWS {
        for column in 0..NUMBERS {
            let mut mixed = (row * NUMBERS + column).wrapping_mul(0x9e37_79b9);
            mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b);
            mixed ^= mixed >> 13;
            let comma = if column == 0 { "" } else { "," };
            let _ = write!(out, "{comma}{}.{:02},level {}", mixed % 1_000, mixed / 1_000 % 100, mixed / 100_000 % 5);
        }
        out.push('\n');
    }
    out
}

#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn seconds(mut work: impl FnMut()) -> f64 {
    let mut all: Vec<f64> = (0..5)
        .map(|_| {
            let begun = std::time::Instant::now();
            work();
            begun.elapsed().as_secs_f64()
        })
        .collect();
    all.sort_unstable_by(f64::total_cmp);
    all[2]
}

#[test]
#[ignore = "measures; run by hand"]
fn a_million_rows_of_twenty_columns() {
    let text = table();
    let megabytes = f64::from(u32::try_from(text.len()).unwrap()) / 1e6;
    let batches: Vec<_> = open(text.as_bytes(), &Options::default()).unwrap().map(Result::unwrap).collect();
    let names: Vec<String> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    let parse = seconds(|| {
        assert_eq!(open(text.as_bytes(), &Options::default()).unwrap().map(|b| b.unwrap().num_rows()).sum::<usize>(), 1_000_000)
    });
    let mut profiled = None;
    let look = seconds(|| {
        let mut profiler = Profiler::new(&names, tabular::Decimal::Point);
        batches.iter().for_each(|batch| profiler.push(batch).unwrap());
        profiled = Some(profiler.finish());
    });
    let contract = Contract::guess(&profiled.unwrap(), None, None).unwrap();
    let mut typer = None;
    let push = seconds(|| {
        let mut fresh = Typer::new(&contract, &names);
        batches.iter().for_each(|batch| fresh.push(batch).unwrap());
        typer = Some(fresh);
    });
    let typer = typer.unwrap();
    assert_eq!(typer.rows(), 1_000_000);
    println!(
        "{megabytes:.0} MB: read {parse:.3} s ({:.0} MB/s), profile {look:.3} s, type and check {push:.3} s",
        megabytes / parse
    );
    let begun = typer.clone();
    let mut tables = Vec::new();
    let copy = seconds(|| drop(begun.clone()));
    let finish = seconds(|| tables = vec![begun.clone().finish().rows()]) - copy;
    assert_eq!(tables, [1_000_000]);
    println!("ending it (shares, equal rows, frame) {finish:.3} s");
}
