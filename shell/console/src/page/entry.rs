//! The pages at the door: login with a second factor, and the page that says no with two faces (T1, T2, T3, T6).

use maud::{Markup, html};

use crate::frame::{Live, Tab, inside, outside, outside_and_on};
use crate::part::{command_line, finding, owed};
use crate::view::State;
use crate::view::entry::{LoginBy, LoginView, RefusedKind, RefusedView};
use crate::{command, path};

/// Six digits, or a recovery code: four groups of four, with hyphens or without.
const CODE: &str = "[0-9]{6}|[0-9A-Za-z]{4}(-?[0-9A-Za-z]{4}){3}";

/// The login page; by a one-time link it asks only for the code.
pub fn login(view: &LoginView) -> String {
    let body = html! {
        div class="panel" {
            h1 { "Sign in" }
            @if let Some(reference) = &view.refused {
                p class="alert is-refuse" role="alert" { strong { "Refused" } ", ref " code { (reference) } }
            }
            form method="post" action=(path::LOGIN) {
                input type="hidden" name="csrf" value=(view.csrf);
                input type="hidden" name="next" value=(view.next);
                @match &view.by {
                    LoginBy::Password => (password(&view.name)),
                    LoginBy::Link { token, person } => {
                        input type="hidden" name="token" value=(token);
                        p { "The one-time link is good. To come in as " strong { (person) } ", enter the code of your authenticator." }
                    }
                }
                (code())
                button type="submit" class="wide" { "Sign in" }
            }
        }
        @if view.by == LoginBy::Password {
            div id="passkey-enter" data-ask=(path::PASSKEY_LOGIN_ASK) data-send=(path::PASSKEY_LOGIN) hidden {
                button type="button" class="wide" { "Sign in with a passkey" }
                p role="alert" {}
            }
            script src=(path::PASSKEY_SCRIPT) defer {}
        }
        @if view.provider && view.by == LoginBy::Password {
            p { a href=(path::PROVIDER) { "Sign in with your organisation's account" } }
        }
        p class="meta" { "No password? An administrator prints a one-time link with" }
        p { (command_line(command::LOGIN_LINK)) }
    };
    outside("Sign in", body)
}

/// The page after a login that ended on another site. The session's cookie goes only with requests that begin on our own pages, so
/// the way on is one of ours.
pub fn signed_in() -> String {
    let body = html! {
        div class="panel" { h1 { "Signed in" } p { a href=(path::PIPELINE) { "Go on to the pipeline" } } }
    };
    outside_and_on("Signed in", path::PIPELINE, body)
}

fn password(name: &str) -> Markup {
    html! {
        label for="name" { "Name" }
        input id="name" type="text" name="name" value=(name) required maxlength="128" autocomplete="username" autocapitalize="none" spellcheck="false";
        label for="password" { "Password" }
        input id="password" type="password" name="password" required maxlength="1024" autocomplete="current-password";
    }
}

fn code() -> Markup {
    html! {
        label for="code" { "Code of your authenticator" }
        input id="code" class="code" type="text" name="code" required pattern=(CODE) maxlength="19" autocomplete="one-time-code" autocapitalize="none"
            spellcheck="false" aria-describedby="code-help";
        p id="code-help" class="meta" { "Six digits; a new one every 30 seconds. Without the phone, one of your recovery codes." }
    }
}

/// The page for what is not there or not allowed. A stranger reads only the reference; a person who is signed in reads the finding too.
pub fn refused(view: &RefusedView) -> String {
    let (title, words) = told(view.kind);
    let reference = html! { @if !view.reference.is_empty() { p { "Reference " code { (view.reference) } } } };
    match &view.chrome {
        None => outside(
            title,
            html! {
                div class="panel" { h1 { (title) } p { "refused" @if !view.reference.is_empty() { ", ref " code { (view.reference) } } } }
                p { a href=(path::LOGIN) { "Sign in" } }
            },
        ),
        Some(chrome) => {
            let reason = finding_of(view, words);
            inside(
                chrome,
                Tab::None,
                Live::No,
                title,
                html! { h1 { (title) } (reference) (reason) p { a href=(path::PIPELINE) { "Back to the pipeline" } } },
            )
        }
    }
}

fn finding_of(view: &RefusedView, (why, help, next): (&str, &str, &str)) -> Markup {
    let mut recorded = view.finding.clone().unwrap_or_default();
    if recorded.why.is_empty() {
        recorded.why = why.to_owned();
    }
    if recorded.help.is_empty() {
        recorded.help = help.to_owned();
    }
    if recorded.command.is_empty() {
        recorded.command = next.to_owned();
    }
    let shown = owed(State::Refuse, Some(&recorded), "console", None);
    html! { @if let Some(shown) = shown { (finding(State::Refuse, &shown)) } }
}

/// The title of a refusal; then, for people who are signed in, why, help and the next command.
fn told(kind: RefusedKind) -> (&'static str, (&'static str, &'static str, &'static str)) {
    match kind {
        RefusedKind::NotFound => (
            "Not found",
            ("there is no page or entry at this address", "check the address, or look the id up", command::EVIDENCE_LOG),
        ),
        RefusedKind::NotAllowed => {
            ("Not allowed", ("your role does not allow this", "ask a person whose role allows it", command::ROLES))
        }
        RefusedKind::BadRequest => {
            ("Not understood", ("the form was old or came from elsewhere", "load the page again and repeat", command::DOCTOR))
        }
        RefusedKind::TooMany => ("Too many requests", ("the limit of requests was reached", "wait a minute", command::USAGE)),
        RefusedKind::Internal => {
            ("Something broke", ("the program could not finish", "look the reference up in the log", command::DOCTOR))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{Chrome, FindingView};

    fn with_finding(chrome: Option<Chrome>) -> String {
        let finding = FindingView { rule: "role-matrix".into(), why: "seen".into(), ..FindingView::default() };
        refused(&RefusedView { chrome, reference: "8c21".into(), finding: Some(finding), ..RefusedView::default() })
    }

    #[test]
    fn a_stranger_reads_only_the_reference() {
        let page = with_finding(None);
        assert!(page.contains("8c21") && !page.contains("role-matrix") && !page.contains("seen"));
    }

    #[test]
    fn an_operator_reads_the_finding() {
        let page = with_finding(Some(Chrome::default()));
        assert!(
            page.contains("8c21")
                && page.contains("role-matrix")
                && page.contains("seen")
                && page.contains("stayward evidence log")
        );
    }

    #[test]
    fn a_link_asks_only_for_the_code() {
        let by = LoginBy::Link { token: "t0k".into(), person: "ada".into() };
        let page = login(&LoginView { by, ..LoginView::default() });
        assert!(page.contains("name=\"code\"") && page.contains("value=\"t0k\"") && !page.contains("name=\"password\""));
    }

    #[test]
    fn the_provider_is_offered_only_where_there_is_one() {
        assert!(!login(&LoginView::default()).contains(path::PROVIDER));
        assert!(login(&LoginView { provider: true, ..LoginView::default() }).contains(path::PROVIDER));
        assert!(signed_in().contains("http-equiv=\"refresh\" content=\"0; url=/console\""));
    }

    #[test]
    fn a_password_never_comes_without_the_code() {
        let page = login(&LoginView::default());
        assert!(page.contains("name=\"password\"") && page.contains("name=\"code\""));
    }
}
