//! `PUT /v1/feeds/{feed}/{name}` (T1): a supplier hands in a file of its own feed, by its certificate or through a component's token.
//!
//! ```text
//! who? -> whose feed? -> form, digest and size as said -> bytes to a hidden file, hashed -> as said? -> note in the log -> inbox
//! ```
//!
//! What signs a delivery is handed in before it (`NAME.sigstore.json`, then `NAME`): the delivery appears at once and whole, so that no
//! run finds it without. Nothing here judges what was delivered; that is the door of intake. Every refusal is an entry of the log.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use pipeline::arrival::{ArrivalError, Inbox, RefusedDelivery, Staging};
use s01_intake::ContentDigest;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::answer::{self, Answer, Refusal};
use crate::asks::{Admitted, Asks, Presented};
use crate::body::Pending;
use crate::caller;
use crate::form::Fields;
use crate::serve::{App, Asked};

/// Rules of this route, beside those of the inbox.
const IDENTITY: &str = "arrival-identity";
const FORM: &str = "arrival-form";
const DIGEST: &str = "arrival-digest";
const SIZE: &str = "arrival-size";
const WHOLE: &str = "arrival-whole";
/// What a refusal may be told to a sender who is known.
pub(crate) const RULES: [&str; 8] = [IDENTITY, FORM, DIGEST, SIZE, WHOLE, "arrival-name", "arrival-conflict", "arrival-quota"];
/// Pieces of a body that wait for the disk.
const PIECES_WAITING: usize = 16;
/// Seconds until a sender whose inbox is full tries again: a run must come first.
const FULL_SECONDS: u32 = 60;
/// Digits of the evidence id that a refused sender is told.
const REFERENCE_DIGITS: usize = 8;
const CONTENT_DIGEST: &str = "content-digest";

#[derive(Serialize)]
struct TakenJson<'a> {
    feed: &'a str,
    name: &'a str,
    sha256: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a str>,
}

/// Takes a file, or writes down why not.
pub(crate) async fn put<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Answer, Refusal> {
    // An address that goes on fills no log.
    app.hold_stranger(asked.peer)?;
    let (feed, name) = (asked.taken.unwrap_or_default(), asked.second.unwrap_or_default());
    let mut by = None;
    let refusal = match hand_in(app, asked, &mut by, body).await {
        Ok(answer) => return Ok(answer),
        Err(refusal) => refusal,
    };
    let Some(rule) = refusal.rule else { return Err(refusal) };
    app.take_down_stranger(asked.peer);
    let (feed, name, why) = (feed.to_owned(), name.to_owned(), refusal.why.clone().into_owned());
    // Who is not known reads no more than that.
    let told = by.is_some().then_some(rule);
    let evidence = app.asks.refuse_delivery(RefusedDelivery { feed, name, by, rule, why }).await;
    let reference = evidence.map(|id| id.chars().take(REFERENCE_DIGITS).collect());
    Err(Refusal { rule: told, reference, ..refusal })
}

async fn hand_in<A: Asks, C>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    by: &mut Option<String>,
    mut body: Pending,
) -> Result<Answer, Refusal> {
    let (feed, name) = (asked.taken.unwrap_or_default(), asked.second.unwrap_or_default());
    let unknown = |why: String| Refusal::of_rule(StatusCode::UNAUTHORIZED, IDENTITY, why);
    let admitted = app.asks.open_inbox(presented(asked), feed).await.map_err(unknown)?;
    *by = Some(admitted.who.name());
    let said = check_head(asked)?;
    let bytes_max = admitted.inbox.bytes_max(name);
    if body.bytes_said() > bytes_max {
        let why = format!("a file of more than `{bytes_max}` bytes was announced");
        return Err(Refusal::of_rule(StatusCode::PAYLOAD_TOO_LARGE, SIZE, why));
    }
    let _place = app
        .deliveries
        .try_acquire()
        .map_err(|_| Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "too many files of feeds at a time", 1))?;
    let limits = (Duration::from_secs(app.limits.body_seconds), Duration::from_secs(app.limits.delivery_seconds));
    let staging = stream(&mut body, admitted.inbox.clone(), name.to_owned(), limits).await?;
    let staged = blocking(move || staging.finish(Some(&said))).await?;
    let Admitted { inbox, who } = admitted;
    let taken = app.asks.take_delivery(inbox, who, staged).await.map_err(refusal_of)?;
    let shown = TakenJson {
        feed: &taken.feed,
        name: &taken.name,
        sha256: taken.content.hex(),
        bytes: taken.bytes,
        evidence: taken.evidence.as_deref(),
    };
    let mut answer = answer::json(&shown)?;
    if taken.new {
        *answer.status_mut() = StatusCode::CREATED;
    }
    Ok(answer)
}

