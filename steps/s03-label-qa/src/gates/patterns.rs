//! Holds labels where one labeller's, one value tier's or one version's changes differ from the others' more than chance explains: an
//! insider who turns labels around leaves a pattern that no single label betrays (T6).

use artifact::{LabelSet, Labels};
use gate::Verdict::{Hold, Pass};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::quality::named;
use crate::Facts;

pub(crate) struct Patterns;

impl Gate<Labels, Facts> for Patterns {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-patterns",
            clauses: &[Clause::LabelQa],
            about: "holds labels where a labeller's, a value tier's or a version's changes differ from the others' beyond chance",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let Some(patterns) = facts.qa.as_ref().and_then(|qa| qa.patterns.as_ref()) else {
            return Hold(
                labels,
                Finding::inconclusive("labels were not compared with each other", "run `stayward label review`"),
            );
        };
        // A probability that is no number does not pass.
        let Some(found) = patterns.iter().find(|pattern| !(pattern.p_value > facts.policy.pattern_alpha)) else {
            return Pass(labels);
        };
        let expected = found.expected.map_or_else(String::new, |expected| format!(", `{expected:.1}` are expected"));
        let why = format!(
            "{}: {}: `{}` of `{}`{expected} (p = {:.0e}){}",
            found.whose,
            found.what,
            found.seen,
            found.rows,
            found.p_value,
            named(&found.first)
        );
        let help = "have somebody else label these customers again (`stayward label review` ranks them); \
                    raise `labels.pattern_alpha` only for a reason that you can write down";
        Hold(labels, Finding::seen(why, help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::labels;
    use crate::{Pattern, Qa};

    fn check(patterns: Option<Vec<Pattern>>) -> Verdict<LabelSet> {
        let mut facts = Facts::ordinary();
        facts.qa = facts.qa.map(|qa| Qa { patterns, ..qa });
        Patterns.judge(labels(), &facts)
    }

    fn pattern(p_value: f64) -> Pattern {
        Pattern {
            whose: "labeller `ann`".into(),
            what: "fewer say `churned`".into(),
            rows: 500,
            seen: 90,
            expected: Some(131.0),
            p_value,
            first: Vec::new(),
        }
    }

    #[test]
    fn nothing_to_compare_passes() {
        assert!(check(Some(Vec::new())).passes());
    }
    #[test]
    fn chance_passes() {
        assert!(check(Some(vec![pattern(0.2)])).passes());
    }
    #[test]
    fn a_pattern_beyond_chance_is_held() {
        assert!(check(Some(vec![pattern(0.2), pattern(1e-6)])).holds());
    }
    #[test]
    fn a_probability_that_is_none_is_held() {
        assert!(check(Some(vec![pattern(f64::NAN)])).holds());
    }
    #[test]
    fn what_was_not_compared_is_held() {
        assert!(check(None).holds());
    }
}
