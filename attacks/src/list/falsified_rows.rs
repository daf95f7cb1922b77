//! Rows that cannot be true: negative prices, prices a hundred times too high, shares that do not add up (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::market::{csv, honest, line, signed, some_week};
use crate::target::{Broken, Target};

/// Share of rows that are falsified: one of 72, or a few.
const SHARES: [f64; 2] = [0.014, 0.05];

pub(crate) struct FalsifiedRows;

impl Attack for FalsifiedRows {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "falsified-rows",
            clauses: &[Clause::SanityChecks],
            threat: Threat::PoisonedFeeds,
            about: "holds the supplier's key; one or a few rows a week with an impossible price or share; does not choose values that are only unlikely",
            measure: "one falsified row; won if it reaches the data source",
            bar: Bar::AtMost(0.02),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for at in 0..plan.tries(30) {
            let week = some_week(target, &mut draw)?;
            tally.honest(&honest(target, week)?.judged);
            target.rewind(week)?;
            let prices = target.prices(week);
            let poisoned = generate::poison::falsified_rows(&prices, SHARES[usize::from(at % 2 == 1)], draw.bits());
            let fed = target.feed(&signed(target, csv(&poisoned.rows)))?;
            for place in poisoned.touched {
                let Some((hostile, true_row)) = poisoned.rows.get(place).zip(prices.get(place)) else { continue };
                // The feed carries no date of arrival, so a false one does not change the line.
                if line(hostile) == line(true_row) {
                    continue;
                }
                let way = if hostile.price == true_row.price {
                    "share"
                } else if hostile.price > 0.0 {
                    "huge price"
                } else {
                    "no price"
                };
                let kept = fed.kept.iter().any(|row| usize::try_from(*row) == Ok(place));
                tally.tried(way, kept, &fed.judged);
            }
        }
        Ok(tally.measured(""))
    }
}
