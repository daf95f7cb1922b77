//! One changed byte anywhere is named, with exit code 5, and a changed model is not served.

use std::path::{Path, PathBuf};

use crate::world::{World, text};

/// Every file below a folder, by name.
fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

fn first(folder: &Path, wanted: &str) -> PathBuf {
    let mut all = Vec::new();
    files(folder, &mut all);
    let found = all.into_iter().find(|path| path.to_string_lossy().contains(wanted));
    found.unwrap_or_else(|| panic!("no file with `{wanted}` below {}", folder.display()))
}

/// Flips one bit in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let mut open = std::fs::metadata(path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut open, 0o600);
    std::fs::set_permissions(path, open).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn every_changed_byte_is_named() {
    let world = World::new();
    let run = world.stayward(&["run"]);
    assert!(run.status.success(), "{}", text(&run));
    let sound = world.stayward(&["evidence", "verify", "--replay"]);
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound));
    let labels = first_labels(&world.project());
    let wanted = [
        ("a delivery", first_object(&world.project(), b"customer_id,cutoff")),
        ("a label set", labels),
        ("a table's data", first(&world.project().join("source"), ".parquet")),
        ("a table's log", first(&world.project().join("source"), "_delta_log")),
        ("the booster", first(&world.project().join("models"), "booster.json")),
        ("the forest", first(&world.project().join("models"), "forest.safetensors")),
        ("a tile of the log", first(&world.project().join("evidence/log/tile/0"), "")),
        ("an entry of the log", first(&world.project().join("evidence/log/tile/entries"), "")),
        ("a bundle", first(&world.project().join("evidence/log/bundles"), "")),
        ("the checkpoint", world.project().join("evidence/log/checkpoint")),
    ];
    for (at, (what, file)) in wanted.into_iter().enumerate() {
        let copy = world.copy_to(&format!("damaged-{at}"));
        flip(&copy.join(file.strip_prefix(world.project()).unwrap()));
        let project = copy.display().to_string();
        let verified = world.stayward(&["evidence", "verify", "--project", &project]);
        assert_eq!(verified.status.code(), Some(5), "{what} was changed: {}", text(&verified));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let said = text(&verified);
        // Where the file as such is not what the log speaks of, its part of the log or its table is.
        let named = match what {
            "a table's data" | "a table's log" => said.contains("source/customers"),
            "a tile of the log" | "an entry of the log" => said.contains("tile/"),
            "a bundle" => said.contains("bundles/"),
            _ => said.contains(&name),
        };
        assert!(named, "{what} ({name}) is not named: {said}");
        if what == "the booster" || what == "the forest" {
            let served = world.stayward(&["serve", "--port", "0", "--project", &project]);
            assert_eq!(served.status.code(), Some(5), "a changed model is served: {}", text(&served));
        }
    }
}

fn first_object(project: &Path, begins: &[u8]) -> PathBuf {
    let mut all = Vec::new();
    files(&project.join("objects"), &mut all);
    all.into_iter().find(|path| std::fs::read(path).unwrap().starts_with(begins)).expect("an object that begins so")
}

fn first_labels(project: &Path) -> PathBuf {
    first_object(project, b"customer,moment,churned")
}
