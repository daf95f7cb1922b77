//! Judges a weekly feed of competitor prices (week x region x competitor): values that cannot be, shares that do not add up,
//! a region that moves as it never moved, and a level that is bent slowly (T1). Understated prices move churn decisions
//! without moving the model's AUC, so the level itself is watched.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use change::{ChangeLaw, Changes};

mod change;

/// Weeks of moves that are remembered per region: two years.
const HISTORY_WEEKS: usize = 104;
/// Weeks of history from which a move is judged.
const HISTORY_WEEKS_MIN: usize = 26;
/// Smallest scale of weekly moves of log prices: 0.1 %.
const SCALE_FLOOR: f64 = 0.001;
/// Rows of one batch.
pub const MARKET_ROWS_MAX: usize = 1_000_000;
/// Region and competitor pairs that a state holds.
pub const SERIES_MAX: usize = 100_000;
/// Standardised moves are cut here before they are summed, so that one jump is a jump and no drift.
const MOVE_MAX: f64 = 4.0;

/// One price of one competitor in one region and week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarketRow {
    /// Number of the week, growing.
    pub week: u32,
    /// Region.
    pub region: String,
    /// Competitor.
    pub competitor: String,
    /// Price a month, in the currency of the feed.
    pub price: f64,
    /// Whether the price is a promotion; promotions do not count for the level.
    pub promo: bool,
    /// Estimated market share, 0 to 1.
    pub est_share: f64,
}

/// Where a market feed is stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarketLimits {
    /// Lowest and highest price that can be.
    pub price: (f64, f64),
    /// Largest distance of a region's summed shares from 1.
    pub share_slack: f64,
    /// Robust deviations of a region-wide move (against its own history) and of a region's move against the other regions.
    pub move_z: f64,
    /// Largest move of one competitor's log price in a week; 0.35 is a factor of 1.4.
    pub row_move: f64,
    /// Allowance and limit of the sums of a region against the others, in deviations (Page 1954).
    pub region_cusum: (f64, f64),
    /// Allowance and limit of the sums of all regions together; wider, because seasons move all.
    pub national_cusum: (f64, f64),
}

impl Default for MarketLimits {
    fn default() -> Self {
        Self {
            price: (0.5, 10_000.0),
            share_slack: 0.05,
            move_z: 5.0,
            row_move: 0.35,
            region_cusum: (0.25, 12.0),
            national_cusum: (1.0, 8.0),
        }
    }
}

/// What is wrong with a market feed. Rows are places in the batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MarketFinding {
    /// More rows or series than can be judged.
    TooMany,
    /// A price that is no number, not positive or beyond the limits.
    Price {
        /// Place of the row.
        row: usize,
    },
    /// A share outside 0 to 1.
    Share {
        /// Place of the row.
        row: usize,
    },
    /// The same week, region and competitor twice.
    Twice {
        /// Place of the second row.
        row: usize,
    },
    /// A week that is not after the last accepted one of its region: corrections need a way of their own.
    OldWeek {
        /// Place of the row.
        row: usize,
    },
    /// Shares of a region and week do not add up to 1.
    ShareSum {
        /// The week.
        week: u32,
        /// The region.
        region: String,
        /// Their sum.
        sum: f64,
    },
    /// One competitor's price moved further than a price moves in a week.
    RowMove {
        /// Place of the row.
        row: usize,
        /// Change of the log price.
        change: f64,
    },
    /// The whole region moved as it never did.
    RegionMove {
        /// The week.
        week: u32,
        /// The region.
        region: String,
        /// Change of the median log price.
        change: f64,
        /// Robust deviations from the region's history.
        z: f64,
        /// Whether the other regions' move was taken off first.
        relative: bool,
    },
    /// Small moves of one direction add up. A slow bend of *all* regions at once looks like inflation: only a second source tells.
    SlowDrift {
        /// The week in which the limit was passed.
        week: u32,
        /// The region; none for all regions together.
        region: Option<String>,
        /// The sum, in deviations; negative for falling prices.
        sum: f64,
    },
    /// A region or competitor that accepted weeks did not have.
    Newcomer {
        /// The region.
        region: String,
        /// The competitor.
        competitor: String,
    },
}

/// One level and its remembered moves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Series {
    moves: Vec<f64>,
    upper: f64,
    lower: f64,
}

/// What accepted weeks taught. Grows with regions and competitors, not with weeks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MarketState {
    /// Region, competitor, last accepted week, log price.
    last: BTreeMap<String, BTreeMap<String, (u32, f64)>>,
    week: BTreeMap<String, u32>,
    own: BTreeMap<String, Series>,
    relative: BTreeMap<String, Series>,
    national: Series,
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.is_empty() {
        0.0
    } else if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

impl Series {
    /// Robust deviations of a move (median and MAD of history); `None` while there is too little history.
    fn z(&self, change: f64) -> Option<f64> {
        if self.moves.len() < HISTORY_WEEKS_MIN {
            return None;
        }
        let centre = median(&mut self.moves.clone());
        let mut away: Vec<f64> = self.moves.iter().map(|known| (known - centre).abs()).collect();
        // 1.4826 makes the median deviation one standard deviation of a normal law.
        Some((change - centre) / (1.4826 * median(&mut away)).max(SCALE_FLOOR))
    }

