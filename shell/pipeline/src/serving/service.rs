//! From a parsed call to a reply: s08 in, s09, s10, s08 out, evidence. The answer is given when the log has it, not before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use artifact::{Answer, AnswerGuard, Asking, Granularity, Input, InputGuard, Prediction, Query, RawScore, Shown};
use gate::{Cleared, Outcome, Receipt, Tray};
use identity::{Action, KeyGrant, KeyRing};
use s08_api_guard::{AnswerFacts, KeyState, QueryFacts, Reserved};
use s10_predict::Served;
use tokio::runtime::Handle;

use super::limits::Limits;
use super::lookup::Customers;
use super::window::Watch;
use super::{Call, Counters, PublicColumn, PublicModel, RefusedStatus, Reply, Told};
use crate::desk::{Desk, now, random_hex};
use crate::evidence::{LogWitness, proof};
use crate::houses::Houses;
use crate::run::Deployed;
use crate::vault_state::{self, Older};
use crate::{PipelineError, Project};

/// Digits of the evidence id that a refused caller is told.
const REFERENCE_DIGITS: usize = 8;

/// The prediction service; clones share one.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) desk: Desk,
    pub(super) houses: Houses,
    served: Served,
    deployed: Deployed,
    customers: Customers,
    keys: KeyRing,
    limits: Limits,
    pub(super) watch: Watch,
    counts: Counts,
    vault_watch: Mutex<()>,
}

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    rows: AtomicU64,
    refused: [AtomicU64; 5],
}

/// What a call put on its application's account for the day.
#[derive(Default)]
struct Reservation {
    day: i64,
    /// Most distinct customers of the day.
    limit: u64,
    /// One for each row, in order.
    asked: Vec<[u8; 32]>,
    /// Those that were not on the account before.
    fresh: BTreeSet<[u8; 32]>,
}

/// Why a call is refused, and where it stood.
struct Refusal {
    status: RefusedStatus,
    retry_after_seconds: Option<u32>,
}

impl Refusal {
    fn of(status: RefusedStatus) -> Self {
        Self { status, retry_after_seconds: None }
    }
}

impl Service {
    /// Opens the deployed model again: the log must prove its release, and every file must be the released one.
    pub async fn open(project: &Project) -> Result<Self, PipelineError> {
        let desk = Desk::open(project.root()).await?;
        let houses = Houses::open()?;
        let deployed = desk
            .deployed()
            .await?
            .ok_or_else(|| PipelineError::wrong("no model is deployed", "run the pipeline with `stayward run`"))?;
        let keys = desk.statement_keys();
        let witness = LogWitness { reader: &desk.reader, keys: &keys };
        let cleared = houses.release.reopen(deployed.release.clone(), deployed.receipt.clone(), &witness)?;
        proof::deployment(&desk.reader, &keys, &deployed)?;
        if cleared.subject().contract != desk.project.contract_digest {
            let why = "contract.toml is not the one that the model was released with";
            return Err(PipelineError::broken(why));
        }
        let files = read_files(&desk.project, &deployed)?;
        let served = Served::load(cleared, files).map_err(|error| PipelineError::broken(error.to_string()))?;
        let customers = Customers::open(&desk, &served).await?;
        let keyring = KeyRing::load(&desk.identity).await?;
        let watch = Watch::open(&served, customers.len())?;
        let limits = Limits::default();
        let (counts, vault_watch) = (Counts::default(), Mutex::new(()));
        let inner = Inner { desk, houses, served, deployed, customers, keys: keyring, limits, watch, counts, vault_watch };
        let service = Self { inner: Arc::new(inner) };
        service.forget_customers().await?;
        Ok(service)
    }

    /// What callers may know of the model.
    pub fn model(&self) -> PublicModel {
        let served = &self.inner.served;
        let columns = served.columns().map(|name| PublicColumn {
            name: name.to_owned(),
            number: served.is_number(name),
            optional: self.inner.customers.optional(name),
        });
        PublicModel { name: "churn".to_owned(), version: self.inner.deployed.model.short(), columns: columns.collect() }
    }

    /// Counters since start.
    pub fn counters(&self) -> Counters {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.inner.counts;
        let log_entries = self.inner.desk.reader.head().map_or(0, |head| head.size);
        Counters {
            answered: load(&counts.answered),
            rows: load(&counts.rows),
            refused: std::array::from_fn(|at| counts.refused.get(at).map_or(0, load)),
            log_entries,
        }
    }

