//! Parts of the pipeline as identities (T4): each has its own short-lived token and only the rights of its work.

use sqlx::Row;

use crate::database::{Identity, LIST_ROWS_MAX, hash_column, log};
use crate::error::IdentityError;
use crate::role::Component;
use crate::token::{SecretText, TokenKind, fresh_token, hash, same_hash, token_id};

/// Life of a component's token at most: rotated at least daily.
pub const COMPONENT_TOKEN_SECONDS_MAX: i64 = 24 * 3600;

/// A component's token without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentTokenInfo {
    /// Public id.
    pub id: String,
    /// Whose.
    pub component: Component,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// When revoked.
    pub revoked_at: Option<i64>,
}

impl Identity {
    /// Gives a component a token (`swc_...`) for so many seconds. Earlier ones stay valid until they end, so that a running part
    /// is not cut off; [`Identity::revoke_component_tokens`] ends them at once.
    ///
    /// # Errors
    /// [`IdentityError::Range`].
    pub async fn issue_component_token(
        &self,
        component: Component,
        lifetime_seconds: i64,
        now: i64,
    ) -> Result<SecretText, IdentityError> {
        if !(1..=COMPONENT_TOKEN_SECONDS_MAX).contains(&lifetime_seconds) {
            let what = "life of a component's token in seconds";
            return Err(IdentityError::Range { what, min: 1, max: COMPONENT_TOKEN_SECONDS_MAX });
        }
        let token = fresh_token(TokenKind::Component)?;
        let mut transaction = self.change().await?;
        sqlx::query("INSERT INTO component_tokens (id, component, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?)")
            .bind(&token.id)
            .bind(component.as_str())
            .bind(token.hash.as_slice())
            .bind(now)
            .bind(now.saturating_add(lifetime_seconds))
            .execute(&mut *transaction)
            .await?;
        log(&mut transaction, now, component.as_str(), "component-token-issued", &token.id).await?;
        transaction.commit().await?;
        Ok(token.text)
    }

    /// Whose token it is, if it is valid now. What the component may do is in `matrix::authorise_component`.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`]; [`IdentityError::Roster`] for one that no signed change knows.
    pub async fn verify_component_token(&self, text: &str, now: i64) -> Result<Component, IdentityError> {
        let invalid = || IdentityError::NotValid("component token");
        let id = token_id(TokenKind::Component, text).ok_or_else(invalid)?;
        let row = sqlx::query("SELECT component, token_hash, expires_at, revoked_at FROM component_tokens WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(invalid)?;
        let right = same_hash(&hash_column(&row, "token_hash")?, &hash(text));
        let live = row.try_get::<i64, _>("expires_at")? > now && row.try_get::<Option<i64>, _>("revoked_at")?.is_none();
        if !(right && live) {
            return Err(invalid());
        }
        self.vouched_where("component_tokens", "id", id).await?;
        Component::parse(row.try_get("component")?).ok_or(IdentityError::Corrupt("an unknown component"))
    }

    /// Ends all tokens of a component; says how many.
    ///
    /// # Errors
    /// A database error.
    pub async fn revoke_component_tokens(&self, component: Component, now: i64) -> Result<u64, IdentityError> {
        let mut transaction = self.change().await?;
        let update = sqlx::query(
            "UPDATE component_tokens SET revoked_at = ?1 WHERE component = ?2 AND revoked_at IS NULL AND expires_at > ?1",
        );
        let revoked = update.bind(now).bind(component.as_str()).execute(&mut *transaction).await?.rows_affected();
        log(&mut transaction, now, component.as_str(), "component-tokens-revoked", &revoked.to_string()).await?;
        transaction.commit().await?;
        Ok(revoked)
    }

    /// All tokens, newest first, at most [`LIST_ROWS_MAX`]: the age of each is evidence of rotation.
    ///
    /// # Errors
    /// A database error.
    pub async fn component_tokens(&self) -> Result<Vec<ComponentTokenInfo>, IdentityError> {
        let rows = sqlx::query(
            "SELECT id, component, created_at, expires_at, revoked_at FROM component_tokens ORDER BY created_at DESC, id LIMIT ?",
        )
        .bind(LIST_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ComponentTokenInfo {
                    id: row.try_get("id")?,
                    component: Component::parse(row.try_get("component")?)
                        .ok_or(IdentityError::Corrupt("an unknown component"))?,
                    created_at: row.try_get("created_at")?,
                    expires_at: row.try_get("expires_at")?,
                    revoked_at: row.try_get("revoked_at")?,
                })
            })
            .collect()
    }
}
