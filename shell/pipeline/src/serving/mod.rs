//! The prediction service, without its sockets.

mod call;
mod limits;
pub(crate) mod lookup;
mod rolling;
mod service;
#[cfg(test)]
mod tests;
mod window;

pub use call::{Call, Counters, PublicColumn, PublicModel, RefusedStatus, Reply, Told};
pub use service::Service;
pub(crate) use window::WATCHED;
