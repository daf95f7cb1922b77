//! The vault under attack (T4): swapped, edited, old and readable files are refused; its ordinary use passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vault::{SEALING_KEY_NAME, SECRET_BYTES_MAX, Stage, Vault, VaultError};

const NOON: i64 = 1_800_000_000;

fn fresh() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::create(&dir.path().join("v")).unwrap();
    (dir, vault)
}

fn folder(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("v")
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_secret_survives_reopening_and_rotation() {
    let (dir, vault) = fresh();
    vault.put("feed-token", b"one", NOON).unwrap();
    vault.rotate("feed-token", b"two", NOON + 60).unwrap();
    drop(vault);
    let vault = Vault::open(&folder(&dir)).unwrap();
    assert_eq!(vault.get("feed-token").unwrap().as_slice(), b"two");
    assert_eq!(vault.get_previous("feed-token").unwrap().as_slice(), b"one");
    let made: Vec<i64> = vault.versions("feed-token").unwrap().iter().map(|version| version.created_at).collect();
    assert_eq!(made, [NOON, NOON + 60]);
    assert_eq!(vault.names().unwrap(), ["feed-token"]);
    assert!(matches!(vault.put("feed-token", b"x", NOON), Err(VaultError::SecretExists(_))));
    assert!(matches!(vault.rotate("other", b"x", NOON), Err(VaultError::NoSecret(_))));
    assert!(matches!(Vault::create(&folder(&dir)), Err(VaultError::Exists(_))));
}

#[test]
fn what_is_made_at_first_use_is_made_once() {
    let (dir, vault) = fresh();
    let make = || vault::random_bytes(32);
    let first = vault.get_or_put("hash-key", make, NOON).unwrap();
    assert_eq!(first.len(), 32);
    assert_eq!(vault.get_or_put("hash-key", make, NOON + 60).unwrap(), first);
    assert_eq!(vault.versions("hash-key").unwrap().len(), 1);
    // Another process is quicker, between the look and the put.
    let other = Vault::open(&folder(&dir)).unwrap();
    let late = || other.put("late", b"theirs", NOON).and_then(|_| vault::random_bytes(32));
    assert_eq!(vault.get_or_put("late", late, NOON).unwrap().as_slice(), b"theirs");
    // What cannot be made, or not read, is not replaced.
    assert!(matches!(vault.get_or_put("none", || vault::random_bytes(100_000), NOON), Err(VaultError::Limit { .. })));
    assert!(matches!(vault.get("none"), Err(VaultError::NoSecret(_))));
    fs::write(folder(&dir).join("secrets/hash-key.1.sealed"), b"x").unwrap();
    assert!(matches!(vault.get_or_put("hash-key", make, NOON), Err(VaultError::Tampered(_))));
}

#[test]
fn sealing_changes_nothing_once_it_is_prepared() {
    let (_dir, vault) = fresh();
    vault.prepare_sealing(NOON).unwrap();
    let state = vault.state().unwrap();
    vault.prepare_sealing(NOON + 1).unwrap();
    vault.seal_bytes("context", b"plain", NOON + 2).unwrap();
    assert_eq!(vault.state().unwrap(), state);
}

#[test]
fn nothing_on_disk_contains_the_value() {
    let (dir, vault) = fresh();
    vault.put("a", b"a-rather-long-needle", NOON).unwrap();
    for file in ["vault.json", "index", "kek", "secrets/a.1.sealed"] {
        let bytes = fs::read(folder(&dir).join(file)).unwrap();
        assert!(!bytes.windows(20).any(|window| window == b"a-rather-long-needle"), "{file}");
        let mode = fs::metadata(folder(&dir).join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[test]
fn only_retired_versions_can_be_erased() {
    let (dir, vault) = fresh();
    vault.put("a", b"1", NOON).unwrap();
    vault.rotate("a", b"2", NOON).unwrap();
    assert!(matches!(vault.erase("a", 1), Err(VaultError::VersionInUse { .. })));
    assert!(matches!(vault.erase("a", 2), Err(VaultError::VersionInUse { .. })));
    vault.rotate("a", b"3", NOON).unwrap();
    assert_eq!(vault.get_version("a", 1).unwrap().as_slice(), b"1");
    vault.erase("a", 1).unwrap();
    assert!(!folder(&dir).join("secrets/a.1.sealed").exists());
    assert!(matches!(vault.get_version("a", 1), Err(VaultError::NoVersion { .. })));
    let stages: Vec<_> = vault.versions("a").unwrap().iter().map(|record| record.stage).collect();
    assert_eq!(stages, [Stage::Erased, Stage::Previous, Stage::Current]);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (dir, vault) = fresh();
    drop(vault);
    let kek = folder(&dir).join("kek");
    for mode in [0o640, 0o604, 0o620, 0o602] {
        fs::set_permissions(&kek, fs::Permissions::from_mode(mode)).unwrap();
        let refusal = Vault::open(&folder(&dir)).unwrap_err();
        assert!(matches!(refusal, VaultError::OpenToOthers { .. }), "{mode:o}");
        assert!(refusal.help().contains("chmod go-rwx"));
    }
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
    Vault::open(&folder(&dir)).unwrap();
    fs::set_permissions(folder(&dir), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Vault::open(&folder(&dir)), Err(VaultError::OpenToOthers { .. })));
}

#[test]
fn a_linked_key_is_refused() {
    let (dir, vault) = fresh();
    drop(vault);
    let kek = folder(&dir).join("kek");
    fs::rename(&kek, dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), &kek).unwrap();
    assert!(matches!(Vault::open(&folder(&dir)), Err(VaultError::Tampered(_))));
}

#[test]
fn the_key_of_another_vault_does_not_open() {
    let (dir, vault) = fresh();
    let (other, _) = fresh();
    drop(vault);
    fs::copy(folder(&other).join("kek"), folder(&dir).join("kek")).unwrap();
    assert!(matches!(Vault::open(&folder(&dir)), Err(VaultError::WrongKey)));
}

#[test]
fn swapped_files_are_refused() {
    let (dir, vault) = fresh();
    vault.put("a", b"mine", NOON).unwrap();
    vault.put("b", b"theirs", NOON).unwrap();
    let (a, b) = (folder(&dir).join("secrets/a.1.sealed"), folder(&dir).join("secrets/b.1.sealed"));
    fs::copy(&b, &a).unwrap();
    assert!(matches!(vault.get("a"), Err(VaultError::Tampered(_))));
    assert_eq!(vault.get("b").unwrap().as_slice(), b"theirs");
}

#[test]
fn an_edited_index_or_header_is_refused() {
    let (dir, vault) = fresh();
    vault.put("a", b"1", NOON).unwrap();
    let index = folder(&dir).join("index");
    let whole = fs::read_to_string(&index).unwrap();
    fs::write(&index, whole.replace("CURRENT", "RETIRED")).unwrap();
    assert!(matches!(vault.get("a"), Err(VaultError::Tampered(_))));
    fs::write(&index, whole).unwrap();
    assert_eq!(vault.get("a").unwrap().as_slice(), b"1");
    let header = folder(&dir).join("vault.json");
    let text = fs::read_to_string(&header).unwrap();
    fs::write(&header, text.replace(vault.id(), &"0".repeat(32))).unwrap();
    assert!(matches!(Vault::open(&folder(&dir)), Err(VaultError::Tampered(_))));
}

#[test]
fn an_old_copy_of_the_folder_is_seen_by_the_process_and_by_the_ledger() {
    let (dir, vault) = fresh();
    vault.put("a", b"leaked", NOON).unwrap();
    let before = vault.state().unwrap();
    let backup = dir.path().join("backup");
    copy_tree(&folder(&dir), &backup);
    let after = vault.rotate("a", b"fresh", NOON).unwrap();
    assert_eq!((before.counter, after.counter), (1, 2));
    vault.expect_at_least(&before).unwrap();
    vault.expect_at_least(&after).unwrap();
    copy_tree(&backup, &folder(&dir));
    assert!(matches!(vault.get("a"), Err(VaultError::RolledBack { seen: 1, expected: 2 })));
    let reopened = Vault::open(&folder(&dir)).unwrap();
    assert!(matches!(reopened.expect_at_least(&after), Err(VaultError::RolledBack { .. })));
    let fork = reopened.rotate("a", b"another", NOON).unwrap();
    assert_ne!(fork.digest, after.digest);
    assert!(matches!(reopened.expect_at_least(&after), Err(VaultError::Forked(2))));
    // Changes do not wash the old copy clean, however many there are.
    for _ in 0..3 {
        reopened.rotate("a", b"another", NOON).unwrap();
        assert!(matches!(reopened.expect_at_least(&after), Err(VaultError::Forked(2))));
    }
    reopened.expect_at_least(&fork).unwrap();
}

#[test]
fn a_passphrase_opens_and_a_wrong_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = folder(&dir);
    assert!(matches!(Vault::create_with_passphrase(&path, "short"), Err(VaultError::PassphraseLength(5))));
    let vault = Vault::create_with_passphrase(&path, "five quite random words here").unwrap();
    vault.put("a", b"1", NOON).unwrap();
    assert!(!path.join("kek").exists());
    assert!(matches!(Vault::open(&path), Err(VaultError::OtherKeyKind("passphrase"))));
    assert!(matches!(Vault::open_with_passphrase(&path, "five quite random words then"), Err(VaultError::WrongKey)));
    let vault = Vault::open_with_passphrase(&path, "five quite random words here").unwrap();
    assert_eq!(vault.get("a").unwrap().as_slice(), b"1");
}

#[test]
fn the_outer_key_can_be_renewed() {
    let (dir, vault) = fresh();
    let path = folder(&dir);
    vault.put("a", b"1", NOON).unwrap();
    let old_kek = fs::read(path.join("kek")).unwrap();
    vault.renew_key().unwrap();
    let new_kek = fs::read(path.join("kek")).unwrap();
    assert_ne!(old_kek, new_kek);
    assert_eq!(Vault::open(&path).unwrap().get("a").unwrap().as_slice(), b"1");
    // As after a crash between header and rename.
    fs::rename(path.join("kek"), path.join("kek-next")).unwrap();
    fs::write(path.join("kek"), &old_kek).unwrap();
    fs::set_permissions(path.join("kek"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Vault::open(&path).unwrap().get("a").unwrap().as_slice(), b"1");
    assert_eq!(fs::read(path.join("kek")).unwrap(), new_kek);
    fs::write(path.join("kek"), &old_kek).unwrap();
    assert!(matches!(Vault::open(&path), Err(VaultError::WrongKey)));
    vault.renew_passphrase("five quite random words here").unwrap();
    assert!(!path.join("kek").exists());
    Vault::open_with_passphrase(&path, "five quite random words here").unwrap();
}

#[test]
fn sealed_bytes_open_only_in_their_context_and_outlive_a_rotation() {
    let (_dir, vault) = fresh();
    let sealed = vault.seal_bytes("totp|alice", b"seed", NOON).unwrap();
    assert_eq!(vault.open_bytes("totp|alice", &sealed).unwrap().as_slice(), b"seed");
    assert!(matches!(vault.open_bytes("totp|bob", &sealed), Err(VaultError::Tampered(_))));
    assert!(matches!(vault.open_bytes("totp|alice", b"\0\0\0\x09junk"), Err(VaultError::Tampered(_))));
    vault.rotate(SEALING_KEY_NAME, &[3; 32], NOON).unwrap();
    assert_eq!(vault.open_bytes("totp|alice", &sealed).unwrap().as_slice(), b"seed");
    assert_ne!(vault.seal_bytes("totp|alice", b"seed", NOON).unwrap()[..4], sealed[..4]);
}

#[test]
fn names_and_sizes_have_limits() {
    let (_dir, vault) = fresh();
    for name in ["", "..", "a/b", "A", "a.b", "-a", "a-", "\u{e9}", "a\nb", &"a".repeat(65)] {
        assert!(matches!(vault.put(name, b"", NOON), Err(VaultError::Name(_))), "{name:?}");
    }
    for name in ["a", "feed-token_2", &"a".repeat(64)] {
        vault.put(name, b"", NOON).unwrap();
    }
    assert!(matches!(vault.put("big", &vec![0; SECRET_BYTES_MAX + 1], NOON), Err(VaultError::Limit { .. })));
    vault.put("big", &vec![0; SECRET_BYTES_MAX], NOON).unwrap();
    assert_eq!(vault.get("big").unwrap().len(), SECRET_BYTES_MAX);
}

#[test]
fn writers_in_several_threads_lose_nothing() {
    let (dir, vault) = fresh();
    vault.put("shared", b"0", NOON).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let path = folder(&dir);
            scope.spawn(move || {
                let own = Vault::open(&path).unwrap();
                for _ in 0..5 {
                    own.rotate("shared", &[writer], NOON).unwrap();
                }
            });
        }
    });
    assert_eq!(vault.versions("shared").unwrap().len(), 21);
    assert_eq!(vault.state().unwrap().counter, 21);
}
