//! Guesses a hidden attribute of people from everything else about them and the model's answers (T2), and says how much of that the
//! model gave away: most of what such attacks find is known without any model (Jayaraman and Evans, "Are Attribute Inference Attacks
//! Just Imputation?", CCS 2022), so every figure stands beside imputation.
//!
//! The attacker knows a person's other columns and label, asks the model about the person with each value of the sensitive column,
//! and owns people whom the model was not trained on. On half of these it learns to impute, on the others (which a model of its own
//! was trained on) how much to trust the answers. So the attack on members is fitted on members, but not on the target's.

use frame::{Categories, Column, Frame};
use learn::calibrate::logistic;
use learn::gbm::Booster;
use learn::rng::{Rng, derive};
use learn::{BoosterSpec, Ensemble, Member, Preprocess, TrainSpec, metrics};
use serde::Serialize;

use crate::error::LeakError;

/// Most repetitions.
const REPEATS_MAX: usize = 64;
/// Values that the model is asked about.
const LEVELS_MAX: usize = 32;
/// Newton's steps of the small regression.
const STEPS: usize = 25;
/// Keeps the regression finite where a signal separates everything.
const RIDGE: f64 = 1e-3;
/// Least distance of a probability from 0 and 1 in log odds.
const CLIP: f64 = 1e-6;
/// The uses of the seed.
const SEED_SIDES: u64 = 0xA771;
const SEED_TARGET: u64 = 0xA772;
const SEED_SHADOW: u64 = 0xA773;
const SEED_IMPUTER: u64 = 0xA774;

/// What is to be guessed: whether a person has this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sensitive {
    /// A column of categories, or of numbers with few different values.
    pub column: String,
    /// The value, as text (`1` for the number 1).
    pub level: String,
}

/// How it is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttributeSpec {
    /// What is guessed.
    pub sensitive: Sensitive,
    /// Targets, each trained on another half of the rows, 2 to 64.
    pub repeats: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// Whose answers the attacker gets.
    pub member: Member,
}

/// Mean over targets, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// Mean.
    pub mean: f64,
    /// Standard error of the mean over targets. Halves overlap: the truth is somewhat wider.
    pub error: f64,
}

impl Gain {
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Self { mean, error: (squares / (count - 1.0) / count).sqrt() }
    }
}

/// Areas under the ROC curve of the guesses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttributeLeak {
    /// Imputation alone, of members.
    pub imputation: Gain,
    /// The model's answers alone, of members.
    pub answers: Gain,
    /// What the answers add to imputation, for members: what the gate judges.
    pub members: Gain,
    /// The same for people whom the target was not trained on: what it tells about anybody, by being a good model.
    pub others: Gain,
}

/// A column of codes, one of which is guessed.
struct Hidden {
    column: String,
    level: u32,
    levels: Vec<Column>,
    shares: Vec<f64>,
    truth: Vec<bool>,
}

/// Measures what a model of this specification tells about a column beyond imputation. The same bytes for any number of threads.
///
/// # Errors
/// A column that is absent, has one value, or more than 32; settings outside their ranges; halves that cannot be trained on.
pub fn attribute(
    frame: &Frame,
    labels: &[bool],
    spec: &TrainSpec,
    attribute: &AttributeSpec,
) -> Result<AttributeLeak, LeakError> {
    if !(2..=REPEATS_MAX).contains(&attribute.repeats) {
        let seen = attribute.repeats.to_string();
        return Err(LeakError::Setting { name: "repeats", seen, allowed: "2 to 64" });
    }
    if labels.len() != frame.rows() {
        return Err(LeakError::Count { what: "labels", expected: frame.rows(), seen: labels.len() });
    }
    let hidden = Hidden::find(frame, &attribute.sensitive)?;
    let mut found: [Vec<f64>; 4] = Default::default();
    for repeat in 0..attribute.repeats as u64 {
        let one = once(frame, labels, spec, &hidden, attribute.member, derive(attribute.seed, SEED_SIDES, repeat))?;
        found.iter_mut().zip(one).for_each(|(all, value)| all.push(value));
    }
    let [imputation, answers, members, others] = found.each_ref().map(|values| Gain::of(values));
    Ok(AttributeLeak { imputation, answers, members, others })
}

