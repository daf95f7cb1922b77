//! Passkeys (T1, T6): a second factor that a false page cannot ask for, by Web Authentication Level 3.
//!
//! Written here, over `aws-lc-rs` and a CBOR reader without dependencies: the crate `webauthn-rs` brings a second crypto library of some
//! thirty crates, with a release candidate of `rsa` among them (RUSTSEC-2023-0071 has no fixed version), for forms that are not used
//! here. What is left is small because of what is asked for: ES256 alone, no attestation, user verification always, and credentials
//! that name their person, so that the login asks for no name and tells nobody which names there are.
//!
//! ```text
//! Challenges::fresh --options--> browser --> Identity::add_passkey       (section 7.1: ceremony::register)
//! Challenges::fresh --options--> browser --> Identity::log_in_by_passkey (section 7.2: ceremony::assert)
//! ```

mod ceremony;
mod parse;
mod store;
#[cfg(test)]
mod tests_device;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::IdentityError;
use crate::token::{hash, random};

pub use store::PasskeyInfo;

/// How long somebody has for a ceremony: section 15.1 recommends 5 to 10 minutes.
pub const CEREMONY_SECONDS: i64 = 300;
/// Ceremonies under way at most; beyond, the oldest is forgotten.
const CEREMONIES_MAX: usize = 10_000;
/// Passkeys of one person at most.
pub const PASSKEYS_MAX: usize = 20;
/// Random bytes of a challenge: section 13.4.3 asks for 16 at least.
const CHALLENGE_BYTES: usize = 32;
/// ECDSA on P-256 with SHA-256, in the registry of COSE algorithms.
const ES256: i64 = -7;

/// Who the browser is told that it registers with: a domain, and the one origin whose pages may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origin: String,
}

impl RelyingParty {
    /// Of the console's address, `https://host` or `https://host:port`; none where the host is no domain (section 5.1.3, an address
    /// of the network is none).
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let authority = url.strip_prefix("https://")?.trim_end_matches('/');
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        let number: u16 = port.parse().ok()?;
        // The last label of an IPv4 address is a number; that of a domain is not.
        let last = host.rsplit('.').next()?;
        if host.is_empty() || !host.bytes().all(plain) || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let port = if number == 443 { String::new() } else { format!(":{number}") };
        Some(Self { id: host.to_owned(), origin: format!("https://{host}{port}") })
    }
}

/// What a challenge was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new passkey of this person.
    Register(String),
    /// A login of whoever has a passkey.
    LogIn,
}

/// Challenges that were sent out and not yet answered. They live in the process, are good once, and not for long.
#[derive(Default)]
pub struct Challenges(Mutex<BTreeMap<[u8; 32], (Purpose, i64)>>);

impl std::fmt::Debug for Challenges {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Challenges")
    }
}

impl Challenges {
    fn fresh(&self, purpose: Purpose, now: i64) -> Result<String, IdentityError> {
        let challenge = BASE64URL_NOPAD.encode(random::<CHALLENGE_BYTES>()?.as_slice());
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (_, ends)| *ends > now);
        if open.len() >= CEREMONIES_MAX
            && let Some(oldest) = open.iter().min_by_key(|(_, (_, ends))| *ends).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(hash(&challenge), (purpose, now.saturating_add(CEREMONY_SECONDS)));
        Ok(challenge)
    }

    /// Uses a challenge up, whatever it was for; whether it was for this.
    pub(crate) fn spend(&self, challenge: &str, purpose: &Purpose, now: i64) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&hash(challenge)).is_some_and(|(of, ends)| of == *purpose && ends > now)
    }

    /// What the browser is asked for a login (section 5.5): any passkey of this place.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`].
    pub fn for_login(&self, party: &RelyingParty, now: i64) -> Result<Value, IdentityError> {
        let challenge = self.fresh(Purpose::LogIn, now)?;
        let milliseconds = CEREMONY_SECONDS.saturating_mul(1000);
        Ok(json!({ "challenge": challenge, "rpId": party.id, "userVerification": "required", "timeout": milliseconds }))
    }

    /// What the browser is asked for a new passkey (section 5.4).
    pub(crate) fn for_registration(
        &self,
        party: &RelyingParty,
        (person, display_name): (&str, &str),
        handle: &[u8],
        held: &[Vec<u8>],
        now: i64,
    ) -> Result<Value, IdentityError> {
        let challenge = self.fresh(Purpose::Register(person.to_owned()), now)?;
        let exclude: Vec<Value> =
            held.iter().map(|id| json!({ "type": "public-key", "id": BASE64URL_NOPAD.encode(id) })).collect();
        Ok(json!({
            "challenge": challenge,
            "rp": { "id": party.id, "name": "Stayward" },
            "user": { "id": BASE64URL_NOPAD.encode(handle), "name": person, "displayName": display_name },
            "pubKeyCredParams": [{ "type": "public-key", "alg": ES256 }],
            "excludeCredentials": exclude,
            "authenticatorSelection": { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" },
            "attestation": "none",
            "timeout": CEREMONY_SECONDS.saturating_mul(1000),
        }))
    }
}

