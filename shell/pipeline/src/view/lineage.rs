//! Where rows of the data source come from (T1, T6): the versions of a table, what changed from one to another, and which delivery,
//! person and label decision brought a customer's row. What the log does not prove is shown as not proved.

use std::collections::BTreeMap;

use artifact::{Append, Batch, Door, Feed, LabelSet, Labels, Origin, Source};
use frame::{Column, Frame};
use gate::{Digest, Receipt};
use s01_intake::DoorFacts;
use s02_source::Facts;
use serde::Serialize;
use store::table::{CommitInfo, Table};
use tabular::contract::Role;

use crate::desk::{Desk, rfc3339};
use crate::evidence::deed::DeedKind;
use crate::evidence::proof;
use crate::gather::s01;
use crate::policy::{FeedKind, FeedPolicy};
use crate::run::{CUSTOMERS, parse_labels};
use crate::{PipelineError, data};

/// What stands between the parts of a row's key, when it is shown.
const KEY_JOINT: &str = " / ";

/// One version of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableVersion {
    /// The table.
    pub table: String,
    /// Its version.
    pub version: u64,
    /// When it was written, RFC 3339, as the writer said.
    pub at: String,
    /// Rows that it brought; of the customers, whose every delivery is the whole, all.
    pub rows: u64,
    /// Where they came from: a connector, or a feed with supplier and number.
    pub origin: String,
    /// Digest of the delivered bytes.
    pub delivery: String,
    /// In whose session it was written.
    pub writer: String,
    /// The entry that let it in.
    pub evidence: String,
    /// Why the log does not prove it; absent where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproved: Option<String>,
}

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The column.
    pub column: String,
    /// Before; absent where it was missing.
    pub before: Option<String>,
    /// After.
    pub after: Option<String>,
}

/// A row that differs: no changes where it is new or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowChange {
    /// The row's key.
    pub key: String,
    /// `added`, `removed` or `changed`.
    pub what: &'static str,
    /// Values that differ.
    pub changes: Vec<Change>,
}

/// What differs between two versions of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceDiff {
    /// The table.
    pub table: String,
    /// From this version.
    pub from: u64,
    /// To this version.
    pub to: u64,
    /// Rows that only the later version has.
    pub added: u64,
    /// Rows that only the earlier version has.
    pub removed: u64,
    /// Rows with another value.
    pub changed: u64,
    /// Rows that are the same.
    pub same: u64,
    /// How many rows changed in each column.
    pub columns: BTreeMap<String, u64>,
    /// The first rows that differ, by key.
    pub rows: Vec<RowChange>,
}

/// A row of a customer, and who brought it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlamedRow {
    /// Customer, and moment where the table has one.
    pub key: String,
    /// The version that brought the row as it is now.
    pub version: TableVersion,
    /// What that version changed; empty where it brought a new row.
    pub changes: Vec<Change>,
}

/// A label of a customer, and who decided it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlamedLabel {
    /// The label's moment, RFC 3339; absent where the table has no time.
    pub moment: Option<String>,
    /// What it says.
    pub churned: bool,
    /// The version since which it says so.
    pub version: u64,
    /// Who proposed that version.
    pub author: String,
    /// Who signed it, as the log proves.
    pub signed: Vec<String>,
    /// The entry that cleared it.
    pub evidence: String,
    /// Why the log does not prove it; absent where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproved: Option<String>,
}

/// A value that a feed added, and the delivery that it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlamedFeature {
    /// The feature.
    pub feature: String,
    /// Its value now; absent where it is missing.
    pub value: Option<String>,
    /// The row of the feed that it is taken from.
    pub row: String,
    /// The version of the feed's table with that row.
    pub version: TableVersion,
}

/// Where everything known of a customer comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blame {
    /// The customer.
    pub customer: String,
    /// Rows, oldest moment first.
    pub rows: Vec<BlamedRow>,
    /// Labels, oldest moment first.
    pub labels: Vec<BlamedLabel>,
    /// Values that feeds added, for the latest row.
    pub features: Vec<BlamedFeature>,
}

/// Every version of every table (or of one), oldest first.
///
/// # Errors
/// There is no such table, or one cannot be read.
pub fn source_log(desk: &Desk, only: Option<&str>) -> Result<Vec<TableVersion>, PipelineError> {
    let mut out = Vec::new();
    for name in tables(desk, only)? {
        let table = open(desk, &name)?;
        out.extend(written(&table)?.iter().map(|commit| told(desk, &name, commit)));
    }
    Ok(out)
}

