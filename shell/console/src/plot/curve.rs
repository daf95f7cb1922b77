//! Plots of y against x: ROC, precision and recall, lift, calibration, anything measured over time (T3, T5).

use maud::{Markup, html};

use super::scale::{Axis, Scale, usable};
use super::{POINTS_MAX, Placement, SERIES_MAX, WIDTH, brief, canvas, px, shorten};

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Points joined by straight lines.
    #[default]
    Line,
    /// Points joined by steps: the value holds until the next point.
    Step,
    /// Points alone.
    Scatter,
    /// Points joined by lines, each point marked: a calibration curve.
    LineAndPoints,
    /// A thin dashed line to compare with: the diagonal, chance, a limit.
    Reference,
}

/// One series of points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// `[x, y]` in the units of the axes; what is not finite is left out.
    pub points: Vec<[f64; 2]>,
}

impl Series {
    /// The diagonal from (0, 0) to (1, 1).
    pub fn diagonal(name: &str) -> Self {
        Series { name: name.to_owned(), mark: Mark::Reference, points: vec![[0.0, 0.0], [1.0, 1.0]] }
    }
}

/// A plot of series over two axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// Unique in its page.
    pub id: String,
    /// Above the plot.
    pub title: String,
    /// The axis to the right.
    pub x: Axis,
    /// The axis upwards.
    pub y: Axis,
    /// At most [`SERIES_MAX`] are drawn, references apart.
    pub series: Vec<Series>,
}

const LEFT: f64 = 56.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 270.0;
const LEGEND_TOP: f64 = 330.0;
const LEGEND_ROW: f64 = 20.0;
const LEGEND_COLUMNS: usize = 2;
const LEGEND_CHARS_MAX: usize = 25;
const AXIS_CHARS_MAX: usize = 48;

/// Draws a plot as one `<svg>` element.
pub fn xy(plot: &Plot, placement: Placement) -> Markup {
    let shown = shown(plot);
    let every = || shown.iter().flat_map(|(_, series)| series.points.iter());
    let x = Scale::new(plot.x.range, every().map(|point| point[0]), LEFT, RIGHT);
    let y = Scale::new(plot.y.range, every().map(|point| point[1]), BOTTOM, TOP);
    let rows = shown.len().div_ceil(LEGEND_COLUMNS);
    let height = LEGEND_TOP + rows as f64 * LEGEND_ROW;
    let body = html! {
        (axes(plot, &x, &y))
        @for (slot, series) in &shown { (drawn(series, *slot, &x, &y)) }
        @if shown.iter().all(|(_, series)| series.points.is_empty()) {
            text class="plot-empty" x=(px((LEFT + RIGHT) / 2.0)) y=(px((TOP + BOTTOM) / 2.0)) text-anchor="middle" { "nothing was measured" }
        }
        (legend(&shown))
    };
    canvas(&plot.id, &plot.title, &describe(plot, &shown), height, placement, body)
}

/// The series that are drawn, each with its slot of colour, dash and point; thinned, and without what cannot be drawn.
fn shown(plot: &Plot) -> Vec<(usize, Series)> {
    let mut slot = 0;
    let mut shown = Vec::new();
    for series in &plot.series {
        let own = match series.mark {
            Mark::Reference => SERIES_MAX,
            Mark::Line | Mark::Step | Mark::Scatter | Mark::LineAndPoints => {
                slot += 1;
                slot - 1
            }
        };
        if slot > SERIES_MAX {
            break;
        }
        let points: Vec<[f64; 2]> = series.points.iter().copied().filter(|[x, y]| usable(*x) && usable(*y)).collect();
        shown.push((own, Series { points: thinned(points), ..series.clone() }));
    }
    shown
}

/// Every n-th point, with the last one always.
fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let stride = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    points.into_iter().enumerate().filter(|(index, _)| index % stride == 0 || *index == last).map(|(_, point)| point).collect()
}

