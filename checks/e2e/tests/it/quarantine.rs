//! Rows out of quarantine (T1, T6): strange rows of a delivery wait, one person proposes, another signs with a code, the next run takes
//! them in, the data source names both, and whoever edits the queue is found out.

use serde_json::Value;

use crate::cli::{check, json};
use crate::rogue::edit;
use crate::rows::{CONTRACT, FEED, csv, receive, rows};
use crate::world::{Demo, copy, text};

const CUSTOMERS: u64 = 400;

/// Three rows whose values do not go together: many visits, and hardly anything spent.
fn strange() -> Vec<[String; 5]> {
    let row = |id: u64| [id.to_string(), "2026-09-12".into(), "320".into(), "9.50".into(), "shop".into()];
    vec![row(5), row(6), row(7)]
}

/// The demo's people, with a feed of rows, and nobody signs for himself.
fn project() -> Demo {
    let demo = Demo::new(CUSTOMERS);
    let policy = demo.project().join("stayward.toml");
    let edited = std::fs::read_to_string(&policy).unwrap().replace("author_may_approve = true", "author_may_approve = false");
    std::fs::write(&policy, edited.replacen("\n[people]", &format!("{FEED}\n[people]"), 1)).unwrap();
    std::fs::write(demo.project().join("feeds/partner.contract.toml"), CONTRACT).unwrap();
    let world = demo.world();
    let made = json(world, &["feed", "keygen", "--out", "k.pem"], 0);
    std::fs::write(world.path("k.pub.pem"), made["public_key"].as_str().unwrap()).unwrap();
    demo.log_in("admin");
    check(world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 0);
    demo.log_in("ada");
    std::fs::write(world.path("golden.csv"), csv(&rows(10_000, 2_000, 5))).unwrap();
    json(world, &["feed", "golden", "partner", "golden.csv"], 0);
    demo
}

fn entries(demo: &Demo) -> Vec<Value> {
    json(demo.world(), &["quarantine", "ls", "--feed", "partner", "--all"], 0)["entries"].as_array().unwrap().clone()
}

