//! Labels that an insider turned around (T6): by the pattern that his labels leave, and by events that say otherwise.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::{admin, check, json};
use crate::world::{World, text};

/// Customer and label of every row.
fn given(world: &World) -> Vec<(String, bool)> {
    let table = std::fs::read_to_string(world.path("customers.csv")).unwrap();
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| header.iter().position(|known| *known == name).unwrap();
    let (id, churned) = (at("customer_id"), at("churned"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[id].to_owned(), cells[churned] == "yes")
    };
    lines.map(row).collect()
}

fn write(world: &World, labels: &[(String, bool)]) {
    let mut out = "customer_id,churned,who\n".to_owned();
    for (at, (id, churned)) in labels.iter().enumerate() {
        let who = ["ann", "ben", "cleo"][at % 3];
        out.push_str(&format!("{id},{},{who}\n", if *churned { "yes" } else { "no" }));
    }
    std::fs::write(world.path("labels.csv"), out).unwrap();
}

/// Labels get a file of their own, with who labelled.
fn project() -> (World, Vec<(String, bool)>) {
    let world = World::new();
    let policy = world.project().join("stayward.toml");
    let file = world.path("labels.csv").display().to_string();
    let edited = std::fs::read_to_string(&policy)
        .unwrap()
        .replace("labels = \"\"", &format!("labels = {file:?}"))
        .replace("[labels]\n", "[labels]\nlabeller = \"who\"\n");
    std::fs::write(&policy, edited).unwrap();
    let labels = given(&world);
    // Who churned stands in the labels' file alone.
    let table = std::fs::read_to_string(world.path("customers.csv")).unwrap();
    let place = table.lines().next().unwrap().split(',').position(|name| name == "churned").unwrap();
    let without = |line: &str| {
        let kept: Vec<&str> = line.split(',').enumerate().filter(|(at, _)| *at != place).map(|(_, cell)| cell).collect();
        kept.join(",") + "\n"
    };
    std::fs::write(world.path("customers.csv"), table.lines().map(without).collect::<String>()).unwrap();
    write(&world, &labels);
    (world, labels)
}

#[test]
fn a_labeller_who_hides_churners_is_seen() {
    let (world, mut labels) = project();
    json(&world, &["run", "--to", "label-qa"], 0);
    // Every other churner of ben's is gone.
    let mine: BTreeSet<usize> = (0..labels.len()).filter(|at| at % 3 == 1 && labels[*at].1).step_by(2).collect();
    assert!(mine.len() > 20);
    mine.iter().for_each(|at| labels[*at].1 = false);
    write(&world, &labels);
    let stopped = json(&world, &["run", "--to", "label-qa"], 6);
    assert_eq!(stopped["rule"], "label-patterns", "{stopped}");
    assert!(stopped["error"].as_str().unwrap().contains("ben"), "{stopped}");
    let review = json(&world, &["label", "review", "-n", "40"], 0);
    assert!(review["patterns"][0]["whose"].as_str().unwrap().contains("ben"), "{}", review["patterns"]);
    // The refusal names rows to look at, the review every labeller.
    assert!(stopped["error"].as_str().unwrap().contains("look first at customer `"), "{stopped}");
    assert_eq!(review["labellers"].as_array().unwrap().len(), 3, "{}", review["labellers"]);
    assert!(review["suspects"][0]["reasons"].is_array() && review["suspects"][0]["believed"].is_boolean());
    let suspects = review["suspects"].as_array().unwrap();
    let found = suspects.iter().filter(|suspect| suspect["labeller"] == "ben" && suspect["churned"] == false).count();
    assert!(found > 5, "{found} of 40");
}

