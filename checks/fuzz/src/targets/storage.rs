//! Parquet files that people bring, and the versioned table on our own disk after somebody wrote in it (T1, T6).

use std::path::Path;
use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use gate::Digest;
use store::parquet_in::{ParquetLimits, read_parquet};
use store::table::{AppendInfo, Table};

use super::{Target, told};

const ROWS: i64 = 40;
/// Smaller than the program's own, so that a small input reaches them.
const LIMITS: ParquetLimits = ParquetLimits {
    bytes_max: 1 << 20,
    unpacked_bytes_max: 16 << 20,
    decoded_bytes_max: 16 << 20,
    rows_max: 10_000,
    columns_max: 16,
    cells_max: 100_000,
};
const COMMIT: &str = "_delta_log/00000000000000000001.json";

fn words<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

/// A table of one append, made anew.
fn made(folder: &Path) -> Result<Table, String> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(words)?;
    }
    let schema = Schema::new(vec![
        Field::new("customer", DataType::Utf8, false),
        Field::new("charges", DataType::Float64, true),
        Field::new("calls", DataType::Int64, true),
        Field::new("churned", DataType::Boolean, true),
    ]);
    let numbers = || 0..ROWS;
    let batch = RecordBatch::try_new(
        Arc::new(schema.clone()),
        vec![
            Arc::new(numbers().map(|number| Some(format!("c{number:06}"))).collect::<StringArray>()),
            Arc::new(numbers().map(|number| (number % 7 != 0).then_some(number as f64 / 4.0)).collect::<Float64Array>()),
            Arc::new(numbers().map(Some).collect::<Int64Array>()),
            Arc::new(numbers().map(|number| Some(number % 3 == 0)).collect::<BooleanArray>()),
        ],
    );
    let mut table = Table::create(folder, "customers", &schema, 0).map_err(words)?;
    let info = AppendInfo { content: Digest::of(b"delivery"), receipt: "receipt-1".into(), origin: "fuzz".into(), now_ms: 1 };
    table.append(&[batch.map_err(words)?], info).map_err(words)?;
    Ok(table)
}

fn parquet_files(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(words)? {
        let path = entry.map_err(words)?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            out.push(std::fs::read(path).map_err(words)?);
        }
    }
    if out.is_empty() { Err("the table has no Parquet file".to_owned()) } else { Ok(out) }
}

pub(super) fn parquet(scratch: &Path) -> Result<Target, String> {
    made(&scratch.join("table"))?;
    let seeds = parquet_files(&scratch.join("table"))?;
    let run = |bytes: &[u8]| {
        let read = read_parquet(bytes.to_vec(), &LIMITS);
        if let Ok(batches) = &read
            && batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64 > LIMITS.rows_max
        {
            return Err("more rows than the limit".to_owned());
        }
        Ok(told(read, |batches| format!("{} batches", batches.len().min(2))))
    };
    Ok(Target { name: "parquet", seeds, words: &["PAR1", "\x15\x04"], run: Box::new(run) })
}

/// The commit of a version, rewritten on disk: the check names it, or the rows are still those that were appended.
pub(super) fn table(scratch: &Path) -> Result<Target, String> {
    let folder = scratch.join("table");
    let table = made(&folder)?;
    let rows = table.read(None).map_err(words)?;
    let path = folder.join(COMMIT);
    let commit = std::fs::read(&path).map_err(words)?;
    // Our own files are read-only; who damages them is not.
    std::fs::remove_file(&path).map_err(words)?;
    let run = move |bytes: &[u8]| {
        std::fs::write(&path, bytes).map_err(words)?;
        let found = Table::check_folder(&folder);
        let opened = Table::open(&folder).and_then(|table| table.read(None));
        if let (Ok(found), Ok(read)) = (&found, &opened)
            && found.is_empty()
            && *read != rows
        {
            return Err(format!("the check finds nothing, and {} batches are read instead of {}", read.len(), rows.len()));
        }
        Ok(format!(
            "{}; {}",
            told(found, |found| format!("{:?}", found.first().map(|one| &one.kind))),
            told(opened, |read| format!("{} batches", read.len()))
        ))
    };
    let words: &[&str] =
        &["\"add\":{", "\"remove\":{", "\"path\":\"", "\"size\":", "\"stats\":", "\"metaData\":{", "\n{\"commitInfo\":{}}"];
    Ok(Target { name: "table", seeds: vec![commit], words, run: Box::new(run) })
}
