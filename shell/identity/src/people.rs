//! People (T1, T6): made by an admin with password, second factor and roles that separate duties; switched off, never deleted.

use std::collections::BTreeSet;

use sqlx::{Row, SqliteConnection};
use zeroize::Zeroizing;

use crate::database::{Identity, LIST_ROWS_MAX, check_name, check_text, is_duplicate, log};
use crate::error::IdentityError;
use crate::matrix;
use crate::password::check_strength;
use crate::role::Role;
use crate::second_factor::{TOTP_SECRET_BYTES, fresh_recovery_codes, otpauth_url};
use crate::token::{SecretText, random};

/// What an admin says of a new person.
#[derive(Clone)]
pub struct NewPerson<'a> {
    /// Login name: 1 to 64 of a-z, 0-9, `.`, `-`, `_`.
    pub name: &'a str,
    /// Name for people to read.
    pub display_name: &'a str,
    /// Team.
    pub team: &'a str,
    /// At least 12 characters.
    pub password: &'a str,
    /// Roles for people, without two that exclude each other.
    pub roles: BTreeSet<Role>,
}

/// What a person gets once, at the start or after losing the phone.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// To be shown as a QR code.
    pub otpauth_url: SecretText,
    /// The secret itself, for programs without a phone (`code_at`).
    pub totp_secret: Zeroizing<Vec<u8>>,
    /// Each works once in place of a code.
    pub recovery_codes: Vec<SecretText>,
}

/// A person, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Login name.
    pub name: String,
    /// Name for people to read.
    pub display_name: String,
    /// Team.
    pub team: String,
    /// Roles now.
    pub roles: BTreeSet<Role>,
    /// Unix seconds.
    pub created_at: i64,
    /// When switched off.
    pub disabled_at: Option<i64>,
    /// Recovery codes that still work.
    pub recovery_codes_left: i64,
    /// Whether a provider vouches for the person, and its groups give the roles.
    pub by_provider: bool,
    /// Passkeys of the person.
    pub passkeys: i64,
}

impl Identity {
    /// Makes a person. `now` in Unix seconds.
    ///
    /// # Errors
    /// Name, text, password or roles refused; [`IdentityError::Exists`].
    pub async fn create_person(&self, person: NewPerson<'_>, now: i64) -> Result<Enrolment, IdentityError> {
        check_name(person.name)?;
        check_text("display name", person.display_name)?;
        check_text("team", person.team)?;
        check_strength(person.name, person.password)?;
        check_roles(&person.roles)?;
        let phc = self.passwords.hash(person.password).await?;
        let secret = random::<TOTP_SECRET_BYTES>()?;
        let secrets = NewSecrets { phc, sealed: self.seal_totp(person.name, secret.as_slice(), now)? };
        let mut transaction = self.change().await?;
        insert_person(&mut transaction, (person.name, person.display_name, person.team), &secrets, now).await?;
        write_roles(&mut transaction, person.name, &person.roles).await?;
        let recovery_codes = write_recovery_codes(&mut transaction, person.name).await?;
        log(&mut transaction, now, person.name, "person-created", &join(&person.roles)).await?;
        transaction.commit().await?;
        Ok(enrolment(person.name, secret.as_slice(), recovery_codes))
    }

