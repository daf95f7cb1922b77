//! One control per file.

pub(crate) mod archive;
pub(crate) mod mass_change;
pub(crate) mod quality;
pub(crate) mod sign_off;
