//! Which models there are, how good each is, and how it stands (T4): for a list that needs no lock, beside a running server.

use std::collections::BTreeMap;

use gate::{Digest, RulingOutcome};
use learn::Member;
use ledger::IdPrefix;
use serde::Serialize;
use store::control::Control;

use crate::desk::{Published, published};
use crate::evidence::{LogWitness, StaywardPart, proof};
use crate::run::{Deployed, MODELS, Report, model_folder};
use crate::{Houses, PipelineError, Project};

/// Runs that are looked into for the verdicts on models.
const RUNS_LOOKED_BACK: i64 = 100;
/// Largest report, and largest file of a model, that are read.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// How a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelState {
    /// A gate of training or release said no.
    Refused,
    /// People must decide.
    Held,
    /// It came through training and was not staged yet.
    Trained,
    /// It came through release.
    Released,
    /// No entry of the log says.
    Unknown,
}

/// A model in a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelLine {
    /// First digits of its digest.
    pub model: String,
    /// When it was judged last, RFC 3339; empty where nothing says.
    pub at: String,
    /// AUC of the vote; absent where the report is not the logged one.
    pub auc: Option<f64>,
    /// How it stands.
    pub state: ModelState,
    /// Whether it answers now.
    pub deployed: bool,
    /// The entry of the verdict.
    pub evidence: Option<String>,
}

/// What the log says of a model.
struct Said {
    of_release: bool,
    state: ModelState,
    at: String,
    evidence: String,
    report: Option<Digest>,
}

/// Every model on the disk, the last judged first.
///
/// # Errors
/// The control database or the log cannot be read.
pub async fn models(project: &Project, control: &Control) -> Result<Vec<ModelLine>, PipelineError> {
    let evidence = published(project)?;
    let current = control.current_deployment().await.map_err(PipelineError::internal)?;
    let current = current.map(|deployment| deployment.what.model.short());
    let mut said: BTreeMap<String, Said> = BTreeMap::new();
    for run in control.list_runs(RUNS_LOOKED_BACK).await.map_err(PipelineError::internal)? {
        for step in control.steps(&run.id).await.map_err(PipelineError::internal)?.iter().rev() {
            let judges = matches!(step.what.step.as_str(), "s07-release" | "s05-training");
            let Some(id) = step.what.evidence.as_deref().filter(|_| judges) else { continue };
            if let Some((model, verdict)) = verdict(&evidence, id) {
                // The newest verdict on its release; that on its training only where there is none.
                let counts = said.get(&model).is_none_or(|known| verdict.of_release && !known.of_release);
                if counts {
                    said.insert(model, verdict);
                }
            }
        }
    }
    let folder = project.path(MODELS);
    let names = if folder.is_dir() { store::disk::list(&folder)? } else { Vec::new() };
    let line = |model: String| {
        let verdict = said.get(&model);
        ModelLine {
            at: verdict.map_or_else(String::new, |said| said.at.clone()),
            auc: verdict.and_then(|said| auc(project, &model, said.report?)),
            state: verdict.map_or(ModelState::Unknown, |said| said.state),
            deployed: current.as_ref() == Some(&model),
            evidence: verdict.map(|said| said.evidence.clone()),
            model,
        }
    };
    let mut lines: Vec<ModelLine> = names.into_iter().filter(|name| folder.join(name).is_dir()).map(line).collect();
    lines.sort_by(|left, right| right.at.cmp(&left.at).then(left.model.cmp(&right.model)));
    Ok(lines)
}

/// The model that an entry judged, and what it said.
fn verdict(evidence: &Published, id: &str) -> Option<(String, Said)> {
    let prefix: IdPrefix = id.parse().ok()?;
    let found = evidence.reader.find(&prefix).ok()?;
    let statement = evidence.reader.bundle(found.index).ok()?.verify(&evidence.statements).ok()?;
    let part = StaywardPart::of(&statement)?;
    let ruling = part.rulings.last()?;
    let state = match (ruling.outcome, ruling.step.as_str()) {
        (RulingOutcome::Refused, _) => ModelState::Refused,
        (RulingOutcome::Held, _) => ModelState::Held,
        (RulingOutcome::Cleared, "s07-release") => ModelState::Released,
        (RulingOutcome::Cleared, _) => ModelState::Trained,
    };
    let of_model = |path: &str| path.strip_prefix(MODELS)?.strip_prefix('/')?.split_once('/').map(|(model, _)| model.to_owned());
    let model = part.artefacts.iter().find_map(|artefact| of_model(&artefact.path))?;
    let report = part.artefacts.iter().find(|artefact| artefact.path.ends_with("/report.json")).map(|artefact| artefact.digest);
    let at = statement.predicate.get("timeVerified").and_then(|at| at.as_str()).unwrap_or_default().to_owned();
    let of_release = ruling.step == "s07-release";
    Some((model, Said { of_release, state, at, evidence: id.to_owned(), report }))
}

/// The vote's AUC, from the report that was logged.
fn auc(project: &Project, model: &str, logged: Digest) -> Option<f64> {
    let bytes = store::disk::read_limited(&project.path(&format!("{MODELS}/{model}/report.json")), FILE_BYTES_MAX).ok()?;
    let report: Report = serde_json::from_slice(&bytes).ok().filter(|_| Digest::of(&bytes) == logged)?;
    report.members.get(&Member::Vote).map(|vote| vote.auc.mean)
}

/// Proves the deployed model: the log must have its release, and every file must be the released one, no more and no less.
/// Answers its name and the number of its files; nothing where none is deployed.
///
/// # Errors
/// [`PipelineError::Broken`] names what is not as it was released.
pub async fn deployed_proved(project: &Project, control: &Control) -> Result<Option<(String, usize)>, PipelineError> {
    let Some(current) = control.current_deployment().await.map_err(PipelineError::internal)? else { return Ok(None) };
    let deployed: Deployed = serde_json::from_value(current.what.receipt)
        .map_err(|error| PipelineError::broken(format!("the deployment cannot be read: {error}")))?;
    let evidence = published(project)?;
    let witness = LogWitness { reader: &evidence.reader, keys: &evidence.statements };
    proof::deployment(&evidence.reader, &evidence.statements, &deployed)?;
    let cleared = Houses::open()?.release.reopen(deployed.release, deployed.receipt, &witness)?;
    let release = cleared.subject();
    let name = current.what.model.short();
    if release.model() != current.what.model {
        return Err(changed(format!("the deployment names model {name}, its release is of {}", release.model().short())));
    }
    let below = model_folder(current.what.model);
    for (file, digest) in &release.files {
        let bytes = store::disk::read_limited(&project.path(&format!("{below}/{file}")), FILE_BYTES_MAX)
            .map_err(|error| changed(error.to_string()))?;
        if Digest::of(&bytes) != *digest {
            return Err(changed(format!("`{below}/{file}` was changed since it was released")));
        }
    }
    let found = store::disk::list(&project.path(&below)).map_err(|error| changed(error.to_string()))?;
    // What a killed run left half-written is no part of the model.
    match found.iter().find(|file| !file.starts_with(".tmp-") && !release.files.contains_key(file.as_str())) {
        Some(file) => Err(changed(format!("`{below}/{file}` was not released"))),
        None => Ok(Some((name, release.files.len()))),
    }
}

fn changed(why: String) -> PipelineError {
    let help = "restore the model's folder from a backup, or deploy another with `stayward rollback` or `stayward run`";
    PipelineError::Broken { why, help: help.to_owned() }
}
