//! s01: every new file in a feed's inbox is judged at the door, then row by row, and written only when it came through both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow_array::RecordBatch;
use artifact::{Append, Batch, Feed, Origin};
use gate::{Digest, Outcome, Receipt};
use identity::Action;
use outlier::market::MarketState;
use s01_intake::{Arrival, ContentFacts, Detached, DoorFacts, SupplierKey};
use serde::{Deserialize, Serialize};
use store::control::{Acceptance, ControlError, DeliveryOutcome, NewDelivery};
use store::table::Table;
use tabular::Contract;

use super::source::proved_commit;
use super::{Rows, Run};
use crate::access::allow;
use crate::arrival::arrival_of;
use crate::beside::{Beside, is_sidecar};
use crate::desk::{now, now_ms};
use crate::evidence::deed::DeedKind;
use crate::evidence::{Artefact, Links, proof};
use crate::gather::s01::{self, Delivered};
use crate::policy::{FeedKind, FeedPolicy};
use crate::progress::{StepReport, StepState};
use crate::{PipelineError, crash, data, quarantine};

/// Largest contract of a feed.
const CONTRACT_BYTES_MAX: u64 = 4 << 20;

/// How a delivery ended.
enum Delivery {
    Taken,
    Stopped,
}

/// How a write ended.
pub(super) enum Written {
    /// The rows are there, and booked.
    Appended,
    /// s02 holds them.
    Held(Receipt),
}