impl Hidden {
    fn find(frame: &Frame, sensitive: &Sensitive) -> Result<Self, LeakError> {
        let wrong = |why| LeakError::Sensitive { column: sensitive.column.clone(), why };
        let column = frame.column(&sensitive.column).ok_or_else(|| wrong("is not in the data"))?;
        // Every value as a column of its own, for asking.
        let rows = frame.rows();
        let (texts, levels): (Vec<String>, Vec<Column>) = match column {
            Column::Category(categories) => {
                let constant = |code: usize| Categories { levels: categories.levels.clone(), codes: vec![code as u32; rows] };
                let used = |code: &usize| categories.codes.contains(&(*code as u32));
                let codes: Vec<usize> = (0..categories.levels.len()).filter(used).collect();
                codes.iter().map(|&code| (categories.levels[code].clone(), Column::Category(constant(code)))).unzip()
            }
            Column::Number(numbers) => {
                let mut distinct: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
                distinct.sort_unstable_by(f64::total_cmp);
                distinct.dedup();
                distinct.truncate(LEVELS_MAX + 1);
                distinct.iter().map(|number| (number.to_string(), Column::Number(vec![*number; rows]))).unzip()
            }
        };
        if !(2..=LEVELS_MAX).contains(&levels.len()) {
            return Err(wrong("has fewer than 2 or more than 32 values"));
        }
        let level = texts.iter().position(|text| *text == sensitive.level).ok_or_else(|| wrong("has no such value"))?;
        let text = |row: usize| match column {
            Column::Category(categories) => categories.text(row).map(str::to_owned),
            Column::Number(numbers) => Some(numbers[row].to_string()),
        };
        let mut counts = vec![0.0; levels.len()];
        let truth = (0..rows).map(|row| {
            let own = text(row).and_then(|own| texts.iter().position(|text| *text == own));
            own.into_iter().for_each(|own| counts[own] += 1.0);
            own == Some(level)
        });
        let truth: Vec<bool> = truth.collect();
        let shares = counts.iter().map(|count| count / rows as f64).collect();
        Ok(Self { column: sensitive.column.clone(), level: level as u32, levels, shares, truth })
    }

    /// For each row: by how much likelier its label is, in log odds, with the value than with the others, weighed by their shares.
    fn signals(&self, model: &Ensemble, frame: &Frame, labels: &[bool], member: Member) -> Result<Vec<f64>, LeakError> {
        let (mut with, mut without, mut weight) = (vec![0.0; labels.len()], vec![0.0; labels.len()], 0.0);
        for (at, (level, share)) in self.levels.iter().zip(&self.shares).enumerate() {
            let asked = replaced(frame, &self.column, level)?;
            let likely = model.predict(&asked)?.into_iter().zip(labels).map(|(scores, &label)| {
                let score = member.of(&scores);
                if label { score } else { 1.0 - score }
            });
            if at == self.level as usize {
                with = likely.collect();
            } else {
                without.iter_mut().zip(likely).for_each(|(sum, likely)| *sum += share * likely);
                weight += share;
            }
        }
        let odds = |with: f64, without: f64| libm::log(with.max(CLIP)) - libm::log((without / weight).max(CLIP));
        Ok(with.into_iter().zip(without).map(|(with, without)| odds(with, without)).collect())
    }
}

/// The frame with one column exchanged.
fn replaced(frame: &Frame, column: &str, by: &Column) -> Result<Frame, LeakError> {
    let mut out = Frame::new(frame.rows());
    // The column was made for all people, the frame may hold a part of them.
    let all: Vec<usize> = (0..frame.rows()).collect();
    for (name, own) in frame.iter() {
        let own = if name == column { by.take(&all) } else { own.clone() };
        out.push(name, own).map_err(|_| LeakError::Sensitive { column: column.to_owned(), why: "does not fit the data" })?;
    }
    Ok(out)
}

/// One target: areas of imputation and of answers, and the gains of members and of others.
fn once(
    frame: &Frame,
    labels: &[bool],
    spec: &TrainSpec,
    hidden: &Hidden,
    member: Member,
    seed: u64,
) -> Result<[f64; 4], LeakError> {
    // A third each: the target's members, the members of the attacker's own model, people of no model.
    let mut rows: Vec<usize> = (0..frame.rows()).collect();
    Rng::new(seed).shuffle(&mut rows);
    let mut parts = rows.chunks(frame.rows().div_ceil(3).max(1));
    let mut part = || parts.next().unwrap_or(&[]).to_vec();
    let (target_rows, shadow_rows, free) = (part(), part(), part());
    let own = |rows: &[usize]| -> Vec<bool> { rows.iter().map(|&row| labels[row]).collect() };
    let fit = |rows: &[usize], use_: u64| {
        let spec = TrainSpec { seed: derive(seed, use_, 0), ..spec.clone() };
        Ensemble::fit(&frame.take(rows), &own(rows), &spec)
    };
    let (target, shadow) = (fit(&target_rows, SEED_TARGET)?, fit(&shadow_rows, SEED_SHADOW)?);
    // Of the people of no model, one half teaches to impute; the other measures what the target tells of people it never saw.
    let (learned, others) = free.split_at(free.len() / 2);
    let imputer = Imputer::fit(frame, labels, hidden, learned, derive(seed, SEED_IMPUTER, 0))?;
    let view = |rows: &[usize], model: &Ensemble| -> Result<View, LeakError> {
        let part = frame.take(rows);
        Ok(View {
            truth: rows.iter().map(|&row| hidden.truth[row]).collect(),
            imputed: imputer.odds(&part, &own(rows))?,
            answered: hidden.signals(model, &part, &own(rows), member)?,
        })
    };
    let trust = view(&shadow_rows, &shadow)?.regression();
    let (members, others) = (view(&target_rows, &target)?, view(others, &target)?);
    let (imputation, others_imputation) = (members.area(&members.imputed), others.area(&others.imputed));
    Ok([
        imputation,
        members.area(&members.answered),
        members.area(&members.mixed(trust)) - imputation,
        others.area(&others.mixed(trust)) - others_imputation,
    ])
}

