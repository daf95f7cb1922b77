//! Generated people that tests share: as telling as churn data are, with chance in the labels, so that there is something to remember.

use frame::{Categories, Column, Frame};
use learn::calibrate::logistic;
use learn::rng::Rng;

/// So many people and whether they left, about a third.
pub(crate) fn people(rows: usize, seed: u64) -> (Frame, Vec<bool>) {
    let mut rng = Rng::new(seed);
    let mut numbers = vec![Vec::new(); 5];
    let (mut plan, mut sex, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let drawn: [f64; 5] = std::array::from_fn(|_| rng.unit() * 4.0 - 2.0);
        let kind = ["monthly", "yearly", "trial"][rng.below(3)];
        let odds = -1.0 + 0.8 * drawn[0] - 0.6 * drawn[1] + 0.5 * drawn[2] * drawn[3] + if kind == "monthly" { 0.9 } else { 0.0 };
        labels.push(rng.unit() < logistic(odds));
        numbers.iter_mut().zip(drawn).for_each(|(column, value)| column.push(value));
        plan.push(kind);
        sex.push(["f", "m"][rng.below(2)]);
    }
    let mut frame = Frame::new(rows);
    for (at, column) in numbers.into_iter().enumerate() {
        frame.push(&format!("number{at}"), Column::Number(column)).unwrap();
    }
    frame.push("plan", Column::Category(Categories::from_texts(plan.into_iter().map(Some)))).unwrap();
    frame.push("sex", Column::Category(Categories::from_texts(sex.into_iter().map(Some)))).unwrap();
    (frame, labels)
}
