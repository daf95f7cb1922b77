//! Arrows point only to the left: base <- engines <- steps, attacks <- shell <- checks. So a gate cannot reach around the diagram,
//! and what decides cannot read, write or listen (T1, T4).

use crate::repository::{crates, folders};

/// Outside crates that read, write, listen, wait or draw lots; the pure folders do without them.
const NOT_PURE: &[&str] = &[
    "anstream",
    "axum",
    "clap",
    "fs4",
    "getrandom",
    "hyper",
    "hyper-util",
    "log",
    "maud",
    "native-tls",
    "openssl",
    "prometheus-client",
    "rand",
    "rcgen",
    "reqwest",
    "rusqlite",
    "rustls",
    "sqlx",
    "tempfile",
    "tokio",
    "tokio-rustls",
    "tower",
    "tower-http",
    "tracing",
    "ureq",
];
const PURE: &[&str] = &["base", "engines", "steps", "attacks"];

/// Why a crate of folder `from` may not depend on one of folder `to`; `None` if it may.
fn complaint(from: &str, to: &str) -> Option<&'static str> {
    let may: &[&str] = match from {
        "base" => &["base"],
        "engines" | "steps" => &["base", "engines"],
        "attacks" => &["base", "engines"],
        "shell" => &["base", "engines", "steps", "attacks", "shell"],
        "checks" => &["base", "engines", "steps", "attacks", "shell"],
        _ => &[],
    };
    let why = match (from, to) {
        _ if may.contains(&to) => return None,
        ("steps", "steps") => "a step never depends on a step: pass the fact through the shell",
        ("attacks", "steps") => "an attack never depends on a step: attack through `trait Target`",
        _ => "arrows point only left: base <- engines <- steps, attacks <- shell <- checks",
    };
    Some(why)
}

#[test]
fn arrows_point_only_left() {
    let folders = folders();
    let mut complaints = Vec::new();
    for found in crates() {
        for (name, _) in found.dependencies() {
            let Some(folder) = folders.get(&name) else { continue };
            if let Some(why) = complaint(found.top(), folder.split('/').next().unwrap()) {
                complaints.push(format!("{}/Cargo.toml depends on `{name}` ({folder}): {why}", found.folder));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn arrows_to_the_right_are_seen() {
    for (from, to) in [
        ("base", "engines"),
        ("engines", "steps"),
        ("steps", "steps"),
        ("steps", "attacks"),
        ("attacks", "steps"),
        ("steps", "shell"),
        ("shell", "checks"),
        ("checks", "checks"),
        ("elsewhere", "base"),
    ] {
        assert!(complaint(from, to).is_some(), "{from} -> {to}");
    }
    for (from, to) in [
        ("base", "base"),
        ("engines", "engines"),
        ("steps", "engines"),
        ("attacks", "engines"),
        ("shell", "shell"),
        ("checks", "shell"),
    ] {
        assert!(complaint(from, to).is_none(), "{from} -> {to}");
    }
}

/// Follows the dependencies (also those of tests) from a crate; the way back to it, if there is one.
fn circle(start: &str, edges: &dyn Fn(&str) -> Vec<String>) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in edges(way.last().unwrap()) {
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push(way.iter().cloned().chain([next]).collect());
            }
        }
    }
    None
}

#[test]
fn no_crates_depend_on_each_other_in_a_circle() {
    let ours = folders();
    let edges: std::collections::BTreeMap<String, Vec<String>> = crates()
        .into_iter()
        .map(|found| {
            let to = found.dependencies().into_iter().map(|(name, _)| name).filter(|name| ours.contains_key(name)).collect();
            (found.name, to)
        })
        .collect();
    for name in ours.keys() {
        let way = circle(name, &|from| edges[from].clone());
        assert_eq!(way, None, "these crates depend on each other in a circle (tests count): move the shared part to the left");
    }
}

#[test]
fn circles_are_seen() {
    let edges = |from: &str| vec![if from == "a" { "b".to_owned() } else { "a".to_owned() }];
    assert_eq!(circle("a", &edges), Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn pure_crates_have_no_way_to_the_outside() {
    let mut complaints = Vec::new();
    for found in crates().into_iter().filter(|found| PURE.contains(&found.top())) {
        for (name, _) in found.dependencies().into_iter().filter(|(name, _)| NOT_PURE.contains(&name.as_str())) {
            complaints.push(format!(
                "{}/Cargo.toml depends on `{name}`: only shell/ reads, writes and listens; take what it gives as an argument",
                found.folder
            ));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
