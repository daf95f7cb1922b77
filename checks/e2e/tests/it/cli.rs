//! The commands of supplier, steward, admin and auditor, with the exit codes that `--help` documents (T1, T4, T6).

use std::io::Write;
use std::process::{Output, Stdio};

use gate::Digest;
use pipeline::desk::now;
use pipeline::setup::{Account, code_of};
use serde_json::Value;
use store::control::{Acceptance, Control};

use crate::world::{World, text};

/// Runs a command that must end with this code; what it printed.
pub(crate) fn check(world: &World, arguments: &[&str], code: i32) -> Output {
    let output = world.stayward(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    output
}

pub(crate) fn json(world: &World, arguments: &[&str], code: i32) -> Value {
    let output = check(world, &[arguments, &["--output", "json"]].concat(), code);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output)))
}

pub(crate) fn admin(world: &World) {
    check(world, &["login", "admin", "--credentials", "people.json"], 0);
}

#[test]
fn a_supplier_signs_and_anyone_checks_without_a_project() {
    let world = World::new();
    std::fs::write(world.path("prices.csv"), "a,b\n1,2\n").unwrap();
    let made = json(&world, &["feed", "keygen", "--out", "k.pem"], 0);
    std::fs::write(world.path("k.pub.pem"), made["public_key"].as_str().unwrap()).unwrap();
    check(&world, &["feed", "keygen", "--out", "k.pem"], 2);
    let sign = ["feed", "sign", "prices.csv", "--feed", "market", "--supplier", "acme", "--sequence", "7", "--key", "k.pem"];
    check(&world, &sign, 0);
    let verify = ["feed", "verify", "prices.csv", "--key", "k.pub.pem"];
    assert_eq!(json(&world, &verify, 0)["claim"]["sequence"], 7);
    std::fs::write(world.path("prices.csv"), "a,b\n1,3\n").unwrap();
    check(&world, &verify, 5);
}

const FEED: &str =
    "\n[[feeds]]\nname = \"market\"\nsupplier = \"acme\"\ninbox = \"inbox\"\njoin = \"region\"\nfeature = \"rival_price\"\n";

/// Leaves the session of an admin whose second factor was given an hour ago: longer than actions that need a fresh one allow.
fn stale_session(world: &World) {
    let people: Value = serde_json::from_slice(&std::fs::read(world.path("people.json")).unwrap()).unwrap();
    let (name, password) = (people[1]["name"].as_str().unwrap(), people[1]["password"].as_str().unwrap());
    let code = people[1]["recovery_codes"][7].as_str().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let office = pipeline::Office::open(&world.project()).await.unwrap();
        let session = office.identity.verify_password_and_code(name, password, code, now() - 3600).await.unwrap();
        office.keep_session(&session).unwrap();
    });
}

#[test]
fn a_stale_second_factor_is_confirmed_by_a_code_that_works_once() {
    let world = World::new();
    admin(&world);
    let create = ["api", "key", "create", "--app", "crm"];
    check(&world, &create, 0);
    stale_session(&world);
    for refused in
        [&create[..], &["user", "add", "x", "--roles", "trainer"], &["vault", "rotate", "evidence-p256"], &["user", "recovery"]]
    {
        let refused = check(&world, refused, 4);
        assert!(text(&refused).contains("`stayward login --again`"), "{}", text(&refused));
    }
    check(&world, &["login", "--again", "--code", "000000"], 4);
    let people: Value = serde_json::from_slice(&std::fs::read(world.path("people.json")).unwrap()).unwrap();
    let code = people[1]["recovery_codes"][0].as_str().unwrap();
    check(&world, &["login", "--again", "--code", code], 0);
    check(&world, &create, 0);
    check(&world, &["login", "--again", "--code", code], 4);
    let renewed = json(&world, &["user", "recovery"], 0);
    assert_eq!(renewed["recovery_codes"].as_array().unwrap().len(), 8);
    let other = people[1]["recovery_codes"][1].as_str().unwrap();
    check(&world, &["login", "--again", "--code", other], 4);
    check(&world, &["login", "--again", "--code", renewed["recovery_codes"][0].as_str().unwrap()], 0);
}

