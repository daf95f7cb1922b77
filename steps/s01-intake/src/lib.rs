//! s01, data validation & anomaly detection: nothing from a third party reaches the data source unless it came through here (T1).
//!
//! Two gatehouses. At the **door** stand raw bytes: how did they arrive, who signed them, are they new? Nothing parses them before
//! that is known. Behind the door stand **rows**: do they keep the contract, are they within the thresholds learnt from trusted
//! history, do columns still depend on each other, did the market really move so far? Rows that break a rule go to quarantine and
//! wait for people; a delivery with too many of them is refused whole. Rows that two people let out of quarantine come the same way.

mod content_digest;
mod detached;
mod facts;
mod gates;
pub mod work;

use artifact::{Content, Door};
use gate::Gate;

pub use content_digest::{ContentDigest, ContentDigestError, HEADER_BYTES_MAX};
pub use detached::{CLAIM_BYTES_MAX, CLAIM_SUFFIX, claim_file};
pub use facts::{
    Arrival, Certainty, ColumnTest, ContentFacts, ContentPolicy, Detached, DoorFacts, MarketFinding, Released, RowFlag,
    RowReason, SupplierKey,
};
pub use work::{KEY_ID_DIGITS, SignedClaim, probability, read_claim};

/// The gates at the door, in order: the cheapest and the most telling first.
pub static DOOR: &[&dyn Gate<Door, DoorFacts>] = &[
    &gates::door::size::Size,
    &gates::door::transport::Transport,
    &gates::door::signature::Signature,
    &gates::door::sequence::Sequence,
];

/// The gates for rows, in order.
pub static CONTENT: &[&dyn Gate<Content, ContentFacts>] = &[
    &gates::content::schema::Schema,
    &gates::content::release::Release,
    &gates::content::thresholds::Thresholds,
    &gates::content::market::Market,
    &gates::content::outliers::Outliers,
    &gates::content::quarantine::Quarantine,
];
