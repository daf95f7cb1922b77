//! AWS Signature Version 4, for the one form of request that is sent: a POST to `/` without a query (T4).
//!
//! Written here on aws-lc-rs' HMAC: the crate `aws-sigv4` brings a second implementation of HMAC and SHA-256.
//! Source: AWS General Reference, "Signature Version 4 signing process"; its example is the test below.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

/// Who signs.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) key_id: String,
    pub(crate) secret: Zeroizing<String>,
    /// Of credentials that live for a time.
    pub(crate) session: Option<Zeroizing<String>>,
}

/// What is signed for.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// `20150830T123600Z`.
    pub(crate) time: &'a str,
}

fn hmac_of(key: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    Zeroizing::new(hmac::sign(&key, text.as_bytes()).as_ref().to_vec())
}

fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// The value of the header `Authorization` for these headers (names in lower case) and this body.
pub(crate) fn authorization(
    credentials: &Credentials,
    scope: Scope<'_>,
    method: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Zeroizing<String> {
    let mut sorted: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.trim())).collect();
    sorted.sort_unstable();
    let names: Vec<&str> = sorted.iter().map(|(name, _)| *name).collect();
    let signed = names.join(";");
    // A session token stands among the headers.
    let lines: Zeroizing<String> = Zeroizing::new(sorted.iter().map(|(name, value)| format!("{name}:{value}\n")).collect());
    let canonical = Zeroizing::new(format!("{method}\n/\n\n{}\n{signed}\n{}", *lines, sha256_hex(body)));
    let date = scope.time.get(..8).unwrap_or_default();
    let whole_scope = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{whole_scope}\n{}", scope.time, sha256_hex(canonical.as_bytes()));
    let first = Zeroizing::new(format!("AWS4{}", *credentials.secret));
    let mut key = hmac_of(first.as_bytes(), date);
    for part in [scope.region, scope.service, "aws4_request"] {
        key = hmac_of(&key, part);
    }
    let signature = HEXLOWER.encode(&hmac_of(&key, &to_sign));
    Zeroizing::new(format!(
        "AWS4-HMAC-SHA256 Credential={}/{whole_scope}, SignedHeaders={signed}, Signature={signature}",
        credentials.key_id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        let secret = Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        Credentials { key_id: "AKIDEXAMPLE".into(), secret, session: None }
    }

    const SCOPE: Scope<'_> = Scope { region: "us-east-1", service: "service", time: "20150830T123600Z" };
    const HEADERS: [(&str, &str); 2] = [("x-amz-date", "20150830T123600Z"), ("host", "example.amazonaws.com")];

    fn check(method: &str, headers: &[(&str, &str)], body: &[u8], signature: &str) {
        let header = authorization(&credentials(), SCOPE, method, headers, body);
        assert!(header.ends_with(&format!("Signature={signature}")), "{}", *header);
    }

    // Cases `get-vanilla`, `post-vanilla` and `post-x-www-form-urlencoded` of AWS' test suite.
    #[test]
    fn signatures_are_those_of_the_test_suite() {
        check("GET", &HEADERS, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        check("POST", &HEADERS, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        let form = [&HEADERS[..], &[("content-type", "application/x-www-form-urlencoded")]].concat();
        check("POST", &form, b"Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
    }
}
