//! Weekly prices as what is new in them, which is alike in every week and row; the prices themselves are not (T1).
//!
//! A price follows its country, its region and itself. The common moves are `MarketState`'s to judge; here they are taken off, so that
//! rows of one week are as good as independent, and a week that never came makes the next one no stranger than it is.

use std::collections::BTreeMap;

use frame::{Categories, Column, Frame};

use super::{MarketRow, median};

/// Fewest rows whose median is a common move: of fewer, one price alone would set it.
const COMMON_ROWS_MIN: usize = 3;
/// Weeks over which moves are compared with those of one week, to tell a price's walk from its noise.
const LONG_WEEKS: u32 = 8;

/// A series' last price that was no promotion: week, log price with the common moves taken off, share.
#[derive(Clone, Copy, Debug)]
struct Last {
    week: u32,
    level: f64,
    share: f64,
}

/// How the variance of a change grows with the weeks in between: noise comes once, a walk comes every week.
#[derive(Clone, Copy, Debug)]
struct Growth {
    noise: f64,
    walk: f64,
}

impl Growth {
    /// From changes over one week and over [`LONG_WEEKS`].
    fn of(one: &mut [f64], long: &mut [f64]) -> Self {
        let (one, long) = (median(one).powi(2), median(long).powi(2));
        let walk = ((long - one) / f64::from(LONG_WEEKS - 1)).clamp(0.0, one);
        if one > 0.0 { Self { noise: one - walk, walk } } else { Self { noise: 0.0, walk: 1.0 } }
    }

    /// Deviations of a change over so many weeks, in those of one week.
    fn over(self, weeks: u32) -> f64 {
        ((self.noise + self.walk * f64::from(weeks.max(1))) / (self.noise + self.walk)).sqrt()
    }
}

/// One row's change since its series' last price.
#[derive(Clone, Copy, Debug)]
struct Change {
    place: usize,
    weeks: u32,
    price: f64,
    share: f64,
    promo: bool,
}

/// Changes of rows, ready for a [`crate::Reference`].
#[derive(Clone, Debug)]
pub struct Changes {
    /// `move` (log price) and `share_move`, both in units of one week, and `promo`.
    pub frame: Frame,
    /// For each row of the frame its place among the rows given. Rows of a series that was never seen have none.
    pub places: Vec<usize>,
}

/// The common levels and last prices of accepted weeks, by which a delivery's changes are taken.
#[derive(Clone, Debug)]
pub struct ChangeLaw<'a> {
    levels: Levels<'a>,
    price: Growth,
    share: Growth,
}

#[derive(Clone, Debug, Default)]
struct Levels<'a> {
    national: f64,
    regional: BTreeMap<&'a str, f64>,
    last: BTreeMap<(&'a str, &'a str), Last>,
}

impl<'a> ChangeLaw<'a> {
    /// Learns from accepted rows, in any order; returns their own changes with it.
    pub fn learn(trusted: &[&'a MarketRow]) -> (Self, Changes) {
        let mut levels = Levels::default();
        let mut paths: BTreeMap<(&str, &str), BTreeMap<u32, Last>> = BTreeMap::new();
        let mut changes = Vec::new();
        for (week, places) in by_week(trusted) {
            levels.week_in((week, &places), trusted, &mut changes);
            for (&series, last) in levels.last.iter().filter(|(_, last)| last.week == week) {
                paths.entry(series).or_default().insert(week, *last);
            }
        }
        let far = |weeks: u32, of: fn(&Last) -> f64| -> Vec<f64> {
            let pairs = paths.values().flat_map(|path| {
                path.iter().filter_map(move |(week, last)| Some((of(path.get(&week.checked_add(weeks)?)?) - of(last)).abs()))
            });
            pairs.collect()
        };
        let growth = |of: fn(&Last) -> f64| Growth::of(&mut far(1, of), &mut far(LONG_WEEKS, of));
        let law = Self { levels, price: growth(|last| last.level), share: growth(|last| last.share) };
        let changes = law.scaled(&changes);
        (law, changes)
    }

    /// Changes of a delivery's rows; the law stays as it is.
    pub fn changes<'b>(&self, rows: &[&'b MarketRow]) -> Changes
    where
        'a: 'b,
    {
        let mut levels: Levels<'b> = self.levels.clone();
        let mut changes = Vec::new();
        for (week, places) in by_week(rows) {
            levels.week_in((week, &places), rows, &mut changes);
        }
        self.scaled(&changes)
    }

    fn scaled(&self, changes: &[Change]) -> Changes {
        let mut frame = Frame::new(changes.len());
        let promo = Categories::from_texts(changes.iter().map(|change| Some(if change.promo { "yes" } else { "no" })));
        let columns = [
            ("move", Column::Number(changes.iter().map(|change| change.price / self.price.over(change.weeks)).collect())),
            ("share_move", Column::Number(changes.iter().map(|change| change.share / self.share.over(change.weeks)).collect())),
            ("promo", Column::Category(promo)),
        ];
        for (name, column) in columns {
            // INVARIANT: every column has one entry per change and names differ, so none is refused.
            drop(frame.push(name, column));
        }
        Changes { frame, places: changes.iter().map(|change| change.place).collect() }
    }
}

