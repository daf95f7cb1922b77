//! Trains, checks, keeps and loads the churn model: a booster, a support vector machine and a random forest that vote (T5), the
//! K-Means segments beside them, and a model file whose parser survives hostile bytes (T3, T4).
//!
//! Everything here is pure and repeatable: the same rows, specification and seed give the same bytes on any number of threads,
//! so that a release can be rebuilt and compared by somebody else. Knows nothing of customers; `true` labels are "positive".

pub mod calibrate;
pub mod conformal;
pub mod curves;
mod distil;
pub mod ensemble;
pub mod error;
pub mod evaluate;
pub mod explain;
mod fast;
pub mod forest;
pub mod gbm;
pub mod interchange;
pub mod interval;
pub mod kmeans;
pub mod leakage;
mod linear;
pub mod metrics;
pub mod modelfile;
pub mod preprocess;
pub mod rng;
pub mod robust;
pub mod search;
pub mod segments;
pub mod spec;
pub mod split;
pub mod stack;
pub mod svm;
mod tensors;
mod wide;

pub use distil::Distil;
pub use ensemble::{Ensemble, Scores};
pub use error::{LearnError, ModelError};
pub use evaluate::{Evaluation, Member, MemberReport, OutOfFold, cross_validate};
pub use fast::Scratch;
pub use preprocess::{ColumnKind, ColumnSpec, Matrix, Preprocess, Value};
pub use robust::{Reach, RobustSpec, RobustSvm};
pub use segments::{SegmentSpec, Segments};
pub use spec::{
    BoosterSpec, Calibration, Direction, EarlyStopping, ForestSpec, Gamma, Held, Kernel, SvmSpec, TrainSpec, Weights,
};
pub use split::{Fold, Split};
