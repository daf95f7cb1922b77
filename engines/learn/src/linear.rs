//! Solves small systems of equations whose matrix is symmetric and positive, without a dependency (T4).

/// The lower Cholesky factor of a matrix.
#[derive(Clone, Debug)]
pub(crate) struct Spd {
    size: usize,
    /// Row after row; above the diagonal undefined.
    factor: Vec<f64>,
}

impl Spd {
    /// Factors a matrix, of which the lower triangle is read; `None` where it is not positive.
    pub(crate) fn new(mut matrix: Vec<f64>, size: usize) -> Option<Self> {
        for row in 0..size {
            let (above, here) = matrix.split_at_mut(row * size);
            let here = &mut here[..size];
            for column in 0..row {
                let other = &above[column * size..column * size + size];
                here[column] = (here[column] - product(&here[..column], &other[..column])) / other[column];
            }
            let rest = here[row] - product(&here[..row], &here[..row]);
            if !(rest > 0.0) || !rest.is_finite() {
                return None;
            }
            here[row] = rest.sqrt();
        }
        Some(Self { size, factor: matrix })
    }

    /// The factor's row, up to the diagonal.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.factor[row * self.size..=row * self.size + row]
    }

    /// The solution for a right side.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut out = right.to_vec();
        for at in 0..self.size {
            let row = self.row(at);
            out[at] = (out[at] - product(&row[..at], &out[..at])) / row[at];
        }
        self.solve_upper(&mut out);
        out
    }

    /// Solves with the transposed factor, in place.
    pub(crate) fn solve_upper(&self, out: &mut [f64]) {
        for at in (0..self.size).rev() {
            let row = &self.factor[at * self.size..=at * self.size + at];
            out[at] /= row[at];
            let value = out[at];
            out[..at].iter_mut().zip(row).for_each(|(out, factor)| *out -= factor * value);
        }
    }
}

fn product(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    for (left, right) in left.iter().zip(right) {
        for lane in 0..8 {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum::<f64>() + left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn solutions_solve() {
        let mut rng = Rng::new(5);
        let size = 23;
        let half: Vec<f64> = (0..size * size).map(|_| rng.unit() - 0.5).collect();
        let cell = |row: usize, column: usize| {
            let sum: f64 = (0..size).map(|at| half[row * size + at] * half[column * size + at]).sum();
            sum + if row == column { 0.1 } else { 0.0 }
        };
        let matrix: Vec<f64> = (0..size * size).map(|at| cell(at / size, at % size)).collect();
        let right: Vec<f64> = (0..size).map(|_| rng.unit()).collect();
        let found = Spd::new(matrix.clone(), size).unwrap().solve(&right);
        for row in 0..size {
            let sum: f64 = (0..size).map(|at| matrix[row * size + at] * found[at]).sum();
            assert!((sum - right[row]).abs() < 1e-9);
        }
        assert!(Spd::new(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(Spd::new(vec![f64::NAN], 1).is_none());
    }
}
