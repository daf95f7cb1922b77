//! Which way the decision of a machine falls, and how fast: what an opponent who has the machine follows, and so what training
//! against him needs (T5).

use super::Svm;
use super::kernel::LANES;

impl Svm {
    /// The slope of the decision at a scaled row, by column, in units of the margin for one unit of the scaled column; nothing for
    /// another number of columns.
    pub fn slope(&self, row: &[f32]) -> Vec<f64> {
        if row.len() != self.columns {
            return Vec::new();
        }
        if self.is_plane() {
            return self.weights.iter().map(|&weight| f64::from(weight)).collect();
        }
        let mut out = vec![0.0; self.columns];
        let mut near = [0.0f32; LANES];
        for (block, weights) in self.lanes.iter().enumerate() {
            self.vectors.near(block, row, self.gamma, &mut near);
            near.iter_mut().zip(weights).for_each(|(near, weight)| *near *= weight);
            for ((out, lanes), &value) in out.iter_mut().zip(self.vectors.block(block)).zip(row) {
                let pull = |(near, lane): (&f32, &f32)| near * (lane - value);
                *out += f64::from(near.iter().zip(lanes).map(pull).sum::<f32>());
            }
        }
        // d exp(-g |x - v|^2) / dx = 2 g (v - x) exp(..).
        out.iter_mut().for_each(|out| *out *= 2.0 * f64::from(self.gamma));
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::preprocess::Matrix;
    use crate::rng::Rng;
    use crate::spec::{Kernel, SvmSpec};
    use crate::svm::Svm;

    #[test]
    fn the_slope_is_that_of_small_steps() {
        let mut rng = Rng::new(5);
        let values: Vec<f32> = (0..200 * 3).map(|_| rng.unit() as f32 * 2.0 - 1.0).collect();
        let labels: Vec<bool> = values.chunks(3).map(|row| row[0] * row[1] + row[2] > 0.0).collect();
        let rows = Matrix::new(values, 200, 3).unwrap();
        for kernel in [Kernel::Rbf, Kernel::Linear] {
            let machine = Svm::fit(&rows, &labels, &SvmSpec { kernel, ..SvmSpec::default() }, 1).unwrap();
            for at in 0..20 {
                let slope = machine.slope(rows.row(at));
                for column in 0..3 {
                    let step = |by: f32| {
                        let mut row = rows.row(at).to_vec();
                        row[column] += by;
                        machine.decision(&row)
                    };
                    let seen = (step(0.01) - step(-0.01)) / 0.02;
                    assert!((slope[column] - seen).abs() < 0.01 * (1.0 + seen.abs()), "{} {seen}", slope[column]);
                }
            }
            assert!(machine.slope(&[1.0]).is_empty());
        }
    }
}
