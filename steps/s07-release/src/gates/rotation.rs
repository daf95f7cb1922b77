//! Refuses to release with a credential past its time: a leaked key must not be good forever (T4).

use artifact::{Release, ReleaseStep};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{CredentialKind, Facts};

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
        let mut overdue = facts.credentials.iter().filter(|credential| credential.overdue());
        let Some(first) = overdue.clone().next() else { return Pass(release) };
        // What nobody knows comes before what is too old.
        match overdue.find(|credential| credential.kind == CredentialKind::Unknown) {
            Some(store) => Refuse(Finding::inconclusive(store.why(), store.way_out())),
            None => Refuse(Finding::seen(first.why(), first.way_out())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credential;
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
        facts.credentials.push(Credential { name: "other".into(), age_days, age_days_max: 1, kind, unknown: String::new() });
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
    fn what_a_store_said_is_told() {
        let mut facts = Facts::ordinary();
        let unknown = "OpenBao does not allow this".to_owned();
        let name = "OpenBao".to_owned();
        facts.credentials[0].age_days = 91;
        facts.credentials.push(Credential { name, age_days: 0, age_days_max: 0, kind: CredentialKind::Unknown, unknown });
        let Refuse(finding) = Rotation.judge(release(), &facts) else { panic!("a store of unknown age passes") };
        assert!(finding.why.contains("does not allow") && finding.help.contains("vault check"), "{}", finding.why);
    }
    #[test]
    fn the_gate_refuses_exactly_what_is_overdue() {
        use CredentialKind as K;
        for one in [K::Signing, K::Secret, K::Pending, K::Component, K::Api, K::Supplier, K::Unknown] {
            for age_days in [i64::MIN, -1, 0, 1, 2, i64::MAX] {
                let credential =
                    Credential { name: "other".into(), age_days, age_days_max: 1, kind: one, unknown: String::new() };
                assert_eq!(credential.overdue(), kind(one, age_days).refuses(), "{one:?} {age_days}");
            }
        }
    }
    #[test]
    fn unknown_keys_are_refused() {
        assert!(Rotation.judge(release(), &Facts { credentials: Vec::new(), ..Facts::ordinary() }).refuses());
    }
}
