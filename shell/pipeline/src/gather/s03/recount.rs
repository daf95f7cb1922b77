//! Labels computed again from billing and activity events (T6): what a customer did is in the books, whatever a label says.

use std::collections::BTreeMap;
use std::path::Path;

use gate::Digest;
use labelnoise::facts::{Event, Fact, Given, Mismatch, Proof, Recount as Count, Report};
use s03_label_qa::{Counted, Recount};
use tabular::Contract;
use tabular::contract::{ColumnRule, Duplicates, Kind, Role};

use crate::desk::{now, rfc3339};
use crate::policy::EventPolicy;
use crate::run::labels::LabelRows;
use crate::{PipelineError, Project, data};

/// Contradicted labels that the facts name.
const EXAMPLES: usize = 5;

/// Computes labels again, where the policy names events.
pub(crate) fn recount(project: &Project, rows: &LabelRows) -> Recount {
    let Some(policy) = &project.policy.labels.events else { return Recount::Undeclared };
    match report(project, policy, rows) {
        Ok((report, events)) => Recount::Counted(Counted {
            events: Some(events),
            agree: report.agree,
            mismatches: u64::try_from(report.mismatches.len()).unwrap_or(u64::MAX),
            open: u64::try_from(report.open.len()).unwrap_or(u64::MAX),
            without_events: report.without_events,
            examples: report.mismatches.iter().take(EXAMPLES).map(in_words).collect(),
        }),
        Err(error) => Recount::Failed(error.to_string()),
    }
}

/// The whole comparison, and the digest of the events.
pub(crate) fn report(project: &Project, policy: &EventPolicy, rows: &LabelRows) -> Result<(Report, Digest), PipelineError> {
    let given = rows.labels.iter().map(|((customer, cutoff), churned)| Given {
        customer: customer.clone(),
        cutoff: *cutoff,
        churned: *churned,
    });
    let rule = |why: String| PipelineError::wrong(why, "mend `[labels.events]` in stayward.toml");
    let mut count = Count::new(policy.rule.clone(), given).map_err(|error| rule(error.to_string()))?;
    let events = read_events(&project.resolve(&policy.data), policy, &mut |event| count.event(event))?;
    Ok((count.report(now()), events))
}

/// Hands over every event of a file. A record that cannot be read makes the whole inconclusive: it could be the one that counts.
/// Answers the digest of the file.
fn read_events(path: &Path, policy: &EventPolicy, take: &mut dyn FnMut(Event<'_>)) -> Result<Digest, PipelineError> {
    let loaded = data::load(path)?;
    if let Some(first) = loaded.broken.first() {
        let why = format!("{} records of `{}` cannot be read: {first}", loaded.broken_count, path.display());
        return Err(PipelineError::wrong(why, "mend the file"));
    }
    let profile = tabular::profile::profile(&loaded.batches, loaded.decimal).map_err(PipelineError::internal)?;
    let column = |name: &str| {
        profile.column(name).ok_or_else(|| {
            let why = format!("`{}` has no column `{name}`", path.display());
            PipelineError::wrong(why, "name its columns under `[labels.events]` in stayward.toml")
        })
    };
    column(&policy.customer)?;
    column(&policy.kind)?;
    let time = column(&policy.time)?.time.as_ref().ok_or_else(|| {
        let why = format!("not every `{}` of `{}` is a moment", policy.time, path.display());
        PipelineError::wrong(why, "write moments in one form, for instance 2026-11-23 or 2026-11-23T08:15:00Z")
    })?;
    let contract = Contract {
        name: "events".to_owned(),
        decimal: loaded.decimal,
        missing_marks: vec![String::new()],
        duplicates: Duplicates::Group,
        label: None,
        columns: vec![
            ColumnRule::new(&policy.customer, Role::Id, Kind::Text),
            ColumnRule::new(&policy.time, Role::Time, Kind::Time { format: time.format.clone() }),
            ColumnRule::new(&policy.kind, Role::Ignore, Kind::Text),
        ],
        outsider_budget: None,
        relations: Vec::new(),
    };
    let mut events = 0;
    for batch in &loaded.batches {
        let typed = data::typed(&contract, std::slice::from_ref(batch))?;
        let frame = tabular::bridge::to_frame(batch).map_err(PipelineError::internal)?;
        let kinds = frame.column(&policy.kind);
        let moment = |row: usize| typed.time.as_ref().and_then(|all| all.get(row).copied().flatten());
        for (row, customer) in typed.ids.iter().enumerate() {
            events += 1;
            let kind = kinds.and_then(|column| data::text_of(column, row));
            let (Some(time), Some(kind), false) = (moment(row), kind, customer.is_empty()) else {
                let why = format!("event {events} of `{}` lacks customer, moment or kind", path.display());
                return Err(PipelineError::wrong(why, "mend the file"));
            };
            take(Event { customer, time, kind: &kind });
        }
    }
    Ok(Digest::of(&loaded.bytes))
}

/// A contradicted label in words.
pub(crate) fn in_words(found: &Mismatch) -> String {
    let event = |proof: &Proof| format!("`{}` at {}", proof.kind, rfc3339(proof.time));
    let fact = match &found.fact {
        Fact::Ended { by } => format!("the contract ended by {}", event(by)),
        Fact::Active { by } => format!("there was {}", event(by)),
        Fact::Silent { churned: true, before, .. } => {
            format!("nothing happened (last before: {})", before.as_ref().map_or_else(|| "nothing".to_owned(), event))
        }
        Fact::Silent { churned: false, .. } => "nothing ended the contract".to_owned(),
        Fact::Open { until } => format!("it is not known before {}", rfc3339(*until)),
    };
    let says = if found.given.churned { "churned" } else { "stayed" };
    format!("customer `{}` at {}: the label says {says}, but {fact}", found.given.customer, rfc3339(found.given.cutoff))
}

/// Counts of a report, for people and programs.
pub(crate) fn counts(report: &Report) -> BTreeMap<&'static str, u64> {
    let length = |all: usize| u64::try_from(all).unwrap_or(u64::MAX);
    BTreeMap::from([
        ("agree", report.agree),
        ("mismatches", length(report.mismatches.len())),
        ("open", length(report.open.len())),
        ("without_events", report.without_events),
        ("events", report.events),
        ("events_used", report.events_used),
    ])
}
