//! OpenBao or HashiCorp Vault as a store of secrets: its key-value engine, version 2, over its HTTP interface (T4).
//!
//! ```text
//! MOUNT/PREFIX/NAME           newest version: current; the one before: previous
//! MOUNT/PREFIX/.pending/NAME  the version that waits
//! ```
//!
//! What waits lies beside its secret, not on top: that engine answers everybody who names no version with the newest one, so a value
//! that nothing accepts yet must not be it. `finish` is one write, with check-and-set, so that two rotations cannot both end.
//! A version holds `value` (text) or `value_base64`, and `token`; a version that somebody else put, with one field, is read too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::disk::read_private;
use crate::error::VaultError;
use crate::http::{Answer, Call, Http, Repeat};
use crate::store::{Secret, SecretStore, StoredVersion, Wanted, check_token};
use crate::{SECRET_BYTES_MAX, SECRETS_MAX, Stage, check_name};

/// Bytes of a token, role id or secret id at most.
const LOGIN_BYTES_MAX: usize = 8 * 1024;
/// A token that was given for a time is used for this part of it.
const LEASE_SHARE: f64 = 0.5;
/// How long a token is taken to live that has no end, so that it is asked for anew at times.
const ENDLESS_SECONDS: u32 = 600;
/// Where versions lie that wait. Names of secrets have no dot, so no secret has this one.
const PENDING_FOLDER: &str = ".pending";
/// What the engine says when a check-and-set finds another version than was named.
const CAS_WORDS: &str = "check-and-set parameter did not match";

/// Where OpenBao is and how one logs in to it.
#[derive(Clone, Debug)]
pub struct OpenBaoConfig {
    /// `https://host:port`.
    pub address: String,
    /// PEM file of the authority that vouches for it.
    pub ca: Option<PathBuf>,
    /// Mount of the key-value engine.
    pub mount: String,
    /// Folder of this project's secrets in it; may be empty.
    pub prefix: String,
    /// Namespace; may be empty.
    pub namespace: String,
    /// How one logs in.
    pub login: OpenBaoLogin,
}

/// How one logs in to OpenBao. The files must be private; they are read anew each time, so an agent may replace them.
#[derive(Clone, Debug)]
pub enum OpenBaoLogin {
    /// A file that holds a token.
    TokenFile(PathBuf),
    /// AppRole.
    AppRole {
        /// Its mount.
        mount: String,
        /// A file that holds the role's id.
        role_id: PathBuf,
        /// A file that holds the secret id.
        secret_id: PathBuf,
    },
}

/// OpenBao's key-value engine.
pub struct OpenBao {
    http: Http,
    config: OpenBaoConfig,
    /// A token that AppRole gave, and until when it is used.
    given: Mutex<Option<(Zeroizing<String>, Instant)>>,
}

/// Text of an answer that is erased when dropped.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Text(String);

impl Drop for Text {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[derive(Deserialize)]
struct Whole<T> {
    data: T,
}

#[derive(Deserialize)]
struct Read {
    /// Absent where the version was deleted.
    data: Option<BTreeMap<String, Field>>,
    metadata: ReadMetadata,
}

/// A field of a version: text, or something that is no secret of ours.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(Text),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct ReadMetadata {
    version: u64,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    versions: BTreeMap<String, VersionMetadata>,
}

#[derive(Deserialize)]
struct VersionMetadata {
    created_time: String,
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: Text,
    #[serde(default)]
    lease_duration: u32,
}

/// A version as it was read.
struct Version {
    number: u64,
    secret: Secret,
}

