//! One control per file.

pub(crate) mod archive;
pub(crate) mod blind;
pub(crate) mod mass_change;
pub(crate) mod patterns;
pub(crate) mod quality;
pub(crate) mod recount;
pub(crate) mod sign_off;
pub(crate) mod watch;
