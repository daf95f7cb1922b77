//! The same insider, who knows the limit on weekly moves and stays below it: prices sink week by week (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::market::{csv, honest, signed};
use crate::target::{Broken, Judged, Target};

/// How far prices have sunk in the end.
const SHARE: f64 = 0.20;
/// Weeks that it may take.
const WEEKS: [u32; 2] = [13, 26];
/// Regions that are touched.
const REGIONS: usize = 3;

pub(crate) struct UnderstatedSlowly;

impl Attack for UnderstatedSlowly {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "understated-slowly",
            clauses: &[Clause::AnomalyDetection],
            threat: Threat::PoisonedFeeds,
            about: "holds the supplier's key, knows the limits on single moves and sinks prices of three regions log-linearly by 20 % in 13 or 26 weeks; does not solve for the path that the cumulative sums see last, and nobody looks at held deliveries in between",
            measure: "one campaign; won if every delivery up to the full 20 % is taken",
            bar: Bar::AtMost(0.34),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let mut seen_after = Vec::new();
        for at in 0..plan.tries(8) {
            let weeks = WEEKS[usize::from(at % 2 == 1)];
            let span = target.weeks();
            let room = usize::try_from(span.end.saturating_sub(span.start).saturating_sub(weeks)).unwrap_or(0);
            let start = span.start.saturating_add(u32::try_from(draw.below(room)).unwrap_or(0));
            tally.honest(&honest(target, start)?.judged);
            target.rewind(start)?;
            let seed = draw.bits();
            let mut judged = Judged::through();
            for week in start..start.saturating_add(weeks) {
                let rows = generate::poison::slow_drift(&target.prices(week), SHARE, start, weeks, REGIONS, seed).rows;
                judged = target.feed(&signed(target, csv(&rows)))?.judged;
                if !judged.let_through {
                    seen_after.push(week - start + 1);
                    break;
                }
            }
            tally.hostile(&format!("in {weeks} weeks"), &judged);
        }
        Ok(tally.measured(format!("stopped in week {seen_after:?} of the campaign")))
    }
}
