//! What every store of secrets owes its callers (T4): the same cases for the embedded vault and for others' stores.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;

use vault::{Replacement, Rotated, Rotator, Secret, SecretStore, Stage, Step, VaultError, Wanted, fresh_token, rotate};
use zeroize::Zeroizing;

const NOON: i64 = 1_800_000_000;

/// A database with a password: `set` changes it, `test` logs in.
pub(crate) struct Database {
    password: RefCell<Vec<u8>>,
    sets: RefCell<u32>,
}

impl Database {
    pub(crate) fn with(password: &[u8]) -> Self {
        Self { password: RefCell::new(password.to_vec()), sets: RefCell::new(0) }
    }
}

impl Rotator for Database {
    fn create(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Replacement::random().create(name)
    }
    fn goes_on_with(&self, _pending: &Secret) -> Result<(), String> {
        Ok(())
    }
    fn set(&self, _name: &str, current: &Secret, pending: &Secret) -> Result<(), String> {
        let mut password = self.password.borrow_mut();
        if !current.is(&password) && !pending.is(&password) {
            return Err("the database knows neither password".to_owned());
        }
        *password = pending.bytes.to_vec();
        *self.sets.borrow_mut() += 1;
        Ok(())
    }
    fn test(&self, _name: &str, _current: &Secret, pending: &Secret) -> Result<(), String> {
        if pending.is(&self.password.borrow()) { Ok(()) } else { Err("the database refuses the password".to_owned()) }
    }
}

fn stages(store: &dyn SecretStore, name: &str) -> Vec<Stage> {
    store.versions(name).unwrap().into_iter().map(|version| version.stage).collect()
}

/// Stops before the step, as a kill there would.
fn killed_before(store: &dyn SecretStore, name: &str, database: &Database, at: Step) -> VaultError {
    let stop = |step: Step, _: &str| if step == at { Err(VaultError::Token("killed".into())) } else { Ok(()) };
    rotate(store, name, None, database, NOON + 60, &mut { stop }).unwrap_err()
}

fn whole(store: &dyn SecretStore, name: &str, token: Option<&str>, rotator: &dyn Rotator) -> Result<Rotated, VaultError> {
    rotate(store, name, token, rotator, NOON + 120, &mut |_, _| Ok(()))
}

/// Puts, reads, promotes, goes back.
pub(crate) fn versions_and_stages(store: &dyn SecretStore) {
    let (one, two) = (fresh_token().unwrap(), fresh_token().unwrap());
    let none = store.get("db", Wanted::Current).unwrap_err();
    assert!(matches!(none, VaultError::NoSecret(_) | VaultError::NoStage { .. }), "{none}");
    assert!(matches!(store.versions("db"), Err(VaultError::NoSecret(_))));
    assert!(matches!(store.put_pending("db", &one, b"1", NOON), Err(VaultError::NoSecret(_))));
    store.create("db", &one, b"first", NOON).unwrap();
    store.create("db", &one, b"first", NOON).unwrap();
    assert!(matches!(store.create("db", &two, b"first", NOON), Err(VaultError::SecretExists(_))));
    assert!(matches!(store.get("db", Wanted::Previous), Err(VaultError::NoStage { stage: "previous", .. })));
    assert!(matches!(store.get("db", Wanted::Pending), Err(VaultError::NoStage { stage: "pending", .. })));
    // Bytes that are no text come back as they are.
    store.put_pending("db", &two, b"sec\xffond", NOON + 1).unwrap();
    store.put_pending("db", &two, b"sec\xffond", NOON + 1).unwrap();
    assert!(matches!(store.put_pending("db", &two, b"other", NOON + 1), Err(VaultError::OtherValue { .. })));
    assert!(matches!(store.put_pending("db", &fresh_token().unwrap(), b"x", NOON), Err(VaultError::Pending(_))));
    assert!(store.get("db", Wanted::Current).unwrap().is(b"first"));
    let pending = store.get("db", Wanted::Pending).unwrap();
    assert!(pending.is(b"sec\xffond") && pending.version == two);
    store.promote("db", &two).unwrap();
    store.promote("db", &two).unwrap();
    let current = store.get("db", Wanted::Current).unwrap();
    assert!(current.is(b"sec\xffond") && current.version == two);
    assert!(store.get("db", Wanted::Previous).unwrap().is(b"first"));
    assert!(store.get("db", Wanted::Version(&one)).unwrap().is(b"first"));
    assert!(matches!(store.get("db", Wanted::Pending), Err(VaultError::NoStage { .. })));
    // The way back is a promotion of the one before.
    store.promote("db", &one).unwrap();
    assert!(store.get("db", Wanted::Current).unwrap().is(b"first"));
    assert!(store.get("db", Wanted::Previous).unwrap().is(b"sec\xffond"));
    let three = fresh_token().unwrap();
    store.put_pending("db", &three, b"third", NOON + 2).unwrap();
    store.discard_pending("db").unwrap();
    store.discard_pending("db").unwrap();
    assert!(matches!(store.get("db", Wanted::Pending), Err(VaultError::NoStage { .. })));
    assert!(matches!(store.promote("db", &three), Err(VaultError::NoStage { .. })));
    assert!(store.names().unwrap().contains(&"db".to_owned()));
    assert!(matches!(store.get("no-such", Wanted::Current), Err(VaultError::NoSecret(_))));
    assert!(matches!(store.create("../db", &one, b"x", NOON), Err(VaultError::Name(_))));
    assert!(matches!(store.create("other", "short", b"x", NOON), Err(VaultError::Token(_))));
}

