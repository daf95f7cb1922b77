//! A thief who stays within the day's budget, asks about real customers only, and trains a copy on yes and no (T3).

use frame::{Categories, Column, Frame};
use gate::{Clause, Threat};
use learn::gbm::Booster;
use learn::{BoosterSpec, LearnError, Preprocess};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Ask, Broken, Feature, Judged, KeyWish, Row, Seen, Target};

/// Different customers per day: the usual limit of a new key.
const BUDGET: usize = 500;
/// Customers of one question.
const CHUNK: usize = 50;
/// Trees of the copy.
const TREES: u32 = 100;

pub(crate) struct CopyWithinBudget;

impl Attack for CopyWithinBudget {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "copy-within-budget",
            clauses: &[Clause::ExtractionLimits, Clause::LimitedGranularity],
            threat: Threat::ModelTheft,
            about: "holds a good key and the customers' rows, asks about 500 real customers in a day as the limit allows, trains gradient boosted trees on the answers; one day only: with more days the copy gets better",
            measure: "one customer whom the thief did not ask about; won if the copy answers as the model does",
            bar: Bar::KnownGap,
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let customers = target.customers();
        let bought = draw.some(BUDGET.min(customers.len() / 2), customers.len());
        let asked: Vec<String> = bought.iter().filter_map(|at| customers.get(*at).cloned()).collect();
        let rest: Vec<String> = (0..customers.len())
            .filter(|at| bought.binary_search(at).is_err())
            .filter_map(|at| customers.get(at).cloned())
            .collect();
        let limit = u32::try_from(BUDGET).unwrap_or(u32::MAX);
        let key = target.key(KeyWish { distinct_per_day: limit, ..KeyWish::generous() })?;
        let learnt = answers(target, &key, &asked)?;
        // Not the thief's: what the model says of the others, to compare the copy with.
        let referee = target.key(KeyWish::generous())?;
        let truth = answers(target, &referee, &rest)?;
        let features = target.features();
        let rows = |of: &[String]| of.iter().map(|customer| target.row(customer)).collect::<Vec<Row>>();
        let copied =
            copy(&features, &rows(&asked), &learnt, &rows(&rest), plan.seed).map_err(|error| Broken(error.to_string()))?;
        let mut tally = Tally::default();
        for (copied, truth) in copied.iter().zip(&truth) {
            tally.tried("agrees", copied == truth, &Judged::through());
        }
        let yes = truth.iter().filter(|churns| **churns).count();
        let majority = yes.max(truth.len() - yes);
        Ok(tally.measured(format!("always saying the more frequent answer agrees with {majority} of {}", truth.len())))
    }
}

/// Yes or no for each customer; whoever is refused learns nothing and takes it for no.
fn answers(target: &mut dyn Target, key: &str, customers: &[String]) -> Result<Vec<bool>, Broken> {
    let mut out = Vec::new();
    for chunk in customers.chunks(CHUNK) {
        let seen = target.ask(&Ask { key: Some(key.to_owned()), customers: chunk.to_vec(), ..Ask::default() })?.seen;
        out.extend((0..chunk.len()).map(|at| match seen.get(at) {
            Some(Seen::Class(churns)) => *churns,
            Some(Seen::Band(band)) => *band > 5,
            Some(Seen::Probability(probability)) => *probability >= 0.5,
            None => false,
        }));
    }
    Ok(out)
}

fn copy(features: &[Feature], asked: &[Row], learnt: &[bool], rest: &[Row], seed: u64) -> Result<Vec<bool>, LearnError> {
    let (asked, rest) = (table(features, asked), table(features, rest));
    let preprocess = Preprocess::fit(&asked, &[])?;
    let spec = BoosterSpec { trees: TREES, ..BoosterSpec::default() };
    let booster = Booster::fit(&preprocess.encode(&asked)?, learnt, &spec, seed)?;
    let margins = booster.margins(&preprocess.encode(&rest)?)?;
    Ok(margins.into_iter().map(|margin| Booster::chance(margin) >= 0.5).collect())
}

fn table(features: &[Feature], rows: &[Row]) -> Frame {
    let mut frame = Frame::new(rows.len());
    for feature in features {
        let texts = rows.iter().map(|row| row.get(&feature.name).and_then(Option::as_deref));
        let column = match feature.range {
            Some(_) => Column::Number(texts.map(|text| text.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)).collect()),
            None => Column::Category(Categories::from_texts(texts)),
        };
        // INVARIANT: one value per row above, and names of features differ, so no column is refused.
        drop(frame.push(&feature.name, column));
    }
    frame
}
