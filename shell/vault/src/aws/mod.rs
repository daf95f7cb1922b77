//! AWS Secrets Manager as a store of secrets (T4): one signed POST a call; its stages are those of [`crate::SecretStore`] by other names.

mod credentials;
mod sign;

use std::path::PathBuf;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

use crate::error::VaultError;
use crate::http::{ATTEMPTS_MAX, Answer, Call, Http, Repeat, pause};
use crate::store::{Secret, SecretStore, StoredVersion, Wanted, check_token};
use crate::{SECRET_BYTES_MAX, SECRETS_MAX, Stage, VERSIONS_MAX, check_name, text};

pub use credentials::AwsLogin;
use credentials::Source;
use sign::{Scope, authorization};

/// Pages of a list at most: of 100 entries each.
const PAGES_MAX: usize = SECRETS_MAX / 100;
/// How the service says that it is busy, with status 400. Its `InternalServiceError` has status 500, which the transport tries again.
const BUSY: [&str; 2] = ["ThrottlingException", "RequestLimitExceeded"];

/// Where the service is and who asks.
#[derive(Clone, Debug)]
pub struct AwsConfig {
    /// `eu-central-1`.
    pub region: String,
    /// Another address than the region's: a VPC endpoint, or a double for tests.
    pub endpoint: Option<String>,
    /// Another address of the token service.
    pub sts_endpoint: Option<String>,
    /// PEM file of the authorities that are trusted.
    pub ca: Option<PathBuf>,
    /// What the names of this project's secrets begin with there.
    pub prefix: String,
    /// Where credentials come from.
    pub login: AwsLogin,
}

