//! Logins under attack (T1, T6): replayed codes, guessing alone and in parallel, used links, taken rights.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use identity::{
    Action, Denial, Enrolment, FIRST_LOCK_SECONDS, FREE_FAILURES, Factor, Identity, IdentityError, LOGIN_LINK_SECONDS, NewPerson,
    RECOVERY_CODES, Role, SESSION_SECONDS, Session, code_at, matrix,
};

const NOON: i64 = 1_800_000_000;
const PASSWORD: &str = "correct horse battery";

async fn open(dir: &Path) -> Identity {
    let folder = dir.join("vault");
    let vault = if folder.exists() { vault::Vault::open(&folder) } else { vault::Vault::create(&folder) };
    Identity::open(&dir.join("control.db"), Arc::new(vault.unwrap())).await.unwrap()
}

fn roles(list: &[Role]) -> BTreeSet<Role> {
    list.iter().copied().collect()
}

async fn person(identity: &Identity, name: &str, list: &[Role]) -> Enrolment {
    let new = NewPerson { name, display_name: "Some One", team: "churn", password: PASSWORD, roles: roles(list) };
    identity.create_person(new, NOON).await.unwrap()
}

async fn log_in(identity: &Identity, enrolment: &Enrolment, now: i64) -> Result<Session, IdentityError> {
    identity.verify_password_and_code("alice", PASSWORD, &code_at(&enrolment.totp_secret, now), now).await
}

async fn with_alice() -> (tempfile::TempDir, Identity, Enrolment) {
    let dir = tempfile::tempdir().unwrap();
    let identity = open(dir.path()).await;
    let enrolment = person(&identity, "alice", &[Role::LabelApprover]).await;
    (dir, identity, enrolment)
}

fn refused<T>(outcome: Result<T, IdentityError>) -> bool {
    matches!(outcome, Err(IdentityError::LoginRefused))
}

#[tokio::test]
async fn two_factors_open_a_session_that_outlives_a_restart_and_ends() {
    let (dir, identity, alice) = with_alice().await;
    let session = log_in(&identity, &alice, NOON).await.unwrap();
    assert_eq!((session.amr.as_slice(), session.auth_time), ([Factor::Pwd, Factor::Otp].as_slice(), NOON));
    assert_eq!(session.expires, NOON + SESSION_SECONDS);
    identity.close().await;
    let identity = open(dir.path()).await;
    assert_eq!(identity.session(session.id.reveal(), NOON + 1).await.unwrap(), session);
    assert!(identity.session(session.id.reveal(), NOON + SESSION_SECONDS).await.is_err());
    assert!(identity.session("", NOON).await.is_err());
    identity.revoke_session(session.id.reveal(), NOON + 2).await.unwrap();
    assert!(matches!(identity.session(session.id.reveal(), NOON + 3).await, Err(IdentityError::NotValid(_))));
    assert!(identity.revoke_session(session.id.reveal(), NOON + 3).await.is_err());
}

#[tokio::test]
async fn every_wrong_half_gets_the_same_answer() {
    let (_dir, identity, alice) = with_alice().await;
    let code = code_at(&alice.totp_secret, NOON);
    let wrong_code = if code == "000000" { "000001" } else { "000000" };
    assert!(refused(identity.verify_password_and_code("alice", "wrong horse battery", &code, NOON).await));
    assert!(refused(identity.verify_password_and_code("alice", PASSWORD, wrong_code, NOON).await));
    assert!(refused(identity.verify_password_and_code("alice", &"x".repeat(5000), &code, NOON).await));
    assert!(refused(identity.verify_password_and_code("mallory", PASSWORD, &code, NOON).await));
    assert!(refused(identity.verify_password_and_code("'; DROP TABLE people; --", PASSWORD, &code, NOON).await));
    // The wrong password did not use the code up.
    log_in(&identity, &alice, NOON).await.unwrap();
}

#[tokio::test]
async fn a_code_is_accepted_once_and_never_an_older_one() {
    let (_dir, identity, alice) = with_alice().await;
    log_in(&identity, &alice, NOON).await.unwrap();
    assert!(refused(log_in(&identity, &alice, NOON).await));
    // The code of one step ago is inside the clock's tolerance, and before the one accepted.
    let older = code_at(&alice.totp_secret, NOON - 30);
    assert!(refused(identity.verify_password_and_code("alice", PASSWORD, &older, NOON).await));
    log_in(&identity, &alice, NOON + 30).await.unwrap();
}

