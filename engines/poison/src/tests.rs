//! Every class touches what it says, and nothing else.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use frame::{Categories, Column, Frame};
use proptest::prelude::*;

use crate::draw::Draws;
use crate::scene::differs;
use crate::sheet::{categories, number};
use crate::{Class, Delivery, PoisonError, Roles, Truth, drip, halves, later, poison};

/// Customers with an identifier, a date, money that follows from months and charge, and levels that exclude each other.
fn customers(rows: usize, seed: u64) -> Frame {
    let mut draws = Draws::new(seed, 1);
    let mut numbers = vec![Vec::new(); 6];
    let mut texts = vec![Vec::new(); 5];
    for row in 0..rows {
        let months = draws.between(1.0, 72.0).round();
        let fibre = draws.unit() < 0.5;
        let charge = ((20.0 + 30.0 * f64::from(u8::from(fibre)) + 4.0 * draws.normal()) * 100.0).round() / 100.0;
        let minutes = (libm::exp(5.0 + 0.4 * draws.normal()) * 10.0).round() / 10.0;
        let churn = draws.normal() - 0.04 * months + f64::from(u8::from(fibre)) > 0.0;
        let of_row = [months, charge, months * charge * (1.0 + 0.02 * draws.normal()), minutes, minutes * 0.17, draws.normal()];
        let of_row = of_row.map(|value| (value * 100.0).round() / 100.0);
        numbers.iter_mut().zip(of_row).for_each(|(column, value)| column.push(value));
        let mail = if !fibre {
            "no line"
        } else if draws.unit() < 0.5 {
            "yes"
        } else {
            "no"
        };
        let region = ["north", "south", "east", "west"][draws.below(4)];
        let day = format!("2026-{:02}-{:02}", 1 + draws.below(6), 1 + draws.below(28));
        let of_row =
            [format!("c{seed}-{row}"), day, mail.to_owned(), region.to_owned(), if churn { "yes" } else { "no" }.to_owned()];
        texts.iter_mut().zip(of_row).for_each(|(column, text)| column.push(text));
    }
    let mut frame = Frame::new(rows);
    let levels = |texts: &[String]| Column::Category(Categories::from_texts(texts.iter().map(|text| Some(text.as_str()))));
    for (name, texts) in ["id", "day"].iter().zip(&texts) {
        frame.push(name, levels(texts)).unwrap();
    }
    for (name, values) in ["months", "charge", "amount", "minutes", "minutes_cost", "mood"].iter().zip(numbers) {
        frame.push(name, Column::Number(values)).unwrap();
    }
    frame.push("line", levels(&texts[2].iter().map(|mail| (mail != "no line").to_string()).collect::<Vec<_>>())).unwrap();
    for (name, texts) in ["mail", "region", "churn"].iter().zip(&texts[2..]) {
        frame.push(name, levels(texts)).unwrap();
    }
    frame
}

fn market(weeks: u32) -> Frame {
    let generator = generate::Generator::new(generate::Config::new(5, 100, generate::Profile::TelcoLike)).unwrap();
    let rows: Vec<generate::MarketRow> = (0..weeks).flat_map(|week| generator.market_week(week)).collect();
    let mut frame = Frame::new(rows.len());
    let numbers = |read: fn(&generate::MarketRow) -> f64| Column::Number(rows.iter().map(read).collect());
    let texts = |read: fn(&generate::MarketRow) -> &'static str| {
        Column::Category(Categories::from_texts(rows.iter().map(|row| Some(read(row)))))
    };
    frame.push("week", numbers(|row| f64::from(row.week))).unwrap();
    frame.push("region", texts(|row| generate::region_name(row.region))).unwrap();
    frame.push("competitor", texts(|row| generate::competitor_name(row.competitor))).unwrap();
    frame.push("price", numbers(|row| row.price)).unwrap();
    frame.push("est_share", numbers(|row| row.est_share)).unwrap();
    frame
}

