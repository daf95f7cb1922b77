//! What the gates of s03 are told.

use std::collections::BTreeMap;

use gate::Digest;
use labelnoise::Watch;
use serde::{Deserialize, Serialize};

/// One person's signature on a label set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub person: String,
    /// That person's team when he signed; empty where it is not known.
    #[serde(default)]
    pub team: String,
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
    /// The labels that people should look at first, in words.
    #[serde(default)]
    pub first: Vec<String>,
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
    /// Of these labels, those that people should look at first, in words.
    #[serde(default)]
    pub first: Vec<String>,
}

/// One labeller over all versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// What was seen of him so far, this version included.
    pub watch: Watch,
    /// His new labels in this version.
    pub labels: u64,
    /// Of these, those that people should look at first, in words.
    pub first: Vec<String>,
}

/// Every labeller over all versions. The state goes from version to version in the facts that the log binds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watches {
    /// The version that was looked at last.
    pub version: u64,
    /// By name.
    pub labellers: BTreeMap<String, Watched>,
}

/// Random labels that somebody else gave again, without a look at the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blind {
    /// The policy asks for none.
    Undeclared,
    /// They could not be held against the labels, and why.
    Failed(String),
    /// Nobody has drawn rows yet; so many will be.
    Undrawn(u64),
    /// Rows were drawn.
    Drawn(Second),
}

impl Default for Blind {
    fn default() -> Self {
        Self::Failed("nobody did".to_owned())
    }
}

/// Somebody who gave second labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondLabeller {
    /// Who.
    pub person: String,
    /// That person's team at that moment.
    pub team: String,
    /// Whether the role matrix lets that person work on labels.
    pub may_label: bool,
    /// Whether the session had a second factor.
    pub second_factor: bool,
}

/// What second labels say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Who drew the rows and who answered.
    pub people: Vec<SecondLabeller>,
    /// Labels of the version.
    pub rows: u64,
    /// Labels that were drawn.
    pub drawn: u64,
    /// Of these, labels for which no second one came.
    pub missing: u64,
    /// Labels that say "stayed" where the second says "churned".
    pub hidden: u64,
    /// Labels that say "churned" where the second says "stayed".
    pub invented: u64,
    /// The most wrong labels of the version that agree with this draw.
    pub wrong_at_most: u64,
    /// Labels that the second contradicts, in words.
    pub examples: Vec<String>,
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
    /// Whether only people of another team than the author's count, as signatories and as second labellers.
    #[serde(default)]
    pub other_team: bool,
    /// Share of wrong labels that second labels must rule out; absent where none are asked for.
    #[serde(default)]
    pub blind_share: Option<f64>,
    /// Probability that the watch over time ever accuses any honest labeller.
    #[serde(default)]
    pub watch_alpha: f64,
}

/// Facts of a label set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Signatures so far.
    pub approvals: Vec<Approval>,
    /// The author's team when he proposed; empty where it is not known.
    #[serde(default)]
    pub author_team: String,
    /// The version before; absent for the first.
    pub previous: Option<Previous>,
    /// Versions that the log proves and the archive lacks or has changed.
    pub archive_violations: Vec<String>,
    /// What statistics say; absent where they could not be made.
    pub qa: Option<Qa>,
    /// What events say of the labels.
    #[serde(default)]
    pub recount: Recount,
    /// Every labeller over all versions; absent where they could not be watched.
    #[serde(default)]
    pub watches: Option<Watches>,
    /// What second labels say.
    #[serde(default)]
    pub blind: Blind,
    /// The policy.
    pub policy: Policy,
}

impl Facts {
    /// A first version, signed by two people.
    pub fn ordinary() -> Self {
        let approval = |person: &str| Approval {
            person: person.to_owned(),
            team: "risk".to_owned(),
            may_approve: true,
            content: Digest::of(b"labels"),
            second_factor: true,
        };
        Self {
            approvals: vec![approval("ben"), approval("cleo")],
            author_team: "crm".to_owned(),
            previous: None,
            archive_violations: Vec::new(),
            qa: Some(Qa {
                rows: 1000,
                suspect_share: 0.02,
                unknown_customers: 0,
                contradictions: 0,
                patterns: Some(Vec::new()),
                first: Vec::new(),
            }),
            recount: Recount::Undeclared,
            watches: Some(Watches { version: 1, ..Watches::default() }),
            blind: Blind::Undeclared,
            policy: Policy {
                approvals_needed: 2,
                author_may_approve: false,
                change_share_max: 0.05,
                suspect_share_max: 0.15,
                positive_share: (0.01, 0.6),
                pattern_alpha: 0.01,
                mismatches_max: 0,
                other_team: false,
                blind_share: None,
                watch_alpha: 0.01,
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
        facts.watches = None;
        facts.blind = Blind::default();
        facts.policy.other_team = true;
        facts.author_team.clear();
        facts.previous =
            Some(Previous { version: 9, content: Digest::of(b"x"), archived: None, changed: u64::MAX, dropped: u64::MAX });
        facts
    }
}

#[cfg(test)]
pub(crate) fn drawn(hidden: u64, wrong_at_most: u64) -> Second {
    let second = |person: &str| SecondLabeller {
        person: person.to_owned(),
        team: "risk".to_owned(),
        may_label: true,
        second_factor: true,
    };
    Second {
        people: vec![second("dora")],
        rows: 1000,
        drawn: 138,
        missing: 0,
        hidden,
        invented: 0,
        wrong_at_most,
        examples: (0..hidden).map(|row| format!("customer `{row}`: `stayed`, the second label says `churned`")).collect(),
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
