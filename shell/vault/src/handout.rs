//! Secrets handed to another program as files in memory (T4): never as an argument or in the environment, where `ps`, crash reports
//! and every child of that program would see them.
//!
//! The folder's name goes to the program in `CREDENTIALS_DIRECTORY`, as systemd does it (systemd.exec(5), `LoadCredential=`), so
//! programs that read credentials of systemd read these. The folder lies in a tmpfs, is entered by its owner alone, and is wiped
//! when it is dropped; what a crash left is wiped when the next one is made. A tmpfs may be written to swap: encrypt that.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::disk::failed;
use crate::error::VaultError;
use crate::{check_name, random_bytes};

/// The variable that names the folder to the program.
pub const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Secrets in one folder at most.
pub const HANDOUT_SECRETS_MAX: usize = 64;
/// Folders of crashed processes that are wiped at a time.
const LEFT_MAX: usize = 1_000;
/// A lock file beside the secrets' folders: held while a folder is in use, so that a folder without a holder is left over.
const LOCK_ENDING: &str = ".lock";
/// Magic numbers of statfs(2) for file systems that lie in memory.
const TMPFS_MAGIC: u64 = 0x0102_1994;
const RAMFS_MAGIC: u64 = 0x8584_58f6;

/// A folder of secrets that lives as long as this value.
#[derive(Debug)]
pub struct Handout {
    folder: PathBuf,
    lock_path: PathBuf,
    /// Held until drop.
    _lock: File,
}

