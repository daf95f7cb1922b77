//! Nothing in the repository tells where or how it was made, or says that it is not finished (T4).

use crate::repository::{bytes, tracked};

/// Files that are generated and name their registry themselves.
const GENERATED: &[&str] = &["Cargo.lock"];

/// The needles in two pieces, so that this file does not contain them.
const NEEDLES: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/tmp/ba", "sh_jobs"),
    ("index.crat", "es.io"),
    ("static.crat", "es.io"),
    ("py", "pi.org"),
    ("pythonho", "sted.org"),
    ("registry.np", "mjs.org"),
    ("deb.deb", "ian.org"),
    ("proxy.gol", "ang.org"),
];
/// Marks of unfinished work, as whole words; prose may speak of them (STYLE.md does).
const MARKS: &[(&str, &str)] = &[("FIX", "ME"), ("XX", "X"), ("TO", "DO")];

fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", number + 1);
        for needle in NEEDLES.iter().map(|(one, other)| [*one, *other].concat()).filter(|needle| names(line, needle)) {
            out.push(format!("{place}: `{needle}` belongs to the place where this was written, not to the project"));
        }
        let words: Vec<&str> = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '/' && c != '+').collect();
        for mark in MARKS
            .iter()
            .map(|(one, other)| [*one, *other].concat())
            .filter(|mark| !path.ends_with(".md") && words.contains(&mark.as_str()))
        {
            out.push(format!("{place}: `{mark}`: do it or write an issue"));
        }
    }
    out
}

/// Whether the line names the needle, and not as the middle of a longer path (`network/`, `a/work/b`).
fn names(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !needle.starts_with('/') || !before.is_some_and(|c| c.is_ascii_alphanumeric() || "_-.}".contains(c))
    })
}

#[test]
fn no_file_names_the_place_where_it_was_written() {
    let mut out = Vec::new();
    for path in tracked().into_iter().filter(|path| !GENERATED.contains(&path.as_str())) {
        if let Ok(text) = String::from_utf8(bytes(&path)) {
            out.extend(complaints(&path, &text));
        }
    }
    assert!(out.is_empty(), "{}", out.join("\n"));
}

#[test]
fn such_names_are_seen() {
    let line = ["see /wo", "rk/main and \"/ro", "ot/x\""].concat();
    assert_eq!(complaints("a", &line).len(), 2);
    assert_eq!(complaints("a", &["// FIX", "ME: later"].concat()).len(), 1);
    assert_eq!(complaints("a", &["no path: net/wo", "rk/x, home/ro", "ot/y"].concat()).len(), 0);
}
