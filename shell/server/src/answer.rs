//! What leaves (T3: restricted debugging info): every refusal has one shape and tells only a reference; no header tells of the server.

use std::borrow::Cow;

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use pipeline::serving::Reply;
use serde::Serialize;

/// Random bytes of a reference that the server makes by itself.
const REFERENCE_BYTES: usize = 4;
/// Two years, as browsers' preload lists ask for.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000");

const WANT_DIGEST: HeaderName = HeaderName::from_static("want-content-digest");

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer, whole in memory.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Why a request is not answered: the status for the caller, the words for the operator.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) why: Cow<'static, str>,
    /// The pipeline's reference, where it refused; it has then taken the reasons down.
    pub(crate) reference: Option<String>,
    pub(crate) retry_after_seconds: Option<u32>,
    /// The methods that there are, for 405.
    pub(crate) allow: Option<String>,
    /// Columns that a what-if lacks or that the model does not have: names only, and only for whom may see them in the metadata.
    pub(crate) columns: Columns,
    /// The rule that refused a file of a feed: told to a sender who is known, and to nobody else.
    pub(crate) rule: Option<&'static str>,
}

/// Names of columns with which a what-if did not fit.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Columns {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(flatten)]
    columns: &'a Columns,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, why: impl Into<Cow<'static, str>>) -> Self {
        let columns = Columns::default();
        Self { status, why: why.into(), reference: None, retry_after_seconds: None, allow: None, columns, rule: None }
    }

    /// By a rule of the way in for feeds.
    pub(crate) fn of_rule(status: StatusCode, rule: &'static str, why: impl Into<Cow<'static, str>>) -> Self {
        Self { rule: Some(rule), ..Self::new(status, why) }
    }

    pub(crate) fn bad(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    pub(crate) fn nowhere() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such path")
    }

    pub(crate) fn internal(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, why)
    }

    pub(crate) fn later(status: StatusCode, why: impl Into<Cow<'static, str>>, seconds: u32) -> Self {
        Self { retry_after_seconds: Some(seconds), ..Self::new(status, why) }
    }

    /// The refusal in a reply; a reply with an answer is none.
    pub(crate) fn of(reply: Reply) -> Result<Reply, Self> {
        match reply {
            Reply::Told { .. } => Ok(reply),
            Reply::Refused { status, reference, retry_after_seconds } => {
                let status = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                Err(Self { reference: Some(reference), retry_after_seconds, ..Self::new(status, "the pipeline refused") })
            }
        }
    }

    /// The reference: the pipeline's, or a fresh one.
    pub(crate) fn settled_reference(&self) -> String {
        let given = self.reference.as_deref().map(plain).unwrap_or_default();
        if given.is_empty() { fresh_reference() } else { given }
    }

    /// What the caller reads.
    pub(crate) fn told(&self, reference: &str) -> Answer {
        let body = RefusedJson { error: format!("refused, ref {reference}"), rule: self.rule, columns: &self.columns };
        let mut body = serde_json::to_vec(&body).unwrap_or_default();
        body.push(b'\n');
        let mut answer = with_body(self.status, JSON, body);
        self.add_headers(answer.headers_mut());
        answer
    }

    /// The headers that the status asks for (RFC 9110, sections 10.2.1, 10.2.3, 11.6.1).
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        } else if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
        }
        if let Some(allow) = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        // RFC 9530, section 4: which digests are wanted, and how much.
        if self.rule == Some("arrival-digest") {
            headers.insert(WANT_DIGEST, HeaderValue::from_static("sha-256=10, sha-512=5"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(self.status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Letters, digits and `-` of a reference: whatever else the pipeline's has, it does not reach a caller.
fn plain(reference: &str) -> String {
    reference.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(64).collect()
}

/// A random reference.
pub(crate) fn fresh_reference() -> String {
    let mut bytes = [0_u8; REFERENCE_BYTES];
    // Without randomness the reference is all zeros: still an answer, and the operator sees the failure elsewhere soon enough.
    let _filled = rand::fill(&mut bytes);
    HEXLOWER.encode(&bytes)
}

/// An answer with a body.
pub(crate) fn with_body(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// An answer in JSON, which ends as a line of text does.
pub(crate) fn json(value: &impl Serialize) -> Result<Answer, Refusal> {
    let mut body = serde_json::to_vec(value).map_err(|_| Refusal::internal("an answer could not be written as JSON"))?;
    body.push(b'\n');
    Ok(with_body(StatusCode::OK, JSON, body))
}

/// The headers of every answer. Browsers remember strict transport for a whole host, so it is not asked for on `localhost`, where
/// other programs of the same person listen without TLS; for addresses browsers ignore it (RFC 6797, section 8.1.1).
pub(crate) fn add_common_headers(headers: &mut HeaderMap, host: Option<&str>) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    if name.is_some_and(|name| !name.eq_ignore_ascii_case("localhost")) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_of_the_pipeline_is_kept_plain() {
        let refusal = |reference: &str| Refusal { reference: Some(reference.to_owned()), ..Refusal::nowhere() };
        assert_eq!(refusal("8c21").settled_reference(), "8c21");
        assert_eq!(refusal("8c21\"/src").settled_reference(), "8c21src");
        assert_eq!(refusal("\"").settled_reference().len(), REFERENCE_BYTES * 2);
    }

    #[test]
    fn strict_transport_is_not_asked_of_localhost() {
        let asked = |host: Option<&str>| {
            let mut headers = HeaderMap::new();
            add_common_headers(&mut headers, host);
            headers.contains_key(header::STRICT_TRANSPORT_SECURITY)
        };
        assert!(asked(Some("churn.example.org:8443")) && asked(Some("127.0.0.1:8443")));
        assert!(!asked(Some("localhost:8443")) && !asked(Some("LOCALHOST")) && !asked(None));
    }
}
