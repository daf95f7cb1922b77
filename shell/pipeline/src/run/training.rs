//! s05: the ensemble is tested on rows that it did not see, trained on all of them, signed, and judged.

use std::collections::BTreeMap;
use std::time::Instant;

use artifact::{Candidate, Figures};
use frame::Frame;
use gate::{Digest, Receipt, Witness};
use learn::conformal::{self, Conformal};
use learn::evaluate::Spread;
use learn::{Ensemble, Evaluation, Member, Segments, Split, TrainSpec};
use outlier::{GuardSpec, Reference, Spec};
use s05_train::{Facts, Leak, Lineage, Measured, Policy, Robustness, Telltale};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tabular::TypedTable;

use super::audit::{self, FrozenFile};
use super::harden;
use super::labels::LabelRows;
use super::source::source_proved;
use super::state::{LabelsState, SegmentsState, Settled, TrainedState};
use super::{Rows, Run};
use crate::evidence::{Artefact, Links, LogWitness, proof};
use crate::policy::SplitMode;
use crate::{PipelineError, Project, crash, data};

/// Where models are kept, below the project.
pub(crate) const MODELS: &str = "models";
/// Seed of the input guard's reference; any would do, it must only stay the same.
const GUARD_SEED: u64 = 9;
/// Largest file of a model.
const FILE_BYTES_MAX: u64 = 2 << 30;
const DAY_SECONDS: f64 = 86_400.0;

/// What was measured of one model, kept beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How rows were split, in words.
    pub split: String,
    /// Figures by member, with curves.
    pub members: BTreeMap<Member, learn::MemberReport>,
    /// Rows trained on and tested on, fold by fold.
    pub sizes: Vec<(usize, usize)>,
    /// Rows that equal an earlier row; they share a fold.
    pub duplicates: usize,
    /// Segments.
    pub segments: Segments,
    /// Share of churners among all rows trained on.
    pub churn_rate: f64,
    /// Share of churners among the rows tested on: what PR AUC and accuracy compare with.
    pub test_churn_rate: f64,
    /// Customers' rows that were trained on.
    pub rows: usize,
    /// Columns that the model reads.
    pub columns: Vec<String>,
    /// Settings.
    pub spec: TrainSpec,
    /// Protected columns, which the model does not read.
    pub protected: Vec<String>,
    /// What the gates were told beside the figures.
    #[serde(flatten)]
    pub measured: Measured,
}

impl Report {
    /// Name and figure of what the AUC does not see, for people; nothing in models of earlier versions.
    pub fn audit_in_words(&self) -> Vec<(String, String)> {
        let Measured { audit, canary, robustness, hardening, memory, attributes } = &self.measured;
        let mut out = audit.as_ref().map(|audit| audit::in_words(audit, canary)).unwrap_or_default();
        out.extend(hardening.iter().flat_map(audit::hardening_in_words));
        out.extend(robustness.iter().flat_map(audit::robustness_in_words));
        out.extend(memory.iter().map(audit::memory_in_words));
        out.extend(attributes.iter().map(audit::attribute_in_words));
        out
    }
}

/// Columns that the model reads: features, third-party columns and value; protected attributes only where the policy says so.
pub(crate) fn model_frame(table: &TypedTable, project: &Project) -> Frame {
    let use_protected = project.policy.quality.use_protected;
    table.frame.only(|name| use_protected || !table.protected.iter().any(|protected| protected == name))
}

/// The label of each row, where it has one.
pub(crate) fn labels_of(table: &TypedTable, rows: &LabelRows) -> Vec<Option<bool>> {
    let moment = |row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten()).unwrap_or(0);
    table.ids.iter().enumerate().map(|(row, id)| rows.labels.get(&(id.clone(), moment(row))).copied()).collect()
}

/// Frame and labels of the rows that have a label.
pub(crate) fn labelled(table: &TypedTable, rows: &LabelRows, project: &Project) -> (Frame, Vec<bool>) {
    let all = labels_of(table, rows);
    let places: Vec<usize> = all.iter().enumerate().filter(|(_, label)| label.is_some()).map(|(row, _)| row).collect();
    (model_frame(table, project).take(&places), all.into_iter().flatten().collect())
}

