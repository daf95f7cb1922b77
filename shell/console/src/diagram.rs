//! The threat model's diagram as an inline SVG: every step drawn between the boxes where the threat model asks for it (T1 to T7).
//!
//! Where boxes stand is data ([`layout`]): one arrangement for wide screens, one for narrow ones; the stylesheet shows one of them.

mod layout;

use maud::{Markup, html};

use crate::part::{count, gate_count, open_count, sign};
use crate::view::State;
use crate::view::pipeline::{Place, StepView};
use layout::{Arrow, At, Flow, Layout, NARROW, Node, WIDE, Zone};

/// Draws both arrangements. `steps` may come in any order; a step that is missing is drawn as not run.
pub(crate) fn diagram(steps: &[StepView]) -> Markup {
    html! { (arranged(&WIDE, steps)) (arranged(&NARROW, steps)) }
}

/// The id of a step's section below the diagram.
pub(crate) fn anchor(place: Place) -> String {
    format!("step-{}", place.id())
}

/// The step at a place, or one that was never run.
pub(crate) fn step_at(steps: &[StepView], place: Place) -> StepView {
    steps.iter().find(|step| step.place == place).cloned().unwrap_or_else(|| StepView { place, ..StepView::default() })
}

fn arranged(layout: &Layout, steps: &[StepView]) -> Markup {
    let (title, describe) = (format!("{}-title", layout.id), format!("{}-desc", layout.id));
    html! {
        svg class=(format!("diagram {}", layout.id)) viewBox=(format!("0 0 {} {}", layout.width, layout.height)) role="group"
            aria-labelledby=(format!("{title} {describe}")) {
            title id=(title) { "The pipeline, from data to answer" }
            desc id=(describe) { (in_words(steps)) }
            defs {
                @for flow in [Flow::Data, Flow::Watch] {
                    marker id=(format!("{}-{}", layout.id, flow.class())) viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
                        orient="auto-start-reverse" { path class=(format!("head {}", flow.class())) d="M0 0.6L8 4L0 7.4Z" {} }
                }
            }
            @for zone in layout.zones { (zone_drawn(zone)) }
            g aria-hidden="true" { @for arrow in layout.arrows { (arrow_drawn(layout.id, arrow)) } }
            @for at in layout.boxes {
                @match at.node {
                    Node::Outside(lines) => { (outside(at, lines)) }
                    Node::Step(place) => { (step_box(at, &step_at(steps, place))) }
                }
            }
        }
    }
}

fn zone_drawn(zone: &Zone) -> Markup {
    html! {
        rect class="zone" x=(zone.x) y=(zone.y) width=(zone.w) height=(zone.h) rx="10" {}
        text class="zone-name" x=(zone.x + 14) y=(zone.y + 20) { (zone.name) }
    }
}

fn arrow_drawn(layout_id: &str, arrow: &Arrow) -> Markup {
    let mut path = String::new();
    for (index, (x, y)) in arrow.points.iter().enumerate() {
        path.push_str(&format!("{}{x} {y}", if index == 0 { "M" } else { "L" }));
    }
    html! {
        path class=(format!("arrow {}", arrow.flow.class())) d=(path) marker-end=(format!("url(#{layout_id}-{})", arrow.flow.class())) {}
        @if let Some((text, x, y)) = arrow.label { text class="arrow-name" x=(x) y=(y) { (text) } }
    }
}

fn outside(at: &At, lines: &[&str]) -> Markup {
    // The lines stand around the middle of the box, 18 units apart.
    let first = at.y + at.h / 2 + 5 - 9 * (lines.len() as i32 - 1);
    html! {
        g class="outside" {
            rect x=(at.x) y=(at.y) width=(at.w) height=(at.h) rx="6" {}
            @for (line, y) in lines.iter().zip((first..).step_by(18)) {
                text x=(at.x + at.w / 2) y=(y) text-anchor="middle" { (line) }
            }
        }
    }
}

