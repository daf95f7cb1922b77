//! Refuses a model that remembers its people (T2): whoever may ask it about somebody learns whether that person was trained on.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

/// Whose scores are served.
const SERVED: &str = "vote";

pub(crate) struct MemoryGate;

impl Gate<Training, Facts> for MemoryGate {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "model-memory",
            clauses: &[Clause::PinnedTraining],
            about: "refuses settings whose models let the best of several membership attacks find too many of their people at one false alarm in a thousand; a measurement, no guarantee",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let Some(memory) = facts.measured.memory.iter().find(|memory| memory.member == SERVED) else {
            return Refuse(Finding::seen("what the vote remembers was not measured", "train again with `stayward train`"));
        };
        if !(memory.tpr_high <= facts.policy.memory_tpr_max) {
            let seen = memory.tpr.map_or_else(
                || format!("`{}` rows are too few to measure one false alarm in a thousand", memory.rows),
                |tpr| {
                    format!(
                        "{} finds `{:.2}` % of the people trained on at one false alarm in a thousand (up to `{:.2}` %, which counts)",
                        memory.attack,
                        tpr * 100.0,
                        memory.tpr_high * 100.0
                    )
                },
            );
            let why = format!("{seen}; `{:.2}` % are allowed", facts.policy.memory_tpr_max * 100.0);
            if memory.tpr.is_none() {
                return Refuse(Finding::inconclusive(why, "bring more labelled customers: some 330 are needed to measure it"));
            }
            let help = "set `base = \"guarded\"` under `[train]` in stayward.toml, or `balanced`, then train again; the limit is `quality.memory_tpr_max`";
            return Refuse(Finding::seen(why, help));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::candidate;
    use crate::{Measured, Memory};

    fn check(change: impl Fn(&mut Memory)) -> Verdict<Candidate> {
        let mut facts = Facts::ordinary();
        facts.measured.memory.iter_mut().for_each(&change);
        MemoryGate.judge(candidate(), &facts)
    }

    #[test]
    fn a_model_that_forgets_passes() {
        assert!(check(|_| ()).passes());
    }

    #[test]
    fn a_model_that_remembers_is_refused() {
        assert!(check(|memory| memory.tpr_high = 0.09).refuses());
        assert!(check(|memory| (memory.tpr, memory.tpr_high) = (None, 1.0)).refuses());
        assert!(check(|memory| memory.tpr_high = f64::NAN).refuses());
    }

    #[test]
    fn what_was_not_measured_is_refused() {
        assert!(check(|memory| memory.member = "forest".into()).refuses());
        assert!(
            MemoryGate
                .judge(
                    candidate(),
                    &Facts { measured: Measured { memory: Vec::new(), ..Measured::ordinary() }, ..Facts::ordinary() }
                )
                .refuses()
        );
    }
}
