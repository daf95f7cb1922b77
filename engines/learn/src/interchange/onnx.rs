//! Gives the whole model to ONNX: encoding, booster, support vector machine, forest, vote and segments in one graph, so that an
//! independent runtime can answer from the raw columns and show that we answer right (T4).
//!
//! `ai.onnx` 17 and `ai.onnx.ml` 3. Each column is an input `[rows, 1]`: numbers in 64 bits, `NaN` where missing; categories as
//! texts, where any text that is no level, such as the empty one, counts as none. Outputs `[rows, 1]`: [`OUTPUTS`].
//!
//! What is equal: every operation that rounds to 32 bits is a node of its own and comes in our order (trees are asked for all their
//! leaves, which are then added one by one), so that a runtime that rounds as IEEE 754 says has our margins and distances bit for
//! bit; only sums in 64 bits may come in another order. Probabilities of the members and of the vote differ by less than 1e-9, even
//! after the steep steps of an isotonic calibration (`checks/peers` prints the figures). A segment differs only for rows as far
//! from one centre as from another.
//!
//! The graph holds rows of training customers, as the machine itself does: treat it as personal data.

mod machine;

use super::proto::{Graph, Kind, Message, floats, number, numbers, text, texts};
use super::{Knot, Plain};
use crate::calibrate::{Isotonic, ODDS_CLIP, Sigmoid, VoteMap};
use crate::ensemble::Ensemble;
use crate::error::LearnError;
use crate::preprocess::{ColumnKind, NUMBER_MAX, Preprocess};
use crate::segments::{Axis, Segments};
use crate::stack::Stack;
use machine::machine;

/// Names of the outputs, probabilities in 64 bits first; the last two only where the model has segments.
pub const OUTPUTS: [&str; 7] =
    ["churn_booster", "churn_svm", "churn_forest", "churn_vote", "churn_positive", "churn_segment", "churn_segment_name"];
/// Most bytes of a graph; a protocol buffer may have twice as many.
pub const BYTES_MAX: usize = 1 << 30;
/// The domain of trees and encoders.
const ML: &str = "ai.onnx.ml";

/// The model as an ONNX file.
///
/// # Errors
/// A column with the name of an output, a column that is a category to the model and a number to the segments, trees that do not
/// count equally, more than [`BYTES_MAX`] bytes.
pub fn write(model: &Ensemble) -> Result<Vec<u8>, LearnError> {
    let mut graph = Graph::default();
    inputs(&mut graph, model)?;
    let raw = encoding(&mut graph, model.preprocess());
    let filled = filling(&mut graph, model.preprocess(), &raw);
    let scaled = scaling(&mut graph, model.preprocess(), &filled);

    let margin = margin(&mut graph, &Plain::booster(model.booster())?, &raw);
    let booster = graph.node("Sigmoid", &[&margin]);
    let svm = machine(&mut graph, model.svm(), &scaled);
    let forest = forest(&mut graph, &Plain::forest(model.forest()), &filled);
    let vote = voting(&mut graph, model, [&booster, &svm, &forest]);
    let threshold = graph.double(model.threshold());
    let positive = graph.node("GreaterOrEqual", &[&vote, &threshold]);

    for (name, from) in OUTPUTS.into_iter().zip([&booster, &svm, &forest, &vote]) {
        graph.output(name, Kind::Double, from);
    }
    graph.output(OUTPUTS[4], Kind::Truth, &positive);
    if let Some(segments) = model.segments() {
        let (segment, name) = segmenting(&mut graph, segments);
        graph.output(OUTPUTS[5], Kind::Long, &segment);
        graph.output(OUTPUTS[6], Kind::Text, &name);
    }
    if graph.size() > BYTES_MAX {
        return Err(LearnError::Write(format!("the ONNX graph has more than `{BYTES_MAX}` bytes")));
    }
    let threshold = model.threshold().to_string();
    Ok(graph.model("churn", &[("", 17), (ML, 3)], &[("threshold", &threshold)]))
}

/// One input for each column of the model, then those that only the segments read.
fn inputs(graph: &mut Graph, model: &Ensemble) -> Result<(), LearnError> {
    let columns = model.columns();
    let axes = model.segments().map_or(&[][..], Segments::axes);
    let names = columns.iter().map(|column| &column.name).chain(axes.iter().map(|axis| &axis.column));
    for name in names {
        if name.is_empty() || OUTPUTS.contains(&name.as_str()) || name.starts_with(Graph::INSIDE) {
            return Err(LearnError::Write(format!("column `{name}` has a name that the ONNX graph needs itself")));
        }
    }
    for column in columns {
        let kind = match column.kind {
            ColumnKind::Number { .. } => Kind::Double,
            ColumnKind::Category { .. } => Kind::Text,
        };
        graph.input(&column.name, kind);
    }
    for axis in axes {
        match columns.iter().find(|column| column.name == axis.column).map(|column| &column.kind) {
            None => graph.input(&axis.column, Kind::Double),
            Some(ColumnKind::Number { .. }) => (),
            Some(ColumnKind::Category { .. }) => {
                return Err(LearnError::Kind {
                    column: axis.column.clone(),
                    needed: "a number to the model, as to the segments",
                });
            }
        }
    }
    Ok(())
}

