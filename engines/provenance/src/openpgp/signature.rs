//! Signature packets (RFC 9580, section 5.2): what is signed, what is only a hint, and whether it holds (T1).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::HEXUPPER;

use super::key::{KEY_ID_BYTES, KeyPacket, Material, algorithm};
use super::packet::{new_length, number};
use crate::crypto::{self, Hash};
use crate::{Refusal, reader::Reader};

/// Signature types (RFC 9580, section 5.2.1).
pub(super) mod kind {
    pub(in super::super) const BINARY: u8 = 0x00;
    /// Certifications of a user ID, from generic to positive.
    pub(in super::super) const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
    pub(in super::super) const SUBKEY_BINDING: u8 = 0x18;
    pub(in super::super) const PRIMARY_BINDING: u8 = 0x19;
    pub(in super::super) const DIRECT_KEY: u8 = 0x1f;
    pub(in super::super) const KEY_REVOCATION: u8 = 0x20;
    pub(in super::super) const SUBKEY_REVOCATION: u8 = 0x28;
    pub(in super::super) const CERTIFICATION_REVOCATION: u8 = 0x30;
}

/// Subpacket types (RFC 9580, section 5.2.3.7) that are acted upon.
mod subpacket {
    pub(super) const CREATED: u8 = 2;
    pub(super) const EXPIRES: u8 = 3;
    pub(super) const KEY_EXPIRES: u8 = 9;
    pub(super) const ISSUER: u8 = 16;
    pub(super) const KEY_FLAGS: u8 = 27;
    pub(super) const EMBEDDED: u8 = 32;
    pub(super) const ISSUER_FINGERPRINT: u8 = 33;
    /// Others that change nothing here, so that they may be marked critical: exportable, revocable, preferences, primary user ID,
    /// signer's user ID, reason of revocation, features, AEAD preferences.
    pub(super) const HARMLESS: [u8; 12] = [4, 7, 11, 21, 22, 23, 25, 28, 29, 30, 34, 39];
}
/// The bit that makes a subpacket critical.
const CRITICAL: u8 = 0x80;
/// The key may sign data (RFC 9580, section 5.2.3.29).
pub(super) const FLAG_SIGN: u8 = 0x02;
/// Subpackets of one area.
const SUBPACKETS_MAX: usize = 64;

/// Where a signature stands: the unsigned part of one over a document may hold hints at the issuer only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Document,
    Certificate,
}

/// What the subpackets say. Issuers are hints; all else counts only from the signed area, or proves itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) created: Option<i64>,
    /// Seconds after `created` (of the signature).
    expires_after: Option<i64>,
    /// Seconds after the making of the key.
    pub(super) key_expires_after: Option<i64>,
    pub(super) flags: Option<u8>,
    issuer_id: Option<Vec<u8>>,
    issuer_fingerprint: Option<Vec<u8>>,
    /// A signature by the subkey over the primary key.
    pub(super) embedded: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Numbers {
    Ed25519([u8; crypto::ED25519_SIGNATURE_BYTES]),
    P256(Vec<u8>, Vec<u8>),
    Rsa(Vec<u8>),
}

/// A signature packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignaturePacket {
    version: u8,
    pub(super) kind: u8,
    algorithm: u8,
    pub(super) hash: Hash,
    pub(super) parts: Parts,
    /// What is hashed after the message.
    trailer: Vec<u8>,
    /// The first two bytes of the hash: a quick test, not a proof.
    hash_begins: [u8; 2],
    salt: Vec<u8>,
    numbers: Numbers,
}

/// The type of a signature that may otherwise be unreadable; `None` for versions that nobody knows.
pub(super) fn kind_of(body: &[u8]) -> Option<u8> {
    match body {
        [4 | 6, kind, ..] | [3, _, kind, ..] => Some(*kind),
        _ => None,
    }
}

impl SignaturePacket {
    pub(super) fn parse(what: &'static str, body: &[u8], place: Place) -> Result<Self, Refusal> {
        let mut reader = Reader::new(what, body);
        let version = reader.u8()?;
        if !matches!(version, 4 | 6) {
            return Err(reader.unsupported(format!("signature version {version}")));
        }
        let (kind, algorithm, hash_id) = (reader.u8()?, reader.u8()?, reader.u8()?);
        // Salt lengths: RFC 9580, section 9.5, table 23.
        let (hash, salt_bytes) = match hash_id {
            8 => (Hash::Sha256, 16),
            9 => (Hash::Sha384, 24),
            10 => (Hash::Sha512, 32),
            1 => return Err(reader.unsupported("MD5")),
            2 => return Err(reader.unsupported("SHA-1")),
            other => return Err(reader.unsupported(format!("hash algorithm {other}"))),
        };
        let area = |reader: &mut Reader<'_>| if version == 4 { reader.u16() } else { reader.length() };
        let hashed_bytes = area(&mut reader)?;
        let hashed = reader.take(hashed_bytes)?;
        let unhashed_bytes = area(&mut reader)?;
        let unhashed = reader.take(unhashed_bytes)?;
        let hash_begins = reader.array()?;
        let salt = if version == 6 {
            if usize::from(reader.u8()?) != salt_bytes {
                return Err(reader.form("its salt has not the length of its hash"));
            }
            reader.take(salt_bytes)?.to_vec()
        } else {
            Vec::new()
        };
        let numbers = numbers(version, algorithm, &mut reader)?;
        reader.end()?;
        let mut parts = Parts::default();
        parts.read(Reader::new(what, hashed), true, place)?;
        parts.read(Reader::new(what, unhashed), false, place)?;
        if parts.created.is_none() {
            return Err(reader.form("it does not say when it was made"));
        }
        let trailer = trailer([version, kind, algorithm, hash_id], hashed);
        Ok(Self { version, kind, algorithm, hash, parts, trailer, hash_begins, salt, numbers })
    }

