//! s02: the internal customer data comes in by the connector, row by row under the contract, and is appended as a new version.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use arrow_array::RecordBatch;
use artifact::{Append, Origin};
use frame::{Categories, Column};
use gate::{Digest, Receipt};
use s02_source::Facts;
use s02_source::database::DatabaseFacts;
use serde_json::json;
use store::table::{CommitInfo, Table};
use tabular::TypedTable;

use super::state::{Pointer, Settled};
use super::{Rows, Run};
use crate::desk::Desk;
use crate::evidence::{Artefact, Links, proof};
use crate::internal::{self, Customers};
use crate::policy::{FeedKind, FeedPolicy};
use crate::{PipelineError, crash, data};

/// The table of customers.
pub(crate) const CUSTOMERS: &str = "customers";

impl Run<'_> {
    pub(crate) async fn source(&mut self) -> Result<Settled, PipelineError> {
        let project = &self.desk.project;
        self.progress.begin("s02-source", CUSTOMERS);
        let began = Instant::now();
        let (loaded, database) = match internal::customers(self.desk).await? {
            Customers::Came(loaded, database) => (loaded, database),
            Customers::Unread(facts) => return Err(self.unread(facts, began).await),
        };
        let content = Digest::of(&loaded.bytes);
        let mut typed = data::typed(&data::customers_contract(project), &loaded.batches)?;
        if let Some(id) = project.contract.of_role(tabular::contract::Role::Id) {
            typed.mark_ids_twice(&id.name);
        }
        data::fill_ids(&mut typed);
        check_table(&typed)?;
        let clean = typed.clean_rows();
        let came = u64::try_from(typed.rows()).unwrap_or(0) + loaded.broken_count;
        let went = u64::try_from(clean.len()).unwrap_or(0);
        self.check_share(came, came - went, &typed, &loaded.broken)?;
        self.desk.objects.put(&loaded.bytes)?;
        let receipt = match self.present(content)? {
            Some(receipt) => {
                self.unchanged("s02-source", CUSTOMERS, "the customers are as they were", &receipt).await?;
                receipt
            }
            None => self.write_customers((content, database), &typed.take(&clean), (came, went), began).await?,
        };
        self.settle(content, receipt).await
    }

    /// The receipt under which these bytes are in the table already.
    fn present(&self, content: Digest) -> Result<Option<Receipt>, PipelineError> {
        let dir = self.desk.project.path("source").join(CUSTOMERS);
        if !dir.is_dir() {
            return Ok(None);
        }
        let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
        let table = Table::open(&dir).map_err(broken)?;
        let last = table.history().map_err(broken)?.into_iter().next_back();
        let Some(last) = last.filter(|commit| commit.content == Some(content)) else { return Ok(None) };
        proved_commit(self.desk, (CUSTOMERS, &table), &last).map(Some)
    }

    async fn write_customers(
        &mut self,
        (content, database): (Digest, Option<DatabaseFacts>),
        typed: &TypedTable,
        (came, went): (u64, u64),
        began: Instant,
    ) -> Result<Receipt, PipelineError> {
        let stored = data::stored_contract(&self.desk.project.contract);
        let batches = [tabular::bridge::of_table(typed, &stored).map_err(PipelineError::internal)?];
        let append = Append {
            table: CUSTOMERS.to_owned(),
            content,
            rows: went,
            values: data::rows_digest(&batches)?,
            columns: data::stored_columns(&self.desk.project.contract),
            origin: self.internal_origin(),
            writer: "source-writer".to_owned(),
        };
        let facts = self.source_facts(CUSTOMERS, data::stored_columns(&self.desk.project.contract), None)?;
        let facts = Facts { database, ..facts };
        let links = Links { parents: Vec::new(), artefacts: vec![Artefact::object("delivery", content)] };
        let rows = Rows { came, went, held: came - went, began: Some(began), ..Rows::default() };
        let passed = self.pass(&self.houses.source, CUSTOMERS, (append, &facts), links, rows).await?;
        crash::point("customers:logged");
        self.append_table(&passed.cleared, &batches)?;
        crash::point("customers:appended");
        Ok(passed.cleared.receipt().clone())
    }

    fn internal_origin(&self) -> Origin {
        Origin::Internal { connector: self.desk.project.policy.source.connector.name().to_owned() }
    }

    /// Writes down the refusal of rows that were not even read, for the role could do more than read them; answers why.
    async fn unread(&mut self, database: DatabaseFacts, began: Instant) -> PipelineError {
        let columns = data::stored_columns(&self.desk.project.contract);
        let (content, values) = (Digest::of(&[]), Digest::of(&[]));
        let (table, writer) = (CUSTOMERS.to_owned(), "source-writer".to_owned());
        let append = Append { table, content, rows: 0, values, columns: columns.clone(), origin: self.internal_origin(), writer };
        let facts = match self.source_facts(CUSTOMERS, columns, None) {
            Ok(facts) => Facts { database: Some(database), ..facts },
            Err(error) => return error,
        };
        let rows = Rows { began: Some(began), ..Rows::default() };
        match self.pass(&self.houses.source, CUSTOMERS, (append, &facts), Links::default(), rows).await {
            Ok(_) => PipelineError::Internal("rows that were not read were let in".into()),
            Err(error) => error,
        }
    }

    /// Writes down which version of which table is the data source now.
    async fn settle(&mut self, content: Digest, customers: Receipt) -> Result<Settled, PipelineError> {
        self.unshortened().await?;
        let mut tables = BTreeMap::new();
        let mut cleared = vec![customers];
        let names =
            std::iter::once(CUSTOMERS.to_owned()).chain(self.desk.project.policy.feeds.iter().map(|feed| feed.name.clone()));
        let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
        for name in names {
            let dir = self.desk.project.path("source").join(&name);
            if !dir.is_dir() {
                let help = format!("put a signed delivery into the inbox of feed `{name}`, then run again");
                return Err(PipelineError::wrong(format!("feed `{name}` has no accepted delivery yet"), help));
            }
            let table = Table::open(&dir).map_err(broken)?;
            let version = table.latest().map_err(broken)?;
            // The customers' newest write was proved when it was found, or was made in this run.
            if name != CUSTOMERS {
                cleared.extend(proved_commits(self.desk, &name, &table, version)?);
            }
            tables.insert(name, (version, table.version_digest(version).map_err(broken)?));
        }
        let digest = Digest::of_json(&tables);
        if let Some(known) = self.desk.pointer(Settled::NAME).await? {
            let known: Settled = serde_json::from_value(known).map_err(PipelineError::internal)?;
            if known.digest == digest && known.content == content {
                return Ok(known);
            }
        }
        let artefacts = tables
            .iter()
            .map(|(name, (version, digest))| Artefact {
                role: "table".into(),
                path: format!("source/{name}@{version}"),
                digest: *digest,
            })
            .collect();
        let links = Links { parents: cleared.clone(), artefacts };
        let parameters = json!({ "tables": tables.keys().collect::<Vec<_>>() });
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        let receipt = self.desk.record_made(("source", "data source", digest), parameters, &links, &self.id, self.started)?;
        crash::point("source:recorded");
        let settled = Settled { tables, digest, receipt, cleared, content };
        self.leave(&settled).await?;
        Ok(settled)
    }

    /// What was settled before must still stand in every table: a history that was cut or rewritten is not built upon.
    async fn unshortened(&self) -> Result<(), PipelineError> {
        let Some(known) = self.desk.pointer(Settled::NAME).await? else { return Ok(()) };
        let known: Settled = serde_json::from_value(known).map_err(PipelineError::internal)?;
        for (name, (version, digest)) in &known.tables {
            let broken =
                |why: String| PipelineError::broken(format!("table `{name}` no longer has its version {version}: {why}"));
            let table = Table::open(&self.desk.project.path("source").join(name)).map_err(|error| broken(error.to_string()))?;
            let found = table.version_digest(*version).map_err(|error| broken(error.to_string()))?;
            if found != *digest {
                return Err(broken(format!("it is {}, settled was {}", found.short(), digest.short())));
            }
        }
        Ok(())
    }

    fn check_share(&self, came: u64, held: u64, typed: &TypedTable, broken: &[String]) -> Result<(), PipelineError> {
        #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
        let share = held as f64 / came.max(1) as f64;
        if share <= self.desk.project.policy.content.contract_share_max {
            return Ok(());
        }
        let first = typed
            .violations
            .first()
            .map(|found| format!("row {}: `{}` in `{}`", found.row.unwrap_or(0) + 1, found.seen, found.column));
        let first = first.or_else(|| broken.first().cloned()).unwrap_or_default();
        let why = format!("`{held}` of `{came}` rows break contract.toml, for instance {first}");
        Err(PipelineError::wrong(
            why,
            "mend the file, or widen the rule in contract.toml; `stayward validate FILE` lists every row",
        ))
    }

    /// The data source as typed customers, at the version that was settled.
    pub(crate) fn customers(&self, source: &Settled) -> Result<TypedTable, PipelineError> {
        read_customers(&self.desk.project, source)
    }
}