    /// Whether a key opens an action, for routes that ask nothing of the model.
    pub fn may(&self, key: Option<&str>, action: Action) -> bool {
        key.and_then(|key| self.inner.keys.verify(key, now()).ok()).is_some_and(|grant| grant.may(action))
    }

    /// The desk, for the console.
    pub fn desk(&self) -> &Desk {
        &self.inner.desk
    }

    /// The gatehouses, for the console.
    pub fn houses(&self) -> &Houses {
        &self.inner.houses
    }

    /// Takes keys that were made or revoked since, and puts signed changes of who is who into the log.
    pub async fn refresh_keys(&self) -> Result<bool, PipelineError> {
        self.inner.desk.witness_roster().await?;
        Ok(self.inner.keys.reload_if_changed(&self.inner.desk.identity).await?)
    }

    /// Writes down when keys were last used.
    pub async fn note_key_uses(&self) -> Result<(), PipelineError> {
        Ok(self.inner.keys.flush_last_used(&self.inner.desk.identity).await?)
    }

    /// Forgets who was asked about before today; how many entries that were. The counts stay.
    pub async fn forget_customers(&self) -> Result<u64, PipelineError> {
        let today = now().div_euclid(86_400);
        self.inner.desk.control.forget_customers_before(today).await.map_err(PipelineError::internal)
    }

    /// Judges a window of events (s11) and answers the gates that call people; then holds the vault against the log's.
    pub async fn watch(&self) -> Result<Vec<&'static str>, PipelineError> {
        let gates = self.alarms().await;
        self.witness_vault().await?;
        gates
    }

    /// Holds the vault against the log's, and notes how far the log was searched: so the next command has few entries to look through.
    /// Done aside, as it reads files and checks signatures.
    pub async fn witness_vault(&self) -> Result<(), PipelineError> {
        let (inner, handle) = (Arc::clone(&self.inner), Handle::current());
        let kept = tokio::task::spawn_blocking(move || {
            // A caller that gave up does not stop what it began.
            let _one_at_a_time = inner.vault_watch.lock().unwrap_or_else(PoisonError::into_inner);
            handle.block_on(vault_state::keep(&inner.desk, Older::Refuse))
        });
        kept.await.map_err(PipelineError::internal)?
    }

    /// Judges a window of events (s11), with the gates that call people.
    pub async fn alarms(&self) -> Result<Vec<&'static str>, PipelineError> {
        super::window::judge(&self.inner, self.inner.deployed.model).await
    }

    /// Answers or refuses, with evidence.
    pub async fn ask(&self, call: Call) -> Reply {
        let request = match random_hex(16) {
            Ok(request) => request,
            Err(_) => return self.refused("00000000".to_owned(), &Refusal::of(RefusedStatus::Unavailable)),
        };
        let mut tray = Tray::default();
        let outcome = self.inner.walk(&call, &request, &mut tray).await;
        let parents = vec![self.inner.deployed.deployment.clone()];
        let sealed = self.inner.desk.seal_request(tray, &parents).await;
        let reference = |receipt: &Receipt| receipt.id.chars().take(REFERENCE_DIGITS).collect::<String>();
        match (outcome, sealed) {
            (Ok(told), Ok(sealed)) => {
                self.inner.counts.answered.fetch_add(1, Ordering::Relaxed);
                self.inner.counts.rows.fetch_add(u64::try_from(told.len()).unwrap_or(0), Ordering::Relaxed);
                let version = self.inner.deployed.model.short();
                Reply::Told { rows: told, model: "churn".to_owned(), version, evidence: sealed.receipt.id }
            }
            (Err(refusal), Ok(sealed)) => self.refused(reference(&sealed.receipt), &refusal),
            // What could not be written down was not decided.
            (_, Err(_)) => {
                self.refused(request.chars().take(REFERENCE_DIGITS).collect(), &Refusal::of(RefusedStatus::Unavailable))
            }
        }
    }

    fn refused(&self, reference: String, refusal: &Refusal) -> Reply {
        let place = match refusal.status {
            RefusedStatus::Unauthorised => 0,
            RefusedStatus::Forbidden => 1,
            RefusedStatus::Unprocessable => 2,
            RefusedStatus::TooMany => 3,
            RefusedStatus::Unavailable => 4,
        };
        if let Some(count) = self.inner.counts.refused.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Reply::Refused { status: refusal.status, reference, retry_after_seconds: refusal.retry_after_seconds }
    }
}

