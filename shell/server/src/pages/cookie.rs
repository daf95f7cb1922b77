//! Cookies of the console (T1, T6): bound to this host by their prefix, out of reach of scripts and of other sites.

use aws_lc_rs::{hmac, rand};
use data_encoding::HEXLOWER;
use hyper::header::{self, HeaderMap, HeaderValue};

use crate::answer::Refusal;

/// The session. `__Host-`: browsers take it only with `Secure`, without `Domain`, for the whole host (RFC 6265bis, 4.1.3.2).
pub(super) const SESSION: &str = "__Host-stayward";
/// The double of the login form's token.
pub(super) const DOUBLE: &str = "__Host-stayward-csrf";
/// The login at an identity provider that this browser has begun.
pub(super) const PROVIDER: &str = "__Host-stayward-oidc";
/// Bytes of a cookie's value that are looked at.
const VALUE_BYTES_MAX: usize = 256;
/// How long a login form may stay open.
const DOUBLE_SECONDS: u32 = 3600;
const NONCE_BYTES: usize = 16;
/// Random bytes of a ticket: all secrets of a login are made of it.
const TICKET_BYTES: usize = 32;

/// The cookie's value; none where it comes twice, as somebody then tries to slip one in.
pub(super) fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(seen, _)| *seen == name)
        .map(|(_, value)| value);
    let first = found.next().filter(|value| is_plain(value));
    if found.next().is_some() { None } else { first }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= VALUE_BYTES_MAX
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// `Set-Cookie` with a value.
pub(super) fn set(name: &str, value: &str, seconds: u32) -> Result<HeaderValue, Refusal> {
    set_on(name, value, seconds, "Strict")
}

/// The same for a cookie that must come along when another site sends the browser back to us (a plain link, never a form).
pub(super) fn set_lax(name: &str, value: &str, seconds: u32) -> Result<HeaderValue, Refusal> {
    set_on(name, value, seconds, "Lax")
}

fn set_on(name: &str, value: &str, seconds: u32, same_site: &str) -> Result<HeaderValue, Refusal> {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}");
    let header = HeaderValue::from_str(&text).ok().filter(|_| is_plain(value));
    header.ok_or_else(|| Refusal::internal("a cookie's value has letters that no cookie may have"))
}

/// `Set-Cookie` that removes it.
pub(super) fn unset(name: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict"))
        .map_err(|_| Refusal::internal("a cookie cannot be removed"))
}

/// A fresh token for a login form: a random number and our mark on it, so that nobody can plant one of their own.
pub(super) fn fresh_double(key: &hmac::Key) -> Result<String, Refusal> {
    let mut nonce = [0_u8; NONCE_BYTES];
    rand::fill(&mut nonce).map_err(|_| Refusal::internal("no random bytes"))?;
    let nonce = HEXLOWER.encode(&nonce);
    let mark = mark(key, "login", &nonce);
    Ok(format!("{nonce}.{mark}"))
}

/// A fresh text that stands for one login at a provider until the server's clock (seconds since its start) says so.
pub(super) fn fresh_ticket(key: &hmac::Key, ends: u64) -> Result<String, Refusal> {
    let mut nonce = [0_u8; TICKET_BYTES];
    rand::fill(&mut nonce).map_err(|_| Refusal::internal("no random bytes"))?;
    let body = format!("{}.{ends}", HEXLOWER.encode(&nonce));
    let mark = mark(key, "provider", &body);
    Ok(format!("{body}.{mark}"))
}

/// The cookie's ticket, if it is ours and its time is not over.
pub(super) fn ticket<'h>(key: &hmac::Key, headers: &'h HeaderMap, now: u64) -> Option<&'h str> {
    let ticket = value(headers, PROVIDER)?;
    let (body, tag) = ticket.rsplit_once('.')?;
    let ends: u64 = body.split_once('.')?.1.parse().ok()?;
    (is_mark(key, "provider", body, tag) && now < ends).then_some(ticket)
}

