//! A true delivery over plain HTTP, where anybody on the way can read it (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::market::{csv, honest, signed, some_week};
use crate::target::{Broken, Channel, Target};

pub(crate) struct PlainTransport;

impl Attack for PlainTransport {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "plain-transport",
            clauses: &[Clause::TlsInTransit],
            threat: Threat::PoisonedFeeds,
            about: "talks a supplier into delivering over http; the bytes are the supplier's own and signed; does not attack TLS itself",
            measure: "one signed delivery without TLS; won if it is taken",
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
            target.rewind(week)?;
            let mut delivery = signed(target, csv(&target.prices(week)));
            delivery.channel = Channel::Plain;
            tally.hostile("http", &target.feed(&delivery)?.judged);
        }
        Ok(tally.measured(""))
    }
}
