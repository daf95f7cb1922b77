//! Hostile versions of generated tables (T1, T6): what a compromised supplier or insider would send, with a known number of touched rows.

use clap::ValueEnum;
use generate::poison::{
    Poisoned, falsified_rows, near_duplicates, slow_drift, swap_value, understate_prices, write_market, write_snapshots,
};
use generate::{
    DELIVERY_HEADER, Generator, MarketRow, SnapshotRow, Table, WEEKS, competitor_name, corrected, date_text, delivery_line,
    region_name,
};
use pipeline::PipelineError;

use super::sink::FileForm;
use crate::commands::wrong;

/// Rows of the block that near-duplicates copy.
const BLOCK_ROWS: usize = 50;
/// Weeks over which a slow drift reaches its share.
const DRIFT_WEEKS: u32 = 26;

/// Ways to make rows hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Poison {
    /// Competitors' prices lower than they are, in some regions: in a believable range.
    Understate,
    /// Rows that cannot be true: negative or wild prices, impossible shares.
    Falsify,
    /// High-value churners disguised as low-value customers (snapshot only).
    Swap,
    /// Near-copies of a block of rows, so that it weighs more.
    Duplicates,
    /// Prices that sink so slowly that no two deliveries differ.
    SlowDrift,
}

/// How much, where, and by which seed.
pub(super) struct Amount {
    pub(super) share: f64,
    pub(super) regions: usize,
    pub(super) seed: u64,
}

enum Rows {
    /// With all columns.
    Market(Vec<MarketRow>),
    /// As a supplier delivers: six columns, corrected prices.
    Delivery(Vec<MarketRow>),
    Snapshot(Vec<SnapshotRow>),
}

/// Rows, ready to be written.
pub(super) struct Made {
    pub(super) header: String,
    pub(super) hostile: u64,
    rows: Rows,
}

impl Made {
    /// The rows as text, without a header.
    pub(super) fn csv_or_json(&self, form: FileForm) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.rows {
            Rows::Market(rows) => write_market(rows, form.text(), &mut out),
            Rows::Snapshot(rows) => write_snapshots(rows, form.text(), &mut out),
            Rows::Delivery(rows) => rows.iter().for_each(|row| out.extend_from_slice(delivered(row, form).as_bytes())),
        }
        out
    }
}

/// The rows of a table, made hostile where a poison is named; of some weeks where weeks are named.
pub(super) fn rows(
    generator: &Generator,
    table: Table,
    poison: Option<Poison>,
    weeks: Option<(u32, u32)>,
    amount: &Amount,
) -> Result<Made, PipelineError> {
    match (table, poison) {
        (Table::MarketFeed, Some(Poison::Swap)) => Err(wrong("`swap` is for customers", "use it with --table snapshot")),
        (Table::MarketFeed, poison) => Ok(market(generator, table, poison, weeks, amount)),
        (_, _) if weeks.is_some() => Err(wrong("weeks are for the market feed", "leave --weeks out, or use --table market")),
        (Table::Snapshot { month }, Some(Poison::Swap)) => snapshot(generator, table, month, amount),
        (_, _) => Err(wrong("this poison is for the market feed", "use it with --table market; snapshots take `--poison swap`")),
    }
}

fn market(generator: &Generator, table: Table, poison: Option<Poison>, weeks: Option<(u32, u32)>, amount: &Amount) -> Made {
    let (first, last) = weeks.unwrap_or((0, WEEKS - 1));
    let all = (first..=last).flat_map(|week| generator.market_week(week));
    let rows: Vec<MarketRow> = if weeks.is_some() { corrected(all) } else { all.collect() };
    let made = match poison {
        None => Poisoned { rows, touched: Vec::new() },
        Some(Poison::Understate) => understate_prices(&rows, amount.share, amount.regions, amount.seed),
        Some(Poison::Falsify) => falsified_rows(&rows, amount.share, amount.seed),
        Some(Poison::Duplicates) => near_duplicates(&rows, BLOCK_ROWS, copies(rows.len(), amount.share), amount.seed),
        Some(Poison::SlowDrift) => slow_drift(&rows, amount.share, first, DRIFT_WEEKS, amount.regions, amount.seed),
        // INVARIANT: `rows` refuses to swap in the market feed.
        Some(Poison::Swap) => Poisoned { rows, touched: Vec::new() },
    };
    let hostile = u64::try_from(made.touched.len()).unwrap_or(u64::MAX);
    match weeks {
        Some(_) => Made { header: DELIVERY_HEADER.to_owned(), hostile, rows: Rows::Delivery(made.rows) },
        None => Made { header: table.csv_header(), hostile, rows: Rows::Market(made.rows) },
    }
}

