//! Rotation of a secret in four steps, as AWS Secrets Manager defines them: create, set, test, finish (T4).
//!
//! A rotation may end anywhere, by an error or by a kill, and is taken up again by calling it again: what is pending says how far it
//! came. Until `finish` everybody is answered with the value before, and after it that value stays readable as previous. The steps
//! `set` and `test` may run twice, so their owner makes them idempotent: that is the contract of AWS' rotation functions too.

use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::store::{Secret, SecretStore, Wanted, check_token, fresh_token};
use crate::{Stage, random_bytes};

/// Random bytes of a value that nobody chose: 43 letters of base64url.
const FRESH_BYTES: usize = 32;

/// The four steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new value is made and put as pending.
    Create,
    /// What the secret opens learns the new value.
    Set,
    /// The new value is tried.
    Test,
    /// The new value becomes current.
    Finish,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Create, Self::Set, Self::Test, Self::Finish];

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Set => "set",
            Self::Test => "test",
            Self::Finish => "finish",
        }
    }
}

/// What a rotation does to the thing that the secret opens. An error is a text without any value.
pub trait Rotator {
    /// The new value.
    ///
    /// # Errors
    /// Why there is none.
    fn create(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, String>;

    /// Whether a value that an earlier attempt left pending may be gone on with.
    ///
    /// # Errors
    /// Why not.
    fn goes_on_with(&self, pending: &Secret) -> Result<(), String>;

    /// Has the database, service, ... accept the pending value; may be called again with the same one.
    ///
    /// # Errors
    /// Why it does not.
    fn set(&self, name: &str, current: &Secret, pending: &Secret) -> Result<(), String>;

    /// Tries the pending value.
    ///
    /// # Errors
    /// Why it does not open what it should.
    fn test(&self, name: &str, current: &Secret, pending: &Secret) -> Result<(), String>;
}

/// A rotation that only replaces the value: by one that is given, or by a random one. Nothing else learns of it.
pub struct Replacement {
    given: Option<Zeroizing<Vec<u8>>>,
}

impl Replacement {
    /// By this value.
    #[must_use]
    pub fn by(value: Zeroizing<Vec<u8>>) -> Self {
        Self { given: Some(value) }
    }

    /// By 43 random letters.
    #[must_use]
    pub const fn random() -> Self {
        Self { given: None }
    }
}

impl Rotator for Replacement {
    fn create(&self, _name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        let bytes = random_bytes(FRESH_BYTES).map_err(|error| error.to_string())?;
        Ok(Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(&bytes).into_bytes()))
    }

    fn goes_on_with(&self, pending: &Secret) -> Result<(), String> {
        match &self.given {
            Some(given) if !pending.is(given) => Err("an earlier rotation waits with another value".to_owned()),
            Some(_) | None => Ok(()),
        }
    }

    fn set(&self, _name: &str, _current: &Secret, _pending: &Secret) -> Result<(), String> {
        Ok(())
    }

    fn test(&self, _name: &str, _current: &Secret, _pending: &Secret) -> Result<(), String> {
        Ok(())
    }
}

/// How a rotation ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The id of the version that is current now.
    pub token: String,
    /// The first step that this call did; absent where the token was current already.
    pub from: Option<Step>,
}

/// Rotates the secret, or goes on with a rotation that was begun. With `token` the call may be repeated for ever: the second time
/// it finds the version current and does nothing. `before` is told of every step that is about to be done, with the token; its
/// refusal ends the rotation there. `now` in Unix seconds.
///
/// # Errors
/// [`VaultError::Step`] when an owner of a step refuses, [`VaultError::Pending`] when another token's rotation is under way, and
/// what the store says.
pub fn rotate(
    store: &dyn SecretStore,
    name: &str,
    token: Option<&str>,
    rotator: &dyn Rotator,
    now: i64,
    before: &mut dyn FnMut(Step, &str) -> Result<(), VaultError>,
) -> Result<Rotated, VaultError> {
    let stopped = |step: Step| move |why| VaultError::Step { name: name.to_owned(), step: step.as_str(), why };
    token.map_or(Ok(()), check_token)?;
    let versions = store.versions(name)?;
    let id_at = |stage| versions.iter().find(|version| version.stage == stage).map(|version| version.id.clone());
    let (current_id, pending_id) = (id_at(Stage::Current), id_at(Stage::Pending));
    let (token, mut from) = match (token, pending_id) {
        (Some(token), Some(pending)) if pending != token => return Err(VaultError::Pending(name.to_owned())),
        (Some(token), None) if current_id.as_deref() == Some(token) => {
            return Ok(Rotated { token: token.to_owned(), from: None });
        }
        (_, Some(pending)) => (pending, None),
        (Some(token), None) => (token.to_owned(), Some(Step::Create)),
        (None, None) => (fresh_token()?, Some(Step::Create)),
    };
    if from.is_some() {
        before(Step::Create, &token)?;
        let value = rotator.create(name).map_err(stopped(Step::Create))?;
        store.put_pending(name, &token, &value, now)?;
    } else if current_id.as_deref() != Some(&token) {
        rotator.goes_on_with(&store.get(name, Wanted::Pending)?).map_err(stopped(Step::Create))?;
    }
    // A kill in the middle of `finish` leaves a version that is both: only clearing up remains.
    if current_id.as_deref() != Some(&token) {
        let current = store.get(name, Wanted::Current)?;
        let pending = store.get(name, Wanted::Pending)?;
        from = from.or(Some(Step::Set));
        before(Step::Set, &token)?;
        rotator.set(name, &current, &pending).map_err(stopped(Step::Set))?;
        before(Step::Test, &token)?;
        rotator.test(name, &current, &pending).map_err(stopped(Step::Test))?;
    }
    before(Step::Finish, &token)?;
    store.promote(name, &token)?;
    Ok(Rotated { token, from: Some(from.unwrap_or(Step::Finish)) })
}
