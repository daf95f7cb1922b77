//! Things kept by their digest (T4, T6, T7): a changed or exchanged object is noticed when it is read, and says which file it was.
//!
//! `DIR/sha256/ab/cdef...` holds the object whose SHA-256 begins with `abcdef`. Files are read-only and never replaced.

use std::path::{Path, PathBuf};

use gate::Digest;
use serde::Serialize;

use crate::disk::{self, DiskError};

/// Bytes of one object at most: models and deliveries, not data lakes.
pub const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// Why an object cannot be kept or given.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The file of that object is not there.
    #[error("the object `{digest}` is missing: there is no file `{}`", path.display())]
    Missing {
        /// Which.
        digest: Digest,
        /// Where it should be.
        path: PathBuf,
    },
    /// The file's bytes are not those that its name promises.
    #[error("the object `{digest}` was changed: the file `{}` has the digest `{found}`", path.display())]
    Changed {
        /// Which.
        digest: Digest,
        /// The digest of what is there.
        found: Digest,
        /// Where.
        path: PathBuf,
    },
    /// More than [`OBJECT_BYTES_MAX`].
    #[error("an object of {bytes} bytes is larger than {OBJECT_BYTES_MAX} bytes")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// A value that JSON cannot hold.
    #[error("this cannot be written as JSON: {0}")]
    Json(String),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A folder of objects. Shared by reference and between processes: every call looks at the disk.
#[derive(Clone, Debug)]
pub struct Objects {
    folder: PathBuf,
}

impl Objects {
    /// Opens or makes the folder (mode 0700).
    ///
    /// # Errors
    /// A disk error.
    pub fn open(dir: &Path) -> Result<Self, ObjectError> {
        let folder = dir.join("sha256");
        disk::make_folder(&folder)?;
        // All 256 at once, so that no later put depends on a folder whose name is not yet on the disk.
        disk::make_folders_in(&folder, (0..=u8::MAX).map(|first| format!("{first:02x}")))?;
        Ok(Self { folder })
    }

