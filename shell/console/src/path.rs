//! Where the pages live. Ids travel in the query, percent-encoded, never in the path: a path with `..` in it is a door (T2).

/// The Pipeline page.
pub const PIPELINE: &str = "/console";
/// The part of the Pipeline page that the script fetches again.
pub const FRAGMENT: &str = "/console/pipeline/fragment";
/// The Run page: `?id=`; without one, the last run and the list.
pub const RUN: &str = "/console/run";
/// The Model page: `?id=`; without one, the released model.
pub const MODEL: &str = "/console/model";
/// The Evidence page: `?id=`; without one, the form.
pub const EVIDENCE: &str = "/console/evidence";
/// The Controls page.
pub const CONTROLS: &str = "/console/controls";
/// The login: shown by GET, posted to by the form.
pub const LOGIN: &str = "/console/login";
/// The login by the organisation's identity provider: begins it.
pub const PROVIDER: &str = "/console/login/oidc";
/// Where the provider sends the browser back to.
pub const PROVIDER_BACK: &str = "/console/login/oidc/callback";
/// The login by passkey: a challenge, then its answer; POST, JSON.
pub const PASSKEY_LOGIN_ASK: &str = "/console/login/passkey/ask";
/// See [`PASSKEY_LOGIN_ASK`].
pub const PASSKEY_LOGIN: &str = "/console/login/passkey";
/// The Passkeys page by GET; a new one by POST, JSON.
pub const PASSKEYS: &str = "/console/passkeys";
/// A challenge for a new one: POST, JSON.
pub const PASSKEY_ASK: &str = "/console/passkeys/ask";
/// [`crate::PASSKEY_SCRIPT`].
pub const PASSKEY_SCRIPT: &str = "/console/passkey.js";
/// The end of a session: POST with the field `csrf`.
pub const LOGOUT: &str = "/console/logout";
/// [`crate::STYLESHEET`].
pub const STYLE: &str = "/console/style.css";
/// [`crate::ICON`].
pub const ICON: &str = "/console/icon.svg";
/// [`crate::SCRIPT`].
pub const SCRIPT: &str = "/console/live.js";

/// A page with an id: `/console/run?id=01JD%2F..`.
pub fn with_id(page: &str, id: &str) -> String {
    let mut path = format!("{page}?id=");
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_stays_as_it_is() {
        assert_eq!(with_id(RUN, "01JD-9_a.b~"), "/console/run?id=01JD-9_a.b~");
    }

    #[test]
    fn all_else_is_percent_encoded() {
        assert_eq!(with_id(RUN, "a&b=\"/ü"), "/console/run?id=a%26b%3D%22%2F%C3%BC");
    }
}
