//! What-if rows that break the contract: foreign levels, words for numbers, values out of range, columns too many or too few (T5).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, Feature, KeyWish, Row, Target};

pub(crate) struct BrokenInputs;

impl Attack for BrokenInputs {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "broken-inputs",
            clauses: &[Clause::InputValidation],
            threat: Threat::AdversarialInputs,
            about: "holds a key with the right to what-if and knows the columns; sends one row with one thing wrong",
            measure: "one row; won if it is answered",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let (customers, features) = (target.customers(), target.features());
        let key = target.key(KeyWish::generous())?;
        for _ in 0..plan.tries(20) {
            let row = draw.one(&customers).map(|customer| target.row(customer)).unwrap_or_default();
            for (way, broken) in broken(&row, &features, &mut draw) {
                let judged = target.ask(&Ask { key: Some(key.clone()), rows: vec![broken], ..Ask::default() })?.judged;
                tally.hostile(way, &judged);
            }
            let customers = draw.one(&customers).cloned().into_iter().collect();
            tally.honest(&target.ask(&Ask { key: Some(key.clone()), customers, ..Ask::default() })?.judged);
        }
        Ok(tally.measured("honest: by customer id"))
    }
}

fn broken(row: &Row, features: &[Feature], draw: &mut Draw) -> Vec<(&'static str, Row)> {
    let numbers: Vec<&Feature> = features.iter().filter(|feature| feature.range.is_some()).collect();
    let levels: Vec<&Feature> = features.iter().filter(|feature| feature.range.is_none()).collect();
    let mut out = Vec::new();
    let mut with = |way, name: &str, value: &str| {
        let mut row = row.clone();
        row.insert(name.to_owned(), Some(value.to_owned()));
        out.push((way, row));
    };
    if let Some(feature) = draw.one(&numbers) {
        with("word for a number", &feature.name, "many");
        with("not a number", &feature.name, "NaN");
        with("out of range", &feature.name, "1e12");
    }
    if let Some(feature) = draw.one(&levels) {
        with("foreign level", &feature.name, "platinum-plus");
    }
    with("column too many", "churned", "yes");
    let mut fewer = row.clone();
    fewer.retain(|name, _| numbers.iter().all(|feature| feature.name != *name));
    out.push(("columns missing", fewer));
    out
}
