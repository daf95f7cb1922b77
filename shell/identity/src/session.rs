//! Logins and sessions (T1, T6): two factors, one answer for every wrong half, codes that work once, sessions that end.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::database::{Identity, LIST_ROWS_MAX, log};
use crate::error::IdentityError;
use crate::lockout::{Guess, bucket};
use crate::matrix::{self, Denial, STEP_UP_SECONDS};
use crate::password::PASSWORD_BYTES_MAX;
use crate::people::{end_sessions, parse_roles};
use crate::role::{Action, Role};
use crate::second_factor::{Code, matching_step};
use crate::token::{SecretText, fresh_text, hash};

/// Length of a session: a working day.
pub const SESSION_SECONDS: i64 = 8 * 3600;
/// Length of a one-time login link.
pub const LOGIN_LINK_SECONDS: i64 = 15 * 60;
/// Bytes of a session id or link that are looked at.
const TOKEN_BYTES_MAX: usize = 128;

/// How somebody proved who they are; the words of RFC 8176 where it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Factor {
    /// Password.
    Pwd,
    /// One-time code.
    Otp,
    /// Recovery code.
    Recovery,
    /// One-time link.
    Link,
    /// The organisation's identity provider.
    Provider,
    /// A key that no device gives away.
    Hwk,
    /// A key that a service may copy to the person's other devices.
    Swk,
    /// Finger, face or PIN, asked for by the device.
    User,
    /// Several factors, as the provider proves or the project's owner vouches.
    Mfa,
}

impl Factor {
    const ALL: [Self; 9] =
        [Self::Pwd, Self::Otp, Self::Recovery, Self::Link, Self::Provider, Self::Hwk, Self::Swk, Self::User, Self::Mfa];

    /// The text in `amr`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pwd => "pwd",
            Self::Otp => "otp",
            Self::Recovery => "recovery",
            Self::Link => "link",
            Self::Provider => "provider",
            Self::Hwk => "hwk",
            Self::Swk => "swk",
            Self::User => "user",
            Self::Mfa => "mfa",
        }
    }

    /// The factor of a text in `amr`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|factor| factor.as_str() == word)
    }

    /// Whether it proves something that the person has, beside what the person knows: what a session's second factor can be.
    #[must_use]
    pub const fn is_second(self) -> bool {
        match self {
            Self::Otp | Self::Recovery | Self::Hwk | Self::Swk | Self::Mfa => true,
            Self::Pwd | Self::Link | Self::Provider | Self::User => false,
        }
    }
}

/// A live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// 256 random bits, for the cookie; only its SHA-256 is kept.
    pub id: SecretText,
    /// Who.
    pub person: String,
    /// Roles at the moment of looking.
    pub roles: BTreeSet<Role>,
    /// How the person proved it.
    pub amr: Vec<Factor>,
    /// When the session began, Unix seconds.
    pub auth_time: i64,
    /// When a second factor was last given.
    pub second_factor_at: Option<i64>,
    /// When the session ends.
    pub expires: i64,
}

impl Session {
    /// What its row says, and nobody else may write: whose it is, how proved, when.
    fn sealed_text(&self) -> String {
        let id = HEXLOWER.encode(&hash(self.id.reveal()));
        format!("session {:?}", (id, &self.person, amr_text(&self.amr), self.auth_time, self.second_factor_at, self.expires))
    }

    /// Whether this session may do it now: role, then second factor.
    ///
    /// # Errors
    /// The [`Denial`]; its help names the way.
    pub fn authorise(&self, action: Action, now: i64) -> Result<(), Denial> {
        matrix::authorise(&self.roles, self.second_factor_at, action, now)
    }

    /// Whether a second factor was given so lately that the person may change how he proves who he is.
    ///
    /// # Errors
    /// [`IdentityError::NotFresh`].
    pub fn fresh(&self, now: i64) -> Result<(), IdentityError> {
        let age = self.second_factor_at.map(|given_at| now.saturating_sub(given_at));
        match age {
            Some(age) if (0..=STEP_UP_SECONDS).contains(&age) => Ok(()),
            Some(_) | None => Err(IdentityError::NotFresh { max_seconds: STEP_UP_SECONDS }),
        }
    }
}

