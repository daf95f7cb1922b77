//! Applications and their API keys (T2, T3): limited rights, rate and customers per key; shown once, kept as a hash, rotated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::database::{Identity, LIST_ROWS_MAX, check_name, check_text, hash_column, is_duplicate, log};
use crate::error::IdentityError;
use crate::role::Action;
use crate::scope::CustomerScope;
use crate::token::{SecretText, TokenHash, TokenKind, fresh_token, hash, same_hash, token_id};

/// Calls a minute that a key may have at most.
pub const PER_MINUTE_MAX: u32 = 6_000;
/// Distinct customers a day that a key may ask about at most.
pub const DISTINCT_CUSTOMERS_PER_DAY_MAX: u32 = 1_000_000;
/// Life of a key unless said otherwise.
pub const KEY_LIFETIME_SECONDS: i64 = 90 * 24 * 3600;
/// Life of a key at most.
pub const KEY_LIFETIME_SECONDS_MAX: i64 = 366 * 24 * 3600;
/// How long an old key may stay valid beside its successor.
pub const GRACE_SECONDS_MAX: i64 = 30 * 24 * 3600;
/// `last_used` is written at most once in so many seconds.
const LAST_USED_RESOLUTION_SECONDS: i64 = 60;

/// What a key may do; nothing else, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Ask whether a customer will leave.
    Ask,
    /// Ask what would change the answer.
    WhatIf,
    /// Read metrics.
    Metrics,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::Ask, Self::WhatIf, Self::Metrics];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::WhatIf => "what-if",
            Self::Metrics => "metrics",
        }
    }

    /// The right with this text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == text)
    }

    /// The one action that it opens.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Ask => Action::AskChurn,
            Self::WhatIf => Action::AskWhatIf,
            Self::Metrics => Action::ReadMetrics,
        }
    }
}

/// How much a key may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyLimits {
    /// Calls in a minute, 1 to [`PER_MINUTE_MAX`].
    pub per_minute: u32,
    /// Different customers in a day, 1 to [`DISTINCT_CUSTOMERS_PER_DAY_MAX`].
    pub distinct_customers_per_day: u32,
}

/// What a valid key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// The key's public id.
    pub key_id: String,
    /// The application.
    pub app: String,
    /// What it may do.
    pub rights: BTreeSet<Right>,
    /// How much.
    pub limits: KeyLimits,
    /// About whom; shared, as a list may be long and a grant is copied for each call.
    pub scope: Arc<CustomerScope>,
    /// Until when, Unix seconds.
    pub expires_at: i64,
}

impl KeyGrant {
    /// Whether the key opens the action.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        self.rights.iter().any(|right| right.action() == action)
    }
}

/// A key as an admin sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// What it stands for.
    pub grant: KeyGrant,
    /// Unix seconds.
    pub created_at: i64,
    /// When revoked.
    pub revoked_at: Option<i64>,
    /// Its successor.
    pub replaced_by: Option<String>,
    /// Last use, to the minute.
    pub last_used_at: Option<i64>,
}

/// A key that was just made; the text is never to be had again.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Public id.
    pub id: String,
    /// `swk_<id>_<secret><checksum>`.
    pub text: SecretText,
    /// Unix seconds.
    pub expires_at: i64,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// Unix seconds.
    pub created_at: i64,
    /// When switched off.
    pub disabled_at: Option<i64>,
}

/// A key as kept: what it grants, and what decides whether it still does.
#[derive(Debug, Clone)]
pub(crate) struct KeptKey {
    pub(crate) info: KeyInfo,
    key_hash: TokenHash,
    app_disabled: bool,
}

impl KeptKey {
    /// The one judgement of a key, for the database and for the server's copy. Constant time in the hash.
    pub(crate) fn judge(&self, presented: &TokenHash, now: i64) -> Result<&KeyGrant, IdentityError> {
        let right = same_hash(&self.key_hash, presented);
        let live = self.info.revoked_at.is_none() && !self.app_disabled && self.info.grant.expires_at > now;
        if right && live { Ok(&self.info.grant) } else { Err(invalid_key()) }
    }
}

/// One text for unknown, wrong, expired and revoked keys.
pub(crate) fn invalid_key() -> IdentityError {
    IdentityError::NotValid("API key")
}