/// AWS Secrets Manager.
pub struct AwsSecrets {
    http: Http,
    host: String,
    config: AwsConfig,
    source: Source,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadValue {
    version_id: String,
    #[serde(default)]
    secret_string: Option<String>,
    #[serde(default)]
    secret_binary: Option<String>,
}

impl Drop for ReadValue {
    fn drop(&mut self) {
        self.secret_string.zeroize();
        self.secret_binary.zeroize();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versions {
    #[serde(default)]
    versions: Vec<VersionEntry>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionEntry {
    version_id: String,
    #[serde(default)]
    version_stages: Vec<String>,
    #[serde(default)]
    created_date: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    secret_list: Vec<ListedSecret>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedSecret {
    name: String,
}

const fn label(stage: Stage) -> &'static str {
    match stage {
        Stage::Current => "AWSCURRENT",
        Stage::Previous => "AWSPREVIOUS",
        Stage::Pending => "AWSPENDING",
        Stage::Retired | Stage::Erased => "",
    }
}

/// How a call ended: an answer, or the name of the service's error.
enum Said {
    Well(Answer),
    Error(String),
}

impl AwsSecrets {
    /// A client; asks nothing yet.
    ///
    /// # Errors
    /// [`VaultError::Store`] for a region, address or prefix that is none, or a CA file without a certificate.
    pub fn new(config: AwsConfig) -> Result<Self, VaultError> {
        let place = format!("AWS Secrets Manager in {}", config.region);
        let wrong = |key: &str, help: &str| VaultError::Store {
            place: place.clone(),
            why: format!("has a `{key}` that is none"),
            help: help.to_owned(),
        };
        let plain = |text: &str, more: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
        if config.region.is_empty() || !plain(&config.region, b"-") {
            return Err(wrong("region", "write for instance `region = \"eu-central-1\"` in stayward.toml, `[vault.aws]`"));
        }
        if !plain(&config.prefix, b"-_/") || config.prefix.len() > 256 {
            return Err(wrong("prefix", "use letters, digits, `-`, `_` and `/`"));
        }
        let regional = format!("https://secretsmanager.{}.amazonaws.com", config.region);
        let address = config.endpoint.as_deref().unwrap_or(&regional);
        let http = Http::new(&place, address, config.ca.as_deref())?;
        let host = address.trim_end_matches('/').rsplit("://").next().unwrap_or_default().to_owned();
        let source = Source::new(config.login.clone(), &config.region, config.sts_endpoint.as_deref(), config.ca.as_deref())?;
        Ok(Self { http, host, config, source })
    }

    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.config.prefix)
    }

    /// One call; errors that the caller knows what to do with are answered by name. A busy service says so with status 400, so
    /// the transport's own attempts do not see it.
    fn call(&self, operation: &str, body: &[u8], repeat: Repeat) -> Result<Said, VaultError> {
        for attempt in 1..ATTEMPTS_MAX {
            match self.once(operation, body, repeat)? {
                Said::Error(error) if repeat == Repeat::Harmless && BUSY.contains(&error.as_str()) => {
                    std::thread::sleep(pause(attempt)?);
                }
                said @ (Said::Well(_) | Said::Error(_)) => return Ok(said),
            }
        }
        self.once(operation, body, repeat)
    }

    fn once(&self, operation: &str, body: &[u8], repeat: Repeat) -> Result<Said, VaultError> {
        let now = jiff::Timestamp::now();
        let credentials = self.source.get(now.as_second())?;
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let target = format!("secretsmanager.{operation}");
        let kind = "application/x-amz-json-1.1";
        let mut signed = vec![("content-type", kind), ("host", &self.host), ("x-amz-date", &time), ("x-amz-target", &target)];
        if let Some(session) = &credentials.session {
            signed.push(("x-amz-security-token", session));
        }
        let scope = Scope { region: &self.config.region, service: "secretsmanager", time: &time };
        let authorization = authorization(&credentials, scope, "POST", &signed, body);
        // The transport writes `host` itself.
        let others = signed.iter().filter(|(name, _)| *name != "host");
        let mut headers: Vec<(&str, Zeroizing<String>)> =
            others.map(|(name, value)| (*name, Zeroizing::new((*value).to_owned()))).collect();
        headers.push(("authorization", authorization));
        let answer = self.http.send(&Call { method: "POST", path: "/", headers: &headers, body, repeat })?;
        if (200..300).contains(&answer.status) {
            return Ok(Said::Well(answer));
        }
        let error: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let name = error.get("__type").and_then(Value::as_str).unwrap_or_default();
        // `com.amazonaws.secretsmanager#Name` at times.
        let name: String =
            name.rsplit('#').next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        Ok(Said::Error(if name.is_empty() { format!("status {}", answer.status) } else { name }))
    }

    /// An error in our words: the service's own message may repeat what was sent.
    fn refused(&self, doing: &str, name: &str) -> VaultError {
        let help = match name {
            "AccessDeniedException" => "give this role the right to it: secretsmanager:*Secret* on the prefix",
            "UnrecognizedClientException" | "InvalidSignatureException" | "InvalidClientTokenId" | "IncompleteSignature" => {
                "look at the credentials, and at this machine's clock"
            }
            "ExpiredTokenException" | "ExpiredToken" => "log in to AWS again",
            name if BUSY.contains(&name) => "try again later",
            _ => "see what AWS says of this error",
        };
        self.http.error(format!("failed to {doing}: {name}"), help)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, answer: &Answer) -> Result<T, VaultError> {
        // What serde says of a mistake may quote what it read.
        serde_json::from_slice(&answer.body).map_err(|_| {
            self.http.error("answered something that is none of its forms", "see that the endpoint is that of the service")
        })
    }

    /// A call about a secret that must be there.
    fn known(&self, doing: &str, operation: &str, name: &str, body: &[u8], repeat: Repeat) -> Result<Answer, VaultError> {
        match self.call(operation, body, repeat)? {
            Said::Well(answer) => Ok(answer),
            Said::Error(error) if error == "ResourceNotFoundException" => Err(VaultError::NoSecret(name.to_owned())),
            Said::Error(error) => Err(self.refused(doing, &error)),
        }
    }

    /// A body with a value in it: `SecretString`, or `SecretBinary` where it is no text.
    fn with_value(&self, fields: &Value, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        if value.len() > SECRET_BYTES_MAX {
            return Err(VaultError::Limit { what: "secret", limit: SECRET_BYTES_MAX });
        }
        let fields = fields.to_string();
        let mut out = Zeroizing::new(Vec::with_capacity(2 * value.len() + fields.len() + 64));
        out.extend_from_slice(fields.trim_end_matches('}').as_bytes());
        match std::str::from_utf8(value) {
            // The service takes no empty text.
            Ok(string) if !string.is_empty() => {
                out.extend_from_slice(b",\"SecretString\":");
                text::push_json(&mut out, string);
            }
            Ok(_) | Err(_) => {
                out.extend_from_slice(b",\"SecretBinary\":");
                text::push_json(&mut out, &Zeroizing::new(BASE64.encode(value)));
            }
        }
        out.push(b'}');
        Ok(out)
    }

    fn read(&self, name: &str, wanted: Wanted<'_>) -> Result<Secret, VaultError> {
        let mut body = json!({ "SecretId": self.id(name) });
        match (wanted, wanted.stage()) {
            (Wanted::Version(id), _) => body["VersionId"] = Value::from(id),
            (_, Some(stage)) => body["VersionStage"] = Value::from(label(stage)),
            (Wanted::Current | Wanted::Previous | Wanted::Pending, None) => {}
        }
        match self.call("GetSecretValue", body.to_string().as_bytes(), Repeat::Harmless)? {
            Said::Well(answer) => {
                let mut read: ReadValue = self.parse(&answer)?;
                let unclear = || self.http.error("holds a secret that is neither text nor bytes", "put it again");
                let bytes = match (read.secret_string.take(), read.secret_binary.as_deref()) {
                    (Some(text), _) => Zeroizing::new(text.into_bytes()),
                    (None, Some(encoded)) => Zeroizing::new(BASE64.decode(encoded.as_bytes()).map_err(|_| unclear())?),
                    (None, None) => return Err(unclear()),
                };
                if bytes.len() > SECRET_BYTES_MAX {
                    return Err(VaultError::Limit { what: "secret", limit: SECRET_BYTES_MAX });
                }
                Ok(Secret { version: read.version_id.clone(), bytes })
            }
            // The same error says that there is no secret, and that it has no such version.
            Said::Error(error) if error == "ResourceNotFoundException" => {
                self.described(name)?;
                Err(wanted.absent(name))
            }
            Said::Error(error) if error == "InvalidParameterException" => Err(wanted.absent(name)),
            Said::Error(error) => Err(self.refused("read a secret", &error)),
        }
    }

    /// Whether there is such a secret: an error, if not.
    fn described(&self, name: &str) -> Result<(), VaultError> {
        let body = json!({ "SecretId": self.id(name) }).to_string();
        self.known("describe a secret", "DescribeSecret", name, body.as_bytes(), Repeat::Harmless).map(drop)
    }

    fn move_label(&self, name: &str, stage: Stage, from: Option<&str>, to: Option<&str>) -> Result<(), VaultError> {
        let mut body = json!({ "SecretId": self.id(name), "VersionStage": label(stage) });
        if let Some(from) = from {
            body["RemoveFromVersionId"] = Value::from(from);
        }
        if let Some(to) = to {
            body["MoveToVersionId"] = Value::from(to);
        }
        self.known("move a stage", "UpdateSecretVersionStage", name, body.to_string().as_bytes(), Repeat::Never).map(drop)
    }

    /// Whether the version is there with this value; an error where it has another.
    fn stands_already(&self, name: &str, token: &str, value: &[u8]) -> Result<bool, VaultError> {
        match self.read(name, Wanted::Version(token)) {
            Ok(found) if found.is(value) => Ok(true),
            Ok(_) => Err(VaultError::OtherValue { name: name.to_owned(), token: token.to_owned() }),
            Err(VaultError::NoStage { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl SecretStore for AwsSecrets {
    fn place(&self) -> String {
        self.http.place().to_owned()
    }

    fn names(&self) -> Result<Vec<String>, VaultError> {
        let mut names = Vec::new();
        let mut next: Option<String> = None;
        for _page in 0..PAGES_MAX {
            let mut body = json!({ "MaxResults": 100 });
            if !self.config.prefix.is_empty() {
                body["Filters"] = json!([{ "Key": "name", "Values": [self.config.prefix] }]);
            }
            if let Some(next) = &next {
                body["NextToken"] = Value::from(next.as_str());
            }
            let listed: Listed = match self.call("ListSecrets", body.to_string().as_bytes(), Repeat::Harmless)? {
                Said::Well(answer) => self.parse(&answer)?,
                Said::Error(error) => return Err(self.refused("list secrets", &error)),
            };
            let ours = listed.secret_list.iter().filter_map(|secret| secret.name.strip_prefix(&self.config.prefix));
            names.extend(ours.filter(|name| check_name(name).is_ok()).map(str::to_owned));
            next = listed.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                names.sort();
                return Ok(names);
            }
        }
        Err(VaultError::Limit { what: "number of secrets", limit: SECRETS_MAX })
    }

    fn versions(&self, name: &str) -> Result<Vec<StoredVersion>, VaultError> {
        check_name(name)?;
        let mut versions = Vec::new();
        let mut next: Option<String> = None;
        for _page in 0..VERSIONS_MAX / 100 {
            let mut body = json!({ "SecretId": self.id(name), "MaxResults": 100, "IncludeDeprecated": true });
            if let Some(next) = &next {
                body["NextToken"] = Value::from(next.as_str());
            }
            let listed = self.known("list versions", "ListSecretVersionIds", name, body.to_string().as_bytes(), Repeat::Harmless);
            // Doubles of the service fail where the service says that there is no such secret.
            let answer = match listed {
                Err(VaultError::Store { .. }) => return self.described(name).and(listed.map(|_| Vec::new())),
                answered => answered?,
            };
            let page: Versions = self.parse(&answer)?;
            for entry in page.versions {
                let has = |stage| entry.version_stages.iter().any(|one| one == label(stage));
                // A rotation that ended half-way left both labels on one version: it is listed as both.
                let mut stages: Vec<Stage> =
                    [Stage::Current, Stage::Previous, Stage::Pending].into_iter().filter(|stage| has(*stage)).collect();
                if stages.is_empty() {
                    stages.push(Stage::Retired);
                }
                let created_at = seconds(entry.created_date);
                versions.extend(stages.into_iter().map(|stage| StoredVersion {
                    id: entry.version_id.clone(),
                    stage,
                    created_at,
                }));
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                versions.sort_by_key(|version| (order(version.stage), version.created_at));
                return Ok(versions);
            }
        }
        Err(VaultError::Limit { what: "number of versions", limit: VERSIONS_MAX })
    }

    fn get(&self, name: &str, wanted: Wanted<'_>) -> Result<Secret, VaultError> {
        check_name(name)?;
        self.read(name, wanted)
    }

    fn create(&self, name: &str, token: &str, value: &[u8], _now: i64) -> Result<(), VaultError> {
        check_name(name)?;
        check_token(token)?;
        let body = self.with_value(&json!({ "Name": self.id(name), "ClientRequestToken": token }), value)?;
        match self.call("CreateSecret", &body, Repeat::Never)? {
            Said::Well(_) => Ok(()),
            Said::Error(error) if error == "ResourceExistsException" => {
                let found = self.read(name, Wanted::Current)?;
                if found.version == token && found.is(value) { Ok(()) } else { Err(VaultError::SecretExists(name.to_owned())) }
            }
            Said::Error(error) => Err(self.refused("create a secret", &error)),
        }
    }

    fn put_pending(&self, name: &str, token: &str, value: &[u8], _now: i64) -> Result<(), VaultError> {
        check_token(token)?;
        let versions = self.versions(name)?;
        if versions.iter().any(|version| version.id == token) && self.stands_already(name, token, value)? {
            return Ok(());
        }
        // The service itself would take the label from the version that waits.
        if versions.iter().any(|version| version.stage == Stage::Pending && version.id != token) {
            return Err(VaultError::Pending(name.to_owned()));
        }
        let fields = json!({ "SecretId": self.id(name), "ClientRequestToken": token, "VersionStages": [label(Stage::Pending)] });
        let body = self.with_value(&fields, value)?;
        // The token makes a second sending harmless: that is what the service has it for.
        self.known("put a version", "PutSecretValue", name, &body, Repeat::Harmless).map(drop)
    }

    fn promote(&self, name: &str, token: &str) -> Result<(), VaultError> {
        let versions = self.versions(name)?;
        let at = |stage| versions.iter().find(|version| version.stage == stage).map(|version| version.id.as_str());
        // A version without a stage was dropped, or is older than the one before.
        if !versions.iter().any(|version| version.id == token && version.stage != Stage::Retired) {
            return Err(Wanted::Version(token).absent(name));
        }
        if at(Stage::Current) != Some(token) {
            self.move_label(name, Stage::Current, at(Stage::Current), Some(token))?;
        }
        if at(Stage::Pending) == Some(token) { self.move_label(name, Stage::Pending, Some(token), None) } else { Ok(()) }
    }

    fn discard_pending(&self, name: &str) -> Result<(), VaultError> {
        let versions = self.versions(name)?;
        let pending = versions.iter().find(|version| version.stage == Stage::Pending);
        pending.map_or(Ok(()), |pending| self.move_label(name, Stage::Pending, Some(&pending.id), None))
    }
}

/// Older before newer, where the service's times, in whole seconds at times, do not tell.
const fn order(stage: Stage) -> u8 {
    match stage {
        Stage::Erased => 0,
        Stage::Retired => 1,
        Stage::Previous => 2,
        Stage::Current => 3,
        Stage::Pending => 4,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float too large becomes the largest number, which is a moment far away")]
fn seconds(date: f64) -> i64 {
    date as i64
}