/// A rotation that is killed before each of its steps, and taken up again, ends as if nothing had been.
pub(crate) fn rotation_outlives_kills(store: &dyn SecretStore) {
    for at in Step::ALL {
        let name = format!("db-{}", at.as_str());
        store.create(&name, &fresh_token().unwrap(), b"first", NOON).unwrap();
        let database = Database::with(b"first");
        let stopped = killed_before(store, &name, &database, at);
        assert!(matches!(stopped, VaultError::Token(_)), "{stopped}");
        // Whatever happened, there is one current value, and it is the one before.
        assert!(store.get(&name, Wanted::Current).unwrap().is(b"first"));
        let done = whole(store, &name, None, &database).unwrap();
        assert_eq!(done.from, Some(if at == Step::Create { Step::Create } else { Step::Set }), "{at:?}");
        let current = store.get(&name, Wanted::Current).unwrap();
        assert!(current.version == done.token && current.is(&database.password.borrow()));
        assert!(store.get(&name, Wanted::Previous).unwrap().is(b"first"));
        assert_eq!(stages(store, &name), [Stage::Previous, Stage::Current]);
        // Sets run twice at most: once before the kill and once after.
        assert_eq!(*database.sets.borrow(), if matches!(at, Step::Test | Step::Finish) { 2 } else { 1 });
    }
}

/// What is refused in the middle stays as it was, and a token stands for one rotation.
pub(crate) fn rotation_is_refused_in_the_middle(store: &dyn SecretStore) {
    store.create("api", &fresh_token().unwrap(), b"first", NOON).unwrap();
    let stranger = Database::with(b"something else");
    let refused = whole(store, "api", None, &stranger).unwrap_err();
    assert!(matches!(refused, VaultError::Step { step: "set", .. }), "{refused}");
    assert_eq!(stages(store, "api"), [Stage::Current, Stage::Pending]);
    assert!(store.get("api", Wanted::Current).unwrap().is(b"first"));
    let other = fresh_token().unwrap();
    assert!(matches!(whole(store, "api", Some(&other), &stranger), Err(VaultError::Pending(_))));
    let by = |value: &[u8]| Replacement::by(Zeroizing::new(value.to_vec()));
    assert!(matches!(whole(store, "api", None, &by(b"mine")), Err(VaultError::Step { step: "create", .. })));
    store.discard_pending("api").unwrap();
    let done = whole(store, "api", Some(&other), &by(b"mine")).unwrap();
    assert_eq!(done, Rotated { token: other.clone(), from: Some(Step::Create) });
    assert!(store.get("api", Wanted::Current).unwrap().is(b"mine"));
    let again = whole(store, "api", Some(&other), &by(b"mine")).unwrap();
    assert_eq!(again, Rotated { token: other, from: None });
    assert!(matches!(whole(store, "none", None, &Replacement::random()), Err(VaultError::NoSecret(_))));
}
