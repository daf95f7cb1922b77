//! Queries, inputs, scores, answers, and the window of events that monitoring looks at.

use std::collections::BTreeMap;

use gate::{Digest, Subject};
use serde::{Deserialize, Serialize};

/// How a caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asking {
    /// By customer id: the service looks the features up itself.
    ByCustomer,
    /// With a feature vector of the caller's own.
    WhatIf,
}

/// A request, before anything else of it is read. The request id is random, so the digest tells nothing of the customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// 128 random bits, hex.
    pub request: String,
    /// The application that the key belongs to; empty where there is no good key.
    pub application: String,
    /// How it asks.
    pub asking: Asking,
    /// Customers asked about; empty for a what-if.
    pub customers: Vec<String>,
    /// Rows of a what-if; 0 otherwise.
    pub rows: u32,
}

impl Subject for Query {}

/// The features of one row, as they go to the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The request's id.
    pub request: String,
    /// Where the row comes from.
    pub asking: Asking,
    /// Column name to value; `None` is missing.
    pub values: BTreeMap<String, Option<String>>,
}

impl Subject for Input {}

/// What the model says, before it is made coarse. It cannot be serialised, so no route can send it.
///
/// ```compile_fail
/// fn send<T: serde::Serialize>(_: T) {}
/// send(artifact::RawScore::new(0.5));
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct RawScore(f64);

impl RawScore {
    /// The probability of churn that the ensemble voted for.
    pub fn new(probability: f64) -> Self {
        Self(probability)
    }

    /// For s08 on the way out and for drift statistics inside; never for a caller.
    pub fn probability(self) -> f64 {
        self.0
    }
}

/// The question that is put to the served model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// The request's id.
    pub request: String,
    /// The model that would answer.
    pub model: Digest,
}

impl Subject for Prediction {}

/// How much an application may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// Yes or no.
    ClassOnly,
    /// One of ten bands.
    Decile,
}

/// What is shown of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Whether the customer is expected to churn.
    Class(bool),
    /// The band of the score, 1 (lowest) to 10.
    Decile(u8),
}

impl Shown {
    /// How much it tells.
    pub fn granularity(self) -> Granularity {
        match self {
            Self::Class(_) => Granularity::ClassOnly,
            Self::Decile(_) => Granularity::Decile,
        }
    }

    /// Makes a score coarse.
    pub fn of(score: RawScore, granularity: Granularity, threshold: f64) -> Self {
        let probability = score.probability();
        match granularity {
            Granularity::ClassOnly => Self::Class(probability >= threshold),
            Granularity::Decile => {
                let band = (1_u8..10).find(|band| probability < f64::from(*band) / 10.0).unwrap_or(10);
                Self::Decile(band)
            }
        }
    }
}

/// The only thing that a route can render.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's id.
    pub request: String,
    /// What is shown, one per row asked about, in order.
    pub shown: Vec<Shown>,
    /// Further members that the answer would carry, by name; gates let none through that tells of internals.
    pub extra: BTreeMap<String, String>,
}

impl Subject for Answer {}

/// A stretch of time, with what was seen in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First moment, Unix seconds.
    pub from: i64,
    /// Last moment, Unix seconds.
    pub to: i64,
    /// Requests in it.
    pub requests: u64,
    /// The model that answered.
    pub model: Digest,
}

impl Subject for Window {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_becomes_coarse() {
        let shown = |score, granularity| Shown::of(RawScore::new(score), granularity, 0.5);
        assert_eq!(shown(0.5, Granularity::ClassOnly), Shown::Class(true));
        assert_eq!(shown(0.499, Granularity::ClassOnly), Shown::Class(false));
        assert_eq!(shown(0.0, Granularity::Decile), Shown::Decile(1));
        assert_eq!(shown(0.95, Granularity::Decile), Shown::Decile(10));
        assert_eq!(shown(1.0, Granularity::Decile), Shown::Decile(10));
        assert_eq!(shown(f64::NAN, Granularity::Decile), Shown::Decile(10));
    }
}
