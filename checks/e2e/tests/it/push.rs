//! A delivery over HTTPS (T1), by curl and the real service: taken from the feed's own supplier with the digest that was said, from
//! nobody else; and a run that proves from the log how it came.

use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{as_admin, check, deliver, json, with_feeds};
use crate::world::{World, text};

/// Ends the service with the test.
struct Up(std::process::Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(world: &World) -> (Up, String) {
    let mut command = world.command(&["serve", "--port", "0", "--client-certificates", "--output", "ndjson"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let up = Up(child);
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let port = said["address"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    (up, format!("https://localhost:{port}/v1/feeds"))
}

/// The header of RFC 9530.
fn digest(path: &Path) -> String {
    let sum = gate::Digest::of(&std::fs::read(path).unwrap());
    format!("Content-Digest: sha-256=:{}:", data_encoding::BASE64.encode(sum.as_bytes()))
}

/// Hands a file in; the status of the answer, and the answer.
fn put(world: &World, url: &str, file: &str, header: &str, machine: Option<&str>) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}", "--upload-file"]);
    curl.arg(world.path(file)).arg("--header").arg(header).arg("--cacert").arg(world.project().join("tls/ca.pem"));
    if let Some(machine) = machine {
        curl.arg("--cert").arg(world.path(machine).join("certificate.pem")).arg("--key").arg(world.path(machine).join("key.pem"));
    }
    let output = curl.arg(url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = said.rsplit_once('\n').unwrap_or_else(|| panic!("{}", text(&output)));
    (status.parse().unwrap_or_else(|_| panic!("{}", text(&output))), body.to_owned())
}

#[test]
fn a_supplier_hands_in_its_own_feed_and_nobody_else_does() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is missing");
        return;
    }
    let world = with_feeds(&["market"]);
    as_admin(&world, || {
        check(&world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 0);
        for name in ["acme", "mallory"] {
            let made = json(&world, &["component", "certificate", name, "--supplier", "--out", name], 0);
            for (member, file) in [("certificate", "certificate.pem"), ("key", "key.pem")] {
                std::fs::rename(world.path(made[member].as_str().unwrap()), world.path(name).join(file)).unwrap();
            }
        }
    });
    // A service needs a model, and a model the feed's first delivery, which people accept.
    deliver(&world, "history.csv", "0..100", ("market", "1"), &[]);
    check(&world, &["feed", "receive", "history.csv", "--feed", "market"], 6);
    check(&world, &["feed", "accept", "market"], 0);
    check(&world, &["run"], 0);
    deliver(&world, "week.csv", "101..101", ("market", "2"), &[]);
    let (up, url) = serve(&world);
    let (bundle, data) = (format!("{url}/market/week.csv.sigstore.json"), format!("{url}/market/week.csv"));
    let right = digest(&world.path("week.csv"));
    let of_bundle = digest(&world.path("week.csv.sigstore.json"));

    assert_eq!(put(&world, &data, "week.csv", &right, None).0, 401);
    assert_eq!(put(&world, &data, "week.csv", &right, Some("mallory")).0, 401);
    let wrong = put(&world, &data, "week.csv", &of_bundle, Some("acme"));
    assert!(wrong.0 == 400 && wrong.1.contains("arrival-digest"), "{wrong:?}");
    let without = put(&world, &data, "week.csv", "Accept: */*", Some("acme"));
    assert!(without.0 == 400 && without.1.contains("arrival-digest"), "{without:?}");
    assert!(!world.project().join("inbox-market/week.csv").exists());

    assert_eq!(put(&world, &bundle, "week.csv.sigstore.json", &of_bundle, Some("acme")).0, 201);
    let taken = put(&world, &data, "week.csv", &right, Some("acme"));
    assert_eq!(taken.0, 201, "{taken:?}");
    assert_eq!(put(&world, &data, "week.csv", &right, Some("acme")).0, 200);
    let other = put(&world, &data, "week.csv.sigstore.json", &of_bundle, Some("acme"));
    assert!(other.0 == 409 && other.1.contains("arrival-conflict"), "{other:?}");
    drop(up);

    check(&world, &["run", "--to", "data-validation"], 0);
    let sum = gate::Digest::of(&std::fs::read(world.path("week.csv")).unwrap()).short();
    let listed = json(&world, &["feed", "ls"], 0);
    let delivery = listed["deliveries"].as_array().unwrap().iter().find(|one| one["digest"] == sum.as_str()).unwrap();
    assert_eq!(delivery["outcome"], "cleared", "{listed}");
    let log = json(&world, &["evidence", "log", "-n", "100000"], 0).to_string();
    assert!(log.contains("feed-arrival-refused"), "{log}");
    check(&world, &["evidence", "verify", "--replay"], 0);
}
