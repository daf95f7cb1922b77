//! What people and programs see: tables or JSON on standard output, progress and errors on standard error.

#![expect(clippy::print_stderr, reason = "the one place of the program that prints")]

use std::io::IsTerminal;

use gate::{Decision, Finding};
use pipeline::PipelineError;
use pipeline::progress::{Progress, StepReport, StepState};
use serde::Serialize;

use crate::address::addressed;
use crate::args::{Args, Format};

/// Where and how to print.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    /// Table, JSON or one JSON object a line.
    pub(crate) format: Format,
    quiet: bool,
    colour: bool,
}

impl Output {
    pub(crate) fn new(args: &Args) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { format: args.output, quiet: args.quiet, colour: !no_colour && std::io::stderr().is_terminal() }
    }

    /// One result: JSON as asked, or the table's text.
    pub(crate) fn result<T: Serialize>(&self, value: &T, table: impl FnOnce() -> String) {
        let failed = |error: serde_json::Error| format!("{{\"error\":\"{error}\"}}");
        match self.format {
            Format::Table => print_line(addressed(&table()).trim_end()),
            Format::Json => print_line(&serde_json::to_string_pretty(value).unwrap_or_else(failed)),
            Format::Ndjson => print_line(&serde_json::to_string(value).unwrap_or_else(failed)),
        }
    }

    /// Bytes as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> std::io::Result<()> {
        use std::io::Write;
        std::io::stdout().write_all(bytes)
    }

    /// A line of the operator's log.
    pub(crate) fn log(text: &str) {
        eprintln!("{}", addressed(text));
    }

    /// A word for people; not in quiet mode.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{}", addressed(text));
        }
    }

    /// Whether people read the result.
    pub(crate) fn is_text(&self) -> bool {
        self.format == Format::Table
    }

    /// A word that must be seen, such as a secret that is shown once.
    pub(crate) fn tell(&self, text: &str) {
        eprintln!("{}", addressed(text));
    }

    /// What went wrong and what to do.
    pub(crate) fn error(&self, why: &str, help: &str) {
        eprintln!("{} {}", self.paint("error:", Paint::Red), addressed(why));
        if !help.is_empty() {
            eprintln!("{} {}", self.paint("help:", Paint::Cyan), addressed(help));
        }
    }

    /// A pipeline's error: a refusal is a result with rule, reason, evidence and next command.
    pub(crate) fn failure(&self, error: &PipelineError) {
        self.failure_after(error, &[]);
    }

    /// The same, with the steps that were done before: a program reads where a run ended.
    pub(crate) fn failure_after(&self, error: &PipelineError, steps: &[StepReport]) {
        let evidence =
            error.evidence().map(|id| format!("\n  evidence  {id}   (stayward evidence show {id})")).unwrap_or_default();
        match error {
            PipelineError::Refused { step, gate, finding, .. } => self.verdict("REFUSED", step, gate, finding, &evidence),
            PipelineError::Held { step, gate, finding, .. } => {
                self.verdict("WAITING FOR A PERSON", step, gate, finding, &evidence)
            }
            PipelineError::NotAllowed { .. }
            | PipelineError::Broken { .. }
            | PipelineError::Wrong { .. }
            | PipelineError::Internal(_) => {
                self.error(&error.to_string(), &error.help());
            }
        }
        if self.format != Format::Table {
            let (step, rule) = error.gate().unzip();
            let mut value = serde_json::json!({
                "error": error.to_string(),
                "help": addressed(&error.help()),
                "step": step,
                "rule": rule,
                "evidence": error.evidence(),
                "exit": error.exit_code(),
            });
            // Line by line they were printed as they ended.
            if self.format == Format::Json && !steps.is_empty() {
                value["steps"] = serde_json::json!(steps);
            }
            print_line(&value.to_string());
        }
    }

    fn verdict(&self, word: &str, step: &str, gate: &str, finding: &Finding, evidence: &str) {
        let word = self.paint(word, Paint::Red);
        eprintln!(
            "{word}\n  step      {step}\n  rule      {gate}\n  reason    {}{}\n  next      {}",
            finding.why,
            addressed(evidence),
            addressed(&finding.help)
        );
    }

    fn paint(&self, text: &str, paint: Paint) -> String {
        let code = match paint {
            Paint::Red => "31;1",
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Cyan => "36",
            Paint::Dim => "2",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[derive(Clone, Copy)]
enum Paint {
    Red,
    Green,
    Yellow,
    Cyan,
    Dim,
}

/// Prints each step as it ends.
pub(crate) struct Live<'a> {
    pub(crate) out: &'a Output,
    pub(crate) reports: Vec<StepReport>,
}

impl Progress for Live<'_> {
    fn begin(&mut self, step: &str, about: &str) {
        crate::interrupt::at(step);
        if self.out.colour && !self.out.quiet {
            eprint!("  {step:<18} {about} ...\r");
        }
    }

    fn warn(&mut self, words: &str) {
        self.out.say(&format!("  note: {words}"));
    }

    fn on_the_way(&mut self, words: &str) {
        // The line is overwritten by the next, and by the step's end.
        if self.out.colour && !self.out.quiet {
            eprint!("\x1b[K  ... {words}\r");
        }
    }

    fn end(&mut self, report: &StepReport) {
        if self.out.format == Format::Ndjson {
            print_line(&serde_json::to_string(report).unwrap_or_default());
        }
        if !self.out.quiet {
            let clear = if self.out.colour { "\x1b[K" } else { "" };
            eprintln!("{clear}{}", line(self.out, report));
        }
        self.reports.push(report.clone());
    }
}

