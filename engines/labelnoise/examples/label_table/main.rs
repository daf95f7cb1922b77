//! Prints how well wrong labels, labellers and tiers are found on public churn data (T6): the figures of the threat model's insider, who
//! turns labels around at random, hides churners or invents them.
//!
//! ```text
//! cargo run -p labelnoise --example label_table                    # all tables, on $STAYWARD_DATA
//! cargo run -p labelnoise --example label_table -- --export DIR    # the turned labels and our ranking, for checks/peers/labels_peer.py
//! further:  --ranks --labellers --tiers --facts  (only these tables)   --seeds N
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example that prints tables, and how far it is")]

mod data;
mod labellers;
mod retail;

use std::path::PathBuf;

use data::{Outcome, SOURCES, Source, Turn, turned};
use frame::Frame;
use labelnoise::{Belief, BeliefSpec, Judge, Reason, Suspect, out_of_fold, rank, scores};
use learn::rng::{Rng, derive};

/// Share of all labels that are turned around.
const SHARE: f64 = 0.05;
/// Rows of the golden set, which is taken out of the judged rows.
const GOLDEN: usize = 1_500;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut only, mut seeds, mut export) = (Vec::new(), 5, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--export" => export = Some(PathBuf::from(arguments.next().ok_or("say where to: --export DIR")?)),
            "--seeds" => seeds = arguments.next().ok_or("say how many: --seeds N")?.parse()?,
            "--ranks" | "--labellers" | "--tiers" | "--facts" => only.push(argument),
            _ => return Err(format!("`{argument}` is no argument of this example").into()),
        }
    }
    if let Some(folder) = export {
        return exported(&folder, seeds);
    }
    let wanted = |table: &str| only.is_empty() || only.iter().any(|own| own == table);
    if wanted("--ranks") {
        rankings(seeds)?;
    }
    if wanted("--labellers") {
        labellers::labellers()?;
    }
    if wanted("--tiers") {
        labellers::tiers()?;
    }
    if wanted("--facts") {
        retail::facts()?;
    }
    Ok(())
}

/// One set of turned labels.
struct Case<'a> {
    source: &'a Source,
    turn: Turn,
    seed: u64,
    frame: &'a Frame,
    labels: Vec<bool>,
    turned: Vec<usize>,
}

fn cases(seeds: u64, each: &mut dyn FnMut(&Case<'_>) -> Outcome<()>) -> Outcome<()> {
    for source in &SOURCES {
        let (frame, truth) = source.read()?;
        let rows: Vec<usize> = (0..truth.len()).collect();
        for turn in Turn::ALL {
            for seed in 0..seeds {
                let wanted = (SHARE * truth.len() as f64).round() as usize;
                let chosen = turn.rows(&rows, &truth, wanted, seed);
                eprint!("\r{} {} {seed}   ", source.name, turn.name());
                let labels = turned(&truth, &chosen);
                each(&Case { source, turn, seed, frame: &frame, labels, turned: chosen })?;
            }
        }
    }
    eprintln!();
    Ok(())
}

fn beliefs(case: &Case<'_>) -> Outcome<Vec<Belief>> {
    Ok(out_of_fold(case.frame, &case.labels, &BeliefSpec { seed: case.seed, ..BeliefSpec::default() })?)
}

/// Writes, per set of turned labels, each row's label, our out-of-fold chance and our rank.
#[expect(clippy::disallowed_methods, reason = "an example that exports writes files")]
fn exported(folder: &std::path::Path, seeds: u64) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    cases(seeds, &mut |case| {
        let beliefs = beliefs(case)?;
        let mut ranks = vec![0; case.labels.len()];
        for suspect in rank(&case.labels, &beliefs, None)?.suspects {
            ranks[suspect.row] = suspect.rank;
        }
        let mut text = String::from("row,label,chance,rank\n");
        for (row, (label, belief)) in case.labels.iter().zip(&beliefs).enumerate() {
            text.push_str(&format!("{row},{},{},{}\n", u8::from(*label), belief.chance, ranks[row]));
        }
        let file = format!("{}-{}-{}.csv", case.source.name, case.turn.name(), case.seed);
        Ok(std::fs::write(folder.join(file), text)?)
    })
}

/// Share of turned labels among as many first rows as there are turned ones, and share of them among the first tenth of all.
fn found(suspects: &[Suspect], turned: &[usize]) -> [f64; 2] {
    let hits = |first: usize| {
        let rows = suspects.iter().take(first);
        rows.filter(|suspect| turned.binary_search(&suspect.row).is_ok()).count() as f64 / turned.len().max(1) as f64
    };
    [hits(turned.len()), hits(suspects.len() / 10)]
}

/// Columns of the table, each the share of turned labels among as many first rows; the last but one is the recall of a tenth of all.
const COLUMNS: [&str; 8] =
    ["ours", "margin", "threshold", "own chance", "best of ranks", "ours with golden", "ours, R@10 %", "knows the truth"];

