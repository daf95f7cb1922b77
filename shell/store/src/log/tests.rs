//! Tests of the log on disk: recovery, tampering, forks, and many writers' requests under one fsync.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, ML_DSA_44_SIGNING, PqdsaKeyPair};
use gate::Digest;
use ledger::note::{Ed25519NoteSigner, MlDsa44NoteSigner, NoteSigner, NoteVerifier};
use ledger::tree::verify_consistency;
use ledger::{Bundle, Checkpoint, P256Signer, P256Verifier, Statement, Subject, TlogProof};

use crate::objects::{Aside, Objects};

use super::writer::Pending;
use super::{BUNDLES_PER_FILE, Log, LogError, LogReader, LogWriter, OpenOptions};

pub(super) const ORIGIN: &str = "example.com/stayward-test";

/// A folder that goes away with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("stayward-log-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The same note keys in every process, so that a killed child's log can be opened again.
pub(super) fn signers() -> Vec<Box<dyn NoteSigner>> {
    let old = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap().to_pkcs8().unwrap();
    let new = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &[7; 32]).unwrap().to_pkcs8v1().unwrap();
    vec![
        Box::new(Ed25519NoteSigner::from_pkcs8_der(ORIGIN, old.as_ref()).unwrap()),
        Box::new(MlDsa44NoteSigner::from_pkcs8_der(ORIGIN, new.as_ref()).unwrap()),
    ]
}

pub(super) fn verifiers() -> Vec<NoteVerifier> {
    signers().iter().map(|signer| signer.verifier().clone()).collect()
}

pub(super) fn bundle_key() -> P256Signer {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    P256Signer::from_pkcs8_der(pair.to_pkcs8v1().unwrap().as_ref()).unwrap()
}

pub(super) fn bundle(number: u64, key: &P256Signer) -> Bundle {
    let subject = vec![Subject { name: format!("batch-{number}"), digest: Digest::of(&number.to_be_bytes()) }];
    let predicate = serde_json::json!({ "number": number });
    Bundle::sign(&Statement { subject, predicate_type: "https://example.com/test".into(), predicate }, key).unwrap()
}

pub(super) fn open(folder: &Folder) -> Result<LogWriter, LogError> {
    LogWriter::open(&folder.0, ORIGIN, signers())
}

pub(super) fn reader(folder: &Folder) -> Result<LogReader, LogError> {
    LogReader::open(&folder.0, ORIGIN, verifiers())
}

/// Fills a log in groups of these sizes.
fn fill(folder: &Folder, key: &P256Signer, groups: &[u64]) {
    let mut writer = open(folder).unwrap();
    let mut next = writer.size();
    for group in groups {
        let pending: Vec<Pending> = (next..next + group).map(|number| Pending::of(&bundle(number, key)).unwrap()).collect();
        writer.commit(&pending).unwrap();
        next += group;
    }
}

fn trusted(key: &P256Signer) -> Vec<P256Verifier> {
    vec![key.verifier().clone()]
}

/// Every file of the log except the lock.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.ends_with("lock") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn new_signer() -> Vec<Box<dyn NoteSigner>> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap().to_pkcs8().unwrap();
    vec![Box::new(Ed25519NoteSigner::from_pkcs8_der(ORIGIN, pair.as_ref()).unwrap())]
}

#[test]
fn after_a_rotation_the_head_is_signed_anew_and_the_old_key_is_not_needed() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[3]);
    let new: Vec<NoteVerifier> = new_signer().iter().map(|signer| signer.verifier().clone()).collect();
    // Without the earlier keys a head of theirs is foreign, and a stranger's keys do not help.
    assert!(LogWriter::open(&folder.0, ORIGIN, new_signer()).is_err());
    let strangers = OpenOptions { earlier: new.clone(), ..OpenOptions::default() };
    assert!(LogWriter::open_with(&folder.0, ORIGIN, new_signer(), strangers).is_err());
    assert!(LogReader::open(&folder.0, ORIGIN, new.clone()).is_err());
    let options = OpenOptions { earlier: verifiers(), ..OpenOptions::default() };
    let mut writer = LogWriter::open_with(&folder.0, ORIGIN, new_signer(), options).unwrap();
    assert_eq!(LogReader::open(&folder.0, ORIGIN, new.clone()).unwrap().head().unwrap().size, 3);
    assert!(reader(&folder).is_err());
    writer.append(&bundle(3, &key)).unwrap();
    drop(writer);
    let report = LogReader::open(&folder.0, ORIGIN, new).unwrap().check_all(&trusted(&key)).unwrap();
    assert_eq!(report.head.size, 4);
}

