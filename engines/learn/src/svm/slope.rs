//! Which way the decision of a machine falls, and how fast: what an opponent who has the machine follows, and so what training
//! against him needs (T5).

use super::Svm;
use super::kernel::exp;
use super::serve::TILE;

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
        for (vectors, weights) in self.vectors.tiles() {
            let mut far = [0.0f32; TILE];
            for (values, value) in vectors.iter().zip(row) {
                far.iter_mut().zip(values).for_each(|(far, other)| *far += (other - value) * (other - value));
            }
            let near: [f32; TILE] = std::array::from_fn(|at| weights[at] * exp(-self.gamma * far[at]));
            for ((out, values), &value) in out.iter_mut().zip(vectors).zip(row) {
                let pull = |(near, other): (&f32, &f32)| near * (other - value);
                *out += f64::from(near.iter().zip(values).map(pull).sum::<f32>());
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
