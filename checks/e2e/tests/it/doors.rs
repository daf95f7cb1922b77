//! Every way in which a delivery can be wrong at the door, through the program (T1): each is refused by its own rule with its own words,
//! the verdict is signed and in the log, and the file stays where it is.

use std::path::PathBuf;

use gate::Digest;
use pipeline::Office;
use pipeline::desk::now;
use pipeline::feed::{SupplierSigner, claim};
use serde_json::Value;

use crate::cli::{as_admin, check, json, with_feeds};
use crate::world::{World, text};

/// Largest delivery that the feed takes.
const SIZE_MAX: usize = 500_000;
/// Number of the delivery that was accepted.
const ACCEPTED: u64 = 5;
/// Longer than the validity of the key that is over.
const OVER: std::time::Duration = std::time::Duration::from_secs(2);

/// The keys that sign.
struct Keys {
    acme: SupplierSigner,
    over: SupplierSigner,
    revoked: SupplierSigner,
    mallory: SupplierSigner,
    stranger: SupplierSigner,
}

fn file_of(world: &World, name: &str) -> PathBuf {
    world.project().join("inbox-market").join(name)
}

/// Registers the keys as an admin does; the one that is over counted for a second.
fn keys(world: &World) -> Keys {
    let made = || SupplierSigner::generate().unwrap().0;
    let acme = SupplierSigner::from_pem(&std::fs::read_to_string(world.path("k.pem")).unwrap()).unwrap();
    let keys = Keys { acme, over: made(), revoked: made(), mallory: made(), stranger: made() };
    as_admin(world, || {
        check(world, &["feed", "trust", "k.pub.pem", "--supplier", "acme"], 0);
        for (key, supplier, file) in [(&keys.revoked, "acme", "revoked.pem"), (&keys.mallory, "mallory", "mallory.pem")] {
            std::fs::write(world.path(file), key.public_pem()).unwrap();
            let id = json(world, &["feed", "trust", file, "--supplier", supplier], 0)["id"].as_str().unwrap().to_owned();
            if supplier == "acme" {
                check(world, &["feed", "revoke", &id], 0);
            }
        }
        // Days are the least that the command takes.
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let office = Office::open(&world.project()).await.unwrap();
            let (at, pem) = (now(), keys.over.public_pem());
            office.identity.add_supplier_key("acme", &pem, at - 10, at + 1, at).await.unwrap();
            office.put_on_record().await.unwrap();
        });
    });
    std::thread::sleep(OVER);
    keys
}

/// Puts a delivery into the inbox: the bytes, and what signs them.
fn put(world: &World, name: &str, bytes: &[u8], bundle: Option<Vec<u8>>) {
    if let Some(bundle) = bundle {
        std::fs::write(file_of(world, &format!("{name}.sigstore.json")), bundle).unwrap();
    }
    std::fs::write(file_of(world, name), bytes).unwrap();
}

/// The deliveries, each with one fault; the names sort as they are judged.
fn faults(world: &World, keys: &Keys) -> Vec<(String, Vec<u8>)> {
    let bytes = |case: &str| format!("week_start,region,competitor,price,promo,est_share\n{case}\n").into_bytes();
    let next = || claim("market", "acme", ACCEPTED + 1, 14);
    let sign = |signer: &SupplierSigner, bytes: &[u8], claim| signer.sign("delivery.csv", bytes, &claim).unwrap();
    let mut all = Vec::new();
    let mut add = |case: &str, bytes: Vec<u8>, bundle: Option<Vec<u8>>| {
        put(world, &format!("{case}.csv"), &bytes, bundle);
        all.push((case.to_owned(), bytes));
    };
    // The twin of all others, but for its number: the same form, signed by the same hand.
    let mut replay = next();
    replay.sequence = ACCEPTED;
    add("a-replayed", bytes("replay"), Some(sign(&keys.acme, &bytes("replay"), replay)));
    let mut older = next();
    older.sequence = ACCEPTED - 2;
    add("b-out-of-sequence", bytes("older"), Some(sign(&keys.acme, &bytes("older"), older)));
    add("c-unsigned", bytes("unsigned"), None);
    add("d-signed-for-other-bytes", bytes("changed"), Some(sign(&keys.acme, &bytes("honest"), next())));
    let broken = String::from_utf8(sign(&keys.acme, &bytes("broken"), next())).unwrap();
    let other = String::from_utf8(sign(&keys.acme, &bytes("another"), next())).unwrap();
    let signature = |bundle: &str| {
        let bundle: Value = serde_json::from_str(bundle).unwrap();
        bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap().to_owned()
    };
    let broken = broken.replace(&signature(&broken), &signature(&other));
    add("e-wrongly-signed", bytes("broken"), Some(broken.into_bytes()));
    add("f-signed-by-a-stranger", bytes("stranger"), Some(sign(&keys.stranger, &bytes("stranger"), next())));
    add("g-key-over", bytes("over"), Some(sign(&keys.over, &bytes("over"), next())));
    add("h-key-revoked", bytes("revoked"), Some(sign(&keys.revoked, &bytes("revoked"), next())));
    add("i-other-suppliers-key", bytes("mallory"), Some(sign(&keys.mallory, &bytes("mallory"), next())));
    let whole = bytes("a longer line that does not come to its end");
    let cut = whole[..whole.len() - 9].to_vec();
    add("j-truncated", cut, Some(sign(&keys.acme, &whole, next())));
    let large = vec![b'1'; SIZE_MAX + 1];
    add("k-oversized", large.clone(), Some(sign(&keys.acme, &large, next())));
    add("l-empty", Vec::new(), Some(sign(&keys.acme, b"", next())));
    let mut past = next();
    (past.created, past.expires) = (past.created - 900, past.created - 1);
    add("m-expired", bytes("expired"), Some(sign(&keys.acme, &bytes("expired"), past)));
    let mut future = next();
    future.created += 86_400;
    add("n-from-the-future", bytes("future"), Some(sign(&keys.acme, &bytes("future"), future)));
    let mut elsewhere = next();
    elsewhere.feed = "weather".to_owned();
    add("o-for-another-feed", bytes("weather"), Some(sign(&keys.acme, &bytes("weather"), elsewhere)));
    add("p-no-bundle", bytes("garbage"), Some(b"{}".to_vec()));
    all
}

