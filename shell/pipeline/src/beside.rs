//! What lies beside a delivery and says who sent it: our bundle, or a claim file with its signature by another program (T1).
//!
//! ```text
//! NAME                     the delivery
//! NAME.sigstore.json       `stayward feed sign`
//! NAME.claim.json          `stayward feed claim`, with one of
//!   NAME.claim.json.minisig | .sig (ssh-keygen) | .asc (OpenPGP)
//!   NAME.SHA256SUMS, or SHA256SUMS of the folder, with .minisig | .sig | .asc of that list
//! ```

use std::path::{Path, PathBuf};

use gate::Digest;
use provenance::checksums::LIST_BYTES_MAX;
use provenance::{SIGNATURE_BYTES_MAX, Scheme};
use s01_intake::{CLAIM_BYTES_MAX, CLAIM_SUFFIX, Detached};
use store::disk::{self, DiskError};

use crate::PipelineError;

/// What follows the name of a file with a bundle.
pub(crate) const BUNDLE_SUFFIX: &str = ".sigstore.json";
/// Largest bundle.
const BUNDLE_BYTES_MAX: u64 = 4 << 20;
/// A checksum list for the whole folder, and what follows a delivery's name in one for itself.
const LIST: &str = "SHA256SUMS";
const LIST_SUFFIX: &str = ".SHA256SUMS";

/// The signatures of one delivery, as they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) bundle: Option<String>,
    pub(crate) detached: Option<Detached>,
}

/// Whether a file of an inbox is there for another one.
pub(crate) fn is_sidecar(name: &str) -> bool {
    let signed = Scheme::ALL.iter().find_map(|scheme| name.strip_suffix(scheme.suffix())).unwrap_or(name);
    name.ends_with(BUNDLE_SUFFIX) || signed.ends_with(CLAIM_SUFFIX) || signed == LIST || signed.ends_with(LIST_SUFFIX)
}

/// The delivery that a file of an inbox belongs to: itself, or the one that it signs. The folder's own list belongs to none.
pub(crate) fn delivery_of(name: &str) -> &str {
    if !is_sidecar(name) {
        return name;
    }
    let signed = Scheme::ALL.iter().find_map(|scheme| name.strip_suffix(scheme.suffix())).unwrap_or(name);
    [BUNDLE_SUFFIX, CLAIM_SUFFIX, LIST_SUFFIX].iter().find_map(|suffix| signed.strip_suffix(suffix)).unwrap_or_default()
}

impl Beside {
    /// A name for the signatures, which changes with them.
    pub(crate) fn name(bundle: Option<&str>, detached: Option<&Detached>) -> String {
        match (bundle, detached) {
            (Some(bundle), _) => Digest::of(bundle.as_bytes()).hex(),
            (None, Some(detached)) => Digest::of_json(detached).hex(),
            (None, None) => "unsigned".to_owned(),
        }
    }

    /// Reads what lies beside the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, PipelineError> {
        let bundle = with(path, BUNDLE_SUFFIX);
        if bundle.is_file() {
            let bytes = disk::read_limited(&bundle, BUNDLE_BYTES_MAX)?;
            return Ok(Self { bundle: Some(String::from_utf8_lossy(&bytes).into_owned()), detached: None });
        }
        Ok(Self { bundle: None, detached: detached(path)? })
    }

    /// Every file that belongs to the delivery at `path`, with what follows the delivery's name where it is kept.
    pub(crate) fn files(path: &Path) -> Vec<(PathBuf, String)> {
        let suffixes = [BUNDLE_SUFFIX.to_owned()].into_iter().chain(signed(CLAIM_SUFFIX)).chain(signed(LIST_SUFFIX));
        let mut files: Vec<_> = suffixes.map(|suffix| (with(path, &suffix), suffix)).filter(|(file, _)| file.is_file()).collect();
        if with(path, CLAIM_SUFFIX).is_file() && !with(path, LIST_SUFFIX).is_file() {
            // The folder's list goes with the delivery under the delivery's name: the next one brings another list.
            let of_folder = signed(LIST).into_iter().zip(signed(LIST_SUFFIX));
            files.extend(of_folder.map(|(name, suffix)| (path.with_file_name(name), suffix)).filter(|(file, _)| file.is_file()));
        }
        files
    }
}

