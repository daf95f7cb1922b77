//! Pins every hyperparameter of a training run, checked and written into the model (T4: hyperparameters are pinned).

use serde::{Deserialize, Serialize};

use crate::error::{LearnError, in_range};

/// Most rows that one training run takes.
pub const ROWS_MAX: usize = 2_000_000;
/// Fewest rows that a training run takes.
pub const ROWS_MIN: usize = 20;
/// Most trees of the booster or the forest.
pub const TREES_MAX: u32 = 5_000;
/// Most rows of the exact support vector machine: its kernel matrix takes `4 * rows * rows` bytes, 1.6 GB at this limit.
pub const SVM_ROWS_MAX: usize = 20_000;
/// Most rows of the machine with landmarks, whose places take `4 * rows * landmarks` bytes, 512 MB for the 512 landmarks of this limit.
pub const NYSTROEM_ROWS_MAX: usize = 250_000;
/// Fewest and most landmarks.
pub const NYSTROEM_LANDMARKS: (usize, usize) = (256, 1_024);

/// Everything that decides what is trained, apart from the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// The seed of all draws.
    pub seed: u64,
    /// The gradient booster.
    pub booster: BoosterSpec,
    /// The random forest.
    pub forest: ForestSpec,
    /// The support vector machine.
    pub svm: SvmSpec,
    /// Number columns that are read as `sign(x) * ln(1 + |x|)`.
    pub log_columns: Vec<String>,
    /// How much each member counts in the vote.
    pub weights: Weights,
    /// Whether the vote is calibrated on out-of-fold votes.
    pub calibration: Calibration,
    /// Folds of the out-of-fold scores that `weights` and `calibration` may need, 2 to 20.
    pub inner_folds: u32,
    /// A vote of at least this is called positive, 0 to 1.
    pub threshold: f64,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            seed: 20_261_122,
            booster: BoosterSpec::default(),
            forest: ForestSpec::default(),
            svm: SvmSpec::default(),
            log_columns: Vec::new(),
            weights: Weights::Equal,
            calibration: Calibration::None,
            inner_folds: 5,
            threshold: 0.5,
        }
    }
}

/// How much each member counts in the vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// One third each.
    Equal,
    /// The mixture that has the least log loss on out-of-fold scores.
    OutOfFold,
}

/// How the vote is turned into a probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// The vote as it is.
    None,
    /// A sigmoid of the vote's log odds (Platt 1999).
    Platt,
    /// A rising step function (Zadrozny and Elkan 2002).
    Isotonic,
}

/// Settings of the gradient booster, with XGBoost's meanings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoosterSpec {
    /// Boosting rounds, 1 to [`TREES_MAX`].
    pub trees: u32,
    /// Depth of a tree, 1 to 16.
    pub depth: u32,
    /// Shrinkage of each tree, above 0 to 1.
    pub learning_rate: f64,
    /// Share of rows a tree sees, above 0 to 1.
    pub subsample: f64,
    /// Share of columns a tree sees, above 0 to 1.
    pub colsample: f64,
    /// Least sum of second derivatives in a child, 0 to 1e6.
    pub min_child_weight: f64,
    /// Penalty on squared leaf values, 0 to 1e6.
    pub lambda: f64,
    /// Bins of a histogram, 2 to 1024.
    pub bins: u32,
}

impl Default for BoosterSpec {
    fn default() -> Self {
        Self {
            trees: 300,
            depth: 4,
            learning_rate: 0.05,
            subsample: 0.9,
            colsample: 0.8,
            min_child_weight: 1.0,
            lambda: 1.0,
            bins: 256,
        }
    }
}

/// Settings of the random forest; each split looks at the square root of the number of encoded columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForestSpec {
    /// Trees, 1 to [`TREES_MAX`].
    pub trees: u32,
    /// Fewest distinct rows in a leaf, 1 to 10,000.
    pub min_leaf: u32,
    /// Most splits from root to leaf, 1 to 64.
    pub depth_max: u32,
}

impl Default for ForestSpec {
    fn default() -> Self {
        Self { trees: 300, min_leaf: 3, depth_max: 64 }
    }
}

/// Width of the kernel `exp(-gamma * |x - y|^2)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gamma {
    /// `1 / (columns * variance of the scaled training matrix)`, as scikit-learn's `scale`.
    Scale,
    /// The given value, above 0 to 1e4.
    Value(f64),
}

/// What a support vector machine's boundary looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// `Rbf` up to `rows_max` rows, `Nystroem` beyond.
    Auto,
    /// A plane, by Newton's steps on the squared hinge loss (dual descent on the hinge loss beyond 512 columns).
    Linear,
    /// Gaussian, solved exactly; rows beyond `rows_max` are left out by a seeded, stratified draw.
    Rbf,
    /// Gaussian, in the space of landmarks; rows beyond [`NYSTROEM_ROWS_MAX`] are left out in the same way.
    Nystroem,
}

/// Settings of the support vector machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SvmSpec {
    /// Price of a violated margin, above 0 to 1e4.
    pub cost: f64,
    /// Width of the kernel.
    pub gamma: Gamma,
    /// What the boundary looks like.
    pub kernel: Kernel,
    /// Most rows of an exact fit, 20 to [`SVM_ROWS_MAX`]: its time grows with about the square of the rows.
    pub rows_max: usize,
    /// Landmarks of `Nystroem`, 16 to 1,024; `None` takes the square root of the rows, from 256 to 1,024.
    pub landmarks: Option<usize>,
    /// Folds whose decision values the sigmoid is fitted on, 2 to 20.
    pub platt_folds: u32,
}

