//! Passkeys of people in the database (T1, T6): added only by somebody who has just given a second factor, told in the log, removed at once.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sqlx::{Row, Sqlite, Transaction};

use super::ceremony::{self, Credential, Refused};
use super::{Assertion, Challenges, PASSKEYS_MAX, Registration, RelyingParty};
use crate::database::{Identity, LIST_ROWS_MAX, check_text, is_duplicate, log};
use crate::error::IdentityError;
use crate::session::{Factor, Session};
use crate::token::random;

/// Random bytes of a person's handle: section 14.6.1 wants it to tell nothing of the person.
const HANDLE_BYTES: usize = 32;

/// A passkey, without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyInfo {
    /// Its id, base64url.
    pub id: String,
    /// Whose.
    pub person: String,
    /// What the person calls it.
    pub label: String,
    /// Whether it is kept by a service that copies it to other devices.
    pub backed_up: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// When it last opened a session.
    pub last_used_at: Option<i64>,
}

impl Identity {
    /// What the browser of this session is asked for a new passkey.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`], [`IdentityError::NotFresh`].
    pub async fn begin_passkey(
        &self,
        party: &RelyingParty,
        challenges: &Challenges,
        session_id: &str,
        now: i64,
    ) -> Result<Value, IdentityError> {
        let session = self.session(session_id, now).await?;
        session.fresh(now)?;
        let name = session.person.as_str();
        let handle = self.handle_of(name).await?;
        let rows = sqlx::query("SELECT credential_id FROM passkeys WHERE person = ? LIMIT ?")
            .bind(name)
            .bind(LIST_ROWS_MAX)
            .fetch_all(&self.pool)
            .await?;
        let held: Vec<Vec<u8>> = rows.iter().map(|row| row.try_get("credential_id")).collect::<Result<_, _>>()?;
        challenges.for_registration(party, (name, name), &handle, &held, now)
    }

