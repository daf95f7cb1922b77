//! Access tokens of components that others can check, too (T4): RFC 9068, signed by ES256, at most a day long, revoked at once.
//!
//! Whoever keeps our public keys (`/.well-known/jwks.json`) can check who sent something, for whom, and until when; only here it is
//! also known what was revoked. Read in one place, [`Identity::verify_access_token`]: the algorithm is fixed and the type is checked, so
//! that no ID token and no token for another audience is taken for one of these (RFC 8725, sections 3.9 and 3.11).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;

use crate::components::COMPONENT_TOKEN_SECONDS_MAX;
use crate::database::{Identity, hash_column, log};
use crate::error::IdentityError;
use crate::jose::{Algorithm, Jws, Key};
use crate::role::Component;
use crate::token::{SecretText, TokenKind, fresh_token, hash, same_hash};

/// How far ahead the clock of the machine that issued a token may be.
const SKEW_SECONDS: i64 = 60;
/// Letters of an audience or issuer.
const NAME_BYTES_MAX: usize = 256;
const TYPE: &str = "at+jwt";

struct Pair {
    pair: EcdsaKeyPair,
    kid: String,
    key: Key,
}

impl Pair {
    fn of(pkcs8: &[u8]) -> Result<Self, IdentityError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| IdentityError::Crypto("read the key of access tokens"))?;
        let point = pair.public_key().as_ref().to_vec();
        let (x, y) = coordinates(&point);
        // The thumbprint of RFC 7638: members in this order, without blanks.
        let canonical = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}");
        let kid = BASE64URL_NOPAD.encode(digest(&SHA256, canonical.as_bytes()).as_ref());
        Ok(Self { pair, kid, key: Key::P256(point) })
    }

    fn jwk(&self) -> Value {
        let (x, y) = match &self.key {
            Key::P256(point) => coordinates(point),
            Key::Rsa { .. } | Key::Ed25519(_) => return Value::Null,
        };
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y })
    }
}

/// Both halves of an uncompressed point, base64url.
fn coordinates(point: &[u8]) -> (String, String) {
    let half = |range: std::ops::Range<usize>| BASE64URL_NOPAD.encode(point.get(range).unwrap_or_default());
    (half(1..33), half(33..65))
}

/// The key that signs, and earlier ones whose tokens may still live.
pub struct TokenKeys {
    current: Pair,
    earlier: Vec<Pair>,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenKeys").field("current", &self.current.kid).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Of P-256 keys as PKCS#8 DER.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`].
    pub fn new(current: &[u8], earlier: &[&[u8]]) -> Result<Self, IdentityError> {
        let earlier = earlier.iter().map(|pkcs8| Pair::of(pkcs8)).collect::<Result<_, _>>()?;
        Ok(Self { current: Pair::of(current)?, earlier })
    }

    /// The public halves, for others (RFC 7517).
    #[must_use]
    pub fn public(&self) -> Value {
        let keys: Vec<Value> = self.all().map(Pair::jwk).collect();
        json!({ "keys": keys })
    }

    fn all(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.current).chain(&self.earlier)
    }
}

/// Between whom a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenScope<'a> {
    /// Who issues: this project's address.
    pub issuer: &'a str,
    /// For whom.
    pub audience: &'a str,
}

/// Claims of RFC 9068, section 2.2; nothing that is not one of them is written or taken.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    exp: i64,
    iat: i64,
    jti: String,
}