fn line(out: &Output, report: &StepReport) -> String {
    let (word, paint) = match report.state {
        StepState::Pass => ("pass", Paint::Green),
        StepState::Held => ("HELD", Paint::Yellow),
        StepState::Refused => ("REFUSED", Paint::Red),
        StepState::Unchanged => ("as before", Paint::Dim),
    };
    let rows = match (report.rows_in, report.rows_quarantined) {
        (0, _) => String::new(),
        (came, 0) => format!("{came} rows"),
        (came, held) => format!("{came} rows, {held} set aside"),
    };
    let passed = report.gates.iter().filter(|gate| gate.decision == Decision::Pass).count();
    // A refused step counts against all its gates, also those that were not asked any more; a step without gates says nothing.
    let gates = match gates_of(&report.step).max(report.gates.len()) {
        _ if report.gates.is_empty() => String::new(),
        all => format!("{passed}/{all} gates"),
    };
    let seconds = format!("{:.2} s", std::time::Duration::from_millis(report.milliseconds).as_secs_f64());
    let head = format!(
        "  {:<17} {:<26} {} {:>8}  {:<28} {:<11} {}",
        report.step,
        shorten(&report.about, 26),
        out.paint(&format!("{word:<9}"), paint),
        seconds,
        rows,
        gates,
        out.paint(&report.evidence, Paint::Dim)
    );
    let note = if report.note.is_empty() { String::new() } else { format!("\n{:20}{}", "", report.note) };
    let finding = report
        .finding
        .as_ref()
        .map(|(gate, finding)| format!("\n{:20}{gate}: {}\n{:20}next: {}", "", finding.why, "", addressed(&finding.help)))
        .unwrap_or_default();
    format!("{head}{note}{finding}")
}

/// How many gates a step has.
fn gates_of(step: &str) -> usize {
    pipeline::Houses::open().map_or(0, |houses| houses.placed().iter().filter(|placed| placed.step == step).count())
}

fn shorten(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most { text.to_owned() } else { format!("…{}", text.chars().skip(count - most + 1).collect::<String>()) }
}

/// A reader that went away (`| head`) is no error.
fn print_line(text: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// A plain table with aligned columns.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.chain(head.get(at).map(|cell| cell.chars().count())).max().unwrap_or(0)
        })
        .collect();
    let render = |cells: &mut dyn Iterator<Item = &str>| {
        let line: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![render(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| render(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// A count with its noun: `1 version`, `2 versions`.
pub(crate) fn many(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A text in lines of at most `most` letters. What stands in backticks stays on one line, so that it can be copied.
pub(crate) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in words(text) {
        let fits = line.chars().count() + 1 + word.chars().count() <= most;
        if !line.is_empty() && !fits {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines
}

/// Words between blanks; a quotation in backticks is part of one word.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        quoted ^= letter == '`';
        if letter.is_whitespace() && !quoted {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        } else {
            word.push(letter);
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let check = |count, text: &str| assert_eq!(many(count, "entry", "entries"), text);
        check(0, "0 entries");
        check(1, "1 entry");
        check(2, "2 entries");
    }

    #[test]
    fn lines_are_short_and_commands_stay_whole() {
        let lines = wrapped("see it with `stayward evidence verify` and mend it", 20);
        assert_eq!(lines, ["see it with", "`stayward evidence verify`", "and mend it"]);
        assert_eq!(wrapped("", 20), [""]);
    }

    #[test]
    fn a_refused_step_counts_against_all_its_gates() {
        assert!(gates_of("s03-labels") > 3);
        assert_eq!(gates_of("deployment"), 0);
    }
}
