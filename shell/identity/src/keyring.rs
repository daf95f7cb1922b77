//! The server's copy of the API keys (T2): a check of a key costs a look-up and a hash, and a revoked key falls with the next reload.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sqlx::Row;

use crate::apps::{KeptKey, KeyGrant, invalid_key};
use crate::database::Identity;
use crate::error::IdentityError;
use crate::token::{TokenKind, hash, token_id};

/// Uses noted between two flushes at most.
const NOTED_USES_MAX: usize = 10_000;

struct Snapshot {
    generation: i64,
    keys: BTreeMap<String, KeptKey>,
}

/// All keys in memory, shared by the server's tasks. Call [`KeyRing::reload_if_changed`] every second or so:
/// the time between two calls is how long a revoked key may live on.
pub struct KeyRing {
    snapshot: RwLock<Arc<Snapshot>>,
    noted_uses: Mutex<BTreeMap<String, i64>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KeyRing").field("keys", &self.len()).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Reads all keys.
    ///
    /// # Errors
    /// A database error.
    pub async fn load(identity: &Identity) -> Result<Self, IdentityError> {
        let snapshot = RwLock::new(Arc::new(read(identity).await?));
        Ok(Self { snapshot, noted_uses: Mutex::new(BTreeMap::new()) })
    }

    /// What the presented key stands for, if it is valid now. Touches no disk.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`], the same for every reason.
    pub fn verify(&self, text: &str, now: i64) -> Result<KeyGrant, IdentityError> {
        let id = token_id(TokenKind::ApiKey, text).ok_or_else(invalid_key)?;
        let snapshot = self.current();
        let grant = snapshot.keys.get(id).ok_or_else(invalid_key)?.judge(&hash(text), now)?.clone();
        let mut uses = self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < NOTED_USES_MAX || uses.contains_key(id) {
            uses.insert(id.to_owned(), now);
        }
        Ok(grant)
    }

    /// Reads all keys again.
    ///
    /// # Errors
    /// A database error; the old copy stays in use.
    pub async fn reload(&self, identity: &Identity) -> Result<(), IdentityError> {
        let fresh = Arc::new(read(identity).await?);
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        // Two reloads may overlap; the older reading must not win.
        if fresh.generation >= snapshot.generation {
            *snapshot = fresh;
        }
        Ok(())
    }

    /// Reads all keys again if any process changed one; says whether.
    ///
    /// # Errors
    /// A database error; the old copy stays in use.
    pub async fn reload_if_changed(&self, identity: &Identity) -> Result<bool, IdentityError> {
        if generation(identity).await? == self.current().generation {
            return Ok(false);
        }
        self.reload(identity).await?;
        Ok(true)
    }

    /// Writes the last uses into the database, all at once.
    ///
    /// # Errors
    /// A database error; the uses stay noted for the next call.
    pub async fn flush_last_used(&self, identity: &Identity) -> Result<(), IdentityError> {
        let uses = std::mem::take(&mut *self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return Ok(());
        }
        let written = identity.note_uses(&uses).await;
        if written.is_err() {
            let mut noted = self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner);
            // A use that was noted meanwhile is the later one.
            uses.into_iter().take(NOTED_USES_MAX.saturating_sub(noted.len())).for_each(|(id, at)| {
                noted.entry(id).or_insert(at);
            });
        }
        written
    }

    /// Number of keys held, valid or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.current().keys.len()
    }

    /// Whether no key is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn read(identity: &Identity) -> Result<Snapshot, IdentityError> {
    // The generation first: keys that change in between are read again next time rather than missed.
    let generation = generation(identity).await?;
    let kept = identity.kept_keys().await?;
    // A key that somebody wrote into the file opens nothing.
    let forged = identity.unvouched(&["apps", "api_keys"]).await?;
    let vouched = |kept: &KeptKey| {
        let (app, id) = (&kept.info.grant.app, &kept.info.grant.key_id);
        !forged.contains(&format!("key {app} {id}")) && !forged.contains(&format!("application {app}"))
    };
    let keys = kept.into_iter().filter(vouched).map(|kept| (kept.info.grant.key_id.clone(), kept)).collect();
    Ok(Snapshot { generation, keys })
}

async fn generation(identity: &Identity) -> Result<i64, IdentityError> {
    let row = sqlx::query("SELECT generation FROM key_generation").fetch_one(&identity.pool).await?;
    Ok(row.try_get("generation")?)
}
