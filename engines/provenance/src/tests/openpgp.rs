//! What GnuPG signed, the vectors of RFC 9580, and every way in which GnuPG's keys and signatures can be refused (T1).

use super::{MESSAGE, NOW, every_beginning_is_refused, every_change_is_refused, fixture, verify};
use crate::openpgp::{OpenpgpCertificate, OpenpgpSignature};
use crate::{KEY_BYTES_MAX, Refusal, SIGNATURE_BYTES_MAX, Scheme, Signed};

const ED25519: &[u8] = fixture!("openpgp-ed25519.pub");
const BY_ED25519: &[u8] = fixture!("openpgp-ed25519.asc");
const BINARY: &[u8] = fixture!("openpgp-ed25519.sig");
const RSA: &[u8] = fixture!("openpgp-rsa2048.pub");
const BY_RSA: &[u8] = fixture!("openpgp-rsa2048.asc");
const P256: &[u8] = fixture!("openpgp-nistp256.pub");
const BY_P256: &[u8] = fixture!("openpgp-nistp256.asc");
const ONE_YEAR: &[u8] = fixture!("openpgp-one-year.pub");
const BY_ONE_YEAR: &[u8] = fixture!("openpgp-one-year.asc");
const SUBKEY: &[u8] = fixture!("openpgp-subkey.pub");
const BY_SUBKEY: &[u8] = fixture!("openpgp-subkey.asc");
/// 2026-01-01 and 2026-02-01, of fixtures/make.sh; faked times are those of the machine, which kept UTC.
const MADE: i64 = 1_767_225_600;
const SIGNED: i64 = 1_769_904_000;
const DAY: i64 = 86_400;

fn check(key: &[u8], signature: &[u8]) -> Result<Signed, Refusal> {
    verify(Scheme::Openpgp, key, signature, MESSAGE, NOW)
}

fn at(key: &[u8], signature: &[u8], now: i64) -> Result<Signed, Refusal> {
    verify(Scheme::Openpgp, key, signature, MESSAGE, now)
}

#[test]
fn what_gnupg_signed_is_accepted() {
    for (key, signature) in [(ED25519, BY_ED25519), (ED25519, BINARY), (RSA, BY_RSA), (P256, BY_P256), (SUBKEY, BY_SUBKEY)] {
        let signed = check(key, signature).unwrap();
        assert_eq!(signed.created, Some(SIGNED));
        assert_eq!((signed.key.len(), signed.comment), (40, None));
    }
}

#[test]
fn every_changed_byte_is_refused() {
    for (key, signature) in [(ED25519, BY_ED25519), (ED25519, BINARY), (RSA, BY_RSA), (P256, BY_P256)] {
        every_change_is_refused(signature, 0..0, |changed| check(key, changed).is_ok());
        every_beginning_is_refused(signature, |cut| check(key, cut).is_ok());
    }
    every_change_is_refused(MESSAGE, 0..0, |changed| verify(Scheme::Openpgp, RSA, BY_RSA, changed, NOW).is_ok());
}

#[test]
fn another_key_is_unknown() {
    assert!(matches!(check(RSA, BY_ED25519), Err(Refusal::UnknownKey { .. })));
    assert!(matches!(verify(Scheme::Openpgp, RSA, BY_RSA, b"other", NOW), Err(Refusal::WrongSignature { .. })));
}

#[test]
fn a_key_expires_unless_it_was_prolonged() {
    assert!(at(ONE_YEAR, BY_ONE_YEAR, MADE + 364 * DAY).is_ok());
    assert!(matches!(at(ONE_YEAR, BY_ONE_YEAR, MADE + 365 * DAY), Err(Refusal::KeyExpired { .. })));
    let prolonged = fixture!("openpgp-one-year-prolonged.pub");
    assert!(at(prolonged, BY_ONE_YEAR, MADE + 366 * DAY).is_ok());
    assert!(matches!(at(prolonged, BY_ONE_YEAR, MADE + 2200 * DAY), Err(Refusal::KeyExpired { .. })));
    // The prolongation itself is of June.
    assert!(matches!(at(prolonged, BY_ONE_YEAR, SIGNED), Err(Refusal::KeyNotYetValid { .. })));
}

