//! What is compared: trusted history, and a delivery with what its parser and its contract found.

use frame::{Categories, Column, Frame};
use serde::{Deserialize, Serialize};
use tabular::contract::{Contract, Role};
use tabular::typed::TypedTable;

use crate::ProfileSpec;

/// Trusted history: rows that no third party fed.
#[derive(Clone, Copy, Debug)]
pub struct Golden<'a> {
    /// All columns, the identifier, time, label and value among them.
    pub frame: &'a Frame,
}

/// One value, row or table that breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractFinding {
    /// The row; `None` for the table.
    pub row: Option<u64>,
    /// The column; empty for the whole row.
    pub column: String,
    /// What was seen.
    pub seen: String,
}

/// A delivery, read.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// All columns, as in the golden set.
    pub frame: &'a Frame,
    /// What the contract found.
    pub contract: Vec<ContractFinding>,
    /// Records that could not be read.
    pub broken_records: u64,
    /// Seconds since 1970 at arrival; without it nothing is in the future.
    pub now: Option<i64>,
}

impl<'a> Delivery<'a> {
    /// A delivery of which nothing else is known.
    pub fn of(frame: &'a Frame) -> Self {
        Self { frame, contract: Vec::new(), broken_records: 0, now: None }
    }
}

/// A typed table as one frame with identifier, time, label and value under their contract's names, and what the contract found in
/// it. Columns that the frame holds already (a value that is also a feature) are not added twice.
pub fn of_typed(table: &TypedTable, contract: &Contract) -> (Frame, Vec<ContractFinding>) {
    let mut out = table.frame.clone();
    let mut add = |role: Role, column: Option<Column>| {
        if let (Some(rule), Some(column)) = (contract.of_role(role), column)
            && out.column(&rule.name).is_none()
        {
            // The same rows by construction: a column that did not fit would be left out.
            let _ = out.push(&rule.name, column);
        }
    };
    add(
        Role::Id,
        Some(Column::Category(Categories::from_texts(table.ids.iter().map(|id| Some(id.as_str()).filter(|id| !id.is_empty()))))),
    );
    let label = |all: &Vec<Option<bool>>| {
        Column::Category(Categories::from_texts(all.iter().map(|label| label.map(|label| if label { "yes" } else { "no" }))))
    };
    add(Role::Label, table.label.as_ref().map(label));
    let moment = |all: &Vec<Option<i64>>| Column::Number(all.iter().map(|at| at.map_or(f64::NAN, |at| at as f64)).collect());
    add(Role::Time, table.time.as_ref().map(moment));
    add(Role::Value, table.value.clone().map(Column::Number));
    let found = table.violations.iter().map(|violation| ContractFinding {
        row: violation.row.and_then(|row| u64::try_from(row).ok()),
        column: violation.column.clone(),
        seen: format!("{}: `{}`", violation.rule.about(), violation.seen),
    });
    (out, found.collect())
}

impl ProfileSpec {
    /// What a contract declares of the columns that [`of_typed`] makes a frame of.
    pub fn of(contract: &Contract, frame: &Frame) -> Self {
        let named = |role: Role| contract.of_role(role).map(|rule| rule.name.clone()).filter(|name| frame.column(name).is_some());
        Self {
            id: named(Role::Id),
            time: named(Role::Time),
            label: named(Role::Label),
            value: named(Role::Value),
            ..Self::default()
        }
    }
}
