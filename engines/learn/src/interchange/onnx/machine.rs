//! The support vector machine in ONNX's own operators, number by number as we reckon: a calibration with steep steps would show any
//! other rounding (T4).
//!
//! Distances and kernel values in 32 bits, column after column, as `svm/serve.rs` takes them; no runtime may reorder that, for each
//! operation is a node of its own. A fused step is taken in 64 bits, where the product is exact, and rounded: another bit than by one
//! rounding comes out once in hundreds of millions. Weighted sums in 64 bits, where the order is worth less than 1e-12.

use super::sigmoid;
use crate::interchange::proto::{Graph, Kind};
use crate::svm::{Parts, Svm};

/// Cephes' `expf`, as in `svm/serve.rs`; a test below holds the two together.
#[expect(clippy::excessive_precision, reason = "Cephes' constants as published")]
mod exp {
    /// Below this the result is under the smallest normal number.
    pub(super) const LEAST: f32 = -87.0;
    /// 1.5 * 2^23: added and taken away, it rounds to a whole number.
    pub(super) const ROUND: f32 = 12_582_912.0;
    /// Less ln 2, in two parts.
    pub(super) const LN_2: [f32; 2] = [-0.693_359_375, 2.121_944_4e-4];
    /// The polynomial, highest power first.
    pub(super) const FACTORS: [f32; 6] =
        [1.987_569_15e-4, 1.398_199_95e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 5.000_000_120_1e-1];
}

/// The machine's probability of scaled rows.
pub(super) fn machine(graph: &mut Graph, svm: &Svm, scaled: &str) -> String {
    let parts = svm.parts();
    let (near, count) =
        if svm.is_plane() { (scaled.to_owned(), parts.columns) } else { (nears(graph, &parts, scaled), parts.weights.len()) };
    let weights = graph.floats(&[count, 1], &parts.weights);
    let weights = graph.cast(&weights, Kind::Double);
    let bias = graph.double(parts.bias);
    let near = graph.cast(&near, Kind::Double);
    let sum = graph.node("MatMul", &[&near, &weights]);
    let decision = graph.node("Add", &[&sum, &bias]);
    sigmoid(graph, parts.sigmoid, &decision)
}

/// Kernel values with all vectors, `[rows, vectors]`.
fn nears(graph: &mut Graph, parts: &Parts, scaled: &str) -> String {
    let (count, columns) = (parts.weights.len(), parts.columns);
    let mut far: Option<String> = None;
    for column in 0..columns {
        let values: Vec<f32> = parts.vectors.iter().skip(column).step_by(columns).copied().collect();
        let vectors = graph.floats(&[1, count], &values);
        let own = graph.column(scaled, column);
        let gap = graph.node("Sub", &[&vectors, &own]);
        far = Some(match far {
            Some(far) => fused(graph, [&gap, &gap, &far]),
            None => graph.node("Mul", &[&gap, &gap]),
        });
    }
    let far = far.unwrap_or_else(|| scaled.to_owned());
    let width = graph.floats(&[], &[-parts.gamma]);
    let exponent = graph.node("Mul", &[&far, &width]);
    exponential(graph, &exponent)
}

/// `a * b + c`, rounded to 32 bits once.
fn fused(graph: &mut Graph, numbers: [&str; 3]) -> String {
    let [first, second, third] = numbers.map(|number| graph.cast(number, Kind::Double));
    let product = graph.node("Mul", &[&first, &second]);
    let sum = graph.node("Add", &[&product, &third]);
    graph.cast(&sum, Kind::Float)
}

/// `exp` of numbers of at most 0, in 32 bits.
fn exponential(graph: &mut Graph, value: &str) -> String {
    let mut fixed = |value: f32| graph.floats(&[], &[value]);
    let (least, round, base) = (fixed(exp::LEAST), fixed(exp::ROUND), fixed(2.0));
    let (turns, one) = (fixed(std::f32::consts::LOG2_E), fixed(1.0));
    let (high, low) = (fixed(exp::LN_2[0]), fixed(exp::LN_2[1]));
    let factors = exp::FACTORS.map(fixed);

    let value = graph.node("Max", &[value, &least]);
    let whole = fused(graph, [&value, &turns, &round]);
    let whole = graph.node("Sub", &[&whole, &round]);
    let rest = fused(graph, [&whole, &high, &value]);
    let rest = fused(graph, [&whole, &low, &rest]);
    let mut sum = factors[0].clone();
    for factor in &factors[1..] {
        sum = fused(graph, [&sum, &rest, factor]);
    }
    let square = graph.node("Mul", &[&rest, &rest]);
    let next = graph.node("Add", &[&rest, &one]);
    let sum = fused(graph, [&sum, &square, &next]);
    // A power of two is exact in every library.
    let power = graph.node("Pow", &[&base, &whole]);
    graph.node("Mul", &[&sum, &power])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::Matrix;
    use crate::rng::Rng;
    use crate::spec::{Kernel, SvmSpec};

    fn fused(first: f32, second: f32, third: f32) -> f32 {
        (f64::from(first) * f64::from(second) + f64::from(third)) as f32
    }

    /// The same operations in plain arithmetic, one by one as the graph has them.
    fn as_written(parts: &Parts, row: &[f32]) -> f64 {
        let mut sum = 0.0;
        for (vector, weight) in parts.vectors.chunks(parts.columns).zip(&parts.weights) {
            let mut far = 0.0f32;
            for (own, value) in vector.iter().zip(row) {
                let gap = own - value;
                far = fused(gap, gap, far);
            }
            let value = (far * -parts.gamma).max(exp::LEAST);
            let whole = fused(value, std::f32::consts::LOG2_E, exp::ROUND) - exp::ROUND;
            let rest = fused(whole, exp::LN_2[1], fused(whole, exp::LN_2[0], value));
            let mut part = exp::FACTORS[0];
            for factor in &exp::FACTORS[1..] {
                part = fused(part, rest, *factor);
            }
            let near = fused(part, rest * rest, rest + 1.0) * libm::exp2f(whole);
            sum += f64::from(near) * f64::from(*weight);
        }
        sum + parts.bias
    }

    #[test]
    fn the_graph_reckons_as_the_machine_does() {
        let mut rng = Rng::new(4);
        let values: Vec<f32> = (0..600 * 11).map(|_| (rng.unit() * 6.0 - 3.0) as f32).collect();
        let labels: Vec<bool> = values.chunks(11).map(|row| f64::from(row[0] * row[1]) > rng.unit() * 4.0 - 2.0).collect();
        let rows = Matrix::new(values, 600, 11).unwrap();
        for kernel in [Kernel::Rbf, Kernel::Nystroem] {
            let spec = SvmSpec { kernel, cost: 50.0, landmarks: Some(64), ..SvmSpec::default() };
            let svm = Svm::fit(&rows, &labels, &spec, 1).unwrap();
            let parts = svm.parts();
            for row in 0..600 {
                let (ours, graph) = (svm.decision(rows.row(row)), as_written(&parts, rows.row(row)));
                // If this fails, the kernel's arithmetic has changed: write the same operations into the graph.
                assert!((ours - graph).abs() < 1e-9, "{kernel:?}: {ours} {graph}");
            }
        }
    }
}