/// Receipts of the writes that a table's content at a version comes from: of a feed's table all, of the customers' the newest, for a
/// delivery is the whole of the customers. Each must be the clearance of exactly this write by s02: one that somebody wrote past the
/// gate has none, or one of other bytes.
fn proved_commits(desk: &Desk, name: &str, table: &Table, version: u64) -> Result<Vec<Receipt>, PipelineError> {
    let history = table.history().map_err(|error| PipelineError::broken(error.to_string()))?;
    let written = history.iter().filter(|commit| commit.version <= version && commit.data.is_some());
    let first = if name == CUSTOMERS { written.clone().count().saturating_sub(1) } else { 0 };
    written.skip(first).map(|commit| proved_commit(desk, (name, table), commit)).collect()
}

/// The clearance of one version: of this table, these bytes of a delivery, and exactly the rows that stand there now.
pub(crate) fn proved_commit(desk: &Desk, (name, table): (&str, &Table), commit: &CommitInfo) -> Result<Receipt, PipelineError> {
    let broken = |why: String| PipelineError::broken(format!("version {} of table `{name}`: {why}", commit.version));
    let id = commit.receipt.as_deref().ok_or_else(|| broken("it names no evidence".to_owned()))?;
    let (receipt, append) = proof::cleared_by_id::<artifact::Source>(desk, id).map_err(broken)?;
    if append.table != name || Some(append.content) != commit.content || append.rows != commit.rows {
        return Err(broken(format!("its evidence {id} let other rows in")));
    }
    let rows = table.read_appended(commit.version).map_err(|error| PipelineError::broken(error.to_string()))?;
    if data::rows_digest(&rows)? != append.values {
        return Err(broken(format!("its rows are not those that evidence {id} let in")));
    }
    Ok(receipt)
}

