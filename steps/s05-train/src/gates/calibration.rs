//! Refuses a model whose probabilities promise what does not come true (T4): it may rank well, and still send the wrong offers.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct CalibrationGate;

impl Gate<Training, Facts> for CalibrationGate {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "model-calibration",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model whose votes differ from the shares that came true on rows it had not seen, beyond what chance explains",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let audit = match facts.audited() {
            Ok(audit) => audit,
            Err(finding) => return Refuse(finding),
        };
        if !(audit.calibration_error <= facts.policy.calibration_max) {
            let why = format!(
                "votes are off by `{:.3}` from the shares that came true, `{:.3}` is allowed",
                audit.calibration_error, facts.policy.calibration_max
            );
            return Refuse(Finding::seen(
                why,
                "set `calibration = \"isotonic\"` under `[train]` in stayward.toml, then train again",
            ));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Audit;
    use crate::facts::judge_audited;

    fn check(change: impl Fn(&mut Audit)) -> Verdict<Candidate> {
        judge_audited(&CalibrationGate, change)
    }

    #[test]
    fn an_ordinary_one_passes() {
        assert!(check(|_| ()).passes());
    }

    #[test]
    fn votes_that_promise_wrongly_are_refused() {
        assert!(check(|audit| audit.calibration_error = 0.13).refuses());
        assert!(check(|audit| audit.calibration_error = f64::NAN).refuses());
    }
}