    /// Replaces a person's roles. Sessions feel it at once.
    ///
    /// # Errors
    /// [`IdentityError::RolesConflict`], [`IdentityError::MachineRole`], [`IdentityError::LastAdmin`], [`IdentityError::Missing`].
    pub async fn set_roles(&self, name: &str, roles: &BTreeSet<Role>, now: i64) -> Result<(), IdentityError> {
        check_roles(roles)?;
        let mut transaction = self.change().await?;
        must_be_active(&mut transaction, name).await?;
        let admins_before = active_admins(&mut transaction).await?;
        write_roles(&mut transaction, name, roles).await?;
        refuse_without_admin(&mut transaction, admins_before, name).await?;
        log(&mut transaction, now, name, "roles-set", &join(roles)).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Switches a person off, with all sessions and links.
    ///
    /// # Errors
    /// [`IdentityError::LastAdmin`], [`IdentityError::Missing`].
    pub async fn disable_person(&self, name: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.change().await?;
        must_be_active(&mut transaction, name).await?;
        let admins_before = active_admins(&mut transaction).await?;
        sqlx::query("UPDATE people SET disabled_at = ? WHERE name = ?").bind(now).bind(name).execute(&mut *transaction).await?;
        refuse_without_admin(&mut transaction, admins_before, name).await?;
        end_sessions(&mut transaction, name, now).await?;
        log(&mut transaction, now, name, "person-disabled", "").await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Gives a person a new password and ends all sessions; for an admin, or for the person after a step-up.
    ///
    /// # Errors
    /// [`IdentityError::Password`], [`IdentityError::Missing`].
    pub async fn set_password(&self, name: &str, password: &str, now: i64) -> Result<(), IdentityError> {
        check_strength(name, password)?;
        let phc = self.passwords.hash(password).await?;
        let mut transaction = self.change().await?;
        must_be_active(&mut transaction, name).await?;
        sqlx::query("UPDATE people SET password_phc = ? WHERE name = ?").bind(phc).bind(name).execute(&mut *transaction).await?;
        end_sessions(&mut transaction, name, now).await?;
        log(&mut transaction, now, name, "password-set", "").await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Gives a person a new second factor and new recovery codes, removes all passkeys and ends all sessions.
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub async fn reset_second_factor(&self, name: &str, now: i64) -> Result<Enrolment, IdentityError> {
        let secret = random::<TOTP_SECRET_BYTES>()?;
        let sealed = self.seal_totp(name, secret.as_slice(), now)?;
        let mut transaction = self.change().await?;
        must_be_active(&mut transaction, name).await?;
        sqlx::query("UPDATE people SET totp_sealed = ? WHERE name = ?")
            .bind(sealed)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM recovery_codes WHERE person = ?").bind(name).execute(&mut *transaction).await?;
        // The lost phone may hold passkeys, too.
        let passkeys = sqlx::query("DELETE FROM passkeys WHERE person = ?").bind(name).execute(&mut *transaction).await?;
        let recovery_codes = write_recovery_codes(&mut transaction, name).await?;
        end_sessions(&mut transaction, name, now).await?;
        let removed = format!("passkeys removed: {}", passkeys.rows_affected());
        log(&mut transaction, now, name, "second-factor-reset", &removed).await?;
        transaction.commit().await?;
        Ok(enrolment(name, secret.as_slice(), recovery_codes))
    }

    /// Gives the person of a session new recovery codes; the earlier ones work no more.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`], [`IdentityError::NotFresh`]: a stolen session alone must not become a lasting way in.
    pub async fn renew_recovery_codes(&self, session_id: &str, now: i64) -> Result<Vec<SecretText>, IdentityError> {
        let session = self.session(session_id, now).await?;
        session.fresh(now)?;
        let name = session.person.as_str();
        let mut transaction = self.change().await?;
        must_be_active(&mut transaction, name).await?;
        sqlx::query("DELETE FROM recovery_codes WHERE person = ?").bind(name).execute(&mut *transaction).await?;
        let codes = write_recovery_codes(&mut transaction, name).await?;
        log(&mut transaction, now, name, "recovery-codes-renewed", "").await?;
        transaction.commit().await?;
        Ok(codes)
    }

    /// The person's address for a phone, from the sealed secret; show it only after a step-up.
    ///
    /// # Errors
    /// [`IdentityError::Missing`], [`IdentityError::Sealer`].
    pub async fn otpauth_url(&self, name: &str) -> Result<SecretText, IdentityError> {
        let row = sqlx::query("SELECT totp_sealed FROM people WHERE name = ? AND disabled_at IS NULL")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| missing(name))?;
        let secret = self.open_totp(name, &row.try_get::<Vec<u8>, _>("totp_sealed")?)?;
        Ok(otpauth_url(name, &secret))
    }

    /// One person.
    ///
    /// # Errors
    /// [`IdentityError::Missing`]; people who are switched off are found.
    pub async fn person(&self, name: &str) -> Result<Person, IdentityError> {
        let people = self.people().await?;
        people.into_iter().find(|person| person.name == name).ok_or_else(|| missing(name))
    }

    /// All people by name, also those switched off; at most [`LIST_ROWS_MAX`].
    ///
    /// # Errors
    /// A database error.
    pub async fn people(&self) -> Result<Vec<Person>, IdentityError> {
        let rows = sqlx::query(
            "SELECT name, display_name, team, created_at, disabled_at, \
             (SELECT group_concat(role, ' ') FROM person_roles WHERE person = name) AS roles, \
             (SELECT count(*) FROM recovery_codes WHERE person = name AND used_at IS NULL) AS recovery_codes_left, \
             EXISTS (SELECT 1 FROM provider_accounts WHERE person = name) AS by_provider, \
             (SELECT count(*) FROM passkeys WHERE person = name) AS passkeys \
             FROM people ORDER BY name LIMIT ?",
        )
        .bind(LIST_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Person {
                    name: row.try_get("name")?,
                    display_name: row.try_get("display_name")?,
                    team: row.try_get("team")?,
                    roles: parse_roles(row.try_get::<Option<String>, _>("roles")?.as_deref())?,
                    created_at: row.try_get("created_at")?,
                    disabled_at: row.try_get("disabled_at")?,
                    recovery_codes_left: row.try_get("recovery_codes_left")?,
                    by_provider: row.try_get("by_provider")?,
                    passkeys: row.try_get("passkeys")?,
                })
            })
            .collect()
    }

    pub(crate) fn open_totp(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        self.sealer.open(&totp_context(name), sealed).map_err(IdentityError::Sealer)
    }

    fn seal_totp(&self, name: &str, secret: &[u8], now: i64) -> Result<Vec<u8>, IdentityError> {
        self.sealer.seal(&totp_context(name), secret, now).map_err(IdentityError::Sealer)
    }
}

/// What a new person's row keeps of password and second factor.
pub(crate) struct NewSecrets {
    phc: String,
    sealed: Vec<u8>,
}

