//! Our own routes (T2, T3): customers or rows in, yes or no out, and the id under which the evidence is found.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use artifact::{Asking, Granularity, Shown};
use hyper::StatusCode;
use pipeline::serving::{Call, PublicColumn, PublicModel, Reply, Told};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::answer::{self, Answer, Columns, Refusal};
use crate::asks::Asks;
use crate::body::{self, Kind, Pending};
use crate::caller;
use crate::config::{COLUMN_CHARS_MAX, COLUMNS_MAX, CUSTOMER_CHARS_MAX, CUSTOMERS_MAX, ROWS_MAX, VALUE_CHARS_MAX, fits};
use crate::form::{self, Fields, Plus};
use crate::serve::{App, Asked};

/// Unknown columns that a refusal names.
const COLUMNS_NAMED: usize = 20;

/// `GET /v1/customers/{id}/churn`.
pub(crate) async fn churn<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let key = caller::admitted(app, asked.headers, asked.peer, Asking::ByCustomer).await?;
    let granularity = granularity(asked.query)?;
    let id = asked.taken.and_then(|taken| form::decode(taken, Plus::Plus));
    let customer = id.ok_or_else(|| Refusal::bad("a customer's id is not percent-encoded UTF-8"))?;
    check_customer(&customer)?;
    let call = Call { key, customers: vec![customer], asking: Some(Asking::ByCustomer), granularity, ..Call::default() };
    let answered = ask(app, call).await?;
    let row = answered.rows.into_iter().next().ok_or_else(|| Refusal::internal("an answer without a row"))?;
    answer::json(&OneJson { row, evidence: answered.evidence })
}

/// `POST /v1/predictions`.
pub(crate) async fn predictions<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Answer, Refusal> {
    let key = caller::admitted(app, asked.headers, asked.peer, Asking::ByCustomer).await?;
    let granularity = granularity(asked.query)?;
    body::check_kind(asked.headers, Kind::Json)?;
    let bytes = body.read(app.limits.body_bytes_max, app.limits.body_seconds).await?;
    let Customers { customers } = parse(&bytes)?;
    if customers.is_empty() || customers.len() > CUSTOMERS_MAX {
        return Err(Refusal::bad("no customers or too many"));
    }
    customers.iter().try_for_each(|customer| check_customer(customer))?;
    let call = Call { key, customers, asking: Some(Asking::ByCustomer), granularity, ..Call::default() };
    answer::json(&ask(app, call).await?)
}

/// `POST /v1/what-if`.
pub(crate) async fn what_if<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Answer, Refusal> {
    let key = caller::admitted(app, asked.headers, asked.peer, Asking::WhatIf).await?;
    let granularity = granularity(asked.query)?;
    body::check_kind(asked.headers, Kind::Json)?;
    let bytes = body.read(app.limits.body_bytes_max, app.limits.body_seconds).await?;
    let Rows { rows } = parse(&bytes)?;
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Err(Refusal::bad("no rows or too many"));
    }
    let rows = rows.into_iter().map(|Row(row)| row).collect();
    answer::json(&ask(app, Call { key, rows, asking: Some(Asking::WhatIf), granularity, ..Call::default() }).await?)
}

/// Asks, and checks that the answer is no finer and no longer than the question.
pub(crate) async fn ask<A: Asks, C>(app: &App<A, C>, call: Call) -> Result<Answered, Refusal> {
    let (wished, expected) = (call.granularity.unwrap_or(Granularity::ClassOnly), call.customers.len() + call.rows.len());
    let unfit = if call.rows.is_empty() { Columns::default() } else { unfit(&app.asks.model(), &call.rows) };
    let reply = Refusal::of(app.asks.ask(call).await).map_err(|refusal| match refusal.status {
        // Only a key that may ask what-if, and so may read these names in the metadata, gets so far.
        StatusCode::UNPROCESSABLE_ENTITY => Refusal { columns: unfit, ..refusal },
        _ => refusal,
    })?;
    match reply {
        Reply::Told { rows, model, version, evidence } => {
            let too_fine = rows.iter().any(|row| row.shown.granularity() > wished);
            if too_fine || rows.len() != expected {
                return Err(Refusal::internal(format!("the answer under {evidence} is finer or longer than the question")));
            }
            Ok(Answered { rows: rows.into_iter().map(RowJson::from).collect(), model, version, evidence })
        }
        Reply::Refused { .. } => Err(Refusal::internal("a refusal was taken for an answer")),
    }
}

