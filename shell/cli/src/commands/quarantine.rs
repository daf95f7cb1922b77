//! `stayward quarantine`: rows that were set aside, with reasons; one person proposes what becomes of them, another signs (T1, T6).

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use identity::Action;
use pipeline::access::allow;
use pipeline::quarantine::{
    Chosen, ColumnKnown, Decided, Decision, Entry, EntryState, Proposed, Queue, RowReason, Waiting, approve, known_values,
    propose, queue_beside, rule_name,
};
use pipeline::{Desk, Office, PipelineError};
use serde::Serialize;

use super::{Ended, raw, wrong};
use crate::output::{Output, many, table};

/// Characters of a row's reasons that the list shows.
const SEEN_SHOWN: usize = 60;
/// Rows that the list shows to people, unless told; the other forms have all.
const SHOWN: usize = 50;

#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List rows that wait, and proposals that wait for a signature.
    Ls {
        #[command(flatten)]
        only: Only,
        /// Rows that were decided about, too.
        #[arg(long)]
        all: bool,
        /// How many rows to show.
        #[arg(short, long, default_value_t = SHOWN)]
        number: usize,
    },
    /// Show a row: its cells beside what is known of their columns, and the reasons.
    Show {
        /// The row, as `quarantine ls` names it.
        id: String,
    },
    /// Write the rows that wait as CSV, to look at elsewhere.
    Export {
        #[command(flatten)]
        only: Only,
    },
    /// Data steward: propose what becomes of rows; another person signs.
    Propose(ProposeArgs),
    /// Another data steward, or a label approver: sign a proposal, with your second factor.
    Approve {
        /// First digits of the proposal, as `quarantine ls` shows them.
        proposal: String,
    },
}

#[derive(Debug, Args)]
struct Only {
    /// Only rows of this feed.
    #[arg(long)]
    feed: Option<String>,
    /// Only rows of the delivery with these first digits.
    #[arg(long)]
    delivery: Option<String>,
    /// Only rows with this reason.
    #[arg(long)]
    reason: Option<Reason>,
}

/// Reasons by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reason {
    /// It could not be read or breaks the contract.
    Contract,
    /// A value is beyond what trusted history shows.
    Threshold,
    /// The values do not go together.
    Joint,
    /// It repeats another row.
    Duplicate,
}

impl Reason {
    fn rule(self) -> RowReason {
        match self {
            Self::Contract => RowReason::Contract,
            Self::Threshold => RowReason::Threshold,
            Self::Joint => RowReason::Joint,
            Self::Duplicate => RowReason::Duplicate,
        }
    }
}

/// What may be proposed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Becomes {
    /// They go into the data source with the next run.
    Release,
    /// They stay out; evidence keeps them.
    Discard,
}

#[derive(Debug, Args)]
struct ProposeArgs {
    /// What becomes of the rows.
    decision: Becomes,
    /// The rows, as `quarantine ls` names them.
    #[arg(required_unless_present_any = ["delivery", "reason"])]
    ids: Vec<String>,
    /// All rows that wait of the delivery with these first digits.
    #[arg(long, conflicts_with_all = ["ids", "reason"])]
    delivery: Option<String>,
    /// All rows that wait for this reason alone.
    #[arg(long, conflicts_with = "ids")]
    reason: Option<Reason>,
    /// What you found out about them, in words; whoever signs reads it, and evidence keeps it.
    #[arg(long)]
    because: String,
}

pub(crate) async fn run(args: QuarantineArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Ls { only, all, number } => list(&only, (all, number), root, out).await,
        What::Show { id } => show(&id, root, out).await,
        What::Export { only } => export(&only, root, out).await,
        What::Propose(args) => propose_rows(args, root, out).await,
        What::Approve { proposal } => approve_rows(&proposal, root, out).await,
    }
}

/// Rows are for those who may read the data source.
async fn readable(root: &Path) -> Result<(Office, Queue), PipelineError> {
    let office = Office::open(root).await?;
    office.authorised(Action::ReadSource).await?;
    let queue = queue_beside(&office).await?;
    Ok((office, queue))
}

impl Only {
    fn names(&self, entry: &Entry) -> bool {
        let reason = |wanted: Reason| entry.reasons.iter().any(|reason| reason.rule == wanted.rule());
        self.feed.as_ref().is_none_or(|feed| entry.feed == *feed)
            && self.delivery.as_ref().is_none_or(|digits| starts(&entry.delivery, digits))
            && self.reason.is_none_or(reason)
    }
}

/// Whether both begin the same digest: people copy digits of any length.
fn starts(known: &str, digits: &str) -> bool {
    known.starts_with(digits) || digits.starts_with(known)
}

