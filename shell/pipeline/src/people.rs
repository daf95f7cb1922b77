//! `[identity.oidc]` of stayward.toml (T1, T6): which provider of the organisation vouches for people, and which of its groups is which
//! role here. The client's secret is named, never written: it lies in the vault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use identity::Role;
use identity::access_token::TokenKeys;
use identity::oidc::{OidcRules, Provider, SecondFactorRule};
use serde::{Deserialize, Serialize};
use vault::{Secret, Wanted};
use zeroize::Zeroizing;

use crate::desk::{Desk, now};
use crate::{PipelineError, Project, secrets};

/// Where the provider sends people back to, below the console's address.
pub const CALLBACK_PATH: &str = "/console/login/oidc/callback";
/// Secrets of providers' clients have names of their own in the vault: no setting can send one of the pipeline's keys to a provider.
const SECRET_PREFIX: &str = "oidc-";
/// Groups that may be named.
const GROUPS_MAX: usize = 1000;

/// How people prove who they are, beside the project's own passwords and second factors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityPolicy {
    /// Where people find the console, `https://host:port`; where it is served from, if empty. Passkeys are bound to it, and a provider
    /// must know `/console/login/oidc/callback` below it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// A provider of the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcPolicy>,
}

/// Who says that a second factor was given at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MfaRule {
    /// The ID token, by `mfa_amr` or `mfa_acr`.
    #[default]
    Claims,
    /// The project's owner: the provider lets nobody in without one.
    Provider,
}

/// A provider of the organisation (OpenID Connect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcPolicy {
    /// Its issuer, exactly as its tokens name it.
    pub issuer: String,
    /// This project's client id there.
    pub client_id: String,
    /// The vault's name of the client's secret, `oidc-...`; empty for a public client.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub secret: String,
    /// A file (PEM) with the authorities that the provider's TLS may chain to, relative to the project; the system's where empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ca: String,
    /// Scopes beside `openid`, for instance the one that brings the groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The claim with the groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// The claim that names a new account.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// Whether somebody without an account gets one at the first login.
    #[serde(default)]
    pub create: bool,
    /// Who says that a second factor was given.
    #[serde(default)]
    pub mfa: MfaRule,
    /// Words of `amr` that mean a second factor (RFC 8176).
    #[serde(default = "mfa_amr")]
    pub mfa_amr: Vec<String>,
    /// Values of `acr` that mean a second factor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mfa_acr: Vec<String>,
    /// Roles by group.
    pub roles: BTreeMap<String, BTreeSet<Role>>,
}

fn groups_claim() -> String {
    "groups".to_owned()
}

fn name_claim() -> String {
    "preferred_username".to_owned()
}

/// Not `otp` alone: it says that a one-time code was given, which may have been the only factor.
fn mfa_amr() -> Vec<String> {
    vec!["mfa".to_owned()]
}

impl IdentityPolicy {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The console's address, where it is served from `served` and nothing else is said.
    pub fn console_url(&self, served: &str) -> String {
        let url = if self.url.is_empty() { served } else { &self.url };
        url.trim_end_matches('/').to_owned()
    }

    /// What can be seen without asking anybody.
    pub(crate) fn check(&self) -> Result<(), String> {
        let address = |key: &str, url: &str| {
            if url.starts_with("https://") && !url.contains(['#', '?']) {
                return Ok(());
            }
            Err(format!("`identity.{key}` is `{url}`; it must begin with https:// and have neither ? nor #"))
        };
        if !self.url.is_empty() {
            address("url", &self.url)?;
        }
        let Some(oidc) = &self.oidc else { return Ok(()) };
        address("oidc.issuer", &oidc.issuer)?;
        if oidc.client_id.trim().is_empty() {
            return Err("`identity.oidc.client_id` is empty; give it the id that the provider knows".to_owned());
        }
        if !oidc.secret.is_empty() && !oidc.secret.starts_with(SECRET_PREFIX) {
            return Err(format!("`identity.oidc.secret` is `{}`; its name must begin with `{SECRET_PREFIX}`", oidc.secret));
        }
        if oidc.roles.is_empty() || oidc.roles.len() > GROUPS_MAX {
            return Err(format!("`identity.oidc.roles` must name from 1 to {GROUPS_MAX} groups"));
        }
        let machine = oidc.roles.values().flatten().find(|role| role.is_machine());
        if let Some(role) = machine {
            return Err(format!("`identity.oidc.roles` gives `{role}`, which is a role of machines"));
        }
        if oidc.mfa == MfaRule::Claims && oidc.mfa_amr.is_empty() && oidc.mfa_acr.is_empty() {
            return Err("`identity.oidc` names neither `mfa_amr` nor `mfa_acr`, so nobody could come in; name the provider's, or set mfa = \"provider\" if it asks everybody for a second factor".to_owned());
        }
        Ok(())
    }
}

