//! What people do about rows in quarantine (T1, T6): one proposes, another signs the digest of exactly these rows with a fresh second
//! factor. Nobody signs what he proposed, unless the policy of a one-person project says so in the open.

use std::collections::BTreeMap;

use access::Resource;
use gate::Digest;
use identity::{Action, Session};
use serde::Serialize;
use store::control::{ControlError, DecisionKind, QuarantineDecision};

use super::queue::{Shelf, decided, decisions};
use super::{Decision, Entry, EntryState, Part, Proposal, RowReason, rule_name};
use crate::PipelineError;
use crate::access::{allow, allow_over};
use crate::desk::{Desk, now_ms};
use crate::evidence::deed::DeedKind;

/// Longest reason that somebody gives.
const BECAUSE_BYTES_MAX: usize = 1_000;
/// Proposals of one person that may wait for a signature: the log and the register must not grow by one person alone.
const OPEN_PROPOSALS_MAX: usize = 1_000;

/// Which rows are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// These, by name.
    Ids(Vec<String>),
    /// All of a delivery that wait: first digits of its digest.
    Delivery(String),
    /// All that wait for this reason alone.
    Reason(RowReason),
}

/// What was proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposed {
    /// Digest; its first digits name it.
    pub proposal: Digest,
    /// What is to become of the rows.
    pub decision: Decision,
    /// How many.
    pub rows: usize,
    /// Rows that were meant too and cannot be released: they break the contract.
    pub left_out: usize,
    /// Who proposed it first.
    pub proposed_by: String,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Digest of the proposal.
    pub proposal: Digest,
    /// What becomes of the rows.
    pub decision: Decision,
    /// How many.
    pub rows: usize,
    /// Who proposed it.
    pub proposed_by: String,
    /// Who signed it.
    pub approved_by: String,
    /// The entry of the signature.
    pub evidence: String,
    /// Whether the policy let one person do both.
    pub alone: bool,
}

fn unknown(why: String) -> PipelineError {
    PipelineError::wrong(why, "list the rows and what is proposed with `stayward quarantine ls`")
}

/// Proposes to release or to discard rows; answers what was proposed.
///
/// # Errors
/// The person may not; no such row waits; a row that breaks the contract is named for release.
pub async fn propose(
    desk: &Desk,
    session: &Session,
    decision: Decision,
    (chosen, because): (&Chosen, &str),
) -> Result<Proposed, PipelineError> {
    allow(&desk.project, &desk.identity, session, Action::ProposeQuarantine).await?;
    let because = because.trim();
    if because.is_empty() || because.len() > BECAUSE_BYTES_MAX {
        return Err(PipelineError::wrong(
            format!("a reason has 1 to {BECAUSE_BYTES_MAX} bytes, not {}", because.len()),
            "say in words with --because what you found out about these rows",
        ));
    }
    let queue = Shelf::of(desk).queue().await?;
    let (rows, left_out) = meant(&queue.entries, chosen, decision)?;
    let mut parts: BTreeMap<(String, Digest), Part> = BTreeMap::new();
    for entry in &rows {
        let Part { feed, content, rows, .. } = &entry.part;
        let known = parts.entry((feed.clone(), *content));
        known.and_modify(|part| part.rows.extend(rows)).or_insert_with(|| entry.part.clone());
    }
    let mut parts: Vec<Part> = parts.into_values().collect();
    parts.iter_mut().for_each(|part| {
        part.rows.sort_unstable();
        part.rows.dedup();
    });
    let proposal = Proposal { decision, because: because.to_owned(), parts };
    let digest = desk.objects.put_json(&proposal)?;
    let answer = |proposed_by: &str| Proposed {
        proposal: digest,
        decision,
        rows: rows.len(),
        left_out,
        proposed_by: proposed_by.to_owned(),
    };
    let (known, _) = decisions(desk).await?;
    if let Some(known) = known.iter().find(|known| known.digest == digest) {
        if known.approved.is_some() {
            return Err(PipelineError::wrong(
                "the same was proposed in the same words before, signed, and refused by a gate",
                "say with --because what is different now",
            ));
        }
        return Ok(answer(&known.proposed.1.person));
    }
    let open = known.iter().filter(|one| one.approved.is_none() && one.proposed.1.person == session.person);
    if open.filter(|one| !decided(one, &known)).count() >= OPEN_PROPOSALS_MAX {
        return Err(PipelineError::wrong(
            format!("`{OPEN_PROPOSALS_MAX}` proposals of `{}` wait for somebody to sign them", session.person),
            "have another person look at them: `stayward quarantine ls`",
        ));
    }
    let receipt = desk.record_deed(DeedKind::QuarantineProposal, session, ("quarantine-proposal", digest), None).await?;
    book(desk, session, DecisionKind::Proposal, (digest, receipt.id)).await?;
    Ok(answer(&session.person))
}

