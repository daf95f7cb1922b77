//! Scores a chunk of rows by every row layer, in one pass over columns and without allocating per row.

use outlier::stats::Curve;
use serde::{Deserialize, Serialize};

use crate::Layer;
use crate::encode::{Chunk, Encoder, Reading};
use crate::expect::{Classes, Expect, Space, Tally, level_columns, surprise};
use crate::linear::Linear;
use crate::pairs::Pairs;

/// Row layers, in the order of their scores.
pub(crate) const FAMILIES: [Layer; 10] = [
    Layer::Range,
    Layer::Conditional,
    Layer::Covariance,
    Layer::Pair,
    Layer::Critical,
    Layer::Label,
    Layer::Duplicate,
    Layer::Clone,
    Layer::Isolation,
    Layer::Crowding,
];
/// Families that one row alone decides; the next ones need history, the last needs the delivery.
pub(crate) const ALONE: usize = 6;
pub(crate) const LABEL: usize = 5;
pub(crate) const DUPLICATE: usize = 6;
pub(crate) const CLONE: usize = 7;
pub(crate) const ISOLATION: usize = 8;
pub(crate) const CROWDING: usize = 9;
/// Rows that are judged together: their columns stay in the processor's cache.
pub(crate) const CHUNK_ROWS: usize = 1_024;
/// A column's own surprise counts from here: one row in twenty.
const RANGE_FROM: f32 = 3.0;

/// All that is learnt from rows and foretells rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Core {
    pub(crate) linear: Linear,
    pub(crate) expects: Vec<Expect>,
    pub(crate) classes: Vec<Classes>,
    pub(crate) pairs: Pairs,
}

/// Curves that turn what the core says into surprises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curves {
    /// One a foretold number.
    pub(crate) expects: Vec<Curve>,
    /// One a critical category.
    pub(crate) classes: Vec<Curve>,
}

/// What the core says of a chunk before any curve.
#[derive(Default)]
pub(crate) struct Detail {
    pub(crate) rows: usize,
    /// `raw[expect * rows + row]`.
    pub(crate) raw: Vec<f32>,
    pub(crate) signed: Vec<f32>,
    /// `class_raw[class * rows + row]`.
    pub(crate) class_raw: Vec<f32>,
    pub(crate) distance: Vec<f32>,
    pub(crate) pair: Tally,
    pub(crate) range: Tally,
    /// The chance of the label's second class; empty without a label of two levels.
    pub(crate) chance: Vec<f32>,
    /// Log odds that each label is the other one, without them.
    pub(crate) turned: Vec<f32>,
    /// Whether the label is of the second class.
    pub(crate) second: Vec<bool>,
}

/// Scores of a chunk by the families that one row alone decides.
#[derive(Default)]
pub(crate) struct Scores {
    pub(crate) raw: [Vec<f32>; ALONE],
    pub(crate) column: [Vec<u16>; ALONE],
    conditional: Tally,
    critical: Tally,
}

impl Core {
    /// Learns from encoded rows. `critical` are columns, the label first where there is one.
    pub(crate) fn fit(encoder: &Encoder, rows: &Chunk, critical: &[usize], label: Option<usize>, seed: u64) -> Self {
        use rayon::prelude::*;
        let linear = Linear::fit(encoder, rows);
        let mut space = Space::default();
        linear.standardise(encoder, rows, &mut space.inputs);
        linear.predict(rows, &space.inputs, &mut space.lines, &mut space.distance);
        let lines = &space.lines;
        let expects = (0..encoder.numbers.len())
            .into_par_iter()
            .filter_map(|place| Expect::fit(encoder, &linear, rows, lines, place, seed))
            .collect();
        let classes = critical.par_iter().filter_map(|&column| Classes::fit(encoder, rows, column, seed)).collect();
        let pairs = Pairs::fit(encoder, rows, label);
        Self { linear, expects, classes, pairs }
    }

    /// What is said of a chunk. `label` is the label's column.
    pub(crate) fn detail(&self, encoder: &Encoder, rows: &Chunk, label: Option<usize>, space: &mut Space, out: &mut Detail) {
        out.rows = rows.rows;
        self.linear.standardise(encoder, rows, &mut space.inputs);
        self.linear.predict(rows, &space.inputs, &mut space.lines, &mut space.distance);
        out.distance.clear();
        out.distance.extend(space.distance.iter().map(|square| (square.max(0.0) + 1e-6).ln()));
        out.raw.clear();
        out.signed.clear();
        for expect in &self.expects {
            expect.judge(encoder, rows, space);
            out.raw.extend_from_slice(&space.raw);
            out.signed.extend_from_slice(&space.signed);
        }
        out.class_raw.clear();
        out.chance.clear();
        for classes in &self.classes {
            classes.judge(rows, space);
            out.class_raw.extend_from_slice(&space.raw);
            if Some(usize::from(classes.column)) == label {
                classes.margin(rows, space);
                out.chance.extend(space.expected.iter().map(|margin| 1.0 / (1.0 + (-margin).exp())));
            }
        }
        out.turned.clear();
        out.second.clear();
        if let (Some(label), false) = (label, out.chance.is_empty()) {
            out.turned.extend(rows.column(label).iter().zip(&out.chance).map(|(&code, &chance)| turned(code >> 2, chance)));
            out.second.extend(rows.column(label).iter().map(|code| code >> 2 == 1));
        }
        self.pairs.judge(rows, &mut out.pair);
        range(encoder, rows, &mut out.range);
    }

