//! The Model page: how well each member and the vote predict, what the defences cost, and what the model was trained on (T4, T5, T6).

use maud::{Markup, html};

use crate::command;
use crate::frame::{Live, Tab, inside};
use crate::part::{
    Table, badge, by_hand, count, decimals_for, decimals_for_means, digest, empty, evidence_link, facts, finding, mean_sd,
    number, owed, percent, run_link, when,
};
use crate::path;
use crate::plot::{Axis, Bar, Bars, Mark, Placement, Plot, Series, Ticks, bars, xy};
use crate::view::model::{
    Better, Curve, MetricColumn, MetricOf, MetricRow, MetricTable, ModelDetail, ModelView, SegmentView, TrainedOn,
};

/// Models listed beside the one that is shown.
const OTHERS_MAX: usize = 20;

/// The whole page.
pub fn model(view: &ModelView) -> String {
    let title = view.model.as_ref().map_or_else(|| "Model".to_owned(), |model| format!("Model {}", model.id));
    let body = html! {
        @if let Some(model) = &view.model { (detail(model)) } @else {
            h1 { "Model" }
            (empty("No model has been trained yet.", command::TRAIN))
        }
        @if !view.others.is_empty() {
            section class="panel" {
                h2 { "Other models" }
                ul class="ids row" { @for id in view.others.iter().take(OTHERS_MAX) { li { a class="id" href=(path::with_id(path::MODEL, id)) { (id) } } } }
                @if view.others.len() > OTHERS_MAX { p class="meta" { (count((view.others.len() - OTHERS_MAX) as u64)) " older models are not listed" } }
            }
        }
    };
    inside(&view.chrome, Tab::Model, Live::No, &title, body)
}

/// The receiver operating characteristic of every curve, against chance.
pub fn roc_plot(curves: &[Curve]) -> Plot {
    plot(
        "roc",
        "ROC",
        (Axis::unit_interval("false positive rate"), Axis::unit_interval("true positive rate")),
        curves,
        Mark::Line,
        Some("chance"),
    )
}

/// Precision against recall of every curve.
pub fn precision_recall_plot(curves: &[Curve]) -> Plot {
    plot(
        "pr",
        "Precision and recall",
        (Axis::unit_interval("recall"), Axis::unit_interval("precision")),
        curves,
        Mark::Step,
        None,
    )
}

/// Lift of every curve over contacting customers at random.
pub fn lift_plot(curves: &[Curve]) -> Plot {
    let x = Axis { ticks: Ticks::Percent, ..Axis::unit_interval("customers contacted, most likely first") };
    let mut plot = plot("lift", "Lift", (x, Axis::fit("lift", "times chance")), curves, Mark::Line, None);
    plot.series.push(Series { name: "chance".into(), mark: Mark::Reference, points: vec![[0.0, 1.0], [1.0, 1.0]] });
    plot
}

/// Observed against predicted churn of every curve.
pub fn calibration_plot(curves: &[Curve]) -> Plot {
    let axes = (Axis::unit_interval("predicted probability"), Axis::unit_interval("observed share"));
    plot("calibration", "Calibration", axes, curves, Mark::LineAndPoints, Some("perfect"))
}

/// Churn by segment, against the churn of all customers.
pub fn segment_plot(segments: &[SegmentView], churn_rate: Option<f64>) -> Bars {
    let bar = |segment: &SegmentView| Bar {
        name: segment.name.clone(),
        value: segment.churn_rate,
        sd: None,
        note: percent(segment.churn_rate),
    };
    Bars {
        id: "segments".into(),
        title: "Churn by segment".into(),
        axis: Axis { ticks: Ticks::Percent, ..Axis::fit("share of customers that left", "") },
        bars: segments.iter().map(bar).collect(),
        reference: churn_rate.map(|rate| (format!("all customers, {}", percent(rate)), rate)),
    }
}

fn plot(id: &str, title: &str, (x, y): (Axis, Axis), curves: &[Curve], mark: Mark, diagonal: Option<&str>) -> Plot {
    let mut series: Vec<Series> =
        curves.iter().map(|curve| Series { name: curve.name.clone(), mark, points: curve.points.clone() }).collect();
    series.extend(diagonal.map(Series::diagonal));
    Plot { id: id.into(), title: title.into(), x, y, series }
}

fn detail(model: &ModelDetail) -> Markup {
    html! {
        h1 { "Model " code { (model.id) } }
        p class="runline" {
            (badge(model.state))
            @if !model.trained_at.is_empty() { span { "trained " (when(&model.trained_at)) } }
            @if !model.run.is_empty() { span { "in run " (run_link(&model.run)) } }
        }
        @let last = model.evidence.last().map(|entry| entry.id.as_str());
        @if let Some(owed) = owed(model.state, model.finding.as_ref(), "s07-release", last) { (finding(model.state, &owed)) }
        section class="panel" {
            h2 { "How well it predicts" }
            @if model.metrics.rows.is_empty() { (empty("Nothing was measured.", command::TRAIN)) } @else { (metrics("Members and vote", "Model", &model.metrics)) }
        }
        div class="plots" {
            figure class="panel" { (xy(&roc_plot(&model.roc), Placement::Inline)) }
            figure class="panel" { (xy(&precision_recall_plot(&model.precision_recall), Placement::Inline)) }
            figure class="panel" { (xy(&lift_plot(&model.lift), Placement::Inline)) }
            figure class="panel" { (xy(&calibration_plot(&model.calibration), Placement::Inline)) }
        }
        section class="panel" {
            h2 { "What the defences cost" }
            @if model.defences.rows.is_empty() { (by_hand("Defences are measured off and on by hand, and the figures not kept with the project:", command::ATTACK_ALL)) } @else { (metrics("Defences off and on", "Defence", &model.defences)) }
        }
        @if !model.audit.is_empty() { section class="panel" { h2 { "What the AUC does not see" } (facts(&model.audit)) } }
        (segments(model))
        (origin(model))
    }
}

