//! Measures what our row and batch tests alone see of each kind of poison, on the deliveries that `make_cases` writes for peers (T1).
//!
//! `cargo run -p poison --example poison_table -- [--json FILE] [--seeds N] [DATASET...]`. A line per class and share: the area under
//! the ROC curve of touched rows against the others of the delivery, and the part of deliveries with an alarm (limit: 1 % of honest
//! ones). With `--json` also a JSON line per delivery, as `checks/peers/poison_peer.py` reads them.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that measures reads and writes files, and prints"
)]

mod cases;

use std::collections::BTreeMap;
use std::fmt::Write;

use cases::{Outcome, Table, classes, delivery, or_said, shares, split, tables};
use frame::Frame;
use outlier::{Reference, Spec};
use poison::{Class, Delivery};

/// Deliveries of each class and share unless told otherwise.
const SEEDS: u64 = 6;
/// False discovery rate of rows set aside.
const ROW_RATE: f64 = 0.05;
/// Seed of the reference.
const SEED: u64 = 7;

/// What was seen of one delivery.
struct Seen {
    auroc: Option<f64>,
    alarm: bool,
    verdict: &'static str,
    layer: String,
}

fn main() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| -> Option<String> {
        let at = arguments.iter().position(|argument| argument == name)?;
        let value = arguments.get(at + 1).cloned();
        arguments.drain(at..(at + 2).min(arguments.len()));
        value
    };
    let seeds = option("--seeds").map_or(Ok(SEEDS), |text| text.parse())?;
    let (json, mut lines) = (option("--json"), String::new());
    let mut said = BTreeMap::new();
    println!("{:<15} {:<26} {:>5} {:>7} {:>7}", "data set", "class", "share", "AUROC", "alarms");
    for table in tables(&arguments)? {
        // One reference for random halves; the control that is about time has halves of its own.
        let mut known: Option<(bool, Reference)> = None;
        for class in classes() {
            let later = class == Class::ControlLater;
            let split = split(&table, class);
            let history = table.frame.take(&split.history);
            let reference = match known.take().filter(|(of, _)| *of == later) {
                Some((_, reference)) => reference,
                None => reference(&table, &history)?,
            };
            for &share in shares(class) {
                let (mut areas, mut alarms, mut count) = (Vec::new(), 0, 0);
                for seed in 0..seeds {
                    let made = delivery(&table, &split, &history, class, share, seed);
                    let Some(made) = or_said(table.name, made, &mut said)? else { continue };
                    // What only a reader of bytes can see is not a matter of rows.
                    if made.is_damaged() {
                        continue;
                    }
                    let seen = judged(&reference, &made)?;
                    areas.extend(seen.auroc);
                    alarms += usize::from(seen.alarm);
                    count += 1;
                    let line = serde_json::json!({
                        "dataset": table.name, "class": class, "share": share, "seed": seed, "auroc": seen.auroc,
                        "alarm": seen.alarm, "verdict": seen.verdict, "layer": seen.layer,
                    });
                    writeln!(lines, "{line}")?;
                }
                if count > 0 {
                    let mean = areas.iter().sum::<f64>() / areas.len().max(1) as f64;
                    let area = if areas.is_empty() { "-".to_owned() } else { format!("{mean:.3}") };
                    println!("{:<15} {class:<26} {share:>5} {area:>7} {:>7.2}", table.name, alarms as f64 / f64::from(count));
                }
            }
            known = Some((later, reference));
        }
    }
    if let Some(json) = json {
        std::fs::write(json, lines)?;
    }
    Ok(())
}

fn reference(table: &Table, history: &Frame) -> Outcome<Reference> {
    let spec = Spec {
        ignore: table.roles.id.iter().chain(&table.roles.time).cloned().collect(),
        critical: table.roles.label.iter().cloned().collect(),
        unrepeated: false,
    };
    Ok(Reference::fit(history, &spec, SEED)?)
}

fn judged(reference: &Reference, made: &Delivery) -> Outcome<Seen> {
    let scored = match reference.score(&made.frame) {
        Ok(scored) => scored,
        // A column that is missing or of another kind: seen, and no row can be scored.
        Err(why) => return Ok(Seen { auroc: None, alarm: true, verdict: "refuse", layer: why.to_string() }),
    };
    let strangeness: Vec<f64> = scored.rows.iter().map(|row| row.strangeness).collect();
    let flagged = scored.flags(ROW_RATE).into_iter().any(|flag| flag);
    let smallest = scored.batch.tests.iter().min_by(|a, b| a.p_value.total_cmp(&b.p_value));
    let layer = smallest.filter(|_| scored.batch.alarm).map(|test| format!("{:?}", test.method).to_lowercase());
    Ok(Seen {
        auroc: auroc(&strangeness, made.truth.rows()),
        alarm: scored.batch.alarm,
        verdict: if scored.batch.alarm {
            "hold"
        } else if flagged {
            "quarantine"
        } else {
            "pass"
        },
        layer: layer.unwrap_or_default(),
    })
}

/// The share of pairs of a bad row and a good one in which the bad one scores higher; ties count half.
fn auroc(scores: &[f64], bad: &[usize]) -> Option<f64> {
    let good: Vec<f64> = (0..scores.len()).filter(|row| bad.binary_search(row).is_err()).map(|row| scores[row]).collect();
    let won = |score: f64| {
        good.iter().map(|good| f64::from(u8::from(score > *good)) + 0.5 * f64::from(u8::from(score == *good))).sum::<f64>()
    };
    let pairs = (bad.len() * good.len()) as f64;
    (pairs > 0.0).then(|| bad.iter().map(|&row| won(scores[row])).sum::<f64>() / pairs)
}
