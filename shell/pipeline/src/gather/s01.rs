//! Facts of a market feed's rows: the contract, the thresholds, the market's own rules, and outliers against accepted weeks.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use frame::{Categories, Column, Frame};
use gate::Digest;
use outlier::market::{ChangeLaw, MarketFinding as Found, MarketLimits, MarketRow, MarketState};
use outlier::{Reference, Spec};
use s01_intake::{Certainty, ColumnTest, ContentFacts, ContentPolicy, MarketFinding, RowFlag, RowReason};
use tabular::Contract;

use crate::desk::Desk;
use crate::policy::{ContentPolicy as Policy, FeedKind};
use crate::quarantine::{Reason, Row, SetAside};
use crate::{PipelineError, data};

mod contract;
pub(crate) mod rows;

use contract::{Breaches, breaches};

/// Columns of a market feed's table.
pub(crate) const COLUMNS: [&str; 6] = ["week", "region", "competitor", "price", "promo", "est_share"];
/// Accepted weeks that outliers are judged by.
const REFERENCE_WEEKS: u32 = 60;
/// False discoveries among rows that are set aside, at most.
const FALSE_DISCOVERY_RATE: f64 = 0.05;
/// Seed of the reference; any would do, it must only stay the same.
const REFERENCE_SEED: u64 = 1;
/// Deviations beyond which a region's move is refused: hardly one of 475 generated honest weeks passes 5, where it is held (tests).
const MOVE_Z_CLEAR: f64 = 10.0;
const WEEK_SECONDS: i64 = 7 * 86_400;

/// A delivery, read.
#[derive(Default)]
pub(crate) struct MarketTable {
    /// Records, the broken ones included.
    pub(crate) rows: u64,
    /// Rows that could be read, with their place in the delivery.
    pub(crate) market: Vec<(u32, MarketRow)>,
    found: Breaches,
    came: Came,
}

/// Records as they came, for those who look at what was set aside.
#[derive(Default)]
pub(crate) struct Came {
    batches: Vec<RecordBatch>,
    lines: Vec<u64>,
}

impl Came {
    pub(crate) fn of(loaded: &data::Loaded) -> Self {
        Self { batches: loaded.batches.clone(), lines: loaded.lines.clone() }
    }

    /// Cells of a row by column, and its line; none of a record that could not be read.
    fn row(&self, row: u32) -> (BTreeMap<String, Option<String>>, Option<u64>) {
        let place = usize::try_from(row).unwrap_or(usize::MAX);
        let mut left = place;
        for batch in &self.batches {
            if left < batch.num_rows() {
                let cells = tabular::bridge::to_frame(&batch.slice(left, 1)).map(|frame| data::row_texts(&frame, 0));
                return (cells.unwrap_or_default(), self.lines.get(place).copied());
            }
            left -= batch.num_rows();
        }
        (BTreeMap::new(), None)
    }
}

/// A delivery of either kind of feed, read.
pub(crate) enum Delivered {
    /// Prices of a market.
    Market(MarketTable),
    /// Rows about customers.
    Rows(Box<rows::RowTable>),
}

impl Delivered {
    /// Reads bytes that the door let through; what cannot be read at all has no row.
    pub(crate) fn read(kind: FeedKind, bytes: &[u8], contract: &Contract, name: &str) -> Self {
        match kind {
            FeedKind::Market => Self::Market(read_market(bytes, contract, name).unwrap_or_default()),
            FeedKind::Rows => rows::read(bytes, contract, name)
                .map_or_else(|_| Self::Market(MarketTable::default()), |table| Self::Rows(Box::new(table))),
        }
    }

    /// Records, the broken ones included.
    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::Market(table) => table.rows,
            Self::Rows(table) => table.rows,
        }
    }

    /// Rows with reasons as they came, for the queue.
    pub(crate) fn set_aside(&self, feed: &str, content: Digest, flags: &[RowFlag]) -> SetAside {
        let came = match self {
            Self::Market(table) => &table.came,
            Self::Rows(table) => &table.came,
        };
        let mut reasons: BTreeMap<u32, Vec<Reason>> = BTreeMap::new();
        for flag in flags {
            let reason = Reason { rule: flag.reason, column: flag.column.clone(), seen: flag.seen.clone() };
            reasons.entry(flag.row).or_default().push(reason);
        }
        let row = |(row, reasons)| {
            let (cells, line) = came.row(row);
            Row { row, line, cells, reasons }
        };
        SetAside { feed: feed.to_owned(), content, rows: self.rows(), aside: reasons.into_iter().map(row).collect() }
    }

    /// Rows that go on, as they are stored.
    pub(crate) fn arrow(&self, held: &[u32]) -> Result<Vec<RecordBatch>, PipelineError> {
        match self {
            Self::Market(table) => arrow(table, held),
            Self::Rows(table) => rows::arrow(table, held),
        }
    }
}

