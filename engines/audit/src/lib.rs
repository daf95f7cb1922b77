//! What a figure like the AUC does not see (T1, T4, T6): whether probabilities mean what they say, whether the customers who are
//! worth most are found, whether groups of people are served alike, whether decisions jump from one model to the next, and whether a
//! rare pattern turns everybody's answer around.
//!
//! Pure and repeatable, like every engine. "Positive" is a churner; a vote at or above the threshold flags a row.

pub mod calibration;
pub mod canary;
pub mod groups;
pub mod sets;
pub mod trigger;

pub use calibration::{Calibration, calibration};
pub use canary::{Flips, flips};
pub use groups::{Group, gap, groups, tiers};
pub use sets::{Sets, sets};
pub use trigger::{ScanSpec, Trigger, scan};

/// One row that a model scored without having seen it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The row, a place in the caller's frame.
    pub row: usize,
    /// Its label.
    pub label: bool,
    /// The vote, 0 to 1.
    pub vote: f64,
}
