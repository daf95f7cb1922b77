//! A thief with broad rights asks about the whole customer base, or is refused again and again (T3).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, KeyWish, Target, quiet, unnoticed};

/// Customers of one question on the walk through the base: below fifty questions no pattern is judged.
const HALF_CHUNK: usize = 5;

pub(crate) struct CrawlPattern;

impl Attack for CrawlPattern {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "crawl-pattern",
            clauses: &[Clause::PatternAlerts],
            threat: Threat::ModelTheft,
            about: "holds a key whose limits are far too wide; asks about half of the customers one by one, or guesses ids and is mostly refused; a thief who stays below the shares shows no pattern",
            measure: "one campaign in a fresh window; won if nobody is called for this reason",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let customers = target.customers();
        for _ in 0..plan.tries(5) {
            target.restart()?;
            let key = target.key(KeyWish::generous())?;
            for _ in 0..60 {
                let customer = draw.one(customers.get(..customers.len() / 10).unwrap_or_default()).cloned().into_iter().collect();
                target.ask(&Ask { key: Some(key.clone()), customers: customer, ..Ask::default() })?;
            }
            tally.honest(&quiet(&target.watch()?));
            target.restart()?;
            let key = target.key(KeyWish::generous())?;
            let half: Vec<String> = customers.iter().step_by(2).cloned().collect();
            for chunk in half.chunks(HALF_CHUNK) {
                target.ask(&Ask { key: Some(key.clone()), customers: chunk.to_vec(), ..Ask::default() })?;
            }
            tally.hostile("half of the base", &unnoticed(&target.watch()?, Clause::PatternAlerts));
            target.restart()?;
            let key = target.key(KeyWish::generous())?;
            for at in 0..80 {
                let id =
                    if at % 2 == 0 { format!("x-{}", draw.hex(8)) } else { draw.one(&customers).cloned().unwrap_or_default() };
                target.ask(&Ask { key: Some(key.clone()), customers: vec![id], ..Ask::default() })?;
            }
            tally.hostile("guessed ids", &unnoticed(&target.watch()?, Clause::PatternAlerts));
        }
        Ok(tally.measured(""))
    }
}
