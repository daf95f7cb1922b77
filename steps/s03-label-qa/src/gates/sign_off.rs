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
            about: "holds labels until as many different approvers as the policy asks signed exactly this digest with a second factor; the author's own signature counts only where the policy says so, and signatures of the author's team do not where it says so",
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
            .filter(|approval| !policy.other_team || apart(&approval.team, &facts.author_team))
            .map(|approval| approval.person.as_str())
            .collect();
        let needed = usize::try_from(policy.approvals_needed.max(1)).unwrap_or(usize::MAX);
        if people.len() >= needed {
            return Pass(labels);
        }
        let why = format!("`{}` of `{needed}` people signed label version `{}`", people.len(), labels.version);
        let help = match (policy.author_may_approve, policy.other_team) {
            (_, true) => " of another team than its author's",
            (true, false) => "",
            (false, false) => " (not its author)",
        };
        let list = "`stayward label ls` shows who signed and who may";
        Hold(labels, Finding::seen(why, format!("have an approver{help} run `stayward label approve`; {list}")))
    }
}

/// Whether two teams are known and are not the same.
pub(super) fn apart(team: &str, other: &str) -> bool {
    !team.is_empty() && !other.is_empty() && team != other
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
    fn by_teams(teams: [&str; 2], author_team: &str) -> Verdict<LabelSet> {
        let mut facts = Facts { author_team: author_team.into(), ..Facts::ordinary() };
        facts.policy.other_team = true;
        facts.approvals.iter_mut().zip(teams).for_each(|(approval, team)| approval.team = team.into());
        SignOff.judge(labels(), &facts)
    }
    #[test]
    fn other_teams_pass_where_the_policy_asks_for_them() {
        assert!(by_teams(["risk", "audit"], "crm").passes());
        assert!(by_teams(["risk", "risk"], "crm").passes());
    }
    #[test]
    fn the_authors_team_does_not_count() {
        assert!(by_teams(["risk", "crm"], "crm").holds());
    }
    #[test]
    fn a_team_that_is_not_known_does_not_count() {
        assert!(by_teams(["risk", ""], "crm").holds());
        assert!(by_teams(["risk", "audit"], "").holds());
    }
    #[test]
    fn no_policy_can_ask_for_nobody() {
        let mut facts = Facts::ordinary();
        (facts.policy.approvals_needed, facts.approvals) = (0, Vec::new());
        assert!(SignOff.judge(labels(), &facts).holds());
    }
}
