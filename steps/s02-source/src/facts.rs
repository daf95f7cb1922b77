//! What the gates of s02 are told.

use gate::Digest;
use serde::{Deserialize, Serialize};

use crate::database::DatabaseFacts;

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The component, for instance `source-writer`.
    pub component: String,
    /// Whether the role matrix lets this component write the data source.
    pub may_write: bool,
    /// The person in whose session it acts.
    pub person: String,
    /// How that person proved who they are (RFC 8176 names: `pwd`, `otp`, ...).
    pub amr: Vec<String>,
    /// When, Unix seconds.
    pub authenticated_at: i64,
}

/// Facts of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The shell's clock, Unix seconds.
    pub now: i64,
    /// Who writes; absent where nobody is logged in.
    pub writer: Option<Writer>,
    /// A second factor counts for so long.
    pub session_seconds_max: i64,
    /// Content digest and rows that a proved receipt of s01 let through; absent where there is none.
    pub cleared_content: Option<(Digest, u64)>,
    /// Connectors that may bring internal data.
    pub connectors_allowed: Vec<String>,
    /// Columns that the contract lets in.
    pub columns_allowed: Vec<String>,
    /// Digests of deliveries that the table has already.
    pub contents_present: Vec<Digest>,
    /// What the check of the table's own log found wrong: any operation but appending.
    pub log_violations: Vec<String>,
    /// What the catalogue says of the role that read a database; absent where rows came another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFacts>,
}

impl Facts {
    /// A permitted write of internal data.
    pub fn ordinary() -> Self {
        Self {
            now: 1_000_000,
            writer: Some(Writer {
                component: "source-writer".into(),
                may_write: true,
                person: "steward".into(),
                amr: vec!["pwd".into(), "otp".into()],
                authenticated_at: 999_000,
            }),
            session_seconds_max: 43_200,
            cleared_content: None,
            connectors_allowed: vec!["file".into()],
            columns_allowed: vec!["customer_id".into(), "tenure".into()],
            contents_present: Vec::new(),
            log_violations: Vec::new(),
            database: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn hostile() -> Self {
        Self {
            writer: None,
            connectors_allowed: Vec::new(),
            columns_allowed: Vec::new(),
            contents_present: vec![append().content],
            log_violations: vec!["commit 3: remove".into()],
            database: Some(DatabaseFacts { complete: false, ..DatabaseFacts::ordinary() }),
            now: i64::MIN,
            ..Self::ordinary()
        }
    }
}

#[cfg(test)]
pub(crate) fn append() -> artifact::Append {
    artifact::Append {
        table: "customers".into(),
        content: Digest::of(b"rows"),
        rows: 3,
        values: Digest::of(b"values"),
        columns: vec!["customer_id".into(), "tenure".into()],
        origin: artifact::Origin::Internal { connector: "file".into() },
        writer: "source-writer".into(),
    }
}

/// The same rows, read from a database.
#[cfg(test)]
pub(crate) fn exported() -> artifact::Append {
    artifact::Append { origin: artifact::Origin::Internal { connector: crate::database::POSTGRES.into() }, ..append() }
}