#[test]
fn what_was_appended_is_found_proved_and_whole() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[1, 1, 5, 300, 250, 1]);
    let reader = reader(&folder).unwrap();
    assert_eq!(reader.head().unwrap().size, 558);
    let report = reader.check_all(&trusted(&key)).unwrap();
    assert_eq!((report.head.size, report.bundles), (558, 558));
    for index in [0, 1, 6, 255, 256, 306, 511, 512, 557] {
        let bundle = reader.bundle(index).unwrap();
        let statement = bundle.verify(&trusted(&key)).unwrap();
        assert_eq!(statement.subject[0].name, format!("batch-{index}"));
        assert_eq!(reader.find(&bundle.id().to_string().parse().unwrap()).unwrap().index, index);
        let proof = TlogProof::parse(reader.tlog_proof(index).unwrap().to_text().as_bytes()).unwrap();
        assert_eq!(proof.verify(&bundle.entry(), ORIGIN, &verifiers()).unwrap().signed_by.len(), 2);
        assert!(proof.verify(&bundle_key().verifier().to_spki_der(), ORIGIN, &verifiers()).is_err());
    }
    assert!(matches!(reader.bundle(558), Err(LogError::NoEntry { index: 558, size: 558 })));
}

#[test]
fn heads_of_all_sizes_are_consistent_with_each_other() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[3, 200, 60, 10, 256]);
    let reader = reader(&folder).unwrap();
    for (old, new) in [(0, 529), (1, 2), (3, 203), (203, 263), (263, 529), (255, 257), (256, 512), (528, 529), (529, 529)] {
        let proof = reader.consistency(old, new).unwrap();
        verify_consistency(old, &reader.root_at(old).unwrap(), new, &reader.root_at(new).unwrap(), &proof).unwrap();
    }
    assert!(reader.consistency(1, 530).is_err() && reader.inclusion(0, 530).is_err());
}

#[test]
fn prefixes_find_one_entry_or_say_why_not() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[600, 600]);
    let reader = reader(&folder).unwrap();
    let digests: Vec<Digest> = (0..1200).map(|index| reader.digest(index).unwrap()).collect();
    let mut seen = BTreeSet::new();
    let shared = digests.iter().find(|digest| !seen.insert(digest.hex()[..4].to_owned()));
    // 1,200 digests share a beginning of four digits with probability 1 - exp(-1200^2 / 2 / 65536), more than 0.9999.
    let shared = shared.unwrap().hex()[..4].to_owned();
    assert_eq!(reader.find(&shared.parse().unwrap()), Err(LogError::AmbiguousId(shared.clone())));
    assert_eq!(reader.find(&digests[77].hex()[..20].parse().unwrap()).unwrap().index, 77);
    let absent =
        (0..=0xffffu32).map(|n| format!("{n:04x}")).find(|prefix| !digests.iter().any(|digest| digest.hex().starts_with(prefix)));
    let absent = absent.unwrap();
    assert_eq!(reader.find(&absent.parse().unwrap()), Err(LogError::UnknownId(absent)));
}