/// A name, and the names of its signatures.
fn signed(name: &str) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(Scheme::ALL.iter().map(|scheme| format!("{name}{}", scheme.suffix()))).collect()
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    PathBuf::from(beside)
}

/// The claim file with the signature of itself or, where there is none, of a list.
fn detached(path: &Path) -> Result<Option<Detached>, PipelineError> {
    let claim = with(path, CLAIM_SUFFIX);
    if !claim.is_file() {
        return Ok(None);
    }
    let signature_of = |file: &Path| {
        Scheme::ALL.into_iter().map(|scheme| (scheme, with(file, scheme.suffix()))).find(|(_, signature)| signature.is_file())
    };
    let lists = [with(path, LIST_SUFFIX), path.with_file_name(LIST)];
    let found = match signature_of(&claim) {
        Some(signature) => Some((signature, None)),
        None => lists.iter().filter(|list| list.is_file()).find_map(|list| Some((signature_of(list)?, Some(list)))),
    };
    let Some(((scheme, signature), list)) = found else { return Ok(None) };
    let claim = text(&claim, CLAIM_BYTES_MAX)?;
    let list = list.map(|list| text(list, LIST_BYTES_MAX)).transpose()?;
    Ok(Some(Detached { scheme, claim, signature: text(&signature, SIGNATURE_BYTES_MAX)?, list }))
}

/// A file as text. One that is too long is only so long that the door refuses it for that: it must not end the run.
fn text(path: &Path, bytes_max: usize) -> Result<String, PipelineError> {
    match disk::read_limited(path, u64::try_from(bytes_max).unwrap_or(u64::MAX)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(DiskError::TooLarge { .. }) => Ok(" ".repeat(bytes_max.saturating_add(1))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_a_delivery_are_not_deliveries() {
        for name in [
            "a.csv.sigstore.json",
            "a.csv.claim.json",
            "a.csv.claim.json.minisig",
            "a.csv.claim.json.sig",
            "a.csv.claim.json.asc",
            "SHA256SUMS",
            "SHA256SUMS.asc",
            "a.csv.SHA256SUMS",
            "a.csv.SHA256SUMS.sig",
        ] {
            assert!(is_sidecar(name), "{name}");
            assert_eq!(delivery_of(name), if name.starts_with('S') { "" } else { "a.csv" }, "{name}");
        }
        for name in ["a.csv", "a.json", "a.csv.sig", "a.asc", "claim.json", "MYSHA256SUMS"] {
            assert!(!is_sidecar(name), "{name}");
        }
    }

    #[test]
    fn the_nearest_signature_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let write = |suffix: &str| std::fs::write(with(&path, suffix), suffix).unwrap();
        let scheme = || Beside::read(&path).unwrap().detached.map(|found| (found.scheme, found.signature, found.list));
        write("");
        write(".claim.json");
        assert_eq!(scheme(), None);
        std::fs::write(folder.path().join("SHA256SUMS"), "list").unwrap();
        std::fs::write(folder.path().join("SHA256SUMS.asc"), "list.asc").unwrap();
        assert_eq!(scheme(), Some((Scheme::Openpgp, "list.asc".into(), Some("list".into()))));
        let files: Vec<_> = Beside::files(&path).into_iter().map(|(_, suffix)| suffix).collect();
        assert_eq!(files, [".claim.json", ".SHA256SUMS", ".SHA256SUMS.asc"]);
        write(".SHA256SUMS");
        write(".SHA256SUMS.minisig");
        assert_eq!(scheme().unwrap().0, Scheme::Minisign);
        write(".claim.json.sig");
        assert_eq!(scheme(), Some((Scheme::Ssh, ".claim.json.sig".into(), None)));
        std::fs::write(with(&path, ".claim.json.sig"), "x".repeat(SIGNATURE_BYTES_MAX + 9)).unwrap();
        assert_eq!(scheme().unwrap().1.len(), SIGNATURE_BYTES_MAX + 1);
        write(".sigstore.json");
        let read = Beside::read(&path).unwrap();
        assert_eq!((read.bundle.as_deref(), read.detached), (Some(".sigstore.json"), None));
    }
}
