//! What identity says when it refuses (T1, T2, T6): what was seen, then what to do, and never which half of a login was wrong.

use std::path::PathBuf;

use crate::matrix::Denial;
use crate::role::Role;

/// Every way in which identity refuses.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The database failed.
    #[error("the identity database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database file could not be made or looked at.
    #[error("could not prepare `{path}`: {cause}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        cause: std::io::Error,
    },
    /// Group or others can touch the database file.
    #[error("`{path}` is open to others: its mode is `{mode:o}`")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's tables are not those of this program.
    #[error("the identity database has schema `{found}`, and this program knows `{known}`")]
    Schema {
        /// In the file.
        found: String,
        /// In the program.
        known: String,
    },
    /// A value in the database that this program never wrote.
    #[error("the identity database holds a value that cannot be: {0}")]
    Corrupt(&'static str),
    /// Sealing or opening a second factor's secret failed.
    #[error("could not seal or open a secret: {0}")]
    Sealer(String),
    /// The random source or the password hash failed.
    #[error("the cryptographic library failed to {0}")]
    Crypto(&'static str),
    /// A name outside the alphabet.
    #[error("`{0}` is not a name")]
    Name(String),
    /// A text that is empty or too long.
    #[error("the {what} is empty or longer than `{limit}` bytes")]
    Text {
        /// Which text.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A number outside its limits.
    #[error("the {what} is not between `{min}` and `{max}`")]
    Range {
        /// Which number.
        what: &'static str,
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
    /// The password is too easy.
    #[error("the password {0}")]
    Password(&'static str),
    /// The thing exists.
    #[error("{what} `{name}` exists already")]
    Exists {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The thing does not exist, or was switched off.
    #[error("there is no active {what} `{name}`")]
    Missing {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Roles that one person may not hold together.
    #[error("nobody may be both `{0}` and `{1}`")]
    RolesConflict(Role, Role),
    /// A role that only machines hold.
    #[error("`{0}` is a role for machines, not for people")]
    MachineRole(Role),
    /// The change would leave nobody who can manage people.
    #[error("`{0}` is the last admin")]
    LastAdmin(String),
    /// Name, password or code is wrong; deliberately not said which.
    #[error("name, password or code is wrong")]
    LoginRefused,
    /// Too many wrong attempts.
    #[error("too many wrong attempts; locked for `{seconds}` more seconds")]
    LockedOut {
        /// Until the next attempt is looked at.
        seconds: i64,
    },
    /// The session, link or token is unknown, used, expired or revoked.
    #[error("the {0} is unknown, used up, expired or revoked")]
    NotValid(&'static str),
    /// The login by the identity provider was refused, for this reason.
    #[error("the login by the identity provider was refused: {0}")]
    ProviderLogin(String),
    /// The identity provider could not be asked, or its own description is wrong.
    #[error("the identity provider cannot be used: {0}")]
    Provider(String),
    /// A passkey was not taken, for this reason.
    #[error("the passkey is not taken: {0}")]
    Passkey(&'static str),
    /// The session's second factor is too old, or there is none.
    #[error("this needs a second factor of the last `{max_seconds}` seconds")]
    NotFresh {
        /// How old it may be.
        max_seconds: i64,
    },
    /// The action is not allowed.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Who is who differs from what the last signed change left, or a change could not be written down.
    #[error("{0}")]
    Roster(String),
    /// The key is not a P-256 public key.
    #[error("the supplier's key is not a P-256 public key in PEM")]
    PublicKey,
    /// The key of another scheme cannot be read or is not accepted.
    #[error("the supplier's key is not accepted: {0}")]
    SignerKey(provenance::Refusal),
    /// A feed number that does not grow.
    #[error("feed `{feed}` of `{supplier}` has number `{offered}`, and `{last}` was accepted before")]
    Replay {
        /// The supplier.
        supplier: String,
        /// The feed.
        feed: String,
        /// Number of the feed at hand.
        offered: u64,
        /// Last number accepted.
        last: u64,
    },
}

impl IdentityError {
    /// What the reader can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        let fixed = match self {
            Self::Database(_) => "see that the disk has room and that no other program holds the file",
            Self::Disk { .. } => "see that the folder exists and that this user may write to it",
            Self::OpenToOthers { path, .. } => return format!("run `chmod go-rwx {}`", path.display()),
            Self::Schema { .. } => "use the program that wrote the file, or a newer one",
            Self::Corrupt(_) => "restore the file from a backup and find out who wrote to it",
            Self::Sealer(_) => "open the vault that sealed it",
            Self::Crypto(_) => "try again; if it stays, the machine's random source or library is broken",
            Self::Name(_) => "use 1 to 64 of a-z, 0-9, `.`, `-` and `_`, with a letter or digit first",
            Self::Text { .. } => "give a shorter, non-empty text",
            Self::Range { .. } => "choose a number inside the limits",
            Self::Password(_) => "take 12 or more characters, best four random words, without your name",
            Self::Exists { .. } => "choose another name, or change the one that exists",
            Self::Missing { .. } => "list what exists; what was switched off must be made anew",
            Self::RolesConflict(..) => "give the second role to another person: two people are the control",
            Self::MachineRole(_) => "register a supplier, an application or a component instead",
            Self::LastAdmin(_) => "make another admin first",
            Self::LoginRefused => "wait for the next code and try again; a code is accepted once",
            Self::LockedOut { .. } => "wait, or have an admin run `stayward user unlock` for the name",
            Self::NotValid(_) => "log in again",
            Self::ProviderLogin(_) => {
                "begin the login anew; an admin finds the attempt in the log, and `[identity.oidc]` in stayward.toml says who is let in"
            }
            Self::Provider(_) => "compare `[identity.oidc]` in stayward.toml with the provider, and see that it can be reached",
            Self::Passkey(_) => "load the page again and repeat, in a browser on the console's own address",
            Self::NotFresh { .. } => "confirm with a fresh code of your second factor: `stayward login --again`",
            Self::Denied(denial) => return denial.help(),
            Self::Roster(_) => {
                "see all with `stayward evidence verify`, find out who wrote to the file, and put it right (`stayward user`, or a \
                 backup); an admin whose own rows are untouched then closes it with `stayward user reconcile`"
            }
            Self::PublicKey => "give `-----BEGIN PUBLIC KEY-----` as written by `openssl ec -pubout` for prime256v1",
            Self::SignerKey(_) => {
                "give minisign's key file, one line of an SSH key (Ed25519 or ECDSA P-256), or an armoured OpenPGP certificate, and the right `--scheme`"
            }
            Self::Replay { .. } => "have the supplier send the feed under a new, larger number",
        };
        fixed.to_owned()
    }
}
