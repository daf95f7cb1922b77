//! Inputs that move the scores over time: fake customers, or a fleet of accounts that all look about to leave (T5).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, KeyWish, Row, Seen, Target, quiet, unnoticed};

/// Rows of one campaign.
const ROWS: usize = 400;
/// Rows of one call.
const CHUNK: usize = 50;

pub(crate) struct ScoreDrift;

impl Attack for ScoreDrift {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "score-drift",
            clauses: &[Clause::DriftDetection],
            threat: Threat::AdversarialInputs,
            about: "holds good keys and asks 400 times about customers whom the model calls churners; a mix that leaves the scores' law as it was is not seen, nor is a slow one over many windows",
            measure: "one campaign in a fresh window; won if nobody is called for this reason",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let customers = target.customers();
        let churners = churners(target, &customers)?;
        for _ in 0..plan.tries(5) {
            let some: Vec<Row> = (0..ROWS).filter_map(|_| draw.one(&customers).map(|customer| target.row(customer))).collect();
            campaign(target, &some)?;
            tally.honest(&quiet(&target.watch()?));
            let some: Vec<Row> = (0..ROWS).filter_map(|_| draw.one(&churners).map(|customer| target.row(customer))).collect();
            campaign(target, &some)?;
            tally.hostile("only churners", &unnoticed(&target.watch()?, Clause::DriftDetection));
        }
        Ok(tally.measured("honest: as many random customers"))
    }
}

/// Whom the model calls churners, found by asking (many keys, so that no single application stands out).
fn churners(target: &mut dyn Target, customers: &[String]) -> Result<Vec<String>, Broken> {
    let key = target.key(KeyWish::generous())?;
    let mut out = Vec::new();
    for chunk in customers.chunks(CHUNK) {
        let asked = target.ask(&Ask { key: Some(key.clone()), customers: chunk.to_vec(), ..Ask::default() })?;
        let leaves = |seen: &Seen| match *seen {
            Seen::Class(churns) => churns,
            Seen::Band(band) => band > 5,
            Seen::Probability(probability) => probability >= 0.5,
        };
        out.extend(chunk.iter().zip(&asked.seen).filter(|(_, seen)| leaves(seen)).map(|(customer, _)| customer.clone()));
    }
    Ok(out)
}

/// A fresh window with these rows, one application a call, each row a single call's share small enough to be no pattern.
fn campaign(target: &mut dyn Target, rows: &[Row]) -> Result<(), Broken> {
    target.restart()?;
    for chunk in rows.chunks(CHUNK) {
        let key = target.key(KeyWish::generous())?;
        for row in chunk {
            target.ask(&Ask { key: Some(key.clone()), rows: vec![row.clone()], ..Ask::default() })?;
        }
    }
    Ok(())
}
