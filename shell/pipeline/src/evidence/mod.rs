//! Every verdict, artefact and deployment becomes a signed statement in the log; from an answer one can walk back to the feed.

pub(crate) mod deed;
pub(crate) mod proof;
mod record;
mod register;
mod roster;
mod statement;
#[cfg(test)]
mod tests;
mod walk;

pub use record::{Answered, Recorder};
pub use register::{RegisterState, check_register};
pub use roster::{Journal, RosterState, check_roster};
pub use statement::{Artefact, Links, STATEMENT_TYPES, StaywardPart};
pub use walk::{Chain, Link, LinkState, LogWitness, Replay, replay_all, verify};