impl Identity {
    /// A login. `code` is a one-time code or a recovery code; `now` in Unix seconds.
    ///
    /// # Errors
    /// [`IdentityError::LoginRefused`] whatever was wrong; [`IdentityError::LockedOut`] also for names that do not exist.
    pub async fn verify_password_and_code(
        &self,
        name: &str,
        password: &str,
        code: &str,
        now: i64,
    ) -> Result<Session, IdentityError> {
        // A name that cannot be is not booked under its own bytes: the table holds checked names only.
        let checked = crate::database::check_name(name).map(|()| name).unwrap_or("?");
        self.book_attempt(Guess::Login, checked, now).await?;
        let known = self.secrets_of(name).await?;
        // An overlong password is refused after the same work as any other.
        let fits = password.len() <= PASSWORD_BYTES_MAX;
        let phc = known.as_ref().filter(|_| fits).map(|secrets| secrets.password_phc.as_str());
        let password_right = self.passwords.verify(if fits { password } else { "" }, phc).await?;
        let Some(secrets) = known else { return Err(IdentityError::LoginRefused) };
        if password_right {
            self.vouched(name).await?;
        }
        let mut transaction = self.begin().await?;
        let factor = if password_right { self.spend_code(&mut transaction, name, &secrets, code, now).await? } else { None };
        let Some(factor) = factor else { return Err(IdentityError::LoginRefused) };
        forget_attempts(&mut transaction, Guess::Login, name).await?;
        let session = self.start_session(&mut transaction, name, vec![Factor::Pwd, factor], Some(now), now).await?;
        log(&mut transaction, now, name, "login", factor.as_str()).await?;
        transaction.commit().await?;
        Ok(session)
    }

    /// The live session with this id.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`]; [`IdentityError::Roster`] if the person is not as the last signed change left her.
    pub async fn session(&self, id: &str, now: i64) -> Result<Session, IdentityError> {
        let invalid = || IdentityError::NotValid("session");
        if id.len() > TOKEN_BYTES_MAX {
            return Err(invalid());
        }
        let row = sqlx::query(
            "SELECT person, amr, auth_time, second_factor_at, expires_at, seal, \
             (SELECT group_concat(role, ' ') FROM person_roles WHERE person = sessions.person) AS roles \
             FROM sessions JOIN people ON people.name = sessions.person \
             WHERE id_hash = ? AND revoked_at IS NULL AND expires_at > ? AND disabled_at IS NULL",
        )
        .bind(hash(id).as_slice())
        .bind(now)
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(invalid)?;
        self.vouched(row.try_get("person")?).await?;
        let session = Session {
            id: SecretText::new(id.to_owned()),
            person: row.try_get("person")?,
            roles: parse_roles(row.try_get::<Option<String>, _>("roles")?.as_deref())?,
            amr: parse_amr(row.try_get("amr")?)?,
            auth_time: row.try_get("auth_time")?,
            second_factor_at: row.try_get("second_factor_at")?,
            expires: row.try_get("expires_at")?,
        };
        let seal: Option<Vec<u8>> = row.try_get("seal")?;
        if self.sealed(&session.sealed_text(), seal.as_deref()) { Ok(session) } else { Err(invalid()) }
    }

    /// Seals what a row says, so that nobody else can write such a row.
    fn seal_row(&self, text: &str, now: i64) -> Result<Vec<u8>, IdentityError> {
        self.sealer.seal(text, &[], now).map_err(IdentityError::Sealer)
    }

    fn sealed(&self, text: &str, seal: Option<&[u8]>) -> bool {
        seal.is_some_and(|seal| self.sealer.open(text, seal).is_ok())
    }

    /// Confirms a session with a code; the answer has a fresh `second_factor_at`.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`], [`IdentityError::LoginRefused`], [`IdentityError::LockedOut`].
    pub async fn step_up(&self, id: &str, code: &str, now: i64) -> Result<Session, IdentityError> {
        let session = self.session(id, now).await?;
        let name = session.person.as_str();
        self.book_attempt(Guess::StepUp, name, now).await?;
        let secrets = self.secrets_of(name).await?.ok_or(IdentityError::LoginRefused)?;
        let mut transaction = self.begin().await?;
        let Some(factor) = self.spend_code(&mut transaction, name, &secrets, code, now).await? else {
            return Err(IdentityError::LoginRefused);
        };
        let name = name.to_owned();
        let mut session = session;
        if !session.amr.contains(&factor) {
            session.amr.push(factor);
        }
        session.second_factor_at = Some(now);
        sqlx::query("UPDATE sessions SET amr = ?, second_factor_at = ?, seal = ? WHERE id_hash = ?")
            .bind(amr_text(&session.amr))
            .bind(now)
            .bind(self.seal_row(&session.sealed_text(), now)?)
            .bind(hash(id).as_slice())
            .execute(&mut *transaction)
            .await?;
        forget_attempts(&mut transaction, Guess::StepUp, &name).await?;
        log(&mut transaction, now, &name, "step-up", factor.as_str()).await?;
        transaction.commit().await?;
        self.session(id, now).await
    }

