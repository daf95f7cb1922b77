//! Keys and sealing of the vault (T4): a stolen vault folder without its key is noise, and no file in it can stand in for another.
//!
//! Three layers: the key-encryption key (a file or a passphrase) wraps one master key; the master key wraps a fresh data key
//! for every version of every secret (AES-256 key wrap with padding, NIST SP 800-38F); the data key seals the secret with
//! AES-256-GCM-SIV (RFC 8452), whose additional data names vault, secret and version.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::{hkdf, hmac, rand};
use zeroize::{Zeroize, Zeroizing};

use crate::error::VaultError;

/// Bytes of every symmetric key.
pub(crate) const KEY_BYTES: usize = 32;
/// A 32-byte key wrapped with padding (RFC 5649) has 40 bytes.
pub(crate) const WRAPPED_KEY_BYTES: usize = 40;
/// Bytes of the authentication tag of AES-GCM-SIV.
const TAG_BYTES: usize = 16;
/// What each sealed blob begins with.
const SEALED_MAGIC: &[u8; 4] = b"SWV1";
/// Bytes that sealing adds.
pub(crate) const SEALED_OVERHEAD_BYTES: usize = SEALED_MAGIC.len() + WRAPPED_KEY_BYTES + NONCE_LEN + TAG_BYTES;

/// A symmetric key that is erased from memory when dropped.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// A fresh random key.
pub(crate) fn random_key() -> Result<Key, VaultError> {
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    rand::fill(key.as_mut_slice()).map_err(|_| VaultError::Crypto("draw random bytes"))?;
    Ok(key)
}

/// The keys that the master key stands for: one per purpose, so that no ciphertext of one serves another.
pub(crate) struct Keys {
    wrap: Key,
    index: Key,
}

struct KeyLength;
impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

fn derive(master: &Key, vault_id: &str, purpose: &str) -> Result<Key, VaultError> {
    let failed = |_| VaultError::Crypto("derive a key");
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    let pseudo_random = hkdf::Salt::new(hkdf::HKDF_SHA256, vault_id.as_bytes()).extract(master.as_slice());
    let info = [purpose.as_bytes()];
    pseudo_random.expand(&info, KeyLength).and_then(|okm| okm.fill(key.as_mut_slice())).map_err(failed)?;
    Ok(key)
}

impl Keys {
    pub(crate) fn derive(master: &Key, vault_id: &str) -> Result<Self, VaultError> {
        Ok(Self {
            wrap: derive(master, vault_id, "stayward vault v1: wrap data keys")?,
            index: derive(master, vault_id, "stayward vault v1: authenticate index")?,
        })
    }

