//! A small plot kit: SVG without scripts, without outside fonts, with a text alternative, the same bytes on the page and on disk.
//! An operator who cannot see what a defence costs will switch it off; so every model's curves are drawn (T5).
//!
//! [`xy`] draws lines, steps, points and a diagonal; [`bars`] draws named bars. Series differ in dash and point as well as in colour.

mod bar;
mod curve;
mod scale;

pub use bar::{BARS_MAX, Bar, Bars, bars};
pub use curve::{Mark, Plot, Series, xy};
pub use scale::{Axis, Ticks};

use maud::{Markup, PreEscaped, html};

use crate::frame::settled;

/// Where a plot will stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// In a page that has [`crate::STYLESHEET`].
    #[default]
    Inline,
    /// In a file of its own: with its namespace and its own style.
    Standalone,
}

/// The style of plots, a part of [`crate::STYLESHEET`] and embedded in standalone files.
pub const PLOT_STYLE: &str = include_str!("../assets/plot.css");

/// Series beyond this are not drawn: nobody can tell them apart.
pub const SERIES_MAX: usize = 6;

/// Points a series is thinned to; the width of a plot has fewer pixels than this.
pub const POINTS_MAX: usize = 1_200;

/// The width of every plot, in SVG units; text is 12 units high.
const WIDTH: f64 = 460.0;

/// Characters of 12 units that fit into the width of a plot as its title, at about 7 units each.
const TITLE_CHARS_MAX: usize = 58;

/// The `<svg>` element around a plot: size, names, text alternative and, in a file, namespace and style.
fn canvas(id: &str, title: &str, describe: &str, height: f64, placement: Placement, body: Markup) -> Markup {
    let id = identifier(id);
    let (title_id, describe_id) = (format!("{id}-title"), format!("{id}-desc"));
    let labelled = format!("{title_id} {describe_id}");
    let view = format!("0 0 {} {}", px(WIDTH), px(height));
    let (xmlns, width, tall) = match placement {
        Placement::Inline => (None, None, None),
        Placement::Standalone => (Some("http://www.w3.org/2000/svg"), Some(px(WIDTH * 2.0)), Some(px(height * 2.0))),
    };
    let drawn = html! {
        svg xmlns=[xmlns] class="plot" id=(id) viewBox=(view) width=[width] height=[tall] role="img" aria-labelledby=(labelled) {
            title id=(title_id) { (title) }
            desc id=(describe_id) { (describe) }
            @if placement == Placement::Standalone {
                style { (PreEscaped(PLOT_STYLE)) }
                rect class="plot-ground" x="0" y="0" width=(px(WIDTH)) height=(px(height)) {}
            }
            text class="plot-title" x="8" y="18" { (shorten(title, TITLE_CHARS_MAX)) }
            (body)
        }
    };
    // A file does not pass through a page's last look, and XML forbids most controls.
    PreEscaped(settled(drawn))
}

/// A length in SVG units with at most one decimal: `12`, `12.5`.
fn px(length: f64) -> String {
    let tenths = (length * 10.0).round() / 10.0 + 0.0;
    format!("{tenths}")
}

/// An id that is safe in any attribute: letters, digits and hyphens only.
fn identifier(text: &str) -> String {
    let safe: String = text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(64).collect();
    format!("plot-{safe}")
}

/// At most `chars_max` characters; what is cut off is shown as an ellipsis.
pub(crate) fn shorten(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A number for prose and labels: at most three decimals, no trailing zeros.
fn brief(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    if value.abs() >= 1e9 {
        return format!("{value:.3e}");
    }
    format!("{}", (value * 1000.0).round() / 1000.0 + 0.0)
}
