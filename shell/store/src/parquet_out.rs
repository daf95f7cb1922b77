//! Text tables as Parquet files for other programs, batch by batch, so that a table of any length needs little memory (T1: data for
//! tests of intake comes in the forms that real data comes in).

use std::fs::File;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Zstandard's own default level.
const ZSTD_LEVEL: i32 = 3;
/// Rows of a row group; also bounds the memory.
const ROW_GROUP_ROWS: usize = 131_072;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetOutError {
    /// The encoder or the disk.
    #[error("the Parquet file cannot be written: {0}")]
    Write(#[from] parquet::errors::ParquetError),
    /// A batch of another shape.
    #[error("the columns of a batch are not those of the file: {0}")]
    Shape(String),
    /// A text in a column that began with numbers.
    #[error("column `{column}` began with numbers, and then holds `{seen}`")]
    NoNumber {
        /// The column.
        column: String,
        /// The text.
        seen: String,
    },
}

/// A file that is being written. Columns whose first batch holds only numbers and missing values become `DOUBLE`; the others are text.
pub struct ParquetOut {
    schema: SchemaRef,
    writer: ArrowWriter<File>,
}

impl ParquetOut {
    /// Begins a file with its first batch of text columns; an empty text is missing.
    pub fn begin(file: File, first: &RecordBatch) -> Result<Self, ParquetOutError> {
        let fields = first.schema_ref().fields().iter().zip(first.columns()).map(|(field, column)| {
            let kind = if only_numbers(texts(column)?) { DataType::Float64 } else { DataType::Utf8 };
            Ok(Field::new(field.name(), kind, true))
        });
        let schema = Arc::new(Schema::new(fields.collect::<Result<Vec<_>, ParquetOutError>>()?));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_created_by(concat!("stayward ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        let mut out = Self { schema, writer };
        out.push(first)?;
        Ok(out)
    }

    /// Adds a batch of the same columns.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), ParquetOutError> {
        if batch.num_columns() != self.schema.fields().len() {
            return Err(ParquetOutError::Shape(format!(
                "{} columns instead of {}",
                batch.num_columns(),
                self.schema.fields().len()
            )));
        }
        let columns = self.schema.fields().iter().zip(batch.columns()).map(|(field, column)| converted(field, column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| ParquetOutError::Shape(error.to_string()))?;
        Ok(self.writer.write(&batch)?)
    }

    /// Writes the footer; without it there is no file.
    pub fn finish(self) -> Result<(), ParquetOutError> {
        self.writer.close()?;
        Ok(())
    }
}

fn texts(column: &ArrayRef) -> Result<&StringArray, ParquetOutError> {
    column.as_any().downcast_ref().ok_or_else(|| ParquetOutError::Shape("a column is no text".to_owned()))
}

fn only_numbers(texts: &StringArray) -> bool {
    let mut known = texts.iter().flatten().filter(|text| !text.is_empty()).peekable();
    known.peek().is_some() && known.all(|text| text.parse::<f64>().is_ok())
}

fn converted(field: &Field, column: &ArrayRef) -> Result<ArrayRef, ParquetOutError> {
    let known = texts(column)?.iter().map(|text| text.filter(|text| !text.is_empty()));
    if field.data_type() == &DataType::Utf8 {
        return Ok(Arc::new(known.collect::<StringArray>()));
    }
    let number = |text: &str| {
        text.parse::<f64>().map_err(|_| ParquetOutError::NoNumber { column: field.name().clone(), seen: text.to_owned() })
    };
    let numbers = known.map(|text| text.map(number).transpose()).collect::<Result<Float64Array, _>>()?;
    Ok(Arc::new(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet_in::{ParquetLimits, read_parquet};

    fn batch(ids: &[&str], words: &[&str]) -> RecordBatch {
        let fields = ["id", "word"].map(|name| Field::new(name, DataType::Utf8, true));
        let column = |texts: &[&str]| Arc::new(texts.iter().map(|text| Some(*text)).collect::<StringArray>()) as ArrayRef;
        RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), vec![column(ids), column(words)]).unwrap()
    }

    #[test]
    fn numbers_texts_and_gaps_read_back() {
        let path = std::env::temp_dir().join(format!("stayward-parquet-out-{}", std::process::id()));
        let mut out = ParquetOut::begin(File::create(&path).unwrap(), &batch(&["1", ""], &["a", "7"])).unwrap();
        out.push(&batch(&["2.5"], &[""])).unwrap();
        assert!(out.push(&batch(&["x"], &["b"])).unwrap_err().to_string().contains("`id`"));
        out.finish().unwrap();
        let read = read_parquet(std::fs::read(&path).unwrap(), &ParquetLimits::USER).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
        let ids: Vec<Option<f64>> = read
            .iter()
            .flat_map(|batch| batch.column(0).as_any().downcast_ref::<Float64Array>().unwrap().iter().collect::<Vec<_>>())
            .collect();
        assert_eq!(ids, [Some(1.0), None, Some(2.5)]);
        let words = read
            .iter()
            .flat_map(|batch| texts(batch.column(1)).unwrap().iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>());
        assert_eq!(words.collect::<Vec<_>>(), [Some("a".to_owned()), Some("7".to_owned()), None]);
    }
}
