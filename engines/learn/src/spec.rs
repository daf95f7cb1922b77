//! Pins every hyperparameter of a training run, checked and written into the model (T4: hyperparameters are pinned).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::distil::Distil;
use crate::error::{LearnError, in_range};
use crate::robust::{RobustSpec, RobustSvm};

/// Most rows that one training run takes.
pub const ROWS_MAX: usize = 2_000_000;
/// Fewest rows that a training run takes.
pub const ROWS_MIN: usize = 20;
/// Most trees of the booster or the forest.
pub const TREES_MAX: u32 = 5_000;
/// Most rows of the exact support vector machine: its kernel matrix takes `4 * rows * rows` bytes, 1.6 GB at this limit.
pub const SVM_ROWS_MAX: usize = 20_000;
/// Rows that are drawn where there are too many for an exact machine: 400 MB, and some seconds.
const SVM_ROWS_DRAWN: usize = 10_000;
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
    /// Whether members learn what teachers say of rows that they did not see, in place of the rows' own labels (T2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distil: Option<Distil>,
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
            distil: None,
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
    /// Logistic regression on out-of-fold log odds, weights not negative ([`crate::stack`]).
    Stacked,
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
    /// Number columns, by name, in which the booster may only rise or only fall. Binds the booster, not the vote.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub monotone: BTreeMap<String, Direction>,
    /// Ends boosting where held-out rows no longer gain; `trees` is then the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// How much a positive row counts against a negative one, 0.001 to 1000, as XGBoost's `scale_pos_weight`. Chances are then too
    /// high or too low until they are calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive_weight: Option<f64>,
    /// Reckons with an outsider who moves columns; by a trainer of our own ([`crate::robust`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robust: Option<RobustSpec>,
}

/// Where a booster's answer may go as a column rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Up, or nowhere; XGBoost's `+1`.
    #[serde(alias = "+1", alias = "1")]
    Rising,
    /// Down, or nowhere; XGBoost's `-1`.
    #[serde(alias = "-1")]
    Falling,
}

/// When boosting ends. The booster is then fitted again, to all rows, with as many trees as were best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopping {
    /// Trees without a lower log loss on held-out rows, 1 to [`TREES_MAX`].
    pub rounds: u32,
    /// Share of rows held out, 0.05 to 0.5.
    pub share: f64,
    /// Which rows.
    pub held: Held,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { rounds: 30, share: 0.2, held: Held::Drawn }
    }
}

/// Which rows tell when to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// A seeded draw; equal rows are on one side.
    Drawn,
    /// The last rows as they stand, for rows in the order of time.
    Last,
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
            monotone: BTreeMap::new(),
            early_stopping: None,
            positive_weight: None,
            robust: None,
        }
    }
}

/// Settings of the random forest; each split looks at the square root of the number of encoded columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForestSpec {
    /// Trees, 1 to [`TREES_MAX`].
    pub trees: u32,
    /// Fewest distinct rows in a leaf, 1 to 10,000.
    pub min_leaf: u32,
    /// Most splits from root to leaf, 1 to 64.
    pub depth_max: u32,
    /// Rows that a tree draws (with replacement), as a share of all, above 0 to 1. The fewer, the less one row weighs (T2).
    #[serde(skip_serializing_if = "is_whole")]
    pub subsample: f64,
    /// How much a positive row counts against a negative one, 0.001 to 1000. Chances are then too high or too low until they are
    /// calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive_weight: Option<f64>,
    /// Reckons with an outsider who moves columns ([`crate::robust`]). `min_leaf` is then the least weight of drawn rows in a leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robust: Option<RobustSpec>,
}

impl Default for ForestSpec {
    fn default() -> Self {
        Self { trees: 300, min_leaf: 3, depth_max: 64, subsample: 1.0, positive_weight: None, robust: None }
    }
}

/// Specifications from before there was a share keep their bytes, and so their digests.
fn is_whole(share: &f64) -> bool {
    *share == 1.0
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
    /// As `Rbf` up to `rows_max` rows; of more rows 10,000 are drawn. On 33,000 rows of public data this was better than landmarks of all
    /// (`quality_table bank_mkt`: AUC 0.73 against 0.65 to 0.70), and its probabilities truer.
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
    /// Reckons with an outsider who moves columns ([`crate::robust`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robust: Option<RobustSvm>,
}

impl Default for SvmSpec {
    fn default() -> Self {
        Self {
            cost: 1.0,
            gamma: Gamma::Scale,
            kernel: Kernel::Auto,
            rows_max: SVM_ROWS_MAX,
            landmarks: None,
            platt_folds: 5,
            robust: None,
        }
    }
}

