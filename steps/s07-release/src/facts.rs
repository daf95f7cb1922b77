//! What the gates of s07 are told.

use gate::Digest;
use serde::{Deserialize, Serialize};

use crate::credential::{Credential, CredentialKind};

/// A check that must have been passed, with what the log proves of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The step's id.
    pub step: String,
    /// What had to be cleared.
    pub expected: Digest,
    /// What the log proves to have been cleared; absent where it proves nothing.
    pub cleared: Option<Digest>,
}

/// A component of the pipeline with what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// What the role matrix lets it do.
    pub granted: Vec<String>,
    /// What it needs.
    pub needed: Vec<String>,
}

/// What a solver said of rules of access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessProof {
    /// Digest of the rules that were judged.
    pub policies: Digest,
    /// Digest of the properties that they were held to.
    pub properties: Digest,
    /// Properties that some request breaks.
    pub broken: Vec<String>,
    /// Properties of which nothing is known.
    pub unproved: Vec<String>,
    /// Who judged: the solver with its version.
    pub by: String,
}

/// The rules of access in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessFacts {
    /// Digest of the rules.
    pub policies: Digest,
    /// Digest of the properties that they must keep.
    pub properties: Digest,
    /// Whether the project says in the open that authors may sign their own labels.
    pub own_labels: bool,
    /// What was proved; absent where nothing is on record.
    pub proof: Option<AccessProof>,
}

/// Facts of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Checks that must have been passed.
    pub proofs: Vec<Proof>,
    /// Components with their rights.
    pub components: Vec<Component>,
    /// Rules of access; absent in archives from before they were judged.
    #[serde(default)]
    pub access: Option<AccessFacts>,
    /// Credentials with their ages.
    pub credentials: Vec<Credential>,
    /// Whether the vault opened, with its files readable for this user alone.
    pub vault_sealed: bool,
    /// Places outside of the vault where a secret was found: file and line, never the secret.
    pub secrets_outside: Vec<String>,
}

impl Facts {
    /// A release in order.
    pub fn ordinary() -> Self {
        let digest = Digest::of(b"ordinary");
        let proof = |step: &str| Proof { step: step.to_owned(), expected: digest, cleared: Some(digest) };
        Self {
            proofs: vec![proof("s05-training"), proof("s06-dependencies")],
            components: vec![Component { name: "trainer".into(), granted: vec!["train".into()], needed: vec!["train".into()] }],
            access: Some(AccessFacts {
                policies: digest,
                properties: digest,
                own_labels: false,
                proof: Some(AccessProof {
                    policies: digest,
                    properties: digest,
                    broken: Vec::new(),
                    unproved: Vec::new(),
                    by: "cvc5".into(),
                }),
            }),
            credentials: vec![Credential {
                name: "evidence-signing".into(),
                age_days: 3,
                age_days_max: 90,
                kind: CredentialKind::Signing,
                unknown: String::new(),
            }],
            vault_sealed: true,
            secrets_outside: Vec::new(),
        }
    }
}

#[cfg(test)]
pub(crate) fn release() -> artifact::Release {
    let digest = Digest::of(b"ordinary");
    artifact::Release { files: [("booster.json".to_owned(), digest)].into(), parts: digest, contract: digest }
}
