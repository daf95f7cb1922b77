//! The signed head of the log (c2sp.org/tlog-checkpoint): origin, size, root. Whoever kept one can prove that history was rewritten (T4, T6).
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::note::{self, KEY_NAME_BYTES_MAX, Note, NoteError, NoteSigner, NoteVerifier, SignedBy};
use crate::tree::{Edge, Hash, empty_root};

/// Largest tree; keeps sums of sizes inside 64 bits.
pub const SIZE_MAX: u64 = (1 << 62) - 1;

/// Why a text is not a checkpoint that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Empty, too long, or with control characters.
    #[error("origin is empty, longer than `{KEY_NAME_BYTES_MAX}` bytes, or has a control character")]
    Origin,
    /// Not a plain decimal up to [`SIZE_MAX`].
    #[error("size is not a decimal number without leading zeroes")]
    Size,
    /// Not base64 of 32 bytes.
    #[error("root is not the base64 of 32 bytes")]
    Root,
    /// More or fewer lines. Extension lines are not recommended by the specification, and an ML-DSA cosignature does not cover them.
    #[error("checkpoint does not have exactly the three lines origin, size and root")]
    Lines,
    /// The timestamp of a cosignature is over its limit.
    #[error("timestamp does not fit in 63 bits")]
    Time,
}

/// A head of the log, not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The head of a tree.
    pub fn of(origin: &str, edge: &Edge) -> Self {
        Self { origin: origin.to_owned(), size: edge.size(), root: edge.root() }
    }

    /// Three lines, each with its newline.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Parses exactly what [`Checkpoint::to_text`] writes.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Lines);
        };
        check_origin(origin)?;
        let size = parse_decimal(size).filter(|size| *size <= SIZE_MAX).ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).ok_or(CheckpointError::Root)?;
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::Root);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs with every signer and returns the note.
    pub fn sign(&self, signers: &[&dyn NoteSigner], posix_seconds: u64) -> Result<String, NoteError> {
        check_origin(&self.origin)?;
        note::sign(&self.to_text(), signers, posix_seconds)
    }

    /// Verifies a signed head: signatures first, then the text, then that it is this log's.
    pub fn open(note: &[u8], origin: &str, verifiers: &[NoteVerifier]) -> Result<SignedHead, HeadError> {
        let opened = Note::parse(note)?.open(verifiers)?;
        let checkpoint = Self::parse(&opened.text).map_err(NoteError::from)?;
        if checkpoint.origin != origin {
            return Err(HeadError::OtherLog { seen: checkpoint.origin, wanted: origin.to_owned() });
        }
        Ok(SignedHead { checkpoint, signed_by: opened.signed_by })
    }
}

/// A head whose signatures were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// Who signed, of the keys that the reader trusts.
    pub signed_by: Vec<SignedBy>,
}

/// Why a signed head was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The note does not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is the head of another log.
    #[error("checkpoint belongs to log `{seen}`, not to `{wanted}`")]
    OtherLog {
        /// Origin in the checkpoint.
        seen: String,
        /// Origin that the reader expects.
        wanted: String,
    },
}

/// Checks an origin line.
pub(crate) fn check_origin(origin: &str) -> Result<(), CheckpointError> {
    let bad = origin.is_empty() || origin.len() > KEY_NAME_BYTES_MAX || origin.contains(char::is_control);
    if bad { Err(CheckpointError::Origin) } else { Ok(()) }
}

/// A decimal without sign and without leading zeroes.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::tests::{ORIGIN, ed25519};
    use proptest::prelude::*;

    // The example of the specification.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_parses() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!((checkpoint.size, checkpoint.to_text().as_str()), (20_852_163, EXAMPLE));
    }

    #[test]
    fn a_stricter_reader_than_the_writer() {
        let check = |from: &str, to: &str, error| assert_eq!(Checkpoint::parse(&EXAMPLE.replace(from, to)), Err(error), "{to}");
        check("20852163", "020852163", CheckpointError::Size);
        check("20852163", "+20852163", CheckpointError::Size);
        check("20852163", "0", CheckpointError::Root);
        check("20852163", "9999999999999999999", CheckpointError::Size);
        check("q2I=\n", "q2I=", CheckpointError::Lines);
        check("q2I=\n", "q2I=\nextension\n", CheckpointError::Lines);
        check("q2I=", "q2J=", CheckpointError::Root);
        check("example.com/behind-the-sofa", "", CheckpointError::Origin);
    }

    #[test]
    fn another_logs_head_is_refused_and_the_right_one_passes() {
        let signer = ed25519(ORIGIN);
        let keys = [signer.verifier().clone()];
        let note = Checkpoint::of(ORIGIN, &Edge::new()).sign(&[&signer], 0).unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), ORIGIN, &keys).unwrap().checkpoint.size, 0);
        let other = Checkpoint::of("example.com/other", &Edge::new()).sign(&[&signer], 0).unwrap();
        assert!(matches!(Checkpoint::open(other.as_bytes(), ORIGIN, &keys), Err(HeadError::OtherLog { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "([a-z0-9+/=\n]|\\PC){0,120}", size in any::<u64>()) {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_text(), text.clone());
            }
            let _ = Checkpoint::parse(&format!("a\n{size}\n{text}\n"));
        }
    }
}
