//! Every crate keeps the workspace's lints and pins, and every folder with a manifest is known (T4, T7).

use crate::repository::{Crate, bytes, crates, folders, manifest, tracked, workspace};

/// Manifests outside the workspace, with the reason.
const OUTSIDE: &[(&str, &str)] =
    &[("checks/fuzz", "only `just fuzz` builds it"), ("checks/bench", "only `just bench` builds it")];
/// Crates that may lift the ban on unsafe code, with the reason. None.
const UNSAFE_ALLOWED: &[(&str, &str)] = &[];

fn lints_complaint(found: &Crate) -> Option<String> {
    let lints = found.manifest.get("lints").and_then(toml::Value::as_table);
    let inherited = lints.is_some_and(|lints| lints.len() == 1 && lints.get("workspace") == Some(&toml::Value::Boolean(true)));
    (!inherited && !UNSAFE_ALLOWED.iter().any(|(folder, _)| *folder == found.folder))
        .then(|| format!("{}/Cargo.toml: write `[lints] workspace = true` and no lint beside it", found.folder))
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    let complaints: Vec<String> = crates().iter().filter_map(lints_complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(
        workspace()["lints"]["rust"]["unsafe_code"].as_str(),
        Some("forbid"),
        "Cargo.toml: unsafe code is forbidden everywhere"
    );
    for (folder, _) in OUTSIDE {
        let unsafe_code = manifest(&format!("{folder}/Cargo.toml"))["lints"]["rust"]["unsafe_code"].clone();
        assert_eq!(unsafe_code.as_str(), Some("forbid"), "{folder}/Cargo.toml: forbid unsafe code");
    }
}

#[test]
fn missing_and_private_lints_are_seen() {
    let with = |manifest: &str| Crate { name: "x".into(), folder: "base/x".into(), manifest: manifest.parse().unwrap() };
    assert!(lints_complaint(&with("[lints]\nworkspace = true")).is_none());
    assert!(lints_complaint(&with("[package]\nname = 'x'")).is_some());
    assert!(lints_complaint(&with("[lints.rust]\nunsafe_code = 'allow'")).is_some());
}

#[test]
fn every_manifest_belongs_to_the_workspace_or_to_the_list_of_outsiders() {
    let known: Vec<String> = folders().into_values().collect();
    let found = tracked().into_iter().filter_map(|path| path.strip_suffix("/Cargo.toml").map(str::to_owned));
    let strangers: Vec<String> =
        found.filter(|folder| !known.contains(folder) && !OUTSIDE.iter().any(|(outside, _)| outside == folder)).collect();
    assert_eq!(strangers, Vec::<String>::new(), "add these folders to `members` in Cargo.toml");
    let excluded = workspace()["exclude"].as_array().unwrap().clone();
    let excluded: Vec<&str> = excluded.iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(
        excluded,
        OUTSIDE.iter().map(|(folder, _)| *folder).collect::<Vec<_>>(),
        "Cargo.toml: `exclude` must be the list in checks/tidy/src/manifests.rs"
    );
}

#[test]
fn dependencies_are_pinned_in_one_place() {
    let ours = folders();
    let mut complaints = Vec::new();
    for (name, spec) in workspace()["dependencies"].as_table().unwrap() {
        let version = spec.as_str().or_else(|| spec.get("version")?.as_str());
        match (ours.get(name), spec.get("path").and_then(toml::Value::as_str)) {
            (Some(folder), Some(path)) if folder == path => {}
            (None, None) if version.is_some_and(|version| version.starts_with('=')) => {}
            _ => complaints.push(format!("Cargo.toml: pin `{name}` exactly, `=x.y.z`, or give the path of our own crate")),
        }
    }
    for found in crates() {
        for (name, spec) in found.dependencies() {
            if spec.get("workspace") != Some(&toml::Value::Boolean(true)) {
                complaints.push(format!(
                    "{}/Cargo.toml: write `{name}.workspace = true`; versions stand only in the root",
                    found.folder
                ));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn outsiders_use_the_pins_and_the_profile_of_the_workspace() {
    let (root, pins) = (manifest("Cargo.toml"), workspace()["dependencies"].clone());
    let version = |spec: &toml::Value| spec.as_str().or_else(|| spec.get("version")?.as_str()).map(str::to_owned);
    for (folder, _) in OUTSIDE {
        let manifest = manifest(&format!("{folder}/Cargo.toml"));
        for (name, spec) in manifest["dependencies"].as_table().unwrap() {
            let pinned = pins
                .get(name)
                .unwrap_or_else(|| panic!("{folder}/Cargo.toml: `{name}` is not among the workspace's dependencies"));
            assert_eq!(version(spec), version(pinned), "{folder}/Cargo.toml: `{name}` differs from the workspace's pin");
        }
        // What the workspace built serves them too, and they judge what it tests.
        for (profile, settings) in manifest["profile"].as_table().unwrap() {
            assert_eq!(settings, &root["profile"][profile], "{folder}/Cargo.toml: copy `profile.{profile}` from Cargo.toml");
        }
    }
}

#[test]
fn pure_folders_have_one_clippy_toml() {
    let first = bytes("base/clippy.toml");
    for folder in ["engines", "steps", "attacks"] {
        let path = format!("{folder}/clippy.toml");
        assert!(
            bytes(&path) == first,
            "{path} differs from base/clippy.toml: what is impure is the same in all pure folders, copy it"
        );
    }
    let deeper: Vec<String> = tracked()
        .into_iter()
        .filter(|path| path.ends_with("/clippy.toml") || path.ends_with("/.clippy.toml"))
        .filter(|path| path.matches('/').count() > 1)
        .collect();
    assert_eq!(deeper, Vec::<String>::new(), "the nearest clippy.toml wins and files do not merge: remove these");
}
