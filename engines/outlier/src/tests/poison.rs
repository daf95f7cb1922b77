//! Trusted rows (generated or real) and the four ways to poison them.

use frame::{Categories, Column, Frame};

use crate::stats::{Mix, quantile, sorted_finite};

/// Ways to poison rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poison {
    /// Half of the numbers (one at least) take values beyond the 99th percentile.
    Beyond,
    /// Rows from the upper third of `value` claim a value from the lower third.
    Swap,
    /// Every column drawn by itself from its own values.
    Mimic,
    /// Copies of one row, numbers jittered by a hundredth of a deviation.
    Block,
    /// As `Swap`, by an attacker who keeps the relations between numbers: all of them come from one row of the lower third.
    Adapted,
}

pub(crate) const POISONS: [Poison; 4] = [Poison::Beyond, Poison::Swap, Poison::Mimic, Poison::Block];

fn normal(mix: &mut Mix) -> f64 {
    (0..12).map(|_| mix.next() as f64 / u64::MAX as f64).sum::<f64>() - 6.0
}

/// Customers with dependent columns: amount = months x charge, charge by plan and extras, churn by contract and months.
pub(crate) fn customers(rows: usize, seed: u64) -> Frame {
    let mut mix = Mix::new(seed, 77);
    let (mut months, mut charge, mut amount, mut calls, mut minutes) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut plan, mut extra, mut contract, mut churn) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rows {
        let loyal = normal(&mut mix);
        let m = (30.0 + 15.0 * loyal + 6.0 * normal(&mut mix)).clamp(1.0, 72.0).round();
        let p = mix.below(3);
        let e = if p == 0 {
            "none"
        } else if mix.below(2) == 0 {
            "yes"
        } else {
            "no"
        };
        let c = 20.0 + 25.0 * p as f64 + if e == "yes" { 10.0 } else { 0.0 } + normal(&mut mix);
        let use_minutes = (4.0 + 0.3 * p as f64 + 0.4 * normal(&mut mix)).exp();
        months.push(m);
        charge.push(c);
        amount.push(m * c * (1.0 + 0.03 * normal(&mut mix)));
        calls.push((use_minutes / 3.0 + 2.0 * normal(&mut mix)).round().max(0.0));
        minutes.push(if mix.below(50) == 0 { f64::NAN } else { use_minutes });
        plan.push(["basic", "fast", "fibre"][p]);
        extra.push(e);
        let long = loyal + 0.7 * normal(&mut mix) > 0.0;
        contract.push(if long { "year" } else { "month" });
        churn.push(if !long && normal(&mut mix) - 0.03 * m > -0.9 { "yes" } else { "no" });
    }
    let mut frame = Frame::new(rows);
    for (name, values) in [("months", months), ("charge", charge), ("amount", amount), ("calls", calls), ("minutes", minutes)] {
        frame.push(name, Column::Number(values)).unwrap();
    }
    for (name, texts) in [("plan", plan), ("extra", extra), ("contract", contract), ("churn", churn)] {
        frame.push(name, Column::Category(Categories::from_texts(texts.into_iter().map(Some)))).unwrap();
    }
    frame
}

/// A set of development data, or `None` (said aloud) where the folder is missing.
#[expect(clippy::disallowed_methods, reason = "tests read development data from the disk where it is present")]
pub(crate) fn real(file: &str) -> Option<Frame> {
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
    for (at, name) in names.iter().enumerate().filter(|(_, name)| **name != "customerID") {
        let texts: Vec<Option<&str>> = cells.iter().map(|row| row.get(at).copied().filter(|text| !text.is_empty())).collect();
        let numbers: Vec<f64> =
            texts.iter().map(|text| text.map_or(f64::NAN, |text| text.parse().unwrap_or(f64::INFINITY))).collect();
        let column = if numbers.iter().any(|number| number.is_infinite()) {
            Column::Category(Categories::from_texts(texts))
        } else {
            Column::Number(numbers)
        };
        frame.push(name, column).unwrap();
    }
    Some(frame)
}

