//! Judges each number by what the row's other columns say it should be, on the scale where they say it best, and against how sure
//! they are there: rows whose every value is ordinary but whose combination is not (T1).

use outlier::stats::Curve;
use serde::{Deserialize, Serialize};

use crate::encode::{Chunk, Encoder, Reading, Z_MAX};
use crate::linear::Linear;
use crate::trees::{Boost, Effort, Learn, Loss};

/// Residuals are read as logarithms; this is the smallest that counts, in standard deviations.
const RESIDUAL_FLOOR: f32 = 1e-4;
/// Smallest scale of the tail of a log-residual or log-probability.
pub(crate) const TAIL_FLOOR: f64 = 0.1;
/// Rows with a value that a predictor needs.
const ROWS_MIN: usize = 50;
/// Signed residuals are cut here, so that a mean over a batch is not one row's.
pub(crate) const SIGNED_MAX: f32 = 3.0;
const RESIDUAL: Effort = Effort { rounds: 40, depth: 4, rate: 0.2, columns: 0.5 };
const SPREAD: Effort = Effort { rounds: 20, depth: 3, rate: 0.3, columns: 0.5 };
const CLASS: Effort = Effort { rounds: 80, depth: 4, rate: 0.12, columns: 0.5 };
/// Classes of a critical category.
const CLASSES_MAX: usize = 8;
/// The least probability that a class model may give.
const PROBABILITY_FLOOR: f32 = 1e-4;

/// What foretells one number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expect {
    pub(crate) column: u16,
    place: u16,
    input: u16,
    log: bool,
    trees: Boost,
    spread: Boost,
}

/// Scratch space of one chunk, so that nothing is allocated per row.
#[derive(Default)]
pub(crate) struct Space {
    pub(crate) inputs: Vec<f32>,
    pub(crate) lines: Vec<f32>,
    pub(crate) distance: Vec<f32>,
    pub(crate) expected: Vec<f32>,
    pub(crate) spread: Vec<f32>,
    /// What came out: log-residuals over their usual spread, `NaN` where missing.
    pub(crate) raw: Vec<f32>,
    /// Signed residuals in usual spreads, cut; 0 where missing.
    pub(crate) signed: Vec<f32>,
}

/// Which columns hold levels, as trees ask.
pub(crate) fn level_columns(encoder: &Encoder) -> Vec<bool> {
    encoder.readings.iter().map(|reading| matches!(reading, Reading::Levels(_))).collect()
}

impl Expect {
    /// Learns one number; `None` where too few rows hold it or it never varies. `lines` are linear predictions of the rows.
    pub(crate) fn fit(encoder: &Encoder, linear: &Linear, rows: &Chunk, lines: &[f32], place: usize, seed: u64) -> Option<Self> {
        let column = usize::from(*encoder.numbers.get(place)?);
        let number = encoder.number(column)?;
        let usable: Vec<u32> = (0..rows.rows as u32).filter(|&row| !rows.number(place)[row as usize].is_nan()).collect();
        if usable.len() < ROWS_MIN || number.edges.is_empty() {
            return None;
        }
        let line = |input: usize, row: u32| lines[input * rows.rows + row as usize];
        // The scale on which the linear part comes nearest, measured in the column's own unit.
        let mut best: Option<(f64, usize, bool)> = None;
        for (input, &(at, log)) in linear.inputs.iter().enumerate().filter(|(_, (at, _))| usize::from(*at) == place) {
            let error: f64 = usable
                .iter()
                .map(|&row| {
                    let guess = f64::from(line(input, row).clamp(-Z_MAX, Z_MAX));
                    let guess = match number.log {
                        Some((shift, centre, scale)) if log => (guess * scale + centre).exp() - shift,
                        Some(_) | None => guess * number.scale + number.centre,
                    };
                    ((rows.number(usize::from(at))[row as usize] - guess).abs() / number.scale + 1e-4).ln()
                })
                .sum();
            if best.is_none_or(|(least, _, _)| error < least) {
                best = Some((error, input, log));
            }
        }
        let (_, input, log) = best?;
        let chosen = rows.take(&usable);
        let mut out = Self {
            column: column as u16,
            place: place as u16,
            input: input as u16,
            log,
            trees: Boost::default(),
            spread: Boost::default(),
        };
        let levels = level_columns(encoder);
        let learn = Learn { fine: &chosen.fine, rows: chosen.rows, levels: &levels, without: &[column] };
        let targets: Vec<f32> = usable
            .iter()
            .zip(chosen.number(place))
            .map(|(&row, &value)| (out.own(number, value) - line(input, row)).clamp(-Z_MAX, Z_MAX))
            .collect();
        out.trees = Boost::fit(&learn, &targets, Loss::Squared, RESIDUAL, seed ^ (column as u64) << 8);
        let mut expected = vec![out.trees.base; chosen.rows];
        out.trees.add(&chosen.fine, &mut expected);
        let left: Vec<f32> =
            targets.iter().zip(&expected).map(|(target, guess)| ((target - guess).abs() + RESIDUAL_FLOOR).ln()).collect();
        out.spread = Boost::fit(&learn, &left, Loss::Squared, SPREAD, seed ^ (column as u64) << 8 ^ 1);
        Some(out)
    }

