//! Findings as SARIF 2.1.0 (OASIS), so that code review and scanners' dashboards show them at their lines (T1).

use std::collections::BTreeMap;

use screen::Layer;
use serde_json::{Value, json};

use super::{Findings, Found, layer, name};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The whole document: one run, one result for each violation, strange row and test that alarms.
pub(super) fn document(all: &[Findings]) -> Value {
    let mut rules: BTreeMap<String, &str> = BTreeMap::new();
    let mut results = Vec::new();
    for findings in all {
        let uri = uri(&findings.file);
        rules.extend(findings.violations.iter().map(|found| (name(found.rule), found.rule.about())));
        results.extend(findings.violations.iter().map(|found| result(found, &uri, &findings.contract)));
        for text in &findings.unreadable {
            rules.insert("unreadable".to_owned(), "the record cannot be read");
            results.push(json!({
                "ruleId": "unreadable", "level": "error", "message": { "text": text }, "locations": [location(&uri, None)]
            }));
        }
        let Some(screened) = &findings.screened else { continue };
        // What breaks the contract stands above, value by value.
        for row in screened.rows.iter().filter(|row| row.layer != Layer::Contract && row.layer != Layer::Records) {
            rules.insert(layer(row.layer), row.layer.about());
            let text = format!("row {} ({}): {}", row.row, row.id, row.seen);
            results.push(json!({
                "ruleId": layer(row.layer), "level": "warning", "message": { "text": text },
                "locations": [location(&uri, row.line)], "rank": rank(row.p_value)
            }));
        }
        for test in screened.tests.iter().filter(|test| test.alarm) {
            rules.insert(layer(test.layer), test.layer.about());
            let text = format!("the delivery as a whole: {}: {}", test.what, test.seen);
            results.push(json!({
                "ruleId": layer(test.layer), "level": "warning", "message": { "text": text },
                "locations": [location(&uri, None)], "rank": rank(test.p_value)
            }));
        }
    }
    let rules: Vec<Value> =
        rules.into_iter().map(|(id, about)| json!({ "id": id, "shortDescription": { "text": about } })).collect();
    let artifacts: Vec<Value> = all.iter().map(|findings| json!({ "location": { "uri": uri(&findings.file) } })).collect();
    let sum = |of: &dyn Fn(&Findings) -> u64| all.iter().map(of).sum::<u64>();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "stayward", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "artifacts": artifacts,
            "results": results,
            "columnKind": "unicodeCodePoints",
            "properties": {
                "rows": sum(&|findings| findings.rows),
                "rowsBroken": sum(&|findings| findings.rows_broken),
                "violations": sum(&|findings| findings.violations_count),
            },
        }],
    })
}

/// SARIF's rank: 100 is the most telling.
fn rank(p_value: f64) -> f64 {
    (1.0 - p_value.clamp(0.0, 1.0)) * 100.0
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
        let document = document(&[sample()]);
        assert_eq!(document["version"], "2.1.0");
        let run = &document["runs"][0];
        let rules: Vec<&str> =
            run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(rules, ["combined", "conditional", "range", "unreadable"]);
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 6);
        for result in results {
            assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
            assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "a%20b/prices.csv");
        }
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 4);
        assert!(results[1]["locations"][0]["physicalLocation"].get("region").is_none());
        assert_eq!(results[4]["locations"][0]["physicalLocation"]["region"]["startLine"], 8);
        assert!(results[2]["message"]["text"].as_str().unwrap().starts_with("the table"));
    }
}