/// Whether every row of the settled tables came through s02, as the log and the tables say together.
pub(crate) fn source_proved(desk: &Desk, source: &Settled) -> Result<(), PipelineError> {
    let wanted: BTreeSet<&str> =
        std::iter::once(CUSTOMERS).chain(desk.project.policy.feeds.iter().map(|feed| feed.name.as_str())).collect();
    if !source.tables.keys().map(String::as_str).eq(wanted) || source.digest != Digest::of_json(&source.tables) {
        return Err(PipelineError::broken("the settled data source is not the project's"));
    }
    for (name, (version, digest)) in &source.tables {
        let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
        let table = Table::open(&desk.project.path("source").join(name)).map_err(broken)?;
        if table.version_digest(*version).map_err(broken)? != *digest {
            return Err(PipelineError::broken(format!("table `{name}` is not what was settled at version {version}")));
        }
        proved_commits(desk, name, &table, *version)?;
    }
    Ok(())
}

/// The customers' table at a settled version, with the features that feeds add.
pub(crate) fn read_customers(project: &crate::Project, source: &Settled) -> Result<TypedTable, PipelineError> {
    let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
    let open = |name: &str| -> Result<_, PipelineError> {
        let Some((version, digest)) = source.tables.get(name) else {
            return Err(PipelineError::broken(format!("the data source has no table `{name}`")));
        };
        let table = Table::open(&project.path("source").join(name)).map_err(broken)?;
        if table.version_digest(*version).map_err(broken)? != *digest {
            return Err(PipelineError::broken(format!("table `{name}` is not what was settled at version {version}")));
        }
        Ok((table, *version))
    };
    let (table, version) = open(CUSTOMERS)?;
    // A delivery is the whole of the customers: the newest append stands for all.
    let batches = table.read_appended(version).map_err(broken)?;
    let mut typed = data::typed(&data::stored_contract(&project.contract), &batches)?;
    for feed in &project.policy.feeds {
        let (table, version) = open(&feed.name)?;
        let batches = table.read(Some(version)).map_err(broken)?;
        if feed.kind == FeedKind::Rows {
            join_rows(project, feed, &mut typed, &batches)?;
            continue;
        }
        let mut rows = Vec::new();
        for batch in batches {
            rows.extend(crate::gather::s01::rows_of(&batch)?);
        }
        data::join(&mut typed, &feed.join, &feed.feature, &super::feeds::lowest_prices(&rows))?;
        typed.third_party.push(feed.feature.clone());
    }
    Ok(typed)
}