impl Run<'_> {
    /// Judges everything that arrived since the last run. A delivery that is stopped does not stop the run.
    pub(crate) async fn feeds(&mut self) -> Result<(), PipelineError> {
        let policies = self.desk.project.policy.feeds.clone();
        self.releases().await?;
        for policy in &policies {
            for path in inbox(&self.desk.project.resolve(&policy.inbox))? {
                if matches!(self.delivery(policy, &path).await?, Some(Delivery::Stopped)) {
                    self.stopped_deliveries += 1;
                }
            }
        }
        Ok(())
    }

    async fn delivery(&mut self, policy: &FeedPolicy, path: &Path) -> Result<Option<Delivery>, PipelineError> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let about = format!("{}/{name}", policy.name);
        // Of a file that is too large one byte more than allowed is enough for the gate that refuses it.
        let bytes = store::disk::read_beginning(path, policy.size_max_bytes.saturating_add(1))?;
        let content = Digest::of(&bytes);
        let beside = match Beside::read(path) {
            Ok(beside) => beside,
            // Whoever can write to the inbox must not end runs.
            Err(error) => {
                self.progress.warn(&format!("{about} is passed over: what lies beside it cannot be read: {error}"));
                return Ok(Some(Delivery::Stopped));
            }
        };
        if self.known_delivery(policy, content, &beside).await? {
            return Ok(None);
        }
        if let Some(receipt) = self.appended(policy, content)? {
            self.catch_up(policy, content, &receipt).await?;
            return Ok(Some(Delivery::Taken));
        }
        self.progress.begin("s01-door", &about);
        let began = Instant::now();
        let feed = Feed::new(&policy.name, &policy.supplier, bytes);
        self.desk.objects.put(feed.bytes().unwrap_or_default())?;
        let (arrival, doubt) = arrival_of(self.desk, &policy.name, path, content);
        if let Some(doubt) = doubt {
            self.progress.warn(&format!("{about} counts as put into the folder: how it came is not proved: {doubt}"));
        }
        let mut facts = self.door_facts(policy, arrival, beside).await?;
        // It was held, or it would be known; whoever accepted it since looked at these bytes.
        facts.accepted_late = self.accepted(&policy.name, content).await?.is_some();
        self.warn_late(policy, &about, &facts);
        let links = Links { parents: Vec::new(), artefacts: vec![Artefact::object("feed", content)] };
        let door = match self
            .judge(&self.houses.door, &about, (feed, &facts), links, Rows { began: Some(began), ..Rows::default() })
            .await?
        {
            Outcome::Cleared(door) => door,
            Outcome::Held(held) => return self.stop(policy, (content, &facts), DeliveryOutcome::Held, held.receipt).await,
            Outcome::Refused { receipt, .. } => {
                return self.stop(policy, (content, &facts), DeliveryOutcome::Refused, receipt).await;
            }
            Outcome::Unrecorded(error) => return Err(error.into()),
        };
        crash::point("feeds:door-logged");
        self.rows(policy, &about, &door, &facts).await
    }

    async fn rows(
        &mut self,
        policy: &FeedPolicy,
        about: &str,
        door: &gate::Cleared<artifact::Door>,
        facts: &DoorFacts,
    ) -> Result<Option<Delivery>, PipelineError> {
        self.progress.begin("s01-content", about);
        let began = Instant::now();
        let feed = door.subject();
        let contract = self.feed_contract(policy)?;
        let table = Delivered::read(policy.kind, feed.bytes().unwrap_or_default(), &contract, about);
        let accepted = self.accepted(&policy.name, feed.content).await?;
        let mut content_facts = self.content_facts(policy, &contract, &table, accepted.is_some()).await?;
        // What cannot be kept row by row is not set aside: the gate of the quarantine refuses the delivery.
        let beyond = quarantine::rows_flagged(&content_facts.flags).saturating_sub(quarantine::ROWS_MAX);
        content_facts.unlisted += u64::try_from(beyond).unwrap_or(u64::MAX);
        let batch = s01_intake::work::open_batch(door, &policy.name, table.rows());
        // The door's entry first: `number` finds it there. Then the entry of who accepted it, if anybody had to.
        let parents = std::iter::once(door.receipt().clone()).chain(accepted).collect();
        let mut links = Links { parents, artefacts: vec![Artefact::object("feed", feed.content)] };
        if beyond == 0 && !content_facts.flags.is_empty() {
            let aside = table.set_aside(&policy.name, feed.content, &content_facts.flags);
            links.artefacts.push(Artefact::object(quarantine::ROLE, self.desk.objects.put_json(&aside)?));
        }
        let held = u64::try_from(content_facts.flags.len()).unwrap_or(0).min(table.rows());
        let rows =
            Rows { came: table.rows(), went: table.rows().saturating_sub(held), held, began: Some(began), ..Rows::default() };
        let content = match self.judge(&self.houses.content, about, (batch, &content_facts), links, rows).await? {
            Outcome::Cleared(content) => content,
            Outcome::Held(held) => return self.stop(policy, (feed.content, facts), DeliveryOutcome::Held, held.receipt).await,
            Outcome::Refused { receipt, .. } => {
                return self.stop(policy, (feed.content, facts), DeliveryOutcome::Refused, receipt).await;
            }
            Outcome::Unrecorded(error) => return Err(error.into()),
        };
        crash::point("feeds:content-logged");
        let stored = table.arrow(&content.subject().held)?;
        match self.write_feed(policy, about, &content, &stored).await? {
            Written::Appended => Ok(Some(Delivery::Taken)),
            Written::Held(receipt) => self.stop(policy, (feed.content, facts), DeliveryOutcome::Held, receipt).await,
        }
    }

    async fn content_facts(
        &self,
        policy: &FeedPolicy,
        contract: &Contract,
        table: &Delivered,
        accepted: bool,
    ) -> Result<ContentFacts, PipelineError> {
        let limits = &self.desk.project.policy.content;
        match (policy.kind, table) {
            (FeedKind::Rows, Delivered::Rows(table)) => {
                let trusted = self.trusted(policy, contract).await?;
                let known = self.accepted_rows(policy, contract)?;
                s01::rows::content_facts(limits, table, (trusted.as_ref(), &known), accepted, now())
            }
            (FeedKind::Market, Delivered::Market(table)) => {
                let state: MarketState = self.market_state(policy).await?;
                let history = s01::history(self.desk, &policy.name)?;
                s01::content_facts(limits, table, &state, &history, accepted)
            }
            // It could not be read: no row of any kind.
            (_, _) => s01::content_facts(limits, &s01::MarketTable::default(), &MarketState::default(), &[], accepted),
        }
    }

    /// Appends what s01 let through, once s02 has judged the write.
    pub(super) async fn write_feed(
        &mut self,
        policy: &FeedPolicy,
        about: &str,
        content: &gate::Cleared<artifact::Content>,
        stored: &[RecordBatch],
    ) -> Result<Written, PipelineError> {
        self.progress.begin("s02-source", about);
        let began = Instant::now();
        let batch = content.subject();
        let append = Append {
            table: policy.name.clone(),
            content: batch.content,
            rows: batch.rows_clean(),
            values: data::rows_digest(stored)?,
            columns: s01::stored_columns(policy.kind, &self.feed_contract(policy)?),
            origin: Origin::Feed { feed: policy.name.clone() },
            writer: "source-writer".to_owned(),
        };
        let columns = append.columns.clone();
        let source_facts = self.source_facts(&policy.name, columns, Some(content))?;
        let links = Links { parents: vec![content.receipt().clone()], artefacts: vec![Artefact::object("feed", batch.content)] };
        let rows =
            Rows { came: batch.rows, went: append.rows, held: batch.rows - append.rows, began: Some(began), ..Rows::default() };
        let outcome = self.judge(&self.houses.source, about, (append, &source_facts), links, rows).await?;
        let cleared = match outcome {
            Outcome::Cleared(cleared) => cleared,
            Outcome::Held(held) => return Ok(Written::Held(held.receipt)),
            Outcome::Refused { gate, finding, receipt } => {
                return Err(PipelineError::Refused { step: "s02-source", gate: gate.to_owned(), finding, receipt });
            }
            Outcome::Unrecorded(error) => return Err(error.into()),
        };
        crash::point("feeds:source-logged");
        self.append_table(&cleared, stored)?;
        crash::point("feeds:appended");
        self.catch_up(policy, batch.content, cleared.receipt()).await?;
        Ok(Written::Appended)
    }

    /// The clearance under which these bytes are in the feed's table: they were written, and nothing of what follows is known.
    pub(super) fn appended(&self, policy: &FeedPolicy, content: Digest) -> Result<Option<Receipt>, PipelineError> {
        let dir = self.desk.project.path("source").join(&policy.name);
        if !dir.is_dir() {
            return Ok(None);
        }
        let table = Table::open(&dir).map_err(|error| PipelineError::broken(error.to_string()))?;
        let history = table.history().map_err(|error| PipelineError::broken(error.to_string()))?;
        let written = history.iter().find(|commit| commit.content == Some(content));
        written.map(|commit| proved_commit(self.desk, (&policy.name, &table), commit)).transpose()
    }

    /// What follows an append: the supplier's number, the market's state, the booking. Each may have been done before a kill.
    pub(super) async fn catch_up(&self, policy: &FeedPolicy, content: Digest, receipt: &Receipt) -> Result<(), PipelineError> {
        let (number, rows, held) = self.number(policy, receipt)?;
        let last = self.desk.identity.last_sequence(&policy.supplier, &policy.name).await?;
        if last.is_none_or(|last| last < number) {
            self.desk.identity.advance_sequence(&policy.supplier, &policy.name, number, now()).await?;
        }
        crash::point("feeds:sequence-advanced");
        if policy.kind == FeedKind::Market {
            self.market_state(policy).await?;
        }
        crash::point("feeds:state-left");
        self.book(policy, (content, Some(number)), DeliveryOutcome::Cleared, (rows, held), receipt).await
    }

    /// The supplier's number of a delivery and its rows, in all and held, as they were judged: from the write's entry back to the door's.
    fn number(&self, policy: &FeedPolicy, receipt: &Receipt) -> Result<(u64, u64, u64), PipelineError> {
        let broken = |why: String| PipelineError::broken(format!("evidence {}: {why}", receipt.id));
        let append = proof::cleared::<artifact::Source>(self.desk, receipt).map_err(broken)?;
        let (content, door) = proof::before(self.desk, receipt).map_err(broken)?;
        let (batch, _) = proof::judged::<Batch, serde_json::Value>(self.desk, &content.statement).map_err(broken)?;
        let (_, facts) = proof::judged::<Feed, DoorFacts>(self.desk, &door.statement).map_err(broken)?;
        let signed = s01_intake::read_claim(&facts, &policy.supplier).map_err(|finding| broken(finding.why))?;
        Ok((signed.claim.sequence, batch.rows, batch.rows.saturating_sub(append.rows)))
    }

    async fn stop(
        &mut self,
        policy: &FeedPolicy,
        (content, facts): (Digest, &DoorFacts),
        outcome: DeliveryOutcome,
        receipt: Receipt,
    ) -> Result<Option<Delivery>, PipelineError> {
        self.book(policy, (content, None), outcome, (0, 0), &receipt).await?;
        crash::point("feeds:stopped");
        if outcome == DeliveryOutcome::Refused {
            let under = self.judged_under(policy).await?;
            let name = refused_name(policy, (content, under), facts.bundle.as_deref(), facts.detached.as_ref());
            self.desk.set_pointer(&name, &serde_json::Value::String(receipt.id)).await?;
        }
        Ok(Some(Delivery::Stopped))
    }

    /// Without a number that was believed the last one stands in its place.
    pub(super) async fn book(
        &self,
        policy: &FeedPolicy,
        (content, number): (Digest, Option<u64>),
        outcome: DeliveryOutcome,
        (rows, rows_held): (u64, u64),
        receipt: &Receipt,
    ) -> Result<(), PipelineError> {
        let sequence = match number {
            Some(number) => number,
            None => self.desk.identity.last_sequence(&policy.supplier, &policy.name).await?.unwrap_or(0),
        };
        let delivery = NewDelivery {
            feed: policy.name.clone(),
            supplier: policy.supplier.clone(),
            content,
            sequence,
            outcome,
            rows,
            rows_held,
            receipt: Some(serde_json::to_value(receipt).map_err(PipelineError::internal)?),
            at_ms: now_ms(),
        };
        self.desk.control.add_delivery(&delivery).await.map(drop).map_err(PipelineError::internal)
    }

    /// What a refusal rests on beside the delivery: the supplier's keys, the contract, the policy and the golden set. Where one of
    /// them is another, the delivery is judged anew.
    async fn judged_under(&self, policy: &FeedPolicy) -> Result<Digest, PipelineError> {
        let keys = self.desk.identity.supplier_keys().await?.into_iter().filter(|key| key.supplier == policy.supplier);
        let keys: Vec<(String, i64, bool)> =
            keys.map(|key| (key.id, key.expires_at, key.revoked_at.is_some() || key.supplier_disabled)).collect();
        let contract = self.feed_contract(policy).map_or_else(|error| error.to_string(), |contract| contract.to_toml());
        let golden = self.desk.pointer(&super::golden::golden_name(&policy.name)).await?;
        Ok(Digest::of_json(&(keys, contract, &self.desk.project.policy.content, policy, golden)))
    }

    /// A delivery that was taken is not looked at again; a held one is, once somebody accepted it; a refused one is, when it comes
    /// under another signature: or whoever can put the bytes into the inbox first, unsigned, could keep the honest delivery out. It is
    /// also when what it was judged by changed, or when somebody asks for it.
    async fn known_delivery(&self, policy: &FeedPolicy, content: Digest, beside: &Beside) -> Result<bool, PipelineError> {
        let under = self.judged_under(policy).await?;
        let refused = refused_name(policy, (content, under), beside.bundle.as_deref(), beside.detached.as_ref());
        if self.again != Some(content) && self.desk.pointer(&refused).await?.is_some() {
            return Ok(true);
        }
        let deliveries = self.desk.control.deliveries(&policy.name).await.map_err(PipelineError::internal)?;
        let last = deliveries.iter().filter(|delivery| delivery.what.content == content).max_by_key(|delivery| delivery.seq);
        match last.map(|delivery| delivery.what.outcome) {
            None | Some(DeliveryOutcome::Refused) => Ok(false),
            // Booked, and there: a booking alone keeps no delivery out.
            Some(DeliveryOutcome::Cleared) => Ok(self.appended(policy, content)?.is_some()),
            Some(DeliveryOutcome::Held) => Ok(self.accepted(&policy.name, content).await?.is_none()),
        }
    }

    /// The entry of the person who accepted these bytes of a feed, as the log proves it.
    async fn accepted(&self, feed: &str, content: Digest) -> Result<Option<Receipt>, PipelineError> {
        let known = self.desk.control.acceptances(feed, &content).await.map_err(PipelineError::internal)?;
        // Of several the first that proves: one that somebody made up must not stand in the way of a true one.
        let mut wrong = None;
        for one in &known {
            match self.proved_acceptance(feed, content, one) {
                Ok(receipt) => return Ok(Some(receipt)),
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        wrong.map_or(Ok(None), Err)
    }

    /// The receipt of an acceptance, if it was given for these bytes of this feed, with a second factor.
    fn proved_acceptance(&self, feed: &str, content: Digest, known: &Acceptance) -> Result<Receipt, PipelineError> {
        let broken = |why: String| PipelineError::broken(format!("the acceptance of delivery {}: {why}", content.short()));
        let deed = self.desk.proved_deed(&known.evidence, DeedKind::Acceptance, content);
        let (receipt, deed) = deed.map_err(broken)?;
        // It was given for a ruling on these bytes of this feed, in a session with a second factor.
        let ruling = deed.about.ok_or_else(|| broken("it is about no ruling".to_owned()))?;
        let (subject, _) = proof::judged::<serde_json::Value, serde_json::Value>(self.desk, &ruling).map_err(broken)?;
        let of = |key: &str| subject.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let about = of("table").or_else(|| of("name"));
        if about.as_deref() != Some(feed) || of("content") != Some(content.to_string()) {
            return Err(broken("it was given for another delivery".to_owned()));
        }
        if !deed.second_factor() {
            return Err(broken("it was given without a second factor".to_owned()));
        }
        Ok(receipt)
    }

    pub(crate) async fn door_facts(
        &self,
        policy: &FeedPolicy,
        arrival: Arrival,
        beside: Beside,
    ) -> Result<DoorFacts, PipelineError> {
        let keys = self.desk.identity.supplier_keys().await?;
        let keys = keys
            .into_iter()
            .map(|key| SupplierKey {
                supplier: key.supplier,
                scheme: key.scheme,
                public_key: key.public_key_pem,
                not_before: key.not_before,
                expires: key.expires_at,
                revoked: key.revoked_at.is_some() || key.supplier_disabled,
            })
            .collect();
        let last_sequence = self.desk.identity.last_sequence(&policy.supplier, &policy.name).await?;
        let Beside { bundle, detached } = beside;
        let (accepted_late, size_max_bytes) = (false, policy.size_max_bytes);
        Ok(DoorFacts { now: now(), arrival, bundle, detached, keys, last_sequence, accepted_late, size_max_bytes })
    }

    /// Says so where an older delivery comes in after a newer one.
    fn warn_late(&mut self, policy: &FeedPolicy, about: &str, facts: &DoorFacts) {
        let number = s01_intake::read_claim(facts, &policy.supplier).map(|signed| signed.claim.sequence);
        if let (true, Some(last), Ok(number)) = (facts.accepted_late, facts.last_sequence, number)
            && number <= last
        {
            self.progress.warn(&format!("{about} is number {number}, and number {last} came in while it was held"));
        }
    }

    pub(super) fn feed_contract(&self, policy: &FeedPolicy) -> Result<Contract, PipelineError> {
        let below = format!("feeds/{}.contract.toml", policy.name);
        let bytes = store::disk::read_limited(&self.desk.project.path(&below), CONTRACT_BYTES_MAX)?;
        Contract::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|error| PipelineError::wrong(format!("{below}: {error}"), "mend the file"))
    }

    /// What the market is like: learnt delivery by delivery from the rows that went on, and from nothing else. The pointer keeps how
    /// far that is; versions that came since are learnt here.
    async fn market_state(&self, policy: &FeedPolicy) -> Result<MarketState, PipelineError> {
        let name = format!("market-state/{}", policy.name);
        let known = self.desk.pointer(&name).await?;
        let known: Option<Learnt> = known.map(serde_json::from_value).transpose().map_err(PipelineError::internal)?;
        let (mut state, mut version): (MarketState, u64) = match known {
            Some(known) => {
                let bytes = self.desk.objects.get(&known.state)?;
                (serde_json::from_slice(&bytes).map_err(PipelineError::internal)?, known.version)
            }
            None => (MarketState::default(), 0),
        };
        let dir = self.desk.project.path("source").join(&policy.name);
        if !dir.is_dir() {
            return Ok(state);
        }
        let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
        let table = Table::open(&dir).map_err(broken)?;
        let before = version;
        for commit in table.history().map_err(broken)?.iter().filter(|commit| commit.version > before && commit.data.is_some()) {
            proved_commit(self.desk, (&policy.name, &table), commit)?;
            let mut rows = Vec::new();
            for batch in table.read_appended(commit.version).map_err(broken)? {
                rows.extend(s01::rows_of(&batch)?);
            }
            state = s01::state_after(&rows, &state);
            version = commit.version;
        }
        if version > before {
            let learnt = Learnt { state: self.desk.objects.put_json(&state)?, version };
            self.desk.set_pointer(&name, &serde_json::to_value(learnt).map_err(PipelineError::internal)?).await?;
        }
        Ok(state)
    }

    /// Lets a data steward accept a delivery that is held: it is judged again with that as a fact. Rows that stand out wait in quarantine.
    pub async fn accept_delivery(&mut self, feed: &str, content: &str) -> Result<Digest, PipelineError> {
        allow(&self.desk.project, &self.desk.identity, &self.session, Action::ReviewQuarantine).await?;
        let mut deliveries = self.desk.control.deliveries(feed).await.map_err(PipelineError::internal)?;
        deliveries.sort_by_key(|delivery| delivery.seq);
        // What was held and came through later waits no more.
        let last: BTreeMap<Digest, _> = deliveries.iter().map(|delivery| (delivery.what.content, delivery)).collect();
        let held = last.into_values().filter(|delivery| delivery.what.outcome == DeliveryOutcome::Held);
        let held = held.filter(|delivery| delivery.what.content.hex().starts_with(content)).max_by_key(|delivery| delivery.seq);
        let Some(held) = held else {
            let which = if content.is_empty() { String::new() } else { format!(" with digest `{content}`") };
            return Err(PipelineError::wrong(
                format!("no delivery of `{feed}`{which} waits for a person"),
                "list deliveries with `stayward feed ls`",
            ));
        };
        let content = held.what.content;
        // One that does not prove is as none: a true one goes beside it.
        if self.accepted(feed, content).await.is_ok_and(|known| known.is_some()) {
            return Ok(content);
        }
        let ruling = held.what.receipt.clone().map(serde_json::from_value::<Receipt>).transpose();
        let ruling = ruling.map_err(PipelineError::internal)?;
        let receipt = self.desk.record_deed(DeedKind::Acceptance, &self.session, ("feed", content), ruling.as_ref()).await?;
        let person = self.session.person.clone();
        let acceptance = Acceptance { feed: feed.to_owned(), content, person, evidence: receipt.id, at_ms: now_ms() };
        match self.desk.control.accept_delivery(&acceptance).await {
            // The same person did so in another process in the meantime.
            Ok(()) | Err(ControlError::Exists { .. }) => Ok(content),
            Err(error) => Err(PipelineError::internal(error)),
        }
    }

    /// Reports a step in which nothing was new.
    pub(crate) async fn unchanged(
        &mut self,
        step: &str,
        about: &str,
        note: &str,
        receipt: &Receipt,
    ) -> Result<(), PipelineError> {
        self.settled(step, about, (StepState::Unchanged, note), receipt).await
    }

    /// Reports a step that no gatehouse judges.
    pub(crate) async fn settled(
        &mut self,
        step: &str,
        about: &str,
        (state, note): (StepState, &str),
        receipt: &Receipt,
    ) -> Result<(), PipelineError> {
        let report = StepReport {
            step: step.to_owned(),
            about: about.to_owned(),
            state,
            milliseconds: 0,
            rows_in: 0,
            rows_out: 0,
            rows_quarantined: 0,
            evidence: receipt.id.clone(),
            gates: Vec::new(),
            finding: None,
            note: note.to_owned(),
        };
        self.report(&report).await
    }
}