impl Default for SvmSpec {
    fn default() -> Self {
        Self { cost: 1.0, gamma: Gamma::Scale, kernel: Kernel::Auto, rows_max: SVM_ROWS_MAX, landmarks: None, platt_folds: 5 }
    }
}

impl SvmSpec {
    /// The kernel for so many rows, and how many of them it takes. The one place where this is decided.
    pub fn chosen(&self, rows: usize) -> (Kernel, usize) {
        let exact = self.rows_max.min(SVM_ROWS_MAX);
        match self.kernel {
            Kernel::Auto if rows <= exact => (Kernel::Rbf, rows),
            Kernel::Auto | Kernel::Nystroem => (Kernel::Nystroem, rows.min(NYSTROEM_ROWS_MAX)),
            Kernel::Rbf => (Kernel::Rbf, rows.min(exact)),
            Kernel::Linear => (Kernel::Linear, rows),
        }
    }
}

/// Smallest rate, share or price.
const TINY: f64 = 1e-6;

impl TrainSpec {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), LearnError> {
        let trees = f64::from(TREES_MAX);
        let booster = &self.booster;
        in_range("booster.trees", f64::from(booster.trees), 1.0, trees, "1 to 5000")?;
        in_range("booster.depth", f64::from(booster.depth), 1.0, 16.0, "1 to 16")?;
        in_range("booster.learning_rate", booster.learning_rate, TINY, 1.0, "0.000001 to 1")?;
        in_range("booster.subsample", booster.subsample, TINY, 1.0, "0.000001 to 1")?;
        in_range("booster.colsample", booster.colsample, TINY, 1.0, "0.000001 to 1")?;
        in_range("booster.min_child_weight", booster.min_child_weight, 0.0, 1e6, "0 to 1000000")?;
        in_range("booster.lambda", booster.lambda, 0.0, 1e6, "0 to 1000000")?;
        in_range("booster.bins", f64::from(booster.bins), 2.0, 1024.0, "2 to 1024")?;
        in_range("forest.trees", f64::from(self.forest.trees), 1.0, trees, "1 to 5000")?;
        in_range("forest.min_leaf", f64::from(self.forest.min_leaf), 1.0, 1e4, "1 to 10000")?;
        in_range("forest.depth_max", f64::from(self.forest.depth_max), 1.0, 64.0, "1 to 64")?;
        in_range("svm.cost", self.svm.cost, TINY, 1e4, "0.000001 to 10000")?;
        if let Gamma::Value(gamma) = self.svm.gamma {
            in_range("svm.gamma", gamma, 1e-9, 1e4, "0.000000001 to 10000")?;
        }
        in_range("svm.rows_max", self.svm.rows_max as f64, ROWS_MIN as f64, SVM_ROWS_MAX as f64, "20 to 20000")?;
        if let Some(landmarks) = self.svm.landmarks {
            in_range("svm.landmarks", landmarks as f64, 16.0, NYSTROEM_LANDMARKS.1 as f64, "16 to 1024")?;
        }
        in_range("svm.platt_folds", f64::from(self.svm.platt_folds), 2.0, 20.0, "2 to 20")?;
        in_range("inner_folds", f64::from(self.inner_folds), 2.0, 20.0, "2 to 20")?;
        in_range("threshold", self.threshold, 0.0, 1.0, "0 to 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut TrainSpec), name: Option<&str>) {
        let mut spec = TrainSpec::default();
        change(&mut spec);
        let found = match spec.check() {
            Err(LearnError::Setting { name, .. }) => Some(name),
            _ => None,
        };
        assert_eq!(found, name);
    }

    #[test]
    fn the_default_passes() {
        check(|_| (), None);
    }

    #[test]
    fn a_tree_count_of_zero_is_refused() {
        check(|spec| spec.forest.trees = 0, Some("forest.trees"));
    }

    #[test]
    fn a_rate_that_is_no_number_is_refused() {
        check(|spec| spec.booster.learning_rate = f64::NAN, Some("booster.learning_rate"));
    }

    #[test]
    fn a_kernel_beyond_memory_is_refused() {
        check(|spec| spec.svm.rows_max = 1_000_000, Some("svm.rows_max"));
        check(|spec| spec.svm.rows_max = SVM_ROWS_MAX, None);
    }

    #[test]
    fn the_kernel_follows_the_rows() {
        let spec = |kernel| SvmSpec { kernel, rows_max: 100, ..SvmSpec::default() };
        assert_eq!(spec(Kernel::Auto).chosen(100), (Kernel::Rbf, 100));
        assert_eq!(spec(Kernel::Auto).chosen(101), (Kernel::Nystroem, 101));
        assert_eq!(spec(Kernel::Rbf).chosen(101), (Kernel::Rbf, 100));
        assert_eq!(spec(Kernel::Nystroem).chosen(ROWS_MAX), (Kernel::Nystroem, NYSTROEM_ROWS_MAX));
        assert_eq!(spec(Kernel::Linear).chosen(ROWS_MAX), (Kernel::Linear, ROWS_MAX));
        check(|spec| spec.svm.landmarks = Some(2_000), Some("svm.landmarks"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<TrainSpec>(r#"{"seeed":1}"#).is_err());
        assert_eq!(serde_json::from_str::<TrainSpec>("{}").unwrap(), TrainSpec::default());
    }
}
