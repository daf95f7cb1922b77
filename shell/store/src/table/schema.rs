//! Which columns a table may have, and how they are written (T6): only types of the oldest Delta protocol, so that every reader
//! shows the same rows that we hashed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use super::TableError;

/// Columns of a table at most.
pub const COLUMNS_MAX: usize = 4_096;
/// Bytes of a column's name at most.
pub const COLUMN_NAME_BYTES_MAX: usize = 256;

/// The key under which a column's metadata keeps the Arrow type that Delta has no name for.
const ARROW_KEY: &str = "stayward.arrow";
const UTC: &str = "UTC";
/// How moments are written: what Delta calls `timestamp`.
const MICROSECONDS: (TimeUnit, &str) = (TimeUnit::Microsecond, UTC);

/// Delta's `schemaString` (Delta protocol, "Schema Serialization Format").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltaSchema {
    #[serde(rename = "type")]
    kind: String,
    fields: Vec<DeltaField>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltaField {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    nullable: bool,
    metadata: BTreeMap<String, String>,
}

fn refuse<T>(why: String) -> Result<T, TableError> {
    Err(TableError::Schema(why))
}

/// Delta's name of a type, and what its reader must be told to get the same Arrow type back.
#[expect(clippy::wildcard_enum_match_arm, reason = "all types of Arrow that are not named are refused")]
fn delta_type(field: &Field) -> Result<(&'static str, Option<&'static str>), TableError> {
    let utc = |zone: &Option<Arc<str>>| zone.as_deref().is_none_or(|zone| zone == UTC);
    Ok(match field.data_type() {
        DataType::Utf8 => ("string", None),
        DataType::Boolean => ("boolean", None),
        DataType::Int8 => ("byte", None),
        DataType::Int16 => ("short", None),
        DataType::Int32 => ("integer", None),
        DataType::Int64 => ("long", None),
        DataType::Float32 => ("float", None),
        DataType::Float64 => ("double", None),
        DataType::Date32 => ("date", None),
        DataType::Binary => ("binary", None),
        DataType::Timestamp(unit, zone) if utc(zone) => match (unit, zone) {
            (TimeUnit::Second, None) => ("timestamp", Some("second")),
            (TimeUnit::Second, Some(_)) => ("timestamp", Some("second utc")),
            (TimeUnit::Millisecond, None) => ("timestamp", Some("millisecond")),
            (TimeUnit::Millisecond, Some(_)) => ("timestamp", Some("millisecond utc")),
            (TimeUnit::Microsecond, None) => ("timestamp", Some("microsecond")),
            (TimeUnit::Microsecond, Some(_)) => ("timestamp", None),
            (TimeUnit::Nanosecond, _) => return refuse(format!("the column `{}` counts nanoseconds", field.name())),
        },
        other => return refuse(format!("the column `{}` is of the type `{other}`, which a table cannot keep", field.name())),
    })
}

fn arrow_type(field: &DeltaField) -> Result<DataType, TableError> {
    let utc = || Some(Arc::from(UTC));
    let hint = field.metadata.get(ARROW_KEY).map(String::as_str);
    Ok(match (field.kind.as_str(), hint) {
        ("string", None) => DataType::Utf8,
        ("boolean", None) => DataType::Boolean,
        ("byte", None) => DataType::Int8,
        ("short", None) => DataType::Int16,
        ("integer", None) => DataType::Int32,
        ("long", None) => DataType::Int64,
        ("float", None) => DataType::Float32,
        ("double", None) => DataType::Float64,
        ("date", None) => DataType::Date32,
        ("binary", None) => DataType::Binary,
        ("timestamp", Some("second")) => DataType::Timestamp(TimeUnit::Second, None),
        ("timestamp", Some("second utc")) => DataType::Timestamp(TimeUnit::Second, utc()),
        ("timestamp", Some("millisecond")) => DataType::Timestamp(TimeUnit::Millisecond, None),
        ("timestamp", Some("millisecond utc")) => DataType::Timestamp(TimeUnit::Millisecond, utc()),
        ("timestamp", Some("microsecond")) => DataType::Timestamp(TimeUnit::Microsecond, None),
        ("timestamp", None) => DataType::Timestamp(TimeUnit::Microsecond, utc()),
        (kind, hint) => return refuse(format!("the column `{}` has the unknown type `{kind}` {hint:?}", field.name)),
    })
}

