//! A run: the threat model's diagram from the feeds' inboxes to the deployed model, one file per step.

mod audit;
mod deploy;
mod explain;
mod feeds;
mod golden;
mod harden;
pub(crate) mod labels;
mod memory;
mod quarantine;
mod release;
mod review;
mod robustness;
mod search;
pub(crate) mod second;
mod segments;
mod source;
mod state;
pub(crate) mod training;
mod upload;

use std::time::Instant;

use gate::{Digest, Finding, Outcome, Step};
use identity::{Action, Denial, Session, matrix};
use serde::Serialize;
use store::control::{NewRunStep, RunState, StepState as Booked};

use crate::PipelineError;
use crate::access::allow;
pub(crate) use crate::data::load;
use crate::desk::{Desk, now, now_ms, random_hex};
use crate::evidence::{Links, Recorder};
use crate::houses::Houses;
use crate::progress::{GateReport, Progress, StepReport, StepState};

pub use explain::{CustomerExplained, ModelExplained, Part, Sure, Worth, explain_customer, explain_model};
pub use golden::adopt_golden;
pub(crate) use golden::golden_bytes;
pub(crate) use labels::parse_labels;
pub use labels::{LabelRecount, Proposal, approve_labels, label_proposal, may_still_sign, propose_labels, recount_labels};
pub use review::{LabelReview, LabellerReview, Suspect, review_labels};
pub use s03_label_qa::Pattern as LabelPattern;
pub use search::{SettingsFound, search_settings};
pub use second::{SecondRow, SecondRows, answer_second, second_rows};
pub use segments::current_segments;
pub(crate) use source::{CUSTOMERS, proved_commit, read_customers};
pub(crate) use state::LabelsState;
pub use state::{Deployed, Pointer, SegmentsState, Settled, TrainedState};
pub(crate) use training::{MODELS, labels_of, last_moment, model_folder};
pub use training::{Report, environment};
pub use upload::{Proposed, Upload, is_session, propose_upload};

/// Steps by the names that `run --from` and `--to` take, in order.
pub const STAGES: [&str; 7] = ["data-validation", "data-source", "label-qa", "segmentation", "training", "staging", "deployment"];

/// What a person must be allowed to for each of them. Who trains never releases (T4), so no one person runs all of them, but in a
/// project whose policy says that it has one person.
const STAGE_ACTIONS: [Action; STAGES.len()] =
    [Action::BringData, Action::BringData, Action::BringData, Action::Segment, Action::Train, Action::Stage, Action::Release];

/// One run.
pub struct Run<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) houses: &'a Houses,
    pub(crate) progress: &'a mut dyn Progress,
    pub(crate) session: Session,
    /// Random name of the run.
    pub id: String,
    pub(crate) started: i64,
    /// Deliveries that were refused or are held; the run goes on without them.
    pub stopped_deliveries: u64,
    /// Bytes of a delivery that are judged again although nothing changed since they were refused.
    pub again: Option<Digest>,
}

/// A ruling that was settled: the cleared subject with the digest that the log proves.
pub(crate) struct Passed<S: Step> {
    pub(crate) cleared: gate::Cleared<S>,
}

impl<'a> Run<'a> {
    /// Begins a run in the current session.
    pub async fn begin(desk: &'a Desk, houses: &'a Houses, progress: &'a mut dyn Progress) -> Result<Self, PipelineError> {
        let session = desk.session().await?;
        let (id, started) = (random_hex(4)?, now());
        desk.control.start_run(&id, now_ms()).await.map_err(PipelineError::internal)?;
        Ok(Self { desk, houses, progress, session, id, started, stopped_deliveries: 0, again: None })
    }

