//! One control per file.

pub(crate) mod served_model;
