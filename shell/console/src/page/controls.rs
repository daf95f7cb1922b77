//! The Controls page: every clause of the threat model by threat, which gate keeps it or why none does yet, and its last proof (T1 to T7).

use maud::{Markup, html};

use crate::command;
use crate::diagram::anchor;
use crate::frame::{Live, Tab, inside};
use crate::part::{Table, badge, badge_with, by_hand, empty, evidence_link, finding, owed, prose};
use crate::path;
use crate::view::State;
use crate::view::controls::{AttackMeasure, ClauseGate, ClauseView, ControlsView, ThreatView};

/// The whole page.
pub fn controls(view: &ControlsView) -> String {
    let body = html! {
        h1 { "Controls" }
        @if view.threats.iter().all(|threat| threat.clauses.is_empty()) {
            (empty("The clauses of the threat model have not been read.", command::CONTROLS))
        } @else {
            (summary(&view.threats))
            nav class="jump" aria-label="Threats" {
                ul { @for (index, threat) in view.threats.iter().enumerate() { li { a href=(format!("#threat-{index}")) { (threat.id) } } } }
            }
            @for (index, threat) in view.threats.iter().enumerate() { (section(index, threat)) }
        }
    };
    inside(&view.chrome, Tab::Controls, Live::No, "Controls", body)
}

fn summary(threats: &[ThreatView]) -> Markup {
    let clauses: Vec<&ClauseView> = threats.iter().flat_map(|threat| &threat.clauses).collect();
    let kept = clauses.iter().filter(|clause| !clause.gates.is_empty()).count();
    html! {
        p class="runline" { span { (kept) " of " (clauses.len()) " clauses have a gate" } }
        ul class="tally" aria-label="Clauses by last verdict" {
            @for state in State::ALL {
                @let many = clauses.iter().filter(|clause| clause.state == state).count();
                li { (badge_with(state, &format!("{many} {}", state.word()))) }
            }
        }
    }
}

fn section(index: usize, threat: &ThreatView) -> Markup {
    let id = format!("threat-{index}");
    html! {
        section class="panel" id=(id) aria-labelledby=(format!("{id}-name")) {
            h2 id=(format!("{id}-name")) { span class="tag" { (threat.id) } " " (threat.title) }
            (Table { caption: &format!("Clauses of {}", threat.id), class: "clauses", columns: &["Clause", "Step", "Gates", "AISVS 1.0", "Last verdict"],
                rows: threat.clauses.iter().map(clause_row).collect() }.draw())
            @if threat.attacks.is_empty() { (by_hand("Attacks on this threat are measured by hand, and not kept with the project:", command::ATTACK_ALL)) } @else {
                (Table { caption: "Attacks, as last measured", class: "attacks", columns: &["Attack", "Measure", "Defence off", "Defence on", "Evidence"],
                    rows: threat.attacks.iter().map(attack_row).collect() }.draw())
            }
        }
    }
}

fn clause_row(clause: &ClauseView) -> Vec<Markup> {
    vec![
        html! {
            code class="gate-id" { (clause.id) }
            p class="about" { (prose(&clause.sentence)) }
            @if clause.gates.is_empty() {
                @if let Some(owed) = owed(clause.state, None, &clause.id, None) { (finding(clause.state, &owed)) }
            }
            @for gate in &clause.gates {
                @if let Some(owed) = owed(gate.state, gate.finding.as_ref(), &gate.id, gate.evidence.as_deref()) { (finding(gate.state, &owed)) }
            }
        },
        html! { a href=(format!("{}#{}", path::PIPELINE, anchor(clause.place))) { span class="number" { (clause.place.number()) } " " (clause.place.name()) } },
        gates(clause),
        html! {
            @if clause.aisvs.is_empty() { span class="none" { "none" } }
            ul class="ids" { @for aisvs in &clause.aisvs { li { code { (aisvs.id) } " " span class="sd" { "level " (aisvs.level) } } } }
        },
        badge(clause.state),
    ]
}

fn gates(clause: &ClauseView) -> Markup {
    let gate = |gate: &ClauseGate| {
        html! { li { code { (gate.id) } @if gate.evidence.is_some() { " " (evidence_link(gate.evidence.as_deref())) } } }
    };
    html! {
        @if clause.gates.is_empty() {
            p class="reason" {
                strong { "No gate yet: " }
                @if clause.reason.is_empty() { "no reason was stated" } @else { (prose(&clause.reason)) }
            }
        } @else { ul class="ids" { @for kept in &clause.gates { (gate(kept)) } } }
    }
}

fn attack_row(attack: &AttackMeasure) -> Vec<Markup> {
    vec![
        html! { code { (attack.id) } },
        html! { (attack.measure) },
        html! { (attack.off) },
        html! { (attack.on) },
        evidence_link(attack.evidence.as_deref()),
    ]
}
