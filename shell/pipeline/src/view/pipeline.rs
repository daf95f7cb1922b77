//! The diagram lit by its last verdicts, and one run step by step (T1 to T7).

use console::view::Chrome;
use console::view::State;
use console::view::pipeline::{GateView, OpenClause, PipelineView, Place, RunBrief, RunView, StepView};
use gate::{CLAUSES, Clause, EXCEPTIONS};
use store::control::{Run, RunState, RunStep};

use super::lit::{Judged, LEDGER, Lit, booked, gate_view, judged, lit, place_of, weight, worst};
use crate::desk::rfc3339;
use crate::houses::Placed;
use crate::{Desk, Houses, PipelineError};

/// Runs that the Run page lists.
const RUNS_LISTED: i64 = 50;

/// The Pipeline page: every place of the diagram with its gates in order and the last known verdict of each.
///
/// # Errors
/// The control database, or the log itself, cannot be read.
pub async fn pipeline_view(desk: &Desk, houses: &Houses) -> Result<PipelineView, PipelineError> {
    let lit = lit(desk, houses).await?;
    let placed = houses.placed();
    let steps = Place::ALL.into_iter().map(|place| place_view(place, &placed, &lit)).collect();
    let newest = desk.control.list_runs(1).await.map_err(PipelineError::internal)?.into_iter().next();
    let run = match newest {
        Some(run) => Some(brief(desk, &run).await?),
        None => None,
    };
    Ok(PipelineView { chrome: Chrome::default(), run, steps })
}

fn place_view(place: Place, placed: &[Placed], lit: &Lit) -> StepView {
    let here: Vec<&Placed> = placed.iter().filter(|placed| place_of(placed.step) == Some(place)).collect();
    let mut ids: Vec<&str> = here.iter().map(|placed| placed.step).collect();
    ids.dedup();
    let judged: Vec<&Judged> = ids.iter().filter_map(|id| lit.steps.get(*id)).collect();
    // The receipt to show is that of the step that matters most; of equals, the later one in the diagram.
    let shown = judged.iter().max_by_key(|judged| weight(judged.state));
    let mut gates: Vec<GateView> = here.into_iter().map(|placed| lit.gate(placed)).collect();
    gates.extend(judged.iter().filter_map(|judged| doubt(judged)));
    let seconds: f64 = judged.iter().filter_map(|judged| judged.seconds).sum();
    StepView {
        place,
        about: abouts(&ids, lit),
        state: worst(judged.iter().map(|judged| judged.state)),
        gates,
        rows: judged.iter().rev().find_map(|judged| judged.rows),
        seconds: (seconds > 0.0).then_some(seconds),
        evidence: shown.and_then(|judged| judged.evidence.clone()),
        open: open(place, placed),
    }
}

/// Clauses of a place that no gate keeps, with the reason.
fn open(place: Place, placed: &[Placed]) -> Vec<OpenClause> {
    let here = CLAUSES.into_iter().filter(|clause| place_of(clause.home()) == Some(place));
    let kept = |clause: &Clause| placed.iter().any(|placed| placed.card.clauses.contains(clause));
    let reason = |clause: Clause| EXCEPTIONS.iter().find(|(excepted, _)| *excepted == clause).map(|(_, why)| (*why).to_owned());
    here.filter(|clause| !kept(clause))
        .map(|clause| OpenClause { id: clause.id().to_owned(), reason: reason(clause).unwrap_or_default() })
        .collect()
}

/// What the last verdicts were about; by part, where a place has two steps.
fn abouts(ids: &[&str], lit: &Lit) -> String {
    let judged = ids.iter().filter_map(|id| Some((*id, lit.steps.get(*id)?))).filter(|(_, judged)| !judged.about.is_empty());
    let abouts = judged
        .map(|(id, judged)| if ids.len() > 1 { format!("{}: {}", part_of(id), judged.about) } else { judged.about.clone() });
    abouts.collect::<Vec<_>>().join(" · ")
}

/// The part of a place that a step is: `the door`; the whole title, where the place is one step.
fn part_of(id: &str) -> String {
    let title = artifact::STEPS.iter().find(|info| info.id == id).map_or(id, |info| info.title);
    title.rsplit_once(": ").map_or(title, |(_, part)| part).to_owned()
}