/// Columns of the stored table.
pub(crate) fn stored_columns(kind: FeedKind, contract: &Contract) -> Vec<String> {
    match kind {
        FeedKind::Market => COLUMNS.iter().map(|column| (*column).to_owned()).collect(),
        FeedKind::Rows => rows::columns(contract),
    }
}

/// Reads bytes that the door let through.
pub(crate) fn read_market(bytes: &[u8], contract: &Contract, name: &str) -> Result<MarketTable, PipelineError> {
    let loaded = data::load_bytes(bytes.to_vec(), name)?;
    let typed = data::typed(contract, &loaded.batches)?;
    let found = breaches(&typed, (loaded.broken_count, &loaded.broken));
    let rows = u64::try_from(typed.rows()).unwrap_or(u64::MAX).saturating_add(loaded.broken_count);
    let mut out = MarketTable { rows, found, came: Came::of(&loaded), ..MarketTable::default() };
    for row in typed.clean_rows() {
        let week = typed.time.as_ref().and_then(|all| all.get(row).copied().flatten()).map(|at| at.div_euclid(WEEK_SECONDS));
        if let (Some(week), Ok(place)) = (week.and_then(|week| u32::try_from(week).ok()), u32::try_from(row)) {
            out.market.push((place, market_row(&typed.frame, row, week)));
        }
    }
    Ok(out)
}

fn flag(row: usize, reason: RowReason, column: &str, seen: String) -> RowFlag {
    RowFlag { row: u32::try_from(row).unwrap_or(u32::MAX), reason, column: column.to_owned(), seen }
}

fn market_row(frame: &Frame, row: usize, week: u32) -> MarketRow {
    let number = |name: &str| match frame.column(name) {
        Some(Column::Number(values)) => values.get(row).copied().unwrap_or(f64::NAN),
        Some(Column::Category(levels)) => levels.text(row).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
        None => f64::NAN,
    };
    let text = |name: &str| frame.column(name).and_then(|column| data::text_of(column, row)).unwrap_or_default();
    MarketRow {
        week,
        region: text("region"),
        competitor: text("competitor"),
        price: number("price"),
        promo: number("promo") > 0.5,
        est_share: number("est_share"),
    }
}

/// Rows that were accepted before.
pub(crate) fn history(desk: &Desk, feed: &str) -> Result<Vec<MarketRow>, PipelineError> {
    let dir = desk.project.path("source").join(feed);
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let table = store::table::Table::open(&dir).map_err(|error| PipelineError::broken(error.to_string()))?;
    let mut rows = Vec::new();
    for batch in table.read(None).map_err(|error| PipelineError::broken(error.to_string()))? {
        rows.extend(rows_of(&batch)?);
    }
    Ok(rows)
}

/// Rows of a stored batch.
pub(crate) fn rows_of(batch: &RecordBatch) -> Result<Vec<MarketRow>, PipelineError> {
    let frame = tabular::bridge::to_frame(batch).map_err(PipelineError::internal)?;
    let week = |row: usize| match frame.column("week") {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "weeks since 1970, written by us")]
        Some(Column::Number(weeks)) => weeks.get(row).map_or(0, |week| *week as u32),
        Some(Column::Category(_)) | None => 0,
    };
    Ok((0..frame.rows()).map(|row| market_row(&frame, row, week(row))).collect())
}