impl NewSecrets {
    /// Of a password and a second factor that were drawn and shown to nobody: for people who come in another way only.
    pub(crate) async fn unknown_to_anybody(identity: &Identity, name: &str, now: i64) -> Result<Self, IdentityError> {
        let password = Zeroizing::new(data_encoding::HEXLOWER.encode(random::<32>()?.as_slice()));
        let phc = identity.passwords.hash(&password).await?;
        let sealed = identity.seal_totp(name, random::<TOTP_SECRET_BYTES>()?.as_slice(), now)?;
        Ok(Self { phc, sealed })
    }
}

/// Adds a person; names and texts were checked before.
pub(crate) async fn insert_person(
    connection: &mut SqliteConnection,
    (name, display_name, team): (&str, &str, &str),
    secrets: &NewSecrets,
    now: i64,
) -> Result<(), IdentityError> {
    let inserted = sqlx::query(
        "INSERT INTO people (name, display_name, team, password_phc, totp_sealed, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(name)
    .bind(display_name)
    .bind(team)
    .bind(&secrets.phc)
    .bind(&secrets.sealed)
    .bind(now)
    .execute(connection)
    .await;
    if inserted.as_ref().is_err_and(is_duplicate) {
        return Err(IdentityError::Exists { what: "person", name: name.to_owned() });
    }
    inserted?;
    Ok(())
}

/// Binds a sealed secret to its person: copied into another row it does not open.
fn totp_context(name: &str) -> String {
    format!("totp|{name}")
}

fn enrolment(name: &str, secret: &[u8], recovery_codes: Vec<SecretText>) -> Enrolment {
    Enrolment { otpauth_url: otpauth_url(name, secret), totp_secret: Zeroizing::new(secret.to_vec()), recovery_codes }
}

fn missing(name: &str) -> IdentityError {
    IdentityError::Missing { what: "person", name: name.to_owned() }
}

fn check_roles(roles: &BTreeSet<Role>) -> Result<(), IdentityError> {
    if let Some(role) = roles.iter().find(|role| role.is_machine()) {
        return Err(IdentityError::MachineRole(*role));
    }
    match matrix::conflict(roles) {
        Some((one, other)) => Err(IdentityError::RolesConflict(one, other)),
        None => Ok(()),
    }
}

pub(crate) fn join(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn parse_roles(text: Option<&str>) -> Result<BTreeSet<Role>, IdentityError> {
    let parse = |word| Role::parse(word).ok_or(IdentityError::Corrupt("an unknown role"));
    text.unwrap_or_default().split_whitespace().map(parse).collect()
}

pub(crate) async fn must_be_active(connection: &mut SqliteConnection, name: &str) -> Result<(), IdentityError> {
    let row = sqlx::query("SELECT 1 FROM people WHERE name = ? AND disabled_at IS NULL").bind(name).fetch_optional(connection);
    row.await?.map(|_| ()).ok_or_else(|| missing(name))
}

pub(crate) async fn write_roles(
    connection: &mut SqliteConnection,
    name: &str,
    roles: &BTreeSet<Role>,
) -> Result<(), IdentityError> {
    sqlx::query("DELETE FROM person_roles WHERE person = ?").bind(name).execute(&mut *connection).await?;
    for role in roles {
        let insert = sqlx::query("INSERT INTO person_roles (person, role) VALUES (?, ?)").bind(name).bind(role.as_str());
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_recovery_codes(connection: &mut SqliteConnection, name: &str) -> Result<Vec<SecretText>, IdentityError> {
    let mut shown = Vec::new();
    for (text, hash) in fresh_recovery_codes()? {
        let insert = sqlx::query("INSERT INTO recovery_codes (code_hash, person) VALUES (?, ?)").bind(hash.as_slice()).bind(name);
        insert.execute(&mut *connection).await?;
        shown.push(text);
    }
    Ok(shown)
}

async fn active_admins(connection: &mut SqliteConnection) -> Result<i64, IdentityError> {
    let row = sqlx::query(
        "SELECT count(*) AS admins FROM people JOIN person_roles ON person = name WHERE role = 'admin' AND disabled_at IS NULL",
    )
    .fetch_one(connection)
    .await?;
    Ok(row.try_get("admins")?)
}

/// Refuses a change that took the last admin away: nobody could give the role back.
async fn refuse_without_admin(connection: &mut SqliteConnection, admins_before: i64, name: &str) -> Result<(), IdentityError> {
    if admins_before > 0 && active_admins(connection).await? == 0 {
        return Err(IdentityError::LastAdmin(name.to_owned()));
    }
    Ok(())
}

pub(crate) async fn end_sessions(connection: &mut SqliteConnection, name: &str, now: i64) -> Result<(), IdentityError> {
    sqlx::query("UPDATE sessions SET revoked_at = ? WHERE person = ? AND revoked_at IS NULL")
        .bind(now)
        .bind(name)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM login_links WHERE person = ? AND used_at IS NULL").bind(name).execute(connection).await?;
    Ok(())
}
