//! Says what we read from Parquet files of other programs (T1): `cargo run -p store --example read_parquet -- FILE...`.

use std::io::Write;

use arrow_array::Array;

use store::parquet_in::{ParquetLimits, read_parquet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for path in std::env::args().skip(1) {
        let batches = match read_parquet(std::fs::read(&path)?, &ParquetLimits::USER) {
            Ok(batches) => batches,
            Err(error) => {
                writeln!(out, "{path}: {error}")?;
                continue;
            }
        };
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        writeln!(out, "{path}: {rows} rows")?;
        if let Some(first) = batches.first() {
            for (at, field) in first.schema().fields().iter().enumerate() {
                let nulls: usize = batches.iter().map(|batch| batch.column(at).null_count()).sum();
                writeln!(out, "  {} {} {nulls} empty", field.name(), field.data_type())?;
            }
        }
    }
    Ok(())
}
