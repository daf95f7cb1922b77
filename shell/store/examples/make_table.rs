//! Makes a table for other programs to read (T6): `cargo run -p store --example make_table -- DIR`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use gate::Digest;
use store::table::{AppendInfo, Table};

/// 2026-01-01 00:00:00 UTC.
const START_SECONDS: i64 = 1_767_225_600;
const APPENDS: [(i64, i64); 3] = [(0, 5), (5, 1), (6, 200_000)];

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("customer", DataType::Utf8, false),
        Field::new("Monthly Charges (EUR)", DataType::Float64, true),
        Field::new("calls", DataType::Int64, true),
        Field::new("churned", DataType::Boolean, true),
        Field::new("since", DataType::Timestamp(TimeUnit::Second, None), true),
    ])
}

/// Customers from..from+count; every seventh has no charges.
fn rows(from: i64, count: i64) -> Result<RecordBatch, ArrowError> {
    let numbers = || from..from + count;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let charges = |number: i64| (number % 7 != 0).then_some(number as f64 / 4.0);
    RecordBatch::try_new(
        Arc::new(schema()),
        vec![
            Arc::new(numbers().map(|number| Some(format!("c{number:06}"))).collect::<StringArray>()),
            Arc::new(numbers().map(charges).collect::<Float64Array>()),
            Arc::new(numbers().map(Some).collect::<Int64Array>()),
            Arc::new(numbers().map(|number| Some(number % 3 == 0)).collect::<BooleanArray>()),
            Arc::new(numbers().map(|number| Some(START_SECONDS - number * 3_600)).collect::<TimestampSecondArray>()),
        ],
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: make_table DIR")?;
    let mut table = Table::create(Path::new(&dir), "customers", &schema(), START_SECONDS * 1_000)?;
    for (at, (from, count)) in (1_i64..).zip(APPENDS) {
        let info = AppendInfo {
            content: Digest::of(format!("delivery {at}").as_bytes()),
            receipt: format!("receipt-{at}"),
            origin: "market".to_owned(),
            now_ms: (START_SECONDS + at * 60) * 1_000,
        };
        table.append(&[rows(from, count)?], info)?;
    }
    Ok(())
}
