//! What the console's routes ask of the shell (T1, T6: people by two factors): who is there, and what a page shows.

use std::future::Future;

use console::view::controls::ControlsView;
use console::view::entry::RefusedView;
use console::view::evidence::EvidenceView;
use console::view::model::ModelView;
use console::view::passkeys::PasskeysView;
use console::view::pipeline::{PipelineView, RunView};
use identity::oidc::LoginRequest;
use serde_json::Value;

/// A person with a live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Name.
    pub person: String,
    /// Roles, as one text to be shown.
    pub role: String,
}

/// A fresh session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCookie {
    /// The session's id: letters, digits, `-`, `_` only.
    pub value: String,
    /// How long it lasts.
    pub seconds: u32,
}

impl std::fmt::Debug for SessionCookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SessionCookie(***)")
    }
}

/// What came of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Both factors were right.
    In(SessionCookie),
    /// Something was wrong; the person does not read what.
    Refused,
    /// Too many wrong guesses.
    LockedOut {
        /// Seconds until it is worth to try again.
        retry_after_seconds: u32,
    },
}

/// What the identity provider sent back by the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// An authorization code.
    Code {
        /// The code.
        code: String,
        /// Who answers, where the answer says so.
        issuer: Option<String>,
    },
    /// An error, by its code.
    Error(String),
}

/// A page's view, or why it is not shown; the reference is made by the server where it is empty.
pub type Seen<T> = Result<T, Box<RefusedView>>;

/// Who is there, and what the pages show. The server fills `chrome` of every view itself.
pub trait ConsoleSource: Send + Sync + 'static {
    /// A login by name, password and code.
    fn login(&self, name: &str, password: &str, code: &str) -> impl Future<Output = Entry> + Send;
    /// For whom an unused link was made; does not use it up.
    fn link_person(&self, token: &str) -> impl Future<Output = Option<String>> + Send;
    /// A login by one-time link and code. A wrong code must not leave a session behind.
    fn use_link(&self, token: &str, code: &str) -> impl Future<Output = Entry> + Send;
    /// Whether an identity provider lets people in, too.
    fn has_provider(&self) -> bool;
    /// The provider's address for a login that begins; none where it cannot be asked.
    fn provider_url(&self, request: LoginRequest) -> impl Future<Output = Option<String>> + Send;
    /// A login by what the provider sent back. The state was compared before.
    fn provider_login(&self, request: LoginRequest, back: Back) -> impl Future<Output = Entry> + Send;
    /// A challenge for a login by passkey, as the script takes it; none where the console's address is no domain.
    fn passkey_challenge(&self) -> impl Future<Output = Option<Value>> + Send;
    /// A login by what the script sent.
    fn passkey_login(&self, answer: Value) -> impl Future<Output = Entry> + Send;
    /// A challenge for a new passkey of a session, or why there is none, for the person to read.
    fn passkey_options(&self, cookie: &str) -> impl Future<Output = Result<Value, String>> + Send;
    /// Adds the passkey that the script made, or says why not.
    fn passkey_add(&self, cookie: &str, answer: Value) -> impl Future<Output = Result<(), String>> + Send;
    /// The Passkeys page.
    fn passkeys(&self, who: &Signed) -> impl Future<Output = Seen<PasskeysView>> + Send;
    /// Who this cookie stands for.
    fn session(&self, cookie: &str) -> impl Future<Output = Option<Signed>> + Send;
    /// Ends the session.
    fn logout(&self, cookie: &str) -> impl Future<Output = ()> + Send;
    /// The Pipeline page and its live part.
    fn pipeline(&self, who: &Signed) -> impl Future<Output = Seen<PipelineView>> + Send;
    /// The Run page; without an id, the last run.
    fn run(&self, who: &Signed, id: Option<&str>) -> impl Future<Output = Seen<RunView>> + Send;
    /// The Model page; without an id, the released model.
    fn model(&self, who: &Signed, id: Option<&str>) -> impl Future<Output = Seen<ModelView>> + Send;
    /// The Evidence page; without an id, the form.
    fn evidence(&self, who: &Signed, id: Option<&str>) -> impl Future<Output = Seen<EvidenceView>> + Send;
    /// The Controls page.
    fn controls(&self, who: &Signed) -> impl Future<Output = Seen<ControlsView>> + Send;
}
