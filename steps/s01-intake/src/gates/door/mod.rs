//! Gates that judge raw bytes.

pub(crate) mod sequence;
pub(crate) mod signature;
pub(crate) mod size;
pub(crate) mod transport;
