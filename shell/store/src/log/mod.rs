//! The log on disk: append-only, signed, and never two histories, whatever moment the machine dies at (T4, T6).
//!
//! ```text
//! checkpoint                 signed head (c2sp.org/tlog-checkpoint); the one file that changes, always by rename
//! tile/<L>/<N>[.p/<W>]       hashes, tile/entries/... entries (c2sp.org/tlog-tiles); written once
//! bundles/NNNNNN.ndjson      Sigstore bundles, one a line, 4,096 a file; line i belongs to entry i
//! lock                       held by the one writer
//! ```
//!
//! Order of a commit: bundles, tiles and the objects that the entries rest on, and fsync; then the checkpoint. What lies beyond the checkpoint was never
//! acknowledged and is dropped at the next start; what lies below it must be whole, or the writer does not start.
//! A head that somebody puts back to an earlier one *together with* everything beyond it cannot be told from an old disk: give
//! [`OpenOptions::floor`] a head that was kept elsewhere.

mod check;
mod files;
mod handle;
mod reader;
mod writer;

#[cfg(test)]
mod kill_tests;
#[cfg(test)]
mod tests;

pub use check::{CheckReport, Damage};
pub use handle::Log;
pub use reader::{Found, LogReader};
pub use writer::{CrashHook, LogWriter, OpenOptions};

use gate::Digest;
use ledger::bundle::{BundleError, EvidenceId};
use ledger::checkpoint::HeadError;
use ledger::note::NoteError;
use ledger::proof::TlogProofError;
use ledger::tile::TileError;
use ledger::tree::ProofError;

/// Bundles in one file.
pub const BUNDLES_PER_FILE: u64 = 4096;
/// Most entries that share one fsync; also the most that a crash can leave beyond the checkpoint.
pub const GROUP_ENTRIES_MAX: usize = 1024;
/// Bytes of bundles after which a group is closed.
pub const GROUP_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most entries of one log: bundle files have six digits.
pub const ENTRIES_MAX: u64 = BUNDLES_PER_FILE * 1_000_000;
/// Requests that may wait for the writer.
pub const QUEUE_MAX: usize = 4096;

/// An entry that is on disk, under a signed head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position in the log, from 0.
    pub index: u64,
    /// Short name of the entry.
    pub id: EvidenceId,
    /// SHA-256 of the envelope's canonical JSON.
    pub digest: Digest,
}

/// Why the log did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The disk refused.
    #[error("`{file}` could not be {action}: {why}")]
    Disk {
        /// Which file, below the folder of the log.
        file: String,
        /// What was tried: read, written, locked.
        action: &'static str,
        /// What the system says.
        why: String,
    },
    /// Another process writes this log.
    #[error("log `{0}` is being written by another process")]
    Locked(String),
    /// There are entries but no head: it was deleted, and starting afresh would make a second history.
    #[error("log has `{0}` but no `checkpoint`; restore the checkpoint from a copy")]
    HeadMissing(String),
    /// The head does not hold.
    #[error("`checkpoint` does not hold: {0}")]
    Head(#[from] HeadError),
    /// Something below the head is not what was signed.
    #[error("log is damaged: {0}")]
    Damaged(#[from] Damage),
    /// The head is older than what the log or the caller has seen.
    #[error("log went back: its head has `{head}` entries, but {seen}")]
    WentBack {
        /// Size in the head.
        head: u64,
        /// What was seen.
        seen: String,
    },
    /// The new head does not continue the old one.
    #[error("log was rewritten: the head at `{new}` entries does not contain the one at `{old}`")]
    Forked {
        /// Size of the head that was known.
        old: u64,
        /// Size of the head that was found.
        new: u64,
    },
    /// The writer failed earlier and takes nothing more; open the log again.
    #[error("log stopped after an earlier failure: {0}")]
    Stopped(String),
    /// The log cannot grow further.
    #[error("log has reached `{ENTRIES_MAX}` entries")]
    Full,
    /// The position does not exist.
    #[error("log has no entry `{index}`, its size is `{size}`")]
    NoEntry {
        /// What was asked for.
        index: u64,
        /// The size of the log.
        size: u64,
    },
    /// No entry begins so.
    #[error("no entry has an id that begins with `{0}`")]
    UnknownId(String),
    /// Several entries begin so.
    #[error("several entries have an id that begins with `{0}`, give more digits")]
    AmbiguousId(String),
    /// The bundle cannot be kept.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A tile is not usable.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The head could not be signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A proof that was made does not hold: the tiles are not what was signed.
    #[error("proof for entry `{index}` does not hold: {why}")]
    Proof {
        /// The entry.
        index: u64,
        /// Why.
        why: TlogProofError,
    },
    /// A consistency proof that was made does not hold.
    #[error(transparent)]
    Consistency(#[from] ProofError),
}
