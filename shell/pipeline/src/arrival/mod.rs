//! How deliveries get into an inbox from a network (T1): under the supplier's own identity, whole or not at all, never over another file,
//! never more than the policy lets wait; and how they came is an entry of the log, which the door of intake judges.
//!
//! A sender hands in what signs a delivery before the delivery itself: each file appears in the inbox at once and under its final name,
//! so a run that finds the delivery finds its signature, too.

mod record;
mod staging;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gate::Digest;
use store::disk::{self, DiskError};

use crate::beside::{delivery_of, is_sidecar};

pub(crate) use record::arrival_of;
pub use record::{Deliverer, RefusedDelivery, Taken};
pub use staging::{Staged, Staging};

/// Bytes of a file name at most: with what is put around it, every file system takes it.
pub const FILE_NAME_BYTES_MAX: usize = 120;
/// Bytes of a signature, claim or checksum list at most.
pub const COMPANION_BYTES_MAX: u64 = 4 << 20;
/// Files of one inbox that wait for a run at most, what signs them included.
pub const FILES_WAITING_MAX: usize = 256;
/// Bytes that wait for a run at most, in largest deliveries of the feed.
const LARGEST_WAITING_MAX: u64 = 8;
/// Files of one inbox at most.
const FILES_MAX: usize = 20_000;
/// How long one sender waits for another at the same inbox.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// No file takes so long to come.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);
/// With what the names of our own files in an inbox begin; no delivery's name begins so.
const HIDDEN: char = '.';
const LOCK_FILE: &str = ".inbox.lock";
/// The checksum list for a whole folder: the next delivery would bring another one under the same name.
const FOLDER_LIST: &str = "SHA256SUMS";

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalError {
    /// Its name cannot be one.
    #[error("the file's name is none that is taken: {0}")]
    Name(&'static str),
    /// It is larger than the feed allows.
    #[error("the file has more than `{bytes_max}` bytes")]
    TooLarge {
        /// What is allowed.
        bytes_max: u64,
    },
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Its bytes are not those that the sender's header names.
    #[error("the bytes are not those that `content-digest` names: `{found}` came")]
    Changed {
        /// SHA-256 of what came, short.
        found: String,
    },
    /// Another file has the name.
    #[error("the inbox has another file of this name")]
    Conflict,
    /// Too much waits already.
    #[error("{0} wait in the inbox already")]
    Full(String),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something else failed.
    #[error("{0}")]
    Internal(String),
}

impl ArrivalError {
    /// The rule that refused, for evidence and for the sender; none where it is no refusal but our fault.
    #[must_use]
    pub const fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Name(_) => Some("arrival-name"),
            Self::TooLarge { .. } | Self::Empty => Some("arrival-size"),
            Self::Changed { .. } => Some("arrival-digest"),
            Self::Conflict => Some("arrival-conflict"),
            Self::Full(_) => Some("arrival-quota"),
            Self::Disk(_) | Self::Internal(_) => None,
        }
    }
}

/// The inbox of one feed, opened for somebody who may hand in.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// The feed.
    pub feed: String,
    /// Whose feed it is.
    pub supplier: String,
    folder: PathBuf,
    size_max_bytes: u64,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    New,
    /// It was there before, with the same bytes.
    Same,
}

impl Inbox {
    /// Of a feed, in this folder, which is made where it is missing.
    ///
    /// # Errors
    /// A disk error.
    pub fn open(feed: &str, supplier: &str, folder: &Path, size_max_bytes: u64) -> Result<Self, DiskError> {
        disk::make_folder(folder)?;
        Ok(Self { feed: feed.to_owned(), supplier: supplier.to_owned(), folder: folder.to_owned(), size_max_bytes })
    }

    /// How many bytes a file of this name may have.
    #[must_use]
    pub fn bytes_max(&self, name: &str) -> u64 {
        if is_sidecar(name) { COMPANION_BYTES_MAX } else { self.size_max_bytes }
    }

    /// Begins to take a file: its bytes go to a hidden file of the inbox, which is gone again unless it is put in place.
    ///
    /// # Errors
    /// [`ArrivalError::Name`], or a disk error.
    pub fn begin(&self, name: &str) -> Result<Staging, ArrivalError> {
        check_name(name).map_err(ArrivalError::Name)?;
        Staging::new(&self.folder, name, self.bytes_max(name))
    }

