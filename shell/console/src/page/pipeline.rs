//! The Pipeline page: the threat model's diagram with each control lit from the last run's evidence, then every gate by step (T1 to T7).

use maud::{Markup, html};

use crate::diagram::{anchor, diagram, step_at};
use crate::frame::{Live, Tab, inside, settled};
use crate::part::{
    Table, badge, badge_with, command_line, duration, empty, evidence_link, finding, gate_count, gate_finding, open_count, owed,
    prose, row_line, run_line,
};
use crate::view::State;
use crate::view::pipeline::{GateView, PipelineView, Place, StepView};
use crate::{command, path};

/// The whole page.
pub fn pipeline(view: &PipelineView) -> String {
    let body = html! {
        h1 { "Pipeline" }
        // The script finds its place by these two; without a script the page is read again by hand.
        div id="live" data-fragment=(path::FRAGMENT) { (live_part(view)) }
    };
    inside(&view.chrome, Tab::Pipeline, Live::Yes, "Pipeline", body)
}

/// The part that changes while a run goes on: a whole `<div id="live">`, for [`crate::path::FRAGMENT`].
pub fn pipeline_fragment(view: &PipelineView) -> String {
    settled(html! { div id="live" data-fragment=(path::FRAGMENT) { (live_part(view)) } })
}

fn live_part(view: &PipelineView) -> Markup {
    html! {
        @if let Some(run) = &view.run { (run_line(run)) } @else { (empty("No run has been recorded yet.", command::DEMO)) }
        (tally(&view.steps))
        figure class="board" {
            (diagram(&view.steps))
            figcaption { "Each box is a step of the threat model; follow one to its gates. Solid arrows carry data, dashed ones are watched." }
        }
        (attention(&view.steps))
        h2 { "Gates by step" }
        @for place in Place::ALL { (step_section(&anchor(place), &step_at(&view.steps, place))) }
    }
}

/// How many steps stand how: also the legend of the signs.
fn tally(steps: &[StepView]) -> Markup {
    html! {
        ul class="tally" aria-label="Steps by state" {
            @for state in State::ALL {
                @let many = Place::ALL.into_iter().filter(|place| step_at(steps, *place).state == state).count();
                li { (badge_with(state, &format!("{many} {}", state.word()))) }
            }
        }
    }
}

/// What waits for people, then what was stopped and waits for nobody; before the long list.
fn attention(steps: &[StepView]) -> Markup {
    html! {
        (noticed("waiting", "Waiting for people", State::waits, steps))
        (noticed("stopped", "Stopped", |state| state.needs_a_person() && !state.waits(), steps))
    }
}

/// The places with a step or a gate in such a state, by name, and the gates that are.
fn noticed(id: &str, title: &str, is: impl Fn(State) -> bool, steps: &[StepView]) -> Markup {
    let found: Vec<StepView> = Place::ALL
        .into_iter()
        .map(|place| step_at(steps, place))
        .filter(|step| is(step.state) || step.gates.iter().any(|gate| is(gate.state)))
        .collect();
    html! {
        @if !found.is_empty() {
            section class=(format!("attention {id}")) aria-labelledby=(id) {
                h2 id=(id) { (title) }
                ul {
                    @for step in &found {
                        @let gates: Vec<&GateView> = step.gates.iter().filter(|gate| is(gate.state)).collect();
                        li {
                            (badge(gates.first().map_or(step.state, |gate| gate.state))) " "
                            a href=(format!("#{}", anchor(step.place))) { (step.place.name()) }
                            @for gate in gates { " · " code { (gate.id) } }
                        }
                    }
                }
            }
        }
    }
}

