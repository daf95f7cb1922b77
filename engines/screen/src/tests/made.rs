//! Generated customers with dependent columns, and public ones where they are there.

use frame::{Categories, Column, Frame};
use outlier::stats::Mix;
use poison::{Class, Roles, poison};

use crate::{Delivery, Golden, Profile, ProfileSpec, Screening, State};

fn normal(mix: &mut Mix) -> f64 {
    (0..12).map(|_| mix.next() as f64 / u64::MAX as f64).sum::<f64>() - 6.0
}

fn cents(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Customers: amount = months x charge, charge by plan and extras, churn by contract and months; in the order of their days.
pub(super) fn customers(rows: usize, seed: u64) -> Frame {
    let mut mix = Mix::new(seed, 77);
    let (mut months, mut charge, mut amount, mut calls, mut minutes, mut day) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    let (mut plan, mut extra, mut contract, mut churn, mut id) = (vec![], vec![], vec![], vec![], vec![]);
    for row in 0..rows {
        let loyal = normal(&mut mix);
        let m = (30.0 + 15.0 * loyal + 6.0 * normal(&mut mix)).clamp(1.0, 72.0).round();
        let p = mix.below(3);
        let e = match (p, mix.below(2)) {
            (0, _) => "none",
            (_, 0) => "yes",
            (_, _) => "no",
        };
        let c = cents(20.0 + 25.0 * p as f64 + if e == "yes" { 10.0 } else { 0.0 } + normal(&mut mix));
        let spoken = (4.0 + 0.3 * p as f64 + 0.4 * normal(&mut mix)).exp().round();
        let long = loyal + 0.5 * normal(&mut mix) > 0.3;
        months.push(m);
        charge.push(c);
        amount.push(cents(m * c * (1.0 + 0.03 * normal(&mut mix))));
        minutes.push(spoken);
        calls.push((spoken / 3.0 + 2.0 * normal(&mut mix)).max(0.0).round());
        plan.push(["basic", "fast", "fibre"][p]);
        extra.push(e);
        contract.push(if long { "year" } else { "month" });
        churn.push(if !long && normal(&mut mix) - 0.06 * m > -2.0 { "yes" } else { "no" });
        id.push(format!("c{seed}-{row}"));
        day.push((row / 7) as f64 * 86_400.0);
    }
    let mut out = Frame::new(rows);
    let mut text = |name: &str, values: Vec<&str>| {
        out.push(name, Column::Category(Categories::from_texts(values.into_iter().map(Some)))).unwrap();
    };
    text("id", id.iter().map(String::as_str).collect());
    text("plan", plan);
    text("extra", extra);
    text("contract", contract);
    text("churn", churn);
    for (name, values) in
        [("day", day), ("months", months), ("charge", charge), ("amount", amount), ("calls", calls), ("minutes", minutes)]
    {
        out.push(name, Column::Number(values)).unwrap();
    }
    out
}

/// History of 2,400 rows and a delivery of 800.
pub(super) fn parts(seed: u64) -> (Frame, Frame) {
    let all = customers(3_200, seed);
    let order = Mix::new(seed, 9).choose(3_200, 3_200);
    let (mut one, mut two) = (order[..2_400].to_vec(), order[2_400..].to_vec());
    one.sort_unstable();
    two.sort_unstable();
    (all.take(&one), all.take(&two))
}

pub(super) fn spec() -> ProfileSpec {
    ProfileSpec {
        id: Some("id".to_owned()),
        time: Some("day".to_owned()),
        label: Some("churn".to_owned()),
        value: Some("amount".to_owned()),
        ..ProfileSpec::default()
    }
}

pub(super) fn roles() -> Roles {
    let own = |name: &str| Some(name.to_owned());
    Roles {
        id: own("id"),
        time: own("day"),
        label: own("churn"),
        value: own("amount"),
        money: vec!["charge".into()],
        positive: None,
    }
}

pub(super) fn profile(history: &Frame) -> Profile {
    Profile::learn(&Golden { frame: history }, &spec()).unwrap()
}

/// The delivery of one class, judged; with it the touched rows.
pub(super) fn judged(profile: &Profile, history: &Frame, batch: &Frame, class: Class, share: f64) -> (Screening, Vec<usize>) {
    let made = poison(history, batch, &roles(), class, share, 3).unwrap();
    let now = crate::latest(batch, "day").map(|at| at + 86_400);
    let found = profile.screen(&Delivery { now, ..Delivery::of(&made.frame) }, &State::default()).unwrap();
    (found, made.truth.rows().to_vec())
}

/// The share of pairs of a bad row and a good one in which the bad one scores higher; ties count half.
pub(super) fn auroc(scores: &[f32], bad: &[usize]) -> f64 {
    let good: Vec<f32> = (0..scores.len()).filter(|row| bad.binary_search(row).is_err()).map(|row| scores[row]).collect();
    let won = |score: f32| {
        good.iter().map(|good| f64::from(u8::from(score > *good)) + 0.5 * f64::from(u8::from(score == *good))).sum::<f64>()
    };
    bad.iter().map(|&row| won(scores[row])).sum::<f64>() / (bad.len() * good.len()) as f64
}
