//! One column on its way into a table: many values at once where they keep the contract, each by itself where one may not (T1).

use super::Rule;
use super::check::{Checker, Keep, Raw};
use super::sweep::{BLOCK, Known, Range, Sweep};
use crate::bridge::{self, BridgeError, Cells};
use crate::contract::{ColumnRule, Missing};
use crate::marks::Marks;
use crate::number::Decimal;
use arrow_array::cast::AsArray;
use arrow_array::{AnyDictionaryArray, Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use frame::MISSING;
use std::collections::BTreeMap;

/// A column of the contract, and where its values come from and go.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) rule: ColumnRule,
    /// Its place in the batches.
    pub(super) source: Option<usize>,
    pub(super) checker: Checker,
    pub(super) missing: usize,
    sweep: Sweep,
}

/// What one column of a batch broke; rows are counted from the batch's first.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// One entry a row, or none at all where every row keeps the rule.
    pub(super) mask: Vec<bool>,
    pub(super) counts: BTreeMap<Rule, u64>,
    /// The first violations.
    pub(super) kept: Vec<(usize, Rule, String)>,
    rows: usize,
    room: usize,
}

/// The first row of each block, and the offsets of its texts, the end of the last one among them.
fn blocks(offsets: &[i32]) -> impl Iterator<Item = (usize, &[i32])> {
    let rows = offsets.len().saturating_sub(1);
    let block = move |first: usize| Some((first, offsets.get(first..=rows.min(first + BLOCK))?));
    (0..rows).step_by(BLOCK).filter_map(block)
}

impl Found {
    fn note(&mut self, row: usize, rule: Rule, seen: impl FnOnce() -> String) {
        self.mask.resize(self.rows, false);
        if let Some(mark) = self.mask.get_mut(row) {
            *mark = true;
        }
        *self.counts.entry(rule).or_default() += 1;
        if self.kept.len() < self.room {
            self.kept.push((row, rule, seen()));
        }
    }
}

impl Way {
    pub(super) fn new(rule: &ColumnRule, decimal: Decimal, names: &[String], marks: &Marks, keep: Keep) -> Self {
        Self {
            source: names.iter().position(|name| *name == rule.name),
            checker: Checker::new(rule, decimal, keep),
            missing: 0,
            sweep: Sweep::new(rule, marks),
            rule: rule.clone(),
        }
    }

    #[cfg(test)]
    pub(super) fn one_by_one(&mut self) {
        self.sweep = Sweep::Nothing;
    }

    /// Takes the column's values of a batch; at most `room` violations are kept.
    pub(super) fn take(&mut self, batch: &RecordBatch, marks: &Marks, room: usize) -> Result<Found, BridgeError> {
        let rows = batch.num_rows();
        let mut found = Found { rows, room, ..Found::default() };
        let Some(column) = self.source.and_then(|source| batch.columns().get(source)) else {
            (0..rows).for_each(|_| self.checker.missing());
            return Ok(found);
        };
        let sweep = std::mem::replace(&mut self.sweep, Sweep::Nothing);
        let taken = self.column(&sweep, column, marks, &mut found);
        self.sweep = sweep;
        taken.map(|()| found)
    }

    fn column(&mut self, sweep: &Sweep, column: &ArrayRef, marks: &Marks, found: &mut Found) -> Result<(), BridgeError> {
        if let (true, Some(coded)) = (self.checker.is_levels(), column.as_any_dictionary_opt())
            && let Some(values) = coded.values().as_string_opt::<i32>()
        {
            self.coded(coded, values, marks, found);
            return Ok(());
        }
        let plain = bridge::plain_column(&self.rule.name, column)?;
        let cells = bridge::column_cells(&self.rule.name, &plain)?;
        match (cells, sweep) {
            (Cells::Number(all), Sweep::Numbers(range)) => self.numbers(all, *range, marks, found),
            (Cells::Text(all), Sweep::Levels(known)) if self.checker.is_levels() => self.levels(all, known, marks, found),
            (Cells::Number(_) | Cells::Text(_) | Cells::Moment(_), _) => {
                for row in 0..plain.len() {
                    self.value(row, Raw::of(cells, row, marks), found);
                }
            }
        }
        Ok(())
    }