pub(super) struct Prepared {
    pub(super) frame: Frame,
    pub(super) labels: Vec<bool>,
    pub(super) times: Vec<f64>,
    protected: Vec<String>,
    /// The value of each row, where the contract names one.
    pub(super) value: Option<Vec<f64>>,
    /// Each customer's latest row.
    pub(super) latest: Vec<usize>,
    /// The columns that the contract protects, read by the model or not.
    pub(super) people: Frame,
}

/// The program and what trains: a model made by another is not served.
pub fn environment() -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    out.insert("stayward".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    out.insert("lock".to_owned(), Digest::of(crate::gather::s06::PROGRAM_LOCK.as_bytes()).to_string());
    out.insert("target".to_owned(), format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS));
    out
}

impl Run<'_> {
    /// `again`: also where nothing has changed.
    pub(crate) async fn training(
        &mut self,
        (source, labels, segments): (&Settled, &LabelsState, &SegmentsState),
        again: bool,
    ) -> Result<TrainedState, PipelineError> {
        let under = Digest::of_json(&(self.desk.project.policy_digest, self.desk.project.contract_digest, environment()));
        let known: Option<TrainedState> = self.left().await?;
        let made_of = (source.digest, labels.content, segments.segmentation.content, under);
        if let Some(known) = known.filter(|known| !again && self.still(known, made_of)) {
            let note = "nothing that it learns from has changed; `stayward train` trains again";
            self.unchanged("s05-training", "ensemble", note, &known.receipt).await?;
            return Ok(known);
        }
        self.progress.begin("s05-training", "ensemble");
        let began = Instant::now();
        let prepared = self.prepare(source, labels)?;
        let asked = &self.desk.project.policy.train;
        let (spec, hardening) = harden::hardened(&self.desk.project, &prepared, &mut |words| self.progress.on_the_way(words))?;
        let internal = |error: learn::LearnError| {
            PipelineError::wrong(format!("training: {error}"), "look at `[train]` and `[split]` in stayward.toml")
        };
        let (split, words) = self.split(&prepared);
        self.progress.on_the_way("testing models on rows that they do not see");
        let evaluation = learn::cross_validate(&prepared.frame, &prepared.labels, &spec, &split).map_err(internal)?;
        let fitted = self.fitted_segments(segments)?;
        let ensemble = Ensemble::fit(&prepared.frame, &prepared.labels, &spec).map_err(internal)?;
        let ensemble = with_conformal(ensemble, &evaluation).with_environment(environment()).with_segments(fitted.clone());
        self.progress.on_the_way("attacking models of these settings");
        let (measured, canary) = self.measured(&ensemble, &prepared, &evaluation, &split).await?;
        let measured = Measured { hardening, ..measured };
        let report = report(&prepared, &evaluation, fitted, &spec, (words, &measured));
        let files = model_files(&ensemble, &prepared, &evaluation, (&report, &canary))?;
        let candidate = Candidate {
            files: files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect(),
            source: source.digest,
            labels: labels.content,
            segments: segments.segmentation.content,
            // What was agreed: the settings as stayward.toml has them, from which the policy chose those of `spec`.
            parameters: Digest::of_json(asked),
            figures: figures(&evaluation)?,
        };
        let links = self.keep_model(&candidate, &files, &[&source.receipt, &labels.receipt, &segments.receipt])?;
        crash::point("model:signed");
        let parameters =
            json!({ "spec": spec, "asked": asked, "split": report.split, "policy": self.desk.project.policy_digest });
        let parameters = numbers_as_text(parameters.as_object().cloned().unwrap_or_default());
        let name = format!("model {}", candidate.model().short());
        let made = self.desk.record_made(("model", &name, candidate.model()), parameters, &links, &self.id, self.started)?;
        crash::point("model:recorded");
        let facts = Facts { measured, ..self.training_facts(&prepared, &evaluation, source, labels, segments)? };
        let links = Links {
            parents: vec![made.clone(), source.receipt.clone(), labels.receipt.clone(), segments.receipt.clone()],
            ..links
        };
        let count = u64::try_from(prepared.labels.len()).unwrap_or(0);
        let deviation = candidate.figures.auc_sd;
        let spread = if deviation > 0.0 { format!(" ± {deviation:.3}") } else { String::new() };
        let note = format!("AUC {:.3}{spread} ({})", candidate.figures.auc, report.split);
        let rows = Rows { came: count, went: count, began: Some(began), note, ..Rows::default() };
        let passed = self.pass(&self.houses.training, "ensemble", (candidate, &facts), links, rows).await?;
        crash::point("model:judged");
        let (candidate, receipt) = (passed.cleared.subject().clone(), passed.cleared.receipt().clone());
        let state = TrainedState { candidate, receipt, made, under };
        self.leave(&state).await?;
        Ok(state)
    }

    /// What the gates are told beside the figures, and the frozen customers.
    async fn measured(
        &self,
        ensemble: &Ensemble,
        prepared: &Prepared,
        evaluation: &Evaluation,
        split: &Split<'_>,
    ) -> Result<(Measured, FrozenFile), PipelineError> {
        let project = &self.desk.project;
        let spec = ensemble.spec();
        let audit = audit::audit(ensemble, prepared, evaluation, project.policy.quality.trigger_lift_max).map_err(|error| {
            PipelineError::wrong(format!("training: {error}"), "look at `[train]` and `[split]` in stayward.toml")
        })?;
        let canary = self.canary(ensemble, prepared).await?;
        let robustness = self.robustness(prepared, split, spec)?;
        // A person is in or out as a whole: of each the latest row stands for all.
        let people = (prepared.frame.take(&prepared.latest), picked(&prepared.labels, &prepared.latest));
        let memory = super::memory::memory(&people.0, &people.1, spec)
            .map_err(|error| PipelineError::wrong(format!("membership attacks: {error}"), "bring more labelled customers"))?;
        let attributes = super::memory::attributes(project, (&people.0, &people.1), spec).map_err(|error| {
            PipelineError::wrong(format!("guessing sensitive columns: {error}"), "look at `quality.sensitive` in stayward.toml")
        })?;
        let measured = Measured {
            audit: Some(audit),
            canary: canary.compared,
            robustness: Some(robustness),
            memory,
            attributes,
            hardening: None,
        };
        Ok((measured, canary.file))
    }

    /// Whether a candidate would come out as this one: made of the same, its files whole, its clearance in the log.
    fn still(&self, known: &TrainedState, (source, labels, segments, under): (Digest, Digest, Digest, Digest)) -> bool {
        let of = &known.candidate;
        let folder = self.desk.project.path(&model_folder(of.model()));
        let whole = |(name, digest): (&String, &Digest)| {
            store::disk::read_limited(&folder.join(name), FILE_BYTES_MAX).is_ok_and(|bytes| Digest::of(&bytes) == *digest)
        };
        (of.source, of.labels, of.segments, known.under) == (source, labels, segments, under)
            && of.files.iter().all(whole)
            && proof::cleared::<artifact::Training>(self.desk, &known.receipt).is_ok_and(|proved| proved == *of)
    }

    fn prepare(&self, source: &Settled, labels: &LabelsState) -> Result<Prepared, PipelineError> {
        let customers = self.customers(source)?;
        let rows = super::labels::parse_labels(&self.desk.objects.get(&labels.content)?);
        let all = labels_of(&customers, &rows);
        let (frame, known) = labelled(&customers, &rows, &self.desk.project);
        #[expect(clippy::cast_precision_loss, reason = "seconds of any calendar year are below 2^53")]
        let seconds =
            |row: usize| customers.time.as_ref().and_then(|all| all.get(row).copied().flatten()).map_or(f64::NAN, |at| at as f64);
        let places: Vec<usize> = (0..all.len()).filter(|row| all.get(*row).is_some_and(Option::is_some)).collect();
        let times = places.iter().map(|row| seconds(*row)).collect();
        let value = |all: &Vec<f64>| places.iter().map(|row| all.get(*row).copied().unwrap_or(f64::NAN)).collect();
        Ok(Prepared {
            frame,
            labels: known,
            latest: data::latest_places(&customers.take(&places)),
            times,
            value: customers.value.as_ref().map(value),
            people: customers.frame.only(|name| customers.protected.iter().any(|known| known == name)).take(&places),
            protected: if self.desk.project.policy.quality.use_protected { Vec::new() } else { customers.protected.clone() },
        })
    }

    /// What an outsider can do to a model of the first fold, on the rows that it did not see.
    fn robustness(&self, prepared: &Prepared, split: &Split<'_>, spec: &TrainSpec) -> Result<Robustness, PipelineError> {
        let internal =
            |error: String| PipelineError::wrong(format!("attacking the model: {error}"), "look at `[split]` in stayward.toml");
        let folds = split.folds(&prepared.frame, &prepared.labels).map_err(|error| internal(error.to_string()))?;
        let fold = folds.first().ok_or_else(|| internal("there is no fold".to_owned()))?;
        let rows = (&prepared.frame, prepared.labels.as_slice());
        super::robustness::robustness(&self.desk.project, rows, spec, fold).map_err(|error| internal(error.to_string()))
    }

    /// By time where rows have several moments: the last moment tests, and moments within the label's horizon before it train
    /// nothing, since their labels were not known yet.
    fn split<'p>(&self, prepared: &'p Prepared) -> (Split<'p>, String) {
        let policy = &self.desk.project.policy.split;
        let seed = self.desk.project.policy.train.seed;
        let folds = (Split::Stratified { folds: policy.folds, seed }, format!("in {} stratified folds", policy.folds));
        if policy.mode == SplitMode::Stratified {
            return folds;
        }
        let Some((train_to, last)) = last_moment(&prepared.times, policy.horizon_days) else { return folds };
        let day = |at: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "seconds of a calendar year")]
            let seconds = at as i64;
            crate::desk::rfc3339(seconds).chars().take(10).collect::<String>()
        };
        let words = format!("by time: train to {}, test from {}", day(train_to), day(last));
        (Split::Time { times: &prepared.times, train_to, test_from: last }, words)
    }

    /// Puts the model's files in place, with a signature in OpenSSF Model Signing form beside the folder.
    fn keep_model(
        &self,
        candidate: &Candidate,
        files: &BTreeMap<String, Vec<u8>>,
        parents: &[&Receipt],
    ) -> Result<Links, PipelineError> {
        let below = model_folder(candidate.model());
        let folder = self.desk.project.path(&below);
        store::disk::make_folder(&self.desk.project.path(MODELS))?;
        store::disk::make_folder(&folder)?;
        // What a killed run left half-written.
        store::disk::remove_temporaries(&folder)?;
        let mut artefacts = Vec::new();
        for (name, bytes) in files {
            store::disk::write_atomic(&folder.join(name), bytes)?;
            crash::point("model:half-written");
            artefacts.push(Artefact { role: "model".into(), path: format!("{below}/{name}"), digest: Digest::of(bytes) });
        }
        crash::point("model:written");
        let signed: ledger::modelsig::ModelFiles = candidate.files.iter().map(|(name, digest)| (name.clone(), *digest)).collect();
        let mut extra = Map::new();
        extra
            .insert("stayward".into(), json!({ "parents": parents.iter().map(|receipt| receipt.statement).collect::<Vec<_>>() }));
        let bundle = self.desk.sign_model(&below, &signed, &extra)?;
        store::disk::write_atomic(&self.desk.project.path(&format!("{below}.sig")), &bundle)?;
        Ok(Links { parents: parents.iter().map(|receipt| (*receipt).clone()).collect(), artefacts })
    }

    fn training_facts(
        &self,
        prepared: &Prepared,
        evaluation: &Evaluation,
        source: &Settled,
        labels: &LabelsState,
        segments: &SegmentsState,
    ) -> Result<Facts, PipelineError> {
        let keys = self.desk.statement_keys();
        let witness = LogWitness { reader: &self.desk.reader, keys: &keys };
        let cleared = |receipt: &Receipt| {
            witness
                .ruling(receipt)
                .ok()
                .filter(|ruling| ruling.outcome == gate::RulingOutcome::Cleared)
                .and_then(|ruling| ruling.cleared)
        };
        let source_proved = source_proved(self.desk, source).is_ok();
        let last = proof::last_cleared::<artifact::Labels>(self.desk).map_err(PipelineError::broken)?;
        // The last version that the log cleared, and no earlier one.
        let labels_proved = last.is_some_and(|(_, set)| set == labels.set)
            && cleared(&labels.receipt) == Some(gate::Subject::digest(&labels.set))
            && labels.set.content == labels.content;
        let segments_proved = cleared(&segments.receipt) == Some(gate::Subject::digest(&segments.segmentation));
        let lineage =
            |what: &str, proved: bool, digest: Digest| Lineage { what: what.to_owned(), cleared: proved.then_some(digest) };
        let quality = &self.desk.project.policy.quality;
        Ok(Facts {
            lineage: vec![
                lineage("source", source_proved, source.digest),
                lineage("labels", labels_proved, labels.content),
                lineage("segments", segments_proved, segments.segmentation.content),
            ],
            parameters_agreed: Project::open(self.desk.project.root()).ok().map(|project| Digest::of_json(&project.policy.train)),
            policy_digest: (self.desk.project.policy_digest, self.desk.project.policy_digest_now()?),
            environment: environment(),
            environment_agreed: environment(),
            leaks: leaks(prepared, quality.leak_auc),
            telltales: telltales(prepared),
            duplicates_across: across(prepared, evaluation),
            measured: Measured::default(),
            policy: Policy {
                auc_min: quality.auc_min,
                brier_max: quality.brier_max,
                leak_auc: quality.leak_auc,
                leak_accepted: quality.leak_accepted.clone(),
                calibration_max: quality.calibration_max,
                tier_gap_max: quality.tier_gap_max,
                recall_gap_max: quality.recall_gap_max,
                trigger_lift_max: quality.trigger_lift_max,
                triggers_accepted: quality.triggers_accepted.clone(),
                canary_flips_max: quality.canary_flips_max,
                certified_min: quality.certified_min,
                evasion_max: quality.evasion_max,
                memory_tpr_max: quality.memory_tpr_max,
                attribute_gain_max: quality.attribute_gain_max,
            },
        })
    }
}

