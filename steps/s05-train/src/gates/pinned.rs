//! Refuses a model that was trained with other hyperparameters, another policy or another program than agreed (T4).

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Pinned;

impl Gate<Training, Facts> for Pinned {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "training-pinned",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model whose hyperparameters are not those of stayward.toml, whose policy changed during the run, or whose environment is not this program's",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let Some(agreed) = facts.parameters_agreed else {
            let why = "the agreed hyperparameters could not be read";
            return Refuse(Finding::inconclusive(why, "mend `[train]` in stayward.toml"));
        };
        if candidate.parameters != agreed {
            let why = format!(
                "the model was trained with parameters `{}`, agreed are `{}`",
                candidate.parameters.short(),
                agreed.short()
            );
            return Refuse(Finding::seen(why, "train again with `stayward run --from training`"));
        }
        let (before, now) = facts.policy_digest;
        if before != now {
            let why = "stayward.toml was changed while the run was under way";
            return Refuse(Finding::seen(why, "find out who changed it, then run again"));
        }
        if facts.environment.is_empty() || facts.environment != facts.environment_agreed {
            let why =
                format!("the model was trained by `{:?}`, this program is `{:?}`", facts.environment, facts.environment_agreed);
            return Refuse(Finding::seen(why, "train again with this program"));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::facts::candidate;

    fn check(change: impl Fn(&mut Facts)) -> Verdict<Candidate> {
        let mut facts = Facts::ordinary();
        change(&mut facts);
        Pinned.judge(candidate(), &facts)
    }

    #[test]
    fn the_agreed_ones_pass() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn other_parameters_are_refused() {
        assert!(check(|facts| facts.parameters_agreed = Some(Digest::of(b"other"))).refuses());
    }
    #[test]
    fn unreadable_parameters_are_refused() {
        assert!(check(|facts| facts.parameters_agreed = None).refuses());
    }
    #[test]
    fn a_policy_that_changed_meanwhile_is_refused() {
        assert!(check(|facts| facts.policy_digest.1 = Digest::of(b"other")).refuses());
    }
    #[test]
    fn another_program_is_refused() {
        assert!(check(|facts| facts.environment = [("stayward".to_owned(), "0".to_owned())].into()).refuses());
        assert!(check(|facts| facts.environment.clear()).refuses());
    }
}