fn step_box(at: &At, step: &StepView) -> Markup {
    let (x, y) = (at.x, at.y);
    let name = step.place.name();
    let open = if step.open.is_empty() { String::new() } else { format!(", {}", open_count(step)) };
    let label =
        format!("{} {name}: {}, {}{open}{}", step.place.number(), step.state.word(), gate_count(step), rows_in_words(step));
    // A sign and a word at the right end of the first line; the sign stands left of the longest word, 12 units high.
    let word_left = x + at.w - 14 - word_width(step.state);
    html! {
        a class=(format!("step {}", step.state.class())) href=(format!("#{}", anchor(step.place))) aria-label=(label) {
            rect class="step-box" x=(x) y=(y) width=(at.w) height=(at.h) rx="6" {}
            path class="step-edge" d=(format!("M{} {}a6 6 0 0 0 -6 6v{}a6 6 0 0 0 6 6z", x + 6, y, at.h - 12)) {}
            text class="step-number" x=(x + 16) y=(y + 22) { (step.place.number()) }
            g class="step-sign" transform=(format!("translate({} {})", word_left - 19, y + 10)) { (sign(step.state)) }
            text class="step-state" x=(word_left) y=(y + 22) { (step.state.word()) }
            @for (line, top) in step.place.lines().iter().zip((y + 43..).step_by(18)) {
                text class="step-name" x=(x + 16) y=(top) { (line) }
            }
            text class="step-count" x=(x + 16) y=(y + at.h - 10) { (count_beside(step)) }
            // What no gate keeps is said before the rows, which the section below has as well.
            @if !step.open.is_empty() {
                text class="step-open is-hold" x=(x + at.w - 12) y=(y + at.h - 10) text-anchor="end" { (open_count(step)) }
            } @else if let Some(rows) = step.rows {
                text class="step-count" x=(x + at.w - 12) y=(y + at.h - 10) text-anchor="end" { (format!("{} rows", compact(rows.passed))) }
            }
        }
    }
}

/// How many gates passed, short enough to stand beside open clauses in a box.
fn count_beside(step: &StepView) -> String {
    let gates = gate_count(step);
    if step.open.is_empty() { gates } else { gates.replacen(" gates pass", " gates", 1) }
}

/// The width of a state's word at 12 units, semibold, in a common sans-serif font: about 6.6 units a letter.
fn word_width(state: State) -> i32 {
    (state.word().len() as i32 * 66).div_euclid(10)
}

fn rows_in_words(step: &StepView) -> String {
    step.rows
        .map(|rows| {
            format!(", {} rows in, {} out, {} quarantined", count(rows.taken), count(rows.passed), count(rows.quarantined))
        })
        .unwrap_or_default()
}

/// A count that fits a box: `7,043`, `1.2 M`.
fn compact(number: u64) -> String {
    match number {
        0..1_000_000 => count(number),
        1_000_000..1_000_000_000 => format!("{:.1} M", number as f64 / 1e6),
        _ => format!("{:.1e}", number as f64),
    }
}