/// Names must be told apart by readers that do not look at case.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), TableError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || name.len() > COLUMN_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return refuse(format!("`{}` is no name for a column", name.escape_debug()));
        }
        if !seen.insert(name.to_lowercase()) {
            return refuse(format!("two columns are called `{name}`, upper and lower case taken as one"));
        }
    }
    match seen.len() {
        0 => refuse("a table needs a column".to_owned()),
        count if count > COLUMNS_MAX => refuse(format!("{count} columns are more than {COLUMNS_MAX}")),
        _ => Ok(()),
    }
}

/// The schema as Delta writes it.
pub(super) fn to_delta(schema: &Schema) -> Result<String, TableError> {
    check_names(schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut fields = Vec::new();
    for field in schema.fields() {
        let (kind, hint) = delta_type(field)?;
        let metadata = hint.map(|hint| (ARROW_KEY.to_owned(), hint.to_owned())).into_iter().collect();
        fields.push(DeltaField { name: field.name().clone(), kind: kind.to_owned(), nullable: field.is_nullable(), metadata });
    }
    let whole = DeltaSchema { kind: "struct".to_owned(), fields };
    serde_json::to_string(&whole).map_err(|error| TableError::Schema(error.to_string()))
}

/// The schema that a table was made with, from what Delta wrote.
pub(super) fn from_delta(text: &str) -> Result<SchemaRef, TableError> {
    let whole: DeltaSchema = serde_json::from_str(text).map_err(|error| TableError::Schema(error.to_string()))?;
    if whole.kind != "struct" {
        return refuse(format!("a schema of the type `{}`", whole.kind));
    }
    check_names(whole.fields.iter().map(|field| field.name.as_str()))?;
    let fields: Result<Vec<Field>, TableError> =
        whole.fields.iter().map(|field| Ok(Field::new(&field.name, arrow_type(field)?, field.nullable))).collect();
    Ok(Arc::new(Schema::new(fields?)))
}

/// The schema of the Parquet files: moments as microseconds of UTC, all else as it is.
pub(super) fn stored(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let moment = matches!(field.data_type(), DataType::Timestamp(..));
        let micros = || DataType::Timestamp(MICROSECONDS.0, Some(Arc::from(MICROSECONDS.1)));
        Field::new(field.name(), if moment { micros() } else { field.data_type().clone() }, field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Says how a batch differs from the table's schema: names, order and types must be equal; nulls only where the table has them.
pub(super) fn check_batch(schema: &Schema, batch: &RecordBatch) -> Result<(), TableError> {
    let given = batch.schema_ref();
    if given.fields().len() != schema.fields().len() {
        return refuse(format!("rows have {} columns, the table has {}", given.fields().len(), schema.fields().len()));
    }
    for ((wanted, given), column) in schema.fields().iter().zip(given.fields()).zip(batch.columns()) {
        if wanted.name() != given.name() || wanted.data_type() != given.data_type() {
            let shown = |field: &Field| format!("`{}` ({})", field.name(), field.data_type());
            return refuse(format!("rows have the column {}, the table has {}", shown(given), shown(wanted)));
        }
        if !wanted.is_nullable() && column.null_count() > 0 {
            return refuse(format!("the column `{}` may not be empty", wanted.name()));
        }
    }
    Ok(())
}

/// Table rows as they are written.
#[expect(clippy::wildcard_enum_match_arm, reason = "only moments change")]
pub(super) fn to_stored(batch: &RecordBatch, stored: &SchemaRef) -> Result<RecordBatch, TableError> {
    rebuild(batch, stored, |column| match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => scale_up::<TimestampSecondType>(column, 1_000_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => scale_up::<TimestampMillisecondType>(column, 1_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => scale_up::<TimestampMicrosecondType>(column, 1),
        _ => Ok(Arc::clone(column)),
    })
}

/// Written rows as the table's.
pub(super) fn from_stored(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, TableError> {
    let mut kinds = schema.fields().iter().map(|field| field.data_type().clone());
    rebuild(batch, schema, |column| match kinds.next() {
        Some(DataType::Timestamp(TimeUnit::Second, zone)) => scale_down::<TimestampSecondType>(column, 1_000_000, zone),
        Some(DataType::Timestamp(TimeUnit::Millisecond, zone)) => scale_down::<TimestampMillisecondType>(column, 1_000, zone),
        Some(DataType::Timestamp(TimeUnit::Microsecond, zone)) => scale_down::<TimestampMicrosecondType>(column, 1, zone),
        _ => Ok(Arc::clone(column)),
    })
}

fn rebuild(
    batch: &RecordBatch,
    schema: &SchemaRef,
    mut each: impl FnMut(&ArrayRef) -> Result<ArrayRef, TableError>,
) -> Result<RecordBatch, TableError> {
    let columns: Result<Vec<ArrayRef>, TableError> = batch.columns().iter().map(&mut each).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns?, &options)
        .map_err(|error| TableError::Schema(error.to_string()))
}

fn scale_up<T: ArrowPrimitiveType<Native = i64>>(column: &ArrayRef, by: i64) -> Result<ArrayRef, TableError> {
    let scaled = column.as_primitive::<T>().try_unary::<_, TimestampMicrosecondType, TableError>(|moment| {
        moment.checked_mul(by).ok_or_else(|| TableError::Schema("a moment lies beyond the year 294246".to_owned()))
    });
    Ok(Arc::new(scaled?.with_timezone(MICROSECONDS.1)))
}

fn scale_down<T>(column: &ArrayRef, by: i64, zone: Option<Arc<str>>) -> Result<ArrayRef, TableError>
where
    T: arrow_array::types::ArrowTimestampType,
{
    let Some(micros) = column.as_primitive_opt::<TimestampMicrosecondType>() else {
        return refuse("a column of moments holds something else".to_owned());
    };
    let scaled: PrimitiveArray<T> = micros.unary(|moment| moment.div_euclid(by));
    Ok(Arc::new(scaled.with_timezone_opt(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::TimestampSecondArray;

    fn all_types() -> Schema {
        let zone = || Some(Arc::from(UTC));
        let mut kinds = vec![
            DataType::Utf8,
            DataType::Boolean,
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Date32,
            DataType::Binary,
        ];
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond] {
            kinds.extend([DataType::Timestamp(unit, None), DataType::Timestamp(unit, zone())]);
        }
        Schema::new(
            kinds.into_iter().enumerate().map(|(at, kind)| Field::new(format!("c{at}"), kind, at % 2 == 0)).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn every_type_comes_back() {
        assert_eq!(*from_delta(&to_delta(&all_types()).unwrap()).unwrap(), all_types());
    }

    #[test]
    fn other_types_and_unclear_names_are_refused() {
        let refused = |fields: Vec<Field>| assert!(to_delta(&Schema::new(fields)).is_err());
        refused(vec![]);
        refused(vec![Field::new("a", DataType::UInt64, true)]);
        refused(vec![Field::new("a", DataType::Timestamp(TimeUnit::Nanosecond, None), true)]);
        refused(vec![Field::new("a", DataType::Timestamp(TimeUnit::Second, Some(Arc::from("Europe/Berlin"))), true)]);
        refused(vec![Field::new("a", DataType::Utf8, true), Field::new("A", DataType::Utf8, true)]);
        refused(vec![Field::new("", DataType::Utf8, true)]);
        refused(vec![Field::new("a\n", DataType::Utf8, true)]);
        assert!(to_delta(&Schema::new(vec![Field::new("Total Charges (EUR)", DataType::Utf8, true)])).is_ok());
    }

    #[test]
    fn moments_beyond_microseconds_are_refused_and_those_before_1970_kept() {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("t", DataType::Timestamp(TimeUnit::Second, None), true)]));
        let batch =
            |moment| RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(TimestampSecondArray::from(vec![moment]))]).unwrap();
        let kept = |moment| to_stored(&batch(moment), &stored(&schema)).and_then(|there| from_stored(&there, &schema));
        assert_eq!(kept(Some(-7)).unwrap(), batch(Some(-7)));
        assert_eq!(kept(None).unwrap(), batch(None));
        assert!(kept(Some(i64::MAX)).is_err());
    }
}
