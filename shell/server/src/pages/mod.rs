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
use crate::route::{Entry, Page};
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

/// What needs no session, or looks at the session by itself.
pub(crate) async fn enter<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    to: Entry,
    body: Pending,
) -> Result<Answer, Refusal> {
    let script = |script| Ok(settled(answer::with_body(StatusCode::OK, JAVASCRIPT, script)));
    match to {
        Entry::Style => Ok(settled(answer::with_body(StatusCode::OK, CSS, console::STYLESHEET))),
        Entry::Icon => Ok(settled(answer::with_body(StatusCode::OK, SVG, console::ICON))),
        Entry::LoginForm => entry::form(app, asked),
        Entry::Login => entry::login(app, asked, body).await,
        Entry::Link => entry::link(app, asked).await,
        Entry::Provider => provider::begin(app, asked).await,
        Entry::ProviderBack => provider::back(app, asked).await,
        Entry::PasskeyLoginAsk => passkey::ask_login(app, asked, body).await,
        Entry::PasskeyLogin => passkey::login(app, asked, body).await,
        Entry::PasskeyScript => script(console::PASSKEY_SCRIPT),
        Entry::PasskeyAdd => passkey::add(app, asked, body).await,
        Entry::PasskeyAsk => passkey::ask_new(app, asked, body).await,
        Entry::Passkeys => match passkey::page(app, asked).await? {
            Some(page) => Ok(page),
            None => to_login(asked, path::PASSKEYS),
        },
        Entry::Logout => entry::logout(app, asked, body).await,
    }
}

/// A page for a person who is signed in. A stranger is sent to the login; what a script asks for is refused, as nobody would see it.
pub(crate) async fn page<A: Asks, C: ConsoleSource>(app: &App<A, C>, asked: &Asked<'_>, page: Page) -> Result<Answer, Refusal> {
    if let Some(visitor) = visitor(app, asked.headers).await {
        return inside(app, asked, page, &visitor).await;
    }
    let path = match page {
        Page::Run => path::RUN,
        Page::Model => path::MODEL,
        Page::Evidence => path::EVIDENCE,
        Page::Controls => path::CONTROLS,
        Page::Pipeline => path::PIPELINE,
        Page::Script | Page::Fragment => return Err(Refusal::new(StatusCode::UNAUTHORIZED, "no session")),
    };
    to_login(asked, path)
}

/// Pages for a person who is signed in.
async fn inside<A: Asks, C: ConsoleSource>(
    app: &App<A, C>,
    asked: &Asked<'_>,
    page: Page,
    visitor: &Visitor<'_>,
) -> Result<Answer, Refusal> {
    let fields = Fields::parse(asked.query)?.only(&["id"])?;
    let id = fields.get("id").filter(|id| !id.is_empty());
    if id.is_some_and(|id| id.len() > ID_BYTES_MAX) {
        return Err(Refusal::bad("an id is too long"));
    }
    let chrome = chrome(app, visitor);
    let who = &visitor.signed;
    let page = match page {
        Page::Script => return Ok(settled(answer::with_body(StatusCode::OK, JAVASCRIPT, console::SCRIPT))),
        Page::Run => drawn(app.console.run(who, id).await, &chrome, |view, chrome| view.chrome = chrome, console::run),
        Page::Model => drawn(app.console.model(who, id).await, &chrome, |view, chrome| view.chrome = chrome, console::model),
        Page::Evidence => {
            drawn(app.console.evidence(who, id).await, &chrome, |view, chrome| view.chrome = chrome, console::evidence)
        }
        Page::Controls => drawn(app.console.controls(who).await, &chrome, |view, chrome| view.chrome = chrome, console::controls),
        Page::Fragment => {
            let seen = app.console.pipeline(who).await;
            drawn(seen, &chrome, |view, chrome| view.chrome = chrome, console::pipeline_fragment)
        }
        Page::Pipeline => drawn(app.console.pipeline(who).await, &chrome, |view, chrome| view.chrome = chrome, console::pipeline),
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

/// Sends a stranger to the login, and from there back to the page.
fn to_login(asked: &Asked<'_>, page: &str) -> Result<Answer, Refusal> {
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