/// What differs between two versions of a table; at most so many rows are shown.
///
/// # Errors
/// There is no such table or version, or it cannot be read.
pub fn source_diff(desk: &Desk, name: &str, (from, to): (u64, u64), most: usize) -> Result<SourceDiff, PipelineError> {
    tables(desk, Some(name))?;
    let table = open(desk, name)?;
    let (old, new) = (Rows::of(desk, name, &table, from)?, Rows::of(desk, name, &table, to)?);
    let mut out = SourceDiff {
        table: name.to_owned(),
        from,
        to,
        added: 0,
        removed: 0,
        changed: 0,
        same: 0,
        columns: BTreeMap::new(),
        rows: Vec::new(),
    };
    let keys: std::collections::BTreeSet<&Vec<String>> = old.places.keys().chain(new.places.keys()).collect();
    for key in keys {
        let (what, changes) = match (old.places.contains_key(key), new.places.contains_key(key)) {
            (false, _) => ("added", Vec::new()),
            (_, false) => ("removed", Vec::new()),
            (true, true) => ("changed", old.changes(&new, key)),
        };
        match what {
            "added" => out.added += 1,
            "removed" => out.removed += 1,
            _ if changes.is_empty() => {
                out.same += 1;
                continue;
            }
            _ => out.changed += 1,
        }
        for change in &changes {
            *out.columns.entry(change.column.clone()).or_default() += 1;
        }
        if out.rows.len() < most {
            out.rows.push(RowChange { key: key.join(KEY_JOINT), what, changes });
        }
    }
    Ok(out)
}

/// Where everything known of a customer comes from.
///
/// # Errors
/// No table or label set knows the customer, or one cannot be read.
pub async fn source_blame(desk: &Desk, customer: &str) -> Result<Blame, PipelineError> {
    let table = open(desk, CUSTOMERS)?;
    let versions = written(&table)?;
    let mut rows: BTreeMap<Vec<String>, BlamedRow> = BTreeMap::new();
    let mut before: Option<Rows> = None;
    for commit in &versions {
        let now = Rows::of(desk, CUSTOMERS, &table, commit.version)?;
        let mut found = BTreeMap::new();
        for key in now.places.keys().filter(|key| key.first().is_some_and(|id| id == customer)) {
            let changes =
                before.as_ref().filter(|before| before.places.contains_key(key)).map(|before| before.changes(&now, key));
            let row = match (changes, rows.remove(key)) {
                (Some(changes), Some(known)) if changes.is_empty() => known,
                (changes, _) => {
                    BlamedRow { key: shown(key), version: told(desk, CUSTOMERS, commit), changes: changes.unwrap_or_default() }
                }
            };
            found.insert(key.clone(), row);
        }
        rows = found;
        before = Some(now);
    }
    let labels = labels(desk, customer).await?;
    if rows.is_empty() && labels.is_empty() {
        return Err(PipelineError::wrong(
            format!("the data source has no customer `{customer}`"),
            "give the id as the delivered file has it",
        ));
    }
    let features = before.map_or_else(
        || Ok(Vec::new()),
        |now| features(desk, &now, rows.keys().max_by_key(|key| key.get(1).and_then(|moment| moment.parse::<i64>().ok()))),
    )?;
    Ok(Blame { customer: customer.to_owned(), rows: rows.into_values().collect(), labels, features })
}

/// Names of the tables there are, or the one asked for.
fn tables(desk: &Desk, only: Option<&str>) -> Result<Vec<String>, PipelineError> {
    let feeds = desk.project.policy.feeds.iter().map(|feed| feed.name.clone());
    let known: Vec<String> = std::iter::once(CUSTOMERS.to_owned()).chain(feeds).collect();
    let there = |name: &String| desk.project.path("source").join(name).is_dir();
    let there: Vec<String> = known.into_iter().filter(there).collect();
    if there.is_empty() {
        return Err(PipelineError::wrong("there is no data source yet", "make it with `stayward run --to data-source`"));
    }
    match only {
        None => Ok(there),
        Some(name) if there.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(PipelineError::wrong(
            format!("the data source has no table `{name}`"),
            format!("tables are: {}", there.join(", ")),
        )),
    }
}

