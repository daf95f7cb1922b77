//! Each rule is broken once, and its passing twin stands beside it.

use super::*;
use crate::bridge;
use crate::contract::{Contract, Duplicates};
use crate::csv::{self, Options};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{Field, Schema};
use frame::Column;
use proptest::prelude::*;
use std::sync::Arc;

const CONTRACT: &str = r#"name = "t"
[label]
positive = "yes"
rate_min = 0.1
rate_max = 0.5
[[column]]
name = "id"
role = "id"
kind = "text"
missing = "refused"
[[column]]
name = "plan"
role = "third-party"
kind = "category"
levels = ["b", "a"]
missing = "refused"
[[column]]
name = "tenure"
role = "feature"
kind = "number"
integer = true
min = 0
max = 90
missing = "allowed"
missing_share_max = 0.1
[[column]]
name = "spend"
role = "value"
also_feature = true
kind = "number"
missing = "refused"
[[column]]
name = "day"
role = "time"
kind = "time"
format = "%Y-%m-%d"
missing = "refused"
[[column]]
name = "note"
role = "ignore"
kind = "text"
missing = "refused"
[[column]]
name = "churn"
role = "label"
kind = "category"
levels = ["no", "yes"]
missing = "refused"
"#;

const HEADER: &str = "id,plan,tenure,spend,day,note,churn\n";
const CLEAN: &str = "c1,a,3,9.5,2024-01-02,,no\n";

fn contract() -> Contract {
    Contract::parse(CONTRACT).unwrap()
}

fn typed(text: &str) -> TypedTable {
    read(&contract(), &csv::read(text.as_bytes(), &Options::default()).unwrap().batches).unwrap()
}

/// A clean row and one row beside it: the rule that the second breaks.
fn check(row: &str, broken: Option<(&str, Rule)>) {
    let table = typed(&format!("{HEADER}{CLEAN}{row}\n"));
    let found: Vec<(&str, Rule)> = table.violations.iter().map(|v| (v.column.as_str(), v.rule)).collect();
    assert_eq!(found, broken.into_iter().collect::<Vec<_>>(), "{row}");
    assert_eq!(table.row_mask, [false, broken.is_some()]);
    assert_eq!(table.clean_rows().len(), 2 - usize::from(broken.is_some()));
}

#[test]
fn each_rule_of_a_row() {
    check("c2,b,90, 1e2 ,2024-01-03,x,yes", None);
    check("c2,b,NA,1,2024-01-03,x,yes", None);
    check("c2,c,5,1,2024-01-03,x,yes", Some(("plan", Rule::Level)));
    check("c2,,5,1,2024-01-03,x,yes", Some(("plan", Rule::Missing)));
    check(",a,5,1,2024-01-03,x,yes", Some(("id", Rule::Missing)));
    check("c2,a,91,1,2024-01-03,x,yes", Some(("tenure", Rule::Range)));
    check("c2,a,-1,1,2024-01-03,x,yes", Some(("tenure", Rule::Range)));
    check("c2,a,5.5,1,2024-01-03,x,yes", Some(("tenure", Rule::Whole)));
    check("c2,a,five,1,2024-01-03,x,yes", Some(("tenure", Rule::Type)));
    check("c2,a,5,inf,2024-01-03,x,yes", Some(("spend", Rule::Type)));
    check("c2,a,5,1,2024-02-30,x,yes", Some(("day", Rule::Type)));
    check("c2,a,5,1,2024-01-03,x,perhaps", Some(("churn", Rule::Level)));
    check("<<<<<<< HEAD,a,5,1,2024-01-03,x,yes", Some(("id", Rule::ForeignMark)));
    check("c2,=======,5,1,2024-01-03,x,yes", Some(("plan", Rule::ForeignMark)));
}

#[test]
fn values_come_out_typed() {
    let table = typed(&format!("{HEADER}{CLEAN}c2,b,NA,1,2024-01-03,x,yes\nc3,zz,99,1,2024-01-03,x,yes\n"));
    assert_eq!(table.ids, ["c1", "c2", "c3"]);
    assert_eq!(table.frame.names(), ["plan", "tenure", "spend"]);
    let Some(Column::Category(plan)) = table.frame.column("plan") else { panic!("no category") };
    assert_eq!(
        (plan.levels.as_slice(), plan.codes.as_slice()),
        (["b".to_owned(), "a".to_owned()].as_slice(), [1, 0, frame::MISSING].as_slice())
    );
    let Some(Column::Number(tenure)) = table.frame.column("tenure") else { panic!("no number") };
    assert!(tenure[0] == 3.0 && tenure[1].is_nan() && tenure[2] == 99.0);
    assert_eq!(table.label, Some(vec![Some(false), Some(true), Some(true)]));
    assert_eq!(table.time.as_ref().unwrap()[0], Some(1_704_153_600));
    assert_eq!(table.value.as_ref().unwrap()[0], 9.5);
    assert_eq!((table.third_party, table.protected.len()), (vec!["plan".to_owned()], 0));
}

