//! What stands around every page: head, skip link, navigation, sign-out; and the last look at the text that leaves (T2, T3).

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::part::when;
use crate::path;
use crate::view::Chrome;

/// Which entry of the navigation is the current page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Pipeline,
    Run,
    Model,
    Evidence,
    Controls,
    None,
}

/// Whether the page takes the script that reads it again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    Yes,
    No,
}

const TABS: [(Tab, &str, &str); 5] = [
    (Tab::Pipeline, path::PIPELINE, "Pipeline"),
    (Tab::Run, path::RUN, "Runs"),
    (Tab::Model, path::MODEL, "Model"),
    (Tab::Evidence, path::EVIDENCE, "Evidence"),
    (Tab::Controls, path::CONTROLS, "Controls"),
];

/// A page for a person who is signed in.
pub(crate) fn inside(chrome: &Chrome, tab: Tab, live: Live, title: &str, body: Markup) -> String {
    document(
        title,
        live,
        None,
        html! {
            a class="skip" href="#main" { "Skip to the content" }
            header class="top" {
                div class="bar" {
                    a class="brand" href=(path::PIPELINE) { (mark()) "Stayward" }
                    nav class="tabs" aria-label="Pages" {
                        ul {
                            @for (this, href, name) in TABS {
                                li { a href=(href) aria-current=[(this == tab).then_some("page")] { (name) } }
                            }
                        }
                    }
                    form class="who" method="post" action=(path::LOGOUT) {
                        input type="hidden" name="csrf" value=(chrome.csrf);
                        span class="person" {
                            a href=(path::PASSKEYS) { (chrome.person) }
                            @if !chrome.role.is_empty() { span class="role" { (chrome.role) } }
                        }
                        button type="submit" class="quiet" { "Sign out" }
                    }
                }
            }
            main id="main" class="page" tabindex="-1" { (body) }
            footer class="foot" {
                span { "Stayward " (chrome.version) }
                @if !chrome.read_at.is_empty() { span { "read at " (when(&chrome.read_at)) } }
                span { "nothing on this page was fetched from outside" }
            }
        },
    )
}

/// A page for anybody.
pub(crate) fn outside(title: &str, body: Markup) -> String {
    at_the_door(title, None, body)
}

/// A page for anybody, which goes on to one of our pages by itself.
pub(crate) fn outside_and_on(title: &str, next: &str, body: Markup) -> String {
    at_the_door(title, Some(next), body)
}

fn at_the_door(title: &str, next: Option<&str>, body: Markup) -> String {
    document(
        title,
        Live::No,
        next,
        html! {
            a class="skip" href="#main" { "Skip to the content" }
            main id="main" class="door" tabindex="-1" {
                p class="brand" { (mark()) "Stayward" }
                (body)
            }
        },
    )
}

fn document(title: &str, live: Live, next: Option<&str>, body: Markup) -> String {
    settled(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                @if let Some(next) = next { meta http-equiv="refresh" content={ "0; url=" (next) }; }
                title { (title) " · Stayward" }
                link rel="icon" type="image/svg+xml" href=(path::ICON);
                link rel="stylesheet" href=(path::STYLE);
                @if live == Live::Yes { script src=(path::SCRIPT) defer {} }
            }
            body { (body) }
        }
    })
}

/// The last look at what leaves: characters that a terminal, an editor or a reader's eye would obey (controls, and the marks that
/// turn the direction of text, CVE-2021-42574) are shown as replaced. Markup has none of them, so only texts can change.
pub(crate) fn settled(markup: PreEscaped<String>) -> String {
    let text = markup.into_string();
    if !text.contains(obeyed) {
        return text;
    }
    text.chars().map(|letter| if obeyed(letter) { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// Whether a character is obeyed rather than read.
pub(crate) fn obeyed(letter: char) -> bool {
    let turns = matches!(letter, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    turns || matches!(letter, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}') || (letter.is_control() && !matches!(letter, '\n' | '\t'))
}

/// The product's sign: a gate.
fn mark() -> Markup {
    html! {
        svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false" {
            path d="M4 21V9a8 8 0 0 1 16 0v12" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" {}
            path d="M9 21V10M15 21V10M4.5 14.5h15" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" {}
        }
    }
}
