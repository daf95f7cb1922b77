//! What the rules look at: the tracked files, the crates and their manifests, and Rust sources without their tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Standard output of a program, run at the top of the repository.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Vec<u8> {
    let ran = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(ran.status.success(), "`{program} {}`: {}", arguments.join(" "), String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// Paths of all files that git tracks and that are there, with `/`, in order.
pub(crate) fn tracked() -> Vec<String> {
    let listed = String::from_utf8(output("git", &["ls-files", "-z"])).unwrap();
    let paths: Vec<String> = listed.split('\0').filter(|path| root().join(path).is_file()).map(str::to_owned).collect();
    assert!(paths.len() > 100, "git lists only {} files", paths.len());
    paths
}

pub(crate) fn bytes(path: &str) -> Vec<u8> {
    std::fs::read(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn text(path: &str) -> String {
    String::from_utf8(bytes(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Tracked Rust sources with their texts.
pub(crate) fn sources() -> Vec<(String, String)> {
    tracked().into_iter().filter(|path| path.ends_with(".rs")).map(|path| (path.clone(), text(&path))).collect()
}

/// A crate of ours.
pub(crate) struct Crate {
    /// Its name in manifests.
    pub(crate) name: String,
    /// Its folder, such as `base/gate`.
    pub(crate) folder: String,
    /// Its manifest.
    pub(crate) manifest: toml::Table,
}

impl Crate {
    /// The first part of the folder: `base`, `engines`, `steps`, `attacks`, `shell` or `checks`.
    pub(crate) fn top(&self) -> &str {
        self.folder.split('/').next().unwrap()
    }

    /// Dependencies of every kind and target: name and specification.
    pub(crate) fn dependencies(&self) -> Vec<(String, toml::Value)> {
        let mut tables: Vec<&toml::Table> = vec![&self.manifest];
        if let Some(targets) = self.manifest.get("target").and_then(toml::Value::as_table) {
            tables.extend(targets.values().filter_map(toml::Value::as_table));
        }
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        let listed = tables.iter().flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
        listed.flat_map(|table| table.iter().map(|(name, spec)| (name.clone(), spec.clone()))).collect()
    }
}

pub(crate) fn manifest(path: &str) -> toml::Table {
    text(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn workspace() -> toml::Table {
    manifest("Cargo.toml")["workspace"].as_table().unwrap().clone()
}

/// The crates of the workspace, in its order.
pub(crate) fn crates() -> Vec<Crate> {
    let read = |folder: &toml::Value| {
        let folder = folder.as_str().unwrap().to_owned();
        let manifest = manifest(&format!("{folder}/Cargo.toml"));
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        Crate { name, folder, manifest }
    };
    let crates: Vec<Crate> = workspace()["members"].as_array().unwrap().iter().map(read).collect();
    assert!(crates.len() > 20, "the workspace lists only {} crates", crates.len());
    crates
}

/// Folder of each of our crates, by name.
pub(crate) fn folders() -> BTreeMap<String, String> {
    crates().into_iter().map(|found| (found.name, found.folder)).collect()
}

/// Whether a whole file is test code or an example, by its path.
pub(crate) fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap();
    let part = |part: &str| path.split('/').any(|found| found == part);
    part("tests") || part("examples") || part("benches") || part("checks") || name == "tests.rs" || name.ends_with("_tests.rs")
}

/// The code that ships: without comments and without items under `#[cfg(test)]`. Relies on rustfmt's indentation.
pub(crate) fn shipped(path: &str, text: &str) -> String {
    if is_test_file(path) {
        return String::new();
    }
    parted(text).0
}

/// Items under `#[cfg(test)]`, without comments.
pub(crate) fn tests_in(text: &str) -> String {
    parted(text).1
}

fn parted(text: &str) -> (String, String) {
    let (mut code, mut tests) = (String::new(), String::new());
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        for line in lines.by_ref() {
            tests.push_str(line);
            tests.push('\n');
            let depth = line.len() - line.trim_start().len();
            let attribute = line.trim_start().starts_with("#[");
            let whole = line.ends_with(';') || line.ends_with('}') || line.ends_with(',');
            if depth == indent && !attribute && whole {
                break;
            }
        }
    }
    (code, tests)
}

#[test]
fn code_and_tests_are_told_apart() {
    let text = "//! x\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(test)]\nmod more;\nfn c() {\n    // d\n}\n";
    assert_eq!(shipped("base/x/src/lib.rs", text), "fn a() {}\nfn c() {\n}\n");
    assert_eq!(tests_in(text), "mod tests {\n    fn b() {}\n}\nmod more;\n");
    assert_eq!(shipped("base/x/tests/all.rs", text), "");
}
