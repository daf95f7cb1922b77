//! All gatehouses of the diagram. This is the only file that opens one (checks/tidy).

use artifact::{
    AnswerGuard, Content, Dependencies, Door, InputGuard, Labels, Monitoring, Predicting, QueryGuard, ReleaseStep, Segments,
    Source, Training,
};
use gate::{Card, Clause, Gate, Gatehouse, LedgerError, Ruling, Step};
use serde::Serialize;

use crate::PipelineError;

/// Every gatehouse, open.
pub struct Houses {
    /// s01 at the door.
    pub door: Gatehouse<Door, s01_intake::DoorFacts>,
    /// s01 behind the door.
    pub content: Gatehouse<Content, s01_intake::ContentFacts>,
    /// s02.
    pub source: Gatehouse<Source, s02_source::Facts>,
    /// s03.
    pub labels: Gatehouse<Labels, s03_label_qa::Facts>,
    /// s04.
    pub segments: Gatehouse<Segments, s04_segment::Facts>,
    /// s05.
    pub training: Gatehouse<Training, s05_train::Facts>,
    /// s06.
    pub dependencies: Gatehouse<Dependencies, s06_dependency::Facts>,
    /// s07.
    pub release: Gatehouse<ReleaseStep, s07_release::Facts>,
    /// s08 in.
    pub query: Gatehouse<QueryGuard, s08_api_guard::QueryFacts>,
    /// s09.
    pub input: Gatehouse<InputGuard, s09_input_guard::Facts>,
    /// s10.
    pub predicting: Gatehouse<Predicting, s10_predict::Facts>,
    /// s08 out.
    pub answer: Gatehouse<AnswerGuard, s08_api_guard::AnswerFacts>,
    /// s11.
    pub monitoring: Gatehouse<Monitoring, s11_monitor::Facts>,
}

/// A gate as the diagram lists it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Placed {
    /// The step's id.
    pub step: &'static str,
    /// The step's title.
    pub step_title: &'static str,
    /// The gate's card.
    pub card: &'static Card,
}

fn open<S: Step, F: Serialize>(gates: &'static [&'static dyn Gate<S, F>]) -> Result<Gatehouse<S, F>, PipelineError> {
    Gatehouse::open(gates).map_err(|clauses| {
        let names: Vec<&str> = clauses.into_iter().map(Clause::id).collect();
        PipelineError::Internal(format!("step `{}` does not open: no gate for {}", S::ID, names.join(", ")))
    })
}

fn place<S: Step, F: Serialize>(house: &Gatehouse<S, F>, out: &mut Vec<Placed>) {
    out.extend(house.gates().iter().map(|gate| Placed { step: S::ID, step_title: S::TITLE, card: gate.card() }));
}

impl Houses {
    /// Opens all of them; one that lacks a gate keeps the whole program shut.
    pub fn open() -> Result<Self, PipelineError> {
        Ok(Self {
            door: open(s01_intake::DOOR)?,
            content: open(s01_intake::CONTENT)?,
            source: open(s02_source::GATES)?,
            labels: open(s03_label_qa::GATES)?,
            segments: open(s04_segment::GATES)?,
            training: open(s05_train::GATES)?,
            dependencies: open(s06_dependency::GATES)?,
            release: open(s07_release::GATES)?,
            query: open(s08_api_guard::QUERY)?,
            input: open(s09_input_guard::GATES)?,
            predicting: open(s10_predict::GATES)?,
            answer: open(s08_api_guard::ANSWER)?,
            monitoring: open(s11_monitor::GATES)?,
        })
    }

    /// Every gate, in the order of the diagram.
    pub fn placed(&self) -> Vec<Placed> {
        let mut out = Vec::new();
        place(&self.door, &mut out);
        place(&self.content, &mut out);
        place(&self.source, &mut out);
        place(&self.labels, &mut out);
        place(&self.segments, &mut out);
        place(&self.training, &mut out);
        place(&self.dependencies, &mut out);
        place(&self.release, &mut out);
        place(&self.query, &mut out);
        place(&self.input, &mut out);
        place(&self.predicting, &mut out);
        place(&self.answer, &mut out);
        place(&self.monitoring, &mut out);
        out
    }

    /// Judges archived subject and facts of a step again.
    pub fn replay(&self, logged: &Ruling, subject: &[u8], facts: &[u8]) -> Result<Ruling, LedgerError> {
        match logged.step.as_str() {
            Door::ID => self.door.replay(logged, subject, facts),
            Content::ID => self.content.replay(logged, subject, facts),
            Source::ID => self.source.replay(logged, subject, facts),
            Labels::ID => self.labels.replay(logged, subject, facts),
            Segments::ID => self.segments.replay(logged, subject, facts),
            Training::ID => self.training.replay(logged, subject, facts),
            Dependencies::ID => self.dependencies.replay(logged, subject, facts),
            ReleaseStep::ID => self.release.replay(logged, subject, facts),
            QueryGuard::ID => self.query.replay(logged, subject, facts),
            InputGuard::ID => self.input.replay(logged, subject, facts),
            Predicting::ID => self.predicting.replay(logged, subject, facts),
            AnswerGuard::ID => self.answer.replay(logged, subject, facts),
            Monitoring::ID => self.monitoring.replay(logged, subject, facts),
            other => Err(LedgerError(format!("there is no step `{other}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_house_opens_and_card_ids_are_unique() {
        let placed = Houses::open().unwrap().placed();
        let ids: std::collections::BTreeSet<_> = placed.iter().map(|placed| placed.card.id).collect();
        assert_eq!(ids.len(), placed.len());
    }
}