/// The queue's names of the three rows, which came last.
fn names(demo: &Demo, last: u64) -> Vec<String> {
    let wanted = [last - 2, last - 1, last];
    let found = entries(demo).into_iter().filter(|entry| wanted.contains(&entry["row"].as_u64().unwrap()));
    found.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rows_come_out_of_quarantine_by_two_people_and_whoever_edits_the_queue_is_found_out() {
    let demo = project();
    let world = demo.world();
    let mut delivered = rows(20, 200, 12);
    delivered.extend(strange());
    let last = u64::try_from(delivered.len()).unwrap();
    // Strange rows are more than chance has, so the whole is held; who accepts it does not let them in.
    let held = receive(world, ("week.csv", &csv(&delivered)), 1, 6);
    assert_eq!(held["delivery"]["outcome"], "held", "{held}");
    let names = names(&demo, last);
    assert_eq!(names.len(), 3, "{:?}", entries(&demo));
    let too_early = check(world, &["quarantine", "propose", "release", &names[0], "--because", "x"], 2);
    assert!(text(&too_early).contains("is held"), "{}", text(&too_early));
    let accepted = json(world, &["feed", "accept", "partner"], 0);
    assert_eq!(accepted["rows_waiting"], 3, "{accepted}");

    let shown = json(world, &["quarantine", "show", &names[0]], 0);
    assert_eq!(shown["entry"]["cells"]["visits"], "320");
    assert!(shown["known"]["visits"]["allowed"].as_str().unwrap().contains("0 to 1000"), "{shown}");
    assert!(!shown["entry"]["reasons"].as_array().unwrap().is_empty(), "{shown}");
    let exported = check(world, &["quarantine", "export", "--feed", "partner"], 0);
    assert!(text(&exported).contains(&names[2]), "{}", text(&exported));

    // Nobody knows a row that is not there, and nobody signs what he proposed.
    check(world, &["quarantine", "propose", "release", "0123456789ab-1", "--because", "x"], 2);
    let propose =
        ["quarantine", "propose", "release", &names[0], &names[1], &names[2], "--because", "acme confirmed them by telephone"];
    let proposed = json(world, &propose, 0);
    let proposal = proposed["proposal"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let own = check(world, &["quarantine", "approve", &proposal], 4);
    assert!(text(&own).contains("own-quarantine") || text(&own).contains("your own"), "{}", text(&own));
    let before = json(world, &["run", "--to", "data-validation"], 0);
    assert!(!before.to_string().contains("out of quarantine"), "{before}");

    demo.log_in("ben");
    let signed = json(world, &["quarantine", "approve", &proposal], 0);
    assert_eq!((&signed["proposed_by"], &signed["approved_by"]), (&"ada".into(), &"ben".into()), "{signed}");
    check(world, &["quarantine", "approve", &proposal], 2);
    demo.log_in("ada");
    json(world, &["run", "--to", "data-source"], 0);
    let states: Vec<Value> =
        entries(&demo).into_iter().filter(|entry| names.contains(&entry["id"].as_str().unwrap().into())).collect();
    assert!(states.iter().all(|entry| entry["state"] == "in-source"), "{states:?}");
    let log = json(world, &["source", "log"], 0);
    let of_feed = log.as_array().unwrap().iter().filter(|version| version["table"] == "partner");
    let origin = of_feed.map(|version| version["origin"].as_str().unwrap()).collect::<Vec<_>>().join("; ");
    assert!(origin.contains("delivery number 1, out of quarantine: proposed by ada, signed by ben"), "{origin}");
    // Once is enough.
    let again = json(world, &["run", "--to", "data-source"], 0);
    assert!(!again.to_string().contains("out of quarantine"), "{again}");
    check(world, &["evidence", "verify", "--replay"], 0);
    edited(&demo);
}

/// What is done to the register, or to the objects, and what is said of it.
fn edited(demo: &Demo) {
    let verify = |project: &std::path::Path| demo.stayward(&["evidence", "verify", "--project", &project.display().to_string()]);
    let edits = [
        ("UPDATE quarantine_decisions SET person = 'cleo' WHERE kind = 'approval'", "`cleo` signed"),
        ("DELETE FROM quarantine_decisions WHERE kind = 'approval'", "`quarantine_decisions` does not have it"),
        ("DELETE FROM quarantine_decisions", "`quarantine_decisions` does not have it"),
        ("UPDATE deliveries SET rows_held = 0 WHERE feed = 'partner'", "is not what the log has"),
    ];
    for (at, (statements, said)) in edits.iter().enumerate() {
        let project = demo.project().with_file_name(format!("queue-{at}"));
        copy(&demo.project(), &project);
        assert!(edit(&project, statements) > 0, "nothing to edit: {statements}");
        let verified = verify(&project);
        assert_eq!(verified.status.code(), Some(5), "not found out: {statements}: {}", text(&verified));
        assert!(text(&verified).contains(said), "{statements}: {}", text(&verified));
        std::fs::remove_dir_all(&project).unwrap();
    }
    // The row itself, as it stands among the objects.
    for at in 0..2 {
        let project = demo.project().with_file_name(format!("objects-{at}"));
        copy(&demo.project(), &project);
        let aside = objects(&project.join("objects/sha256")).into_iter().find(|path| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"aside\":[") && text.contains("\"feed\":\"partner\""))
        });
        let aside = aside.unwrap();
        let kept = std::fs::read_to_string(&aside).unwrap();
        std::fs::remove_file(&aside).unwrap();
        if at == 0 {
            std::fs::write(&aside, kept.replace("320", "32")).unwrap();
        }
        let verified = verify(&project);
        assert_eq!(verified.status.code(), Some(5), "{}", text(&verified));
        std::fs::remove_dir_all(&project).unwrap();
    }
}

fn objects(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let below = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    below.flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>()).collect()
}
