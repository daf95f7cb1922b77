//! Tells the outside trainer what was pinned, and no more: where boosting ends is found on held-out rows of the training rows, so
//! that no test row has a say (T4).

use std::num::NonZeroUsize;

use hessboost::config::Monotone;
use hessboost::objective::{Objective, RegLoss};
use hessboost::prelude::{BoostedModel, DMatrix, Trainer, TrainingParams, TreeMethod, train};

use super::refused;
use crate::error::LearnError;
use crate::preprocess::{ColumnKind, Matrix, Preprocess};
use crate::rng::{derive, mix};
use crate::robust::Reach;
use crate::spec::{BoosterSpec, Direction, EarlyStopping, Held};

/// The use of the booster's seed.
const SEED_HELD: u64 = 0xB1;

/// What a booster may be told beside rows, labels and settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aids<'a> {
    /// How much each row counts; all the same where absent.
    pub weights: Option<&'a [f64]>,
    /// For each encoded column whether the answer may only rise or only fall; empty where it may do as it likes.
    pub directions: &'a [Option<Direction>],
    /// For each encoded column how far an outsider can move it ([`Preprocess::reach`]); read where `spec.robust` is.
    pub reach: &'a [Option<Reach>],
}

/// Directions of encoded columns, from those of raw ones; empty where there are none. A logarithm rises as its number does.
///
/// # Errors
/// A column that is not there, or no number.
pub fn directions(preprocess: &Preprocess, spec: &BoosterSpec) -> Result<Vec<Option<Direction>>, LearnError> {
    if spec.monotone.is_empty() {
        return Ok(Vec::new());
    }
    for name in spec.monotone.keys() {
        match preprocess.columns().iter().find(|column| column.name == *name).map(|column| &column.kind) {
            Some(ColumnKind::Number { .. }) => (),
            Some(ColumnKind::Category { .. }) => return Err(LearnError::Kind { column: name.clone(), needed: "a number" }),
            None => return Err(LearnError::NoColumn(name.clone())),
        }
    }
    let encoded = preprocess.columns().iter().flat_map(|column| match &column.kind {
        ColumnKind::Number { .. } => vec![spec.monotone.get(&column.name).copied()],
        ColumnKind::Category { levels } => vec![None; levels.len()],
    });
    Ok(encoded.collect())
}

/// The outside trainer's model, with as many trees as `spec` says or as were best.
pub(super) fn trained(
    rows: &Matrix,
    labels: &[bool],
    aids: &Aids<'_>,
    spec: &BoosterSpec,
    seed: u64,
) -> Result<BoostedModel, LearnError> {
    if let Some(weights) = aids.weights.filter(|weights| weights.len() != labels.len()) {
        return Err(LearnError::Count { what: "weights of rows", expected: labels.len(), seen: weights.len() });
    }
    if !aids.directions.is_empty() && aids.directions.len() != rows.columns() {
        return Err(LearnError::Count { what: "directions", expected: rows.columns(), seen: aids.directions.len() });
    }
    let params = params(spec, aids.directions, seed)?;
    let data = matrix(rows, labels, aids.weights)?;
    let rounds = match &spec.early_stopping {
        Some(stop) => best_rounds(rows, labels, aids, spec, &params, stop, seed)?,
        None => spec.trees as usize,
    };
    train(&params, &data, rounds).map_err(refused)
}

fn matrix(rows: &Matrix, labels: &[bool], weights: Option<&[f64]>) -> Result<DMatrix, LearnError> {
    let targets: Vec<f32> = labels.iter().map(|&label| f32::from(u8::from(label))).collect();
    let data = DMatrix::from_dense(rows.values(), rows.rows(), rows.columns()).map_err(refused)?;
    let data = data.with_labels(&targets).map_err(refused)?;
    let Some(weights) = weights else { return Ok(data) };
    let narrow: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
    data.with_weights(&narrow).map_err(refused)
}

