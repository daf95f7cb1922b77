//! s03: labels are a version of their own, beside the data: proposed by one person, signed by others, archived for good.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use access::Resource;
use artifact::LabelSet;
use gate::{Digest, Receipt};
use identity::{Action, Identity, Session, matrix};
use serde::{Deserialize, Serialize};
use store::control::{Control, LabelVersion, NewApproval, NewLabelVersion};
use tabular::TypedTable;
use tabular::contract::{ColumnRule, Kind, Missing, Role};
use vault::Vault;
use warehouse::Pseudonyms;

use super::state::{LabelsState, Pointer, Settled};
use super::upload::current;
use super::{Rows, Run, load};
use crate::access::{allow, allow_over};
use crate::desk::{Desk, now, now_ms};
use crate::evidence::deed::{Deed, DeedKind};
use crate::evidence::{Artefact, Links, proof};
use crate::gather::s03::{Looked, recount};
use crate::internal::{self, Connector};
use crate::{Office, PipelineError, Project, crash, data};

/// First line of a label set's bytes.
const HEADER: &str = "customer,moment,churned\n";
/// The same where it is known who labelled.
const HEADER_LABELLERS: &str = "customer,moment,churned,labeller\n";
/// Labellers of one file.
const LABELLERS_MAX: usize = 1_000;
/// The pointer to a proposal that waits.
pub(crate) const PROPOSAL: &str = "label-proposal";

/// Labels by customer and moment (Unix seconds; 0 where the table has no time).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelRows {
    /// Whether the customer churned.
    pub labels: BTreeMap<(String, i64), bool>,
    /// Who said so, where the file says.
    pub labellers: BTreeMap<(String, i64), String>,
    /// Rows that contradict another of the same customer and moment.
    pub contradictions: u64,
}

impl LabelRows {
    /// Canonical bytes: sorted, one line each, with who labelled where that is known. A comma or line end in a text is written as `%2C`,
    /// `%0A`, `%0D`, `%` as `%25`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let known = !self.labellers.is_empty();
        let mut out = if known { HEADER_LABELLERS } else { HEADER }.to_owned();
        for (key, churned) in &self.labels {
            out.push_str(&format!("{},{},{}", escaped(&key.0), key.1, u8::from(*churned)));
            if known {
                let labeller = self.labellers.get(key).map(String::as_str).unwrap_or_default();
                out.push_str(&format!(",{}", escaped(labeller)));
            }
            out.push('\n');
        }
        out.into_bytes()
    }

    fn positives(&self) -> u64 {
        u64::try_from(self.labels.values().filter(|churned| **churned).count()).unwrap_or(u64::MAX)
    }
}

/// A text as it stands in a line of labels.
pub(super) fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace(',', "%2C").replace('\n', "%0A").replace('\r', "%0D")
}

/// Reads canonical bytes that this program wrote; lines of another form are left out.
pub(crate) fn parse_labels(bytes: &[u8]) -> LabelRows {
    let text = String::from_utf8_lossy(bytes);
    let plain = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%2C", ",").replace("%25", "%");
    let mut out = LabelRows::default();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',');
        let (Some(id), Some(moment), Some(churned)) = (cells.next(), cells.next(), cells.next()) else { continue };
        let Ok(moment) = moment.parse() else { continue };
        let key = (plain(id), moment);
        if let Some(labeller) = cells.next().filter(|labeller| !labeller.is_empty()) {
            out.labellers.insert(key.clone(), plain(labeller));
        }
        out.labels.insert(key, churned == "1");
    }
    out
}

fn rows_of(table: &TypedTable, labeller: &str) -> LabelRows {
    let mut out = LabelRows::default();
    let labellers = table.frame.column(labeller);
    let moment = |row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten()).unwrap_or(0);
    for (row, id) in table.ids.iter().enumerate() {
        let Some(churned) = table.label.as_ref().and_then(|all| all.get(row).copied().flatten()) else { continue };
        if let Some(labeller) = labellers.and_then(|column| data::text_of(column, row)) {
            out.labellers.insert((id.clone(), moment(row)), labeller);
        }
        match out.labels.insert((id.clone(), moment(row)), churned) {
            Some(before) if before != churned => out.contradictions += 1,
            _ => {}
        }
    }
    out
}

