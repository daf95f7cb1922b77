//! The last verdict of every gate, read from the entries that runs and requests left (T1 to T7).

use std::collections::{BTreeMap, BTreeSet};

use artifact::Monitoring;
use console::view::pipeline::{GateView, Place, RowCounts};
use console::view::{FindingView, State};
use gate::{Certainty, Decision, Finding, GateRuling, Ruling, RulingOutcome, Step};
use identity::{Action, Role, matrix};
use store::control::{RunStep, StepState as Booked};

use super::entry::{self, Entry};
use crate::houses::Placed;
use crate::progress::{GateReport, StepReport};
use crate::serving::WATCHED;
use crate::{Desk, Houses, PipelineError};

/// Runs that are looked into for a gate's last verdict.
const RUNS_LOOKED_BACK: i64 = 20;
/// Entries of the log that are looked into for the verdicts of requests.
const ENTRIES_LOOKED_BACK: u64 = 200;

/// What one gate said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) state: State,
    pub(super) finding: Option<FindingView>,
    pub(super) evidence: Option<String>,
}

/// How one step ended, by its entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    pub(super) state: State,
    pub(super) about: String,
    pub(super) gates: BTreeMap<String, Said>,
    pub(super) rows: Option<RowCounts>,
    pub(super) seconds: Option<f64>,
    pub(super) evidence: Option<String>,
}

/// The last of everything, by gate and by step.
#[derive(Debug, Default)]
pub(super) struct Lit {
    pub(super) gates: BTreeMap<String, Said>,
    pub(super) steps: BTreeMap<String, Judged>,
}

impl Lit {
    /// A card with its last verdict.
    pub(super) fn gate(&self, placed: &Placed) -> GateView {
        gate_view(placed, self.gates.get(placed.card.id).cloned().unwrap_or_default())
    }

    fn take(&mut self, step: &str, judged: Judged) {
        for (gate, said) in &judged.gates {
            self.gates.entry(gate.clone()).or_insert_with(|| said.clone());
        }
        self.steps.entry(step.to_owned()).or_insert(judged);
    }
}

/// The place of a step in the diagram: `s01-door` and `s01-content` are both at s01, a deployment is at s07.
pub(super) fn place_of(step: &str) -> Option<Place> {
    let number = if step == "deployment" { Place::Release.number() } else { step.split('-').next().unwrap_or_default() };
    Place::ALL.into_iter().find(|place| place.number() == number)
}

/// A card with what it said.
pub(super) fn gate_view(placed: &Placed, said: Said) -> GateView {
    GateView {
        id: placed.card.id.to_owned(),
        about: placed.card.about.to_owned(),
        clauses: placed.card.clauses.iter().map(|clause| clause.id().to_owned()).collect(),
        state: said.state,
        finding: said.finding,
        evidence: said.evidence,
    }
}

/// The state that matters most to a person: no, could not look, waits, yes, nothing.
pub(super) fn worst(states: impl IntoIterator<Item = State>) -> State {
    states.into_iter().max_by_key(|state| weight(*state)).unwrap_or_default()
}

/// How much a state matters.
pub(super) fn weight(state: State) -> u8 {
    match state {
        State::NotRun => 0,
        State::Pass => 1,
        State::Hold => 2,
        State::Inconclusive => 3,
        State::Refuse => 4,
    }
}

/// Last verdicts of all gates: of the pipeline's steps from the newest runs, of the service's from the end of the log.
pub(super) async fn lit(desk: &Desk, houses: &Houses) -> Result<Lit, PipelineError> {
    let mut lit = Lit::default();
    let placed = houses.placed();
    let open = |lit: &Lit, step: &str| placed.iter().any(|placed| placed.step == step && !lit.gates.contains_key(placed.card.id));
    for run in desk.control.list_runs(RUNS_LOOKED_BACK).await.map_err(PipelineError::internal)? {
        for step in desk.control.steps(&run.id).await.map_err(PipelineError::internal)?.iter().rev() {
            if open(&lit, &step.what.step) {
                lit.take(&step.what.step, judged(desk, step));
            }
        }
    }
    of_requests(desk, &placed, &mut lit)?;
    if let Some(id) = desk.pointer(WATCHED).await?.and_then(|value| value.as_str().map(str::to_owned)) {
        match entry::by_id(desk, &id) {
            Ok(entry) => of_entry(&mut lit, &entry),
            Err(why) => lit.take(Monitoring::ID, doubtful(&id, format!("entry `{id}` cannot be believed: {why}"))),
        }
    }
    Ok(lit)
}

