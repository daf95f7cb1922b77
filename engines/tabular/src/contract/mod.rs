//! What was agreed about a table: names, types, levels, ranges, roles. A feed is held against this and nothing else (T1).
//!
//! A contract is written once by [`Contract::guess`] from what was seen, edited by a person, signed elsewhere, and read back by
//! [`Contract::parse`], which refuses every key that it does not know: a misspelt limit must not be a missing limit.

mod guess;
mod names;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use guess::{CATEGORY_LEVELS_MAX, GuessError, LEAK_AUC_MIN};

use crate::number::Decimal;
use serde::{Deserialize, Serialize};

/// Columns of one contract.
pub const CONTRACT_COLUMNS_MAX: usize = 4_096;
/// Bytes of one contract file: 8 MiB.
pub const CONTRACT_BYTES_MAX: usize = 8 << 20;
/// Levels of one category.
pub const LEVELS_MAX: usize = 1_000;
/// Texts that stand for a missing value, where a contract does not say otherwise. Blanks around a value never count.
pub const MISSING_MARKS: [&str; 8] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"];

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Names the customer; never read by a model.
    Id,
    /// What is to be foretold.
    Label,
    /// When the row was true; rows are split by it.
    Time,
    /// Money at stake, by which customers are weighed; read by a model only if `also_feature` is set.
    Value,
    /// Comes from outside: read by a model, and distrusted.
    ThirdParty,
    /// Stands for a protected attribute: in the frame, so that fairness can be measured; the caller decides who reads it.
    Protected,
    /// Not read at all.
    Ignore,
    /// Read by a model.
    Feature,
}

/// What a column's values are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Numbers.
    Number {
        /// Whether only whole numbers are allowed.
        integer: bool,
        /// The least allowed value.
        min: Option<f64>,
        /// The greatest allowed value.
        max: Option<f64>,
        /// The unit, for people: `EUR`, `days`.
        unit: Option<String>,
    },
    /// One of some levels.
    Category {
        /// Allowed levels; their order is the order of codes.
        levels: Vec<String>,
    },
    /// A moment.
    Time {
        /// As of `strptime`: `%Y-%m-%d`; or `unix` for seconds since 1970.
        format: String,
    },
    /// Any text.
    Text,
}

/// Whether values may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// None may.
    Refused,
    /// Some may.
    Allowed {
        /// The largest share of rows, 0..=1.
        share_max: f64,
    },
}

/// What somebody outside can do to the true value of a column, in the threat model of evasion attacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outsider {
    /// Nothing.
    #[default]
    Immutable,
    /// He can make it larger.
    IncreaseOnly,
    /// He can make it smaller.
    DecreaseOnly,
    /// He can set it at will.
    Free,
}

/// What happens to rows that are equal in every column that is not ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// They stand.
    Allow,
    /// They stand, and share a group that no split may part.
    #[default]
    Group,
    /// Each but the first breaks the contract.
    Refuse,
}

/// The rule of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnRule {
    /// Its name in the table.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What its values are.
    pub kind: Kind,
    /// Whether values may be missing.
    pub missing: Missing,
    /// What an outsider can do to it.
    pub outsider: Outsider,
    /// How far he can move a number, as a share of the column's range, above 0 to 1; absent: as far as the policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outsider_share_max: Option<f64>,
    /// What a unit costs him, or another level; 0 and above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outsider_cost: Option<f64>,
    /// Whether a column of role [`Role::Value`] is read by a model too.
    pub also_feature: bool,
    /// What was seen and why the role was guessed; written as comments, not read back.
    pub notes: Vec<String>,
}

/// The rule of the label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelRule {
    /// The level that means churn.
    pub positive: String,
    /// The least share of positive labels that a batch may have, 0..=1.
    pub rate_min: f64,
    /// The greatest.
    pub rate_max: f64,
}

/// What holds between number columns, whatever an outsider does to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Relation {
    /// The total moves as its parts do, and only so.
    Sum {
        /// The column that follows.
        total: String,
        /// Those that it follows.
        parts: Vec<String>,
    },
    /// One column is at least the other.
    AtLeast {
        /// The greater.
        larger: String,
        /// The smaller.
        smaller: String,
    },
}

impl Relation {
    /// Every column that it names.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Sum { total, parts } => std::iter::once(total).chain(parts).map(String::as_str).collect(),
            Self::AtLeast { larger, smaller } => vec![larger, smaller],
        }
    }
}

/// What was agreed about a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// Its name.
    pub name: String,
    /// How fractions are written.
    pub decimal: Decimal,
    /// Texts that stand for a missing value.
    pub missing_marks: Vec<String>,
    /// What happens to equal rows.
    pub duplicates: Duplicates,
    /// The rule of the label, if a column has that role.
    pub label: Option<LabelRule>,
    /// Rules of columns, in the order of features.
    pub columns: Vec<ColumnRule>,
    /// What an outsider can pay for changes of one row, in the unit of the columns' costs; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outsider_budget: Option<f64>,
    /// What holds between columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
}

/// Why a text is no contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("contract line {line}, `{key}`: {what}")]
pub struct ContractError {
    /// The line, from 1.
    pub line: usize,
    /// The key, as far as it is known.
    pub key: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl ColumnRule {
    /// A rule that a program makes: nothing may be missing, nobody outside moves it.
    pub fn new(name: &str, role: Role, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            role,
            kind,
            missing: Missing::Refused,
            outsider: Outsider::Immutable,
            outsider_share_max: None,
            outsider_cost: None,
            also_feature: false,
            notes: Vec::new(),
        }
    }

    /// Whether the frame of features holds this column.
    pub fn in_frame(&self) -> bool {
        match self.role {
            Role::Feature | Role::ThirdParty | Role::Protected => true,
            Role::Value => self.also_feature,
            Role::Id | Role::Label | Role::Time | Role::Ignore => false,
        }
    }
}

impl Contract {
    /// The rule of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnRule> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The first rule of that role. A contract that was parsed or guessed has at most one id, label, time and value.
    pub fn of_role(&self, role: Role) -> Option<&ColumnRule> {
        self.columns.iter().find(|column| column.role == role)
    }

    /// Names of all columns of that role.
    pub fn names_of(&self, role: Role) -> Vec<String> {
        self.columns.iter().filter(|column| column.role == role).map(|column| column.name.clone()).collect()
    }

    /// Names of the columns of the frame, in order.
    pub fn features(&self) -> Vec<String> {
        self.columns.iter().filter(|column| column.in_frame()).map(|column| column.name.clone()).collect()
    }

    /// Whether a text stands for a missing value.
    pub fn is_missing(&self, text: &str) -> bool {
        let text = text.trim();
        text.is_empty() || self.missing_marks.iter().any(|mark| mark == text)
    }

    /// The contract without notes: what [`Contract::parse`] reads back from [`Contract::to_toml`].
    pub fn without_notes(&self) -> Self {
        let mut out = self.clone();
        for column in &mut out.columns {
            column.notes.clear();
        }
        out
    }
}