/// Labels as they came: from their own file, from the customers' file, or beside the customers in the last export of a database.
pub(super) struct Came {
    pub(super) loaded: data::Loaded,
    /// Renames customers of an own file as the export did.
    pub(super) pseudonyms: Option<Pseudonyms>,
    /// Whether they came alone, and not beside the customers.
    pub(super) separate: bool,
}

pub(super) async fn came(project: &Project, vault: &Vault, control: &Control) -> Result<Came, PipelineError> {
    let policy = &project.policy.source;
    let separate = !policy.labels.is_empty();
    let pseudonyms = if separate { internal::pseudonyms(project, vault)? } else { None };
    let loaded = match (separate, policy.connector) {
        (true, _) => load(&project.resolve(&policy.labels))?,
        (false, Connector::File) => load(&project.resolve(&policy.data))?,
        (false, Connector::Postgres) => {
            // Labels and customers are of one snapshot: the one that s02 let in.
            let content = settled(control).await?.content;
            internal::exported(store::objects::Objects::open(&project.path("objects"))?.get(&content)?)?
        }
    };
    Ok(Came { loaded, pseudonyms, separate })
}

/// The data source as it was settled last.
pub(super) async fn settled(control: &Control) -> Result<Settled, PipelineError> {
    let pointer = control.pointer(Settled::NAME).await.map_err(PipelineError::internal)?;
    let missing = || PipelineError::wrong("there is no data source yet", "make it with `stayward run --to data-source`");
    serde_json::from_value(pointer.ok_or_else(missing)?.value).map_err(PipelineError::internal)
}

/// Reads the project's labels.
pub(super) fn read_labels(project: &Project, came: &Came) -> Result<LabelRows, PipelineError> {
    let (separate, loaded) = (came.separate, &came.loaded);
    let mut contract = project.contract.clone();
    if contract.of_role(Role::Label).is_none() {
        return Err(PipelineError::wrong(
            "contract.toml has no column with the role `label`",
            "name the column that says who churned",
        ));
    }
    if separate {
        contract.columns.retain(|rule| matches!(rule.role, Role::Id | Role::Time | Role::Label));
    }
    let labeller = project.policy.labels.labeller.as_str();
    if separate && !labeller.is_empty() {
        contract.columns.push(labellers(loaded, labeller)?);
    }
    let mut typed = data::typed(&contract, &loaded.batches)?;
    if let Some(id) = contract.of_role(Role::Id).filter(|_| !separate) {
        // Whom the data source cannot tell apart has no label either.
        typed.mark_ids_twice(&id.name);
    }
    data::fill_ids(&mut typed);
    if let Some(pseudonyms) = &came.pseudonyms {
        typed.ids.iter_mut().for_each(|id| *id = pseudonyms.of(id));
    }
    let rows = typed.clean_rows();
    Ok(rows_of(&typed.take(&rows), if separate { labeller } else { "" }))
}

/// The rule of the column that says who labelled: its levels are those of the file.
fn labellers(loaded: &data::Loaded, name: &str) -> Result<ColumnRule, PipelineError> {
    let mut levels = BTreeSet::new();
    for batch in &loaded.batches {
        let frame = tabular::bridge::to_frame(batch).map_err(PipelineError::internal)?;
        let column = frame.column(name).ok_or_else(|| {
            PipelineError::wrong(format!("the labels' file has no column `{name}`"), "name another under `labels.labeller`")
        })?;
        levels.extend((0..frame.rows()).filter_map(|row| data::text_of(column, row)));
    }
    if levels.len() > LABELLERS_MAX {
        let why = format!("`{name}` has {} different values, at most {LABELLERS_MAX} labellers are told apart", levels.len());
        return Err(PipelineError::wrong(why, "name the column that says who labelled under `labels.labeller`"));
    }
    let rule = ColumnRule::new(name, Role::Feature, Kind::Category { levels: levels.into_iter().collect() });
    Ok(ColumnRule { missing: Missing::Allowed { share_max: 1.0 }, ..rule })
}

/// Proposes the labels of the project's file; they wait for signatures.
pub async fn propose_labels(desk: &Desk, session: &Session) -> Result<Digest, PipelineError> {
    // In a one-person project who brings the data may also propose; the policy says so in the open.
    let action = if desk.project.policy.labels.author_may_approve { Action::BringData } else { Action::ProposeLabels };
    allow(&desk.project, &desk.identity, session, action).await?;
    let rows = read_labels(&desk.project, &came(&desk.project, &desk.vault, &desk.control).await?)?;
    propose(desk, session, &rows.to_bytes(), false).await
}

