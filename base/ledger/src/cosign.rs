//! The message under an ML-DSA-44 cosignature (c2sp.org/tlog-cosignature): a head that stays believable after quantum computers (T4, T6).
//!
//! A second signature beside Ed25519, never the only one: readers without ML-DSA pass it over.

use crate::checkpoint::{Checkpoint, CheckpointError};

const LABEL: &[u8; 12] = b"subtree/v1\n\0";
/// The timestamp must stay below 2^63 by the specification.
const POSIX_SECONDS_MAX: u64 = i64::MAX as u64;

/// Serialises `cosigned_message` for a checkpoint: label, cosigner name, timestamp, origin, start 0, end, root.
/// Names are preceded by one byte of length, numbers are 64 bits, big end first.
pub(crate) fn message(cosigner: &str, posix_seconds: u64, text: &str) -> Result<Vec<u8>, CheckpointError> {
    let checkpoint = Checkpoint::parse(text)?;
    let name_length = u8::try_from(cosigner.len()).map_err(|_| CheckpointError::Origin)?;
    // INVARIANT: `Checkpoint::parse` allows origins of at most 255 bytes.
    let origin_length = u8::try_from(checkpoint.origin.len()).map_err(|_| CheckpointError::Origin)?;
    if posix_seconds > POSIX_SECONDS_MAX {
        return Err(CheckpointError::Time);
    }
    let mut message = Vec::with_capacity(256);
    message.extend_from_slice(LABEL);
    message.push(name_length);
    message.extend_from_slice(cosigner.as_bytes());
    message.extend_from_slice(&posix_seconds.to_be_bytes());
    message.push(origin_length);
    message.extend_from_slice(checkpoint.origin.as_bytes());
    message.extend_from_slice(&0u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size.to_be_bytes());
    message.extend_from_slice(checkpoint.root.as_bytes());
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::tests::{ORIGIN, ed25519, ml_dsa};
    use crate::note::{KeyKind, Note, NoteError, NoteSigner, NoteVerifier, sign};
    use crate::tree::leaf_hash;

    fn head() -> String {
        Checkpoint { origin: ORIGIN.into(), size: 7, root: leaf_hash(b"root") }.to_text()
    }

    #[test]
    fn the_message_has_the_bytes_of_the_specification() {
        let message = message("w", 0x0102, &head()).unwrap();
        let mut expected =
            b"subtree/v1\n\0\x01w\0\0\0\0\0\0\x01\x02\x0fexample.com/log\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07".to_vec();
        expected.extend_from_slice(leaf_hash(b"root").as_bytes());
        assert_eq!(message, expected);
    }

    #[test]
    fn both_signatures_verify_and_the_time_is_covered() {
        let (old, new) = (ed25519(ORIGIN), ml_dsa(ORIGIN));
        let note = sign(&head(), &[&old, &new], 1_700_000_000).unwrap();
        let keys = [old.verifier().clone(), NoteVerifier::parse(&new.verifier().to_text()).unwrap()];
        let opened = Note::parse(note.as_bytes()).unwrap().open(&keys).unwrap();
        assert_eq!(opened.signed_by.len(), 2);
        assert_eq!(opened.signed_by[1].kind, KeyKind::MlDsa44Cosignature);
        assert_eq!(opened.signed_by[1].posix_seconds, Some(1_700_000_000));

        let mut raw = Note::parse(note.as_bytes()).unwrap().signatures()[1].bytes.clone();
        raw[7] ^= 1;
        let line = data_encoding::BASE64.encode(&[new.verifier().key_id().to_be_bytes().as_slice(), &raw].concat());
        let bent = format!("{}\n\u{2014} {ORIGIN} {line}\n", head());
        let error = Note::parse(bent.as_bytes()).unwrap().open(&keys).unwrap_err();
        assert_eq!(error, NoteError::BadSignature { name: ORIGIN.into() });
    }

    #[test]
    fn a_reader_without_ml_dsa_reads_the_other_signature() {
        let (old, new) = (ed25519(ORIGIN), ml_dsa(ORIGIN));
        let note = sign(&head(), &[&new, &old], 1).unwrap();
        let opened = Note::parse(note.as_bytes()).unwrap().open(&[old.verifier().clone()]).unwrap();
        assert_eq!(opened.signed_by.len(), 1);
    }

    #[test]
    fn a_text_that_is_no_checkpoint_cannot_be_cosigned() {
        assert!(matches!(sign("hello\n", &[&ml_dsa(ORIGIN)], 1), Err(NoteError::Checkpoint(_))));
    }
}
