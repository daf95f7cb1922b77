//! The audit finds planted leaks and none where there is none, and does not depend on threads (T2): an auditor that says "safe" of
//! everything is worse than none.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod common;

use common::people;
use leak::{Attack, AttributeSpec, AuditSpec, LeakError, Panel, Rate, Sensitive, Settings, attribute, audit, judge, signals};
use learn::rng::Rng;
use learn::{BoosterSpec, Distil, ForestSpec, Kernel, Member, SvmSpec, TrainSpec};

/// Scores of 24 models that give people whom they hold `more` log odds of the truth, beside chance.
fn planted(rows: usize, more: f64, seed: u64) -> Panel {
    let mut rng = Rng::new(seed);
    let models = 24;
    let labels: Vec<bool> = (0..rows).map(|_| rng.unit() < 0.3).collect();
    let easy: Vec<f64> = (0..rows).map(|_| rng.unit() * 4.0 - 1.0).collect();
    let (mut scores, mut trained) = (Vec::new(), Vec::new());
    for _ in 0..models {
        for (label, easy) in labels.iter().zip(&easy) {
            let held = rng.bits() >> 63 == 1;
            // The sum of four draws is near enough to a Gaussian.
            let noise: f64 = (0..4).map(|_| rng.unit() - 0.5).sum();
            let odds = easy + 0.3 * noise + if held { more } else { 0.0 };
            let sure = learn::calibrate::logistic(odds);
            scores.push(if *label { sure } else { 1.0 - sure });
            trained.push(held);
        }
    }
    Panel::new(scores, trained, labels).unwrap()
}

fn worst(panel: &Panel) -> (Attack, Rate) {
    judge(panel, &(0..8).collect::<Vec<_>>(), &Settings::default()).unwrap().worst(0.001).unwrap()
}

#[test]
fn a_planted_leak_is_found() {
    let (attack, rate) = worst(&planted(3_000, 4.0, 1));
    assert!(rate.tpr().unwrap() > 0.98, "{attack:?} {rate:?}");
    // LiRA and RMIA each find it; the loss of one model, which does not know who is easy, finds little.
    let leak = judge(&planted(3_000, 0.6, 1), &(0..8).collect::<Vec<_>>(), &Settings::default()).unwrap();
    let tpr = |attack| leak.attacks[&attack].rates[0].tpr().unwrap();
    for attack in [Attack::Lira, Attack::LiraRow, Attack::LiraFixed, Attack::RmiaOnline, Attack::RmiaOffline] {
        assert!(tpr(attack) > 0.3 && tpr(attack) > 3.0 * tpr(Attack::Loss), "{attack:?} {}", tpr(attack));
    }
}

#[test]
fn where_nothing_leaks_every_attack_is_chance() {
    let leak = judge(&planted(4_000, 0.0, 2), &(0..8).collect::<Vec<_>>(), &Settings::default()).unwrap();
    for (attack, figures) in &leak.attacks {
        let Rate::Measured { tpr, low, high } = figures.rates[0] else { panic!("{attack:?}") };
        // The interval leaves out the chance in the threshold itself: 16 alarms know it to about a quarter.
        assert!(low < 0.0014 && high > 0.0006 && tpr < 0.003, "{attack:?}: {tpr} [{low}, {high}]");
        assert!((figures.auc - 0.5).abs() < 0.02, "{attack:?}: {}", figures.auc);
    }
}

#[test]
fn the_more_is_leaked_the_more_is_found() {
    let found: Vec<f64> = [0.0, 0.15, 0.3, 0.6, 1.0].map(|more| worst(&planted(3_000, more, 3)).1.tpr().unwrap()).to_vec();
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
}

#[test]
fn labels_alone_tell_what_they_can() {
    // Models that are right of exactly the people whom they hold.
    let mut rng = Rng::new(4);
    let (rows, models) = (1_500, 16);
    let trained: Vec<bool> = (0..rows * models).map(|_| rng.bits() >> 63 == 1).collect();
    let scores = trained.iter().map(|&held| if held { 0.9 } else { 0.1 }).collect();
    let panel = Panel::new(scores, trained, vec![true; rows]).unwrap();
    let leak = judge(&panel, &(0..16).collect::<Vec<_>>(), &Settings::default()).unwrap();
    assert!(leak.attacks[&Attack::LabelOnly].rates[0].tpr().unwrap() > 0.99);
}

/// A forest of full trees, alone.
fn overfitted() -> TrainSpec {
    TrainSpec { forest: ForestSpec { trees: 60, min_leaf: 1, ..ForestSpec::default() }, ..TrainSpec::default() }
}

fn small(member: Member) -> AuditSpec {
    AuditSpec { models: 32, targets: 16, seed: 5, member: Some(member) }
}

#[test]
fn an_overfitted_forest_leaks_and_a_stump_does_not() {
    let (frame, labels) = people(1_300, 1);
    let mut calls = Vec::new();
    let full = audit(&frame, &labels, &overfitted(), &small(Member::Forest), &mut |done| calls.push(done.models)).unwrap();
    let leak = &full.members[&Member::Forest];
    let (_, rate) = leak.worst(0.001).unwrap();
    assert!(rate.tpr().unwrap() > 0.03 && leak.auc() > 0.7, "{leak:?}");
    assert!(calls.last() == Some(&32) && calls.windows(2).all(|pair| pair[0] < pair[1]), "{calls:?}");
    let stump = TrainSpec {
        forest: ForestSpec { trees: 60, min_leaf: 100, depth_max: 2, subsample: 0.5, ..ForestSpec::default() },
        ..TrainSpec::default()
    };
    let shallow = audit(&frame, &labels, &stump, &small(Member::Forest), &mut |_| ()).unwrap();
    assert!(shallow.high(0.001) < rate.tpr().unwrap() / 3.0, "{shallow:?}");
    assert!(shallow.members[&Member::Forest].auc() < 0.6);
}