/// Places of rows with a price, by week.
fn by_week(rows: &[&MarketRow]) -> BTreeMap<u32, Vec<usize>> {
    let mut weeks: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.price.is_finite() && row.price > 0.0) {
        weeks.entry(row.week).or_default().push(place);
    }
    weeks
}

impl<'a> Levels<'a> {
    /// Takes one week in: first the common moves, then what is left of each row.
    fn week_in(&mut self, (week, places): (u32, &[usize]), rows: &[&'a MarketRow], out: &mut Vec<Change>) {
        let mut fresh: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for row in places.iter().filter_map(|&place| rows.get(place)) {
            let row: &'a MarketRow = row;
            let known = self.last.get(&(row.region.as_str(), row.competitor.as_str()));
            // A promotion is not the level of its region, and a price of this week is none that it came from.
            if let Some(last) = known.filter(|last| !row.promo && last.week < week) {
                fresh.entry(&row.region).or_default().push(row.price.ln() - self.level_of(&row.region) - last.level);
            }
        }
        let mut all: Vec<f64> = fresh.values().flatten().copied().collect();
        let national = if all.len() < COMMON_ROWS_MIN { 0.0 } else { median(&mut all) };
        self.national += national;
        for (region, mut moves) in fresh {
            let own = if moves.len() < COMMON_ROWS_MIN { 0.0 } else { median(&mut moves) - national };
            *self.regional.entry(region).or_default() += own;
        }
        for &place in places {
            let Some(&row) = rows.get(place) else { continue };
            let series = (row.region.as_str(), row.competitor.as_str());
            let now = Last { week, level: row.price.ln() - self.level_of(&row.region), share: row.est_share };
            let known = self.last.get(&series).copied().filter(|last| last.week < week);
            if let Some(last) = known {
                let (price, share) = (now.level - last.level, now.share - last.share);
                out.push(Change { place, weeks: week - last.week, price, share, promo: row.promo });
            }
            if !row.promo {
                self.last.insert(series, now);
            }
        }
    }

    /// The common part of a region's log prices.
    fn level_of(&self, region: &str) -> f64 {
        self.national + self.regional.get(region).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(week: u32, (region, competitor): (usize, usize), price: f64, promo: bool) -> MarketRow {
        MarketRow { week, region: format!("r{region}"), competitor: format!("c{competitor}"), price, promo, est_share: 0.2 }
    }

    /// Weeks 0, 1 and later ones of 4 regions x 5 competitors; prices as `price(week, series)` has them.
    fn weeks(weeks: &[u32], price: impl Fn(u32, (usize, usize)) -> f64) -> Vec<MarketRow> {
        let series = |week: u32| (0..20).map(move |at| (week, (at / 5, at % 5)));
        weeks.iter().flat_map(|&week| series(week)).map(|(week, at)| row(week, at, price(week, at), false)).collect()
    }

    fn moves(trusted: &[MarketRow], batch: &[MarketRow]) -> Vec<f64> {
        let (law, _) = ChangeLaw::learn(&trusted.iter().collect::<Vec<_>>());
        let changes = law.changes(&batch.iter().collect::<Vec<_>>());
        let Some(Column::Number(moves)) = changes.frame.column("move") else { panic!("no moves") };
        moves.clone()
    }

    #[test]
    fn what_all_do_is_nobodys_change() {
        let common = |week: u32, (region, _): (usize, usize)| 50.0 * (0.01 * f64::from(week) * (1.0 + region as f64)).exp();
        let trusted = weeks(&[0, 1, 2, 3], common);
        for batch in [weeks(&[4], common), weeks(&[9], common)] {
            let found = moves(&trusted, &batch);
            assert!(found.len() == 20 && found.iter().all(|found| found.abs() < 1e-9), "{found:?}");
        }
    }

    #[test]
    fn one_price_that_falls_stands_out_and_a_promotion_is_no_level() {
        let flat = |_: u32, _: (usize, usize)| 50.0;
        let mut trusted = weeks(&[0, 1], flat);
        trusted.push(row(2, (1, 1), 40.0, true));
        let mut batch = weeks(&[3], flat);
        assert!(moves(&trusted, &batch).iter().all(|found| found.abs() < 1e-9));
        batch[7].price = 45.0;
        let found = moves(&trusted, &batch);
        assert!(found[7] < -0.05 && found.iter().filter(|found| found.abs() > 1e-9).count() == 1, "{found:?}");
    }

    #[test]
    fn growth_tells_a_walk_from_noise() {
        let walk = Growth::of(&mut [1.0], &mut [8.0_f64.sqrt()]);
        assert!((walk.over(4) - 2.0).abs() < 1e-9);
        let noise = Growth::of(&mut [1.0], &mut [1.0]);
        assert!((noise.over(4) - 1.0).abs() < 1e-9);
        assert!((Growth::of(&mut [], &mut []).over(9) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn new_series_and_broken_prices_have_no_change() {
        let trusted = weeks(&[0, 1], |_, _| 50.0);
        let strange = [row(2, (9, 9), 50.0, false), row(2, (0, 0), -1.0, false), row(2, (0, 1), f64::NAN, false)];
        assert_eq!(moves(&trusted, &strange), [0.0; 0]);
    }
}
