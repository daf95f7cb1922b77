//! Measures what the rules of a market feed see of poison in it, over worlds of several seeds (T1: prices from outside).
//!
//! `cargo run -p poison --example market_table -- [WORLDS]`. The feed of [`HISTORY_WEEKS`] weeks is accepted first; the next
//! [`WEEKS`] weeks are judged, as they are and poisoned. A line per class and size of the move: the part of worlds in which something
//! was found, the part in which that was a finding of the attacked kind, and the weeks until the first one.

#![expect(clippy::print_stdout, reason = "an example that measures prints")]

use std::collections::BTreeMap;

use frame::{Categories, Column, Frame};
use generate::{Config, Generator, Profile, competitor_name, region_name};
use outlier::market::{MarketFinding, MarketLimits, MarketRow, MarketState};
use poison::{Class, Roles, poison};

/// Weeks that are accepted before.
const HISTORY_WEEKS: u32 = 120;
/// Weeks that are judged.
const WEEKS: u32 = 20;
/// Worlds unless told otherwise.
const WORLDS: u64 = 12;
/// Sizes of the move (`market-shares`: part of regions and weeks).
const SIZES: [f64; 4] = [0.02, 0.05, 0.1, 0.2];
const CLASSES: [Class; 5] =
    [Class::ControlHalves, Class::MarketShares, Class::MarketRegion, Class::MarketDrift, Class::MarketCompetitor];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What was found in one world.
#[derive(Default)]
struct Cell {
    worlds: u32,
    found: u32,
    of_kind: u32,
    weeks: u32,
}

fn main() -> Outcome<()> {
    let worlds = std::env::args().nth(1).map_or(Ok(WORLDS), |text| text.parse())?;
    let mut cells = BTreeMap::<(Class, u64), Cell>::new();
    for world in 0..worlds {
        let generator = Generator::new(Config::new(world, 100, Profile::TelcoLike))?;
        let feed = |weeks: std::ops::Range<u32>| -> Vec<generate::MarketRow> {
            weeks.flat_map(|week| generator.market_week(week)).filter(|row| row.revision == 0).collect()
        };
        let (history, promos) = table(&feed(0..HISTORY_WEEKS))?;
        let (_, state) = MarketState::default().judge(&rows(&history, &promos), &MarketLimits::default());
        let (batch, promos) = table(&feed(HISTORY_WEEKS..HISTORY_WEEKS + WEEKS))?;
        for class in CLASSES {
            for size in SIZES {
                let made = poison(&history, &batch, &Roles::default(), class, size, world)?;
                let (findings, _) = state.judge(&rows(&made.frame, &promos), &MarketLimits::default());
                let cell = cells.entry((class, (size * 1_000.0) as u64)).or_default();
                cell.worlds += 1;
                cell.found += u32::from(!findings.is_empty());
                let hit = findings.iter().filter(|finding| is_of_kind(class, finding)).filter_map(week);
                if let Some(first) = hit.min() {
                    cell.of_kind += 1;
                    cell.weeks += first.saturating_sub(HISTORY_WEEKS) + 1;
                } else if findings.iter().any(|finding| is_of_kind(class, finding)) {
                    cell.of_kind += 1;
                }
            }
        }
    }
    println!("{:<20} {:>6} {:>6} {:>12} {:>6}", "class", "size", "found", "of its kind", "weeks");
    for ((class, size), cell) in cells {
        let (found, of_kind) = (f64::from(cell.found) / f64::from(cell.worlds), f64::from(cell.of_kind) / f64::from(cell.worlds));
        let weeks = f64::from(cell.weeks) / f64::from(cell.of_kind.max(1));
        println!("{class:<20} {:>6} {found:>6.2} {of_kind:>12.2} {weeks:>6.1}", size as f64 / 1_000.0);
    }
    Ok(())
}

/// The week of a finding that has one.
fn week(finding: &MarketFinding) -> Option<u32> {
    match finding {
        MarketFinding::ShareSum { week, .. } | MarketFinding::RegionMove { week, .. } | MarketFinding::SlowDrift { week, .. } => {
            Some(*week)
        }
        MarketFinding::TooMany
        | MarketFinding::Price { .. }
        | MarketFinding::Share { .. }
        | MarketFinding::Twice { .. }
        | MarketFinding::OldWeek { .. }
        | MarketFinding::RowMove { .. }
        | MarketFinding::Newcomer { .. } => None,
    }
}

fn is_of_kind(class: Class, finding: &MarketFinding) -> bool {
    let of_level = matches!(finding, MarketFinding::RegionMove { .. } | MarketFinding::SlowDrift { .. });
    match finding {
        MarketFinding::ShareSum { .. } | MarketFinding::Share { .. } => class == Class::MarketShares,
        MarketFinding::RowMove { .. } => class == Class::MarketCompetitor,
        MarketFinding::TooMany
        | MarketFinding::Price { .. }
        | MarketFinding::Twice { .. }
        | MarketFinding::OldWeek { .. }
        | MarketFinding::RegionMove { .. }
        | MarketFinding::SlowDrift { .. }
        | MarketFinding::Newcomer { .. } => of_level && matches!(class, Class::MarketRegion | Class::MarketDrift),
    }
}

/// The feed as a table, and which rows are promotions.
fn table(feed: &[generate::MarketRow]) -> Outcome<(Frame, Vec<bool>)> {
    let mut frame = Frame::new(feed.len());
    let texts = |read: fn(&generate::MarketRow) -> &'static str| {
        Column::Category(Categories::from_texts(feed.iter().map(|row| Some(read(row)))))
    };
    frame.push("week", Column::Number(feed.iter().map(|row| f64::from(row.week)).collect()))?;
    frame.push("region", texts(|row| region_name(row.region)))?;
    frame.push("competitor", texts(|row| competitor_name(row.competitor)))?;
    frame.push("price", Column::Number(feed.iter().map(|row| row.price).collect()))?;
    frame.push("est_share", Column::Number(feed.iter().map(|row| row.est_share).collect()))?;
    Ok((frame, feed.iter().map(|row| row.promo).collect()))
}

fn rows(frame: &Frame, promos: &[bool]) -> Vec<MarketRow> {
    let number = |name: &str, row: usize| match frame.column(name) {
        Some(Column::Number(values)) => values[row],
        Some(Column::Category(_)) | None => f64::NAN,
    };
    let text = |name: &str, row: usize| match frame.column(name) {
        Some(Column::Category(known)) => known.text(row).unwrap_or_default().to_owned(),
        Some(Column::Number(_)) | None => String::new(),
    };
    let read = |row: usize| MarketRow {
        week: number("week", row) as u32,
        region: text("region", row),
        competitor: text("competitor", row),
        price: number("price", row),
        promo: promos[row],
        est_share: number("est_share", row),
    };
    (0..frame.rows()).map(read).collect()
}