impl Handout {
    /// Writes the secrets, each to a file of its name, in a fresh folder in memory.
    ///
    /// # Errors
    /// [`VaultError::NotInMemory`] where neither `XDG_RUNTIME_DIR` nor `/dev/shm` is a tmpfs; [`VaultError::Name`],
    /// [`VaultError::Limit`] or a disk error.
    pub fn new(secrets: &[(&str, &[u8])]) -> Result<Self, VaultError> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime.into_iter().chain([PathBuf::from("/dev/shm")]);
        let place = places.into_iter().find(|place| in_memory(place));
        Self::below(&place.ok_or_else(|| VaultError::NotInMemory(PathBuf::from("/dev/shm")))?, secrets)
    }

    /// The same below a folder that is named.
    ///
    /// # Errors
    /// As [`Handout::new`].
    pub fn below(place: &Path, secrets: &[(&str, &[u8])]) -> Result<Self, VaultError> {
        if !in_memory(place) {
            return Err(VaultError::NotInMemory(place.to_owned()));
        }
        if secrets.len() > HANDOUT_SECRETS_MAX {
            return Err(VaultError::Limit { what: "number of secrets for one program", limit: HANDOUT_SECRETS_MAX });
        }
        let ours = own_folder(place)?;
        // One at a time: between a lock file and its lock it would look left over.
        let making = File::open(&ours).map_err(failed("open", &ours))?;
        making.lock().map_err(failed("lock", &ours))?;
        wipe_left(&ours)?;
        let name = HEXLOWER.encode(&random_bytes(8)?);
        let (folder, lock_path) = (ours.join(&name), ours.join(format!("{name}{LOCK_ENDING}")));
        // The lock comes first: a folder without a lock is left over.
        let lock = private().write(true).create_new(true).open(&lock_path).map_err(failed("create", &lock_path))?;
        lock.lock().map_err(failed("lock", &lock_path))?;
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed("make the folder", &folder))?;
        let handout = Self { folder, lock_path, _lock: lock };
        for (name, bytes) in secrets {
            check_name(name)?;
            let path = handout.folder.join(name);
            let mut file = private().write(true).create_new(true).open(&path).map_err(failed("create", &path))?;
            file.write_all(bytes).map_err(failed("write", &path))?;
        }
        Ok(handout)
    }

    /// The folder, for [`CREDENTIALS_VARIABLE`].
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Handout {
    fn drop(&mut self) {
        wipe(&self.folder);
        let _left_for_the_next = fs::remove_file(&self.lock_path);
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn in_memory(place: &Path) -> bool {
    rustix::fs::statfs(place)
        .is_ok_and(|facts| u64::try_from(facts.f_type).is_ok_and(|kind| [TMPFS_MAGIC, RAMFS_MAGIC].contains(&kind)))
}

/// Our folder below a place that others may write to: a real folder, of this user, entered by nobody else.
fn own_folder(place: &Path) -> Result<PathBuf, VaultError> {
    let user = rustix::process::geteuid().as_raw();
    let ours = place.join(format!("stayward-{user}"));
    match DirBuilder::new().mode(0o700).create(&ours) {
        Ok(()) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed("make the folder", &ours)(cause)),
    }
    let facts = fs::symlink_metadata(&ours).map_err(failed("look at", &ours))?;
    if !facts.is_dir() || facts.uid() != user {
        return Err(VaultError::NotInMemory(ours));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(VaultError::OpenToOthers { path: ours, mode: facts.mode() & 0o7777 });
    }
    Ok(ours)
}

/// Wipes folders that no living process holds.
fn wipe_left(ours: &Path) -> Result<(), VaultError> {
    let entries = fs::read_dir(ours).map_err(failed("list", ours))?;
    for entry in entries.take(LEFT_MAX).filter_map(Result::ok) {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(folder) = name.strip_suffix(LOCK_ENDING).map(|name| ours.join(name)) else { continue };
        // Whoever holds the lock lives; whoever was killed holds it no more.
        let free = File::open(&path).is_ok_and(|lock| lock.try_lock().is_ok());
        if free {
            wipe(&folder);
            let _gone_already = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Overwrites and removes. Whatever fails is tried again when the next folder is made.
fn wipe(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if let (Ok(facts), Ok(mut file)) = (entry.metadata(), OpenOptions::new().write(true).open(&path))
            && facts.is_file()
        {
            let length = usize::try_from(facts.len()).unwrap_or(0).min(crate::SECRET_BYTES_MAX);
            let _best_effort = file.write_all(&vec![0; length]);
        }
        let _best_effort = fs::remove_file(&path);
    }
    let _best_effort = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder of its own in memory, so that tests do not wipe each other's.
    fn place() -> Option<tempfile::TempDir> {
        in_memory(Path::new("/dev/shm")).then(|| tempfile::tempdir_in("/dev/shm").unwrap())
    }

    fn ours(place: &Path) -> Vec<PathBuf> {
        let ours = place.join(format!("stayward-{}", rustix::process::geteuid().as_raw()));
        fs::read_dir(ours).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn files_are_private_and_go_with_the_value() {
        let Some(place) = place() else { return };
        let handout = Handout::below(place.path(), &[("db", b"needle"), ("api", b"\xff")]).unwrap();
        assert_eq!(fs::read(handout.folder().join("db")).unwrap(), b"needle");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(handout.folder()), mode(&handout.folder().join("db"))), (0o700, 0o600));
        let second = Handout::below(place.path(), &[]).unwrap();
        assert!(handout.folder().join("db").exists(), "a folder in use was wiped");
        drop((handout, second));
        assert!(ours(place.path()).is_empty());
    }

    #[test]
    fn what_a_crash_left_is_wiped_by_the_next() {
        let Some(place) = place() else { return };
        let handout = Handout::below(place.path(), &[("db", b"needle")]).unwrap();
        // As after a kill: the lock is free, the files are there.
        let left = handout.folder().to_owned();
        let lock = handout.lock_path.clone();
        drop(handout);
        fs::create_dir(&left).unwrap();
        fs::write(left.join("db"), b"needle").unwrap();
        fs::write(&lock, b"").unwrap();
        let next = Handout::below(place.path(), &[]).unwrap();
        assert!(!left.exists() && !lock.exists());
        drop(next);
    }

    #[test]
    fn places_on_disk_and_names_with_a_way_out_are_refused() {
        let disk = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        if !in_memory(disk.path()) {
            assert!(matches!(Handout::below(disk.path(), &[]), Err(VaultError::NotInMemory(_))));
        }
        let Some(place) = place() else { return };
        assert!(matches!(Handout::below(place.path(), &[("../x", b"")]), Err(VaultError::Name(_))));
        assert!(ours(place.path()).is_empty());
    }

    #[test]
    fn a_folder_that_others_may_enter_or_prepared_is_refused() {
        let Some(place) = place() else { return };
        let ours = place.path().join(format!("stayward-{}", rustix::process::geteuid().as_raw()));
        fs::create_dir(&ours).unwrap();
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Handout::below(place.path(), &[]), Err(VaultError::OpenToOthers { .. })));
        fs::remove_dir(&ours).unwrap();
        std::os::unix::fs::symlink("/dev/shm", &ours).unwrap();
        assert!(matches!(Handout::below(place.path(), &[]), Err(VaultError::NotInMemory(_))));
    }
}