fn roles() -> Roles {
    let name = |name: &str| Some(name.to_owned());
    Roles {
        id: name("id"),
        time: name("day"),
        label: name("churn"),
        value: name("charge"),
        money: vec!["amount".to_owned(), "minutes_cost".to_owned()],
        ..Roles::default()
    }
}

fn tables(class: Class) -> (Frame, Frame, Roles) {
    static CUSTOMERS: OnceLock<(Frame, Frame)> = OnceLock::new();
    static MARKET: OnceLock<(Frame, Frame)> = OnceLock::new();
    let of_market = || {
        let all = market(30);
        let rows = all.rows();
        let cut = rows * 2 / 3;
        (all.take(&(0..cut).collect::<Vec<_>>()), all.take(&(cut..rows).collect::<Vec<_>>()))
    };
    if class.is_of_market() {
        let (history, batch) = MARKET.get_or_init(of_market).clone();
        return (history, batch, Roles::default());
    }
    let (history, batch) = CUSTOMERS.get_or_init(|| (customers(1_500, 3), customers(1_000, 4))).clone();
    (history, batch, roles())
}

fn text(frame: &Frame, name: &str, row: usize) -> String {
    categories(frame.column(name).unwrap()).unwrap().text(row).unwrap_or_default().to_owned()
}

fn value(frame: &Frame, name: &str, row: usize) -> f64 {
    number(frame.column(name).unwrap(), row)
}

fn sorted(frame: &Frame, name: &str) -> Vec<u64> {
    let mut out: Vec<u64> = (0..frame.rows()).map(|row| value(frame, name, row).to_bits()).collect();
    out.sort_unstable();
    out
}

/// The delivery of a class; rows said to be touched differ, all others are equal, and the same seed does the same.
fn made(class: Class, share: f64) -> (Frame, Frame, Delivery) {
    let (history, batch, roles) = tables(class);
    let out = poison(&history, &batch, &roles, class, share, 9).unwrap();
    let again = poison(&history, &batch, &roles, class, share, 9).unwrap();
    assert_eq!((out.csv(), &out.truth), (again.csv(), &again.truth), "{class}");
    let other = poison(&history, &batch, &roles, class, share, 10).unwrap();
    if class.touches_rows() && !class.is_of_market() {
        assert!(out.csv() != other.csv(), "{class}");
    }
    if class.touches_rows() && !out.is_damaged() {
        let touched: BTreeSet<usize> = out.truth.rows().iter().copied().collect();
        assert_eq!(batch.rows(), out.frame.rows());
        for row in 0..batch.rows() {
            assert_eq!(differs(&batch, &out.frame, row), touched.contains(&row), "{class}: row {row}");
        }
    }
    assert!(class.is_control() == (out.truth == Truth::Nothing));
    assert!(class.is_control() || out.csv() != crate::csv(&batch), "{class} changed nothing");
    (history, batch, out)
}

/// As [`made`] with 5 % of 1,000 rows, of which so many must be touched.
fn check(class: Class, touched: std::ops::RangeInclusive<usize>) -> (Frame, Frame, Delivery) {
    let out = made(class, 0.05);
    let count = out.2.truth.rows().len();
    assert!(touched.contains(&count), "{class}: {count} rows");
    out
}

#[test]
fn names_are_unique_and_the_ones_of_files() {
    let names: BTreeSet<&str> = Class::ALL.iter().map(|class| class.name()).collect();
    assert_eq!(names.len(), Class::ALL.len());
    for class in Class::ALL {
        assert_eq!(Class::named(class.name()), Some(class));
        assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
    }
    assert_eq!(Class::named("other"), None);
}

#[test]
fn share_nothing_is_the_honest_delivery() {
    for class in Class::ALL {
        let (history, batch, roles) = tables(class);
        for share in [0.0, -1.0, f64::NAN] {
            let out = poison(&history, &batch, &roles, class, share, 1).unwrap();
            assert!(out.frame == batch || out.csv() == crate::csv(&batch), "{class}");
            assert_eq!((out.truth, out.damaged), (Truth::Nothing, None), "{class}");
        }
    }
}

