//! What the Passkeys page is told: those of the person who is signed in.

use serde::{Deserialize, Serialize};

use super::Chrome;

/// One passkey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PasskeyView {
    /// Its id, base64url.
    pub id: String,
    /// What the person calls it.
    pub label: String,
    /// Whether a service copies it to the person's other devices.
    pub synced: bool,
    /// When it was added, RFC 3339.
    pub created_at: String,
    /// When it last opened a session, RFC 3339; empty where it never did.
    pub last_used_at: String,
}

/// The Passkeys page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PasskeysView {
    /// Around the page.
    pub chrome: Chrome,
    /// Whose.
    pub person: String,
    /// Those that there are, oldest first.
    pub passkeys: Vec<PasskeyView>,
}
