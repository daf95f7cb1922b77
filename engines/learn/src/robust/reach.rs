//! How far an outsider can move a column of a customer, and what that means in the numbers that the booster reads (T5).

use serde::{Deserialize, Serialize};

use crate::error::LearnError;
use crate::preprocess::{ColumnKind, Matrix, NUMBER_MAX, Preprocess};

/// How far an outsider can move one encoded number column, in the units of the column as it was delivered.
///
/// A column that is read as `sign(x) * ln(1 + |x|)` is brought back to those units, moved, and read again. That map rises, so the
/// values that can be reached are still all those between two ends; but the ends lie at another distance for each row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// How far down, 0 and above.
    pub down: f64,
    /// How far up, 0 and above.
    pub up: f64,
    /// Whether the column is read as `sign(x) * ln(1 + |x|)`.
    pub log: bool,
}

impl Reach {
    /// As far down as up.
    pub fn both(radius: f64, log: bool) -> Self {
        Self { down: radius, up: radius, log }
    }

    /// Lowest and highest encoded value that a share of the reach, 0 to 1, can make of an encoded value; rounded outwards.
    /// A missing value stays missing.
    pub fn bounds(&self, value: f32, share: f32) -> (f32, f32) {
        if value.is_nan() || share == 0.0 {
            return (value, value);
        }
        let wide = f64::from(value);
        let raw = if self.log { libm::copysign(libm::expm1(wide.abs()), wide) } else { wide };
        let end = |raw: f64| {
            let read = if self.log { libm::copysign(libm::log1p(raw.abs()), raw) } else { raw };
            (read as f32).clamp(-NUMBER_MAX, NUMBER_MAX)
        };
        let (low, high) = (end(raw - self.down * f64::from(share)), end(raw + self.up * f64::from(share)));
        (low.next_down().min(value), high.next_up().max(value))
    }

    fn is_sound(&self) -> bool {
        (0.0..=f64::from(NUMBER_MAX)).contains(&self.down) && (0.0..=f64::from(NUMBER_MAX)).contains(&self.up)
    }
}

/// Refuses reaches that are not one a column, or not numbers.
pub(super) fn check(reach: &[Option<Reach>], columns: usize) -> Result<(), LearnError> {
    if reach.len() != columns {
        return Err(LearnError::Count { what: "reaches of columns", expected: columns, seen: reach.len() });
    }
    match reach.iter().flatten().find(|reach| !reach.is_sound()) {
        Some(wrong) => Err(LearnError::Setting { name: "reach", seen: format!("{wrong:?}"), allowed: "0 to 1e30" }),
        None => Ok(()),
    }
}

impl Preprocess {
    /// Reaches of the encoded columns, if the named number columns can be moved by `eps` times their range, in delivered units, over
    /// the given encoded training rows, and the named categories be given any level, each for itself: a bound on what can really be
    /// done, since two levels at once cannot. Others are `None`, and so are categories at an `eps` of 0.
    ///
    /// # Errors
    /// A name that the model has no column of.
    pub fn reach(&self, rows: &Matrix, names: &[String], eps: f64) -> Result<Vec<Option<Reach>>, LearnError> {
        for name in names {
            if !self.columns().iter().any(|column| column.name == *name) {
                return Err(LearnError::NoColumn(name.clone()));
            }
        }
        let mut out = Vec::with_capacity(self.width());
        for column in self.columns() {
            let named = names.contains(&column.name);
            match &column.kind {
                ColumnKind::Number { log } => {
                    out.push(named.then(|| Reach::both(eps * range(rows, out.len(), *log), *log)));
                }
                ColumnKind::Category { levels } => {
                    let set_or_left = (named && eps > 0.0).then(|| Reach::both(1.0, false));
                    out.resize(out.len() + levels.len(), set_or_left);
                }
            }
        }
        Ok(out)
    }
}

/// Highest less lowest value of an encoded column, in delivered units; 0 where there is none.
fn range(rows: &Matrix, at: usize, log: bool) -> f64 {
    let known = rows.values().iter().skip(at).step_by(rows.columns().max(1)).map(|&value| f64::from(value));
    let known = known.filter(|value| !value.is_nan());
    let (low, high) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
    let raw = |value: f64| if log { libm::copysign(libm::expm1(value.abs()), value) } else { value };
    if low <= high { raw(high) - raw(low) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use frame::{Categories, Column, Frame};

    use super::*;

    fn sample() -> Frame {
        let mut frame = Frame::new(4);
        let plan = Categories::from_texts([Some("z"), Some("a"), None, Some("z")]);
        frame.push("plan", Column::Category(plan)).unwrap();
        frame.push("spend", Column::Number(vec![-1.0, f64::NAN, 3.0, 99.0])).unwrap();
        frame
    }

    fn check(log: bool, eps: f64) {
        let frame = sample();
        let names = ["spend".to_owned()];
        let preprocess = Preprocess::fit(&frame, if log { &names } else { &[] }).unwrap();
        let rows = preprocess.encode(&frame).unwrap();
        let reach = preprocess.reach(&rows, &names, eps).unwrap();
        assert_eq!((reach[0], reach[1]), (None, None));
        let reach = reach[2].unwrap();
        assert!((reach.up - 100.0 * eps).abs() < 1e-4 && reach.up == reach.down && reach.log == log);
        for (row, raw) in [(0, -1.0), (2, 3.0), (3, 99.0)] {
            let value = rows.row(row)[2];
            let (low, high) = reach.bounds(value, 1.0);
            let read = |raw: f64| if log { libm::copysign(libm::log1p(raw.abs()), raw) } else { raw };
            let (expected_low, expected_high) = (read(raw - 100.0 * eps), read(raw + 100.0 * eps));
            assert!((f64::from(low) - expected_low).abs() < 1e-4 && (f64::from(high) - expected_high).abs() < 1e-4);
            assert!(low <= value && value <= high);
        }
        assert!(reach.bounds(f32::NAN, 1.0).0.is_nan());
    }

    #[test]
    fn a_reach_is_a_share_of_the_range_in_delivered_units() {
        check(false, 0.1);
        check(true, 0.1);
        check(true, 0.0);
    }

    #[test]
    fn only_columns_of_the_model_have_a_reach() {
        let frame = sample();
        let preprocess = Preprocess::fit(&frame, &[]).unwrap();
        let rows = preprocess.encode(&frame).unwrap();
        let found = |name: &str, eps| preprocess.reach(&rows, &[name.to_owned()], eps);
        assert_eq!(found("age", 0.1), Err(LearnError::NoColumn("age".to_owned())));
        assert_eq!(found("spend", 0.1).unwrap()[..2], [None, None]);
        let level = Some(Reach::both(1.0, false));
        assert_eq!((found("plan", 0.1).unwrap(), found("plan", 0.0).unwrap()), (vec![level, level, None], vec![None; 3]));
    }
}