/// The contract of a feed of market prices.
fn feed_contract(name: &str) -> String {
    let column = |name: &str, rule: &str| {
        format!("[[column]]\nname = \"{name}\"\n{rule}\nmissing = \"refused\"\noutsider = \"immutable\"\n\n")
    };
    let levels = |all: &[&str]| format!("role = \"feature\"\nkind = \"category\"\nlevels = {all:?}");
    let number = |integer: bool, min: f64, max: f64| {
        format!("role = \"feature\"\nkind = \"number\"\ninteger = {integer}\nmin = {min}\nmax = {max}")
    };
    let regions: Vec<&str> = (0..12).map(generate::region_name).collect();
    [
        format!("name = {name:?}\ndecimal = \"point\"\nmissing_marks = [\"\"]\nduplicates = \"group\"\n\n"),
        column("week_start", "role = \"time\"\nkind = \"time\"\nformat = \"%Y-%m-%d\""),
        column("region", &levels(&regions)),
        column("competitor", &levels(&["c1", "c2", "c3", "c4", "c5", "c6"])),
        column("price", &number(false, 10.0, 200.0)),
        column("promo", &number(true, 0.0, 1.0)),
        column("est_share", &number(false, 0.0, 1.0)),
    ]
    .concat()
}

/// A project with feeds, all of one supplier, whose key is there but trusted by nobody yet.
pub(crate) fn with_feeds(names: &[&str]) -> World {
    let world = World::new();
    let policy = world.project().join("stayward.toml");
    std::fs::create_dir(world.project().join("feeds")).unwrap();
    for name in names {
        let feed = FEED
            .replace("market", name)
            .replace("rival_price", &format!("{name}_price"))
            .replace("\"inbox\"", &format!("\"inbox-{name}\""));
        std::fs::write(&policy, std::fs::read_to_string(&policy).unwrap() + &feed).unwrap();
        std::fs::write(world.project().join(format!("feeds/{name}.contract.toml")), feed_contract(name)).unwrap();
    }
    let made = json(&world, &["feed", "keygen", "--out", "k.pem"], 0);
    std::fs::write(world.path("k.pub.pem"), made["public_key"].as_str().unwrap()).unwrap();
    world
}

/// Seconds for which a one-time code is the current one; the code of the next such time is taken too.
const CODE_SECONDS: i64 = 30;

/// Lets the admin do something, then logs the owner in again. A code is taken once, and the owner's was for the first session, so
/// it is the next one; to put the vault of that session back would be a rollback, and refused.
pub(crate) fn as_admin<T>(world: &World, done: impl FnOnce() -> T) -> T {
    admin(world);
    let result = done();
    let people = std::fs::read_to_string(world.path("people.json")).unwrap();
    let people: Vec<Account> = serde_json::from_str(&people).unwrap();
    let owner = people.iter().find(|account| account.name == "owner").unwrap();
    let code = code_of(owner, now() + CODE_SECONDS).unwrap();
    let mut login = world.command(&["login", "owner", "--code", &code]);
    let mut login = login.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    login.stdin.take().unwrap().write_all(format!("{}\n", owner.password).as_bytes()).unwrap();
    let login = login.wait_with_output().unwrap();
    assert!(login.status.success(), "{}", text(&login));
    result
}

/// A signed delivery of some weeks.
pub(crate) fn deliver(world: &World, file: &str, weeks: &str, (feed, sequence): (&str, &str), more: &[&str]) {
    let what = ["generate", "--table", "market", "--weeks", weeks, "--out", file, "--sign", "k.pem", "--supplier", "acme"];
    check(world, &[&what[..], &["--feed", feed, "--sequence", sequence], more].concat(), 0);
}

#[test]
fn deliveries_are_held_accepted_and_refused_and_the_honest_one_is_not_kept_out() {
    let world = with_feeds(&["market"]);
    deliver(&world, "history.csv", "0..100", ("market", "1"), &[]);
    deliver(&world, "next.csv", "101..101", ("market", "1"), &[]);
    let receive = |file: &str, code: i32| json(&world, &["feed", "receive", file, "--feed", "market"], code);
    let outcome = |value: &Value| value["delivery"]["outcome"].as_str().unwrap().to_owned();

    // Nobody trusts the key yet.
    assert_eq!(outcome(&receive("history.csv", 1)), "refused");
    check(&world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 4);
    let key = as_admin(&world, || {
        let key = json(&world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 0)["id"].as_str().unwrap().to_owned();
        check(&world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 2);
        check(&world, &["feed", "accept", "market"], 4);
        key
    });

    // The supplier signs again: refused bytes under another signature are judged again. No history judges the first, so people do.
    deliver(&world, "history.csv", "0..100", ("market", "1"), &[]);
    assert_eq!(outcome(&receive("history.csv", 6)), "held");
    check(&world, &["feed", "accept", "market", "ffff"], 2);
    check(&world, &["feed", "accept", "market"], 0);
    check(&world, &["feed", "accept", "market"], 2);

    // The number was used; then it is not, and the same bytes come through.
    assert_eq!(outcome(&receive("next.csv", 1)), "refused");
    deliver(&world, "next.csv", "101..101", ("market", "2"), &[]);
    assert_eq!(outcome(&receive("next.csv", 0)), "cleared");
    deliver(&world, "poisoned.csv", "102..102", ("market", "3"), &["--poison", "understate", "--poison-share", "0.3"]);
    assert_eq!(outcome(&receive("poisoned.csv", 1)), "refused");
    let listed = json(&world, &["feed", "ls"], 0);
    assert_eq!(listed["keys"][0]["id"], key.as_str());
    check(&world, &["evidence", "verify", "--replay"], 0);
}

