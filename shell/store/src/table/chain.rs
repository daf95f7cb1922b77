//! The commits of a table in order (T6): read all, believed only as far as they follow from one another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gate::Digest;

use super::commit::{Body, COMMIT_BYTES_MAX, Commit, Data};
use super::violation::{TableViolation, ViolationKind};
use super::{LOG_FOLDER, TableError};
use crate::disk::{self, DiskError, TEMPORARY_PREFIX};

/// Versions of one table at most: every call reads all commits, as a checkpoint would be a second truth beside them.
pub const VERSIONS_MAX: u64 = 100_000;
/// Digits of a commit's name (Delta protocol, "Delta Log Entries").
const VERSION_DIGITS: usize = 20;
const COMMIT_SUFFIX: &str = ".json";

/// A commit with its digests.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) commit: Commit,
    /// Address of the version: see [`address`].
    pub(super) address: Digest,
}

impl Link {
    pub(super) fn data(&self) -> Option<Data> {
        match &self.commit.body {
            Body::Create(_) => None,
            Body::Write(data) => Some(*data),
        }
    }
}

/// The commits from 0 on that follow from one another, and what is wrong with the folder of commits.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) violations: Vec<TableViolation>,
}

/// The content address of a version: over the address of the version before (none before the first), the commit's digest, and the
/// data file's digest (none in the first). So it covers every commit and every data file up to that version.
fn address(before: Option<&Digest>, commit: &Digest, data: Option<&Digest>) -> Digest {
    let part = |digest: Option<&Digest>| digest.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default();
    Digest::of_parts([b"stayward table version 1".as_slice(), &part(before), commit.as_bytes(), &part(data)])
}

pub(super) fn commit_name(version: u64) -> String {
    format!("{version:0VERSION_DIGITS$}{COMMIT_SUFFIX}")
}

fn version_of_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(COMMIT_SUFFIX)?;
    let plain = digits.len() == VERSION_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

impl Chain {
    /// Reads all commits of the table in `dir`.
    ///
    /// # Errors
    /// When the folder itself cannot be read; all else is a violation.
    pub(super) fn load(dir: &Path) -> Result<Self, TableError> {
        let mut chain = Self { links: Vec::new(), violations: Vec::new() };
        let mut versions = BTreeSet::new();
        for name in disk::list(&dir.join(LOG_FOLDER))? {
            match version_of_name(&name) {
                Some(version) => {
                    versions.insert(version);
                }
                None if name.starts_with(TEMPORARY_PREFIX) => {}
                None => chain.note(None, name, ViolationKind::Foreign),
            }
        }
        let mut data = BTreeSet::new();
        let mut whole = true;
        let mut expected = 0;
        for version in versions {
            if version > expected || version >= VERSIONS_MAX {
                // One line for a gap of any width.
                chain.note(Some(expected), commit_name(expected), ViolationKind::Gap);
                whole = false;
            }
            expected = version.saturating_add(1);
            match chain.read(dir, version, whole) {
                Ok(link) if whole => {
                    if link.data().is_some_and(|file| !data.insert(file.digest)) {
                        chain.note(Some(version), commit_name(version), ViolationKind::Twice);
                        whole = false;
                    } else {
                        chain.links.push(link);
                    }
                }
                Ok(_) => {}
                Err(kind) => {
                    chain.note(Some(version), commit_name(version), kind);
                    whole = false;
                }
            }
        }
        if expected == 0 {
            chain.note(Some(0), commit_name(0), ViolationKind::Missing);
        }
        Ok(chain)
    }

    /// Reads one commit; checks that it follows, where all before it were good.
    fn read(&self, dir: &Path, version: u64, follows: bool) -> Result<Link, ViolationKind> {
        let path = dir.join(LOG_FOLDER).join(commit_name(version));
        let bytes = disk::read_limited(&path, COMMIT_BYTES_MAX).map_err(|error| unreadable(&error))?;
        let commit = Commit::decode(version, &bytes)?;
        let before = self.links.last().map(|link| &link.address);
        if follows && commit.info.stayward_previous.as_ref() != before {
            return Err(ViolationKind::Chain);
        }
        let digest = Digest::of(&bytes);
        let data = match &commit.body {
            Body::Create(_) => None,
            Body::Write(data) => Some(&data.digest),
        };
        let address = address(before, &digest, data);
        Ok(Link { address, commit })
    }

    /// The digests of the data files that the commits name.
    pub(super) fn data_digests(&self) -> BTreeSet<Digest> {
        self.links.iter().filter_map(Link::data).map(|file| file.digest).collect()
    }

    fn note(&mut self, version: Option<u64>, name: String, kind: ViolationKind) {
        self.violations.push(TableViolation { file: PathBuf::from(LOG_FOLDER).join(name), version, kind });
    }

    /// The commits up to `version`, or all of them. All of them are given only if nothing at all is wrong; those up to a version,
    /// if they follow from one another.
    pub(super) fn up_to(&self, version: Option<u64>) -> Result<&[Link], TableError> {
        let Some(version) = version else {
            return match self.violations.first() {
                Some(violation) => Err(violation.clone().into()),
                None => Ok(&self.links),
            };
        };
        let count = usize::try_from(version).unwrap_or(usize::MAX).saturating_add(1);
        match (self.links.get(..count), self.violations.iter().find(|violation| violation.version.is_some())) {
            (Some(links), _) => Ok(links),
            (None, Some(violation)) => Err(violation.clone().into()),
            (None, None) => Err(TableError::NoVersion { version, versions: u64::try_from(self.links.len()).unwrap_or(u64::MAX) }),
        }
    }
}

pub(super) fn unreadable(error: &DiskError) -> ViolationKind {
    match error {
        DiskError::Missing(_) => ViolationKind::Missing,
        DiskError::System { .. }
        | DiskError::Exists(_)
        | DiskError::TooLarge { .. }
        | DiskError::TooMany(_)
        | DiskError::NotAFile(_)
        | DiskError::Locked(_) => ViolationKind::Unreadable(error.to_string()),
    }
}
