//! Public keys as SSH writes them: Ed25519 and ECDSA P-256, nothing else (T1).
//!
//! Refused: RSA (its SSH form allows SHA-1), keys on hardware tokens (`sk-`, their signatures carry more than a signature), certificates.

use data_encoding::BASE64_NOPAD;

use crate::crypto::{self, Hash};
use crate::{Refusal, reader::Reader, shown};

const KEY: &str = "the SSH key";
const ED25519: &str = "ssh-ed25519";
const ECDSA: &str = "ecdsa-sha2-nistp256";
const CURVE: &[u8] = b"nistp256";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ed25519([u8; crypto::ED25519_KEY_BYTES]),
    P256([u8; crypto::P256_POINT_BYTES]),
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SshKey(Kind);

impl SshKey {
    /// Reads a key blob (RFC 8709, section 4; RFC 5656, section 3.1).
    ///
    /// # Errors
    /// Cut short, another kind, no point of the curve.
    pub fn from_blob(blob: &[u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(KEY, blob);
        let name = reader.string()?;
        let key = match name {
            name if name == ED25519.as_bytes() => {
                let mut inner = Reader::new(KEY, reader.string()?);
                let key = inner.array()?;
                inner.end()?;
                if !crypto::is_ed25519_key(&key) {
                    return Err(reader.form("it is no Ed25519 key"));
                }
                Kind::Ed25519(key)
            }
            name if name == ECDSA.as_bytes() => {
                if reader.string()? != CURVE {
                    return Err(reader.form("its curve is not the one of its kind"));
                }
                let mut inner = Reader::new(KEY, reader.string()?);
                let point: [u8; crypto::P256_POINT_BYTES] = inner.array()?;
                inner.end()?;
                if !crypto::is_p256_key(&point) {
                    return Err(reader.form("it is no point of P-256"));
                }
                Kind::P256(point)
            }
            other => return Err(reader.unsupported(shown(&String::from_utf8_lossy(other)))),
        };
        reader.end()?;
        Ok(Self(key))
    }

    /// The name of its kind, as it stands in a line of a key file.
    pub fn kind(&self) -> &'static str {
        match self.0 {
            Kind::Ed25519(_) => ED25519,
            Kind::P256(_) => ECDSA,
        }
    }

    fn blob(&self) -> Vec<u8> {
        let parts: &[&[u8]] = match &self.0 {
            Kind::Ed25519(key) => &[ED25519.as_bytes(), key],
            Kind::P256(point) => &[ECDSA.as_bytes(), CURVE, point],
        };
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        parts.iter().flat_map(|part| [length(part).as_slice(), part].concat()).collect()
    }

    /// As `ssh-keygen -l` shows it: `SHA256:` and base64 without padding.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", BASE64_NOPAD.encode(Hash::Sha256.of(&[&self.blob()]).as_ref()))
    }

    /// Whether a signature has this key's form; the signature itself is not checked.
    pub(super) fn check_form(&self, signature: &[u8]) -> Result<(), Refusal> {
        self.numbers(signature).map(drop)
    }

    /// The signature's two numbers; of Ed25519 the signature and nothing.
    fn numbers<'a>(&self, signature: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Refusal> {
        let mut reader = Reader::new("the SSH signature", signature);
        if reader.string()? != self.kind().as_bytes() {
            return Err(reader.form("it is of another kind than its key"));
        }
        let body = reader.string()?;
        reader.end()?;
        match self.0 {
            Kind::Ed25519(_) if body.len() == crypto::ED25519_SIGNATURE_BYTES => Ok((body, &[])),
            Kind::Ed25519(_) => Err(reader.form("it has not the length of an Ed25519 signature")),
            Kind::P256(_) => {
                let mut body = Reader::new("the SSH signature", body);
                let numbers = (positive(body.string()?), positive(body.string()?));
                body.end()?;
                match numbers {
                    (Some(r), Some(s)) => Ok((r, s)),
                    _ => Err(reader.form("its numbers are not positive and in their shortest form")),
                }
            }
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok((r, s)) = self.numbers(signature) else { return false };
        match &self.0 {
            Kind::Ed25519(key) => crypto::ed25519(key, message, r),
            Kind::P256(point) => crypto::p256(point, Hash::Sha256, &Hash::Sha256.of(&[message]), (r, s)),
        }
    }
}

/// An `mpint` (RFC 4251, section 5) that is positive and has no byte too many, without its sign byte.
fn positive(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|first| first & 0x80 != 0) => Some(rest),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Some(number),
        _ => None,
    }
}
