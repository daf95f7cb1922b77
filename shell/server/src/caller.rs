//! Who calls (T2: authentication tokens): the key is found and its right looked at before anything else of the request is read.

use std::net::IpAddr;

use artifact::Asking;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use identity::{Action, Right};
use pipeline::serving::Call;

use crate::answer::Refusal;
use crate::asks::Asks;
use crate::config::KEY_BYTES_MAX;
use crate::serve::App;
use crate::workload::Workload;

const API_KEY: &str = "x-api-key";
const SCHEME: &str = "bearer ";

/// The key in `Authorization: Bearer` or `X-API-Key`; none where there is none, where it cannot be one, or where there are two:
/// which of them counts is not for us to guess.
pub(crate) fn key(headers: &HeaderMap) -> Option<String> {
    let bearer = values(headers, header::AUTHORIZATION.as_str()).map(|value| {
        let (scheme, key) = value.split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then_some(key)
    });
    let mut all = bearer.chain(values(headers, API_KEY).map(Some));
    let key = all.next()??.trim();
    let is_one = all.all(|other| other.map(str::trim) == Some(key));
    (is_one && !key.is_empty() && key.len() <= KEY_BYTES_MAX).then(|| key.to_owned())
}

/// The values of a header; bytes that are not visible ASCII cannot be in a key.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default())
}

/// A key that has the right to ask like this. Without it the pipeline refuses, and takes it down, on an empty question: nothing
/// that a stranger sends is read. An address that goes on is refused here, so that strangers cannot fill the log.
pub(crate) async fn admitted<A: Asks, C>(
    app: &App<A, C>,
    headers: &HeaderMap,
    peer: IpAddr,
    asking: Asking,
) -> Result<Option<String>, Refusal> {
    let key = key(headers);
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
    let key = key(headers);
    if rights.iter().any(|right| app.asks.may(key.as_deref(), *right)) {
        return Ok(());
    }
    hold_strangers(app, key.as_deref(), peer)?;
    if known(app, key.as_deref()) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the key has no such right"));
    }
    Err(Refusal::new(StatusCode::UNAUTHORIZED, "no good key"))
}

/// The one token in `Authorization: Bearer`; none where there is none, where there are two, or a key beside it.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = values(headers, header::AUTHORIZATION.as_str());
    let (scheme, token) = all.next()?.split_at_checked(SCHEME.len())?;
    let (token, alone) = (token.trim(), all.next().is_none() && !headers.contains_key(API_KEY));
    (alone && scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

/// A component's token in `Authorization: Bearer`, of either kind; none where there is none, or where there are two.
pub(crate) fn component_token(headers: &HeaderMap) -> Option<&str> {
    let mut all = values(headers, header::AUTHORIZATION.as_str());
    let (scheme, token) = all.next()?.split_at_checked(SCHEME.len())?;
    let token = token.trim();
    let of_component = token.starts_with("swc_") || token.bytes().filter(|byte| *byte == b'.').count() == 2;
    let alone = all.next().is_none() && !headers.contains_key(API_KEY);
    (alone && scheme.eq_ignore_ascii_case(SCHEME) && of_component).then_some(token)
}

/// Refuses a component's token that is not good, or whose component has no such right: from outside both read the same.
pub(crate) async fn check_component<A: Asks, C>(
    app: &App<A, C>,
    peer: IpAddr,
    token: &str,
    action: Action,
) -> Result<(), Refusal> {
    app.hold_stranger(peer)?;
    if app.asks.component_may(token, action).await {
        return Ok(());
    }
    app.take_down_stranger(peer);
    Err(Refusal::new(StatusCode::UNAUTHORIZED, "no good token of a component with this right"))
}

/// The same for a machine that proved itself by a certificate.
pub(crate) async fn check_workload<A: Asks, C>(
    app: &App<A, C>,
    peer: IpAddr,
    workload: &Workload,
    action: Action,
) -> Result<(), Refusal> {
    app.hold_stranger(peer)?;
    if app.asks.workload_may(workload, action).await {
        return Ok(());
    }
    app.take_down_stranger(peer);
    Err(Refusal::new(StatusCode::UNAUTHORIZED, "no living certificate of a component with this right"))
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

    fn found(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        key(&map)
    }

    #[test]
    fn either_header_carries_the_key() {
        let some = Some("swk_a".to_owned());
        assert_eq!(found(&[("authorization", "Bearer swk_a")]), some);
        assert_eq!(found(&[("authorization", "bearer  swk_a ")]), some);
        assert_eq!(found(&[("x-api-key", "swk_a")]), some);
        assert_eq!(found(&[("x-api-key", "swk_a"), ("authorization", "Bearer swk_a")]), some);
    }

    #[test]
    fn what_is_no_key_is_none() {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        for value in ["Basic YTpi", "Bearer", "Bearer ", "swk_a"] {
            assert_eq!(found(&[("authorization", value)]), None, "{value}");
        }
        assert_eq!((found(&[]), found(&[("x-api-key", &long)])), (None, None));
    }

    #[test]
    fn two_keys_are_none() {
        assert_eq!(found(&[("x-api-key", "a"), ("x-api-key", "b")]), None);
        assert_eq!(found(&[("x-api-key", "a"), ("authorization", "Bearer b")]), None);
        assert_eq!(found(&[("x-api-key", "a"), ("authorization", "Basic b")]), None);
    }
}
