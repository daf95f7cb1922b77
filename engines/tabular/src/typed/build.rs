//! Turns batches into a typed table, one bounded batch after the other.

use super::check::{Keep, Sink};
use super::group::Parts;
use super::way::{Found, Way};
use super::{Checked, ROWS_MAX, Rule, TypedTable, VIOLATIONS_KEPT_MAX, Violation};
use crate::bridge::{self, BridgeError};
use crate::contract::{Contract, Duplicates, Kind, Missing, Role};
use crate::marks::Marks;
use arrow_array::{Array, RecordBatch};
use frame::{Categories, Column, Frame, MISSING};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Rows below which a share (of missing values, of positive labels) is not judged: it would be noise. At 100 rows and a rate of 0.27 one
/// standard error is 0.044.
pub const SHARE_ROWS_MIN: usize = 100;
/// Letters in which a name may differ and still be taken for a renamed column.
const RENAME_DISTANCE_MAX: usize = 2;
/// Values of a batch from which on its columns are dealt to all cores; fewer are done before another core is awake.
const PARALLEL_VALUES_MIN: usize = 1 << 15;

/// Collects batches into a [`TypedTable`].
#[derive(Clone, Debug)]
pub struct Typer {
    contract: Contract,
    marks: Marks,
    names: Vec<String>,
    ways: Vec<Way>,
    row_mask: Vec<bool>,
    of_table: Vec<Violation>,
    /// Violations of rows, with the place of their column.
    of_rows: Vec<(usize, Violation)>,
    counts: BTreeMap<String, BTreeMap<Rule, u64>>,
}

/// Types whole batches at once.
pub fn read(contract: &Contract, batches: &[RecordBatch]) -> Result<TypedTable, BridgeError> {
    let names = batches.first().map_or_else(Vec::new, names_of);
    let mut typer = Typer::new(contract, &names);
    for batch in batches {
        typer.push(batch)?;
    }
    Ok(typer.finish())
}

/// Holds whole batches against the contract and builds no table: the same findings as [`read`], in a fraction of the time. Where equal
/// rows break the contract the table is built all the same, to find them.
///
/// # Errors
/// A type that a table of customers has no use for, or batches of different columns.
pub fn check(contract: &Contract, batches: &[RecordBatch]) -> Result<Checked, BridgeError> {
    if contract.duplicates == Duplicates::Refuse {
        let table = read(contract, batches)?;
        return Ok(Checked { row_mask: table.row_mask, violations: table.violations, counts: table.counts });
    }
    let names = batches.first().map_or_else(Vec::new, names_of);
    let mut typer = Typer::with(contract, &names, Keep::Counts);
    for batch in batches {
        typer.push(batch)?;
    }
    Ok(typer.checked())
}

fn names_of(batch: &RecordBatch) -> Vec<String> {
    batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
}

impl Typer {
    /// Begins a table whose batches have columns of these names, in this order. The order need not be the contract's.
    pub fn new(contract: &Contract, names: &[String]) -> Self {
        Self::with(contract, names, Keep::Values)
    }

    /// The same, with every value judged by itself.
    #[cfg(test)]
    pub(super) fn one_by_one(mut self) -> Self {
        self.ways.iter_mut().for_each(Way::one_by_one);
        self
    }

    fn with(contract: &Contract, names: &[String], keep: Keep) -> Self {
        let marks = Marks::new(&contract.missing_marks);
        let kept = contract.columns.iter().filter(|rule| rule.role != Role::Ignore);
        let ways = kept.map(|rule| Way::new(rule, contract.decimal, names, &marks, keep));
        let mut out = Self {
            contract: contract.clone(),
            marks: marks.clone(),
            names: names.to_vec(),
            ways: ways.collect(),
            row_mask: Vec::new(),
            of_table: Vec::new(),
            of_rows: Vec::new(),
            counts: BTreeMap::new(),
        };
        out.names_checked();
        out
    }

    /// Lists columns that lack, that are extra, and that seem renamed.
    fn names_checked(&mut self) {
        let lacking: Vec<String> = self.ways.iter().filter(|way| way.source.is_none()).map(|way| way.rule.name.clone()).collect();
        let known = |at: usize, name: &String| {
            self.names.iter().position(|other| other == name) == Some(at) && self.contract.column(name).is_some()
        };
        let mut extra: Vec<String> =
            self.names.iter().enumerate().filter(|&(at, name)| !known(at, name)).map(|(_, name)| name.clone()).collect();
        for name in lacking {
            let near = extra.iter().position(|other| seems(&name, other));
            match near {
                Some(at) => {
                    let seen = extra.remove(at);
                    self.note_table(&name, Rule::ColumnRenamed, seen);
                }
                None => self.note_table(&name, Rule::ColumnMissing, String::new()),
            }
        }
        for name in extra {
            let seen = name.chars().take(super::SEEN_CHARS_MAX).collect();
            self.note_table(&name, Rule::ColumnExtra, seen);
        }
    }

