//! Kills a writing process at every named point of a commit, and at random moments, and opens the log again.
//!
//! A killed process loses no page cache, so these tests cover the order of the writes, not a disk that lies about fsync.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gate::Digest;
use ledger::{Bundle, Checkpoint, TlogProof};

use crate::objects::Objects;

use super::tests::{Folder, ORIGIN, bundle, bundle_key, open, reader, signers, verifiers};
use super::writer::Pending;
use super::{LogWriter, OpenOptions};

const FOLDER: &str = "STAYWARD_TEST_LOG_FOLDER";
const POINT: &str = "STAYWARD_TEST_LOG_POINT";
const NUMBER: &str = "STAYWARD_TEST_LOG_NUMBER";
const GROUPS: &str = "STAYWARD_TEST_LOG_GROUPS";

/// Every point of the writer, with the group sizes of a run that passes it.
const POINTS: &[(&str, &str)] = &[
    // A group over two bundle files, whose writes run beside each other.
    ("bundle-file-written", "1024,1024,1024,1020,10"),
    ("tile-aside", "3,300,5"),
    ("all-bytes-written", "3,300,5"),
    ("object-in-place", "3,90,5"),
    ("tile-in-place", "3,300,5"),
    ("before-checkpoint", "3,300,5"),
    ("checkpoint-aside", "3,300,5"),
    ("checkpoint-written", "3,300,5"),
];

/// Not a test: the child that the tests below start and that dies.
#[test]
#[ignore = "started by the tests beside it"]
fn child_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let point = std::env::var(POINT).unwrap_or_default();
    let number: u64 = std::env::var(NUMBER).unwrap_or_default().parse().unwrap_or(u64::MAX);
    let passed = AtomicU64::new(0);
    let hook = move |name: &str| {
        if name == point && passed.fetch_add(1, Ordering::Relaxed) == number {
            std::process::abort();
        }
    };
    let options = OpenOptions { crash_hook: Some(Box::new(hook)), ..OpenOptions::default() };
    let mut writer = LogWriter::open_with(folder.as_ref(), ORIGIN, signers(), options).unwrap();
    let key = bundle_key();
    let objects = Objects::open(&objects_of(folder.as_ref())).unwrap();
    let groups: Vec<u64> = std::env::var(GROUPS).unwrap().split(',').map(|group| group.parse().unwrap()).collect();
    for group in groups {
        let pending: Vec<Pending> = (0..group).map(|number| beside(&bundle(number, &key), &objects)).collect();
        for appended in writer.commit(&pending).unwrap() {
            println!("acknowledged {} {}", appended.index, appended.digest);
        }
    }
}

fn objects_of(folder: &Path) -> PathBuf {
    folder.join("objects")
}

/// Whether an entry rests on an object, which then has the bundle's own bytes: one in eight.
fn has_object(bundle: &Bundle) -> bool {
    bundle.digest().hex().starts_with(['0', '1'])
}

fn beside(bundle: &Bundle, objects: &Objects) -> Pending {
    let pending = Pending::of(bundle).unwrap();
    let object = has_object(bundle).then(|| objects.put_aside(&pending.line).unwrap());
    Pending { beside: object, ..pending }
}

/// The last entries under the head have their objects; how many those are.
fn check_objects(folder: &Folder, size: u64, what: &str) -> usize {
    let (reader, objects) = (reader(folder).unwrap(), Objects::open(&objects_of(&folder.0)).unwrap());
    let bundles = (size.saturating_sub(400)..size).map(|index| reader.bundle(index).unwrap()).filter(has_object);
    let kept: Vec<_> = bundles.map(|bundle| objects.get(&Digest::of(&bundle.to_canonical_json().unwrap()))).collect();
    assert!(kept.iter().all(Result::is_ok), "{what}: {kept:?}");
    kept.len()
}

fn child(folder: &Folder, point: &str, number: u64, groups: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "log::kill_tests::child_that_is_killed", "--ignored", "--nocapture"]);
    command.env(FOLDER, &folder.0).env(POINT, point).env(NUMBER, number.to_string()).env(GROUPS, groups);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// What a child said before it died: entry and digest.
fn acknowledged(stdout: impl std::io::Read) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some((index, digest)) = line.split_once("acknowledged ").and_then(|(_, rest)| rest.split_once(' ')) {
            found.insert(index.parse().unwrap(), digest.trim().to_owned());
        }
    }
    found
}

