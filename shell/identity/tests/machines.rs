//! Keys, components and suppliers under attack (T1, T2, T4): revoked and forged keys, replayed feeds, many at once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use identity::{
    Action, Advance, COMPONENT_TOKEN_SECONDS_MAX, Component, CustomerScope, GRACE_SECONDS_MAX, Identity, IdentityError,
    KEY_LIFETIME_SECONDS, KeyLimits, KeyRing, NewKey, Right, SIGNER_KEY_BYTES_MAX, matrix, public_key_pem,
};
use provenance::Scheme;

const NOON: i64 = 1_800_000_000;
const LIMITS: KeyLimits = KeyLimits { per_minute: 60, distinct_customers_per_day: 500 };

async fn fresh() -> (tempfile::TempDir, Identity) {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault::Vault::create(&dir.path().join("vault")).unwrap();
    let identity = Identity::open(&dir.path().join("control.db"), Arc::new(vault)).await.unwrap();
    (dir, identity)
}

fn ask() -> BTreeSet<Right> {
    [Right::Ask].into()
}

async fn with_key() -> (tempfile::TempDir, Identity, NewKey) {
    let (dir, identity) = fresh().await;
    identity.create_app("shop", "alice", NOON).await.unwrap();
    let key = identity.create_key("shop", &ask(), LIMITS, &CustomerScope::All, NOON).await.unwrap();
    (dir, identity, key)
}

fn invalid<T>(outcome: Result<T, IdentityError>) -> bool {
    matches!(outcome, Err(IdentityError::NotValid(_)))
}

#[tokio::test]
async fn a_key_opens_what_it_names_and_no_more() {
    let (_dir, identity, key) = with_key().await;
    let grant = identity.verify_key(key.text.reveal(), NOON).await.unwrap();
    assert_eq!((grant.app.as_str(), grant.limits, grant.scope.as_ref()), ("shop", LIMITS, &CustomerScope::All));
    for action in Action::ALL {
        assert_eq!(grant.may(*action), *action == Action::AskChurn, "{action}");
    }
    assert!(key.text.reveal().starts_with(&format!("swk_{}_", key.id)));
    assert!(invalid(identity.verify_key(key.text.reveal(), NOON + KEY_LIFETIME_SECONDS).await));
}

#[tokio::test]
async fn no_right_reaches_an_admin_action() {
    for right in Right::ALL {
        assert!(!matrix::ADMIN_ACTIONS.contains(&right.action()));
    }
}

#[tokio::test]
async fn forged_and_foreign_texts_are_refused() {
    let (_dir, identity, key) = with_key().await;
    let (_dir_of_other, other, key_of_other) = with_key().await;
    assert!(invalid(identity.verify_key(key_of_other.text.reveal(), NOON).await));
    assert!(invalid(identity.verify_key(&key.text.reveal()[..79], NOON).await));
    assert!(invalid(identity.verify_key("", NOON).await));
    // A token of one kind is none of the other.
    let token = identity.issue_component_token(Component::Monitor, 60, NOON).await.unwrap();
    assert!(invalid(identity.verify_key(token.reveal(), NOON).await));
    assert!(invalid(identity.verify_component_token(key.text.reveal(), NOON).await));
    other.verify_key(key_of_other.text.reveal(), NOON).await.unwrap();
}

#[tokio::test]
async fn a_rotated_key_lives_through_its_grace_and_a_revoked_one_ends() {
    let (_dir, identity, old) = with_key().await;
    let new = identity.rotate_key(&old.id, 3600, NOON + 10).await.unwrap();
    assert_eq!(new.expires_at, NOON + 10 + KEY_LIFETIME_SECONDS);
    identity.verify_key(old.text.reveal(), NOON + 10 + 3599).await.unwrap();
    assert!(invalid(identity.verify_key(old.text.reveal(), NOON + 10 + 3600).await));
    let grant = identity.verify_key(new.text.reveal(), NOON + 10 + 3600).await.unwrap();
    assert_eq!((grant.rights, grant.limits), (ask(), LIMITS));
    // A rotated key has one successor; a second would outlive the first unnoticed.
    assert!(matches!(identity.rotate_key(&old.id, 0, NOON + 20).await, Err(IdentityError::Missing { .. })));
    assert!(matches!(identity.rotate_key(&new.id, GRACE_SECONDS_MAX + 1, NOON).await, Err(IdentityError::Range { .. })));
    identity.revoke_key(&new.id, NOON + 30).await.unwrap();
    assert!(invalid(identity.verify_key(new.text.reveal(), NOON + 30).await));
    assert!(identity.revoke_key(&new.id, NOON + 30).await.is_err());
    let infos = identity.keys().await.unwrap();
    assert_eq!(infos.iter().find(|info| info.grant.key_id == old.id).unwrap().replaced_by.as_ref(), Some(&new.id));
    assert!(infos.iter().any(|info| info.revoked_at == Some(NOON + 30)));
}