impl SvmSpec {
    /// The kernel for so many rows, and how many of them it takes. The one place where this is decided.
    pub fn chosen(&self, rows: usize) -> (Kernel, usize) {
        let exact = self.rows_max.min(SVM_ROWS_MAX);
        match self.kernel {
            Kernel::Auto if rows > exact => (Kernel::Rbf, exact.min(SVM_ROWS_DRAWN)),
            Kernel::Auto | Kernel::Rbf => (Kernel::Rbf, rows.min(exact)),
            Kernel::Nystroem => (Kernel::Nystroem, rows.min(NYSTROEM_ROWS_MAX)),
            Kernel::Linear => (Kernel::Linear, rows),
        }
    }
}

impl BoosterSpec {
    fn check_extras(&self) -> Result<(), LearnError> {
        if let Some(stop) = &self.early_stopping {
            in_range("booster.early_stopping.rounds", f64::from(stop.rounds), 1.0, f64::from(TREES_MAX), "1 to 5000")?;
            in_range("booster.early_stopping.share", stop.share, 0.05, 0.5, "0.05 to 0.5")?;
        }
        if let Some(robust) = &self.robust {
            robust.check()?;
            let other = [("monotone", !self.monotone.is_empty()), ("early_stopping", self.early_stopping.is_some())];
            if let Some((name, _)) = other.iter().find(|(_, asked)| *asked) {
                let allowed = "without `monotone` and `early_stopping`";
                return Err(LearnError::Setting { name: "booster.robust", seen: format!("with {name}"), allowed });
            }
        }
        check_positive_weight("booster.positive_weight", self.positive_weight)
    }
}

/// Range of the weight of positive rows.
fn check_positive_weight(name: &'static str, weight: Option<f64>) -> Result<(), LearnError> {
    weight.map_or(Ok(()), |weight| in_range(name, weight, 1e-3, 1e3, "0.001 to 1000"))
}

/// Smallest rate, share or price.
const TINY: f64 = 1e-6;

// What one unit of `strength` is, from sweeps over two public data sets (telco_ibm, mlc_churn): of what was tried, these lost least
// AUC for what they withstood. A machine that learns rows moved by the whole reach only loses its head: classes then overlap.
/// Share of the trees' loss that is taken at moved rows.
const TREES_MOVED: f64 = 0.15;
/// Share of the rows that the machine may move.
const SVM_MOVED: f64 = 0.5;
/// How far it moves them, as a share of the reach.
const SVM_EPS: f64 = 0.5;
/// By how much it shrinks what can be moved: a spread of `1 / (1 + strength * this)`.
const SVM_SHRINK: f64 = 2.0;

impl TrainSpec {
    /// Settings that remember little of each person, chosen by audits of two public data sets (`leak_table`, an example of the leak
    /// engine, prints them again): members learn from ten teachers, in small steps, from few rows a tree and many rows a leaf; the
    /// machine is a plane, whose file holds no rows of training. Takes `copies` (4) times the rows in memory.
    pub fn guarded() -> Self {
        let teacher = BoosterSpec {
            trees: 150,
            depth: 5,
            subsample: 0.5,
            colsample: 1.0,
            min_child_weight: 2.0,
            lambda: 2.0,
            bins: 64,
            ..BoosterSpec::default()
        };
        Self {
            booster: BoosterSpec {
                trees: 100,
                depth: 5,
                subsample: 0.16,
                colsample: 1.0,
                min_child_weight: 9.0,
                lambda: 5.0,
                bins: 32,
                ..BoosterSpec::default()
            },
            forest: ForestSpec { trees: 60, min_leaf: 20, subsample: 0.25, ..ForestSpec::default() },
            svm: SvmSpec { kernel: Kernel::Linear, cost: 0.01, ..SvmSpec::default() },
            weights: Weights::OutOfFold,
            inner_folds: 2,
            distil: Some(Distil { folds: 10, copies: 4, teacher }),
            ..Self::default()
        }
    }

    /// Between [`Self::guarded`] and the default, for tables whose churners are told by fine rules: stronger teachers, finer trees.
    /// What they remember a project's training measures.
    pub fn balanced() -> Self {
        let guarded = Self::guarded();
        let teacher = BoosterSpec { trees: 300, depth: 5, learning_rate: 0.1, subsample: 0.8, ..BoosterSpec::default() };
        Self {
            booster: BoosterSpec {
                trees: 200,
                depth: 6,
                subsample: 0.4,
                min_child_weight: 4.0,
                lambda: 3.0,
                bins: 64,
                ..guarded.booster.clone()
            },
            distil: Some(Distil { folds: 10, copies: 6, teacher }),
            ..guarded
        }
    }

