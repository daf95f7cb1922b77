//! Between Arrow batches and our columns: what Parquet or another reader made becomes text, numbers or moments, and back.
//!
//! Whole numbers that an `f64` cannot hold (identifiers of 64 bits) become text, so that no two customers are rounded into one.

use crate::contract::{ColumnRule, Contract, Kind, Role};
use crate::number::EXACT_MAX;
use crate::typed::TypedTable;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float64Array, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
    TimestampSecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use frame::{Categories, Column, Frame, FrameError};
use std::sync::Arc;

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// Why an Arrow batch cannot be brought here, or taken there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    /// A type that a table of customers has no use for.
    #[error("the column `{column}` is of the type `{kind}`, which is neither number, text, truth nor moment")]
    Unsupported {
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
    /// Columns do not fit together.
    #[error("columns do not fit together: {0}")]
    Arrow(String),
    /// Columns do not fit a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

fn arrow(error: arrow_schema::ArrowError) -> BridgeError {
    BridgeError::Arrow(error.to_string())
}

/// One column of a plain batch.
#[derive(Clone, Copy, Debug)]
pub enum Cells<'a> {
    /// Text.
    Text(&'a StringArray),
    /// Numbers.
    Number(&'a Float64Array),
    /// Moments, in seconds since 1970 UTC.
    Moment(&'a TimestampSecondArray),
}

/// The columns of a batch that [`plain`] made, or that [`crate::csv`] read; a column of another type is an error.
pub fn cells(batch: &RecordBatch) -> Result<Vec<Cells<'_>>, BridgeError> {
    let schema = batch.schema_ref();
    let columns = batch.columns().iter().zip(schema.fields());
    columns.map(|(column, field)| column_cells(field.name(), column)).collect()
}

/// One column of those.
pub(crate) fn column_cells<'a>(name: &str, column: &'a ArrayRef) -> Result<Cells<'a>, BridgeError> {
    let text = column.as_string_opt::<i32>().map(Cells::Text);
    let number = || column.as_primitive_opt::<Float64Type>().map(Cells::Number);
    let moment = || column.as_primitive_opt::<TimestampSecondType>().map(Cells::Moment);
    text.or_else(number).or_else(moment).ok_or_else(|| unsupported(name, column.data_type()))
}

fn unsupported(column: &str, kind: &DataType) -> BridgeError {
    BridgeError::Unsupported { column: column.to_owned(), kind: kind.to_string() }
}

/// Brings any batch to plain columns of `Utf8`, `Float64` and `Timestamp(Second)`: truths become `true` and `false`, whole numbers
/// numbers (or text, where one is beyond 2^53), dates the midnight in UTC that begins them.
pub fn plain(batch: &RecordBatch) -> Result<RecordBatch, BridgeError> {
    let schema = batch.schema_ref();
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut arrays = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        let array = plain_column(field.name(), column)?;
        fields.push(Field::new(field.name(), array.data_type().clone(), true));
        arrays.push(array);
    }
    build(fields, arrays, batch.num_rows())
}

