//! One case per rule, its passing twin, and texts of any content.

use proptest::prelude::*;

use crate::advisories::{self, Answer};
use crate::{Kind, lockfile, names, requirements, reviews};

const SUM: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const REGISTRY: &str = "registry+https://registry.example/index";

fn lock(source: &str, checksum: &str) -> String {
    format!(
        "version = 4\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n[[package]]\nname = \"alpha\"\nversion = \"1.2.3\"\n{source}\n{checksum}\n"
    )
}

fn lock_kinds(source: &str, checksum: &str) -> Vec<Kind> {
    lockfile::check(&lockfile::parse(&lock(source, checksum)).unwrap(), &[REGISTRY])
        .into_iter()
        .map(|finding| finding.kind)
        .collect()
}

#[test]
fn a_lockfile_pins_every_package_from_outside() {
    let (good, sum) = (format!("source = \"{REGISTRY}\""), format!("checksum = \"{SUM}\""));
    assert_eq!(lock_kinds(&good, &sum), []);
    assert_eq!(lock_kinds(&good, ""), [Kind::ChecksumMissing]);
    assert_eq!(lock_kinds(&good, "checksum = \"12\""), [Kind::ChecksumMalformed]);
    assert_eq!(lock_kinds("source = \"git+https://host.example/a?rev=1#1\"", ""), [Kind::GitSource]);
    assert_eq!(lock_kinds("source = \"registry+https://other.example/index\"", &sum), [Kind::ForeignRegistry]);
    assert_eq!(lock_kinds("", ""), []);
    let twice = format!(
        "{}[[package]]\nname=\"alpha\"\nversion=\"1.2.3\"\n{good}\nchecksum=\"{}\"\n",
        lock(&good, &sum),
        SUM.replace('0', "9")
    );
    assert_eq!(lockfile::check(&lockfile::parse(&twice).unwrap(), &[REGISTRY]).first().unwrap().kind, Kind::Contradiction);
    assert!(
        lockfile::parse("version = 4").is_err()
            && lockfile::parse("version = 9\n[[package]]\nname=\"a\"\nversion=\"1.0.0\"").is_err()
    );
}

fn requirement_kinds(text: &str) -> Vec<Kind> {
    requirements::parse(text).unwrap().1.into_iter().map(|finding| finding.kind).collect()
}

#[test]
fn requirements_need_versions_and_hashes_all_of_them() {
    let hash = format!("--hash=sha256:{SUM}");
    let sound = format!(
        "# comment\nAlpha_One[extra]==1.2.3 ; python_version > '3' \\\n    {hash} \\\n    --hash sha256:{SUM}\n--require-hashes\n"
    );
    let (list, findings) = requirements::parse(&sound).unwrap();
    assert_eq!(findings, []);
    assert_eq!((list[0].name.as_str(), list[0].version.as_deref(), list[0].hashes.len()), ("alpha-one", Some("1.2.3"), 2));
    assert_eq!(requirement_kinds(&format!("a==1 {hash}\nb==2 # {hash}")), [Kind::ChecksumMissing]);
    assert_eq!(requirement_kinds(&format!("a>=1 {hash}")), [Kind::Unpinned]);
    assert_eq!(requirement_kinds(&format!("a==1.* {hash}")), [Kind::Unpinned]);
    assert_eq!(requirement_kinds("a==1 --hash=md5:12"), [Kind::ChecksumMalformed]);
    assert_eq!(requirement_kinds("a @ https://host.example/a.whl"), [Kind::DirectUrl]);
    assert_eq!(requirement_kinds("git+https://host.example/a.git#egg=a"), [Kind::GitSource]);
    assert_eq!(requirement_kinds("./folder\n-e ."), [Kind::LocalPath, Kind::LocalPath]);
    for line in ["--extra-index-url https://other.example", "-ihttps://other.example", "-r more.txt", "--trusted-host=h"] {
        assert_eq!(requirement_kinds(line), [Kind::IndexOption], "{line}");
    }
    assert_eq!(requirement_kinds("--unheard-of"), [Kind::Unread]);
    assert_eq!(requirement_kinds("a $(b)"), [Kind::Unread]);
}

