//! Refuses to release under rules of access of which it is not proved that no request breaks what must hold: one careless line in
//! a project's rules can open the data source to everybody, and reads well (T1, T4, T6).

use artifact::{Release, ReleaseStep};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

/// What a project gives up in the open that lets authors sign what they proposed themselves.
const OWN_PROPOSALS: [&str; 2] = ["nobody-signs-own-labels", "nobody-releases-own-rows"];

pub(crate) struct AccessProved;

impl Gate<ReleaseStep, Facts> for AccessProved {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "access-proved",
            clauses: &[Clause::LeastPrivilege],
            about: "refuses a release unless every property of the rules of access in force is proved for all requests",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, release: Release, facts: &Facts) -> Verdict<Release> {
        let help = "prove the rules with `stayward access prove`, which needs the solver cvc5";
        let Some(access) = &facts.access else {
            return Refuse(Finding::inconclusive("nothing is known of the rules of access", help));
        };
        let Some(proof) = &access.proof else {
            return Refuse(Finding::inconclusive("nothing is proved of the project's rules of access", help));
        };
        if proof.policies != access.policies || proof.properties != access.properties {
            return Refuse(Finding::inconclusive("what is proved is about other rules of access than those in force", help));
        }
        let excepted = |property: &&String| !(access.own_labels && OWN_PROPOSALS.contains(&property.as_str()));
        let broken: Vec<&str> = proof.broken.iter().filter(excepted).map(String::as_str).collect();
        if !broken.is_empty() {
            let why = format!("the rules of access break `{}`", broken.join("`, `"));
            return Refuse(Finding::seen(why, "see the request and the rule that lets it through with `stayward access prove`"));
        }
        if !proof.unproved.is_empty() {
            let why = format!("of the rules of access `{}` is not proved", proof.unproved.join("`, `"));
            return Refuse(Finding::inconclusive(why, help));
        }
        Pass(release)
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::facts::release;
    use crate::{AccessFacts, AccessProof};

    fn with(edit: impl FnOnce(&mut AccessFacts, &mut AccessProof)) -> Facts {
        let mut facts = Facts::ordinary();
        let mut access = facts.access.take().unwrap();
        let mut proof = access.proof.take().unwrap();
        edit(&mut access, &mut proof);
        Facts { access: Some(AccessFacts { proof: Some(proof), ..access }), ..facts }
    }

    fn refuses(facts: &Facts, why: &str) {
        match AccessProved.judge(release(), facts) {
            Refuse(finding) => assert!(finding.why.contains(why), "{}", finding.why),
            Pass(_) | Verdict::Hold(..) => panic!("passes"),
        }
    }

    #[test]
    fn proved_rules_pass() {
        assert!(AccessProved.judge(release(), &Facts::ordinary()).passes());
    }
    #[test]
    fn what_is_not_proved_is_refused() {
        refuses(&Facts { access: None, ..Facts::ordinary() }, "nothing is known");
        let mut facts = Facts::ordinary();
        facts.access.as_mut().unwrap().proof = None;
        refuses(&facts, "nothing is proved");
        refuses(&with(|_, proof| proof.unproved.push("a".into())), "not proved");
    }
    #[test]
    fn a_counterexample_is_refused_also_where_authors_sign() {
        refuses(&with(|_, proof| proof.broken.push("keys-only-ask".into())), "keys-only-ask");
        refuses(&with(|_, proof| proof.broken.push(OWN_PROPOSALS[0].into())), OWN_PROPOSALS[0]);
        let both = with(|access, proof| {
            access.own_labels = true;
            proof.broken = vec!["keys-only-ask".into(), OWN_PROPOSALS[0].into()];
        });
        refuses(&both, "keys-only-ask");
    }
    #[test]
    fn what_a_project_gives_up_in_the_open_passes() {
        let facts = with(|access, proof| {
            access.own_labels = true;
            proof.broken = OWN_PROPOSALS.map(str::to_owned).into();
        });
        assert!(AccessProved.judge(release(), &facts).passes());
    }
    #[test]
    fn a_proof_of_other_rules_or_properties_is_refused() {
        refuses(&with(|_, proof| proof.policies = Digest::of(b"other")), "other rules");
        refuses(&with(|_, proof| proof.properties = Digest::of(b"other")), "other rules");
    }
}
