//! `POST /v1/labels/proposals` (T6): a labeller's program hands in labels. They are proposed, as by the command; signatures, second labels
//! and the gates are elsewhere, and nothing here approves anything.

use aws_lc_rs::digest;
use data_encoding::BASE64;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use pipeline::run::Upload;

use crate::answer::{self, Answer, Refusal};
use crate::asks::{Asks, Declined};
use crate::body::{self, Kind, Pending};
use crate::caller;
use crate::serve::{App, Asked};

/// Bytes of a proposal.
pub(crate) const LABELS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Seconds in which a proposal must have come.
const LABELS_SECONDS: u64 = 60;
const CONTENT_DIGEST: &str = "content-digest";

/// Takes a proposal, after the token was looked at: nothing of a stranger's body is read.
pub(crate) async fn propose<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Answer, Refusal> {
    app.hold_stranger(asked.peer)?;
    let token = caller::bearer(asked.headers).filter(|token| token.len() <= crate::config::KEY_BYTES_MAX);
    let Some(token) = token else {
        app.take_down_stranger(asked.peer);
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "no session's token"));
    };
    if !app.asks.is_session(token).await {
        app.take_down_stranger(asked.peer);
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "no living session has this token"));
    }
    if !asked.query.is_empty() {
        return Err(Refusal::bad("a proposal has no fields"));
    }
    let is_csv = body::check_kind(asked.headers, Kind::Csv).is_ok();
    if !is_csv {
        body::check_kind(asked.headers, Kind::Json)?;
    }
    let bytes = body.read(LABELS_BYTES_MAX, LABELS_SECONDS).await?;
    check_digest(asked.headers, &bytes)?;
    let upload = if is_csv { Upload::Csv(bytes.to_vec()) } else { Upload::Json(bytes.to_vec()) };
    match app.asks.propose_labels(token, upload).await {
        Ok(proposed) => answer::json(&proposed),
        Err(Declined::Forbidden(why)) => Err(Refusal::new(StatusCode::FORBIDDEN, why)),
        Err(Declined::Unfit(why)) => Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why)),
        Err(Declined::Failed(why)) => Err(Refusal::internal(why)),
    }
}

/// Where the caller says what the bytes are (RFC 9530), they are; other algorithms than SHA-256 are not for us to judge.
fn check_digest(headers: &HeaderMap, bytes: &[u8]) -> Result<(), Refusal> {
    let wrong = || Refusal::bad("the body is not what its content-digest says");
    for value in headers.get_all(CONTENT_DIGEST) {
        let value = value.to_str().map_err(|_| wrong())?;
        for member in value.split(',') {
            let Some(said) = member.trim().strip_prefix("sha-256=:") else { continue };
            let said = said.strip_suffix(':').and_then(|text| BASE64.decode(text.as_bytes()).ok()).ok_or_else(wrong)?;
            if said != digest::digest(&digest::SHA256, bytes).as_ref() {
                return Err(wrong());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_DIGEST, value.parse().unwrap());
        check_digest(&headers, b"{\"hello\": \"world\"}\n").is_ok()
    }

    #[test]
    fn bytes_are_held_against_their_digest() {
        // RFC 9530, appendix B.1.
        assert!(check("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"));
        assert!(check("sha-512=:AAAA:") && check_digest(&HeaderMap::new(), b"x").is_ok());
        assert!(!check("sha-256=:AAAA:") && !check("sha-256=:RK") && !check("sha-512=:AAAA:, sha-256=:AAAA:"));
    }
}
