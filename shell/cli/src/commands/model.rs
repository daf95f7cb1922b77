//! `stayward model`: list, show, verify, export, explain, search.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use learn::Member;
use learn::modelfile::{BOOSTER_FILE, FOREST_FILE, MANIFEST_FILE, PREPROCESS_FILE, SEGMENTS_FILE, SVM_FILE};
use ledger::Bundle;
use pipeline::desk::published;
use pipeline::run::Report;
use pipeline::view::{self, ModelState};
use pipeline::{PipelineError, Project};
use serde::Serialize;

use super::{Ended, wrong};
use crate::output::{Output, table};

/// Largest file of a model that is read here.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// Files of the model itself; others of its folder say what ordinary inputs and scores are.
const OF_MODEL: [&str; 6] = [BOOSTER_FILE, FOREST_FILE, MANIFEST_FILE, PREPROCESS_FILE, SEGMENTS_FILE, SVM_FILE];

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List models.
    Ls,
    /// Figures, segments and settings of a model.
    Show {
        /// First digits of the model's digest; the newest where absent.
        model: Option<String>,
    },
    /// Check a model's signature (OpenSSF Model Signing form) and every file.
    Verify {
        /// First digits of the model's digest; the newest where absent.
        model: Option<String>,
    },
    /// Write the model card: a page for people, and a CycloneDX 1.6 bill of materials (ML-BOM) for programs.
    Card {
        /// First digits of the model's digest; the deployed one where absent.
        model: Option<String>,
        /// The folder to write `card.html` and `bom.cdx.json` into.
        #[arg(long, default_value = "model-card")]
        out: PathBuf,
    },
    /// Write a model in another program's format, once its signature holds.
    Export(super::export::ExportArgs),
    /// Say which columns move a model's answers, or one customer's; for people who may read the data source.
    Explain(super::explain::ExplainArgs),
    /// Look for settings of training that suit the data, on rows that judge no model; changes nothing.
    Search(super::search::SearchArgs),
}

pub(crate) async fn run(args: ModelArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Ls => list(&super::open(root)?, out).await,
        What::Show { model } => show(&super::open(root)?, model.as_deref(), out).await,
        What::Verify { model } => verify(&super::open(root)?, model.as_deref(), out),
        What::Card { model, out: folder } => card(root, model.as_deref(), &folder, out).await,
        What::Export(args) => super::export::run(args, root, out),
        What::Explain(args) => super::explain::run(args, root, out).await,
        What::Search(args) => super::search::run(args, root, out).await,
    }
}

#[derive(Serialize)]
struct Written {
    model: String,
    card: String,
    bom: String,
}

async fn card(root: &Path, model: Option<&str>, folder: &Path, out: &Output) -> Ended {
    let desk = pipeline::Desk::open(root).await?;
    let card = view::card(&desk, model).await?;
    let card = card.ok_or_else(|| wrong("there is no such model", "list models with `stayward model ls`"))?;
    let bom = serde_json::to_vec_pretty(&card.bom).map_err(|error| PipelineError::Internal(error.to_string()))?;
    store::disk::make_folder(folder)?;
    let (page, document) = (folder.join("card.html"), folder.join("bom.cdx.json"));
    store::disk::write_atomic(&page, card.html.as_bytes())?;
    store::disk::write_atomic(&document, &bom)?;
    let written = Written { model: card.model, card: page.display().to_string(), bom: document.display().to_string() };
    out.result(&written, || format!("model {}: {}\nCycloneDX 1.6: {}", written.model, written.card, written.bom));
    Ok(0)
}

/// Folders of models, oldest first.
fn models(project: &Project) -> Result<Vec<String>, PipelineError> {
    let folder = project.path("models");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let names = store::disk::list(&folder)?.into_iter().filter(|name| folder.join(name).is_dir());
    let made = |name: &String| std::fs::metadata(folder.join(name)).and_then(|meta| meta.modified()).ok();
    let mut names: Vec<String> = names.collect();
    names.sort_by_key(made);
    Ok(names)
}