/// Columns of the model that some row lacks, and those of some row that the model does not have.
fn unfit(model: &PublicModel, rows: &[BTreeMap<String, Option<String>>]) -> Columns {
    // As input validation reads a row: a column that may be missing may be left out.
    let filled = |row: &BTreeMap<String, Option<String>>, name: &str| row.get(name).is_some_and(Option::is_some);
    let lacks = |column: &&PublicColumn| !column.optional && rows.iter().any(|row| !filled(row, &column.name));
    let known = |name: &str| model.columns.iter().any(|column| column.name == name);
    let unknown: BTreeSet<&String> = rows.iter().flat_map(BTreeMap::keys).filter(|name| !known(name)).collect();
    Columns {
        missing: model.columns.iter().filter(lacks).map(|column| column.name.clone()).collect(),
        unknown: unknown.into_iter().take(COLUMNS_NAMED).cloned().collect(),
    }
}

/// `?granularity=`, the only field there is.
fn granularity(query: &str) -> Result<Option<Granularity>, Refusal> {
    match Fields::parse(query)?.only(&["granularity"])?.get("granularity") {
        None => Ok(None),
        Some("class") => Ok(Some(Granularity::ClassOnly)),
        Some("decile") => Ok(Some(Granularity::Decile)),
        Some(_) => Err(Refusal::bad("a granularity that is not known")),
    }
}

fn check_customer(customer: &str) -> Result<(), Refusal> {
    if customer.is_empty() || !fits(customer, CUSTOMER_CHARS_MAX) || customer.chars().any(char::is_control) {
        return Err(Refusal::bad("a customer's id is empty, too long or has control characters"));
    }
    Ok(())
}

