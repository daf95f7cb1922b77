//! One control per file.

pub(crate) mod attribute;
pub(crate) mod calibration;
pub(crate) mod canary;
pub(crate) mod fairness;
pub(crate) mod floor;
pub(crate) mod leakage;
pub(crate) mod lineage;
pub(crate) mod memory;
pub(crate) mod pinned;
pub(crate) mod robustness;
pub(crate) mod trigger;
pub(crate) mod value_tier;
