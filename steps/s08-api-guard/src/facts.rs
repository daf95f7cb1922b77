//! What the gates of s08 are told.

use artifact::Granularity;
use serde::{Deserialize, Serialize};

/// What is known of the key that came with the request. The caller is told the same in every bad case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// No key came.
    Missing,
    /// A key came that nobody issued.
    Unknown,
    /// It is past its time.
    Expired,
    /// It was withdrawn.
    Revoked,
    /// It is good.
    Good,
}

/// A reservation against a limit: `used` counts this request already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Used after this request.
    pub used: u64,
    /// Allowed.
    pub limit: u64,
}

impl Reserved {
    /// Whether the reservation is within the limit.
    pub fn fits(self) -> bool {
        self.used <= self.limit
    }
}

/// Facts of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryFacts {
    /// The key.
    pub key: KeyState,
    /// Whether the application may ask in this way.
    pub may_ask: bool,
    /// Customers asked about who are outside of the application's scope or unknown; the two look the same to the caller.
    pub out_of_scope: u32,
    /// Calls in the current minute; absent where they could not be counted.
    pub calls: Option<Reserved>,
    /// Different customers (or rows of what-ifs) in the current day; absent where they could not be counted.
    pub distinct: Option<Reserved>,
    /// Whether the request was entered in the application's account before it is answered.
    pub tracked: bool,
    /// Most customers or rows in one request.
    pub rows_max: u32,
}

impl QueryFacts {
    /// A permitted query.
    pub fn ordinary() -> Self {
        Self {
            key: KeyState::Good,
            may_ask: true,
            out_of_scope: 0,
            calls: Some(Reserved { used: 3, limit: 60 }),
            distinct: Some(Reserved { used: 40, limit: 500 }),
            tracked: true,
            rows_max: 100,
        }
    }
}

/// Facts of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerFacts {
    /// The most that the application may be told.
    pub granularity_max: Granularity,
    /// Names of further members that an answer may carry.
    pub extra_allowed: Vec<String>,
    /// Longest value of such a member.
    pub extra_chars_max: u32,
}

impl AnswerFacts {
    /// Class only, nothing else but the model's public name.
    pub fn ordinary() -> Self {
        Self { granularity_max: Granularity::ClassOnly, extra_allowed: vec!["model".into()], extra_chars_max: 64 }
    }
}

#[cfg(test)]
pub(crate) fn query() -> artifact::Query {
    artifact::Query {
        request: "00ff".into(),
        application: "crm".into(),
        asking: artifact::Asking::ByCustomer,
        customers: vec!["c-1".into()],
        rows: 0,
    }
}

#[cfg(test)]
pub(crate) fn what_if() -> artifact::Query {
    artifact::Query { asking: artifact::Asking::WhatIf, customers: Vec::new(), rows: 2, ..query() }
}

#[cfg(test)]
pub(crate) fn answer() -> artifact::Answer {
    artifact::Answer { request: "00ff".into(), shown: vec![artifact::Shown::Class(true)], extra: Default::default() }
}
