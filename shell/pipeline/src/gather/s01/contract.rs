//! What the contract says of a delivery, for every kind of feed (T1): each row that breaks it, each record that cannot be read.

use std::collections::BTreeSet;

use s01_intake::{RowFlag, RowReason};
use tabular::TypedTable;
use tabular::typed::Rule;

use super::flag;
use crate::data;

/// Where a delivery and its contract differ.
#[derive(Debug, Default)]
pub(super) struct Breaches {
    /// Every row with a value that breaks the contract, and every record that could not be read (their places come after the rows').
    pub(super) flags: Vec<RowFlag>,
    /// Columns that the contract names and the delivery has not.
    pub(super) columns_missing: Vec<String>,
    /// Columns of the delivery that the contract does not name.
    pub(super) columns_unknown: Vec<String>,
}

/// Of a typed table and its broken records: how many, and what was seen in the first of them.
pub(super) fn breaches(typed: &TypedTable, (broken_count, broken): (u64, &[String])) -> Breaches {
    let mut out = Breaches::default();
    for violation in &typed.violations {
        match (violation.rule, violation.row) {
            (Rule::ColumnMissing | Rule::ColumnRenamed, _) => out.columns_missing.push(violation.column.clone()),
            (Rule::ColumnExtra, _) => {
                let name = if violation.column.is_empty() { &violation.seen } else { &violation.column };
                out.columns_unknown.push(name.clone());
            }
            (_, Some(row)) => {
                let seen = format!("`{}` in `{}`", violation.seen, violation.column);
                out.flags.push(flag(row, RowReason::Contract, &violation.column, seen));
            }
            (_, None) => out.columns_missing.push(data::in_words(violation)),
        }
    }
    // Violations are kept up to a limit; rows that break the contract are all known.
    let named: BTreeSet<u32> = out.flags.iter().map(|flag| flag.row).collect();
    let breaking = typed.row_mask.iter().enumerate().filter(|(_, breaks)| **breaks).map(|(row, _)| row);
    let unnamed = breaking
        .map(|row| flag(row, RowReason::Contract, "", "a value that breaks the contract".to_owned()))
        .filter(|flag| !named.contains(&flag.row));
    out.flags.extend(unnamed);
    for at in 0..broken_count {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let seen = broken.get(at).cloned().unwrap_or_else(|| "a record that cannot be read".to_owned());
        out.flags.push(flag(typed.rows().saturating_add(at), RowReason::Contract, "", seen));
    }
    out
}

#[cfg(test)]
mod tests {
    use tabular::contract::{ColumnRule, Duplicates, Kind, Role};
    use tabular::number::Decimal;
    use tabular::typed::VIOLATIONS_KEPT_MAX;

    use super::*;
    use crate::gather::s01::Delivered;
    use crate::policy::FeedKind;

    fn contract() -> tabular::Contract {
        let price = Kind::Number { integer: false, min: Some(0.0), max: None, unit: None };
        tabular::Contract {
            name: "prices".into(),
            decimal: Decimal::Point,
            missing_marks: vec![String::new()],
            duplicates: Duplicates::Allow,
            label: None,
            columns: vec![
                ColumnRule::new("week", Role::Time, Kind::Time { format: "%Y-%m-%d".into() }),
                ColumnRule::new("region", Role::Id, Kind::Text),
                ColumnRule::new("price", Role::Feature, price),
            ],
            outsider_budget: None,
            relations: Vec::new(),
        }
    }

    /// Good rows, then rows that break the contract, by the flags of a delivery of this kind.
    fn check(kind: FeedKind, good: usize, breaking: usize) {
        let row = |(at, price): (usize, &str)| format!("2024-01-01,r{at},{price}\n");
        let prices = std::iter::repeat_n("3.5", good).chain(std::iter::repeat_n("-1", breaking));
        let text: String = prices.enumerate().map(row).collect();
        let bytes = format!("week,region,price\n{text}").into_bytes();
        let found = match Delivered::read(kind, &bytes, &contract(), "prices.csv") {
            Delivered::Market(table) => table.found,
            Delivered::Rows(table) => table.breaches(),
        };
        let flagged: BTreeSet<u32> = found.flags.iter().map(|flag| flag.row).collect();
        let first = u32::try_from(good).unwrap();
        assert_eq!(flagged, (first..first + u32::try_from(breaking).unwrap()).collect(), "{kind:?}");
        assert!(found.flags.iter().all(|flag| flag.reason == RowReason::Contract));
        assert!(found.columns_missing.is_empty() && found.columns_unknown.is_empty());
    }

    #[test]
    fn every_row_that_breaks_the_contract_is_flagged_also_beyond_the_violations_that_are_kept() {
        for kind in [FeedKind::Market, FeedKind::Rows] {
            check(kind, 20, 0);
            check(kind, 20, 7);
            check(kind, 20, VIOLATIONS_KEPT_MAX + 50);
        }
    }
}
