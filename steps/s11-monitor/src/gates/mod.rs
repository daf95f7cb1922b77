//! One control per file.

pub(crate) mod drift;
pub(crate) mod query_pattern;
