//! A project's own rules of access decide, and nothing is released under rules of which nothing is proved (T1, T4, T6).

use crate::world::{World, text};

fn rule(id: &str, text: &str) -> String {
    format!("@id(\"{id}\") @why(\"a test\") @fix(\"wait for it to end\") {text}\n")
}

#[test]
fn rules_of_the_project_decide_and_must_be_proved() {
    let world = World::new();
    let file = world.project().join("access.cedar");
    std::fs::write(&file, rule("freeze", "forbid (principal is Person, action == Action::\"bring-data\", resource);")).unwrap();
    let frozen = world.stayward(&["run"]);
    assert_eq!(frozen.status.code(), Some(4), "{}", text(&frozen));
    assert!(text(&frozen).contains("freeze") && text(&frozen).contains("wait for it to end"), "{}", text(&frozen));

    // A rule that only narrows is welcome, once it is proved to break nothing.
    std::fs::write(&file, rule("slow", "forbid (principal is Component, action == Action::\"rollback\", resource);")).unwrap();
    let unproved = world.stayward(&["run"]);
    assert_eq!(unproved.status.code(), Some(3), "{}", text(&unproved));
    assert!(text(&unproved).contains("access-proved"), "{}", text(&unproved));
    assert!(text(&unproved).contains("stayward access prove"), "{}", text(&unproved));
    if std::process::Command::new("cvc5").arg("--version").output().is_err() {
        println!("the rest is skipped: the solver cvc5 is missing");
        return;
    }
    let proved = world.stayward(&["access", "prove"]);
    // One person's project gives up that nobody signs his own labels, and says so in the open.
    assert_eq!(proved.status.code(), Some(1), "{}", text(&proved));
    assert!(text(&proved).contains("releases rest on it"), "{}", text(&proved));
    let run = world.stayward(&["run"]);
    assert!(run.status.success(), "{}", text(&run));

    // Another word in the file, and the proof is about other rules.
    std::fs::write(&file, rule("open", "permit (principal is Person, action == Action::\"write-source\", resource);")).unwrap();
    let proved = world.stayward(&["access", "prove"]);
    assert_eq!(proved.status.code(), Some(1), "{}", text(&proved));
    assert!(text(&proved).contains("only-pipelines-write-the-source"), "{}", text(&proved));
    let careless = world.stayward(&["run", "--from", "staging"]);
    assert_eq!(careless.status.code(), Some(1), "{}", text(&careless));
    assert!(text(&careless).contains("only-pipelines-write-the-source"), "{}", text(&careless));
}
