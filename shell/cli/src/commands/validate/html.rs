//! Findings as one page with plots that loads nothing from anywhere, for whoever must mend the file (T1).

use std::collections::BTreeMap;

use console::plot::{Axis, Bar, Bars, PLOT_STYLE, Placement, bars};
use pipeline::validate::{Advice, Screened};

use super::Findings;

/// Bars of the plot of strangeness.
const STEPS: usize = 13;
/// Columns of the plot by column.
const COLUMNS: usize = 12;

/// Violations on the page.
const SHOWN: usize = 1_000;
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4}\
th{background:#f3f5f7}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1rem}figure{margin:0}code{background:#f3f5f7;padding:0 .2rem}.no{color:#a40e26;font-weight:600}.yes{color:#116329;font-weight:600}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,code{background:#161b22}td,th{border-color:#30363d}.no{color:#ff7b72}.yes{color:#3fb950}}";

/// The page.
pub(super) fn page(all: &[Findings]) -> String {
    let title = all.iter().map(|one| escape(&one.file)).collect::<Vec<_>>().join(", ");
    let body: String = all.iter().enumerate().map(|(at, one)| file(at, one)).collect();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title><style>{STYLE}{PLOT_STYLE}</style>{body}</html>\n"
    )
}

fn file(at: usize, findings: &Findings) -> String {
    let class = if findings.advice == Advice::Pass { "yes" } else { "no" };
    let mut body = format!(
        "<h1>{}</h1><p class={class}>{}</p><p>{} rows by contract <code>{}</code>: {} break it, {} violations, {} records unreadable.</p>",
        escape(&findings.file),
        escape(&super::verdict(findings)),
        findings.rows,
        escape(&findings.contract),
        findings.rows_broken,
        findings.violations_count,
        findings.rows_unreadable,
    );
    if let Some(screened) = &findings.screened {
        body.push_str(&against(at, screened));
    }
    body.push_str(&violations(findings));
    if !findings.unreadable.is_empty() {
        let items: String = findings.unreadable.iter().map(|text| format!("<li>{}</li>", escape(text))).collect();
        body.push_str(&format!("<h2>Unreadable records</h2><ul>{items}</ul>"));
    }
    body
}

/// The file against trusted rows: plots, tests of the whole, rows.
fn against(at: usize, screened: &Screened) -> String {
    let tests: String = screened
        .tests
        .iter()
        .map(|test| {
            let (class, word) = if test.alarm { ("no", "alarm") } else { ("yes", "quiet") };
            format!(
                "<tr><td class={class}>{word}<td>{}<td>{}<td>{:.1e}<td>{}",
                super::layer(test.layer),
                escape(&test.what),
                test.p_value,
                escape(&test.seen)
            )
        })
        .collect();
    let rows: String = screened
        .rows
        .iter()
        .take(SHOWN)
        .map(|row| {
            format!(
                "<tr><td>{}<td>{}<td>{}<td>{:.1e}<td>{}<td>{}<td>{}",
                row.row,
                row.line.map_or_else(|| "-".to_owned(), |line| line.to_string()),
                escape(&row.id),
                row.p_value,
                super::layer(row.layer),
                escape(row.column.as_deref().unwrap_or_default()),
                escape(&row.seen)
            )
        })
        .collect();
    format!(
        "<h2>Against {} trusted rows of {}</h2><div class=plots><figure>{}</figure><figure>{}</figure></div>\
         <h3>The delivery as a whole</h3><table><tr><th><th>layer<th>test<th>p<th>seen{tests}</table>\
         <h3>{} rows to be set aside</h3><table><tr><th>row<th>line<th>id<th>p<th>layer<th>column<th>seen{rows}</table>",
        screened.trusted_rows,
        escape(&screened.trusted),
        bars(&strangeness(at, screened), Placement::Inline).into_string(),
        bars(&by_column(at, screened), Placement::Inline).into_string(),
        screened.rows_flagged,
    )
}

/// How many rows are how strange. One trusted row in `e^s` is as strange as `s`.
fn strangeness(at: usize, screened: &Screened) -> Bars {
    let mut counts = [0_u32; STEPS];
    for score in &screened.scores {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a score that is no number counts as 0")]
        let step = (score.max(0.0) as usize).min(STEPS - 1);
        counts[step] = counts[step].saturating_add(1);
    }
    let name = |step: usize| if step + 1 == STEPS { format!("{step} and more") } else { format!("{step} to {}", step + 1) };
    let bar = |(step, count): (usize, &u32)| Bar {
        name: name(step),
        // Counts over several magnitudes: the few at the end are what matters.
        value: f64::from(*count).ln_1p() / std::f64::consts::LN_10,
        note: count.to_string(),
        ..Bar::default()
    };
    Bars {
        id: format!("strangeness-{at}"),
        title: "Rows by strangeness (-ln p)".to_owned(),
        axis: Axis::fit("rows", "powers of ten"),
        bars: counts.iter().enumerate().map(bar).collect(),
        ..Bars::default()
    }
}

/// Which columns and layers the rows are set aside for.
fn by_column(at: usize, screened: &Screened) -> Bars {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for row in &screened.rows {
        let name = row.column.clone().unwrap_or_else(|| super::layer(row.layer));
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<(String, u32)> = counts.into_iter().collect();
    counts.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    let bar = |(name, count): (String, u32)| Bar { name, value: f64::from(count), note: count.to_string(), ..Bar::default() };
    Bars {
        id: format!("columns-{at}"),
        title: "Rows set aside, by what says most".to_owned(),
        axis: Axis::fit("rows", ""),
        bars: counts.into_iter().take(COLUMNS).map(bar).collect(),
        ..Bars::default()
    }
}

fn violations(findings: &Findings) -> String {
    if findings.violations.is_empty() {
        return String::new();
    }
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let rows: String = findings
        .violations
        .iter()
        .take(SHOWN)
        .map(|found| {
            let row = number(found.row.and_then(|row| u64::try_from(row).ok()));
            format!(
                "<tr><td>{row}<td>{}<td>{}<td>{}<td><code>{}</code>",
                number(found.line),
                escape(&found.column),
                escape(&super::name(found.rule)),
                escape(&found.seen)
            )
        })
        .collect();
    let more = findings.violations_count.saturating_sub(u64::try_from(findings.violations.len().min(SHOWN)).unwrap_or(0));
    let more = if more > 0 { format!("<p>And {more} more.</p>") } else { String::new() };
    format!("<h2>Violations</h2><table><tr><th>row<th>line<th>column<th>rule<th>seen{rows}</table>{more}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn what_a_file_says_is_shown_and_never_runs() {
        let page = page(&[sample()]);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
        assert!(page.contains("price &lt;b&gt;"));
        assert!(page.contains("c&lt;7&gt;") && page.matches("<svg").count() == 2);
        assert!(!page.contains("http"));
    }
}
