//! What trusted history taught, as it is kept and loaded: the same rows and seed give the same bytes, and stored bytes of any
//! content are judged before they are used.

use std::collections::HashSet;

use outlier::stats::Curve;
use serde::{Deserialize, Serialize};

use crate::encode::{Encoder, share_surprise};
use crate::judge::{CROWDING, Core, Curves, DUPLICATE, FAMILIES, LABEL};
use crate::near::{BLOCKS, Pool, Space as NearSpace};
use crate::sums::Sums;
use crate::time::TimeReference;
use crate::{COLUMNS_MAX, Delivery, Golden, ProfileSpec, Screen, ScreenError, Screening, State, TRUSTED_ROWS_MAX, VERSION};

/// Ways in which a row's layers are joined: without crowding, and with it at each block size.
pub(crate) const OPTIONS: usize = BLOCKS.len() + 1;
/// Shares of trusted rows beyond the marks that the rows of a delivery are counted by: many mild rows, few wild ones.
pub(crate) const MARKS: [f64; 3] = [0.01, 0.002, 0.0005];

/// Surprise of another layer that counts as much as even odds of a turned label: one row in fifty. Odds say as they are what a
/// p-value could only say of the few: a model of history is seldom sure of a label, and forged numbers are seldom doubtful.
const LABEL_FROM: f32 = 4.0;
/// An honest label may be as unlikely as a turned one: beyond this it says no more, and forged rows stand out above it.
const LABEL_MAX: f32 = 6.5;

/// Trusted history, learnt. Serialisable; equal for equal rows, spec and seed, on any number of threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Model", into = "Model")]
pub struct Profile {
    pub(crate) model: Model,
    pub(crate) index: Index,
}

/// Scores of trusted rows by one family, out of fold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    pub(crate) curve: Curve,
    /// Sorted.
    pub(crate) sorted: Vec<f32>,
}

/// The stored form, before its parts are checked against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) version: u32,
    pub(crate) spec: ProfileSpec,
    /// Trusted rows that were learnt from.
    pub(crate) rows: u64,
    pub(crate) encoder: Encoder,
    /// The label's column, if it has two levels; the value's, if it is a number.
    pub(crate) label: Option<u16>,
    pub(crate) value: Option<u16>,
    /// Share of the label's second class in history.
    pub(crate) rate: f64,
    pub(crate) core: Core,
    pub(crate) curves: Curves,
    /// One a family; crowding has one a block size and an empty one here.
    pub(crate) families: Vec<Calibration>,
    pub(crate) crowding: Vec<Calibration>,
    /// Sorted joined surprises of trusted rows, one list an option.
    pub(crate) joined: Vec<Vec<f32>>,
    /// Fine codes of trusted rows, column by column.
    pub(crate) sample: Vec<u8>,
    /// Sorted hashes of trusted rows: what is judged, and the same with identifier and time.
    pub(crate) contents: Vec<u64>,
    pub(crate) wholes: Vec<u64>,
    /// What trusted rows sum up to, out of fold: what a delivery's sums are compared with.
    pub(crate) reference: Sums,
    pub(crate) time: Option<TimeReference>,
}

/// What is made anew from a model: sorted orders and sets.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) near: NearSpace,
    pub(crate) pool: Pool,
    pub(crate) contents: HashSet<u64>,
    pub(crate) wholes: HashSet<u64>,
    /// Scores beyond which a row is counted, by family and mark, with the rank of each; crowding by block size.
    pub(crate) marks: Vec<[(f32, u32); MARKS.len()]>,
    pub(crate) crowding_marks: Vec<[(f32, u32); MARKS.len()]>,
    pub(crate) joined_marks: Vec<[(f32, u32); MARKS.len()]>,
}

impl Calibration {
    pub(crate) fn fit(mut scores: Vec<f32>, tail_floor: f64) -> Self {
        let curve = Curve::fit(scores.iter().map(|&score| f64::from(score)), tail_floor);
        scores.sort_by(f32::total_cmp);
        Self { curve, sorted: scores }
    }
}

fn marks_of(sorted: &[f32]) -> [(f32, u32); MARKS.len()] {
    MARKS.map(|share| {
        let rank = (((sorted.len() + 1) as f64 * share) as usize).max(1);
        let mark = sorted.len().checked_sub(rank).and_then(|at| sorted.get(at)).copied().unwrap_or(f32::MAX);
        (mark, rank as u32)
    })
}

/// The conformal p-value of a joined surprise among sorted ones; 1 for the ordinary nine rows in ten.
pub(crate) fn p_value(sorted: &[f32], score: f32) -> f32 {
    let nine = sorted.len() * 9 / 10;
    if sorted.get(nine).is_none_or(|mark| score <= *mark) {
        return 1.0;
    }
    let below = sorted.partition_point(|&known| known < score);
    (sorted.len() - below + 1) as f32 / (sorted.len() + 1) as f32
}

