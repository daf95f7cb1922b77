//! What an attacker may reach from a row: a closed box of 32-bit values (T5). Both ends belong to it, and every 32-bit value between
//! them; a missing value stays missing.

use crate::trees::EvadeError;

/// A box around a row, one closed interval a column. `NaN` as both ends: the value is missing and stays so.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    low: Vec<f32>,
    high: Vec<f32>,
}

/// How far two values of a column are apart, in units of the column's scale. Rises with the distance, rounding and all.
pub fn distance(from: f32, to: f32, scale: f64) -> f64 {
    if from == to { 0.0 } else { (f64::from(to) - f64::from(from)).abs() / scale }
}

impl Region {
    /// A box of given ends.
    ///
    /// # Errors
    /// Ends that are not as many as each other, infinite, in the wrong order, or `NaN` on one side only.
    pub fn new(low: Vec<f32>, high: Vec<f32>) -> Result<Self, EvadeError> {
        if low.len() != high.len() {
            return Err(EvadeError::Count { what: "upper ends of the box", expected: low.len(), seen: high.len() });
        }
        let fits = |low: f32, high: f32| (low.is_nan() && high.is_nan()) || (low <= high && low.is_finite() && high.is_finite());
        if let Some((low, high)) = low.iter().zip(&high).find(|(low, high)| !fits(**low, **high)) {
            let seen = format!("{low} to {high}");
            return Err(EvadeError::Number { what: "an interval of the box", seen, allowed: "finite intervals" });
        }
        Ok(Self { low, high })
    }

    /// All rows within `radius` of the row: in each column at most `radius` times its scale away. A scale of 0 holds the column
    /// fixed. The ends are the last 32-bit values for which [`distance`] is at most the radius.
    ///
    /// # Errors
    /// Scales that are not as many as the values, negative or not finite; a radius that is; infinite values.
    pub fn around(row: &[f32], scales: &[f64], radius: f64) -> Result<Self, EvadeError> {
        if scales.len() != row.len() {
            return Err(EvadeError::Count { what: "scales of columns", expected: row.len(), seen: scales.len() });
        }
        let number = |what, seen: f64| EvadeError::Number { what, seen: seen.to_string(), allowed: "0 and above, finite" };
        if !(0.0..=f64::MAX).contains(&radius) {
            return Err(number("the radius", radius));
        }
        if let Some(&scale) = scales.iter().find(|scale| !(0.0..=f64::MAX).contains(*scale)) {
            return Err(number("the scale of a column", scale));
        }
        if let Some(&value) = row.iter().find(|value| value.is_infinite()) {
            return Err(number("a value of the row", f64::from(value)));
        }
        let end = |(&value, &scale): (&f32, &f64), up| last(value, scale, radius, up);
        let low = row.iter().zip(scales).map(|pair| end(pair, false)).collect();
        let high = row.iter().zip(scales).map(|pair| end(pair, true)).collect();
        Ok(Self { low, high })
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.low.len()
    }

    /// The interval of a column; missing beyond the last.
    pub fn interval(&self, column: usize) -> (f32, f32) {
        let end = |ends: &[f32]| ends.get(column).copied().unwrap_or(f32::NAN);
        (end(&self.low), end(&self.high))
    }

    /// Whether the row lies in the box.
    pub fn contains(&self, row: &[f32]) -> bool {
        let inside = |(&value, (&low, &high)): (&f32, (&f32, &f32))| {
            if low.is_nan() { value.is_nan() } else { low <= value && value <= high }
        };
        row.len() == self.columns() && row.iter().zip(self.low.iter().zip(&self.high)).all(inside)
    }
}

/// The last value on one side that is at most so far away.
fn last(value: f32, scale: f64, radius: f64, up: bool) -> f32 {
    let fits = |to: f32| distance(value, to, scale) <= radius;
    if value.is_nan() || scale == 0.0 || radius == 0.0 {
        return value;
    }
    let (step, end): (fn(f32) -> f32, f32) = if up { (f32::next_up, f32::MAX) } else { (f32::next_down, f32::MIN) };
    let reach = radius * scale;
    let guess = (f64::from(value) + if up { reach } else { -reach }).clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
    // Nearly always the guess is right or off by one.
    for near in [step(guess), guess, if up { guess.next_down() } else { guess.next_up() }] {
        if near.is_finite() && fits(near) && (near == end || !fits(step(near))) {
            return near;
        }
    }
    // Keys order as the values do, so the last that fits is found by halving.
    let (mut inside, mut outside) = (key(value), key(end));
    if fits(end) {
        return end;
    }
    while inside.abs_diff(outside) > 1 {
        let middle = inside.midpoint(outside);
        if fits(of_key(middle)) { inside = middle } else { outside = middle }
    }
    of_key(inside)
}

/// A whole number that orders as the value does.
fn key(value: f32) -> i64 {
    let bits = i64::from(value.to_bits() & 0x7FFF_FFFF);
    if value.is_sign_negative() { -bits } else { bits }
}

fn of_key(key: i64) -> f32 {
    let size = f32::from_bits(key.unsigned_abs() as u32 & 0x7FFF_FFFF);
    if key < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missing_and_fixed_values_stay() {
        let region = Region::around(&[1.0, f32::NAN, 3.0], &[0.0, 1.0, 2.0], 0.5).unwrap();
        assert_eq!(region.interval(0), (1.0, 1.0));
        assert!(region.interval(1).0.is_nan() && region.interval(7).1.is_nan());
        assert_eq!(region.interval(2), (2.0, 4.0));
        assert!(region.contains(&[1.0, f32::NAN, 2.5]));
        assert!(!region.contains(&[1.0, 0.0, 2.5]) && !region.contains(&[1.1, f32::NAN, 2.5]));
    }

    #[test]
    fn a_radius_that_is_no_number_is_refused() {
        assert!(Region::around(&[1.0], &[1.0], f64::NAN).is_err());
        assert!(Region::around(&[1.0], &[-1.0], 0.1).is_err());
        assert!(Region::around(&[1.0], &[1.0, 1.0], 0.1).is_err());
        assert!(Region::around(&[f32::INFINITY], &[1.0], 0.1).is_err());
        assert!(Region::new(vec![2.0], vec![1.0]).is_err());
    }

    proptest! {
        #[test]
        fn ends_are_the_last_values_that_fit(value in -1e6f32..1e6, scale in 1e-6f64..1e6, radius in 0.0f64..2.0) {
            let region = Region::around(&[value], &[scale], radius).unwrap();
            let (low, high) = region.interval(0);
            let fits = |to| distance(value, to, scale) <= radius;
            prop_assert!(fits(low) && fits(high) && low <= value && value <= high);
            prop_assert!(!fits(low.next_down()) || scale == 0.0);
            prop_assert!(!fits(high.next_up()) || scale == 0.0);
        }

        #[test]
        fn ends_next_to_zero_are_found_too(scale in 1e-3f64..1e3) {
            let value = scale as f32;
            let (low, _) = Region::around(&[value], &[scale], 1.0).unwrap().interval(0);
            prop_assert!(distance(value, low, scale) <= 1.0 && distance(value, low.next_down(), scale) > 1.0);
        }
    }
}