fn names(header: &str) -> Vec<(String, Rule)> {
    let header: Vec<String> = header.split(',').map(str::to_owned).collect();
    Typer::new(&contract(), &header).finish().violations.into_iter().map(|v| (v.column, v.rule)).collect()
}

#[test]
fn names_of_columns_are_held_against_the_contract() {
    assert_eq!(names("churn,note,day,spend,tenure,plan,id"), []);
    assert_eq!(names("churn,day,spend,tenure,plan,id"), [], "an ignored column may lack");
    assert_eq!(names("churn,day,spend,tenure,id"), [("plan".to_owned(), Rule::ColumnMissing)]);
    assert_eq!(names("churn,day,spend,Tenure,plan,id"), [("tenure".to_owned(), Rule::ColumnRenamed)]);
    assert_eq!(names("churn,day,spend,tenur,plan,id"), [("tenure".to_owned(), Rule::ColumnRenamed)]);
    assert_eq!(names("churn,day,spend,tenure,plan,id,more"), [("more".to_owned(), Rule::ColumnExtra)]);
    assert_eq!(names("churn,day,spend,tenure,plan,id,id"), [("id".to_owned(), Rule::ColumnExtra)]);
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> TypedTable {
    typed(&(HEADER.to_owned() + &(0..count).map(row).collect::<String>()))
}

#[test]
fn shares_are_judged_from_a_hundred_rows_on() {
    let table = |count: usize, missing: usize, churned: usize| {
        let row = |n: usize| {
            let (tenure, churn) = (if n < missing { "" } else { "1" }, if n < churned { "yes" } else { "no" });
            format!("c{n},a,{tenure},1,2024-01-03,x,{churn}\n")
        };
        let table = rows(count, row);
        (table.count(Rule::MissingShare), table.count(Rule::LabelRate), table.table_keeps())
    };
    assert_eq!(table(100, 10, 20), (0, 0, true));
    assert_eq!(table(100, 11, 20), (1, 0, false));
    assert_eq!(table(100, 0, 9), (0, 1, false));
    assert_eq!(table(100, 0, 51), (0, 1, false));
    assert_eq!(table(99, 90, 90), (0, 0, true));
}

#[test]
fn equal_rows_share_a_group_and_may_be_refused() {
    let text = format!("{HEADER}{CLEAN}c1,b,3,9.5,2024-01-02,,no\n{CLEAN}c1,a,3,9.50,2024-01-02,other,no\n");
    let table = typed(&text);
    assert_eq!((table.groups.as_slice(), table.duplicates_count(), table.violations.len()), ([0, 1, 0, 0].as_slice(), 2, 0));
    assert_eq!(table.take(&[2, 3, 1]).groups, [0, 0, 2]);
    let strict = Contract { duplicates: Duplicates::Refuse, ..contract() };
    let table = read(&strict, &csv::read(text.as_bytes(), &Options::default()).unwrap().batches).unwrap();
    assert_eq!(table.row_mask, [false, false, true, true]);
    assert_eq!(
        table.violations[0],
        Violation { row: Some(2), column: String::new(), rule: Rule::Duplicate, seen: "equals row 0".to_owned() }
    );
}

#[test]
fn groups_are_those_of_a_plain_comparison() {
    // Few distinct rows, so that equal ones abound.
    let text: String = (0..600).map(|n| format!("c{},a,{},1,2024-01-0{},x,no\n", n % 3, n * n % 7, n % 4 + 1)).collect();
    let rows: Vec<&str> = text.lines().collect();
    let plain: Vec<usize> = rows.iter().map(|row| rows.iter().position(|first| first == row).unwrap()).collect();
    assert_eq!(typed(&format!("{HEADER}{text}")).groups, plain);
}

#[test]
fn many_violations_are_counted_and_only_some_are_kept() {
    let table = rows(VIOLATIONS_KEPT_MAX + 50, |n| format!("c{n},a,-1,1,2024-01-03,x,no\n"));
    assert_eq!(table.count(Rule::Range), (VIOLATIONS_KEPT_MAX + 50) as u64);
    assert!(table.violations.len() <= VIOLATIONS_KEPT_MAX + 1 && table.row_mask.iter().all(|&broken| broken));
}

#[test]
fn the_canonical_batch_reads_back() {
    let contract = contract();
    let table = typed(&format!("{HEADER}{CLEAN}c2,b,NA,1,2024-01-03,x,yes\n"));
    let batch = bridge::of_table(&table, &contract).unwrap();
    assert_eq!(batch.schema(), bridge::schema(&contract));
    // By their texts, since `NaN` does not equal itself.
    assert_eq!(format!("{:?}", read(&contract, &[batch]).unwrap()), format!("{table:?}"));
    let back = bridge::to_frame(&bridge::of_frame(&table.frame).unwrap()).unwrap();
    assert_eq!((back.names(), back.rows()), (table.frame.names(), 2));
}

#[test]
fn other_types_of_arrow_are_brought_over() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![9_007_199_254_740_993, 2]))),
        ("plan", Arc::new(["a", "b"].into_iter().collect::<DictionaryArray<Int32Type>>())),
        ("tenure", Arc::new(Int64Array::from(vec![Some(3), None]))),
        ("spend", Arc::new(arrow_array::Decimal128Array::from(vec![950, 10]).with_precision_and_scale(10, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![19_724, 19_725]))),
        ("churn", Arc::new(StringArray::from(vec!["no", "yes"]))),
    ];
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let table = read(&contract(), &[batch]).unwrap();
    assert_eq!((table.violations.len(), table.ids.as_slice()), (0, ["9007199254740993".to_owned(), "2".to_owned()].as_slice()));
    assert_eq!(table.value, Some(vec![9.5, 0.1]));
    assert_eq!(table.time, Some(vec![Some(1_704_153_600), Some(1_704_240_000)]));
    let odd = |array: ArrayRef| {
        let schema = Arc::new(Schema::new(vec![Field::new("x", array.data_type().clone(), true)]));
        bridge::plain(&RecordBatch::try_new(schema, vec![array]).unwrap())
    };
    assert!(odd(Arc::new(BooleanArray::from(vec![true]))).is_ok());
    assert!(odd(Arc::new(TimestampMillisecondArray::from(vec![1]))).is_ok());
    assert!(matches!(
        odd(Arc::new(arrow_array::BinaryArray::from(vec![b"x".as_slice()]))),
        Err(bridge::BridgeError::Unsupported { .. })
    ));
}

