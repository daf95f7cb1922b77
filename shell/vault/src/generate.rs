//! Fresh key material for the vault (T4): keys are made by the one crypto library, never by hand and never from a clock.

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use zeroize::Zeroizing;

use crate::error::VaultError;

/// Bytes that [`random_bytes`] gives at most.
pub const RANDOM_BYTES_MAX: usize = 1024;

/// A fresh ECDSA P-256 private key as PKCS#8 v1 DER.
///
/// # Errors
/// [`VaultError::Crypto`] when the library fails.
pub fn generate_p256_pkcs8() -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &rand::SystemRandom::new())
        .map_err(|_| VaultError::Crypto("make a P-256 key"))?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// A fresh Ed25519 private key as PKCS#8 v2 DER (RFC 8410, with the public key).
///
/// # Errors
/// [`VaultError::Crypto`] when the library fails.
pub fn generate_ed25519_pkcs8() -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let document =
        Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new()).map_err(|_| VaultError::Crypto("make an Ed25519 key"))?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// `bytes` random bytes from the system's source.
///
/// # Errors
/// [`VaultError::Limit`] above [`RANDOM_BYTES_MAX`]; [`VaultError::Crypto`] when the source fails.
pub fn random_bytes(bytes: usize) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    if bytes > RANDOM_BYTES_MAX {
        return Err(VaultError::Limit { what: "number of random bytes", limit: RANDOM_BYTES_MAX });
    }
    let mut out = Zeroizing::new(vec![0_u8; bytes]);
    rand::fill(out.as_mut_slice()).map_err(|_| VaultError::Crypto("draw random bytes"))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::KeyPair;

    #[test]
    fn generated_keys_load_and_differ() {
        let (one, two) = (generate_p256_pkcs8().unwrap(), generate_p256_pkcs8().unwrap());
        assert_ne!(*one, *two);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &one).unwrap();
        assert_eq!(pair.public_key().as_ref().len(), 65);
        let edwards = generate_ed25519_pkcs8().unwrap();
        assert_eq!(Ed25519KeyPair::from_pkcs8(&edwards).unwrap().public_key().as_ref().len(), 32);
    }

    #[test]
    fn random_bytes_are_limited() {
        assert_eq!(random_bytes(32).unwrap().len(), 32);
        assert!(matches!(random_bytes(RANDOM_BYTES_MAX + 1), Err(VaultError::Limit { .. })));
    }
}