#[test]
fn bundles_go_on_in_the_next_file() {
    let (folder, key) = (Folder::new(), bundle_key());
    let prepared = Pending::of(&bundle(0, &key)).unwrap();
    let many = |count: usize| -> Vec<Pending> {
        (0..count).map(|_| Pending { line: prepared.line.clone(), digest: prepared.digest, beside: None }).collect()
    };
    let mut writer = open(&folder).unwrap();
    for count in [1024, 1024, 1024, 1000] {
        writer.commit(&many(count)).unwrap();
    }
    let group: Vec<Pending> = (0..100).map(|number| Pending::of(&bundle(number, &key)).unwrap()).collect();
    writer.commit(&group).unwrap();
    drop(writer);
    let mut writer = open(&folder).unwrap();
    assert_eq!(writer.size(), BUNDLES_PER_FILE + 76);
    writer.append(&bundle(100, &key)).unwrap();
    let reader = reader(&folder).unwrap();
    for (index, number) in [(4072, 0), (4095, 23), (4096, 24), (4172, 100)] {
        let statement = reader.bundle(index).unwrap().verify(&trusted(&key)).unwrap();
        assert_eq!(statement.subject[0].name, format!("batch-{number}"));
    }
    assert_eq!(reader.check_all(&trusted(&key)).unwrap().bundles, 4173);
    // The same bundle twice is one piece of evidence: its first place is found.
    assert_eq!(reader.find(&prepared.digest.hex().parse().unwrap()).unwrap().index, 0);
}

#[test]
fn one_writer_at_a_time() {
    let folder = Folder::new();
    let first = open(&folder).unwrap();
    assert!(matches!(open(&folder), Err(LogError::Locked(_))));
    drop(first);
    open(&folder).unwrap();
}

/// Flips one bit in each `step`-th byte of every file, and expects the check to refuse.
fn flip(groups: &[u64], step: usize) {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, groups);
    reader(&folder).unwrap().check_all(&trusted(&key)).unwrap();
    let mut tried = 0;
    for path in files(&folder.0) {
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).filter(|at| at % step == 0 || at + 1 == whole.len()) {
            let mut bent = whole.clone();
            bent[at] ^= 1 << (at % 8);
            fs::write(&path, &bent).unwrap();
            let result = reader(&folder).and_then(|reader| reader.check_all(&trusted(&key)));
            assert!(result.is_err(), "byte {at} of {}", path.display());
            tried += 1;
        }
        fs::write(&path, &whole).unwrap();
    }
    reader(&folder).unwrap().check_all(&trusted(&key)).unwrap();
    println!("{tried} flipped bytes, all noticed");
}

#[test]
fn every_flipped_byte_of_a_small_log_is_noticed() {
    flip(&[2, 1], 1);
}

#[test]
fn a_flipped_byte_is_noticed_in_every_file_of_a_log_with_two_levels() {
    // Groups that fill a tile and begin the next: a full tile, two levels, partial tiles.
    flip(&[2, 253, 1, 3], 311);
}

#[test]
fn every_missing_or_shortened_file_is_noticed() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[2, 253, 1, 3]);
    for path in files(&folder.0) {
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let result = reader(&folder).and_then(|reader| reader.check_all(&trusted(&key)));
        assert!(result.is_err(), "shortened {}", path.display());
        fs::remove_file(&path).unwrap();
        let result = reader(&folder).and_then(|reader| reader.check_all(&trusted(&key)));
        assert!(result.is_err(), "missing {}", path.display());
        assert!(open(&folder).is_err(), "missing {}", path.display());
        fs::write(&path, &whole).unwrap();
    }
    reader(&folder).unwrap().check_all(&trusted(&key)).unwrap();
    open(&folder).unwrap();
}

