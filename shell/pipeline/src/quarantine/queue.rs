//! Reads the queue (T1, T6): deliveries lead to verdicts, verdicts to what was set aside, deeds to what became of it. What the log does
//! not prove is left out and named.

use std::collections::{BTreeMap, BTreeSet};

use artifact::Batch;
use gate::{Digest, Receipt, RulingOutcome, Subject};
use ledger::P256Verifier;
use serde::Serialize;
use store::control::{Control, DecisionKind, Delivery, DeliveryOutcome};
use store::log::LogReader;
use store::objects::Objects;
use store::table::Table;

use super::{Decision, Part, Proposal, RELEASE_ROLE, ROLE, Reason, ReleasedRows, Row, SetAside, entry_id};
use crate::desk::{Desk, now, published, rfc3339};
use crate::evidence::deed::{Deed, DeedKind, proved_deed};
use crate::evidence::proof;
use crate::{Office, PipelineError, Project};

const DAY_SECONDS: i64 = 86_400;

/// Where a row of the queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// Nobody proposed anything yet.
    Waiting,
    /// Its whole delivery is held: `stayward feed accept` comes first.
    Held,
    /// Somebody proposed something; another person signs.
    Proposed,
    /// Signed: the next run takes it in.
    Released,
    /// It is in the data source.
    InSource,
    /// Signed: it stays out. Evidence keeps it.
    Discarded,
}

impl EntryState {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Proposed => "proposed",
            Self::Released => "released",
            Self::InSource => "in-source",
            Self::Discarded => "discarded",
        }
    }

    /// Whether people have still to decide.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Held | Self::Proposed)
    }
}

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Delivery and row.
    pub id: String,
    /// The feed.
    pub feed: String,
    /// First digits of the delivery's digest.
    pub delivery: String,
    /// The row of the delivery, from 1.
    pub row: u64,
    /// The line of the file, from 1, where that is known.
    pub line: Option<u64>,
    /// Where it stands.
    pub state: EntryState,
    /// Since when it is set aside, RFC 3339.
    pub since: String,
    /// For how many days.
    pub days: i64,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Its cells as they came; absent for a record that could not be read.
    pub cells: BTreeMap<String, Option<String>>,
    /// First digits of the proposal, where there is one.
    pub proposal: Option<String>,
    /// What is proposed or decided.
    pub decision: Option<Decision>,
    /// Who proposed it.
    pub proposed_by: Option<String>,
    /// Who signed it.
    pub approved_by: Option<String>,
    /// The verdict that set it aside.
    pub evidence: String,
    #[serde(skip)]
    pub(super) part: Part,
    #[serde(skip)]
    pub(super) breaks_contract: bool,
}

/// A proposal that waits for another person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// First digits of its digest.
    pub proposal: String,
    /// What is proposed.
    pub decision: Decision,
    /// How many rows.
    pub rows: usize,
    /// Who proposed it.
    pub proposed_by: String,
    /// Why.
    pub because: String,
    /// When, RFC 3339.
    pub at: String,
}

/// The queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Queue {
    /// Rows, by feed, delivery and place.
    pub entries: Vec<Entry>,
    /// Proposals without a signature, oldest first.
    pub proposals: Vec<Waiting>,
    /// What the control database names and the log does not prove.
    pub doubts: Vec<String>,
}

impl Queue {
    /// Rows that people have still to decide about.
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.state.is_open())
    }
}

/// A proposal as the log proves it.
pub(crate) struct Known {
    pub(crate) digest: Digest,
    pub(crate) proposal: Proposal,
    pub(crate) proposed: (Receipt, Deed),
    pub(crate) approved: Option<(Receipt, Deed)>,
}

impl Known {
    /// Where in the log it was signed.
    pub(crate) fn signed_at(&self) -> Option<u64> {
        self.approved.as_ref().and_then(|(receipt, _)| receipt.index)
    }
}

/// What the queue is read from.
pub(super) struct Shelf<'a> {
    pub(super) project: &'a Project,
    pub(super) reader: &'a LogReader,
    pub(super) keys: Vec<P256Verifier>,
    pub(super) objects: &'a Objects,
    pub(super) control: &'a Control,
}

impl<'a> Shelf<'a> {
    pub(super) fn of(desk: &'a Desk) -> Self {
        let (reader, keys) = (&desk.reader, desk.statement_keys());
        Self { project: &desk.project, reader, keys, objects: &desk.objects, control: &desk.control }
    }
}

/// The queue of an open project.
///
/// # Errors
/// A register, log or object that cannot be read.
pub async fn queue_at_the_desk(desk: &Desk) -> Result<Queue, PipelineError> {
    Shelf::of(desk).queue().await
}

/// The same beside a running server.
///
/// # Errors
/// A register, log or object that cannot be read.
pub async fn queue_beside(office: &Office) -> Result<Queue, PipelineError> {
    let evidence = published(&office.project)?;
    let objects = Objects::open(&office.project.path("objects"))?;
    let (reader, keys) = (&evidence.reader, evidence.statements.clone());
    Shelf { project: &office.project, reader, keys, objects: &objects, control: &office.control }.queue().await
}

