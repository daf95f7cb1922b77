//! A gate can refuse and can pass, has an id of its own, and is not gone without somebody saying so (T4).

use std::collections::BTreeSet;

use pipeline::Houses;

use crate::golden;
use crate::repository::{shipped, sources, tests_in};

fn is_kebab(id: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    id.split('-').all(part)
}

#[test]
fn card_ids_are_unique_and_kebab_case() {
    let mut seen = BTreeSet::new();
    for placed in Houses::open().unwrap().placed() {
        let id = placed.card.id;
        assert!(is_kebab(id), "card `{id}` of {} is not kebab-case", placed.step);
        assert!(seen.insert(id), "card `{id}` is there twice: the ledger could not tell which gate ruled");
    }
}

#[test]
fn ids_that_are_not_kebab_case_are_seen() {
    assert!(["Feed", "feed_size", "feed--size", "-feed", ""].iter().all(|id| !is_kebab(id)));
    assert!(is_kebab("feed-size-2"));
}

#[test]
fn the_gates_in_place_are_the_reviewed_ones() {
    let line = |placed: &pipeline::houses::Placed| {
        let clauses: Vec<&str> = placed.card.clauses.iter().map(|clause| clause.id()).collect();
        format!("{} {} {}", placed.step, placed.card.id, clauses.join(",")).trim_end().to_owned()
    };
    let now: Vec<String> = Houses::open().unwrap().placed().iter().map(line).collect();
    golden::assert_equal("gates.golden", "every gate in place, in the order of judging: step, gate, clauses", &now);
}

/// What the tests of a gate's file lack.
fn complaints(path: &str, text: &str) -> Vec<String> {
    if !shipped(path, text).contains("impl Gate<") {
        return Vec::new();
    }
    let tests = tests_in(text);
    let has = |signs: &[&str]| signs.iter().any(|sign| tests.contains(sign));
    let mut out = Vec::new();
    if !has(&["passes()", "Pass("]) {
        out.push(format!(
            "{path}: no test in which the gate passes something (`passes()` or `Pass(`): a gate that refuses all keeps nothing"
        ));
    }
    // A gate may also set single rows aside and let the rest pass.
    if !has(&["refuses()", "holds()", "Refuse(", "Hold(", "held: vec!["]) {
        out.push(format!("{path}: no test in which the gate refuses or holds something (`refuses()` or `holds()`)"));
    }
    out
}

#[test]
fn every_gate_has_a_passing_and_a_refusing_test() {
    let gates: Vec<_> =
        sources().into_iter().filter(|(path, _)| path.starts_with("steps/") && path.contains("/gates/")).collect();
    let count = gates.iter().filter(|(path, text)| shipped(path, text).contains("impl Gate<")).count();
    let placed = Houses::open().unwrap().placed().len();
    assert_eq!(
        count, placed,
        "{placed} gates stand in the diagram, {count} files in steps/*/src/gates/ hold one: one control per file, each in place"
    );
    let complaints: Vec<String> = gates.iter().flat_map(|(path, text)| complaints(path, text)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_gate_without_cases_is_seen() {
    let gate = "impl Gate<Door, Facts> for Size {}\n";
    assert_eq!(complaints("steps/x/src/gates/a.rs", gate).len(), 2);
    let one = format!("{gate}#[cfg(test)]\nmod tests {{\n    fn t() {{ check().passes() }}\n}}\n");
    assert_eq!(complaints("steps/x/src/gates/a.rs", &one).len(), 1);
    assert_eq!(complaints("steps/x/src/gates/mod.rs", "mod a;\n").len(), 0);
}