fn pick(project: &Project, model: Option<&str>) -> Result<String, PipelineError> {
    let names = models(project)?;
    let found = match model {
        Some(prefix) => names.iter().find(|name| name.starts_with(prefix)),
        None => names.last(),
    };
    found
        .cloned()
        .ok_or_else(|| wrong("there is no such model", "make one with `stayward run`, or list them with `stayward model ls`"))
}

async fn list(project: &Project, out: &Output) -> Ended {
    let models = lines(project).await?;
    out.result(&models, || {
        if models.is_empty() {
            return "no model yet: run `stayward run`".to_owned();
        }
        let rows: Vec<Vec<String>> = models.iter().map(row).collect();
        table(&["model", "judged", "vote AUC", "state", "", "evidence"], &rows)
    });
    Ok(0)
}

async fn lines(project: &Project) -> Result<Vec<view::ModelLine>, PipelineError> {
    let control = store::control::Control::open(&project.path("control.db")).await;
    let control = control.map_err(|error| PipelineError::Internal(error.to_string()))?;
    view::models(project, &control).await
}

fn state_in_words(state: ModelState) -> &'static str {
    match state {
        ModelState::Refused => "REFUSED",
        ModelState::Held => "HELD",
        ModelState::Trained => "trained",
        ModelState::Released => "released",
        ModelState::Unknown => "unknown",
    }
}

fn row(line: &view::ModelLine) -> Vec<String> {
    let state = state_in_words(line.state);
    let auc = line.auc.map_or_else(|| "-".to_owned(), |auc| format!("{auc:.4}"));
    let mark = if line.deployed { "deployed" } else { "" };
    let evidence = line.evidence.clone().unwrap_or_default();
    vec![line.model.clone(), line.at.clone(), auc, state.to_owned(), mark.to_owned(), evidence]
}

#[derive(Serialize)]
struct Shown {
    model: String,
    state: ModelState,
    deployed: bool,
    evidence: Option<String>,
    report: Report,
}

/// Prints a model; the newest where none is named.
pub(crate) async fn show(project: &Project, model: Option<&str>, out: &Output) -> Ended {
    let model = pick(project, model)?;
    // No figure of a model whose files are not the signed ones.
    let (files, _) = verified(project, &model)?;
    let report = files.get("report.json").map(Vec::as_slice).unwrap_or_default();
    let report: Report = serde_json::from_slice(report).map_err(|error| PipelineError::Broken {
        why: format!("report.json of model {model} cannot be read: {error}"),
        help: "check the model with `stayward model verify`".into(),
    })?;
    let line = lines(project).await?.into_iter().find(|line| line.model == model);
    let (state, deployed, evidence) =
        line.map_or((ModelState::Unknown, false, None), |line| (line.state, line.deployed, line.evidence));
    let shown = Shown { model, state, deployed, evidence, report };
    out.result(&shown, || spell(&shown));
    Ok(0)
}

fn spell(shown: &Shown) -> String {
    let report = &shown.report;
    let name = |member: Member| match member {
        Member::Booster => "XGBoost",
        Member::Svm => "SVM",
        Member::Forest => "Random Forest",
        Member::Vote => "vote",
    };
    let cell = |spread: &learn::evaluate::Spread| {
        if spread.deviation > 0.0 {
            format!("{:.4} ± {:.4}", spread.mean, spread.deviation)
        } else {
            format!("{:.4}", spread.mean)
        }
    };
    let rows: Vec<Vec<String>> = report
        .members
        .iter()
        .map(|(member, figures)| {
            vec![
                name(*member).to_owned(),
                cell(&figures.auc),
                cell(&figures.pr_auc),
                cell(&figures.log_loss),
                cell(&figures.brier),
                cell(&figures.accuracy),
            ]
        })
        .collect();
    let stands = match (shown.deployed, &shown.evidence) {
        (true, _) => "deployed".to_owned(),
        (false, Some(evidence)) => {
            format!("{}, not deployed (`stayward evidence show {evidence}` says why)", state_in_words(shown.state))
        }
        (false, None) => format!("{}, not deployed", state_in_words(shown.state)),
    };
    format!(
        "model {}: {stands}\ntested {}: {}\nlearnt from all {} labelled rows, {:.1} % churn; {} columns\n\n{}\n\n{}\n\n{}\n\nprotected columns, not used: {}",
        shown.model,
        report.split,
        tested(report),
        report.rows,
        report.churn_rate * 100.0,
        report.columns.len(),
        table(&["member", "AUC", "PR AUC", "log loss", "Brier", "accuracy"], &rows),
        table(
            &["audit", "found"],
            &report.audit_in_words().into_iter().map(|(name, words)| vec![name, words]).collect::<Vec<_>>()
        ),
        segments_table(&report.segments),
        if report.protected.is_empty() { "none".to_owned() } else { report.protected.join(", ") },
    )
}