    /// Ends one session.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`] when it has ended before.
    pub async fn revoke_session(&self, id: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("UPDATE sessions SET revoked_at = ? WHERE id_hash = ? AND revoked_at IS NULL RETURNING person")
            .bind(now)
            .bind(hash(id).as_slice())
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or(IdentityError::NotValid("session"))?;
        log(&mut transaction, now, row.try_get("person")?, "logout", "").await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Ends all sessions and unused links of a person.
    ///
    /// # Errors
    /// A database error.
    pub async fn revoke_sessions_of(&self, name: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.begin().await?;
        end_sessions(&mut transaction, name, now).await?;
        log(&mut transaction, now, name, "sessions-revoked", "").await?;
        transaction.commit().await?;
        Ok(())
    }

    /// A link's token, used once within 15 minutes; a newer one replaces it.
    ///
    /// # Errors
    /// [`IdentityError::Missing`].
    pub async fn create_login_link(&self, name: &str, now: i64) -> Result<SecretText, IdentityError> {
        let token = fresh_text()?;
        let mut transaction = self.begin().await?;
        let active = sqlx::query("SELECT 1 FROM people WHERE name = ? AND disabled_at IS NULL").bind(name);
        if active.fetch_optional(&mut *transaction).await?.is_none() {
            return Err(IdentityError::Missing { what: "person", name: name.to_owned() });
        }
        sqlx::query("DELETE FROM login_links WHERE person = ?").bind(name).execute(&mut *transaction).await?;
        let expires = now.saturating_add(LOGIN_LINK_SECONDS);
        sqlx::query("INSERT INTO login_links (token_hash, person, expires_at, seal) VALUES (?, ?, ?, ?)")
            .bind(hash(token.reveal()).as_slice())
            .bind(name)
            .bind(expires)
            .bind(self.seal_row(&link_text(token.reveal(), name, expires), now)?)
            .execute(&mut *transaction)
            .await?;
        log(&mut transaction, now, name, "login-link-created", "").await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// For whom a link that still works was made; does not use it up.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`].
    pub async fn login_link_person(&self, token: &str, now: i64) -> Result<String, IdentityError> {
        let invalid = || IdentityError::NotValid("login link");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid());
        }
        let row = sqlx::query(
            "SELECT person, login_links.expires_at, login_links.seal FROM login_links JOIN people ON people.name = login_links.person \
             WHERE token_hash = ? AND used_at IS NULL AND login_links.expires_at > ? AND disabled_at IS NULL",
        )
        .bind(hash(token).as_slice())
        .bind(now)
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(invalid)?;
        self.linked(token, &row)?.ok_or_else(invalid)
    }

