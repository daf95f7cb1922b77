//! `stayward attack`: plays the built-in attacks against the gatehouses as they ship, on a project of their own (T1 to T7).

use std::time::Instant;

use attacks::{ALL, Attack, Bar, Duel, Measured, Plan, by_id};
use clap::{Args, Subcommand};
use pipeline::PipelineError;
use pipeline::redteam::{self, Report};
use serde::Serialize;

use super::{Ended, wrong};
use crate::output::{Output, table};

/// What all of them are called.
const EVERY: &str = "all";

#[derive(Debug, Args)]
pub(crate) struct AttackArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the attacks: what they try, what they do not, and how often they may win.
    List,
    /// Run one attack.
    Run {
        /// Its name, as `stayward attack list` prints it.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Run all of them.
    All {
        #[command(flatten)]
        how: How,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct How {
    /// A fifth of the tries.
    #[arg(long)]
    quick: bool,
    /// Same seed, same tries.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

#[derive(Serialize)]
struct Listed {
    threat: u8,
    id: &'static str,
    clauses: Vec<&'static str>,
    about: &'static str,
    measure: &'static str,
    bar: String,
}

pub(crate) async fn run(args: AttackArgs, out: &Output) -> Ended {
    match args.what {
        What::List => Ok(list(out)),
        What::Run { name, how } => fight(&name, how, out).await,
        What::All { how } => fight(EVERY, how, out).await,
    }
}

fn list(out: &Output) -> u8 {
    let cards = ALL.iter().map(|attack| attack.card());
    let listed: Vec<Listed> = cards
        .map(|card| Listed {
            threat: card.threat.number(),
            id: card.id,
            clauses: card.clauses.iter().map(|clause| clause.id()).collect(),
            about: card.about,
            measure: card.measure,
            bar: bar(card.bar),
        })
        .collect();
    out.result(&listed, || {
        let rows: Vec<Vec<String>> = listed
            .iter()
            .map(|card| {
                vec![
                    format!("T{}", card.threat),
                    card.id.to_owned(),
                    card.clauses.join(", "),
                    card.bar.clone(),
                    card.about.to_owned(),
                ]
            })
            .collect();
        table(&["", "attack", "clauses", "may win", "what it tries, and what not"], &rows)
    });
    0
}

async fn fight(name: &str, how: How, out: &Output) -> Ended {
    let attacks: Vec<&'static dyn Attack> = match by_id(name) {
        Some(attack) => vec![attack],
        None if name == EVERY => ALL.to_vec(),
        None => return Err(wrong(format!("there is no attack `{name}`"), "list them with `stayward attack list`")),
    };
    let began = Instant::now();
    out.say("A project is made in a scratch folder, attacked without its gates and with them, and deleted.\n");
    let (plan, progress) = (Plan { seed: how.seed, quick: how.quick }, *out);
    let work =
        move || redteam::run(&attacks, plan, &mut |duel| progress.say(&format!("  {:<24} {}", duel.card.id, verdict(duel))));
    let report = tokio::task::spawn_blocking(work).await.map_err(|error| PipelineError::Internal(error.to_string()))??;
    let lost = report.broken().len() + report.blunt().len();
    out.result(&report, || text(&report, began.elapsed().as_secs_f64()));
    Ok(u8::from(lost > 0))
}

fn text(report: &Report, seconds: f64) -> String {
    let rows: Vec<Vec<String>> = report.duels.iter().map(row).collect();
    let figures = table(&["", "attack", "one try", "defence off", "on", "95 % interval", "may win", "honest", ""], &rows);
    let sum = |of: fn(&Duel) -> u64| report.duels.iter().map(of).sum::<u64>();
    let (won, honest) = (sum(|duel| duel.on.honest.won), sum(|duel| duel.on.honest.tried));
    let barred = report.duels.iter().filter(|duel| duel.card.bar != Bar::KnownGap).count();
    let gaps = report.duels.iter().filter(|duel| duel.card.bar == Bar::KnownGap);
    let gaps: Vec<String> = gaps.map(|duel| format!("\n  {}: {}", duel.card.id, duel.on.detail)).collect();
    format!(
        "{figures}\n\n{} attacks in {seconds:.0} s, seed {}{}. Defence on: {} of {} attacks with a bar were held to it; {won} of {honest} honest moves passed.\n\
         Known gaps, not defended: {}\n\
         Each attack is what its card says (`stayward attack list`); attackers who adapt further than that were not tried.",
        report.duels.len(),
        report.seed,
        if report.quick { ", a fifth of the tries" } else { "" },
        barred - report.broken().len(),
        barred,
        if gaps.is_empty() { "none here".to_owned() } else { gaps.concat() },
    )
}

fn row(duel: &Duel) -> Vec<String> {
    let card = duel.card;
    let (low, high) = duel.on.interval;
    let honest =
        if duel.on.honest.tried == 0 { String::new() } else { format!("{}/{}", duel.on.honest.won, duel.on.honest.tried) };
    let measure = card.measure.split(';').next().unwrap_or(card.measure).to_owned();
    vec![
        format!("T{}", card.threat.number()),
        card.id.to_owned(),
        measure,
        share(&duel.off),
        share(&duel.on),
        format!("{:.1} to {:.1} %", low * 100.0, high * 100.0),
        bar(card.bar),
        honest,
        verdict(duel).to_owned(),
    ]
}

fn share(measured: &Measured) -> String {
    format!("{}/{}", measured.succeeded, measured.tried)
}

fn bar(bar: Bar) -> String {
    match bar {
        Bar::AtMost(share) if share > 0.0 => format!("{:.0} %", share * 100.0),
        Bar::AtMost(_) => "never".to_owned(),
        Bar::KnownGap => "known gap".to_owned(),
    }
}

fn verdict(duel: &Duel) -> &'static str {
    match (duel.is_sane(), duel.keeps(), duel.card.bar) {
        (false, _, _) => "MEASURES NOTHING",
        (true, false, _) => "BROKEN",
        (true, true, Bar::KnownGap) => "known gap",
        (true, true, Bar::AtMost(_)) if duel.on.succeeded == 0 => "stopped",
        (true, true, Bar::AtMost(_)) => "within its limit",
    }
}