/// `[rows, encoded columns]` in 32 bits, `NaN` where missing.
fn encoding(graph: &mut Graph, preprocess: &Preprocess) -> String {
    let most = graph.floats(&[], &[NUMBER_MAX]);
    let missing = graph.floats(&[], &[f32::NAN]);
    let mut parts = Vec::new();
    for column in preprocess.columns() {
        match &column.kind {
            ColumnKind::Number { log } => {
                let value = if *log { logarithm(graph, &column.name) } else { column.name.clone() };
                let value = graph.cast(&value, Kind::Float);
                let size = graph.node("Abs", &[&value]);
                let known = graph.node("LessOrEqual", &[&size, &most]);
                parts.push(graph.node("Where", &[&known, &value, &missing]));
            }
            // All rows of training lacked it.
            ColumnKind::Category { levels } if levels.is_empty() => (),
            ColumnKind::Category { levels } => {
                let attributes = [texts("cats_strings", levels.iter().map(String::as_str)), number("zeros", 1)];
                let hot = graph.node_with("OneHotEncoder", ML, &[&column.name], &attributes);
                let shape = graph.longs(&[-1, levels.len() as i64]);
                parts.push(graph.node("Reshape", &[&hot, &shape]));
            }
        }
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    graph.node_with("Concat", "", &parts, &[number("axis", 1)])
}

/// `sign(x) * ln(1 + |x|)`. With `u = 1 + |x|` rounded, `ln(u) * |x| / (u - 1)` keeps the digits of small numbers (Kahan).
fn logarithm(graph: &mut Graph, value: &str) -> String {
    let one = graph.double(1.0);
    let size = graph.node("Abs", &[value]);
    let more = graph.node("Add", &[&size, &one]);
    let log = graph.node("Log", &[&more]);
    let added = graph.node("Sub", &[&more, &one]);
    let share = graph.node("Div", &[&size, &added]);
    let product = graph.node("Mul", &[&log, &share]);
    // Where nothing was added the number itself is right, and where all was lost the quotient is 1 or no number.
    let least = graph.double(f64::EPSILON);
    let most = graph.double(1.0 / f64::EPSILON);
    let tiny = graph.node("Less", &[&size, &least]);
    let huge = graph.node("Greater", &[&size, &most]);
    let plain = graph.node("Where", &[&huge, &log, &product]);
    let found = graph.node("Where", &[&tiny, &size, &plain]);
    let sign = graph.node("Sign", &[value]);
    graph.node("Mul", &[&found, &sign])
}

fn filling(graph: &mut Graph, preprocess: &Preprocess, raw: &str) -> String {
    let fills = graph.floats(&[1, preprocess.width()], preprocess.fills());
    let missing = graph.node("IsNaN", &[raw]);
    graph.node("Where", &[&missing, &fills, raw])
}

fn scaling(graph: &mut Graph, preprocess: &Preprocess, filled: &str) -> String {
    let means = graph.floats(&[1, preprocess.width()], preprocess.means());
    let deviations = graph.floats(&[1, preprocess.width()], preprocess.deviations());
    let centred = graph.node("Sub", &[filled, &means]);
    graph.node("Div", &[&centred, &deviations])
}

/// The booster's margin in 64 bits: its leaves are added to the base in 32, tree after tree.
fn margin(graph: &mut Graph, plain: &Plain, rows: &str) -> String {
    let leaves = leaves(graph, plain, rows);
    let axis = graph.long(1);
    let sums = graph.node("CumSum", &[&leaves, &axis]);
    let last = graph.column(&sums, plain.trees.len().saturating_sub(1));
    graph.cast(&last, Kind::Double)
}

/// The mean of the leaves, in 64 bits.
fn forest(graph: &mut Graph, plain: &Plain, rows: &str) -> String {
    let leaves = leaves(graph, plain, rows);
    let wide = graph.cast(&leaves, Kind::Double);
    let axis = graph.longs(&[1]);
    let sum = graph.node("ReduceSum", &[&wide, &axis]);
    let count = graph.double(plain.trees.len() as f64);
    graph.node("Div", &[&sum, &count])
}

/// The leaf of each tree, `[rows, trees]`; to the first the base is added.
fn leaves(graph: &mut Graph, plain: &Plain, rows: &str) -> String {
    let all = || {
        plain.trees.iter().enumerate().flat_map(|(tree, knots)| knots.iter().enumerate().map(move |(at, knot)| (tree, at, knot)))
    };
    let leaves = || {
        all().filter_map(|(tree, at, knot)| match knot {
            Knot::Leaf(value) => Some((tree as i64, at as i64, *value)),
            Knot::Split { .. } => None,
        })
    };
    let split = |pick: fn(&Knot) -> i64| all().map(move |(_, _, knot)| pick(knot));
    let lower = if plain.strict { "BRANCH_LT" } else { "BRANCH_LEQ" };
    let modes = all().map(|(_, _, knot)| match knot {
        Knot::Split { .. } => lower,
        Knot::Leaf(_) => "LEAF",
    });
    let cuts = all().map(|(_, _, knot)| match knot {
        Knot::Split { cut, .. } => *cut,
        Knot::Leaf(_) => 0.0,
    });
    let attributes: Vec<Message> = vec![
        number("n_targets", plain.trees.len() as i64),
        text("aggregate_function", "SUM"),
        text("post_transform", "NONE"),
        floats("base_values", (0..plain.trees.len()).map(|tree| if tree == 0 { plain.base } else { 0.0 })),
        numbers("nodes_treeids", all().map(|(tree, _, _)| tree as i64)),
        numbers("nodes_nodeids", all().map(|(_, at, _)| at as i64)),
        numbers("nodes_featureids", split(|knot| if let Knot::Split { column, .. } = knot { i64::from(*column) } else { 0 })),
        texts("nodes_modes", modes),
        floats("nodes_values", cuts),
        numbers("nodes_truenodeids", split(|knot| if let Knot::Split { left, .. } = knot { i64::from(*left) } else { 0 })),
        numbers("nodes_falsenodeids", split(|knot| if let Knot::Split { right, .. } = knot { i64::from(*right) } else { 0 })),
        numbers(
            "nodes_missing_value_tracks_true",
            split(|knot| i64::from(matches!(knot, Knot::Split { missing_left: true, .. }))),
        ),
        numbers("target_treeids", leaves().map(|(tree, _, _)| tree)),
        numbers("target_nodeids", leaves().map(|(_, at, _)| at)),
        numbers("target_ids", leaves().map(|(tree, _, _)| tree)),
        floats("target_weights", leaves().map(|(_, _, value)| value)),
    ];
    graph.node_with("TreeEnsembleRegressor", ML, &[rows], &attributes)
}

/// `1 / (1 + exp(slope * value + offset))`.
fn sigmoid(graph: &mut Graph, fitted: Sigmoid, value: &str) -> String {
    let (slope, offset) = (graph.double(-fitted.slope), graph.double(-fitted.offset));
    let product = graph.node("Mul", &[value, &slope]);
    let odds = graph.node("Add", &[&product, &offset]);
    graph.node("Sigmoid", &[&odds])
}

/// The weighted mean of booster, machine and forest, or what they are stacked to, calibrated.
fn voting(graph: &mut Graph, model: &Ensemble, members: [&str; 3]) -> String {
    let mean = match model.stack() {
        Some(stack) => stacking(graph, stack, members),
        None => averaging(graph, model.weights(), members),
    };
    match model.calibration() {
        VoteMap::Identity => mean,
        VoteMap::Platt(fitted) => {
            let odds = log_odds(graph, &mean);
            sigmoid(graph, *fitted, &odds)
        }
        VoteMap::Isotonic(map) => isotonic(graph, map, &mean),
    }
}

fn averaging(graph: &mut Graph, weights: [f64; 3], members: [&str; 3]) -> String {
    let sum = summing(graph, weights, members);
    let (zero, one) = (graph.double(0.0), graph.double(1.0));
    graph.node("Clip", &[&sum, &zero, &one])
}

fn stacking(graph: &mut Graph, stack: &Stack, members: [&str; 3]) -> String {
    let odds = members.map(|member| log_odds(graph, member));
    let sum = summing(graph, stack.weights, [&odds[0], &odds[1], &odds[2]]);
    let intercept = graph.double(stack.intercept);
    let sum = graph.node("Add", &[&sum, &intercept]);
    graph.node("Sigmoid", &[&sum])
}

fn summing(graph: &mut Graph, weights: [f64; 3], parts: [&str; 3]) -> String {
    let weighted: Vec<String> = parts
        .into_iter()
        .zip(weights)
        .map(|(part, weight)| {
            let weight = graph.double(weight);
            graph.node("Mul", &[part, &weight])
        })
        .collect();
    let sum = graph.node("Add", &[&weighted[0], &weighted[1]]);
    graph.node("Add", &[&sum, &weighted[2]])
}

/// Log odds of a probability, held away from 0 and 1 as in [`VoteMap`].
fn log_odds(graph: &mut Graph, score: &str) -> String {
    let (least, most, one) = (graph.double(ODDS_CLIP), graph.double(1.0 - ODDS_CLIP), graph.double(1.0));
    let clipped = graph.node("Clip", &[score, &least, &most]);
    let rest = graph.node("Sub", &[&one, &clipped]);
    let odds = graph.node("Div", &[&clipped, &rest]);
    graph.node("Log", &[&odds])
}

/// The line of the piece that the score lies in: as many pieces as known scores, and one after the last.
fn isotonic(graph: &mut Graph, map: &Isotonic, score: &str) -> String {
    let count = map.scores.len();
    let (mut starts, mut widths, mut bases, mut rises) = (vec![0.0], vec![1.0], vec![map.chances[0]], vec![0.0]);
    for at in 1..count {
        starts.push(map.scores[at - 1]);
        widths.push(map.scores[at] - map.scores[at - 1]);
        bases.push(map.chances[at - 1]);
        rises.push(map.chances[at] - map.chances[at - 1]);
    }
    starts.push(0.0);
    widths.push(1.0);
    bases.push(map.chances[count - 1]);
    rises.push(0.0);

    let known = graph.doubles(&[1, count], &map.scores);
    let below = graph.node("Less", &[&known, score]);
    let below = graph.cast(&below, Kind::Long);
    let last = graph.longs(&[1]);
    let piece = graph.node("ReduceSum", &[&below, &last]);
    let mut pick = |values: &[f64]| {
        let values = graph.doubles(&[count + 1], values);
        graph.node("Gather", &[&values, &piece])
    };
    let (start, width, base, rise) = (pick(&starts), pick(&widths), pick(&bases), pick(&rises));
    let past = graph.node("Sub", &[score, &start]);
    let share = graph.node("Div", &[&past, &width]);
    let gained = graph.node("Mul", &[&share, &rise]);
    graph.node("Add", &[&base, &gained])
}

/// Number and name of the nearest centre, the first of equals.
fn segmenting(graph: &mut Graph, segments: &Segments) -> (String, String) {
    let (count, axes) = (segments.segments().len(), segments.axes().len());
    let scaled: Vec<String> = segments.axes().iter().map(|axis| axis_of(graph, axis)).collect();
    let scaled: Vec<&str> = scaled.iter().map(String::as_str).collect();
    let point = graph.node_with("Concat", "", &scaled, &[number("axis", 1)]);
    let shape = graph.longs(&[-1, 1, axes as i64]);
    let point = graph.node("Reshape", &[&point, &shape]);
    let centres: Vec<f64> = segments.segments().iter().flat_map(|segment| segment.centre.iter().copied()).collect();
    let centres = graph.doubles(&[1, count, axes], &centres);
    let gaps = graph.node("Sub", &[&point, &centres]);
    let squares = graph.node("Mul", &[&gaps, &gaps]);
    let last = graph.longs(&[2]);
    let far = graph.node_with("ReduceSum", "", &[&squares, &last], &[number("keepdims", 0)]);
    let nearest = graph.node_with("ArgMin", "", &[&far], &[number("axis", 1), number("keepdims", 1)]);
    let names: Vec<&str> = segments.segments().iter().map(|segment| segment.name.as_str()).collect();
    let names = graph.texts(&names);
    let name = graph.node("Gather", &[&names, &nearest]);
    (nearest, name)
}

/// One scaled coordinate, in 64 bits.
fn axis_of(graph: &mut Graph, axis: &Axis) -> String {
    let wide = axis.column.clone();
    let (most, fill) = (graph.double(f64::MAX), graph.double(axis.fill));
    let size = graph.node("Abs", &[&wide]);
    let known = graph.node("LessOrEqual", &[&size, &most]);
    let read = if axis.log {
        let (zero, one) = (graph.double(0.0), graph.double(1.0));
        let risen = graph.node("Max", &[&wide, &zero]);
        let more = graph.node("Add", &[&risen, &one]);
        graph.node("Log", &[&more])
    } else {
        wide
    };
    let value = graph.node("Where", &[&known, &read, &fill]);
    let (mean, deviation) = (graph.double(axis.mean), graph.double(axis.deviation));
    let centred = graph.node("Sub", &[&value, &mean]);
    graph.node("Div", &[&centred, &deviation])
}
