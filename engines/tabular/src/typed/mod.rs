//! Holds records against the contract, value by value: what breaks it is listed, its row marked, and nothing is guessed at (T1).

mod build;
mod check;
mod group;
mod sweep;
#[cfg(test)]
mod tests;
pub(crate) mod time;
mod way;

pub use build::{SHARE_ROWS_MIN, Typer, check, read};

use frame::Frame;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Violations that are kept with row and value; further ones are only counted.
pub const VIOLATIONS_KEPT_MAX: usize = 10_000;
/// Characters of a value that a violation shows.
pub const SEEN_CHARS_MAX: usize = 80;
/// Rows of one table.
pub const ROWS_MAX: usize = 200_000_000;

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The table lacks a column.
    ColumnMissing,
    /// The table has a column that the contract does not name.
    ColumnExtra,
    /// A column lacks, and another of nearly that name is there.
    ColumnRenamed,
    /// The value is not of the column's kind.
    Type,
    /// The value is no whole number.
    Whole,
    /// The value is outside its range.
    Range,
    /// The level is not among those allowed.
    Level,
    /// The value is missing where none may.
    Missing,
    /// More values are missing than may.
    MissingShare,
    /// The share of positive labels is outside its range.
    LabelRate,
    /// The row equals an earlier one where none may.
    Duplicate,
    /// The same identifier stands in another row of the same moment, with other values.
    IdTwice,
    /// The value holds the mark of an unsettled merge, or a control character.
    ForeignMark,
}

impl Rule {
    /// What is wrong, in words.
    pub fn about(self) -> &'static str {
        match self {
            Self::ColumnMissing => "the table lacks a column of the contract",
            Self::ColumnExtra => "the table has a column that the contract does not name",
            Self::ColumnRenamed => "a column lacks, and another of nearly that name is there",
            Self::Type => "the value is not of the column's kind",
            Self::Whole => "the value is no whole number",
            Self::Range => "the value is outside its range",
            Self::Level => "the level is not among those allowed",
            Self::Missing => "the value is missing where none may",
            Self::MissingShare => "more values are missing than may",
            Self::LabelRate => "the share of positive labels is outside its range",
            Self::Duplicate => "the row equals an earlier one where none may",
            Self::IdTwice => "the identifier stands in another row of the same moment, with other values",
            Self::ForeignMark => "the value holds the mark of an unsettled merge, or a control character",
        }
    }

    /// Whether the rule is about the whole table rather than one row.
    pub fn of_table(self) -> bool {
        match self {
            Self::ColumnMissing | Self::ColumnExtra | Self::ColumnRenamed | Self::MissingShare | Self::LabelRate => true,
            Self::Type | Self::Whole | Self::Range | Self::Level | Self::Missing => false,
            Self::Duplicate | Self::IdTwice | Self::ForeignMark => false,
        }
    }
}

/// One value, row or table that breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The row, from 0 over all batches; `None` if the whole table is meant.
    pub row: Option<usize>,
    /// The column; empty if the whole row is meant.
    pub column: String,
    /// What was broken.
    pub rule: Rule,
    /// What was seen, cut to [`SEEN_CHARS_MAX`].
    pub seen: String,
}

/// What is wrong with records, without a table of them; all as in [`TypedTable`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Rows that break the contract: true is broken.
    pub row_mask: Vec<bool>,
    /// What is broken, in order of rows, at most [`VIOLATIONS_KEPT_MAX`]; those of the table stand first.
    pub violations: Vec<Violation>,
    /// How often each rule was broken in each column, complete.
    pub counts: BTreeMap<String, BTreeMap<Rule, u64>>,
}

impl Checked {
    /// How many violations there are, those not kept included.
    pub fn violations_count(&self) -> u64 {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }
}

/// Records as typed columns, and what is wrong with them.
///
/// All vectors have one entry a row. A value of the wrong type or of an unknown level is missing in the frame; a number outside its
/// range stands as it was read. Either way its row is marked in `row_mask`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TypedTable {
    /// Columns that a model may read, in the order of the contract; third-party and protected ones included.
    pub frame: Frame,
    /// Identifiers; all empty if the contract has none.
    pub ids: Vec<String>,
    /// Labels, true where churned; `None` if the contract has none.
    pub label: Option<Vec<Option<bool>>>,
    /// Seconds since 1970, UTC; `None` if the contract has none.
    pub time: Option<Vec<Option<i64>>>,
    /// Value at stake, `NaN` where missing; `None` if the contract has none.
    pub value: Option<Vec<f64>>,
    /// Names of columns of the frame that come from outside.
    pub third_party: Vec<String>,
    /// Names of columns of the frame that stand for protected attributes.
    pub protected: Vec<String>,
    /// For each row the first row that equals it in every column that is not ignored; itself, mostly.
    pub groups: Vec<usize>,
    /// Rows that break the contract: true is broken.
    pub row_mask: Vec<bool>,
    /// What is broken, in order of rows, at most [`VIOLATIONS_KEPT_MAX`]; those of the table stand first.
    pub violations: Vec<Violation>,
    /// How often each rule was broken in each column, complete.
    pub counts: BTreeMap<String, BTreeMap<Rule, u64>>,
}