    pub(crate) fn is_sound(&self, encoder: &Encoder, curves: &Curves) -> bool {
        self.linear.is_sound(encoder)
            && self.expects.iter().all(|expect| expect.is_sound(encoder, &self.linear))
            && self.classes.iter().all(|classes| classes.is_sound(encoder))
            && self.pairs.is_sound(encoder.width())
            && curves.expects.len() == self.expects.len()
            && curves.classes.len() == self.classes.len()
            && level_columns(encoder).len() == encoder.width()
    }
}

/// Log odds that a label of so likely a class is the other one; as low as can be where it is missing.
pub(crate) fn turned(class: u8, chance: f32) -> f32 {
    let chance = chance.clamp(1e-3, 1.0 - 1e-3);
    match class {
        0 => (chance / (1.0 - chance)).ln(),
        1 => ((1.0 - chance) / chance).ln(),
        _ => -10.0,
    }
}

/// Each value by itself.
fn range(encoder: &Encoder, rows: &Chunk, out: &mut Tally) {
    out.start(rows.rows);
    let mut place = 0;
    for (column, reading) in encoder.readings.iter().enumerate() {
        match reading {
            Reading::Number(number) => {
                for (row, &value) in rows.number(place).iter().enumerate().filter(|(_, value)| !number.is_ordinary(**value)) {
                    let surprise = number.surprise(value) as f32;
                    if surprise > RANGE_FROM {
                        out.add(row, surprise - RANGE_FROM, column as u16);
                    }
                }
                place += 1;
            }
            Reading::Levels(levels) => {
                let mut table = [0.0_f32; 256];
                table.iter_mut().enumerate().for_each(|(code, to)| *to = levels.surprise(code as u8) as f32 - RANGE_FROM);
                for (row, &code) in rows.column(column).iter().enumerate() {
                    if table[usize::from(code)] > 0.0 {
                        out.add(row, table[usize::from(code)], column as u16);
                    }
                }
            }
        }
    }
}

impl Scores {
    /// Joins the columns of each family.
    ///
    /// `label` and `value` are columns; `rate` is the share of the label's second class in history.
    pub(crate) fn of(
        &mut self,
        core: &Core,
        curves: &Curves,
        (label, value): (Option<u16>, Option<u16>),
        rate: f64,
        detail: &Detail,
    ) {
        let rows = detail.rows;
        self.conditional.start(rows);
        self.critical.start(rows);
        for (at, (expect, curve)) in core.expects.iter().zip(&curves.expects).enumerate() {
            for (row, &raw) in detail.raw[at * rows..(at + 1) * rows].iter().enumerate() {
                let said = surprise(curve, raw);
                self.conditional.add(row, said, expect.column);
                if Some(expect.column) == value {
                    self.critical.add(row, said, expect.column);
                }
            }
        }
        let own = |classes: &Classes| label == Some(classes.column) && !detail.turned.is_empty();
        for (at, (classes, curve)) in core.classes.iter().zip(&curves.classes).enumerate().filter(|(_, (known, _))| !own(known)) {
            for (row, &raw) in detail.class_raw[at * rows..(at + 1) * rows].iter().enumerate() {
                self.critical.add(row, surprise(curve, raw), classes.column);
            }
        }
        for family in 0..ALONE {
            self.raw[family].clear();
            self.column[family].clear();
            let tally = match family {
                0 => &detail.range,
                1 => &self.conditional,
                3 => &detail.pair,
                4 => &self.critical,
                LABEL => {
                    let half = (0.5 * (rate / (1.0 - rate)).ln()) as f32;
                    let drawn = detail.turned.iter().zip(&detail.second);
                    self.raw[family].extend(drawn.map(|(odds, second)| if *second { odds + half } else { odds - half }));
                    self.raw[family].resize(rows, -10.0);
                    self.column[family].resize(rows, label.unwrap_or(u16::MAX));
                    continue;
                }
                _ => {
                    self.raw[family].extend_from_slice(&detail.distance);
                    self.column[family].resize(rows, u16::MAX);
                    continue;
                }
            };
            let weight = if family == 1 { 2.0 } else { 1.0 };
            self.raw[family].extend(tally.total.iter().zip(&tally.worst).map(|(total, worst)| total + weight * worst));
            self.column[family].extend_from_slice(&tally.column);
        }
    }
}
