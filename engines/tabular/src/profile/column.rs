//! Gathers what one column looks like.

use super::sketch::{Distinct, View};
use super::{ColumnProfile, DISTINCT_EXACT_MAX, LEVEL_BYTES_MAX, NumberProfile, PROFILE_LEVELS_MAX, TimeProfile};
use crate::number::{self, Decimal, show};
use crate::typed::time;
use std::collections::HashMap;

/// Characters of an example.
const EXAMPLE_CHARS_MAX: usize = 40;

#[derive(Clone, Debug)]
pub(super) struct Gather {
    pub(super) name: String,
    rows: u64,
    missing: u64,
    distinct: Distinct,
    /// `None` once there were too many.
    levels: Option<HashMap<String, u64>>,
    count: u64,
    whole: bool,
    min: f64,
    max: f64,
    mean: f64,
    square: f64,
    times: Times,
    example: String,
    odd: String,
}

/// Formats that read every value so far.
#[derive(Clone, Debug)]
struct Times {
    formats: Vec<&'static str>,
    last: String,
    span: Option<(i64, i64)>,
}

impl Times {
    fn push(&mut self, text: &str) {
        if self.formats.is_empty() || self.last == text {
            return;
        }
        self.formats.retain(|format| time::parse(format, text).is_some());
        if let Some(moment) = self.formats.first().and_then(|format| time::parse(format, text)) {
            self.moment(moment);
        }
        text.clone_into(&mut self.last);
    }

    fn moment(&mut self, moment: i64) {
        let (min, max) = self.span.unwrap_or((moment, moment));
        self.span = Some((min.min(moment), max.max(moment)));
    }
}

impl Gather {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rows: 0,
            missing: 0,
            distinct: Distinct::new(DISTINCT_EXACT_MAX),
            levels: Some(HashMap::new()),
            count: 0,
            whole: true,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            square: 0.0,
            times: Times { formats: time::FORMATS.to_vec(), last: String::new(), span: None },
            example: String::new(),
            odd: String::new(),
        }
    }

    pub(super) fn push(&mut self, cell: &View<'_>, decimal: Decimal) {
        self.rows += 1;
        match *cell {
            View::Missing => self.missing += 1,
            View::Number(value) => {
                self.distinct.push((value + 0.0).to_bits());
                self.number(value);
                self.times.formats.clear();
                if self.levels.is_some() || self.example.is_empty() {
                    self.level(&show(value));
                }
            }
            View::Moment(value) => {
                self.distinct.push(value);
                self.times.formats = vec![time::UNIX];
                self.times.moment(value);
                self.levels = None;
                if self.example.is_empty() {
                    self.example = value.to_string();
                }
            }
            View::Text(text) => {
                match number::parse(text, decimal) {
                    Some(value) => self.number(value),
                    None if self.odd.is_empty() => self.odd = cut(text),
                    None => {}
                }
                self.times.push(text);
                if !self.level(text) {
                    self.distinct.push(text);
                }
            }
        }
    }

    /// Counts a level; whether it was known before, and so is no new distinct value.
    fn level(&mut self, text: &str) -> bool {
        if self.example.is_empty() {
            self.example = cut(text);
        }
        let Some(levels) = &mut self.levels else { return false };
        if let Some(count) = levels.get_mut(text) {
            *count += 1;
            return true;
        }
        if levels.len() >= PROFILE_LEVELS_MAX || text.len() > LEVEL_BYTES_MAX {
            self.levels = None;
        } else {
            levels.insert(text.to_owned(), 1);
        }
        false
    }

    /// Welford (1962).
    fn number(&mut self, value: f64) {
        self.count += 1;
        self.whole &= value.fract() == 0.0;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let step = value - self.mean;
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let count = self.count as f64;
        self.mean += step / count;
        self.square += step * (value - self.mean);
    }

    pub(super) fn finish(self, quantiles: [f64; 7]) -> ColumnProfile {
        let mut levels: Vec<(String, u64)> = self.levels.unwrap_or_default().into_iter().collect();
        levels.sort_unstable_by(|one, two| two.1.cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
        let (distinct, distinct_exact) = self.distinct.count();
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let sd = if self.count > 1 { (self.square / (self.count - 1) as f64).sqrt() } else { 0.0 };
        let numbers = (self.count > 0).then_some(NumberProfile {
            count: self.count,
            whole: self.whole,
            min: self.min,
            max: self.max,
            mean: self.mean,
            sd,
            quantiles,
        });
        let mut formats = self.times.formats.iter().map(|&format| format.to_owned());
        let time = self.times.span.and_then(|(min, max)| {
            let format = formats.next()?;
            Some(TimeProfile { format, also: formats.collect(), min, max })
        });
        ColumnProfile {
            name: self.name,
            rows: self.rows,
            missing: self.missing,
            distinct,
            distinct_exact,
            levels,
            numbers,
            time,
            example: self.example,
            odd: self.odd,
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(EXAMPLE_CHARS_MAX).collect()
}
