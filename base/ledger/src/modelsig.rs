//! OpenSSF Model Signing: a signature over every file of a model, which the public `model_signing` program verifies without us (T4, T7).
//!
//! Layout as PyPI `model-signing` 1.1.1 writes it: one subject whose digest is the SHA-256 over the file digests in the order of
//! their names, and a predicate that lists the files. That program passes over other members of the predicate; ours link to the log.

use std::collections::BTreeMap;

use gate::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::bundle::{Bundle, BundleError};
use crate::keys::{P256Signer, P256Verifier};
use crate::statement::{Statement, StatementError, Subject};

/// Predicate type of a model signature.
pub const MODEL_SIGNATURE_TYPE: &str = "https://model_signing/signature/v1.0";
/// Most files in one model.
pub const MODEL_FILES_MAX: usize = 10_000;
/// What `model_signing` leaves out of every model by itself; written down because its verifier reads it from here.
const IGNORED_PATHS: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// The files of a model: relative path with `/` between its parts, and the SHA-256 of the file.
pub type ModelFiles = BTreeMap<String, Digest>;

/// Why a model was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Nothing to sign, or too much.
    #[error("model has `{0}` files, not 1 to `{MODEL_FILES_MAX}`")]
    Count(usize),
    /// The path could point out of the model, or two paths could name one file.
    #[error("path `{0}` is not a plain relative path")]
    Path(String),
    /// Predicate members of the layout itself may not be overwritten.
    #[error("predicate member `{0}` belongs to the layout")]
    Member(String),
    /// A hash or a layout that we do not use.
    #[error("model was signed with `{0}`, of which we verify whole files with sha256 alone")]
    Unsupported(String),
    /// The list of files does not hash to the signed subject.
    #[error("signed root digest is `{signed}`, but the listed files hash to `{computed}`")]
    Root {
        /// In the subject.
        signed: Digest,
        /// Over the list.
        computed: Digest,
    },
    /// A signed file is not there.
    #[error("model lacks the signed file `{0}`")]
    Missing(String),
    /// A file is there that was not signed.
    #[error("model has the file `{0}`, which was not signed")]
    Extra(String),
    /// A file has other bytes.
    #[error("file `{path}` has digest `{seen}`, signed was `{signed}`")]
    Changed {
        /// The file.
        path: String,
        /// Its digest now.
        seen: Digest,
        /// Its digest when signed.
        signed: Digest,
    },
    /// The bundle does not hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// A verified model signature.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedModel {
    /// The model's name as it was signed.
    pub name: String,
    /// Root digest over the digests of its files.
    pub root: Digest,
    /// Further members of the predicate.
    pub extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Predicate {
    serialization: Serialization,
    resources: Vec<FileEntry>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Serialization {
    method: String,
    hash_type: String,
}

#[derive(Serialize, Deserialize)]
struct FileEntry {
    algorithm: String,
    digest: String,
    name: String,
}

/// Hashes the files of a model that are in memory.
pub fn digest_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> ModelFiles {
    files.into_iter().map(|(path, bytes)| (path.to_owned(), Digest::of(bytes))).collect()
}

/// The root digest: SHA-256 over the file digests, in the order of the paths' parts.
pub fn root_digest(files: &ModelFiles) -> Digest {
    digest_of_digests(in_order(files).map(|(_, digest)| *digest))
}

/// Signs a model. `extra` becomes further members of the predicate.
pub fn sign(name: &str, files: &ModelFiles, extra: &Map<String, Value>, signer: &P256Signer) -> Result<Bundle, ModelError> {
    check_files(files)?;
    let resources: Vec<FileEntry> = in_order(files)
        .map(|(path, digest)| FileEntry { algorithm: "sha256".into(), digest: digest.hex(), name: path.clone() })
        .collect();
    let mut predicate = extra.clone();
    let layout = [
        (
            "serialization",
            json!({ "method": "files", "hash_type": "sha256", "allow_symlinks": false, "ignore_paths": IGNORED_PATHS }),
        ),
        (
            "resources",
            serde_json::to_value(resources)
                .map_err(|error| StatementError::Json(error.to_string()))
                .map_err(BundleError::from)?,
        ),
    ];
    for (member, value) in layout {
        if predicate.insert(member.to_owned(), value).is_some() {
            return Err(ModelError::Member(member.to_owned()));
        }
    }
    let statement = Statement {
        subject: vec![Subject { name: name.to_owned(), digest: root_digest(files) }],
        predicate_type: MODEL_SIGNATURE_TYPE.into(),
        predicate: Value::Object(predicate),
    };
    Ok(Bundle::sign(&statement, signer)?)
}

/// Verifies that exactly these files were signed by one of the trusted keys: no file more, none less, none changed.
pub fn verify(bundle: &Bundle, trusted: &[P256Verifier], files: &ModelFiles) -> Result<SignedModel, ModelError> {
    let statement = bundle.verify(trusted)?;
    let predicate: Predicate = statement.predicate_as(MODEL_SIGNATURE_TYPE).map_err(BundleError::from)?;
    let Serialization { method, hash_type } = &predicate.serialization;
    if method != "files" || hash_type != "sha256" {
        return Err(ModelError::Unsupported(format!("{method}, {hash_type}")));
    }
    let [subject] = statement.subject.as_slice() else {
        return Err(ModelError::Unsupported(format!("{} subjects", statement.subject.len())));
    };
    let mut signed = ModelFiles::new();
    let mut digests = Vec::new();
    for FileEntry { algorithm, digest, name } in predicate.resources {
        let digest = Digest::from_hex(&digest).map_err(|_| ModelError::Unsupported(algorithm.clone()))?;
        if algorithm != "sha256" {
            return Err(ModelError::Unsupported(algorithm));
        }
        digests.push(digest);
        if signed.insert(name.clone(), digest).is_some() {
            return Err(ModelError::Path(name));
        }
    }
    check_files(&signed)?;
    let computed = digest_of_digests(digests.into_iter());
    if computed != subject.digest {
        return Err(ModelError::Root { signed: subject.digest, computed });
    }
    compare(&signed, files)?;
    Ok(SignedModel { name: subject.name.clone(), root: subject.digest, extra: predicate.extra })
}

fn compare(signed: &ModelFiles, files: &ModelFiles) -> Result<(), ModelError> {
    for (path, digest) in signed {
        match files.get(path) {
            None => return Err(ModelError::Missing(path.clone())),
            Some(seen) if seen != digest => return Err(ModelError::Changed { path: path.clone(), seen: *seen, signed: *digest }),
            Some(_) => {}
        }
    }
    match files.keys().find(|path| !signed.contains_key(*path)) {
        Some(path) => Err(ModelError::Extra(path.clone())),
        None => Ok(()),
    }
}

fn check_files(files: &ModelFiles) -> Result<(), ModelError> {
    if files.is_empty() || files.len() > MODEL_FILES_MAX {
        return Err(ModelError::Count(files.len()));
    }
    for path in files.keys() {
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
        if !path.split('/').all(plain) {
            return Err(ModelError::Path(path.clone()));
        }
    }
    Ok(())
}

/// Python orders paths by their parts, so `a/b` comes before `a.b` although `/` comes after `.` in ASCII.
fn in_order(files: &ModelFiles) -> impl Iterator<Item = (&String, &Digest)> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| left.split('/').cmp(right.split('/')));
    sorted.into_iter()
}