#[test]
fn controls_are_honest() {
    made(Class::ControlHalves, 0.5);
    made(Class::ControlLater, 0.5);
}

#[test]
fn flips_turn_the_label_and_nothing_else() {
    for class in [Class::FlipRandom, Class::FlipDirected, Class::FlipBoundary, Class::FlipSegment, Class::HideTopChurners] {
        let (_, batch, out) = check(class, 50..=50);
        for &row in out.truth.rows() {
            let (was, is) = (text(&batch, "churn", row), text(&out.frame, "churn", row));
            assert!(was != is && ["yes", "no"].contains(&is.as_str()));
            assert!(!matches!(class, Class::FlipDirected | Class::HideTopChurners) || is == "no");
        }
        assert_eq!(batch.only(|name| name != "churn"), out.frame.only(|name| name != "churn"));
    }
    let (history, batch, out) = made(Class::HideTopChurners, 0.05);
    let mut values: Vec<f64> = (0..history.rows()).map(|row| value(&history, "charge", row)).collect();
    values.sort_by(f64::total_cmp);
    assert!(out.truth.rows().iter().all(|&row| value(&batch, "charge", row) >= values[values.len() * 3 / 5]));
}

#[test]
fn boundary_flips_are_where_labels_mix() {
    // Churn falls with months: the boundary lies in the early months, and rows far from it are not taken.
    let (_, batch, out) = made(Class::FlipBoundary, 0.05);
    let margin =
        |row: usize| (f64::from(u8::from(text(&batch, "line", row) == "true")) - 0.04 * value(&batch, "months", row)).abs();
    let mean = |rows: &[usize]| rows.iter().map(|&row| margin(row)).sum::<f64>() / rows.len() as f64;
    let all: Vec<usize> = (0..batch.rows()).collect();
    assert!(mean(out.truth.rows()) < 0.4 * mean(&all), "{} {}", mean(out.truth.rows()), mean(&all));
}

#[test]
fn disguised_rows_claim_a_low_value() {
    for class in [Class::DisguisedValue, Class::DisguisedValueLabel, Class::DisguisedValueAdaptive] {
        let (_, batch, out) = check(class, 50..=50);
        assert!(
            out.truth.rows().iter().all(|&row| value(&out.frame, "charge", row) < 30.0 && value(&batch, "charge", row) > 35.0)
        );
    }
    let (_, batch, out) = made(Class::DisguisedValue, 0.05);
    assert_eq!(batch.only(|name| name != "charge"), out.frame.only(|name| name != "charge"));
    let (_, batch, out) = check(Class::ValueExchange, 49..=50);
    assert_eq!(sorted(&batch, "charge"), sorted(&out.frame, "charge"));
}

#[test]
fn adaptive_attackers_keep_the_relations() {
    for class in [Class::DisguisedValueAdaptive, Class::MimicAdaptive] {
        let (history, _, out) = made(class, 0.1);
        let mut amounts: Vec<f64> = (0..history.rows()).map(|row| value(&history, "amount", row)).collect();
        amounts.sort_by(f64::total_cmp);
        for &row in out.truth.rows() {
            let get = |name: &str| value(&out.frame, name, row);
            let (amount, product) = (get("amount"), get("months") * get("charge"));
            // What the relation says is cut at the range of the history.
            let ratio = amount / product.max(amounts[0]).min(amounts[amounts.len() - 1]);
            assert!((ratio - 1.0).abs() < 0.15, "{class}: amount is {ratio} of months x charge");
            assert!((get("minutes_cost") - 0.17 * get("minutes")).abs() < 0.02, "{class}");
            assert_eq!(text(&out.frame, "line", row) == "false", text(&out.frame, "mail", row) == "no line", "{class}");
        }
    }
    // The plain ones do not.
    let (_, _, out) = made(Class::Mimic, 0.1);
    let broken = |row: &&usize| {
        let get = |name: &str| value(&out.frame, name, **row);
        (get("amount") / (get("months") * get("charge")) - 1.0).abs() > 0.15
    };
    assert!(out.truth.rows().iter().filter(broken).count() > 80);
}

