//! The Evidence page: the chain from an answer back to the feeds, and the command by which a second person verifies it elsewhere (T6, T7).

use maud::{Markup, html};

use crate::command;
use crate::frame::{Live, Tab, inside};
use crate::part::{badge_with, command_line, count, digest, empty, evidence_link, facts, finding, owed, when};
use crate::path;
use crate::view::evidence::{CheckpointView, EvidenceView, Integrity, LinkView};

/// The whole page.
pub fn evidence(view: &EvidenceView) -> String {
    let body = html! {
        h1 { "Evidence" }
        form class="ask panel" method="get" action=(path::EVIDENCE) role="search" {
            label for="ask" { "Reference of an answer, or id of an entry" }
            div class="line" {
                input id="ask" type="text" name="id" value=(view.asked) required maxlength="128" autocomplete="off" spellcheck="false";
                button type="submit" { "Show the chain" }
            }
        }
        @if !view.chain.is_empty() { (chain(view)) }
        @else if view.asked.is_empty() { (empty("Ask the service once; its answer carries a reference that you can enter above.", command::PREDICT)) }
        @else { (empty(&format!("The ledger has no entry {}.", view.asked), command::EVIDENCE_LOG)) }
    };
    inside(&view.chrome, Tab::Evidence, Live::No, "Evidence", body)
}

fn chain(view: &EvidenceView) -> Markup {
    let broken = view.chain.iter().filter(|link| link.integrity == Integrity::Broken).count();
    let open = view.chain.iter().filter(|link| link.integrity == Integrity::NotChecked).count();
    let (whole, word) = match (broken, open) {
        (0, 0) => (Integrity::Verified, "every link verified".to_owned()),
        (0, open) => (Integrity::NotChecked, format!("{open} of {} links not checked", view.chain.len())),
        (broken, _) => (Integrity::Broken, format!("{broken} of {} links broken", view.chain.len())),
    };
    html! {
        p class="runline" { (badge_with(whole.state(), &word)) span { "from this entry down to the data" } }
        ol class="chain" { @for item in &view.chain { (link(item)) } }
        @if let Some(checkpoint) = &view.checkpoint { (tree_head(checkpoint)) }
        section class="panel" {
            h2 { "Verify it yourself" }
            p { "On a machine that does not trust this one, offline:" }
            p { (command_line(if view.verify_command.is_empty() { "stayward evidence verify" } else { &view.verify_command })) }
        }
    }
}

fn link(link: &LinkView) -> Markup {
    let state = link.integrity.state();
    html! {
        li class=(format!("link {}", state.class())) {
            div class="panel-head" {
                h2 { span class="tag" { (link.kind.word()) } " " (link.title) }
                (badge_with(state, link.integrity.word()))
            }
            dl class="facts" {
                div { dt { "entry" } dd { (evidence_link(Some(&link.id))) } }
                @if !link.digest.is_empty() { div class="broad" { dt { "digest" } dd { (digest(&link.digest)) } } }
                @if !link.at.is_empty() { div { dt { "written" } dd { (when(&link.at)) } } }
            }
            @if !link.facts.is_empty() { (facts(&link.facts)) }
            @if let Some(owed) = owed(state, link.finding.as_ref(), "evidence-chain", Some(&link.id)) { (finding(state, &owed)) }
        }
    }
}

fn tree_head(checkpoint: &CheckpointView) -> Markup {
    html! {
        section class="panel" {
            h2 { "Signed tree head" }
            dl class="facts" {
                div { dt { "entries" } dd { (count(checkpoint.entries)) } }
                div class="broad" { dt { "root" } dd { (digest(&checkpoint.root)) } }
                div { dt { "signed by" } dd { (checkpoint.signed_by) } }
                @if !checkpoint.at.is_empty() { div { dt { "at" } dd { (when(&checkpoint.at)) } } }
            }
        }
    }
}