/// Every proposal that the log proves, oldest first, without the parts that a gate refused after they were signed; and what the log does
/// not prove.
pub(crate) async fn decisions(desk: &Desk) -> Result<(Vec<Known>, Vec<String>), PipelineError> {
    let (known, doubts) = Shelf::of(desk).decisions().await?;
    Ok((standing(known, &desk.control.all_deliveries().await.map_err(PipelineError::internal)?), doubts))
}

impl Shelf<'_> {
    pub(super) async fn decisions(&self) -> Result<(Vec<Known>, Vec<String>), PipelineError> {
        let (mut known, mut doubts): (Vec<Known>, Vec<String>) = (Vec::new(), Vec::new());
        for (seq, row) in self.control.quarantine_decisions().await.map_err(PipelineError::internal)? {
            let kind = match row.kind {
                DecisionKind::Proposal => DeedKind::QuarantineProposal,
                DecisionKind::Approval => DeedKind::QuarantineApproval,
            };
            let deed = proved_deed((self.reader, &self.keys), self.objects, &row.evidence, (kind, row.content));
            let taken = deed.and_then(|(receipt, deed)| match row.kind {
                DecisionKind::Proposal => {
                    let proposal: Proposal = self.object(&row.content)?;
                    known.push(Known { digest: row.content, proposal, proposed: (receipt, deed), approved: None });
                    Ok(())
                }
                DecisionKind::Approval => {
                    let of = known.iter_mut().find(|one| one.digest == row.content);
                    let of = of.filter(|one| deed.about == Some(one.proposed.0.statement));
                    of.ok_or("it is about no proposal that the log proves")?.approved = Some((receipt, deed));
                    Ok(())
                }
            });
            if let Err(why) = taken {
                doubts.push(format!("row {seq} of `quarantine_decisions`: {why}"));
            }
        }
        Ok((known, doubts))
    }

    fn object<T: serde::de::DeserializeOwned>(&self, digest: &Digest) -> Result<T, String> {
        serde_json::from_slice(&self.objects.get(digest).map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    }

    pub(super) async fn queue(&self) -> Result<Queue, PipelineError> {
        let (known, doubts) = self.decisions().await?;
        let mut queue = Queue { doubts, ..Queue::default() };
        let deliveries = self.control.all_deliveries().await.map_err(PipelineError::internal)?;
        let known = standing(known, &deliveries);
        // What was held and came through later is judged by its last verdict.
        let mut last: BTreeMap<(&str, Digest), &Delivery> = BTreeMap::new();
        for delivery in &deliveries {
            last.insert((delivery.what.feed.as_str(), delivery.what.content), delivery);
        }
        let mut there = BTreeMap::new();
        for delivery in last.into_values() {
            match self.of_delivery(delivery) {
                Ok(None) => {}
                Ok(Some((evidence, digest, aside))) => {
                    let written = there.entry(aside.feed.clone()).or_insert_with(|| self.written(&aside.feed));
                    queue.entries.extend(entries(delivery, (evidence, digest, aside), (&known, written)));
                }
                Err(why) => queue.doubts.push(format!("delivery {}: {why}", delivery.what.content.short())),
            }
        }
        queue.proposals = known.iter().filter(|one| one.approved.is_none() && !decided(one, &known)).map(waiting).collect();
        Ok(queue)
    }

    /// The verdict on the rows of a delivery, and what it set aside; `None` where nothing was.
    fn of_delivery(&self, delivery: &Delivery) -> Result<Option<(String, Digest, SetAside)>, String> {
        if delivery.what.outcome == DeliveryOutcome::Refused {
            return Ok(None);
        }
        let receipt = delivery.what.receipt.clone().ok_or("the register names no evidence")?;
        let receipt: Receipt = serde_json::from_value(receipt).map_err(|error| error.to_string())?;
        let mut entry = proof::entry_in(self.reader, &self.keys, &receipt.statement.hex())?;
        if delivery.what.outcome == DeliveryOutcome::Cleared {
            // The register names the write; what it rests on is the verdict on the rows.
            let parent = entry.part.parents.first().ok_or("the write rests on nothing")?.hex();
            entry = proof::entry_in(self.reader, &self.keys, &parent)?;
        }
        // Rows that came out of quarantine are no delivery: they stand under the one that they came in.
        if entry.part.artefacts.iter().any(|artefact| artefact.role == RELEASE_ROLE) {
            return Ok(None);
        }
        let ruling = entry.part.rulings.last().filter(|ruling| ruling.step == <artifact::Content as gate::Step>::ID);
        let artefact = entry.part.artefacts.iter().find(|artefact| artefact.role == ROLE);
        let (Some(ruling), Some(artefact)) = (ruling, artefact) else { return Ok(None) };
        let aside: SetAside = self.object(&artefact.digest)?;
        if aside.content != delivery.what.content || aside.feed != delivery.what.feed {
            return Err("what was set aside is of another delivery".to_owned());
        }
        if ruling.outcome == RulingOutcome::Cleared {
            let held = aside.aside.iter().map(|row| row.row).collect();
            let batch = Batch { table: aside.feed.clone(), content: aside.content, rows: aside.rows, held };
            if ruling.cleared != Some(batch.digest()) {
                return Err("the verdict set other rows aside".to_owned());
            }
        }
        Ok(Some((entry.receipt.id, artefact.digest, aside)))
    }

    /// Digests of everything that a feed's table has.
    fn written(&self, feed: &str) -> BTreeSet<Digest> {
        let table = Table::open(&self.project.path("source").join(feed)).ok();
        let history = table.and_then(|table| table.history().ok()).unwrap_or_default();
        history.into_iter().filter_map(|commit| commit.content).collect()
    }
}