    /// One value by itself.
    fn value(&mut self, row: usize, raw: Raw<'_>, found: &mut Found) {
        if matches!(raw, Raw::Missing) {
            self.missing += 1;
            self.checker.missing();
            if self.rule.missing == Missing::Refused {
                found.note(row, Rule::Missing, String::new);
            }
        } else if let Some(rule) = self.checker.push(raw) {
            found.note(row, rule, || raw.seen());
        }
    }

    fn numbers(&mut self, all: &Float64Array, range: Range, marks: &Marks, found: &mut Found) {
        // An identifier is text, whatever it looks like.
        let (bulk, may_miss) = (self.checker.is_bulk(), self.rule.missing != Missing::Refused);
        for (block, values) in all.values().chunks(BLOCK).enumerate() {
            let first = block * BLOCK;
            let nulls = all.nulls().map(|nulls| nulls.slice(first, values.len())).filter(|nulls| nulls.null_count() > 0);
            match nulls {
                None if bulk && range.all_keep(values) => self.checker.numbers(values),
                Some(nulls) if bulk && may_miss && range.all_present_keep(values, nulls.iter()) => {
                    self.missing += nulls.null_count();
                    self.checker.present_numbers(values, nulls.iter());
                }
                _ => {
                    for row in first..first + values.len() {
                        self.value(row, Raw::of(Cells::Number(all), row, marks), found);
                    }
                }
            }
        }
    }

    fn levels(&mut self, all: &StringArray, known: &Known, marks: &Marks, found: &mut Found) {
        let nulls = all.nulls().filter(|nulls| nulls.null_count() > 0);
        for (block, offsets) in blocks(all.value_offsets()) {
            if nulls.is_none() && self.checker.forgets() && known.all_levels(all.value_data(), offsets) {
                continue;
            }
            for row in block..block + offsets.len() - 1 {
                let code = nulls.is_none_or(|nulls| nulls.is_valid(row)).then(|| known.code(all.value(row).as_bytes()));
                match code.flatten() {
                    Some(code) if code != MISSING => self.checker.level(code),
                    Some(_) => self.value(row, Raw::Missing, found),
                    None => self.value(row, Raw::of(Cells::Text(all), row, marks), found),
                }
            }
        }
    }

    /// Texts by their place in a dictionary: each of its texts is judged once.
    fn coded(&mut self, coded: &dyn AnyDictionaryArray, values: &StringArray, marks: &Marks, found: &mut Found) {
        let texts: Vec<Raw<'_>> = (0..values.len()).map(|at| Raw::of(Cells::Text(values), at, marks)).collect();
        let codes: Vec<Option<u32>> = texts.iter().map(|text| self.checker.code_of(*text)).collect();
        let nulls = coded.keys().nulls().filter(|nulls| nulls.null_count() > 0);
        let all_known = codes.iter().all(Option::is_some);
        if self.checker.forgets() && all_known && (nulls.is_none() || self.rule.missing != Missing::Refused) {
            self.missing += nulls.map_or(0, |nulls| nulls.null_count());
            return;
        }
        // A dictionary of nothing has nothing but nulls.
        let keys = if values.is_empty() { Vec::new() } else { coded.normalized_keys() };
        for row in 0..coded.len() {
            let key = keys.get(row).copied().filter(|_| nulls.is_none_or(|nulls| nulls.is_valid(row)));
            match key.and_then(|key| Some((codes.get(key)?, texts.get(key)?))) {
                Some((Some(code), _)) => self.checker.level(*code),
                Some((None, text)) => self.value(row, *text, found),
                None => self.value(row, Raw::Missing, found),
            }
        }
    }
}