    fn count(&mut self, column: &str, rule: Rule, rows: u64) {
        if let Some(rules) = self.counts.get_mut(column) {
            *rules.entry(rule).or_default() += rows;
        } else {
            self.counts.insert(column.to_owned(), BTreeMap::from([(rule, rows)]));
        }
    }

    /// Takes over what one column of a batch broke; `first` is the batch's first row.
    fn note(&mut self, place: usize, first: usize, found: Found) {
        let Some(name) = self.ways.get(place).map(|way| way.rule.name.clone()) else { return };
        for (rule, rows) in found.counts {
            self.count(&name, rule, rows);
        }
        for (mark, broken) in self.row_mask.iter_mut().skip(first).zip(found.mask) {
            *mark |= broken;
        }
        let room = VIOLATIONS_KEPT_MAX.saturating_sub(self.of_rows.len());
        self.of_rows.extend(
            found
                .kept
                .into_iter()
                .take(room)
                .map(|(row, rule, seen)| (place, Violation { row: Some(first + row), column: name.clone(), rule, seen })),
        );
    }

    fn note_table(&mut self, column: &str, rule: Rule, seen: String) {
        self.count(column, rule, 1);
        self.of_table.push(Violation { row: None, column: column.to_owned(), rule, seen });
    }

    fn note_row(&mut self, place: usize, row: usize, column: &str, rule: Rule, seen: impl FnOnce() -> String) {
        self.count(column, rule, 1);
        if let Some(mark) = self.row_mask.get_mut(row) {
            *mark = true;
        }
        if self.of_rows.len() < VIOLATIONS_KEPT_MAX {
            self.of_rows.push((place, Violation { row: Some(row), column: column.to_owned(), rule, seen: seen() }));
        }
    }

    /// How many rows were taken.
    pub fn rows(&self) -> usize {
        self.row_mask.len()
    }

