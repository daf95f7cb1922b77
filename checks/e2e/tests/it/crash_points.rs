//! The process ends between any two writes of a run: the next run goes on, nothing is written twice, nothing is lost.
//!
//! `kill.rs` kills at moments; here every named point is hit, in a project with a feed, several people and labels that change.

use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use crate::world::{Demo, text};

/// Customers of the demo.
const CUSTOMERS: u64 = 400;
const SIGABRT: i32 = 6;

fn killed_at(demo: &Demo, point: &str, arguments: &[&str]) {
    let output: Output = demo.command(arguments).env("STAYWARD_CRASH_AT", point).output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGABRT), "`{point}` was not reached: {}", text(&output));
    let verified = demo.stayward(&["evidence", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "killed at `{point}`: {}", text(&verified));
}

fn goes_on(demo: &Demo, point: &str, arguments: &[&str], expected: i32) {
    let again = demo.stayward(arguments);
    assert_eq!(again.status.code(), Some(expected), "after `{point}`: {}", text(&again));
    let verified = demo.stayward(&["evidence", "verify", "--replay"]);
    assert_eq!(verified.status.code(), Some(0), "after `{point}`: {}", text(&verified));
}

fn points(prefix: &str) -> impl Iterator<Item = &'static str> {
    let found: Vec<&'static str> = pipeline::crash::POINTS.iter().copied().filter(|point| point.starts_with(prefix)).collect();
    assert!(!found.is_empty(), "no point begins with `{prefix}`");
    found.into_iter()
}

/// Versions of the feed's table, and how often each delivery's digest is in it.
fn appended(demo: &Demo) -> Vec<String> {
    let mut contents = Vec::new();
    for entry in std::fs::read_dir(demo.project().join("source/market/_delta_log")).unwrap().flatten() {
        let commit = std::fs::read_to_string(entry.path()).unwrap();
        let line = commit.lines().find(|line| line.contains("\"commitInfo\"")).unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(content) = value["commitInfo"]["staywardContent"].as_str() {
            contents.push(content.to_owned());
        }
    }
    contents.sort();
    contents
}

#[test]
fn every_point_of_a_run_is_survived() {
    let demo = Demo::new(CUSTOMERS);
    let intake = ["run", "--to", "data-validation"];
    let mut number = 10;
    let before = appended(&demo).len();
    let mut taken = 0;
    for point in points("feeds:").filter(|point| *point != "feeds:stopped") {
        demo.deliver(number, true);
        killed_at(&demo, point, &intake);
        goes_on(&demo, point, &intake, 0);
        number += 1;
        taken += 1;
        let contents = appended(&demo);
        assert_eq!(contents.len(), before + taken, "killed at `{point}`");
        let mut single = contents.clone();
        single.dedup();
        assert_eq!(contents, single, "killed at `{point}`: a delivery was written twice");
        // The same number again is a replay, whatever was done before the kill.
        let file = demo.deliver(number - 1, true);
        goes_on(&demo, point, &intake, 1);
        demo.withdraw(&file);
    }
    let file = demo.deliver(number, false);
    killed_at(&demo, "feeds:stopped", &intake);
    goes_on(&demo, "feeds:stopped", &intake, 1);
    demo.withdraw(&file);

    for point in points("customers:").chain(points("source:")) {
        demo.change_customers();
        killed_at(&demo, point, &["run", "--from", "data-source", "--to", "data-source"]);
        goes_on(&demo, point, &["run", "--from", "data-source", "--to", "data-source"], 0);
    }
    for point in points("labels:") {
        demo.change_labels();
        killed_at(&demo, point, &["run", "--from", "label-qa", "--to", "label-qa"]);
        // Labels that change after the kill: the version that the log cleared is booked, and superseded.
        demo.change_labels();
        goes_on(&demo, point, &["run", "--from", "label-qa", "--to", "label-qa"], 0);
    }
    let versions = demo.stayward(&["label", "ls", "--output", "json"]);
    let versions: serde_json::Value = serde_json::from_slice(&versions.stdout).unwrap();
    let archived = versions.as_array().unwrap().iter().filter(|one| one["version"].is_u64()).count();
    assert_eq!(archived, 1 + 2 * points("labels:").count(), "{versions}");

    killed_at(&demo, "segments:logged", &["run", "--from", "segmentation", "--to", "segmentation"]);
    goes_on(&demo, "segments:logged", &["run", "--from", "segmentation", "--to", "segmentation"], 0);
    for point in points("model:") {
        killed_at(&demo, point, &["run", "--from", "training", "--to", "training"]);
    }
    goes_on(&demo, "model:judged", &["run", "--from", "training", "--to", "training"], 0);
    for point in points("release:").chain(points("deployment:")) {
        killed_at(&demo, point, &["run", "--from", "staging"]);
        goes_on(&demo, point, &["run", "--from", "staging"], 0);
    }
    goes_on(&demo, "all points", &["run"], 0);
    let signed = demo.stayward(&["model", "verify"]);
    assert_eq!(signed.status.code(), Some(0), "{}", text(&signed));
}