impl Identity {
    /// Registers an application.
    ///
    /// # Errors
    /// [`IdentityError::Name`], [`IdentityError::Exists`].
    pub async fn create_app(&self, name: &str, owner: &str, now: i64) -> Result<(), IdentityError> {
        check_name(name)?;
        check_text("owner", owner)?;
        let mut transaction = self.change().await?;
        let insert = sqlx::query("INSERT INTO apps (name, owner, created_at) VALUES (?, ?, ?)").bind(name).bind(owner).bind(now);
        let inserted = insert.execute(&mut *transaction).await;
        if inserted.as_ref().is_err_and(is_duplicate) {
            return Err(IdentityError::Exists { what: "application", name: name.to_owned() });
        }
        inserted?;
        log(&mut transaction, now, name, "app-created", owner).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Switches an application off, with all its keys.
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub async fn disable_app(&self, name: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.change().await?;
        let update = sqlx::query("UPDATE apps SET disabled_at = ? WHERE name = ? AND disabled_at IS NULL").bind(now).bind(name);
        if update.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(missing_app(name));
        }
        log(&mut transaction, now, name, "app-disabled", "").await?;
        transaction.commit().await?;
        Ok(())
    }

    /// All applications by name.
    ///
    /// # Errors
    /// A database error.
    pub async fn apps(&self) -> Result<Vec<App>, IdentityError> {
        let rows = sqlx::query("SELECT name, owner, created_at, disabled_at FROM apps ORDER BY name LIMIT ?").bind(LIST_ROWS_MAX);
        let rows = rows.fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(App {
                    name: row.try_get("name")?,
                    owner: row.try_get("owner")?,
                    created_at: row.try_get("created_at")?,
                    disabled_at: row.try_get("disabled_at")?,
                })
            })
            .collect()
    }

    /// Makes a key that lives [`KEY_LIFETIME_SECONDS`].
    ///
    /// # Errors
    /// As [`Identity::create_key_for`].
    pub async fn create_key(
        &self,
        app: &str,
        rights: &BTreeSet<Right>,
        limits: KeyLimits,
        scope: &CustomerScope,
        now: i64,
    ) -> Result<NewKey, IdentityError> {
        self.create_key_for(app, rights, limits, scope, KEY_LIFETIME_SECONDS, now).await
    }

    /// Makes a key that lives so many seconds.
    ///
    /// # Errors
    /// [`IdentityError::Missing`] without an active application; [`IdentityError::Range`] for limits out of bounds.
    pub async fn create_key_for(
        &self,
        app: &str,
        rights: &BTreeSet<Right>,
        limits: KeyLimits,
        scope: &CustomerScope,
        lifetime_seconds: i64,
        now: i64,
    ) -> Result<NewKey, IdentityError> {
        check_limits(rights, limits, lifetime_seconds)?;
        scope.check()?;
        let mut transaction = self.change().await?;
        let grant = KeyGrant {
            key_id: String::new(),
            app: app.to_owned(),
            rights: rights.clone(),
            limits,
            scope: Arc::new(scope.clone()),
            expires_at: now.saturating_add(lifetime_seconds),
        };
        let key = insert_key(&mut transaction, &grant, now).await?;
        log(&mut transaction, now, app, "key-created", &key.id).await?;
        transaction.commit().await?;
        Ok(key)
    }

    /// What the presented key stands for, if it is valid now; notes its use.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`], the same for every reason.
    pub async fn verify_key(&self, text: &str, now: i64) -> Result<KeyGrant, IdentityError> {
        let id = token_id(TokenKind::ApiKey, text).ok_or_else(invalid_key)?;
        let kept = self.kept_key(id).await?.ok_or_else(invalid_key)?;
        let grant = kept.judge(&hash(text), now)?.clone();
        self.note_use(id, now).await?;
        Ok(grant)
    }

    /// Makes a successor with the same rights, limits, scope and length of life; the old key ends after `grace_seconds`.
    ///
    /// # Errors
    /// [`IdentityError::Missing`] for a key that is no longer valid or has a successor; [`IdentityError::Range`].
    pub async fn rotate_key(&self, id: &str, grace_seconds: i64, now: i64) -> Result<NewKey, IdentityError> {
        if !(0..=GRACE_SECONDS_MAX).contains(&grace_seconds) {
            return Err(IdentityError::Range { what: "grace period in seconds", min: 0, max: GRACE_SECONDS_MAX });
        }
        let mut transaction = self.change().await?;
        let row = sqlx::query(KEY_BY_ID).bind(id).fetch_optional(&mut *transaction).await?.ok_or_else(|| missing_key(id))?;
        let old = kept_key(&row)?.info;
        if old.revoked_at.is_some() || old.replaced_by.is_some() || old.grant.expires_at <= now {
            return Err(missing_key(id));
        }
        let lifetime_seconds = old.grant.expires_at.saturating_sub(old.created_at);
        let mut grant = old.grant.clone();
        grant.expires_at = now.saturating_add(lifetime_seconds);
        let key = insert_key(&mut transaction, &grant, now).await?;
        sqlx::query("UPDATE api_keys SET expires_at = min(expires_at, ?), replaced_by = ? WHERE id = ?")
            .bind(now.saturating_add(grace_seconds))
            .bind(&key.id)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        log(&mut transaction, now, &grant.app, "key-rotated", &format!("{id} {}", key.id)).await?;
        transaction.commit().await?;
        Ok(key)
    }

    /// Ends a key at once.
    ///
    /// # Errors
    /// [`IdentityError::Missing`] for an unknown or revoked key.
    pub async fn revoke_key(&self, id: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.change().await?;
        let row = sqlx::query("UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING app")
            .bind(now)
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or_else(|| missing_key(id))?;
        log(&mut transaction, now, row.try_get("app")?, "key-revoked", id).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// All keys, by application and age; never their texts.
    ///
    /// # Errors
    /// A database error.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, IdentityError> {
        Ok(self.kept_keys().await?.into_iter().map(|kept| kept.info).collect())
    }

    pub(crate) async fn kept_keys(&self) -> Result<Vec<KeptKey>, IdentityError> {
        let rows = sqlx::query(
            "SELECT api_keys.*, disabled_at FROM api_keys JOIN apps ON apps.name = app ORDER BY app, api_keys.created_at, id LIMIT ?",
        )
        .bind(LIST_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(kept_key).collect()
    }

    pub(crate) async fn note_use(&self, id: &str, now: i64) -> Result<(), IdentityError> {
        self.note_uses(&BTreeMap::from([(id.to_owned(), now)])).await
    }

    /// Last uses by id of the key, in one transaction.
    pub(crate) async fn note_uses(&self, uses: &BTreeMap<String, i64>) -> Result<(), IdentityError> {
        let mut transaction = self.begin().await?;
        for (id, at) in uses {
            sqlx::query("UPDATE api_keys SET last_used_at = ?1 WHERE id = ?2 AND coalesce(last_used_at, 0) <= ?1 - ?3")
                .bind(at)
                .bind(id)
                .bind(LAST_USED_RESOLUTION_SECONDS)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn kept_key(&self, id: &str) -> Result<Option<KeptKey>, IdentityError> {
        sqlx::query(KEY_BY_ID).bind(id).fetch_optional(&self.pool).await?.as_ref().map(kept_key).transpose()
    }
}

const KEY_BY_ID: &str = "SELECT api_keys.*, disabled_at FROM api_keys JOIN apps ON apps.name = app WHERE id = ?";

fn missing_app(name: &str) -> IdentityError {
    IdentityError::Missing { what: "application", name: name.to_owned() }
}

fn missing_key(id: &str) -> IdentityError {
    IdentityError::Missing { what: "API key", name: id.chars().take(16).collect() }
}

fn check_limits(rights: &BTreeSet<Right>, limits: KeyLimits, lifetime_seconds: i64) -> Result<(), IdentityError> {
    let check = |what, value: i64, max: i64| {
        if (1..=max).contains(&value) { Ok(()) } else { Err(IdentityError::Range { what, min: 1, max }) }
    };
    check("number of rights", i64::try_from(rights.len()).unwrap_or(i64::MAX), 3)?;
    check("number of calls a minute", i64::from(limits.per_minute), i64::from(PER_MINUTE_MAX))?;
    let customers = i64::from(limits.distinct_customers_per_day);
    check("number of customers a day", customers, i64::from(DISTINCT_CUSTOMERS_PER_DAY_MAX))?;
    check("life of a key in seconds", lifetime_seconds, KEY_LIFETIME_SECONDS_MAX)
}

async fn insert_key(connection: &mut SqliteConnection, grant: &KeyGrant, now: i64) -> Result<NewKey, IdentityError> {
    let active = sqlx::query("SELECT 1 FROM apps WHERE name = ? AND disabled_at IS NULL").bind(&grant.app);
    if active.fetch_optional(&mut *connection).await?.is_none() {
        return Err(missing_app(&grant.app));
    }
    let token = fresh_token(TokenKind::ApiKey)?;
    let rights = grant.rights.iter().map(|right| right.as_str()).collect::<Vec<_>>().join(" ");
    sqlx::query(
        "INSERT INTO api_keys (id, app, key_hash, rights, per_minute, distinct_customers_per_day, scope, created_at, expires_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&token.id)
    .bind(&grant.app)
    .bind(token.hash.as_slice())
    .bind(rights)
    .bind(i64::from(grant.limits.per_minute))
    .bind(i64::from(grant.limits.distinct_customers_per_day))
    .bind(grant.scope.to_text()?)
    .bind(now)
    .bind(grant.expires_at)
    .execute(connection)
    .await?;
    Ok(NewKey { id: token.id, text: token.text, expires_at: grant.expires_at })
}

fn kept_key(row: &SqliteRow) -> Result<KeptKey, IdentityError> {
    let rights: String = row.try_get("rights")?;
    let right = |word| Right::parse(word).ok_or(IdentityError::Corrupt("an unknown right"));
    let limit = |column| -> Result<u32, IdentityError> {
        u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| IdentityError::Corrupt("a limit out of range"))
    };
    let grant = KeyGrant {
        key_id: row.try_get("id")?,
        app: row.try_get("app")?,
        rights: rights.split_whitespace().map(right).collect::<Result<_, _>>()?,
        limits: KeyLimits { per_minute: limit("per_minute")?, distinct_customers_per_day: limit("distinct_customers_per_day")? },
        scope: Arc::new(CustomerScope::from_text(row.try_get("scope")?)?),
        expires_at: row.try_get("expires_at")?,
    };
    Ok(KeptKey {
        info: KeyInfo {
            grant,
            created_at: row.try_get("created_at")?,
            revoked_at: row.try_get("revoked_at")?,
            replaced_by: row.try_get("replaced_by")?,
            last_used_at: row.try_get("last_used_at")?,
        },
        key_hash: hash_column(row, "key_hash")?,
        app_disabled: row.try_get::<Option<i64>, _>("disabled_at")?.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(edit: impl FnOnce(&mut KeptKey)) -> KeptKey {
        let limits = KeyLimits { per_minute: 1, distinct_customers_per_day: 1 };
        let grant = KeyGrant {
            key_id: "k".to_owned(),
            app: "shop".to_owned(),
            rights: [Right::Ask].into(),
            limits,
            scope: Arc::new(CustomerScope::All),
            expires_at: 100,
        };
        let info = KeyInfo { grant, created_at: 0, revoked_at: None, replaced_by: None, last_used_at: None };
        let mut kept = KeptKey { info, key_hash: hash("right"), app_disabled: false };
        edit(&mut kept);
        kept
    }

    fn check(presented: &str, edit: impl FnOnce(&mut KeptKey), opens: bool) {
        assert_eq!(kept(edit).judge(&hash(presented), 99).is_ok(), opens);
    }

    #[test]
    fn the_right_key_opens() {
        check("right", |_| {}, true);
    }

    #[test]
    fn the_right_id_with_another_secret_does_not_open() {
        check("wrong", |_| {}, false);
    }

    #[test]
    fn revoked_expired_and_switched_off_keys_do_not_open() {
        check("right", |kept| kept.info.revoked_at = Some(0), false);
        check("right", |kept| kept.info.grant.expires_at = 99, false);
        check("right", |kept| kept.app_disabled = true, false);
    }
}
