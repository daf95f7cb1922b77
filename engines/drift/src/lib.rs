//! Tells when the world, the feed or the callers change: marginals against a fixed reference, scores under a martingale whose
//! chance of ever raising a false alarm is bounded, and counters of how each application asks (T2, T3, T5).

mod marginal;
mod martingale;
mod query;

#[cfg(test)]
mod tests;

pub use marginal::{ColumnShift, FixedReference, PSI_ABSENT, kolmogorov_smirnov};
pub use martingale::{CALIBRATION_MAX, DriftError, Martingale, ScoreDrift};
pub use query::{APPLICATIONS_MAX, Asked, CUSTOMERS_MAX, Compared, FEATURES_MAX, Pattern, Query, QueryLog, RECENT_MAX};