    /// Adds what the browser made of it to the person of the session.
    ///
    /// # Errors
    /// [`IdentityError::Passkey`] with what was wrong; [`IdentityError::NotFresh`]; [`IdentityError::Range`] beyond [`PASSKEYS_MAX`].
    pub async fn add_passkey(
        &self,
        party: &RelyingParty,
        challenges: &Challenges,
        session_id: &str,
        sent: &Registration,
        now: i64,
    ) -> Result<PasskeyInfo, IdentityError> {
        let session = self.session(session_id, now).await?;
        session.fresh(now)?;
        check_text("passkey's name", &sent.label)?;
        let name = session.person.as_str();
        let made = ceremony::register(party, challenges, name, sent, now).map_err(IdentityError::Passkey)?;
        let mut transaction = self.change().await?;
        let row = sqlx::query("SELECT count(*) AS held FROM passkeys WHERE person = ?").bind(name);
        let held: i64 = row.fetch_one(&mut *transaction).await?.try_get("held")?;
        let most = i64::try_from(PASSKEYS_MAX).unwrap_or(i64::MAX);
        if held >= most {
            return Err(IdentityError::Range { what: "number of passkeys", min: 0, max: most });
        }
        let inserted = sqlx::query(
            "INSERT INTO passkeys (credential_id, person, public_key, sign_count, backup_eligible, backed_up, label, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&made.id)
        .bind(name)
        .bind(&made.point)
        .bind(i64::from(made.sign_count))
        .bind(made.backup_eligible)
        .bind(made.backed_up)
        .bind(&sent.label)
        .bind(now)
        .execute(&mut *transaction)
        .await;
        if inserted.as_ref().is_err_and(is_duplicate) {
            return Err(IdentityError::Passkey("this credential is known already"));
        }
        inserted?;
        let id = BASE64URL_NOPAD.encode(&made.id);
        log(&mut transaction, now, name, "passkey-added", &id).await?;
        transaction.commit().await?;
        let (person, label) = (name.to_owned(), sent.label.clone());
        Ok(PasskeyInfo { id, person, label, backed_up: made.backed_up, created_at: now, last_used_at: None })
    }

    /// A login by whoever holds the passkey. Both halves are in it: the device, and the finger or PIN that it asked for.
    ///
    /// # Errors
    /// [`IdentityError::LoginRefused`] whatever was wrong; the log says more.
    pub async fn log_in_by_passkey(
        &self,
        party: &RelyingParty,
        challenges: &Challenges,
        sent: &Assertion,
        now: i64,
    ) -> Result<Session, IdentityError> {
        // Whose it is said to be; only with the write lock is it read for good.
        let said = sqlx::query("SELECT person FROM passkeys WHERE credential_id = ?").bind(&sent.id);
        if let Some(row) = said.fetch_optional(&self.pool).await? {
            self.vouched(row.try_get("person")?).await?;
        }
        let mut transaction = self.begin().await?;
        let found = sqlx::query(
            "SELECT passkeys.person, public_key, sign_count, backup_eligible, backed_up, handle, disabled_at FROM passkeys \
             JOIN people ON people.name = passkeys.person JOIN passkey_handles ON passkey_handles.person = passkeys.person \
             WHERE credential_id = ?",
        )
        .bind(&sent.id)
        .fetch_optional(&mut *transaction)
        .await?;
        // Strangers' credentials are not told: they could fill the log.
        let Some(row) = found else { return Err(IdentityError::LoginRefused) };
        let name: String = row.try_get("person")?;
        let known = Credential {
            id: sent.id.clone(),
            point: row.try_get("public_key")?,
            sign_count: u32::try_from(row.try_get::<i64, _>("sign_count")?).map_err(|_| IdentityError::Corrupt("a counter"))?,
            backup_eligible: row.try_get("backup_eligible")?,
            backed_up: row.try_get("backed_up")?,
        };
        // 7.2, step 6: the handle names the owner of the credential.
        let owners = row.try_get::<Vec<u8>, _>("handle")? == sent.user_handle;
        let active = row.try_get::<Option<i64>, _>("disabled_at")?.is_none();
        let judged = match (owners, active) {
            (false, _) => Err(Refused::Because("the credential names another person")),
            (true, false) => Err(Refused::Because("the person is switched off")),
            (true, true) => ceremony::assert(party, challenges, &known, sent, now),
        };
        let fresh = match judged {
            Ok(fresh) => fresh,
            Err(refused) => {
                tell(&mut transaction, &name, &refused, now).await?;
                transaction.commit().await?;
                return Err(IdentityError::LoginRefused);
            }
        };
        sqlx::query("UPDATE passkeys SET sign_count = ?, backed_up = ?, last_used_at = ? WHERE credential_id = ?")
            .bind(i64::from(fresh.sign_count))
            .bind(fresh.backed_up)
            .bind(now)
            .bind(&fresh.id)
            .execute(&mut *transaction)
            .await?;
        let device = if fresh.backup_eligible { Factor::Swk } else { Factor::Hwk };
        let session = self.start_session(&mut transaction, &name, vec![device, Factor::User], Some(now), now).await?;
        log(&mut transaction, now, &name, "login", "passkey").await?;
        transaction.commit().await?;
        Ok(session)
    }

    /// Passkeys of one person, or of all; oldest first, at most [`LIST_ROWS_MAX`].
    ///
    /// # Errors
    /// A database error.
    pub async fn passkeys(&self, person: Option<&str>) -> Result<Vec<PasskeyInfo>, IdentityError> {
        let rows = sqlx::query(
            "SELECT credential_id, person, label, backed_up, created_at, last_used_at FROM passkeys \
             WHERE ?1 IS NULL OR person = ?1 ORDER BY person, created_at, credential_id LIMIT ?2",
        )
        .bind(person)
        .bind(LIST_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(PasskeyInfo {
                    id: BASE64URL_NOPAD.encode(&row.try_get::<Vec<u8>, _>("credential_id")?),
                    person: row.try_get("person")?,
                    label: row.try_get("label")?,
                    backed_up: row.try_get("backed_up")?,
                    created_at: row.try_get("created_at")?,
                    last_used_at: row.try_get("last_used_at")?,
                })
            })
            .collect()
    }

