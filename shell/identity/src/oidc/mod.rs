//! Login by a provider of the organisation (T1, T6): OpenID Connect's authorization code flow with PKCE, as a relying party.
//!
//! ```text
//! LoginRequest (state, nonce, verifier, all of one secret)  --Provider::authorization_url-->  the person's browser
//!   --code, state-->  Provider::redeem (token endpoint, keys)  --claims::check-->  Proven  --Identity::log_in_by_provider-->  Session
//! ```
//!
//! By OpenID Connect Core 1.0 (section 3.1), RFC 7636 (PKCE, S256 only), RFC 9207 (issuer in the answer) and RFC 9700 (best practice):
//! a state is bound to the browser that began, a code to the verifier, an ID token to nonce, client and issuer.

mod account;
pub(crate) mod claims;
mod provider;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::error::IdentityError;
use crate::jose::same_text;
use crate::role::Role;
use crate::token::random;

pub use claims::Proven;
pub use provider::Provider;

/// Bytes of an authorization code or of another parameter of the provider's answer.
pub const ANSWER_BYTES_MAX: usize = 2048;
/// Seconds that somebody has for logging in at the provider.
pub const LOGIN_SECONDS: u32 = 600;

/// When a login at the provider counts as one with a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecondFactorRule {
    /// When the ID token says so: one of these words in `amr` (RFC 8176), or one of these in `acr`.
    Claims {
        /// Accepted methods.
        amr: BTreeSet<String>,
        /// Accepted classes.
        acr: BTreeSet<String>,
    },
    /// Always: the provider lets nobody in without one, and the project's owner vouches for that.
    Provider,
}

/// What a project agrees with its provider.
#[derive(Clone)]
pub struct OidcRules {
    /// The issuer, exactly as its tokens name it; `https`.
    pub issuer: String,
    /// This program's id there.
    pub client_id: String,
    /// Its secret; a public client has none and relies on PKCE.
    pub client_secret: Option<Zeroizing<String>>,
    /// Certificates (PEM) that the provider's TLS may chain to; the system's where absent.
    pub ca: Option<PathBuf>,
    /// Scopes beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with the person's groups.
    pub groups_claim: String,
    /// The claim that a new account is named by.
    pub name_claim: String,
    /// Roles by group.
    pub roles: BTreeMap<String, BTreeSet<Role>>,
    /// Whether somebody without an account gets one.
    pub creates: bool,
    /// When a login counts as one with a second factor.
    pub second_factor: SecondFactorRule,
}

impl std::fmt::Debug for OidcRules {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OidcRules")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// One login under way. All three values come from one secret, so whoever began can make them again and nothing has to be kept.
pub struct LoginRequest {
    state: String,
    nonce: String,
    verifier: Zeroizing<String>,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LoginRequest(***)")
    }
}

impl LoginRequest {
    /// A login of its own: for a program that waits for the answer itself.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`].
    pub fn fresh() -> Result<Self, IdentityError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, random::<32>()?.as_slice());
        Ok(Self::derived(&key, ""))
    }

    /// The login that `seed` stands for, a random text that the browser keeps; `key` never leaves the server, so that the browser's
    /// cookie alone tells neither nonce nor verifier.
    #[must_use]
    pub fn derived(key: &hmac::Key, seed: &str) -> Self {
        let of = |word: &str| BASE64URL_NOPAD.encode(hmac::sign(key, format!("oidc {word}:{seed}").as_bytes()).as_ref());
        Self { state: of("state"), nonce: of("nonce"), verifier: Zeroizing::new(of("verifier")) }
    }

    /// The state, as it stands in the address that the browser is sent to.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Whether the provider's answer is to this login.
    #[must_use]
    pub fn is_answered_by(&self, state: &str) -> bool {
        same_text(&self.state, state)
    }

    /// The challenge of the verifier (RFC 7636, section 4.2).
    fn challenge(&self) -> String {
        BASE64URL_NOPAD.encode(digest(&SHA256, self.verifier.as_bytes()).as_ref())
    }
}

/// What the provider sent back by the browser.
#[derive(Debug, Clone, Copy)]
pub struct Callback<'a> {
    /// The authorization code.
    pub code: &'a str,
    /// Who answers, where the answer says so.
    pub issuer: Option<&'a str>,
}

/// Percent-encodes a value of a query or form (RFC 3986, section 2.3).
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

pub(crate) fn refused(why: impl Into<String>) -> IdentityError {
    IdentityError::ProviderLogin(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_made_again_from_its_seed_and_nobody_elses() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let (one, again) = (LoginRequest::derived(&key, "seed"), LoginRequest::derived(&key, "seed"));
        assert!(one.is_answered_by(&again.state) && one.nonce == again.nonce && one.verifier == again.verifier);
        let other = LoginRequest::derived(&key, "other");
        assert!(!one.is_answered_by(&other.state) && !one.is_answered_by("") && !one.is_answered_by(&one.nonce));
        let elsewhere = LoginRequest::derived(&hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]), "seed");
        assert!(!one.is_answered_by(&elsewhere.state));
        assert!(one.state != one.nonce && one.nonce != *one.verifier);
        // RFC 7636, section 4.1: 43 to 128 characters.
        assert_eq!(one.verifier.len(), 43);
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = Zeroizing::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        let request = LoginRequest { state: String::new(), nonce: String::new(), verifier };
        assert_eq!(request.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
