//! What must be made new, and when (T4): signing keys, users' secrets, rotations that nobody finished, tokens of components, keys of
//! callers and of suppliers.

use identity::Identity;
use s07_release::{Credential, CredentialKind};
use vault::{SecretStore, Stage, StoredVersion, Vault, VaultError};

use super::{SIGNING, is_own, store};
use crate::desk::now;
use crate::{PipelineError, Project};

const DAY_SECONDS: i64 = 86_400;
/// Component tokens live for a day at most; one that is older was made by a clock that is wrong.
const COMPONENT_DAYS_MAX: i64 = 1;

fn days_since(created_at: i64, now: i64) -> i64 {
    // Rounds down, so that a moment in the future is a day that has not been yet.
    now.saturating_sub(created_at).div_euclid(DAY_SECONDS)
}

fn credential(kind: CredentialKind, name: &str, created_at: i64, age_days_max: i64) -> Credential {
    Credential { name: name.to_owned(), age_days: days_since(created_at, now()), age_days_max, kind, unknown: String::new() }
}

/// What the vault and the store of users' secrets hold, by age. A store that does not answer is a credential of unknown age.
pub fn of_vault(project: &Project, vault: &std::sync::Arc<Vault>) -> Result<Vec<Credential>, PipelineError> {
    let mut found = Vec::new();
    let age_days_max = project.policy.secrets.age_days_max;
    for name in SIGNING {
        let versions = match SecretStore::versions(&**vault, name) {
            // The key of components' tokens is made at first use.
            Err(VaultError::NoSecret(_)) => continue,
            versions => versions?,
        };
        found.extend(
            current(&versions).map(|version| credential(CredentialKind::Signing, name, version.created_at, age_days_max)),
        );
    }
    let store = store(project, vault)?;
    match of_store(project, &*store) {
        Ok(secrets) => found.extend(secrets),
        Err(error) => {
            let (name, unknown) = (store.place(), error.to_string());
            found.push(Credential { name, age_days: 0, age_days_max: 0, kind: CredentialKind::Unknown, unknown });
        }
    }
    Ok(found)
}

fn current(versions: &[StoredVersion]) -> Option<&StoredVersion> {
    versions.iter().find(|version| version.stage == Stage::Current)
}

fn of_store(project: &Project, store: &dyn SecretStore) -> Result<Vec<Credential>, PipelineError> {
    let policy = &project.policy.vault;
    let mut found = Vec::new();
    for name in store.names()?.into_iter().filter(|name| !is_own(name)) {
        let versions = store.versions(&name)?;
        found.extend(current(&versions).map(|one| credential(CredentialKind::Secret, &name, one.created_at, policy.days_max)));
        let pending = versions.iter().find(|version| version.stage == Stage::Pending);
        found.extend(pending.map(|one| credential(CredentialKind::Pending, &name, one.created_at, policy.pending_days_max)));
    }
    Ok(found)
}

/// The same, with what is given to components, callers and suppliers and is good now.
pub async fn of_all(
    project: &Project,
    vault: &std::sync::Arc<Vault>,
    identity: &Identity,
) -> Result<Vec<Credential>, PipelineError> {
    let (mut found, now) = (of_vault(project, vault)?, now());
    let others_days_max = project.policy.vault.others_days_max;
    for token in identity.component_tokens().await? {
        if token.revoked_at.is_none() && token.expires_at > now {
            let name = format!("{} {}", token.component.as_str(), token.id);
            found.push(credential(CredentialKind::Component, &name, token.created_at, COMPONENT_DAYS_MAX));
        }
    }
    for key in identity.keys().await? {
        if key.revoked_at.is_none() && key.grant.expires_at > now {
            found.push(credential(CredentialKind::Api, &key.grant.key_id, key.created_at, others_days_max));
        }
    }
    for key in identity.supplier_keys().await? {
        if key.is_trusted(now) {
            found.push(credential(CredentialKind::Supplier, &key.id, key.not_before, others_days_max));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_the_future_is_none() {
        assert_eq!(days_since(0, DAY_SECONDS - 1), 0);
        assert_eq!(days_since(0, DAY_SECONDS), 1);
        assert_eq!(days_since(10, 0), -1);
    }
}
