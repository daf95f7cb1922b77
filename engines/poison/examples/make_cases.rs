//! Writes honest and poisoned deliveries of public churn tables with the truth about each, so that any detector can be measured on
//! the same ones (T1).
//!
//! `cargo run -p poison --example make_cases -- OUT [--seeds N] [DATASET...]`, DATASET of `telco`, `mlc_churn`, `iranian`,
//! `bank_marketing`, `retail`; public files are found by the variable `STAYWARD_DATA`.
//!
//! OUT/DATASET has `history.csv` (a random half, trusted), `pool.csv` (the other half, honest, which deliveries are drawn from),
//! `roles.json`, and a folder CLASS/SHARE-SEED for each case with `batch.csv` and `truth.json` (what is hostile, and which row of the
//! pool each row was). `control-later` has a history and
//! a pool of its own: the earlier half and the later one.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that writes cases reads and writes files, and prints"
)]

mod cases;

use std::collections::BTreeMap;
use std::fs::{create_dir_all, write};
use std::path::{Path, PathBuf};

use cases::{Outcome, Table, classes, delivery, or_said, shares, split, tables};
use poison::{Class, Split, csv};

/// Cases of each class and share unless told otherwise.
const SEEDS: u64 = 6;

fn main() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut seeds = SEEDS;
    if let Some(at) = arguments.iter().position(|argument| argument == "--seeds") {
        seeds = arguments.get(at + 1).ok_or("how many seeds?")?.parse()?;
        arguments.drain(at..at + 2);
    }
    if arguments.is_empty() {
        return Err("usage: make_cases OUT [--seeds N] [DATASET...]".into());
    }
    let out = PathBuf::from(arguments.remove(0));
    let mut said = BTreeMap::new();
    for table in tables(&arguments)? {
        let folder = out.join(table.name);
        write_halves(&folder, &table, &split(&table, Class::Mimic))?;
        write(folder.join("roles.json"), serde_json::to_string_pretty(&table.roles)?)?;
        let mut count = 0;
        for class in classes() {
            let split = split(&table, class);
            let history = table.frame.take(&split.history);
            let folder = folder.join(class.name());
            if class == Class::ControlLater {
                write_halves(&folder, &table, &split)?;
            }
            for &share in shares(class) {
                for seed in 0..seeds {
                    let made = delivery(&table, &split, &history, class, share, seed);
                    let Some(made) = or_said(table.name, made, &mut said)? else { continue };
                    let case = folder.join(format!("{share}-{seed}"));
                    create_dir_all(&case)?;
                    write(case.join("batch.csv"), made.csv())?;
                    let truth = serde_json::json!({
                        "dataset": table.name, "class": class, "share": share, "seed": seed, "truth": made.truth,
                        "pool_rows": pool_rows(&split, seed),
                    });
                    write(case.join("truth.json"), serde_json::to_string(&truth)?)?;
                    count += 1;
                }
            }
        }
        println!("{}: {count} cases", table.name);
    }
    Ok(())
}

/// Which row of `pool.csv` each row of a delivery was before it was touched.
fn pool_rows(split: &Split, seed: u64) -> Vec<usize> {
    let rows = split.delivery(cases::BATCH_ROWS, seed);
    rows.iter().filter_map(|row| split.pool.binary_search(row).ok()).collect()
}

fn write_halves(folder: &Path, table: &Table, split: &Split) -> Outcome<()> {
    create_dir_all(folder)?;
    write(folder.join("history.csv"), csv(&table.frame.take(&split.history)))?;
    write(folder.join("pool.csv"), csv(&table.frame.take(&split.pool)))?;
    Ok(())
}
