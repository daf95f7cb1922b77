//! s01, once more: rows that two people let out of quarantine come in by the door that their delivery came through, and are judged again
//! with what the log proves of both people (T1, T6).

use std::time::Instant;

use ::access::Resource;
use artifact::{Batch, Door};
use gate::{Outcome, Receipt, Subject};
use identity::Action;
use s01_intake::{ContentFacts, Released, RowFlag};
use store::control::DeliveryOutcome;

use super::feeds::Written;
use super::{Rows, Run};
use crate::evidence::{Artefact, Links, LogWitness, proof};
use crate::gather::s01::{self, Delivered};
use crate::policy::FeedPolicy;
use crate::quarantine::{Decision, Known, Part, RELEASE_ROLE, ROLE, ReleasedRows, SetAside, decisions, shares};
use crate::{PipelineError, access};

/// What the verdict on a delivery proves.
struct Verdict {
    door: Receipt,
    content: Receipt,
    aside: SetAside,
}

impl Run<'_> {
    /// Takes in everything that was signed and is not there yet, in the order in which it was signed. What is not proved is passed over,
    /// and so is what names a row that was decided before.
    pub(super) async fn releases(&mut self) -> Result<(), PipelineError> {
        let (known, doubts) = decisions(self.desk).await?;
        for doubt in doubts {
            self.progress.warn(&format!("passed over: {doubt}; see `stayward evidence verify`"));
        }
        let mut signed: Vec<&Known> = known.iter().filter(|one| one.approved.is_some()).collect();
        signed.sort_by_key(|one| one.signed_at());
        for (at, one) in signed.iter().enumerate().filter(|(_, one)| one.proposal.decision == Decision::Release) {
            let Some(approved) = &one.approved else { continue };
            for part in &one.proposal.parts {
                let earlier = signed.iter().take(at).flat_map(|one| &one.proposal.parts);
                if earlier.clone().any(|before| shares(before, part)) {
                    self.progress.warn(&format!("passed over: rows of proposal {} were decided before", one.digest.short()));
                    continue;
                }
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
        let verdict = match self.verdict(part) {
            Ok(verdict) => verdict,
            Err(why) => {
                let what = part.content.short();
                self.progress.warn(&format!("passed over: rows of delivery {what}: {why}; see `stayward evidence verify`"));
                return Ok(());
            }
        };
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
        let readable: usize = stored.iter().map(arrow_array::RecordBatch::num_rows).sum();
        let count = u64::try_from(readable).unwrap_or(u64::MAX);
        let facts = self.release_facts((one, part), &verdict.aside).await?;
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
    fn verdict(&self, part: &Part) -> Result<Verdict, String> {
        let entry = proof::entry(self.desk, &part.evidence)?;
        let named = entry.part.artefacts.iter().any(|artefact| artefact.role == ROLE && artefact.digest == part.aside);
        let aside = self.desk.objects.get(&part.aside).map_err(|error| error.to_string())?;
        let aside: SetAside = serde_json::from_slice(&aside).map_err(|error| error.to_string())?;
        let held: Vec<u32> = aside.aside.iter().map(|row| row.row).collect();
        let of_it = part.rows.iter().all(|row| held.binary_search(row).is_ok());
        let batch = Batch { table: aside.feed.clone(), content: aside.content, rows: aside.rows, held };
        let cleared = entry.part.rulings.last().and_then(|ruling| ruling.cleared);
        if !named || !of_it || cleared != Some(batch.digest()) || (&aside.feed, aside.content) != (&part.feed, part.content) {
            return Err(format!("evidence {} did not set these rows aside", part.evidence));
        }
        let door = entry.parent(self.desk)?.receipt;
        Ok(Verdict { door, content: entry.receipt, aside })
    }

    async fn release_facts(&self, (one, part): (&Known, &Part), aside: &SetAside) -> Result<ContentFacts, PipelineError> {
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
        let (author, over) = (&one.proposed.1, one.digest.hex());
        let over = Resource::Proposal { name: over, author: author.person.clone(), team: author.team.clone() };
        let rules = access::rules(&self.desk.project)?;
        let person = self.desk.identity.people().await?.into_iter().find(|person| person.name == approved.person);
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
                second_factor: approved.second_factor(),
                may_approve: person.is_some_and(|person| access::may(&rules, &person, Action::ApproveQuarantine, Some(over))),
                because: one.proposal.because.clone(),
                own_allowed: policy.labels.author_may_approve,
            }),
            policy: s01::limits(&policy.content),
        })
    }
}
