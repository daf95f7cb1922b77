//! `stayward validate`: what intake would find in files, before they are delivered (T1): by the contract alone, or against trusted
//! rows as well. For people, programs, code reviews (SARIF 2.1.0) and mail (one HTML page with plots).

mod html;
mod sarif;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pipeline::validate::{Advice, Screened, Strange, Trusted, Validated, feed_contract, read_contract, validate};
use pipeline::{Office, PipelineError, data};
use screen::Layer;
use serde::Serialize;
use tabular::Contract;
use tabular::typed::Rule;

use super::{Ended, raw, wrong};
use crate::args::Format;
use crate::output::{Output, many, table};

/// Violations that the table shows.
const SHOWN: usize = 50;

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, for code review and scanners' dashboards.
    Sarif,
    /// One self-contained page.
    Html,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The files, in the order of their arrival: CSV (plain or gz) or Parquet.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Trusted rows of the same form, that nobody outside ever fed: files are judged against them. The project's own customers where
    /// absent.
    #[arg(long)]
    history: Option<PathBuf>,
    /// The column of the trusted rows that says who churned, where no contract says so.
    #[arg(long, requires = "history")]
    target: Option<String>,
    /// Its level that means churn, where it cannot be guessed (yes, true, 1).
    #[arg(long, requires = "target")]
    positive: Option<String>,
    /// A contract; where absent, guessed from --history, or the project's contract of customers.
    #[arg(long, conflicts_with = "feed")]
    contract: Option<PathBuf>,
    /// A feed of the project whose contract the file must keep.
    #[arg(long)]
    feed: Option<String>,
    /// How findings are written; as --output says where absent.
    #[arg(long, value_enum)]
    format: Option<Form>,
}

/// Findings, as programs read them.
#[derive(Serialize)]
pub(super) struct Findings {
    pub(super) file: String,
    pub(super) contract: String,
    pub(super) rows: u64,
    pub(super) rows_broken: u64,
    pub(super) rows_unreadable: u64,
    pub(super) unreadable: Vec<String>,
    pub(super) violations_count: u64,
    pub(super) violations: Vec<Found>,
    pub(super) keeps: bool,
    /// What to do with the file.
    pub(super) advice: Advice,
    /// Against trusted rows, where there are some.
    pub(super) screened: Option<Screened>,
}

/// One violation.
#[derive(Serialize)]
pub(super) struct Found {
    /// From 1, as people count.
    pub(super) row: Option<usize>,
    pub(super) line: Option<u64>,
    pub(super) column: String,
    pub(super) rule: Rule,
    pub(super) seen: String,
}

pub(crate) async fn run(args: ValidateArgs, root: &Path, out: &Output) -> Ended {
    let (contract, mut trusted) = judges(&args, root, out).await?;
    let mut all = Vec::new();
    for file in &args.files {
        let validated = validate(file, &contract)?;
        let screened = match trusted.as_mut() {
            Some(trusted) => Some(trusted.judge(&validated)?),
            None => None,
        };
        all.push(findings(file, &contract, &validated, screened));
    }
    match (args.format.unwrap_or(Form::Table), all.as_slice()) {
        (Form::Sarif, all) => print(out, &sarif::document(all))?,
        (Form::Html, all) => {
            out.raw(html::page(all).as_bytes()).map_err(|error| wrong(error.to_string(), "write it to a file"))?;
        }
        (Form::Json, [one]) if out.format == Format::Table => print(out, one)?,
        (Form::Json, all) if out.format == Format::Table => print(out, &all)?,
        (Form::Table | Form::Json, [one]) => out.result(one, || show(one)),
        (Form::Table | Form::Json, all) => {
            out.result(&all, || all.iter().map(show).collect::<Vec<_>>().join("\n\n"));
        }
    }
    Ok(exit_code(all.iter().map(|one| one.advice).max().unwrap_or(Advice::Pass)))
}

/// As `--help` documents it: 1 says no, 6 waits for a person.
fn exit_code(advice: Advice) -> u8 {
    match advice {
        Advice::Pass => 0,
        Advice::Hold => 6,
        Advice::Quarantine | Advice::Refuse => 1,
    }
}