/// `Set-Cookie` for the double of a login form's token.
pub(super) fn set_double(token: &str) -> Result<HeaderValue, Refusal> {
    set(DOUBLE, token, DOUBLE_SECONDS)
}

/// Whether the form's token is the cookie's, and ours.
pub(super) fn is_double(key: &hmac::Key, headers: &HeaderMap, sent: Option<&str>) -> bool {
    let Some((cookie, sent)) = value(headers, DOUBLE).zip(sent) else { return false };
    cookie == sent && cookie.split_once('.').is_some_and(|(nonce, tag)| is_mark(key, "login", nonce, tag))
}

/// The token of forms within a session: our mark on the session's id, so nothing has to be kept.
pub(super) fn session_token(key: &hmac::Key, session: &str) -> String {
    mark(key, "session", session)
}

/// Whether it is this session's token.
pub(super) fn is_session_token(key: &hmac::Key, session: &str, sent: Option<&str>) -> bool {
    sent.is_some_and(|sent| is_mark(key, "session", session, sent))
}

fn mark(key: &hmac::Key, purpose: &str, text: &str) -> String {
    HEXLOWER.encode(hmac::sign(key, format!("{purpose}:{text}").as_bytes()).as_ref())
}

fn is_mark(key: &hmac::Key, purpose: &str, text: &str, tag: &str) -> bool {
    HEXLOWER.decode(tag.as_bytes()).is_ok_and(|tag| hmac::verify(key, format!("{purpose}:{text}").as_bytes(), &tag).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        assert_eq!(value(&cookies(&["a=1; __Host-stayward=abc; b=2"]), SESSION), Some("abc"));
        assert_eq!(value(&cookies(&["a=1", "__Host-stayward=abc"]), SESSION), Some("abc"));
        assert_eq!(value(&cookies(&["x__Host-stayward=abc"]), SESSION), None);
    }

    #[test]
    fn a_cookie_twice_is_none() {
        assert_eq!(value(&cookies(&["__Host-stayward=abc; __Host-stayward=def"]), SESSION), None);
        assert_eq!(value(&cookies(&["__Host-stayward=a\"b"]), SESSION), None);
    }

    #[test]
    fn a_planted_pair_is_not_ours() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let ours = fresh_double(&key).unwrap();
        let sent = |token: &str, cookie: &str| is_double(&key, &cookies(&[&format!("{DOUBLE}={cookie}")]), Some(token));
        assert!(sent(&ours, &ours));
        assert!(!sent("aa.bb", "aa.bb") && !sent(&ours, &fresh_double(&key).unwrap()));
        assert!(!is_double(&key, &cookies(&[]), Some(&ours)) && !is_double(&key, &cookies(&[&format!("{DOUBLE}={ours}")]), None));
    }

    #[test]
    fn a_session_token_is_its_sessions() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let token = session_token(&key, "one");
        assert!(is_session_token(&key, "one", Some(&token)));
        assert!(!is_session_token(&key, "two", Some(&token)) && !is_session_token(&key, "one", None));
    }

    #[test]
    fn a_ticket_is_ours_and_ends() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let ours = fresh_ticket(&key, 600).unwrap();
        let at = |value: &str, now: u64| ticket(&key, &cookies(&[&format!("{PROVIDER}={value}")]), now).map(str::to_owned);
        assert_eq!(at(&ours, 599), Some(ours.clone()));
        assert_eq!(at(&ours, 600), None);
        assert_eq!(at(&ours.replace(".600.", ".6000."), 599), None);
        let elsewhere = fresh_ticket(&hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]), 600).unwrap();
        assert!(at(&elsewhere, 1).is_none() && at("a", 1).is_none() && at("a.b.c", 1).is_none());
    }

    #[test]
    fn a_value_with_a_blank_is_not_set() {
        assert!(set(SESSION, "abc", 1).is_ok() && set(SESSION, "a; Domain=x", 1).is_err());
    }
}
