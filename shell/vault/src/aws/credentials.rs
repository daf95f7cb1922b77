//! Where AWS credentials come from (T4): the environment, a profile of the credentials file, or a token of the workload's identity.
//!
//! Order and names are those of AWS' own tools. Credentials of a container's or machine's metadata service are not asked for.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::sign::Credentials;
use crate::disk::{read_limited, read_private};
use crate::error::VaultError;
use crate::http::{Call, Http, Repeat};

/// Bytes of a credentials file or identity token at most.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// Seconds before their end at which credentials are made new.
const SPARE_SECONDS: i64 = 300;

/// Where credentials are looked for.
#[derive(Clone, Debug)]
pub enum AwsLogin {
    /// `AWS_ACCESS_KEY_ID` and its companions, else `AWS_ROLE_ARN` with `AWS_WEB_IDENTITY_TOKEN_FILE`, else the credentials file's
    /// profile `AWS_PROFILE` or `default`.
    Standard,
    /// A profile of the credentials file.
    Profile(String),
}

/// Credentials, made new before they end.
pub(super) struct Source {
    login: AwsLogin,
    /// Client of the token service, where a role is taken on by web identity.
    tokens: Option<Http>,
    held: Mutex<Option<(Credentials, i64)>>,
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn none(why: &str) -> VaultError {
    let help = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE";
    VaultError::Store { place: "AWS Secrets Manager".to_owned(), why: why.to_owned(), help: help.to_owned() }
}

impl Source {
    pub(super) fn new(login: AwsLogin, region: &str, endpoint: Option<&str>, ca: Option<&Path>) -> Result<Self, VaultError> {
        let by_role = matches!(login, AwsLogin::Standard) && environment("AWS_ROLE_ARN").is_some();
        let address = endpoint.map_or_else(|| format!("https://sts.{region}.amazonaws.com"), str::to_owned);
        let tokens = if by_role { Some(Http::new("AWS STS", &address, ca)?) } else { None };
        Ok(Self { login, tokens, held: Mutex::new(None) })
    }

    /// Credentials that live now; `now` in Unix seconds.
    pub(super) fn get(&self, now: i64) -> Result<Credentials, VaultError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((credentials, until)) = held.as_ref()
            && now.saturating_add(SPARE_SECONDS) < *until
        {
            return Ok(credentials.clone());
        }
        let (credentials, until) = self.find()?;
        *held = Some((credentials.clone(), until));
        Ok(credentials)
    }

    fn find(&self) -> Result<(Credentials, i64), VaultError> {
        let profile = match &self.login {
            AwsLogin::Profile(profile) => profile.clone(),
            AwsLogin::Standard => {
                if let (Some(key_id), Some(secret)) = (environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY")) {
                    let session = environment("AWS_SESSION_TOKEN").map(Zeroizing::new);
                    return Ok((Credentials { key_id, secret: Zeroizing::new(secret), session }, i64::MAX));
                }
                if let Some(tokens) = &self.tokens {
                    return by_web_identity(tokens);
                }
                environment("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
            }
        };
        let home = || environment("HOME").map(|home| PathBuf::from(home).join(".aws/credentials"));
        let path = environment("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from).or_else(home);
        let path = path.filter(|path| path.exists()).ok_or_else(|| none("has no credentials to be asked with"))?;
        let bytes = read_private(&path, FILE_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::Tampered(path.clone()))?;
        let found = of_profile(text, &profile);
        Ok((found.ok_or_else(|| none(&format!("has no credentials: profile `{profile}` has none")))?, i64::MAX))
    }
}

/// Keys of a profile of a credentials file.
fn of_profile(text: &str, profile: &str) -> Option<Credentials> {
    let mut inside = false;
    let (mut key_id, mut secret, mut session) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim() == profile;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) else { continue };
        let value = value.trim().to_owned();
        match key.trim() {
            "aws_access_key_id" => key_id = Some(value),
            "aws_secret_access_key" => secret = Some(Zeroizing::new(value)),
            "aws_session_token" => session = Some(Zeroizing::new(value)),
            _ => {}
        }
    }
    Some(Credentials { key_id: key_id?, secret: secret?, session })
}