/// Gives customers the features of a feed of rows: from the latest accepted row of each, not later than the customer's own moment.
fn join_rows(
    project: &crate::Project,
    feed: &FeedPolicy,
    customers: &mut TypedTable,
    batches: &[RecordBatch],
) -> Result<(), PipelineError> {
    let contract = crate::validate::feed_contract(project, &feed.name)?;
    let rows = data::typed(&contract, batches)?;
    let moment = |table: &TypedTable, row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten());
    // Later rows of one moment replace earlier ones.
    let mut latest: BTreeMap<&str, BTreeMap<i64, usize>> = BTreeMap::new();
    for (row, id) in rows.ids.iter().enumerate() {
        latest.entry(id).or_default().insert(moment(&rows, row).unwrap_or(i64::MIN), row);
    }
    let id = project.contract.of_role(tabular::contract::Role::Id).map_or(data::ROW_ID, |rule| rule.name.as_str());
    if feed.join != id && customers.frame.column(&feed.join).is_none() {
        return Err(PipelineError::wrong(
            format!("customers have no column `{}` to join feed `{}` by", feed.join, feed.name),
            "name the shared column under `feeds.join` in stayward.toml",
        ));
    }
    if let Some(unknown) = feed.features.iter().find(|name| rows.frame.column(name).is_none()) {
        return Err(PipelineError::wrong(
            format!("feed `{}` has no feature `{unknown}`", feed.name),
            "name columns of the feed's contract under `feeds.features` in stayward.toml",
        ));
    }
    let key: Vec<Option<String>> = match customers.frame.column(&feed.join) {
        Some(column) => (0..customers.rows()).map(|row| data::text_of(column, row)).collect(),
        None => customers.ids.iter().cloned().map(Some).collect(),
    };
    let found: Vec<Option<usize>> = (0..customers.rows())
        .map(|row| {
            let known = latest.get(key.get(row)?.as_deref()?)?;
            known.range(..=moment(customers, row).unwrap_or(i64::MAX)).next_back().map(|(_, row)| *row)
        })
        .collect();
    for (name, column) in
        rows.frame.iter().filter(|(name, _)| feed.features.is_empty() || feed.features.iter().any(|one| one == name))
    {
        let joined = match column {
            Column::Number(values) => {
                Column::Number(found.iter().map(|row| row.and_then(|row| values.get(row).copied()).unwrap_or(f64::NAN)).collect())
            }
            Column::Category(levels) => {
                let texts: Vec<Option<&str>> = found.iter().map(|row| row.and_then(|row| levels.text(row))).collect();
                Column::Category(Categories::from_texts(texts))
            }
        };
        customers.frame.push(name, joined).map_err(|_| {
            PipelineError::wrong(
                format!("feed `{}` and the customers both have a column `{name}`", feed.name),
                "name the feed's columns that are wanted under `feeds.features` in stayward.toml",
            )
        })?;
        customers.third_party.push(name.to_owned());
    }
    Ok(())
}

fn check_table(typed: &TypedTable) -> Result<(), PipelineError> {
    let Some(first) = typed.violations.iter().find(|found| found.row.is_none()) else { return Ok(()) };
    let why = format!("the file as a whole breaks contract.toml: {}", data::in_words(first));
    Err(PipelineError::wrong(why, "mend the file, or change contract.toml"))
}