    /// Keeps bytes; doing so again changes nothing. When it returns, they are on the disk.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`], a disk error, or [`ObjectError::Changed`] when a file of that name holds other bytes: it stays, as
    /// evidence.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, ObjectError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > OBJECT_BYTES_MAX {
            return Err(ObjectError::TooLarge { bytes: size });
        }
        let digest = Digest::of(bytes);
        let path = self.path_of(&digest);
        if path.symlink_metadata().is_err() {
            match disk::create_new_atomic(&path, bytes) {
                Ok(()) => return Ok(digest),
                // Somebody else kept the same bytes meanwhile.
                Err(DiskError::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.get(&digest).map(|_| digest)
    }

    /// Writes bytes aside, not yet kept nor on the disk: the log keeps them with the entry that rests on them, and waits once for all
    /// that came together ([`crate::log::Log::append_beside`]).
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`], a disk error.
    pub fn put_aside(&self, bytes: &[u8]) -> Result<Aside, ObjectError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > OBJECT_BYTES_MAX {
            return Err(ObjectError::TooLarge { bytes: size });
        }
        let digest = Digest::of(bytes);
        let path = self.path_of(&digest);
        let temporary = disk::write_aside(&path, bytes)?;
        Ok(Aside { objects: self.clone(), digest, path, temporary })
    }

    /// Keeps a value as canonical JSON (RFC 8785): equal values, equal digests, and the same as [`Digest::of_json`].
    ///
    /// # Errors
    /// [`ObjectError::Json`], and those of [`Objects::put`].
    pub fn put_json<T: Serialize>(&self, value: &T) -> Result<Digest, ObjectError> {
        self.put(&canonical(value)?)
    }

    /// [`Objects::put_aside`] of what [`Objects::put_json`] would keep.
    ///
    /// # Errors
    /// [`ObjectError::Json`], and those of [`Objects::put_aside`].
    pub fn put_json_aside<T: Serialize>(&self, value: &T) -> Result<Aside, ObjectError> {
        self.put_aside(&canonical(value)?)
    }

    /// The bytes of an object, hashed again.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], [`ObjectError::Changed`], a disk error.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, ObjectError> {
        let path = self.path_of(digest);
        let bytes = disk::read_limited(&path, OBJECT_BYTES_MAX).map_err(|error| match error {
            DiskError::Missing(path) => ObjectError::Missing { digest: *digest, path },
            error @ (DiskError::System { .. }
            | DiskError::Exists(_)
            | DiskError::TooLarge { .. }
            | DiskError::TooMany(_)
            | DiskError::NotAFile(_)
            | DiskError::Locked(_)) => error.into(),
        })?;
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(ObjectError::Changed { digest: *digest, found, path }) }
    }

    /// Whether there is a file for it; whether its bytes are right, only [`Objects::get`] says.
    pub fn has(&self, digest: &Digest) -> bool {
        self.path_of(digest).is_file()
    }

    /// Where an object is kept, or would be.
    pub fn path_of(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let (first, rest) = hex.split_at(2);
        self.folder.join(first).join(rest)
    }
}

fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, ObjectError> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| ObjectError::Json(error.to_string()))
}

/// An object that was written aside. Dropped before it was put in place, it was never there.
#[derive(Debug)]
pub struct Aside {
    objects: Objects,
    digest: Digest,
    path: PathBuf,
    temporary: PathBuf,
}

impl Aside {
    /// The object's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// First: the bytes are on the disk.
    pub(crate) fn sync(&self) -> Result<(), ObjectError> {
        Ok(disk::sync_file(&self.temporary)?)
    }

    /// Second: they have their name.
    pub(crate) fn put_in_place(&self) -> Result<(), ObjectError> {
        match disk::put_in_place(&self.temporary, &self.path) {
            // Somebody else kept the same bytes meanwhile.
            Err(DiskError::Exists(_)) => self.objects.get(&self.digest).map(drop),
            placed => Ok(placed?),
        }
    }

    /// Third: the folder that is to be synced, so that the name lasts.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.objects.folder)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        disk::remove_quietly(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn objects() -> (tempfile::TempDir, Objects) {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(&folder.path().join("objects")).unwrap();
        (folder, objects)
    }

    fn overwrite(path: &Path, bytes: &[u8]) {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn what_is_kept_comes_back_however_often_it_is_kept() {
        let (_folder, objects) = objects();
        let digest = objects.put(b"model").unwrap();
        assert_eq!(objects.put(b"model").unwrap(), digest);
        assert_eq!(digest, Digest::of(b"model"));
        assert_eq!(objects.get(&digest).unwrap(), b"model");
        assert!(objects.has(&digest));
        assert_eq!(fs::metadata(objects.path_of(&digest)).unwrap().permissions().mode() & 0o777, disk::READ_ONLY_MODE);
        assert_eq!(Objects::open(&_folder.path().join("objects")).unwrap().get(&digest).unwrap(), b"model");
    }

    #[test]
    fn the_empty_object_is_an_object() {
        let (_folder, objects) = objects();
        let digest = objects.put(b"").unwrap();
        assert_eq!(objects.get(&digest).unwrap(), b"");
    }

    #[test]
    fn equal_values_have_equal_digests() {
        let (_folder, objects) = objects();
        let one = objects.put_json(&serde_json::json!({"b": 1, "a": [2.0, "x"]})).unwrap();
        assert_eq!(objects.get(&one).unwrap(), br#"{"a":[2,"x"],"b":1}"#);
        assert_eq!(one, Digest::of_json(&serde_json::json!({"a": [2, "x"], "b": 1})));
    }

    #[test]
    fn every_changed_bit_is_noticed_and_the_file_named() {
        let (_folder, objects) = objects();
        let digest = objects.put(b"0123456789").unwrap();
        let path = objects.path_of(&digest);
        for bit in 0..80 {
            let mut bytes = b"0123456789".to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            overwrite(&path, &bytes);
            match objects.get(&digest) {
                Err(ObjectError::Changed { path: named, found, .. }) => {
                    assert_eq!((named, found), (path.clone(), Digest::of(&bytes)))
                }
                other => panic!("bit {bit}: {other:?}"),
            }
        }
        // Keeping it again does not paper over the change.
        assert!(matches!(objects.put(b"0123456789"), Err(ObjectError::Changed { .. })));
        overwrite(&path, b"0123456789");
        assert!(objects.get(&digest).is_ok());
    }

    #[test]
    fn a_missing_object_is_named() {
        let (_folder, objects) = objects();
        let digest = Digest::of(b"never kept");
        let text = objects.get(&digest).unwrap_err().to_string();
        assert!(text.contains(&digest.hex()) && text.contains("missing"), "{text}");
        assert!(!objects.has(&digest));
    }

    #[test]
    fn what_is_aside_is_not_there_until_it_is_put_in_place() {
        let (_folder, objects) = objects();
        drop(objects.put_json_aside(&"given up").unwrap());
        let aside = objects.put_aside(b"archive").unwrap();
        let twice = objects.put_aside(b"archive").unwrap();
        assert!(!objects.has(&aside.digest()));
        aside.sync().unwrap();
        aside.put_in_place().unwrap();
        assert_eq!(objects.get(&aside.digest()).unwrap(), b"archive");
        assert_eq!(fs::metadata(objects.path_of(&aside.digest())).unwrap().permissions().mode() & 0o777, disk::READ_ONLY_MODE);
        // The same bytes are no second object; other bytes under the name are noticed.
        twice.put_in_place().unwrap();
        overwrite(&objects.path_of(&aside.digest()), b"improved");
        let third = objects.put_aside(b"archive").unwrap();
        assert!(matches!(third.put_in_place(), Err(ObjectError::Changed { .. })));
        drop((aside, twice, third));
        assert!(!objects.has(&Digest::of(b"\"given up\"")));
        let left: Vec<_> =
            (0..=u8::MAX).flat_map(|first| disk::list(&objects.folder.join(format!("{first:02x}"))).unwrap()).collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn many_writers_of_the_same_bytes_all_succeed() {
        let (_folder, objects) = objects();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| objects.put(&[7; 10_000]).unwrap());
            }
        });
        assert_eq!(objects.get(&Digest::of(&[7; 10_000])).unwrap().len(), 10_000);
    }
}