#[test]
fn a_signing_subkey_counts_until_it_expires_or_is_revoked() {
    assert!(at(SUBKEY, BY_SUBKEY, MADE + 729 * DAY).is_ok());
    assert!(matches!(at(SUBKEY, BY_SUBKEY, MADE + 731 * DAY), Err(Refusal::KeyExpired { .. })));
    assert!(matches!(check(fixture!("openpgp-subkey-revoked.pub"), BY_SUBKEY), Err(Refusal::KeyRevoked { .. })));
}

#[test]
fn a_revoked_key_counts_no_more_not_even_for_what_it_signed_before() {
    assert!(matches!(check(fixture!("openpgp-revoked.pub"), fixture!("openpgp-revoked.asc")), Err(Refusal::KeyRevoked { .. })));
}

#[test]
fn a_signature_has_its_time() {
    let ten_days = fixture!("openpgp-ten-days.asc");
    assert!(at(ED25519, ten_days, SIGNED + 9 * DAY).is_ok());
    assert!(matches!(at(ED25519, ten_days, SIGNED + 10 * DAY), Err(Refusal::SignatureExpired { .. })));
    assert!(matches!(at(ED25519, BY_ED25519, SIGNED - DAY), Err(Refusal::SignatureTime { .. })));
    assert!(at(ED25519, BY_ED25519, SIGNED - 60).is_ok(), "clocks differ a little");
}

#[test]
fn weak_and_ambiguous_signatures_are_not_supported() {
    for weak in [fixture!("openpgp-sha1.asc"), fixture!("openpgp-text.asc")] {
        assert!(matches!(check(ED25519, weak), Err(Refusal::Unsupported { .. })));
    }
    assert!(matches!(check(ED25519, fixture!("openpgp-two.asc")), Err(Refusal::Form { .. })));
    assert!(matches!(check(ED25519, fixture!("openpgp-clear.asc")), Err(Refusal::Form { .. })));
    let weak = OpenpgpCertificate::parse(fixture!("openpgp-rsa1024.pub"));
    assert_eq!(weak, Err(Refusal::Unsupported { what: "the OpenPGP certificate", seen: "RSA with 1024 bits".into() }));
}

#[test]
fn each_other_fault_has_its_reason() {
    let refused = |signature: &[u8]| OpenpgpSignature::parse(signature).unwrap_err();
    assert!(matches!(refused(&vec![0x88; SIGNATURE_BYTES_MAX + 1]), Refusal::Oversized { .. }));
    assert!(matches!(refused(&BINARY[..50]), Refusal::Truncated { .. }));
    assert!(matches!(refused(&BY_ED25519[..150]), Refusal::Truncated { .. }));
    assert!(matches!(refused(b""), Refusal::Form { .. }));
    assert!(matches!(refused(&[BINARY, BINARY].concat()), Refusal::Form { .. }));
    assert!(matches!(refused(ED25519), Refusal::Form { .. }));
    let of_key = |key: &[u8]| OpenpgpCertificate::parse(key).unwrap_err();
    assert!(matches!(of_key(&vec![0x98; KEY_BYTES_MAX + 1]), Refusal::Oversized { .. }));
    assert!(matches!(of_key(BY_ED25519), Refusal::Form { .. }));
    assert!(matches!(
        of_key(b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n"),
        Refusal::Form { .. }
    ));
    let damaged = String::from_utf8(BY_ED25519.to_vec()).unwrap().replace("\n=", "\n=AAAA\n=");
    assert!(matches!(refused(damaged.as_bytes()), Refusal::Form { .. }));
    let without_sum: String = String::from_utf8(BY_ED25519.to_vec())
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('='))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(check(ED25519, without_sum.as_bytes()).is_ok(), "the checksum may be missing");
    let with_comment = String::from_utf8(BY_ED25519.to_vec()).unwrap().replacen("-----\n\n", "-----\nComment: x\n\n", 1);
    assert!(check(ED25519, with_comment.as_bytes()).is_ok());
}

#[test]
fn the_certificate_of_version_6_of_the_rfc_is_read() {
    let certificate = OpenpgpCertificate::parse(fixture!("rfc9580-a3.pub")).unwrap();
    assert_eq!(certificate.fingerprint(), "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9");
}