fn digest_of_digests(digests: impl Iterator<Item = Digest>) -> Digest {
    let all: Vec<u8> = digests.flat_map(|digest| *digest.as_bytes()).collect();
    Digest::of(&all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{other_signer, signer};

    fn files() -> ModelFiles {
        digest_files([("a.bin", b"hello".as_slice()), ("sub/b.txt", b"zz"), ("empty", b"")])
    }

    fn check(change: impl FnOnce(&mut ModelFiles)) -> Result<SignedModel, ModelError> {
        let extra = Map::from_iter([("stayward".to_owned(), json!({ "entry": 7 }))]);
        let bundle = sign("m", &files(), &extra, &signer()).unwrap();
        let mut now = files();
        change(&mut now);
        verify(&bundle, &[signer().verifier().clone()], &now)
    }

    #[test]
    fn the_root_digest_is_what_model_signing_wrote_for_the_same_files() {
        // `model_signing sign key` 1.1.1 over the same three files.
        assert_eq!(root_digest(&files()).hex(), "d6cea02a4463bbccbd8a064713c6592391db9f3bf7297174523e8e407896faa0");
    }

    #[test]
    fn a_bundle_that_model_signing_wrote_verifies_here() {
        // Written by `model_signing sign key` 1.1.1 over a folder with these three files.
        let bundle = Bundle::parse(include_bytes!("../testdata/model-signing-1.1.1.json")).unwrap();
        let key = P256Verifier::from_spki_pem(include_str!("../testdata/model-signing-1.1.1.pem")).unwrap();
        assert_eq!(verify(&bundle, std::slice::from_ref(&key), &files()).unwrap().name, "m");
        let changed = digest_files([("a.bin", b"hellO".as_slice()), ("sub/b.txt", b"zz"), ("empty", b"")]);
        assert!(matches!(verify(&bundle, &[key], &changed), Err(ModelError::Changed { path, .. }) if path == "a.bin"));
    }

    #[test]
    fn the_same_files_pass_with_their_extra_members() {
        let signed = check(|_| {}).unwrap();
        assert_eq!((signed.name.as_str(), signed.root), ("m", root_digest(&files())));
        assert_eq!(signed.extra.get("stayward"), Some(&json!({ "entry": 7 })));
        assert_eq!(signed.extra.len(), 1);
    }

    #[test]
    fn a_changed_file_is_refused() {
        let changed = check(|now| *now.get_mut("empty").unwrap() = Digest::of(b"x"));
        assert!(matches!(changed, Err(ModelError::Changed { path, .. }) if path == "empty"));
    }

    #[test]
    fn a_missing_or_an_extra_file_is_refused() {
        assert_eq!(check(|now| now.retain(|path, _| path != "sub/b.txt")), Err(ModelError::Missing("sub/b.txt".into())));
        assert_eq!(check(|now| now.extend([("z".into(), Digest::of(b""))])), Err(ModelError::Extra("z".into())));
    }

    #[test]
    fn a_strangers_key_is_refused() {
        let bundle = sign("m", &files(), &Map::new(), &other_signer()).unwrap();
        let refused = verify(&bundle, &[signer().verifier().clone()], &files());
        assert!(matches!(refused, Err(ModelError::Bundle(BundleError::UnknownKey(_)))));
    }

    #[test]
    fn a_statement_of_another_kind_is_no_model_signature() {
        let bundle = Bundle::sign(&crate::bundle::tests::statement(), &signer()).unwrap();
        let refused = verify(&bundle, &[signer().verifier().clone()], &files());
        assert!(matches!(refused, Err(ModelError::Bundle(BundleError::Statement(StatementError::PredicateType { .. })))));
    }

    #[test]
    fn a_list_that_does_not_hash_to_the_subject_is_refused() {
        let bundle = sign("m", &files(), &Map::new(), &signer()).unwrap();
        let mut statement = bundle.verify(&[signer().verifier().clone()]).unwrap();
        statement.subject[0].digest = Digest::of(b"other");
        let bent = Bundle::sign(&statement, &signer()).unwrap();
        assert!(matches!(verify(&bent, &[signer().verifier().clone()], &files()), Err(ModelError::Root { .. })));
    }

    #[test]
    fn paths_out_of_the_model_and_empty_models_are_not_signed() {
        for path in ["../a", "/a", "a//b", "a/./b", "a\\b", "", "a/"] {
            let refused = sign("m", &digest_files([(path, b"".as_slice())]), &Map::new(), &signer());
            assert_eq!(refused, Err(ModelError::Path(path.into())));
        }
        assert_eq!(sign("m", &ModelFiles::new(), &Map::new(), &signer()), Err(ModelError::Count(0)));
        let taken = Map::from_iter([("resources".to_owned(), json!(1))]);
        assert_eq!(sign("m", &files(), &taken, &signer()), Err(ModelError::Member("resources".into())));
    }

    #[test]
    fn files_are_ordered_by_the_parts_of_their_paths() {
        let files = digest_files([("a.b", b"1".as_slice()), ("a/b", b"2"), ("a", b"3")]);
        assert_eq!(in_order(&files).map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a", "a/b", "a.b"]);
    }
}