#[test]
fn events_contradict_a_turned_label() {
    let (world, mut labels) = project();
    let mut events = "customer,at,kind\n".to_owned();
    for (at, (id, churned)) in labels.iter().enumerate() {
        let kind = if *churned { "cancel" } else { "payment" };
        // The table has no time, so its one cutoff is the beginning of time.
        events.push_str(&format!("{id},1970-02-{:02},{kind}\n", at % 28 + 1));
    }
    std::fs::write(world.path("events.csv"), events).unwrap();
    let policy = world.project().join("stayward.toml");
    let file = world.path("events.csv").display().to_string();
    let rule = "rule = { horizon_days = 90, activity = [\"payment\"], ending = [\"cancel\"] }";
    let declared =
        format!("\n[labels.events]\ndata = {file:?}\ncustomer = \"customer\"\ntime = \"at\"\nkind = \"kind\"\n{rule}\n");
    std::fs::write(&policy, std::fs::read_to_string(&policy).unwrap() + &declared).unwrap();
    let counted = json(&world, &["label", "recount"], 0);
    assert_eq!(counted["counts"]["agree"], labels.len(), "{counted}");
    json(&world, &["run", "--to", "label-qa"], 0);

    let at = labels.iter().position(|(_, churned)| *churned).unwrap();
    labels[at].1 = false;
    write(&world, &labels);
    let stopped = json(&world, &["run", "--to", "label-qa"], 1);
    assert_eq!(stopped["rule"], "label-events", "{stopped}");
    let counted = json(&world, &["label", "recount"], 1);
    assert!(counted["mismatches"][0].as_str().unwrap().contains("cancel"), "{counted}");

    // Events that cannot be read prove nothing, and let nothing in.
    std::fs::write(world.path("events.csv"), "customer,at,kind\n1,yesterday,cancel\n").unwrap();
    let stopped = json(&world, &["run", "--to", "label-qa"], 6);
    assert_eq!(stopped["rule"], "label-events", "{stopped}");
    check(&world, &["label", "recount"], 2);
}

/// People of several teams beside the owner, and a policy that wants two signatures of another team than the author's.
fn several(policy: &str) -> World {
    let world = World::new();
    let file = world.project().join("stayward.toml");
    let edited = std::fs::read_to_string(&file).unwrap().replace(
        "approvals_needed = 1\nauthor_may_approve = true",
        &format!("approvals_needed = 2\nauthor_may_approve = false\nother_team = true\n{policy}"),
    );
    std::fs::write(&file, edited).unwrap();
    admin(&world);
    for (name, role, team) in [
        ("lena", "labeller", "crm"),
        ("carl", "label-approver", "crm"),
        ("ben", "label-approver", "risk"),
        ("cleo", "label-approver", "audit"),
        ("dora", "labeller", "risk"),
    ] {
        let account = json(&world, &["user", "add", name, "--roles", role, "--team", team], 0);
        std::fs::write(world.path(&format!("{name}.json")), serde_json::to_vec(&[account]).unwrap()).unwrap();
    }
    log_in(&world, "owner");
    json(&world, &["run", "--to", "data-source"], 0);
    world
}

/// A code is good once, so somebody who just logged in waits for the next.
fn log_in(world: &World, name: &str) {
    let file = if name == "owner" { "people.json".to_owned() } else { format!("{name}.json") };
    let began = std::time::Instant::now();
    loop {
        let login = world.stayward(&["login", name, "--credentials", &file]);
        if login.status.success() {
            return;
        }
        assert!(began.elapsed().as_secs() < 70, "{}", text(&login));
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}

#[test]
fn signatures_come_from_other_people_of_other_teams() {
    let world = several("");
    log_in(&world, "lena");
    json(&world, &["label", "propose"], 0);
    let listed = json(&world, &["label", "ls"], 0);
    assert_eq!(listed[0]["may_sign"], serde_json::json!(["ben", "cleo", "owner"]), "{listed}");
    // The author may not, by his role already; a colleague may not, by the policy, and is told who may.
    check(&world, &["label", "approve"], 4);
    log_in(&world, "carl");
    let refused = check(&world, &["label", "approve"], 4);
    assert!(text(&refused).contains("team of `lena`") && text(&refused).contains("stayward login ben"), "{}", text(&refused));
    log_in(&world, "ben");
    json(&world, &["label", "approve"], 0);
    let twice = check(&world, &["label", "approve"], 2);
    assert!(text(&twice).contains("has signed labels"), "{}", text(&twice));
    let listed = json(&world, &["label", "ls"], 0);
    assert_eq!(
        (&listed[0]["signed_by"], &listed[0]["may_sign"]),
        (&serde_json::json!(["ben"]), &serde_json::json!(["cleo", "owner"]))
    );
    log_in(&world, "cleo");
    json(&world, &["label", "approve"], 0);
    log_in(&world, "owner");
    json(&world, &["run", "--from", "label-qa", "--to", "label-qa"], 0);
}

/// Fills in a file of second labels by the truth, but for some rows.
fn answer(world: &World, from: &str, to: &str, wrong: usize) {
    let truth: BTreeMap<String, bool> = given(world).into_iter().collect();
    let file = std::fs::read_to_string(world.path(from)).unwrap();
    let mut out = String::new();
    for (at, line) in file.lines().enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        assert!(cells.len() == 4 && (at == 0 || cells[3].is_empty()), "the file tells a label: {line}");
        let says = truth.get(cells[1]).map(|churned| *churned ^ (at <= wrong));
        let says = says.map(|churned| if churned { "yes" } else { "no" });
        out.push_str(&format!("{line}{}\n", says.unwrap_or_default()));
    }
    std::fs::write(world.path(to), out).unwrap();
}

