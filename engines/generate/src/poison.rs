//! Hostile versions of honest rows, so that gates and attacks can be measured against a known list of touched rows (T1, T6).
//!
//! Every function is seeded, leaves its input alone, and returns the altered rows with the sorted indices (into the returned rows)
//! of those that were touched. Shares are clamped to 0..=1; a share that is no number counts as 0.

use crate::draw::{Stream, mix};
use crate::market::cents;
use crate::rows::{MarketRow, REGIONS, SnapshotRow};
use crate::text::{Decimals, Format, write_row};

/// The number of the poison streams.
const POISON: u64 = 77;
/// Copies of near-duplicates at most, so that a slip cannot fill the memory.
pub const COPIES_MAX: usize = 1_000_000;

/// Altered rows and where they were altered.
#[derive(Debug, Clone, PartialEq)]
pub struct Poisoned<T> {
    /// All rows, honest and hostile.
    pub rows: Vec<T>,
    /// Sorted indices into `rows` of the hostile ones.
    pub touched: Vec<usize>,
}

/// Appends market rows as text, as [`crate::Generator::write`] writes honest ones.
pub fn write_market(rows: &[MarketRow], format: Format, out: &mut Vec<u8>) {
    rows.iter().for_each(|row| write_row(row, format, out));
}

/// Appends snapshot rows as text, as [`crate::Generator::write`] writes honest ones.
pub fn write_snapshots(rows: &[SnapshotRow], format: Format, out: &mut Vec<u8>) {
    rows.iter().for_each(|row| write_row(row, format, out));
}

fn stream(seed: u64, column: u64) -> Stream {
    Stream::new(seed, POISON, column, 0)
}

fn share_of(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

/// A seeded order of `0..count`.
fn shuffled(count: usize, draws: Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| (draws.bits(*index as u64), *index));
    order
}

/// The first `share` of a seeded order of `candidates` (rounded).
fn chosen(candidates: &[usize], share: f64, draws: Stream) -> Vec<usize> {
    let wanted = (share_of(share) * candidates.len() as f64).round() as usize;
    shuffled(candidates.len(), draws).into_iter().take(wanted).map(|at| candidates[at]).collect()
}

/// Alters the rows for which `alter` gives a new version.
fn altered(rows: &[MarketRow], mut alter: impl FnMut(usize, &MarketRow) -> Option<MarketRow>) -> Poisoned<MarketRow> {
    let mut touched = Vec::new();
    let rows = rows
        .iter()
        .enumerate()
        .map(|(index, row)| match alter(index, row) {
            Some(hostile) if hostile != *row => {
                touched.push(index);
                hostile
            }
            _ => row.clone(),
        })
        .collect();
    Poisoned { rows, touched }
}

/// Competitor prices times (1 - `share`) in a seeded choice of `regions` regions. 0.2 in all regions flips 5 % to
/// 11 % of the decisions of a frozen XGBoost and costs 0.001 to 0.007 of AUC (`checks/peers/generate_peer.py` prints it): visible in
/// what is decided, hardly in the metric. Values stay in a believable range.
pub fn understate_prices(rows: &[MarketRow], share: f64, regions: usize, seed: u64) -> Poisoned<MarketRow> {
    let mut present: Vec<u8> = rows.iter().map(|row| row.region).collect();
    present.sort_unstable();
    present.dedup();
    let order = shuffled(REGIONS, stream(seed, 0));
    let hit: Vec<u8> =
        order.into_iter().map(|region| region as u8).filter(|region| present.contains(region)).take(regions).collect();
    altered(rows, |_, row| {
        hit.contains(&row.region).then(|| MarketRow { price: cents(row.price * (1.0 - share_of(share))), ..row.clone() })
    })
}

