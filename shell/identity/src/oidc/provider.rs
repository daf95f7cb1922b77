//! The provider over HTTPS (T1, T6): discovery, keys, and the exchange of a code; every answer within limits of bytes and time, no
//! redirect followed, TLS to pinned or the system's authorities. Calls block: the shell makes them aside.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};
use zeroize::Zeroizing;

use super::claims::{self, AUTH_AGE_SECONDS_MAX, Expected, Proven};
use super::{ANSWER_BYTES_MAX, Callback, LoginRequest, OidcRules, escape, refused};
use crate::error::IdentityError;
use crate::jose::{Checked, Jws, KeySet};

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer at most: tokens with hundreds of groups stay far below.
const BODY_BYTES_MAX: u64 = 256 * 1024;
/// Seconds after which metadata and keys are read again.
const METADATA_SECONDS: i64 = 3600;
/// Seconds between two reads of the keys because a token names one that is not known: strangers must not drive them.
const KEYS_AGAIN_SECONDS: i64 = 30;
/// How long a provider that could not be read is not asked again: whoever comes must not wait for it each time.
const FAILED_SECONDS: i64 = 5;
/// Bytes of a file with certificates at most.
const CA_BYTES_MAX: u64 = 4 << 20;
/// Where systems keep the authorities that they trust: Debian and Arch, Fedora, SUSE, Alpine.
const SYSTEM_AUTHORITIES: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// What the provider says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Clone)]
struct Known {
    metadata: Metadata,
    keys: KeySet,
    metadata_at: i64,
    keys_at: i64,
}

/// One provider. Shared by the tasks of a server; what it read is kept for an hour.
pub struct Provider {
    rules: OidcRules,
    agent: ureq::Agent,
    known: Mutex<Option<Arc<Known>>>,
    /// When the provider last could not be read, and why.
    failed: Mutex<Option<(i64, String)>>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Provider").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

impl Provider {
    /// Reads the authorities that TLS may chain to; asks nobody yet.
    ///
    /// # Errors
    /// [`IdentityError::Provider`].
    pub fn new(rules: OidcRules) -> Result<Self, IdentityError> {
        https(&rules.issuer)?;
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(authorities(rules.ca.as_deref())?)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .https_only(true)
            .build();
        Ok(Self { rules, agent: config.into(), known: Mutex::new(None), failed: Mutex::new(None) })
    }

    /// What was agreed with it.
    #[must_use]
    pub fn rules(&self) -> &OidcRules {
        &self.rules
    }

