//! What an attacker with many models holds: their scores for every person, and who trained which (T2).

use crate::error::LeakError;

/// Scores of `models` models for `rows` rows, with what each model was trained on.
///
/// Draw membership for each model and row by itself. Where each row is in exactly half of the models, the number of *other* models
/// that hold it tells whether the target does, and every attack that counts would find "leaks" in any model.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    models: usize,
    rows: usize,
    scores: Vec<f64>,
    trained: Vec<bool>,
    labels: Vec<bool>,
}

impl Panel {
    /// `scores` (the probability of a positive label, 0 to 1) and `trained` model after model, `models * rows` of each; one label
    /// for each row.
    ///
    /// # Errors
    /// Numbers that do not fit, scores outside of 0 to 1.
    pub fn new(scores: Vec<f64>, trained: Vec<bool>, labels: Vec<bool>) -> Result<Self, LeakError> {
        let rows = labels.len();
        let models = scores.len().checked_div(rows).unwrap_or(0);
        if rows == 0 || models * rows != scores.len() {
            return Err(LeakError::Count { what: "scores", expected: models.max(1) * rows, seen: scores.len() });
        }
        if trained.len() != scores.len() {
            return Err(LeakError::Count { what: "memberships", expected: scores.len(), seen: trained.len() });
        }
        if let Some(at) = scores.iter().position(|score| !(0.0..=1.0).contains(score)) {
            return Err(LeakError::Score { row: at % rows, seen: scores[at].to_string() });
        }
        Ok(Self { models, rows, scores, trained, labels })
    }

    /// How many models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Scores of a model, one for each row. Panics never: beyond the last model there are none.
    pub fn scores(&self, model: usize) -> &[f64] {
        self.scores.get(model * self.rows..(model + 1) * self.rows).unwrap_or(&[])
    }

    /// Which rows a model was trained on.
    pub fn trained(&self, model: usize) -> &[bool] {
        self.trained.get(model * self.rows..(model + 1) * self.rows).unwrap_or(&[])
    }

    /// The rows' labels.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// Probability that a model gives to the label that the row has.
    pub fn confidence(&self, model: usize, row: usize) -> f64 {
        let score = self.scores[model * self.rows + row];
        if self.labels[row] { score } else { 1.0 - score }
    }

    /// The same as log odds, with probabilities at least `clip` away from 0 and 1 (Carlini et al. 2022, equation 6).
    pub fn log_odds(&self, model: usize, row: usize, clip: f64) -> f64 {
        let confidence = self.confidence(model, row).clamp(clip, 1.0 - clip);
        libm::log(confidence) - libm::log1p(-confidence)
    }
}