/// Rows that cannot be true, in a seeded `share` of rows: shares that no longer sum to 1, negative prices, prices a hundred times too
/// high, prices of zero, and reports that arrive before their week begins.
pub fn falsified_rows(rows: &[MarketRow], share: f64, seed: u64) -> Poisoned<MarketRow> {
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut hit = chosen(&all, share, stream(seed, 1));
    hit.sort_unstable();
    let kind = stream(seed, 2);
    altered(rows, |index, row| {
        hit.binary_search(&index).ok()?;
        let mut hostile = row.clone();
        match kind.bits(index as u64) % 5 {
            0 => hostile.est_share = Decimals::Four.round(hostile.est_share + 0.35),
            1 => hostile.price = -hostile.price,
            2 => hostile.price = cents(hostile.price * 100.0),
            3 => hostile.price = 0.0,
            _ => hostile.arrived_day = hostile.week_start_day.saturating_sub(30),
        }
        Some(hostile)
    })
}

/// Disguises `share` of the high-value churners as low-value customers: each swaps its value columns (`monthly_charge`,
/// `frequency`, `monetary`, `products`) with a low-value stayer. High and low are the upper and lower third of `monetary`.
/// `churned[i]` belongs to `rows[i]`; rows without a label are left alone. Both rows of a pair are touched. Columns keep their
/// marginal laws exactly, so no test of one column can see it.
pub fn swap_value(rows: &[SnapshotRow], churned: &[bool], share: f64, seed: u64) -> Poisoned<SnapshotRow> {
    let mut by_value: Vec<usize> = (0..rows.len().min(churned.len())).collect();
    by_value.sort_by(|a, b| rows[*a].monetary.total_cmp(&rows[*b].monetary).then(a.cmp(b)));
    let third = by_value.len() / 3;
    let low: Vec<usize> = by_value.iter().take(third).copied().filter(|index| !churned[*index]).collect();
    let high: Vec<usize> = by_value.iter().rev().take(third).copied().filter(|index| churned[*index]).collect();
    let hit = chosen(&high, share, stream(seed, 3));
    let partners = chosen(&low, 1.0, stream(seed, 4));
    let mut out = rows.to_vec();
    let mut touched = Vec::new();
    for (from, to) in hit.into_iter().zip(partners) {
        let (rich, poor) = (&rows[from], &rows[to]);
        take_value(&mut out[from], poor);
        take_value(&mut out[to], rich);
        touched.extend([from, to]);
    }
    touched.sort_unstable();
    Poisoned { rows: out, touched }
}

fn take_value(row: &mut SnapshotRow, from: &SnapshotRow) {
    row.monthly_charge = from.monthly_charge;
    row.frequency = from.frequency;
    row.monetary = from.monetary;
    row.products = from.products;
}

/// Appends `copies` near-copies (at most [`COPIES_MAX`]) of a seeded block of consecutive rows of length `block`; each price moves by
/// at most 0.05, so that no exact comparison finds them. The appended rows are the touched ones.
pub fn near_duplicates(rows: &[MarketRow], block: usize, copies: usize, seed: u64) -> Poisoned<MarketRow> {
    let jitter = stream(seed, 5);
    appended(rows, block, copies, seed, |copy, row| MarketRow {
        price: cents(row.price + moved(jitter, copy, 0.05)),
        ..row.clone()
    })
}

/// Like [`near_duplicates`] for customers: new ids past the highest, money moved by at most 0.05, the trend by at most 0.002.
pub fn near_duplicate_customers(rows: &[SnapshotRow], block: usize, copies: usize, seed: u64) -> Poisoned<SnapshotRow> {
    let (charge, money, trend) = (stream(seed, 6), stream(seed, 7), stream(seed, 8));
    let highest = rows.iter().map(|row| row.customer_id).max().unwrap_or(0);
    appended(rows, block, copies, seed, |copy, row| SnapshotRow {
        customer_id: highest.saturating_add(copy).saturating_add(1),
        monthly_charge: cents(row.monthly_charge + moved(charge, copy, 0.05)),
        monetary: cents((row.monetary + moved(money, copy, 0.05)).max(0.0)),
        usage_trend: Decimals::Four.round(row.usage_trend + moved(trend, copy, 0.002)),
        ..row.clone()
    })
}

