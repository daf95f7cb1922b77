//! Holds labels of a labeller whom the evidence of all versions together accuses: who turns a few labels in each version stays below
//! the limits of every single one (T6).
//!
//! The evidence of each labeller is a wealth that stays low while his labels are like others' of about the same chance, whatever the
//! model or the season do; it may be looked at after every version (`labelnoise::Watch`).

use artifact::{LabelSet, Labels};
use gate::Verdict::{Hold, Pass};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::quality::named;
use crate::Facts;

pub(crate) struct OverTime;

impl Gate<Labels, Facts> for OverTime {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-watch",
            clauses: &[Clause::LabelQa],
            about: "holds labels while a labeller's new labels of all versions together differ from the others' beyond chance; sees nothing where the labels' file does not say who labelled",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let missing = |why: &str| Finding::inconclusive(why, "run `stayward label review`");
        let Some(watches) = &facts.watches else {
            return Hold(labels, missing("labellers were not watched over the versions"));
        };
        if watches.version != labels.version {
            let why = format!("labellers were watched up to version `{}`, this is `{}`", watches.version, labels.version);
            return Hold(labels, missing(&why));
        }
        let watched = u32::try_from(watches.labellers.len()).unwrap_or(u32::MAX);
        let accused = watches.labellers.iter().find(|(_, one)| one.watch.alarm(facts.policy.watch_alpha, watched));
        let Some((name, one)) = accused else { return Pass(labels) };
        let why = format!(
            "labeller `{name}`: `{}` labels of `{}` versions differ from the others' (p = {:.0e}, of `{watched}` labellers){}",
            one.watch.rows(),
            one.watch.periods(),
            one.watch.p_value(),
            named(&one.first)
        );
        let help = format!(
            "have somebody else label these customers again; when people have looked, begin his watch anew with \
             `[labels.watch_from] {name:?} = {}` in stayward.toml",
            labels.version
        );
        Hold(labels, Finding::seen(why, help))
    }
}

#[cfg(test)]
mod tests {
    use labelnoise::{Labels as Part, Watch};

    use super::*;
    use crate::facts::labels;
    use crate::{Watched, Watches};

    /// So many versions in each of which somebody hides half of his churners, or nobody does.
    fn check(versions: u64, hides: bool) -> Verdict<LabelSet> {
        let chances = vec![0.5; 40];
        let honest: Vec<bool> = (0..40).map(|row| row % 2 == 0).collect();
        let hidden: Vec<bool> = (0..40).map(|row| row % 4 == 0).collect();
        let mut watch = Watch::default();
        for _ in 0..versions {
            let own = Part { chances: &chances, labels: if hides { &hidden } else { &honest } };
            watch.period(own, Part { chances: &chances, labels: &honest }).unwrap();
        }
        let first = vec!["customer `7`: `stayed`".to_owned()];
        let labellers = [("ann".to_owned(), Watched::default()), ("ben".to_owned(), Watched { watch, labels: 40, first })].into();
        OverTime.judge(labels(), &Facts { watches: Some(Watches { version: 1, labellers }), ..Facts::ordinary() })
    }

    #[test]
    fn honest_labellers_pass() {
        assert!(check(12, false).passes());
    }
    #[test]
    fn one_version_alone_does_not_tell() {
        assert!(check(1, true).passes());
    }
    #[test]
    fn all_versions_together_do() {
        let Hold(_, finding) = check(12, true) else { panic!("it is held") };
        assert!(finding.why.contains("`ben`") && finding.why.contains("customer `7`"), "{}", finding.why);
    }
    #[test]
    fn who_was_not_watched_is_held() {
        assert!(OverTime.judge(labels(), &Facts { watches: None, ..Facts::ordinary() }).holds());
    }
    #[test]
    fn an_older_watch_is_held() {
        let watches = Some(Watches { version: 0, ..Watches::default() });
        assert!(OverTime.judge(labels(), &Facts { watches, ..Facts::ordinary() }).holds());
    }
}
