//! The authority is made once, the certificate below it is renewed in time, keys are the owner's alone.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn own(folder: &Path, host: Option<&str>) -> Identification {
    Identification::Own { folder: folder.to_owned(), host: host.map(str::to_owned) }
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join("tls").join(name)).unwrap()
}

#[test]
fn keys_are_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    Keeper::open(own(folder.path(), None), SystemTime::now()).unwrap();
    for name in ["ca.key", "server.key"] {
        assert_eq!(std::fs::metadata(folder.path().join("tls").join(name)).unwrap().mode() & 0o777, 0o600);
    }
    let key = folder.path().join("tls/ca.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Keeper::open(own(folder.path(), None), SystemTime::now()), Err(ServerError::Exposed { .. })));
}

#[test]
fn a_second_start_keeps_authority_and_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    Keeper::open(own(folder.path(), Some("churn.example.org")), now).unwrap();
    let before = (bytes(folder.path(), "ca.pem"), bytes(folder.path(), "server.pem"));
    Keeper::open(own(folder.path(), Some("churn.example.org")), now + DAY * 59).unwrap();
    assert_eq!(before, (bytes(folder.path(), "ca.pem"), bytes(folder.path(), "server.pem")));
}

#[test]
fn near_its_end_the_certificate_is_renewed_in_the_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let keeper = Keeper::open(own(folder.path(), None), now).unwrap();
    let before = (bytes(folder.path(), "ca.pem"), bytes(folder.path(), "server.pem"));
    let shown = keeper.shown.read().unwrap().cert.clone();
    keeper.refresh(now + DAY * 61).unwrap();
    assert_eq!(before.0, bytes(folder.path(), "ca.pem"));
    assert_ne!(before.1, bytes(folder.path(), "server.pem"));
    assert_ne!(shown, keeper.shown.read().unwrap().cert);
}

#[test]
fn a_name_that_the_authority_was_not_made_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    Keeper::open(own(folder.path(), None), now).unwrap();
    assert!(matches!(Keeper::open(own(folder.path(), Some("bank.example.org")), now), Err(ServerError::Authority { .. })));
}

#[test]
fn after_its_time_the_authority_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    Keeper::open(own(folder.path(), None), now).unwrap();
    assert!(matches!(Keeper::open(own(folder.path(), None), now + DAY * 3660), Err(ServerError::Authority { .. })));
}

#[test]
fn a_host_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for host in ["", "a b", "a/b", "../..", "*.example.org", "exa\u{6d}ple\n.org"] {
        let opened = Keeper::open(own(folder.path(), Some(host)), SystemTime::now());
        assert!(matches!(opened, Err(ServerError::Host { .. })), "{host:?}");
    }
}

#[test]
fn a_given_pair_is_taken_and_a_mixed_one_is_not() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &two] {
        Keeper::open(own(folder.path(), None), SystemTime::now()).unwrap();
    }
    let given = |certificate: &Path, key: &Path| Identification::Given {
        certificate: certificate.join("tls/server.pem"),
        key: key.join("tls/server.key"),
    };
    Keeper::open(given(one.path(), one.path()), SystemTime::now()).unwrap();
    let mixed = Keeper::open(given(one.path(), two.path()), SystemTime::now());
    assert!(matches!(mixed, Err(ServerError::Certificate { .. })));
}
