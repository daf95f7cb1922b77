//! Everything that a command works with, opened once: project, vault, keys, log, stores, people, clock.

use std::path::Path;
use std::sync::Arc;

use identity::{Identity, Session};
use ledger::keys::{P256Signer, P256Verifier};
use ledger::note::{Ed25519NoteSigner, NoteSigner, NoteVerifier};
use store::control::Control;
use store::log::{Log, LogReader, LogWriter, OpenOptions};
use store::objects::Objects;
use vault::Vault;

use crate::evidence::Journal;
use crate::{PipelineError, Project, keys, office, vault_state};

/// The vault's name of the P-256 key that signs statements and models.
pub const STATEMENT_KEY: &str = "evidence-p256";
/// The vault's name of the Ed25519 key that signs checkpoints.
pub const CHECKPOINT_KEY: &str = "checkpoint-ed25519";
/// Public halves, for outsiders: the current key first, then earlier ones.
pub const STATEMENT_PUBLIC: &str = "evidence/statement-key.pem";
/// The checkpoint key in the form of C2SP signed-note; earlier ones on the lines below, for proofs that were handed out before.
pub const CHECKPOINT_PUBLIC: &str = "evidence/checkpoint-key.vkey";

/// An open project.
pub struct Desk {
    /// Policy, contract, paths.
    pub project: Project,
    /// Secrets.
    pub vault: Arc<Vault>,
    /// The one writer of the log.
    pub log: Log,
    /// Its reader.
    pub reader: LogReader,
    /// Artefacts by digest.
    pub objects: Objects,
    /// Runs, deployments, label versions.
    pub control: Control,
    /// People, keys, suppliers.
    pub identity: Identity,
    pub(crate) journal: Arc<Journal>,
    pub(crate) signer: P256Signer,
    statement_keys: Vec<P256Verifier>,
}

/// Seconds since 1970, UTC.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Milliseconds since 1970, UTC.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// RFC 3339 text of Unix seconds.
pub fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

/// Random hex digits.
pub fn random_hex(bytes: usize) -> Result<String, PipelineError> {
    Ok(data_encoding::HEXLOWER.encode(&vault::random_bytes(bytes)?))
}

/// The log's origin line: names this project's log.
pub fn origin(vault: &Vault) -> String {
    format!("stayward.local/{}", vault.id())
}

impl Desk {
    /// Makes vault, keys, log and stores of a new project folder that has policy and contract already.
    pub async fn create(root: &Path) -> Result<Self, PipelineError> {
        let vault = Vault::create(&root.join("vault"))?;
        vault.put(STATEMENT_KEY, &vault::generate_p256_pkcs8()?, now())?;
        vault.put(CHECKPOINT_KEY, &vault::generate_ed25519_pkcs8()?, now())?;
        drop(vault);
        Self::open(root).await
    }

    /// Opens a project. Fails while another process writes its log.
    pub async fn open(root: &Path) -> Result<Self, PipelineError> {
        let desk = Self::open_any(root).await?;
        vault_state::keep(&desk, vault_state::Older::Refuse).await?;
        Ok(desk)
    }

    /// Takes a vault that is older than the ledger's, which came from a backup, and records that; who may is the caller's to see.
    pub async fn accept_older_vault(root: &Path) -> Result<Self, PipelineError> {
        let desk = Self::open_any(root).await?;
        vault_state::keep(&desk, vault_state::Older::Accept).await?;
        Ok(desk)
    }