/// Facts of a delivery.
pub(crate) fn content_facts(
    policy: &Policy,
    table: &MarketTable,
    state: &MarketState,
    history: &[MarketRow],
    accepted: bool,
) -> Result<ContentFacts, PipelineError> {
    let rows: Vec<MarketRow> = table.market.iter().map(|(_, row)| row.clone()).collect();
    let (findings, _) = state.judge(&rows, &MarketLimits::default());
    let apart = regions_apart(&findings);
    let there: BTreeSet<_> = history.iter().map(|row| (row.week, row.region.as_str(), row.competitor.as_str())).collect();
    let mut flags = table.found.flags.clone();
    let mut market = Vec::new();
    for finding in findings {
        match market_finding(&finding, &table.market, &apart) {
            // A week that people let in late, and that history lacks, is no second version of a week.
            Ok(_) if accepted && is_new(&finding, &table.market, &there) => {}
            Ok(flag) => flags.push(flag),
            // A first delivery would be compared with itself: people look at it whole (the outlier gate holds it).
            Err(_) if history.is_empty() => {}
            Err(found) => market.push(found),
        }
    }
    let mut facts = ContentFacts {
        columns_missing: table.found.columns_missing.clone(),
        columns_unknown: table.found.columns_unknown.clone(),
        flags,
        unlisted: 0,
        tests: Vec::new(),
        market,
        reference_rows: 0,
        delivery_accepted: accepted,
        released: None,
        policy: limits(policy),
    };
    judge_jointly(&mut facts, table, history)?;
    facts.flags.sort_by_key(|flag| (flag.row, flag.reason));
    Ok(facts)
}

pub(crate) fn limits(policy: &Policy) -> ContentPolicy {
    ContentPolicy {
        contract_share_max: policy.contract_share_max,
        quarantine_share_max: policy.quarantine_share_max,
        batch_alpha: policy.batch_alpha,
    }
}

/// Whether a row of an old week is one that history has nothing of.
fn is_new(finding: &Found, rows: &[(u32, MarketRow)], there: &BTreeSet<(u32, &str, &str)>) -> bool {
    let Found::OldWeek { row } = finding else { return false };
    let row = rows.get(*row).map(|(_, row)| (row.week, row.region.as_str(), row.competitor.as_str()));
    row.is_some_and(|row| !there.contains(&row))
}

/// A finding about one row flags it; a finding about the market stops the delivery.
fn market_finding(finding: &Found, rows: &[(u32, MarketRow)], apart: &BTreeMap<u32, usize>) -> Result<RowFlag, MarketFinding> {
    let row_flag = |row: &usize, reason, column: &str, what: &str| {
        let (place, found) = rows.get(*row).map_or((u32::MAX, None), |(place, found)| (*place, Some(found)));
        let whose = found.map_or_else(String::new, |found| format!(" ({}, {})", found.region, found.competitor));
        Ok(RowFlag { row: place, reason, column: column.to_owned(), seen: format!("{what}{whose}") })
    };
    let stop = |rule: &str, seen: String, certainty| Err(MarketFinding { rule: rule.to_owned(), seen, certainty });
    match finding {
        Found::TooMany => stop("size", "more rows or series than can be judged".to_owned(), Certainty::Clear),
        Found::Price { row } => row_flag(row, RowReason::Threshold, "price", "a price that cannot be"),
        Found::Share { row } => row_flag(row, RowReason::Threshold, "est_share", "a share that cannot be"),
        Found::Twice { row } => row_flag(row, RowReason::Duplicate, "", "the same week, region and competitor twice"),
        Found::OldWeek { row } => row_flag(row, RowReason::Threshold, "week", "a week that was accepted before"),
        Found::RowMove { row, change } => row_flag(
            row,
            RowReason::Threshold,
            "price",
            &format!("a price that moved by {:+.1} % in a week", change.exp_m1() * 100.0),
        ),
        Found::ShareSum { week, region, sum } => {
            stop("market shares", format!("shares of `{region}` in week {week} add up to {sum:.2}"), Certainty::Clear)
        }
        Found::RegionMove { week, region, change, z, relative } => {
            // In no generated honest week do two regions leave the others at once; all together may move, with taxes for instance.
            let several = *relative && apart.get(week).is_some_and(|regions| *regions > 1);
            let certainty = if several || z.abs() > MOVE_Z_CLEAR { Certainty::Clear } else { Certainty::Doubtful };
            let against = if *relative { " against the other regions" } else { "" };
            stop(
                "price level",
                format!(
                    "prices of `{region}` moved by {:+.1} % in week {week}{against}, {z:+.0} deviations",
                    change.exp_m1() * 100.0
                ),
                certainty,
            )
        }
        Found::SlowDrift { week, region, sum } => {
            let whose = region.as_deref().unwrap_or("all regions");
            let seen = format!("prices of `{whose}` drift since some weeks (week {week}, sum {sum:+.1})");
            stop("slow drift", seen, Certainty::Doubtful)
        }
        // Somebody opens a shop: nobody could ever let it in if that were refused.
        Found::Newcomer { region, competitor } => {
            stop("newcomer", format!("`{competitor}` was never seen in `{region}`"), Certainty::Doubtful)
        }
    }
}