pub(super) fn metrics(caption: &str, first: &str, table: &MetricTable) -> Markup {
    let heads: Vec<String> = table.columns.iter().map(head).collect();
    let columns: Vec<&str> = std::iter::once(first).chain(heads.iter().map(String::as_str)).collect();
    let spread = table.rows.iter().flat_map(|row| row.values.iter().flatten()).any(|value| !value.sd.is_nan());
    let caption = match (table.over.is_empty(), spread) {
        (true, _) => caption.to_owned(),
        (false, true) => format!("{caption}: mean ± standard deviation over {}", table.over),
        (false, false) => format!("{caption}: {}", table.over),
    };
    let column = |index: usize| table.rows.iter().filter_map(move |row| row.values.get(index).copied().flatten());
    let decimals: Vec<usize> = (0..table.columns.len()).map(|index| decimals_for_means(column(index))).collect();
    let rows = table.rows.iter().map(|row| metric_row(row, &decimals)).collect();
    Table { caption: &caption, class: "metrics", columns: &columns, rows }.draw()
}

fn head(column: &MetricColumn) -> String {
    let arrow = match column.better {
        Better::Higher => "↑",
        Better::Lower => "↓",
    };
    if column.unit.is_empty() { format!("{} {arrow}", column.name) } else { format!("{}, {} {arrow}", column.name, column.unit) }
}

fn metric_row(row: &MetricRow, decimals: &[usize]) -> Vec<Markup> {
    let kind = match row.of {
        MetricOf::Member => None,
        MetricOf::Vote => Some("vote"),
        MetricOf::Baseline => Some("baseline"),
    };
    let name = html! { strong { (row.name) } @if let Some(kind) = kind { " " span class="tag" { (kind) } } };
    let values =
        decimals.iter().enumerate().map(|(index, decimals)| mean_sd(row.values.get(index).copied().flatten(), *decimals));
    std::iter::once(name).chain(values).collect()
}

pub(super) fn segments(model: &ModelDetail) -> Markup {
    let value_head =
        if model.value_unit.is_empty() { "Mean value".to_owned() } else { format!("Mean value, {}", model.value_unit) };
    let value_decimals = decimals_for(
        model.segments.iter().filter_map(|segment| segment.value).fold(0.0, |most, value| f64::max(most, value.abs())),
    );
    let row = |segment: &SegmentView| {
        let optional = |value: Option<f64>, decimals: usize| html! { @if let Some(value) = value { (number(value, decimals)) } @else { span class="none" { "not measured" } } };
        vec![
            html! { strong { (segment.name) } },
            html! { (count(segment.customers)) " " span class="sd" { "(" (percent(segment.share)) ")" } },
            html! { (percent(segment.churn_rate)) },
            optional(segment.value, value_decimals),
            optional(segment.stability, decimals_for(1.0)),
        ]
    };
    html! {
        section class="panel" {
            h2 { "Segments" }
            @if model.segments.is_empty() { (empty("Customers have not been segmented.", command::SEGMENT)) } @else {
                div class="pair" {
                    (Table { caption: "K-Means segments; stability is the mean Jaccard similarity over resamples", class: "segments",
                        columns: &["Segment", "Customers", "Churn", &value_head, "Stability"], rows: model.segments.iter().map(row).collect() }.draw())
                    figure { (bars(&segment_plot(&model.segments, model.churn_rate), Placement::Inline)) }
                }
            }
        }
    }
}

fn origin(model: &ModelDetail) -> Markup {
    let input = |input: &TrainedOn| {
        vec![
            html! { (input.what) },
            html! { (count(input.rows)) },
            digest(&input.digest),
            evidence_link(input.evidence.as_deref()),
        ]
    };
    html! {
        section class="panel" {
            h2 { "What it was trained on" }
            @if model.trained_on.is_empty() { (empty("The ledger names no inputs of this model.", command::EVIDENCE_LOG)) } @else {
                (Table { caption: "Inputs of the training", class: "inputs", columns: &["Input", "Rows", "Digest", "Evidence"],
                    rows: model.trained_on.iter().map(input).collect() }.draw())
            }
        }
        section class="panel" {
            h2 { "Digest and evidence" }
            p { (digest(&model.digest)) }
            @if model.evidence.is_empty() { (empty("No entry of the ledger names this model.", command::EVIDENCE_LOG)) }
            dl class="facts" { @for entry in &model.evidence { div { dt { (entry.proves) } dd { (evidence_link(Some(&entry.id))) } } } }
        }
        section class="panel" {
            h2 { "Training specification" }
            @if model.spec.is_empty() { (empty("No specification was pinned.", command::TRAIN)) } @else { (facts(&model.spec)) }
        }
    }
}
