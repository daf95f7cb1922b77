//! The attacker's own small models: least squares and logistic regression on standardised numbers and levels. They share no
//! code with the defence.

use std::collections::BTreeMap;

use frame::Column;

use crate::draw::Draws;
use crate::sheet::{Law, categories, number};

/// Rows that a model is learnt from; a seeded sample of more.
pub(crate) const ROWS_MAX: usize = 4_000;
/// Levels of a category that get a place of their own: the most frequent.
const LEVELS_MAX: usize = 24;
/// Numbers of a model are cut so many spreads from the middle, so that one wild value does not make it.
const REACH: f64 = 20.0;
/// Ridge on standardised columns, for a row.
const RIDGE: f64 = 1e-6;
/// Steps of Newton's method for the logistic model, and its ridge for a row.
const STEPS: usize = 8;
const LOGISTIC_RIDGE: f64 = 1e-3;

enum Reading {
    Number { centre: f64, scale: f64 },
    Levels(Vec<String>),
}

/// How rows become vectors: each part reads one column into one place or several.
pub(crate) struct Design {
    parts: Vec<(usize, Reading, std::ops::Range<usize>)>,
    width: usize,
    /// Numbers are cut so many spreads from the middle.
    reach: f64,
}

impl Design {
    /// Reads these columns of the history.
    pub(crate) fn fit(past: &[&Column], rows: usize, columns: &[usize]) -> Self {
        let (mut parts, mut width) = (Vec::new(), 0);
        for &at in columns {
            let reading = match past[at] {
                Column::Number(_) => match Law::of(past[at]) {
                    Some(law) => Reading::Number { centre: law.quantile(0.5), scale: law.spread().max(1e-12) },
                    None => continue,
                },
                Column::Category(known) => {
                    let mut counts = BTreeMap::<&str, usize>::new();
                    (0..rows).filter_map(|row| known.text(row)).for_each(|text| *counts.entry(text).or_default() += 1);
                    let mut levels: Vec<(&str, usize)> = counts.into_iter().collect();
                    levels.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
                    if levels.len() < 2 || levels.len() * 2 > rows {
                        continue;
                    }
                    // The last level is what remains when no other is there.
                    let kept = (levels.len() - 1).min(LEVELS_MAX);
                    Reading::Levels(levels.into_iter().take(kept).map(|(text, _)| text.to_owned()).collect())
                }
            };
            let places = match &reading {
                Reading::Number { .. } => 1,
                Reading::Levels(levels) => levels.len(),
            };
            parts.push((at, reading, width..width + places));
            width += places;
        }
        Self { parts, width, reach: REACH }
    }

    /// Without the cut: a relation that holds exactly holds for wild values too.
    pub(crate) fn unbounded(self) -> Self {
        Self { reach: f64::MAX, ..self }
    }

    /// Places of a vector, without the constant.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The columns that are read, and their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        self.parts.iter().map(|(at, _, places)| (*at, places.clone()))
    }

    /// The vector of a row; what is missing is the middle. The last place is the constant 1.
    pub(crate) fn row(&self, columns: &[&Column], row: usize) -> Vec<f64> {
        self.read(|at| columns[at], row)
    }

    /// As [`Design::row`], of columns found by their place.
    pub(crate) fn read<'a>(&self, column: impl Fn(usize) -> &'a Column, row: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.width + 1];
        out[self.width] = 1.0;
        for (at, reading, places) in &self.parts {
            match reading {
                Reading::Number { centre, scale } => {
                    let value = (number(column(*at), row) - centre) / scale;
                    out[places.start] = if value.is_nan() { 0.0 } else { value.clamp(-self.reach, self.reach) };
                }
                Reading::Levels(levels) => {
                    let text = categories(column(*at)).and_then(|known| known.text(row));
                    if let Some(level) = text.and_then(|text| levels.iter().position(|level| level == text)) {
                        out[places.start + level] = 1.0;
                    }
                }
            }
        }
        out
    }
}

/// Weights of a linear score, the constant last.
#[derive(Clone, Debug)]
pub(crate) struct Linear(pub(crate) Vec<f64>);

impl Linear {
    pub(crate) fn score(&self, row: &[f64]) -> f64 {
        self.0.iter().zip(row).map(|(weight, value)| weight * value).sum()
    }
}