    /// Where the browser goes to begin (Core, section 3.1.2.1). Blocks.
    ///
    /// # Errors
    /// [`IdentityError::Provider`].
    pub fn authorization_url(&self, request: &LoginRequest, redirect_uri: &str, now: i64) -> Result<String, IdentityError> {
        let endpoint = &self.known(now)?.metadata.authorization_endpoint;
        let mut scopes = vec!["openid"];
        scopes.extend(self.rules.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"));
        let (scope, challenge, max_age) = (scopes.join(" "), request.challenge(), AUTH_AGE_SECONDS_MAX.to_string());
        let fields = [
            ("response_type", "code"),
            ("client_id", &self.rules.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &scope),
            ("state", &request.state),
            ("nonce", &request.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("max_age", &max_age),
        ];
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{joint}{}", form(&fields)))
    }

    /// Exchanges the code and judges the ID token. Blocks. The caller has compared the state before
    /// ([`LoginRequest::is_answered_by`]).
    ///
    /// # Errors
    /// [`IdentityError::ProviderLogin`] with what was wrong, or [`IdentityError::Provider`].
    pub fn redeem(
        &self,
        request: &LoginRequest,
        callback: Callback<'_>,
        redirect_uri: &str,
        now: i64,
    ) -> Result<Proven, IdentityError> {
        let known = self.known(now)?;
        match callback.issuer {
            Some(issuer) if issuer != self.rules.issuer => return Err(refused("the answer comes from another issuer")),
            None if known.metadata.authorization_response_iss_parameter_supported => {
                return Err(refused("the answer does not say from which issuer it comes"));
            }
            Some(_) | None => {}
        }
        if callback.code.is_empty() || callback.code.len() > ANSWER_BYTES_MAX {
            return Err(refused("the answer has no code, or one that is too long"));
        }
        let tokens = self.exchange(&known.metadata, request, callback.code, redirect_uri)?;
        let jws = Jws::parse(&tokens.id_token).map_err(refused)?;
        // RFC 8725, section 3.11: an access token of the same provider is no ID token.
        if jws.typ.as_deref().is_some_and(|typ| typ != "jwt") {
            return Err(refused("the token is of another type than an ID token"));
        }
        let newer;
        let mut checked = known.keys.verify(&jws);
        // A token that names no key may be signed by one that came since.
        if checked == Checked::NoKey || checked == Checked::Forged && jws.kid.is_none() {
            newer = self.newer_keys(&known, now)?;
            checked = newer.verify(&jws);
        }
        let payload = match checked {
            Checked::Good(payload) => payload,
            Checked::Forged => return Err(refused("the ID token's signature is wrong")),
            Checked::NoKey => return Err(refused("the ID token is signed by a key that the provider does not publish")),
        };
        let expected = Expected {
            rules: &self.rules,
            nonce: &request.nonce,
            access_token: tokens.access_token.as_deref(),
            algorithm: jws.algorithm,
            now,
        };
        claims::check(payload, &expected).map_err(refused)
    }

    fn exchange(
        &self,
        metadata: &Metadata,
        request: &LoginRequest,
        code: &str,
        redirect_uri: &str,
    ) -> Result<Tokens, IdentityError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", request.verifier.as_str()),
        ];
        let mut post = self.agent.post(&metadata.token_endpoint).header("Accept", "application/json");
        let id = self.rules.client_id.as_str();
        // RFC 6749, section 2.3.1: the header, which every provider takes, unless this one says that it does not.
        let by_form = metadata
            .token_endpoint_auth_methods_supported
            .as_ref()
            .is_some_and(|methods| !methods.iter().any(|method| method == "client_secret_basic"));
        match &self.rules.client_secret {
            Some(secret) if !by_form => {
                let pair = Zeroizing::new(format!("{}:{}", escape(id), escape(secret)));
                let header = Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())));
                post = post.header("Authorization", header.as_str());
            }
            Some(secret) => fields.extend([("client_id", id), ("client_secret", secret.as_str())]),
            None => fields.push(("client_id", id)),
        }
        let body = Zeroizing::new(form(&fields));
        let answer = post.header("Content-Type", "application/x-www-form-urlencoded").send(body.as_bytes());
        let (status, bytes) = read(answer, &metadata.token_endpoint)?;
        if status != 200 {
            return Err(refused(format!("the provider took the code for wrong or used (status {status})")));
        }
        serde_json::from_slice(&bytes).map_err(|_| refused("the provider's answer has no ID token"))
    }

    /// Metadata and keys, read again after an hour.
    fn known(&self, now: i64) -> Result<Arc<Known>, IdentityError> {
        let kept = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| (0..METADATA_SECONDS).contains(&now.saturating_sub(kept.metadata_at))) {
            return Ok(kept);
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, why)) = failed
            && (0..FAILED_SECONDS).contains(&now.saturating_sub(at))
        {
            return Err(IdentityError::Provider(why));
        }
        let read = self.read_metadata(now);
        if let Err(IdentityError::Provider(why)) = &read {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, why.clone()));
        }
        read
    }

    fn read_metadata(&self, now: i64) -> Result<Arc<Known>, IdentityError> {
        let url = format!("{}/.well-known/openid-configuration", self.rules.issuer.trim_end_matches('/'));
        let metadata: Metadata = serde_json::from_slice(&self.get(&url)?)
            .map_err(|error| IdentityError::Provider(format!("`{url}` cannot be read: {error}")))?;
        // Discovery, section 4.3: a provider that names itself otherwise is another one.
        if metadata.issuer != self.rules.issuer {
            return Err(IdentityError::Provider(format!("`{url}` is of another issuer")));
        }
        for endpoint in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
            https(endpoint)?;
        }
        let keys = self.keys(&metadata.jwks_uri)?;
        let fresh = Arc::new(Known { metadata, keys, metadata_at: now, keys_at: now });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// The keys of this moment, at most so often: providers rotate them.
    fn newer_keys(&self, known: &Known, now: i64) -> Result<KeySet, IdentityError> {
        if (0..KEYS_AGAIN_SECONDS).contains(&now.saturating_sub(known.keys_at)) {
            return Ok(known.keys.clone());
        }
        let keys = self.keys(&known.metadata.jwks_uri)?;
        let fresh = Known { keys: keys.clone(), keys_at: now, ..known.clone() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(fresh));
        Ok(keys)
    }

    fn keys(&self, url: &str) -> Result<KeySet, IdentityError> {
        KeySet::parse(&self.get(url)?).map_err(|why| IdentityError::Provider(format!("`{url}`: {why}")))
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, IdentityError> {
        let (status, bytes) = read(self.agent.get(url).header("Accept", "application/json").call(), url)?;
        if status == 200 { Ok(bytes) } else { Err(IdentityError::Provider(format!("`{url}` answers with status {status}"))) }
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>, url: &str) -> Result<(u16, Vec<u8>), IdentityError> {
    let failed = |error: ureq::Error| IdentityError::Provider(format!("`{url}`: {error}"));
    let mut answer = answer.map_err(failed)?;
    let bytes = answer.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec().map_err(failed)?;
    Ok((answer.status().as_u16(), bytes))
}

fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
}

fn https(url: &str) -> Result<(), IdentityError> {
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    if url.starts_with("https://") && plain && !url.contains('#') {
        return Ok(());
    }
    Err(IdentityError::Provider(format!("`{}` is no https address", url.escape_debug())))
}

/// The certificates of the file, or of the first place where a system keeps its own.
fn authorities(file: Option<&Path>) -> Result<Vec<Certificate<'static>>, IdentityError> {
    let system = || SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.is_file());
    let path = file.or_else(system).ok_or_else(|| {
        IdentityError::Provider("this system keeps no list of trusted authorities; name one with `ca`".to_owned())
    })?;
    let failed = |why: String| IdentityError::Provider(format!("`{}`: {why}", path.display()));
    let bytes = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if bytes > CA_BYTES_MAX {
        return Err(failed(format!("it has more than `{CA_BYTES_MAX}` bytes")));
    }
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            Ok(_) | Err(_) => None,
        })
        .collect();
    if certificates.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(certificates) }
}
