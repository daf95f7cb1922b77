//! People, keys and secrets beside a running server: who manages them needs no lock on the log, and touches no data (T4, T6).

use std::path::Path;
use std::sync::Arc;

use identity::{Action, CustomerScope, Identity, IdentityError, Right, Session};
use store::control::Control;
use vault::Vault;

use crate::access::allow;
use crate::desk::{Desk, SESSION_SECRET, now, published};
use crate::evidence::Journal;
use crate::policy::SecretPolicy;
use crate::setup::{self, IssuedKey};
use crate::{PipelineError, Project, vault_state};

/// A project as its administration sees it.
pub struct Office {
    /// Policy, contract, paths.
    pub project: Project,
    /// Secrets.
    pub vault: Arc<Vault>,
    /// People, keys, suppliers.
    pub identity: Identity,
    /// Runs, deliveries, use.
    pub control: Control,
    journal: Arc<Journal>,
}

impl Office {
    /// Opens a project without its log, so it works while a server runs.
    pub async fn open(root: &Path) -> Result<Self, PipelineError> {
        let office = Self::open_with_any_vault(root).await?;
        // A log that cannot be read tells nothing; who reads it says so.
        if let Ok(log) = published(&office.project) {
            vault_state::look(&office.vault, &log, &office.control).await?;
        }
        Ok(office)
    }

    /// The same with a vault that may be older than the ledger knows it, for the one command that takes such a vault.
    pub async fn open_with_any_vault(root: &Path) -> Result<Self, PipelineError> {
        let project = Project::open(root)?;
        let vault = Arc::new(Vault::open(&project.path("vault"))?);
        let database = project.path("control.db");
        let journal = Journal::open(&project, &vault)?;
        let identity = Identity::open(&database, vault.clone()).await?.witnessed(journal.clone());
        let control = Control::open(&database).await.map_err(PipelineError::internal)?;
        Ok(Self { project, vault, identity, control, journal })
    }

    /// The session that `login` left in the project.
    pub async fn session(&self) -> Result<Session, PipelineError> {
        session(&self.vault, &self.identity, &self.project.policy.secrets).await
    }

    /// The current session, if it may do this now; else an error that names the login that may.
    pub async fn authorised(&self, action: Action) -> Result<Session, PipelineError> {
        let session = self.session().await?;
        allow(&self.project, &self.identity, &session, action).await?;
        self.journal.in_the_name_of(&session.person);
        Ok(session)
    }

    /// Confirms the current session with a code; its second factor is fresh again (step-up).
    pub async fn confirm(&self, code: &str) -> Result<Session, PipelineError> {
        let session = self.session().await?;
        self.identity.step_up(session.id.reveal(), code, now()).await?;
        self.session().await
    }

    /// Puts the newest signed change of who is who into the log, unless a server holds it: then the server does, within seconds.
    pub async fn put_on_record(&self) -> Result<(), PipelineError> {
        if is_held(&self.project)? {
            return Ok(());
        }
        match Desk::open(self.project.root()).await {
            Ok(_) => Ok(()),
            Err(_) if is_held(&self.project)? => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Keeps a session for the commands that follow, sealed in the vault.
    pub fn keep_session(&self, session: &Session) -> Result<(), PipelineError> {
        keep_session(&self.vault, session)
    }

    /// Ends the current session; answers whose it was.
    pub async fn log_out(&self) -> Result<String, PipelineError> {
        let session = self.session().await?;
        self.identity.revoke_session(session.id.reveal(), now()).await?;
        Ok(session.person)
    }

    /// Issues a key with the policy's limits; the application is made if it is new.
    pub async fn issue_key(
        &self,
        application: &str,
        owner: &str,
        rights: &[Right],
        scope: &CustomerScope,
    ) -> Result<IssuedKey, PipelineError> {
        setup::issue_key_in(&self.identity, &self.project.policy.api, (application, owner), rights, scope).await
    }
}

/// Whether a process works on the project now: it holds the log's lock while it does.
pub fn is_held(project: &Project) -> Result<bool, PipelineError> {
    let lock = project.path("evidence/log/lock");
    let Ok(lock) = std::fs::File::open(&lock) else { return Ok(false) };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(error)) => Err(PipelineError::internal(error)),
    }
}

/// The session that the vault keeps, if it still lives.
pub(crate) async fn session(vault: &Vault, identity: &Identity, policy: &SecretPolicy) -> Result<Session, PipelineError> {
    let not_allowed =
        |why: &str| PipelineError::NotAllowed { why: why.to_owned(), help: "log in with `stayward login`".to_owned() };
    let token = vault.get(SESSION_SECRET).map_err(|_| not_allowed("nobody is logged in"))?;
    let token = String::from_utf8_lossy(&token).into_owned();
    let session = match identity.session(&token, now()).await {
        Err(error) if matches!(error, IdentityError::Roster(_)) => return Err(error.into()),
        session => session.map_err(|_| not_allowed("the session has ended"))?,
    };
    within(policy, session, now()).ok_or_else(|| not_allowed("the session has ended"))
}

/// The session with the end that the policy gives it; none where that is over.
pub fn within(policy: &SecretPolicy, session: Session, now: i64) -> Option<Session> {
    let expires = policy.session_ends(&session);
    (expires > now).then_some(Session { expires, ..session })
}

pub(crate) fn keep_session(vault: &Vault, session: &Session) -> Result<(), PipelineError> {
    let bytes = session.id.reveal().as_bytes();
    if vault.versions(SESSION_SECRET).is_ok_and(|versions| !versions.is_empty()) {
        vault.rotate(SESSION_SECRET, bytes, now())?;
    } else {
        vault.put(SESSION_SECRET, bytes, now())?;
    }
    Ok(())
}