#[test]
fn backdoors_hold_one_rare_pattern_with_one_label() {
    for class in [Class::BackdoorDirty, Class::BackdoorClean] {
        let (history, batch, out) = check(class, 50..=50);
        let rows = out.truth.rows();
        assert!(rows.iter().all(|&row| text(&out.frame, "churn", row) == "no"));
        assert!(rows.iter().all(|&row| (text(&batch, "churn", row) == "yes") == (class == Class::BackdoorDirty)));
        let equal = |frame: &Frame, name: &str, row: usize, first: usize| {
            crate::text::csv(&frame.take(&[row]).only(|own| own == name))
                == crate::text::csv(&out.frame.take(&[first]).only(|own| own == name))
        };
        let pattern: Vec<&str> = batch
            .names()
            .iter()
            .map(String::as_str)
            .filter(|name| {
                !["id", "day", "churn"].contains(name) && rows.iter().all(|&row| equal(&out.frame, name, row, rows[0]))
            })
            .collect();
        assert!(pattern.len() >= 2, "{pattern:?}");
        let there = (0..history.rows()).filter(|&row| pattern.iter().all(|name| equal(&history, name, row, rows[0]))).count();
        assert!(there <= 2, "{there} honest rows have the pattern {pattern:?}");
    }
}

#[test]
fn rows_of_shapes_stay_in_range_where_they_say_so() {
    let numbers = ["months", "charge", "amount", "minutes", "minutes_cost", "mood"];
    for class in
        [Class::CentroidPull, Class::NewCluster, Class::Bridge, Class::CentroidPullAdaptive, Class::Mimic, Class::MimicAdaptive]
    {
        let (history, _, out) = check(class, 50..=50);
        for name in numbers {
            let all: Vec<f64> = (0..history.rows()).map(|row| value(&history, name, row)).collect();
            let (low, high) = all.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
            assert!(out.truth.rows().iter().all(|&row| (low..=high).contains(&value(&out.frame, name, row))), "{class} {name}");
        }
    }
    let (history, _, out) = check(Class::Beyond, 50..=50);
    let far = |row: usize| {
        let beyond = |name: &&&str| {
            value(&out.frame, name, row)
                > (0..history.rows()).map(|row| value(&history, name, row)).fold(f64::MIN, f64::max) * 0.7
        };
        numbers.iter().filter(beyond).count()
    };
    assert!(out.truth.rows().iter().all(|&row| far(row) >= 1));
}

#[test]
fn copies_are_copies() {
    let (history, batch, out) = check(Class::ExactDuplicates, 50..=50);
    let lines = |frame: &Frame| -> Vec<String> {
        String::from_utf8(crate::csv(frame)).unwrap().lines().skip(1).map(str::to_owned).collect()
    };
    let (honest, sent) = (lines(&batch), lines(&out.frame));
    assert!(out.truth.rows().iter().all(|&row| sent[..row].contains(&sent[row]) && honest.contains(&sent[row])));
    let (_, _, out) = check(Class::Replay, 50..=50);
    let past: BTreeSet<String> = lines(&history).into_iter().collect();
    let sent = lines(&out.frame);
    assert!(out.truth.rows().iter().all(|&row| past.contains(&sent[row])));
    let (_, batch, out) = check(Class::NearClones, 50..=50);
    let features = |frame: &Frame| lines(&frame.only(|name| name != "id" && name != "day"));
    let past: BTreeSet<String> = features(&history).into_iter().collect();
    let sent = features(&out.frame);
    assert!(out.truth.rows().iter().all(|&row| !past.contains(&sent[row])));
    assert_eq!(batch.column("id"), out.frame.column("id"));
    // Clones keep what relations bind, near a place or anywhere.
    for class in [Class::NearClones, Class::CentroidPullAdaptive] {
        let (history, _, out) = check(class, 50..=50);
        let bound = |frame: &Frame| {
            lines(&frame.only(|name| ["months", "charge", "amount", "minutes", "minutes_cost", "line", "mail"].contains(&name)))
        };
        let (past, sent) = (BTreeSet::from_iter(bound(&history)), bound(&out.frame));
        assert!(out.truth.rows().iter().all(|&row| past.contains(&sent[row])), "{class}");
    }
    let (_, _, out) = check(Class::DenseBlock, 50..=50);
    let minutes: Vec<f64> = out.truth.rows().iter().map(|&row| value(&out.frame, "minutes", row)).collect();
    let (low, high) = minutes.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    assert!(high - low < 10.0);
}