impl OpenBao {
    /// A client; asks nothing yet.
    ///
    /// # Errors
    /// [`VaultError::Store`] for an address, mount or prefix that is none, or a CA file without a certificate.
    pub fn new(config: OpenBaoConfig) -> Result<Self, VaultError> {
        let http = Http::new(&format!("OpenBao at {}", config.address), &config.address, config.ca.as_deref())?;
        let mut paths = vec![("mount", &config.mount, false), ("prefix", &config.prefix, true)];
        if let OpenBaoLogin::AppRole { mount, .. } = &config.login {
            paths.push(("approle_mount", mount, false));
        }
        for (key, path, may_be_empty) in paths {
            if !(is_path(path) || may_be_empty && path.is_empty()) {
                let why = format!("has a `{key}` that is no path");
                return Err(http.error(why, "use letters, digits, `-`, `_` and `/`, in stayward.toml, `[vault.openbao]`"));
            }
        }
        Ok(Self { http, config, given: Mutex::new(None) })
    }

    fn path(&self, kind: &str, name: &str) -> String {
        let prefix = if self.config.prefix.is_empty() { String::new() } else { format!("{}/", self.config.prefix) };
        format!("/v1/{}/{kind}/{prefix}{name}", self.config.mount)
    }

    fn login_file(path: &Path) -> Result<Zeroizing<String>, VaultError> {
        let bytes = read_private(path, LOGIN_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::Tampered(path.to_owned()))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    }

    fn token(&self) -> Result<Zeroizing<String>, VaultError> {
        match &self.config.login {
            OpenBaoLogin::TokenFile(path) => Self::login_file(path),
            OpenBaoLogin::AppRole { mount, role_id, secret_id } => {
                let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((token, until)) = given.as_ref()
                    && Instant::now() < *until
                {
                    return Ok(token.clone());
                }
                let (role_id, secret_id) = (Self::login_file(role_id)?, Self::login_file(secret_id)?);
                let body = json_object(&[("role_id", &role_id), ("secret_id", &secret_id)]);
                let path = format!("/v1/auth/{mount}/login");
                // A secret id may be good for a number of logins: none is spent on an attempt that nobody asked for.
                let call = Call { method: "POST", path: &path, headers: &self.headers(None), body: &body, repeat: Repeat::Never };
                let logged_in: LoggedIn = self.parse(&self.good(self.http.send(&call)?, "log in")?)?;
                // A token without an end says 0.
                let seconds = match logged_in.auth.lease_duration {
                    0 => ENDLESS_SECONDS,
                    seconds => seconds,
                };
                let lease = Duration::from_secs(seconds.into()).mul_f64(LEASE_SHARE);
                let token = Zeroizing::new(logged_in.auth.client_token.0.clone());
                *given = Some((token.clone(), Instant::now() + lease));
                Ok(token)
            }
        }
    }

    fn headers(&self, token: Option<Zeroizing<String>>) -> Vec<(&'static str, Zeroizing<String>)> {
        let mut headers = vec![("X-Vault-Request", Zeroizing::new("true".to_owned()))];
        if !self.config.namespace.is_empty() {
            headers.push(("X-Vault-Namespace", Zeroizing::new(self.config.namespace.clone())));
        }
        headers.extend(token.map(|token| ("X-Vault-Token", token)));
        headers
    }

    fn call(&self, method: &'static str, path: &str, body: &[u8], repeat: Repeat) -> Result<Answer, VaultError> {
        let headers = self.headers(Some(self.token()?));
        self.http.send(&Call { method, path, headers: &headers, body, repeat })
    }