/// A logistic model of the labels by Newton's method.
pub(crate) fn logistic(design: &Design, past: &[&Column], labels: &[Option<bool>], draws: &mut Draws) -> Linear {
    let known: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_some()).collect();
    let rows = draws.some(&known, ROWS_MAX);
    let vectors: Vec<Vec<f64>> = rows.iter().map(|&row| design.row(past, row)).collect();
    let width = design.width() + 1;
    let mut weights = Linear(vec![0.0; width]);
    let ridge = LOGISTIC_RIDGE * rows.len().max(1) as f64;
    for _ in 0..STEPS {
        let mut gram = vec![0.0; width * width];
        let mut gradient: Vec<f64> = weights.0.iter().map(|weight| -ridge * weight).collect();
        for (vector, &row) in vectors.iter().zip(&rows) {
            let chance = 1.0 / (1.0 + libm::exp(-weights.score(vector)));
            let miss = f64::from(u8::from(labels[row] == Some(true))) - chance;
            let weight = (chance * (1.0 - chance)).max(1e-6);
            for (place, value) in vector.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                gradient[place] += miss * value;
                let line = &mut gram[place * width..(place + 1) * width];
                line.iter_mut().zip(vector).for_each(|(cell, other)| *cell += weight * value * other);
            }
        }
        (0..width).for_each(|place| gram[place * width + place] += ridge);
        let Some(step) = solve(gram, gradient, width) else { break };
        weights.0.iter_mut().zip(step).for_each(|(weight, step)| *weight += step.clamp(-5.0, 5.0));
    }
    weights
}

/// Solves a symmetric positive definite system by Cholesky's decomposition; `None` where it is not.
pub(crate) fn solve(mut gram: Vec<f64>, mut right: Vec<f64>, width: usize) -> Option<Vec<f64>> {
    for column in 0..width {
        for row in column..width {
            let known: f64 = (0..column).map(|at| gram[row * width + at] * gram[column * width + at]).sum();
            let rest = gram[row * width + column] - known;
            if row == column {
                if !(rest > 0.0) {
                    return None;
                }
                gram[row * width + row] = rest.sqrt();
            } else {
                gram[row * width + column] = rest / gram[column * width + column];
            }
        }
    }
    for row in 0..width {
        let known: f64 = (0..row).map(|at| gram[row * width + at] * right[at]).sum();
        right[row] = (right[row] - known) / gram[row * width + row];
    }
    for row in (0..width).rev() {
        let known: f64 = (row + 1..width).map(|at| gram[at * width + row] * right[at]).sum();
        right[row] = (right[row] - known) / gram[row * width + row];
    }
    Some(right)
}

/// Sums of products of vectors and of a target, from which least squares on any places follow.
pub(crate) struct Sums {
    width: usize,
    gram: Vec<f64>,
}

impl Sums {
    /// Of vectors that end with the constant.
    pub(crate) fn of(vectors: &[Vec<f64>]) -> Self {
        let width = vectors.first().map_or(0, Vec::len);
        let mut gram = vec![0.0; width * width];
        for vector in vectors {
            for (place, value) in vector.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                let line = &mut gram[place * width..(place + 1) * width];
                line.iter_mut().zip(vector).for_each(|(cell, other)| *cell += value * other);
            }
        }
        Self { width, gram }
    }

    fn at(&self, one: usize, other: usize) -> f64 {
        self.gram[one * self.width + other]
    }

    /// Least squares of the place `target` on `places` and the constant: weights (constant last) and the explained share of
    /// the target's variance.
    pub(crate) fn explain(&self, target: usize, places: &[usize]) -> Option<(Vec<f64>, f64)> {
        let constant = self.width.checked_sub(1)?;
        let rows = self.at(constant, constant);
        let all: Vec<usize> = places.iter().copied().chain([constant]).collect();
        let width = all.len();
        let mut gram: Vec<f64> = all
            .iter()
            .flat_map(|&one| all.iter().map(move |&other| (one, other)))
            .map(|(one, other)| self.at(one, other))
            .collect();
        (0..width).for_each(|place| gram[place * width + place] += RIDGE * rows);
        let right: Vec<f64> = all.iter().map(|&place| self.at(place, target)).collect();
        let weights = solve(gram, right.clone(), width)?;
        let explained: f64 = weights.iter().zip(&right).map(|(weight, right)| weight * right).sum();
        let mean = self.at(constant, target) / rows;
        let variance = self.at(target, target) - rows * mean * mean;
        let share = (explained - rows * mean * mean) / variance;
        (variance > 1e-9 * rows && share.is_finite()).then_some((weights, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_solved() {
        let found = solve(vec![4.0, 2.0, 2.0, 3.0], vec![10.0, 9.0], 2).unwrap();
        assert!((found[0] - 1.5).abs() < 1e-12 && (found[1] - 2.0).abs() < 1e-12, "{found:?}");
        assert!(solve(vec![1.0, 2.0, 2.0, 1.0], vec![1.0, 1.0], 2).is_none());
    }

    #[test]
    fn a_logistic_model_finds_the_boundary() {
        let mut draws = Draws::new(1, 1);
        let values: Vec<f64> = (0..2_000).map(|_| draws.normal()).collect();
        let labels: Vec<Option<bool>> = values.iter().map(|value| Some(value + 0.3 * draws.normal() > 1.0)).collect();
        let column = Column::Number(values);
        let design = Design::fit(&[&column], 2_000, &[0]);
        let model = logistic(&design, &[&column], &labels, &mut draws);
        let score = |value: f64| model.score(&design.row(&[&Column::Number(vec![value])], 0));
        assert!(score(0.5) < 0.0 && score(1.5) > 0.0);
        assert!(score(1.0).abs() < 0.5, "{}", score(1.0));
    }
}
