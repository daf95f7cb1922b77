//! What an ID token must say (T1, T6), in the order of OpenID Connect Core 1.0, section 3.1.3.7, after its signature was checked.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{self, SHA256, SHA512};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{OidcRules, SecondFactorRule};
use crate::jose::{Algorithm, same_text};
use crate::matrix::STEP_UP_SECONDS;

/// How far clocks may differ, either way.
pub(crate) const SKEW_SECONDS: i64 = 60;
/// How long ago a token may have been made: it comes straight from the provider.
const ISSUED_SECONDS_MAX: i64 = 300;
/// How long ago the person may have logged in at the provider: it counts as a fresh second factor here, so no longer than one.
pub(crate) const AUTH_AGE_SECONDS_MAX: i64 = STEP_UP_SECONDS;
/// Bytes of a subject (Core, section 2).
const SUBJECT_BYTES_MAX: usize = 255;
/// Audiences, methods and groups of one token that are looked at.
const LIST_MAX: usize = 256;

/// Who logged in at the provider, as its ID token proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The issuer.
    pub issuer: String,
    /// The person there: stable, never given to somebody else.
    pub subject: String,
    /// The name there, for a new account.
    pub name: Option<String>,
    /// Groups there.
    pub groups: BTreeSet<String>,
    /// When the person proved it there, Unix seconds, never later than now.
    pub auth_time: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    at_hash: Option<String>,
    #[serde(default)]
    auth_time: Option<i64>,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    amr: Option<Vec<String>>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// What the login at hand expects.
pub(crate) struct Expected<'a> {
    pub(crate) rules: &'a OidcRules,
    pub(crate) nonce: &'a str,
    pub(crate) access_token: Option<&'a str>,
    pub(crate) algorithm: Algorithm,
    pub(crate) now: i64,
}

/// Judges the payload of an ID token.
///
/// # Errors
/// What is wrong with it, for the operator.
pub(crate) fn check(payload: &[u8], expected: &Expected<'_>) -> Result<Proven, String> {
    let claims: Claims = serde_json::from_slice(payload).map_err(|_| "the ID token lacks a claim that it must have")?;
    let rules = expected.rules;
    if claims.iss != rules.issuer {
        return Err(format!("the ID token is of another issuer, `{}`", shown(&claims.iss)));
    }
    audience(&claims, &rules.client_id)?;
    times(&claims, expected.now)?;
    if !claims.nonce.as_deref().is_some_and(|nonce| same_text(nonce, expected.nonce)) {
        return Err("the ID token is not of this login: its nonce is another".to_owned());
    }
    access_token(&claims, expected)?;
    let auth_time = claims.auth_time.ok_or("the ID token does not say when the person logged in (`auth_time`)")?;
    let age = expected.now.saturating_sub(auth_time);
    if !(-SKEW_SECONDS..=AUTH_AGE_SECONDS_MAX + SKEW_SECONDS).contains(&age) {
        return Err(format!(
            "the person logged in at the provider `{age}` seconds ago; at most `{AUTH_AGE_SECONDS_MAX}` are taken"
        ));
    }
    second_factor(&claims, &rules.second_factor)?;
    if claims.sub.is_empty() || claims.sub.len() > SUBJECT_BYTES_MAX || claims.sub.chars().any(char::is_control) {
        return Err("the ID token's subject is empty or too long".to_owned());
    }
    Ok(Proven {
        name: claims.more.get(&rules.name_claim).and_then(Value::as_str).map(str::to_owned),
        groups: groups(claims.more.get(&rules.groups_claim))?,
        issuer: claims.iss,
        subject: claims.sub,
        auth_time: auth_time.min(expected.now),
    })
}