    /// An answer that says yes; else an error in our words: the store's own may repeat what was sent.
    fn good(&self, answer: Answer, doing: &str) -> Result<Answer, VaultError> {
        let sealed = String::from_utf8_lossy(&answer.body).contains("Vault is sealed");
        match answer.status {
            200..=299 => Ok(answer),
            503 if sealed => Err(self.http.error("is sealed", "have it unsealed (`bao operator unseal`), then try again")),
            400 if doing == "log in" => {
                Err(self.http.error("does not accept the AppRole login", "look at the files of role id and secret id"))
            }
            401 | 403 => {
                let why = format!("does not allow to {doing}: status {}", answer.status);
                Err(self
                    .http
                    .error(why, "see that the token lives and that its policy covers mount and prefix (data and metadata)"))
            }
            status => {
                let why = format!("failed to {doing}: status {status}");
                Err(self.http.error(why, "see its own log, and that the mount is a key-value engine of version 2"))
            }
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, answer: &Answer) -> Result<T, VaultError> {
        // What serde says of a mistake may quote what it read.
        serde_json::from_slice(&answer.body).map_err(|_| {
            self.http.error(
                "answered something that is none of its forms",
                "see that mount and address are those of a key-value engine, version 2",
            )
        })
    }

    /// The version with this number, or the newest; nothing where there is none or it was deleted.
    fn read(&self, below: &str, number: Option<u64>) -> Result<Option<Version>, VaultError> {
        let query = number.map_or_else(String::new, |number| format!("?version={number}"));
        let answer = self.call("GET", &format!("{}{query}", self.path("data", below)), b"", Repeat::Harmless)?;
        // A deleted version is answered with 404 and its metadata.
        if answer.status == 404 {
            return Ok(None);
        }
        let read: Whole<Read> = self.parse(&self.good(answer, "read a secret")?)?;
        let number = read.data.metadata.version;
        let Some(fields) = read.data.data else { return Ok(None) };
        let bytes = self.value(&fields)?;
        let token = match fields.get("token") {
            Some(Field::Text(token)) if check_token(&token.0).is_ok() => token.0.clone(),
            Some(_) | None => format!("v{number}"),
        };
        Ok(Some(Version { number, secret: Secret { version: token, bytes } }))
    }

    fn value(&self, fields: &BTreeMap<String, Field>) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let text = |key: &str| match fields.get(key) {
            Some(Field::Text(text)) => Some(text.0.as_bytes()),
            Some(Field::Other(_)) | None => None,
        };
        let unclear =
            || self.http.error("holds a secret without a field `value`", "give it the field `value`, or only one field");
        let bytes = if let Some(encoded) = text("value_base64") {
            Zeroizing::new(BASE64.decode(encoded).map_err(|_| unclear())?)
        } else {
            let only = || (fields.len() == 1).then(|| fields.keys().next().and_then(|key| text(key))).flatten();
            Zeroizing::new(text("value").or_else(only).ok_or_else(unclear)?.to_vec())
        };
        if bytes.len() > SECRET_BYTES_MAX {
            return Err(VaultError::Limit { what: "secret", limit: SECRET_BYTES_MAX });
        }
        Ok(bytes)
    }

    /// Writes a version if the newest one has this number (0: there is none); whether it had.
    fn write(&self, below: &str, newest: u64, token: &str, value: &[u8]) -> Result<bool, VaultError> {
        if value.len() > SECRET_BYTES_MAX {
            return Err(VaultError::Limit { what: "secret", limit: SECRET_BYTES_MAX });
        }
        let fields = match std::str::from_utf8(value) {
            Ok(text) => json_object(&[("token", token), ("value", text)]),
            Err(_) => json_object(&[("token", token), ("value_base64", &Zeroizing::new(BASE64.encode(value)))]),
        };
        let mut body = Zeroizing::new(format!("{{\"options\":{{\"cas\":{newest}}},\"data\":").into_bytes());
        body.reserve_exact(fields.len() + 1);
        body.extend_from_slice(&fields);
        body.push(b'}');
        let answer = self.call("POST", &self.path("data", below), &body, Repeat::Never)?;
        if answer.status == 400 && String::from_utf8_lossy(&answer.body).contains(CAS_WORDS) {
            return Ok(false);
        }
        self.good(answer, "write a secret").map(|_| true)
    }

    /// Versions by number with their times; nothing where there is no secret.
    fn metadata(&self, below: &str) -> Result<Option<Metadata>, VaultError> {
        let answer = self.call("GET", &self.path("metadata", below), b"", Repeat::Harmless)?;
        if answer.status == 404 {
            return Ok(None);
        }
        Ok(Some(self.parse::<Whole<Metadata>>(&self.good(answer, "read the versions of a secret")?)?.data))
    }

