//! A table keeps its promise under crashes, rivals and tampering.

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Float64Array, StringArray, TimestampSecondArray};
use arrow_schema::{DataType, Field, TimeUnit};
use proptest::prelude::*;

use super::*;

fn a_schema() -> Schema {
    Schema::new(vec![
        Field::new("customer", DataType::Utf8, false),
        Field::new("Monthly Charges", DataType::Float64, true),
        Field::new("since", DataType::Timestamp(TimeUnit::Second, None), true),
    ])
}

fn rows(names: &[&str]) -> RecordBatch {
    let charges = (0_u8..).map(f64::from).take(names.len()).map(|value| (value > 0.0).then_some(value));
    let since = (0_i64..).take(names.len()).map(|value| Some(1_700_000_000 - value * 1_000_000_000));
    RecordBatch::try_new(
        Arc::new(a_schema()),
        vec![
            Arc::new(StringArray::from(names.to_vec())),
            Arc::new(charges.collect::<Float64Array>()),
            Arc::new(since.collect::<TimestampSecondArray>()),
        ],
    )
    .unwrap()
}

fn info(content: &str) -> AppendInfo {
    AppendInfo {
        content: Digest::of(content.as_bytes()),
        receipt: format!("receipt of {content}"),
        origin: "market".to_owned(),
        now_ms: 1_800_000_000_000,
    }
}

fn customers(batches: &[RecordBatch]) -> Vec<String> {
    batches
        .iter()
        .flat_map(|batch| batch.column(0).as_string::<i32>().iter().map(|name| name.unwrap().to_owned()).collect::<Vec<_>>())
        .collect()
}

/// A table with three appends: ann, bob; cid; (none).
fn a_table() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Table::create(&folder.path().join("labels"), "labels", &a_schema(), 1_700_000_000_000).unwrap();
    table.append(&[rows(&["ann", "bob"])], info("one")).unwrap();
    table.append(&[rows(&["cid"])], info("two")).unwrap();
    table.append(&[], info("three")).unwrap();
    (folder, table)
}

fn commit_path(table: &Table, version: u64) -> PathBuf {
    table.dir().join(LOG_FOLDER).join(commit_name(version))
}

fn data_path(table: &Table, version: usize) -> PathBuf {
    let (digest, _) = table.history().unwrap()[version].data.unwrap();
    table.dir().join(commit::file_name(&digest))
}