#[test]
fn damage_is_named_by_file_and_entry() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[10]);
    let path = folder.0.join("bundles/000000.ndjson");
    let lines = fs::read_to_string(&path).unwrap();
    let mut swapped: Vec<&str> = lines.lines().collect();
    swapped.swap(3, 4);
    fs::write(&path, swapped.join("\n") + "\n").unwrap();
    let Err(LogError::Damaged(damage)) = reader(&folder).unwrap().check_all(&trusted(&key)) else { panic!("not noticed") };
    assert_eq!((damage.file.as_str(), damage.index), ("bundles/000000.ndjson", Some(3)));
    assert!(matches!(open(&folder), Err(LogError::Damaged(found)) if found == damage));
    assert!(matches!(reader(&folder).unwrap().bundle(4), Err(LogError::Damaged(_))));
    reader(&folder).unwrap().bundle(5).unwrap();
    fs::write(&path, &lines).unwrap();

    let stranger = bundle_key();
    let Err(LogError::Damaged(damage)) = reader(&folder).unwrap().check_all(&trusted(&stranger)) else { panic!("not noticed") };
    assert_eq!(damage.index, Some(0));
    assert!(damage.what.contains("not trusted"), "{damage}");
}

#[test]
fn a_changed_entry_and_a_changed_hash_are_told_apart() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[255, 8]);
    let blamed = |file: &str, at: usize, mask: u8| {
        let path = folder.0.join(file);
        let whole = fs::read(&path).unwrap();
        let mut bent = whole.clone();
        bent[at] ^= mask;
        fs::write(&path, &bent).unwrap();
        let found = open(&folder);
        fs::write(&path, &whole).unwrap();
        let Err(LogError::Damaged(damage)) = found else { panic!("not noticed") };
        (damage.file, damage.index)
    };
    // An entry has 2 + 71 bytes, a hash 32; `1` and `0` differ in the last bit and are both digits.
    let digit = |file: &str, entry: usize| {
        let bytes = fs::read(folder.0.join(file)).unwrap();
        (entry * 73 + 9..entry * 73 + 73).find(|at| bytes[*at].is_ascii_digit() && bytes[*at] < b'8').unwrap()
    };
    let entries = "tile/entries/000";
    assert_eq!(blamed(entries, digit(entries, 40), 1), (entries.into(), Some(40)));
    let entries = "tile/entries/001.p/7";
    assert_eq!(blamed(entries, digit(entries, 3), 1), (entries.into(), Some(259)));
    assert_eq!(blamed("tile/0/000", 32 * 40 + 5, 1), ("tile/0/000".into(), Some(40)));
    assert_eq!(blamed("tile/0/001.p/7", 32 * 6, 1), ("tile/0/001.p/7".into(), Some(262)));
    assert_eq!(blamed("tile/1/000.p/1", 3, 1), ("tile/1/000.p/1".into(), None));
}

#[test]
fn a_reader_checks_everything_while_the_writer_writes() {
    let (folder, key) = (Folder::new(), bundle_key());
    let mut writer = open(&folder).unwrap();
    let bundles: Vec<Bundle> = (0..560).map(|number| bundle(number, &key)).collect();
    let reader = reader(&folder).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for group in bundles.chunks(7) {
                let pending: Vec<Pending> = group.iter().map(|bundle| Pending::of(bundle).unwrap()).collect();
                writer.commit(&pending).unwrap();
            }
        });
        let mut rounds = 0;
        while !writing.is_finished() {
            let report = reader.check_all(&trusted(&key)).unwrap();
            if let Some(last) = report.head.size.checked_sub(1) {
                reader.tlog_proof(last).unwrap();
                reader.bundle(last / 2).unwrap();
                reader.consistency(last / 2, last).unwrap();
            }
            rounds += 1;
        }
        println!("{rounds} checks beside a running writer");
    });
    assert_eq!(reader.check_all(&trusted(&key)).unwrap().bundles, 560);
}

#[test]
fn a_deleted_head_is_not_a_fresh_start() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[3]);
    let head = fs::read(folder.0.join("checkpoint")).unwrap();
    fs::remove_file(folder.0.join("checkpoint")).unwrap();
    assert!(matches!(open(&folder), Err(LogError::HeadMissing(_))));
    fs::write(folder.0.join("checkpoint"), head).unwrap();
    assert_eq!(open(&folder).unwrap().size(), 3);
}