fn review(reviewer: &str, second: &str, checksum: &str, expires: &str) -> String {
    format!(
        "[[review]]\npackage=\"alpha\"\nversion=\"1.2.3\"\nchecksum=\"{checksum}\"\nreviewer=\"{reviewer}\"\n{second}\ndate=\"2026-01-01\"\ncriteria=\"no network\"\nexpires=\"{expires}\"\n"
    )
}

fn review_kinds(text: &str) -> Vec<Kind> {
    let packages = lockfile::parse(&lock(&format!("source = \"{REGISTRY}\""), &format!("checksum = \"{SUM}\""))).unwrap();
    let reviews = reviews::parse(text).unwrap();
    reviews::check(&packages, &reviews, &["alpha"], false, "2026-06-01").into_iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_critical_package_is_read_by_two_people_and_the_bytes_are_those() {
    assert_eq!(review_kinds(&review("ann", "second_reviewer=\"bob\"", SUM, "2027-01-01")), []);
    assert_eq!(review_kinds(""), [Kind::Unreviewed]);
    assert_eq!(review_kinds(&review("ann", "", SUM, "2027-01-01")), [Kind::SecondReviewerMissing]);
    assert_eq!(review_kinds(&review("ann", "second_reviewer=\" Ann\"", SUM, "2027-01-01")), [Kind::SecondReviewerMissing]);
    assert_eq!(
        review_kinds(&review("ann", "second_reviewer=\"bob\"", &SUM.replace('0', "1"), "2027-01-01")),
        [Kind::ReviewedOtherBytes]
    );
    assert_eq!(review_kinds(&review("ann", "second_reviewer=\"bob\"", SUM, "2026-06-01")), [Kind::ReviewExpired]);
    assert!(reviews::parse(&review("ann", "", SUM, "soon")).is_err());
    assert!(reviews::parse(&review("ann", "surprise=1", SUM, "2027-01-01")).is_err());
    let packages = lockfile::parse(&lock(&format!("source = \"{REGISTRY}\""), "")).unwrap();
    assert_eq!(reviews::check(&packages, &[], &[], false, "2026-06-01"), []);
    assert_eq!(reviews::check(&packages, &[], &[], true, "2026-06-01").len(), 1);
}

fn record(body: &str) -> Vec<advisories::Advisory> {
    advisories::parse(&format!(
        "{{\"id\":\"X-1\",\"modified\":\"2026-01-02T03:04:05Z\",\"summary\":\"bad\",{body}\"affected\":[{{\"package\":{{\"ecosystem\":\"rust\",\"name\":\"alpha\"}},\
         \"ranges\":[{{\"type\":\"SEMVER\",\"events\":[{{\"fixed\":\"1.2.3\"}},{{\"introduced\":\"0\"}},{{\"introduced\":\"2.0.0-0\"}},{{\"last_affected\":\"2.1.0\"}}]}}],\
         \"versions\":[\"1.5.0\"]}}]}}"
    ))
    .unwrap()
}

#[test]
fn versions_are_compared_by_precedence() {
    let records = record("");
    for (version, affected) in [
        ("1.2.2", true),
        ("1.2.3", false),
        ("1.2.3-rc.1", true),
        ("1.2.3+build", false),
        ("1.5.0", true),
        ("1.5.0+b", true),
        ("1.9.0", false),
        ("2.0.0-alpha", true),
        ("2.1.0", true),
        ("2.1.1", false),
    ] {
        let found = advisories::check([("alpha", version)], &records, "rust");
        assert_eq!(!found.is_empty(), affected, "{version}");
        assert!(found.iter().all(|finding| finding.kind == Kind::Vulnerable && finding.detail == "X-1: bad"));
    }
    assert_eq!(advisories::check([("alpha", "not a version")], &records, "rust").first().unwrap().kind, Kind::VulnerableUnknown);
    assert_eq!(advisories::check([("alpha", "1.0.0")], &records, "python"), []);
    assert_eq!(advisories::check([("beta", "1.0.0")], &records, "rust"), []);
    assert_eq!(advisories::check([("alpha", "1.0.0")], &record("\"withdrawn\":\"2026-02-01T00:00:00Z\","), "rust"), []);
    let none = advisories::Affected { package: None, ranges: vec![], versions: vec![] };
    assert_eq!(advisories::affects(&none, "1.0.0"), Answer::Unknown);
    assert_eq!(advisories::newest_day(&records), Some("2026-01-02"));
    assert_eq!(advisories::days_between("2024-02-28", "2026-01-02"), Some(674));
    assert_eq!(advisories::days_between("1970-01-01", "2000-03-01"), Some(11_017));
    assert!(advisories::parse("[{\"id\":1}]").is_err());
    assert_eq!(advisories::parse("").unwrap(), []);
}

#[test]
fn names_that_look_like_others_are_named() {
    let known = ["serde", "serde_json", "tokio", "rand", "requests", "python-dateutil", "numpy", "form-urlencoded"];
    let kind = |name: &str| names::check([name], &known).first().map(|finding| finding.kind);
    for fine in ["serde", "Serde-JSON", "hyper", "ran", "dateutil"] {
        assert_eq!(kind(fine), None, "{fine}");
    }
    for (name, expected) in [
        ("sered", Kind::NameNearby),
        ("serd", Kind::NameNearby),
        ("reqeusts", Kind::NameNearby),
        ("numpyy", Kind::NameNearby),
        ("t0kio", Kind::NameHomoglyph),
        ("tоkio", Kind::NameHomoglyph),
        ("forrn-urlencoded", Kind::NameHomoglyph),
        ("dateutil-python", Kind::NameSwapped),
        ("json_serde", Kind::NameSwapped),
    ] {
        assert_eq!(kind(name), Some(expected), "{name}");
    }
    assert!(!names::one_edit("abcd", "abcd") && !names::one_edit("abcd", "badc") && names::one_edit("", "a"));
}

#[test]
fn this_repositorys_lockfile_is_read() {
    let text = include_str!("../../../Cargo.lock");
    let packages = lockfile::parse(text).unwrap();
    let sources: std::collections::BTreeSet<&str> = packages.iter().filter_map(|package| package.source.as_deref()).collect();
    assert_eq!(sources.len(), 1);
    let registries: Vec<&str> = sources.into_iter().collect();
    assert_eq!(lockfile::check(&packages, &registries), []);
    assert!(packages.len() > 100);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,300}", lines in prop::collection::vec("[-a-z=@:/.#\\\\ \\[\\]0-9é]{0,30}", 0..12)) {
        for text in [text.clone(), lines.join("\n")] {
            let _ = lockfile::parse(&text).map(|packages| lockfile::check(&packages, &[]));
            let _ = requirements::parse(&text).unwrap();
            let _ = reviews::parse(&text);
            let _ = advisories::parse(&text);
            let _ = names::check([text.as_str()], &["serde", text.as_str()]);
            let _ = advisories::days_between(&text, "2026-01-01");
            let _ = requirements::normalised(&text);
        }
    }

    #[test]
    fn any_events_are_judged(events in prop::collection::vec(("[0-9.*a-]{0,7}", 0_u8..5), 0..6), version in "[0-9.a-]{0,8}") {
        let events: Vec<String> = events.iter().map(|(text, kind)| {
            let name = ["introduced", "fixed", "last_affected", "limit", "other"][usize::from(*kind)];
            format!("{{\"{name}\":\"{text}\"}}")
        }).collect();
        let text = format!("{{\"id\":\"a\",\"modified\":\"\",\"affected\":[{{\"package\":{{\"ecosystem\":\"r\",\"name\":\"n\"}},\"ranges\":[{{\"type\":\"SEMVER\",\"events\":[{}]}}]}}]}}", events.join(","));
        let records = advisories::parse(&text).unwrap();
        let found = advisories::check([("n", version.as_str())], &records, "r");
        if semver::Version::parse(&version).is_err() {
            prop_assert!(!found.is_empty(), "a version that cannot be read is never clear");
        }
    }

    #[test]
    fn one_edit_is_symmetric_and_found(text in "[a-z]{4,12}", at in 0_usize..12, letter in "[a-z]") {
        let mut other: Vec<char> = text.chars().collect();
        let at = at % other.len();
        other.insert(at, letter.chars().next().unwrap());
        let other: String = other.into_iter().collect();
        prop_assert!(names::one_edit(&text, &other) && names::one_edit(&other, &text));
    }
}