fn audience(claims: &Claims, client_id: &str) -> Result<(), String> {
    let audiences = claims.aud.texts();
    if audiences.len() > LIST_MAX || !audiences.iter().any(|audience| audience == client_id) {
        return Err("the ID token is for somebody else: this client is not its audience".to_owned());
    }
    match &claims.azp {
        Some(party) if party != client_id => Err("the ID token was issued to another party (`azp`)".to_owned()),
        None if audiences.len() > 1 => {
            Err("the ID token has several audiences and does not say for whom it is (`azp`)".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

fn times(claims: &Claims, now: i64) -> Result<(), String> {
    let early = now.saturating_add(SKEW_SECONDS);
    if claims.exp.saturating_add(SKEW_SECONDS) <= now {
        return Err("the ID token's time is over".to_owned());
    }
    if claims.iat > early || claims.nbf.is_some_and(|begins| begins > early) {
        return Err("the ID token is of the future: compare this machine's clock with the provider's".to_owned());
    }
    if now.saturating_sub(claims.iat) > ISSUED_SECONDS_MAX + SKEW_SECONDS {
        return Err("the ID token was made too long ago".to_owned());
    }
    Ok(())
}

/// Core, section 3.1.3.6: the left half of the access token's hash, by the hash of the signature's algorithm.
fn access_token(claims: &Claims, expected: &Expected<'_>) -> Result<(), String> {
    let Some(at_hash) = &claims.at_hash else { return Ok(()) };
    let access_token = expected.access_token.ok_or("the ID token is bound to an access token, and none came with it")?;
    let hash = match expected.algorithm {
        Algorithm::Es256 | Algorithm::Rs256 => &SHA256,
        Algorithm::EdDsa => &SHA512,
    };
    let whole = digest::digest(hash, access_token.as_bytes());
    let half = whole.as_ref().get(..whole.as_ref().len() / 2).unwrap_or_default();
    if same_text(&BASE64URL_NOPAD.encode(half), at_hash) {
        return Ok(());
    }
    Err("the ID token is bound to another access token (`at_hash`)".to_owned())
}

fn second_factor(claims: &Claims, rule: &SecondFactorRule) -> Result<(), String> {
    let SecondFactorRule::Claims { amr, acr } = rule else { return Ok(()) };
    let methods = claims.amr.as_deref().unwrap_or_default();
    let by_method = methods.iter().take(LIST_MAX).any(|method| amr.contains(method));
    let by_class = claims.acr.as_ref().is_some_and(|class| acr.contains(class));
    if by_method || by_class {
        return Ok(());
    }
    Err("the provider does not say that a second factor was given (`amr`, `acr`)".to_owned())
}

/// Groups as a list of texts, or one text; no claim is no group.
fn groups(claim: Option<&Value>) -> Result<BTreeSet<String>, String> {
    match claim {
        None | Some(Value::Null) => Ok(BTreeSet::new()),
        Some(Value::String(one)) => Ok([one.clone()].into()),
        Some(Value::Array(list)) if list.len() <= LIST_MAX => {
            let texts = list.iter().map(|group| group.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(|| "the groups of the ID token are no texts".to_owned())
        }
        Some(_) => Err("the groups of the ID token are no list, or a list that is too long".to_owned()),
    }
}

/// A text of others in a message: short, without control characters.
fn shown(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn rules(second_factor: SecondFactorRule) -> OidcRules {
        OidcRules {
            issuer: "https://id.example".to_owned(),
            client_id: "stayward".to_owned(),
            client_secret: None,
            ca: None,
            scopes: vec![],
            groups_claim: "groups".to_owned(),
            name_claim: "preferred_username".to_owned(),
            roles: BTreeMap::new(),
            creates: false,
            second_factor,
        }
    }

    fn by_claims() -> SecondFactorRule {
        SecondFactorRule::Claims { amr: ["mfa".to_owned()].into(), acr: ["gold".to_owned()].into() }
    }

    fn ordinary() -> Value {
        json!({ "iss": "https://id.example", "sub": "u-1", "aud": "stayward", "exp": NOW + 300, "iat": NOW, "nonce": "n",
            "auth_time": NOW - 10, "amr": ["pwd", "mfa"], "groups": ["a", "b"], "preferred_username": "ada" })
    }

    fn judged(claims: &Value, rule: SecondFactorRule) -> Result<Proven, String> {
        let rules = rules(rule);
        let expected =
            Expected { rules: &rules, nonce: "n", access_token: Some("access"), algorithm: Algorithm::Es256, now: NOW };
        check(claims.to_string().as_bytes(), &expected)
    }

    /// Sets a claim; null takes it away.
    fn set(claims: &mut Value, claim: &str, value: Value) {
        if value.is_null() {
            claims.as_object_mut().unwrap().shift_remove(claim);
        } else {
            claims[claim] = value;
        }
    }

    /// Changes one claim of an ordinary token.
    fn with(claim: &str, value: Value) -> Result<Proven, String> {
        let mut claims = ordinary();
        set(&mut claims, claim, value);
        judged(&claims, by_claims())
    }

    #[test]
    fn an_ordinary_token_passes() {
        let proven = judged(&ordinary(), by_claims()).unwrap();
        assert_eq!((proven.subject.as_str(), proven.name.as_deref(), proven.auth_time), ("u-1", Some("ada"), NOW - 10));
        assert_eq!(proven.groups, ["a".to_owned(), "b".to_owned()].into());
        for (claim, value) in [
            ("aud", json!(["stayward"])),
            ("azp", json!("stayward")),
            ("exp", json!(NOW - 59)),
            ("iat", json!(NOW + 60)),
            ("nbf", json!(NOW + 60)),
            ("auth_time", json!(NOW - 900)),
            ("groups", json!("a")),
            ("groups", Value::Null),
        ] {
            assert!(with(claim, value.clone()).is_ok(), "{claim} {value}");
        }
        assert_eq!(with("auth_time", json!(NOW + 30)).unwrap().auth_time, NOW, "no second factor is of the future");
    }

    #[test]
    fn one_wrong_claim_is_refused() {
        for (claim, value) in [
            ("iss", json!("https://id.example/")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!(["stayward", "other"])),
            ("azp", json!("other")),
            ("exp", json!(NOW - 60)),
            ("exp", json!("tomorrow")),
            ("exp", Value::Null),
            ("iat", json!(NOW + 61)),
            ("iat", json!(NOW - 400)),
            ("nbf", json!(NOW + 61)),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("auth_time", Value::Null),
            ("auth_time", json!(NOW - 961)),
            ("auth_time", json!(NOW + 61)),
            ("amr", json!(["pwd"])),
            ("amr", Value::Null),
            ("acr", json!("silver")),
            ("sub", json!("")),
            ("sub", json!("a\nb")),
            ("groups", json!([1])),
            ("groups", json!({ "a": true })),
            ("at_hash", json!("AAAA")),
        ] {
            let mut claims = ordinary();
            if claim == "acr" {
                claims["amr"] = json!([]);
            }
            set(&mut claims, claim, value.clone());
            assert!(judged(&claims, by_claims()).is_err(), "{claim} {value}");
        }
    }

    #[test]
    fn a_second_factor_is_proved_or_vouched_for() {
        let mut claims = ordinary();
        claims["amr"] = json!(["pwd"]);
        assert!(judged(&claims, by_claims()).is_err());
        assert!(judged(&claims, SecondFactorRule::Provider).is_ok());
        claims["acr"] = json!("gold");
        assert!(judged(&claims, by_claims()).is_ok());
    }

    #[test]
    fn the_access_token_is_the_one_that_was_bound() {
        let hash = digest::digest(&SHA256, b"access");
        assert!(with("at_hash", json!(BASE64URL_NOPAD.encode(&hash.as_ref()[..16]))).is_ok());
        assert!(with("at_hash", json!(BASE64URL_NOPAD.encode(hash.as_ref()))).is_err());
    }

    #[test]
    fn a_claim_twice_is_refused() {
        let text = ordinary().to_string().replace("\"sub\":\"u-1\"", "\"sub\":\"u-1\",\"sub\":\"admin\"");
        let rules = rules(by_claims());
        let expected = Expected { rules: &rules, nonce: "n", access_token: None, algorithm: Algorithm::Es256, now: NOW };
        assert!(check(text.as_bytes(), &expected).is_err());
    }

    proptest! {
        #[test]
        fn no_payload_is_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200), exp in any::<i64>(), auth in any::<i64>()) {
            let rules = rules(by_claims());
            let expected = Expected { rules: &rules, nonce: "n", access_token: None, algorithm: Algorithm::EdDsa, now: NOW };
            let _ = check(&bytes, &expected);
            let mut claims = ordinary();
            claims["exp"] = json!(exp);
            claims["auth_time"] = json!(auth);
            let _ = check(claims.to_string().as_bytes(), &expected);
        }
    }
}
