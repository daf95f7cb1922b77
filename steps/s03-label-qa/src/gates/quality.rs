//! Holds labels that contradict themselves, the data or the model too often: what people should look at before they sign (T6).
//!
//! Statistics find random flips well and directed flips by an insider badly, so this gate holds and ranks; it never approves.

use artifact::{LabelSet, Labels};
use gate::Verdict::{Hold, Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

/// Rows that a finding names; `stayward label review` lists more.
const ROWS_NAMED: usize = 3;

pub(crate) struct Quality;

impl Gate<Labels, Facts> for Quality {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-quality",
            clauses: &[Clause::LabelQa],
            about: "refuses labels that contradict each other or name unknown customers, holds those that an out-of-fold model contradicts too often",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let Some(qa) = &facts.qa else {
            return Hold(labels, Finding::inconclusive("label quality was not measured", "run `stayward label review`"));
        };
        if qa.contradictions > 0 {
            let why = format!("`{}` labels contradict another label of the same customer", qa.contradictions);
            return Refuse(Finding::seen(why, "keep one label per customer and cutoff"));
        }
        if qa.unknown_customers > 0 {
            let why = format!("`{}` labels are for customers that the data source does not know", qa.unknown_customers);
            return Refuse(Finding::seen(why, "import the customers first, or drop these labels"));
        }
        let positive_share = share(labels.positives, labels.rows);
        let (least, most) = facts.policy.positive_share;
        if !(least..=most).contains(&positive_share) {
            let why = format!(
                "`{:.1}` % of the labels say churn; `{:.1}` to `{:.1}` % are expected",
                positive_share * 100.0,
                least * 100.0,
                most * 100.0
            );
            return Refuse(Finding::seen(
                why,
                "check that the label is not inverted, or change the label's range in contract.toml",
            ));
        }
        // A share that is not a number does not pass.
        if !(qa.suspect_share <= facts.policy.suspect_share_max) {
            let why = format!("the model contradicts `{:.1}` % of the labels strongly", qa.suspect_share * 100.0);
            let why = format!("{why}{}", named(&qa.first));
            return Hold(labels, Finding::seen(why, "look at the ranked list with `stayward label review`"));
        }
        Pass(labels)
    }
}

/// The first of the rows that people should look at, as the end of a sentence.
pub(crate) fn named(first: &[String]) -> String {
    let first: Vec<&str> = first.iter().take(ROWS_NAMED).map(String::as_str).collect();
    if first.is_empty() { String::new() } else { format!("; look first at {}", first.join("; ")) }
}

pub(crate) fn share(part: u64, of: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let share = part as f64 / of.max(1) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Qa;
    use crate::facts::labels;

    fn check(change: impl Fn(&mut Qa)) -> Verdict<LabelSet> {
        let mut facts = Facts::ordinary();
        facts.qa.iter_mut().for_each(change);
        Quality.judge(labels(), &facts)
    }

    #[test]
    fn ordinary_labels_pass() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn contradictions_are_refused() {
        assert!(check(|qa| qa.contradictions = 1).refuses());
    }
    #[test]
    fn strangers_are_refused() {
        assert!(check(|qa| qa.unknown_customers = 1).refuses());
    }
    #[test]
    fn many_suspects_are_held() {
        assert!(check(|qa| qa.suspect_share = 0.2).holds());
        assert!(check(|qa| qa.suspect_share = f64::NAN).holds());
    }
    #[test]
    fn the_first_suspects_are_named() {
        let named = |qa: &mut Qa| {
            qa.suspect_share = 0.2;
            qa.first = (0..9).map(|row| format!("customer `{row}`")).collect();
        };
        let Hold(_, finding) = check(named) else { panic!("it is held") };
        assert!(finding.why.ends_with("look first at customer `0`; customer `1`; customer `2`"), "{}", finding.why);
    }
    #[test]
    fn an_inverted_label_is_refused() {
        assert!(Quality.judge(LabelSet { positives: 735, ..labels() }, &Facts::ordinary()).refuses());
    }
    #[test]
    fn unmeasured_labels_are_held() {
        assert!(Quality.judge(labels(), &Facts { qa: None, ..Facts::ordinary() }).holds());
    }
}