/// One step with its gates, under an id of the page: shared with the Run page.
pub(super) fn step_section(id: &str, step: &StepView) -> Markup {
    let heading = format!("{id}-name");
    html! {
        section class="panel step-panel" id=(id) aria-labelledby=(heading) {
            div class="panel-head" {
                h3 id=(heading) { span class="number" { (step.place.number()) } " " (step.place.name()) }
                (badge(step.state))
            }
            @if !step.about.is_empty() { p class="about" { (prose(&step.about)) } }
            p class="meta" {
                span { (gate_count(step)) }
                @if let Some(rows) = step.rows { span { (row_line(rows)) } }
                @if let Some(seconds) = step.seconds { span { (duration(seconds)) } }
                @if step.evidence.is_some() { span { "receipt " (evidence_link(step.evidence.as_deref())) } }
            }
            (blame(step))
            (open_clauses(step))
            @if step.gates.is_empty() {
                @if step.state == State::NotRun { p class="unread" { "No gate has judged here yet; fill it with " (command_line(command::RUN)) } }
                @else { p class="none" { "This step has no gate of its own." } }
            } @else {
                (Table { caption: &format!("Gates of {}, in order", step.place.name()), class: "gates",
                    columns: &["Gate", "Verdict", "Clauses", "Evidence"], rows: step.gates.iter().map(gate_row).collect() }.draw())
            }
        }
    }
}

/// Clauses of the threat model that belong to the step and that none of its gates keeps.
fn open_clauses(step: &StepView) -> Markup {
    html! {
        @if !step.open.is_empty() {
            div class="open" {
                p { strong { (open_count(step)) } ": no gate keeps this yet, whatever the gates below say." }
                ul { @for clause in &step.open { li { code { (clause.id) } " · " (prose(&clause.reason)) } } }
            }
        }
    }
}

/// A step that needs a person although none of its gates says why still owes its reader a reason and a command.
fn blame(step: &StepView) -> Markup {
    let told = step.gates.iter().any(|gate| gate.state.needs_a_person() || gate.finding.is_some());
    html! {
        @if !told && let Some(owed) = owed(step.state, None, step.place.id(), step.evidence.as_deref()) { (finding(step.state, &owed)) }
    }
}

fn gate_row(gate: &GateView) -> Vec<Markup> {
    vec![
        html! {
            code class="gate-id" { (gate.id) }
            @if !gate.about.is_empty() { p class="about" { (gate.about) } }
            @if let Some(finding) = gate_finding(gate) { (finding) }
        },
        badge(gate.state),
        html! {
            @if gate.clauses.is_empty() { span class="none" { "none" } }
            ul class="ids" { @for clause in &gate.clauses { li { code { (clause) } } } }
        },
        evidence_link(gate.evidence.as_deref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the sections "Waiting for people" and "Stopped".
    fn listed(states: &[(Place, State)]) -> [String; 2] {
        let gate = |state| GateView { id: format!("says-{}", state_word(state)), state, ..GateView::default() };
        let step = |(place, state): &(Place, State)| StepView {
            place: *place,
            state: *state,
            gates: vec![gate(*state)],
            ..StepView::default()
        };
        let page = attention(&states.iter().map(step).collect::<Vec<_>>()).into_string();
        ["waiting", "stopped"].map(|id| {
            let section = page.split("<section").find(|part| part.contains(&format!("id=\"{id}\"")));
            section.unwrap_or_default().to_owned()
        })
    }

    fn state_word(state: State) -> String {
        state.word().replace(' ', "-")
    }

    #[test]
    fn only_what_is_held_waits_for_people() {
        let [waiting, stopped] =
            listed(&[(Place::Intake, State::Hold), (Place::ApiGuard, State::Refuse), (Place::Train, State::Pass)]);
        assert!(waiting.contains("says-hold") && !waiting.contains("says-refuse") && !waiting.contains("says-pass"));
        assert!(stopped.contains("says-refuse") && !stopped.contains("says-hold") && !stopped.contains("says-pass"));
    }

    #[test]
    fn a_page_on_which_all_is_well_lists_nothing() {
        assert_eq!(listed(&[(Place::Train, State::Pass), (Place::Intake, State::NotRun)]), [String::new(), String::new()]);
    }
}