/// The contract, and the trusted rows where there are some.
async fn judges(args: &ValidateArgs, root: &Path, out: &Output) -> Result<(Contract, Option<Trusted>), PipelineError> {
    // A contract or a history of one's own needs no project.
    let office = if root.join("stayward.toml").is_file() { Some(Office::open(root).await?) } else { None };
    if let Some(history) = &args.history {
        let named = args.contract.is_some() || args.feed.is_some();
        let contract = if named { Some(contract(args, office.as_ref())?) } else { None };
        out.say(&format!("learning from {}", history.display()));
        let trusted = Trusted::of_file(history, contract, (args.target.as_deref(), args.positive.as_deref()))?;
        return Ok((trusted.contract.clone(), Some(trusted)));
    }
    let contract = contract(args, office.as_ref())?;
    let trusted = match (&args.contract, &args.feed, office.as_ref()) {
        (None, Some(feed), Some(office)) => Trusted::of_feed(&office.project, &office.control, feed).await?,
        (None, None, Some(office)) => Trusted::of_project(&office.project, &office.control).await?,
        (_, _, _) => None,
    };
    Ok((contract, trusted))
}

fn print(out: &Output, value: &impl Serialize) -> Result<(), PipelineError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| PipelineError::Internal(error.to_string()))?;
    text.push(b'\n');
    raw(out, &text)
}

fn contract(args: &ValidateArgs, office: Option<&Office>) -> Result<Contract, PipelineError> {
    if let Some(path) = &args.contract {
        return read_contract(path);
    }
    let office = office.ok_or_else(|| {
        wrong(
            "there is no project here, so there is no contract",
            "name trusted rows with --history FILE, a contract with --contract FILE, or a project with --project DIR",
        )
    })?;
    match &args.feed {
        Some(feed) => feed_contract(&office.project, feed),
        None => Ok(data::customers_contract(&office.project)),
    }
}

fn findings(file: &Path, contract: &Contract, validated: &Validated, screened: Option<Screened>) -> Findings {
    let violations = validated.violations.iter().map(|found| Found {
        row: found.row.map(|row| row + 1),
        line: found.row.and_then(|row| validated.line(row)),
        column: found.column.clone(),
        rule: found.rule,
        seen: found.seen.clone(),
    });
    Findings {
        file: file.display().to_string(),
        contract: contract.name.clone(),
        rows: validated.rows + validated.unreadable.0,
        rows_broken: validated.rows_broken,
        rows_unreadable: validated.unreadable.0,
        unreadable: validated.unreadable.1.clone(),
        violations_count: validated.violations_count,
        violations: violations.collect(),
        keeps: validated.keeps(),
        advice: match &screened {
            Some(screened) => screened.advice,
            None if validated.keeps() => Advice::Pass,
            None if validated.table.table_keeps() => Advice::Quarantine,
            None => Advice::Refuse,
        },
        screened,
    }
}

