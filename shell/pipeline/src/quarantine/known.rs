//! What a column usually holds (T1): whoever decides about a row sees its cells beside what the contract allows and what was accepted.

use std::collections::{BTreeMap, BTreeSet};

use frame::Column;
use serde::Serialize;
use store::table::Table;
use tabular::contract::Kind;

use crate::{PipelineError, Project, data, validate};

/// Levels that are named; of more the number is told.
const LEVELS_SHOWN: usize = 8;
/// Different levels of a column that are counted.
const LEVELS_COUNTED_MAX: usize = 10_000;

/// What is known of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ColumnKnown {
    /// What the contract allows.
    pub allowed: String,
    /// What the rows hold that were accepted so far; empty where there are none.
    pub seen: String,
}

/// What was accepted of a column.
#[derive(Default)]
struct Seen {
    least: Option<f64>,
    most: Option<f64>,
    levels: BTreeSet<String>,
}

impl Seen {
    fn take(&mut self, column: &Column, rows: usize) {
        match column {
            Column::Number(values) => {
                for value in values.iter().copied().filter(|value| value.is_finite()) {
                    self.least = Some(self.least.map_or(value, |least| least.min(value)));
                    self.most = Some(self.most.map_or(value, |most| most.max(value)));
                }
            }
            Column::Category(_) => {
                let texts = (0..rows).filter_map(|row| data::text_of(column, row));
                for text in texts {
                    if self.levels.len() < LEVELS_COUNTED_MAX {
                        self.levels.insert(text);
                    }
                }
            }
        }
    }

    fn in_words(&self) -> String {
        match (self.least, self.most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (_, _) => levels(self.levels.iter()),
        }
    }
}

fn levels<'a>(all: impl Iterator<Item = &'a String> + Clone) -> String {
    let count = all.clone().count();
    let named: Vec<&str> = all.take(LEVELS_SHOWN).map(String::as_str).collect();
    let more = if count > named.len() { format!(" and {} more", count - named.len()) } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::Number { integer, min, max, .. } => {
            let whole = if *integer { "whole number" } else { "number" };
            match (min, max) {
                (Some(min), Some(max)) => format!("{whole}, {min} to {max}"),
                (Some(min), None) => format!("{whole}, {min} or more"),
                (None, Some(max)) => format!("{whole}, up to {max}"),
                (None, None) => whole.to_owned(),
            }
        }
        Kind::Category { levels: known } => levels(known.iter()),
        Kind::Time { format } => format!("time as {format}"),
        Kind::Text => "text".to_owned(),
    }
}

/// What is known of the columns of a feed.
///
/// # Errors
/// There is no such feed; its contract or table cannot be read.
pub fn known_values(project: &Project, feed: &str) -> Result<BTreeMap<String, ColumnKnown>, PipelineError> {
    let contract = validate::feed_contract(project, feed)?;
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let dir = project.path("source").join(feed);
    if dir.is_dir() {
        let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
        for batch in Table::open(&dir).map_err(broken)?.read(None).map_err(broken)? {
            let frame = tabular::bridge::to_frame(&batch).map_err(PipelineError::internal)?;
            for (name, column) in frame.iter() {
                seen.entry(name.to_owned()).or_default().take(column, frame.rows());
            }
        }
    }
    let known = |rule: &tabular::contract::ColumnRule| {
        // Moments are stored as seconds, which say nothing beside a date.
        let time = matches!(rule.kind, Kind::Time { .. });
        let seen = if time { String::new() } else { seen.get(&rule.name).map(Seen::in_words).unwrap_or_default() };
        (rule.name.clone(), ColumnKnown { allowed: allowed(&rule.kind), seen })
    };
    Ok(contract.columns.iter().map(known).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_told_in_words() {
        let number = |min, max| Kind::Number { integer: true, min, max, unit: None };
        let check = |kind: Kind, expected: &str| assert_eq!(allowed(&kind), expected);
        check(number(Some(0.0), Some(9.5)), "whole number, 0 to 9.5");
        check(number(None, Some(3.0)), "whole number, up to 3");
        check(number(None, None), "whole number");
        let many: Vec<String> = (0..10).map(|level| level.to_string()).collect();
        check(Kind::Category { levels: many }, "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
        let mut seen = Seen::default();
        seen.take(&Column::Number(vec![3.0, f64::NAN, -1.0]), 3);
        assert_eq!(seen.in_words(), "-1 to 3");
    }
}
