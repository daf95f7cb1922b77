//! Public-key packets (RFC 9580, section 5.5.2) and their fingerprints (section 5.5.4) (T1).

use data_encoding::HEXUPPER;

use super::packet::number;
use crate::crypto::{self, Hash};
use crate::{Refusal, reader::Reader};

const KEY: &str = "the OpenPGP key";
/// Algorithms (RFC 9580, section 9.1).
pub(super) mod algorithm {
    pub(in super::super) const RSA: u8 = 1;
    pub(in super::super) const ECDSA: u8 = 19;
    pub(in super::super) const EDDSA_LEGACY: u8 = 22;
    pub(in super::super) const ED25519: u8 = 27;
}
/// Object identifiers of the curves, as they stand in a key (RFC 9580, section 9.2).
const OID_P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_ED25519_LEGACY: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
/// What stands before a native point in the legacy encoding (RFC 9580, section 11.2.3).
const NATIVE_POINT: u8 = 0x40;
/// The public exponent may have so many bytes; everybody uses 65537.
const RSA_EXPONENT_BYTES_MAX: usize = 4;
/// Bytes of a key packet: the length has two bytes in what is hashed of version 4.
const BODY_BYTES_MAX: usize = 65_535;
/// Bytes of a key ID.
pub(super) const KEY_ID_BYTES: usize = 8;

/// The numbers of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    Ed25519([u8; crypto::ED25519_KEY_BYTES]),
    P256([u8; crypto::P256_POINT_BYTES]),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Something that cannot sign here, and why: in a subkey that is no harm.
    Other(String),
}

/// A primary key or a subkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPacket {
    pub(super) version: u8,
    /// Unix seconds.
    pub(super) created: i64,
    pub(super) algorithm: u8,
    pub(super) material: Material,
    pub(super) fingerprint: Vec<u8>,
    body: Vec<u8>,
}

impl KeyPacket {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(KEY, body);
        let version = reader.u8()?;
        if !matches!(version, 4 | 6) {
            return Err(reader.unsupported(format!("key version {version}")));
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(Refusal::Oversized { what: KEY, bytes: body.len(), max: BODY_BYTES_MAX });
        }
        let created = i64::from(reader.u32()?);
        let algorithm = reader.u8()?;
        if version == 6 {
            let length = reader.length()?;
            let material = reader.take(length)?;
            reader.end()?;
            reader = Reader::new(KEY, material);
        }
        let material = material(version, algorithm, reader)?;
        let mut key = Self { version, created, algorithm, material, fingerprint: Vec::new(), body: body.to_vec() };
        key.fingerprint = match key.version {
            4 => crypto::sha1_name(&[&key.hashed_head(), &key.body]),
            _ => Hash::Sha256.of(&[&key.hashed_head(), &key.body]).as_ref().to_vec(),
        };
        Ok(key)
    }

    /// What stands before the body when a key is hashed (RFC 9580, section 5.2.4); signatures over a key have the key's version.
    fn hashed_head(&self) -> Vec<u8> {
        // INVARIANT: at most 65535; `parse` saw to it.
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX).to_be_bytes();
        match self.version {
            4 => vec![0x99, length[2], length[3]],
            _ => [&[0x9b], length.as_slice()].concat(),
        }
    }

    /// The key as it goes into the hash of a signature over it.
    pub(super) fn hashed(&self) -> Vec<u8> {
        [self.hashed_head(), self.body.clone()].concat()
    }

    /// The key ID: the last eight bytes of a fingerprint of version 4, the first eight of version 6.
    pub(super) fn id(&self) -> &[u8] {
        let from = if self.version == 4 { self.fingerprint.len().saturating_sub(KEY_ID_BYTES) } else { 0 };
        self.fingerprint.get(from..from + KEY_ID_BYTES).unwrap_or_default()
    }

    /// The fingerprint in capital hexadecimal digits, as gpg shows it.
    pub(super) fn name(&self) -> String {
        HEXUPPER.encode(&self.fingerprint)
    }
}

fn material(version: u8, algorithm: u8, mut reader: Reader<'_>) -> Result<Material, Refusal> {
    let material = match (algorithm, version) {
        (algorithm::ED25519, _) => ed25519(reader.take(crypto::ED25519_KEY_BYTES)?),
        (algorithm::EDDSA_LEGACY, 4) => {
            if oid(&mut reader)? != OID_ED25519_LEGACY {
                return Ok(Material::Other("EdDSA over another curve than Ed25519".to_owned()));
            }
            match number(&mut reader)? {
                [NATIVE_POINT, point @ ..] => ed25519(point),
                _ => Material::Other("a point of another form".to_owned()),
            }
        }
        (algorithm::ECDSA, _) => {
            if oid(&mut reader)? != OID_P256 {
                return Ok(Material::Other("ECDSA over another curve than P-256".to_owned()));
            }
            let point = number(&mut reader)?;
            let whole = <[u8; crypto::P256_POINT_BYTES]>::try_from(point).ok().filter(|point| crypto::is_p256_key(point));
            whole.map_or_else(|| Material::Other("no point of P-256".to_owned()), Material::P256)
        }
        (algorithm::RSA, _) => {
            let (modulus, exponent) = (number(&mut reader)?, number(&mut reader)?);
            rsa(modulus, exponent)
        }
        // Of a key that cannot sign here the rest is not looked at.
        (other, _) => return Ok(Material::Other(format!("public-key algorithm {other}"))),
    };
    reader.end()?;
    Ok(material)
}

fn oid<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Refusal> {
    let length = usize::from(reader.u8()?);
    reader.take(length)
}

fn ed25519(point: &[u8]) -> Material {
    match <[u8; crypto::ED25519_KEY_BYTES]>::try_from(point) {
        Ok(key) if crypto::is_ed25519_key(&key) => Material::Ed25519(key),
        Ok(_) | Err(_) => Material::Other("no Ed25519 key".to_owned()),
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Material {
    let zeros = modulus.first().map_or(8, |first| first.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(usize::try_from(zeros).unwrap_or(8));
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !crypto::RSA_BITS.contains(&bits) {
        return Material::Other(format!("RSA with {bits} bits"));
    }
    if exponent.len() > RSA_EXPONENT_BYTES_MAX || exponent == [1] || !odd(modulus) || !odd(exponent) {
        return Material::Other("no RSA key of the usual form".to_owned());
    }
    Material::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() }
}