/// How many regions left the others, by week.
fn regions_apart(findings: &[Found]) -> BTreeMap<u32, usize> {
    let mut weeks = BTreeMap::new();
    for finding in findings {
        if let Found::RegionMove { week, relative: true, .. } = finding {
            *weeks.entry(*week).or_default() += 1;
        }
    }
    weeks
}

fn judge_jointly(facts: &mut ContentFacts, table: &MarketTable, history: &[MarketRow]) -> Result<(), PipelineError> {
    let newest = history.iter().map(|row| row.week).max().unwrap_or(0);
    let recent: Vec<&MarketRow> = history.iter().filter(|row| row.week.saturating_add(REFERENCE_WEEKS) > newest).collect();
    let (law, trusted) = ChangeLaw::learn(&recent);
    if trusted.frame.rows() < outlier::TRUSTED_ROWS_MIN {
        return Ok(());
    }
    // A series' second row of a week is set aside as a duplicate, so rows cannot be multiplied.
    let spec = Spec { unrepeated: true, ..Spec::default() };
    let reference = Reference::fit(&trusted.frame, &spec, REFERENCE_SEED).map_err(PipelineError::internal)?;
    facts.reference_rows = reference.trusted_rows();
    let batch: Vec<&MarketRow> = table.market.iter().map(|(_, row)| row).collect();
    let judged = law.changes(&batch);
    if judged.frame.rows() == 0 {
        return Ok(());
    }
    let score = reference.score(&judged.frame).map_err(PipelineError::internal)?;
    let most = score.batch.tests.iter().min_by(|one, other| one.p_value.total_cmp(&other.p_value));
    let name = most.map_or_else(String::new, |test| {
        format!("{} rows far out by {:?}, {:.1} expected", test.rows_seen, test.method, test.rows_expected)
    });
    facts.tests.push(ColumnTest { name, p_value: score.batch.p_value });
    for (at, flagged) in score.flags(FALSE_DISCOVERY_RATE).into_iter().enumerate().filter(|(_, flagged)| *flagged) {
        let (Some(row), Some(&source), true) = (score.rows.get(at), judged.places.get(at), flagged) else { continue };
        let place = table.market.get(source).map_or(u32::MAX, |(place, _)| *place);
        let column = score.column_name(row).unwrap_or_default().to_owned();
        let seen = format!("{} by {:?}", s01_intake::probability(row.p_value), row.method);
        facts.flags.push(RowFlag { row: place, reason: RowReason::Joint, column, seen });
    }
    Ok(())
}

/// The market's state after the rows that went on.
pub(crate) fn state_after(kept: &[MarketRow], state: &MarketState) -> MarketState {
    state.judge(kept, &MarketLimits::default()).1
}

/// Rows that go on, as they are stored.
pub(crate) fn arrow(table: &MarketTable, held: &[u32]) -> Result<Vec<RecordBatch>, PipelineError> {
    let kept: Vec<&MarketRow> =
        table.market.iter().filter(|(place, _)| held.binary_search(place).is_err()).map(|(_, row)| row).collect();
    let mut frame = Frame::new(kept.len());
    let number = |of: &dyn Fn(&MarketRow) -> f64| Column::Number(kept.iter().map(|row| of(row)).collect());
    let text = |of: fn(&MarketRow) -> &str| Column::Category(Categories::from_texts(kept.iter().map(|row| Some(of(row)))));
    let columns = [
        number(&|row| f64::from(row.week)),
        text(|row| &row.region),
        text(|row| &row.competitor),
        number(&|row| row.price),
        number(&|row| f64::from(u8::from(row.promo))),
        number(&|row| row.est_share),
    ];
    for (name, column) in COLUMNS.into_iter().zip(columns) {
        frame.push(name, column).map_err(PipelineError::internal)?;
    }
    Ok(vec![tabular::bridge::of_frame(&frame).map_err(PipelineError::internal)?])
}

#[cfg(test)]
mod tests;
