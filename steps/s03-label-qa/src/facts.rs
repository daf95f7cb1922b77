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
    /// Groups of labels against the others, most telling first; absent where they were not compared.
    #[serde(default)]
    pub patterns: Option<Vec<Pattern>>,
}

/// One labeller's, one value tier's or one version's labels against the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// Whose labels.
    pub whose: String,
    /// How they differ.
    pub what: String,
    /// Labels that could differ so.
    pub rows: u64,
    /// Labels that do: churners, or changes.
    pub seen: u64,
    /// How many would by chance, where that is known.
    pub expected: Option<f64>,
    /// Probability that any of all tests comes out so by chance.
    pub p_value: f64,
}

/// Labels against what is computed again from events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recount {
    /// The policy names no events.
    Undeclared,
    /// They could not be computed again, and why.
    Failed(String),
    /// They were.
    Counted(Counted),
}

impl Default for Recount {
    fn default() -> Self {
        Self::Failed("nobody did".to_owned())
    }
}

/// What events say of labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Digest of the events' bytes, so that it can be shown which ones they were.
    #[serde(default)]
    pub events: Option<Digest>,
    /// Labels that they confirm.
    pub agree: u64,
    /// Labels that they contradict.
    pub mismatches: u64,
    /// Labels that nobody can know yet.
    pub open: u64,
    /// Labels of customers without any event.
    pub without_events: u64,
    /// The first contradicted labels, for people.
    pub examples: Vec<String>,
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
    /// Probability of a false alarm by patterns.
    #[serde(default)]
    pub pattern_alpha: f64,
    /// Labels that events may contradict.
    #[serde(default)]
    pub mismatches_max: u64,
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
    /// What events say of the labels.
    #[serde(default)]
    pub recount: Recount,
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
            qa: Some(Qa { rows: 1000, suspect_share: 0.02, unknown_customers: 0, contradictions: 0, patterns: Some(Vec::new()) }),
            recount: Recount::Undeclared,
            policy: Policy {
                approvals_needed: 2,
                author_may_approve: false,
                change_share_max: 0.05,
                suspect_share_max: 0.15,
                positive_share: (0.01, 0.6),
                pattern_alpha: 0.01,
                mismatches_max: 0,
            },
        }
    }

    #[cfg(test)]
    pub(crate) fn hostile() -> Self {
        let mut facts = Self::ordinary();
        facts.approvals.clear();
        facts.archive_violations.push("version 1: gone".into());
        facts.qa = None;
        facts.recount = Recount::default();
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