impl Identity {
    /// Gives a component a signed token for so many seconds. It is listed, and revoked, with the component's other tokens.
    ///
    /// # Errors
    /// [`IdentityError::Range`], [`IdentityError::Text`].
    pub async fn issue_access_token(
        &self,
        keys: &TokenKeys,
        scope: TokenScope<'_>,
        component: Component,
        lifetime_seconds: i64,
        now: i64,
    ) -> Result<SecretText, IdentityError> {
        if !(1..=COMPONENT_TOKEN_SECONDS_MAX).contains(&lifetime_seconds) {
            let what = "life of an access token in seconds";
            return Err(IdentityError::Range { what, min: 1, max: COMPONENT_TOKEN_SECONDS_MAX });
        }
        for (what, text) in [("audience", scope.audience), ("issuer", scope.issuer)] {
            if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(IdentityError::Text { what, limit: NAME_BYTES_MAX });
            }
        }
        let id = fresh_token(TokenKind::Component)?.id;
        let claims = Claims {
            iss: scope.issuer.to_owned(),
            aud: scope.audience.to_owned(),
            sub: component.as_str().to_owned(),
            client_id: component.as_str().to_owned(),
            exp: now.saturating_add(lifetime_seconds),
            iat: now,
            jti: id.clone(),
        };
        let text = signed(&keys.current, &claims)?;
        let mut transaction = self.change().await?;
        sqlx::query("INSERT INTO component_tokens (id, component, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?)")
            .bind(&id)
            .bind(component.as_str())
            .bind(hash(text.reveal()).as_slice())
            .bind(now)
            .bind(claims.exp)
            .execute(&mut *transaction)
            .await?;
        log(&mut transaction, now, component.as_str(), "access-token-issued", &id).await?;
        transaction.commit().await?;
        Ok(text)
    }

    /// Whose token it is, if it is one of ours, for this audience, and valid now.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`], the same for every reason.
    pub async fn verify_access_token(
        &self,
        keys: &TokenKeys,
        scope: TokenScope<'_>,
        text: &str,
        now: i64,
    ) -> Result<Component, IdentityError> {
        let invalid = || IdentityError::NotValid("access token");
        let (component, id) = judged(keys, scope, text, now).ok_or_else(invalid)?;
        let row = sqlx::query("SELECT token_hash, expires_at, revoked_at FROM component_tokens WHERE id = ? AND component = ?")
            .bind(&id)
            .bind(component.as_str())
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(invalid)?;
        // The whole text: a second signature over the same claims is another token.
        let right = same_hash(&hash_column(&row, "token_hash")?, &hash(text));
        let live = row.try_get::<i64, _>("expires_at")? > now && row.try_get::<Option<i64>, _>("revoked_at")?.is_none();
        if !(right && live) {
            return Err(invalid());
        }
        self.vouched_where("component_tokens", "id", &id).await?;
        Ok(component)
    }

    /// Ends one token of a component, of either kind, by its id (`jti`).
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub async fn revoke_component_token(&self, id: &str, now: i64) -> Result<Component, IdentityError> {
        let mut transaction = self.change().await?;
        let row =
            sqlx::query("UPDATE component_tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING component")
                .bind(now)
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await?
                .ok_or_else(|| IdentityError::Missing { what: "token", name: id.chars().take(64).collect() })?;
        let component = Component::parse(row.try_get("component")?).ok_or(IdentityError::Corrupt("an unknown component"))?;
        log(&mut transaction, now, component.as_str(), "component-token-revoked", id).await?;
        transaction.commit().await?;
        Ok(component)
    }
}

