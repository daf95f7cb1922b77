//! What a gate says of itself; book, coverage table and console are made from it.

use serde::Serialize;

use crate::Clause;

/// How far a gate can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Maturity {
    /// It works and is tested; its thresholds are first choices.
    Working,
    /// Its error rates were measured against attacks that know it.
    Measured,
}

/// The description of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Unique, kebab-case.
    pub id: &'static str,
    /// The clauses of the threat model that it keeps.
    pub clauses: &'static [Clause],
    /// One sentence: what it refuses, and what it does not see.
    pub about: &'static str,
    /// How far it can be relied upon.
    pub maturity: Maturity,
}