fn axes(plot: &Plot, x: &Scale, y: &Scale) -> Markup {
    let middle = (LEFT + RIGHT) / 2.0;
    let turn = format!("rotate(-90 14 {})", px((TOP + BOTTOM) / 2.0));
    html! {
        g class="plot-grid" {
            @for tick in x.ticks() { line x1=(px(x.place(tick))) y1=(px(TOP)) x2=(px(x.place(tick))) y2=(px(BOTTOM)) {} }
            @for tick in y.ticks() { line x1=(px(LEFT)) y1=(px(y.place(tick))) x2=(px(RIGHT)) y2=(px(y.place(tick))) {} }
        }
        g class="plot-axis" {
            line x1=(px(LEFT)) y1=(px(BOTTOM)) x2=(px(RIGHT)) y2=(px(BOTTOM)) {}
            line x1=(px(LEFT)) y1=(px(TOP)) x2=(px(LEFT)) y2=(px(BOTTOM)) {}
        }
        g class="plot-tick" {
            @for tick in x.ticks() {
                text x=(px(x.place(tick))) y=(px(BOTTOM + 17.0)) text-anchor="middle" { (x.label(tick, plot.x.ticks)) }
            }
            @for tick in y.ticks() {
                text x=(px(LEFT - 7.0)) y=(px(y.place(tick) + 4.0)) text-anchor="end" { (y.label(tick, plot.y.ticks)) }
            }
        }
        text class="plot-label" x=(px(middle)) y=(px(BOTTOM + 38.0)) text-anchor="middle" { (shorten(&plot.x.title(), AXIS_CHARS_MAX)) }
        text class="plot-label" x="14" y=(px((TOP + BOTTOM) / 2.0)) text-anchor="middle" transform=(turn) {
            (shorten(&plot.y.title(), AXIS_CHARS_MAX / 2 + 8))
        }
    }
}

fn drawn(series: &Series, slot: usize, x: &Scale, y: &Scale) -> Markup {
    let pixels: Vec<[f64; 2]> = series.points.iter().map(|point| [x.place(point[0]), y.place(point[1])]).collect();
    let lined = series.mark != Mark::Scatter && !pixels.is_empty();
    let dotted = matches!(series.mark, Mark::Scatter | Mark::LineAndPoints);
    html! {
        @if lined { path class=(format!("plot-line series-{slot}")) d=(path(&pixels, series.mark)) {} }
        @if dotted { @for [across, up] in &pixels { (point(slot, *across, *up)) } }
    }
}

fn path(pixels: &[[f64; 2]], mark: Mark) -> String {
    let mut path = String::new();
    let mut before = None;
    for [across, up] in pixels {
        match (before, mark) {
            (None, _) => path.push_str(&format!("M{} {}", px(*across), px(*up))),
            (Some(_), Mark::Step) => path.push_str(&format!("H{}V{}", px(*across), px(*up))),
            (Some(_), Mark::Line | Mark::Scatter | Mark::LineAndPoints | Mark::Reference) => {
                path.push_str(&format!("L{} {}", px(*across), px(*up)));
            }
        }
        before = Some([across, up]);
    }
    path
}

/// The mark of one point: a shape by slot, so that series differ without colour.
fn point(slot: usize, x: f64, y: f64) -> Markup {
    let class = format!("plot-point series-{slot}");
    let (left, top) = (px(x - 3.5), px(y - 3.5));
    let shape = match slot % 4 {
        2 => format!("M{} {}L{} {}L{} {}Z", px(x), px(y - 4.5), px(x + 4.5), px(y + 3.5), px(x - 4.5), px(y + 3.5)),
        _ => format!("M{} {}L{} {}L{} {}L{} {}Z", px(x), px(y - 4.8), px(x + 4.8), px(y), px(x), px(y + 4.8), px(x - 4.8), px(y)),
    };
    html! {
        @match slot % 4 {
            0 => { circle class=(class) cx=(px(x)) cy=(px(y)) r="3.6" {} }
            1 => { rect class=(class) x=(left) y=(top) width="7" height="7" {} }
            _ => { path class=(class) d=(shape) {} }
        }
    }
}