fn params(spec: &BoosterSpec, directions: &[Option<Direction>], seed: u64) -> Result<TrainingParams, LearnError> {
    let loss = spec.positive_weight.map_or(Ok(RegLoss::default()), RegLoss::new).map_err(refused)?;
    let monotone = directions.iter().map(|direction| match direction {
        Some(Direction::Rising) => Monotone::Increasing,
        Some(Direction::Falling) => Monotone::Decreasing,
        None => Monotone::None,
    });
    TrainingParams::builder()
        .objective(Objective::BinaryLogistic(loss))
        .tree_method(TreeMethod::Hist)
        .seed(seed)
        .max_depth(spec.depth as usize)
        .eta(spec.learning_rate)
        .subsample(spec.subsample)
        .colsample_bytree(spec.colsample)
        .min_child_weight(spec.min_child_weight)
        .lambda(spec.lambda)
        .max_bin(spec.bins as usize)
        .monotone_constraints(monotone.collect::<Vec<_>>())
        .build()
        .map_err(refused)
}

/// How many trees had the least log loss on held-out rows.
fn best_rounds(
    rows: &Matrix,
    labels: &[bool],
    aids: &Aids<'_>,
    spec: &BoosterSpec,
    params: &TrainingParams,
    stop: &EarlyStopping,
    seed: u64,
) -> Result<usize, LearnError> {
    let held = held_out(rows, stop, derive(seed, SEED_HELD, 0));
    let part = |wanted: bool| -> Result<DMatrix, LearnError> {
        let chosen: Vec<usize> = (0..rows.rows()).filter(|&row| held[row] == wanted).collect();
        let known: Vec<bool> = chosen.iter().map(|&row| labels[row]).collect();
        if !known.contains(&true) || !known.contains(&false) {
            return Err(LearnError::OneClass { where_: "a part of the rows that tell when to stop" });
        }
        let weights: Option<Vec<f64>> = aids.weights.map(|all| chosen.iter().map(|&row| all[row]).collect());
        matrix(&rows.take(&chosen), &known, weights.as_deref())
    };
    let (known, unseen) = (part(false)?, part(true)?);
    let patience = NonZeroUsize::new(stop.rounds as usize).unwrap_or(NonZeroUsize::MIN);
    let trainer = Trainer::new(params, &known, spec.trees as usize).eval(&unseen, "held").early_stopping_rounds(patience);
    let found = trainer.train().map_err(refused)?;
    Ok(found.model.best_iteration().map_or(spec.trees as usize, |best| best + 1))
}