/// Steps that judge requests.
fn serves(step: &str) -> bool {
    matches!(place_of(step), Some(Place::ApiGuard | Place::InputGuard | Place::Predict))
}

fn of_requests(desk: &Desk, placed: &[Placed], lit: &mut Lit) -> Result<(), PipelineError> {
    let mut open: BTreeSet<&str> = placed.iter().filter(|placed| serves(placed.step)).map(|placed| placed.card.id).collect();
    let size = desk.reader.head()?.size;
    for index in (size.saturating_sub(ENTRIES_LOOKED_BACK)..size).rev() {
        if open.is_empty() {
            break;
        }
        let Ok(entry) = entry::at(desk, index) else { continue };
        if entry.part.kind == "answer" || entry.part.kind == "refusal" {
            of_entry(lit, &entry);
            open.retain(|gate| !lit.gates.contains_key(*gate));
        }
    }
    Ok(())
}

/// Takes the rulings of one entry; of several by the same step (one for each row) the last, which is the one that stopped.
fn of_entry(lit: &mut Lit, entry: &Entry) {
    let mut last: BTreeMap<&str, &Ruling> = BTreeMap::new();
    for ruling in &entry.part.rulings {
        last.insert(&ruling.step, ruling);
    }
    for (step, ruling) in last {
        let mut judged = of_ruling(ruling, &entry.id);
        judged.about = match entry.part.kind.as_str() {
            "answer" => "an answered request".to_owned(),
            "refusal" => "a refused request".to_owned(),
            _ => String::new(),
        };
        lit.take(step, judged);
    }
}

fn of_ruling(ruling: &Ruling, id: &str) -> Judged {
    let said = |ruled: &GateRuling| {
        let state = state_of(ruled);
        let finding = ruled.finding.as_ref().map(|finding| finding_view(&ruling.step, &ruled.gate, finding, state));
        (ruled.gate.clone(), Said { state, finding, evidence: Some(id.to_owned()) })
    };
    let gates: BTreeMap<String, Said> = ruling.gates.iter().map(said).collect();
    let state = match ruling.outcome {
        RulingOutcome::Cleared => State::Pass,
        RulingOutcome::Held => State::Hold,
        RulingOutcome::Refused => worst(gates.values().map(|said| said.state)),
    };
    Judged { state, gates, evidence: Some(id.to_owned()), ..Judged::default() }
}

fn state_of(ruled: &GateRuling) -> State {
    match (ruled.decision, ruled.finding.as_ref().map(|finding| finding.certainty)) {
        (Decision::Pass, _) => State::Pass,
        (Decision::Hold, _) => State::Hold,
        (Decision::Refuse, Some(Certainty::Inconclusive)) => State::Inconclusive,
        (Decision::Refuse, Some(Certainty::Seen) | None) => State::Refuse,
    }
}

/// The operator's face of a finding.
pub(super) fn finding_view(step: &str, gate: &str, finding: &Finding, state: State) -> FindingView {
    FindingView {
        rule: gate.to_owned(),
        why: finding.why.clone(),
        help: finding.help.clone(),
        command: command_in(&finding.help),
        release_by: if state == State::Hold { release_by(step) } else { String::new() },
    }
}

/// The first command of the program that a help text names in backticks; empty if there is none.
pub(super) fn command_in(help: &str) -> String {
    help.split('`').skip(1).step_by(2).find(|piece| piece.starts_with("stayward ")).unwrap_or_default().to_owned()
}

