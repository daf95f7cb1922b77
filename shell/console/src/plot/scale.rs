//! Axes: what range to show, and round numbers to write on it. A wrong axis lies about a model (T5, T6).

/// What an axis shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What is measured.
    pub label: String,
    /// In which unit; empty for a plain number.
    pub unit: String,
    /// The range to show; none to fit the points.
    pub range: Option<(f64, f64)>,
    /// How the ticks are written.
    pub ticks: Ticks,
}

impl Axis {
    /// An axis that fits its points.
    pub fn fit(label: &str, unit: &str) -> Self {
        Axis { label: label.to_owned(), unit: unit.to_owned(), ..Axis::default() }
    }

    /// An axis from 0 to 1.
    pub fn unit_interval(label: &str) -> Self {
        Axis { label: label.to_owned(), range: Some((0.0, 1.0)), ..Axis::default() }
    }

    /// The label with its unit in brackets.
    pub fn title(&self) -> String {
        if self.unit.is_empty() { self.label.clone() } else { format!("{} ({})", self.label, self.unit) }
    }
}

/// How numbers stand on an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ticks {
    /// As they are.
    #[default]
    Plain,
    /// Times a hundred, with a percent sign.
    Percent,
}

/// A straight map from values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// Ticks that an axis aims at; the round steps 1, 2, 5 give from three to about twice as many.
const TICKS_AIM: f64 = 5.0;

/// Ticks that an axis never exceeds, whatever its range.
const TICKS_MAX: usize = 24;

impl Scale {
    /// A scale over `range` or, without one, over the finite `values`, widened to round numbers; pixels run from `from` to `to`.
    pub(super) fn new(range: Option<(f64, f64)>, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = match range.filter(|(low, high)| usable(*low) && usable(*high) && low < high) {
            Some(range) => range,
            None => fitted(values),
        };
        Scale { low, high, from, to }
    }

    /// The pixel of a value, held inside the drawn range.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// Round values inside the range.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let step = round_step((self.high - self.low) / TICKS_AIM);
        let first = (self.low / step - 1e-9).ceil();
        let last = (self.high / step + 1e-9).floor();
        let count = ((last - first).max(0.0) as usize).min(TICKS_MAX);
        (0..=count).map(|index| (first + index as f64) * step).collect()
    }

    /// A tick as text, with as many decimals as its neighbours need.
    pub(super) fn label(&self, value: f64, ticks: Ticks) -> String {
        let (factor, sign) = match ticks {
            Ticks::Plain => (1.0, ""),
            Ticks::Percent => (100.0, "%"),
        };
        let step = round_step((self.high - self.low) / TICKS_AIM) * factor;
        let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize;
        let value = value * factor;
        // The addition of zero turns a negative zero into a plain one.
        let value = if value.abs() < step * 1e-6 { 0.0 } else { value } + 0.0;
        if value.abs() >= 1e6 || (step < 1e-6) { format!("{value:.1e}{sign}") } else { format!("{value:.decimals$}{sign}") }
    }
}

/// Numbers beyond this are not drawn: differences between them lose their digits.
const VALUE_MAX: f64 = 1e15;

/// Whether a number can be drawn.
pub(super) fn usable(value: f64) -> bool {
    value.is_finite() && value.abs() <= VALUE_MAX
}

fn fitted(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| usable(*value))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let span = (high - low).max(high.abs().max(low.abs()) * 1e-6);
    if span < 1e-9 {
        return (low - 0.5, high + 0.5);
    }
    let step = round_step(span / TICKS_AIM);
    let (low_round, high_round) = ((low / step).floor() * step, (high / step).ceil() * step);
    if low_round < high_round { (low_round, high_round) } else { (low - step, high + step) }
}

/// The smallest of 1, 2, 5 times a power of ten that is not less than `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let share = raw / power;
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| share <= factor + 1e-9).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(low: f64, high: f64, ticks: Ticks) -> Vec<String> {
        let scale = Scale::new(Some((low, high)), std::iter::empty(), 0.0, 100.0);
        scale.ticks().into_iter().map(|tick| scale.label(tick, ticks)).collect()
    }

    #[test]
    fn the_unit_interval_has_six_round_ticks() {
        assert_eq!(labels(0.0, 1.0, Ticks::Plain), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }

    #[test]
    fn percent_is_times_a_hundred() {
        assert_eq!(labels(0.0, 0.5, Ticks::Percent), ["0%", "10%", "20%", "30%", "40%", "50%"]);
    }

    #[test]
    fn a_range_across_zero_has_a_plain_zero() {
        assert_eq!(labels(-2.0, 2.0, Ticks::Plain), ["-2", "-1", "0", "1", "2"]);
    }

    #[test]
    fn one_value_alone_still_has_a_range() {
        let scale = Scale::new(None, [3.0].into_iter(), 0.0, 100.0);
        assert!((scale.place(3.0) - 50.0).abs() < 1.0);
    }

    proptest! {
        #[test]
        fn any_values_give_few_ticks_inside_the_pixels(values in prop::collection::vec(prop::num::f64::ANY, 0..20), at in prop::num::f64::NORMAL) {
            let scale = Scale::new(None, values.into_iter(), 10.0, 90.0);
            let ticks = scale.ticks();
            prop_assert!(!ticks.is_empty() && ticks.len() <= TICKS_MAX + 1);
            for tick in ticks.into_iter().chain([at]) {
                let pixel = scale.place(tick);
                prop_assert!((10.0..=90.0).contains(&pixel), "{tick} at {pixel}");
                prop_assert!(!scale.label(tick, Ticks::Plain).is_empty());
            }
        }
    }
}