    /// Takes a batch of any types that [`bridge::plain`] knows. Its names must be those that the table began with.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), BridgeError> {
        if names_of(batch) != self.names {
            return Err(BridgeError::Arrow("a batch has other columns than the first".to_owned()));
        }
        let (first, rows) = (self.rows(), batch.num_rows());
        if first + rows > ROWS_MAX {
            return Err(BridgeError::Arrow(format!("the table has more than {ROWS_MAX} rows")));
        }
        // What is of no use is told before anything is looked at, whatever column it is in.
        for (column, name) in batch.columns().iter().zip(&self.names) {
            bridge::plain_column(name, &column.slice(0, 0))?;
        }
        self.row_mask.resize(first + rows, false);
        let room = VIOLATIONS_KEPT_MAX.saturating_sub(self.of_rows.len());
        let mut ways = std::mem::take(&mut self.ways);
        let marks = &self.marks;
        let found: Result<Vec<Found>, BridgeError> = if rows * ways.len() < PARALLEL_VALUES_MIN {
            ways.iter_mut().map(|way| way.take(batch, marks, room)).collect()
        } else {
            ways.par_iter_mut().map(|way| way.take(batch, marks, room)).collect()
        };
        self.ways = ways;
        for (place, found) in found?.into_iter().enumerate() {
            self.note(place, first, found);
        }
        Ok(())
    }

    /// Ends a check: judges shares, puts violations in order.
    fn checked(mut self) -> Checked {
        self.shares(self.rows());
        let labels = self.ways.iter().find_map(|way| match &way.checker.sink {
            Sink::Counts(counts) => Some((counts.clone(), way.rule.kind.clone())),
            Sink::Number(_) | Sink::Category(_) | Sink::Moment(_) | Sink::Text(_) | Sink::Nothing => None,
        });
        if let Some((counts, kind)) = labels {
            let churned = positive(&self.contract, &kind).and_then(|at| counts.get(at)).copied().unwrap_or(0);
            let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
            self.label_rate(count(churned), count(counts.iter().sum()));
        }
        let violations = self.ordered();
        Checked { row_mask: self.row_mask, violations, counts: self.counts }
    }

    /// Violations: those of the table, then those of rows in their order.
    fn ordered(&mut self) -> Vec<Violation> {
        self.of_rows.sort_by_key(|(place, violation)| (violation.row, *place));
        let mut out = std::mem::take(&mut self.of_table);
        out.extend(std::mem::take(&mut self.of_rows).into_iter().map(|(_, violation)| violation));
        out
    }

    /// Ends the table: judges shares, finds equal rows, puts violations in order.
    pub fn finish(mut self) -> TypedTable {
        let rows = self.rows();
        self.shares(rows);
        let mut out = TypedTable {
            frame: Frame::new(rows),
            ids: vec![String::new(); rows],
            third_party: self.contract.names_of(Role::ThirdParty),
            protected: self.contract.names_of(Role::Protected),
            ..TypedTable::default()
        };
        for way in std::mem::take(&mut self.ways) {
            place(&mut out, way, &self.contract);
        }
        if let Some(labels) = &out.label {
            let churned = labels.iter().flatten().filter(|&&churned| churned).count();
            self.label_rate(churned, labels.iter().flatten().count());
        }
        let parts = Parts {
            ids: &out.ids,
            columns: out.frame.columns().iter().collect(),
            label: out.label.as_deref(),
            time: out.time.as_deref(),
            value: out.value.as_deref(),
        };
        out.groups = parts.groups(rows);
        if self.contract.duplicates == Duplicates::Refuse {
            let later: Vec<(usize, usize)> =
                out.groups.iter().copied().enumerate().filter(|&(row, first)| row != first).collect();
            for (row, first) in later {
                self.note_row(usize::MAX, row, "", Rule::Duplicate, || format!("equals row {first}"));
            }
        }
        out.violations = self.ordered();
        out.counts = self.counts;
        out.row_mask = self.row_mask;
        out
    }

    fn shares(&mut self, rows: usize) {
        if rows < SHARE_ROWS_MIN {
            return;
        }
        let over: Vec<(String, String)> = self
            .ways
            .iter()
            .filter(|way| way.source.is_some())
            .filter_map(|way| match way.rule.missing {
                Missing::Allowed { share_max } => {
                    let share = ratio(way.missing, rows);
                    (share > share_max).then(|| (way.rule.name.clone(), format!("{share:.4}, allowed {share_max}")))
                }
                Missing::Refused => None,
            })
            .collect();
        for (column, seen) in over {
            self.note_table(&column, Rule::MissingShare, seen);
        }
    }

    fn label_rate(&mut self, churned: usize, known: usize) {
        let Some(rule) = self.contract.label.clone() else { return };
        if known < SHARE_ROWS_MIN {
            return;
        }
        let rate = ratio(churned, known);
        if !(rule.rate_min..=rule.rate_max).contains(&rate) {
            let column = self.contract.of_role(Role::Label).map_or_else(String::new, |column| column.name.clone());
            self.note_table(&column, Rule::LabelRate, format!("{rate:.4}, allowed {} to {}", rule.rate_min, rule.rate_max));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// The code of the level that means churn.
fn positive(contract: &Contract, kind: &Kind) -> Option<usize> {
    match kind {
        Kind::Category { levels } => {
            contract.label.as_ref().and_then(|label| levels.iter().position(|level| *level == label.positive))
        }
        Kind::Number { .. } | Kind::Time { .. } | Kind::Text => None,
    }
}

/// Puts a finished column to its place in the table.
fn place(out: &mut TypedTable, way: Way, contract: &Contract) {
    let levels = match &way.rule.kind {
        Kind::Category { levels } => levels.clone(),
        Kind::Number { .. } | Kind::Time { .. } | Kind::Text => Vec::new(),
    };
    match (way.rule.role, way.checker.sink) {
        (Role::Id, Sink::Text(ids)) => out.ids = ids,
        (Role::Label, Sink::Category(codes)) => {
            let positive = positive(contract, &way.rule.kind);
            let label = |code: u32| (code != MISSING).then(|| usize::try_from(code).ok() == positive);
            out.label = Some(codes.into_iter().map(label).collect());
        }
        (Role::Time, Sink::Moment(moments)) => out.time = Some(moments),
        (role, sink) => {
            let column = match sink {
                Sink::Number(values) => Column::Number(values),
                Sink::Category(codes) => Column::Category(Categories { levels, codes }),
                Sink::Moment(_) | Sink::Text(_) | Sink::Counts(_) | Sink::Nothing => return,
            };
            if let (Role::Value, Column::Number(values)) = (role, &column) {
                out.value = Some(values.clone());
            }
            if way.rule.in_frame() {
                // INVARIANT: `Contract::parse` and `guess` allow each name once, and every sink has one entry a row.
                let pushed = out.frame.push(&way.rule.name, column);
                debug_assert!(pushed.is_ok());
            }
        }
    }
}

/// Whether two names seem to mean one column: equal but for case and marks, or a letter or two apart.
fn seems(one: &str, two: &str) -> bool {
    let bare = |name: &str| -> Vec<char> {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
    };
    let (one, two) = (bare(one), bare(two));
    one == two || (one.len().min(two.len()) > 3 && distance(&one, &two) <= RENAME_DISTANCE_MAX)
}

/// Edit distance (Levenshtein 1966).
fn distance(one: &[char], two: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (at, a) in one.iter().enumerate() {
        let mut corner = at;
        let mut left = at + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(two) {
            let next = (corner + usize::from(a != b)).min(*cell + 1).min(left + 1);
            corner = *cell;
            *cell = next;
            left = next;
        }
        if let Some(cell) = row.first_mut() {
            *cell = at + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
