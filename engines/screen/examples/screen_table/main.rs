//! Prints how much of each kind of poison the content check finds, and how often it blames an honest delivery, on public tables.
//!
//! `cargo run -p screen --example screen_table -- [--fits N] [--rows N] [--class NAME]... [--json FILE] [--long] [--speed] [--show N] [DATASET...]`. Each
//! fit has random halves of its own: one is trusted history, from the other come deliveries. `--long` adds slow drips, `--show` findings; `--speed` takes the time of a long delivery
//! and nothing else. The
//! data folder is `STAYWARD_DATA`, else `../shared/data` beside the workspace.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that measures reads and writes files, takes the time, and prints"
)]

#[path = "../../../poison/examples/cases/mod.rs"]
#[expect(dead_code, reason = "the cases are shared with the example that writes them, which needs more of them")]
mod cases;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use cases::{Outcome, SHARES, Table, classes, or_said, shares, tables};
use frame::Frame;
use poison::{Class, Delivery as Made, Split, halves, later, poison};
use screen::{ContractFinding, Delivery, Golden, Profile, ProfileSpec, Screening, State, Suggestion};

/// What the command line asks for.
struct Asked {
    fits: u64,
    rows: usize,
    json: Option<String>,
    long: bool,
    speed: bool,
    show: usize,
    classes: Vec<Class>,
    names: Vec<String>,
}

fn asked() -> Outcome<Asked> {
    let mut out = Asked {
        fits: 6,
        rows: cases::BATCH_ROWS,
        json: None,
        long: false,
        speed: false,
        show: 0,
        classes: Vec::new(),
        names: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "--fits" => out.fits = next()?.parse()?,
            "--rows" => out.rows = next()?.parse()?,
            "--json" => out.json = Some(next()?),
            "--long" => out.long = true,
            "--speed" => out.speed = true,
            "--show" => out.show = next()?.parse()?,
            "--class" => out.classes.push(Class::named(&next()?).ok_or("no such class")?),
            _ => out.names.push(word),
        }
    }
    if out.classes.is_empty() {
        out.classes = classes().collect();
    }
    Ok(out)
}

/// Figures of one class and share over all fits.
#[derive(Default)]
struct Cell {
    auroc: f64,
    ranked: u32,
    runs: u32,
    alarms: u32,
    refused: u32,
    flagged: u64,
    right: u64,
    touched: u64,
    layers: BTreeMap<String, u32>,
}

impl Cell {
    fn add(&mut self, found: &Screening, made: &Made) -> Option<f64> {
        let touched = made.truth.rows();
        self.runs += 1;
        self.alarms += u32::from(found.alarm);
        self.refused += u32::from(found.verdict == Suggestion::Refuse);
        self.flagged += found.rows_flagged;
        self.right += found.rows.iter().filter(|finding| touched.binary_search(&(finding.row as usize)).is_ok()).count() as u64;
        self.touched += touched.len() as u64;
        if found.alarm {
            *self.layers.entry(layer(found)).or_default() += 1;
        }
        let area = auroc(&found.row_scores, touched)?;
        self.auroc += area;
        self.ranked += 1;
        Some(area)
    }
}

/// The layer that speaks loudest.
fn layer(found: &Screening) -> String {
    let loudest = found.tests.iter().filter(|test| test.alarm).min_by(|one, two| one.p_value.total_cmp(&two.p_value));
    loudest.map_or_else(String::new, |test| format!("{:?}", test.layer).to_lowercase())
}

fn verdict(found: &Screening) -> &'static str {
    match found.verdict {
        Suggestion::Pass => "pass",
        Suggestion::Quarantine(_) => "quarantine",
        Suggestion::Hold => "hold",
        Suggestion::Refuse => "refuse",
    }
}

fn main() -> Outcome<()> {
    let asked = asked()?;
    let (mut json, mut said) = (String::new(), BTreeMap::new());
    for table in tables(&asked.names)? {
        if asked.speed {
            speed(&table)?;
            continue;
        }
        figures(&table, &asked, &mut json, &mut said)?;
        if asked.long {
            drips(&table, &asked)?;
        }
    }
    if let Some(file) = asked.json {
        std::fs::write(file, json)?;
    }
    Ok(())
}

fn spec(table: &Table, seed: u64) -> ProfileSpec {
    let roles = &table.roles;
    ProfileSpec {
        id: roles.id.clone(),
        time: roles.time.clone(),
        label: roles.label.clone(),
        value: roles.value.clone(),
        seed,
        ..ProfileSpec::default()
    }
}

/// The last moment of honest rows, as time of arrival.
fn arrival(table: &Table) -> Option<i64> {
    screen::latest(&table.frame, table.roles.time.as_deref()?)
}

