//! Turns a frame into the matrix that every member reads, by facts of the training rows alone (T5: an unseen level or a missing
//! value must not stop a prediction, nor may a test row move a median).

use frame::{Categories, Column, Frame};
use serde::{Deserialize, Serialize};

use crate::error::LearnError;

/// Most levels of one category.
pub const LEVELS_MAX: usize = 256;
/// Most columns after encoding.
pub const COLUMNS_MAX: usize = 4_096;
/// Most values of one encoded matrix, 8 GB of them.
pub const VALUES_MAX: usize = 2_000_000_000;

/// Largest number that is read. The booster's last cut lies at twice the largest value, which must still be finite in 32 bits.
pub const NUMBER_MAX: f32 = 1e30;

/// What a column is, with what was learned from the training rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ColumnKind {
    /// A number.
    Number {
        /// Read as `sign(x) * ln(1 + |x|)`.
        log: bool,
    },
    /// A category; one encoded column for each level of the training rows.
    Category {
        /// Levels, sorted.
        levels: Vec<String>,
    },
}

/// One column that the model reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// Its name in the frame.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
}

/// One value of a single row, for the serving path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number; one that is not finite, or beyond [`NUMBER_MAX`], counts as missing.
    Number(f64),
    /// A level; one that training did not see encodes to zeros.
    Text(&'a str),
    /// No value.
    Missing,
}

/// Encoded rows, one after the other. `NaN` is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// A matrix of given values, `rows * columns` of them.
    pub fn new(values: Vec<f32>, rows: usize, columns: usize) -> Result<Self, LearnError> {
        let expected = rows.saturating_mul(columns);
        if values.len() != expected {
            return Err(LearnError::Count { what: "values of the matrix", expected, seen: values.len() });
        }
        Ok(Self { rows, columns, values })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One row; empty beyond the end.
    pub fn row(&self, row: usize) -> &[f32] {
        self.values.get(row * self.columns..(row + 1) * self.columns).unwrap_or(&[])
    }

    /// The chosen rows, in the chosen order. Rows beyond the end are left out.
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut values = Vec::with_capacity(rows.len() * self.columns);
        let mut taken = 0;
        for &row in rows.iter().filter(|&&row| row < self.rows) {
            values.extend_from_slice(self.row(row));
            taken += 1;
        }
        Self { rows: taken, columns: self.columns, values }
    }
}

/// Encoding, imputation and scaling, fitted on training rows only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    columns: Vec<ColumnSpec>,
    /// Per encoded column: what a missing value becomes (the median; 0 for levels).
    fill: Vec<f32>,
    /// Per encoded column: mean of the filled training values.
    mean: Vec<f32>,
    /// Per encoded column: population standard deviation of the filled training values, 1 where they are all equal.
    deviation: Vec<f32>,
}

impl Preprocess {
    /// Learns levels, medians, means and deviations from training rows.
    pub fn fit(train: &Frame, log_columns: &[String]) -> Result<Self, LearnError> {
        for name in log_columns {
            match train.column(name) {
                Some(Column::Number(_)) => (),
                Some(Column::Category(_)) => return Err(LearnError::Kind { column: name.clone(), needed: "a number" }),
                None => return Err(LearnError::NoColumn(name.clone())),
            }
        }
        let mut columns = Vec::new();
        for (name, column) in train.iter() {
            let kind = match column {
                Column::Number(_) => ColumnKind::Number { log: log_columns.iter().any(|log| log == name) },
                Column::Category(categories) => ColumnKind::Category { levels: levels(name, categories)? },
            };
            columns.push(ColumnSpec { name: name.to_owned(), kind });
        }
        let mut out = Self { columns, fill: Vec::new(), mean: Vec::new(), deviation: Vec::new() };
        let width = out.width();
        if width == 0 || width > COLUMNS_MAX {
            return Err(LearnError::Size { what: "encoded columns", seen: width, least: 1, most: COLUMNS_MAX });
        }
        let raw = out.encode(train)?;
        for at in 0..width {
            out.learn(&raw, at);
        }
        Ok(out)
    }

