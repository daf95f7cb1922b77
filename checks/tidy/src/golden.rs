//! Golden files: what may only change on purpose, or only shrink.

use std::collections::BTreeSet;

use crate::repository::{root, text};

const HEADER: &str = "# ";

fn blessing() -> bool {
    std::env::var_os("STAYWARD_BLESS").is_some()
}

/// The lines of a golden file of this folder without comments.
pub(crate) fn lines(name: &str) -> Vec<String> {
    let text = text(&format!("checks/tidy/{name}"));
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
}

fn write(name: &str, about: &str, lines: impl IntoIterator<Item = String>) {
    let body: String = lines.into_iter().map(|line| line + "\n").collect();
    std::fs::write(root().join("checks/tidy").join(name), format!("{HEADER}{about}\n{body}")).unwrap();
}

/// The file must hold these lines; with STAYWARD_BLESS it is written.
pub(crate) fn assert_equal(name: &str, about: &str, now: &[String]) {
    if blessing() {
        write(name, about, now.iter().cloned());
    }
    let golden = lines(name);
    let gone: Vec<_> = golden.iter().filter(|line| !now.contains(line)).collect();
    let new: Vec<_> = now.iter().filter(|line| !golden.contains(line)).collect();
    assert!(
        golden == now,
        "checks/tidy/{name}: {about}\n  gone: {gone:#?}\n  new: {new:#?}\n  if meant, run `just gen` and have the change reviewed"
    );
}

/// What is wrong between the most that may be and what is.
pub(crate) fn shrink_complaints(name: &str, golden: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<String> {
    let grown = now.difference(golden).map(|line| {
        format!("`{line}` is new, and checks/tidy/{name} only shrinks: do the work, or defend a line written by hand in review")
    });
    let shrunk =
        golden.difference(now).map(|line| format!("`{line}` is done: shrink the golden file checks/tidy/{name}, by `just gen`"));
    grown.chain(shrunk).collect()
}

/// A list that only shrinks: STAYWARD_BLESS takes lines away and never adds one.
pub(crate) fn assert_only_shrinks(name: &str, about: &str, now: &BTreeSet<String>) {
    let golden: BTreeSet<String> = lines(name).into_iter().collect();
    if blessing() && now.is_subset(&golden) {
        write(name, about, now.iter().cloned());
        return;
    }
    let complaints = shrink_complaints(name, &golden, now);
    assert!(complaints.is_empty(), "{about}\n{}", complaints.join("\n"));
}

#[test]
fn a_list_that_grows_or_lags_is_seen() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(shrink_complaints("x", &set(&["a", "b"]), &set(&["a", "b"])).len(), 0);
    assert!(shrink_complaints("x", &set(&["a"]), &set(&["a", "b"]))[0].contains("only shrinks"));
    assert!(shrink_complaints("x", &set(&["a", "b"]), &set(&["a"]))[0].contains("shrink the golden file"));
}
