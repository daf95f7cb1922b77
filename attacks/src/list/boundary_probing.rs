//! Nearly the same what-if row again and again, to find where the answer turns (T3).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, Feature, KeyWish, Row, Target, quiet, unnoticed};

/// Near rows of one search.
const STEPS: usize = 12;
/// Searches of one campaign.
const SEARCHES: usize = 8;

pub(crate) struct BoundaryProbing;

impl Attack for BoundaryProbing {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "boundary-probing",
            clauses: &[Clause::PatternAlerts],
            threat: Threat::ModelTheft,
            about: "holds a key with the right to what-if; halves the distance between a customer and a changed copy of him, as boundary attacks on class-only answers do; does not spread its searches over applications or mix them with thousands of plain questions",
            measure: "one campaign of eight searches in a fresh window; won if nobody is called for this reason",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let customers = target.customers();
        let features = target.features();
        for _ in 0..plan.tries(5) {
            target.restart()?;
            let key = target.key(KeyWish::generous())?;
            for _ in 0..STEPS * SEARCHES {
                let row = draw.one(&customers).map(|customer| target.row(customer)).unwrap_or_default();
                target.ask(&Ask { key: Some(key.clone()), rows: vec![row], ..Ask::default() })?;
            }
            tally.honest(&quiet(&target.watch()?));
            target.restart()?;
            let key = target.key(KeyWish::generous())?;
            for _ in 0..SEARCHES {
                let row = draw.one(&customers).map(|customer| target.row(customer)).unwrap_or_default();
                for step in 0..STEPS {
                    let rows = vec![nudged(&row, &features, step)];
                    target.ask(&Ask { key: Some(key.clone()), rows, ..Ask::default() })?;
                }
            }
            tally.hostile("halving", &unnoticed(&target.watch()?, Clause::PatternAlerts));
        }
        Ok(tally.measured("honest: as many what-if rows of different customers"))
    }
}

/// A row with its fractional numbers moved by a part of a deviation that halves with every step.
fn nudged(row: &Row, features: &[Feature], step: usize) -> Row {
    let part = 0.5_f64.powi(i32::try_from(step).unwrap_or(0));
    let mut out = row.clone();
    for feature in features.iter().filter(|feature| !feature.whole) {
        let Some((low, high, deviation)) = feature.range else { continue };
        if let Some(Some(text)) = out.get_mut(&feature.name)
            && let Ok(value) = text.parse::<f64>()
        {
            *text = (value + deviation * part * 0.1).clamp(low, high).to_string();
        }
    }
    out
}
