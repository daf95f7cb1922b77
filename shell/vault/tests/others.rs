//! Others' stores of secrets (T4): they keep the contract of every store, and what pretends to be one gets and gives nothing away.
//!
//! The contract runs against real servers where they are named: `STAYWARD_OPENBAO` (`ADDRESS,TOKEN_FILE`), `STAYWARD_AWS` (`ADDRESS`).
//! Impostors are played here, on a socket of this machine.
#![cfg(all(feature = "openbao", feature = "aws"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test says which store it asks")]

mod contract;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;

use vault::{
    AwsConfig, AwsLogin, AwsSecrets, OpenBao, OpenBaoConfig, OpenBaoLogin, SecretStore, VaultError, Wanted, fresh_token,
};

const NEEDLE: &str = "a-rather-long-needle";

fn openbao(address: &str, token: &Path, prefix: &str) -> Result<OpenBao, VaultError> {
    OpenBao::new(OpenBaoConfig {
        address: address.to_owned(),
        ca: None,
        mount: "secret".into(),
        prefix: prefix.to_owned(),
        namespace: String::new(),
        login: OpenBaoLogin::TokenFile(token.to_owned()),
    })
}

/// Credentials come from a file, so that the tests of one process do not share an environment.
fn aws(address: &str, prefix: &str) -> Result<AwsSecrets, VaultError> {
    AwsSecrets::new(AwsConfig {
        region: "eu-central-1".into(),
        endpoint: Some(address.to_owned()),
        sts_endpoint: None,
        ca: None,
        prefix: prefix.to_owned(),
        login: AwsLogin::Standard,
    })
}

/// Every store that is named, under a prefix of its own.
fn stores() -> Vec<Box<dyn SecretStore>> {
    let mut stores: Vec<Box<dyn SecretStore>> = Vec::new();
    let prefix = fresh_token().unwrap();
    if let Ok(named) = std::env::var("STAYWARD_OPENBAO") {
        let (address, token) = named.split_once(',').unwrap();
        stores.push(Box::new(openbao(address, Path::new(token), &prefix).unwrap()));
    }
    if let Ok(address) = std::env::var("STAYWARD_AWS") {
        stores.push(Box::new(aws(&address, &format!("{prefix}/")).unwrap()));
    }
    assert!(!stores.is_empty(), "neither STAYWARD_OPENBAO nor STAYWARD_AWS names a server");
    stores
}

#[test]
#[ignore = "needs a server"]
fn versions_and_stages() {
    for store in stores() {
        eprintln!("{}", store.place());
        contract::versions_and_stages(&*store);
    }
}

#[test]
#[ignore = "needs a server"]
fn rotation_outlives_kills() {
    for store in stores() {
        eprintln!("{}", store.place());
        contract::rotation_outlives_kills(&*store);
    }
}

#[test]
#[ignore = "needs a server"]
fn rotation_is_refused_in_the_middle() {
    for store in stores() {
        eprintln!("{}", store.place());
        contract::rotation_is_refused_in_the_middle(&*store);
    }
}

/// Answers every connection with the same bytes, over and over where `endless`; what it was sent arrives at the receiver.
fn impostor(answer: &'static str, endless: bool) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut got = vec![0; 64 * 1024];
            let read = stream.read(&mut got).unwrap_or(0);
            let _gone = sender.send(String::from_utf8_lossy(&got[..read]).into_owned());
            let _sent = stream.write_all(answer.as_bytes());
            while endless && stream.write_all(&[b' '; 65536]).is_ok() {}
        }
    });
    (address, receiver)
}

fn token_file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"s.token\n").unwrap();
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// What the store behind `answer` is told of and says: an error that names neither value nor token, and a way out.
fn check(answer: &'static str, endless: bool, says: &str) {
    let token = token_file();
    let (address, _told) = impostor(answer, endless);
    let store = openbao(&address, token.path(), "p").unwrap();
    for error in [
        store.get("db", Wanted::Current).unwrap_err(),
        store.create("db", &fresh_token().unwrap(), NEEDLE.as_bytes(), 0).unwrap_err(),
        store.versions("db").unwrap_err(),
        store.names().unwrap_err(),
    ] {
        let text = format!("{error} {error:?} {}", error.help());
        assert!(text.contains(says), "{text}");
        assert!(!text.contains(NEEDLE) && !text.contains("s.token"), "{text}");
        assert!(!error.help().is_empty());
    }
}

#[test]
fn an_endless_answer_is_cut_off() {
    check("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n", true, "answered more than 2097152 bytes");
}

#[test]
fn a_sealed_server_is_named() {
    check(
        "HTTP/1.1 503 x\r\ncontent-length: 31\r\nconnection: close\r\n\r\n{\"errors\":[\"Vault is sealed\"]}\n",
        false,
        "is sealed",
    );
}

#[test]
fn a_wrong_token_is_named_and_not_shown() {
    let answer = "HTTP/1.1 403 x\r\ncontent-length: 65\r\nconnection: close\r\n\r\n{\"errors\":[\"permission denied: s.token with a-rather-long-needle\"]}";
    check(answer, false, "does not allow");
}

#[test]
fn what_is_no_json_is_refused_and_not_shown() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 46\r\nconnection: close\r\n\r\n{\"data\":{\"data\":{\"value\":a-rather-long-needle}}}";
    check_read(answer, "none of its forms");
}

#[test]
fn a_redirect_is_not_followed() {
    let token = token_file();
    let (elsewhere, told) = impostor("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", false);
    let answer = format!("HTTP/1.1 307 x\r\nlocation: {elsewhere}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let (address, _) = impostor(Box::leak(answer.into_boxed_str()), false);
    let store = openbao(&address, token.path(), "p").unwrap();
    assert!(store.get("db", Wanted::Current).is_err());
    assert!(told.try_recv().is_err(), "the token went elsewhere");
}

fn check_read(answer: &'static str, says: &str) {
    let token = token_file();
    let (address, _told) = impostor(answer, false);
    let error = openbao(&address, token.path(), "p").unwrap().get("db", Wanted::Version("v1")).unwrap_err();
    let text = format!("{error} {error:?} {}", error.help());
    assert!(text.contains(says) && !text.contains(NEEDLE), "{text}");
}

#[test]
fn a_token_file_that_others_can_read_is_refused() {
    let token = token_file();
    let (address, told) = impostor("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", false);
    let store = openbao(&address, token.path(), "").unwrap();
    std::fs::set_permissions(token.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(store.get("db", Wanted::Current), Err(VaultError::OpenToOthers { .. })));
    assert!(told.try_recv().is_err());
}

#[test]
fn addresses_without_tls_or_with_more_than_a_host_are_refused() {
    let token = token_file();
    for address in ["http://vault.example.org:8200", "vault:8200", "https://u:p@vault", "https://vault/v1", "ftp://127.0.0.1", ""]
    {
        assert!(openbao(address, token.path(), "p").is_err(), "{address}");
        assert!(aws(address, "p").is_err(), "{address}");
    }
    // TLS needs an authority.
    assert!(openbao("https://vault.example.org", token.path(), "p").is_err());
    for prefix in ["../x", "a//b", "/a", "a?b", ".pending"] {
        assert!(openbao("http://127.0.0.1:1", token.path(), prefix).is_err(), "{prefix}");
    }
    assert!(aws("http://127.0.0.1:1", "a b").is_err());
}

#[test]
fn a_server_that_is_down_is_named() {
    let token = token_file();
    let error = openbao("http://127.0.0.1:1", token.path(), "p").unwrap().names().unwrap_err();
    assert!(error.to_string().contains("cannot be reached") && error.help().contains("up"), "{error}");
}
