//! `stayward status`: what is deployed, what ran last, what waits for people.

use std::path::Path;

use pipeline::desk::rfc3339;
use pipeline::office::is_held;
use serde::Serialize;
use store::control::{Control, RunState};

use super::Ended;
use crate::output::{Output, many};

/// Runs that are shown.
const RUNS: i64 = 5;

#[derive(Serialize)]
struct Status {
    project: String,
    deployed: Option<String>,
    log_entries: u64,
    runs: Vec<RunLine>,
    label_versions: usize,
}

#[derive(Serialize)]
struct RunLine {
    id: String,
    started: String,
    state: &'static str,
    why: String,
}

/// A run whose process is gone was interrupted: whoever works on a project holds its lock.
fn state(state: RunState, held: bool) -> &'static str {
    match state {
        RunState::Running if held => "running",
        RunState::Running | RunState::Interrupted => "interrupted",
        RunState::Done => "done",
        RunState::Refused => "refused",
        RunState::Held => "held",
        RunState::Failed => "failed",
    }
}

pub(crate) async fn run(root: &Path, out: &Output) -> Ended {
    let project = super::open(root)?;
    let internal = |error: store::control::ControlError| pipeline::PipelineError::Internal(error.to_string());
    let control = Control::open(&project.path("control.db")).await.map_err(internal)?;
    let deployed = control.current_deployment().await.map_err(internal)?.map(|deployment| deployment.what.model.short());
    let head = pipeline::desk::published(&project)?.reader.head()?;
    let held = is_held(&project)?;
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
            let (state, started) = (state(run.state, held), rfc3339(run.started_ms / 1000));
            RunLine { id: run.id, started, state, why: why.to_owned() }
        })
        .collect();
    let label_versions = control.label_versions().await.map_err(internal)?.len();
    let status = Status { project: root.display().to_string(), deployed, log_entries: head.size, runs, label_versions };
    out.result(&status, || {
        let runs: Vec<String> =
            status.runs.iter().map(|run| format!("  {}  {:<11}  {}", run.started, run.state, run.why)).collect();
        format!(
            "project   {}\ndeployed  {}\nlog       {}\nlabels    {}\nlast runs\n{}",
            status.project,
            status.deployed.as_deref().unwrap_or("none: run `stayward run`"),
            many(status.log_entries, "entry", "entries"),
            many(u64::try_from(status.label_versions).unwrap_or(u64::MAX), "version", "versions"),
            if runs.is_empty() { "  none yet".to_owned() } else { runs.join("\n") }
        )
    });
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_process_is_gone_does_not_run() {
        let check = |of, held, word: &str| assert_eq!(state(of, held), word);
        check(RunState::Running, true, "running");
        check(RunState::Running, false, "interrupted");
        check(RunState::Done, true, "done");
    }
}
