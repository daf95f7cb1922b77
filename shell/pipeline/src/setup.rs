//! Makes a project: folder, policy, contract, keys, people, the first application.

use std::collections::BTreeSet;
use std::path::Path;

use identity::{CustomerScope, Identity, KeyLimits, NewPerson, Right, Role, SecretText, Session, code_at};
use serde::{Deserialize, Serialize};

use crate::PipelineError;
use crate::desk::{Desk, now};
use crate::policy::ApiPolicy;

/// Somebody who gets an account.
#[derive(Clone, Copy, Debug)]
pub struct NewAccount<'a> {
    /// Login name.
    pub name: &'a str,
    /// Name for people.
    pub display_name: &'a str,
    /// Team.
    pub team: &'a str,
    /// Roles.
    pub roles: &'a [Role],
}

/// What a person gets once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Password.
    pub password: String,
    /// For the authenticator app.
    pub otpauth_url: String,
    /// The secret of the second factor, base32.
    pub totp_secret: String,
    /// Each works once in place of a code.
    #[serde(default)]
    pub recovery_codes: Vec<String>,
}

/// The one person of a one-person project, under two names: who manages keys touches no data.
pub const ONE_PERSON: [NewAccount<'static>; 2] = [
    NewAccount {
        name: "owner",
        display_name: "Project owner",
        team: "data",
        roles: &[Role::DataSteward, Role::LabelApprover, Role::ReleaseManager],
    },
    NewAccount { name: "admin", display_name: "Project admin", team: "platform", roles: &[Role::Admin] },
];

/// The people of the demo: nobody signs what is his own.
pub const DEMO_PEOPLE: [NewAccount<'static>; 6] = [
    NewAccount {
        name: "ada",
        display_name: "Ada (data steward)",
        team: "data",
        roles: &[Role::DataSteward, Role::ReleaseManager],
    },
    NewAccount { name: "lena", display_name: "Lena (labeller)", team: "crm", roles: &[Role::Labeller] },
    NewAccount { name: "ben", display_name: "Ben (label approver)", team: "crm", roles: &[Role::LabelApprover] },
    NewAccount { name: "cleo", display_name: "Cleo (label approver)", team: "risk", roles: &[Role::LabelApprover] },
    NewAccount { name: "tara", display_name: "Tara (trainer)", team: "data", roles: &[Role::Trainer] },
    NewAccount { name: "admin", display_name: "Admin", team: "platform", roles: &[Role::Admin] },
];

/// Refuses a folder that holds a project.
pub fn check_free(root: &Path) -> Result<(), PipelineError> {
    if root.join("stayward.toml").exists() || root.join("vault").exists() {
        let why = format!("`{}` holds a project already", root.display());
        return Err(PipelineError::wrong(why, "choose another folder with `--project DIR`, or delete that one"));
    }
    Ok(())
}

/// Writes policy and contract into a new folder and makes everything else.
pub async fn create_project(root: &Path, policy: &str, contract: &str) -> Result<Desk, PipelineError> {
    check_free(root)?;
    store::disk::make_folder(root)?;
    store::disk::write_atomic(&root.join("contract.toml"), contract.as_bytes())?;
    store::disk::write_atomic(&root.join("stayward.toml"), policy.as_bytes())?;
    Desk::create(root).await
}

/// Makes accounts with random passwords and second factors.
pub async fn create_people(desk: &Desk, people: &[NewAccount<'_>]) -> Result<Vec<Account>, PipelineError> {
    let mut accounts = Vec::new();
    for new in people {
        accounts.push(create_person(&desk.identity, *new).await?);
    }
    Ok(accounts)
}

/// Makes one account; the record is shown once.
pub async fn create_person(identity: &Identity, new: NewAccount<'_>) -> Result<Account, PipelineError> {
    let password = data_encoding::BASE32_NOPAD.encode(&vault::random_bytes(15)?).to_lowercase();
    let roles: BTreeSet<Role> = new.roles.iter().copied().collect();
    let person = NewPerson { name: new.name, display_name: new.display_name, team: new.team, password: &password, roles };
    let enrolment = identity.create_person(person, now()).await?;
    Ok(Account {
        name: new.name.to_owned(),
        password,
        otpauth_url: enrolment.otpauth_url.reveal().to_owned(),
        totp_secret: data_encoding::BASE32_NOPAD.encode(&enrolment.totp_secret),
        recovery_codes: revealed(&enrolment.recovery_codes),
    })
}

/// Recovery codes as they are shown, once.
pub fn revealed(codes: &[SecretText]) -> Vec<String> {
    codes.iter().map(|code| code.reveal().to_owned()).collect()
}

/// The one-time code of a moment, as an authenticator would show it.
pub fn code_of(account: &Account, now: i64) -> Result<String, PipelineError> {
    let secret = data_encoding::BASE32_NOPAD.decode(account.totp_secret.as_bytes()).map_err(PipelineError::internal)?;
    Ok(code_at(&secret, now))
}

/// Logs an account in with both factors, the code computed from the enrolment's secret as an authenticator would. For set-up, demo
/// and tests: whoever holds this account record holds both factors.
pub async fn log_in(desk: &Desk, account: &Account) -> Result<Session, PipelineError> {
    log_in_to(&desk.identity, account).await
}

/// The same, where the log is not open.
pub async fn log_in_to(identity: &Identity, account: &Account) -> Result<Session, PipelineError> {
    let code = code_of(account, now())?;
    Ok(identity.verify_password_and_code(&account.name, &account.password, &code, now()).await?)
}

/// An API key that was just made.
#[derive(Clone, Debug, Serialize)]
pub struct IssuedKey {
    /// Public id.
    pub id: String,
    /// The key; shown once.
    pub key: String,
    /// The application.
    pub application: String,
    /// Last moment of its validity, RFC 3339.
    pub expires: String,
}

/// Issues a key with the policy's limits; the application is made if it is new.
pub async fn issue_key(
    desk: &Desk,
    application: &str,
    owner: &str,
    rights: &[Right],
    scope: &CustomerScope,
) -> Result<IssuedKey, PipelineError> {
    issue_key_in(&desk.identity, &desk.project.policy.api, (application, owner), rights, scope).await
}

pub(crate) async fn issue_key_in(
    identity: &Identity,
    api: &ApiPolicy,
    (application, owner): (&str, &str),
    rights: &[Right],
    scope: &CustomerScope,
) -> Result<IssuedKey, PipelineError> {
    let known = identity.apps().await?.into_iter().any(|app| app.name == application);
    if !known {
        identity.create_app(application, owner, now()).await?;
    }
    let limits = KeyLimits { per_minute: api.per_minute, distinct_customers_per_day: api.distinct_customers_per_day };
    let rights: BTreeSet<Right> = rights.iter().copied().collect();
    let key = identity.create_key(application, &rights, limits, scope, now()).await?;
    Ok(IssuedKey {
        id: key.id,
        key: key.text.reveal().to_owned(),
        application: application.to_owned(),
        expires: crate::desk::rfc3339(key.expires_at),
    })
}
