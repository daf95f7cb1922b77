//! What-if rows that keep every rule of the contract and are still no customer (T5).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, Feature, KeyWish, Row, Target};

pub(crate) struct CraftedInputs;

impl Attack for CraftedInputs {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "crafted-inputs",
            clauses: &[Clause::InputValidation],
            threat: Threat::AdversarialInputs,
            about: "holds a key with the right to what-if and knows every column's range; sets each number to one end of what customers have, or mixes the values of two dozen customers; does not search for the flip that the detector sees least (an alarm, not a certificate)",
            measure: "one row; won if it is answered",
            bar: Bar::AtMost(0.5),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let (customers, features) = (target.customers(), target.features());
        let key = target.key(KeyWish::generous())?;
        let ask = |target: &mut dyn Target, row: Row| {
            target.ask(&Ask { key: Some(key.clone()), rows: vec![row], ..Ask::default() }).map(|asked| asked.judged)
        };
        for _ in 0..plan.tries(50) {
            let row = draw.one(&customers).map(|customer| target.row(customer)).unwrap_or_default();
            tally.honest(&ask(target, row.clone())?);
            let corner = corner(&row, &features, &mut draw);
            tally.hostile("corner of the ranges", &ask(target, corner)?);
            let mut mixed = row;
            for feature in &features {
                let other = draw.one(&customers).map(|customer| target.row(customer)).unwrap_or_default();
                if let Some(value) = other.get(&feature.name) {
                    mixed.insert(feature.name.clone(), value.clone());
                }
            }
            tally.hostile("mixed customers", &ask(target, mixed)?);
        }
        Ok(tally.measured("honest: a customer's own row as what-if"))
    }
}

/// Every number at the lowest or highest value that a customer has.
fn corner(row: &Row, features: &[Feature], draw: &mut Draw) -> Row {
    let mut out = row.clone();
    for feature in features {
        let Some((low, high, _)) = feature.range else { continue };
        let end = if draw.unit() < 0.5 { low } else { high };
        out.insert(feature.name.clone(), Some(end.to_string()));
    }
    out
}