/// What a browser sends for a new passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// `clientDataJSON`, as it was hashed.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation: Vec<u8>,
    /// What the person calls it.
    pub label: String,
}

/// What a browser sends for a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The credential's id.
    pub id: Vec<u8>,
    /// `clientDataJSON`, as it was hashed.
    pub client_data: Vec<u8>,
    /// `authenticatorData`, as it was signed.
    pub authenticator_data: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// `userHandle`: whose the credential is.
    pub user_handle: Vec<u8>,
}

fn decoded(text: &str) -> Result<Vec<u8>, IdentityError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| IdentityError::Passkey("the answer is not base64url"))
}

impl Registration {
    /// Reads what our script sends.
    ///
    /// # Errors
    /// [`IdentityError::Passkey`].
    pub fn parse(sent: Value) -> Result<Self, IdentityError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Sent {
            client_data: String,
            attestation: String,
            label: String,
        }
        let sent: Sent = serde_json::from_value(sent)
            .map_err(|_| IdentityError::Passkey("the answer has not the fields of a registration"))?;
        Ok(Self { client_data: decoded(&sent.client_data)?, attestation: decoded(&sent.attestation)?, label: sent.label })
    }
}

impl Assertion {
    /// Reads what our script sends.
    ///
    /// # Errors
    /// [`IdentityError::Passkey`].
    pub fn parse(sent: Value) -> Result<Self, IdentityError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Sent {
            id: String,
            client_data: String,
            authenticator_data: String,
            signature: String,
            user_handle: String,
        }
        let sent: Sent =
            serde_json::from_value(sent).map_err(|_| IdentityError::Passkey("the answer has not the fields of a login"))?;
        Ok(Self {
            id: decoded(&sent.id)?,
            client_data: decoded(&sent.client_data)?,
            authenticator_data: decoded(&sent.authenticator_data)?,
            signature: decoded(&sent.signature)?,
            user_handle: decoded(&sent.user_handle)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relying_party_is_a_domain() {
        let party = |url| RelyingParty::of_url(url).map(|party| (party.id, party.origin));
        let made = |id: &str, origin: &str| Some((id.to_owned(), origin.to_owned()));
        assert_eq!(party("https://localhost:8443"), made("localhost", "https://localhost:8443"));
        assert_eq!(party("https://churn.example.org/"), made("churn.example.org", "https://churn.example.org"));
        assert_eq!(party("https://churn.example.org:443"), made("churn.example.org", "https://churn.example.org"));
        for url in ["http://localhost", "https://127.0.0.1:8443", "https://[::1]:8443", "https://", "https://a b", "https://a:x"]
        {
            assert_eq!(party(url), None, "{url}");
        }
    }

    #[test]
    fn a_challenge_is_good_once_for_its_purpose_and_not_for_long() {
        let challenges = Challenges::default();
        let ada = || Purpose::Register("ada".to_owned());
        let fresh = |purpose| challenges.fresh(purpose, 1000).unwrap();
        let one = fresh(ada());
        assert!(challenges.spend(&one, &ada(), 1001) && !challenges.spend(&one, &ada(), 1001));
        let two = fresh(ada());
        assert!(!challenges.spend(&two, &Purpose::Register("ben".to_owned()), 1001));
        assert!(!challenges.spend(&two, &ada(), 1001), "used up by the wrong one");
        assert!(!challenges.spend(&fresh(Purpose::LogIn), &ada(), 1001));
        assert!(!challenges.spend(&fresh(Purpose::LogIn), &Purpose::LogIn, 1000 + CEREMONY_SECONDS));
        assert!(!challenges.spend("", &Purpose::LogIn, 1001));
    }

    #[test]
    fn a_flood_forgets_the_oldest() {
        let challenges = Challenges::default();
        let first = challenges.fresh(Purpose::LogIn, 0).unwrap();
        for _ in 0..CEREMONIES_MAX {
            challenges.fresh(Purpose::LogIn, 1).unwrap();
        }
        assert_eq!(challenges.0.lock().unwrap().len(), CEREMONIES_MAX);
        assert!(!challenges.spend(&first, &Purpose::LogIn, 2));
    }
}
