//! Only the diagram opens gatehouses, only the shell vouches for the ledger, and every file says what it is for (T1, T4).

use crate::repository::{bytes, shipped, sources, tracked};

const LINES_MAX: usize = 600;
const BLOB_BYTES_MAX: usize = 256 * 1024;
const DIAGRAM: &str = "shell/pipeline/src/";
const HOUSES: &str = "shell/pipeline/src/houses.rs";
/// Files with a test that the suite leaves out, with the reason.
const IGNORED_TESTS: &[(&str, &str)] = &[
    ("engines/outlier/src/tests/measured.rs", "measures for minutes; its short twin runs always"),
    ("engines/tabular/tests/speed.rs", "measures rows a second; run by hand"),
    ("shell/store/src/log/kill_tests.rs", "the child that the kill tests start and that dies"),
    ("shell/vault/tests/others.rs", "needs a running server; the peer of the vault starts one and runs them"),
];

/// What an item may be named in: code of these folders or files, nowhere else.
struct Reserved {
    needle: &'static str,
    places: &'static [&'static str],
    help: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        needle: "Gatehouse::open",
        places: &[HOUSES],
        help: "gatehouses open in shell/pipeline/src/houses.rs; take `&Houses`",
    },
    Reserved {
        needle: "Gatehouse::<",
        places: &[HOUSES],
        help: "gatehouses open in shell/pipeline/src/houses.rs; take `&Houses`",
    },
    Reserved { needle: "Gatehouse as ", places: &[], help: "a gatehouse under another name could open unseen; use its name" },
    Reserved {
        needle: "Gatehouse",
        places: &["base/gate/", DIAGRAM],
        help: "only the diagram handles gatehouses; take a `Cleared`",
    },
    Reserved { needle: ".reopen(", places: &[DIAGRAM], help: "only the diagram opens what was cleared again" },
    Reserved {
        needle: "Witness for ",
        places: &["shell/"],
        help: "only the shell reads the log, so only it can vouch for a receipt",
    },
    Reserved { needle: "Ledger for ", places: &["base/gate/", "shell/"], help: "only the shell writes the log" },
    Reserved { needle: "unsafe_code", places: &[], help: "no crate may lift the ban on unsafe code" },
];

fn reserved_complaints(path: &str, text: &str) -> Vec<String> {
    let code = shipped(path, text);
    let broken =
        RESERVED.iter().filter(|rule| code.contains(rule.needle) && !rule.places.iter().any(|place| path.starts_with(place)));
    broken.map(|rule| format!("{path}: `{}` stands outside {:?}: {}", rule.needle.trim(), rule.places, rule.help)).collect()
}

fn form_complaints(path: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if !text.starts_with("//! ") || text.starts_with("//! (") {
        out.push(format!("{path}: open with a line `//! ` that says which threat or need the file answers"));
    }
    let fence = ["```", "ignore"].concat();
    if text.contains(&fence) {
        out.push(format!("{path}: an example that nobody runs; make it compile, or write ```text"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        out.push(format!("{path}: {lines} lines, at most {LINES_MAX}: split it by subject"));
    }
    // Only the attribute that skips a test; the needle is made of pieces so as not to stand here.
    let skipped = ["#[", "ignore"].concat();
    if text.contains(&skipped) && !IGNORED_TESTS.iter().any(|(allowed, _)| *allowed == path) {
        out.push(format!("{path}: a test that nobody runs; mend it or remove it"));
    }
    let unfinished = [["to", "do!("].concat(), ["unimpl", "emented!("].concat()];
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    for line in code.filter(|line| unfinished.iter().any(|needle| line.contains(needle))) {
        out.push(format!("{path}: `{}`: real or not at all", line.trim()));
    }
    out
}

fn all(rule: fn(&str, &str) -> Vec<String>) -> String {
    sources().iter().flat_map(|(path, text)| rule(path, text)).collect::<Vec<_>>().join("\n")
}

#[test]
fn only_the_diagram_opens_gatehouses_and_only_the_shell_is_a_witness() {
    let complaints = all(reserved_complaints);
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn names_in_the_wrong_place_are_seen() {
    let opened = "use gate::Gatehouse;\nfn f() { Gatehouse::open(GATES); }\n";
    assert_eq!(reserved_complaints("shell/server/src/lib.rs", opened).len(), 2);
    assert_eq!(reserved_complaints("shell/pipeline/src/run/mod.rs", opened).len(), 1);
    assert_eq!(reserved_complaints(HOUSES, opened).len(), 0);
    assert_eq!(reserved_complaints("steps/x/src/lib.rs", "impl<'a> Witness for Me<'a> {}\n").len(), 1);
    assert_eq!(reserved_complaints("attacks/src/lib.rs", "house.reopen(a, b, c);\n").len(), 1);
    assert_eq!(reserved_complaints("steps/x/src/lib.rs", "#[cfg(test)]\nmod tests {\n    Gatehouse::open(GATES)\n}\n").len(), 0);
}

#[test]
fn every_source_is_in_good_form() {
    let complaints = all(form_complaints);
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn bad_form_is_seen() {
    assert_eq!(form_complaints("a.rs", "//! Says what it is for.\n"), Vec::<String>::new());
    let bad =
        ["fn f() {}\n", "//! (being written)\n", &format!("//! x\n// ```{}\n", "ignore"), &format!("//! x\n#[{}]\n", "ignore")];
    assert!(bad.iter().all(|text| form_complaints("a.rs", text).len() == 1));
    assert_eq!(form_complaints("a.rs", &format!("//! x\n{}", "\n".repeat(LINES_MAX))).len(), 1);
    assert_eq!(form_complaints("a.rs", &format!("//! x\n    to{}!()\n", "do")).len(), 1);
}

#[test]
fn no_large_blob_is_tracked() {
    let large: Vec<String> = tracked().into_iter().filter(|path| bytes(path).len() > BLOB_BYTES_MAX).collect();
    assert_eq!(
        large,
        Vec::<String>::new(),
        "over {} KiB: generate it, or let the tests fetch it from outside",
        BLOB_BYTES_MAX / 1024
    );
}

#[test]
fn the_lists_of_exceptions_are_in_use() {
    let tracked = tracked();
    for (path, reason) in IGNORED_TESTS {
        assert!(tracked.iter().any(|found| found == path), "{path} is gone ({reason}): take it out of IGNORED_TESTS");
    }
}
