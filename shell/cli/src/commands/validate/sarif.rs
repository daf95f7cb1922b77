//! Findings as SARIF 2.1.0 (OASIS), so that code review and scanners' dashboards show them at their lines (T1).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tabular::typed::Rule;

use super::{Findings, Found, name};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The whole document: one run, one result a violation.
pub(super) fn document(findings: &Findings) -> Value {
    let broken: BTreeSet<Rule> = findings.violations.iter().map(|found| found.rule).collect();
    let mut rules: Vec<Value> =
        broken.iter().map(|rule| json!({ "id": rule, "shortDescription": { "text": rule.about() } })).collect();
    if !findings.unreadable.is_empty() {
        rules.push(json!({ "id": "unreadable", "shortDescription": { "text": "the record cannot be read" } }));
    }
    let uri = uri(&findings.file);
    let mut results: Vec<Value> = findings.violations.iter().map(|found| result(found, &uri, &findings.contract)).collect();
    results.extend(findings.unreadable.iter().map(|text| {
        json!({ "ruleId": "unreadable", "level": "error", "message": { "text": text }, "locations": [location(&uri, None)] })
    }));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "stayward", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "artifacts": [{ "location": { "uri": uri } }],
            "results": results,
            "columnKind": "unicodeCodePoints",
            "properties": { "rows": findings.rows, "rowsBroken": findings.rows_broken, "violations": findings.violations_count },
        }],
    })
}

fn result(found: &Found, uri: &str, contract: &str) -> Value {
    let place = found.row.map_or_else(|| "the table".to_owned(), |row| format!("row {row}"));
    let text =
        format!("{place}, column `{}`: `{}` breaks `{}` of contract `{contract}`", found.column, found.seen, name(found.rule));
    json!({ "ruleId": found.rule, "level": "error", "message": { "text": text }, "locations": [location(uri, found.line)] })
}

fn location(uri: &str, line: Option<u64>) -> Value {
    match line {
        Some(line) => json!({ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": { "startLine": line } } }),
        None => json!({ "physicalLocation": { "artifactLocation": { "uri": uri } } }),
    }
}

/// A path as a URI reference (RFC 3986): every byte outside of the unreserved ones and `/` is percent-encoded.
fn uri(path: &str) -> String {
    path.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn every_violation_is_a_result_with_a_known_rule_and_its_line() {
        let document = document(&sample());
        assert_eq!(document["version"], "2.1.0");
        let run = &document["runs"][0];
        let rules: Vec<&str> =
            run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(rules, ["range", "unreadable"]);
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 4);
        for result in results {
            assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
            assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "a%20b/prices.csv");
        }
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 4);
        assert!(results[1]["locations"][0]["physicalLocation"].get("region").is_none());
        assert!(results[2]["message"]["text"].as_str().unwrap().starts_with("the table"));
    }
}