impl Inner {
    async fn walk(&self, call: &Call, request: &str, tray: &mut Tray) -> Result<Vec<Told>, Refusal> {
        let (query, reservation) = self.query(call, request, tray).await?;
        let rows = self.inputs(call, &query)?;
        let standardised: Vec<_> = match query.asking {
            Asking::WhatIf => rows.iter().map(|values| self.served.standardised(values)).collect(),
            Asking::ByCustomer => Vec::new(),
        };
        let inputs = match self.screen(call, request, rows, tray) {
            Ok(inputs) => inputs,
            Err((refusal, stopped)) => {
                self.give_back(&query, &reservation, &stopped).await;
                return Err(refusal);
            }
        };
        let scores: Result<Vec<RawScore>, Refusal> = inputs.iter().map(|input| self.predict(request, input, tray)).collect();
        let scores = scores?;
        let wished = call.granularity.unwrap_or(Granularity::ClassOnly);
        let shown: Vec<Shown> = scores.iter().map(|score| Shown::of(*score, wished, self.served.threshold())).collect();
        let answer = self.answer(request, shown, tray)?;
        let places: Vec<Option<u32>> = query.customers.iter().map(|id| self.customers.place(id)).collect();
        self.watch.answered(&query, &places, &standardised, &scores, now());
        let customers = query.customers.iter().cloned().map(Some).chain(std::iter::repeat(None));
        Ok(answer.subject().shown.iter().zip(customers).map(|(shown, customer)| Told { customer, shown: *shown }).collect())
    }

    async fn query(&self, call: &Call, request: &str, tray: &mut Tray) -> Result<(Query, Reservation), Refusal> {
        let asking = call.asking.unwrap_or(if call.rows.is_empty() { Asking::ByCustomer } else { Asking::WhatIf });
        let action = match asking {
            Asking::ByCustomer => Action::AskChurn,
            Asking::WhatIf => Action::AskWhatIf,
        };
        let (grant, key) = match call.key.as_deref().map(|key| self.keys.verify(key, now())) {
            None => (None, KeyState::Missing),
            Some(Ok(grant)) => (Some(grant), KeyState::Good),
            Some(Err(_)) => (None, KeyState::Unknown),
        };
        let application = grant.as_ref().map_or_else(String::new, |grant| grant.app.clone());
        let rows = u32::try_from(call.rows.len()).unwrap_or(u32::MAX);
        let query = Query { request: request.to_owned(), application, asking, customers: call.customers.clone(), rows };
        let (facts, reservation) = self.query_facts(&query, call, grant.as_ref(), key, action).await;
        match self.houses.query.clear(query, &facts, tray) {
            Outcome::Cleared(cleared) => Ok((cleared.into_subject(), reservation)),
            Outcome::Held(_) | Outcome::Refused { .. } => {
                self.watch.refused(grant.as_ref().map(|grant| grant.app.as_str()), now());
                Err(refusal(&facts))
            }
            Outcome::Unrecorded(_) => Err(Refusal::of(RefusedStatus::Unavailable)),
        }
    }

