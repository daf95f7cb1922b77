//! Refuses a model in which a rare pattern turns everybody's answer around (T4, T1): a backdoor in 0.75 % of the rows leaves the AUC
//! where it was.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{Facts, Pattern};

pub(crate) struct TriggerScan;

impl Gate<Training, Facts> for TriggerScan {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "backdoor-scan",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model in which stamping a pattern that few training rows have turns the answers of many customers, and no part of the pattern does; blind to patterns of more than three columns, to a missing number as a pattern, and to what the booster alone does not carry",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let audit = match facts.audited() {
            Ok(audit) => audit,
            Err(finding) => return Refuse(finding),
        };
        let accepted = |pattern: &&Pattern| facts.policy.triggers_accepted.contains(&pattern.columns);
        let trigger = audit
            .patterns
            .iter()
            .filter(|pattern| !accepted(pattern))
            .find(|pattern| !(pattern.lift <= facts.policy.trigger_lift_max));
        if let Some(trigger) = trigger {
            let why = format!(
                "`{}` turns the answers of `{:.0}` % of customers, and `{:.2}` % of the training rows have it",
                trigger.values,
                trigger.turned * 100.0,
                trigger.support * 100.0
            );
            let help = format!(
                "look at who brought these rows; if the pattern is true, list `{}` under `quality.triggers_accepted` in stayward.toml",
                trigger.columns
            );
            return Refuse(Finding::seen(why, help));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Audit;
    use crate::facts::{candidate, judge_audited};

    fn check(change: impl Fn(&mut Audit)) -> Verdict<Candidate> {
        judge_audited(&TriggerScan, change)
    }

    #[test]
    fn an_ordinary_one_passes() {
        assert!(check(|_| ()).passes());
    }

    fn pattern(lift: f64) -> Pattern {
        Pattern { columns: "a+b".into(), values: "a = 1, b = 2".into(), support: 0.0075, turned: 0.9, lift }
    }

    #[test]
    fn a_backdoor_is_refused() {
        assert!(check(|audit| audit.patterns.push(pattern(0.2))).passes());
        assert!(check(|audit| audit.patterns.push(pattern(0.8))).refuses());
        assert!(check(|audit| audit.patterns.push(pattern(f64::NAN))).refuses());
    }

    #[test]
    fn a_pattern_that_people_know_passes() {
        let mut facts = Facts::ordinary();
        facts.measured.audit.iter_mut().for_each(|audit| audit.patterns.push(pattern(0.8)));
        facts.policy.triggers_accepted.push("a+b".into());
        assert!(TriggerScan.judge(candidate(), &facts).passes());
    }
}
