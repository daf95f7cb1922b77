//! Refuses a model that decides otherwise than the serving one for too many of the same frozen customers (T4, T6): a swapped or bent
//! model can have the same AUC and other answers.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{Canary, Facts};

pub(crate) struct CanaryFlips;

impl Gate<Training, Facts> for CanaryFlips {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "canary-flips",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model that turns the decisions on a frozen set of customers, compared with the serving model, beyond the policy's share",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        match &facts.measured.canary {
            Canary::First | Canary::Renewed | Canary::Unfrozen => (),
            Canary::Compared { rows, released, caught } => {
                #[expect(clippy::cast_precision_loss, reason = "counts of frozen customers are small")]
                let share = (released + caught) as f64 / *rows as f64;
                if !(share <= facts.policy.canary_flips_max) {
                    let why = format!(
                        "of `{rows}` frozen customers `{released}` are no longer flagged and `{caught}` newly are, `{:.0}` % may change",
                        facts.policy.canary_flips_max * 100.0
                    );
                    let help = "look at what changed in data and labels (`stayward model show`); the limit is `quality.canary_flips_max` in stayward.toml";
                    return Refuse(Finding::seen(why, help));
                }
            }
            Canary::Broken(why) => {
                let why = format!("the decisions of the serving model cannot be compared: {why}");
                let help = "after a change of columns set `quality.canary = \"renew\"` in stayward.toml for one training";
                return Refuse(Finding::seen(why, help));
            }
            Canary::Unknown => {
                return Refuse(Finding::seen("no frozen customers were tried", "train again with `stayward train`"));
            }
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Measured;
    use crate::facts::candidate;

    fn check(canary: Canary) -> Verdict<Candidate> {
        let measured = Measured { canary, ..Measured::ordinary() };
        CanaryFlips.judge(candidate(), &Facts { measured, ..Facts::ordinary() })
    }

    #[test]
    fn few_changes_pass_and_so_does_the_first_model() {
        assert!(check(Canary::Compared { rows: 500, released: 40, caught: 40 }).passes());
        assert!(check(Canary::First).passes());
    }

    #[test]
    fn many_changes_and_none_that_could_be_counted_are_refused() {
        assert!(check(Canary::Compared { rows: 500, released: 150, caught: 0 }).refuses());
        assert!(check(Canary::Compared { rows: 0, released: 0, caught: 0 }).refuses());
        assert!(check(Canary::Broken("a column is gone".into())).refuses());
        assert!(check(Canary::Unknown).refuses());
    }
}
