//! Near-deterministic relations of a table, as an attacker finds them: he who keeps them is not caught by a look at them (T1).
//!
//! Numbers that are a linear function or a product of other columns; levels (and usual values of numbers) that exclude each
//! other. What is left free, he draws.

use std::collections::{BTreeMap, BTreeSet};

use frame::Column;

use crate::design::{Design, Linear, ROWS_MAX, Sums};
use crate::draw::Draws;
use crate::scene::Scene;
use crate::sheet::{Law, Sheet, categories, number};

/// A relation explains at least this share of a number's variance.
const SHARE_MIN: f64 = 0.98;
/// Columns of a linear relation at most, and the least gain of a further one.
const INPUTS_MAX: usize = 12;
const GAIN_MIN: f64 = 0.002;
/// Numbers that are looked at.
const NUMBERS_MAX: usize = 40;
/// Rows of a product's judgement at least.
const PRODUCT_ROWS_MIN: usize = 50;
/// Two levels exclude each other where so many rows should hold both and none does: chance 3e-7 by Poisson's law.
const EXPECTED_MIN: f64 = 15.0;
/// Levels of a category that are told apart here; the rest count as one.
const LEVELS_MAX: usize = 24;
/// A number has a usual value where this share of its rows holds it.
const USUAL_SHARE: f64 = 0.05;

/// How a number follows from others.
enum Rule {
    /// Weights over the design's vector, for the standardised number.
    Linear { weights: Linear, centre: f64, scale: f64 },
    /// `factor` times one column, times or over another.
    Product { factor: f64, one: usize, other: usize, over: bool },
}

struct Relation {
    target: usize,
    inputs: BTreeSet<usize>,
    rule: Rule,
    law: Law,
}

/// All relations found.
pub(crate) struct Laws {
    design: Design,
    /// In an order in which each can be computed.
    relations: Vec<Relation>,
    /// Columns whose values exclude each other stand in one block; columns without a partner alone.
    blocks: Vec<Vec<usize>>,
}

struct Found {
    target: usize,
    share: f64,
    inputs: BTreeSet<usize>,
    rule: Rule,
}

impl Laws {
    /// Looks at the history's features.
    pub(crate) fn find(scene: &Scene<'_>) -> Self {
        let rows = scene.draws(90).some(&(0..scene.past_rows).collect::<Vec<_>>(), ROWS_MAX);
        let design = Design::fit(&scene.past, scene.past_rows, &scene.features).unbounded();
        let vectors: Vec<Vec<f64>> = rows.iter().map(|&row| design.row(&scene.past, row)).collect();
        let sums = Sums::of(&vectors);
        let numbers: Vec<(usize, Law)> = scene.numbers().into_iter().take(NUMBERS_MAX).collect();
        let mut found: Vec<Found> = Vec::new();
        for (target, law) in &numbers {
            let linear = linear(&design, &sums, *target, law);
            let product = product(scene, &rows, *target, &numbers);
            let best = linear.into_iter().chain(product).max_by(|a, b| a.share.total_cmp(&b.share));
            found.extend(best);
        }
        found.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.inputs.len().cmp(&b.inputs.len())).then(a.target.cmp(&b.target)));
        let mut known = BTreeMap::<usize, BTreeSet<usize>>::new();
        let mut relations = Vec::new();
        for found in found {
            let needs = closure(&known, &found.inputs);
            if needs.contains(&found.target) {
                continue;
            }
            known.insert(found.target, found.inputs.clone());
            if let Some((_, law)) = numbers.iter().find(|(at, _)| *at == found.target) {
                relations.push(Relation { target: found.target, inputs: found.inputs, rule: found.rule, law: law.clone() });
            }
        }
        // Inputs first: there is no circle, and who needs more columns in all comes later.
        relations.sort_by_key(|relation| (closure(&known, &relation.inputs).len(), relation.target));
        Self { design, relations, blocks: blocks(scene, &rows) }
    }

    /// Whether other columns follow from this one, or it from them.
    pub(crate) fn bound(&self, at: usize) -> bool {
        self.relations.iter().any(|relation| relation.target == at || relation.inputs.contains(&at))
            || self.blocks.iter().any(|block| block.len() > 1 && block.contains(&at))
    }

    /// Draws a whole row: each block from a donor of its own, then what follows from it.
    pub(crate) fn draw(&self, scene: &Scene<'_>, sheet: &mut Sheet, row: usize, draws: &mut Draws) {
        for block in &self.blocks {
            let donor = draws.below(scene.past_rows);
            block.iter().for_each(|&at| sheet.copy(at, row, scene.past[at], donor));
        }
        self.relations.iter().for_each(|relation| self.compute(scene, relation, sheet, row, draws));
    }

    /// Takes one column from a donor with all that it follows from, and computes what follows from these.
    pub(crate) fn adopt(&self, scene: &Scene<'_>, sheet: &mut Sheet, row: usize, at: usize, donor: usize, draws: &mut Draws) {
        let known: BTreeMap<usize, BTreeSet<usize>> =
            self.relations.iter().map(|relation| (relation.target, relation.inputs.clone())).collect();
        let mut taken = BTreeSet::from([at]);
        loop {
            let before = taken.len();
            taken = closure(&known, &taken);
            for block in &self.blocks {
                if block.iter().any(|at| taken.contains(at)) {
                    taken.extend(block);
                }
            }
            if taken.len() == before {
                break;
            }
        }
        taken.iter().for_each(|&at| sheet.copy(at, row, scene.past[at], donor));
        let mut changed = taken.clone();
        for relation in &self.relations {
            if !taken.contains(&relation.target) && relation.inputs.iter().any(|input| changed.contains(input)) {
                self.compute(scene, relation, sheet, row, draws);
                changed.insert(relation.target);
            }
        }
    }

    /// What the relation says of the row, missed by as much as it misses a seeded row of the history.
    fn compute(&self, scene: &Scene<'_>, relation: &Relation, sheet: &mut Sheet, row: usize, draws: &mut Draws) {
        let other_row = draws.below(scene.past_rows);
        let seen = number(scene.past[relation.target], other_row);
        let said = |at: &dyn Fn(usize) -> f64, vector: &dyn Fn() -> Vec<f64>| match &relation.rule {
            Rule::Linear { weights, centre, scale } => centre + scale * weights.score(&vector()),
            Rule::Product { factor, one, other, over } => factor * at(*one) * if *over { 1.0 / at(*other) } else { at(*other) },
        };
        let there = said(&|at| number(scene.past[at], other_row), &|| self.design.row(&scene.past, other_row));
        let here = said(&|at| sheet.number(at, row), &|| self.design.read(|at| sheet.column(at).unwrap_or(scene.past[at]), row));
        let missed = match relation.rule {
            Rule::Linear { .. } => here + (seen - there),
            Rule::Product { .. } => here * (seen / there),
        };
        // Where the history's row says nothing, the relation alone.
        let value = if missed.is_finite() { missed } else { here };
        if value.is_finite() {
            sheet.set_number(relation.target, row, relation.law.within(value));
        }
    }
}

