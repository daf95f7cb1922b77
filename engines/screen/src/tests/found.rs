//! What is found on generated customers, class by class, and that honest deliveries pass.

use poison::{Class, drip};

use super::made::{auroc, customers, judged, parts, profile, roles};
use crate::{Delivery, Layer, State, Suggestion};

#[test]
fn rows_and_deliveries_of_the_four_published_kinds_are_found() {
    let (history, batch) = parts(1);
    let profile = profile(&history);
    for (class, least) in [(Class::Beyond, 0.9), (Class::DisguisedValue, 0.99), (Class::Mimic, 0.98), (Class::DenseBlock, 0.99)] {
        let (found, touched) = judged(&profile, &history, &batch, class, 0.05);
        let area = auroc(&found.row_scores, &touched);
        println!("{class:?}: {area:.3}, {} set aside", found.rows_flagged);
        assert!(area >= least, "{class:?}: {area}");
        assert!(found.alarm, "{class:?}");
        let (few, _) = judged(&profile, &history, &batch, class, 0.02);
        assert!(few.alarm, "{class:?} at 2 %");
    }
}

#[test]
fn honest_deliveries_pass_and_no_row_is_named() {
    let mut alarms = 0;
    for seed in 10..14 {
        let (history, batch) = parts(seed);
        let (found, _) = judged(&profile(&history), &history, &batch, Class::ControlHalves, 0.0);
        alarms += usize::from(found.alarm);
        assert_ne!(found.verdict, Suggestion::Refuse);
        assert!(found.rows_flagged <= 2, "{:?}", found.rows);
    }
    assert!(alarms <= 1, "{alarms}");
}

#[test]
fn what_single_rows_do_not_show_the_delivery_does() {
    let (history, batch) = parts(2);
    let profile = profile(&history);
    let cases = [
        (Class::FlipDirected, 0.05, Layer::Label),
        (Class::FlipRandom, 0.10, Layer::Label),
        (Class::HideTopChurners, 0.10, Layer::Label),
        (Class::Replay, 0.02, Layer::Duplicate),
        (Class::ExactDuplicates, 0.02, Layer::Duplicate),
        (Class::Cents, 0.05, Layer::Conditional),
    ];
    for (class, share, layer) in cases {
        let (found, _) = judged(&profile, &history, &batch, class, share);
        let by: Vec<Layer> = found.tests.iter().filter(|test| test.alarm).map(|test| test.layer).collect();
        println!("{class:?}: {by:?}");
        assert!(found.alarm, "{class:?}: {:?}", found.tests);
        assert!(by.contains(&layer) || class == Class::Cents, "{class:?} by {by:?}");
    }
}

#[test]
fn a_table_that_is_not_what_was_agreed_is_refused() {
    let (history, batch) = parts(3);
    let profile = profile(&history);
    for class in [Class::ColumnDropped, Class::ColumnRenamed, Class::LabelsInverted, Class::ExtraColumn, Class::TypeChanged] {
        let (found, _) = judged(&profile, &history, &batch, class, 0.05);
        assert_eq!(found.verdict, Suggestion::Refuse, "{class:?}: {:?}", found.tests);
    }
    for class in [Class::LevelsRenamed, Class::ColumnsSwapped, Class::TimeFuture, Class::TimeBackdated] {
        let (found, _) = judged(&profile, &history, &batch, class, 0.05);
        assert!(matches!(found.verdict, Suggestion::Hold | Suggestion::Refuse), "{class:?}: {:?}", found.tests);
    }
}

#[test]
fn a_shift_of_whole_columns_holds_and_sets_no_row_aside() {
    let (history, batch) = parts(4);
    let profile = profile(&history);
    // Honest rows of long contracts only: another mix, each row ordinary.
    let long: Vec<usize> = (0..batch.rows())
        .filter(
            |&row| matches!(batch.column("contract"), Some(frame::Column::Category(known)) if known.text(row) == Some("year")),
        )
        .collect();
    let found = profile.screen(&Delivery::of(&batch.take(&long)), &State::default()).unwrap();
    assert_eq!(found.verdict, Suggestion::Hold);
    assert!(found.rows_flagged <= 1, "{:?}", found.rows);
}

#[test]
fn a_slow_drip_adds_up_and_honest_deliveries_do_not() {
    let (history, _) = parts(5);
    let profile = profile(&history);
    let batches: Vec<frame::Frame> = (0..20).map(|at| customers(500, 900 + at)).collect();
    let hostile = drip(&history, &batches, &roles(), Class::FlipDirected, 0.10, 1).unwrap();
    let mut first = None;
    let (mut state, mut honest) = (State::default(), State::default());
    for (at, (batch, made)) in batches.iter().zip(&hostile).enumerate() {
        let found = profile.screen(&Delivery::of(&made.frame), &state).unwrap();
        if first.is_none() && found.alarm {
            first = Some(at + 1);
        }
        state = found.state;
        let clean = profile.screen(&Delivery::of(batch), &honest).unwrap();
        assert!(!clean.tests.iter().any(|test| test.alarm && test.layer == Layer::Drip), "{:?}", clean.tests);
        honest = clean.state;
    }
    println!("the drip is seen at delivery {first:?}");
    assert!(first.is_some_and(|first| first <= 10), "{first:?}");
    let stored: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    assert_eq!(stored.deliveries(), 20);
}
