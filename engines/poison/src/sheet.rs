//! A table in the attacker's hands: cells can be set, which a frame does not allow.

use std::collections::BTreeMap;

use frame::{Categories, Column, Frame, MISSING};

/// Most decimals that a column is taken to be written with; numbers with more are not rounded.
const DECIMALS_MAX: i32 = 6;
/// How far a number may be from its rounding to count as written so.
const DECIMALS_SLACK: f64 = 1e-6;

/// Columns of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    rows: usize,
    names: Vec<String>,
    columns: Vec<Column>,
    /// Codes by level, made where a level is first looked for.
    codes: Vec<Option<BTreeMap<String, u32>>>,
}

impl Sheet {
    pub(crate) fn new(frame: &Frame) -> Self {
        Self {
            rows: frame.rows(),
            names: frame.names().to_vec(),
            columns: frame.columns().to_vec(),
            codes: vec![None; frame.columns().len()],
        }
    }

    /// Sets a number; nothing happens where the column holds categories.
    pub(crate) fn set_number(&mut self, column: usize, row: usize, value: f64) {
        if let Some(Column::Number(values)) = self.columns.get_mut(column)
            && let Some(cell) = values.get_mut(row)
        {
            *cell = value;
        }
    }

    /// Sets a level, new or known; nothing happens where the column holds numbers.
    pub(crate) fn set_text(&mut self, column: usize, row: usize, text: Option<&str>) {
        let Some(Column::Category(categories)) = self.columns.get_mut(column) else { return };
        let code = text.map_or(MISSING, |text| {
            let known = self.codes[column]
                .get_or_insert_with(|| (0..).zip(&categories.levels).map(|(code, level)| (level.clone(), code)).collect());
            *known.entry(text.to_owned()).or_insert_with(|| {
                categories.levels.push(text.to_owned());
                u32::try_from(categories.levels.len() - 1).unwrap_or(MISSING)
            })
        });
        if let Some(cell) = categories.codes.get_mut(row) {
            *cell = code;
        }
    }

    /// Takes a cell from another table's column of the same kind.
    pub(crate) fn copy(&mut self, column: usize, row: usize, from: &Column, at: usize) {
        match from {
            Column::Number(values) => self.set_number(column, row, values.get(at).copied().unwrap_or(f64::NAN)),
            Column::Category(categories) => self.set_text(column, row, categories.text(at)),
        }
    }

    /// The number of a cell; `NaN` where there is none.
    pub(crate) fn number(&self, column: usize, row: usize) -> f64 {
        self.columns.get(column).map_or(f64::NAN, |column| number(column, row))
    }

    /// A column.
    pub(crate) fn column(&self, column: usize) -> Option<&Column> {
        self.columns.get(column)
    }

    /// The table as it will be sent.
    pub(crate) fn into_frame(self) -> Frame {
        // INVARIANT: names and lengths are those of a frame, so every column fits.
        assembled(self.rows, self.names.into_iter().zip(self.columns))
    }
}

/// A frame of columns that fit; one that does not is left out.
pub(crate) fn assembled(rows: usize, columns: impl IntoIterator<Item = (String, Column)>) -> Frame {
    let mut out = Frame::new(rows);
    for (name, column) in columns {
        let fits = out.push(&name, column);
        debug_assert!(fits.is_ok(), "{fits:?}");
    }
    out
}

/// The number of a cell; `NaN` for missing, categories and rows beyond the end.
pub(crate) fn number(column: &Column, row: usize) -> f64 {
    match column {
        Column::Number(values) => values.get(row).copied().unwrap_or(f64::NAN),
        Column::Category(_) => f64::NAN,
    }
}

/// The categories of a column, if it has them.
pub(crate) fn categories(column: &Column) -> Option<&Categories> {
    match column {
        Column::Category(categories) => Some(categories),
        Column::Number(_) => None,
    }
}

/// How the numbers of a column are written and where they lie.
#[derive(Clone, Debug)]
pub(crate) struct Law {
    /// Finite values in rising order; never empty.
    sorted: Vec<f64>,
    /// Ten to the decimals, if so few decimals say all.
    unit: Option<f64>,
}

impl Law {
    /// `None` for categories and for columns without a finite number.
    pub(crate) fn of(column: &Column) -> Option<Self> {
        let Column::Number(values) = column else { return None };
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let unit = (0..=DECIMALS_MAX)
            .map(|decimals| libm::pow(10.0, f64::from(decimals)))
            .find(|unit| sorted.iter().all(|value| (value * unit - (value * unit).round()).abs() < DECIMALS_SLACK));
        (!sorted.is_empty()).then_some(Self { sorted, unit })
    }

    /// The value below which this share of the column lies.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let at = (share.clamp(0.0, 1.0) * (self.sorted.len() - 1) as f64).round() as usize;
        self.sorted.get(at).copied().unwrap_or(0.0)
    }

    /// Half of the middle 68 in 100: a deviation that outliers do not move. The whole range where that is nothing.
    pub(crate) fn spread(&self) -> f64 {
        let spread = (self.quantile(0.84) - self.quantile(0.16)) / 2.0;
        if spread > 0.0 { spread } else { self.quantile(1.0) - self.quantile(0.0) }
    }

    /// The smallest step between written numbers.
    pub(crate) fn step(&self) -> f64 {
        self.unit.map_or(0.0, |unit| 1.0 / unit)
    }

    /// As the column would write it.
    pub(crate) fn written(&self, value: f64) -> f64 {
        self.unit.map_or(value, |unit| (value * unit).round() / unit)
    }

    /// As the column would write it, and within its range.
    pub(crate) fn within(&self, value: f64) -> f64 {
        self.written(value.clamp(self.quantile(0.0), self.quantile(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_know_decimals_range_and_spread() {
        let law = Law::of(&Column::Number(vec![0.25, 1.5, f64::NAN, 3.0])).unwrap();
        assert_eq!((law.written(1.236), law.within(9.0), law.step()), (1.24, 3.0, 0.01));
        assert!(law.spread() > 0.0);
        assert!(Law::of(&Column::Number(vec![f64::NAN, f64::INFINITY])).is_none());
        assert!(Law::of(&Column::Number(vec![])).is_none());
        let thirds = Law::of(&Column::Number(vec![1.0 / 3.0, 2.0 / 3.0])).unwrap();
        assert_eq!(thirds.written(0.123_456_789), 0.123_456_789);
    }

    #[test]
    fn levels_new_and_known_can_be_set() {
        let mut frame = Frame::new(2);
        frame.push("a", Column::Category(Categories::from_texts([Some("x"), None]))).unwrap();
        let mut sheet = Sheet::new(&frame);
        sheet.set_text(0, 1, Some("x"));
        sheet.set_text(0, 0, Some("new"));
        sheet.set_text(0, 7, Some("far"));
        sheet.set_number(0, 0, 1.0);
        let out = sheet.into_frame();
        let texts = categories(&out.columns()[0]).unwrap();
        assert_eq!([texts.text(0), texts.text(1)], [Some("new"), Some("x")]);
    }
}
