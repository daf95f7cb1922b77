//! Whether the control database says what the log says (T6): whoever can write to the file can take a signature, a verdict or a version
//! of the labels away, or put one in. Both ways are compared: each row with the entry that it names, each entry with its row.
//!
//! The log comes first, so a kill can leave its last entry without a row; the next run books it. Only that, and only while the last run
//! has not ended well, is told apart and not called broken.

use std::collections::{BTreeMap, BTreeSet};

use gate::{Digest, Receipt, RulingOutcome};
use ledger::EvidenceId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::control::{Control, ControlError, DecisionKind, DeliveryOutcome, DeploymentKind, RunState};
use store::objects::Objects;

use super::deed::{Deed, DeedKind};
use super::record::ArchiveFile;
use super::walk::{Chain, Link};
use crate::run::Deployed;
use crate::{PipelineError, Project};

/// Deeds that have a row.
const REGISTERED: [DeedKind; 4] =
    [DeedKind::Approval, DeedKind::Acceptance, DeedKind::QuarantineProposal, DeedKind::QuarantineApproval];

/// What the log says of the things that the register keeps.
struct Logged {
    /// Deeds by evidence id, with the entry's index.
    deeds: BTreeMap<String, (u64, Deed)>,
    /// Last ruling of an entry: its step, what came out and the subject; by evidence id.
    rulings: BTreeMap<String, Judged>,
    /// Deployments in order.
    deployed: Vec<LoggedDeployment>,
    /// The entry that a kill may have left without a row.
    last: Option<u64>,
}

/// What the control database says otherwise than the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RegisterState {
    /// Rows and entries that contradict each other.
    pub broken: Vec<String>,
    /// What an interrupted run logged and did not book; the next run does.
    pub unbooked: Vec<String>,
}

impl RegisterState {
    /// An entry without its row.
    fn lost(&mut self, logged: &Logged, index: u64, what: String) {
        if logged.last == Some(index) { self.unbooked.push(what) } else { self.broken.push(what) }
    }
}

struct LoggedDeployment {
    index: u64,
    /// Evidence id.
    id: String,
    /// `deploy ...` or `rollback ...`.
    name: String,
    model: Digest,
    parents: Vec<Digest>,
}

impl Logged {
    fn deed(&self, evidence: &str, kind: DeedKind) -> Option<&Deed> {
        self.deeds.get(evidence).map(|(_, deed)| deed).filter(|deed| deed.kind == kind)
    }
}

struct Judged {
    index: u64,
    step: String,
    outcome: RulingOutcome,
    subject: Value,
    parents: Vec<Digest>,
}