pub(crate) fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Refusal> {
    // The parser's words can quote the body, so they stay here; the place is enough to find the fault.
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::bad(format!("the body is not as described, line {} column {}", error.line(), error.column())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Customers {
    customers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: Vec<Row>,
}

/// A row: every column once. (Which of two equal names wins differs between parsers, so neither does.)
struct Row(BTreeMap<String, Option<String>>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> Visitor<'de> for RowVisitor {
            type Value = Row;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of columns")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Row, M::Error> {
                let mut row = BTreeMap::new();
                while let Some((name, Cell(value))) = map.next_entry::<String, Cell>()? {
                    let good = fits(&name, COLUMN_CHARS_MAX) && row.len() < COLUMNS_MAX;
                    if !good || row.insert(name, value).is_some() {
                        return Err(M::Error::custom("too many columns, or one twice"));
                    }
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(RowVisitor)
    }
}

/// A value as text, as the contract reads it; none is missing.
pub(crate) struct Cell(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a number, true, false or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Cell, E> {
        Ok(Cell(None))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell(Some(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell(Some(value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Cell, E> {
        Ok(Cell(Some(value.to_string())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Cell, E> {
        Ok(Cell(Some(value.to_string())))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cell, E> {
        if !fits(value, VALUE_CHARS_MAX) {
            return Err(E::custom("a value is too long"));
        }
        Ok(Cell(Some(value.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, _: S) -> Result<Cell, S::Error> {
        Err(S::Error::custom("a list"))
    }
}

/// An answer, ready to be rendered.
#[derive(Serialize)]
pub(crate) struct Answered {
    #[serde(rename = "predictions")]
    pub(crate) rows: Vec<RowJson>,
    pub(crate) model: String,
    pub(crate) version: String,
    pub(crate) evidence: String,
}

/// One row of an answer.
#[derive(Serialize)]
pub(crate) struct RowJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) churn: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decile: Option<u8>,
}

impl From<Told> for RowJson {
    fn from(told: Told) -> Self {
        let (churn, decile) = match told.shown {
            Shown::Class(churns) => (Some(Cow::Borrowed(if churns { "yes" } else { "no" })), None),
            Shown::Decile(decile) => (None, Some(decile)),
        };
        Self { customer: told.customer, churn, decile }
    }
}

#[derive(Serialize)]
struct OneJson {
    #[serde(flatten)]
    row: RowJson,
    evidence: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(json: &str) -> Option<Vec<(String, Option<String>)>> {
        parse::<Rows>(format!("{{\"rows\":[{json}]}}").as_bytes())
            .ok()
            .map(|rows| rows.rows.into_iter().flat_map(|row| row.0).collect())
    }

    #[test]
    fn values_become_the_text_that_was_meant() {
        let read = row(r#"{"a":1,"b":-0.1,"c":"x","d":null,"e":true,"f":1e3,"g":12345678901234567890}"#).unwrap();
        let texts: Vec<_> = read.iter().map(|(_, value)| value.as_deref()).collect();
        assert_eq!(texts, [Some("1"), Some("-0.1"), Some("x"), None, Some("true"), Some("1000"), Some("12345678901234567890")]);
    }

    #[test]
    fn a_column_twice_is_refused() {
        assert!(row(r#"{"a":1,"b":1}"#).is_some() && row(r#"{"a":1,"\u0061":2}"#).is_none());
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for json in [r#"{"a":[1]}"#, r#"{"a":{}}"#, r#"{"a":1e999}"#, r#"{"a":NaN}"#, "[]", "1"] {
            assert!(row(json).is_none(), "{json}");
        }
        assert!(row(&format!("{{\"a\":\"{}\"}}", "x".repeat(VALUE_CHARS_MAX + 1))).is_none());
    }

    #[test]
    fn members_that_nobody_asked_for_are_refused() {
        assert!(parse::<Customers>(br#"{"customers":["1"]}"#).is_ok());
        assert!(parse::<Customers>(br#"{"customers":["1"],"debug":true}"#).is_err());
    }

    #[test]
    fn granularity_is_asked_for_by_name() {
        assert_eq!(granularity("").unwrap(), None);
        assert_eq!(granularity("granularity=decile").unwrap(), Some(Granularity::Decile));
        for query in ["granularity=raw", "granularity=", "granularity=class&granularity=decile", "debug=1"] {
            assert_eq!(granularity(query).unwrap_err().status, 400, "{query}");
        }
    }

    #[test]
    fn a_what_if_that_does_not_fit_is_told_the_names() {
        let column = |name: &str, optional| PublicColumn { name: name.to_owned(), number: true, optional };
        let columns = vec![column("tenure", false), column("spend", true)];
        let model = PublicModel { name: "churn".into(), version: "1".into(), columns };
        let check = |json: &str, missing: &[&str], unknown: &[&str]| {
            let rows: Rows = parse(format!("{{\"rows\":[{json}]}}").as_bytes()).unwrap();
            let rows: Vec<_> = rows.rows.into_iter().map(|Row(row)| row).collect();
            let found = unfit(&model, &rows);
            assert_eq!(
                (found.missing, found.unknown),
                (
                    missing.iter().map(|name| (*name).to_owned()).collect(),
                    unknown.iter().map(|name| (*name).to_owned()).collect()
                ),
                "{json}"
            );
        };
        check(r#"{"tenure":1,"spend":2}"#, &[], &[]);
        check(r#"{"tenure":1,"spend":null}"#, &[], &[]);
        check(r#"{"tenure":null,"spend":2}"#, &["tenure"], &[]);
        check(r#"{"tenur":1,"spend":2}"#, &["tenure"], &["tenur"]);
        check(r#"{"tenure":1},{"spend":2}"#, &["tenure"], &[]);
    }

    #[test]
    fn a_fault_does_not_quote_the_body() {
        let refusal = parse::<Customers>(br#"{"secret-of-body":1}"#).err().unwrap();
        assert!(!refusal.why.contains("secret"));
    }

    proptest! {
        #[test]
        fn no_body_is_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse::<Rows>(&bytes);
            let _ = parse::<Customers>(&bytes);
        }
    }
}