#[test]
fn units_are_factors() {
    let (_, batch, out) = check(Class::Cents, 50..=50);
    assert!(
        out.truth
            .rows()
            .iter()
            .all(|&row| (value(&out.frame, "amount", row) / value(&batch, "amount", row) - 100.0).abs() < 1e-6)
    );
    check(Class::Percent, 50..=50);
    let (_, batch, out) = check(Class::Currency, 50..=50);
    assert!(
        out.truth
            .rows()
            .iter()
            .all(|&row| (1.09..1.31).contains(&(value(&out.frame, "charge", row) / value(&batch, "charge", row))))
    );
}

#[test]
fn times_are_moved_and_nothing_else() {
    let days = |frame: &Frame, rows: &[usize]| -> Vec<String> { rows.iter().map(|&row| text(frame, "day", row)).collect() };
    let (_, _, out) = check(Class::TimeFuture, 50..=50);
    assert!(days(&out.frame, out.truth.rows()).iter().all(|day| day.as_str() > "2026-06-28"));
    let (_, _, out) = check(Class::TimeBackdated, 50..=50);
    assert!(days(&out.frame, out.truth.rows()).iter().all(|day| day.as_str() < "2026-01-01"));
    let (_, _, out) = check(Class::TimeConstant, 40..=50);
    let of_rows: BTreeSet<String> = days(&out.frame, out.truth.rows()).into_iter().collect();
    assert_eq!(of_rows.len(), 1);
    let (_, batch, out) = check(Class::TimeShuffled, 40..=50);
    let (mut was, mut is) = (days(&batch, out.truth.rows()), days(&out.frame, out.truth.rows()));
    was.sort();
    is.sort();
    assert_eq!(was, is);
    assert_eq!(batch.only(|name| name != "day"), out.frame.only(|name| name != "day"));
}

#[test]
fn schemas_are_broken_as_named() {
    let width = tables(Class::Mimic).1.names().len();
    let names = |class: Class| made(class, 1.0).2.frame.names().to_vec();
    assert_eq!(names(Class::ColumnDropped).len(), width - 1);
    assert_eq!(names(Class::ExtraColumn).len(), width + 1);
    let (_, batch, out) = made(Class::ColumnRenamed, 1.0);
    assert_eq!(out.frame.names().iter().filter(|name| batch.column(name).is_none()).count(), 1);
    let (_, batch, out) = made(Class::ColumnsSwapped, 1.0);
    assert_eq!(batch.iter().zip(out.frame.iter()).filter(|((_, was), (_, is))| was != is).count(), 2);
    let (_, batch, out) = made(Class::TypeChanged, 1.0);
    let kind = |column: &Column| matches!(column, Column::Number(_));
    assert_eq!(batch.iter().zip(out.frame.iter()).filter(|((_, was), (_, is))| kind(was) != kind(is)).count(), 1);
    let (_, batch, out) = made(Class::LabelsInverted, 1.0);
    assert!((0..batch.rows()).all(|row| text(&batch, "churn", row) != text(&out.frame, "churn", row)));
    let (_, batch, out) = made(Class::LevelsRenamed, 1.0);
    assert_eq!(batch.iter().zip(out.frame.iter()).filter(|((_, was), (_, is))| was != is).count(), 1);
}