fn open(desk: &Desk, name: &str) -> Result<Table, PipelineError> {
    Table::open(&desk.project.path("source").join(name)).map_err(|error| PipelineError::broken(error.to_string()))
}

/// Versions that brought rows.
fn written(table: &Table) -> Result<Vec<CommitInfo>, PipelineError> {
    let history = table.history().map_err(|error| PipelineError::broken(error.to_string()))?;
    Ok(history.into_iter().filter(|commit| commit.data.is_some()).collect())
}

/// A version with what the log says of it.
fn told(desk: &Desk, name: &str, commit: &CommitInfo) -> TableVersion {
    let mut out = TableVersion {
        table: name.to_owned(),
        version: commit.version,
        at: rfc3339(commit.timestamp_ms.div_euclid(1000)),
        rows: commit.rows,
        origin: "unknown".to_owned(),
        delivery: commit.content.map_or_else(String::new, |content| content.to_string()),
        writer: "unknown".to_owned(),
        evidence: commit.receipt.clone().unwrap_or_default(),
        unproved: None,
    };
    match brought(desk, name, commit) {
        Ok((origin, writer)) => (out.origin, out.writer) = (origin, writer),
        Err(why) => out.unproved = Some(why),
    }
    out
}

/// Where a version's rows came from and in whose session, as the log proves.
fn brought(desk: &Desk, name: &str, commit: &CommitInfo) -> Result<(String, String), String> {
    // The rows that stand there now must be those that were let in.
    let table = open(desk, name).map_err(|error| error.to_string())?;
    let receipt = crate::run::proved_commit(desk, (name, &table), commit).map_err(|error| error.to_string())?;
    let append = proof::cleared::<Source>(desk, &receipt)?;
    let (_, facts) = proof::judged::<Append, Facts>(desk, &receipt.statement)?;
    let writer = facts.writer.map_or_else(|| "nobody".to_owned(), |writer| format!("{} ({})", writer.person, writer.component));
    let origin = match append.origin {
        Origin::Internal { connector } => format!("internal, by connector `{connector}`"),
        Origin::Feed { feed } => {
            let (content, door) = proof::before(desk, &receipt)?;
            let (_, judged) = proof::judged::<Batch, serde_json::Value>(desk, &content.statement)?;
            proof::cleared::<Door>(desk, &door)?;
            let (delivered, facts) = proof::judged::<Feed, DoorFacts>(desk, &door.statement)?;
            let signed = s01_intake::read_claim(&facts, &delivered.supplier).map_err(|finding| finding.why)?;
            let way = released(&judged)?;
            format!("feed `{feed}` of `{}`, delivery number {}{way}", delivered.supplier, signed.claim.sequence)
        }
    };
    Ok((origin, writer))
}

/// Who let rows out of quarantine; nothing of a delivery.
fn released(judged: &serde_json::Value) -> Result<String, String> {
    let Some(released) = judged.get("released") else { return Ok(String::new()) };
    let released: s01_intake::Released = serde_json::from_value(released.clone()).map_err(|error| error.to_string())?;
    Ok(format!(", out of quarantine: proposed by {}, signed by {}", released.proposed_by, released.approved_by))
}

/// Rows of a version of a table, by key.
struct Rows {
    frames: Vec<Frame>,
    /// Key to frame and row; of rows with one key the last.
    places: BTreeMap<Vec<String>, (usize, usize)>,
    time: bool,
}

impl Rows {
    /// Of the customers the delivery of that version, which is the whole; of a feed all rows up to it.
    fn of(desk: &Desk, name: &str, table: &Table, version: u64) -> Result<Self, PipelineError> {
        let last = table.latest().map_err(|error| PipelineError::broken(error.to_string()))?;
        if version > last {
            return Err(PipelineError::wrong(
                format!("table `{name}` has no version {version}"),
                format!("the newest is {last}; list them with `stayward source log`"),
            ));
        }
        let batches = match (name == CUSTOMERS, version) {
            // Version 0 made the table, and has no rows.
            (true, 0) => Ok(Vec::new()),
            (true, version) => table.read_appended(version),
            (false, version) => table.read(Some(version)),
        };
        let mut frames = Vec::new();
        for batch in batches.map_err(|error| PipelineError::broken(error.to_string()))? {
            frames.push(tabular::bridge::to_frame(&batch).map_err(PipelineError::internal)?);
        }
        let keys = keys(desk, name);
        let mut places = BTreeMap::new();
        for (at, frame) in frames.iter().enumerate() {
            let columns: Vec<Option<&Column>> = keys.iter().map(|key| frame.column(key)).collect();
            for row in 0..frame.rows() {
                let text = |column: &Option<&Column>| column.and_then(|column| data::text_of(column, row)).unwrap_or_default();
                places.insert(columns.iter().map(text).collect::<Vec<String>>(), (at, row));
            }
        }
        Ok(Self { frames, places, time: name == CUSTOMERS && keys.len() > 1 })
    }

