//! The model card (Mitchell 2019): one file for people outside of the console, with its style in it and nothing to click that is not
//! there (T4, T5).

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{calibration_plot, lift_plot, metrics, precision_recall_plot, roc_plot, segments};
use crate::STYLESHEET;
use crate::frame::settled;
use crate::part::{Table, badge, count, digest, facts};
use crate::plot::{Placement, xy};
use crate::view::Fact;
use crate::view::model::{EvidenceRef, ModelDetail, TrainedOn};

/// The whole document; `considerations` are sentences on what the model is for and what it is not.
pub fn card(model: &ModelDetail, considerations: &[Fact]) -> String {
    settled(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Model card " (model.id) " · Stayward" }
                style { (PreEscaped(STYLESHEET)) }
            }
            body { main class="page" { (body(model, considerations)) } }
        }
    })
}

fn body(model: &ModelDetail, considerations: &[Fact]) -> Markup {
    html! {
        h1 { "Model card " code { (model.id) } }
        p class="runline" { (badge(model.state)) @if !model.trained_at.is_empty() { span { "trained " (model.trained_at) } } }
        p { (digest(&model.digest)) }
        section class="panel" { h2 { "Use" } (facts(considerations)) }
        section class="panel" { h2 { "How well it predicts" } (metrics("Members and vote", "Model", &model.metrics)) }
        div class="plots" {
            @for plot in [roc_plot(&model.roc), precision_recall_plot(&model.precision_recall), lift_plot(&model.lift), calibration_plot(&model.calibration)] {
                figure class="panel" { (xy(&plot, Placement::Inline)) }
            }
        }
        @if !model.audit.is_empty() { section class="panel" { h2 { "What the AUC does not see" } (facts(&model.audit)) } }
        (segments(model))
        section class="panel" {
            h2 { "What it was trained on" }
            (Table { caption: "Inputs of the training", class: "inputs", columns: &["Input", "Rows", "Digest", "Evidence"],
                rows: model.trained_on.iter().map(input).collect() }.draw())
        }
        section class="panel" {
            h2 { "Evidence" }
            dl class="facts" { @for EvidenceRef { proves, id } in &model.evidence { div { dt { (proves) } dd { code { (id) } } } } }
        }
        section class="panel" { h2 { "Training specification" } (facts(&model.spec)) }
    }
}

fn input(input: &TrainedOn) -> Vec<Markup> {
    let evidence = input.evidence.clone().unwrap_or_default();
    vec![html! { (input.what) }, html! { (count(input.rows)) }, digest(&input.digest), html! { code { (evidence) } }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_stands_alone_and_escapes_what_it_is_told() {
        let model = ModelDetail { id: "<script>".into(), audit: vec![Fact::new("a", "b")], ..ModelDetail::default() };
        let page = card(&model, &[Fact::new("use", "<img src=x>")]);
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<style>"));
        for outside in ["<script", "<img", "href=\"", "src=\"", "http://", "https://"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("What the AUC does not see"));
    }
}
