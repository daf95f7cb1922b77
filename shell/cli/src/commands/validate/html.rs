//! Findings as one page that loads nothing from anywhere, for whoever must mend the file (T1).

use super::Findings;

/// Violations on the page.
const SHOWN: usize = 1_000;
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4}\
th{background:#f3f5f7}code{background:#f3f5f7;padding:0 .2rem}.no{color:#a40e26;font-weight:600}.yes{color:#116329;font-weight:600}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,code{background:#161b22}td,th{border-color:#30363d}.no{color:#ff7b72}.yes{color:#3fb950}}";

/// The page.
pub(super) fn page(findings: &Findings) -> String {
    let verdict = if findings.keeps {
        "<p class=yes>The file keeps the contract.</p>"
    } else {
        "<p class=no>The file breaks the contract.</p>"
    };
    let mut body = format!(
        "<h1>{}</h1>{verdict}<p>{} rows by contract <code>{}</code>: {} break it, {} violations, {} records unreadable.</p>",
        escape(&findings.file),
        findings.rows,
        escape(&findings.contract),
        findings.rows_broken,
        findings.violations_count,
        findings.rows_unreadable,
    );
    body.push_str(&violations(findings));
    if !findings.unreadable.is_empty() {
        let items: String = findings.unreadable.iter().map(|text| format!("<li>{}</li>", escape(text))).collect();
        body.push_str(&format!("<h2>Unreadable records</h2><ul>{items}</ul>"));
    }
    if let Some(outliers) = &findings.outliers {
        let row = |one: &pipeline::validate::Strange| {
            let flag = if one.flagged { "set aside" } else { "" };
            format!(
                "<tr><td>{}<td>{}<td>{:.1e}<td>{}<td>{flag}",
                one.row,
                escape(&one.id),
                one.p_value,
                escape(one.column.as_deref().unwrap_or_default())
            )
        };
        let rows: String = outliers.strangest.iter().map(row).collect();
        body.push_str(&format!(
            "<h2>Strangest rows against {} trusted ones</h2><table><tr><th>row<th>id<th>p<th>column<th>would be{rows}</table>",
            outliers.trusted_rows
        ));
    }
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{}</title><style>{STYLE}</style>{body}</html>\n",
        escape(&findings.file)
    )
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
        let page = page(&sample());
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
        assert!(page.contains("price &lt;b&gt;"));
        assert!(!page.contains("http"));
    }
}
