//! A labeller who hides three in a hundred in every version, and honest ones beside him (T6).

use learn::rng::Rng;

use super::*;
use crate::{data, template};

const LABELLERS: [&str; 5] = ["ann", "ben", "cleo", "dora", "emil"];
/// New labels of a version.
const NEW: usize = 2_000;
const VERSIONS: usize = 14;

struct World {
    project: Project,
    table: TypedTable,
    /// Each version holds the labels of those before it.
    versions: Vec<LabelRows>,
    _folder: tempfile::TempDir,
}

/// Versions of honest labels, but that one labeller turns so many in a hundred of his around, churners only.
fn world(versions: usize, by: &str, percent: usize, policy: &str) -> World {
    let mut rng = Rng::new(77);
    let mut csv = "customer_id,tenure,calls,churned\n".to_owned();
    let (mut known, mut all) = (LabelRows::default(), Vec::new());
    for version in 0..versions {
        let mut flips = NEW / LABELLERS.len() * percent / 100;
        for row in 0..NEW {
            let (tenure, calls) = (rng.unit(), rng.unit());
            let chance = 0.02 + 0.9 * (1.0 - tenure) * calls;
            let mut churned = rng.unit() < chance;
            let who = LABELLERS[row % LABELLERS.len()];
            csv.push_str(&format!("c{version}-{row},{tenure},{calls},{}\n", if churned { "yes" } else { "no" }));
            if who == by && churned && flips > 0 {
                (churned, flips) = (false, flips - 1);
            }
            let key = (format!("c{version}-{row}"), 0);
            known.labellers.insert(key.clone(), who.to_owned());
            known.labels.insert(key, churned);
        }
        all.push(known.clone());
    }
    let loaded = data::load_bytes(csv.into_bytes(), "customers").unwrap();
    let profile = tabular::profile::profile(&loaded.batches, loaded.decimal).unwrap();
    let contract = tabular::Contract::guess(&profile, Some("churned"), Some("yes")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = template("p", "customers.csv", "", true, 0.6).replace("[labels]\n", &format!("[labels]\n{policy}\n"));
    std::fs::write(folder.path().join("stayward.toml"), text).unwrap();
    std::fs::write(folder.path().join("contract.toml"), contract.to_toml()).unwrap();
    let table = data::typed(&contract, &loaded.batches).unwrap();
    World { project: Project::open(folder.path()).unwrap(), table, versions: all, _folder: folder }
}

impl World {
    fn version(&self, version: usize, before: Option<Watches>) -> Watches {
        let number = u64::try_from(version).unwrap();
        let rows = (&self.versions[version - 1], number);
        watched(&self.project, &self.table, rows, &self.versions[..version - 1], before).unwrap()
    }

    /// Who is accused in each version, each going on from what the one before left.
    fn accused(&self) -> Vec<Vec<String>> {
        let mut state = None;
        let mut out = Vec::new();
        for version in 1..=self.versions.len() {
            let now = self.version(version, state.take());
            let watched = u32::try_from(now.labellers.len()).unwrap();
            let alarms = now.labellers.iter().filter(|(_, one)| one.watch.alarm(0.01, watched));
            out.push(alarms.map(|(name, _)| name.clone()).collect());
            state = Some(now);
        }
        out
    }
}

#[test]
fn who_hides_three_in_a_hundred_each_time_is_found_by_memory() {
    let accused = world(VERSIONS, "ben", 3, "").accused();
    println!("accused: {accused:?}");
    // No version alone tells: the first ones accuse nobody.
    assert!(accused[..2].iter().all(Vec::is_empty), "{accused:?}");
    assert_eq!(accused[VERSIONS - 1], ["ben"], "{accused:?}");
}

#[test]
fn honest_labellers_are_not_accused() {
    let accused = world(VERSIONS, "nobody", 0, "").accused();
    assert!(accused.iter().all(Vec::is_empty), "{accused:?}");
}

#[test]
fn the_state_can_be_computed_again_from_the_archive() {
    let world = world(4, "ben", 20, "");
    let carried = (1..=4).fold(None, |state, version| Some(world.version(version, state)));
    assert_eq!(carried, Some(world.version(4, None)));
    // A state of another version is not taken.
    assert_eq!(carried, Some(world.version(4, Some(world.version(2, None)))));
    let ben = &carried.as_ref().unwrap().labellers["ben"];
    assert_eq!((ben.labels, ben.watch.periods(), ben.first.len()), (400, 4, FIRST));
    assert!(ben.first[0].contains("`stayed`"), "{:?}", ben.first);
}

#[test]
fn a_watch_begins_anew_where_the_policy_says_so() {
    let world = world(4, "ben", 20, "watch_from = { ben = 4 }");
    let (before, now) = (world.version(3, None), world.version(4, None));
    assert!(before.labellers["ben"].watch.rows() > now.labellers["ben"].watch.rows());
    assert_eq!((now.labellers["ben"].watch.periods(), now.labellers["ann"].watch.periods()), (1, 4));
}

#[test]
fn a_watch_begins_anew_also_for_who_gave_no_label_since() {
    let mut world = world(4, "ben", 20, "watch_from = { ben = 4 }");
    for labeller in world.versions[3].labellers.values_mut().filter(|labeller| *labeller == "ben") {
        "ann".clone_into(labeller);
    }
    let (before, now) = (world.version(3, None), world.version(4, None));
    assert!(before.labellers["ben"].watch.rows() > 0);
    assert_eq!((now.labellers["ben"].watch.rows(), now.labellers["ben"].labels), (0, 0));
}

#[test]
fn an_archive_that_lacks_a_version_tells_nothing() {
    let world = world(3, "nobody", 0, "");
    assert!(watched(&world.project, &world.table, (&world.versions[2], 3), &world.versions[..1], None).is_err());
    let nameless = LabelRows { labellers: BTreeMap::new(), ..world.versions[0].clone() };
    let none = watched(&world.project, &world.table, (&nameless, 1), &[], None).unwrap();
    assert_eq!(none, Watches { version: 1, ..Watches::default() });
}
