//! Logins by a provider (T1, T6): who gets in, with which roles, and what the log tells; the token itself is judged in `oidc`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use identity::oidc::{OidcRules, Proven, SecondFactorRule};
use identity::{Action, Factor, Identity, IdentityError, NewPerson, Role, matrix};

const NOON: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example";

async fn open(dir: &Path) -> Identity {
    let vault = vault::Vault::create(&dir.join("vault")).unwrap();
    Identity::open(&dir.join("control.db"), Arc::new(vault)).await.unwrap()
}

fn rules(creates: bool) -> OidcRules {
    let one = |group: &str, role| (group.to_owned(), BTreeSet::from([role]));
    OidcRules {
        issuer: ISSUER.to_owned(),
        client_id: "stayward".to_owned(),
        client_secret: None,
        ca: None,
        scopes: vec![],
        groups_claim: "groups".to_owned(),
        name_claim: "preferred_username".to_owned(),
        roles: BTreeMap::from([
            one("stewards", Role::DataSteward),
            one("labellers", Role::Labeller),
            one("approvers", Role::LabelApprover),
            one("admins", Role::Admin),
        ]),
        creates,
        second_factor: SecondFactorRule::Provider,
    }
}

fn proven(subject: &str, name: &str, groups: &[&str]) -> Proven {
    Proven {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        name: Some(name.to_owned()),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        auth_time: NOON - 100,
    }
}

fn refused<T>(outcome: Result<T, IdentityError>) -> bool {
    matches!(outcome, Err(IdentityError::ProviderLogin(_)))
}

async fn last_event(identity: &Identity) -> (String, String) {
    let last = identity.events_after(0, 1000).await.unwrap().pop().unwrap();
    (last.event, last.detail)
}

#[tokio::test]
async fn a_new_person_comes_in_by_groups_and_a_lost_group_is_a_lost_role() {
    let dir = tempfile::tempdir().unwrap();
    let identity = open(dir.path()).await;
    let rules = rules(true);
    let enter = |groups: &'static [&'static str]| identity.log_in_by_provider(&rules, Ok(proven("u-1", "Ada", groups)), NOON);
    let session = enter(&["stewards", "labellers", "guests"]).await.unwrap();
    assert_eq!((session.person.as_str(), session.amr.as_slice()), ("ada", [Factor::Provider, Factor::Mfa].as_slice()));
    assert_eq!(session.roles, BTreeSet::from([Role::DataSteward, Role::Labeller]));
    // The age of the factor is that of the login at the provider, not of the one here.
    session.authorise(Action::ReviewQuarantine, NOON - 100 + matrix::STEP_UP_SECONDS).unwrap();
    assert!(session.authorise(Action::ReviewQuarantine, NOON - 99 + matrix::STEP_UP_SECONDS).is_err());
    assert!(identity.person("ada").await.unwrap().by_provider);
    assert_eq!(identity.session(session.id.reveal(), NOON).await.unwrap().amr, session.amr);

    let again = enter(&["labellers"]).await.unwrap();
    assert_eq!(again.roles, BTreeSet::from([Role::Labeller]));
    // The session of before feels it, too.
    assert_eq!(identity.session(session.id.reveal(), NOON).await.unwrap().roles, again.roles);
    assert!(refused(enter(&["guests"]).await));
    assert!(identity.person("ada").await.unwrap().roles.is_empty());
    assert!(identity.session(again.id.reveal(), NOON).await.is_err());
    let (event, why) = last_event(&identity).await;
    assert!(event == "login-refused" && why.contains("no group"), "{event} {why}");
}

#[tokio::test]
async fn the_same_name_is_not_the_same_person() {
    let dir = tempfile::tempdir().unwrap();
    let identity = open(dir.path()).await;
    let new = NewPerson {
        name: "ada",
        display_name: "Ada",
        team: "data",
        password: "correct horse battery",
        roles: BTreeSet::from([Role::LabelApprover]),
    };
    identity.create_person(new, NOON).await.unwrap();
    let rules = rules(true);
    let enter = |subject| identity.log_in_by_provider(&rules, Ok(proven(subject, "ada", &["approvers"])), NOON);
    assert!(refused(enter("u-1").await));
    identity.bind_to_provider("ada", ISSUER, "u-1", NOON).await.unwrap();
    assert_eq!(enter("u-1").await.unwrap().person, "ada");
    assert!(refused(enter("u-2").await));
    for (name, subject) in [("ada", "u-3"), ("nobody", "u-4")] {
        assert!(identity.bind_to_provider(name, ISSUER, subject, NOON).await.is_err(), "{name}");
    }
    identity.disable_person("ada", NOON).await.unwrap();
    assert!(refused(enter("u-1").await));
}

#[tokio::test]
async fn who_is_not_expected_is_refused_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let identity = open(dir.path()).await;
    let closed = rules(false);
    assert!(refused(identity.log_in_by_provider(&closed, Ok(proven("u-1", "ada", &["stewards"])), NOON).await));
    let open = rules(true);
    for (name, groups) in [
        ("ada", ["labellers", "approvers"].as_slice()),
        ("ada", &["admins", "stewards"]),
        ("ada", &[]),
        ("Ada Lovelace", &["stewards"]),
        ("", &["stewards"]),
    ] {
        assert!(refused(identity.log_in_by_provider(&open, Ok(proven("u-1", name, groups)), NOON).await), "{name} {groups:?}");
    }
    let forged = Err(IdentityError::ProviderLogin("the ID token's signature is wrong".to_owned()));
    assert!(refused(identity.log_in_by_provider(&open, forged, NOON).await));
    let events = identity.events_after(0, 100).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.event == "login-refused").count(), 7);
    assert!(last_event(&identity).await.1.contains("signature is wrong"));
}

#[tokio::test]
async fn an_account_of_the_provider_has_no_password_that_anybody_knows() {
    let dir = tempfile::tempdir().unwrap();
    let identity = open(dir.path()).await;
    identity.log_in_by_provider(&rules(true), Ok(proven("u-1", "ada", &["admins"])), NOON).await.unwrap();
    for password in ["", "!", "correct horse battery"] {
        let outcome = identity.verify_password_and_code("ada", password, "000000", NOON).await;
        assert!(matches!(outcome, Err(IdentityError::LoginRefused)));
    }
    assert_eq!(identity.person("ada").await.unwrap().recovery_codes_left, 0);
}
