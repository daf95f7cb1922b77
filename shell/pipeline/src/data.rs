//! Reads files into typed tables, tables into frames, frames into what the model is trained on.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampSecondArray,
};
use frame::{Column, Frame};
use gate::Digest;
use tabular::contract::{ColumnRule, Kind, Role};
use tabular::csv::Options;
use tabular::typed::{Rule, Violation};
use tabular::{Contract, Decimal, TypedTable};

use crate::PipelineError;

/// Largest file of internal data.
const DATA_BYTES_MAX: u64 = 4 << 30;
/// Name of the column that names rows where the contract has no id.
pub(crate) const ROW_ID: &str = "stayward_row";

/// A file as record batches of text or typed columns.
pub struct Loaded {
    /// The bytes, as they were hashed.
    pub bytes: Vec<u8>,
    /// Records.
    pub batches: Vec<RecordBatch>,
    /// Records that could not be read, for people.
    pub broken: Vec<String>,
    /// How many of them.
    pub broken_count: u64,
    /// How fractions are written.
    pub decimal: Decimal,
    /// The line at which each record starts; empty for Parquet.
    pub lines: Vec<u64>,
}

/// Reads CSV (any sane dialect, plain or gz) or Parquet.
pub fn load(path: &Path) -> Result<Loaded, PipelineError> {
    let bytes = store::disk::read_limited(path, DATA_BYTES_MAX)
        .map_err(|error| PipelineError::wrong(error.to_string(), "check the path; CSV (plain or gz) and Parquet are read"))?;
    load_bytes(bytes, &path.display().to_string())
}

/// The same, from memory. `name` is for messages.
pub fn load_bytes(bytes: Vec<u8>, name: &str) -> Result<Loaded, PipelineError> {
    if bytes.starts_with(b"PAR1") {
        let batches = store::parquet_in::read_parquet(bytes.clone(), &store::parquet_in::ParquetLimits::USER)
            .map_err(|error| unreadable(name, &error.to_string()))?;
        return Ok(Loaded { bytes, batches, broken: Vec::new(), broken_count: 0, decimal: Decimal::Point, lines: Vec::new() });
    }
    load_csv(bytes, name, &Options::default())
}

/// CSV of a form that is known, as far as `options` say it.
pub(crate) fn load_csv(bytes: Vec<u8>, name: &str, options: &Options) -> Result<Loaded, PipelineError> {
    let table = tabular::csv::read(&bytes, options).map_err(|error| unreadable(name, &error.to_string()))?;
    let broken = table.errors.iter().take(20).map(ToString::to_string).collect();
    let (broken_count, decimal, batches, lines) = (table.errors_count, table.dialect.decimal, table.batches, table.lines);
    Ok(Loaded { bytes, batches, broken, broken_count, decimal, lines })
}

fn unreadable(name: &str, why: &str) -> PipelineError {
    PipelineError::wrong(format!("`{name}` cannot be read: {why}"), "give a CSV (plain or gz) or Parquet file")
}

/// Types a file's records by a contract.
pub fn typed(contract: &Contract, batches: &[RecordBatch]) -> Result<TypedTable, PipelineError> {
    tabular::typed::read(contract, batches)
        .map_err(|error| PipelineError::wrong(error.to_string(), "mend the file, or contract.toml"))
}

/// The contract of the stored table: what the model may read and what finds a customer, without the label.
pub fn stored_contract(contract: &Contract) -> Contract {
    let mut out = contract.clone();
    out.label = None;
    for column in &mut out.columns {
        if column.role == Role::Label {
            column.role = Role::Ignore;
        }
    }
    if out.of_role(Role::Id).is_none() {
        out.columns.insert(0, row_id());
    }
    out
}

/// The column that names rows where the contract has no id: `row-N`, the place in the delivery.
fn row_id() -> ColumnRule {
    ColumnRule::new(ROW_ID, Role::Id, Kind::Text)
}