#[tokio::test]
async fn a_switched_off_application_has_no_keys() {
    let (_dir, identity, key) = with_key().await;
    identity.disable_app("shop", NOON).await.unwrap();
    assert!(invalid(identity.verify_key(key.text.reveal(), NOON).await));
    let more = identity.create_key("shop", &ask(), LIMITS, &CustomerScope::All, NOON).await;
    assert!(matches!(more, Err(IdentityError::Missing { .. })));
}

#[tokio::test]
async fn keys_have_limits() {
    let (_dir, identity, _) = with_key().await;
    let check = async |rights: BTreeSet<Right>, limits: KeyLimits, life: i64| {
        let made = identity.create_key_for("shop", &rights, limits, &CustomerScope::All, life, NOON).await;
        matches!(made, Err(IdentityError::Range { .. }))
    };
    assert!(check(BTreeSet::new(), LIMITS, 60).await);
    assert!(check(ask(), KeyLimits { per_minute: 0, ..LIMITS }, 60).await);
    assert!(check(ask(), KeyLimits { per_minute: u32::MAX, ..LIMITS }, 60).await);
    assert!(check(ask(), KeyLimits { distinct_customers_per_day: 0, ..LIMITS }, 60).await);
    assert!(check(ask(), LIMITS, 0).await);
    assert!(check(ask(), LIMITS, i64::MAX).await);
    assert!(!check(ask(), LIMITS, 60).await);
}

#[tokio::test]
async fn the_key_ring_agrees_with_the_database_and_learns_of_every_change() {
    let (_dir, identity, key) = with_key().await;
    let ring = KeyRing::load(&identity).await.unwrap();
    let text = key.text.reveal();
    assert_eq!(ring.verify(text, NOON).unwrap(), identity.verify_key(text, NOON).await.unwrap());
    assert!(!ring.reload_if_changed(&identity).await.unwrap(), "a use is no change");
    assert!(invalid(ring.verify(text, NOON + KEY_LIFETIME_SECONDS)));

    let rotated = identity.rotate_key(&key.id, 60, NOON).await.unwrap();
    assert!(invalid(ring.verify(rotated.text.reveal(), NOON)));
    assert!(ring.reload_if_changed(&identity).await.unwrap());
    ring.verify(rotated.text.reveal(), NOON).unwrap();
    assert!(invalid(ring.verify(text, NOON + 60)));
    identity.revoke_key(&rotated.id, NOON).await.unwrap();
    assert!(ring.reload_if_changed(&identity).await.unwrap());
    assert!(invalid(ring.verify(rotated.text.reveal(), NOON)));

    ring.verify(text, NOON).unwrap();
    identity.disable_app("shop", NOON).await.unwrap();
    assert!(ring.reload_if_changed(&identity).await.unwrap());
    assert!(invalid(ring.verify(text, NOON)));
    assert_eq!(ring.len(), 2);
}

#[tokio::test]
async fn the_last_use_is_kept_to_the_minute() {
    let (_dir, identity, key) = with_key().await;
    let ring = KeyRing::load(&identity).await.unwrap();
    let last = async || identity.keys().await.unwrap()[0].last_used_at;
    assert_eq!(last().await, None);
    ring.verify(key.text.reveal(), NOON).unwrap();
    ring.flush_last_used(&identity).await.unwrap();
    assert_eq!(last().await, Some(NOON));
    identity.verify_key(key.text.reveal(), NOON + 59).await.unwrap();
    assert_eq!(last().await, Some(NOON));
    identity.verify_key(key.text.reveal(), NOON + 60).await.unwrap();
    assert_eq!(last().await, Some(NOON + 60));
}

#[tokio::test]
async fn a_component_is_known_by_its_token_and_has_its_rights_only() {
    let (_dir, identity) = fresh().await;
    let token = identity.issue_component_token(Component::SourceWriter, 3600, NOON).await.unwrap();
    let component = identity.verify_component_token(token.reveal(), NOON + 3599).await.unwrap();
    assert_eq!(component, Component::SourceWriter);
    matrix::authorise_component(component, Action::WriteSource).unwrap();
    assert!(matrix::authorise_component(component, Action::Release).is_err());
    assert!(invalid(identity.verify_component_token(token.reveal(), NOON + 3600).await));
    assert_eq!(identity.revoke_component_tokens(Component::SourceWriter, NOON).await.unwrap(), 1);
    assert!(invalid(identity.verify_component_token(token.reveal(), NOON).await));
    let forever = identity.issue_component_token(Component::Stager, COMPONENT_TOKEN_SECONDS_MAX + 1, NOON).await;
    assert!(matches!(forever, Err(IdentityError::Range { .. })));
    assert_eq!(identity.component_tokens().await.unwrap().len(), 1);
}

