//! Refuses a release unless the log proves every check that had to come before: nobody deploys around the pipeline (T4).

use artifact::{Release, ReleaseStep};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

/// Steps that every release must have passed.
const STEPS_NEEDED: [&str; 2] = ["s05-training", "s06-dependencies"];

pub(crate) struct ChecksComplete;

impl Gate<ReleaseStep, Facts> for ChecksComplete {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "release-checks",
            clauses: &[Clause::AutomatedChecks],
            about: "refuses a release unless the log proves that exactly this model and exactly these parts passed training and dependency security",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, release: Release, facts: &Facts) -> Verdict<Release> {
        for step in STEPS_NEEDED {
            let proved = facts.proofs.iter().any(|proof| proof.step == step && proof.cleared == Some(proof.expected));
            if !proved {
                let why = format!("the log does not prove that this release passed `{step}`");
                return Refuse(Finding::seen(why, "run the pipeline with `stayward run`"));
            }
        }
        Pass(release)
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::facts::release;

    #[test]
    fn a_checked_release_passes() {
        assert!(ChecksComplete.judge(release(), &Facts::ordinary()).passes());
    }
    #[test]
    fn an_unchecked_one_is_refused() {
        let mut facts = Facts::ordinary();
        facts.proofs.pop();
        assert!(ChecksComplete.judge(release(), &facts).refuses());
    }
    #[test]
    fn a_check_of_something_else_is_refused() {
        let mut facts = Facts::ordinary();
        facts.proofs[0].cleared = Some(Digest::of(b"other"));
        assert!(ChecksComplete.judge(release(), &facts).refuses());
    }
}
