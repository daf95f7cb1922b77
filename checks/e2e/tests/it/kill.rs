//! `kill -9` at any moment of a run: the next start recovers, what was acknowledged is still there, nothing half-written is read.

use std::process::Stdio;
use std::time::Duration;

use crate::world::{World, text};

/// Moments after the start at which the run is killed, milliseconds: from before the log is opened to after the deployment.
const MOMENTS: u64 = 24;

fn entries(world: &World) -> Vec<String> {
    let log = world.stayward(&["evidence", "log", "--output", "json", "-n", "100000"]);
    assert!(log.status.success(), "{}", text(&log));
    let value: serde_json::Value = serde_json::from_slice(&log.stdout).unwrap();
    value.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_that_is_killed_anywhere_loses_nothing() {
    let world = World::new();
    let began = std::time::Instant::now();
    let whole = world.stayward(&["run"]);
    assert!(whole.status.success(), "{}", text(&whole));
    let takes = began.elapsed();
    let mut known = entries(&world);
    for at in 0..MOMENTS {
        // Other customers each time, so that every step has something to do.
        let csv = std::fs::read_to_string(world.path("customers.csv")).unwrap();
        let mut lines: Vec<&str> = csv.lines().collect();
        lines.pop();
        std::fs::write(world.path("customers.csv"), lines.join("\n") + "\n").unwrap();
        let mut child =
            world.command(&["run", "--output", "ndjson"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let moment = takes.mul_f64((at as f64 + 0.5) / MOMENTS as f64) + Duration::from_millis(at);
        std::thread::sleep(moment);
        // SIGKILL: no handler runs, no buffer is written.
        child.kill().unwrap();
        let killed = child.wait_with_output().unwrap();
        let acknowledged: Vec<String> = String::from_utf8_lossy(&killed.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|report| report["evidence"].as_str().map(str::to_owned))
            .collect();
        let after = entries(&world);
        assert!(after.starts_with(&known), "killed at {moment:?}: the log lost entries");
        for id in acknowledged.iter().filter(|id| !id.is_empty()) {
            assert!(after.contains(id), "killed at {moment:?}: acknowledged evidence {id} is lost");
        }
        let verified = world.stayward(&["evidence", "verify"]);
        assert_eq!(verified.status.code(), Some(0), "killed at {moment:?}: {}", text(&verified));
        known = after;
    }
    let again = world.stayward(&["run"]);
    assert!(again.status.success(), "after {MOMENTS} kills: {}", text(&again));
    let verified = world.stayward(&["evidence", "verify", "--replay"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}
