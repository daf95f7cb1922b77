//! Tables of any content are learnt or refused, and give the same answer each time.

use frame::{Categories, Column, Frame, MISSING};
use proptest::prelude::*;

use super::made::{customers, parts, profile, spec};
use crate::{ContractFinding, Delivery, Golden, Layer, Profile, ProfileSpec, Screen, ScreenError, State, Suggestion};

#[test]
fn the_same_rows_give_the_same_bytes_on_any_number_of_threads() {
    let history = customers(500, 1);
    let batch = customers(300, 2);
    let both = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let profile = profile(&history);
            let found = profile.screen(&Delivery::of(&batch), &State::default()).unwrap();
            (serde_json::to_string(&profile).unwrap(), serde_json::to_string(&found).unwrap())
        })
    };
    let one = both(1);
    assert_eq!(one, both(3));
    let stored: Profile = serde_json::from_str(&one.0).unwrap();
    let found = stored.screen(&Delivery::of(&batch), &State::default()).unwrap();
    assert_eq!(serde_json::to_string(&found).unwrap(), one.1);
    println!("{} bytes", one.0.len());
}

#[test]
fn parts_add_up_to_the_whole() {
    let (history, batch) = parts(6);
    let profile = profile(&history);
    let state = State::default();
    let mut screen = Screen::new(&profile, &state, None);
    screen.push(&batch.take(&(0..400).collect::<Vec<_>>())).unwrap();
    screen.push(&batch.take(&(400..800).collect::<Vec<_>>())).unwrap();
    let found = screen.finish();
    assert_eq!(found.row_scores.len(), 800);
    assert!(!found.alarm, "{:?}", found.tests);
}

#[test]
fn a_copy_is_found_in_whatever_part_it_comes_on_any_number_of_threads() {
    const ROWS: usize = 20_000;
    let profile = profile(&customers(500, 1));
    // Row 7 comes again in another task of the same part, row 8 in another part.
    let mut order: Vec<usize> = (0..ROWS).collect();
    (order[15_999], order[19_990]) = (7, 8);
    let batch = customers(ROWS, 2).take(&order);
    let state = State::default();
    let judged = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut screen = Screen::new(&profile, &state, None);
            for part in [0..16_000, 16_000..16_001, 16_001..ROWS] {
                screen.push(&batch.take(&part.collect::<Vec<_>>())).unwrap();
            }
            screen.finish()
        })
    };
    let found = judged(1);
    assert_eq!(serde_json::to_string(&found).unwrap(), serde_json::to_string(&judged(3)).unwrap());
    let copies = found.tests.iter().find(|test| test.layer == Layer::Duplicate).unwrap();
    assert!(copies.seen.starts_with("2 whole rows"), "{}", copies.seen);
    for (first, later) in [(7, 15_999), (8, 19_990)] {
        assert!(found.row_scores[first] >= found.row_scores[later], "both rank high");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let history = customers(400, 1);
    let learn = |frame: &Frame, spec: &ProfileSpec| Profile::learn(&Golden { frame }, spec).err();
    assert_eq!(learn(&customers(20, 1), &spec()), Some(ScreenError::TooFewRows(20)));
    let unknown = ProfileSpec { label: Some("left".to_owned()), ..spec() };
    assert_eq!(learn(&history, &unknown), Some(ScreenError::ColumnMissing("left".to_owned())));
    assert_eq!(
        learn(&history.only(|name| name == "id"), &ProfileSpec { id: Some("id".to_owned()), ..ProfileSpec::default() }),
        Some(ScreenError::Columns(0))
    );
    let profile = profile(&history);
    let found = profile.screen(&Delivery::of(&history.take(&[])), &State::default()).unwrap();
    assert_eq!(found.verdict, Suggestion::Pass);
    let text = serde_json::to_string(&profile).unwrap().replacen("\"version\":1", "\"version\":9", 1);
    assert!(serde_json::from_str::<Profile>(&text).is_err());
}

#[test]
fn rows_that_break_the_contract_are_set_aside_and_many_are_refused() {
    let (history, batch) = parts(7);
    let profile = profile(&history);
    let finding = |row| ContractFinding { row: Some(row), column: "plan".to_owned(), seen: "a mark".to_owned() };
    let one = Delivery { contract: vec![finding(5)], ..Delivery::of(&batch) };
    let found = profile.screen(&one, &State::default()).unwrap();
    assert!(found.rows.iter().any(|finding| finding.row == 5 && finding.layer == Layer::Contract));
    assert!(matches!(&found.verdict, Suggestion::Quarantine(rows) if rows.contains(&5)), "{:?}", found.verdict);
    let many = Delivery { contract: (0..300).map(finding).collect(), ..Delivery::of(&batch) };
    assert_eq!(profile.screen(&many, &State::default()).unwrap().verdict, Suggestion::Refuse);
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
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_table_is_learnt_and_judged(cells in prop::collection::vec(cell(), 40), codes in prop::collection::vec(0_u32..6, 30), same in cell()) {
        let rows = 320;
        let mut frame = Frame::new(rows);
        frame.push("wild", Column::Number((0..rows).map(|row| cells[row * 7 % cells.len()]).collect())).unwrap();
        frame.push("same", Column::Number(vec![same; rows])).unwrap();
        frame.push("none", Column::Number(vec![f64::NAN; rows])).unwrap();
        let codes: Vec<u32> = (0..rows).map(|row| if row % 31 == 0 { MISSING } else { codes[row * 11 % codes.len()] }).collect();
        frame.push("kind", Column::Category(Categories { levels: vec!["a".into(), "b".into(), "a".into()], codes })).unwrap();
        let spec = ProfileSpec { label: Some("kind".into()), value: Some("wild".into()), critical: vec!["same".into()], ..ProfileSpec::default() };
        let profile = Profile::learn(&Golden { frame: &frame }, &spec).unwrap();
        let found = profile.screen(&Delivery::of(&frame), &State::default()).unwrap();
        prop_assert!(found.row_scores.iter().all(|score| score.is_finite()));
        let other = frame.take(&(100..500).collect::<Vec<_>>());
        prop_assert!(profile.screen(&Delivery::of(&other), &found.state).is_ok());
        let stored: Profile = serde_json::from_str(&serde_json::to_string(&profile).unwrap()).unwrap();
        // Numbers of any size may come back off by their last bit, so that the judgement is compared and not the bytes.
        prop_assert_eq!(stored.screen(&Delivery::of(&frame), &State::default()).unwrap().verdict, found.verdict);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn stored_bytes_of_any_change_never_panic(at in 0.0..1.0_f64, byte in any::<u8>()) {
        static STORED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = STORED.get_or_init(|| serde_json::to_vec(&profile(&customers(320, 1))).unwrap()).clone();
        let place = (at * (bytes.len() - 1) as f64) as usize;
        bytes[place] = byte;
        if let Ok(profile) = serde_json::from_slice::<Profile>(&bytes) {
            let _ = profile.screen(&Delivery::of(&customers(80, 2)), &State::default());
        }
    }
}