    /// Adds a move; returns the sum that passed `limit`, which then starts again.
    fn add(&mut self, change: f64, (allowance, limit): (f64, f64)) -> Option<f64> {
        let z = self.z(change).unwrap_or(0.0).clamp(-MOVE_MAX, MOVE_MAX);
        self.upper = (self.upper + z - allowance).max(0.0);
        self.lower = (self.lower - z - allowance).max(0.0);
        self.moves.push(change);
        let extra = self.moves.len().saturating_sub(HISTORY_WEEKS);
        self.moves.drain(..extra);
        if self.upper > limit {
            Some(std::mem::take(&mut self.upper))
        } else if self.lower > limit {
            Some(-std::mem::take(&mut self.lower))
        } else {
            None
        }
    }
}

impl MarketState {
    /// Judges a batch against the accepted weeks and returns the state as it would be with the batch in it: keep that state only
    /// if the batch is accepted. Findings stand in the order of weeks, checks of single rows first; none for a sound batch.
    pub fn judge(&self, rows: &[MarketRow], limits: &MarketLimits) -> (Vec<MarketFinding>, Self) {
        let mut next = self.clone();
        if rows.len() > MARKET_ROWS_MAX {
            return (vec![MarketFinding::TooMany], next);
        }
        // The very first batch has no newcomers: it is the one that introduces everybody.
        let known = !self.last.is_empty();
        let mut findings = Vec::new();
        let mut weeks: BTreeMap<u32, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (at, row) in rows.iter().enumerate() {
            let sound_price =
                row.price.is_finite() && row.price > 0.0 && row.price >= limits.price.0 && row.price <= limits.price.1;
            if !sound_price {
                findings.push(MarketFinding::Price { row: at });
            }
            if !(0.0..=1.0).contains(&row.est_share) {
                findings.push(MarketFinding::Share { row: at });
            }
            if !seen.insert((row.week, row.region.as_str(), row.competitor.as_str())) {
                findings.push(MarketFinding::Twice { row: at });
                continue;
            }
            if self.week.get(&row.region).is_some_and(|last| row.week <= *last) {
                findings.push(MarketFinding::OldWeek { row: at });
                continue;
            }
            if sound_price {
                weeks.entry(row.week).or_default().entry(&row.region).or_default().push(at);
            }
        }
        for (week, regions) in weeks {
            next.week_in((week, known), &regions, rows, limits, &mut findings);
        }
        let series: usize = next.last.values().map(BTreeMap::len).sum();
        if series > SERIES_MAX {
            return (vec![MarketFinding::TooMany], self.clone());
        }
        (findings, next)
    }

    fn week_in(
        &mut self,
        (week, known): (u32, bool),
        regions: &BTreeMap<&str, Vec<usize>>,
        rows: &[MarketRow],
        limits: &MarketLimits,
        findings: &mut Vec<MarketFinding>,
    ) {
        let mut moves: BTreeMap<&str, f64> = BTreeMap::new();
        for (region, places) in regions {
            let sum: f64 = places.iter().map(|&at| rows[at].est_share).sum();
            if !((sum - 1.0).abs() <= limits.share_slack) {
                findings.push(MarketFinding::ShareSum { week, region: (*region).to_owned(), sum });
            }
            if let Some(change) = self.region_in((week, known), region, places, rows, limits, findings) {
                moves.insert(region, change);
            }
        }
        let national = median(&mut moves.values().copied().collect::<Vec<_>>());
        for (region, &change) in &moves {
            for (relative, change) in [(false, change), (true, change - national)] {
                if relative && moves.len() < 3 {
                    continue;
                }
                let all = if relative { &mut self.relative } else { &mut self.own };
                let series = all.entry((*region).to_owned()).or_default();
                if let Some(z) = series.z(change).filter(|z| z.abs() > limits.move_z) {
                    findings.push(MarketFinding::RegionMove { week, region: (*region).to_owned(), change, z, relative });
                }
                // A region's own sums follow the seasons; only those against the other regions are judged.
                let bounds = if relative { limits.region_cusum } else { (f64::MAX, f64::MAX) };
                if let Some(sum) = series.add(change, bounds) {
                    findings.push(MarketFinding::SlowDrift { week, region: Some((*region).to_owned()), sum });
                }
            }
        }
        if !moves.is_empty()
            && let Some(sum) = self.national.add(national, limits.national_cusum)
        {
            findings.push(MarketFinding::SlowDrift { week, region: None, sum });
        }
    }

    /// Takes a region's prices in; returns its move: the median over competitors of the weekly change of the log price.
    fn region_in(
        &mut self,
        (week, known): (u32, bool),
        region: &str,
        places: &[usize],
        rows: &[MarketRow],
        limits: &MarketLimits,
        findings: &mut Vec<MarketFinding>,
    ) -> Option<f64> {
        let prices = self.last.entry(region.to_owned()).or_default();
        let mut changes = Vec::new();
        for &at in places {
            let row = &rows[at];
            let level = row.price.ln();
            match prices.get(&row.competitor) {
                Some(&(before, price)) => {
                    let gap = f64::from(week.saturating_sub(before).max(1));
                    let change = (level - price) / gap.sqrt();
                    if change.abs() > limits.row_move {
                        findings.push(MarketFinding::RowMove { row: at, change });
                    }
                    if !row.promo {
                        changes.push(change);
                    }
                }
                None if known => {
                    findings.push(MarketFinding::Newcomer { region: region.to_owned(), competitor: row.competitor.clone() })
                }
                None => {}
            }
            // A promotion is not the level that next week is compared with, unless there is no other.
            if !row.promo || !prices.contains_key(&row.competitor) {
                prices.insert(row.competitor.clone(), (week, level));
            }
        }
        self.week.insert(region.to_owned(), week);
        (!changes.is_empty()).then(|| median(&mut changes))
    }
}

#[cfg(test)]
mod tests;
