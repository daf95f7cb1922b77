//! Coming in by the organisation's identity provider (T1, T6): a login is bound to the browser that began it, and ends on our own page.
//!
//! The browser keeps a ticket; state, nonce and verifier are made of it with a key that only this process has, so nothing is kept for
//! people who never come back, and an answer that another browser began is refused (RFC 9700, section 4.7).

use console::view::entry::LoginView;
use hyper::StatusCode;
use hyper::header;
use identity::oidc::{ANSWER_BYTES_MAX, LOGIN_SECONDS, LoginRequest};

use super::source::{Back, ConsoleSource, Entry};
use super::{cookie, html, redirect};
use crate::answer::{Answer, Refusal, fresh_reference};
use crate::asks::{Asks, Note};
use crate::form::Fields;
use crate::serve::{App, Asked};

/// `GET /console/login/oidc`: sends the browser to the provider.
pub(super) async fn begin<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if !app.console.has_provider() {
        return Err(Refusal::nowhere());
    }
    app.hold_stranger(asked.peer)?;
    let ticket = cookie::fresh_ticket(&app.csrf, app.seconds().saturating_add(u64::from(LOGIN_SECONDS)))?;
    let request = LoginRequest::derived(&app.csrf, &ticket);
    let url = {
        let _turn = turn(app)?;
        app.console.provider_url(request).await
    };
    let url = url.ok_or_else(|| {
        app.take_down_stranger(asked.peer);
        Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "the identity provider cannot be asked", 30)
    })?;
    let mut answer = redirect(&url)?;
    answer.headers_mut().append(header::SET_COOKIE, cookie::set_lax(cookie::PROVIDER, &ticket, LOGIN_SECONDS)?);
    Ok(answer)
}

/// `GET /console/login/oidc/callback`: the provider's answer. What it says beside is not heeded (RFC 6749, section 4.1.2).
pub(super) async fn back<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if !app.console.has_provider() {
        return Err(Refusal::nowhere());
    }
    app.hold_stranger(asked.peer)?;
    let stranger = |why: &'static str| {
        app.take_down_stranger(asked.peer);
        Refusal::bad(why)
    };
    let fields = Fields::parse(asked.query)?;
    let ticket = cookie::ticket(&app.csrf, asked.headers, app.seconds());
    let ticket = ticket.ok_or_else(|| stranger("an answer to a login that this browser did not begin, or too late"))?;
    let request = LoginRequest::derived(&app.csrf, ticket);
    if !request.is_answered_by(fields.get("state").unwrap_or_default()) {
        return Err(stranger("an answer to another login: its state is another"));
    }
    let field = |name| fields.get(name).filter(|value| value.len() <= ANSWER_BYTES_MAX).map(str::to_owned);
    let answered = match (field("code"), field("error")) {
        (Some(code), None) => Back::Code { code, issuer: field("iss") },
        (None, Some(error)) => Back::Error(error),
        (Some(_), Some(_)) | (None, None) => return Err(stranger("an answer with neither code nor error, or with both")),
    };
    let entry = {
        let _turn = turn(app)?;
        app.console.provider_login(request, answered).await
    };
    let mut answer = match entry {
        Entry::In(session) => {
            let mut answer = html(StatusCode::OK, console::signed_in());
            answer.headers_mut().append(header::SET_COOKIE, cookie::set(cookie::SESSION, &session.value, session.seconds)?);
            answer
        }
        Entry::Refused | Entry::LockedOut { .. } => {
            app.take_down_stranger(asked.peer);
            let reference = fresh_reference();
            let why = "a login by the identity provider was refused; identity's log says why".to_owned();
            app.asks.note(&Note { reference: reference.clone(), status: 403, why });
            let view = LoginView { refused: Some(reference), next: console::path::PIPELINE.to_owned(), ..LoginView::default() };
            super::entry::with_form(app, StatusCode::FORBIDDEN, view)?
        }
    };
    // Whatever came of it, a second answer to the same login is none.
    answer.headers_mut().append(header::SET_COOKIE, cookie::unset(cookie::PROVIDER)?);
    Ok(answer)
}

/// Each asks the provider and waits for it; only so many at a time.
fn turn<A, C>(app: &App<A, C>) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
    app.provider_logins.try_acquire().map_err(|_| Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "too many logins at a time", 1))
}