proptest! {
    #[test]
    fn any_values_are_typed_or_listed_without_panic(values in prop::collection::vec(prop::collection::vec("\\PC{0,12}|[0-9.,eE+-]{0,8}|(a|b|yes|no)", 7), 1..30)) {
        let schema = Arc::new(Schema::new(HEADER.trim().split(',').map(|name| Field::new(name, arrow_schema::DataType::Utf8, false)).collect::<Vec<_>>()));
        let arrays = (0..7).map(|at| Arc::new(values.iter().map(|row| Some(row[at].clone())).collect::<StringArray>()) as ArrayRef).collect();
        let batch = RecordBatch::try_new(schema, arrays).unwrap();
        let table = read(&contract(), std::slice::from_ref(&batch)).unwrap();
        for row in 0..table.rows() {
            prop_assert_eq!(table.row_mask[row], table.violations.iter().any(|violation| violation.row == Some(row)));
        }
        // One row at a time gives the same.
        let mut typer = Typer::new(&contract(), &HEADER.trim().split(',').map(str::to_owned).collect::<Vec<_>>());
        for row in 0..batch.num_rows() {
            typer.push(&batch.slice(row, 1)).unwrap();
        }
        prop_assert_eq!(format!("{:?}", typer.finish()), format!("{table:?}"));
    }
}

#[test]
fn an_identifier_with_two_sets_of_values_is_nobody() {
    let mut table = TypedTable {
        ids: ["a", "b", "a", "c", "c", ""].map(str::to_owned).to_vec(),
        groups: vec![0, 1, 2, 3, 3, 5],
        row_mask: vec![false; 6],
        ..TypedTable::default()
    };
    let mut timed = TypedTable { time: Some((0..6).map(Some).collect()), ..table.clone() };
    table.mark_ids_twice("id");
    assert_eq!(table.clean_rows(), [1, 3, 4, 5]);
    assert_eq!(table.count(Rule::IdTwice), 2);
    assert_eq!(table.violations[0].seen, "a");
    timed.mark_ids_twice("id");
    assert_eq!(timed.clean_rows().len(), 6);
}

