//! Signatures of ssh-keygen, their namespaces, and the lines that say which keys count (T1).

use super::{MESSAGE, NOW, every_beginning_is_refused, every_change_is_refused, fixture, verify};
use crate::ssh::SshSigner;
use crate::{Refusal, SIGNATURE_BYTES_MAX, Scheme, Signed};

const ED25519: &[u8] = fixture!("ssh-ed25519.pub");
const ECDSA: &[u8] = fixture!("ssh-ecdsa.pub");
const BY_ED25519: &[u8] = fixture!("ssh-ed25519.sig");
const BY_ECDSA: &[u8] = fixture!("ssh-ecdsa.sig");

fn check(key: &[u8], signature: &[u8]) -> Result<Signed, Refusal> {
    verify(Scheme::Ssh, key, signature, MESSAGE, NOW)
}

fn line(before: &str) -> Vec<u8> {
    [before.as_bytes(), b" ", ED25519].concat()
}

#[test]
fn what_ssh_keygen_signed_is_accepted() {
    for (key, signature) in [(ED25519, BY_ED25519), (ECDSA, BY_ECDSA)] {
        let signed = check(key, signature).unwrap();
        assert_eq!((signed.digest, signed.comment.as_deref()), ("sha512", Some("stayward-feed")));
        assert!(signed.key.starts_with("SHA256:"));
    }
    let other_hash = check(ED25519, fixture!("ssh-file-sha256.sig")).unwrap();
    assert_eq!((other_hash.digest, other_hash.comment.as_deref()), ("sha256", Some("file")));
}

#[test]
fn every_changed_byte_is_refused() {
    for (key, signature) in [(ED25519, BY_ED25519), (ECDSA, BY_ECDSA)] {
        every_change_is_refused(signature, 0..0, |changed| check(key, changed).is_ok());
        every_beginning_is_refused(signature, |cut| check(key, cut).is_ok());
        every_change_is_refused(MESSAGE, 0..0, |changed| verify(Scheme::Ssh, key, signature, changed, NOW).is_ok());
    }
}

#[test]
fn another_namespace_is_refused() {
    assert_eq!(check(ED25519, fixture!("ssh-git.sig")), Err(Refusal::Namespace { seen: "git".into() }));
    assert!(check(&line("acme namespaces=\"stayward-feed\""), BY_ED25519).is_ok());
    let refused = check(&line("acme namespaces=\"file,git\""), BY_ED25519);
    assert_eq!(refused, Err(Refusal::Namespace { seen: "stayward-feed".into() }));
}

#[test]
fn a_line_keeps_its_time() {
    let with = |options: &str| check(&line(&format!("acme {options}")), BY_ED25519);
    assert!(with("valid-after=\"20260101Z\",valid-before=\"20270101Z\"").is_ok());
    assert!(matches!(with("valid-before=\"20261123Z\""), Err(Refusal::KeyExpired { .. })));
    assert!(matches!(with("valid-after=\"20270101Z\""), Err(Refusal::KeyNotYetValid { .. })));
}

#[test]
fn the_key_that_travels_with_a_signature_is_not_believed() {
    assert!(matches!(check(ECDSA, BY_ED25519), Err(Refusal::UnknownKey { .. })));
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILTkMPkOhccXA51+h93u3p1N0OA9xCnW82Rndgev6itL";
    assert!(matches!(check(other.as_bytes(), BY_ED25519), Err(Refusal::UnknownKey { .. })));
    assert!(matches!(verify(Scheme::Ssh, ED25519, BY_ED25519, b"other", NOW), Err(Refusal::WrongSignature { .. })));
}

#[test]
fn each_other_fault_has_its_reason() {
    let refused = |signature: &[u8]| check(ED25519, signature).unwrap_err();
    assert!(matches!(refused(fixture!("ssh-rsa.sig")), Refusal::Unsupported { .. }));
    let rsa = SshSigner::parse(std::str::from_utf8(fixture!("ssh-rsa.pub")).unwrap());
    assert!(matches!(rsa, Err(Refusal::Unsupported { .. })));
    assert!(matches!(refused(&vec![b'a'; SIGNATURE_BYTES_MAX + 1]), Refusal::Oversized { .. }));
    assert!(matches!(refused(&BY_ED25519[..100]), Refusal::Truncated { .. }));
    assert!(matches!(refused(b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"), Refusal::Truncated { .. }));
    assert!(matches!(refused(b"no signature"), Refusal::Form { .. }));
    assert!(matches!(refused(&[BY_ED25519, b"x"].concat()), Refusal::Truncated { .. }));
}
