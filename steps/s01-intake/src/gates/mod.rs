//! One control per file.

pub(crate) mod content;
pub(crate) mod door;
