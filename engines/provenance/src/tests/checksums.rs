//! Checksum lists in both forms, what their names may not be, and lists that somebody signed (T1).

use super::{MESSAGE, NOW, fixture, key};
use crate::checksums::{ChecksumList, ENTRIES_MAX, LIST_BYTES_MAX, NAME_BYTES_MAX};
use crate::{Refusal, Scheme, Signature};

/// SHA-256 of `abc` (FIPS 180-4, example).
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// SHA-512 of `abc`.
const ABC_512: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

fn parse(text: &str) -> Result<ChecksumList, Refusal> {
    ChecksumList::parse(text.as_bytes())
}

#[test]
fn both_forms_are_read() {
    let upper = ABC.to_ascii_uppercase();
    let text = format!(
        "{ABC}  a.csv\n{ABC} *b c.csv\nSHA256 (d (1).csv) = {ABC}\nSHA512 (e) = {ABC_512}\n{upper}  ./f/g\n{ABC_512}  h\n"
    );
    let list = parse(&text).unwrap();
    let names: Vec<&str> = list.entries().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.csv", "b c.csv", "d (1).csv", "e", "f/g", "h"]);
    for name in names {
        assert_eq!(list.check(name, b"abc"), Ok(()), "{name}");
        assert!(matches!(list.check(name, b"abd"), Err(Refusal::DigestMismatch { .. })));
    }
    assert!(matches!(list.check("z", b"abc"), Err(Refusal::Missing { .. })));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for name in
        ["../a", "a/../b", "/etc/passwd", "a//b", "a/", "", ".", "..", "./", "a\\b", "c:a", "a\tb", "a\u{7f}", "a\r", &long]
    {
        assert!(parse(&format!("{ABC}  {name}\n")).is_err(), "{name:?}");
        assert!(parse(&format!("SHA256 ({name}) = {ABC}\n")).is_err(), "{name:?}");
    }
    // sha256sum's form for a name with a line end or a backslash.
    assert!(parse(&format!("\\{ABC}  a\\nb\n")).is_err());
}

#[test]
fn each_other_fault_has_its_reason() {
    let form = |text: &str| assert!(matches!(parse(text), Err(Refusal::Form { .. })), "{text}");
    form(&format!("{ABC}  a\n{ABC}  a\n"));
    form(&format!("{ABC}  a\nSHA256 (./a) = {ABC_512}\n"));
    form(&format!("{ABC}  a\n\n"));
    form("\n");
    form(&format!("{}  a\n", &ABC[1..]));
    form(&format!("{}  a\n", &ABC[2..]));
    form(&format!("{ABC} a\n"));
    form(&format!("SHA512 (a) = {ABC}\n"));
    form(&format!("MD5 (a) = {ABC}\n"));
    form(&format!("# comment\n{ABC}  a\n"));
    assert!(matches!(parse(""), Err(Refusal::Truncated { .. })));
    assert!(matches!(parse(&format!("{ABC}  a\n{ABC}  b")), Err(Refusal::Truncated { .. })));
    let many: String = (0..=ENTRIES_MAX).map(|at| format!("{ABC}  {at}\n")).collect();
    assert!(matches!(parse(&many), Err(Refusal::Oversized { .. })));
    assert!(matches!(ChecksumList::parse(&vec![b'a'; LIST_BYTES_MAX + 1]), Err(Refusal::Oversized { .. })));
}

#[test]
fn a_list_is_believed_when_its_bytes_are_signed() {
    for (scheme, public, signature) in [
        (Scheme::Openpgp, fixture!("openpgp-ed25519.pub"), fixture!("list.asc")),
        (Scheme::Minisign, fixture!("minisign.pub"), fixture!("list.minisig")),
        (Scheme::Ssh, fixture!("ssh-ed25519.pub"), fixture!("list.sig")),
    ] {
        let (key, signature) = (key(scheme, public), Signature::parse(scheme, signature).unwrap());
        let list = ChecksumList::verify(fixture!("list"), &key, &signature, NOW).unwrap();
        assert_eq!(list.check("message", MESSAGE), Ok(()));
        assert_eq!(list.signed.scheme, scheme);
        let mut changed = fixture!("list").to_vec();
        changed[0] ^= 1;
        let refused = ChecksumList::verify(&changed, &key, &signature, NOW);
        assert!(matches!(refused, Err(Refusal::WrongSignature { .. })));
    }
}