impl Profile {
    /// Learns from trusted rows: a seeded sample of [`TRUSTED_ROWS_MAX`]. Takes some seconds: every number is foretold from the
    /// others five times over.
    ///
    /// # Errors
    /// Too few rows, too many columns or levels, or a declared column that is not there.
    pub fn learn(golden: &Golden<'_>, spec: &ProfileSpec) -> Result<Self, ScreenError> {
        Self::try_from(crate::learn::learn(golden.frame, spec)?)
    }

    /// Judges a whole delivery: [`Screen`] in one step.
    ///
    /// # Errors
    /// Too many rows.
    pub fn screen(&self, delivery: &Delivery<'_>, state: &State) -> Result<Screening, ScreenError> {
        let mut screen = Screen::new(self, state, delivery.now);
        screen.contract(&delivery.contract, delivery.broken_records);
        screen.push(delivery.frame)?;
        Ok(screen.finish())
    }

    /// Names of the columns that are judged.
    pub fn columns(&self) -> &[String] {
        &self.model.encoder.names
    }

    /// Trusted rows that were learnt from.
    pub fn trusted_rows(&self) -> u64 {
        self.model.rows
    }
}

impl Model {
    pub(crate) fn sample_rows(&self) -> usize {
        self.sample.len().checked_div(self.encoder.width()).unwrap_or(0)
    }

    fn fault(&self) -> Option<&'static str> {
        let width = self.encoder.width();
        if self.version != VERSION {
            Some("another version")
        } else if width == 0 || width > COLUMNS_MAX || self.encoder.readings.len() != width {
            Some("columns and readings differ")
        } else if !self.encoder.is_sound() {
            Some("a column cannot be read so")
        } else if !self.core.is_sound(&self.encoder, &self.curves) {
            Some("a predictor does not fit the columns")
        } else if self.families.len() != FAMILIES.len()
            || self.crowding.len() != BLOCKS.len()
            || self.joined.len() != OPTIONS
            || !self.sample.len().is_multiple_of(width)
            || self.sample_rows() > TRUSTED_ROWS_MAX
            || !self.reference.fits(&self.core, width, self.encoder.numbers.len())
        {
            Some("kept rows and scores differ")
        } else if !(self.rate > 0.0 && self.rate < 1.0) {
            Some("the label's rate is none")
        } else if self.label.into_iter().chain(self.value).any(|column| usize::from(column) >= width) {
            Some("the label is no column")
        } else {
            None
        }
    }

    fn index(&self) -> Index {
        let near = NearSpace::new(&self.encoder, self.spec.seed);
        let rows = self.sample_rows();
        let all = crate::encode::Chunk { rows, fine: self.sample.clone(), values: Vec::new() };
        let pool = near.pool(near.points(&all));
        let lists = |calibrations: &[Calibration]| calibrations.iter().map(|known| marks_of(&known.sorted)).collect();
        Index {
            near,
            pool,
            contents: self.contents.iter().copied().collect(),
            wholes: self.wholes.iter().copied().collect(),
            marks: lists(&self.families),
            crowding_marks: lists(&self.crowding),
            joined_marks: self.joined.iter().map(|sorted| marks_of(sorted)).collect(),
        }
    }

    /// The surprise of a row that stands there already: 1 in what is judged of it, 2 as a whole.
    fn twin_surprise(&self, score: f32) -> f32 {
        let rows = self.reference.rows as usize;
        let of = |count: u64| {
            let own = share_surprise(count as usize, rows);
            // What history never does is as surprising as two independent events that were never seen.
            if count == 0 { 2.0 * own } else { own }
        };
        if score > 1.0 {
            of(self.reference.wholes)
        } else if score > 0.0 {
            of(self.reference.twins)
        } else {
            0.0
        }
    }

    /// The surprise of a family's score; crowding's by the place of its block size.
    pub(crate) fn surprise(&self, family: usize, block: Option<usize>, score: f32) -> f32 {
        if family == DUPLICATE {
            return self.twin_surprise(score);
        }
        if family == LABEL {
            return (score + LABEL_FROM).clamp(0.0, LABEL_MAX);
        }
        let known = if family == CROWDING { block.and_then(|at| self.crowding.get(at)) } else { self.families.get(family) };
        known.map_or(0.0, |known| known.curve.surprise(f64::from(score)) as f32)
    }
}

impl TryFrom<Model> for Profile {
    type Error = ScreenError;

    fn try_from(model: Model) -> Result<Self, ScreenError> {
        match model.fault() {
            Some(fault) => Err(ScreenError::Stored(fault.to_owned())),
            None => Ok(Self { index: model.index(), model }),
        }
    }
}

impl From<Profile> for Model {
    fn from(profile: Profile) -> Self {
        profile.model
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.model == other.model
    }
}
