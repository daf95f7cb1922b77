//! How often an insider among labellers, or one who turns the labels of one value tier, is named; and how often an honest one.

use frame::Column;
use labelnoise::residual::{GROUP_ROWS_MIN, GroupTest, group_tests, named, tiers as value_tiers};
use labelnoise::{Belief, BeliefSpec, Judge, Labels, Watch, out_of_fold, without_labeller};
use learn::rng::{Rng, derive};

use crate::data::{Outcome, SOURCES, Source, Turn, turned};

/// Rows of one labeller.
const BATCH: usize = 500;
/// Sets of labels per figure.
const TRIALS: u64 = 25;
/// The chance of a false alarm that is allowed.
const RATE: f64 = 0.01;

/// Periods of a watch: he labels 25 rows in each.
const PERIODS: usize = 20;

/// The insider, among labellers of [`BATCH`] rows each.
const INSIDER: u32 = 0;

fn chances(beliefs: &[Belief]) -> Vec<f64> {
    beliefs.iter().map(|belief| belief.chance).collect()
}

/// Rows at random, [`BATCH`] to a labeller; the rest is of nobody.
fn dealt(rows: usize, seed: u64) -> Vec<Option<u32>> {
    let mut order: Vec<usize> = (0..rows).collect();
    Rng::new(derive(seed, 0xDE, 0)).shuffle(&mut order);
    let mut out = vec![None; rows];
    for (labeller, batch) in order.chunks_exact(BATCH).enumerate() {
        batch.iter().for_each(|row| out[*row] = u32::try_from(labeller).ok());
    }
    out
}

/// What one set of labels shows.
#[derive(Default)]
struct Sums {
    /// Sets where the insider's own test is below [`RATE`].
    named: u32,
    /// Sets where it is below that among all labellers (Bonferroni).
    named_among_all: u32,
    /// Sets where his watch raised the alarm, and labels until then.
    watched: u32,
    until: Vec<u64>,
    /// Honest labellers that are named at [`RATE`] each, with an alarm of their watch, and all of them.
    accused: u32,
    accused_by_watch: u32,
    honest: u32,
}