    /// The same settings where all three members reckon with an outsider who moves the named columns by the share `eps` of their range.
    /// `strength` says how much that counts beside the rows as they are: 0 is these settings without any of it, 1 what lost about 0.01
    /// of AUC on public data at an `eps` of 0.1 (`evasion_table`, an example of the evasion engine, prints it again), above that more.
    /// Trees keep a share of their loss for rows as they are; the machine learns moved rows, and what can be moved counts for less.
    /// Which strength is worth it, the trade-off curve of the evasion engine says.
    ///
    /// Robust trees know neither `monotone` nor `early_stopping`: [`Self::check`] refuses them together.
    pub fn hardened(&self, columns: &[String], eps: f64, strength: f64) -> Self {
        let mut out = self.clone();
        (out.booster.robust, out.forest.robust, out.svm.robust) = (None, None, None);
        if strength > 0.0 {
            let clean = (1.0 - TREES_MOVED * strength).max(0.0);
            let trees = RobustSpec { eps, columns: columns.to_vec(), clean, ..RobustSpec::default() };
            (out.booster.robust, out.forest.robust) = (Some(trees.clone()), Some(trees));
            out.svm.robust = Some(RobustSvm {
                eps: eps * SVM_EPS,
                columns: columns.to_vec(),
                clean: (1.0 - SVM_MOVED * strength).max(0.0),
                spread: 1.0 / (1.0 + SVM_SHRINK * strength),
                ..RobustSvm::default()
            });
        }
        out
    }

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
        booster.check_extras()?;
        in_range("forest.trees", f64::from(self.forest.trees), 1.0, trees, "1 to 5000")?;
        in_range("forest.min_leaf", f64::from(self.forest.min_leaf), 1.0, 1e4, "1 to 10000")?;
        in_range("forest.depth_max", f64::from(self.forest.depth_max), 1.0, 64.0, "1 to 64")?;
        in_range("forest.subsample", self.forest.subsample, TINY, 1.0, "0.000001 to 1")?;
        check_positive_weight("forest.positive_weight", self.forest.positive_weight)?;
        self.forest.robust.as_ref().map_or(Ok(()), RobustSpec::check)?;
        in_range("svm.cost", self.svm.cost, TINY, 1e4, "0.000001 to 10000")?;
        if let Gamma::Value(gamma) = self.svm.gamma {
            in_range("svm.gamma", gamma, 1e-9, 1e4, "0.000000001 to 10000")?;
        }
        in_range("svm.rows_max", self.svm.rows_max as f64, ROWS_MIN as f64, SVM_ROWS_MAX as f64, "20 to 20000")?;
        if let Some(landmarks) = self.svm.landmarks {
            in_range("svm.landmarks", landmarks as f64, 16.0, NYSTROEM_LANDMARKS.1 as f64, "16 to 1024")?;
        }
        in_range("svm.platt_folds", f64::from(self.svm.platt_folds), 2.0, 20.0, "2 to 20")?;
        self.svm.robust.as_ref().map_or(Ok(()), RobustSvm::check)?;
        in_range("inner_folds", f64::from(self.inner_folds), 2.0, 20.0, "2 to 20")?;
        self.distil.as_ref().map_or(Ok(()), Distil::check)?;
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
    fn the_default_and_the_guarded_settings_pass() {
        check(|_| (), None);
        check(|spec| *spec = TrainSpec::guarded(), None);
        check(|spec| *spec = TrainSpec::balanced(), None);
        let text = serde_json::to_string(&TrainSpec::guarded()).unwrap();
        assert_eq!(serde_json::from_str::<TrainSpec>(&text).unwrap(), TrainSpec::guarded());
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
        assert_eq!(spec(Kernel::Auto).chosen(101), (Kernel::Rbf, 100));
        assert_eq!(SvmSpec::default().chosen(SVM_ROWS_MAX), (Kernel::Rbf, SVM_ROWS_MAX));
        assert_eq!(SvmSpec::default().chosen(SVM_ROWS_MAX + 1), (Kernel::Rbf, SVM_ROWS_DRAWN));
        assert_eq!(spec(Kernel::Rbf).chosen(101), (Kernel::Rbf, 100));
        assert_eq!(spec(Kernel::Nystroem).chosen(ROWS_MAX), (Kernel::Nystroem, NYSTROEM_ROWS_MAX));
        assert_eq!(spec(Kernel::Linear).chosen(ROWS_MAX), (Kernel::Linear, ROWS_MAX));
        check(|spec| spec.svm.landmarks = Some(2_000), Some("svm.landmarks"));
    }

