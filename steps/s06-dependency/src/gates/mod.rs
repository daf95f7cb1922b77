//! One control per file.

pub(crate) mod pins;
pub(crate) mod reviews;
pub(crate) mod vetting;