/// What the sender shows; of several things none counts, as which of them is meant is not for us to guess.
fn presented<'r>(asked: &Asked<'r>) -> Presented<'r> {
    let other = asked.headers.contains_key(header::AUTHORIZATION) || asked.headers.contains_key("x-api-key");
    match (asked.workload, caller::component_token(asked.headers)) {
        (Some(workload), None) if !other => Presented::Certificate(workload),
        (None, Some(token)) => Presented::Token(token),
        (_, _) => Presented::Nothing,
    }
}

/// Looks at what is said of the file before any of it is read.
fn check_head(asked: &Asked<'_>) -> Result<ContentDigest, Refusal> {
    let form = |status, why: &'static str| Refusal::of_rule(status, FORM, why);
    Fields::parse(asked.query).and_then(|fields| fields.only(&[])).map_err(|refusal| Refusal { rule: Some(FORM), ..refusal })?;
    let headers = asked.headers;
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|value| value.as_bytes() != b"identity") {
        return Err(form(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the file is packed on the way"));
    }
    // A part of a file would be taken for the whole (RFC 9110, section 14.5).
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(form(StatusCode::BAD_REQUEST, "a part of a file was sent"));
    }
    let wrong = |why: String| Refusal::of_rule(StatusCode::BAD_REQUEST, DIGEST, why);
    let value = joined(headers, CONTENT_DIGEST).ok_or_else(|| wrong("the header `content-digest` is missing".to_owned()))?;
    ContentDigest::parse(&value).map_err(|error| wrong(error.to_string()))
}

/// All lines of a header as one (RFC 9110, section 5.3); bytes that are not visible ASCII make it unreadable.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).peekable();
    lines.peek()?;
    Some(lines.collect::<Vec<_>>().join(","))
}

/// Brings the body to a hidden file of the inbox.
async fn stream(
    body: &mut Pending,
    inbox: Inbox,
    name: String,
    (between, whole): (Duration, Duration),
) -> Result<Staging, Refusal> {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(PIECES_WAITING);
    let writing = tokio::task::spawn_blocking(move || {
        let mut staging = inbox.begin(&name)?;
        while let Some(piece) = receiver.blocking_recv() {
            staging.write(&piece)?;
        }
        Ok(staging)
    });
    let deadline = Instant::now() + whole;
    let broken = loop {
        let next = timeout_at(deadline.min(Instant::now() + between), body.next());
        let came = tokio::select! {
            came = next => came,
            // The writer has an error to tell; the sender may be waiting for our answer.
            () = sender.closed() => break None,
        };
        let piece = match came {
            Err(_) => break Some(Refusal::of_rule(StatusCode::REQUEST_TIMEOUT, WHOLE, "the file did not come in time")),
            Ok(Err(refusal)) => break Some(Refusal { rule: Some(WHOLE), ..refusal }),
            Ok(Ok(None)) => break None,
            Ok(Ok(Some(piece))) => piece,
        };
        if sender.send(piece).await.is_err() {
            break None;
        }
    };
    drop(sender);
    let staging = writing.await.map_err(|_| Refusal::internal("the work on a file broke off"))?;
    match broken {
        // The hidden file is removed with `staging`.
        Some(refusal) => Err(refusal),
        None => staging.map_err(refusal_of),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ArrivalError> + Send + 'static) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Refusal::internal("the work on a file broke off"))?.map_err(refusal_of)
}

fn refusal_of(error: ArrivalError) -> Refusal {
    let status = match &error {
        ArrivalError::Name(_) | ArrivalError::Empty | ArrivalError::Changed { .. } => StatusCode::BAD_REQUEST,
        ArrivalError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ArrivalError::Conflict => StatusCode::CONFLICT,
        ArrivalError::Full(_) => StatusCode::TOO_MANY_REQUESTS,
        ArrivalError::Disk(_) | ArrivalError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let wait = matches!(error, ArrivalError::Full(_)).then_some(FULL_SECONDS);
    Refusal { rule: error.rule(), retry_after_seconds: wait, ..Refusal::new(status, error.to_string()) }
}