    /// Puts a whole file in place, unless another one has its name; `note` is called before, once it is settled that it is new.
    /// `settled` says of a delivery's digest whether a run has judged it for good: such files do not count as waiting.
    ///
    /// # Errors
    /// [`ArrivalError::Conflict`], [`ArrivalError::Full`], what `note` says, or a disk error.
    pub fn put<N: FnOnce(&Staged) -> Result<(), ArrivalError>>(
        &self,
        staged: &Staged,
        settled: &dyn Fn(&Path) -> bool,
        note: N,
    ) -> Result<Put, ArrivalError> {
        let _turn = disk::lock(&self.folder.join(LOCK_FILE), LOCK_WAIT)?;
        let to = self.folder.join(&staged.name);
        if let Some(put) = self.there(&to, staged.sha256)? {
            return Ok(put);
        }
        self.check_quota(staged.bytes, settled)?;
        note(staged)?;
        match std::fs::hard_link(&staged.path, &to) {
            Ok(()) => {}
            // Somebody who knows nothing of our lock put a file there.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return self.there(&to, staged.sha256)?.ok_or(ArrivalError::Conflict);
            }
            Err(error) => return Err(ArrivalError::Internal(format!("the file could not be put in place: {error}"))),
        }
        disk::sync_folder(&self.folder)?;
        Ok(Put::New)
    }

    /// What is there under a name: nothing, the same bytes, or others.
    fn there(&self, path: &Path, wanted: Digest) -> Result<Option<Put>, ArrivalError> {
        match disk::digest_of(path) {
            Ok((found, _)) if found == wanted => Ok(Some(Put::Same)),
            Ok(_) | Err(DiskError::NotAFile(_)) => Err(ArrivalError::Conflict),
            Err(DiskError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn check_quota(&self, coming: u64, settled: &dyn Fn(&Path) -> bool) -> Result<(), ArrivalError> {
        let names = disk::list(&self.folder)?;
        names.iter().filter(|name| name.starts_with(disk::TEMPORARY_PREFIX)).for_each(|name| remove_old(&self.folder.join(name)));
        if names.iter().filter(|name| !name.starts_with(HIDDEN)).count() >= FILES_MAX {
            return Err(ArrivalError::Full(format!("`{FILES_MAX}` files")));
        }
        let (mut files, mut bytes) = (0_usize, coming);
        for name in names.iter().filter(|name| !name.starts_with(HIDDEN)) {
            // What somebody put into the folder itself is not counted against those who hand in; what signs a delivery waits as long
            // as the delivery does.
            if !self.note_of(name).exists() || settled(&self.folder.join(delivery_of(name))) {
                continue;
            }
            files += 1;
            let size = std::fs::symlink_metadata(self.folder.join(name)).map_or(0, |found| found.len());
            bytes = bytes.saturating_add(size);
        }
        if files >= FILES_WAITING_MAX {
            return Err(ArrivalError::Full(format!("`{files}` files")));
        }
        let bytes_max = self.size_max_bytes.max(COMPANION_BYTES_MAX).saturating_mul(LARGEST_WAITING_MAX);
        if bytes > bytes_max {
            return Err(ArrivalError::Full(format!("more than `{bytes_max}` bytes with this file")));
        }
        Ok(())
    }

    /// Where it is kept how a file came.
    fn note_of(&self, name: &str) -> PathBuf {
        note_path(&self.folder.join(name))
    }
}

/// Removes what a crash left of a file that was coming; one that still comes is younger.
fn remove_old(path: &Path) {
    let age = std::fs::symlink_metadata(path).and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
    if age.is_some_and(|age| age > LEFT_OVER) {
        // Best effort: it is hidden and counts as nothing.
        let _gone = std::fs::remove_file(path);
    }
}

fn note_path(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!("{HIDDEN}{name}.arrival.json"))
}

/// Whether a file may have this name in an inbox.
fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match name.as_bytes() {
        [] => Err("it is empty"),
        bytes if bytes.len() > FILE_NAME_BYTES_MAX => Err("it is longer than 120 bytes"),
        [first, ..] if !first.is_ascii_alphanumeric() => Err("it does not begin with a letter or digit"),
        bytes if !bytes.iter().all(|byte| plain(*byte)) => Err("it has other letters than a-z, A-Z, 0-9, `.`, `-` and `_`"),
        _ if name.split('.').next() == Some(FOLDER_LIST) => {
            Err("a checksum list is handed in as NAME.SHA256SUMS, one for each delivery")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        folder: tempfile::TempDir,
        inbox: Inbox,
    }

    fn world(size_max_bytes: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::open("market", "acme", &folder.path().join("inbox"), size_max_bytes).unwrap();
        World { folder, inbox }
    }

    impl World {
        fn put(&self, name: &str, bytes: &[u8]) -> Result<Put, ArrivalError> {
            let mut staging = self.inbox.begin(name)?;
            staging.write(bytes)?;
            let staged = staging.finish(None)?;
            self.inbox.put(&staged, &|_| false, |_| Ok(disk::write_atomic(&self.inbox.note_of(name), b"a note")?))
        }

        fn files(&self) -> Vec<String> {
            let names = disk::list(&self.folder.path().join("inbox")).unwrap();
            names.into_iter().filter(|name| !name.starts_with(HIDDEN)).collect()
        }
    }

    #[test]
    fn a_file_is_put_once_and_never_over_another() {
        let world = world(100);
        assert_eq!(world.put("a.csv", b"one").unwrap(), Put::New);
        assert_eq!(world.put("a.csv", b"one").unwrap(), Put::Same);
        assert!(matches!(world.put("a.csv", b"two"), Err(ArrivalError::Conflict)));
        assert_eq!(world.files(), ["a.csv"]);
        assert_eq!(std::fs::read(world.folder.path().join("inbox/a.csv")).unwrap(), b"one");
    }

    #[test]
    fn a_link_of_that_name_is_another_file() {
        let world = world(100);
        std::os::unix::fs::symlink("/etc/passwd", world.folder.path().join("inbox/a.csv")).unwrap();
        assert!(matches!(world.put("a.csv", b"one"), Err(ArrivalError::Conflict)));
    }

    #[test]
    fn one_byte_more_than_allowed_leaves_nothing_behind() {
        let world = world(3);
        assert_eq!(world.put("a.csv", b"123").unwrap(), Put::New);
        assert!(matches!(world.put("b.csv", b"1234"), Err(ArrivalError::TooLarge { bytes_max: 3 })));
        assert!(matches!(world.put("c.csv", b""), Err(ArrivalError::Empty)));
        assert_eq!(world.files(), ["a.csv"]);
        // What signs a delivery may be longer than a small delivery.
        assert_eq!(world.put("b.csv.sigstore.json", b"{\"longer\":1}").unwrap(), Put::New);
    }

    #[test]
    fn only_plain_names_are_taken() {
        for name in ["a.csv", "A-1_b.csv.gz", "a.csv.claim.json.minisig", "a.SHA256SUMS", "0"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "a".repeat(FILE_NAME_BYTES_MAX + 1);
        for name in
            ["", ".", "..", ".a", "-a", "../a", "a/b", "a\\b", "a b", "a%2fb", "a\0", "ä", "SHA256SUMS", "SHA256SUMS.asc", &long]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn only_so_much_waits() {
        let world = world(3);
        for number in 0..FILES_WAITING_MAX {
            assert_eq!(world.put(&format!("f{number}"), b"1").unwrap(), Put::New);
        }
        assert!(matches!(world.put("one-more", b"1"), Err(ArrivalError::Full(_))));
        assert_eq!(world.put("f7", b"1").unwrap(), Put::Same, "what is there is there");
        // A delivery that a run has judged waits no more, and what signs it neither.
        let mut staging = world.inbox.begin("one-more").unwrap();
        staging.write(b"1").unwrap();
        let staged = staging.finish(None).unwrap();
        let settled = |path: &Path| path.ends_with("f7");
        assert_eq!(world.inbox.put(&staged, &settled, |_| Ok(())).unwrap(), Put::New);
    }

    #[test]
    fn what_lies_in_the_folder_anyhow_keeps_nobody_out() {
        let world = world(3);
        for number in 0..=FILES_WAITING_MAX {
            std::fs::write(world.folder.path().join(format!("inbox/f{number}")), b"1").unwrap();
        }
        assert_eq!(world.put("one-more", b"1").unwrap(), Put::New);
    }

    #[test]
    fn nothing_is_put_that_could_not_be_noted() {
        let world = world(3);
        let mut staging = world.inbox.begin("a").unwrap();
        staging.write(b"1").unwrap();
        let staged = staging.finish(None).unwrap();
        let put = world.inbox.put(&staged, &|_| false, |_| Err(ArrivalError::Internal("the log is full".into())));
        assert!(put.is_err());
        drop(staged);
        assert_eq!(world.files(), Vec::<String>::new());
    }
}
