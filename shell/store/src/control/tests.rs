//! The register keeps what was written down, whatever statements are sent to it.

use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::*;

const DAY: i64 = 20_000;

async fn a_control() -> (tempfile::TempDir, Control) {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::open(&folder.path().join("state/control.db")).await.unwrap();
    (folder, control)
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn step(state: StepState) -> NewRunStep {
    NewRunStep {
        step: "s01-intake".to_owned(),
        state,
        started_ms: 1,
        ended_ms: 2,
        rows_in: 10,
        rows_out: 9,
        rows_quarantined: 1,
        evidence: Some("e1".to_owned()),
        finding: Some(json!({"why": "one row is odd"})),
    }
}

fn deployment(model: &str, kind: DeploymentKind) -> NewDeployment {
    NewDeployment { model: digest(model), receipt: json!({"entry": 7}), kind, by: "olga".to_owned(), at_ms: 5 }
}

fn labels(content: &str) -> NewLabelVersion {
    NewLabelVersion { content: digest(content), author: "lee".to_owned(), rows: 10, positives: 3, receipt: json!({}), at_ms: 4 }
}

fn approval(person: &str) -> NewApproval {
    NewApproval {
        content: digest("labels"),
        person: person.to_owned(),
        team: "risk".to_owned(),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        evidence: "e2".to_owned(),
        at_ms: 6,
    }
}

fn delivery(sequence: u64, outcome: DeliveryOutcome) -> NewDelivery {
    NewDelivery {
        feed: "market".to_owned(),
        supplier: "acme".to_owned(),
        content: digest("feed"),
        sequence,
        outcome,
        rows: 100,
        rows_held: 2,
        receipt: Some(json!({"entry": 1})),
        at_ms: 7,
    }
}

#[tokio::test]
async fn a_run_is_written_down_from_beginning_to_end() {
    let (_folder, control) = a_control().await;
    control.start_run("r1", 100).await.unwrap();
    assert!(matches!(control.start_run("r1", 100).await, Err(ControlError::Exists { .. })));
    assert_eq!(control.add_step("r1", &step(StepState::Passed)).await.unwrap(), 1);
    assert_eq!(control.add_step("r1", &step(StepState::Held)).await.unwrap(), 2);
    assert_eq!(control.run("r1").await.unwrap().unwrap().state, RunState::Running);
    control.finish_run("r1", RunState::Held, 200, Some(&json!({"rows": 9}))).await.unwrap();
    let run = Run {
        id: "r1".to_owned(),
        started_ms: 100,
        finished_ms: Some(200),
        state: RunState::Held,
        summary: Some(json!({"rows": 9})),
    };
    assert_eq!(control.run("r1").await.unwrap(), Some(run.clone()));
    assert_eq!(control.list_runs(10).await.unwrap(), [run]);
    let steps = control.steps("r1").await.unwrap();
    assert_eq!(steps.iter().map(|one| one.ordinal).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(steps[1].what, step(StepState::Held));
    assert!(matches!(control.finish_run("r1", RunState::Done, 300, None).await, Err(ControlError::Ended(_))));
    assert!(matches!(control.add_step("r1", &step(StepState::Passed)).await, Err(ControlError::Ended(_))));
    assert!(matches!(control.add_step("r2", &step(StepState::Passed)).await, Err(ControlError::Missing { .. })));
    assert!(control.start_run("r3", 1).await.is_ok());
    assert!(matches!(control.finish_run("r3", RunState::Running, 300, None).await, Err(ControlError::NoEnd)));
    assert_eq!(control.run("r2").await.unwrap(), None);
}

#[tokio::test]
async fn runs_of_a_program_that_died_are_recovered_as_interrupted() {
    let (folder, control) = a_control().await;
    for id in ["r1", "r2", "r3"] {
        control.start_run(id, 1).await.unwrap();
    }
    control.finish_run("r2", RunState::Done, 2, None).await.unwrap();
    control.close().await;
    let control = Control::open(&folder.path().join("state/control.db")).await.unwrap();
    assert_eq!(control.recover_runs(9).await.unwrap(), ["r1", "r3"]);
    assert_eq!(control.recover_runs(10).await.unwrap().len(), 0);
    let states: Vec<_> = control.list_runs(10).await.unwrap().into_iter().map(|run| (run.state, run.finished_ms)).collect();
    assert_eq!(states, [(RunState::Interrupted, Some(9)), (RunState::Done, Some(2)), (RunState::Interrupted, Some(9))]);
}

#[tokio::test]
async fn a_rollback_is_a_further_deployment_of_a_model_that_served() {
    let (_folder, control) = a_control().await;
    assert_eq!(control.current_deployment().await.unwrap(), None);
    assert!(matches!(
        control.deploy(&deployment("a", DeploymentKind::Rollback)).await,
        Err(ControlError::NeverDeployed(model)) if model == digest("a")
    ));
    assert_eq!(control.deploy(&deployment("a", DeploymentKind::Deploy)).await.unwrap().previous, None);
    assert_eq!(control.deploy(&deployment("b", DeploymentKind::Deploy)).await.unwrap().previous, Some(digest("a")));
    let back = control.deploy(&deployment("a", DeploymentKind::Rollback)).await.unwrap();
    assert_eq!((back.seq, back.previous), (3, Some(digest("b"))));
    assert_eq!(control.current_deployment().await.unwrap(), Some(back));
    let seqs: Vec<u64> = control.deployments().await.unwrap().iter().map(|one| one.seq).collect();
    assert_eq!(seqs, [3, 2, 1]);
}

#[tokio::test]
async fn label_versions_are_numbered_and_each_person_signs_once() {
    let (_folder, control) = a_control().await;
    assert_eq!(control.latest_label_version().await.unwrap(), None);
    control.add_label_version(&labels("one")).await.unwrap();
    let second = control.add_label_version(&labels("two")).await.unwrap();
    assert_eq!((second.version, &second.what), (2, &labels("two")));
    assert_eq!(control.latest_label_version().await.unwrap(), Some(second));
    assert_eq!(control.label_versions().await.unwrap().len(), 2);
    assert!(control.add_label_version(&NewLabelVersion { positives: 11, ..labels("three") }).await.is_err());

    assert_eq!(control.add_approval(&approval("ann")).await.unwrap().what, approval("ann"));
    assert!(matches!(control.add_approval(&approval("ann")).await, Err(ControlError::Exists { .. })));
    control.add_approval(&approval("bob")).await.unwrap();
    let people: Vec<_> = control.approvals(&digest("labels")).await.unwrap().into_iter().map(|one| one.what.person).collect();
    assert_eq!(people, ["ann", "bob"]);
    assert_eq!(control.approvals(&digest("other")).await.unwrap().len(), 0);
}

fn acceptance() -> Acceptance {
    Acceptance {
        feed: "market".to_owned(),
        content: digest("feed"),
        person: "ann".to_owned(),
        evidence: "0123456789abcdef".to_owned(),
        at_ms: 8,
    }
}

#[tokio::test]
async fn deliveries_and_acceptances_are_kept() {
    let (_folder, control) = a_control().await;
    control.add_delivery(&delivery(1, DeliveryOutcome::Held)).await.unwrap();
    let cleared = control.add_delivery(&delivery(1, DeliveryOutcome::Cleared)).await.unwrap();
    assert_eq!(control.deliveries("market").await.unwrap()[0], cleared);
    assert_eq!(control.deliveries("other").await.unwrap().len(), 0);
    assert!(matches!(
        control.add_delivery(&delivery(u64::MAX, DeliveryOutcome::Held)).await,
        Err(ControlError::Limit { what: "sequence", .. })
    ));
    let acceptance = acceptance();
    assert_eq!(control.acceptances("market", &digest("feed")).await.unwrap().len(), 0);
    control.accept_delivery(&acceptance).await.unwrap();
    assert!(matches!(control.accept_delivery(&acceptance).await, Err(ControlError::Exists { .. })));
    assert_eq!(control.acceptances("market", &digest("feed")).await.unwrap(), [acceptance]);
    assert_eq!(control.acceptances("other", &digest("feed")).await.unwrap().len(), 0);
}

#[tokio::test]
async fn calls_and_distinct_customers_are_counted_by_application_and_day() {
    let (_folder, control) = a_control().await;
    let used = |calls_today, distinct_today| Used { calls_today, distinct_today };
    assert_eq!(control.usage("crm", DAY).await.unwrap(), used(0, 0));
    assert_eq!(control.track("crm", DAY, &[[1; 32], [2; 32], [1; 32]]).await.unwrap(), used(1, 2));
    assert_eq!(control.track("crm", DAY, &[[2; 32], [3; 32]]).await.unwrap(), used(2, 3));
    assert_eq!(control.track("crm", DAY, &[]).await.unwrap(), used(3, 3));
    // What would be too much is told and costs nothing.
    assert_eq!(control.reserve("crm", DAY, &[[8; 32], [9; 32]], 4).await.unwrap().used, used(4, 5));
    assert_eq!(control.usage("crm", DAY).await.unwrap(), used(3, 3));
    assert_eq!(control.track("crm", DAY + 1, &[[1; 32]]).await.unwrap(), used(1, 1));
    assert_eq!(control.track("app", DAY, &[[1; 32]]).await.unwrap(), used(1, 1));
    assert_eq!(control.usage("crm", DAY).await.unwrap(), used(3, 3));
    let all = control.usage_all(DAY).await.unwrap();
    assert_eq!(all.iter().map(|one| one.app.as_str()).collect::<Vec<_>>(), ["app", "crm"]);
    assert!(matches!(
        control.track("crm", DAY, &vec![[0; 32]; CUSTOMERS_PER_CALL_MAX + 1]).await,
        Err(ControlError::Limit { .. })
    ));
    assert_eq!(control.forget_customers_before(DAY + 1).await.unwrap(), 4);
    assert_eq!(control.usage("crm", DAY).await.unwrap(), used(3, 3));
}

#[tokio::test]
async fn what_a_call_newly_reserved_can_be_given_back_within_a_bound() {
    let (_folder, control) = a_control().await;
    let used = |calls_today, distinct_today| Used { calls_today, distinct_today };
    control.track("crm", DAY, &[[1; 32]]).await.unwrap();
    let reserved = control.reserve("crm", DAY, &[[1; 32], [2; 32], [3; 32], [3; 32]], 9).await.unwrap();
    assert_eq!((reserved.used, reserved.fresh), (used(2, 3), [[2; 32], [3; 32]].into()));
    // What was given back is neither there for the next call nor given back twice; the calls stay.
    assert_eq!(control.give_back("crm", DAY, &[[2; 32], [3; 32]], 3).await.unwrap(), 2);
    assert_eq!(control.usage("crm", DAY).await.unwrap(), used(2, 1));
    assert_eq!(control.give_back("crm", DAY, &[[2; 32], [3; 32]], 3).await.unwrap(), 0);
    assert_eq!(control.usage_all(DAY).await.unwrap()[0].used, used(2, 1));
    let again = control.reserve("crm", DAY, &[[2; 32], [3; 32]], 9).await.unwrap();
    assert_eq!((again.used, again.fresh.len()), (used(3, 3), 2));
    // Over the day's bound nothing is given back, and the rows stay on the account.
    assert_eq!(control.give_back("crm", DAY, &[[2; 32], [3; 32]], 3).await.unwrap(), 0);
    assert_eq!(control.usage("crm", DAY).await.unwrap(), used(3, 3));
    assert_eq!(control.track("crm", DAY, &[[2; 32], [3; 32]]).await.unwrap(), used(4, 3));
    assert_eq!(control.give_back("crm", DAY, &[[2; 32]], 3).await.unwrap(), 1);
    assert_eq!(control.usage("crm", DAY).await.unwrap(), used(4, 2));
    assert_eq!(control.give_back("shop", DAY, &[[1; 32]], 3).await.unwrap(), 0);
    assert_eq!(control.give_back("crm", DAY + 1, &[[1; 32]], 3).await.unwrap(), 0);
    // The limit counts what is used, and neither number may be taken back by hand.
    assert_eq!(control.reserve("crm", DAY, &[[4; 32], [5; 32]], 4).await.unwrap().used, used(5, 4));
    assert!(sqlx::raw_sql("UPDATE usage_days SET given_back = 0").execute(&control.pool).await.is_err());
    assert!(sqlx::raw_sql("UPDATE usage_days SET given_back = 100").execute(&control.pool).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_the_same_time_are_all_counted() {
    let (_folder, control) = a_control().await;
    let calls: Vec<_> = (0..40_u8)
        .map(|call| {
            let control = control.clone();
            tokio::spawn(async move { control.track("crm", DAY, &[[call; 32], [0; 32]]).await.unwrap() })
        })
        .collect();
    let mut seen = Vec::new();
    for call in calls {
        seen.push(call.await.unwrap().calls_today);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=40).collect::<Vec<_>>());
    assert_eq!(control.usage("crm", DAY).await.unwrap(), Used { calls_today: 40, distinct_today: 40 });
}

#[tokio::test]
async fn a_pointer_moves_only_for_who_has_seen_it() {
    let (_folder, control) = a_control().await;
    assert_eq!(control.pointer("head").await.unwrap(), None);
    assert_eq!(control.set_pointer("head", 0, &json!({"v": 1})).await.unwrap(), 1);
    assert!(matches!(control.set_pointer("head", 0, &json!(2)).await, Err(ControlError::Moved { found: 1, expected: 0, .. })));
    assert_eq!(control.set_pointer("head", 1, &json!({"v": 2})).await.unwrap(), 2);
    let pointer = Pointer { name: "head".to_owned(), revision: 2, value: json!({"v": 2}) };
    assert_eq!(control.pointer("head").await.unwrap(), Some(pointer.clone()));
    assert_eq!(control.pointers().await.unwrap(), [pointer]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_writers_that_saw_the_same_pointer_one_wins() {
    let (_folder, control) = a_control().await;
    let writers: Vec<_> = (0..10)
        .map(|me| {
            let control = control.clone();
            tokio::spawn(async move { control.set_pointer("head", 0, &json!(me)).await.is_ok() })
        })
        .collect();
    let mut wins = 0;
    for writer in writers {
        wins += u32::from(writer.await.unwrap());
    }
    assert_eq!(wins, 1);
}

/// Statements of somebody with the file, on a connection without our settings.
#[tokio::test]
async fn statements_that_rewrite_history_are_refused_on_every_connection() {
    let (folder, control) = a_control().await;
    control.start_run("r1", 100).await.unwrap();
    control.add_step("r1", &step(StepState::Passed)).await.unwrap();
    control.finish_run("r1", RunState::Done, 200, None).await.unwrap();
    control.deploy(&deployment("a", DeploymentKind::Deploy)).await.unwrap();
    control.add_label_version(&labels("one")).await.unwrap();
    control.add_approval(&approval("ann")).await.unwrap();
    control.add_delivery(&delivery(1, DeliveryOutcome::Held)).await.unwrap();
    control.accept_delivery(&acceptance()).await.unwrap();
    control.track("crm", DAY, &[[1; 32]]).await.unwrap();
    control.set_pointer("head", 0, &json!(1)).await.unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("state/control.db"));
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    let hostile = [
        "UPDATE runs SET state = 'refused'",
        "UPDATE runs SET started_ms = 0",
        "DELETE FROM runs",
        "INSERT OR REPLACE INTO runs (seq, id, started_ms, state) VALUES (1, 'r1', 0, 'running')",
        "INSERT OR REPLACE INTO runs (seq, id, started_ms, state) VALUES (2, 'r1', 0, 'running')",
        "UPDATE run_steps SET state = 'passed'",
        "DELETE FROM run_steps",
        "INSERT OR REPLACE INTO run_steps SELECT * FROM run_steps",
        "UPDATE deployments SET model = 'x'",
        "DELETE FROM deployments",
        "INSERT OR REPLACE INTO deployments SELECT * FROM deployments",
        "INSERT INTO deployments SELECT seq + 1, model, receipt, 'other', kind, by, at_ms FROM deployments",
        "UPDATE label_versions SET positives = 0",
        "DELETE FROM label_versions",
        "INSERT OR REPLACE INTO label_versions SELECT * FROM label_versions",
        "INSERT INTO label_versions SELECT version + 5, content, author, rows, positives, receipt, at_ms FROM label_versions",
        "UPDATE approvals SET person = 'mallory'",
        "DELETE FROM approvals",
        "INSERT OR REPLACE INTO approvals SELECT seq + 1, content, person, team, amr, evidence, at_ms FROM approvals",
        "UPDATE deliveries SET outcome = 'cleared'",
        "DELETE FROM deliveries",
        "INSERT OR REPLACE INTO deliveries SELECT * FROM deliveries",
        "UPDATE acceptances SET person = 'mallory'",
        "DELETE FROM acceptances",
        "INSERT OR REPLACE INTO acceptances SELECT seq + 1, feed, content, person, evidence, 0 FROM acceptances",
        "UPDATE usage_days SET calls = 0",
        "UPDATE usage_days SET customers = 0",
        "DELETE FROM usage_days",
        "UPDATE pointers SET value = '2'",
    ];
    // The words of our triggers: a statement that fails for another reason would prove nothing.
    let words = ["append-only", "follows the last", "ends once", "stays", "only grows", "revisions follow"];
    for statement in hostile {
        let text = sqlx::raw_sql(statement).execute(&mut raw).await.unwrap_err().to_string();
        assert!(words.iter().any(|word| text.contains(word)), "{statement}: {text}");
    }
    assert_eq!(control.run("r1").await.unwrap().unwrap().state, RunState::Done);
    assert_eq!(control.approvals(&digest("labels")).await.unwrap()[0].what, approval("ann"));
    assert_eq!(control.usage("crm", DAY).await.unwrap().calls_today, 1);
}

#[tokio::test]
async fn texts_that_are_no_names_are_refused() {
    let (_folder, control) = a_control().await;
    for name in ["", "a\nb", &"x".repeat(TEXT_BYTES_MAX + 1)] {
        assert!(matches!(control.start_run(name, 1).await, Err(ControlError::Text { .. })));
        assert!(matches!(control.track(name, DAY, &[]).await, Err(ControlError::Text { .. })));
        assert!(matches!(control.set_pointer(name, 0, &json!(1)).await, Err(ControlError::Text { .. })));
    }
    let large = json!("x".repeat(JSON_BYTES_MAX));
    assert!(matches!(control.set_pointer("head", 0, &large).await, Err(ControlError::Limit { .. })));
}

#[tokio::test]
async fn the_settings_hold_on_every_connection_and_the_file_is_private() {
    let (folder, control) = a_control().await;
    let path = folder.path().join("state/control.db");
    for _ in 0..CONNECTIONS_MAX {
        let mut connection = control.pool.acquire().await.unwrap().detach();
        let mut pragma = async |statement: &'static str| -> String {
            let row = sqlx::query(statement).fetch_one(&mut connection).await.unwrap();
            row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|value| value.to_string())).unwrap()
        };
        assert_eq!(pragma("PRAGMA journal_mode").await, "wal");
        assert_eq!(pragma("PRAGMA synchronous").await, "2");
        assert_eq!(pragma("PRAGMA foreign_keys").await, "1");
        assert_eq!(pragma("PRAGMA recursive_triggers").await, "1");
        assert_eq!(pragma("PRAGMA trusted_schema").await, "0");
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    control.close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Control::open(&path).await, Err(ControlError::OpenToOthers { .. })));
}

#[tokio::test]
async fn a_file_of_another_version_is_not_opened() {
    let (folder, control) = a_control().await;
    let path = folder.path().join("state/control.db");
    sqlx::raw_sql("UPDATE control_schema SET sha256 = 'x'").execute(&control.pool).await.unwrap();
    control.close().await;
    assert!(matches!(Control::open(&path).await, Err(ControlError::Schema { .. })));
}