    /// Whether the key made this signature of these parts, one after the other.
    pub(super) fn holds(&self, key: &KeyPacket, message: &[&[u8]]) -> bool {
        if self.version != key.version || self.algorithm != key.algorithm {
            return false;
        }
        let parts: Vec<&[u8]> =
            std::iter::once(self.salt.as_slice()).chain(message.iter().copied()).chain([self.trailer.as_slice()]).collect();
        let hashed = self.hash.of(&parts);
        let begins = hashed.as_ref().get(..self.hash_begins.len()).unwrap_or_default();
        if verify_slices_are_equal(begins, &self.hash_begins).is_err() {
            return false;
        }
        match (&self.numbers, &key.material) {
            (Numbers::Ed25519(signature), Material::Ed25519(key)) => crypto::ed25519(key, hashed.as_ref(), signature),
            (Numbers::P256(r, s), Material::P256(point)) => crypto::p256(point, self.hash, &hashed, (r, s)),
            (Numbers::Rsa(signature), Material::Rsa { modulus, exponent }) => {
                crypto::rsa((modulus, exponent), self.hash, &hashed, signature)
            }
            (Numbers::Ed25519(_) | Numbers::P256(..) | Numbers::Rsa(_), _) => false,
        }
    }

    /// When it was made, Unix seconds.
    pub(super) fn created(&self) -> i64 {
        // INVARIANT: `parse` refuses a signature without it.
        self.parts.created.unwrap_or(i64::MAX)
    }

    /// The first moment at which it counts no more.
    pub(super) fn expires(&self) -> Option<i64> {
        self.parts.expires_after.map(|after| self.created().saturating_add(after))
    }
}

