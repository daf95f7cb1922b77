//! Asking without a key, or with one that is not good (any more) (T2, T3).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, KeyWish, Target};

pub(crate) struct BadKeys;

impl Attack for BadKeys {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "bad-keys",
            clauses: &[Clause::Tokens],
            threat: Threat::Inference,
            about: "reaches the API; has no key, a made-up one, a true one with one letter changed, an expired one, a revoked one, or one of another scope; does not steal a good key",
            measure: "one question about one customer; won if it is answered",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let customers = target.customers();
        let good = target.key(KeyWish::generous())?;
        let expired = target.key(KeyWish { expired: true, ..KeyWish::generous() })?;
        let revoked = target.key(KeyWish { revoked: true, ..KeyWish::generous() })?;
        let scoped = target.key(KeyWish { first_customers: Some(1), ..KeyWish::generous() })?;
        for _ in 0..plan.tries(20) {
            let customer = customers.get(1 + draw.below(customers.len().saturating_sub(1))).cloned().unwrap_or_default();
            let ask =
                |key: Option<&str>| Ask { key: key.map(str::to_owned), customers: vec![customer.clone()], ..Ask::default() };
            tally.honest(&target.ask(&ask(Some(&good)))?.judged);
            let made_up = format!("swk_{}_{}", draw.hex(16), draw.hex(56));
            let mut changed: Vec<char> = good.chars().collect();
            let at = 4 + draw.below(changed.len().saturating_sub(4));
            if let Some(letter) = changed.get_mut(at) {
                *letter = if *letter == 'a' { 'b' } else { 'a' };
            }
            let changed: String = changed.into_iter().collect();
            let ways = [
                ("no key", None),
                ("made up", Some(made_up.as_str())),
                ("one letter off", Some(changed.as_str())),
                ("expired", Some(expired.as_str())),
                ("revoked", Some(revoked.as_str())),
                ("other scope", Some(scoped.as_str())),
            ];
            for (way, key) in ways {
                tally.hostile(way, &target.ask(&ask(key))?.judged);
            }
        }
        Ok(tally.measured(""))
    }
}
