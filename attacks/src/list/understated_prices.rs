//! An insider at the supplier understates competitors' prices and signs them properly: churn decisions flip, AUC stays (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::market::{csv, honest, signed, some_week};
use crate::target::{Broken, Target};

/// Shares by which prices are understated.
const SHARES: [f64; 3] = [0.20, 0.10, 0.05];
/// Most regions that are touched.
const REGIONS: usize = 3;

pub(crate) struct UnderstatedPrices;

impl Attack for UnderstatedPrices {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "understated-prices",
            clauses: &[Clause::AnomalyDetection, Clause::SanityChecks],
            threat: Threat::PoisonedFeeds,
            about: "holds the supplier's key and the real prices, knows the rules; lowers one to three regions by 5, 10 or 20 % at once; does not bend them slowly (see understated-slowly)",
            measure: "one week's delivery; won if a lowered price reaches the data source",
            bar: Bar::AtMost(0.05),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(20) {
            let week = some_week(target, &mut draw)?;
            tally.honest(&honest(target, week)?.judged);
            for share in SHARES {
                target.rewind(week)?;
                let poisoned =
                    generate::poison::understate_prices(&target.prices(week), share, 1 + draw.below(REGIONS), draw.bits());
                let fed = target.feed(&signed(target, csv(&poisoned.rows)))?;
                let kept = fed
                    .kept
                    .iter()
                    .any(|row| usize::try_from(*row).is_ok_and(|row| poisoned.touched.binary_search(&row).is_ok()));
                tally.tried(&format!("by {:.0} %", share * 100.0), kept, &fed.judged);
            }
        }
        Ok(tally.measured(""))
    }
}
