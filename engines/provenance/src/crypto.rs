//! The few signatures and hashes that are accepted, all by AWS-LC: Ed25519, ECDSA P-256, RSA PKCS #1 v1.5, SHA-2 (T1).
//!
//! BLAKE2b, which minisign hashes with and AWS-LC lacks, comes from the crate that the password hash already brings.

use aws_lc_rs::digest::{self, Algorithm, Context, Digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ED25519, EcdsaVerificationAlgorithm, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};

/// An Ed25519 public key.
pub(crate) const ED25519_KEY_BYTES: usize = 32;
/// An Ed25519 signature: R and S.
pub(crate) const ED25519_SIGNATURE_BYTES: usize = 64;
/// An uncompressed P-256 point: 0x04 and two coordinates (SEC 1, section 2.3.3).
pub(crate) const P256_POINT_BYTES: usize = 65;
/// Bytes of r and of s.
pub(crate) const P256_NUMBER_BYTES: usize = 32;
/// RSA moduli, in bits: NIST SP 800-131A forbids less than 2048; more than 8192 only costs time.
pub(crate) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The hashes that a signature may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// The hash of parts, one after the other.
    pub(crate) fn of(self, parts: &[&[u8]]) -> Digest {
        let mut context = Context::new(self.algorithm());
        for part in parts {
            context.update(part);
        }
        context.finish()
    }
}

/// SHA-1 of parts: it names OpenPGP keys of version 4, and proves nothing.
pub(crate) fn sha1_name(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// Whether this is Ed25519's signature of the message (RFC 8032).
pub(crate) fn ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    ParsedPublicKey::new(&ED25519, key).is_ok_and(|key| key.verify_sig(message, signature).is_ok())
}

/// Whether 32 bytes or 65 bytes are a key of their curve.
pub(crate) fn is_ed25519_key(key: &[u8]) -> bool {
    ParsedPublicKey::new(&ED25519, key).is_ok()
}

pub(crate) fn is_p256_key(point: &[u8]) -> bool {
    point.len() == P256_POINT_BYTES
        && point.first() == Some(&0x04)
        && ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).is_ok()
}

/// Whether r and s, big-endian without leading zeros, are ECDSA's signature of the hash by this P-256 point (FIPS 186-5, section 6.4.2).
pub(crate) fn p256(point: &[u8], hash: Hash, hashed: &Digest, (r, s): (&[u8], &[u8])) -> bool {
    let algorithm: &'static EcdsaVerificationAlgorithm = match hash {
        Hash::Sha256 => &ECDSA_P256_SHA256_ASN1,
        Hash::Sha384 => &ECDSA_P256_SHA384_ASN1,
        Hash::Sha512 => &ECDSA_P256_SHA512_ASN1,
    };
    let Some(der) = der_of(r, s) else { return false };
    ParsedPublicKey::new(algorithm, point).is_ok_and(|key| key.verify_digest_sig(hashed, &der).is_ok())
}

/// ECDSA-Sig-Value (RFC 3279, section 2.2.3); all lengths fit one byte.
fn der_of(r: &[u8], s: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::with_capacity(2 * (P256_NUMBER_BYTES + 3));
    for number in [r, s] {
        let first = number.first().filter(|first| **first != 0 && number.len() <= P256_NUMBER_BYTES)?;
        let sign = first & 0x80 != 0;
        body.extend([0x02, u8::try_from(number.len()).ok()? + u8::from(sign)]);
        body.extend(sign.then_some(0));
        body.extend(number);
    }
    let length = u8::try_from(body.len()).ok()?;
    Some([&[0x30, length], body.as_slice()].concat())
}

/// Whether this is RSA's signature of the hash, PKCS #1 v1.5 (RFC 8017, section 8.2.2). Modulus and exponent without leading zeros.
pub(crate) fn rsa((modulus, exponent): (&[u8], &[u8]), hash: Hash, hashed: &Digest, signature: &[u8]) -> bool {
    let parameters: &'static RsaParameters = match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    };
    // A number is sent without leading zeros; the signature has as many bytes as the modulus.
    let Some(missing) = modulus.len().checked_sub(signature.len()) else { return false };
    let padded = [vec![0; missing].as_slice(), signature].concat();
    let key = RsaPublicKeyComponents { n: modulus, e: exponent };
    key.to_parsed_public_key(parameters).is_ok_and(|key| key.verify_digest_sig(hashed, &padded).is_ok())
}

/// BLAKE2b with 64 bytes (RFC 7693).
pub(crate) fn blake2b_512(message: &[u8]) -> [u8; 64] {
    use blake2::Digest as _;
    blake2::Blake2b512::digest(message).into()
}

/// Strict base64 of text without its line ends.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64.decode(text.as_bytes()).ok()
}
