//! Holds labels until enough different people signed exactly this version: one insider alone changes nothing (T6).

use std::collections::BTreeSet;

use artifact::{LabelSet, Labels};
use gate::Verdict::{Hold, Pass};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct SignOff;

impl Gate<Labels, Facts> for SignOff {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-sign-off",
            clauses: &[Clause::SignOff],
            about: "holds labels until as many different approvers as the policy asks signed exactly this digest with a second factor; the author's own signature counts only where the policy says so",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let policy = &facts.policy;
        let people: BTreeSet<&str> = facts
            .approvals
            .iter()
            .filter(|approval| approval.content == labels.content && approval.may_approve && approval.second_factor)
            .filter(|approval| policy.author_may_approve || approval.person != labels.author)
            .map(|approval| approval.person.as_str())
            .collect();
        let needed = usize::try_from(policy.approvals_needed.max(1)).unwrap_or(usize::MAX);
        if people.len() >= needed {
            return Pass(labels);
        }
        let why = format!("`{}` of `{needed}` people signed label version `{}`", people.len(), labels.version);
        let help = if policy.author_may_approve { "" } else { " (not its author)" };
        Hold(labels, Finding::seen(why, format!("have an approver{help} run `stayward label approve`")))
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::Approval;
    use crate::facts::labels;

    fn check(change: impl Fn(&mut Vec<Approval>)) -> Verdict<LabelSet> {
        let mut facts = Facts::ordinary();
        change(&mut facts.approvals);
        SignOff.judge(labels(), &facts)
    }

    #[test]
    fn two_people_pass() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn one_person_is_held() {
        assert!(check(|approvals| approvals.truncate(1)).holds());
    }
    #[test]
    fn the_same_person_twice_is_held() {
        assert!(check(|approvals| approvals[1].person = approvals[0].person.clone()).holds());
    }
    #[test]
    fn the_author_does_not_count() {
        assert!(check(|approvals| approvals[1].person = "ann".into()).holds());
    }
    #[test]
    fn the_author_counts_where_the_policy_says_so() {
        let mut facts = Facts::ordinary();
        facts.policy.author_may_approve = true;
        facts.approvals[1].person = "ann".into();
        assert!(SignOff.judge(labels(), &facts).passes());
    }
    #[test]
    fn somebody_without_the_right_does_not_count() {
        assert!(check(|approvals| approvals[1].may_approve = false).holds());
    }
    #[test]
    fn a_signature_without_second_factor_does_not_count() {
        assert!(check(|approvals| approvals[1].second_factor = false).holds());
    }
    #[test]
    fn a_signature_on_another_version_does_not_count() {
        assert!(check(|approvals| approvals[1].content = Digest::of(b"before the change")).holds());
    }
    #[test]
    fn no_policy_can_ask_for_nobody() {
        let mut facts = Facts::ordinary();
        (facts.policy.approvals_needed, facts.approvals) = (0, Vec::new());
        assert!(SignOff.judge(labels(), &facts).holds());
    }
}
