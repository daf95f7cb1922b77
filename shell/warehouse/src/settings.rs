//! `[source.postgres]` of stayward.toml: where the customers are. No password stands there, nor any SQL (T1, T4).

use serde::{Deserialize, Serialize};

/// Bytes of a PostgreSQL identifier (`NAMEDATALEN` less one).
pub(crate) const IDENTIFIER_BYTES_MAX: usize = 63;
/// Passwords of databases have names of their own in the vault: no setting can make one of the pipeline's keys a password.
const SECRET_PREFIX: &str = "postgres-";
/// Bytes of a tenant's value.
const VALUE_BYTES_MAX: usize = 1_024;
/// A statement may take a day.
const TIMEOUT_SECONDS_MAX: u32 = 86_400;
/// As many records as a table may have here.
const ROWS_MAX: u64 = 1_000_000_000;

/// Where the customers are, and how they are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The server's name, as its certificate says it; empty where a socket is named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The folder of the server's Unix socket, for a server on this machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub socket: String,
    /// The port.
    #[serde(default = "port")]
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role that reads.
    pub role: String,
    /// `schema.table`: a table or a view.
    pub table: String,
    /// PEM file of the one authority that may vouch for the server; relative to the project, or absolute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ca: String,
    /// The vault's name of the password.
    #[serde(default = "secret")]
    pub secret: String,
    /// Whether the password must be proved by SCRAM bound to the server's certificate; a connection pooler in between may not know that.
    #[serde(default = "yes")]
    pub channel_binding: bool,
    /// Whether row-level security must be on; a tenant asks for it too.
    #[serde(default)]
    pub row_security: bool,
    /// Whose rows are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// Whether customers' ids are replaced by keyed pseudonyms before anything is written down.
    #[serde(default)]
    pub pseudonyms: bool,
    /// How long one statement may take.
    #[serde(default = "timeout")]
    pub statement_timeout_seconds: u32,
    /// Rows that are read at most; more is an error.
    #[serde(default = "rows")]
    pub rows_max: u64,
}

/// A setting that the policies of row-level security read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its name: `app.tenant`.
    pub setting: String,
    /// Its value.
    pub value: String,
}

const fn port() -> u16 {
    5432
}

fn secret() -> String {
    "postgres-reader".to_owned()
}

const fn yes() -> bool {
    true
}

const fn timeout() -> u32 {
    600
}

const fn rows() -> u64 {
    5_000_000
}

impl Settings {
    /// What is wrong with them, as key and sentence.
    ///
    /// # Errors
    /// The first value that cannot be meant.
    pub fn check(&self) -> Result<(), String> {
        let named = |key: &str, value: &str| {
            let fits = !value.is_empty() && value.len() <= IDENTIFIER_BYTES_MAX && !value.contains('\0');
            if fits { Ok(()) } else { Err(format!("`source.postgres.{key}` must have 1 to {IDENTIFIER_BYTES_MAX} bytes")) }
        };
        named("database", &self.database)?;
        named("role", &self.role)?;
        let (schema, table) = self.relation();
        named("table (schema)", schema)
            .map_err(|_| format!("`source.postgres.table` is `{}`; write `schema.table`", self.table))?;
        named("table", table)?;
        match (self.host.is_empty(), self.socket.is_empty()) {
            (true, true) => return Err("`source.postgres` names neither `host` nor `socket`".into()),
            (false, false) => return Err("`source.postgres` names both `host` and `socket`; leave one out".into()),
            (false, true) if !self.host.chars().all(|letter| letter.is_ascii_alphanumeric() || ".:-".contains(letter)) => {
                return Err(format!("`source.postgres.host` is `{}`, which is no name of a server", self.host));
            }
            (false, true) if self.ca.is_empty() => {
                return Err("`source.postgres.ca` is missing: the PEM file of the authority that vouches for the server".into());
            }
            (true, false) if !self.socket.starts_with('/') => {
                return Err("`source.postgres.socket` must be the whole path of a folder".into());
            }
            (false, true) | (true, false) => {}
        }
        if !self.secret.starts_with(SECRET_PREFIX) {
            return Err(format!("`source.postgres.secret` is `{}`; its name must begin with `{SECRET_PREFIX}`", self.secret));
        }
        if !(1..=TIMEOUT_SECONDS_MAX).contains(&self.statement_timeout_seconds) {
            return Err(format!("`source.postgres.statement_timeout_seconds` must be from 1 to {TIMEOUT_SECONDS_MAX}"));
        }
        if !(1..=ROWS_MAX).contains(&self.rows_max) {
            return Err(format!("`source.postgres.rows_max` must be from 1 to {ROWS_MAX}"));
        }
        self.tenant.as_ref().map_or(Ok(()), Tenant::check)
    }