    /// Reserves one call and the customers that are asked about; a key that is not good reserves nothing.
    async fn query_facts(
        &self,
        query: &Query,
        call: &Call,
        grant: Option<&KeyGrant>,
        key: KeyState,
        action: Action,
    ) -> (QueryFacts, Reservation) {
        let mut reservation = Reservation::default();
        let mut facts = QueryFacts {
            key,
            may_ask: grant.is_some_and(|grant| grant.may(action)),
            out_of_scope: 0,
            calls: None,
            distinct: None,
            tracked: false,
            rows_max: self.desk.project.policy.api.rows_max,
        };
        let Some(grant) = grant else { return (facts, reservation) };
        let scope = |id: &String| self.customers.in_scope(id, &grant.scope);
        facts.out_of_scope = u32::try_from(query.customers.iter().filter(|id| !scope(id)).count()).unwrap_or(u32::MAX);
        if call.customers.is_empty() && call.rows.is_empty() {
            facts.out_of_scope = 1;
        }
        let per_minute = u64::from(grant.limits.per_minute);
        facts.calls = Some(Reserved { used: self.limits.call(&grant.app, now()), limit: per_minute });
        // A caller over its rate does not reach the database.
        if facts.calls.is_some_and(|calls| !calls.fits()) || !facts.may_ask || facts.out_of_scope > 0 || call.rows.len() > 100_000
        {
            facts.distinct = Some(Reserved { used: 0, limit: u64::from(grant.limits.distinct_customers_per_day) });
            facts.tracked = true;
            return (facts, reservation);
        }
        let asked: Vec<[u8; 32]> = match query.asking {
            Asking::ByCustomer => query.customers.iter().map(|id| self.customers.keyed(id.as_bytes())).collect(),
            Asking::WhatIf => call.rows.iter().map(|row| self.customers.keyed(format!("{row:?}").as_bytes())).collect(),
        };
        let day = now().div_euclid(86_400);
        let limit = u64::from(grant.limits.distinct_customers_per_day);
        if let Ok(reserved) = self.desk.control.reserve(&grant.app, day, &asked, limit).await {
            facts.distinct = Some(Reserved { used: reserved.used.distinct_today, limit });
            facts.tracked = true;
            reservation = Reservation { day, limit, asked, fresh: reserved.fresh };
        }
        (facts, reservation)
    }

    /// Gives back what this call newly reserved for the rows that s09 refused: no caller learns anything of their churn, whoever sends
    /// them. Not for free: the call counts (per minute and day), as a refusal in s11's share, and a day gives back one limit at most.
    /// Its other rows stay counted, as a call beside this one may be answered about them; asked again today, they cost nothing.
    async fn give_back(&self, query: &Query, reservation: &Reservation, stopped: &[usize]) {
        self.watch.refused(Some(&query.application), now());
        let Reservation { day, limit, asked, fresh } = reservation;
        let hashes: BTreeSet<[u8; 32]> = stopped.iter().filter_map(|at| asked.get(*at)).copied().collect();
        let hashes: Vec<[u8; 32]> = hashes.into_iter().filter(|hash| fresh.contains(hash)).collect();
        if !hashes.is_empty() {
            // What cannot be given back stays counted.
            let _ = self.desk.control.give_back(&query.application, *day, &hashes, *limit).await;
        }
    }

    /// Judges every row, also after a refusal. Of several rulings the last is the one that stopped, so those go to the end. A refusal
    /// comes with the places of the rows that s09 refused.
    fn screen(
        &self,
        call: &Call,
        request: &str,
        rows: Vec<BTreeMap<String, Option<String>>>,
        tray: &mut Tray,
    ) -> Result<Vec<Cleared<InputGuard>>, (Refusal, Vec<usize>)> {
        let (mut inputs, mut stopped, mut last) = (Vec::new(), Vec::new(), Tray::default());
        let mut refused = None;
        for (at, values) in rows.into_iter().enumerate() {
            let mut own = Tray::default();
            match self.input(call, request, values, &mut own) {
                Ok(input) => {
                    inputs.push(input);
                    tray.rulings.append(&mut own.rulings);
                }
                Err(refusal) => {
                    if refusal.status == RefusedStatus::Unprocessable {
                        stopped.push(at);
                    }
                    last.rulings.append(&mut own.rulings);
                    refused.get_or_insert(refusal);
                }
            }
        }
        tray.rulings.append(&mut last.rulings);
        refused.map_or(Ok(inputs), |refusal| Err((refusal, stopped)))
    }

    /// The rows to judge: looked up by id, or the caller's own.
    fn inputs(&self, call: &Call, query: &Query) -> Result<Vec<BTreeMap<String, Option<String>>>, Refusal> {
        match query.asking {
            Asking::WhatIf => Ok(call.rows.clone()),
            Asking::ByCustomer => {
                let found: Option<Vec<_>> = query.customers.iter().map(|id| self.customers.features(id)).collect();
                found.ok_or(Refusal::of(RefusedStatus::Forbidden))
            }
        }
    }