/// Writes a proposal down; whoever proposed these bytes first stays their author.
pub(crate) async fn propose(desk: &Desk, session: &Session, bytes: &[u8], by_api: bool) -> Result<Digest, PipelineError> {
    let content = desk.objects.put(bytes)?;
    let author = match proposed(desk, content).await? {
        Some((_, deed)) => deed.person,
        None => {
            let receipt = desk.record_deed(DeedKind::Proposal, session, ("labels", content), None).await?;
            desk.set_pointer(&proposal_name(content), &serde_json::Value::String(receipt.id)).await?;
            session.person.clone()
        }
    };
    let proposal = serde_json::to_value(Proposal { content, author, by_api }).map_err(PipelineError::internal)?;
    desk.set_pointer(PROPOSAL, &proposal).await?;
    Ok(content)
}

fn proposal_name(content: Digest) -> String {
    format!("{PROPOSAL}/{}", content.hex())
}

/// Who proposed these bytes first, as the log proves it.
pub(crate) async fn proposed(desk: &Desk, content: Digest) -> Result<Option<(Receipt, Deed)>, PipelineError> {
    let Some(id) = desk.pointer(&proposal_name(content)).await? else { return Ok(None) };
    let deed = desk.proved_deed(id.as_str().unwrap_or_default(), DeedKind::Proposal, content);
    deed.map(Some).map_err(|why| PipelineError::broken(format!("the proposal of labels {}: {why}", content.short())))
}

/// The bytes that wait for signatures: who proposed them, under which entry.
pub(crate) async fn waiting(desk: &Desk) -> Result<(Digest, Receipt, Deed), PipelineError> {
    let waits = || PipelineError::wrong("no labels wait for a signature", "propose some with `stayward label propose`");
    let content = label_proposal(&desk.control).await?.ok_or_else(waits)?.content;
    let (proposal, author) = proposed(desk, content).await?.ok_or_else(waits)?;
    Ok((content, proposal, author))
}

/// Refuses a second signature of one person, and one of the author's team where the policy says so; the gate judges by the log again.
async fn signatory(desk: &Desk, session: &Session, content: Digest, author: &Deed) -> Result<(), PipelineError> {
    let signed = desk.control.approvals(&content).await.map_err(PipelineError::internal)?;
    if signed.iter().any(|approval| approval.what.person == session.person) {
        let why = format!("`{}` has signed labels `{}` already", session.person, content.short());
        return Err(PipelineError::wrong(
            why,
            "have another person log in and sign; `stayward label ls` shows who did and who may",
        ));
    }
    other_team(desk, session, author, Action::ApproveLabels).await
}

/// Refuses somebody of the author's team where the policy says so; the help names others who may.
pub(super) async fn other_team(desk: &Desk, session: &Session, author: &Deed, action: Action) -> Result<(), PipelineError> {
    if !desk.project.policy.labels.other_team || desk.identity.person(&session.person).await?.team != author.team {
        return Ok(());
    }
    let able = others(&desk.project, &desk.identity, (&author.person, &author.team), action).await?;
    let able: Vec<String> = able.iter().map(|name| format!("`stayward login {name}`")).collect();
    let why = format!(
        "`{}` is of the team of `{}`, who proposed these labels, `{}`, and `labels.other_team` asks for another",
        session.person, author.person, author.team
    );
    let help = if able.is_empty() {
        "have an admin add somebody of another team: `stayward user add NAME --team TEAM --roles label-approver`".to_owned()
    } else {
        format!("log in as somebody of another team: {}", able.join(" or "))
    };
    Err(PipelineError::NotAllowed { why, help })
}

/// Who may do this to labels of an author of a team: whoever has the right, but the author and, where the policy says so, that team.
async fn others(
    project: &Project,
    identity: &Identity,
    (author, team): (&str, &str),
    action: Action,
) -> Result<Vec<String>, PipelineError> {
    let policy = &project.policy.labels;
    let own = |name: &str| name == author && !(action == Action::ApproveLabels && policy.author_may_approve);
    let able = |person: &identity::Person| {
        person.disabled_at.is_none()
            && matrix::any_allowed(&person.roles, action)
            && !own(&person.name)
            && !(policy.other_team && person.team == team)
    };
    Ok(identity.people().await?.into_iter().filter(able).map(|person| person.name).collect())
}