/// Takes on a role with the token that the platform wrote for this workload (`AssumeRoleWithWebIdentity`; the call is not signed).
fn by_web_identity(tokens: &Http) -> Result<(Credentials, i64), VaultError> {
    let role = environment("AWS_ROLE_ARN").ok_or_else(|| none("has no role to be asked in"))?;
    let file =
        environment("AWS_WEB_IDENTITY_TOKEN_FILE").ok_or_else(|| none("has a role and no token: AWS_WEB_IDENTITY_TOKEN_FILE"))?;
    let token = read_limited(Path::new(&file), FILE_BYTES_MAX)?;
    let token = Zeroizing::new(String::from_utf8_lossy(&token).trim().to_owned());
    let session = environment("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "stayward".to_owned());
    let mut body = Zeroizing::new(String::with_capacity(3 * token.len() + 512));
    body.push_str("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
    for (text, next) in [(role.as_str(), "&RoleSessionName="), (session.as_str(), "&WebIdentityToken="), (token.as_str(), "")] {
        push_form(&mut body, text);
        body.push_str(next);
    }
    let headers = [("Content-Type", Zeroizing::new("application/x-www-form-urlencoded".to_owned()))];
    let call = Call { method: "POST", path: "/", headers: &headers, body: body.as_bytes(), repeat: Repeat::Harmless };
    let answer = tokens.send(&call)?;
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    let found = || {
        let end: jiff::Timestamp = element(text, "Expiration")?.parse().ok()?;
        let secret = Zeroizing::new(element(text, "SecretAccessKey")?.to_owned());
        let session = Some(Zeroizing::new(element(text, "SessionToken")?.to_owned()));
        Some((Credentials { key_id: element(text, "AccessKeyId")?.to_owned(), secret, session }, end.as_second()))
    };
    let refused = || {
        tokens.error(format!("gave no credentials: status {}", answer.status), "see that the role trusts this workload's token")
    };
    if answer.status == 200 { found().ok_or_else(refused) } else { Err(refused()) }
}

/// The text of the first element of that name. Names and values of this answer are plain, so nothing is escaped in it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    (!text.contains(['<', '&'])).then(|| text.trim())
}

/// Percent-encodes for a form (RFC 3986, section 2.3).
fn push_form(out: &mut Zeroizing<String>, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF".get(usize::from(nibble)).copied().unwrap_or(b'0'));
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte & 15));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# mine\n[default]\naws_access_key_id = AKONE\naws_secret_access_key=one/+\n\n[ other ]\naws_access_key_id=AKTWO\n\
                        aws_secret_access_key = two\naws_session_token = t=w=o\nregion = x\n[half]\naws_access_key_id=A\n";

    #[test]
    fn profiles_are_told_apart() {
        let one = of_profile(FILE, "default").unwrap();
        assert_eq!((one.key_id.as_str(), one.secret.as_str(), one.session.is_none()), ("AKONE", "one/+", true));
        let other = of_profile(FILE, "other").unwrap();
        assert_eq!((other.secret.as_str(), other.session.unwrap().as_str()), ("two", "t=w=o"));
        assert!(of_profile(FILE, "half").is_none() && of_profile(FILE, "none").is_none());
    }

    #[test]
    fn elements_are_found_once_and_whole() {
        assert_eq!(element("<a><b>x</b><b>y</b></a>", "b"), Some("x"));
        assert_eq!(element("<a><b>x</a>", "b"), None);
        assert_eq!(element("<a>&lt;</a>", "a"), None);
    }

    #[test]
    fn forms_are_encoded() {
        let mut out = Zeroizing::new(String::new());
        push_form(&mut out, "arn:aws:iam::1:role/a b~");
        assert_eq!(out.as_str(), "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b~");
    }

    proptest! {
        #[test]
        fn arbitrary_files_are_read_or_not(text in any::<String>(), name in "[a-z]{0,4}") {
            let _read = of_profile(&text, &name);
            let _found = element(&text, &name);
        }
    }
}
