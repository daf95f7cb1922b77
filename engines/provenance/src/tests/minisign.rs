//! minisign's own signatures, and everything that could be changed in them (T1).

use super::{MESSAGE, NOW, every_beginning_is_refused, every_change_is_refused, fixture, verify};
use crate::minisign::{COMMENT_BYTES_MAX, MinisignKey};
use crate::{Refusal, SIGNATURE_BYTES_MAX, Scheme, Signed};

const KEY: &[u8] = fixture!("minisign.pub");
const SIGNATURE: &[u8] = fixture!("message.minisig");
const LEGACY: &[u8] = fixture!("legacy.minisig");

fn check(signature: &[u8], message: &[u8]) -> Result<Signed, Refusal> {
    verify(Scheme::Minisign, KEY, signature, message, NOW)
}

/// The untrusted comment, without its prefix: what nobody signed.
fn comment(signature: &[u8]) -> std::ops::Range<usize> {
    "untrusted comment: ".len()..signature.iter().position(|byte| *byte == b'\n').unwrap()
}

#[test]
fn both_kinds_of_minisign_are_accepted() {
    let signed = check(SIGNATURE, MESSAGE).unwrap();
    assert_eq!((signed.digest, signed.comment.as_deref()), ("blake2b-512", Some("timestamp:1795446000 file:message")));
    assert!(String::from_utf8_lossy(KEY).contains(&signed.key), "{} is the key ID in the comment of the key", signed.key);
    let legacy = check(LEGACY, MESSAGE).unwrap();
    assert_eq!((legacy.digest, legacy.comment.as_deref()), ("none", Some("an older one")));
}

#[test]
fn the_line_of_a_key_alone_is_a_key() {
    let text = String::from_utf8(KEY.to_vec()).unwrap();
    assert_eq!(MinisignKey::parse(text.lines().nth(1).unwrap()), MinisignKey::parse(&text));
}

#[test]
fn every_changed_byte_is_refused() {
    for signature in [SIGNATURE, LEGACY] {
        every_change_is_refused(signature, comment(signature), |changed| check(changed, MESSAGE).is_ok());
        every_beginning_is_refused(signature, |cut| check(cut, MESSAGE).is_ok());
        every_change_is_refused(MESSAGE, 0..0, |changed| check(signature, changed).is_ok());
    }
}

#[test]
fn another_key_is_unknown_and_a_forged_one_is_wrong() {
    let mut bytes = data_encoding::BASE64.decode(KEY.split(|byte| *byte == b'\n').nth(1).unwrap()).unwrap();
    let with = |bytes: &[u8]| verify(Scheme::Minisign, data_encoding::BASE64.encode(bytes).as_bytes(), SIGNATURE, MESSAGE, NOW);
    bytes[2] ^= 1;
    assert!(matches!(with(&bytes), Err(Refusal::UnknownKey { .. })));
    bytes[2] ^= 1;
    // Another point of the curve: the base point, 4/5 as its y-coordinate (RFC 8032, section 5.1).
    bytes[10] = 0x58;
    bytes[11..].fill(0x66);
    assert!(matches!(with(&bytes), Err(Refusal::WrongSignature { .. })));
}

#[test]
fn parts_of_two_signatures_do_not_make_one() {
    let (one, other) = (String::from_utf8_lossy(SIGNATURE), String::from_utf8_lossy(LEGACY));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (lines(&one), lines(&other));
    let mixed = [&one[0], &one[1], &other[2], &other[3]].map(String::as_str).join("\n");
    assert!(matches!(check(mixed.as_bytes(), MESSAGE), Err(Refusal::WrongSignature { .. })));
}

#[test]
fn each_other_fault_has_its_reason() {
    let text = String::from_utf8(SIGNATURE.to_vec()).unwrap();
    assert!(matches!(check(&vec![b'a'; SIGNATURE_BYTES_MAX + 1], MESSAGE), Err(Refusal::Oversized { .. })));
    assert!(matches!(check(b"", MESSAGE), Err(Refusal::Form { .. })));
    let first_two: String = text.lines().take(2).collect::<Vec<_>>().join("\n");
    assert!(matches!(check(first_two.as_bytes(), MESSAGE), Err(Refusal::Truncated { .. })));
    assert!(matches!(check(format!("{text}more\n").as_bytes(), MESSAGE), Err(Refusal::Form { .. })));
    assert!(matches!(check(text.replace("\nRU", "\nRX").as_bytes(), MESSAGE), Err(Refusal::Unsupported { .. })));
    let long = text.replace("file:message", &"x".repeat(COMMENT_BYTES_MAX));
    assert!(matches!(check(long.as_bytes(), MESSAGE), Err(Refusal::Oversized { .. })));
    assert!(matches!(check(text.replace("file:", "file:\u{1b}").as_bytes(), MESSAGE), Err(Refusal::Form { .. })));
    assert!(matches!(MinisignKey::parse("RWQ="), Err(Refusal::Truncated { .. })));
    assert!(matches!(MinisignKey::parse("a\nb"), Err(Refusal::Form { .. })));
}
