//! Somebody who can write to the database file (T6): whatever is edited, put in or taken away is named by `evidence verify`, nobody
//! gets in by it, and no change is made on top of it. The triggers do not stop this person: they are dropped first.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row};

use crate::world::{Demo, copy, text};

const CUSTOMERS: u64 = 400;
const SIGABRT: i32 = 6;

/// What is done to the file, and what is said of it.
const EDITS: &[(&str, &str)] = &[
    ("UPDATE label_versions SET positives = positives + 1 WHERE version = 1", "labels v1"),
    ("UPDATE label_versions SET author = 'nobody' WHERE version = 1", "labels v1"),
    ("DELETE FROM label_versions WHERE version = 1", "`label_versions` does not have them"),
    ("UPDATE approvals SET person = 'admin' WHERE seq = 1", "signature 1 of `admin`"),
    ("UPDATE approvals SET team = 'another' WHERE seq = 1", "signature 1 of"),
    ("DELETE FROM approvals WHERE seq = 1", "`approvals` does not have it"),
    (
        "INSERT INTO approvals SELECT 99, content, 'eve', team, amr, evidence, at_ms FROM approvals WHERE seq = 1",
        "signature 99 of `eve`",
    ),
    ("UPDATE deliveries SET outcome = 'cleared' WHERE outcome = 'refused'", "cleared (`deliveries`), is not what the log has"),
    ("UPDATE deliveries SET rows_held = 0 WHERE outcome = 'cleared'", "delivery 3 of `market`, cleared"),
    ("DELETE FROM deliveries WHERE seq = 1", "row 1 of `deliveries` is gone"),
    (
        "INSERT INTO acceptances SELECT 2, feed, content, 'ben', evidence, at_ms FROM acceptances WHERE seq = 1",
        "by `ben` (`acceptances`)",
    ),
    ("DELETE FROM acceptances", "`acceptances` does not have it"),
    ("DELETE FROM deliveries", "`deliveries` does not have it"),
    ("DELETE FROM deployments", "`deployments` does not have it"),
    ("UPDATE deployments SET kind = 'rollback'", "deployment 1 of"),
    ("UPDATE deployments SET receipt = json_set(receipt, '$.release.files', json('{}')) WHERE seq = 1", "deployment 1 of"),
    ("UPDATE deployments SET receipt = json_set(receipt, '$.deployment.id', 'ev1') WHERE seq = 1", "deployment 1 of"),
    ("UPDATE acceptances SET feed = 'another'", "by `"),
    ("UPDATE deliveries SET feed = 'another' WHERE seq = 1", "delivery 1 of `another`"),
    ("INSERT INTO person_roles VALUES ('tara', 'label-approver')", "`role tara label-approver` was added"),
    ("DELETE FROM person_roles WHERE person = 'admin'", "`role admin admin` is gone"),
    ("UPDATE people SET disabled_at = NULL, password_phc = 'x' WHERE name = 'ada'", "`person ada` was changed"),
    ("UPDATE people SET team = 'another' WHERE name = 'ada'", "`person ada` was changed"),
    ("DELETE FROM person_roles; DELETE FROM sessions; DELETE FROM recovery_codes; DELETE FROM people", "`person admin` is gone"),
    ("UPDATE api_keys SET per_minute = 100000", "was changed"),
    ("UPDATE supplier_keys SET expires_at = expires_at + 1", "was changed"),
];

pub(crate) fn edit(project: &Path, statements: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(project.join("control.db")).foreign_keys(false);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        for row in sqlx::query("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetch_all(&pool).await.unwrap() {
            let drop = format!("DROP TRIGGER {}", row.get::<String, _>("name"));
            sqlx::query(AssertSqlSafe(drop)).execute(&pool).await.unwrap();
        }
        let changed = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&pool).await.unwrap().rows_affected();
        pool.close().await;
        changed
    })
}

/// What is done to the folder of records.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path));

fn verify(demo: &Demo, project: &Path) -> Output {
    demo.stayward(&["evidence", "verify", "--project", &project.display().to_string()])
}

#[test]
fn whoever_edits_the_database_is_found_out() {
    let demo = Demo::new(CUSTOMERS);
    let sound = verify(&demo, &demo.project());
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound));
    for (at, (statements, said)) in EDITS.iter().enumerate() {
        let project = demo.project().with_file_name(format!("edited-{at}"));
        copy(&demo.project(), &project);
        assert!(edit(&project, statements) > 0, "nothing to edit: {statements}");
        let verified = verify(&demo, &project);
        assert_eq!(verified.status.code(), Some(5), "not found out: {statements}: {}", text(&verified));
        assert!(text(&verified).contains(said), "{statements}: {}", text(&verified));
        std::fs::remove_dir_all(&project).unwrap();
    }
}

