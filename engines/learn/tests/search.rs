//! A search is the same on any number of threads, finds better settings where there are any, and touches no row outside its folds
//! (T4).

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod common;

use common::{generated, small};
use learn::search::{Budget, Objective, SearchSpec, Searched, Space, Span, Trial, Watch, search};
use learn::{BoosterSpec, Fold, ForestSpec, LearnError, Split, TrainSpec};

/// A clock that ticks once a look, and a count of what was told.
#[derive(Default)]
struct Looks {
    seconds: f64,
    left: Vec<usize>,
}

impl Watch for Looks {
    fn seconds(&mut self) -> f64 {
        self.seconds += 1.0;
        self.seconds
    }

    fn ran(&mut self, _: &Trial, left: usize) {
        self.left.push(left);
    }
}

/// A base that learns far too slowly, and a space in which it may be quicker.
fn spec() -> SearchSpec {
    let base = TrainSpec {
        booster: BoosterSpec { trees: 10, learning_rate: 0.001, ..BoosterSpec::default() },
        forest: ForestSpec { trees: 10, min_leaf: 200, ..ForestSpec::default() },
        ..small()
    };
    let space = Space {
        trees: None,
        learning_rate: Some(Span::Log(0.01, 0.3)),
        min_leaf: Some(Span::Log(2.0, 50.0)),
        ..Space::default()
    };
    SearchSpec { trials: 6, rungs: 2, base, space, ..SearchSpec::default() }
}

fn folds(frame: &frame::Frame, labels: &[bool]) -> Vec<Fold> {
    Split::Stratified { folds: 2, seed: 1 }.folds(frame, labels).unwrap()
}

fn run(spec: &SearchSpec) -> Searched {
    let (frame, labels) = generated(900, 1);
    search(&frame, &labels, &folds(&frame, &labels), spec, &mut Looks::default()).unwrap()
}

#[test]
fn better_settings_are_found_and_all_trials_kept() {
    let (frame, labels) = generated(900, 1);
    let mut looks = Looks::default();
    let found = search(&frame, &labels, &folds(&frame, &labels), &spec(), &mut looks).unwrap();
    assert!(found.best_mean < found.base_mean - 0.03, "{} {}", found.best_mean, found.base_mean);
    assert!(found.best_trial > 0 && found.best.booster.learning_rate > 0.009);
    // Six on the first rung; two of them and, where it is not one of these, the base on the last.
    let per_rung = |rung: u32| found.trials.iter().filter(|trial| trial.rung == rung).count();
    assert!(per_rung(0) == 6 && (2..=3).contains(&per_rung(1)));
    assert!(found.trials.iter().all(|trial| trial.scores.len() == 2 && trial.seconds > 0.0));
    assert_eq!(looks.left.len(), found.trials.len());
    let rows = |rung: u32| found.trials.iter().find(|trial| trial.rung == rung).unwrap().rows;
    assert!(rows(0) * 2 < rows(1) && rows(1) == 450, "{} {}", rows(0), rows(1));
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Searched>(&text).unwrap(), found);
}

#[test]
fn a_search_does_not_depend_on_threads_or_clocks() {
    let spec = SearchSpec { trials: 3, objective: Objective::Auc, budget: Budget::Trees, ..spec() };
    let on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| run(&spec));
    let (one, three) = (on(1), on(3));
    assert_eq!(one.record().unwrap(), three.record().unwrap());
    let mut slow = three.clone();
    slow.trials[0].seconds = 1e9;
    assert_eq!(slow.record().unwrap(), three.record().unwrap());
    assert_ne!(run(&SearchSpec { seed: 5, ..spec }).record().unwrap(), one.record().unwrap());
    assert!(one.best_mean >= one.base_mean);
}

#[test]
fn rows_outside_the_folds_do_not_count() {
    let (frame, labels) = generated(900, 1);
    let folds = vec![Fold { train: (0..400).collect(), test: (400..600).collect() }];
    let spec = SearchSpec { trials: 2, ..spec() };
    let found = search(&frame, &labels, &folds, &spec, &mut Looks::default()).unwrap();
    let turned: Vec<bool> = labels.iter().enumerate().map(|(row, label)| *label != (row >= 600)).collect();
    let again = search(&frame, &turned, &folds, &spec, &mut Looks::default()).unwrap();
    assert_eq!(found, again);
}

#[test]
fn folds_that_leak_are_refused() {
    let (frame, labels) = generated(300, 1);
    let refused = |train: Vec<usize>, test: Vec<usize>| {
        search(&frame, &labels, &[Fold { train, test }], &spec(), &mut Looks::default()).unwrap_err()
    };
    assert!(matches!(refused((0..200).collect(), (199..300).collect()), LearnError::Setting { name: "folds", .. }));
    assert!(matches!(refused((0..200).collect(), (200..301).collect()), LearnError::Count { .. }));
    let negatives = (200..300).filter(|&row| !labels[row]).collect();
    assert!(matches!(refused((0..200).collect(), negatives), LearnError::OneClass { .. }));
    assert!(matches!(search(&frame, &labels, &[], &spec(), &mut Looks::default()), Err(LearnError::Size { .. })));
}