/// A delivery as the pipeline would read it: bytes that are damaged go through the reader that finds the next record.
fn judged(profile: &Profile, table: &Table, made: &Made) -> Outcome<Screening> {
    let now = arrival(table);
    if !made.is_damaged() {
        return Ok(profile.screen(&Delivery { now, ..Delivery::of(&made.frame) }, &State::default())?);
    }
    let options = tabular::csv::Options::default();
    let Ok(read) = tabular::csv::read(&made.csv(), &options) else {
        return Err("a damaged file that cannot be read at all".into());
    };
    let frame = tabular::bridge::to_frame(&arrow_of(&read)?)?;
    let (typed, contract) = retyped(&frame, &table.frame);
    let delivery = Delivery { frame: &typed, contract, broken_records: read.errors_count, now };
    Ok(profile.screen(&delivery, &State::default())?)
}

fn arrow_of(read: &tabular::csv::Table) -> Outcome<arrow_array::RecordBatch> {
    read.batches.first().cloned().ok_or_else(|| "no rows".into())
}

/// Texts as history's kinds; what is no number where one is due is a finding.
fn retyped(read: &Frame, like: &Frame) -> (Frame, Vec<ContractFinding>) {
    let (mut out, mut found) = (Frame::new(read.rows()), Vec::new());
    for (name, column) in read.iter() {
        let column = match (column, like.column(name)) {
            (frame::Column::Category(known), Some(frame::Column::Number(_))) => {
                let numbers = (0..known.codes.len()).map(|row| match known.text(row).map(str::trim) {
                    None | Some("") => f64::NAN,
                    Some(text) => text.parse().unwrap_or_else(|_| {
                        found.push(ContractFinding {
                            row: Some(row as u64),
                            column: name.to_owned(),
                            seen: "no number".to_owned(),
                        });
                        f64::NAN
                    }),
                });
                frame::Column::Number(numbers.collect())
            }
            (frame::Column::Category(known), _) => {
                for row in 0..known.codes.len() {
                    if known
                        .text(row)
                        .is_some_and(|text| text.chars().any(char::is_control) || text.contains("<<<<") || text.contains(">>>>"))
                    {
                        found.push(ContractFinding { row: Some(row as u64), column: name.to_owned(), seen: "a mark".to_owned() });
                    }
                }
                column.clone()
            }
            (frame::Column::Number(_), _) => column.clone(),
        };
        let _ = out.push(name, column);
    }
    (out, found)
}

fn figures(table: &Table, asked: &Asked, json: &mut String, said: &mut BTreeMap<String, ()>) -> Outcome<()> {
    let mut cells = Cells::new();
    let (mut learning, mut judging, mut rows) = (0.0, 0.0, 0);
    let (mut blamed, mut honest, mut flagged) = (BTreeMap::<String, u32>::new(), 0, 0);
    for fit in 0..asked.fits {
        let split = halves(&table.frame, 1_000 + fit);
        let history = table.frame.take(&split.history);
        let start = Instant::now();
        let profile = Profile::learn(&Golden { frame: &history }, &spec(table, fit))?;
        learning += start.elapsed().as_secs_f64();
        for turn in 0..2 {
            let batch = table.frame.take(&split.delivery(asked.rows, fit * 2 + turn));
            let start = Instant::now();
            let found = profile.screen(&Delivery { now: arrival(table), ..Delivery::of(&batch) }, &State::default())?;
            judging += start.elapsed().as_secs_f64();
            rows += batch.rows();
            honest += 1;
            flagged += u32::from(found.rows_flagged > 0);
            for test in found.tests.iter().filter(|test| test.alarm) {
                *blamed.entry(format!("{:?}: {}", test.layer, test.seen)).or_default() += 1;
            }
        }
        for &class in &asked.classes {
            hostile(table, asked, (fit, class), (&history, &split, &profile), (&mut cells, &mut *json, &mut *said))?;
        }
    }
    let alarms: u32 = blamed.values().sum();
    println!(
        "{}: {} columns, learnt in {:.1} s, {:.0} rows/s; {alarms} alarms in {honest} honest deliveries, a row flagged in {flagged}",
        table.name,
        table.frame.names().len(),
        learning / asked.fits as f64,
        rows as f64 / judging
    );
    blamed.keys().for_each(|seen| println!("  blamed: {seen}"));
    println!("  {:<26} {:>5} {:>6} {:>7} {:>7} {:>17}  by", "class", "share", "AUROC", "found", "refused", "set aside, wrong");
    print(&cells);
    Ok(())
}

type Cells = BTreeMap<(Class, u8), Cell>;