    /// Median, mean and deviation of one encoded column.
    fn learn(&mut self, raw: &Matrix, at: usize) {
        let mut known: Vec<f32> =
            raw.values.iter().skip(at).step_by(raw.columns).copied().filter(|value| !value.is_nan()).collect();
        known.sort_unstable_by(f32::total_cmp);
        let half = known.len() / 2;
        let fill = match known.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => known[half],
            _ => known[half - 1] / 2.0 + known[half] / 2.0,
        };
        let rows = raw.rows.max(1) as f64;
        let filled =
            || raw.values.iter().skip(at).step_by(raw.columns).map(|&value| f64::from(if value.is_nan() { fill } else { value }));
        let mean = filled().sum::<f64>() / rows;
        let deviation = (filled().map(|value| (value - mean) * (value - mean)).sum::<f64>() / rows).sqrt() as f32;
        self.fill.push(fill);
        self.mean.push(mean as f32);
        // Deviations below a millionth of the mean are rounding, not spread.
        let flat = !(deviation.is_finite() && f64::from(deviation) > mean.abs() * 1e-6 && deviation > f32::MIN_POSITIVE);
        self.deviation.push(if flat { 1.0 } else { deviation });
    }

    /// Columns of the frame that are read, in the order of [`Value`] rows.
    pub fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    /// Per encoded column: what a missing value becomes.
    pub fn fills(&self) -> &[f32] {
        &self.fill
    }

    /// Per encoded column: what is subtracted when filled values are scaled.
    pub fn means(&self) -> &[f32] {
        &self.mean
    }

    /// Per encoded column: what is divided by after that; positive.
    pub fn deviations(&self) -> &[f32] {
        &self.deviation
    }

    /// How many encoded columns.
    pub fn width(&self) -> usize {
        self.columns
            .iter()
            .map(|column| match &column.kind {
                ColumnKind::Number { .. } => 1,
                ColumnKind::Category { levels } => levels.len(),
            })
            .fold(0, usize::saturating_add)
    }

    /// Names of the encoded columns: the column's own, or `column=level`.
    pub fn encoded_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for column in &self.columns {
            match &column.kind {
                ColumnKind::Number { .. } => names.push(column.name.clone()),
                ColumnKind::Category { levels } => names.extend(levels.iter().map(|level| format!("{}={level}", column.name))),
            }
        }
        names
    }

    /// The matrix of a frame: levels as 0 and 1, numbers as they are, missing numbers as `NaN`. Other columns of the frame are
    /// not read; a column of the model that is absent or of the other kind is refused.
    pub fn encode(&self, frame: &Frame) -> Result<Matrix, LearnError> {
        let (rows, width) = (frame.rows(), self.width());
        if rows.saturating_mul(width) > VALUES_MAX {
            return Err(LearnError::Size { what: "rows", seen: rows, least: 0, most: VALUES_MAX / width.max(1) });
        }
        let mut values = vec![0.0f32; rows * width];
        let mut at = 0;
        for spec in &self.columns {
            let column = frame.column(&spec.name).ok_or_else(|| LearnError::NoColumn(spec.name.clone()))?;
            match (&spec.kind, column) {
                (ColumnKind::Number { log }, Column::Number(numbers)) => {
                    for (row, &number) in numbers.iter().take(rows).enumerate() {
                        values[row * width + at] = encode_number(number, *log);
                    }
                    at += 1;
                }
                (ColumnKind::Category { levels }, Column::Category(categories)) => {
                    let known: Vec<Option<usize>> =
                        categories.levels.iter().map(|level| levels.binary_search(level).ok()).collect();
                    for (row, &code) in categories.codes.iter().take(rows).enumerate() {
                        if let Some(Some(level)) = known.get(code as usize) {
                            values[row * width + at + level] = 1.0;
                        }
                    }
                    at += levels.len();
                }
                (ColumnKind::Number { .. }, Column::Category(_)) => {
                    return Err(LearnError::Kind { column: spec.name.clone(), needed: "a number" });
                }
                (ColumnKind::Category { .. }, Column::Number(_)) => {
                    return Err(LearnError::Kind { column: spec.name.clone(), needed: "a category" });
                }
            }
        }
        Ok(Matrix { rows, columns: width, values })
    }

    /// One row, values in the order of [`Self::columns`]. Values that are absent or of the other kind count as missing.
    pub fn encode_row(&self, row: &[Value<'_>]) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.fill.len());
        self.encode_row_into(row, &mut out);
        out
    }

    /// The same into a buffer, which is emptied first.
    pub fn encode_row_into(&self, row: &[Value<'_>], out: &mut Vec<f32>) {
        out.clear();
        for (at, spec) in self.columns.iter().enumerate() {
            let value = row.get(at).copied().unwrap_or(Value::Missing);
            match (&spec.kind, value) {
                (ColumnKind::Number { log }, Value::Number(number)) => out.push(encode_number(number, *log)),
                (ColumnKind::Number { .. }, Value::Text(_) | Value::Missing) => out.push(f32::NAN),
                (ColumnKind::Category { levels }, Value::Text(text)) => {
                    out.extend(levels.iter().map(|level| if level == text { 1.0 } else { 0.0 }));
                }
                (ColumnKind::Category { levels }, Value::Number(_) | Value::Missing) => out.resize(out.len() + levels.len(), 0.0),
            }
        }
    }

    /// Replaces missing values of encoded rows by the training medians, in place.
    pub fn fill(&self, values: &mut [f32]) {
        for row in values.chunks_mut(self.fill.len().max(1)) {
            for (value, fill) in row.iter_mut().zip(&self.fill) {
                if value.is_nan() {
                    *value = *fill;
                }
            }
        }
    }

    /// Scales filled rows to mean 0 and deviation 1 of the training rows, in place.
    pub fn scale(&self, values: &mut [f32]) {
        for row in values.chunks_mut(self.mean.len().max(1)) {
            for ((value, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *value = (*value - mean) / deviation;
            }
        }
    }

    /// The same, with the spread of the named columns, once scaled, only so much of 1: above 0 to 1. What reads scaled rows
    /// then sees little of what an outsider does to them.
    pub(crate) fn shrunk(mut self, names: &[String], spread: f64) -> Self {
        let mut at = 0;
        for column in &self.columns {
            let width = match &column.kind {
                ColumnKind::Number { .. } => 1,
                ColumnKind::Category { levels } => levels.len(),
            };
            if names.contains(&column.name) {
                let wider = |deviation: &mut f32| *deviation = ((f64::from(*deviation) / spread) as f32).min(f32::MAX);
                self.deviation[at..at + width].iter_mut().for_each(wider);
            }
            at += width;
        }
        self
    }

    /// A copy with missing values filled.
    pub fn filled(&self, matrix: &Matrix) -> Matrix {
        let mut out = matrix.clone();
        self.fill(&mut out.values);
        out
    }

    /// A copy of a filled matrix, scaled.
    pub fn scaled(&self, filled: &Matrix) -> Matrix {
        let mut out = filled.clone();
        self.scale(&mut out.values);
        out
    }

    /// Checks what a file claims: sizes agree, levels sorted and distinct, names distinct, numbers finite, deviations positive.
    pub(crate) fn check(&self) -> Result<(), String> {
        let width = self.width();
        if width == 0 || width > COLUMNS_MAX || self.columns.len() > COLUMNS_MAX {
            return Err(format!("`{width}` encoded columns"));
        }
        if [self.fill.len(), self.mean.len(), self.deviation.len()] != [width; 3] {
            return Err("facts of the columns are not as many as the columns".to_owned());
        }
        if !self.fill.iter().chain(&self.mean).chain(&self.deviation).all(|value| value.is_finite()) {
            return Err("a number is not finite".to_owned());
        }
        if !self.deviation.iter().all(|&deviation| deviation > 0.0) {
            return Err("a deviation is not positive".to_owned());
        }
        let names: std::collections::BTreeSet<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        if names.len() != self.columns.len() {
            return Err("a column is there twice".to_owned());
        }
        for column in &self.columns {
            if let ColumnKind::Category { levels } = &column.kind
                && (levels.len() > LEVELS_MAX || !levels.windows(2).all(|pair| pair[0] < pair[1]))
            {
                return Err(format!("levels of column `{}` are too many or not in order", column.name));
            }
        }
        Ok(())
    }
}

/// Levels that occur in the rows, sorted.
fn levels(name: &str, categories: &Categories) -> Result<Vec<String>, LearnError> {
    let mut seen = vec![false; categories.levels.len()];
    for &code in &categories.codes {
        if let Some(seen) = seen.get_mut(code as usize) {
            *seen = true;
        }
    }
    let mut out: Vec<String> =
        categories.levels.iter().zip(seen).filter(|(_, seen)| *seen).map(|(level, _)| level.clone()).collect();
    out.sort_unstable();
    out.dedup();
    if out.len() > LEVELS_MAX {
        return Err(LearnError::Levels { column: name.to_owned(), seen: out.len(), most: LEVELS_MAX });
    }
    Ok(out)
}

/// A number as the members read it; one beyond [`NUMBER_MAX`] is missing.
fn encode_number(number: f64, log: bool) -> f32 {
    let number = if log { libm::copysign(libm::log1p(number.abs()), number) } else { number };
    let narrow = number as f32;
    if narrow.abs() <= NUMBER_MAX { narrow } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Frame {
        let mut frame = Frame::new(4);
        frame.push("age", Column::Number(vec![1.0, f64::NAN, 3.0, 8.0])).unwrap();
        let plan = Categories::from_texts([Some("z"), Some("a"), None, Some("z")]);
        frame.push("plan", Column::Category(plan)).unwrap();
        frame
    }

    #[test]
    fn levels_are_sorted_and_missing_is_zeros() {
        let fitted = Preprocess::fit(&sample(), &[]).unwrap();
        assert_eq!(fitted.encoded_names(), ["age", "plan=a", "plan=z"]);
        let matrix = fitted.encode(&sample()).unwrap();
        assert_eq!(matrix.row(0), [1.0, 0.0, 1.0]);
        assert_eq!(matrix.row(2), [3.0, 0.0, 0.0]);
        assert!(matrix.row(1)[0].is_nan());
        assert_eq!(fitted.filled(&matrix).row(1), [3.0, 1.0, 0.0]);
        assert!(fitted.check().is_ok());
    }

    #[test]
    fn scaled_columns_have_mean_0_and_deviation_1() {
        let fitted = Preprocess::fit(&sample(), &[]).unwrap();
        let scaled = fitted.scaled(&fitted.filled(&fitted.encode(&sample()).unwrap()));
        for at in 0..3 {
            let column: Vec<f64> = (0..4).map(|row| f64::from(scaled.row(row)[at])).collect();
            assert!(column.iter().sum::<f64>().abs() < 1e-5);
            assert!((column.iter().map(|value| value * value).sum::<f64>() - 4.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_row_encodes_as_its_frame() {
        let fitted = Preprocess::fit(&sample(), &["age".to_owned()]).unwrap();
        assert_eq!(fitted.encode_row(&[Value::Number(8.0), Value::Text("z")]), fitted.encode(&sample()).unwrap().row(3));
    }

    #[test]
    fn an_unseen_level_is_zeros_and_a_wrong_kind_is_missing() {
        let fitted = Preprocess::fit(&sample(), &[]).unwrap();
        assert_eq!(fitted.encode_row(&[Value::Number(2.0), Value::Text("new")]), [2.0, 0.0, 0.0]);
        let row = fitted.encode_row(&[Value::Text("x"), Value::Number(1.0)]);
        assert!(row[0].is_nan() && row[1..] == [0.0, 0.0]);
        assert!(fitted.encode_row(&[Value::Number(f64::INFINITY)])[0].is_nan());
        assert_eq!(fitted.encode_row(&[]).len(), 3);
    }

    #[test]
    fn an_absent_column_is_refused() {
        let fitted = Preprocess::fit(&sample(), &[]).unwrap();
        let found = fitted.encode(&sample().only(|name| name == "age"));
        assert_eq!(found, Err(LearnError::NoColumn("plan".to_owned())));
    }

    #[test]
    fn an_identifier_is_refused_as_a_category() {
        let texts: Vec<String> = (0..300).map(|row| format!("id{row}")).collect();
        let mut frame = Frame::new(300);
        frame.push("id", Column::Category(Categories::from_texts(texts.iter().map(|text| Some(text.as_str()))))).unwrap();
        assert!(matches!(Preprocess::fit(&frame, &[]), Err(LearnError::Levels { seen: 300, .. })));
    }
}
