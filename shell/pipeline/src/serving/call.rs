//! What a route hands to the pipeline and gets back: a route parses and renders, it decides nothing.

use std::collections::BTreeMap;

use artifact::{Asking, Granularity, Shown};

/// A request, parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The API key as it came, if any.
    pub key: Option<String>,
    /// Customers asked about; empty for a what-if.
    pub customers: Vec<String>,
    /// Rows of a what-if: column name to value (`None` is missing); empty otherwise.
    pub rows: Vec<BTreeMap<String, Option<String>>>,
    /// How it asks; [`Asking::ByCustomer`] where absent.
    pub asking: Option<Asking>,
    /// How fine an answer is wished for; class only where absent.
    pub granularity: Option<Granularity>,
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The customer; absent in a what-if.
    pub customer: Option<String>,
    /// What is shown.
    pub shown: Shown,
}

/// What the caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer, durable in the log before it is given.
    Told {
        /// One per customer or row, in order.
        rows: Vec<Told>,
        /// Public name of the model.
        model: String,
        /// Public version of the model: the first digits of its digest.
        version: String,
        /// Id of the evidence.
        evidence: String,
    },
    /// A refusal; the operator finds the reasons under the reference.
    Refused {
        /// Which HTTP status fits.
        status: RefusedStatus,
        /// First digits of the evidence id (or of the request id, where the log could not be written).
        reference: String,
        /// Seconds until it is worth to ask again.
        retry_after_seconds: Option<u32>,
    },
}

/// Why, as coarse as a caller may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedStatus {
    /// No good key: 401.
    Unauthorised,
    /// A good key without this right, or customers out of scope or unknown: 403.
    Forbidden,
    /// The row or request does not keep the contract: 422.
    Unprocessable,
    /// Over a limit: 429.
    TooMany,
    /// The service cannot answer now: 503.
    Unavailable,
}

impl RefusedStatus {
    /// The HTTP status code (RFC 9110, section 15).
    pub const fn code(self) -> u16 {
        match self {
            Self::Unauthorised => 401,
            Self::Forbidden => 403,
            Self::Unprocessable => 422,
            Self::TooMany => 429,
            Self::Unavailable => 503,
        }
    }
}

/// A column that a what-if must send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicColumn {
    /// Its name.
    pub name: String,
    /// Whether it holds numbers (otherwise levels).
    pub number: bool,
    /// Whether a value may be missing.
    pub optional: bool,
}

/// What callers may know of the model. The columns are shown only to applications with the right to what-if.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicModel {
    /// Public name.
    pub name: String,
    /// Public version.
    pub version: String,
    /// Columns of a what-if.
    pub columns: Vec<PublicColumn>,
}

/// Counters since start, for Prometheus; no label names a customer or a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answers given.
    pub answered: u64,
    /// Rows in them.
    pub rows: u64,
    /// Refusals by status 401, 403, 422, 429, 503.
    pub refused: [u64; 5],
    /// Entries in the log.
    pub log_entries: u64,
}