    fn value(&self, key: &Vec<String>, column: &str) -> Option<String> {
        let (frame, row) = self.places.get(key)?;
        data::text_of(self.frames.get(*frame)?.column(column)?, *row)
    }

    /// What differs in a row that both have.
    fn changes(&self, later: &Self, key: &Vec<String>) -> Vec<Change> {
        let names: std::collections::BTreeSet<&String> =
            self.frames.iter().chain(&later.frames).flat_map(|frame| frame.names()).collect();
        let change = |column: &String| {
            let (before, after) = (self.value(key, column), later.value(key, column));
            (before != after).then(|| Change { column: column.clone(), before, after })
        };
        names.into_iter().filter_map(change).collect()
    }
}

/// Columns that tell rows of a table apart.
fn keys(desk: &Desk, name: &str) -> Vec<String> {
    let feed = desk.project.policy.feeds.iter().find(|feed| feed.name == name);
    let own = match feed {
        None => None,
        Some(feed) if feed.kind == FeedKind::Rows => crate::validate::feed_contract(&desk.project, name).ok(),
        Some(_) => return s01::COLUMNS.iter().take(3).map(|column| (*column).to_owned()).collect(),
    };
    let contract = own.as_ref().unwrap_or(&desk.project.contract);
    let id = contract.of_role(Role::Id).map_or_else(|| data::ROW_ID.to_owned(), |rule| rule.name.clone());
    std::iter::once(id).chain(contract.of_role(Role::Time).map(|rule| rule.name.clone())).collect()
}

/// A customer's key as people read it: the moment as a date.
fn shown(key: &[String]) -> String {
    let moment = key.get(1).and_then(|moment| moment.parse::<i64>().ok()).map(rfc3339);
    match (key.first(), moment) {
        (Some(id), Some(moment)) => format!("{id}{KEY_JOINT}{moment}"),
        _ => key.join(KEY_JOINT),
    }
}

/// Labels of a customer in force, each with the version since which it says so.
async fn labels(desk: &Desk, customer: &str) -> Result<Vec<BlamedLabel>, PipelineError> {
    let mut versions = desk.control.label_versions().await.map_err(PipelineError::internal)?;
    versions.sort_by_key(|version| version.version);
    let mut known: BTreeMap<i64, BlamedLabel> = BTreeMap::new();
    for version in &versions {
        let bytes = desk.objects.get(&version.what.content)?;
        let receipt: Receipt = serde_json::from_value(version.what.receipt.clone()).map_err(PipelineError::internal)?;
        let proved = decided(desk, (version.version, version.what.content), &receipt).await;
        let mut now = BTreeMap::new();
        for ((_, moment), churned) in parse_labels(&bytes).labels.into_iter().filter(|((id, _), _)| id == customer) {
            let label = match known.remove(&moment).filter(|known| known.churned == churned) {
                Some(same) => same,
                None => BlamedLabel {
                    moment: (moment != 0).then(|| rfc3339(moment)),
                    churned,
                    version: version.version,
                    author: proved.as_ref().map_or_else(|_| version.what.author.clone(), |(set, _)| set.author.clone()),
                    signed: proved.as_ref().map_or_else(|_| Vec::new(), |(_, signed)| signed.clone()),
                    evidence: receipt.id.clone(),
                    unproved: proved.as_ref().err().cloned(),
                },
            };
            now.insert(moment, label);
        }
        known = now;
    }
    Ok(known.into_values().collect())
}