fn overwrite(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

fn kinds(table: &Table) -> Vec<ViolationKind> {
    table.check().unwrap().into_iter().map(|violation| violation.kind).collect()
}

#[test]
fn what_was_appended_is_read_at_every_version() {
    let (_folder, table) = a_table();
    assert_eq!(customers(&table.read(None).unwrap()), ["ann", "bob", "cid"]);
    assert_eq!(customers(&table.read(Some(1)).unwrap()), ["ann", "bob"]);
    assert_eq!(customers(&table.read(Some(0)).unwrap()), [""; 0]);
    assert_eq!(customers(&table.read_appended(2).unwrap()), ["cid"]);
    assert_eq!(table.read(Some(1)).unwrap(), [rows(&["ann", "bob"])]);
    assert!(matches!(table.read(Some(4)), Err(TableError::NoVersion { version: 4, versions: 4 })));
    assert_eq!(table.latest().unwrap(), 3);
    assert_eq!(kinds(&table), []);
    assert_eq!(table.orphans().unwrap().len(), 0);
}

#[test]
fn the_history_says_who_brought_what() {
    let (_folder, table) = a_table();
    let history = table.history().unwrap();
    let seen: Vec<_> = history.iter().map(|one| (one.operation.as_str(), one.rows, one.receipt.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("CREATE TABLE", 0, None),
            ("WRITE", 2, Some("receipt of one")),
            ("WRITE", 1, Some("receipt of two")),
            ("WRITE", 0, Some("receipt of three"))
        ]
    );
    assert_eq!(table.versions_of(&Digest::of(b"two")).unwrap(), [2]);
    assert_eq!(table.versions_of(&Digest::of(b"never")).unwrap(), [0; 0]);
    assert_eq!(history[2].digest, table.version_digest(2).unwrap());
}

#[test]
fn equal_inputs_make_equal_bytes_and_equal_rows_twice_make_two_files() {
    let ((_one, mut one), (_two, two)) = (a_table(), a_table());
    assert_eq!(one.version_digest(3).unwrap(), two.version_digest(3).unwrap());
    let first = one.append(&[rows(&["ann"])], info("four")).unwrap();
    let second = one.append(&[rows(&["ann"])], info("four")).unwrap();
    assert_ne!(first.data, second.data);
    assert_eq!(customers(&one.read(None).unwrap()).len(), 5);
    assert_eq!(kinds(&one), []);
}

#[test]
fn a_table_is_opened_again_and_made_once() {
    let (_folder, table) = a_table();
    let again = Table::open(table.dir()).unwrap();
    assert_eq!((again.name(), again.schema().as_ref()), ("labels", &a_schema()));
    assert!(matches!(Table::create(table.dir(), "labels", &a_schema(), 0), Err(TableError::Exists(_))));
    assert!(Table::open_or_create(table.dir(), "labels", &a_schema(), 0).is_ok());
    let other = Schema::new(vec![Field::new("other", DataType::Utf8, true)]);
    assert!(matches!(Table::open_or_create(table.dir(), "labels", &other, 0), Err(TableError::Schema(_))));
    assert!(matches!(Table::open(&table.dir().join("no")), Err(TableError::NoTable(_))));
}

#[test]
fn other_columns_and_odd_texts_are_refused_and_change_nothing() {
    let (_folder, mut table) = a_table();
    let other = Arc::new(Schema::new(vec![Field::new("other", DataType::Utf8, true)]));
    let batch = RecordBatch::try_new(other, vec![Arc::new(StringArray::from(vec!["x"]))]).unwrap();
    assert!(matches!(table.append(&[batch], info("four")), Err(TableError::Schema(_))));
    let odd = |change: fn(&mut AppendInfo)| {
        let mut info = info("four");
        change(&mut info);
        info
    };
    for info in [
        odd(|info| info.receipt = String::new()),
        odd(|info| info.origin = "a\nb".to_owned()),
        odd(|info| info.receipt = "x".repeat(INFO_TEXT_BYTES_MAX + 1)),
        odd(|info| info.now_ms = -1),
        odd(|info| info.now_ms = JSON_INTEGER_MAX + 1),
    ] {
        assert!(matches!(table.append(&[rows(&["dan"])], info), Err(TableError::Text { .. })));
    }
    assert_eq!(table.latest().unwrap(), 3);
    assert_eq!(table.orphans().unwrap().len(), 0);
}

#[test]
fn many_writers_and_readers_see_whole_versions_without_gaps() {
    let (_folder, table) = a_table();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mut table = table.clone();
            scope.spawn(move || {
                for turn in 0..5 {
                    table.append(&[rows(&["x", "y"])], info(&format!("{writer} {turn}"))).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..10 {
                let count = customers(&table.read(None).unwrap()).len();
                assert_eq!(count % 2, 1, "half an append was read");
                assert_eq!(kinds(&table), []);
            }
        });
    });
    assert_eq!(table.latest().unwrap(), 23);
    assert_eq!(customers(&table.read(None).unwrap()).len(), 43);
    assert_eq!(kinds(&table), []);
}

#[test]
fn without_the_lock_one_of_two_commits_of_a_version_wins() {
    let (_folder, table) = a_table();
    let chain = Chain::load(table.dir()).unwrap();
    let data = Data { digest: Digest::of(b"rival"), size: 1, rows: 1 };
    let commit = commit::write(&info("rival"), chain.links[2].address, data);
    assert!(matches!(write_commit(table.dir(), 3, &commit), Err(TableError::Disk(DiskError::Exists(_)))));
    assert_eq!(kinds(&table), []);
}