/// The provider that the project names, with its client's secret from the vault; none where it names none. For those who may not
/// write the log: no entry tells of the secret.
pub fn provider(project: &Project, vault: &Arc<vault::Vault>) -> Result<Option<Provider>, PipelineError> {
    provider_by(project, |name| Ok(secrets::store(project, vault)?.get(name, Wanted::Current)?))
}

/// The same, with an entry that the secret was read.
pub fn provider_on_record(desk: &Desk) -> Result<Option<Provider>, PipelineError> {
    provider_by(&desk.project, |name| secrets::read(desk, name, "the identity provider"))
}

fn provider_by(
    project: &Project,
    read: impl FnOnce(&str) -> Result<Secret, PipelineError>,
) -> Result<Option<Provider>, PipelineError> {
    let Some(oidc) = &project.policy.identity.oidc else { return Ok(None) };
    let client_secret = match oidc.secret.as_str() {
        "" => None,
        name => {
            let secret = read(name)?;
            let text = std::str::from_utf8(&secret.bytes).map_err(|_| {
                PipelineError::wrong(format!("the secret `{name}` is no text"), "put the client's secret into the vault again")
            })?;
            Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    };
    let second_factor = match oidc.mfa {
        MfaRule::Claims => {
            SecondFactorRule::Claims { amr: oidc.mfa_amr.iter().cloned().collect(), acr: oidc.mfa_acr.iter().cloned().collect() }
        }
        MfaRule::Provider => SecondFactorRule::Provider,
    };
    let rules = OidcRules {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret,
        ca: (!oidc.ca.is_empty()).then(|| project.path(&oidc.ca)),
        scopes: oidc.scopes.clone(),
        groups_claim: oidc.groups_claim.clone(),
        name_claim: oidc.name_claim.clone(),
        roles: oidc.roles.clone(),
        creates: oidc.create,
        second_factor,
    };
    Ok(Some(Provider::new(rules)?))
}

/// The vault's name of the key that signs components' tokens.
pub const TOKEN_KEY: &str = "access-token-p256";

/// Who issues the tokens of this project's components: the console's address.
pub fn token_issuer(project: &Project) -> String {
    project.policy.identity.console_url("https://localhost:8443")
}

/// The trust domain of machines' names (SPIFFE): the host of the console's address.
pub fn trust_domain(project: &Project) -> String {
    let issuer = token_issuer(project);
    let authority = issuer.trim_start_matches("https://");
    authority.split([':', '/']).next().unwrap_or_default().to_ascii_lowercase()
}

/// The key that signs components' tokens, made at first use, and the one before it, whose tokens may still live.
pub fn token_keys(vault: &vault::Vault) -> Result<TokenKeys, PipelineError> {
    let current = vault.get_or_put(TOKEN_KEY, vault::generate_p256_pkcs8, now())?;
    // There is none before the first rotation.
    let previous = vault.get_previous(TOKEN_KEY).ok();
    let earlier: Vec<&[u8]> = previous.iter().map(|key| key.as_slice()).collect();
    Ok(TokenKeys::new(&current, &earlier)?)
}

#[cfg(test)]
mod tests {
    use crate::policy::{Policy, template};

    const OIDC: &str = "\n[identity.oidc]\nissuer = \"https://id.example\"\nclient_id = \"stayward\"\nmfa_amr = [\"mfa\"]\n\
         [identity.oidc.roles]\nstewards = [\"data-steward\"]\n";

    fn check(from: &str, to: &str, key: &str) {
        let text = template("a", "x", "", true, 0.65) + OIDC;
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(Policy::parse(&policy.to_toml().unwrap()).unwrap(), policy);
        assert!(text.contains(from), "{from}");
        let refused = Policy::parse(&text.replace(from, to)).unwrap_err();
        assert!(refused.contains(key), "{to}: {refused}");
    }

    #[test]
    fn a_provider_that_lets_nobody_or_anybody_in_is_refused() {
        check("https://id", "http://id", "identity.oidc.issuer");
        check("\"stayward\"", "\" \"", "identity.oidc.client_id");
        check("mfa_amr", "secret = \"evidence-p256\"\nmfa_amr", "identity.oidc.secret");
        check("stewards = [\"data-steward\"]", "", "identity.oidc.roles");
        check("data-steward", "supplier", "role of machines");
        check("data-steward", "king", "king");
        check("mfa_amr = [\"mfa\"]", "mfa_amr = []", "mfa_amr");
        check("mfa_amr", "mfa_arm", "mfa_arm");
    }
}
