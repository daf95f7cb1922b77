//! One control per file.

pub(crate) mod floor;
pub(crate) mod leakage;
pub(crate) mod lineage;
pub(crate) mod pinned;