/// A doubt about the ledger, as a row among the gates.
fn doubt(judged: &Judged) -> Option<GateView> {
    let said = judged.gates.get(LEDGER)?.clone();
    let about = "What a step decided counts only as far as its signed entry proves it.".to_owned();
    Some(GateView {
        id: LEDGER.to_owned(),
        about,
        clauses: Vec::new(),
        state: said.state,
        finding: said.finding,
        evidence: said.evidence,
    })
}

/// The Run page: the run with an id, or the last one; nothing if there is no run of that id.
///
/// # Errors
/// The control database, or the log itself, cannot be read.
pub async fn run_view(desk: &Desk, houses: &Houses, id: Option<&str>) -> Result<Option<RunView>, PipelineError> {
    let runs = desk.control.list_runs(RUNS_LISTED).await.map_err(PipelineError::internal)?;
    let run = match id {
        Some(id) => match desk.control.run(id).await.map_err(PipelineError::internal)? {
            Some(run) => Some(run),
            None => return Ok(None),
        },
        None => runs.first().cloned(),
    };
    let mut others = Vec::new();
    for other in runs.iter().filter(|other| run.as_ref().is_none_or(|run| run.id != other.id)) {
        others.push(brief(desk, other).await?);
    }
    let Some(run) = run else { return Ok(Some(RunView { others, ..RunView::default() })) };
    let steps = desk.control.steps(&run.id).await.map_err(PipelineError::internal)?;
    let placed = houses.placed();
    let steps: Vec<StepView> = steps.iter().filter_map(|step| step_view(desk, step, &placed)).collect();
    let brief = brief_of(&run, steps.iter().map(|step| step.state));
    Ok(Some(RunView { chrome: Chrome::default(), run: Some(brief), steps, others }))
}

fn step_view(desk: &Desk, step: &RunStep, placed: &[Placed]) -> Option<StepView> {
    let place = place_of(&step.what.step)?;
    let judged = judged(desk, step);
    let here = placed.iter().filter(|placed| placed.step == step.what.step);
    let mut gates: Vec<GateView> =
        here.map(|placed| gate_view(placed, judged.gates.get(placed.card.id).cloned().unwrap_or_default())).collect();
    gates.extend(doubt(&judged));
    let several = placed.iter().any(|placed| placed.step != step.what.step && place_of(placed.step) == Some(place));
    let Judged { state, about, rows, seconds, evidence, .. } = judged;
    let about = if several && step.what.step != "deployment" { format!("{}: {about}", part_of(&step.what.step)) } else { about };
    // The run's page is about what happened; what no gate keeps stands on the pipeline's.
    Some(StepView { place, about, state, gates, rows, seconds, evidence, open: Vec::new() })
}

/// A run in a line. The register's words for its steps are enough here; the run's own page asks the log.
async fn brief(desk: &Desk, run: &Run) -> Result<RunBrief, PipelineError> {
    let steps = desk.control.steps(&run.id).await.map_err(PipelineError::internal)?;
    let states = steps.iter().map(|step| booked(step.what.state));
    Ok(brief_of(run, states))
}

fn brief_of(run: &Run, steps: impl Iterator<Item = State>) -> RunBrief {
    let ended = match run.state {
        RunState::Running => State::NotRun,
        RunState::Done => State::Pass,
        RunState::Refused => State::Refuse,
        RunState::Held => State::Hold,
        RunState::Failed | RunState::Interrupted => State::Inconclusive,
    };
    #[expect(clippy::cast_precision_loss, reason = "a run lasts far less than 2^53 milliseconds")]
    let seconds = run.finished_ms.map(|ended| ended.saturating_sub(run.started_ms).max(0) as f64 / 1e3);
    let person = run.summary.as_ref().and_then(|summary| summary.get("person")).and_then(|person| person.as_str());
    RunBrief {
        id: run.id.clone(),
        started_at: rfc3339(run.started_ms.div_euclid(1_000)),
        seconds,
        state: worst(steps.chain([ended])),
        started_by: person.unwrap_or_default().to_owned(),
    }
}
