//! Routes of the console (T1, T3, T6): a page for a person with a session, the login for everybody else.

mod cookie;
mod entry;
mod passkey;
mod provider;
pub(crate) mod source;

use console::path;
use console::view::Chrome;
use console::view::entry::{RefusedKind, RefusedView};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::answer::{self, Answer, Refusal};
use crate::asks::Asks;
use crate::body::Pending;
use crate::form::{self, Fields, Plus};
use crate::route::Endpoint;
use crate::serve::{App, Asked};
use source::{ConsoleSource, Seen, Signed};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const SVG: HeaderValue = HeaderValue::from_static("image/svg+xml");
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const POLICY: HeaderValue = HeaderValue::from_static(console::CONTENT_SECURITY_POLICY);
/// What no page of the console needs.
const PERMISSIONS: HeaderValue = HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()");
/// Bytes of an id in a query.
const ID_BYTES_MAX: usize = 256;

/// A person, with the cookie that stands for them.
struct Visitor<'h> {
    signed: Signed,
    session: &'h str,
}

/// Every route of the console.
pub(crate) async fn route<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    body: Pending,
) -> Result<Answer, Refusal> {
    match asked.endpoint {
        Endpoint::Style => return Ok(settled(answer::with_body(StatusCode::OK, CSS, console::STYLESHEET))),
        Endpoint::Icon => return Ok(settled(answer::with_body(StatusCode::OK, SVG, console::ICON))),
        Endpoint::LoginForm => return entry::form(app, asked),
        Endpoint::Login => return entry::login(app, asked, body).await,
        Endpoint::Link => return entry::link(app, asked).await,
        Endpoint::Provider => return provider::begin(app, asked).await,
        Endpoint::ProviderBack => return provider::back(app, asked).await,
        Endpoint::PasskeyLoginAsk => return passkey::ask_login(app, asked, body).await,
        Endpoint::PasskeyLogin => return passkey::login(app, asked, body).await,
        Endpoint::PasskeyScript => {
            return Ok(settled(answer::with_body(StatusCode::OK, JAVASCRIPT, console::PASSKEY_SCRIPT)));
        }
        Endpoint::PasskeyAdd => return passkey::add(app, asked, body).await,
        Endpoint::PasskeyAsk => return passkey::ask_new(app, asked, body).await,
        Endpoint::Passkeys => {
            return match passkey::page(app, asked).await? {
                Some(page) => Ok(page),
                None => to_login(asked),
            };
        }
        Endpoint::Logout => return entry::logout(app, asked, body).await,
        Endpoint::Churn
        | Endpoint::Predictions
        | Endpoint::WhatIf
        | Endpoint::Live
        | Endpoint::Ready
        | Endpoint::ServerMetadata
        | Endpoint::ModelMetadata
        | Endpoint::ModelReady
        | Endpoint::Infer
        | Endpoint::OpenApi
        | Endpoint::Jwks
        | Endpoint::Metrics => return Err(Refusal::nowhere()),
        Endpoint::Script
        | Endpoint::Pipeline
        | Endpoint::Fragment
        | Endpoint::Run
        | Endpoint::Model
        | Endpoint::Evidence
        | Endpoint::Controls => {}
    }
    let Some(visitor) = visitor(app, asked.headers).await else { return to_login(asked) };
    inside(app, asked, &visitor).await
}