#[test]
fn random_rows_are_labelled_again_by_somebody_who_does_not_see_the_label() {
    let world = several("blind = { share = 0.05, miss = 0.05 }");
    log_in(&world, "lena");
    json(&world, &["label", "propose"], 0);
    // Nobody may look whose labels they are, or who is of that team.
    check(&world, &["label", "second", "--out", "rows.csv"], 4);
    log_in(&world, "carl");
    check(&world, &["label", "second", "--out", "rows.csv"], 4);
    for name in ["ben", "cleo"] {
        log_in(&world, name);
        json(&world, &["label", "approve"], 0);
    }
    // Signatures alone are not enough, and what is missing is no answer.
    log_in(&world, "owner");
    let to_qa = ["run", "--from", "label-qa", "--to", "label-qa"];
    let stopped = json(&world, &to_qa, 3);
    assert_eq!(stopped["rule"], "label-blind-second", "{stopped}");
    check(&world, &["label", "second", "--answers", "rows.csv"], 2);
    log_in(&world, "dora");
    let drawn = json(&world, &["label", "second", "--out", "rows.csv"], 0);
    let rows = drawn["rows"].as_array().unwrap().len();
    assert!((40..80).contains(&rows), "{rows}");
    // Whoever asks later gets the same rows: there is one draw.
    let again = json(&world, &["label", "second"], 0);
    assert_eq!(again["rows"], drawn["rows"]);
    assert_eq!(again["evidence"], drawn["evidence"]);
    check(&world, &["label", "second", "--answers", "rows.csv"], 2);
    // Three rows are contradicted: the refusal names them, and no second file changes what was said.
    answer(&world, "rows.csv", "answers.csv", 3);
    let open = json(&world, &["label", "second", "--answers", "answers.csv"], 0);
    assert_eq!(open["answered"], rows, "{open}");
    answer(&world, "rows.csv", "later.csv", 0);
    check(&world, &["label", "second", "--answers", "later.csv"], 2);
    log_in(&world, "owner");
    let stopped = json(&world, &to_qa, 1);
    assert_eq!(stopped["rule"], "label-blind-second", "{stopped}");
    assert!(stopped["error"].as_str().unwrap().contains("the second label says"), "{stopped}");
    check(&world, &["evidence", "verify"], 0);

    // Corrected labels are another proposal, with rows of its own that nobody knew before.
    let table = std::fs::read_to_string(world.path("customers.csv")).unwrap();
    let mut lines: Vec<&str> = table.lines().collect();
    lines.pop();
    std::fs::write(world.path("customers.csv"), lines.join("\n") + "\n").unwrap();
    json(&world, &["run", "--to", "data-source"], 0);
    log_in(&world, "lena");
    json(&world, &["label", "propose"], 0);
    for name in ["ben", "cleo"] {
        log_in(&world, name);
        json(&world, &["label", "approve"], 0);
    }
    log_in(&world, "dora");
    let other = json(&world, &["label", "second", "--out", "other.csv"], 0);
    assert_ne!(other["rows"], drawn["rows"]);
    answer(&world, "other.csv", "agreed.csv", 0);
    json(&world, &["label", "second", "--answers", "agreed.csv"], 0);
    log_in(&world, "owner");
    json(&world, &to_qa, 0);
}
