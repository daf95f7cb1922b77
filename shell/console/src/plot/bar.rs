//! Named bars: churn by segment, importance by column, time by step. Bars lie flat, so that long names stay readable (T1, T5).

use maud::{Markup, html};

use super::scale::{Axis, Scale, usable};
use super::{Placement, WIDTH, brief, canvas, px, shorten};

/// One bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// Its name, at the left.
    pub name: String,
    /// Its length, in the unit of the axis.
    pub value: f64,
    /// Its standard deviation, drawn as a whisker.
    pub sd: Option<f64>,
    /// What is written after it; the plain value where this is empty.
    pub note: String,
}

/// A plot of named bars.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// Unique in its page.
    pub id: String,
    /// Above the plot.
    pub title: String,
    /// The axis under the bars; fits from zero where it has no range.
    pub axis: Axis,
    /// At most [`BARS_MAX`] are drawn.
    pub bars: Vec<Bar>,
    /// A value to compare with, and its name.
    pub reference: Option<(String, f64)>,
}

/// Bars beyond this are not drawn.
pub const BARS_MAX: usize = 40;

const LEFT: f64 = 176.0;
const RIGHT: f64 = WIDTH - 76.0;
const TOP: f64 = 34.0;
const ROW: f64 = 28.0;
const THICK: f64 = 16.0;
const NAME_CHARS_MAX: usize = 22;
const NOTE_CHARS_MAX: usize = 10;
const AXIS_CHARS_MAX: usize = 48;

/// Draws bars as one `<svg>` element.
pub fn bars(plot: &Bars, placement: Placement) -> Markup {
    let shown: Vec<&Bar> = plot.bars.iter().filter(|bar| usable(bar.value)).take(BARS_MAX).collect();
    let reference = plot.reference.as_ref().filter(|(_, value)| usable(*value));
    let ends = shown.iter().flat_map(|bar| [bar.value, bar.value + bar.sd.unwrap_or(0.0)]);
    let scale = Scale::new(plot.axis.range, ends.chain([0.0]).chain(reference.map(|(_, value)| *value)), LEFT, RIGHT);
    let bottom = TOP + shown.len().max(1) as f64 * ROW + 4.0;
    let body = html! {
        (axis(plot, &scale, bottom))
        @for (index, bar) in shown.iter().enumerate() { (row(bar, middle_of(index), &scale)) }
        @if shown.is_empty() {
            text class="plot-empty" x=(px((LEFT + RIGHT) / 2.0)) y=(px(TOP + ROW * 0.7)) text-anchor="middle" { "nothing was measured" }
        }
        @if let Some((name, value)) = reference {
            // After the bars, which would hide it, and before the notes, which must be read.
            line class="plot-line series-6" x1=(px(scale.place(*value))) y1=(px(TOP)) x2=(px(scale.place(*value))) y2=(px(bottom)) {}
            g class="plot-legend" {
                line class="plot-line series-6" x1="16" y1=(px(bottom + 58.0)) x2="44" y2=(px(bottom + 58.0)) {}
                text x="52" y=(px(bottom + 62.0)) { (shorten(name, AXIS_CHARS_MAX)) }
            }
        }
        @for (index, bar) in shown.iter().enumerate() { (note(bar, middle_of(index), &scale)) }
    };
    let height = bottom + if reference.is_some() { 74.0 } else { 50.0 };
    canvas(&plot.id, &plot.title, &describe(plot, &shown), height, placement, body)
}

fn axis(plot: &Bars, scale: &Scale, bottom: f64) -> Markup {
    let zero = px(scale.place(0.0));
    html! {
        g class="plot-grid" {
            @for tick in scale.ticks() { line x1=(px(scale.place(tick))) y1=(px(TOP)) x2=(px(scale.place(tick))) y2=(px(bottom)) {} }
        }
        g class="plot-axis" { line x1=(zero) y1=(px(TOP)) x2=(zero) y2=(px(bottom)) {} }
        g class="plot-tick" {
            @for tick in scale.ticks() {
                text x=(px(scale.place(tick))) y=(px(bottom + 16.0)) text-anchor="middle" { (scale.label(tick, plot.axis.ticks)) }
            }
        }
        text class="plot-label" x=(px((LEFT + RIGHT) / 2.0)) y=(px(bottom + 36.0)) text-anchor="middle" {
            (shorten(&plot.axis.title(), AXIS_CHARS_MAX))
        }
    }
}

fn middle_of(index: usize) -> f64 {
    TOP + (index as f64 + 0.5) * ROW
}

/// Where the whisker of a bar begins and ends; nothing where there is no spread.
fn whisker_of(bar: &Bar, scale: &Scale) -> Option<(f64, f64)> {
    let sd = bar.sd.filter(|sd| usable(*sd) && *sd > 0.0)?;
    Some((scale.place(bar.value - sd), scale.place(bar.value + sd)))
}

