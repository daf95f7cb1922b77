//! `stayward validate`: what intake would find in a file, before it is delivered (T1). For people, programs, code reviews (SARIF
//! 2.1.0) and mail (one HTML page).

mod html;
mod sarif;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pipeline::validate::{Jointly, Strange, Validated, feed_contract, jointly, read_contract, validate};
use pipeline::{Office, PipelineError, data};
use serde::Serialize;
use tabular::Contract;
use tabular::typed::Rule;

use super::{Ended, raw, wrong};
use crate::args::Format;
use crate::output::{Output, table};

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
    /// The file: CSV (plain or gz) or Parquet.
    file: PathBuf,
    /// A contract; the project's contract of customers where absent.
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
    pub(super) outliers: Option<Jointly>,
    pub(super) keeps: bool,
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
    // A contract of one's own needs no project; joint outliers need one with data.
    let office = if root.join("stayward.toml").is_file() { Some(Office::open(root).await?) } else { None };
    let contract = contract(&args, office.as_ref())?;
    let validated = validate(&args.file, &contract)?;
    let own = args.contract.is_none() && args.feed.is_none();
    let outliers = match office.as_ref().filter(|_| own && validated.table.table_keeps()) {
        Some(office) => jointly(&office.project, &office.control, &validated).await?,
        None => None,
    };
    let findings = findings(&args.file, &contract, &validated, outliers);
    match args.format.unwrap_or(Form::Table) {
        Form::Sarif => print(out, &sarif::document(&findings))?,
        Form::Html => {
            out.raw(html::page(&findings).as_bytes()).map_err(|error| wrong(error.to_string(), "write it to a file"))?
        }
        Form::Json if out.format == Format::Table => print(out, &findings)?,
        Form::Table | Form::Json => out.result(&findings, || show(&findings)),
    }
    Ok(u8::from(!findings.keeps))
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
            "name one with --contract FILE, or a project with --project DIR",
        )
    })?;
    match &args.feed {
        Some(feed) => feed_contract(&office.project, feed),
        None => Ok(data::customers_contract(&office.project)),
    }
}

fn findings(file: &Path, contract: &Contract, validated: &Validated, outliers: Option<Jointly>) -> Findings {
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
        outliers,
        keeps: validated.keeps(),
    }
}

/// A rule's name, as in JSON.
pub(super) fn name(rule: Rule) -> String {
    serde_json::to_value(rule).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn show(findings: &Findings) -> String {
    let mut parts = vec![format!(
        "{} rows by contract `{}`: {} break it, {} violations, {} records unreadable",
        findings.rows, findings.contract, findings.rows_broken, findings.violations_count, findings.rows_unreadable
    )];
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
    if let Some(outliers) = &findings.outliers {
        parts.push(strange(outliers));
    }
    parts.push(if findings.keeps {
        "the file keeps the contract".to_owned()
    } else {
        "the file BREAKS the contract; mend it, or widen the rule in the contract".to_owned()
    });
    parts.join("\n\n")
}

fn strange(outliers: &Jointly) -> String {
    let row = |one: &Strange| {
        let flag = if one.flagged { "set aside" } else { "" };
        vec![
            one.row.to_string(),
            one.id.clone(),
            format!("{:.1e}", one.p_value),
            one.column.clone().unwrap_or_default(),
            flag.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = outliers.strangest.iter().map(row).collect();
    let head = format!(
        "strangest rows against {} trusted ones (the file as a whole: p = {:.2})",
        outliers.trusted_rows, outliers.batch_p_value
    );
    format!("{head}\n{}", table(&["row", "id", "p", "column", "would be"], &rows))
}

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
        outliers: None,
        keeps: false,
    }
}
