//! Label sets and intervals keep their promise on votes of real models, by the way a caller takes: votes out of folds, then rows that
//! came later (T5).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops at what it does not expect, and prints its figures")]

mod common;
#[path = "common/data.rs"]
mod data;

use common::{generated, small};
use frame::Frame;
use learn::conformal::{Conformal, Interval, LEVELS, LabelSet};
use learn::{Ensemble, Split, TrainSpec, Weights, cross_validate};

/// What was measured of later rows.
struct Found {
    /// Level, and the share of either label's rows that their sets missed.
    missed: Vec<(f64, [f64; 2])>,
    /// Level, and the share of sets with one label.
    single: Vec<f64>,
    /// Mean lower end, share of positives, mean upper end.
    ends: (f64, f64, f64),
}

fn measured(frame: &Frame, labels: &[bool], later: usize, spec: &TrainSpec) -> (Found, Ensemble) {
    let (known, unseen): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| row % later != 0);
    let part = |rows: &[usize]| (frame.take(rows), rows.iter().map(|&row| labels[row]).collect::<Vec<bool>>());
    let ((train, known), (test, truth)) = (part(&known), part(&unseen));
    let folds = cross_validate(&train, &known, spec, &Split::Stratified { folds: 5, seed: 3 }).unwrap();
    let (votes, of): (Vec<f64>, Vec<bool>) = folds.out_of_fold.iter().map(|row| (row.scores.vote, row.label)).unzip();
    let model = Ensemble::fit(&train, &known, spec).unwrap().with_conformal(Conformal::fit(&votes, &of, &LEVELS).unwrap());
    let conformal = model.conformal().unwrap();
    let votes: Vec<f64> = model.predict(&test).unwrap().iter().map(|scores| scores.vote).collect();
    let share = |class: bool, wrong: &dyn Fn(f64) -> bool| {
        let rows: Vec<f64> = votes.iter().zip(&truth).filter(|(_, label)| **label == class).map(|(vote, _)| *vote).collect();
        rows.iter().filter(|vote| wrong(**vote)).count() as f64 / rows.len() as f64
    };
    let mut found = Found { missed: Vec::new(), single: Vec::new(), ends: (0.0, 0.0, 0.0) };
    for miss in LEVELS {
        let set = |vote: f64| conformal.label_set(vote, miss).unwrap();
        let missed = [
            share(false, &|vote| matches!(set(vote), LabelSet::Positive | LabelSet::Neither)),
            share(true, &|vote| matches!(set(vote), LabelSet::Negative | LabelSet::Neither)),
        ];
        let single = votes.iter().filter(|vote| matches!(set(**vote), LabelSet::Positive | LabelSet::Negative)).count();
        found.missed.push((miss, missed));
        found.single.push(single as f64 / votes.len() as f64);
    }
    let intervals: Vec<Interval> = votes.iter().map(|&vote| conformal.interval(vote)).collect();
    let mean = |value: &dyn Fn(usize) -> f64| (0..votes.len()).map(value).sum::<f64>() / votes.len() as f64;
    found.ends =
        (mean(&|row| intervals[row].low), mean(&|row| f64::from(u8::from(truth[row]))), mean(&|row| intervals[row].high));
    (found, model)
}

fn check(name: &str, found: &Found, rows: usize) {
    println!("{name}: missed {:?}, single {:?}, ends {:?}", found.missed, found.single, found.ends);
    for (miss, shares) in &found.missed {
        for share in shares {
            // Three standard errors of so many rows of a class, measured and tested.
            let noise = 3.0 * (2.0 * miss * (1.0 - miss) / rows as f64).sqrt();
            assert!(*share <= miss + noise && *share >= miss - noise - 0.03, "{name}: {share} missed where {miss} may be");
        }
    }
    let (low, happened, high) = found.ends;
    let noise = 3.0 * (happened * (1.0 - happened) * 1.0 / rows as f64).sqrt();
    assert!(low - noise <= happened && happened <= high + noise && high - low < 0.1, "{name}: {low} {happened} {high}");
    assert!(found.single.windows(2).all(|pair| pair[0] >= pair[1]) && found.single[0] > 0.3);
}

#[test]
fn generated_rows_are_covered() {
    let (frame, labels) = generated(6_000, 1);
    let (found, model) = measured(&frame, &labels, 2, &small());
    check("generated", &found, 1_000);
    let files = model.to_files().unwrap();
    let again = Ensemble::from_files(&files).unwrap();
    assert_eq!(again.conformal(), model.conformal());
    assert_eq!(again.to_files().unwrap(), files);
    let manifest = &files[learn::modelfile::MANIFEST_FILE];
    assert!(manifest.len() < 200_000, "{}", manifest.len());
    let text = String::from_utf8(manifest.clone()).unwrap();
    for (from, to) in [("\"miss\": 0.2,", "\"miss\": 1.2,"), ("\"from\": -885,", "\"from\": 885,"), ("\"bands\"", "\"bonds\"")] {
        assert!(text.contains(from), "{from}");
        let mut changed = files.clone();
        changed.insert(learn::modelfile::MANIFEST_FILE.to_owned(), text.replacen(from, to, 1).into_bytes());
        assert!(Ensemble::from_files(&changed).is_err(), "{from} -> {to}");
    }
}

#[test]
fn customers_of_telco_are_covered() {
    let Some(table) = data::table("telco_ibm.csv") else { return };
    let (frame, labels) = data::rows(&table, &["customerID"], "Churn");
    let spec = TrainSpec { weights: Weights::Stacked, inner_folds: 2, ..small() };
    let spec = TrainSpec { svm: learn::SvmSpec { platt_folds: 2, ..spec.svm.clone() }, ..spec };
    check("telco", &measured(&frame, &labels, 2, &spec).0, 900);
}
