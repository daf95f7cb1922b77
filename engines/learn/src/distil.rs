//! Lets the members learn, in place of a person's own label, what models that never saw the person say of them: a label that no
//! member saw cannot be remembered (T2; the idea of SELENA, Tang et al., USENIX Security 2022, with out-of-fold teachers).
//!
//! It lowers what attacks find; it is no guarantee (a person's label still moves the answers that others learn from: Aerni, Zhang and
//! Tramer, CCS 2024), so a leakage audit still judges the result.

use frame::Frame;
use serde::{Deserialize, Serialize};

use crate::error::{LearnError, in_range};
use crate::gbm::Booster;
use crate::preprocess::Preprocess;
use crate::rng::{Rng, derive};
use crate::spec::{BoosterSpec, ROWS_MAX};
use crate::split::Split;

/// The uses of the run's seed.
const SEED_FOLDS: u64 = 0xD1;
const SEED_TEACHER: u64 = 0xD2;
const SEED_LABELS: u64 = 0xD3;

/// How labels are taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distil {
    /// Teachers; each teaches the part of the rows that it did not see, 2 to 20.
    pub folds: u32,
    /// Copies of each row, 1 to 16: so many labels are drawn from the teacher's chance, as evenly as can be.
    pub copies: u32,
    /// The teachers' settings. What a teacher remembers of its own rows is not taught.
    pub teacher: BoosterSpec,
}

impl Default for Distil {
    fn default() -> Self {
        let teacher = BoosterSpec {
            trees: 100,
            subsample: 0.5,
            colsample: 1.0,
            min_child_weight: 5.0,
            lambda: 5.0,
            bins: 32,
            ..BoosterSpec::default()
        };
        Self { folds: 5, copies: 4, teacher }
    }
}

impl Distil {
    pub(crate) fn check(&self) -> Result<(), LearnError> {
        in_range("distil.folds", f64::from(self.folds), 2.0, 20.0, "2 to 20")?;
        in_range("distil.copies", f64::from(self.copies), 1.0, 16.0, "1 to 16")
    }

    /// Rows that each stand there `copies` times, and their taught labels.
    pub(crate) fn taught(
        &self,
        train: &Frame,
        labels: &[bool],
        log: &[String],
        seed: u64,
    ) -> Result<(Frame, Vec<bool>), LearnError> {
        let copies = self.copies as usize;
        if labels.len().saturating_mul(copies) > ROWS_MAX {
            return Err(LearnError::Size { what: "rows times copies", seen: labels.len() * copies, least: 1, most: ROWS_MAX });
        }
        let mut chances = vec![0.0; labels.len()];
        let split = Split::Stratified { folds: self.folds as usize, seed: derive(seed, SEED_FOLDS, 0) };
        for (at, fold) in split.folds(train, labels)?.iter().enumerate() {
            let (seen, asked) = (train.take(&fold.train), train.take(&fold.test));
            let known: Vec<bool> = fold.train.iter().map(|&row| labels[row]).collect();
            let preprocess = Preprocess::fit(&seen, log)?;
            let teacher = Booster::fit(&preprocess.encode(&seen)?, &known, &self.teacher, derive(seed, SEED_TEACHER, at as u64))?;
            for (&row, margin) in fold.test.iter().zip(teacher.margins(&preprocess.encode(&asked)?)?) {
                chances[row] = Booster::chance(margin);
            }
        }
        let mut rng = Rng::new(derive(seed, SEED_LABELS, 0));
        let positives: Vec<usize> =
            chances.iter().map(|chance| (chance * f64::from(self.copies) + rng.unit()) as usize).collect();
        let rows: Vec<usize> = (0..labels.len() * copies).map(|at| at / copies).collect();
        let taught = (0..rows.len()).map(|at| at % copies < positives[at / copies]).collect();
        Ok((train.take(&rows), taught))
    }
}

#[cfg(test)]
mod tests {
    use frame::Column;

    use super::*;
    use crate::TrainSpec;

    /// One number per person and a label that is independent of it.
    fn chance(rows: usize) -> (Frame, Vec<bool>) {
        let mut rng = Rng::new(3);
        let mut frame = Frame::new(rows);
        frame.push("number", Column::Number((0..rows).map(|_| rng.unit()).collect())).unwrap();
        (frame, (0..rows).map(|_| rng.unit() < 0.4).collect())
    }

    #[test]
    fn what_is_only_chance_is_not_taught() {
        let (frame, labels) = chance(2_000);
        let (rows, taught) = Distil::default().taught(&frame, &labels, &[], 1).unwrap();
        assert_eq!((rows.rows(), taught.len()), (8_000, 8_000));
        let share = |own: bool| {
            let of: Vec<bool> = (0..8_000).filter(|at| labels[at / 4] == own).map(|at| taught[at]).collect();
            of.iter().filter(|&&taught| taught).count() as f64 / of.len() as f64
        };
        // 0.4 whatever the own label, to three standard errors.
        assert!(
            (share(true) - 0.4).abs() < 0.06 && (share(true) - share(false)).abs() < 0.06,
            "{} {}",
            share(true),
            share(false)
        );
        assert_eq!(Distil::default().taught(&frame, &labels, &[], 1).unwrap().1, taught);
    }

    #[test]
    fn settings_are_kept_checked_and_left_out_where_absent() {
        assert!(!serde_json::to_string(&TrainSpec::default()).unwrap().contains("distil"));
        let spec: TrainSpec = serde_json::from_str(r#"{"distil":{"folds":10}}"#).unwrap();
        assert_eq!(spec.distil, Some(Distil { folds: 10, ..Distil::default() }));
        assert!(spec.check().is_ok());
        let wrong = TrainSpec { distil: Some(Distil { copies: 0, ..Distil::default() }), ..TrainSpec::default() };
        assert!(matches!(wrong.check(), Err(LearnError::Setting { name: "distil.copies", .. })));
    }
}
