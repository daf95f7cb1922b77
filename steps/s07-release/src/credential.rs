//! A key, password or token with its age, and when that is too much (T4): gate, `vault check` and `doctor` ask here and nowhere else.

use serde::{Deserialize, Serialize};

/// What a credential is: it says how it is made new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A key that signs evidence, models or the log's head.
    #[default]
    Signing,
    /// A password or token that users keep in the vault.
    Secret,
    /// A version that a rotation put and never finished.
    Pending,
    /// A token of a component.
    Component,
    /// A key of a caller of the API.
    Api,
    /// A supplier's key that feeds are believed by.
    Supplier,
    /// A store of secrets that does not say what it holds.
    Unknown,
}

/// A key or password with its age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its name, never its value.
    pub name: String,
    /// Days since it was made.
    pub age_days: i64,
    /// Days after which it must be new.
    pub age_days_max: i64,
    /// What it is; archives from before there were several say nothing.
    #[serde(default)]
    pub kind: CredentialKind,
    /// Of a store that does not say what it holds: its error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unknown: String,
}

impl Credential {
    /// Whether a release is refused for it: it is too old, was made in the future, or nothing is known of it.
    pub fn overdue(&self) -> bool {
        self.kind == CredentialKind::Unknown || !(0..=self.age_days_max).contains(&self.age_days)
    }

    /// What is wrong with one that is overdue, as a sentence without an end.
    pub fn why(&self) -> String {
        let (name, age, most) = (&self.name, self.age_days, self.age_days_max);
        let what = match self.kind {
            CredentialKind::Unknown => {
                let why = format!("{name} does not say how old the secrets in it are");
                return if self.unknown.is_empty() { why } else { format!("{why}: {}", self.unknown) };
            }
            CredentialKind::Pending => "the unfinished rotation of ",
            CredentialKind::Component => "the token of component ",
            CredentialKind::Api => "API key ",
            CredentialKind::Supplier => "the supplier's key ",
            CredentialKind::Signing | CredentialKind::Secret => "",
        };
        format!("{what}`{name}` is `{age}` days old, `{most}` are allowed")
    }

    /// How it is made new.
    pub fn way_out(&self) -> String {
        let name = &self.name;
        match self.kind {
            CredentialKind::Signing | CredentialKind::Secret => format!("make it new with `stayward vault rotate {name}`"),
            CredentialKind::Pending => {
                format!("finish it with `stayward vault rotate {name}`, or drop it with `stayward vault rotate {name} --discard`")
            }
            CredentialKind::Component => {
                "start the component again; it gets a fresh token, and see that the clock is right".to_owned()
            }
            CredentialKind::Api => format!("give its caller a new one with `stayward api key rotate {name}`"),
            CredentialKind::Supplier => {
                format!(
                    "trust the supplier's new key with `stayward feed trust`, and revoke this one with `stayward feed revoke {name}`"
                )
            }
            CredentialKind::Unknown => "see what it answers with `stayward vault check`".to_owned(),
        }
    }
}
