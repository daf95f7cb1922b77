//! Coming in and going out (T1, T6): two factors, forms that only our own pages can send, one answer for every wrong half.

use console::path;
use console::view::entry::{LoginBy, LoginView};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::source::{ConsoleSource, Entry};
use super::{cookie, html, next_page, redirect, visitor};
use crate::answer::{Answer, Refusal, fresh_reference};
use crate::asks::{Asks, Note};
use crate::body::{self, Kind, Pending};
use crate::config::FORM_BYTES_MAX;
use crate::form::Fields;
use crate::serve::{App, Asked};

/// Says from which site a request comes (Fetch Metadata, W3C).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Bytes of a link's token.
const TOKEN_BYTES_MAX: usize = 128;
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// `GET /console/login`.
pub(super) fn form<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::parse(asked.query)?.only(&["next"])?;
    let view = LoginView { next: next_page(fields.get("next")), ..LoginView::default() };
    with_form(app, StatusCode::OK, view)
}

/// `GET /console/link/{token}`: asks for the code; the link is used up only by the form, so that a preview does not spend it.
pub(super) async fn link<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    app.hold_stranger(asked.peer)?;
    let token = asked.taken.filter(|token| is_token(token));
    let person = match token {
        Some(token) => app.console.link_person(token).await,
        None => None,
    };
    let Some((token, person)) = token.zip(person) else {
        app.take_down_stranger(asked.peer);
        return Err(Refusal::new(StatusCode::NOT_FOUND, "a login link that does not exist, is used or is over"));
    };
    let by = LoginBy::Link { token: token.to_owned(), person };
    with_form(app, StatusCode::OK, LoginView { by, next: path::PIPELINE.to_owned(), ..LoginView::default() })
}

/// `POST /console/login`, by password or by link.
pub(super) async fn login<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    body: Pending,
) -> Result<Answer, Refusal> {
    app.hold_stranger(asked.peer)?;
    let fields = posted(app, asked, body).await?;
    if !cookie::is_double(&app.csrf, asked.headers, fields.get("csrf")) {
        return Err(Refusal::bad("a login form that is old or not ours"));
    }
    let field = |name| fields.get(name).unwrap_or_default();
    let token = fields.get("token").filter(|token| is_token(token));
    let entry = {
        // Checking a password costs memory by intent; only so many at a time, the others are told to wait.
        let _turn = app
            .logins
            .try_acquire()
            .map_err(|_| Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "too many logins at a time", 1))?;
        match token {
            Some(token) => app.console.use_link(token, field("code")).await,
            None => app.console.login(field("name"), field("password"), field("code")).await,
        }
    };
    match entry {
        Entry::In(session) => {
            let mut answer = redirect(&next_page(fields.get("next")))?;
            answer.headers_mut().append(header::SET_COOKIE, cookie::set(cookie::SESSION, &session.value, session.seconds)?);
            answer.headers_mut().append(header::SET_COOKIE, cookie::unset(cookie::DOUBLE)?);
            Ok(answer)
        }
        Entry::LockedOut { retry_after_seconds } => {
            app.take_down_stranger(asked.peer);
            Err(Refusal::later(StatusCode::TOO_MANY_REQUESTS, "a login is locked after too many guesses", retry_after_seconds))
        }
        Entry::Refused => {
            app.take_down_stranger(asked.peer);
            let reference = fresh_reference();
            let why = "a login was refused; identity's log says whose".to_owned();
            app.asks.note(&Note { reference: reference.clone(), status: 403, why });
            // After a link the way back is the password: whether the link was good is not told twice.
            let view = LoginView {
                next: next_page(fields.get("next")),
                refused: Some(reference),
                name: field("name").to_owned(),
                ..LoginView::default()
            };
            with_form(app, StatusCode::FORBIDDEN, view)
        }
    }
}

/// `POST /console/logout`.
pub(super) async fn logout<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    body: Pending,
) -> Result<Answer, Refusal> {
    let unknown = || Refusal::new(StatusCode::UNAUTHORIZED, "no session");
    let visitor = visitor(app, asked.headers).await.ok_or_else(unknown)?;
    let fields = posted(app, asked, body).await?;
    if !cookie::is_session_token(&app.csrf, visitor.session, fields.get("csrf")) {
        return Err(Refusal::bad("a logout form that is old or not ours"));
    }
    app.console.logout(visitor.session).await;
    let mut answer = redirect(path::LOGIN)?;
    answer.headers_mut().append(header::SET_COOKIE, cookie::unset(cookie::SESSION)?);
    answer.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(answer)
}

pub(super) fn with_form<A, C: ConsoleSource>(app: &App<A, C>, status: StatusCode, view: LoginView) -> Result<Answer, Refusal> {
    let csrf = cookie::fresh_double(&app.csrf)?;
    let double = cookie::set_double(&csrf)?;
    let mut answer = html(status, console::login(&LoginView { csrf, provider: app.console.has_provider(), ..view }));
    answer.headers_mut().append(header::SET_COOKIE, double);
    Ok(answer)
}

async fn posted<A, C>(app: &App<A, C>, asked: &Asked<'_>, body: Pending) -> Result<Fields, Refusal> {
    check_site(asked.headers)?;
    body::check_kind(asked.headers, Kind::Form)?;
    let bytes = body.read(FORM_BYTES_MAX, app.limits.body_seconds).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Refusal::bad("a form is not UTF-8"))?;
    Fields::parse(text)?.only(&["csrf", "next", "name", "password", "code", "token"])
}

/// Where the browser says that another site sent the form, it is refused before it is read.
pub(super) fn check_site(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(FETCH_SITE) {
        Some(site) if site.as_bytes() != b"same-origin" && site.as_bytes() != b"none" => {
            Err(Refusal::bad("a form that another site sent"))
        }
        Some(_) | None => Ok(()),
    }
}

fn is_token(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= TOKEN_BYTES_MAX
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