/// Last moment to train on, and the moment to test on: the last, where there is one so early that its labels were known by then.
pub(crate) fn last_moment(times: &[f64], horizon_days: i64) -> Option<(f64, f64)> {
    let mut moments: Vec<f64> = times.iter().copied().filter(|at| at.is_finite()).collect();
    moments.sort_by(f64::total_cmp);
    moments.dedup();
    let last = moments.last().copied().filter(|_| moments.len() > 1)?;
    #[expect(clippy::cast_precision_loss, reason = "days are few")]
    let horizon = horizon_days as f64 * DAY_SECONDS;
    let train_to = moments.iter().rev().copied().find(|at| *at <= last - horizon)?;
    Some((train_to, last))
}

fn picked(labels: &[bool], rows: &[usize]) -> Vec<bool> {
    rows.iter().filter_map(|row| labels.get(*row).copied()).collect()
}

/// The folder of a model, below the project.
pub(crate) fn model_folder(model: Digest) -> String {
    format!("{MODELS}/{}", model.short())
}

/// Tested rows that equal a row of another fold in every column: with folds, such a row was trained on and tested on. A time split has
/// one fold and parts moments on purpose.
fn across(prepared: &Prepared, evaluation: &Evaluation) -> u64 {
    let groups = learn::split::duplicates(&prepared.frame);
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    let parted = evaluation.out_of_fold.iter().filter(|tested| {
        let group = groups.get(tested.row).copied().unwrap_or(tested.row);
        *first.entry(group).or_insert(tested.fold) != tested.fold
    });
    u64::try_from(parted.count()).unwrap_or(u64::MAX)
}