    async fn open_any(root: &Path) -> Result<Self, PipelineError> {
        let project = Project::open(root)?;
        let vault = Arc::new(Vault::open(&project.path("vault"))?);
        let signer = P256Signer::from_pkcs8_der(&vault.get(STATEMENT_KEY)?).map_err(PipelineError::internal)?;
        let origin = origin(&vault);
        let checkpoint_key = vault.get(CHECKPOINT_KEY)?;
        let note = Ed25519NoteSigner::from_pkcs8_der(&origin, &checkpoint_key).map_err(PipelineError::internal)?;
        let verifier = note.verifier().clone();
        store::disk::make_folder(&project.path("evidence"))?;
        let statement_keys = keys::all_statement_keys(&vault, &signer)?;
        let checkpoint_keys = keys::all_checkpoint_keys(&vault, &verifier)?;
        // Earlier keys count only until a rotation is finished, that is until the new key is published.
        let checkpoints: String = checkpoint_keys.iter().map(|key| format!("{}\n", key.to_text())).collect();
        let unfinished = std::fs::read_to_string(project.path(CHECKPOINT_PUBLIC))
            .is_ok_and(|text| text.lines().next() != checkpoints.lines().next());
        let earlier = if unfinished { checkpoint_keys.into_iter().skip(1).collect() } else { Vec::new() };
        let folder = project.path("evidence/log");
        let options = OpenOptions { earlier, ..OpenOptions::default() };
        let log = Log::start(LogWriter::open_with(&folder, &origin, vec![Box::new(note)], options)?)?;
        publish(&project, STATEMENT_PUBLIC, &statement_keys.iter().map(P256Verifier::to_spki_pem).collect::<String>())?;
        publish(&project, CHECKPOINT_PUBLIC, &checkpoints)?;
        let reader = LogReader::open(&folder, &origin, vec![verifier])?;
        let objects = Objects::open(&project.path("objects"))?;
        let database = project.path("control.db");
        let journal = Journal::open(&project, &vault)?;
        let identity = Identity::open(&database, vault.clone()).await?.witnessed(journal.clone());
        let control = Control::open(&database).await.map_err(PipelineError::internal)?;
        control.recover_runs(now_ms()).await.map_err(PipelineError::internal)?;
        let desk = Self { project, vault, log, reader, objects, control, identity, journal, signer, statement_keys };
        desk.witness_roster().await?;
        Ok(desk)
    }

    /// Keys that statements of this project may be signed with: the current one, then earlier ones.
    pub fn statement_keys(&self) -> Vec<P256Verifier> {
        self.statement_keys.clone()
    }

    /// The session that `login` (or `init`) left in the project folder.
    pub async fn session(&self) -> Result<Session, PipelineError> {
        office::session(&self.vault, &self.identity, &self.project.policy.secrets).await
    }

    /// Keeps a session for the commands that follow, sealed in the vault.
    pub fn keep_session(&self, session: &Session) -> Result<(), PipelineError> {
        office::keep_session(&self.vault, session)
    }
}

impl Desk {
    /// What stands under a name of the control plane's small state.
    pub async fn pointer(&self, name: &str) -> Result<Option<serde_json::Value>, PipelineError> {
        let pointer = self.control.pointer(name).await.map_err(PipelineError::internal)?;
        Ok(pointer.map(|pointer| pointer.value))
    }

    /// Sets it. This process holds the project's lock, so nobody else moves it in between; if somebody did, it is an error.
    pub async fn set_pointer(&self, name: &str, value: &serde_json::Value) -> Result<(), PipelineError> {
        let seen = self.control.pointer(name).await.map_err(PipelineError::internal)?.map_or(0, |pointer| pointer.revision);
        self.control.set_pointer(name, seen, value).await.map(drop).map_err(PipelineError::internal)
    }
}

/// The vault's name of the current session's token.
pub const SESSION_SECRET: &str = "session";

fn publish(project: &Project, below: &str, text: &str) -> Result<(), PipelineError> {
    let path = project.path(below);
    let current = std::fs::read_to_string(&path).ok();
    if current.as_deref() != Some(text) {
        store::disk::write_atomic(&path, text.as_bytes())?;
    }
    Ok(())
}

/// What an outsider needs to check the log, from the two published files.
pub struct Published {
    /// Keys of statements.
    pub statements: Vec<P256Verifier>,
    /// The log, read only.
    pub reader: LogReader,
    /// Its origin.
    pub origin: String,
    /// Its checkpoint key.
    pub checkpoint: NoteVerifier,
}

/// Opens evidence for reading, with the published keys alone: no vault, no lock, while a server runs.
pub fn published(project: &Project) -> Result<Published, PipelineError> {
    let read = |below: &str| {
        std::fs::read_to_string(project.path(below))
            .map_err(|error| PipelineError::broken(format!("`{below}` cannot be read: {error}")))
    };
    let named = |below: &str, error: PipelineError| PipelineError::broken(format!("`{below}`: {error}"));
    let statements = keys::statement_keys(&read(STATEMENT_PUBLIC)?).map_err(|error| named(STATEMENT_PUBLIC, error))?;
    let checkpoints = keys::checkpoint_keys(&read(CHECKPOINT_PUBLIC)?).map_err(|error| named(CHECKPOINT_PUBLIC, error))?;
    // Only the current key: the head is signed anew at a rotation, so an earlier key's head would be an old one put back.
    let checkpoint = checkpoints.into_iter().next();
    let checkpoint = checkpoint.ok_or_else(|| PipelineError::broken(format!("`{CHECKPOINT_PUBLIC}` holds no key")))?;
    let origin = checkpoint.name().to_owned();
    let reader = LogReader::open(&project.path("evidence/log"), &origin, vec![checkpoint.clone()])?;
    Ok(Published { statements, reader, origin, checkpoint })
}
