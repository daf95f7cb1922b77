//! The small parts that pages share: states with sign and word, findings, commands, tables, facts, numbers (T6: never colour alone).

use maud::{Markup, html};

use crate::command;
use crate::path;
use crate::view::pipeline::{GateView, RowCounts, RunBrief, StepView};
use crate::view::{Fact, FindingView, MeanSd, State};

/// A state as a badge: colour, sign and word.
pub(crate) fn badge(state: State) -> Markup {
    badge_with(state, state.word())
}

/// A state's badge with another word.
pub(crate) fn badge_with(state: State, word: &str) -> Markup {
    html! {
        span class=(format!("badge {}", state.class())) {
            svg class="sign" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false" { (sign(state)) }
            (word)
        }
    }
}

/// The sign of a state in a box of 16 by 16, drawn in the current colour.
pub(crate) fn sign(state: State) -> Markup {
    let stroke = match state {
        State::Pass => "M3.5 8.5l3 3 6-7",
        State::Hold => "M5.5 4v8M10.5 4v8",
        State::Refuse => "M4 4l8 8M12 4l-8 8",
        State::Inconclusive => "M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.6M8 12.6v.1",
        State::NotRun => "M4 8h8",
    };
    html! { path d=(stroke) fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" {} }
}

/// A command that is ready to paste.
pub(crate) fn command_line(command: &str) -> Markup {
    html! { code class="command" { (command) } }
}

/// A finding: rule, why, help, who can release, the next command.
pub(crate) fn finding(state: State, finding: &FindingView) -> Markup {
    html! {
        div class=(format!("finding {}", state.class())) {
            p class="why" { (prose(&finding.why)) }
            dl {
                dt { "Rule" } dd { code { (finding.rule) } }
                @if !finding.help.is_empty() { dt { "Help" } dd { (prose(&finding.help)) } }
                @if !finding.release_by.is_empty() { dt { "Release by" } dd { (finding.release_by) } }
                @if !finding.command.is_empty() { dt { "Next" } dd { (command_line(&finding.command)) } }
            }
        }
    }
}

/// Text in which backticks mark what was seen.
pub(crate) fn prose(text: &str) -> Markup {
    html! {
        @for (index, piece) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// A gate's finding; a state that needs a person always shows rule, why, help and command, even where the ledger has no reason.
pub(crate) fn gate_finding(gate: &GateView) -> Option<Markup> {
    owed(gate.state, gate.finding.as_ref(), &gate.id, gate.evidence.as_deref()).map(|owed| finding(gate.state, &owed))
}

/// The finding that a state owes to its reader: the recorded one with its gaps filled, or one made from the rule; none if all is well.
pub(crate) fn owed(state: State, recorded: Option<&FindingView>, rule: &str, evidence: Option<&str>) -> Option<FindingView> {
    if recorded.is_none() && !state.needs_a_person() {
        return None;
    }
    let mut owed = recorded.cloned().unwrap_or_default();
    let fill = |text: &mut String, with: String| {
        if text.is_empty() {
            *text = with;
        }
    };
    fill(&mut owed.rule, rule.to_owned());
    fill(&mut owed.why, "the ledger keeps no reason with this verdict".to_owned());
    fill(&mut owed.help, "read the entry, then mend its cause and run the step again".to_owned());
    fill(&mut owed.command, evidence.map_or_else(|| command::EVIDENCE_LOG.to_owned(), command::evidence_show));
    Some(owed)
}

/// What a page says before there is anything to show, and the command that changes it.
pub(crate) fn empty(what: &str, command: &str) -> Markup {
    html! {
        div class="empty" {
            p { (what) }
            p { "Fill it with" }
            p { (command_line(command)) }
        }
    }
}

/// What a page never holds, and the command that prints it instead.
pub(crate) fn by_hand(what: &str, command: &str) -> Markup {
    html! { p class="unread" { (what) " " (command_line(command)) } }
}

/// A table whose rows become cards on a narrow screen. Roles are explicit because the cards change `display`.
pub(crate) struct Table<'a> {
    pub(crate) caption: &'a str,
    pub(crate) class: &'a str,
    pub(crate) columns: &'a [&'a str],
    pub(crate) rows: Vec<Vec<Markup>>,
}

impl Table<'_> {
    pub(crate) fn draw(&self) -> Markup {
        html! {
            table class=(format!("cards {}", self.class)) role="table" {
                caption { (self.caption) }
                thead role="rowgroup" {
                    tr role="row" { @for column in self.columns { th role="columnheader" scope="col" { (column) } } }
                }
                tbody role="rowgroup" {
                    @for row in &self.rows {
                        tr role="row" {
                            @for (cell, column) in row.iter().zip(self.columns) {
                                td role="cell" data-label=(column) { div class="cell" { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Facts as a list of names and values.
pub(crate) fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl class="facts" {
            @for fact in facts { div { dt { (fact.name) } dd { (fact.value) } } }
        }
    }
}

/// A digest or key, short, with the whole of it on demand.
pub(crate) fn digest(digest: &str) -> Markup {
    html! { code class="digest" { (digest) } }
}

/// Characters of a long id that are shown at its start and at its end; its link and title carry the whole. Ids that begin with
/// the time look alike at the start, so the end is the longer one.
const ID_CHARS_HEAD: usize = 6;
const ID_CHARS_TAIL: usize = 8;

fn short_id(id: &str) -> String {
    let many = id.chars().count();
    if many <= ID_CHARS_HEAD + ID_CHARS_TAIL + 2 {
        return id.to_owned();
    }
    let head: String = id.chars().take(ID_CHARS_HEAD).collect();
    let tail: String = id.chars().skip(many - ID_CHARS_TAIL).collect();
    format!("{head}…{tail}")
}

/// A point in time, in RFC 3339, as people read it.
pub(crate) fn when(at: &str) -> Markup {
    let plain = at.len() == 20 && at.is_ascii() && at.as_bytes()[10] == b'T' && at.ends_with('Z');
    let shown = if plain { format!("{} {} UTC", &at[..10], &at[11..19]) } else { at.to_owned() };
    html! { time datetime=(at) { (shown) } }
}

/// A link to the Evidence page.
pub(crate) fn evidence_link(id: Option<&str>) -> Markup {
    match id {
        Some(id) => {
            html! { a class="id" href=(path::with_id(path::EVIDENCE, id)) title=(id) aria-label=(format!("evidence {id}")) { (short_id(id)) } }
        }
        None => html! { span class="none" { "none yet" } },
    }
}

/// A link to the Run page.
pub(crate) fn run_link(id: &str) -> Markup {
    html! { a class="id" href=(path::with_id(path::RUN, id)) { (id) } }
}

/// A run in a line.
pub(crate) fn run_line(run: &RunBrief) -> Markup {
    html! {
        p class="runline" {
            (badge(run.state))
            span { "run " (run_link(&run.id)) }
            @if !run.started_at.is_empty() { span { "started " (when(&run.started_at)) } }
            @if !run.started_by.is_empty() { span { "by " (run.started_by) } }
            span { @if let Some(seconds) = run.seconds { "took " (duration(seconds)) } @else { "still running" } }
        }
    }
}

/// How many gates of a step passed: `4 of 5 gates pass`.
pub(crate) fn gate_count(step: &StepView) -> String {
    let passed = step.gates.iter().filter(|gate| gate.state == State::Pass).count();
    match step.gates.len() {
        0 if step.state == State::NotRun => "no verdict yet".to_owned(),
        0 => "no gates".to_owned(),
        1 if step.state == State::NotRun => "1 gate".to_owned(),
        all if step.state == State::NotRun => format!("{all} gates"),
        1 if passed == 1 => "1 gate passes".to_owned(),
        all => format!("{passed} of {all} gates pass"),
    }
}

/// Clauses without a gate: `1 clause open`; empty where there is none.
pub(crate) fn open_count(step: &StepView) -> String {
    match step.open.len() {
        0 => String::new(),
        1 => "1 clause open".to_owned(),
        all => format!("{all} clauses open"),
    }
}

/// Rows in a short line: `7,043 in · 7,002 out · 41 quarantined`.
pub(crate) fn row_line(rows: RowCounts) -> String {
    format!("{} in · {} out · {} quarantined", count(rows.taken), count(rows.passed), count(rows.quarantined))
}

/// A count with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time span: `12 ms`, `0.42 s`, `3 min 05 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || !(0.0..1e9).contains(&seconds) {
        return "unknown".to_owned();
    }
    if seconds < 0.0995 {
        return format!("{:.0} ms", seconds * 1e3);
    }
    if seconds < 59.95 {
        return if seconds < 9.995 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") };
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
    }
}

/// A share as percent with one decimal.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1}%", share * 100.0) } else { "unknown".to_owned() }
}

/// Decimals for numbers of about this size, so that a column of them lines up.
pub(crate) fn decimals_for(greatest: f64) -> usize {
    match greatest.abs() {
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    }
}

/// Decimals for a column of means: two digits of its greatest standard deviation, at most four (beyond that it is noise).
pub(crate) fn decimals_for_means(column: impl Iterator<Item = MeanSd>) -> usize {
    let (mean, sd) = column.fold((0.0f64, 0.0f64), |(mean, sd), value| (mean.max(value.mean.abs()), sd.max(value.sd.abs())));
    if sd.is_finite() && sd > 0.0 { (1.0 - sd.log10().floor()).clamp(0.0, 4.0) as usize } else { decimals_for(mean) }
}

/// A number with so many decimals.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    match value.abs() {
        size if !size.is_finite() => "unknown".to_owned(),
        size if size >= 1e9 => format!("{value:.3e}"),
        _ => format!("{value:.decimals$}"),
    }
}

/// A mean with its standard deviation.
pub(crate) fn mean_sd(value: Option<MeanSd>, decimals: usize) -> Markup {
    match value {
        Some(MeanSd { mean, sd }) => {
            html! {
                span class="mean" { (number(mean, decimals)) }
                @if !sd.is_nan() { " " span class="sd" { "± " (number(sd, decimals)) } }
            }
        }
        None => html! { span class="none" { "not measured" } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([count(0), count(999), count(7043), count(1_234_567)], ["0", "999", "7,043", "1,234,567"]);
    }

    #[test]
    fn spans_change_their_unit() {
        let spans = [0.0123, 0.42, 12.34, 59.96, 185.0, 7260.0, f64::NAN, -1.0].map(duration);
        assert_eq!(spans, ["12 ms", "0.42 s", "12.3 s", "1 min 00 s", "3 min 05 s", "2 h 01 min", "unknown", "unknown"]);
    }

    #[test]
    fn means_show_two_digits_of_their_deviation() {
        let column = |sds: &[f64]| decimals_for_means(sds.iter().map(|sd| MeanSd { mean: 0.5, sd: *sd }));
        assert_eq!(
            [column(&[0.014]), column(&[0.31, 0.01]), column(&[0.00001]), column(&[12.0]), column(&[0.0]), column(&[f64::NAN])],
            [3, 2, 4, 0, 3, 3]
        );
    }

    #[test]
    fn long_ids_keep_their_ends() {
        assert_eq!([short_id("01JD9Q4T7ZK3"), short_id("01JD9Q4T7Z0000000000066A")], ["01JD9Q4T7ZK3", "01JD9Q…0000066A"]);
    }

    #[test]
    fn times_are_read_by_people_and_odd_ones_stay() {
        assert!(when("2026-11-22T13:58:02Z").into_string().contains(">2026-11-22 13:58:02 UTC<"));
        assert!(when("soon ünd so wéiter TZ").into_string().contains(">soon ünd so wéiter TZ<"));
    }

    #[test]
    fn a_pass_owes_nothing() {
        assert_eq!(owed(State::Pass, None, "r", None), None);
    }

    #[test]
    fn a_refusal_without_a_reason_still_names_rule_and_command() {
        let owed = owed(State::Refuse, None, "door-signature", Some("01JD")).unwrap();
        assert_eq!((owed.rule.as_str(), owed.command.as_str()), ("door-signature", "stayward evidence show 01JD"));
    }

    #[test]
    fn what_was_recorded_is_kept() {
        let recorded = FindingView { why: "seen".into(), command: "stayward x".into(), ..FindingView::default() };
        let owed = owed(State::Hold, Some(&recorded), "r", None).unwrap();
        assert_eq!((owed.why.as_str(), owed.command.as_str(), owed.rule.as_str()), ("seen", "stayward x", "r"));
    }
}