/// What the attacker has of some people, in log odds, and the truth.
struct View {
    truth: Vec<bool>,
    imputed: Vec<f64>,
    answered: Vec<f64>,
}

impl View {
    fn area(&self, signals: &[f64]) -> f64 {
        metrics::roc_auc(signals, &self.truth)
    }

    fn mixed(&self, trust: [f64; 3]) -> Vec<f64> {
        self.imputed.iter().zip(&self.answered).map(|(imputed, answered)| imputed * trust[1] + answered * trust[2]).collect()
    }

    /// Logistic regression of the truth on imputation and answers (Newton's method): offset and two weights.
    fn regression(&self) -> [f64; 3] {
        let mut weights = [0.0, 1.0, 1.0];
        for _ in 0..STEPS {
            let mut gradient = weights.map(|weight| -RIDGE * weight);
            let mut curvature = [[0.0; 3]; 3];
            (0..3).for_each(|at| curvature[at][at] = RIDGE);
            for ((&imputed, &answered), &truth) in self.imputed.iter().zip(&self.answered).zip(&self.truth) {
                let inputs = [1.0, imputed, answered];
                let chance = logistic(inputs.iter().zip(weights).map(|(input, weight)| input * weight).sum());
                let miss = f64::from(u8::from(truth)) - chance;
                for row in 0..3 {
                    gradient[row] += miss * inputs[row];
                    for column in 0..3 {
                        curvature[row][column] += chance * (1.0 - chance) * inputs[row] * inputs[column];
                    }
                }
            }
            let step = solved(curvature, gradient);
            weights.iter_mut().zip(step).for_each(|(weight, step)| *weight += step.clamp(-2.0, 2.0));
        }
        weights
    }
}

/// Solves three equations whose matrix is symmetric and positive (Cramer's rule).
fn solved(matrix: [[f64; 3]; 3], right: [f64; 3]) -> [f64; 3] {
    let determinant = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let all = determinant(matrix);
    std::array::from_fn(|column| {
        let mut other = matrix;
        (0..3).for_each(|row| other[row][column] = right[row]);
        if all.abs() > f64::MIN_POSITIVE { determinant(other) / all } else { 0.0 }
    })
}

/// Guesses the attribute from all other columns and the label.
struct Imputer {
    preprocess: Preprocess,
    booster: Booster,
}

/// The name of the label among the imputer's columns.
const LABEL: &str = "\u{1}label";

impl Imputer {
    fn fit(frame: &Frame, labels: &[bool], hidden: &Hidden, rows: &[usize], seed: u64) -> Result<Self, LeakError> {
        let own: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
        let known = Self::known(&frame.take(rows).only(|name| name != hidden.column), &own)?;
        let truth: Vec<bool> = rows.iter().map(|&row| hidden.truth[row]).collect();
        let preprocess = Preprocess::fit(&known, &[])?;
        let spec = BoosterSpec { trees: 100, depth: 3, min_child_weight: 5.0, subsample: 0.8, ..BoosterSpec::default() };
        let booster = Booster::fit(&preprocess.encode(&known)?, &truth, &spec, seed)?;
        Ok(Self { preprocess, booster })
    }

    fn known(frame: &Frame, labels: &[bool]) -> Result<Frame, LeakError> {
        let mut out = frame.clone();
        let column = Column::Number(labels.iter().map(|&label| f64::from(u8::from(label))).collect());
        out.push(LABEL, column).map_err(|_| LeakError::Sensitive { column: LABEL.to_owned(), why: "is a name of ours" })?;
        Ok(out)
    }

    fn odds(&self, frame: &Frame, labels: &[bool]) -> Result<Vec<f64>, LeakError> {
        let margins = self.booster.margins(&self.preprocess.encode(&Self::known(frame, labels)?)?)?;
        Ok(margins.into_iter().map(f64::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_equations_are_solved() {
        let found = solved([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]], [4.0, 10.0, 14.0]);
        assert!(found.iter().zip([1.0, 2.0, 3.0]).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn a_useless_signal_gets_no_trust() {
        let mut rng = Rng::new(1);
        let truth: Vec<bool> = (0..4_000).map(|_| rng.bits() >> 63 == 1).collect();
        let imputed: Vec<f64> =
            truth.iter().map(|&truth| f64::from(u8::from(truth)) * 2.0 - 1.0 + 4.0 * (rng.unit() - 0.5)).collect();
        let answered: Vec<f64> = truth.iter().map(|_| rng.unit() - 0.5).collect();
        let view = View { truth, imputed, answered };
        let [_, first, second] = view.regression();
        assert!(first > 0.5 && second.abs() < 0.4, "{first} {second}");
        assert!((view.area(&view.mixed([0.0, 1.0, 0.0])) - view.area(&view.imputed)).abs() < 1e-12);
    }
}
