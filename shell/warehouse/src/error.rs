//! Why nothing was read: in words for the operator, never with a password in them (T4).

use std::error::Error as _;

/// Why the database was not read.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// The pinned authority is no certificate.
    #[error("the authority `{0}` holds no certificate that can be read")]
    Authority(String),
    /// The server's name cannot stand in a certificate.
    #[error("`{0}` is no name of a server")]
    Host(String),
    /// No session came about.
    #[error("no session with the database: {0}")]
    Connect(String),
    /// The server answered with an error, or not as the protocol says.
    #[error("{what}: {why}")]
    Query {
        /// What was asked for.
        what: &'static str,
        /// What the server said.
        why: String,
    },
    /// What is to be read is not there.
    #[error("there is no table or view `{0}` that the role can see")]
    NoRelation(String),
    /// A column of the contract is not there.
    #[error("`{table}` has no column `{column}`, which the contract asks for")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column whose values have no agreed form here.
    #[error("column `{column}` is of type `{kind}`, which cannot be read")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
    /// A value that the contract's kind cannot hold.
    #[error("column `{column}`, row {row}: {why}")]
    Value {
        /// The column.
        column: String,
        /// The row, as the server sent it, from 1.
        row: u64,
        /// What is wrong with it.
        why: String,
    },
    /// More rows or bytes than are allowed.
    #[error("the table has more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// The contract names no id.
    #[error("the contract has no column with the role `id`")]
    NoId,
    /// A key of pseudonyms that is none.
    #[error("the key of pseudonyms must have {} bytes", crate::KEY_BYTES)]
    Key,
}

impl WarehouseError {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Authority(_) => "name the PEM file of the server's authority under `source.postgres.ca` in stayward.toml",
            Self::Host(_) => "write the server's name as its certificate has it under `source.postgres.host`",
            Self::Connect(_) => {
                "check `[source.postgres]` in stayward.toml and the password in the vault; TLS with the pinned authority is never left out"
            }
            Self::Query { .. } => "see what the role may do with `stayward source check`",
            Self::NoRelation(_) => "write `schema.table` under `source.postgres.table` as the database has it",
            Self::NoColumn { .. } => "add the column to the table or view, or give it the role `ignore` in contract.toml",
            Self::ColumnType { .. } => "read a view that casts it to text, a number, a boolean, a date or a timestamp",
            Self::Value { .. } => "mend the row in the database, or change the column's kind in contract.toml",
            Self::TooMuch { .. } => "read a view with fewer rows, or raise `source.postgres.rows_max`",
            Self::NoId => "give the column that names the customer the role `id`",
            Self::Key => "restore the vault from a backup",
        }
    }

    /// What went wrong between us and the server, with its causes.
    pub(crate) fn query(what: &'static str, error: &tokio_postgres::Error) -> Self {
        Self::Query { what, why: in_words(error) }
    }
}

/// Letters of a server's message that are shown.
const MESSAGE_CHARS_MAX: usize = 500;

/// An error with its causes, without those that only repeat; a server's message with its code (SQLSTATE).
pub(crate) fn in_words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        // The server's words go to a terminal.
        let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
        let message: String = said.message().chars().take(MESSAGE_CHARS_MAX).map(plain).collect();
        return format!("{message} ({})", said.code().code());
    }
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let text = one.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        cause = one.source();
    }
    out
}