#[tokio::test]
async fn one_code_sent_many_times_at_once_opens_one_session() {
    let (_dir, identity, alice) = with_alice().await;
    let code = code_at(&alice.totp_secret, NOON);
    let attempts = (0..4).map(|_| {
        let (identity, code) = (identity.clone(), code.clone());
        tokio::spawn(async move { identity.verify_password_and_code("alice", PASSWORD, &code, NOON).await.is_ok() })
    });
    let mut opened = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        opened += usize::from(attempt.await.unwrap());
    }
    assert_eq!(opened, 1);
    assert_eq!(identity.session_times("alice", NOON).await.unwrap(), [(NOON, NOON + SESSION_SECONDS)]);
}

#[tokio::test]
async fn a_recovery_code_works_once_in_place_of_a_code() {
    let (_dir, identity, alice) = with_alice().await;
    assert_eq!(alice.recovery_codes.len(), RECOVERY_CODES);
    let code = alice.recovery_codes[0].reveal();
    let session = identity.verify_password_and_code("alice", PASSWORD, code, NOON).await.unwrap();
    assert_eq!(session.amr, [Factor::Pwd, Factor::Recovery]);
    assert!(refused(identity.verify_password_and_code("alice", PASSWORD, code, NOON).await));
    assert_eq!(identity.person("alice").await.unwrap().recovery_codes_left, 7);
    // The code of another person does not help.
    let bob = person(&identity, "bob", &[]).await;
    assert!(refused(identity.verify_password_and_code("alice", PASSWORD, bob.recovery_codes[0].reveal(), NOON).await));
}

#[tokio::test]
async fn recovery_codes_are_renewed_only_with_a_fresh_second_factor() {
    let (_dir, identity, alice) = with_alice().await;
    let session = log_in(&identity, &alice, NOON).await.unwrap();
    let id = session.id.reveal();
    let stale = NOON + matrix::STEP_UP_SECONDS + 1;
    assert!(matches!(identity.renew_recovery_codes(id, stale).await, Err(IdentityError::NotFresh { .. })));
    let old = alice.recovery_codes[0].reveal();
    // A recovery code is a second factor: who has lost the phone renews the codes by one of them.
    identity.step_up(id, old, stale).await.unwrap();
    let fresh = identity.renew_recovery_codes(id, stale + matrix::STEP_UP_SECONDS).await.unwrap();
    assert_eq!(fresh.len(), RECOVERY_CODES);
    assert_eq!(identity.person("alice").await.unwrap().recovery_codes_left, 8);
    let login = |code: String| {
        let identity = &identity;
        async move { identity.verify_password_and_code("alice", PASSWORD, &code, stale).await }
    };
    assert!(refused(login(alice.recovery_codes[1].reveal().to_owned()).await));
    login(fresh[0].reveal().to_owned()).await.unwrap();
    let link = identity.create_login_link("alice", NOON).await.unwrap();
    let linked = identity.use_login_link(link.reveal(), NOON).await.unwrap();
    assert!(matches!(identity.renew_recovery_codes(linked.id.reveal(), NOON).await, Err(IdentityError::NotFresh { .. })));
}

#[tokio::test]
async fn guessing_is_locked_out_also_with_the_right_password() {
    let (_dir, identity, alice) = with_alice().await;
    for _ in 0..FREE_FAILURES {
        assert!(refused(identity.verify_password_and_code("alice", "wrong horse battery", "123456", NOON).await));
    }
    let locked = log_in(&identity, &alice, NOON).await;
    assert!(matches!(locked, Err(IdentityError::LockedOut { seconds: FIRST_LOCK_SECONDS })));
    let later = NOON + FIRST_LOCK_SECONDS;
    assert!(refused(identity.verify_password_and_code("alice", "wrong horse battery", "123456", later).await));
    let locked = log_in(&identity, &alice, later).await;
    assert!(matches!(locked, Err(IdentityError::LockedOut { seconds }) if seconds == 2 * FIRST_LOCK_SECONDS));
    let later = later + 2 * FIRST_LOCK_SECONDS;
    log_in(&identity, &alice, later).await.unwrap();
    // A right login strikes the count out.
    assert!(refused(identity.verify_password_and_code("alice", "wrong horse battery", "123456", later).await));
    log_in(&identity, &alice, later + 60).await.unwrap();
}

