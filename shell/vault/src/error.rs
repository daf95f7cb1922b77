//! What the vault says when it refuses (T4): what was seen, then what to do.

use std::path::PathBuf;

/// Every way in which the vault refuses. The text names the finding; [`VaultError::help`] names the way out.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The disk said no.
    #[error("could not {doing} `{path}`: {cause}")]
    Disk {
        /// What was attempted.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system answered.
        cause: std::io::Error,
    },
    /// `create` found a vault.
    #[error("`{0}` holds a vault already")]
    Exists(PathBuf),
    /// `open` found no vault.
    #[error("`{0}` holds no vault")]
    Missing(PathBuf),
    /// A private file can be read, or the folder can be written, by others.
    #[error("`{path}` is open to others: its mode is `{mode:o}`")]
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key or the passphrase does not open this vault.
    #[error("the key or passphrase does not open this vault")]
    WrongKey,
    /// The vault wants the other kind of key.
    #[error("this vault is opened with a {0}")]
    OtherKeyKind(&'static str),
    /// A passphrase too short to withstand guessing.
    #[error("the passphrase has {0} bytes, fewer than {min} or more than {max}", min = crate::PASSPHRASE_BYTES_MIN, max = crate::PASSPHRASE_BYTES_MAX)]
    PassphraseLength(usize),
    /// A name outside the alphabet.
    #[error("`{0}` is not a name for a secret")]
    Name(String),
    /// No such secret.
    #[error("there is no secret `{0}`")]
    NoSecret(String),
    /// No such version, or it was erased.
    #[error("secret `{name}` has no readable version `{version}`")]
    NoVersion {
        /// The secret.
        name: String,
        /// The version asked for.
        version: u32,
    },
    /// No version at that stage.
    #[error("secret `{name}` has no {stage} version")]
    NoStage {
        /// The secret.
        name: String,
        /// `current`, `previous` or `pending`.
        stage: &'static str,
    },
    /// Another rotation has put a version that waits.
    #[error("a rotation of secret `{0}` is under way")]
    Pending(String),
    /// A token stands for another value already.
    #[error("version `{token}` of secret `{name}` exists with another value")]
    OtherValue {
        /// The secret.
        name: String,
        /// The token.
        token: String,
    },
    /// Not a version's token.
    #[error("`{0}` is not a token of a version")]
    Token(String),
    /// A step of a rotation failed; what is pending stays, so that the next attempt goes on from there.
    #[error("rotation of secret `{name}` stopped at step `{step}`: {why}")]
    Step {
        /// The secret.
        name: String,
        /// `create`, `set`, `test` or `finish`.
        step: &'static str,
        /// What the step's owner said; never a value.
        why: String,
    },
    /// A store of secrets outside of this program.
    #[error("{place} {why}")]
    Store {
        /// Which store, for people.
        place: String,
        /// What it did; never a value.
        why: String,
        /// What to do.
        help: String,
    },
    /// No place in memory for files with secrets.
    #[error("`{0}` is no private folder in memory")]
    NotInMemory(PathBuf),
    /// `put` would have overwritten.
    #[error("secret `{0}` exists already")]
    SecretExists(String),
    /// The version is in use.
    #[error("version `{version}` of secret `{name}` is in use")]
    VersionInUse {
        /// The secret.
        name: String,
        /// The version.
        version: u32,
    },
    /// One of the vault's limits.
    #[error("the {what} exceeds the limit of `{limit}`")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Bytes on disk are not those that the vault wrote.
    #[error("`{0}` was changed, swapped or damaged outside the vault")]
    Tampered(PathBuf),
    /// The vault on disk is older than one that was seen before.
    #[error("the vault was rolled back: its counter is `{seen}`, expected `{expected}` or later")]
    RolledBack {
        /// Counter on disk.
        seen: u64,
        /// Counter seen before.
        expected: u64,
    },
    /// Same counter, other content.
    #[error("the vault has counter `{0}` as expected, and other content")]
    Forked(u64),
    /// The crypto library refused; not caused by input.
    #[error("the cryptographic library failed to {0}")]
    Crypto(&'static str),
}

impl VaultError {
    /// What the reader can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Disk { path, .. } => format!("see that `{}` exists and that this user may read and write it", path.display()),
            Self::Exists(path) => format!("open it, or choose another folder than `{}`", path.display()),
            Self::Missing(path) => format!("create a vault first, or name its folder instead of `{}`", path.display()),
            Self::OpenToOthers { path, .. } => {
                format!("run `chmod go-rwx {}`, then rotate every secret that others may have read", path.display())
            }
            Self::WrongKey => "give the passphrase, or restore the `kek` file, that belongs to this vault".to_owned(),
            Self::OtherKeyKind(kind) => format!("open it with its {kind}"),
            Self::PassphraseLength(_) => "take five or more random words".to_owned(),
            Self::Name(_) => {
                format!("use 1 to {} of a-z, 0-9, `-` and `_`, with a letter or digit first and last", crate::NAME_BYTES_MAX)
            }
            Self::NoSecret(_) => "list the names, or put the secret first".to_owned(),
            Self::NoVersion { .. } => "list its versions; erased versions cannot be brought back".to_owned(),
            Self::NoStage { .. } => "list its versions with `stayward vault ls`".to_owned(),
            Self::Pending(name) => {
                format!("finish it with `stayward vault rotate {name}`, or drop it with `stayward vault rotate {name} --discard`")
            }
            Self::OtherValue { .. } => "take another token: one token stands for one value".to_owned(),
            Self::Token(_) => {
                format!("use {} to {} letters, digits and `-`", crate::TOKEN_BYTES_MIN, crate::TOKEN_BYTES_MAX)
            }
            Self::Step { name, .. } => {
                format!(
                    "mend what it says, then go on with `stayward vault rotate {name}`; the value before stays current until then"
                )
            }
            Self::Store { help, .. } => help.clone(),
            Self::NotInMemory(_) => "mount a tmpfs for this user and name it in XDG_RUNTIME_DIR".to_owned(),
            Self::SecretExists(_) => "rotate it to give it a new value".to_owned(),
            Self::VersionInUse { .. } => {
                "only versions that are neither current nor previous can be erased; rotate first".to_owned()
            }
            Self::Limit { .. } => "keep large files outside and put only their keys into the vault".to_owned(),
            Self::Tampered(_) => "restore the vault's whole folder from a backup and find out who wrote to it".to_owned(),
            Self::RolledBack { .. } | Self::Forked(_) => {
                "restore the newest copy of the vault's folder; if there is none, rotate every secret in it".to_owned()
            }
            Self::Crypto(_) => "try again; if it stays, the machine's random source or library is broken".to_owned(),
        }
    }
}
