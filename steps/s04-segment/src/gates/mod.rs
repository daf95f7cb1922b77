//! One control per file.

pub(crate) mod segment_continuity;
pub(crate) mod segment_size;
pub(crate) mod segment_stability;