/// Columns whose order, or whose levels, alone tell the label.
fn leaks(prepared: &Prepared, least: f64) -> Vec<Leak> {
    let all = prepared
        .frame
        .iter()
        .map(|(name, column)| Leak { column: name.to_owned(), auc: learn::leakage::alone(column, &prepared.labels) });
    all.filter(|leak| !(leak.auc < least.min(0.95))).collect()
}

/// With label sets and intervals from votes on unseen rows. With too few churners nothing can be promised of a vote, and nothing is.
fn with_conformal(ensemble: Ensemble, evaluation: &Evaluation) -> Ensemble {
    let (votes, labels): (Vec<f64>, Vec<bool>) = evaluation.out_of_fold.iter().map(|row| (row.scores.vote, row.label)).unzip();
    match Conformal::fit(&votes, &labels, &conformal::LEVELS) {
        Ok(known) => ensemble.with_conformal(known),
        Err(_) => ensemble,
    }
}

/// Columns that know the future, or name customers.
fn telltales(prepared: &Prepared) -> Vec<Telltale> {
    let moments = prepared.times.iter().any(|at| at.is_finite()).then_some(prepared.times.as_slice());
    let future = learn::leakage::future(&prepared.frame, &prepared.labels, moments);
    let all = future.into_iter().chain(learn::leakage::identifiers(&prepared.frame, moments));
    all.map(|found| Telltale { seen: found.to_string(), column: found.column }).collect()
}