/// Who may still sign these labels, by the roles, teams and signatures of the moment.
pub async fn may_still_sign(office: &Office, content: &Digest, author: &str) -> Result<Vec<String>, PipelineError> {
    let signed = office.control.approvals(content).await.map_err(PipelineError::internal)?;
    let team = office.identity.person(author).await.map(|person| person.team).unwrap_or_default();
    let mut able = others(&office.project, &office.identity, (author, &team), Action::ApproveLabels).await?;
    able.retain(|name| !signed.iter().any(|approval| approval.what.person == *name));
    Ok(able)
}

/// Signs the proposed labels in a session; the signature is for exactly their digest, and for who proposed them.
pub async fn approve_labels(desk: &Desk, session: &Session) -> Result<Digest, PipelineError> {
    let (content, proposal, author) = waiting(desk).await?;
    desk.objects.get(&content)?;
    let labels = Resource::Labels { name: content.hex(), author: author.person.clone(), team: author.team.clone() };
    allow_over(&desk.project, &desk.identity, session, Action::ApproveLabels, Some(labels)).await?;
    signatory(desk, session, content, &author).await?;
    let receipt = desk.record_deed(DeedKind::Approval, session, ("labels", content), Some(&proposal)).await?;
    let team = desk.identity.person(&session.person).await?.team;
    let amr = session.amr.iter().map(|factor| factor.as_str().to_owned()).collect();
    let approval = NewApproval { content, person: session.person.clone(), team, amr, evidence: receipt.id, at_ms: now_ms() };
    desk.control.add_approval(&approval).await.map_err(PipelineError::internal)?;
    Ok(content)
}

/// A project's labels against its events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelRecount {
    /// How many labels the events confirm, contradict, leave open.
    pub counts: BTreeMap<&'static str, u64>,
    /// Every contradicted label with the event that proves it.
    pub mismatches: Vec<String>,
}

/// Computes the labels of the project's file again from the events that its policy names; changes nothing.
pub async fn recount_labels(office: &Office) -> Result<LabelRecount, PipelineError> {
    let Office { project, vault, control, .. } = office;
    let Some(policy) = &project.policy.labels.events else {
        return Err(PipelineError::wrong(
            "the policy names no events",
            "name their file, columns and rule under `[labels.events]` in stayward.toml",
        ));
    };
    let (report, _) = recount::report(project, policy, &current(project, vault, control).await?)?;
    Ok(LabelRecount { counts: recount::counts(&report), mismatches: report.mismatches.iter().map(recount::in_words).collect() })
}

/// Earlier versions from the archive, oldest first.
pub(super) fn earlier(objects: &store::objects::Objects, versions: &[LabelVersion]) -> Result<Vec<LabelRows>, PipelineError> {
    versions.iter().map(|version| Ok(parse_labels(&objects.get(&version.what.content)?))).collect()
}

/// Labels that wait for signatures, as the control plane keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Digest of the labels' bytes.
    pub content: Digest,
    /// Who proposed them.
    pub author: String,
    /// Whether they came over HTTPS: then these bytes are judged, and not those of the project's file.
    #[serde(default)]
    pub by_api: bool,
}

/// The proposal that was made last, whether it was approved since or not.
pub async fn label_proposal(control: &Control) -> Result<Option<Proposal>, PipelineError> {
    let pointer = control.pointer(PROPOSAL).await.map_err(PipelineError::internal)?;
    pointer.map(|pointer| serde_json::from_value(pointer.value).map_err(PipelineError::internal)).transpose()
}

