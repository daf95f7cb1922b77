//! A support vector machine that an outsider cannot easily push across its boundary (T5: adversarial training of all three members).
//!
//! Two means. What he can move counts for less: its spread in the space of the kernel is made smaller, and with it the steepest slope
//! that the machine can have there (a Gaussian machine's decision changes with a column by at most its spread's share). And he is
//! met in training: rows are moved against their own label to the worst corner of their box that the slope of the machine shows, the
//! machine is fitted to them there, and again, as long as held-out rows withstand him better (Goodfellow, Shlens and Szegedy 2015;
//! Madry and others 2018, for kernels; a linear machine's margin less its worst move is that of Xu, Caramanis and Mannor 2009).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::augment::held_out;
use super::reach::Reach;
use crate::error::{LearnError, in_range};
use crate::metrics::roc_auc;
use crate::preprocess::{ColumnKind, Matrix, Preprocess};
use crate::rng::{Rng, derive};
use crate::spec::SvmSpec;
use crate::svm::Svm;

/// Most rounds of moved rows.
pub const ROUNDS_MAX: u32 = 10;
/// The uses of the machine's seed.
const SEED_HELD: u64 = 0xB5;
const SEED_STAY: u64 = 0xB6;
const SEED_TAKE: u64 = 0xB7;
const SEED_FIT: u64 = 0xB8;
/// Rounds without a gain after which it ends.
const PATIENCE: u32 = 3;
/// How often a row looks for a worse corner, from the last one on.
const CLIMBS: usize = 3;
/// Folds of machines that are only compared with each other.
const FOLDS_COMPARED: u32 = 1;
/// Least spread.
const SPREAD_MIN: f64 = 1e-3;

/// What an outsider can do, and how the machine reckons with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RobustSvm {
    /// How far an outsider moves a column: share of the range of its training values, as delivered, 0 to 1.
    pub eps: f64,
    /// Columns that an outsider can move. Categories only count for less: in the rounds their levels stay.
    pub columns: Vec<String>,
    /// Share of the rows that stay where they are in all rounds, 0 to 1.
    pub clean: f64,
    /// How much the named columns count: their spread after scaling, 0.001 to 1, others' is 1.
    pub spread: f64,
    /// Most rounds in which rows are moved and learned again, 0 to [`ROUNDS_MAX`].
    pub rounds: u32,
}

impl Default for RobustSvm {
    fn default() -> Self {
        Self { eps: 0.1, columns: Vec::new(), clean: 0.5, spread: 1.0, rounds: 6 }
    }
}

impl RobustSvm {
    /// Refuses settings outside their ranges.
    pub(crate) fn check(&self) -> Result<(), LearnError> {
        in_range("svm.robust.eps", self.eps, 0.0, 1.0, "0 to 1")?;
        in_range("svm.robust.clean", self.clean, 0.0, 1.0, "0 to 1")?;
        in_range("svm.robust.spread", self.spread, SPREAD_MIN, 1.0, "0.001 to 1")?;
        in_range("svm.robust.rounds", f64::from(self.rounds), 0.0, f64::from(ROUNDS_MAX), "0 to 10")
    }
}

/// Scaled rows, and between which scaled values an outsider can move each of their values.
#[derive(Clone, Debug)]
struct Boxes {
    rows: Matrix,
    low: Matrix,
    high: Matrix,
    labels: Vec<bool>,
}

impl Boxes {
    /// Of encoded rows, `NaN` for missing, which nobody moves.
    fn new(preprocess: &Preprocess, raw: &Matrix, reach: &[Option<Reach>], labels: &[bool]) -> Result<Self, LearnError> {
        let ends = |upper: bool| {
            let end = |(&value, reach): (&f32, &Option<Reach>)| match reach {
                Some(reach) if upper => reach.bounds(value, 1.0).1,
                Some(reach) => reach.bounds(value, 1.0).0,
                None => value,
            };
            let values = raw.values().chunks(raw.columns().max(1)).flat_map(|row| row.iter().zip(reach).map(end));
            let matrix = Matrix::new(values.collect(), raw.rows(), raw.columns())?;
            Ok(preprocess.scaled(&preprocess.filled(&matrix)))
        };
        let rows = preprocess.scaled(&preprocess.filled(raw));
        Ok(Self { rows, low: ends(false)?, high: ends(true)?, labels: labels.to_vec() })
    }