/// How far the market's state was learnt.
#[derive(Serialize, Deserialize)]
struct Learnt {
    /// Digest of the state.
    state: Digest,
    /// The last version of the feed's table that it has.
    version: u64,
}

/// Where it is written down that these bytes were refused under this signature, by what held then.
fn refused_name(
    policy: &FeedPolicy,
    (content, under): (Digest, Digest),
    bundle: Option<&str>,
    detached: Option<&Detached>,
) -> String {
    let signature = Beside::name(bundle, detached);
    format!("refused/{}/{}/{signature}/{}", policy.name, content.hex(), under.short())
}

/// Files of an inbox that are deliveries, by name.
fn inbox(folder: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let names = store::disk::list(folder)?;
    let deliveries = names.into_iter().filter(|name| !is_sidecar(name) && !name.starts_with('.'));
    Ok(deliveries.map(|name| folder.join(name)).filter(|path| is_plain(path)).collect())
}

/// Not a link: what it points to may be anything.
fn is_plain(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Lowest price by region and week.
pub(crate) fn lowest_prices(rows: &[outlier::market::MarketRow]) -> data::ByWeek {
    let mut lowest = data::ByWeek::new();
    for row in rows {
        let price = lowest.entry(row.region.clone()).or_default().entry(row.week).or_insert(row.price);
        *price = price.min(row.price);
    }
    lowest
}