/// The gate that refused in an entry, and its words; digests and names of keys are left out.
fn refusal(world: &World, id: &str) -> (String, String) {
    let statement = json(world, &["evidence", "show", id, "--statement"], 0);
    let rulings = find(&statement, "rulings").unwrap_or_else(|| panic!("{statement}"));
    let gates = rulings[0]["gates"].as_array().unwrap();
    let refused = gates.last().unwrap();
    let why = find(refused, "why").unwrap_or_else(|| panic!("{refused}"));
    let words = why.as_str().unwrap().split('`').map(|part| {
        let hex = part.len() >= 6 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex { "#" } else { part }
    });
    let gate = find(refused, "gate").unwrap().as_str().unwrap().to_owned();
    (gate, words.collect::<Vec<_>>().join("`"))
}

/// The first member of this name, however deep.
fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name).or_else(|| members.values().find_map(|member| find(member, name))),
        Value::Array(elements) => elements.iter().find_map(|element| find(element, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[test]
fn each_wrong_delivery_is_refused_by_its_own_rule_and_that_is_evidence() {
    let world = with_feeds(&["market"]);
    let policy = world.project().join("stayward.toml");
    let limited = std::fs::read_to_string(&policy).unwrap() + &format!("size_max_bytes = {SIZE_MAX}\n");
    std::fs::write(&policy, limited).unwrap();
    let keys = keys(&world);
    // One that is taken: of what follows nothing else is wrong than what the case says.
    let history =
        ["generate", "--table", "market", "--weeks", "0..60", "--out", "history.csv", "--sign", "k.pem", "--supplier", "acme"];
    check(&world, &[&history[..], &["--feed", "market", "--sequence", &ACCEPTED.to_string()]].concat(), 0);
    check(&world, &["feed", "receive", "history.csv", "--feed", "market"], 6);
    check(&world, &["feed", "accept", "market"], 0);

    let faults = faults(&world, &keys);
    let last = file_of(&world, "p-no-bundle.csv");
    std::fs::copy(&last, world.path("p-no-bundle.csv")).unwrap();
    std::fs::copy(last.with_extension("csv.sigstore.json"), world.path("p-no-bundle.csv.sigstore.json")).unwrap();
    let judged = world.stayward(&["feed", "receive", "p-no-bundle.csv", "--feed", "market"]);
    assert_eq!(judged.status.code(), Some(1), "{}", text(&judged));

    let listed = json(&world, &["feed", "ls"], 0);
    let deliveries = listed["deliveries"].as_array().unwrap();
    let log = json(&world, &["evidence", "log", "-n", "100000"], 0).to_string();
    let mut table = String::new();
    for (case, bytes) in &faults {
        // Of one that is too large no more is read than shows that it is.
        let digest = Digest::of(bytes).short();
        let of_case: Vec<_> = deliveries.iter().filter(|one| one["digest"] == digest.as_str()).collect();
        let [delivery] = of_case.as_slice() else { panic!("{case}: {of_case:?} of {listed}") };
        assert_eq!(delivery["outcome"], "refused", "{case}");
        let evidence = delivery["evidence"].as_str().unwrap();
        assert!(log.contains(evidence), "{case}: {evidence} is not in the log");
        let (gate, why) = refusal(&world, evidence);
        table.push_str(&format!("{case} | {gate} | {why}\n"));
        assert_eq!(&std::fs::read(file_of(&world, &format!("{case}.csv"))).unwrap(), bytes, "{case} is kept");
    }
    let rows = deliveries.iter().filter(|one| one["outcome"] == "cleared").count();
    assert_eq!(rows, 1, "nothing else was taken: {listed}");
    check(&world, &["evidence", "verify"], 0);
    if std::env::var_os("STAYWARD_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/doors.golden"), &table).unwrap();
        return;
    }
    assert_eq!(table, include_str!("doors.golden"), "if this is meant, run it with STAYWARD_BLESS=1 and look at what changed");
}
