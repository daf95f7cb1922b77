//! Every attacker keeps to the space, finds what there is to find, and repeats itself (T5).

use super::*;
use crate::space::{Moves, Reach, Relation, Rule};
use frame::{Categories, Column, Frame};
use learn::calibrate::logistic;
use learn::rng::Rng;
use learn::{BoosterSpec, ForestSpec, TrainSpec};

/// Customers whose spend is the sum of two parts, and what they do.
fn customers(rows: usize, seed: u64) -> (Vec<Vec<Cell>>, Vec<bool>) {
    let mut rng = Rng::new(seed);
    let one = |_| {
        let (months, calls, texts) = (rng.below(60) as f64, rng.unit() * 40.0, rng.unit() * 20.0);
        let plan = ["monthly", "yearly", "trial"][rng.below(3)];
        let odds = 1.0 - months / 12.0 + if plan == "monthly" { 1.5 } else { 0.0 } + (calls + texts - 30.0) / 8.0;
        let label = rng.unit() < logistic(2.0 * odds);
        let missing = rng.below(20) == 0;
        let months = if missing { Cell::Missing } else { Cell::Number(months) };
        let row = vec![
            months,
            Cell::Number(calls),
            Cell::Number(texts),
            Cell::Number(calls + texts),
            if rng.below(30) == 0 { Cell::Missing } else { Cell::Text(plan.to_owned()) },
        ];
        (row, label)
    };
    (0..rows).map(one).unzip()
}

const NAMES: [&str; 5] = ["months", "calls", "texts", "spend", "plan"];

fn table(rows: &[Vec<Cell>]) -> Frame {
    let mut frame = Frame::new(rows.len());
    for (at, name) in NAMES.into_iter().enumerate() {
        let texts = rows.iter().map(|row| if let Cell::Text(text) = &row[at] { Some(text.as_str()) } else { None });
        let numbers = rows.iter().map(|row| if let Cell::Number(number) = row[at] { number } else { f64::NAN });
        let column =
            if name == "plan" { Column::Category(Categories::from_texts(texts)) } else { Column::Number(numbers.collect()) };
        frame.push(name, column).unwrap();
    }
    frame
}

fn model() -> Ensemble {
    let (rows, labels) = customers(600, 1);
    let spec = TrainSpec {
        booster: BoosterSpec { trees: 30, ..BoosterSpec::default() },
        forest: ForestSpec { trees: 30, ..ForestSpec::default() },
        log_columns: vec!["calls".to_owned()],
        ..TrainSpec::default()
    };
    Ensemble::fit(&table(&rows), &labels, &spec).unwrap()
}

fn rule(column: &str, moves: Moves, reach: Reach, cost: f64) -> Rule {
    Rule { column: column.to_owned(), moves, reach, cost, ..Rule::default() }
}

fn space(model: &Ensemble, cost_most: f64) -> Space {
    let rules = vec![
        Rule { integer: true, max: Some(60.0), ..rule("months", Moves::IncreaseOnly, Reach::Absolute(24.0), 5.0) },
        Rule { min: Some(0.0), ..rule("calls", Moves::Free, Reach::Relative(0.8), 1.0) },
        rule("texts", Moves::DecreaseOnly, Reach::Absolute(6.0), 0.5),
        rule("plan", Moves::Levels(vec!["yearly".to_owned(), "trial".to_owned()]), Reach::Any, 20.0),
    ];
    let sum = Relation::Sum { total: "spend".to_owned(), parts: vec!["calls".to_owned(), "texts".to_owned()] };
    let most = Relation::AtLeast { larger: "calls".to_owned(), smaller: "texts".to_owned() };
    Space::new(model.columns(), rules, &[sum, most], cost_most).unwrap()
}

fn run(model: &Ensemble, space: &Space, knowledge: Knowledge, budget: u64) -> (Tally, Vec<Option<Attacked>>) {
    let (rows, labels) = customers(60, 2);
    let (known, _) = customers(40, 3);
    campaign(model, space, &rows, &labels, &Campaign { knowledge, known: &known, budget, seed: 5 }).unwrap()
}

const ALL: [Knowledge; 3] = [Knowledge::Model, Knowledge::Scores, Knowledge::Decisions];

#[test]
fn evasions_are_allowed_and_evade() {
    let model = model();
    let space = space(&model, 80.0);
    let (rows, labels) = customers(60, 2);
    for knowledge in ALL {
        let (tally, all) = run(&model, &space, knowledge, 600);
        println!("{knowledge:?}: {tally:?}");
        assert!(tally.tried >= 40 && tally.won >= 15, "{knowledge:?}: {tally:?}");
        assert!(tally.interval.0 < tally.share && tally.share < tally.interval.1 && tally.queries <= 600.0);
        for ((row, label), attacked) in rows.iter().zip(&labels).zip(&all) {
            let Some(Attacked { evasion: Some(evasion), .. }) = attacked else { continue };
            assert!(space.allows(row, &evasion.row) && evasion.cost <= 80.0);
            assert_eq!(evasion.cost, space.cost(row, &evasion.row));
            let values: Vec<Value<'_>> = evasion.row.iter().map(Cell::value).collect();
            assert_ne!(model.is_positive(&model.predict_row(&values).unwrap()), *label);
        }
    }
}

#[test]
fn who_can_move_nothing_wins_nothing() {
    let model = model();
    let fixed = Space::new(model.columns(), Vec::new(), &[], f64::INFINITY).unwrap();
    let poor = space(&model, 0.0);
    for knowledge in ALL {
        for space in [&fixed, &poor] {
            let (tally, _) = run(&model, space, knowledge, 200);
            assert!(tally.tried >= 40 && tally.won == 0 && tally.cost.is_none());
        }
    }
}

#[test]
fn a_campaign_repeats_itself_and_keeps_its_budget() {
    let model = model();
    let space = space(&model, 80.0);
    for knowledge in ALL {
        let first = run(&model, &space, knowledge, 100);
        assert_eq!(first, run(&model, &space, knowledge, 100));
        assert!(first.1.iter().flatten().all(|attacked| attacked.queries <= 100));
        let none = run(&model, &space, knowledge, 0).0;
        assert_eq!((none.won, none.queries), (0, 0.0));
        assert!(run(&model, &space, knowledge, 600).0.won + 3 >= first.0.won);
    }
}

#[test]
fn rows_of_another_width_are_refused() {
    let model = model();
    let space = space(&model, 1.0);
    assert!(white::attack(&model, &space, &[Cell::Missing], 10, 1).is_err());
    let (rows, _) = customers(3, 2);
    let plan = Campaign { knowledge: Knowledge::Scores, known: &[], budget: 1, seed: 1 };
    assert!(campaign(&model, &space, &rows, &[true], &plan).is_err());
}
