//! How other stores of secrets are asked (T4): over TLS that one named authority vouches for, in bounded time, with bounded answers,
//! and with nothing of what is sent or answered in any error.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http;
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use zeroize::Zeroizing;

use crate::disk::read_limited;
use crate::error::VaultError;
use crate::random_bytes;

/// How long one attempt may take in all; a store that needs longer is as good as down.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Bytes of an answer at most: a list of 10,000 names of 64 bytes, with room for what stands around them.
const ANSWER_BYTES_MAX: u64 = 2 << 20;
/// Bytes of a file with certificates at most; Debian's bundle of all authorities has 220 KB.
const CA_BYTES_MAX: usize = 2 << 20;
/// Certificates in such a file at most.
const CERTIFICATES_MAX: usize = 1_000;
/// Attempts at a call that may be repeated.
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// Before the second attempt, at least; twice as long before the third.
const PAUSE_MS_MIN: u64 = 150;

/// Whether a call may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It reads, or writes what is written already.
    Harmless,
    /// It changes something each time.
    Never,
}

/// A call: everything in it may be secret.
pub(crate) struct Call<'a> {
    pub(crate) method: &'static str,
    /// Below the base address, with a slash first.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, Zeroizing<String>)],
    pub(crate) body: &'a [u8],
    pub(crate) repeat: Repeat,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// A client of one server.
pub(crate) struct Http {
    agent: ureq::Agent,
    base: String,
    place: String,
}

impl Http {
    /// `base` is `https://host[:port]`, or `http://` to this machine itself; `ca` is a PEM file of the authorities that are trusted.
    pub(crate) fn new(place: &str, base: &str, ca: Option<&Path>) -> Result<Self, VaultError> {
        let base = base.trim_end_matches('/');
        let wrong =
            |why: &str, help: &str| VaultError::Store { place: place.to_owned(), why: why.to_owned(), help: help.to_owned() };
        let uri: http::Uri = base
            .parse()
            .map_err(|_| wrong("has an address that is none", "write `https://host:port` in stayward.toml, section `[vault]`"))?;
        let secure = uri.scheme_str() == Some("https");
        let plain_here = uri.scheme_str() == Some("http") && is_own_machine(uri.host().unwrap_or_default());
        if !secure && !plain_here {
            return Err(wrong("is named without TLS", "write `https://`; `http://` is only for 127.0.0.1, [::1] and localhost"));
        }
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/")
            || uri.authority().is_some_and(|host| host.as_str().contains('@'))
        {
            return Err(wrong("has an address with more than host and port", "write `https://host:port`"));
        }
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(ATTEMPT_MAX))
            .timeout_connect(Some(CONNECT_MAX))
            .http_status_as_error(false)
            // Where a store redirects to is not where its token should go.
            .max_redirects(0)
            .user_agent(concat!("stayward/", env!("CARGO_PKG_VERSION")));
        if secure {
            let ca = ca.ok_or_else(|| {
                wrong("is asked over TLS, and no authority is named", "name its CA certificate: `ca = \"ca.pem\"`")
            })?;
            config = config.https_only(true).tls_config(trusting(place, ca)?);
        } else {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), base: base.to_owned(), place: place.to_owned() })
    }

    /// An error of this store.
    pub(crate) fn error(&self, why: impl Into<String>, help: impl Into<String>) -> VaultError {
        VaultError::Store { place: self.place.clone(), why: why.into(), help: help.into() }
    }

    /// Which store it is.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Sends the call; again after a pause where that is harmless and the server was not to be had.
    pub(crate) fn send(&self, call: &Call<'_>) -> Result<Answer, VaultError> {
        let mut attempt = 1;
        loop {
            let answered = self.once(call);
            let passing = match &answered {
                Ok(answer) => matches!(answer.status, 429 | 500 | 502 | 503 | 504),
                Err(error) => may_pass(error),
            };
            if !passing || call.repeat == Repeat::Never || attempt >= ATTEMPTS_MAX {
                return answered.map_err(|error| self.unreachable(&error));
            }
            std::thread::sleep(pause(attempt)?);
            attempt += 1;
        }
    }

    fn once(&self, call: &Call<'_>) -> Result<Answer, ureq::Error> {
        let request = call.headers.iter().fold(
            http::Request::builder().method(call.method).uri(format!("{}{}", self.base, call.path)),
            |request, (name, value)| {
                let mut header = http::HeaderValue::from_str(value);
                if let Ok(value) = &mut header {
                    value.set_sensitive(true);
                }
                match header {
                    Ok(value) => request.header(*name, value),
                    // A value that is no header ends the request as such.
                    Err(_) => request.header(*name, "\n"),
                }
            },
        );
        // A method without a body must not send an empty one.
        let mut response = if call.body.is_empty() && matches!(call.method, "GET" | "DELETE") {
            self.agent.run(request.body(())?)?
        } else {
            self.agent.run(request.body(call.body)?)?
        };
        let status = response.status().as_u16();
        let read = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok(Answer { status, body: Zeroizing::new(read?) })
    }

    fn unreachable(&self, error: &ureq::Error) -> VaultError {
        let text = error.to_string();
        if matches!(error, ureq::Error::Http(_)) {
            return self.error("was not asked: a token or name holds a byte that no header may", "look at the file of its token");
        }
        if matches!(error, ureq::Error::BodyExceedsLimit(_)) {
            let why = format!("answered more than {ANSWER_BYTES_MAX} bytes");
            return self.error(why, "see that the address is that of the store and of nothing else");
        }
        if text.contains("certificate") || matches!(error, ureq::Error::Tls(_) | ureq::Error::Rustls(_)) {
            let why = format!("has a certificate that is not accepted: {text}");
            return self.error(why, "name the certificate of its authority in stayward.toml, `[vault]`, key `ca`");
        }
        if matches!(error, ureq::Error::Timeout(_)) {
            return self
                .error(format!("gave no answer in {} seconds", ATTEMPT_MAX.as_secs()), "see whether it is up, and try again");
        }
        self.error(format!("cannot be reached: {text}"), "see whether it is up and the address is right, and try again")
    }
}

/// Whether the same may go well a moment later.
fn may_pass(error: &ureq::Error) -> bool {
    let lost = matches!(error, ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed);
    lost && !error.to_string().contains("certificate")
}

/// Between attempts: a random part keeps many clients of a store that comes up again from asking all at once.
pub(crate) fn pause(attempt: u32) -> Result<Duration, VaultError> {
    let step = PAUSE_MS_MIN << attempt.saturating_sub(1).min(4);
    let random = random_bytes(1)?.first().copied().map_or(0, u64::from);
    Ok(Duration::from_millis(step + step * random / 255))
}

fn is_own_machine(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// TLS that trusts the authorities of a PEM file and no others.
fn trusting(place: &str, ca: &Path) -> Result<TlsConfig, VaultError> {
    let pem = read_limited(ca, CA_BYTES_MAX)?;
    let items = parse_pem(&pem).take(CERTIFICATES_MAX);
    let certificates: Vec<_> = items
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            Ok(_) | Err(_) => None,
        })
        .collect();
    if certificates.is_empty() {
        let why = format!("has no authority: `{}` holds no certificate", ca.display());
        return Err(VaultError::Store { place: place.to_owned(), why, help: "name a PEM file".to_owned() });
    }
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build())
}