    /// Removes a secret with all its versions.
    fn remove(&self, below: &str) -> Result<(), VaultError> {
        let answer = self.call("DELETE", &self.path("metadata", below), b"", Repeat::Harmless)?;
        if answer.status == 404 { Ok(()) } else { self.good(answer, "remove what waited").map(drop) }
    }

    /// Numbers of the versions that can be read, newest first.
    fn readable(&self, name: &str) -> Result<Vec<u64>, VaultError> {
        let metadata = self.metadata(name)?.ok_or_else(|| VaultError::NoSecret(name.to_owned()))?;
        let mut numbers: Vec<u64> = metadata
            .versions
            .iter()
            .filter(|(_, version)| !version.destroyed && version.deletion_time.is_empty())
            .filter_map(|(number, _)| number.parse().ok())
            .collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        Ok(numbers)
    }

    fn read_nth(&self, name: &str, nth: usize, wanted: Wanted<'_>) -> Result<Version, VaultError> {
        let number = self.readable(name)?.get(nth).copied().ok_or_else(|| wanted.absent(name))?;
        self.read(name, Some(number))?.ok_or_else(|| wanted.absent(name))
    }

    /// The version with this id among those that wait, are or were current, newest first.
    fn by_id(&self, name: &str, id: &str) -> Result<Version, VaultError> {
        let wanted = Wanted::Version(id);
        let numbers = self.readable(name)?;
        if let Some(number) = id.strip_prefix('v').and_then(|number| number.parse().ok()) {
            return self.read(name, Some(number))?.ok_or_else(|| wanted.absent(name));
        }
        if let Some(pending) = self.read(&pending_of(name), None)?.filter(|pending| pending.secret.version == id) {
            return Ok(pending);
        }
        for number in numbers {
            if let Some(version) = self.read(name, Some(number))?.filter(|version| version.secret.version == id) {
                return Ok(version);
            }
        }
        Err(wanted.absent(name))
    }
}

impl SecretStore for OpenBao {
    fn place(&self) -> String {
        self.http.place().to_owned()
    }

    fn names(&self) -> Result<Vec<String>, VaultError> {
        let path = format!("{}?list=true", self.path("metadata", ""));
        let answer = self.call("GET", &path, b"", Repeat::Harmless)?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let listed: Whole<Listed> = self.parse(&self.good(answer, "list secrets")?)?;
        let mut names: Vec<String> = listed.data.keys.into_iter().filter(|name| check_name(name).is_ok()).collect();
        if names.len() > SECRETS_MAX {
            return Err(VaultError::Limit { what: "number of secrets", limit: SECRETS_MAX });
        }
        names.sort();
        Ok(names)
    }

    fn versions(&self, name: &str) -> Result<Vec<StoredVersion>, VaultError> {
        check_name(name)?;
        let metadata = self.metadata(name)?.ok_or_else(|| VaultError::NoSecret(name.to_owned()))?;
        let mut numbered: Vec<(u64, VersionMetadata)> =
            metadata.versions.into_iter().filter_map(|(number, version)| Some((number.parse().ok()?, version))).collect();
        numbered.sort_unstable_by_key(|(number, _)| *number);
        let mut versions = Vec::new();
        let mut above = 0_u32;
        for (number, version) in numbered.into_iter().rev() {
            let gone = version.destroyed || !version.deletion_time.is_empty();
            let stage = match (gone, above) {
                (true, _) => Stage::Erased,
                (false, 0) => Stage::Current,
                (false, 1) => Stage::Previous,
                (false, _) => Stage::Retired,
            };
            above += u32::from(!gone);
            // The token stands inside the version: read for the two that matter.
            let read = if matches!(stage, Stage::Current | Stage::Previous) { self.read(name, Some(number))? } else { None };
            let id = read.map_or_else(|| format!("v{number}"), |read| read.secret.version);
            versions.push(StoredVersion { id, stage, created_at: self.seconds(&version.created_time)? });
        }
        versions.reverse();
        if let Some(pending) = self.read(&pending_of(name), None)? {
            let times = self.metadata(&pending_of(name))?.map(|metadata| metadata.versions).unwrap_or_default();
            let created = times.get(&pending.number.to_string()).map_or(Ok(0), |version| self.seconds(&version.created_time))?;
            versions.push(StoredVersion { id: pending.secret.version, stage: Stage::Pending, created_at: created });
        }
        Ok(versions)
    }