    /// Turns a link into a session with `amr` `link`: no second factor yet, so that actions that need one ask for a step-up.
    ///
    /// # Errors
    /// [`IdentityError::NotValid`].
    pub async fn use_login_link(&self, token: &str, now: i64) -> Result<Session, IdentityError> {
        let invalid = || IdentityError::NotValid("login link");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid());
        }
        let mut transaction = self.begin().await?;
        let row = sqlx::query(
            "UPDATE login_links SET used_at = ?1 WHERE token_hash = ?2 AND used_at IS NULL AND expires_at > ?1 \
             AND (SELECT disabled_at FROM people WHERE name = person) IS NULL RETURNING person, expires_at, seal",
        )
        .bind(now)
        .bind(hash(token).as_slice())
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or_else(invalid)?;
        let name = self.linked(token, &row)?.ok_or_else(invalid)?;
        let session = self.start_session(&mut transaction, &name, vec![Factor::Link], None, now).await?;
        log(&mut transaction, now, &name, "login", Factor::Link.as_str()).await?;
        transaction.commit().await?;
        Ok(session)
    }

    /// For whom a link's row is, if it is one of ours.
    fn linked(&self, token: &str, row: &SqliteRow) -> Result<Option<String>, IdentityError> {
        let (person, expires): (String, i64) = (row.try_get("person")?, row.try_get("expires_at")?);
        let seal: Option<Vec<u8>> = row.try_get("seal")?;
        Ok(self.sealed(&link_text(token, &person, expires), seal.as_deref()).then_some(person))
    }

    /// Removes sessions and links that ended more than a day ago; the log keeps what happened.
    ///
    /// # Errors
    /// A database error.
    pub async fn sweep(&self, now: i64) -> Result<u64, IdentityError> {
        let before = now.saturating_sub(24 * 3600);
        let sessions = sqlx::query("DELETE FROM sessions WHERE expires_at < ? OR revoked_at < ?").bind(before).bind(before);
        let links = sqlx::query("DELETE FROM login_links WHERE expires_at < ?").bind(before);
        let removed = sessions.execute(&self.pool).await?.rows_affected();
        Ok(removed + links.execute(&self.pool).await?.rows_affected())
    }

    /// Live sessions of a person: begin and end, newest first.
    ///
    /// # Errors
    /// A database error.
    pub async fn session_times(&self, name: &str, now: i64) -> Result<Vec<(i64, i64)>, IdentityError> {
        let rows = sqlx::query(
            "SELECT auth_time, expires_at FROM sessions WHERE person = ? AND revoked_at IS NULL AND expires_at > ? \
             ORDER BY auth_time DESC LIMIT ?",
        )
        .bind(name)
        .bind(now)
        .bind(LIST_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.try_get("auth_time")?, row.try_get("expires_at")?))).collect()
    }

    pub(crate) async fn start_session(
        &self,
        connection: &mut SqliteConnection,
        name: &str,
        amr: Vec<Factor>,
        second_factor_at: Option<i64>,
        now: i64,
    ) -> Result<Session, IdentityError> {
        let row = sqlx::query("SELECT group_concat(role, ' ') AS roles FROM person_roles WHERE person = ?")
            .bind(name)
            .fetch_one(&mut *connection)
            .await?;
        let roles = parse_roles(row.try_get::<Option<String>, _>("roles")?.as_deref())?;
        let (id, expires) = (fresh_text()?, now.saturating_add(SESSION_SECONDS));
        let session = Session { id, person: name.to_owned(), roles, amr, auth_time: now, second_factor_at, expires };
        sqlx::query(
            "INSERT INTO sessions (id_hash, person, amr, auth_time, second_factor_at, expires_at, seal) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(hash(session.id.reveal()).to_vec())
        .bind(name)
        .bind(amr_text(&session.amr))
        .bind(now)
        .bind(second_factor_at)
        .bind(expires)
        .bind(self.seal_row(&session.sealed_text(), now)?)
        .execute(connection)
        .await?;
        Ok(session)
    }

    async fn secrets_of(&self, name: &str) -> Result<Option<Secrets>, IdentityError> {
        let row = sqlx::query("SELECT password_phc, totp_sealed FROM people WHERE name = ? AND disabled_at IS NULL")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Secrets { password_phc: row.try_get("password_phc")?, totp_sealed: row.try_get("totp_sealed")? }))
    }

    /// Accepts a code at most once: the step must be later than the last one accepted, a recovery code unused.
    async fn spend_code(
        &self,
        connection: &mut SqliteConnection,
        name: &str,
        secrets: &Secrets,
        code: &str,
        now: i64,
    ) -> Result<Option<Factor>, IdentityError> {
        let (factor, spent) = match Code::parse(code) {
            None => return Ok(None),
            Some(Code::Totp(code)) => {
                let secret = self.open_totp(name, &secrets.totp_sealed)?;
                let Some(step) = matching_step(&secret, &code, now) else { return Ok(None) };
                let step = i64::try_from(step).unwrap_or(i64::MAX);
                let update = sqlx::query("UPDATE people SET totp_last_step = ?1 WHERE name = ?2 AND totp_last_step < ?1");
                (Factor::Otp, update.bind(step).bind(name).execute(connection).await?)
            }
            Some(Code::Recovery(hash)) => {
                let update =
                    sqlx::query("UPDATE recovery_codes SET used_at = ? WHERE code_hash = ? AND person = ? AND used_at IS NULL");
                (Factor::Recovery, update.bind(now).bind(hash.to_vec()).bind(name).execute(connection).await?)
            }
        };
        Ok((spent.rows_affected() == 1).then_some(factor))
    }
}

struct Secrets {
    password_phc: String,
    totp_sealed: Vec<u8>,
}

async fn forget_attempts(connection: &mut SqliteConnection, guess: Guess, name: &str) -> Result<(), IdentityError> {
    sqlx::query("DELETE FROM attempts WHERE bucket = ?").bind(bucket(guess, name)).execute(connection).await?;
    Ok(())
}

fn link_text(token: &str, person: &str, expires: i64) -> String {
    format!("login-link {:?}", (HEXLOWER.encode(&hash(token)), person, expires))
}

fn amr_text(amr: &[Factor]) -> String {
    amr.iter().map(|factor| factor.as_str()).collect::<Vec<_>>().join(" ")
}

fn parse_amr(text: &str) -> Result<Vec<Factor>, IdentityError> {
    text.split_whitespace().map(|word| Factor::parse(word).ok_or(IdentityError::Corrupt("an unknown factor"))).collect()
}