#[tokio::test]
async fn a_made_up_name_is_locked_like_a_real_one_and_an_admin_can_unlock() {
    let (_dir, identity, alice) = with_alice().await;
    for name in ["mallory", "alice"] {
        for _ in 0..FREE_FAILURES {
            assert!(refused(identity.verify_password_and_code(name, "wrong horse battery", "123456", NOON).await));
        }
        let locked = identity.verify_password_and_code(name, "wrong horse battery", "123456", NOON).await;
        assert!(matches!(locked, Err(IdentityError::LockedOut { .. })), "{name}");
    }
    identity.unlock("alice", NOON).await.unwrap();
    log_in(&identity, &alice, NOON).await.unwrap();
}

#[tokio::test]
async fn guesses_in_parallel_count_one_by_one() {
    let (_dir, identity, _) = with_alice().await;
    let guesses = (0..20).map(|guess| {
        let identity = identity.clone();
        tokio::spawn(async move {
            let outcome = identity.verify_password_and_code("alice", &format!("wrong horse {guess}"), "123456", NOON).await;
            matches!(outcome, Err(IdentityError::LockedOut { .. }))
        })
    });
    let mut locked = 0;
    for guess in guesses.collect::<Vec<_>>() {
        locked += i64::from(guess.await.unwrap());
    }
    assert_eq!(locked, 20 - FREE_FAILURES);
}

#[tokio::test]
async fn a_link_works_once_in_time_and_needs_a_step_up() {
    let (_dir, identity, alice) = with_alice().await;
    let link = identity.create_login_link("alice", NOON).await.unwrap();
    assert!(identity.use_login_link(link.reveal(), NOON + LOGIN_LINK_SECONDS).await.is_err());
    assert!(identity.login_link_person(link.reveal(), NOON + LOGIN_LINK_SECONDS).await.is_err());
    assert_eq!(identity.login_link_person(link.reveal(), NOON + 60).await.unwrap(), "alice");
    let session = identity.use_login_link(link.reveal(), NOON + 60).await.unwrap();
    assert!(identity.login_link_person(link.reveal(), NOON + 60).await.is_err());
    assert_eq!((session.amr.as_slice(), session.second_factor_at), ([Factor::Link].as_slice(), None));
    assert!(matches!(identity.use_login_link(link.reveal(), NOON + 60).await, Err(IdentityError::NotValid(_))));
    session.authorise(Action::ReadEvidence, NOON + 60).unwrap();
    let denial = session.authorise(Action::ApproveLabels, NOON + 60).unwrap_err();
    assert!(matches!(denial, Denial::SecondFactorMissing { .. }));

    let now = NOON + 90;
    assert!(refused(identity.step_up(session.id.reveal(), "junk", now).await));
    let code = code_at(&alice.totp_secret, now);
    let stepped = identity.step_up(session.id.reveal(), &code, now).await.unwrap();
    assert_eq!((stepped.amr.as_slice(), stepped.second_factor_at), ([Factor::Link, Factor::Otp].as_slice(), Some(now)));
    stepped.authorise(Action::ApproveLabels, now + matrix::STEP_UP_SECONDS).unwrap();
    assert!(stepped.authorise(Action::ApproveLabels, now + matrix::STEP_UP_SECONDS + 1).is_err());
    assert!(refused(identity.step_up(session.id.reveal(), &code, now).await));

    let (first, second) =
        (identity.create_login_link("alice", now).await.unwrap(), identity.create_login_link("alice", now).await.unwrap());
    assert!(identity.use_login_link(first.reveal(), now).await.is_err());
    identity.use_login_link(second.reveal(), now).await.unwrap();
    assert!(matches!(identity.create_login_link("nobody", now).await, Err(IdentityError::Missing { .. })));
}

