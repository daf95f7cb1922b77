//! What the console shows of a project (T1 to T7): every light is read from signed entries of the log, not from the register beside it.
//!
//! The register (`control.db`) says which entry belongs to which step of which run; what the gates said is read from the entry, with
//! its signature. Where the two disagree, or the entry cannot be read, the light is `inconclusive`. The views come without their
//! `chrome`, which the server fills.

mod card;
mod controls;
mod entry;
mod evidence;
mod lineage;
mod lit;
mod model;
mod models;
mod origin;
mod pipeline;
#[cfg(test)]
pub(crate) mod tests;

pub use card::{Card, card};
pub use controls::controls_view;
pub use evidence::evidence_view;
pub use lineage::{
    Blame, BlamedFeature, BlamedLabel, BlamedRow, Change, RowChange, SourceDiff, TableVersion, source_blame, source_diff,
    source_log,
};
pub use model::model_view;
pub use models::{ModelLine, ModelState, deployed_proved, models};
pub use pipeline::{pipeline_view, run_view};