fn pem() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    public_key_pem(der.as_ref())
}

const SSH_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILTkMPkOhccXA51+h93u3p1N0OA9xCnW82Rndgev6itL";

#[tokio::test]
async fn a_key_of_another_program_is_registered_renewed_and_revoked() {
    let (_dir, identity) = fresh().await;
    identity.create_supplier("acme", NOON).await.unwrap();
    identity.create_supplier("evil", NOON).await.unwrap();
    let add = |supplier: &'static str, scheme: Scheme, text: String| {
        let identity = &identity;
        async move { identity.add_signer_key(supplier, (scheme, &text), NOON, NOON + 100, NOON).await }
    };
    let id = add("acme", Scheme::Ssh, SSH_KEY.into()).await.unwrap();
    let key = identity.supplier_key(&id).await.unwrap().unwrap();
    assert_eq!((key.scheme, key.public_key_pem.as_str()), (Some(Scheme::Ssh), SSH_KEY));
    assert!(key.is_trusted(NOON) && !key.is_trusted(NOON + 100));
    // The same key under another text is the same key.
    let limited = format!("acme valid-before=\"20270101Z\" {SSH_KEY} laptop");
    assert_eq!(add("acme", Scheme::Ssh, limited.clone()).await.unwrap(), id);
    assert_eq!(identity.supplier_key(&id).await.unwrap().unwrap().public_key_pem, limited);
    assert_eq!(identity.supplier_keys().await.unwrap().len(), 1);
    assert!(matches!(add("evil", Scheme::Ssh, SSH_KEY.into()).await, Err(IdentityError::Exists { .. })));
    assert!(matches!(add("nobody", Scheme::Ssh, SSH_KEY.into()).await, Err(IdentityError::Missing { .. })));
    for scheme in [Scheme::Minisign, Scheme::Openpgp] {
        assert!(matches!(add("acme", scheme, SSH_KEY.into()).await, Err(IdentityError::SignerKey(_))));
    }
    let long = format!("{SSH_KEY} {}", "x".repeat(SIGNER_KEY_BYTES_MAX));
    assert!(matches!(add("acme", Scheme::Ssh, long).await, Err(IdentityError::SignerKey(_))));
    // What was revoked here does not come back under another text.
    identity.revoke_supplier_key(&id, NOON).await.unwrap();
    assert!(!identity.supplier_key(&id).await.unwrap().unwrap().is_trusted(NOON));
    assert!(matches!(add("acme", Scheme::Ssh, SSH_KEY.into()).await, Err(IdentityError::Exists { .. })));
}

#[tokio::test]
async fn a_database_of_before_keeps_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Arc::new(vault::Vault::create(&dir.path().join("vault")).unwrap());
    let path = dir.path().join("control.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let first = include_str!("../src/schema-1.sql");
    sqlx::raw_sql("CREATE TABLE identity_schema (step INTEGER NOT NULL PRIMARY KEY, sha256 BLOB NOT NULL) STRICT")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::raw_sql(first).execute(&pool).await.unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, first.as_bytes());
    sqlx::query("INSERT INTO identity_schema VALUES (1, ?)").bind(digest.as_ref()).execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO suppliers (name, created_at) VALUES ('acme', 0)").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO supplier_keys VALUES ('id', 'acme', 'PEM', 0, 9, NULL)").execute(&pool).await.unwrap();
    pool.close().await;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for _ in 0..2 {
        let identity = Identity::open(&path, vault.clone()).await.unwrap();
        let keys = identity.supplier_keys().await.unwrap();
        assert_eq!(keys.iter().map(|key| (key.id.as_str(), key.scheme)).collect::<Vec<_>>(), [("id", None)]);
        identity.close().await;
    }
}