#[test]
fn a_forest_that_learns_from_teachers_remembers_less() {
    let (frame, labels) = people(1_300, 1);
    let spec = |distil| TrainSpec {
        booster: BoosterSpec { trees: 2, ..BoosterSpec::default() },
        forest: ForestSpec { trees: 30, min_leaf: 4, ..ForestSpec::default() },
        svm: SvmSpec { kernel: Kernel::Linear, ..SvmSpec::default() },
        distil,
        ..TrainSpec::default()
    };
    let teacher = BoosterSpec { trees: 30, depth: 3, bins: 32, ..BoosterSpec::default() };
    let taught = spec(Some(Distil { folds: 3, copies: 3, teacher }));
    let auc = |spec: &TrainSpec| {
        let found = audit(&frame, &labels, spec, &small(Member::Forest), &mut |_| ()).unwrap();
        found.members[&Member::Forest].auc()
    };
    let (own, taught) = (auc(&spec(None)), auc(&taught));
    assert!(own - 0.5 > 1.5 * (taught - 0.5), "{own} {taught}");
}

#[test]
fn the_audit_is_the_same_on_one_thread_and_on_four() {
    let (frame, labels) = people(300, 2);
    let spec = TrainSpec {
        booster: BoosterSpec { trees: 10, ..BoosterSpec::default() },
        forest: ForestSpec { trees: 10, ..ForestSpec::default() },
        svm: SvmSpec { kernel: Kernel::Linear, ..SvmSpec::default() },
        ..TrainSpec::default()
    };
    let asked = AuditSpec { models: 8, targets: 4, seed: 6, member: None };
    let hidden = Sensitive { column: "sex".to_owned(), level: "f".to_owned() };
    let text = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let found = audit(&frame, &labels, &spec, &asked, &mut |_| ()).unwrap();
            assert_eq!(found.members.len(), 4);
            let asked = AttributeSpec { sensitive: hidden.clone(), repeats: 2, seed: 1, member: Member::Vote };
            let told = attribute(&frame, &labels, &spec, &asked).unwrap();
            serde_json::to_string(&(found, told)).unwrap()
        })
    };
    let one = text(1);
    assert_eq!(one, text(4));
    // 600 non-members: enough for neither rate.
    assert!(one.contains("not-measurable") && !one.contains("\"measured\""), "{one}");
}

#[test]
fn a_forest_that_remembers_tells_a_hidden_attribute_of_its_members() {
    let (frame, labels) = people(900, 3);
    let hidden = Sensitive { column: "sex".to_owned(), level: "f".to_owned() };
    let gain = |spec: &TrainSpec| {
        let asked = AttributeSpec { sensitive: hidden.clone(), repeats: 4, seed: 7, member: Member::Forest };
        attribute(&frame, &labels, spec, &asked).unwrap()
    };
    // The rest of the specification is cheap, for the whole ensemble is trained.
    let cheap = |forest: ForestSpec| TrainSpec {
        booster: BoosterSpec { trees: 2, ..BoosterSpec::default() },
        svm: SvmSpec { kernel: Kernel::Linear, ..SvmSpec::default() },
        forest,
        ..TrainSpec::default()
    };
    let full = gain(&cheap(overfitted().forest));
    assert!(full.members.mean > 0.03 && full.members.mean > full.others.mean + 0.03, "{full:?}");
    let flat = gain(&cheap(ForestSpec { trees: 40, min_leaf: 60, depth_max: 3, subsample: 0.5, ..ForestSpec::default() }));
    assert!(flat.members.mean < full.members.mean / 2.0, "{flat:?}");
}

#[test]
fn wrong_questions_are_refused() {
    let (frame, labels) = people(60, 4);
    let spec = TrainSpec::default();
    let ask = |models, targets| {
        let asked = AuditSpec { models, targets, ..small(Member::Forest) };
        audit(&frame, &labels, &spec, &asked, &mut |_| ())
    };
    assert!(matches!(ask(4, 2), Err(LeakError::Setting { name: "models", .. })));
    assert!(matches!(ask(8, 9), Err(LeakError::Setting { name: "targets", .. })));
    assert!(matches!(audit(&frame, &labels[1..], &spec, &small(Member::Forest), &mut |_| ()), Err(LeakError::Count { .. })));
    assert!(matches!(Panel::new(vec![0.5, f64::NAN], vec![true, false], vec![true]), Err(LeakError::Score { .. })));
    assert!(matches!(Panel::new(vec![0.5; 3], vec![true; 3], vec![true; 2]), Err(LeakError::Count { .. })));
    let panel = planted(100, 0.0, 1);
    assert!(matches!(signals(&panel, 24, Attack::Loss, &Settings::default()), Err(LeakError::Count { .. })));
    let wrong = Settings { gamma: f64::NAN, ..Settings::default() };
    assert!(matches!(judge(&panel, &[0], &wrong), Err(LeakError::Setting { name: "gamma", .. })));
    for (column, level) in [("nothing", "f"), ("sex", "x"), ("number0", "1")] {
        let sensitive = Sensitive { column: column.to_owned(), level: level.to_owned() };
        let asked = AttributeSpec { sensitive, repeats: 2, seed: 1, member: Member::Vote };
        assert!(matches!(attribute(&frame, &labels, &spec, &asked), Err(LeakError::Sensitive { .. })), "{column}");
    }
}
