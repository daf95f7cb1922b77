//! One control per file.

pub(crate) mod answer;
pub(crate) mod query;