#[tokio::test]
async fn a_supplier_key_counts_only_in_its_time_and_until_revoked() {
    let (_dir, identity) = fresh().await;
    let pem = pem();
    assert!(matches!(identity.add_supplier_key("acme", &pem, NOON, NOON + 100, NOON).await, Err(IdentityError::Missing { .. })));
    identity.create_supplier("acme", NOON).await.unwrap();
    let id = identity.add_supplier_key("acme", &pem, NOON, NOON + 100, NOON).await.unwrap();
    let key = identity.supplier_key(&id).await.unwrap().unwrap();
    assert_eq!(public_key_pem(&key.spki_der().unwrap()), pem);
    for (at, trusted) in [(NOON - 1, false), (NOON, true), (NOON + 99, true), (NOON + 100, false)] {
        assert_eq!(key.is_trusted(at), trusted, "{at}");
    }
    identity.create_supplier("evil", NOON).await.unwrap();
    assert!(matches!(identity.add_supplier_key("evil", &pem, NOON, NOON + 100, NOON).await, Err(IdentityError::Exists { .. })));
    assert!(matches!(identity.add_supplier_key("acme", "junk", NOON, NOON + 1, NOON).await, Err(IdentityError::PublicKey)));
    assert!(matches!(identity.add_supplier_key("acme", &self::pem(), NOON, NOON, NOON).await, Err(IdentityError::Range { .. })));
    identity.revoke_supplier_key(&id, NOON).await.unwrap();
    assert!(!identity.supplier_key(&id).await.unwrap().unwrap().is_trusted(NOON));

    let second = identity.add_supplier_key("acme", &self::pem(), NOON, NOON + 100, NOON).await.unwrap();
    assert!(identity.supplier_key(&second).await.unwrap().unwrap().is_trusted(NOON));
    identity.disable_supplier("acme", NOON).await.unwrap();
    assert!(identity.supplier_keys().await.unwrap().iter().all(|key| !key.is_trusted(NOON)));
    assert!(identity.supplier_key("unknown").await.unwrap().is_none());
}

#[tokio::test]
async fn feed_numbers_only_grow() {
    let (_dir, identity) = fresh().await;
    identity.create_supplier("acme", NOON).await.unwrap();
    let advance = async |feed: &str, number: u64| identity.advance_sequence("acme", feed, number, NOON).await;
    assert_eq!(advance("market", 7).await.unwrap(), Advance { previous: None, accepted: 7 });
    for replayed in [0, 6, 7] {
        assert!(matches!(advance("market", replayed).await, Err(IdentityError::Replay { last: 7, .. })), "{replayed}");
    }
    assert_eq!(advance("market", 8).await.unwrap().skipped(), 0);
    assert_eq!(advance("market", 11).await.unwrap().skipped(), 2);
    assert_eq!(advance("other", 1).await.unwrap().previous, None);
    assert!(matches!(advance("market", u64::MAX).await, Err(IdentityError::Range { .. })));
    assert!(matches!(advance("../market", 12).await, Err(IdentityError::Name(_))));
    assert_eq!(identity.last_sequence("acme", "market").await.unwrap(), Some(11));
    assert_eq!(identity.last_sequence("acme", "nothing").await.unwrap(), None);
    identity.disable_supplier("acme", NOON).await.unwrap();
    assert!(matches!(advance("market", 12).await, Err(IdentityError::Missing { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_feed_number_offered_by_many_is_taken_once() {
    let (dir, identity) = fresh().await;
    identity.create_supplier("acme", NOON).await.unwrap();
    // A second pool on the same file stands for a second process.
    let vault = vault::Vault::open(&dir.path().join("vault")).unwrap();
    let second = Identity::open(&dir.path().join("control.db"), Arc::new(vault)).await.unwrap();
    let mut offers = Vec::new();
    for at in 0..40_u64 {
        let identity = if at % 2 == 0 { identity.clone() } else { second.clone() };
        let number = 1 + at / 8;
        offers.push(tokio::spawn(async move { (number, identity.advance_sequence("acme", "market", number, NOON).await) }));
    }
    let mut taken = Vec::new();
    for offer in offers {
        match offer.await.unwrap() {
            (_, Ok(advance)) => taken.push(advance.accepted),
            (_, Err(refusal)) => assert!(matches!(refusal, IdentityError::Replay { .. }), "{refusal}"),
        }
    }
    let distinct: BTreeSet<u64> = taken.iter().copied().collect();
    assert_eq!(distinct.len(), taken.len(), "a number was taken twice: {taken:?}");
    assert_eq!(identity.last_sequence("acme", "market").await.unwrap(), Some(5));
    let told = identity.events_after(0, 1000).await.unwrap();
    assert_eq!(told.iter().filter(|event| event.event == "feed-number-accepted").count(), taken.len());
}

#[tokio::test]
async fn feed_numbers_cannot_be_lowered_behind_our_back_by_mistake() {
    let (dir, identity) = fresh().await;
    identity.create_supplier("acme", NOON).await.unwrap();
    identity.advance_sequence("acme", "market", 9, NOON).await.unwrap();
    identity.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("control.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    for attack in ["UPDATE feed_sequences SET last_sequence = 1", "DELETE FROM feed_sequences"] {
        assert!(sqlx::query(attack).execute(&pool).await.is_err(), "{attack}");
    }
}