#[test]
fn a_database_that_is_gone_or_none_is_found_out_and_not_made_anew() {
    let demo = Demo::new(CUSTOMERS);
    let file = demo.project().join("control.db");
    for name in ["control.db-wal", "control.db-shm"] {
        let _ = std::fs::remove_file(demo.project().join(name));
    }
    for damage in ["no database", ""] {
        std::fs::write(&file, damage).unwrap();
        let verified = verify(&demo, &demo.project());
        assert_eq!(verified.status.code(), Some(5), "{damage:?}: {}", text(&verified));
        assert!(text(&verified).contains("`control.db` cannot be read"), "{damage:?}: {}", text(&verified));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), damage);
    }
    std::fs::remove_file(&file).unwrap();
    let verified = verify(&demo, &demo.project());
    assert_eq!(verified.status.code(), Some(5), "{}", text(&verified));
    assert!(!file.exists());
}

#[test]
fn forged_rights_open_nothing_until_an_admin_has_looked() {
    let demo = Demo::new(CUSTOMERS);
    // ada is logged in, and makes herself an auditor.
    edit(&demo.project(), "INSERT INTO person_roles VALUES ('ada', 'auditor')");
    let tried = demo.stayward(&["run", "--to", "data-validation"]);
    assert_eq!(tried.status.code(), Some(5), "{}", text(&tried));
    assert!(text(&tried).contains("`role ada auditor` was added"), "{}", text(&tried));
    demo.log_in("admin");
    let change = demo.stayward(&["user", "roles", "tara", "--roles", "trainer"]);
    assert_eq!(change.status.code(), Some(5), "a change on top of a forged one: {}", text(&change));
    // The admin takes it back in the same way as it came, or takes it for right; both are seen.
    let closed = demo.stayward(&["user", "reconcile"]);
    assert!(closed.status.success(), "{}", text(&closed));
    let verified = verify(&demo, &demo.project());
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    assert!(text(&verified).contains("`admin`: `role ada auditor` was added"), "{}", text(&verified));
}

#[test]
fn records_of_who_is_who_stand_against_damage_and_kills() {
    let demo = Demo::new(CUSTOMERS);
    let records = demo.project().join("evidence/roster");
    let mut names: Vec<_> = std::fs::read_dir(&records).unwrap().flatten().map(|entry| entry.path()).collect();
    names.sort();
    assert!(names.len() > 4, "{names:?}");
    let cases: [Damage<'_>; 3] = [
        ("the last is gone", &|folder| std::fs::remove_file(folder.join(names.last().unwrap().file_name().unwrap())).unwrap()),
        ("all are gone", &|folder| std::fs::remove_dir_all(folder).unwrap()),
        ("one is edited", &|folder| {
            let path = folder.join(names[1].file_name().unwrap());
            let edited = std::fs::read_to_string(&path).unwrap().replacen('A', "B", 1);
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, edited).unwrap();
        }),
    ];
    for (at, (what, damage)) in cases.iter().enumerate() {
        let project = demo.project().with_file_name(format!("damaged-{at}"));
        copy(&demo.project(), &project);
        damage(&project.join("evidence/roster"));
        let verified = verify(&demo, &project);
        assert_eq!(verified.status.code(), Some(5), "{what}: {}", text(&verified));
        assert!(
            text(&verified).contains("who is who, and") || text(&verified).contains("record 2"),
            "{what}: {}",
            text(&verified)
        );
    }

    // A kill in the middle of a change looks like a file that was set back: it is for an admin to look at, too.
    demo.log_in("admin");
    let change = ["user", "roles", "tara", "--roles", "trainer,data-steward"];
    let killed = demo.command(&change).env("STAYWARD_CRASH_AT", "roster:signed").output().unwrap();
    assert_eq!(killed.status.signal(), Some(SIGABRT), "{}", text(&killed));
    let verified = verify(&demo, &demo.project());
    assert_eq!(verified.status.code(), Some(0), "before the record nothing happened: {}", text(&verified));
    let killed = demo.command(&change).env("STAYWARD_CRASH_AT", "roster:written").output().unwrap();
    assert_eq!(killed.status.signal(), Some(SIGABRT), "{}", text(&killed));
    let verified = verify(&demo, &demo.project());
    assert_eq!(verified.status.code(), Some(5), "{}", text(&verified));
    assert!(text(&verified).contains("set back, or killed"), "{}", text(&verified));
    let closed = demo.stayward(&["user", "reconcile"]);
    assert!(closed.status.success(), "{}", text(&closed));
    let again = demo.stayward(&change);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(verify(&demo, &demo.project()).status.code(), Some(0));
}