impl Judged {
    fn text(&self, member: &str) -> &str {
        self.subject.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// The feed of a delivery: the door knows it as a name, the gates of rows as a table.
    fn feed(&self) -> &str {
        let table = self.text("table");
        if table.is_empty() { self.text("name") } else { table }
    }

    fn number(&self, member: &str) -> Option<u64> {
        self.subject.get(member).and_then(Value::as_u64)
    }

    fn content(&self) -> Option<Digest> {
        serde_json::from_value(self.subject.get("content")?.clone()).ok()
    }
}

/// Everything in which the control database and the log differ; empty where they agree. The log itself is checked elsewhere
/// ([`super::verify`], whose whole walk this takes): what cannot be read of it is passed over here, and named there.
///
/// # Errors
/// Archived objects that cannot be opened.
pub async fn check_register(project: &Project, chain: &Chain) -> Result<RegisterState, PipelineError> {
    let mut logged = read(project, chain)?;
    let mut state = RegisterState::default();
    // Whatever keeps the database from being read, somebody who hides what it says can bring about.
    if let Err(error) = compare(project, &mut logged, &mut state).await {
        state.broken.push(format!("`control.db` cannot be read: {error}"));
    }
    Ok(state)
}

async fn compare(project: &Project, logged: &mut Logged, state: &mut RegisterState) -> Result<(), ControlError> {
    let control = Control::open_read_only(&project.path("control.db")).await?;
    let runs = control.list_runs(1).await?;
    if !runs.first().is_some_and(|run| matches!(run.state, RunState::Running | RunState::Interrupted)) {
        logged.last = None;
    }
    labels(&control, logged, state).await?;
    signatures(&control, logged, state).await?;
    deliveries(project, &control, logged, state).await?;
    acceptances(&control, logged, state).await?;
    quarantine(&control, logged, state).await?;
    deployments(&control, logged, state).await?;
    control.close().await;
    Ok(())
}

fn read(project: &Project, chain: &Chain) -> Result<Logged, PipelineError> {
    let objects = Objects::open(&project.path("objects"))?;
    let mut logged = Logged { deeds: BTreeMap::new(), rulings: BTreeMap::new(), deployed: Vec::new(), last: None };
    for link in &chain.links {
        let (id, index, kind) = (link.id.clone(), link.index, link.kind.as_str());
        if kind != super::roster::KIND {
            logged.last = Some(index);
        }
        if kind == "deployment" {
            let (name, parents) = (link.name.clone(), link.parents.clone());
            logged.deployed.extend(link.subject.map(|model| LoggedDeployment { index, id, name, model, parents }));
        } else if REGISTERED.iter().any(|one| one.as_str() == kind) {
            if let Some(deed) = archived(&objects, link) {
                logged.deeds.insert(id, (index, deed));
            }
        } else if kind == "ruling"
            && let Some(ruling) = link.rulings.last()
            && ["s01-door", "s01-content", "s02-source", "s03-labels"].contains(&ruling.step.as_str())
            && let Some(archive) = archived::<ArchiveFile>(&objects, link)
            && let Some((subject, _)) = archive.judged.into_iter().next_back()
        {
            let (step, outcome) = (ruling.step.clone(), ruling.outcome);
            logged.rulings.insert(id, Judged { index, step, outcome, subject, parents: link.parents.clone() });
        }
    }
    Ok(logged)
}

fn archived<T: DeserializeOwned>(objects: &Objects, link: &Link) -> Option<T> {
    serde_json::from_slice(&objects.get(&link.archive?).ok()?).ok()
}

fn evidence_of(receipt: Option<&Value>) -> String {
    let receipt = receipt.and_then(|value| serde_json::from_value::<Receipt>(value.clone()).ok());
    receipt.map(|receipt| receipt.id).unwrap_or_default()
}

async fn labels(control: &Control, logged: &Logged, state: &mut RegisterState) -> Result<(), ControlError> {
    let mut kept = BTreeSet::new();
    for version in control.label_versions().await? {
        let (number, what) = (version.version, &version.what);
        let judged = logged.rulings.get(&evidence_of(Some(&what.receipt)));
        let same = judged.is_some_and(|judged| {
            judged.step == "s03-labels"
                && judged.outcome == RulingOutcome::Cleared
                && judged.content() == Some(what.content)
                && judged.number("version") == Some(number)
                && judged.text("author") == what.author
                && judged.number("rows") == Some(what.rows)
                && judged.number("positives") == Some(what.positives)
        });
        if !same {
            state.broken.push(format!("labels v{number} (`label_versions`) is not what the log cleared"));
        }
        kept.insert(what.content);
    }
    let cleared = logged.rulings.values().filter(|one| one.step == "s03-labels" && one.outcome == RulingOutcome::Cleared);
    for (content, index) in by_content(cleared).into_iter().filter(|(content, _)| !kept.contains(content)) {
        let what = format!("labels {} were cleared, and `label_versions` does not have them", content.short());
        state.lost(logged, index, what);
    }
    Ok(())
}

async fn signatures(control: &Control, logged: &Logged, state: &mut RegisterState) -> Result<(), ControlError> {
    let (mut signed, mut seqs) = (BTreeSet::new(), Vec::new());
    for approval in control.all_approvals().await? {
        let (seq, what) = (approval.seq, &approval.what);
        let deed = logged.deed(&what.evidence, DeedKind::Approval);
        let same = deed.is_some_and(|deed| {
            deed.content == what.content && deed.person == what.person && deed.team == what.team && deed.amr == what.amr
        });
        if !same {
            state.broken.push(format!("signature {seq} of `{}` (`approvals`) is not what the log has", what.person));
        }
        signed.insert((what.content, what.person.clone()));
        seqs.push(seq);
    }
    numbered(&seqs, "approvals", state);
    let deeds = logged.deeds.values().filter(|(_, deed)| deed.kind == DeedKind::Approval);
    for (index, deed) in deeds.filter(|(_, deed)| !signed.contains(&(deed.content, deed.person.clone()))) {
        let content = deed.content.short();
        state.lost(logged, *index, format!("`{}` signed labels {content}, and `approvals` does not have it", deed.person));
    }
    Ok(())
}

async fn deliveries(
    project: &Project,
    control: &Control,
    logged: &Logged,
    state: &mut RegisterState,
) -> Result<(), ControlError> {
    let (mut booked, mut seqs) = (BTreeSet::new(), Vec::new());
    for delivery in control.all_deliveries().await? {
        let (seq, what) = (delivery.seq, &delivery.what);
        let evidence = evidence_of(what.receipt.as_ref());
        let judged = logged.rulings.get(&evidence);
        seqs.push(seq);
        let (outcome, word) = match what.outcome {
            DeliveryOutcome::Cleared => (RulingOutcome::Cleared, "cleared"),
            DeliveryOutcome::Held => (RulingOutcome::Held, "held"),
            DeliveryOutcome::Refused => (RulingOutcome::Refused, "refused"),
        };
        let same = judged.is_some_and(|judged| {
            judged.outcome == outcome
                && judged.content() == Some(what.content)
                && judged.feed() == what.feed
                && counts(judged, what.rows, what.rows_held, logged)
        });
        if !same {
            state.broken.push(format!("delivery {seq} of `{}`, {word} (`deliveries`), is not what the log has", what.feed));
        }
        booked.insert(evidence);
    }
    numbered(&seqs, "deliveries", state);
    let feeds: BTreeSet<&str> = project.policy.feeds.iter().map(|feed| feed.name.as_str()).collect();
    // Other tables of the source are no deliveries; what the gates of s01 cleared leads on to s02.
    let of_feed = |judged: &Judged| match judged.step.as_str() {
        "s01-door" | "s01-content" => judged.outcome != RulingOutcome::Cleared,
        "s02-source" => judged.outcome == RulingOutcome::Cleared && feeds.contains(judged.text("table")),
        _ => false,
    };
    let mut verdicts: Vec<(&String, &Judged)> = logged.rulings.iter().filter(|(_, judged)| of_feed(judged)).collect();
    verdicts.sort_by_key(|(_, judged)| judged.index);
    for (at, (evidence, judged)) in verdicts.iter().enumerate().filter(|(_, (evidence, _))| !booked.contains(*evidence)) {
        // After a kill between the two the next run judges again, and comes to the same.
        let next = verdicts.iter().skip(at + 1).find(|(_, next)| next.content() == judged.content());
        if next.is_some_and(|(_, next)| next.outcome == judged.outcome) {
            continue;
        }
        let content = judged.content().map(|content| content.short()).unwrap_or_default();
        let what = format!("delivery {content} was judged ({evidence}), and `deliveries` does not have it");
        state.lost(logged, judged.index, what);
    }
    Ok(())
}

/// Rows are numbered without gaps.
fn numbered(seqs: &[u64], table: &str, state: &mut RegisterState) {
    if let Some((at, _)) = (1..).zip(seqs).find(|(at, seq)| at != *seq) {
        state.broken.push(format!("row {at} of `{table}` is gone"));
    }
}

async fn acceptances(control: &Control, logged: &Logged, state: &mut RegisterState) -> Result<(), ControlError> {
    let mut accepted = BTreeSet::new();
    for one in control.all_acceptances().await? {
        let deed = logged.deed(&one.evidence, DeedKind::Acceptance);
        let same = deed.is_some_and(|deed| {
            let about = deed.about.and_then(|about| logged.rulings.get(&EvidenceId::of(&about).to_string()));
            deed.content == one.content && deed.person == one.person && about.is_some_and(|about| about.feed() == one.feed)
        });
        if !same {
            let content = one.content.short();
            state.broken.push(format!("the acceptance of {content} by `{}` (`acceptances`) is not what the log has", one.person));
        }
        accepted.insert((one.content, one.person));
    }
    let deeds = logged.deeds.values().filter(|(_, deed)| deed.kind == DeedKind::Acceptance);
    for (index, deed) in deeds.filter(|(_, deed)| !accepted.contains(&(deed.content, deed.person.clone()))) {
        let content = deed.content.short();
        state.lost(logged, *index, format!("`{}` accepted delivery {content}, and `acceptances` does not have it", deed.person));
    }
    Ok(())
}

async fn quarantine(control: &Control, logged: &Logged, state: &mut RegisterState) -> Result<(), ControlError> {
    let kind_of = |kind: DecisionKind| match kind {
        DecisionKind::Proposal => (DeedKind::QuarantineProposal, "proposed"),
        DecisionKind::Approval => (DeedKind::QuarantineApproval, "signed"),
    };
    let (mut kept, mut seqs) = (BTreeSet::new(), Vec::new());
    for (seq, row) in control.quarantine_decisions().await? {
        let (kind, did) = kind_of(row.kind);
        if !logged.deed(&row.evidence, kind).is_some_and(|deed| deed.content == row.content && deed.person == row.person) {
            let what = format!("that `{}` {did} {} (row {seq} of `quarantine_decisions`)", row.person, row.content.short());
            state.broken.push(format!("{what} is not what the log has"));
        }
        kept.insert((kind.as_str(), row.content, row.person));
        seqs.push(seq);
    }
    numbered(&seqs, "quarantine_decisions", state);
    for (kind, did) in [DecisionKind::Proposal, DecisionKind::Approval].map(kind_of) {
        let deeds = logged.deeds.values().filter(|(_, deed)| deed.kind == kind);
        for (index, deed) in deeds.filter(|(_, deed)| !kept.contains(&(kind.as_str(), deed.content, deed.person.clone()))) {
            let what = format!("`{}` {did} {} for rows in quarantine", deed.person, deed.content.short());
            state.lost(logged, *index, format!("{what}, and `quarantine_decisions` does not have it"));
        }
    }
    Ok(())
}

/// What was judged, each with its last entry.
fn by_content<'a>(judged: impl Iterator<Item = &'a Judged>) -> BTreeMap<Digest, u64> {
    let mut last = BTreeMap::new();
    for one in judged {
        if let Some(content) = one.content() {
            let index = last.entry(content).or_insert(one.index);
            *index = one.index.max(*index);
        }
    }
    last
}