/// The contract of the customers' file: without the label where labels have a file of their own.
pub fn customers_contract(project: &crate::Project) -> Contract {
    let mut out = project.contract.clone();
    if !project.policy.source.labels.is_empty() {
        out.label = None;
        out.columns.retain(|column| column.role != Role::Label);
    }
    out
}

/// Names of the columns of the stored table.
pub fn stored_columns(contract: &Contract) -> Vec<String> {
    stored_contract(contract).columns.into_iter().filter(|rule| rule.role != Role::Ignore).map(|rule| rule.name).collect()
}

/// Places of each customer's latest row, rising; every row where the table names no customers.
pub fn latest_places(table: &TypedTable) -> Vec<usize> {
    let mut places: Vec<usize> = latest_rows(table).into_values().collect();
    places.extend((0..table.rows()).filter(|row| table.ids.get(*row).is_none_or(String::is_empty)));
    places.sort_unstable();
    places
}

/// Row of the latest moment of each customer, by id; a later row of the same moment wins.
pub fn latest_rows(table: &TypedTable) -> BTreeMap<String, usize> {
    let moment = |row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten()).unwrap_or(i64::MIN);
    let mut latest: BTreeMap<String, usize> = BTreeMap::new();
    for (row, id) in table.ids.iter().enumerate().filter(|(_, id)| !id.is_empty()) {
        match latest.get(id) {
            Some(known) if moment(*known) > moment(row) => {}
            _ => {
                latest.insert(id.clone(), row);
            }
        }
    }
    latest
}

/// Digest of rows, value by value and column by column: the same for the same values, however they are dealt into batches.
pub fn rows_digest(batches: &[RecordBatch]) -> Result<Digest, PipelineError> {
    let Some(first) = batches.first() else { return Ok(Digest::of(&[])) };
    let mut columns = Vec::new();
    for (at, field) in first.schema_ref().fields().iter().enumerate() {
        let mut bytes = Vec::new();
        for batch in batches {
            let column = batch.columns().get(at).ok_or_else(|| PipelineError::Internal("batches differ in columns".into()))?;
            put_values(column, &mut bytes).ok_or_else(|| {
                PipelineError::Internal(format!("column `{}` of type {} has no digest", field.name(), field.data_type()))
            })?;
        }
        columns.push((field.name().clone(), field.data_type().to_string(), Digest::of(&bytes)));
    }
    Ok(Digest::of_json(&columns))
}

/// Each value as a mark (0 missing, 1 present) and its bytes, texts behind their length; none for a type that we do not store.
fn put_values(column: &ArrayRef, out: &mut Vec<u8>) -> Option<()> {
    macro_rules! fixed {
        ($kind:ty) => {
            if let Some(values) = column.as_any().downcast_ref::<$kind>() {
                for value in values.iter() {
                    out.push(u8::from(value.is_some()));
                    out.extend(value.map(|value| value.to_le_bytes()).unwrap_or_default());
                }
                return Some(());
            }
        };
    }
    fixed!(Float64Array);
    fixed!(Int64Array);
    fixed!(TimestampSecondArray);
    fixed!(TimestampMillisecondArray);
    fixed!(TimestampMicrosecondArray);
    if let Some(values) = column.as_any().downcast_ref::<BooleanArray>() {
        out.extend(values.iter().map(|value| value.map_or(0, |value| 1 + u8::from(value))));
        return Some(());
    }
    let values = column.as_any().downcast_ref::<StringArray>()?;
    for value in values.iter() {
        out.push(u8::from(value.is_some()));
        let text = value.unwrap_or_default();
        out.extend(u64::try_from(text.len()).ok()?.to_le_bytes());
        out.extend(text.as_bytes());
    }
    Some(())
}

/// Ids of rows: the contract's id, or `row-N` where there is none.
pub fn fill_ids(table: &mut TypedTable) {
    for (row, id) in table.ids.iter_mut().enumerate().filter(|(_, id)| id.is_empty()) {
        *id = format!("row-{}", row + 1);
    }
}

