//! `kill -9` of the service under load: every answer that a caller has seen is in the log, and the next start serves again.

use std::io::BufRead;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::world::{World, program, text};

/// Kills, each at another moment after the first answers.
const KILLS: u64 = 20;
/// Callers at a time.
const CALLERS: usize = 4;
/// Longest wait for a start or for first answers.
const PATIENCE: Duration = Duration::from_secs(60);

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Starts the service on a free port; its address.
fn serve(world: &World) -> (Child, String) {
    let mut child = world
        .command(&["serve", "--port", "0", "--output", "ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address =
        json(line.as_bytes())["address"].as_str().unwrap_or_else(|| panic!("the service did not start: {line}")).to_owned();
    let port = address.rsplit(':').next().unwrap();
    (child, format!("https://localhost:{port}"))
}

#[test]
fn a_service_that_is_killed_under_load_loses_no_answer() {
    let world = World::new();
    let policy = world.path("churn-project/stayward.toml");
    let text_of = std::fs::read_to_string(&policy).unwrap().replace("per_minute = 60", "per_minute = 6000");
    std::fs::write(&policy, text_of).unwrap();
    let run = world.stayward(&["run"]);
    assert!(run.status.success(), "{}", text(&run));
    assert!(world.stayward(&["login", "admin", "--credentials", "people.json"]).status.success());
    let made = world.stayward(&["api", "key", "create", "--app", "load", "--output", "json"]);
    assert!(made.status.success(), "{}", text(&made));
    let key = json(&made.stdout)["key"].as_str().unwrap().to_owned();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    for at in 0..KILLS {
        let (mut child, url) = serve(&world);
        let before = seen.lock().unwrap().len();
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> =
            (0..CALLERS).map(|caller| call(&world, (&url, &key, caller), Arc::clone(&seen), Arc::clone(&stop))).collect();
        let began = Instant::now();
        while seen.lock().unwrap().len() < before + 3 {
            assert!(began.elapsed() < PATIENCE, "the service gives no answers");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(at * 7));
        // SIGKILL: no handler runs, nothing is drained.
        child.kill().unwrap();
        child.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    }
    let log = world.stayward(&["evidence", "log", "--output", "json", "-n", "1000000"]);
    let entries: Vec<String> =
        json(&log.stdout).as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
    for id in seen.lock().unwrap().iter() {
        assert!(entries.contains(id), "the answer with evidence {id} was given and is not in the log");
    }
    let verified = world.stayward(&["evidence", "verify", "--replay"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}

/// Asks again and again; keeps the evidence ids of the answers that came.
fn call(
    world: &World,
    (url, key, caller): (&str, &str, usize),
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
) -> std::thread::JoinHandle<()> {
    let (folder, url, key) = (world.path(""), url.to_owned(), key.to_owned());
    std::thread::spawn(move || {
        let mut customer = caller + 1;
        while !stop.load(Ordering::Relaxed) {
            let asked = std::process::Command::new(program())
                .args(["predict", "--customer", &customer.to_string(), "--url", &url, "--output", "json"])
                .env("STAYWARD_API_KEY", &key)
                .env_remove("STAYWARD_PROJECT")
                .current_dir(&folder)
                .output()
                .unwrap();
            if asked.status.success() {
                seen.lock().unwrap().push(json(&asked.stdout)["evidence"].as_str().unwrap().to_owned());
            }
            customer = customer % 300 + CALLERS;
        }
    })
}
