//! The prediction service, without its sockets.

mod call;

pub use call::{Call, Counters, PublicColumn, PublicModel, RefusedStatus, Reply, Told};
