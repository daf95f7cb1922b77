//! What can be wrong with a table, by file (T6): each line tells an operator which file to look at and what was done to it.

use std::path::PathBuf;

use gate::Digest;

/// One file that is not as our writer left it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}`: {kind}", file.display())]
pub struct TableViolation {
    /// The file, below the table's folder.
    pub file: PathBuf,
    /// The version that it belongs to, if any.
    pub version: Option<u64>,
    /// What is wrong.
    pub kind: ViolationKind,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViolationKind {
    /// Another operation than `CREATE TABLE` and, after it, `WRITE`.
    #[error("its operation is `{0}`, which an append-only table does not know")]
    Operation(String),
    /// Rows were taken out.
    #[error("it removes rows")]
    Remove,
    /// The schema or the properties were changed after the table was made.
    #[error("it changes the table's schema or properties")]
    SecondMetadata,
    /// The protocol was changed after the table was made.
    #[error("it changes the table's protocol")]
    SecondProtocol,
    /// An action that we never write.
    #[error("it holds the action `{0}`, which is never written here")]
    Action(String),
    /// `delta.appendOnly` is not set, or something beside it is.
    #[error("the table is not append-only, or has further properties")]
    NotAppendOnly,
    /// Not what our writer writes.
    #[error("it was not written by this program: {0}")]
    Unlike(String),
    /// A commit's bytes are not those that were sealed.
    #[error("its bytes are not those that were sealed")]
    Seal,
    /// A commit does not follow from the one before.
    #[error("it does not follow from the version before it")]
    Chain,
    /// A commit between others is missing.
    #[error("it is missing, and later versions are there")]
    Gap,
    /// A file that a commit names is missing.
    #[error("it is missing")]
    Missing,
    /// A data file's bytes are not those that its name promises.
    #[error("it was changed: its digest is `{0}`")]
    Changed(Digest),
    /// Size or number of rows are not as the commit says.
    #[error("it holds {found} {what}, its commit says {said}")]
    Count {
        /// `bytes` or `rows`.
        what: &'static str,
        /// As found.
        found: u64,
        /// As said.
        said: u64,
    },
    /// A data file belongs to two versions.
    #[error("two versions name it")]
    Twice,
    /// A file that we did not put there; other readers may believe it.
    #[error("it does not belong here")]
    Foreign,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}