    /// Removes a passkey and ends the person's sessions: one of them may be its finder's.
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub async fn remove_passkey(&self, person: &str, id: &str, now: i64) -> Result<(), IdentityError> {
        let missing = || IdentityError::Missing { what: "passkey", name: id.to_owned() };
        let credential = BASE64URL_NOPAD.decode(id.as_bytes()).map_err(|_| missing())?;
        let mut transaction = self.change().await?;
        let removed = sqlx::query("DELETE FROM passkeys WHERE person = ? AND credential_id = ?").bind(person).bind(credential);
        if removed.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(missing());
        }
        crate::people::end_sessions(&mut transaction, person, now).await?;
        log(&mut transaction, now, person, "passkey-removed", id).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The person's handle; made at the first passkey, and never told from the name.
    async fn handle_of(&self, person: &str) -> Result<Vec<u8>, IdentityError> {
        let known = sqlx::query("SELECT handle FROM passkey_handles WHERE person = ?").bind(person);
        if let Some(row) = known.fetch_optional(&self.pool).await? {
            return Ok(row.try_get("handle")?);
        }
        let fresh = random::<HANDLE_BYTES>()?;
        let mut transaction = self.change().await?;
        sqlx::query("INSERT INTO passkey_handles (person, handle) VALUES (?, ?) ON CONFLICT (person) DO NOTHING")
            .bind(person)
            .bind(fresh.as_slice())
            .execute(&mut *transaction)
            .await?;
        let row = sqlx::query("SELECT handle FROM passkey_handles WHERE person = ?").bind(person);
        let handle = row.fetch_one(&mut *transaction).await?.try_get("handle")?;
        transaction.commit().await?;
        Ok(handle)
    }
}

