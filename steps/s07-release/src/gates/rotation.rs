//! Refuses to release with a credential past its time: a leaked key must not be good forever (T4).

use artifact::{Release, ReleaseStep};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Rotation;

impl Gate<ReleaseStep, Facts> for Rotation {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "credential-rotation",
            clauses: &[Clause::CredentialRotation],
            about: "refuses a release while any key of the pipeline is older than the policy allows",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, release: Release, facts: &Facts) -> Verdict<Release> {
        if facts.credentials.is_empty() {
            return Refuse(Finding::inconclusive("the age of no credential is known", "check the vault with `stayward doctor`"));
        }
        let stale = facts.credentials.iter().find(|credential| !(0..=credential.age_days_max).contains(&credential.age_days));
        let Some(stale) = stale else { return Pass(release) };
        let why = format!("`{}` is `{}` days old, `{}` are allowed", stale.name, stale.age_days, stale.age_days_max);
        Refuse(Finding::seen(why, format!("make it new with `stayward vault rotate {}`", stale.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::release;

    fn check(age_days: i64) -> Verdict<Release> {
        let mut facts = Facts::ordinary();
        facts.credentials[0].age_days = age_days;
        Rotation.judge(release(), &facts)
    }

    #[test]
    fn a_fresh_key_passes() {
        assert!(check(90).passes());
    }
    #[test]
    fn a_stale_key_is_refused() {
        assert!(check(91).refuses());
    }
    #[test]
    fn a_key_from_the_future_is_refused() {
        assert!(check(-1).refuses());
    }
    #[test]
    fn unknown_keys_are_refused() {
        assert!(Rotation.judge(release(), &Facts { credentials: Vec::new(), ..Facts::ordinary() }).refuses());
    }
}
