//! Generated rows that tests share: numbers and categories, with holes, and labels that depend on both.

use frame::{Categories, Column, Frame};
use learn::calibrate::logistic;
use learn::rng::Rng;
use learn::{BoosterSpec, ForestSpec, TrainSpec};

/// A frame of so many rows and its labels, about a third positive.
pub(crate) fn generated(rows: usize, seed: u64) -> (Frame, Vec<bool>) {
    let mut rng = Rng::new(seed);
    let (mut tenure, mut spend, mut plan, mut labels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let months = (rng.unit() * 60.0).floor();
        let money = libm::exp(rng.unit() * 3.0 + 1.0);
        let kind = ["monthly", "yearly", "trial"][rng.below(3)];
        let odds = -0.5 - months / 15.0 + if kind == "monthly" { 1.5 } else { 0.0 } + (money - 20.0).abs() / 12.0;
        labels.push(rng.unit() < logistic(odds));
        tenure.push(if rng.unit() < 0.05 { f64::NAN } else { months });
        spend.push((money * 100.0).round() / 100.0);
        plan.push(if rng.unit() < 0.03 { None } else { Some(kind) });
    }
    let mut frame = Frame::new(rows);
    frame.push("tenure", Column::Number(tenure)).unwrap();
    frame.push("plan", Column::Category(Categories::from_texts(plan))).unwrap();
    frame.push("spend", Column::Number(spend)).unwrap();
    (frame, labels)
}

/// The default specification with fewer trees.
pub(crate) fn small() -> TrainSpec {
    TrainSpec {
        booster: BoosterSpec { trees: 30, ..BoosterSpec::default() },
        forest: ForestSpec { trees: 30, ..ForestSpec::default() },
        ..TrainSpec::default()
    }
}