fn rankings(seeds: u64) -> Outcome<()> {
    println!("Ranking: {seeds} seeds, {} % of the labels turned around; P@k, k = turned labels, mean over seeds", SHARE * 100.0);
    println!(
        "golden: {GOLDEN} rows with true labels, which are not judged; the last column ranks by a model of the true labels and"
    );
    println!("the true shares of turned ones, which is about the most that such models can tell");
    println!("| data | turned | {} |", COLUMNS.join(" | "));
    println!("|{}", "---|".repeat(COLUMNS.len() + 2));
    let mut sums: Vec<(&str, Turn, [f64; COLUMNS.len()])> = Vec::new();
    let mut truths: Vec<(&str, Vec<Belief>)> = Vec::new();
    cases(seeds, &mut |case| {
        if truths.last().is_none_or(|(name, _)| *name != case.source.name) {
            let spec = BeliefSpec::default();
            truths.push((case.source.name, out_of_fold(case.frame, &turned(&case.labels, &case.turned), &spec)?));
        }
        let Some((_, truth)) = truths.last() else { return Ok(()) };
        let figures = figures(case, truth)?;
        match sums.last_mut().filter(|(name, turn, _)| *name == case.source.name && *turn == case.turn) {
            Some((_, _, sum)) => sum.iter_mut().zip(figures).for_each(|(sum, more)| *sum += more),
            None => sums.push((case.source.name, case.turn, figures)),
        }
        Ok(())
    })?;
    for (name, turn, sums) in sums {
        let means: Vec<String> = sums.iter().map(|sum| format!("{:.3}", sum / seeds as f64)).collect();
        println!("| {name} | {} | {} |", turn.name(), means.join(" | "));
    }
    Ok(())
}

fn figures(case: &Case<'_>, truth: &[Belief]) -> Outcome<[f64; COLUMNS.len()]> {
    let beliefs = beliefs(case)?;
    let ours = found(&rank(&case.labels, &beliefs, None)?.suspects, &case.turned);
    let margin = scores(Reason::Margin, &case.labels, &beliefs, None);
    let threshold = scores(Reason::Threshold, &case.labels, &beliefs, None);
    let own = |belief: &Belief, label: bool| if label { belief.chance } else { 1.0 - belief.chance };
    let chance: Vec<f64> = beliefs.iter().zip(&case.labels).map(|(belief, label)| own(belief, *label)).collect();
    let best: Vec<f64> = ranks(&margin).into_iter().zip(ranks(&threshold)).map(|(one, other)| one.min(other) as f64).collect();
    let share = |way: bool| {
        let of = (0..case.labels.len()).filter(|row| case.labels[*row] ^ case.turned.binary_search(row).is_ok() == way);
        case.turned.iter().filter(|row| case.labels[**row] != way).count() as f64 / of.count().max(1) as f64
    };
    let (hidden, invented) = (share(true), share(false));
    let right = |belief: &Belief, label: bool| {
        let (one, zero) = (belief.chance, 1.0 - belief.chance);
        if label { -invented * zero / (one * (1.0 - hidden)) } else { -hidden * one / (zero * (1.0 - invented)) }
    };
    let knows: Vec<f64> = truth.iter().zip(&case.labels).map(|(belief, label)| right(belief, *label)).collect();
    let first = |scores: &[f64]| {
        let hits =
            ranks(scores).iter().zip(0..).filter(|(rank, row)| **rank < case.turned.len() && case.turned.contains(row)).count();
        hits as f64 / case.turned.len().max(1) as f64
    };
    let [golden, _] = with_golden(case)?;
    Ok([ours[0], first(&margin), first(&threshold), first(&chance), first(&best), golden, ours[1], first(&knows)])
}

/// The place of each row where the lowest score is the first.
fn ranks(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|left, right| scores[*left].total_cmp(&scores[*right]).then(left.cmp(right)));
    let mut out = vec![0; scores.len()];
    order.into_iter().zip(0..).for_each(|(row, rank)| out[row] = rank);
    out
}

/// The same where some rows, drawn by the seed, have labels that were checked.
fn with_golden(case: &Case<'_>) -> Outcome<[f64; 2]> {
    let mut order: Vec<usize> = (0..case.labels.len()).collect();
    Rng::new(derive(case.seed, 0x60, 0)).shuffle(&mut order);
    let (golden, judged) = order.split_at(GOLDEN);
    let truth = |row: &usize| case.labels[*row] ^ case.turned.binary_search(row).is_ok();
    let spec = BeliefSpec { seed: case.seed, ..BeliefSpec::default() };
    let known: Vec<bool> = golden.iter().map(truth).collect();
    let judge = Judge::fit(&case.frame.take(golden), &known, &spec.booster, case.seed)?;
    let rows = case.frame.take(judged);
    let labels: Vec<bool> = judged.iter().map(|row| case.labels[*row]).collect();
    let turned: Vec<usize> = (0..judged.len()).filter(|at| case.turned.binary_search(&judged[*at]).is_ok()).collect();
    let suspects = rank(&labels, &out_of_fold(&rows, &labels, &spec)?, Some(&judge.beliefs(&rows)?))?.suspects;
    Ok(found(&suspects, &turned))
}
