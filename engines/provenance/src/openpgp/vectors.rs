//! The signatures of RFC 9580, appendix A, under the keys beside them: the part below certificates (T1).

use super::key::KeyPacket;
use super::packet::{Packets, tag};
use super::signature::{Place, SignaturePacket};
use super::{armor, kind};
use crate::tests::fixture;

fn packet(bytes: &[u8], wanted: u8) -> Vec<u8> {
    let (found, body) = Packets::new("a vector", bytes).next().unwrap().unwrap();
    assert_eq!(found, wanted);
    body.to_vec()
}

/// A.1 and A.2: Ed25519 in the legacy encoding.
#[test]
fn version_4() {
    let key = data_encoding::BASE64.decode(b"xjMEU/NfCxYJKwYBBAHaRw8BAQdAPwmJlL3ZFu1AUxl5NOSofIBzOhKA1i+AEJkuQ+47JAY=").unwrap();
    let signature = b"iF4EABYIAAYFAlX5X5UACgkQjP3hIZeWWpr2IgD/VvkMypjiECY3vZg/2xbBMd/Sftgr9N3lYG4NdWrtM2YBANCcT6EVJ/A44PV/IgHYLy6iyQMyZfps60iehUuuYbQE";
    let key = KeyPacket::parse(&packet(&key, tag::PUBLIC_KEY)).unwrap();
    assert_eq!(key.name(), "C959BDBAFA32A2F89A153B678CFDE12197965A9A");
    let signature = packet(&data_encoding::BASE64.decode(signature).unwrap(), tag::SIGNATURE);
    let signature = SignaturePacket::parse("a vector", &signature, Place::Document).unwrap();
    assert_eq!(signature.kind, kind::BINARY);
    assert!(signature.parts.names(&key));
    assert!(signature.holds(&key, &[b"OpenPGP"]));
    assert!(!signature.holds(&key, &[b"openPGP"]));
}

/// A.6: a signature of text, which whole files are refused with; its hash is built the same way.
#[test]
fn version_6() {
    let certificate = armor::binary("a vector", "PUBLIC KEY BLOCK", fixture!("rfc9580-a3.pub")).unwrap();
    let key = KeyPacket::parse(&packet(&certificate, tag::PUBLIC_KEY)).unwrap();
    let signature = armor::binary("a vector", "SIGNATURE", fixture!("rfc9580-a6.asc")).unwrap();
    let signature = packet(&signature, tag::SIGNATURE);
    let parsed = SignaturePacket::parse("a vector", &signature, Place::Document).unwrap();
    assert_eq!(parsed.kind, 0x01);
    assert!(parsed.parts.names(&key));
    let text = b"What we need from the grocery store:\r\n\r\n- tofu\r\n- vegetables\r\n- noodles\r\n";
    assert!(parsed.holds(&key, &[text]));
    // The salt is hashed first: the bytes before it are one of length, after two of the hash.
    let mut changed = signature.clone();
    let at = changed.len() - 64 - 1;
    changed[at] ^= 1;
    assert!(!SignaturePacket::parse("a vector", &changed, Place::Document).unwrap().holds(&key, &[text]));
}
