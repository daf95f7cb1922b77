//! Says why labels could not be judged: a check that was not made must not look like one that found nothing (T6).

use learn::LearnError;

/// Why labels could not be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LabelError {
    /// No model could be fitted that would know anything of the labels.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// Labels, chances or groups do not have the same number.
    #[error("{what}: `{seen}` were given where `{expected}` are needed")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many are needed.
        expected: usize,
        /// How many came.
        seen: usize,
    },
    /// A setting is outside its range.
    #[error("setting `{name}` is `{seen}`, outside {allowed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What was given.
        seen: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// One labeller alone has nobody to be compared with.
    #[error("the labels have `{0}` labellers; at least two are needed, so that one can be held against the others")]
    Labellers(usize),
    /// A chance that is no probability.
    #[error("the chance of row `{0}` is not a number from 0 to 1")]
    Chance(usize),
}

/// Refuses lists of different lengths.
pub(crate) fn same(what: &'static str, expected: usize, seen: usize) -> Result<(), LabelError> {
    if expected == seen { Ok(()) } else { Err(LabelError::Count { what, expected, seen }) }
}

/// Refuses what is no probability.
pub(crate) fn chances(chances: &[f64]) -> Result<(), LabelError> {
    match chances.iter().position(|chance| !(0.0..=1.0).contains(chance)) {
        Some(row) => Err(LabelError::Chance(row)),
        None => Ok(()),
    }
}
