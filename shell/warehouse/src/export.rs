//! The agreed columns of the relation as CSV, in the session's one snapshot: equal rows give equal bytes, whatever order the server
//! sends them in (T1, T6).

use s02_source::database::quoted;
use tabular::Contract;
use tabular::contract::{ColumnRule, Role};
use tabular::csv::FIELD_BYTES_MAX;
use tokio_postgres::SimpleQueryRow;

use crate::columns::ColumnType;
use crate::values::rendered;
use crate::{Pseudonyms, Session, WarehouseError};

/// Bytes of one export: 1 GiB. It is kept in memory while it is sorted, typed and archived.
pub const EXPORT_BYTES_MAX: u64 = 1 << 30;

/// Rows as CSV: the contract's columns in its order, every value in quotes, a missing one as an empty field without, rows sorted by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The bytes.
    pub csv: Vec<u8>,
    /// Rows.
    pub rows: u64,
}

/// One column on its way.
struct Way<'a> {
    rule: &'a ColumnRule,
    kind: ColumnType,
}

impl Session {
    /// Reads the columns that the contract gives a role other than `ignore`.
    ///
    /// # Errors
    /// A column is missing or of a type without an agreed form; a value does not fit its contract; there are too many rows.
    pub async fn export(&self, contract: &Contract, pseudonyms: Option<&Pseudonyms>) -> Result<Export, WarehouseError> {
        let ways = self.ways(contract).await?;
        let names: Vec<String> = ways.iter().map(|way| quoted(&way.rule.name)).collect();
        let (schema, table) = self.settings.relation();
        let sql = format!("SELECT {} FROM {}.{}", names.join(", "), quoted(schema), quoted(table));
        let mut rows = Rows { contract, ways, pseudonyms, lines: Vec::new(), bytes: 0, rows_max: self.settings.rows_max };
        self.each_row("the rows", &sql, |row| rows.push(&row)).await?;
        Ok(rows.finish())
    }

    async fn ways<'a>(&self, contract: &'a Contract) -> Result<Vec<Way<'a>>, WarehouseError> {
        if contract.of_role(Role::Id).is_none() {
            return Err(WarehouseError::NoId);
        }
        let found = self.found().await?;
        let mut out = Vec::new();
        for rule in contract.columns.iter().filter(|rule| rule.role != Role::Ignore) {
            let known = found.columns.iter().find(|(name, _)| *name == rule.name);
            let (_, kind) = known
                .ok_or_else(|| WarehouseError::NoColumn { table: self.settings.table.clone(), column: rule.name.clone() })?;
            if let ColumnType::Other(kind) = kind {
                return Err(WarehouseError::ColumnType { column: rule.name.clone(), kind: kind.clone() });
            }
            out.push(Way { rule, kind: kind.clone() });
        }
        Ok(out)
    }
}

/// Rows as they come, one line each behind its id.
struct Rows<'a> {
    contract: &'a Contract,
    ways: Vec<Way<'a>>,
    pseudonyms: Option<&'a Pseudonyms>,
    lines: Vec<(Box<str>, Box<str>)>,
    bytes: u64,
    rows_max: u64,
}

impl Rows<'_> {
    fn count(&self) -> u64 {
        u64::try_from(self.lines.len()).unwrap_or(u64::MAX)
    }

    fn push(&mut self, row: &SimpleQueryRow) -> Result<(), WarehouseError> {
        let cells: Vec<Option<&str>> = (0..self.ways.len())
            .map(|at| row.try_get(at).map_err(|error| WarehouseError::query("the rows", &error)))
            .collect::<Result<_, _>>()?;
        self.take(&cells)
    }

    fn take(&mut self, cells: &[Option<&str>]) -> Result<(), WarehouseError> {
        if self.count() >= self.rows_max {
            return Err(WarehouseError::TooMuch { what: "rows", limit: self.rows_max });
        }
        let number = self.count() + 1;
        let (mut id, mut line) = (String::new(), String::new());
        for (way, cell) in self.ways.iter().zip(cells) {
            let wrong = |why: String| WarehouseError::Value { column: way.rule.name.clone(), row: number, why };
            if !line.is_empty() || !std::ptr::eq(way, self.ways.as_ptr()) {
                line.push(',');
            }
            let Some(text) = cell else {
                if way.rule.role == Role::Id {
                    return Err(wrong("a customer without an id".to_owned()));
                }
                if !self.contract.missing_marks.iter().any(String::is_empty) {
                    let why = "it is missing, and the contract's marks of a missing value have no empty text".to_owned();
                    return Err(wrong(why));
                }
                continue;
            };
            fits(text).map_err(wrong)?;
            let mut value = rendered(way.rule, self.contract.decimal, &way.kind, text).map_err(wrong)?;
            if way.rule.role == Role::Id {
                if let Some(pseudonyms) = self.pseudonyms {
                    value = pseudonyms.of(&value).into();
                }
                id = value.clone().into_owned();
            }
            line.push('"');
            line.push_str(&value.replace('"', "\"\""));
            line.push('"');
        }
        self.bytes += u64::try_from(line.len() + id.len()).unwrap_or(u64::MAX);
        if self.bytes > EXPORT_BYTES_MAX {
            return Err(WarehouseError::TooMuch { what: "bytes", limit: EXPORT_BYTES_MAX });
        }
        self.lines.push((id.into_boxed_str(), line.into_boxed_str()));
        Ok(())
    }

    /// Sorted here and not by the server: collations differ between servers and versions, bytes do not.
    fn finish(mut self) -> Export {
        self.lines.sort_unstable();
        let names: Vec<String> = self.ways.iter().map(|way| format!("\"{}\"", way.rule.name.replace('"', "\"\""))).collect();
        let mut csv = names.join(",").into_bytes();
        csv.push(b'\n');
        for (_, line) in &self.lines {
            csv.extend_from_slice(line.as_bytes());
            csv.push(b'\n');
        }
        Export { csv, rows: self.count() }
    }
}