    /// From a supplier's bytes to a deployed model: the diagram, top to bottom. `from` and `to` are places in [`STAGES`].
    /// Nothing is begun that the person may not do to its end.
    pub async fn refresh(&mut self, from: usize, to: usize) -> Result<Option<Deployed>, PipelineError> {
        for action in STAGE_ACTIONS.iter().take(to.saturating_add(1)).skip(from) {
            self.may(*action).await.map_err(|error| self.with_ways(error))?;
        }
        let releases = self.session.authorise(Action::Release, now());
        if to + 1 >= STAGES.len() && matches!(releases, Err(Denial::SecondFactorTooOld { .. })) {
            self.progress.warn(
                "deployment, at the end, wants a newer second factor than this session's: `stayward login --again` now and run again, or let it stop there, confirm, and `stayward deploy`",
            );
        }
        if from == 0 {
            self.feeds().await?; //                                                          s01  T1  who sent them? are they sane?
        }
        if to < 1 {
            return Ok(None);
        }
        let source = if from <= 1 { self.source().await? } else { self.known().await? }; //   s02  T1 T6  who may write what?
        if to < 2 {
            return Ok(None);
        }
        let labels = if from <= 2 { self.labels(&source).await? } else { self.known().await? }; //  s03  T6  who signed them?
        if to < 3 {
            return Ok(None);
        }
        let segments = if from <= 3 { self.segments(&source, &labels, from == 3).await? } else { self.known().await? }; //  s04  T1
        if to < 4 {
            return Ok(None);
        }
        let trained =
            if from <= 4 { self.training((&source, &labels, &segments), from == 4).await? } else { self.known().await? }; //  s05  T4 T5
        if to < 5 {
            return Ok(None);
        }
        let released = if from <= 5 { self.release(&trained).await? } else { self.known().await? }; //  s06 s07  T7 T4
        if to < 6 { Ok(None) } else { self.deploy(&released).await.map(Some) }
    }

    /// Whether the person of this run may do it: a component does the work, but somebody with the right must have asked for it.
    async fn may(&self, action: Action) -> Result<(), PipelineError> {
        match self.session.authorise(self.needed(action), now()) {
            // The factor is asked for when it comes to that: a run may take longer than a code is fresh.
            Err(Denial::SecondFactorTooOld { .. }) if action == Action::Release => Ok(()),
            _ => allow(&self.desk.project, &self.desk.identity, &self.session, self.needed(action)).await,
        }
    }

    /// In a one-person project who brings the data trains, too.
    fn needed(&self, action: Action) -> Action {
        let one_person = self.desk.project.policy.people.one_person;
        if one_person && matches!(action, Action::Segment | Action::Train) { Action::BringData } else { action }
    }

    /// A denial that names the part of the diagram that this person may run.
    fn with_ways(&self, error: PipelineError) -> PipelineError {
        let PipelineError::NotAllowed { why, help } = error else { return error };
        let mine = STAGE_ACTIONS.map(|action| matrix::any_allowed(&self.session.roles, self.needed(action)));
        let ways: Vec<String> = ways(mine).iter().map(|way| format!("`{way}`")).collect();
        if ways.is_empty() || mine.iter().all(|mine| *mine) {
            return PipelineError::NotAllowed { why, help };
        }
        let help = format!("{help}; `{}` may run {}", self.session.person, ways.join(" and "));
        PipelineError::NotAllowed { why, help }
    }

    /// Books how the run ended.
    pub async fn finish(&self, result: &Result<Option<Deployed>, PipelineError>) -> Result<(), PipelineError> {
        let state = match result {
            Ok(_) => RunState::Done,
            Err(PipelineError::Refused { .. }) => RunState::Refused,
            Err(PipelineError::Held { .. }) => RunState::Held,
            Err(_) => RunState::Failed,
        };
        let why = result.as_ref().err().map(|error| (error.to_string(), error.help()));
        let summary =
            serde_json::json!({ "why": why, "stopped_deliveries": self.stopped_deliveries, "person": self.session.person });
        self.desk.control.finish_run(&self.id, state, now_ms(), Some(&summary)).await.map_err(PipelineError::internal)
    }

    /// Judges a subject, writes the decision down, tells progress; an error when it does not come through.
    pub(crate) async fn pass<S: Step, F: Serialize>(
        &mut self,
        house: &gate::Gatehouse<S, F>,
        about: &str,
        (subject, facts): (S::Subject, &F),
        links: Links,
        rows: Rows,
    ) -> Result<Passed<S>, PipelineError> {
        match self.judge(house, about, (subject, facts), links, rows).await? {
            Outcome::Cleared(cleared) => Ok(Passed { cleared }),
            Outcome::Held(held) => {
                let (gate, finding) = held.findings.into_iter().next().unwrap_or(("", Finding::seen("held", "")));
                Err(PipelineError::Held { step: S::ID, gate: gate.to_owned(), finding, receipt: held.receipt })
            }
            Outcome::Refused { gate, finding, receipt } => {
                Err(PipelineError::Refused { step: S::ID, gate: gate.to_owned(), finding, receipt })
            }
            Outcome::Unrecorded(error) => Err(error.into()),
        }
    }

