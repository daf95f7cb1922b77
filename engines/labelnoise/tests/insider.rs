//! An insider turns labels of generated customers around, and rankings, tests and watches must find what he did (T6); labels that cannot
//! be judged must say so.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use frame::{Categories, Column, Frame};
use labelnoise::residual::{Pattern, group_tests};
use labelnoise::{Belief, BeliefSpec, Judge, LabelError, Labels, Reason, Watch, out_of_fold, rank, scores, without_labeller};
use learn::calibrate::logistic;
use learn::rng::Rng;
use learn::{BoosterSpec, LearnError};

/// Customers with two numbers that have holes and a plan, and labels that follow them closely; about a third churn.
fn generated(rows: usize, seed: u64) -> (Frame, Vec<bool>) {
    let mut rng = Rng::new(seed);
    let (mut tenure, mut spend, mut plan, mut labels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let months = (rng.unit() * 60.0).floor();
        let money = 10.0 + 90.0 * rng.unit();
        let kind = ["monthly", "yearly", "trial"][rng.below(3)];
        let odds = 4.0 - months / 5.0 + if kind == "monthly" { 2.5 } else { -1.0 } + (money - 55.0) / 20.0;
        labels.push(rng.unit() < logistic(odds));
        tenure.push(if rng.unit() < 0.03 { f64::NAN } else { months });
        spend.push(money);
        plan.push(Some(kind).filter(|_| rng.unit() >= 0.02));
    }
    let mut frame = Frame::new(rows);
    frame.push("tenure", Column::Number(tenure)).unwrap();
    frame.push("plan", Column::Category(Categories::from_texts(plan))).unwrap();
    frame.push("spend", Column::Number(spend)).unwrap();
    (frame, labels)
}

fn spec() -> BeliefSpec {
    let booster = BoosterSpec { trees: 40, learning_rate: 0.15, depth: 3, ..BoosterSpec::default() };
    BeliefSpec { booster, deals: 1, seed: 4, ..BeliefSpec::default() }
}

/// Turns a share of the labels that may be turned; which rows.
fn turn(labels: &mut [bool], wanted: usize, may: impl Fn(bool) -> bool) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..labels.len()).filter(|row| may(labels[*row])).collect();
    Rng::new(99).shuffle(&mut rows);
    rows.truncate(wanted);
    rows.iter().for_each(|row| labels[*row] = !labels[*row]);
    rows
}

/// The share of turned labels among as many first rows, and the estimated shares of hidden and invented ones.
fn found(may: impl Fn(bool) -> bool) -> (f64, f64, f64) {
    let (frame, mut labels) = generated(2_000, 1);
    let turned = turn(&mut labels, 100, may);
    let ranking = rank(&labels, &out_of_fold(&frame, &labels, &spec()).unwrap(), None).unwrap();
    let mut rows: Vec<usize> = ranking.suspects.iter().map(|suspect| suspect.row).collect();
    let hits = rows.iter().take(100).filter(|row| turned.contains(row)).count();
    assert!(ranking.suspects.windows(2).all(|pair| pair[0].wrong >= pair[1].wrong && pair[0].rank + 1 == pair[1].rank));
    rows.sort_unstable();
    assert!(rows.into_iter().eq(0..2_000));
    (hits as f64 / 100.0, ranking.turned.hidden, ranking.turned.invented)
}

#[test]
fn labels_that_are_wrong_at_random_come_first() {
    let (precision, hidden, invented) = found(|_| true);
    assert!(precision > 0.5, "{precision}");
    assert!(hidden < 0.15 && (0.01..0.1).contains(&invented), "{hidden} {invented}");
}
#[test]
fn hidden_churners_come_first() {
    let (precision, hidden, invented) = found(|churned| churned);
    assert!(precision > 0.5, "{precision}");
    assert!((0.05..0.3).contains(&hidden) && invented < 0.03, "{hidden} {invented}");
}
#[test]
fn invented_churners_come_first() {
    let (precision, hidden, invented) = found(|churned| !churned);
    assert!(precision > 0.5, "{precision}");
    assert!(hidden < 0.08 && (0.03..0.15).contains(&invented), "{hidden} {invented}");
}

#[test]
fn reasons_and_a_golden_set() {
    let (frame, mut labels) = generated(1_500, 2);
    let (golden_rows, golden_labels) = generated(600, 3);
    let turned = turn(&mut labels, 75, |_| true);
    let beliefs = out_of_fold(&frame, &labels, &spec()).unwrap();
    let golden = Judge::fit(&golden_rows, &golden_labels, &spec().booster, 1).unwrap().beliefs(&frame).unwrap();
    let ranking = rank(&labels, &beliefs, Some(&golden)).unwrap();
    let hits = ranking.suspects.iter().take(75).filter(|suspect| turned.contains(&suspect.row)).count();
    assert!(hits > 40, "{hits}");
    let first = &ranking.suspects[0];
    assert!(first.reasons.contains(&Reason::Golden) && first.reasons.contains(&Reason::Margin), "{first:?}");
    assert!(first.believed != first.label && first.wrong > 0.5 && (first.chance > 0.5) == first.believed, "{first:?}");
    assert!(ranking.suspects[1_499].reasons.is_empty());
    assert!(rank(&labels, &beliefs, None).unwrap().suspects.iter().all(|suspect| !suspect.reasons.contains(&Reason::Golden)));
    assert!(scores(Reason::Golden, &labels, &beliefs, None).is_empty());
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (frame, labels) = generated(500, 5);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| rank(&labels, &out_of_fold(&frame, &labels, &spec()).unwrap(), None).unwrap())
    };
    assert_eq!(on(1), on(3));
}

