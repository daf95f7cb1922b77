//! Bodies, within limits of bytes and time (T2: throttling): read only for callers who may ask.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap};

use crate::answer::Refusal;

/// How long a body that nobody wants is thrown away.
const LINGER: Duration = Duration::from_secs(2);

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `application/json`, said so.
    Json,
    /// `text/csv`, said so.
    Csv,
    /// `application/x-www-form-urlencoded`, said so.
    Form,
    /// JSON or JSON with binary tensors; clients of the Open Inference Protocol often do not say.
    Tensors,
}

/// Refuses a body whose kind is another one, or that is packed: a packed body can be a bomb.
pub(crate) fn check_kind(headers: &HeaderMap, kind: Kind) -> Result<(), Refusal> {
    let unsupported = |why| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    let packed = headers.get_all(header::CONTENT_ENCODING).iter().any(|value| value.as_bytes() != b"identity");
    if packed {
        return Err(unsupported("the body is packed"));
    }
    let Some(said) = headers.get(header::CONTENT_TYPE) else {
        return if kind == Kind::Tensors { Ok(()) } else { Err(unsupported("the body's type is not said")) };
    };
    let said = said.to_str().unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = match kind {
        Kind::Json => essence == "application/json",
        Kind::Csv => essence == "text/csv",
        Kind::Form => essence == "application/x-www-form-urlencoded",
        Kind::Tensors => essence == "application/json" || essence == "application/octet-stream",
    };
    if fits { Ok(()) } else { Err(unsupported("the body's type is another one")) }
}

/// A body that is still to come.
///
/// Where it was not read, because the request was refused before, it is thrown away behind the answer, within limits: who closes a
/// connection on bytes that are still coming resets it, and the caller loses the answer (RFC 9112, section 9.6).
#[derive(Debug)]
pub(crate) struct Pending {
    body: Option<Incoming>,
    linger_bytes_max: usize,
}

impl Pending {
    pub(crate) fn new(body: Incoming, linger_bytes_max: usize) -> Self {
        Self { body: Some(body), linger_bytes_max }
    }

    /// How many bytes will come at least, as the sender says.
    pub(crate) fn bytes_said(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.size_hint().lower())
    }

    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let Some(body) = self.body.as_mut() else { return Ok(None) };
            match body.frame().await {
                None => {
                    self.body = None;
                    return Ok(None);
                }
                Some(Err(_)) => {
                    self.body = None;
                    return Err(Refusal::bad("the body broke off"));
                }
                // Trailers say nothing that is looked at.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// The whole body.
    pub(crate) async fn read(mut self, bytes_max: usize, seconds: u64) -> Result<Bytes, Refusal> {
        let Some(mut body) = self.body.take() else { return Ok(Bytes::new()) };
        let outcome = read(&mut body, bytes_max, seconds).await;
        if outcome.as_ref().is_err_and(|refusal| refusal.status == StatusCode::PAYLOAD_TOO_LARGE) {
            self.body = Some(body);
        }
        outcome
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(throw_away(body, self.linger_bytes_max));
        }
    }
}

async fn throw_away(mut body: Incoming, mut left: usize) {
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Over the limit or the time the body is dropped, and with it the connection is closed.
    let _in_time = tokio::time::timeout(LINGER, reading).await;
}

async fn read<B>(body: B, bytes_max: usize, seconds: u64) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
    // Where the length is said beforehand, nothing is read.
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let reading = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(Duration::from_secs(seconds), reading).await {
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::bad("the body broke off")),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    fn said(kind: Kind, content_type: Option<&'static str>, encoding: Option<&'static str>) -> Option<u16> {
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
        }
        if let Some(value) = encoding {
            headers.insert(header::CONTENT_ENCODING, value.parse().unwrap());
        }
        check_kind(&headers, kind).err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn json_must_be_said() {
        assert_eq!(said(Kind::Json, Some("application/json; charset=utf-8"), None), None);
        assert_eq!(said(Kind::Json, Some("Application/JSON"), Some("identity")), None);
        assert_eq!(said(Kind::Json, Some("text/plain"), None), Some(415));
        assert_eq!(said(Kind::Json, None, None), Some(415));
    }

    #[test]
    fn tensors_need_not_be_said() {
        assert_eq!(said(Kind::Tensors, None, None), None);
        assert_eq!(said(Kind::Tensors, Some("application/octet-stream"), None), None);
        assert_eq!(said(Kind::Tensors, Some("text/html"), None), Some(415));
    }

    #[test]
    fn a_packed_body_is_refused() {
        assert_eq!(said(Kind::Tensors, None, Some("gzip")), Some(415));
    }

    #[tokio::test]
    async fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
        let body = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(read(body(), 5, 1).await.unwrap(), "12345");
        assert_eq!(read(body(), 4, 1).await.unwrap_err().status, 413);
    }
}
