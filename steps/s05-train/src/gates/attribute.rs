//! Refuses a model whose answers tell what is sensitive about its people (T2), beyond what anybody guesses without it.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct AttributeGate;

impl Gate<Training, Facts> for AttributeGate {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "attribute-inference",
            clauses: &[Clause::PinnedTraining],
            about: "refuses settings whose models' answers help to guess a sensitive column of their people far better than all else about a person does; passes all where no column is declared sensitive",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let limit = facts.policy.attribute_gain_max;
        for found in &facts.measured.attributes {
            let (mean, error) = found.gain;
            let why = format!(
                "answers lift the AUC of guessing `{}` = `{}` by `{mean:.3}` ± `{error:.3}` over `{:.3}` without the model; `{limit:.3}` is allowed",
                found.column, found.level, found.imputation
            );
            if !(mean <= limit) {
                let help = "set the column's role to `ignore` in contract.toml, or `base = \"guarded\"` under `[train]` in stayward.toml, then train again";
                return Refuse(Finding::seen(why, help));
            }
            // What may as well be twice the limit was not measured.
            if !(error <= limit) {
                return Refuse(Finding::inconclusive(
                    why,
                    "bring more labelled customers, or raise `quality.attribute_gain_max`",
                ));
            }
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::candidate;
    use crate::{AttributeGain, Measured};

    fn check(gain: (f64, f64)) -> Verdict<Candidate> {
        let found = AttributeGain { column: "gender".into(), level: "f".into(), imputation: 0.52, gain };
        let measured = Measured { attributes: vec![found], ..Measured::ordinary() };
        AttributeGate.judge(candidate(), &Facts { measured, ..Facts::ordinary() })
    }

    #[test]
    fn what_anybody_guesses_passes_and_what_the_model_tells_does_not() {
        assert!(AttributeGate.judge(candidate(), &Facts::ordinary()).passes());
        assert!(check((0.01, 0.01)).passes());
        assert!(check((0.03, 0.01)).refuses());
        assert!(check((0.01, 0.03)).refuses());
        assert!(check((f64::NAN, 0.01)).refuses());
        assert!(check((0.06, f64::NAN)).refuses());
    }
}
