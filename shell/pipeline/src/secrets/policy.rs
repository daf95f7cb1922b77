//! `[vault]` of stayward.toml: where secrets lie that users bring, and how old what may become (T4).

use serde::{Deserialize, Serialize};

use crate::SecretPolicy;

/// Ten years.
const DAYS_MAX: i64 = 3_650;
/// Where Debian and its kin keep the authorities that everybody trusts.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Which store keeps the secrets that users bring: passwords of databases, tokens of others' interfaces. The keys that sign evidence
/// and models always lie in the embedded vault: nothing can be decided without them, so they must not depend on a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The folder `vault` of the project.
    #[default]
    Embedded,
    /// OpenBao or HashiCorp Vault; needs a program built with the feature `openbao`.
    Openbao,
    /// AWS Secrets Manager; needs a program built with the feature `aws`.
    Aws,
}

/// Where secrets lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultPolicy {
    /// The store of users' secrets.
    pub backend: Backend,
    /// Days after which a user's secret must be new.
    pub days_max: i64,
    /// Days that a rotation may stay unfinished.
    pub pending_days_max: i64,
    /// Days after which a key that others hold must be new: of callers of the API, and of suppliers.
    pub others_days_max: i64,
    /// OpenBao.
    pub openbao: OpenBaoPolicy,
    /// AWS Secrets Manager.
    pub aws: AwsPolicy,
}

impl Default for VaultPolicy {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            days_max: 90,
            pending_days_max: 1,
            // A year, in which suppliers' keys are trusted unless somebody says otherwise, and a day.
            others_days_max: 366,
            openbao: OpenBaoPolicy::default(),
            aws: AwsPolicy::default(),
        }
    }
}

/// Where OpenBao is. Paths are relative to the project; the files of the login must be readable by this user alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenBaoPolicy {
    /// `https://host:8200`.
    pub address: String,
    /// PEM file of the authority that vouches for it.
    pub ca: String,
    /// Mount of its key-value engine, version 2.
    pub mount: String,
    /// Folder of this project's secrets in it.
    pub prefix: String,
    /// Namespace, if it has some.
    pub namespace: String,
    /// File that holds a token; else AppRole is used.
    pub token_file: String,
    /// Mount of AppRole.
    pub approle_mount: String,
    /// File that holds the role's id.
    pub role_id_file: String,
    /// File that holds the secret id.
    pub secret_id_file: String,
}

impl Default for OpenBaoPolicy {
    fn default() -> Self {
        Self {
            address: String::new(),
            ca: SYSTEM_CA.to_owned(),
            mount: "secret".to_owned(),
            prefix: "stayward".to_owned(),
            namespace: String::new(),
            token_file: String::new(),
            approle_mount: "approle".to_owned(),
            role_id_file: String::new(),
            secret_id_file: String::new(),
        }
    }
}

/// Where AWS Secrets Manager is. Credentials come from the environment, a profile or a web identity, as AWS' own tools find them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsPolicy {
    /// `eu-central-1`.
    pub region: String,
    /// Another address than the region's, for instance of a VPC endpoint.
    pub endpoint: String,
    /// Another address of the token service.
    pub sts_endpoint: String,
    /// PEM file of the authorities that are trusted.
    pub ca: String,
    /// What the names of this project's secrets begin with there.
    pub prefix: String,
    /// Profile of the credentials file; empty: as AWS' tools choose.
    pub profile: String,
}

impl Default for AwsPolicy {
    fn default() -> Self {
        let empty = String::new;
        Self {
            region: empty(),
            endpoint: empty(),
            sts_endpoint: empty(),
            ca: SYSTEM_CA.to_owned(),
            prefix: "stayward/".to_owned(),
            profile: empty(),
        }
    }
}

impl VaultPolicy {
    /// Refuses limits out of range, and a store without its address.
    pub(crate) fn check(&self) -> Result<(), String> {
        let days =
            [("days_max", self.days_max), ("pending_days_max", self.pending_days_max), ("others_days_max", self.others_days_max)];
        for (key, value) in days {
            if !(1..=DAYS_MAX).contains(&value) {
                return Err(format!("`vault.{key}` is `{value}`; it must be from 1 to {DAYS_MAX}"));
            }
        }
        let needed: &[(&str, &str)] = match self.backend {
            Backend::Embedded => &[],
            Backend::Openbao if !self.openbao.token_file.is_empty() => &[("openbao.address", &self.openbao.address)],
            Backend::Openbao => &[
                ("openbao.address", &self.openbao.address),
                ("openbao.role_id_file", &self.openbao.role_id_file),
                ("openbao.secret_id_file", &self.openbao.secret_id_file),
            ],
            Backend::Aws => &[("aws.region", &self.aws.region)],
        };
        match needed.iter().find(|(_, value)| value.is_empty()) {
            Some((key, _)) => Err(format!("`vault.{key}` is empty, and secrets are kept there")),
            None => Ok(()),
        }
    }
}

impl SecretPolicy {
    /// When a session that began then ends by this policy; no session lives longer than the program's own maximum.
    pub(crate) fn session_ends(&self, session: &identity::Session) -> i64 {
        session.expires.min(session.auth_time.saturating_add(self.session_hours.saturating_mul(3600)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn check(more: &str) -> Result<Policy, String> {
        Policy::parse(&(crate::template("a", "x", "", true, 0.65) + more))
    }

    #[test]
    fn where_secrets_lie_is_read() {
        assert_eq!(check("").unwrap().vault, VaultPolicy::default());
        let bao = "[vault]\nbackend = \"openbao\"\n[vault.openbao]\naddress = \"https://b:8200\"\ntoken_file = \"t\"\n";
        assert_eq!(check(bao).unwrap().vault.backend, Backend::Openbao);
        assert_eq!(
            check("[vault]\nbackend = \"aws\"\n[vault.aws]\nregion = \"eu-central-1\"\n").unwrap().vault.backend,
            Backend::Aws
        );
        let read = check(bao).unwrap();
        assert_eq!(Policy::parse(&read.to_toml().unwrap()).unwrap(), read);
    }

    #[test]
    fn what_is_missing_or_out_of_range_is_named() {
        assert!(check("[vault]\nbackend = \"aws\"\n").unwrap_err().contains("vault.aws.region"));
        assert!(check("[vault]\nbackend = \"openbao\"\n").unwrap_err().contains("vault.openbao.address"));
        let login = "[vault]\nbackend = \"openbao\"\n[vault.openbao]\naddress = \"https://b:8200\"\n";
        assert!(check(login).unwrap_err().contains("role_id_file"));
        assert!(check("[vault]\ndays_max = 0\n").unwrap_err().contains("vault.days_max"));
        assert!(check("[vault]\nbackend = \"gcp\"\n").is_err() && check("[vault]\ndays = 1\n").is_err());
    }
}