/// The columns and all that they follow from.
fn closure(known: &BTreeMap<usize, BTreeSet<usize>>, columns: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut out = columns.clone();
    let mut open: Vec<usize> = columns.iter().copied().collect();
    while let Some(at) = open.pop() {
        for &input in known.get(&at).into_iter().flatten() {
            if out.insert(input) {
                open.push(input);
            }
        }
    }
    out
}

/// A column to add: which, all places with it, the weights and the share explained.
type Step = (usize, Vec<usize>, (Vec<f64>, f64));

/// The best linear relation with few columns: one after the other by what it adds.
fn linear(design: &Design, sums: &Sums, target: usize, law: &Law) -> Option<Found> {
    let sources: Vec<(usize, std::ops::Range<usize>)> = design.places().filter(|(at, _)| *at != target).collect();
    let own = design.places().find(|(at, _)| *at == target)?.1.start;
    let all: Vec<usize> = sources.iter().flat_map(|(_, places)| places.clone()).collect();
    if !sums.explain(own, &all).is_some_and(|(_, share)| share >= SHARE_MIN) {
        return None;
    }
    let (mut inputs, mut places, mut best) = (BTreeSet::new(), Vec::new(), (Vec::new(), 0.0));
    while inputs.len() < INPUTS_MAX {
        let mut next: Option<Step> = None;
        for (at, range) in sources.iter().filter(|(at, _)| !inputs.contains(at)) {
            let tried: Vec<usize> = places.iter().copied().chain(range.clone()).collect();
            if let Some(found) = sums.explain(own, &tried)
                && next.as_ref().is_none_or(|(_, _, best)| found.1 > best.1)
            {
                next = Some((*at, tried, found));
            }
        }
        let Some((at, tried, found)) = next.filter(|(_, _, found)| found.1 - best.1 >= GAIN_MIN) else { break };
        inputs.insert(at);
        (places, best) = (tried, found);
    }
    if !(best.1 >= SHARE_MIN) {
        return None;
    }
    let mut weights = vec![0.0; design.width() + 1];
    places.iter().chain([&design.width()]).zip(best.0).for_each(|(place, weight)| weights[*place] = weight);
    let rule = Rule::Linear { weights: Linear(weights), centre: law.quantile(0.5), scale: law.spread().max(1e-12) };
    Some(Found { target, share: best.1, inputs, rule })
}