fn figures(evaluation: &Evaluation) -> Result<Figures, PipelineError> {
    let vote =
        evaluation.members.get(&Member::Vote).ok_or_else(|| PipelineError::Internal("the vote was not measured".into()))?;
    let mean = |spread: &Spread| spread.mean;
    Ok(Figures {
        auc: mean(&vote.auc),
        auc_sd: vote.auc.deviation,
        pr_auc: mean(&vote.pr_auc),
        log_loss: mean(&vote.log_loss),
        brier: mean(&vote.brier),
        accuracy: mean(&vote.accuracy),
    })
}

fn report(
    prepared: &Prepared,
    evaluation: &Evaluation,
    segments: Segments,
    spec: &TrainSpec,
    (split, measured): (String, &Measured),
) -> Report {
    let churners = prepared.labels.iter().filter(|churned| **churned).count();
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let churn_rate = churners as f64 / prepared.labels.len().max(1) as f64;
    let tested = evaluation.out_of_fold.iter().filter(|row| row.label).count();
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let test_churn_rate = tested as f64 / evaluation.out_of_fold.len().max(1) as f64;
    Report {
        split,
        members: evaluation.members.clone(),
        sizes: evaluation.sizes.clone(),
        duplicates: evaluation.duplicates,
        segments,
        churn_rate,
        test_churn_rate,
        rows: prepared.labels.len(),
        columns: prepared.frame.names().to_vec(),
        spec: spec.clone(),
        protected: prepared.protected.clone(),
        measured: measured.clone(),
    }
}

