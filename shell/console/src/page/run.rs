//! The Run page: what one run did, step by step, and what it refused (T6: a refusal is a normal, explained event).

use maud::{Markup, html};

use super::pipeline::step_section;
use crate::command;
use crate::frame::{Live, Tab, inside};
use crate::part::{Table, badge, count, duration, empty, evidence_link, gate_count, prose, run_line, run_link, when};
use crate::plot::{Axis, Bar, Bars, Placement, bars};
use crate::view::pipeline::{RunBrief, RunView, StepView};

/// Runs listed beside the one that is shown.
const OTHERS_MAX: usize = 50;

/// The whole page.
pub fn run(view: &RunView) -> String {
    let title = view.run.as_ref().map_or_else(|| "Runs".to_owned(), |run| format!("Run {}", run.id));
    let body = html! {
        @if let Some(run) = &view.run {
            h1 { "Run " code { (run.id) } }
            (run_line(run))
            @if view.steps.is_empty() { (empty("This run has not come to its first step.", command::DOCTOR)) } @else { (steps(&view.steps)) }
        } @else {
            h1 { "Runs" }
            (empty("There is no run to show.", command::RUN))
        }
        @if !view.others.is_empty() { (others(&view.others)) }
    };
    inside(&view.chrome, Tab::Run, Live::No, &title, body)
}

fn steps(steps: &[StepView]) -> Markup {
    let rows = steps.iter().enumerate().map(|(index, step)| step_row(&anchor_of(index, step), step)).collect();
    html! {
        section class="panel" {
            (Table { caption: "Steps of this run", class: "steps",
                columns: &["Step", "State", "Gates", "Time", "Rows in", "Rows out", "Quarantined", "Receipt"], rows }.draw())
        }
        @if steps.iter().any(|step| step.seconds.is_some()) {
            figure class="panel" { (bars(&times(steps), Placement::Inline)) }
        }
        h2 { "Verdicts and findings" }
        @for (index, step) in steps.iter().enumerate() { (step_section(&anchor_of(index, step), step)) }
    }
}

/// A run may come through one place several times, once for each delivery.
fn anchor_of(index: usize, step: &StepView) -> String {
    format!("{}-{}", crate::diagram::anchor(step.place), index + 1)
}

fn step_row(anchor: &str, step: &StepView) -> Vec<Markup> {
    let rows = |pick: fn(&crate::view::pipeline::RowCounts) -> u64| html! { @if let Some(rows) = &step.rows { (count(pick(rows))) } @else { span class="none" { "–" } } };
    vec![
        html! {
            a href=(format!("#{anchor}")) { span class="number" { (step.place.number()) } " " (step.place.name()) }
            @if !step.about.is_empty() { p class="about" { (prose(&step.about)) } }
        },
        badge(step.state),
        html! { (gate_count(step)) },
        html! { @if let Some(seconds) = step.seconds { (duration(seconds)) } @else { span class="none" { "–" } } },
        rows(|rows| rows.taken),
        rows(|rows| rows.passed),
        rows(|rows| rows.quarantined),
        evidence_link(step.evidence.as_deref()),
    ]
}

fn times(steps: &[StepView]) -> Bars {
    let bar = |step: &StepView| {
        let seconds = step.seconds?;
        Some(Bar { name: step.place.id().to_owned(), value: seconds, sd: None, note: duration(seconds) })
    };
    Bars {
        id: "step-times".into(),
        title: "Time by step".into(),
        axis: Axis::fit("time", "seconds"),
        bars: steps.iter().filter_map(bar).collect(),
        reference: None,
    }
}

fn others(others: &[RunBrief]) -> Markup {
    let row = |run: &RunBrief| {
        vec![
            run_link(&run.id),
            badge(run.state),
            when(&run.started_at),
            html! { (run.started_by) },
            html! { @if let Some(seconds) = run.seconds { (duration(seconds)) } @else { "still running" } },
        ]
    };
    html! {
        section class="panel" {
            (Table { caption: "Other runs, newest first", class: "runs", columns: &["Run", "State", "Started", "By", "Time"],
                rows: others.iter().take(OTHERS_MAX).map(row).collect() }.draw())
            @if others.len() > OTHERS_MAX { p class="meta" { (count((others.len() - OTHERS_MAX) as u64)) " older runs are not listed" } }
        }
    }
}