/// The deliveries of one class against one history.
fn hostile(
    table: &Table,
    asked: &Asked,
    (fit, class): (u64, Class),
    (history, split, profile): (&Frame, &Split, &Profile),
    (cells, json, said): (&mut Cells, &mut String, &mut BTreeMap<String, ()>),
) -> Outcome<()> {
    let own = if class == Class::ControlLater {
        let split = later(&table.frame, table.roles.time.as_deref());
        let history = table.frame.take(&split.history);
        Some((split, Profile::learn(&Golden { frame: &history }, &spec(table, fit))?))
    } else {
        None
    };
    let (split, profile) = own.as_ref().map_or((split, profile), |(split, profile)| (split, profile));
    for &share in shares(class) {
        let batch = table.frame.take(&split.delivery(asked.rows, 500 + fit));
        let made = poison(history, &batch, &table.roles, class, share, fit);
        let Some(made) = or_said(table.name, made, said)? else { continue };
        let Ok(found) = judged(profile, table, &made) else { continue };
        for finding in found.rows.iter().take(asked.show) {
            let right = made.truth.rows().binary_search(&(finding.row as usize)).is_ok();
            println!("    {} {share} row {} {right} {:?}: {}", class.name(), finding.row, finding.layer, finding.seen);
        }
        for test in found.tests.iter().filter(|_| asked.show > 0) {
            println!("    {} {share} {:?} p {:.1e}: {}", class.name(), test.layer, test.p_value, test.seen);
        }
        let area = cells.entry((class, u8::from(share > SHARES[0]))).or_default().add(&found, &made);
        let line = serde_json::json!({
            "dataset": table.name, "class": class.name(), "share": share, "seed": fit, "auroc": area,
            "alarm": found.alarm, "verdict": verdict(&found), "layer": layer(&found),
        });
        writeln!(json, "{line}")?;
    }
    Ok(())
}

fn print(cells: &Cells) {
    for ((class, many), cell) in cells {
        let area = if cell.ranked == 0 { "-".to_owned() } else { format!("{:.3}", cell.auroc / f64::from(cell.ranked)) };
        println!(
            "  {:<26} {:>5} {area:>6} {:>7.2} {:>7.2} {:>7} of {:>5}, {:>3}  {:?}",
            class.name(),
            SHARES[usize::from(*many)],
            f64::from(cell.alarms) / f64::from(cell.runs),
            f64::from(cell.refused) / f64::from(cell.runs),
            cell.right,
            cell.touched,
            cell.flagged.saturating_sub(cell.right),
            cell.layers
        );
    }
}

/// A slow drip: shares that grow to 10 % over twenty deliveries; the first that alarms, and honest deliveries beside it.
fn drips(table: &Table, asked: &Asked) -> Outcome<()> {
    const DELIVERIES: usize = 20;
    for class in [None, Some(Class::FlipDirected), Some(Class::DisguisedValue), Some(Class::Mimic)] {
        let mut firsts = Vec::new();
        for fit in 0..asked.fits.min(4) {
            let split = halves(&table.frame, 1_000 + fit);
            let history = table.frame.take(&split.history);
            let profile = Profile::learn(&Golden { frame: &history }, &spec(table, fit))?;
            // Deliveries that share no row: else their sums would be of fewer rows than they count.
            let order = outlier::stats::Mix::new(fit, 3).choose(split.pool.len(), split.pool.len());
            let size = order.len() / DELIVERIES;
            let honest: Vec<Frame> = order
                .chunks_exact(size)
                .map(|rows| table.frame.take(&rows.iter().map(|&at| split.pool[at]).collect::<Vec<_>>()))
                .collect();
            let batches: Vec<Frame> = match class {
                Some(class) => {
                    let Ok(made) = poison::drip(&history, &honest, &table.roles, class, 0.10, fit) else { continue };
                    made.into_iter().map(|made| made.frame).collect()
                }
                None => honest,
            };
            let (mut state, mut first) = (State::default(), None);
            for (at, batch) in batches.iter().enumerate() {
                let found = profile.screen(&Delivery { now: arrival(table), ..Delivery::of(batch) }, &state)?;
                if found.alarm && first.is_none() {
                    first = Some((at + 1, layer(&found)));
                }
                state = found.state;
            }
            firsts.push(first);
        }
        println!("  drip of {}: first alarms {firsts:?}", class.map_or("nothing", Class::name));
    }
    Ok(())
}

/// Rows a second on a long delivery: the table's own rows, over and over.
fn speed(table: &Table) -> Outcome<()> {
    let split = halves(&table.frame, 1_000);
    let history = table.frame.take(&split.history);
    let profile = Profile::learn(&Golden { frame: &history }, &spec(table, 0))?;
    let part = table.frame.take(&(0..131_072).map(|row| split.pool[row % split.pool.len()]).collect::<Vec<_>>());
    let state = State::default();
    let mut screen = screen::Screen::new(&profile, &state, None);
    let start = Instant::now();
    for _ in 0..4 {
        screen.push(&part)?;
    }
    let found = screen.finish();
    println!(
        "{}: {:.0} rows/s on {} rows",
        table.name,
        found.row_scores.len() as f64 / start.elapsed().as_secs_f64(),
        found.row_scores.len()
    );
    Ok(())
}

/// The share of pairs of a bad row and a good one in which the bad one scores higher; ties count half.
fn auroc(scores: &[f32], bad: &[usize]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut rank_sum, mut before) = (0.0, 0.0);
    for run in order.chunk_by(|&a, &b| scores[a].total_cmp(&scores[b]).is_eq()) {
        let size = run.len() as f64;
        rank_sum += (before + (size + 1.0) / 2.0) * run.iter().filter(|row| bad.binary_search(row).is_ok()).count() as f64;
        before += size;
    }
    let positive = bad.len() as f64;
    let pairs = positive * (scores.len() as f64 - positive);
    (pairs > 0.0).then(|| (rank_sum - positive * (positive + 1.0) / 2.0) / pairs)
}
