//! Refuses a model that does not tell churners apart among the customers who are worth most (T6, T1): the threat model's attacker makes
//! just those look loyal, and an AUC over everybody hardly moves.

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

/// Fewer churners tell nothing about a tier.
const CHURNERS_MIN: u64 = 10;
/// Churn falls with the value if the quarter below the most valuable has less than this part of all customers' share.
const FALLING: f64 = 0.75;

pub(crate) struct ValueTier;

impl Gate<Training, Facts> for ValueTier {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "model-value-tier",
            clauses: &[Clause::PinnedTraining],
            about: "refuses a model whose AUC among the most valuable quarter is far below that of all customers, or in whose most valuable quarter all at once next to no churner is labelled",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let audit = match facts.audited() {
            Ok(audit) => audit,
            Err(finding) => return Refuse(finding),
        };
        // Only where the contract names no value there are no tiers; where no row has one, the tier has no rows.
        let Some(tier) = &audit.top_tier else { return Pass(candidate) };
        let found = format!("of its `{}` churners `{}` are flagged", tier.churners, tier.found);
        if tier.rows == 0 {
            let why = "the contract names a value, and no customer that was scored has one";
            return Refuse(Finding::inconclusive(why, "bring values, or give the column another role in contract.toml"));
        }
        if tier.churners < CHURNERS_MIN {
            // Where churn falls with the value all along, it ends where nobody leaves; a sudden end was made by somebody.
            if tier.below.is_some_and(|below| below < audit.churn_rate * FALLING) {
                return Pass(candidate);
            }
            let why = format!(
                "`{}` of `{}` customers with a value of {} are labelled as churners, too few to tell; of all customers `{:.0}` % are, and not fewer of those just below",
                tier.churners,
                tier.rows,
                tier.name,
                audit.churn_rate * 100.0
            );
            let help = "look at the labels of the most valuable customers, or bring more rows";
            return Refuse(Finding::seen(why, help));
        }
        // The benefit of the doubt: the upper end of the 95 % interval.
        let (auc, deviation) = tier.auc.unwrap_or((f64::NAN, f64::NAN));
        if !(auc + 1.96 * deviation >= audit.auc - facts.policy.tier_gap_max) {
            let why = format!(
                "among customers with a value of {} the AUC is `{auc:.3}`, over all it is `{:.3}`; {found}",
                tier.name, audit.auc
            );
            let help = "look at the labels of these customers and at what feeds say of them; the limit is `quality.tier_gap_max` in stayward.toml";
            return Refuse(Finding::seen(why, help));
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::judge_audited;
    use crate::{Audit, TopTier};

    fn check(change: impl Fn(&mut Audit)) -> Verdict<Candidate> {
        judge_audited(&ValueTier, change)
    }

    #[test]
    fn an_ordinary_one_passes() {
        assert!(check(|_| ()).passes());
    }

    fn tier(change: impl Fn(&mut TopTier)) -> Verdict<Candidate> {
        check(|audit| audit.top_tier.iter_mut().for_each(&change))
    }

    #[test]
    fn a_tier_that_is_told_badly_is_refused() {
        assert!(tier(|tier| tier.auc = Some((0.6, 0.02))).refuses());
        assert!(tier(|tier| tier.auc = Some((f64::NAN, 0.02))).refuses());
        assert!(tier(|tier| tier.auc = Some((0.6, 0.06))).passes());
        assert!(tier(|tier| tier.auc = None).refuses());
    }

    #[test]
    fn a_tier_without_churners_is_refused_and_no_tier_passes() {
        assert!(tier(|tier| tier.churners = 3).refuses());
        assert!(tier(|tier| (tier.churners, tier.below) = (3, None)).refuses());
        assert!(tier(|tier| (tier.churners, tier.below) = (3, Some(f64::NAN))).refuses());
        assert!(tier(|tier| (tier.churners, tier.below) = (3, Some(0.1))).passes());
        assert!(check(|audit| audit.top_tier = None).passes());
        assert!(tier(|tier| (tier.rows, tier.churners, tier.below) = (0, 0, Some(0.0))).refuses());
    }
}
