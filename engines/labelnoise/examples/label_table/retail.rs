//! Computes the labels of a public set of snapshots again from its half million transactions, as they are and with some turned around.

use std::time::Instant;

use labelnoise::facts::{Event, Given, Recount, Rule};

use crate::SHARE;
use crate::data::{Outcome, Turn, folder, text, turned};

/// What the snapshots call churn: no purchase in the 90 days from the cutoff on.
const HORIZON_DAYS: u32 = 90;
const DAY_SECONDS: i64 = 86_400;

#[expect(clippy::disallowed_methods, reason = "an example that measures needs the clock")]
pub(crate) fn facts() -> Outcome<()> {
    let labels = snapshots()?;
    let transactions = text(&folder().join("online_retail_tx.csv.gz"))?;
    let purchases = || ["purchase".to_owned()].into();
    let rule = Rule { horizon_days: HORIZON_DAYS, activity: purchases(), ending: [].into(), delay_days: 0 };
    println!("Labels of online_retail_snapshots, computed again from the transactions of online_retail_tx");
    println!("| labels | turned | events | used | agree | contradicted | of these turned | not yet knowable | seconds |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let truth: Vec<bool> = labels.iter().map(|given| given.churned).collect();
    let rows: Vec<usize> = (0..truth.len()).collect();
    let last = day("2011-12-10")?;
    for (share, now) in [(0.0, last), (SHARE, last), (0.0, day("2011-10-01")?)] {
        let chosen = Turn::Random.rows(&rows, &truth, (share * truth.len() as f64) as usize, 1);
        let given = labels.iter().zip(turned(&truth, &chosen)).map(|(given, churned)| Given { churned, ..given.clone() });
        let start = Instant::now();
        let mut recount = Recount::new(rule.clone(), given)?;
        for line in transactions.lines().skip(1) {
            let cells = cells(line);
            let [_, _, _, quantity, moment, _, customer, ..] = cells.as_slice() else { return Err("a line is too short".into()) };
            let time = day(moment)? + clock(moment)?;
            // Who asks at a moment has no later events.
            if time < now {
                let kind = if quantity.starts_with('-') { "return" } else { "purchase" };
                recount.event(Event { customer: customer.trim_end_matches(".0"), time, kind });
            }
        }
        let report = recount.report(now);
        let is_turned = |customer: &str, cutoff: i64| {
            chosen.iter().any(|row| labels[*row].customer == customer && labels[*row].cutoff == cutoff)
        };
        let known = report.mismatches.iter().filter(|found| is_turned(&found.given.customer, found.given.cutoff)).count();
        println!(
            "| {} | {} | {} | {} | {} | {} | {known} | {} | {:.2} |",
            labels.len(),
            chosen.len(),
            report.events,
            report.events_used,
            report.agree,
            report.mismatches.len(),
            report.open.len(),
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn snapshots() -> Outcome<Vec<Given>> {
    let text = text(&folder().join("online_retail_snapshots.csv.gz"))?;
    let one = |line: &str| -> Outcome<Given> {
        let cells = cells(line);
        let (Some(customer), Some(cutoff), Some(churned)) = (cells.first(), cells.get(1), cells.last()) else {
            return Err("a line is too short".into());
        };
        Ok(Given { customer: customer.clone(), cutoff: day(cutoff)?, churned: churned == "1" })
    };
    text.lines().skip(1).map(one).collect()
}

/// The cells of a line; commas between double quotes do not part them.
fn cells(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            _ => out.iter_mut().last().into_iter().for_each(|cell| cell.push(letter)),
        }
    }
    out
}

/// Unix seconds at the start of a day that is written `2011-03-01..` (days from the civil calendar, Hinnant 2013).
fn day(text: &str) -> Outcome<i64> {
    let mut parts = text.get(..10).ok_or("a date is too short")?.split('-').map(str::parse::<i64>);
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("`{text}` is no date").into());
    };
    let (year, month, day) = (year?, month?, day?);
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Ok(days * DAY_SECONDS)
}

/// Seconds of the day of a moment that is written `2011-03-01 08:26:00`.
fn clock(text: &str) -> Outcome<i64> {
    let parts: Vec<i64> = text.get(11..).unwrap_or_default().split(':').map(str::parse).collect::<Result<_, _>>()?;
    Ok(parts.iter().fold(0, |sum, part| sum * 60 + part))
}
