//! OpenPGP detached signatures, verified by a small and strict reader: suppliers of files have used them for thirty years (T1).
//!
//! By RFC 9580 (and 4880 where version 4 is the same). Accepted: signatures of binary documents, version 4 and 6, in binary or ASCII
//! armour; Ed25519 (both encodings), ECDSA P-256, RSA PKCS #1 v1.5 with 2048 to 8192 bits; SHA-256, SHA-384, SHA-512; certificates
//! with a primary key and signing subkeys that are bound in both directions, their expiry, and revocations.
//!
//! Refused: SHA-1 and MD5 anywhere, DSA, ElGamal, other curves, Ed448, text signatures (their meaning depends on line ends), cleartext
//! and inline messages, several signatures in one file, partial lengths, keys without flags that allow signing, private keys, unknown
//! critical subpackets, more than issuer hints in the unsigned part of a signature.

mod armor;
mod certificate;
mod key;
mod packet;
mod signature;
#[cfg(test)]
mod vectors;

pub use certificate::{OpenpgpCertificate, PACKETS_MAX};

use crate::{Refusal, SIGNATURE_BYTES_MAX, bounded};
use packet::{Packets, tag};
use signature::{Place, SignaturePacket, kind};

const SIGNATURE: &str = "the OpenPGP signature";

/// A detached signature of a binary document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenpgpSignature(SignaturePacket);

impl OpenpgpSignature {
    /// Reads a signature file, binary or in ASCII armour: exactly one signature packet.
    ///
    /// # Errors
    /// Too long, cut short, another form, algorithm or type of signature, no hint at the issuer.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        bounded(SIGNATURE, bytes.len(), SIGNATURE_BYTES_MAX)?;
        let binary = armor::binary(SIGNATURE, "SIGNATURE", bytes)?;
        let mut packets = Packets::new(SIGNATURE, &binary);
        let form = |why| Refusal::Form { what: SIGNATURE, why };
        let (found, body) = packets.next()?.ok_or_else(|| form("it is empty"))?;
        if found != tag::SIGNATURE {
            return Err(form("it is no signature packet"));
        }
        if packets.next()?.is_some() {
            return Err(form("something follows its signature"));
        }
        let signature = SignaturePacket::parse(SIGNATURE, body, Place::Document)?;
        if signature.kind != kind::BINARY {
            return Err(Refusal::Unsupported { what: SIGNATURE, seen: format!("signature type {:#04x}", signature.kind) });
        }
        if !signature.parts.names_issuer() {
            return Err(form("it does not say which key made it"));
        }
        Ok(Self(signature))
    }

    /// The fingerprint or key ID that it names; nothing proves that this key signed.
    pub fn key_name(&self) -> String {
        self.0.parts.issuer_name()
    }
}