    fn input(
        &self,
        call: &Call,
        request: &str,
        values: BTreeMap<String, Option<String>>,
        tray: &mut Tray,
    ) -> Result<Cleared<InputGuard>, Refusal> {
        let asking = if call.rows.is_empty() { Asking::ByCustomer } else { Asking::WhatIf };
        let facts = self.customers.input_facts(&self.served, &values, asking, self.desk.project.policy.api.input_alpha);
        let input = Input { request: request.to_owned(), asking, values };
        match self.houses.input.clear(input, &facts, tray) {
            Outcome::Cleared(cleared) => Ok(cleared),
            Outcome::Held(_) | Outcome::Refused { .. } => Err(Refusal::of(RefusedStatus::Unprocessable)),
            Outcome::Unrecorded(_) => Err(Refusal::of(RefusedStatus::Unavailable)),
        }
    }

    fn predict(&self, request: &str, input: &Cleared<InputGuard>, tray: &mut Tray) -> Result<RawScore, Refusal> {
        let unavailable = || Refusal::of(RefusedStatus::Unavailable);
        let prediction = Prediction { request: request.to_owned(), model: self.served.release().subject().model() };
        let facts = s10_predict::Facts { deployed: Some(self.deployed.model) };
        match self.houses.predicting.clear(prediction, &facts, tray) {
            Outcome::Cleared(_) => s10_predict::predict(&self.served, input).map_err(|_| unavailable()),
            Outcome::Held(_) | Outcome::Refused { .. } | Outcome::Unrecorded(_) => Err(unavailable()),
        }
    }

    fn answer(&self, request: &str, shown: Vec<Shown>, tray: &mut Tray) -> Result<Cleared<AnswerGuard>, Refusal> {
        let facts = AnswerFacts {
            granularity_max: self.desk.project.policy.api.granularity,
            extra_allowed: Vec::new(),
            extra_chars_max: 64,
        };
        let answer = Answer { request: request.to_owned(), shown, extra: BTreeMap::new() };
        match self.houses.answer.clear(answer, &facts, tray) {
            Outcome::Cleared(cleared) => Ok(cleared),
            Outcome::Held(_) | Outcome::Refused { .. } => Err(Refusal::of(RefusedStatus::Forbidden)),
            Outcome::Unrecorded(_) => Err(Refusal::of(RefusedStatus::Unavailable)),
        }
    }
}

/// The coarse reason that a caller may know, from the same facts that the gates judged.
fn refusal(facts: &QueryFacts) -> Refusal {
    if facts.key != KeyState::Good {
        return Refusal::of(RefusedStatus::Unauthorised);
    }
    if !facts.may_ask {
        return Refusal::of(RefusedStatus::Forbidden);
    }
    if facts.calls.is_some_and(|calls| !calls.fits()) {
        return Refusal { status: RefusedStatus::TooMany, retry_after_seconds: Some(60) };
    }
    if facts.distinct.is_some_and(|distinct| !distinct.fits()) {
        let seconds = u32::try_from(86_400 - now().rem_euclid(86_400)).unwrap_or(86_400);
        return Refusal { status: RefusedStatus::TooMany, retry_after_seconds: Some(seconds) };
    }
    if facts.out_of_scope > 0 {
        return Refusal::of(RefusedStatus::Forbidden);
    }
    if facts.calls.is_none() || facts.distinct.is_none() || !facts.tracked {
        return Refusal::of(RefusedStatus::Unavailable);
    }
    Refusal::of(RefusedStatus::Unprocessable)
}

fn read_files(project: &Project, deployed: &Deployed) -> Result<BTreeMap<String, Vec<u8>>, PipelineError> {
    /// Largest file of a model.
    const MODEL_BYTES_MAX: u64 = 2 << 30;
    let folder = project.path(&crate::run::model_folder(deployed.model));
    let names: BTreeSet<String> =
        store::disk::list(&folder).map_err(|error| PipelineError::broken(error.to_string()))?.into_iter().collect();
    let mut files = BTreeMap::new();
    // What a killed run left half-written is no part of the model; the release names every file that is.
    for name in names.into_iter().filter(|name| !name.starts_with(".tmp-")) {
        let bytes = store::disk::read_limited(&folder.join(&name), MODEL_BYTES_MAX)
            .map_err(|error| PipelineError::broken(error.to_string()))?;
        files.insert(name, bytes);
    }
    Ok(files)
}
