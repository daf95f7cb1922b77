//! Somebody who can write to the database file (T4, T6): no row that he puts in or changes opens anything.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use identity::oidc::{OidcRules, Proven, SecondFactorRule};
use identity::{
    Component, CustomerScope, Identity, IdentityError, KeyLimits, KeyRing, NewPerson, Right, Role, Roster, RosterChange, Witness,
    code_at,
};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

const NOON: i64 = 1_800_000_000;
const LIMITS: KeyLimits = KeyLimits { per_minute: 60, distinct_customers_per_day: 500 };
const PASSWORD: &str = "correct horse battery";

/// Keeps the last change in memory.
#[derive(Default)]
struct Memory(Mutex<Option<Arc<Roster>>>);

impl Witness for Memory {
    fn known(&self) -> Result<Option<Arc<Roster>>, String> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn changed(&self, change: &RosterChange) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(Arc::new(change.after.clone()));
        Ok(())
    }
}

struct World {
    _dir: tempfile::TempDir,
    identity: Identity,
    /// The file, behind the program's back.
    file: SqlitePool,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault::Vault::create(&dir.path().join("vault")).unwrap();
    let path = dir.path().join("control.db");
    let identity = Identity::open(&path, Arc::new(vault)).await.unwrap().witnessed(Arc::new(Memory::default()));
    let file = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    World { _dir: dir, identity, file }
}

impl World {
    async fn edit(&self, statement: &'static str) {
        let changed = sqlx::query(statement).execute(&self.file).await.unwrap().rows_affected();
        assert!(changed > 0, "nothing to edit: {statement}");
    }

    async fn person(&self, name: &str, role: Role) -> zeroize::Zeroizing<Vec<u8>> {
        let roles = BTreeSet::from([role]);
        let new = NewPerson { name, display_name: name, team: "t", password: PASSWORD, roles };
        self.identity.create_person(new, NOON).await.unwrap().totp_secret
    }
}

async fn check_session(statement: &'static str) {
    let world = world().await;
    world.person("ada", Role::Admin).await;
    let secret = world.person("tom", Role::Labeller).await;
    let code = code_at(&secret, NOON);
    let session = world.identity.verify_password_and_code("tom", PASSWORD, &code, NOON).await.unwrap();
    let id = session.id.reveal();
    world.identity.session(id, NOON).await.unwrap();
    world.edit(statement).await;
    assert!(matches!(world.identity.session(id, NOON).await, Err(IdentityError::NotValid(_))), "{statement}");
}

#[tokio::test]
async fn a_session_that_was_edited_opens_nothing() {
    check_session("UPDATE sessions SET person = 'ada'").await;
    check_session("UPDATE sessions SET second_factor_at = second_factor_at + 60").await;
    check_session("UPDATE sessions SET auth_time = auth_time + 60").await;
    check_session("UPDATE sessions SET expires_at = expires_at + 60").await;
    check_session("UPDATE sessions SET amr = 'pwd mfa'").await;
    check_session("UPDATE sessions SET seal = NULL").await;
    check_session("UPDATE sessions SET seal = x'00000001'").await;
}

#[tokio::test]
async fn a_session_that_was_made_in_the_file_opens_nothing() {
    let world = world().await;
    world.person("ada", Role::Admin).await;
    // SHA-256 of "x".
    world
        .edit(
            "INSERT INTO sessions (id_hash, person, amr, auth_time, second_factor_at, expires_at) VALUES \
             (x'2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 'ada', 'pwd otp', 1800000000, 1800000000, 1900000000)",
        )
        .await;
    assert!(matches!(world.identity.session("x", NOON).await, Err(IdentityError::NotValid(_))));
}