fn build(fields: Vec<Field>, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, BridgeError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(arrow)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all types of Arrow that are not named are refused")]
pub(crate) fn plain_column(name: &str, column: &ArrayRef) -> Result<ArrayRef, BridgeError> {
    Ok(match column.data_type() {
        DataType::Utf8 | DataType::Float64 => Arc::clone(column),
        DataType::LargeUtf8 => texts(column.as_string::<i64>().iter()),
        DataType::Utf8View => texts(column.as_string_view().iter()),
        DataType::Boolean => {
            texts(column.as_boolean().iter().map(|truth| truth.map(|truth| if truth { "true" } else { "false" })))
        }
        DataType::Null => texts((0..column.len()).map(|_| None::<&str>)),
        DataType::Float32 => numbers(column.as_primitive::<Float32Type>().iter().map(|value| value.map(f64::from))),
        DataType::Int8 => whole::<Int8Type>(column),
        DataType::Int16 => whole::<Int16Type>(column),
        DataType::Int32 => whole::<Int32Type>(column),
        DataType::Int64 => whole::<Int64Type>(column),
        DataType::UInt8 => whole::<UInt8Type>(column),
        DataType::UInt16 => whole::<UInt16Type>(column),
        DataType::UInt32 => whole::<UInt32Type>(column),
        DataType::UInt64 => whole::<UInt64Type>(column),
        DataType::Decimal128(_, scale) => {
            let scale = i32::from(*scale);
            numbers(column.as_primitive::<Decimal128Type>().iter().map(|value| value.and_then(|value| decimal(value, scale))))
        }
        DataType::Date32 => {
            moments(column.as_primitive::<Date32Type>().iter().map(|day| day.map(|day| i64::from(day) * DAY_SECONDS)))
        }
        DataType::Date64 => moments(scaled::<Date64Type>(column, 1_000)),
        DataType::Timestamp(TimeUnit::Second, _) => moments(scaled::<TimestampSecondType>(column, 1)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => moments(scaled::<TimestampMillisecondType>(column, 1_000)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => moments(scaled::<TimestampMicrosecondType>(column, 1_000_000)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => moments(scaled::<TimestampNanosecondType>(column, 1_000_000_000)),
        DataType::Dictionary(key, value) if **value == DataType::Utf8 => match **key {
            DataType::Int8 => dictionary::<Int8Type>(name, column)?,
            DataType::Int16 => dictionary::<Int16Type>(name, column)?,
            DataType::Int32 => dictionary::<Int32Type>(name, column)?,
            DataType::Int64 => dictionary::<Int64Type>(name, column)?,
            DataType::UInt8 => dictionary::<UInt8Type>(name, column)?,
            DataType::UInt16 => dictionary::<UInt16Type>(name, column)?,
            DataType::UInt32 => dictionary::<UInt32Type>(name, column)?,
            _ => return Err(unsupported(name, column.data_type())),
        },
        other => return Err(unsupported(name, other)),
    })
}

fn texts<T: AsRef<str>>(all: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(all.collect::<StringArray>())
}

fn numbers(all: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(all.collect::<Float64Array>())
}

fn moments(all: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(all.collect::<TimestampSecondArray>())
}

/// Moments of a finer unit as seconds, rounded down.
fn scaled<T: ArrowPrimitiveType<Native = i64>>(column: &ArrayRef, per_second: i64) -> impl Iterator<Item = Option<i64>> {
    column.as_primitive::<T>().iter().map(move |value| value.map(|value| value.div_euclid(per_second)))
}

fn whole<T: ArrowPrimitiveType>(column: &ArrayRef) -> ArrayRef
where
    T::Native: Into<i128> + Copy,
{
    let array: &PrimitiveArray<T> = column.as_primitive::<T>();
    let exact = |value: i128| value.unsigned_abs() <= u128::from(EXACT_MAX);
    if array.iter().flatten().all(|value| exact(value.into())) {
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53 either way, as was just seen")]
        return numbers(array.iter().map(|value| value.map(|value| Into::<i128>::into(value) as f64)));
    }
    texts(array.iter().map(|value| value.map(|value| Into::<i128>::into(value).to_string())))
}

/// A decimal by way of its text, so that 0.1 is the nearest `f64` to 0.1.
fn decimal(value: i128, scale: i32) -> Option<f64> {
    format!("{value}e{}", -scale).parse().ok().filter(|value: &f64| value.is_finite())
}

fn dictionary<K: ArrowDictionaryKeyType>(name: &str, column: &ArrayRef) -> Result<ArrayRef, BridgeError> {
    let all = column.as_dictionary::<K>();
    let typed = all.downcast_dict::<StringArray>().ok_or_else(|| unsupported(name, column.data_type()))?;
    Ok(texts(typed.into_iter()))
}

/// A frame as a batch: numbers as `Float64`, categories as `Utf8`, missing values as nulls.
pub fn of_frame(frame: &Frame) -> Result<RecordBatch, BridgeError> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (name, column) in frame.iter() {
        let array = of_column(column);
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    build(fields, arrays, frame.rows())
}

fn of_column(column: &Column) -> ArrayRef {
    match column {
        Column::Number(values) => numbers(values.iter().map(|&value| (!value.is_nan()).then_some(value))),
        Column::Category(categories) => texts((0..categories.codes.len()).map(|row| categories.text(row))),
    }
}

/// A batch as a frame: text as categories by first appearance, numbers and moments as numbers.
pub fn to_frame(batch: &RecordBatch) -> Result<Frame, BridgeError> {
    let batch = plain(batch)?;
    let mut out = Frame::new(batch.num_rows());
    let schema = batch.schema_ref();
    for (cells, field) in cells(&batch)?.into_iter().zip(schema.fields()) {
        let column = match cells {
            Cells::Text(texts) => Column::Category(Categories::from_texts(texts.iter())),
            Cells::Number(values) => Column::Number(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect()),
            #[expect(clippy::cast_precision_loss, reason = "seconds of any calendar year are below 2^53")]
            Cells::Moment(values) => {
                Column::Number(values.iter().map(|value| value.map_or(f64::NAN, |value| value as f64)).collect())
            }
        };
        out.push(field.name(), column)?;
    }
    Ok(out)
}

/// The canonical type of a rule's column.
fn canonical(rule: &ColumnRule) -> DataType {
    match (&rule.kind, rule.role) {
        (_, Role::Id | Role::Label) | (Kind::Category { .. } | Kind::Text, _) => DataType::Utf8,
        (Kind::Number { .. }, _) => DataType::Float64,
        (Kind::Time { .. }, Role::Time) => DataType::Timestamp(TimeUnit::Second, None),
        (Kind::Time { .. }, _) => DataType::Utf8,
    }
}

/// The canonical schema of a contract: its columns in order, those ignored left out. Identifiers, labels and categories are `Utf8`,
/// numbers `Float64`, the time `Timestamp(Second)` in UTC; all may be null.
pub fn schema(contract: &Contract) -> SchemaRef {
    let kept = contract.columns.iter().filter(|rule| rule.role != Role::Ignore);
    Arc::new(Schema::new(kept.map(|rule| Field::new(&rule.name, canonical(rule), true)).collect::<Vec<_>>()))
}

/// A typed table as a batch of the canonical schema of its contract. A negative label is written as the first level that is not
/// positive.
pub fn of_table(table: &TypedTable, contract: &Contract) -> Result<RecordBatch, BridgeError> {
    let rows = table.rows();
    let none = || numbers((0..rows).map(|_| None));
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for rule in contract.columns.iter().filter(|rule| rule.role != Role::Ignore) {
        arrays.push(match rule.role {
            Role::Id => texts(table.ids.iter().map(|id| (!id.is_empty()).then_some(id))),
            Role::Label => labels(table, contract, rule),
            Role::Time => moments((0..rows).map(|row| table.time.as_ref().and_then(|all| all.get(row).copied().flatten()))),
            Role::Value => table.value.as_ref().map_or_else(none, |all| of_column(&Column::Number(all.clone()))),
            Role::Feature | Role::ThirdParty | Role::Protected | Role::Ignore => match table.frame.column(&rule.name) {
                Some(column) => of_column(column),
                None => return Err(BridgeError::Arrow(format!("the table has no column `{}`", rule.name))),
            },
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema(contract), arrays, &options).map_err(arrow)
}

fn labels(table: &TypedTable, contract: &Contract, rule: &ColumnRule) -> ArrayRef {
    let positive = contract.label.as_ref().map(|label| label.positive.as_str());
    let negative = match &rule.kind {
        Kind::Category { levels } => levels.iter().map(String::as_str).find(|&level| Some(level) != positive),
        Kind::Number { .. } | Kind::Time { .. } | Kind::Text => None,
    };
    let label = |row: usize| table.label.as_ref().and_then(|all| all.get(row).copied().flatten());
    texts((0..table.rows()).map(|row| label(row).and_then(|churned| if churned { positive } else { negative })))
}
