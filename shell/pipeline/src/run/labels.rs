//! s03: labels are a version of their own, beside the data: proposed by one person, signed by others, archived for good.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use artifact::LabelSet;
use gate::Digest;
use identity::{Action, Session};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::control::{Control, NewApproval, NewLabelVersion};
use tabular::TypedTable;
use tabular::contract::Role;

use super::state::{LabelsState, Pointer, Settled, object};
use super::{Rows, Run, load};
use crate::desk::{Desk, now, now_ms};
use crate::evidence::Links;
use crate::gather::s03::quality;
use crate::{PipelineError, Project, data};

/// First line of a label set's bytes.
const HEADER: &str = "customer,moment,churned\n";
/// The pointer to a proposal that waits.
pub(crate) const PROPOSAL: &str = "label-proposal";

/// Labels by customer and moment (Unix seconds; 0 where the table has no time).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelRows {
    /// Whether the customer churned.
    pub labels: BTreeMap<(String, i64), bool>,
    /// Rows that contradict another of the same customer and moment.
    pub contradictions: u64,
}

impl LabelRows {
    /// Canonical bytes: sorted, one line each. A comma or line end in an id is written as `%2C`, `%0A`, `%0D`, `%` as `%25`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = HEADER.to_owned();
        for ((id, moment), churned) in &self.labels {
            let id = id.replace('%', "%25").replace(',', "%2C").replace('\n', "%0A").replace('\r', "%0D");
            out.push_str(&format!("{id},{moment},{}\n", u8::from(*churned)));
        }
        out.into_bytes()
    }

    fn positives(&self) -> u64 {
        u64::try_from(self.labels.values().filter(|churned| **churned).count()).unwrap_or(u64::MAX)
    }
}

/// Reads canonical bytes that this program wrote; lines of another form are left out.
pub(crate) fn parse_labels(bytes: &[u8]) -> LabelRows {
    let text = String::from_utf8_lossy(bytes);
    let labels = text.lines().skip(1).filter_map(|line| {
        let (id, rest) = line.split_once(',')?;
        let (moment, churned) = rest.split_once(',')?;
        let id = id.replace("%0D", "\r").replace("%0A", "\n").replace("%2C", ",").replace("%25", "%");
        Some(((id, moment.parse().ok()?), churned == "1"))
    });
    LabelRows { labels: labels.collect(), contradictions: 0 }
}

fn rows_of(table: &TypedTable) -> LabelRows {
    let mut out = LabelRows::default();
    let moment = |row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten()).unwrap_or(0);
    for (row, id) in table.ids.iter().enumerate() {
        let Some(churned) = table.label.as_ref().and_then(|all| all.get(row).copied().flatten()) else { continue };
        match out.labels.insert((id.clone(), moment(row)), churned) {
            Some(before) if before != churned => out.contradictions += 1,
            _ => {}
        }
    }
    out
}

/// Reads the project's labels: from their own file, or from the customers' file.
fn read_labels(project: &Project) -> Result<LabelRows, PipelineError> {
    let separate = !project.policy.source.labels.is_empty();
    let path = project.resolve(if separate { &project.policy.source.labels } else { &project.policy.source.data });
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
    let loaded = load(&path)?;
    let mut typed = data::typed(&contract, &loaded.batches)?;
    data::fill_ids(&mut typed);
    let rows = typed.clean_rows();
    Ok(rows_of(&typed.take(&rows)))
}

/// Proposes the labels of the project's file; they wait for signatures.
pub async fn propose_labels(desk: &Desk, session: &Session) -> Result<Digest, PipelineError> {
    let rows = read_labels(&desk.project)?;
    let content = desk.objects.put(&rows.to_bytes())?;
    let value = json!({ "content": content, "author": session.person });
    desk.set_pointer(PROPOSAL, &value).await?;
    Ok(content)
}

/// Signs the proposed labels in a session; the signature is for exactly their digest.
pub async fn approve_labels(desk: &Desk, session: &Session) -> Result<Digest, PipelineError> {
    session
        .authorise(Action::ApproveLabels, now())
        .map_err(|denial| PipelineError::NotAllowed { why: denial.to_string(), help: denial.help() })?;
    let value = desk.pointer(PROPOSAL).await?;
    let content = value
        .as_ref()
        .and_then(|value| value.get("content"))
        .and_then(|content| content.as_str())
        .and_then(|text| text.parse::<Digest>().ok());
    let content = content
        .ok_or_else(|| PipelineError::wrong("no labels wait for a signature", "propose some with `stayward label propose`"))?;
    desk.objects.get(&content)?;
    let team = desk.identity.person(&session.person).await?.team;
    let links = Links { parents: Vec::new(), artefacts: vec![object("labels", content)] };
    // The person's name stays in the control database; the log gets a digest over it and a random salt.
    let salted = Digest::of_parts([session.person.as_bytes(), crate::desk::random_hex(16)?.as_bytes()]);
    let parameters = json!({ "approver": salted, "secondFactor": session.second_factor_at.is_some() });
    let receipt = desk.record_made(
        ("approval", "labels", content),
        parameters.as_object().cloned().unwrap_or_default(),
        &links,
        "",
        now(),
    )?;
    let amr = session.amr.iter().map(|factor| factor.as_str().to_owned()).collect();
    let approval = NewApproval { content, person: session.person.clone(), team, amr, evidence: receipt.id, at_ms: now_ms() };
    desk.control.add_approval(&approval).await.map_err(PipelineError::internal)?;
    Ok(content)
}

