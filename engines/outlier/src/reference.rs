//! Learns from trusted rows: one half teaches the detectors and their curves, the other is held back to calibrate them.

use drift::FixedReference;
use frame::Frame;
use serde::{Deserialize, Serialize};

use crate::conditional::{Conditionals, Pairs, Scratch};
use crate::encode::{Encoder, Table};
use crate::linear::Linear;
use crate::stats::{Curve, Mix, SURPRISE_MAX};
use crate::{CALIBRATION_ROWS_MAX, COLUMNS_MAX, OutlierError, ROW_METHODS, TRUSTED_ROWS_MAX, TRUSTED_ROWS_MIN, VERSION};

/// Share of trusted rows that teach the detectors.
const FIT_SHARE: f64 = 0.4;
/// Share that teaches the curves (score to surprise); the rest is held back for the p-values.
const CURVE_SHARE: f64 = 0.1;
/// Smallest scale of the tail of a method's scores, which are logarithms or sums of them.
const TAIL_FLOOR: f64 = 0.1;
/// A column's own surprise counts from here: one row in twenty.
const MARGINAL_FROM: f64 = 3.0;

/// What the caller declares of the columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Columns that are not judged: identifiers, free text, times.
    pub ignore: Vec<String>,
    /// Categories that an attacker gains by forging (label, value tier): judged by what the other columns foretell.
    pub critical: Vec<String>,
    /// Whether rows cannot be multiplied, as where each series has one row a week: then nobody asks whether a batch is crowded.
    #[serde(default)]
    pub unrepeated: bool,
}

/// What trusted rows taught. Serialisable (about 1 MB as JSON for 20 columns), the same for the same rows, spec and seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Model", into = "Model")]
pub struct Reference {
    pub(crate) model: Model,
}

/// The stored form, before its parts are checked against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Model {
    version: u32,
    pub(crate) trusted_rows: u64,
    pub(crate) encoder: Encoder,
    pub(crate) linear: Linear,
    pub(crate) conditionals: Conditionals,
    pub(crate) pairs: Pairs,
    /// One curve per row method.
    pub(crate) curves: Vec<Curve>,
    /// Held-back rows.
    pub(crate) held: Table,
    /// Their raw scores, one list per row method, in the order of `held`.
    pub(crate) held_scores: Vec<Vec<f32>>,
    /// Rows that the density compares with: a sample of those that taught.
    pub(crate) pool: Table,
    pub(crate) marginals: FixedReference,
    pub(crate) seed: u64,
}

/// Raw scores of one row, one per row method, and the column that drove each.
pub(crate) struct RawScores {
    pub(crate) scores: [f64; ROW_METHODS.len()],
    pub(crate) columns: [Option<usize>; ROW_METHODS.len()],
}

impl Reference {
    /// Learns from trusted rows (categories in any order of levels; `NaN` is missing). Needs [`TRUSTED_ROWS_MIN`] rows and uses
    /// a seeded sample of [`TRUSTED_ROWS_MAX`].
    ///
    /// # Errors
    /// Too few rows, too many columns or levels, a declared column that is not there, or trees that cannot be trained.
    pub fn fit(trusted: &Frame, spec: &Spec, seed: u64) -> Result<Self, OutlierError> {
        for name in spec.ignore.iter().chain(&spec.critical) {
            if trusted.column(name).is_none() {
                return Err(OutlierError::ColumnMissing(name.clone()));
            }
        }
        let frame = trusted.only(|name| !spec.ignore.iter().any(|ignored| ignored == name));
        if frame.rows() < TRUSTED_ROWS_MIN {
            return Err(OutlierError::TooFewRows(frame.rows()));
        }
        if frame.names().is_empty() || frame.names().len() > COLUMNS_MAX {
            return Err(OutlierError::Columns(frame.names().len()));
        }
        let order = Mix::new(seed, 1).choose(frame.rows(), TRUSTED_ROWS_MAX);
        let fit_rows = (order.len() as f64 * FIT_SHARE) as usize;
        let curve_rows = (order.len() as f64 * CURVE_SHARE) as usize;
        let taught = frame.take(&order[..fit_rows + curve_rows]);
        let encoder = Encoder::fit(&taught)?;
        let table = encoder.encode(&taught)?;
        let fit = table.take(&(0..fit_rows).collect::<Vec<_>>());
        let curve = table.take(&(fit_rows..fit_rows + curve_rows).collect::<Vec<_>>());
        let held_rows = &order[fit_rows + curve_rows..];
        let held = encoder.encode(&frame.take(&held_rows[..held_rows.len().min(CALIBRATION_ROWS_MAX)]))?;
        let critical: Vec<usize> =
            encoder.names.iter().enumerate().filter(|(_, name)| spec.critical.contains(name)).map(|(at, _)| at).collect();
        let linear = Linear::fit(&encoder, &fit);
        let conditionals = Conditionals::fit(&encoder, &linear, &critical, &fit, &curve, seed)?;
        let mut model = Model {
            version: VERSION,
            trusted_rows: order.len() as u64,
            pairs: Pairs::fit(&encoder, &fit),
            encoder,
            linear,
            conditionals,
            curves: Vec::new(),
            held,
            held_scores: Vec::new(),
            // Without a pool there is no density.
            pool: table.take(&Mix::new(seed, 2).choose(if spec.unrepeated { 0 } else { table.rows() }, CALIBRATION_ROWS_MAX)),
            marginals: FixedReference::fit(&taught),
            seed,
        };
        let curve_scores = model.all_scores(&curve);
        model.curves = curve_scores.into_iter().map(|scores| Curve::fit(scores, TAIL_FLOOR)).collect();
        let held_scores = model.all_scores(&model.held);
        model.held_scores =
            held_scores.into_iter().map(|scores| scores.into_iter().map(|score| score as f32).collect()).collect();
        Ok(Self { model })
    }