/// Which rows are held out. A drawn row's lot is that of its values, so that equal rows share it.
fn held_out(rows: &Matrix, stop: &EarlyStopping, seed: u64) -> Vec<bool> {
    match stop.held {
        Held::Last => {
            let first = ((1.0 - stop.share) * rows.rows() as f64).round() as usize;
            (0..rows.rows()).map(|row| row >= first).collect()
        }
        Held::Drawn => {
            // Missing values are one, and so are both zeros.
            let bits = |value: f32| if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() };
            let lot = |row: usize| rows.row(row).iter().fold(seed, |lot, &value| mix(lot ^ u64::from(bits(value))));
            let cut = (stop.share * (1u64 << 53) as f64) as u64;
            (0..rows.rows()).map(|row| derive(seed, SEED_HELD, lot(row)) >> 11 < cut).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gbm::Booster;
    use crate::metrics::log_loss;
    use crate::rng::Rng;

    /// Three columns; the first lowers the chance but for a bump, the others are noise.
    fn drawn(rows: usize, seed: u64) -> (Matrix, Vec<bool>) {
        let mut rng = Rng::new(seed);
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let row: [f32; 3] = std::array::from_fn(|_| (rng.unit() * 4.0) as f32);
            let bump = if row[0] > 2.0 && row[0] < 2.6 { 2.0 } else { 0.0 };
            labels.push(rng.unit() < crate::calibrate::logistic(1.0 - f64::from(row[0]) + bump));
            values.extend(row);
        }
        (Matrix::new(values, rows, 3).unwrap(), labels)
    }

    fn spec() -> BoosterSpec {
        BoosterSpec { trees: 60, ..BoosterSpec::default() }
    }

    fn margins(booster: &Booster, others: f32) -> Vec<f32> {
        (0..400).map(|step| booster.margin_row(&[step as f32 / 100.0, others, 2.0]).unwrap()).collect()
    }

    #[test]
    fn a_falling_column_never_rises() {
        let (rows, labels) = drawn(1_500, 1);
        let free = Booster::fit(&rows, &labels, &spec(), 3).unwrap();
        assert!(margins(&free, 1.0).windows(2).any(|pair| pair[1] > pair[0]));
        let aids = Aids { directions: &[Some(Direction::Falling), None, None], ..Aids::default() };
        let bound = Booster::fit_with(&rows, &labels, &aids, &spec(), 3).unwrap();
        for others in [0.2, 1.0, 3.7] {
            assert!(margins(&bound, others).windows(2).all(|pair| pair[1] <= pair[0]));
        }
        assert!(margins(&bound, 1.0)[0] > margins(&bound, 1.0)[399]);
        let short = Aids { directions: &[None], ..Aids::default() };
        assert!(matches!(Booster::fit_with(&rows, &labels, &short, &spec(), 3), Err(LearnError::Count { .. })));
    }

    #[test]
    fn boosting_ends_where_unseen_rows_no_longer_gain() {
        let (rows, labels) = drawn(1_200, 1);
        let (test, truth) = drawn(4_000, 2);
        let loss = |booster: &Booster| {
            let chances: Vec<f64> = booster.margins(&test).unwrap().into_iter().map(Booster::chance).collect();
            log_loss(&chances, &truth)
        };
        let greedy = BoosterSpec { trees: 400, learning_rate: 0.3, depth: 6, ..BoosterSpec::default() };
        let whole = Booster::fit(&rows, &labels, &greedy, 3).unwrap();
        for held in [Held::Drawn, Held::Last] {
            let stop = EarlyStopping { rounds: 15, held, ..EarlyStopping::default() };
            let spec = BoosterSpec { early_stopping: Some(stop), ..greedy.clone() };
            let short = Booster::fit(&rows, &labels, &spec, 3).unwrap();
            let trees = short.model().num_trees();
            assert!((1..100).contains(&trees), "{trees}");
            assert!(loss(&short) < loss(&whole) - 0.05, "{} {}", loss(&short), loss(&whole));
            assert_eq!(Booster::fit(&rows, &labels, &spec, 3).unwrap().to_json(), short.to_json());
        }
    }

    #[test]
    fn equal_rows_are_held_out_together() {
        let values: Vec<f32> = (0..600).map(|at| if at % 12 == 5 { f32::NAN } else { (at % 120) as f32 }).collect();
        let rows = Matrix::new(values, 300, 2).unwrap();
        let held = held_out(&rows, &EarlyStopping::default(), 5);
        for row in 60..300 {
            assert_eq!(held[row], held[row - 60]);
        }
        assert!(held.contains(&true) && held.contains(&false));
        let last = held_out(&rows, &EarlyStopping { held: Held::Last, ..EarlyStopping::default() }, 5);
        assert!(!last[239] && last[240] && last.iter().filter(|held| **held).count() == 60);
    }

    #[test]
    fn heavy_positives_raise_the_chances() {
        let (rows, labels) = drawn(1_000, 1);
        let mean = |booster: &Booster| {
            booster.margins(&rows).unwrap().into_iter().map(Booster::chance).sum::<f64>() / labels.len() as f64
        };
        let plain = Booster::fit(&rows, &labels, &spec(), 3).unwrap();
        let heavy = Booster::fit(&rows, &labels, &BoosterSpec { positive_weight: Some(4.0), ..spec() }, 3).unwrap();
        assert!(mean(&heavy) > mean(&plain) + 0.1);
        assert!(Booster::from_json(heavy.to_json(), 3).is_ok());
        // Weights of rows say the same thing in another way: up to the trainer's cuts, which weights move, too.
        let weights: Vec<f64> = labels.iter().map(|&label| if label { 4.0 } else { 1.0 }).collect();
        let aids = Aids { weights: Some(&weights), ..Aids::default() };
        let weighed = Booster::fit_with(&rows, &labels, &aids, &spec(), 3).unwrap();
        assert!((mean(&weighed) - mean(&heavy)).abs() < 0.02, "{} {}", mean(&weighed), mean(&heavy));
        for wrong in [vec![-1.0; 1_000], vec![0.0; 1_000], vec![f64::NAN; 1_000], vec![1.0; 3]] {
            let aids = Aids { weights: Some(&wrong), ..Aids::default() };
            assert!(Booster::fit_with(&rows, &labels, &aids, &spec(), 3).is_err());
        }
    }

    #[test]
    fn names_need_an_encoding() {
        let (rows, labels) = drawn(100, 1);
        let spec = BoosterSpec { monotone: [("x".to_owned(), Direction::Rising)].into(), ..spec() };
        assert_eq!(Booster::fit(&rows, &labels, &spec, 3).err(), Some(LearnError::NoColumn("x".to_owned())));
    }
}
