//! More calls in a minute than agreed (T2).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Ask, Broken, KeyWish, Target};

/// Calls per minute that the key allows.
const PER_MINUTE: u32 = 20;
/// Calls that are made at once.
const CALLS: u32 = 80;

pub(crate) struct Hammering;

impl Attack for Hammering {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "hammering",
            clauses: &[Clause::Throttling],
            threat: Threat::Inference,
            about: "holds a good key for 20 calls a minute and makes 80 at once, or one call with more rows than a request may have; does not spread over many applications (each has limits and a person who answers for it)",
            measure: "one call beyond the limit; won if it is answered",
            bar: Bar::AtMost(0.05),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        let customers = target.customers();
        for _ in 0..plan.tries(5) {
            let key = target.key(KeyWish { per_minute: PER_MINUTE, ..KeyWish::generous() })?;
            for call in 0..CALLS {
                let customer = customers.iter().cycle().nth(usize::try_from(call).unwrap_or(0)).cloned().into_iter().collect();
                let judged = target.ask(&Ask { key: Some(key.clone()), customers: customer, ..Ask::default() })?.judged;
                if call < PER_MINUTE { tally.honest(&judged) } else { tally.hostile("at once", &judged) }
            }
            let key = target.key(KeyWish::generous())?;
            let many = customers.iter().cycle().take(500).cloned().collect();
            tally.hostile("500 rows in a call", &target.ask(&Ask { key: Some(key), customers: many, ..Ask::default() })?.judged);
        }
        Ok(tally.measured("a call may slip in where a minute turns"))
    }
}