/// How many copies of a block make up this share of the rows.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "row counts stay far below 2^53, and the share is from 0 to 1"
)]
fn copies(rows: usize, share: f64) -> usize {
    (rows as f64 * share.clamp(0.0, 1.0)) as usize
}

fn delivered(row: &MarketRow, form: FileForm) -> String {
    let (date, region, competitor) = (date_text(row.week_start_day), region_name(row.region), competitor_name(row.competitor));
    let (price, promo, share) = (row.price, u8::from(row.promo), row.est_share);
    match form {
        FileForm::Csv | FileForm::Parquet => delivery_line(row),
        FileForm::Ndjson => format!(
            "{{\"week_start\":\"{date}\",\"region\":\"{region}\",\"competitor\":\"{competitor}\",\"price\":{price:.2},\"promo\":{promo},\"est_share\":{share:.4}}}\n"
        ),
    }
}

fn snapshot(generator: &Generator, table: Table, month: u32, amount: &Amount) -> Result<Made, PipelineError> {
    let view = generator.month(month).map_err(|error| wrong(error.to_string(), "months go from 0 to 47"))?;
    let rows: Vec<SnapshotRow> = (0..generator.slots(table)).map(|row| view.snapshot(row)).collect();
    let churned: Vec<bool> = (0..generator.slots(table)).map(|row| view.label(row).churned).collect();
    let made = swap_value(&rows, &churned, amount.share, amount.seed);
    Ok(Made {
        header: table.csv_header(),
        hostile: u64::try_from(made.touched.len()).unwrap_or(u64::MAX),
        rows: Rows::Snapshot(made.rows),
    })
}

#[cfg(test)]
mod tests {
    use generate::{Config, Profile};

    use super::*;

    fn generator() -> Generator {
        Generator::new(Config::new(1, 200, Profile::TelcoLike)).unwrap()
    }

    const AMOUNT: Amount = Amount { share: 0.2, regions: 3, seed: 1 };

    #[test]
    fn every_poison_of_the_feed_touches_rows_and_none_touches_none() {
        let generator = generator();
        for poison in [Poison::Understate, Poison::Falsify, Poison::Duplicates, Poison::SlowDrift] {
            let made = rows(&generator, Table::MarketFeed, Some(poison), Some((10, 40)), &AMOUNT).unwrap();
            assert!(made.hostile > 0, "{poison:?}");
        }
        assert_eq!(rows(&generator, Table::MarketFeed, None, Some((10, 40)), &AMOUNT).unwrap().hostile, 0);
        assert!(rows(&generator, Table::Snapshot { month: 40 }, Some(Poison::Swap), None, &AMOUNT).unwrap().hostile > 0);
    }

    #[test]
    fn a_poison_of_another_table_is_refused() {
        let generator = generator();
        assert!(rows(&generator, Table::MarketFeed, Some(Poison::Swap), None, &AMOUNT).is_err());
        assert!(rows(&generator, Table::Labels { month: 1 }, Some(Poison::Falsify), None, &AMOUNT).is_err());
        assert!(rows(&generator, Table::Snapshot { month: 1 }, Some(Poison::Swap), Some((1, 2)), &AMOUNT).is_err());
    }

    #[test]
    fn a_delivery_has_one_price_per_week_region_and_competitor() {
        let made = rows(&generator(), Table::MarketFeed, None, Some((10, 12)), &AMOUNT).unwrap();
        let text = String::from_utf8(made.csv_or_json(FileForm::Csv)).unwrap();
        let keys: Vec<String> = text.lines().map(|line| line.splitn(4, ',').take(3).collect::<Vec<_>>().join(",")).collect();
        let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert!(keys.len() > 100);
        assert_eq!(distinct.len(), keys.len());
        let first: serde_json::Value =
            serde_json::from_slice(made.csv_or_json(FileForm::Ndjson).split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        assert!(first["price"].is_number());
    }
}
