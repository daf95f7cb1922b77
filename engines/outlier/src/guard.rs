//! Checks one row of a request before the model answers: levels and ranges never seen, and combinations that no customer has
//! (T5). An alarm, not a proof: an attacker who stays close to real customers passes.

use serde::{Deserialize, Serialize};

use crate::ROW_METHODS;
use crate::conditional::{Conditionals, Pairs, Scratch};
use crate::encode::{Encoder, Reading};
use crate::linear::Linear;
use crate::reference::{Reference, combine};
use crate::stats::Curve;

/// What the guard flags. The defaults flag about one honest row in two hundred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardSpec {
    /// A number is out of range when its column's tail gives it less than this probability.
    pub range_probability: f64,
    /// A row is flagged by covariance, by prediction or by all together when fewer trusted rows than this share are as strange.
    pub row_probability: f64,
    /// Whether each value is predicted from the others (most of the time of a check).
    pub conditional: bool,
}

impl Default for GuardSpec {
    fn default() -> Self {
        Self { range_probability: 1e-6, row_probability: 0.002, conditional: true }
    }
}

/// One value of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number.
    Number(f64),
    /// A level of a category.
    Level(&'a str),
    /// Not given.
    Missing,
}

/// Why a row is flagged. Columns are places in [`InputGuard::columns`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RowFlag {
    /// The row has another number of values.
    Width {
        /// Values given.
        found: usize,
    },
    /// A number where a category stands, or the other way round.
    Kind {
        /// The column.
        column: usize,
    },
    /// An infinite or undefined number.
    NotFinite {
        /// The column.
        column: usize,
    },
    /// A level that no trusted row has.
    UnknownLevel {
        /// The column.
        column: usize,
    },
    /// A number beyond what the tail of its column allows.
    OutOfRange {
        /// The column.
        column: usize,
    },
    /// Far by the covariance of the numbers.
    Covariance {
        /// The column that adds most.
        column: Option<usize>,
        /// Share of trusted rows at least as far.
        p_value: f64,
    },
    /// Not what the other columns foretell.
    Conditional {
        /// The column that fits least.
        column: Option<usize>,
        /// Share of trusted rows that fit as badly.
        p_value: f64,
    },
    /// Strange by all methods together.
    Combined {
        /// Share of trusted rows at least as strange.
        p_value: f64,
    },
}

/// The judgement of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowCheck {
    /// Everything that was found; empty for an ordinary row.
    pub flags: Vec<RowFlag>,
    /// Conformal p-value of the row by all methods together; 0 for a row that could not be read.
    pub p_value: f64,
}

/// What serving needs of a [`Reference`]: no trusted row is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputGuard {
    spec: GuardSpec,
    encoder: Encoder,
    linear: Linear,
    conditionals: Option<Conditionals>,
    pairs: Pairs,
    curves: Vec<Curve>,
    /// Sorted scores of held-back rows, one list per row method.
    held: Vec<Vec<f32>>,
    combined: Vec<f32>,
}

fn share(sorted: &[f32], score: f64) -> f64 {
    let below = sorted.partition_point(|&known| f64::from(known) < f64::from(score as f32));
    (sorted.len() - below + 1) as f64 / (sorted.len() + 1) as f64
}

impl Reference {
    /// The guard of the service. Fit the reference on the columns that a request has (leave the label out).
    pub fn guard(&self, spec: GuardSpec) -> InputGuard {
        let model = &self.model;
        let methods: Vec<usize> = methods(spec.conditional).collect();
        let mut combined: Vec<f32> = (0..model.held.rows())
            .map(|row| {
                let surprises: Vec<f64> =
                    methods.iter().map(|&at| model.surprise(at, f64::from(model.held_scores[at][row]))).collect();
                combine(&surprises) as f32
            })
            .collect();
        combined.sort_by(f32::total_cmp);
        let mut held = model.held_scores.clone();
        held.iter_mut().for_each(|list| list.sort_by(f32::total_cmp));
        InputGuard {
            conditionals: spec.conditional.then(|| model.conditionals.clone()),
            spec,
            encoder: model.encoder.clone(),
            linear: model.linear.clone(),
            pairs: model.pairs.clone(),
            curves: model.curves.clone(),
            held,
            combined,
        }
    }
}