fn signed(pair: &Pair, claims: &Claims) -> Result<SecretText, IdentityError> {
    let failed = || IdentityError::Crypto("sign an access token");
    let header = json!({ "alg": "ES256", "typ": TYPE, "kid": pair.kid }).to_string();
    let body = serde_json::to_vec(claims).map_err(|_| failed())?;
    let text = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(&body));
    let signature = pair.pair.sign(&SystemRandom::new(), text.as_bytes()).map_err(|_| failed())?;
    Ok(SecretText::new(format!("{text}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))))
}

/// Everything that the token itself can tell.
fn judged(keys: &TokenKeys, scope: TokenScope<'_>, text: &str, now: i64) -> Option<(Component, String)> {
    let jws = Jws::parse(text).ok()?;
    if jws.algorithm != Algorithm::Es256 || jws.typ.as_deref() != Some(TYPE) {
        return None;
    }
    let pair = keys.all().find(|pair| Some(&pair.kid) == jws.kid.as_ref())?;
    let claims: Claims = serde_json::from_slice(jws.verified(&pair.key)?).ok()?;
    let fits = claims.iss == scope.issuer && claims.aud == scope.audience && claims.client_id == claims.sub;
    let timely = claims.exp > now && claims.iat <= now.saturating_add(SKEW_SECONDS);
    let short = claims.exp.saturating_sub(claims.iat) <= COMPONENT_TOKEN_SECONDS_MAX;
    (fits && timely && short).then(|| Component::parse(&claims.sub).map(|component| (component, claims.jti)))?
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::jose::KeySet;

    const NOON: i64 = 1_800_000_000;
    const SCOPE: TokenScope<'static> = TokenScope { issuer: "https://churn.example", audience: "https://churn.example" };

    fn keys() -> TokenKeys {
        TokenKeys::new(&vault::generate_p256_pkcs8().unwrap(), &[]).unwrap()
    }

    async fn open(dir: &std::path::Path) -> Identity {
        let vault = vault::Vault::create(&dir.join("vault")).unwrap();
        Identity::open(&dir.join("control.db"), Arc::new(vault)).await.unwrap()
    }

    #[tokio::test]
    async fn a_token_is_good_for_its_audience_until_its_end_or_its_revocation() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, keys) = (open(dir.path()).await, keys());
        let issue = |component| identity.issue_access_token(&keys, SCOPE, component, 600, NOON);
        let verify = |scope, text: SecretText, now| {
            let (identity, keys) = (&identity, &keys);
            async move { identity.verify_access_token(keys, scope, text.reveal(), now).await }
        };
        let token = issue(Component::Monitor).await.unwrap();
        assert_eq!(verify(SCOPE, token.clone(), NOON + 599).await.unwrap(), Component::Monitor);
        assert!(verify(SCOPE, token.clone(), NOON + 600).await.is_err());
        assert!(verify(TokenScope { audience: "https://other.example", ..SCOPE }, token.clone(), NOON).await.is_err());
        assert!(verify(TokenScope { issuer: "https://other.example", ..SCOPE }, token.clone(), NOON).await.is_err());
        assert!(identity.verify_component_token(token.reveal(), NOON).await.is_err(), "one kind is not the other");
        let second = issue(Component::Monitor).await.unwrap();
        let id = identity.component_tokens().await.unwrap()[0].id.clone();
        assert_eq!(identity.revoke_component_token(&id, NOON).await.unwrap(), Component::Monitor);
        assert!(identity.revoke_component_token(&id, NOON).await.is_err());
        let left = [verify(SCOPE, token.clone(), NOON).await.is_ok(), verify(SCOPE, second.clone(), NOON).await.is_ok()];
        assert_eq!(left.iter().filter(|good| **good).count(), 1);
        identity.revoke_component_tokens(Component::Monitor, NOON).await.unwrap();
        assert!(verify(SCOPE, token, NOON).await.is_err() && verify(SCOPE, second, NOON).await.is_err());
        for seconds in [0, COMPONENT_TOKEN_SECONDS_MAX + 1] {
            assert!(identity.issue_access_token(&keys, SCOPE, Component::Monitor, seconds, NOON).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_token_of_an_earlier_key_lives_on_and_a_strangers_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let identity = open(dir.path()).await;
        let (old, new) = (vault::generate_p256_pkcs8().unwrap(), vault::generate_p256_pkcs8().unwrap());
        let before = TokenKeys::new(&old, &[]).unwrap();
        let token = identity.issue_access_token(&before, SCOPE, Component::Trainer, 600, NOON).await.unwrap();
        let after = TokenKeys::new(&new, &[&old]).unwrap();
        identity.verify_access_token(&after, SCOPE, token.reveal(), NOON).await.unwrap();
        assert_eq!(after.public()["keys"].as_array().unwrap().len(), 2);
        assert!(identity.verify_access_token(&keys(), SCOPE, token.reveal(), NOON).await.is_err());
        // Others find the key by its name in what is published.
        let set = KeySet::parse(after.public().to_string().as_bytes()).unwrap();
        assert!(matches!(set.verify(&Jws::parse(token.reveal()).unwrap()), crate::jose::Checked::Good(_)));
    }

    fn made(header: &Value, claims: &Value, keys: &TokenKeys) -> String {
        let text = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.to_string().as_bytes()),
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        );
        let signature = keys.current.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    #[test]
    fn one_wrong_member_is_refused() {
        let keys = keys();
        let header = json!({ "alg": "ES256", "typ": TYPE, "kid": keys.current.kid });
        let claims = json!({ "iss": SCOPE.issuer, "aud": SCOPE.audience, "sub": "monitor", "client_id": "monitor", "exp": NOON + 60,
            "iat": NOON, "jti": "x" });
        let verdict = |header: &Value, claims: &Value| judged(&keys, SCOPE, &made(header, claims, &keys), NOON).is_some();
        assert!(verdict(&header, &claims));
        for (member, value) in [
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("typ", json!("JWT")),
            ("typ", Value::Null),
            ("kid", json!("x")),
            ("kid", Value::Null),
        ] {
            let mut header = header.clone();
            header[member] = value.clone();
            assert!(!verdict(&header, &claims), "{member} {value}");
        }
        for (member, value) in [
            ("sub", json!("trainer")),
            ("client_id", json!("trainer")),
            ("exp", json!(NOON)),
            ("exp", json!(NOON + 100_000)),
            ("iat", json!(NOON + 61)),
            ("aud", json!(["https://churn.example", "other"])),
            ("jti", Value::Null),
            ("admin", json!(true)),
        ] {
            let mut claims = claims.clone();
            claims[member] = value.clone();
            assert!(!verdict(&header, &claims), "{member} {value}");
        }
        let mut king = claims.clone();
        (king["sub"], king["client_id"]) = (json!("king"), json!("king"));
        assert!(!verdict(&header, &king));
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault(text in "[a-zA-Z0-9_.-]{0,200}") {
            prop_assert!(judged(&keys(), SCOPE, &text, NOON).is_none());
        }
    }
}