/// The ensemble's files, and what ordinary inputs and scores look like.
fn model_files(
    ensemble: &Ensemble,
    prepared: &Prepared,
    evaluation: &Evaluation,
    (report, canary): (&Report, &FrozenFile),
) -> Result<BTreeMap<String, Vec<u8>>, PipelineError> {
    let mut files = ensemble.to_files().map_err(PipelineError::internal)?;
    let reference = Reference::fit(&prepared.frame, &Spec::default(), GUARD_SEED).map_err(|error| {
        PipelineError::wrong(
            format!("the input guard cannot be made: {error}"),
            "bring more customers, or ignore the column in contract.toml",
        )
    })?;
    let guard = reference.guard(GuardSpec::default());
    files.insert("guard.json".into(), serde_json::to_vec(&guard).map_err(PipelineError::internal)?);
    let mut scores: Vec<f64> = evaluation.out_of_fold.iter().map(|row| row.scores.vote).collect();
    scores.sort_by(f64::total_cmp);
    files.insert("drift.json".into(), serde_json::to_vec(&scores).map_err(PipelineError::internal)?);
    files.insert(audit::CANARY_FILE.into(), serde_json::to_vec(canary).map_err(PipelineError::internal)?);
    files.insert("report.json".into(), serde_json::to_vec(report).map_err(PipelineError::internal)?);
    Ok(files)
}

/// Statements carry integers only up to 2^53 and compare by text, so every number of the parameters is written as text.
fn numbers_as_text(map: Map<String, Value>) -> Map<String, Value> {
    fn walk(value: Value) -> Value {
        match value {
            Value::Number(number) => Value::String(number.to_string()),
            Value::Array(all) => Value::Array(all.into_iter().map(walk).collect()),
            Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, walk(value))).collect()),
            Value::Null | Value::Bool(_) | Value::String(_) => value,
        }
    }
    map.into_iter().map(|(key, value)| (key, walk(value))).collect()
}