#[test]
fn an_acceptance_lets_no_other_delivery_in_and_not_into_another_feed() {
    let world = with_feeds(&["market", "prices"]);
    as_admin(&world, || check(&world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 0));
    let hold = |file: &str, weeks: &str, feed: &str| {
        deliver(&world, file, weeks, (feed, "1"), &[]);
        check(&world, &["feed", "receive", file, "--feed", feed], 6);
        Digest::of(&std::fs::read(world.path(file)).unwrap())
    };
    let other = hold("other.csv", "0..60", "market");
    let elsewhere = hold("elsewhere.csv", "0..100", "prices");
    let accepted = hold("history.csv", "0..100", "market");
    assert_eq!(accepted, elsewhere);
    check(&world, &["feed", "accept", "market", &accepted.hex()], 0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let control = runtime.block_on(Control::open(&world.project().join("control.db"))).unwrap();
    let honest = runtime.block_on(control.acceptances("market", &accepted)).unwrap().remove(0);
    for (feed, content, file, why) in
        [("prices", elsewhere, "elsewhere.csv", "another delivery"), ("market", other, "other.csv", "no acceptance of")]
    {
        let forged = Acceptance { feed: feed.to_owned(), content, ..honest.clone() };
        runtime.block_on(control.accept_delivery(&forged)).unwrap();
        let refused = check(&world, &["feed", "receive", file, "--feed", feed], 5);
        assert!(text(&refused).contains(why), "{}", text(&refused));
    }
}

#[test]
fn a_file_is_validated_row_by_row() {
    let world = World::new();
    check(&world, &["validate", "customers.csv"], 0);
    let bytes = std::fs::read_to_string(world.path("customers.csv")).unwrap();
    let mut lines: Vec<String> = bytes.lines().map(str::to_owned).collect();
    lines[3] = lines[3].rsplit_once(',').map(|(row, _)| format!("{row},perhaps")).unwrap();
    std::fs::write(world.path("bad.csv"), lines.join("\n")).unwrap();
    let found = json(&world, &["validate", "bad.csv"], 1);
    assert_eq!((found["rows_broken"].as_u64(), found["violations"][0]["line"].as_u64()), (Some(1), Some(4)), "{found}");
    let sarif = check(&world, &["validate", "bad.csv", "--format", "sarif"], 1);
    let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"], 4);
    let page = check(&world, &["validate", "bad.csv", "--format", "html"], 1);
    assert!(page.stdout.starts_with(b"<!doctype html>"));
    check(&world, &["validate", "no-such.csv"], 2);
}

#[test]
fn only_an_admin_manages_keys_and_the_signing_keys_rotate_without_losing_evidence() {
    let world = World::new();
    check(&world, &["run"], 0);
    let create = ["api", "key", "create", "--app", "crm", "--right", "what-if"];
    let refused = check(&world, &create, 4);
    assert!(text(&refused).contains("stayward login admin"), "{}", text(&refused));
    check(&world, &["vault", "rotate", "evidence-p256"], 4);
    admin(&world);
    let id = json(&world, &create, 0)["id"].as_str().unwrap().to_owned();
    let next = json(&world, &["api", "key", "rotate", &id], 0);
    assert_eq!(next["replaces"], id.as_str());
    check(&world, &["api", "key", "revoke", &id], 0);
    check(&world, &["api", "key", "revoke", &id], 2);
    let keys = json(&world, &["api", "key", "ls"], 0);
    let state = |id: &str| keys.as_array().unwrap().iter().find(|key| key["id"] == id).unwrap()["state"].clone();
    assert_eq!((state(&id), state(next["id"].as_str().unwrap())), ("revoked".into(), "valid".into()));

    let before = std::fs::read(world.project().join("evidence/checkpoint-key.vkey")).unwrap();
    for key in ["evidence-p256", "checkpoint-ed25519", "evidence-p256"] {
        check(&world, &["vault", "rotate", key], 0);
    }
    check(&world, &["vault", "rotate", "session"], 2);
    // Everything that the earlier keys signed still holds, and so does a statement of each of them.
    check(&world, &["evidence", "verify", "--replay"], 0);
    check(&world, &["model", "verify"], 0);
    check(&world, &["doctor"], 0);
    // The old checkpoint key alone opens the log no more: its heads were signed anew.
    std::fs::write(world.project().join("evidence/checkpoint-key.vkey"), before).unwrap();
    check(&world, &["evidence", "verify"], 5);
    check(&world, &["logout"], 0);
    check(&world, &create, 4);
}

#[test]
fn a_model_goes_out_if_its_signature_holds_and_is_explained_to_people_only() {
    let world = World::new();
    check(&world, &["run"], 0);
    let file = world.project().join("model.onnx");
    let exported = json(&world, &["model", "export", "--out", file.to_str().unwrap()], 0);
    assert_eq!(exported["bytes"].as_u64(), Some(std::fs::metadata(&file).unwrap().len()));
    for format in ["xgboost", "xgboost-ubj", "xgboost-forest", "libsvm"] {
        assert!(!check(&world, &["model", "export", "--format", format], 0).stdout.is_empty());
    }
    let explained = json(&world, &["model", "explain"], 0);
    assert!(explained["columns"][0]["drop"].as_f64() > Some(0.0), "{explained}");
    check(&world, &["model", "explain", "--customer", "nobody"], 2);
    // Another byte in a file: nothing goes out.
    let folder = world.project().join("models").join(explained["model"].as_str().unwrap());
    let mut booster = std::fs::read(folder.join("booster.json")).unwrap();
    booster.push(b' ');
    std::fs::write(folder.join("booster.json"), booster).unwrap();
    check(&world, &["model", "export", "--out", file.to_str().unwrap()], 5);
    check(&world, &["model", "explain"], 5);
    check(&world, &["logout"], 0);
    check(&world, &["model", "explain"], 4);
}

#[test]
fn settings_are_searched_on_record_and_nothing_is_changed() {
    let world = World::new();
    check(&world, &["model", "search"], 2);
    check(&world, &["run"], 0);
    let policy = || std::fs::read_to_string(world.project().join("stayward.toml")).unwrap();
    let (before, file) = (policy(), world.path("train.toml"));
    let search = ["model", "search", "--trials", "3", "--rungs", "2", "--out", file.to_str().unwrap()];
    let found = json(&world, &search, 0);
    let trials = found["searched"]["trials"].as_array().unwrap();
    assert!((4..=5).contains(&trials.len()) && trials[0]["trial"] == 0 && trials[0]["scores"].as_array().unwrap().len() == 5);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), found["snippet"].as_str().unwrap());
    assert!(found["snippet"].as_str().unwrap().starts_with("[train]"));
    assert_eq!(json(&world, &search, 0)["digest"], found["digest"], "the same search has the same record");
    assert_eq!(policy(), before);
    check(&world, &["model", "search", "--trials", "0"], 2);
    check(&world, &["logout"], 0);
    check(&world, &["model", "search"], 4);
}

