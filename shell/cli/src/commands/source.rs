//! `stayward source`: the versions of the data source, what changed between two, and who brought a customer's row.

use std::path::Path;

use clap::{Args, Subcommand};
use identity::Action;
use pipeline::Desk;
use pipeline::access::allow;
use pipeline::view::{self, Blame, RowChange, SourceDiff, TableVersion};

use super::{Ended, database};
use crate::output::{Output, many, table};

/// Rows that `diff` shows.
const SHOWN: usize = 20;
/// The table that is meant where none is named.
const CUSTOMERS: &str = "customers";

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the versions of every table: rows, where they came from, who wrote them, evidence.
    Log {
        /// Only this table.
        table: Option<String>,
    },
    /// Say what differs between two versions of a table.
    Diff {
        /// From this version; `stayward source log` lists them.
        from: u64,
        /// To this version.
        to: u64,
        /// Which table.
        #[arg(long, default_value = CUSTOMERS)]
        table: String,
        /// How many rows to show.
        #[arg(short, long, default_value_t = SHOWN)]
        number: usize,
    },
    /// Ask the database which rights the role that reads the customers has; each that is too much fails the check.
    Check(database::CheckArgs),
    /// Say which delivery, person and label decision brought a customer's row.
    Blame {
        /// The customer's id.
        customer: String,
    },
}

pub(crate) async fn run(args: SourceArgs, root: &Path, out: &Output) -> Ended {
    if let What::Check(check) = &args.what {
        return database::check(check, root, out).await;
    }
    let desk = Desk::open(root).await?;
    // Rows and people are for those who may read the data source.
    let session = desk.session().await?;
    allow(&desk.project, &desk.identity, &session, Action::ReadSource).await?;
    match args.what {
        What::Check(_) => {}
        What::Log { table: only } => {
            let versions = view::source_log(&desk, only.as_deref())?;
            out.result(&versions, || log_table(&versions));
        }
        What::Diff { from, to, table, number } => {
            let found = view::source_diff(&desk, &table, (from, to), number)?;
            out.result(&found, || spell(&found));
        }
        What::Blame { customer } => {
            let customer = pipeline::internal::known_as(&desk.project, &desk.vault, &customer)?;
            let found = view::source_blame(&desk, &customer).await?;
            out.result(&found, || blamed(&found));
        }
    }
    Ok(0)
}

fn log_table(versions: &[TableVersion]) -> String {
    let row = |version: &TableVersion| {
        vec![
            version.table.clone(),
            version.version.to_string(),
            version.at.clone(),
            version.rows.to_string(),
            version.unproved.as_ref().map_or_else(|| version.origin.clone(), |why| format!("NOT PROVED: {why}")),
            version.writer.clone(),
            version.evidence.clone(),
        ]
    };
    let head = ["table", "version", "written", "rows", "from", "by", "evidence"];
    table(&head, &versions.iter().map(row).collect::<Vec<_>>())
}

fn value(known: Option<&String>) -> String {
    known.map_or_else(|| "(missing)".to_owned(), Clone::clone)
}

fn changes(all: &[view::Change]) -> String {
    let words: Vec<String> = all
        .iter()
        .map(|change| format!("{}: {} -> {}", change.column, value(change.before.as_ref()), value(change.after.as_ref())))
        .collect();
    words.join("; ")
}

fn spell(found: &SourceDiff) -> String {
    let sum = format!(
        "{}, version {} to {}: {} added, {} removed, {} changed, {} the same",
        found.table,
        found.from,
        found.to,
        many(found.added, "row", "rows"),
        found.removed,
        found.changed,
        found.same
    );
    let columns: Vec<Vec<String>> = found.columns.iter().map(|(column, rows)| vec![column.clone(), rows.to_string()]).collect();
    let row = |row: &RowChange| vec![row.what.to_owned(), row.key.clone(), changes(&row.changes)];
    let rows: Vec<Vec<String>> = found.rows.iter().map(row).collect();
    let differ = found.added + found.removed + found.changed;
    let mut out = sum;
    if !columns.is_empty() {
        out.push_str(&format!("\n\n{}", table(&["column", "rows changed"], &columns)));
    }
    if !rows.is_empty() {
        out.push_str(&format!("\n\n{}", table(&["", "row", "changes"], &rows)));
    }
    if u64::try_from(rows.len()).unwrap_or(u64::MAX) < differ {
        out.push_str(&format!("\n{} of {differ} shown; `-n` shows more", rows.len()));
    }
    out
}

fn blamed(found: &Blame) -> String {
    let came = |version: &TableVersion| {
        let origin = version.unproved.as_ref().map_or_else(|| version.origin.clone(), |why| format!("NOT PROVED: {why}"));
        vec![
            format!("{} v{}", version.table, version.version),
            origin,
            version.writer.clone(),
            version.at.clone(),
            version.evidence.clone(),
        ]
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in &found.rows {
        let what = if row.changes.is_empty() { "row".to_owned() } else { changes(&row.changes) };
        rows.push([vec![row.key.clone(), what], came(&row.version)].concat());
    }
    for feature in &found.features {
        let what = format!("{} = {} ({})", feature.feature, value(feature.value.as_ref()), feature.row);
        rows.push([vec![String::new(), what], came(&feature.version)].concat());
    }
    for label in &found.labels {
        let what = format!("label: {}", if label.churned { "churned" } else { "stayed" });
        let signed = if label.signed.is_empty() { "nobody".to_owned() } else { label.signed.join(", ") };
        let origin = label
            .unproved
            .as_ref()
            .map_or_else(|| format!("proposed by {}, signed by {signed}", label.author), |why| format!("NOT PROVED: {why}"));
        rows.push(vec![
            label.moment.clone().unwrap_or_default(),
            what,
            format!("labels v{}", label.version),
            origin,
            label.author.clone(),
            String::new(),
            label.evidence.clone(),
        ]);
    }
    let newest = found.rows.last().map_or("", |row| row.version.evidence.as_str());
    format!(
        "customer {}\n\n{}\n\nnext:\n  stayward evidence verify {newest}",
        found.customer,
        table(&["row", "what", "version", "from", "by", "written", "evidence"], &rows)
    )
}