/// A broken rule of the contract as a sentence.
pub(crate) fn in_words(found: &Violation) -> String {
    let Violation { column, seen, .. } = found;
    match found.rule {
        Rule::ColumnMissing => format!("column `{column}` is missing"),
        Rule::ColumnExtra => format!("column `{column}` is not in the contract"),
        Rule::ColumnRenamed => format!("column `{column}` is missing; the file has `{seen}` instead"),
        Rule::Type => format!("`{seen}` in column `{column}` is of another kind"),
        Rule::Whole => format!("`{seen}` in column `{column}` is no whole number"),
        Rule::Range => format!("`{seen}` in column `{column}` is outside of its range"),
        Rule::Level => format!("`{seen}` in column `{column}` is no level of the contract"),
        Rule::Missing => format!("a value of column `{column}` is missing"),
        Rule::MissingShare => format!("too many values of column `{column}` are missing: `{seen}`"),
        Rule::LabelRate => format!("the share of positive labels in column `{column}` is outside of its range: `{seen}`"),
        Rule::Duplicate => "a row equals an earlier one".to_owned(),
        Rule::IdTwice => format!("`{seen}` in column `{column}` names two different rows of one moment"),
        Rule::ForeignMark => format!("a value of column `{column}` holds the mark of an unsettled merge, or a control character"),
    }
}

/// Values of a feed by key and week (weeks since 1970).
pub type ByWeek = BTreeMap<String, BTreeMap<u32, f64>>;

pub(crate) const WEEK_SECONDS: i64 = 7 * 86_400;

/// Adds a number column to a table: the value of each row's key as it was known at the row's moment (the newest where the table
/// has no time), `NaN` where nothing was known.
pub fn join(table: &mut TypedTable, key: &str, feature: &str, values: &ByWeek) -> Result<(), PipelineError> {
    let frame = &table.frame;
    let column = frame.column(key).ok_or_else(|| {
        PipelineError::wrong(
            format!("customers have no column `{key}` to join the feed by"),
            "name the shared column under `feeds.join` in stayward.toml",
        )
    })?;
    let week = |row: usize| {
        let moment = table.time.as_ref().and_then(|all| all.get(row).copied().flatten());
        moment.map_or(u32::MAX, |at| u32::try_from(at.div_euclid(WEEK_SECONDS)).unwrap_or(0))
    };
    let known = |row: usize| {
        let weeks = values.get(&text_of(column, row)?)?;
        weeks.range(..=week(row)).next_back().map(|(_, value)| *value)
    };
    let joined: Vec<f64> = (0..frame.rows()).map(|row| known(row).unwrap_or(f64::NAN)).collect();
    table.frame.push(feature, Column::Number(joined)).map_err(PipelineError::internal)
}

/// The text of a frame's value, as it goes to input validation and the model; `None` is missing. Numbers are written in the
/// shortest form that reads back to the same bits.
pub fn text_of(column: &Column, row: usize) -> Option<String> {
    match column {
        Column::Number(values) => values.get(row).filter(|value| !value.is_nan()).map(ToString::to_string),
        Column::Category(levels) => levels.text(row).map(str::to_owned),
    }
}

/// The text of all values of a row, by column.
pub fn row_texts(frame: &Frame, row: usize) -> BTreeMap<String, Option<String>> {
    frame.iter().map(|(name, column)| (name.to_owned(), text_of(column, row))).collect()
}

/// Number columns with more than ten different values, in order.
pub fn broad_numbers(frame: &Frame, most: usize) -> Vec<String> {
    let broad = |column: &Column| match column {
        Column::Category(_) => false,
        Column::Number(values) => {
            let distinct: std::collections::BTreeSet<u64> =
                values.iter().filter(|value| value.is_finite()).map(|value| value.to_bits()).take(50_000).collect();
            distinct.len() > 10
        }
    };
    frame.iter().filter(|(_, column)| broad(column)).map(|(name, _)| name.to_owned()).take(most).collect()
}
