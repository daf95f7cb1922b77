//! The figures on public customers: rows and deliveries found of the four published kinds, and honest deliveries that pass.

use frame::{Categories, Column, Frame};
use poison::{Class, Roles, halves, poison};

use super::made::auroc;
use crate::{Delivery, Golden, Profile, ProfileSpec, State, Suggestion};

/// A set of development data, or `None` (said aloud) where the folder is missing.
#[expect(clippy::disallowed_methods, reason = "tests read development data from the disk where it is present")]
fn real(file: &str) -> Option<Frame> {
    let folder = std::env::var("STAYWARD_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned());
    let Ok(text) = std::fs::read_to_string(format!("{folder}/{file}")) else {
        println!("skipped: {file} is not there");
        return None;
    };
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let cells: Vec<Vec<&str>> = lines.map(|line| line.split(',').map(str::trim).collect()).collect();
    let mut frame = Frame::new(cells.len());
    for (at, name) in names.iter().enumerate() {
        let texts = || cells.iter().map(|row| row.get(at).copied().filter(|text| !text.is_empty()));
        let numbers: Option<Vec<f64>> = texts().map(|text| text.map_or(Some(f64::NAN), |text| text.parse().ok())).collect();
        let column = numbers.map_or_else(|| Column::Category(Categories::from_texts(texts())), Column::Number);
        frame.push(name, column).unwrap();
    }
    Some(frame)
}

fn check(file: &str, id: Option<&str>, label: &str, value: &str) {
    let Some(frame) = real(file) else { return };
    let own = |name: &str| Some(name.to_owned());
    let roles = Roles { id: id.map(str::to_owned), label: own(label), value: own(value), ..Roles::default() };
    let spec = ProfileSpec { id: roles.id.clone(), label: own(label), value: own(value), ..ProfileSpec::default() };
    // Beyond the 99th percentile, disguised value, each column by itself, a block of near-copies: the targets of the rows.
    let classes = [(Class::Beyond, 0.85), (Class::DisguisedValue, 0.99), (Class::Mimic, 0.99), (Class::DenseBlock, 0.99)];
    let (mut areas, mut found, mut alarms) = ([0.0; 4], [0; 4], 0);
    const FITS: u64 = 3;
    for fit in 0..FITS {
        let split = halves(&frame, 40 + fit);
        let history = frame.take(&split.history);
        let profile = Profile::learn(&Golden { frame: &history }, &spec).unwrap();
        let batch = frame.take(&split.delivery(1_000, fit));
        let honest = profile.screen(&Delivery::of(&batch), &State::default()).unwrap();
        alarms += usize::from(honest.alarm);
        assert_ne!(honest.verdict, Suggestion::Refuse);
        for (at, (class, _)) in classes.iter().enumerate() {
            let made = poison(&history, &batch, &roles, *class, 0.05, fit).unwrap();
            let judged = profile.screen(&Delivery::of(&made.frame), &State::default()).unwrap();
            areas[at] += auroc(&judged.row_scores, made.truth.rows()) / FITS as f64;
            let few = poison(&history, &batch, &roles, *class, 0.01, fit).unwrap();
            found[at] += usize::from(profile.screen(&Delivery::of(&few.frame), &State::default()).unwrap().alarm);
        }
    }
    println!("{file}: AUROC {areas:.3?}, deliveries with 1 % found {found:?} of {FITS}, honest ones blamed {alarms}");
    assert!(alarms <= 1, "{alarms}");
    for (at, (class, least)) in classes.iter().enumerate() {
        assert!(areas[at] >= *least, "{class:?}: {areas:?}");
        // A block may copy a row of an honest pocket: ten rows more are no wonder there.
        assert!(found[at] >= if *class == Class::DenseBlock { 1 } else { 2 }, "{class:?}: {found:?}");
    }
}

#[test]
fn telco_rows_and_deliveries_are_found() {
    check("telco_ibm.csv", Some("customerID"), "Churn", "TotalCharges");
}

#[test]
fn rows_and_deliveries_of_a_second_operator_are_found() {
    check("mlc_churn.csv", None, "churn", "total_day_charge");
}
