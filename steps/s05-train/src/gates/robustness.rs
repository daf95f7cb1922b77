//! Refuses a model that an outsider turns too easily with what the contract lets him change (T5): a proven floor for the booster, and
//! attackers on the whole vote that no training knows.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Robust;

impl Gate<Training, Facts> for Robust {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "model-robustness",
            clauses: &[Clause::AdversarialTraining],
            about: "refuses settings whose booster, trained on all rows but those of one fold, is certified for too small a share of these, or whose vote is turned for too many, within what the contract lets outsiders change; passes all where that is nothing",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let Some(robustness) = &facts.measured.robustness else {
            return Refuse(Finding::seen("the model was not attacked", "train again with `stayward train`"));
        };
        // The contract says that nobody outside can change a number: there is nothing to attack.
        if robustness.columns.is_empty() {
            return Pass(candidate);
        }
        let help = "raise `harden.auc_loss_max`, or lower the limits `quality.certified_min` and `quality.evasion_max`, in stayward.toml";
        if !(robustness.certified >= facts.policy.certified_min) {
            let why = format!(
                "by moves of `{:.0}` % of a column's range the booster keeps a balanced accuracy of `{:.3}` for certain, `{:.3}` is needed",
                robustness.eps * 100.0,
                robustness.certified,
                facts.policy.certified_min
            );
            return Refuse(Finding::seen(why, help));
        }
        // The floor must hold against the best of them; the share, for its interval hangs on how many rows could be tried.
        #[expect(clippy::cast_precision_loss, reason = "counts of attacked rows are small")]
        let share = |won: u64, tried: u64| won as f64 / tried as f64;
        let won = robustness.evasions.iter().find(|found| !(share(found.won, found.tried) <= facts.policy.evasion_max));
        if let Some(found) = won {
            let why = format!(
                "who knows the {} turns `{}` of `{}` right answers of the vote, `{:.0}` % may be turned",
                found.knows,
                found.won,
                found.tried,
                facts.policy.evasion_max * 100.0
            );
            return Refuse(Finding::seen(why, help));
        }
        if robustness.evasions.is_empty() {
            return Refuse(Finding::seen("the vote was not attacked", "train again with `stayward train`"));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::candidate;
    use crate::{Measured, Robustness};

    fn check(change: impl Fn(&mut Robustness)) -> Verdict<Candidate> {
        let mut facts = Facts::ordinary();
        facts.measured.robustness.iter_mut().for_each(&change);
        Robust.judge(candidate(), &facts)
    }

    #[test]
    fn an_ordinary_one_passes_and_one_that_was_not_attacked_does_not() {
        assert!(check(|_| ()).passes());
        assert!(check(|found| found.evasions.clear()).refuses());
        assert!(
            Robust
                .judge(
                    candidate(),
                    &Facts { measured: Measured { robustness: None, ..Measured::ordinary() }, ..Facts::ordinary() }
                )
                .refuses()
        );
    }

    #[test]
    fn where_nothing_can_be_moved_nothing_is_needed() {
        assert!(check(|found| *found = Robustness::default()).passes());
    }

    #[test]
    fn a_booster_that_is_turned_for_certain_too_often_is_refused() {
        assert!(check(|found| found.certified = 0.2).refuses());
        assert!(check(|found| found.certified = f64::NAN).refuses());
    }

    #[test]
    fn a_vote_that_is_turned_too_often_is_refused() {
        assert!(check(|found| found.evasions.iter_mut().for_each(|found| found.won = 95)).refuses());
        assert!(check(|found| found.evasions.iter_mut().for_each(|found| (found.won, found.tried) = (0, 0))).refuses());
    }
}