fn numbers(frame: &Frame, name: &str) -> Vec<f64> {
    match frame.column(name) {
        Some(Column::Number(values)) => values.clone(),
        _ => Vec::new(),
    }
}

/// `clean` with the rows `at` poisoned.
pub(crate) fn poisoned(clean: &Frame, at: &[usize], poison: Poison, value: &str, seed: u64) -> Frame {
    let mut mix = Mix::new(seed, 78);
    let rows = clean.rows();
    let sorted = sorted_finite(numbers(clean, value));
    let (low, high) = (quantile(&sorted, 1.0 / 3.0), quantile(&sorted, 2.0 / 3.0));
    let values = numbers(clean, value);
    let rich: Vec<usize> = (0..rows).filter(|&row| values[row] > high).collect();
    let poor: Vec<usize> = (0..rows).filter(|&row| values[row] < low).collect();
    let template = mix.below(rows);
    let mut source: Vec<usize> = (0..rows).collect();
    for &row in at {
        match poison {
            Poison::Swap | Poison::Adapted => source[row] = rich[mix.below(rich.len())],
            Poison::Block => source[row] = template,
            Poison::Beyond | Poison::Mimic => {}
        }
    }
    let number_columns: Vec<&str> =
        clean.iter().filter(|(_, column)| matches!(column, Column::Number(_))).map(|(name, _)| name).collect();
    let must: Vec<usize> = (0..rows).map(|_| mix.below(number_columns.len())).collect();
    let donor: Vec<usize> = (0..rows).map(|_| poor[mix.below(poor.len())]).collect();
    let base = clean.take(&source);
    let mut out = Frame::new(rows);
    for (name, column) in base.iter() {
        let mut column = column.clone();
        match &mut column {
            Column::Number(cells) => {
                let own = sorted_finite(numbers(clean, name));
                let (edge, top) = (quantile(&own, 0.99), quantile(&own, 1.0));
                let far = (top - edge).max(0.1 * (edge - quantile(&own, 0.5)));
                let spread = (quantile(&own, 0.84) - quantile(&own, 0.16)) / 2.0;
                for &row in at {
                    match poison {
                        Poison::Beyond if number_columns[must[row]] == name || mix.below(2) == 0 => {
                            cells[row] = edge + far * (mix.below(1000) as f64 + 1.0) / 1000.0;
                        }
                        Poison::Swap if name == value => cells[row] = values[poor[mix.below(poor.len())]],
                        Poison::Mimic => cells[row] = numbers(clean, name)[mix.below(rows)],
                        Poison::Block => cells[row] += 0.01 * spread * normal(&mut mix),
                        Poison::Adapted => cells[row] = numbers(clean, name)[donor[row]],
                        Poison::Beyond | Poison::Swap => {}
                    }
                }
            }
            Column::Category(categories) => {
                if poison == Poison::Mimic {
                    for &row in at {
                        let other = mix.below(rows);
                        categories.codes[row] = match clean.column(name) {
                            Some(Column::Category(own)) => own.codes[other],
                            _ => 0,
                        };
                    }
                }
            }
        }
        out.push(name, column).unwrap();
    }
    out
}

/// Area under the ROC curve: the share of (bad, good) pairs in which the bad row scores higher; ties count half.
pub(crate) fn auroc(scores: &[f64], bad: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut rank_sum, mut at) = (0.0, 0);
    while at < order.len() {
        let mut end = at;
        while end + 1 < order.len() && scores[order[end + 1]] == scores[order[at]] {
            end += 1;
        }
        let rank = (at + end) as f64 / 2.0 + 1.0;
        rank_sum += rank * order[at..=end].iter().filter(|&&row| bad[row]).count() as f64;
        at = end + 1;
    }
    let positive = bad.iter().filter(|bad| **bad).count() as f64;
    let negative = bad.len() as f64 - positive;
    (rank_sum - positive * (positive + 1.0) / 2.0) / (positive * negative)
}