/// Pages for a person who is signed in.
async fn inside<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>, visitor: &Visitor<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::parse(asked.query)?.only(&["id"])?;
    let id = fields.get("id").filter(|id| !id.is_empty());
    if id.is_some_and(|id| id.len() > ID_BYTES_MAX) {
        return Err(Refusal::bad("an id is too long"));
    }
    let chrome = chrome(app, visitor);
    let who = &visitor.signed;
    let page = match asked.endpoint {
        Endpoint::Script => return Ok(settled(answer::with_body(StatusCode::OK, JAVASCRIPT, console::SCRIPT))),
        Endpoint::Run => drawn(app.console.run(who, id).await, &chrome, |view, chrome| view.chrome = chrome, console::run),
        Endpoint::Model => drawn(app.console.model(who, id).await, &chrome, |view, chrome| view.chrome = chrome, console::model),
        Endpoint::Evidence => {
            drawn(app.console.evidence(who, id).await, &chrome, |view, chrome| view.chrome = chrome, console::evidence)
        }
        Endpoint::Controls => {
            drawn(app.console.controls(who).await, &chrome, |view, chrome| view.chrome = chrome, console::controls)
        }
        Endpoint::Fragment => {
            let seen = app.console.pipeline(who).await;
            drawn(seen, &chrome, |view, chrome| view.chrome = chrome, console::pipeline_fragment)
        }
        Endpoint::Pipeline => {
            drawn(app.console.pipeline(who).await, &chrome, |view, chrome| view.chrome = chrome, console::pipeline)
        }
        Endpoint::Churn
        | Endpoint::Predictions
        | Endpoint::WhatIf
        | Endpoint::Live
        | Endpoint::Ready
        | Endpoint::ServerMetadata
        | Endpoint::ModelMetadata
        | Endpoint::ModelReady
        | Endpoint::Infer
        | Endpoint::OpenApi
        | Endpoint::Jwks
        | Endpoint::Metrics
        | Endpoint::Style
        | Endpoint::Icon
        | Endpoint::LoginForm
        | Endpoint::Login
        | Endpoint::Link
        | Endpoint::Provider
        | Endpoint::ProviderBack
        | Endpoint::PasskeyLoginAsk
        | Endpoint::PasskeyLogin
        | Endpoint::PasskeyScript
        | Endpoint::Passkeys
        | Endpoint::PasskeyAdd
        | Endpoint::PasskeyAsk
        | Endpoint::Logout => return Err(Refusal::nowhere()),
    };
    Ok(page)
}

/// A path of the console that is not there: the login for a stranger, who so cannot find out which there are.
pub(crate) async fn nowhere<A: Asks, C: ConsoleSource>(app: &App<A, C>, headers: &HeaderMap) -> Result<Answer, Refusal> {
    match visitor(app, headers).await {
        None => redirect(path::LOGIN),
        Some(visitor) => {
            let view = RefusedView { chrome: Some(chrome(app, &visitor)), kind: RefusedKind::NotFound, ..RefusedView::default() };
            Ok(html(StatusCode::NOT_FOUND, console::refused(&view)))
        }
    }
}

/// A refusal as a page. A stranger and a person who is signed in read the same, as this is made where it is not known who asks.
pub(crate) fn refused(refusal: &Refusal, reference: &str) -> Answer {
    let kind = match refusal.status {
        StatusCode::NOT_FOUND => RefusedKind::NotFound,
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => RefusedKind::NotAllowed,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => RefusedKind::TooMany,
        status if status.is_client_error() => RefusedKind::BadRequest,
        _ => RefusedKind::Internal,
    };
    let view = RefusedView { kind, reference: reference.to_owned(), ..RefusedView::default() };
    let mut answer = html(refusal.status, console::refused(&view));
    refusal.add_headers(answer.headers_mut());
    answer
}

fn drawn<T>(seen: Seen<T>, chrome: &Chrome, frame: impl FnOnce(&mut T, Chrome), draw: impl FnOnce(&T) -> String) -> Answer {
    match seen {
        Ok(mut view) => {
            frame(&mut view, chrome.clone());
            html(StatusCode::OK, draw(&view))
        }
        Err(mut view) => {
            let status = match view.kind {
                RefusedKind::NotFound => StatusCode::NOT_FOUND,
                RefusedKind::NotAllowed => StatusCode::FORBIDDEN,
                RefusedKind::BadRequest => StatusCode::BAD_REQUEST,
                RefusedKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
                RefusedKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            };
            view.chrome = Some(chrome.clone());
            if view.reference.is_empty() {
                view.reference = answer::fresh_reference();
            }
            html(status, console::refused(&view))
        }
    }
}

async fn visitor<'h, A: Asks, C: ConsoleSource>(app: &App<A, C>, headers: &'h HeaderMap) -> Option<Visitor<'h>> {
    let session = cookie::value(headers, cookie::SESSION)?;
    let signed = app.console.session(session).await?;
    Some(Visitor { signed, session })
}