/// The rows behind the figures, in words.
fn tested(report: &Report) -> String {
    let churn = report.test_churn_rate * 100.0;
    match report.sizes.as_slice() {
        [(trained, tested)] => format!("trained on {trained} rows, tested on {tested} later ones, {churn:.1} % churn"),
        folds => format!("{} rows, each tested once, {churn:.1} % churn", folds.iter().map(|(_, tested)| tested).sum::<usize>()),
    }
}

/// Segments as people read them.
pub(crate) fn segments_table(segments: &learn::Segments) -> String {
    let rows = segments.segments().iter().map(|segment| {
        let value = segment.mean_value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let churn = segment.churn_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
        vec![
            segment.number.to_string(),
            segment.name.clone(),
            segment.size.to_string(),
            value,
            churn,
            format!("{:.2}", segment.stability),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    table(&["no.", "segment", "customers", "mean value", "churn", "stability"], &rows)
}

#[derive(Serialize)]
struct Checked {
    model: String,
    files: usize,
    root: String,
}

/// Files of a model, whose signature holds over exactly these bytes, and the signed root.
pub(crate) fn verified(project: &Project, model: &str) -> Result<(BTreeMap<String, Vec<u8>>, String), PipelineError> {
    let broken = |why: String| PipelineError::Broken {
        why,
        help: "restore the model's folder from a backup, or train again with `stayward run`".into(),
    };
    let folder = project.path(&format!("models/{model}"));
    let mut files = BTreeMap::new();
    // What a killed run left half-written is no part of the model.
    for name in store::disk::list(&folder)?.into_iter().filter(|name| !name.starts_with(".tmp-")) {
        let bytes = store::disk::read_limited(&folder.join(&name), FILE_BYTES_MAX)?;
        files.insert(name, bytes);
    }
    let found: ledger::modelsig::ModelFiles = files.iter().map(|(name, bytes)| (name.clone(), gate::Digest::of(bytes))).collect();
    let signature = store::disk::read_limited(&project.path(&format!("models/{model}.sig")), FILE_BYTES_MAX);
    let signature = signature.map_err(|error| broken(error.to_string()))?;
    let bundle = Bundle::parse(&signature).map_err(|error| broken(error.to_string()))?;
    let keys = published(project)?.statements;
    let signed = ledger::modelsig::verify(&bundle, &keys, &found).map_err(|error| broken(error.to_string()))?;
    Ok((files, signed.root.to_string()))
}

/// A model whose signature holds, with its name; the newest where none is named. No parser sees bytes before they were checked.
pub(crate) fn loaded(project: &Project, model: Option<&str>) -> Result<(String, learn::Ensemble), PipelineError> {
    let model = pick(project, model)?;
    let (mut files, _) = verified(project, &model)?;
    files.retain(|name, _| OF_MODEL.contains(&name.as_str()));
    let ensemble = learn::Ensemble::from_files(&files).map_err(|error| PipelineError::Broken {
        why: format!("model {model} cannot be read: {error}"),
        help: "read it with the version of stayward that made it, or train again with `stayward run`".into(),
    })?;
    Ok((model, ensemble))
}

fn verify(project: &Project, model: Option<&str>, out: &Output) -> Ended {
    let model = pick(project, model)?;
    let (files, root) = verified(project, &model)?;
    let checked = Checked { model, files: files.len(), root };
    out.result(&checked, || {
        format!("model {}: signature holds over {} files, root {}", checked.model, checked.files, checked.root)
    });
    Ok(0)
}
