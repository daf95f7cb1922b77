//! Everything that a command works with, opened once: project, vault, keys, log, stores, people, clock.

use std::path::Path;
use std::sync::Arc;

use identity::{Identity, Session};
use ledger::keys::{P256Signer, P256Verifier};
use ledger::note::{Ed25519NoteSigner, NoteSigner, NoteVerifier};
use store::control::Control;
use store::log::{Log, LogReader, LogWriter};
use store::objects::Objects;
use vault::Vault;

use crate::{PipelineError, Project};

/// The vault's name of the P-256 key that signs statements and models.
pub const STATEMENT_KEY: &str = "evidence-p256";
/// The vault's name of the Ed25519 key that signs checkpoints.
pub const CHECKPOINT_KEY: &str = "checkpoint-ed25519";
/// Public halves, for outsiders.
pub const STATEMENT_PUBLIC: &str = "evidence/statement-key.pem";
/// The checkpoint key in the form of C2SP signed-note.
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
    pub(crate) signer: P256Signer,
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
        let project = Project::open(root)?;
        let vault = Arc::new(Vault::open(&project.path("vault"))?);
        let signer = P256Signer::from_pkcs8_der(&vault.get(STATEMENT_KEY)?).map_err(PipelineError::internal)?;
        let origin = origin(&vault);
        let checkpoint_key = vault.get(CHECKPOINT_KEY)?;
        let note = Ed25519NoteSigner::from_pkcs8_der(&origin, &checkpoint_key).map_err(PipelineError::internal)?;
        let verifier = note.verifier().clone();
        store::disk::make_folder(&project.path("evidence"))?;
        publish(&project, STATEMENT_PUBLIC, &signer.verifier().to_spki_pem())?;
        publish(&project, CHECKPOINT_PUBLIC, &format!("{}\n", verifier.to_text()))?;
        let folder = project.path("evidence/log");
        let log = Log::start(LogWriter::open(&folder, &origin, vec![Box::new(note)])?)?;
        let reader = LogReader::open(&folder, &origin, vec![verifier])?;
        let objects = Objects::open(&project.path("objects"))?;
        let database = project.path("control.db");
        let identity = Identity::open(&database, vault.clone()).await?;
        let control = Control::open(&database).await.map_err(PipelineError::internal)?;
        control.recover_runs(now_ms()).await.map_err(PipelineError::internal)?;
        Ok(Self { project, vault, log, reader, objects, control, identity, signer })
    }

    /// Keys that statements of this project may be signed with.
    pub fn statement_keys(&self) -> Vec<P256Verifier> {
        vec![self.signer.verifier().clone()]
    }

    /// The session that `login` (or `init`) left in the project folder.
    pub async fn session(&self) -> Result<Session, PipelineError> {
        let not_allowed = |why: &str| PipelineError::NotAllowed { why: why.to_owned(), help: "log in with `stayward login`".to_owned() };
        let token = self.vault.get(SESSION_SECRET).map_err(|_| not_allowed("nobody is logged in"))?;
        let token = String::from_utf8_lossy(&token).into_owned();
        self.identity.session(&token, now()).await.map_err(|_| not_allowed("the session has ended"))
    }

    /// Keeps a session for the commands that follow, sealed in the vault.
    pub fn keep_session(&self, session: &Session) -> Result<(), PipelineError> {
        let bytes = session.id.reveal().as_bytes();
        if self.vault.versions(SESSION_SECRET).is_ok_and(|versions| !versions.is_empty()) {
            self.vault.rotate(SESSION_SECRET, bytes, now())?;
        } else {
            self.vault.put(SESSION_SECRET, bytes, now())?;
        }
        Ok(())
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
        std::fs::read_to_string(project.path(below)).map_err(|error| PipelineError::broken(format!("`{below}` cannot be read: {error}")))
    };
    let pem = read(STATEMENT_PUBLIC)?;
    let statement = P256Verifier::from_spki_pem(&pem).map_err(|error| PipelineError::broken(format!("`{STATEMENT_PUBLIC}`: {error}")))?;
    let vkey = read(CHECKPOINT_PUBLIC)?;
    let checkpoint =
        NoteVerifier::parse(vkey.trim_end()).map_err(|error| PipelineError::broken(format!("`{CHECKPOINT_PUBLIC}`: {error}")))?;
    let origin = checkpoint.name().to_owned();
    let reader = LogReader::open(&project.path("evidence/log"), &origin, vec![checkpoint.clone()])?;
    Ok(Published { statements: vec![statement], reader, origin, checkpoint })
}
