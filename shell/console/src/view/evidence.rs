//! What the Evidence page is told: the chain from an answer back to the feeds, link by link.

use serde::{Deserialize, Serialize};

use super::{Chrome, Fact, FindingView, State};

/// What a link of the chain is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A served answer.
    #[default]
    Answer,
    /// The released model that gave it.
    Model,
    /// The labels that trained the model.
    Labels,
    /// The rows that trained the model.
    Data,
    /// A supplier's signed feed.
    Feed,
    /// Any other entry of the ledger.
    Entry,
}

impl LinkKind {
    /// The word on the page.
    pub fn word(self) -> &'static str {
        match self {
            LinkKind::Answer => "answer",
            LinkKind::Model => "model",
            LinkKind::Labels => "labels",
            LinkKind::Data => "data",
            LinkKind::Feed => "feed",
            LinkKind::Entry => "entry",
        }
    }
}

/// Whether a link was checked, and held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    /// Signature, digest and inclusion proof hold.
    Verified,
    /// One of them does not.
    Broken,
    /// Nobody has checked.
    #[default]
    NotChecked,
}

impl Integrity {
    /// The state whose colour and sign it wears.
    pub fn state(self) -> State {
        match self {
            Integrity::Verified => State::Pass,
            Integrity::Broken => State::Refuse,
            Integrity::NotChecked => State::NotRun,
        }
    }

    /// The word on the page.
    pub fn word(self) -> &'static str {
        match self {
            Integrity::Verified => "verified",
            Integrity::Broken => "broken",
            Integrity::NotChecked => "not checked",
        }
    }
}

/// One link of the chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkView {
    /// What it is.
    pub kind: LinkKind,
    /// A line about it: `released model of 22 November`.
    pub title: String,
    /// The ledger entry.
    pub id: String,
    /// The digest of its subject.
    pub digest: String,
    /// When it was written, in RFC 3339 (UTC).
    pub at: String,
    /// Whether it holds.
    pub integrity: Integrity,
    /// Facts that the entry keeps.
    pub facts: Vec<Fact>,
    /// Why it is broken.
    pub finding: Option<FindingView>,
}

/// A signed tree head of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointView {
    /// Entries under it.
    pub entries: u64,
    /// The root digest.
    pub root: String,
    /// The key that signed it.
    pub signed_by: String,
    /// When, in RFC 3339 (UTC).
    pub at: String,
}

/// The Evidence page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceView {
    /// Around the page.
    pub chrome: Chrome,
    /// The id that was asked for; empty if none was.
    pub asked: String,
    /// The chain, from the answer down to the feeds; empty if nothing has that id.
    pub chain: Vec<LinkView>,
    /// The tree head that the proofs lead to.
    pub checkpoint: Option<CheckpointView>,
    /// The command that verifies the chain on another machine, offline.
    pub verify_command: String,
}
