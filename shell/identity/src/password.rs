//! Passwords (T1, T6): kept as argon2id, checked by few workers at a time, and checked against a dummy for names that do not exist.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::IdentityError;
use crate::token::random;

/// Characters of a password at least; it is never the only factor for anything that writes.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Bytes of a password at most.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// argon2id costs of the OWASP password storage cheat sheet: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
/// Hashes at a time: four need 76 MiB and keep a small machine answering.
const HASHES_AT_A_TIME: usize = 4;

/// Hashes and checks passwords off the async threads.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    /// Hash of a password that nobody has: the work for unknown names is the work for known ones.
    dummy: Arc<str>,
}

impl Passwords {
    pub(crate) async fn new() -> Result<Self, IdentityError> {
        let unknown = data_encoding::HEXLOWER.encode(random::<16>()?.as_slice());
        let places = Arc::new(Semaphore::new(HASHES_AT_A_TIME));
        let mut passwords = Self { places, dummy: Arc::from("") };
        passwords.dummy = Arc::from(passwords.hash(&unknown).await?);
        Ok(passwords)
    }

    pub(crate) async fn hash(&self, password: &str) -> Result<String, IdentityError> {
        let password = Zeroizing::new(password.to_owned());
        self.run(move || {
            let failed = |_| IdentityError::Crypto("hash the password");
            let salt = random::<SALT_BYTES>()?;
            let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| IdentityError::Crypto("hash the password"))?;
            let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
            let hash: PasswordHash =
                hasher.hash_password_customized(password.as_bytes(), salt.as_slice(), None, None, params).map_err(failed)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether the password has this hash; without a hash the same work is done and the answer is no.
    pub(crate) async fn verify(&self, password: &str, phc: Option<&str>) -> Result<bool, IdentityError> {
        let known = phc.is_some();
        let phc = phc.unwrap_or(&self.dummy).to_owned();
        let password = Zeroizing::new(password.to_owned());
        let matches = self
            .run(move || {
                let parsed = PasswordHash::new(&phc).map_err(|_| IdentityError::Corrupt("a password hash"))?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
            })
            .await?;
        Ok(matches && known)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let stopped = || IdentityError::Crypto("run the password hash");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| stopped())?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|_| stopped())?
    }
}

/// Refuses passwords that are short, very long, one character repeated, or that contain the person's name.
pub(crate) fn check_strength(name: &str, password: &str) -> Result<(), IdentityError> {
    let mut characters = password.chars();
    let first = characters.next();
    let refuse = |why| Err(IdentityError::Password(why));
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return refuse("has fewer than 12 characters");
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return refuse("has more than 256 bytes");
    }
    if characters.all(|character| Some(character) == first) {
        return refuse("is one character, repeated");
    }
    if name.len() >= 3 && password.to_lowercase().contains(name) {
        return refuse("contains the name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_argon2id_at_the_documented_cost_and_verifies() {
        let passwords = Passwords::new().await.unwrap();
        let phc = passwords.hash("correct horse battery").await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(passwords.verify("correct horse battery", Some(&phc)).await.unwrap());
        assert!(!passwords.verify("correct horse batterz", Some(&phc)).await.unwrap());
        assert!(!passwords.verify("correct horse battery", None).await.unwrap());
        assert!(matches!(passwords.verify("x", Some("junk")).await, Err(IdentityError::Corrupt(_))));
    }

    #[test]
    fn weak_passwords_are_refused() {
        for weak in ["short", "aaaaaaaaaaaaaaaa", "i am Alice the great", &"ab".repeat(200)] {
            assert!(check_strength("alice", weak).is_err(), "{weak}");
        }
        check_strength("alice", "correct horse battery").unwrap();
        check_strength("al", "royal horse battery").unwrap();
    }
}