    fn take(&self, rows: &[usize]) -> Self {
        Self {
            rows: self.rows.take(rows),
            low: self.low.take(rows),
            high: self.high.take(rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
        }
    }

    /// Every row at its worst place, and the AUC of the decisions there: unlike a share of right answers, no machine gets it by giving
    /// all rows one answer.
    fn worst(&self, machine: &Svm) -> Result<(Matrix, f64), LearnError> {
        let found: Vec<(Vec<f32>, f64)> = (0..self.labels.len()).into_par_iter().map(|row| self.worst_of(machine, row)).collect();
        let side = |(margin, label): (f64, &bool)| if *label { margin } else { -margin };
        let decisions: Vec<f64> = found.iter().map(|(_, margin)| *margin).zip(&self.labels).map(side).collect();
        let withstood = roc_auc(&decisions, &self.labels);
        let values = found.into_iter().flat_map(|(place, _)| place).collect();
        Ok((Matrix::new(values, self.rows.rows(), self.rows.columns())?, withstood))
    }

    /// The worst corner that the slope leads to, and how far on its label's side the machine is there.
    fn worst_of(&self, machine: &Svm, row: usize) -> (Vec<f32>, f64) {
        let sign = if self.labels[row] { 1.0 } else { -1.0 };
        let mut place = self.rows.row(row).to_vec();
        let mut margin = sign * machine.decision(&place);
        let (low, high) = (self.low.row(row), self.high.row(row));
        for _ in 0..CLIMBS {
            let slope = machine.slope(&place);
            let corner = |(((&now, &slope), &low), &high): (((&f32, &f64), &f32), &f32)| {
                if sign * slope > 0.0 {
                    low
                } else if sign * slope < 0.0 {
                    high
                } else {
                    now
                }
            };
            let next: Vec<f32> = place.iter().zip(&slope).zip(low).zip(high).map(corner).collect();
            let there = sign * machine.decision(&next);
            if !(there < margin) {
                break;
            }
            (place, margin) = (next, there);
        }
        (place, margin)
    }
}

/// Trains on encoded rows, `NaN` for missing; `preprocess` scales them. Same machine for any number of threads.
pub(crate) fn fit(preprocess: &Preprocess, raw: &Matrix, labels: &[bool], spec: &SvmSpec, seed: u64) -> Result<Svm, LearnError> {
    let Some(robust) = &spec.robust else {
        return Svm::fit(&preprocess.scaled(&preprocess.filled(raw)), labels, spec, seed);
    };
    let numbers = |name: &&String| {
        let of = preprocess.columns().iter().find(|column| column.name == **name);
        !of.is_some_and(|column| matches!(column.kind, ColumnKind::Category { .. }))
    };
    let numbers: Vec<String> = robust.columns.iter().filter(numbers).cloned().collect();
    let boxes = Boxes::new(preprocess, raw, &preprocess.reach(raw, &numbers, robust.eps)?, labels)?;
    let rounds = if robust.rounds == 0 { 0 } else { best_rounds(&boxes, robust, spec, seed)? };
    let mut moved = None;
    for round in 0..rounds {
        let compared = SvmSpec { platt_folds: FOLDS_COMPARED, ..spec.clone() };
        moved = Some(next(&boxes, moved.as_ref(), (robust, round), &compared, seed)?.0);
    }
    fitted(&boxes, moved.as_ref(), spec, seed)
}

/// The machine on rows where they were moved to.
fn fitted(boxes: &Boxes, moved: Option<&Matrix>, spec: &SvmSpec, seed: u64) -> Result<Svm, LearnError> {
    match moved {
        None => Svm::fit(&boxes.rows, &boxes.labels, spec, seed),
        Some(moved) => Svm::fit_moved(moved, Some(&boxes.rows), &boxes.labels, spec, seed),
    }
}

/// One round: the places to learn next, and the machine that led there. In round `r`, one in `r + 2` rows takes its new worst place
/// and the others stay where rounds before brought them, so that what is learned is the mixture of all rounds (fictitious play, Brown
/// 1951): if all took it, machine and rows would only chase each other to and fro.
fn next(
    boxes: &Boxes,
    moved: Option<&Matrix>,
    (robust, round): (&RobustSvm, u32),
    spec: &SvmSpec,
    seed: u64,
) -> Result<(Matrix, Svm), LearnError> {
    let machine = fitted(boxes, moved, spec, derive(seed, SEED_FIT, u64::from(round)))?;
    let (places, _) = boxes.worst(&machine)?;
    let mut values = moved.unwrap_or(&boxes.rows).values().to_vec();
    let (mut stays, mut takes) = (Rng::new(derive(seed, SEED_STAY, 0)), Rng::new(derive(seed, SEED_TAKE, u64::from(round))));
    for (row, value) in values.chunks_mut(boxes.rows.columns().max(1)).enumerate() {
        if stays.unit() >= robust.clean && takes.unit() < 1.0 / f64::from(round + 2) {
            value.copy_from_slice(places.row(row));
        }
    }
    Ok((Matrix::new(values, places.rows(), places.columns())?, machine))
}

/// How many rounds served held-out rows best.
fn best_rounds(boxes: &Boxes, robust: &RobustSvm, spec: &SvmSpec, seed: u64) -> Result<u32, LearnError> {
    let held = held_out(&boxes.labels, derive(seed, SEED_HELD, 0));
    let part = |wanted: bool| {
        let chosen: Vec<usize> = (0..held.len()).filter(|&row| held[row] == wanted).collect();
        boxes.take(&chosen)
    };
    let (known, unseen) = (part(false), part(true));
    let compared = SvmSpec { platt_folds: FOLDS_COMPARED, ..spec.clone() };
    let (mut moved, mut best) = (None, (f64::NEG_INFINITY, 0));
    for round in 0..=robust.rounds {
        let (places, machine) = next(&known, moved.as_ref(), (robust, round), &compared, seed)?;
        let (_, withstood) = unseen.worst(&machine)?;
        if withstood > best.0 {
            best = (withstood, round);
        } else if round >= best.1 + PATIENCE {
            break;
        }
        moved = Some(places);
    }
    Ok(best.1)
}

#[cfg(test)]
mod tests {
    use frame::{Categories, Column, Frame};

