//! From a supplier's bytes to a served answer: the threat model's diagram, top to bottom.
//!
//! ```text
//! run::Run::refresh     feeds → source → labels → segments → training → staging → release → deployment
//! serving::Service::ask key, rate, scope → input validation → prediction → coarse answer → evidence → caller
//! ```
//!
//! What the console shows of both is [`view`]. Every arrow is a gatehouse ([`houses`]), every verdict an entry of the log ([`evidence`]). What a step needs to know of the world is
//! gathered in `gather/`; nothing there decides.

pub mod access;
pub mod arrival;
mod beside;
pub mod crash;
pub mod data;
pub mod desk;
mod error;
pub mod evidence;
pub mod feed;
mod gather;
pub mod houses;
pub mod internal;
pub mod keys;
mod label_policy;
pub mod office;
pub mod people;
mod policy;
pub mod progress;
mod project;
pub mod quarantine;
pub mod redteam;
pub mod run;
pub mod secrets;
pub mod serving;
mod settings;
pub mod setup;
pub mod validate;
mod vault_state;
pub mod view;

pub use desk::Desk;
pub use error::PipelineError;
pub use houses::Houses;
pub use office::Office;
pub use policy::{Policy, SecretPolicy, SplitMode, SplitPolicy, template, template_with};
pub use project::Project;
pub use settings::{Base, Trial, try_bases};
