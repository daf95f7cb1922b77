//! Passkeys over HTTPS (T1, T6): what our script asks and sends, as JSON of our own pages only.

use console::path;
use console::view::passkeys::PasskeysView;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::entry::check_site;
use super::source::{ConsoleSource, Entry, Seen};
use super::{chrome, cookie, drawn, settled, visitor};
use crate::answer::{self, Answer, Refusal, fresh_reference};
use crate::asks::{Asks, Note};
use crate::body::{self, Kind, Pending};
use crate::serve::{App, Asked};

/// Bytes of what the script sends: an attestation object without attestation has a few hundred.
const SENT_BYTES_MAX: usize = 32 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    csrf: String,
    #[serde(default)]
    answer: Value,
}

/// `GET /console/passkeys`.
pub(super) async fn page<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>) -> Result<Option<Answer>, Refusal> {
    let Some(visitor) = visitor(app, asked.headers).await else { return Ok(None) };
    let seen: Seen<PasskeysView> = app.console.passkeys(&visitor.signed).await;
    Ok(Some(drawn(seen, &chrome(app, &visitor), |view, chrome| view.chrome = chrome, console::passkeys)))
}

/// `POST /console/login/passkey/ask`: a challenge for whoever comes.
pub(super) async fn ask_login<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    body: Pending,
) -> Result<Answer, Refusal> {
    app.hold_stranger(asked.peer)?;
    let sent = read(app, asked, body).await?;
    check_double(app, asked, &sent)?;
    // Asking is counted: whoever asks without end would push others' challenges out.
    app.take_down_stranger(asked.peer);
    let options = app.console.passkey_challenge().await;
    let options = options.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "passkeys need a console at a domain's address"))?;
    Ok(settled(answer::json(&options)?))
}

/// `POST /console/login/passkey`: the answer to a challenge.
pub(super) async fn login<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    body: Pending,
) -> Result<Answer, Refusal> {
    app.hold_stranger(asked.peer)?;
    let sent = read(app, asked, body).await?;
    check_double(app, asked, &sent)?;
    match app.console.passkey_login(sent.answer).await {
        Entry::In(session) => {
            let mut answer = settled(answer::json(&json!({ "next": path::PIPELINE }))?);
            answer.headers_mut().append(header::SET_COOKIE, cookie::set(cookie::SESSION, &session.value, session.seconds)?);
            answer.headers_mut().append(header::SET_COOKIE, cookie::unset(cookie::DOUBLE)?);
            Ok(answer)
        }
        Entry::Refused | Entry::LockedOut { .. } => {
            app.take_down_stranger(asked.peer);
            let reference = fresh_reference();
            let why = "a login by passkey was refused; identity's log says whose".to_owned();
            app.asks.note(&Note { reference: reference.clone(), status: 403, why });
            told(&format!("refused, ref {reference}"))
        }
    }
}

/// `POST /console/passkeys/ask`: a challenge for a new passkey of the person who is signed in.
pub(super) async fn ask_new<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    body: Pending,
) -> Result<Answer, Refusal> {
    let (session, _) = of_session(app, asked, body).await?;
    match app.console.passkey_options(&session).await {
        Ok(options) => Ok(settled(answer::json(&options)?)),
        Err(why) => told(&why),
    }
}

/// `POST /console/passkeys`: the new passkey.
pub(super) async fn add<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Answer, Refusal> {
    let (session, sent) = of_session(app, asked, body).await?;
    match app.console.passkey_add(&session, sent.answer).await {
        Ok(()) => Ok(settled(answer::json(&json!({ "added": true }))?)),
        Err(why) => told(&why),
    }
}

/// The session that the cookie stands for, and what its own page sent.
async fn of_session<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    body: Pending,
) -> Result<(String, Sent), Refusal> {
    let unknown = || Refusal::new(StatusCode::UNAUTHORIZED, "no session");
    let visitor = visitor(app, asked.headers).await.ok_or_else(unknown)?;
    let sent = read(app, asked, body).await?;
    if !cookie::is_session_token(&app.csrf, visitor.session, Some(&sent.csrf)) {
        return Err(Refusal::bad("a request that is old or not of our page"));
    }
    Ok((visitor.session.to_owned(), sent))
}

async fn read<A, C>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Sent, Refusal> {
    check_site(asked.headers)?;
    body::check_kind(asked.headers, Kind::Json)?;
    let bytes = body.read(SENT_BYTES_MAX, app.limits.body_seconds).await?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::bad("what the page's script sent cannot be read"))
}

fn check_double<A, C>(app: &App<A, C>, asked: &Asked<'_>, sent: &Sent) -> Result<(), Refusal> {
    if cookie::is_double(&app.csrf, asked.headers, Some(&sent.csrf)) {
        return Ok(());
    }
    Err(Refusal::bad("a login that is old or not of our page"))
}

/// A refusal that our script shows to the person.
fn told(why: &str) -> Result<Answer, Refusal> {
    let body = serde_json::to_vec(&json!({ "error": why })).map_err(|_| Refusal::internal("a refusal could not be written"))?;
    Ok(settled(answer::with_body(StatusCode::FORBIDDEN, JSON, body)))
}