#[tokio::test]
async fn a_session_stays_good_after_a_step_up_and_a_link_that_was_edited_does_not() {
    let world = world().await;
    let secret = world.person("ada", Role::Admin).await;
    world.person("tom", Role::Labeller).await;
    let link = world.identity.create_login_link("ada", NOON).await.unwrap();
    let session = world.identity.use_login_link(link.reveal(), NOON).await.unwrap();
    let later = NOON + 60;
    let confirmed = world.identity.step_up(session.id.reveal(), &code_at(&secret, later), later).await.unwrap();
    assert_eq!(confirmed.second_factor_at, Some(later));
    let link = world.identity.create_login_link("tom", NOON).await.unwrap();
    world.edit("UPDATE login_links SET person = 'ada' WHERE person = 'tom'").await;
    assert!(world.identity.login_link_person(link.reveal(), NOON).await.is_err());
    assert!(world.identity.use_login_link(link.reveal(), NOON).await.is_err());
}

#[tokio::test]
async fn a_components_token_that_was_edited_opens_nothing() {
    let world = world().await;
    let token = world.identity.issue_component_token(Component::Monitor, 600, NOON).await.unwrap();
    world.identity.verify_component_token(token.reveal(), NOON).await.unwrap();
    world.edit("UPDATE component_tokens SET component = 'releaser'").await;
    let outcome = world.identity.verify_component_token(token.reveal(), NOON).await;
    assert!(matches!(outcome, Err(IdentityError::Roster(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_that_was_edited_opens_nothing() {
    let world = world().await;
    world.identity.keep_workload("01", "monitor", NOON + 600, NOON).await.unwrap();
    assert!(world.identity.workload_lives("01", "monitor", NOON).await.unwrap());
    world.edit("UPDATE workload_certificates SET expires_at = expires_at + 6000").await;
    assert!(matches!(world.identity.workload_lives("01", "monitor", NOON).await, Err(IdentityError::Roster(_))));
}

#[tokio::test]
async fn an_applications_key_that_was_edited_opens_nothing_and_others_do() {
    let world = world().await;
    let identity = &world.identity;
    let key = async |app: &str| {
        identity.create_app(app, "alice", NOON).await.unwrap();
        identity.create_key(app, &[Right::Ask].into(), LIMITS, &CustomerScope::All, NOON).await.unwrap().text
    };
    let (shop, bank, crm) = (key("shop").await, key("bank").await, key("crm").await);
    world.edit("UPDATE api_keys SET per_minute = 100000 WHERE app = 'shop'").await;
    world.edit("UPDATE apps SET owner = 'eve' WHERE name = 'crm'").await;
    let ring = KeyRing::load(identity).await.unwrap();
    assert!(ring.verify(shop.reveal(), NOON).is_err());
    assert!(ring.verify(crm.reveal(), NOON).is_err());
    ring.verify(bank.reveal(), NOON).unwrap();
}

#[tokio::test]
async fn a_login_by_the_provider_does_not_hang_on_other_peoples_rows() {
    let world = world().await;
    world.person("tom", Role::Labeller).await;
    let rules = OidcRules {
        issuer: "https://id.example".to_owned(),
        client_id: "stayward".to_owned(),
        client_secret: None,
        ca: None,
        scopes: vec![],
        groups_claim: "groups".to_owned(),
        name_claim: "preferred_username".to_owned(),
        roles: BTreeMap::from([("admins".to_owned(), [Role::Admin].into()), ("trainers".to_owned(), [Role::Trainer].into())]),
        creates: true,
        second_factor: SecondFactorRule::Provider,
    };
    let proven = |group: &str| Proven {
        issuer: rules.issuer.clone(),
        subject: "u-1".to_owned(),
        name: Some("ada".to_owned()),
        groups: [group.to_owned()].into(),
        auth_time: NOON,
    };
    let enter = |group: &str| world.identity.log_in_by_provider(&rules, Ok(proven(group)), NOON);
    enter("admins").await.unwrap();
    world.edit("UPDATE people SET display_name = 'Tim' WHERE name = 'tom'").await;
    let session = enter("admins").await.unwrap();
    world.identity.session(session.id.reveal(), NOON).await.unwrap();
    // A change of roles is a change of who is who, and waits until somebody has looked.
    assert!(matches!(enter("trainers").await, Err(IdentityError::Roster(_))));
}
