//! Columns of typed values that every engine reads: numbers with `NaN` for missing, and categories as codes.
//!
//! A frame carries no meaning (no roles, no units); those stand in the contract. It is plain vectors, so that an engine can
//! be tested without a reader and a reader without an engine.

use serde::{Deserialize, Serialize};

/// The code of a missing category.
pub const MISSING: u32 = u32::MAX;

/// Values of one categorical column: `codes[row]` points into `levels`, or is [`MISSING`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Categories {
    /// Distinct levels, in the order of their first appearance or of the contract.
    pub levels: Vec<String>,
    /// One code per row.
    pub codes: Vec<u32>,
}

impl Categories {
    /// Codes texts by first appearance; `None` is missing.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut known = std::collections::BTreeMap::new();
        let mut out = Self::default();
        for text in texts {
            let code = text.map_or(MISSING, |text| {
                *known.entry(text.to_owned()).or_insert_with(|| {
                    out.levels.push(text.to_owned());
                    u32::try_from(out.levels.len() - 1).unwrap_or(MISSING)
                })
            });
            out.codes.push(code);
        }
        out
    }

    /// The level of a row, or `None` where it is missing.
    pub fn text(&self, row: usize) -> Option<&str> {
        let code = usize::try_from(*self.codes.get(row)?).ok()?;
        self.levels.get(code).map(String::as_str)
    }
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Column {
    /// Numbers; `NaN` is missing.
    Number(Vec<f64>),
    /// Categories.
    Category(Categories),
}

impl Column {
    /// How many rows the column has.
    pub fn rows(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Category(categories) => categories.codes.len(),
        }
    }

    /// The chosen rows, in the chosen order; rows beyond the end become missing.
    pub fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number(values) => Self::Number(rows.iter().map(|&row| values.get(row).copied().unwrap_or(f64::NAN)).collect()),
            Self::Category(categories) => Self::Category(Categories {
                levels: categories.levels.clone(),
                codes: rows.iter().map(|&row| categories.codes.get(row).copied().unwrap_or(MISSING)).collect(),
            }),
        }
    }

    /// Whether the value of a row is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number(values) => values.get(row).is_none_or(|value| value.is_nan()),
            Self::Category(categories) => categories.text(row).is_none(),
        }
    }
}

/// Why a column does not fit a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The frame has another number of rows.
    Rows {
        /// The column's name.
        column: String,
        /// Rows of the frame.
        expected: usize,
        /// Rows of the column.
        found: usize,
    },
    /// The name is already there.
    Twice(String),
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows { column, expected, found } => {
                write!(out, "column `{column}` has {found} rows, the frame has {expected}")
            }
            Self::Twice(column) => write!(out, "column `{column}` is there twice"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Named columns of equal length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    names: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
}

impl Frame {
    /// An empty frame of so many rows.
    pub fn new(rows: usize) -> Self {
        Self { names: Vec::new(), columns: Vec::new(), rows }
    }

    /// Adds a column at the end.
    pub fn push(&mut self, name: &str, column: Column) -> Result<(), FrameError> {
        if column.rows() != self.rows {
            return Err(FrameError::Rows { column: name.to_owned(), expected: self.rows, found: column.rows() });
        }
        if self.names.iter().any(|known| known == name) {
            return Err(FrameError::Twice(name.to_owned()));
        }
        self.names.push(name.to_owned());
        self.columns.push(column);
        Ok(())
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let at = self.names.iter().position(|known| known == name)?;
        self.columns.get(at)
    }

    /// Names and columns, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.names.iter().map(String::as_str).zip(&self.columns)
    }

    /// The chosen rows, in the chosen order.
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            names: self.names.clone(),
            columns: self.columns.iter().map(|column| column.take(rows)).collect(),
            rows: rows.len(),
        }
    }

    /// Only the columns that `keep` wants.
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut out = Self::new(self.rows);
        for (name, column) in self.iter().filter(|(name, _)| keep(name)) {
            out.names.push(name.to_owned());
            out.columns.push(column.clone());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_coded_by_first_appearance() {
        let coded = Categories::from_texts([Some("b"), None, Some("a"), Some("b")]);
        assert_eq!(coded.levels, ["b", "a"]);
        assert_eq!(coded.codes, [0, MISSING, 1, 0]);
        assert_eq!(coded.text(2), Some("a"));
        assert_eq!(coded.text(1), None);
        assert_eq!(coded.text(9), None);
    }

    #[test]
    fn a_column_of_another_length_is_refused() {
        let mut frame = Frame::new(2);
        assert!(frame.push("a", Column::Number(vec![1.0, 2.0])).is_ok());
        assert!(frame.push("a", Column::Number(vec![1.0, 2.0])).is_err());
        assert!(frame.push("b", Column::Number(vec![1.0])).is_err());
        assert_eq!(frame.take(&[1, 7]).rows(), 2);
        assert!(frame.take(&[1, 7]).columns()[0].is_missing(1));
    }
}