/// A label that a model contradicts which did not see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// The customer.
    pub customer: String,
    /// The label's moment, RFC 3339; absent where the table has no time.
    pub moment: Option<String>,
    /// What the label says.
    pub churned: bool,
    /// What the model gives the opposite: its probability that the label is wrong.
    pub against: f64,
}

/// Labels to look at first, the least believed first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReview {
    /// Rows that were compared.
    pub rows: u64,
    /// Share of labels that the model gives less than 5 %.
    pub suspect_share: f64,
    /// The least believed.
    pub suspects: Vec<Suspect>,
}

/// Ranks the labels of the project's file by how strongly a model contradicts them that did not see them; changes nothing.
/// Reads the customers of the last settled data source.
pub async fn review_labels(project: &Project, control: &Control, most: usize) -> Result<LabelReview, PipelineError> {
    let rows = read_labels(project)?;
    let pointer = control.pointer(Settled::NAME).await.map_err(PipelineError::internal)?;
    let missing = || PipelineError::wrong("there is no data source yet", "make it with `stayward run --to data-source`");
    let source: Settled = serde_json::from_value(pointer.ok_or_else(missing)?.value).map_err(PipelineError::internal)?;
    let customers = super::read_customers(project, &source)?;
    let places: Vec<usize> = super::training::labels_of(&customers, &rows)
        .iter()
        .enumerate()
        .filter(|(_, label)| label.is_some())
        .map(|(row, _)| row)
        .collect();
    let (frame, labels) = super::training::labelled(&customers, &rows, project);
    let (qa, beliefs) = quality(&frame, &labels)?;
    let mut order: Vec<(usize, f64)> = beliefs.into_iter().enumerate().collect();
    order.sort_by(|left, right| left.1.total_cmp(&right.1).then(left.0.cmp(&right.0)));
    let suspect = |(at, believed): (usize, f64)| {
        let row = places.get(at).copied()?;
        let moment = customers.time.as_ref().and_then(|all| all.get(row).copied().flatten()).map(crate::desk::rfc3339);
        Some(Suspect {
            customer: customers.ids.get(row)?.clone(),
            moment,
            churned: labels.get(at).copied()?,
            against: 1.0 - believed,
        })
    };
    Ok(LabelReview {
        rows: qa.rows,
        suspect_share: qa.suspect_share,
        suspects: order.into_iter().take(most).filter_map(suspect).collect(),
    })
}

/// Labels that wait for signatures, as the control plane keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Digest of the labels' bytes.
    pub content: Digest,
    /// Who proposed them.
    pub author: String,
}

/// The proposal that was made last, whether it was approved since or not.
pub async fn label_proposal(control: &Control) -> Result<Option<Proposal>, PipelineError> {
    let pointer = control.pointer(PROPOSAL).await.map_err(PipelineError::internal)?;
    pointer.map(|pointer| serde_json::from_value(pointer.value).map_err(PipelineError::internal)).transpose()
}

impl Run<'_> {
    pub(crate) async fn labels(&mut self, source: &Settled) -> Result<LabelsState, PipelineError> {
        let began = Instant::now();
        let rows = read_labels(&self.desk.project)?;
        let bytes = rows.to_bytes();
        let content = self.desk.objects.put(&bytes)?;
        let mut versions = self.desk.control.label_versions().await.map_err(PipelineError::internal)?;
        versions.sort_by_key(|version| version.version);
        if versions.last().is_some_and(|last| last.what.content == content) {
            let known: LabelsState = self.known().await?;
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
        let (frame, labels) = super::training::labelled(&customers, &rows, &self.desk.project);
        let qa = quality(&frame, &labels).ok().map(|(qa, _)| qa);
        let known: BTreeSet<String> = customers.ids.iter().cloned().collect();
        let facts = self.label_facts(&set, &rows, &known, qa).await?;
        let links = Links { parents: vec![source.receipt.clone()], artefacts: vec![object("labels", content)] };
        let note = format!("{} of {} signatures", facts.approvals.len(), facts.policy.approvals_needed);
        let report = Rows { came: count, went: count, began: Some(began), note, ..Rows::default() };
        let passed = self.pass(&self.houses.labels, &about, (set.clone(), &facts), links, report).await?;
        let receipt = passed.cleared.receipt().clone();
        let state = LabelsState { version, content, set: set.clone(), receipt: receipt.clone() };
        // The pointer first: a kill in between leaves a version to be judged again, not one that nothing points to.
        self.leave(&state).await?;
        let booked = NewLabelVersion {
            content,
            author: set.author.clone(),
            rows: set.rows,
            positives: set.positives,
            receipt: serde_json::to_value(&receipt).map_err(PipelineError::internal)?,
            at_ms: now_ms(),
        };
        self.desk.control.add_label_version(&booked).await.map_err(PipelineError::internal)?;
        Ok(state)
    }

    /// Who proposed these labels. Where nobody did, the person who runs proposes them, and signs them too if the policy of a
    /// one-person project lets an author sign.
    async fn author(&self, content: Digest) -> Result<String, PipelineError> {
        let value = self.desk.pointer(PROPOSAL).await?;
        let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|text| text.as_str()).map(str::to_owned);
        let proposed =
            value.filter(|value| text(value, "content") == Some(content.to_string())).and_then(|value| text(&value, "author"));
        if let Some(author) = proposed {
            return Ok(author);
        }
        propose_labels(self.desk, &self.session).await?;
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
