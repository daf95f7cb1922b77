//! The queue of rows that were set aside (T1, T6): each with its cells, its place in the delivery and the reasons, until two people
//! decide. The queue is read from evidence: the verdict names the digest of what was set aside, and the deeds of people name exact rows.
//! The control database says only where to look, and nothing is let in or thrown away by time.

mod decide;
mod known;
mod queue;

use std::collections::{BTreeMap, BTreeSet};

use gate::Digest;
pub use s01_intake::RowReason;
use serde::{Deserialize, Serialize};

pub use decide::{Chosen, Decided, Proposed, approve, propose};
pub use known::{ColumnKnown, known_values};
pub use queue::{Entry, EntryState, Queue, Waiting, queue_at_the_desk, queue_beside};
pub(crate) use queue::{Known, decisions, shares};

/// The role of the object that holds rows which were set aside, among the files that a verdict answers for.
pub(crate) const ROLE: &str = "quarantine";
/// The role of the object that names rows which people let out.
pub(crate) const RELEASE_ROLE: &str = "release";
/// Rows of one delivery that are set aside one by one; a delivery with more of them is refused.
pub const ROWS_MAX: usize = 50_000;

/// Why a row was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule.
    pub rule: RowReason,
    /// The column that drove it, where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub column: String,
    /// What was seen, in words, with the probability where one was estimated.
    pub seen: String,
}

/// A row that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the delivery, counted from 0.
    pub row: u32,
    /// The line of the file where it starts, from 1, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Its cells as they came, by column; empty for a record that could not be read.
    pub cells: BTreeMap<String, Option<String>>,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Row {
    /// Whether the row cannot be stored whoever signs for it.
    pub fn breaks_contract(&self) -> bool {
        self.reasons.iter().any(|reason| reason.rule == RowReason::Contract)
    }
}

/// Rows of a delivery that were set aside, as they stand in the object store; a verdict names the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The feed.
    pub feed: String,
    /// Digest of the delivery's bytes.
    pub content: Digest,
    /// Rows of the delivery.
    pub rows: u64,
    /// Those that were set aside, ascending.
    pub aside: Vec<Row>,
}

/// What people decide about rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// They go into the data source with the next run.
    Release,
    /// They stay out for good; evidence keeps them.
    Discard,
}

impl Decision {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }
}

/// Rows of one delivery in a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The feed.
    pub feed: String,
    /// Digest of the delivery's bytes.
    pub content: Digest,
    /// Digest of the [`SetAside`].
    pub aside: Digest,
    /// The verdict that set them aside: an evidence id.
    pub evidence: String,
    /// Which rows, ascending, counted from 0.
    pub rows: Vec<u32>,
}

/// What somebody proposes; people sign its digest, which is that of exactly these rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// What is to become of them.
    pub decision: Decision,
    /// Why, in the words of who proposes.
    pub because: String,
    /// The rows, by feed and delivery.
    pub parts: Vec<Part>,
}

/// What goes into the data source: the digest under which rows of one delivery are judged again and written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReleasedRows {
    /// Digest of the proposal.
    pub(crate) proposal: Digest,
    /// The rows.
    pub(crate) part: Part,
}

/// Names of the rules, as `--reason` takes them.
pub fn rule_name(rule: RowReason) -> &'static str {
    match rule {
        RowReason::Contract => "contract",
        RowReason::Threshold => "threshold",
        RowReason::Joint => "joint",
        RowReason::Duplicate => "duplicate",
    }
}

/// The name of an entry of the queue: the delivery's first digits and the row, from 1.
pub(crate) fn entry_id(content: &Digest, row: u32) -> String {
    format!("{}-{}", content.short(), u64::from(row) + 1)
}

/// How many rows of a delivery have a reason.
pub(crate) fn rows_flagged(flags: &[s01_intake::RowFlag]) -> usize {
    flags.iter().map(|flag| flag.row).collect::<BTreeSet<u32>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_by_delivery_and_row() {
        let content = Digest::of(b"delivery");
        assert_eq!(entry_id(&content, 0), format!("{}-1", content.short()));
        assert_eq!(entry_id(&content, u32::MAX), format!("{}-4294967296", content.short()));
    }

    #[test]
    fn a_row_that_breaks_the_contract_says_so() {
        let row = |rule| Row {
            row: 1,
            line: None,
            cells: BTreeMap::new(),
            reasons: vec![Reason { rule, column: "price".into(), seen: "`x`".into() }],
        };
        assert!(row(RowReason::Contract).breaks_contract());
        assert!(!row(RowReason::Joint).breaks_contract());
    }
}
