//! Turns batches into a typed table, one bounded batch after the other.

use super::check::{Checker, Raw, Sink};
use super::group::Parts;
use super::{ROWS_MAX, Rule, TypedTable, VIOLATIONS_KEPT_MAX, Violation};
use crate::bridge::{self, BridgeError};
use crate::contract::{ColumnRule, Contract, Duplicates, Kind, Missing, Role};
use crate::marks::Marks;
use arrow_array::RecordBatch;
use frame::{Categories, Column, Frame, MISSING};
use std::collections::BTreeMap;

/// Rows below which a share (of missing values, of positive labels) is not judged: it would be noise. At 100 rows and a rate of 0.27 one
/// standard error is 0.044.
pub const SHARE_ROWS_MIN: usize = 100;
/// Letters in which a name may differ and still be taken for a renamed column.
const RENAME_DISTANCE_MAX: usize = 2;

/// One column on its way.
#[derive(Clone, Debug)]
struct Way {
    rule: ColumnRule,
    /// Its place in the batches.
    source: Option<usize>,
    checker: Checker,
    missing: usize,
}

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

fn names_of(batch: &RecordBatch) -> Vec<String> {
    batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
}

impl Typer {
    /// Begins a table whose batches have columns of these names, in this order. The order need not be the contract's.
    pub fn new(contract: &Contract, names: &[String]) -> Self {
        let kept = contract.columns.iter().filter(|rule| rule.role != Role::Ignore);
        let ways = kept.map(|rule| Way {
            source: names.iter().position(|name| *name == rule.name),
            checker: Checker::new(rule, contract.decimal),
            rule: rule.clone(),
            missing: 0,
        });
        let mut out = Self {
            contract: contract.clone(),
            marks: Marks::new(&contract.missing_marks),
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

    fn count(&mut self, column: &str, rule: Rule) {
        if let Some(rules) = self.counts.get_mut(column) {
            *rules.entry(rule).or_default() += 1;
        } else {
            self.counts.insert(column.to_owned(), BTreeMap::from([(rule, 1)]));
        }
    }

    fn note_table(&mut self, column: &str, rule: Rule, seen: String) {
        self.count(column, rule);
        self.of_table.push(Violation { row: None, column: column.to_owned(), rule, seen });
    }

    fn note_row(&mut self, place: usize, row: usize, column: &str, rule: Rule, seen: impl FnOnce() -> String) {
        self.count(column, rule);
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
        let plain = bridge::plain(batch)?;
        let cells = bridge::cells(&plain)?;
        self.row_mask.resize(first + rows, false);
        let mut ways = std::mem::take(&mut self.ways);
        let marks = self.marks.clone();
        for (place, way) in ways.iter_mut().enumerate() {
            let Some(&cells) = way.source.and_then(|source| cells.get(source)) else {
                (0..rows).for_each(|_| way.checker.missing());
                continue;
            };
            for row in 0..rows {
                let raw = Raw::of(cells, row, &marks);
                if matches!(raw, Raw::Missing) {
                    way.missing += 1;
                    way.checker.missing();
                    if way.rule.missing == Missing::Refused {
                        self.note_row(place, first + row, &way.rule.name, Rule::Missing, String::new);
                    }
                } else if let Some(rule) = way.checker.push(raw) {
                    self.note_row(place, first + row, &way.rule.name, rule, || raw.seen());
                }
            }
        }
        self.ways = ways;
        Ok(())
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
        if let Some(label) = &out.label {
            self.label_rate(label);
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
        self.of_rows.sort_by_key(|(place, violation)| (violation.row, *place));
        out.violations = self.of_table;
        out.violations.extend(self.of_rows.into_iter().map(|(_, violation)| violation));
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

    fn label_rate(&mut self, labels: &[Option<bool>]) {
        let Some(rule) = self.contract.label.clone() else { return };
        let known = labels.iter().flatten().count();
        if known < SHARE_ROWS_MIN {
            return;
        }
        let rate = ratio(labels.iter().flatten().filter(|&&churned| churned).count(), known);
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

/// Puts a finished column to its place in the table.
fn place(out: &mut TypedTable, way: Way, contract: &Contract) {
    let levels = match &way.rule.kind {
        Kind::Category { levels } => levels.clone(),
        Kind::Number { .. } | Kind::Time { .. } | Kind::Text => Vec::new(),
    };
    match (way.rule.role, way.checker.sink) {
        (Role::Id, Sink::Text(ids)) => out.ids = ids,
        (Role::Label, Sink::Category(codes)) => {
            let positive = contract.label.as_ref().and_then(|label| levels.iter().position(|level| *level == label.positive));
            let label = |code: u32| (code != MISSING).then(|| usize::try_from(code).ok() == positive);
            out.label = Some(codes.into_iter().map(label).collect());
        }
        (Role::Time, Sink::Moment(moments)) => out.time = Some(moments),
        (role, sink) => {
            let column = match sink {
                Sink::Number(values) => Column::Number(values),
                Sink::Category(codes) => Column::Category(Categories { levels, codes }),
                Sink::Moment(_) | Sink::Text(_) => return,
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
