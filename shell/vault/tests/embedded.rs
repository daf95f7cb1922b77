//! The embedded vault keeps the contract of every store (T4), and its own stages survive a reopening.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;

use vault::{SecretStore, Stage, Vault, VaultError, Wanted, fresh_token};

fn fresh() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::create(&dir.path().join("v")).unwrap();
    (dir, vault)
}

#[test]
fn versions_and_stages() {
    contract::versions_and_stages(&fresh().1);
}

#[test]
fn rotation_outlives_kills() {
    contract::rotation_outlives_kills(&fresh().1);
}

#[test]
fn rotation_is_refused_in_the_middle() {
    contract::rotation_is_refused_in_the_middle(&fresh().1);
}

#[test]
fn what_is_pending_survives_reopening_and_an_older_way_of_rotation() {
    let (dir, vault) = fresh();
    vault.put("db", b"one", 1).unwrap();
    let token = fresh_token().unwrap();
    vault.put_pending("db", &token, b"three", 2).unwrap();
    assert!(matches!(vault.erase("db", 2), Err(VaultError::VersionInUse { .. })));
    vault.rotate("db", b"two", 3).unwrap();
    let vault = Vault::open(&dir.path().join("v")).unwrap();
    let stages: Vec<Stage> = vault.versions("db").unwrap().iter().map(|version| version.stage).collect();
    assert_eq!(stages, [Stage::Previous, Stage::Pending, Stage::Current]);
    assert_eq!(vault.get("db").unwrap().as_slice(), b"two");
    vault.promote("db", &token).unwrap();
    assert_eq!(vault.get("db").unwrap().as_slice(), b"three");
    assert!(SecretStore::get(&vault, "db", Wanted::Version("3")).unwrap().is(b"two"));
}

#[test]
fn a_dropped_version_is_gone_from_the_disk() {
    let (dir, vault) = fresh();
    vault.put("db", b"one", 1).unwrap();
    vault.put_pending("db", &fresh_token().unwrap(), b"two", 2).unwrap();
    let sealed = dir.path().join("v/secrets/db.2.sealed");
    assert!(sealed.exists());
    vault.discard_pending("db").unwrap();
    assert!(!sealed.exists());
    let before = vault.state().unwrap();
    vault.discard_pending("db").unwrap();
    assert_eq!(vault.state().unwrap(), before);
}
