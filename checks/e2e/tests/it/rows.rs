//! A feed of rows about customers, judged against a golden set (T1): unjudged without one, taken when honest, set aside, held or
//! refused when not; and files that are validated against trusted rows without any project.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::{as_admin, check, json};
use crate::world::World;

pub(crate) const FEED: &str =
    "\n[[feeds]]\nname = \"partner\"\nkind = \"rows\"\nsupplier = \"acme\"\ninbox = \"inbox-partner\"\njoin = \"customer_id\"\n";
pub(crate) const CONTRACT: &str = r#"
name = "partner"
decimal = "point"
missing_marks = [""]
duplicates = "group"

[[column]]
name = "customer_id"
role = "id"
kind = "text"
missing = "refused"
outsider = "immutable"

[[column]]
name = "day"
role = "time"
kind = "time"
format = "%Y-%m-%d"
missing = "refused"
outsider = "immutable"

[[column]]
name = "visits"
role = "feature"
kind = "number"
integer = true
min = 0.0
max = 1000.0
missing = "refused"
outsider = "immutable"

[[column]]
name = "spend"
role = "feature"
kind = "number"
integer = false
min = 0.0
max = 100000.0
missing = "refused"
outsider = "immutable"

[[column]]
name = "channel"
role = "feature"
kind = "category"
levels = ["app", "shop", "web"]
missing = "refused"
outsider = "immutable"
"#;

/// Numbers from 0 to 1, always the same (Lehmer's generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 as f64 / 2_147_483_647.0
    }

    /// About normal.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

/// Honest rows: who visits more spends more, and who uses the app visits more.
pub(crate) fn rows(first: u64, count: u64, seed: u64) -> Vec<[String; 5]> {
    let mut dice = Dice(seed);
    (first..first + count)
        .map(|id| {
            let channel = ["app", "shop", "web"][(dice.roll() * 3.0) as usize];
            let usual = if channel == "app" { 60.0 } else { 30.0 };
            let visits = (usual * (0.4 * dice.bell()).exp()).round().min(900.0);
            let spend = visits * 12.5 * (0.08 * dice.bell()).exp();
            [id.to_string(), format!("2026-09-{seed:02}"), visits.to_string(), format!("{spend:.2}"), channel.to_owned()]
        })
        .collect()
}

pub(crate) fn csv(rows: &[[String; 5]]) -> String {
    let mut out = "customer_id,day,visits,spend,channel\n".to_owned();
    rows.iter().for_each(|row| writeln!(out, "{}", row.join(",")).unwrap());
    out
}

/// Every tenth row spends what another does: each value is ordinary, the rows are not.
fn disguised(first: u64, count: u64, seed: u64) -> Vec<[String; 5]> {
    let mut all = rows(first, count, seed);
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|left, right| all[*left][2].parse::<f64>().unwrap().total_cmp(&all[*right][2].parse::<f64>().unwrap()));
    for pair in 0..all.len() / 20 {
        let (low, high) = (order[pair], order[order.len() - 1 - pair]);
        let spend = all[low][3].clone();
        all[low][3] = std::mem::replace(&mut all[high][3], spend);
    }
    all
}

fn project() -> World {
    let world = World::new();
    let policy = world.project().join("stayward.toml");
    std::fs::create_dir(world.project().join("feeds")).unwrap();
    std::fs::write(&policy, std::fs::read_to_string(&policy).unwrap() + FEED).unwrap();
    std::fs::write(world.project().join("feeds/partner.contract.toml"), CONTRACT).unwrap();
    let made = json(&world, &["feed", "keygen", "--out", "k.pem"], 0);
    std::fs::write(world.path("k.pub.pem"), made["public_key"].as_str().unwrap()).unwrap();
    as_admin(&world, || check(&world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 0));
    world
}

/// Signs and hands in a delivery; its outcome.
pub(crate) fn receive(world: &World, (file, text): (&str, &str), number: u32, code: i32) -> Value {
    std::fs::write(world.path(file), text).unwrap();
    let number = number.to_string();
    let sign = ["feed", "sign", file, "--feed", "partner", "--supplier", "acme", "--key", "k.pem", "--sequence", &number];
    check(world, &sign, 0);
    json(world, &["feed", "receive", file, "--feed", "partner"], code)
}

