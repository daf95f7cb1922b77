//! Labels that an insider turned around (T6): by the pattern that his labels leave, and by events that say otherwise.

use std::collections::BTreeSet;

use crate::cli::{check, json};
use crate::world::World;

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