async fn tell(
    transaction: &mut Transaction<'static, Sqlite>,
    name: &str,
    refused: &Refused,
    now: i64,
) -> Result<(), IdentityError> {
    match refused {
        Refused::Because(why) => log(transaction, now, name, "login-refused", &format!("passkey: {why}")).await,
        // Section 6.1.1: somebody may hold a copy of the authenticator.
        Refused::Copied => log(transaction, now, name, "passkey-copied", "its counter did not grow").await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use data_encoding::BASE64URL_NOPAD;
    use serde_json::json;

    use super::super::tests_device::Device;
    use super::*;
    use crate::matrix::STEP_UP_SECONDS;
    use crate::people::NewPerson;
    use crate::role::{Action, Role};
    use crate::second_factor::code_at;

    const NOON: i64 = 1_800_000_000;

    struct World {
        _dir: tempfile::TempDir,
        identity: Identity,
        party: RelyingParty,
        challenges: Challenges,
        session: Session,
    }

    async fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault::Vault::create(&dir.path().join("vault")).unwrap();
        let identity = Identity::open(&dir.path().join("control.db"), Arc::new(vault)).await.unwrap();
        let roles = BTreeSet::from([Role::LabelApprover]);
        let new = NewPerson { name: "ada", display_name: "Ada", team: "t", password: "correct horse battery", roles };
        let ada = identity.create_person(new, NOON).await.unwrap();
        let code = code_at(&ada.totp_secret, NOON);
        let session = identity.verify_password_and_code("ada", "correct horse battery", &code, NOON).await.unwrap();
        let party = RelyingParty::of_url("https://localhost:8443").unwrap();
        World { _dir: dir, identity, party, challenges: Challenges::default(), session }
    }

    impl World {
        async fn add(&self, device: &mut Device, now: i64) -> Result<PasskeyInfo, IdentityError> {
            let id = self.session.id.reveal();
            let asked = self.identity.begin_passkey(&self.party, &self.challenges, id, now).await?;
            device.handle = BASE64URL_NOPAD.decode(asked["user"]["id"].as_str().unwrap().as_bytes()).unwrap();
            let client =
                json!({ "type": "webauthn.create", "challenge": asked["challenge"], "origin": "https://localhost:8443" });
            self.identity.add_passkey(&self.party, &self.challenges, id, &device.register(&client), now).await
        }

        async fn enter(&self, device: &Device, now: i64) -> Result<Session, IdentityError> {
            let asked = self.challenges.for_login(&self.party, now).unwrap();
            let client = json!({ "type": "webauthn.get", "challenge": asked["challenge"], "origin": "https://localhost:8443" });
            self.identity.log_in_by_passkey(&self.party, &self.challenges, &device.assert(&client), now).await
        }

        async fn last_event(&self) -> String {
            self.identity.events_after(0, 1000).await.unwrap().pop().unwrap().event
        }
    }

    #[tokio::test]
    async fn a_passkey_is_both_factors() {
        let world = world().await;
        let mut device = Device::new("localhost");
        let added = world.add(&mut device, NOON).await.unwrap();
        assert!(world.add(&mut device, NOON).await.is_err(), "the same credential twice");
        device.count = 2;
        let later = NOON + 3600;
        let session = world.enter(&device, later).await.unwrap();
        assert_eq!((session.person.as_str(), session.amr.as_slice()), ("ada", [Factor::Hwk, Factor::User].as_slice()));
        session.authorise(Action::ApproveLabels, later + STEP_UP_SECONDS).unwrap();
        assert_eq!(world.identity.session(session.id.reveal(), later).await.unwrap(), session);
        let held = world.identity.passkeys(Some("ada")).await.unwrap();
        assert_eq!((held.len(), held[0].last_used_at, held[0].id.as_str()), (1, Some(later), added.id.as_str()));
        assert_eq!(world.identity.person("ada").await.unwrap().passkeys, 1);
    }

    #[tokio::test]
    async fn a_copy_and_a_stranger_are_refused_and_told() {
        let world = world().await;
        let mut device = Device::new("localhost");
        world.add(&mut device, NOON).await.unwrap();
        device.count = 5;
        world.enter(&device, NOON).await.unwrap();
        assert!(matches!(world.enter(&device, NOON).await, Err(IdentityError::LoginRefused)));
        assert_eq!(world.last_event().await, "passkey-copied");
        device.count = 6;
        let handle = std::mem::replace(&mut device.handle, vec![1; 32]);
        assert!(world.enter(&device, NOON).await.is_err());
        assert_eq!(world.last_event().await, "login-refused");
        device.handle = handle;
        assert!(world.enter(&Device::new("localhost"), NOON).await.is_err());
        world.enter(&device, NOON).await.unwrap();
        world.identity.disable_person("ada", NOON).await.unwrap();
        device.count = 7;
        assert!(world.enter(&device, NOON).await.is_err());
    }

    #[tokio::test]
    async fn a_stale_session_adds_none_and_a_removed_one_opens_nothing() {
        let world = world().await;
        let mut device = Device::new("localhost");
        let stale = world.add(&mut device, NOON + STEP_UP_SECONDS + 1).await;
        assert!(matches!(stale, Err(IdentityError::NotFresh { .. })));
        let added = world.add(&mut device, NOON).await.unwrap();
        assert!(world.identity.remove_passkey("ben", &added.id, NOON).await.is_err());
        world.identity.remove_passkey("ada", &added.id, NOON).await.unwrap();
        assert!(world.identity.session(world.session.id.reveal(), NOON).await.is_err());
        device.count = 2;
        assert!(world.enter(&device, NOON).await.is_err());
    }
}