    fn own(&self, number: &crate::encode::Number, value: f64) -> f32 {
        if self.log { number.standard_log(value).unwrap_or(0.0) } else { number.standard(value) }
    }

    /// Fills `space.raw` and `space.signed`; `space.lines` must hold the chunk's linear predictions.
    pub(crate) fn judge(&self, encoder: &Encoder, rows: &Chunk, space: &mut Space) {
        let count = rows.rows;
        space.raw.clear();
        space.signed.clear();
        let from = usize::from(self.input) * count;
        let (Some(number), Some(lines)) = (encoder.number(usize::from(self.column)), space.lines.get(from..from + count)) else {
            space.raw.resize(count, f32::NAN);
            space.signed.resize(count, 0.0);
            return;
        };
        space.expected.clear();
        space.expected.extend(lines.iter().map(|line| line + self.trees.base));
        self.trees.add(&rows.fine, &mut space.expected);
        space.spread.clear();
        space.spread.resize(count, self.spread.base);
        self.spread.add(&rows.fine, &mut space.spread);
        for ((&value, &guess), &spread) in rows.number(usize::from(self.place)).iter().zip(&space.expected).zip(&space.spread) {
            if value.is_nan() {
                space.raw.push(f32::NAN);
                space.signed.push(0.0);
            } else {
                let residual = self.own(number, value) - guess;
                space.raw.push((residual.abs() + RESIDUAL_FLOOR).ln() - spread);
                space.signed.push((residual * (-spread).exp()).clamp(-SIGNED_MAX, SIGNED_MAX));
            }
        }
    }

    /// What the other columns foretell of one row of a judged chunk, in the column's own unit.
    pub(crate) fn foretold(&self, encoder: &Encoder, space: &Space, row: usize) -> Option<f64> {
        let number = encoder.number(usize::from(self.column))?;
        let guess = f64::from(*space.expected.get(row)?);
        match number.log {
            Some((shift, centre, scale)) if self.log => Some((guess * scale + centre).exp() - shift),
            Some(_) | None => Some(guess * number.scale + number.centre),
        }
    }

    pub(crate) fn is_sound(&self, encoder: &Encoder, linear: &Linear) -> bool {
        usize::from(self.input) < linear.targets()
            && encoder.numbers.get(usize::from(self.place)) == Some(&self.column)
            && self.trees.is_sound(encoder.width())
            && self.spread.is_sound(encoder.width())
    }
}

/// What foretells one category that an attacker gains by forging: the label, a value tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Classes {
    pub(crate) column: u16,
    /// One booster a class, the commonest first; of two classes only the second's.
    boosts: Vec<Boost>,
}

