//! From a supplier's bytes to a served answer: the threat model's diagram, top to bottom.

pub mod desk;
mod error;
pub mod evidence;
pub mod houses;
mod policy;
mod project;
pub mod serving;

pub use desk::Desk;
pub use error::PipelineError;
pub use houses::Houses;
pub use policy::{Policy, SplitMode, template};
pub use project::Project;
