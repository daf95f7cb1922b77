//! Reads files into typed tables, tables into frames, frames into what the model is trained on.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::RecordBatch;
use frame::{Column, Frame};
use tabular::contract::Role;
use tabular::csv::Options;
use tabular::{Contract, Decimal, TypedTable};

use crate::PipelineError;

/// Largest file of internal data.
const DATA_BYTES_MAX: u64 = 4 << 30;

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
}

/// Reads CSV (any sane dialect, plain or gz) or Parquet.
pub fn load(path: &Path) -> Result<Loaded, PipelineError> {
    let bytes = store::disk::read_limited(path, DATA_BYTES_MAX)
        .map_err(|error| PipelineError::wrong(error.to_string(), "check the path; CSV (plain or gz) and Parquet are read"))?;
    load_bytes(bytes, &path.display().to_string())
}

/// The same, from memory. `name` is for messages.
pub fn load_bytes(bytes: Vec<u8>, name: &str) -> Result<Loaded, PipelineError> {
    let unreadable = |why: String| PipelineError::wrong(format!("`{name}` cannot be read: {why}"), "give a CSV (plain or gz) or Parquet file");
    if bytes.starts_with(b"PAR1") {
        let batches = store::parquet_in::read_parquet(bytes.clone(), &store::parquet_in::ParquetLimits::USER).map_err(|error| unreadable(error.to_string()))?;
        return Ok(Loaded { bytes, batches, broken: Vec::new(), broken_count: 0, decimal: Decimal::Point });
    }
    let table = tabular::csv::read(&bytes, &Options::default()).map_err(|error| unreadable(error.to_string()))?;
    let broken = table.errors.iter().take(20).map(ToString::to_string).collect();
    let (broken_count, decimal, batches) = (table.errors_count, table.dialect.decimal, table.batches);
    Ok(Loaded { bytes, batches, broken, broken_count, decimal })
}

/// Types a file's records by a contract.
pub fn typed(contract: &Contract, batches: &[RecordBatch]) -> Result<TypedTable, PipelineError> {
    tabular::typed::read(contract, batches).map_err(|error| PipelineError::wrong(error.to_string(), "mend the file, or contract.toml"))
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
    out
}

/// Names of the columns of the stored table.
pub fn stored_columns(contract: &Contract) -> Vec<String> {
    contract.columns.iter().filter(|rule| rule.role != Role::Ignore && rule.role != Role::Label).map(|rule| rule.name.clone()).collect()
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

/// Ids of rows: the contract's id, or `row-N` where there is none.
pub fn fill_ids(table: &mut TypedTable) {
    for (row, id) in table.ids.iter_mut().enumerate().filter(|(_, id)| id.is_empty()) {
        *id = format!("row-{}", row + 1);
    }
}

/// Adds a number column to a frame: the value of each row's key, `NaN` where the key is unknown.
pub fn join(frame: &mut Frame, key: &str, feature: &str, values: &BTreeMap<String, f64>) -> Result<(), PipelineError> {
    let column = frame.column(key).ok_or_else(|| {
        PipelineError::wrong(format!("customers have no column `{key}` to join the feed by"), "name the shared column under `feeds.join` in stayward.toml")
    })?;
    let joined: Vec<f64> = match column {
        Column::Category(levels) => {
            (0..frame.rows()).map(|row| levels.text(row).and_then(|text| values.get(text)).copied().unwrap_or(f64::NAN)).collect()
        }
        Column::Number(numbers) => numbers.iter().map(|number| values.get(&number.to_string()).copied().unwrap_or(f64::NAN)).collect(),
    };
    frame.push(feature, Column::Number(joined)).map_err(PipelineError::internal)
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
            let distinct: std::collections::BTreeSet<u64> = values.iter().filter(|value| value.is_finite()).map(|value| value.to_bits()).take(50_000).collect();
            distinct.len() > 10
        }
    };
    frame.iter().filter(|(_, column)| broad(column)).map(|(name, _)| name.to_owned()).take(most).collect()
}
