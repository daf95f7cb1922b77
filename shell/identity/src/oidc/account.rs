//! Accounts of people whom a provider vouches for (T1, T6): bound to issuer and subject, never to a name or address that the provider
//! may give to somebody else; roles are those of the groups at each login.

use std::collections::BTreeSet;

use sqlx::{Row, SqliteConnection};

use super::{OidcRules, Proven, refused};
use crate::database::{Identity, check_name, log};
use crate::error::IdentityError;
use crate::matrix;
use crate::people::{NewSecrets, end_sessions, insert_person, join, parse_roles, write_roles};
use crate::role::Role;
use crate::session::{Factor, Session};

/// Whom the log names where nobody is known.
const NOBODY: &str = "oidc";
/// Letters of a reason that the log keeps.
const REASON_CHARS_MAX: usize = 300;
/// Team of people who came by the provider.
const TEAM: &str = "by identity provider";

impl Identity {
    /// A login at the provider, good or refused: either way it is in the log. `proven` is what [`super::Provider::redeem`] found.
    ///
    /// # Errors
    /// The refusal of `proven`; [`IdentityError::ProviderLogin`] where nobody here is meant, the person is switched off, or the
    /// groups give no role or two that exclude each other.
    pub async fn log_in_by_provider(
        &self,
        rules: &OidcRules,
        proven: Result<Proven, IdentityError>,
        now: i64,
    ) -> Result<Session, IdentityError> {
        let proven = match proven {
            Ok(proven) => proven,
            Err(error) => return Err(self.tell_refusal(NOBODY, error, now).await),
        };
        match self.enter(rules, &proven, now).await {
            Ok(session) => Ok(session),
            Err(error @ IdentityError::ProviderLogin(_)) => Err(self.tell_refusal(NOBODY, error, now).await),
            Err(error) => Err(error),
        }
    }