fn chrome<A, C>(app: &App<A, C>, visitor: &Visitor<'_>) -> Chrome {
    Chrome {
        person: visitor.signed.person.clone(),
        role: visitor.signed.role.clone(),
        csrf: cookie::session_token(&app.csrf, visitor.session),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        read_at: format!("{:.0}", Timestamp::now()),
    }
}

/// A stranger is sent to the login; what a script or a form asks for is refused, as nobody would see the login.
fn to_login(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let page = match asked.endpoint {
        Endpoint::Run => path::RUN,
        Endpoint::Model => path::MODEL,
        Endpoint::Evidence => path::EVIDENCE,
        Endpoint::Controls => path::CONTROLS,
        Endpoint::Passkeys => path::PASSKEYS,
        Endpoint::Pipeline => path::PIPELINE,
        Endpoint::Churn
        | Endpoint::Predictions
        | Endpoint::WhatIf
        | Endpoint::Live
        | Endpoint::Ready
        | Endpoint::ServerMetadata
        | Endpoint::ModelMetadata
        | Endpoint::ModelReady
        | Endpoint::Infer
        | Endpoint::OpenApi
        | Endpoint::Jwks
        | Endpoint::Metrics
        | Endpoint::Style
        | Endpoint::Icon
        | Endpoint::Script
        | Endpoint::LoginForm
        | Endpoint::Login
        | Endpoint::Link
        | Endpoint::Provider
        | Endpoint::ProviderBack
        | Endpoint::PasskeyLoginAsk
        | Endpoint::PasskeyLogin
        | Endpoint::PasskeyScript
        | Endpoint::PasskeyAdd
        | Endpoint::PasskeyAsk
        | Endpoint::Logout
        | Endpoint::Fragment => return Err(Refusal::new(StatusCode::UNAUTHORIZED, "no session")),
    };
    let id = Fields::parse(asked.query).ok().and_then(|fields| fields.get("id").map(str::to_owned));
    let next = id.map_or_else(|| page.to_owned(), |id| path::with_id(page, &id));
    redirect(&path::with_id(path::LOGIN, &next).replacen("?id=", "?next=", 1))
}

/// Where to go after the login: one of our pages, with an id or without; whatever else was asked for is not gone to.
fn next_page(wished: Option<&str>) -> String {
    let wished = wished.unwrap_or_default();
    let (page, query) = wished.split_once('?').unwrap_or((wished, ""));
    let Some(page) =
        [path::RUN, path::MODEL, path::EVIDENCE, path::CONTROLS, path::PASSKEYS].into_iter().find(|known| *known == page)
    else {
        return path::PIPELINE.to_owned();
    };
    let id = query.strip_prefix("id=").and_then(|id| form::decode(id, Plus::Blank)).filter(|id| id.len() <= ID_BYTES_MAX);
    id.map_or_else(|| page.to_owned(), |id| path::with_id(page, &id))
}

fn redirect(to: &str) -> Result<Answer, Refusal> {
    let to = HeaderValue::from_str(to).map_err(|_| Refusal::internal("a path has letters that no header may have"))?;
    let mut answer = html(StatusCode::SEE_OTHER, String::new());
    answer.headers_mut().insert(header::LOCATION, to);
    Ok(answer)
}

fn html(status: StatusCode, page: String) -> Answer {
    settled(answer::with_body(status, HTML, page))
}

/// The headers of every answer of the console.
fn settled(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_login_only_our_pages_are_gone_to() {
        assert_eq!(next_page(Some("/console/run?id=a%2Fb")), "/console/run?id=a%2Fb");
        assert_eq!(next_page(Some("/console/controls")), "/console/controls");
        for wished in ["//evil.example", "https://evil.example/console/run", "/console/../v2", "/console/logout", "", "\r\nX: y"]
        {
            assert_eq!(next_page(Some(wished)), "/console", "{wished}");
        }
        assert_eq!(next_page(Some("/console/run?id=\r\n")), "/console/run?id=%0D%0A");
    }
}
