//! The caller's side: asks a running service over HTTPS, trusting the project's own authority and nobody else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pipeline::PipelineError;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::commands::wrong;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// A client that trusts one authority.
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    key: String,
}

/// A status and a body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: serde_json::Value,
}

impl Client {
    /// `ca` is a PEM file: `<project>/tls/ca.pem`.
    pub(crate) fn new(base: &str, ca: &Path, key: &str) -> Result<Self, PipelineError> {
        let help = "start the service with `stayward serve`, which makes it on its first run, or name another with --ca";
        let pem = std::fs::read(ca).map_err(|error| wrong(format!("`{}`: {error}", ca.display()), help))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(format!("`{}`: {error}", ca.display()), help))?;
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(vec![certificate])))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .https_only(true)
            .build();
        Ok(Self { agent: config.into(), base: base.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    /// Asks about one customer.
    pub(crate) fn customer(&self, id: &str) -> Result<Answer, PipelineError> {
        let url = format!("{}/v1/customers/{}/churn", self.base, escape(id));
        let response = self.agent.get(&url).header("Authorization", &format!("Bearer {}", self.key)).call();
        self.answer(response, &url)
    }

    /// Asks about several.
    pub(crate) fn customers(&self, ids: &[String]) -> Result<Answer, PipelineError> {
        let url = format!("{}/v1/predictions", self.base);
        let body = serde_json::json!({ "customers": ids }).to_string();
        let response = self
            .agent
            .post(&url)
            .header("Authorization", &format!("Bearer {}", self.key))
            .header("Content-Type", "application/json")
            .send(body.as_bytes());
        self.answer(response, &url)
    }

    fn answer(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        url: &str,
    ) -> Result<Answer, PipelineError> {
        let unreachable = |why: String| PipelineError::Internal(format!("{url} gives no answer: {why}"));
        let mut response = response.map_err(|error| unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(|error| unreachable(error.to_string()))?;
        let body = serde_json::from_str(&text).map_err(|error| unreachable(format!("no JSON: {error}")))?;
        Ok(Answer { status, body })
    }
}

/// Percent-encodes what a path segment may not hold (RFC 3986, section 2.3).
fn escape(id: &str) -> String {
    id.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