/// A contract over every kind of column that is looked at as a whole.
const SWEPT: &str = r#"name = "swept"
missing_marks = ["NA", "?"]
[label]
positive = "yes"
rate_min = 0.1
rate_max = 0.5
[[column]]
name = "id"
role = "id"
kind = "number"
missing = "refused"
[[column]]
name = "whole"
role = "feature"
kind = "number"
integer = true
min = -3
max = 90
missing = "allowed"
missing_share_max = 0.3
[[column]]
name = "free"
role = "feature"
kind = "number"
missing = "refused"
[[column]]
name = "plan"
role = "third-party"
kind = "category"
levels = ["b", "a", "a level of more than sixteen bytes"]
missing = "allowed"
missing_share_max = 0.3
[[column]]
name = "place"
role = "feature"
kind = "category"
levels = ["x", "y"]
missing = "refused"
[[column]]
name = "churn"
role = "label"
kind = "category"
levels = ["no", "yes"]
missing = "refused"
"#;

/// Every value by itself: what a look at many at once must agree with.
fn one_by_one(contract: &Contract, batches: &[RecordBatch]) -> TypedTable {
    let names: Vec<String> = batches[0].schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    let mut typer = Typer::new(contract, &names).one_by_one();
    for batch in batches {
        typer.push(&bridge::plain(batch).unwrap()).unwrap();
    }
    typer.finish()
}

/// A column of numbers of that many rows, `good` ones but for `odd` ones at the rows that `at` names.
fn numbers(rows: usize, good: &[f64], odd: &[Option<f64>], at: &[usize]) -> ArrayRef {
    let value = |row: usize| match at.iter().position(|&known| known == row) {
        Some(place) => odd.get(place).copied().flatten(),
        None => good.get(row % good.len()).copied(),
    };
    Arc::new((0..rows).map(value).collect::<arrow_array::Float64Array>())
}

fn words(rows: usize, good: &[&str], odd: &[Option<String>], at: &[usize], coded: bool) -> ArrayRef {
    let value = |row: usize| match at.iter().position(|&known| known == row) {
        Some(place) => odd.get(place).and_then(Option::as_deref),
        None => good.get(row % good.len()).copied(),
    };
    if coded {
        Arc::new((0..rows).map(value).collect::<DictionaryArray<Int32Type>>())
    } else {
        Arc::new((0..rows).map(value).collect::<StringArray>())
    }
}

proptest! {
    #[test]
    fn a_look_at_many_values_finds_what_a_look_at_each_finds(
        rows in 1_usize..2_600,
        odd_numbers in prop::collection::vec(prop::option::of(prop_oneof![prop::num::f64::ANY, Just(f64::INFINITY), Just(f64::NAN), (-9i32..99).prop_map(|n| f64::from(n) / 2.0)]), 0..4),
        odd_words in prop::collection::vec(prop::option::of("\\PC{0,4}|( a|b |NA|\\?|x|NA | y|yes|no|<<<<<<<)"), 0..4),
        at in prop::collection::vec(0_usize..2_600, 4),
        (coded, sparse, refuse) in any::<(bool, bool, bool)>(),
        split in 0_usize..2_600,
    ) {
        let contract = Contract { duplicates: if refuse { Duplicates::Refuse } else { Duplicates::Group }, ..Contract::parse(SWEPT).unwrap() };
        let missing: &[&str] = if sparse { &["a", "", "b"] } else { &["a", "b", "a level of more than sixteen bytes"] };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("churn", words(rows, &["no", "yes", "no"], &odd_words, &at, coded)),
            ("id", numbers(rows, &[1.0, 2.5, 3.0], &odd_numbers, &at)),
            ("free", numbers(rows, &[0.5, -1e300, 0.0], &odd_numbers, &at)),
            ("place", words(rows, &["x"], &odd_words, &at, !coded)),
            ("plan", words(rows, missing, &odd_words, &at, coded)),
            ("whole", numbers(rows, if sparse { &[1.0, f64::NAN] } else { &[1.0, -3.0, 90.0] }, &odd_numbers, &at)),
        ];
        let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
        let split = split.min(rows);
        let batches = [batch.slice(0, split), batch.slice(split, rows - split)];
        let table = read(&contract, &batches).unwrap();
        prop_assert_eq!(format!("{table:?}"), format!("{:?}", one_by_one(&contract, &batches)));
        let checked = super::check(&contract, &batches).unwrap();
        prop_assert_eq!((checked.row_mask, checked.violations, checked.counts), (table.row_mask, table.violations, table.counts));
    }
}