/// What any reader takes as one field: a line end within quotes is where readers of CSV disagree about who the next record is.
fn fits(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("its text holds a line end or another control character".to_owned());
    }
    if text.len() > FIELD_BYTES_MAX {
        return Err(format!("a text of {} bytes is longer than a field may be", text.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tabular::contract::{Duplicates, Kind, Missing};
    use tabular::csv::{Header, Options};

    use super::*;

    fn contract() -> Contract {
        let plan = ColumnRule::new("plan", Role::Feature, Kind::Text);
        Contract {
            name: "customers".into(),
            decimal: tabular::Decimal::Point,
            missing_marks: vec![String::new()],
            duplicates: Duplicates::Allow,
            label: None,
            columns: vec![
                ColumnRule::new("id", Role::Id, Kind::Text),
                ColumnRule { missing: Missing::Allowed { share_max: 1.0 }, ..plan },
            ],
            outsider_budget: None,
            relations: Vec::new(),
        }
    }

    fn export(
        contract: &Contract,
        pseudonyms: Option<&Pseudonyms>,
        rows: &[(Option<&str>, Option<&str>)],
    ) -> Result<Export, WarehouseError> {
        let ways = contract.columns.iter().map(|rule| Way { rule, kind: ColumnType::Text }).collect();
        let mut out = Rows { contract, ways, pseudonyms, lines: Vec::new(), bytes: 0, rows_max: 1_000 };
        for (id, plan) in rows {
            out.take(&[*id, *plan])?;
        }
        Ok(out.finish())
    }

    #[test]
    fn rows_are_sorted_and_missing_values_are_not_empty_texts() {
        let rows = [(Some("b"), Some("x \"y\", z")), (Some("a"), None), (Some("c"), Some(""))];
        let found = export(&contract(), None, &rows).unwrap();
        assert_eq!(String::from_utf8(found.csv).unwrap(), "\"id\",\"plan\"\n\"a\",\n\"b\",\"x \"\"y\"\", z\"\n\"c\",\"\"\n");
        assert_eq!(found.rows, 3);
    }

    #[test]
    fn pseudonyms_replace_ids_before_anything_is_written() {
        let pseudonyms = Pseudonyms::new(&[7; crate::KEY_BYTES]).unwrap();
        let found = export(&contract(), Some(&pseudonyms), &[(Some("anna@example"), Some("x"))]).unwrap();
        let text = String::from_utf8(found.csv).unwrap();
        assert!(text.contains(&pseudonyms.of("anna@example")) && !text.contains("anna"), "{text}");
    }

    #[test]
    fn a_value_that_cannot_be_written_names_its_column() {
        let refused = export(&contract(), None, &[(None, Some("x"))]).unwrap_err().to_string();
        assert!(refused.contains("column `id`, row 1"), "{refused}");
        let strict = Contract { missing_marks: vec!["NA".into()], ..contract() };
        assert!(export(&strict, None, &[(Some("a"), None)]).unwrap_err().to_string().contains("column `plan`"));
        let long = "x".repeat(FIELD_BYTES_MAX + 1);
        assert!(export(&contract(), None, &[(Some("a"), Some(&long))]).unwrap_err().to_string().contains("column `plan`"));
        assert!(export(&contract(), None, &[(Some("a"), Some("x\ny"))]).unwrap_err().to_string().contains("column `plan`"));
        let rows: Vec<_> = (0..1_001).map(|_| (Some("a"), None)).collect();
        assert!(matches!(export(&contract(), None, &rows), Err(WarehouseError::TooMuch { .. })));
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back_in_any_order(
            rows in prop::collection::vec(("[a-z]{1,4}", "[ -~\u{e9},;\"']{0,12}"), 1..20)
        ) {
            let given: Vec<_> = rows.iter().map(|(id, plan)| (Some(id.as_str()), Some(plan.as_str()))).collect();
            let backwards: Vec<_> = given.iter().rev().copied().collect();
            let found = export(&contract(), None, &given).unwrap();
            prop_assert_eq!(&found, &export(&contract(), None, &backwards).unwrap());
            let options = Options { delimiter: Some(b','), quote: Some(b'"'), header: Some(Header::Present), ..Options::default() };
            let table = tabular::csv::read(&found.csv, &options).unwrap();
            prop_assert_eq!(table.errors_count, 0);
            let mut read: Vec<(String, String)> = Vec::new();
            for batch in &table.batches {
                let frame = |at: usize, row: usize| {
                    let texts = batch.column(at).as_any().downcast_ref::<arrow_array::StringArray>().unwrap();
                    texts.value(row).to_owned()
                };
                read.extend((0..batch.num_rows()).map(|row| (frame(0, row), frame(1, row))));
            }
            read.sort();
            let mut expected = rows.clone();
            expected.sort();
            prop_assert_eq!(read, expected);
        }
    }
}
