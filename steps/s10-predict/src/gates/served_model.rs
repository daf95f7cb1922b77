//! Refuses to answer with a model that is not the deployed one: a rolled-back model must not go on answering (T4).

use artifact::{Predicting, Prediction};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct ServedModel;

impl Gate<Predicting, Facts> for ServedModel {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "served-model",
            clauses: &[Clause::AutomatedChecks],
            about: "refuses to answer with a model other than the one that the deployment record names",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, prediction: Prediction, facts: &Facts) -> Verdict<Prediction> {
        match facts.deployed {
            Some(deployed) if deployed == prediction.model => Pass(prediction),
            Some(deployed) => {
                let why = format!("model `{}` would answer, `{}` is deployed", prediction.model.short(), deployed.short());
                Refuse(Finding::seen(why, "restart `stayward serve`"))
            }
            None => Refuse(Finding::seen("no model is deployed", "deploy one with `stayward deploy`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::facts::prediction;

    #[test]
    fn the_deployed_model_passes() {
        assert!(ServedModel.judge(prediction(), &Facts::ordinary()).passes());
    }
    #[test]
    fn another_model_is_refused() {
        assert!(ServedModel.judge(prediction(), &Facts { deployed: Some(Digest::of(b"other")) }).refuses());
    }
    #[test]
    fn no_model_is_refused() {
        assert!(ServedModel.judge(prediction(), &Facts { deployed: None }).refuses());
    }
}
