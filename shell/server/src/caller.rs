//! Who calls (T2: authentication tokens): the key is found and its right looked at before anything else of the request is read.

use std::net::IpAddr;

use artifact::Asking;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use identity::Right;
use pipeline::serving::Call;

use crate::answer::Refusal;
use crate::asks::Asks;
use crate::config::KEY_BYTES_MAX;
use crate::serve::App;

const API_KEY: &str = "x-api-key";
const SCHEME: &str = "bearer ";

/// The key in `Authorization: Bearer` or `X-API-Key`; none where there is none or where it cannot be one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let bearer = one(headers, header::AUTHORIZATION.as_str())?.and_then(|value| {
        let (scheme, key) = value.split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| key.trim().to_owned())
    });
    let plain = one(headers, API_KEY)?.map(|value| value.trim().to_owned());
    match (bearer, plain) {
        (Some(bearer), Some(plain)) if bearer != plain => Err(Refusal::bad("two keys")),
        (bearer, plain) => Ok(bearer.or(plain).filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX)),
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::bad("a header with a key comes twice"));
    }
    // Bytes that are not visible ASCII cannot be in a key.
    Ok(first.map(HeaderValue::to_str).and_then(Result::ok))
}

/// A key that has the right to ask like this. Without it the pipeline refuses, and takes it down, on an empty question: nothing
/// that a stranger sends is read. An address that goes on is refused here, so that strangers cannot fill the log.
pub(crate) async fn admitted<A: Asks, C>(
    app: &App<A, C>,
    headers: &HeaderMap,
    peer: IpAddr,
    asking: Asking,
) -> Result<Option<String>, Refusal> {
    let key = key(headers)?;
    let right = match asking {
        Asking::ByCustomer => Right::Ask,
        Asking::WhatIf => Right::WhatIf,
    };
    if app.asks.may(key.as_deref(), right) {
        return Ok(key);
    }
    hold_strangers(app, key.as_deref(), peer)?;
    let reply = app.asks.ask(Call { key, asking: Some(asking), ..Call::default() }).await;
    Refusal::of(reply)?;
    // The right was given between the two looks; the next call will be answered.
    Err(Refusal::new(StatusCode::FORBIDDEN, "the key had no such right a moment ago"))
}

/// Refuses a key without any of these rights; for what is not a question to the model.
pub(crate) fn check_right<A: Asks, C>(
    app: &App<A, C>,
    headers: &HeaderMap,
    peer: IpAddr,
    rights: &[Right],
) -> Result<(), Refusal> {
    let key = key(headers)?;
    if rights.iter().any(|right| app.asks.may(key.as_deref(), *right)) {
        return Ok(());
    }
    hold_strangers(app, key.as_deref(), peer)?;
    if known(app, key.as_deref()) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the key has no such right"));
    }
    Err(Refusal::new(StatusCode::UNAUTHORIZED, "no good key"))
}

fn hold_strangers<A: Asks, C>(app: &App<A, C>, key: Option<&str>, peer: IpAddr) -> Result<(), Refusal> {
    if known(app, key) {
        return Ok(());
    }
    app.hold_stranger(peer)?;
    app.take_down_stranger(peer);
    Ok(())
}

fn known<A: Asks, C>(app: &App<A, C>, key: Option<&str>) -> bool {
    Right::ALL.iter().any(|right| app.asks.may(key, *right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(&'static str, &str)]) -> Result<Option<String>, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        key(&map).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn either_header_carries_the_key() {
        assert_eq!(found(&[("authorization", "Bearer swk_a")]), Ok(Some("swk_a".into())));
        assert_eq!(found(&[("authorization", "bearer  swk_a ")]), Ok(Some("swk_a".into())));
        assert_eq!(found(&[("x-api-key", "swk_a")]), Ok(Some("swk_a".into())));
        assert_eq!(found(&[("x-api-key", "swk_a"), ("authorization", "Bearer swk_a")]), Ok(Some("swk_a".into())));
    }

    #[test]
    fn what_is_no_key_is_none() {
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[("authorization", "Basic YTpi")]), Ok(None));
        assert_eq!(found(&[("authorization", "Bearer")]), Ok(None));
        assert_eq!(found(&[("authorization", "Bearer ")]), Ok(None));
        assert_eq!(found(&[("x-api-key", &"k".repeat(KEY_BYTES_MAX + 1))]), Ok(None));
    }

    #[test]
    fn two_keys_are_refused() {
        assert_eq!(found(&[("x-api-key", "a"), ("x-api-key", "a")]), Err(400));
        assert_eq!(found(&[("x-api-key", "a"), ("authorization", "Bearer b")]), Err(400));
    }
}