fn note(bar: &Bar, middle: f64, scale: &Scale) -> Markup {
    let note = if bar.note.is_empty() { brief(bar.value) } else { shorten(&bar.note, NOTE_CHARS_MAX) };
    let end = scale.place(bar.value);
    let end = whisker_of(bar, scale).map_or(end, |(_, high)| end.max(high));
    html! { text class="plot-note" x=(px(end + 6.0)) y=(px(middle + 4.0)) { (note) } }
}

/// A name in one line or two: names often differ only at their end.
fn name(bar: &Bar, middle: f64) -> Markup {
    let (first, second) = folded(&bar.name);
    let rise = if second.is_empty() { 4.0 } else { -2.0 };
    html! {
        text class="plot-name" x=(px(LEFT - 8.0)) y=(px(middle + rise)) text-anchor="end" {
            (shorten(first, NAME_CHARS_MAX))
            title { (bar.name) }
        }
        @if !second.is_empty() {
            text class="plot-name" x=(px(LEFT - 8.0)) y=(px(middle + rise + 12.0)) text-anchor="end" { (shorten(second, NAME_CHARS_MAX)) }
        }
    }
}

/// Parts a name that is too long for one line after the last blank that leaves a first line that fits.
fn folded(name: &str) -> (&str, &str) {
    let Some((end, _)) = name.char_indices().nth(NAME_CHARS_MAX) else { return (name, "") };
    match name.split_at_checked(end).and_then(|(start, _)| start.rfind(' ')).and_then(|at| name.split_at_checked(at)) {
        Some((first, second)) if !first.trim().is_empty() => (first.trim(), second.trim()),
        Some(_) | None => (name, ""),
    }
}

fn row(bar: &Bar, middle: f64, scale: &Scale) -> Markup {
    let (zero, end) = (scale.place(0.0), scale.place(bar.value));
    let whisker = whisker_of(bar, scale);
    let (low, high) = whisker.unwrap_or((end, end));
    html! {
        (name(bar, middle))
        rect class="plot-bar" x=(px(zero.min(end))) y=(px(middle - THICK / 2.0)) width=(px((end - zero).abs().max(1.0))) height=(px(THICK)) rx="2" {}
        @if whisker.is_some() {
            path class="plot-whisker" d=(format!("M{} {}H{}", px(low), px(middle), px(high))) {}
            path class="plot-whisker" d=(format!("M{} {}V{}", px(low), px(middle - 4.0), px(middle + 4.0))) {}
            path class="plot-whisker" d=(format!("M{} {}V{}", px(high), px(middle - 4.0), px(middle + 4.0))) {}
        }
    }
}

/// The bars in words, one by one.
fn describe(plot: &Bars, shown: &[&Bar]) -> String {
    let mut words = format!("{} by name.", plot.axis.title());
    for bar in shown {
        let spread = bar.sd.map(|sd| format!(" plus or minus {}", brief(sd))).unwrap_or_default();
        words.push_str(&format!(" {}: {}{spread}.", bar.name, brief(bar.value)));
    }
    if let Some((name, value)) = &plot.reference {
        words.push_str(&format!(" {name}: {}.", brief(*value)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[f64]) -> String {
        let bars_of = values.iter().map(|value| Bar { name: format!("b{value}"), value: *value, ..Bar::default() }).collect();
        let plot = Bars { id: "b".into(), axis: Axis::fit("rate", ""), bars: bars_of, ..Bars::default() };
        bars(&plot, Placement::Inline).into_string()
    }

    #[test]
    fn bars_start_at_zero_and_keep_their_ratio() {
        let svg = drawn(&[0.5, 1.0]);
        assert!(svg.contains("x=\"176\" y=\"40\" width=\"104\"") && svg.contains("x=\"176\" y=\"68\" width=\"208\""), "{svg}");
    }

    #[test]
    fn a_negative_bar_lies_left_of_zero() {
        let svg = drawn(&[-1.0, 1.0]);
        assert!(svg.contains("x=\"176\" y=\"40\" width=\"104\"") && svg.contains("x=\"280\" y=\"68\" width=\"104\""), "{svg}");
    }

    #[test]
    fn no_bars_say_so() {
        assert!(drawn(&[f64::NAN]).contains("nothing was measured"));
    }

    #[test]
    fn too_many_bars_are_cut() {
        assert_eq!(drawn(&[1.0; 100]).matches("class=\"plot-bar\"").count(), BARS_MAX);
    }

    #[test]
    fn a_long_name_takes_two_lines() {
        assert_eq!(folded("medium, high value, middle churn"), ("medium, high value,", "middle churn"));
        assert_eq!(folded("competitor_price"), ("competitor_price", ""));
        let one_word = "a_name_without_any_blank_at_all";
        assert_eq!(folded(one_word), (one_word, ""));
        assert_eq!(folded("äöü äöü äöü äöü äöü äöü äöü"), ("äöü äöü äöü äöü äöü", "äöü äöü"));
    }

    #[test]
    fn the_text_alternative_names_every_bar() {
        assert!(drawn(&[0.25, 0.5]).contains("b0.25: 0.25. b0.5: 0.5."));
    }
}