/// What each moment of an append leaves when the program is killed there: see the module's words on order.
#[test]
fn a_killed_append_leaves_the_version_before_and_the_next_one_cleans_up() {
    let (_folder, mut table) = a_table();
    let digest = table.version_digest(3).unwrap();
    let chain = Chain::load(table.dir()).unwrap();
    let (bytes, rows_written) = data::encode(&table.schema, &[rows(&["eve"])], 4, &info("killed")).unwrap();
    let file = Data { digest: Digest::of(&bytes), size: u64::try_from(bytes.len()).unwrap(), rows: rows_written };
    let commit = commit::write(&info("killed"), chain.links[3].address, file).encode().unwrap();
    let log = table.dir().join(LOG_FOLDER);
    // Half of the temporary data file; the whole data file under its name; half of the temporary commit.
    let left = [
        (table.dir().join(".tmp-1-1"), &bytes[..bytes.len() / 2]),
        (table.dir().join(file.file_name()), &bytes[..]),
        (log.join(".tmp-1-2"), &commit[..commit.len() / 2]),
    ];
    for until in 1..=left.len() {
        for (path, bytes) in &left[..until] {
            overwrite(path, bytes);
        }
        assert_eq!(customers(&table.read(None).unwrap()), ["ann", "bob", "cid"]);
        assert_eq!((table.version_digest(3).unwrap(), kinds(&table)), (digest, vec![]));
        assert_eq!(table.orphans().unwrap().len(), until);
        table.append(&[], info("next")).unwrap();
        assert_eq!(table.orphans().unwrap().len(), 0);
        assert!(left.iter().all(|(path, _)| !path.exists()));
        fs::remove_file(data_path(&table, 4)).unwrap();
        fs::remove_file(commit_path(&table, 4)).unwrap();
    }
    // The commit has its name, its temporary name is still there: the append took place.
    overwrite(&table.dir().join(file.file_name()), &bytes);
    overwrite(&log.join(".tmp-1-2"), &commit);
    fs::hard_link(log.join(".tmp-1-2"), commit_path(&table, 4)).unwrap();
    assert_eq!(customers(&table.read(None).unwrap()), ["ann", "bob", "cid", "eve"]);
    assert_eq!((table.orphans().unwrap().len(), kinds(&table)), (1, vec![]));
    assert_eq!(table.versions_of(&Digest::of(b"killed")).unwrap(), [4]);
    table.append(&[rows(&["fay"])], info("next")).unwrap();
    assert_eq!((table.orphans().unwrap().len(), kinds(&table)), (0, vec![]));
    assert_eq!(customers(&table.read(None).unwrap()).len(), 5);
}

#[test]
fn every_changed_byte_of_every_file_is_noticed_and_the_file_named() {
    let (_folder, table) = a_table();
    let mut files: Vec<PathBuf> = (0..4).map(|version| commit_path(&table, version)).collect();
    files.extend((1..4).map(|version| data_path(&table, version)));
    for path in files {
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            overwrite(&path, &bytes);
            let violations = table.check().unwrap();
            assert!(
                violations.iter().any(|one| table.dir().join(&one.file) == path),
                "{} at {at}: {violations:?}",
                path.display()
            );
            if at % 16 == 0 {
                assert!(matches!(table.read(None), Err(TableError::Violated(_))), "{} at {at}", path.display());
            }
        }
        overwrite(&path, &good);
    }
    assert_eq!(kinds(&table), []);
}

#[test]
fn a_table_that_was_tampered_with_takes_no_rows_but_older_versions_are_read() {
    let (_folder, mut table) = a_table();
    let path = commit_path(&table, 2);
    overwrite(&path, &fs::read(&path).unwrap()[1..]);
    assert!(matches!(table.append(&[rows(&["dan"])], info("four")), Err(TableError::Violated(_))));
    assert!(matches!(table.read(None), Err(TableError::Violated(_))));
    assert!(matches!(table.orphans(), Err(TableError::Violated(_))));
    assert_eq!(customers(&table.read(Some(1)).unwrap()), ["ann", "bob"]);
    let text = table.read(Some(2)).unwrap_err().to_string();
    assert!(text.contains("00000000000000000002.json"), "{text}");
}

#[test]
fn missing_gap_foreign_and_cut_are_told_apart() {
    let check = |change: fn(&Table), wanted: &[ViolationKind]| {
        let (_folder, table) = a_table();
        change(&table);
        assert_eq!(kinds(&table), wanted);
    };
    check(|table| fs::remove_file(data_path(table, 2)).unwrap(), &[ViolationKind::Missing]);
    check(|table| fs::remove_file(commit_path(table, 2)).unwrap(), &[ViolationKind::Gap]);
    check(|table| fs::write(table.dir().join("more.parquet"), b"x").unwrap(), &[ViolationKind::Foreign]);
    check(|table| fs::write(table.dir().join(LOG_FOLDER).join("_last_checkpoint"), b"{}").unwrap(), &[ViolationKind::Foreign]);
    check(
        |table| fs::write(table.dir().join(commit::file_name(&Digest::of(b"a"))), b"b").unwrap(),
        &[ViolationKind::Changed(Digest::of(b"b"))],
    );
    check(|table| fs::copy(commit_path(table, 1), commit_path(table, 4)).map(|_| ()).unwrap(), &[ViolationKind::Chain]);
    // Cutting off the last version leaves a sound chain: only the ledger knows of version 3.
    check(|table| fs::remove_file(commit_path(table, 3)).unwrap(), &[]);
}