/// Places of the row methods that a guard runs.
fn methods(conditional: bool) -> impl Iterator<Item = usize> {
    (0..ROW_METHODS.len()).filter(move |&at| conditional || at != CONDITIONAL)
}

const THRESHOLD: usize = 0;
const COVARIANCE: usize = 1;
const CONDITIONAL: usize = 2;
const PAIR: usize = 3;

impl InputGuard {
    /// The smallest p-value that a row can get: few trusted rows cannot show that a row is very rare.
    pub fn least_p_value(&self) -> f64 {
        1.0 / (self.combined.len() + 1) as f64
    }

    /// Columns, in the order in which values are given.
    pub fn columns(&self) -> &[String] {
        &self.encoder.names
    }

    /// Checks one row: values in the order of [`Self::columns`]. Never fails: what cannot be read is flagged.
    pub fn check(&self, values: &[Value<'_>]) -> RowCheck {
        let mut flags = Vec::new();
        if values.len() != self.encoder.names.len() {
            return RowCheck { flags: vec![RowFlag::Width { found: values.len() }], p_value: 0.0 };
        }
        let row: Vec<f32> = values
            .iter()
            .zip(&self.encoder.readings)
            .enumerate()
            .map(|(column, (value, reading))| read(column, *value, reading, &mut flags))
            .collect();
        let cut = -self.spec.range_probability.max(1e-300).ln();
        let mut total = (0.0, 0.0_f64);
        for (column, &value) in row.iter().enumerate() {
            let surprise = self.encoder.marginal(column, value);
            total = (total.0 + (surprise - 3.0).max(0.0), total.1.max(surprise));
            if surprise > cut && self.encoder.is_number(column) && !value.is_nan() {
                flags.push(RowFlag::OutOfRange { column });
            }
        }
        let mut scratch = Scratch::default();
        self.linear.centred(&row, &mut scratch.centred);
        let mut scores = [0.0; ROW_METHODS.len()];
        scores[THRESHOLD] = total.0 + total.1;
        let (square, column) = self.linear.distance(&scratch.centred);
        scores[COVARIANCE] = (square + 1e-6).ln();
        let p_value = self.held_share(COVARIANCE, scores[COVARIANCE]);
        if p_value <= self.spec.row_probability {
            flags.push(RowFlag::Covariance { column, p_value });
        }
        if let Some(conditionals) = &self.conditionals {
            let (score, _, column) = conditionals.score(&self.linear, &row, &mut scratch);
            scores[CONDITIONAL] = score;
            let p_value = self.held_share(CONDITIONAL, score);
            if p_value <= self.spec.row_probability {
                flags.push(RowFlag::Conditional { column, p_value });
            }
        }
        scores[PAIR] = self.pairs.score(&row).0;
        let surprises: Vec<f64> = methods(self.conditionals.is_some())
            .map(|at| self.curves.get(at).map_or(0.0, |curve| curve.surprise(f64::from(scores[at] as f32))))
            .collect();
        let p_value = share(&self.combined, combine(&surprises));
        if p_value <= self.spec.row_probability {
            flags.push(RowFlag::Combined { p_value });
        }
        RowCheck { flags, p_value }
    }

    fn held_share(&self, method: usize, score: f64) -> f64 {
        self.held.get(method).map_or(1.0, |sorted| share(sorted, score))
    }
}

/// The encoded value; what is wrong with it becomes a flag.
fn read(column: usize, value: Value<'_>, reading: &Reading, flags: &mut Vec<RowFlag>) -> f32 {
    match (value, reading) {
        (Value::Missing, _) => f32::NAN,
        (Value::Number(number), Reading::Number { .. }) => {
            if !number.is_finite() {
                flags.push(RowFlag::NotFinite { column });
            }
            reading.number(number)
        }
        (Value::Level(level), Reading::Category { .. }) => {
            let code = reading.level(level);
            if code as usize >= reading.levels() {
                flags.push(RowFlag::UnknownLevel { column });
            }
            code
        }
        (Value::Number(_), Reading::Category { .. }) | (Value::Level(_), Reading::Number { .. }) => {
            flags.push(RowFlag::Kind { column });
            f32::NAN
        }
    }
}