    /// Binds somebody who has an account here to a subject of a provider; roles are from then on those of the groups.
    ///
    /// # Errors
    /// [`IdentityError::Missing`], [`IdentityError::Exists`] where either has a partner.
    pub async fn bind_to_provider(&self, name: &str, issuer: &str, subject: &str, now: i64) -> Result<(), IdentityError> {
        let mut transaction = self.change().await?;
        crate::people::must_be_active(&mut transaction, name).await?;
        bind(&mut transaction, (issuer, subject), name, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn enter(&self, rules: &OidcRules, proven: &Proven, now: i64) -> Result<Session, IdentityError> {
        let known = sqlx::query("SELECT person FROM provider_accounts WHERE issuer = ? AND subject = ?")
            .bind(&proven.issuer)
            .bind(&proven.subject)
            .fetch_optional(&self.pool)
            .await?;
        let roles = roles_of(rules, &proven.groups)?;
        let name: String = match known {
            Some(row) => row.try_get("person")?,
            None if roles.is_empty() => return Err(refused("no group of somebody who is new gives a role here")),
            None => self.create(rules, proven, &roles, now).await?,
        };
        // Most logins change no role: they must not depend on everybody else's rows.
        self.vouched(&name).await?;
        let mut transaction = self.begin().await?;
        let (mut active, before) = standing(&mut transaction, &name).await?;
        if before != roles {
            drop(transaction);
            let mut change = self.change().await?;
            // Also where it takes the last admin: the provider's groups give the role back.
            write_roles(&mut change, &name, &roles).await?;
            log(&mut change, now, &name, "roles-set", &format!("by groups: {}", join(&roles))).await?;
            change.commit().await?;
            transaction = self.begin().await?;
            active = standing(&mut transaction, &name).await?.0;
        }
        if !active || roles.is_empty() {
            // A role that was taken is taken although nobody comes in.
            end_sessions(&mut transaction, &name, now).await?;
            transaction.commit().await?;
            let why = if active { "has no group that gives a role here" } else { "is switched off" };
            return Err(refused(format!("`{name}` {why}")));
        }
        let factors = vec![Factor::Provider, Factor::Mfa];
        let session = self.start_session(&mut transaction, &name, factors, Some(proven.auth_time), now).await?;
        log(&mut transaction, now, &name, "login", Factor::Provider.as_str()).await?;
        transaction.commit().await?;
        Ok(session)
    }

    /// Makes an account without a password or second factor that anybody knows: the provider is the only way in.
    async fn create(
        &self,
        rules: &OidcRules,
        proven: &Proven,
        roles: &BTreeSet<Role>,
        now: i64,
    ) -> Result<String, IdentityError> {
        if !rules.creates {
            let why = "nobody here is bound to subject";
            return Err(refused(format!("{why} `{}` of the provider", proven.subject.escape_debug())));
        }
        let name = proven.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        check_name(&name).map_err(|_| refused(format!("the claim `{}` is no name here", rules.name_claim)))?;
        let secrets = NewSecrets::unknown_to_anybody(self, &name, now).await?;
        let mut transaction = self.change().await?;
        match insert_person(&mut transaction, (&name, &name, TEAM), &secrets, now).await {
            // Whoever is called so at the provider is not therefore the one who is called so here.
            Err(IdentityError::Exists { .. }) => {
                return Err(refused(format!("`{name}` is taken by somebody who is not bound to this subject")));
            }
            outcome => outcome?,
        }
        bind(&mut transaction, (&proven.issuer, &proven.subject), &name, now).await?;
        write_roles(&mut transaction, &name, roles).await?;
        log(&mut transaction, now, &name, "person-created", &format!("by provider, roles by groups: {}", join(roles))).await?;
        transaction.commit().await?;
        Ok(name)
    }

    async fn tell_refusal(&self, subject: &str, error: IdentityError, now: i64) -> IdentityError {
        let why: String = error.to_string().chars().take(REASON_CHARS_MAX).collect();
        let told = async {
            let mut transaction = self.begin().await?;
            log(&mut transaction, now, subject, "login-refused", &why).await?;
            transaction.commit().await?;
            Ok::<_, IdentityError>(())
        };
        // A refusal that cannot be told is the database's failure, which is worse than the refusal.
        match told.await {
            Ok(()) => error,
            Err(failure) => failure,
        }
    }
}

/// Whether a person is switched on, and the roles that stand here.
async fn standing(connection: &mut SqliteConnection, name: &str) -> Result<(bool, BTreeSet<Role>), IdentityError> {
    let row = sqlx::query(
        "SELECT disabled_at IS NULL AS active, (SELECT group_concat(role, ' ') FROM person_roles WHERE person = name) AS roles \
         FROM people WHERE name = ?",
    )
    .bind(name)
    .fetch_one(connection)
    .await?;
    Ok((row.try_get("active")?, parse_roles(row.try_get::<Option<String>, _>("roles")?.as_deref())?))
}

async fn bind(
    transaction: &mut SqliteConnection,
    (issuer, subject): (&str, &str),
    name: &str,
    now: i64,
) -> Result<(), IdentityError> {
    let inserted = sqlx::query("INSERT INTO provider_accounts (issuer, subject, person, bound_at) VALUES (?, ?, ?, ?)")
        .bind(issuer)
        .bind(subject)
        .bind(name)
        .bind(now)
        .execute(&mut *transaction)
        .await;
    if inserted.as_ref().is_err_and(crate::database::is_duplicate) {
        return Err(IdentityError::Exists { what: "binding to the provider of", name: name.to_owned() });
    }
    inserted?;
    log(transaction, now, name, "bound-to-provider", subject).await
}

/// The roles of the groups; none at all is for the caller to refuse, two that exclude each other are refused here.
fn roles_of(rules: &OidcRules, groups: &BTreeSet<String>) -> Result<BTreeSet<Role>, IdentityError> {
    let roles: BTreeSet<Role> = groups.iter().filter_map(|group| rules.roles.get(group)).flatten().copied().collect();
    match matrix::conflict(&roles) {
        Some((one, other)) => Err(refused(format!("the groups give both `{one}` and `{other}`, which nobody may be together"))),
        None => Ok(roles),
    }
}
