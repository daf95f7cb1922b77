//! What the ledger is told of a decision. The shell implements it: it salts, archives, signs and appends.

use serde::{Deserialize, Serialize};

use crate::{Digest, Finding};

/// One gate's answer, as the ledger keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The subject went on.
    Pass,
    /// People must decide.
    Hold,
    /// The subject was stopped.
    Refuse,
}

/// What one gate decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRuling {
    /// The card's id.
    pub gate: String,
    /// Pass, hold or refuse.
    pub decision: Decision,
    /// Why, where it is not a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// The subject's digest after the gate, where the gate changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Digest>,
}

/// What the gatehouse decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RulingOutcome {
    /// Every gate passed.
    Cleared,
    /// At least one gate holds, none refused.
    Held,
    /// One gate refused; those behind it were not asked.
    Refused,
}

/// A gatehouse's decision, gate by gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The step's id.
    pub step: String,
    /// Digest of the subject as it arrived.
    pub subject: Digest,
    /// Digest of the subject as it left; absent when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<Digest>,
    /// What every gate that was asked said, in order.
    pub gates: Vec<GateRuling>,
    /// The sum.
    pub outcome: RulingOutcome,
}

/// Subject and facts as canonical JSON, so that the decision can be judged again. They may hold personal data: the ledger
/// stores them outside of the log and logs only a salted digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The subject as it arrived.
    pub subject: Vec<u8>,
    /// The facts that it was judged by.
    pub facts: Vec<u8>,
}

/// Names an entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receipt {
    /// The evidence id: the first hex digits of the entry's digest.
    pub id: String,
    /// Digest of the signed statement.
    pub statement: Digest,
    /// Position in the log; absent while the entry is not sealed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// The ledger could not take the entry, so nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerError(pub String);

impl std::fmt::Display for LedgerError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the ledger took no entry: {}", self.0)
    }
}

impl std::error::Error for LedgerError {}

/// Where decisions go. A decision that could not be written down has not been made.
pub trait Ledger {
    /// Keeps a ruling with what it was judged by, and returns its receipt.
    fn record(&mut self, ruling: Ruling, archived: Archived) -> Result<Receipt, LedgerError>;
}

/// Proves that a receipt's entry stands in the log, and says what it ruled.
pub trait Witness {
    /// The proved ruling, or why it cannot be proved.
    fn ruling(&self, receipt: &Receipt) -> Result<Ruling, LedgerError>;
}

/// Collects the rulings of one request, which the shell seals into the log as one statement before it answers. Its receipts
/// are provisional: they have no index and no witness can prove them.
#[derive(Clone, Debug, Default)]
pub struct Tray {
    /// What was ruled, in order.
    pub rulings: Vec<(Ruling, Archived)>,
}

impl Ledger for Tray {
    fn record(&mut self, ruling: Ruling, archived: Archived) -> Result<Receipt, LedgerError> {
        let statement = Digest::of_json(&ruling);
        self.rulings.push((ruling, archived));
        Ok(Receipt { id: statement.hex().chars().take(16).collect(), statement, index: None })
    }
}
