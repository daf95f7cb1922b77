//! Keyed pseudonyms for customers' ids (T2): what is stored and trained on names nobody, and without the key nobody can make the name of
//! a known customer and look it up.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;

use crate::WarehouseError;

/// Bytes of the key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a pseudonym: of 10^9 customers two share one with a chance of 1.5 * 10^-21 (birthday bound, 128 bits).
const PSEUDONYM_BYTES: usize = 16;
/// Keeps these apart from other uses of a key.
const CONTEXT: &[u8] = b"stayward customer pseudonym v1\0";

/// Gives every id the same other name, in every run.
#[derive(Clone)]
pub struct Pseudonyms {
    key: hmac::Key,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// With a key from the vault.
    ///
    /// # Errors
    /// [`WarehouseError::Key`] if it is not [`KEY_BYTES`] long.
    pub fn new(key: &[u8]) -> Result<Self, WarehouseError> {
        if key.len() != KEY_BYTES {
            return Err(WarehouseError::Key);
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) })
    }

    /// The pseudonym of an id: 32 hex digits of HMAC-SHA-256 (RFC 2104). Blanks around an id never count, here as in a file.
    pub fn of(&self, id: &str) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(CONTEXT);
        context.update(id.trim().as_bytes());
        let tag = context.sign();
        HEXLOWER.encode(tag.as_ref().get(..PSEUDONYM_BYTES).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_has_the_same_pseudonym_under_one_key_only() {
        let one = Pseudonyms::new(&[1; KEY_BYTES]).unwrap();
        assert_eq!(one.of("c-17"), one.of(" c-17 "));
        assert_ne!(one.of("c-17"), one.of("c-18"));
        assert_ne!(one.of("c-17"), Pseudonyms::new(&[2; KEY_BYTES]).unwrap().of("c-17"));
        assert_eq!(one.of("c-17").len(), 32);
        assert!(Pseudonyms::new(&[1; 31]).is_err());
    }

    #[test]
    fn it_is_hmac_sha_256() {
        // python3: hmac.new(b'\x01'*32, b'stayward customer pseudonym v1\0c-17', 'sha256').hexdigest()[:32]
        assert_eq!(Pseudonyms::new(&[1; KEY_BYTES]).unwrap().of("c-17"), "487e3940f3fc2ae680436f9fbd98d93a");
    }
}
