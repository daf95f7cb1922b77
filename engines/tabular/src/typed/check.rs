//! One value against one rule.

use super::time::Moments;
use super::{Rule, SEEN_CHARS_MAX};
use crate::bridge::Cells;
use crate::contract::{ColumnRule, Kind, Role};
use crate::marks::Marks;
use crate::number::{self, Decimal, show};
use arrow_array::Array;
use frame::MISSING;
use std::borrow::Cow;
use std::collections::HashMap;

/// Levels up to which a walk is quicker than a table.
const WALK_MAX: usize = 8;
/// Marks that an unsettled merge leaves in a text.
const CONFLICT_MARKS: [&str; 4] = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];

/// One raw value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    Missing,
    Text(&'a str),
    Number(f64),
    Moment(i64),
}

impl<'a> Raw<'a> {
    /// The value of a row; blanks around a text do not count.
    pub(super) fn of(cells: Cells<'a>, row: usize, marks: &Marks) -> Self {
        match cells {
            Cells::Text(all) if all.is_valid(row) => marks.present(all.value(row)).map_or(Self::Missing, Self::Text),
            Cells::Number(all) if all.is_valid(row) && !all.value(row).is_nan() => Self::Number(all.value(row)),
            Cells::Moment(all) if all.is_valid(row) => Self::Moment(all.value(row)),
            Cells::Text(_) | Cells::Number(_) | Cells::Moment(_) => Self::Missing,
        }
    }

    /// As text, whole numbers without a fraction.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Missing => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(value) => Cow::Owned(show(value)),
            Self::Moment(value) => Cow::Owned(value.to_string()),
        }
    }

    /// As a finding shows it.
    pub(super) fn seen(self) -> String {
        let text = self.text();
        let mut out: String = text.chars().take(SEEN_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if text.chars().nth(SEEN_CHARS_MAX).is_some() {
            out.push('…');
        }
        out
    }
}

/// Whether a text holds the mark of an unsettled merge, or control characters other than tabs and line ends.
fn foreign(text: &str) -> bool {
    // The short way, for most texts: plain letters that do not begin as a mark does.
    let plain = |byte: u8| (b' '..0x7f).contains(&byte);
    if text.bytes().all(plain) && !text.starts_with(['<', '=', '>', '|']) {
        return false;
    }
    CONFLICT_MARKS.iter().any(|mark| text.starts_with(mark))
        || text.contains("\n<<<<<<<")
        || text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

fn of_text(text: &str, otherwise: Rule) -> Rule {
    if foreign(text) { Rule::ForeignMark } else { otherwise }
}

/// Where the values of one column go.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    Number(Vec<f64>),
    Category(Vec<u32>),
    Moment(Vec<Option<i64>>),
    Text(Vec<String>),
    /// Only how often each level was seen.
    Counts(Vec<u64>),
    Nothing,
}

/// What becomes of values that were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// They make a table.
    Values,
    /// Nothing; of labels their counts.
    Counts,
}

/// Checks values of one column and collects them.
#[derive(Clone, Debug)]
pub(super) struct Checker {
    kind: Kind,
    decimal: Decimal,
    table: HashMap<String, u32>,
    last: u32,
    moments: Moments,
    pub(super) sink: Sink,
}

impl Checker {
    pub(super) fn new(rule: &ColumnRule, decimal: Decimal, keep: Keep) -> Self {
        let (mut table, mut moments) = (HashMap::new(), Moments::new(""));
        let mut sink = Sink::Text(Vec::new());
        match &rule.kind {
            Kind::Number { .. } => sink = Sink::Number(Vec::new()),
            Kind::Category { levels } => {
                table = levels.iter().cloned().zip(0..).collect();
                sink = Sink::Category(Vec::new());
            }
            Kind::Time { format } => {
                moments = Moments::new(format);
                sink = Sink::Moment(Vec::new());
            }
            Kind::Text => {}
        }
        if rule.role == Role::Id {
            sink = Sink::Text(Vec::new());
        }
        sink = match (keep, sink) {
            (Keep::Values, sink) => sink,
            (Keep::Counts, Sink::Category(_)) if rule.role == Role::Label => Sink::Counts(vec![0; table.len()]),
            (Keep::Counts, _) => Sink::Nothing,
        };
        Self { kind: rule.kind.clone(), decimal, table, last: 0, moments, sink }
    }

    /// Appends a missing value.
    pub(super) fn missing(&mut self) {
        match &mut self.sink {
            Sink::Number(all) => all.push(f64::NAN),
            Sink::Category(all) => all.push(MISSING),
            Sink::Moment(all) => all.push(None),
            Sink::Text(all) => all.push(String::new()),
            Sink::Counts(_) | Sink::Nothing => {}
        }
    }

    /// Appends numbers that keep the rule.
    pub(super) fn numbers(&mut self, values: &[f64]) {
        if let Sink::Number(all) = &mut self.sink {
            all.extend_from_slice(values);
        }
    }

    /// Appends numbers of which some are null; the others keep the rule.
    pub(super) fn present_numbers(&mut self, values: &[f64], valid: impl Iterator<Item = bool>) {
        if let Sink::Number(all) = &mut self.sink {
            all.extend(values.iter().zip(valid).map(|(&value, valid)| if valid { value } else { f64::NAN }));
        }
    }

