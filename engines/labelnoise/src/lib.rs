//! Which labels people should look at, and whether somebody turned them around (T6): rankings, tests of labellers, value tiers and changes
//! between versions, blind second labelling, and labels computed again from events.
//!
//! Statistics rank and accuse; only events and second labels prove. Pure and repeatable: seeds and the time come as arguments.
//! A label that is `true` says "churned".

pub mod blind;
pub mod change;
mod error;
pub mod facts;
mod fold;
mod law;
mod misclass;
mod rank;
pub mod residual;
mod sequence;

pub use error::LabelError;
pub use fold::{Belief, BeliefSpec, DEALS_MAX, Judge, out_of_fold, without_labeller};
pub use misclass::Turned;
pub use rank::{Ranking, Reason, Suspect, rank, scores};
pub use sequence::{Labels, Watch};