#[tokio::test]
async fn guessing_codes_in_a_stolen_session_is_locked_out() {
    let (_dir, identity, alice) = with_alice().await;
    let session = log_in(&identity, &alice, NOON).await.unwrap();
    for _ in 0..FREE_FAILURES {
        assert!(refused(identity.step_up(session.id.reveal(), "000000", NOON - 3600).await));
    }
    let locked = identity.step_up(session.id.reveal(), "000000", NOON - 3600).await;
    assert!(matches!(locked, Err(IdentityError::LockedOut { .. })));
    // The login itself is counted apart.
    log_in(&identity, &alice, NOON + 30).await.unwrap();
}

#[tokio::test]
async fn taken_roles_and_switched_off_people_are_felt_at_once() {
    let (_dir, identity, alice) = with_alice().await;
    let session = log_in(&identity, &alice, NOON).await.unwrap();
    identity.set_roles("alice", &roles(&[Role::Labeller]), NOON).await.unwrap();
    let now_labeller = identity.session(session.id.reveal(), NOON).await.unwrap();
    assert!(now_labeller.authorise(Action::ApproveLabels, NOON).is_err());
    now_labeller.authorise(Action::ProposeLabels, NOON).unwrap();
    let link = identity.create_login_link("alice", NOON).await.unwrap();
    identity.disable_person("alice", NOON).await.unwrap();
    assert!(identity.session(session.id.reveal(), NOON).await.is_err());
    assert!(identity.use_login_link(link.reveal(), NOON).await.is_err());
    assert!(refused(log_in(&identity, &alice, NOON + 30).await));
    assert!(matches!(identity.disable_person("alice", NOON).await, Err(IdentityError::Missing { .. })));
}

#[tokio::test]
async fn a_new_password_or_second_factor_ends_the_old_one() {
    let (_dir, identity, alice) = with_alice().await;
    let session = log_in(&identity, &alice, NOON).await.unwrap();
    identity.set_password("alice", "another horse battery", NOON).await.unwrap();
    assert!(identity.session(session.id.reveal(), NOON).await.is_err());
    assert!(refused(log_in(&identity, &alice, NOON + 30).await));
    let fresh = identity.reset_second_factor("alice", NOON).await.unwrap();
    let login = |code: String| {
        let identity = &identity;
        async move { identity.verify_password_and_code("alice", "another horse battery", &code, NOON + 60).await }
    };
    assert!(refused(login(code_at(&alice.totp_secret, NOON + 60)).await));
    assert!(refused(login(alice.recovery_codes[0].reveal().to_owned()).await));
    login(code_at(&fresh.totp_secret, NOON + 60)).await.unwrap();
    assert_eq!(identity.otpauth_url("alice").await.unwrap(), fresh.otpauth_url);
}

#[tokio::test]
async fn duties_are_separated_when_roles_are_given() {
    let (_dir, identity, _) = with_alice().await;
    let give = |list: &'static [Role]| {
        let identity = &identity;
        async move { identity.set_roles("alice", &roles(list), NOON).await }
    };
    assert!(matches!(give(&[Role::Labeller, Role::LabelApprover]).await, Err(IdentityError::RolesConflict(..))));
    assert!(matches!(give(&[Role::Admin, Role::LabelApprover]).await, Err(IdentityError::RolesConflict(..))));
    assert!(matches!(give(&[Role::FeedPipeline]).await, Err(IdentityError::MachineRole(Role::FeedPipeline))));
    give(&[Role::Labeller, Role::DataSteward]).await.unwrap();
    let bad = NewPerson {
        name: "bob",
        display_name: "B",
        team: "t",
        password: PASSWORD,
        roles: roles(&[Role::Trainer, Role::ReleaseManager]),
    };
    assert!(matches!(identity.create_person(bad, NOON).await, Err(IdentityError::RolesConflict(..))));
}

#[tokio::test]
async fn the_last_admin_stays() {
    let (_dir, identity, _) = with_alice().await;
    person(&identity, "root", &[Role::Admin]).await;
    assert!(matches!(identity.disable_person("root", NOON).await, Err(IdentityError::LastAdmin(_))));
    assert!(matches!(identity.set_roles("root", &roles(&[]), NOON).await, Err(IdentityError::LastAdmin(_))));
    assert_eq!(identity.person("root").await.unwrap().roles, roles(&[Role::Admin]));
    person(&identity, "second", &[Role::Admin]).await;
    identity.disable_person("root", NOON).await.unwrap();
}