    /// Names of the columns that are judged, in the order that [`crate::RowScore::column`] counts.
    pub fn columns(&self) -> &[String] {
        &self.model.encoder.names
    }

    /// Trusted rows that were learnt from.
    pub fn trusted_rows(&self) -> u64 {
        self.model.trusted_rows
    }
}

impl Model {
    fn all_scores(&self, table: &Table) -> Vec<Vec<f64>> {
        let mut out = vec![Vec::with_capacity(table.rows()); ROW_METHODS.len()];
        let mut scratch = Scratch::default();
        for row in 0..table.rows() {
            let raw = self.raw_scores(table.row(row), &mut scratch);
            out.iter_mut().zip(raw.scores).for_each(|(list, score)| list.push(score));
        }
        out
    }

    /// Scores of an encoded row by each row method; larger is stranger.
    pub(crate) fn raw_scores(&self, row: &[f32], scratch: &mut Scratch) -> RawScores {
        self.linear.centred(row, &mut scratch.centred);
        let (mut total, mut worst, mut threshold) = (0.0, 0.0, None);
        for (at, &value) in row.iter().enumerate() {
            let surprise = self.encoder.marginal(at, value);
            total += (surprise - MARGINAL_FROM).max(0.0);
            if surprise > worst {
                (worst, threshold) = (surprise, Some(at));
            }
        }
        let (square, covariance) = self.linear.distance(&scratch.centred);
        let (conditional, _, foretold) = self.conditionals.score(&self.linear, row, scratch);
        let (pair, together) = self.pairs.score(row);
        RawScores {
            scores: [total + worst, (square + 1e-6).ln(), conditional, pair],
            columns: [threshold, covariance, foretold, together],
        }
    }

    /// The surprise of a raw score under its method's curve.
    pub(crate) fn surprise(&self, method: usize, score: f64) -> f64 {
        self.curves.get(method).map_or(0.0, |curve| curve.surprise(score))
    }

    fn fault(&self) -> Option<&'static str> {
        let width = self.encoder.names.len();
        let fits = |table: &Table| table.width == width && table.values.len() == table.rows() * width;
        if self.version != VERSION {
            Some("another version")
        } else if width == 0 || width > COLUMNS_MAX || self.encoder.readings.len() != width {
            Some("columns and readings differ")
        } else if !fits(&self.held) || !fits(&self.pool) || self.held.rows() > CALIBRATION_ROWS_MAX {
            Some("kept rows have another width")
        } else if self.curves.len() != ROW_METHODS.len()
            || self.held_scores.len() != ROW_METHODS.len()
            || self.held_scores.iter().any(|list| list.len() != self.held.rows())
        {
            Some("held-back scores and rows differ")
        } else if !self.conditionals.is_sound(width) {
            Some("a predictor does not fit the columns")
        } else {
            None
        }
    }
}

impl TryFrom<Model> for Reference {
    type Error = OutlierError;

    fn try_from(model: Model) -> Result<Self, OutlierError> {
        match model.fault() {
            Some(fault) => Err(OutlierError::Stored(fault.to_owned())),
            None => Ok(Self { model }),
        }
    }
}

impl From<Reference> for Model {
    fn from(reference: Reference) -> Self {
        reference.model
    }
}

/// One surprise of many: the logarithm of their summed odds, the tail of a Cauchy combination (Liu and Xie 2020), which needs
/// no independence of the methods.
pub(crate) fn combine(surprises: &[f64]) -> f64 {
    let largest = surprises.iter().copied().fold(0.0, f64::max).min(SURPRISE_MAX);
    largest + surprises.iter().map(|surprise| (surprise.min(SURPRISE_MAX) - largest).exp()).sum::<f64>().max(1e-12).ln()
}