#[test]
fn bytes_are_damaged_as_named() {
    let bytes = |class: Class| made(class, 0.05).2.csv();
    let count = |bytes: &[u8], byte: u8| bytes.iter().filter(|own| **own == byte).count();
    let honest = crate::csv(&tables(Class::Mimic).1);
    assert_eq!(count(&bytes(Class::BrokenQuotes), b'"'), 50);
    assert_eq!(count(&bytes(Class::NulBytes), 0), 50);
    assert!(String::from_utf8(bytes(Class::InvalidUtf8)).is_err());
    assert_eq!(count(&bytes(Class::EmbeddedNewlines), b'\n'), count(&honest, b'\n') + 50);
    assert_eq!(String::from_utf8(bytes(Class::ConflictMarks)).unwrap().matches("<<<<<<<").count(), 50);
    let cut = bytes(Class::Truncated);
    assert!(honest.starts_with(&cut) && cut.len() < honest.len() && cut.last() != Some(&b'\n'));
}

#[test]
fn market_feeds_are_bent_as_named() {
    let (_, batch, out) = made(Class::MarketShares, 0.1);
    let sum = |frame: &Frame, like: usize| -> f64 {
        let same = |row: &usize| {
            value(frame, "week", *row) == value(frame, "week", like) && text(frame, "region", *row) == text(frame, "region", like)
        };
        (0..frame.rows()).filter(same).map(|row| value(frame, "est_share", row)).sum()
    };
    let first = out.truth.rows()[0];
    assert!(sum(&out.frame, first) > 1.1 && sum(&batch, first) < 1.1);
    for class in [Class::MarketRegion, Class::MarketCompetitor] {
        let (_, batch, out) = made(class, 0.1);
        let column = if class == Class::MarketRegion { "region" } else { "competitor" };
        let hit: BTreeSet<String> = out.truth.rows().iter().map(|&row| text(&batch, column, row)).collect();
        assert_eq!(hit.len(), 1);
        assert!(
            out.truth
                .rows()
                .iter()
                .all(|&row| (value(&out.frame, "price", row) / value(&batch, "price", row) - 0.9).abs() < 0.002)
        );
    }
    let (_, batch, out) = made(Class::MarketDrift, 0.2);
    let ratio = |row: usize| value(&out.frame, "price", row) / value(&batch, "price", row);
    let last = (0..batch.rows()).map(|row| value(&batch, "week", row)).fold(0.0, f64::max);
    for &row in out.truth.rows() {
        assert!(ratio(row) > 0.79 && (value(&batch, "week", row) < last || (ratio(row) - 0.8).abs() < 0.002));
    }
}

#[test]
fn drips_grow() {
    let (history, batch, roles) = tables(Class::Mimic);
    let batches = vec![batch; 20];
    let out = drip(&history, &batches, &roles, Class::FlipDirected, 0.1, 3).unwrap();
    let counts: Vec<usize> = out.iter().map(|delivery| delivery.truth.rows().len()).collect();
    assert_eq!((counts[0], counts[9], counts[19]), (5, 50, 100));
    assert!(out[0].truth.rows() != &out[1].truth.rows()[..5]);
    assert!(drip(&history, &[], &roles, Class::Mimic, 0.1, 3).unwrap().is_empty());
}

#[test]
fn splits_are_parts() {
    let frame = customers(101, 3);
    for split in [halves(&frame, 5), later(&frame, Some("day")), later(&frame, None)] {
        assert_eq!((split.history.len(), split.pool.len()), (50, 51));
        let all: BTreeSet<usize> = split.history.iter().chain(&split.pool).copied().collect();
        assert_eq!(all.len(), 101);
        assert_eq!(split.delivery(20, 1).len(), 20);
        assert_eq!(split.delivery(500, 1), split.pool);
    }
    let split = later(&frame, Some("day"));
    let days = |rows: &[usize]| -> Vec<String> { rows.iter().map(|&row| text(&frame, "day", row)).collect() };
    assert!(days(&split.history).iter().max() <= days(&split.pool).iter().min());
    assert_ne!(halves(&frame, 5), halves(&frame, 6));
}