#[test]
fn rows_of_a_third_party_are_judged_against_the_golden_set() {
    let world = project();
    // Nothing judges the first: people would have to.
    let held = receive(&world, ("first.csv", &csv(&rows(1, 700, 11))), 1, 6);
    assert_eq!(held["delivery"]["outcome"], "held");
    std::fs::write(world.path("golden.csv"), csv(&rows(10_000, 2_000, 5))).unwrap();
    std::fs::write(world.path("bad.csv"), csv(&rows(10_000, 2_000, 5)).replace(",web", ",fax")).unwrap();
    check(&world, &["feed", "golden", "partner", "bad.csv"], 2);
    let golden = json(&world, &["feed", "golden", "partner", "golden.csv"], 0);
    assert_eq!(golden["trusted_rows"], 2_000);

    let honest = receive(&world, ("honest.csv", &csv(&rows(1, 700, 12))), 2, 0);
    assert_eq!(honest["delivery"]["outcome"], "cleared", "{honest}");
    let poisoned = csv(&disguised(1, 700, 13));
    let stopped = receive(&world, ("poisoned.csv", &poisoned), 3, 6);
    assert_eq!(stopped["delivery"]["outcome"], "held", "{stopped}");
    // The same rows again, under a new number: history knows them.
    let mut again = rows(1, 700, 12);
    again.reverse();
    let replayed = receive(&world, ("again.csv", &csv(&again)), 4, 1);
    assert_ne!(replayed["delivery"]["outcome"], "cleared", "{replayed}");

    // Accepted rows become features of customers, and say where they came from.
    json(&world, &["run", "--to", "data-source"], 0);
    let blame = json(&world, &["source", "blame", "7"], 0);
    let feature = blame["features"].as_array().unwrap().iter().find(|feature| feature["feature"] == "spend").unwrap();
    assert!(feature["version"]["origin"].as_str().unwrap().contains("delivery number 2"), "{blame}");
    check(&world, &["evidence", "verify", "--replay"], 0);
}

#[test]
fn files_are_validated_against_trusted_rows_without_a_project() {
    let world = World::new();
    let folder = world.path("bare");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in [
        ("golden.csv", csv(&rows(10_000, 2_000, 5))),
        ("honest.csv", csv(&rows(1, 800, 21))),
        ("poisoned.csv", csv(&disguised(1, 800, 22))),
        ("cents.csv", csv(&rows(1, 800, 23)).lines().map(|line| line.replace('.', "")).collect::<Vec<_>>().join("\n")),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let run = |files: &[&str], more: &[&str]| {
        let arguments = [&["validate", "--history", "golden.csv"][..], files, more].concat();
        world.command(&arguments).current_dir(&folder).output().unwrap()
    };
    let judged = |file: &str| {
        let output = run(&[file], &["--output", "json"]);
        let found: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", crate::world::text(&output)));
        (found["advice"].as_str().unwrap().to_owned(), found, output.status.code())
    };
    let (advice, found, code) = judged("honest.csv");
    assert_eq!((advice.as_str(), code), ("pass", Some(0)), "{found}");
    let (advice, found, code) = judged("poisoned.csv");
    assert_eq!((advice.as_str(), code), ("hold", Some(6)), "{}", found["screened"]["tests"]);
    assert!(found["screened"]["rows_flagged"].as_u64().unwrap() > 5, "{}", found["screened"]["rows_flagged"]);
    let (advice, found, _) = judged("cents.csv");
    assert_ne!(advice, "pass", "{found}");

    let page = String::from_utf8(run(&["honest.csv", "poisoned.csv"], &["--format", "html"]).stdout).unwrap();
    assert!(page.matches("<svg").count() == 4 && page.contains("HOLD"), "{page}");
    let sarif: Value = serde_json::from_slice(&run(&["poisoned.csv"], &["--format", "sarif"]).stdout).unwrap();
    assert!(sarif["runs"][0]["results"].as_array().unwrap().len() > 5);
}
