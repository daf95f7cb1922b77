//! Somebody who writes past the gates: into a table, into the control database, or with rights that are not his. Nothing of it counts.

use gate::Digest;
use store::control::{Control, NewApproval, NewDeployment};
use store::table::{AppendInfo, Table};

use crate::world::{World, text};

fn control(world: &World) -> (tokio::runtime::Runtime, Control) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let control = runtime.block_on(Control::open(&world.project().join("control.db"))).unwrap();
    (runtime, control)
}

/// Appends other rows of the same number, as the table's own writer would, under the evidence of the honest write; `content` is the
/// delivery that they claim to be.
fn forge(world: &World, content: Option<Digest>) -> (u64, Digest) {
    let mut table = Table::open(&world.project().join("source/customers")).unwrap();
    let last = table.history().unwrap().into_iter().next_back().unwrap();
    let mut rows = table.read_appended(last.version).unwrap();
    // The first customer twice, the last one gone: as many rows as before.
    let (first, most) = (rows[0].slice(0, 1), rows[0].slice(0, rows[0].num_rows() - 1));
    rows.splice(0..1, [first, most]);
    let info = AppendInfo {
        content: content.or(last.content).unwrap(),
        receipt: last.receipt.unwrap(),
        origin: last.origin.unwrap(),
        now_ms: last.timestamp_ms + 1,
    };
    let forged = table.append(&rows, info).unwrap();
    (forged.number, forged.digest)
}

#[test]
fn rows_that_no_gate_saw_do_not_train() {
    // Bytes that s02 never heard of, and rows under the very delivery that it let in.
    for content in [Some(Digest::of(b"rows that no gate saw")), None] {
        let world = World::new();
        let whole = world.stayward(&["run"]);
        assert!(whole.status.success(), "{}", text(&whole));
        let (version, digest) = forge(&world, content);
        let settled = world.stayward(&["run", "--from", "data-source", "--to", "data-source"]);
        assert!(!settled.status.success(), "{}", text(&settled));
        // The control database says that this is the data source now.
        let (runtime, control) = control(&world);
        let pointer = runtime.block_on(control.pointer("source")).unwrap().unwrap();
        let mut value = pointer.value;
        value["tables"]["customers"] = serde_json::json!([version, digest]);
        let tables: std::collections::BTreeMap<String, (u64, Digest)> = serde_json::from_value(value["tables"].clone()).unwrap();
        value["digest"] = serde_json::to_value(Digest::of_json(&tables)).unwrap();
        runtime.block_on(control.set_pointer("source", pointer.revision, &value)).unwrap();
        drop((runtime, control));
        let trained = world.stayward(&["run", "--from", "training"]);
        assert_eq!(trained.status.code(), Some(1), "{}", text(&trained));
        assert!(text(&trained).contains("lineage"), "{}", text(&trained));
    }
}

#[test]
fn a_signature_that_the_log_does_not_have_does_not_count() {
    let world = World::new();
    let policy = world.project().join("stayward.toml");
    let two = std::fs::read_to_string(&policy).unwrap().replace("approvals_needed = 1", "approvals_needed = 2");
    std::fs::write(&policy, two).unwrap();
    let held = world.stayward(&["run"]);
    assert_eq!(held.status.code(), Some(6), "{}", text(&held));
    let (runtime, control) = control(&world);
    let proposal = runtime.block_on(control.pointer("label-proposal")).unwrap().unwrap().value;
    let content: Digest = serde_json::from_value(proposal["content"].clone()).unwrap();
    let honest = runtime.block_on(control.approvals(&content)).unwrap().into_iter().next().unwrap().what;
    // The owner's own evidence under another name: it still proves the owner alone.
    let forged = NewApproval { person: "mallory".into(), at_ms: honest.at_ms + 1, ..honest };
    runtime.block_on(control.add_approval(&forged)).unwrap();
    let held = world.stayward(&["run", "--from", "label-qa"]);
    assert_eq!(held.status.code(), Some(6), "{}", text(&held));
    // Evidence that is none.
    let forged = NewApproval { person: "mallet".into(), evidence: "0123456789abcdef".into(), ..forged };
    runtime.block_on(control.add_approval(&forged)).unwrap();
    let refused = world.stayward(&["run", "--from", "label-qa"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("does not prove"), "{}", text(&refused));
}

#[test]
fn a_model_that_was_released_but_never_deployed_is_not_served() {
    let world = World::new();
    let whole = world.stayward(&["run"]);
    assert!(whole.status.success(), "{}", text(&whole));
    let sound = world.stayward(&["doctor"]);
    assert!(sound.status.success(), "{}", text(&sound));
    let (runtime, control) = control(&world);
    let honest = runtime.block_on(control.current_deployment()).unwrap().unwrap().what;
    // The release is genuine; what says that it was deployed is the entry of the release itself.
    let mut receipt = honest.receipt.clone();
    receipt["deployment"] = receipt["receipt"].clone();
    let forged = NewDeployment { receipt, at_ms: honest.at_ms + 1, ..honest };
    runtime.block_on(control.deploy(&forged)).unwrap();
    for (arguments, code) in [(&["serve", "--port", "0"][..], 5), (&["doctor"], 1)] {
        let refused = world.stayward(arguments);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {}", text(&refused));
        assert!(text(&refused).contains("is about something else"), "{arguments:?}: {}", text(&refused));
    }
}

#[test]
fn who_may_not_begin_a_stage_does_not() {
    let world = World::new();
    let admin = world.stayward(&["login", "admin", "--credentials", "people.json"]);
    assert!(admin.status.success(), "{}", text(&admin));
    for (name, role) in [("lena", "labeller"), ("tara", "trainer")] {
        let added = world.stayward(&["user", "add", name, "--roles", role, "--output", "json"]);
        assert!(added.status.success(), "{}", text(&added));
        let account: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
        std::fs::write(world.path(&format!("{name}.json")), serde_json::to_vec(&[account]).unwrap()).unwrap();
    }
    let denied = |arguments: &[&str], help: &str| {
        let output = world.stayward(arguments);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(help), "{arguments:?}: {}", text(&output));
    };
    denied(&["run", "--to", "data-source"], "stayward login owner");
    let both = world.stayward(&["user", "roles", "tara", "--roles", "trainer,release-manager"]);
    assert_ne!(both.status.code(), Some(0), "{}", text(&both));
    for (name, denied_stages) in [
        ("lena", &[("data-source", "data-source"), ("training", "training")][..]),
        ("tara", &[("data-source", "data-source"), ("staging", "deployment")]),
    ] {
        let login = world.stayward(&["login", name, "--credentials", &format!("{name}.json")]);
        assert!(login.status.success(), "{}", text(&login));
        for (from, to) in denied_stages {
            denied(&["run", "--from", from, "--to", to], "stayward login owner");
        }
    }
}