fn in_words(steps: &[StepView]) -> String {
    let mut words = "Third-party data, internal data and labels each pass a guarded step into the machine learning data source; then \
                     segmentation, training, dependency security, secure orchestration and deployment; callers reach the prediction \
                     service only through API security controls and input validation; monitoring watches all three."
        .to_owned();
    for place in Place::ALL {
        let step = step_at(steps, place);
        words.push_str(&format!(" {}: {}.", place.name(), step.state.word()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_says_what_no_gate_keeps() {
        let open = vec![crate::view::pipeline::OpenClause { id: "adversarial-training".into(), reason: "not yet".into() }];
        let drawn = |open| {
            let step = StepView { place: Place::Train, state: State::Pass, open, ..StepView::default() };
            diagram(&[step]).into_string()
        };
        assert!(drawn(open).contains("1 clause open") && !drawn(Vec::new()).contains("clause open"));
    }

    fn places(layout: &Layout) -> Vec<Place> {
        let mut places: Vec<Place> =
            layout.boxes.iter().filter_map(|at| if let Node::Step(place) = at.node { Some(place) } else { None }).collect();
        places.sort();
        places
    }

    fn overlap(a: (i32, i32, i32, i32), b: (i32, i32, i32, i32)) -> bool {
        a.0 < b.0 + b.2 && b.0 < a.0 + a.2 && a.1 < b.1 + b.3 && b.1 < a.1 + a.3
    }

    fn check(layout: &Layout) {
        assert_eq!(places(layout), Place::ALL, "every step stands once in {}", layout.id);
        let boxes: Vec<_> = layout.boxes.iter().map(|at| (at.x, at.y, at.w, at.h)).collect();
        for (index, a) in boxes.iter().enumerate() {
            assert!(a.0 >= 0 && a.1 >= 0 && a.0 + a.2 <= layout.width && a.1 + a.3 <= layout.height, "{a:?} lies inside");
            for b in &boxes[index + 1..] {
                assert!(!overlap(*a, *b), "{a:?} and {b:?} overlap in {}", layout.id);
            }
        }
        for arrow in layout.arrows {
            for ends in arrow.points.windows(2) {
                let ((x1, y1), (x2, y2)) = (ends[0], ends[1]);
                let thin = (x1.min(x2), y1.min(y2), (x1 - x2).abs().max(1), (y1 - y2).abs().max(1));
                assert!(x1 == x2 || y1 == y2, "{ends:?} is straight");
                for at in &boxes {
                    let inner = (at.0 + 1, at.1 + 1, at.2 - 2, at.3 - 2);
                    assert!(!overlap(thin, inner), "arrow {ends:?} crosses box {at:?} in {}", layout.id);
                }
            }
        }
    }

    #[test]
    fn the_wide_diagram_has_every_step_and_no_overlap() {
        check(&WIDE);
    }

    #[test]
    fn the_narrow_diagram_has_every_step_and_no_overlap() {
        check(&NARROW);
    }

    /// Whether an arrow leads from one box's edge to another's.
    fn leads(layout: &Layout, from: &Node, to: &Node) -> bool {
        let touches = |node: &Node, (x, y): (i32, i32)| {
            layout
                .boxes
                .iter()
                .any(|at| at.node == *node && (at.x..=at.x + at.w).contains(&x) && (at.y..=at.y + at.h).contains(&y))
        };
        layout.arrows.iter().any(|arrow| {
            let (Some(first), Some(last)) = (arrow.points.first(), arrow.points.last()) else { return false };
            touches(from, *first) && touches(to, *last)
        })
    }

    #[test]
    fn every_step_stands_between_the_boxes_that_the_threat_model_names() {
        let (third, internal, labels) = (layout::THIRD_PARTY, layout::INTERNAL, layout::LABELS);
        let step = Node::Step;
        let chain = [
            (third, step(Place::Intake)),
            (step(Place::Intake), layout::DATA_SOURCE),
            (internal, step(Place::Source)),
            (step(Place::Source), layout::DATA_SOURCE),
            (labels, step(Place::LabelQa)),
            (step(Place::LabelQa), layout::DATA_SOURCE),
            (layout::DATA_SOURCE, step(Place::Segment)),
            (step(Place::Segment), step(Place::Train)),
            (step(Place::Train), step(Place::Dependency)),
            (step(Place::Dependency), step(Place::Release)),
            (step(Place::Release), layout::DEPLOYMENT),
            (layout::DEPLOYMENT, step(Place::ApiGuard)),
            (layout::CALLER, step(Place::ApiGuard)),
            (step(Place::ApiGuard), step(Place::InputGuard)),
            (step(Place::InputGuard), step(Place::Predict)),
            (step(Place::Predict), step(Place::ApiGuard)),
            (step(Place::ApiGuard), layout::CALLER),
            (step(Place::ApiGuard), step(Place::Monitor)),
            (step(Place::InputGuard), step(Place::Monitor)),
            (step(Place::Predict), step(Place::Monitor)),
        ];
        for layout in [&WIDE, &NARROW] {
            for (from, to) in &chain {
                assert!(leads(layout, from, to), "{from:?} leads to {to:?} in {}", layout.id);
            }
        }
    }
}