#[tokio::test]
async fn names_texts_and_doubles_are_refused() {
    let (_dir, identity, _) = with_alice().await;
    let new = |name: &'static str, display_name: &'static str, password: &'static str| {
        let identity = &identity;
        async move {
            let new = NewPerson { name, display_name, team: "t", password, roles: BTreeSet::new() };
            identity.create_person(new, NOON).await.map(|_| ())
        }
    };
    assert!(matches!(new("Alice", "A", PASSWORD).await, Err(IdentityError::Name(_))));
    assert!(matches!(new("../x", "A", PASSWORD).await, Err(IdentityError::Name(_))));
    assert!(matches!(new("bob", " ", PASSWORD).await, Err(IdentityError::Text { .. })));
    assert!(matches!(new("bob", "B\u{7}", PASSWORD).await, Err(IdentityError::Text { .. })));
    assert!(matches!(new("bob", "B", "short").await, Err(IdentityError::Password(_))));
    assert!(matches!(new("alice", "A", PASSWORD).await, Err(IdentityError::Exists { .. })));
    new("bob", "B", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn the_files_hold_no_secret_and_are_private() {
    let (dir, identity, alice) = with_alice().await;
    let session = log_in(&identity, &alice, NOON).await.unwrap();
    let link = identity.create_login_link("alice", NOON).await.unwrap();
    identity.close().await;
    let bytes = fs::read(dir.path().join("control.db")).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"alice") && holds(b"argon2id"));
    let needles = [PASSWORD, session.id.reveal(), link.reveal(), alice.recovery_codes[0].reveal()];
    assert!(!needles.iter().any(|needle| holds(needle.as_bytes())));
    assert!(!holds(&alice.totp_secret) && !holds(alice.recovery_codes[0].reveal().replace('-', "").as_bytes()));

    let file = dir.path().join("control.db");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let vault = Arc::new(vault::Vault::open(&dir.path().join("vault")).unwrap());
    let refusal = Identity::open(&file, vault).await.unwrap_err();
    assert!(matches!(refusal, IdentityError::OpenToOthers { .. }));
}

#[tokio::test]
async fn the_log_tells_and_cannot_be_changed() {
    let (dir, identity, alice) = with_alice().await;
    assert!(refused(identity.verify_password_and_code("alice", "wrong horse battery", "123456", NOON).await));
    assert!(refused(identity.verify_password_and_code("mallory", "wrong horse battery", "123456", NOON).await));
    log_in(&identity, &alice, NOON).await.unwrap();
    let events = identity.events_after(0, 100).await.unwrap();
    let told: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(told, ["person-created", "login-attempt", "login-attempt", "login"]);
    assert_eq!(identity.events_after(3, 100).await.unwrap().len(), 1);
    identity.close().await;

    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("control.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    for attack in [
        "UPDATE events SET detail = 'x'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events (seq, at, subject, event, detail) VALUES (1, 0, '', '', '')",
    ] {
        let refusal = sqlx::query(attack).execute(&pool).await.unwrap_err();
        assert!(refusal.to_string().contains("events only grow"), "{attack}: {refusal}");
    }
}

#[tokio::test]
async fn a_file_of_another_program_is_refused() {
    let (dir, identity, _) = with_alice().await;
    identity.close().await;
    let path = dir.path().join("control.db");
    let pool = sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(&path)).await.unwrap();
    sqlx::query("UPDATE identity_schema SET sha256 = x'00'").execute(&pool).await.unwrap();
    pool.close().await;
    let vault = Arc::new(vault::Vault::open(&dir.path().join("vault")).unwrap());
    assert!(matches!(Identity::open(&path, vault).await, Err(IdentityError::Schema { .. })));
}

#[tokio::test]
async fn sweeping_removes_only_what_ended() {
    let (_dir, identity, alice) = with_alice().await;
    let live = log_in(&identity, &alice, NOON).await.unwrap();
    identity.create_login_link("alice", NOON).await.unwrap();
    assert_eq!(identity.sweep(NOON + 60).await.unwrap(), 0);
    identity.session(live.id.reveal(), NOON + 60).await.unwrap();
    assert_eq!(identity.sweep(NOON + 3 * 24 * 3600).await.unwrap(), 2);
}