/// RFC 9580, section 5.2.4: the fields up to the signed subpackets, then version, 0xff and their length.
fn trailer(head: [u8; 4], hashed: &[u8]) -> Vec<u8> {
    let [version, ..] = head;
    let length = u32::try_from(hashed.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = head.to_vec();
    // INVARIANT: an area of version 4 was measured by two bytes.
    out.extend(if version == 4 { length.get(2..).unwrap_or_default() } else { length.as_slice() });
    out.extend(hashed);
    let whole = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out.extend([version, 0xff]);
    out.extend(whole.to_be_bytes());
    out
}

fn numbers(version: u8, algorithm: u8, reader: &mut Reader<'_>) -> Result<Numbers, Refusal> {
    match (algorithm, version) {
        (algorithm::ED25519, _) => reader.array().map(Numbers::Ed25519),
        (algorithm::EDDSA_LEGACY, 4) => {
            let (r, s) = (padded(reader)?, padded(reader)?);
            let mut signature = [0; crypto::ED25519_SIGNATURE_BYTES];
            for (place, byte) in signature.iter_mut().zip(r.iter().chain(&s)) {
                *place = *byte;
            }
            Ok(Numbers::Ed25519(signature))
        }
        (algorithm::ECDSA, _) => Ok(Numbers::P256(number(reader)?.to_vec(), number(reader)?.to_vec())),
        (algorithm::RSA, _) => Ok(Numbers::Rsa(number(reader)?.to_vec())),
        (other, _) => Err(reader.unsupported(format!("public-key algorithm {other}"))),
    }
}

/// Half of an Ed25519 signature that was sent as a number, its first zeros missing (RFC 9580, section 5.2.3.3.1).
fn padded(reader: &mut Reader<'_>) -> Result<[u8; crypto::ED25519_SIGNATURE_BYTES / 2], Refusal> {
    let bytes = number(reader)?;
    let mut half = [0; crypto::ED25519_SIGNATURE_BYTES / 2];
    let from = half.len().checked_sub(bytes.len()).ok_or_else(|| reader.form("a number is too large for Ed25519"))?;
    for (place, byte) in half.iter_mut().skip(from).zip(bytes) {
        *place = *byte;
    }
    Ok(half)
}

impl Parts {
    fn read(&mut self, mut reader: Reader<'_>, signed: bool, place: Place) -> Result<(), Refusal> {
        let mut count = 0;
        while !reader.is_empty() {
            count += 1;
            if count > SUBPACKETS_MAX {
                return Err(reader.form("it has too many subpackets"));
            }
            let length = subpacket_length(&mut reader)?;
            let mut inner = Reader::new("an OpenPGP subpacket", reader.take(length)?);
            let first = inner.u8()?;
            let (found, critical) = (first & !CRITICAL, first & CRITICAL != 0);
            if signed {
                self.signed(found, critical, inner)?;
            } else {
                self.unsigned(found, critical, inner, place)?;
            }
        }
        Ok(())
    }

    fn signed(&mut self, found: u8, critical: bool, mut inner: Reader<'_>) -> Result<(), Refusal> {
        let twice = match found {
            subpacket::CREATED => seconds(inner).map(|value| self.created.replace(value).is_some())?,
            // Zero means never (RFC 9580, sections 5.2.3.13 and 5.2.3.18).
            subpacket::EXPIRES => seconds(inner).map(|value| value > 0 && self.expires_after.replace(value).is_some())?,
            subpacket::KEY_EXPIRES => seconds(inner).map(|value| value > 0 && self.key_expires_after.replace(value).is_some())?,
            subpacket::KEY_FLAGS => {
                let flags = if inner.is_empty() { 0 } else { inner.u8()? };
                self.flags.replace(flags).is_some()
            }
            subpacket::ISSUER | subpacket::ISSUER_FINGERPRINT | subpacket::EMBEDDED => self.issuer(found, inner)?,
            other if critical && !subpacket::HARMLESS.contains(&other) => {
                return Err(inner.unsupported(format!("critical subpacket {other}")));
            }
            _ => false,
        };
        if twice { Err(inner.form("it says something twice")) } else { Ok(()) }
    }

    fn unsigned(&mut self, found: u8, critical: bool, inner: Reader<'_>, place: Place) -> Result<(), Refusal> {
        let hint = matches!(found, subpacket::ISSUER | subpacket::ISSUER_FINGERPRINT) && !critical;
        if hint || (found == subpacket::EMBEDDED && place == Place::Certificate) {
            // What the signed part says already is not said again: a differing hint would only confuse.
            return self.issuer(found, inner).map(drop);
        }
        match place {
            Place::Document => Err(inner.unsupported(format!("subpacket {found} in its unsigned part"))),
            Place::Certificate => Ok(()),
        }
    }

    /// What proves itself or is a hint; whether the same was said before, otherwise.
    fn issuer(&mut self, found: u8, mut inner: Reader<'_>) -> Result<bool, Refusal> {
        let (place, value) = match found {
            subpacket::ISSUER => (&mut self.issuer_id, inner.array::<KEY_ID_BYTES>()?.to_vec()),
            subpacket::ISSUER_FINGERPRINT => {
                // The key's version, then the fingerprint (section 5.2.3.35).
                let version = inner.u8()?;
                let bytes = if version == 4 { 20 } else { 32 };
                (&mut self.issuer_fingerprint, inner.take(bytes)?.to_vec())
            }
            _ => {
                self.embedded = Some(inner.rest().to_vec());
                return Ok(false);
            }
        };
        inner.end()?;
        if place.as_ref().is_some_and(|before| *before != value) {
            return Err(Refusal::Form { what: "an OpenPGP subpacket", why: "it names two issuers" });
        }
        *place = Some(value);
        Ok(false)
    }

    pub(super) fn names_issuer(&self) -> bool {
        self.issuer_id.is_some() || self.issuer_fingerprint.is_some()
    }

    /// Whether the hints, as many as there are, all name this key.
    pub(super) fn names(&self, key: &KeyPacket) -> bool {
        self.names_issuer()
            && self.issuer_id.as_ref().is_none_or(|id| id == key.id())
            && self.issuer_fingerprint.as_ref().is_none_or(|fingerprint| *fingerprint == key.fingerprint)
    }

    pub(super) fn issuer_name(&self) -> String {
        let name = self.issuer_fingerprint.as_ref().or(self.issuer_id.as_ref());
        name.map_or_else(String::new, |name| HEXUPPER.encode(name))
    }
}

fn seconds(mut inner: Reader<'_>) -> Result<i64, Refusal> {
    let value = i64::from(inner.u32()?);
    inner.end()?;
    Ok(value)
}

/// A subpacket's length (RFC 9580, section 5.2.3.7): as a packet's, but there are no parts, so the second byte's range reaches to 254.
fn subpacket_length(reader: &mut Reader<'_>) -> Result<usize, Refusal> {
    let mut ahead = *reader;
    let first = ahead.u8()?;
    if (224..255).contains(&first) {
        let length = ((usize::from(first) - 192) << 8) + usize::from(ahead.u8()?) + 192;
        *reader = ahead;
        return Ok(length);
    }
    new_length(reader)?.ok_or_else(|| reader.form("a subpacket has no length"))
}