/// What the register has of rows that came out of quarantine: the digest of what two people signed.
fn released(one: &Known, part: &Part) -> Digest {
    Digest::of_json(&ReleasedRows { proposal: one.digest, part: part.clone() })
}

/// Proposals without the parts that a gate refused after they were signed: about those rows people decide anew.
fn standing(mut known: Vec<Known>, deliveries: &[Delivery]) -> Vec<Known> {
    let last: BTreeMap<Digest, DeliveryOutcome> = deliveries.iter().map(|one| (one.what.content, one.what.outcome)).collect();
    for one in known.iter_mut().filter(|one| one.approved.is_some() && one.proposal.decision == Decision::Release) {
        let parts = std::mem::take(&mut one.proposal.parts);
        one.proposal.parts =
            parts.into_iter().filter(|part| last.get(&released(one, part)) != Some(&DeliveryOutcome::Refused)).collect();
    }
    known
}

fn entries(
    delivery: &Delivery,
    (evidence, digest, aside): (String, Digest, SetAside),
    (known, written): (&[Known], &BTreeSet<Digest>),
) -> Vec<Entry> {
    let at = delivery.what.at_ms.div_euclid(1000);
    let held = delivery.what.outcome == DeliveryOutcome::Held;
    let SetAside { feed, content, aside, .. } = aside;
    let parts = known.iter().flat_map(|one| one.proposal.parts.iter().map(move |part| (one, part)));
    let about: Vec<(&Known, &Part, bool)> = parts
        .filter(|(_, part)| part.content == content)
        .map(|(one, part)| (one, part, one.approved.is_some() && written.contains(&released(one, part))))
        .collect();
    let entry = |row: Row| {
        // What was signed first counts; else what was proposed last.
        let mut all = about.iter().filter(|(_, part, _)| part.rows.binary_search(&row.row).is_ok());
        let signed = all.clone().filter(|(one, ..)| one.approved.is_some()).min_by_key(|(one, ..)| one.signed_at());
        let found = signed.or_else(|| all.next_back());
        let (one, there) = (found.map(|(one, ..)| *one), found.is_some_and(|(.., there)| *there));
        let decision = one.map(|one| one.proposal.decision);
        let state = match (one, decision) {
            (Some(one), Some(Decision::Release)) if one.approved.is_some() => {
                if there {
                    EntryState::InSource
                } else {
                    EntryState::Released
                }
            }
            (Some(one), Some(Decision::Discard)) if one.approved.is_some() => EntryState::Discarded,
            (Some(_), _) => EntryState::Proposed,
            (None, _) if held => EntryState::Held,
            (None, _) => EntryState::Waiting,
        };
        Entry {
            id: entry_id(&content, row.row),
            feed: feed.clone(),
            delivery: content.short(),
            row: u64::from(row.row) + 1,
            line: row.line,
            state,
            since: rfc3339(at),
            days: now().saturating_sub(at).div_euclid(DAY_SECONDS).max(0),
            breaks_contract: row.breaks_contract(),
            reasons: row.reasons,
            cells: row.cells,
            proposal: one.map(|one| one.digest.short()),
            decision,
            proposed_by: one.map(|one| one.proposed.1.person.clone()),
            approved_by: one.and_then(|one| one.approved.as_ref()).map(|(_, deed)| deed.person.clone()),
            evidence: evidence.clone(),
            part: Part { feed: feed.clone(), content, aside: digest, evidence: evidence.clone(), rows: vec![row.row] },
        }
    };
    aside.into_iter().map(entry).collect()
}

/// Whether somebody signed another proposal about one of these rows.
pub(super) fn decided(one: &Known, known: &[Known]) -> bool {
    known
        .iter()
        .filter(|other| other.approved.is_some() && other.digest != one.digest)
        .any(|other| one.proposal.parts.iter().any(|left| other.proposal.parts.iter().any(|right| shares(left, right))))
}

/// Whether two parts have a row in common.
pub(crate) fn shares(left: &Part, right: &Part) -> bool {
    left.content == right.content && left.rows.iter().any(|row| right.rows.binary_search(row).is_ok())
}

fn waiting(one: &Known) -> Waiting {
    Waiting {
        proposal: one.digest.short(),
        decision: one.proposal.decision,
        rows: one.proposal.parts.iter().map(|part| part.rows.len()).sum(),
        proposed_by: one.proposed.1.person.clone(),
        because: one.proposal.because.clone(),
        at: rfc3339(one.proposed.1.at),
    }
}
