//! Findings as SARIF 2.1.0 (OASIS), so that code review and scanners' dashboards show them at their lines (T1).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Findings, Found};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The whole document: one run, one result a violation.
pub(super) fn document(findings: &Findings) -> Value {
    let mut names: BTreeSet<&str> = findings.violations.iter().map(|found| found.rule.as_str()).collect();
    if !findings.unreadable.is_empty() {
        names.insert("unreadable");
    }
    let rules: Vec<Value> = names.iter().map(|name| json!({ "id": name, "shortDescription": { "text": about(name) } })).collect();
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
    let text = format!("{place}, column `{}`: `{}` breaks `{}` of contract `{contract}`", found.column, found.seen, found.rule);
    json!({ "ruleId": found.rule, "level": "error", "message": { "text": text }, "locations": [location(uri, found.line)] })
}

fn location(uri: &str, line: Option<u64>) -> Value {
    match line {
        Some(line) => json!({ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": { "startLine": line } } }),
        None => json!({ "physicalLocation": { "artifactLocation": { "uri": uri } } }),
    }
}

fn about(rule: &str) -> &'static str {
    match rule {
        "column-missing" => "the table lacks a column of the contract",
        "column-extra" => "the table has a column that the contract does not name",
        "column-renamed" => "a column lacks, and another of nearly that name is there",
        "type" => "the value is not of the column's kind",
        "whole" => "the value is no whole number",
        "range" => "the value is outside its range",
        "level" => "the level is not among those allowed",
        "missing" => "the value is missing where none may",
        "missing-share" => "more values are missing than may",
        "label-rate" => "the share of positive labels is outside its range",
        "duplicate" => "the row equals an earlier one where none may",
        "foreign-mark" => "the value holds the mark of an unsettled merge, or a control character",
        _ => "the record cannot be read",
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

    #[test]
    fn every_rule_of_a_contract_is_described() {
        use tabular::typed::Rule::*;
        for rule in [
            ColumnMissing,
            ColumnExtra,
            ColumnRenamed,
            Type,
            Whole,
            Range,
            Level,
            Missing,
            MissingShare,
            LabelRate,
            Duplicate,
            ForeignMark,
        ] {
            let name = serde_json::to_value(rule).unwrap();
            assert_ne!(about(name.as_str().unwrap()), about("unreadable"), "{name}");
        }
    }
}