    use super::*;
    use crate::Ensemble;
    use crate::spec::{BoosterSpec, ForestSpec, TrainSpec};

    /// A column that says much and can be moved, and two that say less and cannot.
    fn sample(rows: usize, seed: u64) -> (Frame, Vec<bool>) {
        let mut rng = Rng::new(seed);
        let labels: Vec<bool> = (0..rows).map(|row| row % 2 == 0).collect();
        let mut frame = Frame::new(rows);
        for (name, shift, noise) in [("moved", 0.8, 1.0), ("one", 0.7, 2.0), ("two", 0.7, 2.0)] {
            let value = |label: &bool| {
                let noise = noise * (rng.unit() + rng.unit() - 1.0);
                if rng.unit() < 0.03 { f64::NAN } else { noise + if *label { shift } else { 0.0 } }
            };
            frame.push(name, Column::Number(labels.iter().map(value).collect())).unwrap();
        }
        let plans: Vec<&str> = labels.iter().map(|_| if rng.unit() < 0.5 { "a" } else { "b" }).collect();
        frame.push("plan", Column::Category(Categories::from_texts(plans.into_iter().map(Some)))).unwrap();
        (frame, labels)
    }

    fn machine(robust: Option<RobustSvm>) -> SvmSpec {
        SvmSpec { robust, ..SvmSpec::default() }
    }

    fn robust(clean: f64, spread: f64, rounds: u32) -> RobustSvm {
        RobustSvm { eps: 0.2, columns: vec!["moved".to_owned()], clean, spread, rounds }
    }

    /// AUC on rows as they are, and at their worst places.
    fn figures(spec: &SvmSpec) -> [f64; 2] {
        let ((frame, labels), (test, truth)) = (sample(500, 1), sample(400, 2));
        let mut preprocess = Preprocess::fit(&frame, &[]).unwrap();
        if let Some(robust) = &spec.robust {
            preprocess = preprocess.shrunk(&robust.columns, robust.spread);
        }
        let (raw, seen) = (preprocess.encode(&frame).unwrap(), preprocess.encode(&test).unwrap());
        let machine = fit(&preprocess, &raw, &labels, spec, 3).unwrap();
        let reach = preprocess.reach(&raw, &["moved".to_owned()], 0.2).unwrap();
        let boxes = Boxes::new(&preprocess, &seen, &reach, &truth).unwrap();
        [roc_auc(&machine.chances(&boxes.rows), &truth), boxes.worst(&machine).unwrap().1]
    }

