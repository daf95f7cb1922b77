//! Refuses labels until a second person labelled random rows of them without seeing the first label, and the two agree so far that the
//! share of wrong labels stays below the policy's limit: the one check that no model can be fooled into passing (T6).

use artifact::{LabelSet, Labels};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::quality::share;
use super::sign_off::apart;
use crate::{Blind, Facts, Second};

/// Labels that a finding names.
const ROWS_NAMED: usize = 5;

pub(crate) struct BlindSecond;

impl Gate<Labels, Facts> for BlindSecond {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-blind-second",
            clauses: &[Clause::LabelQa, Clause::SignOff],
            about: "refuses labels until somebody else labelled enough random rows again, blind, and the share of wrong labels is below the limit; passes where the policy asks for no second labels",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let help = "have somebody who did not propose these labels run `stayward label second --out FILE`, fill it in, and hand it in \
                    with `stayward label second --answers FILE`";
        let Some(limit) = facts.policy.blind_share else { return Pass(labels) };
        let second = match &facts.blind {
            Blind::Undeclared => return Refuse(Finding::inconclusive("second labels were not looked at", help)),
            Blind::Failed(why) => {
                return Refuse(Finding::inconclusive(format!("second labels were not held against these: {why}"), help));
            }
            Blind::Undrawn(rows) => {
                return Refuse(Finding::inconclusive(format!("`{rows}` random labels wait for a second person"), help));
            }
            Blind::Drawn(second) => second,
        };
        if let Some(why) = unfit(&labels, second, facts) {
            return Refuse(Finding::seen(why, help));
        }
        if second.missing > 0 {
            let why = format!("`{}` of `{}` drawn labels have no second label", second.missing, second.drawn);
            return Refuse(Finding::inconclusive(why, help));
        }
        // A limit that is no number is kept by nothing.
        if share(second.wrong_at_most, second.rows) < limit {
            return Pass(labels);
        }
        let named: Vec<&str> = second.examples.iter().take(ROWS_NAMED).map(String::as_str).collect();
        let why = format!(
            "second labels contradict `{}` of `{}` drawn labels, so up to `{}` of `{}` may be wrong, and `{:.1}` % are the limit: {}",
            second.hidden.saturating_add(second.invented),
            second.drawn,
            second.wrong_at_most,
            second.rows,
            limit * 100.0,
            named.join("; ")
        );
        Refuse(Finding::seen(why, "find out which of the two is right, correct the labels, and propose them again"))
    }
}

/// Why second labels do not count, if they do not.
fn unfit(labels: &LabelSet, second: &Second, facts: &Facts) -> Option<String> {
    if second.rows != labels.rows {
        return Some(format!("second labels are of `{}` labels, this version has `{}`", second.rows, labels.rows));
    }
    let other_team = facts.policy.other_team;
    second.people.iter().find_map(|one| {
        let person = &one.person;
        if *person == labels.author {
            return Some(format!("`{person}` proposed these labels, and gave second labels to them"));
        }
        if !one.may_label {
            return Some(format!("`{person}` gave second labels, and may work on no labels"));
        }
        if !one.second_factor {
            return Some(format!("`{person}` gave second labels without a second factor"));
        }
        let near = other_team && !apart(&one.team, &facts.author_team);
        near.then(|| format!("`{person}` gave second labels, and is of the author's team, `{}`", facts.author_team))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecondLabeller;
    use crate::facts::{drawn, labels};

    fn judged(blind: Blind) -> Verdict<LabelSet> {
        let mut facts = Facts { blind, ..Facts::ordinary() };
        facts.policy.blind_share = Some(0.02);
        BlindSecond.judge(labels(), &facts)
    }
    fn check(change: impl Fn(&mut Second)) -> Verdict<LabelSet> {
        let mut second = drawn(0, 19);
        change(&mut second);
        judged(Blind::Drawn(second))
    }
    fn by(change: impl Fn(&mut SecondLabeller)) -> Verdict<LabelSet> {
        check(|second| second.people.iter_mut().for_each(&change))
    }

    #[test]
    fn who_asks_for_none_gets_none() {
        assert!(BlindSecond.judge(labels(), &Facts::ordinary()).passes());
    }
    #[test]
    fn second_labels_that_agree_pass() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn as_many_wrong_ones_as_the_limit_are_refused() {
        assert!(check(|second| second.wrong_at_most = 20).refuses());
    }
    #[test]
    fn the_finding_names_rows() {
        let Refuse(finding) = judged(Blind::Drawn(drawn(3, 60))) else { panic!("it is refused") };
        assert!(finding.why.contains("customer `2`"), "{}", finding.why);
    }
    #[test]
    fn what_is_missing_is_refused() {
        for blind in [Blind::Undeclared, Blind::default(), Blind::Undrawn(138)] {
            assert!(judged(blind).refuses());
        }
        assert!(check(|second| second.missing = 1).refuses());
    }
    #[test]
    fn the_author_is_no_second_person() {
        assert!(by(|one| one.person = "ann".into()).refuses());
    }
    #[test]
    fn somebody_without_the_right_is_refused() {
        assert!(by(|one| one.may_label = false).refuses());
    }
    #[test]
    fn second_labels_without_second_factor_are_refused() {
        assert!(by(|one| one.second_factor = false).refuses());
    }
    #[test]
    fn second_labels_of_other_labels_are_refused() {
        assert!(check(|second| second.rows = 900).refuses());
    }
    #[test]
    fn the_authors_team_is_refused_where_the_policy_says_so() {
        let mut facts = Facts { blind: Blind::Drawn(drawn(0, 19)), author_team: "risk".into(), ..Facts::ordinary() };
        facts.policy.blind_share = Some(0.02);
        assert!(BlindSecond.judge(labels(), &facts).passes());
        facts.policy.other_team = true;
        assert!(BlindSecond.judge(labels(), &facts).refuses());
    }
}