    /// Schema and name of what is read.
    pub fn relation(&self) -> (&str, &str) {
        self.table.split_once('.').unwrap_or(("", &self.table))
    }

    /// Whether row-level security must be on.
    pub fn row_security_wanted(&self) -> bool {
        self.row_security || self.tenant.is_some()
    }
}

impl Tenant {
    /// Only settings of one's own have a dot in their name: `role` or `transaction_read_only` cannot be set by this.
    fn check(&self) -> Result<(), String> {
        let word = |part: &str| {
            let mut letters = part.chars();
            letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        if self.setting.len() > IDENTIFIER_BYTES_MAX || !self.setting.contains('.') || !self.setting.split('.').all(word) {
            return Err(format!("`source.postgres.tenant.setting` is `{}`; it must be like `app.tenant`", self.setting));
        }
        if self.value.len() > VALUE_BYTES_MAX || self.value.contains('\0') {
            return Err(format!("`source.postgres.tenant.value` must have at most {VALUE_BYTES_MAX} bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
impl Settings {
    pub(crate) fn ordinary() -> Self {
        Self {
            host: "db.example".into(),
            socket: String::new(),
            port: port(),
            database: "crm".into(),
            role: "reader".into(),
            table: "crm.customers".into(),
            ca: "ca.pem".into(),
            secret: secret(),
            channel_binding: true,
            row_security: false,
            tenant: None,
            pseudonyms: false,
            statement_timeout_seconds: timeout(),
            rows_max: rows(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut Settings), wrong: Option<&str>) {
        let mut settings = Settings::ordinary();
        change(&mut settings);
        match (settings.check(), wrong) {
            (Ok(()), None) => {}
            (Err(why), Some(key)) => assert!(why.contains(key), "{why}"),
            (found, wanted) => panic!("{found:?}, wanted {wanted:?}"),
        }
    }

    fn tenant(setting: &str) -> Option<Tenant> {
        Some(Tenant { setting: setting.into(), value: "north".into() })
    }

    #[test]
    fn settings_that_can_be_meant_pass() {
        check(|_| (), None);
        check(|settings| settings.tenant = tenant("app.tenant"), None);
        check(
            |settings| {
                settings.host.clear();
                settings.ca.clear();
                settings.socket = "/run/postgresql".into();
            },
            None,
        );
    }

    #[test]
    fn others_are_refused() {
        check(|settings| settings.host.clear(), Some("neither"));
        check(|settings| settings.socket = "/run".into(), Some("both"));
        check(|settings| settings.host = "/run/postgresql".into(), Some("source.postgres.host"));
        check(|settings| settings.ca.clear(), Some("source.postgres.ca"));
        check(|settings| settings.table = "customers".into(), Some("schema.table"));
        check(|settings| settings.table = ".customers".into(), Some("schema.table"));
        check(|settings| settings.table = "crm.".into(), Some("source.postgres.table"));
        check(|settings| settings.role = "r".repeat(64), Some("source.postgres.role"));
        check(|settings| settings.statement_timeout_seconds = 0, Some("timeout"));
        check(|settings| settings.secret = "evidence-p256".into(), Some("source.postgres.secret"));
        check(|settings| settings.rows_max = 0, Some("rows_max"));
        for setting in ["role", "transaction_read_only", "a.", "app.t;x", ""] {
            check(|settings| settings.tenant = tenant(setting), Some("tenant.setting"));
        }
    }

    #[test]
    fn a_tenant_asks_for_row_level_security() {
        assert!(!Settings::ordinary().row_security_wanted());
        assert!(Settings { tenant: tenant("app.tenant"), ..Settings::ordinary() }.row_security_wanted());
    }
}
