//! Refuses a model with a column that tells the label all by itself, or tested on rows that it was trained on: figures that are too
//! good hide that the model learnt nothing (T4).

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Leakage;

impl Gate<Training, Facts> for Leakage {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "training-leakage",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model with a column whose AUC alone is that of a leak, that knows moments or absences of after the label, or that names customers, or with the same row on both sides of a split",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let leak = facts
            .leaks
            .iter()
            .filter(|leak| !facts.policy.leak_accepted.contains(&leak.column))
            .find(|leak| !(leak.auc < facts.policy.leak_auc));
        if let Some(leak) = leak {
            let why = format!("column `{}` alone reaches AUC `{:.3}`", leak.column, leak.auc);
            return Refuse(Finding::seen(why, mend(&leak.column)));
        }
        let telltale = facts.telltales.iter().find(|telltale| !facts.policy.leak_accepted.contains(&telltale.column));
        if let Some(telltale) = telltale {
            return Refuse(Finding::seen(telltale.seen.clone(), mend(&telltale.column)));
        }
        if facts.duplicates_across > 0 {
            let why = format!("`{}` rows stand on both sides of a split", facts.duplicates_across);
            return Refuse(Finding::seen(why, "train again with `stayward run --from training`, which groups equal rows"));
        }
        Pass(candidate)
    }
}

fn mend(column: &str) -> String {
    format!(
        "set the role of `{column}` to `ignore` in contract.toml; if it is known before the label and describes a customer, list it under `quality.leak_accepted` in stayward.toml"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::candidate;
    use crate::{Leak, Telltale};

    fn leaky(auc: f64) -> Facts {
        Facts { leaks: vec![Leak { column: "future_spend".into(), auc }], ..Facts::ordinary() }
    }

    #[test]
    fn no_leak_passes() {
        assert!(Leakage.judge(candidate(), &Facts::ordinary()).passes());
        assert!(Leakage.judge(candidate(), &leaky(0.9)).passes());
    }
    #[test]
    fn a_leak_is_refused() {
        assert!(Leakage.judge(candidate(), &leaky(0.99)).refuses());
        assert!(Leakage.judge(candidate(), &leaky(f64::NAN)).refuses());
    }
    #[test]
    fn a_column_that_knows_the_future_is_refused_until_it_is_accepted() {
        let telltale = Telltale { column: "cancelled_on".into(), seen: "column `cancelled_on` holds moments".into() };
        let mut facts = Facts { telltales: vec![telltale], ..Facts::ordinary() };
        assert!(Leakage.judge(candidate(), &facts).refuses());
        facts.policy.leak_accepted.push("cancelled_on".into());
        assert!(Leakage.judge(candidate(), &facts).passes());
    }
    #[test]
    fn an_accepted_column_passes() {
        let mut facts = leaky(0.99);
        facts.policy.leak_accepted.push("future_spend".into());
        assert!(Leakage.judge(candidate(), &facts).passes());
    }
    #[test]
    fn a_row_on_both_sides_is_refused() {
        assert!(Leakage.judge(candidate(), &Facts { duplicates_across: 1, ..Facts::ordinary() }).refuses());
    }
}