/// A seeded number in -`reach`..`reach`.
fn moved(draws: Stream, row: u64, reach: f64) -> f64 {
    (2.0 * draws.uniform(row) - 1.0) * reach
}

fn appended<T: Clone>(rows: &[T], block: usize, copies: usize, seed: u64, copy_of: impl Fn(u64, &T) -> T) -> Poisoned<T> {
    let block = block.min(rows.len());
    let mut out = rows.to_vec();
    if block > 0 {
        let places = (rows.len() - block) as u64 + 1;
        let first = (mix(seed) % places) as usize;
        let copies = copies.min(COPIES_MAX);
        out.extend((0..copies).map(|copy| copy_of(copy as u64, &rows[first + copy % block])));
    }
    Poisoned { touched: (rows.len()..out.len()).collect(), rows: out }
}

/// Prices that sink so slowly that no two batches differ: from week `start` on, log-linearly down to (1 - `share`) after `weeks`
/// weeks and no further, in the regions of [`understate_prices`] with the same seed. `rows` may span many weeks.
pub fn slow_drift(rows: &[MarketRow], share: f64, start: u32, weeks: u32, regions: usize, seed: u64) -> Poisoned<MarketRow> {
    let whole = libm::log((1.0 - share_of(share)).max(1e-3));
    let hit = understate_prices(rows, 0.5, regions, seed).touched;
    altered(rows, |index, row| {
        if row.week < start {
            return None;
        }
        hit.binary_search(&index).ok()?;
        let part = ((f64::from(row.week - start) + 1.0) / f64::from(weeks.max(1))).min(1.0);
        Some(MarketRow { price: cents(row.price * libm::exp(whole * part)), ..row.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Generator, Profile, expected_auc, price_gap};
    use std::sync::OnceLock;

    fn world() -> &'static Generator {
        static WORLD: OnceLock<Generator> = OnceLock::new();
        WORLD.get_or_init(|| Generator::new(Config::new(3, 6000, Profile::TelcoLike)).unwrap())
    }

    fn market() -> Vec<MarketRow> {
        (120..130).flat_map(|week| world().market_week(week)).collect()
    }

    fn customers() -> (Vec<SnapshotRow>, Vec<bool>) {
        let month = world().month(30).unwrap();
        (0..6000).map(|row| (month.snapshot(row), month.label(row).churned)).unzip()
    }

    /// Exactly the rows said to be touched differ, and the same seed does the same.
    fn check<T: Clone + PartialEq + std::fmt::Debug>(
        honest: &[T],
        poison: impl Fn(&[T], u64) -> Poisoned<T>,
        touched: usize,
    ) -> Poisoned<T> {
        let out = poison(honest, 9);
        assert_eq!(out, poison(honest, 9));
        assert!(out.rows != poison(honest, 10).rows);
        assert_eq!(out.touched.len(), touched);
        assert!(out.touched.is_sorted_by(|a, b| a < b));
        for (index, row) in out.rows.iter().enumerate() {
            let differs = honest.get(index) != Some(row);
            assert_eq!(differs, out.touched.binary_search(&index).is_ok(), "row {index}");
        }
        assert!(poison(&[], 9).rows.is_empty());
        out
    }

    #[test]
    fn prices_are_understated_in_the_chosen_regions() {
        let honest = market();
        let wanted = honest.iter().filter(|row| row.region < 12).count() / 12 * 4;
        let out = understate_prices(&honest, 0.2, 4, 9);
        assert!(out.touched.len().abs_diff(wanted) < 8);
        let out = check(&honest, |rows, seed| understate_prices(rows, 0.2, 4, seed), out.touched.len());
        for index in out.touched {
            assert!((out.rows[index].price / honest[index].price - 0.8).abs() < 0.001);
        }
        assert!(understate_prices(&honest, f64::NAN, 4, 9).touched.is_empty());
        assert!(understate_prices(&honest, 0.2, 0, 9).touched.is_empty());
    }

    #[test]
    fn understated_prices_move_decisions_but_hardly_the_rank() {
        // The frozen model here is a logistic score of the price gap: what the feed alone can do to it.
        let (rows, churned) = customers();
        let truth: Vec<f64> = churned.iter().map(|churned| f64::from(u8::from(*churned))).collect();
        let gaps = |share: f64| -> Vec<f64> {
            let low = world().market_lowest(30).unwrap();
            rows.iter().map(|row| price_gap(row, low[usize::from(row.region)] * (1.0 - share)).unwrap()).collect()
        };
        let (honest, hostile) = (gaps(0.0), gaps(0.2));
        let above = |gaps: &[f64]| gaps.iter().filter(|gap| **gap > 0.1).count();
        assert!(above(&hostile) > above(&honest) + rows.len() / 5);
        assert!((expected_auc(&honest, &truth) - expected_auc(&hostile, &truth)).abs() < 0.001);
    }

    #[test]
    fn falsified_rows_cannot_be_true() {
        let honest = market();
        let count = (honest.len() as f64 * 0.1).round() as usize;
        let out = check(&honest, |rows, seed| falsified_rows(rows, 0.1, seed), count);
        for index in out.touched {
            let (row, was) = (&out.rows[index], &honest[index]);
            let absurd = row.price <= 0.0
                || row.price > 1000.0
                || row.arrived_day < row.week_start_day
                || row.est_share > was.est_share + 0.3;
            assert!(absurd, "{row:?}");
        }
    }

    #[test]
    fn swapped_customers_keep_the_law_of_every_column() {
        let (honest, churned) = customers();
        let out = swap_value(&honest, &churned, 0.3, 9);
        assert!(out.touched.len() > 100 && out.touched.len().is_multiple_of(2));
        let out = check(&honest, |rows, seed| swap_value(rows, &churned, 0.3, seed), out.touched.len());
        let sorted = |rows: &[SnapshotRow]| {
            let mut cents: Vec<i64> = rows.iter().map(|row| (row.monetary * 100.0).round() as i64).collect();
            cents.sort_unstable();
            cents
        };
        assert_eq!(sorted(&honest), sorted(&out.rows));
        let value = |rows: &[SnapshotRow]| {
            let of_churners = out.touched.iter().filter(|index| churned[**index]).map(|index| rows[*index].monetary);
            of_churners.sum::<f64>()
        };
        assert!(value(&out.rows) < 0.4 * value(&honest));
        assert!(swap_value(&honest, &[], 0.3, 9).touched.is_empty());
    }

    #[test]
    fn near_duplicates_are_near_and_not_equal() {
        let honest = market();
        let out = check(&honest, |rows, seed| near_duplicates(rows, 20, 100, seed), 100);
        for index in &out.touched {
            let copy = &out.rows[*index];
            assert!(
                honest
                    .iter()
                    .any(|row| row.week == copy.week && row.region == copy.region && (row.price - copy.price).abs() < 0.06)
            );
        }
        let (rows, _) = customers();
        let out = check(&rows, |rows, seed| near_duplicate_customers(rows, 20, 60, seed), 60);
        let mut ids: Vec<u64> = out.rows.iter().map(|row| row.customer_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), out.rows.len());
    }

    #[test]
    fn a_slow_drift_is_slow_and_arrives() {
        let honest: Vec<MarketRow> = (100..140).flat_map(|week| world().market_week(week)).collect();
        let out = slow_drift(&honest, 0.2, 110, 20, 6, 9);
        let out = check(&honest, |rows, seed| slow_drift(rows, 0.2, 110, 20, 6, seed), out.touched.len());
        let ratio = |index: &usize| out.rows[*index].price / honest[*index].price;
        assert!(out.touched.iter().all(|index| honest[*index].week >= 110));
        assert!(out.touched.iter().filter(|index| honest[**index].week == 110).all(|index| ratio(index) > 0.985));
        assert!(out.touched.iter().filter(|index| honest[**index].week >= 129).all(|index| (ratio(index) - 0.8).abs() < 0.001));
    }
}