pub(crate) fn labellers() -> Outcome<()> {
    println!("Labellers of {BATCH} rows, one turns some of his labels around; {TRIALS} sets; at {} % false alarms", RATE * 100.0);
    println!(
        "| data | turned | share | named | named among all | watch: alarm | after labels (median) | honest accused | by watch |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (turn, share) in
        [(Turn::Hidden, 0.0), (Turn::Hidden, 0.1), (Turn::Random, 0.1), (Turn::Hidden, 0.05), (Turn::Random, 0.05)]
    {
        for source in &SOURCES {
            let (frame, truth) = source.read()?;
            let mut sums = Sums::default();
            for seed in 0..TRIALS {
                eprint!("\r{} {} {share} {seed}   ", source.name, turn.name());
                let labellers = dealt(truth.len(), seed);
                let own: Vec<usize> = (0..truth.len()).filter(|row| labellers[*row] == Some(INSIDER)).collect();
                let labels = turned(&truth, &turn.rows(&own, &truth, (share * BATCH as f64) as usize, seed));
                let spec = BeliefSpec { seed, ..BeliefSpec::default() };
                let known = chances(&without_labeller(&frame, &labels, &labellers, &spec)?);
                count(&mut sums, &known, &labels, &labellers)?;
            }
            report(source, turn, share, sums);
        }
    }
    Ok(())
}

fn count(sums: &mut Sums, known: &[f64], labels: &[bool], labellers: &[Option<u32>]) -> Outcome<()> {
    let tests = group_tests(known, labels, labellers)?;
    let all = tests.len() as f64;
    let by_itself = |test: &GroupTest| test.p_value / all;
    let names = named(known, labels, labellers, RATE * all)?;
    for test in &tests {
        let watch = watched(known, labels, labellers, test.group)?;
        if test.group != INSIDER {
            sums.honest += 1;
            sums.accused += u32::from(names.iter().any(|name| name.group == test.group));
            sums.accused_by_watch += u32::from(watch.is_some());
            continue;
        }
        sums.named += u32::from(by_itself(test) <= RATE);
        sums.named_among_all += u32::from(test.p_value <= RATE);
        sums.watched += u32::from(watch.is_some());
        sums.until.extend(watch);
    }
    Ok(())
}

/// After how many labels the watch of one labeller raises the alarm, the rows being labelled in their order, in so many periods.
fn watched(known: &[f64], labels: &[bool], labellers: &[Option<u32>], labeller: u32) -> Outcome<Option<u64>> {
    let mut watch = Watch::default();
    for period in 0..PERIODS {
        let rows = labels.len() * period / PERIODS..labels.len() * (period + 1) / PERIODS;
        let pick = |own: bool| -> (Vec<f64>, Vec<bool>) {
            rows.clone().filter(|row| (labellers[*row] == Some(labeller)) == own).map(|row| (known[row], labels[row])).unzip()
        };
        let (own, others) = (pick(true), pick(false));
        watch.period(Labels { chances: &own.0, labels: &own.1 }, Labels { chances: &others.0, labels: &others.1 })?;
        if watch.alarm(RATE, 1) {
            return Ok(Some(watch.rows()));
        }
    }
    Ok(None)
}

fn report(source: &Source, turn: Turn, share: f64, mut sums: Sums) {
    sums.until.sort_unstable();
    let median = sums.until.get(sums.until.len() / 2).map_or_else(|| "-".to_owned(), u64::to_string);
    let of_trials = |count: u32| f64::from(count) / TRIALS as f64;
    let of_honest = |count: u32| f64::from(count) / f64::from(sums.honest.max(1));
    println!(
        "\r| {} | {} | {share} | {:.2} | {:.2} | {:.2} | {median} | {:.4} | {:.4} |",
        source.name,
        turn.name(),
        of_trials(sums.named),
        of_trials(sums.named_among_all),
        of_trials(sums.watched),
        of_honest(sums.accused),
        of_honest(sums.accused_by_watch)
    );
}

/// Tiers of customers by value.
const TIERS: u32 = 5;
/// Shares of the churners of the highest tier that are hidden.
const HIDDEN: [f64; 3] = [0.0, 0.15, 0.3];
/// Rows whose labels were checked, and which are not judged.
const GOLDEN: usize = 1_500;

pub(crate) fn tiers() -> Outcome<()> {
    println!(
        "Value tiers: {TIERS}, churners of the highest are hidden; {TRIALS} sets; at {} % false alarms over all tiers",
        RATE * 100.0
    );
    println!("| data | hidden | named, model of all labels | another named | named, golden model | another named |");
    println!("|---|---|---|---|---|---|");
    for source in &SOURCES {
        let (frame, truth) = source.read()?;
        let Some(Column::Number(values)) = frame.column(source.value) else { return Err("the value is no number".into()) };
        let tiers = value_tiers(values, TIERS);
        for share in HIDDEN {
            let mut counts = [0.0; 4];
            for seed in 0..TRIALS {
                eprint!("\r{} {share} {seed}   ", source.name);
                let top: Vec<usize> = (0..truth.len()).filter(|row| tiers[*row] == Some(TIERS - 1)).collect();
                let churners = top.iter().filter(|row| truth[**row]).count();
                let labels = turned(&truth, &Turn::Hidden.rows(&top, &truth, (share * churners as f64) as usize, seed));
                let spec = BeliefSpec { seed, ..BeliefSpec::default() };
                let mut order: Vec<usize> = (0..truth.len()).collect();
                Rng::new(derive(seed, 0x60, 0)).shuffle(&mut order);
                let (golden, judged) = order.split_at(GOLDEN);
                let known: Vec<bool> = golden.iter().map(|row| truth[*row]).collect();
                let judge = Judge::fit(&frame.take(golden), &known, &spec.booster, seed)?;
                let rows = frame.take(judged);
                let labels: Vec<bool> = judged.iter().map(|row| labels[*row]).collect();
                let groups: Vec<Option<u32>> = judged.iter().map(|row| tiers[*row]).collect();
                for (at, beliefs) in [out_of_fold(&rows, &labels, &spec)?, judge.beliefs(&rows)?].iter().enumerate() {
                    let tests = group_tests(&chances(beliefs), &labels, &groups)?;
                    let named = |top: bool| tests.iter().any(|test| test.p_value <= RATE && (test.group == TIERS - 1) == top);
                    counts[2 * at] += f64::from(u8::from(named(true))) / TRIALS as f64;
                    counts[2 * at + 1] += f64::from(u8::from(named(false))) / TRIALS as f64;
                }
            }
            let [own, other, golden, golden_other] = counts;
            println!("\r| {} | {share} | {own:.2} | {other:.2} | {golden:.2} | {golden_other:.2} |", source.name);
        }
    }
    println!("groups of fewer than {GROUP_ROWS_MIN} rows are left untested");
    Ok(())
}
