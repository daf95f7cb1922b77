//! Says why a training run or a model file was refused, in words for the operator (T4: a refused file is evidence).

/// Why nothing could be trained, measured or predicted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// A setting is outside its range.
    #[error("setting `{name}` is `{seen}`, outside {allowed}")]
    Setting {
        /// The setting, with its section.
        name: &'static str,
        /// What was given.
        seen: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Labels, values or rows do not have the same number.
    #[error("{what}: `{seen}` were given where `{expected}` are needed")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many are needed.
        expected: usize,
        /// How many came.
        seen: usize,
    },
    /// There are too few or too many rows or columns.
    #[error("{what}: `{seen}` is outside {least} to {most}")]
    Size {
        /// What was counted.
        what: &'static str,
        /// How many came.
        seen: usize,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// All labels are equal, so there is nothing to learn.
    #[error("{where_} has labels of one class only\nhelp: use a longer period, or fewer folds")]
    OneClass {
        /// Which rows.
        where_: &'static str,
    },
    /// A column that the model or a setting names is not in the frame.
    #[error("column `{0}` is not in the data")]
    NoColumn(String),
    /// A column is numbers where categories are needed, or the reverse.
    #[error("column `{column}` is not {needed}")]
    Kind {
        /// The column.
        column: String,
        /// What is needed.
        needed: &'static str,
    },
    /// A category has too many levels to be one.
    #[error("column `{column}` has `{seen}` levels, more than `{most}`\nhelp: leave identifiers out, or group rare levels")]
    Levels {
        /// The column.
        column: String,
        /// How many levels.
        seen: usize,
        /// The most.
        most: usize,
    },
    /// The model does not fit its files.
    #[error("the model cannot be written: {0}")]
    Write(String),
    /// The booster refused.
    #[error("the booster refused: {0}")]
    Booster(String),
}

/// Why a model could not be loaded. The text names the file and the place, never values of training rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A file of the model is missing.
    #[error("model file `{0}` is missing")]
    Missing(&'static str),
    /// A file is there that no model has.
    #[error("model file `{0}` does not belong to a model")]
    Unknown(String),
    /// A file is larger than any model.
    #[error("model file `{file}` has `{seen}` bytes, more than `{most}`")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        seen: usize,
        /// The most.
        most: usize,
    },
    /// A file cannot be read as what it should be.
    #[error("model file `{file}` is malformed: {why}")]
    Malformed {
        /// The file.
        file: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The files were written by another format.
    #[error("model has format `{seen}`, this program reads `{known}`")]
    Version {
        /// What the manifest says.
        seen: u32,
        /// What is known.
        known: u32,
    },
}

impl ModelError {
    pub(crate) fn malformed(file: &'static str, why: impl Into<String>) -> Self {
        Self::Malformed { file, why: why.into() }
    }
}

/// Refuses a number outside a range; `NaN` is outside every range.
pub(crate) fn in_range(name: &'static str, value: f64, least: f64, most: f64, allowed: &'static str) -> Result<(), LearnError> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(LearnError::Setting { name, seen: value.to_string(), allowed })
}
