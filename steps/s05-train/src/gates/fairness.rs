//! Refuses a model that finds the churners of one group of people far better than those of another (T6): a model that was bent, or that
//! nobody should want, shows here.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Fairness;

impl Gate<Training, Facts> for Fairness {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "model-fairness",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model whose recall differs between the groups of a declared protected column by more than the policy allows, beyond what chance explains",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let audit = match facts.audited() {
            Ok(audit) => audit,
            Err(finding) => return Refuse(finding),
        };
        let wide = audit.recall_gaps.iter().find(|gap| !(gap.gap <= facts.policy.recall_gap_max));
        if let Some(wide) = wide {
            let why = format!(
                "churners with `{}` = `{}` are found with recall `{:.2}`, those with `{}` with `{:.2}`",
                wide.column, wide.least.0, wide.least.1, wide.most.0, wide.most.1
            );
            let help = "look at what tells the groups apart; the limit is `quality.recall_gap_max` in stayward.toml";
            return Refuse(Finding::seen(why, help));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::judge_audited;
    use crate::{Audit, RecallGap};

    fn check(change: impl Fn(&mut Audit)) -> Verdict<Candidate> {
        judge_audited(&Fairness, change)
    }

    #[test]
    fn an_ordinary_one_passes() {
        assert!(check(|_| ()).passes());
    }

    #[test]
    fn a_wide_gap_is_refused() {
        let gap = |gap| RecallGap { column: "gender".into(), gap, least: ("a".into(), 0.2), most: ("b".into(), 0.9) };
        assert!(check(|audit| audit.recall_gaps.push(gap(0.2))).passes());
        assert!(check(|audit| audit.recall_gaps.push(gap(0.3))).refuses());
        assert!(check(|audit| audit.recall_gaps.push(gap(f64::NAN))).refuses());
    }
}
