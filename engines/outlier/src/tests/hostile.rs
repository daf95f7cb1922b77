//! Frames of any content give an answer or an error, the same each time.

use frame::{Categories, Column, Frame, MISSING};
use proptest::prelude::*;

use super::poison::customers;
use crate::{GuardSpec, InputGuard, OutlierError, Reference, Spec, Value};

fn reference() -> Reference {
    Reference::fit(&customers(600, 1), &Spec { critical: vec!["churn".into()], ..Spec::default() }, 4).unwrap()
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let first = serde_json::to_string(&reference()).unwrap();
    assert_eq!(first, serde_json::to_string(&reference()).unwrap());
    let other = Reference::fit(&customers(600, 1), &Spec::default(), 5).unwrap();
    assert_ne!(first, serde_json::to_string(&other).unwrap());
    println!("{} bytes", first.len());
}

#[test]
fn a_stored_reference_scores_as_the_fitted_one() {
    let fitted = reference();
    let stored: Reference = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
    let batch = customers(300, 2);
    assert_eq!(fitted.score(&batch), stored.score(&batch));
    assert_eq!(fitted.guard(GuardSpec::default()), stored.guard(GuardSpec::default()));
    let guard: InputGuard = serde_json::from_str(&serde_json::to_string(&fitted.guard(GuardSpec::default())).unwrap()).unwrap();
    assert_eq!(guard, fitted.guard(GuardSpec::default()));
}

#[test]
fn another_version_is_refused() {
    let text = serde_json::to_string(&reference()).unwrap().replacen("\"version\":1", "\"version\":9", 1);
    assert!(serde_json::from_str::<Reference>(&text).is_err());
}

#[test]
fn columns_and_levels_may_stand_in_another_order() {
    let reference = reference();
    let batch = customers(200, 3);
    let mut turned = Frame::new(200);
    for (name, column) in batch.iter().collect::<Vec<_>>().into_iter().rev() {
        let column = match column {
            Column::Number(values) => Column::Number(values.clone()),
            Column::Category(known) => {
                let last = known.levels.len() as u32 - 1;
                let levels = known.levels.iter().rev().cloned().collect();
                Column::Category(Categories { levels, codes: known.codes.iter().map(|code| last - code).collect() })
            }
        };
        turned.push(name, column).unwrap();
    }
    assert_eq!(reference.score(&batch).unwrap().rows, reference.score(&turned).unwrap().rows);
}

#[test]
fn what_does_not_fit_is_refused() {
    let clean = customers(600, 1);
    assert_eq!(Reference::fit(&customers(10, 1), &Spec::default(), 1).err(), Some(OutlierError::TooFewRows(10)));
    assert_eq!(Reference::fit(&Frame::new(600), &Spec::default(), 1).err(), Some(OutlierError::Columns(0)));
    let unknown = Spec { critical: vec!["tier".into()], ..Spec::default() };
    assert_eq!(Reference::fit(&clean, &unknown, 1).err(), Some(OutlierError::ColumnMissing("tier".into())));
    let reference = reference();
    let lacking = clean.only(|name| name != "months");
    assert_eq!(reference.score(&lacking).err(), Some(OutlierError::ColumnMissing("months".into())));
    let empty = reference.score(&clean.take(&[])).unwrap();
    assert!(empty.rows.is_empty() && !empty.batch.alarm);
    let single = reference.score(&clean.take(&[4])).unwrap();
    assert_eq!(single.rows.len(), 1);
}

#[test]
fn a_new_level_and_an_infinite_number_are_strange() {
    let reference = reference();
    let guard = reference.guard(GuardSpec::default());
    let ordinary = [
        Value::Number(30.0),
        Value::Number(45.0),
        Value::Number(1350.0),
        Value::Number(20.0),
        Value::Number(60.0),
        Value::Level("fast"),
        Value::Level("no"),
        Value::Level("month"),
        Value::Level("no"),
    ];
    assert_eq!(guard.check(&ordinary).flags, []);
    for (at, value) in
        [(0, Value::Number(f64::INFINITY)), (5, Value::Level("gold")), (2, Value::Number(1e9)), (1, Value::Level("x"))]
    {
        let mut row = ordinary;
        row[at] = value;
        assert!(!guard.check(&row).flags.is_empty(), "{value:?}");
    }
    assert!(!guard.check(&ordinary[1..]).flags.is_empty());
    let impossible = {
        let mut row = ordinary;
        row[5] = Value::Level("basic");
        row
    };
    assert!(guard.check(&impossible).p_value < 0.02);
}

fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        Just(-0.0),
        -1e3..1e3_f64,
        Just(7.0),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_frame_is_learnt_or_refused(cells in prop::collection::vec(cell(), 40), codes in prop::collection::vec(0_u32..6, 30), same in cell()) {
        let rows = 320;
        let mut frame = Frame::new(rows);
        frame.push("wild", Column::Number((0..rows).map(|row| cells[row * 7 % cells.len()]).collect())).unwrap();
        frame.push("same", Column::Number(vec![same; rows])).unwrap();
        let codes: Vec<u32> = (0..rows).map(|row| if row % 31 == 0 { MISSING } else { codes[row * 11 % codes.len()] }).collect();
        frame.push("kind", Column::Category(Categories { levels: vec!["a".into(), "b".into(), "a".into()], codes })).unwrap();
        let spec = Spec { critical: vec!["kind".into()], ..Spec::default() };
        let reference = Reference::fit(&frame, &spec, 1).unwrap();
        let scored = reference.score(&frame).unwrap();
        prop_assert!(scored.rows.iter().all(|row| row.p_value > 0.0 && row.p_value <= 1.0 && row.strangeness.is_finite()));
        let other = frame.take(&(0..400).collect::<Vec<_>>());
        prop_assert!(reference.score(&other).is_ok());
    }

    #[test]
    fn stored_bytes_of_any_change_never_panic(at in 0.0..1.0_f64, byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&reference()).unwrap();
        let place = (at * (bytes.len() - 1) as f64) as usize;
        bytes[place] = byte;
        if let Ok(reference) = serde_json::from_slice::<Reference>(&bytes) {
            let _ = reference.score(&customers(60, 2));
            let _ = reference.guard(GuardSpec::default()).check(&[Value::Missing; 9]);
        }
        let mut bytes = serde_json::to_vec(&reference().guard(GuardSpec::default())).unwrap();
        let place = (at * (bytes.len() - 1) as f64) as usize;
        bytes[place] = byte;
        if let Ok(guard) = serde_json::from_slice::<InputGuard>(&bytes) {
            let row = [Value::Number(1.0); 9];
            let _ = (guard.check(&[Value::Missing; 9]), guard.check(&row));
        }
    }
}
