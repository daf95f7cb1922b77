//! Arbitrary bytes never panic and are never accepted; damaged files are refused or mean the same as before (T1).

use proptest::prelude::*;

use super::{MESSAGE, NOW, fixture, key};
use crate::checksums::ChecksumList;
use crate::http_digest::HttpDigest;
use crate::{PublicKey, Scheme, Signature};

const FILES: [(Scheme, &[u8], &[u8]); 6] = [
    (Scheme::Minisign, fixture!("minisign.pub"), fixture!("message.minisig")),
    (Scheme::Ssh, fixture!("ssh-ecdsa.pub"), fixture!("ssh-ecdsa.sig")),
    (Scheme::Openpgp, fixture!("openpgp-ed25519.pub"), fixture!("openpgp-ed25519.sig")),
    (Scheme::Openpgp, fixture!("openpgp-rsa2048.pub"), fixture!("openpgp-rsa2048.asc")),
    (Scheme::Openpgp, fixture!("openpgp-subkey.pub"), fixture!("openpgp-subkey.asc")),
    (Scheme::Openpgp, fixture!("rfc9580-a3.pub"), fixture!("rfc9580-a6.asc")),
];

/// Some bytes of the file replaced by others.
fn spliced(file: &[u8], at: prop::sample::Index, cut: usize, put: &[u8]) -> Vec<u8> {
    let at = at.index(file.len());
    let end = (at + cut).min(file.len());
    [&file[..at], put, &file[end..]].concat()
}

/// The binary inside a certificate or signature, so that damage reaches the packets and not only the armour.
fn unarmoured(file: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(file).unwrap();
    let body: String = text.lines().skip(2).take_while(|line| !line.starts_with(['=', '-'])).collect();
    data_encoding::BASE64.decode(body.as_bytes()).unwrap()
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_signature_and_no_key(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,200}") {
        for (scheme, public, _) in FILES {
            for input in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(signature) = Signature::parse(scheme, input) {
                    prop_assert!(key(scheme, public).verify(&signature, MESSAGE, NOW).is_err());
                }
                let _ = crate::openpgp::OpenpgpCertificate::parse(input);
                let _ = ChecksumList::parse(input);
            }
            let _ = PublicKey::parse(scheme, &text);
        }
    }

    #[test]
    fn packets_of_arbitrary_bytes_never_panic(tag in 0_u8..64, version in prop::sample::select(vec![3_u8, 4, 6]), body in prop::collection::vec(any::<u8>(), 0..120)) {
        let body = [&[version], body.as_slice()].concat();
        let packet = [&[0xc0 | tag, u8::try_from(body.len()).unwrap()], body.as_slice()].concat();
        let _ = crate::openpgp::OpenpgpSignature::parse(&packet);
        let certificate = [unarmoured(fixture!("openpgp-ed25519.pub")), packet].concat();
        let _ = crate::openpgp::OpenpgpCertificate::parse(&certificate);
    }

    #[test]
    fn a_damaged_signature_is_refused_or_the_same(which in 0..5_usize, at: prop::sample::Index, cut in 0..5_usize, put in prop::collection::vec(any::<u8>(), 0..5)) {
        let (scheme, public, file) = FILES[which];
        let (before, public) = (Signature::parse(scheme, file).unwrap(), key(scheme, public));
        prop_assert!(public.verify(&before, MESSAGE, NOW).is_ok());
        if let Ok(after) = Signature::parse(scheme, &spliced(file, at, cut, &put)) {
            prop_assert!(after == before || public.verify(&after, MESSAGE, NOW).is_err());
        }
    }

    #[test]
    fn a_damaged_certificate_never_panics(at: prop::sample::Index, cut in 0..5_usize, put in prop::collection::vec(any::<u8>(), 0..5)) {
        for file in [fixture!("openpgp-subkey.pub"), fixture!("openpgp-rsa2048.pub"), fixture!("rfc9580-a3.pub")] {
            let _ = crate::openpgp::OpenpgpCertificate::parse(&spliced(&unarmoured(file), at, cut, &put));
        }
    }

    #[test]
    fn lists_and_fields_of_their_own_words_never_panic(
        list in r"([0-9a-f]{64}|  | \*|SHA256 \(|\) = |\n|a|\.\./|/|\\){0,20}",
        field in r#"(sha-256|sha-512|=|:|,|;|\(|\)|"|\\|a|1|\.|\?1|@|AAAA|RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=| ){0,20}"#,
    ) {
        if let Ok(list) = ChecksumList::parse(list.as_bytes()) {
            prop_assert!(list.entries().all(|(name, _)| !name.split('/').any(|part| part == ".." || part.is_empty())));
        }
        if let Ok(digest) = HttpDigest::parse(&field) {
            prop_assert!(digest.check(b"nothing that was hashed").is_err());
        }
    }
}
