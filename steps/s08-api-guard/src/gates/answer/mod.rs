//! Gates on the way out.

pub(crate) mod granularity;
pub(crate) mod terse;