    fn get(&self, name: &str, wanted: Wanted<'_>) -> Result<Secret, VaultError> {
        check_name(name)?;
        let version = match wanted {
            Wanted::Current => self.read_nth(name, 0, wanted)?,
            Wanted::Previous => self.read_nth(name, 1, wanted)?,
            Wanted::Pending => self.read(&pending_of(name), None)?.ok_or_else(|| wanted.absent(name))?,
            Wanted::Version(id) => self.by_id(name, id)?,
        };
        Ok(version.secret)
    }

    fn create(&self, name: &str, token: &str, value: &[u8], _now: i64) -> Result<(), VaultError> {
        check_name(name)?;
        check_token(token)?;
        if self.write(name, 0, token, value)? {
            return Ok(());
        }
        let same = self.read(name, None)?.is_some_and(|found| found.secret.version == token && found.secret.is(value));
        if same { Ok(()) } else { Err(VaultError::SecretExists(name.to_owned())) }
    }

    fn put_pending(&self, name: &str, token: &str, value: &[u8], _now: i64) -> Result<(), VaultError> {
        check_name(name)?;
        check_token(token)?;
        if self.readable(name)?.is_empty() {
            return Err(VaultError::NoSecret(name.to_owned()));
        }
        // Whoever is first takes the place: the check-and-set is the store's.
        if self.write(&pending_of(name), 0, token, value)? {
            return Ok(());
        }
        let found = self.read(&pending_of(name), None)?.ok_or_else(|| VaultError::Pending(name.to_owned()))?;
        match (found.secret.version == token, found.secret.is(value)) {
            (true, true) => Ok(()),
            (true, false) => Err(VaultError::OtherValue { name: name.to_owned(), token: token.to_owned() }),
            (false, _) => Err(VaultError::Pending(name.to_owned())),
        }
    }

    fn promote(&self, name: &str, token: &str) -> Result<(), VaultError> {
        check_name(name)?;
        let current = self.get(name, Wanted::Current)?;
        if current.version != token {
            let next = self.by_id(name, token)?;
            // Also a deleted version counts: the number to compare with is the newest there is.
            let newest = self.metadata(name)?.map(|metadata| metadata.versions).unwrap_or_default();
            let newest = newest.keys().filter_map(|number| number.parse().ok()).max().unwrap_or(0);
            if !self.write(name, newest, token, &next.secret.bytes)? && self.get(name, Wanted::Current)?.version != token {
                return Err(VaultError::Pending(name.to_owned()));
            }
        }
        match self.read(&pending_of(name), None)? {
            Some(pending) if pending.secret.version == token => self.remove(&pending_of(name)),
            Some(_) | None => Ok(()),
        }
    }

    fn discard_pending(&self, name: &str) -> Result<(), VaultError> {
        check_name(name)?;
        self.remove(&pending_of(name))
    }
}

impl OpenBao {
    fn seconds(&self, time: &str) -> Result<i64, VaultError> {
        let parsed: Result<jiff::Timestamp, _> = time.parse();
        parsed.map(jiff::Timestamp::as_second).map_err(|_| self.http.error("answered a time that is none", "see its own log"))
    }
}

fn pending_of(name: &str) -> String {
    format!("{PENDING_FOLDER}/{name}")
}

/// A path of one or more plain parts.
fn is_path(path: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part != PENDING_FOLDER
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    path.len() <= crate::SECRET_BYTES_MAX && path.split('/').all(plain)
}

/// A JSON object of texts, erased when dropped.
fn json_object(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(2 * SECRET_BYTES_MAX));
    for (at, (key, text)) in fields.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        crate::text::push_json(&mut out, text);
    }
    out.push(b'}');
    out
}