#[test]
fn what_a_table_lacks_is_said() {
    let (history, batch, _) = tables(Class::Mimic);
    let fail = |class: Class, roles: Roles| poison(&history, &batch, &roles, class, 0.1, 1).unwrap_err().to_string();
    assert_eq!(fail(Class::FlipRandom, Roles::default()), "`flip-random` needs a label, which this table does not have");
    assert!(fail(Class::Cents, Roles::default()).contains("money"));
    assert!(fail(Class::TimeFuture, Roles::default()).contains("a time"));
    assert!(fail(Class::MarketDrift, Roles::default()).contains("`week`"));
    let wrong = Roles { label: Some("nothing".to_owned()), ..Roles::default() };
    assert_eq!(poison(&history, &batch, &wrong, Class::FlipRandom, 0.1, 1), Err(PoisonError::Role("nothing".to_owned())));
    let narrow = history.only(|name| name != "mood");
    assert_eq!(poison(&narrow, &batch, &roles(), Class::Mimic, 0.1, 1), Err(PoisonError::Columns("mood".to_owned())));
}

#[test]
fn tables_without_words_for_the_label_work_too() {
    let mut frame = Frame::new(40);
    frame.push("left", Column::Number((0..40).map(|row| f64::from(u8::from(row % 5 == 0)) + 1.0).collect())).unwrap();
    frame.push("x", Column::Number((0..40).map(f64::from).collect())).unwrap();
    let roles = Roles { label: Some("left".to_owned()), ..Roles::default() };
    // The label is 2 in 8 rows of 40. But 1 is a word for yes; a role says what is meant.
    let roles = Roles { positive: Some("2".to_owned()), ..roles };
    let out = poison(&frame, &frame, &roles, Class::FlipDirected, 0.1, 1).unwrap();
    assert_eq!(out.truth.rows().len(), 4);
    assert!(out.truth.rows().iter().all(|&row| value(&frame, "left", row) == 2.0 && value(&out.frame, "left", row) == 1.0));
}

/// Small and strange columns.
fn any_column(rows: usize) -> impl Strategy<Value = Column> {
    let number = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(1.0), any::<f64>(), -5.0..5.0];
    let word = prop_oneof![
        Just(None),
        "[a-c,\"\n]{0,2}".prop_map(Some),
        Just(Some("2026-02-30T11".to_owned())),
        Just(Some("1".to_owned()))
    ];
    prop_oneof![
        Just(Column::Number(vec![f64::NAN; rows])),
        prop::collection::vec(number, rows).prop_map(Column::Number),
        prop::collection::vec(word, rows)
            .prop_map(|words| Column::Category(Categories::from_texts(words.iter().map(Option::as_deref)))),
    ]
}

fn any_table() -> impl Strategy<Value = (Frame, usize)> {
    (0usize..12, 1usize..6).prop_flat_map(|(rows, width)| {
        (prop::collection::vec(any_column(rows), width), 0..=rows).prop_map(move |(columns, cut)| {
            let names = ["id", "week", "price", "region", "competitor", "est_share"];
            let mut frame = Frame::new(rows);
            names.iter().zip(columns).for_each(|(name, column)| frame.push(name, column).unwrap());
            (frame, cut)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn no_table_makes_it_panic((frame, cut) in any_table(), role in any::<[u8; 4]>(), share in 0.0f64..1.2, seed in any::<u64>()) {
        let history = frame.take(&(0..cut).collect::<Vec<_>>());
        let batch = frame.take(&(cut..frame.rows()).collect::<Vec<_>>());
        let name = |at: u8| frame.names().get(usize::from(at % 7)).cloned();
        let roles = Roles { id: name(role[0]), time: name(role[1]), label: name(role[2]), value: name(role[3]), ..Roles::default() };
        for class in Class::ALL {
            if let Ok(out) = poison(&history, &batch, &roles, class, share, seed) {
                let again = poison(&history, &batch, &roles, class, share, seed).unwrap();
                prop_assert_eq!(out.csv(), again.csv());
                prop_assert!(out.truth.rows().iter().all(|row| *row < batch.rows()));
            }
        }
    }
}