fn legend(shown: &[(usize, Series)]) -> Markup {
    let width = (WIDTH - 24.0) / LEGEND_COLUMNS as f64;
    html! {
        g class="plot-legend" {
            @for (index, (slot, series)) in shown.iter().enumerate() {
                @let left = 16.0 + (index % LEGEND_COLUMNS) as f64 * width;
                @let middle = LEGEND_TOP + (index / LEGEND_COLUMNS) as f64 * LEGEND_ROW;
                @if series.mark != Mark::Scatter {
                    path class=(format!("plot-line series-{slot}")) d=(format!("M{} {}H{}", px(left), px(middle), px(left + 28.0))) {}
                }
                @if matches!(series.mark, Mark::Scatter | Mark::LineAndPoints) { (point(*slot, left + 14.0, middle)) }
                text x=(px(left + 36.0)) y=(px(middle + 4.0)) { (shorten(&series.name, LEGEND_CHARS_MAX)) }
            }
        }
    }
}

/// The plot in words: what is on the axes, and for each series its ends and its extremes.
fn describe(plot: &Plot, shown: &[(usize, Series)]) -> String {
    let mut words = format!("{} against {}.", plot.y.title(), plot.x.title());
    for (_, series) in shown {
        let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else {
            words.push_str(&format!(" {}: no points.", series.name));
            continue;
        };
        let low = series.points.iter().map(|point| point[1]).fold(f64::INFINITY, f64::min);
        let high = series.points.iter().map(|point| point[1]).fold(f64::NEG_INFINITY, f64::max);
        words.push_str(&format!(
            " {}: {} points from ({}, {}) to ({}, {}), lowest {}, highest {}.",
            series.name,
            series.points.len(),
            brief(first[0]),
            brief(first[1]),
            brief(last[0]),
            brief(last[1]),
            brief(low),
            brief(high)
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(series: Vec<Series>) -> Plot {
        Plot { id: "t".into(), title: "T".into(), x: Axis::unit_interval("x"), y: Axis::unit_interval("y"), series }
    }

    fn line(points: Vec<[f64; 2]>) -> Series {
        Series { name: "a".into(), mark: Mark::Line, points }
    }

    #[test]
    fn the_diagonal_runs_from_corner_to_corner() {
        let svg = xy(&plot(vec![Series::diagonal("chance")]), Placement::Inline).into_string();
        assert!(svg.contains("d=\"M56 270L436 34\""), "{svg}");
    }

    #[test]
    fn a_step_holds_its_value_until_the_next_point() {
        let series = Series { mark: Mark::Step, ..line(vec![[0.0, 0.0], [0.5, 1.0]]) };
        let svg = xy(&plot(vec![series]), Placement::Inline).into_string();
        assert!(svg.contains("d=\"M56 270H246V34\""), "{svg}");
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        let svg = xy(&plot(vec![line(vec![[0.0, f64::NAN], [f64::INFINITY, 0.1]])]), Placement::Inline).into_string();
        assert!(svg.contains("nothing was measured") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_million_points_are_thinned_and_the_last_is_kept() {
        let points = (0..=1_000_000).map(|index| [f64::from(index) / 1e6, 0.5]).collect();
        let thin = thinned(points);
        assert!(thin.len() <= POINTS_MAX + 1);
        assert_eq!(thin.last(), Some(&[1.0, 0.5]));
    }

    #[test]
    fn the_text_alternative_tells_the_extremes() {
        let svg = xy(&plot(vec![line(vec![[0.0, 0.25], [1.0, 0.75]])]), Placement::Inline).into_string();
        assert!(svg.contains("a: 2 points from (0, 0.25) to (1, 0.75), lowest 0.25, highest 0.75."), "{svg}");
    }

    #[test]
    fn a_file_has_its_namespace_and_style_and_a_page_has_not() {
        let (file, page) =
            (xy(&plot(vec![]), Placement::Standalone).into_string(), xy(&plot(vec![]), Placement::Inline).into_string());
        assert!(file.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && file.contains("<style>"));
        assert!(!page.contains("xmlns") && !page.contains("<style"));
    }

    #[test]
    fn a_seventh_series_is_not_drawn() {
        let svg = xy(&plot(vec![line(vec![[0.0, 0.0]]); 9]), Placement::Inline).into_string();
        assert!(svg.contains("series-5") && !svg.contains("series-7"));
    }
}