impl Classes {
    /// `None` where the column is no category of 2 to [`CLASSES_MAX`] levels.
    pub(crate) fn fit(encoder: &Encoder, rows: &Chunk, column: usize, seed: u64) -> Option<Self> {
        let Some(Reading::Levels(known)) = encoder.readings.get(column) else { return None };
        let classes = known.codes.len();
        if !(2..=CLASSES_MAX).contains(&classes) || rows.rows < ROWS_MIN {
            return None;
        }
        let levels = level_columns(encoder);
        let learn = Learn { fine: &rows.fine, rows: rows.rows, levels: &levels, without: &[column] };
        let own = rows.column(column);
        let boosts = (usize::from(classes == 2)..classes)
            .map(|class| {
                let targets: Vec<f32> = own.iter().map(|&fine| f32::from(usize::from(fine >> 2) == class)).collect();
                Boost::fit(&learn, &targets, Loss::Logistic, CLASS, seed ^ (column as u64) << 8 ^ class as u64)
            })
            .collect();
        Some(Self { column: column as u16, boosts })
    }

    /// Log odds of the second class of two, into `space.expected`.
    pub(crate) fn margin(&self, rows: &Chunk, space: &mut Space) {
        let Some(boost) = self.boosts.last() else { return };
        space.expected.clear();
        space.expected.resize(rows.rows, boost.base);
        boost.add(&rows.fine, &mut space.expected);
    }

    /// `-ln p` of each row's own class into `space.raw`, `NaN` where missing or new.
    pub(crate) fn judge(&self, rows: &Chunk, space: &mut Space) {
        let own = rows.column(usize::from(self.column));
        space.raw.clear();
        space.raw.resize(rows.rows, f32::NAN);
        let classes = if self.boosts.len() == 1 { 2 } else { self.boosts.len() };
        space.spread.clear();
        space.spread.resize(rows.rows, 0.0);
        for (at, boost) in self.boosts.iter().enumerate() {
            space.expected.clear();
            space.expected.resize(rows.rows, boost.base);
            boost.add(&rows.fine, &mut space.expected);
            for (row, &margin) in space.expected.iter().enumerate() {
                let p = 1.0 / (1.0 + (-margin).exp());
                let class = usize::from(own[row] >> 2);
                if classes == 2 {
                    let own = if class == 1 { p } else { 1.0 - p };
                    space.raw[row] = if class < 2 { -own.max(PROBABILITY_FLOOR).ln() } else { f32::NAN };
                } else {
                    space.spread[row] += p;
                    if class == at {
                        space.raw[row] = p;
                    }
                }
            }
        }
        if classes > 2 {
            for (raw, total) in space.raw.iter_mut().zip(&space.spread) {
                // Not a number stays so.
                *raw = if raw.is_nan() { *raw } else { -(*raw / total.max(1e-6)).max(PROBABILITY_FLOOR).ln() };
            }
        }
    }

    pub(crate) fn is_sound(&self, encoder: &Encoder) -> bool {
        usize::from(self.column) < encoder.width()
            && self.boosts.len() <= CLASSES_MAX
            && self.boosts.iter().all(|boost| boost.is_sound(encoder.width()))
    }
}

/// `sum + 2 x largest` of what the columns of a family say of each row, and the column that says most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) total: Vec<f32>,
    pub(crate) worst: Vec<f32>,
    pub(crate) column: Vec<u16>,
}

impl Tally {
    pub(crate) fn start(&mut self, rows: usize) {
        self.total.clear();
        self.total.resize(rows, 0.0);
        self.worst.clear();
        self.worst.resize(rows, 0.0);
        self.column.clear();
        self.column.resize(rows, u16::MAX);
    }

    pub(crate) fn add(&mut self, row: usize, surprise: f32, column: u16) {
        self.total[row] += surprise;
        if surprise > self.worst[row] {
            self.worst[row] = surprise;
            self.column[row] = column;
        }
    }
}

/// The surprise of a raw value; 0 where there is none.
pub(crate) fn surprise(curve: &Curve, raw: f32) -> f32 {
    curve.surprise(f64::from(raw)) as f32
}