#[test]
fn a_head_that_was_put_back_is_refused_by_who_saw_a_later_one() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[3]);
    let old = fs::read(folder.0.join("checkpoint")).unwrap();
    fill(&folder, &key, &[2]);
    let watching = reader(&folder).unwrap();
    let kept = watching.head().unwrap();
    fs::write(folder.0.join("checkpoint"), &old).unwrap();
    assert!(matches!(watching.head(), Err(LogError::WentBack { head: 3, .. })));
    assert!(matches!(reader(&folder).unwrap().check_contains(&kept), Err(LogError::WentBack { .. })));
    let options = OpenOptions { floor: Some(kept.clone()), ..OpenOptions::default() };
    assert!(matches!(LogWriter::open_with(&folder.0, ORIGIN, signers(), options), Err(LogError::WentBack { head: 3, .. })));

    // Without the floor the writer cannot know; it makes a second history, which the watching reader refuses.
    fill(&folder, &key, &[2]);
    assert!(matches!(watching.head(), Err(LogError::Forked { old: 5, new: 5 })));
    let options = OpenOptions { floor: Some(kept), ..OpenOptions::default() };
    assert!(matches!(LogWriter::open_with(&folder.0, ORIGIN, signers(), options), Err(LogError::Forked { old: 5, new: 5 })));
}

#[test]
fn a_head_that_was_put_back_by_more_than_a_crash_can_is_refused() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[1]);
    let old = fs::read(folder.0.join("checkpoint")).unwrap();
    fill(&folder, &key, &[1000, 25]);
    fs::write(folder.0.join("checkpoint"), &old).unwrap();
    // Tiles of size 1 are gone or replaced, so whichever is seen first, the writer does not start.
    let refused = open(&folder);
    assert!(matches!(refused, Err(LogError::WentBack { head: 1, .. })), "{:?}", refused.err());
}

#[test]
fn a_torn_tail_is_dropped_and_what_was_signed_stays() {
    for tail in ["{\"half\":", "garbage\n", "\n", "x\ny\nz"] {
        let (folder, key) = (Folder::new(), bundle_key());
        fill(&folder, &key, &[3]);
        let path = folder.0.join("bundles/000000.ndjson");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [whole.as_slice(), tail.as_bytes()].concat()).unwrap();
        fs::write(folder.0.join("tile/0/000.p/9"), b"unsigned").unwrap();
        reader(&folder).unwrap().check_all(&trusted(&key)).unwrap();
        let mut writer = open(&folder).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "{tail:?}");
        assert!(!folder.0.join("tile/0/000.p/9").exists());
        assert_eq!(writer.append(&bundle(3, &key)).unwrap().index, 3);
        assert_eq!(reader(&folder).unwrap().check_all(&trusted(&key)).unwrap().bundles, 4);
    }
}

#[test]
fn another_key_or_origin_does_not_open_the_log() {
    let (folder, key) = (Folder::new(), bundle_key());
    fill(&folder, &key, &[1]);
    let stranger = || -> Vec<Box<dyn NoteSigner>> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap().to_pkcs8().unwrap();
        vec![Box::new(Ed25519NoteSigner::from_pkcs8_der(ORIGIN, pair.as_ref()).unwrap())]
    };
    assert!(matches!(LogWriter::open(&folder.0, ORIGIN, stranger()), Err(LogError::Head(_))));
    assert!(matches!(LogWriter::open(&folder.0, "example.com/other", signers()), Err(LogError::Head(_))));
    let keys = stranger().iter().map(|signer| signer.verifier().clone()).collect();
    assert!(matches!(LogReader::open(&folder.0, ORIGIN, keys), Err(LogError::Head(_))));
}

#[test]
fn a_file_that_does_not_belong_is_noticed() {
    for stray in ["tile/0/hello", "bundles/notes.txt", "bundles/1.ndjson"] {
        let (folder, key) = (Folder::new(), bundle_key());
        fill(&folder, &key, &[1]);
        fs::write(folder.0.join(stray), b"x").unwrap();
        let found = reader(&folder).unwrap().check_all(&trusted(&key));
        assert!(matches!(found, Err(LogError::Damaged(damage)) if damage.file == stray), "{stray}");
    }
}

