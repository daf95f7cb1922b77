//! A file that nobody, or the wrong one, signed: everybody can send bytes (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::market::{csv, honest, signed, some_week};
use crate::target::{Broken, Hand, Target};

pub(crate) struct ForgedDelivery;

impl Attack for ForgedDelivery {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "forged-delivery",
            clauses: &[Clause::SignedFeeds],
            threat: Threat::PoisonedFeeds,
            about: "can put files into the inbox, holds no key of the supplier; sends them unsigned, signed with a key of its own, or with the registered key of another supplier; does not steal the supplier's key",
            measure: "one file; won if it comes through",
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
            for (way, hand) in [
                ("unsigned", None),
                ("stranger's key", Some(Hand::Stranger)),
                ("other supplier's key", Some(Hand::OtherSupplier)),
            ] {
                target.rewind(week)?;
                let mut delivery = signed(target, csv(&target.prices(week)));
                delivery.seal = delivery.seal.zip(hand).map(|(seal, hand)| crate::target::Seal { hand, ..seal });
                tally.hostile(way, &target.feed(&delivery)?.judged);
            }
        }
        Ok(tally.measured(""))
    }
}