/// 3,000 rows of eight labellers, of whom the third turns labels of a kind.
fn labelled(share: f64) -> (Frame, Vec<bool>, Vec<Option<u32>>) {
    let (frame, mut labels) = generated(3_000, 6);
    let labellers: Vec<Option<u32>> = (0..3_000).map(|row| if row % 9 == 8 { None } else { Some(row % 9) }).collect();
    let mut rng = Rng::new(7);
    for (label, labeller) in labels.iter_mut().zip(&labellers) {
        if *label && *labeller == Some(2) && rng.unit() < share {
            *label = false;
        }
    }
    (frame, labels, labellers)
}

#[test]
fn a_labeller_who_hides_churners_is_named_and_nobody_else() {
    let (frame, labels, labellers) = labelled(0.35);
    let beliefs = without_labeller(&frame, &labels, &labellers, &spec()).unwrap();
    let chances: Vec<f64> = beliefs.iter().map(|belief| belief.chance).collect();
    let tests = group_tests(&chances, &labels, &labellers).unwrap();
    assert_eq!((tests[0].group, tests[0].pattern), (2, Pattern::Hidden));
    assert!(tests[0].p_value < 0.01 && tests[1].p_value > 0.01, "{tests:?}");
    assert_eq!(tests.len(), 8);
    let watched = |labeller: u32| {
        let mut watch = Watch::default();
        for week in 0..10 {
            let rows = week * 300..(week + 1) * 300;
            let pick = |own: bool| -> (Vec<f64>, Vec<bool>) {
                rows.clone()
                    .filter(|row| (labellers[*row] == Some(labeller)) == own)
                    .map(|row| (chances[row], labels[row]))
                    .unzip()
            };
            let (own, others) = (pick(true), pick(false));
            let (own, others) = (Labels { chances: &own.0, labels: &own.1 }, Labels { chances: &others.0, labels: &others.1 });
            watch.period(own, others).unwrap();
        }
        watch.alarm(0.01, 8)
    };
    assert_eq!((0..8).filter(|labeller| watched(*labeller)).collect::<Vec<u32>>(), [2]);
}

#[test]
fn a_labeller_is_judged_by_a_model_of_the_others_alone() {
    let (frame, labels, labellers) = labelled(0.0);
    let before = without_labeller(&frame, &labels, &labellers, &spec()).unwrap();
    // Whatever he says, the model that judges him says the same.
    let said: Vec<bool> = labels.iter().zip(&labellers).map(|(label, labeller)| *label || *labeller == Some(5)).collect();
    let after = without_labeller(&frame, &said, &labellers, &spec()).unwrap();
    let of = |beliefs: &[Belief], labeller| -> Vec<Belief> {
        beliefs.iter().zip(&labellers).filter(|(_, own)| **own == labeller).map(|(belief, _)| *belief).collect()
    };
    assert_eq!(of(&before, Some(5)), of(&after, Some(5)));
    assert_ne!(of(&before, Some(4)), of(&after, Some(4)));
}

#[test]
fn what_cannot_be_judged_says_so() {
    let (frame, labels) = generated(200, 8);
    let one_class = out_of_fold(&frame, &[true; 200], &spec());
    assert!(matches!(one_class, Err(LabelError::Learn(LearnError::OneClass { .. }))));
    assert!(matches!(Judge::fit(&frame, &[false; 200], &spec().booster, 1), Err(LabelError::Learn(LearnError::OneClass { .. }))));
    assert_eq!(
        out_of_fold(&frame, &labels[1..], &spec()).err(),
        Some(LabelError::Count { what: "labels", expected: 200, seen: 199 })
    );
    assert!(matches!(out_of_fold(&frame, &labels, &BeliefSpec { deals: 0, ..spec() }), Err(LabelError::Setting { .. })));
    let alone = without_labeller(&frame, &labels, &[Some(1); 200], &spec());
    assert_eq!(alone, Err(LabelError::Labellers(1)));
    assert!(out_of_fold(&frame.take(&[0, 1, 2]), &[true, false, true], &spec()).is_err());
    assert!(out_of_fold(&Frame::new(0), &[], &spec()).is_err());
    let wrong = vec![Belief { chance: 0.5, margin: f64::NAN }; 200];
    assert_eq!(rank(&labels, &wrong, None), Err(LabelError::Chance(0)));
    assert!(rank(&labels, &wrong[1..], None).is_err());
    assert!(rank(&[], &[], None).unwrap().suspects.is_empty());
}

#[test]
fn rows_without_any_value_are_ranked_by_nothing() {
    let mut empty = Frame::new(100);
    empty.push("x", Column::Number(vec![f64::NAN; 100])).unwrap();
    let labels: Vec<bool> = (0..100).map(|row| row % 3 == 0).collect();
    // Equal rows stand together in a fold, and then no fold has both classes.
    assert!(out_of_fold(&empty, &labels, &spec()).is_err());
    let some = vec![Belief { chance: 0.33, margin: -0.7 }; 100];
    let ranking = rank(&labels, &some, None).unwrap();
    assert!(ranking.suspects.iter().all(|suspect| (0.0..=1.0).contains(&suspect.wrong)));
}