    /// Appends a level of the rule by its code.
    pub(super) fn level(&mut self, code: u32) {
        match &mut self.sink {
            Sink::Category(all) => all.push(code),
            Sink::Counts(all) => count(all, code),
            Sink::Number(_) | Sink::Moment(_) | Sink::Text(_) | Sink::Nothing => {}
        }
    }

    /// Whether values of this column are read as levels, and nothing else.
    pub(super) fn is_levels(&self) -> bool {
        matches!(self.kind, Kind::Category { .. }) && !matches!(self.sink, Sink::Text(_))
    }

    /// Whether numbers may be appended many at once.
    pub(super) fn is_bulk(&self) -> bool {
        matches!(self.kind, Kind::Number { .. }) && matches!(self.sink, Sink::Number(_) | Sink::Nothing)
    }

    /// The code of a text that is a level; none for a missing value and for what is no level.
    pub(super) fn code_of(&mut self, raw: Raw<'_>) -> Option<u32> {
        match raw {
            Raw::Missing => None,
            Raw::Text(_) | Raw::Number(_) | Raw::Moment(_) => {
                Some(self.code(raw)).filter(|(_, broken)| broken.is_none()).map(|(code, _)| code)
            }
        }
    }

    /// Whether levels need not be known one by one.
    pub(super) fn forgets(&self) -> bool {
        matches!(self.sink, Sink::Nothing)
    }

    /// Appends a value, and says what it breaks.
    pub(super) fn push(&mut self, raw: Raw<'_>) -> Option<Rule> {
        let (number, code, moment, broken) = self.judge(raw);
        match &mut self.sink {
            Sink::Number(all) => all.push(number),
            Sink::Category(all) => all.push(code),
            Sink::Moment(all) => all.push(moment),
            Sink::Text(all) => all.push(raw.text().into_owned()),
            Sink::Counts(all) => count(all, code),
            Sink::Nothing => {}
        }
        broken
    }

    fn judge(&mut self, raw: Raw<'_>) -> (f64, u32, Option<i64>, Option<Rule>) {
        match &self.kind {
            Kind::Number { integer, min, max, .. } => {
                let (integer, min, max) = (*integer, *min, *max);
                let (value, broken) = number_of(raw, self.decimal);
                let broken = broken.or_else(|| range(value, integer, min, max));
                (value, MISSING, None, broken)
            }
            Kind::Category { .. } => {
                let (code, broken) = self.code(raw);
                (f64::NAN, code, None, broken)
            }
            Kind::Time { .. } => {
                let (moment, broken) = self.moment(raw);
                (f64::NAN, MISSING, moment, broken)
            }
            Kind::Text => {
                let broken = matches!(raw, Raw::Text(text) if foreign(text)).then_some(Rule::ForeignMark);
                (f64::NAN, MISSING, None, broken)
            }
        }
    }

    fn code(&mut self, raw: Raw<'_>) -> (u32, Option<Rule>) {
        let text = raw.text();
        let Kind::Category { levels } = &self.kind else { return (MISSING, Some(Rule::Type)) };
        let is = |code: u32| usize::try_from(code).ok().and_then(|at| levels.get(at)).is_some_and(|level| *level == *text);
        if is(self.last) {
            return (self.last, None);
        }
        let found = if levels.len() <= WALK_MAX {
            (0..).take(levels.len()).find(|&code| is(code))
        } else {
            self.table.get(&*text).copied()
        };
        match found {
            Some(code) => {
                self.last = code;
                (code, None)
            }
            None => (MISSING, Some(of_text(&text, Rule::Level))),
        }
    }

    fn moment(&mut self, raw: Raw<'_>) -> (Option<i64>, Option<Rule>) {
        match raw {
            Raw::Missing => (None, None),
            Raw::Moment(value) => (Some(value), None),
            Raw::Text(text) => match self.moments.parse(text) {
                Some(value) => (Some(value), None),
                None => (None, Some(of_text(text, Rule::Type))),
            },
            // 2^53 seconds are beyond any calendar.
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53, as the guard says")]
            Raw::Number(value) if self.moments.is_unix() && value.fract() == 0.0 && value.abs() < 9e15 => {
                (Some(value as i64), None)
            }
            Raw::Number(_) => (None, Some(Rule::Type)),
        }
    }
}

/// Counts a level; one that is missing or unknown has no place.
fn count(counts: &mut [u64], code: u32) {
    if let Some(count) = usize::try_from(code).ok().and_then(|at| counts.get_mut(at)) {
        *count += 1;
    }
}

fn number_of(raw: Raw<'_>, decimal: Decimal) -> (f64, Option<Rule>) {
    match raw {
        Raw::Missing => (f64::NAN, None),
        Raw::Number(value) if value.is_finite() => (value, None),
        Raw::Text(text) => match number::parse(text, decimal) {
            Some(value) => (value, None),
            None => (f64::NAN, Some(of_text(text, Rule::Type))),
        },
        Raw::Number(_) | Raw::Moment(_) => (f64::NAN, Some(Rule::Type)),
    }
}

fn range(value: f64, integer: bool, min: Option<f64>, max: Option<f64>) -> Option<Rule> {
    if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
        return Some(Rule::Range);
    }
    (integer && value.fract() != 0.0).then_some(Rule::Whole)
}
