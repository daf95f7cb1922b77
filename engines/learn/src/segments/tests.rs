//! Segments of made rows.

use super::*;
use crate::rng::Rng;

fn customers() -> (Frame, Vec<f64>, Vec<bool>) {
    let mut rng = Rng::new(8);
    let (mut spend, mut visits, mut churned) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..600 {
        let (size, often, risk) =
            [(20.0, 2.0, 0.8), (400.0, 12.0, 0.1), (6000.0, 40.0, 0.02)][usize::from(row % 6 > 2) + usize::from(row % 6 > 4)];
        spend.push(size * (0.8 + 0.4 * rng.unit()));
        visits.push(if row == 5 { f64::NAN } else { often * (0.8 + 0.4 * rng.unit()) });
        churned.push(rng.unit() < risk);
    }
    let mut frame = Frame::new(600);
    frame.push("spend", Column::Number(spend.clone())).unwrap();
    frame.push("visits", Column::Number(visits)).unwrap();
    (frame, spend, churned)
}

fn fitted() -> Segments {
    let (frame, values, churned) = customers();
    let spec = SegmentSpec { columns: vec!["spend".to_owned(), "visits".to_owned()], ..SegmentSpec::default() };
    Segments::fit(&frame, &values, Some(&churned), &spec).unwrap()
}

#[test]
fn segments_have_the_names_of_their_customers() {
    let found = fitted();
    let names: Vec<&str> = found.segments().iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(names, ["small, high value, low churn", "medium, low value, low churn", "large, low value, high churn"]);
    assert!(found.segments().iter().all(|segment| segment.stability > 0.99));
    assert_eq!(found.segments().iter().map(|segment| segment.size).sum::<u64>(), 600);
    assert!(found.axes()[0].log, "spend is skewed");
    assert!((found.segments()[0].typical[0] / 6000.0 - 1.0).abs() < 0.1);
    assert!(found.check().is_ok());
}

#[test]
fn one_row_goes_where_its_frame_goes() {
    let (found, (frame, values, _)) = (fitted(), customers());
    let all = found.assign_all(&frame).unwrap();
    assert_eq!(found.assign(&[Value::Number(values[8]), Value::Number(13.0)]), all[3]);
    assert!(found.assign(&[Value::Missing, Value::Text("x")]) < 3);
    assert!(found.assign(&[]) < 3);
}

/// Two groups of 200 rows around 0 and around 10, then so many more at `at`.
fn grouped(more: usize, at: f64) -> Frame {
    let mut rng = Rng::new(8);
    let own = (0..400).map(|row| if row % 2 == 0 { 0.0 } else { 10.0 });
    let all: Vec<f64> = own.chain(std::iter::repeat_n(at, more)).map(|middle| middle + rng.unit()).collect();
    let mut frame = Frame::new(all.len());
    frame.push("x", Column::Number(all)).unwrap();
    frame
}

fn grouping() -> SegmentSpec {
    SegmentSpec { columns: vec!["x".into()], most: 3, ..SegmentSpec::default() }
}

#[test]
fn new_rows_move_centres_no_further_than_the_bound_and_known_ones_do() {
    let values = vec![f64::NAN; 700];
    let before = Segments::fit(&grouped(0, 0.0), &values[..400], None, &grouping()).unwrap();
    let poisoned = grouped(300, 4.0);
    let known: Vec<bool> = (0..700).map(|row| row < 400).collect();
    let capped = Segments::fit_trusting(&poisoned, Some(&known), &values, None, &grouping()).unwrap();
    let open = Segments::fit(&poisoned, &values, None, &grouping()).unwrap();
    let far = |fitted: &Segments| -> f64 {
        let gap = |segment: &Segment| {
            before.segments.iter().map(|old| (old.typical[0] - segment.typical[0]).abs()).fold(f64::INFINITY, f64::min)
        };
        fitted.segments.iter().map(gap).fold(0.0, f64::max)
    };
    assert_eq!(capped.segments.len(), 2);
    for segment in &capped.segments {
        assert!(segment.moved <= segment.bound && segment.bound > 0.0, "{segment:?}");
    }
    let bound = capped.segments.iter().map(|segment| segment.bound * capped.axes[0].deviation).fold(0.0, f64::max);
    assert!(far(&capped) <= bound + 1e-9 && far(&open) > 4.0 * bound, "{} {} {bound}", far(&capped), far(&open));
}