/// A rule's name, as in JSON.
pub(super) fn name(rule: Rule) -> String {
    serde_json::to_value(rule).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn show(findings: &Findings) -> String {
    let mut parts = vec![verdict(findings)];
    parts.push(format!(
        "{}: {} rows by contract `{}`: {} break it, {} violations, {} records unreadable",
        findings.file,
        findings.rows,
        findings.contract,
        findings.rows_broken,
        findings.violations_count,
        findings.rows_unreadable
    ));
    if !findings.violations.is_empty() {
        let dash = || "-".to_owned();
        let row = |found: &Found| {
            vec![
                found.row.map_or_else(dash, |row| row.to_string()),
                found.line.map_or_else(dash, |line| line.to_string()),
                found.column.clone(),
                name(found.rule),
                format!("`{}`", found.seen),
            ]
        };
        let rows: Vec<Vec<String>> = findings.violations.iter().take(SHOWN).map(row).collect();
        parts.push(table(&["row", "line", "column", "rule", "seen"], &rows));
        let more = findings.violations_count.saturating_sub(u64::try_from(rows.len()).unwrap_or(0));
        if more > 0 {
            parts.push(format!("and {more} more (all that are kept: --format json)"));
        }
    }
    if !findings.unreadable.is_empty() {
        parts.push(format!("unreadable:\n  {}", findings.unreadable.join("\n  ")));
    }
    if let Some(screened) = &findings.screened {
        parts.push(strange(screened));
    }
    parts.join("\n\n")
}

/// What to do with the file, in words.
pub(super) fn verdict(findings: &Findings) -> String {
    let broken = findings.rows_broken;
    let flagged = findings.screened.as_ref().map_or(broken, |screened| screened.rows_flagged);
    match findings.advice {
        Advice::Pass if findings.screened.is_some() => "PASS: the file keeps the contract, and is as trusted rows are".to_owned(),
        Advice::Pass => {
            "PASS: the file keeps the contract (there are no trusted rows to compare with: name some with --history)".to_owned()
        }
        Advice::Quarantine => {
            format!("QUARANTINE: {flagged} of {} rows are to be set aside, the others can be taken", findings.rows)
        }
        Advice::Hold => "HOLD: people should look at the file before it is taken".to_owned(),
        Advice::Refuse => "REFUSE: the file is not what was agreed; mend it, or change the contract".to_owned(),
    }
}

fn strange(screened: &Screened) -> String {
    let row = |one: &Strange| {
        vec![
            one.row.to_string(),
            one.line.map_or_else(|| "-".to_owned(), |line| line.to_string()),
            one.id.clone(),
            format!("{:.1e}", one.p_value),
            layer(one.layer),
            one.column.clone().unwrap_or_default(),
            one.seen.clone(),
        ]
    };
    let alarms: Vec<Vec<String>> = screened
        .tests
        .iter()
        .filter(|test| test.alarm)
        .map(|test| vec![layer(test.layer), test.what.clone(), format!("{:.1e}", test.p_value), test.seen.clone()])
        .collect();
    let mut parts = vec![format!(
        "against {} trusted rows of {}: {} to be set aside, {} of {} tests of the whole alarm",
        screened.trusted_rows,
        screened.trusted,
        many(screened.rows_flagged, "row", "rows"),
        alarms.len(),
        screened.tests.len()
    )];
    if !alarms.is_empty() {
        parts.push(table(&["layer", "test of the whole", "p", "seen"], &alarms));
    }
    let rows: Vec<Vec<String>> = screened.rows.iter().take(SHOWN).map(row).collect();
    if !rows.is_empty() {
        parts.push(table(&["row", "line", "id", "p", "layer", "column", "seen"], &rows));
        let more = screened.rows_flagged.saturating_sub(u64::try_from(rows.len()).unwrap_or(0));
        if more > 0 {
            parts.push(format!("and {more} more (all that are kept: --format json)"));
        }
    }
    parts.join("\n\n")
}

/// A layer's name, as in JSON.
pub(super) fn layer(layer: Layer) -> String {
    serde_json::to_value(layer).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
use screen::BatchFinding;

#[cfg(test)]
pub(super) fn sample() -> Findings {
    let found = |row: Option<usize>, line: Option<u64>, seen: &str| Found {
        row,
        line,
        column: "price <b>".into(),
        rule: Rule::Range,
        seen: seen.into(),
    };
    Findings {
        file: "a b/prices.csv".into(),
        contract: "market".into(),
        rows: 10,
        rows_broken: 1,
        rows_unreadable: 1,
        unreadable: vec!["line 9: a quote is not closed".into()],
        violations_count: 3,
        violations: vec![found(Some(3), Some(4), "-5"), found(Some(5), None, "<script>"), found(None, None, "")],
        keeps: false,
        advice: Advice::Quarantine,
        screened: Some(Screened {
            trusted: "<old>".into(),
            trusted_rows: 900,
            advice: Advice::Quarantine,
            alarm: true,
            rows_flagged: 1,
            rows: vec![Strange {
                row: 7,
                line: Some(8),
                id: "c<7>".into(),
                layer: Layer::Conditional,
                column: Some("price <b>".into()),
                p_value: 0.001,
                seen: "`9` where 5 is foretold".into(),
            }],
            tests: vec![BatchFinding {
                layer: Layer::Combined,
                what: "rows beyond <one in a hundred>".into(),
                p_value: 1e-9,
                seen: "5 of 10".into(),
                alarm: true,
            }],
            scores: vec![0.1, 0.4, 9.0],
        }),
    }
}
