//! What the gates of s03 are told.

use gate::Digest;
use serde::{Deserialize, Serialize};

/// One person's signature on a label set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub person: String,
    /// Whether the role matrix lets that person approve labels.
    pub may_approve: bool,
    /// The digest that was signed.
    pub content: Digest,
    /// Whether the session had a second factor.
    pub second_factor: bool,
}

/// The version before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its version.
    pub version: u64,
    /// Its digest, as the log proves it.
    pub content: Digest,
    /// Digest of the bytes in the archive now; absent where they are gone.
    pub archived: Option<Digest>,
    /// Labels that the new version says otherwise.
    pub changed: u64,
    /// Labels that the new version no longer has.
    pub dropped: u64,
}

/// What statistics say of the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Qa {
    /// Labels that were looked at.
    pub rows: u64,
    /// Share of labels that the out-of-fold model contradicts strongly.
    pub suspect_share: f64,
    /// Labels for customers that the data source does not know.
    pub unknown_customers: u64,
    /// Labels for a customer that has another label at the same time.
    pub contradictions: u64,
}

/// Limits that the project's policy sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How many different people must sign.
    pub approvals_needed: u32,
    /// Whether the author's own signature counts.
    pub author_may_approve: bool,
    /// Largest share of labels that a new version may change.
    pub change_share_max: f64,
    /// Largest share of labels that the model may contradict strongly.
    pub suspect_share_max: f64,
    /// Smallest and largest share of churners.
    pub positive_share: (f64, f64),
}

/// Facts of a label set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Signatures so far.
    pub approvals: Vec<Approval>,
    /// The version before; absent for the first.
    pub previous: Option<Previous>,
    /// Versions that the log proves and the archive lacks or has changed.
    pub archive_violations: Vec<String>,
    /// What statistics say; absent where they could not be made.
    pub qa: Option<Qa>,
    /// The policy.
    pub policy: Policy,
}

impl Facts {
    /// A first version, signed by two people.
    pub fn ordinary() -> Self {
        let approval = |person: &str| Approval {
            person: person.to_owned(),
            may_approve: true,
            content: Digest::of(b"labels"),
            second_factor: true,
        };
        Self {
            approvals: vec![approval("ben"), approval("cleo")],
            previous: None,
            archive_violations: Vec::new(),
            qa: Some(Qa { rows: 1000, suspect_share: 0.02, unknown_customers: 0, contradictions: 0 }),
            policy: Policy {
                approvals_needed: 2,
                author_may_approve: false,
                change_share_max: 0.05,
                suspect_share_max: 0.15,
                positive_share: (0.01, 0.6),
            },
        }
    }

    #[cfg(test)]
    pub(crate) fn hostile() -> Self {
        let mut facts = Self::ordinary();
        facts.approvals.clear();
        facts.archive_violations.push("version 1: gone".into());
        facts.qa = None;
        facts.previous =
            Some(Previous { version: 9, content: Digest::of(b"x"), archived: None, changed: u64::MAX, dropped: u64::MAX });
        facts
    }
}

#[cfg(test)]
pub(crate) fn labels() -> artifact::LabelSet {
    artifact::LabelSet {
        version: 1,
        content: Digest::of(b"labels"),
        rows: 1000,
        positives: 265,
        author: "ann".into(),
        supersedes: None,
    }
}
