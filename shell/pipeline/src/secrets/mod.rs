//! Secrets that users bring (T4): passwords and tokens that the pipeline needs towards others. Whoever reads, puts or rotates one
//! leaves an entry of evidence with its name and version, never its value; but `source check` and a login by the identity provider,
//! which work beside a running server and so cannot write the log, read theirs without one.

pub mod due;
pub(crate) mod policy;
mod program;

use std::path::Path;
use std::sync::Arc;

use gate::{Digest, Receipt};
use identity::Action;
use serde::Serialize;
use serde_json::json;
use vault::{Replacement, Rotator, SEALING_KEY_NAME, Secret, SecretStore, Step, Vault, VaultError, Wanted, fresh_token};

use crate::desk::{CHECKPOINT_KEY, Desk, SESSION_SECRET, STATEMENT_KEY, now};
use crate::evidence::Links;
use crate::internal::PSEUDONYM_KEY;
use crate::people::TOKEN_KEY;
use crate::serving::lookup::ACCOUNT_KEY;
use crate::vault_state::{self, Older};
use crate::{Office, PipelineError, Project, crash};

pub use policy::{AwsPolicy, Backend, OpenBaoPolicy, VaultPolicy};
pub use program::RotationProgram;

/// The kind of entry.
const SECRET_KIND: &str = "secret";
/// Secrets of the program itself, in the embedded vault.
const OWN: [&str; 7] = [STATEMENT_KEY, CHECKPOINT_KEY, SESSION_SECRET, SEALING_KEY_NAME, ACCOUNT_KEY, PSEUDONYM_KEY, TOKEN_KEY];
/// Keys of the program that sign; they are made new in time.
pub const SIGNING: [&str; 3] = [STATEMENT_KEY, CHECKPOINT_KEY, TOKEN_KEY];
/// What the names of the public halves of earlier keys end with.
const EARLIER: &str = "-earlier";

/// What was done with a secret.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Its name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Which store.
    pub store: String,
    /// The entry that says so.
    pub evidence: String,
}

/// Whether the program keeps a secret of this name for itself.
pub fn is_own(name: &str) -> bool {
    OWN.contains(&name) || name.ends_with(EARLIER)
}

fn refuse_own(name: &str) -> Result<(), PipelineError> {
    if !is_own(name) {
        return Ok(());
    }
    let why = format!("`{name}` is a secret of the program itself");
    Err(PipelineError::wrong(why, "choose another name; `stayward vault rotate` renews the signing keys"))
}

/// The store of users' secrets that the policy names.
///
/// # Errors
/// A build without the store's feature says so; a store whose address is none too. Nothing is asked yet.
pub fn store(project: &Project, vault: &Arc<Vault>) -> Result<Arc<dyn SecretStore>, PipelineError> {
    match project.policy.vault.backend {
        Backend::Embedded => Ok(vault.clone()),
        Backend::Openbao => openbao(project),
        Backend::Aws => aws(project),
    }
}

#[cfg(feature = "openbao")]
fn openbao(project: &Project) -> Result<Arc<dyn SecretStore>, PipelineError> {
    use vault::{OpenBao, OpenBaoConfig, OpenBaoLogin};
    let policy = &project.policy.vault.openbao;
    let login = if policy.token_file.is_empty() {
        OpenBaoLogin::AppRole {
            mount: policy.approle_mount.clone(),
            role_id: project.resolve(&policy.role_id_file),
            secret_id: project.resolve(&policy.secret_id_file),
        }
    } else {
        OpenBaoLogin::TokenFile(project.resolve(&policy.token_file))
    };
    Ok(Arc::new(OpenBao::new(OpenBaoConfig {
        address: policy.address.clone(),
        ca: authority(project, &policy.ca),
        mount: policy.mount.clone(),
        prefix: policy.prefix.clone(),
        namespace: policy.namespace.clone(),
        login,
    })?))
}

#[cfg(feature = "aws")]
fn aws(project: &Project) -> Result<Arc<dyn SecretStore>, PipelineError> {
    use vault::{AwsConfig, AwsLogin, AwsSecrets};
    let policy = &project.policy.vault.aws;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Arc::new(AwsSecrets::new(AwsConfig {
        region: policy.region.clone(),
        endpoint: given(&policy.endpoint),
        sts_endpoint: given(&policy.sts_endpoint),
        ca: authority(project, &policy.ca),
        prefix: policy.prefix.clone(),
        login: given(&policy.profile).map_or(AwsLogin::Standard, AwsLogin::Profile),
    })?))
}

