//! Digest fields of HTTP: the examples of RFC 9530, and fields that are none (T1).

use crate::Refusal;
use crate::http_digest::{FIELD_BYTES_MAX, HttpDigest, MEMBERS_MAX};

/// RFC 9530, section 2: the example of `Content-Digest`.
const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
const SHA256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
/// RFC 9530, section 3.
const SHA512: &str = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";

fn check(field: &str, body: &[u8]) -> Result<(), Refusal> {
    HttpDigest::parse(field)?.check(body)
}

#[test]
fn the_examples_of_the_rfc_hold() {
    for field in [SHA256.to_owned(), SHA512.to_owned(), format!("{SHA256},\t{SHA512}"), format!("  {SHA512} , {SHA256} ")] {
        assert_eq!(check(&field, BODY), Ok(()), "{field}");
        assert!(matches!(check(&field, b"{}"), Err(Refusal::DigestMismatch { .. })), "{field}");
    }
}

#[test]
fn unknown_algorithms_are_passed_over_whatever_they_carry() {
    for other in [
        "md5=:AAAA:",
        "unixsum=30637",
        "a",
        "a=?0",
        "a=-1.5;q=1",
        "a=\"x \\\" y\"",
        "a=(1 \"b\";p token :AA==:);x",
        "*a=@1659578233",
        "a=()",
        "a=tok/en:*",
    ] {
        assert_eq!(check(&format!("{other}, {SHA256}"), BODY), Ok(()), "{other}");
        assert!(matches!(HttpDigest::parse(other), Err(Refusal::Missing { .. })), "{other}");
    }
    assert_eq!(check(&format!("{SHA256};note=\"x\""), BODY), Ok(()));
}

#[test]
fn both_digests_must_agree() {
    let wrong = SHA512.replace("YMAa", "YMAb");
    assert_eq!(check(&format!("{SHA256}, {wrong}"), BODY), Err(Refusal::DigestMismatch { algorithm: "SHA-512" }));
}

#[test]
fn each_other_fault_has_its_reason() {
    let form = |field: &str| assert!(matches!(HttpDigest::parse(field), Err(Refusal::Form { .. })), "{field}");
    form(&format!("{SHA256}, {SHA256}"));
    form(&format!("{SHA256},"));
    form(&format!(", {SHA256}"));
    form(&format!("{SHA256} {SHA512}"));
    form("sha-256=:AAAA:");
    form("sha-256=\"RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=\"");
    form("sha-256");
    form("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:");
    form("SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    form("a=1234567890123456");
    form("a=1.2345");
    form("a=(1,2)");
    form("a=\"x");
    assert!(matches!(HttpDigest::parse(""), Err(Refusal::Missing { .. })));
    assert!(matches!(HttpDigest::parse("sha-256=:AAAA"), Err(Refusal::Truncated { .. })));
    assert!(matches!(HttpDigest::parse(&"a".repeat(FIELD_BYTES_MAX + 1)), Err(Refusal::Oversized { .. })));
    let many = vec!["a"; MEMBERS_MAX + 1].join(",");
    assert!(matches!(HttpDigest::parse(&many), Err(Refusal::Oversized { .. })));
}
