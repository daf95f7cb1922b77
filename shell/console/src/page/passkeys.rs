//! The Passkeys page: what a person may come in with, and one more (T1, T6). Without its script nothing can be added, and nothing else is lost.

use maud::html;

use crate::command;
use crate::frame::{Live, Tab, inside};
use crate::part::{command_line, empty, when};
use crate::path;
use crate::view::passkeys::PasskeysView;

/// The whole page.
pub fn passkeys(view: &PasskeysView) -> String {
    let body = html! {
        h1 { "Passkeys" }
        p { "A passkey opens the console without a password, and no other site can ask for it." }
        @if view.passkeys.is_empty() {
            (empty("There is none yet.", command::ROLES))
        } @else {
            ul {
                @for one in &view.passkeys {
                    li {
                        strong { (one.label) }
                        @if one.synced { " · copied to the person's devices by a service" }
                        " · added " (when(&one.created_at))
                        @if !one.last_used_at.is_empty() { " · last used " (when(&one.last_used_at)) }
                        p { (command_line(&command::passkey_remove(&view.person, &one.id))) }
                    }
                }
            }
        }
        div id="passkey-add" class="panel" data-ask=(path::PASSKEY_ASK) data-send=(path::PASSKEYS) hidden {
            label for="passkey-label" { "Name of a new passkey" }
            input id="passkey-label" type="text" maxlength="64" autocomplete="off";
            button type="button" class="wide" { "Add a passkey" }
            p role="alert" {}
        }
        script src=(path::PASSKEY_SCRIPT) defer {}
    };
    inside(&view.chrome, Tab::None, Live::No, "Passkeys", body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::passkeys::PasskeyView;

    #[test]
    fn the_command_that_removes_one_is_shown() {
        let one = PasskeyView { id: "AbC".into(), label: "<b>".into(), ..PasskeyView::default() };
        let page = passkeys(&PasskeysView { person: "ada".into(), passkeys: vec![one], ..PasskeysView::default() });
        assert!(page.contains("stayward user passkey rm ada --id=AbC") && page.contains("&lt;b&gt;"));
    }
}