    /// The same, for a caller that goes on when the subject does not come through.
    pub(crate) async fn judge<S: Step, F: Serialize>(
        &mut self,
        house: &gate::Gatehouse<S, F>,
        about: &str,
        (subject, facts): (S::Subject, &F),
        links: Links,
        rows: Rows,
    ) -> Result<Outcome<S>, PipelineError> {
        let began = rows.began.unwrap_or_else(Instant::now);
        let mut recorder = Recorder::new(self.desk, about, links);
        let outcome = house.clear(subject, facts, &mut recorder);
        let (state, receipt, finding) = match &outcome {
            Outcome::Cleared(cleared) => (StepState::Pass, Some(cleared.receipt()), None),
            Outcome::Held(held) => {
                let first = held.findings.first().map(|(gate, finding)| ((*gate).to_owned(), finding.clone()));
                (StepState::Held, Some(&held.receipt), first)
            }
            Outcome::Refused { gate, finding, receipt } => {
                (StepState::Refused, Some(receipt), Some(((*gate).to_owned(), finding.clone())))
            }
            Outcome::Unrecorded(_) => (StepState::Refused, None, None),
        };
        let report = StepReport {
            step: S::ID.to_owned(),
            about: about.to_owned(),
            state,
            milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            rows_in: rows.came,
            rows_out: if state == StepState::Pass { rows.went } else { 0 },
            rows_quarantined: rows.held,
            evidence: receipt.map_or_else(String::new, |receipt| receipt.id.clone()),
            gates: recorder
                .last
                .iter()
                .flat_map(|ruling| &ruling.gates)
                .map(|ruled| GateReport { gate: ruled.gate.clone(), decision: ruled.decision })
                .collect(),
            finding,
            note: rows.note,
        };
        self.report(&report).await?;
        Ok(outcome)
    }

    pub(crate) async fn report(&mut self, report: &StepReport) -> Result<(), PipelineError> {
        self.progress.end(report);
        let ended_ms = now_ms();
        let step = NewRunStep {
            step: report.step.clone(),
            state: match report.state {
                StepState::Pass => Booked::Passed,
                StepState::Held => Booked::Held,
                StepState::Refused => Booked::Refused,
                StepState::Unchanged => Booked::Skipped,
            },
            started_ms: ended_ms.saturating_sub(i64::try_from(report.milliseconds).unwrap_or(0)),
            ended_ms,
            rows_in: report.rows_in,
            rows_out: report.rows_out,
            rows_quarantined: report.rows_quarantined,
            evidence: (!report.evidence.is_empty()).then(|| report.evidence.clone()),
            finding: Some(serde_json::to_value(report).map_err(PipelineError::internal)?),
        };
        self.desk.control.add_step(&self.id, &step).await.map(drop).map_err(PipelineError::internal)
    }
}

/// Rows and time of a report.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) came: u64,
    pub(crate) went: u64,
    pub(crate) held: u64,
    pub(crate) note: String,
    pub(crate) began: Option<Instant>,
}

/// The commands that run the stages somebody may run, each an unbroken part of the diagram.
fn ways(mine: [bool; STAGES.len()]) -> Vec<String> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for at in (0..mine.len()).filter(|at| mine.get(*at) == Some(&true)) {
        match parts.last_mut() {
            Some((_, to)) if *to + 1 == at => *to = at,
            Some(_) | None => parts.push((at, at)),
        }
    }
    let end = |option: &str, at: usize, left_out: usize| match STAGES.get(at) {
        Some(stage) if at != left_out => format!(" --{option} {stage}"),
        Some(_) | None => String::new(),
    };
    let way = |(from, to): (usize, usize)| format!("stayward run{}{}", end("from", from, 0), end("to", to, STAGES.len() - 1));
    parts.into_iter().map(way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_the_stages_of_each_role() {
        let check = |mine: [u8; 7], expected: &[&str]| assert_eq!(ways(mine.map(|one| one == 1)), expected);
        check([1, 1, 1, 0, 0, 1, 1], &["stayward run --to label-qa", "stayward run --from staging"]);
        check([0, 0, 0, 1, 1, 0, 0], &["stayward run --from segmentation --to training"]);
        check([0; 7], &[]);
    }
}
