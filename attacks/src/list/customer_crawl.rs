//! Asking about one real customer after another until the answers are enough to copy the model (T3).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Ask, Broken, KeyWish, Target};

/// Different customers per day that the key allows.
const PER_DAY: u32 = 60;
/// Customers per call.
const CHUNK: usize = 20;

pub(crate) struct CustomerCrawl;

impl Attack for CustomerCrawl {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "customer-crawl",
            clauses: &[Clause::ExtractionLimits, Clause::TrackUse],
            threat: Threat::ModelTheft,
            about: "holds a good key for 60 different customers a day; walks on through the customer base, asks about made-up ids, and goes on with what-if rows when ids are used up; within the budget it is not stopped (see copy-within-budget), and it does not come back for many days",
            measure: "one new customer (or row) beyond the day's budget; won if it is answered",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        let customers = target.customers();
        let budget = usize::try_from(PER_DAY).unwrap_or(0);
        for round in 0..plan.tries(5) {
            let key = target.key(KeyWish { distinct_per_day: PER_DAY, ..KeyWish::generous() })?;
            let skip = usize::try_from(round).unwrap_or(0) * 7;
            // Once more about the same customers, before the budget is used up: that costs nothing.
            let first: Vec<String> = customers.iter().cycle().skip(skip).take(CHUNK).cloned().collect();
            for _ in 0..2 {
                let ask = Ask { key: Some(key.clone()), customers: first.clone(), ..Ask::default() };
                tally.honest(&target.ask(&ask)?.judged);
            }
            for (at, chunk) in
                customers.iter().cycle().skip(skip).take(budget * 3).cloned().collect::<Vec<_>>().chunks(CHUNK).enumerate()
            {
                let ask = Ask { key: Some(key.clone()), customers: chunk.to_vec(), ..Ask::default() };
                let asked = target.ask(&ask)?;
                if (at + 1) * CHUNK <= budget { tally.honest(&asked.judged) } else { tally.hostile("by id", &asked.judged) }
            }
            let rows = customers.iter().rev().take(CHUNK).map(|customer| target.row(customer)).collect();
            tally.hostile("as what-if", &target.ask(&Ask { key: Some(key.clone()), rows, ..Ask::default() })?.judged);
        }
        Ok(tally.measured("honest: within the budget, and the same customers again"))
    }
}
