//! Facts of a release: what the log proves, what components may do, how old keys are, where secrets lie.

use std::path::Path;

use gate::{Digest, Receipt, RulingOutcome, Subject, Witness};
use identity::{Action, Component};
use s07_release::{Component as Granted, Credential, Facts, Proof};

use crate::access::component_may;
use crate::desk::{Desk, STATEMENT_KEY, now};
use crate::evidence::LogWitness;
use crate::{PipelineError, Project, access};

/// Files of the project that are looked into for secrets.
const FILES_MAX: usize = 2_000;
/// Bytes of a file that are looked into.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// What a secret looks like: private keys in PEM, and this program's own tokens.
const MARKS: [&str; 3] = ["PRIVATE KEY-----", "swk_", "swc_"];
/// Folders that hold data, not scripts; the TLS keys that the server itself must read are judged by their mode.
const FOLDERS_PASSED: [&str; 9] = ["objects", "source", "models", "evidence", "vault", "tls", "inbox", "incoming", "runs"];

/// What each component needs, by the step that it serves: kept apart from the matrix on purpose, so that a right that somebody adds
/// there shows here.
fn needed(component: Component) -> &'static [Action] {
    use Action as A;
    match component {
        Component::FeedIntake => &[A::WriteFeed, A::WriteEvidence],
        Component::SourceWriter => &[A::WriteSource, A::WriteEvidence],
        Component::LabelQa => &[A::ReadSource, A::ArchiveLabels, A::WriteEvidence],
        Component::Segmenter => &[A::ReadSource, A::Segment, A::WriteEvidence],
        Component::Trainer => &[A::ReadSource, A::Train, A::WriteEvidence],
        Component::Stager => &[A::Stage, A::WriteEvidence],
        Component::Releaser => &[A::Release, A::Rollback, A::WriteEvidence],
        Component::ApiServer => &[A::LoadModel, A::WriteEvidence],
        Component::Monitor => &[A::ReadMetrics, A::ReadEvidence, A::WriteEvidence],
    }
}

/// A step's cleared subject with its receipt.
pub(crate) struct Claim<'a> {
    pub(crate) step: &'static str,
    pub(crate) subject: Digest,
    pub(crate) receipt: &'a Receipt,
}

impl<'a> Claim<'a> {
    pub(crate) fn of<S: Subject>(step: &'static str, subject: &S, receipt: &'a Receipt) -> Self {
        Self { step, subject: subject.digest(), receipt }
    }
}

/// Gathers the facts; the credentials come with their ages from `secrets::due`.
pub(crate) async fn gather(desk: &Desk, claims: &[Claim<'_>], credentials: Vec<Credential>) -> Result<Facts, PipelineError> {
    let keys = desk.statement_keys();
    let witness = LogWitness { reader: &desk.reader, keys: &keys };
    let proof = |claim: &Claim<'_>| {
        let ruling = witness.ruling(claim.receipt).ok();
        let ruling = ruling.filter(|ruling| ruling.outcome == RulingOutcome::Cleared && ruling.step == claim.step);
        Proof { step: claim.step.to_owned(), expected: claim.subject, cleared: ruling.and_then(|ruling| ruling.cleared) }
    };
    let rules = access::rules(&desk.project)?;
    let components = Component::ALL.iter().map(|component| {
        let granted = Action::ALL.iter().filter(|action| component_may(&rules, *component, **action, Some(now())));
        Granted {
            name: component.as_str().to_owned(),
            granted: granted.map(|action| action.as_str().to_owned()).collect(),
            needed: needed(*component).iter().map(|action| action.as_str().to_owned()).collect(),
        }
    });
    Ok(Facts {
        proofs: claims.iter().map(proof).collect(),
        components: components.collect(),
        access: Some(desk.access_facts().await?),
        credentials,
        // `Vault::open` refuses a vault whose key others can read, and `get` one whose files do not open.
        vault_sealed: desk.vault.get(STATEMENT_KEY).is_ok(),
        secrets_outside: secrets_outside(&desk.project)?,
    })
}

/// Places in the project's scripts and settings where a secret stands: file and line, never the secret.
fn secrets_outside(project: &Project) -> Result<Vec<String>, PipelineError> {
    let mut found = Vec::new();
    let mut files = 0;
    let mut waiting = vec![project.root().to_owned()];
    while let Some(folder) = waiting.pop() {
        for name in store::disk::list(&folder)? {
            let path = folder.join(&name);
            let passed = folder == project.root() && (FOLDERS_PASSED.contains(&name.as_str()) || name.starts_with("control.db"));
            let Ok(kind) = std::fs::symlink_metadata(&path) else { continue };
            if passed || kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                waiting.push(path);
                continue;
            }
            files += 1;
            if files > FILES_MAX {
                return Err(PipelineError::wrong(
                    format!("the project has more than {FILES_MAX} files of its own"),
                    "move data out of the project folder",
                ));
            }
            if kind.len() <= FILE_BYTES_MAX {
                look_into(project.root(), &path, &mut found)?;
            }
        }
    }
    found.sort();
    Ok(found)
}

fn look_into(root: &Path, path: &Path, found: &mut Vec<String>) -> Result<(), PipelineError> {
    let bytes = store::disk::read_limited(path, FILE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let below = path.strip_prefix(root).unwrap_or(path).display().to_string();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| MARKS.iter().any(|mark| line.contains(mark))) {
        // A word that merely begins like a token is none: ours have at least 20 more letters.
        let token = MARKS.iter().any(|mark| {
            line.split(mark).nth(1).is_some_and(|rest| {
                mark.ends_with('-') || rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count() >= 20
            })
        });
        if token {
            found.push(format!("{below}:{}", at + 1));
        }
    }
    Ok(())
}