fn release_by(step: &str) -> String {
    let action = match place_of(step) {
        Some(Place::Intake | Place::Source) => Action::ReviewQuarantine,
        Some(Place::LabelQa) => Action::ApproveLabels,
        Some(Place::Dependency) => Action::ReviewDependencies,
        Some(Place::Release) => Action::Release,
        Some(Place::Monitor) => Action::AcknowledgeAlerts,
        Some(Place::Segment | Place::Train | Place::ApiGuard | Place::InputGuard | Place::Predict) | None => {
            return String::new();
        }
    };
    let roles: Vec<&str> = Role::ALL.iter().filter(|role| matrix::allowed(**role, action)).map(|role| role.as_str()).collect();
    roles.join(" or ")
}

/// How a step of a run ended: its gates from the log; from the register only what the log does not tell (rows, time).
pub(super) fn judged(desk: &Desk, step: &RunStep) -> Judged {
    let what = &step.what;
    let report: Option<StepReport> = what.finding.clone().and_then(|value| serde_json::from_value(value).ok());
    let mut judged = match what.evidence.as_deref() {
        Some(id) => of_register(desk, step, id),
        None => unrecorded(what.state, report.as_ref().map(|report| report.gates.as_slice()).unwrap_or_default()),
    };
    judged.about = report
        .map(|report| if report.note.is_empty() { report.about } else { format!("{}: {}", report.about, report.note) })
        .unwrap_or_default();
    judged.rows = (what.rows_in > 0).then_some(RowCounts {
        taken: what.rows_in,
        passed: what.rows_out,
        quarantined: what.rows_quarantined,
    });
    let milliseconds = what.ended_ms.saturating_sub(what.started_ms);
    #[expect(clippy::cast_precision_loss, reason = "a step lasts far less than 2^53 milliseconds")]
    let seconds = milliseconds as f64 / 1e3;
    judged.seconds = (what.state != Booked::Skipped && milliseconds > 0).then_some(seconds);
    judged
}

fn of_register(desk: &Desk, step: &RunStep, id: &str) -> Judged {
    let entry = match entry::by_id(desk, id) {
        Ok(entry) => entry,
        Err(why) => return doubtful(id, format!("entry `{id}` cannot be believed: {why}")),
    };
    match entry.part.rulings.last() {
        Some(ruling) if ruling.step == step.what.step => of_ruling(ruling, &entry.id),
        Some(ruling) => doubtful(id, format!("the register names entry `{id}`, which is of step `{}`", ruling.step)),
        // Something that was made, such as a deployment.
        None => Judged { state: booked(step.what.state), evidence: Some(entry.id), ..Judged::default() },
    }
}

/// The register's word.
pub(super) fn booked(state: Booked) -> State {
    match state {
        Booked::Passed | Booked::Skipped => State::Pass,
        Booked::Held => State::Hold,
        Booked::Refused => State::Refuse,
        Booked::Failed => State::Inconclusive,
    }
}

fn doubtful(id: &str, why: String) -> Judged {
    Judged {
        state: State::Inconclusive,
        gates: BTreeMap::from([said_by_ledger(why, Some(id))]),
        evidence: Some(id.to_owned()),
        ..Judged::default()
    }
}

/// The name under which a doubt about the ledger stands among a step's gates.
pub(super) const LEDGER: &str = "ledger";

fn said_by_ledger(why: String, id: Option<&str>) -> (String, Said) {
    let help = "see which links hold with `stayward evidence verify`";
    let finding =
        FindingView { rule: LEDGER.into(), why, help: help.into(), command: command_in(help), release_by: String::new() };
    (LEDGER.to_owned(), Said { state: State::Inconclusive, finding: Some(finding), evidence: id.map(str::to_owned) })
}

/// A step that left no entry: what its gates said was not written down, so it was not decided.
fn unrecorded(state: Booked, gates: &[GateReport]) -> Judged {
    if gates.is_empty() && matches!(state, Booked::Passed | Booked::Skipped) {
        return Judged { state: State::Pass, ..Judged::default() };
    }
    let why = "the ledger took no entry of this step, so nothing was decided".to_owned();
    Judged { state: State::Inconclusive, gates: BTreeMap::from([said_by_ledger(why, None)]), ..Judged::default() }
}