/// Rows of a cleared delivery, in all and held, as the gates of the content left them; others are booked without.
fn counts(judged: &Judged, rows: u64, held: u64, logged: &Logged) -> bool {
    if judged.outcome != RulingOutcome::Cleared {
        return rows == 0 && held == 0;
    }
    let content = judged.parents.first().and_then(|parent| logged.rulings.get(&EvidenceId::of(parent).to_string()));
    content.is_some_and(|content| {
        let kept_back = content.number("rows").map(|all| all.saturating_sub(judged.number("rows").unwrap_or(0)));
        content.step == "s01-content" && content.number("rows") == Some(rows) && kept_back == Some(held)
    })
}

async fn deployments(control: &Control, logged: &Logged, state: &mut RegisterState) -> Result<(), ControlError> {
    let mut rows = control.deployments().await?;
    rows.sort_by_key(|deployment| deployment.seq);
    let mut seqs = Vec::new();
    // In the log's order, each row with an entry of its own: what a row says besides its model is what will be served.
    let mut waiting = logged.deployed.iter();
    for row in &rows {
        seqs.push(row.seq);
        let deployed: Option<Deployed> = serde_json::from_value(row.what.receipt.clone()).ok();
        let entry = deployed.as_ref().and_then(|deployed| waiting.find(|entry| entry.id == deployed.deployment.id));
        let same = deployed.as_ref().zip(entry).is_some_and(|(deployed, entry)| {
            let kind = if row.what.kind == DeploymentKind::Rollback { "rollback " } else { "deploy " };
            deployed.model == row.what.model
                && deployed.release.model() == row.what.model
                && entry.model == row.what.model
                && entry.name.starts_with(kind)
                && entry.parents.contains(&deployed.receipt.statement)
        });
        if !same {
            let (seq, model) = (row.seq, row.what.model.short());
            state.broken.push(format!("deployment {seq} of {model} (`deployments`) is not what the log has"));
            return Ok(());
        }
    }
    numbered(&seqs, "deployments", state);
    let booked: BTreeSet<String> = rows
        .iter()
        .filter_map(|row| serde_json::from_value::<Deployed>(row.what.receipt.clone()).ok())
        .map(|deployed| deployed.deployment.id)
        .collect();
    for (at, entry) in logged.deployed.iter().enumerate().filter(|(_, entry)| !booked.contains(&entry.id)) {
        // After a kill between the two the same model is deployed once again.
        if logged.deployed.get(at + 1).is_some_and(|next| next.model == entry.model) {
            continue;
        }
        let model = entry.model.short();
        state.lost(logged, entry.index, format!("model {model} was deployed, and `deployments` does not have it"));
    }
    Ok(())
}