async fn list(only: &Only, (all, number): (bool, usize), root: &Path, out: &Output) -> Ended {
    let (_, mut queue) = readable(root).await?;
    queue.entries.retain(|entry| (all || entry.state.is_open() || entry.state == EntryState::Released) && only.names(entry));
    out.result(&queue, || shown(&queue, number));
    Ok(u8::from(!queue.doubts.is_empty()) * 5)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SEEN_SHOWN {
        return text.to_owned();
    }
    text.chars().take(SEEN_SHOWN).chain(['…']).collect()
}

fn because(entry: &Entry) -> String {
    let words: Vec<String> = entry
        .reasons
        .iter()
        .map(|reason| {
            let rule = rule_name(reason.rule);
            if reason.column.is_empty() {
                format!("{rule}: {}", reason.seen)
            } else {
                format!("{rule}, {}: {}", reason.column, reason.seen)
            }
        })
        .collect();
    words.join("; ")
}

fn shown(queue: &Queue, number: usize) -> String {
    let row = |entry: &Entry| {
        vec![
            entry.id.clone(),
            entry.feed.clone(),
            entry.state.as_str().to_owned(),
            entry.days.to_string(),
            entry.proposal.clone().unwrap_or_else(|| "-".to_owned()),
            cut(&because(entry)),
        ]
    };
    let mut parts = Vec::new();
    if queue.entries.is_empty() {
        parts.push("no row waits".to_owned());
    } else {
        let rows: Vec<Vec<String>> = queue.entries.iter().take(number).map(row).collect();
        parts.push(table(&["row", "feed", "state", "days", "proposal", "why"], &rows));
        if queue.entries.len() > number {
            parts.push(format!("{number} of {} shown; `-n` shows more", queue.entries.len()));
        }
    }
    if !queue.proposals.is_empty() {
        let row = |one: &Waiting| {
            vec![
                one.proposal.clone(),
                one.decision.as_str().to_owned(),
                one.rows.to_string(),
                one.proposed_by.clone(),
                one.at.clone(),
                cut(&one.because),
            ]
        };
        let rows: Vec<Vec<String>> = queue.proposals.iter().map(row).collect();
        let head = ["waits for a signature", "decision", "rows", "proposed by", "at", "because"];
        parts.push(format!("{}\nnext: another person runs `stayward quarantine approve PROPOSAL`", table(&head, &rows)));
    }
    parts.extend(queue.doubts.iter().map(|doubt| format!("NOT PROVED: {doubt}")));
    parts.join("\n\n")
}

#[derive(Serialize)]
struct Shown<'a> {
    entry: &'a Entry,
    known: &'a BTreeMap<String, ColumnKnown>,
}

async fn show(id: &str, root: &Path, out: &Output) -> Ended {
    let (office, queue) = readable(root).await?;
    let Some(entry) = queue.entries.iter().find(|entry| entry.id == id) else {
        return Err(wrong(format!("no row `{id}` is in quarantine"), "list them with `stayward quarantine ls`"));
    };
    let known = known_values(&office.project, &entry.feed)?;
    out.result(&Shown { entry, known: &known }, || spelled(entry, &known));
    Ok(0)
}

fn spelled(entry: &Entry, known: &BTreeMap<String, ColumnKnown>) -> String {
    let cell = |(column, value): (&String, &Option<String>)| {
        let (rule, seen) = known.get(column).map(|known| (known.allowed.clone(), known.seen.clone())).unwrap_or_default();
        let why = if entry.reasons.iter().any(|reason| reason.column == *column) { "<" } else { "" };
        vec![column.clone(), value.clone().unwrap_or_else(|| "(missing)".to_owned()), why.to_owned(), rule, seen]
    };
    let cells: Vec<Vec<String>> = entry.cells.iter().map(cell).collect();
    let cells = match cells.as_slice() {
        [] => "the record could not be read".to_owned(),
        cells => table(&["column", "value", "", "the contract allows", "accepted so far"], cells),
    };
    let line = entry.line.map_or_else(String::new, |line| format!(", line {line}"));
    let reasons: Vec<String> = entry
        .reasons
        .iter()
        .map(|reason| {
            let column = if reason.column.is_empty() { String::new() } else { format!(" `{}`", reason.column) };
            format!("  {}{column}: {}", rule_name(reason.rule), reason.seen)
        })
        .collect();
    let decided = match (&entry.proposal, &entry.proposed_by, &entry.approved_by) {
        (Some(proposal), Some(by), None) => format!("\nproposal {proposal} of {by} waits for another person"),
        (Some(proposal), Some(by), Some(signed)) => format!("\nproposal {proposal} of {by} was signed by {signed}"),
        (_, _, _) => String::new(),
    };
    format!(
        "row {} of delivery {} of feed `{}`{line}: {} since {} ({})\n\n{cells}\n\nreasons\n{}\n\nverdict {}{decided}",
        entry.row,
        entry.delivery,
        entry.feed,
        entry.state.as_str(),
        entry.since,
        many(u64::try_from(entry.days).unwrap_or(0), "day", "days"),
        reasons.join("\n"),
        entry.evidence
    )
}

