//! s01, once more: rows that two people let out of quarantine come in by the door that their delivery came through, and are judged again
//! with what the log proves of both people (T1, T6).

use std::time::Instant;

use artifact::{Batch, Door};
use gate::{Outcome, Receipt, Subject};
use s01_intake::{ContentFacts, Released, RowFlag, RowReason};
use store::control::DeliveryOutcome;

use super::feeds::Written;
use super::{Rows, Run};
use crate::PipelineError;
use crate::evidence::{Artefact, Links, LogWitness, proof};
use crate::gather::s01::{self, Delivered};
use crate::policy::FeedPolicy;
use crate::quarantine::{Decision, Known, Part, RELEASE_ROLE, ROLE, ReleasedRows, SetAside, decisions};

/// What the verdict on a delivery proves.
struct Verdict {
    door: Receipt,
    content: Receipt,
    aside: SetAside,
}

impl Run<'_> {
    /// Takes in everything that was signed and is not there yet. What is not proved is passed over.
    pub(super) async fn releases(&mut self) -> Result<(), PipelineError> {
        let (known, doubts) = decisions(self.desk).await?;
        for doubt in doubts {
            self.progress.warn(&format!("passed over: {doubt}; see `stayward evidence verify`"));
        }
        for one in known.iter().filter(|one| one.proposal.decision == Decision::Release) {
            let Some(approved) = &one.approved else { continue };
            for part in &one.proposal.parts {
                let policies = &self.desk.project.policy.feeds;
                let Some(policy) = policies.iter().find(|policy| policy.name == part.feed).cloned() else { continue };
                self.release_rows(&policy, (one, part), &approved.0).await?;
            }
        }
        Ok(())
    }

    async fn release_rows(
        &mut self,
        policy: &FeedPolicy,
        (one, part): (&Known, &Part),
        approval: &Receipt,
    ) -> Result<(), PipelineError> {
        let released = ReleasedRows { proposal: one.digest, part: part.clone() };
        let content = self.desk.objects.put_json(&released)?;
        let deliveries = self.desk.control.deliveries(&policy.name).await.map_err(PipelineError::internal)?;
        let last = deliveries.iter().filter(|delivery| delivery.what.content == content).max_by_key(|delivery| delivery.seq);
        let there = self.appended(policy, content)?;
        match (last.map(|last| last.what.outcome), there) {
            (Some(DeliveryOutcome::Cleared), Some(_)) | (Some(DeliveryOutcome::Refused), None) => return Ok(()),
            (_, Some(receipt)) => return self.catch_up(policy, content, &receipt).await,
            (_, None) => {}
        }
        let about = format!("{}/{} out of quarantine", policy.name, part.content.short());
        self.progress.begin("s01-content", &about);
        let began = Instant::now();
        let verdict = self.verdict(part)?;
        let feed = proof::cleared::<Door>(self.desk, &verdict.door).map_err(PipelineError::broken)?;
        let keys = self.desk.statement_keys();
        let witness = LogWitness { reader: &self.desk.reader, keys: &keys };
        let door = self.houses.door.reopen(feed, verdict.door.clone(), &witness);
        let door = door.map_err(|error| PipelineError::broken(error.to_string()))?;
        let contract = self.feed_contract(policy)?;
        let table = Delivered::read(policy.kind, &self.desk.objects.get(&part.content)?, &contract, &about);
        let all = u32::try_from(table.rows()).unwrap_or(u32::MAX);
        let others: Vec<u32> = (0..all).filter(|row| part.rows.binary_search(row).is_err()).collect();
        let stored = table.arrow(&others)?;
        let count = u64::try_from(part.rows.len()).unwrap_or(u64::MAX);
        let readable: usize = stored.iter().map(arrow_array::RecordBatch::num_rows).sum();
        let facts = self.release_facts((one, part), &verdict.aside, readable)?;
        let batch = s01_intake::work::open_release(&door, content, count);
        let parents = vec![verdict.door, verdict.content, one.proposed.0.clone(), approval.clone()];
        let artefacts = vec![
            Artefact::object("feed", part.content),
            Artefact::object(ROLE, part.aside),
            Artefact::object(RELEASE_ROLE, content),
        ];
        let rows = Rows { came: count, went: count, began: Some(began), ..Rows::default() };
        let links = Links { parents, artefacts };
        let (outcome, receipt) = match self.judge(&self.houses.content, &about, (batch, &facts), links, rows).await? {
            Outcome::Cleared(cleared) => match self.write_feed(policy, &about, &cleared, &stored).await? {
                Written::Appended => return Ok(()),
                Written::Held(receipt) => (DeliveryOutcome::Held, receipt),
            },
            Outcome::Held(held) => (DeliveryOutcome::Held, held.receipt),
            Outcome::Refused { receipt, .. } => (DeliveryOutcome::Refused, receipt),
            Outcome::Unrecorded(error) => return Err(error.into()),
        };
        self.stopped_deliveries += 1;
        self.book(policy, (content, None), outcome, (0, 0), &receipt).await
    }

    /// The verdict that a proposal names, if the log proves that it set exactly these rows aside.
    fn verdict(&self, part: &Part) -> Result<Verdict, PipelineError> {
        let broken = |why: String| PipelineError::broken(format!("rows of delivery {}: {why}", part.content.short()));
        let entry = proof::entry(self.desk, &part.evidence).map_err(broken)?;
        let named = entry.part.artefacts.iter().any(|artefact| artefact.role == ROLE && artefact.digest == part.aside);
        let aside: SetAside =
            serde_json::from_slice(&self.desk.objects.get(&part.aside)?).map_err(|error| broken(error.to_string()))?;
        let held: Vec<u32> = aside.aside.iter().map(|row| row.row).collect();
        let of_it = part.rows.iter().all(|row| held.binary_search(row).is_ok());
        let batch = Batch { table: aside.feed.clone(), content: aside.content, rows: aside.rows, held };
        let cleared = entry.part.rulings.last().and_then(|ruling| ruling.cleared);
        if !named || !of_it || cleared != Some(batch.digest()) || (&aside.feed, aside.content) != (&part.feed, part.content) {
            return Err(broken(format!("evidence {} did not set these rows aside", part.evidence)));
        }
        let door = entry.parent(self.desk).map_err(broken)?.receipt;
        Ok(Verdict { door, content: entry.receipt, aside })
    }

    fn release_facts(
        &self,
        (one, part): (&Known, &Part),
        aside: &SetAside,
        readable: usize,
    ) -> Result<ContentFacts, PipelineError> {
        let Some((_, approved)) = &one.approved else {
            return Err(PipelineError::Internal("rows that nobody signed for".into()));
        };
        let mut flags = Vec::new();
        for (at, row) in (0..).zip(&part.rows) {
            let found = aside.aside.iter().filter(|known| known.row == *row).flat_map(|known| &known.reasons);
            flags.extend(found.map(|reason| RowFlag {
                row: at,
                reason: reason.rule,
                column: reason.column.clone(),
                seen: reason.seen.clone(),
            }));
        }
        if readable != part.rows.len() {
            let seen = format!("the contract lets `{readable}` of `{}` rows in", part.rows.len());
            flags.push(RowFlag { row: 0, reason: RowReason::Contract, column: String::new(), seen });
        }
        let policy = &self.desk.project.policy;
        Ok(ContentFacts {
            columns_missing: Vec::new(),
            columns_unknown: Vec::new(),
            flags,
            unlisted: 0,
            tests: Vec::new(),
            market: Vec::new(),
            reference_rows: 0,
            delivery_accepted: false,
            released: Some(Released {
                delivery: part.content,
                rows: part.rows.clone(),
                proposed_by: one.proposed.1.person.clone(),
                approved_by: approved.person.clone(),
                approved_amr: approved.amr.clone(),
                because: one.proposal.because.clone(),
                own_allowed: policy.labels.author_may_approve,
            }),
            policy: s01::limits(&policy.content),
        })
    }
}
