//! Why the control database does not do as it is told, in words for operators (T4, T6).

use std::path::PathBuf;

use crate::disk::DiskError;

/// Why the control database does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Others may read or write the file.
    #[error("`{}` has the mode {mode:o}: it must be its owner's alone (0600)", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file was made by another version of this program.
    #[error("the control database has the schema step `{found}`; this program knows {known} steps")]
    Schema {
        /// As found.
        found: String,
        /// How many this program knows.
        known: usize,
    },
    /// A text that is empty, too long or not printable.
    #[error("the {what} is empty, longer than {limit} bytes, or not printable")]
    Text {
        /// Which.
        what: &'static str,
        /// Bytes at most.
        limit: usize,
    },
    /// A number that the database cannot hold, or too many of something.
    #[error("{what}: more than {limit}")]
    Limit {
        /// Which.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// It was written down already, and stays.
    #[error("the {what} `{name}` is there already")]
    Exists {
        /// What it is.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// There is none.
    #[error("there is no {what} `{name}`")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// A run that has ended gets no further steps and no second end.
    #[error("the run `{0}` has ended")]
    Ended(String),
    /// A run cannot end as running.
    #[error("`running` is no end of a run")]
    NoEnd,
    /// A rollback to a model that was never deployed.
    #[error("the model `{0}` was never deployed: a rollback leads to one that was")]
    NeverDeployed(gate::Digest),
    /// Somebody else was faster.
    #[error("the pointer `{name}` is at revision {found}, not {expected}")]
    Moved {
        /// Which.
        name: String,
        /// Its revision; 0 if there is none.
        found: u64,
        /// Expected by the caller.
        expected: u64,
    },
    /// What lies in the file cannot have been written by this program.
    #[error("the control database is damaged: {0}")]
    Corrupt(String),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file's mode cannot be read, or the file not be made.
    #[error("cannot open `{}`: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The database.
    #[error("the control database failed: {0}")]
    Database(#[from] sqlx::Error),
}