impl TypedTable {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.row_mask.len()
    }

    /// How many violations there are, those not kept included.
    pub fn violations_count(&self) -> u64 {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }

    /// How often a rule was broken, over all columns.
    pub fn count(&self, rule: Rule) -> u64 {
        self.counts.values().filter_map(|rules| rules.get(&rule)).sum()
    }

    /// Whether the table as a whole keeps the contract; single rows may still break it.
    pub fn table_keeps(&self) -> bool {
        self.counts.values().flat_map(BTreeMap::keys).all(|rule| !rule.of_table())
    }

    /// Rows that keep the contract, in order.
    pub fn clean_rows(&self) -> Vec<usize> {
        (0..self.rows()).filter(|&row| self.row_mask.get(row) == Some(&false)).collect()
    }

    /// Marks rows that share identifier and moment but not their values: nobody can say which of them is the customer. Rows that are
    /// equal in everything are one row twice and stay. `column` is the identifier's, for the violations.
    pub fn mark_ids_twice(&mut self, column: &str) {
        let moment = |row: usize| self.time.as_ref().and_then(|all| all.get(row).copied().flatten());
        let key = |row: usize| (self.ids.get(row).map(String::as_str).unwrap_or_default(), moment(row));
        let mut order: Vec<usize> = (0..self.rows()).filter(|&row| !key(row).0.is_empty()).collect();
        order.sort_by(|&one, &two| key(one).cmp(&key(two)).then(one.cmp(&two)));
        let mut twice: Vec<usize> = Vec::new();
        for run in order.chunk_by(|&one, &two| key(one) == key(two)) {
            let first = run.first().and_then(|&row| self.groups.get(row));
            if run.iter().any(|&row| self.groups.get(row) != first) {
                twice.extend(run);
            }
        }
        twice.sort_unstable();
        for row in twice {
            if let Some(mark) = self.row_mask.get_mut(row) {
                *mark = true;
            }
            *self.counts.entry(column.to_owned()).or_default().entry(Rule::IdTwice).or_default() += 1;
            if self.violations.len() < VIOLATIONS_KEPT_MAX {
                let seen = self.ids.get(row).map_or_else(String::new, |id| id.chars().take(SEEN_CHARS_MAX).collect());
                self.violations.push(Violation { row: Some(row), column: column.to_owned(), rule: Rule::IdTwice, seen });
            }
        }
    }

    /// Rows that equal an earlier row.
    pub fn duplicates_count(&self) -> usize {
        self.groups.iter().enumerate().filter(|&(row, &first)| row != first).count()
    }

    /// The chosen rows, in the chosen order; rows beyond the end are left out. Groups are numbered anew; violations and counts are
    /// not taken along, but the mask is.
    pub fn take(&self, rows: &[usize]) -> Self {
        let rows: Vec<usize> = rows.iter().copied().filter(|&row| row < self.rows()).collect();
        let mut firsts = BTreeMap::new();
        let groups =
            rows.iter().enumerate().map(|(at, &row)| *firsts.entry(self.groups.get(row).copied()).or_insert(at)).collect();
        Self {
            frame: self.frame.take(&rows),
            ids: rows.iter().filter_map(|&row| self.ids.get(row).cloned()).collect(),
            label: self.label.as_ref().map(|all| rows.iter().map(|&row| all.get(row).copied().flatten()).collect()),
            time: self.time.as_ref().map(|all| rows.iter().map(|&row| all.get(row).copied().flatten()).collect()),
            value: self.value.as_ref().map(|all| rows.iter().map(|&row| all.get(row).copied().unwrap_or(f64::NAN)).collect()),
            third_party: self.third_party.clone(),
            protected: self.protected.clone(),
            groups,
            row_mask: rows.iter().filter_map(|&row| self.row_mask.get(row).copied()).collect(),
            violations: Vec::new(),
            counts: BTreeMap::new(),
        }
    }
}
