//! One control per file.

pub(crate) mod contract;
pub(crate) mod outlier;