#[test]
fn numbers_follow_the_customers_and_not_the_order() {
    let frame = grouped(0, 0.0);
    let worth = |high: f64, low: f64| -> Vec<f64> { (0..400).map(|row| if row % 2 == 0 { high } else { low }).collect() };
    let first = Segments::fit(&frame, &worth(1.0, 9.0), None, &grouping()).unwrap();
    let second = Segments::fit(&frame, &worth(9.0, 1.0), None, &grouping()).unwrap();
    let (second, rand) = second.following(&first, &frame).unwrap();
    assert_eq!(rand, 1.0);
    assert_eq!(first.segments.iter().map(|segment| segment.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(second.segments.iter().map(|segment| segment.number).collect::<Vec<_>>(), [2, 1]);
    let place = |all: &Segments, number| all.segments.iter().find(|segment| segment.number == number).unwrap().typical[0];
    assert_eq!(place(&first, 1), place(&second, 1));
}

#[test]
fn segments_of_other_rows_get_new_numbers() {
    let frame = grouped(0, 0.0);
    let mut first = Segments::fit(&frame, &[f64::NAN; 400], None, &grouping()).unwrap();
    // An earlier version that put everybody into one segment.
    first.segments.truncate(1);
    first.segments[0].number = 7;
    let second = Segments::fit(&frame, &[f64::NAN; 400], None, &grouping()).unwrap();
    let (second, rand) = second.following(&first, &frame).unwrap();
    assert_eq!(rand, 0.0);
    assert_eq!(second.segments.iter().map(|segment| segment.number).collect::<Vec<_>>(), [7, 8]);
    // A number that died in between is not given again.
    let mut between = second.clone();
    between.segments.retain(|segment| segment.number == 7);
    let (third, _) = second.following(&between, &frame).unwrap();
    assert_eq!(third.segments.iter().map(|segment| segment.number).collect::<Vec<_>>(), [7, 9]);
}

#[test]
fn equal_names_are_told_apart() {
    let blank = Segment {
        name: String::new(),
        centre: vec![1.0],
        typical: vec![1.0],
        size: 5,
        mean_value: Some(1.0),
        churn_rate: None,
        stability: 1.0,
        number: 1,
        bound: 0.0,
        moved: 0.0,
    };
    let mut three = vec![blank.clone(), Segment { centre: vec![-1.0], ..blank.clone() }, blank];
    let axis = Axis { column: "x".to_owned(), log: false, fill: 0.0, mean: 0.0, deviation: 1.0 };
    name_all(&mut three, &[axis], 15, Some(1.0), None);
    let names: Vec<&str> = three.iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(names, ["medium, middle value, high x", "medium, middle value, low x", "medium, middle value, high x (2)"]);
}

#[test]
fn an_unstable_or_crumbled_choice_loses() {
    let choice =
        |silhouette, stability, smallest| Choice { segments: 2, silhouette, stability, least: stability, inertia: 1.0, smallest };
    assert_eq!(choose(&[choice(0.9, 0.5, 0.2), choice(0.3, 0.9, 0.2), choice(0.2, 1.0, 0.2)]), 1);
    assert_eq!(choose(&[choice(0.9, 0.5, 0.2), choice(0.3, 0.7, 0.2)]), 1);
    assert_eq!(choose(&[choice(0.9, 0.9, 0.001), choice(0.3, 0.9, 0.2)]), 1);
    assert_eq!(choose(&[choice(0.9, 0.9, 0.001), choice(0.3, 0.9, 0.002)]), 0);
}

#[test]
fn a_category_is_no_axis() {
    let (mut frame, values, _) = customers();
    frame.push("plan", Column::Category(frame::Categories::from_texts((0..600).map(|_| Some("a"))))).unwrap();
    let spec = |name: &str| SegmentSpec { columns: vec![name.to_owned()], ..SegmentSpec::default() };
    assert!(matches!(Segments::fit(&frame, &values, None, &spec("plan")), Err(LearnError::Kind { .. })));
    assert!(matches!(Segments::fit(&frame, &values, None, &spec("none")), Err(LearnError::NoColumn(_))));
}