async fn export(only: &Only, root: &Path, out: &Output) -> Ended {
    let (_, queue) = readable(root).await?;
    let entries: Vec<&Entry> = queue.open().filter(|entry| only.names(entry)).collect();
    raw(out, csv(&entries).as_bytes())?;
    Ok(0)
}

/// A cell of CSV (RFC 4180). A spreadsheet would take a text that begins like a formula for one; an apostrophe keeps it from that.
fn cell(text: &str) -> String {
    let plain = text.parse::<f64>().is_ok();
    let text = if !plain && text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn csv(entries: &[&Entry]) -> String {
    let columns: std::collections::BTreeSet<&String> = entries.iter().flat_map(|entry| entry.cells.keys()).collect();
    let head = ["quarantine_row", "feed", "state", "days", "line", "why"].map(str::to_owned);
    let line = |cells: Vec<String>| cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",") + "\n";
    let mut out = line(head.into_iter().chain(columns.iter().map(|column| (*column).clone())).collect());
    for entry in entries {
        let own = [
            entry.id.clone(),
            entry.feed.clone(),
            entry.state.as_str().to_owned(),
            entry.days.to_string(),
            entry.line.map_or_else(String::new, |line| line.to_string()),
            because(entry),
        ];
        let values = columns.iter().map(|column| entry.cells.get(*column).cloned().flatten().unwrap_or_default());
        out.push_str(&line(own.into_iter().chain(values).collect()));
    }
    out
}

async fn propose_rows(args: ProposeArgs, root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let session = desk.session().await?;
    let chosen = match (args.delivery, args.reason) {
        (Some(digits), _) => Chosen::Delivery(digits),
        (None, Some(reason)) => Chosen::Reason(reason.rule()),
        (None, None) => Chosen::Ids(args.ids),
    };
    let decision = match args.decision {
        Becomes::Release => Decision::Release,
        Becomes::Discard => Decision::Discard,
    };
    let proposed = propose(&desk, &session, decision, (&chosen, &args.because)).await?;
    out.result(&proposed, || told(&proposed));
    if desk.project.policy.labels.author_may_approve {
        out.say("the policy of this project (`labels.author_may_approve`) lets you sign this yourself: evidence says so");
    }
    Ok(0)
}

/// What was proposed, for people.
pub(crate) fn told(proposed: &Proposed) -> String {
    let rows = many(u64::try_from(proposed.rows).unwrap_or(u64::MAX), "row", "rows");
    let left = match proposed.left_out {
        0 => String::new(),
        some => format!("\n{some} more break the contract, and no table can take them"),
    };
    format!(
        "{} proposes to {} {rows} (proposal {}){left}\nnext: have another person log in, look at them with `stayward quarantine ls`, and run\n  stayward quarantine approve {}",
        proposed.proposed_by,
        proposed.decision.as_str(),
        proposed.proposal.short(),
        proposed.proposal.short()
    )
}

async fn approve_rows(digits: &str, root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let session = desk.session().await?;
    allow(&desk.project, &desk.identity, &session, Action::ApproveQuarantine).await?;
    let decided = approve(&desk, &session, digits).await?;
    out.result(&decided, || signed(&decided));
    Ok(0)
}

fn signed(decided: &Decided) -> String {
    let rows = many(u64::try_from(decided.rows).unwrap_or(u64::MAX), "row", "rows");
    let (what, next) = match decided.decision {
        Decision::Release => ("the release", "\nnext:\n  stayward run"),
        Decision::Discard => ("the discarding", ""),
    };
    let alone = if decided.alone { "; the policy of this project lets one person do both" } else { "" };
    format!(
        "{} signed {what} of {rows} that {} proposed (evidence {}){alone}{next}",
        decided.approved_by, decided.proposed_by, decided.evidence
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one_cell_and_no_formula() {
        let check = |text: &str, expected: &str| assert_eq!(cell(text), expected);
        check("a", "a");
        check("a,b", "\"a,b\"");
        check("say \"x\"", "\"say \"\"x\"\"\"");
        check("=1+1", "'=1+1");
        check("-5.5", "-5.5");
        check("-cmd", "'-cmd");
        check("", "");
    }
    #[test]
    fn digits_of_any_length_name_a_delivery() {
        assert!(starts("0123456789ab", "0123"));
        assert!(starts("0123456789ab", "0123456789abcdef"));
        assert!(!starts("0123456789ab", "1"));
    }
}
