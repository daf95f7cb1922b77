//! An old delivery with its valid signature, sent again, or kept back until its news is stale (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::market::{csv, honest, signed, some_week};
use crate::target::{Broken, Target};

pub(crate) struct ReplayedDelivery;

impl Attack for ReplayedDelivery {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "replayed-delivery",
            clauses: &[Clause::SignedFeeds],
            threat: Threat::PoisonedFeeds,
            about: "recorded earlier deliveries with their signatures, holds no key; sends one again, sends an expired one, sends one of another feed",
            measure: "one delivery with a true signature of another time or feed; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(15) {
            let week = some_week(target, &mut draw)?;
            tally.honest(&honest(target, week)?.judged);
            for way in ["used number", "expired", "other feed"] {
                target.rewind(week)?;
                let mut delivery = signed(target, csv(&target.prices(week)));
                if let Some(seal) = &mut delivery.seal {
                    match way {
                        "used number" => seal.sequence = seal.sequence.saturating_sub(1),
                        "expired" => seal.days = -1,
                        _ => seal.feed = "weather".to_owned(),
                    }
                }
                tally.hostile(way, &target.feed(&delivery)?.judged);
            }
        }
        Ok(tally.measured(""))
    }
}