    #[test]
    fn further_settings_of_the_booster_are_read_checked_and_left_out_where_absent() {
        let text = r#"{"booster":{"monotone":{"tenure":"-1"},"early_stopping":{"rounds":10},"positive_weight":3.0}}"#;
        let spec = serde_json::from_str::<TrainSpec>(text).unwrap();
        assert_eq!(spec.booster.monotone["tenure"], Direction::Falling);
        assert_eq!(spec.booster.early_stopping, Some(EarlyStopping { rounds: 10, ..EarlyStopping::default() }));
        assert!(spec.check().is_ok());
        let plain = serde_json::to_string(&BoosterSpec::default()).unwrap();
        assert!(["monotone", "early_stopping", "positive_weight"].iter().all(|name| !plain.contains(name)), "{plain}");
        check(|spec| spec.booster.positive_weight = Some(0.0), Some("booster.positive_weight"));
        let stop = |share| Some(EarlyStopping { share, ..EarlyStopping::default() });
        check(|spec| spec.booster.early_stopping = stop(0.9), Some("booster.early_stopping.share"));
        check(|spec| spec.booster.early_stopping = stop(0.3), None);
    }

    #[test]
    fn a_booster_without_outsider_is_written_as_before() {
        assert!(!serde_json::to_string(&TrainSpec::default()).unwrap().contains("robust"));
        let text = r#"{"booster":{"robust":{"eps":0.1,"columns":["spend"]}}}"#;
        let spec = serde_json::from_str::<TrainSpec>(text).unwrap();
        assert_eq!(
            spec.booster.robust,
            Some(RobustSpec { eps: 0.1, columns: vec!["spend".to_owned()], ..RobustSpec::default() })
        );
        assert_eq!(serde_json::from_str::<TrainSpec>(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
        let robust = |eps| Some(RobustSpec { eps, ..RobustSpec::default() });
        check(|spec| spec.booster.robust = robust(0.1), None);
        check(|spec| spec.booster.robust = robust(1.5), Some("booster.robust.eps"));
        check(
            |spec| (spec.booster.robust, spec.booster.early_stopping) = (robust(0.1), Some(EarlyStopping::default())),
            Some("booster.robust"),
        );
    }

    #[test]
    fn hardened_settings_pass_and_no_strength_is_none() {
        let columns = ["spend".to_owned()];
        for strength in [0.1, 1.0, 2.5, 9.0] {
            check(|spec| *spec = spec.hardened(&columns, 0.1, strength), None);
        }
        let one = TrainSpec::default().hardened(&columns, 0.1, 1.0);
        let (trees, machine) = (one.booster.robust.as_ref().unwrap(), one.svm.robust.as_ref().unwrap());
        assert_eq!((trees.clean, trees.eps, machine.clean, machine.eps), (0.85, 0.1, 0.5, 0.05));
        assert_eq!(one.forest.robust.as_ref(), Some(trees));
        assert_eq!(one.hardened(&columns, 0.1, 0.0), TrainSpec::default());
        assert_eq!(serde_json::from_str::<TrainSpec>(&serde_json::to_string(&one).unwrap()).unwrap(), one);
        check(|spec| *spec = spec.hardened(&columns, 1.5, 1.0), Some("booster.robust.eps"));
        let machine = |change: fn(&mut RobustSvm)| {
            let mut robust = RobustSvm::default();
            change(&mut robust);
            move |spec: &mut TrainSpec| spec.svm.robust = Some(robust.clone())
        };
        check(machine(|_| ()), None);
        check(machine(|robust| robust.spread = 0.0), Some("svm.robust.spread"));
        check(machine(|robust| robust.rounds = 11), Some("svm.robust.rounds"));
        check(machine(|robust| robust.clean = f64::NAN), Some("svm.robust.clean"));
    }

    #[test]
    fn a_forest_of_all_rows_is_written_as_before() {
        assert_eq!(serde_json::to_string(&ForestSpec::default()).unwrap(), r#"{"trees":300,"min_leaf":3,"depth_max":64}"#);
        let few = ForestSpec { subsample: 0.5, ..ForestSpec::default() };
        assert_eq!(serde_json::from_str::<ForestSpec>(&serde_json::to_string(&few).unwrap()).unwrap(), few);
        check(|spec| spec.forest.subsample = 0.0, Some("forest.subsample"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<TrainSpec>(r#"{"seeed":1}"#).is_err());
        assert_eq!(serde_json::from_str::<TrainSpec>("{}").unwrap(), TrainSpec::default());
    }
}