#[cfg(any(feature = "openbao", feature = "aws"))]
fn authority(project: &Project, ca: &str) -> Option<std::path::PathBuf> {
    (!ca.is_empty()).then(|| project.resolve(ca))
}

#[cfg(not(feature = "openbao"))]
fn openbao(_project: &Project) -> Result<Arc<dyn SecretStore>, PipelineError> {
    Err(not_built("openbao"))
}

#[cfg(not(feature = "aws"))]
fn aws(_project: &Project) -> Result<Arc<dyn SecretStore>, PipelineError> {
    Err(not_built("aws"))
}

#[cfg(not(all(feature = "openbao", feature = "aws")))]
fn not_built(feature: &str) -> PipelineError {
    let why = format!("`vault.backend` is `{feature}`, and this program was built without that store");
    PipelineError::wrong(why, format!("build it with `cargo build --release -p stayward --features {feature}`"))
}

/// Records what is done with a version of a secret.
fn record(
    desk: &Desk,
    store: &dyn SecretStore,
    what: &str,
    name: &str,
    version: &str,
    use_of: &str,
) -> Result<Receipt, PipelineError> {
    let mut parameters = json!({ "action": what, "secret": name, "version": version, "store": store.place() });
    if !use_of.is_empty() {
        parameters["for"] = use_of.into();
    }
    let digest = Digest::of(parameters.to_string().as_bytes());
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    desk.record_made((SECRET_KIND, &format!("{what} {name}"), digest), parameters, &Links::default(), "", now())
}

/// The current value of a user's secret, for a part of the pipeline that says what it needs it for; the entry stands in the log
/// before the value is handed out.
///
/// # Errors
/// What the store says, or that the entry cannot be written.
pub fn read(desk: &Desk, name: &str, needed_for: &str) -> Result<Secret, PipelineError> {
    read_version(desk, name, Wanted::Current, needed_for).map(|(secret, _)| secret)
}

/// The current value of a secret that need not be there, and no entry of it: for those who may not write the log.
pub(crate) fn find(project: &Project, vault: &Arc<Vault>, name: &str) -> Result<Option<Secret>, PipelineError> {
    found_in(&*store(project, vault)?, name)
}

/// The same with an entry, where there is such a secret.
pub(crate) fn find_on_record(desk: &Desk, name: &str, needed_for: &str) -> Result<Option<Secret>, PipelineError> {
    let store = store(&desk.project, &desk.vault)?;
    let found = found_in(&*store, name)?;
    if let Some(secret) = &found {
        record(desk, &*store, "read", name, &secret.version, needed_for)?;
    }
    Ok(found)
}

