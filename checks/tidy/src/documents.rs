//! The map equals the land: ARCHITECTURE.md names every crate, and no folder that is not there.

use std::collections::BTreeSet;

use crate::repository::{folders, root, text};

const MAP: &str = "ARCHITECTURE.md";
const TOPS: &[&str] = &["base", "engines", "steps", "shell", "checks"];

/// Paths of two parts below a top folder that a text names, such as `base/gate`.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    let words = text.split(|c| !word(c)).map(|found| found.trim_matches(['/', '.']));
    words
        .filter_map(|found| {
            let mut parts = found.split('/');
            let (top, name) = (parts.next()?, parts.next()?);
            (TOPS.contains(&top) && !name.is_empty()).then(|| format!("{top}/{name}"))
        })
        .collect()
}

#[test]
fn the_map_names_every_crate_and_nothing_else() {
    if !root().join(MAP).exists() {
        println!("skipped: {MAP} is not written yet");
        return;
    }
    let text = text(MAP);
    let on_map = named(&text);
    let gone: Vec<_> = on_map.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(gone.is_empty(), "{MAP} names what is not there: {gone:?}");
    let crates: Vec<_> = folders().into_values().filter(|folder| folder.contains('/')).collect();
    let missing: Vec<_> = crates.iter().filter(|folder| !on_map.contains(*folder)).collect();
    assert!(missing.is_empty(), "{MAP} does not name these crates, by their whole path such as `base/gate`: {missing:?}");
    assert!(text.contains("attacks"), "{MAP} does not name `attacks`");
}

#[test]
fn paths_are_found_in_prose() {
    let found = named("see `base/gate/src/lib.rs`, engines/learn/. Not and/or, nor shell/ alone; steps/s01-intake.");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["base/gate", "engines/learn", "steps/s01-intake"]);
}
