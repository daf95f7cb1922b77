//! A `.tlog-proof` file (c2sp.org/tlog-proof): evidence that fits into one text file and is checked without us and without a network (T4, T6).
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::checkpoint::{Checkpoint, HeadError, SignedHead, parse_decimal};
use crate::note::{NOTE_BYTES_MAX, NoteVerifier};
use crate::tree::{Hash, PROOF_HASHES_MAX, ProofError, leaf_hash, verify_inclusion};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Longest proof file that is read.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + 64 * 1024;

/// Why a proof file was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not a proof file.
    #[error("proof file is malformed: {0}")]
    Malformed(&'static str),
    /// Its head does not hold.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Its hashes do not lead to the signed root.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
}

/// A parsed proof; nothing in it is verified before [`TlogProof::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque data that nothing authenticates.
    pub extra: Option<Vec<u8>>,
    /// Position of the entry, from 0.
    pub index: u64,
    /// Inclusion proof, from the sibling of the leaf upward.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, byte for byte.
    pub checkpoint: String,
}

impl TlogProof {
    /// The text form.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", data_encoding::BASE64.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Parses the text form.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let malformed = TlogProofError::Malformed;
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(malformed("it has no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let mut line = lines.next().unwrap_or("");
        let mut extra = None;
        if let Some(base64) = line.strip_prefix("extra ") {
            extra = Some(data_encoding::BASE64.decode(base64.as_bytes()).map_err(|_| malformed("its extra line is not base64"))?);
            line = lines.next().unwrap_or("");
        }
        let index = line.strip_prefix("index ").and_then(parse_decimal).ok_or(malformed("it has no index line"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == PROOF_HASHES_MAX {
                return Err(malformed("it has too many hashes"));
            }
            hashes.push(Hash::from_base64(line).ok_or(malformed("a hash is not the base64 of 32 bytes"))?);
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Verifies offline that `entry` stands at this index of the log `origin`, under a head signed by one of the keys.
    pub fn verify(&self, entry: &[u8], origin: &str, verifiers: &[NoteVerifier]) -> Result<SignedHead, TlogProofError> {
        let head = Checkpoint::open(self.checkpoint.as_bytes(), origin, verifiers)?;
        let Checkpoint { size, root, .. } = &head.checkpoint;
        verify_inclusion(&leaf_hash(entry), self.index, *size, &self.hashes, root)?;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::NoteSigner;
    use crate::note::tests::{ORIGIN, ed25519};
    use crate::spec;
    use proptest::prelude::*;

    fn entry(number: usize) -> Vec<u8> {
        format!("entry {number}").into_bytes()
    }

    fn made(index: usize, size: usize) -> TlogProof {
        let leaves: Vec<Hash> = (0..size).map(|number| leaf_hash(&entry(number))).collect();
        let head = Checkpoint { origin: ORIGIN.into(), size: size as u64, root: spec::root(&leaves) };
        let checkpoint = head.sign(&[&ed25519(ORIGIN)], 0).unwrap();
        TlogProof { extra: None, index: index as u64, hashes: spec::inclusion(index, &leaves), checkpoint }
    }

    fn verify(text: &str, entry: &[u8]) -> Result<SignedHead, TlogProofError> {
        TlogProof::parse(text.as_bytes())?.verify(entry, ORIGIN, &[ed25519(ORIGIN).verifier().clone()])
    }

    #[test]
    fn a_proof_holds_for_its_entry_alone() {
        for (index, size) in [(0, 1), (3, 7), (6, 7)] {
            let text = made(index, size).to_text();
            assert_eq!(verify(&text, &entry(index)).unwrap().checkpoint.size, size as u64);
            assert!(matches!(verify(&text, b"another"), Err(TlogProofError::Inclusion(_))));
            assert!(verify(&text.replace(&format!("index {index}\n"), "index 5\n"), &entry(index)).is_err());
        }
    }

    #[test]
    fn extra_data_survives_and_proves_nothing() {
        let proof = TlogProof { extra: Some(b"note".to_vec()), ..made(1, 4) };
        assert_eq!(TlogProof::parse(proof.to_text().as_bytes()).unwrap(), proof);
        verify(&proof.to_text(), &entry(1)).unwrap();
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let text = made(3, 7).to_text().into_bytes();
        for at in 0..text.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut bent = text.clone();
                bent[at] ^= bit;
                let result = TlogProof::parse(&bent)
                    .and_then(|proof| proof.verify(&entry(3), ORIGIN, &[ed25519(ORIGIN).verifier().clone()]));
                assert!(result.is_err(), "byte {at} of the proof, {bit:#x}");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(extra |index |[0-9]|[A-Za-z=]|\n){0,80}") {
            let _ = TlogProof::parse(&bytes);
            if let Ok(proof) = TlogProof::parse(format!("{FIRST_LINE}\n{text}").as_bytes()) {
                prop_assert_eq!(TlogProof::parse(proof.to_text().as_bytes()).unwrap(), proof);
            }
        }
    }
}