/// A label version as the log cleared it, and who signed it.
async fn decided(desk: &Desk, (version, content): (u64, Digest), receipt: &Receipt) -> Result<(LabelSet, Vec<String>), String> {
    let set = proof::cleared::<Labels>(desk, receipt)?;
    if set.version != version || set.content != content {
        return Err(format!("its evidence {} is of version {}, and of other labels", receipt.id, set.version));
    }
    let mut signed = Vec::new();
    for booked in desk.control.approvals(&set.content).await.map_err(|error| error.to_string())? {
        let (_, deed) = desk.proved_deed(&booked.what.evidence, DeedKind::Approval, set.content)?;
        signed.push(deed.person);
    }
    Ok((set, signed))
}

/// For each feed: the accepted row that a customer's feature is taken from, and its delivery.
fn features(desk: &Desk, customers: &Rows, key: Option<&Vec<String>>) -> Result<Vec<BlamedFeature>, PipelineError> {
    let mut out = Vec::new();
    let Some(key) = key else { return Ok(out) };
    let moment = key.get(1).filter(|_| customers.time).and_then(|moment| moment.parse::<i64>().ok());
    let week = moment.map_or(u32::MAX, |at| u32::try_from(at.div_euclid(data::WEEK_SECONDS)).unwrap_or(0));
    for feed in desk.project.policy.feeds.iter().filter(|feed| desk.project.path("source").join(&feed.name).is_dir()) {
        if feed.kind == FeedKind::Rows {
            out.extend(of_rows(desk, feed, key, moment)?);
            continue;
        }
        let Some(region) = customers.value(key, &feed.join) else { continue };
        let table = open(desk, &feed.name)?;
        let mut best: Option<(u32, f64, String, CommitInfo)> = None;
        for commit in written(&table)? {
            for batch in table.read_appended(commit.version).map_err(|error| PipelineError::broken(error.to_string()))? {
                for row in s01::rows_of(&batch)?.into_iter().filter(|row| row.region == region && row.week <= week) {
                    let newer = best
                        .as_ref()
                        .is_none_or(|(week, price, ..)| row.week > *week || (row.week == *week && row.price < *price));
                    if newer {
                        let words = format!("week {}, {}, {}", row.week, row.region, row.competitor);
                        best = Some((row.week, row.price, words, commit.clone()));
                    }
                }
            }
        }
        if let Some((_, value, row, commit)) = best {
            let (feature, version) = (feed.feature.clone(), told(desk, &feed.name, &commit));
            out.push(BlamedFeature { feature, value: Some(value.to_string()), row, version });
        }
    }
    Ok(out)
}

/// A column and its value.
type Named = (String, Option<String>);

/// The accepted row of a feed of rows that a customer's features are taken from: the latest, not after the customer's own moment.
fn of_rows(desk: &Desk, feed: &FeedPolicy, key: &[String], moment: Option<i64>) -> Result<Vec<BlamedFeature>, PipelineError> {
    let Some(customer) = key.first() else { return Ok(Vec::new()) };
    let table = open(desk, &feed.name)?;
    let contract = crate::validate::feed_contract(&desk.project, &feed.name)?;
    let mut best: Option<(i64, Vec<Named>, CommitInfo)> = None;
    for commit in written(&table)? {
        let batches = table.read_appended(commit.version).map_err(|error| PipelineError::broken(error.to_string()))?;
        let rows = data::typed(&contract, &batches)?;
        for row in (0..rows.rows()).filter(|row| rows.ids.get(*row) == Some(customer)) {
            let at = rows.time.as_ref().and_then(|all| all.get(row).copied().flatten()).unwrap_or(i64::MIN);
            if at <= moment.unwrap_or(i64::MAX) && best.as_ref().is_none_or(|(known, ..)| at >= *known) {
                let values = rows.frame.iter().map(|(name, column)| (name.to_owned(), data::text_of(column, row)));
                best = Some((at, values.collect(), commit.clone()));
            }
        }
    }
    let Some((at, values, commit)) = best else { return Ok(Vec::new()) };
    let row = if at == i64::MIN { customer.clone() } else { format!("{customer}{KEY_JOINT}{}", rfc3339(at)) };
    let wanted = |name: &String| feed.features.is_empty() || feed.features.contains(name);
    let feature = |(feature, value)| BlamedFeature { feature, value, row: row.clone(), version: told(desk, &feed.name, &commit) };
    Ok(values.into_iter().filter(|(name, _)| wanted(name)).map(feature).collect())
}