    #[test]
    fn both_means_withstand_an_outsider_better() {
        let plain = figures(&machine(None));
        let met = figures(&machine(Some(robust(0.0, 1.0, 8))));
        let shrunk = figures(&machine(Some(robust(0.0, 0.3, 0))));
        println!("{plain:.3?} {met:.3?} {shrunk:.3?}");
        assert!(met[1] > plain[1] + 0.03 && shrunk[1] > plain[1] + 0.03, "{plain:?} {met:?} {shrunk:?}");
        // Whoever learns only moved rows of an outsider who reaches a fifth of the range pays for it.
        assert!(met[0] > 0.75 && shrunk[0] > plain[0] - 0.03, "{plain:?} {met:?} {shrunk:?}");
    }

    #[test]
    fn without_rounds_and_at_full_spread_it_is_the_plain_machine() {
        let (frame, labels) = sample(200, 1);
        let preprocess = Preprocess::fit(&frame, &[]).unwrap();
        let raw = preprocess.encode(&frame).unwrap();
        let fitted = |robust| fit(&preprocess, &raw, &labels, &machine(robust), 3).unwrap();
        assert_eq!(fitted(Some(robust(0.0, 1.0, 0))), fitted(None));
        assert_eq!(preprocess.clone().shrunk(&["moved".to_owned()], 1.0), preprocess);
        assert!(
            fit(
                &preprocess,
                &raw,
                &labels,
                &machine(Some(RobustSvm { columns: vec!["age".to_owned()], ..robust(0.0, 1.0, 1) })),
                3
            )
            .is_err()
        );
    }

    #[test]
    fn nobody_leaves_his_box_and_a_missing_value_stays() {
        let (frame, labels) = sample(200, 1);
        let preprocess = Preprocess::fit(&frame, &[]).unwrap();
        let raw = preprocess.encode(&frame).unwrap();
        let reach = preprocess.reach(&raw, &["moved".to_owned()], 0.1).unwrap();
        let boxes = Boxes::new(&preprocess, &raw, &reach, &labels).unwrap();
        let machine = fit(&preprocess, &raw, &labels, &machine(None), 3).unwrap();
        let (places, withstood) = boxes.worst(&machine).unwrap();
        let mut moved = 0;
        for row in 0..200 {
            let inside = |at: usize| (boxes.low.row(row)[at]..=boxes.high.row(row)[at]).contains(&places.row(row)[at]);
            assert!((0..raw.columns()).all(inside));
            let still = raw.row(row)[0].is_nan();
            assert!(!still || places.row(row) == boxes.rows.row(row));
            assert_eq!(places.row(row)[1..], boxes.rows.row(row)[1..]);
            moved += usize::from(places.row(row) != boxes.rows.row(row));
        }
        assert!(moved > 150 && withstood < roc_auc(&machine.chances(&boxes.rows), &labels));
    }

    #[test]
    fn a_hardened_vote_is_the_same_on_any_number_of_threads_and_comes_back_from_its_files() {
        let (frame, labels) = sample(300, 1);
        let spec = TrainSpec {
            booster: BoosterSpec { trees: 5, ..BoosterSpec::default() },
            forest: ForestSpec { trees: 5, ..ForestSpec::default() },
            ..TrainSpec::default()
        };
        let spec = spec.hardened(&["moved".to_owned(), "plan".to_owned()], 0.2, 1.0);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Ensemble::fit(&frame, &labels, &spec).unwrap().to_files().unwrap())
        };
        let files = on(1);
        assert_eq!(files, on(3));
        let loaded = Ensemble::from_files(&files).unwrap();
        assert_eq!(loaded.spec(), &spec);
        let plain = Preprocess::fit(&frame, &[]).unwrap();
        let shrunk: Vec<f32> =
            plain.deviations().iter().zip(loaded.preprocess().deviations()).map(|(one, two)| two / one).collect();
        assert!((shrunk[0] - 3.0).abs() < 1e-5 && shrunk[1..3] == [1.0, 1.0] && (shrunk[3] - 3.0).abs() < 1e-5);
        assert_eq!(loaded.predict(&frame).unwrap(), Ensemble::fit(&frame, &labels, &spec).unwrap().predict(&frame).unwrap());
    }
}