impl Run<'_> {
    pub(crate) async fn labels(&mut self, source: &Settled) -> Result<LabelsState, PipelineError> {
        let began = Instant::now();
        let desk = self.desk;
        let rows = current(&desk.project, &desk.vault, &desk.control).await?;
        let bytes = rows.to_bytes();
        let content = self.desk.objects.put(&bytes)?;
        let versions = self.label_versions().await?;
        if versions.last().is_some_and(|last| last.what.content == content) {
            let known: LabelsState = self.known().await?;
            if versions.last().is_some_and(|last| (known.version, known.content) != (last.version, last.what.content)) {
                return Err(PipelineError::broken("the labels in force are not the last version that the log cleared"));
            }
            self.unchanged(
                "s03-labels",
                &format!("labels v{}", known.version),
                "the labels are as they were approved",
                &known.receipt,
            )
            .await?;
            return Ok(known);
        }
        let version = versions.last().map_or(0, |last| last.version) + 1;
        let about = format!("labels v{version}");
        self.progress.begin("s03-labels", &about);
        let author = self.author(content).await?;
        let supersedes = versions.last().map(|last| last.what.content);
        let count = u64::try_from(rows.labels.len()).unwrap_or(u64::MAX);
        let set = LabelSet { version, content, rows: count, positives: rows.positives(), author, supersedes };
        let customers = self.customers(source)?;
        // A version that the archive has lost is the archive gate's to refuse, with evidence.
        let earlier = earlier(&self.desk.objects, &versions).unwrap_or_default();
        let before = versions.last().and_then(|last| self.watches(last));
        let looked = Looked::at(&desk.project, &customers, (&rows, version), &earlier, before);
        let facts = self.label_facts(&set, &rows, looked).await?;
        let links = Links { parents: vec![source.receipt.clone()], artefacts: vec![Artefact::object("labels", content)] };
        let note = format!("{} of {} signatures", facts.approvals.len(), facts.policy.approvals_needed);
        let report = Rows { came: count, went: count, began: Some(began), note, ..Rows::default() };
        let passed = self.pass(&self.houses.labels, &about, (set.clone(), &facts), links, report).await?;
        let receipt = passed.cleared.receipt().clone();
        self.archive_labels(set, receipt).await
    }

    /// Books a version that the log has.
    async fn archive_labels(&self, set: LabelSet, receipt: Receipt) -> Result<LabelsState, PipelineError> {
        crash::point("labels:logged");
        let booked = NewLabelVersion {
            content: set.content,
            author: set.author.clone(),
            rows: set.rows,
            positives: set.positives,
            receipt: serde_json::to_value(&receipt).map_err(PipelineError::internal)?,
            at_ms: now_ms(),
        };
        let state = LabelsState { version: set.version, content: set.content, set, receipt };
        self.leave(&state).await?;
        crash::point("labels:pointed");
        self.desk.control.add_label_version(&booked).await.map_err(PipelineError::internal)?;
        Ok(state)
    }

    /// All versions, oldest first. The log decides: the last one that it cleared is booked here if a kill came in between, and a
    /// version that the control database has lost or never should have had is an error.
    async fn label_versions(&self) -> Result<Vec<LabelVersion>, PipelineError> {
        let read = || async {
            let mut versions = self.desk.control.label_versions().await.map_err(PipelineError::internal)?;
            versions.sort_by_key(|version| version.version);
            Ok::<_, PipelineError>(versions)
        };
        let versions = read().await?;
        let last = proof::last_cleared::<artifact::Labels>(self.desk).map_err(PipelineError::broken)?;
        let booked = versions.last().map(|last| (last.version, last.what.content));
        match (last, booked) {
            (None, None) => Ok(versions),
            (Some((_, set)), Some(booked)) if booked == (set.version, set.content) => Ok(versions),
            (Some((receipt, set)), booked)
                if set.version == booked.map_or(0, |(version, _)| version) + 1
                    && set.supersedes == booked.map(|(_, content)| content) =>
            {
                self.archive_labels(set, receipt).await?;
                read().await
            }
            (Some((_, set)), booked) => Err(PipelineError::broken(format!(
                "the log's last labels are version {}, the control database's are {}",
                set.version,
                booked.map_or_else(|| "none".to_owned(), |(version, _)| format!("version {version}"))
            ))),
            (None, Some((version, _))) => {
                Err(PipelineError::broken(format!("the control database has labels v{version}, the log has none")))
            }
        }
    }

    /// Who proposed these labels. Where nobody did, the person who runs proposes them, and signs them too if the policy of a
    /// one-person project lets an author sign.
    async fn author(&self, content: Digest) -> Result<String, PipelineError> {
        if let Some((_, deed)) = proposed(self.desk, content).await? {
            return Ok(deed.person);
        }
        propose_labels(self.desk, &self.session).await.map_err(|error| {
            error.in_need(
                "nobody has proposed these labels, and ",
                "; then `stayward label propose`, and others `stayward label approve`",
            )
        })?;
        if self.desk.project.policy.labels.author_may_approve && self.session.authorise(Action::ApproveLabels, now()).is_ok() {
            approve_labels(self.desk, &self.session).await?;
        }
        Ok(self.session.person.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        let mut rows = LabelRows::default();
        rows.labels.insert(("a,b%2C\n".into(), 5), true);
        rows.labels.insert(("x".into(), 0), false);
        assert_eq!(parse_labels(&rows.to_bytes()), rows);
    }
}