#[test]
fn labels_segments_and_controls_are_shown() {
    let world = World::new();
    check(&world, &["label", "review"], 2);
    check(&world, &["run"], 0);
    let labels = json(&world, &["label", "ls"], 0);
    assert_eq!((labels[0]["version"].as_u64(), labels[0]["signed_by"][0].as_str()), (Some(1), Some("owner")));
    let review = json(&world, &["label", "review", "--number", "3"], 0);
    let against: Vec<f64> = review["suspects"].as_array().unwrap().iter().map(|one| one["wrong"].as_f64().unwrap()).collect();
    assert!(against.len() == 3 && against.is_sorted_by(|left, right| left >= right), "{against:?}");
    check(&world, &["label", "approve"], 2);
    check(&world, &["segment"], 0);
    check(&world, &["train"], 0);
    let controls = json(&world, &["controls"], 0);
    let controls = controls.as_array().unwrap();
    assert_eq!(controls.len(), 36);
    let kept = |clause: &str| controls.iter().find(|one| one["clause"] == clause).unwrap()["kept"].clone();
    assert_eq!(kept("sign-off"), "weak");
    assert_ne!(kept("signed-feeds"), "weak");
}

#[test]
fn generated_tables_are_the_same_for_the_same_seed_and_named_by_a_manifest() {
    let world = World::new();
    let one = json(&world, &["generate", "--table", "snapshot", "--customers", "300", "--out", "one.csv"], 0);
    let two = json(&world, &["generate", "--table", "snapshot", "--customers", "300", "--out", "two.csv"], 0);
    let other = json(&world, &["generate", "--table", "snapshot", "--customers", "300", "--seed", "2", "--out", "other.csv"], 0);
    assert_eq!(one["sha256"], two["sha256"]);
    assert_ne!(one["sha256"], other["sha256"]);
    check(&world, &["generate", "--all", "all", "--customers", "300", "--format", "parquet"], 0);
    let manifest: Value = serde_json::from_slice(&std::fs::read(world.path("all/manifest.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len(), 6);
    for file in files {
        let bytes = std::fs::read(world.path("all").join(file["file"].as_str().unwrap())).unwrap();
        assert_eq!(gate::Digest::of(&bytes).hex(), file["sha256"].as_str().unwrap());
    }
    let poisoned =
        json(&world, &["generate", "--table", "market", "--weeks", "10..40", "--poison", "understate", "--out", "p.csv"], 0);
    assert!(poisoned["hostile"].as_u64().unwrap() > 0);
    check(&world, &["generate", "--table", "labels", "--poison", "understate"], 2);
}

#[test]
fn what_was_decided_is_told_and_a_changed_model_is_seen() {
    let world = World::new();
    let ran = json(&world, &["run"], 0);
    let trained = ran["steps"].as_array().unwrap().iter().find(|step| step["step"] == "s05-training").unwrap();
    let short = &trained["evidence"].as_str().unwrap()[..8];
    let shown = text(&check(&world, &["evidence", "show", short], 0));
    assert!(shown.contains("s05-training: cleared") && shown.contains("model-lineage") && shown.contains("rests on"), "{shown}");
    assert!(json(&world, &["evidence", "show", short], 0)["dsseEnvelope"].is_object());
    let models = json(&world, &["model", "ls"], 0);
    assert_eq!((models[0]["deployed"].as_bool(), models[0]["state"].as_str()), (Some(true), Some("released")), "{models}");
    assert!(models[0]["auc"].as_f64().unwrap() > 0.5);
    check(&world, &["doctor"], 0);
    check(&world, &["rollback"], 2);
    check(&world, &["rollback", "deadbeef"], 2);
    let proposed = text(&check(&world, &["label", "propose"], 0));
    assert!(proposed.contains("approved already, as version 1"), "{proposed}");
    assert_eq!(json(&world, &["status"], 0)["runs"][0]["state"], "done");

    let model = models[0]["model"].as_str().unwrap();
    let report = world.project().join("models").join(model).join("report.json");
    let mut bytes = std::fs::read(&report).unwrap();
    bytes.push(b' ');
    std::fs::write(&report, bytes).unwrap();
    let doctor = text(&check(&world, &["doctor"], 1));
    assert!(doctor.contains("PROBLEM  deployed model") && doctor.contains("report.json"), "{doctor}");
    check(&world, &["model", "show"], 5);
    assert!(json(&world, &["model", "ls"], 0)[0]["auc"].is_null());
}

/// The second of the day at which the session ends.
fn ends(world: &World) -> i64 {
    let doctor = json(world, &["doctor"], 0);
    let session = doctor.as_array().unwrap().iter().find(|check| check["check"] == "session").unwrap();
    let time = session["seen"].as_str().unwrap().rsplit_once('T').unwrap().1.trim_end_matches('Z').to_owned();
    time.split(':').fold(0, |seconds, part| seconds * 60 + part.parse::<i64>().unwrap())
}

#[test]
fn a_login_lasts_as_long_as_the_policy_says() {
    let world = World::new();
    let longer = ends(&world);
    let policy = world.project().join("stayward.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("session_hours = 8", "session_hours = 1")).unwrap();
    let shorter = ends(&world);
    assert_eq!((longer - shorter).rem_euclid(86_400), 7 * 3_600);
}

#[test]
fn a_service_that_is_not_there_is_no_answer() {
    let world = World::new();
    check(&world, &["predict", "--customer", "1", "--key", "swk_x"], 2);
    check(&world, &["predict", "--customer", "1"], 2);
    let doctor = world.command(&["doctor", "--project", "nowhere"]).output().unwrap();
    assert_eq!(doctor.status.code(), Some(1), "{}", text(&doctor));
}
