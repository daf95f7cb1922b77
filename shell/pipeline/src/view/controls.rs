//! Every clause of the threat model with the gates that keep it and their last verdicts, or the reason why none does (T1 to T7).

use console::view::controls::{AisvsRef, ClauseGate, ClauseView, ControlsView, ThreatView};
use console::view::{Chrome, State};
use gate::{CLAUSES, Clause, EXCEPTIONS, Threat};

use super::lit::{Lit, lit, place_of, worst};
use crate::houses::Placed;
use crate::{Desk, Houses, PipelineError};

/// Levels of the requirements of OWASP AISVS 1.0 that clauses answer (files `1.0/en/0x10-C*.md` of its repository).
const AISVS_LEVELS: [(&str, u8); 28] = [
    ("C1.1.1", 1),
    ("C1.1.2", 2),
    ("C1.1.3", 2),
    ("C1.1.4", 2),
    ("C1.2.1", 1),
    ("C1.2.2", 2),
    ("C1.3.1", 2),
    ("C3.1.2", 2),
    ("C3.1.3", 2),
    ("C4.1.1", 1),
    ("C5.1.1", 3),
    ("C5.2.1", 2),
    ("C5.2.6", 3),
    ("C6.1.1", 1),
    ("C6.1.2", 1),
    ("C6.1.3", 2),
    ("C6.1.4", 2),
    ("C11.1.4", 2),
    ("C11.2.2", 1),
    ("C11.2.4", 2),
    ("C11.3.1", 1),
    ("C11.3.2", 2),
    ("C11.4.1", 2),
    ("C11.4.2", 2),
    ("C12.2.4", 2),
    ("C12.3.1", 1),
    ("C12.5.2", 1),
    ("C12.5.3", 2),
];

/// The Controls page. Measured attacks are not kept in a project, so there are none here.
///
/// # Errors
/// The control database, or the log itself, cannot be read.
pub async fn controls_view(desk: &Desk, houses: &Houses) -> Result<ControlsView, PipelineError> {
    let lit = lit(desk, houses).await?;
    let placed = houses.placed();
    let threat = |threat: Threat| ThreatView {
        id: format!("T{}", threat.number()),
        title: threat.title().to_owned(),
        clauses: CLAUSES
            .into_iter()
            .filter(|clause| clause.threat() == threat)
            .map(|clause| clause_view(clause, &placed, &lit))
            .collect(),
        attacks: Vec::new(),
    };
    Ok(ControlsView { chrome: Chrome::default(), threats: Threat::ALL.into_iter().map(threat).collect() })
}

fn clause_view(clause: Clause, placed: &[Placed], lit: &Lit) -> ClauseView {
    let keeps = placed.iter().filter(|placed| placed.card.clauses.contains(&clause));
    let gates: Vec<ClauseGate> = keeps
        .map(|placed| {
            let gate = lit.gate(placed);
            ClauseGate { id: gate.id, state: gate.state, evidence: gate.evidence, finding: gate.finding }
        })
        .collect();
    let exception = EXCEPTIONS.iter().find(|(excepted, _)| *excepted == clause);
    // A clause passes when every gate that keeps it has said so.
    let worst = worst(gates.iter().map(|gate| gate.state));
    let unasked = worst == State::Pass && gates.iter().any(|gate| gate.state == State::NotRun);
    let state = if unasked { State::NotRun } else { worst };
    ClauseView {
        id: clause.id().to_owned(),
        sentence: clause.sentence().to_owned(),
        place: place_of(clause.home()).unwrap_or_default(),
        gates,
        reason: exception.map_or_else(String::new, |(_, reason)| (*reason).to_owned()),
        aisvs: clause.aisvs().iter().map(|id| AisvsRef { id: (*id).to_owned(), level: level(id).unwrap_or_default() }).collect(),
        state,
    }
}

fn level(id: &str) -> Option<u8> {
    AISVS_LEVELS.iter().find(|(known, _)| *known == id).map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_has_its_level() {
        for id in CLAUSES.into_iter().flat_map(|clause| clause.aisvs()) {
            assert!(level(id).is_some(), "{id} has no level");
        }
    }

    #[test]
    fn every_clause_has_its_place() {
        for clause in CLAUSES {
            assert!(place_of(clause.home()).is_some(), "{} is nowhere", clause.id());
        }
    }
}