/// The best product or quotient of two other numbers.
fn product(scene: &Scene<'_>, rows: &[usize], target: usize, numbers: &[(usize, Law)]) -> Option<Found> {
    let read = |at: usize| -> Vec<f64> { rows.iter().map(|&row| number(scene.past[at], row)).collect() };
    let wanted = read(target);
    let columns: Vec<(usize, Vec<f64>)> =
        numbers.iter().filter(|(at, _)| *at != target).map(|(at, _)| (*at, read(*at))).collect();
    let mut best: Option<Found> = None;
    for (one, first) in &columns {
        for (other, second) in columns.iter().filter(|(other, _)| other != one) {
            for over in [false, true] {
                // A product is the same both ways round.
                if !over && other < one {
                    continue;
                }
                let said = first.iter().zip(second).map(|(a, b)| if over { a / b } else { a * b });
                let pairs: Vec<(f64, f64)> =
                    wanted.iter().copied().zip(said).filter(|(y, x)| y.is_finite() && x.is_finite() && *x != 0.0).collect();
                let Some((factor, share)) = proportional(&pairs) else { continue };
                if share >= SHARE_MIN && best.as_ref().is_none_or(|best| share > best.share) {
                    let rule = Rule::Product { factor, one: *one, other: *other, over };
                    best = Some(Found { target, share, inputs: BTreeSet::from([*one, *other]), rule });
                }
            }
        }
    }
    best
}

/// The median factor of y over x, and the share of the variance of y that it explains.
fn proportional(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    if pairs.len() < PRODUCT_ROWS_MIN {
        return None;
    }
    let mut factors: Vec<f64> = pairs.iter().map(|(y, x)| y / x).collect();
    let middle = factors.len() / 2;
    let factor = *factors.select_nth_unstable_by(middle, f64::total_cmp).1;
    let mean = pairs.iter().map(|(y, _)| y).sum::<f64>() / pairs.len() as f64;
    let missed: f64 = pairs.iter().map(|(y, x)| (y - factor * x) * (y - factor * x)).sum();
    let variance: f64 = pairs.iter().map(|(y, _)| (y - mean) * (y - mean)).sum();
    let share = 1.0 - missed / variance;
    (factor != 0.0 && share.is_finite()).then_some((factor, share))
}

/// Joins columns whose values exclude each other.
fn blocks(scene: &Scene<'_>, rows: &[usize]) -> Vec<Vec<usize>> {
    let coded: Vec<(usize, Vec<usize>)> = scene.features.iter().map(|&at| (at, codes(scene.past[at], rows))).collect();
    let mut group: Vec<usize> = (0..coded.len()).collect();
    for one in 0..coded.len() {
        for other in one + 1..coded.len() {
            if group[one] != group[other] && excluding(&coded[one].1, &coded[other].1) {
                let (from, to) = (group[other], group[one]);
                group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    let mut out = BTreeMap::<usize, Vec<usize>>::new();
    coded.iter().zip(group).for_each(|((at, _), group)| out.entry(group).or_default().push(*at));
    out.into_values().collect()
}

/// Small codes: levels, or missing, usual and other for numbers.
fn codes(column: &Column, rows: &[usize]) -> Vec<usize> {
    match column {
        Column::Number(_) => {
            let values: Vec<f64> = rows.iter().map(|&row| number(column, row)).collect();
            let mut counts = BTreeMap::<u64, usize>::new();
            values.iter().filter(|value| !value.is_nan()).for_each(|value| *counts.entry(value.to_bits()).or_default() += 1);
            let usual = counts.into_iter().max_by_key(|(_, count)| *count);
            let usual = usual.filter(|(_, count)| *count as f64 >= USUAL_SHARE * rows.len() as f64).map(|(bits, _)| bits);
            let code = |value: &f64| {
                if value.is_nan() {
                    0
                } else if Some(value.to_bits()) == usual {
                    1
                } else {
                    2
                }
            };
            values.iter().map(code).collect()
        }
        Column::Category(_) => {
            let texts: Vec<Option<&str>> = rows.iter().map(|&row| categories(column).and_then(|known| known.text(row))).collect();
            let mut counts = BTreeMap::<Option<&str>, usize>::new();
            texts.iter().for_each(|text| *counts.entry(*text).or_default() += 1);
            let mut levels: Vec<(Option<&str>, usize)> = counts.into_iter().collect();
            levels.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            let codes: BTreeMap<Option<&str>, usize> =
                levels.into_iter().zip(0..).map(|((text, _), code)| (text, code.min(LEVELS_MAX))).collect();
            texts.iter().map(|text| codes.get(text).copied().unwrap_or(LEVELS_MAX)).collect()
        }
    }
}

/// Whether some pair of codes that many rows should hold together is in none.
fn excluding(one: &[usize], other: &[usize]) -> bool {
    let width = LEVELS_MAX + 1;
    let mut cells = vec![0.0; width * width];
    let (mut lines, mut columns) = (vec![0.0; width], vec![0.0; width]);
    for (&line, &column) in one.iter().zip(other) {
        cells[line * width + column] += 1.0;
        lines[line] += 1.0;
        columns[column] += 1.0;
    }
    let rows = one.len().max(1) as f64;
    (0..width * width).any(|cell| cells[cell] == 0.0 && lines[cell / width] * columns[cell % width] / rows >= EXPECTED_MIN)
}