/// Opens the log after a death: everything acknowledged is there and proved, the old head is contained, and it goes on.
fn check_recovery(folder: &Folder, told: &BTreeMap<u64, String>, before: Option<&Checkpoint>, what: &str) {
    if !folder.0.join("checkpoint").exists() {
        assert!(told.is_empty(), "{what}: acknowledged without a head");
    }
    let options = OpenOptions { floor: before.cloned(), ..OpenOptions::default() };
    let mut writer =
        LogWriter::open_with(&folder.0, ORIGIN, signers(), options).unwrap_or_else(|error| panic!("{what}: {error}"));
    let key = bundle_key();
    let size = writer.size();
    assert!(told.keys().all(|index| *index < size), "{what}: lost an acknowledged entry");
    let kept = check_objects(folder, size, what);
    let next: Bundle = bundle(size, &key);
    let objects = Objects::open(&objects_of(&folder.0)).unwrap();
    assert_eq!(writer.commit(&[beside(&next, &objects)]).unwrap()[0].index, size, "{what}");
    drop(writer);
    assert!(kept > 0 || size < 100, "{what}: no entry of {size} rests on an object");
    let reader = reader(folder).unwrap();
    for (index, digest) in told {
        assert_eq!(&reader.digest(*index).unwrap().to_string(), digest, "{what}: entry {index}");
    }
    let proof: TlogProof = reader.tlog_proof(size).unwrap();
    proof.verify(&next.entry(), ORIGIN, &verifiers()).unwrap();
    // The children's bundle keys died with them, so this looks at everything but their signatures.
    drop(open(folder).unwrap_or_else(|error| panic!("{what}, second start: {error}")));
}

#[test]
fn a_death_at_any_named_point_loses_nothing_that_was_acknowledged() {
    let mut died = BTreeSet::new();
    for (point, groups) in POINTS {
        for number in 0..40 {
            let folder = Folder::new();
            let output = child(&folder, point, number, groups).output().unwrap();
            if output.status.success() {
                assert!(number > 0, "`{point}` was never passed");
                break;
            }
            let told = acknowledged(output.stdout.as_slice());
            let what = format!("killed at `{point}` number {number}");
            check_recovery(&folder, &told, None, &what);
            println!("{what}: {} acknowledged, log is whole", told.len());
            died.insert(*point);
        }
    }
    assert_eq!(died.len(), POINTS.len());
}

#[test]
fn a_death_during_recovery_is_recovered_from() {
    for point in ["bundles-truncated", "tiles-dropped"] {
        let folder = Folder::new();
        let first = child(&folder, "before-checkpoint", 1, "3,300").output().unwrap();
        assert!(!first.status.success());
        let told = acknowledged(first.stdout.as_slice());
        assert_eq!(told.len(), 3);
        let second = child(&folder, point, 0, "1").output().unwrap();
        assert!(!second.status.success(), "`{point}` was not passed");
        check_recovery(&folder, &told, None, &format!("killed at `{point}` of the recovery"));
    }
}

#[test]
fn deaths_at_random_moments_never_make_a_second_history() {
    let folder = Folder::new();
    let mut told = BTreeMap::new();
    let mut head: Option<Checkpoint> = None;
    // Group sizes that pass tile borders often. The moments differ from run to run: any of them must do.
    let groups = vec!["1,7,130,1,90"; 60].join(",");
    for round in 0..12u64 {
        let mut running = child(&folder, "", u64::MAX, &groups).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(60 + round * 23 % 140));
        running.kill().unwrap();
        let output = running.wait_with_output().unwrap();
        let mut fresh = acknowledged(output.stdout.as_slice());
        // The line that the death cut in half is no acknowledgement.
        fresh.retain(|_, digest| digest.len() == 71);
        told.extend(fresh);
        check_recovery(&folder, &told, head.as_ref(), &format!("killed in round {round}"));
        head = Some(reader(&folder).unwrap().head().unwrap());
    }
    println!("{} entries acknowledged over 12 deaths, all there", told.len());
    assert!(fs::metadata(folder.0.join("checkpoint")).unwrap().len() > 0);
    assert!(!told.is_empty(), "no child lived long enough to append");
}
