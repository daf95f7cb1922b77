//! What the pages outside the console are told: the login, and the page that says no.

use serde::{Deserialize, Serialize};

use super::{Chrome, FindingView};

/// How a person comes in. Both ways end with a second factor (T1, T6: RBAC and a second factor).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginBy {
    /// Name, password and the code of the authenticator.
    #[default]
    Password,
    /// A one-time link was opened: only the code is asked for.
    Link {
        /// The link's token, sent back in the field `token`.
        token: String,
        /// Whom the link was made for.
        person: String,
    },
}

/// The login page. Its form posts to [`crate::path::LOGIN`]: fields `name`, `password`, `code`, or `token`, `code`; always `csrf`, `next`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginView {
    /// How the person comes in.
    pub by: LoginBy,
    /// The token that the form sends back in the field `csrf`.
    pub csrf: String,
    /// Where to go after the login: a path of the console, sent back in the field `next`.
    pub next: String,
    /// The reference of a refused attempt; a caller never reads why.
    pub refused: Option<String>,
    /// The name that was typed, to be shown again.
    pub name: String,
    /// Whether an identity provider lets people in, too.
    pub provider: bool,
}

/// Why a page is not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedKind {
    /// There is nothing at this path (404).
    #[default]
    NotFound,
    /// The person's role does not allow it (403).
    NotAllowed,
    /// The form was old, or came from elsewhere (400).
    BadRequest,
    /// Too many requests (429).
    TooMany,
    /// Our fault (500).
    Internal,
}

/// The page that says no.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedView {
    /// Around the page; none for a person who is not signed in, who then reads only the reference.
    pub chrome: Option<Chrome>,
    /// Why.
    pub kind: RefusedKind,
    /// The reference that the operator finds in the log.
    pub reference: String,
    /// The operator's face of the refusal; drawn only inside a `chrome`.
    pub finding: Option<FindingView>,
}