    /// HMAC-SHA256 of the index.
    pub(crate) fn index_tag(&self, bytes: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.index.as_slice());
        let mut tag = [0_u8; 32];
        tag.copy_from_slice(hmac::sign(&key, bytes).as_ref());
        tag
    }

    /// Whether `tag` belongs to `bytes`, in constant time.
    pub(crate) fn index_tag_holds(&self, bytes: &[u8], tag: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.index.as_slice());
        hmac::verify(&key, bytes, tag).is_ok()
    }

    /// Seals under a fresh data key: magic, wrapped data key, nonce, ciphertext, tag.
    pub(crate) fn seal(&self, additional: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let failed = |_| VaultError::Crypto("seal");
        let data_key = random_key()?;
        let wrapped = wrap_key(&self.wrap, &data_key)?;
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, data_key.as_slice()).map_err(failed)?;
        let mut body = Vec::with_capacity(plain.len() + TAG_BYTES);
        body.extend_from_slice(plain);
        let nonce = match cipher.seal_in_place_append_tag(Aad::from(additional), &mut body) {
            Ok(nonce) => nonce,
            Err(_) => {
                body.zeroize();
                return Err(VaultError::Crypto("seal"));
            }
        };
        let mut sealed = Vec::with_capacity(plain.len() + SEALED_OVERHEAD_BYTES);
        sealed.extend_from_slice(SEALED_MAGIC);
        sealed.extend_from_slice(&wrapped);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Keys::seal`] made with the same additional data; `None` for anything else.
    pub(crate) fn open(&self, additional: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let rest = sealed.strip_prefix(SEALED_MAGIC)?;
        let (wrapped, rest) = rest.split_at_checked(WRAPPED_KEY_BYTES)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        let data_key = unwrap_key(&self.wrap, wrapped)?;
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, data_key.as_slice()).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(body.to_vec());
        let plain_bytes = cipher.open_in_place(nonce, Aad::from(additional), buffer.as_mut_slice()).ok()?.len();
        buffer.truncate(plain_bytes);
        Some(buffer)
    }
}

/// Wraps one key under another (AES-256 key wrap with padding).
pub(crate) fn wrap_key(outer: &Key, inner: &Key) -> Result<[u8; WRAPPED_KEY_BYTES], VaultError> {
    let failed = |_| VaultError::Crypto("wrap a key");
    let kek = AesKek::new(&AES_256, outer.as_slice()).map_err(failed)?;
    let mut wrapped = [0_u8; WRAPPED_KEY_BYTES];
    kek.wrap_with_padding(inner.as_slice(), &mut wrapped).map_err(failed)?;
    Ok(wrapped)
}

/// Unwraps; `None` when the outer key is not the one that wrapped, or the bytes were changed.
pub(crate) fn unwrap_key(outer: &Key, wrapped: &[u8]) -> Option<Key> {
    if wrapped.len() != WRAPPED_KEY_BYTES {
        return None;
    }
    let kek = AesKek::new(&AES_256, outer.as_slice()).ok()?;
    // The library wants room for the padded length, which for 32 bytes is the wrapped length.
    let mut room = Zeroizing::new([0_u8; WRAPPED_KEY_BYTES]);
    let inner = kek.unwrap_with_padding(wrapped, room.as_mut_slice()).ok()?;
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    if inner.len() != KEY_BYTES {
        return None;
    }
    key.copy_from_slice(inner);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> Keys {
        Keys::derive(&Zeroizing::new([7; KEY_BYTES]), "vault-a").unwrap()
    }

    #[test]
    fn a_changed_or_foreign_wrap_does_not_unwrap() {
        let (outer, inner) = (random_key().unwrap(), random_key().unwrap());
        let mut wrapped = wrap_key(&outer, &inner).unwrap();
        assert_eq!(unwrap_key(&outer, &wrapped).unwrap(), inner);
        assert!(unwrap_key(&random_key().unwrap(), &wrapped).is_none());
        wrapped[3] ^= 1;
        assert!(unwrap_key(&outer, &wrapped).is_none());
    }

    #[test]
    fn another_vault_has_other_keys() {
        let other = Keys::derive(&Zeroizing::new([7; KEY_BYTES]), "vault-b").unwrap();
        let sealed = keys().seal(b"x", b"secret").unwrap();
        assert!(other.open(b"x", &sealed).is_none());
        assert_ne!(keys().index_tag(b"i"), other.index_tag(b"i"));
    }

    proptest! {
        #[test]
        fn seal_and_open_are_inverse(plain in proptest::collection::vec(any::<u8>(), 0..300), context in ".{0,20}") {
            let sealed = keys().seal(context.as_bytes(), &plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + SEALED_OVERHEAD_BYTES);
            let opened = keys().open(context.as_bytes(), &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
        }

        #[test]
        fn one_changed_bit_does_not_open(at in 0_usize..100, bit in 0_u8..8) {
            let mut sealed = keys().seal(b"x", &[9; 40]).unwrap();
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert!(keys().open(b"x", &sealed).is_none());
        }

        #[test]
        fn arbitrary_bytes_do_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(keys().open(b"x", &bytes).is_none());
        }
    }
}
