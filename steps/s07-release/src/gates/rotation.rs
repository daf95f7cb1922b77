//! Refuses to release with a credential past its time: a leaked key must not be good forever (T4).

use artifact::{Release, ReleaseStep};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{Credential, CredentialKind, Facts};

pub(crate) struct Rotation;

impl Gate<ReleaseStep, Facts> for Rotation {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "credential-rotation",
            clauses: &[Clause::CredentialRotation],
            about: "refuses a release while a key, secret or token is older than the policy allows, or a rotation stays unfinished",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, release: Release, facts: &Facts) -> Verdict<Release> {
        if facts.credentials.is_empty() {
            return Refuse(Finding::inconclusive("the age of no credential is known", "check the vault with `stayward doctor`"));
        }
        let unknown = facts.credentials.iter().find(|credential| credential.kind == CredentialKind::Unknown);
        if let Some(store) = unknown {
            let why = format!("{} does not say how old the secrets in it are", store.name);
            return Refuse(Finding::inconclusive(why, "see what it answers with `stayward vault check`"));
        }
        let stale = facts.credentials.iter().find(|credential| !(0..=credential.age_days_max).contains(&credential.age_days));
        let Some(stale) = stale else { return Pass(release) };
        let (age, most) = (stale.age_days, stale.age_days_max);
        let what = match stale.kind {
            CredentialKind::Pending => "the unfinished rotation of ",
            CredentialKind::Component => "the token of component ",
            CredentialKind::Api => "API key ",
            CredentialKind::Supplier => "the supplier's key ",
            CredentialKind::Signing | CredentialKind::Secret | CredentialKind::Unknown => "",
        };
        Refuse(Finding::seen(format!("{what}`{}` is `{age}` days old, `{most}` are allowed", stale.name), way_out(stale)))
    }
}

/// How this credential is made new.
fn way_out(stale: &Credential) -> String {
    let name = &stale.name;
    match stale.kind {
        CredentialKind::Signing | CredentialKind::Secret | CredentialKind::Unknown => {
            format!("make it new with `stayward vault rotate {name}`")
        }
        CredentialKind::Pending => {
            format!("finish it with `stayward vault rotate {name}`, or drop it with `stayward vault rotate {name} --discard`")
        }
        CredentialKind::Component => {
            "start the component again; it gets a fresh token, and see that the clock is right".to_owned()
        }
        CredentialKind::Api => format!("give its caller a new one with `stayward api key rotate {name}`"),
        CredentialKind::Supplier => {
            format!(
                "trust the supplier's new key with `stayward feed trust`, and revoke this one with `stayward feed revoke {name}`"
            )
        }
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
    fn kind(kind: CredentialKind, age_days: i64) -> Verdict<Release> {
        let mut facts = Facts::ordinary();
        facts.credentials.push(Credential { name: "other".into(), age_days, age_days_max: 1, kind });
        Rotation.judge(release(), &facts)
    }
    #[test]
    fn every_kind_is_judged_and_has_a_way_out() {
        use CredentialKind as K;
        for one in [K::Signing, K::Secret, K::Pending, K::Component, K::Api, K::Supplier] {
            assert!(kind(one, 1).passes(), "{one:?}");
            let Refuse(finding) = kind(one, 2) else { panic!("{one:?} of two days passes") };
            assert!(finding.why.contains("`other` is `2` days old"), "{}", finding.why);
            assert!(finding.help.contains('`') || one == K::Component, "{}", finding.help);
        }
    }
    #[test]
    fn a_store_that_does_not_answer_is_refused() {
        assert!(kind(CredentialKind::Unknown, 0).refuses());
    }
    #[test]
    fn unknown_keys_are_refused() {
        assert!(Rotation.judge(release(), &Facts { credentials: Vec::new(), ..Facts::ordinary() }).refuses());
    }
}
