//! Refuses a model that is not good enough on rows it never saw: sabotage of labels or data shows here when it shows nowhere else (T4).

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Floor;

impl Gate<Training, Facts> for Floor {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "model-floor",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model whose vote is below the policy's AUC or above its Brier score on the test folds; blind to a backdoor in few rows",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let (figures, policy) = (&candidate.figures, &facts.policy);
        // Figures that are not numbers do not pass.
        if !(figures.auc >= policy.auc_min) {
            let why = format!("the vote reaches AUC `{:.3}`, `{:.3}` is needed", figures.auc, policy.auc_min);
            return Refuse(Finding::seen(why, "look at data and labels first; the floor is `train.auc_min` in stayward.toml"));
        }
        if !(figures.brier <= policy.brier_max) {
            let why = format!("the vote's Brier score is `{:.3}`, `{:.3}` is allowed", figures.brier, policy.brier_max);
            return Refuse(Finding::seen(why, "turn calibration on under `[train]` in stayward.toml"));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use artifact::Figures;

    use super::*;
    use crate::facts::candidate;

    fn check(change: impl Fn(&mut Figures)) -> Verdict<Candidate> {
        let mut candidate = candidate();
        change(&mut candidate.figures);
        Floor.judge(candidate, &Facts::ordinary())
    }

    #[test]
    fn a_good_model_passes() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn a_poor_one_is_refused() {
        assert!(check(|figures| figures.auc = 0.64).refuses());
        assert!(check(|figures| figures.auc = f64::NAN).refuses());
    }
    #[test]
    fn a_badly_calibrated_one_is_refused() {
        assert!(check(|figures| figures.brier = 0.26).refuses());
    }
}