#[test]
fn many_requests_share_heads_and_each_gets_its_own_place() {
    let (folder, key) = (Folder::new(), bundle_key());
    let log = Log::start(open(&folder).unwrap()).unwrap();
    let bundles: Vec<Bundle> = (0..400).map(|number| bundle(number, &key)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let appended = runtime.block_on(async {
        let tasks: Vec<_> = bundles
            .iter()
            .map(|bundle| {
                let (log, bundle) = (log.clone(), bundle.clone());
                tokio::spawn(async move { log.append_async(&bundle).await })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap().unwrap());
        }
        all
    });
    let blocking = log.append(&bundle(400, &key)).unwrap();
    assert_eq!(blocking.index, 400);
    drop(log);
    let places: BTreeSet<u64> = appended.iter().map(|appended| appended.index).collect();
    assert_eq!(places, (0..400).collect());
    let reader = reader(&folder).unwrap();
    for (appended, bundle) in appended.iter().zip(&bundles) {
        assert_eq!(reader.digest(appended.index).unwrap(), bundle.digest());
        assert_eq!((appended.digest, appended.id), (bundle.digest(), bundle.id()));
    }
    assert_eq!(reader.check_all(&trusted(&key)).unwrap().bundles, 401);
    // The lock went with the last handle.
    open(&folder).unwrap();
}

#[test]
fn an_object_is_kept_with_its_entry_and_one_that_cannot_be_kept_stops_the_log() {
    let (folder, key) = (Folder::new(), bundle_key());
    let objects = Objects::open(&folder.0.join("objects")).unwrap();
    let log = Log::start(open(&folder).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let append = async |number: u64, object: Aside| log.append_beside(&bundle(number, &key), object).await;
    runtime.block_on(async {
        let kept: Vec<_> = (0..100_u64).map(|number| objects.put_aside(&number.to_be_bytes()).unwrap()).collect();
        let appended = (0..).zip(kept).map(|(number, object)| append(number, object));
        for appended in appended {
            appended.await.unwrap();
        }
        assert!((0..100_u64).all(|number| objects.get(&Digest::of(&number.to_be_bytes())).is_ok()));
        let lost = objects.put_aside(b"lost").unwrap();
        let digest = lost.digest();
        let in_folder = objects.path_of(&digest).parent().unwrap().to_owned();
        for file in crate::disk::list(&in_folder).unwrap().iter().filter(|name| name.starts_with(crate::disk::TEMPORARY_PREFIX)) {
            fs::remove_file(in_folder.join(file)).unwrap();
        }
        assert!(matches!(append(100, lost).await, Err(LogError::Disk { .. })));
        assert!(matches!(append(101, objects.put_aside(b"next").unwrap()).await, Err(LogError::Stopped(_))));
        assert!(!objects.has(&digest) && !objects.has(&Digest::of(b"next")));
    });
    drop(log);
    // The entry without its object was never under a head.
    assert_eq!(open(&folder).unwrap().size(), 100);
}

#[test]
fn a_reader_follows_a_running_writer() {
    let (folder, key) = (Folder::new(), bundle_key());
    let mut writer = open(&folder).unwrap();
    let reader = reader(&folder).unwrap();
    assert_eq!(reader.head().unwrap().size, 0);
    assert_eq!(reader.check_all(&trusted(&key)).unwrap().bundles, 0);
    let mut kept: Vec<Checkpoint> = Vec::new();
    for number in 0..20 {
        let appended = writer.append(&bundle(number, &key)).unwrap();
        assert_eq!(reader.find(&appended.id.to_string().parse().unwrap()).unwrap().index, number);
        reader.tlog_proof(number).unwrap();
        kept.push(reader.head().unwrap());
    }
    kept.iter().for_each(|head| reader.check_contains(head).unwrap());
}