#[test]
fn what_other_programs_do_to_an_append_only_table_is_named() {
    let check = |lines: &str, wanted: ViolationKind| {
        let (_folder, table) = a_table();
        fs::write(commit_path(&table, 4), lines).unwrap();
        assert_eq!(kinds(&table), [wanted]);
        assert!(table.read(None).is_err());
        assert!(table.read(Some(3)).is_ok());
    };
    check(r#"{"commitInfo":{"operation":"RESTORE"}}"#, ViolationKind::Operation("RESTORE".to_owned()));
    check(r#"{"commitInfo":{"operation":"DELETE"}}"#, ViolationKind::Operation("DELETE".to_owned()));
    check(r#"{"commitInfo":{"operation":"CREATE TABLE"}}"#, ViolationKind::Operation("CREATE TABLE".to_owned()));
    check(r#"{"remove":{"path":"a"}}"#, ViolationKind::Remove);
    check(r#"{"metaData":{"configuration":{"delta.appendOnly":"false"}}}"#, ViolationKind::SecondMetadata);
    check(r#"{"protocol":{"minReaderVersion":3}}"#, ViolationKind::SecondProtocol);
    check(r#"{"txn":{"appId":"a"}}"#, ViolationKind::Action("txn".to_owned()));
    check("{\"commitInfo\":{\"operation\":\"WRITE\"}}\n{\"remove\":{}}", ViolationKind::Remove);
}

#[test]
fn a_table_that_was_never_append_only_is_refused() {
    let (_folder, table) = a_table();
    let text = fs::read_to_string(commit_path(&table, 0))
        .unwrap()
        .replace(r#""delta.appendOnly":"true""#, r#""delta.appendOnly":"false""#);
    overwrite(&commit_path(&table, 0), text.as_bytes());
    assert_eq!(Table::check_folder(table.dir()).unwrap()[0].kind, ViolationKind::NotAppendOnly);
    assert!(matches!(Table::open(table.dir()), Err(TableError::Violated(_))));
}

#[test]
fn a_rewritten_chain_is_sound_in_itself_but_has_another_address() {
    let ((_folder, table), (_other_folder, mut other)) = (a_table(), a_table());
    fs::remove_file(commit_path(&other, 3)).unwrap();
    other.append(&[rows(&["mallory"])], info("three")).unwrap();
    assert_eq!(kinds(&other), []);
    assert_eq!(table.version_digest(2).unwrap(), other.version_digest(2).unwrap());
    assert_ne!(table.version_digest(3).unwrap(), other.version_digest(3).unwrap());
}

#[test]
fn a_data_file_cannot_serve_two_versions() {
    let (_folder, table) = a_table();
    let chain = Chain::load(table.dir()).unwrap();
    let again = commit::write(&info("five"), chain.links[3].address, chain.links[1].data().unwrap());
    write_commit(table.dir(), 4, &again).unwrap();
    assert_eq!(kinds(&table), [ViolationKind::Twice]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_no_commit(bytes in proptest::collection::vec(any::<u8>(), 0..400), version in 0_u64..3) {
        prop_assert!(Commit::decode(version, &bytes).is_err());
    }

    #[test]
    fn hostile_lines_are_no_commit(parts in proptest::collection::vec(hostile(), 0..5), version in 0_u64..3) {
        prop_assert!(Commit::decode(version, parts.join("\n").as_bytes()).is_err());
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_come_back(names in proptest::collection::vec("\\PC{0,12}", 0..40), split in 0_usize..40) {
        let folder = tempfile::tempdir().unwrap();
        let mut table = Table::create(folder.path(), "t", &a_schema(), 0).unwrap();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (one, two) = names.split_at(split.min(names.len()));
        table.append(&[rows(one), rows(two)], info("one")).unwrap();
        prop_assert_eq!(customers(&table.read(None).unwrap()), names);
        prop_assert_eq!(kinds(&table), []);
    }
}

/// Lines that look like Delta's, with parts of the wrong kind, size and depth.
fn hostile() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("-1".to_owned()),
        Just("1e400".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just(r#""WRITE""#.to_owned()),
        Just(r#""CREATE TABLE""#.to_owned()),
        Just(r#""{\"numRecords\":-1}""#.to_owned()),
        Just("[".repeat(10_000)),
        Just(r#"{"a":"#.repeat(10_000)),
        "\\PC{0,20}",
    ];
    let key = prop_oneof![Just("operation"), Just("path"), Just("size"), Just("stats"), Just("timestamp"), Just("schemaString")];
    let action =
        prop_oneof![Just("commitInfo"), Just("add"), Just("remove"), Just("metaData"), Just("protocol"), Just("cdc"), Just("")];
    (action, proptest::collection::vec((key, value), 0..4)).prop_map(|(action, parts)| {
        let parts: Vec<String> = parts.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{\"{action}\":{{{}}}}}", parts.join(","))
    })
}
