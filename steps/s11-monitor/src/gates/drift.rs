//! Calls people when scores drift away from the reference that was fixed at release (T5).
//!
//! The evidence is a test martingale: by Ville's inequality it exceeds 1/alpha ever with probability at most alpha when nothing
//! drifts, however often one looks.

use artifact::{Monitoring, Window};
use gate::Verdict::{Hold, Pass};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Drift;

impl Gate<Monitoring, Facts> for Drift {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "score-drift",
            clauses: &[Clause::DriftDetection],
            about: "holds a window in which the evidence for drift of the scores exceeds the policy; blind to drift that leaves scores as they were",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, window: Window, facts: &Facts) -> Verdict<Window> {
        match facts.drift_evidence {
            None => Hold(
                window,
                Finding::inconclusive("drift could not be measured", "release a model with a reference: `stayward run`"),
            ),
            // Evidence that is not a number does not pass.
            Some(evidence) if evidence < facts.policy.drift_evidence_max => Pass(window),
            Some(evidence) => {
                let why = format!("the evidence that scores drifted is `{evidence:.0}` to 1");
                Hold(
                    window,
                    Finding::seen(why, "look at the inputs of the window, then train again with `stayward run` or roll back"),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::window;

    fn check(drift_evidence: Option<f64>) -> Verdict<Window> {
        Drift.judge(window(), &Facts { drift_evidence, ..Facts::ordinary() })
    }

    #[test]
    fn no_drift_passes() {
        assert!(check(Some(99.0)).passes());
    }
    #[test]
    fn drift_is_held() {
        assert!(check(Some(100.0)).holds());
        assert!(check(Some(f64::NAN)).holds());
    }
    #[test]
    fn unmeasured_is_held() {
        assert!(check(None).holds());
    }
}
