//! The rows of the comparison: customers whose odds are partly straight, partly crooked (T5).

use frame::{Column, Frame};
use learn::rng::Rng;
use learn::{Matrix, Preprocess};

/// Numbers of a row.
pub(crate) const COLUMNS: usize = 30;

/// Rows to train on and to test on.
pub(crate) struct Drawn {
    /// To train on, as a table.
    pub(crate) frame: Frame,
    /// To train on, as numbers.
    pub(crate) train: Matrix,
    /// To test on.
    pub(crate) test: Matrix,
    /// [`Self::train`], scaled.
    pub(crate) near: Matrix,
    /// [`Self::test`], scaled as those to train on.
    pub(crate) far: Matrix,
    /// Labels of the rows to train on.
    pub(crate) known: Vec<bool>,
    /// Labels of the rows to test on.
    pub(crate) truth: Vec<bool>,
}

impl Drawn {
    /// Draws so many rows.
    pub(crate) fn new(train: usize, test: usize, seed: u64) -> Result<Self, Box<dyn std::error::Error>> {
        let mut rng = Rng::new(seed);
        let (frame, known) = drawn(train, &mut rng)?;
        let (others, truth) = drawn(test, &mut rng)?;
        let encoding = Preprocess::fit(&frame, &[])?;
        let (train, test) = (encoding.encode(&frame)?, encoding.encode(&others)?);
        let (near, far) = (encoding.scaled(&train), encoding.scaled(&test));
        Ok(Self { frame, train, test, near, far, known, truth })
    }

    /// Rows to train on and then to test on, the label of each behind its numbers, little end first.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, std::num::TryFromIntError> {
        let mut out = Vec::new();
        for (rows, labels) in [(&self.train, &self.known), (&self.test, &self.truth)] {
            for (row, label) in labels.iter().enumerate() {
                rows.row(row).iter().for_each(|value| out.extend(value.to_le_bytes()));
                out.extend(f32::from(u8::try_from(u32::from(*label))?).to_le_bytes());
            }
        }
        Ok(out)
    }
}

/// A third of the columns are whole numbers, as ages and counts are.
fn drawn(count: usize, rng: &mut Rng) -> Result<(Frame, Vec<bool>), frame::FrameError> {
    let mut columns: Vec<Vec<f64>> = (0..COLUMNS).map(|_| Vec::with_capacity(count)).collect();
    let mut labels = Vec::with_capacity(count);
    for _ in 0..count {
        let row: Vec<f64> = (0..COLUMNS).map(|_| rng.unit() * 4.0 - 2.0).collect();
        let straight: f64 = row.iter().take(5).sum();
        let crooked = row[5] * row[6] + (row[7].abs() - 1.0) * 1.5 + if row[8] > 0.5 && row[9] < 0.0 { 2.0 } else { 0.0 };
        let odds = 0.5 * straight + 0.6 * crooked - 1.0;
        labels.push(rng.unit() < 1.0 / (1.0 + (-odds).exp()));
        for (at, (column, value)) in columns.iter_mut().zip(row).enumerate() {
            column.push(if at % 3 == 2 { (value * 8.0).round() } else { value });
        }
    }
    let mut frame = Frame::new(count);
    for (at, column) in columns.into_iter().enumerate() {
        frame.push(&format!("x{at}"), Column::Number(column))?;
    }
    Ok((frame, labels))
}
