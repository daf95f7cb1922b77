//! `stayward status`: what is deployed, what ran last, what waits for people.

use std::path::Path;

use pipeline::desk::rfc3339;
use serde::Serialize;
use store::control::Control;

use super::Ended;
use crate::output::Output;

/// Runs that are shown.
const RUNS: i64 = 5;

#[derive(Serialize)]
struct Status {
    project: String,
    deployed: Option<String>,
    log_entries: u64,
    runs: Vec<(String, String, String)>,
    label_versions: usize,
}

pub(crate) async fn run(root: &Path, out: &Output) -> Ended {
    let project = super::open(root)?;
    let internal = |error: store::control::ControlError| pipeline::PipelineError::Internal(error.to_string());
    let control = Control::open(&project.path("control.db")).await.map_err(internal)?;
    let deployed = control.current_deployment().await.map_err(internal)?.map(|deployment| deployment.what.model.short());
    let head = pipeline::desk::published(&project)?.reader.head()?;
    let runs = control.list_runs(RUNS).await.map_err(internal)?;
    let runs = runs
        .into_iter()
        .map(|run| {
            let why = run
                .summary
                .as_ref()
                .and_then(|summary| summary.pointer("/why/0"))
                .and_then(|why| why.as_str())
                .unwrap_or_default();
            (rfc3339(run.started_ms / 1000), format!("{:?}", run.state).to_lowercase(), why.to_owned())
        })
        .collect();
    let label_versions = control.label_versions().await.map_err(internal)?.len();
    let status = Status { project: root.display().to_string(), deployed, log_entries: head.size, runs, label_versions };
    out.result(&status, || {
        let runs: Vec<String> = status.runs.iter().map(|(at, state, why)| format!("  {at}  {state:<9} {why}")).collect();
        format!(
            "project   {}\ndeployed  {}\nlog       {} entries\nlabels    {} versions\nlast runs\n{}",
            status.project,
            status.deployed.as_deref().unwrap_or("none: run `stayward run`"),
            status.log_entries,
            status.label_versions,
            runs.join("\n")
        )
    });
    Ok(0)
}
