//! What a store of secrets can do, wherever it stands (T4): in the words of AWS Secrets Manager, so that one rotation drives them all.
//!
//! A version has an id. Whoever puts a version chooses the id (the `ClientRequestToken`), so a put that is sent twice makes one
//! version. At most one version is current, one previous, one pending.

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::{Stage, random_bytes};

/// Bytes of a token at least: the limit of AWS Secrets Manager for a `ClientRequestToken`.
pub const TOKEN_BYTES_MIN: usize = 32;
/// Bytes of a token at most: the same.
pub const TOKEN_BYTES_MAX: usize = 64;

/// Which version is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The value in force.
    Current,
    /// The value before.
    Previous,
    /// The value to come.
    Pending,
    /// The version with this id.
    Version(&'a str),
}

impl Wanted<'_> {
    /// The stage that is meant, if it is one.
    pub(crate) fn stage(self) -> Option<Stage> {
        match self {
            Self::Current => Some(Stage::Current),
            Self::Previous => Some(Stage::Previous),
            Self::Pending => Some(Stage::Pending),
            Self::Version(_) => None,
        }
    }

    /// What to say where there is none.
    pub(crate) fn absent(self, name: &str) -> VaultError {
        let no_stage = |stage| VaultError::NoStage { name: name.to_owned(), stage };
        match self {
            Self::Current => no_stage("current"),
            Self::Previous => no_stage("previous"),
            Self::Pending => no_stage("pending"),
            Self::Version(_) => no_stage("such"),
        }
    }
}

/// A value with the id of its version. Its value is in no text that is made of it.
#[derive(Clone)]
pub struct Secret {
    /// The version's id.
    pub version: String,
    /// The value; erased from memory when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Secret {
    /// Whether the value is this one; takes the same time wherever they differ.
    #[must_use]
    pub fn is(&self, other: &[u8]) -> bool {
        bool::from(self.bytes.as_slice().ct_eq(other))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Secret").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A version as a store lists it; never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// Its id: the token that it was put with, or the store's own number.
    pub id: String,
    /// Where it stands.
    pub stage: Stage,
    /// When it was put, in Unix seconds by the store's clock.
    pub created_at: i64,
}

/// A store of secrets. Every call may reach over the network; none repeats a write whose fate is unknown.
pub trait SecretStore: Send + Sync {
    /// Which store this is, for people.
    fn place(&self) -> String;

    /// The names of all secrets, sorted.
    ///
    /// # Errors
    /// [`VaultError::Store`] or what the embedded vault says.
    fn names(&self) -> Result<Vec<String>, VaultError>;

    /// All versions that the store still knows, oldest first.
    ///
    /// # Errors
    /// [`VaultError::NoSecret`] and as [`SecretStore::names`].
    fn versions(&self, name: &str) -> Result<Vec<StoredVersion>, VaultError>;

    /// One version's value.
    ///
    /// # Errors
    /// [`VaultError::NoSecret`], [`VaultError::NoStage`] and as [`SecretStore::names`].
    fn get(&self, name: &str, wanted: Wanted<'_>) -> Result<Secret, VaultError>;

    /// Makes a secret whose first version is current. The same token with the same value again changes nothing.
    ///
    /// # Errors
    /// [`VaultError::SecretExists`] and as [`SecretStore::names`].
    fn create(&self, name: &str, token: &str, value: &[u8], now: i64) -> Result<(), VaultError>;

    /// Puts a version that waits. The same token with the same value again changes nothing.
    ///
    /// # Errors
    /// [`VaultError::Pending`] when another one waits, [`VaultError::OtherValue`] when the token stands for another value, and as
    /// [`SecretStore::versions`].
    fn put_pending(&self, name: &str, token: &str, value: &[u8], now: i64) -> Result<(), VaultError>;

    /// Makes the version current and the current one previous; with the previous version's id this is the way back.
    /// Where it is current already, only what is left of its rotation is cleared away.
    ///
    /// # Errors
    /// [`VaultError::NoStage`] for an unknown version, and as [`SecretStore::versions`].
    fn promote(&self, name: &str, token: &str) -> Result<(), VaultError>;

    /// Drops the version that waits, if there is one.
    ///
    /// # Errors
    /// As [`SecretStore::versions`].
    fn discard_pending(&self, name: &str) -> Result<(), VaultError>;
}

/// A fresh token: 32 random hex digits.
///
/// # Errors
/// [`VaultError::Crypto`] when the system's random source fails.
pub fn fresh_token() -> Result<String, VaultError> {
    Ok(HEXLOWER.encode(&random_bytes(TOKEN_BYTES_MIN / 2)?))
}

/// Tokens go into addresses and files: a small alphabet.
pub(crate) fn check_token(token: &str) -> Result<(), VaultError> {
    let known = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if known && (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
        return Ok(());
    }
    let shown: String = token.chars().take(TOKEN_BYTES_MAX).collect();
    Err(VaultError::Token(shown.escape_debug().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_a_length_and_an_alphabet() {
        check_token(&fresh_token().unwrap()).unwrap();
        check_token("123e4567-e89b-12d3-a456-426614174000").unwrap();
        for token in ["", "short", &"a".repeat(65), &format!("{}/x", "a".repeat(32)), &format!("{}\n", "a".repeat(32))] {
            assert!(matches!(check_token(token), Err(VaultError::Token(_))), "{token:?}");
        }
    }

    #[test]
    fn a_secret_shows_no_value() {
        let secret = Secret { version: "7".into(), bytes: Zeroizing::new(b"needle".to_vec()) };
        assert!(!format!("{secret:?}").contains("needle") && !format!("{secret:?}").contains("110"));
        assert!(secret.is(b"needle") && !secret.is(b"needles") && !secret.is(b"noodle"));
    }
}
