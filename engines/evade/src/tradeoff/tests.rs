//! Training against an outsider pays against attackers that it did not know, and the policy's limit holds (T5).

use learn::rng::Rng;
use learn::{BoosterSpec, ForestSpec};

use super::*;
use crate::attack::{Campaign, Knowledge, campaign};

/// Spend says most of who leaves, but is easily moved; years, calls and plan say it too, each a little.
fn customers(rows: usize, seed: u64) -> (Frame, Vec<bool>) {
    let mut rng = Rng::new(seed);
    let mut columns: [Vec<f64>; 4] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let (mut plans, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let label = rng.unit() < 0.4;
        let side = if label { 1.0 } else { -1.0 };
        let mut noise = || rng.unit() + rng.unit() + rng.unit() - 1.5;
        let values =
            [0.55 * side + 1.1 * noise(), 0.45 * side + 1.7 * noise(), 0.45 * side + 1.7 * noise(), 0.45 * side + 1.7 * noise()];
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        plans.push(if rng.unit() < 0.5 + 0.2 * side { "monthly" } else { "yearly" });
        labels.push(label);
    }
    let mut frame = Frame::new(rows);
    for (name, column) in ["spend", "years", "calls", "visits"].into_iter().zip(columns) {
        frame.push(name, Column::Number(column)).unwrap();
    }
    frame.push("plan", Column::Category(frame::Categories::from_texts(plans.into_iter().map(Some)))).unwrap();
    (frame, labels)
}

fn spec() -> TrainSpec {
    TrainSpec {
        booster: BoosterSpec { trees: 60, depth: 3, learning_rate: 0.1, ..BoosterSpec::default() },
        forest: ForestSpec { trees: 40, min_leaf: 5, ..ForestSpec::default() },
        ..TrainSpec::default()
    }
}

fn plan() -> Plan {
    Plan { columns: vec!["spend".to_owned()], eps: 0.15, rows_max: 200, seed: 3 }
}

#[test]
fn strangers_turn_less_than_half_as_many_answers_of_a_hardened_vote() {
    let ((train, labels), (test, truth)) = (customers(700, 1), customers(250, 2));
    let plan = plan();
    let won = |strength| {
        let model = Ensemble::fit(&train, &labels, &spec().hardened(&plan.columns, plan.eps, strength)).unwrap();
        let votes: Vec<f64> = model.predict(&test).unwrap().iter().map(|scores| scores.vote).collect();
        let space = Space::new(model.columns(), rules(&train, &plan), &[], f64::INFINITY).unwrap();
        let (rows, known) = (cells(&model, &test), cells(&model, &train.take(&(0..50).collect::<Vec<usize>>())));
        let shares = [Knowledge::Model, Knowledge::Scores, Knowledge::Decisions].map(|knowledge| {
            let plan = Campaign { knowledge, known: &known, budget: 150, seed: 5 };
            campaign(&model, &space, &rows, &truth, &plan).unwrap().0.share
        });
        (metrics::roc_auc(&votes, &truth), shares)
    };
    let ((plain, off), (hardened, on)) = (won(0.0), won(6.0));
    println!("AUC {plain:.3} {hardened:.3}, off {off:.3?}, on {on:.3?}");
    assert!(off.iter().all(|share| *share > 0.1), "{off:?}");
    assert!(off.iter().zip(on).all(|(off, on)| on < off / 2.0), "{off:?} {on:?}");
    assert!(hardened > plain - 0.05, "{hardened} {plain}");
}

#[test]
fn a_curve_falls_in_auc_and_rises_in_what_it_withstands() {
    let (frame, labels) = customers(600, 1);
    let (spec, plan) = (spec(), plan());
    let points: Vec<Point> = curve(&frame, &labels, &spec, &plan, &[0.0, 4.0]).unwrap().collect::<Result<_, _>>().unwrap();
    let [off, on] = points[..] else { panic!("two strengths") };
    println!("{off:?}\n{on:?}");
    assert!(on.balanced_withstood > off.balanced_withstood + 0.05 && on.success() < off.success() / 2.0);
    assert!(off.balanced_withstood < off.balanced_accuracy && off.tried > 100);
    assert!(off.interval.0 < off.success() && off.success() < off.interval.1);
    assert_eq!(point(&frame, &labels, &spec, &plan, 4.0).unwrap(), on);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| point(&frame, &labels, &spec, &plan, 0.0).unwrap()), off);
}

fn seen(strength: f64, auc: f64, balanced_withstood: f64) -> Point {
    Point { strength, auc, balanced_accuracy: 0.8, balanced_withstood, tried: 10, won: 1, interval: (0.0, 1.0) }
}

fn check(points: &[Point], auc_loss_max: f64, strength: Option<f64>) {
    assert_eq!(choose(points, auc_loss_max).map(|point| point.strength), strength);
}

#[test]
fn the_policy_chooses() {
    let points = [seen(2.0, 0.80, 0.75), seen(0.0, 0.85, 0.5), seen(1.0, 0.845, 0.7), seen(1.5, 0.84, 0.7)];
    check(&points, 0.0, Some(0.0));
    check(&points, 0.006, Some(1.0));
    check(&points, 0.02, Some(1.0));
    check(&points, 0.1, Some(2.0));
    check(&points, -1.0, Some(0.0));
    check(&points, f64::NAN, Some(0.0));
    check(&[], 0.1, None);
    // Strength that does not help is not taken.
    check(&[seen(0.0, 0.85, 0.5), seen(1.0, 0.86, 0.5)], 0.1, Some(0.0));
}

#[test]
fn what_cannot_be_tried_is_refused() {
    let (frame, labels) = customers(100, 1);
    let (spec, plan) = (spec(), plan());
    assert!(curve(&frame, &labels, &spec, &plan, &[0.0; STRENGTHS_MAX + 1]).is_err());
    let nobody = Plan { columns: vec!["age".to_owned()], ..plan.clone() };
    assert!(point(&frame, &labels, &spec, &nobody, 1.0).is_err() && point(&frame, &labels, &spec, &nobody, 0.0).is_err());
    assert!(point(&frame, &labels[1..], &spec, &plan, 1.0).is_err() && point(&frame, &labels, &spec, &plan, f64::NAN).is_ok());
    let none = point(&frame, &labels, &spec, &Plan { rows_max: 0, ..plan }, 0.0).unwrap();
    assert_eq!((none.tried, none.success()), (0, 0.0));
}