fn found_in(store: &dyn SecretStore, name: &str) -> Result<Option<Secret>, PipelineError> {
    match store.get(name, Wanted::Current) {
        Ok(secret) => Ok(Some(secret)),
        Err(VaultError::NoSecret(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_version(desk: &Desk, name: &str, wanted: Wanted<'_>, needed_for: &str) -> Result<(Secret, Done), PipelineError> {
    refuse_own(name)?;
    let store = store(&desk.project, &desk.vault)?;
    let secret = store.get(name, wanted)?;
    let receipt = record(desk, &*store, "read", name, &secret.version, needed_for)?;
    let done = Done { name: name.to_owned(), version: secret.version.clone(), store: store.place(), evidence: receipt.id };
    Ok((secret, done))
}

/// Opens the project for somebody who may manage secrets, with a fresh second factor.
pub(crate) async fn managed(root: &Path) -> Result<Desk, PipelineError> {
    Office::open(root).await?.authorised(Action::RotateSecrets).await?;
    Desk::open(root).await
}

/// Puts a new secret.
pub async fn put(root: &Path, name: &str, value: &[u8]) -> Result<Done, PipelineError> {
    refuse_own(name)?;
    let desk = managed(root).await?;
    let store = store(&desk.project, &desk.vault)?;
    // The entry comes before the change; so it must be clear that there will be one.
    match store.versions(name) {
        Err(VaultError::NoSecret(_)) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(VaultError::SecretExists(name.to_owned()).into()),
    }
    let token = fresh_token()?;
    let receipt = record(&desk, &*store, "put", name, &token, "")?;
    store.create(name, &token, value, now())?;
    // Recorded at once: a copy of the vault from before is an older one from here on.
    vault_state::keep(&desk, Older::Refuse).await?;
    Ok(Done { name: name.to_owned(), version: token, store: store.place(), evidence: receipt.id })
}

/// A secret's value, for a person.
pub async fn get(root: &Path, name: &str, wanted: Wanted<'_>) -> Result<(Secret, Done), PipelineError> {
    let desk = managed(root).await?;
    read_version(&desk, name, wanted, "a person")
}

/// Several secrets' current values, for a program that a person starts.
pub async fn get_for_program(root: &Path, names: &[String], program: &str) -> Result<Vec<(String, Secret)>, PipelineError> {
    let desk = managed(root).await?;
    names.iter().map(|name| Ok((name.clone(), read(&desk, name, &format!("program {program}"))?))).collect()
}

/// How a rotation of a user's secret ended.
#[derive(Clone, Debug, Serialize)]
pub struct RotatedSecret {
    /// What was done.
    #[serde(flatten)]
    pub done: Done,
    /// The first step that this call did: later than `create` where it went on with an earlier one.
    pub from: &'static str,
}

/// Rotates a user's secret, or goes on with a rotation that was begun. The entry stands in the log before the new value is current.
pub async fn rotate(root: &Path, name: &str, token: Option<&str>, how: &dyn Rotator) -> Result<RotatedSecret, PipelineError> {
    refuse_own(name)?;
    let desk = managed(root).await?;
    let store = store(&desk.project, &desk.vault)?;
    rotate_in(&desk, &*store, name, token, how).await
}

/// Gives the key that signs components' tokens a successor; tokens of the one before live on until they end.
pub async fn rotate_token_key(root: &Path) -> Result<RotatedSecret, PipelineError> {
    let desk = managed(root).await?;
    // What an earlier attempt left is a key that nobody has used.
    desk.vault.discard_pending(TOKEN_KEY)?;
    let how = Replacement::by(vault::generate_p256_pkcs8()?);
    rotate_in(&desk, &*desk.vault, TOKEN_KEY, None, &how).await
}

async fn rotate_in(
    desk: &Desk,
    store: &dyn SecretStore,
    name: &str,
    token: Option<&str>,
    how: &dyn Rotator,
) -> Result<RotatedSecret, PipelineError> {
    let mut evidence = String::new();
    let mut failed = None;
    let mut before = |step: Step, token: &str| {
        crash::point(match step {
            Step::Create => "secret:create",
            Step::Set => "secret:set",
            Step::Test => "secret:test",
            Step::Finish => "secret:finish",
        });
        if step == Step::Finish {
            let recorded = record(desk, store, "rotate", name, token, "");
            evidence = recorded.map(|receipt| receipt.id).map_err(|error| {
                let why = error.to_string();
                failed = Some(error);
                VaultError::Step { name: name.to_owned(), step: step.as_str(), why }
            })?;
            crash::point("secret:logged");
        }
        Ok(())
    };
    let rotated = vault::rotate(store, name, token, how, now(), &mut before);
    if let Some(error) = failed {
        return Err(error);
    }
    let rotated = rotated?;
    crash::point("secret:finished");
    vault_state::keep(desk, Older::Refuse).await?;
    let done = Done { name: name.to_owned(), version: rotated.token, store: store.place(), evidence };
    Ok(RotatedSecret { done, from: rotated.from.map_or("nothing", Step::as_str) })
}

/// Makes the version before current again.
pub async fn roll_back(root: &Path, name: &str) -> Result<Done, PipelineError> {
    refuse_own(name)?;
    let desk = managed(root).await?;
    let store = store(&desk.project, &desk.vault)?;
    let version = store.get(name, Wanted::Previous)?.version;
    let receipt = record(&desk, &*store, "roll-back", name, &version, "")?;
    store.promote(name, &version)?;
    vault_state::keep(&desk, Older::Refuse).await?;
    Ok(Done { name: name.to_owned(), version, store: store.place(), evidence: receipt.id })
}

/// Drops the version of an unfinished rotation.
pub async fn discard(root: &Path, name: &str) -> Result<Done, PipelineError> {
    refuse_own(name)?;
    let desk = managed(root).await?;
    let store = store(&desk.project, &desk.vault)?;
    let version = store.get(name, Wanted::Pending)?.version;
    let receipt = record(&desk, &*store, "discard", name, &version, "")?;
    store.discard_pending(name)?;
    vault_state::keep(&desk, Older::Refuse).await?;
    Ok(Done { name: name.to_owned(), version, store: store.place(), evidence: receipt.id })
}
