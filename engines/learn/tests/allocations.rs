//! An answer allocates nothing, however long the service has run: no caller can make it ask for memory by asking again (T3).

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod common;

use frame::Column;
use learn::{BoosterSpec, Ensemble, Scratch, SvmSpec, TrainSpec, Value};

/// Allocations of one hundred answers, after as many others.
fn allocations(spec: &TrainSpec) -> u64 {
    let (frame, labels) = common::generated(500, 1);
    let model = Ensemble::fit(&frame, &labels, spec).unwrap();
    let value = |name: &str, row: usize| match frame.column(name) {
        Some(Column::Number(numbers)) => Value::Number(numbers[row]),
        Some(Column::Category(categories)) => {
            categories.levels.get(categories.codes[row] as usize).map_or(Value::Missing, |level| Value::Text(level))
        }
        None => Value::Missing,
    };
    let rows: Vec<Vec<Value<'_>>> =
        (0..100).map(|row| model.columns().iter().map(|column| value(&column.name, row)).collect()).collect();
    let mut scratch = Scratch::default();
    let mut answers = || rows.iter().map(|row| model.scores(row, &mut scratch).unwrap().vote).sum::<f64>();
    let first = answers();
    let mut again = 0.0;
    let counted = allocation_counter::measure(|| again = answers());
    assert!(first == again && first > 0.0);
    counted.count_total
}

#[test]
fn an_answer_allocates_nothing() {
    assert_eq!(allocations(&common::small()), 0);
    // Trees that are too deep for the layout of many rows, and a plane.
    let deep = BoosterSpec { depth: 12, ..common::small().booster };
    let plane = SvmSpec { kernel: learn::Kernel::Linear, ..SvmSpec::default() };
    assert_eq!(allocations(&TrainSpec { booster: deep, svm: plane, ..common::small() }), 0);
}

#[test]
fn the_count_is_not_always_none() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8]))).count_total, 1);
}