/// Rows that are meant, and how many of them cannot be released.
fn meant<'a>(all: &'a [Entry], chosen: &Chosen, decision: Decision) -> Result<(Vec<&'a Entry>, usize), PipelineError> {
    let wait = |entry: &&Entry| matches!(entry.state, EntryState::Waiting | EntryState::Proposed);
    let found: Vec<&Entry> = match chosen {
        Chosen::Ids(ids) => {
            let find = |id: &String| {
                let entry = all.iter().find(|entry| entry.id == *id);
                let entry = entry.ok_or_else(|| unknown(format!("no row `{id}` is in quarantine")))?;
                if entry.state == EntryState::Held {
                    return Err(PipelineError::wrong(
                        format!("the whole delivery of row `{id}` is held"),
                        format!("look at it first: `stayward feed accept {} {}`", entry.feed, entry.delivery),
                    ));
                }
                if !wait(&entry) {
                    return Err(unknown(format!("row `{id}` is {} already", entry.state.as_str())));
                }
                if decision == Decision::Release && entry.breaks_contract {
                    return Err(PipelineError::wrong(
                        format!("row `{id}` breaks the contract, and no table can take it"),
                        "propose to discard it, and have the supplier deliver it mended",
                    ));
                }
                Ok(entry)
            };
            ids.iter().map(find).collect::<Result<_, _>>()?
        }
        Chosen::Delivery(digits) => {
            all.iter().filter(wait).filter(|entry| entry.part.content.hex().starts_with(digits.as_str())).collect()
        }
        Chosen::Reason(rule) => {
            all.iter().filter(wait).filter(|entry| entry.reasons.iter().all(|reason| reason.rule == *rule)).collect()
        }
    };
    let mut deliveries: Vec<Digest> = found.iter().map(|entry| entry.part.content).collect();
    deliveries.dedup();
    if let (Chosen::Delivery(digits), true) = (chosen, deliveries.len() > 1) {
        return Err(unknown(format!("`{digits}` begins the digest of more than one delivery")));
    }
    let (left_out, kept): (Vec<&Entry>, Vec<&Entry>) =
        found.into_iter().partition(|entry| decision == Decision::Release && entry.breaks_contract);
    if kept.is_empty() {
        let why = match (chosen, left_out.len()) {
            (_, some) if some > 0 => format!("all {some} rows break the contract, and no table can take them"),
            (Chosen::Ids(_), _) => "no row is named".to_owned(),
            (Chosen::Delivery(digits), _) => format!("no row of a delivery `{digits}` waits"),
            (Chosen::Reason(rule), _) => format!("no row waits for the reason `{}` alone", rule_name(*rule)),
        };
        return Err(unknown(why));
    }
    Ok((kept, left_out.len()))
}

/// Signs a proposal, named by the first digits of its digest, in a session with a fresh second factor.
///
/// # Errors
/// There is no such proposal, or more than one; a row of it was decided already; the person may not, or proposed it himself.
pub async fn approve(desk: &Desk, session: &Session, digits: &str) -> Result<Decided, PipelineError> {
    let (known, _) = decisions(desk).await?;
    let named: Vec<_> = known.iter().filter(|one| !digits.is_empty() && one.digest.hex().starts_with(digits)).collect();
    let one = match named.as_slice() {
        [one] => *one,
        [] => return Err(unknown(format!("nothing with the digest `{digits}` is proposed"))),
        _ => return Err(unknown(format!("`{digits}` begins the digest of more than one proposal"))),
    };
    if let Some((_, deed)) = &one.approved {
        return Err(unknown(format!("`{}` signed proposal `{}` already", deed.person, one.digest.short())));
    }
    if decided(one, &known) {
        return Err(unknown(format!("another proposal about rows of `{}` was signed in the meantime", one.digest.short())));
    }
    let (proposal, deed) = &one.proposed;
    let over = Resource::Proposal { name: one.digest.hex(), author: deed.person.clone(), team: deed.team.clone() };
    allow_over(&desk.project, &desk.identity, session, Action::ApproveQuarantine, Some(over)).await?;
    let receipt =
        desk.record_deed(DeedKind::QuarantineApproval, session, ("quarantine-proposal", one.digest), Some(proposal)).await?;
    book(desk, session, DecisionKind::Approval, (one.digest, receipt.id.clone())).await?;
    Ok(Decided {
        proposal: one.digest,
        decision: one.proposal.decision,
        rows: one.proposal.parts.iter().map(|part| part.rows.len()).sum(),
        proposed_by: deed.person.clone(),
        approved_by: session.person.clone(),
        evidence: receipt.id,
        alone: deed.person == session.person,
    })
}

async fn book(
    desk: &Desk,
    session: &Session,
    kind: DecisionKind,
    (content, evidence): (Digest, String),
) -> Result<(), PipelineError> {
    let decision = QuarantineDecision { kind, content, person: session.person.clone(), evidence, at_ms: now_ms() };
    match desk.control.add_quarantine_decision(&decision).await {
        Err(error @ ControlError::Exists { .. }) => {
            Err(PipelineError::broken(format!("{error}: the register has a row of its own")))
        }
        other => other.map_err(PipelineError::internal),
    }
}
